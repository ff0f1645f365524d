"""One-time codes beside the passphrase (TOTP, RFC 6238): the secret of each account that set one up, in a file of its
own for its owner alone, and never in the ledger. A code is good once, half a minute before and after its own.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
from datetime import datetime
from pathlib import Path
from threading import Lock
from typing import Any

from equipoise.conduct.entropy import Entropy
from equipoise.foundation.errors import ConductError, Problem

CODES = {"C047": "The file of one-time codes is damaged."}

STEP = 30  # seconds of one code
DIGITS = 6
FILE = "one-time-codes.json"
_AROUND = (0, -1, 1)  # steps that a phone's clock may be off
_LOCK = Lock()


def code_at(secret: str, step: int) -> str:
    """The code of a secret (base 32) at a step of half minutes since 1970."""
    key = base64.b32decode(secret + "=" * (-len(secret) % 8))
    made = hmac.new(key, step.to_bytes(8, "big"), hashlib.sha1).digest()
    at = made[-1] & 15
    number = int.from_bytes(made[at : at + 4], "big") & 0x7FFFFFFF
    return f"{number % 10**DIGITS:0{DIGITS}d}"


def new_secret(entropy: Entropy) -> str:
    """A secret of 160 bits, as phones take it."""
    return base64.b32encode(entropy.bytes(20)).decode()


class OneTimeCodes:
    """The one-time codes of a trial's accounts."""

    def __init__(self, directory: Path) -> None:
        self.file = directory / FILE

    def is_set(self, account: str) -> bool:
        """Whether an account signs in with a code."""
        return account in self._read()

    @property
    def any(self) -> bool:
        """Whether any account does: then the page of signing in asks for one."""
        return bool(self._read())

    def set_up(self, account: str, secret: str, code: str, now: datetime) -> bool:
        """Keep a secret, where the phone shows its code; false where the code is not right, and nothing is kept."""
        step = _step_of(secret, code, now)
        if step is None:
            return False
        with _LOCK:
            self._write({**self._read(), account: {"secret": secret, "used": step}})
        return True

    def remove(self, account: str) -> None:
        """Forget the secret of an account: it signs in by its passphrase alone."""
        with _LOCK:
            self._write({name: row for name, row in self._read().items() if name != account})

    def passes(self, account: str, code: str, now: datetime) -> bool:
        """Whether a code is the account's, and was not used before; true where the account has none."""
        with _LOCK:
            every = self._read()
            row = every.get(account)
            if row is None:
                return True
            step = _step_of(row["secret"], code, now)
            if step is None or step <= row["used"]:
                return False
            self._write({**every, account: {**row, "used": step}})
            return True

    def _read(self) -> dict[str, Any]:
        """Secret and last step by account; C047 where the file is damaged: nobody is let in without a code for it."""
        try:
            rows = json.loads(self.file.read_text("utf-8"))
            if not all(isinstance(row["secret"], str) and isinstance(row["used"], int) for row in rows.values()):
                raise ValueError("not secrets by account")
            return dict(rows)
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            found = f"It cannot be read: {error}."
            raise ConductError(
                Problem(
                    "C047",
                    FILE,
                    found,
                    "the file as the program wrote it",
                    "Put a copy of it back. Without one take it out of the trial's folder: every account then sets its "
                    "code up anew.",
                )
            ) from error

    def _write(self, rows: dict[str, Any]) -> None:
        partial = self.file.with_name(f".{FILE}.{os.getpid()}.partial")
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as out:
            out.write(json.dumps(rows, indent=1, sort_keys=True))
            out.flush()
            os.fsync(out.fileno())
        os.replace(partial, self.file)


def _step_of(secret: str, code: str, now: datetime) -> int | None:
    """The step at which a code is the secret's, near ``now``."""
    typed = "".join(code.split())
    if len(typed) != DIGITS or not (typed.isascii() and typed.isdecimal()):
        return None
    step = int(now.timestamp()) // STEP
    return next((step + k for k in _AROUND if hmac.compare_digest(code_at(secret, step + k), typed)), None)
