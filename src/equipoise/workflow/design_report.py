"""The design report: the whole of what can be known of a trial before it starts, in one run."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from equipoise.design.assurance import replication_table
from equipoise.design.grid import make_cells
from equipoise.design.operating import Cell, OperatingCharacteristics, check_request, run_cells
from equipoise.design.scenarios import ScenarioSpec, resolve_scenario
from equipoise.exchange.output_folder import OutputFolder
from equipoise.foundation.errors import DesignError, EquipoiseError, Problem, raise_if_any
from equipoise.foundation.version import program_version
from equipoise.protocol import Protocol
from equipoise.randomization.predictability import predictability
from equipoise.reporting.design_material import DesignMaterial, LookedAt, Stopped
from equipoise.reporting.design_report import build_design_report
from equipoise.workflow.library import read_protocol
from equipoise.workflow.looks import looks, stopping
from equipoise.workflow.verbs import DEFAULT_SEED

CODES = {"D150": "The plan of a design report has no primary analyses."}
# Worlds beside the trial as planned; names of changes, or of a set of the protocol.
WORLDS = (
    "null",
    "attenuated",
    "effect-fades",
    "covariate-imbalance",
    "dropout-uninformative",
    "dropout-informative",
    "dropout-equal",
    "under-reporting",
    "unblinding",
    "fewer-sites",
)
EFFECTS = (0.0, 0.5, 0.75, 1.0)
SIZES = (0.5, 1.0, 1.5, 2.0)  # of the trial's own
BOUNDARIES = ("lan-demets-obrien-fleming", "lan-demets-pocock")
DROPOUTS = (0.1, 0.2, 0.3, 0.4, 0.5)

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class DesignRun:
    """The material of a design report, and what was written."""

    material: DesignMaterial
    left_out: tuple[tuple[str, str], ...]  # section, why it is not there
    folder: Path | None = None
    files: tuple[Path, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Plain values for ``design.json``."""
        m = self.material
        return {
            "ok": True,
            "simulated": True,
            "protocol": m.protocol.id,
            "protocol_hash": m.protocol.hash,
            "version": m.version,
            "worlds": [world.as_dict() for world in m.worlds],
            "grid": [cell.as_dict() for cell in m.grid],
            "dropout": [cell.as_dict() for cell in m.dropout],
            "left_out": [{"section": section, "why": why} for section, why in self.left_out],
        }


def design_report(
    protocol: Protocol | str | Path,
    *,
    scenario: str | None = None,
    replicates: int = 1000,
    seed: int = DEFAULT_SEED,
    per_week: float = 1.0,
    out: str | Path | None = None,
    force: bool = False,
    pdf: bool = True,
    progress: Progress | None = None,
) -> DesignRun:
    """What the trial can show and cannot, how fragile that is, replications, looks, stopping, randomization.

    The whole plan is simulated in the scenario and in ten changes of it; sizes by effects, and dropout, with the
    primary analyses alone, whose numbers are the same. A part that this protocol has nothing for is left out and named.
    """
    chosen = protocol if isinstance(protocol, Protocol) else read_protocol(protocol)
    raise_if_any(DesignError, check_request(replicates, seed, None))
    spec = resolve_scenario(chosen, scenario)[0]
    if not any(line.level == "primary" for line in chosen.model.analyses.values()):
        raise DesignError(Problem("D150", "analyses", "No analysis of the plan is primary.", "level: primary"))
    if out is None:
        return _made(chosen, spec, replicates, seed, per_week, None, progress)
    target = OutputFolder(out, kind="design report", force=force)
    target.require_free()
    with tempfile.TemporaryDirectory(prefix="equipoise-") as scratch:
        run = _made(chosen, spec, replicates, seed, per_week, Path(scratch), progress)
        document = build_design_report(run.material)
        with target as folder:
            names = ["design.json", "report.html"]
            text = json.dumps(run.as_dict(), indent=1, allow_nan=False) + "\n"
            (folder / "design.json").write_text(text, "utf-8", newline="\n")
            (folder / "report.html").write_text(document.to_html(), "utf-8", newline="\n")
            if pdf:
                (folder / "report.pdf").write_bytes(document.to_pdf())
                names.append("report.pdf")
            (folder / "figures").mkdir()
            for number, figure in enumerate(document.figures, 1):
                names.append(f"figures/figure-{number:02d}.svg")
                (folder / names[-1]).write_text(figure.drawing.svg("SIMULATED"), "utf-8", newline="\n")
    written = tuple(Path(out) / name for name in names)
    return DesignRun(run.material, run.left_out, Path(out), written)


def _made(
    protocol: Protocol,
    spec: ScenarioSpec,
    replicates: int,
    seed: int,
    per_week: float,
    scratch: Path | None,
    progress: Progress | None,
) -> DesignRun:
    version = program_version()

    def run(what: Protocol, cells: Sequence[Cell], keep: bool = False) -> tuple[OperatingCharacteristics, ...]:
        # The figures of the scenario's estimates are drawn from the single replicates' numbers.
        folder = scratch if keep else None
        return tuple(
            run_cells(what, cells, replicates=replicates, seed=seed, out=folder, version=version, progress=progress)
        )

    named = [_world(protocol, spec, name) for name in WORLDS]
    worlds = run(protocol, [Cell(each, {}) for each in [spec, *(world for world in named if world is not None)]], True)
    primaries = _only_primaries(protocol)
    total = sum(spec.settings["n"].values())
    axes = {"n": tuple(float(max(len(protocol.arm_ids), round(total * size))) for size in SIZES), "effect": EFFECTS}
    grid = run(primaries, make_cells(primaries, [spec], axes))
    dropout = run(primaries, make_cells(primaries, [spec], {"dropout": DROPOUTS}))
    left_out: list[tuple[str, str]] = []

    def attempt(section: str, make: Callable[[], Any], nothing: Any) -> Any:
        try:
            return make()
        except EquipoiseError as error:
            left_out.append((section, f"{error.problems[0].code} {error.problems[0].found}"))
            return nothing

    stated = () if protocol.model.looks is None else (None,)
    looked = [
        attempt(
            "the looks of the protocol", partial(_looked, protocol, None, None, spec, per_week, replicates, seed), None
        )
        for _ in stated
    ] or [
        attempt(
            f"looks at {endpoint}", partial(_looked, protocol, endpoint, kind, spec, per_week, replicates, seed), None
        )
        for endpoint in _primary_endpoints(protocol)
        for kind in BOUNDARIES
    ]
    material = DesignMaterial(
        protocol=protocol,
        worlds=worlds,
        grid=grid,
        dropout=dropout,
        replications=attempt("replications", partial(replication_table, protocol), None),
        looks=tuple(seen for seen in looked if seen is not None),
        stopped=attempt("stopping rules", partial(_stopped, protocol), None),
        randomizations=attempt("randomization", partial(predictability, protocol), ()),
        version=version,
    )
    return DesignRun(material, tuple(dict.fromkeys(left_out)))


def _world(protocol: Protocol, spec: ScenarioSpec, name: str) -> ScenarioSpec | None:
    """A change of the scenario; a set of the protocol wins over a change of its name.

    ``None`` where assumptions of this level do not know the change, and for one arm alone under no effect.
    """
    if name == "null" and len(protocol.arm_ids) < 2:
        return None
    if name in protocol.model.assumptions:
        return resolve_scenario(protocol, name)[0]
    try:
        return resolve_scenario(protocol, f"{spec.name}+{name}")[0]
    except DesignError as error:
        if all(problem.code == "D016" for problem in error.problems):
            return None
        raise


def _only_primaries(protocol: Protocol) -> Protocol:
    lines = {
        id: line.model_copy(update={"vary": None})
        for id, line in protocol.model.analyses.items()
        if line.level == "primary"
    }
    model = protocol.model.model_copy(update={"analyses": lines})
    return Protocol(model, lines=protocol.lines, definitions=protocol.definitions)


def _primary_endpoints(protocol: Protocol) -> list[str]:
    model = protocol.model
    found = [model.estimands[line.estimand].endpoint for line in model.analyses.values() if line.level == "primary"]
    return list(dict.fromkeys(found))


def _looked(
    protocol: Protocol,
    endpoint: str | None,
    boundary: str | None,
    spec: ScenarioSpec,
    per_week: float,
    replicates: int,
    seed: int,
) -> LookedAt:
    """One look half way at an endpoint; without an endpoint and a boundary the looks that the protocol states."""
    asked: dict[str, Any] = {} if boundary is None else {"boundary": boundary}
    run = looks(
        protocol, endpoint=endpoint, scenario=spec.name, per_week=per_week, replicates=replicates, seed=seed, **asked
    )
    return LookedAt(run.endpoint, run.boundary, run.scenario, run.effect, run.null, run.size)


def _stopped(protocol: Protocol) -> Stopped:
    run = stopping(protocol)
    return Stopped(run.n_planned, run.n_stopped, run.said, run.risks, run.rows, run.worst)
