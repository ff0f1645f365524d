"""Multiple imputation of repeated yes-or-no results. Methods: ``docs/methods/multiple_imputation.md``.

Visit by visit: the log odds of a result depend on the arm, on baseline variables and on the results before it.
Coefficients are drawn from their posterior distribution, missing results from the model under the drawn coefficients.

>>> import numpy as np
>>> from equipoise.stats.multiple_imputation import MISSING, impute_binary
>>> cells = np.array([[0, 0], [1, 1], [0, MISSING], [1, 0], [1, MISSING], [0, 0], [0, 1], [1, 1]])
>>> made = impute_binary(cells, np.ones((8, 1)), imputations=5, seed=1)
>>> made.values.shape, bool((made.values[:, cells >= 0] == cells[cells >= 0]).all())
((5, 8, 2), True)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from equipoise.foundation.seeds import normals, uniforms
from equipoise.stats._imputation_kernel import MISSING, NOT_DUE, impute_range
from equipoise.stats._wald import CodeArray, as_design
from equipoise.stats.codes import FitCode
from equipoise.stats.packing import FloatArray, IntArray, run_over_trials

__all__ = ["MISSING", "NOT_DUE", "BinaryImputations", "cells_of", "imputation_address", "impute_binary"]

# Streams of random numbers, told apart from those of the simulation; a purpose keeps its number for ever.
PURPOSE_COEFFICIENT = 1001
PURPOSE_CELL = 1002
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


def imputation_address(imputation: NDArray[np.integer], visit: NDArray[np.integer] | int) -> NDArray[np.int64]:
    """The word of a random number's address that says which imputation and which visit it is for."""
    return np.asarray(np.asarray(imputation, dtype=np.int64) * MAX_VISITS + visit)


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
    Raises ValueError when shapes disagree.

    Source: Rubin (1987), ch. 5; Schafer (1997), section 6.5 (monotone data augmentation); Gelman and others (2008), Ann
    Appl Stat 2:1360, for the prior.
    """
    state = np.ascontiguousarray(cells, dtype=np.int8)
    if state.ndim != 2 or not np.isin(state, (0, 1, MISSING, NOT_DUE)).all():
        raise ValueError("cells must be (participants, visits) of 0, 1, MISSING and NOT_DUE")
    n, n_visits = state.shape
    if not 1 <= n_visits <= MAX_VISITS:
        raise ValueError(f"from 1 to {MAX_VISITS} visits can be imputed, not {n_visits}")
    z = as_design(design, n)
    if not np.isfinite(z).all():
        raise ValueError("the design of an imputation model must be complete")
    shift = np.zeros(n) if delta is None else np.array(np.broadcast_to(np.asarray(delta, dtype=np.float64), (n,)))
    pooled = pooled and n_visits > 1
    row_of, visit_of = (np.ascontiguousarray(index, dtype=np.int64) for index in np.nonzero(state == MISSING))
    last = np.where(state >= 0, np.arange(n_visits), -1).max(axis=1, initial=-1)
    has_gaps = bool((visit_of < last[row_of]).any())
    n_sweeps = sweeps if sweeps is not None else (DEFAULT_SWEEPS if has_gaps else 1)
    n_models, width = (1 if pooled else n_visits), z.shape[1] + 4
    out = np.empty((imputations, n, n_visits), dtype=np.int8)
    n_penalised = np.zeros(imputations, dtype=np.int64)
    drawn = np.zeros((imputations, n_models, width))
    sets = np.arange(first, first + imputations)

    def run(begin: int, end: int) -> None:
        # A chunk at a time, so that a million random numbers are never held at once.
        part = sets[begin:end]
        z_draws = np.empty((end - begin, n_sweeps, n_models, width))
        u_draws = np.empty((end - begin, n_sweeps, row_of.shape[0]))
        for sweep in range(n_sweeps):
            models = imputation_address(part[:, None], np.arange(n_models)[None, :])
            z_draws[:, sweep] = normals(
                seed, replicate, np.arange(width), models[:, :, None], PURPOSE_COEFFICIENT, draw=sweep
            )
            places = imputation_address(part[:, None], visit_of[None, :])
            u_draws[:, sweep] = uniforms(seed, replicate, row_of[None, :], places, PURPOSE_CELL, draw=sweep)
        impute_range(
            0, end - begin, state, z, pooled, shift, row_of, visit_of, z_draws, u_draws, out[begin:end],
            n_penalised[begin:end], drawn[begin:end],
        )  # fmt: skip

    run_over_trials(run, imputations, threads=threads, chunk=64)
    codes = np.where(n_penalised > 0, int(FitCode.IMPUTATION_PENALISED), 0).astype(np.uint32)
    return BinaryImputations(out, state == MISSING, drawn, n_penalised, n_sweeps, codes)
