"""Many monotone equations solved at once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from equipoise.stats.packing import FloatArray


def find_zeros(
    function: Callable[[FloatArray], FloatArray], lower: FloatArray, upper: FloatArray, *, steps: int = 200
) -> FloatArray:
    """Zeros of ``function`` between ``lower`` (where it is <= 0) and ``upper`` (where it is >= 0), to the last digits.

    Elementwise: one element's answer does not depend on the others. Halves the bracket, or interpolates inversely
    through three points where that is safe.

    Source: Chandrupatla (1997) Adv Eng Software 28:145.
    """
    a, b = upper.astype(np.float64), lower.astype(np.float64)
    fa, fb = _bounded(function(a)), _bounded(function(b))
    c, fc = b, fb
    t = np.full_like(a, 0.5)
    best = np.where(np.abs(fa) < np.abs(fb), a, b)
    done = (fa == 0.0) | (fb == 0.0)
    for _ in range(steps):
        if done.all():
            break
        x = a + t * (b - a)
        f = _bounded(function(x))
        same = np.sign(f) == np.sign(fa)
        c, fc = np.where(same, a, b), np.where(same, fa, fb)
        b, fb = np.where(same, b, a), np.where(same, fb, fa)
        a, fa = x, f
        nearest = np.where(np.abs(fa) < np.abs(fb), a, b)
        best = np.where(done, best, nearest)
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            smallest = (4.4e-16 * np.abs(nearest) + 1e-300) / np.abs(b - a)
            done |= (smallest > 0.5) | (np.minimum(np.abs(fa), np.abs(fb)) == 0.0)
            xi, phi = (a - b) / (c - b), (fa - fb) / (fc - fb)
            safe = (phi**2 < xi) & ((1.0 - phi) ** 2 < 1.0 - xi)
            inverse = fa / (fb - fa) * fc / (fb - fc) + (c - a) / (b - a) * fa / (fc - fa) * fb / (fc - fb)
        t = np.where(safe & np.isfinite(inverse), inverse, 0.5)
        smallest = np.where(np.isfinite(smallest), np.minimum(smallest, 0.5), 0.5)
        t = np.clip(t, smallest, 1.0 - smallest)
    return best


def _bounded(values: FloatArray) -> FloatArray:
    """Values cut at 100 either side, so that an infinite end does not spoil the interpolation."""
    return np.clip(values, -100.0, 100.0)
