"""The design report: what the trial can show and what it cannot, how fragile that is, and whether it would recur.

Every number comes from the values handed in; sections without values are left out.
"""

from __future__ import annotations

from equipoise.design.assurance import PRIORS
from equipoise.design.operating import OperatingCharacteristics
from equipoise.design.stopping_rules import TESTS
from equipoise.design.summary import deciding, rule_name
from equipoise.randomization.predictability import FUNCTIONAL_UNBLINDING
from equipoise.reporting import words
from equipoise.reporting.design_answer import design_answer
from equipoise.reporting.design_labels import scenario_label
from equipoise.reporting.design_material import DesignMaterial
from equipoise.reporting.document import (
    Block,
    Bullets,
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
from equipoise.reporting.figures.power_curve import PowerLine, draw_power_curve
from equipoise.reporting.format import percentage
from equipoise.reporting.power_report import BANNER, build_power_report, heat_maps, level_table, primaries_of

BOUNDARY_NAMES = {
    "lan-demets-obrien-fleming": "spending of O'Brien-Fleming type",
    "lan-demets-pocock": "spending of Pocock type",
}


def build_design_report(material: DesignMaterial) -> Document:
    """The report as a document."""
    first = material.worlds[0]
    whole = build_power_report(material.protocol, material.worlds[:1], material.version)
    # The power report's opening, its scenario and its method stand around what only this report has.
    cut = next(n for n, block in enumerate(whole.blocks) if isinstance(block, Heading) and block.text.startswith("How"))
    opening = [block for block in whole.blocks[:cut] if isinstance(block, Paragraph | KeyFigures)][:2]
    in_full = [block for block in whole.blocks[:cut] if block not in opening]
    blocks: list[Block] = [
        *design_answer(material),
        Heading("What the trial can show, and what it cannot"),
        *_worlds(material),
        *_levels(material),
        *_section("Over sizes and effects", _grid(material)),
        Heading("Robustness to the assumptions"),
        *_dropout(material),
        *_missing_rules(material),
        *_section("Probability that a replication succeeds", _replications(material)),
        *_section("Interim looks", _looks(material)),
        *_section("Stopping early without a planned rule", _stopped(material)),
        *_section("Predictability of the allocation", _randomization(material)),
        *_section("Where the assumptions come from", _assumptions(material)),
        *in_full,
        *whole.blocks[cut:],
    ]
    return Document(
        title="What the trial can show",
        subtitle=material.protocol.model.trial.title,
        kicker="Design report",
        blocks=tuple(blocks),
        banner=BANNER,
        provenance=whole.provenance,
        footer=f"{material.protocol.id}, seed {first.seed}, protocol {material.protocol.hash[:12]}",
    )


def _section(title: str, blocks: list[Block]) -> list[Block]:
    return [Heading(title), *blocks] if blocks else []


def _levels(material: DesignMaterial) -> list[Block]:
    null = next((world for world in material.worlds if world.is_null), None)
    return level_table(material.protocol, material.worlds[0], null) if null is not None else []


def _worlds(material: DesignMaterial) -> list[Block]:
    """Power of the primaries in every world, and what follows for a reader of the result."""
    first = material.worlds[0]
    ids = [summary.row.id for summary in primaries_of(first)]
    rows = []
    for world in material.worlds:
        rule = deciding(world.rules)
        rows.append(
            Row(
                (
                    "As assumed" if world is first else scenario_label(world.cell.spec.name, first.cell.spec.name),
                    *(percentage(share.value if (share := world[id].significant) else None) for id in ids),
                    percentage(rule.all_rejected.value if rule else None),
                    percentage(rule.any_rejected.value if rule else None),
                    percentage(_gone(world)),
                    world.cell.spec.words.removeprefix(first.cell.spec.words).strip() or world.cell.spec.words,
                )
            )
        )
    table = Table(
        "Power by scenario",
        (
            Column("Scenario"),
            *(Column(material.protocol.endpoint_label(first[id].row.endpoint), "decimal", "%") for id in ids),
            Column(f"all, {rule_name(deciding(first.rules))}", "decimal", "%"),
            Column(f"any, {rule_name(deciding(first.rules))}", "decimal", "%"),
            Column("lost to follow-up", "decimal", "%"),
            Column("What is assumed", wide=True),
        ),
        tuple(rows),
        f"{first.n_replicates:,} simulated trials per scenario, with common random numbers",
        ("A missing p value counts as not significant. Where there is no effect, these are type I errors.",),
    )
    said = []
    for summary in primaries_of(first):
        if summary.significant is None or summary.spread is None or summary.median is None:
            continue
        low, high = summary.spread
        said.append(
            f"{material.protocol.endpoint_label(summary.row.endpoint)}: {percentage(summary.significant.value, 0)}% "
            f"of such trials are significant. The estimates of single trials run from {low:.3g} to {high:.3g} (central "
            f"95%, median {summary.median:.3g}): that is how far one trial of this size can lie from what is true."
        )
    return [table, *([Bullets(tuple(said))] if said else [])]


def _gone(world: OperatingCharacteristics) -> float:
    total = sum(world.arm_sizes.values())
    return sum(world.dropout[arm] * n for arm, n in world.arm_sizes.items()) / total


def _grid(material: DesignMaterial) -> list[Block]:
    if not material.grid:
        return []
    ids = [summary.row.id for summary in primaries_of(material.grid[0])]
    out: list[Block] = []
    for id in ids:
        label = words.lowered(material.protocol.endpoint_label(material.grid[0][id].row.endpoint))
        lines: dict[str, list[tuple[float, float, float, float]]] = {}
        for cell in material.grid:
            share = cell[id].significant
            if share is not None:
                point = (cell.cell.grid["n"], share.value, share.lower, share.upper)
                lines.setdefault(f"effect {cell.cell.grid['effect']:g}", []).append(point)
        drawing = draw_power_curve([PowerLine(*line) for line in lines.items()], axis="n", title=f"Power: {label}")
        note = "Effect 1 is the scenario's, 0 is none. Vertical lines are Monte Carlo intervals."
        out.append(Figure(f"Power by size and effect: {label}", drawing, note=note))
    return [*out, *heat_maps(material.protocol, material.grid, ids)]


def _dropout(material: DesignMaterial) -> list[Block]:
    if not material.dropout:
        return []
    ids = [summary.row.id for summary in primaries_of(material.dropout[0])]
    lines = []
    for id in ids:
        points = [
            (cell.cell.grid["dropout"], share.value, share.lower, share.upper)
            for cell in material.dropout
            if (share := cell[id].significant) is not None
        ]
        lines.append(PowerLine(material.protocol.endpoint_label(material.dropout[0][id].row.endpoint), points))
    drawing = draw_power_curve(lines, axis="percentage lost to follow-up by the last visit", title="Power by dropout")
    return [
        Paragraph(
            "Dropout as the scenario has it, more often or more rarely. Where it counts as an event it moves the "
            "result itself; where it is left out it takes participants away."
        ),
        Figure("Power by dropout", drawing, note="Vertical lines are Monte Carlo intervals."),
    ]


def _missing_rules(material: DesignMaterial) -> list[Block]:
    """The primary endpoints under every missing-data rule that the plan has a line for."""
    first = material.worlds[0]
    model = material.protocol.model
    null = next((world for world in material.worlds if world.is_null), None)
    rows: list[Row] = []
    for primary in primaries_of(first):
        endpoint = primary.row.endpoint
        own = getattr(model.endpoints[endpoint], "missed", None)
        chosen = [(primary, f"{own or 'as defined'} (as planned)")]
        for summary in first.rows:
            line = model.analyses[summary.row.line]
            if line.missed is not None and summary.row.endpoint == endpoint and summary.row.kind == "main":
                chosen.append((summary, line.missed))
        if len(chosen) == 1:
            continue
        rows.append(Row((material.protocol.endpoint_label(endpoint),), "group"))
        for summary, rule in chosen:
            is_error = null is not None and summary.row.margin is None
            error = null[summary.row.id].significant if null is not None and is_error else None
            rows.append(
                Row(
                    (
                        rule.replace("-", " "),
                        percentage(summary.significant.value if summary.significant else None),
                        "" if summary.median is None else f"{summary.median:.3g}",
                        f"{summary.n_analysed:.1f}",
                        percentage(error.value if error else None),
                    ),
                    indent=1,
                )
            )
    if not rows:
        return []
    return [
        Table(
            "The same trials under other rules for what is missing",
            (
                Column("Missing counts as"),
                Column("Power", "decimal", "%"),
                Column("Median estimate", "decimal"),
                Column("Analysed", "decimal"),
                Column("Type I error", "decimal", "%"),
            ),
            tuple(rows),
            "",
            (
                "Worst and best case count what is missing for one arm and against the other: without an effect they "
                "make one, and their type I error says how large.",
            ),
        )
    ]


def _replications(material: DesignMaterial) -> list[Block]:
    table = material.replications
    if table is None or not table.rows:
        return []
    sizes = list(dict.fromkeys(row.n_total for row in table.rows))
    rows: list[Row] = []
    for id in dict.fromkeys(row.published for row in table.rows):
        mine = [row for row in table.rows if row.published == id]
        rows.append(Row((material.protocol.endpoint_label(mine[0].endpoint),), "group"))
        for prior in dict.fromkeys(row.prior for row in mine):
            here = {row.n_total: row for row in mine if row.prior == prior}
            effect = next(iter(here.values())).effect
            cells = tuple(percentage(here[n].probability, 0) for n in sizes)
            rows.append(Row((prior.replace("-", " "), "" if effect is None else f"{effect:.3g}", *cells), indent=1))
    beliefs = tuple((prior.replace("-", " "), PRIORS[prior]) for prior in dict.fromkeys(r.prior for r in table.rows))
    return [
        Paragraph(
            "The probability that one more trial, of the size given, is significant in the direction of the published "
            "effect. It depends on what is believed of the effect: a result that was noticed because it was large is "
            "likely to overstate it, and by how much one trial cannot tell. The answer is the range."
        ),
        Table(
            "Probability that a replication succeeds",
            (
                Column("Belief"),
                Column("Centre", "decimal"),
                *(Column(f"n={n}", "decimal", "%") for n in sizes),
            ),
            tuple(rows),
            f"Two-sided {table.alpha_two_sided:g}; the published trial had {table.n_published} participants",
        ),
        DefinitionList(beliefs),
    ]


def _looks(material: DesignMaterial) -> list[Block]:
    out: list[Block] = []
    for seen in material.looks:
        rows = [
            Row(
                (
                    str(with_effect.number),
                    f"{with_effect.critical_z:.3f}",
                    f"{with_effect.n_known:.1f}",
                    f"{with_effect.n_pipeline:.1f}",
                    f"{with_effect.day:.0f}",
                    percentage(with_effect.rejected),
                    percentage(without.rejected),
                )
            )
            for with_effect, without in zip(seen.effect.looks, seen.null.looks, strict=True)
        ]
        label = material.protocol.endpoint_label(seen.endpoint)
        notes = [
            f"Under {seen.scenario}, {seen.effect.expected_n:.1f} of {seen.effect.n_planned} participants and "
            f"{seen.effect.expected_days:.0f} of {seen.effect.planned_days:.0f} days are expected. The simulated level "
            f"is {percentage(seen.null.rejected)} % (Monte Carlo error {percentage(seen.null.rejected_error)})."
        ]
        if seen.size is not None:
            notes.append(
                f"For a z test without covariates the level at these bounds reaches {percentage(seen.size.largest)}%, "
                f"exactly, where {percentage(seen.size.nominal)}% is claimed: with so few participants normal theory "
                "is only approximate."
            )
        if seen.effect.reversed_share:
            notes.append(
                f"{percentage(seen.effect.reversed_share)}% of early claims no longer hold once the pipeline is in."
            )
        out.append(
            Table(
                f"{label}: {BOUNDARY_NAMES.get(seen.boundary, seen.boundary)}",
                (
                    Column("Look"),
                    Column("Critical z", "decimal"),
                    Column("Known", "decimal"),
                    Column("In the pipeline", "decimal"),
                    Column("Day", "decimal"),
                    Column("Rejects here", "decimal", "%"),
                    Column("Without any effect", "decimal", "%"),
                ),
                tuple(rows),
                f"{seen.effect.n_replicates:,} simulated trials",
                tuple(notes),
            )
        )
    if out:
        out.insert(
            0,
            Paragraph(
                "The protocol states no looks at the results before the end: this is what one would do."
                if material.protocol.model.looks is None
                else "These are the looks that the protocol states."
            ),
        )
        out.insert(
            1,
            Paragraph(
                "At each look the plan's own analysis is made of the data that would then be in. Participants enrolled "
                "without a result yet are in the pipeline."
            ),
        )
    return out


def _stopped(material: DesignMaterial) -> list[Block]:
    stopped = material.stopped
    if stopped is None:
        return []
    rows: list[Row] = []
    for test in dict.fromkeys(row.test for row in stopped.rows):
        rows.append(Row((TESTS[test],), "group"))
        for worst in (row for row in stopped.worst if row.test == test):
            mine = [row for row in stopped.rows if (row.test, row.rule) == (test, worst.rule)]
            cells = tuple(percentage(row.type_one_error) for row in mine)
            rows.append(Row((worst.words, *cells, percentage(worst.type_one_error)), indent=1))
    said = f"The protocol file says: {stopped.said}. " if stopped.said else ""
    return [
        Paragraph(
            f"{said}{stopped.n_planned} were planned and {stopped.n_stopped} randomized. The rules below are "
            "hypothetical: each is what such a stop could have been, with the type I error that it would have had."
        ),
        Table(
            "Type I error of rules by which the trial could have stopped",
            (
                Column("Rule", wide=True),
                *(Column(f"risk {name}", "decimal", "%") for name, _ in stopped.risks),
                Column("worst", "decimal", "%"),
            ),
            tuple(rows),
            "Exact, crude comparison of a yes-or-no result, participants in turn to the arms",
        ),
    ]


def _randomization(material: DesignMaterial) -> list[Block]:
    out: list[Block] = []
    for part in material.randomizations:
        rows = []
        for row in part.rows:
            e = row.expected
            numbers = (
                ("", "", "", "")
                if e is None
                else (
                    percentage(e.guess_rate),
                    percentage(e.certain_share),
                    f"{e.excess_guesses:.1f}",
                    "" if e.sd_difference is None else f"{e.sd_difference:.2f}",
                )
            )
            rows.append(Row((row.words, row.standing, *numbers, row.note)))
        out.append(
            Table(
                f"Schemes for {part.n} participants in {part.n_strata} {'stratum' if part.n_strata == 1 else 'strata'}",
                (
                    Column("Scheme"),
                    Column("Status"),
                    Column("Guessed", "decimal", "%"),
                    Column("Certain", "decimal", "%"),
                    Column("Beyond chance", "decimal"),
                    Column("SD of difference", "decimal"),
                    Column("Note", wide=True),
                ),
                tuple(rows),
                "Percentages of allocations that can be guessed correctly, and with certainty",
            )
        )
    if out:
        out.append(Paragraph(FUNCTIONAL_UNBLINDING, "note"))
    return out


def _assumptions(material: DesignMaterial) -> list[Block]:
    name = material.worlds[0].cell.spec.base
    entry = material.protocol.model.assumptions.get(name)
    if entry is None:
        return []
    facts: list[tuple[str, str]] = [("Set", name)]
    basis = material.protocol.assumption_set(name).basis
    if basis:
        facts.append(("Basis", basis))
    if entry.calibration is not None and entry.calibration.free:
        ranges = "; ".join(f"{id} {low:g} to {high:g}" for id, (low, high) in entry.calibration.free.items())
        facts.append(("Found within", ranges))
        if entry.calibration.not_aimed_at:
            facts.append(("Not aimed at", ", ".join(entry.calibration.not_aimed_at)))
    command = f"equipoise calibrate {material.protocol.id} --set {name}"
    facts.append(("How wide the choice is", f"{command} shows which other values would do as well"))
    return [DefinitionList(tuple(facts))]
