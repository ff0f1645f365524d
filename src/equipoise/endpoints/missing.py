"""What a missing cell stands for: one rule, applied in one place."""

from __future__ import annotations

import numpy as np

from equipoise.endpoints.lattice import Mask


def settle(used: Mask, missing: Mask, gone: Mask, rule: str) -> tuple[Mask, Mask]:
    """Use after the missing rule, and which cells remain missing.

    ``used`` and ``missing`` are (n, n_cells); ``gone`` (n, n_cells) marks missing cells with nothing seen after them.
    Rules: ``is-use``; ``is-use-after-dropout`` (an intermittent gap counts as no use); ``is-no-use``; ``is-missing``.
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
    raise ValueError(f"unknown missing rule {rule!r}")
