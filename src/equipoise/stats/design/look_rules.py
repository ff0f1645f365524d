"""Looks as a plan states them, and their boundaries at the information that really came.

Methods: ``docs/methods/interim.md``, equations (IM-1) to (IM-3). Information is a fraction of what was planned for the
last look: 1 is as planned, more is over-running. The drift is the mean of Z at information 1.

>>> from equipoise.stats.design.group_sequential import Boundary
>>> from equipoise.stats.design.look_rules import LookRule
>>> rule = LookRule((0.5, 1.0), alpha_one_sided=0.025, boundary=Boundary("lan-demets-obrien-fleming"))
>>> [round(float(z), 3) for z in rule.boundaries([0.42]).critical_z]  # fewer results than the half that was planned
[3.267]
>>> [round(float(z), 3) for z in rule.boundaries([0.42, 0.9], is_last=True).critical_z]  # the last spends what is left
[3.267, 1.963]
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from equipoise.stats.design.conditional_power import Ahead
from equipoise.stats.design.group_sequential import (
    SMALLEST_STEP,
    WIDEST,
    Boundary,
    GroupSequentialDesign,
    check_information,
    design_with_spent,
    efficacy_design,
    futility_design,
    root,
    upper_for,
)
from equipoise.stats.design.spending import SpendingFunction
from equipoise.stats.design.stagewise import Running, begin

FloatArray = NDArray[np.float64]

FUTILITY_KINDS = ("beta-spending", "z", "conditional-power", "predictive-power")
EFFECTS = ("planned", "trend")


@dataclass(frozen=True)
class FutilityRule:
    """When a look ends the trial because an effect has become unlikely; for one-sided designs.

    ``kind``: ``beta-spending`` (with ``spending``), ``z`` (Z below a stated value), ``conditional-power`` (under the
    ``planned`` effect or the current ``trend``) or ``predictive-power`` (no prior knowledge), each below ``below``: one
    number for every interim look, or one each. ``is_binding``: the stop is always obeyed and critical values rely on
    that; for the first two kinds.
    """

    kind: str
    below: tuple[float, ...] = ()
    spending: SpendingFunction | None = None
    effect: str = "trend"
    is_binding: bool = False

    def __post_init__(self) -> None:
        if self.kind not in FUTILITY_KINDS:
            raise ValueError(f"no futility rule {self.kind!r}; known: {', '.join(FUTILITY_KINDS)}")
        if (self.kind == "beta-spending") != (self.spending is not None) or (self.spending is None) == (not self.below):
            raise ValueError("beta-spending takes a spending function, every other rule numbers below which it stops")
        if self.effect not in EFFECTS:
            raise ValueError(f"effect must be planned or trend, got {self.effect!r}")
        if not np.isfinite(self.below).all():
            raise ValueError(f"futility values must be numbers, got {self.below}")
        if self.kind.endswith("power"):
            if not all(0.0 < p < 1.0 for p in self.below):
                raise ValueError(f"a power below which to stop lies between 0 and 1, got {self.below}")
            if self.is_binding:
                raise ValueError(f"{self.kind} cannot be binding: it depends on critical values that follow")


@dataclass(frozen=True)
class ReachedBoundaries:
    """Bounds of the looks taken so far, as :class:`GroupSequentialDesign` has those of a plan."""

    information: FloatArray  # (n_looks,) fractions of the planned information
    critical_z: FloatArray
    futility_z: FloatArray  # minus infinity where a look cannot stop for futility; at the last look the critical value
    alpha_spent: FloatArray  # (n_looks,) cumulative, all sides
    sides: int
    is_binding: bool
    is_last: bool

    @property
    def level_lower_z(self) -> FloatArray:
        """(n_looks,) lower bounds on which the level relies: the mirror image, binding futility, or none."""
        if self.sides == 2:
            return -self.critical_z
        return self.futility_z if self.is_binding else np.full(self.information.shape[0], -np.inf)


@dataclass(frozen=True)
class LookRule:
    """Looks, level, boundary and futility of a plan.

    ``planned``: fractions of the information, rising to 1. ``boundary``, or ``alpha_spent`` (cumulative by look, all
    sides). Error is spent by information where the boundary is a spending family; otherwise each look spends what it
    was given in the plan, whatever information came (Haybittle-Peto keeps its interim critical value). ``power`` is
    that for which the trial was planned: it gives the planned drift.
    """

    planned: tuple[float, ...]
    alpha_one_sided: float = 0.025
    sides: int = 1
    boundary: Boundary | None = None
    alpha_spent: tuple[float, ...] | None = None
    futility: FutilityRule | None = None
    power: float = 0.8

    def __post_init__(self) -> None:
        check_information(self.planned)
        if (self.boundary is None) == (self.alpha_spent is None):
            raise ValueError("either a boundary or the alpha spent at each look")
        if self.sides not in (1, 2) or not 0.0 < self.alpha_one_sided < 0.5:
            raise ValueError(f"a level between 0 and 0.5 on 1 or 2 sides, got {self.alpha_one_sided} on {self.sides}")
        if not self.sides * self.alpha_one_sided < self.power < 1.0:
            raise ValueError(f"power must lie between the level and 1, got {self.power}")
        if self.alpha_spent is not None:
            spent = np.asarray(self.alpha_spent)
            if spent.shape[0] != len(self.planned) or (np.diff(spent, prepend=0.0) < 0.0).any():
                raise ValueError("alpha spent must be one number per look, never falling")
            if spent[-1] > self.sides * self.alpha_one_sided * (1.0 + 1e-9):
                raise ValueError(f"the last look has spent {spent[-1]:g} of {self.sides * self.alpha_one_sided:g}")
        if self.futility is not None:
            if self.sides != 1:
                raise ValueError("futility is for one-sided designs")
            if len(self.futility.below) not in (0, 1, len(self.planned) - 1):
                raise ValueError(
                    f"{len(self.futility.below)} futility values for {len(self.planned) - 1} interim looks"
                )

    @property
    def n_looks(self) -> int:
        """Planned looks, the last one included."""
        return len(self.planned)

    @property
    def alpha(self) -> float:
        """Level of the whole test, all sides."""
        return self.sides * self.alpha_one_sided

    @property
    def by_information(self) -> bool:
        """Error is spent by the information reached; otherwise by the number of the look."""
        return self.boundary is not None and self.boundary.is_spending

    @cached_property
    def efficacy(self) -> GroupSequentialDesign:
        """The planned critical values without futility."""
        if self.boundary is None:
            assert self.alpha_spent is not None
            return design_with_spent(self.planned, self.alpha_spent, sides=self.sides)
        return efficacy_design(
            self.planned, alpha_one_sided=self.alpha_one_sided, boundary=self.boundary, sides=self.sides
        )

    @cached_property
    def planned_drift(self) -> float:
        """Mean of Z at the planned information under the effect for which the trial was planned: power is then met.

        With beta spending the power given up to futility is counted, as in (GS-9).
        """
        rule = self.futility
        if rule is not None and rule.spending is not None and self.by_information:
            assert self.boundary is not None
            design = futility_design(
                self.planned,
                alpha_one_sided=self.alpha_one_sided,
                power=self.power,
                boundary=self.boundary,
                beta_spending=rule.spending,
                is_binding=rule.is_binding,
            )
            assert design.planned_drift is not None
            return design.planned_drift
        return self.efficacy.drift_for(self.power)

    @cached_property
    def design(self) -> GroupSequentialDesign:
        """All bounds at the planned information."""
        found = self.boundaries(self.planned, is_last=True)
        drift = self.planned_drift if self.futility is not None and self.futility.kind == "beta-spending" else None
        return GroupSequentialDesign(
            found.information,
            found.critical_z,
            found.futility_z if self.sides == 1 else np.full(self.n_looks, -np.inf),
            self.alpha_one_sided,
            self.sides,
            found.is_binding,
            drift,
        )

    def boundaries(self, information: Sequence[float] | FloatArray, *, is_last: bool = False) -> ReachedBoundaries:
        """Bounds at the information reached, eqs. (IM-1) to (IM-3); ``is_last``: the trial ended with the last of them.

        Raises ``ValueError`` where information does not rise by at least 0.005 from look to look, or where more looks
        were taken than the plan gives error to (boundaries by the number of the look).

        Source: Lan and DeMets (1983) Biometrika 70:659; Lan and DeMets (1989) Stat Med 8:1191.
        """
        t = check_reached(information)
        if not self.by_information and t.shape[0] > self.n_looks:
            raise ValueError(f"{t.shape[0]} looks, and the plan gives error to {self.n_looks}")
        return _walk(self, t, is_last)

    def spent(self, t: FloatArray, *, is_last: bool) -> FloatArray:
        """(n_looks,) cumulative error, all sides, that looks at information ``t`` may have spent, (IM-1)."""
        if self.by_information:
            assert self.boundary is not None
            function = SpendingFunction(self.boundary.kind, self.boundary.parameter)
            spent = self.sides * function.spent(t, self.alpha_one_sided)
        else:
            spent = self.efficacy.alpha_spent[: t.shape[0]].copy()
        if is_last:
            spent[-1] = self.alpha if self.alpha_spent is None else self.alpha_spent[-1]
        return np.asarray(spent)

    def ahead(self, information: Sequence[float] | FloatArray, z: float) -> Ahead | None:
        """What is ahead after the looks at ``information``, the last of which gave ``z``; None where nothing is.

        Later looks are those of the plan that lie beyond the information reached; the last planned look stays where it
        was planned. Critical values count later efficacy only: futility is taken as not binding.
        """
        t = check_reached(information)
        later = self._later(t)
        if later.size == 0:
            return None
        plan = LookRule(
            self.planned, self.alpha_one_sided, self.sides, self.boundary, self.alpha_spent, None, self.power
        )
        critical = plan.boundaries(np.concatenate([t, later]), is_last=True).critical_z[t.shape[0] :]
        return Ahead(float(t[-1]), z, later, critical)

    def _later(self, t: FloatArray) -> FloatArray:
        planned = np.asarray(self.planned)
        if not self.by_information:
            planned = planned[t.shape[0] :]
        return np.asarray(planned[planned >= t[-1] + SMALLEST_STEP])


def check_reached(information: Sequence[float] | FloatArray) -> FloatArray:
    """Information of the looks taken, as an array; ``ValueError`` unless it rises in steps of at least 0.005."""
    t = np.asarray(information, dtype=np.float64)
    if t.ndim != 1 or t.shape[0] < 1 or not np.isfinite(t).all():
        raise ValueError(f"information must be a list of numbers, got {information!r}")
    steps = np.diff(t, prepend=0.0)
    if (steps < SMALLEST_STEP * (1.0 - 1e-9)).any():
        k = int(steps.argmin())
        before = t[k - 1] if k else 0.0
        raise ValueError(
            f"information must rise by at least {SMALLEST_STEP} from look to look, but look {k + 1} at {t[k]:g} "
            f"follows {before:g}"
        )
    return t


@dataclass
class _Course:
    """The recursions of a walk through the looks: no effect, and the planned drift where beta is spent."""

    null: Running
    planned: Running | None


def _walk(rule: LookRule, t: FloatArray, is_last: bool) -> ReachedBoundaries:
    n = t.shape[0]
    spent = rule.spent(t, is_last=is_last)
    critical, futility = np.full(n, np.inf), np.full(n, -np.inf)
    stop, binding = rule.futility, rule.futility is not None and rule.futility.is_binding
    beta = np.zeros(n)
    if stop is not None and stop.spending is not None:
        beta = np.diff(stop.spending.spent(t, 1.0 - rule.power), prepend=0.0)
    course = _Course(begin(0.0), begin(rule.planned_drift) if stop is not None and stop.spending else None)
    fixed = rule.boundary.parameter or 3.0 if rule.boundary and rule.boundary.kind == "haybittle-peto" else None
    used = 0.0
    for k in range(n):
        now, ends = float(t[k]), is_last and k == n - 1
        if fixed is not None and not ends and k < rule.n_looks - 1:
            critical[k] = fixed
        else:
            critical[k] = upper_for(course.null, now, max(0.0, float(spent[k]) - used), rule.sides)
        if np.isfinite(critical[k]):
            used += course.null.above(now, critical[k])
            used += course.null.below(now, -critical[k]) if rule.sides == 2 else 0.0
        if ends:
            futility[k] = critical[k] if rule.sides == 1 else -np.inf
        elif stop is not None:
            futility[k] = _futility(rule, t[: k + 1], float(critical[k]), course.planned, float(beta[k]))
        if k == n - 1:
            break
        following = float(t[k + 1])
        lower = -critical[k] if rule.sides == 2 else futility[k] if binding else -np.inf
        course.null = course.null.pass_look(now, lower, critical[k], following)
        if course.planned is not None:
            course.planned = course.planned.pass_look(now, futility[k], critical[k], following)
    alpha = spent.copy() if fixed is None else _spent_by(t, critical, rule.sides)
    return ReachedBoundaries(t, critical, futility, alpha, rule.sides, binding, is_last)


def _spent_by(t: FloatArray, critical: FloatArray, sides: int) -> FloatArray:
    running, out = begin(0.0), np.zeros(t.shape[0])
    for k in range(t.shape[0]):
        lower = -critical[k] if sides == 2 else -np.inf
        out[k] = running.above(t[k], critical[k]) + (running.below(t[k], lower) if sides == 2 else 0.0)
        if k < t.shape[0] - 1:
            running = running.pass_look(t[k], lower, critical[k], float(t[k + 1]))
    return np.cumsum(out)


def _futility(rule: LookRule, t: FloatArray, critical: float, planned: Running | None, beta: float) -> float:
    """The Z below which the look at ``t[-1]`` stops for futility, never above its critical value, (IM-3)."""
    stop, k = rule.futility, t.shape[0] - 1
    assert stop is not None
    top = min(critical, WIDEST)
    if stop.spending is not None:
        assert planned is not None
        now = float(t[-1])
        if beta <= 1e-280:
            return -np.inf
        if planned.below(now, top) <= beta:
            return top
        return root(lambda z: planned.below(now, z) - beta, -WIDEST, top)
    if len(stop.below) > 1 and k >= len(stop.below):
        return -np.inf
    below = stop.below[k if len(stop.below) > 1 else 0]
    if stop.kind == "z":
        return min(below, top)
    ahead = rule.ahead(t, 0.0)
    if ahead is None:
        return -np.inf
    chance = _chance_ahead(rule, stop, ahead)
    if chance(top) <= below:
        return top
    return root(lambda z: chance(z) - below, -WIDEST, top)


def _chance_ahead(rule: LookRule, stop: FutilityRule, ahead: Ahead) -> Callable[[float], float]:
    """The power that a rule asks for, as a function of Z at the look."""
    if stop.kind == "predictive-power":
        return lambda z: ahead.at(z).predictive_power()
    if stop.effect == "planned":
        return lambda z: ahead.at(z).conditional_power(rule.planned_drift)
    return lambda z: ahead.at(z).conditional_power_of_trend()
