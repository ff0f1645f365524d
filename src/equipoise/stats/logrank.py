"""Log-rank and Peto-Peto tests, stratified or not, many trials at a time. Methods: ``docs/methods/logrank.md``.

>>> import numpy as np
>>> from equipoise.stats.logrank import log_rank
>>> test = log_rank([1.0, 2.0, 3.0, 4.0], [1, 1, 1, 1], [1, 0, 1, 0], offsets=[0, 4])
>>> round(float(test.expected[0, 0]), 6)  # 2/4 + 2/3 + 1/2 + 1
2.666667
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from equipoise.stats.codes import FitCode, has, mark
from equipoise.stats.kaplan_meier import as_groups
from equipoise.stats.kernels.sorting import arrange_rows
from equipoise.stats.kernels.survival_curve import GroupedRows, LogRankSums, log_rank_range
from equipoise.stats.packing import FloatArray, IntArray, run_over_trials, trial_of_row
from equipoise.stats.wald import BoolArray, CodeArray, as_integers, as_offsets, as_vector, chi_square_p


@dataclass(frozen=True)
class LogRankTests:
    """Weighted log-rank tests; NaN where ``codes`` says not estimable."""

    statistic: FloatArray  # (n_trials,) chi-square
    df: FloatArray  # (n_trials,) groups with somebody at risk at an event, less one
    p_value: FloatArray
    z: FloatArray  # (n_trials,) two groups: (observed - expected) of group 1 over its standard deviation; else NaN
    observed: FloatArray  # (n_trials, n_groups), weighted
    expected: FloatArray  # (n_trials, n_groups), weighted
    variance: FloatArray  # (n_trials, n_groups, n_groups) of observed - expected
    n_at_start: IntArray  # (n_trials, n_groups)
    codes: CodeArray

    @property
    def estimable(self) -> BoolArray:
        """(n_trials,): there is a test to report."""
        return ~has(self.codes, FitCode.NOT_ESTIMABLE)


def log_rank(
    time: ArrayLike,
    event: ArrayLike,
    group: ArrayLike,
    offsets: ArrayLike,
    *,
    n_groups: int = 2,
    strata: ArrayLike | None = None,
    rho: float = 0.0,
    order: IntArray | None = None,
    threads: int | None = None,
) -> LogRankTests:
    """Compare survival between groups; ``rho`` 0 is the log-rank test, 1 Peto and Peto's (as R's survdiff).

    Shapes and bounds as in :func:`equipoise.stats.kaplan_meier.fit_kaplan_meier`; ``strata`` (n_rows,) whole numbers.
    ``order``, from :func:`equipoise.stats.kaplan_meier.time_order`, saves sorting again (used without strata only).
    Weights are the pooled left-continuous survival of the stratum to the power ``rho``. Exact null variance is
    hypergeometric, so ties are handled. Assumes censoring independent of the event within group and stratum.

    Source: Mantel (1966); Harrington and Fleming (1982) Biometrika 69:553.
    """
    t = as_vector(time, "time")
    n = t.shape[0]
    d = as_vector(event, "event", n)
    g = as_groups(group, n, n_groups)
    s = None if strata is None else as_integers(strata, "strata", n)
    bounds = as_offsets(offsets, n)
    rows = arrange_rows(t, d, s, bounds, order=order if strata is None else None, threads=threads)
    codes = rows.codes
    n_trials = codes.shape[0]
    gs = g[rows.order]
    observed = np.zeros((n_trials, n_groups))
    expected = np.zeros((n_trials, n_groups))
    variance = np.zeros((n_trials, n_groups, n_groups))
    grouped, sums = GroupedRows(rows.time, rows.event, gs, bounds), LogRankSums(observed, expected, variance)
    run_over_trials(
        lambda begin, end: log_rank_range(grouped, rows.stratum, rho, sums, begin, end),
        n_trials,
        threads=threads,
    )
    sizes = np.bincount(trial_of_row(bounds) * n_groups + g, minlength=n_trials * n_groups)
    sizes = sizes.reshape(n_trials, n_groups)
    mark(codes, (sizes == 0).any(axis=1), FitCode.EMPTY_ARM)
    mark(codes, (sizes > 0).sum(axis=1) < 2, FitCode.ONE_ARM_ONLY | FitCode.NOT_ESTIMABLE)
    mark(codes, has(codes, FitCode.NO_EVENTS), FitCode.NOT_ESTIMABLE)
    failed = has(codes, FitCode.NOT_ESTIMABLE)
    statistic, df = quadratic_form(observed - expected, variance)
    # No event time had both arms at risk: nothing was compared.
    mark(codes, ~failed & (df == 0), FitCode.NOT_ESTIMABLE)
    failed |= df == 0
    for values in (statistic, df, observed, expected, variance):
        values[failed] = np.nan
    z = np.full(n_trials, np.nan)
    if n_groups == 2:
        with np.errstate(invalid="ignore", divide="ignore"):
            z = (observed[:, 1] - expected[:, 1]) / np.sqrt(variance[:, 1, 1])
    return LogRankTests(
        statistic=statistic,
        df=df,
        p_value=chi_square_p(statistic, df),
        z=z,
        observed=observed,
        expected=expected,
        variance=variance,
        n_at_start=sizes,
        codes=codes,
    )


def quadratic_form(difference: FloatArray, variance: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Chi-square and df of differences that sum to zero: group 0 is left out, with groups that have no variance."""
    n_trials, n_groups = difference.shape
    if n_groups == 2:
        v = variance[:, 1, 1]
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(v > 0, difference[:, 1] ** 2 / v, 0.0), (v > 0).astype(np.float64)
    statistic, df = np.zeros(n_trials), np.zeros(n_trials)
    for trial in range(n_trials):
        used = np.flatnonzero(np.diag(variance[trial]) > 0)[1:]
        if used.size:
            block = variance[trial][np.ix_(used, used)]
            statistic[trial] = difference[trial, used] @ np.linalg.solve(block, difference[trial, used])
            df[trial] = used.size
    return statistic, df
