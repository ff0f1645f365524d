"""The kernels of proportional odds: the maximum of the likelihood, free or with a coefficient held; a score test."""

from __future__ import annotations

import numpy as np

from equipoise.stats.kernels.compile import kernel, part

# How a fit ended (column STATUS of ``quality``), and the other columns.
CONVERGED, SINGULAR, STOPPED = 0, 1, 2
STATUS, PREDICTOR, SLOPE, DROPPED = 0, 1, 2, 3
N_QUALITY = 4

_MAX_ITERATIONS = 100
# Squared length of the Newton step in standard errors; along a direction of separation it is about the distance to
# the supremum of the log likelihood.
_DECREMENT, _DECREMENT_SEPARATED, _PREDICTOR_SEPARATED = 1e-20, 1e-12, 25.0
_PREDICTOR_FLAT = 15.0
# A pivot (sine squared of the angle to the earlier columns) below this is taken as none.
_PIVOT = 1e-11


@part("float64(float64)")
def logistic(eta):  # type: ignore[no-untyped-def]
    """1 / (1 + exp(-eta)), without overflow."""
    if eta >= 0.0:
        return 1.0 / (1.0 + np.exp(-eta))
    e = np.exp(eta)
    return e / (1.0 + e)


@part("float64(float64, float64)")
def between(low, high):  # type: ignore[no-untyped-def]
    """logistic(high) - logistic(low) for low < high, without losing digits in either tail."""
    if low > 0.0:
        low, high = -high, -low
    return logistic(high) * -np.expm1(low - high) * (1.0 - logistic(low))


@part("int64(float64[:, ::1], float64[::1], boolean[::1], int64, int64)")
def factor_and_solve(matrix, vector, out, first, d):  # type: ignore[no-untyped-def]
    """Cholesky factor of ``matrix`` in place without the parameters ``out``, and the solution in ``vector``.

    A parameter from ``first`` on whose pivot is none joins ``out``; -1 where all went well, else the parameter before
    ``first`` that has none.
    """
    for j in range(d):
        if out[j]:
            continue
        s = matrix[j, j]
        whole = s
        for k in range(j):
            if not out[k]:
                s -= matrix[j, k] * matrix[j, k]
        if not s > _PIVOT * whole or not whole > 0.0:
            if j < first:
                return j
            out[j] = True
            continue
        matrix[j, j] = np.sqrt(s)
        for i in range(j + 1, d):
            t = matrix[i, j]
            for k in range(j):
                if not out[k]:
                    t -= matrix[i, k] * matrix[j, k]
            matrix[i, j] = t / matrix[j, j]
    for j in range(d):
        if out[j]:
            vector[j] = 0.0
            continue
        t = vector[j]
        for k in range(j):
            if not out[k]:
                t -= matrix[j, k] * vector[k]
        vector[j] = t / matrix[j, j]
    for j in range(d - 1, -1, -1):
        if out[j]:
            continue
        t = vector[j]
        for k in range(j + 1, d):
            if not out[k]:
                t -= matrix[k, j] * vector[k]
        vector[j] = t / matrix[j, j]
    return -1


@part("float64(int64, float64[::1], float64[::1], int64, float64[::1], float64[:, ::1], float64[::1])")
def add_participant(c, x, b, m, score, information, extreme):  # type: ignore[no-untyped-def]
    """Add one participant, of category ``c``, to score and information; the log of the probability of that category.

    ``extreme[0]`` is raised to the largest distance of a predictor from 0.
    """
    eta = 0.0
    p = x.shape[0]
    for j in range(p):
        eta += x[j] * b[m + j]
    high = b[c] - eta if c < m else np.inf
    low = b[c - 1] - eta if c > 0 else -np.inf
    if c < m:
        extreme[0] = max(extreme[0], abs(high))
    if c > 0:
        extreme[0] = max(extreme[0], abs(low))
    if c == 0:
        share = logistic(high)
    elif c == m:
        share = logistic(-low)
    else:
        share = between(low, high)
    upper = logistic(high) if c < m else 1.0
    lower = logistic(low) if c > 0 else 0.0
    g = upper * (1.0 - upper) / share if c < m else 0.0
    h = lower * (1.0 - lower) / share if c > 0 else 0.0
    # Second derivatives of the log of the share in the two predictors, eq. (PO-3).
    gg = g * (1.0 - 2.0 * upper) - g * g
    hh = -h * (1.0 - 2.0 * lower) - h * h
    gh = g * h
    if c < m:
        score[c] += g
        information[c, c] -= gg
    if c > 0:
        score[c - 1] -= h
        information[c - 1, c - 1] -= hh
    if 0 < c < m:
        information[c, c - 1] -= gh
    both = gg + hh + 2.0 * gh
    for j in range(p):
        score[m + j] -= (g - h) * x[j]
        if c < m:
            information[m + j, c] += (gg + gh) * x[j]
        if c > 0:
            information[m + j, c - 1] += (hh + gh) * x[j]
        for k in range(j + 1):
            information[m + j, m + k] -= both * x[j] * x[k]
    return np.log(share)


@part("void(float64[:, ::1], boolean[::1], int64, float64[::1], float64[::1])")
def diagonal_of_inverse(factor, out, d, column, diagonal):  # type: ignore[no-untyped-def]
    """The diagonal of the inverse from its Cholesky factor, NaN for the parameters ``out``; ``column`` is scratch."""
    for q in range(d):
        diagonal[q] = np.nan
        if out[q]:
            continue
        for j in range(d):
            column[j] = 1.0 if j == q else 0.0
        for j in range(d):
            if out[j]:
                continue
            t = column[j]
            for k in range(j):
                if not out[k]:
                    t -= factor[j, k] * column[k]
            column[j] = t / factor[j, j]
        s = 0.0
        for j in range(q, d):
            if not out[j]:
                s += column[j] * column[j]
        diagonal[q] = s


DATA = "Tuple((int64[::1], float64[:, ::1], int64[::1], int64[::1]))"
"""Categories, design, offsets of the trials, and how many categories each has."""


@kernel(
    f"void({DATA}, boolean[::1], int64, int64, int64,"
    " Tuple((float64[:, ::1], float64[:, ::1], float64[::1], float64[:, ::1])))"
)
def maximise_ordinal_range(data, wanted, fixed, begin, end, results):  # type: ignore[no-untyped-def]
    """Maximise over ``theta[trial]`` from where it stands, for the ``wanted`` trials of ``begin:end``, eq. (PO-2).

    ``results`` are ``theta``, ``variance``, log likelihoods and ``quality``. ``theta`` holds the thresholds of the
    trial's ``n_levels - 1`` and then the coefficients of ``design``; coefficient ``fixed`` (-1: none) keeps its value.
    ``variance`` gets the diagonal of the inverse of the observed information. A covariate (any coefficient but the
    first) that repeats others is left at 0 and counted in DROPPED.
    """
    y, design, offsets, n_levels = data
    theta, variance, log_lik, quality = results
    p = design.shape[1]
    most = 1
    for trial in range(begin, end):
        most = max(most, n_levels[trial] - 1)
    size = most + p
    information = np.zeros((size, size))
    factor = np.zeros((size, size))
    score, step, start, b = np.empty(size), np.empty(size), np.empty(size), np.empty(size)
    extreme, column = np.zeros(1), np.empty(size)
    out = np.zeros(size, dtype=np.bool_)
    for trial in range(begin, end):
        if not wanted[trial]:
            continue
        m = n_levels[trial] - 1
        d = m + p
        for j in range(d):
            start[j] = theta[trial, j]
            step[j] = 0.0
            out[j] = False
        before, shrink, ll, decrement, largest, slope = -np.inf, 1.0, -np.inf, np.inf, 0.0, 0.0
        status, halvings, iteration, gain = STOPPED, 0, 0, np.inf
        while iteration < _MAX_ITERATIONS:
            iteration += 1
            ordered = True
            for j in range(d):
                b[j] = start[j] + shrink * step[j]
                score[j] = 0.0
                for k in range(j + 1):
                    information[j, k] = 0.0
                if 0 < j < m and not b[j] > b[j - 1]:
                    ordered = False
            ll = 0.0 if ordered else -np.inf
            extreme[0] = 0.0
            for i in range(offsets[trial], offsets[trial + 1]):
                if not ordered:
                    break
                ll += add_participant(y[i], design[i], b, m, score, information, extreme)
            largest = extreme[0]
            if not ll >= before - 1e-12 * (1.0 + abs(before)):
                halvings += 1
                if halvings > 60:
                    break
                shrink *= 0.5
                continue
            halvings = 0
            shrink = 1.0
            gain = ll - before
            before = ll
            for j in range(d):
                start[j] = b[j]
                step[j] = score[j]
                out[j] = j >= m + 1 and out[j]
                for k in range(j + 1):
                    factor[j, k] = information[j, k]
            if fixed >= 0:
                out[m + fixed] = True
                slope = score[m + fixed]
            if factor_and_solve(factor, step, out, m + 1, d) >= 0:
                # Far out along a direction of separation the likelihood is flat, and at its supremum.
                status = CONVERGED if fixed < 0 and largest > _PREDICTOR_FLAT and gain < 1e-6 else SINGULAR
                out[m] = True
                break
            decrement = 0.0
            for j in range(d):
                decrement += step[j] * score[j]
            if decrement < _DECREMENT or (largest > _PREDICTOR_SEPARATED and decrement < _DECREMENT_SEPARATED):
                for j in range(d):
                    start[j] += step[j]
                status = CONVERGED
                break
        if status == STOPPED and decrement < 1e-12:
            status = CONVERGED  # no step could do better than rounding
        dropped = 0
        for j in range(m + 1, d):
            if out[j] and j != m + fixed:
                dropped += 1
        if status == CONVERGED and fixed < 0:
            diagonal_of_inverse(factor, out, d, column, variance[trial])
        for j in range(d):
            theta[trial, j] = start[j]
        log_lik[trial] = before
        quality[trial, STATUS] = status
        quality[trial, PREDICTOR] = largest
        quality[trial, SLOPE] = slope
        quality[trial, DROPPED] = dropped


@kernel(f"void({DATA}, boolean[::1], int64, int64, float64[:, ::1], float64[::1], int64[::1])")
def proportionality_range(data, wanted, begin, end, theta, chi_square, df):  # type: ignore[no-untyped-def]
    """Score test that the first coefficient is the same at every threshold, expected information, eq. (PO-5)."""
    y, design, offsets, n_levels = data
    p = design.shape[1]
    for trial in range(begin, end):
        chi_square[trial] = np.nan
        df[trial] = 0
        if not wanted[trial] or n_levels[trial] < 3:
            continue
        m = n_levels[trial] - 1
        d = 2 * m + p - 1  # thresholds, the coefficient at each, the other coefficients
        information, score = np.zeros((d, d)), np.zeros(d)
        out = np.zeros(d, dtype=np.bool_)
        weights = np.zeros((m, m))
        rise, share, cumulative = np.zeros(m), np.zeros(m + 1), np.zeros(m)
        for i in range(offsets[trial], offsets[trial + 1]):
            eta = 0.0
            for j in range(p):
                eta += design[i, j] * theta[trial, m + j]
            for j in range(m):
                cumulative[j] = logistic(theta[trial, j] - eta)
                rise[j] = cumulative[j] * (1.0 - cumulative[j])
                for k in range(m):
                    weights[j, k] = 0.0
            share[0] = cumulative[0]
            for j in range(1, m):
                share[j] = between(theta[trial, j - 1] - eta, theta[trial, j] - eta)
            share[m] = logistic(eta - theta[trial, m - 1])
            for j in range(m):
                weights[j, j] = rise[j] * rise[j] * (1.0 / share[j] + 1.0 / share[j + 1])
                if j > 0:
                    weights[j, j - 1] = weights[j - 1, j] = -rise[j] * rise[j - 1] / share[j]
            x = design[i, 0]
            c = y[i]
            for side in range(2):
                j = c - side
                if j < 0 or j >= m:
                    continue
                g = rise[j] / share[c] * (1.0 if side == 0 else -1.0)
                score[j] += g
                score[m + j] -= g * x
                for k in range(1, p):
                    score[2 * m + k - 1] -= g * design[i, k]
            for j in range(m):
                for k in range(m):
                    w = weights[j, k]
                    if w == 0.0:
                        continue
                    if k <= j:
                        information[j, k] += w
                        information[m + j, m + k] += w * x * x
                    information[m + j, k] -= w * x
                    for a in range(1, p):
                        information[2 * m + a - 1, k] -= w * design[i, a]
                        information[2 * m + a - 1, m + k] += w * design[i, a] * x
                        for q in range(1, a + 1):
                            information[2 * m + a - 1, 2 * m + q - 1] += w * design[i, a] * design[i, q]
        step = score.copy()
        if factor_and_solve(information, step, out, 2 * m, d) >= 0:
            continue
        s = 0.0
        for j in range(d):
            s += step[j] * score[j]
        chi_square[trial] = s
        df[trial] = m - 1
