"""Multiple imputation of repeated scores, at random or by reference. Methods: ``docs/methods/reference_based.md``.

Scores of a participant are multivariate normal around means by visit and arm. Written as one regression a visit on the
scores before it, the posterior distribution is drawn exactly; what is missing is drawn given everything that was seen.

>>> import numpy as np
>>> from equipoise.stats.normal_imputation import impute_normal
>>> scores = np.array([[1.0, 2.0], [2.0, 3.5], [3.0, np.nan], [0.5, 1.0], [2.5, 3.0], [1.5, 2.5]])
>>> made = impute_normal(scores, np.ones((6, 1)), imputations=4, seed=1)
>>> made.values.shape, bool(np.isfinite(made.values).all())
((4, 6, 2), True)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from equipoise.foundation.seeds import normals, uniforms
from equipoise.stats._wald import CodeArray, as_design
from equipoise.stats.codes import FitCode
from equipoise.stats.multiple_imputation import DEFAULT_SWEEPS, imputation_address
from equipoise.stats.packing import FloatArray
from equipoise.stats.reference_based import STRATEGIES, shifted_means

PURPOSE_REGRESSION = 1011
PURPOSE_SPREAD = 1012
PURPOSE_SCORE = 1013
# Numbers held at once by a chunk of data sets (about 40 MB).
_HELD = 5_000_000
# With fewer degrees of freedom than this a visit's regression is held by a ridge of one in a thousand of the spread.
_FEW = 3
_TINY = 1e-200


@dataclass(frozen=True, slots=True)
class NormalImputations:
    """M completed data sets of n participants and V visits."""

    values: FloatArray
    """(M, n, V)"""
    missing: NDArray[np.bool_]
    """(n, V): the imputed cells."""
    means: FloatArray
    """(M, q, V): drawn coefficients of the visit means on the design."""
    covariance: FloatArray
    """(M, V, V): drawn covariance of the visits."""
    sweeps: int
    codes: CodeArray
    """(M,)"""


def impute_normal(
    values: ArrayLike,
    design: ArrayLike,
    *,
    imputations: int,
    seed: int,
    replicate: int = 0,
    first: int = 0,
    delta: ArrayLike | None = None,
    strategy: str = "at-random",
    arm_column: int | None = None,
    sweeps: int | None = None,
) -> NormalImputations:
    """Impute repeated scores ``imputations`` times, eq. (MI-6) to (MI-9).

    Parameters
    ----------
    values : (n, V) scores in the order of visits, NaN where missing.
    design : (n, q) ones, arm, baseline variables; each visit has coefficients of its own on every column.
    imputations, first, seed, replicate : as in :func:`~equipoise.stats.multiple_imputation.impute_binary`.
    delta : (n,) added to a participant's imputed scores, each by itself, after they have been drawn.
    strategy : what is assumed after the last score seen: ``at-random``, ``jump-to-reference``, ``copy-reference`` or
        ``copy-increments``, eq. (RB-1) to (RB-4). Gaps before it are always at random.
    arm_column : the column of the design that is 0 in the reference arm; needed by a reference-based strategy.
    sweeps : of data augmentation; 1 where nobody has a gap, otherwise ten, by default.

    Assumes normal scores with one covariance for both arms. A visit with hardly more rows than coefficients is held by
    a small ridge and coded. A visit at which nobody has a score says nothing and stays NaN, also in means and
    covariance. Raises ValueError when shapes disagree.

    Source: Schafer (1997), sections 5.3 and 6.5; Carpenter, Roger, Kenward (2013), J Biopharm Stat 23:1352.
    """
    y = np.array(values, dtype=np.float64)
    if y.ndim != 2:
        raise ValueError("values must be (participants, visits)")
    n, n_visits = y.shape
    z = as_design(design, n)
    if strategy not in STRATEGIES:
        raise ValueError(f"unknown strategy {strategy!r}")
    if strategy != "at-random" and arm_column is None:
        raise ValueError("a reference-based strategy needs the column of the arm")
    shift = np.zeros(n) if delta is None else np.broadcast_to(np.asarray(delta, dtype=np.float64), (n,))
    missing = np.isnan(y)
    there = np.asarray((~missing).any(axis=0))
    if not there.all():
        return _without_empty_visits(
            y, z, there, imputations=imputations, seed=seed, replicate=replicate, first=first,
            delta=delta, strategy=strategy, arm_column=arm_column, sweeps=sweeps,
        )  # fmt: skip
    last = np.where(~missing, np.arange(n_visits), -1).max(axis=1, initial=-1)
    gaps = missing & (np.arange(n_visits) < last[:, None])
    n_sweeps = sweeps if sweeps is not None else (DEFAULT_SWEEPS if gaps.any() else 1)
    chunk = max(1, min(imputations, _HELD // (n * (z.shape[1] + n_visits))))
    made = [
        _impute_chunk(
            y, z, missing, gaps, last, np.arange(begin, min(begin + chunk, first + imputations)), seed, replicate,
            shift, strategy, arm_column, n_sweeps,
        )
        for begin in range(first, first + imputations, chunk)
    ]  # fmt: skip
    out, means, covariance, held = (np.concatenate(parts) for parts in zip(*made, strict=True))
    codes = np.where(held, int(FitCode.IMPUTATION_PENALISED), 0).astype(np.uint32)
    return NormalImputations(out, missing, means, covariance, n_sweeps, codes)


def _without_empty_visits(
    y: FloatArray, z: FloatArray, there: NDArray[np.bool_], *, imputations: int, **options: Any
) -> NormalImputations:
    """The imputations of the visits that are ``there``; NaN for those at which nobody has a score."""
    n_visits, q = y.shape[1], z.shape[1]
    values = np.full((imputations, *y.shape), np.nan)
    means = np.full((imputations, q, n_visits), np.nan)
    covariance = np.full((imputations, n_visits, n_visits), np.nan)
    codes, sweeps = np.zeros(imputations, dtype=np.uint32), 1
    if there.any():
        made = impute_normal(y[:, there], z, imputations=imputations, **options)
        values[:, :, there], means[:, :, there] = made.values, made.means
        covariance[np.ix_(np.arange(imputations), there, there)] = made.covariance
        codes, sweeps = made.codes, made.sweeps
    return NormalImputations(values, np.isnan(y), means, covariance, sweeps, codes)


def _impute_chunk(
    y: FloatArray,
    z: FloatArray,
    missing: NDArray[np.bool_],
    gaps: NDArray[np.bool_],
    last: NDArray[np.int64],
    sets: NDArray[np.int64],
    seed: int,
    replicate: int,
    shift: FloatArray,
    strategy: str,
    arm_column: int | None,
    n_sweeps: int,
) -> tuple[FloatArray, FloatArray, FloatArray, NDArray[np.bool_]]:
    state = np.repeat(_filled(y)[None], sets.shape[0], axis=0)
    means, covariance, held = _draw_model(state, z, last, sets, seed, replicate, 0)
    for sweep in range(n_sweeps):
        if sweep:
            means, covariance, held = _draw_model(state, z, last, sets, seed, replicate, sweep)
        final = sweep == n_sweeps - 1
        _draw_cells(
            state, y, z, missing if final else gaps, ~missing, last, means, covariance, sets, seed, replicate, sweep,
            strategy if final else "at-random", arm_column,
        )  # fmt: skip
    return state + np.where(missing, shift[:, None], 0.0), means, covariance, held


def _filled(y: FloatArray) -> FloatArray:
    """A start for the chain: the score before the gap, or else the first after it, or else the visit's mean."""
    out = y.copy()
    with np.errstate(invalid="ignore"):
        seen = ~np.isnan(y)
        average = np.where(seen.any(axis=0), np.where(seen, y, 0.0).sum(axis=0) / np.maximum(seen.sum(axis=0), 1), 0.0)
    for v in range(1, y.shape[1]):
        out[:, v] = np.where(np.isnan(out[:, v]), out[:, v - 1], out[:, v])
    for v in range(y.shape[1] - 2, -1, -1):
        out[:, v] = np.where(np.isnan(out[:, v]), out[:, v + 1], out[:, v])
    return np.where(np.isnan(out), average, out)


def _draw_model(
    state: FloatArray,
    z: FloatArray,
    last: NDArray[np.int64],
    sets: NDArray[np.int64],
    seed: int,
    replicate: int,
    sweep: int,
) -> tuple[FloatArray, FloatArray, NDArray[np.bool_]]:
    """Draw the regressions of each visit on design and earlier visits; return means (M, q, V), covariance (M, V, V)."""
    n_sets, n, n_visits = state.shape
    q = z.shape[1]
    means = np.zeros((n_sets, q, n_visits))
    root = np.zeros((n_sets, n_visits, n_visits))
    held = np.zeros(n_sets, dtype=np.bool_)
    at = imputation_address(sets[:, None], np.arange(n_visits)[None, :])
    uniform = uniforms(seed, replicate, 0, at, PURPOSE_SPREAD, draw=sweep)
    columns = np.arange(q + n_visits - 1)
    noise = normals(seed, replicate, columns[None, None, :], at[:, :, None], PURPOSE_REGRESSION, draw=sweep)
    whole = np.concatenate([np.broadcast_to(z, (n_sets, n, q)), state], axis=2)
    grams = _grams(whole, last, n_visits)
    for v in range(n_visits):
        p = q + v
        n_rows = int((last >= v).sum())  # what follows the last score seen says nothing of the coefficients
        df = n_rows - p
        degrees = max(df, _FEW)
        factor, right, rss, poor = _regress(grams[:, v, : p + 1, : p + 1], too_few=df < _FEW)
        held |= poor
        sd = np.sqrt(rss / (2.0 * special.gammaincinv(degrees / 2.0, uniform[:, v])))  # eq. (MI-7)
        beta = np.linalg.solve(factor.transpose(0, 2, 1), right + (sd[:, None] * noise[:, v, :p])[:, :, None])[:, :, 0]
        # From one regression a visit to means and covariance of them all, eq. (MI-8).
        earlier = beta[:, q:]
        means[:, :, v] = beta[:, :q] + np.einsum("mu,mqu->mq", earlier, means[:, :, :v])
        root[:, v, :v] = np.einsum("mu,muw->mw", earlier, root[:, :v, :v])
        root[:, v, v] = sd
    return means, root @ root.transpose(0, 2, 1), held


def _grams(whole: FloatArray, last: NDArray[np.int64], n_visits: int) -> FloatArray:
    """(M, V, w, w) products of design and scores over the rows whose last score is at visit v or later."""
    width = whole.shape[2]
    out = np.zeros((whole.shape[0], n_visits, width, width))
    for v in np.unique(last[last >= 0]):
        part = whole[:, last == v]
        out[:, v] = part.transpose(0, 2, 1) @ part
    return np.cumsum(out[:, ::-1], axis=1)[:, ::-1]


def _regress(gram: FloatArray, *, too_few: bool) -> tuple[FloatArray, FloatArray, FloatArray, NDArray[np.bool_]]:
    """Regression of the last column on the others from their (M, p + 1, p + 1) products.

    Returns the Cholesky factor (M, p, p), the coefficients times its transpose (M, p, 1), the residual sum of squares
    (M,), and which of the sets had to be held by a ridge.
    """
    n_sets, p = gram.shape[0], gram.shape[1] - 1
    scale = np.maximum(np.diagonal(gram, axis1=1, axis2=2)[:, :p], 1e-12)
    unit = gram[:, :p, :p] / np.sqrt(scale[:, :, None] * scale[:, None, :])
    poor = np.ones(n_sets, dtype=np.bool_) if too_few else _poor(unit)
    if poor.any():
        unit = unit + np.where(poor, 1e-3, 0.0)[:, None, None] * np.eye(p)
    factor = np.linalg.cholesky(unit) * np.sqrt(scale)[:, :, None]
    cross = gram[:, :p, p:]
    right = np.linalg.solve(factor, cross)
    fitted = (right * right).sum(axis=(1, 2))
    if poor.any():
        # Under a ridge what the factor explains is not what the coefficients do.
        beta = np.linalg.solve(factor.transpose(0, 2, 1), right)
        ridged = 2.0 * (beta * cross).sum(axis=(1, 2)) - (beta * (gram[:, :p, :p] @ beta)).sum(axis=(1, 2))
        fitted = np.where(poor, ridged, fitted)
    return factor, right, np.maximum(gram[:, p, p] - fitted, 0.0), poor


def _poor(unit: FloatArray) -> NDArray[np.bool_]:
    """(M,) whether a Gram matrix of unit diagonal is nearly singular."""
    try:
        pivots = np.diagonal(np.linalg.cholesky(unit), axis1=1, axis2=2)
    except np.linalg.LinAlgError:
        return np.asarray(np.linalg.eigvalsh(unit)[:, 0] < 1e-9)
    return np.asarray((pivots * pivots).min(axis=1) < 1e-9)


def _draw_cells(
    state: FloatArray,
    y: FloatArray,
    z: FloatArray,
    wanted: NDArray[np.bool_],
    seen: NDArray[np.bool_],
    last: NDArray[np.int64],
    means: FloatArray,
    covariance: FloatArray,
    sets: NDArray[np.int64],
    seed: int,
    replicate: int,
    sweep: int,
    strategy: str,
    arm_column: int | None,
) -> None:
    """Draw the ``wanted`` cells given the scores seen, pattern by pattern, into ``state``, eq. (MI-9)."""
    hit = np.flatnonzero(wanted.any(axis=1))
    if not hit.size:
        return
    patterns = np.concatenate([wanted[hit], seen[hit]], axis=1)
    kinds, which = np.unique(patterns, axis=0, return_inverse=True)
    n_visits = y.shape[1]
    which = which.reshape(-1)
    # Scores that do not vary, or repeat an earlier visit's, leave a covariance without an inverse; a lift too small to
    # be seen elsewhere lets them be drawn too.
    total = np.trace(covariance, axis1=1, axis2=2)[:, None, None]
    covariance = covariance + (1e-12 * total + _TINY) * np.eye(n_visits)
    at = imputation_address(sets[:, None, None], np.arange(n_visits)[None, None, :])
    noise = normals(seed, replicate, hit[None, :, None], at, PURPOSE_SCORE, draw=sweep)  # one call for every pattern
    for kind in range(kinds.shape[0]):
        rows = hit[which == kind]
        lost = np.flatnonzero(kinds[kind, :n_visits])
        kept = np.flatnonzero(kinds[kind, n_visits:])
        centre = shifted_means(means, z[rows], int(last[rows[0]]), strategy, arm_column)  # (M, k, V)
        spread = covariance[:, lost[:, None], lost]
        mean = centre[:, :, lost]
        if kept.size:
            cross = covariance[:, lost[:, None], kept]
            slope = np.linalg.solve(covariance[:, kept[:, None], kept], cross.transpose(0, 2, 1)).transpose(0, 2, 1)
            mean = mean + (y[rows][:, kept] - centre[:, :, kept]) @ slope.transpose(0, 2, 1)
            spread = spread - slope @ cross.transpose(0, 2, 1)
        spread = 0.5 * (spread + spread.transpose(0, 2, 1))
        lift = (1e-12 * np.trace(spread, axis1=1, axis2=2)[:, None, None] + _TINY) * np.eye(lost.size)
        root = np.linalg.cholesky(spread + lift)
        drawn = noise[:, which == kind][:, :, lost]
        state[:, rows[:, None], lost] = mean + drawn @ root.transpose(0, 2, 1)
