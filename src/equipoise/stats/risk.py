"""Proportions, risk differences and risk ratios from counts. Methods: ``docs/methods/risk.md``.

>>> from equipoise.stats.risk import miettinen_nurminen_difference, newcombe_difference
>>> fit = newcombe_difference(events_control=48, n_control=80, events_experimental=56, n_experimental=70)
>>> round(float(fit.estimate[0]), 4), round(float(fit.ci_lower[0]), 4), round(float(fit.ci_upper[0]), 4)
(0.2, 0.0524, 0.3339)

(Newcombe 1998, Stat Med 17:873, table II, example (a), method 10.)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from equipoise.stats.codes import FitCode, has, mark
from equipoise.stats.exact import TwoByTwo, solve_tables
from equipoise.stats.packing import FloatArray
from equipoise.stats.roots import find_zeros
from equipoise.stats.score import score_of
from equipoise.stats.wald import CodeArray, normal_quantile, two_sided_p


@dataclass(frozen=True)
class RiskComparisons:
    """Comparison of two risks, experimental against control; NaN where ``codes`` says not estimable.

    With events in experimental alone a ratio and its upper limit are infinite, and the lower limit stands.
    """

    estimate: FloatArray  # (n_trials,) difference or ratio
    ci_lower: FloatArray
    ci_upper: FloatArray
    p_value: FloatArray  # score test of no difference; NaN for the Newcombe methods, which are intervals only
    risk_control: FloatArray
    risk_experimental: FloatArray
    scale: str  # risk_difference, risk_ratio or odds_ratio
    level: float
    codes: CodeArray


@dataclass(frozen=True)
class Proportions:
    """Proportions with limits; NaN for empty groups."""

    estimate: FloatArray
    ci_lower: FloatArray
    ci_upper: FloatArray
    level: float


def wilson(events: ArrayLike, n: ArrayLike, *, level: float = 0.95) -> Proportions:
    """Score limits of a proportion, eq. (RI-1). Source: Wilson (1927) JASA 22:209."""
    x, size = np.broadcast_arrays(np.asarray(events, dtype=np.float64), np.asarray(n, dtype=np.float64))
    return Proportions(*wilson_limits(x, size, normal_quantile(level)), level)


def wilson_limits(x: Any, size: Any, z: float | FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """A proportion and its score limits at the normal quantile ``z``, eq. (RI-1); NaN for empty groups."""
    with np.errstate(invalid="ignore", divide="ignore"):
        p = x / size
        centre = (x + 0.5 * z * z) / (size + z * z)
        half = z / (size + z * z) * np.sqrt(x * (size - x) / size + 0.25 * z * z)
    lower = np.where(x == 0, 0.0, centre - half)
    upper = np.where(x == size, 1.0, centre + half)
    empty = ~(size > 0)
    return p, np.where(empty, np.nan, lower), np.where(empty, np.nan, upper)


def clopper_pearson(events: ArrayLike, n: ArrayLike, *, level: float = 0.95) -> Proportions:
    """Exact limits of a proportion, eq. (RI-2). Source: Clopper and Pearson (1934) Biometrika 26:404."""
    x, size = np.broadcast_arrays(np.asarray(events, dtype=np.float64), np.asarray(n, dtype=np.float64))
    tail = 0.5 * (1.0 - level)
    normal_quantile(level)
    with np.errstate(invalid="ignore", divide="ignore"):
        p = x / size
        lower = np.where(x > 0, special.betaincinv(np.maximum(x, 0.5), size - x + 1.0, tail), 0.0)
        upper = np.where(x < size, special.betaincinv(x + 1.0, np.maximum(size - x, 0.5), 1.0 - tail), 1.0)
    empty = ~(size > 0)
    return Proportions(p, np.where(empty, np.nan, lower), np.where(empty, np.nan, upper), level)


def newcombe_difference(
    events_control: ArrayLike,
    n_control: ArrayLike,
    events_experimental: ArrayLike,
    n_experimental: ArrayLike,
    *,
    level: float = 0.95,
) -> RiskComparisons:
    """Risk difference with hybrid score limits (method 10, no continuity correction), eq. (RI-3).

    Counts: numbers or (n_trials,). Source: Newcombe (1998) Stat Med 17:873.
    """
    tables = TwoByTwo.of(events_control, n_control, events_experimental, n_experimental)
    estimate, lower, upper = _newcombe_difference(tables, normal_quantile(level))
    p = np.full_like(estimate, np.nan)
    return _comparison(estimate, lower, upper, p, tables, "risk_difference", level)


def newcombe_ratio(
    events_control: ArrayLike,
    n_control: ArrayLike,
    events_experimental: ArrayLike,
    n_experimental: ArrayLike,
    *,
    level: float = 0.95,
) -> RiskComparisons:
    """Risk ratio with limits recovered from Wilson's of the two risks, eq. (RI-4).

    Counts: numbers or (n_trials,). Source: Donner and Zou (2012) Stat Methods Med Res 21:347, on Newcombe's principle.
    """
    tables = TwoByTwo.of(events_control, n_control, events_experimental, n_experimental)
    estimate, lower, upper = _newcombe_ratio(tables, normal_quantile(level))
    p = np.full_like(estimate, np.nan)
    return _comparison(estimate, lower, upper, p, tables, "risk_ratio", level)


Limits = tuple[FloatArray, FloatArray, FloatArray]  # estimate, lower and upper limit


def _newcombe_difference(tables: TwoByTwo, z: float | FloatArray) -> Limits:
    p0, low0, high0 = wilson_limits(tables.events_control, tables.n_control, z)
    p1, low1, high1 = wilson_limits(tables.events_experimental, tables.n_experimental, z)
    difference = p1 - p0
    return difference, difference - np.hypot(p1 - low1, high0 - p0), difference + np.hypot(high1 - p1, p0 - low0)


def _newcombe_ratio(tables: TwoByTwo, z: float | FloatArray) -> Limits:
    p0, low0, high0 = wilson_limits(tables.events_control, tables.n_control, z)
    p1, low1, high1 = wilson_limits(tables.events_experimental, tables.n_experimental, z)
    product = p0 * p1
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = p1 / p0
        root = product**2 - low1 * high0 * (2.0 * p1 - low1) * (2.0 * p0 - high0)
        lower = (product - np.sqrt(np.maximum(root, 0.0))) / (high0 * (2.0 * p0 - high0))
        root = product**2 - high1 * low0 * (2.0 * p1 - high1) * (2.0 * p0 - low0)
        upper = (product + np.sqrt(np.maximum(root, 0.0))) / (low0 * (2.0 * p0 - low0))
    # With no event in the experimental arm the lower limit is zero whatever the denominator does.
    return ratio, np.where(tables.events_experimental == 0, 0.0, lower), upper


def newcombe_test(given: TwoByTwo, scale: str, value: float) -> FloatArray:
    """(n_trials,) one-sided p of an effect above ``value``: the level at which Newcombe's limit meets it, (NI-4).

    The method is of intervals alone; this is the p value that they imply. NaN where there is no estimate.
    """
    limits = _newcombe_difference if scale == "risk_difference" else _newcombe_ratio
    return p_by_limits(lambda z: limits(given, z), value, given.codes.shape[0])


def p_by_limits(limits: Callable[[FloatArray], Limits], value: float, n: int) -> FloatArray:
    """(n,) one-sided p of the effect lying above ``value``, by an interval of which no test is known, (NI-4).

    ``limits`` gives estimate and limits at normal quantiles (n,), which move apart as these grow.
    """
    furthest = np.full(n, 38.0)  # beyond it p is 0 to the last digit
    estimate = limits(np.ones(n))[0]
    with np.errstate(invalid="ignore"):
        is_above = estimate > value

    def below_value(z: FloatArray) -> FloatArray:
        _, lower, upper = limits(z)
        # At no width at all a ratio with an empty cell has no limits: they have not met the value yet.
        return np.nan_to_num(np.where(is_above, value - lower, upper - value), nan=-1.0, posinf=1.0, neginf=-1.0)

    # Limits that combine those of two risks need not reach every value, however wide they are.
    never = below_value(furthest) < 0.0
    z = np.where(never, furthest, find_zeros(below_value, np.zeros(n), furthest))
    p = np.where(is_above, special.ndtr(-z), special.ndtr(z))
    return np.where(np.isnan(estimate), np.nan, p)


def miettinen_nurminen_difference(
    events_control: ArrayLike,
    n_control: ArrayLike,
    events_experimental: ArrayLike,
    n_experimental: ArrayLike,
    *,
    level: float = 0.95,
) -> RiskComparisons:
    """Risk difference with score limits, eq. (RI-5) and (RI-6); the p value is the score test's.

    Counts: numbers or (n_trials,). The variance has the factor N / (N - 1). Works with empty cells.

    Source: Miettinen and Nurminen (1985) Stat Med 4:213.
    """
    given = TwoByTwo.of(events_control, n_control, events_experimental, n_experimental)
    return score_comparison(given, "risk_difference", corrected=True, level=level)


def miettinen_nurminen_ratio(
    events_control: ArrayLike,
    n_control: ArrayLike,
    events_experimental: ArrayLike,
    n_experimental: ArrayLike,
    *,
    level: float = 0.95,
) -> RiskComparisons:
    """Risk ratio with score limits, eq. (RI-7) and (RI-8); the p value is the score test's.

    Counts: numbers or (n_trials,). With no event in control the ratio and its upper limit are infinite, the lower
    limit stands; with none in experimental the ratio and its lower limit are 0; with none in either there is no ratio.

    Source: Miettinen and Nurminen (1985) Stat Med 4:213.
    """
    given = TwoByTwo.of(events_control, n_control, events_experimental, n_experimental)
    return score_comparison(given, "risk_ratio", corrected=True, level=level)


def score_comparison(given: TwoByTwo, scale: str, *, corrected: bool, level: float = 0.95) -> RiskComparisons:
    """A difference of risks, their ratio or an odds ratio with the limits that invert its score test.

    ``scale``: ``risk_difference``, ``risk_ratio`` or ``odds_ratio``. ``corrected``: Miettinen and Nurminen's variance,
    else Farrington and Manning's, whose interval of the difference is Mee's. The p value is of no effect. An odds ratio
    with an empty cell is 0 or infinite with one limit, and there is none where nobody or everybody has the event.

    Source: Miettinen and Nurminen (1985) Stat Med 4:213; Mee (1984) Biometrics 40:1175; Farrington and Manning (1990)
    Stat Med 9:1447.
    """
    tables, where = given.unique()
    name = f"score {scale}{' corrected' if corrected else ''}"
    answers = solve_tables(name, level, tables, lambda new: _solve_scores(new, level, scale, corrected))
    # Nothing to test when everybody has the same outcome: the score is 0 / 0.
    p = np.where(has(tables.codes, FitCode.CONSTANT_OUTCOME), 1.0, answers[3])
    return _comparison(answers[0, where], answers[1, where], answers[2, where], p[where], given, scale, level)


def _solve_scores(tables: TwoByTwo, level: float, scale: str, corrected: bool) -> FloatArray:
    """(4, n_tables) estimates, both score limits and p values; limits of ratios are looked for on the logarithm."""
    x0, n0, x1, n1 = _counts(tables)
    z = normal_quantile(level)
    score_at = score_of(scale, corrected=corrected)
    is_ratio = scale != "risk_difference"
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        estimate = _effect(scale, x0, n0, x1, n1)
        inner = np.log(estimate) if is_ratio else estimate
        furthest = 60.0 if is_ratio else 1.0
        inside = np.clip(np.where(np.isnan(inner), 0.0, inner), -furthest, furthest)

        def score(value: FloatArray) -> FloatArray:
            return _clip(score_at(x0, n0, x1, n1, np.exp(value) if is_ratio else value))

        far = np.full_like(inside, furthest)
        lower = find_zeros(lambda d: z - score(d), -far, inside)
        upper = find_zeros(lambda d: -z - score(d), inside, far)
        p = two_sided_p(score_at(x0, n0, x1, n1, np.full_like(inside, 1.0 if is_ratio else 0.0)))
    if not is_ratio:
        lower, upper = np.where(estimate == -1.0, -1.0, lower), np.where(estimate == 1.0, 1.0, upper)
        return np.stack([estimate, lower, upper, p])
    lower, upper = np.exp(lower), np.exp(upper)
    lower = np.where(estimate == 0, 0.0, lower)
    upper = np.where(np.isinf(estimate), np.inf, upper)
    return np.stack([estimate, lower, upper, p])


def _effect(scale: str, x0: FloatArray, n0: FloatArray, x1: FloatArray, n1: FloatArray) -> FloatArray:
    """The observed difference, ratio or odds ratio; NaN where both parts of a ratio are 0."""
    if scale == "risk_difference":
        return np.asarray(x1 / n1 - x0 / n0)
    if scale == "risk_ratio":
        return np.asarray((x1 / n1) / (x0 / n0))
    return np.asarray((x1 * (n0 - x0)) / (x0 * (n1 - x1)))


@dataclass(frozen=True)
class ScoreTests:
    """Score tests of a stated effect; NaN where ``codes`` says not estimable.

    One-sided ``p_greater`` is small where the effect lies above the stated one, ``p_less`` where below: below
    (1 - level) / 2 exactly where that limit of :func:`score_comparison` leaves the stated effect out.
    """

    statistic: FloatArray  # (n_trials,)
    p_greater: FloatArray
    p_less: FloatArray
    codes: CodeArray


def score_test(given: TwoByTwo, scale: str, value: float, *, corrected: bool) -> ScoreTests:
    """The score test of ``value``: a difference between -1 and 1, or a ratio above 0; eq. (NI-1) to (NI-3).

    Tables without people in an arm have no test; a table in which nobody, or everybody, has the event tests a
    difference, and neither a ratio (nobody) nor an odds ratio.
    """
    if not (-1.0 < value < 1.0 if scale == "risk_difference" else 0.0 < value < np.inf):
        raise ValueError(f"the value of a {scale} cannot be {value}")
    x0, n0, x1, n1 = _counts(given)
    codes = given.codes.copy()
    gone = has(codes, FitCode.NON_FINITE_INPUT | FitCode.EMPTY_ARM)
    if scale == "odds_ratio":
        gone |= has(codes, FitCode.CONSTANT_OUTCOME)
    elif scale == "risk_ratio":
        gone |= has(codes, FitCode.NO_EVENTS)
    mark(codes, gone, FitCode.NOT_ESTIMABLE)
    z = score_of(scale, corrected=corrected)(x0, n0, x1, n1, np.full_like(x0, value))
    z = np.where(gone, np.nan, z)
    return ScoreTests(z, special.ndtr(-z), special.ndtr(z), codes)


def _counts(tables: TwoByTwo) -> tuple[FloatArray, ...]:
    raw = (tables.events_control, tables.n_control, tables.events_experimental, tables.n_experimental)
    return tuple(np.asarray(v, dtype=np.float64) for v in raw)


def _clip(values: FloatArray) -> FloatArray:
    """Infinite scores (no variance under the hypothesis) as large numbers; undefined ones as zero."""
    return np.nan_to_num(values, nan=0.0, posinf=1e300, neginf=-1e300)


def _comparison(
    estimate: FloatArray,
    lower: FloatArray,
    upper: FloatArray,
    p_value: FloatArray,
    tables: TwoByTwo,
    scale: str,
    level: float,
) -> RiskComparisons:
    codes = tables.codes.copy()
    if scale == "risk_difference":
        infinite = neither = np.zeros(codes.shape, dtype=np.bool_)
    else:
        infinite = tables.events_control == 0
        neither = infinite & (tables.events_experimental == 0)
    if scale == "odds_ratio":
        everybody = tables.events_experimental == tables.n_experimental
        neither = has(codes, FitCode.CONSTANT_OUTCOME)
        infinite = (infinite | everybody) & ~neither
    mark(codes, neither, FitCode.NOT_ESTIMABLE)
    invalid = has(codes, FitCode.NON_FINITE_INPUT | FitCode.EMPTY_ARM)
    with np.errstate(invalid="ignore", divide="ignore"):
        risk0 = tables.events_control / tables.n_control
        risk1 = tables.events_experimental / tables.n_experimental
    gone = invalid | neither
    return RiskComparisons(
        estimate=np.where(gone, np.nan, np.where(infinite, np.inf, estimate)),
        ci_lower=np.where(gone, np.nan, lower),
        ci_upper=np.where(gone, np.nan, np.where(infinite, np.inf, upper)),
        p_value=np.where(invalid, np.nan, p_value),
        risk_control=risk0,
        risk_experimental=risk1,
        scale=scale,
        level=level,
        codes=codes,
    )
