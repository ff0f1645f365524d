"""Loops over the cells of many patterns at once; each row is one pattern, cells ``begin`` to ``end`` are in view.

``cells`` is (n, width) uint8 with the codes of the lattice; ``begin`` and ``end`` are (n,) int32, the end excluded.
A cell that is not due (code 0) is passed over by every measure and still counts as a place.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from equipoise.endpoints.lattice import CLEAN, MIXED, NOTHING, UNKNOWN, USED

Cells = NDArray[np.uint8]
Places = NDArray[np.int32]
Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


class FirstWindows(NamedTuple):
    """Of each row the first window that counts; places are counted from 1, and 0 is none."""

    found: Places
    start: Places  # its first cell
    first: Places  # its first counted cell
    done: Places  # the cell that completes the count
    last_start: Places  # first cell of the last window
    last_due: Places  # last due cell in view
    n_due: Places


class Escalations(NamedTuple):
    """By how much a cell weighs more than its letter says."""

    listed: Floats  # by place; empty: evenly from ``low`` to ``high`` over the cells in view
    low: float
    high: float
    missed: Floats  # of missed cells; empty: 1
    worst: float


def compiled(function: Any) -> Any:
    """The function compiled, kept on disk, without Python's lock."""
    return njit(cache=True, nogil=True)(function)


@compiled
def take_out(cells: Cells, begin: Places, end: Places, out_of: Mask, kept: Cells, n_kept: Places) -> None:
    """The cells in view whose code is not in ``out_of`` (5,), moved together from place 1 on."""
    for row in range(cells.shape[0]):
        size = 0
        for place in range(begin[row], end[row]):
            code = cells[row, place]
            if not out_of[code]:
                kept[row, size] = code
                size += 1
        n_kept[row] = size


@compiled
def settle_by_dropout(cells: Cells, begin: Places, end: Places) -> None:
    """A missed cell with one seen after it is no use; without, it is use."""
    for row in range(cells.shape[0]):
        gone = True
        for place in range(end[row] - 1, begin[row] - 1, -1):
            code = cells[row, place]
            if code == UNKNOWN:
                cells[row, place] = USED if gone else CLEAN
            elif code != NOTHING:
                gone = False


@compiled
def carry_forward(cells: Cells, begin: Places, end: Places, to_last_seen: bool) -> None:
    """A missed cell takes the last cell seen before it; ``to_last_seen`` stops at the last cell seen."""
    for row in range(cells.shape[0]):
        stop = end[row]
        if to_last_seen:
            while stop > begin[row] and cells[row, stop - 1] in (UNKNOWN, NOTHING):
                stop -= 1
        last = UNKNOWN
        for place in range(begin[row], stop):
            code = cells[row, place]
            if code == UNKNOWN:
                cells[row, place] = last
            elif code != NOTHING:
                last = code


@compiled
def carry_into_not_due(cells: Cells, begin: Places, end: Places) -> None:
    """A cell not due takes the letter of the due cell before it."""
    for row in range(cells.shape[0]):
        last = NOTHING
        for place in range(begin[row], end[row]):
            if cells[row, place] == NOTHING:
                cells[row, place] = last
            else:
                last = cells[row, place]


@compiled
def fill_by_mode(cells: Cells, begin: Places, end: Places) -> None:
    """A missed cell takes the commoner of use and no use among those seen; mixed is use, a tie is use."""
    for row in range(cells.shape[0]):
        used = clean = 0
        for place in range(begin[row], end[row]):
            code = cells[row, place]
            if code in (USED, MIXED):
                used += 1
            elif code == CLEAN:
                clean += 1
        if used + clean == 0:
            continue
        fill = CLEAN if clean > used else USED
        for place in range(begin[row], end[row]):
            if cells[row, place] == UNKNOWN:
                cells[row, place] = fill


@compiled
def fill_by_neighbours(cells: Cells, begin: Places, end: Places) -> None:
    """A single missed cell between two seen ones takes the nearest of use (1), mixed (½), none (0) to their mean.

    Ties go up; wider gaps and gaps at either end stay. The neighbours are the letters as they were.
    """
    for row in range(cells.shape[0]):
        # The letters before and two before the one that is read, as they were, and where the middle one stands.
        before, middle, at = NOTHING, NOTHING, -1
        for place in range(begin[row], end[row]):
            code = cells[row, place]
            if code == NOTHING:
                continue
            if middle == UNKNOWN and before not in (NOTHING, UNKNOWN) and code != UNKNOWN:
                # Twice the sum of the neighbours' values: use counts 2, mixed 1.
                total = 2 if before == USED else (1 if before == MIXED else 0)
                total += 2 if code == USED else (1 if code == MIXED else 0)
                cells[row, at] = USED if total >= 3 else (MIXED if total >= 1 else CLEAN)
            before, middle, at = middle, code, place


@compiled
def see_by_schedule(cells: Cells, begin: Places, end: Places, seen: Mask, out: Cells) -> None:
    """``out`` (n, n_schedule): the cells in view where the schedule looks, missed where the pattern is too short."""
    for row in range(cells.shape[0]):
        for place in range(out.shape[1]):
            if not seen[place]:
                out[row, place] = NOTHING
            elif begin[row] + place < end[row]:
                out[row, place] = cells[row, begin[row] + place]
            else:
                out[row, place] = UNKNOWN


@compiled
def count_cells(
    cells: Cells, begin: Places, end: Places, weights: Floats, out: Floats, due: Places, seen: Places
) -> None:
    """Sum of ``weights`` (5,) over the cells in view, and how many are due, and how many were seen."""
    for row in range(cells.shape[0]):
        total, n_due, n_missed = 0.0, 0, 0
        for place in range(begin[row], end[row]):
            code = cells[row, place]
            total += weights[code]
            n_due += code != NOTHING
            n_missed += code == UNKNOWN
        out[row], due[row], seen[row] = total, n_due, n_due - n_missed


@compiled
def count_sequence(cells: Cells, begin: Places, end: Places, sequence: Cells, out: Floats) -> None:
    """How often the sequence occurs among the due cells in view, without overlap."""
    size = sequence.shape[0]
    held = np.empty(cells.shape[1], np.uint8)
    for row in range(cells.shape[0]):
        n = 0
        for place in range(begin[row], end[row]):
            if cells[row, place] != NOTHING:
                held[n] = cells[row, place]
                n += 1
        found, at = 0, 0
        while at + size <= n:
            same = True
            for step in range(size):
                if held[at + step] != sequence[step]:
                    same = False
                    break
            found += same
            at += size if same else 1
        out[row] += found


@compiled
def longest_run(cells: Cells, begin: Places, end: Places, counts: Mask, out: Floats) -> None:
    """The longest run of cells whose code is in ``counts`` (5,)."""
    for row in range(cells.shape[0]):
        best = run = 0
        for place in range(begin[row], end[row]):
            code = cells[row, place]
            if code == NOTHING:
                continue
            run = run + 1 if counts[code] else 0
            best = max(best, run)
        out[row] = best


@compiled
def last_place(cells: Cells, begin: Places, end: Places, counts: Mask, out: Places) -> None:
    """The place (from 1) of the last cell in view whose code is in ``counts``; 0 where there is none."""
    for row in range(cells.shape[0]):
        out[row] = 0
        for place in range(end[row] - 1, begin[row] - 1, -1):
            if counts[cells[row, place]]:
                out[row] = place + 1
                break


@compiled
def first_window(
    cells: Cells,
    begin: Places,
    end: Places,
    counts: Mask,
    k: int,
    w: int,
    windows: FirstWindows,
) -> None:
    """The first ``w`` due cells in a row of which ``k`` are in ``counts`` (5,)."""
    found, start, first, done, last_start, last_due, n_due = windows
    where = np.empty(cells.shape[1], np.int32)
    for row in range(cells.shape[0]):
        n = 0
        found[row] = start[row] = first[row] = done[row] = last_start[row] = last_due[row] = 0
        inside = 0
        for place in range(begin[row], end[row]):
            code = cells[row, place]
            if code == NOTHING:
                continue
            where[n] = place
            n += 1
            inside += counts[code]
            if n > w:
                inside -= counts[cells[row, where[n - w - 1]]]
            if found[row] == 0 and n >= w and inside >= k:
                found[row] = 1
                start[row] = where[n - w] + 1
                counted = 0
                for step in range(n - w, n):
                    if counts[cells[row, where[step]]]:
                        counted += 1
                        if counted == 1:
                            first[row] = where[step] + 1
                        if counted == k:
                            done[row] = where[step] + 1
                            break
        n_due[row] = n
        if n > 0:
            last_due[row] = where[n - 1] + 1
        if n >= w:
            last_start[row] = where[n - w] + 1


@compiled
def weighted_index(
    cells: Cells,
    begin: Places,
    end: Places,
    weights: Floats,
    escalation: Escalations,
    out: Floats,
) -> None:
    """``worst`` × Σ weight × escalation over Σ max(weight of use × escalation, weight of missed × its escalation).

    A list of another length than the cells in view, or a worst case of 0, is no value (NaN).
    """
    listed, low, high, missed, worst = escalation
    for row in range(cells.shape[0]):
        n = end[row] - begin[row]
        if (listed.shape[0] > 0 and listed.shape[0] != n) or (missed.shape[0] > 0 and missed.shape[0] != n):
            out[row] = np.nan
            continue
        got = bound = 0.0
        for place in range(n):
            code = cells[row, begin[row] + place]
            if code == NOTHING:
                continue
            if listed.shape[0] > 0:
                times = listed[place]
            elif n > 1:
                times = low + (high - low) * place / (n - 1)
            else:
                times = low
            when_missed = missed[place] if missed.shape[0] > 0 else 1.0
            if code == UNKNOWN:
                got += weights[code] * when_missed
            elif code == CLEAN:
                got += weights[code]
            else:
                got += weights[code] * times
            bound += max(weights[USED] * times, weights[UNKNOWN] * when_missed)
        out[row] = worst * got / bound if bound > 0 else np.nan


@compiled
def unpack_letters(data: Cells, offsets: NDArray[np.int64], table: Cells, cells: Cells) -> int:
    """Codes of letters laid end to end, a row a word; the row of the first stray letter, or -1."""
    for row in range(cells.shape[0]):
        begin = offsets[row]
        for place in range(offsets[row + 1] - begin):
            code = table[data[begin + place]]
            if code == 255:
                return row
            cells[row, place] = code
    return -1
