"""Survival rows of packed trials, checked and put in the order the kernels want: stratum, then time, ties as given."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from equipoise.stats.codes import FitCode
from equipoise.stats.kernels.compile import Codes, Integers, Vector, kernel, part
from equipoise.stats.packing import FloatArray, IntArray, run_over_trials

# Rows whose places are found by counting: comparing all pairs side by side is faster than branching up to here.
_RUN = 64
_NOT_ESTIMABLE = int(FitCode.NOT_ESTIMABLE)
_NON_FINITE = int(FitCode.NON_FINITE_INPUT | FitCode.NOT_ESTIMABLE)
_NEGATIVE = int(FitCode.NEGATIVE_TIME | FitCode.NOT_ESTIMABLE)
_NOBODY = int(FitCode.TOO_FEW_PARTICIPANTS | FitCode.NOT_ESTIMABLE)
_AT_ENTRY = int(FitCode.EVENT_AT_ENTRY)
_NO_EVENTS, _ALL_EVENTS, _ALL_TIED = int(FitCode.NO_EVENTS), int(FitCode.ALL_EVENTS), int(FitCode.ALL_EVENTS_TIED)


@part("void(float64[::1], int64, int64[::1], int64[::1])")
def _sort_places(key, n, order, spare):  # type: ignore[no-untyped-def]
    """Stable order of ``key[:n]``: ``order[k]`` is the place of the k-th smallest."""
    for low in range(0, n, _RUN):
        run = key[low : min(low + _RUN, n)]
        size = run.shape[0]
        for i in range(size):
            here = run[i]
            place = low
            # Sums of comparisons from zero on: the compiler makes four at once.
            for j in range(size):
                place += run[j] < here
            for j in range(i):
                place += run[j] == here
            order[place] = low + i
    width = _RUN
    while width < n:
        for low in range(0, n - width, 2 * width):
            high = min(low + 2 * width, n)
            for i in range(width):
                spare[i] = order[low + i]
            a = 0
            b = low + width
            out = low
            while a < width:
                if b < high and key[order[b]] < key[spare[a]]:
                    order[out] = order[b]
                    b += 1
                else:
                    order[out] = spare[a]
                    a += 1
                out += 1
        width *= 2


class GivenRows(NamedTuple):
    """Survival rows of packed trials as they came."""

    time: Vector
    event: Vector
    stratum: Integers
    offsets: Integers


class ArrangedRows(NamedTuple):
    """Survival rows in ascending stratum, then ascending time, within each trial."""

    time: Vector
    event: Vector
    stratum: Integers
    order: Integers  # sorted row i is the caller's row order[i]
    codes: Codes  # (n_trials,) of what forbids or qualifies any survival estimate


@kernel("void(GivenRows, boolean, ArrangedRows, int64, int64)", GivenRows, ArrangedRows)
def _arrange_range(rows, is_ordered, arranged, begin, end):  # type: ignore[no-untyped-def]
    """Check trials ``begin:end``, write their ``order`` (unless ``is_ordered``), and lay their rows out by it."""
    time, event, stratum, offsets = rows
    sorted_time, sorted_event, sorted_stratum, order, codes = arranged
    longest = 0
    for trial in range(begin, end):
        longest = max(longest, offsets[trial + 1] - offsets[trial])
    key = np.empty(longest)
    by_time = np.empty(longest, dtype=np.int64)
    by_stratum = np.empty(longest, dtype=np.int64)
    spare = np.empty(longest, dtype=np.int64)
    for trial in range(begin, end):
        first = offsets[trial]
        n = offsets[trial + 1] - first
        code = 0 if n > 0 else _NOBODY
        events = 0
        early = np.inf
        late = -np.inf
        for i in range(n):
            t = time[first + i]
            d = event[first + i]
            # Times that are not finite count as zero here; such trials are never fitted.
            key[i] = t if np.isfinite(t) else 0.0
            if not np.isfinite(t) or not (d == 0.0 or d == 1.0):
                code |= _NON_FINITE
            if t < 0.0:
                code |= _NEGATIVE
            if d == 1.0:
                events += 1
                early = min(early, t)
                late = max(late, t)
                if t == 0.0:
                    code |= _AT_ENTRY
        if code & _NOT_ESTIMABLE == 0:
            if events == 0:
                code |= _NO_EVENTS
            if events == n:
                code |= _ALL_EVENTS
            if events >= 2 and early == late:
                code |= _ALL_TIED
        codes[trial] = code
        if not is_ordered:
            _sort_places(key, n, by_time, spare)
            is_stratified = False
            for i in range(n):
                order[first + i] = first + by_time[i]
                key[i] = stratum[first + by_time[i]]
                is_stratified |= stratum[first + i] != stratum[first]
            if is_stratified:
                _sort_places(key, n, by_stratum, spare)
                for i in range(n):
                    order[first + i] = first + by_time[by_stratum[i]]
        for i in range(first, first + n):
            sorted_time[i] = time[order[i]]
            sorted_event[i] = event[order[i]]
            sorted_stratum[i] = stratum[order[i]]


def arrange_rows(
    time: FloatArray,
    event: FloatArray,
    stratum: IntArray | None,
    offsets: IntArray,
    *,
    order: IntArray | None = None,
    threads: int | None = None,
) -> ArrangedRows:
    """Check and sort; ``order`` saves sorting again what was sorted without strata before."""
    n = time.shape[0]
    rows = GivenRows(time, event, np.zeros(n, dtype=np.int64) if stratum is None else stratum, offsets)
    out = ArrangedRows(
        np.empty(n),
        np.empty(n),
        np.empty(n, dtype=np.int64),
        np.empty(n, dtype=np.int64) if order is None else order,
        np.empty(offsets.shape[0] - 1, dtype=np.uint32),
    )
    run_over_trials(
        lambda begin, end: _arrange_range(rows, order is not None, out, begin, end),
        offsets.shape[0] - 1,
        threads=threads,
    )
    return out


def order_by_time(time: FloatArray, offsets: IntArray, *, threads: int | None = None) -> IntArray:
    """Row numbers (n_rows,) that put each trial's rows in ascending time, ties as given."""
    return arrange_rows(time, time, None, offsets, threads=threads).order
