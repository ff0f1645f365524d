"""Quarantined values: whoever records can seal them, only the safety role's key opens them again.

A value is sealed to a public key that stands in the first event of the ledger, so that the person who records needs no
secret. Each value has an X25519 key pair of its own that is thrown away; the key of AES-256-GCM is derived from the two
(HKDF-SHA-256), as in the sealed boxes of RFC 9180 (HPKE, base mode). Where a value belongs (trial, participant, visit,
form, item, event) is authenticated with it. Beside it stands a commitment, SHA-256 over that place and the ciphertext:
a value exchanged with another's is seen without any key, and with the key even where the commitment was made to fit.

The secret key lies in the safety role's folder, apart from the database and from the pharmacy's key. A copy, sealed
under a passphrase that is told once, stands in the first event too: it goes with every backup.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from equipoise.conduct.audit_trail.canonical import canonical, written
from equipoise.conduct.entropy import Entropy
from equipoise.foundation.errors import ConductError, OutputError, Problem

CODES = {
    "C043": "The safety role's key is needed and is missing, or belongs to another trial.",
    "C044": "A quarantined value differs from what was sealed: changed, or exchanged with another.",
    "C045": "A quarantined value is longer than the fixed length.",
    "O032": "The folder for the safety role's key already holds one.",
    "C046": "The copy of the safety role's key does not open with this passphrase, or there is none.",
}

LENGTH = 256  # bytes of every value before encryption
TEXT_LENGTH = 1536  # of the text of a query
KEY_FILE = "key.json"
_MARK = "q1:"  # what a sealed text begins with
_SCRYPT = {"n": 2**15, "r": 8, "p": 1}


@dataclass(frozen=True, slots=True)
class SealedPlace:
    """Where a value belongs: it opens nowhere else."""

    participant: str
    visit: str
    form: str
    repeat: int
    item: str
    event: int


class Sealer:
    """Seals under the public key; opens nothing."""

    def __init__(self, public: bytes, *, trial: str, mode: str, instance: str) -> None:
        self.public = public
        self._whose = ("equipoise quarantine 1", trial, mode, instance)

    def seal(self, place: SealedPlace, content: Mapping[str, Any], entropy: Entropy, *, length: int = LENGTH) -> str:
        """Sealed text of ``content`` for ``place``; every one of a ``length`` has the same size. C045 if too long."""
        from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

        text = canonical(content).encode()
        if len(text) > length:
            raise ConductError(
                Problem(
                    "C045",
                    place.item or place.form,
                    f"It has {len(text)} bytes.",
                    f"at most {length}",
                    "Use fewer words.",
                )
            )
        once = X25519PrivateKey.from_private_bytes(entropy.bytes(32))
        sent = once.public_key().public_bytes_raw()
        shared = once.exchange(X25519PublicKey.from_public_bytes(self.public))
        cipher, nonce = _cipher(shared, sent, self.public)
        sealed = base64.b64encode(sent + cipher.encrypt(nonce, text.ljust(length, b" "), self.about(place))).decode()
        return f"{_MARK}{sealed}:{self.commitment(place, sealed)}"

    def commitment(self, place: SealedPlace, sealed: str) -> str:
        """What binds a ciphertext to its place, for everybody to check."""
        return hashlib.sha256(self.about(place) + b"\n" + sealed.encode()).hexdigest()[:32]

    def about(self, place: SealedPlace) -> bytes:
        """The place in bytes."""
        parts = [*self._whose, place.participant, place.visit, place.form, place.repeat, place.item, place.event]
        return written(parts).encode()

    def is_in_place(self, place: SealedPlace, text: str) -> bool:
        """Whether a sealed text is the one committed to for this place."""
        mark, sealed, commitment = _parts(text)
        return mark and commitment == self.commitment(place, sealed)


class Quarantine(Sealer):
    """Seals, and opens with the secret key."""

    def __init__(self, secret: bytes, *, trial: str, mode: str, instance: str) -> None:
        super().__init__(public_of(secret), trial=trial, mode=mode, instance=instance)
        self._secret = secret

    def open(self, place: SealedPlace, text: str) -> dict[str, Any]:
        """What was sealed for ``place``; C044 where it does not open."""
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

        try:
            mark, sealed, commitment = _parts(text)
            if not mark or commitment != self.commitment(place, sealed):
                raise ValueError("not committed to")
            raw = base64.b64decode(sealed, validate=True)
            own = X25519PrivateKey.from_private_bytes(self._secret)
            shared = own.exchange(X25519PublicKey.from_public_bytes(raw[:32]))
            cipher, nonce = _cipher(shared, raw[:32], self.public)
            value = json.loads(cipher.decrypt(nonce, raw[32:], self.about(place)))
        except (InvalidTag, ValueError) as error:
            where = f"{place.participant} {place.visit} {place.form} {place.item}".strip()
            raise ConductError(
                Problem(
                    "C044",
                    where,
                    "It does not open in this place.",
                    "the value as it was sealed",
                    "Run `equipoise verify DIR --safety FOLDER`, and keep the database as it is.",
                )
            ) from error
        assert isinstance(value, dict)
        return value

    @property
    def secret(self) -> str:
        """The secret key, as it is published after the lock."""
        return base64.b64encode(self._secret).decode()


def _parts(text: str) -> tuple[bool, str, str]:
    sealed, _, commitment = text.removeprefix(_MARK).rpartition(":")
    return text.startswith(_MARK), sealed, commitment


def is_sealed(text: str) -> bool:
    """Whether a text looks like a sealed one."""
    return text.startswith(_MARK)


def _cipher(shared: bytes, sent: bytes, public: bytes) -> tuple[Any, bytes]:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    made = HKDF(SHA256(), 44, salt=sent + public, info=b"equipoise quarantine 1").derive(shared)
    return AESGCM(made[:32]), made[32:]


@cache
def public_of(secret: bytes) -> bytes:
    """The public key of a secret one."""
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

    return X25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw()


# ---------------------------------------------------------------------- the key, its file and its copy


def key_words(secret: bytes, passphrase: str, entropy: Entropy, *, trial: str, instance: str) -> dict[str, Any]:
    """What the first event says of the key: the public half, and the copy sealed under the passphrase if one is given.

    The copy is under scrypt (RFC 7914) and AES-256-GCM; the passphrase is drawn by the program, 100 bits or more.
    """
    words: dict[str, Any] = {"public": base64.b64encode(public_of(secret)).decode()}
    if passphrase:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        salt, nonce = entropy.bytes(16), entropy.bytes(12)
        sealed = AESGCM(_stretched(passphrase, salt)).encrypt(nonce, secret, f"{trial}\n{instance}".encode())
        words["copy"] = {
            "scrypt": _SCRYPT,
            "salt": base64.b64encode(salt).decode(),
            "sealed": base64.b64encode(nonce + sealed).decode(),
        }
    return words


def _stretched(passphrase: str, salt: bytes) -> bytes:
    from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

    tidy = "".join(passphrase.split()).replace("-", "").lower()
    return Scrypt(salt=salt, length=32, **_SCRYPT).derive(tidy.encode())


def opened_copy(words: Mapping[str, Any], passphrase: str, *, trial: str, instance: str) -> bytes:
    """The secret key from its copy in the first event; C046 where the passphrase is another or there is no copy."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    copy = words.get("copy")
    try:
        if copy is None:
            raise ValueError("no copy")
        raw, salt = base64.b64decode(copy["sealed"]), base64.b64decode(copy["salt"])
        about = f"{trial}\n{instance}".encode()
        return AESGCM(_stretched(passphrase, salt)).decrypt(raw[:12], raw[12:], about)
    except (InvalidTag, ValueError, KeyError) as error:
        found = "The trial was made without a copy." if copy is None else "The copy does not open with it."
        raise ConductError(
            Problem(
                "C046",
                "the passphrase",
                found,
                "the passphrase that init printed once",
                "Look in the sponsor's safe. Without key and passphrase, what is sealed stays sealed.",
            )
        ) from error


def write_safety_key(folder: Path, secret: bytes, *, trial: str, mode: str, instance: str) -> Path:
    """Write the safety role's key file, for its owner alone; an existing file is never replaced."""
    text = canonical(
        {
            "equipoise-safety-key": 1,
            "trial": trial,
            "mode": mode,
            "instance": instance,
            "public": base64.b64encode(public_of(secret)).decode(),
            "secret": base64.b64encode(secret).decode(),
        }
    )
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / KEY_FILE
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as out:
        out.write(text + "\n")
        out.flush()
        os.fsync(out.fileno())
    return path


def copy_key(words: Mapping[str, Any], passphrase: str, folder: Path, *, trial: str, mode: str, instance: str) -> Path:
    """Write the key of a trial anew from its copy in the first event (``words``).

    C046 where it does not open; O032 where a key lies there already.
    """
    if (folder / KEY_FILE).exists():
        raise OutputError(Problem("O032", str(folder), "A key is there already.", "a folder without one"))
    secret = opened_copy(words, passphrase, trial=trial, instance=instance)
    return write_safety_key(folder, secret, trial=trial, mode=mode, instance=instance)


def safety_folder(named: str | os.PathLike[str] | None) -> Path | None:
    """The safety role's folder: as named, or that of EQUIPOISE_SAFETY; ``None`` where nobody names one."""
    text = named or os.environ.get("EQUIPOISE_SAFETY")
    return Path(text) if text else None


def read_quarantine(folder: Path | None, public: bytes, *, trial: str, mode: str, instance: str) -> Quarantine:
    """The key of the safety role's folder; C043 where it is absent or belongs elsewhere."""
    place = str(folder / KEY_FILE) if folder is not None else "--safety"
    found = "No folder is named."
    try:
        if folder is not None:
            found = f"{place} is not the key of this trial."
            kept = json.loads((folder / KEY_FILE).read_text("utf-8"))
            secret = base64.b64decode(kept["secret"], validate=True)
            whose = (kept["trial"], kept["mode"], kept["instance"])
            if whose == (trial, mode, instance) and len(secret) == 32 and public_of(secret) == public:
                return Quarantine(secret, trial=trial, mode=mode, instance=instance)
    except OSError:
        found = f"{place} cannot be read."
    except (ValueError, KeyError, TypeError):
        pass
    raise ConductError(
        Problem(
            "C043",
            "--safety",
            found,
            "the folder that the safety role keeps",
            "Name it with --safety, or set EQUIPOISE_SAFETY.",
        )
    )


# ---------------------------------------------------------------------- values and texts of the tables


def opened_items(rows: Iterator[dict[str, Any]] | list[dict[str, Any]], key: Quarantine | None) -> list[dict[str, Any]]:
    """Rows of items with what is sealed opened by ``key``; without it rows stay as they are."""
    out = []
    for row in rows:
        if key is not None and is_sealed(row["value"]):
            said = key.open(place_of_item(row, row["event_number"]), row["value"])
            row = {**row, "value": said["value"], "missing": said["missing"]}
        out.append(row)
    return out


def place_of_item(row: Mapping[str, Any], event: int) -> SealedPlace:
    """The place of a row of items that an event wrote."""
    return SealedPlace(row["participant"], row["visit"], row["form"], row["repeat"], row["item"], event)


def place_of_query(row: Mapping[str, Any], column: str) -> SealedPlace:
    """The place of a query's text or answer."""
    return SealedPlace(row["participant"], row["query"], "query", 1, column, row["first_event"])


def misplaced(content: Mapping[str, Any], number: int, sealer: Sealer) -> Iterator[tuple[str, str]]:
    """Quarantined values of an event that are not sealed, or not sealed for the place where they stand."""
    for place, text in _sealed_of(content, number):
        if not is_sealed(text):
            yield _said(place), "It is quarantined and stands in plain."
        elif not sealer.is_in_place(place, text):
            yield _said(place), "It was sealed for another place, or changed."


def unopened(content: Mapping[str, Any], number: int, key: Quarantine) -> Iterator[tuple[str, str]]:
    """Quarantined values of an event that the key does not open."""
    for place, text in _sealed_of(content, number):
        if is_sealed(text) and key.is_in_place(place, text):
            try:
                key.open(place, text)
            except ConductError:
                yield _said(place), "It does not open with the safety role's key: it was made by another."


def _said(place: SealedPlace) -> str:
    return " ".join(part for part in (place.participant, place.visit, place.form, place.item) if part)


def _sealed_of(content: Mapping[str, Any], number: int) -> Iterator[tuple[SealedPlace, str]]:
    put = content.get("put", {})
    for row in put.get("item", ()):
        if row.get("blinding", "open") != "open" and row.get("missing") != "redacted":
            yield place_of_item(row, number), str(row.get("value", ""))
    for row in put.get("query", ()):
        if row.get("blinding", "open") != "open":
            for column in ("text", "answer"):
                if row.get(column) and row[column] != "[redacted]":
                    yield place_of_query(row, column), row[column]


__all__ = ["KEY_FILE", "LENGTH", "TEXT_LENGTH", "Quarantine", "SealedPlace", "Sealer"]
