"""Kernels of Cox regression; rows arrive sorted by stratum, then ascending time, within each trial."""

from __future__ import annotations

import math

import numpy as np

from equipoise.stats._small_linalg import cholesky, condition_number, invert_cholesky, kernel, solve_cholesky

BRESLOW, EFRON, EXACT = 0, 1, 2
CONVERGED, SINGULAR, STOPPED, DOUBTFUL_RANK = 0, 1, 2, 3
# Columns of ``quality``.
GRADIENT, ITERATIONS, CONDITION, PREDICTOR, STATUS, LOG_LIK, LOG_LIK_NULL, SCORE_TEST = 0, 1, 2, 3, 4, 5, 6, 7
N_QUALITY = 8

_DECREMENT = 1e-18
_DECREMENT_MONOTONE = 1e-12
_PREDICTOR_MONOTONE = 25.0
_MAX_ITERATIONS = 60
_CLEAR_RANK = 1e-6


@kernel(
    "void(float64[::1], float64[::1], int64[::1], float64[:, ::1], int64[::1], boolean[::1], int64, int64, int64,"
    " float64[:, ::1], float64[:, :, ::1], float64[:, ::1])"
)
def maximise_range(  # type: ignore[no-untyped-def]
    time, event, stratum, design, offsets, wanted, method, begin, end, beta, covariance, quality
):
    """Maximise the partial likelihood of the ``wanted`` trials of ``begin:end``, eq. (CX-1) to (CX-4)."""
    p = design.shape[1]
    mean = np.empty(p)
    information = np.zeros((p, p))
    factor = np.zeros((p, p))
    inverse = np.zeros((p, p))
    score = np.empty(p)
    step = np.empty(p)
    start = np.empty(p)
    b = np.empty(p)
    x = np.empty(p)
    # Sums over the risk set (row 0) and over the events of one time (row 1) of theta, theta x, theta x x'.
    s0 = np.zeros(2)
    s1 = np.zeros((2, p))
    s2 = np.zeros((2, p, p))
    for trial in range(begin, end):
        if not wanted[trial]:
            continue
        first = offsets[trial]
        stop = offsets[trial + 1]
        n = stop - first
        most = 0
        tied = 0
        for j in range(p):
            mean[j] = 0.0
            start[j] = 0.0
            step[j] = 0.0
        for i in range(first, stop):
            for j in range(p):
                mean[j] += design[i, j] / n
            if i == first or time[i] != time[i - 1] or stratum[i] != stratum[i - 1]:
                tied = 0
            if event[i] > 0.0:
                tied += 1
                most = max(most, tied)
        # Mean over all subsets of k of the risk set of the product of theta, and its derivatives.
        n_means = most + 1 if method == EXACT else 0
        e0 = np.zeros(n_means)
        e1 = np.zeros((n_means, p))
        e2 = np.zeros((n_means, p, p))
        before = -np.inf
        shrink = 1.0
        largest = 0.0
        ll = -np.inf
        status = STOPPED
        halvings = 0
        decrement = np.nan
        iteration = 0
        while iteration < _MAX_ITERATIONS:
            iteration += 1
            for j in range(p):
                b[j] = start[j] + shrink * step[j]
                score[j] = 0.0
                for k in range(j + 1):
                    information[j, k] = 0.0
            ll = 0.0
            product = 1.0
            largest = 0.0
            n_at_risk = 0
            i = stop - 1
            while i >= first:
                if i == stop - 1 or stratum[i] != stratum[i + 1]:
                    n_at_risk = 0
                    s0[0] = 0.0
                    for j in range(p):
                        s1[0, j] = 0.0
                        for k in range(j + 1):
                            s2[0, j, k] = 0.0
                    for m in range(n_means):
                        e0[m] = 1.0 if m == 0 else 0.0
                        for j in range(p):
                            e1[m, j] = 0.0
                            for k in range(j + 1):
                                e2[m, j, k] = 0.0
                s0[1] = 0.0
                for j in range(p):
                    s1[1, j] = 0.0
                    for k in range(j + 1):
                        s2[1, j, k] = 0.0
                n_events = 0
                now = time[i]
                here = stratum[i]
                while i >= first and time[i] == now and stratum[i] == here:
                    eta = 0.0
                    for j in range(p):
                        x[j] = design[i, j] - mean[j]
                        eta += x[j] * b[j]
                    largest = max(largest, abs(eta))
                    theta = np.exp(eta)
                    n_at_risk += 1
                    is_event = event[i] > 0.0
                    if is_event:
                        n_events += 1
                        ll += eta
                        for j in range(p):
                            score[j] += x[j]
                    if method == EXACT:
                        for m in range(min(most, n_at_risk), 0, -1):
                            old = (n_at_risk - m) / n_at_risk
                            new = m / n_at_risk * theta
                            for j in range(p):
                                for k in range(j + 1):
                                    e2[m, j, k] = old * e2[m, j, k] + new * (
                                        e2[m - 1, j, k]
                                        + x[j] * e1[m - 1, k]
                                        + x[k] * e1[m - 1, j]
                                        + x[j] * x[k] * e0[m - 1]
                                    )
                            for j in range(p):
                                e1[m, j] = old * e1[m, j] + new * (e1[m - 1, j] + x[j] * e0[m - 1])
                            e0[m] = old * e0[m] + new * e0[m - 1]
                    else:
                        for group in range(2 if is_event and method == EFRON else 1):
                            s0[group] += theta
                            for j in range(p):
                                tx = theta * x[j]
                                s1[group, j] += tx
                                for k in range(j + 1):
                                    s2[group, j, k] += tx * x[k]
                    i -= 1
                if n_events == 0:
                    continue
                if method == EXACT:
                    m = n_events
                    ll -= (
                        np.log(e0[m])
                        + math.lgamma(n_at_risk + 1.0)
                        - math.lgamma(m + 1.0)
                        - math.lgamma(n_at_risk - m + 1.0)
                    )
                    for j in range(p):
                        a = e1[m, j] / e0[m]
                        score[j] -= a
                        for k in range(j + 1):
                            information[j, k] += e2[m, j, k] / e0[m] - a * (e1[m, k] / e0[m])
                else:
                    for m in range(n_events):
                        fraction = m / n_events if method == EFRON else 0.0
                        # eq. (CX-2): each tied event leaves the denominator by this fraction.
                        total = s0[0] - fraction * s0[1]
                        product *= total
                        if product > 1e250 or product < 1e-250:
                            ll -= np.log(product)
                            product = 1.0
                        for j in range(p):
                            x[j] = (s1[0, j] - fraction * s1[1, j]) / total
                            score[j] -= x[j]
                            for k in range(j + 1):
                                information[j, k] += (s2[0, j, k] - fraction * s2[1, j, k]) / total - x[j] * x[k]
            ll -= np.log(product)
            for j in range(p):
                for k in range(j + 1):
                    factor[j, k] = information[j, k]
            singular = cholesky(factor, p) >= 0
            if iteration == 1:
                quality[trial, LOG_LIK_NULL] = ll
                doubtful = singular
                if not singular:
                    for j in range(p):
                        if factor[j, j] * factor[j, j] < _CLEAR_RANK * information[j, j]:
                            doubtful = True
                # The caller settles the rank, leaves this status in place, and calls again.
                if doubtful and quality[trial, STATUS] != DOUBTFUL_RANK:
                    status = DOUBTFUL_RANK
                    break
            if not ll >= before - 1e-12 * (1.0 + abs(before)):
                halvings += 1
                if halvings > 40:
                    break
                shrink *= 0.5
                continue
            if singular:
                status = SINGULAR
                break
            halvings = 0
            shrink = 1.0
            before = ll
            for j in range(p):
                start[j] = b[j]
                step[j] = score[j]
            solve_cholesky(factor, step, p)
            decrement = 0.0
            for j in range(p):
                decrement += step[j] * score[j]
            if iteration == 1:
                quality[trial, SCORE_TEST] = decrement
            if decrement < _DECREMENT or (largest > _PREDICTOR_MONOTONE and decrement < _DECREMENT_MONOTONE):
                for j in range(p):
                    start[j] += step[j]
                status = CONVERGED
                break
        if status == CONVERGED:
            invert_cholesky(factor, inverse, p)
            quality[trial, CONDITION] = condition_number(information, inverse, p)
            for j in range(p):
                for k in range(p):
                    covariance[trial, j, k] = inverse[j, k]
        for j in range(p):
            beta[trial, j] = start[j]
        quality[trial, LOG_LIK] = ll
        quality[trial, GRADIENT] = np.sqrt(abs(decrement))
        quality[trial, ITERATIONS] = iteration
        quality[trial, PREDICTOR] = largest
        quality[trial, STATUS] = status


@kernel(
    "void(float64[::1], float64[::1], int64[::1], float64[:, ::1], int64[::1], boolean[::1], int64, float64[:, ::1],"
    " float64[::1], int64, int64, float64[:, ::1], float64[:, ::1], float64[:, :, :, ::1])"
)
def residual_range(  # type: ignore[no-untyped-def]
    time, event, stratum, design, offsets, wanted, method, beta, transform, begin, end, score_rows, schoenfeld, moments
):
    """Score and Schoenfeld residuals at ``beta``, and the moments of the proportional-hazards test.

    ``score_rows`` and ``schoenfeld`` (n_rows, p), eq. (CX-5) and (PH-1); ``moments`` (n_trials, 3, p, p): the
    information weighted by 1, g and g squared, g being ``transform`` of the event time, eq. (PH-3).
    """
    p = design.shape[1]
    longest = 0
    for trial in range(begin, end):
        longest = max(longest, offsets[trial + 1] - offsets[trial])
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
