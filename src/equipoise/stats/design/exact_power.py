"""Exact power and size of tests of two proportions, by adding up every table. Methods: ``docs/methods/sample_size.md``.

A test is a table of verdicts: ``rejects[x0, x1]`` with x0 events among the controls and x1 in the experimental arm.

>>> from equipoise.stats.design.exact_power import exact_power, fisher_verdicts
>>> rejects = fisher_verdicts(4, 4, alpha=0.05, sides=2)
>>> [tuple(map(int, cell)) for cell in zip(*rejects.nonzero())]  # 2 / 70 is the only p value below 0.05
[(0, 4), (4, 0)]
>>> round(float(exact_power(rejects, 0.5, 0.5)), 6)  # 2 / 256
0.007812
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from equipoise.stats.design.sample_size import Size

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

# Tables as likely as the observed one up to rounding count as equally extreme (the margin of R's fisher.test).
_EQUAL_PROBABILITY = 1e-7
# Common risks at which the size of a test is looked for before refining.
_GRID = 401


def fisher_p_values(n_control: int, n_experimental: int, *, sides: int = 2) -> FloatArray:
    """(n_control + 1, n_experimental + 1) p values of Fisher's test for every table.

    Two-sided: tables no likelier than the observed; one-sided: as many or more events in the experimental arm.
    Source: Fisher (1935); the two-sided rule is R's.
    """
    _check_sizes(n_control, n_experimental, sides)
    p = np.ones((n_control + 1, n_experimental + 1))
    for events in range(n_control + n_experimental + 1):
        x1 = np.arange(max(0, events - n_control), min(n_experimental, events) + 1)
        weight = _log_choose(n_experimental, x1) + _log_choose(n_control, events - x1)
        share = np.exp(weight - weight.max())
        share /= share.sum()
        if sides == 1:
            values = share[::-1].cumsum()[::-1]
        else:
            order = np.argsort(share)
            rank = np.searchsorted(share[order], share * (1.0 + _EQUAL_PROBABILITY), side="right")
            values = np.concatenate([[0.0], share[order].cumsum()])[rank]
        p[events - x1, x1] = np.minimum(values, 1.0)
    return p


def fisher_verdicts(n_control: int, n_experimental: int, *, alpha: float, sides: int = 2) -> BoolArray:
    """Tables in which Fisher's test rejects at ``alpha``: the level of the whole test, both sides if two-sided."""
    # Rounding of the cumulative sums must not turn p = alpha into a rejection missed.
    return np.asarray(fisher_p_values(n_control, n_experimental, sides=sides) <= alpha * (1.0 + 1e-10))


def pooled_z(n_control: int, n_experimental: int) -> FloatArray:
    """(n_control + 1, n_experimental + 1) pooled z of every table; 0 where all or none had the event."""
    _check_sizes(n_control, n_experimental, 2)
    x0, x1 = np.arange(n_control + 1)[:, None], np.arange(n_experimental + 1)[None, :]
    pooled = (x0 + x1) / (n_control + n_experimental)
    variance = pooled * (1.0 - pooled) * (1.0 / n_control + 1.0 / n_experimental)
    difference = x1 / n_experimental - x0 / n_control
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(variance > 0.0, difference / np.sqrt(variance), 0.0)


def towards(rejects: BoolArray, direction: float) -> BoolArray:
    """Those rejecting tables in which the experimental risk lies above (``direction`` >= 0) or below the control's."""
    n0, n1 = rejects.shape[0] - 1, rejects.shape[1] - 1
    difference = np.arange(n1 + 1)[None, :] / n1 - np.arange(n0 + 1)[:, None] / n0
    return np.asarray(rejects & ((difference if direction >= 0.0 else -difference) > 0.0))


def exact_power(rejects: BoolArray, risk_control: ArrayLike, risk_experimental: ArrayLike) -> FloatArray:
    """P(reject) for given risks (numbers or arrays of one shape), (SS-10): the sum over all tables."""
    p0, p1 = np.broadcast_arrays(
        np.asarray(risk_control, dtype=np.float64), np.asarray(risk_experimental, dtype=np.float64)
    )
    if np.isnan(p0 + p1).any() or min(p0.min(), p1.min()) < 0.0 or max(p0.max(), p1.max()) > 1.0:
        raise ValueError("risks must lie from 0 to 1")
    n0, n1 = rejects.shape[0] - 1, rejects.shape[1] - 1
    control, experimental = binomial(n0, p0.ravel()), binomial(n1, p1.ravel())
    total = np.einsum("gi,ij,gj->g", control, rejects.astype(np.float64), experimental, optimize=True)
    return np.asarray(total.reshape(p0.shape))


@dataclass(frozen=True)
class ExactSize:
    """The largest type I error over all common risks, and where it is reached."""

    size: float
    risk: float


def exact_size(rejects: BoolArray) -> ExactSize:
    """Size of a test of equal risks, (SS-11): the maximum over the common risk, on 401 points and then refined."""
    grid = np.linspace(0.0, 1.0, _GRID)
    for _ in range(4):
        power = exact_power(rejects, grid, grid)
        best = int(power.argmax())
        size, risk = float(power[best]), float(grid[best])
        low, high = grid[max(best - 1, 0)], grid[min(best + 1, grid.size - 1)]
        grid = np.linspace(low, high, 21)
    return ExactSize(size, risk)


def fisher_power(
    risk_control: float, risk_experimental: float, n_control: int, n_experimental: int, *, alpha: float, sides: int = 2
) -> float:
    """Exact power of Fisher's test at level ``alpha`` (all sides)."""
    rejects = fisher_verdicts(n_control, n_experimental, alpha=alpha, sides=sides)
    return float(exact_power(rejects, risk_control, risk_experimental))


def fisher_size(
    risk_control: float,
    risk_experimental: float,
    *,
    power: float,
    alpha: float,
    sides: int = 2,
    allocation_ratio: float = 1.0,
    cap: int = 1000,
) -> Size | None:
    """Smallest trial from which on power never falls below ``power`` again (it has teeth); None if above ``cap``.

    Arms grow along the allocation ratio, both rounded to the nearest whole participant. "Never again" is looked at
    over the next tenth of the size, at least 20 participants.
    """
    found: int | None = None
    n_total = 4
    while n_total <= cap + max(20, cap // 10):
        n1 = round(n_total * allocation_ratio / (1.0 + allocation_ratio))
        n0 = n_total - n1
        if n0 > 0 and n1 > 0:
            reached = fisher_power(risk_control, risk_experimental, n0, n1, alpha=alpha, sides=sides) >= power - 1e-12
            found = (n_total if found is None else found) if reached else None
            if found is not None and n_total >= found + max(20, found // 10):
                break
        n_total += 1
    if found is None or found > cap:
        return None
    n1 = round(found * allocation_ratio / (1.0 + allocation_ratio))
    return Size(float(found - n1), float(n1))


@dataclass(frozen=True)
class BinaryLooks:
    """What happens at each look of a small binary trial, exactly."""

    reject: FloatArray  # (n_looks,) P(reject first at this look)
    futility: FloatArray  # (n_looks,) P(stop without rejecting at this look); the last is P(not reject at the end)
    n_total: NDArray[np.int64]  # (n_looks,) participants at each look

    @property
    def power(self) -> float:
        """P(reject at some look)."""
        return float(self.reject.sum())

    @property
    def expected_n(self) -> float:
        """Expected participants at the end (those with outcome; pipeline participants not counted)."""
        return float((self.reject + self.futility) @ self.n_total)


def exact_looks(
    n_control: Sequence[int],
    n_experimental: Sequence[int],
    rejects: Sequence[BoolArray],
    risk_control: float,
    risk_experimental: float,
    futility: Sequence[BoolArray] | None = None,
) -> BinaryLooks:
    """Carry the joint distribution of both arms' events from look to look, (SS-12).

    ``n_control``, ``n_experimental``: cumulative sizes. ``rejects[k][x0, x1]`` and ``futility[k][x0, x1]``: verdicts
    at look k on cumulative events, of shapes (n_control[k] + 1, n_experimental[k] + 1).
    """
    running = np.ones((1, 1))
    before0 = before1 = 0
    rejected, stopped = np.zeros(len(rejects)), np.zeros(len(rejects))
    for k, (n0, n1) in enumerate(zip(n_control, n_experimental)):
        if n0 < before0 or n1 < before1 or (n0, n1) == (before0, before1):
            raise ValueError(f"sizes must grow from look to look, got {list(n_control)} and {list(n_experimental)}")
        if rejects[k].shape != (n0 + 1, n1 + 1):
            raise ValueError(f"verdicts of look {k + 1} have shape {rejects[k].shape}, expected {(n0 + 1, n1 + 1)}")
        added0 = binomial(n0 - before0, np.array([risk_control]))[0]
        added1 = binomial(n1 - before1, np.array([risk_experimental]))[0]
        grown = np.zeros((n0 + 1, before1 + 1))
        for x, share in enumerate(added0):
            grown[x : x + before0 + 1] += share * running
        running = np.zeros((n0 + 1, n1 + 1))
        for x, share in enumerate(added1):
            running[:, x : x + before1 + 1] += share * grown
        rejected[k] = running[rejects[k]].sum()
        running = np.where(rejects[k], 0.0, running)
        if k == len(rejects) - 1:
            stopped[k] = running.sum()
        elif futility is not None:
            stopped[k] = running[futility[k]].sum()
            running = np.where(futility[k], 0.0, running)
        before0, before1 = n0, n1
    return BinaryLooks(rejected, stopped, np.add(n_control, n_experimental).astype(np.int64))


def binomial(n: int, risk: FloatArray) -> FloatArray:
    """(n_risks, n + 1) binomial probabilities, exact at risks 0 and 1."""
    x = np.arange(n + 1)
    p = risk[:, None]
    return np.asarray(np.exp(_log_choose(n, x) + special.xlogy(x, p) + special.xlog1py(n - x, -p)))


def _log_choose(n: int, k: NDArray[np.int64]) -> FloatArray:
    return np.asarray(special.gammaln(n + 1.0) - special.gammaln(k + 1.0) - special.gammaln(n - k + 1.0))


def _check_sizes(n_control: int, n_experimental: int, sides: int) -> None:
    if n_control < 1 or n_experimental < 1:
        raise ValueError(f"each arm needs at least one participant, got {n_control} and {n_experimental}")
    if sides not in (1, 2):
        raise ValueError(f"sides must be 1 or 2, got {sides}")
