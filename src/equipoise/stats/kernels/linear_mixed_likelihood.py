"""Likelihood of the linear mixed model and its derivatives, on each participant's cross-products.

With Z of one or two columns, everything the (restricted) likelihood and its first two derivatives need is a 1 x 1 or
2 x 2 matrix for each participant, so rows are read once. Equations (LMM-1) to (LMM-8) are in
``docs/methods/linear_mixed.md``.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from equipoise.stats.kernels.compile import Cube, Matrix, Vector, part
from equipoise.stats.kernels.linear_algebra import cholesky, invert_cholesky, log_determinant_cholesky, solve_cholesky


class Products(NamedTuple):
    """Cross-products, (LMM-2): of each participant who was seen, and of the trial."""

    zz: Cube  # (n, 2, 2)
    zx: Cube  # (n, 2, p)
    zy: Matrix  # (n, 2)
    xx: Matrix  # (p, p)
    xy: Vector
    yy: float
    n_rows: int


class Pieces(NamedTuple):
    """The profiled likelihood and what its derivatives are made of; k runs over (11) or (11, 21, 22) of Lambda."""

    value: Vector  # log-likelihood, residual sum of squares, nu
    a_and_u: Matrix  # tr(P V_k) and y'P V_k P y
    big_t: Matrix  # tr(P V_k P V_l)
    big_u: Matrix  # y'P V_k P V_l P y
    delta: Vector  # coefficients
    big_n: Cube  # X'W^-1 V_k W^-1 X
    zwx: Cube
    c_matrix: Matrix  # (X'W^-1 X)^-1
    factor: Matrix


class Derivatives(NamedTuple):
    """Of the likelihood in theta = vech(L)."""

    gradient: Vector
    hessian: Matrix
    jacobian: Matrix  # d Lambda_k / d theta_t


@part("int64(float64[::1], int64, boolean, Products, Pieces, float64[::1])", Products, Pieces)
def evaluate(theta, q, reml, products, pieces, lane):  # type: ignore[no-untyped-def]
    """Fill ``pieces`` at the relative Cholesky factor ``theta``, (l11) or (l11, l21, l22) of Lambda = L L'.

    ``lane`` is room for three numbers a participant. Returns 1 if X'W^-1 X is singular.
    """
    zz, zx, zy, xx, xy, yy, n_rows = products
    value, a_and_u, big_t, big_u, delta, big_n, zwx, c_matrix, factor = pieces
    p, n_lanes = xy.shape[0], zy.shape[0]
    n_k = 1 if q == 1 else 3
    l11 = theta[0]
    l21 = theta[1] if q == 2 else 0.0
    l22 = theta[2] if q == 2 else 0.0
    for a in range(p):
        delta[a] = xy[a]
        for c in range(a + 1):
            factor[a, c] = xx[a, c]
    rss = yy
    log_det = 0.0
    # First pass: (LMM-3), K = L (I + L'Z'Z L)^-1 L'; lane keeps K.
    for i in range(n_lanes):
        z11 = zz[i, 0, 0]
        z21 = zz[i, 1, 0]
        z22 = zz[i, 1, 1]
        # M = I + L' ZZ L
        t1 = z11 * l11 + z21 * l21
        t2 = z21 * l11 + z22 * l21
        m11 = 1.0 + l11 * t1 + l21 * t2
        m21 = l22 * t2
        m22 = 1.0 + l22 * l22 * z22
        det = m11 * m22 - m21 * m21
        log_det += np.log(det)
        i11 = m22 / det
        i21 = -m21 / det
        i22 = m11 / det
        # K = L M^-1 L'
        g1 = l11 * i11
        g2 = l11 * i21
        k11 = g1 * l11
        k21 = g1 * l21 + g2 * l22
        k22 = l21 * (l21 * i11 + l22 * i21) + l22 * (l21 * i21 + l22 * i22)
        lane[3 * i] = k11
        lane[3 * i + 1] = k21
        lane[3 * i + 2] = k22
        y1 = zy[i, 0]
        y2 = zy[i, 1]
        ky1 = k11 * y1 + k21 * y2
        ky2 = k21 * y1 + k22 * y2
        rss -= y1 * ky1 + y2 * ky2
        for a in range(p):
            x1 = zx[i, 0, a]
            x2 = zx[i, 1, a]
            delta[a] -= x1 * ky1 + x2 * ky2
            kx1 = k11 * x1 + k21 * x2
            kx2 = k21 * x1 + k22 * x2
            for c in range(a + 1):
                factor[a, c] -= kx1 * zx[i, 0, c] + kx2 * zx[i, 1, c]
    if cholesky(factor, p) >= 0:
        return 1
    for a in range(p):
        a_and_u[2, a] = delta[a]
    solve_cholesky(factor, delta, p)
    for a in range(p):
        rss -= delta[a] * a_and_u[2, a]
    if not rss > 0.0:
        return 1
    invert_cholesky(factor, c_matrix, p)
    nu = float(n_rows - p) if reml else float(n_rows)
    if reml:
        log_det += log_determinant_cholesky(factor, p)
    value[0] = -0.5 * (log_det + nu * (1.0 + np.log(2.0 * np.pi * rss / nu)))
    value[1] = rss
    value[2] = nu

    # Second pass: (LMM-5) to (LMM-7).
    for k in range(n_k):
        a_and_u[0, k] = 0.0
        a_and_u[1, k] = 0.0
        for a in range(p):
            big_n[3, k, a] = 0.0
            for c in range(a + 1):
                big_n[k, a, c] = 0.0
        for j in range(n_k):
            big_t[k, j] = 0.0
            big_u[k, j] = 0.0
    for i in range(n_lanes):
        z11 = zz[i, 0, 0]
        z21 = zz[i, 1, 0]
        z22 = zz[i, 1, 1]
        k11 = lane[3 * i]
        k21 = lane[3 * i + 1]
        k22 = lane[3 * i + 2]
        # G = I - ZZ K; R = Z'W^-1 Z = G ZZ; Q = G ZX; s = G Zy - Q delta
        g11 = 1.0 - z11 * k11 - z21 * k21
        g12 = -z11 * k21 - z21 * k22
        g21 = -z21 * k11 - z22 * k21
        g22 = 1.0 - z21 * k21 - z22 * k22
        r11 = g11 * z11 + g12 * z21
        r21 = g21 * z11 + g22 * z21
        r22 = g21 * z21 + g22 * z22
        s1 = g11 * zy[i, 0] + g12 * zy[i, 1]
        s2 = g21 * zy[i, 0] + g22 * zy[i, 1]
        for a in range(p):
            w1 = g11 * zx[i, 0, a] + g12 * zx[i, 1, a]
            w2 = g21 * zx[i, 0, a] + g22 * zx[i, 1, a]
            zwx[0, 0, a] = w1
            zwx[0, 1, a] = w2
            s1 -= w1 * delta[a]
            s2 -= w2 * delta[a]
        # B = Q C Q'
        b11 = 0.0
        b21 = 0.0
        b22 = 0.0
        for a in range(p):
            e1 = 0.0
            e2 = 0.0
            for c in range(p):
                e1 += c_matrix[a, c] * zwx[0, 0, c]
                e2 += c_matrix[a, c] * zwx[0, 1, c]
            b11 += zwx[0, 0, a] * e1
            b21 += zwx[0, 1, a] * e1
            b22 += zwx[0, 1, a] * e2
        if not reml:
            b11 = 0.0
            b21 = 0.0
            b22 = 0.0
        # tr(P V_k) = tr(R E_k) - tr(B E_k); tr(R E_k R E_l) - 2 tr(B E_k R E_l); s'E_k R E_l s
        a_and_u[0, 0] += r11 - b11
        a_and_u[1, 0] += s1 * s1
        big_t[0, 0] += r11 * r11 - 2.0 * b11 * r11
        big_u[0, 0] += s1 * r11 * s1
        if q == 2:
            a_and_u[0, 1] += 2.0 * (r21 - b21)
            a_and_u[0, 2] += r22 - b22
            a_and_u[1, 1] += 2.0 * s1 * s2
            a_and_u[1, 2] += s2 * s2
            big_t[1, 0] += 2.0 * (r11 * r21) - 2.0 * (b11 * r21 + b21 * r11)
            big_t[1, 1] += 2.0 * (r21 * r21 + r11 * r22) - 2.0 * (2.0 * b21 * r21 + b11 * r22 + b22 * r11)
            big_t[2, 0] += r21 * r21 - 2.0 * b21 * r21
            big_t[2, 1] += 2.0 * r21 * r22 - 2.0 * (b21 * r22 + b22 * r21)
            big_t[2, 2] += r22 * r22 - 2.0 * b22 * r22
            # E_21 s = (s2, s1)
            rs1 = r11 * s1
            rs2 = r21 * s1
            big_u[1, 0] += s2 * rs1 + s1 * rs2
            big_u[2, 0] += s2 * rs2
            rt1 = r11 * s2 + r21 * s1
            rt2 = r21 * s2 + r22 * s1
            big_u[1, 1] += s2 * rt1 + s1 * rt2
            big_u[2, 1] += s2 * rt2
            big_u[2, 2] += s2 * r22 * s2
        for a in range(p):
            w1 = zwx[0, 0, a]
            w2 = zwx[0, 1, a]
            big_n[3, 0, a] += w1 * s1
            for c in range(a + 1):
                big_n[0, a, c] += w1 * zwx[0, 0, c]
            if q == 2:
                big_n[3, 1, a] += w1 * s2 + w2 * s1
                big_n[3, 2, a] += w2 * s2
                for c in range(a + 1):
                    big_n[1, a, c] += w1 * zwx[0, 1, c] + w2 * zwx[0, 0, c]
                    big_n[2, a, c] += w2 * zwx[0, 1, c]
    for k in range(n_k):
        for a in range(p):
            for c in range(a):
                big_n[k, c, a] = big_n[k, a, c]
    # Terms that couple participants through the fixed effects: tr(C N_k C N_l) and h_k' C h_l.
    for k in range(n_k):
        for a in range(p):
            for c in range(p):
                s = 0.0
                for e in range(p):
                    s += c_matrix[a, e] * big_n[k, e, c]
                zwx[k, a, c] = s
    for k in range(n_k):
        for j in range(k + 1):
            if reml:
                s = 0.0
                for a in range(p):
                    for c in range(p):
                        s += zwx[k, a, c] * zwx[j, c, a]
                big_t[k, j] += s
            s = 0.0
            for a in range(p):
                e1 = 0.0
                for c in range(p):
                    e1 += c_matrix[a, c] * big_n[3, j, c]
                s += big_n[3, k, a] * e1
            big_u[k, j] -= s
            big_t[j, k] = big_t[k, j]
            big_u[j, k] = big_u[k, j]
    return 0


@part("void(float64[::1], int64, float64, boolean, Pieces, Derivatives)", Pieces, Derivatives)
def differentiate(theta, q, rss_scale, profiled, pieces, derivatives):  # type: ignore[no-untyped-def]
    """Gradient and Hessian, the scale profiled out or, after theta, as log sigma squared; (LMM-8).

    ``rss_scale`` is nu / rss where profiled, else 1 / sigma squared.
    """
    a_and_u, big_t, big_u, nu = pieces.a_and_u, pieces.big_t, pieces.big_u, pieces.value[2]
    gradient, hessian, jacobian = derivatives
    n_k = 1 if q == 1 else 3
    for k in range(3):
        for j in range(3):
            jacobian[k, j] = 0.0
    jacobian[0, 0] = 2.0 * theta[0]
    if q == 2:
        jacobian[1, 0] = theta[1]
        jacobian[1, 1] = theta[0]
        jacobian[2, 1] = 2.0 * theta[1]
        jacobian[2, 2] = 2.0 * theta[2]
    e = rss_scale
    for j in range(n_k):
        s = 0.0
        for k in range(n_k):
            s -= 0.5 * (a_and_u[0, k] - a_and_u[1, k] * e) * jacobian[k, j]
        gradient[j] = s
    for j in range(n_k):
        for i in range(j + 1):
            s = 0.0
            for k in range(n_k):
                for l in range(n_k):  # noqa: E741
                    f = big_t[k, l] - 2.0 * big_u[k, l] * e
                    if profiled:
                        f += a_and_u[1, k] * a_and_u[1, l] * e * e / nu
                    s += 0.5 * f * jacobian[k, j] * jacobian[l, i]
            hessian[j, i] = s
    hessian[0, 0] -= a_and_u[0, 0] - a_and_u[1, 0] * e
    if q == 2:
        hessian[1, 0] -= 0.5 * (a_and_u[0, 1] - a_and_u[1, 1] * e)
        hessian[1, 1] -= a_and_u[0, 2] - a_and_u[1, 2] * e
        hessian[2, 2] -= a_and_u[0, 2] - a_and_u[1, 2] * e
    if not profiled:
        for j in range(n_k):
            s = 0.0
            for k in range(n_k):
                s -= 0.5 * a_and_u[1, k] * e * jacobian[k, j]
            hessian[n_k, j] = s
        hessian[n_k, n_k] = -0.5 * nu
        gradient[n_k] = 0.0
