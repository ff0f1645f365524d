"""Rows of packed trials in the order survival kernels want: by stratum, then by time, ties as they came."""

from __future__ import annotations

import numpy as np

from equipoise.stats._small_linalg import kernel
from equipoise.stats.packing import FloatArray, IntArray, run_over_trials


@kernel("void(int64[::1], float64[::1], int64[::1], int64, int64, int64[::1])")
def _sort_range(stratum, time, offsets, begin, end, order):  # type: ignore[no-untyped-def]
    """Write row numbers of trials ``begin:end`` into ``order``; stable merge sort, bottom up."""
    longest = 0
    for trial in range(begin, end):
        longest = max(longest, offsets[trial + 1] - offsets[trial])
    spare = np.empty(longest, dtype=np.int64)
    for trial in range(begin, end):
        first = offsets[trial]
        stop = offsets[trial + 1]
        # Runs of eight by insertion, then merging.
        for low in range(first, stop, 8):
            for i in range(low, min(low + 8, stop)):
                k = i
                while k > low:
                    other = order[k - 1]
                    if stratum[i] > stratum[other] or (stratum[i] == stratum[other] and time[i] >= time[other]):
                        break
                    order[k] = other
                    k -= 1
                order[k] = i
        width = 8
        while width < stop - first:
            for low in range(first, stop - width, 2 * width):
                middle = low + width
                high = min(low + 2 * width, stop)
                for i in range(width):
                    spare[i] = order[low + i]
                a = 0
                b = middle
                out = low
                while a < width:
                    left = spare[a]
                    take = True
                    if b < high:
                        right = order[b]
                        take = stratum[left] < stratum[right] or (
                            stratum[left] == stratum[right] and time[left] <= time[right]
                        )
                    if take:
                        order[out] = left
                        a += 1
                    else:
                        order[out] = order[b]
                        b += 1
                    out += 1
            width *= 2


def order_by_time(stratum: IntArray, time: FloatArray, offsets: IntArray, *, threads: int | None = None) -> IntArray:
    """Row numbers (n_rows,) that put each trial's rows in ascending stratum, then ascending time, then as given.

    Times that are not finite count as zero; such trials are coded and never fitted.
    """
    if not np.isfinite(time).all():
        time = np.nan_to_num(time)
    order = np.empty(time.shape[0], dtype=np.int64)
    run_over_trials(
        lambda begin, end: _sort_range(stratum, time, offsets, begin, end, order),
        offsets.shape[0] - 1,
        threads=threads,
    )
    return order
