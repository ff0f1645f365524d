"""Simulate, derive and analyse the flagship whole, ten thousand times; and the same models by R on the same trials.

    python benchmarks/whole_plan.py [--json] [--replicates 10000]

The plan: logistic, Firth and risk difference; Cox, log-rank and Kaplan-Meier; repeated use by a logistic mixed model
(10 nodes, standard errors); craving, FFMQ total and PSS total by linear mixed models with random intercept and slope
and Satterthwaite's degrees of freedom; six months by logistic regression, Firth where separated. R fits the same
models to trials that equipoise has already simulated and derived (its time is of the fits and their summaries alone, it
computes no Satterthwaite degrees of freedom, and no Firth where brglm2 is absent); ours are simulated, derived and
fitted: the ratio errs against us. Rounds alternate. What one line by multiple imputation adds is measured apart.
"""

from __future__ import annotations

import argparse
import csv
import math
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

import numpy as np

from _report import Report, describe_versions, finish
from equipoise.analysis.plan import Plan
from equipoise.design import operating
from equipoise.design.batch import TaskResult, planned
from equipoise.design.operating import Cell, run_cells
from equipoise.design.scenarios import build_scenario, resolve_scenario
from equipoise.protocol import Protocol
from equipoise.protocol.language.analysis import Analysis
from equipoise.simulation.day_level import simulate_day_level
from equipoise.simulation.lattice import SimulatedLattice
from equipoise.stats.packing import on_one_thread
from equipoise.workflow import read_protocol

SEED, SCENARIO, NODES = 20190624, "for-power", 10
ROUNDS, R_TRIALS, OUR_TRIALS = 3, 8, 1000


def benchmark_protocol() -> Protocol:
    """The flagship with the plan of this benchmark: its own lines, slopes added, no choices varied."""
    flagship = read_protocol("ketamine-mbrp-cocaine")
    lines = flagship.model.analyses
    mixed = {"random_slope": True, "vary": None}
    plan: dict[str, Analysis] = {
        "abstinence": lines["abstinence"].model_copy(update={"if_separated": "report"}),
        "abstinence-firth": lines["abstinence"].model_copy(update={"estimator": "firth", "level": "supportive"}),
        "abstinence-difference": lines["abstinence-difference"],
        "relapse": lines["relapse"].model_copy(update={"vary": None}),
        "relapse-log-rank": lines["relapse-log-rank"],
        "relapse-curve": lines["relapse-curve"],
        "use-over-time": lines["use-over-time"].model_copy(update={"nodes": NODES}),
        "craving": lines["craving"].model_copy(update=mixed),
        "mindfulness": lines["mindfulness"].model_copy(update=mixed),
        "stress": lines["stress"].model_copy(update=mixed),
        "six-months": lines["six-months"],
    }
    used = {flagship.model.estimands[line.estimand].endpoint for line in plan.values()}
    endpoints = {id: entry for id, entry in flagship.model.endpoints.items() if id in used}
    return Protocol(flagship.model.model_copy(update={"analyses": plan, "endpoints": endpoints}))


def lattice_of(protocol: Protocol, first: int, stop: int) -> SimulatedLattice:
    """A batch of simulated trials."""
    scenario = build_scenario(protocol, resolve_scenario(protocol, SCENARIO)[0])
    trials = simulate_day_level(
        scenario.design, scenario.parameters, seed=SEED, replicates=range(first, stop), threads=1
    )
    return SimulatedLattice(protocol, scenario, trials)


@dataclass
class Spent:
    """Seconds that the threads of a run spent inside its tasks."""

    processor: float = 0.0
    queued: float = 0.0  # ready, but other work had the processor
    blocked: float = 0.0  # waiting for the interpreter's lock or for memory
    threads: set[int] = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)


def queued_seconds() -> float:
    """Seconds that this thread has been ready and not running; 0 where Linux does not tell."""
    try:
        return int(Path(f"/proc/self/task/{threading.get_native_id()}/schedstat").read_text().split()[1]) / 1e9
    except (OSError, IndexError, ValueError):
        return 0.0


@contextmanager
def watching() -> Iterator[Spent]:
    """What the tasks of a run on threads spend their time on, from the clocks of the threads themselves."""
    spent, work = Spent(), operating.run_task

    def run_task(task: operating.Task) -> TaskResult:
        start, used, waited = time.perf_counter(), time.thread_time(), queued_seconds()
        try:
            return work(task)
        finally:
            used, waited = time.thread_time() - used, queued_seconds() - waited
            with spent.lock:
                spent.processor += used
                spent.queued += waited
                spent.blocked += max(0.0, time.perf_counter() - start - used - waited)
                spent.threads.add(threading.get_ident())

    operating.run_task = run_task  # type: ignore[assignment]
    try:
        yield spent
    finally:
        operating.run_task = work  # type: ignore[assignment]


def where_time_goes(protocol: Protocol, first: int, n: int) -> dict[str, float]:
    """Seconds of one core for each part of the work on ``n`` replicates."""
    spent: dict[str, float] = {}

    def clock(name: str, work: Any) -> Any:
        start = time.thread_time()
        value = work()
        spent[name] = spent.get(name, 0.0) + time.thread_time() - start
        return value

    with on_one_thread():
        lattice = clock("simulate", lambda: lattice_of(protocol, first, first + n))
        plan = Plan(protocol, lattice)
        for endpoint in protocol.model.endpoints:
            clock(f"derive {endpoint}", lambda endpoint=endpoint: plan.derived(endpoint))
        for fit in planned(protocol, False):
            clock(f"fit {fit.id} ({fit.analysis.estimator})", lambda fit=fit: plan.fit(fit))
    return spent


def cost_of_imputation(plain: float, report: Report) -> None:
    """What one line by multiple imputation, 20 data sets, adds to the plan (``plain`` seconds a trial)."""
    flagship = read_protocol("ketamine-mbrp-cocaine")
    for id in ("abstinence-imputed", "use-over-time-imputed", "craving-imputed"):
        line = flagship.model.analyses[id]
        assert line.imputation is not None
        imputation = line.imputation.model_copy(update={"sets": 20})
        changed = {"imputation": imputation, "tipping_point": None} | ({"nodes": NODES} if line.nodes else {})
        plan = {id: line.model_copy(update=changed)}
        protocol = Protocol(flagship.model.model_copy(update={"analyses": plan}), definitions=flagship.definitions)
        n = 100
        with on_one_thread():
            carried = Plan(protocol, lattice_of(protocol, 0, n))
            carried.derived(flagship.model.estimands[line.estimand].endpoint)
            [fit] = [fit for fit in planned(protocol, False, True) if fit.id == id]
            start = time.thread_time()
            carried.fit(fit)
            each = (time.thread_time() - start) / n
        report.add(f"{id}, 20 data sets, one trial, one core", 1e3 * each, "ms")
        # The target is for one result a participant, as mice with a pooled logistic model; repeated results are shown.
        most = 4.0 if id == "abstinence-imputed" else None
        report.add(f"{id}, 20 data sets: adds to the plan", each / plain, "times", at_most=most)


def write_for_r(protocol: Protocol, first: int, n: int, folder: Path) -> Plan:
    """The derived endpoints of ``n`` trials as two CSV files."""
    lattice = lattice_of(protocol, first, first + n)
    plan = Plan(protocol, lattice)
    frame = lattice.participants.frame
    route = (frame["route"] == "smoked-or-injected").cast(int).to_list()
    arm = (lattice.participants.arm == "ketamine").astype(int)
    replicate = frame["replicate"].to_list()
    abstinent, months = plan.derived("abstinence").value, plan.derived("abstinence-six-months").value
    relapse = plan.derived("relapse")
    with (folder / "people.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["replicate", "who", "arm", "route", "abstinent", "time", "event", "six_months"])
        for i in range(lattice.n):
            writer.writerow(
                [replicate[i], i, arm[i], route[i], abstinent[i], relapse.time[i], int(relapse.event[i]), months[i]]
            )
    use = plan.derived("use-over-time")
    scores = {id: plan.derived(id).values for id in ("craving", "mindfulness", "stress")}
    with (folder / "visits.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["replicate", "who", "arm", "route", "week", "use", *scores])
        for i in range(lattice.n):
            for v, week in enumerate(use.visit_weeks):
                row = [use.values[i, v], *(values[i, v] for values in scores.values())]
                # The model of use is of midazolam against ketamine; R gets ketamine, and the sign is turned.
                if not np.isnan(use.values[i, v]):
                    writer.writerow([replicate[i], i, arm[i], route[i], week, *("" if np.isnan(x) else x for x in row)])
    return plan


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def against_r(protocol: Protocol, report: Report) -> dict[str, str]:
    """Rounds of R and of ours, alternated, on the same trials; R's versions."""
    rscript = shutil.which("Rscript")
    if rscript is None:
        report.notes.append("R was not found: the ratio was not measured")
        return {}
    script = Path(__file__).with_suffix(".R")
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    ratios, r_each, our_each = [], [], []
    by_model: dict[str, float] = {}
    differences: dict[str, list[float]] = {}
    versions: dict[str, str] = {}
    for turn in range(ROUNDS):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            first = turn * OUR_TRIALS
            plan = write_for_r(protocol, first, R_TRIALS, folder)
            done = subprocess.run(
                [rscript, "--vanilla", str(script), name], capture_output=True, text=True, timeout=900, env=environment
            )
            if done.returncode != 0:
                report.notes.append(f"R could not run the models: {done.stderr.strip().splitlines()[-1]}")
                return {}
            seconds = {row["model"]: float(row["seconds"]) for row in read_csv(folder / "seconds.csv")}
            for model, value in seconds.items():
                by_model[model] = by_model.get(model, 0.0) + value / R_TRIALS / ROUNDS
            found = read_csv(folder / "versions.csv")
            versions = {row["package"]: row["version"] for row in found}
            if turn == 0 and found[0]["brglm2"] != "TRUE":
                report.notes.append("brglm2 is not there: R fitted no Firth model, ours did")
            compare(plan, read_csv(folder / "estimates.csv"), differences)
        r_each.append(sum(seconds.values()) / R_TRIALS)
        our_each.append(sum(where_time_goes(protocol, first, OUR_TRIALS).values()) / OUR_TRIALS)
        ratios.append(r_each[-1] / our_each[-1])
    report.add("R, one trial, one core", 1e3 * statistics.median(r_each), "ms")
    report.add("ours, one trial, one core, simulation and derivation included", 1e3 * statistics.median(our_each), "ms")
    report.add("R against ours, one core each, median of rounds", statistics.median(ratios), "times", at_least=250)
    report.add("R against ours, lowest and highest round", f"{min(ratios):.0f} to {max(ratios):.0f}", "times")
    for model, value in sorted(by_model.items(), key=lambda item: -item[1]):
        report.add(f"R: {model}", 1e3 * value, "ms a trial")
    # The bounds: two optimizers' stopping rules, and for the mixed logit a badly conditioned few (flat likelihoods).
    for model, values in differences.items():
        bound = 0.05 if model == "glmm" else 0.01
        report.add(f"log or mean difference from R, {model}, median", float(np.median(values)), "", at_most=bound)
    return versions


LINES = {
    "logistic": "abstinence",
    "cox": "relapse",
    "glmm": "use-over-time",
    "craving": "craving",
    "mindfulness": "mindfulness",
    "stress": "stress",
    "six months": "six-months",
}


def compare(plan: Plan, answers: list[dict[str, str]], differences: dict[str, list[float]]) -> None:
    """Differences of our estimates from R's, trial by trial, where ours has a finite answer."""
    ours = {fit.id: plan.fit(fit)[0] for fit in planned(plan.protocol, False)}
    for model, line in LINES.items():
        outcome = ours[line]
        values = np.log(outcome.estimate) if outcome.scale.endswith(("ratio", "means")) else outcome.estimate
        sign = -1.0 if model == "glmm" else 1.0
        for own, row in zip(values, answers, strict=True):
            if math.isfinite(own) and row[model] not in ("NA", ""):
                differences.setdefault(model, []).append(abs(sign * own - float(row[model])))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--replicates", type=int, default=10_000)
    parser.add_argument("--no-r", action="store_true", help="leave R out")
    parser.add_argument("--no-imputation", action="store_true", help="leave out what imputation adds")
    options = parser.parse_args()
    report = Report()
    protocol = benchmark_protocol()
    cell = Cell(resolve_scenario(protocol, SCENARIO)[0], {})
    run_cells(protocol, [cell], replicates=200, seed=1)  # warm: compiled code read, caches filled
    report.add("load of the machine before", os.getloadavg()[0], "processes")
    start, used = time.perf_counter(), time.process_time()
    with watching() as spent:
        [found] = run_cells(protocol, [cell], replicates=options.replicates, seed=SEED)
    seconds, cpu = time.perf_counter() - start, time.process_time() - used
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    scaled = 20.0 * options.replicates / 10_000
    report.add(f"{options.replicates:,} replicates of the whole plan, wall", seconds, "s", at_most=scaled)
    report.add(f"{options.replicates:,} replicates of the whole plan, processor", cpu, "s")
    threads = len(spent.threads) * seconds
    for name, value in (
        ("at work", spent.processor),
        ("ready, but other work had the processor", spent.queued),
        ("waiting for one another or for memory", spent.blocked),
        (
            "without a task (sharing out, saving, the end, the summary)",
            threads - sum((spent.processor, spent.queued, spent.blocked)),
        ),
    ):
        report.add(f"of the threads' time: {name}", 100 * value / threads, "%")
    report.add("peak memory", peak, "MiB", at_most=1024 * 1e9 / 2**30)
    failed = sum(summary.n_without_p for summary in found.rows if summary.row.kind == "main")
    report.add("fits without a p value, all counted", failed, "fits")
    parts = where_time_goes(protocol, 0, 1000)
    total = sum(parts.values())
    for kind in ("simulate", "derive", "fit"):
        value = sum(seconds for name, seconds in parts.items() if name.startswith(kind))
        report.add(f"one core, {kind} in all", 1e3 * value / 1000, f"ms a trial ({100 * value / total:.0f} %)")
    for name, value in sorted(parts.items(), key=lambda item: -item[1]):
        if value / total >= 0.01:
            report.add(f"{name}", 1e3 * value / 1000, f"ms a trial ({100 * value / total:.0f} %)")
    if not options.no_imputation:
        cost_of_imputation(total / 1000, report)
    versions = {} if options.no_r else against_r(protocol, report)
    return finish(
        report,
        as_json=options.json,
        versions={**describe_versions(), **versions},
        title="The whole plan of the flagship",
    )


if __name__ == "__main__":
    sys.exit(main())
