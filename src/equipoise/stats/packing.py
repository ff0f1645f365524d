"""Trials packed end to end, and the thread pool that runs a kernel over them.

Ten thousand trials of unequal size are one long array and an array of offsets: trial ``k`` owns rows
``offsets[k]:offsets[k + 1]``. Kernels are compiled without the interpreter lock and handle a range of trials
sequentially, so results do not depend on how many threads there are or how the work was cut.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]


def offsets_from_sizes(sizes: NDArray[np.integer] | list[int]) -> IntArray:
    """Offsets of groups that lie end to end: ``[0, sizes[0], sizes[0] + sizes[1], ...]``."""
    out = np.zeros(len(sizes) + 1, dtype=np.int64)
    np.cumsum(np.asarray(sizes, dtype=np.int64), out=out[1:])
    return out


def single_trial(n_rows: int) -> IntArray:
    """Offsets of a batch of one trial with ``n_rows`` rows."""
    return np.array([0, n_rows], dtype=np.int64)


def trial_of_row(offsets: IntArray) -> IntArray:
    """The trial (n_rows,) that each packed row belongs to."""
    return np.repeat(np.arange(offsets.shape[0] - 1, dtype=np.int64), np.diff(offsets))


def sum_by_trial(values: FloatArray, offsets: IntArray) -> FloatArray:
    """Sums (n_trials, ...) of packed ``values`` (n_rows, ...), each in row order; an empty trial sums to 0."""
    out = np.zeros((offsets.shape[0] - 1, *values.shape[1:]))
    filled = np.flatnonzero(np.diff(offsets) > 0)
    # reduceat gives the next element for an empty group, so only the filled ones are asked for.
    if filled.size:
        out[filled] = np.add.reduceat(values, offsets[filled], axis=0)
    return out


def any_by_trial(flags: NDArray[np.bool_], offsets: IntArray) -> NDArray[np.bool_]:
    """Whether any row of each trial is flagged (n_trials,); ``flags`` (n_rows,) or (n_rows, p)."""
    out = np.zeros(offsets.shape[0] - 1, dtype=np.bool_)
    if flags.any():
        rows = flags if flags.ndim == 1 else flags.any(axis=1)
        out[trial_of_row(offsets)[rows]] = True
    return out


def rows_of_trials(chosen: IntArray, offsets: IntArray) -> tuple[IntArray, IntArray]:
    """Row numbers of the ``chosen`` trials end to end, and the offsets of that smaller packing."""
    sizes = offsets[chosen + 1] - offsets[chosen]
    packed = offsets_from_sizes(sizes)
    rows = np.arange(packed[-1], dtype=np.int64) + np.repeat(offsets[chosen] - packed[:-1], sizes)
    return rows, packed


def canonical_order(offsets: IntArray, *columns: NDArray[np.generic]) -> IntArray:
    """Row numbers that sort each trial by ``columns``, first column first, keeping trials in place.

    Sums of floating-point numbers depend on their order in the last digit; after this sort no estimate depends on the
    order in which rows arrived, bit for bit.
    """
    return np.lexsort((*reversed(columns), trial_of_row(offsets))).astype(np.int64)


_OF_THIS_THREAD = threading.local()


@contextmanager
def on_one_thread() -> Iterator[None]:
    """Within it, whoever names no number of threads gets one: for callers that keep all cores busy themselves."""
    before = getattr(_OF_THIS_THREAD, "limit", None)
    _OF_THIS_THREAD.limit = 1
    try:
        yield
    finally:
        _OF_THIS_THREAD.limit = before


def default_threads() -> int:
    """Threads to use when the caller names none: one for each core this process may use."""
    limit: int | None = getattr(_OF_THIS_THREAD, "limit", None)
    if limit is not None:
        return limit
    try:
        return max(1, len(os.sched_getaffinity(0)))
    except AttributeError:  # not on Linux
        return max(1, os.cpu_count() or 1)


def chunks_of_trials(n_trials: int, n_threads: int, largest: int = 256, smallest: int = 4) -> list[tuple[int, int]]:
    """Ranges that cover ``range(n_trials)``, large ones first, each an eighth of a thread's share of what is left.

    Trials take unequal times. Threads that take the next range whenever they are free then end together, and a call
    is made for few trials only towards the end.
    """
    bounds = []
    first = 0
    while first < n_trials:
        size = min(max(-(-(n_trials - first) // (8 * n_threads)), smallest), largest)
        bounds.append((first, min(first + size, n_trials)))
        first += size
    return bounds


def run_over_trials(
    kernel: Callable[[int, int], None], n_trials: int, *, threads: int | None = None, chunk: int = 256
) -> None:
    """Call ``kernel(first, stop)`` over ``range(n_trials)`` in chunks, on ``threads`` threads, this one among them.

    ``kernel`` must release the interpreter lock, write only to the entries ``first:stop`` of its outputs, and treat
    each trial on its own. On one thread the batch is a single chunk. An exception of any chunk is raised here.
    """
    n_threads = default_threads() if threads is None else threads
    if n_threads <= 1 or n_trials <= 1:
        kernel(0, n_trials)
        return
    waiting = deque(chunks_of_trials(n_trials, n_threads, chunk))
    failures: list[BaseException] = []

    def work() -> None:
        while not failures:
            try:
                first, stop = waiting.popleft()
            except IndexError:
                return
            try:
                kernel(first, stop)
            except BaseException as error:
                failures.append(error)

    others = [threading.Thread(target=work) for _ in range(min(n_threads, len(waiting)) - 1)]
    for other in others:
        other.start()
    work()
    for other in others:
        other.join()
    if failures:
        raise failures[0]
