"""What every section of the protocol document is written from, and how a fact is told: value, source, assumption."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from equipoise.protocol import Protocol
from equipoise.protocol.language.analysis import Estimand
from equipoise.protocol.language.design import Statements
from equipoise.protocol.language.facts import Fact, Sourced
from equipoise.reporting import format as fmt
from equipoise.reporting import words
from equipoise.reporting.context import Material
from equipoise.reporting.document import Block, Paragraph, Table, strong

Audience = Literal["investigators", "committee"]
AUDIENCES: dict[Audience, str] = {
    "investigators": "Edition for investigators and sites: the method of randomization is not in it",
    "committee": "Edition for the sponsor and the ethics committee: not for those who enrol participants",
}
MARK = "[For you to write]"


@dataclass(frozen=True)
class ProtocolDraft:
    """A protocol on its way to a document: for whom, what was calculated for it, what changed since another version."""

    material: Material
    audience: Audience = "committee"
    version: str = ""
    power: tuple[Block, ...] = ()
    changes: Table | None = None
    pages: Mapping[str, int] = field(default_factory=dict)

    @property
    def protocol(self) -> Protocol:
        """The protocol."""
        return self.material.protocol

    @property
    def model(self) -> Any:
        """Its typed model."""
        return self.material.protocol.model

    @cached_property
    def numbers(self) -> Mapping[str, int]:
        """The number of each source in the list of references."""
        return {id: number for number, id in enumerate(self.model.sources, 1)}

    def cited(self, part: Sourced) -> str:
        """`` [1, 2]``: the sources of a part, and whether they bear it out or it was inferred or assumed."""
        found = sorted({self.numbers[id] for id in part.source if id in self.numbers})
        said = [f"[{', '.join(map(str, found))}]"] if found else []
        if part.status in ("inferred", "derived", "recalled", "assumed"):
            basis = f": {part.basis}" if part.basis else ""
            said.append(f"({part.status}{basis})")
        return "".join(f" {text}" for text in said)

    def told(self, fact: Fact[Any]) -> str:
        """A fact in words with its sources; of one that is not known what is assumed; empty where neither is there."""
        if fact.value is not None:
            return plain_value(fact.value) + self.cited(fact) + self.differing(fact)
        if fact.assumed is None:
            return ""
        basis = f", {fact.basis}" if fact.basis else ""
        return f"{plain_value(fact.assumed)} (assumed{basis}; no source gives it)"

    def differing(self, part: Sourced) -> str:
        """What other sources say of the same thing, as sentences behind it."""
        said = []
        for other in part.differs:
            number = f"[{self.numbers[other.source]}]" if other.source in self.numbers else other.source
            note = f" ({other.note})" if other.note else ""
            said.append(f" {number} says otherwise: {plain_value(other.says)}{note}.")
        return "".join(said)

    def statement(self, name: str) -> str:
        """A text that only people can write, from the protocol file; empty where it has none."""
        found = self.model.trial.statements or Statements()
        return str(getattr(found, name) or "").strip()

    def written(self, *names: str) -> list[Block]:
        """The authors' texts of these names, a paragraph each."""
        return [Paragraph(text) for name in names if (text := self.statement(name))]

    def treatment_label(self, name: str | None) -> str:
        """An arm, an intervention of a crossover, or the level of a factor."""
        return self.material.arm_label(name)

    def intervention_label(self, id: str) -> str:
        """An intervention for readers."""
        entry = self.model.interventions[id]
        return str(getattr(entry, "label", None) or words.capitalized(id.replace("-", " ")))

    def visit_label(self, series: str) -> str:
        """A visit, or a series of visits, for readers."""
        entry = self.model.schedule.get(series)
        return str((entry.label if entry is not None else None) or words.capitalized(series.replace("-", " ")))

    def assessment_label(self, id: str) -> str:
        """An assessment for readers."""
        return str(self.model.assessments[id].label or words.capitalized(id.replace("-", " ")))

    def question(self, estimand: Estimand) -> str:
        """The question of an estimand: in the file's words, or made of its attributes."""
        if estimand.words:
            return words.capitalized(estimand.words.strip())
        treatments = estimand.treatments
        label = self.material.endpoint_label(estimand.endpoint)
        if treatments.reference is None:
            return f"{label} with {self.treatment_label(treatments.experimental)}."
        return (
            f"To compare {self.treatment_label(treatments.experimental)} with "
            f"{self.treatment_label(treatments.reference)}: {words.lowered(label)}."
        )

    def estimands_at(self, *levels: str) -> list[str]:
        """Estimands whose highest analysis is at one of these levels, in the order of the plan."""
        order = list(words.LEVEL_WORDS)
        highest: dict[str, str] = {}
        for line in self.model.analyses.values():
            known = highest.get(line.estimand)
            if known is None or order.index(line.level) < order.index(known):
                highest[line.estimand] = line.level
        return [id for id, level in highest.items() if level in levels]


Writer = Callable[[ProtocolDraft], Sequence[Block | None]]


def name_words(id: str) -> str:
    """An id of the file that has no label as a name: ``follow-up`` is ``Follow-up``."""
    return words.capitalized(id.replace("-", " ").replace("follow up", "follow-up"))


def for_you(text: str) -> Paragraph:
    """A place that people fill in, with one line of what belongs there."""
    return Paragraph((strong(MARK), f" {words.capitalized(text)}."))


def plain_value(value: Any) -> str:
    """A value of the protocol as a reader sees it."""
    if isinstance(value, (list, tuple)):
        return fmt.joined([plain_value(one) for one in value]) if value else "nobody"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float) and value == int(value):
        return str(int(value))
    text = fmt.closed_up(fmt.dates_in_words(str(value)))
    return text.replace("-", " ") if text.islower() and " " not in text and text.replace("-", "").isalpha() else text


def days_words(days: Any) -> str:
    """``day 5``, ``days 6 to 33``, with true minus signs."""
    first, last = days.first, days.last
    one = day_text(first)
    return f"day {one}" if first == last else f"days {one} to {day_text(last)}"


def day_text(day: int) -> str:
    """A study day with a true minus sign."""
    return str(day).replace("-", fmt.MINUS)


def sentence(*parts: str) -> str:
    """Parts joined by semicolons as one sentence; empty ones left out."""
    text = "; ".join(part for part in parts if part)
    return words.capitalized(text) + ("" if not text or text.endswith((".", "]", "?", "!")) else ".")
