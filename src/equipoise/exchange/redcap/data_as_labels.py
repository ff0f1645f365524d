"""Exports of labels, read back to codes where each label stands once within its field; refused elsewhere."""

from __future__ import annotations

import polars as pl

from equipoise.exchange.csv import MAX_SHOWN, doubled
from equipoise.exchange.redcap.cells import HeadedCells
from equipoise.exchange.redcap.fields import COMPLETE, RedcapField, plain_label
from equipoise.exchange.redcap.project import RedcapProject
from equipoise.foundation.errors import Problem, RecordsError, listed, raise_if_any

CODES = {
    "R315": "An export of labels that cannot be read back: labels or headings that stand twice, or are not known.",
}
_SPECIAL = (
    ("redcap_event_name", "Event Name"),
    ("redcap_repeat_instrument", "Repeat Instrument"),
    ("redcap_repeat_instance", "Repeat Instance"),
    ("redcap_data_access_group", "Data Access Group"),
    ("redcap_survey_identifier", "Survey Identifier"),
)
_TICKED = {"Checked": "1", "Unchecked": "0"}


def labelled_columns(project: RedcapProject) -> list[tuple[str, str]]:
    """Columns in REDCap's order with the headings of a label export."""
    out = [(project.id_field.name, project.id_field.label), *_SPECIAL]
    for form in project.forms:
        out.append((f"{form}_timestamp", "Survey Timestamp"))
        for field in project.fields_of(form):
            if field.name == project.id_field.name:
                continue
            if field.type == "checkbox":
                for column, (_, label) in zip(field.columns, field.choices, strict=True):
                    out.append((column, f"{field.label} (choice={plain_label(label)})"))
            else:
                out += [(column, field.label) for column in field.columns]
        out.append((f"{form}_complete", "Complete?"))
    return out


def raw_header(cells: HeadedCells, project: RedcapProject) -> tuple[tuple[str, ...], bool]:
    """The headings as names of columns, and whether they were labels.

    Headings of labels repeat (``Complete?`` of each form): they are told apart by their order, and only where that
    leaves no choice. Raises :class:`RecordsError` (R315) otherwise.
    """
    header = cells.header
    wanted = labelled_columns(project)
    given = [plain_label(name) for name in header]
    labels = {label for _, label in wanted} - {column for column, _ in wanted}
    if given[0] != project.id_field.label or not labels & set(given):
        return header, False
    first, last = _placed(given, wanted), _placed(given[::-1], wanted[::-1])
    if first is None or last is None:
        known = {label for _, label in wanted}
        strange = [name for name in header if plain_label(name) not in known]
        found = (
            f"Headings are no labels of the dictionary: {listed(strange)}."
            if strange
            else "The headings stand in another order than the dictionary."
        )
        raise _refused(cells, found)
    if first != last[::-1]:
        twice = sorted({label for label, a, b in zip(given, first, last[::-1], strict=True) if a != b})
        raise _refused(cells, f"It cannot be told which columns these headings mean: {listed(twice)}.")
    return tuple(first), True


def _refused(cells: HeadedCells, found: str) -> RecordsError:
    hint = "Export the data again as raw data, with names of variables as headings."
    return RecordsError(Problem("R315", "header", found, "labels that leave no choice", hint, cells.table.file, 1))


def _placed(given: list[str], wanted: list[tuple[str, str]]) -> list[str] | None:
    """The column of each heading, the earliest that its order allows; ``None`` where there is none."""
    out: list[str] = []
    at = 0
    for label in given:
        while at < len(wanted) and wanted[at][1] != label:
            at += 1
        if at == len(wanted):
            return None
        out.append(wanted[at][0])
        at += 1
    return out


def is_labelled(frame: pl.DataFrame, project: RedcapProject) -> bool:
    """Whether the cells are labels: boxes, statuses or choices hold no code and a label instead."""
    for form in project.forms:
        column = f"{form}_complete"
        if column in frame.columns and frame[column].is_in([label for _, label in COMPLETE]).any():
            return True
    for field in project.fields:
        for column in field.columns:
            if column not in frame.columns or not field.choices:
                continue
            if field.type == "checkbox":
                if frame[column].is_in(list(_TICKED)).any():
                    return True
                continue
            codes = {code for code, _ in field.choices} | project.missing
            labels = {plain_label(label) for _, label in field.choices} - codes
            cells = frame[column].drop_nulls()
            if cells.len() and not cells.is_in(list(codes)).any() and cells.is_in(list(labels)).any():
                return True
    return False


def as_raw(frame: pl.DataFrame, project: RedcapProject, lines: pl.Series, file: str) -> pl.DataFrame:
    """The frame with codes for labels. Raises :class:`RecordsError` (R315) for each label that names no one code."""
    problems: list[Problem] = []
    missing = {label: code for code, label in project.missing_codes} | {code: code for code in project.missing}

    def recode(column: str, pairs: list[tuple[str, str]], what: str) -> None:
        nonlocal frame
        labels = [plain_label(label) for _, label in pairs]
        twice = sorted(doubled(labels))
        cells = frame[column]
        held = cells.drop_nulls().unique()
        unclear = [label for label in twice if label in held]
        if unclear:
            found = f"The label {listed(unclear)} stands for several codes of {what}."
            hint = "Export the data again as raw data."
            problems.append(Problem("R315", f"column {column}", found, "a label for each code", hint, file))
            return
        to = {**missing, **{label: code for (code, _), label in zip(pairs, labels, strict=True)}}
        unknown = cells.is_not_null() & ~cells.str.strip_chars().is_in(list(to))
        for at in unknown.arg_true().head(3):
            found = f"{cells[at]!r} is no label of {what}."
            problems.append(Problem("R315", f"column {column}", found, listed(labels), "", file, lines[at]))
        if int(unknown.sum()) > 3:
            more = f"{int(unknown.sum()) - 3:,} more cells."
            problems.append(Problem("R315", f"column {column}", more, file=file))
        frame = frame.with_columns(cells.str.strip_chars().replace_strict(to, default=None, return_dtype=pl.String))

    for field in project.fields:
        for column in field.columns:
            if column not in frame.columns:
                continue
            if field.type == "checkbox":
                recode(column, _box_pairs(field, column), f"the box {column}")
            elif field.choices:
                recode(column, list(field.choices), field.name)
            elif not field.is_free_text:
                frame = frame.with_columns(pl.col(column).replace(missing))
    for column, (name, _) in project.missing_columns.items():
        if column in frame.columns:
            recode(column, [("1", "Checked"), ("0", "Unchecked")], name)
    for form in project.forms:
        if f"{form}_complete" in frame.columns:
            recode(f"{form}_complete", list(COMPLETE), f"the status of {form}")
    if "redcap_event_name" in frame.columns:
        recode("redcap_event_name", _event_pairs(project), "an event")
    if "redcap_repeat_instrument" in frame.columns:
        pairs = [(form, form.replace("_", " ").title()) for form in project.forms]
        frame = frame.with_columns(pl.col("redcap_repeat_instrument").str.to_titlecase())
        recode("redcap_repeat_instrument", pairs, "a form")
    raise_if_any(RecordsError, problems[: 3 * MAX_SHOWN])
    return frame


def _box_pairs(field: RedcapField, column: str) -> list[tuple[str, str]]:
    """What a box may hold: Checked and Unchecked, or its label (and nothing where it is not ticked)."""
    label = next(label for name, (_, label) in zip(field.columns, field.choices, strict=True) if name == column)
    own = [("1", label)] if plain_label(label) not in _TICKED else []
    return [*((code, word) for word, code in _TICKED.items()), *own]


def _event_pairs(project: RedcapProject) -> list[tuple[str, str]]:
    """Events by the words of a label export: with the arm in brackets where there are several."""
    if len(project.arms) < 2:
        return [(event.unique, event.name) for event in project.events]
    arms = dict(project.arms)
    return [(e.unique, f"{e.name} (Arm {e.arm}: {arms.get(e.arm, '')})") for e in project.events]
