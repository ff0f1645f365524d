"""Rows of the imputation model of yes-or-no results, side by side, and logistic regressions on them.

Rows that no imputed cell enters are the same in every data set: equal ones are kept once with a count, and what they
give to score and information at a trial's first maximum is summed once. A later fit begins at that maximum, where only
the rows that changed have to be summed.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from equipoise.stats.kernels.compile import Cube, IntegerMatrix, Integers, Letters, Matrix, Vector, part
from equipoise.stats.kernels.linear_algebra import cholesky
from equipoise.stats.kernels.vector_math import bits_from_float, exponential, get, put

# A cell of ``cells``: 0 or 1 seen, MISSING to be imputed, NOT_DUE never.
MISSING, NOT_DUE = -1, -2
# A fit whose linear predictor passes this, or which does not settle, is taken as separated.
_PREDICTOR_SEPARATED = 12.0
_MAX_ITERATIONS = 60
# Squared length, in standard errors, of a step after which Newton has arrived: from zero, and from a maximum nearby.
# What is left after the step is of its square.
_DECREMENT = 1e-10
_CLOSE = 1e-4
_MAX_WARM = 8
# Weakly informative normal prior of Gelman and others (2008): scale 2.5 for a column of standard deviation one half.
_PRIOR_SCALE = 2.5
_PRIOR_SCALE_CONSTANT = 10.0
# How a fit goes, each the resort when the one before it fails.
NEARBY, FROM_ZERO, PENALISED = 0, 1, 2


# Sums over rows may be taken in several parts at once; in which is settled when the code is compiled.
_REDUCING = {"contract", "reassoc", "nsz"}


class People(NamedTuple):
    """The participants of one trial whose results are imputed."""

    cells: Letters  # (n, V) as seen
    z: Matrix  # (n, q) their design
    last: Integers  # (n,) the last visit seen, or -1
    first_gap: Integers  # (n,) the first visit missed that was followed by one seen, or the number of visits
    pooled: bool  # one model over all visits, or one for each


class ModelRows(NamedTuple):
    """Rows of a trial's models side by side."""

    x: Matrix  # (columns, rows) predictors
    n_results: Vector  # how many results a row stands for
    events: Vector  # how many of them were use
    row_of: IntegerMatrix  # (n, V) the row of each cell that changes
    bounds: IntegerMatrix  # (n_models, 4) begin, middle (from there on rows change), end, number of columns


class FirstFits(NamedTuple):
    """By model: the maximum under a trial's first fill, and what the rows that never change give there."""

    mode: Matrix
    factor: Cube
    score: Matrix
    information: Cube
    failed: Integers  # 1 where the prior had to hold it


@part("int64(float64[:, ::1], int8[:, ::1], int64, int64, boolean, float64[::1])")
def fill_features(z, state, i, v, pooled, row):  # type: ignore[no-untyped-def]
    """Write the predictors of cell (i, v) into ``row``, eq. (MI-2); returns how many there are.

    Each visit by itself: the columns of z; then, from the second visit, the last due result; then, from the third, the
    share of all earlier due results. Pooled over visits: z, first visit (1 or 0), last result, share, visit number / n.
    """
    q = z.shape[1]
    n_visits = state.shape[1]
    for j in range(q):
        row[j] = z[i, j]
    previous, total, n = 0.0, 0.0, 0
    for u in range(v):
        if state[i, u] >= 0:
            previous = float(state[i, u])
            total += previous
            n += 1
    share = total / n if n > 0 else 0.0
    if pooled:
        row[q] = 1.0 if v == 0 else 0.0
        row[q + 1] = previous
        if n_visits < 3:
            return q + 2
        row[q + 2] = share
        row[q + 3] = v / n_visits
        return q + 4
    if v == 0:
        return q
    row[q] = previous
    if v == 1:
        return q + 1
    row[q + 1] = share
    return q + 2


@part(
    "int64(ModelRows, int64, int64, float64[::1], float64[:, ::1], float64[::1], float64[:, ::1])",
    ModelRows,
    fastmath=_REDUCING,
)
def add_rows(rows, begin, end, beta, work, score, information):  # type: ignore[no-untyped-def]
    """Add what rows ``begin:end`` give to score and information (lower triangle) at ``beta``, one for each predictor.

    Returns how many linear predictors are beyond the bound of separation.
    """
    x, count, events, _, _ = rows
    p = beta.shape[0]
    n, stride = end - begin, x.shape[1]
    # One dimension and no slices: a slice for each pair of columns would cost a third of the sums.
    flat, room = x.reshape(x.size), work.reshape(work.size)
    weight, product = work.shape[1], 2 * work.shape[1]
    for i in range(n):
        put(room, i, 0.0)
    for j in range(p):
        b = beta[j]
        a = j * stride + begin
        for i in range(n):
            put(room, i, get(room, i) + b * get(flat, a + i))
    beyond = 0
    for i in range(n):
        eta, c = get(room, i), get(count, begin + i)
        beyond += 1 if eta * eta > _PREDICTOR_SEPARATED * _PREDICTOR_SEPARATED else 0
        mu = 1.0 / (1.0 + exponential(-eta))
        put(room, weight + i, c * mu * (1.0 - mu))
        put(room, i, get(events, begin + i) - c * mu)
    for j in range(p):
        a = j * stride + begin
        s = 0.0
        for i in range(n):
            s += get(room, i) * get(flat, a + i)
            put(room, product + i, get(room, weight + i) * get(flat, a + i))
        score[j] += s
        for k in range(j + 1):
            a = k * stride + begin
            s = 0.0
            for i in range(n):
                s += get(room, product + i) * get(flat, a + i)
            information[j, k] += s
    return beyond


@part("float64(float64[:, ::1], float64[::1], float64[::1], int64)")
def solve_step(factor, score, step, p):  # type: ignore[no-untyped-def]
    """Newton's step by the Cholesky factor; returns its squared length in standard errors."""
    decrement = 0.0
    for i in range(p):
        s = score[i]
        for k in range(i):
            s -= factor[i, k] * step[k]
        step[i] = s / factor[i, i]
        decrement += step[i] * step[i]
    for i in range(p - 1, -1, -1):
        s = step[i]
        for k in range(i + 1, p):
            s -= factor[k, i] * step[k]
        step[i] = s / factor[i, i]
    return decrement


@part("int64(ModelRows, int64, int64, FirstFits, float64[:, ::1], float64[::1], float64[:, ::1])", ModelRows, FirstFits)
def fit_rows(rows, model, how, firsts, work, beta, factor):  # type: ignore[no-untyped-def]
    """Newton's method on the rows of a model; writes the maximum and the Cholesky factor of its information.

    Returns 0 when it settled and 1 otherwise. ``how`` it goes: FROM_ZERO, with steps halved while the likelihood falls;
    PENALISED, the same with the log density of the prior added; NEARBY, from the first maximum, where what the rows
    that did not change since give is known.
    """
    x, count, events, _, bounds = rows
    begin, middle, end, p = bounds[model, 0], bounds[model, 1], bounds[model, 2], bounds[model, 3]
    start, fixed_score, fixed_information = firsts.mode[model], firsts.score[model], firsts.information[model]
    score, step, weight, trial = np.empty(p), np.empty(p), np.empty(p), np.empty(p)
    nearby = how == NEARBY
    n = 0.0
    for i in range(begin, end if how == PENALISED else begin):
        n += count[i]
    for j in range(p):
        mean, square = 0.0, 0.0
        for i in range(begin, end if how == PENALISED else begin):
            mean += count[i] * x[j, i]
            square += count[i] * x[j, i] * x[j, i]
        variance = max(square / n - (mean / n) ** 2, 0.0) if n > 0.0 else 0.0
        weight[j] = 1.0 / _PRIOR_SCALE**2 * max(4.0 * variance, 1e-2) if how == PENALISED else 0.0
        step[j] = 0.0
        beta[j] = start[j] if nearby else 0.0
    if how == PENALISED:
        weight[0] = 1.0 / _PRIOR_SCALE_CONSTANT**2
    before = np.inf if nearby else -np.inf
    shrink, halvings = 1.0, 0
    for iteration in range(_MAX_WARM if nearby else _MAX_ITERATIONS):
        is_known = nearby and iteration == 0
        value = 0.0
        for j in range(p):
            trial[j] = beta[j] + shrink * step[j]
            score[j] = fixed_score[j] if is_known else -weight[j] * trial[j]
            value -= 0.5 * weight[j] * trial[j] ** 2
            for k in range(j + 1):
                factor[j, k] = fixed_information[j, k] if is_known else 0.0
            factor[j, j] += weight[j]
        beyond = add_rows(rows, middle if is_known else begin, end, trial, work, score, factor)
        if not nearby:
            for i in range(begin, end):
                eta = 0.0
                for j in range(p):
                    eta += x[j, i] * trial[j]
                value += events[i] * eta - count[i] * (max(eta, 0.0) + np.log(1.0 + np.exp(-abs(eta))))
            if not value >= before - 1e-12 * (1.0 + abs(before)) and halvings < 20:
                shrink *= 0.5
                halvings += 1
                continue
            before = value
        shrink, halvings = 1.0, 0
        for j in range(p):
            beta[j] = trial[j]
        if (beyond > 0 and how != PENALISED) or cholesky(factor, p) >= 0:
            return 1
        decrement = solve_step(factor, score, step, p)
        if nearby:
            if not decrement < 4.0 * before:
                return 1
            before = decrement
        if decrement < (_CLOSE if nearby else _DECREMENT):
            for j in range(p):
                beta[j] += step[j]
            return 0
    return 1


@part("int64(float64[:, ::1], int64, int64, int64, int64[::1], int64)")
def find_equal_row(x, p, begin, candidate, table, mask):  # type: ignore[no-untyped-def]
    """The row from ``begin`` on whose predictors equal those of ``candidate``, noted in ``table``; itself if none."""
    key = begin * 2654435761
    for j in range(p):
        key = (key ^ bits_from_float(x[j, candidate])) * 1099511628211
        key ^= (key >> 29) & 0x7FFFFFFFF
    place = key & mask
    while True:
        row = table[place]
        if row < 0:
            table[place] = candidate
            return candidate
        if row >= begin:
            equal = True
            for j in range(p):
                if x[j, row] != x[j, candidate]:
                    equal = False
                    break
            if equal:
                return row
        place = (place + 1) & mask


@part("void(People, int8[:, ::1], ModelRows, int64[::1])", People, ModelRows)
def gather_rows(people, state, model_rows, table):  # type: ignore[no-untyped-def]
    """Lay the rows of a trial's models side by side: for each model those that never change, then the others.

    ``table`` is room for at least twice as many rows, a power of two.
    """
    cells, z, last, first_gap, pooled = people
    x, count, events, row_of, bounds = model_rows
    n, n_visits = cells.shape
    features = np.empty(z.shape[1] + 4)
    mask = table.shape[0] - 1
    for i in range(table.shape[0]):
        table[i] = -1
    rows = 0
    for model in range(bounds.shape[0]):
        first_visit, stop_visit = (0, n_visits) if pooled else (model, model + 1)
        begin, p = rows, 0
        for changing in range(2):
            if changing == 1:
                bounds[model, 1] = rows
            for v in range(first_visit, stop_visit):
                for i in range(n):
                    # What follows the last result seen says nothing of the coefficients.
                    if v > last[i] or cells[i, v] == NOT_DUE or (v >= first_gap[i]) != (changing == 1):
                        continue
                    p = fill_features(z, state, i, v, pooled, features)
                    for j in range(p):
                        x[j, rows] = features[j]
                    if changing == 1:
                        row_of[i, v] = rows
                        count[rows] = 1.0
                        events[rows] = state[i, v]
                        rows += 1
                        continue
                    row = find_equal_row(x, p, begin, rows, table, mask)
                    if row == rows:
                        count[rows], events[rows] = 0.0, 0.0
                        rows += 1
                    count[row] += 1.0
                    events[row] += state[i, v]
        if rows == begin:
            p = fill_features(z, state, 0, first_visit, pooled, features)
        bounds[model, 0], bounds[model, 2], bounds[model, 3] = begin, rows, p


@part("void(People, int8[:, ::1], ModelRows)", People, ModelRows)
def renew_rows(people, state, rows):  # type: ignore[no-untyped-def]
    """Write the histories of participants with gaps, from the first gap on, anew into the rows that they enter."""
    _, z, last, first_gap, pooled = people
    x, _, events, row_of, _ = rows
    n, q = z.shape
    n_visits = state.shape[1]
    at = q + 1 if pooled else q
    has_share = n_visits >= 3
    for i in range(n):
        if first_gap[i] == n_visits:
            continue
        previous, total, before = 0.0, 0.0, 0
        for v in range(last[i] + 1):
            if state[i, v] < 0:
                continue
            result = float(state[i, v])
            if v >= first_gap[i]:
                row = row_of[i, v]
                events[row] = result
                if pooled or v > 0:
                    x[at, row] = previous
                if has_share and (pooled or v > 1):
                    x[at + 1, row] = total / before if before > 0 else 0.0
            previous = result
            total += result
            before += 1
