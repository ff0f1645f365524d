"""A REDCap project out: of a protocol and its records, or of a folder that `equipoise import redcap` wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from equipoise.exchange.output_folder import OutputFolder
from equipoise.exchange.redcap.data import read_data
from equipoise.exchange.redcap.from_protocol import project_of_protocol
from equipoise.exchange.redcap.from_records import data_of_records
from equipoise.exchange.redcap.project import RedcapProject
from equipoise.exchange.redcap.project_files import read_project
from equipoise.exchange.redcap.write import DATA, DATA_SIMULATED, DICTIONARY, files_in_folder, write_data, write_project
from equipoise.foundation.errors import Problem, RecordsError
from equipoise.protocol.language.protocol import Protocol
from equipoise.records.records import Records
from equipoise.records.schema import TABLES

CODES = {
    "R359": "Records that cannot go out as one project: replicates, or those of another protocol.",
}
PROJECT_FOLDER = "redcap"


def is_import_folder(path: Path) -> bool:
    """Whether a folder is one that `equipoise import redcap` wrote."""
    return (path / PROJECT_FOLDER / DICTIONARY).is_file()


def export_protocol(
    protocol: Protocol, records: Records | None, out: Path, *, force: bool = False
) -> tuple[RedcapProject, int]:
    """Write the project of a protocol, with the data of ``records`` where given; the project, and its rows of data.

    The records of simulated participants say so in the title, the name of the file and a field of each participant.
    Raises :class:`RecordsError` (R359) for replicates and for records of another protocol.
    """
    settings: dict[str, Any] = {"protocol": protocol.id, "text": protocol.text}
    tables: dict[str, pl.DataFrame] = {}
    if records is not None:
        _require_one_trial(protocol, records)
        settings |= records.source.as_dict()
        tables = dict(records.tables)
        own = [name for name in records["participants"].columns if TABLES["participants"].column(name) is None]
        settings["columns"] = own
    project = project_of_protocol(protocol, tables, {"equipoise": settings})
    private = records is not None and records.source.is_private
    n = 0
    with OutputFolder(out, kind="redcap project", force=force, private=private) as partial:
        write_project(project, partial)
        if records is not None:
            data = data_of_records(project, tables, simulated=records.is_simulated)
            n = data.frame.height
            write_data(data, partial / (DATA_SIMULATED if records.is_simulated else DATA))
    return project, n


def _require_one_trial(protocol: Protocol, records: Records) -> None:
    if records.has_replicates:
        found = "The records hold replicates of a trial."
        raise RecordsError(Problem("R359", "records", found, "one trial", "Export one replicate."))
    if records.source.protocol not in ("", protocol.id):
        found = f"The records are of {records.source.protocol!r}, the protocol is {protocol.id!r}."
        raise RecordsError(Problem("R359", "records.json", found, f"records of {protocol.id}"))


def export_again(folder: Path, out: Path, *, force: bool = False) -> tuple[RedcapProject, int]:
    """Write the project that an import kept, as REDCap takes it; the project, and its rows of data."""
    own = folder / PROJECT_FOLDER
    project, _ = read_project(files_in_folder(own))
    file = next((path for name in (DATA, DATA_SIMULATED) if (path := own / name).is_file()), None)
    data = read_data(file, project)[0] if file is not None else None
    private = bool(folder.stat().st_mode & 0o077 == 0)
    with OutputFolder(out, kind="redcap project", force=force, private=private) as partial:
        write_project(data.project if data is not None else project, partial)
        if data is not None and file is not None:
            write_data(data, partial / file.name)
    return project, data.frame.height if data is not None else 0
