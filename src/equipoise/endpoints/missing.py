"""What a missing cell stands for: one rule, applied in one place."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from equipoise.endpoints.lattice import Mask


def settle(used: Mask, missing: Mask, gone: Mask, rule: str) -> tuple[Mask, Mask]:
    """Use after the missing rule, and which cells remain missing.

    ``used`` and ``missing`` are (n, n_cells); ``gone`` (n, n_cells) marks missing cells with nothing seen after them.
    Rules: ``is-use``; ``is-use-after-dropout`` (an intermittent gap counts as no use); ``is-no-use``; ``is-missing``;
    ``last-observation`` (the last cell seen is carried forward; cells before the first seen remain missing).
    """
    unseen = missing & ~used
    if rule == "is-use":
        return used | unseen, np.zeros_like(used)
    if rule == "is-use-after-dropout":
        return used | (unseen & gone), np.zeros_like(used)
    if rule == "is-no-use":
        return used, np.zeros_like(used)
    if rule == "is-missing":
        return used, unseen
    if rule == "last-observation":
        position = np.arange(used.shape[1])
        last = np.maximum.accumulate(np.where(unseen, -1, position), axis=1)
        carried = np.take_along_axis(used, np.maximum(last, 0), axis=1) & (last >= 0)
        return used | (unseen & carried), unseen & (last < 0)
    raise ValueError(f"unknown missing rule {rule!r}")


def settle_values(values: NDArray[np.float64], rule: str | None) -> NDArray[np.float64]:
    """Results (n, n_cells) 1, 0 and NaN after the missing rule; ``None`` leaves them as they are."""
    if rule is None or rule == "is-missing":
        return values
    missing = np.isnan(values)
    position = np.arange(values.shape[1])
    gone = position > np.where(~missing, position, -1).max(axis=1, initial=-1)[:, None]
    settled, open_ = settle(values == 1.0, missing, gone, rule)
    return np.where(open_, np.nan, settled.astype(np.float64))


def carry_forward(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scores (n, n_visits) with the last one seen in the place of each missing one; NaN before the first."""
    position = np.arange(values.shape[1])
    last = np.maximum.accumulate(np.where(np.isnan(values), -1, position), axis=1)
    return np.where(last >= 0, np.take_along_axis(values, np.maximum(last, 0), axis=1), np.nan)
