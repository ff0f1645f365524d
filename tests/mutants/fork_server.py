"""Runs chosen tests against a changed copy of the package, each change in a process of its own that begins warm.

The server has loaded the libraries that the package needs (numpy, numba, polars, Django and others: seconds) and
nothing of the package itself. For each mutant it divides; the child reads the package from a copy in which one file is
changed, runs pytest on the chosen tests until the first failure, and ends.
"""

from __future__ import annotations

import importlib
import os
import resource
import shutil
import signal
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
LIBRARIES = """
argon2 cryptography.hazmat.primitives.ciphers.aead django.contrib.auth django.db.models docx hypothesis jinja2 narwhals
numba numpy numpy.testing polars pydantic pytest rich.console rich.table ruamel.yaml scipy.optimize scipy.special
scipy.stats typer typer.testing typst
"""


@dataclass
class Running:
    """A child at work: its mutant's place in the list, where it reads the package, and when it is given up."""

    index: int
    copy: Path
    changed: Path
    right: bytes
    stamp: tuple[int, int]
    begun: float
    limit: float


def load_libraries() -> None:
    """Import what every child would import."""
    for name in LIBRARIES.split():
        importlib.import_module(name)


def copy_source(folder: Path, n: int) -> list[Path]:
    """Copies of the source, one for each process; with its compiled code and the times of its files."""
    copies = [folder / f"copy-{i}" for i in range(n)]
    for copy in copies:
        shutil.copytree(ROOT / "src", copy)
    return copies


def _child(copy: Path, tests: list[str], log: Path, seconds: int) -> None:
    """Run the tests; never returns."""
    os.setsid()
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(out, 1)
    os.dup2(out, 2)
    code = 70
    try:
        os.chdir(ROOT)
        sys.dont_write_bytecode = True
        sys.path[:] = [
            str(copy),
            str(ROOT),
            *(one for one in sys.path if Path(one).resolve() not in (ROOT / "src", HERE)),
        ]
        os.environ |= {"PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
        os.environ["HYPOTHESIS_STORAGE_DIRECTORY"] = str(log.with_suffix(".hypothesis"))
        import pytest

        code = int(pytest.main(["-x", "-q", "-p", "no:cacheprovider", "--hypothesis-seed=0", *tests]))
    finally:
        os._exit(code)


class Server:
    """Keeps up to ``len(copies)`` children at work."""

    def __init__(self, copies: list[Path]) -> None:
        self.free = list(copies)
        self.running: dict[int, Running] = {}

    def start(self, index: int, file: str, text: str, tests: list[str], seconds: float) -> None:
        """Put a mutant to its tests, which should take these seconds of processor; a fault may make them endless."""
        most = 60 + int(5 * seconds)
        copy = self.free.pop()
        path = copy / "equipoise" / file
        right, stat = path.read_bytes(), path.stat()
        path.write_text(text, "utf-8")
        sys.stdout.flush()
        pid = os.fork()
        if pid == 0:
            _child(copy, tests, copy.with_suffix(".log"), most)
        stamp = (stat.st_atime_ns, stat.st_mtime_ns)
        self.running[pid] = Running(index, copy, path, right, stamp, time.monotonic(), 10.0 * most)

    def finished(self) -> list[tuple[int, int, str]]:
        """The mutants whose tests have ended: place, exit code (negative where ended by us), what was printed last."""
        out = []
        for pid, job in list(self.running.items()):
            done, status = os.waitpid(pid, os.WNOHANG)
            if not done and time.monotonic() - job.begun < job.limit:
                continue
            with suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
            if not done:
                os.waitpid(pid, 0)
            code = os.waitstatus_to_exitcode(status) if done else -9
            job.changed.write_bytes(job.right)
            os.utime(job.changed, ns=job.stamp)
            said = job.copy.with_suffix(".log").read_text("utf-8", "replace")
            out.append((job.index, code, said[-3000:]))
            del self.running[pid]
            self.free.append(job.copy)
        return out

    def stop(self) -> None:
        """End what still runs."""
        for pid in self.running:
            with suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        self.running.clear()
