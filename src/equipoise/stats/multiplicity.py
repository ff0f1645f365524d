"""Several hypotheses under one familywise level: weighted Bonferroni graphs, Hochberg, Hommel. Methods:
``docs/methods/multiplicity.md``.

>>> from equipoise.stats.multiplicity import run_graph
>>> half = [[0.0, 1.0], [1.0, 0.0]]  # Holm: two hypotheses, each passes its level on to the other
>>> run_graph([0.5, 0.5], half, [0.04, 0.01]).adjusted.tolist()
[[0.04, 0.02]]
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from equipoise.stats.packing import FloatArray

# A p value equal to its level is a rejection; sums of weights miss their value by rounding.
GUARD = 1e-12
# What is passed on and comes back by a circle: where all of it does, nothing is left for others.
_ALL = 1.0 - 1e-12

IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class GraphTests:
    """A graph tested on each trial of a batch; hypotheses in the order given.

    ``adjusted`` is the smallest familywise level at which the hypothesis is rejected, at most 1; NaN where its p value
    is absent. ``order`` is the step, from 1, at which it is taken out as the level rises, 0 for one that never is.
    ``weight`` is the share of the level that it holds when its turn comes.
    """

    adjusted: FloatArray  # (n_trials, n_hypotheses)
    order: IntArray
    weight: FloatArray

    def rejected(self, alpha: float) -> NDArray[np.bool_]:
        """(n_trials, n_hypotheses) what is rejected at the familywise level ``alpha``."""
        return is_rejected(self.adjusted, alpha)


def is_rejected(adjusted: FloatArray, alpha: float) -> NDArray[np.bool_]:
    """Whether adjusted p values are at or below the level, to within :data:`GUARD`; an absent one is not."""
    with np.errstate(invalid="ignore"):
        return np.asarray(adjusted <= alpha + GUARD)


def run_graph(weights: ArrayLike, transitions: ArrayLike, p_values: ArrayLike) -> GraphTests:
    """The sequentially rejective graph, eqs. (MG-1) to (MG-4).

    ``weights`` (m,) from 0, adding up to at most 1; ``transitions`` (m, m) from 0, a row (from one hypothesis) adding
    up to at most 1, the diagonal 0; ``p_values`` (m,) or (n_trials, m), NaN for one that does not exist, which then
    rejects nothing and stays in the graph. Raises ``ValueError`` where these are not so.
    """
    w, g = _require_graph(weights, transitions)
    p = np.atleast_2d(np.asarray(p_values, dtype=np.float64))
    n, m = p.shape
    if m != w.shape[0]:
        raise ValueError(f"{m} p values for {w.shape[0]} hypotheses")
    with np.errstate(invalid="ignore"):
        if ((p < 0) | (p > 1)).any():
            raise ValueError("a p value lies outside 0 and 1")
    p_there = np.where(np.isnan(p), np.inf, p)
    share, pass_on = np.tile(w, (n, 1)), np.tile(g, (n, 1, 1))
    waiting = np.ones((n, m), dtype=np.bool_)
    adjusted, order = np.ones((n, m)), np.zeros((n, m), dtype=np.int64)
    held = np.zeros((n, m))
    reached = np.zeros(n)
    rows = np.arange(n)
    for step in range(1, m + 1):
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.where(waiting & (share > 0), p_there / share, np.inf)
        chosen = ratio.argmin(axis=1)
        smallest = ratio[rows, chosen]
        here = np.flatnonzero(np.isfinite(smallest))
        if not here.size:
            break
        j = chosen[here]
        reached[here] = np.maximum(reached[here], smallest[here])
        adjusted[here, j] = np.minimum(1.0, reached[here])
        order[here, j] = step
        held[here, j] = share[here, j]
        waiting[here, j] = False
        share[here], pass_on[here] = _without(share[here], pass_on[here], j, waiting[here])
    adjusted[np.isnan(p)] = np.nan
    left = order == 0
    held[left] = share[left]
    return GraphTests(adjusted, order, held)


def graph_without(weights: ArrayLike, transitions: ArrayLike, removed: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """(m,) weights and (m, m) transitions after the hypotheses ``removed`` (positions) are taken out, in any order.

    What is taken out has weight 0 and no transitions.
    """
    w, g = _require_graph(weights, transitions)
    share, pass_on = w[None], g[None]
    waiting = np.ones((1, w.shape[0]), dtype=np.bool_)
    for j in np.asarray(removed, dtype=np.int64).ravel():
        waiting[0, j] = False
        share, pass_on = _without(share, pass_on, np.array([j]), waiting)
    return share[0], pass_on[0]


def _without(
    share: FloatArray, pass_on: FloatArray, j: IntArray, waiting: NDArray[np.bool_]
) -> tuple[FloatArray, FloatArray]:
    """One hypothesis of each trial taken out: its level passed on, the ways through it joined, eqs. (MG-2), (MG-3)."""
    rows = np.arange(share.shape[0])
    out_of = pass_on[rows, j]  # (n, m) from it
    into = pass_on[rows, :, j]  # (n, m) to it
    weights = np.where(waiting, share + share[rows, j][:, None] * out_of, 0.0)
    circle = into * out_of
    joined = pass_on + into[:, :, None] * out_of[:, None, :]
    with np.errstate(divide="ignore", invalid="ignore"):
        made = np.where((circle < _ALL)[:, :, None], joined / (1.0 - circle)[:, :, None], 0.0)
    both = waiting[:, :, None] & waiting[:, None, :]
    np.einsum("nii->ni", made)[...] = 0.0
    return weights, np.where(both, made, 0.0)


def _require_graph(weights: ArrayLike, transitions: ArrayLike) -> tuple[FloatArray, FloatArray]:
    w, g = np.asarray(weights, dtype=np.float64), np.asarray(transitions, dtype=np.float64)
    if w.ndim != 1 or w.shape[0] < 1 or g.shape != (w.shape[0], w.shape[0]):
        raise ValueError(f"weights {w.shape} and transitions {g.shape} do not make a graph")
    if not (np.isfinite(w).all() and np.isfinite(g).all() and (w >= 0).all() and (g >= 0).all()):
        raise ValueError("weights and transitions are numbers from 0")
    if w.sum() > 1 + 1e-9 or (g.sum(axis=1) > 1 + 1e-9).any() or np.diagonal(g).any():
        raise ValueError("weights, and each row of transitions, add up to at most 1, with nothing passed on to itself")
    return w, g


def run_in_series(graphs: list[tuple[FloatArray, FloatArray]], p_values: ArrayLike) -> FloatArray:
    """(n_trials, m) adjusted p values of graphs one after another, each at the whole level once all of the one before
    is rejected, eq. (MG-5); hypotheses in the order of the graphs.
    """
    p = np.atleast_2d(np.asarray(p_values, dtype=np.float64))
    out, start = np.empty_like(p), 0
    gate = np.zeros(p.shape[0])
    for weights, transitions in graphs:
        stop = start + np.asarray(weights).shape[0]
        own = np.maximum(run_graph(weights, transitions, p[:, start:stop]).adjusted, gate[:, None])
        out[:, start:stop] = own
        gate = np.where(np.isnan(own), 1.0, own).max(axis=1)
        start = stop
    if start != p.shape[1]:
        raise ValueError(f"{p.shape[1]} p values for graphs of {start} hypotheses")
    return out


def adjust_hochberg(p_values: ArrayLike) -> FloatArray:
    """(n_trials, m) Hochberg's adjusted p values, eq. (MG-6); an absent p value counts as 1 and stays absent.

    Holds the familywise level where p values are independent or positively dependent.
    """
    p, known, order = _sorted(p_values)
    m = p.shape[1]
    stepped = np.minimum.accumulate((p * (m - np.arange(m)))[:, ::-1], axis=1)[:, ::-1]
    return _back(np.minimum(stepped, 1.0), known, order)


def adjust_hommel(p_values: ArrayLike) -> FloatArray:
    """(n_trials, m) Hommel's adjusted p values, eq. (MG-7): Simes' test of every intersection.

    Holds the familywise level where Hochberg's procedure does. An intersection of s hypotheses is hardest to reject
    when it takes, beside those that it must hold, the largest p values; so of each size one intersection decides.
    """
    p, known, order = _sorted(p_values)
    m = p.shape[1]
    adjusted = p.copy()
    for size in range(2, m + 1):
        # Those of the largest p values fill the places behind the one that must be in it.
        largest = p[:, m - size + 1 :]
        with_largest = (size * largest / np.arange(2, size + 1)).min(axis=1)[:, None]
        mine = np.minimum(size * p[:, : m - size + 1], with_largest)
        all_of_them = np.minimum(size * p[:, [m - size]], with_largest)
        adjusted[:, : m - size + 1] = np.maximum(adjusted[:, : m - size + 1], mine)
        adjusted[:, m - size + 1 :] = np.maximum(adjusted[:, m - size + 1 :], all_of_them)
    return _back(np.minimum(adjusted, 1.0), known, order)


def _sorted(p_values: ArrayLike) -> tuple[FloatArray, NDArray[np.bool_], IntArray]:
    p = np.atleast_2d(np.asarray(p_values, dtype=np.float64))
    known = ~np.isnan(p)
    p = np.where(known, p, 1.0)
    order = np.argsort(p, axis=1, kind="stable")
    return np.take_along_axis(p, order, axis=1), known, order


def _back(adjusted: FloatArray, known: NDArray[np.bool_], order: IntArray) -> FloatArray:
    out = np.empty_like(adjusted)
    np.put_along_axis(out, order, adjusted, axis=1)
    out[~known] = np.nan
    return out
