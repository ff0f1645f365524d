"""Coins that lean towards the arm with fewer participants: Efron's, the big stick, Chen's. Two arms, 1:1.

The state is the difference in numbers, first arm less second.

Sources: Efron 1971, "Forcing a sequential experiment to be balanced", Biometrika 58:403-417; Soares, Wu 1983, "Some
restricted randomization rules in sequential designs", Communications in Statistics A 12:2017-2034 (big stick); Chen
1999, "Biased coin design with imbalance tolerance", Communications in Statistics: Stochastic Models 15:953-975.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from equipoise.randomization.scheme import Scheme, State, Weights, whole_weights


class ChenCoin(Scheme):
    """Probability ``probability`` for the arm with fewer, certainty where the difference has reached ``limit``."""

    name = "chen"
    most_arms = 2

    def __init__(self, ratio: Sequence[int], limit: int | None, probability: Fraction) -> None:
        super().__init__(ratio)
        if limit is not None and limit < 1:
            raise ValueError("the limit is 1 or more")
        if not Fraction(1, 2) <= probability <= 1:
            raise ValueError("the probability lies from 1/2 to 1")
        self.limit, self.probability = limit, probability
        self._lean = whole_weights((probability, 1 - probability))

    def start(self) -> State:
        """No difference."""
        return 0

    def weights(self, state: State) -> Weights:
        """Fair at balance; leaning otherwise; certain at the limit."""
        assert isinstance(state, int)
        if state == 0:
            return (1, 1)
        toward = (1, 0) if self.limit is not None and abs(state) >= self.limit else self._lean
        return toward if state < 0 else toward[::-1]

    def after(self, state: State, arm: int) -> State:
        """The difference after one more."""
        assert isinstance(state, int)
        return state + (1 if arm == 0 else -1)

    def parameters(self) -> dict[str, Any]:
        """Limit and probability."""
        return {"limit": self.limit, "probability": str(self.probability)}


class EfronCoin(ChenCoin):
    """Probability ``probability`` for the arm with fewer, however large the difference."""

    name = "efron"

    def __init__(self, ratio: Sequence[int], probability: Fraction) -> None:
        super().__init__(ratio, None, probability)

    def parameters(self) -> dict[str, Any]:
        """The probability."""
        return {"probability": str(self.probability)}


class BigStick(ChenCoin):
    """A fair coin, save that at a difference of ``limit`` the arm with fewer is certain."""

    name = "big-stick"

    def __init__(self, ratio: Sequence[int], limit: int) -> None:
        super().__init__(ratio, limit, Fraction(1, 2))

    def parameters(self) -> dict[str, Any]:
        """The limit."""
        return {"limit": self.limit}
