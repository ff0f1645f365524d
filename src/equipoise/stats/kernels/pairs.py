"""The kernel of hierarchical comparisons: every pair of one participant of each arm, level by level."""

from __future__ import annotations

import numpy as np

from equipoise.stats.kernels.compile import kernel

# Kinds of a level: a number of which more is better; a time of which later, or sooner, is better.
NUMBER, LATER, SOONER = 0, 1, 2


@kernel(
    "void(Tuple((float64[:, ::1], boolean[:, ::1], int64[::1], float64[::1], boolean[::1], int64[::1])), int64, int64,"
    " Tuple((int64[:, ::1], int64[:, ::1], float64[::1], float64[::1])))"
)
def compare_pairs_range(data, begin, end, results):  # type: ignore[no-untyped-def]
    """Decide every pair of the groups ``begin:end``, eqs. (WR-1) and (WR-2).

    ``data`` and ``results`` are unpacked below. ``values`` (n, n_levels) are numbers or times, NaN where missing;
    ``events`` whether the time is of an event. ``wins`` and ``losses`` (n,) are the pairs that each participant won and
    lost; ``n_won`` and ``n_lost`` (n_groups, n_levels) count the experimental side's by the level that decided.
    """
    values, events, kinds, margins, experimental, offsets = data
    n_won, n_lost, wins, losses = results
    n_levels = values.shape[1]
    for group in range(begin, end):
        for i in range(offsets[group], offsets[group + 1]):
            if not experimental[i]:
                continue
            for j in range(offsets[group], offsets[group + 1]):
                if experimental[j]:
                    continue
                for level in range(n_levels):
                    a, b, margin = values[i, level], values[j, level], margins[level]
                    if np.isnan(a) or np.isnan(b):
                        continue
                    result = 0
                    if kinds[level] == NUMBER:
                        result = 1 if a - b > margin else -1 if b - a > margin else 0
                    else:
                        # Who is known without the event beyond the other's event has the later time. A time without
                        # an event at the day of the other's event is beyond it: the event came first on that day.
                        later = 0
                        if events[i, level] and (b - a > margin or (margin == 0.0 and a == b and not events[j, level])):
                            later = -1
                        elif events[j, level] and (
                            a - b > margin or (margin == 0.0 and a == b and not events[i, level])
                        ):
                            later = 1
                        result = later if kinds[level] == LATER else -later
                    if result == 1:
                        n_won[group, level] += 1
                        wins[i] += 1.0
                        losses[j] += 1.0
                        break
                    if result == -1:
                        n_lost[group, level] += 1
                        losses[i] += 1.0
                        wins[j] += 1.0
                        break
