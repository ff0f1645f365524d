"""The first screen of a results report: question, verdict, results by arm, whether they hold, one caution at most."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from equipoise.analysis.estimate import Estimate
from equipoise.foundation.calendar import day_index, study_day
from equipoise.protocol.language.endpoints import Endpoint
from equipoise.protocol.vocabulary.scales import is_share, scale_label
from equipoise.reporting import format as fmt
from equipoise.reporting import words
from equipoise.reporting.agreement import Sensitivity, experimental, oriented, sensitivity_analyses, verdict
from equipoise.reporting.borrowing import effect_words, is_borrowed, probability_sentence
from equipoise.reporting.by_arm import arm_result, results_of, what_is_shown
from equipoise.reporting.context import Material
from equipoise.reporting.direction import as_planned
from equipoise.reporting.document import Answer, AnswerRow, Callout, StripRow
from equipoise.reporting.figures.strip import Limits, draw_axis, draw_dots, draw_row, strip_axis
from equipoise.reporting.findings import used_instead
from equipoise.reporting.margins import in_sets, margin_words, set_name, test_words
from equipoise.reporting.multiplicity import decision_sentence
from equipoise.reporting.palette import arm_token

_MOST_NAMED = 5  # analyses that differ, by name; the others are counted
_NOTABLE_MISSING = 0.20
_LARGE_STEP = 0.10  # of an arm's participants, on one day


def build_answer(material: Material) -> Answer | None:
    """The answer to the first primary analysis; ``None`` where the plan has no result to answer with."""
    primary = material.answers("primary") or material.answers("secondary")[:1]
    if not primary:
        return _description(material)
    first = primary[0]
    checks = sensitivity_analyses(material, first)
    strip, note = _strip(material, first, checks)
    return Answer(
        question=_question(material, first),
        endpoint_title="Primary endpoint" if len(primary) == 1 else "Primary endpoints",
        endpoint=_endpoint_words(material, primary),
        verdict=" ".join(part for part in (verdict(material, first, checks), decision_sentence(material)) if part),
        caption="Primary endpoint" if len(primary) == 1 else "Primary endpoints",
        subtitle=_subtitle(material),
        arms=_heads(material),
        rows=tuple(_rows(material, primary)),
        strip_subtitle=_strip_subtitle(material, first, checks),
        strip=strip,
        strip_note=note,
        caution=_caution(material, first),
    )


def _description(material: Material) -> Answer | None:
    """The answer of a trial without a comparison: each primary result of an arm with its interval."""
    model = material.protocol.model
    shown = [e for e in material.results.estimates if e.reference is None and not material.choices(e)]
    leading = [e for e in shown if e.level == "primary"] or shown[:4]
    if not leading:
        return None
    first = leading[0]
    label = material.endpoint_label(first.endpoint)
    opening = "In these simulated data: " if material.records.is_simulated else ""
    rows = []
    for estimate in leading:
        name = material.endpoint_label(estimate.endpoint)
        rows.append(
            AnswerRow(
                name if len(material.arms) == 1 else f"{name}, {material.arm_label(estimate.arm)}",
                (words.single_words(estimate),),
                strong=True,
            )
        )
        published = next((p for p in model.published.values() if p.endpoint == estimate.endpoint and p.printed), None)
        if published is not None and published.printed:
            rows.append(AnswerRow("published", (fmt.closed_up(published.printed),), indent=True))
    rows += _missing_rows(material)
    endpoints = list(dict.fromkeys(e.endpoint for e in leading))
    return Answer(
        question=_question(material, first),
        endpoint_title="Main endpoint" if len(endpoints) == 1 else "Main endpoints",
        endpoint=_sentences(material, endpoints),
        verdict=words.capitalized(f"{opening}{words.lowered(label)}, {words.single_words(first)}.")
        + _goal_sentence(material, first)
        + ("" if len(material.arms) > 1 else " Without a comparison group, this is a description and not an effect."),
        caption="Results",
        subtitle=_subtitle(material),
        arms=_heads(material),
        rows=tuple(rows),
        strip_subtitle="",
        strip=(),
        strip_note="",
        caution=None,
    )


def _goal_sentence(material: Material, estimate: Estimate) -> str:
    if is_borrowed(estimate):
        return f" {words.capitalized(probability_sentence(material, estimate))}."
    higher = material.protocol.model.endpoints[estimate.endpoint].better == "higher"
    said = words.goal_words(estimate, higher_is_better=higher)
    return f" {words.capitalized(said)}." if said else ""


def _question(material: Material, estimate: Estimate) -> str:
    """The estimand's question: in its own words, else made of its attributes."""
    estimand = material.protocol.model.estimands.get(estimate.estimand or "")
    if estimand is not None and estimand.words:
        return estimand.words
    arm, other = experimental(material, estimate)
    population = estimand.population if estimand is not None else "everybody randomized"
    mine, others = _named(material, arm), _named(material, other)
    versus = f"{mine} rather than {others}" if other else mine
    label = words.lowered(material.endpoint_label(estimate.endpoint))
    if other is None:
        return f"With {versus}, what is the result for: {label}?"
    text = f"In {words.lowered(population)}, does {versus} change {label}"
    if "margin" in estimate.details:
        told = as_planned(estimate)
        first, second = _named(material, told.arm), _named(material, told.reference)
        held = margin_words(told.details["margin"], told.scale)
        same = f"are {first} and {second} equivalent"
        asked = same if "equivalence" in held else f"is {first} non-inferior to {second}"
        text = f"In {words.lowered(population)}, {asked} for {label} ({held})"
    policies = set(estimand.intercurrent.values()) if estimand is not None else set()
    stopping = "treatment-policy" in policies and "treatment-discontinuation" in dict(estimand.intercurrent)  # type: ignore[union-attr]
    return f"{text}, whether or not treatment is continued?" if stopping else f"{text}?"


def _named(material: Material, arm: str | None) -> str:
    """An arm's name within a sentence."""
    return words.lowered(material.arm_label(arm))


def _endpoint_words(material: Material, primary: Sequence[Estimate]) -> str:
    return _sentences(material, list(dict.fromkeys(e.endpoint for e in primary)))


def _sentences(material: Material, endpoints: Sequence[str]) -> str:
    texts = []
    for endpoint in endpoints:
        text = material.protocol.model.endpoints[endpoint].words
        if len(endpoints) > 1:
            text = f"{material.endpoint_label(endpoint)}: {words.lowered(text)}"
        texts.append(words.capitalized(text.rstrip(".")) + ".")
    return " ".join(texts)


def _subtitle(material: Material) -> str:
    n = fmt.plural(material.n_randomized, "participant")
    word = "randomized " if material.protocol.model.randomization is not None else ""
    text = f"all {n.replace(' ', f' {word}', 1)}"
    return f"Simulated; {text}" if material.records.is_simulated else words.capitalized(text)


def _heads(material: Material) -> tuple[tuple[str, str, str], ...]:
    return tuple(
        (label, f"n={fmt.thousands(material.n_by_side[arm])}", arm_token(position))
        for position, (arm, label) in enumerate(material.sides.items())
    )


# ---------------------------------------------------------------------------------------------------------------------
# Results by arm


def _rows(material: Material, primary: Sequence[Estimate]) -> list[AnswerRow]:
    rows: list[AnswerRow] = []
    shown: set[str] = set()
    for estimate in primary:
        if estimate.endpoint not in shown:
            shown.add(estimate.endpoint)
            rows += _rows_of_endpoint(material, estimate)
        name = scale_label(estimate.scale).removesuffix(", points") + words.when_words(estimate)
        arm, other = experimental(material, estimate)
        if len(material.sides) > 2:
            name += f", {material.arm_label(arm)} v {material.arm_label(other)}"
        if len(primary) > 1 or len(material.sides) > 2:
            rows.append(AnswerRow(name, (_effect(material, estimate),), indent=True))
        else:
            rows.append(AnswerRow(words.capitalized(name), (_effect(material, estimate),)))
        rows += _other_sets(material, estimate, primary)
        absolute = _absolute(material, estimate)
        if absolute:
            rows.append(
                AnswerRow(
                    "absolute difference" if len(primary) > 1 else "Absolute difference",
                    (absolute,),
                    indent=len(primary) > 1,
                )
            )
    rows += _missing_rows(material)
    for estimate in primary:
        published = material.published_for(estimate)
        if published is not None:
            text = fmt.closed_up(published.printed or "") or (
                str(published.effect.value) if published.effect is not None else ""
            )
            if text:
                label = words.lowered(material.endpoint_label(estimate.endpoint))
                rows.append(AnswerRow(f"Published: {label}" if len(primary) > 1 else "Published", (text,)))
    return rows


def _other_sets(material: Material, estimate: Estimate, primary: Sequence[Estimate]) -> list[AnswerRow]:
    """The same effect in the other analysis sets that a margin is held against, beside those that are primary too."""
    if "margin" not in estimate.details:
        return []
    mine = material.line(estimate)
    lines = {material.line(e) for e in primary}
    found = [(name, e) for name, e in in_sets(material, estimate) if material.line(e) != mine]
    return [
        AnswerRow(f"in {set_name(material, name)}", (_effect(material, e),), indent=True)
        for name, e in found
        if material.line(e) not in lines
    ]


def _rows_of_endpoint(material: Material, estimate: Estimate) -> list[AnswerRow]:
    """Rows of an endpoint's results with a cell per arm: events n (%), mean (SD), or visits with the event."""
    endpoint = estimate.endpoint
    derived = material.results.endpoints.get(endpoint)
    label = material.endpoint_label(endpoint)
    if derived is None:
        return []
    if material.is_crossover:
        found = results_of(material, estimate)
        shown = what_is_shown(derived, within=True)
        beside = tuple(fmt.cell(found.get(side, "")) for side in material.sides)
        return [AnswerRow(label + shown, beside, strong=True)]
    arm_of = derived.participants.arm
    cells = [fmt.cell(arm_result(derived, arm_of == arm)) for arm in material.arms]
    rows = [AnswerRow(label + what_is_shown(derived), tuple(cells), strong=True)]
    medians = {
        str(e.arm): e
        for e in material.results.of_endpoint(endpoint)
        if e.scale == "median_time" and not material.choices(e) and not e.details.get("analysis_set")
    }
    if medians and set(medians) >= set(material.arms):
        texts = tuple(words.time_words(medians[arm]) for arm in material.arms)
        rows.append(AnswerRow("median days (95% CI)", texts, indent=True))
    return rows


def _effect(material: Material, estimate: Estimate) -> str:
    if "margin" in estimate.details:
        told = as_planned(estimate)
        limits = words.limits_words(told.ends, told.scale, told.ci_level, None)
        return f"{limits}; {test_words(told)}"
    if is_borrowed(estimate):
        return effect_words(estimate)
    arm, _ = experimental(material, estimate)
    return words.limits_words(oriented(estimate, arm), estimate.scale, estimate.ci_level, estimate.p_value)


def _absolute(material: Material, estimate: Estimate) -> str:
    """The difference of risks: the plan's own, else Miettinen and Nurminen's, said not to be planned."""
    if estimate.scale not in ("odds_ratio", "risk_ratio", "hazard_ratio"):
        return ""
    arm, other = experimental(material, estimate)
    for found in material.results.of_endpoint(estimate.endpoint):
        same = {found.arm, found.reference} == {arm, other} and not material.choices(found)
        planned = material.protocol.model.analyses.get(material.line(found))
        changed = planned is not None and (planned.missed is not None or planned.imputation is not None)
        if found.scale == "risk_difference" and same and not changed and not found.details.get("analysis_set"):
            return words.limits_words(oriented(found, arm), found.scale, found.ci_level, None)
    derived = material.results.endpoints.get(estimate.endpoint)
    if derived is None or derived.shape != "binary" or derived.value is None:
        return ""
    from equipoise.stats.risk import miettinen_nurminen_difference

    counts = []
    for one in (other, arm):
        values = derived.value[derived.participants.arm == one]
        values = values[~np.isnan(values)]
        counts += [values.sum(), float(values.size)]
    if not counts[1] or not counts[3]:
        return ""
    fit = miettinen_nurminen_difference(*counts)
    limits = tuple(float(np.atleast_1d(x)[0]) for x in (fit.estimate, fit.ci_lower, fit.ci_upper))
    if not np.isfinite(limits).all():
        return ""
    return words.limits_words(limits, "risk_difference", 0.95, None) + words.NOT_IN_THE_PLAN  # type: ignore[arg-type]


def _missing_rows(material: Material) -> list[AnswerRow]:
    shares = missing_visits(material)
    if not shares or material.is_crossover:  # visits are missed by a sequence, results stand by treatment
        return []
    cells = tuple(fmt.count(fmt.Count(*shares[arm])) if arm in shares else "not recorded" for arm in material.arms)
    return [AnswerRow("Missed visits", cells)]


def missing_visits(material: Material) -> dict[str, tuple[int, int]]:
    """Arm -> visits missed and visits due after randomization, of everybody in it."""
    visits = material.records["visits"]
    if not visits.height or "state" not in visits.columns:
        return {}
    out = {}
    for arm, members in material.members.items():
        mine = visits.filter(pl.col("participant_id").is_in(members))
        missed = mine.filter(pl.col("state") == "missed").height
        due = missed + mine.filter(pl.col("state") == "attended").height
        if due:
            out[arm] = (missed, due)
    return out


# ---------------------------------------------------------------------------------------------------------------------
# Does it hold?


def _strip_subtitle(material: Material, estimate: Estimate, checks: Sequence[Sensitivity]) -> str:
    if not checks:
        return ""
    bad = [check for check in checks if not check.agrees]
    m = len(checks)
    analyses = "sensitivity analysis" if m == 1 else "sensitivity analyses"
    if not bad:
        every = {1: "The", 2: "Both"}.get(m, f"All {m}")
        text = f"{every} {analyses} {'agrees' if m == 1 else 'agree'}"
    else:
        text = f"{m - len(bad)} of {m} {analyses} agree"
        changed = {check.changed for check in bad}
        if len(bad) > 1 and len(changed) == 1:
            text += f"; the {fmt.count_in_words(len(bad))} that do not all change {changed.pop()}"
    label = material.endpoint_label(estimate.endpoint)
    return f"{label}: {text[:1].lower()}{text[1:]}"


def _strip(material: Material, estimate: Estimate, checks: Sequence[Sensitivity]) -> tuple[tuple[StripRow, ...], str]:
    """Rows of the strip and its note; empty where there is nothing to hold the planned analysis against."""
    arm, _ = experimental(material, estimate)
    published = _published_limits(material, estimate, arm)
    scale = estimate.scale
    same = [check for check in checks if check.scale == scale]
    if scale == "test" or (not checks and published is None):
        return (), ""
    agreeing = [check for check in same if check.agrees and check.limits[0] is not None]
    differing = [check for check in same if not check.agrees]
    planned = oriented(estimate, arm)
    everything: list[Limits] = [planned, *(c.limits for c in differing), *([published] if published else [])]
    dots = [c.limits[0] for c in agreeing if c.limits[0] is not None]
    margin = estimate.details.get("margin")
    axis = strip_axis(
        [*everything, *((value, None, None) for value in dots)],
        is_ratio=not words.is_difference(scale),
        factor=100.0 if is_share(scale) else 1.0,
        margins=tuple(margin[k] for k in ("lower", "upper") if margin[k] is not None) if margin else (),
    )
    rows = [_strip_row("Planned analysis", axis, planned, scale, "planned")]
    if len(agreeing) == 1:
        rows.append(_strip_row(agreeing[0].name, axis, agreeing[0].limits, scale, "agrees"))
    elif agreeing:
        text = f"{fmt.on_scale(min(dots), scale)} to {fmt.on_scale(max(dots), scale)}"
        alt = f"{len(agreeing)} analyses that agree, estimates from {text}"
        rows.append(StripRow(f"{len(agreeing)} that agree", draw_dots(axis, dots, alt=alt), text, "agrees"))
    for check in differing[:_MOST_NAMED]:
        rows.append(_strip_row(check.name, axis, check.limits, scale, "differs"))
    if len(differing) > _MOST_NAMED:
        rows.append(StripRow(f"{len(differing) - _MOST_NAMED} more that differ", None, "see Sensitivity", "differs"))
    if published is not None:
        name = "Published, real trial" if material.records.is_simulated else "Published"
        rows.append(_strip_row(name, axis, published, scale, "published"))
    rows.append(StripRow("", draw_axis(axis), "", "axis"))
    return tuple(rows), _strip_note(material, estimate, checks, len(checks) - len(same))


def _strip_row(name: str, axis: object, limits: Limits, scale: str, kind: str) -> StripRow:
    text = fmt.interval(fmt.Interval(*limits, scale))
    alt = f"{name}: {text}"
    return StripRow(name, draw_row(axis, limits, kind=kind, alt=alt), text, kind)  # type: ignore[arg-type]


def _strip_note(material: Material, estimate: Estimate, checks: Sequence[Sensitivity], n_elsewhere: int) -> str:
    arm, other = experimental(material, estimate)
    scale = scale_label(estimate.scale) + words.when_words(estimate)
    right_is_arm = material.higher_favours_arm(estimate) == (estimate.arm == arm)
    right, left = (arm, other) if right_is_arm else (other, arm)
    parts = [
        f"{words.capitalized(scale)}, {_named(material, arm)} versus {_named(material, other)}; values to the left of "
        f"the line favour {_named(material, left)}, to the right {_named(material, right)}."
    ]
    margin = estimate.details.get("margin")
    if margin is not None:
        parts.append(f"Dashed: {margin_words(margin, estimate.scale)}.")
    if checks and margin is not None:
        parts.append("An analysis agrees if it says the same of the margin as the planned one.")
    elif checks:
        parts.append(
            f"An analysis agrees if its {words.ci_words([estimate])} excludes no difference in the direction of the "
            "planned analysis, or includes no difference as the planned one does."
        )
    if n_elsewhere:
        parts.append(
            f"{words.capitalized(fmt.count_in_words(n_elsewhere))} on another scale "
            f"{'is' if n_elsewhere == 1 else 'are'} counted and not drawn."
        )
    return " ".join(parts)


def _published_limits(material: Material, estimate: Estimate, arm: str | None) -> Limits | None:
    found = material.published_effect(estimate)
    if found is None:
        return None
    if estimate.reference != arm:
        return found
    turned = Estimate(
        id="published",
        endpoint=estimate.endpoint,
        estimand=None,
        estimator="",
        arm=estimate.arm,
        reference=estimate.reference,
        event=None,
        scale=estimate.scale,
        estimate=found[0],
        ci_lower=found[1],
        ci_upper=found[2],
    )
    return oriented(turned, arm)


# ---------------------------------------------------------------------------------------------------------------------
# One caution


def _caution(material: Material, estimate: Estimate) -> Callout | None:
    """The first that applies: another estimator stood in, hazards are not proportional, one arm misses far more."""
    if material.suffix(estimate):
        text = f"It gave no finite estimate. The result shown is by {used_instead(estimate)}, as planned for that case."
        return Callout(text, "The planned estimator was replaced.", "warning")
    p = estimate.details.get("proportional_hazards_p_value")
    if estimate.scale == "hazard_ratio" and isinstance(p, (int, float)) and p < 0.05:
        return Callout(
            f"The hazards are not proportional ({words.p_text(float(p))}): {_first_large_step(material, estimate)}"
            "the ratio changes during follow-up, as the curves show.",
            "Read the hazard ratio as an average.",
            "warning",
        )
    shares = {arm: missed / due for arm, (missed, due) in missing_visits(material).items()}
    if len(shares) > 1 and max(shares.values()) - min(shares.values()) > _NOTABLE_MISSING:
        most, least = max(shares, key=lambda a: shares[a]), min(shares, key=lambda a: shares[a])
        return Callout(
            f"With {_named(material, most)} {fmt.percent(shares[most])} of the visits due were missed, with "
            f"{_named(material, least)} {fmt.percent(shares[least])}. How missing results are counted matters here.",
            "More is missing in one arm.",
            "warning",
        )
    return None


def _when(endpoint: Endpoint, time: float) -> str:
    """The study day of a time of an endpoint, where its days are counted from one study day for everybody."""
    if endpoint.kind == "time-to-event" and time == int(time):
        return f"study day {study_day(day_index(endpoint.time_zero.first) + int(time))}"
    if endpoint.kind == "pattern" and endpoint.days is not None and time == int(time):
        return f"study day {study_day(day_index(endpoint.days.first) + int(time) - 1)}"  # the first day is its day 1
    return f"{time:g} days of follow-up"


def _first_large_step(material: Material, estimate: Estimate) -> str:
    """The share of each arm with the event by the first day on which a tenth of an arm has it; nothing without one.

    The shares are one minus the Kaplan-Meier estimate. Nothing is said where the planned analysis has other
    participants, or other results, than the curves that the report draws.
    """
    drawn = {c.arm: c for c in material.results.survival_curves if c.endpoint == estimate.endpoint}
    pair = [drawn[arm] for arm in (estimate.arm, estimate.reference) if arm is not None and arm in drawn]
    planned = material.protocol.model.analyses.get(material.line(estimate))
    is_other = planned is None or planned.missed is not None or planned.imputation is not None
    if len(pair) < 2 or is_other or sum(curve.n for curve in pair) != estimate.n_analysed:
        return ""
    large = [
        time
        for curve in pair
        for time, before, after in zip(curve.time, (1.0, *curve.survival), curve.survival)
        if before - after >= _LARGE_STEP - 1e-9
    ]
    if not large:
        return ""
    day = min(large)
    shares = []
    for curve in pair:
        left = 1.0
        for time, survival in zip(curve.time, curve.survival):
            left = survival if time <= day else left
        shares.append(f"{fmt.percent(1.0 - left)} with {_named(material, curve.arm)}")
    endpoint = material.protocol.model.endpoints[estimate.endpoint]
    event = words.lowered(endpoint.event_noun or material.endpoint_label(estimate.endpoint))
    return f"by {_when(endpoint, day)}, {event} had occurred in {shares[0]} and {shares[1]}; "
