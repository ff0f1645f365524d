"""The files beside the dictionary: arms, events, which form stands in which event, what repeats, settings."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from equipoise.exchange.csv import doubled
from equipoise.exchange.json_text import JsonFault, read_json
from equipoise.exchange.redcap.cells import read_cells
from equipoise.exchange.redcap.dictionary import read_dictionary
from equipoise.exchange.redcap.fields import split_choices
from equipoise.exchange.redcap.project import RedcapEvent, RedcapProject, Repeats
from equipoise.exchange.redcap.project_xml import with_xml
from equipoise.foundation.errors import Problem, RecordsError, listed, nearest, raise_if_any

CODES = {
    "R320": "A file of arms, events, forms by event or repeats that lacks a column, or has a cell that does not fit.",
    "R321": "A file of the project's settings that is none.",
}

ARM_COLUMNS = ("arm_num", "name")
EVENT_COLUMNS = ("event_name", "arm_num", "unique_event_name", "custom_event_label")
EVENT_FURTHER = ("event_id", "day_offset", "offset_min", "offset_max")
MAPPING_COLUMNS = ("arm_num", "unique_event_name", "form")
REPEAT_COLUMNS = ("event_name", "form_name", "custom_repeat_instrument_label")


@dataclass(frozen=True)
class ProjectFiles:
    """Where the files of a project are; ``None`` where there is none."""

    dictionary: Path
    arms: Path | None = None
    events: Path | None = None
    event_instruments: Path | None = None
    repeating: Path | None = None
    settings: Path | None = None
    xml: Path | None = None
    missing_codes: str = ""


def read_project(files: ProjectFiles) -> tuple[RedcapProject, list[Problem]]:
    """The project, and notes on how its files were read. Raises :class:`RecordsError` with every fault of a file."""
    fields, notes = read_dictionary(files.dictionary)
    problems: list[Problem] = []

    def rows(path: Path | None, columns: tuple[str, ...], further: tuple[str, ...] = ()) -> list[_Row]:
        return _rows(path, columns, further, problems, notes) if path is not None else []

    arms = rows(files.arms, ARM_COLUMNS)
    events = rows(files.events, EVENT_COLUMNS[:3], (*EVENT_COLUMNS[3:], *EVENT_FURTHER))
    mapping = rows(files.event_instruments, MAPPING_COLUMNS)
    repeats = rows(files.repeating, REPEAT_COLUMNS[:2], REPEAT_COLUMNS[2:])
    settings = _settings(files.settings, problems)
    codes = files.missing_codes or str(settings.get("missing_data_codes") or "")
    project = RedcapProject(
        fields,
        arms=tuple((row.cells["arm_num"], row.cells["name"]) for row in arms),
        events=tuple(_event(row, problems) for row in events),
        mapping=tuple((row.cells["unique_event_name"], row.cells["form"]) for row in mapping),
        repeats=tuple(
            Repeats(
                row.cells["event_name"],
                row.cells["form_name"],
                row.cells.get("custom_repeat_instrument_label", ""),
            )
            for row in repeats
        ),
        missing_codes=split_choices(codes),
        title=str(settings.get("project_title") or ""),
        settings=settings,
    )
    if files.xml is not None and not problems:
        project = with_xml(project, files.xml)
    problems += _known(project, mapping, repeats)
    raise_if_any(RecordsError, problems)
    return _completed(project), notes


@dataclass(frozen=True)
class _Row:
    cells: Mapping[str, str]
    file: str
    line: int

    def problem(self, column: str, found: str, expected: str, hint: str = "") -> Problem:
        return Problem("R320", f"column {column}", found, expected, hint, self.file, self.line)


def _rows(
    path: Path, columns: tuple[str, ...], further: tuple[str, ...], problems: list[Problem], notes: list[Problem]
) -> list[_Row]:
    cells, faults = read_cells(path)
    if cells is None:
        problems += faults
        return []
    notes += cells.notes
    absent = [column for column in columns if column not in cells.header]
    strange = [name for name in cells.header if name not in (*columns, *further)]
    if absent or strange or len(set(cells.header)) < len(cells.header):
        found = f"The columns are {listed(cells.header, conjunction='and')}."
        expected = listed(columns, conjunction="and") + (f"; besides {listed(further)}" if further else "")
        problems.append(Problem("R320", "header", found, expected, "Correct the headings.", str(path), 1))
        return []
    frame = cells.named(cells.header)
    return [
        _Row({name: (cell or "").strip() for name, cell in row.items()}, str(path), int(line))
        for row, line in zip(frame.iter_rows(named=True), cells.table.lines, strict=True)
    ]


def _event(row: _Row, problems: list[Problem]) -> RedcapEvent:
    offset = row.cells.get("day_offset", "")
    if offset and not re.fullmatch(r"-?\d{1,6}", offset):
        problems.append(row.problem("day_offset", f"The offset is {offset!r}.", "a whole number of days"))
        offset = ""
    return RedcapEvent(
        row.cells["unique_event_name"],
        row.cells["event_name"],
        row.cells["arm_num"],
        int(offset) if offset else None,
        tuple((column, row.cells[column]) for column in (*EVENT_COLUMNS[3:], *EVENT_FURTHER) if column in row.cells),
    )


def _known(project: RedcapProject, mapping: list[_Row], repeats: list[_Row]) -> list[Problem]:
    """Arms, events and forms that are named and not there, and names that stand twice."""
    problems: list[Problem] = []
    events, arms = set(project.event_by_name), {number for number, _ in project.arms}

    def need(row: _Row, column: str, value: str, known: set[str], what: str, where: Callable[[], str]) -> None:
        if value not in known:
            near = nearest(value, known)
            hint = f"Is {near!r} meant?" if near else where()
            problems.append(row.problem(column, f"There is no {what} {value!r}.", listed(sorted(known)), hint))

    for row in mapping:
        need(row, "unique_event_name", row.cells["unique_event_name"], events, "event", lambda: "Give --events too.")
        need(row, "form", row.cells["form"], set(project.forms), "form", lambda: "")
    for row in repeats:
        if row.cells["event_name"]:
            need(row, "event_name", row.cells["event_name"], events, "event", lambda: "Give --events too.")
        if row.cells["form_name"]:
            need(row, "form_name", row.cells["form_name"], set(project.forms), "form", lambda: "")
        if not row.cells["event_name"] and not row.cells["form_name"]:
            problems.append(row.problem("form_name", "Neither event nor form is named.", "one of them at least"))
    for name in sorted(doubled(event.unique for event in project.events)):
        problems.append(Problem("R320", "unique_event_name", f"The event {name!r} stands twice.", "each event once"))
    for event in project.events:
        if arms and event.arm not in arms:
            problems.append(
                Problem("R320", f"event {event.unique}", f"There is no arm {event.arm!r}.", listed(sorted(arms)))
            )
    return problems


def _completed(project: RedcapProject) -> RedcapProject:
    """Arms that the events name and no file does, by their number."""
    if project.arms or not project.events:
        return project
    return replace(project, arms=tuple((arm, f"Arm {arm}") for arm in dict.fromkeys(e.arm for e in project.events)))


def _settings(path: Path | None, problems: list[Problem]) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        value = read_json(path)
    except JsonFault as fault:
        problems.append(
            Problem("R321", "", fault.found, "the project's settings as JSON", file=str(path), line=fault.line)
        )
        return {}
    if not isinstance(value, dict):
        problems.append(Problem("R321", "", "The text is no object.", "a JSON object", file=str(path)))
        return {}
    return value
