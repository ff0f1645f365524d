"""Kernel of the product-limit estimate and the log-rank family; rows arrive sorted by ascending time."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from equipoise.stats.kernels.compile import Cube, IntegerMatrix, Integers, Matrix, Vector, kernel

# Survival this close to one half counts as equal to it when the median is read off, as in R's survfit.
_HALF_TOLERANCE = 1.490116119384765625e-8


class GroupedRows(NamedTuple):
    """Survival rows of packed trials in ascending time, each of one of the groups compared."""

    time: Vector
    event: Vector
    group: Integers  # counted from 0
    offsets: Integers


class CurveTables(NamedTuple):
    """Product-limit curves, end to end in the order trial, group."""

    start: Integers  # (n_trials * n_groups,) where each begins in ``table``
    length: IntegerMatrix  # out (n_trials, n_groups) rows of each
    table: Matrix
    """Out: time, number at risk just before it, events, censored, survival, Greenwood's sum of d / (n (n - d)),
    eq. (KM-2)."""
    medians: Cube
    """Out (n_trials, n_groups, 3): median and its limits, where survival and its log-log limits first reach one half,
    eq. (KM-5); NaN else."""


class LogRankSums(NamedTuple):
    """Sums of the log-rank family; they come in as zeros."""

    observed: Matrix  # (n_trials, n_groups)
    expected: Matrix
    variance: Cube


@kernel("void(GroupedRows, float64, CurveTables, int64, int64)", GroupedRows, CurveTables)
def curve_range(rows, quantile, curves, begin, end):  # type: ignore[no-untyped-def]
    """Product-limit curves of every group of trials ``begin:end``; ``quantile`` is the normal one of the limits."""
    time, event, group, offsets = rows
    start, length, table, medians = curves
    n_groups = length.shape[1]
    levels = np.empty(3)
    done = np.empty(3, dtype=np.bool_)
    at_risk = np.empty(n_groups, dtype=np.int64)
    for trial in range(begin, end):
        first = offsets[trial]
        stop = offsets[trial + 1]
        for g in range(n_groups):
            at_risk[g] = 0
            length[trial, g] = 0
        for i in range(first, stop):
            at_risk[group[i]] += 1
        for i in range(first, stop):
            g = group[i]
            base = start[trial * n_groups + g]
            row = base + length[trial, g] - 1
            if row < base or table[row, 0] != time[i]:
                row += 1
                length[trial, g] += 1
                table[row, 0] = time[i]
                table[row, 1] = at_risk[g]
                table[row, 2] = 0.0
                table[row, 3] = 0.0
            if event[i] > 0.0:
                table[row, 2] += 1.0
            else:
                table[row, 3] += 1.0
            at_risk[g] -= 1
        for g in range(n_groups):
            base = start[trial * n_groups + g]
            survival = 1.0
            total = 0.0
            for c in range(3):
                medians[trial, g, c] = np.nan
                done[c] = False
            for row in range(base, base + length[trial, g]):
                n = table[row, 1]
                d = table[row, 2]
                if d > 0.0:
                    survival *= (n - d) / n
                    total += d / (n * (n - d))
                table[row, 4] = survival
                table[row, 5] = total
                if d > 0.0 and not (done[0] and done[1] and done[2]):
                    levels[0] = survival
                    levels[1] = np.nan
                    levels[2] = np.nan
                    if survival > 0.0:
                        log_s = np.log(survival)
                        stretch = np.exp(quantile * np.sqrt(total) / -log_s)
                        levels[1] = np.exp(log_s * stretch)
                        levels[2] = np.exp(log_s / stretch)
                    for c in range(3):
                        if not done[c] and levels[c] < 0.5 + _HALF_TOLERANCE:
                            below = levels[c] < 0.5 - _HALF_TOLERANCE
                            if np.isnan(medians[trial, g, c]):
                                medians[trial, g, c] = table[row, 0]
                                done[c] = below
                            elif below:
                                # The curve stood at one half from there to here.
                                medians[trial, g, c] = 0.5 * (medians[trial, g, c] + table[row, 0])
                                done[c] = True


@kernel("void(GroupedRows, int64[::1], float64, LogRankSums, int64, int64)", GroupedRows, LogRankSums)
def log_rank_range(rows, stratum, rho, counts, begin, end):  # type: ignore[no-untyped-def]
    """Weighted observed and expected events and their hypergeometric variance, eq. (LG-1) to (LG-3).

    Rows sorted by stratum, then ascending time; the weight is the left-continuous pooled survival of the stratum to
    the power ``rho``.
    """
    time, event, group, offsets = rows
    observed, expected, variance = counts
    n_groups = observed.shape[1]
    at_risk = np.empty(n_groups)
    events = np.empty(n_groups)
    leaving = np.empty(n_groups)
    for trial in range(begin, end):
        first = offsets[trial]
        stop = offsets[trial + 1]
        i = first
        survival = 1.0
        total = 0.0
        while i < stop:
            if i == first or stratum[i] != stratum[i - 1]:
                survival = 1.0
                total = 0.0
                for g in range(n_groups):
                    at_risk[g] = 0.0
                j = i
                while j < stop and stratum[j] == stratum[i]:
                    at_risk[group[j]] += 1.0
                    total += 1.0
                    j += 1
            for g in range(n_groups):
                events[g] = 0.0
                leaving[g] = 0.0
            d = 0.0
            head = i
            while i < stop and time[i] == time[head] and stratum[i] == stratum[head]:
                leaving[group[i]] += 1.0
                if event[i] > 0.0:
                    events[group[i]] += 1.0
                    d += 1.0
                i += 1
            if d > 0.0:
                weight = 1.0 if rho == 0.0 else survival**rho
                spread = d * (total - d) / (total - 1.0) if total > 1.0 else 0.0
                for g in range(n_groups):
                    share = at_risk[g] / total
                    observed[trial, g] += weight * events[g]
                    expected[trial, g] += weight * d * share
                    for h in range(n_groups):
                        same = 1.0 if g == h else 0.0
                        variance[trial, g, h] += weight * weight * spread * share * (same - at_risk[h] / total)
                survival *= (total - d) / total
            for g in range(n_groups):
                at_risk[g] -= leaving[g]
                total -= leaving[g]
