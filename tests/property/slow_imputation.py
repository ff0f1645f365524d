"""Multiple imputation written out as its equations stand, one data set at a time: the second route of the tests.

Nothing is kept from sweep to sweep or shared between data sets, scores are drawn through covariance matrices, and
random numbers come from the arrays of ``equipoise.foundation.seeds``.
"""

from __future__ import annotations

import numpy as np
from scipy import special

from equipoise.foundation.seeds import normals, uniforms
from equipoise.stats.missing.multiple_imputation import MAX_VISITS, MISSING, NOT_DUE
from equipoise.stats.missing.reference_based import shifted_means


def features(z, state, i, v, pooled):
    """Eq. (MI-2)."""
    due = [state[i, u] for u in range(v) if state[i, u] >= 0]
    last, share = (due[-1], np.mean(due)) if due else (0.0, 0.0)
    n_visits = state.shape[1]
    if pooled:
        extra = [float(v == 0), last, share, v / n_visits]
        return np.concatenate([z[i], extra[: 4 if n_visits > 2 else 2]])
    return np.concatenate([z[i], [last, share][:v]])


def maximise(x, y, prior=None):
    """Maximum and information of a logistic regression by Newton; ``None`` where separated (or without rows)."""
    if not len(y):
        return None
    beta = np.zeros(x.shape[1])
    weight = np.zeros(x.shape[1]) if prior is None else prior
    for _ in range(60):
        mu = special.expit(x @ beta)
        information = (x * (mu * (1 - mu))[:, None]).T @ x + np.diag(weight)
        if prior is None and (np.abs(x @ beta).max() > 12 or np.linalg.cond(information) > 1e13):
            return None
        step = np.linalg.solve(information, x.T @ (y - mu) - weight * beta)
        beta = beta + step
        if np.abs(step).max() < 1e-12:
            return beta, information
    return None


def penalised(x, y, p):
    """With independent normal priors, eq. (MI-3)."""
    prior = 0.16 * np.maximum(4 * x.var(axis=0), 0.01) if len(y) else np.full(p, 0.0016)
    prior[0] = 0.01
    if not len(y):
        return np.zeros(p), np.diag(prior)
    return maximise(x, y, prior)


def impute_binary_slowly(cells, z, *, imputation, seed, replicate, pooled, delta, sweeps):
    """One data set (n, V), the coefficients drawn last, and how many fits the prior held."""
    n, n_visits = cells.shape
    last = np.where(cells >= 0, np.arange(n_visits), -1).max(axis=1)
    state = cells.copy()
    for i in range(n):
        seen = [int(c) for c in cells[i] if c >= 0]
        known = seen[0] if seen else 0
        for v in range(n_visits):
            if cells[i, v] >= 0:
                known = cells[i, v]
            elif cells[i, v] == MISSING:
                state[i, v] = known
    n_models, held = (1 if pooled else n_visits), 0
    beta = [np.empty(0)] * n_models
    for sweep in range(sweeps):
        final = sweep == sweeps - 1
        for model in range(n_models):
            used = [
                (i, v)
                for v in (range(n_visits) if pooled else [model])
                for i in range(n)
                if v <= last[i] and cells[i, v] != NOT_DUE
            ]
            p = len(features(z, state, 0, 0 if pooled else model, pooled))
            x = np.array([features(z, state, i, v, pooled) for i, v in used]).reshape(-1, p)
            y = np.array([state[i, v] for i, v in used], dtype=float)
            fit = maximise(x, y)
            if fit is None:
                fit, held = penalised(x, y, p), held + 1
            noise = normals(seed, replicate, np.arange(p), imputation * MAX_VISITS + model, 1001, draw=sweep)
            beta[model] = fit[0] + np.linalg.solve(np.linalg.cholesky(fit[1]).T, noise)

        def log_odds(i, v):
            return features(z, state, i, v, pooled) @ beta[0 if pooled else v]

        for i, v in zip(*np.nonzero(cells == MISSING), strict=True):
            if v > last[i] and not final:
                continue
            eta = log_odds(i, v) + (delta[i] if final else 0.0)
            for value, sign in ((1, 1.0), (0, -1.0)):
                state[i, v] = value
                for u in range(v + 1, last[i] + 1):
                    if cells[i, u] != NOT_DUE:
                        later = log_odds(i, u)
                        eta += sign * np.log(special.expit(later if state[i, u] == 1 else -later))
            u = uniforms(seed, replicate, i, imputation * MAX_VISITS + v, 1002, draw=sweep)
            state[i, v] = u < special.expit(eta)
    return state, beta, held


def impute_normal_slowly(y, z, *, imputation, seed, replicate, delta, strategy, sweeps):
    """One data set (n, V) of scores, and the means and covariance drawn last; every visit has a score."""
    n, n_visits = y.shape
    q = z.shape[1]
    missing = np.isnan(y)
    last = np.where(~missing, np.arange(n_visits), -1).max(axis=1)
    state = y.copy()
    for i in range(n):
        for v in [*range(1, n_visits), *range(n_visits - 2, -1, -1)]:
            if np.isnan(state[i, v]):
                near = [u for u in (v - 1, v + 1) if 0 <= u < n_visits and not np.isnan(state[i, u])]
                state[i, v] = state[i, near[0]] if near else np.nan
    for sweep in range(sweeps):
        final = sweep == sweeps - 1
        means, root = np.zeros((q, n_visits)), np.zeros((n_visits, n_visits))
        for v in range(n_visits):
            rows = last >= v
            x, target = np.column_stack([z[rows], state[rows, :v]]), state[rows, v]
            gram = x.T @ x
            fit = np.linalg.solve(gram, x.T @ target)
            rss = ((target - x @ fit) ** 2).sum()
            df = max(int(rows.sum()) - x.shape[1], 3)
            u = uniforms(seed, replicate, 0, imputation * MAX_VISITS + v, 1012, draw=sweep)
            sd = np.sqrt(rss / (2 * special.gammaincinv(df / 2, u)))  # eq. (MI-7)
            noise = normals(seed, replicate, np.arange(q + v), imputation * MAX_VISITS + v, 1011, draw=sweep)
            fit = fit + sd * np.linalg.solve(np.linalg.cholesky(gram).T, noise)
            means[:, v] = fit[:q] + means[:, :v] @ fit[q:]  # eq. (MI-8)
            root[v, :v], root[v, v] = fit[q:] @ root[:v, :v], sd
        covariance = root @ root.T
        for i in range(n):
            lost = np.flatnonzero(missing[i] & (final | (np.arange(n_visits) < last[i])))
            if not lost.size:
                continue
            kept = np.flatnonzero(~missing[i])
            rule = strategy if final else "at-random"
            centre = shifted_means(means[None], z[[i]], int(last[i]), rule, 1)[0, 0]
            slope = covariance[np.ix_(lost, kept)] @ np.linalg.inv(covariance[np.ix_(kept, kept)])
            spread = covariance[np.ix_(lost, lost)] - slope @ covariance[np.ix_(kept, lost)]
            noise = normals(seed, replicate, i, imputation * MAX_VISITS + lost, 1013, draw=sweep)
            drawn = centre[lost] + slope @ (y[i, kept] - centre[kept]) + np.linalg.cholesky(spread) @ noise
            state[i, lost] = drawn  # eq. (MI-9)
    return state + np.where(missing, delta[:, None], 0.0), means, covariance
