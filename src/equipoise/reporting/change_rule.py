"""Change the rule: what the first primary analysis gives under other choices, each computed when the report is made.

Offered are choices that the plan varies, and those in which its other analyses of the same endpoint differ: what a
missing result counts as, the definition of the endpoint, the estimator, ties, the unit of time, covariates, a floor,
the analysis set. Every combination is fitted by the code that fits the plan; one that cannot be fitted is not offered.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from equipoise.analysis.analyse import estimate_planned
from equipoise.analysis.estimate import Estimate
from equipoise.analysis.multiplicity import FALLBACKS
from equipoise.analysis.plan import Plan, PlannedFit, with_effect_at
from equipoise.analysis.survival import draw_curves
from equipoise.endpoints.endpoint_values import Derived
from equipoise.foundation.errors import EquipoiseError
from equipoise.protocol.language.analysis import Analysis
from equipoise.protocol.vocabulary.estimators import ESTIMATORS, estimator_label
from equipoise.protocol.vocabulary.scales import scale_label
from equipoise.reporting import format as fmt
from equipoise.reporting import words
from equipoise.reporting.agreement import experimental, oriented
from equipoise.reporting.by_arm import Mask, arm_result
from equipoise.reporting.choices import choice_text, planned_choice
from equipoise.reporting.context import Material
from equipoise.reporting.direction import turned_round
from equipoise.reporting.document import ChangeRule, RuleAxis, RuleCurve, RuleResult
from equipoise.reporting.findings import used_instead
from equipoise.reporting.margins import test_words
from equipoise.reporting.missing_rules import rule_name
from equipoise.reporting.palette import arm_token

MOST = 600  # combinations; beyond them no more than two choices are changed at once
# Choices of the planned estimator alone.
_VARIED = ("ties", "time-unit", "covariates", "floor")


@dataclass(frozen=True, slots=True)
class _Method:
    """A line of the plan as a way to answer: its own estimand and estimator."""

    line: str
    analysis: Analysis
    name: str


@dataclass(frozen=True, slots=True)
class _Axis:
    """One thing to choose: its key, and values as (what it is, how it is called), the planned one first."""

    key: str
    title: str
    values: tuple[tuple[Any, str], ...]


def change_rule(material: Material) -> ChangeRule | None:
    """The choices of the first primary analysis with every result; ``None`` where there is nothing to choose."""
    planned = next(iter(material.answers("primary")), None)
    lattice = material.results.lattice
    if planned is None or lattice is None or material.later_stage(planned) or len(material.arms) < 2:
        return None
    axes = _axes(material, planned)
    if not axes:
        return None
    plan = Plan(material.protocol, lattice)
    arm, other = experimental(material, planned)
    results: dict[str, RuleResult] = {}
    curves: dict[str, tuple[RuleCurve, ...]] = {}
    seen: dict[tuple[Any, ...], tuple[list[str], str]] = {}  # by rule: results by arm, and the key of its curves
    for picked in _combinations(axes):
        key = ".".join(map(str, picked))
        chosen = {axis.key: axis.values[k][0] for axis, k in zip(axes, picked)}
        found = _fit(material, plan, planned, chosen)
        if found is None:
            continue
        estimate, fit = found
        rule = (fit.estimand.endpoint, fit.analysis.missed, fit.analysis.analysis_set, fit.floor)
        if rule not in seen:
            by_arm, drawn = _seen(material, plan, fit, planned)
            seen[rule] = by_arm, str(len(curves)) if drawn else ""
            if drawn:
                curves[str(len(curves))] = drawn
        by_arm, curve = seen[rule]
        limits = oriented(estimate, arm)
        scale = words.capitalized(scale_label(estimate.scale).removesuffix(", points"))
        if material.suffix(estimate):
            scale += f", by {used_instead(estimate)}"
        p = None if "margin" in estimate.details else estimate.p_value
        text = words.limits_words(limits, estimate.scale, estimate.ci_level, p)
        if "margin" in estimate.details:
            text += f"; {test_words(turned_round(estimate) if estimate.reference == arm else estimate)}"
        results[key] = RuleResult(scale, text, tuple(by_arm), curve)
    start = ".".join("0" for _ in axes)
    if start not in results or len(results) < 2:
        return None
    names = (words.lowered(material.arm_label(arm)), words.lowered(material.arm_label(other)))
    return ChangeRule(
        title=f"Change the rule: {words.lowered(material.endpoint_label(planned.endpoint))}",
        lead=f"{words.capitalized(names[0])} versus {names[1]}. Choose, and read what the same records give.",
        axes=tuple(RuleAxis(axis.title, tuple(name for _, name in axis.values)) for axis in axes),
        results=results,
        curves=curves,
        arms=tuple((label, arm_token(k)) for k, label in enumerate(_compared(material, planned).values())),
        end=max((t for pair in curves.values() for curve in pair for t in curve.time), default=0.0),
    )


def _compared(material: Material, planned: Estimate) -> dict[str, str]:
    """The two arms compared, in the protocol's order, with their names."""
    return {arm: label for arm, label in material.arms.items() if arm in (planned.arm, planned.reference)}


def _axes(material: Material, planned: Estimate) -> list[_Axis]:
    model = material.protocol.model
    line = material.line(planned)
    analysis = model.analyses[line]
    estimand = model.estimands[analysis.estimand]
    if estimand.factor is not None or estimand.interaction is not None or material.protocol.is_within(estimand):
        return []
    endpoint = model.endpoints[estimand.endpoint]
    alike = {
        name: other
        for name, other in model.analyses.items()
        if model.estimands[other.estimand].endpoint == estimand.endpoint
        and model.estimands[other.estimand].treatments == estimand.treatments
        and model.estimands[other.estimand].stage == estimand.stage
        and other.imputation is None
        and ESTIMATORS[other.estimator].role == "effect"
    }
    vary = analysis.vary
    axes = []
    rules = [r for r in (*(vary.missed if vary else ()), *(a.missed for a in alike.values())) if r]
    own = analysis.missed or getattr(endpoint, "missed", None)
    rules = [rule for rule in dict.fromkeys(rules) if rule not in (own, analysis.missed)]
    if rules:
        first = rule_name(own, about_use=endpoint.is_about_use) if isinstance(own, str) else "as the endpoint says"
        named = [
            (analysis.missed, words.capitalized(first)),
            *((r, words.capitalized(rule_name(r, about_use=endpoint.is_about_use))) for r in rules),
        ]
        axes.append(_Axis("missed", "A missing result", tuple(named)))
    others = [e for e in dict.fromkeys(vary.endpoint if vary else ()) if e != estimand.endpoint]
    if others:
        ids = [estimand.endpoint, *others]
        axes.append(_Axis("endpoint", "Definition", tuple((id, material.endpoint_label(id)) for id in ids)))
    methods = {(analysis.estimator, analysis.method): _Method(line, analysis, "")}
    for name, other in alike.items():
        if not other.missed and not other.analysis_set:
            methods.setdefault((other.estimator, other.method), _Method(name, other, ""))
    if len(methods) > 1:
        named_methods = tuple((m, _method_name(material, m)) for m in methods.values())
        axes.append(_Axis("method", "Estimator", named_methods))
    for name in _VARIED:
        values = getattr(vary, name.replace("-", "_")) if vary else ()
        texts = {_text(value): value for value in values}
        mine = planned_choice(material, line, name)
        if len({mine, *texts}) > 1:
            ordered = [mine, *(text for text in texts if text != mine)]
            title = words.CHOICE_WORDS[name]
            shown = tuple(
                (None if text == mine else texts[text], words.capitalized(choice_text(material, line, name, text)))
                for text in ordered
            )
            axes.append(_Axis(name, title, shown))
    sets = [s for s in dict.fromkeys(a.analysis_set for a in alike.values()) if s and s != analysis.analysis_set]
    if sets:
        everybody = words.capitalized((analysis.analysis_set or material.everybody).replace("-", " "))
        named_sets = [(analysis.analysis_set, everybody)]
        named_sets += [(s, words.capitalized(s.replace("-", " "))) for s in sets]
        axes.append(_Axis("analysis_set", "Participants", tuple(named_sets)))
    return axes


def _text(value: object) -> str:
    if isinstance(value, tuple):
        return "+".join(map(str, value)) or "none"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _method_name(material: Material, method: _Method) -> str:
    estimand = material.protocol.model.estimands[method.analysis.estimand]
    scale = scale_label(estimand.summary.replace("-", "_")).removesuffix(", points")
    label = estimator_label(method.analysis.estimator)
    variant = "-".join(part.capitalize() for part in (method.analysis.method or "").split("-"))
    if not label:
        return words.capitalized(f"{scale}, {variant}" if variant else scale)
    return f"{words.capitalized(label)}{f', {variant}' if variant else ''} ({scale})"


def _combinations(axes: Sequence[_Axis]) -> Iterator[tuple[int, ...]]:
    """Places on the axes, the plan's own first; with too many of them those that change two choices at most."""
    sizes = [len(axis.values) for axis in axes]
    few = int(np.prod(sizes)) <= MOST
    for picked in product(*map(range, sizes)):
        if few or sum(k > 0 for k in picked) <= 2:
            yield picked


def _fit(
    material: Material, plan: Plan, planned: Estimate, chosen: dict[str, Any]
) -> tuple[Estimate, PlannedFit] | None:
    """The estimate under some choices and what was fitted; ``None`` where they do not go together."""
    model = material.protocol.model
    line = material.line(planned)
    method = chosen.get("method") or _Method(line, model.analyses[line], "")
    is_own = method.line == line
    varied = {key: value for key, value in chosen.items() if key in _VARIED and value is not None}
    if varied and not is_own:
        return None  # a choice of the planned estimator alone
    update: dict[str, Any] = {"vary": None, **{k.replace("-", "_"): v for k, v in varied.items() if k != "floor"}}
    for key in ("missed", "analysis_set"):
        if key in chosen:
            update[key] = chosen[key]
    analysis = with_effect_at(material.protocol, method.analysis.model_copy(update=update))
    estimand = model.estimands[method.analysis.estimand]
    if chosen.get("endpoint"):
        estimand = estimand.model_copy(update={"endpoint": chosen["endpoint"]})
    floor = varied.get("floor")
    fit = PlannedFit(method.line, method.line, analysis, method.analysis.estimand, estimand, floor=floor)
    try:
        found = estimate_planned(material.protocol, plan, fit)
    except EquipoiseError:
        return None
    wanted = [e for e in found if e.reference and e.id.removeprefix(method.line).lstrip(".") in ("", *FALLBACKS)]
    estimate = next((e for e in wanted if e.estimate is not None), wanted[0] if wanted else None)
    if estimate is None or {estimate.arm, estimate.reference} != {planned.arm, planned.reference}:
        return None
    return estimate, fit


def _seen(
    material: Material, plan: Plan, fit: PlannedFit, planned: Estimate
) -> tuple[list[str], tuple[RuleCurve, ...]]:
    """Results by arm under some rule as texts, and the curves of a time to event."""
    derived = plan.derived_for(fit)
    rows: Mask = np.zeros(derived.n, dtype=np.bool_)
    rows[plan.compared(fit).rows] = True
    arms = list(_compared(material, planned))
    by_arm = [fmt.cell(arm_result(derived, rows & (derived.participants.arm == arm))) for arm in arms]
    return by_arm, _curves(derived, arms, rows)


def _curves(derived: Derived, arms: Sequence[str], among: Mask) -> tuple[RuleCurve, ...]:
    if derived.shape != "time-to-event" or derived.time is None:
        return ()
    return tuple(
        RuleCurve(curve.time, curve.survival, curve.ci_lower, curve.ci_upper)
        for curve in draw_curves(derived, arms, among)
    )
