"""The addressed random numbers of ``foundation.seeds``, compiled: the same bits, some ten times faster.

``foundation.seeds`` says what a number is, and needs no compiler; ``stats.kernels.philox`` repeats its arithmetic for
kernels, and ``_totals`` for all items of a questionnaire at once. Tests hold them equal bit for bit.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise.foundation.seeds import require_seed
from equipoise.stats.kernels.compile import kernel
from equipoise.stats.kernels.disk_cache import drop_stale_code
from equipoise.stats.kernels.philox import uniform

drop_stale_code("equipoise.simulation")  # before the first kernel of this room is looked for on the disk


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
