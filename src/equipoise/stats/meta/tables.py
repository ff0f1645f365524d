"""Pooling 2x2 tables without correcting zero cells: Mantel-Haenszel and Peto. ``docs/methods/meta_analysis.md``.

>>> from equipoise.stats.meta.tables import fit_peto
>>> fit = fit_peto([3], [4], [1], [4])
>>> round(fit.estimate, 4)  # (3 - 2) / (4 * 4 * 4 * 4 / (64 * 7))
1.75
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from equipoise.stats.meta.effect_sizes import Counts
from equipoise.stats.packing import FloatArray
from equipoise.stats.wald import chi_square_p, normal_quantile


@dataclass(frozen=True)
class PooledTables:
    """A pooled effect of 2x2 tables, log scale for ratios; NaN where the tables hold none.

    ``q`` is of the tables whose own effect is finite, absent where fewer than two are. For the exact method limits and
    p are by tail probabilities, a limit without bound is infinite, and there is no standard error.
    """

    estimate: float
    standard_error: float
    ci_lower: float
    ci_upper: float
    p_value: float
    level: float
    scale: str
    method: str
    k: int  # tables that say something
    q: float | None = None
    q_df: int | None = None
    q_p: float | None = None
    details: dict[str, float] | None = None


def fit_mantel_haenszel(
    x1: ArrayLike, n1: ArrayLike, x0: ArrayLike, n0: ArrayLike, scale: str, *, level: float = 0.95
) -> PooledTables:
    """Mantel-Haenszel odds ratio, risk ratio or risk difference; nothing is added to empty cells, (MA-19) to (MA-21).

    Assumes one effect in all studies; variances hold with few large studies and with many small ones.

    Sources: Mantel and Haenszel (1959) J Natl Cancer Inst 22:719; Robins, Breslow and Greenland (1986) Biometrics
    42:311 (odds ratio); Greenland and Robins (1985) Biometrics 41:55 (risk ratio); Sato (1989) Biometrics 45:1323.
    """
    counts = Counts.of(x1, n1, x0, n0)
    a, b, c, d = counts.cells
    m1, m0 = counts.n_experimental, counts.n_reference
    n = m1 + m0
    details: dict[str, float] = {}
    with np.errstate(divide="ignore", invalid="ignore"):
        if scale == "odds_ratio":
            r, s = a * d / n, b * c / n
            up, down = (a + d) / n, (b + c) / n
            top, bottom = r.sum(), s.sum()
            estimate = float(np.log(top / bottom))
            variance = float(
                (up @ r) / (2 * top**2) + (up @ s + down @ r) / (2 * top * bottom) + (down @ s) / (2 * bottom**2)
            )
            effects, variances = np.log(a * d / (b * c)), 1 / a + 1 / b + 1 / c + 1 / d
            details = _cochran_and_tarone(counts, math.exp(estimate) if math.isfinite(estimate) else math.nan)
        elif scale == "risk_ratio":
            top, bottom = (a * m0 / n).sum(), (c * m1 / n).sum()
            estimate = float(np.log(top / bottom))
            variance = float(((m1 * m0 * (a + c) - a * c * n) / n**2).sum() / (top * bottom))
            effects, variances = np.log((a / m1) / (c / m0)), 1 / a - 1 / m1 + 1 / c - 1 / m0
        elif scale == "risk_difference":
            weight = m1 * m0 / n
            estimate = float(((a * m0 - c * m1) / n).sum() / weight.sum())
            first = (c * (m1 / n) ** 2 - a * (m0 / n) ** 2 + (m1 / n) * (m0 / n) * (m0 - m1) / 2).sum()
            second = (a * (m0 - c) / n + c * (m1 - a) / n).sum() / 2
            variance = float((estimate * first + second) / weight.sum() ** 2)
            effects, variances = a / m1 - c / m0, a * b / m1**3 + c * d / m0**3
        else:
            raise ValueError(f"there is no Mantel-Haenszel estimate of {scale!r}")
    silent = (a + c == 0) | (b + d == 0) if scale == "odds_ratio" else (a + c == 0)
    k = int(len(a) if scale == "risk_difference" else (~silent).sum())
    return normal_tables(
        estimate, variance, level, (scale, "Mantel-Haenszel", k), own=(effects, variances), details=details
    )


def _cochran_and_tarone(counts: Counts, ratio: float) -> dict[str, float]:
    """Cochran-Mantel-Haenszel chi-square without continuity correction, and Tarone's test of one odds ratio."""
    a, _, c, _ = counts.cells
    m1, m0 = counts.n_experimental, counts.n_reference
    n, t = m1 + m0, a + c
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = np.where(n > 1, m1 * m0 * t * (n - t) / (n**2 * (n - 1)), 0.0)
    out = {}
    if variance.sum() > 0:
        out["cochran-mantel-haenszel"] = float((a.sum() - (m1 * t / n).sum()) ** 2 / variance.sum())
    keep = (t > 0) & (t < n)
    if math.isfinite(ratio) and ratio > 0 and keep.sum() > 1:
        expected = expected_count(m1[keep], m0[keep], t[keep], ratio)
        spread = table_variance(m1[keep], m0[keep], t[keep], expected)
        breslow_day = float(((a[keep] - expected) ** 2 / spread).sum())
        tarone = breslow_day - float((a[keep].sum() - expected.sum()) ** 2 / spread.sum())
        out |= {"tarone": tarone, "tarone-p": float(chi_square_p(np.asarray(tarone), float(keep.sum() - 1)))}
    return out


def expected_count(m1: FloatArray, m0: FloatArray, t: FloatArray, ratio: float) -> FloatArray:
    """Events expected in the experimental arm if the odds ratio were ``ratio``, margins held."""
    if abs(ratio - 1) < 1e-12:
        return np.asarray(m1 * t / (m1 + m0))
    # (ratio - 1) e^2 - (ratio (m1 + t) + m0 - t) e + ratio m1 t = 0, the root that fits into the table
    q = ratio * (m1 + t) + m0 - t
    root = np.sqrt(np.maximum(q**2 - 4 * (ratio - 1) * ratio * m1 * t, 0.0))
    # Of the two ways to write the root, the one whose sum does not cancel; q below 0 has a ratio below 1.
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(q >= 0, 2 * ratio * m1 * t / (q + root), (q - root) / (2 * (ratio - 1))))


def fit_peto(x1: ArrayLike, n1: ArrayLike, x0: ArrayLike, n0: ArrayLike, *, level: float = 0.95) -> PooledTables:
    """Peto's one-step log odds ratio, (MA-22): for rare events and arms of about equal size, biased away from that.

    Source: Yusuf, Peto, Lewis, Collins and Sleight (1985) Prog Cardiovasc Dis 27:335.
    """
    counts = Counts.of(x1, n1, x0, n0)
    a, _, c, _ = counts.cells
    m1, m0 = counts.n_experimental, counts.n_reference
    n, t = m1 + m0, a + c
    variance = m1 * m0 * t * (n - t) / (n**2 * (n - 1))
    keep = variance > 0
    excess = (a - m1 * t / n)[keep]
    variance = variance[keep]
    if variance.size == 0:
        return no_answer("odds_ratio", "Peto", level)
    effects = excess / variance
    estimate = float(excess.sum() / variance.sum())
    return normal_tables(
        estimate, 1 / float(variance.sum()), level, ("odds_ratio", "Peto", int(keep.sum())), own=(effects, 1 / variance)
    )


def table_variance(m1: FloatArray, m0: FloatArray, t: FloatArray, expected: FloatArray) -> FloatArray:
    """Large-sample variance of the events in the experimental arm about ``expected``, margins held."""
    return np.asarray(1 / (1 / expected + 1 / (m1 - expected) + 1 / (t - expected) + 1 / (m0 - t + expected)))


def normal_tables(
    estimate: float,
    variance: float,
    level: float,
    label: tuple[str, str, int],
    *,
    own: tuple[FloatArray, FloatArray] | None = None,
    details: dict[str, float] | None = None,
) -> PooledTables:
    """A pooled effect with normal limits; ``label`` is scale, method, number of tables; ``own`` each table's effect."""
    scale, method, k = label
    if not math.isfinite(estimate) or not math.isfinite(variance) or variance <= 0:
        return no_answer(scale, method, level, k, details)
    error = math.sqrt(variance)
    half = normal_quantile(level) * error
    q = q_p = None
    df = None
    if own is not None:
        effects, variances = own
        known = np.isfinite(effects) & np.isfinite(variances) & (variances > 0)
        if known.sum() > 1:
            q = float(((effects[known] - estimate) ** 2 / variances[known]).sum())
            df = int(known.sum()) - 1
            q_p = float(chi_square_p(np.asarray(q), df))
    p = float(2 * special.ndtr(-abs(estimate / error)))
    return PooledTables(
        estimate, error, estimate - half, estimate + half, p, level, scale, method, k, q, df, q_p, details
    )


def no_answer(
    scale: str, method: str, level: float, k: int = 0, details: dict[str, float] | None = None
) -> PooledTables:
    """Tables that hold no estimate."""
    nan = math.nan
    return PooledTables(nan, nan, nan, nan, nan, level, scale, method, k, details=details)
