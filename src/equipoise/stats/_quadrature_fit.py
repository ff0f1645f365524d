"""Newton's method over the exact derivatives of the quadrature, one trial after another.

What the loop guards against: separation (a certificate is looked for on the pooled fit before any quadrature), a
variance of zero (the pooled fit is returned exactly), a variance without bound (nobody's outcome changes), steps that
lower the likelihood (halved), and information that is not positive definite (a ridge).
"""

from __future__ import annotations

import numpy as np

from equipoise.stats._quadrature_kernel import BLOCK, evaluate_lanes, evaluate_pooled_lanes, tri
from equipoise.stats._small_linalg import (
    cholesky,
    condition_number,
    find_aliased_columns,
    invert_cholesky,
    kernel,
    solve_cholesky,
)
from equipoise.stats._vector_math import lane_kernel
from equipoise.stats.codes import FitCode

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

# Squared distance to the maximum, in standard errors, at which Newton stops. The next step would be its square.
CONVERGED = 1e-12
# Below this standard deviation the boundary is examined.
SMALL_SIGMA = 0.05
LARGE_SIGMA = 50.0
CONDITION_LIMIT = 1e10


@lane_kernel(
    "void(float64[:, ::1], int64, int64, int64, int64[::1], int64[::1], float64[::1], float64[:, ::1],"
    "float64[:, :, ::1])"
)
def fill_linear_predictor(eta, lo, n, n_slots, active, inner_place, beta, outer, varying):  # type: ignore[no-untyped-def]
    """``eta[j, i]`` = the fixed part of the linear predictor of lane ``lo + i`` at its j-th visit."""
    p = beta.shape[0]
    for i in range(n):
        s = 0.0
        for a in range(p):
            if inner_place[a] == 0:
                s += beta[a] * outer[a, lo + i]
        eta[0, i] = s
    for j in range(n_slots - 1, -1, -1):
        for i in range(active[j]):
            eta[j, i] = eta[0, i]
    for a in range(p):
        c = inner_place[a] - 1
        if c >= 0:
            b = beta[a]
            for j in range(n_slots):
                for i in range(active[j]):
                    eta[j, i] += b * varying[c, j, lo + i]


@lane_kernel(
    "void(int64, int64, int64, int64, int64[::1], float64[:, ::1], float64[:, ::1], float64[:, ::1], float64[::1],"
    "float64[:, ::1])"
)
def add_expanded(lo, n, p, m, inner_place, outer, first, second, gradient, hessian):  # type: ignore[no-untyped-def]
    """Add the lanes' inner derivatives, expanded to the full design, to ``gradient`` and lower ``hessian``.

    ``m - 1`` is the place of the variance parameter among the inner derivatives; ``m`` smaller by one (pooled model)
    leaves it out.
    """
    for a in range(p):
        va = inner_place[a]
        s = 0.0
        for i in range(n):
            s += outer[a, lo + i] * first[va, i]
        gradient[a] += s
        for c in range(a + 1):
            place = tri(va, inner_place[c])
            s = 0.0
            for i in range(n):
                s += outer[a, lo + i] * outer[c, lo + i] * second[place, i]
            hessian[a, c] += s


@kernel(
    "int64(float64[::1], float64, float64[::1], int64[::1], int64[::1], float64[:, ::1], float64[:, :, ::1], int64,"
    "float64[:, ::1], float64[::1], float64[::1], float64[::1], float64[:, ::1], float64[::1], float64[:, ::1],"
    "float64[:, ::1], float64[:, ::1], float64[:, :, ::1], float64[:, ::1])"
)
def evaluate_trial(  # type: ignore[no-untyped-def]
    beta, sigma, modes, active_all, inner_place, outer, varying, r, y_sum, nodes, log_weights, gradient, hessian,
    value, first, second, eta, work, scratch
):  # fmt: skip
    """Log-likelihood ``value[0]``, ``gradient`` and lower ``hessian`` in (beta, sigma); pooled where sigma is 0.

    In the pooled model ``value[1]`` is the derivative in sigma squared at zero. Returns 1 where refused.
    """
    n_lanes = modes.shape[0]
    p = beta.shape[0]
    m = r + 2
    total = 0.0
    score_rho = 0.0
    for a in range(p + 1):
        gradient[a] = 0.0
        for c in range(a + 1):
            hessian[a, c] = 0.0
    # y-sums carry all of the outcome that the fixed part needs.
    n_blocks = -(-n_lanes // BLOCK)
    size = -(-n_lanes // n_blocks)
    active = np.empty(active_all.shape[0], dtype=np.int64)
    lane_value = scratch[4]
    for block in range(n_blocks):
        lo = block * size
        n = min(size, n_lanes - lo)
        n_slots = 0
        for j in range(active_all.shape[0]):
            active[j] = max(0, min(active_all[j] - lo, n))
            if active[j] > 0:
                n_slots = j + 1
        fill_linear_predictor(eta, lo, n, n_slots, active, inner_place, beta, outer, varying)
        if sigma > 0.0:
            status = evaluate_lanes(
                lo, n, n_slots, active, eta, varying, r, y_sum, sigma, modes[lo : lo + n], nodes, log_weights,
                lane_value, first, second, work,
            )  # fmt: skip
            if status != 0:
                return 1
            for i in range(n):
                score_rho += first[m - 1, i]
                hessian[p, p] += second[tri(m - 1, m - 1), i]
            for a in range(p):
                place = tri(m - 1, inner_place[a])
                s = 0.0
                for i in range(n):
                    s += outer[a, lo + i] * second[place, i]
                hessian[p, a] += s
        else:
            evaluate_pooled_lanes(lo, n, n_slots, active, eta, varying, r, y_sum, lane_value, first, second, scratch)
            for i in range(n):
                score_rho += first[r + 1, i]
        add_expanded(lo, n, p, m, inner_place, outer, first, second, gradient, hessian)
        for i in range(n):
            total += lane_value[i]
        for a in range(p):
            s = 0.0
            for i in range(n):
                s += outer[a, lo + i] * y_sum[inner_place[a], lo + i]
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


@kernel("float64(float64[:, ::1], float64[::1], float64[::1], float64[:, ::1], int64)")
def newton_step(hessian, gradient, step, factor, q):  # type: ignore[no-untyped-def]
    """Write (-H + ridge)^-1 g into ``step``; returns its squared length in standard errors, negative with a ridge."""
    ridge = 0.0
    largest = 0.0
    for a in range(q):
        largest = max(largest, abs(hessian[a, a]))
    for _ in range(40):
        for a in range(q):
            for c in range(a + 1):
                factor[a, c] = -hessian[a, c]
            factor[a, a] += ridge * max(abs(hessian[a, a]), 1e-8 * largest)
        if cholesky(factor, q) < 0:
            for a in range(q):
                step[a] = gradient[a]
            solve_cholesky(factor, step, q)
            s = 0.0
            for a in range(q):
                s += step[a] * gradient[a]
            return s if ridge == 0.0 else -s - 1e-300
        ridge = 1e-3 if ridge == 0.0 else 4.0 * ridge
    return np.nan


@kernel(
    "int64(int64[::1], int64, float64[:, ::1], float64[:, ::1], float64[:, ::1], int64[::1], float64[:, ::1],"
    "float64[:, :, ::1], float64[::1], float64[::1])"
)
def find_separation(active, n_lanes, sign, eta, scratch, inner_place, outer, varying, beta, step):  # type: ignore[no-untyped-def]
    """Look for a certificate of separation in the current coefficients or in the last step.

    Returns 2 if ``beta`` predicts every outcome (complete separation), 1 if moving along ``step`` makes no outcome
    less likely and some more likely (quasi-complete), else 0.
    """
    n_slots = active.shape[0]
    for which in range(2):
        direction = beta if which == 0 else step
        fill_linear_predictor(eta, 0, n_lanes, n_slots, active, inner_place, direction, outer, varying)
        lowest = np.inf
        highest = -np.inf
        for j in range(n_slots):
            for i in range(active[j]):
                agreement = sign[j, i] * eta[j, i]
                lowest = min(lowest, agreement)
                highest = max(highest, agreement)
        if which == 0 and lowest > 0.0:
            return 2
        if which == 1 and highest > 0.3 and lowest > -1e-3 * highest:
            return 1
    return 0
