"""Answers for two-by-two tables that have been worked out before: replicates of a trial share a few hundred tables."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from equipoise.stats.packing import FloatArray, IntArray

if TYPE_CHECKING:
    from equipoise.stats.exact import TwoByTwo

# Some 20 MB; what goes beyond is forgotten and worked out again.
_LIMIT = 100_000

_known: dict[tuple[str, float], dict[tuple[int, int, int, int], FloatArray]] = {}


def solve_tables(name: str, level: float, tables: TwoByTwo, solver: Callable[[TwoByTwo], FloatArray]) -> FloatArray:
    """``solver(tables)``, an array (n_answers, n_tables), asked only for tables not met before in this process.

    ``name`` and ``level`` say which answers these are. A solver's answer for a table must not depend on the tables
    beside it, to the last bit: what a run gives would otherwise depend on what ran before it.
    """
    known = _known.setdefault((name, level), {})
    if len(known) > _LIMIT:
        known = _known[(name, level)] = {}
    columns = (tables.events_control, tables.n_control, tables.events_experimental, tables.n_experimental)
    places = list(zip(*(column.tolist() for column in columns), strict=True))
    new: IntArray = np.array([i for i, place in enumerate(places) if place not in known], dtype=np.int64)
    if new.size:
        answers = solver(tables.take(new))
        for i, answer in zip(new.tolist(), answers.T, strict=True):
            known[places[i]] = answer.copy()
    return np.stack([known[place] for place in places], axis=1)
