"""The same power run on threads and on two local Dask workers: how much the sending costs.

    python benchmarks/dask_workers.py [--replicates 4000] [--rounds 3] [--json]

Alternated in one run, median of the rounds; both warm. Target: two workers within 20 % of two threads, set for 100,000
replicates: tasks are a thousand replicates each at any number, so what a task costs to send is the same; name the
number with --replicates when there is time for it. Processor seconds stand beside the clock, because other work on the
machine stretches the one and not the other; those of Dask are of the workers and of this process, in which the
scheduler lives.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from _report import Report, finish
from equipoise.design.operating import Cell, OperatingCharacteristics, run_cells
from equipoise.design.scenarios import resolve_scenario
from equipoise.workflow import read_protocol

TASK = 1000


def main() -> int:
    """Print the ratio; exit code 0 only if the target is met."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--replicates", type=int, default=4000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    report = Report()
    try:
        import distributed
    except ImportError:
        report.notes.append("not measured: the package distributed is not installed (the extra dask)")
        return finish(report, as_json=arguments.json, title="Dask workers against threads")
    protocol = read_protocol("ketamine-mbrp-cocaine")
    cell = Cell(resolve_scenario(protocol, "for-power")[0], {})

    def run(executor: object, replicates: int) -> tuple[float, float, OperatingCharacteristics]:
        started, used = time.perf_counter(), processor_seconds(executor is not None)
        [found] = run_cells(
            protocol,
            [cell],
            replicates=replicates,
            seed=1,
            workers=2,
            task_size=min(TASK, replicates // 2),
            executor=executor,
        )  # type: ignore[arg-type]
        used = processor_seconds(executor is not None) - used
        return time.perf_counter() - started, used, found

    threads: list[float] = []
    workers: list[float] = []
    processor: list[tuple[float, float]] = []
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=50) as cluster,
        distributed.Client(cluster.scheduler_address, set_as_default=False) as client,
    ):

        def processor_seconds(everywhere: bool) -> float:
            there = sum(client.run(time.process_time).values()) if everywhere else 0.0
            return time.process_time() + there

        far = client.get_executor(retries=3)
        run(far, 100)
        run(None, 100)
        for _ in range(arguments.rounds):
            seconds, used, here = run(None, arguments.replicates)
            threads.append(seconds)
            seconds, used_there, there = run(far, arguments.replicates)
            workers.append(seconds)
            processor.append((used, used_there))
            if [row.as_dict() for row in here.rows] != [row.as_dict() for row in there.rows]:
                report.notes.append("the numbers differ between threads and workers")
                report.add("numbers equal", 0, at_least=1)
    ratios = [far / near for near, far in zip(threads, workers, strict=True)]
    report.add(f"{arguments.replicates:,} replicates, two threads", statistics.median(threads), "s")
    report.add(f"{arguments.replicates:,} replicates, two Dask workers", statistics.median(workers), "s")
    report.add("Dask over threads", statistics.median(ratios), "times", at_most=1.2)
    for name, at in (("two threads", 0), ("two Dask workers", 1)):
        report.add(f"processor, {name}", statistics.median(pair[at] for pair in processor), "s")
    report.notes.append(f"ratio of the rounds {min(ratios):.2f} to {max(ratios):.2f}; tasks of {TASK} replicates")
    return finish(report, as_json=arguments.json, title="Dask workers against threads")


if __name__ == "__main__":
    sys.exit(main())
