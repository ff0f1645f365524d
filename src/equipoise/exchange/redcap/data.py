"""The data of a REDCap project as a frame of texts: one row a record, event and instance, each held against it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import polars as pl

from equipoise.exchange.csv import FORMULA, MAX_SHOWN, doubled
from equipoise.exchange.redcap.cells import HeadedCells, read_cells
from equipoise.exchange.redcap.data_as_labels import as_raw, is_labelled, raw_header
from equipoise.exchange.redcap.data_as_rows import from_long, is_long
from equipoise.exchange.redcap.project import RedcapProject, Repeats
from equipoise.foundation.errors import Problem, RecordsError, listed, nearest, raise_if_any

CODES = {
    "R310": "A column of data that the dictionary does not know, or that stands twice.",
    "R311": "A row without its record.",
    "R312": "An event or form that is not known, or a value of a form that does not stand in the row's event.",
    "R313": "An instance that is no positive whole number, or stands without what repeats.",
    "R314": "A row that stands twice.",
    "R316": "A cell of a checkbox or of a form's status that is none of its values.",
    "R318": "Data without the column of the record, or with events that no file explains.",
    "R319": "A file of data that is empty (a note, not an error).",
}

RECORD, EVENT, INSTRUMENT, INSTANCE, GROUP, LINE = "_record", "_event", "_instrument", "_instance", "_group", "_line"
KEYS = (RECORD, EVENT, INSTRUMENT, INSTANCE)
SPECIAL = {
    "redcap_event_name": EVENT,
    "redcap_repeat_instrument": INSTRUMENT,
    "redcap_repeat_instance": INSTANCE,
    "redcap_data_access_group": GROUP,
}
SURVEY = "redcap_survey_identifier"


@dataclass(frozen=True)
class RedcapData:
    """``frame``: the keys, the line of each row, and the data columns as texts (null where the cell is empty).

    ``header`` are the columns of the file in its order; ``as_labels`` says that it was an export of labels.
    """

    project: RedcapProject
    frame: pl.DataFrame
    header: tuple[str, ...]
    file: str
    as_labels: bool = False

    @cached_property
    def has(self) -> frozenset[str]:
        """Data columns that the file has."""
        return frozenset(self.frame.columns)

    @cached_property
    def records(self) -> list[str]:
        """Records in the order of the file."""
        return self.frame[RECORD].unique(maintain_order=True).to_list()

    def rows_of(self, form: str) -> pl.Expr:
        """Which rows hold values of the form."""
        project = self.project
        events = [event.unique for event in project.events] or [""]
        held = [event for event in events if form in project.forms_of(event)]
        alone = [event for event in held if project.repeats_at(event, form)]
        plain = [event for event in held if event not in alone]
        return (pl.col(INSTRUMENT) == form) | ((pl.col(INSTRUMENT) == "") & pl.col(EVENT).is_in(plain))


def expected_columns(project: RedcapProject) -> tuple[str, ...]:
    """The columns of a raw export in REDCap's order, without those of sites and surveys."""
    out = [project.id_field.name]
    if project.is_longitudinal:
        out.append("redcap_event_name")
    if project.repeats:
        out += ["redcap_repeat_instrument", "redcap_repeat_instance"]
    for form in project.forms:
        out += [column for field in project.fields_of(form) for column in field.columns if column not in out]
        out.append(f"{form}_complete")
    return tuple(out)


def read_data(path: Path, project: RedcapProject) -> tuple[RedcapData, list[Problem]]:
    """The data of an export: raw or labels, a row a record or a row a value; and notes on how it was read.

    Raises :class:`RecordsError` with every fault of form, each with its line and column. What repeats and no file
    said is taken from the rows themselves (``project`` of what is given back has it).
    """
    cells, problems = read_cells(path)
    if cells is None:
        if [problem.code for problem in problems] == ["R019"] and _is_empty(path):
            return _of_nothing(project, str(path)), [_nothing(path)]
        raise RecordsError(problems)
    header, labelled_header = raw_header(cells, project)
    cells = replace(cells, header=header)
    frame = cells.named(tuple(f"c{k}" for k in range(len(header))))
    if is_long(header, project):
        header, frame = from_long(cells, project)
        lines = frame[LINE]
        frame = frame.drop(LINE)
    else:
        raise_if_any(RecordsError, _header_faults(cells, project))
        frame = frame.rename(dict(zip(frame.columns, header, strict=True)))
        lines = pl.Series(LINE, cells.table.lines, dtype=pl.Int64)
    as_labels = labelled_header or is_labelled(frame, project)
    if as_labels:
        frame = as_raw(frame, project, lines, str(path))
    frame = _keyed(_as_they_were(frame, project), project, lines)
    project = _with_repeats(project, frame)
    raise_if_any(RecordsError, _row_faults(frame, project, str(path)))
    frame = frame.with_columns(pl.col(INSTANCE).cast(pl.Int64))
    return RedcapData(project, frame, header, str(path), as_labels), list(cells.notes)


def _is_empty(path: Path) -> bool:
    return not path.read_bytes().strip(b"\xef\xbb\xbf\xff\xfe \r\n\t")


def _nothing(path: Path) -> Problem:
    """An export of a project without records is empty; so is a file whose download failed."""
    found = "The file of data is empty: there are no records."
    hint = "Where the project has records, export them again."
    return Problem("R319", "", found, "records, or a project that has none", hint, str(path))


def _as_they_were(frame: pl.DataFrame, project: RedcapProject) -> pl.DataFrame:
    """Free text without the apostrophe that makes it inert on the way out."""
    names = [one.name for one in project.fields if one.is_free_text and one.name in frame.columns]
    return frame.with_columns(pl.col(name).str.replace(f"^'({FORMULA})", "$1") for name in names)


def _of_nothing(project: RedcapProject, file: str) -> RedcapData:
    header = expected_columns(project)
    frame = pl.DataFrame(schema=dict.fromkeys(header, pl.String))
    frame = _keyed(frame, project, pl.Series(LINE, [], dtype=pl.Int64)).with_columns(pl.col(INSTANCE).cast(pl.Int64))
    return RedcapData(project, frame, header, file)


def known_columns(project: RedcapProject) -> set[str]:
    """Every column that an export of the project may have."""
    out = {column for field in project.fields for column in field.columns}
    out |= {f"{form}_{what}" for form in project.forms for what in ("complete", "timestamp")}
    return out | set(SPECIAL) | {SURVEY} | set(project.missing_columns)


def _header_faults(cells: HeadedCells, project: RedcapProject) -> list[Problem]:
    problems: list[Problem] = []
    file, known = cells.table.file, known_columns(project)
    first = project.id_field.name
    if first not in cells.header:
        found = f"There is no column {first!r}, which names the record."
        problems.append(Problem("R318", "header", found, first, "Export the data again with it.", file, 1))
    twice = doubled(cells.header)
    for name in dict.fromkeys(cells.header):
        if name in twice:
            problems.append(Problem("R310", f"column {name}", "The column stands twice.", "it once", "", file, 1))
        if name not in known:
            near = nearest(name, known)
            hint = f"Is {near!r} meant?" if near else "Use the dictionary that these data were entered by."
            found = f"The dictionary has no field for the column {name!r}."
            problems.append(Problem("R310", f"column {name}", found, "a column of the dictionary", hint, file, 1))
    if "redcap_event_name" in cells.header and not project.is_longitudinal:
        found = "The data have events, and no file says which there are."
        hint = "Add --events FILE and --event-instruments FILE."
        problems.append(Problem("R318", "column redcap_event_name", found, "the files of events", hint, file, 1))
    if "redcap_event_name" not in cells.header and project.is_longitudinal:
        found = "The project has events, and the data do not name them."
        hint = "Export the data again with the column redcap_event_name."
        problems.append(Problem("R318", "header", found, "redcap_event_name", hint, file, 1))
    return problems if len(problems) <= 2 * MAX_SHOWN else problems[: 2 * MAX_SHOWN]


def _keyed(frame: pl.DataFrame, project: RedcapProject, lines: pl.Series) -> pl.DataFrame:
    """The frame with the keys of each row before its columns; instances still as texts."""

    def key(column: str, name: str) -> pl.Expr:
        there = pl.col(column).str.strip_chars() if column in frame.columns else pl.lit(None, dtype=pl.String)
        return there.fill_null("").alias(name)

    keys = [key(column, name) for column, name in SPECIAL.items()]
    out = frame.with_columns(
        key(project.id_field.name, RECORD),
        *keys,
        lines.alias(LINE),
    ).with_columns(pl.when(pl.col(INSTANCE) == "").then(pl.lit("0")).otherwise(pl.col(INSTANCE)).alias(INSTANCE))
    return out.drop([column for column in (*SPECIAL, project.id_field.name) if column in out.columns])


def _with_repeats(project: RedcapProject, frame: pl.DataFrame) -> RedcapProject:
    """The project with what its rows show to repeat, where no file said."""
    if project.repeats or not (frame[INSTANCE] != "0").any():
        return project
    shown = frame.filter(pl.col(INSTANCE) != "0").select(EVENT, INSTRUMENT).unique(maintain_order=True)
    return replace(project, repeats=tuple(Repeats(event, form) for event, form in shown.iter_rows()))


def _row_faults(frame: pl.DataFrame, project: RedcapProject, file: str) -> list[Problem]:
    problems: list[Problem] = []

    def fault(code: str, wrong: pl.Expr, place: str, found: str, expected: str, hint: str = "") -> None:
        rows = frame.filter(wrong)
        for row in rows.head(MAX_SHOWN).iter_rows(named=True):
            said = found.format(**{k.strip("_"): v for k, v in row.items() if k in (*KEYS, LINE)})
            problems.append(Problem(code, place, said, expected, hint, file, row[LINE]))
        if rows.height > MAX_SHOWN:
            problems.append(Problem(code, place, f"{rows.height - MAX_SHOWN:,} more rows.", file=file))

    events = [event.unique for event in project.events]
    forms = project.forms
    fault("R311", pl.col(RECORD) == "", project.id_field.name, "The record is blank.", "the name of a record")
    if events:
        unknown = ~pl.col(EVENT).is_in(events)
        fault("R312", unknown, "redcap_event_name", "There is no event '{event}'.", listed(events))
    strange = (pl.col(INSTRUMENT) != "") & ~pl.col(INSTRUMENT).is_in(forms)
    fault("R312", strange, "redcap_repeat_instrument", "There is no form '{instrument}'.", listed(forms))
    no_number = ~pl.col(INSTANCE).str.contains(r"^[1-9][0-9]{0,8}$") & (pl.col(INSTANCE) != "0")
    fault("R313", no_number, "redcap_repeat_instance", "The instance is '{instance}'.", "a whole number from 1")
    bare = (pl.col(INSTRUMENT) != "") & (pl.col(INSTANCE) == "0")
    fault("R313", bare, "redcap_repeat_instance", "The form '{instrument}' has no instance.", "a whole number from 1")
    whole = [one.event for one in project.repeats if not one.form]
    odd = (pl.col(INSTRUMENT) == "") & (pl.col(INSTANCE) != "0") & ~pl.col(EVENT).is_in(whole)
    fault("R313", odd, "redcap_repeat_instance", "An instance stands, and the event does not repeat.", "no instance")
    fault("R314", pl.struct(KEYS).is_duplicated(), "row", "Record '{record}' has this row twice.", "each row once")
    for event, form in frame.filter(~strange & (pl.col(INSTRUMENT) != "")).select(EVENT, INSTRUMENT).unique().rows():
        if not project.repeats_at(event, form) or form not in project.forms_of(event):
            here = (pl.col(EVENT) == event) & (pl.col(INSTRUMENT) == form)
            where = f"the event {event}" if event else "the project"
            found = f"The form {form} does not repeat in {where}."
            fault("R312", here, "redcap_repeat_instrument", found, "a form that repeats there")
    known = frame.filter(~strange & pl.col(EVENT).is_in(events or [""]))
    problems += _misplaced(known, project, file)
    if not problems:
        problems += _closed_cells(frame, project, file)
    return problems


def _misplaced(frame: pl.DataFrame, project: RedcapProject, file: str) -> list[Problem]:
    """Values of a form in a row where the form does not stand; an unticked box or a status there says nothing."""
    problems: list[Problem] = []
    data = RedcapData(project, frame, (), file)
    for form in project.forms:
        columns = [c for field in project.fields_of(form) for c in field.columns if c in frame.columns]
        boxes = {c for field in project.fields_of(form) if field.type == "checkbox" for c in field.columns}
        if not columns:
            continue
        outside = frame.filter(~data.rows_of(form))
        if not outside.height:
            continue
        for column in columns:
            there = pl.col(column).is_not_null() & ((pl.col(column) != "0") if column in boxes else pl.lit(True))
            rows = outside.filter(there)
            for row in rows.head(3).select(EVENT, INSTRUMENT, LINE, column).iter_rows(named=True):
                where = f"event {row[EVENT]}" if row[EVENT] else "this project"
                where = f"an instance of {row[INSTRUMENT]}" if row[INSTRUMENT] else where
                found = f"There is {row[column]!r}, and the form {form} has no values in {where}."
                if project.repeats_at(row[EVENT], form) and not row[INSTRUMENT]:
                    found = f"There is {row[column]!r} of the repeating form {form}, and the row is no instance of it."
                problems.append(Problem("R312", f"column {column}", found, "an empty cell", "", file, row[LINE]))
            if rows.height > 3:
                problems.append(Problem("R312", f"column {column}", f"{rows.height - 3:,} more rows.", file=file))
    return problems


def _closed_cells(frame: pl.DataFrame, project: RedcapProject, file: str) -> list[Problem]:
    """Boxes that are neither 0 nor 1, and statuses that are none."""
    boxes = {c: "0 or 1" for f in project.fields if f.type == "checkbox" for c in f.columns}
    boxes |= dict.fromkeys(project.missing_columns, "0 or 1")
    closed = {**boxes, **{f"{form}_complete": "0, 1 or 2" for form in project.forms}}
    there = [column for column in closed if column in frame.columns]
    problems: list[Problem] = []
    for column in there:
        allowed = ["0", "1"] if column in boxes else ["0", "1", "2"]
        rows = frame.filter(pl.col(column).is_not_null() & ~pl.col(column).is_in(allowed))
        for row in rows.head(3).select(LINE, column).iter_rows(named=True):
            found = f"The cell holds {row[column]!r}."
            problems.append(Problem("R316", f"column {column}", found, closed[column], "", file, row[LINE]))
        if rows.height > 3:
            problems.append(Problem("R316", f"column {column}", f"{rows.height - 3:,} more cells.", file=file))
    return problems
