"""Compiled code kept on disk never outlives the sources it came from, and is made in families that do no work twice."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numba import njit

import equipoise
from equipoise.stats.kernels.warm_up import FAMILIES, FLOOR

_SCRIPT = """
from pathlib import Path
import equipoise.simulation.streams
from equipoise.stats.kernels import disk_cache
equipoise.simulation.streams._fill.compile()
room = "equipoise.simulation"
disk_cache.mark_code(room)
print(disk_cache.drop_stale_code(room))
purposes = Path(equipoise.simulation.__file__).parent / "purposes.py"
purposes.write_text(purposes.read_text("utf-8") + "# edited\\n", "utf-8")
print(disk_cache.drop_stale_code(room) > 0)
"""


def test_editing_the_purposes_of_random_numbers_drops_the_simulation_compiled_before(tmp_path: Path) -> None:
    package = Path(equipoise.__file__).parent
    shutil.copytree(package, tmp_path / "src" / "equipoise", ignore=shutil.ignore_patterns("__pycache__"))
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "src"), "NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT], capture_output=True, text=True, check=False, env=environment, cwd=tmp_path
    )
    assert done.stdout.split() == ["0", "True"], done.stderr


def test_compiled_code_follows_every_source_it_was_made_from_without_a_warm_up(tmp_path: Path) -> None:
    package = tmp_path / "src" / "equipoise"
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(Path(equipoise.__file__).parent, package, ignore=ignored)
    environment = {key: value for key, value in os.environ.items() if key != "NUMBA_CACHE_DIR"}
    environment["PYTHONPATH"] = str(tmp_path / "src")

    def written() -> int:
        command = [sys.executable, "-c", "from equipoise.simulation import streams; streams._fill.compile()"]
        subprocess.run(command, check=True, env=environment, cwd=tmp_path)
        [index] = (package / "simulation" / "__pycache__").glob("streams._fill-*.nbi")
        return index.stat().st_mtime_ns

    first = written()
    assert written() == first
    purposes = package / "simulation" / "purposes.py"
    purposes.write_text(purposes.read_text("utf-8") + "# edited\n", "utf-8")
    assert written() > first


def test_every_module_with_kernels_is_warmed_up_and_none_twice() -> None:
    from equipoise.cli.warm_up import _BESIDE

    named = [*FLOOR, *(module for family in (*FAMILIES, *_BESIDE) for module in family if ":" not in module)]
    assert len(named) == len(set(named))
    package = Path(equipoise.__file__).parent
    compiled = {
        "equipoise." + ".".join(path.relative_to(package).with_suffix("").parts)
        for folder in ("stats/kernels", "simulation")
        for path in (package / folder).glob("*.py")
        if "\n@kernel(" in path.read_text("utf-8")
    }
    # Few analyses need these, and they are compiled before their first use.
    assert compiled - set(named) == {f"equipoise.stats.kernels.{name}" for name in ("cox_exact", "laplace_slope")}
    assert set(named) <= compiled


def test_a_part_called_from_python_says_so_and_kernels_go_on_calling_it() -> None:
    from equipoise.stats.kernels.linear_algebra import cholesky, find_aliased_columns
    from equipoise.stats.kernels.survival_curve import log_rank_range

    two = 2.0 * np.eye(2)
    with pytest.raises(TypeError, match="py_func"):
        cholesky(two, 2)
    compiled_here = njit("int64(float64[:, ::1], int64)")(lambda a, n: cholesky(a, n))
    assert compiled_here(two.copy(), 2) == -1
    with pytest.raises(TypeError, match="py_func"):  # the same once it has been compiled
        cholesky(two, 2)
    assert cholesky.py_func(two, 2) == -1
    assert two[0, 0] == np.sqrt(2.0)
    assert find_aliased_columns(two, 0, 2, 2, np.zeros(2, np.bool_)) == 0
    assert len(log_rank_range.compile().signatures) == 1


_FROM_SCRATCH = """
from equipoise.stats.kernels import compile as _compiling
import numpy as np

@_compiling.part("float64(float64[:, ::1], int64)")
def first_pivot(a, p):
    return a[0, 0] + p

@_compiling.kernel("float64(float64[:, ::1])")
def root(a):
    # 0 is a literal, and an integer becomes the number that the part declares.
    return first_pivot(a, 0) + first_pivot(a, a.shape[0])

assert root(np.full((1, 1), 4.0)) == 9.0
assert len(first_pivot.overloads) == 1
try:
    first_pivot(np.ones((1, 1)), 1)
except TypeError:
    print("refused")
"""


def test_a_part_is_compiled_once_for_the_types_it_declares_and_stays_out_of_pythons_reach(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(_FROM_SCRATCH)
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    done = subprocess.run(
        [sys.executable, "script.py"], capture_output=True, text=True, check=False, env=environment, cwd=tmp_path
    )
    assert done.stdout.split() == ["refused"], done.stderr
