"""Compile every kernel of this room once, or load it from the on-disk cache.

A module with kernels compiles them when it is first imported (their signatures are declared); the public modules of
the mixed models import theirs when they are first called, and ``import equipoise`` compiles nothing. Compiled code is
kept by numba in ``__pycache__`` beside the source or, where that cannot be written (a system-wide installation, a
read-only container), in the user's cache folder; the environment variable ``NUMBA_CACHE_DIR`` names another place and
must be set before Python starts. The cache is for one kind of processor; on another one it is made again.
"""

from __future__ import annotations

import hashlib
import importlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

Progress = Callable[[str, int, int], None]

_ROOM = "equipoise.stats"
_FOLDER = Path(__file__).parent
# What the others build on: compiled before the rest is compiled side by side.
_FLOOR = ("_small_linalg", "_vector_math", "_newton")
# The slowest, compiled in a second process while this one does the rest.
_SLOWEST = "_quadrature_driver"
_MARK = "kernels.sha256"


def kernel_modules() -> tuple[str, ...]:
    """Names of the modules of this room that declare kernels, in the order in which they are compiled."""
    declares = ("njit(", "@kernel(", "@lane_kernel(")
    found = {
        path.stem
        for path in _FOLDER.glob("_*.py")
        if any(word in path.read_text("utf-8") for word in declares) and path.stem != "__init__"
    }
    rest = sorted(name for name in found - {*_FLOOR, _SLOWEST} if not name.startswith("_quadrature"))
    return (*_FLOOR, *rest, _SLOWEST)


def compile_everything(progress: Progress | None = None) -> None:
    """Leave every kernel compiled in this process and in the cache; ``progress(what, done, total)`` as it goes.

    From the cache this takes a second or two. The first time it takes about as long as the slowest module, because
    that one is compiled in a process of its own beside the others where there is a second core.
    """
    _drop_stale_code()
    modules = kernel_modules()

    def load(done: int, name: str) -> None:
        if progress is not None:
            progress(name.strip("_").replace("_", " "), done, len(modules))
        importlib.import_module(f"{_ROOM}.{name}")

    for done, name in enumerate(_FLOOR):
        load(done, name)
    beside = _start_beside() if (os.cpu_count() or 1) > 1 and f"{_ROOM}.{_SLOWEST}" not in sys.modules else None
    for done, name in enumerate(modules[len(_FLOOR) : -1], start=len(_FLOOR)):
        load(done, name)
    if beside is not None:
        if progress is not None:
            progress(_SLOWEST.strip("_").replace("_", " "), len(modules) - 1, len(modules))
        # Its failure is no failure here: the import below compiles what is missing.
        beside.wait()
    load(len(modules) - 1, _SLOWEST)
    _mark_code()
    if progress is not None:
        progress("ready", len(modules), len(modules))


def _start_beside() -> subprocess.Popen[bytes] | None:
    """Compile the slowest module into the cache in another process."""
    try:
        return subprocess.Popen(
            [sys.executable, "-c", f"import {_ROOM}.{_SLOWEST}"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    except OSError:
        return None


def _cache_folders() -> list[Path]:
    """Where numba may keep this room's compiled code, apart from the user's own cache folder."""
    configured = os.environ.get("NUMBA_CACHE_DIR")
    if configured is None:
        return [_FOLDER / "__pycache__"]
    return [path for path in Path(configured).glob("stats_*") if path.is_dir()]


def _digest() -> str:
    digest = hashlib.sha256()
    for path in sorted(_FOLDER.glob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _drop_stale_code() -> None:
    """Forget compiled code of other sources: numba looks at the file of a kernel, not at those it calls into."""
    digest = _digest()
    for folder in _cache_folders():
        try:
            mark = folder / _MARK
            if mark.exists() and mark.read_text() != digest:
                for file in [*folder.glob("*.nbi"), *folder.glob("*.nbc")]:
                    file.unlink(missing_ok=True)
        except OSError:
            continue


def _mark_code() -> None:
    """Note beside the compiled code which sources it came from."""
    digest = _digest()
    for folder in _cache_folders():
        try:
            (folder / _MARK).write_text(digest)
        except OSError:
            continue
