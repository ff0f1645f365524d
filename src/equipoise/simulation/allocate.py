"""Allocation of fictional participants: permuted blocks whose totals are the protocol's, or any scheme of a real list.

The schemes are those of :mod:`equipoise.randomization`, their draws the addressed random numbers of the simulation.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import gcd

import numpy as np
from numpy.typing import NDArray

from equipoise.randomization.minimization import Minimization
from equipoise.randomization.vectorised import allocate_many, minimize_many
from equipoise.simulation.design import SITE, PlannedAllocation
from equipoise.simulation.purposes import Purpose


def block_template(arm_sizes: Sequence[int], ratio: Sequence[int], repeats: int = 2) -> tuple[list[int], list[int]]:
    """Arms in block order, and the block of each place.

    A block holds ``repeats`` times the reduced ``ratio``. Blocks follow one another while every arm has room for one;
    what is left of the arm sizes (27 and 28 in blocks of four leave one and two) is a last, shorter block.
    """
    divisor = gcd(*ratio) or 1
    block = [repeats * r // divisor for r in ratio]
    left = list(arm_sizes)
    arms: list[int] = []
    blocks: list[int] = []
    number = 0
    while sum(left) > 0 and all(room >= need for room, need in zip(left, block, strict=True)):
        for arm, need in enumerate(block):
            arms += [arm] * need
            left[arm] -= need
        blocks += [number] * sum(block)
        number += 1
    for arm, room in enumerate(left):
        arms += [arm] * room
    blocks += [number] * sum(left)
    return arms, blocks


def allocate(
    seed: int, replicates: NDArray[np.int64], arm_sizes: Sequence[int], ratio: Sequence[int] | None = None
) -> NDArray[np.int8]:
    """Arm of each participant in order of enrolment, (n_replicates, n_participants).

    Within a block the arms are permuted by the ranks of one uniform number a participant.
    """
    from equipoise.simulation.streams import uniform_grid

    arms, blocks = block_template(arm_sizes, ratio or [1] * len(arm_sizes))
    n = len(arms)
    keys = uniform_grid(seed, replicates, n, np.zeros(1), Purpose.ALLOCATION)[:, :, 0] + np.asarray(blocks)
    order = np.argsort(keys, axis=1, kind="stable")
    out = np.empty((len(replicates), n), dtype=np.int8)
    np.put_along_axis(out, order, np.broadcast_to(np.asarray(arms, dtype=np.int8), out.shape), axis=1)
    return out


def site_numbers(draws: NDArray[np.float64], n_sites: int) -> NDArray[np.int64]:
    """The site of each participant, numbered from 0, from uniform numbers: every site enrols equally."""
    return np.asarray(np.floor(n_sites * draws), dtype=np.int64)


def allocate_by_scheme(
    seed: int, replicates: NDArray[np.int64], n: int, allocation: PlannedAllocation, poor_route: NDArray[np.bool_]
) -> NDArray[np.int8]:
    """Arm of each of ``n`` participants in order of enrolment by a scheme, (n_replicates, n).

    ``poor_route`` (n_replicates, n) is known before the arm: it may be a factor.
    """
    from equipoise.simulation.streams import uniform_grid

    def draws(purpose: int) -> NDArray[np.float64]:
        return np.asarray(uniform_grid(seed, replicates, n, np.zeros(1), purpose)[:, :, 0])

    scheme = allocation.scheme
    levels, sizes = [], []
    for factor in allocation.factors:
        is_site = factor == SITE
        sizes.append(len(allocation.sites) if is_site else 2)
        levels.append(
            site_numbers(draws(Purpose.SITE), len(allocation.sites)) if is_site else poor_route.astype(np.int64)
        )
    if isinstance(scheme, Minimization):
        stacked = np.stack(levels, axis=2) if levels else np.zeros((len(replicates), n, 0), dtype=np.int64)
        return minimize_many(scheme, draws(Purpose.ALLOCATION), stacked)[0]
    strata = np.zeros((len(replicates), n), dtype=np.int64)
    for level, size in zip(levels, sizes, strict=True):
        strata = strata * size + level
    return allocate_many(scheme, draws(Purpose.ALLOCATION), draws(Purpose.BLOCK_SIZE), strata if levels else None)
