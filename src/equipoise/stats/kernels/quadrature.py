"""Adaptive Gauss-Hermite quadrature for a random intercept: value, exact gradient and exact Hessian.

Participants lie side by side, up to ``LANES`` in a block, sorted by falling number of visits, and every loop runs
over the participants who have a j-th visit: any number of nodes, hardly any padding, and the compiler works on several
participants at once. Equations (QUAD-1) to (QUAD-9) are in ``docs/methods/logistic_mixed.md``.

Columns of the design that are constant within every participant (arm, baseline values) need no sum over visits: a
participant's contribution is computed for the *inner* design w = (1, varying columns), r + 1 long, and expanded
afterwards. ``tri(i, j) = i (i + 1) / 2 + j`` with ``j <= i`` addresses symmetric matrices.

All working numbers of a block are rows of ``LANES`` in one flat array at places known to the compiler. Only so can it
see that they do not overlap; as separate arrays each loop paid for dozens of checks and often ran one by one.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from equipoise.stats.kernels.compile import Vector, part
from equipoise.stats.kernels.vector_math import bits_from_float, exponential, float_from_bits, get, lane_part, put

LANES = 64
# Lane loops run over a multiple of this; surplus lanes hold a participant without visits.
WIDTH = 8
MAX_VARYING = 64
# A linear predictor beyond this is a step gone astray (a probability of 1e-26): the step is refused.
ETA_LIMIT = 80.0
_MANTISSA = 0x000FFFFFFFFFFFFF
_ONE_BITS = 0x3FF0000000000000
_LN2 = 0.6931471805599453

_D = MAX_VARYING + 1
_M = MAX_VARYING + 2
_TD = _D * (_D + 1) // 2
_TM = _M * (_M + 1) // 2

# Single rows
PRODUCT_0 = 0 * LANES
EXPONENT_0 = 1 * LANES
SCALE = 2 * LANES  # t = h^(-1/2)
PRODUCT = 3 * LANES
EXPONENT = 4 * LANES
FACTOR = 5 * LANES
OMEGA = 6 * LANES
NODE = 7 * LANES
G_B = 8 * LANES
T1 = 9 * LANES
T2 = 10 * LANES
T3 = 11 * LANES
LOWER = 12 * LANES
UPPER = 13 * LANES
MODE = 14 * LANES
VALUE = 15 * LANES
SUM_W = 16 * LANES  # sum omega
SUM_GB = 17 * LANES  # sum omega g_b, and z times it
SUM_GBB = 19 * LANES  # sum omega g_bb z^0, z^1, z^2
SUM_RR = 22 * LANES  # sum omega g_rho_rho
ONES = 23 * LANES
# One row for each inner parameter
Y_SUM = 24 * LANES  # sum y x_c
A_SUM = Y_SUM + _D * LANES  # sum v x_c
MODE_D = A_SUM + _D * LANES  # d mode / dq
SCALE_D = MODE_D + _M * LANES  # d t / dq
H_D = SCALE_D + _M * LANES  # d h / dq
NODE_P = H_D + _M * LANES  # sum p x_c at a node, then gamma
SUM_N0 = NODE_P + _M * LANES  # sum omega g_bq
SUM_N1 = SUM_N0 + _M * LANES  # sum omega z g_bq
SUM_M1 = SUM_N1 + _M * LANES  # sum omega gamma
FIRST = SUM_M1 + _M * LANES
# One row for each pair of inner parameters
D1 = FIRST + _M * LANES  # sum v' x x'
D2 = D1 + _TD * LANES  # sum v'' x x'
NODE_U = D2 + _TD * LANES  # sum v x x' at a node
SUM_U = NODE_U + _TD * LANES
SUM_M2 = SUM_U + _TD * LANES  # sum omega gamma gamma'
SECOND = SUM_M2 + _TM * LANES
# One row for each visit: linear predictor, then odds at the mode; after them x_c, visit by visit
ETA = SECOND + _TM * LANES


class QuadratureRule(NamedTuple):
    """A rule of Gauss-Hermite quadrature."""

    nodes: Vector
    log_weights: Vector


class Node(NamedTuple):
    """One node of the rule for one variance."""

    kappa: float  # 1 over the variance
    z: float
    log_weight: float
    stride: int  # visits that may be multiplied up before a product could overflow


@part("int64(int64, int64)", forceinline=True)
def tri(i, j):  # type: ignore[no-untyped-def]
    """Place of element (i, j) of a symmetric matrix kept as its lower triangle."""
    return i * (i + 1) // 2 + j if i >= j else j * (j + 1) // 2 + i


@lane_part("void(float64[::1], int64, int64, int64)")
def _split_exponents(w, product, exponent, n):  # type: ignore[no-untyped-def]
    """Move the powers of two out of running products before they overflow."""
    for i in range(n):
        bits = bits_from_float(get(w, product + i))
        put(w, exponent + i, get(w, exponent + i) + float((bits >> 52) - 1023))
        put(w, product + i, float_from_bits((bits & _MANTISSA) | _ONE_BITS))


@lane_part("void(float64[::1], int64, int64, int64)")
def _clear(w, first, n_rows, n):  # type: ignore[no-untyped-def]
    for c in range(n_rows):
        row = first + c * LANES
        for i in range(n):
            put(w, row + i, 0.0)


@lane_part("int64(float64[::1], int64[::1], int64, int64, float64)")
def find_modes(w, active, n_slots, n, kappa):  # type: ignore[no-untyped-def]
    """Maximise every participant's g(b) by Newton kept inside a bracket; (QUAD-2). Returns 0, or 1 if it failed.

    The score in b falls strictly, and lies between Y - n - kappa b and Y - kappa b: a certain first bracket. A Newton
    step that leaves the bracket is replaced by its middle (plain Newton cycles when the variance is large).
    """
    for i in range(n):
        put(w, UPPER + i, get(w, Y_SUM + i) / kappa)
        put(w, LOWER + i, get(w, Y_SUM + i) / kappa)
    for j in range(n_slots):
        for i in range(active[j]):
            put(w, LOWER + i, get(w, LOWER + i) - 1.0 / kappa)
    for i in range(n):
        put(w, MODE + i, min(max(get(w, MODE + i), get(w, LOWER + i)), get(w, UPPER + i)))
    for _ in range(80):
        for i in range(n):
            put(w, T1 + i, get(w, Y_SUM + i) - kappa * get(w, MODE + i))
            put(w, T2 + i, kappa)
        for j in range(n_slots):
            row = ETA + j * LANES
            for i in range(active[j]):
                e = exponential(get(w, row + i) + get(w, MODE + i))
                d = 1.0 / (1.0 + e)
                p = e * d
                put(w, T1 + i, get(w, T1 + i) - p)
                put(w, T2 + i, get(w, T2 + i) + p * d)
        for i in range(n):
            b = get(w, MODE + i)
            g = get(w, T1 + i)
            low = b if g > 0.0 else get(w, LOWER + i)
            high = get(w, UPPER + i) if g > 0.0 else b
            newton = b + g / get(w, T2 + i)
            outside = (newton < low) | (newton > high)
            moved = 0.5 * (low + high) if outside else newton
            put(w, LOWER + i, low)
            put(w, UPPER + i, high)
            put(w, MODE + i, moved)
            put(w, T3 + i, (moved - b) * (moved - b) * get(w, T2 + i))
        worst = 0.0
        for i in range(n):
            worst = max(worst, get(w, T3 + i))
        # Convergence is quadratic: a last step of 1e-4 conditional standard deviations leaves about 1e-8, and the
        # derivatives feel the square of that.
        if worst < 1e-8:
            return 0
    return 1


@lane_part("float64(float64[::1], int64[::1], int64, int64, int64, int64, float64)")
def sum_at_modes(w, active, n_slots, n, r, x_rows, kappa):  # type: ignore[no-untyped-def]
    """Sums over visits at the mode, and how mode and scale move with the parameters; (QUAD-3), (QUAD-4).

    Leaves the odds exp(eta) in the rows of ``ETA``. Returns the largest eta (large odds could overflow; small cannot).
    """
    d = r + 1
    for i in range(n):
        put(w, PRODUCT_0 + i, 1.0)
    _clear(w, EXPONENT_0, 1, n)
    _clear(w, A_SUM, d, n)
    _clear(w, D1, d * (d + 1) // 2, n)
    _clear(w, D2, d * (d + 1) // 2, n)
    largest = 0.0
    for j in range(n_slots):
        na = active[j]
        row = ETA + j * LANES
        for i in range(na):
            eta = get(w, row + i) + get(w, MODE + i)
            e = exponential(eta)
            q = 1.0 / (1.0 + e)
            p = e * q
            v = p * q
            put(w, FACTOR + i, eta)
            put(w, row + i, e)
            put(w, T1 + i, v)
            put(w, T2 + i, v * (q - p))
            put(w, T3 + i, v * (1.0 - 6.0 * v))
            put(w, PRODUCT_0 + i, get(w, PRODUCT_0 + i) * (1.0 + e))
            put(w, A_SUM + i, get(w, A_SUM + i) + v)
            put(w, D1 + i, get(w, D1 + i) + v * (q - p))
            put(w, D2 + i, get(w, D2 + i) + v * (1.0 - 6.0 * v))
        for c in range(r):
            x_c = x_rows + (c * n_slots + j) * LANES
            a_row = A_SUM + (c + 1) * LANES
            for i in range(na):
                put(w, a_row + i, get(w, a_row + i) + get(w, T1 + i) * get(w, x_c + i))
            for e in range(c + 2):
                place = tri(c + 1, e) * LANES
                x_e = x_rows + ((e - 1) * n_slots + j) * LANES if e > 0 else ONES
                for i in range(na):
                    x = get(w, x_c + i) * get(w, x_e + i)
                    put(w, D1 + place + i, get(w, D1 + place + i) + get(w, T2 + i) * x)
                    put(w, D2 + place + i, get(w, D2 + place + i) + get(w, T3 + i) * x)
        for i in range(na):
            largest = max(largest, get(w, FACTOR + i))
        if j % 8 == 7:
            _split_exponents(w, PRODUCT_0, EXPONENT_0, n)
    _split_exponents(w, PRODUCT_0, EXPONENT_0, n)
    for i in range(n):
        put(w, SCALE + i, 1.0 / np.sqrt(kappa + get(w, A_SUM + i)))
    for c in range(d + 1):
        at = c * LANES
        column = tri(c, 0) * LANES
        for i in range(n):
            t = get(w, SCALE + i)
            if c < d:
                b_c = -get(w, A_SUM + at + i) * (t * t)
                h_c = get(w, D1 + column + i) + get(w, D1 + i) * b_c
            else:
                b_c = 2.0 * kappa * get(w, MODE + i) * (t * t)
                h_c = get(w, D1 + i) * b_c - 2.0 * kappa
            put(w, MODE_D + at + i, b_c)
            put(w, H_D + at + i, h_c)
            put(w, SCALE_D + at + i, -0.5 * t * h_c * (t * t))
    return largest


@lane_part("void(float64[::1], int64[::1], int64, int64, int64, int64, Node)", Node)
def add_node(w, active, n_slots, n, r, x_rows, node):  # type: ignore[no-untyped-def]
    """Add one quadrature node to the sums of (QUAD-5); the odds at the node are exp(eta) exp(t z)."""
    kappa, z, log_weight, stride = node
    d = r + 1
    for i in range(n):
        put(w, FACTOR + i, exponential(get(w, SCALE + i) * z))
        put(w, PRODUCT + i, 1.0)
    _clear(w, EXPONENT, 1, n)
    _clear(w, NODE_P, d, n)
    _clear(w, NODE_U, d * (d + 1) // 2, n)
    until_split = stride
    for j in range(n_slots):
        na = active[j]
        row = ETA + j * LANES
        if r == 1:
            x_row = x_rows + j * LANES
            for i in range(na):
                e = get(w, row + i) * get(w, FACTOR + i)
                s = 1.0 + e
                q = 1.0 / s
                p = e * q
                v = p * q
                x = get(w, x_row + i)
                vx = v * x
                put(w, PRODUCT + i, get(w, PRODUCT + i) * s)
                put(w, NODE_P + i, get(w, NODE_P + i) + p)
                put(w, NODE_U + i, get(w, NODE_U + i) + v)
                put(w, NODE_P + LANES + i, get(w, NODE_P + LANES + i) + p * x)
                put(w, NODE_U + LANES + i, get(w, NODE_U + LANES + i) + vx)
                put(w, NODE_U + 2 * LANES + i, get(w, NODE_U + 2 * LANES + i) + vx * x)
        else:
            for i in range(na):
                e = get(w, row + i) * get(w, FACTOR + i)
                s = 1.0 + e
                q = 1.0 / s
                p = e * q
                v = p * q
                put(w, PRODUCT + i, get(w, PRODUCT + i) * s)
                put(w, T1 + i, p)
                put(w, T2 + i, v)
                put(w, NODE_P + i, get(w, NODE_P + i) + p)
                put(w, NODE_U + i, get(w, NODE_U + i) + v)
            for c in range(r):
                x_c = x_rows + (c * n_slots + j) * LANES
                p_row = NODE_P + (c + 1) * LANES
                u_row = NODE_U + tri(c + 1, 0) * LANES
                for i in range(na):
                    x = get(w, x_c + i)
                    vx = get(w, T2 + i) * x
                    put(w, T3 + i, vx)
                    put(w, p_row + i, get(w, p_row + i) + get(w, T1 + i) * x)
                    put(w, u_row + i, get(w, u_row + i) + vx)
                for e in range(c + 1):
                    place = NODE_U + tri(c + 1, e + 1) * LANES
                    x_e = x_rows + (e * n_slots + j) * LANES
                    for i in range(na):
                        put(w, place + i, get(w, place + i) + get(w, T3 + i) * get(w, x_e + i))
        until_split -= 1
        if until_split == 0:
            _split_exponents(w, PRODUCT, EXPONENT, n)
            until_split = stride
    # omega = weight times exp(g(b) - g(mode)); the products stand for the sums of log(1 + odds).
    for i in range(n):
        mode = get(w, MODE + i)
        shift = get(w, SCALE + i) * z
        b = mode + shift
        linear = get(w, Y_SUM + i) * shift - 0.5 * kappa * shift * (b + mode)
        linear += log_weight + _LN2 * (get(w, EXPONENT_0 + i) - get(w, EXPONENT + i))
        omega = exponential(linear) * (get(w, PRODUCT_0 + i) / get(w, PRODUCT + i))
        g_b = get(w, Y_SUM + i) - get(w, NODE_P + i) - b * kappa
        g_bb = -omega * (get(w, NODE_U + i) + kappa)
        put(w, OMEGA + i, omega)
        put(w, NODE + i, b)
        put(w, G_B + i, g_b)
        put(w, SUM_W + i, get(w, SUM_W + i) + omega)
        put(w, SUM_GB + i, get(w, SUM_GB + i) + omega * g_b)
        put(w, SUM_GB + LANES + i, get(w, SUM_GB + LANES + i) + omega * g_b * z)
        put(w, SUM_GBB + i, get(w, SUM_GBB + i) + g_bb)
        put(w, SUM_GBB + LANES + i, get(w, SUM_GBB + LANES + i) + g_bb * z)
        put(w, SUM_GBB + 2 * LANES + i, get(w, SUM_GBB + 2 * LANES + i) + g_bb * (z * z))
        put(w, SUM_RR + i, get(w, SUM_RR + i) - 2.0 * kappa * omega * b * b)
    # gamma_q, the total derivative of g at the moving node, takes the place of sum p x_c.
    for c in range(d):
        at = c * LANES
        u_row = NODE_U + tri(c, 0) * LANES
        for i in range(n):
            omega = get(w, OMEGA + i)
            move = get(w, MODE_D + at + i) + z * get(w, SCALE_D + at + i)
            gamma = get(w, Y_SUM + at + i) - get(w, NODE_P + at + i) + get(w, G_B + i) * move
            cross = omega * get(w, u_row + i)
            put(w, NODE_P + at + i, gamma)
            put(w, SUM_M1 + at + i, get(w, SUM_M1 + at + i) + omega * gamma)
            put(w, SUM_N0 + at + i, get(w, SUM_N0 + at + i) - cross)
            put(w, SUM_N1 + at + i, get(w, SUM_N1 + at + i) - cross * z)
    at = d * LANES
    for i in range(n):
        omega = get(w, OMEGA + i)
        b = get(w, NODE + i)
        move = get(w, MODE_D + at + i) + z * get(w, SCALE_D + at + i)
        gamma = b * b * kappa - 1.0 + get(w, G_B + i) * move
        cross = 2.0 * kappa * omega * b
        put(w, NODE_P + at + i, gamma)
        put(w, SUM_M1 + at + i, get(w, SUM_M1 + at + i) + omega * gamma)
        put(w, SUM_N0 + at + i, get(w, SUM_N0 + at + i) + cross)
        put(w, SUM_N1 + at + i, get(w, SUM_N1 + at + i) + cross * z)
    for a in range(d + 1):
        for c in range(a + 1):
            at = tri(a, c) * LANES
            g_a = NODE_P + a * LANES
            g_c = NODE_P + c * LANES
            for i in range(n):
                add = get(w, OMEGA + i) * get(w, g_a + i) * get(w, g_c + i)
                put(w, SUM_M2 + at + i, get(w, SUM_M2 + at + i) + add)
                if a < d:
                    put(w, SUM_U + at + i, get(w, SUM_U + at + i) + get(w, OMEGA + i) * get(w, NODE_U + at + i))


@lane_part("void(float64[::1], int64, int64, float64)")
def finish_derivatives(w, n, r, kappa):  # type: ignore[no-untyped-def]
    """First and second derivatives of each participant's log-likelihood from the sums; (QUAD-7), (QUAD-8)."""
    d = r + 1
    m = r + 2
    for i in range(n):
        put(w, OMEGA + i, 1.0 / get(w, SUM_W + i))
    for a in range(m):
        at = a * LANES
        for i in range(n):
            t = get(w, SCALE + i)
            mean = get(w, SUM_M1 + at + i) * get(w, OMEGA + i)
            put(w, SUM_M1 + at + i, mean)
            put(w, FIRST + at + i, mean - 0.5 * get(w, H_D + at + i) * (t * t))
    for a in range(m):
        for c in range(a + 1):
            ra = a * LANES
            rc = c * LANES
            pair = tri(a, c) * LANES
            a0 = D1 + tri(a, 0) * LANES
            c0 = D1 + tri(c, 0) * LANES
            # (QUAD-8a): what the implicit equation of the mode, and h, give for this pair
            for i in range(n):
                b_a = get(w, MODE_D + ra + i)
                b_c = get(w, MODE_D + rc + i)
                if a < d:
                    mode_term = -get(w, a0 + i) * b_c - get(w, c0 + i) * b_a - get(w, D1 + pair + i)
                    h_term = get(w, D2 + pair + i) + get(w, a0 + (D2 - D1) + i) * b_c
                    h_term += get(w, c0 + (D2 - D1) + i) * b_a
                    inner = -get(w, SUM_U + pair + i)
                elif c < d:
                    mode_term = 2.0 * kappa * b_c - get(w, c0 + i) * b_a
                    h_term = get(w, c0 + (D2 - D1) + i) * b_a
                    inner = 0.0
                else:
                    mode_term = 4.0 * kappa * (b_a - get(w, MODE + i))
                    h_term = 4.0 * kappa
                    inner = get(w, SUM_RR + i)
                put(w, T1 + i, mode_term)
                put(w, T2 + i, h_term)
                put(w, T3 + i, inner)
            for i in range(n):
                t = get(w, SCALE + i)
                inv = t * t
                b_a = get(w, MODE_D + ra + i)
                b_c = get(w, MODE_D + rc + i)
                t_a = get(w, SCALE_D + ra + i)
                t_c = get(w, SCALE_D + rc + i)
                h_a = get(w, H_D + ra + i)
                h_c = get(w, H_D + rc + i)
                b_ac = (get(w, T1 + i) - get(w, D1 + i) * b_a * b_c) * inv
                h_ac = get(w, T2 + i) + get(w, D2 + i) * b_a * b_c + get(w, D1 + i) * b_ac
                t_ac = -0.5 * t * h_ac * inv + 0.75 * t * h_a * h_c * inv * inv
                total = get(w, T3 + i) + get(w, SUM_M2 + pair + i)
                total += get(w, SUM_N0 + ra + i) * b_c + get(w, SUM_N0 + rc + i) * b_a
                total += get(w, SUM_N1 + ra + i) * t_c + get(w, SUM_N1 + rc + i) * t_a
                total += get(w, SUM_GBB + i) * b_a * b_c
                total += get(w, SUM_GBB + LANES + i) * (b_a * t_c + t_a * b_c)
                total += get(w, SUM_GBB + 2 * LANES + i) * t_a * t_c
                total += get(w, SUM_GB + i) * b_ac + get(w, SUM_GB + LANES + i) * t_ac
                answer = total * get(w, OMEGA + i) - get(w, SUM_M1 + ra + i) * get(w, SUM_M1 + rc + i)
                put(w, SECOND + pair + i, answer - 0.5 * (h_ac * inv - h_a * h_c * inv * inv))


@lane_part("int64(float64[::1], int64[::1], int64, int64, int64, float64, QuadratureRule)", QuadratureRule)
def evaluate_block(w, active, n_slots, n, r, sigma, rule):  # type: ignore[no-untyped-def]
    """Log-likelihoods of a block's ``n`` lanes with derivatives in (beta_w, log sigma).

    Takes the fixed linear predictor (rows of ``ETA``), ``Y_SUM``, starting modes and the varying columns (rows
    after those); leaves ``VALUE``, ``FIRST``, ``SECOND`` and the modes. The part of the log-likelihood that is
    linear in the fixed predictor is the caller's. Returns 0, or 1 when the point must be refused.
    """
    nodes, log_weights = rule
    x_rows = ETA + n_slots * LANES
    kappa = 1.0 / (sigma * sigma)
    if find_modes(w, active, n_slots, n, kappa) != 0:
        return 1
    largest = sum_at_modes(w, active, n_slots, n, r, x_rows, kappa)
    if not largest < ETA_LIMIT:
        return 1
    widest = 0.0
    for i in range(n):
        widest = max(widest, get(w, SCALE + i))
    reach = largest + widest * max(abs(nodes[0]), abs(nodes[-1]))
    if not (reach < 680.0):
        return 1
    _clear(w, SUM_W, 7, n)
    for c in range(r + 2):
        _clear(w, SUM_N0 + c * LANES, 1, n)
        _clear(w, SUM_N1 + c * LANES, 1, n)
        _clear(w, SUM_M1 + c * LANES, 1, n)
    _clear(w, SUM_U, (r + 1) * (r + 2) // 2, n)
    _clear(w, SUM_M2, (r + 2) * (r + 3) // 2, n)
    # Visits that may be multiplied up before a product could pass 1e300.
    stride = max(1, int(690.0 / (reach + 0.7)))
    for k in range(nodes.shape[0]):
        add_node(w, active, n_slots, n, r, x_rows, Node(kappa, nodes[k], log_weights[k], stride))
    # (QUAD-6)
    for i in range(n):
        mode = get(w, MODE + i)
        linear = mode * (get(w, Y_SUM + i) - 0.5 * kappa * mode) - _LN2 * get(w, EXPONENT_0 + i)
        inside = get(w, SUM_W + i) * get(w, SCALE + i) / (sigma * get(w, PRODUCT_0 + i))
        put(w, VALUE + i, linear + np.log(inside))
    finish_derivatives(w, n, r, kappa)
    return 0


@lane_part("void(float64[::1], int64[::1], int64, int64, int64, int64)")
def evaluate_pooled_block(w, active, n_slots, n, r, x_rows):  # type: ignore[no-untyped-def]
    """The same for the logistic model without a random intercept: variance exactly zero; (QUAD-9).

    Row ``r + 1`` of ``FIRST`` receives the derivative of the log-likelihood in sigma squared at zero.
    """
    d = r + 1
    for i in range(n):
        put(w, PRODUCT_0 + i, 1.0)
    _clear(w, EXPONENT_0, 1, n)
    for c in range(d):
        at = c * LANES
        for i in range(n):
            put(w, FIRST + at + i, get(w, Y_SUM + at + i))
    _clear(w, SECOND, d * (d + 1) // 2, n)
    for j in range(n_slots):
        na = active[j]
        row = ETA + j * LANES
        for i in range(na):
            e = exponential(min(get(w, row + i), ETA_LIMIT))
            s = 1.0 + e
            q = 1.0 / s
            p = e * q
            put(w, PRODUCT_0 + i, get(w, PRODUCT_0 + i) * s)
            put(w, T1 + i, p)
            put(w, T2 + i, p * q)
            put(w, FIRST + i, get(w, FIRST + i) - p)
            put(w, SECOND + i, get(w, SECOND + i) - p * q)
        for c in range(r):
            x_c = x_rows + (c * n_slots + j) * LANES
            f_row = FIRST + (c + 1) * LANES
            for i in range(na):
                put(w, f_row + i, get(w, f_row + i) - get(w, T1 + i) * get(w, x_c + i))
            for e in range(c + 2):
                place = SECOND + tri(c + 1, e) * LANES
                x_e = x_rows + ((e - 1) * n_slots + j) * LANES if e > 0 else ONES
                for i in range(na):
                    x = get(w, x_c + i) * get(w, x_e + i)
                    put(w, place + i, get(w, place + i) - get(w, T2 + i) * x)
        if j % 8 == 7:
            _split_exponents(w, PRODUCT_0, EXPONENT_0, n)
    variance = FIRST + d * LANES
    for i in range(n):
        put(w, VALUE + i, -np.log(get(w, PRODUCT_0 + i)) - _LN2 * get(w, EXPONENT_0 + i))
        score = get(w, FIRST + i)
        put(w, variance + i, 0.5 * (score * score + get(w, SECOND + i)))
