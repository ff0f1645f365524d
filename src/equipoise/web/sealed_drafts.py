"""Drafts of quarantined forms: sealed as they are typed, and opened by the passphrase of their author alone.

A key pair is made from the passphrase at sign-in. The public half seals, and stays known while it is known whose an
ended session was; the secret half is in the memory of a session that goes on, and nowhere else. What lies in the file
of drafts opens with neither the trial's folder nor the safety role's key.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

_SCRYPT = {"n": 2**14, "r": 8, "p": 1, "maxmem": 2**26}
_STEP = 1024  # bytes that a draft is filled up to a multiple of: its length tells little
AUTHORS = frozenset({"infusion", "safety"})  # who records what is quarantined


@dataclass(frozen=True, slots=True)
class DraftKey:
    """The key pair of one author; without its secret half it only seals."""

    public: bytes
    secret: bytes = field(default=b"", repr=False)

    @classmethod
    def of(cls, instance: str, account: str, passphrase: str) -> DraftKey:
        """The key pair of an account in one trial, made from its passphrase."""
        from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

        salt = hashlib.sha256(f"equipoise drafts 1\n{instance}\n{account}".encode()).digest()
        secret = hashlib.scrypt(passphrase.encode(), salt=salt, dklen=32, **_SCRYPT)
        return cls(X25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw(), secret)

    def without_secret(self) -> DraftKey:
        """What is left when the session ends."""
        return replace(self, secret=b"")

    def seal(self, fields: Mapping[str, Sequence[str]], place: str) -> str:
        """The sealed text of what was typed, for one page."""
        from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

        once = X25519PrivateKey.from_private_bytes(secrets.token_bytes(32))
        sent = once.public_key().public_bytes_raw()
        cipher, nonce = _cipher(once.exchange(X25519PublicKey.from_public_bytes(self.public)), sent, self.public)
        text = json.dumps({name: list(values) for name, values in fields.items()}, ensure_ascii=False).encode()
        filled = text.ljust(-(-len(text) // _STEP) * _STEP)
        return base64.b64encode(sent + cipher.encrypt(nonce, filled, place.encode())).decode()

    def open(self, sealed: str, place: str) -> dict[str, list[str]] | None:
        """What was typed; ``None`` where this key does not open it."""
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

        if not self.secret:
            return None
        try:
            raw = base64.b64decode(sealed, validate=True)
            own = X25519PrivateKey.from_private_bytes(self.secret)
            cipher, nonce = _cipher(own.exchange(X25519PublicKey.from_public_bytes(raw[:32])), raw[:32], self.public)
            found: dict[str, list[str]] = json.loads(cipher.decrypt(nonce, raw[32:], place.encode()))
            return found
        except (InvalidTag, ValueError):
            return None


def _cipher(shared: bytes, sent: bytes, public: bytes) -> tuple[Any, bytes]:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    made = HKDF(algorithm=SHA256(), length=44, salt=None, info=b"equipoise draft" + sent + public).derive(shared)
    return AESGCM(made[:32]), made[32:]
