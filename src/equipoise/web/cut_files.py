"""Data cuts as files of the server, for its owner alone: made once, the same bytes for the same cut, by role."""

from __future__ import annotations

import json
import os
import re
import zipfile
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from equipoise.conduct.rows.tables import EventRow

FOLDER = "cuts"
_EDITION_ROLES = {
    "blinded": frozenset({"statistician", "unblinded-statistician", "pharmacist"}),
    "sham": frozenset({"statistician", "unblinded-statistician", "pharmacist"}),
    "unblinded": frozenset({"unblinded-statistician"}),
}
_MAKE = {
    "blinded": _EDITION_ROLES["blinded"],
    "sham": frozenset({"unblinded-statistician", "pharmacist"}),
    "unblinded": frozenset({"unblinded-statistician"}),
}
_STAMP = (1980, 1, 1, 0, 0, 0)  # every file in the archive has one date: the same cut is the same bytes


@dataclass(frozen=True, slots=True)
class CutTaken:
    """A cut that stands in the ledger: its event, moment, edition, who took it, and whether its file is here."""

    number: int
    at: str
    edition: str
    account: str
    taken_at: str
    offset_minutes: int
    zone: str
    here: bool

    @property
    def name(self) -> str:
        """The name of its file."""
        return file_name(self.number, self.edition)


def file_name(number: int, edition: str) -> str:
    """The name of the file of a cut."""
    return f"cut-{number}-{edition}.zip"


def editions_for(roles: Collection[str], *, make: bool = False) -> list[str]:
    """The editions that roles may have, or take; the actions decide once more."""
    table = _MAKE if make else _EDITION_ROLES
    return [edition for edition, who in table.items() if who & set(roles)]


def cuts_taken(trial: Any) -> list[CutTaken]:
    """Every cut that was noted, the newest first."""
    rows = trial.values(
        EventRow, ("number", "what", "account", "at", "offset_minutes", "zone"), action="cut", order=("-number",)
    )
    out = []
    for number, what, account, at, offset, zone in rows:
        said = json.loads(what) if what else {}
        edition = str(said.get("edition", ""))
        here = cut_path(trial, number, edition).is_file()
        out.append(CutTaken(number, str(said.get("moment", "")), edition, account, at, offset, zone, here))
    return out


def cut_path(trial: Any, number: int, edition: str) -> Path:
    """Where the file of a cut lies."""
    folder: Path = trial.directory / FOLDER
    return folder / file_name(number, edition)


def write_cut(served: Any, number: int, at: datetime, edition: str, *, without_quarantined: bool) -> Path:
    """Make the cut that event ``number`` noted, as one file; an earlier one of the same cut is left as it is."""
    from equipoise.conduct.cut.cut import cut_records
    from equipoise.exchange.records_files import write_records

    trial = served.trial
    path = cut_path(trial, number, edition)
    if path.is_file():
        return path
    records = cut_records(
        trial,
        at=at,
        edition=edition,  # type: ignore[arg-type]
        pharmacy=Path(served.pharmacy) if served.pharmacy else None,
        safety=Path(served.safety) if served.safety else None,
        without_quarantined=without_quarantined,
    )
    path.parent.mkdir(mode=0o700, exist_ok=True)
    with TemporaryDirectory(dir=path.parent, prefix=".making-") as making:
        folder = write_records(records, Path(making) / "records")
        partial = Path(making) / path.name
        _archive(Path(folder), partial)
        os.chmod(partial, 0o600)
        os.replace(partial, path)
    return path


def _archive(folder: Path, to: Path) -> None:
    with zipfile.ZipFile(to, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                info = zipfile.ZipInfo(f"records/{file.relative_to(folder).as_posix()}", _STAMP)
                info.compress_type = zipfile.ZIP_DEFLATED
                info.external_attr = 0o600 << 16
                archive.writestr(info, file.read_bytes())


def archive_of(folder: Path) -> bytes:
    """A folder as one file, with the dates its files have."""
    import io

    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.rglob("*")):
            if file.is_file() and not file.name.startswith("."):
                archive.write(file, file.relative_to(folder.parent).as_posix())
    return out.getvalue()


def number_of(name: str) -> tuple[int, str] | None:
    """The event and edition that the name of a file says; ``None`` where it is no such name."""
    found = re.fullmatch(r"cut-(\d{1,12})-(blinded|sham|unblinded)\.zip", name)
    return (int(found[1]), found[2]) if found else None
