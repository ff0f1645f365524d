"""Rates by arm of lines that count events over days observed: a table with events and days, and a figure."""

from __future__ import annotations

from typing import Any

from equipoise.analysis.estimate import Estimate
from equipoise.reporting import format as fmt
from equipoise.reporting import words
from equipoise.reporting.context import Material
from equipoise.reporting.document import Block, Column, Figure, Row, Table
from equipoise.reporting.figures.rates import ArmRate, draw_rates


def rate_blocks(material: Material) -> list[Block]:
    """A table and a figure for each line of the plan that has rates by arm."""
    out: list[Block] = []
    for estimate in material.results.estimates:
        if estimate.details.get("rates") and material.is_main(estimate) and not material.choices(estimate):
            out += [_table(material, estimate), *_figure(material, estimate)]
    return out


def _rows(material: Material, estimate: Estimate) -> list[dict[str, Any]]:
    """The rates, reference first; in the order of the plan also where the effect is printed the other way round."""
    rates: list[dict[str, Any]] = estimate.details["rates"]
    order = list(material.arms)
    return sorted(rates, key=lambda rate: order.index(rate["arm"]) if rate["arm"] in order else len(order))


def _unit(estimate: Estimate) -> str:
    per_days = estimate.details["rates"][0]["per_days"]
    return f"in {per_days:g} days"


def _title(material: Material, estimate: Estimate) -> str:
    label = material.endpoint_label(estimate.endpoint)
    qualifier = material.qualifier(estimate)
    return f"{label[:1].lower() + label[1:]}{f' ({qualifier})' if qualifier else ''}"


def _table(material: Material, estimate: Estimate) -> Table:
    level = f"{round(100 * (estimate.ci_level or 0.95), 1):g}%"
    imputed = any(rate.get("imputed") for rate in estimate.details["rates"])
    rows = [
        Row(
            (
                material.arm_label(rate["arm"]),
                fmt.thousands(rate["n"]),
                fmt.fixed(rate["events"], 1) if imputed else fmt.thousands(rate["events"]),
                fmt.thousands(round(rate["days"])),
                fmt.NOT_ESTIMABLE if rate["rate"] is None else fmt.interval(_interval(rate)),
            )
        )
        for rate in _rows(material, estimate)
    ]
    columns = (
        Column("Arm"),
        Column("Participants", "decimal"),
        Column("Events, seen and imputed" if imputed else "Events", "decimal"),
        Column("Days, observed and imputed" if imputed else "Days observed", "decimal"),
        Column(f"Rate {_unit(estimate)} ({level} CI)", "decimal"),
    )
    notes = [
        "Rates by the model, as if everybody had been in the arm: averaged over the covariates of the participants in "
        "the analysis, who count alike however long they were observed. The rate ratio is their ratio."
    ]
    if imputed:
        notes.append(
            "Events and days are means over the imputed data sets; rates are pooled by Rubin's rules. An arm without "
            "an event in more than a tenth of the data sets has no rate here."
        )
    if any(rate["rate"] == 0.0 for rate in estimate.details["rates"]):
        notes.append(
            "An arm without events has a rate of exactly 0; its upper limit is that of the profile likelihood at the "
            "average covariates."
        )
    return Table(
        f"Rates by arm: {_title(material, estimate)}",
        columns,
        tuple(rows),
        words.capitalized(estimate.method.split(", adjusted")[0]),
        tuple(notes),
    )


def _interval(rate: dict[str, Any]) -> fmt.Interval:
    return fmt.Interval(rate["rate"], rate["ci_lower"], rate["ci_upper"], "mean")


def _figure(material: Material, estimate: Estimate) -> list[Figure]:
    rates = [rate for rate in _rows(material, estimate) if rate["rate"] is not None]
    if len(rates) < 2:
        return []
    drawn = [ArmRate(material.arm_label(r["arm"]), r["rate"], r["ci_lower"], r["ci_upper"]) for r in rates]
    drawing = draw_rates(drawn, axis_label=f"Rate {_unit(estimate)}")
    level = f"{round(100 * (estimate.ci_level or 0.95), 1):g}%"
    return [Figure(f"Rates by arm: {_title(material, estimate)}", drawing, f"Lines are {level} confidence intervals")]
