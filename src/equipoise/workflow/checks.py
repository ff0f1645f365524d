"""Check a protocol against everything the program knows: shape, references, instruments, models, assurance."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from equipoise.foundation.errors import EquipoiseError, Problem, listed, nearest
from equipoise.instruments.library import find_instrument, instrument_table
from equipoise.protocol import Protocol
from equipoise.protocol.checks.collector import Checker
from equipoise.protocol.checks.formulas import formula_problems
from equipoise.protocol.checks.patterns import n_cells
from equipoise.protocol.text.yaml_lines import place
from equipoise.workflow.cases import check_assurance
from equipoise.workflow.library import protocol_path, read_protocol

CODES = {
    "P050": "An instrument that the library does not have.",
    "P051": "A scale that the instrument does not have.",
}


@dataclass(frozen=True)
class CheckReport:
    """What `check` found; ``protocol`` is absent where the file could not be read."""

    file: str
    protocol: Protocol | None
    problems: tuple[Problem, ...]
    n_assurance: int = 0

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems

    def as_dict(self) -> dict[str, Any]:
        """Plain values for ``--json``."""
        return {
            "ok": self.ok,
            "file": self.file,
            "protocol": self.protocol.id if self.protocol else None,
            "protocol_hash": self.protocol.hash if self.protocol else None,
            "assurance_cases": self.n_assurance,
            "problems": [problem.as_dict() for problem in self.problems],
        }


def check_protocol(name_or_path: str | Path) -> CheckReport:
    """Every problem of a protocol: text, shape, references, instruments, models, assurance cases."""
    try:
        path = protocol_path(name_or_path)
        protocol = read_protocol(path)
    except EquipoiseError as error:
        return CheckReport(str(name_or_path), None, error.problems)
    problems = [*check_instruments(protocol), *check_definitions(protocol)]
    if not problems:
        problems += check_scenarios(protocol)
        problems += check_assurance(protocol)
    return CheckReport(str(path), protocol, tuple(problems), len(protocol.model.assurance))


def check_instruments(protocol: Protocol) -> list[Problem]:
    """Instruments and scales that the library does not have."""
    problems: list[Problem] = []
    lines = protocol.lines

    def add(code: str, path: tuple[str | int, ...], found: str, expected: str, step: str) -> None:
        file, line = (lines.file, lines.of(path)) if lines is not None else (None, None)
        problems.append(Problem(code, place(path), found, expected, step, file, line))

    known = sorted({row["instrument"] for row in instrument_table()})
    for id, assessment in protocol.model.assessments.items():
        if assessment.instrument is None:
            continue
        if find_instrument(assessment.instrument, assessment.version) is None:
            guess = nearest(assessment.instrument, known)
            version = f" in version {assessment.version}" if assessment.version else ""
            add(
                "P050",
                ("assessments", id, "instrument"),
                f"The library has no instrument {assessment.instrument!r}{version}.",
                listed(known, limit=30),
                f"Did you mean {guess}?" if guess else "",
            )
    for id, endpoint in protocol.model.endpoints.items():
        if endpoint.kind != "score" or endpoint.assessment not in protocol.model.assessments:
            continue
        assessment = protocol.model.assessments[endpoint.assessment]
        instrument = find_instrument(assessment.instrument or "", assessment.version)
        if instrument is not None and endpoint.scale not in instrument.scales:
            add(
                "P051",
                ("endpoints", id, "scale"),
                f"{instrument.id} has no scale {endpoint.scale!r}.",
                listed(instrument.scales),
                "",
            )
    return problems


def check_definitions(protocol: Protocol) -> list[Problem]:
    """Definitions of endpoints that the library does not have, or that do not fit the protocol's patterns."""
    asked = {id: e for id, e in protocol.model.endpoints.items() if e.kind == "pattern" and e.definition is not None}
    if not asked:
        return []
    from equipoise.endpoints.patterns.library import definitions, find_definition

    c = Checker(protocol)
    for id, endpoint in asked.items():
        path: tuple[str | int, ...] = ("endpoints", id, "definition")
        found = find_definition(str(endpoint.definition))
        if found is None:
            guess = nearest(str(endpoint.definition), definitions())
            c.add(
                "P063",
                path,
                f"The library has no definition {endpoint.definition!r}.",
                "a name of `equipoise endpoints list`",
                f"Did you mean {guess}?" if guess else "Choose one, or write a formula.",
            )
            continue
        if found.type != endpoint.gives:
            c.add(
                "P062",
                ("endpoints", id, "gives"),
                f"{found.name} comes to {found.type}.",
                f"gives: {found.type}",
                "Correct gives.",
            )
        if (found.on[0] == "days") != (endpoint.cells == "days"):
            c.add(
                "P064",
                ("endpoints", id, "cells"),
                f"{found.name} is over {found.on[0]}, and the pattern is of {endpoint.cells}.",
                f"cells: {found.on[0]}",
                f"Correct cells, or choose a definition over {endpoint.cells}.",
            )
            continue
        sizes = {name: n_cells(protocol, source) for name, source in endpoint.patterns.items()}
        known = {name: size for name, size in sizes.items() if size is not None}
        for problem in formula_problems(found.formula, known if len(known) == len(sizes) else None):
            c.add(problem.code, path, f"{found.name}: {problem.found}", problem.expected, problem.next_step)
    return c.problems


def check_scenarios(protocol: Protocol) -> list[Problem]:
    """Problems of each set of assumptions that names a generative model."""
    from equipoise.simulation.scenario import read_scenario

    problems: list[Problem] = []
    for name in protocol.model.assumptions:
        if protocol.assumption_set(name).model is None:
            continue
        try:
            read_scenario(protocol, name)
        except EquipoiseError as error:
            problems.extend(problem for problem in error.problems if problem not in problems)
    return problems
