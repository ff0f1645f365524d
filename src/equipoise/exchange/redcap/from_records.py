"""Records as the data of the project that a protocol makes, and back: the same rows either way.

A visit, a urine sample and an answer of a planned visit stand in the forms of that visit. Every other row is an
instance of its table's repeating form, in the event of the whole trial.
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from equipoise.exchange.redcap.data import (
    EVENT,
    GROUP,
    INSTANCE,
    INSTRUMENT,
    KEYS,
    LINE,
    RECORD,
    RedcapData,
    expected_columns,
)
from equipoise.exchange.redcap.fields import RedcapField
from equipoise.exchange.redcap.from_protocol import ID, PEOPLE, SIMULATED, VISIT, CellNote
from equipoise.exchange.redcap.project import RedcapProject
from equipoise.foundation.errors import Problem, RecordsError, raise_if_any
from equipoise.records.cells import type_cells
from equipoise.records.schema import TABLES

CODES = {
    "R358": "A project that equipoise wrote whose rows no longer make records.",
}
Noted = list[tuple[RedcapField, CellNote]]


def notes_of(project: RedcapProject) -> Noted:
    """Fields that say which cell of the records they are."""
    read = ((one, CellNote.read(one.cell("field_annotation"))) for one in project.fields)
    return [(one, note) for one, note in read if note is not None]


def is_own_project(project: RedcapProject) -> bool:
    """Whether the project was made of a protocol: its record is a participant, and every field says what it is."""
    noted = notes_of(project)
    return len(noted) == len(project.fields) and noted[0][1] == CellNote(PEOPLE, ID)


def data_of_records(project: RedcapProject, tables: Mapping[str, pl.DataFrame], *, simulated: bool) -> RedcapData:
    """The data of the project."""
    maker = _DataMaker(project, simulated)
    parts = [maker.people(tables[PEOPLE])]
    for name in TABLES:
        frame = tables[name]
        if name == PEOPLE or not frame.height:
            continue
        rest = frame.with_row_index("_row")
        if name in ("visits", "urine", "assessments"):
            placed, used = maker.placed(name, rest)
            parts += placed
            rest = rest.filter(~pl.col("_row").is_in(used.implode()))
        parts.append(maker.instances(name, rest.drop("_row")))
    frame = maker.joined(parts)
    return RedcapData(project, frame, expected_columns(project), "records")


class _DataMaker:
    def __init__(self, project: RedcapProject, simulated: bool) -> None:
        self.project = project
        self.simulated = simulated
        self.noted = notes_of(project)
        self.whole = project.events[0].unique
        # visits by name, and the forms that stand in the event of each
        self.events = {event.name: event.unique for event in project.events[1:]}

    def of_form(self, form: str) -> Noted:
        """The fields of one form."""
        return [(one, note) for one, note in self.noted if one.form == form]

    def people(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Participants: one row each."""
        fields = [(one, note) for one, note in self.of_form(PEOPLE) if note.column != ID]
        cells = [
            pl.lit("1" if self.simulated else "0").alias(one.name)
            if note.table == SIMULATED
            else _text(one, frame.schema[note.column], note.column)
            for one, note in fields
            if note.table == SIMULATED or note.column in frame.columns
        ]
        return self.keyed(frame, cells, pl.lit(self.whole), "", pl.lit(0, pl.Int64))

    def keyed(
        self, frame: pl.DataFrame, cells: list[pl.Expr], event: pl.Expr, form: str, instance: pl.Expr
    ) -> pl.DataFrame:
        """Rows with the keys of an export before their cells."""
        return frame.select(
            pl.col(ID).alias(RECORD),
            event.alias(EVENT),
            pl.lit(form).alias(INSTRUMENT),
            instance.alias(INSTANCE),
            *cells,
        )

    def instances(self, name: str, frame: pl.DataFrame) -> pl.DataFrame:
        """Rows of a table as instances of its form, numbered within the participant in the order of the table's key."""
        frame = frame.sort([c for c in TABLES[name].key if c in frame.columns], maintain_order=True)
        cells = [
            _text(one, frame.schema[n.column], n.column) for one, n in self.of_form(name) if n.column in frame.columns
        ]
        number = pl.int_range(1, pl.len() + 1, dtype=pl.Int64).over(ID)
        return self.keyed(frame, cells, pl.lit(self.whole), name, number)

    def placed(self, name: str, rows: pl.DataFrame) -> tuple[list[pl.DataFrame], pl.Series]:
        """Rows that stand in the forms of planned visits, a frame a form, and which rows of the table these are."""
        rows = rows.filter(pl.col("visit").is_in(list(self.events)))
        if name == "visits":
            cells = [_text(one, rows.schema[n.column], n.column) for one, n in self.of_form(VISIT)]
            event = pl.col("visit").replace_strict(self.events, return_dtype=pl.String)
            return [self.keyed(rows, cells, event, "", pl.lit(0, pl.Int64))], rows["_row"]
        frames: list[pl.DataFrame] = []
        used = [pl.Series([], dtype=pl.UInt32)]
        forms = dict.fromkeys(one.form for one, n in self.noted if n.table == name and n.fixed)
        left = rows
        for form in forms:
            held, ids = (self._samples if name == "urine" else self._answers)(form, left)
            left = left.filter(~pl.col("_row").is_in(ids.implode()))
            frames += held
            used.append(ids)
        return frames, pl.concat(used)

    def _at(self, form: str) -> dict[str, str]:
        """Visits in whose event the form stands."""
        return {name: unique for name, unique in self.events.items() if form in self.project.forms_of(unique)}

    def _samples(self, form: str, rows: pl.DataFrame) -> tuple[list[pl.DataFrame], pl.Series]:
        """Urine samples: a day and a result for each substance; a second sample of a visit is not placed."""
        at = self._at(form)
        rows = rows.filter(pl.col("visit").is_in(list(at)))
        rows = rows.filter(~pl.struct(ID, "visit", "substance").is_duplicated())
        frames, ids = [], [pl.Series([], dtype=pl.UInt32)]
        by = {dict(note.fixed)["substance"]: None for _, note in self.of_form(form)}
        for substance in by:
            own = [(one, n) for one, n in self.of_form(form) if dict(n.fixed)["substance"] == substance]
            mine = rows.filter(pl.col("substance") == substance)
            if mine.height:
                cells = [_text(one, mine.schema[n.column], n.column) for one, n in own]
                event = pl.col("visit").replace_strict(at, return_dtype=pl.String)
                frames.append(self.keyed(mine, cells, event, "", pl.lit(0, pl.Int64)))
                ids.append(mine["_row"])
        return frames, pl.concat(ids)

    def _answers(self, form: str, rows: pl.DataFrame) -> tuple[list[pl.DataFrame], pl.Series]:
        """Answers to an instrument at a visit: one day, each item once; others are not placed."""
        at = self._at(form)
        noted = self.of_form(form)
        items = {dict(n.fixed)["item"]: one.name for one, n in noted if n.column == "value"}
        (day,) = [one.name for one, n in noted if n.column == "day"]
        instrument = dict(noted[0][1].fixed)["instrument"]
        key = [ID, "visit"]
        mine = rows.filter((pl.col("instrument") == instrument) & pl.col("visit").is_in(list(at)))
        mine = mine.filter(pl.col("item").is_in(list(items)) & pl.col("value").is_not_null())
        one_day = mine.group_by(key).agg(n=pl.col("day").n_unique())
        mine = mine.join(one_day.filter(pl.col("n") == 1).select(key), on=key, how="semi", maintain_order="left")
        mine = mine.filter(~pl.struct(*key, "item").is_duplicated())
        if not mine.height:
            return [], mine["_row"]
        named = mine.with_columns(
            pl.col("item").replace_strict(items, return_dtype=pl.String).alias("_field"),
            _number("value").alias("_cell"),
        )
        wide = named.pivot(on="_field", index=[*key, "day"], values="_cell", aggregate_function="first")
        cells = [pl.col(name) for name in wide.columns if name in items.values()]
        cells.append(pl.col("day").cast(pl.String).alias(day))
        event = pl.col("visit").replace_strict(at, return_dtype=pl.String)
        return [self.keyed(wide, cells, event, "", pl.lit(0, pl.Int64))], mine["_row"]

    def joined(self, parts: list[pl.DataFrame]) -> pl.DataFrame:
        """One row for each record, event and instance, in that order, with the columns of an export."""
        plain: dict[str, pl.DataFrame] = {}
        for part in parts:
            kind = part[INSTRUMENT][0] if part.height else ""
            name = kind or f"\x00{','.join(part.columns[4:])}"
            plain[name] = part if name not in plain else pl.concat([plain[name], part], how="diagonal")
        once = [frame for name, frame in plain.items() if name.startswith("\x00")]
        base = once[0]
        for frame in once[1:]:
            base = base.join(frame, on=list(KEYS), how="full", coalesce=True)
        out = pl.concat(
            [base, *(frame for name, frame in plain.items() if not name.startswith("\x00"))], how="diagonal"
        )
        order = {event.unique: k for k, event in enumerate(self.project.events)}
        forms = {"": -1, **{form: k for k, form in enumerate(self.project.forms)}}
        out = out.sort(
            RECORD,
            pl.col(EVENT).replace_strict(order, return_dtype=pl.Int64),
            pl.col(INSTRUMENT).replace_strict(forms, return_dtype=pl.Int64),
            INSTANCE,
        )
        statuses = [self._status(form, out) for form in self.project.forms]
        absent = [
            pl.lit(None, pl.String).alias(column)
            for one in self.project.fields[1:]
            for column in one.columns
            if column not in out.columns
        ]
        return (
            out.with_columns(*absent, *statuses, pl.lit("").alias(GROUP))
            .with_row_index(LINE, offset=2)
            .with_columns(pl.col(LINE).cast(pl.Int64))
        )

    def _status(self, form: str, frame: pl.DataFrame) -> pl.Expr:
        """The status of a form: complete where it holds anything."""
        columns = [one.name for one in self.project.fields_of(form)[form == PEOPLE :] if one.name in frame.columns]
        held = pl.any_horizontal(pl.col(columns).is_not_null()) if columns else pl.lit(False)
        return pl.when(held).then(pl.lit("2")).alias(f"{form}_complete")


def _number(column: str) -> pl.Expr:
    """Numbers as text: whole ones without a point, others in the fewest figures that give the same number."""
    return pl.col(column).cast(pl.String).str.replace(r"\.0$", "")


def _text(one: RedcapField, dtype: pl.DataType, column: str) -> pl.Expr:
    """A column of records as the cells of a field."""
    cells = pl.col(column)
    if dtype == pl.Boolean:
        said = pl.when(cells).then(pl.lit("1")).when(~cells).then(pl.lit("0"))
        return said.alias(one.name)
    if dtype.is_float():
        return _number(column).alias(one.name)
    texts = cells.cast(pl.String)
    codes = {label: code for code, label in one.choices}
    return (texts.replace(codes) if _by_label(one) else texts).alias(one.name)


def _by_label(one: RedcapField) -> bool:
    """Whether the codes only number the levels, so that a level is known by its label."""
    note = CellNote.read(one.cell("field_annotation"))
    return note is not None and ("by", "label") in note.fixed


def tables_of_data(data: RedcapData, columns: object = None) -> dict[str, pl.DataFrame]:
    """The tables of records that :func:`data_of_records` was made of. Raises :class:`RecordsError` (R358).

    ``columns`` are the participants' own columns there were; a variable of the protocol that nobody recorded is none.
    """
    texts: dict[str, list[pl.DataFrame]] = {}
    project = data.project
    extra: dict[str, type[pl.DataType]] = {}
    noted = notes_of(project)
    visits = {event.unique: event.name for event in project.events[1:]}
    for form in project.forms:
        own = [(one, note) for one, note in noted if one.form == form and note.column != ID and one.name in data.has]
        rows = data.frame.filter(data.rows_of(form))
        by: dict[tuple[tuple[str, str], ...], list[tuple[RedcapField, CellNote]]] = {}
        for one, note in own:
            is_extra = note.table == PEOPLE and TABLES[PEOPLE].column(note.column) is None
            if note.table == SIMULATED or (is_extra and isinstance(columns, list) and note.column not in columns):
                continue
            by.setdefault(tuple(pair for pair in note.fixed if pair[0] not in ("at", "item", "by")), []).append(
                (one, note)
            )
            if is_extra:
                extra[note.column] = _dtype(one)
        for fixed, fields in by.items():
            table = fields[0][1].table
            constants = [pl.lit(value).alias(key) for key, value in fixed]
            if not project.repeats_at(project.events[0].unique, form) and table != PEOPLE:
                constants.append(
                    pl.col(EVENT).replace_strict(visits, default=None, return_dtype=pl.String).alias("visit")
                )
            texts.setdefault(table, []).extend(_frames(rows, fields, constants, table))
    out: dict[str, pl.DataFrame] = {}
    problems: list[Problem] = []
    for name, frames in texts.items():
        whole = pl.concat(frames, how="diagonal")
        if not whole.height:
            continue
        typed, faults = type_cells(TABLES[name], whole, extra if name == PEOPLE else {})
        problems += [Problem("R358", fault.table, fault.found, fault.expected, file=data.file) for fault in faults]
        if typed is not None:
            out[name] = typed
    raise_if_any(RecordsError, problems)
    return out


def _frames(
    rows: pl.DataFrame, fields: list[tuple[RedcapField, CellNote]], constants: list[pl.Expr], table: str
) -> list[pl.DataFrame]:
    """Rows of one table from the cells of one form; of an instrument a row an item."""
    ids = pl.col(RECORD).alias(ID)
    items = [(one, note) for one, note in fields if "item" in dict(note.fixed)]
    plain = [(one, note) for one, note in fields if "item" not in dict(note.fixed)]
    cells = [_back(one).alias(note.column) for one, note in plain]
    if items:
        out = []
        for one, note in items:
            item = pl.lit(dict(note.fixed)["item"]).alias("item")
            mine = rows.filter(pl.col(one.name).is_not_null())
            out.append(mine.select(ids, *constants, *cells, item, pl.col(one.name).alias("value")))
        return out
    held = [one.name for one, _ in fields]
    if table != PEOPLE and held:
        rows = rows.filter(pl.any_horizontal(pl.col(held).is_not_null()))
    return [rows.select(ids, *constants, *cells)]


def _back(one: RedcapField) -> pl.Expr:
    cells = pl.col(one.name)
    if one.type == "yesno":
        return cells.replace({"1": "true", "0": "false"})
    if _by_label(one):
        return cells.replace(dict(one.choices))
    return cells


def _dtype(one: RedcapField) -> type[pl.DataType]:
    if one.type == "yesno":
        return pl.Boolean
    if one.validation == "integer":
        return pl.Int64
    return pl.Float64 if one.validation == "number" else pl.String
