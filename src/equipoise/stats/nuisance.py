"""What of a design the rows leave undetermined, and regressions of one trial made without it.

A column that repeats others (a level that nobody has, a covariate that is the same for all) leaves its own coefficient
without a value, and perhaps those of the columns it repeats; all others are as they would be without it. A regression
is refused only where the coefficient it is for, the arm's, is among those without a value.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise.stats.codes import FitCode, has, mark
from equipoise.stats.kernels.linear_algebra import find_aliased_columns
from equipoise.stats.kernels.separation import undetermined_columns
from equipoise.stats.packing import FloatArray, IntArray
from equipoise.stats.wald import BoolArray

SEPARATED = FitCode.SEPARATION_COMPLETE | FitCode.SEPARATION_QUASI
# Codes of a fit that columns which repeat others may have brought about.
_OF_COLUMNS = FitCode.RANK_DEFICIENT | FitCode.TOO_FEW_PARTICIPANTS


@dataclass(frozen=True)
class ToldApart:
    """Of p columns: those to fit, and those whose coefficient the rows determine."""

    kept: BoolArray  # (p,) each of them told apart by the rows; of columns that repeat one another the first
    told: BoolArray  # (p,) the coefficient has a value, whichever of the repeating columns are kept


def tell_apart(rows: FloatArray) -> ToldApart:
    """Which columns of ``rows`` (n, p) to fit, and which coefficients the rows determine."""
    p = rows.shape[1]
    aliased = np.zeros(p, dtype=np.bool_)
    find_aliased_columns(np.ascontiguousarray(rows), 0, rows.shape[0], p, aliased)
    return ToldApart(~aliased, ~undetermined_columns(rows))


def runaway_rows(y: FloatArray, design: FloatArray) -> tuple[BoolArray, BoolArray]:
    """Rows (n,) whose outcome a separated logistic model foretells in its limit, and columns (p,) that run off."""
    from equipoise.stats.logistic import BinomialInput, detect_separation

    data = BinomialInput.of(y, design, np.array([0, y.shape[0]]), None)
    found = detect_separation(data, np.array([0]), threads=1)
    return found.rising, found.infinite[0]


def refit_without_nuisance(
    fits: Any,
    y: FloatArray,
    design: FloatArray,
    participant_offsets: IntArray,
    trial_offsets: IntArray,
    column: int | None,
    fit: Callable[[FloatArray, FloatArray, IntArray, IntArray], Any],
) -> None:
    """Fit again, without the columns and rows that say nothing of ``column``, the trials that these cost an answer.

    ``fits`` is a dataclass of arrays with one entry a trial, changed in place; what belongs to a column is NaN where
    its coefficient has no value. ``fit`` takes outcomes, design, participant offsets and rows (positions in ``y``) of
    one trial.
    """
    if column is None:
        return
    for trial in np.flatnonzero(has(fits.codes, _OF_COLUMNS | SEPARATED)):
        people = slice(int(trial_offsets[trial]), int(trial_offsets[trial + 1]) + 1)
        bounds = participant_offsets[people]
        rows = np.arange(bounds[0], bounds[-1], dtype=np.int64)
        x = design[rows]
        if not rows.size or not np.isfinite(x).all():
            continue
        sizes = np.diff(bounds)
        if has(fits.codes[trial : trial + 1], SEPARATED)[0]:
            rising, infinite = runaway_rows(y[rows], x)
            if infinite[column] or not rising.any():
                continue
            owner = np.repeat(np.arange(sizes.size), sizes)
            sizes = np.bincount(owner[~rising], minlength=sizes.size)
            rows, x = rows[~rising], x[~rising]
        columns = tell_apart(x)
        if columns.kept.all() and rows.size == bounds[-1] - bounds[0]:
            continue
        if not columns.told[column]:
            mark(fits.codes, np.array([trial]), FitCode.RANK_DEFICIENT | FitCode.NOT_ESTIMABLE)
            continue
        offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        found = fit(y[rows], np.ascontiguousarray(x[:, columns.kept]), offsets, rows)
        _write(fits, found, int(trial), columns)


# Axes of the arrays of fits, that of trials not counted, which have an entry for each column.
_COLUMN_AXES: dict[str, tuple[int, ...]] = {
    "coefficients": (0,),
    "covariance": (0, 1),
    "covariance_kenward_roger": (0, 1),
    "covariance_sandwich": (0, 1),
    "covariance_mancl_derouen": (0, 1),
    "joint_covariance": (0, 1),  # and one entry more, of the standard deviation
    "df": (0,),
    "covariance_jacobian": (1, 2),
}


def _write(fits: Any, found: Any, trial: int, columns: ToldApart) -> None:
    """Put the one trial of ``found`` where it belongs among ``fits``."""
    p = columns.kept.shape[0]
    silent = np.flatnonzero(~columns.told)
    for each in fields(fits):
        target = getattr(fits, each.name)
        if not isinstance(target, np.ndarray) or each.name in ("codes", "aliased", "kept"):
            continue
        source = getattr(found, each.name)[0]
        axes = _COLUMN_AXES.get(each.name, ())
        whole: NDArray[Any] = np.full(target.shape[1:], np.nan)
        index = []
        for axis, length in enumerate(target.shape[1:]):
            own = np.append(np.flatnonzero(columns.kept), np.arange(p, length))
            index.append(own if axis in axes else np.arange(length))
        if not axes:
            target[trial] = source
            continue
        whole[np.ix_(*index)] = source
        for axis in axes:
            whole[(slice(None),) * axis + (silent,)] = np.nan
        target[trial] = whole
    fits.kept[trial] = columns.kept
    fits.codes[trial] = found.codes[0]
    if not has(found.codes, FitCode.NOT_ESTIMABLE)[0]:
        mark(fits.codes, np.array([trial]), FitCode.NUISANCE_LEFT_OUT)
