"""Several arms against one reference, some dropped at a look: closed testing that holds the familywise level.

Methods: ``docs/methods/interim.md``, equations (IM-15) to (IM-17). Every set of hypotheses is tested in each stage by
Dunnett's test of the arms that are still there, and its stages are combined by weights fixed in advance. An arm is
claimed when every set with it is rejected. Which arms are dropped, and why, does not matter to the level.

>>> import numpy as np
>>> from equipoise.stats.design.dropped_arms import ClosedTest
>>> closed = ClosedTest(np.array([0.5, 0.5]), np.array([0.5, 1.0]), np.array([2.963, 1.969]))
>>> closed.rejects(np.array([[1.9, 0.4], [2.0, np.nan]]))  # the second arm was dropped after the first stage
array([ True, False])
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from equipoise.stats.design.combination import stage_weights

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

# Arms of which every set is tested: 2 to this power of them.
MOST_ARMS = 8
# Nodes of the integral over the reference arm: to 1e-9 where no arm is more than 1.5 times as large as it. Larger arms
# make the integrand steep, and panels as wide as its steps are taken.
_N_NODES, _LARGEST_SHARE = 64, 0.6


def dunnett_p(largest_z: ArrayLike, shares: ArrayLike) -> FloatArray:
    """One-sided p of the largest Z among arms compared with one reference, eq. (IM-15).

    ``largest_z`` any shape; ``shares`` (n_arms,): of each arm, its size over its own and the reference's together, so
    that two Z correlate by the root of the product. Known variances (large samples).

    Source: Dunnett (1955) JASA 50:1096.
    """
    share = np.asarray(shares, dtype=np.float64)
    if share.ndim != 1 or share.shape[0] < 1 or not ((share > 0.0) & (share < 1.0)).all():
        raise ValueError(f"shares lie between 0 and 1, got {share.tolist()}")
    z = np.asarray(largest_z, dtype=np.float64)
    nodes, weights = _nodes(float(share.max()))
    total = np.zeros(z.shape)
    for node, weight in zip(nodes, weights, strict=True):
        inside = np.ones(z.shape)
        for one, count in zip(*np.unique(share, return_counts=True), strict=True):
            inside = inside * special.ndtr((z - np.sqrt(one) * node) / np.sqrt(1.0 - one)) ** count
        total += weight * inside
    # Far out, where 1 minus the integral would be rounding, the sum of the tails is the value and an upper bound.
    tails = share.shape[0] * special.ndtr(-z)
    return np.where(tails < 1e-10, tails, np.clip(1.0 - total, 0.0, 1.0))


def _nodes(largest_share: float) -> tuple[FloatArray, FloatArray]:
    """Nodes and weights of the standard normal distribution, as fine as the integrand needs."""
    if largest_share <= _LARGEST_SHARE:
        nodes, weights = np.polynomial.hermite_e.hermegauss(_N_NODES)
        return nodes, weights / weights.sum()
    n_panels = int(np.ceil(18.0 / min(1.5, 1.5 * np.sqrt((1.0 - largest_share) / largest_share))))
    edges = np.linspace(-9.0, 9.0, n_panels + 1)
    inner, share = np.polynomial.legendre.leggauss(12)
    half = 0.5 * np.diff(edges)[:, None]
    nodes = (edges[:-1, None] + half * (1.0 + inner)).ravel()
    return nodes, (half * share).ravel() * np.exp(-0.5 * nodes**2) / np.sqrt(2.0 * np.pi)


@dataclass(frozen=True)
class ClosedTest:
    """The closed test of a design: shares by arm, planned information of the looks, and their critical values."""

    shares: FloatArray  # (n_arms,)
    information: FloatArray  # (n_looks,), planned: the weights of the stages
    critical_z: FloatArray

    def __post_init__(self) -> None:
        if not 1 <= self.shares.shape[0] <= MOST_ARMS:
            raise ValueError(f"from 1 to {MOST_ARMS} arms against the reference, got {self.shares.shape[0]}")

    @cached_property
    def sets(self) -> tuple[tuple[int, ...], ...]:
        """Every set of arms."""
        n = self.shares.shape[0]
        return tuple(chosen for size in range(1, n + 1) for chosen in combinations(range(n), size))

    def combined(self, z_of_stages: ArrayLike) -> FloatArray:
        """(..., n_sets) combined Z of every set after the stages given.

        ``z_of_stages`` (..., n_stages, n_arms): Z of each stage's own data, NaN for an arm that is no longer there. A
        set of which no arm is left has nothing more to say for it: its Z is minus infinity.
        """
        z = np.asarray(z_of_stages, dtype=np.float64)
        n_stages = z.shape[-2]
        weights = stage_weights(self.information)[:n_stages]
        out = np.empty((*z.shape[:-2], len(self.sets)))
        for number, chosen in enumerate(self.sets):
            total = np.zeros(z.shape[:-2])
            for stage in range(n_stages):
                total += weights[stage] * self._z_of_set(z[..., stage, :], chosen)
            out[..., number] = total / np.sqrt((weights**2).sum())
        return out

    def _z_of_set(self, z: FloatArray, chosen: tuple[int, ...]) -> FloatArray:
        """Z of Dunnett's test of the arms of a set that are there; minus infinity where none is."""
        own = z[..., list(chosen)]
        there = ~np.isnan(own)
        out = np.full(z.shape[:-1], -np.inf)
        # Trials in which the same arms are there have the same correlations.
        code = (there * (1 << np.arange(len(chosen)))).sum(axis=-1)
        for pattern in np.unique(code):
            if pattern == 0:
                continue
            arms = [k for k in range(len(chosen)) if pattern >> k & 1]
            here = code == pattern
            largest = own[here][..., arms].max(axis=-1)
            p = dunnett_p(largest, self.shares[[chosen[k] for k in arms]])
            out[here] = -special.ndtri(np.clip(p, 1e-300, 1.0 - 1e-16))
        return out

    def rejects(self, z_of_stages: ArrayLike) -> BoolArray:
        """(..., n_arms) which arms are claimed by the last stage given; a set once rejected stays so, (IM-17)."""
        z = np.asarray(z_of_stages, dtype=np.float64)
        n_stages = z.shape[-2]
        crossed = np.zeros((*z.shape[:-2], len(self.sets)), dtype=np.bool_)
        for stage in range(1, n_stages + 1):
            crossed |= self.combined(z[..., :stage, :]) >= self.critical_z[stage - 1]
        out = np.ones((*z.shape[:-2], self.shares.shape[0]), dtype=np.bool_)
        for number, chosen in enumerate(self.sets):
            out[..., list(chosen)] &= crossed[..., number, None]
        return out
