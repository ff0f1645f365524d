"""Score statistics of two proportions against a stated effect. Methods: ``docs/methods/margins.md``.

Each divides how far the observed effect lies from the stated one by its standard error under that effect: with the
restricted maximum likelihood estimates of both risks. Miettinen and Nurminen's variance has the factor N / (N - 1),
Farrington and Manning's (whose interval is Mee's) has not: two names, two answers.

>>> import numpy as np
>>> from equipoise.stats.score import score_of
>>> table = [np.array([float(count)]) for count in (48, 80, 56, 70)]  # events and people: control, experimental
>>> round(float(score_of("risk_difference", corrected=False)(*table, np.array([0.0]))[0]) ** 2, 6)  # Pearson's
7.023411
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from equipoise.stats.packing import FloatArray

Score = Callable[[FloatArray, FloatArray, FloatArray, FloatArray, FloatArray], FloatArray]

# A distance between effects that is rounding and nothing else.
_SAME = 1e-12


def score_of(scale: str, *, corrected: bool) -> Score:
    """The signed statistic ``z(x0, n0, x1, n1, value)`` of a scale; it falls with the stated value.

    ``scale``: ``risk_difference``, ``risk_ratio`` or ``odds_ratio``; ``corrected``: with the factor N / (N - 1).
    Infinite where the stated effect leaves no variance, 0 where there is no distance either.
    """
    statistic = {"risk_difference": _difference, "risk_ratio": _ratio, "odds_ratio": _odds_ratio}[scale]

    def score(x0: FloatArray, n0: FloatArray, x1: FloatArray, n1: FloatArray, value: FloatArray) -> FloatArray:
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            distance, variance = statistic(x0, n0, x1, n1, value)
            n = n0 + n1
            factor = n / (n - 1.0) if corrected else 1.0
            z = distance / np.sqrt(np.maximum(variance * factor, 0.0))
        return np.asarray(np.where(~np.isfinite(z) & (np.abs(distance) < _SAME), 0.0, z))

    return score


def restricted_difference(
    x0: FloatArray, n0: FloatArray, x1: FloatArray, n1: FloatArray, delta: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Risks of control and experimental that are likeliest if their difference is ``delta``, eq. (RI-6)."""
    n, m = n0 + n1, x0 + x1
    # The root of a cubic, by its trigonometric solution.
    c2 = (n1 + 2.0 * n0) * delta - n - m
    c1 = (n0 * delta - n - 2.0 * x0) * delta + m
    c0 = x0 * delta * (1.0 - delta)
    b = c2 / (3.0 * n)
    q = b**3 - c1 * c2 / (6.0 * n**2) + c0 / (2.0 * n)
    length = np.where(q >= 0.0, 1.0, -1.0) * np.sqrt(np.maximum(b**2 - c1 / (3.0 * n), 0.0))
    cosine = np.where(length == 0.0, 1.0, q / length**3)
    angle = (np.pi + np.arccos(np.clip(cosine, -1.0, 1.0))) / 3.0
    r0 = np.clip(2.0 * length * np.cos(angle) - b, np.maximum(0.0, -delta), np.minimum(1.0, 1.0 - delta))
    return r0, r0 + delta


def restricted_ratio(
    x0: FloatArray, n0: FloatArray, x1: FloatArray, n1: FloatArray, ratio: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Risks that are likeliest if experimental over control is ``ratio``, eq. (RI-8)."""
    n, m = n0 + n1, x0 + x1
    b = n1 * ratio + x1 + n0 + x0 * ratio
    # The smaller root of a quadratic, written so that no digits cancel.
    r0 = 2.0 * m / (b + np.sqrt(np.maximum(b * b - 4.0 * n * ratio * m, 0.0)))
    return r0, r0 * ratio


def restricted_odds(
    x0: FloatArray, n0: FloatArray, x1: FloatArray, n1: FloatArray, odds_ratio: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Risks that are likeliest if the odds ratio is ``odds_ratio``, eq. (RI-10)."""
    m = x0 + x1
    a = n0 * (odds_ratio - 1.0)
    b = odds_ratio * (n1 - m) + n0 + m
    root = np.sqrt(np.maximum(b * b + 4.0 * a * m, 0.0))
    # Of the two ways to write the root the one in which no digits cancel; a negative b needs an odds ratio above 1.
    r0 = np.clip(np.where(b >= 0.0, 2.0 * m / (b + root), (root - b) / (2.0 * a)), 0.0, 1.0)
    return r0, r0 * odds_ratio / (1.0 + r0 * (odds_ratio - 1.0))


def _difference(
    x0: FloatArray, n0: FloatArray, x1: FloatArray, n1: FloatArray, delta: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Distance and its variance under the stated difference, eq. (RI-5)."""
    r0, r1 = restricted_difference(x0, n0, x1, n1, delta)
    return x1 / n1 - x0 / n0 - delta, r1 * (1.0 - r1) / n1 + r0 * (1.0 - r0) / n0


def _ratio(
    x0: FloatArray, n0: FloatArray, x1: FloatArray, n1: FloatArray, ratio: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Distance and its variance under the stated ratio, eq. (RI-7)."""
    r0, r1 = restricted_ratio(x0, n0, x1, n1, ratio)
    return x1 / n1 - ratio * x0 / n0, r1 * (1.0 - r1) / n1 + ratio**2 * r0 * (1.0 - r0) / n0


def _odds_ratio(
    x0: FloatArray, n0: FloatArray, x1: FloatArray, n1: FloatArray, odds_ratio: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Distance of the experimental events from those expected, and its variance under the odds ratio, eq. (RI-9)."""
    r0, r1 = restricted_odds(x0, n0, x1, n1, odds_ratio)
    v0, v1 = n0 * r0 * (1.0 - r0), n1 * r1 * (1.0 - r1)
    return x1 - n1 * r1, v0 * v1 / (v0 + v1)
