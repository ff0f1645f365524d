"""One way to write a value down, so that the same meaning has the same bytes and the same hash everywhere.

Text is Unicode NFC, keys are sorted, decimals and dates are text, whole numbers are digits; floats are refused, for a
dose written as a binary fraction is another dose. The forms are fixed: test vectors stand in
``tests/unit/conduct/test_canonical.py``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any
from unicodedata import is_normalized, normalize


def plain(value: Any) -> Any:
    """``value`` made of text, whole numbers, true, false, null, lists and mappings only; ``TypeError`` otherwise."""
    kind = type(value)
    if kind is str:
        return value if value.isascii() or is_normalized("NFC", value) else normalize("NFC", value)
    if value is None or kind is int or kind is bool:
        return value
    if isinstance(value, Mapping):
        return {plain(str(key)): plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(entry) for entry in value]
    if isinstance(value, Decimal):
        if not value.is_finite():
            raise TypeError("a number that is not finite cannot be recorded")
        return format(value, "f")
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    if isinstance(value, (set, frozenset)):
        return sorted(plain(entry) for entry in value)
    if isinstance(value, str):
        return plain(str(value))
    raise TypeError(f"{kind.__name__} cannot be recorded: use text, whole numbers or decimals")


def canonical(value: Any) -> str:
    """Canonical JSON of ``value``."""
    return prepared(value)[1]


def prepared(value: Any) -> tuple[Any, str]:
    """``value`` made plain, and its canonical JSON; ``TypeError`` for what cannot be recorded.

    The same as :func:`plain` and :func:`written`, by the encoder's own loops where the text is normalized already (a
    part of normalized text is normalized).
    """
    try:
        text = _canonical(value)
        if text.isascii() or is_normalized("NFC", text):
            return json.loads(text, parse_float=_refuse), text
    except ValueError as error:
        raise TypeError(f"this cannot be recorded: {error}") from error
    content = plain(value)
    return content, written(content)


def _refuse(text: str) -> Any:
    raise TypeError(f"{text} cannot be recorded as a binary fraction: use a decimal")


_canonical = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False, default=plain
).encode


def written(value: Any) -> str:
    """Canonical JSON of a value that is plain already."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest_of(salt: str, why: str, what: str) -> str:
    """Digest of an event's words: salted, so that a redacted word cannot be guessed from what stays.

    SHA-256 of a line with the lengths of the three (in characters) and then the three, so that no word can be moved
    from one to another.
    """
    text = f"{len(salt)} {len(why)} {len(what)}\n{salt}{why}{what}"
    return hashlib.sha256(text.encode()).hexdigest()


def body_of(fields: Sequence[Any]) -> str:
    """SHA-256 of fields as a JSON list of texts: what an entry says, in 64 digits."""
    text = '","'.join(["%s"] * len(fields)) % tuple(fields)
    # Most fields need no escaping, and then the list is the fields between quotation marks: a third of the time.
    if text.isprintable() and "\\" not in text and text.count('"') == 2 * (len(fields) - 1):
        text = f'["{text}"]'
    else:
        text = _encode([*map(str, fields)])
    return hashlib.sha256(text.encode()).hexdigest()


def linked(previous: str, body: str) -> str:
    """Hash of an entry: SHA-256 of the hash before it and its body, a line each.

    Who holds the bodies alone can check the chain and learns nothing of what the entries say.
    """
    return hashlib.sha256(f"{previous}\n{body}".encode()).hexdigest()


def chained(previous: str, fields: Sequence[Any]) -> str:
    """Hash of an entry with these fields after the entry whose hash is ``previous``."""
    return linked(previous, body_of(fields))


_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


def digest_of_slots(slots: Iterable[tuple[Any, ...]]) -> str:
    """Digest of slots (handle, stream, position, ciphertext), whatever their order."""
    return hashlib.sha256(written(sorted([str(part) for part in slot[:4]] for slot in slots)).encode()).hexdigest()


def genesis(ledger: str, trial: str, mode: str, instance: str) -> str:
    """What the first entry of a ledger is chained to: no ledger of another trial, mode or kind begins so."""
    return hashlib.sha256("\n".join(("equipoise 1", ledger, trial, mode, instance)).encode()).hexdigest()
