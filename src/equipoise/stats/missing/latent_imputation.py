"""Imputation of yes-or-no results by reference, through latent normal variables.

Methods: ``docs/methods/reference_based_yes_or_no.md``.

Behind each result stands a normal variable; the result is yes where it is above 0. The variables of a participant are
multivariate normal with means by visit and arm, so that what jump to reference and the other rules say of scores can be
said of them.

>>> import numpy as np
>>> from equipoise.stats.missing.latent_imputation import impute_latent
>>> from equipoise.stats.missing.plans import LeaversRule, SetsToMake
>>> cells = np.array([[0, 0], [1, 1], [0, -1], [1, 0], [1, -1], [0, 0], [0, 1], [1, 1]], dtype=np.int8)
>>> design = np.column_stack([np.ones(8), [0, 1] * 4])
>>> made = impute_latent(cells, design, sets=SetsToMake(5, seed=1), rule=LeaversRule("jump-to-reference"))
>>> made.values.shape, bool((made.values[:, cells >= 0] == cells[cells >= 0]).all())
((5, 8, 2), True)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from equipoise.stats.codes import FitCode
from equipoise.stats.kernels.latent_imputation import LatentPlan, LatentSets, LatentTrials, impute_range
from equipoise.stats.missing.designs import prepare_design
from equipoise.stats.missing.multiple_imputation import MAX_VISITS, MISSING, NOT_DUE
from equipoise.stats.missing.plans import LeaversRule, SetsToMake
from equipoise.stats.missing.reference_based import STRATEGIES, weights_of_means
from equipoise.stats.packing import FloatArray, IntArray, run_over_trials, single_trial, trial_of_row
from equipoise.stats.wald import BoolArray, CodeArray, as_complete_design, as_offsets

AT_RANDOM = LeaversRule()
# Sweeps before the first data set is taken from the chain, and from one to the next.
BURN_IN, THINNING = 200, 20
# Standard deviations of the prior: of a column's coefficients where the column has standard deviation 1/2, of the
# constants, and of the coefficients on latent variables of earlier visits. Gelman and others' for log odds, 2.5 and 10,
# over 1.6.
PRIOR_SCALE, PRIOR_SCALE_CONSTANT, PRIOR_SCALE_HISTORY = 1.5, 6.0, 1.5


@dataclass(frozen=True, slots=True)
class LatentImputations:
    """M completed data sets of each of T trials packed end to end, N participants in all."""

    values: NDArray[np.int8]
    """(M, N, V): 0 or 1; ``NOT_DUE`` stays."""
    coefficients: FloatArray
    """(M, T, V, q + V): the drawn regression of each visit on the prepared design and the visits before it."""
    sweeps: int
    """Sweeps of each trial's chain."""
    codes: CodeArray
    """(T, M)"""


def impute_latent(
    cells: ArrayLike,
    design: ArrayLike,
    offsets: ArrayLike | None = None,
    *,
    sets: SetsToMake,
    rule: LeaversRule = AT_RANDOM,
    threads: int | None = None,
) -> LatentImputations:
    """Impute repeated yes-or-no results under a rule for what follows the last result seen.

    Parameters
    ----------
    cells : (N, V) 0, 1, ``MISSING`` or ``NOT_DUE``; visits in order.
    design : (N, q) ones, arm, baseline variables; each visit has coefficients of its own on every column.
    offsets : (T + 1,) trial ``t`` owns rows ``offsets[t]:offsets[t + 1]``; one trial where not given.
    sets : the data sets to make; a trial's numbers are functions of (seed, its replicate; the first set's number,
        participant, visit, sweep).
    rule : ``at-random``, ``jump-to-reference``, ``copy-reference`` or ``copy-increments`` of the latent means, eq.
        (RB-1) to (RB-4). Gaps before the last result seen are always at random. Its delta is added to the log odds of
        imputed results, given what was seen and drawn before.

    Assumes latent variables that are multivariate normal with one correlation for both arms, and weakly informative
    normal priors of all coefficients, which matter in small trials. Codes a trial in which some visit has no result of
    an arm, or only equal ones: there the prior speaks. Raises ValueError when shapes disagree or the design is
    incomplete.

    Source: Chib and Greenberg (1998), Biometrika 85:347; Tang (2018), Stat Med 37:1467.
    """
    state = np.ascontiguousarray(cells, dtype=np.int8)
    if state.ndim != 2 or not ((state >= NOT_DUE) & (state <= 1)).all():
        raise ValueError("cells must be (participants, visits) of 0, 1, MISSING and NOT_DUE")
    n, n_visits = state.shape
    if not 1 <= n_visits <= MAX_VISITS:
        raise ValueError(f"from 1 to {MAX_VISITS} visits can be imputed, not {n_visits}")
    if rule.strategy not in STRATEGIES:
        raise ValueError(f"unknown strategy {rule.strategy!r}")
    bounds = single_trial(n) if offsets is None else as_offsets(offsets, n)
    n_trials = bounds.shape[0] - 1
    z, precision = _prepared(as_complete_design(design, n), bounds, rule.arm_column)
    shift, imputations = rule.shift(n), sets.imputations
    width = z.shape[1] + n_visits
    plan = LatentPlan(
        n_sets=imputations,
        burn=BURN_IN,
        thin=THINNING,
        first=sets.first,
        seed=np.uint64(sets.seed),
        replicates=sets.keys(n_trials),
        history_precision=PRIOR_SCALE_HISTORY**-2,
        mix=weights_of_means(rule.strategy, n_visits),
        arm=rule.arm_column,
        moves_seen=rule.strategy == "copy-reference",
    )
    values = np.empty((imputations, n, n_visits), dtype=np.int8)
    drawn = np.zeros((imputations, n_trials, n_visits * width))
    trials, made = LatentTrials(state, z, bounds, shift, precision), LatentSets(values, drawn)

    def run(begin: int, end: int) -> None:
        if begin < end:
            impute_range(trials, plan, made, begin, end)

    run_over_trials(run, n_trials, threads=threads, chunk=16)
    codes = np.zeros((n_trials, imputations), dtype=np.uint32)
    held = _by_prior(state, np.asarray(z[:, rule.arm_column] != 0.0), bounds)
    codes[held] = np.uint32(FitCode.IMPUTATION_PENALISED)
    sweeps = BURN_IN + THINNING * (imputations - 1) + 1
    return LatentImputations(values, drawn.reshape(imputations, n_trials, n_visits, width), sweeps, codes)


def _prepared(design: FloatArray, bounds: IntArray, arm_column: int) -> tuple[FloatArray, FloatArray]:
    """The design made ready, columns that repeat others set to zero, and the precision of each column's prior."""
    ready = prepare_design(design, bounds, always=arm_column)
    trial = trial_of_row(bounds)
    z = np.ascontiguousarray(ready.z * ready.kept[trial])
    n_trials, q = ready.kept.shape
    precision = np.full((n_trials, q), PRIOR_SCALE_CONSTANT**-2)
    for t in range(n_trials):
        part = z[bounds[t] : bounds[t + 1]]
        if part.shape[0]:
            spread = part[:, 1:].std(axis=0)
            precision[t, 1:] = PRIOR_SCALE**-2 * np.maximum(4.0 * spread**2, 1e-2)
    return z, precision


def _by_prior(state: NDArray[np.int8], side: BoolArray, bounds: IntArray) -> BoolArray:
    """(T,) whether at some visit the results seen of an arm are none, or all alike, and something is to be imputed."""
    out = np.zeros(bounds.shape[0] - 1, dtype=np.bool_)
    for t in range(out.shape[0]):
        cells = state[bounds[t] : bounds[t + 1]]
        if not (cells == MISSING).any():
            continue
        arms = side[bounds[t] : bounds[t + 1]]
        for arm in np.unique(arms):
            mine = cells[arms == arm]
            out[t] |= bool(((mine == 1).any(axis=0) != (mine == 0).any(axis=0)).any() or (mine < 0).all(axis=0).any())
    return out
