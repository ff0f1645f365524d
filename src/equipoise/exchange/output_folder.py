"""Output folders that are there whole or not at all.

Everything is written to a hidden folder beside the target, which takes the target's name only when all of it is
there. A folder that equipoise wrote carries the list of its own files; ``force`` replaces such a folder and no other.
"""

from __future__ import annotations

import errno
import json
import os
import secrets
import shutil
from pathlib import Path
from types import TracebackType

from equipoise.foundation.errors import OutputError, Problem, listed

MARKER = ".equipoise.json"

CODES = {
    "O001": "The output folder holds files, and they would be overwritten.",
    "O002": "The output folder holds files that equipoise did not write.",
    "O003": "The output path is a file, or a part of it is.",
    "O004": "The output folder cannot be written.",
}


def _reason(error: OSError) -> str:
    if error.errno == errno.ENOSPC:
        return "the disk is full"
    return (error.strerror or type(error).__name__).lower()


def files_in(folder: Path) -> list[str]:
    """Paths of all files below ``folder``, relative, with forward slashes, sorted; markers left out."""
    found = (path for path in folder.rglob("*") if path.is_file() or path.is_symlink())
    return sorted(path.relative_to(folder).as_posix() for path in found if path.name != MARKER)


def foreign_files(folder: Path) -> list[str]:
    """Files below ``folder`` that equipoise did not write there: all of them where its list is absent."""
    try:
        listing = json.loads((folder / MARKER).read_text("utf-8"))
        own = set(listing["files"])
    except (OSError, ValueError, KeyError, TypeError):
        own = set()
    return [name for name in files_in(folder) if name not in own]


class OutputFolder:
    """A folder under construction: ``with OutputFolder(path, kind="results") as folder: ...``.

    ``folder`` is where to write; it takes the name ``path`` when the block ends well, and vanishes with all it holds
    when it does not. ``kind`` says in a word what is written; ``private`` leaves folder and files to the account that
    writes them alone, whatever its usual rights for new files are. Raises :class:`OutputError`: O001 where ``path``
    holds files and ``force`` is off, O002 where it holds files equipoise did not write, O003 where it is a file, O004
    where the disk or the rights of the account refuse.
    """

    def __init__(self, path: str | os.PathLike[str], *, kind: str, force: bool = False, private: bool = False) -> None:
        self.target = Path(path)
        self.kind = kind
        self.force = force
        self.private = private
        self._partial: Path | None = None
        self._made: list[Path] = []

    def require_free(self) -> None:
        """Refuse a target that may not be written; asked first, so that nobody computes for a folder he cannot have."""
        name = str(self.target)
        for path in (self.target, *self.target.parents):
            if path.exists() or path.is_symlink():
                if not path.is_dir():
                    raise OutputError(
                        Problem("O003", "--out", f"{path} is a file.", "a folder", "Name another folder.", file=name)
                    )
                break
        if not self.target.exists():
            return
        try:
            foreign = foreign_files(self.target)
            some = any(self.target.iterdir())
        except OSError as error:
            raise self._refused(error) from None
        if foreign and (self.force or not (self.target / MARKER).exists()):
            raise OutputError(
                Problem(
                    "O002",
                    "--out",
                    f"Files here were not written by equipoise: {listed(foreign, conjunction='and', limit=5)}.",
                    "a folder that is not there yet, is empty, or was written by equipoise",
                    "Name another folder, or move these files away.",
                    file=name,
                )
            )
        if some and not self.force:
            raise OutputError(
                Problem(
                    "O001",
                    "--out",
                    "The folder holds earlier output.",
                    "a folder that is not there yet, or is empty",
                    "Name another folder, or add --force to replace what equipoise wrote there.",
                    file=name,
                )
            )

    def _refused(self, error: OSError) -> OutputError:
        return OutputError(
            Problem(
                "O004",
                "--out",
                f"The folder cannot be written: {_reason(error)}.",
                "a folder this account may write to, on a disk with room",
                "Name another folder, or correct its permissions.",
                file=str(self.target),
            )
        )

    def __enter__(self) -> Path:
        self.require_free()
        parent = self.target.absolute().parent
        try:
            missing = [path for path in (parent, *parent.parents) if not path.exists()]
            for path in reversed(missing):
                path.mkdir()
                self._made.append(path)
            # beside the target, so that taking its name is one rename on one file system
            self._partial = parent / f".{self.target.name}.{secrets.token_hex(4)}.partial"
            # a private folder is closed before anything stands in it: no moment in which others could look
            self._partial.mkdir(mode=0o700 if self.private else 0o777)
        except OSError as error:
            self._withdraw()
            raise self._refused(error) from None
        return self._partial

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is None:
            try:
                self._take_name()
            except OSError as failed:
                self._withdraw()
                raise self._refused(failed) from None
            except BaseException:
                self._withdraw()
                raise
            return
        partial = str(self._partial)
        self._withdraw()
        if isinstance(error, OSError) and (
            error.errno == errno.ENOSPC or str(error.filename or "").startswith(partial)
        ):
            raise self._refused(error) from None

    def _take_name(self) -> None:
        assert self._partial is not None
        listing = {"written_by": "equipoise", "kind": self.kind, "files": files_in(self._partial)}
        (self._partial / MARKER).write_text(json.dumps(listing, indent=1, ensure_ascii=False) + "\n", "utf-8")
        if self.private:
            for path in self._partial.rglob("*"):
                path.chmod(0o700 if path.is_dir() else 0o600)
        self.require_free()  # somebody may have written there meanwhile
        old: Path | None = None
        if self.target.exists():
            old = self._partial.with_suffix(".replaced")
            self.target.rename(old)
        try:
            self._partial.rename(self.target)
        except OSError:
            if old is not None:
                old.rename(self.target)
            raise
        if old is not None:
            shutil.rmtree(old, ignore_errors=True)

    def _withdraw(self) -> None:
        if self._partial is not None:
            shutil.rmtree(self._partial, ignore_errors=True)
        for path in reversed(self._made):
            try:
                path.rmdir()
            except OSError:
                break
