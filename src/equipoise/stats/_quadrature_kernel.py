"""Adaptive Gauss-Hermite quadrature for a random intercept: value, exact gradient and exact Hessian.

Participants lie side by side (*lanes*), sorted by falling number of visits, and every loop runs over the participants
who have a j-th visit: no padding, any number of nodes, and the compiler works on several participants at once.
Equations (QUAD-1) to (QUAD-9) are in ``docs/methods/logistic_mixed.md``.

Columns of the design that are constant within every participant (arm, baseline values) need no sum over visits: a
participant's contribution is computed for the *inner* design w = (1, varying columns), r + 1 long, and expanded
afterwards. ``tri(i, j) = i (i + 1) / 2 + j`` with ``j <= i`` addresses symmetric matrices.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from equipoise.stats._vector_math import bits_from_float, exponential, float_from_bits, lane_kernel

# Participants worked on at a time: the scratch arrays of one block stay in the first-level cache.
BLOCK = 64
# A linear predictor beyond this is a step gone astray (a probability of 1e-26): the step is refused.
ETA_LIMIT = 60.0
_MANTISSA = 0x000FFFFFFFFFFFFF
_ONE_BITS = 0x3FF0000000000000
_LN2 = 0.6931471805599453


@njit("int64(int64, int64)", cache=True, nogil=True, forceinline=True)  # type: ignore[untyped-decorator,unused-ignore]
def tri(i, j):  # type: ignore[no-untyped-def]
    """Place of element (i, j) of a symmetric matrix kept as its lower triangle."""
    if i >= j:
        return i * (i + 1) // 2 + j
    return j * (j + 1) // 2 + i


@lane_kernel("void(float64[::1], float64[::1], int64)")
def _split_exponents(product, exponent, n):  # type: ignore[no-untyped-def]
    """Move the powers of two out of running products before they overflow."""
    for i in range(n):
        bits = bits_from_float(product[i])
        exponent[i] += float((bits >> 52) - 1023)
        product[i] = float_from_bits((bits & _MANTISSA) | _ONE_BITS)


@lane_kernel(
    "int64(float64[:, ::1], int64[::1], int64, int64, float64[:, ::1], int64, float64, float64[::1], float64[::1])"
)
def _find_modes(eta, active, n_slots, n, y_sum, lo, kappa, mode, scratch):  # type: ignore[no-untyped-def]
    """Maximise every participant's g(b) by Newton kept inside a bracket; (QUAD-2). Returns 0, or 1 if it failed.

    The score in b falls strictly, and lies between Y - n - kappa b and Y - kappa b: a certain first bracket. A Newton
    step that leaves the bracket is replaced by its middle (plain Newton cycles when the variance is large).
    """
    lower = scratch[0:n]
    upper = scratch[BLOCK : BLOCK + n]
    score = scratch[2 * BLOCK : 2 * BLOCK + n]
    curvature = scratch[3 * BLOCK : 3 * BLOCK + n]
    for i in range(n):
        upper[i] = y_sum[0, lo + i] / kappa
        lower[i] = upper[i]
    for j in range(n_slots):
        for i in range(active[j]):
            lower[i] -= 1.0 / kappa
    for i in range(n):
        mode[i] = min(max(mode[i], lower[i]), upper[i])
    for _ in range(80):
        for i in range(n):
            score[i] = y_sum[0, lo + i] - kappa * mode[i]
            curvature[i] = kappa
        for j in range(n_slots):
            for i in range(active[j]):
                e = exponential(eta[j, i] + mode[i])
                d = 1.0 / (1.0 + e)
                p = e * d
                score[i] -= p
                curvature[i] += p * d
        for i in range(n):
            b = mode[i]
            g = score[i]
            low = b if g > 0.0 else lower[i]
            high = upper[i] if g > 0.0 else b
            newton = b + g / curvature[i]
            outside = (newton < low) | (newton > high)
            moved = 0.5 * (low + high) if outside else newton
            lower[i] = low
            upper[i] = high
            mode[i] = moved
            score[i] = (moved - b) * (moved - b) * curvature[i]
        worst = 0.0
        for i in range(n):
            worst = max(worst, score[i])
        # Convergence is quadratic: a last step of 1e-5 conditional standard deviations leaves about 1e-10.
        if worst < 1e-10:
            return 0
    return 1


@lane_kernel(
    "int64(int64, int64, int64, int64[::1], float64[:, ::1], float64[:, :, ::1], int64, float64[:, ::1], float64,"
    "float64[::1], float64[::1], float64[::1], float64[::1], float64[:, ::1], float64[:, ::1], float64[:, :, ::1])"
)
def evaluate_lanes(  # type: ignore[no-untyped-def]
    lo, n, n_slots, active, eta, varying, r, y_sum, sigma, mode, nodes, log_weights, value, first, second, work
):
    """Log-likelihood of ``n`` participants from lane ``lo`` on, with derivatives in (beta_w, log sigma).

    ``eta[j, i]`` holds the fixed part of the linear predictor; ``mode`` the starting and, afterwards, the final
    modes. ``value[i]``, ``first[q, i]``, ``second[tri, i]`` receive the answers; ``work`` is scratch of shape
    (8, at least 4 + (r+2)(r+3)/2, BLOCK). Returns 0, or 1 when the point must be refused.
    """
    d = r + 1
    m = r + 2
    n_nodes = nodes.shape[0]
    kappa = 1.0 / (sigma * sigma)
    base = work[0]
    if _find_modes(eta, active, n_slots, n, y_sum, lo, kappa, mode, work[7].reshape(work.shape[1] * BLOCK)) != 0:
        return 1

    # --- at the mode: E = exp(eta), sums of v x, v' x x', v'' x x' over visits; (QUAD-3)
    odds = work[1]  # rows are visits
    vx = work[2]  # A_c = sum v x_c
    d1 = work[3]  # sum v' x x'
    d2 = work[4]  # sum v'' x x'
    product0 = base[0]
    exponent0 = base[1]
    t = base[2]
    for i in range(n):
        product0[i] = 1.0
        exponent0[i] = 0.0
    for c in range(d):
        for i in range(n):
            vx[c, i] = 0.0
    for c in range(d * (d + 1) // 2):
        for i in range(n):
            d1[c, i] = 0.0
            d2[c, i] = 0.0
    largest = 0.0
    t1 = work[6, 0]
    t2 = work[6, 1]
    t3 = work[6, 2]
    for j in range(n_slots):
        na = active[j]
        for i in range(na):
            largest = max(largest, abs(eta[j, i] + mode[i]))
        for i in range(na):
            e = exponential(eta[j, i] + mode[i])
            odds[j, i] = e
            q = 1.0 / (1.0 + e)
            p = e * q
            v = p * q
            product0[i] *= 1.0 + e
            t1[i] = v
            t2[i] = v * (q - p)
            t3[i] = v * (1.0 - 6.0 * v)
            vx[0, i] += v
            d1[0, i] += v * (q - p)
            d2[0, i] += v * (1.0 - 6.0 * v)
        for c in range(r):
            for i in range(na):
                x = varying[c, j, lo + i]
                vx[c + 1, i] += t1[i] * x
                d1[tri(c + 1, 0), i] += t2[i] * x
                d2[tri(c + 1, 0), i] += t3[i] * x
            for c2 in range(c + 1):
                place = tri(c + 1, c2 + 1)
                for i in range(na):
                    x = varying[c, j, lo + i] * varying[c2, j, lo + i]
                    d1[place, i] += t2[i] * x
                    d2[place, i] += t3[i] * x
        if j % 8 == 7:
            _split_exponents(product0, exponent0, n)
    _split_exponents(product0, exponent0, n)
    if not largest < ETA_LIMIT:
        return 1
    widest = 0.0
    for i in range(n):
        t[i] = 1.0 / np.sqrt(kappa + vx[0, i])
        widest = max(widest, t[i])
    z_max = 0.0
    for k in range(n_nodes):
        z_max = max(z_max, abs(nodes[k]))
    # Visits that may be multiplied up before a product could pass 1e300.
    stride = max(1, int(690.0 / (largest + widest * z_max + 0.7)))
    if largest + widest * z_max > 680.0:
        return 1

    # --- movement of the nodes: b_k = mode + t z_k; first derivatives of mode and t; (QUAD-4)
    mode_d = work[5]  # rows 0..m-1: db/dq; rows m..2m-1: dt/dq
    h1 = work[6]  # rows 3..3+m-1 kept below: dh/dq
    for c in range(d):
        for i in range(n):
            inv = t[i] * t[i]
            b_c = -vx[c, i] * inv
            h_c = d1[tri(c, 0), i] + d1[0, i] * b_c
            mode_d[c, i] = b_c
            h1[3 + c, i] = h_c
            mode_d[m + c, i] = -0.5 * t[i] * h_c * inv
    for i in range(n):
        inv = t[i] * t[i]
        b_r = 2.0 * mode[i] * kappa * inv
        h_r = d1[0, i] * b_r - 2.0 * kappa
        mode_d[d, i] = b_r
        h1[3 + d, i] = h_r
        mode_d[m + d, i] = -0.5 * t[i] * h_r * inv

    # --- sums over nodes; (QUAD-5)
    acc = work[7]
    n_tri = m * (m + 1) // 2
    n_inner = d * (d + 1) // 2
    at_w = 0  # sum omega
    at_gb = 1  # sum omega g_b, and z times it
    at_gbb = 3  # sum omega g_bb z^0, z^1, z^2
    at_rr = 6  # sum omega g_rho_rho
    at_m1 = 7
    at_n0 = at_m1 + m
    at_n1 = at_n0 + m
    at_m2 = at_n1 + m
    at_u = at_m2 + n_tri
    for a in range(at_u + n_inner):
        for i in range(n):
            acc[a, i] = 0.0
    product = base[3]
    exponent = base[4]
    factor = base[5]
    omega = base[6]
    b_k = base[7]
    g_b = base[8]
    node_p = work[8]  # rows c: sum p x_c; later gamma
    node_u = work[9]  # rows tri: sum v x x'
    for k in range(n_nodes):
        z = nodes[k]
        for i in range(n):
            factor[i] = exponential(t[i] * z)
            product[i] = 1.0
            exponent[i] = 0.0
        for c in range(d):
            for i in range(n):
                node_p[c, i] = 0.0
        for c in range(n_inner):
            for i in range(n):
                node_u[c, i] = 0.0
        until_split = stride
        for j in range(n_slots):
            na = active[j]
            if r == 0:
                for i in range(na):
                    e = odds[j, i] * factor[i]
                    q = 1.0 / (1.0 + e)
                    p = e * q
                    product[i] *= 1.0 + e
                    node_p[0, i] += p
                    node_u[0, i] += p * q
            elif r == 1:
                for i in range(na):
                    e = odds[j, i] * factor[i]
                    q = 1.0 / (1.0 + e)
                    p = e * q
                    v = p * q
                    x = varying[0, j, lo + i]
                    vxx = v * x
                    product[i] *= 1.0 + e
                    node_p[0, i] += p
                    node_u[0, i] += v
                    node_p[1, i] += p * x
                    node_u[1, i] += vxx
                    node_u[2, i] += vxx * x
            else:
                for i in range(na):
                    e = odds[j, i] * factor[i]
                    q = 1.0 / (1.0 + e)
                    p = e * q
                    v = p * q
                    product[i] *= 1.0 + e
                    t1[i] = p
                    t2[i] = v
                    node_p[0, i] += p
                    node_u[0, i] += v
                for c in range(r):
                    for i in range(na):
                        x = varying[c, j, lo + i]
                        node_p[c + 1, i] += t1[i] * x
                        t3[i] = t2[i] * x
                        node_u[tri(c + 1, 0), i] += t3[i]
                    for c2 in range(c + 1):
                        place = tri(c + 1, c2 + 1)
                        for i in range(na):
                            node_u[place, i] += t3[i] * varying[c2, j, lo + i]
            until_split -= 1
            if until_split == 0:
                _split_exponents(product, exponent, n)
                until_split = stride
        # omega = weight times exp(g(b_k) - g(mode)); the products stand for the sums of log(1 + E F).
        for i in range(n):
            shift = t[i] * z
            b = mode[i] + shift
            linear = y_sum[0, lo + i] * shift - 0.5 * kappa * shift * (b + mode[i])
            w = exponential(log_weights[k] + linear + _LN2 * (exponent0[i] - exponent[i])) * (product0[i] / product[i])
            gb = y_sum[0, lo + i] - node_p[0, i] - b * kappa
            gbb = -(node_u[0, i] + kappa)
            omega[i] = w
            b_k[i] = b
            g_b[i] = gb
            acc[at_w, i] += w
            acc[at_gb, i] += w * gb
            acc[at_gb + 1, i] += w * gb * z
            acc[at_gbb, i] += w * gbb
            acc[at_gbb + 1, i] += w * gbb * z
            acc[at_gbb + 2, i] += w * gbb * (z * z)
            acc[at_rr, i] -= 2.0 * w * kappa * b * b
            cross = 2.0 * w * b * kappa
            acc[at_n0 + d, i] += cross
            acc[at_n1 + d, i] += cross * z
        # gamma_q: total derivative of g at the moving node, kept in node_p
        for c in range(d):
            place = tri(c, 0)
            for i in range(n):
                gamma = y_sum[c, lo + i] - node_p[c, i] + g_b[i] * (mode_d[c, i] + z * mode_d[m + c, i])
                node_p[c, i] = gamma
                acc[at_m1 + c, i] += omega[i] * gamma
                cross = omega[i] * node_u[place, i]
                acc[at_n0 + c, i] -= cross
                acc[at_n1 + c, i] -= cross * z
        for i in range(n):
            gamma = b_k[i] * b_k[i] * kappa - 1.0 + g_b[i] * (mode_d[d, i] + z * mode_d[m + d, i])
            node_p[d, i] = gamma
            acc[at_m1 + d, i] += omega[i] * gamma
        for a in range(m):
            for c in range(a + 1):
                place = at_m2 + tri(a, c)
                for i in range(n):
                    acc[place, i] += omega[i] * node_p[a, i] * node_p[c, i]
        for c in range(n_inner):
            for i in range(n):
                acc[at_u + c, i] += omega[i] * node_u[c, i]

    # --- log-likelihood; (QUAD-6)
    for i in range(n):
        linear = -0.5 * kappa * mode[i] * mode[i] + y_sum[0, lo + i] * mode[i] - _LN2 * exponent0[i]
        value[i] = linear + np.log(acc[at_w, i] * t[i] / (sigma * product0[i]))
        omega[i] = 1.0 / acc[at_w, i]
    # The remaining linear part, sum of y times the fixed predictor, is added by the caller.

    # --- derivatives; (QUAD-7) and (QUAD-8)
    for a in range(m):
        for i in range(n):
            acc[at_m1 + a, i] *= omega[i]
            first[a, i] = acc[at_m1 + a, i] - 0.5 * h1[3 + a, i] * t[i] * t[i]
    for a in range(m):
        for c in range(a + 1):
            place = tri(a, c)
            for i in range(n):
                inv = t[i] * t[i]
                b_a = mode_d[a, i]
                b_c = mode_d[c, i]
                t_a = mode_d[m + a, i]
                t_c = mode_d[m + c, i]
                big_b = d1[0, i]
                big_b2 = d2[0, i]
                if a < d:
                    cross_g = -d1[tri(a, 0), i] * b_c - d1[tri(c, 0), i] * b_a - d1[place, i]
                    cross_h = d2[place, i] + d2[tri(a, 0), i] * b_c + d2[tri(c, 0), i] * b_a
                    inner = -acc[at_u + place, i]
                elif c < d:
                    cross_g = 2.0 * kappa * b_c - d1[tri(c, 0), i] * b_a
                    cross_h = d2[tri(c, 0), i] * b_a
                    inner = 0.0
                else:
                    cross_g = 4.0 * kappa * b_a - 4.0 * mode[i] * kappa
                    cross_h = 4.0 * kappa
                    inner = acc[at_rr, i]
                b_ac = (cross_g - big_b * b_a * b_c) * inv
                h_ac = cross_h + big_b2 * b_a * b_c + big_b * b_ac
                h_a = h1[3 + a, i]
                h_c = h1[3 + c, i]
                t_ac = -0.5 * t[i] * h_ac * inv + 0.75 * t[i] * h_a * h_c * inv * inv
                total = inner + acc[at_n0 + a, i] * b_c + acc[at_n0 + c, i] * b_a
                total += acc[at_n1 + a, i] * t_c + acc[at_n1 + c, i] * t_a
                total += acc[at_gbb, i] * b_a * b_c + acc[at_gbb + 1, i] * (b_a * t_c + t_a * b_c)
                total += acc[at_gbb + 2, i] * t_a * t_c
                total += acc[at_gb, i] * b_ac + acc[at_gb + 1, i] * t_ac + acc[at_m2 + place, i]
                second[place, i] = (
                    total * omega[i]
                    - acc[at_m1 + a, i] * acc[at_m1 + c, i]
                    - 0.5 * (h_ac * inv - h_a * h_c * inv * inv)
                )
    return 0


@lane_kernel(
    "void(int64, int64, int64, int64[::1], float64[:, ::1], float64[:, :, ::1], int64, float64[:, ::1],"
    "float64[::1], float64[:, ::1], float64[:, ::1], float64[:, ::1])"
)
def evaluate_pooled_lanes(lo, n, n_slots, active, eta, varying, r, y_sum, value, first, second, scratch):  # type: ignore[no-untyped-def]
    """The same for the logistic model without a random intercept: variance exactly zero; (QUAD-9).

    Row ``r + 1`` of ``first`` receives the derivative of the log-likelihood in sigma squared at zero.
    """
    d = r + 1
    product = scratch[0]
    exponent = scratch[1]
    t1 = scratch[2]
    t2 = scratch[3]
    for i in range(n):
        product[i] = 1.0
        exponent[i] = 0.0
    for c in range(d):
        for i in range(n):
            first[c, i] = y_sum[c, lo + i]
    for c in range(d * (d + 1) // 2):
        for i in range(n):
            second[c, i] = 0.0
    for j in range(n_slots):
        na = active[j]
        for i in range(na):
            e = exponential(min(max(eta[j, i], -ETA_LIMIT), ETA_LIMIT))
            q = 1.0 / (1.0 + e)
            p = e * q
            product[i] *= 1.0 + e
            t1[i] = p
            t2[i] = p * q
            first[0, i] -= p
            second[0, i] -= p * q
        for c in range(r):
            for i in range(na):
                first[c + 1, i] -= t1[i] * varying[c, j, lo + i]
                second[tri(c + 1, 0), i] -= t2[i] * varying[c, j, lo + i]
            for c2 in range(c + 1):
                place = tri(c + 1, c2 + 1)
                for i in range(na):
                    second[place, i] -= t2[i] * varying[c, j, lo + i] * varying[c2, j, lo + i]
        if j % 8 == 7:
            _split_exponents(product, exponent, n)
    for i in range(n):
        value[i] = -np.log(product[i]) - _LN2 * exponent[i]
        first[d, i] = 0.5 * (first[0, i] * first[0, i] + second[0, i])
