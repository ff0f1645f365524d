"""Many monotone equations solved at once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from equipoise.stats.packing import FloatArray


def bisect(
    function: Callable[[FloatArray], FloatArray], lower: FloatArray, upper: FloatArray, *, steps: int = 200
) -> FloatArray:
    """Zeros of ``function`` between ``lower`` (where it is <= 0) and ``upper`` (where it is >= 0), to the last digit.

    Elementwise; one element's answer does not depend on the others. Alternates the secant through the bracket's ends
    (with the Illinois halving) with plain halving, so it ends in a few dozen evaluations whatever the shape.
    """
    a, b = lower.astype(np.float64), upper.astype(np.float64)
    fa, fb = function(a), function(b)
    for step in range(steps):
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            secant = b - fb * (b - a) / (fb - fa)
        middle = 0.5 * (a + b)
        if step % 3 == 2:
            guess = middle
        else:
            with np.errstate(invalid="ignore"):
                guess = np.where((secant > a) & (secant < b), secant, middle)
        done = (guess <= a) | (guess >= b) | (b - a <= 4e-16 * np.maximum(np.abs(a), np.abs(b))) | (fa == 0) | (fb == 0)
        if done.all():
            break
        value = function(guess)
        left = (value <= 0.0) & ~done
        right = ~left & ~done
        # Illinois: an end kept twice running counts half, which stops the other end from creeping.
        fb = np.where(left, 0.5 * fb, np.where(right, value, fb))
        fa = np.where(right, 0.5 * fa, np.where(left, value, fa))
        a = np.where(left, guess, a)
        b = np.where(right, guess, b)
    return np.where(fa == 0.0, a, np.where(fb == 0.0, b, 0.5 * (a + b)))
