"""Kernel of Cox regression with exact (discrete) ties; compiled when such a fit is first asked for."""

from __future__ import annotations

import math

import numpy as np

from equipoise.stats.kernels.compile import kernel, part
from equipoise.stats.kernels.cox import (
    LARGEST_PREDICTOR,
    CoxMaxima,
    SurvivalRows,
    advance_newton,
    begin_newton,
    fill_predictor,
    lay_out_trial,
    longest_trial,
    make_room,
    settle_newton,
)


@part("void(float64[:, ::1], int64, float64, int64, int64, float64[:, ::1])")
def _add_row(z, i, theta, n_at_risk, most, means):  # type: ignore[no-untyped-def]
    """Let row i join the risk set, which then has ``n_at_risk``: eq. (CX-3) for subsets of up to ``most``."""
    p = 0
    while 1 + p + p * (p + 1) // 2 < means.shape[1]:
        p += 1
    for m in range(min(most, n_at_risk), 0, -1):
        old = (n_at_risk - m) / n_at_risk
        new = m / n_at_risk * theta
        at = 1 + p
        for j in range(p):
            for k in range(j + 1):
                means[m, at] = old * means[m, at] + new * (
                    means[m - 1, at]
                    + z[1 + j, i] * means[m - 1, 1 + k]
                    + z[1 + k, i] * means[m - 1, 1 + j]
                    + z[at, i] * means[m - 1, 0]
                )
                at += 1
        for j in range(1, p + 1):
            means[m, j] = old * means[m, j] + new * (means[m - 1, j] + z[j, i] * means[m - 1, 0])
        means[m, 0] = old * means[m, 0] + new * means[m - 1, 0]


@kernel("void(SurvivalRows, CoxMaxima, int64, int64)", SurvivalRows, CoxMaxima)
def maximise_exact_range(rows, found, begin, end):  # type: ignore[no-untyped-def]
    """Maximise the exact partial likelihood of the ``wanted`` trials of ``begin:end``, eq. (CX-3).

    ``means[m]`` is the mean over all subsets of m of the risk set of the product of theta, with its derivatives.
    """
    time, event, stratum, design, offsets, wanted = rows
    p = design.shape[1]
    width = 1 + p + p * (p + 1) // 2
    longest = longest_trial(rows, begin, end)
    z = np.empty((width, longest))
    theta = np.empty(longest)
    average = np.empty(p)
    events_x = np.empty(p)
    climb = make_room(p)
    information, score, b = climb.information, climb.score, climb.b
    for trial in range(begin, end):
        if not wanted[trial]:
            continue
        first = offsets[trial]
        n = offsets[trial + 1] - first
        lay_out_trial(design, first, n, z)
        for j in range(p):
            events_x[j] = 0.0
        most = 0
        tied = 0
        for i in range(n):
            row = first + i
            if i == 0 or time[row] != time[row - 1] or stratum[row] != stratum[row - 1]:
                tied = 0
            if event[row] > 0.0:
                tied += 1
                most = max(most, tied)
                for j in range(p):
                    events_x[j] += z[1 + j, i]
        means = np.zeros((most + 1, width))
        begin_newton(climb)
        status = -1
        ll = 0.0
        largest = 0.0
        while status < 0:
            largest = fill_predictor(z, n, b, theta)
            ll = 0.0
            for j in range(p):
                ll += events_x[j] * b[j]
                score[j] = events_x[j]
                for k in range(j + 1):
                    information[j, k] = 0.0
            if not largest < LARGEST_PREDICTOR:
                ll = -np.inf
            n_at_risk = 0
            i = n - 1
            while i >= 0 and ll > -np.inf:
                now = time[first + i]
                here = stratum[first + i]
                if i == n - 1 or here != stratum[first + i + 1]:
                    n_at_risk = 0
                    for m in range(most + 1):
                        for c in range(width):
                            means[m, c] = 0.0
                    means[0, 0] = 1.0
                n_events = 0
                while i >= 0 and time[first + i] == now and stratum[first + i] == here:
                    n_at_risk += 1
                    _add_row(z, i, np.exp(theta[i]), n_at_risk, most, means)
                    if event[first + i] > 0.0:
                        n_events += 1
                    i -= 1
                if n_events == 0:
                    continue
                ll -= math.lgamma(n_at_risk + 1.0) - math.lgamma(n_events + 1.0)
                ll += math.lgamma(n_at_risk - n_events + 1.0) - np.log(means[n_events, 0])
                share = 1.0 / means[n_events, 0]
                at = 1 + p
                for j in range(p):
                    average[j] = means[n_events, 1 + j] * share
                    score[j] -= average[j]
                    for k in range(j + 1):
                        information[j, k] += means[n_events, at] * share - average[j] * average[k]
                        at += 1
            status = advance_newton(ll, largest, climb, found.quality[trial])
        settle_newton(status, ll, largest, climb, found, trial)
