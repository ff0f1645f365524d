"""JSON files of others: what JSON does not allow but readers let pass is a fault, and every fault is said in words.

Python's reader takes ``NaN``, numbers too large for any computer, keys that stand twice and halves of characters, and
ends with three kinds of errors. Here a file is either right or refused.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from pathlib import Path
from typing import Any

_HALF = re.compile(r"\\u[dD][89a-fA-F]")
_LONGEST = 300  # digits of a whole number: more do not fit any number of a computer


class JsonFault(ValueError):
    """What is wrong with a file, as a sentence, and the line where it is known."""

    def __init__(self, found: str, line: int | None = None) -> None:
        super().__init__(found)
        self.found = found
        self.line = line


def read_json(path: Path) -> Any:
    """The value in a file of JSON (UTF-8, with its mark or without); raises :class:`JsonFault`."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        absent = "There is no such file."
        said = absent if isinstance(error, FileNotFoundError) else f"The file cannot be read: {_reason(error)}."
        raise JsonFault(said) from None
    if not raw.strip():
        raise JsonFault("The file is empty.", 1)
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise JsonFault(f"Byte {error.start} is not UTF-8.", line) from None
    return json_value(text)


def json_value(text: str) -> Any:
    """The value of a text of JSON; raises :class:`JsonFault`."""
    try:
        value = json.loads(
            text, object_pairs_hook=_pairs, parse_constant=_constant, parse_int=_whole, parse_float=_number
        )
    except json.JSONDecodeError as error:
        raise JsonFault(f"The text is not JSON: {error.msg}.", error.lineno) from None
    except RecursionError:
        raise JsonFault("The text is not JSON: it is nested too deeply.") from None
    if _HALF.search(text):
        _require_whole_characters(value)
    return value


def _reason(error: OSError) -> str:
    return (error.strerror or type(error).__name__).lower()


def _pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
    out = dict(items)
    if len(out) < len(items):
        twice = next(key for key, n in Counter(key for key, _ in items).items() if n > 1)
        raise JsonFault(f"The text is not JSON: the key {twice!r} stands twice in one object.")
    return out


def _constant(name: str) -> Any:
    raise JsonFault(f"The text is not JSON: {name} is no value of it.")


def _whole(digits: str) -> int:
    if len(digits) > _LONGEST:
        raise JsonFault(f"A number has {len(digits):,} digits.")
    return int(digits)


def _number(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise JsonFault(f"The number {digits[:20]} is too large.")
    return value


def _require_whole_characters(value: Any) -> None:
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError as error:
        half = f"U+{ord(error.object[error.start]):04X}"
        raise JsonFault(f"A text holds half a character ({half}).") from None
