"""Looks, conditional power, re-estimation and analysis after looks: ``adaptive.csv``, whose inputs are in its names."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import special

from equipoise.stats.design.adjusted import AdjustedForLooks, LooksTaken, adjust_for_looks, repeated_p
from equipoise.stats.design.combination import CombinedEffect, ReEstimation, SecondStage, combine_stages, stage_weights
from equipoise.stats.design.group_sequential import Boundary
from equipoise.stats.design.look_rules import LookRule, ReachedBoundaries
from equipoise.stats.design.predictive_counts import OneArm, TwoArms
from method_families.base import Answer, Ours

KINDS = {
    "asOF": "lan-demets-obrien-fleming",
    "asP": "lan-demets-pocock",
    "asKD": "kim-demets",
    "asHSD": "hwang-shih-decani",
}
# Two arms, stage by stage: sizes, means and standard deviations, as in the script of the file.
STAGE_DATA: dict[str, dict[str, tuple[tuple[float, ...], ...]]] = {
    "stage data A": {"n": ((40, 44), (41, 40)), "mean": ((6.2, 7.0), (3.1, 3.6)), "sd": ((8, 7.5), (8.4, 8.1))},
    "stage data B": {"n": ((30, 30), (30, 30)), "mean": ((5, 5.4), (2, 0.2)), "sd": ((6, 6.6), (6.1, 5.9))},
}
SHORT_OF_ALPHA = "rpact prints 1e-8 less than the level at the last look; the plan spends all of it"
Floats = NDArray[np.float64]


def answers(folder: Path) -> Ours:
    """Our answer to a row."""
    del folder

    def ours(row: Answer) -> float | str | None:
        if row.dataset == "boundaries at reached information":
            return _reached(row)
        if row.dataset == "conditional power":
            return _conditional(row)
        if row.dataset == "inverse normal re-estimation":
            return _re_estimation(row)
        if row.dataset.startswith("predictive power"):
            return _predictive(row)
        if row.dataset in STAGE_DATA:
            return _stage_data(row)
        return None

    return ours


def _numbers(text: str) -> list[float]:
    return [float(part) for part in text.split(" / ")]


def _parts(pattern: str, text: str) -> dict[str, str]:
    found = re.fullmatch(pattern, text)
    if found is None:
        raise ValueError(f"{text!r} is not of the form {pattern!r}")
    return {key: value or "" for key, value in found.groupdict().items()}


@cache
def _boundaries(model: str) -> ReachedBoundaries:
    form = (
        r"(?P<kind>as\w+)(?: \((?P<p>.*?)\))?, planned information (?P<all>\S+), "
        r"reached (?P<got>.*?)(?P<end>, trial ended)?"
    )
    said = _parts(form, model)
    boundary = Boundary(KINDS[said["kind"]], float(said["p"]) if said["p"] else None)
    fractions = [x / float(said["all"]) for x in _numbers(said["got"])]
    return LookRule((0.5, 1.0), boundary=boundary).boundaries(fractions, is_last=bool(said["end"]))


def _reached(row: Answer) -> float:
    found, k = _boundaries(row.model), int(row.index) - 1
    return float(found.alpha_spent[k] if row.quantity == "alpha spent" else found.critical_z[k])


@cache
def _rule(kind: str, gamma: str, information: str, alpha: float, power: float) -> LookRule:
    t = (*_numbers(information)[:-1], 1.0)
    boundary = Boundary(KINDS[kind], float(gamma) if gamma else None)
    return LookRule(t, alpha, boundary=boundary, power=power)


def _conditional(row: Answer) -> float | str:
    form = r"(?P<kind>as\w+)(?: gamma (?P<p>\S+))?, information (?P<t>.*?), one-sided (?P<alpha>.*)"
    said = _parts(form, row.model)
    named = re.search(r"for power (\S+)", row.quantity)
    rule = _rule(said["kind"], said["p"], said["t"], float(said["alpha"]), float(named[1]) if named else 0.9)
    if row.quantity == "critical z":
        return float(rule.design.critical_z[int(row.index) - 1])
    if row.quantity == "alpha spent":
        return SHORT_OF_ALPHA if int(row.index) == rule.n_looks else float(rule.design.alpha_spent[int(row.index) - 1])
    drift = rule.planned_drift
    if row.quantity.startswith("drift"):
        return drift
    look = _parts(r"look (?P<k>\d+), z = (?P<z>\S+)", row.index)
    ahead = rule.ahead(rule.planned[: int(look["k"])], float(look["z"]))
    assert ahead is not None
    if row.quantity.startswith("predictive power"):
        prior = re.search(r"normal\((\S+), variance (\S+)\)", row.quantity)
        if prior is None:
            return ahead.predictive_power()
        return ahead.predictive_power(drift if prior[1] == "planned" else float(prior[1]), float(prior[2]))
    if "at the last look only" in row.quantity:
        ahead = ahead.last_only()
    shares = {"no effect": 0.0, "half of the planned": 0.5 * drift, "planned": drift, "current trend": ahead.trend}
    return ahead.conditional_power(next(value for words, value in shares.items() if words in row.quantity))


def _re_estimation(row: Answer) -> float | None:
    form = (
        r"two means, sd (?P<sd>\S+), (?P<n1>\d+) \+ (?P<n2>\d+) per arm planned, weights (?P<w1>\S+) (?P<w2>\S+), "
        r"final critical z (?P<c>\S+)"
    )
    said = {key: float(value) for key, value in _parts(form, row.model).items()}
    z1, z2 = (
        float(found[1]) if (found := re.search(rf"{name} = ([-\d.]+)", row.index)) else 0.0 for name in ("z1", "z2")
    )
    n1, n2, sd = said["n1"], said["n2"], said["sd"]
    t = n1 / (n1 + n2)
    boundary = Boundary("lan-demets-obrien-fleming") if t == 0.5 else None
    # The file prints the last critical value to eight digits: take it to all of them.
    critical = float(LookRule((t, 1.0), boundary=boundary).design.critical_z[-1]) if boundary else -special.ndtri(0.025)
    stage = SecondStage(t, z1, float(critical))
    per_drift = sd * math.sqrt(2.0 / (n1 + n2))  # the difference of a drift of 1 at the planned size
    estimated = z1 * sd * math.sqrt(2.0 / n1)
    planned = {40: 5.0, 24: 4.0}.get(int(n1), math.nan)
    drift = (planned if "planned difference" in row.quantity else estimated) / per_drift
    if row.quantity == "conditional critical z for stage 2":
        return stage.conditional_critical_z
    if row.quantity == "estimated difference":
        return estimated
    if row.quantity.endswith("difference, planned stage 2"):
        return stage.conditional_power(drift)
    if row.quantity.startswith("combined") or row.quantity == "reject":
        z = float(combine_stages([z1, z2], stage_weights([t, 1.0]))[-1])
        p = float(special.ndtr(-z))
        return {"combined z": z, "reject": float(z >= critical)}.get(row.quantity, p)
    target = {40: 0.8, 24: 0.9}[int(n1)]
    most = {40: 120.0, 24: 90.0}[int(n1)]
    rule = ReEstimation(target, n2 / (n1 + n2), most / (n1 + n2))
    if row.quantity.endswith("not rounded"):
        return rule.unlimited(stage, drift) * (n1 + n2)
    size = math.ceil(rule.second_stage(stage, drift) * (n1 + n2) - 1e-9) if drift > 0 else most
    if "rounded up" in row.quantity:
        return float(size)
    return stage.conditional_power(drift, size / (n1 + n2))


def _predictive(row: Answer) -> float:
    if row.dataset.endswith("single arm"):
        form = (
            r"single arm (?P<x>\d+)/(?P<n>\d+), final (?P<all>\d+), goal (?P<goal>\S+), one-sided (?P<alpha>\S+), "
            r"beta\((?P<a>\S+), (?P<b>\S+)\)"
        )
        said = {key: float(value) for key, value in _parts(form, row.model).items()}
        arm = OneArm(int(said["x"]), int(said["n"]), int(said["all"]), said["goal"], said["alpha"])
        if row.quantity == "successes needed in all":
            return float(arm.events_needed)
        if row.quantity.startswith("conditional"):
            return arm.conditional_power(float(row.index))
        return arm.predictive_power(said["a"], said["b"])
    form = (
        r"(?P<x1>\d+)/(?P<n1>\d+) v (?P<x0>\d+)/(?P<n0>\d+), final (?P<N1>\d+) and (?P<N0>\d+), "
        r"beta\((?P<a>\S+), (?P<b>\S+)\) priors, one-sided (?P<alpha>\S+)"
    )
    said = {key: float(value) for key, value in _parts(form, row.model).items()}
    pairs = [(int(said[f"{key}0"]), int(said[f"{key}1"])) for key in "xnN"]
    test = "fisher" if "Fisher" in row.quantity else "pooled-z"
    return TwoArms(*pairs).predictive_power(alpha_one_sided=said["alpha"], test=test, a=said["a"], b=said["b"])


@dataclass(frozen=True)
class _Difference:
    """A difference of means with its pooled error, over stages or over all data so far."""

    estimate: Floats
    standard_error: Floats
    df: Floats

    def p(self, is_z: bool) -> Floats:
        z = self.estimate / self.standard_error
        return np.asarray(special.ndtr(-z) if is_z else special.stdtr(self.df, -z))


def _difference(n: Floats, mean: Floats, sd: Floats) -> _Difference:
    pooled = np.sqrt(((n - 1) * sd**2).sum(axis=0) / (n.sum(axis=0) - 2))
    return _Difference(mean[0] - mean[1], pooled * np.sqrt((1 / n).sum(axis=0)), n.sum(axis=0) - 2)


@cache
def _differences(dataset: str) -> tuple[_Difference, _Difference]:
    """By stage, and cumulative."""
    n, mean, sd = (np.array(STAGE_DATA[dataset][key], dtype=float) for key in ("n", "mean", "sd"))
    total = np.cumsum(n, axis=1)
    mean_all = np.cumsum(n * mean, axis=1) / total
    squares = np.cumsum((n - 1) * sd**2 + n * mean**2, axis=1) - total * mean_all**2
    return _difference(n, mean, sd), _difference(total, mean_all, np.sqrt(squares / (total - 1)))


@cache
def _after(dataset: str, model: str) -> tuple[LookRule, bool, bool]:
    said = _parts(
        r"(?P<how>inverse normal|group sequential) (?P<kind>as\w+), information (?P<t>.*?); (?P<by>z|t)", model
    )
    return _rule(said["kind"], "", said["t"], 0.025, 0.8), said["how"].startswith("inverse"), said["by"] == "z"


def _stage_data(row: Answer) -> float | None:
    rule, inverse, is_z = _after(row.dataset, row.model)
    stages, overall = _differences(row.dataset)
    k = int(row.index) - 1
    critical = rule.design.critical_z
    if row.quantity == "critical z":
        return float(critical[k])
    if row.quantity == "stage-wise p one-sided":
        return float(stages.p(is_z)[k])
    if row.quantity == "overall p one-sided":
        return float(overall.p(is_z)[k])
    z = -special.ndtri(overall.p(is_z))
    if inverse:
        z = combine_stages(-special.ndtri(stages.p(is_z)), stage_weights(rule.planned)[: stages.estimate.shape[0]])
    if row.quantity == "combined z":
        return float(z[k])
    t = np.asarray(rule.planned)[: k + 1]
    if row.quantity.startswith("repeated p"):
        return repeated_p(rule, t, float(z[k]), is_last=k == rule.n_looks - 1)
    if row.quantity.startswith("repeated"):
        return _repeated_limit(row, rule, k)
    means = None
    # The mean of Z at the last look is the effect over its standard error.
    per_drift = math.sqrt(float(t[-1])) * float(overall.standard_error[k])
    if inverse:
        weights = stage_weights(rule.planned)[: k + 1]
        # Errors of the stages with the standard deviation of all data.
        n = np.array(STAGE_DATA[row.dataset]["n"])[:, : k + 1]
        deviation = overall.standard_error[k] / math.sqrt(float((1 / n.sum(axis=1)).sum()))
        errors = deviation * np.sqrt((1 / n).sum(axis=0))
        means = CombinedEffect(stages.estimate[: k + 1], errors, weights).per_unit
        per_drift = 1.0
    return _of(adjust_for_looks(LooksTaken(t, critical[: k + 1], None, means), float(z[k])), row.quantity, per_drift)


def _of(found: AdjustedForLooks, quantity: str, per_drift: float) -> float | None:
    if quantity.startswith("final p"):
        return found.p_one_sided
    values = {
        "median unbiased estimate": found.median_unbiased,
        "final 95% lower": found.lower,
        "final 95% upper": found.upper,
    }
    return values[quantity] * per_drift if quantity in values else None


def _repeated_limit(row: Answer, rule: LookRule, k: int) -> float:
    """The effect against which the look's p value, by z or t, is that of its critical value."""
    _, inverse, is_z = _after(row.dataset, row.model)
    stages, overall = _differences(row.dataset)
    critical = float(rule.design.critical_z[k])
    sign = 1.0 if row.quantity.endswith("lower") else -1.0
    if not inverse:
        half = critical if is_z else float(special.stdtrit(overall.df[k], special.ndtr(critical)))
        return float(overall.estimate[k] - sign * half * overall.standard_error[k])
    weights = stage_weights(rule.planned)[: k + 1]
    if is_z:
        effect = CombinedEffect(stages.estimate[: k + 1], stages.standard_error[: k + 1], weights)
        return effect.effect_at(sign * critical)

    def excess(difference: float) -> float:
        t = (stages.estimate[: k + 1] - difference) / stages.standard_error[: k + 1]
        return (
            float(combine_stages(-special.ndtri(special.stdtr(stages.df[: k + 1], -t)), weights)[-1]) - sign * critical
        )

    from scipy.optimize import brentq

    return float(brentq(excess, -50.0, 50.0, xtol=1e-10))


FAMILIES = {"adaptive.csv": answers}
