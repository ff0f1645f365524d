"""Pass-phrases as a trial keeps them: a slow hash in the database, the hash's digest in the ledger."""

from __future__ import annotations

import hashlib

from equipoise.conduct.entropy import Entropy
from equipoise.foundation.errors import ConductError, Problem

CODES = {"C012": "A pass-phrase that is too short or too plain."}

SHORTEST = 12


def require_passphrase(account: str, passphrase: str) -> None:
    """Refuse a pass-phrase that is short, one repeated letter, or the name of the account (C012)."""
    if len(passphrase) < SHORTEST or len(set(passphrase)) < 5 or account.lower() in passphrase.lower():
        raise ConductError(
            Problem(
                "C012",
                account,
                "The pass-phrase is too short or too plain.",
                f"{SHORTEST} letters or more, without the name of the account",
                "Several words make a good one.",
            )
        )


def hashed(passphrase: str, entropy: Entropy) -> str:
    """The hash of a pass-phrase as it is kept."""
    from django.contrib.auth.hashers import make_password

    return make_password(passphrase, salt=entropy.bytes(16).hex())


def credential_digest(encoded: str) -> str:
    """What the ledger holds of a pass-phrase: the digest of its hash."""
    return hashlib.sha256(encoded.encode()).hexdigest()
