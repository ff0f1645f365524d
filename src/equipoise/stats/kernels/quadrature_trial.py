"""Newton's method over the exact derivatives of the quadrature, one trial after another.

What the loop guards against: separation (a certificate is looked for on the pooled fit before any quadrature), a
variance of zero (the pooled fit is returned exactly), a variance without bound (nobody's outcome changes), steps that
lower the likelihood (halved), and information that is not positive definite (a ridge).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from equipoise.stats.codes import FitCode
from equipoise.stats.kernels.compile import Cube, Integers, Matrix, Vector, part
from equipoise.stats.kernels.quadrature import (
    ETA,
    FIRST,
    LANES,
    MODE,
    MODE_D,
    ONES,
    SECOND,
    T1,
    VALUE,
    WIDTH,
    Y_SUM,
    QuadratureRule,
    evaluate_block,
    evaluate_pooled_block,
    tri,
)
from equipoise.stats.kernels.vector_math import get, lane_part, put

NOT_ESTIMABLE = np.uint32(FitCode.NOT_ESTIMABLE)
SEPARATION_COMPLETE = np.uint32(FitCode.SEPARATION_COMPLETE | FitCode.NOT_ESTIMABLE)
SEPARATION_QUASI = np.uint32(FitCode.SEPARATION_QUASI | FitCode.NOT_ESTIMABLE)
BOUNDARY_VARIANCE = np.uint32(FitCode.BOUNDARY_VARIANCE)
NOT_CONVERGED = np.uint32(FitCode.NOT_CONVERGED | FitCode.NOT_ESTIMABLE)
RANK_DEFICIENT = np.uint32(FitCode.RANK_DEFICIENT | FitCode.NOT_ESTIMABLE)
NON_FINITE_INPUT = np.uint32(FitCode.NON_FINITE_INPUT | FitCode.NOT_ESTIMABLE)
TOO_FEW_PARTICIPANTS = np.uint32(FitCode.TOO_FEW_PARTICIPANTS | FitCode.NOT_ESTIMABLE)
ONE_VISIT_EACH = np.uint32(FitCode.ONE_VISIT_EACH | FitCode.NOT_ESTIMABLE)
CONSTANT_OUTCOME = np.uint32(FitCode.CONSTANT_OUTCOME | FitCode.NOT_ESTIMABLE)
NO_EVENTS = np.uint32(FitCode.NO_EVENTS)
ALL_EVENTS = np.uint32(FitCode.ALL_EVENTS)
VARIANCE_UNBOUNDED = np.uint32(FitCode.VARIANCE_UNBOUNDED | FitCode.NOT_ESTIMABLE)
ILL_CONDITIONED = np.uint32(FitCode.ILL_CONDITIONED)

# Squared distance to the maximum, in standard errors, at which Newton stops: 3e-5 of a standard error.
CONVERGED = 1e-9
# Below this standard deviation the boundary is examined.
SMALL_SIGMA = 0.05
LARGE_SIGMA = 50.0
CONDITION_LIMIT = 1e10


# The linear predictor of a lane without a visit: odds of 1e-217 change no sum, and stay clear of denormal numbers.
NO_VISIT = -500.0


class Lanes(NamedTuple):
    """The participants of one trial, side by side by falling number of visits."""

    modes: Vector  # (n,) of the random intercepts, from one evaluation to the next
    active: Integers  # (longest,) participants with a j-th visit
    inner_place: Integers  # (p,) place of a column among those that vary within participants, from 1; 0 where constant
    outer: Matrix  # (p, n) columns that are constant within participants; ones else
    varying: Cube  # (r, longest, n) the others; one of zeros where there is none
    y_sum: Matrix  # (r + 1, n) sums of y, and of y times each varying column
    sign: Matrix  # (longest, n) 1 for an event, -1 for none


class TrialLikelihood(NamedTuple):
    """The likelihood at one place, and its derivatives in (beta, sigma)."""

    gradient: Vector
    hessian: Matrix  # the lower triangle
    value: Vector  # log-likelihood; in the pooled model the derivative in sigma squared at zero too


@part("int64(int64)", forceinline=True)
def rounded_up(n):  # type: ignore[no-untyped-def]
    """The next multiple of the lane loops' width."""
    return (n + WIDTH - 1) // WIDTH * WIDTH


@lane_part("void(float64[::1], int64, int64, int64, int64[::1], float64[::1], Lanes)", Lanes)
def fill_linear_predictor(w, lo, n, n_slots, n_active, beta, lanes):  # type: ignore[no-untyped-def]
    """Rows of ``ETA``: the fixed part of the linear predictor; minus infinity in effect where there is no visit."""
    inner_place, outer = lanes.inner_place, lanes.outer
    x_rows = ETA + n_slots * LANES
    p = beta.shape[0]
    for i in range(n):
        s = 0.0
        for a in range(p):
            if inner_place[a] == 0:
                s += beta[a] * outer[a, lo + i]
        put(w, T1 + i, s)
    for j in range(n_slots):
        row = ETA + j * LANES
        for i in range(n_active[j]):
            put(w, row + i, get(w, T1 + i))
        for i in range(n_active[j], rounded_up(n_active[j])):
            put(w, row + i, NO_VISIT)
    for a in range(p):
        c = inner_place[a] - 1
        if c >= 0:
            b = beta[a]
            for j in range(n_slots):
                row = ETA + j * LANES
                x_row = x_rows + (c * n_slots + j) * LANES
                for i in range(n_active[j]):
                    put(w, row + i, get(w, row + i) + b * get(w, x_row + i))


@lane_part("void(float64[::1], int64, int64, Lanes, float64[::1], float64[:, ::1])", Lanes)
def add_expanded(w, lo, n, lanes, gradient, hessian):  # type: ignore[no-untyped-def]
    """Add the lanes' inner derivatives, expanded to the full design, to ``gradient`` and lower ``hessian``."""
    inner_place, outer = lanes.inner_place, lanes.outer
    p = outer.shape[0]
    for a in range(p):
        va = inner_place[a]
        row = FIRST + va * LANES
        s = 0.0
        for i in range(n):
            s += outer[a, lo + i] * get(w, row + i)
        gradient[a] += s
        for c in range(a + 1):
            pair = SECOND + tri(va, inner_place[c]) * LANES
            s = 0.0
            for i in range(n):
                s += outer[a, lo + i] * outer[c, lo + i] * get(w, pair + i)
            hessian[a, c] += s


@part("int64(float64[::1], int64, int64, Lanes, int64[:, ::1])", Lanes)
def load_block(w, block, size, lanes, slots):  # type: ignore[no-untyped-def]
    """Bring block ``block`` into the working array; returns its number of visit slots.

    The first row of ``slots`` receives how many lanes have a j-th visit, the second the same rounded up to a multiple
    of the width.
    """
    n_active, active = slots[0], slots[1]
    modes, active_all, varying, y_sum = lanes.modes, lanes.active, lanes.varying, lanes.y_sum
    n_lanes, r = modes.shape[0], y_sum.shape[0] - 1
    lo = block * size
    n = min(size, n_lanes - lo)
    n_slots = 0
    for j in range(active_all.shape[0]):
        n_active[j] = max(0, min(active_all[j] - lo, n))
        active[j] = rounded_up(n_active[j])
        if n_active[j] > 0:
            n_slots = j + 1
    for i in range(LANES):
        put(w, ONES + i, 1.0)
        put(w, MODE + i, 0.0)
    for i in range(n):
        put(w, MODE + i, modes[lo + i])
    for c in range(r + 1):
        row = Y_SUM + c * LANES
        for i in range(LANES):
            put(w, row + i, 0.0)
        for i in range(n):
            put(w, row + i, y_sum[c, lo + i])
    for c in range(r):
        for j in range(n_slots):
            row = ETA + n_slots * LANES + (c * n_slots + j) * LANES
            for i in range(LANES):
                put(w, row + i, 0.0)
            for i in range(n_active[j]):
                put(w, row + i, varying[c, j, lo + i])
    return n_slots


@part(
    "int64(float64[::1], float64, Lanes, QuadratureRule, TrialLikelihood, float64[::1], int64[:, ::1])",
    Lanes,
    QuadratureRule,
    TrialLikelihood,
)
def evaluate_trial(beta, sigma, lanes, rule, point, w, slots):  # type: ignore[no-untyped-def]
    """Fill ``point`` at (beta, sigma); the pooled model where sigma is 0. ``slots`` is scratch, (3, longest).

    Returns 1 where refused.
    """
    modes, inner_place, outer = lanes.modes, lanes.inner_place, lanes.outer
    gradient, hessian, value = point
    n_lanes, r = modes.shape[0], lanes.y_sum.shape[0] - 1
    p = beta.shape[0]
    rho = r + 1
    total = 0.0
    score_rho = 0.0
    for a in range(p + 1):
        gradient[a] = 0.0
        for c in range(a + 1):
            hessian[a, c] = 0.0
    n_blocks = -(-n_lanes // LANES)
    size = -(-n_lanes // n_blocks)
    for block in range(n_blocks):
        lo = block * size
        n = min(size, n_lanes - lo)
        n_slots = lanes.active.shape[0]
        # A trial of one block stays loaded; the caller sets the mark to minus one for a new trial.
        if n_blocks > 1 or slots[2, 0] < 0:
            n_slots = load_block(w, block, size, lanes, slots)
            slots[2, 0] = block
        fill_linear_predictor(w, lo, n, n_slots, slots[0], beta, lanes)
        if sigma > 0.0:
            if evaluate_block(w, slots[1], n_slots, rounded_up(n), r, sigma, rule) != 0:
                return 1
            for i in range(n):
                modes[lo + i] = w[MODE + i]
                hessian[p, p] += w[SECOND + tri(rho, rho) * LANES + i]
            for a in range(p):
                pair = SECOND + tri(rho, inner_place[a]) * LANES
                s = 0.0
                for i in range(n):
                    s += outer[a, lo + i] * w[pair + i]
                hessian[p, a] += s
        else:
            evaluate_pooled_block(w, slots[1], n_slots, rounded_up(n), r, ETA + n_slots * LANES)
        add_expanded(w, lo, n, lanes, gradient, hessian)
        for i in range(n):
            score_rho += w[FIRST + rho * LANES + i]
            total += w[VALUE + i]
        for a in range(p):
            row = Y_SUM + inner_place[a] * LANES
            s = 0.0
            for i in range(n):
                s += outer[a, lo + i] * w[row + i]
            total += beta[a] * s
    value[0] = total
    if sigma > 0.0:
        # From log sigma to sigma: the likelihood is even in sigma, so Newton finds zero where that is the maximum.
        gradient[p] = score_rho / sigma
        hessian[p, p] = (hessian[p, p] - score_rho) / (sigma * sigma)
        for a in range(p):
            hessian[p, a] /= sigma
    else:
        value[1] = score_rho
    return 0 if np.isfinite(total) else 1


@lane_part("void(float64[::1], int64, int64, int64[::1], float64[:, ::1], float64[::1], float64)")
def predict_modes(w, n, r, inner_place, outer, change, log_ratio):  # type: ignore[no-untyped-def]
    """Move the modes along their derivatives by ``change`` of the coefficients and ``log_ratio`` of sigma; (QUAD-4).

    For a trial of one block only, whose derivatives are still in the working array.
    """
    last = MODE_D + (r + 1) * LANES
    for i in range(n):
        put(w, MODE + i, get(w, MODE + i) + get(w, last + i) * log_ratio)
    for a in range(outer.shape[0]):
        row = MODE_D + inner_place[a] * LANES
        for i in range(n):
            put(w, MODE + i, get(w, MODE + i) + get(w, row + i) * outer[a, i] * change[a])


@part("int64(Lanes, float64[::1], float64[::1])", Lanes)
def find_separation(lanes, beta, step):  # type: ignore[no-untyped-def]
    """Look for a certificate of separation in the current coefficients or in the last step.

    Returns 2 if ``beta`` predicts every outcome (complete separation), 1 if moving along ``step`` makes no outcome
    less likely and some more likely (quasi-complete), else 0.
    """
    _, active_all, inner_place, outer, varying, _, sign = lanes
    p = beta.shape[0]
    for which in range(2):
        direction = beta if which == 0 else step
        lowest = np.inf
        highest = -np.inf
        for j in range(active_all.shape[0]):
            for i in range(active_all[j]):
                eta = 0.0
                for a in range(p):
                    c = inner_place[a]
                    eta += direction[a] * (outer[a, i] if c == 0 else varying[c - 1, j, i])
                agreement = sign[j, i] * eta
                lowest = min(lowest, agreement)
                highest = max(highest, agreement)
        if which == 0 and lowest > 0.0:
            return 2
        if which == 1 and highest > 0.3 and lowest > -1e-3 * highest:
            return 1
    return 0
