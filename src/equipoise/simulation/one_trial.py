"""One simulated trial out of many: its slices of the arrays, its participants' ids, its own random numbers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise.simulation.accompanying import AccompanyingParameters, BaselineParameters
from equipoise.simulation.allocate import site_numbers
from equipoise.simulation.day_level import SimulatedTrials
from equipoise.simulation.design import SITE, PlannedInfusion, TrialDesign
from equipoise.simulation.parameters import DayLevelParameters
from equipoise.simulation.purposes import Purpose
from equipoise.simulation.streams import normal_grid, uniform_grid


@dataclass(frozen=True)
class OneTrial:
    """Replicate ``replicate`` of ``trials``; arrays lose their first axis. P participants, T days, V clinic visits."""

    trials: SimulatedTrials
    replicate: int
    baseline: BaselineParameters
    accompanying: AccompanyingParameters

    @cached_property
    def position(self) -> int:
        """Place of the replicate in the arrays."""
        return self.trials.position(self.replicate)

    def of(self, name: str) -> NDArray[Any]:
        """The array ``name`` of this replicate."""
        array: NDArray[Any] = getattr(self.trials, name)[self.position]
        return array

    @property
    def design(self) -> TrialDesign:
        """The design simulated."""
        return self.trials.design

    @property
    def parameters(self) -> DayLevelParameters:
        """Parameters of the day-level model."""
        return self.trials.parameters

    @property
    def n(self) -> int:
        """Participants randomized."""
        return self.design.n_participants

    @cached_property
    def ids(self) -> NDArray[np.str_]:
        """Ids of the randomized, in order of enrolment."""
        width = max(3, len(str(self.n)))
        ids: NDArray[np.str_] = np.array([f"P{number:0{width}d}" for number in range(1, self.n + 1)])
        return ids

    @cached_property
    def arm_ids(self) -> NDArray[np.str_]:
        """Arm of each participant."""
        arms: NDArray[np.str_] = np.array(self.design.arm_ids)[self.of("arm")]
        return arms

    @cached_property
    def site(self) -> NDArray[np.str_] | None:
        """Site of each participant, where the trial has several."""
        names = self.design.sites
        if not names:
            return None
        sites: NDArray[np.str_] = np.array(names)[site_numbers(self.uniform(Purpose.SITE), len(names))]
        return sites

    @cached_property
    def stratum(self) -> list[str] | None:
        """Stratum of each participant as it is recorded, where the scheme has factors."""
        plan, design = self.design.allocation, self.design
        if plan is None or not plan.factors:
            return None
        route = np.where(self.of("poor_route"), design.poor_route, design.other_route)
        columns = [(name, self.site if name == SITE else route) for name in sorted(plan.factors)]
        return [", ".join(f"{name} {column[i]}" for name, column in columns) for i in range(self.n)]  # type: ignore[index]

    @cached_property
    def drugs(self) -> NDArray[np.str_]:
        """Drug first infused in each participant's arm; empty text where there is none."""
        by_arm = [arm.infusions[0].drug if arm.infusions else "" for arm in self.design.arms]
        drugs: NDArray[np.str_] = np.array(by_arm)[self.of("arm")]
        return drugs

    def by_name(self, names: NDArray[np.str_], values: Any) -> NDArray[np.float64]:
        """The value of each name; 0 where there is none."""
        return np.array([float(values.get(name, 0.0)) for name in names])

    def uniform(self, purpose: int, day: Any = 0, draw: int = 0) -> NDArray[np.float64]:
        """A uniform number for each participant; a sequence of days adds a second axis."""
        return self._draws(uniform_grid, purpose, day, draw)

    def normal(self, purpose: int, day: Any = 0, draw: int = 0) -> NDArray[np.float64]:
        """A standard normal number for each participant; a sequence of days adds a second axis."""
        return self._draws(normal_grid, purpose, day, draw)

    def _draws(self, source: Any, purpose: int, day: Any, draw: int) -> NDArray[np.float64]:
        days = np.asarray(day)
        grid: NDArray[np.float64] = source(
            self.trials.seed, np.array([self.replicate]), self.n, np.atleast_1d(days), int(purpose), draw
        )[0]
        return grid if days.ndim else grid[:, 0]

    @cached_property
    def last_contact(self) -> NDArray[np.int64]:
        """Study day of the last attended visit up to the end of the outpatient weeks."""
        inpatient = max((visit.target_day for visit in self.design.inpatient_visits), default=self.design.first_day - 1)
        days = np.asarray(self.design.visit_days)
        return np.asarray(np.where(self.of("attended"), days, inpatient).max(axis=1))

    def was_given(self, infusion: PlannedInfusion) -> NDArray[np.bool_]:
        """Who of an arm was there for a planned infusion: everybody in the stay, afterwards who had not gone."""
        if infusion.day < self.design.first_day:
            return np.ones(self.n, dtype=np.bool_)
        return np.asarray(self.last_contact >= infusion.day)

    @cached_property
    def is_gone(self) -> NDArray[np.bool_]:
        """Who dropped out."""
        return np.asarray(self.of("gone_from") < len(self.design.clinic_visits))
