"""Complete randomization: every allocation drawn anew in the ratio, whatever went before."""

from __future__ import annotations

from equipoise.randomization.scheme import Scheme, State, Weights


class Complete(Scheme):
    """Any ratio, any number of arms; nothing can be predicted, nothing is balanced."""

    name = "complete"
    keeps_unequal_ratio = True

    def start(self) -> State:
        """There is nothing to remember."""
        return ()

    def weights(self, state: State) -> Weights:
        """The ratio."""
        return self.ratio

    def after(self, state: State, arm: int) -> State:
        """There is nothing to remember."""
        return state
