"""Tables on the terminal: aligned columns under one rule, no boxes; where they would not fit, a few lines a row."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from rich import box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Column, Table
from rich.text import Text

from equipoise.foundation.printable import escaped

_GAP = 3  # blanks between two columns
_WHOLE = "\N{NO-BREAK SPACE}"


class FittingTable(Table):
    """A table that breaks cells between words only, and is written row by row where even that is too wide."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        room = options.max_width - _GAP * (len(self.columns) - 1)
        natural = [max(map(cell_len, texts)) for texts in map(_texts, self.columns)]
        least = [_least(column, width) for column, width in zip(self.columns, natural, strict=True)]
        if sum(natural) > room >= sum(least):
            for column, width in zip(self.columns, _shared(natural, least, room), strict=True):
                column.width = width
        if sum(least) <= room:
            yield from super().__rich_console__(console, options)
        else:
            yield from self._row_by_row(options.max_width)

    def _row_by_row(self, width: int) -> RenderResult:
        if self.title:
            yield Text(str(self.title), style="bold")
        heads, *rows = zip(*map(_texts, self.columns), strict=True)
        for name, *cells in rows:
            yield Text(name, style="bold", no_wrap=True, overflow="ignore")
            pairs = zip(heads[1:], cells, strict=True)
            said = [head if cell == "X" else f"{head} {cell}" for head, cell in pairs if cell]
            # Short parts stay whole: `p 0.0051` is not broken at its blank.
            parts = [part.replace(" ", _WHOLE) if cell_len(part) <= width // 2 else part for part in said]
            lines = textwrap.wrap("; ".join(parts), max(width - 2, 20), break_long_words=False, break_on_hyphens=False)
            for line in lines:
                yield Text("  " + line.replace(_WHOLE, " "))


def _texts(column: Column) -> list[str]:
    """The head and the cells of a column, as plain text."""
    return [str(column.header).strip(), *(str(cell).strip() for cell in column._cells)]


def _least(column: Column, natural: int) -> int:
    """The narrowest a column may be: numbers and names whole, other cells broken between words."""
    if column.no_wrap or column.justify == "right":
        return natural
    return max((cell_len(word) for text in _texts(column) for word in text.split()), default=0)


def _shared(natural: Sequence[int], least: Sequence[int], room: int) -> list[int]:
    """Widths between the least and the natural ones that fill the room; columns that want little get it all."""
    widths = list(least)
    waiting = sorted(range(len(widths)), key=lambda i: natural[i] - least[i])
    spare = room - sum(widths)
    for position, i in enumerate(waiting):
        given = min(natural[i] - least[i], spare // (len(waiting) - position))
        widths[i] += given
        spare -= given
    return widths


def plain_table(*columns: str | tuple[str, str], title: str | None = None, names: bool = True) -> Table:
    """A table with a rule under its head; a column is a name, or a name and its alignment.

    With ``names`` the first column holds names that a reader copies: it is never broken.
    """
    table = FittingTable(
        box=box.SIMPLE_HEAD, title=title, title_justify="left", title_style="bold", pad_edge=False, show_edge=False
    )
    for position, column in enumerate(columns):
        name, align = column if isinstance(column, tuple) else (column, "left")
        table.add_column(name, justify=align, overflow="fold", no_wrap=names and position == 0)  # type: ignore[arg-type]
    return table


def add_rows(table: Table, rows: Sequence[Sequence[str]]) -> Table:
    """The table with rows added."""
    for row in rows:
        table.add_row(*(Text(escaped(cell)) for cell in row))
    return table
