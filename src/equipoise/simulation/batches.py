"""Many trials of a scenario at once, whatever its level: a lattice to analyse, and who was lost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from equipoise.endpoints.lattice import Lattice
from equipoise.protocol import Protocol
from equipoise.protocol.language.analysis import Analysis, Estimand
from equipoise.simulation.parts.scenario import PartsScenario
from equipoise.simulation.scenario import AnyScenario
from equipoise.simulation.simple import SimpleScenario


@dataclass(frozen=True)
class Batch:
    """Replicates of one scenario; rows of the lattice by replicate, then by participant."""

    lattice: Lattice
    gone: NDArray[np.int64]  # (n_arms, n_replicates) participants lost by the last visit


def simulate_batch(protocol: Protocol, scenario: AnyScenario, *, seed: int, replicates: Sequence[int]) -> Batch:
    """The trials of these numbers, each the same in whatever batch it stands."""
    if isinstance(scenario, SimpleScenario):
        from equipoise.simulation.simple_lattice import SimpleLattice

        drawn = SimpleLattice(scenario, seed, replicates)
        return Batch(drawn, drawn.gone())
    if isinstance(scenario, PartsScenario):
        from equipoise.simulation.parts.course import run_course
        from equipoise.simulation.parts.lattice import PartsLattice

        made = PartsLattice(run_course(scenario, seed=seed, replicates=replicates))
        return Batch(made, made.gone())
    from equipoise.simulation.day_level import simulate_day_level
    from equipoise.simulation.lattice import SimulatedLattice

    trials = simulate_day_level(scenario.design, scenario.parameters, seed=seed, replicates=replicates, threads=1)
    gone = trials.gone_from < len(scenario.design.clinic_visits)
    by_arm = np.stack([(gone & (trials.arm == k)).sum(axis=1) for k in range(len(scenario.design.arms))])
    return Batch(SimulatedLattice(protocol, scenario, trials), by_arm)


def not_drawn_by(scenario: AnyScenario, analysis: Analysis, estimand: Estimand) -> str | None:
    """Why the scenario's level cannot answer an analysis, in words; ``None`` where it can."""
    if isinstance(scenario, SimpleScenario):
        from equipoise.simulation.simple_lattice import not_drawn

        return not_drawn(scenario, analysis, estimand)
    return None
