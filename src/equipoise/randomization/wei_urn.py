"""Wei's urn UD(alpha, beta): each allocation adds balls of the other arms, so early imbalance is corrected strongest.

Source: Wei 1978, "An application of an urn model to the design of sequential controlled clinical trials", Journal of
the American Statistical Association 73:559-563.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from equipoise.randomization.scheme import Scheme, State, Weights, reduced


class WeiUrn(Scheme):
    """``alpha`` balls of each arm at first; after each draw ``beta`` of every other arm. Equal ratio, any arms.

    The state is how many each arm has.
    """

    name = "wei-urn"

    def __init__(self, ratio: Sequence[int], alpha: int, beta: int) -> None:
        super().__init__(ratio)
        if alpha < 0 or beta < 0 or alpha + beta == 0:
            raise ValueError("alpha and beta are 0 or more, and not both 0")
        self.alpha, self.beta = alpha, beta

    def start(self) -> State:
        """Nobody."""
        return (0,) * self.n_arms

    def weights(self, state: State) -> Weights:
        """Balls in the urn; an empty urn (UD(0, beta) at its start) is fair."""
        assert isinstance(state, tuple)
        n = sum(state)
        balls = [self.alpha + self.beta * (n - count) for count in state]
        return reduced(balls) if any(balls) else (1,) * self.n_arms

    def after(self, state: State, arm: int) -> State:
        """One more in that arm."""
        assert isinstance(state, tuple)
        return tuple(count + (number == arm) for number, count in enumerate(state))

    def parameters(self) -> dict[str, Any]:
        """Alpha and beta."""
        return {"alpha": self.alpha, "beta": self.beta}
