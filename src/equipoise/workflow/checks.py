"""Check a protocol against everything the program knows: shape, references, instruments, models, assurance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from equipoise.foundation.errors import EquipoiseError, Problem, listed, nearest
from equipoise.instruments import Instrument, find_instrument_of, known_instruments
from equipoise.instruments.library import library_names
from equipoise.protocol import Protocol
from equipoise.protocol.checks.collector import Checker
from equipoise.protocol.checks.formulas import formula_problems
from equipoise.protocol.checks.multiplicity import never_rejected
from equipoise.protocol.checks.patterns import n_cells
from equipoise.protocol.language.outcomes import ScoreCriterion
from equipoise.protocol.text.yaml_lines import Path_
from equipoise.workflow.cases import check_assurance
from equipoise.workflow.library import protocol_path, read_protocol

CODES = {
    "P050": "Neither the protocol nor the library has this instrument.",
    "P051": "The instrument has no such scale.",
    "P052": "A name is used for two instruments.",
    "P053": "The instrument has no such item.",
    "P055": "The scores of the instrument cannot be compared with this criterion.",
    "P054": "An endpoint and its instrument disagree on which direction of a score is better.",
}


@dataclass(frozen=True)
class CheckReport:
    """What `check` found; ``protocol`` is absent where the file could not be read."""

    file: str
    protocol: Protocol | None
    problems: tuple[Problem, ...]
    n_assurance: int = 0
    remarks: tuple[Problem, ...] = ()  # of a file that is right: what its author may not have meant

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
            "remarks": [remark.as_dict() for remark in self.remarks],
        }


def check_protocol(name_or_path: str | Path) -> CheckReport:
    """Every problem of a protocol: text, structure, references, instruments, models, assurance cases.

    Nothing is raised: the problems are in the report.

    >>> found = equipoise.check_protocol("smoking-cessation")
    >>> found.ok, found.n_assurance
    (True, 2)
    >>> [problem.code for problem in equipoise.check_protocol("no-such-protocol").problems]
    ['P001']
    """
    try:
        path = protocol_path(name_or_path)
        protocol = read_protocol(path)
    except EquipoiseError as error:
        return CheckReport(str(name_or_path), None, error.problems)
    problems = [*check_instruments(protocol), *check_definitions(protocol)]
    if not problems:
        problems += check_scenarios(protocol)
        problems += check_assurance(protocol)
    remarks = tuple(never_rejected(protocol))
    return CheckReport(str(path), protocol, tuple(problems), len(protocol.model.assurance), remarks)


def check_instruments(protocol: Protocol) -> list[Problem]:
    """Instruments, scales and items that nobody has, names that stand for two instruments, directions that differ."""
    c = Checker(protocol)
    model = protocol.model
    known = known_instruments(protocol)
    for id in model.instruments:
        if id in library_names():
            c.add(
                "P052",
                ("instruments", id),
                f"The library has an instrument {id!r} too.",
                "a name that the library does not use",
                f"Choose another name, for example own-{id}; or take this entry out and use the library's.",
            )
    for id, assessment in model.assessments.items():
        if assessment.type == "finding" and id in known:
            step = "Choose another name for the assessment."
            c.add("P052", ("assessments", id), f"There is an instrument {id!r} too.", "a name of its own", step)
        if assessment.instrument is None or find_instrument_of(protocol, id) is not None:
            continue
        guess = nearest(assessment.instrument, known)
        version = f" in version {assessment.version}" if assessment.version else ""
        nobody = "Neither the protocol nor the library has an" if model.instruments else "The library has no"
        c.add(
            "P050",
            ("assessments", id, "instrument"),
            f"{nobody} instrument {assessment.instrument!r}{version}.",
            listed(known, limit=40),
            f"Did you mean {guess}?"
            if guess
            else f"Define it under instruments, for example {assessment.instrument}: {{total: 0..63, better: lower}}.",
        )
    for id, endpoint in model.endpoints.items():
        parts: list[tuple[Path_, Any]] = [(("endpoints", id), endpoint)]
        events = getattr(endpoint, "watched_events", ())
        own = len(getattr(endpoint, "first_of", ()))
        for n, event in enumerate(events):
            parts.append((("endpoints", id, *(("first-of", n) if n < own else ("competing", n - own))), event))
        for path, part in parts:
            name = getattr(part, "assessment", None)
            instrument = find_instrument_of(protocol, str(name)) if name in model.assessments else None
            if instrument is not None:
                _check_scale_and_item(c, path, part, instrument)
                if isinstance(part, ScoreCriterion):
                    _check_criterion(c, path, part, instrument)
    for id, variable in model.baseline.items():
        instrument = find_instrument_of(protocol, str(variable.from_)) if variable.from_ in model.assessments else None
        if instrument is not None and (variable.scale or instrument.main_scale) not in instrument.scales:
            what = f"no scale {variable.scale!r}" if variable.scale else "several scales and no total"
            c.add(
                "P051",
                ("baseline", id, "scale" if variable.scale else "from"),
                f"{instrument.id} has {what}.",
                listed(instrument.scales),
                "Name one of these as scale.",
            )
    return c.problems


def _check_criterion(c: Checker, path: Path_, part: ScoreCriterion, instrument: Instrument) -> None:
    """A named threshold is one of the instrument's, on this scale and of a variable that is here; numbers can be."""
    if part.threshold is not None:
        named = instrument.threshold(part.threshold)
        on_scale = [entry.id for entry in instrument.thresholds if entry.scale == part.scale]
        if named is None or named.scale != part.scale:
            found = f"{instrument.id} has no threshold {part.threshold!r} of its scale {part.scale}."
            step = "Write the number: at-least or at-most." if not on_scale else ""
            c.add("P055", (*path, "threshold"), found, listed(on_scale), step)
        elif named.of is not None and c.ref((*path, "threshold"), named.of, c.model.baseline, "baseline"):
            levels = c.model.baseline[named.of].levels
            if set(levels) != set(named.levels):
                found = f"The threshold goes by {named.of} with the levels {listed(named.levels, conjunction='and')}."
                here = listed(levels, conjunction="and") if levels else "none"
                step = "Write the numbers here: at-least with of."
                c.add("P055", (*path, "threshold"), found, f"the levels of baseline.{named.of}, which are {here}", step)
    if part.scale not in instrument.scales:
        return
    lowest, highest = instrument.bounds(part.scale)
    for key, bound in (("at-least", part.at_least), ("at-most", part.at_most)):
        numbers = bound.values() if isinstance(bound, Mapping) else [] if bound is None else [bound]
        if any(not lowest <= number <= highest for number in numbers):
            found = f"{instrument.id} never scores {listed(f'{number:g}' for number in numbers)}."
            c.add("P055", (*path, key), found, f"a score from {lowest:g} to {highest:g}", "Correct the number.")
    if part.improved_by is not None and instrument.better is None:
        found = f"Of {instrument.id} neither direction is better: nothing can be called an improvement."
        step = "Say which direction is better under instruments."
        c.add("P055", (*path, "improved-by"), found, "an instrument with a direction", step)
    if part.improved_by is not None and part.improved_by.is_percent:
        _check_percent(c, (*path, "improved-by"), part.scale, instrument)
    if part.improved_by is not None and not part.improved_by.is_percent and part.improved_by.amount > highest - lowest:
        found = f"No score of {instrument.id} improves by {part.improved_by}."
        c.add("P055", (*path, "improved-by"), found, f"up to {highest - lowest:g} points", "Correct the number.")


def _check_percent(c: Checker, path: Path_, scale: str, instrument: Instrument) -> None:
    """Per cent of a score mean something only where the scale begins at 0: otherwise they depend on where it begins."""
    lowest, _ = instrument.bounds(scale)
    if lowest != 0:
        found = f"Scores of {instrument.id} begin at {lowest:g}: per cent of them depend on where the scale begins."
        step = f"Write points, or record the score less {lowest:g} as an instrument of the protocol."
        c.add("P055", path, found, "a scale that begins at 0", step)


def _check_scale_and_item(c: Checker, path: Path_, endpoint: Any, instrument: Instrument) -> None:
    """Hold the scale or item of an endpoint, and its direction, against the instrument's key."""
    scale, item = getattr(endpoint, "scale", None), getattr(endpoint, "item", None)
    if scale is not None and scale not in instrument.scales:
        guess = nearest(scale, instrument.scales)
        c.add(
            "P051",
            (*path, "scale"),
            f"{instrument.id} has no scale {scale!r}.",
            listed(instrument.scales),
            f"Did you mean {guess}?" if guess else "",
        )
    if getattr(endpoint, "value", None) == "percent-change" and scale in instrument.scales:
        _check_percent(c, (*path, "value"), scale, instrument)
    if item is not None and instrument.item(item) is None:
        guess = nearest(item, instrument.item_ids)
        c.add(
            "P053",
            (*path, "item"),
            f"{instrument.id} has no item {item!r}.",
            listed(instrument.item_ids, limit=40),
            f"Did you mean {guess}?" if guess else "",
        )
    if getattr(endpoint, "kind", "") == "score" and instrument.better not in (None, endpoint.better):
        c.add(
            "P054",
            (*path, "better"),
            f"Of {instrument.id} {instrument.better} scores are better, and the endpoint takes {endpoint.better} ones.",
            f"better: {instrument.better}",
            f"Write better: {instrument.better}.",
        )


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
        entry = protocol.assumption_set(name)
        if entry.model is None and not entry.simple and not entry.parts:
            continue
        try:
            read_scenario(protocol, name)
        except EquipoiseError as error:
            problems.extend(problem for problem in error.problems if problem not in problems)
    return problems
