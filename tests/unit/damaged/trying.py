"""One door with one damaged file: what came of it."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

from typer.testing import CliRunner

from equipoise.cli.main import app

from .doors import DOORS, Door
from .spoils import PLACES, SPOILS

# Files that are read all the same, as they should be.
_READ = {
    *((door, "utf-16") for door in ("redcap dictionary", "redcap data", "redcap events", "redcap arms", "redcap xml")),
    *((door, "utf-16") for door in ("odm", "odm data")),  # XML says its encoding by its mark
    *((door, "latin-1") for door in ("redcap data", "redcap events", "redcap arms")),  # with a note
    ("redcap data", "empty"),  # a project without records; with a note
    ("redcap data", "cut off"),  # within the last heading: no row is left
    ("redcap xml", "unknown encoding"),  # read as UTF-8, which it is
    ("list of an export", "absent"),  # files named as the tables are
    ("list of an export", "a link to itself"),
    ("own dta", "overwritten"),  # a part of Stata's file that no table needs
    ("stata", "overwritten"),
}
_NOT_IN_IT = {  # the file has nothing that this would change
    ("redcap settings", "latin-1"),
    ("coded events", "latin-1"),
    ("odm data", "deep"),
}
CASES = [
    (door, spoil)
    for door in DOORS
    for spoil in (*SPOILS[door.form], *PLACES)
    if (door.name, spoil) not in _READ | _NOT_IN_IT
]


def outcome(door: Door, spoil: str, files: Path, folder: Path) -> str:
    """``refused`` where the file was refused as it should be, or what went wrong instead."""
    file, out = files / door.spoilt, folder / "out"
    good = file.read_bytes()
    if spoil in PLACES:
        PLACES[spoil](file)
    else:
        file.write_bytes(SPOILS[door.form][spoil](good))
    before = sorted(path.relative_to(files) for path in files.rglob("*"))
    words = [word.replace("DIR", str(files)).replace("OUT", str(out)) for word in door.command]
    try:
        run = CliRunner().invoke(app, [*words, "--json"])
        after = sorted(path.relative_to(files) for path in files.rglob("*"))
    finally:
        if file.is_dir() and not file.is_symlink():
            shutil.rmtree(file)
        file.unlink(missing_ok=True)
        file.write_bytes(good)
    if run.exception is not None and not isinstance(run.exception, SystemExit):
        return f"a traceback: {run.exception!r}"
    if run.exit_code not in (3, 4, 11):
        return f"exit code {run.exit_code}: {run.output[:300]}"
    if list(folder.iterdir()) or before != after:
        return "something was left behind"
    for problem in json.loads(run.stdout)["problems"]:
        if not re.fullmatch(r"[A-Z]\d{3}", problem["code"]) or not problem["found"]:
            return f"a problem without code or words: {problem}"
        if not problem["file"]:
            return f"a problem without its file: {problem}"
    return "refused"
