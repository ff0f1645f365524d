"""The mutants that no test has caught so far, as a file that people read and that may only shrink."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from changes import Mutant, read_mutants

HERE = Path(__file__).resolve().parent
SOURCE = HERE.parents[1] / "src" / "equipoise"
FILE = HERE / "survivors.txt"
HEAD = """\
# Wrong changes that the tests named in rooms.toml did not catch when they were tried: file | function | kind | change |
# number. The list may only shrink: write a test that fails, and take the line off. A change that alters nothing anybody
# can see has its reason under it. Lines of code that is gone: python tests/mutants/sample.py --tidy
"""
_REASON = "    equivalent: "


@dataclass(frozen=True)
class Kept:
    """One entry: the mutant's key, and the reason if it changes nothing that can be seen."""

    key: str
    reason: str = ""


def read_kept(path: Path = FILE) -> list[Kept]:
    """The entries of the file."""
    out: list[Kept] = []
    for line in path.read_text("utf-8").splitlines():
        if line.startswith(_REASON):
            out[-1] = Kept(out[-1].key, line.removeprefix(_REASON))
        elif line and not line.startswith("#"):
            out.append(Kept(line))
    return out


def write_kept(entries: list[Kept], path: Path = FILE) -> None:
    """The file anew, in the order of the keys."""
    lines = []
    for entry in sorted(entries, key=lambda entry: entry.key):
        lines.append(entry.key)
        if entry.reason:
            lines.append(_REASON + entry.reason)
    path.write_text(HEAD + "\n".join(lines) + "\n", "utf-8")


@cache
def mutants_of(file: str) -> dict[str, Mutant]:
    """Every mutant of a file that exists today, by key; none if the file is gone."""
    path = SOURCE / file
    return {one.key: one for one in read_mutants(file, path.read_text("utf-8"))} if path.is_file() else {}


def gone(entries: list[Kept]) -> list[str]:
    """Keys whose code no longer stands in the source."""
    return [entry.key for entry in entries if entry.key not in mutants_of(entry.key.partition(" | ")[0])]
