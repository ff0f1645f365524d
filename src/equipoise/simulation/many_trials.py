"""All replicates of a batch as one long trial: what is true of one participant, for every row at once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise.simulation.one_trial import OneTrial


@dataclass(frozen=True)
class ManyTrials(OneTrial):
    """Like :class:`~equipoise.simulation.one_trial.OneTrial`, its rows being the participants of every replicate.

    Rows run by replicate, then in order of enrolment; ``replicate`` is not used. The functions that describe one
    trial's participants describe these too, with the same random numbers.
    """

    @property
    def n_replicates(self) -> int:
        """Trials in the batch."""
        return self.trials.n_replicates

    @property
    def n(self) -> int:
        """Rows: replicates times participants."""
        return self.n_replicates * self.design.n_participants

    def of(self, name: str) -> NDArray[Any]:
        """The array ``name``, its first two axes (replicate, participant) made one."""
        array: NDArray[Any] = getattr(self.trials, name)
        return array.reshape(self.n, *array.shape[2:])

    @cached_property
    def ids(self) -> NDArray[np.str_]:
        """Ids of the randomized, the same in every replicate."""
        n = self.design.n_participants
        width = max(3, len(str(n)))
        ids: NDArray[np.str_] = np.tile([f"P{number:0{width}d}" for number in range(1, n + 1)], self.n_replicates)
        return ids

    def by_name(self, names: NDArray[np.str_], values: Any) -> NDArray[np.float64]:
        """The value of each name; 0 where there is none."""
        out = np.zeros(names.shape[0])
        for name, value in values.items():
            out[names == name] = float(value)
        return out

    def _draws(self, source: Any, purpose: int, day: Any, draw: int) -> NDArray[np.float64]:
        days = np.asarray(day)
        trials, n = self.trials, self.design.n_participants
        grid: NDArray[np.float64] = source(trials.seed, trials.replicates, n, np.atleast_1d(days), int(purpose), draw)
        return grid.reshape(self.n, -1) if days.ndim else grid.reshape(self.n)
