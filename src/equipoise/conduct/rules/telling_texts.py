"""Free text that may tell which treatment somebody has: the one place that decides.

A protocol gives the names: arms, and every treatment that not all arms have alike, with drugs, labels, doses and what
else they are called. A text tells where it holds one of them. It is asked about when it is entered, and held back from
blinded people afterwards: it is never refused, for somebody in a trial of ketamine may have taken ketamine at a party.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from equipoise.protocol import Protocol

HELD = "held back: may name a treatment"
# What every trial that masks calls a treatment, or the end of the mask.
UNBLINDED = ("unblinded", "unblind")
_ALWAYS = ("placebo", *UNBLINDED, "active drug", "active arm", "control arm")
_IN_WORDS = 6  # letters from which a name is found inside a word too: esketamine, ketamine-like
_SHORT = 2  # letters up to which a name is one only after a word such as arm or group
_KINDS = r"(?:arm|group|treatment|condition|drug|sequence|dose)"
# Arms that are called by a word of every day: it names one only beside a word such as arm.
_EVERYDAY = frozenset(
    {"high", "low", "active", "control", "standard", "usual", "treatment", "intervention", "experimental"}
    | {"early", "late", "immediate", "delayed", "single", "one", "two", "new", "old"}
)


def plain(text: str) -> str:
    """A text as names are looked for in it: lower case, without accents, one blank for blanks and dashes."""
    bare = "".join(one for one in unicodedata.normalize("NFKD", text) if not unicodedata.combining(one))
    return " ".join(re.sub(r"[\s_\-\u2010-\u2015/]+", " ", bare.casefold()).split())


def telling_names(protocol: Protocol) -> frozenset[str]:
    """The names by which a text tells an arm of this protocol; none where nobody is masked or there is one arm.

    Where the protocol does not say who is masked, it is taken that somebody is. What all arms have alike tells nothing.
    """
    model = protocol.model
    masked = model.trial.masking.usable
    if len(model.arms) < 2 or (masked is not None and not masked):
        return frozenset()
    names = set(_ALWAYS)
    by_arm = [_names_of_arm(protocol, arm) for arm in model.arms]
    alike = frozenset.intersection(*by_arm)
    if model.trial.design == "crossover":  # everybody has each treatment; when, is what nobody knows
        alike = frozenset()
    names |= frozenset.union(*by_arm) - alike
    return frozenset(filter(None, map(plain, names)))


def _names_of_arm(protocol: Protocol, arm: str) -> frozenset[str]:
    entry = protocol.model.arms[arm]
    out = {arm, entry.label or arm}
    stages = entry.gives if isinstance(entry.gives, dict) else {}
    for id in entry.interventions:
        treatment = protocol.model.interventions.get(id)
        found = {id, getattr(treatment, "label", None), getattr(treatment, "drug", None)}
        found |= set(getattr(treatment, "also_called", ()))
        dose = getattr(treatment, "total_dose", None)
        found |= {str(dose)} if dose is not None else set()
        out |= {name for name in found if name}
        # of what an arm has in some stages alone the stage is part of what tells
        out |= {f"{id} in {stage}" for stage, given in stages.items() if id in given}
    return frozenset(out)


@dataclass(frozen=True)
class TellingNames:
    """The names of one or several versions of a protocol, ready to be looked for."""

    names: frozenset[str]

    @classmethod
    def of(cls, protocols: Iterable[Protocol]) -> TellingNames:
        """Those of several versions together: a text entered under one is read under the next."""
        return cls(frozenset().union(*map(telling_names, protocols)))

    def found(self, text: str) -> list[str]:
        """The names that a text holds, in alphabetical order."""
        if not self.names or not text:
            return []
        said = plain(text)
        return sorted(name for name, pattern in self._patterns if pattern.search(said))

    def tells(self, text: str) -> bool:
        """Whether a text holds one of the names."""
        return bool(self.names) and bool(text) and self._any.search(plain(text)) is not None

    @cached_property
    def _patterns(self) -> list[tuple[str, re.Pattern[str]]]:
        return [(name, re.compile(_pattern(name))) for name in self.names]

    @cached_property
    def _any(self) -> re.Pattern[str]:
        return re.compile("|".join(_pattern(name) for name in sorted(self.names)))


def _pattern(name: str) -> str:
    """How a name is looked for: inside words where it is long, beside a word such as arm where it is very short."""
    if len(name) <= _SHORT or name in _EVERYDAY:
        said = re.escape(name)
        return rf"(?<!\w)(?:{_KINDS} {said}|{said} {_KINDS})(?!\w)"
    if len(name) < _IN_WORDS or " " in name or not name.isalpha():
        return rf"(?<!\w){re.escape(name)}(?:s|'s)?(?!\w)"
    return re.escape(name[:-1] if len(name) > _IN_WORDS and name.endswith("e") else name)


def texts_in(content: object) -> Iterator[str]:
    """Every text of a value, however deep."""
    if isinstance(content, str):
        yield content
    elif isinstance(content, dict):
        for entry in content.values():
            yield from texts_in(entry)
    elif isinstance(content, (list, tuple)):
        for entry in content:
            yield from texts_in(entry)


__all__ = ["HELD", "UNBLINDED", "TellingNames", "plain", "telling_names", "texts_in"]
