"""Permuted blocks: within each block every arm has exactly its share, in an order drawn at random.

A block of a size drawn at random from ``block_sizes`` (each equally likely) opens when the one before is full. Drawing
arms one after another from what is left of the block makes every arrangement of it equally likely.

Source: Matts, Lachin 1988, "Properties of permuted-block randomization in clinical trials", Controlled Clinical Trials
9:327-344.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from equipoise.randomization.scheme import Scheme, State, Weights


class PermutedBlocks(Scheme):
    """Blocks of the given sizes, whole multiples of the sum of the reduced ratio; any ratio, any number of arms.

    The state is what is left of the block in use, all zero between blocks.
    """

    name = "permuted-blocks"
    keeps_unequal_ratio = True

    def __init__(self, ratio: Sequence[int], block_sizes: Sequence[int]) -> None:
        super().__init__(ratio)
        self.block_sizes = tuple(sorted(set(block_sizes)))
        unit = sum(self.ratio)
        if not self.block_sizes or any(size < unit or size % unit for size in self.block_sizes):
            raise ValueError(f"block sizes are multiples of {unit}")

    def start(self) -> State:
        """No block is open."""
        return (0,) * self.n_arms

    def openings(self, state: State) -> tuple[tuple[int, State], ...]:
        """Between blocks: each size equally likely; inside a block nothing is drawn."""
        if any(_counts(state)):
            return ((1, state),)
        unit = sum(self.ratio)
        return tuple((1, tuple(size // unit * part for part in self.ratio)) for size in self.block_sizes)

    def weights(self, state: State) -> Weights:
        """What is left of each arm in the block."""
        return _counts(state)

    def after(self, state: State, arm: int) -> State:
        """One fewer of that arm is left."""
        return tuple(left - (number == arm) for number, left in enumerate(_counts(state)))

    def parameters(self) -> dict[str, Any]:
        """The block sizes."""
        return {"block-sizes": list(self.block_sizes)}


def _counts(state: State) -> tuple[int, ...]:
    assert isinstance(state, tuple)
    return state
