"""Compiled code kept on disk never outlives the sources it came from, and is made in shares that do no work twice."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import equipoise
from equipoise.stats.warm_up import _share_out, kernel_modules

_SCRIPT = """
from pathlib import Path
import equipoise.simulation.streams
from equipoise.stats import warm_up
room = "equipoise.simulation"
warm_up._mark_code(room)
print(warm_up.drop_stale_code(room))
purposes = Path(equipoise.simulation.__file__).parent / "purposes.py"
purposes.write_text(purposes.read_text("utf-8") + "# edited\\n", "utf-8")
print(warm_up.drop_stale_code(room) > 0)
"""


def test_editing_the_purposes_of_random_numbers_drops_the_simulation_compiled_before(tmp_path: Path) -> None:
    package = Path(equipoise.__file__).parent
    shutil.copytree(package, tmp_path / "src" / "equipoise", ignore=shutil.ignore_patterns("__pycache__"))
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "src"), "NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT], capture_output=True, text=True, check=False, env=environment, cwd=tmp_path
    )
    assert done.stdout.split() == ["0", "True"], done.stderr


def test_modules_that_import_one_another_are_compiled_in_one_process_and_none_is_left_out() -> None:
    modules = [*kernel_modules("equipoise.stats"), *kernel_modules("equipoise.simulation")]
    shares = _share_out(modules, 2)
    assert sorted(name for share in shares for name in share) == sorted(modules)
    owner = {name: number for number, share in enumerate(shares) for name in share}
    assert owner["equipoise.stats._quadrature_kernel"] == owner["equipoise.stats._quadrature_driver"]
    assert owner["equipoise.simulation.streams"] == owner["equipoise.simulation._course"]
