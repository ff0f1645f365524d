"""Data augmentation for repeated yes-or-no results: coefficients given cells, cells given coefficients, in turn."""

from __future__ import annotations

import numpy as np

from equipoise.stats._small_linalg import cholesky, kernel

# A cell of ``cells``: 0 or 1 seen, MISSING to be imputed, NOT_DUE never.
MISSING, NOT_DUE = -1, -2
# A fit whose linear predictor passes this, or which does not settle, is taken as separated.
_PREDICTOR_SEPARATED = 12.0
_MAX_ITERATIONS = 30
_DECREMENT = 1e-10
# Weakly informative normal prior of Gelman and others (2008): scale 2.5 for a column of standard deviation one half.
_PRIOR_SCALE = 2.5
_PRIOR_SCALE_CONSTANT = 10.0


@kernel("int64(float64[:, ::1], int8[:, ::1], int64, int64, boolean, float64[::1])")
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


@kernel("int64(float64[:, ::1], float64[::1], int64, int64, boolean, float64[::1], float64[:, ::1])")
def fit_logistic_rows(x, y, n, p, penalised, beta, factor):  # type: ignore[no-untyped-def]
    """Newton's method on rows ``x[:n, :p]``; writes the maximum and the Cholesky factor of its information.

    Returns 0 when it settled and 1 otherwise. With ``penalised`` the log density of the prior is added.
    """
    score = np.zeros(p)
    step = np.zeros(p)
    weight = np.zeros(p)
    trial = np.zeros(p)
    if penalised:
        for j in range(p):
            mean, square = 0.0, 0.0
            for i in range(n):
                mean += x[i, j]
                square += x[i, j] * x[i, j]
            variance = max(square / n - (mean / n) ** 2, 0.0) if n > 0 else 0.0
            weight[j] = 1.0 / _PRIOR_SCALE**2 * max(4.0 * variance, 1e-2)
        weight[0] = 1.0 / _PRIOR_SCALE_CONSTANT**2
    for j in range(p):
        beta[j] = 0.0
    before = -np.inf
    for _ in range(_MAX_ITERATIONS):
        shrink = 1.0
        largest = 0.0
        value = 0.0
        for _ in range(20):
            value = 0.0
            largest = 0.0
            for j in range(p):
                trial[j] = beta[j] + shrink * step[j]
                score[j] = -weight[j] * trial[j]
                value -= 0.5 * weight[j] * trial[j] ** 2
                for k in range(j + 1):
                    factor[j, k] = 0.0
                factor[j, j] = weight[j]
            for i in range(n):
                eta = 0.0
                for j in range(p):
                    eta += x[i, j] * trial[j]
                size = abs(eta)
                largest = max(largest, size)
                e = np.exp(-size)
                t = 1.0 / (1.0 + e)
                mu = t if eta >= 0.0 else e * t
                w = e * t * t
                value += y[i] * eta - max(eta, 0.0) - np.log(1.0 + e)
                residual = y[i] - mu
                for j in range(p):
                    score[j] += residual * x[i, j]
                    wx = w * x[i, j]
                    for k in range(j + 1):
                        factor[j, k] += wx * x[i, k]
            if value >= before - 1e-12 * (1.0 + abs(before)):
                break
            shrink *= 0.5
        before = value
        for j in range(p):
            beta[j] = trial[j]
        if largest > _PREDICTOR_SEPARATED and not penalised:
            return 1
        if cholesky(factor, p) >= 0:
            return 1
        # The step: two triangular solutions in place.
        for i in range(p):
            s = score[i]
            for k in range(i):
                s -= factor[i, k] * step[k]
            step[i] = s / factor[i, i]
        decrement = 0.0
        for i in range(p):
            decrement += step[i] * step[i]
        for i in range(p - 1, -1, -1):
            s = step[i]
            for k in range(i + 1, p):
                s -= factor[k, i] * step[k]
            step[i] = s / factor[i, i]
        if decrement < _DECREMENT:
            return 0
    return 1


@kernel("float64(float64[::1], float64[:, ::1], int64, int64)")
def _predict(row, beta, model, p):  # type: ignore[no-untyped-def]
    eta = 0.0
    for j in range(p):
        eta += row[j] * beta[model, j]
    return eta


@kernel("float64(int64, float64)")
def _log_density(y, eta):  # type: ignore[no-untyped-def]
    return y * eta - max(eta, 0.0) - np.log(1.0 + np.exp(-abs(eta)))


@kernel(
    "void(int64, int64, int8[:, ::1], float64[:, ::1], boolean, float64[::1], int64[::1], int64[::1],"
    " float64[:, :, :, ::1], float64[:, :, ::1], int8[:, :, ::1], int64[::1], float64[:, :, ::1])"
)
def impute_range(  # type: ignore[no-untyped-def]
    begin, end, cells, z, pooled, delta, row_of, visit_of, normals, uniforms, out, n_penalised, drawn
):
    """Impute data sets ``begin:end``; each is a chain of its own of ``normals.shape[1]`` sweeps.

    ``row_of`` and ``visit_of`` name the missing cells, by participant and then by visit; ``normals`` (M, sweeps,
    n_models, p) draw the coefficients, ``uniforms`` (M, sweeps, n_missing) the cells. ``delta`` (n,) is added to the
    log odds of imputed cells in the last sweep only. ``drawn`` (M, n_models, p) gets the last coefficients.
    """
    n, n_visits = cells.shape
    q = z.shape[1]
    width = q + 4
    n_sweeps = normals.shape[1]
    n_models = normals.shape[2]
    n_missing = row_of.shape[0]
    last = np.full(n, -1)
    for i in range(n):
        for v in range(n_visits):
            if cells[i, v] >= 0:
                last[i] = v
    x = np.zeros((n * n_visits if pooled else n, width))
    y = np.zeros(x.shape[0])
    row = np.zeros(width)
    mode = np.zeros(width)
    factor = np.zeros((width, width))
    beta = np.zeros((n_models, width))
    sizes = np.zeros(n_models, dtype=np.int64)
    state = np.zeros((n, n_visits), dtype=np.int8)
    for m in range(begin, end):
        # Gaps begin with the result before them (after them where there is none); the chain forgets it.
        for i in range(n):
            known = 0
            for v in range(n_visits):
                if cells[i, v] >= 0:
                    known = cells[i, v]
                    break
            for v in range(n_visits):
                state[i, v] = cells[i, v]
                if cells[i, v] >= 0:
                    known = cells[i, v]
                elif cells[i, v] == MISSING:
                    state[i, v] = known
        for sweep in range(n_sweeps):
            final = sweep == n_sweeps - 1
            for model in range(n_models):
                rows, p = 0, 0
                first_visit, stop_visit = (0, n_visits) if pooled else (model, model + 1)
                for v in range(first_visit, stop_visit):
                    for i in range(n):
                        # What follows the last result seen says nothing of the coefficients.
                        if v > last[i] or cells[i, v] == NOT_DUE:
                            continue
                        p = fill_features(z, state, i, v, pooled, row)
                        for j in range(p):
                            x[rows, j] = row[j]
                        y[rows] = state[i, v]
                        rows += 1
                if rows == 0:
                    p = fill_features(z, state, 0, first_visit, pooled, row)
                sizes[model] = p
                failed = rows == 0 or fit_logistic_rows(x, y, rows, p, False, mode, factor) != 0
                if failed:
                    fit_logistic_rows(x, y, rows, p, True, mode, factor)
                    n_penalised[m] += 1
                # mode + L^-T normal has the inverse information as its covariance.
                for i in range(p - 1, -1, -1):
                    s = normals[m, sweep, model, i]
                    for k in range(i + 1, p):
                        s -= factor[k, i] * beta[model, k]
                    beta[model, i] = s / factor[i, i]
                for j in range(p):
                    beta[model, j] += mode[j]
            for c in range(n_missing):
                i, v = row_of[c], visit_of[c]
                trailing = v > last[i]
                if trailing and not final:
                    continue
                model = 0 if pooled else v
                shift = delta[i] if final else 0.0
                p = fill_features(z, state, i, v, pooled, row)
                eta = _predict(row, beta, model, p) + shift
                if not trailing:
                    # The results seen later speak too: compare them under both values, eq. (MI-4).
                    for value in range(2):
                        state[i, v] = value
                        total = 0.0
                        for u in range(v + 1, last[i] + 1):
                            if cells[i, u] == NOT_DUE:
                                continue
                            other = 0 if pooled else u
                            p = fill_features(z, state, i, u, pooled, row)
                            total += _log_density(state[i, u], _predict(row, beta, other, p))
                        eta += total if value == 1 else -total
                state[i, v] = 1 if uniforms[m, sweep, c] < 1.0 / (1.0 + np.exp(-eta)) else 0
        for i in range(n):
            for v in range(n_visits):
                out[m, i, v] = state[i, v]
        for model in range(n_models):
            for j in range(width):
                drawn[m, model, j] = beta[model, j] if j < sizes[model] else 0.0
