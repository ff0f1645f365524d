"""Is a likelihood unbounded? A small linear programme that proves it one way or the other.

The log likelihoods of logistic and Cox regression are concave and have no finite maximum exactly when a direction
beta exists along which no contribution falls and at least one rises for ever: ``rows @ beta >= 0`` and not all zero,
where a row is ``(2y - 1) x`` for logistic regression (Albert and Anderson 1984) and ``x_event - x_at_risk`` for Cox
(Jacobsen 1989). By Stiemke's lemma no such direction exists exactly when weights ``w >= 1`` exist with
``rows.T @ w = 0``; phase one of the simplex method looks for these weights and, when there are none, its multipliers
are the direction. Either answer comes with a certificate, and the direction is checked before it is believed.

This runs only for fits that a cheap look has made suspect.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from equipoise.stats.kernels.compile import kernel
from equipoise.stats.packing import FloatArray, IntArray, run_over_trials

# Slack below which a row (scaled to largest entry 1) counts as unchanged along a direction (scaled alike).
_FLAT = 1e-8
# Reduced costs and pivots smaller than this are rounding.
_ROUNDING = 1e-10


@kernel(
    "void(float64[:, ::1], int64[::1], int64, int64, boolean[::1], int8[:, ::1])",
)
def _recession_range(rows, offsets, begin, end, rising, direction):  # type: ignore[no-untyped-def]
    """Mark the rows of problems ``begin:end`` on which the likelihood can rise for ever.

    ``rising`` (n_rows,) and ``direction`` (n_problems, p) come in as zeros. Directions are found one after the other,
    each on the rows that the earlier ones left flat, so the rows marked are as many as can be.
    """
    p = rows.shape[1]
    scale = np.empty(p)
    sign = np.empty(p)
    beta = np.empty(p)
    basis = np.empty(p, dtype=np.int64)
    for problem in range(begin, end):
        first = offsets[problem]
        m = offsets[problem + 1] - first
        width = m + p + 1
        right = m + p
        # Last row of the table: reduced costs. Columns: one a row of the problem, p artificial ones, the right side.
        table = np.empty((p + 1, width))
        found = True
        while found:
            found = False
            for j in range(p):
                scale[j] = 0.0
                for i in range(m):
                    if not rising[first + i]:
                        scale[j] = max(scale[j], abs(rows[first + i, j]))
                if scale[j] == 0.0:
                    scale[j] = 1.0
            for j in range(p + 1):
                for k in range(width):
                    table[j, k] = 0.0
            n_kept = 0
            for i in range(m):
                largest = 0.0
                if not rising[first + i]:
                    for j in range(p):
                        largest = max(largest, abs(rows[first + i, j]) / scale[j])
                if largest > 0.0:
                    n_kept += 1
                    for j in range(p):
                        table[j, i] = rows[first + i, j] / scale[j] / largest
                        table[j, right] -= table[j, i]
            if n_kept == 0:
                break
            for j in range(p):
                sign[j] = 1.0
                if table[j, right] < 0.0:
                    sign[j] = -1.0
                for k in range(width):
                    table[j, k] *= sign[j]
                    table[p, k] -= table[j, k]
                table[j, m + j] = 1.0
                basis[j] = m + j

            n_pivots = 0
            while n_pivots < 200 * (p + 1) + 20 * m:
                entering = -1
                lowest = -_ROUNDING
                for k in range(m):
                    if table[p, k] < lowest:
                        entering = k
                        # Steepest first; after many pivots the first index, which cannot cycle (Bland 1977).
                        if n_pivots > 30 * (p + 1):
                            break
                        lowest = table[p, k]
                if entering < 0:
                    break
                leaving = -1
                best = np.inf
                for j in range(p):
                    if table[j, entering] > _ROUNDING:
                        ratio = table[j, right] / table[j, entering]
                        if ratio < best or (ratio == best and basis[j] < basis[leaving]):
                            best = ratio
                            leaving = j
                if leaving < 0:
                    break
                pivot = table[leaving, entering]
                for k in range(width):
                    table[leaving, k] /= pivot
                for j in range(p + 1):
                    factor = table[j, entering]
                    if j != leaving and factor != 0.0:
                        for k in range(width):
                            table[j, k] -= factor * table[leaving, k]
                basis[leaving] = entering
                n_pivots += 1

            # The artificial columns' costs are 1 minus the multipliers; the multipliers reversed are the direction.
            size = 0.0
            for j in range(p):
                beta[j] = -sign[j] * (1.0 - table[p, m + j])
                size = max(size, abs(beta[j]))
            if -table[p, right] <= 1e-9 * n_kept or size == 0.0:
                break
            falls = False
            for i in range(m):
                largest = 0.0
                gain = 0.0
                if not rising[first + i]:
                    for j in range(p):
                        largest = max(largest, abs(rows[first + i, j]) / scale[j])
                        gain += rows[first + i, j] / scale[j] * (beta[j] / size)
                table[0, i] = gain / largest if largest > 0.0 else 0.0
                if table[0, i] < -_FLAT:
                    falls = True
            if falls:
                break
            for i in range(m):
                if table[0, i] > _FLAT:
                    rising[first + i] = True
                    found = True
            for j in range(p):
                if direction[problem, j] == 0 and abs(beta[j]) > _FLAT * size:
                    direction[problem, j] = 1 if beta[j] > 0.0 else -1


@dataclass(frozen=True)
class Recessions:
    """What :func:`find_recession` found of each packed problem; p columns."""

    n_rising: IntArray  # (n_problems,) rows that can rise for ever; 0 means that the maximum is finite
    infinite: NDArray[np.bool_]  # (n_problems, p) coefficients without a finite maximiser
    direction: NDArray[np.int8]  # (n_problems, p) their signs; 0 where the data leave them undetermined
    rising: NDArray[np.bool_]  # (n_rows,)


def find_recession(rows: FloatArray, offsets: IntArray, *, threads: int | None = None) -> Recessions:
    """For each packed problem: rows that can rise for ever, coefficients without a finite maximiser, their signs.

    ``rows`` (n_rows, p), ``offsets`` (n_problems + 1,). All rows rising is complete separation. A coefficient is
    infinite unless the rows that stay flat determine it; its direction is the sign found first.
    """
    n, p = offsets.shape[0] - 1, rows.shape[1]
    rising = np.zeros(rows.shape[0], dtype=np.bool_)
    direction = np.zeros((n, p), dtype=np.int8)
    packed = np.ascontiguousarray(rows)
    run_over_trials(
        lambda begin, end: _recession_range(packed, offsets, begin, end, rising, direction), n, threads=threads
    )
    infinite = np.zeros((n, p), dtype=np.bool_)
    before = np.concatenate([[0], np.cumsum(rising)])
    n_rising = np.diff(before[offsets])
    some = np.flatnonzero(n_rising)
    flat = np.where(rising[:, None], 0.0, packed)
    infinite[some] = _undetermined_each([flat[offsets[k] : offsets[k + 1]] for k in some], p)
    direction[~infinite] = 0
    return Recessions(n_rising, infinite, direction, rising)


def _undetermined_each(problems: list[FloatArray], p: int) -> NDArray[np.bool_]:
    """(n, p) :func:`_undetermined` of each problem; by products of the columns where those leave no doubt."""
    out = np.zeros((len(problems), p), dtype=np.bool_)
    if not problems:
        return out
    size = np.array([np.abs(rows).max(axis=0, initial=0.0) for rows in problems])
    size = np.where(size > 0.0, size, 1.0)
    gram = np.array([rows.T @ rows for rows in problems]) / (size[:, :, None] * size[:, None, :])
    values, vectors = np.linalg.eigh(gram)
    share = values / np.maximum(values[:, -1:], 1e-300)
    free = share < 1e-14
    touched = np.abs(np.where(free[:, None, :], vectors, 0.0)).max(axis=2)
    out[:] = touched > 1e-7
    # Squaring hides singular values below a ten-millionth; those are looked at again, as are rows that are all zero.
    doubtful = (~free & (share < 1e-9)).any(axis=1) | (values[:, -1] <= 0.0)
    for k in np.flatnonzero(doubtful):
        out[k] = undetermined_columns(problems[k])
    return out


def undetermined_columns(rows: FloatArray) -> NDArray[np.bool_]:
    """Columns whose coefficient the equations ``rows @ beta`` leave free: those the null space touches."""
    p = rows.shape[1]
    size = np.abs(rows).max(axis=0, initial=0.0)
    scaled = rows / np.where(size > 0.0, size, 1.0)
    if rows.shape[0] == 0:
        return np.ones(p, dtype=np.bool_)
    _, values, right = np.linalg.svd(np.vstack([scaled, np.zeros((p, p))]), full_matrices=False)
    null = right[values <= 1e-9 * max(values[0], 1e-300)]
    return np.asarray(np.abs(null).max(axis=0, initial=0.0) > 1e-7)
