"""Conditional-mean imputation of repeated scores, and its jackknife. Methods: ``docs/methods/reference_based.md``.

The multivariate normal model of ``normal_imputation.py`` is fitted by maximum likelihood in place of
being drawn, and what is missing becomes its conditional mean in place of a draw. Nothing is random.

>>> import numpy as np
>>> from equipoise.stats.missing.conditional_mean import fit_normal, impute_means
>>> scores = np.array([[1.0, 2.0], [2.0, 3.5], [3.0, np.nan], [0.5, 1.0], [2.5, 3.0], [1.5, 2.5]])
>>> model = fit_normal(scores, np.ones((6, 1)))
>>> float(impute_means(scores, np.ones((6, 1)), model)[0, 2, 1].round(3))  # 0.75 + 1.1 x 3
4.05
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from equipoise.stats.codes import FitCode
from equipoise.stats.missing.reference_based import STRATEGIES, shifted_means
from equipoise.stats.packing import FloatArray
from equipoise.stats.wald import CodeArray, as_design

# Numbers held at once by a chunk of weightings (about 40 MB).
_HELD = 5_000_000
_MOST_STEPS = 2000
_CLOSE = 1e-9
_FEW = 1
_TINY = 1e-200
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class NormalFits:
    """Maximum-likelihood fits of the model, one for each of R weightings of the participants."""

    means: FloatArray
    """(R, q, V): coefficients of the visit means on the design."""
    covariance: FloatArray
    """(R, V, V): covariance of the visits, divisor the sum of weights."""
    steps: int
    """Steps of the EM algorithm; 1 where nobody has a gap."""
    codes: CodeArray
    """(R,)"""


def fit_normal(values: ArrayLike, design: ArrayLike, *, weights: ArrayLike | None = None) -> NormalFits:
    """Fit ``Y_i ~ N(B' z_i, S)`` to repeated scores with missing ones by maximum likelihood, eq. (MI-6).

    Parameters
    ----------
    values : (n, V) scores in the order of visits, NaN where missing; somebody has one at every visit.
    design : (n, q) ones, arm, baseline variables; each visit has coefficients of its own on every column.
    weights : (R, n) how often each participant counts, by default once: 0 leaves one out.

    With dropout alone the likelihood factors into one regression a visit on the scores before it, in closed form;
    scores missing between others are filled by the EM algorithm. A visit with hardly more rows than coefficients is
    held by a small ridge and coded. Raises ValueError when shapes disagree or a visit has no score.

    Source: Little and Rubin (2002), *Statistical Analysis with Missing Data*, sections 7.4 and 11.3.
    """
    y = np.array(values, dtype=np.float64)
    if y.ndim != 2:
        raise ValueError("values must be (participants, visits)")
    z = as_design(design, y.shape[0])
    if np.isnan(y).all(axis=0).any():
        raise ValueError("a visit has no score at all")
    w = np.ones((1, y.shape[0])) if weights is None else np.atleast_2d(np.asarray(weights, dtype=np.float64))
    if w.shape[1] != y.shape[0]:
        raise ValueError("weights must be (weightings, participants)")
    frame = _Frame(y, z)
    chunk = max(1, _HELD // (y.size + y.shape[0] * z.shape[1]))
    made = [_fit_chunk(frame, w[begin : begin + chunk]) for begin in range(0, w.shape[0], chunk)]
    means, covariance, codes = (np.concatenate([part[k] for part in made]) for k in (0, 1, 3))
    return NormalFits(means, covariance, max(part[2] for part in made), codes)


class _Frame:
    """What of the scores does not change between steps: who is missing where, and which gaps go together."""

    def __init__(self, y: FloatArray, z: FloatArray) -> None:
        self.y, self.z = y, z
        self.missing = np.isnan(y)
        n_visits = y.shape[1]
        self.last = np.where(~self.missing, np.arange(n_visits), -1).max(axis=1, initial=-1)
        gaps = self.missing & (np.arange(n_visits) < self.last[:, None])
        self.patterns: list[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], int]] = []
        hit = np.flatnonzero(gaps.any(axis=1))
        if hit.size:
            kinds, which = np.unique(self.missing[hit], axis=0, return_inverse=True)
            for kind in range(kinds.shape[0]):
                rows = hit[which.reshape(-1) == kind]
                last = int(self.last[rows[0]])
                lost = np.flatnonzero(kinds[kind, : last + 1])
                self.patterns.append((rows, lost, np.flatnonzero(~kinds[kind]), last))


def _fit_chunk(frame: _Frame, w: FloatArray) -> tuple[FloatArray, FloatArray, int, CodeArray]:
    n_fits, n_visits = w.shape[0], frame.y.shape[1]
    codes = np.zeros(n_fits, dtype=np.uint32)
    start = np.where(frame.missing, np.nanmean(frame.y, axis=0), frame.y)
    state = np.repeat(start[None], n_fits, axis=0)
    spread = np.zeros((len(frame.patterns), n_fits, n_visits, n_visits))
    means, covariance, held = _maximize(frame, w, state, spread)
    scale = np.maximum(np.nanstd(frame.y, axis=0), _TINY)
    step, moved = 1, bool(frame.patterns)
    while moved and step < _MOST_STEPS:
        change = _expect(frame, means, covariance, state, spread, scale)
        means, covariance, held = _maximize(frame, w, state, spread)
        step += 1
        moved = bool(change.max() > _CLOSE)
        if not moved or step == _MOST_STEPS:
            codes[change > _CLOSE] |= np.uint32(FitCode.NOT_CONVERGED)
    codes[held] |= np.uint32(FitCode.IMPUTATION_PENALISED)
    return means, covariance, step, codes


def _maximize(
    frame: _Frame, w: FloatArray, state: FloatArray, spread: FloatArray
) -> tuple[FloatArray, FloatArray, Mask]:
    """Regressions of each visit on design and earlier visits: means (R, q, V), covariance (R, V, V), whether held."""
    n_fits, _, n_visits = state.shape
    q = frame.z.shape[1]
    means = np.zeros((n_fits, q, n_visits))
    root = np.zeros((n_fits, n_visits, n_visits))
    held = np.zeros(n_fits, dtype=np.bool_)
    for v in range(n_visits):
        rows = frame.last >= v  # what follows the last score seen says nothing of the coefficients
        weight = w[:, rows]
        p, n_rows = q + v, int(rows.sum())
        x = np.concatenate([np.broadcast_to(frame.z[rows], (n_fits, n_rows, q)), state[:, rows, :v]], axis=2)
        target = state[:, rows, v]
        weighted = (x * weight[:, :, None]).transpose(0, 2, 1)
        gram, cross = weighted @ x, (weighted @ target[:, :, None])[:, :, 0]
        square = np.einsum("rn,rn->r", weight * target, target)
        for (members, _, _, last), inside in zip(frame.patterns, spread, strict=True):
            if last >= v:
                n_members = w[:, members].sum(axis=1)
                gram[:, q:, q:] += n_members[:, None, None] * inside[:, :v, :v]
                cross[:, q:] += n_members[:, None] * inside[:, v, :v]
                square += n_members * inside[:, v, v]
        unit = np.sqrt(np.maximum(np.diagonal(gram, axis1=1, axis2=2), 1e-12))
        scaled = gram / (unit[:, :, None] * unit[:, None, :])
        total = weight.sum(axis=1)
        poor = (total < p + _FEW) | (np.linalg.eigvalsh(scaled)[:, 0] < 1e-9)
        held |= poor
        scaled = scaled + np.where(poor, 1e-3, 0.0)[:, None, None] * np.eye(p)
        beta = np.linalg.solve(scaled, (cross / unit)[:, :, None])[:, :, 0] / unit
        rest = square - 2.0 * (beta * cross).sum(axis=1) + np.einsum("rp,rpk,rk->r", beta, gram, beta)
        earlier = beta[:, q:]
        means[:, :, v] = beta[:, :q] + np.einsum("ru,rqu->rq", earlier, means[:, :, :v])
        root[:, v, :v] = np.einsum("ru,ruw->rw", earlier, root[:, :v, :v])
        root[:, v, v] = np.sqrt(np.maximum(rest, 0.0) / np.maximum(total, 1.0))
    return means, root @ root.transpose(0, 2, 1), held


def _given(covariance: FloatArray, lost: NDArray[np.int64], kept: NDArray[np.int64]) -> tuple[FloatArray, FloatArray]:
    """Slopes (R, lost, kept) of what is missing on what was seen, and the covariance (R, lost, lost) left."""
    n_visits = covariance.shape[1]
    lift = 1e-12 * np.trace(covariance, axis1=1, axis2=2)[:, None, None] + _TINY
    lifted = covariance + lift * np.eye(n_visits)
    cross = lifted[:, lost[:, None], kept]
    slope = np.linalg.solve(lifted[:, kept[:, None], kept], cross.transpose(0, 2, 1)).transpose(0, 2, 1)
    return slope, lifted[:, lost[:, None], lost] - slope @ cross.transpose(0, 2, 1)


def _expect(
    frame: _Frame, means: FloatArray, covariance: FloatArray, state: FloatArray, spread: FloatArray, scale: FloatArray
) -> FloatArray:
    """Fill the gaps by their conditional means, in place; (R,) the largest change in standard deviations."""
    change = np.zeros(means.shape[0])
    for (rows, lost, kept, _), inside in zip(frame.patterns, spread, strict=True):
        centre = frame.z[rows] @ means
        slope, left = _given(covariance, lost, kept)
        new = centre[:, :, lost] + (frame.y[rows][:, kept] - centre[:, :, kept]) @ slope.transpose(0, 2, 1)
        moved = np.abs(new - state[:, rows[:, None], lost]) / scale[lost]
        change = np.maximum(change, moved.max(axis=(1, 2)))
        state[:, rows[:, None], lost] = new
        inside[:, lost[:, None], lost] = left
    return change


def impute_means(
    values: ArrayLike,
    design: ArrayLike,
    model: NormalFits,
    *,
    strategy: str = "at-random",
    arm_column: int | None = None,
    delta: ArrayLike | None = None,
) -> FloatArray:
    """(R, n, V) scores with each missing one at its mean given the scores seen, eq. (CM-1).

    ``strategy``, ``arm_column`` and ``delta`` as in ``impute_normal``. Raises
    ValueError for a strategy that is not known.

    Source: Wolbers and others (2022), Pharm Stat 21:1246, section 2.4.
    """
    y = np.array(values, dtype=np.float64)
    z = as_design(design, y.shape[0])
    if strategy not in STRATEGIES:
        raise ValueError(f"unknown strategy {strategy!r}")
    missing = np.isnan(y)
    last = np.where(~missing, np.arange(y.shape[1]), -1).max(axis=1, initial=-1)
    out = np.repeat(np.where(missing, 0.0, y)[None], model.means.shape[0], axis=0)
    hit = np.flatnonzero(missing.any(axis=1))
    kinds, which = np.unique(missing[hit], axis=0, return_inverse=True)
    for kind in range(kinds.shape[0]):
        rows = hit[which.reshape(-1) == kind]
        lost, kept = np.flatnonzero(kinds[kind]), np.flatnonzero(~kinds[kind])
        centre = shifted_means(model.means, z[rows], int(last[rows[0]]), strategy, arm_column)
        filled = centre[:, :, lost]
        if kept.size:
            slope, _ = _given(model.covariance, lost, kept)
            filled = filled + (y[rows][:, kept] - centre[:, :, kept]) @ slope.transpose(0, 2, 1)
        out[:, rows[:, None], lost] = filled
    if delta is not None:
        shift = np.broadcast_to(np.asarray(delta, dtype=np.float64), (y.shape[0],))
        out = out + np.where(missing, shift[:, None], 0.0)
    return out


def leave_one_out(n: int) -> FloatArray:
    """(n, n) weightings, each without one participant."""
    return np.asarray(1.0 - np.eye(n))


def jackknife_error(estimates: ArrayLike) -> float:
    """Standard error from estimates each without one participant, eq. (CM-2); NaN where one does not exist.

    >>> round(jackknife_error([1.0, 2.0, 3.0]), 6)  # sqrt(2 / 3 * 2)
    1.154701
    """
    values = np.asarray(estimates, dtype=np.float64)
    n = values.shape[0]
    return float(np.sqrt((n - 1) / n * ((values - values.mean()) ** 2).sum()))
