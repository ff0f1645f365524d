"""Power: the whole plan simulated and analysed over and over, under one scenario or many."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from equipoise.analysis.interim import looks_of
from equipoise.design.executors import open_executor
from equipoise.design.grid import make_cells, read_grid
from equipoise.design.looks import EnrolmentCalendar
from equipoise.design.operating import Cell, OperatingCharacteristics, check_request, run_cells
from equipoise.design.plan_looks import PlanLooksOutcome, simulate_plan_looks
from equipoise.design.scenarios import ScenarioSpec, build_scenario, resolve_scenario
from equipoise.design.summary import missed_unit
from equipoise.foundation.errors import DesignError, OutputError, Problem, raise_if_any
from equipoise.foundation.version import program_version, program_versions
from equipoise.protocol import Protocol
from equipoise.records import Records
from equipoise.reporting.power_report import build_power_report
from equipoise.workflow.library import read_protocol
from equipoise.workflow.looks import plain_outcome
from equipoise.workflow.verbs import DEFAULT_SEED

CODES = {"D014": "A replay needs one scenario, a valid replicate and a folder."}
# Trials that are also taken through the looks of the plan: each look is an analysis of its own.
MOST_LOOKED_AT = 2000
REPLICATES = "replicates"  # folder of the single replicates' numbers
ROW_KEYS = (
    "scenario",
    "grid",
    "n_randomized",
    "id",
    "endpoint",
    "estimator",
    "scale",
    "arm",
    "reference",
    "level",
    "alpha_two_sided",
    "is_type_i_error",
    "n_replicates",
    "power",
    "power_mc_lower",
    "power_mc_upper",
    "power_if_failed_not_significant",
    "power_if_failed_significant",
    "n_without_p",
    "n_doubtful",
    "n_without_estimate",
    "mean",
    "median",
    "spread_lower",
    "spread_upper",
    "truth",
    "bias",
    "empirical_standard_error",
    "model_standard_error",
    "coverage",
    "coverage_mc_lower",
    "coverage_mc_upper",
    "published",
    "coverage_published",
    "n_analysed",
    "n_events",
    "n_missed",
    "missed_unit",
    "never_fitted",
    "warnings",
)


@dataclass(frozen=True)
class PowerRun:
    """Operating characteristics of a protocol in every cell asked for, and what was written."""

    protocol: Protocol
    cells: tuple[OperatingCharacteristics, ...]
    folder: Path | None
    files: tuple[Path, ...] = ()
    looks: tuple[PlanLooksOutcome, ...] = ()  # of a protocol that states looks: what they do, cell by cell

    def as_dict(self) -> dict[str, Any]:
        """Plain values for ``power.json``."""
        return {
            "ok": True,
            "simulated": True,
            "protocol": self.protocol.id,
            "protocol_hash": self.protocol.hash,
            "version": program_version(),
            "versions": program_versions(),
            "cells": [cell.as_dict() for cell in self.cells],
            **({"looks": [plain_outcome(outcome) for outcome in self.looks]} if self.looks else {}),
        }

    def rows(self) -> list[dict[str, Any]]:
        """One row a cell and planned row, the columns of ``power.csv``."""
        return [row_of(self.protocol, cell, number) for cell in self.cells for number in range(len(cell.rows))]

    def to_polars(self) -> Any:
        """The rows as a Polars frame."""
        import polars as pl

        return pl.DataFrame(self.rows(), infer_schema_length=None)

    def __repr__(self) -> str:
        return f"<PowerRun of {self.protocol.id}: {len(self.cells)} cells>"


def row_of(protocol: Protocol, cell: OperatingCharacteristics, number: int) -> dict[str, Any]:
    """One planned row of a cell as plain values."""
    s = cell.rows[number]
    hit, coverage, published = s.significant, s.coverage, s.coverage_published
    values = (
        cell.cell.spec.name,
        " ".join(f"{name}={value:g}" for name, value in cell.cell.grid.items()),
        sum(cell.arm_sizes.values()),
        s.row.id,
        s.row.endpoint,
        s.row.estimator,
        s.row.scale,
        s.row.arm,
        s.row.reference,
        s.row.level,
        s.row.alpha_two_sided,
        s.is_type_i_error,
        s.n_replicates,
        hit.value if hit else None,
        hit.lower if hit else None,
        hit.upper if hit else None,
        s.power_lower,
        s.power_upper,
        s.n_without_p,
        s.n_doubtful,
        s.n_without_estimate,
        s.mean,
        s.median,
        s.spread[0] if s.spread else None,
        s.spread[1] if s.spread else None,
        s.truth,
        s.bias,
        s.empirical_standard_error,
        s.model_standard_error,
        coverage.value if coverage else None,
        coverage.lower if coverage else None,
        coverage.upper if coverage else None,
        s.published,
        published.value if published else None,
        s.n_analysed,
        s.n_events,
        s.n_missed,
        missed_unit(protocol, s.row),
        s.never_fitted,
        ";".join(f"{slug}={share:.4g}" for slug, share in s.codes.items()),
    )
    return dict(zip(ROW_KEYS, values, strict=True))


def _specs(protocol: Protocol, scenarios: Sequence[str]) -> list[ScenarioSpec]:
    if not scenarios:
        return resolve_scenario(protocol)
    found: list[ScenarioSpec] = []
    problems: list[Problem] = []
    for text in scenarios:
        try:
            found += resolve_scenario(protocol, text)
        except DesignError as error:
            problems += error.problems
    raise_if_any(DesignError, problems)
    return found


def power(
    protocol: Protocol | str | Path,
    *,
    replicates: int = 2000,
    scenarios: Sequence[str] = (),
    grid: Sequence[str] = (),
    seed: int = DEFAULT_SEED,
    executor: str = "threads",
    precision: float | None = None,
    out: str | Path | None = None,
    with_variations: bool = False,
    with_imputation: bool = False,
    progress: Callable[[str, int, int], None] | None = None,
) -> PowerRun:
    """What the trial will show: power or type I error of every line of the plan and of the decision as a whole.

    ``scenarios`` are names (``for-power``, ``null``, ``for-power+attenuated``) or YAML files; ``grid`` texts such as
    ``n=40,55,110`` and ``effect=0.5,1``. With ``out`` the numbers of every replicate, tables, figures and a report are
    written there, and an interrupted run of the same kind is taken up again. Everything that is wrong is raised before
    anything is simulated. Lines by multiple imputation that are not primary are run ``with_imputation`` only, and named
    in the result where they were not: they cost some hundred times the rest of a plan.
    """
    chosen = protocol if isinstance(protocol, Protocol) else read_protocol(protocol)
    problems = check_request(replicates, seed, precision)
    specs: list[ScenarioSpec] = []
    axes: dict[str, tuple[float, ...]] = {}
    try:
        specs = _specs(chosen, scenarios)
    except DesignError as error:
        problems += error.problems
    try:
        axes = read_grid(grid)
    except DesignError as error:
        problems += error.problems
    raise_if_any(DesignError, problems)
    folder = Path(out) if out is not None else None
    if folder is not None:
        _require_free(folder)
    with open_executor(executor) as force:
        cells = make_cells(chosen, specs, axes)
        made = run_cells(
            chosen,
            cells,
            replicates=replicates,
            seed=seed,
            executor=force.executor,
            workers=force.workers,
            task_size=force.task_size,
            precision=precision,
            out=folder / REPLICATES if folder is not None else None,
            version=program_version(),
            with_variations=with_variations,
            with_imputation=with_imputation,
            progress=progress,
        )
    result = PowerRun(chosen, tuple(made), folder, looks=_with_looks(chosen, made, seed))
    if folder is None:
        return result
    return replace(result, files=write_power(result, folder))


def _with_looks(
    protocol: Protocol, made: Sequence[OperatingCharacteristics], seed: int
) -> tuple[PlanLooksOutcome, ...]:
    """The looks of the protocol in every cell, one participant entering a week; nothing where it states none."""
    if protocol.model.looks is None:
        return ()
    plan = looks_of(protocol)
    calendar = EnrolmentCalendar(1.0)
    return tuple(
        simulate_plan_looks(
            plan, cell.cell.spec, calendar, replicates=min(cell.n_replicates, MOST_LOOKED_AT), seed=seed
        )
        for cell in made
    )


def _require_free(folder: Path) -> None:
    """Refuse a folder that holds something other than a run of this command."""
    if folder.is_file():
        raise OutputError(
            Problem("O003", str(folder), "There is a file of that name.", "a folder", "Give another --out.")
        )
    if folder.is_dir() and any(folder.iterdir()) and not (folder / REPLICATES).is_dir():
        raise OutputError(
            Problem(
                "O002",
                str(folder),
                "The folder holds files that `equipoise power` did not write.",
                "an empty folder, a new one, or one of a run to be taken up again",
                "Give another --out.",
            )
        )


def write_power(run: PowerRun, folder: Path) -> tuple[Path, ...]:
    """Write power.json, power.csv, decisions.csv, report.html and the figures; the paths written."""
    folder.mkdir(parents=True, exist_ok=True)
    written = [folder / "power.json", folder / "power.csv", folder / "decisions.csv"]
    written[0].write_text(json.dumps(run.as_dict(), indent=1, allow_nan=False) + "\n", "utf-8", newline="\n")
    _write_csv(written[1], ROW_KEYS, run.rows())
    rules = [
        {
            "scenario": cell.cell.spec.name,
            "grid": " ".join(f"{name}={value:g}" for name, value in cell.cell.grid.items()),
            "rule": rule.rule,
            "alpha_two_sided": rule.alpha_two_sided,
            "primaries": ";".join(rule.primaries),
            "all_rejected": rule.all_rejected.value,
            "all_mc_lower": rule.all_rejected.lower,
            "all_mc_upper": rule.all_rejected.upper,
            "any_rejected": rule.any_rejected.value,
            "any_mc_lower": rule.any_rejected.lower,
            "any_mc_upper": rule.any_rejected.upper,
            "n_without_p": rule.n_without_p,
            "all_if_failed_significant": rule.all_upper,
            "any_if_failed_significant": rule.any_upper,
            "expected_rejections": rule.expected_rejections,
            "true_nulls": ";".join(rule.true_nulls),
            "familywise_error": rule.familywise_error.value if rule.familywise_error else None,
        }
        for cell in run.cells
        for rule in cell.rules
    ]
    _write_csv(written[2], tuple(rules[0]) if rules else ("scenario",), rules)
    document = build_power_report(run.protocol, run.cells, program_version())
    written.append(folder / "report.html")
    written[-1].write_text(document.to_html(), "utf-8", newline="\n")
    figures = folder / "figures"
    if document.figures:
        figures.mkdir(exist_ok=True)
    for number, figure in enumerate(document.figures, 1):
        written.append(figures / f"figure-{number:02d}.svg")
        written[-1].write_text(figure.drawing.svg("SIMULATED"), "utf-8", newline="\n")
    return tuple(written)


def _write_csv(path: Path, keys: Sequence[str], rows: Sequence[dict[str, Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, [*keys, "simulated"], lineterminator="\n")
        writer.writeheader()
        writer.writerows({**row, "simulated": "true"} for row in rows)


def replay(
    protocol: Protocol | str | Path,
    replicate: int,
    *,
    scenarios: Sequence[str] = (),
    grid: Sequence[str] = (),
    seed: int = DEFAULT_SEED,
) -> Records:
    """Records of one replicate of a power run, to be opened, analysed and reported like any trial.

    The same scenario, grid point, seed and number give the trial whose numbers the run counted.
    """
    from equipoise.simulation.day_level import simulate_day_level
    from equipoise.simulation.parts.course import run_course
    from equipoise.simulation.parts.scenario import PartsScenario
    from equipoise.simulation.scenario import require_day_level
    from equipoise.simulation.simulate import records_of, records_of_parts

    chosen = protocol if isinstance(protocol, Protocol) else read_protocol(protocol)
    cells: list[Cell] = make_cells(chosen, _specs(chosen, scenarios), read_grid(grid))
    problems = [*check_request(1, seed, None)]
    if len(cells) != 1:
        found = f"{len(cells)} scenarios were named."
        problems.append(Problem("D014", "--replay", found, "one scenario, and one value of each axis of the grid"))
    if isinstance(replicate, bool) or not isinstance(replicate, int) or replicate < 0:
        problems.append(Problem("D014", "--replay", f"Found {replicate!r}.", "a whole number of 0 or more"))
    raise_if_any(DesignError, problems)
    made = build_scenario(chosen, cells[0].spec)
    if isinstance(made, PartsScenario):
        return records_of_parts(run_course(made, seed=seed, replicates=[replicate]), [replicate], protocol=chosen)
    scenario = require_day_level(made, "--replay")
    trials = simulate_day_level(scenario.design, scenario.parameters, seed=seed, replicates=[replicate])
    return records_of(chosen, scenario, trials, [replicate])
