"""Restricted mean survival time and its difference between arms. Methods: ``docs/methods/rmst.md``.

>>> from equipoise.stats.kaplan_meier import fit_kaplan_meier
>>> from equipoise.stats.rmst import estimate_rmst
>>> curves = fit_kaplan_meier([1.0, 2.0, 3.0, 4.0], [1, 0, 1, 1], [0, 0, 0, 0], offsets=[0, 4], n_groups=1)
>>> float(estimate_rmst(curves, horizon=3.0).mean[0, 0])  # 1 for one unit, then 3/4 for two
2.5
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from equipoise.stats.codes import FitCode, has, mark
from equipoise.stats.kaplan_meier import KaplanMeierFits
from equipoise.stats.packing import FloatArray
from equipoise.stats.wald import CodeArray, normal_quantile, two_sided_p


@dataclass(frozen=True)
class RestrictedMeans:
    """Restricted mean survival times by trial and group; NaN where ``group_codes`` says not estimable."""

    mean: FloatArray  # (n_trials, n_groups), in units of time
    standard_error: FloatArray  # (n_trials, n_groups)
    horizon: float
    group_codes: CodeArray  # (n_trials, n_groups)

    def limits(self, level: float = 0.95) -> FloatArray:
        """Wald limits (n_trials, n_groups, 2)."""
        half = normal_quantile(level) * self.standard_error
        return np.stack([self.mean - half, self.mean + half], axis=-1)


@dataclass(frozen=True)
class RestrictedMeanDifferences:
    """Difference in restricted mean, experimental minus control; NaN where ``codes`` says not estimable."""

    estimate: FloatArray  # (n_trials,)
    standard_error: FloatArray
    ci_lower: FloatArray
    ci_upper: FloatArray
    p_value: FloatArray
    level: float
    horizon: float
    codes: CodeArray


def estimate_rmst(curves: KaplanMeierFits, horizon: float) -> RestrictedMeans:
    """Area under each Kaplan-Meier curve from 0 to ``horizon`` (above 0), eq. (RM-1), with its standard error (RM-2).

    If the last time of a group lies before the horizon and survival there is above 0, the curve is continued level and
    HORIZON_BEYOND_FOLLOW_UP is set; the estimate is then no longer free of assumptions. Where the formula gives an
    error of zero (nobody in the group has the event before the horizon, or all of them at once) the error is not known:
    NaN, with ERROR_UNKNOWN.

    Source: Irwin (1949); Royston and Parmar (2013) BMC Med Res Methodol 13:152.
    """
    if not (np.isfinite(horizon) and horizon > 0.0):
        raise ValueError(f"horizon must be a positive number, got {horizon}")
    shape = curves.length.shape
    start, length = curves.start.ravel(), curves.length.ravel()
    mean = np.full(start.shape[0], np.nan)
    error = np.full(start.shape[0], np.nan)
    codes = curves.group_codes.copy()
    codes &= np.uint32(~int(FitCode.MEDIAN_NOT_REACHED) & 0xFFFFFFFF)
    filled = np.flatnonzero((length > 0) & ~has(curves.group_codes.ravel(), FitCode.NOT_ESTIMABLE))
    if filled.size:
        n_points = length[filled]
        owner = np.repeat(np.arange(filled.size), n_points)
        first = np.cumsum(n_points) - n_points
        last = first + n_points - 1
        point = np.arange(owner.shape[0]) - first[owner] + start[filled][owner]
        time, survival = curves.time[point], curves.survival[point]
        # Area of the step that begins at each time, cut at the horizon.
        following = np.append(time[1:], horizon)
        following[last] = np.maximum(horizon, time[last])
        area = survival * np.maximum(np.minimum(following, horizon) - np.minimum(time, horizon), 0.0)
        mean[filled] = np.add.reduceat(area, first) + np.minimum(time[first], horizon)
        # Area to the right of each time within its curve, summed backwards curve by curve.
        n, d = curves.n_at_risk[point], curves.n_events[point]
        variance = np.zeros(filled.size)
        right = np.zeros(filled.size)
        for back in range(int(n_points.max())):
            has_point = n_points > back
            index = last[has_point] - back
            right[has_point] += area[index]
            m, e = n[index], d[index]
            counts = (time[index] <= horizon) & (e > 0) & (m > e)
            with np.errstate(invalid="ignore", divide="ignore"):
                variance[has_point] += np.where(counts, right[has_point] ** 2 * e / (m * (m - e)), 0.0)
        # No variance seen is no certainty: one participant without event would know the mean without error.
        error[filled] = np.where(variance > 0.0, np.sqrt(variance), np.nan)
        short = (time[last] < horizon) & (survival[last] > 0.0)
        flat = codes.reshape(-1)
        mark(flat, filled[short], FitCode.HORIZON_BEYOND_FOLLOW_UP)
        mark(flat, filled[variance == 0.0], FitCode.ERROR_UNKNOWN)
        codes = flat
    return RestrictedMeans(mean.reshape(shape), error.reshape(shape), float(horizon), codes.reshape(shape))


def estimate_rmst_difference(
    curves: KaplanMeierFits, horizon: float, *, control: int = 0, experimental: int = 1, level: float = 0.95
) -> RestrictedMeanDifferences:
    """Difference of restricted means, experimental minus control, of independent arms, eq. (RM-3).

    Where the error of an arm is not known the difference stands without error, limits and p value, with ERROR_UNKNOWN.
    """
    means = estimate_rmst(curves, horizon)
    estimate = means.mean[:, experimental] - means.mean[:, control]
    error = np.hypot(means.standard_error[:, experimental], means.standard_error[:, control])
    codes = means.group_codes[:, experimental] | means.group_codes[:, control]
    mark(codes, np.isnan(estimate), FitCode.NOT_ESTIMABLE)
    failed = has(codes, FitCode.NOT_ESTIMABLE)
    estimate, error = np.where(failed, np.nan, estimate), np.where(failed, np.nan, error)
    half = normal_quantile(level) * error
    return RestrictedMeanDifferences(
        estimate, error, estimate - half, estimate + half, two_sided_p(estimate / error), level, float(horizon), codes
    )
