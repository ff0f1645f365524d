"""The random numbers of allocation lists: HMAC-SHA-256 of an address, so that a list can be made again in ten years.

A number is a pure function of a 32-byte key and of its address: stream, slot, purpose, attempt. Nothing is consumed in
order, so the number of slot 17 is the same whether or not the first sixteen slots were looked at, on every machine.
``docs/randomization-generator.md`` is the specification, with test vectors; it changes only together with
:data:`GENERATOR`, and this program then goes on reading the old name.

Source of the construction: HMAC, RFC 2104; SHA-256, FIPS 180-4; used as a pseudo-random function.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Protocol as Interface

from equipoise.foundation.hashing import canonical_json

GENERATOR = "equipoise-randomization-1"
SEED_BYTES = 32
_WORD = 2**64


def list_key(seed: bytes, kind: str, trial: str, later: str = "") -> bytes:
    """The 32-byte key of a trial's lists.

    ``kind`` (production, training, sham) keeps lists of one seed apart; ``later`` is the public value that became
    known after the commitment, empty where none was announced.
    """
    if len(seed) != SEED_BYTES:
        raise ValueError(f"a seed has {SEED_BYTES} bytes; got {len(seed)}")
    return _hmac(seed, [GENERATOR, "key", kind, trial, later])


def word(key: bytes, stream: str, slot: int, purpose: str, attempt: int) -> int:
    """The 64-bit number at an address: the first eight bytes, most significant first, of the HMAC."""
    return int.from_bytes(_hmac(key, [GENERATOR, "draw", stream, slot, purpose, attempt])[:8], "big")


def draw_below(key: bytes, stream: str, slot: int, purpose: str, bound: int) -> int:
    """A whole number from 0 to ``bound - 1``, each exactly equally likely.

    A word at or above the largest multiple of ``bound`` in 64 bits is rejected, and the next attempt taken.
    """
    if not 1 <= bound <= _WORD // 2:
        raise ValueError(f"a bound lies from 1 to 2^63; got {bound}")
    if slot < 1:
        raise ValueError(f"slots are numbered from 1; got {slot}")
    accepted = _WORD - _WORD % bound
    attempt = 0
    while (number := word(key, stream, slot, purpose, attempt)) >= accepted:
        attempt += 1
    return number % bound


class Draw(Interface):
    """A whole number from 0 to ``bound - 1`` for a purpose at a slot; schemes take one and know no generator."""

    def __call__(self, slot: int, purpose: str, bound: int) -> int:
        """The number."""
        ...


class Stream:
    """One stream of a list as a :class:`Draw`."""

    def __init__(self, key: bytes, name: str) -> None:
        self._key, self.name = key, name

    def __call__(self, slot: int, purpose: str, bound: int) -> int:
        """A whole number from 0 to ``bound - 1`` at this slot."""
        return draw_below(self._key, self.name, slot, purpose, bound)

    def __repr__(self) -> str:
        return f"<Stream {self.name}>"  # never the key: it may end up in a log


def _hmac(key: bytes, parts: list[str | int]) -> bytes:
    return hmac.new(key, canonical_json(parts).encode("utf-8"), hashlib.sha256).digest()
