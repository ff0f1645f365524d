"""Simulate a protocol's trial under one of its named sets of assumptions, and hand over Records."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import polars as pl

from equipoise.foundation.errors import Problem, SimulationError, UsageError
from equipoise.foundation.seeds import MAX_SEED
from equipoise.protocol import Protocol
from equipoise.records import DataSource, Records
from equipoise.records.schema import REPLICATE
from equipoise.simulation.day_level import SimulatedTrials, simulate_day_level
from equipoise.simulation.parts.course import DrawnTrials, run_course
from equipoise.simulation.parts.scenario import PartsScenario
from equipoise.simulation.reading import as_mapping, plain
from equipoise.simulation.scenario import DAY_LEVEL, Scenario, read_scenario
from equipoise.simulation.simple import SimpleScenario
from equipoise.simulation.tables import to_tables

CODES = {"U502": "Invalid seed or number of replicates."}


def simulate(
    protocol: Protocol, *, seed: int, scenario: str | None = None, replicates: int | Sequence[int] = 1
) -> Records:
    """Records of fictional participants.

    ``scenario`` names a set of the protocol's assumptions (by default the first). ``replicates`` is how many trials, or
    which replicates; several come with a leading ``replicate`` column. The same protocol, scenario, seed and replicate
    give the same records on every machine. ``truth`` holds what no clinic would know.

    Raises :class:`~equipoise.foundation.errors.SimulationError` for what the assumptions lack and
    :class:`~equipoise.foundation.errors.UsageError` (U502) for a seed or number of replicates that cannot be.
    """
    numbers = _require_numbers(seed, replicates)
    chosen = read_scenario(protocol, scenario)
    if isinstance(chosen, SimpleScenario):
        raise SimulationError(
            Problem(
                "S043",
                f"assumptions.{chosen.name}",
                "A simple set states what comes out: it has no days or visits, so there are no records to write.",
                "a set with `parts:` or `model: day-level`",
                "Name another set with --scenario; `power` and `size` take this one.",
            )
        )
    if isinstance(chosen, PartsScenario):
        return records_of_parts(run_course(chosen, seed=seed, replicates=numbers), numbers)
    trials = simulate_day_level(chosen.design, chosen.parameters, seed=seed, replicates=numbers)
    return records_of(protocol, chosen, trials, numbers)


def _require_numbers(seed: int, replicates: int | Sequence[int]) -> list[int]:
    problems = []
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed <= MAX_SEED:
        problems.append(Problem("U502", "seed", f"Found {seed!r}.", f"a whole number from 0 to {MAX_SEED}"))
    numbers = list(range(replicates)) if isinstance(replicates, int) else [int(number) for number in replicates]
    if not numbers or min(numbers) < 0 or max(numbers) > MAX_SEED or len(set(numbers)) != len(numbers):
        expected = f"at least one replicate, each once, numbered from 0 to {MAX_SEED}"
        problems.append(Problem("U502", "replicates", f"Found {replicates!r}.", expected))
    if problems:
        raise UsageError(problems)
    return numbers


def records_of(protocol: Protocol, scenario: Scenario, trials: SimulatedTrials, replicates: Sequence[int]) -> Records:
    """Records of some replicates of trials already simulated, as :func:`simulate` would give them."""
    several = len(replicates) > 1
    tables: dict[str, list[pl.DataFrame]] = {}
    truth: dict[str, list[pl.DataFrame]] = {}
    for number in replicates:
        made = to_tables(trials, number, baseline=scenario.baseline, accompanying=scenario.accompanying)
        for into, frames in zip((tables, truth), made, strict=True):
            for name, frame in frames.items():
                if several:
                    frame = frame.select(pl.lit(number, dtype=pl.Int64).alias(REPLICATE), pl.all())
                into.setdefault(name, []).append(frame)
    what = f"{len(replicates)} replicates" if several else f"replicate {replicates[0]}"
    source = DataSource(
        origin="simulated",
        description=(
            f"The day-level model under the assumptions {scenario.name!r}, seed {trials.seed}, {what}; "
            "the participants are fictional."
        ),
        protocol=protocol.id,
        protocol_hash=protocol.hash,
        details={
            "model": DAY_LEVEL,
            "scenario": scenario.name,
            "seed": trials.seed,
            "replicates": list(replicates),
            "parameters": trials.parameters.as_mapping(),
            "baseline": as_mapping(scenario.baseline),
            "accompanying": as_mapping(scenario.accompanying),
            **_allocation_details(scenario),
        },
    )
    joined = {name: pl.concat(frames, how="diagonal_relaxed") for name, frames in tables.items()}
    return Records(joined, source, {name: pl.concat(frames) for name, frames in truth.items()})


def records_of_parts(course: DrawnTrials, replicates: Sequence[int], *, protocol: Protocol | None = None) -> Records:
    """Records of some replicates of a course, as :func:`simulate` would give them.

    ``protocol`` is the one that the records are of, where the scenario is a change of its assumptions.
    """
    from equipoise.simulation.parts.records import tables_of

    scenario = course.scenario
    of = protocol or scenario.protocol
    several = len(replicates) > 1
    tables: dict[str, list[pl.DataFrame]] = {}
    truth: dict[str, list[pl.DataFrame]] = {}
    for number in replicates:
        for into, frames in zip((tables, truth), tables_of(course, number), strict=True):
            for name, frame in frames.items():
                lead = frame.select(pl.lit(number, dtype=pl.Int64).alias(REPLICATE), pl.all()) if several else frame
                into.setdefault(name, []).append(lead)
    what = f"{len(replicates)} replicates" if several else f"replicate {replicates[0]}"
    source = DataSource(
        origin="simulated",
        description=(
            f"The simulator of parts under the assumptions {scenario.name!r}, seed {course.seed}, {what}; "
            "the participants are fictional."
        ),
        protocol=of.id,
        protocol_hash=of.hash,
        details={
            "model": "parts",
            "scenario": scenario.name,
            "seed": course.seed,
            "replicates": list(replicates),
            "parts": plain(dict(scenario.protocol.assumption_set(scenario.name).parts)),
            "assumed": list(scenario.assumed),
        },
    )
    joined = {name: pl.concat(frames, how="diagonal_relaxed") for name, frames in tables.items()}
    return Records(joined, source, {name: pl.concat(frames) for name, frames in truth.items()})


def _allocation_details(scenario: Scenario) -> dict[str, Any]:
    """How participants were allocated, where it was not by blocks to planned numbers."""
    plan = scenario.design.allocation
    if plan is None:
        return {}
    parameters = plan.scheme.parameters()
    said = {"scheme": plan.scheme.name, "parameters": parameters, "factors": list(plan.factors)}
    return {"allocation": {**said, "factors_not_simulated": list(plan.left_out)}}
