"""The addressed random numbers of ``foundation.seeds``, compiled: the same bits, some ten times faster.

``foundation.seeds`` says what a number is, and needs no compiler; this module repeats its arithmetic for the kernels of
this room. ``stats.kernels.philox`` does so for those of ``stats``, as a part: here a part would take eight times as
long, since the compiler would no longer make several numbers at once. ``_totals`` does so for all items of a
questionnaire. Tests hold them equal bit for bit.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from equipoise.foundation.seeds import require_seed
from equipoise.stats.kernels.compile import kernel
from equipoise.stats.kernels.disk_cache import drop_stale_code

drop_stale_code("equipoise.simulation")  # before the first kernel of this room is looked for on the disk


_M0, _M1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_W0, _W1 = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)
_MASK = np.uint64(0xFFFFFFFF)
_S32, _S26, _S6 = np.uint64(32), np.uint64(26), np.uint64(6)


@njit(inline="always")  # type: ignore[untyped-decorator,unused-ignore]
def uniform(k0, k1, c0, c1, c2, c3):  # type: ignore[no-untyped-def]
    """One uniform number in (0, 1) at key (seed, replicate), counter (participant, day, word, instance); all uint64."""
    for _ in range(10):
        p0 = c0 * _M0
        p1 = c2 * _M1
        c0, c1, c2, c3 = (p1 >> _S32) ^ c1 ^ k0, p1 & _MASK, (p0 >> _S32) ^ c3 ^ k1, p0 & _MASK
        k0 = (k0 + _W0) & _MASK
        k1 = (k1 + _W1) & _MASK
    bits = ((c0 >> _S6) << _S26) | (c1 >> _S6)
    return (np.float64(bits) + 0.5) * 2.0**-52


@kernel("void(uint64, uint64[::1], uint64[::1], uint64, uint64, float64[:, :, ::1])")
def _fill(seed, replicates, days, word, instance, out):  # type: ignore[no-untyped-def]
    for r in range(out.shape[0]):
        for i in range(out.shape[1]):
            for d in range(out.shape[2]):
                out[r, i, d] = uniform(seed, replicates[r], np.uint64(i), days[d], word, instance)


def uniform_grid(
    seed: int,
    replicates: NDArray[Any],
    n_participants: int,
    days: NDArray[Any],
    purpose: int,
    draw: int = 0,
    instance: int = 0,
) -> NDArray[np.float64]:
    """``foundation.seeds.uniforms`` for every replicate x participant x day: (n_replicates, n_participants, n_days)."""
    out = np.empty((len(replicates), n_participants, len(days)))
    word = np.uint64((int(purpose) << 16) | draw)
    keys = np.uint64(require_seed(seed)), np.ascontiguousarray(replicates, dtype=np.uint64)
    _fill(*keys, np.ascontiguousarray(days, dtype=np.uint64), word, np.uint64(instance), out)
    return out


def normal_grid(
    seed: int,
    replicates: NDArray[Any],
    n_participants: int,
    days: NDArray[Any],
    purpose: int,
    draw: int = 0,
    instance: int = 0,
) -> NDArray[np.float64]:
    """Standard normal numbers by inversion of :func:`uniform_grid`, same addresses and shape."""
    from scipy.special import ndtri

    return np.asarray(ndtri(uniform_grid(seed, replicates, n_participants, days, purpose, draw, instance)))
