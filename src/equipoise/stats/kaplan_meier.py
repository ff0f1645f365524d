"""Kaplan-Meier curves by arm, many trials at a time. Methods: ``docs/methods/kaplan_meier.md``.

>>> import numpy as np
>>> from equipoise.stats.kaplan_meier import fit_kaplan_meier
>>> fits = fit_kaplan_meier([1.0, 2.0, 3.0, 4.0], [1, 0, 1, 1], [0, 0, 0, 0], offsets=[0, 4], n_groups=1)
>>> fits.curve(0, 0).survival.tolist()
[0.75, 0.75, 0.375, 0.0]
>>> float(fits.median[0, 0])
3.0
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from equipoise.stats.codes import FitCode, has, mark
from equipoise.stats.kernels.sorting import arrange_rows, order_by_time
from equipoise.stats.kernels.survival_curve import CurveTables, GroupedRows, curve_range
from equipoise.stats.packing import FloatArray, IntArray, run_over_trials, trial_of_row
from equipoise.stats.wald import CodeArray, as_integers, as_offsets, as_vector, normal_quantile


@dataclass(frozen=True)
class SurvivalCurve:
    """One product-limit curve at its distinct times, events and censorings alike; right-continuous."""

    time: FloatArray
    n_at_risk: FloatArray  # just before each time
    n_events: FloatArray
    n_censored: FloatArray
    survival: FloatArray
    standard_error: FloatArray  # of the survival, Greenwood; NaN once survival is 0
    ci_lower: FloatArray
    ci_upper: FloatArray

    def at(self, times: ArrayLike) -> FloatArray:
        """Survival at each of ``times`` (1 before the first, the last value afterwards)."""
        index = np.searchsorted(self.time, np.asarray(times, dtype=np.float64), side="right")
        return np.concatenate([[1.0], self.survival])[index]

    def at_risk(self, times: ArrayLike) -> FloatArray:
        """Number at risk just before each of ``times``."""
        index = np.searchsorted(self.time, np.asarray(times, dtype=np.float64), side="left")
        return np.concatenate([self.n_at_risk, [0.0]])[index]


@dataclass(frozen=True)
class KaplanMeierFits:
    """Curves of every trial and group, end to end, with medians; NaN where ``codes`` says not estimable."""

    time: FloatArray  # (n_points,)
    n_at_risk: FloatArray
    n_events: FloatArray
    n_censored: FloatArray
    survival: FloatArray
    greenwood: FloatArray  # sum of d / (n (n - d)): the variance of log survival
    start: IntArray  # (n_trials, n_groups): first point of each curve
    length: IntArray  # (n_trials, n_groups): its number of points
    median: FloatArray  # (n_trials, n_groups); NaN with MEDIAN_NOT_REACHED
    median_lower: FloatArray  # NaN: not reached
    median_upper: FloatArray  # NaN: not reached
    level: float
    group_codes: CodeArray  # (n_trials, n_groups)
    codes: CodeArray  # (n_trials,)

    @property
    def standard_error(self) -> FloatArray:
        """Greenwood standard error of the survival (n_points,); NaN once survival is 0, eq. (KM-3)."""
        with np.errstate(invalid="ignore"):
            return self.survival * np.sqrt(self.greenwood)

    @property
    def limits(self) -> FloatArray:
        """Log-log limits (n_points, 2), eq. (KM-4); NaN before the first event and once survival is 0."""
        return log_log_limits(self.survival, self.greenwood, self.level)

    def curve(self, trial: int, group: int) -> SurvivalCurve:
        """The curve of one group of one trial."""
        first = int(self.start[trial, group])
        part = slice(first, first + int(self.length[trial, group]))
        survival, greenwood = self.survival[part], self.greenwood[part]
        limits = log_log_limits(survival, greenwood, self.level)
        with np.errstate(invalid="ignore"):
            error = survival * np.sqrt(greenwood)
        return SurvivalCurve(
            time=self.time[part],
            n_at_risk=self.n_at_risk[part],
            n_events=self.n_events[part],
            n_censored=self.n_censored[part],
            survival=survival,
            standard_error=error,
            ci_lower=limits[:, 0],
            ci_upper=limits[:, 1],
        )


def log_log_limits(survival: FloatArray, greenwood: FloatArray, level: float) -> FloatArray:
    """Limits (..., 2) that are symmetric on the scale of log(-log S), eq. (KM-4); NaN where S is 0 or 1."""
    with np.errstate(divide="ignore", invalid="ignore"):
        log_s = np.log(survival)
        half = normal_quantile(level) * np.sqrt(greenwood) / -log_s
        limits = np.stack([np.exp(log_s * np.exp(half)), np.exp(log_s * np.exp(-half))], axis=-1)
    # At 1 and at 0 the scale has no value, and [1, 1] would claim certainty.
    limits[(survival == 1.0) | (survival == 0.0)] = np.nan
    return limits


def fit_kaplan_meier(
    time: ArrayLike,
    event: ArrayLike,
    group: ArrayLike,
    offsets: ArrayLike,
    *,
    n_groups: int = 2,
    level: float = 0.95,
    order: IntArray | None = None,
    threads: int | None = None,
) -> KaplanMeierFits:
    """Product-limit estimate of survival in each group of each trial.

    ``time`` (n_rows,) not negative; ``event`` 1 event, 0 censored (still at risk at that time); ``group`` whole
    numbers 0 to ``n_groups - 1``. Assumes censoring independent of the event within a group. Medians follow the rule
    of R's survfit (the middle of a stretch where survival is one half), their limits from the log-log limits.
    ``order``, from :func:`time_order`, saves sorting again what a log-rank test has sorted.
    Raises ValueError only for shapes or group numbers.

    Source: Kaplan and Meier (1958); Greenwood (1926); Brookmeyer and Crowley (1982) for the median.
    """
    t = as_vector(time, "time")
    n = t.shape[0]
    d = as_vector(event, "event", n)
    g = as_groups(group, n, n_groups)
    bounds = as_offsets(offsets, n)
    rows = arrange_rows(t, d, None, bounds, order=order, threads=threads)
    codes = rows.codes
    n_trials = codes.shape[0]
    gs = g[rows.order]
    sizes = np.bincount(trial_of_row(bounds) * n_groups + g, minlength=n_trials * n_groups)
    start = np.zeros(n_trials * n_groups, dtype=np.int64)
    np.cumsum(sizes[:-1], out=start[1:])
    length = np.zeros((n_trials, n_groups), dtype=np.int64)
    # Points beyond each curve, where times are tied, stay NaN.
    table = np.full((n, 6), np.nan)
    medians = np.full((n_trials, n_groups, 3), np.nan)
    quantile = normal_quantile(level)
    grouped, curves = GroupedRows(rows.time, rows.event, gs, bounds), CurveTables(start, length, table, medians)
    run_over_trials(
        lambda begin, end: curve_range(grouped, quantile, curves, begin, end),
        n_trials,
        threads=threads,
    )
    failed = has(codes, FitCode.NOT_ESTIMABLE)
    length[failed] = 0
    group_codes = np.zeros((n_trials, n_groups), dtype=np.uint32)
    empty = sizes.reshape(n_trials, n_groups) == 0
    mark(group_codes, empty, FitCode.EMPTY_ARM | FitCode.NOT_ESTIMABLE)
    group_codes |= codes[:, None] & np.uint32(~int(FitCode.NO_EVENTS | FitCode.ALL_EVENTS) & 0xFFFFFFFF)
    starts = start.reshape(n_trials, n_groups)
    survival, greenwood = table[:, 4], table[:, 5]
    medians[failed] = np.nan
    median, lower, upper = medians[:, :, 0], medians[:, :, 1], medians[:, :, 2]
    mark(group_codes, np.isnan(median) & ~has(group_codes, FitCode.NOT_ESTIMABLE), FitCode.MEDIAN_NOT_REACHED)
    mark(codes, empty.any(axis=1), FitCode.EMPTY_ARM)
    return KaplanMeierFits(
        time=table[:, 0],
        n_at_risk=table[:, 1],
        n_events=table[:, 2],
        n_censored=table[:, 3],
        survival=survival,
        greenwood=greenwood,
        start=starts,
        length=length,
        median=median,
        median_lower=lower,
        median_upper=upper,
        level=level,
        group_codes=group_codes,
        codes=codes,
    )


def time_order(time: ArrayLike, offsets: ArrayLike, *, threads: int | None = None) -> IntArray:
    """Row numbers that put each trial in ascending time, ties as given; to be shared by several estimators."""
    t = as_vector(time, "time")
    return order_by_time(t, as_offsets(offsets, t.shape[0]), threads=threads)


def as_groups(group: ArrayLike, n: int, n_groups: int) -> IntArray:
    """Group numbers checked to lie in 0 .. n_groups - 1."""
    g = as_integers(group, "group", n)
    if g.size and (g.min() < 0 or g.max() >= n_groups):
        raise ValueError(f"group numbers must lie between 0 and {n_groups - 1}")
    return g
