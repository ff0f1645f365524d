"""Group-sequential tests: boundaries, error spent, drift, expected size. Methods: ``docs/methods/group_sequential.md``.

Works for any statistic that is asymptotically a process with independent increments in information (differences of
means and proportions, log-rank, Cox, mixed models); knows no endpoint.

>>> from equipoise.stats.design.group_sequential import Boundary, efficacy_design
>>> design = efficacy_design([0.5, 1.0], alpha_one_sided=0.025, boundary=Boundary("obrien-fleming"), sides=2)
>>> [round(z, 3) for z in design.critical_z]
[2.797, 1.977]
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special

from equipoise.stats.design.spending import FAMILIES as SPENDING_FAMILIES
from equipoise.stats.design.spending import SpendingFunction
from equipoise.stats.design.stagewise import Running, begin

FloatArray = NDArray[np.float64]

# Widest boundary that is looked for; beyond it a look cannot stop the trial (tail below 1e-280).
WIDEST = 35.0
_PRECISE = {"xtol": 1e-13, "rtol": 1e-14}
# The fraction of information that two looks must at least lie apart, so that grids stay of sensible size.
SMALLEST_STEP = 0.005

# Boundaries that are one shape times a constant, with the name of their parameter.
CLASSICAL = {"pocock": "", "obrien-fleming": "", "wang-tsiatis": "Delta", "haybittle-peto": "interim z"}


@dataclass(frozen=True)
class Boundary:
    """A rule by which critical values are found: a spending family, or a classical shape.

    ``kind``: a family of ``spending.py``; ``pocock`` (constant), ``obrien-fleming`` (falling as one
    over the root of information), ``wang-tsiatis`` (``parameter`` Delta, -2 to 1: 0 O'Brien-Fleming, 0.5 Pocock),
    ``haybittle-peto`` (``parameter``, by default 3: every interim critical value; the last keeps the level).
    """

    kind: str
    parameter: float | None = None

    def __post_init__(self) -> None:
        if self.kind in SPENDING_FAMILIES:
            SpendingFunction(self.kind, self.parameter)
            return
        if self.kind not in CLASSICAL:
            raise ValueError(f"no boundary {self.kind!r}; known: {', '.join([*SPENDING_FAMILIES, *CLASSICAL])}")
        if self.kind == "wang-tsiatis" and (self.parameter is None or not -2.0 <= self.parameter <= 1.0):
            raise ValueError(f"Delta of wang-tsiatis must lie from -2 to 1, got {self.parameter}")
        if self.kind == "haybittle-peto" and self.parameter is not None and not 0.0 < self.parameter < np.inf:
            raise ValueError(f"the interim critical value of haybittle-peto must be above 0, got {self.parameter}")
        if self.kind in ("pocock", "obrien-fleming") and self.parameter is not None:
            raise ValueError(f"{self.kind} takes no parameter, got {self.parameter}")

    @property
    def is_spending(self) -> bool:
        """Defined by error spent rather than by shape."""
        return self.kind in SPENDING_FAMILIES


@dataclass(frozen=True)
class GroupSequentialDesign:
    """Looks and their boundaries on the Z scale, large Z in favour of the experimental arm.

    Two-sided designs (``sides`` 2) are symmetric: reject when |Z| reaches ``critical_z``; each side spends
    ``alpha_one_sided``. ``futility_z`` (one-sided only): stop for futility when Z falls below it; minus infinity where
    there is no such stop, and at the last look the critical value itself. ``is_binding`` says whether the level
    relies on obeying futility; if not, the level holds whether futility stops are obeyed or not.
    """

    information: FloatArray  # (n_looks,), rising to 1
    critical_z: FloatArray  # (n_looks,)
    futility_z: FloatArray  # (n_looks,)
    alpha_one_sided: float
    sides: int = 1
    is_binding: bool = False
    planned_drift: float | None = (
        None  # the drift at which futility spends exactly beta, for designs with beta spending
    )

    @property
    def n_looks(self) -> int:
        """Looks, the final analysis included."""
        return int(self.information.shape[0])

    @property
    def alpha(self) -> float:
        """Level of the whole test: ``sides`` times the one-sided level."""
        return self.sides * self.alpha_one_sided

    @property
    def stage_level(self) -> FloatArray:
        """(n_looks,) one-sided nominal level at each look: the tail of the critical value."""
        return np.asarray(special.ndtr(-self.critical_z))

    @property
    def has_futility(self) -> bool:
        """Some interim look can stop for futility."""
        return bool(np.isfinite(self.futility_z[:-1]).any())

    @cached_property
    def alpha_spent(self) -> FloatArray:
        """(n_looks,) cumulative error, all sides; non-binding futility is left out, as the level must not need it."""
        lower = self.futility_z if self.is_binding else np.full(self.n_looks, -np.inf)
        return np.cumsum(crossing(self.information, self.critical_z, lower, 0.0, self.sides).reject)

    def operate(self, drift: float) -> Crossing:
        """What the design does when Z at full information has mean ``drift`` (futility stops are obeyed)."""
        return crossing(self.information, self.critical_z, self.futility_z, drift, self.sides)

    def power(self, drift: float) -> float:
        """P(reject at some look), either side in a two-sided design."""
        return float(self.operate(drift).reject.sum())

    def drift_for(self, power: float) -> float:
        """The drift at which the test has ``power`` (above its level, below 1), (GS-8)."""
        if not self.alpha < power < 1.0:
            raise ValueError(f"power must lie between the level {self.alpha:g} and 1, got {power}")
        start = _fixed_drift(power, self.alpha_one_sided)
        return _monotone_root(lambda drift: self.power(drift) - power, 0.0, 1.5 * start)


@dataclass(frozen=True)
class Crossing:
    """What happens at each look under one drift."""

    information: FloatArray
    reject: FloatArray  # (n_looks,) P(reject first at this look)
    futility: FloatArray  # (n_looks,) P(stop for futility at this look); the last entry is P(not reject at the end)

    @property
    def stop(self) -> FloatArray:
        """(n_looks,) P(the trial ends at this look)."""
        ended = self.reject + self.futility
        ended[-1] = 1.0 - ended[:-1].sum()
        return np.asarray(ended)

    @property
    def expected_information(self) -> float:
        """Expected information at the end, as a fraction of the maximum."""
        return float(self.stop @ self.information)


@dataclass(frozen=True)
class Characteristics:
    """What a group-sequential design costs and saves against a fixed design of the same level and power."""

    power: float
    shift: float  # squared drift: maximum information times squared effect
    fixed_shift: float
    inflation_factor: float  # maximum size over the fixed design's
    asn_h0: float  # average size over the fixed design's, no effect
    asn_h01: float  # ... half the planned effect
    asn_h1: float  # ... the planned effect
    under_h1: Crossing
    under_h0: Crossing


def crossing(
    information: FloatArray, critical_z: FloatArray, futility_z: FloatArray, drift: float, sides: int = 1
) -> Crossing:
    """Probabilities of each stop, eqs. (GS-5) to (GS-7), by recursive integration.

    Source: Armitage, McPherson and Rowe (1969) JRSS A 132:235; Jennison and Turnbull (2000) chapter 19.
    """
    n_looks = information.shape[0]
    reject, futility = np.zeros(n_looks), np.zeros(n_looks)
    running = begin(drift)
    for k in range(n_looks):
        t, upper = float(information[k]), float(critical_z[k])
        lower = -upper if sides == 2 else float(futility_z[k])
        reject[k] = running.above(t, upper)
        if sides == 2:
            reject[k] += running.below(t, lower)
        elif k < n_looks - 1 and lower > -np.inf:
            futility[k] = running.below(t, lower)
        if k < n_looks - 1:
            running = running.pass_look(t, lower, upper, float(information[k + 1]))
    futility[-1] = max(0.0, 1.0 - reject.sum() - futility[:-1].sum())
    return Crossing(information, reject, futility)


def check_information(information: Sequence[float] | FloatArray) -> FloatArray:
    """Information fractions as an array; ValueError unless they rise from above 0 to 1 in steps of at least 0.005."""
    t = np.asarray(information, dtype=np.float64)
    if t.ndim != 1 or t.shape[0] < 1 or not np.isfinite(t).all():
        raise ValueError(f"information must be a list of numbers, got {information!r}")
    if abs(t[-1] - 1.0) > 1e-9:
        raise ValueError(f"the last look must be at information 1, got {t[-1]:g}")
    steps = np.diff(t, prepend=0.0)
    if (steps < SMALLEST_STEP * (1.0 - 1e-9)).any():
        k = int(steps.argmin())
        raise ValueError(
            f"looks must rise from above 0 in steps of at least {SMALLEST_STEP}, but look {k + 1} at {t[k]:g} follows "
            f"{t[k - 1] if k else 0.0:g}"
        )
    t = t.copy()
    t[-1] = 1.0
    return t


def efficacy_design(
    information: Sequence[float] | FloatArray, *, alpha_one_sided: float, boundary: Boundary, sides: int = 1
) -> GroupSequentialDesign:
    """Critical values that keep the level, without futility.

    ``information``: fractions of the looks, the last 1. Two-sided designs give each side ``alpha_one_sided`` and count
    both when spending.

    Source: Lan and DeMets (1983); Pocock (1977) Biometrika 64:191; O'Brien and Fleming (1979) Biometrics 35:549;
    Wang and Tsiatis (1987) Biometrics 43:193; Haybittle (1971) Br J Radiol 44:793.
    """
    t = check_information(information)
    _check_level(alpha_one_sided, sides)
    none = np.full(t.shape[0], -np.inf)
    if boundary.is_spending:
        spent = sides * SpendingFunction(boundary.kind, boundary.parameter).spent(t, alpha_one_sided)
        critical = _spend_upper(t, np.diff(spent, prepend=0.0), sides)
    else:
        critical = _classical(t, alpha_one_sided, boundary, sides)
    futility = none.copy()
    futility[-1] = critical[-1] if sides == 1 else -np.inf
    return GroupSequentialDesign(t, critical, futility, alpha_one_sided, sides)


def design_with_spent(
    information: Sequence[float] | FloatArray, alpha_spent: Sequence[float] | FloatArray, *, sides: int = 1
) -> GroupSequentialDesign:
    """Critical values for cumulative error stated look by look (all sides); the last entry is the level."""
    t = check_information(information)
    spent = np.asarray(alpha_spent, dtype=np.float64)
    if spent.shape != t.shape or (np.diff(spent, prepend=0.0) < 0.0).any():
        raise ValueError(f"alpha spent must be {t.shape[0]} numbers that never fall, got {spent.tolist()}")
    alpha_one_sided = float(spent[-1]) / sides
    _check_level(alpha_one_sided, sides)
    critical = _spend_upper(t, np.diff(spent, prepend=0.0), sides)
    futility = np.full(t.shape[0], -np.inf)
    futility[-1] = critical[-1] if sides == 1 else -np.inf
    return GroupSequentialDesign(t, critical, futility, alpha_one_sided, sides)


def futility_design(
    information: Sequence[float] | FloatArray,
    *,
    alpha_one_sided: float,
    power: float,
    boundary: Boundary,
    beta_spending: SpendingFunction,
    is_binding: bool = False,
) -> GroupSequentialDesign:
    """One-sided design with futility bounds that spend 1 - ``power`` at the planned drift, (GS-9).

    The drift is the one at which both boundaries meet at the last look. Non-binding: critical values as without
    futility. Binding: they are recomputed given that futility stops are obeyed, which needs a spending boundary.

    Source: Pampallona, Tsiatis and Kim (2001) Drug Inf J 35:1113; Jennison and Turnbull (2000) section 7.
    """
    t = check_information(information)
    _check_level(alpha_one_sided, 1)
    beta = 1.0 - power
    if not alpha_one_sided < power < 1.0:
        raise ValueError(f"power must lie between the level {alpha_one_sided:g} and 1, got {power}")
    if is_binding and not boundary.is_spending:
        raise ValueError(f"binding futility needs a spending boundary, not {boundary.kind}")
    fixed = efficacy_design(t, alpha_one_sided=alpha_one_sided, boundary=boundary)
    beta_steps = np.diff(beta_spending.spent(t, beta), prepend=0.0)
    alpha_steps = None
    if is_binding:
        spent = SpendingFunction(boundary.kind, boundary.parameter).spent(t, alpha_one_sided)
        alpha_steps = np.diff(spent, prepend=0.0)

    def bounds(drift: float) -> tuple[FloatArray, FloatArray, float]:
        return _paired_bounds(t, fixed.critical_z, alpha_steps, beta_steps, drift)

    # The excess is the type II error left at the last look over what may still be spent there.
    start = _fixed_drift(power, alpha_one_sided)
    drift = _monotone_root(lambda d: bounds(d)[2], 0.5 * start, 1.5 * start)
    critical, futility, _ = bounds(drift)
    futility[-1] = critical[-1]
    return GroupSequentialDesign(t, critical, futility, alpha_one_sided, 1, is_binding, drift)


def characterize(design: GroupSequentialDesign, power: float) -> Characteristics:
    """Inflation factor, drift and average sizes of ``design`` at ``power``, relative to the fixed design.

    Source: Jennison and Turnbull (2000) sections 2.2, 3.3.
    """
    drift = design.drift_for(power)
    last = np.array([design.information[-1]])
    fixed = GroupSequentialDesign(
        last,
        np.array([-special.ndtri(design.alpha_one_sided)]),
        np.array([-np.inf]),
        design.alpha_one_sided,
        design.sides,
    )
    fixed_shift = fixed.drift_for(power) ** 2
    inflation = drift * drift / fixed_shift
    under_h0, under_h01, under_h1 = (design.operate(share * drift) for share in (0.0, 0.5, 1.0))
    return Characteristics(
        power=power,
        shift=drift * drift,
        fixed_shift=fixed_shift,
        inflation_factor=inflation,
        asn_h0=inflation * under_h0.expected_information,
        asn_h01=inflation * under_h01.expected_information,
        asn_h1=inflation * under_h1.expected_information,
        under_h1=under_h1,
        under_h0=under_h0,
    )


def _check_level(alpha_one_sided: float, sides: int) -> None:
    if sides not in (1, 2):
        raise ValueError(f"sides must be 1 or 2, got {sides}")
    if not 0.0 < alpha_one_sided < 0.5:
        raise ValueError(f"alpha_one_sided must lie between 0 and 0.5, got {alpha_one_sided}")


def _fixed_drift(power: float, alpha_one_sided: float) -> float:
    return float(special.ndtri(power) - special.ndtri(alpha_one_sided))


def root(function: Callable[[float], float], low: float, high: float) -> float:
    """Where ``function`` changes sign between ``low`` and ``high``, to the last digits."""
    return float(optimize.brentq(function, low, high, maxiter=1000, **_PRECISE))


def _monotone_root(function: Callable[[float], float], low: float, high: float) -> float:
    """As :func:`root`, with ``high`` doubled until the sign has changed."""
    sign = function(low) > 0.0
    while (function(high) > 0.0) == sign:
        low, high = high, 2.0 * high
        if high > 1e4:
            raise ValueError("no drift gives this design the power asked for")
    return root(function, low, high)


def upper_for(running: Running, t: float, step: float, sides: int) -> float:
    """The critical value at which exactly ``step`` of error is spent now; infinite if there is none to spend."""

    def excess(z: float) -> float:
        tail = running.above(t, z) + (running.below(t, -z) if sides == 2 else 0.0)
        return float(np.log(max(tail, 1e-300)) - np.log(step))

    if step <= 1e-280 or excess(WIDEST) >= 0.0:
        return np.inf
    lowest = 0.0 if sides == 2 else -WIDEST
    if excess(lowest) <= 0.0:
        raise ValueError("more error is to be spent at a look than trials still running can supply")
    return root(excess, lowest, WIDEST)


def _spend_upper(t: FloatArray, steps: FloatArray, sides: int) -> FloatArray:
    critical = np.full(t.shape[0], np.inf)
    running = begin(0.0)
    for k in range(t.shape[0]):
        critical[k] = upper_for(running, float(t[k]), float(steps[k]), sides)
        if k < t.shape[0] - 1:
            lower = -critical[k] if sides == 2 else -np.inf
            running = running.pass_look(float(t[k]), lower, critical[k], float(t[k + 1]))
    return critical


def _classical(t: FloatArray, alpha_one_sided: float, boundary: Boundary, sides: int) -> FloatArray:
    if boundary.kind == "haybittle-peto":
        critical = np.full(t.shape[0], 3.0 if boundary.parameter is None else boundary.parameter)
        running, used = begin(0.0), 0.0
        for k in range(t.shape[0] - 1):
            used += running.above(t[k], critical[k])
            lower = -np.inf
            if sides == 2:
                lower = -critical[k]
                used += running.below(t[k], lower)
            running = running.pass_look(t[k], lower, critical[k], t[k + 1])
        if used >= sides * alpha_one_sided:
            raise ValueError(
                f"interim critical values of {critical[0]:g} spend {used:g} of a level of {sides * alpha_one_sided:g}"
            )
        critical[-1] = upper_for(running, 1.0, sides * alpha_one_sided - used, sides)
        return critical
    exponent = {"pocock": 0.5, "obrien-fleming": 0.0}.get(boundary.kind, boundary.parameter)
    assert exponent is not None
    shape = t ** (exponent - 0.5)
    none = np.full(t.shape[0], -np.inf)

    def excess(constant: float) -> float:
        return float(crossing(t, constant * shape, none, 0.0, sides).reject.sum()) - sides * alpha_one_sided

    return root(excess, 0.0, 20.0) * shape


def _paired_bounds(
    t: FloatArray, critical_fixed: FloatArray, alpha_steps: FloatArray | None, beta_steps: FloatArray, drift: float
) -> tuple[FloatArray, FloatArray, float]:
    """Critical and futility values at ``drift``, and by how much the type II error left exceeds beta's last step.

    ``alpha_steps`` absent: non-binding. Where futility would have to reach the critical value before the last look,
    or binding futility leaves too few trials to spend alpha on, the drift is too large: the excess is then negative.
    """
    n_looks = t.shape[0]
    critical, futility = critical_fixed.copy(), np.full(n_looks, -np.inf)
    planned, null = begin(drift), begin(0.0)
    for k in range(n_looks):
        now = float(t[k])
        if alpha_steps is not None:
            if null.above(now, -WIDEST) <= float(alpha_steps[k]):
                return critical, futility, -float(beta_steps[k:].sum())
            critical[k] = upper_for(null, now, float(alpha_steps[k]), 1)
        if k == n_looks - 1:
            return critical, futility, planned.below(now, float(critical[k])) - float(beta_steps[k])
        step = float(beta_steps[k])
        left = planned.below(now, min(float(critical[k]), WIDEST))
        if left <= step:
            return critical, futility, left - step - float(beta_steps[k + 1 :].sum())
        if step > 1e-280:
            futility[k] = root(
                lambda z, running=planned, now=now, step=step: running.below(now, z) - step,  # type: ignore[misc]
                -WIDEST,
                min(float(critical[k]), WIDEST),
            )
        following = float(t[k + 1])
        planned = planned.pass_look(now, float(futility[k]), float(critical[k]), following)
        if alpha_steps is not None:
            null = null.pass_look(now, float(futility[k]), float(critical[k]), following)
    raise AssertionError("the last look returns")
