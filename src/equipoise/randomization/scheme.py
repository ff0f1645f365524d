"""What every randomization scheme is: a chain of states that says, with exact chances, which arm may come next.

One description serves three ends: it draws the real list, it is worked through exactly for the report on
predictability, and it is what the fast allocation of simulated trials must agree with.

Chances are whole-number weights, so no rounding can differ between machines. ``state`` is whatever the scheme needs of
its past; it is never changed in place and can be hashed.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterable, Mapping, Sequence
from fractions import Fraction
from functools import reduce
from math import gcd
from typing import Any, ClassVar

from equipoise.randomization.generator import Draw

State = Hashable
Weights = tuple[int, ...]
ARM = "arm"
HIDDEN = "block-size"


class Exhausted(Exception):
    """The list is used up: a scheme with a fixed total has no slot left."""


class Scheme(ABC):
    """A way of allocating to ``len(ratio)`` arms in the proportions ``ratio`` (reduced whole numbers)."""

    name: ClassVar[str]
    # Whether every position has the target ratio unconditionally for unequal ratios as well.
    keeps_unequal_ratio: ClassVar[bool] = False
    # Most arms the scheme is defined for; absent where there is no bound.
    most_arms: ClassVar[int | None] = None
    # Whether the next arm goes by the participant's factors (minimization), and not by the stream's past alone.
    uses_profile: ClassVar[bool] = False

    def __init__(self, ratio: Sequence[int]) -> None:
        self.ratio = reduced(ratio)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Scheme) and self._identity() == other._identity()

    def __hash__(self) -> int:
        return hash(repr(self._identity()))

    def _identity(self) -> tuple[Any, ...]:
        return (self.name, self.ratio, self.parameters())

    @property
    def n_arms(self) -> int:
        """How many arms."""
        return len(self.ratio)

    @abstractmethod
    def start(self) -> State:
        """The state before the first allocation."""

    def openings(self, state: State) -> tuple[tuple[int, State], ...]:
        """What is drawn unseen before the next arm (a block's size): weights and the states they lead to."""
        return ((1, state),)

    @abstractmethod
    def weights(self, state: State) -> Weights:
        """Weights of the arms for the next allocation; raises :class:`Exhausted` where there is no further slot."""

    @abstractmethod
    def after(self, state: State, arm: int) -> State:
        """The state after ``arm`` was allocated."""

    def parameters(self) -> dict[str, Any]:
        """The parameters as they stand in a companion file."""
        return {}

    def arms(self, draw: Draw, n: int) -> list[int]:
        """The first ``n`` arms of a stream, as numbers from 0; slots are numbered from 1."""
        state, out = self.start(), []
        for slot in range(1, n + 1):
            openings = self.openings(state)
            if len(openings) > 1:
                state = openings[pick([weight for weight, _ in openings], draw, slot, HIDDEN)][1]
            else:
                state = openings[0][1]
            arm = pick(self.weights(state), draw, slot, ARM)
            out.append(arm)
            state = self.after(state, arm)
        return out


def pick(weights: Sequence[int], draw: Draw, slot: int, purpose: str) -> int:
    """The position drawn with these weights: the first whose cumulative weight exceeds a number below their sum."""
    number = draw(slot, purpose, sum(weights))
    for position, weight in enumerate(weights):
        if number < weight:
            return position
        number -= weight
    raise AssertionError("a number below the sum of the weights falls on one of them")


def reduced(parts: Sequence[int]) -> tuple[int, ...]:
    """Whole numbers divided by what they have in common."""
    divisor = reduce(gcd, parts, 0) or 1
    return tuple(part // divisor for part in parts)


def whole_weights(chances: Iterable[Fraction]) -> Weights:
    """Chances as the smallest whole-number weights in the same proportion."""
    listed = list(chances)
    common = 1
    for chance in listed:
        common = common * chance.denominator // gcd(common, chance.denominator)
    return reduced([int(chance * common) for chance in listed])


Profile = Mapping[str, str]
