"""XML as text, element by element: escaped, indented, and nothing in it that XML cannot hold."""

from __future__ import annotations

import re
from collections.abc import Callable
from xml.sax.saxutils import escape

from equipoise.foundation.errors import OutputError, Problem

CODES = {
    "O081": "A text that XML cannot hold: it has a control character.",
}
_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_QUOTED = {'"': "&quot;", "\n": "&#10;", "\r": "&#13;", "\t": "&#9;"}
_RETURNS = {"\r": "&#13;"}
_PLAIN = re.compile(r"[A-Za-z0-9 .:,;()/+_-]*")


def _held(text: str, place: str) -> None:
    found = _FORBIDDEN.search(text)
    if found is not None:
        said = f"The text has the character U+{ord(found[0]):04X}."
        raise OutputError(Problem("O081", place, said, "text that XML can hold", "Take the character out of the text."))


class XmlText:
    """Writes elements to ``write``. Attributes that are ``None`` or empty are left out."""

    def __init__(self, write: Callable[[str], object]) -> None:
        self.write = write
        self.depth = 0
        self.open_names: list[str] = []
        write('<?xml version="1.0" encoding="UTF-8"?>\n')

    def _tag(self, name: str, attributes: dict[str, str | None]) -> str:
        out = [name]
        for key, value in attributes.items():
            if not value:
                continue
            if not _PLAIN.fullmatch(value):
                _held(value, f"{name} {key}")
                value = escape(value, _QUOTED)
            out.append(f'{key}="{value}"')
        return " ".join(out)

    def start(self, name: str, **attributes: str | None) -> None:
        """Open an element."""
        self.write(f"{' ' * self.depth}<{self._tag(name, attributes)}>\n")
        self.depth += 1
        self.open_names.append(name)

    def end(self) -> None:
        """Close the element that was opened last."""
        self.depth -= 1
        self.write(f"{' ' * self.depth}</{self.open_names.pop()}>\n")

    def empty(self, name: str, **attributes: str | None) -> None:
        """An element without content."""
        self.write(f"{' ' * self.depth}<{self._tag(name, attributes)}/>\n")

    def text(self, name: str, text: str, attributes: dict[str, str | None] | None = None) -> None:
        """An element that holds a text."""
        _held(text, name)
        self.write(f"{' ' * self.depth}<{self._tag(name, attributes or {})}>{escape(text, _RETURNS)}</{name}>\n")

    def valued(self, name: str, value: str, attributes: dict[str, str | None]) -> None:
        """An element without content whose attribute Value is there even where it is empty."""
        _held(value, name)
        self.write(f'{" " * self.depth}<{self._tag(name, attributes)} Value="{escape(value, _QUOTED)}"/>\n')
