"""Compile the kernels that analyses need once, or load it from the on-disk cache.

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
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path

from equipoise.stats.packing import default_threads

Progress = Callable[[str, int, int], None]

_ROOM = "equipoise.stats"
# What the others build on: compiled before the rest is compiled side by side.
_FLOOR = (f"{_ROOM}._small_linalg", f"{_ROOM}._vector_math", f"{_ROOM}._newton")
# No default analysis needs these; each is compiled in the few seconds before its first use.
_RARE = frozenset({f"{_ROOM}._cox_exact_kernel"})
_DECLARES = ("@njit(", "@kernel(", "@lane_kernel(")
_MARK = "kernels.sha256"


def kernel_modules(room: str = _ROOM) -> tuple[str, ...]:
    """Full names of a room's modules of kernels, rare ones left out, what the others build on first."""
    found = {
        f"{room}.{path.stem}"
        for path in _folder(room).glob("*.py")
        if path.stem != "warm_up" and any(word in path.read_text("utf-8") for word in _DECLARES)
    }
    floor = tuple(name for name in _FLOOR if _room_of(name) == room)
    return (*floor, *sorted(found - set(floor) - _RARE))


def compile_everything(progress: Progress | None = None, *, rooms: Sequence[str] = (_ROOM,)) -> None:
    """Leave the kernels of ``rooms`` compiled in this process and in the cache; ``progress(what, done, total)``.

    From the cache this takes a second or two. The first time the modules are shared out over one process a core, those
    that import one another staying together.
    """
    for room in rooms:
        drop_stale_code(room)
    modules = [module for room in rooms for module in kernel_modules(room)]

    def load(done: int, name: str) -> None:
        if progress is not None:
            progress(name.rpartition(".")[2].strip("_").replace("_", " "), done, len(modules))
        importlib.import_module(name)

    floor = [name for name in modules if name in _FLOOR]
    for done, name in enumerate(floor):
        load(done, name)
    rest = [name for name in modules if name not in floor]
    shares = _share_out([name for name in rest if name not in sys.modules], default_threads())
    beside = [process for share in shares[1:] if (process := _start_beside(share)) is not None]
    mine = shares[0] if shares else []
    for done, name in enumerate(mine, start=len(floor)):
        load(done, name)
    for process in beside:
        # Its failure is no failure here: the imports below compile what is missing.
        process.wait()
    for done, name in enumerate((name for name in rest if name not in mine), start=len(floor) + len(mine)):
        load(done, name)
    for room in rooms:
        _mark_code(room)
    if progress is not None:
        progress("ready", len(modules), len(modules))


def _share_out(modules: Sequence[str], n_shares: int) -> list[list[str]]:
    """Families of modules that import one another, the longest sources first, each to the share that has least."""
    texts = {name: _source(name).read_text("utf-8") for name in modules}
    family = {name: name for name in modules}
    for name, text in texts.items():
        for other in re.findall(r"^from (\S+) import", text, re.MULTILINE):
            if other in family:
                old, new = family[other], family[name]
                family = {key: new if value == old else value for key, value in family.items()}
    groups = [[name for name in modules if family[name] == head] for head in sorted(set(family.values()))]
    groups.sort(key=lambda group: -sum(len(texts[name]) for name in group))
    shares: list[list[str]] = [[] for _ in range(min(n_shares, len(groups)))]
    for group in groups:
        least = min(shares, key=lambda share: sum(len(texts[name]) for name in share))
        least += group
    return shares


def _start_beside(modules: Sequence[str]) -> subprocess.Popen[bytes] | None:
    """Compile modules into the cache in another process."""
    try:
        return subprocess.Popen(
            [sys.executable, "-c", f"import {', '.join(modules)}"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    except OSError:
        return None


def _room_of(module: str) -> str:
    return module.rpartition(".")[0]


def _folder(room: str) -> Path:
    spec = find_spec(room)
    if spec is None or not spec.submodule_search_locations:
        raise ValueError(f"{room} is not a package")
    return Path(spec.submodule_search_locations[0])


def _source(module: str) -> Path:
    return _folder(_room_of(module)) / f"{module.rpartition('.')[2]}.py"


def _cache_folders(room: str) -> list[Path]:
    """Where numba may keep a room's compiled code, apart from the user's own cache folder."""
    configured = os.environ.get("NUMBA_CACHE_DIR")
    if configured is None:
        return [_folder(room) / "__pycache__"]
    return [path for path in Path(configured).glob(f"{room.rpartition('.')[2]}_*") if path.is_dir()]


def _digest(room: str) -> str:
    digest = hashlib.sha256()
    for path in sorted(_folder(room).glob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def drop_stale_code(room: str = _ROOM) -> int:
    """Forget a room's compiled code if it came from other sources; returns the number of files removed.

    numba looks at the file of a kernel only, not at those it calls into or takes constants from. Which sources the
    code came from is known once :func:`compile_everything` has noted it.
    """
    digest = _digest(room)
    removed = 0
    for folder in _cache_folders(room):
        try:
            mark = folder / _MARK
            if mark.exists() and mark.read_text() != digest:
                for file in [*folder.glob("*.nbi"), *folder.glob("*.nbc")]:
                    file.unlink(missing_ok=True)
                    removed += 1
        except OSError:
            continue
    return removed


def _mark_code(room: str) -> None:
    """Note beside the compiled code which sources it came from."""
    digest = _digest(room)
    for folder in _cache_folders(room):
        try:
            (folder / _MARK).write_text(digest)
        except OSError:
            continue
