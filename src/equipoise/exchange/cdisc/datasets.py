"""A CDISC dataset: variables with what Define-XML says of them, and the rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import polars as pl

LONGEST_TEXT = 200  # bytes of a text that agencies take in one variable
LONGEST_LABEL = 40


@dataclass(frozen=True, slots=True)
class DatasetVariable:
    """One variable of a dataset.

    ``type`` is ``text``, ``integer``, ``float``, ``date`` or ``datetime`` (as texts of ISO 8601), ``duration`` (a text
    too). ``origin`` says where values come from, ``comment`` or ``method`` how; ``terms`` are the values that occur, by
    value their decode, of the list ``codelist`` (a code of controlled terminology, or empty for the sponsor's own).
    """

    name: str
    label: str
    type: str = "text"
    role: str = ""
    core: str = "Perm"
    origin: str = "Collected"
    source: str = "Investigator"
    comment: str = ""
    method: str = ""
    codelist: str = ""
    terms: Mapping[str, str] = field(default_factory=dict)
    predecessor: str = ""

    @property
    def is_text(self) -> bool:
        """Whether values are texts."""
        return self.type not in ("integer", "float")


@dataclass(frozen=True, slots=True)
class CdiscDataset:
    """One dataset: ``frame`` holds texts and floats under the names of ``variables``, rows sorted by ``keys``."""

    name: str
    label: str
    kind: str  # the class of observations, as Define-XML names it
    structure: str
    keys: tuple[str, ...]
    variables: tuple[DatasetVariable, ...]
    frame: pl.DataFrame
    is_reference: bool = False
    comment: str = ""
    # By value of the first variable named, what the second one holds: (QNAM, QVAL) or (PARAMCD, AVAL).
    by_value: tuple[str, str] | None = None

    def variable(self, name: str) -> DatasetVariable | None:
        """A variable of the dataset."""
        return next((one for one in self.variables if one.name == name), None)

    def with_label(self, label: str) -> CdiscDataset:
        """The same dataset under another label."""
        return replace(self, label=label)


def cut_to(text: str, longest: int = LONGEST_TEXT) -> tuple[str, str]:
    """A text in two parts, the first of at most so many bytes and whole characters."""
    raw = text.encode("utf-8")
    if len(raw) <= longest:
        return text, ""
    head = raw[:longest].decode("utf-8", "ignore")
    return head, text[len(head) :]


def pieces_of(text: str, longest: int = LONGEST_TEXT) -> list[str]:
    """A text in parts of at most so many bytes."""
    parts = []
    while text:
        head, text = cut_to(text, longest)
        parts.append(head)
    return parts


def unique_names(texts: Sequence[str], longest: int = 8, prefix: str = "X") -> dict[str, str]:
    """A name of capitals and digits for each text, different from one another, beginning with a letter."""
    out: dict[str, str] = {}
    taken: set[str] = set()
    for text in texts:
        plain = "".join(c for c in text.upper() if c.isascii() and c.isalnum()) or prefix
        plain = plain if plain[0].isalpha() else prefix + plain
        name, number = plain[:longest], 1
        while name in taken:
            number += 1
            name = plain[: longest - len(str(number))] + str(number)
        taken.add(name)
        out[text] = name
    return out


def number_text(value: float) -> str:
    """A number as data show it: as many digits as it has, no empty decimals."""
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(float(value))


def duration_of(minutes: float) -> str:
    """Minutes as a duration of ISO 8601."""
    seconds = round(abs(minutes) * 60)
    whole, rest = divmod(seconds, 60)
    text = f"PT{whole}M" if not rest else f"PT{whole}M{rest}S" if whole else f"PT{rest}S"
    return f"-{text}" if minutes < 0 else text


def is_unique(frame: pl.DataFrame, keys: Sequence[str]) -> bool:
    """Whether no two rows agree in all of ``keys``."""
    return not frame.height or frame.select(keys).is_duplicated().sum() == 0
