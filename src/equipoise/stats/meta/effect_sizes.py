"""A study's effect and its variance, from counts, means or an interval. Methods: ``docs/methods/meta_analysis.md``.

>>> from equipoise.stats.meta.effect_sizes import effects_of_counts
>>> fit = effects_of_counts([12], [50], [20], [52], "odds_ratio")
>>> round(float(fit.effect[0]), 4)  # log of (12 * 32) / (38 * 20)
-0.6827
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from equipoise.stats.packing import FloatArray
from equipoise.stats.wald import BoolArray, normal_quantile

COUNT_SCALES = ("odds_ratio", "risk_ratio", "risk_difference")
MEAN_SCALES = ("mean_difference", "standardised_mean_difference")
RATIO_SCALES = frozenset({"odds_ratio", "risk_ratio", "hazard_ratio", "ratio_of_means"})


@dataclass(frozen=True)
class Effects:
    """Effects of k studies, experimental against reference, log scale for ratios; NaN where a study has none.

    ``corrected`` marks studies whose cells had 0.5 added.
    """

    effect: FloatArray  # (k,)
    variance: FloatArray  # (k,)
    scale: str
    corrected: BoolArray  # (k,)


@dataclass(frozen=True)
class Counts:
    """Events and sizes of k studies, checked: whole, at least 0, events not above the size, no empty arm."""

    events_experimental: FloatArray
    n_experimental: FloatArray
    events_reference: FloatArray
    n_reference: FloatArray

    @classmethod
    def of(cls, x1: ArrayLike, n1: ArrayLike, x0: ArrayLike, n0: ArrayLike) -> Counts:
        """Checked counts; ``ValueError`` for any that cannot be."""
        a, n, c, m = (np.atleast_1d(np.asarray(v, dtype=np.float64)) for v in (x1, n1, x0, n0))
        if not (a.shape == n.shape == c.shape == m.shape) or a.ndim != 1:
            raise ValueError("counts must be four vectors of one length")
        every = np.stack([a, n, c, m])
        if not np.isfinite(every).all() or (every != np.floor(every)).any() or (every < 0).any():
            raise ValueError("counts must be whole numbers of at least 0")
        if (a > n).any() or (c > m).any() or (n == 0).any() or (m == 0).any():
            raise ValueError("events must not exceed the number of participants, and every arm needs one")
        return cls(a, n, c, m)

    @property
    def cells(self) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """Events and non-events, experimental, then reference."""
        return (
            self.events_experimental,
            self.n_experimental - self.events_experimental,
            self.events_reference,
            self.n_reference - self.events_reference,
        )

    def take(self, keep: BoolArray) -> Counts:
        """Some of the studies."""
        return Counts(
            self.events_experimental[keep],
            self.n_experimental[keep],
            self.events_reference[keep],
            self.n_reference[keep],
        )


def effects_of_counts(
    events_experimental: ArrayLike,
    n_experimental: ArrayLike,
    events_reference: ArrayLike,
    n_reference: ArrayLike,
    scale: str,
    *,
    add: float = 0.5,
) -> Effects:
    """Log odds ratio, log risk ratio or risk difference with its large-sample variance, (MA-1) to (MA-3).

    ``add`` goes to all four cells of a study with an empty cell, and only there. A study without any event, or with
    nothing but events, tells nothing of a ratio: its effect is NaN; of the difference it is kept.
    """
    if scale not in COUNT_SCALES:
        raise ValueError(f"scale must be one of {COUNT_SCALES}, got {scale!r}")
    counts = Counts.of(events_experimental, n_experimental, events_reference, n_reference)
    a, b, c, d = counts.cells
    is_zero = (a == 0) | (b == 0) | (c == 0) | (d == 0)
    a, b, c, d = (np.where(is_zero, cell + add, cell) for cell in (a, b, c, d))
    n1, n0 = a + b, c + d
    with np.errstate(divide="ignore", invalid="ignore"):
        if scale == "odds_ratio":
            effect, variance = np.log(a * d / (b * c)), 1 / a + 1 / b + 1 / c + 1 / d
        elif scale == "risk_ratio":
            effect, variance = np.log((a / n1) / (c / n0)), 1 / a - 1 / n1 + 1 / c - 1 / n0
        else:
            effect, variance = a / n1 - c / n0, a * b / n1**3 + c * d / n0**3
    if scale != "risk_difference":
        raw_a, raw_b, raw_c, raw_d = counts.cells
        silent = ((raw_a == 0) & (raw_c == 0)) | ((raw_b == 0) & (raw_d == 0))
        if scale == "risk_ratio":
            silent = (raw_a == 0) & (raw_c == 0)
        effect, variance = np.where(silent, np.nan, effect), np.where(silent, np.nan, variance)
    return Effects(effect, variance, scale, is_zero & (add > 0))


def effects_of_means(
    mean_experimental: ArrayLike,
    sd_experimental: ArrayLike,
    n_experimental: ArrayLike,
    mean_reference: ArrayLike,
    sd_reference: ArrayLike,
    n_reference: ArrayLike,
    scale: str = "mean_difference",
) -> Effects:
    """Difference of means, unequal variances allowed (MA-4), or Hedges' g with its exact correction (MA-5).

    Source: Hedges (1981) J Educ Stat 6:107 for g.
    """
    if scale not in MEAN_SCALES:
        raise ValueError(f"scale must be one of {MEAN_SCALES}, got {scale!r}")
    m1, s1, n1, m0, s0, n0 = np.broadcast_arrays(
        *(
            np.atleast_1d(np.asarray(v, dtype=np.float64))
            for v in (mean_experimental, sd_experimental, n_experimental, mean_reference, sd_reference, n_reference)
        )
    )
    if (n1 < 2).any() or (n0 < 2).any() or (s1 < 0).any() or (s0 < 0).any():
        raise ValueError("every arm needs two participants and a standard deviation of at least 0")
    if scale == "mean_difference":
        effect, variance = m1 - m0, s1**2 / n1 + s0**2 / n0
    else:
        df = n1 + n0 - 2
        pooled = np.sqrt(((n1 - 1) * s1**2 + (n0 - 1) * s0**2) / df)
        correction = np.exp(special.gammaln(df / 2) - 0.5 * np.log(df / 2) - special.gammaln((df - 1) / 2))
        with np.errstate(divide="ignore", invalid="ignore"):
            effect = correction * (m1 - m0) / pooled
        variance = 1 / n1 + 1 / n0 + effect**2 / (2 * (n1 + n0))
    return Effects(np.asarray(effect), np.asarray(variance), scale, np.zeros(effect.shape, dtype=bool))


def effect_of_interval(
    estimate: float, lower: float, upper: float, scale: str, *, level: float = 0.95
) -> tuple[float, float]:
    """Effect and variance that an estimate with its limits implies, log scale for ratios, (MA-6).

    Assumes limits at a normal quantile either side of the estimate on that scale; the estimate is kept as it is.
    ``ValueError`` where limits do not enclose it or a ratio is not above 0.
    """
    if not lower < upper or not lower <= estimate <= upper:
        raise ValueError(f"limits must enclose the estimate, got {estimate} ({lower} to {upper})")
    if scale in RATIO_SCALES:
        if lower <= 0:
            raise ValueError(f"a ratio and its limits lie above 0, got {lower}")
        estimate, lower, upper = float(np.log(estimate)), float(np.log(lower)), float(np.log(upper))
    return estimate, ((upper - lower) / (2 * normal_quantile(level))) ** 2
