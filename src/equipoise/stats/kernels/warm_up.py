"""Compile the kernels that analyses need once, or load it from the on-disk cache.

A kernel is compiled when it is first called (its signature is declared), and ``import equipoise`` compiles nothing;
here they are compiled beforehand.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context

from equipoise.stats.kernels.compile import KERNELS
from equipoise.stats.kernels.disk_cache import ROOM, drop_stale_code, has_code, mark_code
from equipoise.stats.packing import default_threads

Progress = Callable[[str, int, int], None]

# What several families call, then the families: modules that are compiled one after another, the longest family first.
# Ties by permutation (cox_exact) and the random slope of a logistic model (laplace_slope) are left out: few analyses
# need them, and they are compiled before their first.
FLOOR = (f"{ROOM}.linear_algebra",)
FAMILIES: tuple[tuple[str, ...], ...] = tuple(
    tuple(f"{ROOM}.{name}" for name in family)
    for family in (
        ("quadrature_batch",),
        ("linear_mixed",),
        ("mmrm",),
        ("counts", "counts_mixed"),
        ("competing",),
        ("binary_imputation",),
        ("latent_imputation",),
        ("normal_imputation",),
        ("far_columns", "cox", "cox_residuals"),
        ("separation", "logistic"),
        ("sorting",),
        ("survival_curve",),
        ("ordinal",),
        ("pairs",),
    )
)
_MOST_PROCESSES = 4  # each needs 200 MB, and the longest family takes a third of all the time


def compile_everything(
    progress: Progress | None = None,
    *,
    rooms: Sequence[str] = (ROOM,),
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
    if n_processes > 1 and not all(map(has_code, (module for family in FAMILIES for module in family))):
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
        mark_code(room)


def carry_out(family: Sequence[str]) -> None:
    """Import modules and compile their kernels, and call what stands as ``module:function``."""
    for name in family:
        module, _, function = name.partition(":")
        imported = importlib.import_module(module)
        for declared in KERNELS.get(module, ()):
            declared.compile()
        if function:
            getattr(imported, function)()
