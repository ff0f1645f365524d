"""Many streams at once, for simulated trials: the schemes of this room, their draws taken from uniform numbers.

The draw at a slot is ``floor(u * total weight)`` of a uniform number that the caller addresses by participant, so that
a list made here equals, draw for draw, the one that the scheme itself makes from the same numbers (a test compares).
Sealed lists never come from here: their generator is that of ``generator.py``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from equipoise.randomization.biased_coins import ChenCoin
from equipoise.randomization.complete import Complete
from equipoise.randomization.fixed_total import RandomAllocationRule, TruncatedBinomial
from equipoise.randomization.minimization import Minimization
from equipoise.randomization.permuted_blocks import PermutedBlocks
from equipoise.randomization.scheme import Exhausted, Scheme
from equipoise.randomization.wei_urn import WeiUrn

Whole = NDArray[np.int64]


def allocate_many(
    scheme: Scheme,
    uniforms: NDArray[np.float64],
    block_uniforms: NDArray[np.float64] | None = None,
    strata: NDArray[np.int64] | None = None,
) -> NDArray[np.int8]:
    """Arms of participants in order of enrolment, (n_replicates, n_participants), as numbers from 0.

    ``uniforms`` and, for blocks of several sizes, ``block_uniforms`` have that shape and lie in (0, 1). ``strata``
    numbers each participant's stratum from 0; every stratum has a stream of its own.
    """
    if isinstance(scheme, Minimization):
        raise TypeError("minimization goes by the participants' factors: use minimize_many")
    n_replicates, n = uniforms.shape
    rows = np.arange(n_replicates)
    n_strata = 1 if strata is None else int(strata.max(initial=0)) + 1
    counts = np.zeros((n_strata, n_replicates, scheme.n_arms), dtype=np.int64)
    left = np.zeros_like(counts)  # of the open block
    out = np.empty((n_replicates, n), dtype=np.int8)
    for slot in range(n):
        where = np.zeros(n_replicates, dtype=np.int64) if strata is None else strata[:, slot]
        had = counts[where, rows]
        if isinstance(scheme, PermutedBlocks):
            block = left[where, rows]
            _open_blocks(scheme, block, None if block_uniforms is None else block_uniforms[:, slot])
            arm = _pick(block, uniforms[:, slot])
            block[rows, arm] -= 1
            left[where, rows] = block
        else:
            arm = _pick(_weights(scheme, had), uniforms[:, slot])
        counts[where, rows, arm] += 1
        out[:, slot] = arm
    return out


def minimize_many(
    scheme: Minimization, uniforms: NDArray[np.float64], levels: NDArray[np.int64]
) -> tuple[NDArray[np.int8], NDArray[np.int8]]:
    """Arms by minimization, and how many arms tied for the least imbalance: both (n_replicates, n_participants).

    ``levels`` (n_replicates, n_participants, n_factors) numbers the participants' levels from 0, factors in the order
    of ``scheme.weights_of``; without factors its last axis is empty and the overall numbers are the one margin.
    """
    n_replicates, n = uniforms.shape
    if not scheme.weights_of:
        levels = np.zeros((n_replicates, n, 1), dtype=np.int64)
    weights = list(scheme.weights_of.values()) or [1]
    rows = np.arange(n_replicates)
    margins = np.zeros((len(weights), int(levels.max(initial=0)) + 1, n_replicates, scheme.n_arms), dtype=np.int64)
    out, ties = np.empty((n_replicates, n), dtype=np.int8), np.empty((n_replicates, n), dtype=np.int8)
    tied = np.array([scheme.tied_weights(count) for count in range(1, scheme.n_arms + 1)])
    for slot in range(n):
        total = np.zeros((n_replicates, scheme.n_arms), dtype=np.int64)
        for factor, weight in enumerate(weights):
            at = margins[factor, levels[:, slot, factor], rows]
            for arm in range(scheme.n_arms):
                then = at.copy()
                then[:, arm] += 1
                total[:, arm] += weight * _imbalance(scheme, then)
        least = total == total.min(axis=1, keepdims=True)
        ties[:, slot] = least.sum(axis=1)
        best, other = tied[ties[:, slot] - 1].T
        arm_chosen = _pick(np.where(least, best[:, None], other[:, None]), uniforms[:, slot])
        for factor in range(len(weights)):
            margins[factor, levels[:, slot, factor], rows, arm_chosen] += 1
        out[:, slot] = arm_chosen
    return out, ties


def _imbalance(scheme: Minimization, counts: Whole) -> Whole:
    if scheme.measure == "range":
        return np.asarray(counts.max(axis=1) - counts.min(axis=1))
    return np.asarray(scheme.n_arms * (counts * counts).sum(axis=1) - counts.sum(axis=1) ** 2)


def _pick(weights: Whole, uniform: NDArray[np.float64]) -> Whole:
    upto = np.cumsum(weights, axis=1)
    number = np.floor(uniform * upto[:, -1])
    return np.asarray((upto <= number[:, None]).sum(axis=1))


def _open_blocks(scheme: PermutedBlocks, left: Whole, uniform: NDArray[np.float64] | None) -> None:
    empty = left.sum(axis=1) == 0
    sizes = np.asarray(scheme.block_sizes) // sum(scheme.ratio)
    chosen = np.zeros(int(empty.sum()), dtype=np.int64)
    if len(sizes) > 1:
        if uniform is None:
            raise ValueError("blocks of several sizes need block_uniforms")
        chosen = np.floor(uniform[empty] * len(sizes)).astype(np.int64)
    left[empty] = sizes[chosen][:, None] * np.asarray(scheme.ratio)


def _weights(scheme: Scheme, counts: Whole) -> Whole:
    """Weights of the next arm from the numbers so far: rows a replicate, columns an arm."""
    if isinstance(scheme, Complete):
        return np.broadcast_to(np.asarray(scheme.ratio), counts.shape)
    if isinstance(scheme, ChenCoin):
        table = np.array([scheme.weights(d) for d in range(-_reach(counts), _reach(counts) + 1)])
        return np.asarray(table[counts[:, 0] - counts[:, 1] + _reach(counts)])
    if isinstance(scheme, WeiUrn):
        balls = scheme.alpha + scheme.beta * (counts.sum(axis=1, keepdims=True) - counts)
        # The urn reduces its weights; so must this, or a uniform number on an edge would fall to another arm.
        common = np.gcd.reduce(balls, axis=1, keepdims=True)
        return np.where(common > 0, balls // np.maximum(common, 1), 1)
    if isinstance(scheme, (RandomAllocationRule, TruncatedBinomial)):
        left = np.asarray(scheme.start()) - counts
        if (left.sum(axis=1) == 0).any():
            raise Exhausted
        return left if isinstance(scheme, RandomAllocationRule) else (left > 0).astype(np.int64)
    raise TypeError(f"{scheme.name} has no fast form")


def _reach(counts: Whole) -> int:
    return int(np.abs(counts[:, 0] - counts[:, 1]).max(initial=0))
