"""Stages combined by weights fixed in advance, and a second stage whose size the first has chosen.

Methods: ``docs/methods/interim.md``, equations (IM-10) to (IM-13). The Z of all data pooled is not valid once a size
was chosen from the results; the combined Z is, whatever the size became.

>>> from equipoise.stats.design.combination import ReEstimation, SecondStage
>>> stage = SecondStage(information=0.5, z=1.4, critical_z=1.969)  # Z was 1.4 at half; the last bound is 1.969
>>> round(stage.conditional_critical_z, 3)
1.385
>>> rule = ReEstimation(target_power=0.9, least=0.5, most=1.5)
>>> round(rule.second_stage(stage, drift=2.5), 3)  # information of the second stage, planned 0.5
1.137
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

FloatArray = NDArray[np.float64]


def stage_weights(information: ArrayLike) -> FloatArray:
    """(n_looks,) weights of the stages' Z whose squares add up to 1 at the last look: roots of the planned steps."""
    steps = np.diff(np.asarray(information, dtype=np.float64), prepend=0.0)
    if steps.ndim != 1 or not (steps > 0.0).all():
        raise ValueError("information must rise from look to look")
    return np.asarray(np.sqrt(steps / steps.sum()))


def combine_stages(z_of_stages: ArrayLike, weights: ArrayLike) -> FloatArray:
    """Combined Z at each look from independent Z of the stages so far, (IM-10): inverse normal combination.

    ``z_of_stages`` (..., n_stages), ``weights`` (n_stages,) fixed in advance; the result has the shape of the first.

    Source: Lehmacher and Wassmer (1999) Biometrics 55:1286.
    """
    z, w = np.asarray(z_of_stages, dtype=np.float64), np.asarray(weights, dtype=np.float64)
    if z.shape[-1:] != w.shape or not (w > 0.0).all():
        raise ValueError(f"weights above 0, one per stage, got {w.tolist()} for {z.shape}")
    return np.asarray(np.cumsum(w * z, axis=-1) / np.sqrt(np.cumsum(w * w)))


def stage_z(z: ArrayLike, information: ArrayLike) -> FloatArray:
    """Z of each stage's own data from cumulative Z, (IM-11): the increment of the score over the root of its variance.

    ``z`` and ``information`` (..., n_looks) as really reached.

    Source: Cui, Hung and Wang (1999) Biometrics 55:853.
    """
    t = np.asarray(information, dtype=np.float64)
    score = np.asarray(z, dtype=np.float64) * np.sqrt(t)
    steps = np.diff(t, prepend=0.0, axis=-1)
    if not (steps > 0.0).all():
        raise ValueError("information must rise from look to look")
    return np.asarray(np.diff(score, prepend=0.0, axis=-1) / np.sqrt(steps))


@dataclass(frozen=True)
class CombinedEffect:
    """Estimates and standard errors of independent stages, with weights fixed in advance."""

    estimates: FloatArray  # (n_stages,)
    standard_errors: FloatArray
    weights: FloatArray

    @property
    def z(self) -> float:
        """Combined Z of no effect."""
        return float(combine_stages(self.estimates / self.standard_errors, self.weights)[-1])

    @property
    def per_unit(self) -> FloatArray:
        """(n_stages,) mean of the combined Z at each look for an effect of 1."""
        return combine_stages(1.0 / self.standard_errors, self.weights)

    def effect_at(self, z: float) -> float:
        """The effect against which the combined Z would be ``z``; 0 gives the estimate in the middle, (IM-12)."""
        return (self.z - z) / float(self.per_unit[-1])


@dataclass(frozen=True)
class SecondStage:
    """What is known when the last stage is about to begin.

    ``information``: planned fraction at the look (it gives the weights, whatever was reached); ``critical_z``: of the
    last look, for the combined Z.
    """

    information: float
    z: float
    critical_z: float

    def __post_init__(self) -> None:
        if not 0.0 < self.information < 1.0 or not math.isfinite(self.z):
            raise ValueError(f"a look before the last, with a Z, got {self.information} and {self.z}")

    @property
    def conditional_critical_z(self) -> float:
        """What Z of the last stage alone must reach, (IM-13)."""
        first, last = math.sqrt(self.information), math.sqrt(1.0 - self.information)
        return (self.critical_z - first * self.z) / last

    @property
    def trend(self) -> float:
        """The drift that the results so far suggest."""
        return self.z / math.sqrt(self.information)

    def conditional_power(self, drift: float, information: float | None = None) -> float:
        """P(claim at the last look) at a drift, if the last stage has this information; by default as planned."""
        step = 1.0 - self.information if information is None else information
        return float(special.ndtr(drift * math.sqrt(step) - self.conditional_critical_z))


@dataclass(frozen=True)
class ReEstimation:
    """How the information of the last stage is chosen: the least that gives ``target_power``, within limits.

    ``least`` and ``most``: information of the last stage, in fractions of the whole trial as planned. ``promising``:
    only where conditional power at the planned size lies in this range is the size changed; elsewhere it stays as
    planned.

    Source: Mehta and Pocock (2011) Stat Med 30:3267.
    """

    target_power: float
    least: float
    most: float
    promising: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if not 0.0 < self.target_power < 1.0 or not 0.0 < self.least <= self.most < math.inf:
            raise ValueError(f"a power between 0 and 1 and limits in order above 0, got {self}")
        if self.promising is not None and not 0.0 <= self.promising[0] < self.promising[1] <= 1.0:
            raise ValueError(f"the promising range must rise within 0 and 1, got {self.promising}")

    def unlimited(self, stage: SecondStage, drift: float) -> float:
        """Information of the last stage that gives the target power at a drift; infinite if that is not above 0."""
        needed = max(0.0, stage.conditional_critical_z + float(special.ndtri(self.target_power)))
        if needed == 0.0:
            return 0.0
        return (needed / drift) ** 2 if drift > 0.0 else math.inf

    def second_stage(self, stage: SecondStage, drift: float) -> float:
        """Information of the last stage that the rule gives at a drift."""
        if self.promising is not None:
            now = stage.conditional_power(drift)
            if not self.promising[0] <= now <= self.promising[1]:
                return 1.0 - stage.information
        return min(max(self.unlimited(stage, drift), self.least), self.most)
