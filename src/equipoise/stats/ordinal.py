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

    offsets = np.ascontiguousarray(trial_offsets, dtype=np.int64)
    given = np.asarray(y, dtype=np.float64)
    x = np.ascontiguousarray(design, dtype=np.float64)
    n_trials = offsets.shape[0] - 1
    codes = np.zeros(n_trials, dtype=np.uint32)
    strange = ~(np.isfinite(given) & (given >= 0) & (given % 1 == 0)) | ~np.isfinite(x).all(axis=1)
    rows = trial_of_row(offsets)
    mark(codes, np.unique(rows[strange]), FitCode.NON_FINITE_INPUT | FitCode.NOT_ESTIMABLE)
    compact, n_levels, counts = _categories(np.where(strange, 0.0, given).astype(np.int64), offsets)
    mark(codes, np.diff(offsets) == 0, FitCode.TOO_FEW_PARTICIPANTS | FitCode.NOT_ESTIMABLE)
    mark(codes, (n_levels < 2) & (np.diff(offsets) > 0), FitCode.CONSTANT_OUTCOME | FitCode.NOT_ESTIMABLE)
    varies = _varies(np.where(strange, 0.0, x[:, 0]), offsets)
    mark(codes, ~varies & (np.diff(offsets) > 0), FitCode.ONE_ARM_ONLY | FitCode.NOT_ESTIMABLE)
    wanted = (codes & np.uint32(int(FitCode.NOT_ESTIMABLE))) == 0
    size = int(max(2, n_levels.max(initial=2))) - 1 + x.shape[1]
    begin = _start(counts, n_levels, size)

    class Run:
        """Fits of all trials from the same start: free, or with the first coefficient held."""

        def __init__(self, fixed: int, value: FloatArray | None, chosen: BoolArray, from_: FloatArray) -> None:
            self.theta = from_.copy()
            if value is not None:
                self.theta[np.arange(n_trials), np.maximum(n_levels - 1, 1)] = value
            self.variance = np.full((n_trials, size), np.nan)
            self.log_likelihood = np.full(n_trials, np.nan)
            self.quality = np.full((n_trials, kernels.N_QUALITY), np.nan)

            def part(first: int, stop: int) -> None:
                kernels.maximise_ordinal_range(
                    compact, x, offsets, n_levels, chosen, fixed, first, stop,
                    self.theta, self.variance, self.log_likelihood, self.quality,
                )  # fmt: skip

            run_over_trials(part, n_trials, threads=threads)
            fine = self.quality[:, kernels.STATUS] == kernels.CONVERGED
            self.log_likelihood[~fine] = np.nan

    free = Run(-1, None, wanted, begin)
    status = free.quality[:, kernels.STATUS]
    mark(codes, wanted & (status == kernels.SINGULAR), FitCode.RANK_DEFICIENT | FitCode.NOT_ESTIMABLE)
    mark(codes, wanted & (status == kernels.STOPPED), FitCode.NOT_CONVERGED | FitCode.NOT_ESTIMABLE)
    mark(codes, wanted & (free.quality[:, kernels.DROPPED] > 0), FitCode.NUISANCE_LEFT_OUT)
    wanted = wanted & (status == kernels.CONVERGED)
    at = np.maximum(n_levels - 1, 1)
    every = np.arange(n_trials)
    coefficient = np.where(wanted, free.theta[every, at], np.nan)
    top = free.log_likelihood.copy()
    doubtful = wanted & (free.quality[:, kernels.PREDICTOR] > 12.0)
    way = np.sign(coefficient)
    if doubtful.any():
        further = Run(0, coefficient + _FURTHER * way, doubtful, free.theta)
        apart = doubtful & (top - further.log_likelihood < _NOTHING_LOST)
        mark(codes, doubtful & ~apart, FitCode.SEPARATION_QUASI)  # of a covariate: the effect asked about is finite
        mark(codes, apart, FitCode.SEPARATION_COMPLETE)
    else:
        apart = np.zeros(n_trials, dtype=np.bool_)
    none = Run(0, np.zeros(n_trials), wanted, begin)
    chi_square = np.where(wanted, np.maximum(2.0 * (top - none.log_likelihood), 0.0), np.nan)
    error = np.where(wanted & ~apart, np.sqrt(free.variance[every, at]), np.nan)

    def profile(value: FloatArray, asked: BoolArray) -> tuple[FloatArray, FloatArray]:
        held = Run(0, np.where(asked, value, 0.0), asked, np.where(apart[:, None], begin, free.theta))
        return held.log_likelihood, held.quality[:, kernels.SLOPE]

    z = float(special.ndtri(0.5 + level / 2))
    first_step = np.where(apart, 2.0, np.where(wanted, z * error, 0.0))
    first_step = np.where(np.isfinite(first_step), first_step, 0.0)
    limits = []
    for side in (-1.0, 1.0):
        asked = wanted & (~apart | (way == -side))
        # An infinite coefficient is looked back from: its limit is searched for from no effect on.
        middle = np.where(wanted & ~apart, coefficient, 0.0)
        start = SearchStart(middle, ~apart, np.where(asked, side * first_step, 0.0))
        limit = search_limit(profile, top, z, start)
        limits.append(np.where(apart & (way == side), side * np.inf, limit))
        mark(codes, asked & ~np.isfinite(limit), FitCode.LIMIT_NOT_FOUND)
    chi = np.full(n_trials, np.nan)
    df = np.zeros(n_trials, dtype=np.int64)
    tested = wanted & ~doubtful

    def proportionality(first: int, stop: int) -> None:
        kernels.proportionality_range(x, offsets, compact, n_levels, tested, first, stop, free.theta, chi, df)

    run_over_trials(proportionality, n_trials, threads=threads)
    places = at[:, None] + np.arange(x.shape[1])
    thresholds = np.where(np.arange(size - x.shape[1]) < at[:, None], free.theta[:, : size - x.shape[1]], np.nan)
    others = np.where(wanted[:, None], np.take_along_axis(free.theta, places, axis=1), np.nan)
    return ProportionalOdds(
        coefficient=np.where(apart, np.copysign(np.inf, way), coefficient),
        standard_error=error,
        ci_lower=limits[0],
        ci_upper=limits[1],
        chi_square=chi_square,
        p_value=special.chdtrc(1.0, chi_square),
        log_likelihood=np.where(wanted, top, np.nan),
        thresholds=np.where(wanted[:, None], thresholds, np.nan),
        others=others[:, 1:],
        standard_errors=np.where(wanted[:, None], np.sqrt(np.take_along_axis(free.variance, places, axis=1)), np.nan),
        proportionality=chi,
        proportionality_df=df,
        codes=codes,
    )


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
