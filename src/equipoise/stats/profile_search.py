"""Limits where a profile log-likelihood has fallen by so much, for many trials at once, whatever the model is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from equipoise.stats.packing import FloatArray
from equipoise.stats.wald import BoolArray

# Given values of the coefficient (n_trials,) and which trials are asked: log-likelihoods with all else at its maximum,
# and their slopes.
Profile = Callable[[FloatArray, BoolArray], tuple[FloatArray, FloatArray]]


@dataclass(frozen=True)
class SearchStart:
    """Where the search for limits begins: each array is (n_trials,)."""

    value: FloatArray
    """The maximum; or any point where the likelihood rises for ever."""
    is_maximum: BoolArray
    step: FloatArray
    """Which way to go and how far at first; 0 where no limit is asked for."""


def search_limit(profile: Profile, top: FloatArray, z: float, start: SearchStart) -> FloatArray:
    """(n_trials,) where twice the fall from ``top`` is ``z`` squared; NaN where not asked for, or not found.

    Newton's method on the signed root of the fall, kept inside a bracket.
    """
    toward, size = np.sign(start.step), np.abs(start.step)
    active = toward != 0.0
    b = start.value + start.step
    # Distances on the way from the start: the furthest known to be inside, the nearest known to be outside.
    inside = np.where(start.is_maximum, 0.0, -np.inf)
    outside = np.full_like(b, np.inf)
    limit = np.full_like(b, np.nan)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        for _ in range(100):
            if not active.any():
                break
            log_likelihood, slope = profile(b, active)
            active &= np.isfinite(log_likelihood)
            root = np.sqrt(np.maximum(2.0 * (top - log_likelihood), 0.0))
            done = active & (np.abs(root - z) < 1e-10 * (1.0 + z))
            limit[done] = b[done]
            active &= ~done
            place = (b - start.value) * toward
            inside = np.where(active & (root < z), np.maximum(place, inside), inside)
            outside = np.where(active & (root >= z), np.minimum(place, outside), outside)
            further = np.maximum(2.0 * inside, inside + size)
            nearer = np.minimum(2.0 * outside, outside - size)
            open_ended = np.where(np.isfinite(inside), further, nearer)
            middle = np.where(np.isfinite(inside) & np.isfinite(outside), 0.5 * (inside + outside), open_ended)
            # The derivative of the root of the fall is minus the slope over the root.
            newton = place + (root - z) * root / (slope * toward)
            sensible = (newton > inside) & (newton < outside) & (np.abs(newton - place) < 4.0 * (np.abs(place) + size))
            following = start.value + np.where(sensible, newton, middle) * toward
            still = active & (following == b)  # to the last digit
            limit[still] = b[still]
            active &= ~still & (np.abs(following - start.value) < 1e4 * size)
            b = np.where(active, following, b)
    return limit
