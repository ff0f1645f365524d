"""Newton's method for the linear mixed model: checks, scaling, boundary, degrees of freedom.

The likelihood is in ``linear_mixed_likelihood``; equations (LMM-1) to (LMM-9) are in
``docs/methods/linear_mixed.md``. Inside, columns of the design and the slope's variable are scaled to unit root mean
square and the outcome is replaced by its least-squares residual; all is undone at the end.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from equipoise.stats.codes import FitCode
from equipoise.stats.kernels.compile import Blocks, Codes, Cube, FlagMatrix, Integers, Matrix, Vector, kernel
from equipoise.stats.kernels.linear_algebra import (
    cholesky,
    condition_number,
    find_aliased_columns,
    invert_cholesky,
    solve_cholesky,
)
from equipoise.stats.kernels.linear_mixed_likelihood import Derivatives, Pieces, Products, differentiate, evaluate
from equipoise.stats.kernels.newton import newton_step

BOUNDARY_VARIANCE = np.uint32(FitCode.BOUNDARY_VARIANCE)
NOT_CONVERGED = np.uint32(FitCode.NOT_CONVERGED | FitCode.NOT_ESTIMABLE)
RANK_DEFICIENT = np.uint32(FitCode.RANK_DEFICIENT | FitCode.NOT_ESTIMABLE)
NON_FINITE_INPUT = np.uint32(FitCode.NON_FINITE_INPUT | FitCode.NOT_ESTIMABLE)
TOO_FEW_PARTICIPANTS = np.uint32(FitCode.TOO_FEW_PARTICIPANTS | FitCode.NOT_ESTIMABLE)
TOO_FEW_VISITS = np.uint32(FitCode.TOO_FEW_VISITS | FitCode.NOT_ESTIMABLE)
ONE_VISIT_EACH = np.uint32(FitCode.ONE_VISIT_EACH | FitCode.NOT_ESTIMABLE)
CONSTANT_OUTCOME = np.uint32(FitCode.CONSTANT_OUTCOME | FitCode.NOT_ESTIMABLE)
ILL_CONDITIONED = np.uint32(FitCode.ILL_CONDITIONED)

MAX_ITERATIONS = 200
CONVERGED = 1e-13
# Relative Cholesky factors below this, where the likelihood falls away from zero, are zero.
ZERO_FACTOR = 1e-5
CONDITION_LIMIT = 1e10


class Repeated(NamedTuple):
    """Repeated results of packed trials, participant by participant."""

    y: Vector
    design: Matrix  # (n_rows, p)
    slope: Vector  # (n_rows,) the variable of a random slope, where there is one
    participant_offsets: Integers  # rows of each participant
    trial_offsets: Integers  # participants of each trial


class LinearMixedFound(NamedTuple):
    """Outputs, an entry for each of n trials."""

    coefficients: Matrix  # (n, p)
    covariance: Cube
    df: Matrix
    parameter_covariance: Cube  # (n, k, k) of (theta, log sigma squared)
    jacobian: Blocks  # (n, k, p, p) derivatives of the covariance in them
    sd: Matrix  # (n, 4) sd_intercept, sd_slope, corr, sd_residual
    log_likelihood: Vector
    gradient_norm: Vector
    iterations: Integers
    condition: Vector
    codes: Codes
    aliased: FlagMatrix  # (n, p)


@kernel("void(Repeated, boolean, boolean, LinearMixedFound, int64, int64)", Repeated, LinearMixedFound)
def fit_range(trials, has_slope, reml, found, first_trial, stop_trial):  # type: ignore[no-untyped-def]
    """Fit trials ``first_trial:stop_trial``."""
    y, design, slope, participant_offsets, trial_offsets = trials
    out_coefficients, out_covariance, out_df = found.coefficients, found.covariance, found.df
    out_parameter_covariance, out_jacobian, out_sd = found.parameter_covariance, found.jacobian, found.sd
    out_log_likelihood, out_gradient_norm, out_iterations = found.log_likelihood, found.gradient_norm, found.iterations
    out_condition, out_codes, out_aliased = found.condition, found.codes, found.aliased
    p = design.shape[1]
    q = 2 if has_slope else 1
    n_k = 1 if q == 1 else 3
    xx = np.empty((p, p))
    xy = np.empty(p)
    x_scale = np.empty(p)
    ols = np.empty(p)
    delta = np.empty(p)
    factor = np.empty((max(p, 4), max(p, 4)))
    c_matrix = np.empty((p, p))
    value = np.empty(3)
    a_and_u = np.empty((3, max(p, 3)))
    big_t = np.empty((3, 3))
    big_u = np.empty((3, 3))
    big_n = np.empty((4, max(p, 3), max(p, 3)))
    zwx = np.empty((3, max(p, 2), p))
    theta = np.empty(3)
    best = np.empty(3)
    gradient = np.empty(4)
    hessian = np.empty((4, 4))
    step = np.empty(4)
    small = np.empty((4, 4))
    inverse = np.empty((4, 4))
    jacobian = np.empty((3, 3))
    pieces = Pieces(value, a_and_u, big_t, big_u, delta, big_n, zwx, c_matrix, factor)
    derivatives = Derivatives(gradient, hessian, jacobian)
    for trial in range(first_trial, stop_trial):
        p0 = trial_offsets[trial]
        p1 = trial_offsets[trial + 1]
        r0 = participant_offsets[p0]
        r1 = participant_offsets[p1]
        n_rows = r1 - r0
        out_iterations[trial] = 0

        # --- what makes the model impossible
        is_finite = True
        for row in range(r0, r1):
            s = abs(y[row]) + (abs(slope[row]) if has_slope else 0.0)
            for a in range(p):
                s += abs(design[row, a])
            if not s < np.inf:
                is_finite = False
        if not is_finite:
            out_codes[trial] = NON_FINITE_INPUT
            continue
        n_lanes = 0
        longest = 0
        for i in range(p0, p1):
            n = participant_offsets[i + 1] - participant_offsets[i]
            longest = max(longest, n)
            n_lanes += 1 if n > 0 else 0
        if n_lanes < 2 or n_rows <= p:
            out_codes[trial] = TOO_FEW_PARTICIPANTS
            continue
        if longest < 2:
            out_codes[trial] = ONE_VISIT_EACH
            continue
        if n_rows <= q * n_lanes:
            out_codes[trial] = TOO_FEW_VISITS
            continue
        if find_aliased_columns(design, r0, r1, p, out_aliased[trial]) > 0:
            out_codes[trial] = RANK_DEFICIENT
            continue

        # --- scale, least squares, residuals
        slope_scale = 1.0
        if has_slope:
            s = 0.0
            for row in range(r0, r1):
                s += slope[row] * slope[row]
            slope_scale = np.sqrt(s / n_rows)
            if not slope_scale > 0.0:
                out_codes[trial] = TOO_FEW_VISITS
                continue
        for a in range(p):
            s = 0.0
            for row in range(r0, r1):
                s += design[row, a] * design[row, a]
            x_scale[a] = np.sqrt(s / n_rows)
            ols[a] = 0.0
        residual = y[r0:r1].copy()
        total = 0.0
        for row in range(n_rows):
            total += residual[row] * residual[row]
        for a in range(p):
            for c in range(a + 1):
                s = 0.0
                for row in range(r0, r1):
                    s += design[row, a] * design[row, c]
                xx[a, c] = s / (x_scale[a] * x_scale[c])
                xx[c, a] = xx[a, c]
                factor[a, c] = xx[a, c]
        if cholesky(factor, p) >= 0:
            out_codes[trial] = RANK_DEFICIENT
            continue
        # Twice, so that the residual is orthogonal to the design to the last digit.
        for _ in range(2):
            for a in range(p):
                s = 0.0
                for row in range(n_rows):
                    s += design[r0 + row, a] * residual[row]
                xy[a] = s / x_scale[a]
            solve_cholesky(factor, xy, p)
            for a in range(p):
                ols[a] += xy[a] / x_scale[a]
            for row in range(n_rows):
                s = 0.0
                for a in range(p):
                    s += design[r0 + row, a] * xy[a] / x_scale[a]
                residual[row] -= s
        yy = 0.0
        for row in range(n_rows):
            yy += residual[row] * residual[row]
        if not yy > 1e-22 * total:
            out_codes[trial] = CONSTANT_OUTCOME
            continue
        for a in range(p):
            s = 0.0
            for row in range(n_rows):
                s += design[r0 + row, a] * residual[row]
            xy[a] = s / x_scale[a]

        # --- each participant's cross-products; (LMM-2)
        zz = np.zeros((n_lanes, 2, 2))
        zx = np.zeros((n_lanes, 2, p))
        zy = np.zeros((n_lanes, 2))
        lane = np.empty(3 * n_lanes)
        place = 0
        for i in range(p0, p1):
            if participant_offsets[i + 1] == participant_offsets[i]:
                continue
            for row in range(participant_offsets[i], participant_offsets[i + 1]):
                e = residual[row - r0]
                zz[place, 0, 0] += 1.0
                zy[place, 0] += e
                for a in range(p):
                    zx[place, 0, a] += design[row, a]
                if has_slope:
                    z = slope[row] / slope_scale
                    zz[place, 1, 0] += z
                    zz[place, 1, 1] += z * z
                    zy[place, 1] += z * e
                    for a in range(p):
                        zx[place, 1, a] += z * design[row, a]
            for a in range(p):
                zx[place, 0, a] /= x_scale[a]
                zx[place, 1, a] /= x_scale[a]
            place += 1

        # --- Newton on the profiled likelihood
        products = Products(zz, zx, zy, xx, xy, yy, n_rows)
        theta[0] = 1.0
        theta[1] = 0.0
        theta[2] = 0.5 if q == 2 else 0.0
        best_value = -np.inf
        scale = 1.0
        has_converged = False
        distance = np.nan
        evaluations = 0
        for _ in range(MAX_ITERATIONS):
            evaluations += 1
            status = evaluate(theta, q, reml, products, pieces, lane)
            wanted = best_value - 1e-11 * (1.0 + abs(best_value))
            if evaluations > 1:
                # Some of the promised rise is asked for: the likelihood is even, and a step could land on its mirror.
                wanted += 1e-4 * scale * abs(distance)
            if status != 0 or not value[0] >= wanted:
                scale *= 0.5
                if scale < 1e-12:
                    break
                for k in range(n_k):
                    theta[k] = best[k] + scale * step[k]
                continue
            best_value = value[0]
            for k in range(n_k):
                best[k] = theta[k]
            differentiate(theta, q, value[2] / value[1], True, pieces, derivatives)
            distance = newton_step(hessian, gradient, step, small, n_k)
            if not np.isfinite(distance):
                break
            if abs(distance) < CONVERGED:
                has_converged = True
                break
            scale = 1.0
            largest = 0.0
            length = 0.5
            for k in range(n_k):
                largest = max(largest, abs(step[k]))
                length = max(length, abs(theta[k]))
            if largest > 2.0 * length:
                scale = 2.0 * length / largest
            for k in range(n_k):
                theta[k] = best[k] + scale * step[k]
        out_iterations[trial] = evaluations
        out_gradient_norm[trial] = np.sqrt(abs(distance))
        if not has_converged:
            out_codes[trial] = NOT_CONVERGED
            continue

        # --- the boundary, exactly; signs of the factor do not matter to the likelihood
        code = np.uint32(0)
        for k in range(n_k):
            theta[k] = best[k]
        if q == 1:
            if abs(theta[0]) < ZERO_FACTOR:
                theta[0] = 0.0
                code = BOUNDARY_VARIANCE
        else:
            if abs(theta[2]) < ZERO_FACTOR:
                theta[2] = 0.0
                code = BOUNDARY_VARIANCE
            if abs(theta[0]) < ZERO_FACTOR:
                theta[2] = np.sqrt(theta[1] * theta[1] + theta[2] * theta[2])
                theta[0] = 0.0
                theta[1] = 0.0
                code = BOUNDARY_VARIANCE
            if theta[0] < 0.0:
                theta[0] = -theta[0]
                theta[1] = -theta[1]
            theta[2] = abs(theta[2])
        theta[0] = abs(theta[0])
        evaluate(theta, q, reml, products, pieces, lane)
        sigma2 = value[1] / value[2]
        out_codes[trial] = code
        log_scale = 0.0
        for a in range(p):
            out_coefficients[trial, a] = ols[a] + delta[a] / x_scale[a]
            log_scale += np.log(x_scale[a])
            for c in range(p):
                out_covariance[trial, a, c] = sigma2 * c_matrix[a, c] / (x_scale[a] * x_scale[c])
        out_log_likelihood[trial] = value[0] - (log_scale if reml else 0.0)
        spread = np.sqrt(theta[1] * theta[1] + theta[2] * theta[2])
        out_sd[trial, 0] = theta[0] * np.sqrt(sigma2)
        out_sd[trial, 3] = np.sqrt(sigma2)
        if q == 2:
            out_sd[trial, 1] = spread * np.sqrt(sigma2) / slope_scale
            if theta[0] > 0.0 and spread > 0.0:
                out_sd[trial, 2] = theta[1] / spread

        # --- Satterthwaite: covariance of (theta, log sigma squared) and derivatives of the covariance; (LMM-9)
        differentiate(theta, q, 1.0 / sigma2, False, pieces, derivatives)
        n_parameters = n_k + 1
        for k in range(n_k):
            # A factor that is zero, or free to turn, moves nothing: its row is replaced by one of no influence.
            is_free = True
            if q == 1 and theta[0] == 0.0:
                is_free = False
            if q == 2 and k == 2 and theta[2] == 0.0:
                is_free = False
            if q == 2 and theta[0] == 0.0 and k <= 1:
                is_free = False
            if not is_free:
                for j in range(n_parameters):
                    if j <= k:
                        hessian[k, j] = 0.0
                    else:
                        hessian[j, k] = 0.0
                hessian[k, k] = -1.0
                for j in range(3):
                    jacobian[j, k] = 0.0
        for j in range(n_parameters):
            for k in range(j + 1):
                small[j, k] = -hessian[j, k]
        for j in range(n_k):
            for a in range(p):
                for c in range(p):
                    s = 0.0
                    for k in range(n_k):
                        e = 0.0
                        for l in range(p):  # noqa: E741
                            e += zwx[k, a, l] * c_matrix[l, c]
                        s += jacobian[k, j] * e
                    out_jacobian[trial, j, a, c] = sigma2 * s / (x_scale[a] * x_scale[c])
        for a in range(p):
            for c in range(p):
                out_jacobian[trial, n_k, a, c] = out_covariance[trial, a, c]
        if cholesky(small, n_parameters) >= 0:
            out_codes[trial] |= ILL_CONDITIONED
            continue
        invert_cholesky(small, inverse, n_parameters)
        for j in range(n_parameters):
            for k in range(n_parameters):
                out_parameter_covariance[trial, j, k] = inverse[j, k]
            for k in range(j + 1):
                small[j, k] = -hessian[j, k]
        condition = condition_number(small, inverse, n_parameters)
        for a in range(p):
            for c in range(a + 1):
                factor[a, c] = c_matrix[a, c]
        if cholesky(factor, p) < 0:
            # The condition of the covariance is that of the information.
            invert = np.empty((max(p, 4), max(p, 4)))
            invert_cholesky(factor, invert, p)
            condition = max(condition, condition_number(c_matrix, invert, p))
        out_condition[trial] = condition
        if condition > CONDITION_LIMIT:
            out_codes[trial] |= ILL_CONDITIONED
        for a in range(p):
            v = out_covariance[trial, a, a]
            s = 0.0
            for j in range(n_parameters):
                for k in range(n_parameters):
                    s += out_jacobian[trial, j, a, a] * inverse[j, k] * out_jacobian[trial, k, a, a]
            out_df[trial, a] = 2.0 * v * v / s
