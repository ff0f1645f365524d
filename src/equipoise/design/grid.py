"""Grids: every scenario crossed with sizes, effects, dropout, or values of any one parameter."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence

from equipoise.design.operating import Cell
from equipoise.design.scenarios import ScenarioSpec, override, scale_effect, scaled_sizes, set_dropout
from equipoise.foundation.errors import DesignError, Problem, listed, nearest, raise_if_any
from equipoise.protocol import Protocol
from equipoise.simulation.parameters import DayLevelParameters
from equipoise.simulation.reading import parameter_table

CODES = {"D007": "The grid cannot be read."}
AXES = {
    "n": "participants in all, the arms scaled in proportion",
    "effect": "factor on every effect of the arm: 0 none, 1 as the scenario has it",
    "dropout": "share of all participants gone by the last visit",
}
MOST_CELLS = 400
_BY_ARM_OR_LIST = ("arm", "a list", "names")


def read_grid(texts: Sequence[str]) -> dict[str, tuple[float, ...]]:
    """Axes and their values from texts such as ``n=40,55,110 effect=0.5,1``; commas may also part the axes.

    Raises :class:`~equipoise.foundation.errors.DesignError` with every problem (D007, D002).
    """
    axes: dict[str, tuple[float, ...]] = {}
    problems: list[Problem] = []
    for text in texts:
        if not re.match(r"^\s*[A-Za-z][\w-]*\s*=", text):
            problems.append(Problem("D007", "--grid", f"Found {text!r}.", "name=value,value, for example n=40,55,110"))
            continue
        for name, values in re.findall(r"([A-Za-z][\w-]*)\s*=\s*([^=]*?)(?=[\s,;]+[A-Za-z][\w-]*\s*=|\s*$)", text):
            _read_axis(name, values, axes, problems)
    raise_if_any(DesignError, problems)
    return axes


def _read_axis(name: str, text: str, axes: dict[str, tuple[float, ...]], problems: list[Problem]) -> None:
    scalars = [
        row["name"]
        for row in parameter_table(DayLevelParameters)
        if not any(word in row["expected"] for word in _BY_ARM_OR_LIST)
    ]
    place = f"--grid {name}"
    if name not in AXES and name not in scalars:
        guess = nearest(name, [*AXES, *scalars])
        problems.append(
            Problem(
                "D002",
                place,
                f"There is no assumption {name!r} to vary.",
                listed([*AXES, *scalars], limit=60),
                f"Did you mean {guess}?" if guess else "",
            )
        )
        return
    if name in axes:
        problems.append(Problem("D007", place, "Given twice.", "each axis once"))
        return
    values = []
    for part in re.split(r"[,\s]+", text.strip()):
        try:
            value = float(part)
        except ValueError:
            problems.append(Problem("D007", place, f"Found {part!r}.", "numbers separated by commas"))
            continue
        if name == "n" and (value != int(value) or value < 1):
            problems.append(Problem("D007", place, f"Found {part}.", "whole numbers of 1 or more"))
        elif name == "dropout" and not 0 < value < 1:
            problems.append(Problem("D005", place, f"Found {part}.", "shares above 0 and below 1"))
        values.append(value)
    if len(set(values)) != len(values):
        problems.append(Problem("D007", place, "A value is given twice.", "each value once"))
    axes[name] = tuple(values)


def make_cells(protocol: Protocol, specs: Sequence[ScenarioSpec], axes: dict[str, tuple[float, ...]]) -> list[Cell]:
    """Every scenario at every point of the grid.

    Effects are scaled before sizes, and dropout is set last, because the others move it.
    """
    n_cells = len(specs)
    for values in axes.values():
        n_cells *= len(values)
    if n_cells > MOST_CELLS:
        found = f"The grid has {n_cells} cells."
        raise DesignError(Problem("D007", "--grid", found, f"at most {MOST_CELLS}", "Take fewer values."))
    order = sorted(axes, key=lambda name: {"effect": 1, "n": 2, "dropout": 3}.get(name, 0))
    cells = []
    for spec in specs:
        for point in itertools.product(*(axes[name] for name in axes)):
            at = dict(zip(axes, point, strict=True))
            changed = spec
            for name in order:
                changed = _at(protocol, changed, name, at[name])
            cells.append(Cell(ScenarioSpec(spec.name, spec.words, changed.settings, spec.base, changed.changes), at))
    return cells


def _at(protocol: Protocol, spec: ScenarioSpec, name: str, value: float) -> ScenarioSpec:
    if name == "effect":
        settings = scale_effect(protocol, spec, value)
    elif name == "n":
        settings = scaled_sizes(protocol, dict(spec.settings), int(value))
    elif name == "dropout":
        settings = set_dropout(protocol, spec, value)
    else:
        whole = value == int(value)
        return override(protocol, spec, {name: int(value) if whole else value}, "--grid")
    return spec.changed(f"{name}={value:g}", "", settings)
