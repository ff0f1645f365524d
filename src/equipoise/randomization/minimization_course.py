"""What is to be expected of minimization between two arms: followed exactly where its states can be counted.

Between two arms everything depends on the differences in numbers at each level of each factor, first arm less second.
Their sum over the levels is the same for every factor, so one level of each factor but the first follows from the
others. The chain lives on a grid of the remaining differences, each from -``reach`` to ``reach``; what would leave the
grid is counted, and bounds the error. Where the grid would be too large, trials are simulated.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from math import prod, sqrt

import numpy as np
from numpy.typing import NDArray

from equipoise.randomization.expected import Expectation, simulate_minimization
from equipoise.randomization.minimization import Minimization

# Multiplications that a report may take, about a second's; and the largest share of slots that may be misjudged.
WORK = 4e8
REACHES = (8, 12, 18, 24)
TOLERANCE = 1e-4
_NOTHING = 1e-5
_SMALLEST = 1e-30


@dataclass(frozen=True, slots=True)
class Followed:
    """Per slot the chance of a right guess and of certainty; the overall difference at the end; mass lost."""

    right: list[float]
    certain: list[float]
    difference: dict[int, float]
    lost: float


def expect_minimization(scheme: Minimization, n: int, n_levels: list[int], *, work: float = WORK) -> Expectation:
    """Expectation of ``n`` participants whose levels are equally likely and independent; simulated where it must be."""
    axes = _n_axes(n_levels)
    steps = n * prod(n_levels) * 4
    widest = min(n, REACHES[-1], int(((work / steps) ** (1 / axes) - 1) / 2))
    if scheme.n_arms == 2 and widest >= 4:
        # A narrow grid first: it mostly holds all there is.
        for reach in [*(reach for reach in REACHES if reach < widest), widest]:
            found = follow(scheme, n, n_levels, reach)
            if found.lost <= (TOLERANCE if reach == widest else _NOTHING) * n:
                return _expectation(found, n)
    return simulate_minimization(scheme, n, n_levels)


def _n_axes(n_levels: list[int]) -> int:
    return max(1, sum(n_levels) - len(n_levels) + 1)


def follow(scheme: Minimization, n: int, n_levels: list[int], reach: int) -> Followed:
    """The chain over the grid, slot by slot. ``lost`` adds up, over the slots, the chance of having left the grid."""
    grid = _Grid(scheme, n_levels, reach)
    mass = np.zeros((2 * reach + 1,) * grid.n_axes)
    mass[(reach,) * grid.n_axes] = 1.0
    right, certain, lost = [], [], 0.0
    for slot in range(n):
        right.append(float((mass * grid.right).sum()))
        certain.append(float((mass * grid.certain).sum()))
        here = mass / len(grid.profiles)
        after = np.zeros_like(mass)
        for share, axes in grid.profiles:
            first = here * share
            up, down = _slices(axes, grid.n_axes)
            after[up] += first[down]
            after[down] += (here - first)[up]
        if slot % 16 == 15:
            # Chances too small for a processor's quick path would take most of the time; they count as lost.
            after[after < _SMALLEST] = 0.0
        mass = after
        lost += 1.0 - float(mass.sum())
    totals = grid.total
    chances = {int(d): float(mass[totals == d].sum()) for d in np.unique(totals)}
    return Followed(right, certain, chances, lost)


class _Grid:
    """By profile the chance of the first arm in each state, and the axes along which its allocation moves.

    ``right`` and ``certain`` are chances of a right guess and of certainty in each state, over all profiles.
    """

    def __init__(self, scheme: Minimization, n_levels: list[int], reach: int) -> None:
        levels = n_levels or [1]
        weights = list(scheme.weights_of.values()) or [1]
        self.n_axes = _n_axes(n_levels)
        shape = (2 * reach + 1,) * self.n_axes
        self.right, self.certain = np.zeros(shape), np.zeros(shape)
        best, other = scheme.tied_weights(1)
        p = best / (best + other)
        # Arm 0 is preferred where the lean is below 0: it is behind.
        chances = np.array([p, 0.5, 1 - p])
        coordinates = iter(np.ogrid[tuple(slice(-reach, reach + 1) for _ in range(self.n_axes))])
        self.profiles: list[tuple[NDArray[np.float64], tuple[int, ...]]] = []
        axis = 0
        places: list[list[int | None]] = []
        differences: list[list[NDArray[np.int64]]] = []
        total: NDArray[np.int64] = np.zeros((1,) * self.n_axes, dtype=np.int64)
        for factor, count in enumerate(levels):
            kept = [next(coordinates) for _ in range(count if factor == 0 else count - 1)]
            if factor == 0:
                total = np.asarray(sum(kept))
            places.append([*range(axis, axis + len(kept)), *([None] if factor else [])])
            differences.append([*kept, *([np.asarray(total - sum(kept))] if factor else [])])
            axis += len(kept)
        self.total = np.broadcast_to(total, shape)
        for profile in product(*(range(count) for count in levels)):
            # The range grows by 1 or shrinks by 1; the square of the difference by its double and 1.
            pulls = [differences[factor][level] for factor, level in enumerate(profile)]
            pulls = [np.sign(pull) for pull in pulls] if scheme.measure == "range" else pulls
            lean = sum(weight * pull for weight, pull in zip(weights, pulls, strict=True))
            moved = [places[factor][level] for factor, level in enumerate(profile)]
            share = np.ascontiguousarray(np.broadcast_to(chances[np.sign(lean).astype(np.int8) + 1], shape))
            self.profiles.append((share, tuple(a for a in moved if a is not None)))
            self.right += np.maximum(share, 1 - share)
            self.certain += (share == 0.0) | (share == 1.0)
        self.right /= len(self.profiles)
        self.certain /= len(self.profiles)


def _slices(axes: tuple[int, ...], n_axes: int) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    up = tuple(slice(1, None) if axis in axes else slice(None) for axis in range(n_axes))
    down = tuple(slice(None, -1) if axis in axes else slice(None) for axis in range(n_axes))
    return up, down


def _expectation(found: Followed, n: int) -> Expectation:
    rate = sum(found.right) / n
    return Expectation(
        n=n,
        n_strata=1,
        guess_rate=rate,
        lagging_rate=rate,
        chance_rate=0.5,
        certain_share=sum(found.certain) / n,
        excess_guesses=sum(found.right) - n / 2,
        mean_difference=sum(abs(d) * chance for d, chance in found.difference.items()),
        sd_difference=sqrt(sum(d * d * chance for d, chance in found.difference.items())),
        mean_stratum_difference=None,
        unfinished_blocks=None,
        guess_error=max(0.0, found.lost) / n,
    )
