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
from equipoise.stats.kernels.mmrm_errors import ERRORS, correct_small_sample, sandwich
from equipoise.stats.kernels.mmrm_likelihood import ROWS
from equipoise.stats.kernels.mmrm_maximum import PLACE, maximise
from equipoise.stats.kernels.mmrm_structures import STRUCTURE, UNSTRUCTURED, n_parameters

NOT_CONVERGED = np.uint32(FitCode.NOT_CONVERGED | FitCode.NOT_ESTIMABLE)
RANK_DEFICIENT = np.uint32(FitCode.RANK_DEFICIENT | FitCode.NOT_ESTIMABLE)
NON_FINITE_INPUT = np.uint32(FitCode.NON_FINITE_INPUT | FitCode.NOT_ESTIMABLE)
TOO_FEW_PARTICIPANTS = np.uint32(FitCode.TOO_FEW_PARTICIPANTS | FitCode.NOT_ESTIMABLE)
ONE_VISIT_EACH = np.uint32(FitCode.ONE_VISIT_EACH | FitCode.NOT_ESTIMABLE)
CONSTANT_OUTCOME = np.uint32(FitCode.CONSTANT_OUTCOME | FitCode.NOT_ESTIMABLE)
ILL_CONDITIONED = np.uint32(FitCode.ILL_CONDITIONED)
NOTHING = np.uint32(0)
CONDITION_LIMIT = 1e10
# A logarithm of a standard deviation, or a correlation, whose own standard error is above 5 is not determined at all;
# of an unstructured matrix the same in units of the variances.
UNDETERMINED = 25.0


# Outcome (rows,), design (rows, p), number of each row's planned visit, each participant's group, rows of each
# participant, participants of each trial.
DATA = "Tuple((float64[::1], float64[:, ::1], int64[::1], int64[::1], int64[::1], int64[::1]))"
# Planned visits, groups with a matrix each, the structure's family, whether each visit has a standard deviation, REML.
MODEL = "Tuple((int64, int64, int64, boolean, boolean))"
# Coefficients, their covariance, Kenward and Roger's, the two sandwiches, df, derivatives, covariance of the visits.
ARRAYS = (
    "Tuple((float64[:, ::1], float64[:, :, ::1], float64[:, :, ::1], float64[:, :, ::1], float64[:, :, ::1],"
    "float64[:, ::1], float64[:, :, :, ::1], float64[:, :, :, ::1]))"
)
# Parameters, log-likelihood, gradient norm, iterations, condition, codes, aliased columns.
NUMBERS = "Tuple((int64[::1], float64[::1], float64[::1], int64[::1], float64[::1], uint32[::1], boolean[:, ::1]))"
# Pattern (group, number of visits), which visits, how many participants; pattern and first row of each participant.
PATTERNS = "Tuple((int64[:, ::1], int64[:, ::1], float64[::1], int64[:, ::1]))"


@part(f"int64(int64[::1], int64[::1], int64[::1], int64[::1], {PATTERNS})")
def find_patterns(offsets, visit, group, place, found):  # type: ignore[no-untyped-def]
    """Who was seen at the same visits in the same group; fills ``found`` and returns how many patterns there are.

    ``offsets`` (participants + 1,) counts rows of the whole batch; ``place`` numbers the visits anybody was seen at.
    """
    patterns, pattern_visits, pattern_size, lanes = found
    n_patterns = 0
    n_lanes = 0
    for i in range(offsets.shape[0] - 1):
        r0 = offsets[i]
        t = offsets[i + 1] - r0
        if t == 0:
            continue
        chosen = -1
        for g in range(n_patterns):
            same = patterns[g, 0] == group[i] and patterns[g, 1] == t
            for j in range(t if same else 0):
                same = same and pattern_visits[g, j] == place[visit[r0 + j]]
            if same:
                chosen = g
                break
        if chosen < 0:
            chosen = n_patterns
            patterns[chosen, 0] = group[i]
            patterns[chosen, 1] = t
            pattern_size[chosen] = 0.0
            for j in range(t):
                pattern_visits[chosen, j] = place[visit[r0 + j]]
            n_patterns += 1
        pattern_size[chosen] += 1.0
        lanes[n_lanes, 0] = chosen
        lanes[n_lanes, 1] = r0 - offsets[0]
        n_lanes += 1
    return n_patterns


@part("float64(float64[:, ::1], float64[::1], float64[:, ::1], float64[::1], float64[::1], float64[::1])")
def prepare(design, outcome, x, y, x_scale, least_squares):  # type: ignore[no-untyped-def]
    """Scale the design, take the least-squares fit off the outcome and scale what is left; returns that scale.

    It is 0 where nothing is left, and -1 where columns repeat one another.
    """
    n, p = x.shape
    for a in range(p):
        s = 0.0
        for r in range(n):
            s += design[r, a] * design[r, a]
        x_scale[a] = np.sqrt(s / n)
        for r in range(n):
            x[r, a] = design[r, a] / x_scale[a]
        least_squares[a] = 0.0
    gram = np.zeros((p, p))
    for r in range(n):
        for a in range(p):
            for c in range(a + 1):
                gram[a, c] += x[r, a] * x[r, c]
    largest = 0.0
    for r in range(n):
        y[r] = outcome[r]
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


@part(f"void({STRUCTURE}, {ROWS}, float64[::1])")
def start_at(structure, rows, theta):  # type: ignore[no-untyped-def]
    """Start values: each visit's mean squared residual, and no correlation."""
    family, heterogeneous, n_groups, n_visits, _, _, _ = structure
    _, y, lanes, _, patterns, pattern_visits, _, _ = rows
    n_k = n_parameters(structure)
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


@part(f"int64({STRUCTURE}, {PLACE}, float64[:, ::1])")
def are_undetermined(structure, place, covariance):  # type: ignore[no-untyped-def]
    """1 where the data hold next to nothing of some parameter of the covariance: then its maximum is none."""
    family, _, n_groups, n_visits, _, _, _ = structure
    sigma = place[1]
    n_k = n_parameters(structure)
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


@part("uint32(float64[::1], float64[:, ::1], int64[::1], boolean[::1])")
def find_obstacle(outcome, design, offsets, aliased):  # type: ignore[no-untyped-def]
    """What makes the model impossible, or 0.

    ``outcome`` and ``design`` are the trial's, ``offsets`` (participants + 1,) those of the batch.
    """
    n_rows, p = design.shape
    for row in range(n_rows):
        s = abs(outcome[row])
        for a in range(p):
            s += abs(design[row, a])
        if not s < np.inf:
            return NON_FINITE_INPUT
    n_lanes = 0
    longest = 0
    for i in range(offsets.shape[0] - 1):
        t = offsets[i + 1] - offsets[i]
        longest = max(longest, t)
        n_lanes += 1 if t > 0 else 0
    if n_lanes < 2 or n_rows <= p:
        return TOO_FEW_PARTICIPANTS
    if longest < 2:
        return ONE_VISIT_EACH
    if find_aliased_columns(design, 0, n_rows, p, aliased) > 0:
        return RANK_DEFICIENT
    return NOTHING


@part(f"{STRUCTURE}({MODEL}, int64[::1])")
def structure_on(model, place):  # type: ignore[no-untyped-def]
    """The structure on the visits that were seen; ``place`` becomes their number among these."""
    n_planned, n_groups, family, heterogeneous, _ = model
    position = np.empty(n_planned, dtype=np.int64)
    n_visits = 0
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
    return (family, heterogeneous, n_groups, n_visits, n_lags, position, lag)


@part(f"float64({PLACE}, float64[:, ::1], float64[:, ::1], {ERRORS})")
def worst_condition(place, factor, information_inverse, errors):  # type: ignore[no-untyped-def]
    """The larger condition number of the information on the covariance and of that on the coefficients."""
    information = place[3]
    p = factor.shape[0]
    gram = np.zeros((p, p))
    for a in range(p):
        for c in range(a + 1):
            for k in range(c + 1):
                gram[a, c] += factor[a, k] * factor[c, k]
    of_covariance = condition_number(information, information_inverse, information.shape[0])
    return max(of_covariance, condition_number(gram, errors[0], p))


@part(f"void(int64, {ERRORS}, float64[::1], float64[::1], float64, {ARRAYS})")
def write_errors(trial, errors, coefficients, x_scale, scale, out):  # type: ignore[no-untyped-def]
    """Coefficients, their covariances and degrees of freedom, in the caller's units."""
    covariance, adjusted, slopes, robust = errors
    out_coefficients, out_covariance, out_kenward_roger, out_sandwich, out_mancl_derouen, out_df, out_jacobian, _ = out
    p = covariance.shape[0]
    for a in range(p):
        out_coefficients[trial, a] = coefficients[a] / x_scale[a]
        for c in range(p):
            unit = scale * scale / (x_scale[a] * x_scale[c])
            out_covariance[trial, a, c] = unit * covariance[a, c]
            out_kenward_roger[trial, a, c] = unit * adjusted[a, c]
            out_sandwich[trial, a, c] = unit * robust[0, a, c]
            out_mancl_derouen[trial, a, c] = unit * robust[1, a, c]
            if out_jacobian.shape[1] > 0:
                for e in range(slopes.shape[0]):
                    out_jacobian[trial, e, a, c] = unit * slopes[e, a, c]
        s = 0.0
        for e in range(slopes.shape[0]):
            s += slopes[e, a, a] ** 2
        out_df[trial, a] = 2.0 * covariance[a, a] ** 2 / s


@part(f"uint32(int64, {DATA}, {MODEL}, int64[::1], {ARRAYS}, {NUMBERS})")
def fit_one(trial, data, model, place, arrays, numbers):  # type: ignore[no-untyped-def]
    """Fit one trial in which nothing stands in the way, and write what came of it; returns its code."""
    all_y, all_x, all_visits, all_groups, participant_offsets, trial_offsets = data
    out_parameters, out_log_likelihood, out_gradient, out_iterations, out_condition, _, _ = numbers
    p0, p1 = trial_offsets[trial], trial_offsets[trial + 1]
    r0, r1 = participant_offsets[p0], participant_offsets[p1]
    n_rows, p = r1 - r0, all_x.shape[1]
    structure = structure_on(model, place)
    n_groups, n_visits, position = structure[2], structure[3], structure[5]
    found = (
        np.empty((p1 - p0, 2), dtype=np.int64),
        np.empty((p1 - p0, n_visits), dtype=np.int64),
        np.empty(p1 - p0),
        np.empty((p1 - p0, 2), dtype=np.int64),
    )
    offsets = participant_offsets[p0 : p1 + 1]
    n_patterns = find_patterns(offsets, all_visits, all_groups[p0:p1], place, found)
    n_lanes = 0
    for i in range(p1 - p0):
        n_lanes += 1 if offsets[i + 1] > offsets[i] else 0
    x, y, x_scale, least_squares = np.empty((n_rows, p)), np.empty(n_rows), np.empty(p), np.empty(p)
    scale = prepare(all_x[r0:r1], all_y[r0:r1], x, y, x_scale, least_squares)
    if scale <= 0.0:
        return RANK_DEFICIENT if scale < 0.0 else CONSTANT_OUTCOME
    rows = (x, y, found[3][:n_lanes], n_patterns, found[0], found[1], found[2], model[4])

    n_elements, n_k = n_visits * (n_visits + 1) // 2, n_parameters(structure)
    n_all = n_groups * n_k
    at = (
        np.empty(n_all),
        np.empty((n_groups, n_visits, n_visits)),
        np.empty((n_groups, n_elements, n_k)),
        np.empty((n_all, n_all)),
        np.empty((n_all, n_all)),
    )
    factor, beta = np.empty((p, p)), np.empty(p)
    work = (
        np.empty((n_patterns, n_visits, n_visits)),
        np.empty((n_rows, p)),
        np.empty(n_rows),
        factor,
        beta,
        np.empty((p, p)),
        np.empty((n_patterns, n_visits, n_visits)),
        np.empty((n_patterns, n_visits, n_visits)),
        np.zeros((n_groups * n_elements, p * (p + 1) // 2)),
        np.empty((n_groups * n_elements, p)),
    )
    value = np.zeros(3)
    start_at(structure, rows, at[0])
    failed = maximise(rows, structure, work, at, value)
    out_gradient[trial], out_iterations[trial], out_parameters[trial] = value[1], int(value[2]), n_all
    information_inverse = np.empty((n_all, n_all))
    if not failed:
        invert_cholesky(at[4], information_inverse, n_all)
        failed = are_undetermined(structure, at, information_inverse)
    if failed:
        return NOT_CONVERGED

    errors = (np.empty((p, p)), np.empty((p, p)), np.empty((n_all, p, p)), np.empty((2, p, p)))
    correct_small_sample(rows, structure, work, at, errors)
    sandwich(rows, work, at[1], errors)
    write_errors(trial, errors, least_squares + scale * beta, x_scale, scale, arrays)
    out_log_likelihood[trial] = value[0] - (n_rows - (p if model[4] else 0)) * np.log(scale * np.sqrt(2.0 * np.pi))
    if model[4]:
        out_log_likelihood[trial] -= np.log(x_scale).sum()
    for g in range(n_groups):
        for j in range(n_visits):
            for k in range(n_visits):
                arrays[7][trial, g, position[j], position[k]] = scale * scale * at[1][g, j, k]
    out_condition[trial] = worst_condition(at, factor, information_inverse, errors)
    return ILL_CONDITIONED if out_condition[trial] > CONDITION_LIMIT else NOTHING


@kernel(f"void(int64, int64, {DATA}, {MODEL}, {ARRAYS}, {NUMBERS})")
def fit_range(first_trial, stop_trial, data, model, arrays, numbers):  # type: ignore[no-untyped-def]
    """Fit trials ``first_trial:stop_trial``, every one with the same structure."""
    all_y, all_x, all_visits, _, participant_offsets, trial_offsets = data
    codes, aliased = numbers[5], numbers[6]
    place = np.empty(model[0], dtype=np.int64)
    for trial in range(first_trial, stop_trial):
        offsets = participant_offsets[trial_offsets[trial] : trial_offsets[trial + 1] + 1]
        r0, r1 = offsets[0], offsets[-1]
        place[:] = -1
        for row in range(r0, r1):
            place[all_visits[row]] = 0
        codes[trial] = find_obstacle(all_y[r0:r1], all_x[r0:r1], offsets, aliased[trial])
        if codes[trial] == NOTHING:
            codes[trial] = fit_one(trial, data, model, place, arrays, numbers)
