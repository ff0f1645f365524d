"""The design report: what the trial can show and what it cannot, and what that rests on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from equipoise.design.decisions import PLANNED
from equipoise.design.operating import OperatingCharacteristics, row_values
from equipoise.design.summary import RowSummary, Share, deciding, hypothesis_rows, primary_rows, rule_name
from equipoise.foundation.errors import listed
from equipoise.protocol import Protocol
from equipoise.protocol.vocabulary.endpoint_kinds import BY_ARM
from equipoise.protocol.vocabulary.scales import SCALES
from equipoise.reporting import words
from equipoise.reporting.design_labels import row_labels, scenario_label
from equipoise.reporting.document import (
    SIMULATED,
    Block,
    Bullets,
    Callout,
    Column,
    DefinitionList,
    Document,
    Figure,
    Heading,
    KeyFigures,
    Paragraph,
    Row,
    Table,
)
from equipoise.reporting.figures.estimates_distribution import draw_estimates_distribution
from equipoise.reporting.figures.heat_map import draw_heat_map
from equipoise.reporting.figures.power_curve import PowerLine, draw_power_curve
from equipoise.reporting.format import joined, percentage

BANNER = replace(SIMULATED, sentence="Simulated trials: simulated under the stated assumptions; not evidence.")
MOST_DISTRIBUTIONS = 6
_OF_MARGINS = (
    "A line with a margin succeeds where its interval excludes the margin (one-sided). Where arms do not differ that "
    "is power and not an error; its type I error is what assumptions with the effect at the margin show."
)
NOTHING_TESTED = (
    "One arm, and nothing is held against a goal: there is no hypothesis, and so no power. A goal of a line of the "
    "plan (goal: 40 %) makes one."
)


def build_power_report(protocol: Protocol, cells: Sequence[OperatingCharacteristics], version: str = "") -> Document:
    """The report of a power run; figures of estimates need the folder of the replicates' numbers."""
    first = cells[0]
    blocks: list[Block] = [*_opening(protocol, cells)]
    has_grid = any(cell.cell.grid for cell in cells)
    if has_grid:
        blocks += [Heading("Over the grid"), *_grid(protocol, cells)]
    null = next((cell for cell in cells if cell.is_null), None)
    if null is not None and not has_grid:
        for cell in cells:
            if not cell.is_null:
                blocks += level_table(protocol, cell, null)
    for cell in cells if not has_grid else cells[:1]:
        blocks += [Heading(f"Scenario: {words.lowered(scenario_label(cell.cell.name))}"), *_scenario(protocol, cell)]
    blocks += [Heading("How this was worked out"), *_method(protocol, cells)]
    return Document(
        title="What the trial can show",
        subtitle=protocol.model.trial.title,
        kicker="Design report",
        blocks=tuple(blocks),
        banner=BANNER,
        provenance=(
            ("Protocol", protocol.id),
            ("Protocol hash", protocol.hash[:16]),
            ("Seed", str(first.seed)),
            ("Version", version),
        ),
        footer=f"{protocol.id}, seed {first.seed}, protocol {protocol.hash[:12]}",
    )


def _percent(share: Share | float | None, decimals: int = 1) -> str:
    return percentage(share.value if isinstance(share, Share) else share, decimals)


def _limits(share: Share | None) -> str:
    return "" if share is None else f"{100 * share.lower:.1f} to {100 * share.upper:.1f}"


def primaries_of(cell: OperatingCharacteristics) -> list[RowSummary]:
    """The rows on which the decision rests."""
    return [cell.rows[number] for number in primary_rows(tuple(s.row for s in cell.rows))]


def _label(protocol: Protocol, summary: RowSummary) -> str:
    return protocol.endpoint_label(summary.row.endpoint)


def _opening(protocol: Protocol, cells: Sequence[OperatingCharacteristics]) -> list[Block]:
    cell = cells[0]
    items = []
    for summary in primaries_of(cell):
        if summary.significant is not None:
            word = "type I error" if summary.is_type_i_error else "power"
            detail = f"{summary.row.estimator}; Monte Carlo {_limits(summary.significant)}%"
            items.append((f"{_percent(summary.significant, 0)}%", f"{word}, {_label(protocol, summary)}", detail))
    rule = deciding(cell.rules)
    if rule is not None and len(rule.primaries) > 1:
        of = "hypotheses" if rule.rule == PLANNED else "primaries"
        items.append((f"{_percent(rule.all_rejected, 0)}%", f"all {of}, {rule_name(rule)}", "familywise level held"))
        if rule.rule == PLANNED:
            items.append((f"{_percent(rule.any_rejected, 0)}%", "one hypothesis or more, by the plan", rule.words))
    total = sum(cell.arm_sizes.values())
    if len(cell.arm_sizes) == 1:
        lead = (
            f"With {total} participants, and if the world is as the scenario {cell.cell.name} assumes, this is how "
            "often the plan for the real data distinguishes the result from its performance goal."
        )
        return [
            Paragraph(lead if items else NOTHING_TESTED, "lead"),
            *([KeyFigures(tuple(items[:4]))] if items else []),
        ]
    lead = (
        f"With {total} participants, and if the world is as the scenario {cell.cell.name} assumes, this is how often "
        f"the plan that will be carried out on the real trial {what_is_rejected(cell)}."
    )
    return [Paragraph(lead, "lead"), *([KeyFigures(tuple(items[:4]))] if items else [])]


def what_is_rejected(cell: OperatingCharacteristics) -> str:
    """What the primary lines do when they succeed, in words."""
    objectives = {str(s.row.margin["objective"]) if s.row.margin else "" for s in primaries_of(cell)}
    said = []
    if "non-inferiority" in objectives:
        said.append("shows non-inferiority, its interval excluding the margin")
    if "equivalence" in objectives:
        said.append("shows equivalence, its interval lying between the margins")
    if "" in objectives or not said:
        said.append("rejects the hypothesis of no effect")
    return " or ".join(said)


def _grid(protocol: Protocol, cells: Sequence[OperatingCharacteristics]) -> list[Block]:
    axes = list(cells[0].cell.grid)
    ids = [summary.row.id for summary in primaries_of(cells[0])]
    out: list[Block] = []
    for axis in axes:
        if len({cell.cell.grid[axis] for cell in cells}) < 2:
            continue
        for id in ids:
            lines: dict[str, list[tuple[float, float, float, float]]] = {}
            for cell in cells:
                rest = ", ".join(f"{name}={value:g}" for name, value in cell.cell.grid.items() if name != axis)
                share = cell[id].significant
                if share is not None:
                    name = f"{scenario_label(cell.cell.spec.name)}{', ' + rest if rest else ''}"
                    point = (cell.cell.grid[axis], share.value, share.lower, share.upper)
                    lines.setdefault(name, []).append(point)
            if lines:
                title = f"Power: {words.lowered(protocol.endpoint_label(cells[0][id].row.endpoint))}"
                drawing = draw_power_curve(
                    [PowerLine(name, points) for name, points in lines.items()], axis=axis, title=title
                )
                out.append(Figure(f"{title} by {axis}", drawing, note="Vertical lines are Monte Carlo intervals."))
    out += heat_maps(protocol, cells, ids)
    rules = list(dict.fromkeys(rule.rule for cell in cells for rule in cell.rules))
    columns = (
        Column("Scenario"),
        *(Column(axis, "decimal") for axis in axes),
        *(Column(protocol.endpoint_label(cells[0][id].row.endpoint), "decimal", "%") for id in ids),
        *(Column(f"{rule}, all", "decimal", "%") for rule in rules),
    )
    rows = tuple(
        Row(
            (
                scenario_label(cell.cell.spec.name),
                *(f"{cell.cell.grid[axis]:g}" for axis in axes),
                *(_percent(cell[id].significant) for id in ids),
                *(_percent(next((r.all_rejected for r in cell.rules if r.rule == rule), None)) for rule in rules),
            )
        )
        for cell in cells
    )
    out.append(Table("Power over the grid", columns, rows, "Shares of replicates significant"))
    return out


def heat_maps(protocol: Protocol, cells: Sequence[OperatingCharacteristics], ids: Sequence[str]) -> list[Block]:
    """A map of each primary's power over the first two axes of the grid that vary; one for each of the other values."""
    axes = [axis for axis in cells[0].cell.grid if len({cell.cell.grid[axis] for cell in cells}) > 1]
    if len(axes) < 2:
        return []
    x_axis, y_axis = axes[:2]
    out: list[Block] = []
    for id in ids:
        maps: dict[str, dict[tuple[float, float], float | None]] = {}
        for cell in cells:
            rest = [f"{name}={cell.cell.grid[name]:g}" for name in axes[2:]]
            share = cell[id].significant
            at = (cell.cell.grid[x_axis], cell.cell.grid[y_axis])
            maps.setdefault("; ".join([scenario_label(cell.cell.spec.name), *rest]), {})[at] = (
                share.value if share else None
            )
        for name, shares in maps.items():
            label = words.lowered(protocol.endpoint_label(cells[0][id].row.endpoint))
            title = f"Power: {label}, {words.lowered(name)}"
            drawing = draw_heat_map(shares, x_axis=x_axis, y_axis=y_axis, title=title)
            note = "Percent of replicates significant; framed from 80% on."
            out.append(Figure(f"{title}: {x_axis} by {y_axis}", drawing, note=note))
    return out


def _power_table(
    cell: OperatingCharacteristics, tests: Sequence[RowSummary], labels: Mapping[str, str], sizes: str
) -> Table:
    """How often each tested line succeeds."""
    word = "Type I error" if cell.is_null else "Power"
    return Table(
        f"{word} of every line of the plan",
        (
            Column("Analysis"),
            Column("Estimator"),
            Column(word, "decimal", "%"),
            Column("Monte Carlo", "left", "95%"),
            Column("If failed fits were none or all significant", "left", "%"),
            Column("Without p value", "right"),
        ),
        tuple(
            Row(
                (
                    labels[s.row.id],
                    s.row.estimator.replace("-", " "),
                    "not estimable" if s.never_fitted else _percent(s.significant),
                    _limits(s.significant),
                    "" if s.power_lower == s.power_upper else f"{_percent(s.power_lower)} to {_percent(s.power_upper)}",
                    f"{s.n_without_p:,}" if s.n_without_p else "",
                )
            )
            for s in tests
        ),
        f"{cell.n_replicates:,} replicates; {sizes}",
        (
            "A p value that is missing counts as not significant in the column of power. A line that was not estimable "
            "in any replicate has no power, and the decision as a whole is not given.",
            *((_OF_MARGINS,) if any(s.row.margin for s in tests) else ()),
        ),
    )


def _scenario(protocol: Protocol, cell: OperatingCharacteristics) -> list[Block]:
    sizes = ", ".join(f"{protocol.arm_label(arm)} {n}" for arm, n in cell.arm_sizes.items())
    gone = ", ".join(f"{protocol.arm_label(arm)} {_percent(share)}%" for arm, share in cell.dropout.items())
    labels = row_labels(protocol, [summary.row for summary in cell.rows])
    tests = [summary for summary in cell.rows if summary.significant is not None or summary.never_fitted]
    power = _power_table(cell, tests, labels, sizes)
    shown = [s for s in cell.rows if s.row.scale != "test" and s.row.is_tested]
    estimates = Table(
        "What the estimates will be",
        (
            Column("Analysis"),
            Column("Median", "decimal"),
            Column("Central 95%"),
            Column("SE, empirical", "decimal"),
            Column("SE, model", "decimal"),
            Column("Bias", "decimal"),
            Column("Coverage", "decimal", "%"),
            Column("Without estimate", "right"),
        ),
        tuple(
            Row(
                (
                    labels[s.row.id],
                    _short(s.median),
                    "" if s.spread is None else f"{_short(s.spread[0])} to {_short(s.spread[1])}",
                    _short(s.empirical_standard_error),
                    _short(s.model_standard_error),
                    _short(s.bias),
                    _percent(s.coverage),
                    f"{s.n_without_estimate:,}" if s.n_without_estimate else "",
                )
            )
            for s in shown
        ),
        "",
        (
            "Standard errors and bias of ratios are of their logarithm. Bias and coverage are given where the truth is "
            "known, that is where no outcome depends on the arm.",
        ),
    )
    warned = [
        f"{s.row.id}: " + ", ".join(f"{slug.replace('-', ' ')} {_percent(share)}%" for slug, share in s.codes.items())
        for s in cell.rows
        if s.codes and s.row.is_tested
    ]
    simpler = tuple(f"{s.row.id}: {simplified_words(s)}" for s in cell.rows if s.row.structures)
    blocks: list[Block] = [
        *([Paragraph(cell.cell.spec.words)] if cell.cell.spec.words else []),
        Paragraph(f"Expected dropout by the last visit: {gone}."),
        *([power] if tests or len(cell.arm_sizes) > 1 else []),
        *([_rules_table(cell)] if cell.rules or cell.in_every_set else []),
        *_hypotheses(protocol, cell),
        *([estimates] if shown or len(cell.arm_sizes) > 1 else []),
    ]
    if cell.not_drawn:
        said = tuple(f"{line}: {why}" for line, why in cell.not_drawn.items())
        blocks += [Paragraph("Lines that these assumptions cannot answer:"), Bullets(said)]
    if cell.assumed:
        blocks += [Paragraph("Taken as so, because the assumptions do not say it:"), Bullets(cell.assumed)]
    if simpler:
        blocks += [Paragraph("Trials in which a simpler covariance of the visits was fitted:"), Bullets(simpler)]
    if warned:
        blocks += [Paragraph("Shares of replicates in which a fit carries a warning:"), Bullets(tuple(warned))]
    return [*blocks, *_distributions(protocol, cell)]


def simplified_words(summary: RowSummary) -> str:
    """In how many trials a mixed model for repeated measures took a simpler covariance than planned, and which."""
    if not summary.simplified:
        return f"none of {summary.n_replicates:,}"
    n = sum(summary.simplified.values())
    by = joined([f"{name} {count:,}" for name, count in summary.simplified.items()])
    return f"{n:,} of {summary.n_replicates:,} ({by})"


def _rules_table(cell: OperatingCharacteristics) -> Table:
    """What each decision rule comes to over several hypotheses."""
    return Table(
        "The decision as a whole",
        (
            Column("Rule"),
            Column("All", "decimal", "%"),
            Column("Any", "decimal", "%"),
            Column("Expected number", "decimal"),
            Column("Familywise error", "decimal", "%"),
            Column("What it is", wide=True),
        ),
        tuple(
            Row(
                (
                    r.rule.replace("-", " "),
                    _percent(r.all_rejected),
                    _percent(r.any_rejected),
                    f"{r.expected_rejections:.2f}",
                    "no true one known" if r.familywise_error is None else _percent(r.familywise_error),
                    r.words,
                )
            )
            for r in (*cell.rules, *cell.in_every_set)
        ),
        "Share of trials in which all hypotheses, and any, are rejected",
        (
            "Rules are over the primary analyses; that of the plan is over its hypotheses. The familywise error is the "
            "share of trials that reject a hypothesis that is true in the scenario, as far as that is known.",
        ),
    )


def _hypotheses(protocol: Protocol, cell: OperatingCharacteristics) -> list[Block]:
    """Each hypothesis of the plan's procedure: by itself, and under the familywise level."""
    rule = next((rule for rule in cell.rules if rule.rule == PLANNED), None)
    if rule is None:
        return []
    by_line = {name: cell.rows[k] for name, k in hypothesis_rows(protocol, tuple(s.row for s in cell.rows)).items()}
    rows = tuple(
        Row(
            (
                _label(protocol, by_line[name]),
                _percent(by_line[name].significant),
                _percent(share),
                _limits(share),
                "true" if name in rule.true_nulls else "false, or not known",
            )
        )
        for name, share in zip(rule.primaries, rule.each_rejected, strict=True)
    )
    columns = (
        Column("Hypothesis of no effect"),
        Column("By itself", "decimal", "%"),
        Column("By the plan", "decimal", "%"),
        Column("Monte Carlo", "left", "95%"),
        Column("In this scenario"),
    )
    note = "By itself: at the whole familywise level, two-sided (twice a one-sided one), as if it stood alone."
    return [Table("Rejections by hypothesis", columns, rows, rule.words, (note,))]


def level_table(protocol: Protocol, world: OperatingCharacteristics, null: OperatingCharacteristics) -> list[Block]:
    """Every line of the plan: its power, and how often it rejects all the same where nothing depends on the arm."""
    beside = {summary.row.id: summary for summary in null.rows}
    labels = row_labels(protocol, [summary.row for summary in world.rows])
    rows, too_often = [], []
    for summary in world.rows:
        other = beside.get(summary.row.id)
        if other is None or summary.significant is None or other.significant is None:
            continue
        if summary.row.margin is not None:  # its type I error is at the margin, not where arms do not differ
            continue
        level = 100 * summary.row.alpha_two_sided
        if other.significant.lower > summary.row.alpha_two_sided:
            too_often.append(f"{labels[summary.row.id]} ({_limits(other.significant)}% where {level:g}% is claimed)")
        rows.append(
            Row(
                (
                    labels[summary.row.id],
                    _percent(summary.significant),
                    _limits(summary.significant),
                    _percent(other.significant),
                    _limits(other.significant),
                    f"{level:g}",
                )
            )
        )
    if not rows:
        return []
    columns = (
        Column("Analysis"),
        Column("Power", "decimal", "%"),
        Column("Monte Carlo", "left", "95%"),
        Column("Type I error", "decimal", "%"),
        Column("Monte Carlo", "left", "95%"),
        Column("Claimed", "decimal", "%"),
    )
    names = " and ".join(words.lowered(scenario_label(cell.cell.spec.name)) for cell in (world, null))
    subtitle = f"Scenarios: {names}; {null.n_replicates:,} replicates each"
    note = (
        "A test whose interval lies above what it claims does not hold its level under these assumptions: part of its "
        "power is false positives."
    )
    blocks: list[Block] = [Table("Power, and false positives beside it", columns, tuple(rows), subtitle, (note,))]
    if too_often:
        said = f"Without any effect more is rejected than claimed by {listed(too_often, conjunction='and')}."
        blocks.append(Callout(said, "The level is not held.", "warning"))
    return blocks


def _distributions(protocol: Protocol, cell: OperatingCharacteristics) -> list[Block]:
    """Figures of the estimates of the lines that have a published value, then of the other primaries."""
    if cell.folder is None:
        return []
    chosen = [s for s in cell.rows if s.published is not None and s.row.kind == "main"]
    chosen += [s for s in cell.rows if s.row.level == "primary" and s.row.kind == "main" and s not in chosen]
    out: list[Block] = []
    for s in chosen[:MOST_DISTRIBUTIONS]:
        values = row_values(cell.folder, s.row.id, "estimate", cell.n_replicates)
        if np.isfinite(values).sum() < 2 or s.row.scale == "test":
            continue
        scale = s.row.scale.replace("_", " ")
        title = f"{_label(protocol, s)}: {scale}, {s.row.arm} against {s.row.reference}"
        drawing = draw_estimates_distribution(
            values.tolist(),
            title=title,
            is_ratio=SCALES[s.row.scale].is_ratio,
            published=s.published,
            n_without=s.n_without_estimate,
        )
        out.append(Figure(title, drawing, f"{cell.n_replicates:,} simulated trials, {s.row.estimator}"))
    return out


def _short(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}"


def _left_out(cells: Sequence[OperatingCharacteristics]) -> list[Block]:
    if not cells[0].left_out:
        return []
    return [Paragraph(f"Lines of the plan by multiple imputation were not run: {', '.join(cells[0].left_out)}.")]


def _one_sided_rules(protocol: Protocol) -> list[Block]:
    lines = [id for id, line in protocol.model.analyses.items() if line.missed in BY_ARM]
    if not lines:
        return []
    words = "counts" if len(lines) == 1 else "count"
    return [
        Paragraph(
            f"{', '.join(lines)} {words} missed results for one arm and against the other: arms that do not differ "
            "then seem to, and what stands there as type I error says how far such a rule can push a result."
        )
    ]


def _drawn_words(cells: Sequence[OperatingCharacteristics]) -> str:
    if any(cell.cell.spec.settings.get("simple") for cell in cells):
        return "the value of each endpoint was drawn as the assumptions state it, without days or visits,"
    return "the trial was simulated day by day, its endpoints derived"


def _method(protocol: Protocol, cells: Sequence[OperatingCharacteristics]) -> list[Block]:
    facts = [(cell.cell.name, f"{cell.n_replicates:,} replicates; {cell.cell.spec.words}") for cell in cells[:20]]
    return [
        Paragraph(
            f"In every replicate {_drawn_words(cells)} and the analysis plan was carried out "
            "by the code that will analyse the real trial. Scenarios share their random numbers. No fit was left out: "
            "a fit without a p value counts as not significant, and the bounds say what it might have been."
        ),
        DefinitionList(tuple(facts)),
        *_left_out(cells),
        *_one_sided_rules(protocol),
        Paragraph(
            "The assumptions are a possible world and no estimate of the real one. Monte Carlo intervals speak of the "
            "number of replicates, not of the assumptions.",
            "note",
        ),
    ]
