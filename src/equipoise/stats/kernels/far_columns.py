"""Which columns of a design lie far from zero for their spread, as a calendar year does?"""

from __future__ import annotations

import numpy as np

from equipoise.stats.kernels.compile import kernel

# A column whose mean is this many standard deviations from zero costs a regression that squares it three digits.
FAR = 16.0


@kernel("void(float64[:, ::1], int64[::1], int64, int64, float64[:, ::1], float64[:, ::1], int64[::1])")
def find_far_range(design, offsets, begin, end, shift, scale, constant):  # type: ignore[no-untyped-def]
    """For trials ``begin:end``: means and standard deviations of far columns, and which column is of ones.

    ``shift`` comes in as zeros, ``scale`` as ones, ``constant`` as minus ones. A trial without a column of ones has
    nothing to take a mean off into, and is left as it is.
    """
    p = design.shape[1]
    total = np.empty(p)
    square = np.empty(p)
    for trial in range(begin, end):
        first = offsets[trial]
        n = offsets[trial + 1] - first
        if n < 2:
            continue
        for j in range(p):
            total[j] = 0.0
            square[j] = 0.0
        # From the first row, so that a large mean costs the spread no digits.
        for i in range(first + 1, first + n):
            for j in range(p):
                d = design[i, j] - design[first, j]
                total[j] += d
                square[j] += d * d
        for j in range(p - 1, -1, -1):
            if square[j] == 0.0 and design[first, j] == 1.0:
                constant[trial] = j
        if constant[trial] < 0:
            continue
        for j in range(p):
            mean = design[first, j] + total[j] / n
            variance = square[j] / n - (total[j] / n) * (total[j] / n)
            if variance > 0.0 and mean * mean > FAR * FAR * variance and mean * mean < np.inf:
                shift[trial, j] = mean
                scale[trial, j] = np.sqrt(variance)
