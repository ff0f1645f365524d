"""Which assumptions calibration may move, and within what bounds. Methods: ``docs/methods/calibration.md``.

A free parameter has a plausible range. On the scale on which it is moved (logit of a share, logarithm of a spread,
otherwise itself) the middle of the range is 0 and its ends are -2 and 2.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise.design.scenarios import ScenarioSpec, level_of
from equipoise.foundation.errors import DesignError, Problem, listed, nearest, raise_if_any
from equipoise.protocol import Protocol
from equipoise.simulation.parameters import DayLevelParameters
from equipoise.simulation.reading import KINDS, parameter_table, plain

Floats = NDArray[np.float64]

CODES = {
    "D142": "Calibration cannot change this parameter.",
    "D143": "Invalid plausible range.",
}
EDGE = 2.0  # ends of a range on the scale on which a parameter is moved
# Without a range of its own a parameter may move so far from where it stands, on that scale.
_DEFAULT_REACH = {"logit": 2.0, "log": 1.0, "identity": 2.0}
_SCALES = {
    KINDS["real"]: "identity",
    KINDS["reals-by-arm"]: "identity",
    KINDS["share"]: "logit",
    KINDS["shares-by-arm"]: "logit",
    KINDS["probability"]: "logit",
    KINDS["spread"]: "log",
    KINDS["positive"]: "log",
}


@dataclass(frozen=True)
class FreeParameter:
    """One number that may be moved; ``low`` and ``high`` are the ends of its plausible range."""

    name: str  # as in the protocol file
    arm: str | None
    low: float
    high: float
    scale: str  # identity, log, logit

    @property
    def id(self) -> str:
        """Name, and arm where it has one."""
        return self.name if self.arm is None else f"{self.name}.{self.arm}"

    def natural(self, position: float) -> float:
        """The value at a position between -2 and 2, to the decimals that are written in a protocol file."""
        low, high = _to(self.low, self.scale), _to(self.high, self.scale)
        value = _back((low + high) / 2.0 + position / EDGE * (high - low) / 2.0, self.scale)
        return round(value, 3 if self.scale == "identity" else 4)

    def position(self, value: float) -> float:
        """Where a value lies; beyond -2 and 2 outside the range."""
        low, high = _to(self.low, self.scale), _to(self.high, self.scale)
        return EDGE * (_to(value, self.scale) - (low + high) / 2.0) / ((high - low) / 2.0)


def _to(value: float, scale: str) -> float:
    if scale == "logit":
        held = min(max(value, 1e-6), 1.0 - 1e-6)
        return math.log(held / (1.0 - held))
    return math.log(max(value, 1e-9)) if scale == "log" else value


def _back(value: float, scale: str) -> float:
    if scale == "logit":
        return 1.0 / (1.0 + math.exp(-value))
    return math.exp(value) if scale == "log" else value


# Of a set of parts: keys of shares, and keys of what is above zero; all other numbers are log-odds or scores.
_SHARES = frozenset(
    (
        "lost",
        "missed",
        "missed-with-use",
        "under-reporting",
        "before",
        "specificity",
        "share",
        "reached",
        "within-person",
        "per-dose",
        "held",
    )
)
_ABOVE_ZERO = frozenset(["sd", "person-sd", "day-sd", "site-sd", "hazard", "rate", "dispersion", "shape"])


def _movable_of_parts(protocol: Protocol, spec: ScenarioSpec) -> dict[str, tuple[str, str | None, str, float]]:
    """What can be moved in a set of parts: every number it states, by its path (``use.alcohol.effect.ketamine``).

    What is added by arm stays as it is in the reference arm when it is 0 there.
    """
    out: dict[str, tuple[str, str | None, str, float]] = {}

    def walk(values: Mapping[str, Any], path: tuple[str, ...]) -> None:
        for key, value in values.items():
            if isinstance(value, Mapping):
                walk(value, (*path, str(key)))
                continue
            scale = "logit" if key in _SHARES else "log" if key in _ABOVE_ZERO else "identity"
            number = _number_of(value, is_share=scale == "logit")
            is_reference = "effect" in path and key == protocol.arm_ids[0] and number == 0.0
            if number is not None and not is_reference:
                id = ".".join((*path, str(key)))
                out[id] = (id, None, scale, number)

    walk(plain(spec.settings["parts"]), ())
    return out


def _number_of(value: Any, *, is_share: bool) -> float | None:
    """A number as it stands, or a share written in per cent."""
    if isinstance(value, bool):
        return None
    if isinstance(value, (int, float)):
        return float(value)
    if is_share and isinstance(value, str) and (match := re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*%\s*", value)):
        return float(match[1]) / 100.0
    return None


def movable(protocol: Protocol, spec: ScenarioSpec) -> dict[str, tuple[str, str | None, str, float]]:
    """What can be moved in a set: id to name, arm, scale and value.

    Everything that stands among its parameters and is a number or one by arm. What is added by arm stays as it is in
    the reference arm when it is 0 there: the level has a parameter of its own. Of a set of parts, every
    number that it states.
    """
    if level_of(spec.settings) == "parts":
        return _movable_of_parts(protocol, spec)
    expected = {row["name"]: row["expected"] for row in parameter_table(DayLevelParameters)}
    out: dict[str, tuple[str, str | None, str, float]] = {}
    for name, value in plain(spec.settings["parameters"]).items():
        scale = _SCALES.get(expected.get(name, ""))
        if scale is None:
            continue
        if not isinstance(value, Mapping):
            out[name] = (name, None, scale, float(value))
            continue
        for arm, entry in value.items():
            if not (scale == "identity" and arm == protocol.arm_ids[0] and float(entry) == 0.0):
                out[f"{name}.{arm}"] = (name, arm, scale, float(entry))
    return out


def free_parameters(
    protocol: Protocol, spec: ScenarioSpec, stated: Mapping[str, tuple[float, float] | None]
) -> tuple[FreeParameter, ...]:
    """The parameters named, each with its range, or ``None`` for one around where it stands; all that can be moved
    where nothing is named. A name without its arm stands for every arm.

    Raises D142 for what does not exist or cannot be moved, D143 for a range that leaves what the parameter may be.
    """
    known = movable(protocol, spec)
    wanted = stated or dict.fromkeys(known)
    if not wanted:
        found = f"The set {spec.name} states no number that could be moved."
        raise DesignError(Problem("D142", f"assumptions.{spec.name}", found, "numbers among its parts or parameters"))
    out: dict[str, FreeParameter] = {}
    problems: list[Problem] = []
    for text, bounds in wanted.items():
        chosen = [text] if text in known else [id for id, entry in known.items() if entry[0] == text]
        if not chosen:
            guess = nearest(text, known)
            problems.append(
                Problem(
                    "D142",
                    f"free.{text}",
                    f"The set {spec.name} has no {text!r} that could be moved.",
                    listed(known, limit=60),
                    f"Did you mean {guess}?" if guess else "",
                )
            )
        for id in chosen:
            name, arm, scale, value = known[id]
            low, high = bounds if bounds is not None else _around(value, scale)
            lowest, highest = {"logit": (0.0, 1.0), "log": (0.0, math.inf)}.get(scale, (-50.0, 50.0))
            if (
                not lowest <= low < high <= highest
                or (scale != "identity" and low <= 0.0)
                or (scale == "logit" and high >= 1.0)
            ):
                found = f"Found {low:g} to {high:g}."
                within = "two numbers, the lower first, from -50 to 50"
                if scale != "identity":
                    within = "two numbers, the lower first, above 0" + (" and below 1" if scale == "logit" else "")
                problems.append(Problem("D143", f"free.{id}", found, within))
                continue
            out[id] = FreeParameter(name, arm, low, high, scale)
    raise_if_any(DesignError, problems)
    return tuple(out.values())


def _around(value: float, scale: str) -> tuple[float, float]:
    reach = _DEFAULT_REACH[scale]
    # A share of 0 or 1 and a spread of 0 have no place on their scale: the range is one around the nearest that has.
    held = min(max(value, 0.01), 0.99) if scale == "logit" else max(value, 0.05) if scale == "log" else value
    middle = _to(held, scale)
    low, high = (float(f"{_back(middle + side * reach, scale):.4g}") for side in (-1.0, 1.0))
    return (max(low, -50.0), min(high, 50.0)) if scale == "identity" else (low, high)


def read_free(texts: Sequence[str]) -> dict[str, tuple[float, float] | None]:
    """Names and ranges from texts such as ``use-log-odds=-3..1`` and ``responder-share.ketamine``; D143, D142."""
    out: dict[str, tuple[float, float] | None] = {}
    problems = []
    for text in texts:
        match = re.fullmatch(
            r"\s*([a-z0-9][a-z0-9-]*(?:\.[a-z0-9-]+)*)\s*(?:=\s*([^\s.]\S*?)\s*\.\.\s*(\S+)\s*)?", text
        )
        bounds: tuple[float, float] | None = None
        try:
            if match is None:
                raise ValueError
            if match[2] is not None:
                bounds = (float(match[2]), float(match[3]))
        except ValueError:
            problems.append(Problem("D143", "--free", f"Found {text!r}.", "name, or name=lowest..highest"))
            continue
        out[match[1]] = bounds
    raise_if_any(DesignError, problems)
    return out


def with_values(spec: ScenarioSpec, free: Sequence[FreeParameter], positions: Floats) -> ScenarioSpec:
    """The scenario with the free parameters at ``positions``."""
    if level_of(spec.settings) == "parts":
        parts: dict[str, Any] = plain(spec.settings["parts"])
        for item, position in zip(free, positions, strict=True):
            *path, last = item.name.split(".")
            inner = parts
            for key in path:
                inner = inner[key]
            inner[last] = item.natural(float(position))
        return ScenarioSpec(
            spec.name, spec.words, {**spec.settings, "parts": parts}, spec.base, (*spec.changes, "calibrated")
        )
    parameters: dict[str, Any] = plain(spec.settings["parameters"])
    for item, position in zip(free, positions, strict=True):
        value = item.natural(float(position))
        if item.arm is None:
            parameters[item.name] = value
        else:
            parameters[item.name] = {**parameters[item.name], item.arm: value}
    settings = {**spec.settings, "parameters": parameters}
    return ScenarioSpec(spec.name, spec.words, settings, spec.base, (*spec.changes, "calibrated"))
