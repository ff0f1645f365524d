"""The door: each action of a person goes through :func:`perform`, and nothing changes state but an action.

In order: is there such an action; the write lock; was this request answered before; is the account in use, in a role
that may, at the participant's site, in a state of the trial that allows it; then the action itself, its events, and the
commit. What is refused leaves nothing behind but, where it was a question of rights, the note that it was tried.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from equipoise.conduct.actions.admission import admit
from equipoise.conduct.actions.arguments import converted, require_visible
from equipoise.conduct.actions.context import Act, Action, Receipt, asked_of
from equipoise.conduct.actions.repeat import answer_of, answered
from equipoise.conduct.actions.sign_in import Session, hold_passphrase, wrong_passphrase
from equipoise.conduct.actions.signing import supersede_signatures
from equipoise.conduct.actions.texts import as_read, ask_about_texts, without_confirmation
from equipoise.conduct.audit_trail.anchors import Anchor
from equipoise.conduct.clock import Clock, Moment, usual_clock
from equipoise.conduct.entropy import Entropy, SystemEntropy, code
from equipoise.conduct.integrity.absences import ANCHORED, lay_ready
from equipoise.conduct.rows.tables import ParticipantRow, TrialStateRow
from equipoise.conduct.trial.ledger import writing
from equipoise.conduct.trial.receipts import value_of_answer
from equipoise.conduct.trial.trial import Trial
from equipoise.foundation.errors import ConductError, Problem, UsageError, listed, nearest
from equipoise.foundation.version import program_version

CODES = {
    "C013": "This account may not do this.",
    "C017": "The state of the trial does not allow this.",
    "C018": "The ledger is shorter than a receipt, or differs from it: randomization stops.",
    "U030": "Unknown action, or arguments that it does not take.",
}


# Actions of which can be asked what they would record: they tell nobody anything, and give nothing away.
PREVIEWED = frozenset({"amend", "correct", "entered-in-error", "visit"})
_RIGHTS = ("C010", "C011", "C013", "C014")  # refusals that are noted in the ledger


def perform(
    trial: Trial,
    session: Session,
    name: str,
    arguments: Mapping[str, Any] | None = None,
    *,
    why: str = "",
    key: str | None = None,
    clock: Clock | None = None,
    entropy: Entropy | None = None,
    pharmacy: str | None = None,
    safety: str | None = None,
) -> Receipt:
    """Do action ``name`` for ``session``; returns the receipt, or raises with everything that is in the way.

    ``key`` names the request: sent again (a lost reply, a double click) it gets the first answer and nothing happens
    twice. ``arguments`` may be text, as from a command line, or values. ``pharmacy`` and ``safety`` name the folders of
    the two keys, where an action needs one.
    """
    chosen = find_action(name)
    arguments, confirmed = without_confirmation(chosen, arguments or {})
    asked = _ask(trial, chosen, arguments, why, key or "", clock, entropy)
    request = f"{session.account}:{key}" if key else code(asked.entropy, 6)
    typed = asked.given.get("passphrase") if "passphrase" in chosen.private else None
    early = hold_passphrase(trial, session.account, typed) if typed else None
    try:
        with writing(trial) as writer:
            act = _act(trial, writer, session, asked, request)
            act.passphrase, act.pharmacy, act.safety = early, pharmacy, safety
            act.repeatable = bool(key)
            earlier = answered(act, asked.clock) if key else None
            if earlier is not None:
                return as_read(act, earlier)
            act.asked = asked_of(chosen, asked.given, asked.why)
            admit(act, asked.given, asked.clock)
            chosen.run(act, **asked.given)
            if not confirmed:
                ask_about_texts(act)
            if not act.events:
                raise RuntimeError(f"the action {name} recorded nothing")
            supersede_signatures(act)
            receipt = Receipt(
                name,
                request,
                tuple(entry.number for entry in act.events),
                Anchor(writer.number, writer.head, act.now.text, name),
                answer_of([entry.content for entry in act.events]),
                act.told,
                warnings=tuple(f"the clock is {entry.clock}" for entry in act.events[:1] if entry.clock),
            )
            ready = _laid_ready(act, receipt)
            shown = as_read(act, receipt)
    except ConductError as error:
        if error.problems[0].code in _RIGHTS:
            note_refusal(trial, session, name, error.problems[0], asked.clock, asked.entropy)
        raise
    warnings = [warning for done in act.later if (warning := done(receipt))]
    if ready is not None and not warnings:
        with suppress(OSError):
            ready.unlink(missing_ok=True)
    return replace(shown, warnings=(*shown.warnings, *warnings)) if warnings else shown


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is asked of the door: the action, its arguments as it takes them, the reason, the clock and the chance."""

    chosen: Action
    given: dict[str, Any]
    why: str
    clock: Clock
    entropy: Entropy


def _ask(
    trial: Trial,
    chosen: Action,
    arguments: Mapping[str, Any],
    why: str,
    key: str,
    clock: Clock | None,
    entropy: Entropy | None,
) -> _Asked:
    """What is asked, held against what the action takes; the protocol is read while others may still write."""
    given, why = converted(chosen, arguments), why.strip()
    require_visible(chosen, given, why, key)
    if chosen.protocol:
        _read_ahead(trial, given)
    return _Asked(chosen, given, why, clock or usual_clock(trial.mode), entropy or SystemEntropy())


def _act(trial: Trial, writer: Any, session: Session, asked: _Asked, request: str) -> Act:
    act = Act(trial, writer, session, asked.entropy, asked.why, request)
    act.action, act.given = asked.chosen, asked.given
    return act


@dataclass(frozen=True, slots=True)
class Preview:
    """What an action would record: the rows it would write by table, and its answer. Nothing of it is kept."""

    put: Mapping[str, Sequence[Mapping[str, Any]]]
    answer: Mapping[str, Any]


class _TakenBack(Exception):
    """Ends a transaction of which nothing is to be kept."""

    def __init__(self, found: Preview) -> None:
        self.found = found


def preview(
    trial: Trial,
    session: Session,
    name: str,
    arguments: Mapping[str, Any],
    *,
    why: str = "",
    clock: Clock | None = None,
    entropy: Entropy | None = None,
) -> Preview:
    """What action ``name`` would record, worked out by the action itself and taken back; refused as it would be.

    Of what is sealed nothing is told. For actions in :data:`PREVIEWED` alone.
    """
    chosen = find_action(name)
    if name not in PREVIEWED:
        raise ValueError(f"{name} is not worked out beforehand")
    asked = _ask(trial, chosen, arguments, why, "", clock, entropy)
    try:
        with writing(trial) as writer:
            act = _act(trial, writer, session, asked, code(asked.entropy, 6))
            act.asked = asked_of(chosen, asked.given, asked.why)
            admit(act, asked.given, asked.clock)
            chosen.run(act, **asked.given)
            supersede_signatures(act)
            raise _TakenBack(_shown(act))
    except _TakenBack as taken:
        return taken.found
    except ConductError as error:
        if error.problems[0].code in _RIGHTS:
            note_refusal(trial, session, name, error.problems[0], asked.clock, asked.entropy)
        raise


def _shown(act: Act) -> Preview:
    if act.hidden:
        return Preview({}, {})
    put: dict[str, list[Mapping[str, Any]]] = {}
    for entry in act.events:
        for table, rows in entry.content.get("put", {}).items():
            put.setdefault(table, []).extend(rows)
    return Preview(put, answer_of([entry.content for entry in act.events]))


def _laid_ready(act: Act, receipt: Receipt) -> Path | None:
    """Lay ready, before the commit, what will lie outside the database: a program that dies in between loses nothing.

    Where it cannot be written a slot is not given; other actions go on, and say so afterwards.
    """
    if receipt.action not in ANCHORED:
        return None
    try:
        printed = value_of_answer(act.trial, receipt.answer, receipt.anchor) if act.action.allocates else None
        return lay_ready(act.trial, receipt.anchor, printed)
    except OSError:
        if act.action.allocates:
            raise
        return None


def _read_ahead(trial: Trial, given: Mapping[str, Any]) -> None:
    """Have the protocol read while others may still write."""
    person = given.get("participant")
    with trial.use():
        found = trial.values(ParticipantRow, ("protocol_hash",), participant=person) if person else []
        if not found or not found[0][0]:
            found = trial.values(TrialStateRow, ("protocol_hash",), name="trial")
    if found and found[0][0]:
        trial.protocol(found[0][0])


def find_action(name: str) -> Action:
    """The action of that name; U030 where there is none."""
    from equipoise.conduct.actions import action_named, all_actions

    chosen = action_named(name)
    if chosen is None:
        known = all_actions()
        guess = nearest(name, known)
        raise UsageError(
            Problem(
                "U030",
                "ACTION",
                f"There is no action {name!r}.",
                listed(known, limit=60),
                f"Did you mean {guess}?" if guess else "",
            )
        )
    return chosen


def note_refusal(trial: Trial, session: Session, name: str, problem: Problem, clock: Clock, entropy: Entropy) -> None:
    """Note in the ledger that somebody tried what is not theirs."""
    with writing(trial) as writer:
        now = Moment.of(clock, "")
        put = {"put": wrong_passphrase(trial, session.account, now)} if problem.code == "C010" else {}
        writer.append(
            action="refused",
            now=now,
            request=code(entropy, 6),
            step=0,
            account=session.account,
            role="",
            site="",
            device=session.device,
            participant="",
            subject=name,
            why="",
            what={"code": problem.code, "place": problem.place, **put},
            protocol_hash="",
            program_version=program_version(),
            entropy=entropy,
        )


__all__ = ["PREVIEWED", "Preview", "find_action", "note_refusal", "perform", "preview"]
