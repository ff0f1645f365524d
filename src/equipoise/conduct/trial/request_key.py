"""A key of the trial's folder, by which a repeated request is known without its private part being written down.

What a request asks in private (a text that is redacted, a vital sign) must be part of what makes it the same request,
and must not be guessed from the ledger, whose copies go to many hands. So the ledger holds a digest under a key that
stands beside the database and in neither ledger, copy nor backup; and each try at guessing costs as much as a
passphrase. What belongs to the pharmacy is digested under the pharmacy's own key instead.

A trial made before there was such a key gets one when it is first needed. Where it is lost, requests sent before cannot
be compared any more, and are refused.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

FILE = "requests.key"
_SCRYPT = {"n": 2**14, "r": 8, "p": 1}


def request_key(folder: Path) -> bytes:
    """The key of a trial's folder; made, for its owner alone, where there is none."""
    path = folder / FILE
    try:
        return bytes.fromhex(path.read_text("ascii"))
    except FileNotFoundError:
        pass
    # whole or not there: two programs that make it at once end up with the one that was first
    partial = path.with_name(f".{FILE}.{os.getpid()}")
    handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="ascii") as out:
            out.write(os.urandom(32).hex())
            out.flush()
            os.fsync(out.fileno())
        try:
            os.link(partial, path)
        except FileExistsError:
            pass
        except OSError:  # a file system without links
            if not path.exists():
                os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
    return bytes.fromhex(path.read_text("ascii"))


def fingerprint(key: bytes) -> str:
    """What may be known of the key: which one it is."""
    return hashlib.sha256(b"equipoise requests\n" + key).hexdigest()[:16]


def keyed_digest(key: bytes, request: str, text: str) -> str:
    """Digest of the private part of a request under the key, as dear to try as a passphrase (scrypt, RFC 7914)."""
    made = hashlib.scrypt(text.encode(), salt=key + request.encode(), dklen=16, maxmem=2**26, **_SCRYPT)
    return made.hex()
