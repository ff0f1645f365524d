"""Who may do what: one row an action, one column a role. What is not marked Y is refused.

A test fails where an action has no row, a row has no action, or a cell is neither Y nor a dash.
"""

from __future__ import annotations

ROLES = {
    "administrator": "accounts, sites and versions; records and sees nothing of participants",
    "coordinator": "enrols, randomizes and records at a site",
    "investigator": "as a coordinator; judges eligibility and events, signs, breaks the code",
    "infusion": "records infusions, injections and sprays; sees volume and rate",
    "rater": "records outcomes; sees neither infusion nor what may tell the arm",
    "pharmacist": "holds the key; prepares doses; unblinded",
    "safety": "sees what is quarantined; is told the arm where it must be known",
    "monitor": "reads, asks and closes queries, signs what was reviewed",
    "data-manager": "as a monitor: reads, asks and closes queries; blinded",
    "statistician": "blinded: takes blinded and sham cuts",
    "unblinded-statistician": "takes unblinded cuts",
}

# Participants on a page of their own: the account that a link makes reaches that one participant, and does this alone.
PARTICIPANT = "participant"
OWN_ACTIONS = ("consent-sign", "diary", "diary-pin", "read-consent", "read-own-diary", "sign-out")

# Roles that may read what names a treatment: they know arms, or must know.
READS_NAMES = frozenset({"pharmacist", "safety", "unblinded-statistician"})

# Actions that only read: they are told anew when repeated, set no time that others are held against, and are a kind of
# their own in the audit trail. An action that is one and does not stand here, or the other way round, does not load.
READING = frozenset(
    {
        *("read", "read-closing", "read-consent", "read-diary", "read-dose", "read-eligibility", "read-infusion"),
        *("read-own-diary", "read-visit", "participants", "due", "queries", "progress", "audit-trail", "held-texts"),
        *("envelopes", "dose-sheets", "dose-sheet-read", "slots-read", "stock-register", "review-accounts"),
        *("envelopes-print", "export-allocations"),
    }
)

# Every state of the trial: for what is done in any of them, reading above all.
ALWAYS = ("open", "paused", "frozen", "locked")

# What a pause of the whole trial halts: nobody further is taken in, randomized or dosed. Everything else goes on.
HALTED = frozenset(
    {
        "screen",
        "eligibility",
        "day-1",
        "randomize",
        "enrol",
        "enter-stage",
        "envelopes-reserve",
        "dose-sheet",
        "dose-check",
        "dose-given",
        "infusion-start",
        "pause",
        "freeze",
    }
)

COLUMNS = (
    "administrator",
    "coordinator",
    "investigator",
    "infusion",
    "rater",
    "pharmacist",
    "safety",
    "monitor",
    "data-manager",
    "statistician",
    "unblinded-statistician",
)

# Columns:            adm coo inv inf rat pha saf mon dat sta uns
_RIGHTS = """
acknowledge-clock      Y   -   -   -   -   -   -   -   -   -   -
acknowledge-loss       Y   -   -   -   -   -   -   -   -   -   -
activate-site          Y   -   -   -   -   -   -   -   -   -   -
add-account            Y   -   -   -   -   -   -   -   -   -   -
add-site               Y   -   -   -   -   -   -   -   -   -   -
add-slots              -   -   -   -   -   Y   -   -   -   -   -
adverse-event          -   Y   Y   Y   -   -   -   -   -   -   -
adverse-event-reported -   Y   Y   -   -   -   Y   -   -   -   -
adverse-event-update   -   Y   Y   -   -   -   -   -   -   -   -
amend                  Y   -   -   -   -   -   -   -   -   -   -
ask-unlock             Y   -   -   -   -   -   -   -   -   -   -
audit-trail            Y   Y   Y   -   -   -   Y   Y   Y   -   -
baseline               -   Y   Y   -   -   -   -   -   -   -   -
calendar               -   Y   Y   -   Y   -   Y   -   -   -   -
close-site             Y   -   -   -   -   -   -   -   -   -   -
complete               -   Y   Y   -   -   -   -   -   -   -   -
consent                -   Y   Y   -   -   -   -   -   -   -   -
consent-document       Y   -   -   -   -   -   -   -   -   -   -
consent-electronic     -   Y   Y   -   -   -   -   -   -   -   -
consent-version        Y   -   -   -   -   -   -   -   -   -   -
copy                   -   Y   Y   -   -   -   -   Y   Y   -   -
correct                -   Y   Y   Y   Y   -   Y   -   -   -   -
cut                    -   -   -   -   -   Y   -   -   -   Y   Y
day-1                  -   Y   Y   -   -   -   -   -   -   -   -
death                  -   Y   Y   -   -   -   -   -   -   -   -
disable-account        Y   -   -   -   -   -   -   -   -   -   -
diary-link             -   Y   Y   -   -   -   -   -   -   -   -
diary-link-end         -   Y   Y   -   -   -   -   -   -   -   -
discontinue            -   -   Y   -   -   -   -   -   -   -   -
dose-check             -   -   -   -   -   Y   -   -   -   -   -
dose-given             -   -   -   Y   -   -   -   -   -   -   -
dose-sheet-cancel      -   -   -   -   -   Y   -   -   -   -   -
dose-sheet-read        -   -   -   -   -   Y   -   -   -   -   -
dose-sheet             -   -   -   -   -   Y   -   -   -   -   -
dose-sheets            -   -   -   -   -   Y   -   -   -   -   -
due                    -   Y   Y   Y   Y   -   Y   Y   Y   -   -
eligibility            -   -   Y   -   -   -   -   -   -   -   -
entered-in-error       -   Y   Y   Y   Y   -   Y   -   -   -   -
enrol                  -   Y   Y   -   -   -   -   -   -   -   -
enter-stage            -   -   Y   -   -   -   -   -   -   -   -
envelope-opened        -   Y   Y   -   -   -   -   -   -   -   -
envelopes              -   Y   Y   -   -   Y   -   Y   Y   -   -
envelopes-print        -   -   -   -   -   Y   -   -   -   -   -
envelopes-reserve      -   -   -   -   -   Y   -   -   -   -   -
envelopes-returned     -   -   -   -   -   Y   -   -   -   -   -
expire-account         Y   -   -   -   -   -   -   -   -   -   -
export-allocations     -   -   -   -   -   Y   -   -   -   -   Y
found-again            -   Y   Y   -   -   -   -   -   -   -   -
freeze                 Y   -   -   -   -   -   -   -   -   -   -
held-texts             -   -   -   -   -   -   Y   -   -   -   -
infusion-rate          -   -   -   Y   -   -   -   -   -   -   -
infusion-start         -   -   -   Y   -   -   -   -   -   -   -
infusion-stop          -   -   -   Y   -   -   -   -   -   -   -
infusion-vitals        -   -   -   Y   -   -   -   -   -   -   -
lift-fence             Y   -   -   -   -   -   -   -   -   -   -
lock                   Y   -   -   -   -   -   -   -   -   -   -
lost                   -   Y   Y   -   -   -   -   -   -   -   -
not-done               -   Y   Y   Y   Y   -   Y   -   -   -   -
one-time-code          Y   Y   Y   Y   Y   Y   Y   Y   Y   Y   Y
open-arms              -   -   -   -   -   -   Y   -   -   -   -
open-quarantine        -   -   -   -   -   -   Y   -   -   -   -
participants           -   Y   Y   Y   Y   -   Y   Y   Y   -   -
passphrase             Y   Y   Y   Y   Y   Y   Y   Y   Y   Y   Y
pause                  Y   -   -   -   -   -   Y   -   -   -   -
progress               -   Y   Y   -   -   -   -   Y   Y   Y   -
queries                Y   Y   Y   Y   Y   -   Y   Y   Y   -   -
query                  -   -   -   -   -   -   Y   Y   Y   -   -
query-answer           -   Y   Y   Y   Y   -   Y   -   -   -   -
query-close            -   -   -   -   -   -   Y   Y   Y   -   -
query-reopen           -   -   -   -   -   -   Y   Y   Y   -   -
randomize              -   Y   Y   -   -   -   -   -   -   -   -
randomized-in-error    -   -   Y   -   -   -   -   -   -   -   -
read                   -   Y   Y   Y   Y   -   Y   Y   Y   -   -
read-consent           -   Y   Y   -   -   -   -   Y   Y   -   -
read-dose              -   -   -   Y   -   -   -   -   -   -   -
read-diary             -   Y   Y   -   Y   -   -   Y   Y   -   -
read-closing           Y   -   Y   -   -   -   Y   Y   Y   -   -
read-eligibility       -   Y   Y   -   -   -   Y   Y   Y   -   -
read-infusion          -   -   -   Y   -   -   -   -   -   -   -
read-visit             -   Y   Y   Y   Y   -   Y   Y   Y   -   -
record                 -   Y   Y   Y   Y   -   Y   -   -   -   -
redact                 Y   -   -   -   -   -   -   -   -   -   -
release-text           -   -   -   -   -   -   Y   -   -   -   -
remove-one-time-code   Y   -   -   -   -   -   -   -   -   -   -
renew-receipts         Y   -   -   -   -   -   -   -   -   -   -
reopen-screening       -   Y   Y   -   -   -   -   -   -   -   -
require-codes          Y   -   -   -   -   -   -   -   -   -   -
reset-passphrase       Y   -   -   -   -   -   -   -   -   -   -
resume                 Y   -   -   -   -   -   -   -   -   -   -
review-accounts        Y   -   -   -   -   -   -   Y   -   -   -
screen                 -   Y   Y   -   -   -   -   -   -   -   -
screening-failure      -   Y   Y   -   -   -   -   -   -   -   -
session                -   Y   Y   -   -   -   -   -   -   -   -
sign                   -   Y   Y   Y   Y   -   Y   Y   Y   -   -
sign-off               -   -   Y   -   -   -   -   -   -   -   -
sign-out               Y   Y   Y   Y   Y   Y   Y   Y   Y   Y   Y
slots-read             -   -   -   -   -   Y   -   -   -   -   -
stock                  -   -   -   -   -   Y   -   -   -   -   -
stock-count            -   -   -   -   -   Y   -   -   -   -   -
transfer               -   Y   Y   -   -   -   -   -   Y   -   -
stock-register         -   -   -   -   -   Y   -   -   -   -   -
stock-reverse          -   -   -   -   -   Y   -   -   -   -   -
unblind                -   -   Y   -   -   Y   Y   -   -   -   -
unblind-for            -   Y   Y   -   -   -   Y   -   -   -   -
unblind-told           -   -   Y   -   -   Y   Y   -   -   -   -
unblinded-by-accident  -   Y   Y   Y   Y   Y   Y   Y   Y   -   -
unfreeze               Y   -   -   -   -   -   -   -   -   -   -
unlock                 Y   -   -   -   -   -   -   -   Y   -   -
visit                  -   Y   Y   -   Y   -   -   -   -   -   -
visit-forms            -   Y   Y   Y   Y   -   Y   -   -   -   -
visit-missed           -   Y   Y   -   -   -   -   -   -   -   -
weight                 -   Y   Y   Y   -   -   -   -   -   -   -
withdraw               -   Y   Y   -   -   -   -   -   -   -   -
wording                -   Y   Y   -   -   -   -   -   -   -   -
"""


def read_matrix(text: str) -> dict[str, frozenset[str]]:
    """What stands in each row (an action, a page) to the roles that may; ``ValueError`` where a row is not whole."""
    out: dict[str, frozenset[str]] = {}
    for line in text.strip().splitlines():
        name, *cells = line.split()
        if len(cells) != len(COLUMNS) or set(cells) - {"Y", "-"} or name in out:
            raise ValueError(f"the row of {name} is not whole")
        out[name] = frozenset(role for role, cell in zip(COLUMNS, cells, strict=True) if cell == "Y")
    return out


MATRIX = read_matrix(_RIGHTS)
MATRIX |= {name: MATRIX.get(name, frozenset()) | {PARTICIPANT} for name in OWN_ACTIONS}
