"""The protocol's procedure of multiple testing: with which p value each hypothesis enters, and what is rejected."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise.analysis.estimate import Estimate
from equipoise.protocol import Protocol
from equipoise.protocol.language.multiplicity import HypothesisGraph, Multiplicity
from equipoise.protocol.vocabulary.endpoint_kinds import TIME_TO_EVENT
from equipoise.protocol.vocabulary.estimators import ESTIMATORS
from equipoise.protocol.vocabulary.scales import SCALES, larger_is_better
from equipoise.stats.multiplicity import (
    GraphTests,
    adjust_hochberg,
    adjust_hommel,
    graph_without,
    is_rejected,
    run_graph,
    run_in_series,
)

Floats = NDArray[np.float64]
# Estimators that stand in, under the same question, where the planned one has no finite answer.
FALLBACKS = ("firth", "fisher-exact")


@dataclass(frozen=True, kw_only=True)
class HypothesisTested:
    """What became of one hypothesis. Shares and levels are those of the moment at which its turn came.

    ``p_value`` is what entered: two-sided, or one-sided in the direction that is better where the level is. ``step`` is
    0 for what is not rejected, and for procedures without steps. ``simultaneous`` are limits at ``simultaneous_level``
    (two-sided) that hold for all hypotheses together, by Bonferroni at the weights of the protocol; absent where there
    are none, ``why_no_limits`` says why.
    """

    name: str
    estimate: str | None  # id of the row that answered
    p_value: float | None
    p_adjusted: float | None
    rejected: bool
    weight: float | None
    level: float | None
    step: int
    simultaneous: tuple[float | None, float | None] | None = None
    simultaneous_level: float | None = None
    why_no_limits: str = ""


@dataclass(frozen=True, kw_only=True)
class MultiplicityResult:
    """The whole procedure: hypotheses in the protocol's order, and what is left of the graphs in the end."""

    method: str
    alpha: float
    is_one_sided: bool
    hypotheses: tuple[HypothesisTested, ...]
    graphs: tuple[HypothesisGraph, ...]
    graphs_left: tuple[HypothesisGraph, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain values for ``results.json``."""
        return {
            "method": self.method,
            "alpha": self.alpha,
            "sides": 1 if self.is_one_sided else 2,
            "hypotheses": [
                {
                    "hypothesis": h.name,
                    "estimate": h.estimate,
                    "p_value": h.p_value,
                    "p_adjusted": h.p_adjusted,
                    "rejected": h.rejected,
                    "step": h.step or None,
                    "weight": h.weight,
                    "level": h.level,
                    "simultaneous_ci_lower": h.simultaneous[0] if h.simultaneous else None,
                    "simultaneous_ci_upper": h.simultaneous[1] if h.simultaneous else None,
                    "simultaneous_ci_level": h.simultaneous_level,
                    "no_simultaneous_limits": h.why_no_limits or None,
                }
                for h in self.hypotheses
            ],
            "graphs": [_plain(graph) for graph in self.graphs],
            "graphs_left": [_plain(graph) for graph in self.graphs_left],
        }


def _plain(graph: HypothesisGraph) -> dict[str, Any]:
    return {
        "hypotheses": list(graph.names),
        "weights": list(graph.weights),
        "transitions": [list(row) for row in graph.transitions],
    }


def adjust(plan: Multiplicity, p_values: Floats) -> Floats:
    """(n_trials, m) adjusted p values of the protocol's procedure; ``p_values`` alike, in its order, NaN if absent."""
    if plan.method == "hochberg":
        return adjust_hochberg(p_values)
    if plan.method == "hommel":
        return adjust_hommel(p_values)
    return run_in_series([_arrays(graph) for graph in plan.graphs], p_values)


def _arrays(graph: HypothesisGraph) -> tuple[Floats, Floats]:
    return np.array(graph.weights), np.array(graph.transitions)


def one_sided(
    p_value: Floats, estimate: Floats, ci_lower: Floats, ci_upper: Floats, null: float, larger_is_better: bool
) -> Floats:
    """One-sided p values in the better direction from two-sided ones and the side of no effect the estimate lies on.

    An estimate beyond any number has one limit: it lies on the other side of that. One at no effect is on neither.
    """
    above = np.where(
        np.isfinite(estimate), estimate > null, np.isfinite(ci_lower) & ~np.isfinite(ci_upper) & (ci_lower != -np.inf)
    )
    good = above if larger_is_better else ~above
    half = p_value / 2.0
    at_null = np.isfinite(estimate) & (estimate == null)
    unknown = ~np.isfinite(estimate) & ~np.isfinite(ci_lower) & ~np.isfinite(ci_upper)
    out = np.where(at_null, np.maximum(half, 0.5), np.where(good, half, 1.0 - half))
    return np.asarray(np.where(unknown, np.nan, out))


def entering(
    protocol: Protocol, line: str, scale: str, values: Mapping[str, Floats], null: float | None = None
) -> Floats:
    """(n_trials,) the p values with which an analysis enters; ``values`` are its results (``p_value``, ``estimate`` and
    limits), ``null`` what its effect is held against, by default no effect.
    """
    plan = protocol.model.multiplicity
    assert plan is not None
    if protocol.model.estimands[protocol.model.analyses[line].estimand].margin is not None:
        # Against a margin p is one-sided, and stands here twice, as rules with two-sided levels take it.
        return values["p_value"] / 2.0 if plan.is_one_sided else values["p_value"]
    if not plan.is_one_sided:
        return values["p_value"]
    endpoint = protocol.model.endpoints[protocol.model.estimands[protocol.model.analyses[line].estimand].endpoint]
    larger = larger_is_better(scale, endpoint.better, is_time_to_event=endpoint.shape == TIME_TO_EVENT)
    held = SCALES[scale].no_effect if null is None else null
    limits = (values["estimate"], values["ci_lower"], values["ci_upper"])
    return one_sided(values["p_value"], *limits, held, larger)


def answer_of(estimates: Iterable[Estimate], line: str) -> Estimate | None:
    """The row with which a line of the plan is answered: the planned one, or what stands in for it."""
    found = [e for e in estimates if e.details.get("line", e.id) == line and _answers(e, line)]
    return next((e for e in found if e.estimate is not None), found[0] if found else None)


def _answers(estimate: Estimate, line: str) -> bool:
    """Whether a row of a line answers it: no choice varied, a comparison or an arm held against a goal."""
    if estimate.details.get("choices"):
        return False
    if estimate.details.get("goal") is not None:
        return True
    suffix = estimate.id.removeprefix(line).lstrip(".")
    return (
        estimate.reference is not None and suffix in ("", *FALLBACKS) and ESTIMATORS[estimate.estimator].role != "arms"
    )


Limits = Callable[[str, float], tuple[float | None, float | None]]
"""Limits of an analysis at another level: its name and the level in, lower and upper out."""


def decide(
    protocol: Protocol, estimates: Sequence[Estimate], limits: Limits
) -> tuple[tuple[Estimate, ...], MultiplicityResult | None]:
    """The estimates with their adjusted p values and decisions, and the procedure; as they are where there is none."""
    plan = protocol.model.multiplicity
    if plan is None:
        return tuple(estimates), None
    answers = {name: answer_of(estimates, name) for name in plan.names}
    p = np.array([[_entered(protocol, name, answer) for name, answer in answers.items()]])
    adjusted = adjust(plan, p)[0]
    rejected = is_rejected(adjusted, plan.alpha)
    taken = _taken_out(plan, p, rejected)
    tested = []
    for k, (name, answer) in enumerate(answers.items()):
        step, weight = taken.get(name, (0, None))
        found = HypothesisTested(
            name=name,
            estimate=None if answer is None else answer.id,
            p_value=_number(p[0, k]),
            p_adjusted=_number(adjusted[k]),
            rejected=bool(rejected[k]),
            weight=weight,
            level=None if weight is None else weight * plan.alpha,
            step=step,
        )
        tested.append(_with_limits(plan, found, answer, k, limits))
    result = MultiplicityResult(
        method=plan.method,
        alpha=plan.alpha,
        is_one_sided=plan.is_one_sided,
        hypotheses=tuple(tested),
        graphs=plan.graphs,
        graphs_left=_left(plan, rejected),
    )
    by_row = {h.estimate: h for h in tested if h.estimate is not None}
    return tuple(
        replace(e, p_adjusted=by_row[e.id].p_adjusted, rejected=by_row[e.id].rejected) if e.id in by_row else e
        for e in estimates
    ), result


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _entered(protocol: Protocol, name: str, answer: Estimate | None) -> float:
    if answer is None or answer.p_value is None:
        return np.nan
    given = {key: getattr(answer, key) for key in ("p_value", "estimate", "ci_lower", "ci_upper")}
    if answer.estimate is None and "estimate-infinite" in answer.warnings:
        given["estimate"] = np.inf
    if "margin" in answer.details and answer.p_value is not None:
        given["p_value"] = min(1.0, 2.0 * answer.p_value)
    values = {key: np.array([np.nan if value is None else value]) for key, value in given.items()}
    return float(entering(protocol, name, answer.scale, values, answer.details.get("goal"))[0])


def _taken_out(plan: Multiplicity, p: Floats, rejected: NDArray[np.bool_]) -> dict[str, tuple[int, float]]:
    """Of each hypothesis of a graph the step at which it was rejected, 0 if not, and the share it then held."""
    out: dict[str, tuple[int, float]] = {}
    start, steps, is_open = 0, 0, True
    for graph in plan.graphs:
        stop = start + len(graph.names)
        found: GraphTests = run_graph(*_arrays(graph), p[:, start:stop])
        own = rejected[start:stop]
        left, _ = graph_without(*_arrays(graph), np.flatnonzero(own))
        for k, name in enumerate(graph.names):
            share = float(found.weight[0, k] if own[k] else left[k]) if is_open else 0.0
            out[name] = (int(steps + found.order[0, k]) if own[k] else 0, share)
        steps += int(own.sum())
        is_open = is_open and bool(own.all())
        start = stop
    return out


def _left(plan: Multiplicity, rejected: NDArray[np.bool_]) -> tuple[HypothesisGraph, ...]:
    """The graphs of what was not rejected."""
    out, start = [], 0
    for graph in plan.graphs:
        own = rejected[start : start + len(graph.names)]
        start += len(graph.names)
        weights, transitions = graph_without(*_arrays(graph), np.flatnonzero(own))
        keep = np.flatnonzero(~own)
        names = tuple(graph.names[k] for k in keep)
        rows = tuple(tuple(transitions[k, keep].tolist()) for k in keep)
        out.append(HypothesisGraph(names, tuple(weights[keep].tolist()), rows))
    return tuple(out)


def _with_limits(
    plan: Multiplicity, tested: HypothesisTested, answer: Estimate | None, position: int, limits: Limits
) -> HypothesisTested:
    """Limits by Bonferroni at the weight that the protocol gives, which hold together whatever is rejected."""
    weight = plan.shares[position] if plan.graphs else 0.0
    if not plan.graphs:
        why = f"{plan.method.capitalize()}'s procedure has none that go with its decisions"
    elif answer is None or answer.scale == "test" or answer.ends[0] is None:
        why = "there is no estimate"
    elif weight <= 0:
        why = "the hypothesis begins with no part of the level"
    else:
        level = 1.0 - (2.0 if plan.is_one_sided else 1.0) * plan.alpha * weight
        if level <= 0.5:
            return replace(tested, why_no_limits="the level is too high for an interval")
        return replace(tested, simultaneous=limits(tested.name, level), simultaneous_level=level)
    return replace(tested, why_no_limits=why)
