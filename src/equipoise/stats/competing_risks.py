"""Competing risks: cumulative incidence, Gray's test, Fine and Gray's regression. ``docs/methods/competing_risks.md``.

An event that ends the risk of another is no censoring of it: one minus Kaplan-Meier would be the risk in a world in
which nobody has the other event. Causes are 0 censored, 1 the event of interest, 2 a competing event.

>>> import numpy as np
>>> from equipoise.stats.competing_risks import estimate_cumulative_incidence
>>> curves = estimate_cumulative_incidence([1, 2, 3, 4], [1, 2, 1, 0], [0, 0, 0, 0], [0, 4], n_groups=1)
>>> float(curves.at(3.0).incidence[0, 0])  # 1/4, then 1/2 of those without event, one in two of whom have it
0.5
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from equipoise.stats.codes import FitCode, has, mark
from equipoise.stats.kaplan_meier import as_groups, time_order
from equipoise.stats.nuisance import tell_apart
from equipoise.stats.packing import (
    FloatArray,
    IntArray,
    any_by_trial,
    offsets_from_sizes,
    run_over_trials,
    sum_by_trial,
    trial_of_row,
)
from equipoise.stats.wald import (
    BoolArray,
    CodeArray,
    WaldFits,
    as_design,
    as_integers,
    as_offsets,
    as_vector,
    chi_square_p,
    normal_quantile,
)

CENSORED, EVENT, COMPETING = 0, 1, 2
_ILL_CONDITION = 1e12
# Of a coefficient times the spread of its column: beyond this standard error it runs off.
_RUNAWAY_ERROR = 1e3


@dataclass(frozen=True)
class _Rows:
    """A batch in ascending time, checked."""

    time: FloatArray
    cause: IntArray
    order: IntArray
    offsets: IntArray
    codes: CodeArray

    @classmethod
    def of(cls, time: ArrayLike, cause: ArrayLike, offsets: ArrayLike) -> _Rows:
        t = as_vector(time, "time")
        k = as_integers(cause, "cause", t.shape[0])
        if k.size and (k.min() < CENSORED or k.max() > COMPETING):
            raise ValueError("cause must be 0 (censored), 1 (the event of interest) or 2 (a competing event)")
        bounds = as_offsets(offsets, t.shape[0])
        codes = np.zeros(bounds.shape[0] - 1, dtype=np.uint32)
        mark(codes, any_by_trial(~np.isfinite(t), bounds), FitCode.NON_FINITE_INPUT | FitCode.NOT_ESTIMABLE)
        mark(codes, any_by_trial(t < 0.0, bounds), FitCode.NEGATIVE_TIME | FitCode.NOT_ESTIMABLE)
        none = sum_by_trial((k == EVENT).astype(np.float64), bounds) == 0.0
        mark(codes, none & (codes == 0), FitCode.NO_EVENTS)
        mark(codes, any_by_trial((t == 0.0) & (k > CENSORED), bounds), FitCode.EVENT_AT_ENTRY)
        t = np.where(np.isfinite(t), t, 0.0)  # kernels go from one time to the next; such a trial has its code
        order = time_order(t, bounds)
        return cls(t[order], np.ascontiguousarray(k[order]), order, bounds, codes)

    @property
    def n_trials(self) -> int:
        return int(self.offsets.shape[0]) - 1


@dataclass(frozen=True)
class IncidenceSteps:
    """Cumulative incidence of one group after each time of any event; before the first it is 0."""

    time: FloatArray
    n_at_risk: FloatArray
    n_events: FloatArray
    n_competing: FloatArray
    incidence: FloatArray
    standard_error: FloatArray
    ci_lower: FloatArray
    ci_upper: FloatArray


@dataclass(frozen=True)
class IncidenceAt:
    """Cumulative incidence by one time: each array is (n_trials, n_groups)."""

    incidence: FloatArray
    standard_error: FloatArray
    ci_lower: FloatArray
    ci_upper: FloatArray
    is_beyond: BoolArray
    """The time lies beyond the last time of the group, somebody of which was still without any event there."""


@dataclass(frozen=True)
class CumulativeIncidences:
    """Cumulative incidence of the event of interest in each group of each trial."""

    table: FloatArray  # (n_rows, 7): columns of ``kernels.competing``
    start: IntArray  # (n_trials, n_groups): first row of each curve
    length: IntArray  # (n_trials, n_groups)
    last_time: FloatArray  # (n_trials, n_groups): the longest time of anybody; NaN of an empty group
    level: float
    codes: CodeArray  # (n_trials, n_groups)

    def curve(self, trial: int, group: int) -> IncidenceSteps:
        """The curve of one group of one trial."""
        first = int(self.start[trial, group])
        part = self.table[first : first + int(self.length[trial, group])]
        time, at_risk, events, competing, incidence, variance = part[:, :6].T.copy()
        lower, upper = incidence_limits(incidence, variance, self.level)
        return IncidenceSteps(time, at_risk, events, competing, incidence, np.sqrt(variance), lower, upper)

    def at(self, time: float) -> IncidenceAt:
        """Every group's cumulative incidence by a time, in the unit of the times given."""
        shape = self.start.shape
        incidence, variance = np.full(shape, np.nan), np.full(shape, np.nan)
        beyond = np.zeros(shape, dtype=np.bool_)
        for trial, group in np.ndindex(*shape):
            if has(self.codes[trial : trial + 1, group], FitCode.NOT_ESTIMABLE)[0]:
                continue
            first = int(self.start[trial, group])
            part = self.table[first : first + int(self.length[trial, group])]
            place = int(np.searchsorted(part[:, 0], time, side="right")) - 1
            found = (part[place, 4], part[place, 5]) if place >= 0 else (0.0, 0.0)
            incidence[trial, group], variance[trial, group] = found
            is_left = not part.shape[0] or part[-1, 6] > 0.0
            beyond[trial, group] = is_left and time > self.last_time[trial, group]
        lower, upper = incidence_limits(incidence, variance, self.level)
        return IncidenceAt(incidence, np.sqrt(variance), lower, upper, beyond)


def incidence_limits(incidence: FloatArray, variance: FloatArray, level: float) -> tuple[FloatArray, FloatArray]:
    """Limits symmetric on the scale of log(-log F), eq. (CR-2); NaN where F is 0 or 1, which have none there."""
    with np.errstate(divide="ignore", invalid="ignore"):
        log_f = np.log(incidence)
        half = normal_quantile(level) * np.sqrt(variance) / (incidence * -log_f)
        lower, upper = np.exp(log_f * np.exp(half)), np.exp(log_f * np.exp(-half))
    open_ended = (incidence <= 0.0) | (incidence >= 1.0)
    return np.where(open_ended, np.nan, lower), np.where(open_ended, np.nan, upper)


def estimate_cumulative_incidence(
    time: ArrayLike,
    cause: ArrayLike,
    group: ArrayLike,
    offsets: ArrayLike,
    *,
    n_groups: int = 2,
    level: float = 0.95,
    threads: int | None = None,
) -> CumulativeIncidences:
    """Aalen and Johansen's estimate of the probability of the event of interest by each time, in each group.

    ``time`` (n_rows,) not negative; ``cause`` 0 censored (still at risk at that time), 1 the event, 2 a competing one;
    ``group`` whole numbers 0 to ``n_groups - 1``; ``offsets`` (n_trials + 1,). Assumes censoring independent of both
    events within a group. The variance is Aalen's (as R's cmprsk has it), p (1 - p) / (n - 1) before any censoring.

    Source: Aalen (1978), Ann Stat 6:534-545; Aalen and Johansen (1978), Scand J Stat 5:141-150.
    """
    from equipoise.stats.kernels.competing import N_COLUMNS, incidence_range

    rows = _Rows.of(time, cause, offsets)
    g = as_groups(group, rows.time.shape[0], n_groups)
    n = rows.n_trials
    owner = trial_of_row(rows.offsets) * n_groups + g
    sizes = np.bincount(owner, minlength=n * n_groups)
    start = offsets_from_sizes(sizes)[:-1].reshape(n, n_groups)
    length = np.zeros_like(start)
    table = np.full((rows.time.shape[0], N_COLUMNS), np.nan)
    data = (rows.time, rows.cause, np.ascontiguousarray(g[rows.order]), rows.offsets)
    run_over_trials(lambda first, stop: incidence_range(first, stop, data, start, length, table), n, threads=threads)
    last = np.full(n * n_groups, np.nan)
    np.fmax.at(last, owner, as_vector(time, "time"))
    codes = np.repeat(rows.codes[:, None], n_groups, axis=1)
    mark(codes, sizes.reshape(n, n_groups) == 0, FitCode.EMPTY_ARM | FitCode.NOT_ESTIMABLE)
    codes &= ~np.uint32(FitCode.NO_EVENTS)
    return CumulativeIncidences(table, start, length, last.reshape(n, n_groups), level, codes)


@dataclass(frozen=True)
class GrayTests:
    """Gray's test in each trial; NaN where ``codes`` says not estimable."""

    statistic: FloatArray  # (n_trials,) chi-square
    df: FloatArray
    p_value: FloatArray
    score: FloatArray  # (n_trials, n_groups): events observed less expected, weighted
    codes: CodeArray


def gray_test(
    time: ArrayLike,
    cause: ArrayLike,
    group: ArrayLike,
    offsets: ArrayLike,
    *,
    n_groups: int = 2,
    threads: int | None = None,
) -> GrayTests:
    """Gray's test that the cumulative incidence of the event of interest is the same in every group.

    Arguments as for :func:`estimate_cumulative_incidence`. It compares subdistribution hazards as a log-rank test
    compares hazards (rho = 0); events tied in time enter the variance as in R's cmprsk.

    Source: Gray (1988), Ann Stat 16:1141-1154.
    """
    from equipoise.stats.kernels.competing import gray_range

    rows = _Rows.of(time, cause, offsets)
    g = as_groups(group, rows.time.shape[0], n_groups)
    n = rows.n_trials
    score, variance = np.zeros((n, n_groups)), np.zeros((n, n_groups, n_groups))
    data = (rows.time, rows.cause, np.ascontiguousarray(g[rows.order]), rows.offsets)
    run_over_trials(lambda first, stop: gray_range(first, stop, data, score, variance), n, threads=threads)
    statistic, df, codes = np.full(n, np.nan), np.full(n, np.nan), rows.codes.copy()
    sizes = np.bincount(trial_of_row(rows.offsets) * n_groups + g, minlength=n * n_groups).reshape(n, n_groups)
    for trial in range(n):
        there = np.flatnonzero(sizes[trial])
        if has(codes[trial : trial + 1], FitCode.NOT_ESTIMABLE)[0]:
            continue
        if there.size < 2:
            codes[trial] |= np.uint32(FitCode.ONE_ARM_ONLY | FitCode.NOT_ESTIMABLE)
            continue
        chosen = there[:-1]
        v = variance[trial][np.ix_(chosen, chosen)]
        s = score[trial, chosen]
        if not (np.isfinite(v).all() and np.linalg.eigvalsh(v)[0] > 1e-12 * max(1.0, float(np.trace(v)))):
            codes[trial] |= np.uint32(FitCode.NOT_ESTIMABLE)
            continue
        statistic[trial], df[trial] = float(s @ np.linalg.solve(v, s)), float(chosen.size)
    return GrayTests(statistic, df, chi_square_p(statistic, df), score, codes)


@dataclass(frozen=True)
class FineGrayFits(WaldFits):
    """Fine and Gray's regression in each trial; NaN where ``codes`` says not estimable."""

    coefficients: FloatArray  # (n_trials, p), logarithms of subdistribution hazard ratios
    covariance: FloatArray  # (n_trials, p, p), robust, with the term for the estimated censoring
    inverse_information: FloatArray  # (n_trials, p, p): no valid covariance, since weights go into the likelihood
    log_likelihood: FloatArray  # (n_trials,), pseudo
    log_likelihood_null: FloatArray
    gradient_norm: FloatArray
    iterations: IntArray
    condition: FloatArray
    direction: NDArray[np.int8]  # (n_trials,): -1 or 1 where the coefficient asked for runs off that way, else 0
    kept: BoolArray  # (n_trials, p): columns of the fit that was made
    codes: CodeArray


def fit_fine_gray(
    time: ArrayLike,
    cause: ArrayLike,
    design: ArrayLike,
    offsets: ArrayLike,
    *,
    column: int | None = 0,
    threads: int | None = None,
) -> FineGrayFits:
    """Fit the hazard of the subdistribution of the event of interest, proportional in the columns of ``design``.

    ``time``, ``cause`` and ``offsets`` as for :func:`estimate_cumulative_incidence`; ``design`` (n_rows, p) without a
    column of ones. Who had a competing event stays in the risk set, weighted by how many would not yet have been
    censored (Kaplan-Meier of the censoring, the same for all). Ties by Breslow's rule. ``column`` is the coefficient
    the fit is for: where it runs off (an arm without the event) it is infinite, without errors; other columns that
    repeat one another or run off cost their own coefficients alone, with NUISANCE_LEFT_OUT.

    The covariance is the sandwich with the term for the estimated censoring, as R's cmprsk has it. Assumes proportional
    subdistribution hazards, and censoring independent of events and covariates.

    Source: Fine and Gray (1999), J Am Stat Assoc 94:496-509.
    """
    from equipoise.stats.kernels import competing as kernels

    rows = _Rows.of(time, cause, offsets)
    given = as_design(design, rows.time.shape[0])
    n, p = rows.n_trials, given.shape[1]
    codes = rows.codes.copy()
    mark(codes, any_by_trial(~np.isfinite(given), rows.offsets), FitCode.NON_FINITE_INPUT | FitCode.NOT_ESTIMABLE)
    mark(codes, has(codes, FitCode.NO_EVENTS), FitCode.NOT_ESTIMABLE)
    beta, values = np.zeros((n, p)), np.full((n, 2), np.nan)
    robust, inverse = np.full((n, p, p), np.nan), np.full((n, p, p), np.nan)
    quality = np.full((n, kernels.N_QUALITY), np.nan)
    wanted = ~has(codes, FitCode.NOT_ESTIMABLE)
    x = np.ascontiguousarray(_centred(given, rows.offsets)[rows.order])
    out = (beta, robust, inverse, values, quality)
    data = (rows.time, rows.cause, x, rows.offsets, wanted)
    run_over_trials(lambda first, stop: kernels.fit_range(first, stop, data, out), n, threads=threads)
    status = quality[:, kernels.STATUS]
    fits = FineGrayFits(
        coefficients=beta,
        covariance=robust,
        inverse_information=inverse,
        log_likelihood=values[:, 0].copy(),
        log_likelihood_null=values[:, 1].copy(),
        gradient_norm=quality[:, kernels.GRADIENT].copy(),
        iterations=np.nan_to_num(quality[:, kernels.ITERATIONS]).astype(np.int64),
        condition=quality[:, kernels.CONDITION].copy(),
        direction=np.zeros(n, dtype=np.int8),
        kept=np.ones((n, p), dtype=np.bool_),
        codes=codes,
    )
    good = wanted & (status == kernels.CONVERGED)
    _erase(fits, ~good & ~(wanted & (status == kernels.RUNAWAY)))
    for trial in np.flatnonzero(wanted & (status == kernels.RUNAWAY)):
        _settle_runaway(fits, x[rows.offsets[trial] : rows.offsets[trial + 1]], int(trial), column)
    for trial in np.flatnonzero(wanted & ~good & (status != kernels.RUNAWAY)):
        own = slice(int(rows.offsets[trial]), int(rows.offsets[trial + 1]))
        _settle_columns(fits, rows, x[own], int(trial), column)
    mark(codes, good & (fits.condition > _ILL_CONDITION), FitCode.ILL_CONDITIONED)
    return fits


def _centred(design: FloatArray, offsets: IntArray) -> FloatArray:
    """The design about its means in each trial: no coefficient changes, and far columns keep their digits."""
    sizes = np.maximum(np.diff(offsets), 1)[:, None]
    with np.errstate(invalid="ignore"):
        return np.asarray(design - (sum_by_trial(design, offsets) / sizes)[trial_of_row(offsets)])


def _erase(fits: FineGrayFits, where: BoolArray) -> None:
    for values in (fits.coefficients, fits.covariance, fits.inverse_information, fits.log_likelihood, fits.condition):
        values[where] = np.nan


def _settle_runaway(fits: FineGrayFits, x: FloatArray, trial: int, column: int | None) -> None:
    """Of a fit that ended far out: which coefficients run off, by their errors; the others are those of the limit."""
    spread = np.ptp(x, axis=0)
    with np.errstate(invalid="ignore"):
        error = np.sqrt(np.diagonal(fits.inverse_information[trial])) * spread
    gone = ~(error < _RUNAWAY_ERROR)
    code = fits.codes[trial : trial + 1]
    if column is not None and gone[column]:
        fits.direction[trial] = np.int8(np.sign(fits.coefficients[trial, column]))
        fits.coefficients[trial] = np.nan
        fits.coefficients[trial, column] = fits.direction[trial] * np.inf
        mark(code, np.array([0]), FitCode.MONOTONE_LIKELIHOOD)
    elif column is None:
        mark(code, np.array([0]), FitCode.MONOTONE_LIKELIHOOD | FitCode.NOT_ESTIMABLE)
        fits.coefficients[trial] = np.nan
    else:
        mark(code, np.array([0]), FitCode.NUISANCE_LEFT_OUT)
        fits.coefficients[trial, gone] = np.nan
    fits.kept[trial] = ~gone
    for matrix in (fits.covariance, fits.inverse_information):
        matrix[trial, gone, :] = np.nan
        matrix[trial, :, gone] = np.nan


def _settle_columns(fits: FineGrayFits, rows: _Rows, x: FloatArray, trial: int, column: int | None) -> None:
    """Fit one trial without the columns that repeat others (or are the same for all), where that is what stopped it."""
    code = fits.codes[trial : trial + 1]
    columns = tell_apart(np.column_stack([np.ones(x.shape[0]), x]))
    kept, told = columns.kept[1:], columns.told[1:]
    if column is not None and not told[column]:
        same = np.ptp(x[:, column]) == 0.0
        reason = FitCode.ONE_ARM_ONLY if same and x.shape[1] == 1 else FitCode.RANK_DEFICIENT
        mark(code, np.array([0]), reason | FitCode.NOT_ESTIMABLE)
        return
    if kept.all() or not kept.any() or column is None:
        reason = FitCode.NOT_CONVERGED if kept.all() else FitCode.RANK_DEFICIENT
        mark(code, np.array([0]), reason | FitCode.NOT_ESTIMABLE)
        return
    own = slice(int(rows.offsets[trial]), int(rows.offsets[trial + 1]))
    part = np.ascontiguousarray(x[:, kept])
    ends = [0, part.shape[0]]
    found = fit_fine_gray(rows.time[own], rows.cause[own], part, ends, column=int(kept[:column].sum()), threads=1)
    places, inside = np.flatnonzero(kept & told), np.flatnonzero(told[kept])
    fits.coefficients[trial, places] = found.coefficients[0, inside]
    for target, source in ((fits.covariance, found.covariance), (fits.inverse_information, found.inverse_information)):
        target[trial][np.ix_(places, places)] = source[0][np.ix_(inside, inside)]
    for name in ("log_likelihood", "log_likelihood_null", "gradient_norm", "iterations", "condition", "direction"):
        getattr(fits, name)[trial] = getattr(found, name)[0]
    code[0] |= found.codes[0]
    fits.kept[trial] = kept
    if not has(found.codes, FitCode.NOT_ESTIMABLE)[0]:
        mark(code, np.array([0]), FitCode.NUISANCE_LEFT_OUT)
