"""Covariance matrices of a participant's visits, with their first and second derivatives in the parameters.

Unstructured matrices have their own elements as parameters. All others are standard deviations, one a visit or one for
all, as logarithms, and correlations: ``sigma_jk = s_j s_k c_jk(rho)``. Elements of a matrix are counted along its lower
triangle: element (k, j) with j <= k has number k (k + 1) / 2 + j. Equations (MMRM-1) in ``docs/methods/mmrm.md``.
"""

from __future__ import annotations

import numpy as np

from equipoise.stats.kernels.compile import part

UNSTRUCTURED = 0
TOEPLITZ = 1
AUTOREGRESSIVE = 2
ANTE_DEPENDENCE = 3
COMPOUND_SYMMETRY = 4

# A structure on the visits of one trial: family, whether each visit has a standard deviation of its own, groups with a
# matrix each, visits that anybody was seen at, distances between them, their places among the planned ones (T,), and
# the number of each pair's distance (T, T).
STRUCTURE = "Tuple((int64, boolean, int64, int64, int64, int64[::1], int64[:, ::1]))"


@part(f"int64({STRUCTURE})")
def n_parameters(structure):  # type: ignore[no-untyped-def]
    """How many parameters one matrix has."""
    family, heterogeneous, _, n_visits, n_lags, _, _ = structure
    if family == UNSTRUCTURED:
        return n_visits * (n_visits + 1) // 2
    n_sd = n_visits if heterogeneous else 1
    if n_visits < 2:
        return n_sd
    if family == TOEPLITZ:
        return n_sd + n_lags
    return n_sd + (n_visits - 1 if family == ANTE_DEPENDENCE else 1)


@part(f"float64({STRUCTURE}, int64, int64, float64[::1], float64[::1], float64[:, ::1])")
def correlation(structure, j, k, rho, first, second):  # type: ignore[no-untyped-def]
    """c_jk for j < k with its derivatives; of ``first`` and ``second`` only entries that are not zero are written."""
    family, _, _, _, _, position, lag = structure
    if family == TOEPLITZ:
        first[lag[k, j]] = 1.0
        return rho[lag[k, j]]
    if family == AUTOREGRESSIVE:
        d = position[k] - position[j]
        first[0] = d * rho[0] ** (d - 1)
        second[0, 0] = d * (d - 1) * rho[0] ** (d - 2) if d > 1 else 0.0
        return rho[0] ** d
    if family == ANTE_DEPENDENCE:
        whole = 1.0
        for a in range(j, k):
            whole *= rho[a]
            one = 1.0
            for b in range(j, k):
                if b != a:
                    one *= rho[b]
                    two = 1.0
                    for c in range(j, k):
                        if c != a and c != b:
                            two *= rho[c]
                    second[a, b] = two
            first[a] = one
        return whole
    first[0] = 1.0
    return rho[0]


@part(f"void({STRUCTURE}, float64[::1], float64[:, ::1], float64[:, ::1])")
def build(structure, theta, sigma, jacobian):  # type: ignore[no-untyped-def]
    """The matrix (both triangles) and the derivative of each of its elements in each parameter."""
    family, heterogeneous, _, n_visits, _, _, _ = structure
    n_k = n_parameters(structure)
    jacobian[:, :] = 0.0
    if family == UNSTRUCTURED:
        for k in range(n_visits):
            for j in range(k + 1):
                a = k * (k + 1) // 2 + j
                sigma[k, j] = theta[a]
                sigma[j, k] = theta[a]
                jacobian[a, a] = 1.0
        return
    n_v = n_visits if heterogeneous else 1
    n_c = n_k - n_v
    rho = theta[n_v:n_k]
    first = np.zeros(max(n_c, 1))
    second = np.zeros((max(n_c, 1), max(n_c, 1)))
    for k in range(n_visits):
        v_k = k if heterogeneous else 0
        for j in range(k + 1):
            v_j = j if heterogeneous else 0
            a = k * (k + 1) // 2 + j
            scale = np.exp(theta[v_j]) * np.exp(theta[v_k])
            c = 1.0
            if j < k:
                first[:] = 0.0
                c = correlation(structure, j, k, rho, first, second)
                for r in range(n_c):
                    jacobian[a, n_v + r] = scale * first[r]
            sigma[k, j] = scale * c
            sigma[j, k] = scale * c
            jacobian[a, v_j] += scale * c
            jacobian[a, v_k] += scale * c


@part(f"void({STRUCTURE}, float64[::1], float64[::1], float64[:, ::1], int64)")
def add_curvature(structure, theta, weight, hessian, start):  # type: ignore[no-untyped-def]
    """Add the sum over elements of ``weight`` times the second derivative to ``hessian``, from ``start`` on."""
    family, heterogeneous, _, n_visits, _, _, _ = structure
    if family == UNSTRUCTURED:
        return
    n_k = n_parameters(structure)
    n_v = n_visits if heterogeneous else 1
    n_c = n_k - n_v
    rho = theta[n_v:n_k]
    first = np.zeros(max(n_c, 1))
    second = np.zeros((max(n_c, 1), max(n_c, 1)))
    of_sd = np.zeros(n_v)
    for k in range(n_visits):
        v_k = k if heterogeneous else 0
        for j in range(k + 1):
            v_j = j if heterogeneous else 0
            c = 1.0
            first[:] = 0.0
            second[:, :] = 0.0
            if j < k:
                c = correlation(structure, j, k, rho, first, second)
            w = weight[k * (k + 1) // 2 + j] * np.exp(theta[v_j] + theta[v_k])
            of_sd[:] = 0.0
            of_sd[v_j] += 1.0
            of_sd[v_k] += 1.0
            for v in range(n_v):
                if of_sd[v] == 0.0:
                    continue
                for u in range(n_v):
                    hessian[start + v, start + u] += w * c * of_sd[v] * of_sd[u]
                for r in range(n_c):
                    more = w * of_sd[v] * first[r]
                    hessian[start + v, start + n_v + r] += more
                    hessian[start + n_v + r, start + v] += more
            for r in range(n_c):
                for q in range(n_c):
                    hessian[start + n_v + r, start + n_v + q] += w * second[r, q]
