"""Scores of questionnaires without their items: the compiled part of :mod:`equipoise.simulation.scores`.

The arithmetic of ``streams.uniform`` is written out once more for all items of a person at once, in a form that the
compiler turns into vector instructions; a test holds the sums equal to those of the items in the tables.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from equipoise.stats.kernels.compile import Flags, Integers, Keys, Matrix, Vector, kernel

_M0, _M1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_W0, _W1 = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)
_MASK = np.uint64(0xFFFFFFFF)
BINS = 12  # leading bits of a uniform number that are looked up
_ROOT_2 = math.sqrt(2.0)
_S32, _S16, _S6 = np.uint64(32), np.uint64(16), np.uint64(6)


@njit(inline="always")  # type: ignore[untyped-decorator,unused-ignore]
def _round(c0, c1, c2, c3, k0, k1):  # type: ignore[no-untyped-def]
    """One round of Philox. Words may hold rubbish above 32 bits, which the next product leaves out."""
    p0, p1 = (c0 & _MASK) * _M0, (c2 & _MASK) * _M1
    return (p1 >> _S32) ^ c1 ^ k0, p1, (p0 >> _S32) ^ c3 ^ k1, p0


@njit(inline="always")  # type: ignore[untyped-decorator,unused-ignore]
def _round_of_both(a, b, k0, k1):  # type: ignore[no-untyped-def]
    return _round(a[0], a[1], a[2], a[3], k0, k1), _round(b[0], b[1], b[2], b[3], k0, k1)


@njit(inline="always")  # type: ignore[untyped-decorator,unused-ignore]
def _draw_items(participant, day, purpose, places, k, m, words):  # type: ignore[no-untyped-def]
    """Both numbers of each item, that of the answer and that of leaving it out: ``words`` (4, n_items), 26 bits each.

    Side by side, because a single number waits for each of its twenty products, and the rounds written out (their keys
    are ``k`` and ``m``), because the compiler makes vectors of a loop without loops in it alone.
    """
    answer, gap = purpose << _S16, (purpose + np.uint64(1)) << _S16
    for item in range(places.shape[0]):
        a = (participant, day, answer | places[item], np.uint64(0))
        b = (participant, day, gap | places[item], np.uint64(0))
        a, b = _round_of_both(a, b, k[0], m[0])
        a, b = _round_of_both(a, b, k[1], m[1])
        a, b = _round_of_both(a, b, k[2], m[2])
        a, b = _round_of_both(a, b, k[3], m[3])
        a, b = _round_of_both(a, b, k[4], m[4])
        a, b = _round_of_both(a, b, k[5], m[5])
        a, b = _round_of_both(a, b, k[6], m[6])
        a, b = _round_of_both(a, b, k[7], m[7])
        a, b = _round_of_both(a, b, k[8], m[8])
        a, b = _round_of_both(a, b, k[9], m[9])
        words[0, item] = np.int32((a[0] & _MASK) >> _S6)
        words[1, item] = np.int32((a[1] & _MASK) >> _S6)
        words[2, item] = np.int32((b[0] & _MASK) >> _S6)
        words[3, item] = np.int32((b[1] & _MASK) >> _S6)


@njit(inline="always")  # type: ignore[untyped-decorator,unused-ignore]
def _keys(key, step, out):  # type: ignore[no-untyped-def]
    """Half of the key of each of the ten rounds."""
    word = key & _MASK
    for j in range(10):
        out[j] = word
        word = (word + step) & _MASK


class Draws(NamedTuple):
    """Where the random numbers of a questionnaire are."""

    seed: np.uint64
    replicates: Keys  # (n_replicates,)
    n_participants: int
    purpose: np.uint64  # of the answers; that of leaving an item out follows it


class Items(NamedTuple):
    """The items of a questionnaire, scale by scale, and how they are answered."""

    places: Keys  # (n_items or more,): their places in the instrument; those beyond are not read
    starts: Integers  # (n_scales + 1,): where each scale begins among the places
    needed: Integers  # (n_scales,): answers without which a scale has no score
    left_out: float  # probability that an item is left out
    lowest: int  # lowest answer
    highest: int  # highest answer
    sd: float  # standard deviation of an answer about the level, above 0
    quantiles: Vector  # (2**BINS + 1,): of the standard normal at the edges of equal shares


class Contact(NamedTuple):
    """One contact: who answers, about which level."""

    day: np.uint64  # address of its day
    persons: Matrix  # (n_rows, n_scales): a person's own level
    change: Vector  # (n_rows,): what is added to it here; answers lie about the sum
    wanted: Flags  # (n_rows,): rows to be scored


@kernel("void(Draws, Items, Contact, int64, float64[:, ::1])", Draws, Items, Contact)
def score_answers(draws, items, contact, column, out):  # type: ignore[no-untyped-def]
    """Scores of whole-number answers at one contact, each ``rint(level + sd z)`` within the bounds, after reversal.

    Column ``column`` of ``out`` (n_rows, n_columns) gets the sum over the scales of the mean answer times the number of
    items; NaN where there is none.

    The leading bits of a uniform number bound its z from both sides; nearly always the bounds give one answer. Where
    they do not, the number is compared with the probability of an answer below.
    """
    seed, replicates, n_participants, purpose = draws
    places, starts, needed, left_out = items.places, items.starts, items.needed, items.left_out
    lowest, highest, sd, quantiles = items.lowest, items.highest, items.sd, items.quantiles
    day, persons, change, wanted = contact
    n_scales, n_items = starts.shape[0] - 1, starts[starts.shape[0] - 1]
    words = np.empty((4, places.shape[0]), dtype=np.int32)
    seed_keys, replicate_keys = np.empty(10, dtype=np.uint64), np.empty(10, dtype=np.uint64)
    _keys(seed, _W0, seed_keys)
    middle, least, most, given = np.empty(n_items), np.empty(n_items), np.empty(n_items), np.empty(n_items)
    bottom, top = np.float64(lowest), np.float64(highest)
    shift = np.int32(26 - BINS)
    before = -1
    level = np.empty(n_scales)
    scale_of = np.empty(n_items, dtype=np.int64)
    for scale in range(n_scales):
        for k in range(starts[scale], starts[scale + 1]):
            scale_of[k] = scale
    for row in range(persons.shape[0]):
        if not wanted[row]:
            out[row, column] = np.nan
            continue
        trial = row // n_participants
        if trial != before:
            _keys(replicates[trial], _W1, replicate_keys)
            before = trial
        _draw_items(np.uint64(row - trial * n_participants), day, purpose, places, seed_keys, replicate_keys, words)
        for scale in range(n_scales):
            level[scale] = (persons[row, scale] + change[row]) + 0.5
        for k in range(n_items):
            share = words[0, k] >> shift
            middle[k] = level[scale_of[k]]
            least[k], most[k] = quantiles[share], quantiles[share + 1]
        for k in range(n_items):
            least[k] = np.floor(min(max(middle[k] + sd * least[k], bottom), top))
            most[k] = np.floor(min(max(middle[k] + sd * most[k], bottom), top))
        unsure = 0
        for k in range(n_items):
            unsure += 1 if least[k] != most[k] else 0
            gap = (np.float64(words[2, k]) * 67108864.0 + np.float64(words[3, k]) + 0.5) * 2.0**-52
            given[k] = 1.0 if gap >= left_out else 0.0
        if unsure > 0:
            for k in range(n_items):
                if least[k] != most[k]:
                    draw = (np.float64(words[0, k]) * 67108864.0 + np.float64(words[1, k]) + 0.5) * 2.0**-52
                    while least[k] < most[k] and draw > 0.5 * math.erfc((middle[k] - 1.0 - least[k]) / (sd * _ROOT_2)):
                        least[k] += 1.0
        total = 0.0
        for scale in range(n_scales):
            answers, there = 0.0, 0.0
            for k in range(starts[scale], starts[scale + 1]):
                answers += least[k] * given[k]
                there += given[k]
            if there >= needed[scale]:
                total += answers * (starts[scale + 1] - starts[scale]) / there
            else:
                total = np.nan
        out[row, column] = total
