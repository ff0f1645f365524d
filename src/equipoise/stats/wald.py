"""What every regression's coefficients share: Wald statistics, limits, and turning inputs into kernel arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from equipoise.stats.packing import FloatArray, IntArray

CodeArray = NDArray[np.uint32]
BoolArray = NDArray[np.bool_]


def normal_quantile(level: float) -> float:
    """Half-width in standard errors of a two-sided normal interval of confidence ``level`` (0 < level < 1)."""
    if not 0.0 < level < 1.0:
        raise ValueError(f"level must lie between 0 and 1, got {level}")
    return float(-special.ndtri(0.5 * (1.0 - level)))


def two_sided_p(z: FloatArray) -> FloatArray:
    """Two-sided normal p value of ``z``; NaN stays NaN."""
    return np.asarray(2.0 * special.ndtr(-np.abs(z)), dtype=np.float64)


def chi_square_p(statistic: FloatArray, df: float | NDArray[Any]) -> FloatArray:
    """Upper tail of chi-square; NaN stays NaN."""
    return np.asarray(special.chdtrc(df, statistic), dtype=np.float64)


def diagonal_errors(covariance: FloatArray) -> FloatArray:
    """Standard errors (n_trials, p) from covariances (n_trials, p, p)."""
    return np.asarray(np.sqrt(np.diagonal(covariance, axis1=1, axis2=2)), dtype=np.float64)


def _owned(values: NDArray[Any]) -> NDArray[Any]:
    """Row-major and writable, as compiled kernels demand of every array; copies only when it must."""
    return np.require(values, requirements=["C", "W"])


def as_vector(values: ArrayLike, name: str, n: int | None = None) -> FloatArray:
    """One-dimensional contiguous float64, of length ``n`` if given; ValueError otherwise."""
    out = _owned(np.atleast_1d(np.asarray(values, dtype=np.float64)))
    if out.ndim != 1 or (n is not None and out.shape[0] != n):
        raise ValueError(f"{name} must be one-dimensional with {n} values, got shape {out.shape}")
    return out


def as_integers(values: ArrayLike, name: str, n: int) -> IntArray:
    """One-dimensional contiguous int64 of length ``n``; ValueError if values are not whole numbers."""
    raw = np.asarray(values)
    out = _owned(raw.astype(np.int64, copy=False))
    if out.ndim != 1 or out.shape[0] != n or not np.array_equal(out, raw):
        raise ValueError(f"{name} must be {n} whole numbers, got shape {raw.shape} of {raw.dtype}")
    return out


def as_design(design: ArrayLike, n: int) -> FloatArray:
    """Contiguous float64 (n, p); a vector becomes one column."""
    out = np.asarray(design, dtype=np.float64)
    if out.ndim == 1:
        out = out[:, None]
    if out.ndim != 2 or out.shape[0] != n or out.shape[1] < 1:
        raise ValueError(f"design must have {n} rows and at least one column, got shape {out.shape}")
    return _owned(out)


def as_complete_design(design: ArrayLike, n: int) -> FloatArray:
    """As :func:`as_design`; ValueError too where a cell of an imputation model's design is no number."""
    z = as_design(design, n)
    if not np.isfinite(z).all():
        raise ValueError("the design of an imputation model must be complete")
    return z


def as_offsets(offsets: ArrayLike, n: int) -> IntArray:
    """Offsets checked to begin at 0, never fall, and end at ``n``."""
    out = _owned(np.asarray(offsets, dtype=np.int64))
    if out.ndim != 1 or out.shape[0] < 1 or out[0] != 0 or out[-1] != n or np.any(np.diff(out) < 0):
        raise ValueError(f"offsets must rise from 0 to the number of rows ({n})")
    return out


class WaldFits:
    """Mixin: Wald statistics for fits with ``coefficients`` (n_trials, p) and ``covariance`` (n_trials, p, p)."""

    coefficients: FloatArray
    covariance: FloatArray

    @property
    def standard_errors(self) -> FloatArray:
        """(n_trials, p); NaN where not estimable."""
        return diagonal_errors(self.covariance)

    @property
    def z(self) -> FloatArray:
        """Wald statistics (n_trials, p)."""
        return self.coefficients / self.standard_errors

    @property
    def p_values(self) -> FloatArray:
        """Two-sided Wald p values (n_trials, p)."""
        return two_sided_p(self.z)

    def wald_limits(self, level: float = 0.95) -> FloatArray:
        """Wald limits (n_trials, p, 2), lower before upper, on the scale of the coefficients."""
        half = normal_quantile(level) * self.standard_errors
        return np.stack([self.coefficients - half, self.coefficients + half], axis=-1)

    def contrast(self, weights: ArrayLike) -> tuple[FloatArray, FloatArray]:
        """Estimate and standard error (n_trials,) of the linear combination ``weights @ coefficients``."""
        c = np.asarray(weights, dtype=np.float64)
        variance = np.einsum("i,tij,j->t", c, self.covariance, c)
        return self.coefficients @ c, np.sqrt(variance)
