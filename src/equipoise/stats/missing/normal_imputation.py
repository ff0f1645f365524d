"""Multiple imputation of repeated scores, at random or by reference. Methods: ``docs/methods/reference_based.md``.

Scores of a participant are multivariate normal around means by visit and arm. Written as one regression a visit on the
scores before it, the posterior distribution is drawn exactly; what is missing is drawn given everything that was seen.

>>> import numpy as np
>>> from equipoise.stats.missing.normal_imputation import impute_normal
>>> scores = np.array([[1.0, 2.0], [2.0, 3.5], [3.0, np.nan], [0.5, 1.0], [2.5, 3.0], [1.5, 2.5]])
>>> made = impute_normal(scores, np.ones((6, 1)), imputations=4, seed=1)
>>> made.values.shape, bool(np.isfinite(made.values).all())
((4, 6, 2), True)
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from equipoise.foundation.seeds import require_seed
from equipoise.stats.codes import FitCode
from equipoise.stats.kernels.normal_imputation import FEW, REACH, ScoredPlan, ScoredSets, ScoredTrials, impute_range
from equipoise.stats.missing.designs import prepare_design
from equipoise.stats.missing.multiple_imputation import MAX_VISITS, as_replicates, sweeps_needed
from equipoise.stats.missing.reference_based import STRATEGIES, weights_of_means
from equipoise.stats.packing import (
    FloatArray,
    IntArray,
    any_by_trial,
    rows_of_trials,
    run_over_trials,
    single_trial,
    sum_by_trial,
    trial_of_row,
)
from equipoise.stats.wald import CodeArray, as_complete_design, as_offsets


@dataclass(frozen=True, slots=True)
class NormalImputations:
    """M completed data sets of n participants and V visits."""

    values: FloatArray
    """(M, n, V)"""
    missing: NDArray[np.bool_]
    """(n, V): the imputed cells."""
    means: FloatArray
    """(M, q, V): drawn coefficients of the visit means on the design."""
    covariance: FloatArray
    """(M, V, V): drawn covariance of the visits."""
    sweeps: int
    codes: CodeArray
    """(M,)"""


@dataclass(frozen=True, slots=True)
class NormalTrialImputations:
    """M completed data sets of each of T trials packed end to end, N participants in all."""

    values: FloatArray
    """(M, N, V)"""
    means: FloatArray
    """(T, M, q, V)"""
    covariance: FloatArray
    """(T, M, V, V)"""
    sweeps: IntArray
    """(T,)"""
    codes: CodeArray
    """(T, M)"""


def impute_normal(
    values: ArrayLike,
    design: ArrayLike,
    *,
    imputations: int,
    seed: int,
    replicate: int = 0,
    first: int = 0,
    delta: ArrayLike | None = None,
    strategy: str = "at-random",
    arm_column: int | None = None,
    sweeps: int | None = None,
    threads: int | None = None,
) -> NormalImputations:
    """Impute repeated scores ``imputations`` times, eq. (MI-6) to (MI-9).

    Parameters
    ----------
    values : (n, V) scores in the order of visits, NaN where missing.
    design : (n, q) ones, arm, baseline variables; each visit has coefficients of its own on every column.
    imputations, first, seed, replicate : as in :func:`~equipoise.stats.missing.multiple_imputation.impute_binary`.
    delta : (n,) added to a participant's imputed scores, each by itself, after they have been drawn.
    strategy : what is assumed after the last score seen: ``at-random``, ``jump-to-reference``, ``copy-reference`` or
        ``copy-increments``, eq. (RB-1) to (RB-4). Gaps before it are always at random.
    arm_column : the column of the design that is 0 in the reference arm; needed by a reference-based strategy.
    sweeps : of data augmentation; 1 where nobody has a gap, otherwise ten, by default.
    threads : how many; the result does not depend on it.

    Assumes normal scores with one covariance for both arms. A visit with hardly more rows than coefficients is held by
    a small ridge and coded. A visit at which nobody has a score says nothing and stays NaN, also in means and
    covariance. Raises ValueError when shapes disagree or the design is incomplete.

    Source: Schafer (1997), sections 5.3 and 6.5; Carpenter, Roger, Kenward (2013), J Biopharm Stat 23:1352.
    """
    y = np.array(values, dtype=np.float64)
    if y.ndim != 2:
        raise ValueError("values must be (participants, visits)")
    made = impute_normal_trials(
        y,
        design,
        single_trial(y.shape[0]),
        imputations=imputations,
        seed=seed,
        replicates=np.array([replicate]),
        first=first,
        delta=delta,
        strategy=strategy,
        arm_column=arm_column,
        sweeps=sweeps,
        threads=threads,
    )
    return NormalImputations(
        made.values, np.isnan(y), made.means[0], made.covariance[0], int(made.sweeps[0]), made.codes[0]
    )


def impute_normal_trials(
    values: ArrayLike,
    design: ArrayLike,
    offsets: ArrayLike,
    *,
    imputations: int,
    seed: int,
    replicates: ArrayLike,
    first: int = 0,
    delta: ArrayLike | None = None,
    strategy: str = "at-random",
    arm_column: int | None = None,
    sweeps: int | None = None,
    threads: int | None = None,
) -> NormalTrialImputations:
    """As :func:`impute_normal`, each trial on its own: trial ``t`` owns rows ``offsets[t]:offsets[t + 1]``.

    ``replicates`` (T,) are the second half of the key of each trial's random numbers, so that what is drawn for a trial
    does not depend on the others. A trial with nobody in it is passed over.
    """
    y = np.array(values, dtype=np.float64, order="C")
    if y.ndim != 2 or not 1 <= y.shape[1] <= MAX_VISITS:
        raise ValueError(f"values must be (participants, visits), with from 1 to {MAX_VISITS} visits")
    n, n_visits = y.shape
    z = as_complete_design(design, n)
    if strategy not in STRATEGIES:
        raise ValueError(f"unknown strategy {strategy!r}")
    if strategy != "at-random" and arm_column is None:
        raise ValueError("a reference-based strategy needs the column of the arm")
    bounds = as_offsets(offsets, n)
    n_trials, q, seen = bounds.shape[0] - 1, z.shape[1], ~np.isnan(y)
    there = np.column_stack([any_by_trial(seen[:, v], bounds) for v in range(n_visits)])
    lost = ~seen & there[trial_of_row(bounds)]
    ready = prepare_design(z, bounds, always=arm_column)
    batch = _Batch(
        y=y,
        z=ready.z,
        offsets=bounds,
        delta=np.array(np.broadcast_to(np.asarray(0.0 if delta is None else delta, dtype=np.float64), (n,))),
    )
    plan = ScoredPlan(
        n_sets=imputations,
        first=first,
        seed=np.uint64(require_seed(seed)),
        replicates=as_replicates(replicates, n_trials),
        n_sweeps=sweeps_needed(lost, seen, bounds, sweeps),
        mix=weights_of_means(strategy, n_visits),
        arm=-1 if arm_column is None else arm_column,
    )
    out = NormalTrialImputations(
        values=np.full((imputations, n, n_visits), np.nan),
        means=np.full((n_trials, imputations, q, n_visits), np.nan),
        covariance=np.full((n_trials, imputations, n_visits, n_visits), np.nan),
        sweeps=plan.n_sweeps,
        codes=np.zeros((n_trials, imputations), dtype=np.uint32),
    )
    # Visits at which nobody has a score, and columns of the design that repeat others, are no part of the model: trials
    # with the same ones go together.
    both = np.column_stack([there, ready.kept])
    for kind in np.unique(both, axis=0):
        visits, columns = np.flatnonzero(kind[:n_visits]), np.flatnonzero(kind[n_visits:])
        chosen = np.flatnonzero((both == kind).all(axis=1))
        if not visits.size:
            continue
        if chosen.size == n_trials and kind.all():
            _impute(batch, out, plan, threads)
            continue
        rows, packed = rows_of_trials(chosen, bounds)
        part = _Batch(
            np.ascontiguousarray(y[rows][:, visits]),
            np.ascontiguousarray(ready.z[rows][:, columns]),
            packed,
            batch.delta[rows],
        )
        m, w = imputations, visits.size
        made = NormalTrialImputations(
            np.empty((m, rows.size, w)),
            np.empty((chosen.size, m, columns.size, w)),
            np.empty((chosen.size, m, w, w)),
            plan.n_sweeps[chosen],
            np.zeros((chosen.size, m), dtype=np.uint32),
        )
        part_plan = plan._replace(
            replicates=plan.replicates[chosen],
            n_sweeps=made.sweeps,
            mix=weights_of_means(strategy, w),
            arm=-1 if arm_column is None else int(np.searchsorted(columns, arm_column)),
        )
        _impute(part, made, part_plan, threads)
        sets = np.arange(m)
        out.values[np.ix_(sets, rows, visits)] = made.values
        out.means[np.ix_(chosen, sets, np.arange(q), visits)] = 0.0  # a column that is left out adds nothing
        out.means[np.ix_(chosen, sets, columns, visits)] = made.means
        out.covariance[np.ix_(chosen, sets, visits, visits)] = made.covariance
        out.codes[chosen] = made.codes
    ready.as_given(np.moveaxis(out.means, 2, -1), np.arange(n_trials))
    return out


@dataclass(frozen=True)
class _Batch:
    """Trials end to end whose every visit has a score of somebody."""

    y: FloatArray
    z: FloatArray
    offsets: IntArray
    delta: FloatArray


def _impute(batch: _Batch, out: NormalTrialImputations, plan: ScoredPlan, threads: int | None) -> None:
    n_sets, n_trials, n_visits = plan.n_sets, batch.offsets.shape[0] - 1, batch.y.shape[1]
    held = np.zeros((n_trials, n_sets), dtype=np.int64)
    # Residual degrees of freedom of each visit's regression: rows last seen then or later, less columns.
    stays = np.logical_or.accumulate(~np.isnan(batch.y)[:, ::-1], axis=1)[:, ::-1]
    n_rows = sum_by_trial(stays.astype(np.float64), batch.offsets)
    degrees = np.maximum(n_rows - batch.z.shape[1] - np.arange(n_visits), FEW).astype(np.int64)
    kinds, kind = np.unique(degrees, return_inverse=True)
    kind = np.ascontiguousarray(kind.reshape(degrees.shape), dtype=np.int64)
    quantiles = np.array([_chi_square_series(int(df)) for df in kinds])

    trials = ScoredTrials(batch.y, batch.z, batch.offsets, batch.delta, kind, quantiles)
    sets = ScoredSets(out.values, out.means, out.covariance, held)

    def run(begin: int, end: int) -> None:
        if begin < end:
            impute_range(trials, plan, sets, begin, end)

    # Each chunk makes anew the regressions that the data sets of its first trial share: large ones span several trials.
    run_over_trials(run, n_trials * n_sets, threads=threads, chunk=max(256, 4 * n_sets))
    out.codes[held > 0] |= np.uint32(FitCode.IMPUTATION_PENALISED)


@lru_cache(maxsize=4096)
def _chi_square_series(df: int) -> FloatArray:
    """(1 + 48,) terms of the Chebyshev series of log chi-square quantiles on ``df`` degrees of freedom, their number
    first.

    Along the normal quantile of the same probability the logarithm is nearly a straight line: for 3 degrees of freedom
    the series is right to 3e-10 of the quantile, from 8 on to 2e-13.
    """
    n = 48
    angle = np.pi * (np.arange(n) + 0.5) / n
    z = REACH * np.cos(angle)
    tail = special.ndtr(-np.abs(z))
    with np.errstate(divide="ignore"):
        exact = np.where(z < 0, special.gammaincinv(df / 2.0, tail), special.gammainccinv(df / 2.0, tail))
    terms = 2.0 / n * np.cos(np.outer(np.arange(n), angle)) @ np.log(2.0 * exact)
    terms[0] /= 2.0
    kept = int(np.flatnonzero(np.abs(terms) > 1e-16 * np.abs(terms).max()).max()) + 1
    return np.concatenate([[float(kept)], terms])
