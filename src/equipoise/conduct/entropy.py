"""Entropy: every random byte of a running trial comes from a source that is passed in."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import Protocol


class Entropy(Protocol):
    """Gives random bytes."""

    def bytes(self, n: int) -> bytes:
        """``n`` bytes."""
        ...


class SystemEntropy:
    """The operating system's generator: for every real trial."""

    def bytes(self, n: int) -> bytes:
        """``n`` bytes from the operating system."""
        return secrets.token_bytes(n)


class SeededEntropy:
    """HMAC-SHA-256 of a counter under a seed: for tests and drills, where a run must repeat to the byte."""

    def __init__(self, seed: str) -> None:
        self._key = seed.encode()
        self._counter = 0
        self._rest = b""

    def bytes(self, n: int) -> bytes:
        """The next ``n`` bytes of the stream."""
        while len(self._rest) < n:
            self._rest += hmac.new(self._key, self._counter.to_bytes(8, "big"), hashlib.sha256).digest()
            self._counter += 1
        out, self._rest = self._rest[:n], self._rest[n:]
        return out


_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford: no I, L, O, U to misread on paper


def code(entropy: Entropy, groups: int = 3) -> str:
    """An opaque code people can type: groups of four letters, 20 bits a group."""
    raw = entropy.bytes(groups * 4)
    letters = "".join(_ALPHABET[byte & 31] for byte in raw)
    return "-".join(letters[at : at + 4] for at in range(0, len(letters), 4))


def tidy_code(text: str) -> str:
    """A code as it is stored, from a code as somebody typed it."""
    letters = "".join(text.upper().replace("O", "0").replace("I", "1").replace("L", "1").split()).replace("-", "")
    return "-".join(letters[at : at + 4] for at in range(0, len(letters), 4))
