"""A table as R's own file: one data frame, serialized as R's documentation of its format (version 3) has it.

Written here because the libraries that do it may not be used under our licence. Texts are UTF-8, coded values are
factors, truths are logical; each column carries its label in the attribute ``label``, as Hmisc and haven do.
"""

from __future__ import annotations

import gzip
import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from equipoise.exchange.statistics_files.labelled import LabelledTable, Variable

# Types and flags of R's serialization ("R Internals", section Serialization Formats).
_SYMBOL, _PAIRLIST, _CHARS, _LOGICAL, _INTEGER, _REAL, _STRING, _LIST, _NIL = 1, 2, 9, 10, 13, 14, 16, 19, 254
_HAS_OBJECT, _HAS_ATTRIBUTES, _HAS_TAG = 1 << 8, 1 << 9, 1 << 10
_UTF8, _ASCII = 1 << 15, 1 << 18
_NA_INTEGER = -(2**31)
_NA_REAL = struct.pack(">Q", 0x7FF00000000007A2)  # the bits by which R tells a missing number from a NaN


def write_rds(table: LabelledTable, path: Path) -> None:
    """Write one table as a data frame; the same table gives the same bytes."""
    writer = _Writer()
    columns = [(variable, table.frame[variable.name]) for variable in table.variables]
    writer.word(_LIST | _HAS_OBJECT | _HAS_ATTRIBUTES)
    writer.word(len(columns))
    for variable, series in columns:
        writer.column(variable, series)
    writer.attribute("names", lambda: writer.strings([variable.name for variable, _ in columns]))
    writer.attribute("class", lambda: writer.strings(["data.frame"]))
    writer.attribute("row.names", lambda: writer.integers(np.array([_NA_INTEGER, -table.frame.height])))
    writer.attribute("label", lambda: writer.strings([table.label]))
    writer.word(_NIL)
    path.write_bytes(gzip.compress(b"".join(writer.parts), compresslevel=6, mtime=0))


class _Writer:
    def __init__(self) -> None:
        encoding = b"UTF-8"
        head = struct.pack(">iiii", 3, 0x00040202, 0x00030500, len(encoding))
        self.parts: list[bytes] = [b"X\n", head, encoding]
        self.symbols: dict[str, int] = {}

    def word(self, number: int) -> None:
        self.parts.append(struct.pack(">i", number))

    def attribute(self, name: str, value: object) -> None:
        """One cell of the list of attributes; the caller ends the list."""
        assert callable(value)
        self.word(_PAIRLIST | _HAS_TAG)
        if name in self.symbols:
            self.word((self.symbols[name] << 8) | 0xFF)  # a symbol that stood before is told by its number
        else:
            self.symbols[name] = len(self.symbols) + 1
            self.word(_SYMBOL)
            self.chars(name)
        value()

    def chars(self, text: str | None) -> None:
        if text is None:
            self.parts.append(struct.pack(">ii", _CHARS, -1))
            return
        raw = text.encode("utf-8")
        self.parts.append(struct.pack(">ii", _CHARS | (_ASCII if text.isascii() else _UTF8), len(raw)))
        self.parts.append(raw)

    def strings(self, texts: Sequence[str | None]) -> None:
        self.word(_STRING)
        self.word(len(texts))
        for text in texts:
            self.chars(text)

    def integers(self, numbers: np.ndarray, flags: int = 0, kind: int = _INTEGER) -> None:
        self.word(kind | flags)
        self.word(len(numbers))
        self.parts.append(numbers.astype(">i4").tobytes())

    def column(self, variable: Variable, series: pl.Series) -> None:
        label = variable.full_label
        if variable.kind == "text":
            self.word(_STRING | _HAS_ATTRIBUTES)
            self.word(series.len())
            for text in series.to_list():
                self.chars(text)
        elif variable.kind == "number" or not _fits(series):
            self.word(_REAL | _HAS_ATTRIBUTES)
            self.word(series.len())
            values = series.to_numpy().astype(">f8")
            raw = values.view(">u8").copy()
            raw[series.is_null().to_numpy()] = int.from_bytes(_NA_REAL, "big")
            self.parts.append(raw.tobytes())
        else:
            whole = series.fill_null(_NA_INTEGER).to_numpy()
            kind = _LOGICAL if variable.kind == "yes-no" else _INTEGER
            factor = _HAS_OBJECT if variable.kind == "coded" else 0
            self.integers(whole, _HAS_ATTRIBUTES | factor, kind)
        if variable.kind == "coded":
            self.attribute("levels", lambda: self.strings([label for _, _, label in variable.codes]))
            self.attribute("class", lambda: self.strings(["factor"]))
        self.attribute("label", lambda: self.strings([label]))
        self.word(_NIL)


def _fits(series: pl.Series) -> bool:
    """Whether whole numbers fit R's own, which have 32 bits and keep the least for a missing one."""
    return bool((series.abs() < 2**31).fill_null(value=True).all())
