"""Random numbers that are addressed, not drawn: Philox4x32-10 with a named counter.

A number is a pure function of (seed, replicate; participant, day, purpose, draw). So any replicate can be replayed
alone, two scenarios share the numbers that they have in common, a trial with more participants repeats the first
ones, and no result depends on the number of workers.

Source: Salmon, Moraes, Dror, Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3", SC11, section 3.3 (Philox).
The generator is checked against the authors' known-answer vectors.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

MAX_SEED = 2**32 - 1
_M0, _M1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_W0, _W1 = 0x9E3779B9, 0xBB67AE85
_MASK = np.uint64(0xFFFFFFFF)
_SHIFT = np.uint64(32)


def require_seed(seed: int) -> int:
    """``seed`` itself if it is a whole number from 0 to 4,294,967,295; otherwise ``ValueError``."""
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed <= MAX_SEED:
        raise ValueError(f"a seed is a whole number from 0 to {MAX_SEED}; got {seed!r}")
    return seed


def philox(key: tuple[Any, Any], counter: tuple[Any, Any, Any, Any]) -> tuple[NDArray[np.uint64], ...]:
    """Four 32-bit words (held in 64) for each counter; arguments broadcast against one another."""
    k0, k1 = (np.asarray(word, dtype=np.uint64) for word in key)
    c0, c1, c2, c3 = np.broadcast_arrays(*(np.asarray(word, dtype=np.uint64) for word in (*counter, k0, k1)))[:4]
    for _ in range(10):
        p0, p1 = c0 * _M0, c2 * _M1
        c0, c1, c2, c3 = (p1 >> _SHIFT) ^ c1 ^ k0, p1 & _MASK, (p0 >> _SHIFT) ^ c3 ^ k1, p0 & _MASK
        k0 = (k0 + np.uint64(_W0)) & _MASK
        k1 = (k1 + np.uint64(_W1)) & _MASK
    return c0, c1, c2, c3


def instance_of(kind: str, id: str) -> int:
    """The fourth word of an address: which of several things of one kind, from the first 32 bits of a SHA-256.

    So adding, removing or reordering things moves no other thing's numbers. 0 belongs to what stands once in a trial;
    the next 32 bits are taken where the first give it.
    """
    digest = hashlib.sha256(f"{kind}:{id}".encode()).digest()
    words = (int.from_bytes(digest[at : at + 4], "big") for at in range(0, 32, 4))
    return next(word for word in words if word != 0)


def uniforms(
    seed: int, replicate: Any, participant: Any, day: Any, purpose: int, draw: int = 0, instance: int = 0
) -> NDArray[np.float64]:
    """Uniform numbers in (0, 1), never 0 or 1, 52 bits each; arguments broadcast.

    ``purpose`` tells streams apart (0 to 65,535); ``draw`` numbers several values of one purpose (0 to 65,535);
    ``instance`` which of several things a number is for (:func:`instance_of`). Participants and days are addresses
    from 0.
    """
    word = np.uint64((purpose << 16) | draw)
    high, low, _, _ = philox((require_seed(seed), replicate), (participant, day, word, instance))
    bits = ((high >> np.uint64(6)) << np.uint64(26)) | (low >> np.uint64(6))
    return np.asarray((bits.astype(np.float64) + 0.5) * 2.0**-52)


def normals(seed: int, replicate: Any, participant: Any, day: Any, purpose: int, draw: int = 0) -> NDArray[np.float64]:
    """Standard normal numbers, by inversion of :func:`uniforms` at the same address."""
    from scipy.special import ndtri

    return np.asarray(ndtri(uniforms(seed, replicate, participant, day, purpose, draw)))
