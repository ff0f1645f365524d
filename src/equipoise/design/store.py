"""Where the numbers of single replicates are kept: one file a task, so that a run can be taken up again.

A file holds, for its range of replicates, an array (n_rows, n_replicates) for each number of a result. Files are
written whole or not at all. What a run was is written beside them; another run is refused the folder.
"""

from __future__ import annotations

import json
import os
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from equipoise.design.batch import PlannedRow, TaskResult
from equipoise.foundation.errors import DesignError, Problem

CODES = {
    "D020": "The folder holds another run.",
    "D021": "A file of replicates cannot be read.",
}
MANIFEST = "run.json"
_NAME = re.compile(r"^replicates-(\d+)-(\d+)\.npz$")
_BLOCK_BYTES = 64 * 2**20


class ReplicateStore:
    """The folder of one scenario's replicates."""

    def __init__(self, folder: Path, identity: dict[str, Any]) -> None:
        self.folder = folder
        self.identity = identity

    def open(self) -> None:
        """Make the folder, or take it up again; D020 where it holds the replicates of another run."""
        path = self.folder / MANIFEST
        if path.exists():
            try:
                found = json.loads(path.read_text("utf-8"))["identity"]
            except (OSError, ValueError, KeyError, TypeError):
                found = None
            if found != json.loads(json.dumps(self.identity)):
                raise DesignError(
                    Problem(
                        "D020",
                        str(self.folder),
                        "The folder holds replicates of another run.",
                        "the same protocol, scenario, seed, plan and version",
                        "Give another --out, or remove the folder.",
                    )
                )
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        self._write(path, json.dumps({"identity": self.identity}, indent=1).encode())

    def _write(self, path: Path, content: bytes) -> None:
        partial = path.with_suffix(path.suffix + ".partial")
        partial.write_bytes(content)
        os.replace(partial, path)

    def ranges(self) -> list[tuple[int, int, Path]]:
        """The ranges of replicates that are there, in order."""
        found = []
        for path in self.folder.iterdir() if self.folder.is_dir() else ():
            match = _NAME.match(path.name)
            if match:
                found.append((int(match[1]), int(match[2]) + 1, path))
        return sorted(found)

    def save(self, result: TaskResult) -> None:
        """Write one task's numbers, and once what the rows are."""
        import io

        rows = self.folder / "rows.json"
        if not rows.exists():
            self._write(rows, json.dumps([row.as_dict() for row in result.rows], indent=1).encode())
        buffer = io.BytesIO()
        np.savez(buffer, **result.arrays)  # type: ignore[arg-type]
        self._write(self.folder / f"replicates-{result.first:07d}-{result.stop - 1:07d}.npz", buffer.getvalue())

    def rows(self) -> tuple[PlannedRow, ...]:
        """The rows of the run."""
        path = self.folder / "rows.json"
        try:
            return tuple(PlannedRow(**entry) for entry in json.loads(path.read_text("utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise _unreadable(path, error, "Give another --out, or remove the folder.") from None

    def gaps(self, n: int, size: int) -> list[tuple[int, int]]:
        """Ranges of at most ``size`` replicates below ``n`` that are still to be done, in order."""
        out = []
        position = 0
        for first, stop, _ in [*self.ranges(), (n, n, None)]:
            end = min(first, n)
            out += [(a, min(a + size, end)) for a in range(position, end, size)]
            position = max(position, stop)
        return out

    def column_blocks(self, n: int) -> Iterator[tuple[int, dict[str, NDArray[Any]]]]:
        """Rows in blocks: the first row's number, and (rows of the block, n) of every array, replicates 0 to n - 1."""
        n_rows = len(self.rows())
        # Five numbers of eight bytes and four of four.
        step = max(1, _BLOCK_BYTES // max(1, 56 * n))
        for start in range(0, n_rows, step):
            block = slice(start, min(start + step, n_rows))
            yield start, self._joined(n, block)

    def _joined(self, n: int, block: slice) -> dict[str, NDArray[Any]]:
        parts: dict[str, list[NDArray[Any]]] = {}
        for first, stop, path in self.ranges():
            if first >= n:
                continue
            with _opened(path) as file:
                for name in file.files:
                    if name != "gone":
                        parts.setdefault(name, []).append(file[name][block, : min(stop, n) - first])
        return {name: np.concatenate(arrays, axis=1) for name, arrays in parts.items()}

    def gone(self, n: int) -> NDArray[np.int64]:
        """(n_arms, n) participants gone by the last visit."""
        parts = []
        for first, stop, path in self.ranges():
            if first < n:
                with _opened(path) as file:
                    parts.append(file["gone"][:, : min(stop, n) - first])
        return np.concatenate(parts, axis=1).astype(np.int64)


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """The arrays of a file; D021 where it was cut short, replaced or damaged."""
    try:
        with np.load(path) as file:
            yield file
    except (OSError, ValueError, KeyError, EOFError, BadZipFile, zlib.error) as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: Exception, step: str = "Remove it and run again.") -> DesignError:
    return DesignError(Problem("D021", str(path), f"The file cannot be read: {error}.", next_step=step))
