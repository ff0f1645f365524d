"""The trial that a server shows: with its sessions, its drafts, and the keys that were named when it was started."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from equipoise.conduct.clock import Clock, Moment, usual_clock
from equipoise.conduct.entropy import Entropy, SystemEntropy
from equipoise.conduct.rows.tables import AccountRow, ParticipantRow, SiteRow
from equipoise.conduct.trial.trial import Trial
from equipoise.foundation.errors import ConductError
from equipoise.web.drafts import Drafts
from equipoise.web.sealed_drafts import AUTHORS, DraftKey
from equipoise.web.sessions import Sessions, SignedIn
from equipoise.web.throttle import Throttle

if TYPE_CHECKING:
    from equipoise.conduct.actions.context import Receipt
    from equipoise.conduct.actions.dispatch import Preview
    from equipoise.foundation.errors import Problem
    from equipoise.protocol import Protocol

_MOST_SENT = 5_000
CONFIRM, REWORD = "confirm", "reword"
DRAFTS_FILE = "drafts.sqlite3"


class TellingText(Exception):
    """A text that may name a treatment was typed: a page of its own asks about it, whichever page it came from."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__()
        self.problems = problems


@dataclass
class Served:
    """One trial behind one server. ``pharmacy`` and ``safety`` are the key folders it may use, where it may."""

    trial: Trial
    pharmacy: str | None = None
    safety: str | None = None
    clock: Clock | None = None
    entropy: Entropy | None = None
    secure: bool = False
    sessions: Sessions = field(default_factory=Sessions)
    throttle: Throttle = field(default_factory=Throttle)
    sent: dict[tuple[str, str], str] = field(default_factory=dict)
    backups: str | None = None  # the folder that backups are written to, best on another disk
    texts: str = ""  # what the request says of a text that may name a treatment: nothing yet, confirm or reword

    @property
    def drafts(self) -> Drafts:
        """What was typed and not submitted."""
        return Drafts(self.trial.directory / DRAFTS_FILE)

    def draft_key(self, account: str, passphrase: str) -> DraftKey | None:
        """The key that seals the account's drafts of quarantined forms; ``None`` for who records none."""
        row = self.trial.first(AccountRow, account=account)
        if row is None or not set(row.roles.split(",")) & AUTHORS:
            return None
        return DraftKey.of(self.trial.config.instance, account, passphrase)

    def reseal_drafts(self, account: str, old: str, new: str) -> DraftKey | None:
        """Seal an account's drafts anew, when its passphrase changes; the new key."""
        before, after = self.draft_key(account, old), self.draft_key(account, new)
        if before is None or after is None:
            return after
        for one in self.drafts.every():
            place = f"{one.participant} {one.page}"
            typed = before.open(one.sealed, place) if one.account == account and one.sealed else None
            if typed is not None:
                sealed = after.seal(typed, place)
                self.drafts.keep(account, one.participant, one.page, one.fields, one.at, sealed)
        return after

    def do(
        self, who: SignedIn, action: str, given: Mapping[str, Any] | None = None, *, why: str = "", key: str = ""
    ) -> Receipt:
        """An action of somebody signed in."""
        from equipoise.conduct.actions.dispatch import perform
        from equipoise.conduct.actions.sign_in import Session
        from equipoise.conduct.actions.texts import NAMES_A_TREATMENT

        given = dict(given or {})
        if self.texts == CONFIRM and action != "amend":
            given["confirm"] = [*given.get("confirm", ()), NAMES_A_TREATMENT]
        try:
            return perform(
                self.trial,
                Session(who.account, who.device),
                action,
                given,
                why=why,
                key=key or None,
                clock=self.clock,
                entropy=self.entropy,
                pharmacy=self.pharmacy,
                safety=self.safety,
            )
        except ConductError as error:
            if self.texts != REWORD and all(problem.code == "C685" for problem in error.problems):
                raise TellingText(error.problems) from error
            raise

    def preview(self, who: SignedIn, action: str, given: Mapping[str, Any], *, why: str = "") -> Preview:
        """What an action of somebody signed in would record; nothing of it is kept."""
        from equipoise.conduct.actions.dispatch import preview
        from equipoise.conduct.actions.sign_in import Session

        session = Session(who.account, who.device)
        return preview(self.trial, session, action, given, why=why, clock=self.clock, entropy=self.entropy)

    def note_refusal(self, who: SignedIn, what: str, problem: Problem) -> None:
        """Note in the ledger what a page itself refused, before any action was asked."""
        from equipoise.conduct.actions.dispatch import note_refusal
        from equipoise.conduct.actions.sign_in import Session

        clock, entropy = self.clock or usual_clock(self.trial.mode), self.entropy or SystemEntropy()
        note_refusal(self.trial, Session(who.account, who.device), what, problem, clock, entropy)

    def protocol_of(self, participant: str) -> Protocol:
        """The protocol in force for a participant: that of their consent, else that of the trial."""
        row = self.trial.first(ParticipantRow, participant=participant)
        return self.trial.protocol((row.protocol_hash if row is not None else "") or self.trial.protocol_hash)

    def zone_of(self, site: str) -> str:
        """The time zone of a site; empty where there is no such site."""
        row = self.trial.first(SiteRow, site=site)
        return row.zone if row is not None else ""

    def zone_for(self, sites: Collection[str], site: str = "") -> str:
        """The time zone of somebody of these sites (none named: all): that of ``site``, else of the first of them."""
        rows = self.trial.values(SiteRow, ("site", "zone"), order=("site",))
        return next((zone for name, zone in rows if (not sites or name in sites) and site in ("", name)), "UTC")

    def note_sent(self, account: str, key: str, digest: str) -> None:
        """Remember what a request sent, so that the very same one, sent again, is known."""
        while len(self.sent) >= _MOST_SENT:
            self.sent.pop(next(iter(self.sent)), None)
        self.sent[(account, key)] = digest

    def now(self, zone: str) -> Moment:
        """The moment at a place."""
        return Moment.of(self.clock or usual_clock(self.trial.mode), zone)
