"""Score test of proportional hazards and scaled Schoenfeld residuals. Methods: ``docs/methods/zph.md``.

>>> import numpy as np
>>> from equipoise.stats.zph import proportional_hazards_test
>>> t = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
>>> arm = np.array([1.0, 0.0, 1.0, 0.0, 0.0, 1.0])
>>> ph = proportional_hazards_test(t, np.ones(6), arm, offsets=[0, 6])
>>> ph.df_global.tolist()
[1.0]
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from equipoise.stats.codes import FitCode, has, mark
from equipoise.stats.cox import CoxFits, SurvivalInput, Ties, fit_cox, residuals_of
from equipoise.stats.kernels.sorting import order_by_time
from equipoise.stats.kernels.survival_curve import CurveTables, GroupedRows, curve_range
from equipoise.stats.packing import FloatArray, IntArray, run_over_trials, sum_by_trial, trial_of_row
from equipoise.stats.wald import CodeArray, chi_square_p


@dataclass(frozen=True)
class ProportionalHazardsTests:
    """Score tests that each coefficient is constant in time; NaN where ``codes`` says not estimable.

    ``row``, ``transformed_time`` and ``scaled_residuals`` are for the plot: one entry an event, trials end to end
    (``event_offsets``), in order of stratum and time.
    """

    statistic: FloatArray  # (n_trials, p), 1 df each
    p_value: FloatArray  # (n_trials, p)
    statistic_global: FloatArray  # (n_trials,)
    df_global: FloatArray
    p_value_global: FloatArray
    row: IntArray  # (n_events,) the caller's row
    time: FloatArray  # (n_events,)
    transformed_time: FloatArray  # (n_events,)
    scaled_residuals: FloatArray  # (n_events, p), on the scale of the coefficients, eq. (PH-2)
    event_offsets: IntArray  # (n_trials + 1,)
    codes: CodeArray


def proportional_hazards_test(
    time: ArrayLike,
    event: ArrayLike,
    design: ArrayLike,
    offsets: ArrayLike,
    *,
    ties: Ties = "efron",
    strata: ArrayLike | None = None,
    fits: CoxFits | None = None,
    threads: int | None = None,
) -> ProportionalHazardsTests:
    """Test proportional hazards by the score test for beta + theta g(t), g being one minus the pooled Kaplan-Meier.

    Arguments as in :func:`equipoise.stats.cox.fit_cox`; ``fits`` saves refitting. This is the test of R's survival
    from version 3 on (not the approximation of earlier versions). ``ties`` efron or breslow.

    Source: Grambsch and Therneau (1994) Biometrika 81:515; Therneau, survival 3 ``cox.zph``.
    """
    if ties == "exact":
        raise ValueError("the proportional-hazards test is defined for efron and breslow ties")
    data = SurvivalInput.of(time, event, design, offsets, strata, threads=threads)
    model = fit_cox(time, event, design, offsets, ties=ties, strata=strata, threads=threads) if fits is None else fits
    n, p = data.n_trials, data.design.shape[1]
    codes = model.codes.copy()
    wanted = ~has(codes, FitCode.NOT_ESTIMABLE)
    transform = one_minus_survival_before(data, threads=threads)
    # Centred by trial: the test does not depend on it, but sums of squares lose fewer digits.
    n_events = sum_by_trial(data.event, data.offsets)
    with np.errstate(invalid="ignore", divide="ignore"):
        centre = sum_by_trial(transform * data.event, data.offsets) / n_events
    centred = transform - np.nan_to_num(centre)[trial_of_row(data.offsets)]
    beta = np.where(wanted[:, None], model.coefficients, 0.0)
    _, schoenfeld, moments = residuals_of(data, beta, wanted, ties, centred, threads=threads)
    score = sum_by_trial(np.nan_to_num(schoenfeld) * centred[:, None], data.offsets)

    statistic = np.full((n, p), np.nan)
    overall = np.full(n, np.nan)
    block = np.full((n, 2 * p, 2 * p), np.nan)
    block[:, :p, :p], block[:, p:, p:] = moments[:, 0], moments[:, 2]
    block[:, :p, p:] = moments[:, 1]
    block[:, p:, :p] = moments[:, 1]
    chosen_trials = np.flatnonzero(wanted)
    if chosen_trials.size:
        blocks, scores = block[chosen_trials], score[chosen_trials]
        overall[chosen_trials] = _forms(blocks, scores, list(range(p)))
        for column in range(p):
            statistic[chosen_trials, column] = _forms(blocks, scores, [column])
    mark(codes, wanted & np.isnan(overall), FitCode.NOT_ESTIMABLE)
    df = np.where(np.isnan(overall), np.nan, float(p))

    chosen = (data.event == 1.0) & wanted[trial_of_row(data.offsets)]
    owner = trial_of_row(data.offsets)[chosen]
    # eq. (PH-2): residual times covariance times number of events, plus the coefficient.
    scaled = np.einsum("eij,ej->ei", model.covariance[owner], schoenfeld[chosen])
    scaled = scaled * n_events[owner][:, None] + model.coefficients[owner]
    event_offsets = np.zeros(n + 1, dtype=np.int64)
    np.cumsum(np.bincount(owner, minlength=n), out=event_offsets[1:])
    return ProportionalHazardsTests(
        statistic=statistic,
        p_value=chi_square_p(statistic, 1.0),
        statistic_global=overall,
        df_global=df,
        p_value_global=chi_square_p(overall, df),
        row=data.order[chosen],
        time=data.time[chosen],
        transformed_time=transform[chosen],
        scaled_residuals=scaled,
        event_offsets=event_offsets,
        codes=codes,
    )


def _forms(block: FloatArray, score: FloatArray, columns: list[int]) -> FloatArray:
    """Score statistics (PH-4) of the chosen time interactions, beside main effects whose score is 0, trial by trial."""
    p = score.shape[1]
    keep = [*range(p), *(p + column for column in columns)]
    u = np.concatenate([np.zeros((score.shape[0], p)), score[:, columns]], axis=1)
    matrix = block[:, keep][:, :, keep]
    out = np.full(score.shape[0], np.nan)
    scale = np.sqrt(np.diagonal(matrix, axis1=1, axis2=2))
    with np.errstate(invalid="ignore", divide="ignore"):
        scaled = matrix / (scale[:, :, None] * scale[:, None, :])
    usable = np.flatnonzero(np.isfinite(scaled).all(axis=(1, 2)))
    usable = usable[np.linalg.eigvalsh(scaled[usable])[:, 0] > 1e-11]
    if usable.size:
        v = u[usable] / scale[usable]
        out[usable] = np.einsum("ti,ti->t", v, np.linalg.solve(scaled[usable], v[:, :, None])[:, :, 0])
    return out


def one_minus_survival_before(data: SurvivalInput, *, threads: int | None) -> FloatArray:
    """1 - S(t-) of the pooled Kaplan-Meier curve of each trial, strata ignored, at each sorted row of ``data``."""
    n = data.time.shape[0]
    zero = np.zeros(n, dtype=np.int64)
    order = order_by_time(data.time, data.offsets, threads=threads)
    length = np.zeros((data.n_trials, 1), dtype=np.int64)
    table = np.empty((n, 6))
    medians = np.empty((data.n_trials, 1, 3))
    start = data.offsets[:-1].copy()
    time, event = data.time[order], data.event[order]
    rows, curves = GroupedRows(time, event, zero, data.offsets), CurveTables(start, length, table, medians)
    run_over_trials(
        lambda begin, end: curve_range(rows, 0.0, curves, begin, end),
        data.n_trials,
        threads=threads,
    )
    # The point of each row: how many distinct times its trial has had so far.
    new = np.ones(n, dtype=np.int64)
    new[1:] = time[1:] != time[:-1]
    new[data.offsets[:-1][np.diff(data.offsets) > 0]] = 1
    count = np.cumsum(new)
    owner = trial_of_row(data.offsets)
    head = np.zeros(data.n_trials, dtype=np.int64)
    filled = np.diff(data.offsets) > 0
    head[filled] = count[data.offsets[:-1][filled]]
    index = count - head[owner]
    before = np.where(index > 0, table[np.maximum(start[owner] + index - 1, 0), 4], 1.0)
    out = np.empty(n)
    out[order] = 1.0 - before
    return out
