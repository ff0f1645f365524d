"""After a trial with looks: p value, estimate and limits that allow for the looks taken.

Methods: ``docs/methods/interim.md``, equations (IM-7) to (IM-9). Outcomes are ordered by stage: the earlier an upper
bound was crossed the more extreme, and among those that end at one look the larger Z.

>>> import numpy as np
>>> from equipoise.stats.design.adjusted import LooksTaken, adjust_for_looks
>>> looks = LooksTaken(np.array([0.5, 1.0]), np.array([2.963, 1.969]))
>>> found = adjust_for_looks(looks, z=2.2, level=0.95)  # at the last look
>>> round(found.p_one_sided, 4), round(found.median_unbiased, 2), round(found.lower, 2), round(found.upper, 2)
(0.0146, 2.19, 0.22, 4.15)
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from equipoise.stats.design.group_sequential import root
from equipoise.stats.design.look_rules import LookRule
from equipoise.stats.design.stagewise import begin

FloatArray = NDArray[np.float64]

# No drift beyond this is looked for: Z would lie as far from 0.
_FARTHEST = 400.0


@dataclass(frozen=True)
class LooksTaken:
    """The looks of a trial that has ended, the last of them included.

    ``lower_z``: bounds below which a look ended the trial and on which the level relies (the mirror image of a
    two-sided design, binding futility); by default none. ``means``: (n_looks,) mean of Z at each look for drift 1; by
    default the root of the information. Where later stages were re-estimated they follow from the weights fixed in
    advance and the information that each stage really brought.
    """

    information: FloatArray
    critical_z: FloatArray
    lower_z: FloatArray | None = None
    means: FloatArray | None = None

    def __post_init__(self) -> None:
        n = self.information.shape[0]
        for given in (self.critical_z, self.lower_z, self.means):
            if given is not None and given.shape != (n,):
                raise ValueError(f"{n} looks, and bounds or means of {given.shape}")
        if n < 1 or not (np.diff(self.information, prepend=0.0) > 0.0).all():
            raise ValueError("information must rise from look to look")

    @property
    def mean_of_unit_drift(self) -> FloatArray:
        """(n_looks,) mean of Z at each look for drift 1."""
        return np.sqrt(self.information) if self.means is None else self.means

    def p_of(self, z: float, drift: float) -> float:
        """P(as extreme in the upper direction as Z = ``z`` at the last look, or more), at a drift, (IM-7)."""
        shift = drift * self.mean_of_unit_drift
        upper = self.critical_z - shift
        lower = np.full_like(upper, -np.inf) if self.lower_z is None else self.lower_z - shift
        running, total, n = begin(0.0), 0.0, upper.shape[0]
        for k in range(n - 1):
            now = float(self.information[k])
            total += running.above(now, float(upper[k]))
            running = running.pass_look(now, float(lower[k]), float(upper[k]), float(self.information[k + 1]))
        return min(1.0, total + running.above(float(self.information[-1]), z - float(shift[-1])))


@dataclass(frozen=True)
class AdjustedForLooks:
    """What holds whatever the looks were: drifts are means of Z at information 1."""

    p_one_sided: float  # of no effect, in the direction of large Z
    median_unbiased: float
    lower: float
    upper: float
    level: float

    @property
    def p_two_sided(self) -> float:
        """Twice the smaller tail."""
        return min(1.0, 2.0 * min(self.p_one_sided, 1.0 - self.p_one_sided))


def adjust_for_looks(taken: LooksTaken, z: float, *, level: float = 0.95) -> AdjustedForLooks:
    """p value, median unbiased estimate and limits of the drift after the last of the looks ``taken``, (IM-8).

    The limits are those at which the p value leaves (1 - level) / 2 on either side. They agree with the decision: with
    a level of 1 - 2 alpha they exclude no effect exactly where a bound was crossed.

    Source: Tsiatis, Rosner and Mehta (1984) Biometrics 40:797; Jennison and Turnbull (2000) section 8.5.
    """
    if not math.isfinite(z):
        raise ValueError(f"Z must be a number, got {z}")
    if not 0.0 < level < 1.0:
        raise ValueError(f"level must lie between 0 and 1, got {level}")
    tail = 0.5 * (1.0 - level)
    ends = (_drift_at(taken, z, tail), _drift_at(taken, z, 1.0 - tail))
    return AdjustedForLooks(taken.p_of(z, 0.0), median_unbiased(taken, z), *ends, level)


def median_unbiased(taken: LooksTaken, z: float) -> float:
    """The drift at which the result is as likely to be more extreme as less: that of :func:`adjust_for_looks` alone."""
    return _drift_at(taken, z, 0.5)


def _drift_at(taken: LooksTaken, z: float, p: float) -> float:
    """The drift at which the stage-wise p value is ``p``."""
    return _rising_root(lambda drift: taken.p_of(z, drift) - p)


def _rising_root(function: Callable[[float], float]) -> float:
    low, high = -4.0, 4.0
    while function(low) > 0.0:
        low *= 2.0
        if low < -_FARTHEST:
            return -math.inf
    while function(high) < 0.0:
        high *= 2.0
        if high > _FARTHEST:
            return math.inf
    return root(function, low, high)


def repeated_limits(estimate: float, standard_error: float, critical_z: float) -> tuple[float, float]:
    """Limits that hold at every look together, (IM-9): the estimate minus and plus its critical value times the error.

    Source: Jennison and Turnbull (1989) JRSS B 51:305.
    """
    if not standard_error > 0.0:
        raise ValueError(f"standard_error must be above 0, got {standard_error}")
    half = critical_z * standard_error
    return estimate - half, estimate + half


def repeated_p(rule: LookRule, information: FloatArray, z: float, *, is_last: bool = False) -> float:
    """The smallest one-sided level at which the look that gave ``z`` would have crossed its bound; at most 0.5.

    ``information`` of the looks so far. The bounds are those of the same rule at the other level.
    """

    def excess(log_level: float) -> float:
        level = math.exp(log_level)
        other = _at_level(rule, level)
        return z - float(other.boundaries(information, is_last=is_last).critical_z[-1])

    low, high = math.log(1e-12), math.log(0.4999)
    if excess(high) < 0.0:
        return 0.5
    if excess(low) >= 0.0:
        return 1e-12
    return math.exp(root(excess, low, high))


def _at_level(rule: LookRule, level: float) -> LookRule:
    share = level / rule.alpha_one_sided
    spent = None if rule.alpha_spent is None else tuple(a * share for a in rule.alpha_spent)
    power = max(rule.power, min(0.999999, rule.sides * level * 1.01 + 1e-9))
    return LookRule(rule.planned, level, rule.sides, rule.boundary, spent, None, power)


def z_of_p(p_one_sided: ArrayLike) -> FloatArray:
    """The Z of a one-sided p value, as decisions use it: no further from 0 than 37 (8 on the other side)."""
    p = np.asarray(p_one_sided, dtype=np.float64)
    if not ((p >= 0.0) & (p <= 1.0)).all():
        raise ValueError("a p value lies from 0 to 1")
    return np.asarray(-special.ndtri(np.clip(p, 1e-300, 1.0 - 1e-16)))
