"""Scores of questionnaires without their items: the compiled part of :mod:`equipoise.simulation.scores`.

The arithmetic of ``streams.uniform`` is written out once more for all items of a person at once, in a form that the
compiler turns into vector instructions; a test holds the sums equal to those of the items in the tables.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

_M0, _M1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_W0, _W1 = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)
_MASK = np.uint64(0xFFFFFFFF)
BINS = 12  # leading bits of a uniform number that are looked up
_ROOT_2 = math.sqrt(2.0)
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
    "void(uint64, uint64[::1], int64, uint64, uint64, uint64[::1], int64[::1], float64, int64, int64,"
    "float64[:, ::1], float64, float64[::1], boolean[::1], int64[:, ::1], int64[:, ::1])",
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
    starts,  # (n_scales + 1,): where each scale begins among the places
    left_out,  # probability that an item is left out
    lowest,  # lowest answer
    highest,  # highest answer
    level,  # (n_rows, n_scales): about which the answers lie
    sd,  # standard deviation of an answer about the level, above 0
    quantiles,  # (2**BINS + 1,): of the standard normal at the edges of equal shares
    wanted,  # (n_rows,): rows to be scored
    total,  # out (n_rows, n_scales): sum of the answers given, after reversal
    given,  # out (n_rows, n_scales): how many
):
    """Sums of the whole-number answers at one contact: ``rint(level + sd z)`` within the bounds.

    The leading bits of a uniform number bound its z from both sides; nearly always the bounds give one answer. Where
    they do not, the number is compared with the probability of an answer below.
    """
    n_items = places.shape[0]
    high = np.empty(n_items, dtype=np.int32)
    low = np.empty(n_items, dtype=np.int32)
    gap = np.empty(n_items)
    draw = np.empty(n_items)
    bottom, top = np.float64(lowest), np.float64(highest)
    shift = np.int32(26 - BINS)
    for row in range(level.shape[0]):
        total[row] = 0
        given[row] = 0
        if not wanted[row]:
            continue
        replicate = replicates[row // n_participants]
        participant = np.uint64(row % n_participants)
        _uniforms(seed, replicate, participant, day, purpose + np.uint64(1), places, high, low, gap)
        _uniforms(seed, replicate, participant, day, purpose, places, high, low, draw)
        for scale in range(starts.shape[0] - 1):
            middle = level[row, scale] + 0.5
            answers = np.int64(0)
            there = 0
            for k in range(starts[scale], starts[scale + 1]):
                share = high[k] >> shift
                least = math.floor(min(max(middle + sd * quantiles[share], bottom), top))
                most = math.floor(min(max(middle + sd * quantiles[share + 1], bottom), top))
                if least != most:
                    while least < most and draw[k] > 0.5 * math.erfc((middle - 1.0 - least) / (sd * _ROOT_2)):
                        least += 1.0
                if gap[k] >= left_out:
                    answers += np.int64(least)
                    there += 1
            total[row, scale] = answers
            given[row, scale] = there
