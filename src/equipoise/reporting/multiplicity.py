"""What became of the hypotheses under the familywise level: sentences, a table, and the graph."""

from __future__ import annotations

from collections.abc import Sequence

from equipoise.analysis.estimate import Estimate
from equipoise.analysis.multiplicity import HypothesisTested, MultiplicityResult, answer_of
from equipoise.protocol.language.multiplicity import Multiplicity
from equipoise.protocol.vocabulary.scales import scale_label
from equipoise.reporting import format as fmt
from equipoise.reporting import words
from equipoise.reporting.context import Material
from equipoise.reporting.direction import TURNED
from equipoise.reporting.document import Block, Column, Figure, Row, Table
from equipoise.reporting.figures.hypotheses import HypothesisBox, draw_hypotheses, share_text

_NAMES = {
    "graph": "a graph of weights and transitions",
    "bonferroni": "Bonferroni's procedure",
    "holm": "Holm's procedure",
    "fixed-sequence": "a fixed sequence",
    "fallback": "the fallback procedure",
    "gatekeeping": "gatekeeping",
    "hochberg": "Hochberg's procedure",
    "hommel": "Hommel's procedure",
}
# What to cite for each procedure; those written out as graphs cite the graphs as well.
_CITES = {
    "graph": (),
    "bonferroni": (),
    "holm": ("holm-1979",),
    "fixed-sequence": ("westfall-krishen-2001",),
    "fallback": ("wiens-dmitrienko-2005",),
    "gatekeeping": ("dmitrienko-2008",),
    "hochberg": ("hochberg-1988",),
    "hommel": ("hommel-1988",),
}


def cited_for(plan: Multiplicity | None) -> set[str]:
    """Keys of what to cite for the procedure."""
    if plan is None:
        return set()
    return {*_CITES[plan.method], *(("bretz-2009",) if plan.graphs else ())}


def procedure_words(plan: Multiplicity) -> str:
    """``parallel gatekeeping`` and the like, within a sentence."""
    return f"{plan.gate} gatekeeping" if plan.method == "gatekeeping" else _NAMES[plan.method]


def level_words(plan: Multiplicity) -> str:
    """``a familywise level of 5% (two-sided)``."""
    return f"a familywise level of {100 * plan.alpha:.6g}% ({'one' if plan.is_one_sided else 'two'}-sided)"


def adjustment_words(material: Material, estimates: Sequence[Estimate] | None = None) -> str:
    """Whether p values were adjusted, as a sentence of the methods; of ``estimates``, by default all comparisons."""
    plan = material.protocol.model.multiplicity
    held = ["margin" in e.details for e in (material.comparisons if estimates is None else estimates)]
    sides = "two-sided, against a margin one-sided," if any(held) else "two-sided"
    if held and all(held):
        sides = "one-sided, against the margin,"
    if plan is None:
        return f"p values are {sides} and not adjusted for multiplicity."
    return (
        f"{words.capitalized(fmt.count_in_words(len(plan.names)))} hypotheses were tested by {procedure_words(plan)} "
        f"at {level_words(plan)}; p values printed beside effects are {sides} and unadjusted, and each interval is "
        "by itself."
    )


def decision_sentence(material: Material) -> str:
    """Which hypotheses are rejected under the familywise level; nothing where the protocol shares none."""
    found = material.results.multiplicity
    plan = material.protocol.model.multiplicity
    if found is None or plan is None:
        return ""
    rejected = [_label(material, h.name) for h in found.hypotheses if h.rejected]
    others = [_label(material, h.name) for h in found.hypotheses if not h.rejected]
    what = "hypotheses" if _has_margin(material) else "hypotheses of no difference"
    head = f"Of {fmt.count_in_words(len(found.hypotheses))} {what} under {level_words(plan)}"
    if not rejected or not others:
        return f"{head}, {'none is' if not rejected else 'both are' if len(rejected) == 2 else 'all are'} rejected."
    return f"{head}, rejected: {inline(rejected)}. Not rejected: {inline(others)}."


def _has_margin(material: Material) -> bool:
    """Whether one of the hypotheses is that an effect lies beyond a margin."""
    model = material.protocol.model
    names = model.multiplicity.names if model.multiplicity is not None else ()
    return any(model.estimands[model.analyses[name].estimand].margin is not None for name in names)


def inline(labels: list[str]) -> str:
    """Labels in a row within a sentence."""
    return fmt.joined([words.lowered(label) for label in labels])


def adjusted_cell(estimate: Estimate) -> fmt.Cell:
    """The adjusted p value of a row, or that it is none of the hypotheses."""
    if estimate.rejected is None:
        return "no hypothesis"
    return "none" if estimate.p_adjusted is None else fmt.PValue(estimate.p_adjusted)


def multiplicity_blocks(material: Material) -> list[Block]:
    """The graph and the table of decisions; nothing where the protocol shares no level."""
    found, plan = material.results.multiplicity, material.protocol.model.multiplicity
    if found is None or plan is None:
        return []
    figure = _figure(material, found, plan) if found.graphs else None
    return [*([figure] if figure is not None else []), _table(material, found, plan)]


def _label(material: Material, name: str) -> str:
    line = material.protocol.model.analyses[name]
    plan = material.protocol.model.multiplicity
    own = plan.names if plan is not None else ()
    if line.label:
        return line.label
    label = material.endpoint_label(_endpoint(material, name))
    if [_endpoint(material, other) for other in own].count(_endpoint(material, name)) == 1:
        return label
    treatments = material.protocol.model.estimands[line.estimand].treatments
    sides = [words.lowered(material.arm_label(arm)) for arm in treatments.names]
    pairs = {material.protocol.model.estimands[material.protocol.model.analyses[n].estimand].treatments for n in own}
    answer = answer_of(material.results.estimates, name)
    what = " v ".join(sides) if len(pairs) > 1 or answer is None else scale_label(answer.scale).removesuffix(", points")
    return f"{label}: {what}"


def _endpoint(material: Material, name: str) -> str:
    model = material.protocol.model
    return model.estimands[model.analyses[name].estimand].endpoint


def _figure(material: Material, found: MultiplicityResult, plan: Multiplicity) -> Figure:
    tested = {h.name: h for h in found.hypotheses}
    boxes, arrows = [], {}
    for graph in found.graphs:
        for k, name in enumerate(graph.names):
            h = tested[name]
            under = f"rejected in step {h.step}" if h.rejected else "not rejected"
            boxes.append(HypothesisBox(name, _label(material, name), graph.weights[k], under, h.rejected))
            for j, other in enumerate(graph.names):
                arrows[name, other] = graph.transitions[k][j]
    rows = list(plan.families) if plan.method == "gatekeeping" else [plan.names]
    drawing = draw_hypotheses(boxes, arrows, rows, _alt(material, found))
    return Figure(
        "Multiple testing: weights before the analysis, and what was rejected",
        drawing,
        f"{words.capitalized(procedure_words(plan))}; {level_words(plan)}",
        "Weight: the share of the familywise level that a hypothesis begins with. An arrow carries the part of its "
        "level that a rejected hypothesis passes on. Thick frames: rejected.",
    )


def _alt(material: Material, found: MultiplicityResult) -> str:
    weights = {name: w for graph in found.graphs for name, w in zip(graph.names, graph.weights, strict=True)}
    parts = [
        f"{_label(material, h.name)}, weight {share_text(weights[h.name])}, "
        + (f"rejected in step {h.step}" if h.rejected else "not rejected")
        for h in found.hypotheses
    ]
    return f"Hypotheses under one level. {'; '.join(parts)}."


def _table(material: Material, found: MultiplicityResult, plan: Multiplicity) -> Table:
    has_limits = any(h.simultaneous for h in found.hypotheses)
    notes = [
        f"{words.capitalized(procedure_words(plan))}. Adjusted p: the smallest familywise level at which the "
        "hypothesis would be rejected."
        + (" Level: when its turn came; of one not rejected, in the end." if found.graphs else "")
    ]
    if plan.is_one_sided:
        notes.append("p: one-sided, in the direction that is better.")
    elif _has_margin(material):
        notes.append(
            "Against a margin p is one-sided, and stands here twice: half of the share of the level is its own."
        )
    if has_limits:
        notes.append(
            "Simultaneous limits: by Bonferroni at the weights before the analysis. They hold together whatever is "
            "rejected, and may include no difference for a hypothesis that is."
        )
    lacking: dict[str, list[str]] = {}
    for h in found.hypotheses:
        if h.simultaneous is None and h.why_no_limits:
            lacking.setdefault(h.why_no_limits, []).append(_label(material, h.name))
    if lacking:
        said = "; ".join(f"{inline(names)}: {why}" for why, names in lacking.items())
        every = len(lacking) == 1 and not has_limits
        notes.append(f"No simultaneous limits: {next(iter(lacking)) if every else said}.")
    columns = (
        Column("Hypothesis" if _has_margin(material) else "Hypothesis of no difference", wide=True),
        Column("p", "decimal"),
        *([Column("Level", "decimal")] if found.graphs else []),
        Column("Adjusted p", "decimal"),
        Column("Decision"),
        *([Column("Simultaneous limits", "decimal")] if has_limits else []),
    )
    rows = []
    for h in found.hypotheses:
        cells: list[fmt.Cell] = [
            _label(material, h.name),
            "none" if h.p_value is None else fmt.PValue(h.p_value),
            *(["none" if not h.level else share_text(h.level)] if found.graphs else []),
            "none" if h.p_adjusted is None else fmt.PValue(h.p_adjusted),
            _decision(h, bool(found.graphs)),
        ]
        rows.append(Row((*cells, *([_simultaneous(material, h)] if has_limits else []))))
    return Table(
        "Multiple testing: decisions",
        columns,
        tuple(rows),
        words.capitalized(level_words(plan).removeprefix("a ")),
        tuple(notes),
    )


def _decision(h: HypothesisTested, has_steps: bool) -> str:
    if h.p_value is None:
        return "not rejected: no p value"
    if not h.rejected:
        return "not rejected"
    return f"rejected, step {h.step}" if has_steps else "rejected"


def _simultaneous(material: Material, h: HypothesisTested) -> fmt.Cell:
    """The limits in the direction in which the report tells the effect."""
    row = next((e for e in material.results.estimates if e.id == h.estimate), None)
    if h.simultaneous is None or row is None:
        return "none"
    low, high = h.simultaneous
    if row.details.get(TURNED):
        if words.is_difference(row.scale):
            low, high = (None if x is None else -x for x in (high, low))
        else:
            low, high = (None if x is None else (1 / x if x else float("inf")) for x in (high, low))
    inside = fmt.interval(fmt.Interval(row.ends[0], low, high, row.scale))
    level = f"{100 * (h.simultaneous_level or 0):.4g}%"
    return f"{inside.partition('(')[2].rstrip(')') or inside} ({level})"
