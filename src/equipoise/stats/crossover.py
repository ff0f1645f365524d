"""Treatments compared within participants who had several, each in a period. Methods: ``docs/methods/crossover.md``.

>>> from equipoise.stats.crossover import mainland_gart
>>> fit = mainland_gart(first=(14, 3), second=(4, 11))
>>> round(float(fit.odds_ratio[0]), 3), round(float(fit.p_value[0]), 5)
(3.402, 0.00356)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from equipoise.stats.codes import FitCode, mark
from equipoise.stats.exact import fisher_exact
from equipoise.stats.nuisance import tell_apart
from equipoise.stats.packing import FloatArray, IntArray
from equipoise.stats.wald import BoolArray, CodeArray, chi_square_p, normal_quantile, two_sided_p

# log(1 + m theta): how much more the mean of m periods of one participant varies than if they were not related. At
# the ends nothing varies between participants, or nothing within.
_LOWEST, _HIGHEST, _STEPS = -12.0, 24.0, 73
_BISECTIONS = 60
_NOTHING = 1e-13


@dataclass(frozen=True)
class CrossoverFits:
    """One model within participants a trial; NaN, with a code saying why, where there is no answer."""

    coefficients: FloatArray  # (n, p)
    covariance: FloatArray  # (n, p, p)
    df: FloatArray  # (n,) Satterthwaite's, of ``column``
    variance_within: FloatArray  # (n,)
    variance_between: FloatArray  # (n,) below zero where a participant's periods are negatively related
    log_likelihood: FloatArray  # (n,) restricted, with all constants
    kept: BoolArray  # (n, p) columns of the fit that was made
    codes: CodeArray

    @property
    def standard_errors(self) -> FloatArray:
        """(n, p)."""
        return np.sqrt(np.diagonal(self.covariance, axis1=1, axis2=2))


def fit_crossover(
    y: ArrayLike, design: ArrayLike, participant_offsets: ArrayLike, trial_offsets: ArrayLike, *, column: int = 1
) -> CrossoverFits:
    """Mean of ``y`` by ``design``, the results of one participant equally correlated, by REML: eqs. (XO-1) to (XO-4).

    Parameters
    ----------
    y : (rows,) results, by trial, then participant.
    design : (rows, p) constant, treatment, periods, sequences.
    participant_offsets : (participants + 1,) rows of each participant.
    trial_offsets : (trials + 1,) *participants* of each trial.
    column : the coefficient the fit is for, of which degrees of freedom are given.

    The correlation may be below zero: held at zero, the standard error is not that of the pairs (with complete pairs
    the answer here is that of Hills and Armitage). Columns that repeat others cost their own coefficients alone.
    """
    outcome = np.asarray(y, dtype=np.float64)
    matrix = np.asarray(design, dtype=np.float64)
    rows = np.asarray(participant_offsets, dtype=np.int64)
    trials = np.asarray(trial_offsets, dtype=np.int64)
    n, p = trials.shape[0] - 1, matrix.shape[1]
    out = CrossoverFits(
        np.full((n, p), np.nan),
        np.full((n, p, p), np.nan),
        np.full(n, np.nan),
        np.full(n, np.nan),
        np.full(n, np.nan),
        np.full(n, np.nan),
        np.ones((n, p), dtype=np.bool_),
        np.zeros(n, dtype=np.uint32),
    )
    groups: dict[bytes, list[int]] = {}
    for trial in range(n):
        bounds = rows[trials[trial] : trials[trial + 1] + 1]
        whole = slice(int(bounds[0]), int(bounds[-1])) if bounds.size else slice(0, 0)
        _look(out, trial, outcome[whole], matrix[whole], np.diff(bounds), column)
        if not out.codes[trial] & np.uint32(FitCode.NOT_ESTIMABLE):
            groups.setdefault(out.kept[trial].tobytes(), []).append(trial)
    for members in groups.values():
        chosen = np.array(members)
        _fit_group(out, chosen, outcome, matrix, rows, trials, column)
    return out


def _look(out: CrossoverFits, trial: int, y: FloatArray, x: FloatArray, sizes: IntArray, column: int) -> None:
    """What cannot be answered of one trial, and which columns its rows tell apart."""

    def refuse(code: FitCode) -> None:
        out.codes[trial] |= np.uint32(code | FitCode.NOT_ESTIMABLE)

    if not (np.isfinite(y).all() and np.isfinite(x).all()):
        return refuse(FitCode.NON_FINITE_INPUT)
    if not (sizes > 1).any():
        return refuse(FitCode.ONE_VISIT_EACH if y.size else FitCode.TOO_FEW_PARTICIPANTS)
    columns = tell_apart(x)
    if not columns.told[column]:
        return refuse(FitCode.RANK_DEFICIENT)
    if not columns.kept.all():
        out.codes[trial] |= np.uint32(FitCode.NUISANCE_LEFT_OUT)
        out.kept[trial] = columns.kept
    x = x[:, out.kept[trial]]
    # Within participants: each one's own mean is taken off, and what varies no more has no coefficient.
    owner = np.repeat(np.arange(sizes.size), sizes)
    per = np.maximum(sizes, 1)[:, None]

    def within(values: FloatArray) -> FloatArray:
        sums = np.zeros((sizes.size, values.shape[1]))
        np.add.at(sums, owner, values)
        return values - (sums / per)[owner]

    moved = within(x)
    left = int((sizes[sizes > 0] - 1).sum()) - int(np.linalg.matrix_rank(moved, tol=1e-9))
    if left < 1:
        return refuse(FitCode.TOO_FEW_PARTICIPANTS)
    own = within(y[:, None])
    residual = own - moved @ np.linalg.lstsq(moved, own, rcond=None)[0]
    spread = float(((y - y.mean()) ** 2).sum())
    if spread == 0.0:
        return refuse(FitCode.CONSTANT_OUTCOME)
    if float((residual**2).sum()) <= _NOTHING * spread:
        # Every participant changed by the same amount: the estimate is that, and its error cannot be told.
        out.codes[trial] |= np.uint32(FitCode.ERROR_UNKNOWN)
    return None


def _fit_group(
    out: CrossoverFits,
    chosen: IntArray,
    y: FloatArray,
    design: FloatArray,
    rows: IntArray,
    trials: IntArray,
    column: int,
) -> None:
    """Trials with the same columns, at once: sums of squares by trial and number of periods, then one variable."""
    kept = np.flatnonzero(out.kept[chosen[0]])
    at = int(np.searchsorted(kept, column))
    sums = _Sums.of(chosen, y, design[:, kept], rows, trials)
    phi = _maximum(sums)
    value = sums.at(phi)
    beta = value.beta
    sigma2 = value.rss / sums.df
    inverse = np.linalg.inv(value.xx)
    covariance = sigma2[:, None, None] * inverse
    # Satterthwaite: variance v = sigma2 c' M^-1 c, of which both variance parameters have a covariance.
    v = covariance[:, at, at]
    step = 1e-4
    up, down = sums.at(phi + step), sums.at(phi - step)
    curve = (up.slope_log - down.slope_log) / (2 * step) + (up.slope_rss - down.slope_rss) / (2 * step) / sigma2
    hessian = np.empty((chosen.size, 2, 2))
    hessian[:, 0, 0], hessian[:, 1, 1] = sums.df, curve
    hessian[:, 0, 1] = hessian[:, 1, 0] = -value.slope_rss / sigma2
    turn = -sigma2 * np.einsum("ti,tij,tj->t", inverse[:, at], value.slope_xx, inverse[:, at])
    gradient = np.stack([v, turn], axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = 2.0 * np.linalg.inv(np.where(np.isfinite(hessian), hessian, np.eye(2)))
        df = 2.0 * v * v / np.einsum("ti,tij,tj->t", gradient, spread, gradient)
    deviance = sums.df * (np.log(sigma2) + 1.0 + np.log(2.0 * np.pi)) + value.log_terms
    unknown = (out.codes[chosen] & np.uint32(FitCode.ERROR_UNKNOWN)) != 0
    out.coefficients[chosen[:, None], kept] = sums.start + beta
    out.covariance[chosen[:, None, None], kept[:, None], kept] = np.where(unknown[:, None, None], np.nan, covariance)
    out.df[chosen] = np.where(unknown, np.nan, df)
    out.variance_within[chosen] = np.where(unknown, 0.0, sigma2)
    out.variance_between[chosen] = np.where(unknown, np.nan, sigma2 * np.expm1(phi) / sums.most)
    out.log_likelihood[chosen] = np.where(unknown, np.nan, -0.5 * deviance)


@dataclass(frozen=True)
class _Value:
    """The restricted likelihood at one value of ``phi``, and its slopes in ``phi``."""

    xx: FloatArray  # (t, p, p)
    beta: FloatArray  # (t, p)
    rss: FloatArray  # (t,)
    log_terms: FloatArray  # (t,) log determinants
    slope_xx: FloatArray
    slope_log: FloatArray
    slope_rss: FloatArray


@dataclass(frozen=True)
class _Sums:
    """Sums of squares of the design and the outcome beside it, by trial; of sums over participants by their periods."""

    whole: FloatArray  # (t, p + 1, p + 1)
    by_size: FloatArray  # (t, sizes, p + 1, p + 1)
    start: FloatArray  # (t, p) least squares, taken off the outcome: large numbers would cost digits
    count: FloatArray  # (t, sizes) participants
    size: FloatArray  # (sizes,) periods
    df: FloatArray  # (t,) rows less columns
    most: float

    @classmethod
    def of(cls, chosen: IntArray, y: FloatArray, design: FloatArray, rows: IntArray, trials: IntArray) -> _Sums:
        width = design.shape[1] + 1
        blocks = [slice(int(rows[trials[t]]), int(rows[trials[t + 1]])) for t in chosen]
        largest = int(max(1, max(np.diff(rows[trials[t] : trials[t + 1] + 1]).max(initial=1) for t in chosen)))
        sizes = np.arange(1, largest + 1)
        whole = np.empty((chosen.size, width, width))
        by_size = np.zeros((chosen.size, largest, width, width))
        count = np.zeros((chosen.size, largest))
        df = np.empty(chosen.size)
        start = np.empty((chosen.size, design.shape[1]))
        for k, (trial, block) in enumerate(zip(chosen, blocks, strict=True)):
            start[k] = np.linalg.lstsq(design[block], y[block], rcond=None)[0]
            z = np.column_stack([design[block], y[block] - design[block] @ start[k]])
            whole[k] = z.T @ z
            bounds = rows[trials[trial] : trials[trial + 1] + 1] - rows[trials[trial]]
            each = np.diff(bounds)
            there = each > 0
            totals = np.add.reduceat(z, bounds[:-1][there], axis=0)
            for size in np.unique(each[there]):
                mine = totals[each[there] == size]
                by_size[k, size - 1] = mine.T @ mine
                count[k, size - 1] = mine.shape[0]
            df[k] = z.shape[0] - design.shape[1]
        return cls(whole, by_size, start, count, sizes.astype(np.float64), df, float(largest))

    def at(self, phi: FloatArray) -> _Value:
        """Eqs. (XO-2) and (XO-3)."""
        theta = np.expm1(phi) / self.most
        scale = 1.0 + self.size * theta[:, None]
        weight = theta[:, None] / scale
        g = self.whole - np.einsum("ts,tsij->tij", weight, self.by_size)
        turn = np.exp(phi) / self.most  # d theta / d phi
        slope = -turn[:, None, None] * np.einsum("ts,tsij->tij", scale**-2, self.by_size)
        xx, xy, yy = g[:, :-1, :-1], g[:, :-1, -1], g[:, -1, -1]
        beta = np.linalg.solve(xx, xy[:, :, None])[:, :, 0]
        rss = yy - np.einsum("ti,ti->t", xy, beta)
        ends = np.concatenate([-beta, np.ones((beta.shape[0], 1))], axis=1)
        slope_log = turn * (self.count * self.size / scale).sum(axis=1)
        slope_log = slope_log + np.einsum("tij,tji->t", np.linalg.inv(xx), slope[:, :-1, :-1])
        return _Value(
            xx=xx,
            beta=beta,
            rss=rss,
            log_terms=(self.count * np.log(scale)).sum(axis=1) + np.linalg.slogdet(xx)[1],
            slope_xx=slope[:, :-1, :-1],
            slope_log=slope_log,
            slope_rss=np.einsum("ti,tij,tj->t", ends, slope, ends),
        )


def _maximum(sums: _Sums) -> FloatArray:
    """(t,) ``phi`` at the maximum of the restricted likelihood: the best of a grid, then its slope bisected to zero."""
    grid = np.linspace(_LOWEST, _HIGHEST, _STEPS)
    t = sums.df.shape[0]
    deviance = np.empty((t, grid.size))
    for k, phi in enumerate(grid):
        value = sums.at(np.full(t, phi))
        with np.errstate(divide="ignore", invalid="ignore"):
            deviance[:, k] = sums.df * np.log(np.maximum(value.rss, 0.0)) + value.log_terms
    best = np.argmin(np.where(np.isfinite(deviance), deviance, np.inf), axis=1)
    low, high = grid[np.maximum(best - 1, 0)], grid[np.minimum(best + 1, grid.size - 1)]
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        value = sums.at(middle)
        with np.errstate(divide="ignore", invalid="ignore"):
            rising = value.slope_log + sums.df * value.slope_rss / value.rss > 0
        low, high = np.where(rising, low, middle), np.where(rising, middle, high)
    return np.asarray((low + high) / 2)


# ---------------------------------------------------------------------------------------------------------------------
# Yes or no, two treatments in two periods


@dataclass(frozen=True)
class PairedOdds:
    """Odds ratio of two treatments within participants; NaN where ``codes`` says not estimable.

    Infinite or zero where one cell of the discordant pairs is empty: the other limit and the p value stand.
    """

    odds_ratio: FloatArray
    standard_error: FloatArray  # of the logarithm; NaN of the exact ones and at the end of the scale
    ci_lower: FloatArray
    ci_upper: FloatArray
    statistic: FloatArray
    p_value: FloatArray
    codes: CodeArray


def mainland_gart(first: ArrayLike, second: ArrayLike, *, level: float = 0.95) -> PairedOdds:
    """Fisher's exact test on the discordant pairs, and the odds ratio within a participant, eq. (XO-5).

    ``first`` are those who had the treatment in the first period, ``second`` in the second; of each, (2,) or
    (2, n_trials), how many had the event in the first period alone, and in the second alone. The odds ratio of the
    table is the square of the treatment's: the difference between periods enters once with either sign.

    Source: Gart (1969) Biometrika 56:75.
    """
    (a, b), (c, d) = _pairs(first), _pairs(second)
    fits = fisher_exact(c, c + d, a, a + b, level=level)
    return PairedOdds(
        odds_ratio=np.sqrt(fits.odds_ratio),
        standard_error=np.full_like(fits.odds_ratio, np.nan),
        ci_lower=np.sqrt(fits.ci_lower),
        ci_upper=np.sqrt(fits.ci_upper),
        statistic=np.full_like(fits.odds_ratio, np.nan),
        p_value=fits.p_value,
        codes=fits.codes,
    )


def paired_logistic(first: ArrayLike, second: ArrayLike, *, level: float = 0.95) -> PairedOdds:
    """Conditional logistic regression on treatment and period in closed form, eq. (XO-6); arguments as above.

    Wald where every cell has somebody. Where one has nobody the odds ratio is at the end of its scale: the p value is
    then of the likelihood-ratio test, and the limit that of the profile likelihood.
    """
    (a, b), (c, d) = _pairs(first), _pairs(second)
    cells = np.stack([a, b, c, d]).astype(np.float64)
    n = cells.shape[1]
    codes = np.zeros(n, dtype=np.uint32)
    there = (cells[0] + cells[1] > 0) & (cells[2] + cells[3] > 0)
    mark(codes, ~there, FitCode.EMPTY_ARM | FitCode.NOT_ESTIMABLE)
    # In one period alone whatever was given: the period carries it all, and nothing is left for the treatment.
    one_sided = there & ((cells[0] + cells[2] == 0) | (cells[1] + cells[3] == 0))
    mark(codes, one_sided, FitCode.ALL_EVENTS | FitCode.NOT_ESTIMABLE)
    known = there & ~one_sided
    full = known & (cells > 0).all(axis=0)
    mark(codes, known & ~full, FitCode.ZERO_CELL | FitCode.SEPARATION_QUASI)
    with np.errstate(divide="ignore", invalid="ignore"):
        log_odds = 0.5 * (np.log(cells[0]) - np.log(cells[1]) - np.log(cells[2]) + np.log(cells[3]))
        error = np.where(full, 0.5 * np.sqrt((1.0 / cells).sum(axis=0)), np.nan)
    half = normal_quantile(level) * error
    lower, upper, statistic = log_odds - half, log_odds + half, log_odds / error
    p = two_sided_p(statistic)
    for trial in np.flatnonzero(known & ~full):
        ratio = 2.0 * (_pair_likelihood(cells[:, trial], np.inf) - _pair_likelihood(cells[:, trial], 0.0))
        p[trial] = float(chi_square_p(np.array([ratio]), 1)[0])
        statistic[trial] = ratio
        limit = _profile_limit(cells[:, trial], float(log_odds[trial]), level)
        lower[trial], upper[trial] = (limit, np.inf) if log_odds[trial] > 0 else (-np.inf, limit)
    empty = ~known
    values = [np.where(empty, np.nan, np.exp(v)) for v in (log_odds, lower, upper)]
    return PairedOdds(
        values[0], error, values[1], values[2], np.where(empty, np.nan, statistic), np.where(empty, np.nan, p), codes
    )


def _pairs(counts: ArrayLike) -> tuple[FloatArray, FloatArray]:
    values = np.asarray(counts, dtype=np.float64)
    values = values[:, None] if values.ndim == 1 else values
    if values.shape[0] != 2 or not (values >= 0).all() or (values != np.floor(values)).any():
        raise ValueError("discordant pairs are two whole numbers per trial, not below zero")
    return values[0], values[1]


def _pair_likelihood(cells: FloatArray, log_odds: float) -> float:
    """Log likelihood of the discordant pairs, maximised over the difference of the periods."""
    a, b, c, d = cells
    if np.isinf(log_odds):
        out = 0.0
        for x, m in ((a, a + b), (c, c + d)):
            out += special.xlogy(x, x / m) + special.xlogy(m - x, 1 - x / m)
        return float(out)

    def score(period: float) -> float:
        return float(a + c - (a + b) * special.expit(period + log_odds) - (c + d) * special.expit(period - log_odds))

    period = _root(score, -60.0 - abs(log_odds), 60.0 + abs(log_odds))
    up, down = period + log_odds, period - log_odds
    return float(
        a * special.log_expit(up)
        + b * special.log_expit(-up)
        + c * special.log_expit(down)
        + d * special.log_expit(-down)
    )


def _profile_limit(cells: FloatArray, towards: float, level: float) -> float:
    """The finite limit of a log odds ratio that is infinite: where the deviance reaches its quantile."""
    top = _pair_likelihood(cells, np.inf)
    drop = 0.5 * normal_quantile(level) ** 2
    sign = 1.0 if towards > 0 else -1.0

    def beyond(size: float) -> float:
        return drop - (top - _pair_likelihood(cells, sign * size))

    return sign * _root(lambda size: -beyond(size), -40.0, 40.0)


def _root(function: Callable[[float], float], low: float, high: float) -> float:
    """Where a falling function is zero."""
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if function(middle) > 0 else (low, middle)
    return (low + high) / 2


@dataclass(frozen=True)
class PrescottTests:
    """Prescott's test: whether the treatments differ, from all pairs."""

    statistic: FloatArray  # chi-square on 1 df, variance with N - 1
    p_value: FloatArray  # of the chi-square
    p_exact: FloatArray  # over all tables with these margins; NaN unless asked for
    codes: CodeArray


def prescott(first: ArrayLike, second: ArrayLike, *, exact: bool = True) -> PrescottTests:
    """Trend of -1, 0, 1 (event in the second period alone, no difference, in the first alone) by sequence, eq. (XO-7).

    ``first`` had the treatment in the first period, ``second`` in the second: (3,) or (3, n_trials) counts of
    participants with -1, 0 and 1.

    Source: Prescott (1981) Appl Stat 30:9.
    """
    tables = [np.asarray(counts, dtype=np.float64) for counts in (first, second)]
    one, two = (values[:, None] if values.ndim == 1 else values for values in tables)
    m, n = one.sum(axis=0), one.sum(axis=0) + two.sum(axis=0)
    low, high = one[0] + two[0], one[2] + two[2]
    codes = np.zeros(n.shape[0], dtype=np.uint32)
    mark(codes, (m == 0) | (m == n), FitCode.EMPTY_ARM | FitCode.NOT_ESTIMABLE)
    with np.errstate(divide="ignore", invalid="ignore"):
        expected = m * (high - low) / n
        variance = m * (n - m) / (n * (n - 1)) * (high + low - (high - low) ** 2 / n)
        statistic = np.where(variance > 0, (one[2] - one[0] - expected) ** 2 / variance, np.nan)
    mark(codes, (codes == 0) & ~(variance > 0), FitCode.CONSTANT_OUTCOME | FitCode.NOT_ESTIMABLE)
    p_exact = np.full(n.shape[0], np.nan)
    if exact:
        for trial in np.flatnonzero(np.isfinite(statistic)):
            p_exact[trial] = _prescott_exact(
                int(m[trial]), int(n[trial]), int(low[trial]), int(high[trial]), int(one[2, trial] - one[0, trial])
            )
    return PrescottTests(statistic, chi_square_p(statistic, 1), p_exact, codes)


@lru_cache(maxsize=50_000)
def _prescott_exact(m: int, n: int, low: int, high: int, found: int) -> float:
    """Probability of a sum at least as far from its expectation, over all allocations to the sequences."""
    i, j = np.meshgrid(np.arange(min(m, low) + 1), np.arange(min(m, high) + 1), indexing="ij")
    rest = m - i - j
    fits = (rest >= 0) & (rest <= n - low - high)
    i, j, rest = i[fits], j[fits], rest[fits]

    def log_choose(k: int, r: IntArray) -> FloatArray:
        return np.asarray(special.gammaln(k + 1) - special.gammaln(r + 1) - special.gammaln(k - r + 1))

    log_p = log_choose(low, i) + log_choose(high, j) + log_choose(n - low - high, rest) - log_choose(n, np.array(m))
    expected = m * (high - low) / n
    far = np.abs(j - i - expected) >= abs(found - expected) - 1e-9
    return float(min(1.0, np.exp(log_p[far]).sum()))


# ---------------------------------------------------------------------------------------------------------------------
# Scores by their ranks, two treatments in two periods


@dataclass(frozen=True)
class RankSumTests:
    """Koch's test: whether the treatments differ, from the ranks of the period differences."""

    statistic: FloatArray  # Wilcoxon's W of those who had the treatment first: rank sum less its least
    z: FloatArray
    p_value: FloatArray  # normal approximation, variance for ties, no continuity correction
    codes: CodeArray


def koch(difference: ArrayLike, is_first: ArrayLike, offsets: ArrayLike) -> RankSumTests:
    """Wilcoxon rank sum test of the first period's result less the second's, by sequence, eq. (XO-8).

    ``difference`` (n,) is that of one participant, ``is_first`` (n,) says who had the treatment in the first period;
    trial ``k`` owns rows ``offsets[k]:offsets[k + 1]``. Period and participant drop out of the comparison of the two
    sequences.

    Source: Koch (1972) Biometrics 28:577.
    """
    from scipy.stats import rankdata  # takes a second to load

    values, first = np.asarray(difference, dtype=np.float64), np.asarray(is_first, dtype=np.bool_)
    bounds = np.asarray(offsets, dtype=np.int64)
    n_trials = bounds.shape[0] - 1
    w, z = np.full(n_trials, np.nan), np.full(n_trials, np.nan)
    codes = np.zeros(n_trials, dtype=np.uint32)
    for trial, (begin, end) in enumerate(pairwise(bounds)):
        n, m = int(end - begin), int(first[begin:end].sum())
        if m in (0, n):
            codes[trial] |= FitCode.EMPTY_ARM | FitCode.NOT_ESTIMABLE
            continue
        ranks = rankdata(values[begin:end])
        _, ties = np.unique(values[begin:end], return_counts=True)
        w[trial] = ranks[first[begin:end]].sum() - m * (m + 1) / 2
        variance = m * (n - m) / 12 * (n + 1 - (ties.astype(np.float64) ** 3 - ties).sum() / (n * (n - 1)))
        if variance <= 0:
            codes[trial] |= FitCode.CONSTANT_OUTCOME | FitCode.NOT_ESTIMABLE
            continue
        z[trial] = (w[trial] - m * (n - m) / 2) / np.sqrt(variance)
    return RankSumTests(w, z, two_sided_p(z), codes)
