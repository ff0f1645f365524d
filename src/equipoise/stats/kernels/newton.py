"""One step of Newton's method towards a maximum, made safe where the Hessian is not negative definite."""

from __future__ import annotations

import numpy as np

from equipoise.stats.kernels.compile import part
from equipoise.stats.kernels.linear_algebra import cholesky, solve_cholesky


@part("float64(float64[:, ::1], float64[::1], float64[::1], float64[:, ::1], int64)")
def newton_step(hessian, gradient, step, factor, q):  # type: ignore[no-untyped-def]
    """Write (-H + ridge)^-1 g into ``step``; returns its squared length in standard errors, negative with a ridge."""
    ridge = 0.0
    largest = 0.0
    for a in range(q):
        largest = max(largest, abs(hessian[a, a]))
    for _ in range(40):
        for a in range(q):
            for c in range(a + 1):
                factor[a, c] = -hessian[a, c]
            factor[a, a] += ridge * max(abs(hessian[a, a]), 1e-8 * largest)
        if cholesky(factor, q) < 0:
            for a in range(q):
                step[a] = gradient[a]
            solve_cholesky(factor, step, q)
            s = 0.0
            for a in range(q):
                s += step[a] * gradient[a]
            return s if ridge == 0.0 else -s - 1e-300
        # Twice the diagonal turns a single positive curvature into its negative; less would nearly cancel it.
        ridge = 2.0 if ridge == 0.0 else 4.0 * ridge
    return np.nan
