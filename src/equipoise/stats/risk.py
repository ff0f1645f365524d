"""Proportions, risk differences and risk ratios from counts. Methods: ``docs/methods/risk.md``.

>>> from equipoise.stats.risk import miettinen_nurminen_difference, newcombe_difference
>>> fit = newcombe_difference(events_control=48, n_control=80, events_experimental=56, n_experimental=70)
>>> round(float(fit.estimate[0]), 4), round(float(fit.ci_lower[0]), 4), round(float(fit.ci_upper[0]), 4)
(0.2, 0.0524, 0.3339)

(Newcombe 1998, Stat Med 17:873, table II, example (a), method 10.)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from equipoise.stats.codes import FitCode, has, mark
from equipoise.stats.exact import TwoByTwo, solve_tables
from equipoise.stats.packing import FloatArray
from equipoise.stats.roots import find_zeros
from equipoise.stats.wald import CodeArray, normal_quantile, two_sided_p


@dataclass(frozen=True)
class RiskComparisons:
    """Comparison of two risks, experimental against control; NaN where ``codes`` says not estimable.

    With events in experimental alone the ratio and its upper limit are infinite, and the lower limit stands.
    """

    estimate: FloatArray  # (n_trials,) difference or ratio
    ci_lower: FloatArray
    ci_upper: FloatArray
    p_value: FloatArray  # score test of no difference; NaN for the Newcombe methods, which are intervals only
    risk_control: FloatArray
    risk_experimental: FloatArray
    scale: str  # risk_difference or risk_ratio
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
    z = normal_quantile(level)
    with np.errstate(invalid="ignore", divide="ignore"):
        p = x / size
        centre = (x + 0.5 * z * z) / (size + z * z)
        half = z / (size + z * z) * np.sqrt(x * (size - x) / size + 0.25 * z * z)
    lower = np.where(x == 0, 0.0, centre - half)
    upper = np.where(x == size, 1.0, centre + half)
    empty = ~(size > 0)
    return Proportions(p, np.where(empty, np.nan, lower), np.where(empty, np.nan, upper), level)


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
    a = wilson(tables.events_control, tables.n_control, level=level)
    b = wilson(tables.events_experimental, tables.n_experimental, level=level)
    difference = b.estimate - a.estimate
    lower = difference - np.hypot(b.estimate - b.ci_lower, a.ci_upper - a.estimate)
    upper = difference + np.hypot(b.ci_upper - b.estimate, a.estimate - a.ci_lower)
    p = np.full_like(difference, np.nan)
    return _comparison(difference, lower, upper, p, tables, "risk_difference", level)


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
    a = wilson(tables.events_control, tables.n_control, level=level)
    b = wilson(tables.events_experimental, tables.n_experimental, level=level)
    p0, p1 = a.estimate, b.estimate
    product = p0 * p1
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = p1 / p0
        root = product**2 - b.ci_lower * a.ci_upper * (2.0 * p1 - b.ci_lower) * (2.0 * p0 - a.ci_upper)
        lower = (product - np.sqrt(np.maximum(root, 0.0))) / (a.ci_upper * (2.0 * p0 - a.ci_upper))
        root = product**2 - b.ci_upper * a.ci_lower * (2.0 * p1 - b.ci_upper) * (2.0 * p0 - a.ci_lower)
        upper = (product + np.sqrt(np.maximum(root, 0.0))) / (a.ci_lower * (2.0 * p0 - a.ci_lower))
    # With no event in the experimental arm the lower limit is zero whatever the denominator does.
    lower = np.where(tables.events_experimental == 0, 0.0, lower)
    p = np.full_like(ratio, np.nan)
    return _comparison(ratio, lower, upper, p, tables, "risk_ratio", level)


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
    tables, where = given.unique()
    answers = solve_tables("score-difference", level, tables, lambda new: _solve_differences(new, level))
    # Nothing to test when everybody has the same outcome: the score is 0 / 0.
    p = np.where(has(tables.codes, FitCode.CONSTANT_OUTCOME), 1.0, answers[3])
    return _comparison(
        answers[0, where], answers[1, where], answers[2, where], p[where], given, "risk_difference", level
    )


def _solve_differences(tables: TwoByTwo, level: float) -> FloatArray:
    """(4, n_tables) differences, both score limits and p values."""
    x0, n0, x1, n1 = (np.asarray(v, dtype=np.float64) for v in _counts(tables))
    z = normal_quantile(level)
    with np.errstate(invalid="ignore", divide="ignore"):
        difference = x1 / n1 - x0 / n0

        def score(delta: FloatArray) -> FloatArray:
            return _score_difference(x0, n0, x1, n1, delta)

        start = np.where(np.isnan(difference), 0.0, difference)
        lower = find_zeros(lambda d: z - _clip(score(d)), np.full_like(start, -1.0), start)
        upper = find_zeros(lambda d: -z - _clip(score(d)), start, np.full_like(start, 1.0))
        p = two_sided_p(score(np.zeros_like(start)))
    lower, upper = np.where(difference == -1.0, -1.0, lower), np.where(difference == 1.0, 1.0, upper)
    return np.stack([difference, lower, upper, p])


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
    tables, where = given.unique()
    answers = solve_tables("score-ratio", level, tables, lambda new: _solve_ratios(new, level))
    p = np.where(has(tables.codes, FitCode.CONSTANT_OUTCOME), 1.0, answers[3])
    return _comparison(answers[0, where], answers[1, where], answers[2, where], p[where], given, "risk_ratio", level)


def _solve_ratios(tables: TwoByTwo, level: float) -> FloatArray:
    """(4, n_tables) ratios, both score limits and p values."""
    x0, n0, x1, n1 = (np.asarray(v, dtype=np.float64) for v in _counts(tables))
    z = normal_quantile(level)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        ratio = (x1 / n1) / (x0 / n0)

        def score(log_ratio: FloatArray) -> FloatArray:
            return _score_ratio(x0, n0, x1, n1, np.exp(log_ratio))

        inner = np.log(ratio)
        inside = np.where(np.isfinite(inner), inner, np.where(x1 == 0, -60.0, 60.0))
        far = np.full_like(inside, 60.0)
        lower = np.exp(find_zeros(lambda r: z - _clip(score(r)), -far, np.minimum(inside, far)))
        upper = np.exp(find_zeros(lambda r: -z - _clip(score(r)), np.maximum(inside, -far), far))
        p = two_sided_p(_score_ratio(x0, n0, x1, n1, np.ones_like(inside)))
    lower = np.where(x1 == 0, 0.0, lower)
    upper, ratio = np.where(x0 == 0, np.inf, upper), np.where(x0 == 0, np.inf, ratio)
    return np.stack([ratio, lower, upper, p])


def _counts(tables: TwoByTwo) -> tuple[object, object, object, object]:
    return tables.events_control, tables.n_control, tables.events_experimental, tables.n_experimental


def _clip(values: FloatArray) -> FloatArray:
    """Infinite scores (no variance under the hypothesis) as large numbers; undefined ones as zero."""
    return np.nan_to_num(values, nan=0.0, posinf=1e300, neginf=-1e300)


def _score_difference(x0: FloatArray, n0: FloatArray, x1: FloatArray, n1: FloatArray, delta: FloatArray) -> FloatArray:
    """Signed score statistic of the hypothesis that the difference is ``delta``; falls with delta, eq. (RI-5)."""
    n, m = n0 + n1, x0 + x1
    # Restricted estimate of the control risk: the root of a cubic, by its trigonometric solution, eq. (RI-6).
    c2 = (n1 + 2.0 * n0) * delta - n - m
    c1 = (n0 * delta - n - 2.0 * x0) * delta + m
    c0 = x0 * delta * (1.0 - delta)
    b = c2 / (3.0 * n)
    q = b**3 - c1 * c2 / (6.0 * n**2) + c0 / (2.0 * n)
    length = np.where(q >= 0.0, 1.0, -1.0) * np.sqrt(np.maximum(b**2 - c1 / (3.0 * n), 0.0))
    cosine = np.where(length == 0.0, 1.0, q / length**3)
    angle = (np.pi + np.arccos(np.clip(cosine, -1.0, 1.0))) / 3.0
    r0 = np.clip(2.0 * length * np.cos(angle) - b, np.maximum(0.0, -delta), np.minimum(1.0, 1.0 - delta))
    r1 = r0 + delta
    variance = (r1 * (1.0 - r1) / n1 + r0 * (1.0 - r0) / n0) * n / (n - 1.0)
    return np.asarray((x1 / n1 - x0 / n0 - delta) / np.sqrt(np.maximum(variance, 0.0)))


def _score_ratio(x0: FloatArray, n0: FloatArray, x1: FloatArray, n1: FloatArray, ratio: FloatArray) -> FloatArray:
    """Signed score statistic of the hypothesis that the risk ratio is ``ratio``; falls with it, eq. (RI-7)."""
    n, m = n0 + n1, x0 + x1
    b = n1 * ratio + x1 + n0 + x0 * ratio
    # The smaller root of a quadratic, written so that no digits cancel, eq. (RI-8).
    r0 = 2.0 * m / (b + np.sqrt(np.maximum(b * b - 4.0 * n * ratio * m, 0.0)))
    r1 = r0 * ratio
    variance = (r1 * (1.0 - r1) / n1 + ratio**2 * r0 * (1.0 - r0) / n0) * n / (n - 1.0)
    return np.asarray((x1 / n1 - ratio * x0 / n0) / np.sqrt(np.maximum(variance, 0.0)))


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
    infinite = (tables.events_control == 0) if scale == "risk_ratio" else np.zeros(codes.shape, dtype=np.bool_)
    neither = infinite & (tables.events_experimental == 0)
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
