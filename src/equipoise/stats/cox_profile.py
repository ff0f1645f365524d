"""Profile limits of a Cox coefficient, also where it has no finite estimate, and Firth's penalty. Methods:
``docs/methods/cox.md``.

For the few trials whose partial likelihood is monotone, one trial at a time.

>>> import numpy as np
>>> from equipoise.stats.cox_profile import profile_cox
>>> answer = profile_cox([1.0, 2.0, 3.0, 4.0, 5.0], [1, 1, 1, 0, 0], np.array([1.0, 1.0, 1.0, 0.0, 0.0]))
>>> bool(np.isinf(answer.estimate)), bool(answer.ci_lower > -5.0), bool(np.isinf(answer.ci_upper))
(True, True, True)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from equipoise.stats.cox import SurvivalInput, Ties, fit_cox
from equipoise.stats.packing import FloatArray, IntArray
from equipoise.stats.wald import chi_square_p, normal_quantile

# Deviance at which a limit is taken as found, and the furthest it is looked for, in ranges of the column.
_CLOSE = 1e-10
_FURTHEST = 60.0
_MAX_STEPS = 100


@dataclass(frozen=True, slots=True)
class CoxProfile:
    """Estimate, limits and test of one coefficient (log hazard ratio) by its profile; NaN where there is none."""

    estimate: float
    """Infinite with the sign in which it runs off, where it does and there is no penalty."""
    standard_error: float
    """From the information at the estimate; NaN where that is infinite."""
    ci_lower: float
    """Minus infinity where the estimate is."""
    ci_upper: float
    statistic: float
    """Twice the log likelihood lost by holding the coefficient at zero, chi-square on 1 df."""
    p_value: float


class _Partial:
    """The partial likelihood of one trial, Efron's or Breslow's ties, with moments of the risk sets up to the third."""

    def __init__(self, data: SurvivalInput, *, efron: bool, penalised: bool) -> None:
        x = data.design - data.design.mean(axis=0)
        spread = np.ptp(x, axis=0)
        self.unit = np.where(spread > 0.0, spread, 1.0)
        self.x = x / self.unit
        self.penalised = penalised
        n = self.x.shape[0]
        columns = [np.ones((n, 1)), self.x, (self.x[:, :, None] * self.x[:, None, :]).reshape(n, -1)]
        if penalised:
            thirds = self.x[:, :, None, None] * self.x[:, None, :, None] * self.x[:, None, None, :]
            columns.append(thirds.reshape(n, -1))
        self.powers = np.concatenate(columns, axis=1)
        time, stratum = data.time, data.stratum
        self.bounds = np.append(np.flatnonzero(np.append(True, np.diff(stratum) != 0)), n)
        is_first = np.append(True, (np.diff(time) != 0) | (np.diff(stratum) != 0))
        tie = np.cumsum(is_first) - 1
        died = np.flatnonzero(data.event > 0.0)
        self.died, group = died, tie[died]
        self.at_risk_from = np.flatnonzero(is_first)[group]
        counts = np.bincount(group, minlength=int(tie[-1]) + 1)
        place = np.arange(died.size) - np.searchsorted(group, group)
        self.fraction = place / counts[group] if efron else np.zeros(died.size)
        self.groups, self.of_group = np.unique(group, return_inverse=True)
        self.group_starts = np.searchsorted(group, self.groups)

    def at(self, beta: FloatArray) -> tuple[float, FloatArray, FloatArray]:
        """Log likelihood, score and information, penalised if asked; eq. (CX-1), (CX-2), (CX-9)."""
        p = self.x.shape[1]
        eta = self.x @ beta
        top = float(eta.max())
        weighted = np.exp(eta - top)[:, None] * self.powers
        sums = np.empty_like(weighted)
        for begin, stop in zip(self.bounds[:-1], self.bounds[1:], strict=True):
            sums[begin:stop] = np.cumsum(weighted[begin:stop][::-1], axis=0)[::-1]
        tied = np.add.reduceat(weighted[self.died], self.group_starts, axis=0)[self.of_group]
        moments = sums[self.at_risk_from] - self.fraction[:, None] * tied
        total = moments[:, 0]
        with np.errstate(divide="ignore", invalid="ignore"):
            value = float((eta[self.died] - top - np.log(total)).sum())
            moments = moments / total[:, None]
        mean = moments[:, 1 : 1 + p]
        second = moments[:, 1 + p : 1 + p + p * p].reshape(-1, p, p)
        score = self.x[self.died].sum(axis=0) - mean.sum(axis=0)
        information = (second - mean[:, :, None] * mean[:, None, :]).sum(axis=0)
        if not self.penalised:
            return value, score, information
        third = moments[:, 1 + p + p * p :].reshape(-1, p, p, p)
        m1, m2 = mean, second
        central = (
            third
            - m2[:, :, :, None] * m1[:, None, None, :]
            - m2[:, :, None, :] * m1[:, None, :, None]
            - m2[:, None, :, :] * m1[:, :, None, None]
            + 2.0 * m1[:, :, None, None] * m1[:, None, :, None] * m1[:, None, None, :]
        ).sum(axis=0)
        sign, log_determinant = np.linalg.slogdet(information)
        if not sign > 0.0 or not np.isfinite(log_determinant):
            return -np.inf, score, information
        bend = np.einsum("ij,ijk->k", np.linalg.inv(information), central)
        return value + 0.5 * float(log_determinant), score + 0.5 * bend, information

    def maximise(self, start: FloatArray, fixed: int | None) -> tuple[float, FloatArray, bool]:
        """Largest value over the columns that are not held, where it is, and whether it was reached."""
        free = np.array([j for j in range(start.size) if j != fixed], dtype=np.int64)
        beta = start.copy()
        value, score, information = self.at(beta)
        if not free.size:
            return value, beta, bool(np.isfinite(value))
        for _ in range(_MAX_STEPS):
            step = np.zeros_like(beta)
            step[free] = self._step(beta, score, information, free)
            decrement = float(step[free] @ score[free])
            if abs(decrement) < 1e-16:
                return value, beta + step, True
            size = float(np.abs(self.x @ step).max())
            shrink = min(1.0, 5.0 / size) if size > 0.0 else 1.0
            for _ in range(40):
                ahead = self.at(beta + shrink * step)
                if ahead[0] >= value - 1e-12 * (1.0 + abs(value)):
                    break
                shrink *= 0.5
            else:
                return value, beta, abs(decrement) < 1e-9
            beta = beta + shrink * step
            gain = ahead[0] - value
            value, score, information = ahead
            # Along a direction in which it runs off, what is still to come is about the decrement.
            if not self.penalised and abs(decrement) < 1e-11 and gain < 1e-11:
                return value, beta, True
        return value, beta, False

    def _step(self, beta: FloatArray, score: FloatArray, information: FloatArray, free: IntArray) -> FloatArray:
        """Newton's step; with a penalty by differences of its score, where these point uphill."""
        matrix = information[np.ix_(free, free)]
        if self.penalised:
            bent = np.empty_like(matrix)
            for place, j in enumerate(free):
                h = 1e-5
                ahead, behind = beta.copy(), beta.copy()
                ahead[j] += h
                behind[j] -= h
                bent[:, place] = (self.at(behind)[1] - self.at(ahead)[1])[free] / (2.0 * h)
            bent = 0.5 * (bent + bent.T)
            if np.isfinite(bent).all() and np.linalg.eigvalsh(bent)[0] > 1e-8 * np.abs(bent).max():
                matrix = bent
        return np.asarray(np.linalg.lstsq(matrix, score[free], rcond=1e-12)[0])


def profile_cox(
    time: ArrayLike,
    event: ArrayLike,
    design: ArrayLike,
    *,
    column: int = 0,
    ties: Ties = "efron",
    strata: ArrayLike | None = None,
    level: float = 0.95,
    penalised: bool = False,
) -> CoxProfile:
    """Estimate and profile limits of one column of one trial's Cox regression.

    Arguments as in :func:`equipoise.stats.cox.fit_cox`, of one trial. ``penalised`` adds half the log determinant of
    the information, eq. (CX-9): the estimate is then finite. Without it an estimate that runs off is infinite, and the
    limit away from infinity is the end of the two-sided interval. Exact ties have no profile here: NaN.

    Source: Heinze and Schemper (2001), Biometrics 57:114; Venzon and Moolgavkar (1988), Appl Stat 37:87.
    """
    t = np.asarray(time, dtype=np.float64)
    x = np.asarray(design, dtype=np.float64)
    x = x[:, None] if x.ndim == 1 else x
    missing = CoxProfile(*(float("nan"),) * 6)
    if ties == "exact":
        return missing
    fit = fit_cox(t, event, x, [0, t.shape[0]], ties=ties, strata=strata, column=column, threads=1)
    direction = int(fit.direction[0, column]) if fit.infinite[0, column] else 0
    if not np.isfinite(fit.log_lik[0]) or not fit.kept[0, column]:
        return missing
    # Penalised, nothing runs off: all columns but those that repeat others, and the strata asked for.
    kept = ~fit.aliased[0] if penalised else fit.kept[0]
    used = strata if penalised else fit.strata
    data = SurvivalInput.of(t, event, x[:, kept], [0, t.shape[0]], used, threads=1)
    place = int(kept[:column].sum())
    partial = _Partial(data, efron=ties == "efron", penalised=penalised)
    start = np.zeros(int(kept.sum()))
    if penalised or direction == 0:
        if not penalised and not np.isfinite(fit.coefficients[0, column]):
            return missing
        top, best, found = partial.maximise(start, None)
        if not found:
            return missing
        estimate, towards = float(best[place]), 0
        error = float(np.sqrt(np.linalg.inv(partial.at(best)[2])[place, place]))
    else:
        top, best, estimate, towards, error = float(fit.log_lik[0]), start, np.inf * direction, direction, float("nan")
    z = normal_quantile(level)

    def root(b: float) -> float:
        """How far the deviance at ``b`` lies above the quantile, on the scale of standard errors."""
        held = best.copy()
        held[place] = b
        value, _, fine = partial.maximise(held, place)
        return float(np.sqrt(max(2.0 * (top - value), 0.0))) - z if fine else float("nan")

    lower = -np.inf if towards < 0 else _limit(root, estimate if towards == 0 else None, -1.0, towards)
    upper = np.inf if towards > 0 else _limit(root, estimate if towards == 0 else None, 1.0, towards)
    statistic = (root(0.0) + z) ** 2
    unit = float(partial.unit[place])
    return CoxProfile(
        estimate / unit,
        error / unit,
        lower / unit,
        upper / unit,
        statistic,
        float(chi_square_p(np.array([statistic]), 1.0)[0]),
    )


@dataclass(frozen=True, slots=True)
class CoxAgainst:
    """Chi-squares (1 df) of one coefficient against a stated value, beside Wald's; NaN where there is none."""

    likelihood_ratio: float
    score: float


def cox_against(
    time: ArrayLike,
    event: ArrayLike,
    design: ArrayLike,
    value: float,
    *,
    column: int = 0,
    ties: Ties = "efron",
    strata: ArrayLike | None = None,
) -> CoxAgainst:
    """Likelihood ratio and score tests of a log hazard ratio against ``value`` (the log of a margin), eq. (CX-10).

    Arguments as in :func:`profile_cox`. Columns that are left out of the model are left out here. Exact ties have none.
    """
    t = np.asarray(time, dtype=np.float64)
    x = np.asarray(design, dtype=np.float64)
    x = x[:, None] if x.ndim == 1 else x
    nothing = CoxAgainst(float("nan"), float("nan"))
    if ties == "exact":
        return nothing
    fit = fit_cox(t, event, x, [0, t.shape[0]], ties=ties, strata=strata, column=column, threads=1)
    if not np.isfinite(fit.log_lik[0]) or not fit.kept[0, column]:
        return nothing
    data = SurvivalInput.of(t, event, x[:, fit.kept[0]], [0, t.shape[0]], fit.strata, threads=1)
    place = int(fit.kept[0, :column].sum())
    partial = _Partial(data, efron=ties == "efron", penalised=False)
    held = np.zeros(data.design.shape[1])
    held[place] = value * partial.unit[place]
    lower, at, found = partial.maximise(held, place)
    if not found:
        return nothing
    _, score, information = partial.at(at)
    variance = np.linalg.pinv(information)[place, place]
    return CoxAgainst(max(2.0 * (float(fit.log_lik[0]) - lower), 0.0), float(score[place] ** 2 * variance))


def _limit(root, centre: float | None, side: float, towards: int) -> float:  # type: ignore[no-untyped-def]
    """Where ``root`` is zero on a side of the centre; of an infinite estimate, on the side away from it."""
    from scipy.optimize import brentq

    if centre is None:
        # The profile only rises towards infinity: one place, on either side of zero.
        inside, outside = float(towards), float(-towards)
        step = 1.0
        while not root(inside) < 0.0:
            inside += step * towards
            step *= 2.0
            if abs(inside) > _FURTHEST:
                return float("nan")
        step = 1.0
        while not root(outside) > 0.0:
            outside -= step * towards
            step *= 2.0
            if abs(outside) > _FURTHEST:
                return float("nan")
    else:
        inside, outside, step = centre, centre + side, 1.0
        while not root(outside) > 0.0:
            inside = outside
            outside += step * side
            step *= 2.0
            if abs(outside - centre) > _FURTHEST:
                return float("nan")
    try:
        return float(brentq(root, inside, outside, xtol=_CLOSE, rtol=1e-14, maxiter=1000))
    except ValueError:
        return float("nan")
