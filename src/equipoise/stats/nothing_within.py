"""A linear mixed model of people whose scores hardly change but for what all share: its limit, in closed form.

The likelihood rises without bound as the residual variance falls to zero. What the columns that change within people
explain is least squares within people; what is left is one number a person, and least squares over people: (LMM-10).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from equipoise.stats.packing import FloatArray, IntArray

# What is left within people, beside how much the outcome varies, up to which it is the rounding of the file.
_ROUNDING = 1e-10
# Spread within people, beside that between them, up to which the limit is right to a millionth.
_NEAR = 1e-3


@dataclass(frozen=True)
class LimitFit:
    """Coefficients (p,), and their covariance (p, p) in two parts, each of a variance of its own with its df."""

    coefficients: FloatArray
    between: FloatArray
    within: FloatArray
    variance_between: float
    variance_within: float  # 0 where nothing changes within people
    df_between: int
    df_within: int


def fit_limit(
    y: FloatArray, design: FloatArray, offsets: IntArray, *, reml: bool = True, exact: bool = False
) -> LimitFit | None:
    """The limit for one trial whose rows lie person by person; ``None`` where scores do change within people.

    Also where nobody has two rows, where nothing is left between people, or where there are too few of them. With
    ``exact`` nothing at all may change. ``design`` (rows, p) has columns that the rows tell apart.
    """
    sizes = np.diff(offsets)
    n = sizes.size
    if n == 0 or sizes.min() < 1 or sizes.max() < 2:
        return None
    who = np.repeat(np.arange(n), sizes)
    mean_y = np.add.reduceat(y, offsets[:-1]) / sizes
    mean_x = np.add.reduceat(design, offsets[:-1], axis=0) / sizes[:, None]
    within_y, within_x = y - mean_y[who], design - mean_x[who]
    # Each column by its own length, so that a rank does not hang on units.
    length = np.linalg.norm(design, axis=0)
    length[length == 0.0] = 1.0
    left, values, right = np.linalg.svd(within_x / length, full_matrices=True)
    rank = int((values > 1e-9).sum())
    back = right[:rank].T / values[:rank] / length[:, None]
    inside = back @ (left[:, :rank].T @ within_y)
    free = right[rank:].T / length[:, None]  # what the columns within people leave open
    x, rest = mean_x @ free, mean_y - mean_x @ inside
    df_between, df_within = n - free.shape[1], y.size - n - rank
    if df_between < 1 or np.linalg.matrix_rank(x) < free.shape[1]:
        return None
    found = np.linalg.lstsq(x, rest, rcond=None)[0]
    residual, noise = rest - x @ found, within_y - within_x @ inside
    df_between = df_between if reml else n
    variance = float(residual @ residual) / df_between
    spread = float(np.ptp(y))
    if not spread > 0.0 or not variance > (_ROUNDING * spread) ** 2:
        return None
    is_exact = bool(np.abs(noise).max() <= _ROUNDING * spread)
    rest_variance = 0.0 if is_exact or df_within < 1 else float(noise @ noise) / df_within
    if not is_exact and (exact or df_within < 1 or rest_variance > _NEAR**2 * variance):
        return None
    # A coefficient within people shifts the people's means, and with them what is left between.
    carried = free @ np.linalg.lstsq(x, mean_x @ back, rcond=None)[0] - back
    between = variance * (free @ np.linalg.inv(x.T @ x) @ free.T)
    known = np.abs(free * length[:, None]).max(axis=1, initial=0.0) < 1e-9
    between[known], between[:, known] = 0.0, 0.0
    return LimitFit(
        inside + free @ found,
        between,
        rest_variance * (carried @ carried.T),
        variance,
        rest_variance,
        df_between,
        max(df_within, 1),
    )
