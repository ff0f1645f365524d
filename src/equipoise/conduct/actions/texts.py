"""The door's part in texts that may name a treatment: asked about when entered, held back when told.

Whoever confirms gives ``confirm=names-a-treatment`` with the action.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from equipoise.conduct.audit_trail.masking import CODE_BROKEN, PHARMACY_WORK
from equipoise.conduct.rules.telling_texts import texts_in
from equipoise.conduct.trial.held_texts import TYPED, typed_texts
from equipoise.foundation.errors import ConductError, Problem, listed

if TYPE_CHECKING:
    from equipoise.conduct.actions.context import Act, Action, Receipt

CODES = {"C685": "A text that may name a treatment: confirm it, and it is held back from blinded people."}
NAMES_A_TREATMENT = "names-a-treatment"
_SHOWN = 120  # letters of a text that the question repeats
# Texts of the protocol and the consent form name every arm, and everybody reads them.
_OF_THE_TRIAL = frozenset(
    {"amend", "consent-document", "consent-electronic", "consent-sign", "read-consent", "wording", "init"}
)
# What nobody who is blinded reads, what is refused with such words, and what no question may hold up: an emergency.
_NOT_ASKED = _OF_THE_TRIAL | PHARMACY_WORK | CODE_BROKEN | {"redact", "release-text"}


def without_confirmation(chosen: Action, arguments: Mapping[str, Any]) -> tuple[Mapping[str, Any], bool]:
    """The arguments as the action takes them, and whether it was confirmed that a text may name a treatment."""
    said = arguments.get("confirm")
    if chosen.name == "amend" or said is None or isinstance(said, bool):
        return arguments, False
    words = said.split(",") if isinstance(said, str) else said
    if not isinstance(words, (list, tuple)) or NAMES_A_TREATMENT not in [str(word).strip() for word in words]:
        return arguments, False
    left = [str(word).strip() for word in words if str(word).strip() != NAMES_A_TREATMENT]
    rest = {name: value for name, value in arguments.items() if name != "confirm"}
    return ({**rest, "confirm": left} if left else rest), True


def ask_about_texts(act: Act) -> None:
    """Ask about texts that may name a treatment and that blinded people would read (C685), once all else is right.

    What is asked about was typed now, and stands open in what the action would record.
    """
    if act.action.name in _NOT_ASKED or not act.events:
        return
    recorded = {text for event in act.events for text in typed_texts(event.content, event.why)} - {""}
    if not recorded:
        return
    held = act.texts
    if held.is_open or not any(map(held.names.tells, recorded)):
        return
    typed = {name: [*texts_in(value)] for name, value in act.given.items() if name not in act.action.private}
    typed |= {name: [*texts_in(act.given.get(name))] for name in ("forms",)} | {"--why": [act.why]}
    problems = [
        Problem(
            "C685",
            name,
            f"\u201c{text[:_SHOWN]}\u201d may tell which treatment the person has ({listed(held.names.found(text))}). "
            "Blinded people will read it.",
            "words that name no treatment",
            f"Use other words, or add confirm={NAMES_A_TREATMENT}: it is then held back from blinded people.",
        )
        for name, texts in typed.items()
        for text in dict.fromkeys(texts)
        if held.names.tells(text)
    ]
    if problems:
        raise ConductError(problems)


def as_read(act: Act, receipt: Receipt) -> Receipt:
    """The receipt as who acts may read it: blinded people are told of held texts that they are."""
    if act.reads_names or act.action.name in _OF_THE_TRIAL:
        return receipt
    if not (_has_texts(receipt.told) or _has_texts(receipt.answer)):
        return receipt
    held, person = act.texts, act.person
    return replace(receipt, told=held.shown_in(receipt.told, person), answer=held.shown_in(receipt.answer, person))


def _has_texts(told: Any) -> bool:
    """Whether something that people type is told at all; most replies hold nothing of it."""
    if isinstance(told, Mapping):
        return any((entry and name in TYPED) or _has_texts(entry) for name, entry in told.items())
    return isinstance(told, (list, tuple)) and any(map(_has_texts, told))


__all__ = ["NAMES_A_TREATMENT", "as_read", "ask_about_texts", "without_confirmation"]
