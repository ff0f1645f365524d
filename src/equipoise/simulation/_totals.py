"""Scores of questionnaires without their items: the compiled part of :mod:`equipoise.simulation.scores`.

The on-disk cache of compiled code follows this file, not those it takes from: after editing ``streams.py`` delete
``src/equipoise/simulation/__pycache__``, or the old numbers keep coming.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from equipoise.simulation.streams import uniform


@njit(  # type: ignore[untyped-decorator,unused-ignore]
    "void(uint64, uint64[::1], int64, uint64, uint64, uint64[::1], float64, int64, float64[:, ::1], boolean[::1],"
    "int64[::1], int64[::1])",
    cache=True,
    nogil=True,
    error_model="numpy",
)
def sum_answers(  # type: ignore[no-untyped-def]
    seed,
    replicates,  # (n_replicates,)
    n_participants,
    day,  # address of the contact's day
    purpose,  # of the answers; that of leaving an item out follows it
    items,  # (n_items,): places of the scale's items in the instrument
    left_out,  # probability that an item is left out
    lowest,  # lowest answer
    cuts,  # (n_rows, n_cuts): probability of an answer at or below lowest, lowest + 1, ...
    wanted,  # (n_rows,): rows to be scored
    total,  # out (n_rows,): sum of the answers given, after reversal
    given,  # out (n_rows,): how many
):
    """Sum of the whole-number answers of one scale at one contact; an answer is where its uniform number falls."""
    shift = np.uint64(16)
    answers = purpose << shift
    gaps = (purpose + np.uint64(1)) << shift
    for row in range(cuts.shape[0]):
        total[row] = 0
        given[row] = 0
        if not wanted[row]:
            continue
        replicate = replicates[row // n_participants]
        participant = np.uint64(row % n_participants)
        for k in range(items.shape[0]):
            if uniform(seed, replicate, participant, day, gaps | items[k]) < left_out:
                continue
            u = uniform(seed, replicate, participant, day, answers | items[k])
            answer = lowest
            for c in range(cuts.shape[1]):
                if u > cuts[row, c]:
                    answer += 1
            total[row] += answer
            given[row] += 1
