"""The mixed model for repeated measures written plainly: whole matrices, numerical derivatives, a general optimizer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import block_diag
from scipy.optimize import minimize

Floats = NDArray[np.float64]


def matrix_of(structure: str, theta: Floats, t: int) -> Floats:
    """Covariance of ``t`` visits from unbounded parameters, by parametrisations of this file's own."""
    if structure == "unstructured":
        root = np.zeros((t, t))
        root[np.tril_indices(t)] = theta
        np.fill_diagonal(root, np.exp(np.diag(root)))
        return root @ root.T
    family = structure.removesuffix("-heterogeneous")
    wide = structure.endswith("heterogeneous")
    n_sd = t if wide else 1
    sd = np.exp(np.broadcast_to(theta[:n_sd], t))
    rho = np.tanh(theta[n_sd:])
    distance = np.abs(np.subtract.outer(np.arange(t), np.arange(t)))
    if family == "toeplitz":
        corr = np.concatenate([[1.0], rho])[distance]
    elif family == "ar1":
        corr = rho[0] ** distance
    elif family == "ante-dependence":
        corr = np.eye(t)
        for j in range(t):
            for k in range(j + 1, t):
                corr[j, k] = corr[k, j] = np.prod(rho[j:k])
    else:
        corr = np.where(distance == 0, 1.0, rho[0])
    return corr * np.outer(sd, sd)


def size_of(structure: str, t: int) -> int:
    """How many parameters ``matrix_of`` takes."""
    if structure == "unstructured":
        return t * (t + 1) // 2
    n_sd = t if structure.endswith("heterogeneous") else 1
    return n_sd + (t - 1 if structure.startswith(("toeplitz", "ante")) else 1)


@dataclass
class SlowFit:
    """The maximum, and what follows from it by numerical derivatives."""

    log_likelihood: float
    coefficients: Floats
    covariance: Floats
    kenward_roger: Floats
    df: Floats


def fit_slowly(
    y: Floats, x: Floats, visit: NDArray, sizes: list[int], t: int, structure: str, reml: bool, group: list[int] | None
) -> SlowFit:
    """One trial by dense generalised least squares."""
    k = size_of(structure, t)
    groups = group or [0] * len(sizes)
    n_groups = max(groups) + 1
    ends = np.cumsum([0, *sizes])

    def dense(theta: Floats) -> Floats:
        sigmas = [matrix_of(structure, theta[g * k : (g + 1) * k], t) for g in range(n_groups)]
        return block_diag(
            *(
                sigmas[groups[i]][np.ix_(visit[ends[i] : ends[i + 1]], visit[ends[i] : ends[i + 1]])]
                for i in range(len(sizes))
            )
        )

    def log_likelihood(theta: Floats) -> float:
        v = dense(theta)
        try:
            root = np.linalg.cholesky(v)
        except np.linalg.LinAlgError:
            return -np.inf
        log_det = 2.0 * np.log(np.diag(root)).sum()
        inverse = np.linalg.inv(v)
        a = x.T @ inverse @ x
        beta = np.linalg.solve(a, x.T @ inverse @ y)
        r = y - x @ beta
        nu = y.size - (x.shape[1] if reml else 0)
        value = log_det + r @ inverse @ r + nu * np.log(2 * np.pi)
        return -0.5 * (value + (np.linalg.slogdet(a)[1] if reml else 0.0))

    start = np.zeros(k * n_groups)
    spread = np.log(np.std(y - x @ np.linalg.lstsq(x, y, rcond=None)[0]))
    for g in range(n_groups):
        one = start[g * k : (g + 1) * k]
        if structure == "unstructured":
            root = np.diag([spread] * t)
            one[:] = root[np.tril_indices(t)]
        else:
            one[: t if structure.endswith("heterogeneous") else 1] = spread
            one[t if structure.endswith("heterogeneous") else 1 :] = 0.2
    best = minimize(lambda theta: min(-log_likelihood(theta), 1e9), start, method="BFGS", options={"gtol": 1e-6}).x
    best = best - np.linalg.solve(_second(log_likelihood, best, 2e-3), _gradient(log_likelihood, best, 2e-3))

    h = 2e-3
    information = -_second(log_likelihood, best, h)
    w = np.linalg.inv(information)

    def covariance(theta: Floats) -> Floats:
        return np.linalg.inv(x.T @ np.linalg.inv(dense(theta)) @ x)

    first = [_first(covariance, best, i, h) for i in range(best.size)]
    phi = covariance(best)
    moved = np.array(first)
    df = np.array([2 * phi[a, a] ** 2 / (moved[:, a, a] @ w @ moved[:, a, a]) for a in range(x.shape[1])])
    inverse = np.linalg.inv(dense(best))
    slopes = [_first(dense, best, i, h) for i in range(best.size)]
    inner = np.zeros_like(phi)
    p = [-x.T @ inverse @ s @ inverse @ x for s in slopes]
    for i in range(best.size):
        for j in range(best.size):
            q = x.T @ inverse @ slopes[i] @ inverse @ slopes[j] @ inverse @ x
            inner += w[i, j] * (q - p[i] @ phi @ p[j])
    beta = phi @ x.T @ inverse @ y
    return SlowFit(log_likelihood(best), beta, phi, phi + 2 * phi @ inner @ phi, df)


def _first(f: Callable[[Floats], Floats], at: Floats, i: int, h: float) -> Floats:
    step = np.zeros_like(at)
    step[i] = h
    return (8 * (f(at + step) - f(at - step)) - (f(at + 2 * step) - f(at - 2 * step))) / (12 * h)


def _second(f: Callable[[Floats], float], at: Floats, h: float) -> Floats:
    n = at.size
    out = np.zeros((n, n))
    unit = np.eye(n) * h
    middle = f(at)
    for i in range(n):
        a, b = unit[i], 2 * unit[i]
        out[i, i] = (16 * (f(at + a) + f(at - a)) - f(at + b) - f(at - b) - 30 * middle) / (12 * h * h)
        for j in range(i):
            c = unit[j]
            one = (f(at + a + c) - f(at + a - c) - f(at - a + c) + f(at - a - c)) / (4 * h * h)
            two = (f(at + b + 2 * c) - f(at + b - 2 * c) - f(at - b + 2 * c) + f(at - b - 2 * c)) / (16 * h * h)
            out[i, j] = out[j, i] = (4 * one - two) / 3
    return out


def _gradient(f: Callable[[Floats], float], at: Floats, h: float) -> Floats:
    return np.array([_first(lambda theta: np.array(f(theta)), at, i, h) for i in range(at.size)])
