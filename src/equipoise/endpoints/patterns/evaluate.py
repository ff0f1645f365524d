"""What a formula of the endpoint language comes to, for many patterns at once.

Rows are people, or people by replicate: the same code serves one trial and ten thousand. Work is done in blocks of
rows, on as many threads as the machine has cores, and results do not depend on either.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

import numpy as np

from equipoise.endpoints.lattice import CLEAN, MIXED, NOTHING, UNKNOWN, USED
from equipoise.endpoints.patterns import kernels
from equipoise.endpoints.patterns.kernels import Floats, Mask, Places
from equipoise.endpoints.patterns.pattern import Pattern, among, codes, require_same_people
from equipoise.endpoints.patterns.steps import View, carry_out, place_of_last
from equipoise.protocol.checks.formulas import patterns_of
from equipoise.protocol.language.facts import Frozen
from equipoise.protocol.language.formula import (
    Contains,
    CountOf,
    Escalation,
    Formula,
    PlaceOf,
    ProportionOf,
    RunOf,
    Step,
    TimeTo,
    ValueType,
    WeightedIndex,
    value_type,
)

BLOCK = 32_768  # rows; a block of 24 weeks and what is made of it stays in the cache of a core
NEVER_SEEN = "never-seen-scored-success"
NO_CONTACT = "never-seen-has-no-value"


@dataclass(frozen=True)
class Scored:
    """What a formula comes to, row by row: ``value``, or ``time`` and ``event``; NaN where there is no value.

    ``never_seen`` marks rows that were seen in no cell and count as a success all the same because the formula says
    ``as-computed``; where it does not say so, such rows have no value and ``withheld`` marks them.
    """

    type: ValueType
    value: Floats
    event: Floats | None
    never_seen: Mask
    withheld: Mask

    @property
    def warnings(self) -> tuple[str, ...]:
        """Coded warnings."""
        out = (NEVER_SEEN,) if self.never_seen.any() else ()
        return (*out, NO_CONTACT) if self.withheld.any() else out


@dataclass(frozen=True)
class _Value:
    value: Floats
    event: Floats | None = None
    days: int = 1  # days per cell, for times


class _Block:
    """Formulas over one block of rows; steps and measures that several formulas share are carried out once.

    Values that are handed out may be shared: nobody writes into them.
    """

    def __init__(self, patterns: Mapping[str, Pattern]) -> None:
        self.patterns = patterns
        self.first = next(iter(patterns))
        self.views: dict[tuple[object, ...], View] = {}
        self.values: dict[tuple[object, ...], _Value] = {}
        self.n = patterns[self.first].n
        self._nobody: dict[tuple[str | None, ...], tuple[Mask, tuple[_Block, _Block] | None]] = {}

    def nobody(self, names: tuple[str | None, ...]) -> tuple[Mask, tuple[_Block, _Block] | None]:
        """Rows seen in no cell of these patterns, and the same rows without any use and with use in every due cell."""
        if names not in self._nobody:
            rows = ~np.logical_or.reduce([self.patterns[name or self.first].is_seen for name in names])
            blocks = None
            if rows.any():
                of_rows = {name: pattern.rows(rows) for name, pattern in self.patterns.items()}
                without, using = (
                    _Block({name: _all(code, pattern) for name, pattern in of_rows.items()}) for code in (CLEAN, USED)
                )
                blocks = (without, using)
            self._nobody[names] = (rows, blocks)
        return self._nobody[names]

    def start(self, name: str | None) -> tuple[tuple[object, ...], View]:
        key = name or self.first
        pattern = self.patterns[key]
        if (key,) not in self.views:
            zero = np.zeros(pattern.n, dtype=np.int32)
            self.views[(key,)] = View(pattern.cells, zero, pattern.length, pattern.length, pattern.days_per_cell)
        return (key,), self.views[(key,)]

    def apply(self, steps: Sequence[Step], key: tuple[object, ...], view: View) -> tuple[tuple[object, ...], View]:
        for step in steps:
            key = (*key, step.as_json)
            if key not in self.views:
                self.views[key] = carry_out(step, view)
            view = self.views[key]
        return key, view

    def evaluate(self, formula: Formula, key: tuple[object, ...] | None = None, view: View | None = None) -> _Value:
        if key is None or view is None or formula.on is not None:
            key, view = self.start(formula.on)
        key, view = self.apply(formula.steps, key, view)
        return _judged(formula, self.measured(formula, key, view))

    def measured(self, formula: Formula, key: tuple[object, ...], view: View) -> _Value:
        def part(operand: Formula | float | None) -> Floats:
            if isinstance(operand, Formula):
                return self.evaluate(operand, key, view).value
            return np.full(self.n, np.nan if operand is None else operand)

        leaf = next((getattr(formula, name) for name in LEAVES if getattr(formula, name) is not None), None)
        if leaf is not None:
            known = (*key, leaf.as_json, type(leaf))
            if known not in self.values:
                self.values[known] = _leaf(leaf, view)
            return self.values[known]
        if formula.all_ is not None or formula.any_ is not None:
            values = np.stack([part(inner) for inner in formula.all_ or formula.any_ or ()])
            decides = 0.0 if formula.all_ is not None else 1.0
            open_ = np.isnan(values).any(axis=0)
            other = np.where(open_, np.nan, 1.0 - decides)
            return _Value(np.where((values == decides).any(axis=0), decides, other))
        if formula.not_ is not None:
            return _Value(1.0 - part(formula.not_))
        if formula.if_ is not None:
            holds = part(formula.if_)
            chosen = np.where(holds == 1.0, part(formula.then), part(formula.otherwise))
            return _Value(np.where(np.isnan(holds), np.nan, chosen))
        if formula.difference is not None:
            return _Value(part(formula.difference[0]) - part(formula.difference[1]))
        if formula.ratio is not None:
            above, below = part(formula.ratio[0]), part(formula.ratio[1])
            with np.errstate(divide="ignore", invalid="ignore"):
                return _Value(np.where(below == 0, np.nan, above / below))
        assert formula.first_of is not None
        return _first_of([self.evaluate(inner, key, view) for inner in formula.first_of])


LEAVES = ("count", "proportion", "longest_run", "last_place", "contains", "time_to", "weighted_index")


def _leaf(leaf: Frozen, view: View) -> _Value:
    """A measure on the cells in view."""
    if isinstance(leaf, ProportionOf):
        return _Value(_proportion(leaf, view))
    if isinstance(leaf, CountOf):
        return _Value(_count(leaf, view)[0])
    if isinstance(leaf, PlaceOf):
        return _Value(place_of_last(view, among(leaf.cells)).astype(np.float64))
    if isinstance(leaf, TimeTo):
        return _time_to(leaf, view)
    if isinstance(leaf, WeightedIndex):
        return _Value(_index(leaf, view))
    out = np.zeros(len(view.end))
    if isinstance(leaf, RunOf):
        kernels.longest_run(view.cells, view.begin, view.end, among(leaf.cells), out)
        return _Value(out)
    assert isinstance(leaf, Contains)
    for sequence in leaf.any_of:
        kernels.count_sequence(view.cells, view.begin, view.end, codes(sequence), out)
    return _Value((out > 0).astype(np.float64))


def apply_steps(steps: Sequence[Step], pattern: Pattern) -> Pattern:
    """The pattern after the steps, its cells in view moved to the front."""
    block = _Block({"": pattern})
    _, view = block.apply(steps, *block.start(None))
    kept = np.zeros_like(view.cells)
    sizes = np.zeros(pattern.n, dtype=np.int32)
    kernels.take_out(view.cells, view.begin, view.end, np.zeros(5, dtype=np.bool_), kept, sizes)
    width = int(sizes.max(initial=0))
    return Pattern(np.ascontiguousarray(kept[:, :width]), sizes, view.days)


def evaluate(
    formula: Formula, patterns: Pattern | Mapping[str, Pattern], better: Literal["higher", "lower"] = "higher"
) -> Scored:
    """What one formula comes to on each row."""
    return evaluate_all([(formula, better)], patterns)[0]


def evaluate_all(
    formulas: Sequence[tuple[Formula, str]], patterns: Pattern | Mapping[str, Pattern], *, threads: int | None = None
) -> list[Scored]:
    """What each formula (with the better direction of its value) comes to on each row of the patterns."""
    named = {"": patterns} if isinstance(patterns, Pattern) else dict(patterns)
    require_same_people(named)
    n = next(iter(named.values())).n
    results = [
        (
            np.empty(n),
            np.empty(n) if value_type(formula) == "time-to-event" else None,
            np.zeros(n, np.bool_),
            np.zeros(n, np.bool_),
        )
        for formula, _ in formulas
    ]

    def work(start: int) -> None:
        chosen = slice(start, start + BLOCK)
        block = _Block({name: pattern.rows(chosen) for name, pattern in named.items()})
        for (formula, better), (value, event, kept, withheld) in zip(formulas, results, strict=True):
            got = block.evaluate(formula)
            successes = _successes_of_nobody(formula, better, block, got)
            if successes.any():
                if formula.never_seen == "as-computed":
                    kept[chosen] = successes
                else:
                    withheld[chosen] = successes
                    left = None if got.event is None else np.where(successes, np.nan, got.event)
                    got = _Value(np.where(successes, np.nan, got.value), left)
            value[chosen] = got.value
            if event is not None and got.event is not None:
                event[chosen] = got.event

    starts = range(0, n, BLOCK)
    workers = min(threads or os.cpu_count() or 1, len(starts))
    if workers > 1:
        with ThreadPoolExecutor(workers) as pool:
            list(pool.map(work, starts))
    else:
        for start in starts:
            work(start)
    return [
        Scored(value_type(formula), value, event, kept, withheld)
        for (formula, _), (value, event, kept, withheld) in zip(formulas, results, strict=True)
    ]


def _successes_of_nobody(formula: Formula, better: str, block: _Block, got: _Value) -> Mask:
    """Rows seen in no cell that count as a success.

    A yes or no is a success in its better direction. A number or a time is one where it equals what the same row would
    get without any use at all, and not what it would get for use in every cell.
    """
    rows, nobody = block.nobody(patterns_of(formula))
    out = np.zeros(block.n, dtype=np.bool_)
    if nobody is None:
        return out
    if value_type(formula) == "binary":
        out[rows] = got.value[rows] == (1.0 if better == "higher" else 0.0)
        return out
    best, worst = (_same(got, rows, other.evaluate(formula)) for other in nobody)
    out[rows] = best & ~worst
    return out


def _all(code: int, pattern: Pattern) -> Pattern:
    """The pattern with ``code`` in every due cell."""
    return Pattern(
        np.where(pattern.cells == NOTHING, NOTHING, code).astype(np.uint8), pattern.length, pattern.days_per_cell
    )


def _same(got: _Value, rows: Mask, other: _Value) -> Mask:
    same = got.value[rows] == other.value
    if got.event is not None and other.event is not None:
        same &= got.event[rows] == other.event
    return np.asarray(same)


def _count(count: CountOf, view: View) -> tuple[Floats, Places, Places]:
    n = len(view.end)
    out, due, seen = np.empty(n), np.empty(n, dtype=np.int32), np.empty(n, dtype=np.int32)
    weights = np.zeros(5)
    weights[codes("*")[0]] = count.mixed_weight
    if count.cells is not None:
        weights += among(count.cells)
    kernels.count_cells(view.cells, view.begin, view.end, weights, out, due, seen)
    if count.sequence is not None:
        kernels.count_sequence(view.cells, view.begin, view.end, codes(count.sequence), out)
    return out, due, seen


def _proportion(proportion: ProportionOf, view: View) -> Floats:
    count, due, seen = _count(proportion, view)
    below = due if proportion.of == "due" else seen
    if proportion.of == "window":
        # A row shorter than its window still answers for the window's full width.
        below = due if view.nominal is None else due + (np.int32(view.nominal) - (view.end - view.begin))
    none = np.nan if proportion.if_none is None else proportion.if_none
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(below > 0, count / below, none)


def _time_to(time_to: TimeTo, view: View) -> _Value:
    n = len(view.end)
    windows = kernels.FirstWindows(*(np.empty(n, dtype=np.int32) for _ in range(7)))
    counts = among(time_to.cells)
    kernels.first_window(view.cells, view.begin, view.end, counts, time_to.at_least, time_to.width, windows)
    found, start, first, done, last_start, last_due, n_due = windows
    event = found.astype(np.float64)
    place = {"first": first, "window-start": start, "completed": done}[time_to.time]
    if time_to.censored == "last-window":
        censor = np.where(n_due < time_to.width, last_due, last_start)
    elif time_to.censored == "last-contact":
        censor = place_of_last(view, among("+-*"))
    else:
        censor = last_due
    time = np.where(found == 1, place, censor).astype(np.float64) + time_to.plus
    none = n_due < time_to.width if time_to.too_short == "no-value" else n_due == 0
    return _Value(np.where(none, np.nan, time), np.where(none, np.nan, event), view.days)


def _index(index: WeightedIndex, view: View) -> Floats:
    weights = np.zeros(5)
    for letter, weight in index.weights.items():
        weights[codes(letter)[0]] = weight
    low = high = 1.0
    listed = np.empty(0)
    if isinstance(index.escalation, Escalation):
        low, high = index.escalation.from_, index.escalation.to
    elif index.escalation is not None:
        listed = np.asarray(index.escalation, dtype=np.float64)
    missed = np.asarray(index.missing_escalation or (), dtype=np.float64)
    out = np.empty(len(view.end))
    escalation = kernels.Escalations(listed, float(low), float(high), missed, float(index.worst))
    kernels.weighted_index(view.cells, view.begin, view.end, weights, escalation, out)
    return out


def _first_of(parts: Sequence[_Value]) -> _Value:
    """The earliest event, in days; without any, censored where the first of them stops being watched.

    An event falls on the first day of its cell, and watching ends with the last day of a cell.
    """
    times, events = [], []
    for part in parts:
        assert part.event is not None
        times.append(np.where(part.event == 1, (part.value - 1) * part.days + 1, part.value * part.days))
        events.append(part.event)
    time, event = np.stack(times), np.stack(events)
    when = np.where(event == 1, time, np.inf).min(axis=0)
    watched = np.where(event == 0, time, np.inf).min(axis=0)
    happened = np.isfinite(when)
    # A part without a value could have come first only where no other part has an event.
    open_ = np.isnan(event).any(axis=0) & ~happened
    value = np.where(happened, when, watched)
    return _Value(np.where(open_, np.nan, value), np.where(open_, np.nan, happened.astype(np.float64)))


def _judged(formula: Formula, got: _Value) -> _Value:
    judgement = formula.judgement
    if judgement is None:
        return got
    value = got.value
    if judgement == "bands":
        reached = np.searchsorted(np.asarray(formula.bands), value, side="right").astype(np.float64)
        return _Value(np.where(np.isnan(value), np.nan, reached))
    bound = float(getattr(formula, judgement))
    holds = {
        "at_least": value >= bound,
        "at_most": value <= bound,
        "above": value > bound,
        "below": value < bound,
        "equals": value == bound,
    }[judgement]
    return _Value(np.where(np.isnan(value), np.nan, holds.astype(np.float64)))


assert (NOTHING, CLEAN, USED, UNKNOWN, MIXED) == (0, 1, 2, 3, 4)  # the kernels index tables of five by these
