"""The one kernel that maximises a binomial log likelihood: plain or penalised, free or with one coefficient held."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from equipoise.stats.kernels.compile import Cube, Flags, Integers, Matrix, Vector, kernel, part
from equipoise.stats.kernels.linear_algebra import cholesky, condition_number, invert_cholesky, solve_cholesky

# How a fit ended (column STATUS of ``quality``).
CONVERGED, SINGULAR, STOPPED, DOUBTFUL_RANK = 0, 1, 2, 3
# Columns of ``quality``.
GRADIENT, ITERATIONS, CONDITION, PREDICTOR, STATUS, SCORE_FIXED = 0, 1, 2, 3, 4, 5
N_QUALITY = 6

# Squared length of the Newton step in standard errors at which the fit is taken as done: one more step is made, so
# the coefficients end at rounding error and the covariance within 1e-9 of its value there.
_DECREMENT = 1e-18
# Along a direction of separation the decrement is about the distance to the supremum of the log likelihood.
_DECREMENT_SEPARATED = 1e-12
_PREDICTOR_SEPARATED = 25.0
_MAX_ITERATIONS = 60
# At the start the information is a quarter of the Gram matrix; a pivot (sine squared of the angle to the earlier
# columns) below this asks for an exact look at the rank.
_CLEAR_RANK = 1e-6


class BinomialRows(NamedTuple):
    """Yes-or-no results of packed trials."""

    y: Vector
    design: Matrix  # (n_rows, p)
    weights: Vector  # of length zero: all ones
    offsets: Integers  # (n_trials + 1,)
    wanted: Flags  # (n_trials,)


class BinomialMaxima(NamedTuple):
    """Where each trial's likelihood is largest."""

    beta: Matrix  # (n_trials, p), at the start where to begin
    covariance: Cube  # written only when no column is fixed
    log_lik: Vector
    quality: Matrix  # the columns named above


@part("void(float64[:, ::1], int64, float64[:, ::1], int64)")
def close_up(matrix, fixed, out, p):  # type: ignore[no-untyped-def]
    """Write the lower triangle of ``matrix`` without row and column ``fixed`` (-1: none) into ``out``."""
    a = 0
    for j in range(p):
        if j != fixed:
            c = 0
            for k in range(j + 1):
                if k != fixed:
                    out[a, c] = matrix[j, k]
                    c += 1
            a += 1


@part("void(float64[:, :, ::1], float64[:, ::1], float64[:, :, ::1], float64[:, ::1], int64)")
def add_bend_of_penalty(thirds, inverse, products, curvature, p):  # type: ignore[no-untyped-def]
    """Add half the trace of A T_j A T_k to ``curvature[j, k]``: A the inverse, T the third derivatives, eq. (FI-6).

    Of ``thirds`` the lower triangles are read; ``products`` is scratch.
    """
    for m in range(p):
        for j in range(p):
            for k in range(p):
                s = 0.0
                for q in range(p):
                    s += inverse[j, q] * (thirds[m, q, k] if q >= k else thirds[m, k, q])
                products[m, j, k] = s
    for j in range(p):
        for k in range(j + 1):
            s = 0.0
            for q in range(p):
                for r in range(p):
                    s += products[j, q, r] * products[k, r, q]
            curvature[j, k] += 0.5 * s


@kernel("void(BinomialRows, int64, boolean, BinomialMaxima, int64, int64)", BinomialRows, BinomialMaxima)
def maximise_range(rows, fixed, penalised, found, begin, end):  # type: ignore[no-untyped-def]
    """Maximise over ``beta[trial]`` from where it stands, for the ``wanted`` trials of ``begin:end``.

    Column ``fixed`` (-1: none) keeps its value. With ``penalised`` the log likelihood includes half the log
    determinant of the information over all columns, eq. (FI-1). GRADIENT is the root of score' information^-1 score
    over the free columns, so in standard errors.
    """
    y, design, weights, offsets, wanted = rows
    beta, covariance, log_lik, quality = found
    p = design.shape[1]
    weighted = weights.shape[0] > 0
    longest = 0
    for trial in range(begin, end):
        longest = max(longest, offsets[trial + 1] - offsets[trial])
    probability = np.empty(longest)
    variance = np.empty(longest)
    information = np.zeros((p, p))
    curvature = np.zeros((p, p))
    augmented = np.zeros((p, p))
    # Third derivatives of the log likelihood, for the curvature of the penalty.
    thirds = np.zeros((p, p, p) if penalised else (0, 0, 0))
    product_of = np.zeros((p, p, p) if penalised else (0, 0, 0))
    factor = np.zeros((p, p))
    inverse = np.zeros((p, p))
    score = np.empty(p)
    step = np.empty(p)
    start = np.empty(p)
    b = np.empty(p)
    for trial in range(begin, end):
        if not wanted[trial]:
            continue
        first = offsets[trial]
        n = offsets[trial + 1] - first
        for j in range(p):
            start[j] = beta[trial, j]
            step[j] = 0.0
        before = -np.inf
        shrink = 1.0
        largest = 0.0
        ll = -np.inf
        status = STOPPED
        halvings = 0
        decrement = np.nan
        score_fixed = 0.0
        iteration = 0
        while iteration < _MAX_ITERATIONS:
            iteration += 1
            for j in range(p):
                b[j] = start[j] + shrink * step[j]
                score[j] = 0.0
                for k in range(j + 1):
                    information[j, k] = 0.0
            ll = 0.0
            product = 1.0
            largest = 0.0
            for i in range(n):
                row = first + i
                eta = 0.0
                for j in range(p):
                    eta += design[row, j] * b[j]
                size = abs(eta)
                largest = max(largest, size)
                e = np.exp(-size)
                t = 1.0 / (1.0 + e)
                w = e * t * t
                mu = t if eta >= 0.0 else e * t
                r = y[row] - mu
                # eq. (LR-2): y eta - log(1 + exp(eta)), the logarithms gathered as one of a product.
                part = y[row] * eta - max(eta, 0.0)
                if weighted:
                    c = weights[row]
                    ll += c * (part - np.log(1.0 + e))
                    w *= c
                    r *= c
                else:
                    ll += part
                    product *= 1.0 + e
                    if product > 1e290:
                        ll -= np.log(product)
                        product = 1.0
                if penalised:
                    probability[i] = mu
                    variance[i] = w
                for j in range(p):
                    x = design[row, j]
                    score[j] += r * x
                    wx = w * x
                    for k in range(j + 1):
                        information[j, k] += wx * design[row, k]
            ll -= np.log(product)
            if penalised or fixed < 0:
                for j in range(p):
                    for k in range(j + 1):
                        factor[j, k] = information[j, k]
                singular = cholesky(factor, p) >= 0
                if iteration == 1 and fixed < 0:
                    doubtful = singular
                    if not singular:
                        for j in range(p):
                            if factor[j, j] * factor[j, j] < _CLEAR_RANK * information[j, j]:
                                doubtful = True
                    # The caller settles the rank, leaves this status in place, and calls again.
                    if doubtful and quality[trial, STATUS] != DOUBTFUL_RANK:
                        status = DOUBTFUL_RANK
                        break
                if singular:
                    # At the start, or uphill of it, this means separation; downhill, a step too long.
                    if before == -np.inf or (not penalised and ll >= before):
                        status = SINGULAR
                        break
                    ll = -np.inf
                elif penalised:
                    invert_cholesky(factor, inverse, p)
                    for j in range(p):
                        ll += np.log(factor[j, j])
                        for k in range(j + 1):
                            curvature[j, k] = information[j, k]
                            augmented[j, k] = information[j, k]
                            for m in range(p):
                                thirds[m, j, k] = 0.0
                    for i in range(n):
                        row = first + i
                        h = 0.0
                        for j in range(p):
                            s = 0.5 * inverse[j, j] * design[row, j]
                            for k in range(j):
                                s += inverse[j, k] * design[row, k]
                            h += s * design[row, j]
                        # eq. (FI-2): hat value times (1/2 - probability) is added to the residual.
                        adjusted = 2.0 * variance[i] * h * (0.5 - probability[i])
                        for j in range(p):
                            score[j] += adjusted * design[row, j]
                        # The row counts as h more, half of them events.
                        share = 2.0 * variance[i] * h
                        count = weights[row] if weighted and weights[row] > 0.0 else 1.0
                        extra = share * variance[i] / count
                        bend = 3.0 * extra - 0.5 * share
                        third = variance[i] * (1.0 - 2.0 * probability[i])
                        for j in range(p):
                            x = design[row, j]
                            for k in range(j + 1):
                                xx = x * design[row, k]
                                augmented[j, k] += extra * xx
                                curvature[j, k] += bend * xx
                                for m in range(p):
                                    thirds[m, j, k] += third * xx * design[row, m]
                    add_bend_of_penalty(thirds, inverse, product_of, curvature, p)
            # A step that lowers the likelihood by more than rounding is halved.
            if not ll >= before - 1e-12 * (1.0 + abs(before)):
                halvings += 1
                if halvings > 40:
                    break
                shrink *= 0.5
                continue
            halvings = 0
            shrink = 1.0
            before = ll
            # The columns to move, closed up when one is held.
            a = 0
            for j in range(p):
                start[j] = b[j]
                if j != fixed:
                    step[a] = score[j]
                    a += 1
            if fixed >= 0:
                score_fixed = score[fixed]
            if penalised:
                # eq. (FI-6) where it points uphill; elsewhere by the counts that the penalty adds, which always do.
                close_up(curvature, fixed, factor, p)
                if cholesky(factor, a) >= 0:
                    close_up(augmented, fixed, factor, p)
                    if cholesky(factor, a) >= 0:
                        status = SINGULAR
                        break
            elif fixed >= 0:
                close_up(information, fixed, factor, p)
                if cholesky(factor, a) >= 0:
                    status = SINGULAR
                    break
            solve_cholesky(factor, step, a)
            decrement = 0.0
            for j in range(p - 1, -1, -1):
                if j == fixed:
                    step[j] = 0.0
                else:
                    a -= 1
                    step[j] = step[a]
                    decrement += step[j] * score[j]
            if decrement < _DECREMENT or (
                not penalised and largest > _PREDICTOR_SEPARATED and decrement < _DECREMENT_SEPARATED
            ):
                for j in range(p):
                    start[j] += step[j]
                status = CONVERGED
                break
        if status == CONVERGED and fixed < 0:
            if penalised:
                for j in range(p):
                    for k in range(j + 1):
                        factor[j, k] = information[j, k]
                cholesky(factor, p)
            invert_cholesky(factor, inverse, p)
            quality[trial, CONDITION] = condition_number(information, inverse, p)
            for j in range(p):
                for k in range(p):
                    covariance[trial, j, k] = inverse[j, k]
        for j in range(p):
            beta[trial, j] = start[j]
        log_lik[trial] = ll
        quality[trial, GRADIENT] = np.sqrt(abs(decrement))
        quality[trial, ITERATIONS] = iteration
        quality[trial, PREDICTOR] = largest
        quality[trial, STATUS] = status
        quality[trial, SCORE_FIXED] = score_fixed
