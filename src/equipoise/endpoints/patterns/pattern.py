"""Use patterns as arrays: one byte a cell, a row a pattern, with the letters people read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from equipoise.endpoints.lattice import LETTERS, NOTHING, UNKNOWN
from equipoise.foundation.errors import Problem, UsageError

if TYPE_CHECKING:
    from equipoise.endpoints.patterns.kernels import Cells, Mask, Places

CODES = {
    "U601": "A pattern has a letter outside the alphabet, or no letters.",
    "U602": "Patterns differ in length where one length is required.",
    "U604": "Patterns side by side are not about the same participants.",
}
MAX_SHOWN = 20  # words that are refused one by one
CODE_OF = {letter: code for code, letter in LETTERS.items()}
_TABLE = np.full(256, 255, dtype=np.uint8)
for _letter, _code in CODE_OF.items():
    _TABLE[ord(_letter)] = _code
_TEXT = np.array([LETTERS[code] for code in range(5)], dtype="S1")


def codes(letters: str) -> Cells:
    """The codes of letters."""
    return np.array([CODE_OF[letter] for letter in letters], dtype=np.uint8)


def among(letters: str) -> Mask:
    """(5,) whether a code stands for one of the letters."""
    out = np.zeros(5, dtype=np.bool_)
    out[codes(letters)] = True
    return out


@dataclass(frozen=True)
class Pattern:
    """Patterns of many people: ``cells`` (n, width) codes of the lattice, ``length`` (n,) cells each row has.

    ``days_per_cell`` is 7 for weeks and 1 for days and visits; it places cells of different patterns on one time line.
    """

    cells: Cells
    length: Places
    days_per_cell: int = 1

    @classmethod
    def of(cls, cells: Cells, days_per_cell: int = 1) -> Pattern:
        """A pattern whose rows all have the full width."""
        length = np.full(cells.shape[0], cells.shape[1], dtype=np.int32)
        return cls(np.ascontiguousarray(cells, dtype=np.uint8), length, days_per_cell)

    @property
    def n(self) -> int:
        """Number of rows."""
        return int(self.cells.shape[0])

    @property
    def width(self) -> int:
        """Cells of the longest row."""
        return int(self.cells.shape[1])

    @cached_property
    def is_seen(self) -> Mask:
        """(n,) whether any cell was seen."""
        return np.asarray(((self.cells != NOTHING) & (self.cells != UNKNOWN)).any(axis=1))

    def rows(self, chosen: slice | Mask) -> Pattern:
        """Some of the rows."""
        return Pattern(self.cells[chosen], self.length[chosen], self.days_per_cell)

    @property
    def words(self) -> list[str]:
        """The rows as people read them."""
        lines = _TEXT[self.cells].view(f"S{max(self.width, 1)}").ravel() if self.width else [b""] * self.n
        return [line.decode()[:size] for line, size in zip(lines, self.length, strict=True)]


def read_words(
    words: Sequence[str | None] | pl.Series,
    *,
    length: int | None = None,
    days_per_cell: int = 7,
    file: str | None = None,
    lines: NDArray[np.int64] | None = None,
) -> Pattern:
    """Words as a pattern; with ``length`` every word must have it. ``lines`` are the words' lines in ``file``.

    Raises :class:`~equipoise.foundation.errors.UsageError` with each word: U601 for a letter outside ``+ - o * _`` or
    an empty word, U602 for another length.
    """
    series = words.cast(pl.String) if isinstance(words, pl.Series) else pl.Series("word", words, dtype=pl.String)
    sizes = series.str.len_bytes().fill_null(0).to_numpy().astype(np.int64)
    n, width = series.len(), int(sizes.max(initial=0))
    place = _Place(series, file, lines)
    if (sizes == 0).any():
        place.refuse()
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    data = np.frombuffer("".join(series.to_list()).encode(), dtype=np.uint8)
    cells = np.zeros((n, width), dtype=np.uint8)
    # Reading definitions needs no compiled code.
    from equipoise.endpoints.patterns.kernels import unpack_letters

    if unpack_letters(data, offsets, _TABLE, cells) >= 0:
        place.refuse()
    if length is not None and (sizes != length).any():
        place.refuse_lengths(sizes, length)
    return Pattern(cells, sizes.astype(np.int32), days_per_cell)


@dataclass(frozen=True)
class _Place:
    """Where each word stands."""

    series: pl.Series
    file: str | None
    lines: NDArray[np.int64] | None

    def problem(self, code: str, row: int, found: str, expected: str, step: str) -> Problem:
        line = None if self.lines is None else int(self.lines[row])
        return Problem(code, f"word, row {row + 1}", found, expected, step, self.file, line)

    def refuse(self) -> None:
        """Raise for every word with a stray letter or none, up to twenty."""
        problems = []
        for row, word in enumerate(self.series):
            stray = sorted(set(word or "") - set(CODE_OF))
            if word and not stray:
                continue
            found = f"{_short(word)} holds {', '.join(map(repr, stray))}." if word else "The word is empty."
            step = "Write + positive, - negative, o missed, * mixed, _ not due."
            problems.append(self.problem("U601", row, found, "letters of a use pattern: + - o * _", step))
            if len(problems) == MAX_SHOWN:
                break
        raise UsageError(problems)

    def refuse_lengths(self, sizes: NDArray[np.int64], length: int) -> None:
        """Raise for the words of another length, up to twenty."""
        step = "Write o for a missed cell and _ for one that is not due, so that every word has one length."
        raise UsageError(
            self.problem(
                "U602", row, f"{_short(self.series[row])} has {sizes[row]} letters.", f"{length} letters", step
            )
            for row in np.flatnonzero(sizes != length)[:MAX_SHOWN].tolist()
        )


def _short(word: str | None) -> str:
    text = repr(word)
    return text if len(text) <= 60 else text[:57] + "..."


def require_same_people(patterns: dict[str, Pattern]) -> None:
    """Refuse patterns side by side with different numbers of rows (U604)."""
    sizes = {name: pattern.n for name, pattern in patterns.items()}
    if len(set(sizes.values())) > 1:
        raise UsageError(
            Problem(
                "U604",
                "patterns",
                ", ".join(f"{name} has {n} rows" for name, n in sizes.items()) + ".",
                "one row for each person in every pattern",
                "Supply the patterns of the same people in the same order.",
            )
        )
