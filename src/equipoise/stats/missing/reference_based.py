"""What a participant's means become after the last score seen. Methods: ``docs/methods/reference_based.md``.

Each strategy has one signature: own means and reference means (..., V) and the last visit seen (-1: none) in, means
(..., V) out. A new strategy is one more entry of ``STRATEGIES``.

>>> import numpy as np
>>> own, reference = np.array([10.0, 8.0, 6.0]), np.array([10.0, 9.5, 9.0])
>>> jump_to_reference(own, reference, last=0).tolist()
[10.0, 9.5, 9.0]
>>> copy_increments(own, reference, last=1).tolist()  # 8 + (9 - 9.5)
[10.0, 8.0, 7.5]
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from equipoise.stats.packing import FloatArray


def at_random(own: FloatArray, reference: FloatArray, last: int) -> FloatArray:
    """As those of the own arm who stayed, eq. (RB-1)."""
    return own


def jump_to_reference(own: FloatArray, reference: FloatArray, last: int) -> FloatArray:
    """From the next visit on the mean of the reference arm: the benefit is gone at once, eq. (RB-2)."""
    return np.concatenate([own[..., : last + 1], reference[..., last + 1 :]], axis=-1)


def copy_reference(own: FloatArray, reference: FloatArray, last: int) -> FloatArray:
    """The mean of the reference arm all along: as if never in the other arm, eq. (RB-3).

    What was seen better than the reference mean is carried on through the correlation of visits, and fades.
    """
    return reference


def copy_increments(own: FloatArray, reference: FloatArray, last: int) -> FloatArray:
    """The level reached is kept; from there on change as in the reference arm, eq. (RB-4)."""
    if last < 0:
        return reference
    rest = own[..., last : last + 1] + reference[..., last + 1 :] - reference[..., last : last + 1]
    return np.concatenate([own[..., : last + 1], rest], axis=-1)


STRATEGIES: dict[str, Callable[[FloatArray, FloatArray, int], FloatArray]] = {
    "at-random": at_random,
    "jump-to-reference": jump_to_reference,
    "copy-reference": copy_reference,
    "copy-increments": copy_increments,
}


def shifted_means(
    means: FloatArray, design: FloatArray, last: int, strategy: str, arm_column: int | None
) -> FloatArray:
    """(M, k, V) means of ``k`` participants last seen at visit ``last``, under a strategy.

    ``means`` (M, q, V) are coefficients on ``design`` (k, q). Who is in the reference arm keeps the own means.
    """
    own = design @ means
    if strategy == "at-random" or arm_column is None:
        return own
    as_reference = design.copy()
    as_reference[:, arm_column] = 0.0
    return STRATEGIES[strategy](own, as_reference @ means, last)


def weights_of_means(strategy: str, n_visits: int) -> FloatArray:
    """(V + 1, V, 2 V) what a strategy takes of own means and of the reference's, by the last visit seen, -1 first.

    Strategies are linear in both, so they are asked about each mean in turn.
    """
    if strategy == "at-random":
        return np.empty((0, n_visits, 2 * n_visits))
    one, none = np.eye(n_visits), np.zeros((n_visits, n_visits))
    rule = STRATEGIES[strategy]
    made = [np.concatenate([rule(one, none, last), rule(none, one, last)]).T for last in range(-1, n_visits)]
    return np.ascontiguousarray(made, dtype=np.float64)
