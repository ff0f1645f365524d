"""Calibration: assumptions under which simulated results equal the published ones, written as a protocol file."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from equipoise.design.calibration import Calibrated, Search, calibrate
from equipoise.design.free_parameters import free_parameters, movable, read_free
from equipoise.design.operating import check_request
from equipoise.design.scenarios import build_scenario, level_of, resolve_scenario
from equipoise.design.targets import KINDS, targets_of
from equipoise.foundation.errors import DesignError, OutputError, Problem, listed, nearest, raise_if_any
from equipoise.foundation.version import program_version
from equipoise.protocol import Protocol
from equipoise.protocol.language.calibration import Calibration
from equipoise.protocol.read import read_protocol_text
from equipoise.protocol.text.rewrite import set_values
from equipoise.simulation.reading import plain
from equipoise.simulation.simple import SimpleScenario
from equipoise.workflow.library import read_protocol

CODES = {
    "D145": "The calibration cannot be written into the protocol's file.",
    "D146": "Calibration cannot use this number of replicates or starts.",
    "O005": "The file exists and would be overwritten.",
}
FEWEST = 100


@dataclass(frozen=True)
class CalibrationRun:
    """A calibration, and the protocol's text with what it found."""

    protocol: Protocol
    set_name: str
    found: Calibrated
    text: str | None  # None where the protocol has no file
    file: Path | None = None

    @property
    def values(self) -> dict[str, float]:
        """The free parameters as found, by id."""
        best = self.found.best.position
        return {item.id: item.natural(float(at)) for item, at in zip(self.found.search.free, best, strict=True)}

    def as_dict(self) -> dict[str, Any]:
        """Plain values for ``--json``."""
        found, search = self.found, self.found.search
        return {
            "ok": True,
            "simulated": True,
            "protocol": self.protocol.id,
            "protocol_hash": self.protocol.hash,
            "version": program_version(),
            "set": self.set_name,
            "seed": search.seed,
            "replicates": search.replicates,
            "starts": search.starts,
            "sets_tried": found.n_evaluations,
            "distance": found.best.distance,
            "distance_judged": found.judged.distance,
            "rise_by_chance": found.limit,
            "targets": self.targets(),
            "parameters": self.parameters(),
            "conflicts": [
                {
                    "target": c.target,
                    "miss": c.miss,
                    "miss_if_forced": c.forced,
                    "moved": [{"target": id, "miss": now, "miss_then": then} for id, now, then in c.moved],
                }
                for c in found.conflicts
            ],
            "least_known_direction": [{"parameter": id, "part": part} for id, part in found.weakest],
            "searches": [
                {"distance": distance, "values": self._natural(position)} for distance, position in found.ends
            ],
            "file": str(self.file) if self.file is not None else None,
        }

    def _natural(self, position: Any) -> dict[str, float]:
        return {item.id: item.natural(float(at)) for item, at in zip(self.found.search.free, position, strict=True)}

    def targets(self) -> list[dict[str, Any]]:
        """One row a target: published, obtained on other random numbers, and by how many published errors it misses."""
        found, search = self.found, self.found.search
        rows = []
        for k, target in enumerate(search.targets):
            value = float(found.judged.moments.values[k])
            rows.append(
                {
                    "target": target.id,
                    "kind": KINDS[target.kind],
                    "aimed_at": target.id not in search.not_aimed_at,
                    "printed": target.printed,
                    "published": target.natural(target.value),
                    "obtained": target.natural(value) if math.isfinite(value) else None,
                    "miss": float(found.judged.misses[k]),
                    "monte_carlo_error": float(found.judged.moments.errors[k]) / target.error,
                    "miss_before": float(found.start.misses[k]) if found.start is not None else None,
                    "without_answer": float(found.judged.moments.without[k]),
                    "met": found.is_met(k),
                }
            )
        return rows

    def parameters(self) -> list[dict[str, Any]]:
        """One row a free parameter: its value, its range, and how far it could be moved."""
        rows = []
        for item, at, width in zip(self.found.search.free, self.found.best.position, self.found.widths, strict=True):
            rows.append(
                {
                    "parameter": item.id,
                    "value": item.natural(float(at)),
                    "range": [item.low, item.high],
                    "does_as_well": list(width.as_well),
                    "compatible": list(width.compatible),
                    "learned": width.learned,
                    "at_edge": width.at_edge,
                }
            )
        return rows


def calibrate_protocol(
    protocol: Protocol | str | Path,
    *,
    set_name: str | None = None,
    free: Sequence[str] = (),
    not_aimed_at: Sequence[str] | None = None,
    seed: int | None = None,
    replicates: int | None = None,
    starts: int | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> CalibrationRun:
    """Find the assumptions of a set (the first by default) under which simulated results equal the published ones.

    What is not stated comes from the set's own ``calibration``, and otherwise from its defaults; without ``free``
    there, everything among the set's parameters that is a number may move. Everything wrong with the request is
    raised before anything is simulated.
    """
    chosen = protocol if isinstance(protocol, Protocol) else read_protocol(protocol)
    name = _set(chosen, set_name)
    spec = resolve_scenario(chosen, name)[0]
    asked = chosen.model.assumptions[name].calibration or Calibration.model_validate({})
    stated: Mapping[str, tuple[float, float] | None] = read_free(free) if free else dict(asked.free)
    numbers = {
        "seed": asked.seed if seed is None else seed,
        "replicates": asked.replicates if replicates is None else replicates,
        "starts": asked.starts if starts is None else starts,
    }
    problems = check_request(max(numbers["replicates"], 1), numbers["seed"], None)
    for option, least, most in (("replicates", FEWEST, 1_000_000), ("starts", 1, 4096)):
        if not least <= numbers[option] <= most:
            found = f"Found {numbers[option]}."
            problems.append(Problem("D146", f"--{option}", found, f"a whole number from {least} to {most:,}"))
    raise_if_any(DesignError, problems)
    aside = tuple(not_aimed_at) if not_aimed_at is not None else asked.not_aimed_at
    targets, left = targets_of(chosen, aside)
    if isinstance(build_scenario(chosen, spec), SimpleScenario):  # which also raises what the assumptions lack
        found = "A simple set states what comes out; there is nothing to find."
        raise DesignError(Problem("D016", f"assumptions.{name}", found, "a set of parts, or of the day-level model"))
    search = Search(chosen, spec, targets, left, free_parameters(chosen, spec, stated), **numbers)
    if chosen.text and level_of(spec.settings) == "parts":
        _require_own_parts(chosen, name, search)
    found_set = calibrate(search, progress)
    text = None
    if chosen.text:
        text = _text_with(chosen, name, found_set, aside)
    return CalibrationRun(chosen, name, found_set, text)


def _set(protocol: Protocol, name: str | None) -> str:
    names = list(protocol.model.assumptions)
    if name is None and names:
        return names[0]
    if name in names:
        assert name is not None
        return name
    guess = nearest(name or "", names)
    found = f"There is no set of assumptions {name!r}." if name else "The protocol has no assumptions."
    raise DesignError(Problem("D001", "--set", found, listed(names), f"Did you mean {guess}?" if guess else ""))


def words_of(name: str, found: Calibrated) -> str:
    """The provenance of a calibrated set in one sentence, for its ``basis``."""
    search = found.search
    aimed = [k for k, target in enumerate(search.targets) if target.id not in search.not_aimed_at]
    met = sum(found.is_met(k) for k in aimed)
    furthest = max(aimed, key=lambda k: abs(float(found.judged.misses[k])))
    miss = abs(float(found.judged.misses[furthest]))
    return (
        f"found by equipoise calibrate --set {name} ({program_version()}), {search.replicates} trials a set, seed "
        f"{search.seed}; {met} of {len(aimed)} published numbers aimed at are met, the furthest, "
        f"{search.targets[furthest].id}, is missed by {miss:.2f} of its standard error; a possible world, not an "
        "estimate of the real one"
    )


def _require_own_parts(protocol: Protocol, name: str, search: Search) -> None:
    """D145 where a number to be found stands in the set that this one takes its parts from: it is not written here."""
    elsewhere = []
    for item in search.free:
        own: Any = plain(protocol.model.assumptions[name].parts)
        for key in item.name.split("."):
            own = own.get(key) if isinstance(own, Mapping) else None
        if own is None:
            elsewhere.append(item.name)
    if elsewhere:
        said = f"{name} takes {listed(elsewhere)} from the set that it extends."
        step = "Calibrate that set, or write these numbers into this one."
        raise DesignError(
            Problem("D145", f"assumptions.{name}.parts", said, "numbers that the set states itself", step)
        )


def _changes_of_parts(name: str, found: Calibrated) -> list[tuple[tuple[str, ...], Any]]:
    """Values found, by their place in the set's own ``parts``."""
    return [
        (("assumptions", name, "parts", *item.name.split(".")), item.natural(float(at)))
        for item, at in zip(found.search.free, found.best.position, strict=True)
    ]


def _text_with(protocol: Protocol, name: str, found: Calibrated, not_aimed_at: Sequence[str]) -> str:
    """The protocol's text with the values found, and where they come from; read again to be sure."""
    search = found.search
    inherited = protocol.assumption_set(name).parameters
    own = protocol.model.assumptions[name].parameters
    top = ("assumptions", name)
    changes: list[tuple[tuple[str, ...], Any]] = []
    whole: dict[str, dict[str, Any]] = {}
    of_parts = level_of(search.spec.settings) == "parts"
    if of_parts:
        changes += _changes_of_parts(name, found)
    for item, at in zip(search.free, found.best.position, strict=True) if not of_parts else ():
        path, value = (*top, "parameters", item.name), item.natural(float(at))
        if item.arm is None:
            changes.append((path, value))
        elif isinstance(own.get(item.name), Mapping):
            changes.append(((*path, item.arm), value))
        else:  # the set takes this parameter from the one that it extends: all arms of it are written here
            whole.setdefault(item.name, dict(inherited[item.name]))[item.arm] = value
    changes += [((*top, "parameters", key), value) for key, value in whole.items()]
    changes += [((*top, "status"), "assumed"), ((*top, "basis"), words_of(name, found))]
    stated = {
        "free": {item.id: [item.low, item.high] for item in search.free},
        "not-aimed-at": list(not_aimed_at),
        "seed": search.seed,
        "replicates": search.replicates,
        "starts": search.starts,
    }
    asked = protocol.model.assumptions[name].calibration
    if asked is None or Calibration.model_validate(stated) != asked:
        changes.append(((*top, "calibration"), stated))
    try:
        text = set_values(protocol.text, changes, before="parts" if of_parts else "parameters")
    except KeyError as error:
        raise DesignError(
            Problem("D145", str(error.args[0]), "The file has no mapping here.", "the set's parameters, written out")
        ) from None
    written = read_protocol_text(text)
    again = movable(written, resolve_scenario(written, name)[0])
    for item, at in zip(search.free, found.best.position, strict=True):
        got = again[item.id][3] if item.id in again else 0.0  # an effect of 0 in the reference arm is none that moves
        if not math.isclose(got, item.natural(float(at)), rel_tol=1e-9, abs_tol=1e-9):
            raise DesignError(
                Problem("D145", f"assumptions.{name}.{item.id}", f"The file says {got} after the change.")
            )
    return text


def require_free_file(file: str | Path, *, force: bool = False) -> None:
    """Refuse a path at which a file stands that may not go (O005), or a folder (O003)."""
    path = Path(file)
    if path.is_dir():
        raise OutputError(
            Problem("O003", str(path), "There is a folder of that name.", "a file", "Give another --out.")
        )
    if path.exists() and not force:
        raise OutputError(
            Problem("O005", str(path), "There is a file of that name.", "a new one", "Give another --out, or --force.")
        )


def write_calibrated(run: CalibrationRun, file: str | Path, *, force: bool = False) -> CalibrationRun:
    """Write the protocol with what was found; D145 without a text, O004 where the file cannot be written."""
    path = Path(file)
    require_free_file(path, force=force)
    if run.text is None:
        raise DesignError(Problem("D145", "--out", "The protocol was not read from a file.", "a protocol file"))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(run.text, "utf-8", newline="\n")
    except OSError as error:
        raise OutputError(Problem("O004", str(path), f"The file cannot be written: {error}.")) from None
    return CalibrationRun(run.protocol, run.set_name, run.found, run.text, path)
