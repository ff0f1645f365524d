"""Errors of the coefficients of the mixed model for repeated measures: Kenward and Roger's, and the sandwiches."""

from __future__ import annotations

import numpy as np

from equipoise.stats.kernels.compile import part
from equipoise.stats.kernels.linear_algebra import invert_cholesky
from equipoise.stats.kernels.mmrm_likelihood import ROWS, WORK
from equipoise.stats.kernels.mmrm_maximum import PLACE
from equipoise.stats.kernels.mmrm_structures import STRUCTURE

# Covariance of the coefficients (p, p), Kenward and Roger's, the derivatives of the first in directions of the
# parameters in which their own covariance is the identity (parameters, p, p), and both sandwiches (2, p, p).
ERRORS = "Tuple((float64[:, ::1], float64[:, ::1], float64[:, :, ::1], float64[:, :, ::1]))"


@part("void(float64[:, ::1], float64[:, ::1], float64[:, ::1], float64[:, ::1])")
def outwards(whitener, inner, half, out):  # type: ignore[no-untyped-def]
    """L'^-1 inner L^-1; ``whitener`` is L^-1 transposed, upper triangular."""
    p = inner.shape[0]
    for a in range(p):
        for c in range(p):
            half[a, c] = 0.0
        for k in range(a, p):
            f = whitener[a, k]
            for c in range(p):
                half[a, c] += f * inner[k, c]
    for a in range(p):
        for c in range(p):
            s = 0.0
            for k in range(c, p):
                s += half[a, k] * whitener[c, k]
            out[a, c] = s


@part(f"float64[:, ::1]({STRUCTURE}, {WORK}, {PLACE})")
def turn(structure, work, place):  # type: ignore[no-untyped-def]
    """L^-1 X'M V_e M X L'^-1 along lower triangles, e directions whose own covariance is the identity."""
    coupling = work[8]
    _, _, jacobian, _, information_factor = place
    n_groups, n_visits = structure[2], structure[3]
    n_elements = n_visits * (n_visits + 1) // 2
    n_k = jacobian.shape[2]
    n_all = n_groups * n_k
    turned = np.zeros((n_all, coupling.shape[1]))
    for g in range(n_groups):
        for a in range(n_elements):
            for i in range(n_k):
                f = jacobian[g, a, i]
                if f != 0.0:
                    row = coupling[g * n_elements + a]
                    into = turned[g * n_k + i]
                    for c in range(coupling.shape[1]):
                        into[c] += f * row[c]
    for e in range(n_all):
        for i in range(e):
            f = information_factor[e, i]
            for c in range(coupling.shape[1]):
                turned[e, c] -= f * turned[i, c]
        for c in range(coupling.shape[1]):
            turned[e, c] /= information_factor[e, e]
    return turned


@part(f"float64[:, :, ::1]({STRUCTURE}, {PLACE})")
def element_covariance(structure, place):  # type: ignore[no-untyped-def]
    """(groups, elements, elements): covariance of the elements of each group's matrix."""
    _, _, jacobian, _, information_factor = place
    n_groups, n_visits = structure[2], structure[3]
    n_elements = n_visits * (n_visits + 1) // 2
    n_k = jacobian.shape[2]
    n_all = n_groups * n_k
    of_parameters = np.empty((n_all, n_all))
    invert_cholesky(information_factor, of_parameters, n_all)
    weights = np.empty((n_groups, n_elements, n_elements))
    part_way = np.empty((n_elements, n_k))
    for g in range(n_groups):
        for a in range(n_elements):
            for i in range(n_k):
                s = 0.0
                for j in range(n_k):
                    s += jacobian[g, a, j] * of_parameters[g * n_k + j, g * n_k + i]
                part_way[a, i] = s
        for a in range(n_elements):
            for b in range(n_elements):
                s = 0.0
                for i in range(n_k):
                    s += part_way[a, i] * jacobian[g, b, i]
                weights[g, a, b] = s
    return weights


@part(f"float64[:, :, ::1]({ROWS}, {WORK}, float64[:, :, ::1])")
def sum_between(rows, work, weights):  # type: ignore[no-untyped-def]
    """(patterns, T, T): the sum over elements of W_ab E_a M E_b."""
    _, _, _, n_patterns, patterns, pattern_visits, _, _ = rows
    inverse = work[0]
    n_visits = inverse.shape[1]
    between = np.zeros((n_patterns, n_visits, n_visits))
    for g in range(n_patterns):
        t = patterns[g, 1]
        for k in range(t):
            v_k = pattern_visits[g, k]
            for j in range(k + 1):
                a = v_k * (v_k + 1) // 2 + pattern_visits[g, j]
                for o in range(t):
                    v_o = pattern_visits[g, o]
                    for q in range(o + 1):
                        w = weights[patterns[g, 0], a, v_o * (v_o + 1) // 2 + pattern_visits[g, q]]
                        between[g, j, o] += w * inverse[g, k, q]
                        if q < o:
                            between[g, j, q] += w * inverse[g, k, o]
                        if j < k:
                            between[g, k, o] += w * inverse[g, j, q]
                            if q < o:
                                between[g, k, q] += w * inverse[g, j, o]
    return between


@part(f"void({ROWS}, {STRUCTURE}, {WORK}, {PLACE}, {ERRORS})")
def correct_small_sample(rows, structure, work, place, errors):  # type: ignore[no-untyped-def]
    """(MMRM-6), (MMRM-7): covariance of the coefficients, Kenward and Roger's linear one, and what the df need."""
    _, _, lanes, _, patterns, _, _, _ = rows
    _, white, _, _, _, whitener, _, _, _, _ = work
    covariance, adjusted, slopes, _ = errors
    p = whitener.shape[0]
    inner = np.zeros((p, p))
    half = np.empty((p, p))
    for a in range(p):
        inner[a, a] = 1.0
    outwards(whitener, inner, half, covariance)
    turned = turn(structure, work, place)
    total = np.zeros((p, p))
    for e in range(turned.shape[0]):
        c = 0
        for a in range(p):
            for b in range(a + 1):
                inner[a, b] = turned[e, c]
                inner[b, a] = turned[e, c]
                c += 1
        outwards(whitener, inner, half, slopes[e])
        for a in range(p):
            for k in range(p):
                f = inner[a, k]
                for b in range(a + 1):
                    total[a, b] -= f * inner[k, b]

    between = sum_between(rows, work, element_covariance(structure, place))
    carried = np.empty(p)
    for i in range(lanes.shape[0]):
        g = lanes[i, 0]
        r = lanes[i, 1]
        t = patterns[g, 1]
        for j in range(t):
            for a in range(p):
                carried[a] = 0.0
            for k in range(t):
                f = 0.5 * (between[g, j, k] + between[g, k, j])
                for a in range(p):
                    carried[a] += f * white[r + k, a]
            for a in range(p):
                f = white[r + j, a]
                for b in range(a + 1):
                    total[a, b] += f * carried[b]
    for a in range(p):
        for b in range(a + 1):
            inner[a, b] = 2.0 * total[a, b]
            inner[b, a] = inner[a, b]
        inner[a, a] += 1.0
    outwards(whitener, inner, half, adjusted)


@part("void(float64[:, ::1], float64[::1], int64)")
def solve_semidefinite(a, b, n):  # type: ignore[no-untyped-def]
    """Overwrite ``b`` by a solution of ``a`` x = b for a matrix that may be singular; ``a`` becomes its factor.

    A direction in which the matrix is zero is left out: there the residual of a participant who alone determines a
    coefficient is zero as well.
    """
    for j in range(n):
        diagonal = a[j, j]
        for k in range(j):
            a[j, j] -= a[j, k] * a[j, k]
        alive = a[j, j] > 1e-10 * diagonal
        a[j, j] = np.sqrt(a[j, j]) if alive else 0.0
        for i in range(j + 1, n):
            for k in range(j):
                a[i, j] -= a[i, k] * a[j, k]
            a[i, j] = a[i, j] / a[j, j] if alive else 0.0
    for i in range(n):
        for k in range(i):
            b[i] -= a[i, k] * b[k]
        b[i] = b[i] / a[i, i] if a[i, i] > 0.0 else 0.0
    for i in range(n - 1, -1, -1):
        for k in range(i + 1, n):
            b[i] -= a[k, i] * b[k]
        b[i] = b[i] / a[i, i] if a[i, i] > 0.0 else 0.0


@part(f"void({ROWS}, {WORK}, float64[:, :, ::1], {ERRORS})")
def sandwich(rows, work, sigma, errors):  # type: ignore[no-untyped-def]
    """(MMRM-8): the empirical covariance of the coefficients as it is, and with Mancl and DeRouen's correction."""
    x, y, lanes, _, patterns, pattern_visits, _, _ = rows
    inverse, beta = work[0], work[4]
    covariance, _, _, out = errors
    p = x.shape[1]
    longest = sigma.shape[1]
    block = np.empty((longest, longest))
    residual = np.empty(longest)
    solved = np.empty(longest)
    reach = np.empty(p)
    score = np.empty((2, p))
    meat = np.zeros((2, p, p))
    for i in range(lanes.shape[0]):
        g = lanes[i, 0]
        r = lanes[i, 1]
        t = patterns[g, 1]
        for j in range(t):
            s = y[r + j]
            for a in range(p):
                s -= x[r + j, a] * beta[a]
            residual[j] = s
        # V - X C X', the covariance of the participant's residuals
        for j in range(t):
            for a in range(p):
                s = 0.0
                for c in range(p):
                    s += covariance[a, c] * x[r + j, c]
                reach[a] = s
            for k in range(j + 1):
                s = sigma[patterns[g, 0], pattern_visits[g, j], pattern_visits[g, k]]
                for a in range(p):
                    s -= reach[a] * x[r + k, a]
                block[j, k] = s
                block[k, j] = s
        for which in range(2):
            for j in range(t):
                if which == 0:
                    s = 0.0
                    for k in range(t):
                        s += inverse[g, j, k] * residual[k]
                    solved[j] = s
                else:
                    solved[j] = residual[j]
            if which == 1:
                solve_semidefinite(block, solved, t)
            for a in range(p):
                s = 0.0
                for j in range(t):
                    s += x[r + j, a] * solved[j]
                score[which, a] = s
            for a in range(p):
                for c in range(p):
                    meat[which, a, c] += score[which, a] * score[which, c]
    half = np.empty((p, p))
    for which in range(2):
        for a in range(p):
            for c in range(p):
                s = 0.0
                for k in range(p):
                    s += covariance[a, k] * meat[which, k, c]
                half[a, c] = s
        for a in range(p):
            for c in range(p):
                s = 0.0
                for k in range(p):
                    s += half[a, k] * covariance[k, c]
                out[which, a, c] = s
