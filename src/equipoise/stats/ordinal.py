"""Ordered categories: proportional odds regression and the rank sum test. Methods: ``docs/methods/ordinal.md``.

>>> import numpy as np
>>> from equipoise.stats.ordinal import fit_proportional_odds
>>> fits = fit_proportional_odds([0, 0, 1, 2, 0, 1, 2, 2], np.repeat([[0.0], [1.0]], 4, axis=0), [0, 8])
>>> round(float(fits.coefficient[0]), 3)
1.324
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from equipoise.stats.codes import FitCode, mark
from equipoise.stats.packing import FloatArray, IntArray, run_over_trials, trial_of_row
from equipoise.stats.profile_search import SearchStart, search_limit
from equipoise.stats.wald import BoolArray, CodeArray

# At this many units further on a coefficient that is finite has lost likelihood, and one that is not has not.
_FURTHER, _NOTHING_LOST = 8.0, 1e-5
_PREDICTOR_DOUBTFUL = 12.0


@dataclass(frozen=True)
class ProportionalOdds:
    """Proportional odds fits, one a trial; NaN where ``codes`` say not estimable.

    ``coefficient`` is the log of the common odds ratio of the first column: above 0 means higher categories. It is
    infinite where no higher category is shared; the limit on the other side is then finite. ``thresholds`` are those
    of the categories that the trial has, in order, NaN behind them.
    """

    coefficient: FloatArray  # (n_trials,)
    standard_error: FloatArray  # observed information
    ci_lower: FloatArray  # profile likelihood
    ci_upper: FloatArray
    chi_square: FloatArray  # likelihood ratio, 1 df
    p_value: FloatArray
    log_likelihood: FloatArray
    thresholds: FloatArray  # (n_trials, n_categories - 1)
    others: FloatArray  # (n_trials, n_columns - 1) the other coefficients
    standard_errors: FloatArray  # (n_trials, n_columns) of all coefficients
    proportionality: FloatArray  # chi-square of the score test that the coefficient is the same at every threshold
    proportionality_df: IntArray
    codes: CodeArray


@dataclass(frozen=True)
class _Trials:
    """The rows of a batch, categories without those that nobody of a trial has, and where its fits begin."""

    y: IntArray
    x: FloatArray
    offsets: IntArray
    n_levels: IntArray
    begin: FloatArray
    threads: int | None

    @property
    def data(self) -> tuple[IntArray, FloatArray, IntArray, IntArray]:
        """The rows as kernels take them."""
        return self.y, self.x, self.offsets, self.n_levels

    @property
    def at(self) -> IntArray:
        """(n_trials,) place of the first coefficient among the parameters."""
        return np.maximum(self.n_levels - 1, 1)

    def maximise(self, fixed: int, value: FloatArray | None, wanted: BoolArray, start: FloatArray) -> _Maximum:
        """The maximum of each wanted trial from ``start``, free (-1) or with the first coefficient held at a value."""
        from equipoise.stats.kernels import ordinal as kernels

        n_trials, size = self.begin.shape
        theta, variance = start.copy(), np.full((n_trials, size), np.nan)
        if value is not None:
            theta[np.arange(n_trials), self.at] = value
        top, quality = np.full(n_trials, np.nan), np.full((n_trials, kernels.N_QUALITY), np.nan)

        def part(first: int, stop: int) -> None:
            results = (theta, variance, top, quality)
            kernels.maximise_ordinal_range(self.data, wanted, fixed, first, stop, results)

        run_over_trials(part, n_trials, threads=self.threads)
        top[quality[:, kernels.STATUS] != kernels.CONVERGED] = np.nan
        return _Maximum(theta, variance, top, quality)


@dataclass(frozen=True)
class _Maximum:
    theta: FloatArray
    variance: FloatArray
    log_likelihood: FloatArray
    quality: FloatArray


def fit_proportional_odds(
    y: ArrayLike,
    design: ArrayLike,
    trial_offsets: ArrayLike,
    *,
    level: float = 0.95,
    threads: int | None = None,
) -> ProportionalOdds:
    """Maximum likelihood of P(Y <= j) = logistic(threshold_j - x b), eqs. (PO-1) to (PO-5).

    ``y`` (n,) categories as whole numbers in their order, from 0; one that nobody of a trial has is no category there.
    ``design`` (n, p) without a constant, the column asked about first. ``trial_offsets`` (n_trials + 1,).
    """
    from equipoise.stats.kernels import ordinal as kernels

    trials, codes = _read(y, design, trial_offsets, threads)
    n_trials, at, size = codes.shape[0], trials.at, trials.begin.shape[1]
    every = np.arange(n_trials)
    wanted = (codes & np.uint32(int(FitCode.NOT_ESTIMABLE))) == 0
    free = trials.maximise(-1, None, wanted, trials.begin)
    status = free.quality[:, kernels.STATUS]
    mark(codes, wanted & (status == kernels.SINGULAR), FitCode.RANK_DEFICIENT | FitCode.NOT_ESTIMABLE)
    mark(codes, wanted & (status == kernels.STOPPED), FitCode.NOT_CONVERGED | FitCode.NOT_ESTIMABLE)
    mark(codes, wanted & (free.quality[:, kernels.DROPPED] > 0), FitCode.NUISANCE_LEFT_OUT)
    wanted = wanted & (status == kernels.CONVERGED)
    coefficient = np.where(wanted, free.theta[every, at], np.nan)
    top = free.log_likelihood
    doubtful = wanted & (free.quality[:, kernels.PREDICTOR] > _PREDICTOR_DOUBTFUL)
    apart = np.zeros(n_trials, dtype=np.bool_)
    if doubtful.any():
        further = trials.maximise(0, coefficient + _FURTHER * np.sign(coefficient), doubtful, free.theta)
        apart = doubtful & (top - further.log_likelihood < _NOTHING_LOST)
        mark(codes, doubtful & ~apart, FitCode.SEPARATION_QUASI)  # of a covariate: the effect asked about is finite
        mark(codes, apart, FitCode.SEPARATION_COMPLETE)
    none = trials.maximise(0, np.zeros(n_trials), wanted, trials.begin)
    chi_square = np.where(wanted, np.maximum(2.0 * (top - none.log_likelihood), 0.0), np.nan)
    error = np.where(wanted & ~apart, np.sqrt(free.variance[every, at]), np.nan)
    lower, upper = _limits(trials, free, coefficient, error, apart, level)
    for side, limit in ((-1.0, lower), (1.0, upper)):
        mark(codes, wanted & np.isnan(limit) & ~(apart & (np.sign(coefficient) == side)), FitCode.LIMIT_NOT_FOUND)
    score, df = _proportionality(trials, wanted & ~doubtful, free.theta)
    places = at[:, None] + np.arange(trials.x.shape[1])
    m = size - trials.x.shape[1]
    thresholds = np.where((np.arange(m) < at[:, None]) & wanted[:, None], free.theta[:, :m], np.nan)
    return ProportionalOdds(
        coefficient=np.where(apart, np.copysign(np.inf, coefficient), coefficient),
        standard_error=error,
        ci_lower=lower,
        ci_upper=upper,
        chi_square=chi_square,
        p_value=special.chdtrc(1.0, chi_square),
        log_likelihood=np.where(wanted, top, np.nan),
        thresholds=thresholds,
        others=np.where(wanted[:, None], np.take_along_axis(free.theta, places, axis=1), np.nan)[:, 1:],
        standard_errors=np.where(wanted[:, None], np.sqrt(np.take_along_axis(free.variance, places, axis=1)), np.nan),
        proportionality=score,
        proportionality_df=df,
        codes=codes,
    )


def signed_root_at(
    y: ArrayLike, design: ArrayLike, trial_offsets: ArrayLike, value: float, *, threads: int | None = None
) -> FloatArray:
    """(n_trials,) signed root of the likelihood ratio of a log odds ratio, above 0 where the estimate lies above it.

    Beyond a normal quantile exactly where the profile limit excludes the value. NaN where not estimable.
    """
    trials, codes = _read(y, design, trial_offsets, threads)
    wanted = (codes & np.uint32(int(FitCode.NOT_ESTIMABLE))) == 0
    free = trials.maximise(-1, None, wanted, trials.begin)
    held = trials.maximise(0, np.full(codes.shape[0], value), wanted, trials.begin)
    fall = np.maximum(2.0 * (free.log_likelihood - held.log_likelihood), 0.0)
    above = free.theta[np.arange(codes.shape[0]), trials.at] > value
    return np.asarray(np.where(above, 1.0, -1.0) * np.sqrt(fall))


def _read(y: ArrayLike, design: ArrayLike, trial_offsets: ArrayLike, threads: int | None) -> tuple[_Trials, CodeArray]:
    """The batch as the kernels take it, and a code for each trial that cannot be fitted."""
    offsets = np.ascontiguousarray(trial_offsets, dtype=np.int64)
    given = np.asarray(y, dtype=np.float64)
    x = np.ascontiguousarray(design, dtype=np.float64)
    codes = np.zeros(offsets.shape[0] - 1, dtype=np.uint32)
    with np.errstate(invalid="ignore"):
        strange = ~(np.isfinite(given) & (given >= 0) & (given % 1 == 0)) | ~np.isfinite(x).all(axis=1)
    mark(codes, np.unique(trial_of_row(offsets)[strange]), FitCode.NON_FINITE_INPUT | FitCode.NOT_ESTIMABLE)
    compact, n_levels, counts = _categories(np.where(strange, 0.0, given).astype(np.int64), offsets)
    there = np.diff(offsets) > 0
    mark(codes, ~there, FitCode.TOO_FEW_PARTICIPANTS | FitCode.NOT_ESTIMABLE)
    mark(codes, (n_levels < 2) & there, FitCode.CONSTANT_OUTCOME | FitCode.NOT_ESTIMABLE)
    varies = _varies(np.where(strange, 0.0, x[:, 0]), offsets)
    mark(codes, ~varies & there, FitCode.ONE_ARM_ONLY | FitCode.NOT_ESTIMABLE)
    size = int(max(2, n_levels.max(initial=2))) - 1 + x.shape[1]
    return _Trials(compact, x, offsets, n_levels, _start(counts, n_levels, size), threads), codes


def _limits(
    trials: _Trials,
    free: _Maximum,
    coefficient: FloatArray,
    error: FloatArray,
    apart: BoolArray,
    level: float,
) -> tuple[FloatArray, FloatArray]:
    """Limits of the profile likelihood; of an infinite coefficient the one that is finite, eq. (PO-4)."""
    from equipoise.stats.kernels import ordinal as kernels

    start_of = np.where(apart[:, None], trials.begin, free.theta)

    def profile(value: FloatArray, asked: BoolArray) -> tuple[FloatArray, FloatArray]:
        held = trials.maximise(0, np.where(asked, value, 0.0), asked, start_of)
        return held.log_likelihood, held.quality[:, kernels.SLOPE]

    z = float(special.ndtri(0.5 + level / 2))
    first = np.where(apart, 2.0, np.where(np.isfinite(error), z * error, 0.0))
    # An infinite coefficient is looked back from: its limit is searched for from no effect on.
    middle = np.where(np.isfinite(error) & ~apart, coefficient, 0.0)
    out = []
    for side in (-1.0, 1.0):
        open_end = apart & (np.sign(coefficient) == side)
        step = np.where(open_end, 0.0, side * first)
        limit = search_limit(profile, free.log_likelihood, z, SearchStart(middle, ~apart, step))
        out.append(np.where(open_end, side * np.inf, limit))
    return out[0], out[1]


def _proportionality(trials: _Trials, wanted: BoolArray, theta: FloatArray) -> tuple[FloatArray, IntArray]:
    """The score test of one coefficient at every threshold, and its degrees of freedom."""
    from equipoise.stats.kernels import ordinal as kernels

    n_trials = wanted.shape[0]
    chi_square, df = np.full(n_trials, np.nan), np.zeros(n_trials, dtype=np.int64)

    def part(first: int, stop: int) -> None:
        kernels.proportionality_range(trials.data, wanted, first, stop, theta, chi_square, df)

    run_over_trials(part, n_trials, threads=trials.threads)
    return chi_square, df


def _categories(y: IntArray, offsets: IntArray) -> tuple[IntArray, IntArray, IntArray]:
    """Categories of each trial without those that nobody has: (n,) new numbers, (n_trials,) how many, and counts."""
    n_trials, most = offsets.shape[0] - 1, int(y.max(initial=0)) + 1
    rows = trial_of_row(offsets)
    counts = np.zeros((n_trials, most), dtype=np.int64)
    np.add.at(counts, (rows, y), 1)
    there = counts > 0
    number = np.cumsum(there, axis=1) - 1
    packed = np.zeros_like(counts)
    trial, category = np.nonzero(there)
    packed[trial, number[trial, category]] = counts[trial, category]
    return np.ascontiguousarray(number[rows, y]), there.sum(axis=1), packed


def _start(counts: IntArray, n_levels: IntArray, size: int) -> FloatArray:
    """Thresholds at the cumulative proportions, coefficients at 0."""
    theta = np.zeros((counts.shape[0], size))
    total = np.maximum(counts.sum(axis=1, keepdims=True), 1)
    below = np.cumsum(counts, axis=1) / total
    m = min(size, counts.shape[1])
    inside = np.arange(m) < (n_levels - 1)[:, None]
    theta[:, :m] = np.where(inside, special.logit(np.where(inside, below[:, :m], 0.5)), 0.0)
    return theta


def _varies(values: FloatArray, offsets: IntArray) -> BoolArray:
    filled = np.flatnonzero(np.diff(offsets) > 0)
    out = np.zeros(offsets.shape[0] - 1, dtype=np.bool_)
    if filled.size:
        low = np.minimum.reduceat(values, offsets[filled])
        out[filled] = np.maximum.reduceat(values, offsets[filled]) > low
    return out


@dataclass(frozen=True)
class RankSums:
    """Wilcoxon's rank sum test with ties, without a correction for continuity; NaN where an arm has nobody."""

    u_statistic: FloatArray  # (n_trials,) pairs in which the experimental participant is above, half of the ties
    probability: FloatArray  # that share of the pairs
    z: FloatArray
    p_value: FloatArray


def rank_sum_test(y: ArrayLike, experimental: ArrayLike, trial_offsets: ArrayLike) -> RankSums:
    """Ranks of two arms, eq. (PO-6); ``y`` (n,) whole numbers from 0, ``experimental`` (n,) 0 or 1."""
    offsets = np.asarray(trial_offsets, dtype=np.int64)
    values, arm = np.asarray(y, dtype=np.int64), np.asarray(experimental) == 1
    rows, n_trials = trial_of_row(offsets), offsets.shape[0] - 1
    counts: NDArray[np.float64] = np.zeros((2, n_trials, int(values.max(initial=0)) + 1))
    np.add.at(counts, (arm.astype(np.int64), rows, values), 1.0)
    n0, n1 = counts.sum(axis=2)
    below = np.cumsum(counts[0], axis=1) - counts[0]
    u = (counts[1] * (below + 0.5 * counts[0])).sum(axis=1)
    n, ties = n0 + n1, counts.sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = n0 * n1 / 12.0 * (n + 1.0 - (ties**3 - ties).sum(axis=1) / (n * (n - 1.0)))
        z = np.where(variance > 0, (u - 0.5 * n0 * n1) / np.sqrt(variance), np.nan)
        return RankSums(u, u / (n0 * n1), z, 2.0 * special.ndtr(-np.abs(z)))
