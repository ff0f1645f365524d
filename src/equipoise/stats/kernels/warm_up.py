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
from collections import deque
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from threading import Thread

from equipoise.stats.packing import default_threads

Progress = Callable[[str, int, int], None]

_ROOM = "equipoise.stats.kernels"
# Called by kernels of several families and by Python: compiled before the families, or each process would do it.
_FLOOR = (f"{_ROOM}.linear_algebra",)
# No default analysis needs these; each is compiled in the few seconds before its first use.
_RARE = frozenset({f"{_ROOM}.cox_exact"})
_DECLARES = ("@njit(", "@kernel(")
_MARK = "kernels.sha256"
# The longest family takes a third of all the time, and each process needs 200 MB.
_MOST_PROCESSES = 4
# A helper does what each line it is given says, and answers whether it could.
_HELPER = """
import sys
from equipoise.stats.kernels.warm_up import _carry_out
for line in sys.stdin:
    try:
        for name in line.split():
            _carry_out(name)
    except Exception:
        print("failed", flush=True)
    else:
        print("done", flush=True)
"""


def kernel_modules(room: str = _ROOM) -> tuple[str, ...]:
    """Full names of a room's modules of kernels, rare ones left out, what the others build on first.

    Modules that hold only parts (see ``compile``) are not among them: parts are compiled into kernels.
    """
    found = {
        f"{room}.{path.stem}"
        for path in _folder(room).glob("*.py")
        if path.stem != "warm_up" and any(f"\n{word}" in path.read_text("utf-8") for word in _DECLARES)
    }
    floor = tuple(name for name in _FLOOR if _room_of(name) == room)
    return (*floor, *sorted(found - set(floor) - _RARE))


def compile_everything(
    progress: Progress | None = None, *, rooms: Sequence[str] = (_ROOM,), beside: Sequence[str] = ()
) -> None:
    """Leave the kernels of ``rooms`` compiled in the cache; ``progress(what, done, total)``.

    From the cache they are loaded into this process, which takes about a second. The first time, one process a core
    takes families of modules off one list, the longest first, whenever it is free; modules that import one another
    are a family. ``beside`` names what else leaves compiled code on disk, as ``module:function``; it joins the list.
    """
    for room in rooms:
        drop_stale_code(room)
    modules = [module for room in rooms for module in kernel_modules(room)]
    rest = [name for name in modules if name not in _FLOOR]
    n_helpers = 0
    work = [[name] for name in beside]
    if all(_has_code(name) for name in modules):
        work += [[name] for name in rest]
    else:
        work += _families([name for name in rest if name not in sys.modules])
        n_helpers = min(default_threads(), _MOST_PROCESSES, len(work)) - 1
    floor = [name for name in modules if name in _FLOOR]
    n_names = len(floor) + sum(map(len, work))
    waiting = deque(work)
    n_done = 0

    def carry_out(name: str) -> None:
        nonlocal n_done
        if progress is not None:
            progress(name.partition(":")[0].rpartition(".")[2].strip("_").replace("_", " "), n_done, n_names)
        _carry_out(name)
        n_done += 1

    failed: list[str] = []
    helpers = [Thread(target=_run_helper, args=(waiting, failed), daemon=True) for _ in range(n_helpers)]
    for helper in helpers:
        helper.start()
    for name in floor:
        carry_out(name)
    while waiting:
        try:
            family = waiting.popleft()
        except IndexError:  # a helper was quicker
            break
        for name in family:
            carry_out(name)
        n_done = n_names - sum(map(len, list(waiting)))
    for helper in helpers:
        helper.join()
    for name in failed:
        carry_out(name)
    for room in rooms:
        _mark_code(room)
    if progress is not None:
        progress("ready", n_names, n_names)


def _carry_out(name: str) -> None:
    """Import a module, or call ``module:function``."""
    module, _, function = name.partition(":")
    imported = importlib.import_module(module)
    if function:
        getattr(imported, function)()


def _families(modules: Sequence[str]) -> list[list[str]]:
    """Families of modules that import one another, those with the longest sources first.

    The length of the source, parts included, tells how long compilation takes.
    """
    texts = {name: _text(name) for name in modules}
    family = {name: name for name in modules}
    for name, text in texts.items():
        for other in re.findall(r"^from (\S+) import", text, re.MULTILINE):
            if other in family:
                old, new = family[other], family[name]
                family = {key: new if value == old else value for key, value in family.items()}
    groups = [[name for name in modules if family[name] == head] for head in sorted(set(family.values()))]
    return sorted(groups, key=lambda group: -sum(_length(name) for name in group))


def _length(module: str) -> int:
    """Characters of a module's source and of those of the room's modules that it imports."""
    seen: set[str] = set()
    ahead = [module]
    while ahead:
        name = ahead.pop()
        if name not in seen:
            seen.add(name)
            ahead += re.findall(rf"^from ({re.escape(_room_of(module))}\.\w+) import", _text(name), re.MULTILINE)
    return sum(len(_text(name)) for name in seen)


def _run_helper(waiting: deque[list[str]], failed: list[str]) -> None:
    """Hand families to another process, one whenever it has done the last; ``failed`` receives what it could not do."""
    family: list[str] = []
    try:
        with subprocess.Popen(
            [sys.executable, "-c", _HELPER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        ) as helper:
            assert helper.stdin is not None
            assert helper.stdout is not None
            while waiting:
                family = waiting.popleft()
                helper.stdin.write(" ".join(family) + "\n")
                helper.stdin.flush()
                answer = helper.stdout.readline().strip()
                if answer != "done":
                    failed += family
                if not answer:
                    return
                family = []
    except IndexError:  # another was quicker
        pass
    except OSError:
        failed += family


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


def _text(module: str) -> str:
    """Source of a module; empty if it is a package."""
    path = _folder(_room_of(module)) / f"{module.rpartition('.')[2]}.py"
    return path.read_text("utf-8") if path.exists() else ""


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
