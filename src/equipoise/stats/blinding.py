"""Blinding indices: how far guesses of the arm were better than chance.

Sources: James, Bloch, Lee, Kraemer, Fuller 1996, "An index for assessing blindness in a multi-centre clinical trial:
disulfiram for alcohol cessation", Statistics in Medicine 15:1421-1434; Bang, Ni, Davis 2004, "Assessment of blinding in
clinical trials", Controlled Clinical Trials 25:143-156.
"""

from __future__ import annotations

from math import sqrt

import numpy as np
from numpy.typing import ArrayLike


def bang_index(n_right: int, n_wrong: int, n_unsure: int) -> tuple[float, float]:
    """Bang's index of one arm and its standard error: 1 all guess right, 0 as by chance, -1 all guess wrong.

    The share that guessed right less the share that guessed wrong, of all who were asked; who does not know counts as
    neither (the 2 x 3 form of the paper). ``ValueError`` where nobody was asked.
    """
    n = n_right + n_wrong + n_unsure
    if min(n_right, n_wrong, n_unsure) < 0 or n == 0:
        raise ValueError("counts are 0 or more, and at least one person was asked")
    right, wrong = n_right / n, n_wrong / n
    variance = (right * (1 - right) + wrong * (1 - wrong) + 2 * right * wrong) / n
    return right - wrong, sqrt(variance)


def james_index(counts: ArrayLike) -> float:
    """James's index of a trial: 1 nobody knows, 0.5 as by chance, 0 everybody guesses right.

    ``counts`` has a row an arm and a column a guess, in the same order of arms; the last column is who does not know. A
    wrong guess has weight one half, "does not know" one, a right one none. ``ValueError`` for another shape or nobody.
    """
    table = np.asarray(counts, dtype=float)
    if table.ndim != 2 or table.shape[1] != table.shape[0] + 1 or (table < 0).any() or table.sum() == 0:
        raise ValueError("one row per arm, one column per guess, and a last column for those who do not know")
    shares = table / table.sum()
    unsure = float(shares[:, -1].sum())
    if unsure == 1:
        return 1.0
    guessed = shares[:, :-1]
    wrong = 1 - np.eye(len(table))
    observed = float((guessed * wrong).sum()) / (1 - unsure)
    chance = float((np.outer(guessed.sum(axis=1), guessed.sum(axis=0)) * wrong).sum()) / (1 - unsure) ** 2
    # Everybody guessed the one arm there was: no guess could be wrong, and nothing is learned.
    agreement = 0.0 if chance == 0 else (observed - chance) / chance
    return (1 + unsure + (1 - unsure) * agreement) / 2
