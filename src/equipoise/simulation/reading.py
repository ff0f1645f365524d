"""Reading parameters out of a protocol's assumptions: every fault at once, with the nearest known name.

A parameter class is a frozen dataclass whose fields carry, as metadata, a kind (what values they may take), the symbol
and meaning of the methods page, and the basis on which the default was assumed.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from equipoise.foundation.errors import Problem, SimulationError, listed, nearest, raise_if_any

CODES = {
    "S002": "The model has no such parameter.",
    "S003": "A parameter has no value.",
    "S004": "The parameter cannot have this value.",
    "S005": "A value is given for an arm that the trial does not have.",
    "S006": "One of the arms has no value.",
    "S007": "A parameter is given twice.",
    "S015": "Names with values are required here.",
}

KINDS = {
    "real": "a number from -50 to 50",
    "positive": "a number above 0",
    "spread": "a number of 0 or more",
    "count": "a whole number of 0 or more",
    "probability": "a number between 0 and 1, neither included",
    "share": "a number from 0 to 1",
    "shares": "a list of numbers from 0 to 1",
    "reals-by-arm": "a number for each arm",
    "shares-by-arm": "a number from 0 to 1 for each arm",
    "counts-by-arm": "a whole number for each arm, at most the size of the arm",
    "reals-by-name": "names with numbers",
    "spreads-by-name": "names with numbers of 0 or more",
    "shares-by-name": "names with numbers from 0 to 1",
    "shares-by-name-by-name": "names with, for each, names with numbers from 0 to 1",
}
_SINGULAR = {"reals": "real", "shares": "share", "counts": "count", "spreads": "spread"}


def parameter(kind: str, meaning: str, default: Any = dataclasses.MISSING, *, symbol: str = "", basis: str = "") -> Any:
    """A field of a parameter class; without ``default`` the protocol must give it."""
    if kind not in KINDS:
        raise ValueError(f"unknown kind of parameter: {kind}")
    metadata = {"kind": kind, "meaning": meaning, "symbol": symbol, "basis": basis}
    if isinstance(default, Mapping):
        frozen = _frozen(default)
        return dataclasses.field(default_factory=lambda: frozen, metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def _frozen(value: Any) -> Any:
    if isinstance(value, Mapping):
        return MappingProxyType({key: _frozen(entry) for key, entry in value.items()})
    return value


def plain(value: Any) -> Any:
    """``value`` as the protocol file would write it."""
    if isinstance(value, Mapping):
        return {key: plain(entry) for key, entry in value.items()}
    return list(value) if isinstance(value, tuple) else value


def as_mapping(parameters: Any) -> dict[str, Any]:
    """A parameter class as the protocol file writes it: kebab-case names, plain values, absent ones left out."""
    values = {kebab(item.name): plain(getattr(parameters, item.name)) for item in dataclasses.fields(parameters)}
    return {name: value for name, value in values.items() if value is not None}


def kebab(name: str) -> str:
    """A field's name as the protocol file writes it."""
    return name.replace("_", "-")


def parameter_table(cls: Any) -> list[dict[str, str]]:
    """Name, symbol, meaning, bounds, default and basis of every parameter of a class, in order."""
    rows = []
    for item in dataclasses.fields(cls):
        has_default = item.default is not dataclasses.MISSING or item.default_factory is not dataclasses.MISSING
        default = item.default_factory() if item.default_factory is not dataclasses.MISSING else item.default
        rows.append(
            {
                "name": kebab(item.name),
                "symbol": str(item.metadata["symbol"]),
                "meaning": str(item.metadata["meaning"]),
                "expected": KINDS[str(item.metadata["kind"])],
                "default": str(plain(default)) if has_default and default is not None else "",
                "basis": str(item.metadata["basis"]),
            }
        )
    return rows


def _number(value: Any) -> float | None:
    if isinstance(value, (bool, str)):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _fits(kind: str, value: Any) -> bool:
    number = _number(value)
    if number is None:
        return False
    if kind == "real":
        # Beyond 50 a log-odds or a logarithm is a slip of the pen.
        return abs(number) <= 50
    if kind == "positive":
        return number > 0
    if kind == "spread":
        return number >= 0
    if kind == "count":
        return number >= 0 and number == int(number)
    if kind == "probability":
        return 0 < number < 1
    return 0 <= number <= 1


def shown(value: Any) -> str:
    """A value as an error message quotes it."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


class _Reader:
    """Reads one value after another and keeps what is wrong."""

    def __init__(self, arms: Sequence[str], arm_sizes: Mapping[str, int]) -> None:
        self.arms = tuple(arms)
        self.arm_sizes = dict(arm_sizes)
        self.problems: list[Problem] = []

    def single(self, kind: str, place: str, value: Any) -> Any:
        if not _fits(kind, value):
            self.problems.append(Problem("S004", place, f"Found {shown(value)}.", KINDS[kind]))
            return None
        return int(value) if kind == "count" else float(value)

    def by_arm(self, kind: str, place: str, value: Any) -> Any:
        if not isinstance(value, Mapping):
            hint = f"Name {listed(self.arms, conjunction='and')}."
            self.problems.append(Problem("S004", place, f"Found {shown(value)}.", KINDS[kind], hint))
            return None
        for arm in value:
            if arm not in self.arms:
                guess = nearest(str(arm), self.arms)
                hint = f"Did you mean {guess}?" if guess else ""
                found = f"There is no arm {arm!r}."
                self.problems.append(Problem("S005", f"{place}.{arm}", found, listed(self.arms), hint))
        out = {}
        one = _SINGULAR[kind.split("-")[0]]
        for arm in self.arms:
            if arm not in value:
                found = f"No value for the arm {arm}."
                self.problems.append(Problem("S006", place, found, KINDS[kind], f"Add {arm}."))
                continue
            out[arm] = self.single(one, f"{place}.{arm}", value[arm])
            if one == "count" and out[arm] is not None and out[arm] > self.arm_sizes.get(arm, out[arm]):
                found = f"Found {out[arm]} in an arm of {self.arm_sizes[arm]}."
                self.problems.append(Problem("S004", f"{place}.{arm}", found, KINDS[kind]))
        return out

    def by_name(self, kind: str, place: str, value: Any) -> Any:
        if not isinstance(value, Mapping):
            self.problems.append(Problem("S004", place, f"Found {shown(value)}.", KINDS[kind]))
            return None
        if kind.endswith("-by-name-by-name"):
            inner = kind.removesuffix("-by-name")
            return {str(name): self.by_name(inner, f"{place}.{name}", entry) for name, entry in value.items()}
        one = _SINGULAR[kind.split("-")[0]]
        return {str(name): self.single(one, f"{place}.{name}", entry) for name, entry in value.items()}

    def value(self, kind: str, place: str, value: Any) -> Any:
        if kind.endswith("-by-arm"):
            return self.by_arm(kind, place, value)
        if kind.endswith("-by-name"):
            return self.by_name(kind, place, value)
        if kind == "shares":
            is_list = isinstance(value, Sequence) and not isinstance(value, str) and len(value) > 0
            if not is_list or not all(_fits("share", entry) for entry in value):
                self.problems.append(Problem("S004", place, f"Found {shown(value)}.", KINDS[kind]))
                return None
            return tuple(float(entry) for entry in value)
        return self.single(kind, place, value)


def read_parameters(
    cls: Any,
    mapping: Any,
    place: str,
    arms: Sequence[str],
    arm_sizes: Mapping[str, int] | None = None,
    *,
    check: Callable[[dict[str, Any]], list[Problem]] | None = None,
) -> tuple[Any, list[Problem]]:
    """A value of ``cls`` from ``mapping`` (names in kebab- or snake-case), or ``None``, with every problem.

    S015 not a mapping, S002 unknown name, S003 name absent, S004 value out of bounds, S005 unknown arm, S006 arm
    absent, S007 name given twice. ``check`` looks at the values that were read.
    """
    if not isinstance(mapping, Mapping):
        found = f"Found {shown(mapping)}."
        return None, [Problem("S015", place, found, "names with values", "Write one parameter per line.")]
    fields = {item.name: item for item in dataclasses.fields(cls)}
    reader = _Reader(arms, arm_sizes or {})
    given: dict[str, Any] = {}
    for key, value in mapping.items():
        name = str(key).replace("-", "_")
        if name not in fields:
            guess = nearest(str(key), [kebab(known) for known in fields])
            hint = f"Did you mean {guess}?" if guess else "docs/methods/day_level_model.md lists the parameters."
            reader.problems.append(Problem("S002", f"{place}.{key}", f"There is no parameter {key!r}.", "", hint))
        elif name in given:
            reader.problems.append(Problem("S007", f"{place}.{key}", "Given twice.", "each parameter once"))
        else:
            given[name] = value
    read: dict[str, Any] = {}
    for name, item in fields.items():
        kind, where = str(item.metadata["kind"]), f"{place}.{kebab(name)}"
        if name in given:
            if given[name] is not None or item.default is not None:
                read[name] = reader.value(kind, where, given[name])
        elif item.default is dataclasses.MISSING and item.default_factory is dataclasses.MISSING:
            found = f"Absent: {item.metadata['meaning']}."
            reader.problems.append(Problem("S003", where, found, KINDS[kind], f"Add {kebab(name)}."))
    if not reader.problems and check is not None:
        reader.problems += check(read)
    return (None, reader.problems) if reader.problems else (cls(**read), [])


def require_parameters(cls: Any, mapping: Any, place: str, arms: Sequence[str], **more: Any) -> Any:
    """:func:`read_parameters`, or :class:`~equipoise.foundation.errors.SimulationError` with every problem."""
    value, problems = read_parameters(cls, mapping, place, arms, **more)
    raise_if_any(SimulationError, problems)
    return value
