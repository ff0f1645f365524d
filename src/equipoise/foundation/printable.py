"""Characters that nobody sees and terminals obey: named in text that people type, escaped where text is shown.

A line feed in a reason forges a line of a list, an escape sequence clears a screen or writes over what stands there,
and a mark of direction shows letters in another order than they have. What was recorded before such text was refused,
and what a file brings, is shown with each such character written out: ``\\x1b``, ``\\u202e``.
"""

from __future__ import annotations

import re
from unicodedata import category

# Joiners that some scripts cannot be written without; they change the shape of letters and nothing else.
_JOINERS = "\u200c\u200d"
_UNSEEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}
# Nothing beyond these ranges is of these kinds but marks that the slow way finds: most text is done with at one look.
_SUSPECT = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u0600-\u061c\u06dd\u070f\u0890-\u08e2\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff\ufff9-\ufffb\U00010000-\U0010ffff]"
)


def is_unseen(character: str) -> bool:
    """Whether a character is a control character, a mark of direction or another that nobody sees."""
    return category(character) in _UNSEEN and character not in _JOINERS


def unseen(text: str, *, allowed: str = "") -> str:
    """The first unseen character of a text, as it is written out (``\\x1b``); empty where there is none.

    ``allowed`` are characters that may stand there, such as the line feeds of a file.
    """
    if _SUSPECT.search(text) is None:
        return ""
    return next((_written(one) for one in text if is_unseen(one) and one not in allowed), "")


def _written(character: str) -> str:
    number = ord(character)
    return f"\\x{number:02x}" if number < 256 else f"\\u{number:04x}" if number < 65536 else f"\\U{number:08x}"


def escaped(text: str, *, allowed: str = "\n\t") -> str:
    """The text with unseen characters written out; ``allowed`` ones stay as they are."""
    if _SUSPECT.search(text) is None:
        return text
    return "".join(_written(one) if is_unseen(one) and one not in allowed else one for one in text)
