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
    """Maximise the partial likelihood of the ``wanted`` trials of ``begin:end``, eq. (CX-1) to (CX-4).

    Every row is laid out once as the vector (1, x, lower triangle of x x') of centred covariates, so that the sums
    over a risk set are one short loop.
    """
    p = design.shape[1]
    width = 1 + p + p * (p + 1) // 2
    longest = 0
    for trial in range(begin, end):
        longest = max(longest, offsets[trial + 1] - offsets[trial])
    z = np.empty((longest, width))
    mean = np.empty(p)
    events_x = np.empty(p)
    information = np.zeros((p, p))
    factor = np.zeros((p, p))
    inverse = np.zeros((p, p))
    score = np.empty(p)
    step = np.empty(p)
    start = np.empty(p)
    b = np.empty(p)
    # Sums of theta z over the risk set and over the events of one time.
    at_risk = np.empty(width)
    failing = np.empty(width)
    average = np.empty(p)
    for trial in range(begin, end):
        if not wanted[trial]:
            continue
        first = offsets[trial]
        n = offsets[trial + 1] - first
        most = 0
        tied = 0
        for j in range(p):
            mean[j] = 0.0
            events_x[j] = 0.0
            start[j] = 0.0
            step[j] = 0.0
        for i in range(n):
            for j in range(p):
                mean[j] += design[first + i, j] / n
        for i in range(n):
            row = first + i
            z[i, 0] = 1.0
            at = 1 + p
            for j in range(p):
                z[i, 1 + j] = design[row, j] - mean[j]
                for k in range(j + 1):
                    z[i, at] = z[i, 1 + j] * z[i, 1 + k]
                    at += 1
            if i == 0 or time[row] != time[row - 1] or stratum[row] != stratum[row - 1]:
                tied = 0
            if event[row] > 0.0:
                tied += 1
                most = max(most, tied)
                for j in range(p):
                    events_x[j] += z[i, 1 + j]
        # Mean over all subsets of m of the risk set of the product of theta, and its derivatives, eq. (CX-3).
        n_means = most + 1 if method == EXACT else 0
        means = np.zeros((n_means, width))
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
            ll = 0.0
            for j in range(p):
                b[j] = start[j] + shrink * step[j]
                score[j] = events_x[j]
                ll += events_x[j] * b[j]
                for k in range(j + 1):
                    information[j, k] = 0.0
            product = 1.0
            largest = 0.0
            n_at_risk = 0
            i = n - 1
            while i >= 0:
                row = first + i
                if i == n - 1 or stratum[row] != stratum[row + 1]:
                    n_at_risk = 0
                    for c in range(width):
                        at_risk[c] = 0.0
                    for m in range(n_means):
                        for c in range(width):
                            means[m, c] = 0.0
                        if m == 0:
                            means[0, 0] = 1.0
                n_events = 0
                now = time[row]
                here = stratum[row]
                while i >= 0 and time[first + i] == now and stratum[first + i] == here:
                    eta = 0.0
                    for j in range(p):
                        eta += z[i, 1 + j] * b[j]
                    largest = max(largest, abs(eta))
                    theta = np.exp(eta)
                    n_at_risk += 1
                    if method == EXACT:
                        for m in range(min(most, n_at_risk), 0, -1):
                            old = (n_at_risk - m) / n_at_risk
                            new = m / n_at_risk * theta
                            at = 1 + p
                            for j in range(p):
                                for k in range(j + 1):
                                    means[m, at] = old * means[m, at] + new * (
                                        means[m - 1, at]
                                        + z[i, 1 + j] * means[m - 1, 1 + k]
                                        + z[i, 1 + k] * means[m - 1, 1 + j]
                                        + z[i, at] * means[m - 1, 0]
                                    )
                                    at += 1
                            for j in range(1, p + 1):
                                means[m, j] = old * means[m, j] + new * (means[m - 1, j] + z[i, j] * means[m - 1, 0])
                            means[m, 0] = old * means[m, 0] + new * means[m - 1, 0]
                    else:
                        for c in range(width):
                            at_risk[c] += theta * z[i, c]
                    if event[first + i] > 0.0:
                        if n_events == 0:
                            for c in range(width):
                                failing[c] = theta * z[i, c]
                        else:
                            for c in range(width):
                                failing[c] += theta * z[i, c]
                        n_events += 1
                    i -= 1
                if n_events == 0:
                    continue
                n_steps = n_events
                if method == EXACT:
                    ll -= math.lgamma(n_at_risk + 1.0) - math.lgamma(n_events + 1.0)
                    ll += math.lgamma(n_at_risk - n_events + 1.0)
                    for c in range(width):
                        at_risk[c] = means[n_events, c]
                    n_steps = 1
                for m in range(n_steps):
                    # eq. (CX-2): each tied event leaves the denominator by this fraction.
                    fraction = m / n_events if method == EFRON else 0.0
                    total = at_risk[0] - fraction * failing[0]
                    product *= total
                    if product > 1e250 or product < 1e-250:
                        ll -= np.log(product)
                        product = 1.0
                    share = 1.0 / total
                    at = 1 + p
                    for j in range(p):
                        average[j] = (at_risk[1 + j] - fraction * failing[1 + j]) * share
                        score[j] -= average[j]
                        for k in range(j + 1):
                            information[j, k] += (at_risk[at] - fraction * failing[at]) * share - average[j] * average[
                                k
                            ]
                            at += 1
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
