"""Operating characteristics of the plan that will be run: every replicate simulated, derived and analysed by the code
that will analyse the real trial.

Work is cut into tasks of many replicates and handed to any :class:`concurrent.futures.Executor`. The numbers do not
depend on the executor, the number of workers or the size of a task, and a run that was interrupted is taken up again
where its folder ends.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise.design.batch import PlannedRow, Task, TaskResult, left_out, not_drawn, planned, run_task, scenario_of
from equipoise.design.scenarios import ScenarioSpec, is_null, is_null_of
from equipoise.design.store import ReplicateStore
from equipoise.design.summary import (
    RowSummary,
    RuleSummary,
    entered_with,
    hypothesis_rows,
    primary_rows,
    rows_by_set,
    summarise_planned,
    summarise_row,
    summarise_rules,
    summarise_sets,
    wilson_share,
)
from equipoise.foundation.errors import DesignError, Problem, SimulationError, listed, raise_if_any
from equipoise.foundation.seeds import MAX_SEED
from equipoise.protocol import Protocol
from equipoise.simulation.scenario import AnyScenario, Scenario, without_effect

CODES = {
    "D010": "Invalid number of replicates, seed or precision.",
    "D015": "The set of assumptions gives no data for any analysis of the plan.",
}
# A wanted precision is looked at only here, so that where a run stops does not depend on how it was cut.
LOOK_EVERY = 1000
LARGEST_TASK = 1000
SMALLEST_PART = 50  # replicates of a task cut for the end; fewer are all overhead

Progress = Callable[[str, int, int], None]  # scenario, replicates done, replicates wanted


@dataclass(frozen=True)
class Cell:
    """One world to be simulated: a scenario, and the values of the grid that made it."""

    spec: ScenarioSpec
    grid: Mapping[str, float]

    @property
    def name(self) -> str:
        """Name of the scenario with the grid's values."""
        values = ", ".join(f"{name}={value:g}" for name, value in self.grid.items())
        return f"{self.spec.name}; {values}" if values else self.spec.name


@dataclass(frozen=True, kw_only=True)
class OperatingCharacteristics:
    """What the plan does in one world; ``folder`` holds the replicates' numbers, where they were kept."""

    cell: Cell
    seed: int
    n_replicates: int
    arm_sizes: Mapping[str, int]
    is_null: bool
    rows: tuple[RowSummary, ...]
    rules: tuple[RuleSummary, ...]  # over the primary lines
    dropout: Mapping[str, float]  # mean share of each arm gone by the last visit
    stopped_early: bool
    seconds: float
    folder: Path | None = None
    left_out: tuple[str, ...] = ()  # lines of the plan that were not carried out: imputation was not asked for
    not_drawn: Mapping[str, str] = field(default_factory=dict)  # lines that the level cannot answer, and why
    assumed: tuple[str, ...] = ()  # what the assumptions did not say and was taken as so
    in_every_set: tuple[RuleSummary, ...] = ()  # of each estimand with a margin that is looked at in several sets

    def __getitem__(self, id: str) -> RowSummary:
        for summary in self.rows:
            if summary.row.id == id:
                return summary
        raise KeyError(id)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "name": self.cell.name,
            "scenario": self.cell.spec.name,
            "words": self.cell.spec.words,
            "grid": dict(self.cell.grid),
            "assumptions": self.cell.spec.key,
            "seed": self.seed,
            "n_replicates": self.n_replicates,
            "arm_sizes": dict(self.arm_sizes),
            "is_null": self.is_null,
            "dropout": dict(self.dropout),
            "stopped_early": self.stopped_early,
            "left_out": list(self.left_out),
            "not_drawn": dict(self.not_drawn),
            "assumed": list(self.assumed),
            "rows": [row.as_dict() for row in self.rows],
            "rules": [asdict(rule) for rule in self.rules],
            **({"in_every_set": [asdict(rule) for rule in self.in_every_set]} if self.in_every_set else {}),
        }


def check_request(replicates: int, seed: int, precision: float | None) -> list[Problem]:
    """What cannot be of the numbers asked for (D010)."""
    problems = []
    if isinstance(replicates, bool) or not isinstance(replicates, int) or not 1 <= replicates <= MAX_SEED:
        problems.append(Problem("D010", "--replicates", f"Found {replicates!r}.", "a whole number of 1 or more"))
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed <= MAX_SEED:
        problems.append(Problem("D010", "--seed", f"Found {seed!r}.", f"a whole number from 0 to {MAX_SEED}"))
    if precision is not None and not 0 < precision < 0.5:
        expected = "half the width of a 95% interval for power, above 0 and below 0.5"
        problems.append(Problem("D010", "--precision", f"Found {precision!r}.", expected))
    return problems


def run_cells(
    protocol: Protocol,
    cells: Sequence[Cell],
    *,
    replicates: int,
    seed: int,
    executor: Executor | None = None,
    workers: int | None = None,
    task_size: int | None = None,
    precision: float | None = None,
    out: Path | None = None,
    version: str = "",
    with_variations: bool = False,
    with_imputation: bool = False,
    progress: Progress | None = None,
) -> list[OperatingCharacteristics]:
    """Operating characteristics in every cell, replicates 0 to ``replicates - 1`` of ``seed`` (common random numbers).

    Without ``executor`` threads are used, one a core. ``precision`` stops a cell at the first thousand replicates at
    which the power of every primary analysis is known to within so much (half the 95% Monte Carlo interval). With
    ``out`` the replicates' numbers are kept there, and a run that was interrupted goes on where it ended.

    Raises :class:`~equipoise.foundation.errors.DesignError` and
    :class:`~equipoise.foundation.errors.SimulationError` before anything is simulated.
    """
    from equipoise.stats.packing import default_threads

    raise_if_any(DesignError, check_request(replicates, seed, precision))
    for cell in cells:
        require_effects(protocol, scenario_of(protocol, cell.spec), cell.spec.name)
    n_workers = workers or default_threads()
    size = task_size or max(50, min(LARGEST_TASK, -(-replicates // (4 * n_workers))))
    with ExitStack() as stack:
        pool = executor if executor is not None else stack.enter_context(ThreadPoolExecutor(n_workers))
        saver = stack.enter_context(ThreadPoolExecutor(1))
        folder = out if out is not None else Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="equipoise-")))
        stores = []
        for number, cell in enumerate(cells):
            identity = {
                "protocol": protocol.id,
                "protocol_hash": protocol.hash,
                "version": version,
                "cell": cell.name,
                "assumptions": cell.spec.key,
                "seed": seed,
                "with_variations": with_variations,
                "with_imputation": with_imputation,
            }
            stores.append(ReplicateStore(folder / f"{number:03d}-{_slug(cell.name)}", identity))
            stores[-1].open()
        made = []
        for cell, store in zip(cells, stores, strict=True):
            started = time.perf_counter()
            template = Task(protocol, cell.spec, seed, 0, 0, with_variations, with_imputation)
            todo = store.gaps(replicates, size)
            if executor is None and task_size is None:
                todo = cut_last(todo, n_workers)
            # Saved on a thread of its own: an interruption, which comes to this one, can then cut no file in two.
            save = _on(saver, store.save)
            say = (lambda done, total: None) if progress is None else partial(progress, cell.name)
            run = _CellRun(store, template, replicates, precision, save, say)
            done = run.finish(pool, 2 * n_workers, todo, keep_begun=executor is None)
            found = _summarise(cell, template, store, done, replicates)
            made.append(
                replace(
                    found,
                    left_out=left_out(protocol, with_imputation),
                    seconds=time.perf_counter() - started,
                    folder=store.folder if out is not None else None,
                )
            )
        return made


def require_effects(protocol: Protocol, scenario: AnyScenario, name: str) -> None:
    """Refuse (S016) a plan of which an endpoint reads what is drawn alike in every arm: its power would be the level.

    Reading the scenario has raised what the assumptions lack or get wrong.
    """
    if not isinstance(scenario, Scenario):
        require_a_line(protocol, scenario, name)
        return
    problems = [
        Problem(
            "S016",
            f"endpoints.{endpoint}.assessment",
            f"The assumptions {name} draw {instrument}, which {endpoint} reads, alike in every arm.",
            "an effect of the arm on it",
            "Write a set of assumptions with `parts:` or `simple:`, or leave the endpoint out of the plan.",
        )
        for endpoint, instrument in without_effect(protocol).items()
    ]
    raise_if_any(SimulationError, problems)


def require_a_line(protocol: Protocol, scenario: AnyScenario, name: str) -> None:
    """Refuse (D015) a scenario that no line of the plan can be answered from, with the reason of each."""
    if next(planned(protocol, False, True, scenario), None) is None:
        reasons = "; ".join(f"{line}: {why}" for line, why in not_drawn(protocol, scenario).items())
        found = f"No analysis can be answered from {name}. {reasons or 'The plan has none'}."
        raise DesignError(Problem("D015", f"assumptions.{name}", found, "an analysis of what the set draws"))


def cut_last(todo: list[tuple[int, int]], workers: int) -> list[tuple[int, int]]:
    """Ranges of replicates, the last one a worker in quarters: nobody then waits long for the others at the end."""
    out = todo[:-workers]
    for first, stop in todo[-workers:]:
        step = max(SMALLEST_PART, -(-(stop - first) // 4))
        out += [(a, min(a + step, stop)) for a in range(first, stop, step)]
    return out


def _on(thread: Executor, work: Callable[[TaskResult], None]) -> Callable[[TaskResult], None]:
    return lambda result: thread.submit(work, result).result()


def _slug(name: str) -> str:
    text = "".join(letter if letter.isalnum() or letter in ".+=-" else "-" for letter in name)
    while "--" in text:
        text = text.replace("--", "-")
    return text.strip("-")[:80]


@dataclass(frozen=True)
class _CellRun:
    """The replicates of one cell: where they are kept, what one task is, and when there are enough."""

    store: ReplicateStore
    template: Task
    replicates: int
    precision: float | None
    save: Callable[[TaskResult], None]
    say: Callable[[int, int], None]  # how many are done, of how many

    def finish(self, pool: Executor, in_flight: int, todo: list[tuple[int, int]], *, keep_begun: bool) -> int:
        """Do what is missing; the number of replicates on which the summary rests.

        With ``keep_begun`` an interruption waits for the tasks that have begun and keeps what they come to: threads end
        them in any case.
        """
        have = self.replicates - sum(stop - first for first, stop in todo)
        self.say(have, self.replicates)
        looked = 0
        pending: dict[Future[TaskResult], tuple[int, int]] = {}
        try:
            while todo or pending:
                while todo and len(pending) < in_flight:
                    first, stop = todo.pop(0)
                    pending[pool.submit(run_task, replace(self.template, first=first, stop=stop))] = (first, stop)
                finished, _ = wait(pending, return_when=FIRST_COMPLETED)
                for future in finished:
                    first, stop = pending.pop(future)
                    self.save(future.result())
                    have += stop - first
                    self.say(have, self.replicates)
                if self.precision is not None:
                    looked, enough = _look(self.store, self.precision, looked, self.replicates)
                    if enough:
                        return looked
        except KeyboardInterrupt:
            for future in [future for future in pending if keep_begun and not future.cancel()]:
                self.save(future.result())
            raise
        finally:
            for future in pending:
                future.cancel()
        if self.precision is not None:
            looked, enough = _look(self.store, self.precision, looked, self.replicates)
            return looked if enough else self.replicates
        return self.replicates


def _look(store: ReplicateStore, precision: float, looked: int, replicates: int) -> tuple[int, bool]:
    """Look at each full thousand that is whole, in order; the number looked at, and whether it was enough."""
    there = 0
    for first, stop, _ in store.ranges():
        if first > there:
            break
        there = max(there, stop)
    while looked + LOOK_EVERY <= min(there, replicates):
        looked += LOOK_EVERY
        rows = store.rows()
        wanted = primary_rows(rows) or [n for n, row in enumerate(rows) if row.is_tested]
        widths = []
        for start, arrays in store.column_blocks(looked):
            for number in wanted:
                if start <= number < start + arrays["p_value"].shape[0]:
                    p = arrays["p_value"][number - start]
                    share = wilson_share(int((p < rows[number].alpha_two_sided).sum()), looked)
                    widths.append(share.half_width if share is not None else np.inf)
        if max(widths, default=np.inf) <= precision:
            return looked, True
    return looked, False


def _summarise(cell: Cell, template: Task, store: ReplicateStore, n: int, wanted: int) -> OperatingCharacteristics:
    """Operating characteristics of a cell on its first ``n`` replicates; ``wanted`` were asked for."""
    protocol = template.protocol
    scenario = scenario_of(protocol, cell.spec)
    null = is_null(scenario)
    rows = store.rows()
    published = published_values(protocol)
    summaries: list[RowSummary] = []
    primaries = primary_rows(rows)
    hypotheses = {number: name for name, number in hypothesis_rows(protocol, rows).items()}
    entered: dict[str, NDArray[Any]] = {}
    by_estimand = rows_by_set(protocol, rows)
    kept = {number: np.empty(n) for number in (*primaries, *(k for group in by_estimand for k in group))}
    for start, arrays in store.column_blocks(n):
        for offset in range(arrays["estimate"].shape[0]):
            row = rows[start + offset]
            one: dict[str, NDArray[Any]] = {name: values[offset] for name, values in arrays.items()}
            value = published.get(row.line) if row.id in (row.line, f"{row.line}.as-planned") else None
            summaries.append(summarise_row(row, one, is_null=null, published=value))
            if start + offset in kept:
                kept[start + offset][:] = one["p_value"]
            if start + offset in hypotheses:
                entered[hypotheses[start + offset]] = entered_with(protocol, row, one)
    model = protocol.model
    asked = {id: model.estimands[line.estimand] for id, line in model.analyses.items()}
    # That an effect lies beyond its margin is not true where arms do not differ.
    true_lines = {id for id, e in asked.items() if e.margin is None and is_null_of(protocol, scenario, e)}
    chosen = [rows[number] for number in primaries]
    p_values = np.array([kept[k] for k in primaries]).reshape(-1, n)
    sizes = scenario.arm_sizes
    gone = store.gone(n).mean(axis=1)
    return OperatingCharacteristics(
        cell=cell,
        seed=template.seed,
        n_replicates=n,
        arm_sizes=sizes,
        is_null=null,
        rows=tuple(summaries),
        rules=(
            *summarise_planned(protocol, entered, tuple(name for name in entered if name in true_lines)),
            *summarise_rules(chosen, p_values, tuple(row.id for row in chosen if row.line in true_lines)),
        ),
        in_every_set=tuple(
            summarise_sets([rows[k] for k in group], np.stack([kept[k] for k in group])) for group in by_estimand
        ),
        dropout={arm: float(gone[k] / sizes[arm]) for k, arm in enumerate(sizes)},
        stopped_early=n < wanted,
        not_drawn=not_drawn(protocol, scenario),
        assumed=(*getattr(scenario, "assumed", ()), *alike_at_random(protocol)),
        seconds=0.0,
        folder=None,
    )


def alike_at_random(protocol: Protocol) -> tuple[str, ...]:
    """What simulated trials lack that lines with a random category allow for: its levels do not differ."""
    lines: dict[str, list[str]] = {}
    for id, line in protocol.model.analyses.items():
        if line.random is not None:
            lines.setdefault(str(line.random), []).append(id)
    return tuple(
        f"{name} makes no difference to outcomes, though {listed(ids, conjunction='and')} would allow for it"
        for name, ids in lines.items()
    )


def published_values(protocol: Protocol) -> dict[str, float]:
    """Published effects by line of the plan, turned to the comparison that the line makes."""
    out = {}
    for entry in protocol.model.published.values():
        if entry.analysis is None or entry.effect is None:
            continue
        analysis = protocol.model.analyses.get(entry.analysis)
        if analysis is None:
            continue
        planned = protocol.model.estimands[analysis.estimand].treatments
        found = entry.effect.as_effect_of(planned.experimental, planned.reference, planned)
        if found is not None:
            out[entry.analysis] = found[0]
    return out


def row_values(store_folder: Path, id: str, name: str, n: int) -> NDArray[Any]:
    """(n,) one number of one row in every replicate, from a folder of a run, for figures."""
    store = ReplicateStore(store_folder, {})
    rows = [row.id for row in store.rows()]
    wanted = rows.index(id)
    for start, arrays in store.column_blocks(n):
        if start <= wanted < start + arrays[name].shape[0]:
            return np.asarray(arrays[name][wanted - start])
    raise KeyError(id)


__all__ = [
    "Cell",
    "OperatingCharacteristics",
    "PlannedRow",
    "check_request",
    "published_values",
    "row_values",
    "run_cells",
]
