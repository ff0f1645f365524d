"""Schemes for a total known beforehand, with which every arm ends at its exact share.

Source: Rosenberger, Lachin 2016, "Randomization in Clinical Trials", 2nd ed., chapter 3 (random allocation rule,
truncated binomial design); Blackwell, Hodges 1957, "Design for the control of selection bias", Annals of Mathematical
Statistics 28:449-460.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from equipoise.randomization.scheme import Exhausted, Scheme, State, Weights


class _FixedTotal(Scheme):
    """``total`` slots a stream; the state is what is left of each arm."""

    def __init__(self, ratio: Sequence[int], total: int) -> None:
        super().__init__(ratio)
        unit = sum(self.ratio)
        if total < unit or total % unit:
            raise ValueError(f"the total is a multiple of {unit}")
        self.total = total

    def start(self) -> State:
        """Everything is left."""
        return tuple(part * (self.total // sum(self.ratio)) for part in self.ratio)

    def after(self, state: State, arm: int) -> State:
        """One fewer of that arm is left."""
        assert isinstance(state, tuple)
        return tuple(left - (number == arm) for number, left in enumerate(state))

    def parameters(self) -> dict[str, Any]:
        """The total."""
        return {"total": self.total}


class RandomAllocationRule(_FixedTotal):
    """One block as long as the stream: every arrangement of the total is equally likely."""

    name = "random-allocation-rule"
    keeps_unequal_ratio = True

    def weights(self, state: State) -> Weights:
        """What is left of each arm."""
        assert isinstance(state, tuple)
        if not any(state):
            raise Exhausted
        return state


class TruncatedBinomial(_FixedTotal):
    """A fair coin until one arm is full, then the other arm; two arms, 1:1."""

    name = "truncated-binomial"
    most_arms = 2

    def weights(self, state: State) -> Weights:
        """Fair while both arms have room."""
        assert isinstance(state, tuple)
        if not any(state):
            raise Exhausted
        return tuple(int(left > 0) for left in state)
