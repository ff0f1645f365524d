"""Newton's method for regressions of counts, trial after trial, with all coefficients free or one held.

Equations (CT-1) to (CT-4) are in ``docs/methods/counts.md``.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from equipoise.stats.kernels.compile import Cube, Flags, Integers, Matrix, Vector, kernel, part
from equipoise.stats.kernels.count_terms import alpha_terms, count_terms, rows_above
from equipoise.stats.kernels.linear_algebra import cholesky, condition_number, invert_cholesky
from equipoise.stats.kernels.newton import newton_step

CONVERGED, STOPPED = 0, 1
# Columns of ``quality``: distance to the maximum in standard errors, iterations, condition, how it ended, score of the
# coefficient that is held, and the smallest expected count beside the mean of them (tiny where some run off to zero).
GRADIENT, ITERATIONS, CONDITION, STATUS, SCORE_FIXED, SMALLEST = 0, 1, 2, 3, 4, 5
N_QUALITY = 6

_MAX_ITERATIONS = 80
# Squared length of the Newton step in standard errors at which a last one is made.
_DECREMENT = 1e-18
# alpha times the largest expected count below which the variance has reached that of the Poisson distribution.
BOUNDARY = 1e-7


class CountRows(NamedTuple):
    """The rows of one trial."""

    y: Vector
    design: Matrix  # (n_rows, p)
    log_exposure: Vector
    above: Vector  # rows with more than j events, for j = 0, 1, ...


class ClimbRoom(NamedTuple):
    """Room for Newton's method in q unknowns: where it stands, and the point it tries."""

    gradient: Vector  # (q,)
    hessian: Matrix  # (q, q), the lower triangle
    factor: Matrix
    step: Vector
    tried: Vector
    tried_gradient: Vector
    tried_hessian: Matrix


class CountTrials(NamedTuple):
    """Counts of packed trials."""

    y: Vector
    design: Matrix  # (n_rows, p)
    log_exposure: Vector
    offsets: Integers  # rows of each trial
    wanted: Flags  # the trials to fit


class CountsFound(NamedTuple):
    """Outputs, an entry for each of n trials; q is p + 1, or p + 2 with a random intercept."""

    place: Matrix  # (n, q) coefficients, standard deviation of the random intercept if there is one, alpha
    covariance: Cube  # (n, q, q) of the coefficients and the logarithms of the others
    log_likelihood: Vector
    quality: Matrix  # (n, N_QUALITY)


@part("ClimbRoom(int64)", ClimbRoom)
def make_climb_room(q):  # type: ignore[no-untyped-def]
    """Room for q unknowns."""
    return ClimbRoom(
        np.zeros(q),
        np.zeros((q, q)),
        np.zeros((q, q)),
        np.zeros(q),
        np.zeros(q),
        np.zeros(q),
        np.zeros((q, q)),
    )


@part("void(ClimbRoom, float64[::1])", ClimbRoom)
def go_to_tried(work, point):  # type: ignore[no-untyped-def]
    """The point tried is the point from now on, with its derivatives."""
    for j in range(point.shape[0]):
        point[j] = work.tried[j]
        work.gradient[j] = work.tried_gradient[j]
        for k in range(j + 1):
            work.hessian[j, k] = work.tried_hessian[j, k]


@part("void(ClimbRoom, int64, float64[:, ::1], float64[::1])", ClimbRoom)
def invert_negative_hessian(work, q, covariance, quality):  # type: ignore[no-untyped-def]
    """Covariance of the first q unknowns from the observed information, with its condition number."""
    information, inverse = np.empty((q, q)), np.empty((q, q))
    for j in range(q):
        for k in range(j + 1):
            information[j, k] = -work.hessian[j, k]
            work.factor[j, k] = -work.hessian[j, k]
    if cholesky(work.factor, q) >= 0:
        quality[STATUS] = STOPPED
        return
    invert_cholesky(work.factor, inverse, q)
    quality[CONDITION] = condition_number(information, inverse, q)
    for j in range(q):
        for k in range(q):
            covariance[j, k] = inverse[j, k]


@part("float64(CountRows, float64[::1], float64[::1], float64[:, ::1])", CountRows)
def evaluate(rows, point, gradient, hessian):  # type: ignore[no-untyped-def]
    """Log-likelihood but for its constant, with derivatives in coefficients and alpha; minus infinity too far out."""
    y, x, log_exposure, above = rows
    n, p = x.shape
    alpha = point[p]
    for j in range(p + 1):
        gradient[j] = 0.0
        for k in range(j + 1):
            hessian[j, k] = 0.0
    total = 0.0
    for i in range(n):
        eta = log_exposure[i]
        for j in range(p):
            eta += x[i, j] * point[j]
        if not eta < 600.0:
            return -np.inf
        value, slope, bend, of_alpha, alpha_bend, cross = count_terms(y[i], np.exp(eta), alpha)
        total += value + (y[i] * eta if y[i] > 0.0 else 0.0)
        gradient[p] += of_alpha
        hessian[p, p] += alpha_bend
        for j in range(p):
            gradient[j] += slope * x[i, j]
            hessian[p, j] += cross * x[i, j]
            for k in range(j + 1):
                hessian[j, k] += bend * x[i, j] * x[i, k]
    value, slope, bend = alpha_terms(above, alpha)
    gradient[p] += slope
    hessian[p, p] += bend
    return total + value if np.isfinite(total + value) else -np.inf


@part("void(float64[::1], float64[:, ::1], float64, int64, int64)")
def prepare_step(gradient, hessian, alpha, fixed, p):  # type: ignore[no-untyped-def]
    """Derivatives in alpha become those in its logarithm, (CT-3); the coefficient held gets a step of nothing."""
    hessian[p, p] = alpha * (alpha * hessian[p, p] + gradient[p])
    gradient[p] *= alpha
    for j in range(p):
        hessian[p, j] *= alpha
    if fixed >= 0:
        gradient[fixed] = 0.0
        for j in range(p + 1):
            if j < fixed:
                hessian[fixed, j] = 0.0
            else:
                hessian[j, fixed] = 0.0
        hessian[fixed, fixed] = -1.0


@part("float64(CountRows, boolean, int64, float64[::1], ClimbRoom, float64[::1])", CountRows, ClimbRoom)
def climb(rows, is_free, fixed, point, work, quality):  # type: ignore[no-untyped-def]
    """Move ``point`` to the maximum, alpha with it where it ``is_free``; returns the log-likelihood there.

    An alpha on its way to nothing is put to exactly 0, where the caller begins anew.
    """
    gradient, hessian, factor, step, tried, tried_gradient, tried_hessian = work
    p = point.shape[0] - 1
    q = p + 1 if is_free else p
    top = evaluate(rows, point, gradient, hessian)
    quality[STATUS] = STOPPED
    largest = 0.0
    for i in range(rows.y.shape[0]):
        largest = max(largest, rows.y[i])
    for iteration in range(_MAX_ITERATIONS):
        quality[ITERATIONS] = iteration + 1
        if top == -np.inf:
            break
        if fixed >= 0:
            quality[SCORE_FIXED] = gradient[fixed]
        if is_free:
            prepare_step(gradient, hessian, point[p], fixed, p)
        else:
            prepare_step(gradient, hessian, 0.0, fixed, p)
        decrement = newton_step(hessian, gradient, step, factor, q)
        quality[GRADIENT] = np.sqrt(abs(decrement))
        if not np.isfinite(decrement):
            break
        last = 0.0 <= decrement < _DECREMENT
        shrink = 1.0
        for _ in range(40):
            for j in range(p):
                tried[j] = point[j] + shrink * step[j]
            tried[p] = point[p] * np.exp(min(max(shrink * step[p], -4.0), 4.0)) if is_free else point[p]
            value = evaluate(rows, tried, tried_gradient, tried_hessian)
            if value >= top or (abs(decrement) < 1e-9 and value > top - 1e-9 * (1.0 + abs(top))):
                break
            shrink *= 0.5
        else:
            break
        top = value
        go_to_tried(work, point)
        if last:
            quality[STATUS] = CONVERGED
            break
        if is_free and point[p] * (1.0 + largest) < BOUNDARY:
            point[p] = 0.0
            break
    return top


@part("void(CountRows, int64, float64[::1], ClimbRoom)", CountRows, ClimbRoom)
def start_at(rows, fixed, point, work):  # type: ignore[no-untyped-def]
    """Weighted least squares of log(y + 1/2) where no start was given: the first step of the usual iteration."""
    y, x, log_exposure, _ = rows
    n, p = x.shape
    gradient, hessian, factor, step = work.gradient, work.hessian, work.factor, work.step
    held = point[fixed] if fixed >= 0 else 0.0
    for j in range(p + 1):
        gradient[j] = 0.0
        for k in range(j + 1):
            hessian[j, k] = 0.0
    for i in range(n):
        w = y[i] + 0.5
        z = np.log(w) - log_exposure[i] - (0.5 / w)
        if fixed >= 0:
            z -= held * x[i, fixed]
        for j in range(p):
            gradient[j] += w * z * x[i, j]
            for k in range(j + 1):
                hessian[j, k] -= w * x[i, j] * x[i, k]
    prepare_step(gradient, hessian, 0.0, fixed, p)
    if np.isfinite(newton_step(hessian, gradient, step, factor, p)):
        for j in range(p):
            point[j] = step[j]
    if fixed >= 0:
        point[fixed] = held
    point[p] = 0.0


@part("float64(CountRows, boolean, int64, float64[::1], ClimbRoom, float64[::1])", CountRows, ClimbRoom)
def maximise(rows, is_negative_binomial, fixed, point, work, quality):  # type: ignore[no-untyped-def]
    """The maximum over coefficients and alpha >= 0; alpha is exactly 0 where it is at its boundary, (CT-4)."""
    p = point.shape[0] - 1
    y, x, log_exposure, _ = rows
    point[p] = 0.0
    top = climb(rows, False, fixed, point, work, quality)
    if not is_negative_binomial or quality[STATUS] != CONVERGED:
        return top
    # The start of alpha: what the squares of the Poisson residuals leave over, as moments would have it.
    excess, squares = 0.0, 0.0
    for i in range(y.shape[0]):
        eta = log_exposure[i]
        for j in range(p):
            eta += x[i, j] * point[j]
        mu = np.exp(eta)
        excess += (y[i] - mu) * (y[i] - mu) - y[i]
        squares += mu * mu
    pooled = point.copy()
    pooled_quality = quality.copy()
    point[p] = min(max(excess / squares, 0.05), 5.0) if excess > 0.0 else 1.0
    found = climb(rows, True, fixed, point, work, quality)
    if point[p] == 0.0 or (quality[STATUS] == CONVERGED and not found > top):
        # With too little spread alpha = 0 is the maximum.
        point[:] = pooled
        quality[:] = pooled_quality
        return top
    return found


@part("void(CountRows, float64[::1], ClimbRoom, float64[:, ::1], float64[::1])", CountRows, ClimbRoom)
def invert_information(rows, point, work, covariance, quality):  # type: ignore[no-untyped-def]
    """Covariance of coefficients and log alpha from the whole observed information at the maximum."""
    p = point.shape[0] - 1
    q = p + 1 if point[p] > 0.0 else p
    evaluate(rows, point, work.gradient, work.hessian)
    prepare_step(work.gradient, work.hessian, point[p], -1, p)
    invert_negative_hessian(work, q, covariance, quality)


@part("float64(CountRows, float64[::1])", CountRows)
def smallest_share(rows, point):  # type: ignore[no-untyped-def]
    """The smallest expected count of a row without events, as a share of the mean of all."""
    y, x, log_exposure, _ = rows
    n, p = x.shape
    smallest, total = np.inf, 0.0
    for i in range(n):
        eta = log_exposure[i]
        for j in range(p):
            eta += x[i, j] * point[j]
        total += np.exp(eta)
        if y[i] == 0.0:
            smallest = min(smallest, np.exp(eta))
    return smallest * n / total if total > 0.0 else 0.0


@kernel("void(int64, int64, CountTrials, boolean, int64, boolean, CountsFound)", CountTrials, CountsFound)
def fit_range(first, stop, trials, is_negative_binomial, fixed, is_started, found):  # type: ignore[no-untyped-def]
    """Fit the wanted trials of ``first:stop``; column ``fixed`` (-1: none) keeps the value it has in ``found``.

    With ``is_started`` the coefficients in ``found`` are where to begin. Covariances are written where none is held.
    """
    points, covariance, log_likelihood, quality = found
    work = make_climb_room(points.shape[1])
    for trial in range(first, stop):
        if not trials.wanted[trial]:
            continue
        r0, r1 = trials.offsets[trial], trials.offsets[trial + 1]
        y = trials.y[r0:r1]
        rows = CountRows(y, trials.design[r0:r1], trials.log_exposure[r0:r1], rows_above(y))
        point = points[trial]
        if not is_started:
            start_at(rows, fixed, point, work)
        log_likelihood[trial] = maximise(rows, is_negative_binomial, fixed, point, work, quality[trial])
        if fixed < 0:
            quality[trial, SMALLEST] = smallest_share(rows, point)
            if quality[trial, STATUS] == CONVERGED:
                invert_information(rows, point, work, covariance[trial], quality[trial])
