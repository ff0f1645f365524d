"""Error spending functions: how much of alpha (or beta) may be used by a fraction of the information.

Methods: ``docs/methods/group_sequential.md``, equations (GS-1) to (GS-4).

>>> from equipoise.stats.design.spending import SpendingFunction
>>> round(float(SpendingFunction("kim-demets", 2.0).spent(0.5, 0.025)), 5)  # 0.025 / 4
0.00625
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

FloatArray = NDArray[np.float64]


def _obrien_fleming(t: FloatArray, total: float, _: float) -> FloatArray:
    # (GS-1); at t = 0 the quotient is infinite and nothing is spent.
    with np.errstate(divide="ignore"):
        return np.asarray(2.0 * special.ndtr(special.ndtri(0.5 * total) / np.sqrt(t)))


def _pocock(t: FloatArray, total: float, _: float) -> FloatArray:
    return np.asarray(total * np.log1p((np.e - 1.0) * t))  # (GS-2)


def _kim_demets(t: FloatArray, total: float, rho: float) -> FloatArray:
    return np.asarray(total * t**rho)  # (GS-3)


def _hwang_shih_decani(t: FloatArray, total: float, gamma: float) -> FloatArray:
    if abs(gamma) < 1e-12:
        return np.asarray(total * t)  # the limit of (GS-4)
    return np.asarray(total * np.expm1(-gamma * t) / np.expm1(-gamma))  # (GS-4)


@dataclass(frozen=True)
class _Family:
    function: Callable[[FloatArray, float, float], FloatArray]
    parameter: str  # its name; empty if it has none
    is_allowed: Callable[[float], bool]
    bounds: str


FAMILIES: dict[str, _Family] = {
    "lan-demets-obrien-fleming": _Family(_obrien_fleming, "", lambda _: True, ""),
    "lan-demets-pocock": _Family(_pocock, "", lambda _: True, ""),
    "kim-demets": _Family(_kim_demets, "rho", lambda rho: 0.0 < rho < np.inf, "above 0"),
    "hwang-shih-decani": _Family(_hwang_shih_decani, "gamma", lambda g: -40.0 <= g <= 40.0, "from -40 to 40"),
}


@dataclass(frozen=True)
class SpendingFunction:
    """A non-decreasing function from information fraction to error spent, 0 at 0 and the total at 1.

    ``family``: ``lan-demets-obrien-fleming`` or ``lan-demets-pocock`` (no parameter), ``kim-demets`` (exponent rho,
    above 0), ``hwang-shih-decani`` (gamma from -40 to 40; -4 is close to O'Brien and Fleming, 1 to Pocock).

    Source: Lan and DeMets (1983) Biometrika 70:659; Kim and DeMets (1987) Biometrika 74:149; Hwang, Shih and
    DeCani (1990) Stat Med 9:1439.
    """

    family: str
    parameter: float | None = None

    def __post_init__(self) -> None:
        if self.family not in FAMILIES:
            raise ValueError(f"no spending function {self.family!r}; known: {', '.join(FAMILIES)}")
        family = FAMILIES[self.family]
        if family.parameter and self.parameter is None:
            raise ValueError(f"{self.family} needs its parameter {family.parameter} ({family.bounds})")
        if not family.parameter and self.parameter is not None:
            raise ValueError(f"{self.family} takes no parameter, got {self.parameter}")
        if self.parameter is not None and not family.is_allowed(self.parameter):
            raise ValueError(f"{family.parameter} of {self.family} must lie {family.bounds}, got {self.parameter}")

    def spent(self, information_fraction: ArrayLike, total: float) -> FloatArray:
        """Cumulative error spent, same shape as ``information_fraction`` (0 to 1, more counts as 1)."""
        if not 0.0 < total < 1.0:
            raise ValueError(f"the error to spend must lie between 0 and 1, got {total}")
        t = np.asarray(information_fraction, dtype=np.float64)
        if np.isnan(t).any() or (t < 0.0).any():
            raise ValueError("information fractions must not be negative")
        t = np.minimum(t, 1.0)
        parameter = 0.0 if self.parameter is None else self.parameter
        return FAMILIES[self.family].function(t, total, parameter)
