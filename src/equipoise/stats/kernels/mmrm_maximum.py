"""Newton's method for the mixed model for repeated measures, in the parameters of one covariance structure."""

from __future__ import annotations

import numpy as np

from equipoise.stats.kernels.compile import part
from equipoise.stats.kernels.linear_algebra import cholesky, solve_cholesky
from equipoise.stats.kernels.mmrm_likelihood import accumulate, differentiate, evaluate
from equipoise.stats.kernels.mmrm_structures import add_curvature, build, n_parameters

MAX_ITERATIONS = 100
MAX_HALVINGS = 40
# Twice the expected gain of a Newton step, in log-likelihood, below which the maximum is reached; below which rounding
# may keep it; and below which the whole Hessian is worth its price.
CONVERGED = 1e-15
ROUNDING = 1e-9
NEAR = 1e-3


@part(
    "void(int64, boolean, int64, int64, int64, int64[::1], int64[:, ::1], float64[::1], float64[:, :, ::1],"
    "float64[:, :, ::1])"
)
def build_all(family, heterogeneous, n_groups, n_visits, n_lags, position, lag, theta, sigma, jacobian):  # type: ignore[no-untyped-def]
    """Each group's matrix and derivatives from its own part of ``theta``."""
    n_k = n_parameters(family, heterogeneous, n_visits, n_lags)
    for g in range(n_groups):
        build(
            family,
            heterogeneous,
            n_visits,
            n_lags,
            position,
            lag,
            theta[g * n_k : (g + 1) * n_k],
            sigma[g],
            jacobian[g],
        )


@part(
    "void(int64, boolean, int64, int64, int64, int64[::1], int64[:, ::1], float64[::1], float64[:, :, ::1], boolean,"
    "float64[::1], float64[:, ::1], float64[::1], float64[:, ::1])"
)
def chain(  # type: ignore[no-untyped-def]
    family,
    heterogeneous,
    n_groups,
    n_visits,
    n_lags,
    position,
    lag,
    theta,
    jacobian,
    expected,
    by_element,
    hessian_by_element,
    gradient,
    information,
):
    """Gradient and minus the Hessian in the parameters from those in the elements; both triangles."""
    n_k = n_parameters(family, heterogeneous, n_visits, n_lags)
    n_elements = n_visits * (n_visits + 1) // 2
    half = np.empty((n_elements, n_k))
    for g in range(n_groups):
        for i in range(n_k):
            s = 0.0
            for a in range(n_elements):
                s += jacobian[g, a, i] * by_element[g * n_elements + a]
            gradient[g * n_k + i] = s
        for h in range(n_groups):
            for a in range(n_elements):
                for i in range(n_k):
                    half[a, i] = 0.0
                for b in range(n_elements):
                    f = hessian_by_element[g * n_elements + a, h * n_elements + b]
                    if f != 0.0:
                        for i in range(n_k):
                            half[a, i] += f * jacobian[h, b, i]
            for i in range(n_k):
                for j in range(n_k):
                    information[g * n_k + i, h * n_k + j] = 0.0
            for a in range(n_elements):
                for i in range(n_k):
                    f = jacobian[g, a, i]
                    if f != 0.0:
                        for j in range(n_k):
                            information[g * n_k + i, h * n_k + j] += f * half[a, j]
        if not expected:
            add_curvature(
                family,
                heterogeneous,
                n_visits,
                n_lags,
                position,
                lag,
                theta[g * n_k : (g + 1) * n_k],
                by_element[g * n_elements : (g + 1) * n_elements],
                information,
                g * n_k,
            )
    for i in range(n_groups * n_k):
        for j in range(n_groups * n_k):
            information[i, j] = -information[i, j]


@part(
    "int64(int64, boolean, int64, int64, int64, int64[::1], int64[:, ::1], boolean, int64, int64[:, ::1],"
    "int64[:, ::1], float64[::1], float64[:, ::1], float64[::1], int64[:, ::1], float64[::1], float64[:, :, ::1],"
    "float64[:, :, ::1], float64[:, :, ::1], float64[:, ::1], float64[::1], float64[:, ::1], float64[::1],"
    "float64[:, ::1], float64[:, :, ::1], float64[:, :, ::1], float64[:, ::1], float64[:, ::1], float64[:, ::1],"
    "float64[:, ::1], float64[::1])"
)
def maximise(  # type: ignore[no-untyped-def]
    family,
    heterogeneous,
    n_groups,
    n_visits,
    n_lags,
    position,
    lag,
    reml,
    n_patterns,
    patterns,
    pattern_visits,
    pattern_size,
    x,
    y,
    lanes,
    theta,
    sigma,
    jacobian,
    inverse,
    mx,
    my,
    factor,
    beta,
    whitener,
    leverage,
    spread,
    coupling,
    moved,
    information,
    information_factor,
    value,
):
    """Climb from ``theta`` to the maximum; 0 when it is reached, 1 when not.

    Steps are Newton's; where the Hessian is not that of a hilltop, those of Fisher's scoring. Afterwards everything is
    as at the maximum, ``information`` the observed one, ``value`` (log-likelihood, gradient norm, iterations).
    """
    n_k = n_parameters(family, heterogeneous, n_visits, n_lags)
    n_all = n_groups * n_k
    n_elements = n_visits * (n_visits + 1) // 2
    by_element = np.empty(n_groups * n_elements)
    hessian = np.empty((n_groups * n_elements, n_groups * n_elements))
    gradient = np.empty(n_all)
    step = np.empty(n_all)
    there = np.empty(n_all)
    block = np.empty((n_visits, n_visits))
    block_inverse = np.empty((n_visits, n_visits))
    found = np.empty(1)
    value[0] = -np.inf
    value[1] = np.nan
    build_all(family, heterogeneous, n_groups, n_visits, n_lags, position, lag, theta, sigma, jacobian)
    is_exact = False
    if evaluate(
        sigma,
        n_patterns,
        patterns,
        pattern_visits,
        pattern_size,
        reml,
        x,
        y,
        lanes,
        inverse,
        mx,
        my,
        factor,
        beta,
        found,
        block,
        block_inverse,
    ):
        return 1
    best = found[0]
    gain = np.inf
    for iteration in range(MAX_ITERATIONS):
        value[2] = iteration + 1
        accumulate(
            n_patterns,
            patterns,
            pattern_visits,
            reml,
            is_exact,
            x,
            y,
            lanes,
            n_visits,
            n_groups,
            mx,
            my,
            factor,
            beta,
            whitener,
            leverage,
            spread,
            coupling,
            moved,
        )
        is_hilltop = False
        before = gain
        gain = 0.0
        for attempt in range(2):
            expected = attempt == 1
            differentiate(
                n_patterns,
                patterns,
                pattern_visits,
                pattern_size,
                reml,
                is_exact,
                expected,
                n_visits,
                n_groups,
                inverse,
                leverage,
                spread,
                coupling,
                moved,
                by_element,
                hessian,
                block,
            )
            chain(
                family,
                heterogeneous,
                n_groups,
                n_visits,
                n_lags,
                position,
                lag,
                theta,
                jacobian,
                expected,
                by_element,
                hessian,
                gradient,
                information,
            )
            for i in range(n_all):
                for j in range(i + 1):
                    information_factor[i, j] = information[i, j]
            if cholesky(information_factor, n_all) < 0:
                is_hilltop = not expected
                for i in range(n_all):
                    step[i] = gradient[i]
                solve_cholesky(information_factor, step, n_all)
                gain = 0.0
                for i in range(n_all):
                    gain += step[i] * gradient[i]
                break
            if expected:
                return 1
        value[0] = best
        value[1] = np.sqrt(max(gain, 0.0))
        if is_hilltop and is_exact and (gain < CONVERGED or (gain < ROUNDING and gain > 0.25 * before)):
            return 0
        if is_hilltop and not is_exact and gain < NEAR:
            # The same place once more, with the whole Hessian.
            is_exact = True
            evaluate(
                sigma,
                n_patterns,
                patterns,
                pattern_visits,
                pattern_size,
                reml,
                x,
                y,
                lanes,
                inverse,
                mx,
                my,
                factor,
                beta,
                found,
                block,
                block_inverse,
            )
            continue
        for i in range(n_all):
            there[i] = theta[i]
        length = 1.0
        is_up = False
        for _ in range(MAX_HALVINGS):
            for i in range(n_all):
                theta[i] = there[i] + length * step[i]
            build_all(family, heterogeneous, n_groups, n_visits, n_lags, position, lag, theta, sigma, jacobian)
            failed = evaluate(
                sigma,
                n_patterns,
                patterns,
                pattern_visits,
                pattern_size,
                reml,
                x,
                y,
                lanes,
                inverse,
                mx,
                my,
                factor,
                beta,
                found,
                block,
                block_inverse,
            )
            # Rounding of a likelihood of some thousands is 1e-12 of it.
            if failed == 0 and found[0] >= best + 1e-4 * length * gain - 1e-12 * abs(best):
                is_up = True
                break
            length *= 0.5
        if not is_up:
            return 1
        best = found[0]
    return 1
