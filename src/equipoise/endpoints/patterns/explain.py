"""A definition explained on a word: what it comes to, and which cells decide."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from equipoise.endpoints.patterns.evaluate import evaluate
from equipoise.endpoints.patterns.library import DAYS_PER_CELL, Definition
from equipoise.endpoints.patterns.pattern import read_words

TRIED = "+-o"  # what each cell is changed into, in turn


@dataclass(frozen=True)
class Drawn:
    """A word, the value it gets, and the cells that decide: changed alone, they would change the value."""

    words: dict[str, str]
    value: float | None
    event: int | None
    deciding: dict[str, str]  # by pattern, ^ under each deciding cell and a blank elsewhere


def draw(definition: Definition, words: Mapping[str, str]) -> Drawn:
    """Score the words and find the cells that decide.

    A cell decides when some other letter in its place (``+``, ``-`` or ``o``), all else unchanged, gives another value.
    """
    base = {name: read_words([words[name]], days_per_cell=DAYS_PER_CELL.get(name, 1)) for name in definition.on}
    changed: dict[str, list[str]] = {name: [] for name in definition.on}
    where: list[tuple[str, int]] = []
    for name in definition.on:
        for place, letter in enumerate(words[name]):
            for other in TRIED:
                if letter in (other, "_"):
                    continue
                for each in definition.on:
                    text = words[each]
                    changed[each].append(text[:place] + other + text[place + 1 :] if each == name else text)
                where.append((name, place))
    scored = evaluate(definition.formula, base, definition.better)
    marks = {name: [" "] * len(words[name]) for name in definition.on}
    if where:
        patterns = {name: read_words(rows, days_per_cell=base[name].days_per_cell) for name, rows in changed.items()}
        others = evaluate(definition.formula, patterns, definition.better)
        differs = ~np.isclose(others.value, scored.value[0], rtol=0, atol=1e-12, equal_nan=True)
        if others.event is not None and scored.event is not None:
            differs |= ~np.isclose(others.event, scored.event[0], equal_nan=True)
        for (name, place), decides in zip(where, differs, strict=True):
            if decides:
                marks[name][place] = "^"
    event = None if scored.event is None or np.isnan(scored.event[0]) else int(scored.event[0])
    value = None if np.isnan(scored.value[0]) else float(scored.value[0])
    return Drawn(dict(words), value, event, {name: "".join(row).rstrip() for name, row in marks.items()})


def formula_text(source: Mapping[str, Any], width: int = 100) -> str:
    """A formula as one would write it in a file: what fits stands on one line, the rest is laid out below its key."""
    return "\n".join(_block(source, width))


def _block(value: Mapping[str, Any], width: int) -> list[str]:
    lines: list[str] = []
    for key, entry in value.items():
        flow = f"{_scalar(key)}: {_flow(entry)}"
        if len(flow) <= width or not isinstance(entry, (Mapping, list, tuple)):
            lines.append(flow)
            continue
        lines.append(f"{_scalar(key)}:")
        if isinstance(entry, Mapping):
            lines += [f"  {line}" for line in _block(entry, width - 2)]
            continue
        for item in entry:
            inner = (
                _block(item, width - 4) if isinstance(item, Mapping) and len(_flow(item)) > width - 4 else [_flow(item)]
            )
            lines += [f"  {'- ' if n == 0 else '  '}{line}" for n, line in enumerate(inner)]
    return lines


def _flow(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_scalar(key)}: {_flow(entry)}" for key, entry in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_flow(entry) for entry in value) + "]"
    return _scalar(value)


def _scalar(value: Any) -> str:
    """Letters of a pattern stand between quotes: bare, some of them mean something else in YAML."""
    if isinstance(value, str):
        return f'"{value}"' if set(value) <= set("+-o*_") else value
    return "null" if value is None else str(value)


def spell_value(definition: Definition, drawn: Drawn) -> str:
    """The value as people read it."""
    if drawn.value is None:
        return "no value"
    if definition.type == "binary":
        return "yes" if drawn.value else "no"
    if definition.type == "time-to-event":
        unit = (definition.unit or "cells").rstrip("s")
        return f"{unit} {drawn.value:g}, {'event' if drawn.event else 'no event (censored)'}"
    unit = f" {definition.unit}" if definition.unit and definition.unit not in ("proportion", "0 to 120") else ""
    return f"{drawn.value:.4g}{unit}"
