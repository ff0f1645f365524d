"""The kernel that fits a range of trials: gathering, pooled fit, Newton, what is kept of the answer."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from equipoise.stats.kernels.compile import Codes, Cube, FlagMatrix, Integers, Matrix, Vector, kernel, part
from equipoise.stats.kernels.linear_algebra import (
    cholesky,
    condition_number,
    find_aliased_columns,
    invert_cholesky,
)
from equipoise.stats.kernels.newton import newton_step
from equipoise.stats.kernels.quadrature import ETA, LANES, QuadratureRule
from equipoise.stats.kernels.quadrature_trial import (
    ALL_EVENTS,
    BOUNDARY_VARIANCE,
    CONDITION_LIMIT,
    CONSTANT_OUTCOME,
    CONVERGED,
    ILL_CONDITIONED,
    LARGE_SIGMA,
    NO_EVENTS,
    NON_FINITE_INPUT,
    NOT_CONVERGED,
    ONE_VISIT_EACH,
    RANK_DEFICIENT,
    SEPARATION_COMPLETE,
    SEPARATION_QUASI,
    SMALL_SIGMA,
    TOO_FEW_PARTICIPANTS,
    VARIANCE_UNBOUNDED,
    Lanes,
    TrialLikelihood,
    evaluate_trial,
    find_separation,
    predict_modes,
)
from equipoise.stats.kernels.vector_math import bits_from_float

# Pivots of the information, as a share of the diagonal, above which it proves full rank by itself.
CLEAR_RANK = 1e-6
_EXPONENT = 0x7FF0000000000000
MAX_POOLED_ITERATIONS = 60
MAX_ITERATIONS = 100
# Squared distance in standard errors below which Newton's steps use the nodes asked for.
COARSE_ENOUGH = 0.1


@part("uint32(int64, int64, float64[::1], float64[:, ::1], int64[::1])")
def check_trial(p0, p1, y, design, participant_offsets):  # type: ignore[no-untyped-def]
    """Codes for what makes a trial unfit for the model before any likelihood is computed; 0 where nothing does."""
    first_row = participant_offsets[p0]
    stop_row = participant_offsets[p1]
    p = design.shape[1]
    # Counted on the bits, without branches: an exponent of all ones is infinite or not a number.
    bad = 0
    events = 0
    for row in range(first_row, stop_row):
        events += y[row] == 1.0
        bad += (y[row] != 0.0) & (y[row] != 1.0)
    cells = design[first_row:stop_row].reshape((stop_row - first_row) * p)
    for cell in range(cells.shape[0]):
        bad += (bits_from_float(cells[cell]) & _EXPONENT) == _EXPONENT
    if bad > 0:
        return NON_FINITE_INPUT
    n_participants = 0
    longest = 0
    is_mixed = False
    for i in range(p0, p1):
        n = participant_offsets[i + 1] - participant_offsets[i]
        if n > 0:
            n_participants += 1
            longest = max(longest, n)
            row = participant_offsets[i] + 1
            while not is_mixed and row < participant_offsets[i + 1]:
                is_mixed = y[row] != y[row - 1]
                row += 1
    if n_participants < 2:
        return TOO_FEW_PARTICIPANTS
    if events == 0:
        return CONSTANT_OUTCOME | NO_EVENTS
    if events == stop_row - first_row:
        return CONSTANT_OUTCOME | ALL_EVENTS
    if longest < 2:
        return ONE_VISIT_EACH
    if not is_mixed:
        return VARIANCE_UNBOUNDED
    return np.uint32(0)


@part("boolean(float64[:, ::1], float64[:, ::1], int64)")
def has_clear_rank(hessian, factor, p):  # type: ignore[no-untyped-def]
    """Whether no column is nearly determined by the earlier ones, judged on minus the Hessian."""
    for a in range(p):
        for c in range(a + 1):
            s = -hessian[a, c]
            for k in range(c):
                s -= factor[a, k] * factor[c, k]
            if c < a:
                factor[a, c] = s / factor[c, c]
            else:
                if not s > -CLEAR_RANK * hessian[a, a]:
                    return False
                factor[a, a] = np.sqrt(s)
    return True


class RepeatedBinary(NamedTuple):
    """Repeated yes-or-no results of packed trials, participant by participant."""

    y: Vector
    design: Matrix  # (n_rows, p)
    participant_offsets: Integers  # rows of each participant
    trial_offsets: Integers  # participants of each trial
    start: Matrix  # (n, p + 1) beta and sigma to start from; or without columns


class LogisticMixedFound(NamedTuple):
    """Outputs, an entry for each of n trials."""

    coefficients: Matrix  # (n, p)
    covariance: Cube  # (n, p + 1, p + 1) of (beta, sigma)
    log_likelihood: Vector
    sd: Vector
    gradient_norm: Vector
    iterations: Integers
    condition: Vector
    codes: Codes
    aliased: FlagMatrix  # (n, p)


@kernel(
    "void(RepeatedBinary, QuadratureRule, QuadratureRule, LogisticMixedFound, int64, int64)",
    RepeatedBinary,
    QuadratureRule,
    LogisticMixedFound,
)
def fit_range(trials, rule, coarse, found, first_trial, stop_trial):  # type: ignore[no-untyped-def]
    """Fit trials ``first_trial:stop_trial``.

    The first steps of Newton use the coarse rule: far from the maximum its derivatives are as good, and the last steps
    use the rule asked for.
    """
    y, design, participant_offsets, trial_offsets, start = trials
    out_coefficients, out_covariance, out_log_likelihood, out_sd = (
        found.coefficients,
        found.covariance,
        found.log_likelihood,
        found.sd,
    )
    out_gradient_norm, out_iterations, out_condition = found.gradient_norm, found.iterations, found.condition
    out_codes, out_aliased = found.codes, found.aliased
    p = design.shape[1]
    q = p + 1
    gradient = np.empty(q)
    hessian = np.empty((q, q))
    factor = np.empty((q, q))
    inverse = np.empty((q, q))
    step = np.empty(q)
    change = np.empty(q)
    point = np.empty(q)
    best = np.empty(q)
    beta = np.empty(p)
    pooled = np.empty(p)
    value = np.empty(2)
    at = TrialLikelihood(gradient, hessian, value)
    inner_place = np.empty(p, dtype=np.int64)
    work = np.empty(0)
    for trial in range(first_trial, stop_trial):
        p0 = trial_offsets[trial]
        p1 = trial_offsets[trial + 1]
        out_iterations[trial] = 0
        code = check_trial(p0, p1, y, design, participant_offsets)
        # Separation is worth naming too, so what concerns the variance alone waits for the pooled fit.
        variance_code = np.uint32(0)
        if code in (ONE_VISIT_EACH, VARIANCE_UNBOUNDED):
            variance_code = code
        elif code != 0:
            out_codes[trial] = code
            continue

        # --- lanes: participants by falling number of visits, ties in the order given
        longest = 0
        n_lanes = 0
        for i in range(p0, p1):
            n = participant_offsets[i + 1] - participant_offsets[i]
            longest = max(longest, n)
            n_lanes += 1 if n > 0 else 0
        active = np.zeros(longest, dtype=np.int64)
        place_of = np.zeros(longest + 2, dtype=np.int64)
        for i in range(p0, p1):
            n = participant_offsets[i + 1] - participant_offsets[i]
            place_of[longest - n + 1] += 1
            for j in range(n):
                active[j] += 1
        for j in range(longest + 1):
            place_of[j + 1] += place_of[j]
        r = 0
        for a in range(p):
            is_varying = False
            for i in range(p0, p1):
                r0 = participant_offsets[i]
                for row in range(r0 + 1, participant_offsets[i + 1]):
                    if design[row, a] != design[r0, a]:
                        is_varying = True
                        break
                if is_varying:
                    break
            if is_varying:
                r += 1
                inner_place[a] = r
            else:
                inner_place[a] = 0
        varying = np.zeros((max(r, 1), longest, n_lanes))
        outer = np.ones((p, n_lanes))
        y_sum = np.zeros((r + 1, n_lanes))
        sign = np.zeros((longest, n_lanes))
        for i in range(p0, p1):
            r0 = participant_offsets[i]
            n = participant_offsets[i + 1] - r0
            if n == 0:
                continue
            lane = place_of[longest - n]
            place_of[longest - n] += 1
            for a in range(p):
                c = inner_place[a]
                if c == 0:
                    outer[a, lane] = design[r0, a]
                else:
                    for j in range(n):
                        varying[c - 1, j, lane] = design[r0 + j, a]
                        y_sum[c, lane] += y[r0 + j] * design[r0 + j, a]
            for j in range(n):
                y_sum[0, lane] += y[r0 + j]
                sign[j, lane] = 2.0 * y[r0 + j] - 1.0

        needed = ETA + (1 + r) * longest * LANES
        if work.shape[0] < needed:
            work = np.empty(needed)
        slots = np.full((3, longest), -1, dtype=np.int64)
        lanes = Lanes(np.zeros(n_lanes), active, inner_place, outer, varying, y_sum, sign)

        # --- pooled logistic fit: start, boundary answer, and the place where separation shows
        for a in range(p):
            beta[a] = 0.0
            pooled[a] = 0.0
        code = NOT_CONVERGED
        pooled_value = -np.inf
        halvings = 0
        variance_score = 0.0
        pooled_distance = np.nan
        for iteration in range(MAX_POOLED_ITERATIONS):
            evaluate_trial(beta, 0.0, lanes, rule, at, work, slots)
            if iteration == 0 and not has_clear_rank(hessian, factor, p):
                # The information at zero is X'X / 4.
                n_aliased = find_aliased_columns(
                    design, participant_offsets[p0], participant_offsets[p1], p, out_aliased[trial]
                )
                if n_aliased > 0:
                    code = RANK_DEFICIENT
                    break
            if not value[0] >= pooled_value - 1e-9 * (1.0 + abs(pooled_value)):
                halvings += 1
                if halvings > 30:
                    break
                for a in range(p):
                    step[a] *= 0.5
                    beta[a] = pooled[a] + step[a]
                continue
            halvings = 0
            pooled_value = value[0]
            variance_score = value[1]
            for a in range(p):
                pooled[a] = beta[a]
            if iteration >= 6:
                separation = find_separation(lanes, beta, step[:p])
                if separation == 2:
                    code = SEPARATION_COMPLETE
                    break
                if separation == 1:
                    code = SEPARATION_QUASI
                    break
            distance = newton_step(hessian, gradient, step, factor, p)
            pooled_distance = distance
            if distance >= 0.0 and distance < 1e-20:
                code = np.uint32(0)
                break
            if not np.isfinite(distance):
                break
            for a in range(p):
                beta[a] = pooled[a] + step[a]
        if code != 0 or variance_code != 0:
            out_codes[trial] = code | variance_code
            continue
        for a in range(p):
            for c in range(a + 1):
                inverse[a, c] = -hessian[a, c]

        # --- starting variance from the score at zero; coefficients stretched as the logistic-normal integral asks
        information = 0.0
        for i in range(n_lanes):
            n = 0
            for j in range(longest):
                n += 1 if active[j] > i else 0
            information += n * n
        share = 0.0
        for i in range(n_lanes):
            share += y_sum[0, i]
        n_rows = participant_offsets[p1] - participant_offsets[p0]
        share /= n_rows
        v = share * (1.0 - share)
        guess = 2.0 * variance_score / (information * v * v + 1e-300)
        sigma = np.sqrt(min(max(1.5 * guess, 0.3), 9.0))
        stretch = np.sqrt(1.0 + 0.346 * sigma * sigma)
        for a in range(p):
            point[a] = pooled[a] * stretch
        point[p] = sigma
        if start.shape[1] == q and np.isfinite(start[trial, p]) and start[trial, p] > 0.0:
            for a in range(q):
                point[a] = start[trial, a]

        # --- Newton on the quadrature's own derivatives
        best_value = -np.inf
        scale = 1.0
        code = NOT_CONVERGED
        distance = np.nan
        evaluations = 0
        has_best = False
        is_coarse = coarse.nodes.shape[0] < rule.nodes.shape[0]
        for _ in range(MAX_ITERATIONS):
            evaluations += 1
            for a in range(p):
                beta[a] = point[a]
            status = evaluate_trial(beta, point[p], lanes, coarse if is_coarse else rule, at, work, slots)
            if status != 0 or not value[0] >= best_value - 1e-10 * (1.0 + abs(best_value)):
                if status != 0 and not has_best:
                    # Refused at the very start: begin closer to the pooled model.
                    point[p] = 0.5 * point[p]
                    for a in range(p):
                        point[a] = pooled[a]
                        best[a] = pooled[a]
                    if point[p] < 1e-3:
                        break
                    continue
                scale *= 0.5
                if scale < 1e-9:
                    break
                for a in range(q):
                    point[a] = best[a] + scale * step[a]
                continue
            has_best = True
            best_value = value[0]
            for a in range(q):
                best[a] = point[a]
            distance = newton_step(hessian, gradient, step, factor, q)
            if not np.isfinite(distance):
                break
            if is_coarse and distance >= 0.0 and distance < COARSE_ENOUGH:
                # The coarse likelihood is another function: its value must not bound the next one.
                is_coarse = False
                best_value = -np.inf
            elif distance >= 0.0 and distance < CONVERGED:
                code = np.uint32(0)
                break
            if best[p] < SMALL_SIGMA and variance_score <= 0.0 and step[p] < 0.0:
                code = BOUNDARY_VARIANCE
                break
            if best[p] < 1e-4:
                code = BOUNDARY_VARIANCE
                break
            if best[p] > LARGE_SIGMA:
                break
            scale = 1.0
            # One step may at most quarter the standard deviation, or multiply it by two and a half.
            if step[p] < -0.75 * best[p]:
                scale = -0.75 * best[p] / step[p]
            elif step[p] > 1.5 * best[p]:
                scale = 1.5 * best[p] / step[p]
            if best[p] < 0.2 and scale < 1.0 and step[p] < 0.0:
                # Close to zero only the variance needs holding back.
                step[p] = step[p] * scale
                scale = 1.0
            for a in range(q):
                point[a] = best[a] + scale * step[a]
                change[a] = scale * step[a]
            if n_lanes <= LANES:
                predict_modes(work, n_lanes, r, inner_place, outer, change, np.log(point[p] / best[p]))
        out_iterations[trial] = evaluations

        if code == BOUNDARY_VARIANCE or (code == 0 and best_value < pooled_value):
            out_codes[trial] = BOUNDARY_VARIANCE
            for a in range(p):
                out_coefficients[trial, a] = pooled[a]
                for c in range(a + 1):
                    factor[a, c] = inverse[a, c]
                    hessian[a, c] = -inverse[a, c]
            out_sd[trial] = 0.0
            out_log_likelihood[trial] = pooled_value
            out_gradient_norm[trial] = np.sqrt(pooled_distance)
            size = p
        elif code == 0:
            out_codes[trial] = 0
            for a in range(p):
                out_coefficients[trial, a] = best[a]
            out_sd[trial] = best[p]
            out_log_likelihood[trial] = best_value
            out_gradient_norm[trial] = np.sqrt(distance)
            size = q
            for a in range(q):
                for c in range(a + 1):
                    hessian[a, c] = hessian[a, c]
                    factor[a, c] = -hessian[a, c]
        else:
            out_codes[trial] = code
            out_gradient_norm[trial] = np.sqrt(abs(distance))
            continue
        if cholesky(factor, size) >= 0:
            out_codes[trial] = NOT_CONVERGED
            out_coefficients[trial, :] = np.nan
            out_sd[trial] = np.nan
            out_log_likelihood[trial] = np.nan
            continue
        invert_cholesky(factor, inverse, size)
        for a in range(size):
            for c in range(a + 1):
                factor[a, c] = -hessian[a, c]
            for c in range(size):
                out_covariance[trial, a, c] = inverse[a, c]
        out_condition[trial] = condition_number(factor, inverse, size)
        if out_condition[trial] > CONDITION_LIMIT:
            out_codes[trial] |= ILL_CONDITIONED
