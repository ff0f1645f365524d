"""The section "Beside what is known": a trial's estimates in the forest of published ones that ask the same."""

from __future__ import annotations

import math
from collections.abc import Sequence

from equipoise.analysis.estimate import Estimate
from equipoise.evidence.beside import Beside, QuestionAsked, chance_of_exclusion, published_beside, substance_names
from equipoise.evidence.known import Evidence, read_known
from equipoise.protocol.vocabulary.scales import is_ratio, is_share, scale_label
from equipoise.reporting import format as fmt
from equipoise.reporting.context import Material
from equipoise.reporting.document import Block, Column, Figure, Paragraph, Row, Table
from equipoise.reporting.figures.published_forest import PublishedPanel, PublishedRow, draw_published_forest
from equipoise.reporting.findings import line_label, measure_words

# Kinds of endpoints -> the outcome that the evidence names them by.
_OUTCOMES = {
    "abstinence": "abstinence",
    "report": "abstinence",
    "time-to-event": "relapse",
    "repeated-use": "use over time",
    "abstinent-days": "days abstinent",
}
_NAMED = ("craving", "abstinence", "relapse")


def beside_known(material: Material) -> list[Block | None]:
    """Forests of the main estimates beside published ones, and the chance that such a trial repeats its finding.

    The trial's own published results (those of its protocol) are the published ones like any other; the reader is told
    which rows are of the same trial. Simulated trials get no chance: their estimate is no evidence of anything.
    """
    known = read_known()
    lines = dict.fromkeys(material.line(e) for e in material.comparisons if e.level in ("primary", "secondary"))
    answers = [material.main_estimate(line) for line in lines]
    estimates = [e for e in answers if e is not None and e.scale != "test"]
    panels, sources, without = [], [], []
    for estimate in estimates:
        found = published_beside(known, asked(material, estimate))
        label = material.endpoint_label(estimate.endpoint)
        if not found:
            without.append(label)
            continue
        panels.append(_panel(material, estimate, found))
        sources += [b.result.source for b in found]
    blocks: list[Block | None] = []
    if panels:
        cited = [known.sources[tag] for tag in dict.fromkeys(sources)]
        note = "Published results as their sources print them, in this trial's direction. Sources: "
        note += " ".join(f"{source.source}, {source.cite.rstrip('.')}." for source in cited)
        note += _same_trial(material, known)
        blocks.append(
            Figure(
                "Estimates of this trial and published ones of the same condition, comparison and outcome",
                draw_published_forest(panels),
                f"Circles, this trial{' (simulated)' if material.records.is_simulated else ''}; squares, published",
                note,
            )
        )
    elif estimates:
        blocks.append(Paragraph("No published result of the same condition, comparison and outcome is held."))
    if panels and without:
        names = fmt.joined(list(dict.fromkeys(name[:1].lower() + name[1:] for name in without)))
        blocks.append(Paragraph(f"No published result is held for {names}.", "note"))
    if not material.records.is_simulated:
        blocks.append(_chances(material, estimates))
    return blocks


def asked(material: Material, estimate: Estimate) -> QuestionAsked:
    """What an estimate is about, in the words that published results are found by."""
    model = material.protocol.model
    endpoint = model.endpoints.get(estimate.endpoint)
    words = " ".join(
        part for part in (getattr(endpoint, "label", "") or "", getattr(endpoint, "words", "") or "") if part
    )
    outcome = _OUTCOMES.get(getattr(endpoint, "kind", ""), "")
    if not outcome:
        outcome = next((name for name in _NAMED if name in words.casefold()), "")
    substances: set[str] = set()
    for use in model.use.values():
        listed = use.substances
        substances |= {s for names in listed.values() for s in names} if isinstance(listed, dict) else set(listed)
    return QuestionAsked(
        substance_names(substances),
        _drugs(material, estimate.arm),
        _drugs(material, estimate.reference),
        outcome,
        words,
        estimate.scale,
    )


def _drugs(material: Material, arm: str | None) -> frozenset[str]:
    """Drugs that an arm is given; nothing for the level of a factor."""
    model = material.protocol.model
    found = model.arms.get(arm or "")
    gives = getattr(found, "gives", ()) if found is not None else ()
    drugs = set()
    for id in gives:
        drug = getattr(model.interventions.get(id), "drug", None)
        if drug:
            drugs.add(str(getattr(drug, "usable", drug)).casefold())
    return frozenset(drugs)


def _panel(material: Material, estimate: Estimate, found: Sequence[Beside]) -> PublishedPanel:
    arm, reference = material.arm_label(estimate.arm), material.arm_label(estimate.reference)
    scale = estimate.scale
    factor = 100.0 if is_share(scale) else 1.0
    own = "This trial (simulated)" if material.records.is_simulated else "This trial"
    middle, low, high = (
        None if v is None else factor * v for v in (estimate.estimate, estimate.ci_lower, estimate.ci_upper)
    )
    numbers = fmt.interval(fmt.Interval(estimate.estimate, estimate.ci_lower, estimate.ci_upper, scale))
    rows = [PublishedRow(own, middle, low, high, numbers, kind="obtained", weight=0.5)]
    for one in found:
        detail = ", ".join(p for p in (one.result.text("time"), "turned round" if one.is_turned else "") if p)
        rows.append(
            PublishedRow(
                one.result.study,
                factor * one.estimate,
                factor * one.lower,
                factor * one.upper,
                _numbers(one, scale),
                f"{detail}; {one.result.source}" + ("; crude, from counts" if one.origin == "counts" else ""),
            )
        )
    higher = material.higher_favours_arm(estimate)
    left, right = (reference, arm) if higher else (arm, reference)
    title = f"{material.endpoint_label(estimate.endpoint)}: {scale_label(scale)}, {arm} v {reference}"
    return PublishedPanel(title, rows, f"favours {left}", f"favours {right}", is_ratio(scale))


def _numbers(one: Beside, scale: str) -> str:
    """As printed where the source prints it in this direction; else by the house's formatter."""
    texts = [one.result.number(c) for c in ("estimate", "lower", "upper")]
    if one.origin == "printed" and not one.is_turned and one.result.measure == scale and None not in texts:
        estimate, lower, upper = (t.text for t in texts if t is not None)
        return f"{estimate} ({lower} to {upper})"
    return fmt.interval(fmt.Interval(one.estimate, one.lower, one.upper, scale))


def _same_trial(material: Material, known: Evidence) -> str:
    """A sentence where a published study is the trial of the protocol itself, by its registration."""
    registration = str(material.protocol.model.trial.registration.value or "")
    same = [s.study for s in known.studies.values() if registration and s.registration == registration]
    return f" {same[0]} is the trial of this protocol." if same else ""


def _chances(material: Material, estimates: Sequence[Estimate]) -> Table | None:
    rows = []
    for e in estimates:
        limits = _on_analysis_scale(e)
        if limits is None:
            continue
        effect, error = limits
        both, towards = chance_of_exclusion(effect, error, level=e.ci_level or 0.95)
        interval = fmt.Interval(e.estimate, e.ci_lower, e.ci_upper, e.scale)
        label = f"{line_label(material, e)}: {measure_words(material, e)}"
        rows.append(Row((label, interval, fmt.percent(both), fmt.percent(towards))))
    if not rows:
        return None
    columns = (
        Column("Outcome", wide=True),
        Column("Effect (95% CI)", "decimal"),
        Column("Excludes no difference", "right"),
        Column("In this direction", "right"),
    )
    return Table(
        "Chance that another trial of the same size would exclude no difference",
        columns,
        tuple(rows),
        "Given this estimate and its error, and nothing else",
        (
            "The true effect is taken as normal about this estimate with its standard error, the next trial's estimate "
            "as normal about the true effect with the same error, on the scale of analysis (logarithm for ratios).",
            "The chance is too high where an outcome is looked at because its interval excludes no difference.",
        ),
    )


def _on_analysis_scale(e: Estimate) -> tuple[float, float] | None:
    """Effect and standard error on the scale of analysis, from the interval where no error is given."""
    if e.estimate is None or not math.isfinite(e.estimate):
        return None
    log = is_ratio(e.scale)
    if log and e.estimate <= 0:
        return None
    effect = math.log(e.estimate) if log else e.estimate
    error = e.standard_error
    if error is None and e.ci_lower is not None and e.ci_upper is not None and (not log or e.ci_lower > 0):
        low, high = (math.log(v) if log else v for v in (e.ci_lower, e.ci_upper))
        error = (high - low) / (2 * 1.959963984540054)
    return None if error is None or not error > 0 or not math.isfinite(error) else (effect, error)
