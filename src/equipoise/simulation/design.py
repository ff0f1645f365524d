"""What the simulator needs to know of a trial: arms, days, visits, doses; plain values, no protocol."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from equipoise.instruments import Instrument
from equipoise.randomization.scheme import Scheme

SITE = "site"


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedVisit:
    """A planned contact: its name, its study day, its window, and what is assessed.

    ``assesses`` holds ``urine``, ``daily-use``, ``vitals``, ``event`` and names of instruments of the library.
    """

    name: str
    target_day: int
    assesses: tuple[str, ...] = ()
    days_before: int = 0
    days_after: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedInfusion:
    """An infusion in an arm: ``mg_per_kg`` over ``minutes`` on study day ``day``, rounded to ``rounding_mg``.

    ``number`` counts the doses of its intervention from 0. A dose that does not go by weight stands in ``mg``; where
    the protocol states no dose both are ``None``. ``minutes`` is 0 for what is not infused.
    """

    intervention: str
    drug: str
    mg_per_kg: float | None
    minutes: float
    day: int
    mg: float | None = None
    route: str = "intravenous"
    cap_mg: float | None = None
    rounding_mg: float = 0.01
    number: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedTherapy:
    """A therapy in sessions: the study day of each, and the arms that get it."""

    id: str
    days: tuple[int, ...]
    arms: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedArm:
    """An arm with its planned number of participants, its share of the ratio and what is infused, dose by dose."""

    id: str
    n: int
    ratio: int = 1
    infusions: tuple[PlannedInfusion, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedAllocation:
    """A scheme as the running trial would use it: the numbers of the arms come out as they fall.

    ``factors`` stratify (or are minimized over), in order: the route variable and ``site`` are simulated; factors that
    are not are named in ``left_out``. Sites enrol equally.
    """

    scheme: Scheme
    factors: tuple[str, ...] = ()
    sites: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialDesign:
    """A trial as the day-level model sees it. The first arm is the reference.

    Study days: ``first_day`` is the first outpatient day (use is simulated from it to ``last_day``); clinic visits lie
    among these days, the last of them may not be missed by who stays. ``abstinence_days`` is the closed range over
    which end-of-study abstinence is judged. Without ``allocation``, blocks of twice the smallest size run until the
    arms have exactly the planned numbers. ``instruments`` are those that the schedule asks for, by name.
    """

    arms: tuple[PlannedArm, ...]
    substance: str
    first_day: int
    last_day: int
    abstinence_days: tuple[int, int]
    clinic_visits: tuple[SimulatedVisit, ...]
    inpatient_visits: tuple[SimulatedVisit, ...] = ()
    six_month_call: SimulatedVisit | None = None
    randomization_day: int = 1
    therapies: tuple[PlannedTherapy, ...] = ()
    route_variable: str = "route"
    poor_route: str = "smoked-or-injected"
    other_route: str = "intranasal"
    allocation: PlannedAllocation | None = None
    sites: tuple[str, ...] = ()
    instruments: Mapping[str, Instrument] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse a design whose days do not fit together."""
        days = [visit.target_day for visit in self.clinic_visits]
        if not self.arms or any(arm.n < 0 for arm in self.arms):
            raise ValueError("a trial needs at least one arm, and no arm a negative number of participants")
        if self.first_day < 1 or self.last_day < self.first_day:
            raise ValueError(f"outpatient days run from {self.first_day} to {self.last_day}")
        if not days or sorted(set(days)) != days or days[0] < self.first_day or days[-1] > self.last_day:
            raise ValueError(f"clinic visits must follow one another within days {self.first_day} to {self.last_day}")

    @property
    def arm_ids(self) -> tuple[str, ...]:
        """Arms in the protocol's order; the first is the reference."""
        return tuple(arm.id for arm in self.arms)

    @property
    def arm_sizes(self) -> dict[str, int]:
        """Planned number of participants by arm."""
        return {arm.id: arm.n for arm in self.arms}

    @property
    def n_participants(self) -> int:
        """Participants randomized."""
        return sum(arm.n for arm in self.arms)

    @property
    def n_days(self) -> int:
        """Outpatient days simulated."""
        return self.last_day - self.first_day + 1

    @property
    def visits(self) -> tuple[SimulatedVisit, ...]:
        """Every planned contact in the order of days."""
        call = () if self.six_month_call is None else (self.six_month_call,)
        return tuple(sorted((*self.inpatient_visits, *self.clinic_visits, *call), key=lambda v: v.target_day))

    @property
    def visit_days(self) -> tuple[int, ...]:
        """Study days of the clinic visits."""
        return tuple(visit.target_day for visit in self.clinic_visits)
