"""The first screen of a design report, which a grant or a protocol can take."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from statistics import NormalDist

from equipoise.design.batch import PlannedRow
from equipoise.design.operating import OperatingCharacteristics
from equipoise.reporting import words
from equipoise.reporting.design_material import DesignMaterial
from equipoise.reporting.document import (
    Block,
    ChangeRule,
    Column,
    Heading,
    Paragraph,
    Row,
    RuleAxis,
    RuleResult,
    Table,
)
from equipoise.reporting.format import joined, percentage
from equipoise.reporting.power_report import primaries_of


def design_answer(material: DesignMaterial) -> list[Block]:
    """A sentence, the design on a page, the paragraph for a protocol, and sliders of size and effect."""
    first = material.worlds[0]
    primary = next((s for s in primaries_of(first) if s.significant is not None), None)
    if primary is None or primary.significant is None:
        return []
    n = sum(first.arm_sizes.values())
    label = words.lowered(material.protocol.endpoint_label(primary.row.endpoint))
    lead = (
        f"With {n} participants about {percentage(primary.significant.value, 0)} in 100 such trials succeed on "
        f"\N{LEFT DOUBLE QUOTATION MARK}{label}\N{RIGHT DOUBLE QUOTATION MARK} if the treatment works as assumed"
    )
    half = _in_100(at(material, n, 0.5), primary.row.id)
    lead += f", and about {half} if it works half as well." if half is not None else "."
    return [Paragraph(lead, "lead"), _on_a_page(material), *_for_a_protocol(material), *_size_and_effect(material)]


def _on_a_page(material: DesignMaterial) -> Table:
    """What a grant asks for: a column for each primary analysis."""
    first = material.worlds[0]
    shown = [s for s in primaries_of(first) if s.significant is not None]
    ids = [s.row.id for s in shown]
    planned = sum(first.arm_sizes.values())
    null = next((world for world in material.worlds if world.is_null), None)
    rows = [Row(("Participants planned", *(f"{planned} ({_arms(material, first.arm_sizes)})" for _ in ids)))]
    for power in (0.8, 0.9):
        found = [size_for(material, id, power) for id in ids]
        if any(found):
            rows.append(Row((f"Participants for {power:.0%} power", *(text or "not simulated" for text in found))))
    for arm in first.arm_sizes:
        rows.append(
            Row(
                (
                    f"Result assumed, {words.lowered(material.protocol.arm_label(arm))}",
                    *(_assumed(first, s.row.endpoint, arm) for s in shown),
                )
            )
        )
    for arm, share in first.dropout.items():
        gone = f"{percentage(share, 0)}%"
        rows.append(
            Row((f"Lost to follow-up, {words.lowered(material.protocol.arm_label(arm))}", *(gone for _ in ids)))
        )
    cells = {
        "if the effect is as assumed": first,
        "if the effect is half as large": at(material, planned, 0.5),
        "if there is no effect (type I error)": null or at(material, planned, 0.0),
    }
    if all(s.row.margin for s in shown):  # where arms do not differ, to find them alike is no error
        cells["if there is no difference"] = cells.pop("if there is no effect (type I error)")
    rows += [
        Row((f"Successful trials in 100, {when}", *(_successes(cell, id) for id in ids)))
        for when, cell in cells.items()
        if cell is not None
    ]
    return Table(
        "The design on a page",
        (Column("", wide=True), *(Column(material.protocol.endpoint_label(s.row.endpoint)) for s in shown)),
        tuple(rows),
        f"{first.n_replicates:,} simulated trials per scenario",
        (
            f"Success: {success_words([s.row for s in shown])}, in the planned analysis. In brackets: 95% Monte Carlo "
            "interval. Sizes for 80% and 90% power are read off the sizes simulated.",
        ),
    )


def success_words(rows: Sequence[PlannedRow]) -> str:
    """When a trial counts as successful, by its primary lines."""
    said = []
    for row in rows:
        if row.probability is not None:
            said.append(f"posterior probability above {row.probability:g}")
        elif row.margin is not None:
            said.append("the interval excludes the margin, one-sided")
        elif row.is_one_sided:
            said.append("p below its level, one-sided")
        else:
            said.append("p below its level, two-sided")
    return " or ".join(dict.fromkeys(said))


def _arms(material: DesignMaterial, sizes: Mapping[str, int]) -> str:
    return joined([f"{n} {words.lowered(material.protocol.arm_label(arm))}" for arm, n in sizes.items()])


def _assumed(world: OperatingCharacteristics, endpoint: str, arm: str) -> str:
    """The mean simulated result of an arm, where the plan has a row of it."""
    for summary in world.rows:
        row = summary.row
        if row.endpoint == endpoint and row.arm == arm and row.reference is None:
            value = summary.mean if summary.mean is not None else summary.median
            if value is not None and row.scale == "proportion":
                return f"{percentage(value, 0)}%"
            if value is not None and row.scale in ("mean", "median_time"):
                return f"{value:.3g}"
    return "not in the plan"


def _successes(cell: OperatingCharacteristics, id: str) -> str:
    share = cell[id].significant
    if share is None:
        return "not estimable"
    return f"{percentage(share.value, 0)} ({percentage(share.lower, 0)} to {percentage(share.upper, 0)})"


def size_for(material: DesignMaterial, id: str, power: float) -> str:
    """Participants for a power, read off the sizes simulated under the assumed effect; nothing without a grid.

    Between two sizes the power's normal quantile is taken to be linear in the root of the size, as it is of a test that
    is normal on its scale.
    """
    points = sorted(
        (round(cell.cell.grid["n"]), share.value)
        for cell in material.grid
        if abs(cell.cell.grid["effect"] - 1.0) < 1e-9 and (share := cell[id].significant) is not None
    )
    if not points:
        return ""
    if points[0][1] >= power:
        return f"{points[0][0]} or fewer"
    for (low, below), (high, above) in pairwise(points):
        if below < power <= above:
            ends = [NormalDist().inv_cdf(min(max(value, 1e-3), 1 - 1e-3)) for value in (below, above, power)]
            way = (ends[2] - ends[0]) / (ends[1] - ends[0])
            root = math.sqrt(low) + way * (math.sqrt(high) - math.sqrt(low))
            return f"about {math.ceil(root * root - 1e-9)} (between {low} and {high})"
    return f"more than {points[-1][0]}"


def at(material: DesignMaterial, n: int, effect: float) -> OperatingCharacteristics | None:
    """The cell of the grid at a size and an effect."""
    for cell in material.grid:
        if round(cell.cell.grid["n"]) == n and abs(cell.cell.grid["effect"] - effect) < 1e-9:
            return cell
    return None


def _in_100(cell: OperatingCharacteristics | None, id: str) -> str | None:
    share = cell[id].significant if cell is not None else None
    return None if share is None else percentage(share.value, 0)


def _for_a_protocol(material: DesignMaterial) -> list[Block]:
    """The sample size as a paragraph for a protocol or a grant; what only a person can write is in brackets."""
    first = material.worlds[0]
    primary = next((s for s in primaries_of(first) if s.significant is not None), None)
    if primary is None or primary.significant is None:
        return []
    n = sum(first.arm_sizes.values())
    arms = joined([f"{material.protocol.arm_label(arm)} {k}" for arm, k in first.arm_sizes.items()])
    gone = joined(
        [f"{percentage(share, 0)}% with {material.protocol.arm_label(arm)}" for arm, share in first.dropout.items()]
    )
    label = material.protocol.endpoint_label(primary.row.endpoint)
    share = primary.significant
    text = (
        f"With {n} participants ({arms}), about {percentage(share.value, 0)} in 100 such trials succeed on "
        f"\N{LEFT DOUBLE QUOTATION MARK}{label}\N{RIGHT DOUBLE QUOTATION MARK} if the treatment works as assumed "
        f"(95% Monte Carlo interval {percentage(share.lower)} to {percentage(share.upper)})"
    )
    half = _in_100(at(material, n, 0.5), primary.row.id)
    text += f", and about {half} if it works half as well. " if half is not None else ". "
    text += (
        f"These numbers are from {first.n_replicates} simulated trials per scenario, each analysed by the whole "
        f"analysis plan; expected dropout ({gone}) is in them. [For you to write: why this effect is worth finding]"
    )
    return [Heading("Sample size, for a protocol or a grant", 2), Paragraph(text)]


def _size_and_effect(material: DesignMaterial) -> list[Block]:
    """Sizes by effects to choose from on the page; the same numbers stand in the heat maps."""
    if not material.grid:
        return []
    planned = sum(material.worlds[0].arm_sizes.values())
    sizes = sorted({round(cell.cell.grid["n"]) for cell in material.grid})
    effects = sorted({cell.cell.grid["effect"] for cell in material.grid})
    if planned not in sizes or 1.0 not in effects:
        return []
    start = (sizes.index(planned), effects.index(1.0))
    ids = [s.row.id for s in primaries_of(material.grid[0])]
    results = {}
    for i, n in enumerate(sizes):
        for j, effect in enumerate(effects):
            cell = at(material, n, effect)
            for k, id in enumerate(ids):
                share = cell[id].significant if cell is not None else None
                if share is not None:
                    limits = f"(95% Monte Carlo interval {percentage(share.lower)} to {percentage(share.upper)})"
                    results[f"{i}.{j}.{k}"] = RuleResult(
                        "Successful trials in 100", f"{percentage(share.value)} {limits}", ()
                    )
    if f"{start[0]}.{start[1]}.0" not in results:
        return []
    endpoints = [material.protocol.endpoint_label(material.grid[0][id].row.endpoint) for id in ids]
    axes = (
        RuleAxis("Participants", tuple(str(n) for n in sizes), start[0], slider=True),
        RuleAxis("Effect", tuple(_effect_words(effect) for effect in effects), start[1], slider=True),
        RuleAxis("Endpoint", tuple(endpoints)),
    )
    lead = "Move the sliders; every number was simulated beforehand, and stands in the table of sizes and effects."
    return [ChangeRule("Size and effect", lead, axes, results, {}, (), 0.0)]


def _effect_words(effect: float) -> str:
    """How an effect stands to the assumed one."""
    known = {1.0: "as assumed", 0.0: "none", 0.5: "half as large"}
    return known.get(effect, f"{effect:g} times as large")
