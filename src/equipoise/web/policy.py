"""Which role opens which page: one row a page, one column a role. What is not marked Y is refused.

A page that records something names an action; who may do that is decided by the action's own row. A test fails where a
page has no row, a row has no page, a cell is neither Y nor a dash, or a page is open to a role that no action of it is.
"""

from __future__ import annotations

from collections.abc import Collection

from equipoise.conduct.actions.permissions import PARTICIPANT, read_matrix

PUBLIC = frozenset({"sign-in"})  # open to who is not signed in

# Columns:            adm coo inv inf rat pha saf mon dat sta uns
_PAGES = """
home                   Y   Y   Y   Y   Y   Y   Y   Y   Y   Y   Y
sign-in                Y   Y   Y   Y   Y   Y   Y   Y   Y   Y   Y
sign-out               Y   Y   Y   Y   Y   Y   Y   Y   Y   Y   Y
passphrase             Y   Y   Y   Y   Y   Y   Y   Y   Y   Y   Y
receipt                Y   Y   Y   Y   Y   Y   Y   Y   Y   Y   Y
today                  -   Y   Y   Y   Y   -   Y   Y   Y   -   -
participants           -   Y   Y   Y   Y   -   Y   Y   Y   -   -
participant            -   Y   Y   Y   Y   -   Y   Y   Y   -   -
visit                  -   Y   Y   Y   Y   -   Y   Y   Y   -   -
screen                 -   Y   Y   -   -   -   -   -   -   -   -
consent                -   Y   Y   -   -   -   -   -   -   -   -
consent-document       Y   -   -   -   -   -   -   -   -   -   -
consent-electronic     -   Y   Y   -   -   -   -   -   -   -   -
baseline               -   Y   Y   -   -   -   -   -   -   -   -
eligibility            -   Y   Y   -   -   -   Y   Y   Y   -   -
diary                  -   Y   Y   -   Y   -   -   Y   Y   -   -
diary-link             -   Y   Y   -   -   -   -   -   -   -   -
diary-link-end         -   Y   Y   -   -   -   -   -   -   -   -
day-1                  -   Y   Y   -   -   -   -   -   -   -   -
screening-failure      -   Y   Y   -   -   -   -   -   -   -   -
reopen-screening       -   Y   Y   -   -   -   -   -   -   -   -
randomize              -   Y   Y   -   -   -   -   -   -   -   -
stages                 -   Y   Y   -   -   -   Y   Y   Y   -   -
enter-stage            -   -   Y   -   -   -   -   -   -   -   -
transfer               -   Y   Y   -   -   -   -   -   Y   -   -
randomized-in-error    -   -   Y   -   -   -   -   -   -   -   -
envelopes              -   Y   Y   -   -   Y   -   Y   Y   -   -
envelope-opened        -   Y   Y   -   -   -   -   -   -   -   -
envelopes-reserve      -   -   -   -   -   Y   -   -   -   -   -
envelopes-print        -   -   -   -   -   Y   -   -   -   -   -
envelopes-returned     -   -   -   -   -   Y   -   -   -   -   -
enrol                  -   Y   Y   -   -   -   -   -   -   -   -
visit-missed           -   Y   Y   -   -   -   -   -   -   -   -
session                -   Y   Y   -   -   -   -   -   -   -   -
weight                 -   Y   Y   Y   -   -   -   -   -   -   -
adverse-event          -   Y   Y   Y   -   -   -   -   -   -   -
adverse-event-update   -   Y   Y   -   -   -   -   -   -   -   -
adverse-event-reported -   Y   Y   -   -   -   Y   -   -   -   -
discontinue            -   -   Y   -   -   -   -   -   -   -   -
withdraw               -   Y   Y   -   -   -   -   -   -   -   -
lost                   -   Y   Y   -   -   -   -   -   -   -   -
found-again            -   Y   Y   -   -   -   -   -   -   -   -
death                  -   Y   Y   -   -   -   -   -   -   -   -
casebook               -   Y   Y   Y   Y   -   Y   Y   Y   -   -
appointments           -   Y   Y   -   Y   -   -   -   -   -   -
events                 -   Y   Y   Y   -   -   Y   -   -   -   -
leave                  -   Y   Y   -   -   -   -   -   -   -   -
infusion               -   -   -   Y   -   -   -   -   -   -   -
dose-given             -   -   -   Y   -   -   -   -   -   -   -
unblind                -   -   Y   -   -   Y   Y   -   -   -   -
unblind-for            -   Y   Y   -   -   -   Y   -   -   -   -
unblind-told           -   -   Y   -   -   Y   Y   -   -   -   -
unblinded-by-accident  -   Y   Y   Y   Y   Y   Y   Y   Y   -   -
held-texts             -   -   -   -   -   -   Y   -   -   -   -
release-text           -   -   -   -   -   -   Y   -   -   -   -
open-arms              -   -   -   -   -   -   Y   -   -   -   -
closed                 -   -   -   -   -   -   -   -   -   -   Y
pooled                 -   -   -   -   -   -   -   -   -   Y   -
complete               -   Y   Y   -   -   -   -   -   -   -   -
pharmacy               -   -   -   -   -   Y   -   -   -   -   -
dose                   -   -   -   -   -   Y   -   -   -   -   -
bag-label              -   -   -   -   -   Y   -   -   -   -   -
register               -   -   -   -   -   Y   -   -   -   -   -
slots                  -   -   -   -   -   Y   -   -   -   -   -
awake                  -   -   -   -   -   Y   -   -   -   -   Y
queries                Y   Y   Y   Y   Y   -   Y   Y   Y   -   -
query                  -   -   -   -   -   -   Y   Y   Y   -   -
query-answer           -   Y   Y   Y   Y   -   Y   -   -   -   -
query-close            -   -   -   -   -   -   Y   Y   Y   -   -
query-reopen           -   -   -   -   -   -   Y   Y   Y   -   -
sign                   -   Y   Y   Y   Y   -   Y   Y   Y   -   -
sign-off               -   -   Y   -   -   -   -   -   -   -   -
audit                  Y   Y   Y   -   -   -   Y   Y   Y   -   -
one-time-code          Y   Y   Y   Y   Y   Y   Y   Y   Y   Y   Y
remove-one-time-code   Y   -   -   -   -   -   -   -   -   -   -
sites                  Y   -   -   -   -   -   -   -   -   -   -
accounts               Y   -   -   -   -   -   -   Y   -   -   -
protocol               Y   -   -   -   -   -   -   -   -   -   -
closing                Y   -   Y   -   -   -   Y   Y   Y   -   -
cuts                   Y   -   -   -   -   Y   -   -   -   Y   Y
cut-file               -   -   -   -   -   Y   -   -   -   Y   Y
verify                 Y   -   -   -   -   -   -   Y   -   -   -
copy                   -   Y   Y   -   -   -   -   Y   Y   -   -
schedule               -   Y   Y   -   Y   -   -   Y   Y   -   -
progress               -   Y   Y   -   -   -   -   Y   Y   Y   -
add-site               Y   -   -   -   -   -   -   -   -   -   -
activate-site          Y   -   -   -   -   -   -   -   -   -   -
close-site             Y   -   -   -   -   -   -   -   -   -   -
wording                -   Y   Y   -   -   -   -   -   -   -   -
consent-version        Y   -   -   -   -   -   -   -   -   -   -
add-account            Y   -   -   -   -   -   -   -   -   -   -
disable-account        Y   -   -   -   -   -   -   -   -   -   -
expire-account         Y   -   -   -   -   -   -   -   -   -   -
require-codes          Y   -   -   -   -   -   -   -   -   -   -
reset-passphrase       Y   -   -   -   -   -   -   -   -   -   -
pause                  Y   -   -   -   -   -   Y   -   -   -   -
resume                 Y   -   -   -   -   -   -   -   -   -   -
freeze                 Y   -   -   -   -   -   -   -   -   -   -
unfreeze               Y   -   -   -   -   -   -   -   -   -   -
lock                   Y   -   -   -   -   -   -   -   -   -   -
ask-unlock             Y   -   -   -   -   -   -   -   -   -   -
unlock                 Y   -   -   -   -   -   -   -   Y   -   -
open-quarantine        -   -   -   -   -   -   Y   -   -   -   -
redact                 Y   -   -   -   -   -   -   -   -   -   -
backup                 Y   -   -   -   -   -   -   -   -   -   -
lift-fence             Y   -   -   -   -   -   -   -   -   -   -
acknowledge-loss       Y   -   -   -   -   -   -   -   -   -   -
renew-receipts         Y   -   -   -   -   -   -   -   -   -   -
acknowledge-clock      Y   -   -   -   -   -   -   -   -   -   -
calendar               -   Y   Y   -   Y   -   Y   Y   Y   -   -
records                -   Y   Y   Y   Y   -   Y   Y   Y   -   -
correct                -   Y   Y   Y   Y   -   Y   -   -   -   -
entered-in-error       -   Y   Y   Y   Y   -   Y   -   -   -   -
"""


POLICY = read_matrix(_PAGES)
# The participants' own pages (web/own.py): found by a personal link, and no role of staff opens them.
OWN_PAGES = frozenset(
    {"my", "my-day", "my-state", "my-leave", "my-offline", "my-manifest", "my-worker", "my-icon", "my-consent"},
)
POLICY |= {name: frozenset({PARTICIPANT}) for name in OWN_PAGES}


def may(page: str, roles: Collection[str]) -> bool:
    """Whether an account with these roles opens a page; a page without a row is nobody's."""
    return bool(POLICY.get(page, frozenset()) & set(roles))
