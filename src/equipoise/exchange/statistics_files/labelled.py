"""Tables of records as statistics packages want them: every variable with its label, coded values with theirs.

Texts that can only be one of a few become numbers with labels; all other texts stay texts, truths become 0 and 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import polars as pl

from equipoise.exchange.records_files import plain_frame
from equipoise.exchange.simulated_column import SIMULATED, with_simulated
from equipoise.foundation.errors import OutputError, Problem, listed
from equipoise.protocol import Protocol
from equipoise.records.records import Records
from equipoise.records.schema import MISSED, NOT_EVALUABLE, NOT_EXPECTED, TABLES, Column

CODES = {
    "O060": "A value that is not among those its variable may take cannot be labelled.",
}

Kind = Literal["text", "coded", "yes-no", "whole", "number"]

YES_NO = ((0, "false", "No"), (1, "true", "Yes"))

# Why a result is not there: values that a package may be told to take as missing, each with its reason.
REASONS = {("urine", "result"): (NOT_EVALUABLE, MISSED, NOT_EXPECTED)}


@dataclass(frozen=True, slots=True)
class Variable:
    """One variable: how records call it, what it means, and, where it is coded, ``(code, value, label)`` in order."""

    name: str
    kind: Kind
    label: str
    unit: str = ""
    codes: tuple[tuple[int, str, str], ...] = ()
    reasons: tuple[int, ...] = ()  # the codes that say why there is no value

    @property
    def full_label(self) -> str:
        """The label with the unit behind it."""
        return f"{self.label} ({self.unit})" if self.unit and self.unit not in self.label else self.label


@dataclass(frozen=True, slots=True)
class LabelledTable:
    """One table with its variables; ``frame`` holds texts and floats, codes where values are coded."""

    name: str
    label: str
    variables: tuple[Variable, ...]
    frame: pl.DataFrame


def labelled_tables(records: Records, protocol: Protocol | None = None) -> list[LabelledTable]:
    """Every table of ``records`` that has rows, rows in the order of files of records.

    With ``protocol`` arms and the variables measured before randomization carry its labels, units and levels. Raises
    :class:`OutputError` (O060) for a value that its variable cannot take.
    """
    tables = []
    problems: list[Problem] = []
    for name, frame in records.tables.items():
        if not frame.height:
            continue
        table = TABLES[name]
        plain = with_simulated(name, plain_frame(name, frame, table.key), records.is_simulated)
        variables = tuple(_variable(name, column, plain.schema[column], protocol) for column in plain.columns)
        for variable in variables:
            problems += _outside(name, variable, plain[variable.name])
        if not problems:
            held = pl.DataFrame([coded(variable, plain[variable.name]) for variable in variables])
            tables.append(LabelledTable(name, table_label(records, name), variables, held))
    if problems:
        raise OutputError(problems)
    return tables


def table_label(records: Records, name: str) -> str:
    """The label of a table: the trial and the table, and that it is simulated where it is."""
    words = f"{records.source.protocol}: {name.replace('_', ' ')}" if records.source.protocol else name
    return f"SIMULATED {words}" if records.is_simulated else words


def _variable(table: str, name: str, dtype: pl.DataType, protocol: Protocol | None) -> Variable:
    if name == SIMULATED:
        return Variable(name, "yes-no", "the participant is fictional, made by simulation", codes=YES_NO)
    column = TABLES[table].column(name)
    codes, label, unit = _said(table, name, column, protocol)
    kind: Kind
    if codes:
        kind = "coded"
    elif dtype == pl.Boolean:
        kind, codes = "yes-no", YES_NO
    elif dtype.is_integer():
        kind = "whole"
    else:
        kind = "number" if dtype.is_float() else "text"
    why = REASONS.get((table, name), ())
    return Variable(name, kind, label, unit, codes, tuple(code for code, value, _ in codes if value in why))


def _said(
    table: str, name: str, column: Column | None, protocol: Protocol | None
) -> tuple[tuple[tuple[int, str, str], ...], str, str]:
    """Codes, label and unit of a variable: the schema's, or the protocol's for its own."""
    if column is not None:
        if protocol is not None and name in ("arm", "arm_received"):
            arms = [(arm, protocol.arm_label(arm)) for arm in protocol.arm_ids]
            return numbered(arms), column.meaning, column.unit
        return numbered([(choice, choice.replace("_", " ")) for choice in column.choices]), column.meaning, column.unit
    own = protocol.model.baseline.get(name) if protocol is not None and table == "participants" else None
    if own is None:
        return (), name.replace("_", " "), ""
    return numbered([(level, level) for level in own.levels]), own.label or name.replace("_", " "), own.unit or ""


def numbered(choices: list[tuple[str, str]]) -> tuple[tuple[int, str, str], ...]:
    """Codes from 1 for pairs of value and label, in order."""
    if len({label for _, label in choices}) < len(choices):
        choices = [(value, value) for value, _ in choices]  # two labels alike would make one of two values
    return tuple((code, value, label) for code, (value, label) in enumerate(choices, start=1))


def _outside(table: str, variable: Variable, series: pl.Series) -> list[Problem]:
    if variable.kind != "coded":
        return []
    known = [value for _, value, _ in variable.codes]
    other = series.drop_nulls().filter(~series.drop_nulls().cast(pl.String).is_in(known)).unique().sort()
    if not other.len():
        return []
    found = f"Values of no label: {listed(other.cast(pl.String).to_list(), conjunction='and', limit=5)}."
    hint = "Name the protocol that these records are of, or export without --protocol."
    return [Problem("O060", f"{table}, column {variable.name}", found, f"one of {listed(known)}", hint)]


def coded(variable: Variable, series: pl.Series) -> pl.Series:
    """A column as labelled tables hold it: texts as they are, codes for coded values, else numbers."""
    if variable.kind == "coded":
        codes = {value: float(code) for code, value, _ in variable.codes}
        return series.cast(pl.String).replace_strict(codes, return_dtype=pl.Float64)
    return series if variable.kind == "text" else series.cast(pl.Float64)
