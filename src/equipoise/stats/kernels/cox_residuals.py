"""Kernel of the residuals of Cox regression; rows arrive sorted by stratum, then ascending time, within each trial."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from equipoise.stats.kernels.compile import Blocks, Matrix, Vector, kernel
from equipoise.stats.kernels.cox import EFRON, SurvivalRows, longest_trial


class Residuals(NamedTuple):
    """Residuals at ``beta``, eq. (CX-5) and (PH-1), and the moments of the proportional-hazards test, eq. (PH-3)."""

    beta: Matrix  # (n_trials, p)
    transform: Vector  # (n_rows,) g, of the event time
    score_rows: Matrix  # out (n_rows, p)
    schoenfeld: Matrix  # out (n_rows, p)
    moments: Blocks  # out (n_trials, 3, p, p): the information weighted by 1, g and g squared


@kernel("void(SurvivalRows, int64, Residuals, int64, int64)", SurvivalRows, Residuals)
def residual_range(rows, method, residuals, begin, end):  # type: ignore[no-untyped-def]
    """Fill the outputs of ``residuals`` for the ``wanted`` trials of ``begin:end``."""
    time, event, stratum, design, offsets, wanted = rows
    beta, transform, score_rows, schoenfeld, moments = residuals
    p = design.shape[1]
    longest = longest_trial(rows, begin, end)
    theta = np.empty(longest)
    # For each distinct event time, at its first row: sums over the events' steps of 1/total and mean/total, plain
    # and weighted by the fraction removed, and the average mean.
    hazard = np.zeros((longest, 2))
    weighted = np.zeros((longest, 2, p))
    s0 = np.zeros(2)
    s1 = np.zeros((2, p))
    s2 = np.zeros((2, p, p))
    mean = np.empty(p)
    average = np.empty(p)
    a = np.zeros(1 + p)
    for trial in range(begin, end):
        if not wanted[trial]:
            continue
        first = offsets[trial]
        stop = offsets[trial + 1]
        largest = -np.inf
        for i in range(first, stop):
            eta = 0.0
            for j in range(p):
                eta += design[i, j] * beta[trial, j]
            theta[i - first] = eta
            largest = max(largest, eta)
        for i in range(stop - first):
            theta[i] = np.exp(theta[i] - largest)
        i = stop - 1
        while i >= first:
            for group in range(2):
                if group == 1 or i == stop - 1 or stratum[i] != stratum[i + 1]:
                    s0[group] = 0.0
                    for j in range(p):
                        s1[group, j] = 0.0
                        for k in range(p):
                            s2[group, j, k] = 0.0
            n_events = 0
            last = i
            while i >= first and time[i] == time[last] and stratum[i] == stratum[last]:
                is_event = event[i] > 0.0
                n_events += 1 if is_event else 0
                for group in range(2 if is_event and method == EFRON else 1):
                    s0[group] += theta[i - first]
                    for j in range(p):
                        s1[group, j] += theta[i - first] * design[i, j]
                        for k in range(p):
                            s2[group, j, k] += theta[i - first] * design[i, j] * design[i, k]
                i -= 1
            at = i + 1 - first
            for group in range(2):
                hazard[at, group] = 0.0
                for j in range(p):
                    weighted[at, group, j] = 0.0
            if n_events == 0:
                continue
            g = transform[last]
            for j in range(p):
                average[j] = 0.0
            for m in range(n_events):
                fraction = m / n_events if method == EFRON else 0.0
                total = s0[0] - fraction * s0[1]
                hazard[at, 0] += 1.0 / total
                hazard[at, 1] += (1.0 - fraction) / total
                for j in range(p):
                    mean[j] = (s1[0, j] - fraction * s1[1, j]) / total
                    average[j] += mean[j] / n_events
                    weighted[at, 0, j] += mean[j] / total
                    weighted[at, 1, j] += (1.0 - fraction) * mean[j] / total
                    for k in range(j + 1):
                        v = (s2[0, j, k] - fraction * s2[1, j, k]) / total - mean[j] * mean[k]
                        moments[trial, 0, j, k] += v
                        moments[trial, 1, j, k] += g * v
                        moments[trial, 2, j, k] += g * g * v
            for row in range(i + 1, last + 1):
                if event[row] > 0.0:
                    for j in range(p):
                        schoenfeld[row, j] = design[row, j] - average[j]
        # Forward in time: what every row lost to the risk sets it was in, eq. (CX-5).
        for row in range(first, stop):
            at = row - first
            starts_stratum = row == first or stratum[row] != stratum[row - 1]
            if starts_stratum:
                for j in range(p + 1):
                    a[j] = 0.0
            if starts_stratum or time[row] != time[row - 1]:
                # a holds the sums over earlier event times; those of this time are added row by row below.
                head = at
            is_event = event[row] > 0.0
            group = 1 if is_event and method == EFRON else 0
            for j in range(p):
                lost = design[row, j] * (a[0] + hazard[head, group]) - (a[1 + j] + weighted[head, group, j])
                score_rows[row, j] = schoenfeld[row, j] - theta[at] * lost
            if row == stop - 1 or time[row + 1] != time[row]:
                a[0] += hazard[head, 0]
                for j in range(p):
                    a[1 + j] += weighted[head, 0, j]
        for block in range(3):
            for j in range(p):
                for k in range(j):
                    moments[trial, block, k, j] = moments[trial, block, j, k]
