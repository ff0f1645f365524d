"""What steps do to patterns: windows, rules for what is missing or mixed, letters changed, a sparser schedule."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from equipoise.endpoints.patterns import kernels
from equipoise.endpoints.patterns.kernels import Cells, Mask, Places
from equipoise.endpoints.patterns.pattern import among, codes
from equipoise.protocol.language.formula import PatternWindow, Step


@dataclass(frozen=True)
class View:
    """Cells in view: ``begin`` to ``end`` (excluded) of each row; ``whole`` is the end before windows."""

    cells: Cells
    begin: Places
    end: Places
    whole: Places
    days: int
    nominal: int | None = None  # the width the window asks for, whatever the row's length


def carry_out(step: Step, view: View) -> View:
    """The cells after a step; the view it is given stays as it is."""
    verb = step.verb
    if verb == "window":
        assert step.window is not None
        return _window(step.window, view)
    if verb == "schedule":
        assert step.schedule is not None
        word = step.schedule.word
        seen = np.array([letter == "o" for letter in word])
        out = np.empty((view.cells.shape[0], len(word)), dtype=np.uint8)
        kernels.see_by_schedule(view.cells, view.begin, view.end, seen, out)
        end = np.full(len(out), len(word), dtype=np.int32)
        return View(out, np.zeros_like(end), end, end, view.days)
    if verb == "recode":
        assert step.recode is not None
        return _mapped(view, dict(step.recode))
    if verb == "removed":
        return _removed(view, str(step.removed))
    if verb == "not_due":
        return _removed(view, "_") if step.not_due == "removed" else _changed(view, kernels.carry_into_not_due)
    if verb == "mixed":
        if step.mixed == "removed":
            return _removed(view, "*")
        return _mapped(view, {"*": {"is-use": "+", "is-no-use": "-", "is-missing": "o"}[str(step.mixed)]})
    return _missing(str(step.missing), view)


def _missing(rule: str, view: View) -> View:
    if rule == "is-missing":
        return view
    if rule in ("is-use", "is-no-use"):
        return _mapped(view, {"o": "+" if rule == "is-use" else "-"})
    if rule == "removed":
        return _removed(view, "o")
    if rule == "is-use-after-dropout":
        return _changed(view, kernels.settle_by_dropout)
    if rule == "mode":
        return _changed(view, kernels.fill_by_mode)
    if rule == "mean-of-neighbours":
        return _changed(view, kernels.fill_by_neighbours)
    return _changed(view, kernels.carry_forward, rule == "locf-to-last-seen")


def _with(view: View, cells: Cells) -> View:
    return View(cells, view.begin, view.end, view.whole, view.days, nominal=view.nominal)


def _mapped(view: View, letters: Mapping[str, str]) -> View:
    table = np.arange(5, dtype=np.uint8)
    for old, new in letters.items():
        table[codes(old)[0]] = codes(new)[0]
    return _with(view, table[view.cells])


def _changed(view: View, kernel: object, *more: object) -> View:
    cells = view.cells.copy()
    kernel(cells, view.begin, view.end, *more)  # type: ignore[operator]
    return _with(view, cells)


def _removed(view: View, letters: str) -> View:
    kept = np.zeros_like(view.cells)
    sizes = np.zeros_like(view.end)
    kernels.take_out(view.cells, view.begin, view.end, among(letters), kept, sizes)
    return View(kept, np.zeros_like(sizes), sizes, sizes, view.days, nominal=view.nominal)


def _window(window: PatternWindow, view: View) -> View:
    """Places count in the pattern; ``first`` and ``last`` count in what is in view. Windows only narrow the view."""
    begin, end, whole = view.begin, view.end, view.whole
    seen = among("+-*")
    nominal: int | None = None
    if window.first is not None:
        nominal, end = window.first, np.minimum(end, begin + np.int32(window.first))
    elif window.last is not None:
        nominal, begin = window.last, np.maximum(begin, end - np.int32(window.last))
    else:
        start = window.after + 1 if window.after is not None else window.from_
        if start == "last-contact":
            begin = np.maximum(begin, place_of_last(view, seen) - np.int32(1))
        elif start is not None:
            begin = np.maximum(begin, _place(int(start), whole) - np.int32(1))
        if window.to == "last-contact":
            end = np.minimum(end, place_of_last(view, seen))
        elif window.to is not None:
            end = np.minimum(end, _place(int(window.to), whole))
        first = start if start is not None else 1
        if isinstance(first, int) and isinstance(window.to, int) and first * window.to > 0:
            nominal = window.to - first + 1
    begin = np.minimum(begin, whole).astype(np.int32)
    return View(view.cells, begin, np.maximum(begin, end).astype(np.int32), whole, view.days, nominal=nominal)


def _place(place: int, whole: Places) -> Places:
    """A place of each row; from the end where negative, at least 1."""
    if place > 0:
        return np.full_like(whole, place)
    return np.asarray(np.maximum(whole + np.int32(place + 1), 1), dtype=np.int32)


def place_of_last(view: View, counts: Mask) -> Places:
    """(n,) place of the last cell in view whose code is in ``counts``; 0 where there is none."""
    out = np.empty(len(view.end), dtype=np.int32)
    kernels.last_place(view.cells, view.begin, view.end, counts, out)
    return out
