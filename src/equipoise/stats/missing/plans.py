"""What imputations have in common: which data sets are made, and what is assumed of those who left.

>>> from equipoise.stats.missing.plans import LeaversRule, SetsToMake
>>> SetsToMake(3, seed=1, first=10).numbers.tolist(), LeaversRule(delta=0.5).shift(2).tolist()
([10, 11, 12], [0.5, 0.5])
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from equipoise.foundation.seeds import require_seed
from equipoise.stats.missing.multiple_imputation import as_replicates
from equipoise.stats.packing import FloatArray, IntArray


@dataclass(frozen=True)
class SetsToMake:
    """How many imputed data sets, and the key of their random numbers.

    Sets are numbered from ``first`` on. ``replicates`` (T,) are the second half of the key, one a trial; 0 for the one
    trial where not given.
    """

    imputations: int
    seed: int
    first: int = 0
    replicates: ArrayLike | None = None

    @property
    def numbers(self) -> IntArray:
        """(M,) the numbers of the sets."""
        return self.first + np.arange(self.imputations, dtype=np.int64)

    def keys(self, n_trials: int) -> IntArray:
        """(T,) the replicate that each trial is; ValueError where the seed is none or they are not one a trial."""
        require_seed(self.seed)
        given = np.zeros(1, dtype=np.int64) if self.replicates is None else self.replicates
        return as_replicates(given, n_trials)


@dataclass(frozen=True)
class LeaversRule:
    """What is assumed of results that nobody saw.

    ``strategy`` says what participants follow whose ``arm_column`` of the design is not 0; ``delta`` (N,), or one for
    everybody, is added on the scale of the model: log odds, logarithm of a rate or hazard.
    """

    strategy: str = "at-random"
    delta: ArrayLike | None = None
    arm_column: int = 1

    def shift(self, n: int) -> FloatArray:
        """(N,) the delta of each participant."""
        given = np.asarray(0.0 if self.delta is None else self.delta, dtype=np.float64)
        return np.array(np.broadcast_to(given, (n,)))
