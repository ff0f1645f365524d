"""Laplace's approximation for a random intercept and slope: value, exact gradient, and the Newton loop around them.

Equations (LAP-1) to (LAP-6) are in ``docs/methods/logistic_mixed_slope.md``. Random effects are written b = L u with u
standard normal and L lower triangular, so a variance of zero or a correlation of one is an ordinary point at which the
likelihood is smooth and even. Columns of the design and the slope's variable come scaled to unit root mean square.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from equipoise.stats.codes import FitCode
from equipoise.stats.kernels.compile import Codes, Cube, Integers, Matrix, Vector, kernel, part
from equipoise.stats.kernels.linear_algebra import cholesky, condition_number, invert_cholesky
from equipoise.stats.kernels.newton import newton_step

BOUNDARY_VARIANCE = np.uint32(FitCode.BOUNDARY_VARIANCE)
NOT_ESTIMABLE = np.uint32(FitCode.NOT_ESTIMABLE)
NOT_CONVERGED = np.uint32(FitCode.NOT_CONVERGED | FitCode.NOT_ESTIMABLE)
ILL_CONDITIONED = np.uint32(FitCode.ILL_CONDITIONED)

MAX_ITERATIONS = 100
MAX_MODE_STEPS = 200
# Squared distance to the maximum, in standard errors, at which Newton stops: 3e-5 of a standard error.
CONVERGED = 1e-9
# Within this squared distance the outer product of the scores gives way to the differenced Hessian.
CLOSE = 0.5
# The exact gradient is good to about 1e-12 and smooth on the scale of one: the error of a central difference of it
# is near 1e-8 of the curvature.
DIFFERENCE = 5e-5
# Elements of the factor below this, where the likelihood falls away from zero, are zero.
ZERO_FACTOR = 1e-3
LARGE_FACTOR = 50.0
ETA_LIMIT = 300.0
CONDITION_LIMIT = 1e10


class RandomSlopes(NamedTuple):
    """Repeated yes-or-no results of packed trials with a random slope, and the fit without it to begin from."""

    y: Vector
    design: Matrix  # (n_rows, p)
    slope: Vector  # (n_rows,)
    participant_offsets: Integers  # rows of each participant
    trial_offsets: Integers  # participants of each trial
    start: Matrix  # (n, p) coefficients of the fit with a random intercept alone
    start_sd: Vector  # its standard deviation
    start_value: Vector  # its log-likelihood


class RandomSlopesFound(NamedTuple):
    """Outputs, an entry for each of n trials; on entry they hold the fit with a random intercept alone."""

    coefficients: Matrix  # (n, p)
    covariance: Cube
    sd: Matrix  # (n, 3) sd_intercept, sd_slope, corr
    log_likelihood: Vector
    gradient_norm: Vector
    iterations: Integers
    condition: Vector
    codes: Codes


class ScaledTrial(NamedTuple):
    """One trial, columns and slope at unit root mean square, and room for four numbers a row."""

    x: Matrix
    z: Vector
    y: Vector
    offsets: Integers
    scratch: Matrix


class Scores(NamedTuple):
    """The likelihood at one place."""

    gradient: Vector
    outer: Matrix  # sum over participants of the outer products of their scores, lower triangle
    value: Vector  # (1,) the log-likelihood
    score: Vector  # of one participant


@kernel("int64(float64[::1], ScaledTrial, float64[:, ::1], Scores)", ScaledTrial, Scores)
def evaluate(psi, trial, modes, scores):  # type: ignore[no-untyped-def]
    """Fill ``scores`` at ``psi``, (beta, l11, l21, l22).

    ``modes`` (participants, 2) holds where to begin the search for each mode and receives the modes. Returns 1 where a
    linear predictor has gone astray or a mode was not found.
    """
    x, z, y, offsets, scratch = trial
    gradient, outer, value, score = scores
    n_q = psi.shape[0]
    p = n_q - 3
    l11 = psi[p]
    l21 = psi[p + 1]
    l22 = psi[p + 2]
    value[0] = 0.0
    for a in range(n_q):
        gradient[a] = 0.0
        for c in range(a + 1):
            outer[a, c] = 0.0
    for i in range(offsets.shape[0] - 1):
        r0 = offsets[i]
        r1 = offsets[i + 1]
        if r1 == r0:
            continue
        for row in range(r0, r1):
            s = 0.0
            for a in range(p):
                s += x[row, a] * psi[a]
            if not abs(s) < ETA_LIMIT:
                return 1
            scratch[0, row] = s
        # --- the mode, (LAP-2): the objective is strictly concave, so halved Newton steps arrive
        u1 = modes[i, 0]
        u2 = modes[i, 1]
        at1 = u1
        at2 = u2
        d1 = 0.0
        d2 = 0.0
        best = -np.inf
        has_mode = False
        f = 0.0
        h11 = 1.0
        h21 = 0.0
        h22 = 1.0
        for _ in range(MAX_MODE_STEPS):
            f = -0.5 * (u1 * u1 + u2 * u2)
            g1 = -u1
            g2 = -u2
            h11 = 1.0
            h21 = 0.0
            h22 = 1.0
            for row in range(r0, r1):
                a1 = l11 + z[row] * l21
                a2 = z[row] * l22
                eta = scratch[0, row] + a1 * u1 + a2 * u2
                small = np.exp(-abs(eta))
                share = 1.0 / (1.0 + small)
                prob = share if eta >= 0.0 else small * share
                f += y[row] * eta - max(eta, 0.0) - np.log1p(small)
                v = small * share * share
                r = y[row] - prob
                scratch[1, row] = r
                scratch[2, row] = v
                # v' = v (1 - 2 prob)
                scratch[3, row] = v * (1.0 - 2.0 * prob)
                g1 += r * a1
                g2 += r * a2
                h11 += v * a1 * a1
                h21 += v * a1 * a2
                h22 += v * a2 * a2
            if not f >= best - 1e-12 * (1.0 + abs(best)):
                d1 *= 0.5
                d2 *= 0.5
                u1 = at1 + d1
                u2 = at2 + d2
                continue
            at1 = u1
            at2 = u2
            best = f
            det = h11 * h22 - h21 * h21
            d1 = (h22 * g1 - h21 * g2) / det
            d2 = (h11 * g2 - h21 * g1) / det
            if d1 * g1 + d2 * g2 < 1e-24:
                has_mode = True
                break
            u1 = at1 + d1
            u2 = at2 + d2
        if not has_mode:
            return 1
        modes[i, 0] = u1
        modes[i, 1] = u2
        # --- value (LAP-3) and score (LAP-4)
        det = h11 * h22 - h21 * h21
        i11 = h22 / det
        i21 = -h21 / det
        i22 = h11 / det
        value[0] += f - 0.5 * np.log(det)
        m1 = 0.0
        m2 = 0.0
        for row in range(r0, r1):
            a1 = l11 + z[row] * l21
            a2 = z[row] * l22
            q = scratch[3, row] * (i11 * a1 * a1 + 2.0 * i21 * a1 * a2 + i22 * a2 * a2)
            m1 += q * a1
            m2 += q * a2
        w1 = i11 * m1 + i21 * m2
        w2 = i21 * m1 + i22 * m2
        for a in range(n_q):
            score[a] = 0.0
        for row in range(r0, r1):
            a1 = l11 + z[row] * l21
            a2 = z[row] * l22
            k1 = i11 * a1 + i21 * a2
            k2 = i21 * a1 + i22 * a2
            r = scratch[1, row]
            v = scratch[2, row]
            e = r - 0.5 * scratch[3, row] * (a1 * k1 + a2 * k2) + 0.5 * v * (w1 * a1 + w2 * a2)
            for a in range(p):
                score[a] += e * x[row, a]
            c1 = e * u1 - 0.5 * r * w1 - v * k1
            score[p] += c1
            score[p + 1] += z[row] * c1
            score[p + 2] += z[row] * (e * u2 - 0.5 * r * w2 - v * k2)
        for a in range(n_q):
            gradient[a] += score[a]
            for c in range(a + 1):
                outer[a, c] += score[a] * score[c]
    return 0 if np.isfinite(value[0]) else 1


@part("int64(float64[::1], int64, ScaledTrial, float64[:, ::1], float64[:, ::1], Scores)", ScaledTrial, Scores)
def difference_hessian(psi, n_free, trial, modes, hessian, scores):  # type: ignore[no-untyped-def]
    """Central differences of the exact gradient in the first ``n_free`` parameters, made symmetric; 1 if refused."""
    n_q = psi.shape[0]
    gradient, point = scores.gradient, np.empty(n_q)
    nearby = modes.copy()
    for a in range(n_q):
        point[a] = psi[a]
    for k in range(n_free):
        for side in range(2):
            point[k] = psi[k] + (DIFFERENCE if side == 0 else -DIFFERENCE)
            if evaluate(point, trial, nearby, scores) != 0:
                return 1
            for a in range(n_free):
                hessian[a, k] = gradient[a] if side == 0 else (hessian[a, k] - gradient[a]) / (2.0 * DIFFERENCE)
        point[k] = psi[k]
    for a in range(n_free):
        for c in range(a):
            hessian[a, c] = 0.5 * (hessian[a, c] + hessian[c, a])
            hessian[c, a] = hessian[a, c]
    return 0


@part(
    "void(float64[::1], int64, ScaledTrial, float64[:, ::1], float64[:, ::1], float64[:, ::1], float64[::1])",
    ScaledTrial,
)
def climb(psi, n_free, trial, modes, hessian, factor, answer):  # type: ignore[no-untyped-def]
    """Maximise in the first ``n_free`` of ``psi``, which receives the place; the others stay as they are.

    ``answer`` = (log-likelihood, squared distance left in standard errors, 1 if arrived else 0, evaluations). The
    squared distance is negative where the Hessian there is not negative definite.
    """
    n_q = psi.shape[0]
    p = n_q - 3
    gradient = np.empty(n_q)
    outer = np.empty((n_q, n_q))
    score = np.empty(n_q)
    step = np.empty(n_q)
    point = psi.copy()
    best = psi.copy()
    value = np.empty(1)
    scores, nearby = Scores(gradient, outer, value, score), Scores(np.empty(n_q), outer, value, score)
    answer[0] = -np.inf
    answer[1] = np.nan
    answer[2] = 0.0
    answer[3] = 0.0
    is_differenced = False
    scale = 1.0
    distance = np.nan
    for iteration in range(MAX_ITERATIONS):
        answer[3] += 1.0
        status = evaluate(point, trial, modes, scores)
        wanted = answer[0] - 1e-11 * (1.0 + abs(answer[0]))
        if iteration > 0 and np.isfinite(distance):
            # Some of the promised rise is asked for: a step could land on its mirror image.
            wanted += 1e-4 * scale * abs(distance)
        if status != 0 or not value[0] >= wanted:
            if iteration == 0:
                return
            scale *= 0.5
            if scale < 1e-6 and not is_differenced:
                # The approximate direction has stopped rising: the true curvature takes over from the best place.
                is_differenced = True
                distance = np.nan
                for a in range(n_q):
                    point[a] = best[a]
                continue
            if scale < 1e-12:
                return
            for a in range(n_free):
                point[a] = best[a] + scale * step[a]
            continue
        answer[0] = value[0]
        for a in range(n_q):
            best[a] = point[a]
            psi[a] = point[a]
        for _ in range(2):
            if is_differenced:
                status = difference_hessian(best, n_free, trial, modes, hessian, nearby)
                answer[3] += 2.0 * n_free
                if status != 0:
                    return
            else:
                for a in range(n_free):
                    for c in range(a + 1):
                        hessian[a, c] = -outer[a, c]
            distance = newton_step(hessian, gradient, step, factor, n_free)
            if is_differenced or not (abs(distance) > CLOSE and iteration < 20):
                if is_differenced:
                    break
                is_differenced = True
            else:
                break
        if not np.isfinite(distance):
            return
        answer[1] = distance
        if abs(distance) < CONVERGED:
            answer[2] = 1.0
            return
        for k in range(p, n_q):
            if abs(best[k]) > LARGE_FACTOR:
                return
        scale = 1.0
        # A variance may change a good deal in one step, but not run away.
        largest = 0.0
        length = 0.5
        for k in range(p, n_free):
            largest = max(largest, abs(step[k]))
        for k in range(p, n_q):
            length = max(length, abs(best[k]))
        if largest > length:
            scale = length / largest
        for a in range(n_free):
            point[a] = best[a] + scale * step[a]


@kernel("void(RandomSlopes, RandomSlopesFound, int64, int64)", RandomSlopes, RandomSlopesFound)
def fit_range(trials, found, first_trial, stop_trial):  # type: ignore[no-untyped-def]
    """Fit trials ``first_trial:stop_trial``; a trial whose code says not estimable on entry is left alone.

    Where the larger model does not rise above the fit with a random intercept alone, nothing is written but the code.
    """
    y, design, slope, participant_offsets, trial_offsets, start, start_sd, start_value = trials
    (
        out_coefficients,
        out_covariance,
        out_sd,
        out_log_likelihood,
        out_gradient_norm,
        out_iterations,
        out_condition,
        out_codes,
    ) = found
    p = design.shape[1]
    n_q = p + 3
    hessian = np.empty((n_q, n_q))
    factor = np.empty((n_q, n_q))
    inverse = np.empty((n_q, n_q))
    psi = np.empty(n_q)
    best = np.empty(n_q)
    answer = np.empty(4)
    x_scale = np.empty(p)
    for trial in range(first_trial, stop_trial):
        if out_codes[trial] & NOT_ESTIMABLE:
            continue
        p0 = trial_offsets[trial]
        p1 = trial_offsets[trial + 1]
        r0 = participant_offsets[p0]
        r1 = participant_offsets[p1]
        n_rows = r1 - r0
        x = np.empty((n_rows, p))
        z = np.empty(n_rows)
        scratch = np.empty((4, n_rows))
        offsets = participant_offsets[p0 : p1 + 1] - r0
        for a in range(p):
            s = 0.0
            for row in range(n_rows):
                s += design[r0 + row, a] * design[r0 + row, a]
            x_scale[a] = np.sqrt(s / n_rows)
            for row in range(n_rows):
                x[row, a] = design[r0 + row, a] / x_scale[a]
        s = 0.0
        for row in range(n_rows):
            s += slope[r0 + row] * slope[r0 + row]
        z_scale = np.sqrt(s / n_rows)
        for row in range(n_rows):
            z[row] = slope[r0 + row] / z_scale
        scaled = ScaledTrial(x, z, y[r0:r1], offsets, scratch)

        # --- from the smaller model's answer; from elsewhere only where that did not arrive or rise
        modes = np.zeros((p1 - p0, 2))
        best_modes = modes
        best_value = -np.inf
        best_distance = np.nan
        evaluations = 0.0
        has_arrived = False
        for attempt in range(3):
            for a in range(p):
                psi[a] = start[trial, a] * x_scale[a]
            psi[p] = max(start_sd[trial], 0.3)
            psi[p + 1] = 0.0 if attempt == 0 else (0.2 if attempt == 1 else -0.2)
            psi[p + 2] = 0.3 if attempt == 0 else 0.6
            modes = np.zeros((p1 - p0, 2))
            climb(psi, n_q, scaled, modes, hessian, factor, answer)
            evaluations += answer[3]
            if answer[2] > 0.0 and (not has_arrived or answer[0] > best_value):
                has_arrived = True
                best_value = answer[0]
                best_distance = answer[1]
                best_modes = modes
                for a in range(n_q):
                    best[a] = psi[a]
            if has_arrived and best_distance >= 0.0 and best_value >= start_value[trial] - 1e-7:
                break
        out_iterations[trial] = int(evaluations)
        if not has_arrived:
            out_codes[trial] = NOT_CONVERGED
            continue

        # --- the boundary, exactly: with rank one, L can be turned until l22 is zero; signs do not matter
        n_free = n_q
        if abs(best[p]) < ZERO_FACTOR:
            best[p + 1] = np.sqrt(best[p + 1] * best[p + 1] + best[p + 2] * best[p + 2])
            best[p + 2] = 0.0
        if abs(best[p + 2]) < ZERO_FACTOR:
            best[p + 2] = 0.0
            n_free = n_q - 1
            # Both columns gone, or no rise above the smaller model on its own boundary: that model's answer it is.
            is_zero = abs(best[p]) < ZERO_FACTOR and abs(best[p + 1]) < ZERO_FACTOR
            if not is_zero:
                climb(best, n_free, scaled, best_modes, hessian, factor, answer)
                out_iterations[trial] += int(answer[3])
                best_value = answer[0]
                best_distance = answer[1]
                is_zero = abs(best[p]) < ZERO_FACTOR and abs(best[p + 1]) < ZERO_FACTOR
            if is_zero:
                if start_sd[trial] == 0.0:
                    out_codes[trial] |= BOUNDARY_VARIANCE
                    out_sd[trial, 0] = 0.0
                    out_sd[trial, 1] = 0.0
                else:
                    out_codes[trial] = NOT_CONVERGED
                continue
        if not best_value >= start_value[trial] - 1e-7 or best_distance < 0.0 or not abs(best_distance) < CONVERGED:
            # The smaller model is a special case of this one, so a lower value is not the maximum.
            out_codes[trial] = NOT_CONVERGED
            continue
        if best[p] < 0.0:
            best[p] = -best[p]
            best[p + 1] = -best[p + 1]

        # --- what is kept; the Hessian in (beta, l11, l21[, l22]) was left by the last step, up to those signs
        for a in range(n_free):
            for c in range(n_free):
                factor[a, c] = -hessian[a, c]
        if cholesky(factor, n_free) >= 0:
            out_codes[trial] = NOT_CONVERGED
            continue
        invert_cholesky(factor, inverse, n_free)
        for a in range(n_free):
            for c in range(n_free):
                factor[a, c] = -hessian[a, c]
        out_codes[trial] = 0 if n_free == n_q else BOUNDARY_VARIANCE
        for a in range(p):
            out_coefficients[trial, a] = best[a] / x_scale[a]
            for c in range(p):
                out_covariance[trial, a, c] = inverse[a, c] / (x_scale[a] * x_scale[c])
        spread = np.sqrt(best[p + 1] * best[p + 1] + best[p + 2] * best[p + 2])
        out_sd[trial, 0] = best[p]
        out_sd[trial, 1] = spread / z_scale
        if best[p] > 0.0 and spread > 0.0:
            out_sd[trial, 2] = best[p + 1] / spread
        out_log_likelihood[trial] = best_value
        out_gradient_norm[trial] = np.sqrt(best_distance)
        out_condition[trial] = condition_number(factor, inverse, n_free)
        if out_condition[trial] > CONDITION_LIMIT:
            out_codes[trial] |= ILL_CONDITIONED
