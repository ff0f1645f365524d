"""What the report shows of ordered categories and of hierarchies: bars by arm, odds at every limit, pairs by level."""

from __future__ import annotations

from typing import Any

from equipoise.analysis.estimate import Estimate
from equipoise.reporting import format as fmt
from equipoise.reporting import words
from equipoise.reporting.context import Material
from equipoise.reporting.direction import TURNED
from equipoise.reporting.document import Block, Column, Figure, Row, Table
from equipoise.reporting.figures.categories import draw_categories


def composed_blocks(material: Material) -> list[Block]:
    """A figure and a table for each line of the plan on ordered categories, a table for each hierarchy."""
    out: list[Block] = []
    for estimate in material.results.estimates:
        if not material.is_main(estimate) or material.choices(estimate):
            continue
        if estimate.details.get("counts"):
            out += [_bars(material, estimate), _cumulative(material, estimate)]
        elif estimate.details.get("pairs"):
            out.append(_pairs(material, estimate))
    return out


def _counts(material: Material, estimate: Estimate) -> dict[str, list[int]]:
    """Counts by arm, the reference of the plan first."""
    counts: dict[str, list[int]] = estimate.details["counts"]
    order = list(material.sides)
    return {arm: counts[arm] for arm in sorted(counts, key=lambda a: order.index(a) if a in order else len(order))}


def _title(material: Material, estimate: Estimate) -> str:
    qualifier = material.qualifier(estimate)
    return words.lowered(material.endpoint_label(estimate.endpoint)) + (f" ({qualifier})" if qualifier else "")


def _bars(material: Material, estimate: Estimate) -> Figure:
    counts = {material.arm_label(arm): numbers for arm, numbers in _counts(material, estimate).items()}
    worst_last = material.protocol.model.endpoints[estimate.endpoint].better == "lower"
    return Figure(
        f"Categories by arm: {_title(material, estimate)}",
        draw_categories(counts, estimate.details["categories"], worst_last=worst_last),
        f"{estimate.n_analysed} participants with a result",
        "Darker is worse. Lines join the limits between categories.",
    )


def _cumulative(material: Material, estimate: Estimate) -> Table:
    """Participants in each category or a higher one, and the odds ratio at each limit beside the common one."""
    counts = _counts(material, estimate)
    names: list[str] = estimate.details["categories"]
    arms = list(counts)
    rows = []
    for k in range(1, len(names)):
        above = {arm: sum(counts[arm][k:]) for arm in arms}
        totals = {arm: sum(counts[arm]) for arm in arms}
        cells = [fmt.Count(above[arm], totals[arm], show_denominator=True) for arm in arms]
        rows.append(
            Row(
                (
                    f"{words.capitalized(names[k])}{'' if k == len(names) - 1 else ' or higher'}",
                    *cells,
                    _odds(above, totals, estimate),
                )
            )
        )
    p = estimate.details.get("proportionality_p_value")
    chance = estimate.details.get("probability_higher")
    notes = ["Odds ratio: of the table of two by two at that limit, without covariates."]
    if isinstance(p, (int, float)):
        notes.append(f"Test that the odds ratio is the same at every limit: {words.p_text(float(p))}.")
    ranks = estimate.details.get("rank_sum_p_value")
    if isinstance(chance, (int, float)) and isinstance(ranks, (int, float)):
        first, second = (
            (estimate.reference, estimate.arm) if estimate.details.get(TURNED) else (estimate.arm, estimate.reference)
        )
        notes.append(
            f"A participant with {words.lowered(material.arm_label(first))} is in a higher category than one with "
            f"{words.lowered(material.arm_label(second))} in {fmt.percent(float(chance))} of pairs, ties counted half. "
            "The Wilcoxon (Mann-Whitney) test of that, which is the score test of the model without covariates: "
            f"{words.p_text(float(ranks))}."
        )
    columns = (
        Column("Category"),
        *(Column(material.arm_label(arm), "decimal") for arm in arms),
        Column("Odds ratio", "decimal"),
    )
    return Table(f"Cumulative percentages: {_title(material, estimate)}", columns, tuple(rows), footnotes=tuple(notes))


def _odds(above: dict[str, int], totals: dict[str, int], estimate: Estimate) -> str:
    arm, other = str(estimate.arm), str(estimate.reference)
    if arm not in above or other not in above:
        return fmt.NOT_ESTIMABLE
    top = above[arm] * (totals[other] - above[other])
    bottom = above[other] * (totals[arm] - above[arm])
    if not bottom:
        return "infinite" if top else fmt.NOT_ESTIMABLE
    return fmt.on_scale(top / bottom, "odds_ratio")


def _pairs(material: Material, estimate: Estimate) -> Table:
    """Pairs that each level decided, and what is left for the next."""
    levels: list[dict[str, Any]] = estimate.details["pairs"]
    turned = bool(estimate.details.get(TURNED))
    n = int(estimate.details["n_pairs"])
    first, second = ("lost", "won") if turned else ("won", "lost")

    def cell(count: int) -> str:
        return f"{fmt.thousands(count)} ({fmt.percent(count / n)})" if n else "no pairs"

    rows = [
        Row(
            (
                f"{k}. {material.endpoint_label(level['endpoint'])}",
                cell(level[first]),
                cell(level[second]),
                cell(level["tied"]),
            )
        )
        for k, level in enumerate(levels, 1)
    ]
    won, lost = (sum(level[key] for level in levels) for key in (first, second))
    rows.append(Row(("All levels", cell(won), cell(lost), cell(levels[-1]["tied"])), "total"))
    arm, other = (material.arm_label(a) for a in (estimate.arm, estimate.reference))
    return Table(
        f"Pairs by level: {_title(material, estimate)}",
        (
            Column("Level", wide=True),
            Column(f"{arm} better", "decimal"),
            Column(f"{other} better", "decimal"),
            Column("Left tied", "decimal"),
        ),
        tuple(rows),
        f"{fmt.thousands(n)} pairs of one participant of each arm",
        (
            "A pair is decided by the first level in which the two differ by more than its margin. Times are held "
            "against each other over the follow-up that both have; a missing result leaves the pair to the next level.",
        ),
    )
