"""Adjusted means by arm and visit, with the difference at each, of lines by a mixed model for repeated measures."""

from __future__ import annotations

from typing import Any

from equipoise.analysis.estimate import Estimate
from equipoise.protocol.vocabulary.scales import SCALES, scale_label
from equipoise.reporting import format as fmt
from equipoise.reporting import words
from equipoise.reporting.context import Material
from equipoise.reporting.document import Block, Column, Row, Table


def adjusted_means_tables(material: Material) -> list[Block]:
    """A table for each line of the plan that has adjusted means."""
    return [
        _table(material, estimate)
        for estimate in material.results.estimates
        if estimate.details.get("adjusted_means") and material.is_main(estimate) and not material.choices(estimate)
    ]


def _table(material: Material, estimate: Estimate) -> Table:
    means: list[dict[str, Any]] = estimate.details["adjusted_means"]
    of_mean = "geometric_mean" if SCALES[estimate.scale].is_ratio else "mean"
    sides = [str(estimate.reference), str(estimate.arm)]
    found = {(mean["arm"], mean["visit"]): mean for mean in means}
    visits = list(dict.fromkeys(mean["visit"] for mean in sorted(means, key=lambda mean: mean["week"])))
    effects = {e.id: e for e in material.results.estimates}
    has_effects = any(f"{estimate.id}.at-{visit}" in effects for visit in visits)
    rows = []
    for visit in visits:
        cells: list[fmt.Cell] = [_mean(found.get((arm, visit)), of_mean) for arm in sides]
        if has_effects:
            cells += _effect(effects.get(f"{estimate.id}.at-{visit}"))
        rows.append(Row((_visit(visit, next(m["day"] for m in means if m["visit"] == visit)), *cells)))
    level = f"{round(100 * (estimate.ci_level or 0.95), 1):g}%"
    columns = (
        Column("Visit"),
        *(Column(material.arm_label(arm), "decimal") for arm in sides),
        *(
            [Column(words.capitalized(scale_label(estimate.scale)), "decimal"), Column("p", "decimal")]
            if has_effects
            else []
        ),
    )
    label = material.endpoint_label(estimate.endpoint)
    kind = "geometric means" if of_mean == "geometric_mean" else "means"
    title = f"Adjusted {kind} over time: {label[:1].lower() + label[1:]}"
    return Table(
        title, columns, tuple(rows), f"{words.capitalized(kind)} and differences with {level} limits", _notes(estimate)
    )


def _mean(mean: dict[str, Any] | None, scale: str) -> fmt.Cell:
    if mean is None:
        return fmt.NOT_ESTIMABLE
    return f"{fmt.interval(fmt.Interval(mean['mean'], mean['ci_lower'], mean['ci_upper'], scale))}; n={mean['n']}"


def _effect(effect: Estimate | None) -> list[fmt.Cell]:
    if effect is None:
        return [fmt.NOT_ESTIMABLE, ""]
    return [fmt.Interval(*effect.ends, effect.scale), words.p_cell(effect)]


def _visit(name: str, day: float) -> str:
    text = words.capitalized(name.replace("-", " "))
    shown = f"day {day:g}".replace("-", fmt.MINUS)
    return text if shown in text.lower() else f"{text} ({shown})"


def _notes(estimate: Estimate) -> tuple[str, ...]:
    used, planned = estimate.details["covariance_used"], estimate.details["covariance_planned"]
    notes = [
        f"Mixed model for repeated measures, {used}; covariates at their averages over the participants in the model. "
        "n: participants of the arm with a result at the visit."
    ]
    if used != planned:
        notes.append(
            f"The plan's covariance ({planned}) has no maximum in these data; the next of the stated order was fitted."
        )
    notes.append("p values by visit are not adjusted for being several.")
    return tuple(notes)
