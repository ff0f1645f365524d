"""Looks as a report shows them: the table of looks taken and the figure of Z beside the bounds."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from equipoise.analysis.estimate import Estimate
from equipoise.analysis.interim import LookDecision, LooksOfPlan
from equipoise.analysis.look_taken import LookTaken
from equipoise.analysis.multiplicity import answer_of
from equipoise.protocol import Protocol
from equipoise.protocol.vocabulary.scales import scale_label
from equipoise.reporting import format as fmt
from equipoise.reporting import look_words, words
from equipoise.reporting.document import Column, Figure, Row, Table
from equipoise.reporting.figures.boundaries import BoundPoint, LookPoint, draw_boundaries
from equipoise.stats.design.group_sequential import SMALLEST_STEP


@dataclass(frozen=True, kw_only=True)
class LooksShown:
    """The plan of looks, the looks taken, and what arms are called: by letter, or as the protocol has them."""

    protocol: Protocol
    looks: LooksOfPlan
    taken: tuple[LookTaken, ...]
    letters: Mapping[str, str] = field(default_factory=dict)

    @property
    def look(self) -> LookTaken:
        """The look that the report is of."""
        return self.taken[-1]

    @property
    def names(self) -> Mapping[str, str]:
        """How each arm is called, in the order in which it stands: by letter, or as the protocol has it."""
        if self.letters:
            return {arm: f"Arm {letter}" for letter, arm in sorted(self.letters.items())}
        return {arm: self.protocol.arm_label(arm) for arm in self.protocol.arm_ids}

    def name(self, arm: str | None) -> str:
        """How an arm (or a level of a factor) is called."""
        return self.names.get(arm or "", self.protocol.arm_label(arm or ""))

    @property
    def arm_of(self) -> dict[str, str]:
        """By analysis, what its experimental arm is called."""
        model = self.protocol.model
        return {
            line: self.name(model.estimands[model.analyses[line].estimand].treatments.experimental)
            for line in self.looks.analyses
        }

    @property
    def sides(self) -> tuple[str, str]:
        """What the experimental arm of the first analysis and its reference are called."""
        model = self.protocol.model
        treatments = model.estimands[model.analyses[self.looks.analyses[0]].estimand].treatments
        return self.name(treatments.experimental), self.name(treatments.reference)


def looks_table(shown: LooksShown) -> Table:
    """Every look so far: information, Z, bounds, the effect as estimated then, and what the plan said."""
    looks = shown.looks
    columns = [Column("Look"), Column("Analysis", wide=True)] if len(looks.analyses) > 1 else [Column("Look")]
    columns += [
        Column(words.capitalized(look_words.COUNTED[looks.counted]), "right"),
        Column("Information", "right"),
        Column("Z", "decimal"),
        Column("Critical Z", "decimal"),
    ]
    has_futility = looks.rule.futility is not None
    if has_futility:
        columns.append(Column("Futility Z", "decimal"))
    columns += [
        Column("Alpha spent", "right"),
        Column("Effect (95% CI)"),
        Column("p", "decimal"),
        Column("The plan says"),
    ]
    rows = []
    for look in shown.taken:
        for line in look.lines:
            answer = answer_of(look.estimates, line.line)
            cells: list[fmt.Cell] = [str(look.number)]
            if len(looks.analyses) > 1:
                cells.append(shown.arm_of[line.line])
            held = look.decision
            cells += [
                look_words.number(line.counted, look.counted),
                look_words.share(line.counted / look.planned),
                fmt.fixed(line.z if look.z is None else look.z, 2),
            ]
            cells.append("closed test" if held is None else look_words.bound(held.critical_z))
            if has_futility:
                none = held is None or held.futility_z is None
                cells.append("none" if none else fmt.fixed(held.futility_z, 2))  # type: ignore[union-attr,arg-type]
            cells.append("closed test" if held is None else f"{held.alpha_spent:.4f}")
            cells += [_effect(answer), "none" if answer is None else words.p_cell(answer)]
            cells.append(look_words.OUTCOME[look.outcome])
            rows.append(Row(tuple(cells)))
    notes = [
        "Effects, intervals and p values are those of an analysis without looks: they describe, and decide nothing.",
        _direction(shown),
    ]
    if looks.stated.is_combined and len(looks.analyses) == 1:
        notes.append("Z is that of the stages combined by the weights of the plan.")
    return Table("Looks taken", tuple(columns), tuple(rows), footnotes=tuple(notes))


def _effect(answer: Estimate | None) -> fmt.Cell:
    if answer is None:
        return fmt.NOT_ESTIMABLE
    if answer.scale == "test":
        return "test only"
    return fmt.Interval(*answer.ends, answer.scale)


def _direction(shown: LooksShown) -> str:
    model = shown.protocol.model
    estimand = model.estimands[model.analyses[shown.looks.analyses[0]].estimand]
    answer = next(iter(shown.look.estimates), None)
    scale = "" if answer is None or answer.scale == "test" else f"{words.capitalized(scale_label(answer.scale))}: "
    treatments = estimand.treatments
    return f"{scale}{shown.name(treatments.experimental)} v {shown.name(treatments.reference)}."


def bounds_figure(shown: LooksShown, final: LookDecision | None = None) -> Figure | None:
    """Z over information: looks taken and, where there is one, the final analysis; none with several arms."""
    looks, taken = shown.looks, [look for look in shown.taken if look.decision is not None]
    if len(looks.analyses) > 1:
        return None
    points = [LookPoint(look.decision.information, look.z or 0.0) for look in taken if look.decision is not None]
    if final is not None:
        points.append(LookPoint(final.information, final.z, "Final"))
    if not points:
        return None
    planned = [float(t) for t in looks.rule.planned]
    here = planned[: len(points)] if looks.stated.is_combined else [point.information for point in points]
    ahead: list[float] = []
    if final is None:
        later = planned if looks.rule.by_information and not looks.stated.is_combined else planned[len(points) :]
        ahead = [t for t in later if t >= here[-1] + SMALLEST_STEP]
    found = looks.boundaries([*here, *ahead], is_last=final is not None or bool(ahead))
    bounds = []
    for t, critical, futility in zip([*here, *ahead], found.critical_z, found.futility_z, strict=True):
        is_shown = math.isfinite(futility) and looks.rule.futility is not None
        bounds.append(BoundPoint(t, float(critical), float(futility) if is_shown else None))
    if looks.stated.is_combined:
        points = [LookPoint(t, point.z, point.name) for t, point in zip(here, points, strict=True)]
    experimental, reference = shown.sides
    drawing = draw_boundaries(
        bounds,
        points,
        sides=looks.rule.sides,
        axis=f"Information, share of the planned {look_words.COUNTED[looks.counted]}",
        above=f"{experimental} better",
        below=f"{reference} better",
    )
    note = "Bounds of looks taken are at the information reached, those of later looks as planned."
    return Figure("Z and the bounds of the plan", drawing, look_words.of_plan(looks), note)
