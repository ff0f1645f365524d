"""A table on the terminal, 80 columns wide: heads broken between words, the first column takes what is left."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Collection, Sequence

from rich.text import Text

from equipoise.cli.console import console
from equipoise.foundation.printable import escaped

WIDTH = 80
_LEAST_FIRST = 18  # columns that the names of rows need
_GAP = 2


def print_grid(
    heads: Sequence[str], under: Sequence[str], rows: Sequence[tuple[str, ...]], *, right: Collection[int]
) -> None:
    """Print heads, a line under them (numbers of participants), a rule and rows; a row of one cell heads a group.

    Columns of ``right`` are set to the right. A head is broken between words, after hyphens, and within a word only
    where nothing else fits.
    """
    widths = _widths(heads, under, rows)
    out = console()
    named = [textwrap.wrap(head, max(width, 1)) for head, width in zip(heads, widths, strict=True)]
    depth = max(map(len, named), default=0)
    for at in range(depth):
        # heads stand on the rule: the shorter ones begin lower
        cells = [lines[at - depth + len(lines)] if at >= depth - len(lines) else "" for lines in named]
        out.print(Text(escaped(_line(cells, widths, right))))
    if any(under):
        out.print(Text(escaped(_line(under, widths, right))))
    out.print("-" * WIDTH)
    for row in rows:
        if len(row) == 1:
            out.print(Text(escaped(row[0])))
            continue
        first, *others = textwrap.wrap(row[0], widths[0] - 1, initial_indent=" ", subsequent_indent="   ") or [""]
        out.print(Text(escaped(_line([first, *row[1:]], widths, right))))
        for rest in others:
            out.print(Text(escaped(rest)))


def _widths(heads: Sequence[str], under: Sequence[str], rows: Sequence[tuple[str, ...]]) -> list[int]:
    full = [row for row in rows if len(row) > 1]
    n = len(heads)
    least = [max(len(row[k]) for row in [*full, tuple(under)]) for k in range(n)]
    # a head wants its longest piece whole
    pieces = [max((len(piece) for piece in re.split(r"\s+|(?<=-)", head)), default=0) for head in heads]
    wanted = [max(least[k], pieces[k], min(len(heads[k]), 12)) for k in range(n)]
    room = WIDTH - _GAP * (n - 1) - _LEAST_FIRST
    widths = [0, *wanted[1:]]
    while sum(widths) > room and any(widths[k] > max(least[k], 6) for k in range(1, n)):
        widest = max((k for k in range(1, n) if widths[k] > max(least[k], 6)), key=lambda k: widths[k])
        widths[widest] -= 1
    widths[0] = max(WIDTH - _GAP * (n - 1) - sum(widths), 12)
    return widths


def _line(cells: Sequence[str], widths: Sequence[int], right: Collection[int]) -> str:
    placed = (cell.rjust(w) if k in right else cell.ljust(w) for k, (cell, w) in enumerate(zip(cells, widths)))
    return (" " * _GAP).join(placed).rstrip()
