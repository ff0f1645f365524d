"""Yes-or-no regressions on counts: participants alike in arm, covariates and result make one row with a weight.

Where all covariates are categories, a trial of 55 has eight such rows or so, and its fit takes a fraction of the time.
A table that several trials of a batch share, as imputed data sets do, is fitted once. The order in which participants
came can change no digit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise.analysis.dataset import Comparison, Floats, Ints
from equipoise.stats.packing import offsets_from_sizes, trial_of_row

# Combinations of arm and levels beyond which a trial's counts are no shorter than its participants.
MOST_PATTERNS = 12


@dataclass(frozen=True)
class Regressions:
    """Rows of the distinct regressions of a batch, and which of them is each trial's."""

    y: Floats
    design: Floats  # (n_rows, p) constant, arm, covariates
    offsets: Ints
    weights: Floats | None
    where: Ints | None = None  # (n_trials,); None: the trials themselves, in order

    def of_trials(self, values: NDArray[Any]) -> NDArray[Any]:
        """An array with an entry a regression, with an entry a trial."""
        return values if self.where is None else values[self.where]


def tabulate(comparison: Comparison, rows: Ints, y: Floats, offsets: Ints) -> Regressions:
    """The regressions of results ``y`` (n_rows,) on arm and covariates, as counts where that is shorter.

    ``rows`` are positions among the comparison's rows, ``offsets`` (n_trials + 1,) those of the trials among them.
    What becomes of a trial depends on its own participants alone.
    """
    levels = comparison.levels
    short = levels is not None and 2 * int(np.prod(levels, dtype=np.int64)) <= MOST_PATTERNS
    if not short or bool(((y != 0.0) & (y != 1.0)).any()):
        return Regressions(y, comparison.design(rows), offsets, None)
    patterns = comparison.pattern_rows
    n_cells, n_trials = 2 * patterns.shape[0], offsets.shape[0] - 1
    cell = 2 * comparison.pattern[rows] + (y == 1.0)
    counts = np.bincount(trial_of_row(offsets) * n_cells + cell, minlength=n_trials * n_cells)
    tables, where = np.unique(counts.reshape(n_trials, n_cells), axis=0, return_inverse=True)
    # With fewer sorts of rows than columns a table would pass for a trial of too few participants: row by row, then.
    apart = (tables > 0).sum(axis=1) < max(2, patterns.shape[1])
    copies = np.where(apart[:, None], tables, tables > 0)
    of_row = np.repeat(np.arange(tables.size), copies.ravel())
    weights = np.where(np.repeat(apart, n_cells)[of_row], 1, tables.ravel()[of_row])
    own = of_row % n_cells
    return Regressions(
        y=(own % 2).astype(np.float64),
        design=np.ascontiguousarray(patterns[own // 2]),
        offsets=offsets_from_sizes(copies.sum(axis=1)),
        weights=weights.astype(np.float64),
        where=where.ravel().astype(np.int64),
    )
