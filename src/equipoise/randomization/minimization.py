"""Minimization: the arm that keeps the margins of the factors most alike is preferred with a stated probability.

For a new participant the imbalance that each arm would lead to is added up over the factors, at the participant's own
levels. The arm with the least is preferred with ``probability``, the others share the rest equally; arms that tie share
what their places hold, so that a tie is fair.

Source: Pocock, Simon 1975, "Sequential treatment assignment with balancing for prognostic factors in the controlled
clinical trial", Biometrics 31:103-115 (range and variance; their equation for p_1 with equal other probabilities).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any, Literal

from equipoise.randomization.generator import Draw
from equipoise.randomization.scheme import ARM, Profile, Scheme, State, Weights, pick, whole_weights

Measure = Literal["range", "variance"]
MEASURES: tuple[Measure, ...] = ("range", "variance")


class Minimization(Scheme):
    """Equal ratio, any number of arms; ``weights_of`` gives each factor its weight (whole number, 1 or more).

    The next arm goes by the participant's profile, so a stream's arms do not follow from its slots alone: see
    :meth:`next_arm`. Without factors the overall numbers are the one margin, and two arms give Efron's coin draw for
    draw.
    """

    name = "minimization"
    uses_profile = True

    def __init__(
        self, ratio: Sequence[int], weights_of: Mapping[str, int], probability: Fraction, measure: Measure = "range"
    ) -> None:
        super().__init__(ratio)
        if any(weight < 1 for weight in weights_of.values()):
            raise ValueError("a factor's weight is 1 or more")
        if not Fraction(1, self.n_arms) <= probability <= 1:
            raise ValueError(f"the probability lies from 1/{self.n_arms} to 1")
        if measure not in MEASURES:
            raise ValueError(f"the measure is one of {MEASURES}")
        self.weights_of, self.probability, self.measure = dict(weights_of), probability, measure
        rest = (1 - probability) / (self.n_arms - 1)
        # By how many arms tie for the least imbalance: weight of each of them, and of each other arm.
        self._tied = {
            tied: whole_weights(
                ((probability + (tied - 1) * rest) / tied, rest) if tied < self.n_arms else (Fraction(1), Fraction(0))
            )
            for tied in range(1, self.n_arms + 1)
        }

    def start(self) -> State:
        """Refused: the state goes by the participants' factors."""
        raise TypeError("minimization goes by the participants' factors: use next_arm")

    def weights(self, state: State) -> Weights:
        """Refused: the state goes by the participants' factors."""
        raise TypeError("minimization goes by the participants' factors: use weights_for")

    def after(self, state: State, arm: int) -> State:
        """Refused: the state goes by the participants' factors."""
        raise TypeError("minimization goes by the participants' factors: use next_arm")

    def weights_for(self, history: Iterable[tuple[Profile, int]], profile: Profile) -> Weights:
        """Weights of the arms for a participant of ``profile`` after ``history`` (profile and arm, in order)."""
        margins = {name: [0] * self.n_arms for name in self.weights_of} or {"": [0] * self.n_arms}
        for past, arm in history:
            for name, counts in margins.items():
                if not name or past[name] == profile[name]:
                    counts[arm] += 1
        return self.weights_of_margins(margins)

    def weights_of_margins(self, margins: Mapping[str, Sequence[int]]) -> Weights:
        """Weights of the arms where each factor's margin at the participant's level holds these numbers."""
        totals = [
            sum(self.weights_of.get(name, 1) * self._imbalance(counts, arm) for name, counts in margins.items())
            for arm in range(self.n_arms)
        ]
        least = min(totals)
        best, other = self.tied_weights(totals.count(least))
        return tuple(best if total == least else other for total in totals)

    def tied_weights(self, tied: int) -> tuple[int, int]:
        """Weight of each of ``tied`` arms that share the least imbalance, and of each other arm."""
        best, other = self._tied[tied]
        return best, other

    def next_arm(self, draw: Draw, history: Sequence[tuple[Profile, int]], profile: Profile) -> int:
        """The arm of the next participant, its slot being the one after ``history``."""
        return pick(self.weights_for(history, profile), draw, len(history) + 1, ARM)

    def _imbalance(self, counts: Sequence[int], arm: int) -> int:
        """Imbalance of a margin if ``arm`` had one more; the variance times the square of the number of arms."""
        then = [count + (number == arm) for number, count in enumerate(counts)]
        if self.measure == "range":
            return max(then) - min(then)
        return self.n_arms * sum(count * count for count in then) - sum(then) ** 2

    def parameters(self) -> dict[str, Any]:
        """Probability, measure and weights."""
        return {
            "probability": str(self.probability),
            "measure": self.measure,
            "weights": dict(self.weights_of),
        }
