"""Generalized estimating equations for one trial, with sandwich variances made for few participants.

Every participant's share of the equations is a vector and a matrix of as many rows as there are coefficients, found
for all participants at once: no matrix of anybody's visits is inverted. Equations: ``docs/methods/gee.md``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from equipoise.stats.codes import FitCode
from equipoise.stats.nuisance import SEPARATED, ToldApart, tell_apart
from equipoise.stats.packing import FloatArray, IntArray
from equipoise.stats.standardise import standardise
from equipoise.stats.wald import BoolArray

Family = Literal["binomial", "gaussian"]
Working = Literal["independence", "exchangeable", "ar1"]
_MAX_STEPS = 500
_CLOSE = 1e-10


@dataclass(frozen=True, slots=True)
class GeeFit:
    """One GEE fit; NaN, with a code saying why, where there is no finite answer. ``p`` columns."""

    coefficients: FloatArray
    """(p,): on the logit scale for ``binomial``, on the outcome's for ``gaussian``."""
    covariance: FloatArray
    """(p, p): plain sandwich (Liang and Zeger). Too small with fewer than about 40 participants."""
    covariance_kauermann_carroll: FloatArray
    """(p, p): residuals inflated by (I - H)^(-1/2)."""
    covariance_mancl_derouen: FloatArray
    """(p, p): residuals inflated by (I - H)^(-1); the larger, conservative one."""
    kept: BoolArray
    """(p,): columns of the fit that was made; the coefficients of others, and of columns they repeat, are NaN."""
    correlation: float
    """Working correlation: of two visits (exchangeable), of visits one unit of time apart (AR(1)), 0 (independence)."""
    n_participants: int
    codes: int
    """Bit mask of :class:`equipoise.stats.codes.FitCode`."""


def fit_gee(
    y: ArrayLike,
    design: ArrayLike,
    participant_offsets: ArrayLike,
    *,
    family: Family = "binomial",
    working: Working = "exchangeable",
    time: ArrayLike | None = None,
    column: int = 1,
) -> GeeFit:
    """Fit the population-averaged model g(E y) = design beta, visits of one participant correlated.

    Parameters
    ----------
    y : (rows,) 0 or 1 for ``binomial``, any finite number for ``gaussian``.
    design : (rows, p).
    participant_offsets : (participants + 1,) rows of each participant.
    working : assumed correlation; the sandwich is right whichever is assumed, with many participants.
    time : (rows,) when each visit was, needed by ``ar1``: the correlation of two visits is rho to the power of their
        distance.
    column : the coefficient the fit is for, the arm's: columns that repeat one another or run off cost only their own
        coefficients, with NUISANCE_LEFT_OUT, unless its own is among them.

    Where the moments give a working correlation out of its range (nobody's result ever changes, say), visits are taken
    as independent: INDEPENDENCE_TAKEN. Valid when outcomes are missing completely at random given the design. Raises
    ValueError where the arrays do not fit together.

    Source: Liang and Zeger (1986), Biometrika 73:13; Mancl and DeRouen (2001), Biometrics 57:126, eq. (4); Kauermann
    and Carroll (2001), JASA 96:1387.
    """
    outcome = np.asarray(y, dtype=np.float64)
    matrix = np.asarray(design, dtype=np.float64)
    offsets = np.asarray(participant_offsets, dtype=np.int64)
    if outcome.ndim != 1 or matrix.ndim != 2 or matrix.shape[0] != outcome.shape[0]:
        raise ValueError(f"y {outcome.shape} and design {matrix.shape} must be (rows,) and (rows, columns)")
    if offsets[0] != 0 or offsets[-1] != outcome.shape[0] or np.any(np.diff(offsets) < 0):
        raise ValueError(f"participant_offsets must rise from 0 to {outcome.shape[0]}")
    if working == "ar1" and time is None:
        raise ValueError("the AR(1) working correlation needs time")
    when = np.asarray(np.zeros_like(outcome) if time is None else time, dtype=np.float64)
    n_participants = int(np.count_nonzero(np.diff(offsets)))
    p = matrix.shape[1]
    focus = range(p)[column if p > 1 else 0]
    standardised = standardise(np.ascontiguousarray(matrix), np.array([0, outcome.size], dtype=np.int64))
    code, rows, columns = _check(outcome, standardised.design, when, n_participants, family, focus)
    if code & FitCode.NOT_ESTIMABLE:
        return _not_estimable(p, n_participants, code)
    who = np.repeat(np.arange(offsets.size - 1), np.diff(offsets))
    order = np.lexsort((when, who))  # AR(1) goes from each visit to the one after it
    order = order[rows[order]]
    starts = np.flatnonzero(np.append(True, np.diff(who[order]) != 0))
    x = standardised.design[order][:, columns.kept]
    solver = _Equations(outcome[order], x, starts, who[order], when[order], family, working)
    beta, rho, found = _solve(solver)
    if found & FitCode.NOT_ESTIMABLE and working != "independence":
        solver = _Equations(outcome[order], x, starts, who[order], when[order], family, "independence")
        beta, rho, found = _solve(solver)
        code |= FitCode.INDEPENDENCE_TAKEN
    if found & FitCode.NOT_ESTIMABLE:
        return _not_estimable(p, n_participants, found)
    coefficients = np.full((1, p), np.nan)
    coefficients[0, columns.kept] = beta
    coefficients[0, ~columns.told] = np.nan
    covariances = []
    places = np.flatnonzero(columns.kept)
    for sandwich in _sandwiches(*solver.shares(beta, rho)):
        whole = np.full((1, p, p), np.nan)
        whole[0][np.ix_(places, places)] = sandwich
        whole[0, ~columns.told, :] = whole[0, :, ~columns.told] = np.nan
        standardised.outwards(coefficients.copy(), whole)
        covariances.append(whole[0])
    standardised.outwards(coefficients)
    plain, kauermann_carroll, mancl_derouen = covariances
    return GeeFit(
        coefficients[0], plain, kauermann_carroll, mancl_derouen, columns.kept, rho, n_participants, int(code)
    )


def _check(
    y: FloatArray, x: FloatArray, time: FloatArray, n_participants: int, family: Family, focus: int
) -> tuple[FitCode, BoolArray, ToldApart]:
    """Why no answer can exist, before anything is fitted; the rows and columns that say something of the focus."""
    every = np.ones(y.shape[0], dtype=np.bool_)
    all_columns = ToldApart(np.ones(x.shape[1], dtype=np.bool_), np.ones(x.shape[1], dtype=np.bool_))

    def no(code: FitCode) -> tuple[FitCode, BoolArray, ToldApart]:
        return code | FitCode.NOT_ESTIMABLE, every, all_columns

    if not (np.all(np.isfinite(y)) and np.all(np.isfinite(x)) and np.all(np.isfinite(time))):
        return no(FitCode.NON_FINITE_INPUT)
    if family == "binomial" and not np.all((y == 0.0) | (y == 1.0)):
        return no(FitCode.NON_FINITE_INPUT)
    if y.size == 0:
        return no(FitCode.TOO_FEW_PARTICIPANTS)
    columns = tell_apart(x)
    if n_participants <= columns.kept.sum():
        return no(FitCode.TOO_FEW_PARTICIPANTS)
    if np.all(y == y[0]):
        extra = FitCode.NONE
        if family == "binomial":
            extra = FitCode.ALL_EVENTS if y[0] == 1.0 else FitCode.NO_EVENTS
        return no(FitCode.CONSTANT_OUTCOME | extra)
    if not columns.told[focus]:
        return no(FitCode.RANK_DEFICIENT)
    if family == "binomial":
        from equipoise.stats.logistic import fit_logistic

        found = fit_logistic(y, x, offsets=np.array([0, y.size]), column=focus)
        separated = FitCode(int(found.codes[0])) & SEPARATED
        if separated:
            return no(separated)
        if not found.informative.all():
            every = found.informative
            columns = tell_apart(x[every])
    left_out = not columns.kept.all() or not every.all()
    return (FitCode.NUISANCE_LEFT_OUT if left_out else FitCode.NONE), every, columns


def _not_estimable(p: int, n_participants: int, code: FitCode) -> GeeFit:
    empty = np.full((p, p), np.nan)
    return GeeFit(
        np.full(p, np.nan),
        empty,
        empty.copy(),
        empty.copy(),
        np.ones(p, dtype=np.bool_),
        float("nan"),
        n_participants,
        int(code),
    )


class _Equations:
    """The estimating equations of one trial: rows by participant and time, and what does not change between steps."""

    def __init__(
        self,
        y: FloatArray,
        x: FloatArray,
        starts: IntArray,
        who: IntArray,
        time: FloatArray,
        family: Family,
        working: Working,
    ) -> None:
        self.y, self.x, self.who, self.time = y, x, who, time
        self.family, self.working = family, working
        # First rows of participants who have any; a participant without rows starts where the next one does.
        self.starts = np.unique(starts)
        self.sizes = np.diff(np.append(self.starts, y.size))
        self.after = np.append(False, who[1:] == who[:-1])  # rows that follow another of the same participant
        self.gap = np.where(self.after, np.append(0.0, np.diff(time)), 1.0)
        self.lags = self._lags() if working == "ar1" else []
        # Two visits at one time would be one visit: their working correlation has no inverse.
        self.is_valid = working != "ar1" or bool(np.all(self.gap[self.after] > 0.0))

    def _lags(self) -> list[tuple[IntArray, FloatArray, IntArray]]:
        """For visits 1, 2, ... apart: rows that have such an earlier visit, distances in time, whose each is."""
        out = []
        for lag in range(1, int(self.sizes.max(initial=1))):
            later = np.flatnonzero(self.who[lag:] == self.who[:-lag]) + lag
            distance, which = np.unique(self.time[later] - self.time[later - lag], return_inverse=True)
            out.append((later, distance, which))
        return out

    def mean(self, beta: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Means of the rows and their variances, on which with the canonical link the derivative rests too."""
        eta = self.x @ beta
        if self.family == "gaussian":
            return eta, np.ones_like(eta)
        mean = 1.0 / (1.0 + np.exp(-np.clip(eta, -500.0, 500.0)))
        return mean, np.maximum(mean * (1.0 - mean), 1e-300)

    def correlation(self, beta: FloatArray) -> float:
        """The working correlation at these coefficients, (GEE-1)."""
        if self.working == "independence":
            return 0.0
        mean, variance = self.mean(beta)
        e = (self.y - mean) / np.sqrt(variance)
        squares = float(e @ e)
        if self.working == "exchangeable":
            n_pairs = int((self.sizes * (self.sizes - 1)).sum()) // 2
            products = 0.5 * (float((np.add.reduceat(e, self.starts) ** 2).sum()) - squares)
            return products / n_pairs / (squares / e.size) if n_pairs else 0.0
        distances, counts, totals = [], [], []
        for lag, (later, distance, which) in enumerate(self.lags, start=1):
            distances.append(distance)
            counts.append(np.bincount(which, minlength=distance.size).astype(np.float64))
            totals.append(np.bincount(which, weights=e[later] * e[later - lag], minlength=distance.size))
        if not distances:
            return 0.0
        return _decay(np.concatenate(totals) * e.size / squares, np.concatenate(counts), np.concatenate(distances))

    def shares(self, beta: FloatArray, rho: float) -> tuple[FloatArray, FloatArray]:
        """Each participant's d'e (n, p) and d'd (n, p, p), d and e whitened by the working covariance."""
        mean, variance = self.mean(beta)
        root = np.sqrt(variance)
        d, e = root[:, None] * self.x, (self.y - mean) / root
        if self.working == "ar1":
            # Given the visit before it a visit no longer depends on those before that one.
            phi = np.where(self.after, rho**self.gap, 0.0)
            scale = np.sqrt(1.0 - phi * phi)
            d, e = (d - phi[:, None] * np.roll(d, 1, axis=0)) / scale[:, None], (e - phi * np.roll(e, 1)) / scale
        score = np.add.reduceat(d * e[:, None], self.starts, axis=0)
        gram = np.add.reduceat(d[:, :, None] * d[:, None, :], self.starts, axis=0)
        if self.working == "exchangeable":
            # (1 - rho) times the inverse is I - c J with J of ones.
            c = rho / (1.0 + (self.sizes - 1) * rho)
            sums, rest = np.add.reduceat(d, self.starts, axis=0), np.add.reduceat(e, self.starts)
            score = (score - (c * rest)[:, None] * sums) / (1.0 - rho)
            gram = (gram - c[:, None, None] * sums[:, :, None] * sums[:, None, :]) / (1.0 - rho)
        return score, gram

    def is_proper(self, rho: float) -> bool:
        """Whether the working correlation of everybody's visits is positive definite."""
        if not np.isfinite(rho):
            return False
        if self.working == "exchangeable":
            return rho < 1.0 and bool(np.all(1.0 + (self.sizes - 1) * rho > 0.0))
        return self.is_valid


def _solve(equations: _Equations) -> tuple[FloatArray, float, FitCode]:
    """Coefficients and correlation at which the equations are zero, one scoring step a correlation."""
    failed = FitCode.NOT_CONVERGED | FitCode.NOT_ESTIMABLE
    p = equations.x.shape[1]
    beta: FloatArray = np.zeros(p)
    rho = 0.0
    if equations.family == "gaussian":
        beta = np.asarray(np.linalg.lstsq(equations.x, equations.y, rcond=None)[0])
    for _ in range(_MAX_STEPS):
        if not equations.is_proper(rho):
            return np.full(p, np.nan), float("nan"), failed
        score, gram = equations.shares(beta, rho)
        total, bread = score.sum(axis=0), gram.sum(axis=0)
        try:
            step = np.linalg.solve(bread, total)
        except np.linalg.LinAlgError:
            return np.full(p, np.nan), float("nan"), failed
        beta = beta + step
        if not np.all(np.isfinite(beta)):
            return np.full(p, np.nan), float("nan"), failed
        before, rho = rho, equations.correlation(beta)
        # In units of the model-based standard error, so that the scale of a column does not matter.
        if abs(rho - before) < _CLOSE and float(total @ step) < _CLOSE**2 * p:
            return (beta, rho, FitCode.NONE) if equations.is_proper(rho) else (beta, rho, failed)
    return np.full(p, np.nan), float("nan"), failed


def _decay(total: FloatArray, count: FloatArray, distance: FloatArray) -> float:
    """The rho in 0 to 1 that minimises the sum over pairs of (product - rho ** distance) squared; 0 without a pair.

    ``total`` and ``count`` are the sums and numbers of products at each ``distance``.
    """
    from scipy.optimize import brentq

    # Two visits at one time say nothing of rho.
    count, total, distance = count[distance > 0], total[distance > 0], distance[distance > 0]
    if not distance.size:
        return 0.0

    def loss(rho: FloatArray) -> FloatArray:
        power = rho[:, None] ** distance
        return np.asarray((power * (power * count - 2.0 * total)).sum(axis=1))

    def half_slope(rho: float) -> float:
        power = rho**distance
        return float(np.sum(distance * power * (power * count - total)) / rho)

    # The loss may have more than one valley: the deepest cell of a grid, then its floor.
    grid = np.linspace(0.0, 0.9999, 401)
    lowest = int(np.argmin(loss(grid)))
    left, right = max(grid[max(lowest - 1, 0)], 1e-9), grid[min(lowest + 1, grid.size - 1)]
    if half_slope(left) >= 0.0:
        return 0.0
    return (
        float(right)
        if half_slope(right) <= 0.0
        else float(brentq(half_slope, left, right, xtol=1e-14, rtol=1e-14, maxiter=1000))
    )


def _sandwiches(score: FloatArray, gram: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Plain, Kauermann-Carroll and Mancl-DeRouen sandwiches; (GEE-2) to (GEE-4).

    With S = d B^-1 d' similar to H, d' (I - S)^k e = (I - d'd B^-1)^k d'e: matrices of p by p, for every participant.
    """
    root = np.linalg.cholesky(gram.sum(axis=0))
    half = np.linalg.inv(root)
    inverse = half.T @ half
    values, vectors = np.linalg.eigh(half @ gram @ half.T)
    along = (score @ half.T)[:, None, :] @ vectors  # (n, 1, p) in the participant's own axes
    out = []
    for power in (0.0, -0.5, -1.0):
        inflated = np.maximum(1.0 - values, 1e-12) ** power
        adjusted = (along * inflated[:, None, :] @ vectors.transpose(0, 2, 1))[:, 0] @ root.T
        out.append(inverse @ (adjusted.T @ adjusted) @ inverse)
    return out[0], out[1], out[2]
