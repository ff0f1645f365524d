"""Passphrases as a trial keeps them: a slow hash in the database, the hash's digest in the ledger."""

from __future__ import annotations

import hashlib
from functools import cache
from threading import RLock

from equipoise.conduct.entropy import Entropy
from equipoise.foundation.errors import ConductError, Problem

CODES = {"C012": "The passphrase is too short, too simple or too common."}

SHORTEST = 12


def require_passphrase(account: str, passphrase: str) -> None:
    """Refuse a passphrase that is short, plain, known to everybody, or the name of the account (C012).

    Known are the list of common passwords that Django brings, phrases that people quote, the same with digits for
    letters or with digits behind, one word said again, and runs along the keyboard.
    """
    found = ""
    if len(passphrase) < SHORTEST or len(set(passphrase)) < 5:
        found = "The passphrase is too short or too plain."
    elif account.lower() in passphrase.lower():
        found = "The passphrase holds the name of the account."
    elif is_known(passphrase):
        found = "The passphrase is one that everybody tries first."
    if found:
        raise ConductError(
            Problem(
                "C012",
                account,
                found,
                f"{SHORTEST} letters or more, without the name of the account",
                "Several unrelated words make a good one.",
            )
        )


def is_known(passphrase: str) -> bool:
    """Whether a passphrase is among the first that somebody tries who guesses."""
    letters = "".join(one for one in passphrase.casefold() if one.isalnum())
    plain = "".join(one for one in passphrase.casefold().translate(_DIGITS_FOR_LETTERS) if one.isalnum())
    tries = {letters, letters.strip("0123456789"), plain, plain.strip("0123456789")}
    units = {unit for word in tries for unit in (_said_again(word),)}
    return (
        bool((tries | units) & _common())
        or any(len(unit) <= len(word) // 2 for word in tries for unit in (_said_again(word),) if word)
        or any(phrase in word for phrase in _QUOTED for word in tries)
        or any(_runs(word) * 4 >= len(word) * 3 for word in tries if word)
    )


_DIGITS_FOR_LETTERS = str.maketrans(
    {"0": "o", "1": "l", "3": "e", "4": "a", "5": "s", "7": "t", "@": "a", "$": "s", "!": "i"}
)
# Phrases that stand in every list of passphrases, without blanks.
_QUOTED = (
    "correcthorsebatterystaple",
    "thequickbrownfox",
    "tobeornottobe",
    "maytheforcebewithyou",
    "loremipsumdolor",
    "opensesame",
    "twinkletwinkle",
    "iloveyousomuch",
    "letmeinplease",
    "changemeplease",
    "thisismypass",
    "mypassword",
    "thepassword",
    "password123",
    "passphrase",
)
_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm", "qwertzuiop", "azertyuiop", "1234567890", "abcdefghijklmnopqrstuvwxyz")


@cache
def _common() -> frozenset[str]:
    from django.contrib.auth.password_validation import CommonPasswordValidator

    return frozenset(CommonPasswordValidator().passwords)


def _said_again(word: str) -> str:
    """The shortest part of which a word is made by saying it again and again; the word itself where there is none."""
    for length in range(1, len(word) // 2 + 1):
        if len(word) % length == 0 and word[:length] * (len(word) // length) == word:
            return word[:length]
    return word


def _runs(word: str) -> int:
    """How many letters of a word lie in runs of four or more along a row of the keyboard, forth or back."""
    rows = [*_ROWS, *(row[::-1] for row in _ROWS)]
    covered: set[int] = set()
    for at in range(len(word) - 3):
        if any(word[at : at + 4] in row for row in rows):
            covered.update(range(at, at + 4))
    return len(covered)


# Each hash takes 46 MiB and a processor for up to a tenth of a second. One at a time in a process: when many
# sign in at once they wait for one another, and the pages of everybody else go on.
_ONE_HASH = RLock()


def hashed(passphrase: str, entropy: Entropy) -> str:
    """The hash of a passphrase as it is kept."""
    from django.contrib.auth.hashers import make_password

    with _ONE_HASH:
        return make_password(passphrase, salt=entropy.bytes(16).hex())


def is_right(passphrase: str, encoded: str) -> bool:
    """Whether a passphrase is the one of a stored hash."""
    from django.contrib.auth import hashers

    with _ONE_HASH:
        return hashers.check_password(passphrase, encoded)


def take_as_long(passphrase: str) -> None:
    """Take as long as :func:`is_right` does, where there is no hash to hold the passphrase against."""
    from django.contrib.auth.hashers import make_password

    with _ONE_HASH:
        make_password(passphrase)


def is_outdated(encoded: str) -> bool:
    """Whether a passphrase was hashed in a way, or with an effort, that new ones are not hashed with any more."""
    from django.contrib.auth.hashers import get_hasher, identify_hasher

    hasher, wanted = identify_hasher(encoded), get_hasher("default")
    return hasher.algorithm != wanted.algorithm or wanted.must_update(encoded)


def credential_digest(encoded: str) -> str:
    """What the ledger holds of a passphrase: the digest of its hash."""
    return hashlib.sha256(encoded.encode()).hexdigest()
