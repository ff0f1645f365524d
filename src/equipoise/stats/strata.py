"""Two proportions compared within strata and combined. Methods: ``docs/methods/strata.md``.

>>> from equipoise.stats.strata import StratifiedTables, mantel_haenszel_difference
>>> tables = StratifiedTables.of([[6, 7]], [[29, 24]], [[12, 9]], [[30, 22]])  # control events, n; experimental
>>> fit = mantel_haenszel_difference(tables)
>>> round(float(fit.estimate[0]), 4), round(float(fit.standard_error[0]), 4)
(0.16, 0.09)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from equipoise.stats.codes import FitCode, has, mark
from equipoise.stats.packing import FloatArray, IntArray
from equipoise.stats.risk import Limits, p_by_limits, wilson_limits
from equipoise.stats.roots import find_zeros
from equipoise.stats.score import restricted_difference
from equipoise.stats.wald import CodeArray, chi_square_p, normal_quantile, two_sided_p


@dataclass(frozen=True)
class StratifiedTables:
    """Counts of many trials by stratum, (n_trials, n_strata); strata that a trial does not have are empty in it.

    ``codes`` say what is wrong with a trial's counts. A stratum with one arm only has no weight in anything here; it is
    coded NUISANCE_LEFT_OUT. One without events (or in which everybody has one) has weight in a difference alone.
    """

    events_control: FloatArray
    n_control: FloatArray
    events_experimental: FloatArray
    n_experimental: FloatArray
    codes: CodeArray

    @classmethod
    def of(
        cls, events_control: ArrayLike, n_control: ArrayLike, events_experimental: ArrayLike, n_experimental: ArrayLike
    ) -> StratifiedTables:
        """Counts checked: whole, not negative, not above the arm's size; one-dimensional counts are of one trial."""
        given = (events_control, n_control, events_experimental, n_experimental)
        raw = np.broadcast_arrays(*(np.atleast_2d(np.asarray(values, dtype=np.float64)) for values in given))
        if raw[0].ndim != 2:
            raise ValueError(f"counts must be (n_trials, n_strata), got shape {raw[0].shape}")
        with np.errstate(invalid="ignore"):
            fine = np.asarray((raw[0] >= 0) & (raw[2] >= 0) & (raw[0] <= raw[1]) & (raw[2] <= raw[3]))
            for values in raw:
                fine &= np.isfinite(values) & (values == np.floor(values))
        good = np.asarray(fine.all(axis=1))
        x0, n0, x1, n1 = (np.where(good[:, None], values, 0.0) for values in raw)
        codes = np.zeros(raw[0].shape[0], dtype=np.uint32)
        mark(codes, ~good, FitCode.NON_FINITE_INPUT | FitCode.NOT_ESTIMABLE)
        empty = good & ((n0.sum(axis=1) == 0) | (n1.sum(axis=1) == 0))
        mark(codes, empty, FitCode.EMPTY_ARM | FitCode.NOT_ESTIMABLE)
        both = (n0 > 0) & (n1 > 0)
        # Everybody of an arm in strata of their own: nothing tells the arm from its strata.
        mark(codes, good & ~empty & ~both.any(axis=1), FitCode.RANK_DEFICIENT | FitCode.NOT_ESTIMABLE)
        mark(codes, good & ((n0 + n1 > 0) & ~both).any(axis=1) & both.any(axis=1), FitCode.NUISANCE_LEFT_OUT)
        x0, n0, x1, n1 = (np.where(both, values, 0.0) for values in (x0, n0, x1, n1))
        events, people = (x0 + x1).sum(axis=1), (n0 + n1).sum(axis=1)
        some = people > 0
        mark(codes, some & (events == 0), FitCode.NO_EVENTS | FitCode.CONSTANT_OUTCOME)
        mark(codes, some & (events == people), FitCode.ALL_EVENTS | FitCode.CONSTANT_OUTCOME)
        return cls(x0, n0, x1, n1, codes)

    @property
    def weights(self) -> FloatArray:
        """Mantel and Haenszel's, n1 n0 / N, zero where an arm is absent; not yet divided by their sum."""
        n = self.n_control + self.n_experimental
        return self.n_control * self.n_experimental / np.where(n > 0, n, 1.0)

    @property
    def shares(self) -> FloatArray:
        """The weights as parts of 1 of each trial; NaN where no stratum has both arms."""
        w = self.weights
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(w / w.sum(axis=1, keepdims=True))

    @property
    def total(self) -> FloatArray:
        """Participants of each stratum; 1 where it has no weight, so that nothing divides by zero."""
        n = self.n_control + self.n_experimental
        return np.where(n > 0, n, 1.0)

    def risks(self) -> tuple[FloatArray, FloatArray]:
        """Risk of control and experimental in each stratum; 0 where it has no weight."""
        n0, n1 = (np.where(n > 0, n, 1.0) for n in (self.n_control, self.n_experimental))
        return self.events_control / n0, self.events_experimental / n1


def count_strata(y: FloatArray, experimental: FloatArray, stratum: IntArray, offsets: IntArray) -> StratifiedTables:
    """Tables of participants: ``y`` and ``experimental`` 0 or 1, ``stratum`` counted from 0, trials end to end."""
    n_trials, n_strata = offsets.shape[0] - 1, int(stratum.max(initial=0)) + 1
    cell = np.repeat(np.arange(n_trials), np.diff(offsets)) * n_strata + stratum
    size = n_trials * n_strata

    def counted(weights: FloatArray) -> FloatArray:
        return np.asarray(np.bincount(cell, weights=weights, minlength=size).reshape(n_trials, n_strata))

    control = 1.0 - experimental
    return StratifiedTables.of(counted(y * control), counted(control), counted(y * experimental), counted(experimental))


@dataclass(frozen=True)
class StratifiedEffects:
    """One effect combined over strata, by trial; NaN where ``codes`` says why.

    ``standard_error`` is of the logarithm for ratios. ``p_value`` is two-sided, of no effect, by the principle of the
    limits; NaN for Newcombe's, which are an interval alone.
    """

    estimate: FloatArray
    standard_error: FloatArray
    ci_lower: FloatArray
    ci_upper: FloatArray
    p_value: FloatArray
    scale: str
    level: float
    codes: CodeArray


@dataclass(frozen=True)
class StratifiedTests:
    """The test that no stratum has an effect, against effects in one direction; NaN where ``codes`` says why."""

    statistic: FloatArray  # chi-square
    df: FloatArray
    p_value: FloatArray
    z: FloatArray  # signed, without the continuity correction
    codes: CodeArray


def cochran_mantel_haenszel(tables: StratifiedTables, *, corrected: bool = False) -> StratifiedTests:
    """Cochran, Mantel and Haenszel's chi-square on 1 df, eq. (ST-1); ``corrected`` for continuity, by a half.

    Valid with few large strata and with many small ones. Source: Mantel and Haenszel (1959) J Natl Cancer Inst 22:719.
    """
    n, m = tables.total, tables.events_control + tables.events_experimental
    expected = tables.n_experimental * m / n
    spread = tables.n_experimental * tables.n_control * m * (n - m) / (n**2 * np.maximum(n - 1.0, 1.0))
    excess, variance = (tables.events_experimental - expected).sum(axis=1), spread.sum(axis=1)
    codes = tables.codes.copy()
    mark(codes, variance <= 0.0, FitCode.NOT_ESTIMABLE)
    variance = np.where(variance > 0.0, variance, np.nan)
    z = excess / np.sqrt(variance)
    # The correction takes no more away than there is.
    held = np.maximum(np.abs(excess) - 0.5, 0.0) if corrected else excess
    held = np.where(np.abs(excess) < 0.5, np.abs(excess), held) if corrected else held
    statistic = held**2 / variance
    return StratifiedTests(statistic, np.ones_like(statistic), chi_square_p(statistic, 1.0), z, codes)


def mantel_haenszel_difference(tables: StratifiedTables, *, level: float = 0.95) -> StratifiedEffects:
    """Mantel-Haenszel risk difference with Sato's variance, eqs. (ST-2), (ST-3), and Wald limits.

    The variance is right with few large strata and with many small ones. Strata without events count. Where nothing
    varies the estimate stands without an error (ERROR_UNKNOWN). Limits may lie beyond -1 and 1.

    Source: Sato (1989) Biometrics 45:1323; Greenland and Robins (1985) Biometrics 41:55.
    """
    estimate = weighted_difference(tables)
    x0, n0, x1, n1, n = *_counts(tables), tables.total
    p = (n1**2 * x0 - n0**2 * x1 + n1 * n0 * (n0 - n1) / 2.0) / n**2
    q = (x1 * (n0 - x0) + x0 * (n1 - x1)) / (2.0 * n)
    with np.errstate(invalid="ignore", divide="ignore"):
        variance = (estimate * p.sum(axis=1) + q.sum(axis=1)) / tables.weights.sum(axis=1) ** 2
    return _wald(tables, estimate, variance, "risk_difference", level)


def weighted_difference(tables: StratifiedTables) -> FloatArray:
    """(n_trials,) differences of risks averaged with Mantel and Haenszel's weights, eq. (ST-2)."""
    p0, p1 = tables.risks()
    return np.asarray((tables.shares * (p1 - p0)).sum(axis=1))


def greenland_robins_error(tables: StratifiedTables) -> FloatArray:
    """(n_trials,) the standard error of the Mantel-Haenszel difference for few large strata, eq. (ST-4)."""
    (p0, p1), shares = tables.risks(), tables.shares
    n0, n1 = (np.where(n > 0, n, 1.0) for n in (tables.n_control, tables.n_experimental))
    return np.asarray(np.sqrt((shares**2 * (p1 * (1.0 - p1) / n1 + p0 * (1.0 - p0) / n0)).sum(axis=1)))


def mantel_haenszel_ratio(tables: StratifiedTables, *, level: float = 0.95) -> StratifiedEffects:
    """Mantel-Haenszel risk ratio with Greenland and Robins's variance of its logarithm, eqs. (ST-5), (ST-6).

    With no event in one arm the ratio is 0 or infinite and has no limits here. Source: Greenland and Robins (1985)
    Biometrics 41:55.
    """
    x0, n0, x1, n1, n = *_counts(tables), tables.total
    above, below = (x1 * n0 / n).sum(axis=1), (x0 * n1 / n).sum(axis=1)
    part = ((n1 * n0 * (x1 + x0) - x1 * x0 * n) / n**2).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return _wald(tables, above / below, part / (above * below), "risk_ratio", level)


def mantel_haenszel_odds_ratio(tables: StratifiedTables, *, level: float = 0.95) -> StratifiedEffects:
    """Mantel-Haenszel odds ratio with Robins, Breslow and Greenland's variance of its logarithm, eqs. (ST-7), (ST-8).

    Where one of its two sums is 0 it is 0 or infinite and has no limits here. Source: Robins, Breslow and Greenland
    (1986) Biometrics 42:311.
    """
    x0, n0, x1, n1, n = *_counts(tables), tables.total
    r, s = x1 * (n0 - x0) / n, x0 * (n1 - x1) / n
    p, q = (x1 + n0 - x0) / n, (x0 + n1 - x1) / n
    above, below = r.sum(axis=1), s.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        variance = (
            (p * r).sum(axis=1) / (2.0 * above**2)
            + (p * s + q * r).sum(axis=1) / (2.0 * above * below)
            + (q * s).sum(axis=1) / (2.0 * below**2)
        )
        return _wald(tables, above / below, variance, "odds_ratio", level)


def _wald(
    tables: StratifiedTables, estimate: FloatArray, variance: FloatArray, scale: str, level: float
) -> StratifiedEffects:
    """The effect with normal limits, on the logarithm for ratios; what cannot be told is coded."""
    codes = tables.codes.copy()
    is_ratio = scale != "risk_difference"
    gone = np.isnan(estimate) | has(codes, FitCode.NOT_ESTIMABLE)
    mark(codes, gone, FitCode.NOT_ESTIMABLE)
    at_end = ~gone & is_ratio & ((estimate == 0.0) | np.isinf(estimate))
    mark(codes, at_end, FitCode.ZERO_CELL | FitCode.LIMIT_NOT_FOUND)
    known = ~gone & ~at_end & (variance > 1e-14)
    mark(codes, ~gone & ~at_end & ~known, FitCode.ERROR_UNKNOWN)
    value = np.where(gone, np.nan, estimate)
    error = np.sqrt(np.where(known, variance, np.nan))
    z = normal_quantile(level)
    with np.errstate(divide="ignore", invalid="ignore"):
        centre = np.log(value) if is_ratio else value
        lower, upper = centre - z * error, centre + z * error
        p = two_sided_p(np.where(known, centre, np.nan) / error)
    if is_ratio:
        lower, upper = np.exp(lower), np.exp(upper)
    return StratifiedEffects(value, error, lower, upper, p, scale, level, codes)


def stratified_wilson(tables: StratifiedTables, z: float | FloatArray) -> tuple[Limits, Limits]:
    """Yan and Su's score limits of each arm's weighted risk, control first, eq. (ST-9); one quantile ``z`` a trial."""
    shares = tables.shares
    quantile = np.broadcast_to(np.asarray(z, dtype=np.float64), shares.shape[:1])[:, None]
    out = []
    for x, n, p in zip((tables.events_control, tables.events_experimental), _sizes(tables), tables.risks()):
        spread = p * (1.0 - p) / n
        # Where nothing varies in any stratum the common factor cancels, and the sizes alone weigh.
        spread = np.where((shares * spread > 0).any(axis=1, keepdims=True), spread, 1.0 / n)
        with np.errstate(invalid="ignore", divide="ignore"):
            part = np.sqrt((shares**2 * spread).sum(axis=1)) / (shares * np.sqrt(spread)).sum(axis=1)
        _, lower, upper = wilson_limits(x, n, quantile * part[:, None])
        out.append(tuple(np.asarray((shares * v).sum(axis=1)) for v in (p, lower, upper)))
    return out[0], out[1]  # type: ignore[return-value]


def stratified_newcombe(tables: StratifiedTables, *, level: float = 0.95) -> StratifiedEffects:
    """Weighted difference with Newcombe's limits over strata, eq. (ST-10); with one stratum Newcombe's own.

    Source: Yan and Su (2010) Stat Biopharm Res 2:329; Newcombe (1998) Stat Med 17:873.
    """
    estimate, lower, upper = _newcombe(tables, normal_quantile(level))
    codes = tables.codes.copy()
    gone = has(codes, FitCode.NOT_ESTIMABLE)
    lower, upper, estimate = (np.where(gone, np.nan, v) for v in (lower, upper, estimate))
    error = mantel_haenszel_difference(tables).standard_error
    nothing = np.full_like(estimate, np.nan)
    return StratifiedEffects(estimate, error, lower, upper, nothing, "risk_difference", level, codes)


def _newcombe(tables: StratifiedTables, z: float | FloatArray) -> Limits:
    (p0, low0, high0), (p1, low1, high1) = stratified_wilson(tables, z)
    n0, n1 = _sizes(tables)
    a0, a1 = ((tables.shares**2 / n).sum(axis=1) for n in (n0, n1))
    down = z * np.sqrt(np.maximum(a1 * low1 * (1.0 - low1) + a0 * high0 * (1.0 - high0), 0.0))
    up = z * np.sqrt(np.maximum(a1 * high1 * (1.0 - high1) + a0 * low0 * (1.0 - low0), 0.0))
    return p1 - p0, p1 - p0 - down, p1 - p0 + up


def stratified_newcombe_test(tables: StratifiedTables, value: float) -> FloatArray:
    """(n_trials,) one-sided p of a difference above ``value``: the level at which its limit meets it, (NI-4)."""
    p = p_by_limits(lambda z: _newcombe(tables, z), value, tables.codes.shape[0])
    return np.where(has(tables.codes, FitCode.NOT_ESTIMABLE), np.nan, p)


def square_and_add(tables: StratifiedTables, *, level: float = 0.95) -> Limits:
    """Weighted difference with each stratum's own Newcombe limits squared and added, eq. (ST-11).

    Wider than Yan and Su's where strata are several; given under its own name.
    """
    z, shares = normal_quantile(level), tables.shares
    n0, n1 = _sizes(tables)
    p0, low0, high0 = wilson_limits(tables.events_control, n0, z)
    p1, low1, high1 = wilson_limits(tables.events_experimental, n1, z)
    down = np.sqrt((shares**2 * ((p1 - low1) ** 2 + (high0 - p0) ** 2)).sum(axis=1))
    up = np.sqrt((shares**2 * ((high1 - p1) ** 2 + (p0 - low0) ** 2)).sum(axis=1))
    estimate = weighted_difference(tables)
    return estimate, estimate - down, estimate + up


def stratified_score(tables: StratifiedTables, value: ArrayLike) -> FloatArray:
    """(n_trials,) signed score statistic of a weighted difference of ``value``, eq. (ST-12).

    Restricted risks and the factor N / (N - 1) in each stratum. Its square at 0 is Cochran, Mantel and Haenszel's.

    Source: Miettinen and Nurminen (1985) Stat Med 4:213, with Mantel and Haenszel's weights.
    """
    stated = np.broadcast_to(np.asarray(value, dtype=np.float64), tables.codes.shape)
    n0, n1 = _sizes(tables)
    shares, n = tables.shares, tables.total
    with np.errstate(invalid="ignore", divide="ignore"):
        r0, r1 = restricted_difference(
            tables.events_control, n0, tables.events_experimental, n1, np.broadcast_to(stated[:, None], shares.shape)
        )
        spread = (r1 * (1.0 - r1) / n1 + r0 * (1.0 - r0) / n0) * n / np.maximum(n - 1.0, 1.0)
        variance = (shares**2 * np.where(shares > 0, spread, 0.0)).sum(axis=1)
        distance = weighted_difference(tables) - stated
        z = distance / np.sqrt(np.maximum(variance, 0.0))
    return np.asarray(np.where(np.isnan(z) & (np.abs(distance) < 1e-12), 0.0, z))


def stratified_score_difference(tables: StratifiedTables, *, level: float = 0.95) -> StratifiedEffects:
    """Weighted difference with the limits that invert (ST-12), and its p value; with one stratum the plain ones."""
    z, estimate = normal_quantile(level), weighted_difference(tables)
    codes = tables.codes.copy()
    gone = has(codes, FitCode.NOT_ESTIMABLE)
    inside = np.where(gone, 0.0, estimate)

    def score(value: FloatArray) -> FloatArray:
        return np.nan_to_num(stratified_score(tables, value), nan=0.0, posinf=1e300, neginf=-1e300)

    one = np.ones_like(inside)
    lower = find_zeros(lambda d: z - score(d), -one, inside)
    upper = find_zeros(lambda d: -z - score(d), inside, one)
    lower, upper = np.where(inside == -1.0, -1.0, lower), np.where(inside == 1.0, 1.0, upper)
    # Nothing to test when everybody has the same outcome: the score is 0 / 0.
    p = np.where(has(codes, FitCode.CONSTANT_OUTCOME), 1.0, two_sided_p(stratified_score(tables, 0.0)))
    error = mantel_haenszel_difference(tables).standard_error
    value, error, lower, upper, p = (np.where(gone, np.nan, v) for v in (estimate, error, lower, upper, p))
    return StratifiedEffects(value, error, lower, upper, p, "risk_difference", level, codes)


def stratified_score_tails(tables: StratifiedTables, value: float) -> tuple[FloatArray, FloatArray]:
    """One-sided p values of a difference above ``value``, and below it, by (ST-12)."""
    z = np.where(has(tables.codes, FitCode.NOT_ESTIMABLE), np.nan, stratified_score(tables, value))
    return special.ndtr(-z), special.ndtr(z)


def _counts(tables: StratifiedTables) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    return tables.events_control, tables.n_control, tables.events_experimental, tables.n_experimental


def _sizes(tables: StratifiedTables) -> tuple[FloatArray, FloatArray]:
    """Sizes of control and experimental in each stratum, 1 where it has no weight."""
    n0, n1 = (np.where(n > 0, n, 1.0) for n in (tables.n_control, tables.n_experimental))
    return n0, n1
