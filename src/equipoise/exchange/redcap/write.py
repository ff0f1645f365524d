"""The files of a project as REDCap takes them: dictionary, arms, events, forms by event, repeats, data."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import polars as pl

from equipoise.exchange.csv import inert_texts
from equipoise.exchange.redcap.data import EVENT, GROUP, INSTANCE, INSTRUMENT, RECORD, RedcapData
from equipoise.exchange.redcap.dictionary import dictionary_rows, joined_choices
from equipoise.exchange.redcap.fields import HEADINGS
from equipoise.exchange.redcap.project import RedcapProject
from equipoise.exchange.redcap.project_files import (
    ARM_COLUMNS,
    EVENT_COLUMNS,
    MAPPING_COLUMNS,
    REPEAT_COLUMNS,
    ProjectFiles,
)

DICTIONARY, ARMS, EVENTS = "dictionary.csv", "arms.csv", "events.csv"
EVENT_INSTRUMENTS, REPEATING, SETTINGS, DATA = "event-instruments.csv", "repeating.csv", "project.json", "data.csv"
DATA_SIMULATED = "data-simulated.csv"
_KEY_OF = {
    "redcap_event_name": EVENT,
    "redcap_repeat_instrument": INSTRUMENT,
    "redcap_repeat_instance": INSTANCE,
    "redcap_data_access_group": GROUP,
}


def write_project(project: RedcapProject, folder: Path) -> None:
    """Every file of a project but its data; a file that would have no rows is not written."""
    _write(folder / DICTIONARY, HEADINGS.values(), dictionary_rows(project.fields))
    if project.events:
        further = [name for name, _ in project.events[0].cells]
        columns = [*EVENT_COLUMNS[:3], *further]
        rows = [(e.name, e.arm, e.unique, *(dict(e.cells).get(name, "") for name in further)) for e in project.events]
        _write(folder / EVENTS, columns, rows)
        _write(folder / ARMS, ARM_COLUMNS, project.arms)
    if project.mapping:
        arms = {event.unique: event.arm for event in project.events}
        _write(folder / EVENT_INSTRUMENTS, MAPPING_COLUMNS, [(arms[e], e, form) for e, form in project.mapping])
    if project.repeats:
        _write(folder / REPEATING, REPEAT_COLUMNS, [(one.event, one.form, one.label) for one in project.repeats])
    settings = {
        **project.settings,
        "project_title": project.title,
        "is_longitudinal": int(project.is_longitudinal),
        "has_repeating_instruments_or_events": int(bool(project.repeats)),
        "missing_data_codes": joined_choices(project.missing_codes),
    }
    (folder / SETTINGS).write_text(json.dumps(settings, indent=1, ensure_ascii=False) + "\n", "utf-8", newline="\n")


def files_in_folder(folder: Path) -> ProjectFiles:
    """The files of a project that :func:`write_project` wrote."""
    there = {name: path if (path := folder / name).exists() else None for name in _OPTIONAL}
    return ProjectFiles(
        folder / DICTIONARY,
        arms=there[ARMS],
        events=there[EVENTS],
        event_instruments=there[EVENT_INSTRUMENTS],
        repeating=there[REPEATING],
        settings=there[SETTINGS],
    )


_OPTIONAL = (ARMS, EVENTS, EVENT_INSTRUMENTS, REPEATING, SETTINGS)


def write_data(data: RedcapData, file: Path, *, without: Iterable[str] = ()) -> None:
    """The data as a raw export, the columns of the file it came from in their order, less those of ``without``."""
    left_out = set(without)
    header = [name for name in data.header if name not in left_out]
    project = data.project
    texts = {one.name for one in project.fields if one.is_free_text}
    if project.repeats and "redcap_repeat_instance" not in header:
        at = 2 if "redcap_event_name" in header else 1
        header[at:at] = ["redcap_repeat_instrument", "redcap_repeat_instance"]
    columns = []
    for name in header:
        if name == project.id_field.name:
            columns.append(pl.col(RECORD).alias(name))
        elif name == "redcap_repeat_instance":
            said = pl.when(pl.col(INSTANCE) > 0).then(pl.col(INSTANCE).cast(pl.String))
            columns.append(said.alias(name))
        elif name in _KEY_OF:
            columns.append(pl.col(_KEY_OF[name]).alias(name))
        else:
            columns.append(inert_texts(name) if name in texts else pl.col(name))
    frame = data.frame.select(columns)
    frame.with_columns(pl.when(pl.all() != "").then(pl.all())).write_csv(file, line_terminator="\n")


def _write(path: Path, header: Iterable[str], rows: Iterable[Sequence[str]]) -> None:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(list(header))
    writer.writerows(rows)
    path.write_bytes(out.getvalue().encode("utf-8"))
