"""Designs of imputation models made ready: columns that repeat others left out, numbers centred and scaled.

Drawn coefficients come from the Cholesky factor of an information matrix. With a calendar year among the columns that
matrix is nearly singular, and with the column of a level that nobody has it is: the fit would be held by a prior or a
ridge, which moves the arm too. On the columns made ready neither unit nor origin of a covariate matters; the draws are
those of the columns given, since the factor goes with any change that adds earlier columns to later ones.

>>> import numpy as np
>>> year = np.array([2001.0, 2002.0, 2004.0, 2005.0])
>>> ready = prepare_design(np.column_stack([np.ones(4), [0, 1, 0, 1], year, np.zeros(4)]), np.array([0, 4]))
>>> ready.kept.tolist(), bool(abs(ready.z[:, 2].sum()) < 1e-12)
([[True, True, True, False]], True)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from equipoise.stats.packing import FloatArray, IntArray
from equipoise.stats.wald import BoolArray

# A number that varies by less than this of its size is constant: what it varies by is the rounding of the file.
_ROUNDING = 1e-12


@dataclass(frozen=True)
class PreparedDesign:
    """Of T trials with q columns: the columns made ready, which of them the rows tell apart, and the way back."""

    z: FloatArray  # (n, q)
    kept: BoolArray  # (T, q) of columns that repeat one another the first
    centre: FloatArray  # (T, q)
    scale: FloatArray  # (T, q)

    def as_given(self, coefficients: FloatArray, trials: IntArray) -> None:
        """Coefficients (len(trials), ..., q) of the columns made ready into those of the columns given, in place."""
        shape = (trials.size, *(1,) * (coefficients.ndim - 2), coefficients.shape[-1])
        coefficients /= self.scale[trials].reshape(shape)
        coefficients[..., 0] -= (coefficients * self.centre[trials].reshape(shape)).sum(axis=-1)


def prepare_design(design: FloatArray, offsets: IntArray, *, always: int | None = None) -> PreparedDesign:
    """Each trial's columns: numbers to mean 0 and standard deviation 1, two-valued ones 0 and 1 as they are.

    Numbers are centred beside a column of ones alone (the first). ``always`` is a column that is kept even where it
    repeats another.
    """
    from equipoise.stats.kernels.linear_algebra import find_aliased_columns

    n_trials, q = offsets.shape[0] - 1, design.shape[1]
    z = np.array(design, dtype=np.float64, order="C")
    kept, centre, scale = np.ones((n_trials, q), dtype=np.bool_), np.zeros((n_trials, q)), np.ones((n_trials, q))
    numbers = np.flatnonzero(((z != 0.0) & (z != 1.0)).any(axis=0))
    aliased = np.zeros(q, dtype=np.bool_)
    for trial in range(n_trials):
        first, stop = int(offsets[trial]), int(offsets[trial + 1])
        if first == stop:
            continue
        part = z[first:stop]
        if (part[:, 0] == 1.0).all():
            for j in numbers:
                centre[trial, j], scale[trial, j] = _standardise(part[:, j])
        find_aliased_columns(z, first, stop, q, aliased)
        kept[trial] = ~aliased
    if always is not None:
        kept[:, always] = True
    return PreparedDesign(z, kept, centre, scale)


def _standardise(column: FloatArray) -> tuple[float, float]:
    """Centre and scale a column in place, to zeros where it is constant; returns its centre and scale."""
    if ((column == 0.0) | (column == 1.0)).all():
        return 0.0, 1.0
    middle = float(np.sort(column).mean())  # sorted, that the order of the rows does not matter to the last digit
    spread = float(np.sqrt((np.sort(column - middle) ** 2).mean()))
    if spread <= _ROUNDING * abs(middle):
        column[:] = 0.0
        return middle, 1.0
    column -= middle
    column /= spread
    return middle, spread
