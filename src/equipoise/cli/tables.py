"""Tables on the terminal: aligned columns under one rule, no boxes."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.table import Table


def plain_table(*columns: str | tuple[str, str], title: str | None = None) -> Table:
    """A table with a rule under its head; a column is a name, or a name and its alignment."""
    table = Table(
        box=box.SIMPLE_HEAD, title=title, title_justify="left", title_style="bold", pad_edge=False, show_edge=False
    )
    for position, column in enumerate(columns):
        name, align = column if isinstance(column, tuple) else (column, "left")
        # The first column holds names that a reader copies: it is never broken.
        table.add_column(name, justify=align, overflow="fold", no_wrap=position == 0)  # type: ignore[arg-type]
    return table


def add_rows(table: Table, rows: Sequence[Sequence[str]]) -> Table:
    """The table with rows added."""
    from rich.text import Text

    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    return table
