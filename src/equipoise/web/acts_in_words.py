"""What was done, as people say it: the words for every action that the ledger may hold."""

from __future__ import annotations

import re

from equipoise.web.words import visit_words

_VISIT = re.compile(r"^(infusion-day|dose-day|day|week|unscheduled)-\d+$")
ACTION_WORDS = {
    "acknowledge-clock": "acknowledged that the clock was set back",
    "acknowledge-loss": "acknowledged a loss of records",
    "activate-site": "activated a site",
    "add-account": "added an account",
    "add-site": "added a site",
    "add-slots": "added to the randomization list",
    "adverse-event": "reported an adverse event",
    "adverse-event-reported": "recorded that a report was made",
    "adverse-event-update": "brought an adverse event up to date",
    "amend": "adopted an amended protocol",
    "ask-unlock": "asked to unlock the database",
    "audit-trail": "read the audit trail",
    "backup": "made a backup",
    "baseline": "recorded the baseline",
    "calendar": "recorded days of the calendar",
    "close-site": "closed a site",
    "complete": "recorded completion",
    "consent": "recorded consent",
    "consent-document": "added a consent document",
    "consent-electronic": "began electronic consent",
    "consent-sign": "signed the consent",
    "consent-version": "brought a consent version into use",
    "copy": "made a copy of the site's records",
    "correct": "corrected a value",
    "cut": "took a data cut",
    "day-1": "recorded study day 1",
    "death": "recorded a death",
    "diary": "told a day in the diary",
    "diary-link": "gave a link to the diary",
    "diary-link-end": "ended a link to the diary",
    "diary-pin": "chose a PIN for the diary",
    "disable-account": "disabled an account",
    "discontinue": "discontinued the treatment",
    "dose-check": "checked a dose sheet",
    "dose-given": "recorded that a dose was given",
    "dose-sheet": "made a dose sheet",
    "dose-sheet-cancel": "took a dose sheet back",
    "dose-sheet-read": "read a dose sheet",
    "dose-sheets": "read the list of dose sheets",
    "due": "read what is due",
    "eligibility": "decided on eligibility",
    "enrol": "enrolled",
    "enter-stage": "entered a stage",
    "entered-in-error": "marked as entered in error",
    "envelope-opened": "recorded that an envelope was opened",
    "envelopes": "read the list of envelopes",
    "envelopes-print": "printed envelopes",
    "envelopes-reserve": "reserved envelopes",
    "envelopes-returned": "recorded that envelopes came back",
    "expire-account": "set the day on which an account ends",
    "export-allocations": "exported the allocations",
    "found-again": "recorded as found again",
    "freeze": "froze the records",
    "held-texts": "read the texts held back",
    "infusion-rate": "recorded a rate of infusion",
    "infusion-start": "started an infusion",
    "infusion-stop": "ended an infusion",
    "infusion-vitals": "recorded a reading of an infusion",
    "init": "began the trial",
    "lift-fence": "opened randomization after a restore",
    "lists-sealed": "sealed the randomization lists",
    "lock": "locked the database",
    "lost": "recorded as lost to follow-up",
    "not-done": "recorded a form as not done",
    "one-time-code": "set up a one-time code",
    "open-arms": "unblinded an analysis before the lock",
    "open-quarantine": "opened what was sealed until the lock",
    "participants": "read the list of participants",
    "passphrase": "changed the pass-phrase",
    "pause": "paused the trial",
    "progress": "read the progress of the trial",
    "queries": "read queries",
    "query": "asked a query",
    "query-answer": "answered a query",
    "query-close": "closed a query",
    "query-reopen": "asked a query again",
    "randomize": "randomized",
    "randomized-in-error": "recorded as randomized in error",
    "read": "read a participant's records",
    "read-closing": "read what is missing before the lock",
    "read-consent": "read the consent document",
    "read-diary": "read the diary",
    "read-dose": "read an injection or spray",
    "read-eligibility": "read the criteria of eligibility",
    "read-infusion": "read an infusion",
    "read-own-diary": "read their own diary",
    "read-visit": "opened a visit",
    "record": "recorded a form",
    "redact": "took personal data out",
    "refused": "was refused",
    "release-text": "released a text",
    "remove-one-time-code": "removed a one-time code",
    "renew-receipts": "renewed the receipts",
    "reopen-screening": "reopened screening",
    "reset-passphrase": "gave a new first pass-phrase",
    "restored": "restored a backup",
    "resume": "resumed the trial",
    "review-accounts": "reviewed the accounts",
    "screen": "recorded screening",
    "screening-failure": "ended screening",
    "session": "recorded a therapy session",
    "session-ended": "was signed out",
    "sign": "signed",
    "sign-in": "signed in",
    "sign-in-refused": "was not let in",
    "sign-off": "signed off",
    "sign-out": "signed out",
    "slots-read": "read the slots of the randomization list",
    "stock": "recorded a movement of stock",
    "stock-count": "counted the stock",
    "stock-register": "read the drug register",
    "stock-reverse": "reversed a line of the drug register",
    "transfer": "transferred to another site",
    "unblind": "broke the code",
    "unblind-for": "asked that somebody be told the arm",
    "unblind-told": "told somebody the arm",
    "unblinded-by-accident": "reported that somebody learned the arm",
    "unfreeze": "unfroze the records",
    "unlock": "unlocked the database",
    "visit": "recorded a visit",
    "visit-forms": "recorded a visit with its forms",
    "visit-missed": "recorded a visit as missed",
    "weight": "recorded a body weight",
    "withdraw": "recorded a withdrawal",
    "wording": "recorded the site's wording of a questionnaire",
}

# Subjects that say again what the words of the action say.
_SAID_ALREADY = frozenset(
    {
        *("audit trail", "baseline", "clock", "closing", "consent document", "day 1", "diary", "diary link ended"),
        *("dose sheets", "drug register", "due", "eligibility", "enrolment", "envelopes", "freeze", "found again"),
        *("held texts", "infusion", "lock", "own diary", "participants", "pause", "progress", "quarantine"),
        *("randomization", "reading all", "reading eligibility", "receipts", "screening", "signature", "unlock"),
        *("weight",),
    }
)


def action_words(action: str) -> str:
    """What was done, in words; of an action that has none, its name."""
    return ACTION_WORDS.get(action, action.replace("-", " "))


def subject_words(action: str, subject: str) -> str:
    """Of what it was done: empty where the action says it; visits by their names, and what was refused in quotes."""
    if action == "refused":
        return f"\u201c{subject.replace('-', ' ')}\u201d"
    if subject in (action, action.replace("-", " ")) or subject in _SAID_ALREADY:
        return ""
    for start in ("reading ", "queries "):
        subject = subject.removeprefix(start)
    visit, _, rest = subject.partition(" ")
    return f"{visit_words(visit)} {rest.replace('-', ' ')}".strip() if _VISIT.match(visit) else subject
