"""Answers to the items of an instrument that add up to a score already drawn.

The score is drawn with the mean and spread that the assumptions state; its items are a random split of it. So a total
has exactly the stated distribution, whatever the items; how far items agree (Cronbach's alpha) follows from the score's
spread and is no assumption of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from equipoise.instruments import Instrument

Floats = NDArray[np.float64]


def score_range(instrument: Instrument) -> tuple[float, float]:
    """Lowest and highest total: the sums of the items' bounds."""
    return sum(item.lowest for item in instrument.items), sum(item.highest for item in instrument.items)


def mark(score: Floats, instrument: Instrument) -> Floats:
    """A score as it is written down: a whole number within the range of the instrument."""
    lowest, highest = score_range(instrument)
    return np.asarray(np.clip(np.rint(score), lowest, highest))


def split_into_items(total: Floats, instrument: Instrument, uniform: Callable[[int], Floats]) -> Floats:
    """(n, n_items) whole-number answers, as recorded before reversal, whose scored values add up to ``total`` (n,).

    Points above the items' lowest answers are dealt out at random, each cell of the form alike (the multivariate
    hypergeometric distribution), item by item by inversion; ``uniform(item)`` gives one number per participant.
    """
    lowest, _ = score_range(instrument)
    if len(instrument.items) == 1:
        return total[:, None].copy()
    points = np.nan_to_num(total - lowest)
    cells = np.array([item.highest - item.lowest for item in instrument.items])
    out = np.empty((total.shape[0], len(cells)))
    for j, item in enumerate(instrument.items):
        rest = cells[j + 1 :].sum()
        got = _hypergeometric(uniform(j), points, cells[j], rest)
        points = points - got
        answer = item.lowest + got
        out[:, j] = item.lowest + item.highest - answer if item.is_reversed else answer
    return np.where(np.isnan(total)[:, None], np.nan, out)


def _hypergeometric(u: Floats, points: Floats, here: float, rest: float) -> Floats:
    """How many of ``points`` fall on ``here`` cells of ``here + rest``, by inversion of ``u``."""

    def log_choose(n: Any, k: Any) -> Floats:
        return np.asarray(
            gammaln(np.asarray(n) + 1.0) - gammaln(np.asarray(k) + 1.0) - gammaln(np.asarray(n - k) + 1.0)
        )

    k = np.arange(int(here) + 1)[:, None]
    left = points[None, :] - k
    possible = (left >= 0) & (left <= rest)
    left = np.clip(left, 0, rest)
    log_p = log_choose(here, k) + log_choose(rest, left) - log_choose(here + rest, points)[None, :]
    cumulative = np.cumsum(np.where(possible, np.exp(log_p), 0.0), axis=0)
    got = (u[None, :] * cumulative[-1:] > cumulative).sum(axis=0)
    return np.asarray(got, dtype=np.float64)
