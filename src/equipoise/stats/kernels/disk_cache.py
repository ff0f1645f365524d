"""Compiled code on the disk: where numba keeps it, and whether it came from the sources as they are.

Compiled code is kept by numba in ``__pycache__`` beside the source or, where that cannot be written (a system-wide
installation, a read-only container), in the user's cache folder; the environment variable ``NUMBA_CACHE_DIR`` names
another place and must be set before Python starts. The cache is for one kind of processor; on another one it is made
again.
"""

from __future__ import annotations

import hashlib
import os
from importlib.util import find_spec
from pathlib import Path

ROOM = "equipoise.stats.kernels"
_MARK = "kernels.sha256"


def has_code(module: str) -> bool:
    """Whether compiled code of a module is in a cache this process can see."""
    stem = module.rpartition(".")[2]
    return any(any(folder.glob(f"{stem}.*.nbi")) for folder in _cache_folders(_room_of(module)))


def _room_of(module: str) -> str:
    return module.rpartition(".")[0]


def _folder(room: str) -> Path:
    spec = find_spec(room)
    if spec is None or not spec.submodule_search_locations:
        raise ValueError(f"{room} is not a package")
    return Path(spec.submodule_search_locations[0])


def _cache_folders(room: str) -> list[Path]:
    """Where numba may keep a room's compiled code, apart from the user's own cache folder."""
    configured = os.environ.get("NUMBA_CACHE_DIR")
    if configured is None:
        return [_folder(room) / "__pycache__"]
    return [path for path in Path(configured).glob(f"{room.rpartition('.')[2]}_*") if path.is_dir()]


def _digest(room: str) -> str:
    digest = hashlib.sha256()
    for folder in dict.fromkeys((ROOM, room)):  # kernels of other rooms are made of parts of this one
        for path in sorted(_folder(folder).glob("*.py")):
            digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def drop_stale_code(room: str = ROOM) -> int:
    """Forget a room's compiled code if it came from other sources; returns the number of files removed.

    numba looks at the file of a kernel only, not at those it calls into or takes constants from. Which sources the
    code came from is noted beside it: here where there is no code yet or none any more, and by
    :func:`~equipoise.stats.kernels.warm_up.compile_everything`. Called whenever a room's kernels are first imported.
    """
    digest = _digest(room)
    removed = 0
    for folder in _cache_folders(room):
        try:
            mark = folder / _MARK
            code = [*folder.glob("*.nbi"), *folder.glob("*.nbc")]
            noted = mark.read_text() if mark.exists() else None
            if noted is not None and noted != digest:
                for file in code:
                    file.unlink(missing_ok=True)
                    removed += 1
                code = []
            if noted != digest and not code:
                folder.mkdir(exist_ok=True)
                mark.write_text(digest)
        except OSError:
            continue
    return removed


def mark_code(room: str) -> None:
    """Note beside the compiled code which sources it came from."""
    digest = _digest(room)
    for folder in _cache_folders(room):
        try:
            (folder / _MARK).write_text(digest)
        except OSError:
            continue
