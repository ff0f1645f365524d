"""Conditional and predictive power: how likely is a claim, given what a look has shown?

Methods: ``docs/methods/interim.md``, equations (IM-4) to (IM-6). Information is a fraction of what was planned, and the
drift is the mean of Z at information 1.

>>> from equipoise.stats.design.conditional_power import Ahead
>>> import numpy as np
>>> half_way = Ahead(0.5, 1.5, np.array([1.0]), np.array([1.969]))  # Z was 1.5 at half of the information
>>> round(half_way.conditional_power_of_trend(), 3), round(half_way.predictive_power(), 3)
(0.591, 0.565)
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from equipoise.stats.design.group_sequential import crossing

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Ahead:
    """A trial after a look: Z so far, and the looks that are still to come.

    Power is the probability of crossing an upper critical value at some later look; lower bounds (futility, or the
    mirror image of a two-sided design) do not stop the trial.
    """

    information: float  # of the look, above 0
    z: float
    later: FloatArray  # (n_later,) information of later looks, rising
    critical_z: FloatArray  # (n_later,)

    def __post_init__(self) -> None:
        if not self.information > 0.0 or not math.isfinite(self.z):
            raise ValueError(f"a look needs information above 0 and a Z, got {self.information} and {self.z}")
        steps = np.diff(self.later, prepend=self.information)
        if self.later.shape != self.critical_z.shape or self.later.shape[0] < 1 or not (steps > 0.0).all():
            raise ValueError("later looks must rise beyond the one taken, with a critical value each")

    def at(self, z: float) -> Ahead:
        """The same looks with another Z."""
        return replace(self, z=z)

    def last_only(self) -> Ahead:
        """The last look alone, those between skipped."""
        return replace(self, later=self.later[-1:], critical_z=self.critical_z[-1:])

    @property
    def trend(self) -> float:
        """The drift that the results so far suggest: Z over the root of the information, (IM-4)."""
        return self.z / math.sqrt(self.information)

    def conditional_power(self, drift: float) -> float:
        """P(claim at a later look) if the drift is ``drift``, (IM-5); at 0 the conditional rejection probability.

        Source: Lan, Simon and Halperin (1982) Seq Anal 1:207; Jennison and Turnbull (2000) chapter 10.
        """
        step = self.later - self.information
        bound = (self.critical_z * np.sqrt(self.later) - self.z * math.sqrt(self.information)) / np.sqrt(step)
        return _crossed(step, bound, drift)

    def conditional_power_of_trend(self) -> float:
        """Conditional power if the drift is what the results so far suggest."""
        return self.conditional_power(self.trend)

    def predictive_power(self, prior_mean: float = 0.0, prior_variance: float = math.inf) -> float:
        """Conditional power averaged over what is believed of the drift after the look, (IM-6).

        The prior of the drift is normal; with infinite variance nothing is known beforehand. Given the drift's
        distribution, the score ahead is Brownian motion in another time, so that no second integral is needed.

        Source: Spiegelhalter, Freedman and Blackburn (1986) Control Clin Trials 7:8.
        """
        if not prior_variance > 0.0 or not math.isfinite(prior_mean):
            raise ValueError(f"a prior needs a mean and a variance above 0, got {prior_mean} and {prior_variance}")
        precision = 0.0 if math.isinf(prior_variance) else 1.0 / prior_variance
        variance = 1.0 / (self.information + precision)
        score = self.z * math.sqrt(self.information)
        mean = variance * (score + prior_mean * precision)
        step = self.later - self.information
        grown = 1.0 + variance * step
        time = step / grown
        bound = (self.critical_z * np.sqrt(self.later) - score - mean * step) / grown / np.sqrt(time)
        return _crossed(np.asarray(time), bound, 0.0)


def _crossed(time: FloatArray, bound: FloatArray, drift: float) -> float:
    """P(Z of a process from 0 with this drift crosses an upper bound at one of these times)."""
    reject = crossing(time, bound, np.full(time.shape[0], -np.inf), drift).reject
    return float(min(1.0, reject.sum()))
