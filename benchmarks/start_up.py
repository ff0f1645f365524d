"""What a user waits for: import, first compilation, kernels from the cache, and a whole run.

    python benchmarks/start_up.py [--json]

Everything runs in fresh processes. The first compilation goes into an empty folder of its own (``NUMBA_CACHE_DIR``),
and so do the measurements that follow it. Seconds of a clock are shown, and beside them the processor seconds of all
processes, because on a busy machine only those say what the program costs.

A target in seconds means nothing without the machine it was set for. Where ``Rscript`` is there with lme4 and survival,
R's fits in the same run say how much slower this machine is (the least of five ratios is taken), and the first
compilation and the run are judged at the speed of the targets' machine; without R, by the clock as it stands.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from _report import Report, describe_versions, finish
from estimators import Trials, how_slow, run_r

PROTOCOL = "ketamine-mbrp-cocaine"
IMPORT = "import equipoise"
# Seconds inside the process: what the kernels add to a Python that runs already and has numba.
LOAD = """
import time, numba
from equipoise.stats.kernels import warm_up
start = time.perf_counter(), time.process_time()
warm_up.compile_everything(
    rooms=("equipoise.stats.kernels", "equipoise.simulation"),
    beside=(("equipoise.simulation.streams", "equipoise.simulation._course"), ("equipoise.simulation._totals",)),
)
print(time.perf_counter() - start[0], time.process_time() - start[1])
"""


def timed(command: list[str], environment: dict[str, str]) -> tuple[float, float, str]:
    """Seconds by the clock, processor seconds of the process and its children, and what it printed."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=900, env=environment)
    seconds = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0:
        raise RuntimeError(
            f"{' '.join(command)} failed ({done.returncode}):\n{done.stdout[-1000:]}{done.stderr[-2000:]}"
        )
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, done.stdout


def slowness(report: Report) -> float | None:
    """How many times as long R takes here as on the machine the targets were set for; nothing where there is no R."""
    if shutil.which("Rscript") is None:
        report.notes.append("R was not measured: targets are held to the clock of this machine")
        return None
    with tempfile.TemporaryDirectory() as text:
        Trials().write(Path(text))
        slower = how_slow({name: [milliseconds] for name, (milliseconds, _) in run_r(Path(text), 1).items()})
    listed = ", ".join(f"{name} {value:.2f}" for name, value in slower.items())
    report.notes.append(f"R took this many times as long as on the machine for which the targets were set: {listed}")
    return min(slower.values())


def main() -> int:
    """Measure and print; exit code 0 only if every target is met."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    report = Report()
    program = [sys.executable, "-c", "from equipoise.cli.main import main; main()"]

    slower = slowness(report)

    def add(name: str, target: float, seconds: float, processor: float, *, scaled: bool = False) -> None:
        report.add(name, seconds, "s", at_most=None if scaled and slower else target)
        if scaled and slower:
            report.add(f"{name}: at the speed of the targets' machine", seconds / slower, "s", at_most=target)
        report.add(f"{name}: processor", processor, "s")

    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        environment = {**os.environ, "NUMBA_CACHE_DIR": str(folder / "kernels")}
        (folder / "kernels").mkdir()
        python = [sys.executable, "-c"]
        runs = [timed([*python, IMPORT], environment) for _ in range(3)]
        empty = min(timed([*python, "pass"], environment)[0] for _ in range(3))
        best = min(runs)
        add("import equipoise, beyond Python itself", 0.5, best[0] - empty, best[1])
        first = timed([*program, "warm-up", "--json"], environment)
        add("first compilation (equipoise warm-up)", 45.0, *first[:2], scaled=True)
        loads = [tuple(float(x) for x in timed([*python, LOAD], environment)[2].split()) for _ in range(3)]
        add("kernels from the cache, beyond importing numba", 2.5, *min(loads))
        run = [*program, "run", PROTOCOL, "--seed", "1", "--out", str(folder / "out"), "--force"]
        timed(run, environment)
        add(f"run {PROTOCOL} to report, warm", 6.0, *min(timed(run, environment)[:2] for _ in range(3)), scaled=True)
    return finish(report, as_json=arguments.json, versions=describe_versions(), title="start-up, fresh processes")


if __name__ == "__main__":
    sys.exit(main())
