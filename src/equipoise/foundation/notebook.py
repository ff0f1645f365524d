"""How values show in a notebook: values of lower rooms show by the tables of the reports, which lie above them.

The package names the loader of those tables; a room that is used alone shows its values plainly.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Maker = Callable[[Any], str]
_loaders: list[Callable[[], Maker]] = []


def show_by(loader: Callable[[], Maker]) -> None:
    """Let values show by what ``loader`` gives: a function from a value to HTML, loaded when first needed."""
    _loaders[:] = [loader]


def shown(value: Any) -> str:
    """The value as HTML; its plain text where no tables have been named."""
    if _loaders:
        return _loaders[0]()(value)
    from html import escape

    return f"<pre>{escape(repr(value))}</pre>"
