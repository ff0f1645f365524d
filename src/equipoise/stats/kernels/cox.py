"""Kernels of Cox regression; rows arrive sorted by stratum, then ascending time, within each trial."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from equipoise.stats.kernels.compile import Cube, Flags, Integers, Matrix, Vector, kernel, part
from equipoise.stats.kernels.linear_algebra import cholesky, condition_number, invert_cholesky, solve_cholesky
from equipoise.stats.kernels.vector_math import exponential

BRESLOW, EFRON, EXACT = 0, 1, 2
CONVERGED, SINGULAR, STOPPED, DOUBTFUL_RANK = 0, 1, 2, 3
# Columns of ``quality``.
GRADIENT, ITERATIONS, CONDITION, PREDICTOR, STATUS, LOG_LIK, LOG_LIK_NULL, SCORE_TEST, WALD = 0, 1, 2, 3, 4, 5, 6, 7, 8
N_QUALITY = 9
# What Newton's method keeps from step to step.
BEFORE, SHRINK, HALVINGS, STEPS, DECREMENT = 0, 1, 2, 3, 4
N_CONTROL = 5
_GO_ON = -1

_DECREMENT = 1e-18
_DECREMENT_MONOTONE = 1e-12
_PREDICTOR_MONOTONE = 25.0
# Beyond it the exponential is cut off; a step that leads there is halved.
LARGEST_PREDICTOR = 690.0
_MAX_ITERATIONS = 60
_CLEAR_RANK = 1e-6


class SurvivalRows(NamedTuple):
    """Survival rows of packed trials, each trial's by stratum and time."""

    time: Vector
    event: Vector
    stratum: Integers
    design: Matrix  # (n_rows, p)
    offsets: Integers  # (n_trials + 1,)
    wanted: Flags  # (n_trials,)


class CoxMaxima(NamedTuple):
    """Where each trial's likelihood is largest."""

    beta: Matrix  # (n_trials, p)
    covariance: Cube
    quality: Matrix  # the columns named above


class CoxClimb(NamedTuple):
    """Newton's method on one trial: derivatives at the point ``b``, and the point that it steps from."""

    information: Matrix
    factor: Matrix
    inverse: Matrix
    score: Vector
    step: Vector
    start: Vector
    b: Vector
    control: Vector


@part("int64(SurvivalRows, int64, int64)", SurvivalRows)
def longest_trial(rows, begin, end):  # type: ignore[no-untyped-def]
    """SurvivalRows of the longest of the trials."""
    longest = 0
    for trial in range(begin, end):
        longest = max(longest, rows.offsets[trial + 1] - rows.offsets[trial])
    return longest


@part("void(float64[:, ::1], int64, int64, float64[:, ::1])")
def lay_out_trial(design, first, n, z):  # type: ignore[no-untyped-def]
    """Fill ``z`` (at least 1 + p + p (p + 1) / 2, n): 1, x, lower triangle of x x', of covariates about their mean."""
    p = design.shape[1]
    for i in range(n):
        z[0, i] = 1.0
    at = 1 + p
    for j in range(p):
        total = 0.0
        for i in range(n):
            total += design[first + i, j]
        mean = total / n
        for i in range(n):
            z[1 + j, i] = design[first + i, j] - mean
        for k in range(j + 1):
            for i in range(n):
                z[at, i] = z[1 + j, i] * z[1 + k, i]
            at += 1


@part("CoxClimb(int64)", CoxClimb)
def make_room(p):  # type: ignore[no-untyped-def]
    """Room for the climb of ``p`` coefficients."""
    information, factor, inverse = np.zeros((p, p)), np.zeros((p, p)), np.zeros((p, p))
    return CoxClimb(
        information, factor, inverse, np.empty(p), np.empty(p), np.empty(p), np.empty(p), np.empty(N_CONTROL)
    )


@part("void(CoxClimb)", CoxClimb)
def begin_newton(climb):  # type: ignore[no-untyped-def]
    """Start from zero."""
    start, step, b, control = climb.start, climb.step, climb.b, climb.control
    for j in range(b.shape[0]):
        start[j] = 0.0
        step[j] = 0.0
        b[j] = 0.0
    control[BEFORE] = -np.inf
    control[SHRINK] = 1.0
    control[HALVINGS] = 0.0
    control[STEPS] = 0.0
    control[DECREMENT] = np.nan


@part("int64(float64, float64, CoxClimb, float64[::1])", CoxClimb)
def advance_newton(ll, largest, climb, quality):  # type: ignore[no-untyped-def]
    """Judge the point ``b`` and write the next one there: negative to go on, else the status; ``quality`` is a row."""
    information, factor, _, score, step, start, b, control = climb
    p = score.shape[0]
    control[STEPS] += 1.0
    is_first = control[STEPS] == 1.0
    for j in range(p):
        for k in range(j + 1):
            factor[j, k] = information[j, k]
    singular = cholesky(factor, p) >= 0
    if is_first:
        quality[LOG_LIK_NULL] = ll
        doubtful = singular
        if not singular:
            for j in range(p):
                if factor[j, j] * factor[j, j] < _CLEAR_RANK * information[j, j]:
                    doubtful = True
        # The caller settles the rank, leaves this status in place, and calls again.
        if doubtful and quality[STATUS] != DOUBTFUL_RANK:
            return DOUBTFUL_RANK
    before = control[BEFORE]
    if ll >= before - 1e-12 * (1.0 + abs(before)):
        if singular:
            return SINGULAR
        control[HALVINGS] = 0.0
        control[SHRINK] = 1.0
        control[BEFORE] = ll
        for j in range(p):
            start[j] = b[j]
            step[j] = score[j]
        solve_cholesky(factor, step, p)
        decrement = 0.0
        for j in range(p):
            decrement += step[j] * score[j]
        control[DECREMENT] = decrement
        if is_first:
            quality[SCORE_TEST] = decrement
        if decrement < _DECREMENT or (largest > _PREDICTOR_MONOTONE and decrement < _DECREMENT_MONOTONE):
            for j in range(p):
                start[j] += step[j]
            return CONVERGED
    else:
        control[HALVINGS] += 1.0
        if control[HALVINGS] > 40.0:
            return STOPPED
        control[SHRINK] *= 0.5
    for j in range(p):
        b[j] = start[j] + control[SHRINK] * step[j]
    return STOPPED if control[STEPS] >= _MAX_ITERATIONS else _GO_ON


@part("void(int64, float64, float64, CoxClimb, CoxMaxima, int64)", CoxClimb, CoxMaxima)
def settle_newton(status, ll, largest, climb, found, trial):  # type: ignore[no-untyped-def]
    """Write the outcome of one trial."""
    information, factor, inverse, _, _, start, _, control = climb
    beta, covariance, quality = found.beta[trial], found.covariance[trial], found.quality[trial]
    p = beta.shape[0]
    if status == CONVERGED:
        invert_cholesky(factor, inverse, p)
        quality[CONDITION] = condition_number(information, inverse, p)
        wald = 0.0
        for j in range(p):
            for k in range(p):
                covariance[j, k] = inverse[j, k]
            wald += start[j] * start[j] * information[j, j]
            for k in range(j):
                wald += 2.0 * start[j] * start[k] * information[j, k]
        quality[WALD] = wald
    for j in range(p):
        beta[j] = start[j]
    quality[LOG_LIK] = ll
    quality[GRADIENT] = np.sqrt(abs(control[DECREMENT]))
    quality[ITERATIONS] = control[STEPS]
    quality[PREDICTOR] = largest
    quality[STATUS] = status


@part("float64(float64[:, ::1], int64, float64[::1], float64[::1])")
def fill_predictor(z, n, b, eta):  # type: ignore[no-untyped-def]
    """Linear predictors of the n rows; returns the largest absolute one."""
    for i in range(n):
        eta[i] = 0.0
    for j in range(b.shape[0]):
        for i in range(n):
            eta[i] += z[1 + j, i] * b[j]
    largest = 0.0
    for i in range(n):
        largest = max(largest, abs(eta[i]))
    return largest


@part("int64(float64[::1], float64[::1], int64[::1], int64[:, ::1], int64[:, ::1], float64[::1])")
def _find_deaths(time, event, stratum, events, ties, fraction):  # type: ignore[no-untyped-def]
    """Lay out the events, latest first; returns how many.

    ``events``: the first row of each one's time, its own row. ``ties``, a row for each time with several events, up to
    one whose number is 0: number of events, place of the first of them in ``events``. ``fraction``: the part of the
    tied events that has left the denominator by the time of each, eq. (CX-2).
    """
    n_steps = 0
    n_ties = 0
    i = time.shape[0] - 1
    while i >= 0:
        now = time[i]
        here = stratum[i]
        d = 0
        while i >= 0 and time[i] == now and stratum[i] == here:
            if event[i] > 0.0:
                events[n_steps + d, 1] = i
                d += 1
            i -= 1
        for m in range(d):
            events[n_steps + m, 0] = i + 1
            fraction[n_steps + m] = m / d
        if d > 1:
            ties[n_ties, 0] = d
            ties[n_ties, 1] = n_steps
            n_ties += 1
        n_steps += d
    ties[n_ties, 0] = 0
    return n_steps


@part("void(float64[:, ::1], float64[::1], int64[::1], float64[:, ::1])")
def _sum_risk_sets(z, theta, stratum, sums):  # type: ignore[no-untyped-def]
    """``sums[c, i]``: theta times ``z[c]`` added up over the stratum from its last row back to row i."""
    n = stratum.shape[0]
    # Three columns at a time, so that the processor need not wait for one addition before the next.
    for c in range(0, z.shape[0], 3):
        a0 = 0.0
        a1 = 0.0
        a2 = 0.0
        here = stratum[n - 1]
        for i in range(n - 1, -1, -1):
            if stratum[i] != here:
                here = stratum[i]
                a0 = 0.0
                a1 = 0.0
                a2 = 0.0
            a0 += theta[i] * z[c, i]
            a1 += theta[i] * z[c + 1, i]
            a2 += theta[i] * z[c + 2, i]
            sums[c, i] = a0
            sums[c + 1, i] = a1
            sums[c + 2, i] = a2


@part("void(float64[:, ::1], float64[::1], int64[:, ::1], int64[:, ::1], float64[::1], float64[:, ::1])")
def _take_off_ties(z, theta, events, ties, fraction, totals):  # type: ignore[no-untyped-def]
    """Let each of the events of one time leave the denominator by its fraction, eq. (CX-2)."""
    t = 0
    while ties[t, 0] > 0:
        begin = ties[t, 1]
        stop = begin + ties[t, 0]
        for c in range(z.shape[0]):
            failing = 0.0
            for s in range(begin, stop):
                failing += theta[events[s, 1]] * z[c, events[s, 1]]
            for s in range(begin + 1, stop):
                totals[c, s] -= fraction[s] * failing
        t += 1


@part("float64(float64[:, ::1], int64, float64[::1], float64[:, ::1])")
def _add_events(totals, n_steps, score, information):  # type: ignore[no-untyped-def]
    """Take each event's mean off ``score``, add its variance to ``information``; returns minus the logarithms."""
    p = score.shape[0]
    ll = 0.0
    product = 1.0
    for s in range(n_steps):
        product *= totals[0, s]
        if product > 1e250 or product < 1e-250:
            ll -= np.log(product)
            product = 1.0
        totals[0, s] = 1.0 / totals[0, s]
    at = 1 + p
    for j in range(p):
        sum_x = score[j]
        for s in range(n_steps):
            totals[1 + j, s] *= totals[0, s]
            sum_x -= totals[1 + j, s]
        score[j] = sum_x
        for k in range(j + 1):
            sum_xx = 0.0
            for s in range(n_steps):
                sum_xx += totals[at, s] * totals[0, s] - totals[1 + j, s] * totals[1 + k, s]
            information[j, k] = sum_xx
            at += 1
    return ll - np.log(product)


@kernel("void(SurvivalRows, int64, CoxMaxima, int64, int64)", SurvivalRows, CoxMaxima)
def maximise_range(rows, method, found, begin, end):  # type: ignore[no-untyped-def]
    """Maximise the partial likelihood of the ``wanted`` trials of ``begin:end`` with Efron's or Breslow's ties.

    Equations (CX-1) and (CX-2). Every row is laid out once as the vector (1, x, lower triangle of x x') of centred
    covariates; their sums over all risk sets are one pass back through time.
    """
    time, event, stratum, design, offsets, wanted = rows
    p = design.shape[1]
    # Up to a multiple of three; the spare rows are never read.
    width = 3 * ((1 + p + p * (p + 1) // 2 + 2) // 3)
    longest = longest_trial(rows, begin, end)
    z = np.zeros((width, longest))
    sums = np.empty((width, longest))
    theta = np.empty(longest)
    totals = np.empty((width, longest))
    events = np.empty((longest, 2), dtype=np.int64)
    ties = np.empty((longest // 2 + 1, 2), dtype=np.int64)
    fraction = np.empty(longest)
    events_x = np.empty(p)
    climb = make_room(p)
    information, score, b = climb.information, climb.score, climb.b
    for trial in range(begin, end):
        if not wanted[trial]:
            continue
        first = offsets[trial]
        stop = offsets[trial + 1]
        n = stop - first
        died = event[first:stop]
        level = stratum[first:stop]
        lay_out_trial(design, first, n, z)
        for j in range(p):
            events_x[j] = 0.0
            for i in range(n):
                events_x[j] += died[i] * z[1 + j, i]
        n_steps = _find_deaths(time[first:stop], died, level, events, ties, fraction)
        begin_newton(climb)
        status = _GO_ON
        ll = 0.0
        largest = 0.0
        while status == _GO_ON:
            largest = fill_predictor(z, n, b, theta)
            for i in range(n):
                theta[i] = exponential(theta[i])
            for j in range(p):
                score[j] = events_x[j]
            ll = -np.inf
            if largest < LARGEST_PREDICTOR:
                _sum_risk_sets(z, theta, level, sums)
                for c in range(width):
                    for s in range(n_steps):
                        totals[c, s] = sums[c, events[s, 0]]
                if method == EFRON:
                    _take_off_ties(z, theta, events, ties, fraction, totals)
                ll = _add_events(totals, n_steps, score, information)
                for j in range(p):
                    ll += events_x[j] * b[j]
            status = advance_newton(ll, largest, climb, found.quality[trial])
        settle_newton(status, ll, largest, climb, found, trial)
