"""Newton's method for the mixed model for repeated measures, in the parameters of one covariance structure."""

from __future__ import annotations

import numpy as np

from equipoise.stats.kernels.compile import part
from equipoise.stats.kernels.linear_algebra import cholesky, solve_cholesky
from equipoise.stats.kernels.mmrm_likelihood import (
    EXACT,
    EXPECTED,
    NEARLY,
    ROWS,
    WORK,
    accumulate,
    differentiate,
    evaluate,
)
from equipoise.stats.kernels.mmrm_structures import STRUCTURE, add_curvature, build, n_parameters

MAX_ITERATIONS = 100
MAX_HALVINGS = 40
# Twice the expected gain of a Newton step, in log-likelihood, below which the maximum is reached; below which rounding
# may keep it; and below which the whole Hessian is worth its price.
CONVERGED = 1e-15
ROUNDING = 1e-9
NEAR = 1e-2

# Parameters of all groups one after another, each group's matrix (groups, T, T) and its derivatives (groups, elements,
# parameters), minus the Hessian there and its Cholesky factor.
PLACE = "Tuple((float64[::1], float64[:, :, ::1], float64[:, :, ::1], float64[:, ::1], float64[:, ::1]))"


@part(f"void({STRUCTURE}, {PLACE})")
def build_all(structure, place):  # type: ignore[no-untyped-def]
    """Each group's matrix and derivatives from its own parameters."""
    theta, sigma, jacobian, _, _ = place
    n_k = n_parameters(structure)
    for g in range(structure[2]):
        build(structure, theta[g * n_k : (g + 1) * n_k], sigma[g], jacobian[g])


@part(f"void({STRUCTURE}, float64[:, :, ::1], float64[::1], float64[:, ::1], float64[::1], float64[:, ::1])")
def chain(structure, jacobian, by_element, hessian, gradient, information):  # type: ignore[no-untyped-def]
    """Gradient and Hessian in the parameters, without the structure's curvature, from those in the elements."""
    n_groups, n_visits = structure[2], structure[3]
    n_k = n_parameters(structure)
    n_elements = n_visits * (n_visits + 1) // 2
    half = np.empty((n_elements, n_k))
    for g in range(n_groups):
        for i in range(n_k):
            s = 0.0
            for a in range(n_elements):
                s += jacobian[g, a, i] * by_element[g * n_elements + a]
            gradient[g * n_k + i] = s
        for h in range(n_groups):
            half[:, :] = 0.0
            for a in range(n_elements):
                for b in range(n_elements):
                    f = hessian[g * n_elements + a, h * n_elements + b]
                    if f != 0.0:
                        for i in range(n_k):
                            half[a, i] += f * jacobian[h, b, i]
            for i in range(n_k):
                for j in range(n_k):
                    information[g * n_k + i, h * n_k + j] = 0.0
            for a in range(n_elements):
                for i in range(n_k):
                    f = jacobian[g, a, i]
                    if f != 0.0:
                        for j in range(n_k):
                            information[g * n_k + i, h * n_k + j] += f * half[a, j]


@part(f"float64({ROWS}, {STRUCTURE}, {WORK}, {PLACE}, int64, float64[::1])")
def find_step(rows, structure, work, place, kind, step):  # type: ignore[no-untyped-def]
    """The step that one kind of second derivatives gives, and its gain; NaN where they are not those of a hilltop."""
    theta, _, jacobian, information, factor = place
    n_groups, n_visits = structure[2], structure[3]
    n_k = n_parameters(structure)
    n_elements = n_visits * (n_visits + 1) // 2
    by_element = np.empty(n_groups * n_elements)
    hessian = np.empty((n_groups * n_elements, n_groups * n_elements))
    gradient = np.empty(n_groups * n_k)
    differentiate(rows, structure, work, kind, by_element, hessian)
    chain(structure, jacobian, by_element, hessian, gradient, information)
    if kind != EXPECTED:
        for g in range(n_groups):
            own = theta[g * n_k : (g + 1) * n_k]
            add_curvature(structure, own, by_element[g * n_elements : (g + 1) * n_elements], information, g * n_k)
    n_all = n_groups * n_k
    for i in range(n_all):
        step[i] = gradient[i]
        for j in range(n_all):
            information[i, j] = -information[i, j]
            factor[i, j] = information[i, j]
    if cholesky(factor, n_all) >= 0:
        return np.nan
    solve_cholesky(factor, step, n_all)
    gain = 0.0
    for i in range(n_all):
        gain += step[i] * gradient[i]
    return gain


@part(f"float64({ROWS}, {STRUCTURE}, {WORK}, {PLACE}, float64[::1], float64, float64)")
def climb(rows, structure, work, place, step, gain, best):  # type: ignore[no-untyped-def]
    """Go along ``step``, halved until the likelihood rises; returns it there, minus infinity where it never does."""
    theta = place[0]
    there = theta.copy()
    length = 1.0
    for _ in range(MAX_HALVINGS):
        for i in range(theta.shape[0]):
            theta[i] = there[i] + length * step[i]
        build_all(structure, place)
        found = evaluate(rows, place[1], work)
        # Rounding of a likelihood of some thousands is 1e-12 of it.
        if found >= best + 1e-4 * length * gain - 1e-12 * abs(best):
            return found
        length *= 0.5
    return -np.inf


@part(f"int64({ROWS}, {STRUCTURE}, {WORK}, {PLACE}, float64[::1])")
def maximise(rows, structure, work, place, value):  # type: ignore[no-untyped-def]
    """Climb from the parameters of ``place`` to the maximum; 0 when it is reached, 1 when not.

    Steps are Newton's; where the Hessian is not that of a hilltop, those of Fisher's scoring. Afterwards everything is
    as at the maximum, the information being the observed one; ``value`` is (log-likelihood, gradient norm, iterations).
    """
    step = np.empty(place[0].shape[0])
    value[1] = np.nan
    build_all(structure, place)
    best = evaluate(rows, place[1], work)
    value[0] = best
    if best == -np.inf:
        return 1
    gain = np.inf
    kind = NEARLY
    for iteration in range(MAX_ITERATIONS):
        value[2] = iteration + 1
        accumulate(rows, structure, work, kind == EXACT)
        before = gain
        gain = find_step(rows, structure, work, place, kind, step)
        is_hilltop = not np.isnan(gain)
        if not is_hilltop:
            gain = find_step(rows, structure, work, place, EXPECTED, step)
            if np.isnan(gain):
                return 1
        value[0] = best
        value[1] = np.sqrt(max(gain, 0.0))
        if is_hilltop and kind == EXACT and (gain < CONVERGED or (gain < ROUNDING and gain > 0.25 * before)):
            return 0
        if is_hilltop and gain < NEAR:
            kind = EXACT  # from the next place on
        best = climb(rows, structure, work, place, step, gain, best)
        if best == -np.inf:
            return 1
    return 1
