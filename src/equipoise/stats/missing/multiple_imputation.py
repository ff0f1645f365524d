"""Multiple imputation of repeated yes-or-no results. Methods: ``docs/methods/multiple_imputation.md``.

Visit by visit: the log odds of a result depend on the arm, on baseline variables and on the results before it.
Coefficients are drawn from their posterior distribution, missing results from the model under the drawn coefficients.

>>> import numpy as np
>>> from equipoise.stats.missing.multiple_imputation import MISSING, impute_binary
>>> cells = np.array([[0, 0], [1, 1], [0, MISSING], [1, 0], [1, MISSING], [0, 0], [0, 1], [1, 1]])
>>> made = impute_binary(cells, np.ones((8, 1)), imputations=5, seed=1)
>>> made.values.shape, bool((made.values[:, cells >= 0] == cells[cells >= 0]).all())
((5, 8, 2), True)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from equipoise.foundation.seeds import require_seed
from equipoise.stats.codes import FitCode
from equipoise.stats.kernels.binary_imputation import BinaryPlan, BinarySets, BinaryTrials, impute_range
from equipoise.stats.missing.designs import prepare_design
from equipoise.stats.packing import FloatArray, IntArray, any_by_trial, rows_of_trials, run_over_trials, single_trial
from equipoise.stats.wald import CodeArray, as_complete_design, as_offsets

__all__ = [
    "MISSING",
    "NOT_DUE",
    "BinaryImputations",
    "cells_of",
    "impute_binary",
    "impute_binary_trials",
]

# A cell: 0 or 1 seen, MISSING to be imputed, NOT_DUE never.
MISSING, NOT_DUE = -1, -2
# Sweeps of data augmentation before a data set is taken, where a result is missing between results that were seen.
DEFAULT_SWEEPS = 10
MAX_VISITS = 4096


@dataclass(frozen=True, slots=True)
class BinaryImputations:
    """M completed data sets of n participants and V visits."""

    values: NDArray[np.int8]
    """(M, n, V): 0 or 1; ``NOT_DUE`` stays."""
    missing: NDArray[np.bool_]
    """(n, V): the imputed cells."""
    coefficients: FloatArray
    """(M, n_models, p): drawn coefficients of the last sweep, a model a visit (one where pooled)."""
    n_penalised: IntArray
    """(M,): fits held by the weakly informative prior because they were separated or had no rows."""
    sweeps: int
    codes: CodeArray
    """(M,)"""


def cells_of(values: ArrayLike) -> NDArray[np.int8]:
    """Results 0, 1 and NaN as cells; NaN is ``MISSING``."""
    given = np.asarray(values, dtype=np.float64)
    return np.where(np.isnan(given), MISSING, np.nan_to_num(given)).astype(np.int8)


@dataclass(frozen=True, slots=True)
class BinaryTrialImputations:
    """M completed data sets of each of T trials packed end to end, N participants in all."""

    values: NDArray[np.int8]
    """(M, N, V)"""
    coefficients: FloatArray
    """(T, M, n_models, p)"""
    n_penalised: IntArray
    """(T, M)"""
    sweeps: IntArray
    """(T,)"""
    codes: CodeArray
    """(T, M)"""


def impute_binary(
    cells: ArrayLike,
    design: ArrayLike,
    *,
    imputations: int,
    seed: int,
    replicate: int = 0,
    first: int = 0,
    delta: ArrayLike | None = None,
    pooled: bool = False,
    sweeps: int | None = None,
    threads: int | None = None,
) -> BinaryImputations:
    """Impute repeated results ``imputations`` times, eq. (MI-1) to (MI-5).

    Parameters
    ----------
    cells : (n, V) 0, 1, ``MISSING`` or ``NOT_DUE``; visits in order.
    design : (n, q) columns of the imputation model that do not change: ones, arm, baseline variables.
    imputations : data sets to make; ``first`` is the number of the first, so that sets 20 to 29 can be made alone.
    seed, replicate : key of the random numbers; each is a function of (seed, replicate; imputation, participant, visit,
        sweep) and of nothing else.
    delta : (n,) added to the log odds of a participant's imputed results after the coefficients have been drawn.
    pooled : one model over all visits instead of one a visit; steadier in a small trial.
    sweeps : of data augmentation; by default 1 where each participant's results are missing from some visit on
        (then the draws are exact), otherwise ten.
    threads : how many; the result does not depend on it.

    Assumes that results are missing at random given design and earlier results (delta 0), and the normal approximation
    to the posterior of the coefficients. A separated fit falls back to a weakly informative prior, and is coded.
    Raises ValueError when shapes disagree or the design is incomplete.

    Source: Rubin (1987), ch. 5; Schafer (1997), section 6.5 (monotone data augmentation); Gelman and others (2008), Ann
    Appl Stat 2:1360, for the prior.
    """
    state = np.asarray(cells)
    made = impute_binary_trials(
        state,
        design,
        single_trial(state.shape[0] if state.ndim else 0),
        imputations=imputations,
        seed=seed,
        replicates=np.array([replicate]),
        first=first,
        delta=delta,
        pooled=pooled,
        sweeps=sweeps,
        threads=threads,
    )
    return BinaryImputations(
        made.values, state == MISSING, made.coefficients[0], made.n_penalised[0], int(made.sweeps[0]), made.codes[0]
    )


def impute_binary_trials(
    cells: ArrayLike,
    design: ArrayLike,
    offsets: ArrayLike,
    *,
    imputations: int,
    seed: int,
    replicates: ArrayLike,
    first: int = 0,
    delta: ArrayLike | None = None,
    pooled: bool = False,
    sweeps: int | None = None,
    threads: int | None = None,
) -> BinaryTrialImputations:
    """As :func:`impute_binary`, each trial on its own: trial ``t`` owns rows ``offsets[t]:offsets[t + 1]``.

    ``replicates`` (T,) are the second half of the key of each trial's random numbers, so that what is drawn for a trial
    does not depend on the others. A trial with nobody in it is passed over.
    """
    state = np.ascontiguousarray(cells, dtype=np.int8)
    if state.ndim != 2 or not ((state >= NOT_DUE) & (state <= 1)).all():
        raise ValueError("cells must be (participants, visits) of 0, 1, MISSING and NOT_DUE")
    n, n_visits = state.shape
    if not 1 <= n_visits <= MAX_VISITS:
        raise ValueError(f"from 1 to {MAX_VISITS} visits can be imputed, not {n_visits}")
    z = as_complete_design(design, n)
    bounds = as_offsets(offsets, n)
    n_trials, q = bounds.shape[0] - 1, z.shape[1]
    shift = np.zeros(n) if delta is None else np.array(np.broadcast_to(np.asarray(delta, dtype=np.float64), (n,)))
    pooled = pooled and n_visits > 1
    out = BinaryTrialImputations(
        values=np.empty((imputations, n, n_visits), dtype=np.int8),
        coefficients=np.zeros((n_trials, imputations, 1 if pooled else n_visits, q + 4)),
        n_penalised=np.zeros((n_trials, imputations), dtype=np.int64),
        sweeps=sweeps_needed(state == MISSING, state >= 0, bounds, sweeps),
        codes=np.zeros((n_trials, imputations), dtype=np.uint32),
    )
    ready = prepare_design(z, bounds)
    numbers = as_replicates(replicates, n_trials)
    plan = BinaryPlan(imputations, first, np.uint64(require_seed(seed)), numbers, out.sweeps, pooled)
    # Trials whose designs leave out the same columns go together.
    for kind in np.unique(ready.kept, axis=0):
        chosen = np.flatnonzero((ready.kept == kind).all(axis=1))
        if chosen.size == n_trials and kind.all():
            sets = BinarySets(out.values, out.n_penalised, out.coefficients)
            _impute(BinaryTrials(state, ready.z, bounds, shift), plan, sets, threads)
            continue
        rows, packed = rows_of_trials(chosen, bounds)
        part = BinaryTrials(state[rows], np.ascontiguousarray(ready.z[rows][:, kind]), packed, shift[rows])
        drawn = np.zeros((chosen.size, imputations, out.coefficients.shape[2], int(kind.sum()) + 4))
        sets = BinarySets(
            np.empty((imputations, rows.size, n_visits), dtype=np.int8),
            np.zeros((chosen.size, imputations), dtype=np.int64),
            drawn,
        )
        _impute(part, plan._replace(replicates=numbers[chosen], n_sweeps=out.sweeps[chosen]), sets, threads)
        out.values[:, rows], out.n_penalised[chosen] = sets.cells, sets.n_penalised
        columns = np.append(np.flatnonzero(kind), np.arange(q, q + 4))
        models = np.arange(drawn.shape[2])
        out.coefficients[np.ix_(chosen, np.arange(imputations), models, columns)] = drawn
    ready.as_given(out.coefficients[..., :q], np.arange(n_trials))
    out.codes[out.n_penalised > 0] = np.uint32(FitCode.IMPUTATION_PENALISED)
    return out


def _impute(trials: BinaryTrials, plan: BinaryPlan, sets: BinarySets, threads: int | None) -> None:
    """Fill ``sets`` of trials whose designs have the same columns."""

    def run(begin: int, end: int) -> None:
        if begin < end:
            impute_range(trials, plan, sets, begin, end)

    # Each chunk makes anew the fits that the data sets of its first trial share: large ones span several trials.
    n_trials = trials.offsets.shape[0] - 1
    run_over_trials(run, n_trials * plan.n_sets, threads=threads, chunk=max(256, 4 * plan.n_sets))


def as_replicates(replicates: ArrayLike, n_trials: int) -> IntArray:
    """The numbers of the replicates that trials are, one a trial; ValueError where they are not."""
    keys = np.require(replicates, np.int64, ["C", "W"])
    if keys.shape != (n_trials,):
        raise ValueError(f"replicates {keys.shape} must be one for each of {n_trials} trials")
    return keys


def sweeps_needed(
    missing: NDArray[np.bool_], seen: NDArray[np.bool_], offsets: IntArray, sweeps: int | None
) -> IntArray:
    """(T,) sweeps of each trial: as asked, or 1 where nobody has a gap between results seen and else ten."""
    n_trials = offsets.shape[0] - 1
    if sweeps is not None:
        if sweeps < 1:
            raise ValueError(f"at least one sweep is needed, not {sweeps}")
        return np.full(n_trials, sweeps, dtype=np.int64)
    seen_later = np.logical_or.accumulate(seen[:, ::-1], axis=1)[:, ::-1]
    has_gaps = any_by_trial(np.asarray((missing & seen_later).any(axis=1)), offsets)
    return np.where(has_gaps, DEFAULT_SWEEPS, 1).astype(np.int64)
