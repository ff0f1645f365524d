"""The mixed model for repeated measures, trial after trial: checks, scaling, patterns, errors of the coefficients.

The likelihood is in ``mmrm_likelihood``, the climb in ``mmrm_maximum``; equations (MMRM-1) to (MMRM-9) are in
``docs/methods/mmrm.md``. Inside, columns of the design are scaled to unit root mean square and the outcome is replaced
by its least-squares residual in units of its standard deviation; all is undone at the end.
"""

from __future__ import annotations

import numpy as np

from equipoise.stats.codes import FitCode
from equipoise.stats.kernels.compile import kernel, part
from equipoise.stats.kernels.linear_algebra import (
    cholesky,
    condition_number,
    find_aliased_columns,
    invert_cholesky,
    solve_cholesky,
)
from equipoise.stats.kernels.mmrm_errors import correct_small_sample, sandwich
from equipoise.stats.kernels.mmrm_maximum import maximise
from equipoise.stats.kernels.mmrm_structures import UNSTRUCTURED, n_parameters

NOT_CONVERGED = np.uint32(FitCode.NOT_CONVERGED | FitCode.NOT_ESTIMABLE)
RANK_DEFICIENT = np.uint32(FitCode.RANK_DEFICIENT | FitCode.NOT_ESTIMABLE)
NON_FINITE_INPUT = np.uint32(FitCode.NON_FINITE_INPUT | FitCode.NOT_ESTIMABLE)
TOO_FEW_PARTICIPANTS = np.uint32(FitCode.TOO_FEW_PARTICIPANTS | FitCode.NOT_ESTIMABLE)
ONE_VISIT_EACH = np.uint32(FitCode.ONE_VISIT_EACH | FitCode.NOT_ESTIMABLE)
CONSTANT_OUTCOME = np.uint32(FitCode.CONSTANT_OUTCOME | FitCode.NOT_ESTIMABLE)
ILL_CONDITIONED = np.uint32(FitCode.ILL_CONDITIONED)
CONDITION_LIMIT = 1e10
# A logarithm of a standard deviation, or a correlation, whose own standard error is above 5 is not determined at all;
# of an unstructured matrix the same in units of the variances.
UNDETERMINED = 25.0


@part(
    "int64(int64, int64, int64[::1], int64[::1], int64[::1], int64[::1], int64[:, ::1], int64[:, ::1], float64[::1],"
    "int64[:, ::1])"
)
def find_patterns(p0, p1, participant_offsets, visit, group, place, patterns, pattern_visits, pattern_size, lanes):  # type: ignore[no-untyped-def]
    """Who was seen at the same visits in the same group; ``place`` numbers the visits that anybody was seen at.

    Fills ``patterns`` (group, number of visits), ``pattern_visits``, ``pattern_size`` and, for each participant with
    rows, ``lanes`` (pattern, first row of the trial); returns how many patterns there are.
    """
    start = participant_offsets[p0]
    n_patterns = 0
    n_lanes = 0
    for i in range(p0, p1):
        r0 = participant_offsets[i]
        t = participant_offsets[i + 1] - r0
        if t == 0:
            continue
        found = -1
        for g in range(n_patterns):
            if patterns[g, 0] != group[i] or patterns[g, 1] != t:
                continue
            same = True
            for j in range(t):
                if pattern_visits[g, j] != place[visit[r0 + j]]:
                    same = False
                    break
            if same:
                found = g
                break
        if found < 0:
            found = n_patterns
            patterns[found, 0] = group[i]
            patterns[found, 1] = t
            pattern_size[found] = 0.0
            for j in range(t):
                pattern_visits[found, j] = place[visit[r0 + j]]
            n_patterns += 1
        pattern_size[found] += 1.0
        lanes[n_lanes, 0] = found
        lanes[n_lanes, 1] = r0 - start
        n_lanes += 1
    return n_patterns


@part("float64(int64, float64[:, ::1], float64[::1], float64[:, ::1], float64[::1], float64[::1], float64[::1])")
def prepare(r0, design, outcome, x, y, x_scale, least_squares):  # type: ignore[no-untyped-def]
    """Scale the design, take the least-squares fit off the outcome and scale what is left; returns that scale, or 0."""
    n, p = x.shape
    for a in range(p):
        s = 0.0
        for r in range(n):
            s += design[r0 + r, a] * design[r0 + r, a]
        x_scale[a] = np.sqrt(s / n)
        for r in range(n):
            x[r, a] = design[r0 + r, a] / x_scale[a]
        least_squares[a] = 0.0
    gram = np.zeros((p, p))
    for r in range(n):
        for a in range(p):
            for c in range(a + 1):
                gram[a, c] += x[r, a] * x[r, c]
    largest = 0.0
    for r in range(n):
        y[r] = outcome[r0 + r]
        largest = max(largest, abs(y[r]))
    if cholesky(gram, p) >= 0:
        return -1.0
    step = np.empty(p)
    for _ in range(2):  # the second time takes off what rounding left
        for a in range(p):
            step[a] = 0.0
        for r in range(n):
            for a in range(p):
                step[a] += x[r, a] * y[r]
        solve_cholesky(gram, step, p)
        for r in range(n):
            s = 0.0
            for a in range(p):
                s += x[r, a] * step[a]
            y[r] -= s
        for a in range(p):
            least_squares[a] += step[a]
    s = 0.0
    for r in range(n):
        s += y[r] * y[r]
    scale = np.sqrt(s / n)
    if not scale > 1e-12 * largest:
        return 0.0
    for r in range(n):
        y[r] /= scale
    return scale


@part(
    "void(int64, boolean, int64, int64, int64, int64[:, ::1], int64[:, ::1], int64[:, ::1], float64[::1],float64[::1])"
)
def start_at(family, heterogeneous, n_groups, n_visits, n_lags, patterns, pattern_visits, lanes, y, theta):  # type: ignore[no-untyped-def]
    """Start values: each visit's mean squared residual, and no correlation."""
    n_k = n_parameters(family, heterogeneous, n_visits, n_lags)
    squares = np.zeros((n_groups, n_visits))
    counts = np.zeros((n_groups, n_visits))
    for i in range(lanes.shape[0]):
        g = lanes[i, 0]
        for j in range(patterns[g, 1]):
            v = pattern_visits[g, j]
            squares[patterns[g, 0], v] += y[lanes[i, 1] + j] ** 2
            counts[patterns[g, 0], v] += 1.0
    for g in range(n_groups):
        base = g * n_k
        for i in range(n_k):
            theta[base + i] = 0.0
        total = 0.0
        for v in range(n_visits):
            # One more residual of the usual size keeps a visit of one or two people from a variance of nothing.
            variance = (squares[g, v] + 1.0) / (counts[g, v] + 1.0)
            total += variance
            if family == UNSTRUCTURED:
                theta[base + v * (v + 1) // 2 + v] = variance
            elif heterogeneous:
                theta[base + v] = 0.5 * np.log(variance)
        if family != UNSTRUCTURED and not heterogeneous:
            theta[base] = 0.5 * np.log(total / n_visits)


@part("int64(int64, int64, int64, int64, float64[:, :, ::1], float64[:, ::1])")
def are_undetermined(family, n_groups, n_visits, n_k, sigma, covariance):  # type: ignore[no-untyped-def]
    """1 where the data hold next to nothing of some parameter of the covariance: then its maximum is none."""
    for g in range(n_groups):
        if family == UNSTRUCTURED:
            for k in range(n_visits):
                for j in range(k + 1):
                    a = g * n_k + k * (k + 1) // 2 + j
                    if not covariance[a, a] < UNDETERMINED * sigma[g, j, j] * sigma[g, k, k]:
                        return 1
            continue
        for i in range(g * n_k, (g + 1) * n_k):
            if not covariance[i, i] < UNDETERMINED:
                return 1
    return 0


@kernel(
    "void(int64, int64, float64[::1], float64[:, ::1], int64[::1], int64[::1], int64, int64, int64, boolean, boolean,"
    "int64[::1], int64[::1], float64[:, ::1], float64[:, :, ::1], float64[:, :, ::1], float64[:, :, ::1],"
    "float64[:, :, ::1], float64[:, ::1], float64[:, :, :, ::1], float64[:, :, :, ::1], int64[::1], float64[::1],"
    "float64[::1], int64[::1], float64[::1], uint32[::1], boolean[:, ::1])"
)
def fit_range(  # type: ignore[no-untyped-def]
    first_trial,
    stop_trial,
    outcome,
    design,
    visit,
    group,
    n_planned,
    n_groups,
    family,
    heterogeneous,
    reml,
    participant_offsets,
    trial_offsets,
    out_coefficients,
    out_covariance,
    out_kenward_roger,
    out_sandwich,
    out_mancl_derouen,
    out_df,
    out_jacobian,
    out_sigma,
    out_n_parameters,
    out_log_likelihood,
    out_gradient_norm,
    out_iterations,
    out_condition,
    out_codes,
    out_aliased,
):
    """Fit trials ``first_trial:stop_trial``, every one with the structure ``family`` and ``heterogeneous``."""
    p = design.shape[1]
    keeps_jacobian = out_jacobian.shape[1] > 0
    value = np.empty(3)
    place = np.empty(n_planned, dtype=np.int64)
    for trial in range(first_trial, stop_trial):
        p0 = trial_offsets[trial]
        p1 = trial_offsets[trial + 1]
        r0 = participant_offsets[p0]
        r1 = participant_offsets[p1]
        n_rows = r1 - r0
        out_iterations[trial] = 0
        out_codes[trial] = 0

        # --- what makes the model impossible
        is_finite = True
        for row in range(r0, r1):
            s = abs(outcome[row])
            for a in range(p):
                s += abs(design[row, a])
            if not s < np.inf:
                is_finite = False
        if not is_finite:
            out_codes[trial] = NON_FINITE_INPUT
            continue
        n_lanes = 0
        longest = 0
        for v in range(n_planned):
            place[v] = -1
        for i in range(p0, p1):
            t = participant_offsets[i + 1] - participant_offsets[i]
            longest = max(longest, t)
            n_lanes += 1 if t > 0 else 0
            for row in range(participant_offsets[i], participant_offsets[i + 1]):
                place[visit[row]] = 0
        if n_lanes < 2 or n_rows <= p:
            out_codes[trial] = TOO_FEW_PARTICIPANTS
            continue
        if longest < 2:
            out_codes[trial] = ONE_VISIT_EACH
            continue
        if find_aliased_columns(design, r0, r1, p, out_aliased[trial]) > 0:
            out_codes[trial] = RANK_DEFICIENT
            continue

        # --- visits that were seen, their distances, patterns
        n_visits = 0
        position = np.empty(n_planned, dtype=np.int64)
        for v in range(n_planned):
            if place[v] == 0:
                place[v] = n_visits
                position[n_visits] = v
                n_visits += 1
        lag = np.zeros((n_visits, n_visits), dtype=np.int64)
        number = np.full(n_planned, -1, dtype=np.int64)
        for k in range(n_visits):
            for j in range(k):
                number[position[k] - position[j]] = 0
        n_lags = 0
        for d in range(n_planned):
            if number[d] == 0:
                number[d] = n_lags
                n_lags += 1
        for k in range(n_visits):
            for j in range(k):
                lag[k, j] = number[position[k] - position[j]]
        patterns = np.empty((n_lanes, 2), dtype=np.int64)
        pattern_visits = np.empty((n_lanes, n_visits), dtype=np.int64)
        pattern_size = np.empty(n_lanes)
        lanes = np.empty((n_lanes, 2), dtype=np.int64)
        n_patterns = find_patterns(
            p0, p1, participant_offsets, visit, group, place, patterns, pattern_visits, pattern_size, lanes
        )

        # --- scale, least squares, residuals
        x = np.empty((n_rows, p))
        y = np.empty(n_rows)
        x_scale = np.empty(p)
        least_squares = np.empty(p)
        scale = prepare(r0, design, outcome, x, y, x_scale, least_squares)
        if scale < 0.0:
            out_codes[trial] = RANK_DEFICIENT
            continue
        if scale == 0.0:
            out_codes[trial] = CONSTANT_OUTCOME
            continue

        # --- the maximum
        n_elements = n_visits * (n_visits + 1) // 2
        n_k = n_parameters(family, heterogeneous, n_visits, n_lags)
        n_all = n_groups * n_k
        theta = np.empty(n_all)
        sigma = np.empty((n_groups, n_visits, n_visits))
        jacobian = np.empty((n_groups, n_elements, n_k))
        inverse = np.empty((n_patterns, n_visits, n_visits))
        leverage = np.empty((n_patterns, n_visits, n_visits))
        spread = np.empty((n_patterns, n_visits, n_visits))
        mx = np.empty((n_rows, p))
        my = np.empty(n_rows)
        factor = np.empty((p, p))
        beta = np.empty(p)
        whitener = np.empty((p, p))
        coupling = np.zeros((n_groups * n_elements, p * (p + 1) // 2))
        moved = np.empty((n_groups * n_elements, p))
        information = np.empty((n_all, n_all))
        information_factor = np.empty((n_all, n_all))
        start_at(family, heterogeneous, n_groups, n_visits, n_lags, patterns, pattern_visits, lanes, y, theta)
        failed = maximise(
            family,
            heterogeneous,
            n_groups,
            n_visits,
            n_lags,
            position,
            lag,
            reml,
            n_patterns,
            patterns,
            pattern_visits,
            pattern_size,
            x,
            y,
            lanes,
            theta,
            sigma,
            jacobian,
            inverse,
            mx,
            my,
            factor,
            beta,
            whitener,
            leverage,
            spread,
            coupling,
            moved,
            information,
            information_factor,
            value,
        )
        out_gradient_norm[trial] = value[1]
        out_iterations[trial] = int(value[2])
        out_n_parameters[trial] = n_all
        information_inverse = np.empty((n_all, n_all))
        if not failed:
            invert_cholesky(information_factor, information_inverse, n_all)
            failed = are_undetermined(family, n_groups, n_visits, n_k, sigma, information_inverse)
        if failed:
            out_codes[trial] = NOT_CONVERGED
            continue

        # --- errors of the coefficients, in the caller's units
        covariance = np.empty((p, p))
        adjusted = np.empty((p, p))
        robust = np.empty((2, p, p))
        slopes = np.empty((n_all, p, p))
        correct_small_sample(
            n_groups,
            n_visits,
            n_patterns,
            patterns,
            pattern_visits,
            lanes,
            inverse,
            mx,
            whitener,
            coupling,
            jacobian,
            information_factor,
            covariance,
            adjusted,
            slopes,
        )
        sandwich(sigma, patterns, pattern_visits, lanes, inverse, x, y, beta, covariance, robust)
        log_scale = 0.0
        for a in range(p):
            out_coefficients[trial, a] = (least_squares[a] + scale * beta[a]) / x_scale[a]
            log_scale += np.log(x_scale[a])
            for c in range(p):
                unit = scale * scale / (x_scale[a] * x_scale[c])
                out_covariance[trial, a, c] = unit * covariance[a, c]
                out_kenward_roger[trial, a, c] = unit * adjusted[a, c]
                out_sandwich[trial, a, c] = unit * robust[0, a, c]
                out_mancl_derouen[trial, a, c] = unit * robust[1, a, c]
                if keeps_jacobian:
                    for e in range(n_all):
                        out_jacobian[trial, e, a, c] = unit * slopes[e, a, c]
            s = 0.0
            for e in range(n_all):
                s += slopes[e, a, a] ** 2
            out_df[trial, a] = 2.0 * covariance[a, a] ** 2 / s
        nu = n_rows - p if reml else n_rows
        out_log_likelihood[trial] = value[0] - nu * (np.log(scale) + 0.5 * np.log(2.0 * np.pi))
        if reml:
            out_log_likelihood[trial] -= log_scale
        for g in range(n_groups):
            for j in range(n_visits):
                for k in range(n_visits):
                    out_sigma[trial, g, position[j], position[k]] = scale * scale * sigma[g, j, k]

        # --- whether the answer is well determined
        condition = condition_number(information, information_inverse, n_all)
        gram = np.zeros((p, p))
        for a in range(p):
            for c in range(a + 1):
                s = 0.0
                for k in range(c + 1):
                    s += factor[a, k] * factor[c, k]
                gram[a, c] = s
        condition = max(condition, condition_number(gram, covariance, p))
        out_condition[trial] = condition
        if condition > CONDITION_LIMIT:
            out_codes[trial] |= ILL_CONDITIONED
