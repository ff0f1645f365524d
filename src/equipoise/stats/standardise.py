"""Designs centred and scaled once, before anything is squared: no answer depends on where a covariate has its zero.

A calendar year of 2020 beside a column of ones is nearly that column again, and what is squared loses twice the digits.
Columns far from zero for their spread are taken about their mean, in standard deviations, within each trial; the fit is
made there and its coefficients are told in the caller's units. Other columns are left as they are, to the last bit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from equipoise.stats.packing import FloatArray, IntArray, run_over_trials


@dataclass(frozen=True)
class Standardised:
    """A design (n_rows, p) with its far columns standardised, and the way back for the trials that have any."""

    design: FloatArray
    trials: IntArray  # (k,) those with a far column
    shift: FloatArray  # (k, p) means taken off; 0 where a column was left alone
    scale: FloatArray  # (k, p) standard deviations; 1 where a column was left alone
    constant: IntArray  # (k,) the column of ones, which takes up what the means were worth

    def outwards(self, coefficients: FloatArray, covariance: FloatArray | None = None) -> None:
        """Turn coefficients (n_trials, p) and their covariance into those of the caller's columns, in place."""
        for place, trial in enumerate(self.trials):
            back = self._matrix(place)
            coefficients[trial] = _times(back, coefficients[trial])
            if covariance is not None:
                covariance[trial] = _times(back, _times(back, covariance[trial]).T)

    def inwards(self, coefficients: FloatArray, covariance: FloatArray | None = None) -> None:
        """The other way round, in place."""
        for place, trial in enumerate(self.trials):
            into = np.asarray(np.linalg.inv(self._matrix(place)), dtype=np.float64)
            coefficients[trial] = _times(into, coefficients[trial])
            if covariance is not None:
                covariance[trial] = _times(into, _times(into, covariance[trial]).T)

    def unit_of(self, column: int, n_trials: int) -> FloatArray:
        """(n_trials,) what one unit of the fitted column is in the caller's units."""
        out = np.ones(n_trials)
        out[self.trials] = self.scale[:, column]
        return out

    def _matrix(self, place: int) -> FloatArray:
        out = np.diag(1.0 / self.scale[place])
        out[self.constant[place]] -= self.shift[place] / self.scale[place]
        return np.asarray(out)


def _times(matrix: FloatArray, values: FloatArray) -> FloatArray:
    """``matrix @ values`` where a value that is not there spoils only the sums that need it."""
    if np.isfinite(values).all():
        return np.asarray(matrix @ values)
    right = values if values.ndim == 2 else values[:, None]
    spoiled = (np.abs(matrix) > 0.0).astype(np.float64) @ ~np.isfinite(right) > 0.0
    out = matrix @ np.where(np.isfinite(right), right, 0.0)
    out[spoiled] = np.nan
    return np.asarray(out if values.ndim == 2 else out[:, 0])


def standardise(design: FloatArray, offsets: IntArray, *, threads: int | None = None) -> Standardised:
    """The design of a batch, trial ``k`` owning rows ``offsets[k]:offsets[k + 1]``, with far columns standardised.

    ``design`` (n_rows, p) is returned itself where no column is far. Rows that are not finite stay as they are.
    """
    from equipoise.stats.kernels.far_columns import find_far_range

    n, p = offsets.shape[0] - 1, design.shape[1]
    shift, scale = np.zeros((n, p)), np.ones((n, p))
    constant = np.full(n, -1, dtype=np.int64)
    run_over_trials(
        lambda begin, end: find_far_range(design, offsets, begin, end, shift, scale, constant), n, threads=threads
    )
    far = np.flatnonzero((scale != 1.0).any(axis=1) | (shift != 0.0).any(axis=1))
    if not far.size:
        return Standardised(design, far, shift[:0], scale[:0], constant[:0])
    out = design.copy()
    for trial in far:
        rows = slice(int(offsets[trial]), int(offsets[trial + 1]))
        out[rows] = (design[rows] - shift[trial]) / scale[trial]
    return Standardised(out, far, shift[far], scale[far], constant[far])


def as_it_is(design: FloatArray) -> Standardised:
    """A design whose columns are taken as they are."""
    p = design.shape[1]
    none = np.empty(0, dtype=np.int64)
    return Standardised(design, none, np.empty((0, p)), np.empty((0, p)), none)
