"""Results in tables: endpoints with their effects, choices varied, published beside obtained; the forest plot."""

from __future__ import annotations

from collections.abc import Sequence

from equipoise.analysis.estimate import Estimate
from equipoise.protocol.language.analysis import Published
from equipoise.protocol.vocabulary.estimators import estimator_label
from equipoise.protocol.vocabulary.scales import is_ratio, is_share, scale_label
from equipoise.reporting import format as fmt
from equipoise.reporting import words
from equipoise.reporting.by_arm import is_interaction, results_of, what_is_shown
from equipoise.reporting.choices import choice_text, planned_choice
from equipoise.reporting.context import LEADING, Material
from equipoise.reporting.direction import TURNED, as_planned
from equipoise.reporting.document import (
    Block,
    Callout,
    Column,
    Figure,
    Row,
    Table,
)
from equipoise.reporting.figures.forest import ForestPanel, ForestRow, draw_forest
from equipoise.reporting.margins import margin_note, value_words
from equipoise.reporting.missing_rules import rule_sentence
from equipoise.reporting.multiplicity import adjusted_cell, adjustment_words

_LEVELS = ("primary", "secondary", "supportive", "sensitivity", "exploratory")


def notes_on_the_data(material: Material) -> list[Block]:
    """What of the data does not stand as its provenance says, or was filled in by a rule, each with its code."""
    notes = material.results.provenance.notes
    edited = [note for note in notes if note.code == "R071"]
    lines = [f"{note.found} ({note.code})" for note in notes if note.code != "R071"]
    if edited:
        files = fmt.joined([note.place for note in edited])
        were = "was" if len(edited) == 1 else "were"
        lines.insert(0, f"{files} {were} changed after the records were written (R071): the origin may no longer hold.")
    return [Callout(line, "Data", "warning") for line in lines]


def _share(estimate: Estimate) -> str:
    n, of = estimate.n_events, estimate.n_analysed
    if n is None or not of:
        return fmt.NOT_ESTIMABLE
    return f"{n} of {of} ({fmt.percent_of(n, of)})"


def results_table(material: Material) -> Table | None:
    """Primary and secondary endpoints: one row per planned analysis, results by arm and effect in each."""
    lines = material.answers(*LEADING, tests=True)
    if not lines:
        return _shares_table(material)
    arms = list(material.sides)
    two = len(arms) == 2 and all({e.arm, e.reference} == set(arms) for e in lines)
    heads = [material.sides[a] for a in arms] if two else ["Reference", "Compared"]
    has_published = any(material.published_effect(e) for e in lines)
    is_adjusted = any(e.rejected is not None for e in lines)
    notes: list[str] = []
    rows: list[Row] = []
    for level in LEADING:
        chosen = [e for e in lines if e.level == level]
        if chosen:
            rows.append(Row((words.LEVEL_WORDS[level],), "group"))
        for estimate in chosen:
            found = results_of(material, estimate)
            order = arms if two else [str(estimate.reference), str(estimate.arm)]
            last = _published_cell(material, estimate) if has_published else []
            derived = material.results.endpoints.get(estimate.endpoint)
            shown = "" if derived is None else what_is_shown(derived, within=material.is_crossover)
            label = line_label(material, estimate) + shown
            cells = (
                label,
                *(found.get(arm, NOT_PLANNED) for arm in order),
                _measure(material, estimate),
                *_effect_cells(estimate),
                *([adjusted_cell(estimate)] if is_adjusted else []),
                *last,
            )
            method = [words.capitalized(f"{estimate.method.rstrip('.')}.")] if estimate.method else []
            if measure_words(material, estimate).startswith("conditional"):
                method.append(
                    "Conditional: for one and the same participant, further from 1 than the ratio of the arms."
                )
            if material.suffix(estimate):
                method.insert(0, f"The planned estimator gave no finite estimate; {used_instead(estimate)} is shown.")
            rows.append(Row(cells, indent=1, marks=_marks(material, estimate, notes, method)))
    columns = [
        Column("Endpoint", wide=True),
        *(Column(head, "decimal") for head in heads),
        Column("Measure"),
        Column(f"Effect ({words.ci_words(lines)})", "decimal"),
        Column("p", "decimal"),
        *([Column("Adjusted p", "decimal")] if is_adjusted else []),
        *([Column("Published", "decimal")] if has_published else []),
    ]
    subtitle = (
        f"{material.everybody}, n={fmt.thousands(material.n_randomized)}; one row per endpoint, by the planned "
        f"estimator; results by {'treatment' if material.is_crossover else 'arm'} as observed"
    )
    return Table(
        "Primary and secondary endpoints",
        tuple(columns),
        tuple(rows),
        subtitle,
        (_general(material, lines), *_lettered(notes)),
    )


def supplementary_table(material: Material) -> Table | None:
    """Every other comparison, by endpoint: other measures, supportive and sensitivity analyses, stand-ins."""
    leading = {id(e) for e in material.answers(*LEADING, tests=True)}
    notes: list[str] = []
    rows: list[Row] = []
    told: list[Estimate] = []
    two = len(material.sides) == 2
    for endpoint in dict.fromkeys(e.endpoint for e in material.comparisons):
        chosen = [e for e in material.comparisons if e.endpoint == endpoint and id(e) not in leading]
        if not chosen:
            continue
        rows.append(Row((material.endpoint_label(endpoint),), "group"))
        told += chosen
        for estimate in chosen:
            label = _row_label(material, estimate, two)
            level = words.LEVEL_WORDS.get(estimate.level, estimate.level)
            marks = _marks(material, estimate, notes)
            rows.append(Row((label, level, *_effect_cells(estimate)), indent=1, marks=marks))
    if not rows:
        return None
    columns = (
        Column("Analysis", wide=True),
        Column("Level"),
        Column(f"Effect ({words.ci_words(told)})", "decimal"),
        Column("p", "decimal"),
    )
    subtitle = "By endpoint, then by what was changed from the planned analysis"
    return Table("All other analyses", columns, tuple(rows), subtitle, (_general(material, told), *_lettered(notes)))


NOT_PLANNED = "not planned"


def _general(material: Material, estimates: Sequence[Estimate]) -> str:
    """The first footnote of a table of effects: what its columns mean."""
    shares = (
        "Differences of proportions are in percentage points. " if any(is_share(e.scale) for e in estimates) else ""
    )
    return f"CI, confidence interval. {shares}{adjustment_words(material, estimates)}"


def used_instead(estimate: Estimate) -> str:
    """The method that stands in for the planned one, as a sentence names it."""
    names = {"firth": "Firth's penalized likelihood", "fisher-exact": "Fisher's exact method"}
    return names.get(estimate.estimator, estimator_label(estimate.estimator) or estimate.estimator)


def _lettered(notes: Sequence[str]) -> tuple[str, ...]:
    return tuple(f"{fmt.letter(k)}. {note}" for k, note in enumerate(notes))


def _published_cell(material: Material, estimate: Estimate) -> list[fmt.Cell]:
    published = material.published_effect(estimate)
    return [fmt.Interval(*published, estimate.scale) if published else "none"]


def line_label(material: Material, estimate: Estimate) -> str:
    """Name of a line of the plan: its own label, else the endpoint's with what sets the analysis apart."""
    planned = material.protocol.model.analyses.get(material.line(estimate))
    if planned is not None and planned.label:
        return planned.label
    qualifier = material.qualifier(estimate)
    label = material.endpoint_label(estimate.endpoint)
    return f"{label} ({qualifier})" if qualifier else label


def measure_words(material: Material, estimate: Estimate) -> str:
    """The scale; an odds ratio over repeated visits is conditional (of one participant) or marginal (of the arms)."""
    if estimate.scale == "test":
        return f"{estimator_label(estimate.estimator)} test"
    scale = scale_label(estimate.scale).removesuffix(", points")
    if estimate.scale != "odds_ratio" or estimate.estimator not in ("logistic-mixed", "gee"):
        return scale
    is_marginal = estimate.estimator == "gee" or material.suffix(estimate).startswith("marginal")
    return f"{'marginal' if is_marginal else 'conditional'} {scale}"


def full_measure(material: Material, estimate: Estimate) -> str:
    """The measure with the method that gives it: ``odds ratio (Firth)``."""
    method = estimator_label(estimate.estimator)
    return measure_words(material, estimate) + (f" ({method})" if method else "")


def common_measure(material: Material, estimates: Sequence[Estimate]) -> str:
    """The measure that heads a column of all these, with a capital; nothing where measure or method differ."""
    if len({full_measure(material, e) for e in estimates}) != 1:
        return ""
    return words.capitalized(measure_words(material, estimates[0]))


def _measure(material: Material, estimate: Estimate) -> str:
    """The scale, with the direction where it is not that of the heads of the table."""
    arms = list(material.sides)
    scale = measure_words(material, estimate)
    if len(arms) != 2 or (estimate.arm, estimate.reference) != (arms[1], arms[0]):
        return f"{scale}, {material.arm_label(estimate.arm)} v {material.arm_label(estimate.reference)}"
    return scale


def _shares_table(material: Material) -> Table | None:
    """Estimates of single arms, for a trial that compares none."""
    rows = []
    shown = [e for e in material.results.estimates if e.reference is None and not material.choices(e)]
    has_goal = any(e.details.get("goal") is not None for e in shown)
    for e in shown:
        scale = scale_label(e.scale)
        arm = f", {material.arm_label(e.arm)}" if len(material.arms) > 1 else ""
        label = f"{line_label(material, e)}{arm}: {scale}"
        n: fmt.Cell = _count_cell(e) if e.scale == "proportion" else f"n={e.n_analysed}"
        goal = e.details.get("goal")
        held = "none set" if goal is None else fmt.on_scale(goal, e.scale) + ("%" if is_share(e.scale) else "")
        tested = goal is not None and e.p_value is not None
        against: list[fmt.Cell] = [held, words.p_text(e.p_value) if tested else "not tested"]  # type: ignore[arg-type]
        rows.append(Row((label, n, fmt.Interval(*e.ends, e.scale), *(against if has_goal else []))))
    if not rows:
        return None
    columns = [
        Column("Outcome", wide=True),
        Column("Participants", "decimal"),
        Column(f"Estimate ({words.ci_words(shown)})", "decimal"),
    ]
    notes = ["Proportions and shares are in per cent."]
    if has_goal:
        columns += [Column("Goal", "decimal"), Column("Against the goal")]
        notes.append("p values are two-sided, by the test whose interval is given.")
    return Table("Results", tuple(columns), tuple(rows), footnotes=tuple(notes))


def _row_label(material: Material, estimate: Estimate, two: bool) -> str:
    """Name of a row under its endpoint: what was changed from the planned analysis, the measure and the method."""
    planned = material.protocol.model.analyses.get(material.line(estimate))
    method = estimator_label(estimate.estimator)
    scale = measure_words(material, estimate)
    what = f"{method} test" if estimate.scale == "test" else f"{scale} ({method})" if method else scale
    arms = list(material.sides)
    if not two or (estimate.arm, estimate.reference) != (arms[1], arms[0]):
        what += f", {material.arm_label(estimate.arm)} v {material.arm_label(estimate.reference)}"
    qualifier = planned.label if planned is not None and planned.label else material.qualifier(estimate)
    if what.startswith(qualifier.lower()):  # the measure says it already: a marginal odds ratio
        qualifier = ""
    return f"{words.capitalized(qualifier)}: {what}" if qualifier else words.capitalized(what)


def _count_cell(estimate: Estimate) -> fmt.Cell:
    if estimate.n_events is None or not estimate.n_analysed:
        return fmt.NOT_ESTIMABLE
    differs = estimate.n_randomized is not None and estimate.n_analysed != estimate.n_randomized
    return fmt.Count(estimate.n_events, estimate.n_analysed, show_denominator=differs)


def times_table(material: Material) -> Table | None:
    """Kaplan-Meier medians and probabilities by arm, where the plan asks for them."""
    found: dict[tuple[str, str], dict[str, Estimate]] = {}
    for estimate in material.results.estimates:
        if estimate.estimator == "kaplan-meier" and not material.choices(estimate) and estimate.arm in material.arms:
            found.setdefault((material.line(estimate), estimate.scale), {})[str(estimate.arm)] = estimate
    rows = []
    for (_, scale), by_arm in found.items():
        cells: list[fmt.Cell] = []
        for arm in material.arms:
            e = by_arm.get(arm)
            cells.append("" if e is None else _time_cell(e))
        first = next(iter(by_arm.values()))
        unit = ", days" if scale == "median_time" else ", %"
        rows.append(Row((f"{material.endpoint_label(first.endpoint)}: {scale_label(scale)}{unit}", *cells)))
    if not rows:
        return None
    columns = (Column("Outcome", wide=True), *(Column(label, "decimal") for label in material.arms.values()))
    note = 'Kaplan-Meier estimates, 95% log-log limits; a limit that lies beyond follow-up is "not reached".'
    shown = {scale for _, scale in found}
    what = {"median_time": "median", "survival_probability": "percentage without event"}
    title = f"Time to event: {fmt.joined([text for scale, text in what.items() if scale in shown])}"
    return Table(title, columns, tuple(rows), footnotes=(note,))


def _time_cell(estimate: Estimate) -> fmt.Cell:
    if estimate.scale == "median_time":
        return words.time_words(estimate)
    if estimate.estimate is None:
        return fmt.NOT_ESTIMABLE
    return fmt.interval(fmt.Interval(*estimate.ends, estimate.scale))


def _marks(material: Material, estimate: Estimate, notes: list[str], first: Sequence[str] = ()) -> str:
    """Letters of the footnotes that belong to a row; new notes are added to ``notes``."""
    from equipoise.stats.codes import sentence_of

    counts = estimate.details.get("warning_counts", {})
    mine = [
        *first,
        *(
            words.with_count(
                words.ENDPOINT_WARNINGS.get(w) or sentence_of(w) or words.capitalized(w.replace("-", " ")) + ".",
                counts.get(w),
            )
            for w in estimate.warnings
        ),
    ]
    subset = material.protocol.model.analysis_sets.get(str(estimate.details.get("analysis_set")))
    if subset is not None:
        mine.append(f"{words.capitalized(subset.words)}: {estimate.n_analysed} participants.")
    elif (
        estimate.n_analysed is not None
        and estimate.n_randomized is not None
        and estimate.n_analysed != estimate.n_randomized
    ):
        mine.append(f"{estimate.n_analysed} of {estimate.n_randomized} randomized entered the analysis.")
    mine += words.level_note(estimate)
    if "margin" in estimate.details:
        mine.append(margin_note(estimate))
    if estimate.details.get(TURNED):
        mine.append(f"{_planned_as(material, estimate)}; inverted here, so that all rows have one direction.")
    stage = material.later_stage(estimate)
    if stage is not None:
        mine.append(f"Of {estimate.n_randomized} randomized again, in {stage.replace('-', ' ')}.")
    planned = material.protocol.model.analyses.get(material.line(estimate))
    if planned is not None and planned.missed and not material.choices(estimate):
        about_use = material.protocol.model.endpoints[estimate.endpoint].is_about_use
        mine.append(rule_sentence(planned.missed, about_use=about_use))
    p = estimate.details.get("proportional_hazards_p_value")
    if isinstance(p, (int, float)):
        mine.append(f"Test of proportional hazards: {words.p_text(float(p))}.")
    letters = []
    for note in mine:
        if note not in notes:
            notes.append(note)
        letters.append(fmt.letter(notes.index(note)))
    return ", ".join(letters)


def _planned_as(material: Material, estimate: Estimate) -> str:
    """The comparison of a row that was turned round, as the plan has it."""
    first, second = (words.lowered(material.arm_label(arm)) for arm in (estimate.reference, estimate.arm))
    return f"Planned as {first} versus {second}"


def choice_tables(material: Material) -> list[Block]:
    """For each line of the plan whose choices were varied: what each choice does to the answer."""
    blocks: list[Block] = []
    for line, analysis in material.protocol.model.analyses.items():
        if analysis.vary is None:
            continue
        varied = [e for e in material.results.estimates if material.line(e) == line and material.choices(e)]
        main = material.main_estimate(line)
        if not varied or main is None:
            continue
        names = list(dict.fromkeys(name for e in varied for name in material.choices(e)))
        planned = [choice_text(material, line, name, planned_choice(material, line, name)) for name in names]
        measure = common_measure(material, [main, *varied])
        own = [] if measure else [full_measure(material, main)]
        rows = [Row((*planned, *own, *_effect_cells(main), "as planned"), "total")]
        for estimate in varied:
            texts = [choice_text(material, line, name, material.choices(estimate).get(name, "")) for name in names]
            if texts == list(rows[0].cells[: len(names)]):
                continue
            own = [] if measure else [full_measure(material, estimate)]
            rows.append(Row((*texts, *own, *_effect_cells(estimate), _shift(main, estimate))))
        columns = (
            *(Column(words.CHOICE_WORDS.get(name, name), wide=name == "endpoint") for name in names),
            *([] if measure else [Column("Measure")]),
            Column(f"{measure or 'Effect'} ({words.ci_words([main, *varied])})", "decimal"),
            Column("p", "decimal"),
            Column("Change"),
        )
        blocks.append(
            Table(
                f"What the choices do: {words.lowered(material.endpoint_label(main.endpoint))}",
                columns,
                tuple(rows),
                subtitle="Choices not stated in the sources, or commonly made otherwise",
                footnotes=("Change: of the estimate against the planned analysis, in per cent for ratios.",),
            )
        )
    return blocks


def _effect_cells(estimate: Estimate) -> tuple[fmt.Cell, fmt.Cell]:
    """Effect and p value; in words where there is none."""
    limits = fmt.Interval(*estimate.ends, estimate.scale)
    return (
        "test only" if estimate.scale == "test" else limits,
        words.p_cell(estimate),
    )


def _shift(main: Estimate, other: Estimate) -> str:
    if main.estimate is None or other.estimate is None:
        return ""
    if main.scale != other.scale:
        return "another measure"
    if words.is_difference(main.scale):
        change = other.estimate - main.estimate
        text = fmt.on_scale(abs(change), main.scale)
    elif main.estimate == 0:  # an arm without events
        return "none" if other.estimate == 0 else "not comparable"
    else:
        change = other.estimate / main.estimate - 1
        text = fmt.percent(abs(change))
    if text.startswith(("0\N{NO-BREAK SPACE}", "0.0", "0.00")) and not text.strip("0.%"):
        return "none"
    return f"{'+' if change > 0 else fmt.MINUS}{text}"


def published_table(material: Material) -> Table | None:
    """Each published result as its source prints it, and what these records give."""
    rows: list[Row] = []
    notes: list[str] = []
    for entry in material.protocol.model.published.values():
        obtained = material.main_estimate(entry.analysis) if entry.analysis else None
        parts = []
        shares = material.proportions(entry.endpoint)
        if entry.analysis and obtained is not None:
            shares = material.proportions_of_line(obtained)
        if shares:
            # the source's order: the experimental arm, or level of a factor, first
            order = [a for a in material.arms if a in shares] or list(shares)
            parts.append(" v ".join(_share(shares[a]) for a in reversed(order)))
        if obtained is not None and entry.effect is not None:
            parts.append(words.effect_words(as_planned(obtained)))
        elif obtained is not None and obtained.p_value is not None:
            parts.append(words.p_words(obtained))
        printed = _as_published(entry)
        mark = ""
        if entry.note:
            notes.append(entry.note)
            mark = fmt.letter(len(notes) - 1)
        label = _published_label(material, entry.endpoint, obtained)
        rows.append(Row((label, printed, "; ".join(parts) or fmt.NOT_ESTIMABLE), marks=mark))
    if not rows:
        return None
    return Table(
        "Published results, and the results of these data",
        (Column("Outcome"), Column("Published", wide=True), Column("Obtained", wide=True)),
        tuple(rows),
        footnotes=tuple(f"{fmt.letter(k)}. {note}" for k, note in enumerate(notes)),
    )


def _as_published(entry: Published) -> str:
    """A published result as printed; else its effect; else what the source says in words."""
    if entry.printed:
        return fmt.closed_up(entry.printed)
    if entry.effect is not None:
        return f"{entry.effect.summary.replace('-', ' ')} {entry.effect.value}"
    return entry.words or "no number printed"


def _published_label(material: Material, endpoint: str, obtained: Estimate | None) -> str:
    """The endpoint of a published result, with what sets the analysis that answers it apart."""
    label = material.endpoint_label(endpoint)
    qualifier = "" if obtained is None else material.qualifier(obtained)
    return f"{label} ({qualifier})" if qualifier else label


def remarks(material: Material) -> list[Block]:
    """What a reader of the results should know, as the protocol states it."""
    return [Callout(remark.words, remark.title) for remark in material.protocol.model.remarks]


_MOST_FOREST_ROWS = 16  # in one figure; with more a printed page shrinks the words of all


def forest_figures(material: Material) -> list[Figure]:
    """All effects on their axes; supportive and sensitivity analyses in a figure of their own where there are many."""
    shown = [
        estimate
        for estimate in material.comparisons
        if estimate.scale != "test"
        # The table of effects says what is not estimable; a row without a mark only makes the others smaller.
        and (estimate.ends[0] is not None or (material.is_main(estimate) and estimate.level in LEADING))
    ]
    aside = [estimate for estimate in shown if estimate.level in ("supportive", "sensitivity")]
    leading = [estimate for estimate in shown if estimate not in aside]
    if len(shown) <= _MOST_FOREST_ROWS or not leading or not aside:
        return [_forest_figure(material, shown, "Every effect")] if shown else []
    return [
        _forest_figure(material, leading, "Every effect"),
        _forest_figure(material, aside, "Every effect of supportive and sensitivity analyses"),
    ]


def _forest_figure(material: Material, estimates: Sequence[Estimate], title: str) -> Figure:
    """Effects on their axes, those that favour the same side in one panel."""
    panels: list[ForestPanel] = []
    rows: dict[tuple[str, bool, str, str], list[tuple[Estimate, ForestRow]]] = {}
    usual = tuple(material.sides)
    for estimate in estimates:
        family = (
            "ratio"
            if is_ratio(estimate.scale)
            else "share"
            if is_share(estimate.scale)
            else f"difference:{_unit(material, estimate)}"
        )
        margin = estimate.details.get("margin")
        margins = tuple(margin[k] for k in ("lower", "upper") if margin[k] is not None) if margin else ()
        if margins:  # a panel of its own, whose margin all its rows share
            family += "".join(f"|{value_words(value, estimate.scale)}" for value in margins)
        method = estimator_label(estimate.estimator)
        scale = scale_label(estimate.scale).removesuffix(", points")
        n = f"n={estimate.n_analysed}" if estimate.n_analysed != material.n_randomized else ""
        turned = f"{material.arm_label(estimate.arm)} first" if (estimate.reference, estimate.arm) != usual[:2] else ""
        detail = ", ".join(part for part in (scale, method, material.qualifier(estimate), n, turned) if part)
        row = ForestRow(
            _forest_label(material, estimate),
            estimate.scale,
            estimate.ends,
            material.published_effect(estimate),
            detail,
            margins,
        )
        # the panel is known by whom its right end favours; a comparison turned round joins its mirror image
        is_high = material.higher_favours_arm(estimate)
        right, left = (estimate.arm, estimate.reference) if is_high else (estimate.reference, estimate.arm)
        first = material.protocol.arm_ids
        forwards = str(right) not in first or str(left) not in first or first.index(str(right)) > first.index(str(left))
        rows.setdefault((family, forwards, str(left), str(right)), []).append((estimate, row))
    level = words.ci_words(estimates).removesuffix("CI")
    lines = f"{level}confidence intervals" + ("" if level else " at the level of each analysis")
    for (family, _, left, right), pairs in sorted(rows.items(), key=lambda item: (_order(item[0][0]), not item[0][1])):
        panels.append(_panel(material, family, left, right, pairs))
    return Figure(
        title + (", obtained and published" if any(r.published for p in panels for r in p.rows) else ""),
        draw_forest(panels, obtained_word="simulated" if material.records.is_simulated else "obtained"),
        f"{'Treatments' if material.is_crossover else 'Arms'} of {fmt.thousands(material.n_randomized)} randomized "
        f"participants; lines are {lines}",
        "Marks are of one size, as rows are not independent; an arrow marks an interval that extends beyond the axis.",
    )


def _order(family: str) -> int:
    return {"ratio": 0, "share": 1}.get(family.partition("|")[0], 2)


def _unit(material: Material, estimate: Estimate) -> str:
    if estimate.scale == "rmst_difference":
        return "days"
    return getattr(material.protocol.model.endpoints[estimate.endpoint], "unit", None) or "points"


def _forest_label(material: Material, estimate: Estimate) -> str:
    planned = material.protocol.model.analyses.get(material.line(estimate))
    return planned.label if planned is not None and planned.label else material.endpoint_label(estimate.endpoint)


def _panel(
    material: Material, family: str, left: str, right: str, pairs: Sequence[tuple[Estimate, ForestRow]]
) -> ForestPanel:
    """A panel whose left and right ends favour these arms."""
    family, _, held = family.partition("|")
    rows = [row for _, row in pairs]
    low, high = material.arm_label(left), material.arm_label(right)
    # say it of the arm under trial: the one that stands later in the protocol, or first in the comparison
    order: Sequence[str | None] = material.protocol.arm_ids
    if left not in order or right not in order:  # levels of a factor, treatments of a crossover
        order = (pairs[0][0].reference, pairs[0][0].arm)
    is_right = order.index(right) > order.index(left)
    favoured, above = (high, True) if is_right else (low, False)
    if is_interaction(material, pairs[0][0]):  # it favours no arm: the effect is better beside one level of the other
        scale = "Ratios of effects" if family == "ratio" else "Differences of effects"
        side = f"{'above' if above else 'below'} {1 if family == 'ratio' else 0}"
        title = f"{scale}: {side}, {words.lowered(favoured)} more favourable"
        worse, better = (f"{words.lowered(name)} more favourable" for name in (low, high))
        return ForestPanel(title, rows, worse, better, family == "ratio")
    if family == "ratio":
        title = f"Ratios {'above' if above else 'below'} 1 favour {favoured}"
    elif family == "share":
        title = f"Differences in percentage points: {'above' if above else 'below'} 0 favours {favoured}"
    else:
        title = f"Differences in {family.split(':', 1)[1]}: {'above' if above else 'below'} 0 favours {favoured}"
    if held:
        values = held.split("|")
        title += f"; dashed: {'margin' if len(values) == 1 else 'margins'} {' and '.join(values)}"
    return ForestPanel(title, rows, f"favours {low}", f"favours {high}", family == "ratio")
