"""Sample size and power in closed form: two proportions, two means, log-rank. Methods: ``docs/methods/sample_size.md``.

Sizes are not rounded (:func:`whole_arms` does that); ``allocation_ratio`` is experimental over control, so 2 means two
to one. Levels are one-sided; a two-sided test at 5 % is ``alpha_one_sided=0.025, sides=2``. A test with looks needs the
fixed size times the inflation factor of :func:`equipoise.stats.design.group_sequential.characterize`.

>>> from equipoise.stats.design.sample_size import two_proportions_size
>>> round(two_proportions_size(0.05, 0.25, power=0.8, alpha_one_sided=0.025).n_total, 2)
97.68
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import optimize, special

from equipoise.stats.score import restricted_difference, restricted_ratio


@dataclass(frozen=True)
class Size:
    """Participants needed, not rounded."""

    n_control: float
    n_experimental: float

    @property
    def n_total(self) -> float:
        """Both arms."""
        return self.n_control + self.n_experimental

    @classmethod
    def split(cls, n_total: float, allocation_ratio: float) -> Size:
        """``n_total`` divided 1 : ``allocation_ratio``."""
        return cls(n_total / (1.0 + allocation_ratio), n_total * allocation_ratio / (1.0 + allocation_ratio))

    def times(self, factor: float) -> Size:
        """The same, inflated (looks) or divided by a share retained (dropout)."""
        return Size(self.n_control * factor, self.n_experimental * factor)


def whole_arms(size: Size) -> tuple[int, int]:
    """Control and experimental arm rounded up, each on its own (1e-9 of rounding error forgiven)."""
    return math.ceil(size.n_control * (1.0 - 1e-9)), math.ceil(size.n_experimental * (1.0 - 1e-9))


def normal_power(drift: float, *, alpha_one_sided: float, sides: int = 1) -> float:
    """P(reject) of a normal test whose Z has mean ``drift``, (SS-1); two-sided tests count both tails."""
    _check(alpha_one_sided, sides)
    z = float(special.ndtri(alpha_one_sided))
    return float(special.ndtr(drift + z) + (special.ndtr(z - drift) if sides == 2 else 0.0))


def _drift_wanted(power: float, alpha_one_sided: float) -> float:
    """Mean of Z that gives ``power`` in the favoured direction: z(1 - alpha) + z(power)."""
    if not alpha_one_sided < power < 1.0:
        raise ValueError(f"power must lie between the level {alpha_one_sided:g} and 1, got {power}")
    return float(special.ndtri(power) - special.ndtri(alpha_one_sided))


def _check(alpha_one_sided: float, sides: int = 1, allocation_ratio: float = 1.0) -> None:
    if not 0.0 < alpha_one_sided < 0.5:
        raise ValueError(f"alpha_one_sided must lie between 0 and 0.5, got {alpha_one_sided}")
    if sides not in (1, 2):
        raise ValueError(f"sides must be 1 or 2, got {sides}")
    if not 0.0 < allocation_ratio < math.inf:
        raise ValueError(f"allocation_ratio must be above 0, got {allocation_ratio}")


# ---------------------------------------------------------------------------------------------- two proportions


def _deviations(risk_control: float, risk_experimental: float, r: float) -> tuple[float, float]:
    """Root of n_total times the variance of the difference: pooled under the null (SS-2), and true (SS-3)."""
    for name, risk in (("risk_control", risk_control), ("risk_experimental", risk_experimental)):
        if not 0.0 < risk < 1.0:
            raise ValueError(f"{name} must lie between 0 and 1, got {risk}")
    pooled = (risk_control + r * risk_experimental) / (1.0 + r)
    null = math.sqrt(pooled * (1.0 - pooled) * (1.0 + r) * (1.0 + 1.0 / r))
    true = math.sqrt(
        (1.0 + r) * (risk_control * (1.0 - risk_control) + risk_experimental * (1.0 - risk_experimental) / r)
    )
    return null, true


def two_proportions_power(
    risk_control: float,
    risk_experimental: float,
    n_total: float,
    *,
    alpha_one_sided: float,
    sides: int = 1,
    allocation_ratio: float = 1.0,
    drop_far_scale: bool = False,
) -> float:
    """Power of the pooled z test of two proportions, normal approximation, (SS-4).

    One-sided: in the direction of the stated difference. ``drop_far_scale`` computes the far tail of a two-sided test
    from the drift of the near one, as rpact does; the difference is below 1e-3 and not in the power of interest.

    Source: Fleiss, Levin and Paik (2003) section 4.2; Farrington and Manning (1990) Stat Med 9:1447.
    """
    _check(alpha_one_sided, sides, allocation_ratio)
    null, true = _deviations(risk_control, risk_experimental, allocation_ratio)
    z = -float(special.ndtri(alpha_one_sided))
    difference = abs(risk_experimental - risk_control) * math.sqrt(n_total)
    near = float(special.ndtr((difference - z * null) / true))
    if sides == 1:
        return near
    if drop_far_scale:
        return near + float(special.ndtr(-(difference - z * (null - true)) / true - z))
    return near + float(special.ndtr((-difference - z * null) / true))


def two_proportions_size(
    risk_control: float,
    risk_experimental: float,
    *,
    power: float,
    alpha_one_sided: float,
    allocation_ratio: float = 1.0,
) -> Size:
    """Participants for the pooled z test of two proportions, (SS-5); infinite if the risks are equal.

    A two-sided test at 2 alpha needs the same: the far tail adds nothing worth counting.
    """
    _check(alpha_one_sided, 1, allocation_ratio)
    _drift_wanted(power, alpha_one_sided)
    null, true = _deviations(risk_control, risk_experimental, allocation_ratio)
    needed = -float(special.ndtri(alpha_one_sided)) * null + float(special.ndtri(power)) * true
    difference = risk_experimental - risk_control
    if difference == 0.0:
        return Size(math.inf, math.inf)
    return Size.split((needed / difference) ** 2, allocation_ratio)


# ------------------------------------------------------------------------------------- two proportions, a margin


def margin_deviations(
    risk_control: float, risk_experimental: float, margin: float, r: float, scale: str = "risk_difference"
) -> tuple[float, float, float]:
    """Distance of the effect from a margin; roots of n_total times its variance at the margin and in truth, (SS-14).

    At the margin the risks are those restricted to it that are likeliest given the true ones (Farrington and Manning's
    third method). ``scale``: ``risk_difference``, or ``risk_ratio`` with distance p1 - margin * p0.
    """
    for name, risk in (("risk_control", risk_control), ("risk_experimental", risk_experimental)):
        if not 0.0 < risk < 1.0:
            raise ValueError(f"{name} must lie between 0 and 1, got {risk}")
    is_ratio = scale == "risk_ratio"
    if not (0.0 < margin < math.inf if is_ratio else -1.0 < margin < 1.0):
        raise ValueError(f"the margin of a {scale} cannot be {margin}")
    p0, p1 = np.array([risk_control]), np.array([risk_experimental])
    # A trial of one control and r experimental participants has the same restricted risks as one of any size.
    table = (p0, np.ones(1), r * p1, np.array([r]), np.array([margin]))
    restricted = restricted_ratio(*table) if is_ratio else restricted_difference(*table)
    weight = margin**2 if is_ratio else 1.0

    def deviation(q0: float, q1: float) -> float:
        return math.sqrt((1.0 + r) * (weight * q0 * (1.0 - q0) + q1 * (1.0 - q1) / r))

    distance = risk_experimental - margin * risk_control if is_ratio else risk_experimental - risk_control - margin
    return distance, deviation(*(float(q[0]) for q in restricted)), deviation(risk_control, risk_experimental)


def margin_power(
    risk_control: float,
    risk_experimental: float,
    n_total: float,
    margin: float,
    *,
    alpha_one_sided: float,
    allocation_ratio: float = 1.0,
    scale: str = "risk_difference",
) -> float:
    """Power of Farrington and Manning's test to show the effect beyond ``margin``, normal approximation, (SS-15).

    On the side of the margin on which the true effect lies; below the level where it lies on the margin or beyond.

    Source: Farrington and Manning (1990) Stat Med 9:1447.
    """
    _check(alpha_one_sided, 1, allocation_ratio)
    distance, at_margin, true = margin_deviations(risk_control, risk_experimental, margin, allocation_ratio, scale)
    z = -float(special.ndtri(alpha_one_sided))
    return float(special.ndtr((abs(distance) * math.sqrt(n_total) - z * at_margin) / true))


def margin_size(
    risk_control: float,
    risk_experimental: float,
    margin: float,
    *,
    power: float,
    alpha_one_sided: float,
    allocation_ratio: float = 1.0,
    scale: str = "risk_difference",
) -> Size:
    """Participants for Farrington and Manning's test against a margin, (SS-16); infinite if the effect lies on it.

    Equivalence needs this for each margin, at a power of 1 - (1 - power) / 2 where the effect lies midway.
    """
    _check(alpha_one_sided, 1, allocation_ratio)
    _drift_wanted(power, alpha_one_sided)
    distance, at_margin, true = margin_deviations(risk_control, risk_experimental, margin, allocation_ratio, scale)
    if distance == 0.0:
        return Size(math.inf, math.inf)
    needed = -float(special.ndtri(alpha_one_sided)) * at_margin + float(special.ndtri(power)) * true
    return Size.split((needed / distance) ** 2, allocation_ratio)


# ---------------------------------------------------------------------------------------------------- two means


def two_means_power(
    difference: float,
    standard_deviation: float,
    n_total: float,
    *,
    alpha_one_sided: float,
    sides: int = 1,
    allocation_ratio: float = 1.0,
    is_normal: bool = False,
) -> float:
    """Power of the two-sample t test (noncentral t, (SS-6)), or with known standard deviation if ``is_normal``.

    ``n_total`` above 2 for the t test (it may be fractional).
    """
    _check(alpha_one_sided, sides, allocation_ratio)
    drift = _mean_drift(difference, standard_deviation, n_total, allocation_ratio)
    if is_normal:
        return normal_power(drift, alpha_one_sided=alpha_one_sided, sides=sides)
    df = n_total - 2.0
    if df <= 0.0:
        raise ValueError(f"a t test needs more than 2 participants, got {n_total}")
    critical = float(special.stdtrit(df, 1.0 - alpha_one_sided))
    near = 1.0 - float(special.nctdtr(df, drift, critical))
    return near + (float(special.nctdtr(df, drift, -critical)) if sides == 2 else 0.0)


def two_means_size(
    difference: float,
    standard_deviation: float,
    *,
    power: float,
    alpha_one_sided: float,
    allocation_ratio: float = 1.0,
    is_normal: bool = False,
) -> Size:
    """Participants for the two-sample t test, (SS-7), or with known standard deviation; infinite for no difference."""
    _check(alpha_one_sided, 1, allocation_ratio)
    wanted = _drift_wanted(power, alpha_one_sided)
    if difference == 0.0:
        return Size(math.inf, math.inf)
    n_normal = (wanted / _mean_drift(difference, standard_deviation, 1.0, allocation_ratio)) ** 2
    if is_normal:
        return Size.split(n_normal, allocation_ratio)

    def lacking(n_total: float) -> float:
        return power - two_means_power(
            difference,
            standard_deviation,
            n_total,
            alpha_one_sided=alpha_one_sided,
            allocation_ratio=allocation_ratio,
        )

    return Size.split(_falling_root(lacking, 2.0 + 1e-3, max(n_normal, 4.0)), allocation_ratio)


def _mean_drift(difference: float, standard_deviation: float, n_total: float, r: float) -> float:
    if not standard_deviation > 0.0:
        raise ValueError(f"standard_deviation must be above 0, got {standard_deviation}")
    return abs(difference) / standard_deviation * math.sqrt(n_total * r) / (1.0 + r)


# ----------------------------------------------------------------------------------------------------- log-rank


@dataclass(frozen=True)
class Accrual:
    """Uniform accrual over ``accrual_time`` (0: all at once), observation until ``study_time`` after the first entry.

    Times in any one unit; hazards are per that unit. Event and dropout times are exponential and independent.
    """

    accrual_time: float
    study_time: float
    dropout_hazard_control: float = 0.0
    dropout_hazard_experimental: float = 0.0

    def __post_init__(self) -> None:
        if self.accrual_time < 0.0 or not self.study_time > 0.0:
            raise ValueError(f"accrual_time must not be negative and study_time must be above 0, got {self}")
        if min(self.dropout_hazard_control, self.dropout_hazard_experimental) < 0.0:
            raise ValueError(f"dropout hazards must not be negative, got {self}")

    def at(self, study_time: float) -> Accrual:
        """The same accrual looked at earlier or later."""
        return Accrual(self.accrual_time, study_time, self.dropout_hazard_control, self.dropout_hazard_experimental)

    def event_probability(self, hazard: float, dropout_hazard: float) -> float:
        """P(event seen by ``study_time``) of a planned participant, those not yet entered counted, (SS-9)."""
        if not hazard > 0.0:
            raise ValueError(f"hazards must be above 0, got {hazard}")
        both = hazard + dropout_hazard
        if self.accrual_time == 0.0:
            return hazard / both * -math.expm1(-both * self.study_time)
        entered = min(self.accrual_time, self.study_time)
        # Integral of 1 - exp(-both * s) over the time s that those who have entered were followed.
        waited = math.exp(-both * (self.study_time - entered)) * -math.expm1(-both * entered) / both
        return hazard / both * (entered - waited) / self.accrual_time

    def mean_event_probability(self, hazard_control: float, hazard_ratio: float, allocation_ratio: float) -> float:
        """Average of both arms, weighted by allocation."""
        control = self.event_probability(hazard_control, self.dropout_hazard_control)
        experimental = self.event_probability(hazard_control * hazard_ratio, self.dropout_hazard_experimental)
        return (control + allocation_ratio * experimental) / (1.0 + allocation_ratio)


@dataclass(frozen=True)
class LogRankSize:
    """Events that the log-rank test needs, and participants that give them."""

    n_events: float
    size: Size

    @property
    def n_total(self) -> float:
        """Both arms."""
        return self.size.n_total


def hazard_of_risk(risk: float, time: float) -> float:
    """The constant hazard under which a share ``risk`` has had the event by ``time``: -log(1 - risk) / time."""
    if not 0.0 <= risk < 1.0 or not time > 0.0:
        raise ValueError(f"risk must lie from 0 to below 1 and time above 0, got {risk} by {time}")
    return -math.log1p(-risk) / time


def log_rank_drift(hazard_ratio: float, n_events: float, *, allocation_ratio: float = 1.0) -> float:
    """Mean of the log-rank Z in favour of the arm with fewer events, (SS-8).

    Assumes proportional hazards near 1, and allocation as in the sizes at risk. Source: Schoenfeld (1981) Biometrika
    68:316.
    """
    if not hazard_ratio > 0.0 or n_events < 0.0:
        raise ValueError(f"hazard_ratio must be above 0 and n_events not negative, got {hazard_ratio}, {n_events}")
    return abs(math.log(hazard_ratio)) * math.sqrt(n_events * allocation_ratio) / (1.0 + allocation_ratio)


def log_rank_power(
    hazard_ratio: float,
    n_events: float,
    *,
    alpha_one_sided: float,
    sides: int = 1,
    allocation_ratio: float = 1.0,
) -> float:
    """Power of the log-rank test with ``n_events`` events, Schoenfeld's approximation."""
    _check(alpha_one_sided, sides, allocation_ratio)
    drift = log_rank_drift(hazard_ratio, n_events, allocation_ratio=allocation_ratio)
    return normal_power(drift, alpha_one_sided=alpha_one_sided, sides=sides)


def log_rank_size(
    hazard_control: float,
    hazard_ratio: float,
    accrual: Accrual,
    *,
    power: float,
    alpha_one_sided: float,
    allocation_ratio: float = 1.0,
    inflation: float = 1.0,
) -> LogRankSize:
    """Events by (SS-8) and participants by (SS-9) to have them at ``accrual.study_time``.

    ``inflation``: of the events, for looks. Infinite if the hazard ratio is 1.
    """
    _check(alpha_one_sided, 1, allocation_ratio)
    per_event = log_rank_drift(hazard_ratio, 1.0, allocation_ratio=allocation_ratio)
    wanted = _drift_wanted(power, alpha_one_sided)
    if per_event == 0.0:
        return LogRankSize(math.inf, Size(math.inf, math.inf))
    n_events = (wanted / per_event) ** 2 * inflation
    share = accrual.mean_event_probability(hazard_control, hazard_ratio, allocation_ratio)
    return LogRankSize(n_events, Size.split(n_events / share, allocation_ratio))


def time_of_events(
    n_events: float,
    n_total: float,
    hazard_control: float,
    hazard_ratio: float,
    accrual: Accrual,
    *,
    allocation_ratio: float = 1.0,
) -> float:
    """When, after the first entry, ``n_events`` are expected; infinite if dropout keeps them from ever coming."""

    def lacking(time: float) -> float:
        share = accrual.at(time).mean_event_probability(hazard_control, hazard_ratio, allocation_ratio)
        return n_events - n_total * share

    scale = max(accrual.accrual_time, 1.0 / hazard_control)
    if lacking(1e6 * scale) > 0.0:
        return math.inf
    return _falling_root(lacking, 1e-9 * scale, scale)


def _falling_root(function: Callable[[float], float], low: float, high: float) -> float:
    """Root of a falling function that is positive at ``low``; ``high`` is doubled until it is beyond."""
    if function(low) <= 0.0:
        return low
    while function(high) > 0.0:
        low, high = high, 2.0 * high
        if high > 1e15:
            return math.inf
    return float(optimize.brentq(function, low, high, xtol=1e-12, rtol=1e-14, maxiter=1000))
