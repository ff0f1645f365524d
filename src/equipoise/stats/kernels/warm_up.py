"""Compile the kernels that analyses need once, or load it from the on-disk cache.

A kernel is compiled when it is first called (its signature is declared), and ``import equipoise`` compiles nothing;
here they are compiled beforehand. Compiled code is kept by numba in ``__pycache__`` beside the source or, where that
cannot be written (a system-wide installation, a read-only container), in the user's cache folder; the environment
variable ``NUMBA_CACHE_DIR`` names another place and must be set before Python starts. The cache is for one kind of
processor; on another one it is made again.
"""

from __future__ import annotations

import hashlib
import importlib
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from importlib.util import find_spec
from multiprocessing import get_context
from pathlib import Path

from equipoise.stats.packing import default_threads

Progress = Callable[[str, int, int], None]

_ROOM = "equipoise.stats.kernels"
# What several families call, then the families: modules that are compiled one after another, the longest family first.
# Ties by permutation (cox_exact) and the random slope of a logistic model (laplace_slope) are left out: few analyses
# need them, and they are compiled before their first.
FLOOR = (f"{_ROOM}.linear_algebra",)
FAMILIES: tuple[tuple[str, ...], ...] = tuple(
    tuple(f"{_ROOM}.{name}" for name in family)
    for family in (
        ("quadrature_batch",),
        ("linear_mixed",),
        ("mmrm",),
        ("counts", "counts_mixed"),
        ("binary_imputation",),
        ("normal_imputation",),
        ("far_columns", "cox", "cox_residuals"),
        ("separation", "logistic"),
        ("sorting",),
        ("survival_curve",),
        ("ordinal",),
        ("pairs",),
    )
)
_MARK = "kernels.sha256"
_MOST_PROCESSES = 4  # each needs 200 MB, and the longest family takes a third of all the time


def compile_everything(
    progress: Progress | None = None,
    *,
    rooms: Sequence[str] = (_ROOM,),
    beside: Sequence[Sequence[str]] = (),
) -> None:
    """Leave the kernels compiled in the cache, and load them; ``progress(what, done, total)``.

    The first time each core takes a family whenever it is free. ``beside`` names families of other rooms, modules or
    ``module:function``; ``rooms`` are all folders whose compiled code is dropped first where its sources changed.
    """
    for room in rooms:
        drop_stale_code(room)
    families = [*FAMILIES, *map(tuple, beside)]
    n_all = len(FLOOR) + sum(map(len, families))
    done = 0

    def note(family: Sequence[str]) -> None:
        nonlocal done
        done += len(family)
        if progress is not None:
            progress(family[-1].partition(":")[0].rpartition(".")[2].strip("_").replace("_", " "), done, n_all)

    carry_out(FLOOR)
    note(FLOOR)
    n_processes = min(default_threads(), _MOST_PROCESSES)
    if n_processes > 1 and not all(map(_has_code, (module for family in FAMILIES for module in family))):
        with ProcessPoolExecutor(n_processes, mp_context=get_context("spawn")) as pool:
            waiting = {pool.submit(carry_out, family): family for family in families}
            for future in as_completed(waiting):
                future.result()
                note(waiting[future])
        for family in families:
            carry_out(family)  # into this process, from the cache
    else:
        for family in families:
            carry_out(family)
            note(family)
    for room in rooms:
        _mark_code(room)


def carry_out(family: Sequence[str]) -> None:
    """Import modules and compile their kernels, and call what stands as ``module:function``."""
    from equipoise.stats.kernels.compile import KERNELS

    for name in family:
        module, _, function = name.partition(":")
        imported = importlib.import_module(module)
        for declared in KERNELS.get(module, ()):
            declared.compile()
        if function:
            getattr(imported, function)()


def _has_code(module: str) -> bool:
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
    for folder in dict.fromkeys((_ROOM, room)):  # kernels of other rooms are made of parts of this one
        for path in sorted(_folder(folder).glob("*.py")):
            digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def drop_stale_code(room: str = _ROOM) -> int:
    """Forget a room's compiled code if it came from other sources; returns the number of files removed.

    numba looks at the file of a kernel only, not at those it calls into or takes constants from. Which sources the
    code came from is noted beside it: here where there is no code yet or none any more, and by
    :func:`compile_everything`. Called whenever a room's kernels are first imported.
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


def _mark_code(room: str) -> None:
    """Note beside the compiled code which sources it came from."""
    digest = _digest(room)
    for folder in _cache_folders(room):
        try:
            (folder / _MARK).write_text(digest)
        except OSError:
            continue
