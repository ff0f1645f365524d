"""Scores of questionnaires without their items: the compiled part of :mod:`equipoise.simulation.scores`.

The arithmetic of ``streams.uniform`` is written out once more for all items of a person at once, in a form that the
compiler turns into vector instructions; a test holds the sums equal to those of the items in the tables.
"""

from __future__ import annotations

import numpy as np
from numba import njit

_M0, _M1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_W0, _W1 = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)
_MASK = np.uint64(0xFFFFFFFF)
_S32, _S16, _S6 = np.uint64(32), np.uint64(16), np.uint64(6)


@njit(inline="always")  # type: ignore[untyped-decorator,unused-ignore]
def _uniforms(seed, replicate, participant, day, purpose, places, high, low, out):  # type: ignore[no-untyped-def]
    """Uniform numbers of one purpose, one for each of ``places``; ``high`` and ``low`` are room to work in."""
    # Masked once more, so that the compiler knows every word to be of 32 bits and multiplies four at a time.
    k0, k1 = seed & _MASK, replicate & _MASK
    first = purpose << _S16
    for k in range(places.shape[0]):
        c0, c1, c2, c3 = participant & _MASK, day & _MASK, (first | places[k]) & _MASK, np.uint64(0)
        q0, q1 = k0, k1
        for _ in range(10):
            p0 = c0 * _M0
            p1 = c2 * _M1
            c0, c1, c2, c3 = (p1 >> _S32) ^ c1 ^ q0, p1 & _MASK, (p0 >> _S32) ^ c3 ^ q1, p0 & _MASK
            q0 = (q0 + _W0) & _MASK
            q1 = (q1 + _W1) & _MASK
        high[k] = np.int32(c0 >> _S6)
        low[k] = np.int32(c1 >> _S6)
    for k in range(places.shape[0]):
        out[k] = (np.float64(high[k]) * 67108864.0 + np.float64(low[k]) + 0.5) * 2.0**-52


@njit(  # type: ignore[untyped-decorator,unused-ignore]
    "void(uint64, uint64[::1], int64, uint64, uint64, uint64[::1], int64[::1], float64, int64, float64[:, :, ::1],"
    "boolean[::1], int64[:, ::1], int64[:, ::1])",
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
    places,  # (n_items,): places of the items in the instrument, scale by scale
    scale_of,  # (n_items,): to which scale each belongs
    left_out,  # probability that an item is left out
    lowest,  # lowest answer
    cuts,  # (n_rows, n_scales, n_cuts): probability of an answer at or below lowest, lowest + 1, ...
    wanted,  # (n_rows,): rows to be scored
    total,  # out (n_rows, n_scales): sum of the answers given, after reversal
    given,  # out (n_rows, n_scales): how many
):
    """Sums of the whole-number answers at one contact; an answer is where its uniform number falls."""
    n_items, n_cuts = places.shape[0], cuts.shape[2]
    high = np.empty(n_items, dtype=np.int32)
    low = np.empty(n_items, dtype=np.int32)
    gap = np.empty(n_items)
    draw = np.empty(n_items)
    for row in range(cuts.shape[0]):
        total[row] = 0
        given[row] = 0
        if not wanted[row]:
            continue
        replicate = replicates[row // n_participants]
        participant = np.uint64(row % n_participants)
        _uniforms(seed, replicate, participant, day, purpose + np.uint64(1), places, high, low, gap)
        _uniforms(seed, replicate, participant, day, purpose, places, high, low, draw)
        for k in range(n_items):
            if gap[k] < left_out:
                continue
            scale = scale_of[k]
            answer = lowest
            for c in range(n_cuts):
                answer += draw[k] > cuts[row, scale, c]
            total[row, scale] += answer
            given[row, scale] += 1
