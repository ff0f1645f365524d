"""An action, one of them under way, and what comes of it: :class:`Action`, :class:`Act`, :class:`Receipt`.

What an action may use is all here. Who is let through, and in which order, stands in ``dispatch.py`` and
``admission.py``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cache, cached_property
from inspect import Parameter, cleandoc, signature
from typing import TYPE_CHECKING, Any, NoReturn

from equipoise.conduct.actions.permissions import HALTED, READING, READS_NAMES
from equipoise.conduct.actions.turns import turns_of
from equipoise.conduct.audit_trail.anchors import Anchor, add_anchor
from equipoise.conduct.audit_trail.canonical import canonical
from equipoise.conduct.clock import Moment
from equipoise.conduct.entropy import Entropy
from equipoise.conduct.keys.quarantine import Quarantine, Sealer
from equipoise.conduct.keys.vault import Vault, pharmacy_folder
from equipoise.conduct.rows.tables import EventRow, ParticipantRow, SiteRow, TrialStateRow
from equipoise.conduct.rules.status import Course, Turn, after, columns_of, course_of, refusals, standing_on
from equipoise.conduct.trial.ledger import Writer
from equipoise.conduct.trial.request_key import fingerprint, keyed_digest
from equipoise.conduct.trial.trial import Trial
from equipoise.foundation.errors import ConductError, Problem
from equipoise.foundation.version import program_version

if TYPE_CHECKING:
    from equipoise.conduct.actions.sign_in import HeldPassphrase, Session
    from equipoise.conduct.trial.held_texts import HeldTexts
    from equipoise.protocol import Protocol

CODES = {
    "C014": "The account's sites have no such participant.",
    "C016": "A reason is needed.",
    "C019": "The site is not active.",
}


@dataclass(frozen=True, slots=True)
class Action:
    """Something a person can do."""

    name: str
    run: Callable[..., None]
    states: tuple[str, ...]
    why: bool
    allocates: bool
    private: tuple[str, ...]
    protocol: bool = True
    again: Callable[[Act, Sequence[int]], str] | None = None
    of_pharmacy: bool = False

    @property
    def parameters(self) -> dict[str, Parameter]:
        """What it takes, beyond the act itself."""
        return _parameters(self.run)

    @property
    def summary(self) -> str:
        """What it does, in a sentence."""
        return " ".join(self.words.partition("\n\n")[0].split())

    @property
    def words(self) -> str:
        """All that is said of it, in paragraphs."""
        return cleandoc(self.run.__doc__ or "").replace("``", "`")


@cache
def _parameters(run: Callable[..., None]) -> dict[str, Parameter]:
    return dict(list(signature(run).parameters.items())[1:])


REGISTERED: dict[str, Action] = {}


def action(
    name: str,
    *,
    states: tuple[str, ...] = ("open",),
    why: bool = False,
    allocates: bool = False,
    private: tuple[str, ...] = (),
    protocol: bool = True,
    again: Callable[[Act, Sequence[int]], str] | None = None,
    of_pharmacy: bool = False,
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Make a function an action: allowed in these ``states`` of the trial (and, where it is open, while it is paused,
    unless a pause halts it); ``why`` makes a reason compulsory;
    ``allocates`` asks that the ledger agrees with the last receipt and no fence stands; arguments in ``private`` leave
    no trace but, where the request has a key of its own, a digest under a key that is not in the ledger: the folder's,
    or with ``of_pharmacy`` the pharmacy's.

    ``again`` tells once more what the action told to one person alone, when the request is repeated; it is given the
    numbers of the events of the first time, and returns a warning where it cannot.

    Before the write lock is had, the protocol is read unless ``protocol`` is false (an action that never asks for it).
    """

    def register(run: Callable[..., None]) -> Callable[..., None]:
        if (again is not None and again.__name__ == "run_again") != (name in READING):
            raise RuntimeError(f"{name}: what is told anew when repeated only reads, and stands in READING")
        goes_on = "open" in states and "paused" not in states and name not in HALTED
        allowed = (*states, "paused") if goes_on else states
        REGISTERED[name] = Action(name, run, allowed, why, allocates, private, protocol, again, of_pharmacy)
        return run

    return register


@dataclass(frozen=True, slots=True)
class Receipt:
    """What was done: numbers of its events, the anchor after them, what the person is told.

    ``answer`` stands in the ledger; ``told`` is for this person alone and stands nowhere.
    """

    action: str
    request: str
    events: tuple[int, ...]
    anchor: Anchor
    answer: Mapping[str, Any]
    told: Mapping[str, Any] = field(default_factory=dict)
    repeated: bool = False
    warnings: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        return {
            "ok": True,
            "action": self.action,
            "request": self.request,
            "events": list(self.events),
            "anchor": self.anchor.text,
            "at": self.anchor.at,
            "repeated": self.repeated,
            "answer": dict(self.answer),
            "told": dict(self.told),
            "warnings": list(self.warnings),
        }


class Act:
    """One action under way: who, when, on whom, and the only way to write."""

    def __init__(
        self, trial: Trial, writer: Writer, session: Session, entropy: Entropy, why: str, request: str
    ) -> None:
        self.trial = trial
        self.session = session
        self.entropy = entropy
        self.why = why
        self.request = request
        self.repeatable = False  # the request was named, and may be sent again
        self.events: list[EventRow] = []
        self.told: dict[str, Any] = {}
        self.later: list[Callable[[Receipt], str]] = []  # done after the commit; each returns a warning, or ""
        self.role = ""
        self.site = ""
        self.now: Moment
        self.action: Action
        self.asked = ""
        self.given: Mapping[str, Any] = {}
        self.hidden: tuple[str, ...] = ()
        self.passphrase: HeldPassphrase | None = None  # typed with the action, compared before the lock was had
        self.pharmacy: str | None = None
        self.safety: str | None = None
        self.writer = writer
        self._participant: Any = None
        self._vault: Vault | None = None
        self._sealed = False
        self._state: Any = None
        self.roles: frozenset[str] = frozenset()
        self.sites: list[str] = []  # of the account; none means all of them

    # ------------------------------------------------------------------ reading

    @property
    def participant(self) -> Any:
        """The row of the participant this is about (``store.models.Participant``)."""
        if self._participant is None:
            raise RuntimeError("this action is about no participant")
        return self._participant

    @property
    def protocol_hash(self) -> str:
        """Hash of the protocol that holds here: the participant's version from consent on, else the one in force."""
        own = self._participant.protocol_hash if self._participant is not None else ""
        return own or self.state.protocol_hash

    @property
    def protocol(self) -> Protocol:
        """That protocol."""
        return self.trial.protocol(self.protocol_hash)

    @property
    def state(self) -> Any:
        """The row of the trial's state."""
        if self._state is None:
            self._state = self.trial.first(TrialStateRow, name="trial")
        return self._state

    def load(self, participant: str) -> Any:
        """Make the action one about ``participant``, where the argument that leads there is another."""
        self._participant = self.trial.first(ParticipantRow, participant=participant)
        if self._participant is None:
            self.refuse("C014", participant, "There is no such participant here.", "a participant of the trial")
        return self._participant

    def load_none(self) -> None:
        """Make the events that follow about no participant."""
        self._participant = None

    # ------------------------------------------------------------------ the participant's path

    @property
    def course(self) -> Course:
        """Where the participant stands (``rules.participant``); somebody new where there is no row yet."""
        return course_of(self._participant)

    @property
    def turns(self) -> list[Turn]:
        """Every change of treatment or follow-up that stands, dated by the day it happened."""
        return turns_of(self.trial, self.participant.participant)

    def standing_on(self, day: date) -> Course:
        """Where the participant stood on ``day``; today's standing where nothing ever turned."""
        course = self.course
        if course.follow_up == "in" and course.treatment != "discontinued":
            return course
        return standing_on(course, self.turns, day)

    def take(self, step: str, *, consent: str = "", on: date | None = None) -> dict[str, str]:
        """Take a step of the participant's path: refused with every reason (C501 to C503), else the columns it changes.

        Put them into the participant's row: ``{"participant": id, **act.take("complete")}``. ``on`` is the day it was
        taken, where somebody typed one: what was done before a withdrawal can be entered after it.
        """
        in_force = self.state.consent_version or None
        stood = self.course if on is None else self.standing_on(on)
        # What may be done as it stands now is done now: a call on the day of completion is not a late entry.
        if on == self.now.local_date and not refusals(self.course, step, reason=self.why, current_consent=in_force):
            stood = self.course
        problems = refusals(stood, step, reason=self.why, current_consent=in_force)
        if problems:
            raise ConductError(problems)
        if stood.follow_up != self.course.follow_up:
            self.require_why(f"It is entered now that the participant {self.course.words}")
        return columns_of(self.course, after(self.course, step, consent=consent), why=self.why)

    # ------------------------------------------------------------------ writing

    def record(
        self,
        *,
        what: Mapping[str, Any],
        subject: str = "",
        answer: Mapping[str, Any] | None = None,
        participant: str | None = None,
        why: str | None = None,
    ) -> EventRow:
        """Append one event of this action; see the module ``equipoise.conduct.actions`` on ``what``."""
        content = dict(what)
        if answer:
            content["answer"] = dict(answer)
        if not self.events:
            if self.asked:
                content["asked"] = self.asked
            if self.hidden:
                content["hidden"] = list(self.hidden)
            if self.repeatable and private_names(self.action, self.hidden):
                content["asked_private"], content["asked_key"] = private_digest(self, self.hidden)
        person = self._participant.participant if self._participant is not None else ""
        entry = self.writer.append(
            action=self.action.name,
            now=self.now,
            request=self.request,
            step=len(self.events),
            account=self.session.account,
            role=self.role,
            site=self.site,
            device=self.session.device,
            participant=person if participant is None else participant,
            subject=subject,
            why=self.why if why is None else why,
            what=content,
            protocol_hash=self.protocol_hash,
            program_version=program_version(),
            entropy=self.entropy,
        )
        self.events.append(entry)
        self._state = None
        return entry

    def hide(self, *names: str) -> None:
        """Leave arguments out of the open digest by which a repeated request is known: one of a few numbers is guessed.
        They enter the keyed one, where the request can be repeated.

        Before the first event is recorded; for arguments that hold quarantined values.
        """
        self.hidden = names
        self.asked = asked_of(self.action, self.given, self.why, names)

    @cached_property
    def texts(self) -> HeldTexts:
        """Which texts are held back from blinded people, as the trial stands."""
        from equipoise.conduct.trial.held_texts import held_texts

        return held_texts(self.trial)

    @property
    def person(self) -> str:
        """The participant this is about; empty where it is about none."""
        return str(self._participant.participant) if self._participant is not None else ""

    @property
    def reads_names(self) -> bool:
        """Whether the account reads texts that may name a treatment."""
        return bool(self.roles & READS_NAMES)

    @property
    def sealer(self) -> Sealer:
        """Seals quarantined values; whoever records can."""
        return self.trial.sealer

    @property
    def quarantine(self) -> Quarantine | None:
        """Opens quarantined values: where the safety role's folder is named, or after the lock its key is published."""
        return self.trial.quarantine(self.safety)

    @property
    def vault(self) -> Vault:
        """The vault, where the pharmacy's folder was named; C040 otherwise."""
        if self._vault is None:
            self._vault = self.trial.vault(self.pharmacy)
        return self._vault

    def seal(self, content: Mapping[str, Any], slots: Sequence[tuple[str, str, int, str]] = ()) -> None:
        """Write to the sealed ledger what belongs to the event just recorded."""
        self.writer.seal(self.vault, self.events[-1], content, self.entropy, slots)
        if not self._sealed:
            self._sealed = True
            self.later.append(self._anchor_sealed)

    def _anchor_sealed(self, receipt: Receipt) -> str:
        """The anchor of the sealed ledger stays with the pharmacy: it differs where arms differ."""
        number, hash = self.writer.sealed_head
        try:
            add_anchor(pharmacy_folder(self.pharmacy), Anchor(number, hash, receipt.anchor.at, receipt.action))
        except OSError as error:
            return f"the sealed ledger's anchor could not be noted in the pharmacy's folder ({error.strerror})"
        return ""

    def arm_of(self, participant: str, randomization: int = 1) -> str:
        """The arm in the sealed slot that was given to a participant; the only one where nobody is randomized."""
        from equipoise.conduct.trial.slots import arm_of

        if self.protocol.model.randomization is None:
            return self.protocol.arm_ids[0]
        return arm_of(self.trial, self.vault, participant, randomization)

    def tell(self, content: Mapping[str, Any]) -> None:
        """Tell the person what stands nowhere in the open ledger."""
        self.told.update(content)

    # ------------------------------------------------------------------ refusing

    def refuse(self, code: str, place: str, found: str, expected: str = "", next_step: str = "") -> NoReturn:
        """Refuse: nothing of the action is kept."""
        raise ConductError(Problem(code, place, found, expected, next_step))

    def require_why(self, what: str) -> None:
        """Ask for a reason (C016)."""
        if not self.why.strip():
            self.refuse("C016", "--why", f"{what} without a reason.", "why, in words", "Add --why TEXT.")

    def require_active_site(self) -> None:
        """Refuse where the participant's site has not been activated (C019)."""
        found = self.trial.first(SiteRow, site=self.site)
        if found is None or found.state != "active":
            state = found.state if found is not None else "not known"
            self.refuse(
                "C019",
                f"site {self.site}",
                f"The site is {state}.",
                "an active site",
                "After the site's approvals an administrator activates it: activate-site.",
            )


def asked_of(chosen: Action, given: Mapping[str, Any], why: str, hidden: Sequence[str] = ()) -> str:
    """Digest of what a request asks; private and ``hidden`` arguments have no part in it."""
    shown = {name: value for name, value in given.items() if name not in (*chosen.private, *hidden)}
    return hashlib.sha256(canonical([chosen.name, shown, why]).encode()).hexdigest()[:16]


def private_names(chosen: Action, hidden: Sequence[str] = ()) -> tuple[str, ...]:
    """Arguments that are compared under a key: all that are private or ``hidden``, but for a passphrase of who signs.

    That one shows who acts, and is held against the account's own each time.
    """
    return tuple(name for name in dict.fromkeys((*chosen.private, *hidden)) if name != "passphrase")


def private_digest(act: Act, hidden: Sequence[str] = ()) -> tuple[str, str]:
    """Digest of the private part of a request, and the fingerprint of the key it is under."""
    text = canonical([[name, act.given.get(name)] for name in sorted(private_names(act.action, hidden))])
    if act.action.of_pharmacy:
        return act.vault.digest_of_request(act.request, text), act.vault.fingerprint
    key = act.trial.request_key
    return keyed_digest(key, act.request, text), fingerprint(key)


def anchor_of(receipt: Receipt, trial: Trial) -> str:
    """Note the anchor of a receipt outside the database; a warning where that cannot be done."""
    try:
        add_anchor(trial.receipts, receipt.anchor)
    except OSError as error:
        return f"the anchor could not be noted in {trial.receipts} ({error.strerror}); keep this receipt"
    return ""


__all__ = ["Act", "Action", "Receipt", "action", "anchor_of", "asked_of", "private_digest", "private_names"]
