"""A project of a few fields, written to files."""

from __future__ import annotations

import csv
from pathlib import Path

from equipoise.exchange.redcap.answers import answers_from
from equipoise.exchange.redcap.fields import COLUMNS, HEADINGS
from equipoise.exchange.redcap.import_project import ImportedProject, import_project
from equipoise.exchange.redcap.project_files import ProjectFiles

SHORT = {
    "name": "field_name",
    "form": "form_name",
    "type": "field_type",
    "label": "field_label",
    "choices": "select_choices_or_calculations",
    "validation": "text_validation_type_or_show_slider_number",
    "low": "text_validation_min",
    "high": "text_validation_max",
    "identifier": "identifier",
    "branching": "branching_logic",
    "matrix": "matrix_group_name",
    "tags": "field_annotation",
}


def field(name: str, type: str = "text", form: str = "f", **cells: str) -> dict[str, str]:
    """One row of a dictionary."""
    short = {"name": name, "type": type, "form": form, "label": name, **cells}
    return dict.fromkeys(COLUMNS, "") | {SHORT[key]: cell for key, cell in short.items()}


def dictionary(folder: Path, *fields: dict[str, str], encoding: str = "utf-8", separator: str = ",") -> Path:
    """A dictionary file; its first row, the record, is written before the fields given."""
    path = folder / "dictionary.csv"
    with path.open("w", encoding=encoding, newline="") as out:
        writer = csv.writer(out, delimiter=separator)
        writer.writerow(HEADINGS.values())
        writer.writerows([tuple(row[c] for c in COLUMNS) for row in (field("id"), *fields)])
    return path


def write(folder: Path, name: str, text: str) -> Path:
    """A file of the project."""
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def imported(
    folder: Path, *fields: dict[str, str], data: str = "", answers: dict[str, object] | None = None, **files: str
) -> ImportedProject:
    """The project of these fields, data, answers and further files, imported."""
    others = {name: write(folder, f"{name}.csv", text) for name, text in files.items() if name != "missing_codes"}
    given = ProjectFiles(dictionary(folder, *fields), missing_codes=files.get("missing_codes", ""), **others)
    at = write(folder, "data.csv", data) if data else None
    return import_project(given, at, lambda project: answers_from(answers, project) if answers else None)
