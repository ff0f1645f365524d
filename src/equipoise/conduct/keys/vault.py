"""The sealed side: AES-256-GCM under a key that lies in a file of its own, the pharmacy's, apart from the database.

Every ciphertext has one length, whatever it says. The place it belongs to (trial, mode, ledger, handle or number) is
authenticated with it, so a slot moved to another place, trial or mode does not open.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from equipoise.conduct.audit_trail.canonical import canonical
from equipoise.conduct.entropy import Entropy
from equipoise.foundation.errors import ConductError, Problem

CODES = {
    "C040": "The pharmacy's key is needed and is missing, or belongs to another trial.",
    "C041": "A sealed entry does not open: it was changed, moved or made with another key.",
    "C042": "A sealed entry is longer than the fixed length.",
}

LENGTH = 1024  # bytes of every sealed text before encryption: no entry tells by its size what it says


class Vault:
    """Seals and opens under one key."""

    def __init__(self, key: bytes, *, trial: str, mode: str, instance: str) -> None:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        self._cipher = AESGCM(key)
        self._whose = "\n".join(("equipoise sealed 1", trial, mode, instance))
        self.fingerprint = fingerprint_of(key)
        self._requests = hmac.digest(key, b"equipoise requests 1", "sha256")

    def seal(self, place: str, content: Mapping[str, Any], entropy: Entropy) -> str:
        """Ciphertext of ``content`` for ``place`` (``slot HANDLE``, ``event NUMBER``), as base64 text."""
        text = canonical(content).encode()
        if len(text) > LENGTH:
            raise ConductError(
                Problem("C042", place, f"It has {len(text)} bytes.", f"at most {LENGTH}", "Seal less at a time.")
            )
        nonce = entropy.bytes(12)
        sealed = self._cipher.encrypt(nonce, text.ljust(LENGTH, b" "), self._about(place))
        return base64.b64encode(nonce + sealed).decode()

    def open(self, place: str, content: str) -> dict[str, Any]:
        """What was sealed for ``place``; C041 where it does not open."""
        from cryptography.exceptions import InvalidTag

        try:
            raw = base64.b64decode(content, validate=True)
            text = self._cipher.decrypt(raw[:12], raw[12:], self._about(place))
            value = json.loads(text)
        except (InvalidTag, ValueError) as error:
            raise ConductError(
                Problem(
                    "C041",
                    place,
                    "It does not open with this key.",
                    "the entry as it was sealed, in its own place",
                    "Run `equipoise verify DIR --key FILE`, and restore from a backup what was changed.",
                )
            ) from error
        assert isinstance(value, dict)
        return value

    def digest_of_request(self, request: str, text: str) -> str:
        """Digest of the private part of a request to the pharmacy: nobody without the key can try amounts out on it."""
        return hmac.new(self._requests, f"{request}\n{text}".encode(), "sha256").hexdigest()[:32]

    def _about(self, place: str) -> bytes:
        return f"{self._whose}\n{place}".encode()


def fingerprint_of(key: bytes) -> str:
    """What may be known of a key."""
    return hashlib.sha256(b"equipoise key\n" + key).hexdigest()[:32]


def write_key(path: Path, key: bytes, *, trial: str, mode: str, instance: str) -> None:
    """Write a new key file, readable by its owner alone; an existing file is never replaced."""
    text = canonical(
        {
            "equipoise-key": 1,
            "trial": trial,
            "mode": mode,
            "instance": instance,
            "fingerprint": fingerprint_of(key),
            "key": base64.b64encode(key).decode(),
        }
    )
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as out:
        out.write(text + "\n")
        out.flush()
        os.fsync(out.fileno())


UNNAMED = Path("pharmacy-folder-not-named")


def pharmacy_folder(named: str | os.PathLike[str] | None) -> Path:
    """The pharmacy's folder: as named, or that of EQUIPOISE_PHARMACY."""
    return Path(named or os.environ.get("EQUIPOISE_PHARMACY") or UNNAMED)


def is_named(named: str | os.PathLike[str] | None) -> bool:
    """Whether anybody names the pharmacy's folder."""
    return pharmacy_folder(named) != UNNAMED


def read_vault(path: Path, *, trial: str, mode: str, instance: str, fingerprint: str) -> Vault:
    """The vault of the key file at ``path``; C040 where it is absent or belongs elsewhere."""
    problem = Problem(
        "C040",
        "--pharmacy",
        f"{path} is not the key of this trial.",
        f"the key file whose fingerprint is {fingerprint}",
        "Name the pharmacy's folder: --pharmacy FOLDER, or EQUIPOISE_PHARMACY. If you have none, ask the pharmacy.",
    )
    try:
        kept = json.loads(path.read_text("utf-8"))
        key = base64.b64decode(kept["key"], validate=True)
    except OSError:
        found = "The pharmacy's folder is not named." if path.parent == UNNAMED else f"{path} cannot be read."
        raise ConductError(Problem(problem.code, problem.place, found, problem.expected, problem.next_step)) from None
    except (ValueError, KeyError, TypeError):
        raise ConductError(problem) from None
    if (kept.get("trial"), kept.get("mode"), kept.get("instance")) != (trial, mode, instance):
        raise ConductError(problem)
    if fingerprint_of(key) != fingerprint or len(key) != 32:
        raise ConductError(problem)
    return Vault(key, trial=trial, mode=mode, instance=instance)
