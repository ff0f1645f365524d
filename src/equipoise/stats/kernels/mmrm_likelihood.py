"""Likelihood of the mixed model for repeated measures, and its derivatives in every element of the covariance.

Participants seen at the same visits of the same group share one inverse matrix: they are a *pattern*. Rows of a
participant stand in the order of the visits. Equations (MMRM-2) to (MMRM-6) are in ``docs/methods/mmrm.md``.
"""

from __future__ import annotations

import numpy as np

from equipoise.stats.kernels.compile import part
from equipoise.stats.kernels.linear_algebra import cholesky, invert_cholesky, log_determinant_cholesky
from equipoise.stats.kernels.mmrm_structures import STRUCTURE

# One trial: x (rows, p), y (rows,), lanes (participants, 2) with pattern and first row, how many patterns, their group
# and number of visits (n, 2), which visits (n, T), how many participants (n,), and whether REML.
ROWS = (
    "Tuple((float64[:, ::1], float64[::1], int64[:, ::1], int64, int64[:, ::1], int64[:, ::1], float64[::1], boolean))"
)
# What a place of the parameters gives: by ``evaluate`` M = V^-1 of each pattern (n, T, T), M X and M y by row, Cholesky
# factor L of X'MX, coefficients; by ``accumulate`` L^-1 transposed, sums of F F' and of u u' by pattern (n, T, T),
# L^-1 X'M E_a M X L'^-1 along lower triangles (elements, p (p + 1) / 2) and L^-1 X'M E_a u (elements, p).
WORK = (
    "Tuple((float64[:, :, ::1], float64[:, ::1], float64[::1], float64[:, ::1], float64[::1], float64[:, ::1],"
    "float64[:, :, ::1], float64[:, :, ::1], float64[:, ::1], float64[:, ::1]))"
)
# Which second derivatives: without the term that couples participants through the coefficients' variance; all; minus
# the expected information of maximum likelihood, which is never indefinite.
NEARLY = 0
EXACT = 1
EXPECTED = 2


@part(f"float64({ROWS}, float64[:, :, ::1], {WORK})")
def evaluate(rows, sigma, work):  # type: ignore[no-untyped-def]
    """(MMRM-3): log-likelihood without its constant; minus infinity where a matrix is not positive definite.

    ``sigma`` (groups, T, T). Of ``work`` the inverses, M X, M y, the factor and the coefficients are written.
    """
    x, y, lanes, n_patterns, patterns, pattern_visits, pattern_size, reml = rows
    inverse, mx, my, factor, beta, _, _, _, _, _ = work
    p = x.shape[1]
    block = np.empty(sigma.shape[1:])
    block_inverse = np.empty(sigma.shape[1:])
    log_det = 0.0
    for g in range(n_patterns):
        t = patterns[g, 1]
        for j in range(t):
            for k in range(j + 1):
                block[j, k] = sigma[patterns[g, 0], pattern_visits[g, j], pattern_visits[g, k]]
        for j in range(t):
            if not (block[j, j] > 1e-14 and block[j, j] < 1e14):
                return -np.inf
        if cholesky(block, t) >= 0:
            return -np.inf
        log_det += pattern_size[g] * log_determinant_cholesky(block, t)
        invert_cholesky(block, block_inverse, t)
        for j in range(t):
            for k in range(t):
                inverse[g, j, k] = block_inverse[j, k]
    for a in range(p):
        beta[a] = 0.0
        for c in range(p):
            factor[a, c] = 0.0
    quadratic = 0.0
    for i in range(lanes.shape[0]):
        g = lanes[i, 0]
        r = lanes[i, 1]
        t = patterns[g, 1]
        for j in range(t):
            out = mx[r + j]
            m = inverse[g, j, 0]
            s = m * y[r]
            row = x[r]
            for a in range(p):
                out[a] = m * row[a]
            for k in range(1, t):
                m = inverse[g, j, k]
                s += m * y[r + k]
                row = x[r + k]
                for a in range(p):
                    out[a] += m * row[a]
            my[r + j] = s
            quadratic += s * y[r + j]
            row = x[r + j]
            for a in range(p):
                f = out[a]
                beta[a] += f * y[r + j]
                if f != 0.0:
                    into = factor[a]
                    for c in range(a + 1):
                        into[c] += f * row[c]
    if cholesky(factor, p) >= 0:
        return -np.inf
    # z = L^-1 X'My, then beta = L'^-1 z
    for a in range(p):
        s = beta[a]
        for c in range(a):
            s -= factor[a, c] * beta[c]
        beta[a] = s / factor[a, a]
        quadratic -= beta[a] * beta[a]
    for a in range(p - 1, -1, -1):
        s = beta[a]
        for c in range(a + 1, p):
            s -= factor[c, a] * beta[c]
        beta[a] = s / factor[a, a]
    if reml:
        log_det += log_determinant_cholesky(factor, p)
    value = -0.5 * (log_det + quadratic)
    return value if np.isfinite(value) else -np.inf


@part(f"void({WORK})")
def whiten(work):  # type: ignore[no-untyped-def]
    """``mx`` becomes F = M X L'^-1 and ``my`` becomes u = M (y - X beta)."""
    _, mx, my, factor, beta, whitener, _, _, _, _ = work
    p = factor.shape[0]
    for a in range(p):
        for c in range(p):
            whitener[c, a] = 0.0
        whitener[a, a] = 1.0 / factor[a, a]
    for c in range(p):
        for a in range(c + 1, p):
            s = 0.0
            for k in range(c, a):
                s -= factor[a, k] * whitener[c, k]
            whitener[c, a] = s / factor[a, a]
    white = np.empty(p)
    for r in range(mx.shape[0]):
        row = mx[r]
        white[:] = 0.0
        for a in range(p):
            f = row[a]
            my[r] -= f * beta[a]
            if f != 0.0:
                into = whitener[a]
                for c in range(a, p):
                    white[c] += f * into[c]
        row[:] = white


@part(f"void({ROWS}, {STRUCTURE}, {WORK}, boolean)")
def accumulate(rows, structure, work, exact):  # type: ignore[no-untyped-def]
    """(MMRM-4): what the derivatives need beside the inverses, after ``evaluate`` at the same place.

    The couplings of elements are summed only where ``exact``.
    """
    x, _, lanes, n_patterns, patterns, pattern_visits, _, _ = rows
    _, mx, my, _, _, _, leverage, spread, coupling, moved = work
    whiten(work)
    p, n_visits = x.shape[1], structure[3]
    n_elements = n_visits * (n_visits + 1) // 2
    leverage[:, :, :] = 0.0
    spread[:, :, :] = 0.0
    moved[:, :] = 0.0
    if exact:
        coupling[:, :] = 0.0
    for i in range(lanes.shape[0]):
        g = lanes[i, 0]
        r = lanes[i, 1]
        t = patterns[g, 1]
        base = patterns[g, 0] * n_elements
        for k in range(t):
            f_k = mx[r + k]
            u_k = my[r + k]
            v_k = pattern_visits[g, k]
            for j in range(k + 1):
                f_j = mx[r + j]
                u_j = my[r + j]
                e = base + v_k * (v_k + 1) // 2 + pattern_visits[g, j]
                spread[g, k, j] += u_j * u_k
                s = 0.0
                into = moved[e]
                if j < k:
                    for a in range(p):
                        s += f_j[a] * f_k[a]
                        into[a] += f_j[a] * u_k + f_k[a] * u_j
                else:
                    for a in range(p):
                        s += f_k[a] * f_k[a]
                        into[a] += f_k[a] * u_k
                leverage[g, k, j] += s
                if exact:
                    into = coupling[e]
                    place = 0
                    for a in range(p):
                        one = f_j[a]
                        two = f_k[a] if j < k else 0.0
                        out = into[place : place + a + 1]
                        for c in range(a + 1):
                            out[c] += one * f_k[c] + two * f_j[c]
                        place += a + 1
    for g in range(n_patterns):
        for k in range(patterns[g, 1]):
            for j in range(k):
                leverage[g, j, k] = leverage[g, k, j]
                spread[g, j, k] = spread[g, k, j]


@part(f"void({ROWS}, {STRUCTURE}, {WORK}, int64, float64[::1], float64[:, ::1])")
def differentiate(rows, structure, work, kind, gradient, hessian):  # type: ignore[no-untyped-def]
    """(MMRM-5): gradient and Hessian of the log-likelihood in the elements of the covariance, group after group.

    ``kind`` is NEARLY, EXACT or EXPECTED.
    """
    _, _, _, n_patterns, patterns, pattern_visits, pattern_size, reml = rows
    inverse, _, _, _, _, _, leverage, spread, coupling, moved = work
    _, _, n_groups, n_visits, _, _, _ = structure
    expected = kind == EXPECTED
    middle = np.empty((n_visits, n_visits))
    n_elements = n_visits * (n_visits + 1) // 2
    n_all = n_groups * n_elements
    p = moved.shape[1]
    gradient[:] = 0.0
    hessian[:, :] = 0.0
    for g in range(n_patterns):
        t = patterns[g, 1]
        base = patterns[g, 0] * n_elements
        m = inverse[g]
        for j in range(t):
            for k in range(t):
                of_fit = spread[g, j, k] + (leverage[g, j, k] if reml else 0.0)
                middle[j, k] = 0.5 * pattern_size[g] * m[j, k] - (0.0 if expected else of_fit)
        if expected:
            for j in range(t):
                for k in range(t):
                    middle[j, k] = -middle[j, k]
        for k in range(t):
            v_k = pattern_visits[g, k]
            for j in range(k + 1):
                v_j = pattern_visits[g, j]
                a = base + v_k * (v_k + 1) // 2 + v_j
                of_fit = spread[g, k, j] + (leverage[g, k, j] if reml else 0.0)
                gradient[a] += (0.5 if j == k else 1.0) * (of_fit - pattern_size[g] * m[k, j])
                for o in range(t):
                    v_o = pattern_visits[g, o]
                    for q in range(o + 1):
                        b = base + v_o * (v_o + 1) // 2 + pattern_visits[g, q]
                        if b > a:
                            break
                        s = (
                            m[k, q] * middle[o, j]
                            + m[k, o] * middle[q, j]
                            + m[j, q] * middle[o, k]
                            + m[j, o] * middle[q, k]
                        )
                        if j == k:
                            s *= 0.5
                        if o == q:
                            s *= 0.5
                        hessian[a, b] += s
    if not expected:
        for a in range(n_all):
            for b in range(a + 1):
                s = 0.0
                for c in range(p):
                    s += moved[a, c] * moved[b, c]
                if kind == EXACT and reml:
                    whole = 0.0
                    for c in range(coupling.shape[1]):
                        whole += coupling[a, c] * coupling[b, c]
                    place = 0
                    of_diagonal = 0.0
                    for c in range(p):
                        of_diagonal += coupling[a, place + c] * coupling[b, place + c]
                        place += c + 1
                    s += whole - 0.5 * of_diagonal
                hessian[a, b] += s
    for a in range(n_all):
        for b in range(a):
            hessian[b, a] = hessian[a, b]
