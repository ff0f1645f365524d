"""Some replicates of a trial simulated, derived and analysed: numbers in, one array a planned row out.

A task is a range of replicates; it is worked in batches, so that memory grows with the batch and never with the number
of replicates. Each replicate's numbers depend on the protocol, the scenario, the seed and its own number alone.
"""

from __future__ import annotations

import ctypes
import os
import pickle
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import cache, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise.analysis.outcome import Outcome
from equipoise.analysis.plan import Plan, PlannedFit, planned_fits
from equipoise.design.scenarios import ScenarioSpec, build_scenario
from equipoise.design.sides import as_two_sided, is_directed
from equipoise.protocol import Protocol
from equipoise.simulation.scenario import AnyScenario
from equipoise.stats.codes import FitCode

FLOATS = ("estimate", "standard_error", "ci_lower", "ci_upper", "p_value")
WHOLE = ("n_analysed", "n_events", "n_missed")
SEPARATED = FitCode.SEPARATION_COMPLETE | FitCode.SEPARATION_QUASI
# Participants worked at once on a core, some 200 MB with the flagship's plan; larger trials come in smaller batches.
BATCH_PARTICIPANTS = 55_000
BATCH_DAYS = 4_000_000

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class PlannedRow:
    """A row of results that every replicate has.

    ``kind`` is ``main``; ``as-planned`` where a logistic line names what to report when maximum likelihood has no
    finite answer (its numbers are then those); ``goal`` for an estimate of one arm tested against ``null``, its
    performance goal; ``arm`` for one that is tested against nothing. With a ``margin`` what is rejected is that the
    effect lies beyond it, and the p value is twice the one-sided one, for rules with two-sided levels; so it is where
    ``is_one_sided``. With a ``probability`` success is that the effect is probably better, and p is twice what is
    missing from certainty.
    """

    id: str
    line: str
    endpoint: str
    estimator: str
    scale: str
    arm: str | None
    reference: str | None
    event: str | None
    level: str
    alpha_two_sided: float
    ci_level: float
    kind: str
    null: float | None = None
    margin: Mapping[str, Any] | None = None  # objective, lower and upper, of an estimand that has one
    is_one_sided: bool = False
    probability: float | None = None  # of a line that borrows: the probability that success asks for
    structures: tuple[str, ...] = ()  # of a mixed model for repeated measures: the covariances in the order tried

    @property
    def level_in_words(self) -> str:
        """The level of its test, one-sided against a margin or where the plan says so."""
        if self.probability is not None:
            return f"posterior probability above {self.probability:g}"
        if self.margin is not None or self.is_one_sided:
            return f"one-sided {self.alpha_two_sided / 2:g}"
        return f"two-sided {self.alpha_two_sided:g}"

    @property
    def is_tested(self) -> bool:
        """Whether the row has a hypothesis: no difference, one beyond a margin, or a performance goal."""
        return self.kind != "arm"

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


@dataclass(frozen=True)
class Task:
    """Replicates ``first`` to ``stop - 1`` of one scenario."""

    protocol: Protocol = field(hash=False, compare=False)
    spec: ScenarioSpec
    seed: int
    first: int
    stop: int
    with_variations: bool = False
    with_imputation: bool = False

    def __reduce__(self) -> tuple[Any, ...]:
        # A worker reads the protocol once, not once a task.
        rest = (self.spec, self.seed, self.first, self.stop, self.with_variations, self.with_imputation)
        return _task_again, (pickle.dumps(self.protocol), *rest)


@lru_cache(maxsize=8)
def _protocol_again(pickled: bytes) -> Protocol:
    protocol: Protocol = pickle.loads(pickled)
    return protocol


def _task_again(pickled: bytes, *rest: Any) -> Task:
    return Task(_protocol_again(pickled), *rest)


@dataclass(frozen=True)
class TaskResult:
    """What a task came to: (n_rows, n_replicates) for each of FLOATS, WHOLE and ``codes``; ``gone`` (n_arms, n)."""

    first: int
    stop: int
    rows: tuple[PlannedRow, ...]
    arrays: Arrays


@lru_cache(maxsize=64)
def _scenario(protocol_hash: str, key: str, protocol: _Holder, spec: _Holder) -> AnyScenario:
    return build_scenario(protocol.value, spec.value)


class _Holder:
    """A value beside a cache key; all holders are equal, so that the key alone decides."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Holder)

    def __hash__(self) -> int:
        return 0


def scenario_of(protocol: Protocol, spec: ScenarioSpec) -> AnyScenario:
    """The scenario as the simulator runs it, read once a process."""
    return _scenario(protocol.hash, f"{spec.name} {spec.key}", _Holder(protocol), _Holder(spec))


def planned(
    protocol: Protocol, with_variations: bool, with_imputation: bool = False, scenario: AnyScenario | None = None
) -> Iterator[PlannedFit]:
    """Fits of the plan; its variations only where asked, and so lines by multiple imputation that are neither primary
    nor hypotheses of ``multiplicity``.

    A line by imputation is as many fits as it has data sets, beside the imputing: some hundred times the work of the
    rest of a plan. What is left out is said by :func:`left_out`; what the level of the scenario cannot answer, by
    :func:`not_drawn`.
    """
    from equipoise.simulation.batches import not_drawn_by

    gone = left_out(protocol, with_imputation)
    return (
        fit
        for fit in planned_fits(protocol)
        if (with_variations or not fit.choices)
        and fit.line not in gone
        and (scenario is None or not_drawn_by(scenario, fit.analysis, fit.estimand) is None)
    )


def not_drawn(protocol: Protocol, scenario: AnyScenario) -> dict[str, str]:
    """Lines of the plan that the scenario's level cannot answer, with the reason."""
    from equipoise.simulation.batches import not_drawn_by

    model = protocol.model
    found = {id: not_drawn_by(scenario, line, model.estimands[line.estimand]) for id, line in model.analyses.items()}
    return {id: why for id, why in found.items() if why is not None}


def left_out(protocol: Protocol, with_imputation: bool) -> tuple[str, ...]:
    """Lines of the plan that a run without imputation does not carry out."""
    if with_imputation:
        return ()
    lines = protocol.model.analyses.items()
    tested = () if protocol.model.multiplicity is None else protocol.model.multiplicity.names
    wanted = [id for id, line in lines if line.level == "primary" or id in tested]
    return tuple(id for id, line in lines if line.imputation is not None and id not in wanted)


@cache
def _keep_memory() -> None:
    """Undo, for this process, what Dask's nanny tells the C library: to give every large array's memory back at once.

    The setting also stops the library from learning that such arrays come again, so each is fetched from the system
    page by page; a batch of this work makes thousands of them.
    """
    if "MALLOC_TRIM_THRESHOLD_" not in os.environ or not sys.platform.startswith("linux"):
        return
    trim, mapped = -1, -3  # M_TRIM_THRESHOLD, M_MMAP_THRESHOLD of malloc.h
    with suppress(OSError, AttributeError):  # another C library
        library = ctypes.CDLL(None)
        library.mallopt(mapped, 32 << 20)
        library.mallopt(trim, 256 << 20)


def run_task(task: Task) -> TaskResult:
    """Simulate, derive and analyse the task's replicates on the calling thread."""
    from equipoise.stats.packing import on_one_thread

    _keep_memory()
    parts: list[tuple[tuple[PlannedRow, ...], Arrays]] = []
    with on_one_thread():
        scenario = scenario_of(task.protocol, task.spec)
        # Days of parts are kept as bytes and amounts: a long trial comes in smaller batches.
        most = min(BATCH_PARTICIPANTS, BATCH_DAYS // getattr(scenario, "n_days", 1))
        batch = max(1, most // sum(scenario.arm_sizes.values()))
        for first in range(task.first, task.stop, batch):
            parts.append(_run_batch(task, first, min(first + batch, task.stop)))
    rows = parts[0][0]
    joined = {name: np.concatenate([arrays[name] for _, arrays in parts], axis=1) for name in parts[0][1]}
    return TaskResult(task.first, task.stop, rows, joined)


def _run_batch(task: Task, first: int, stop: int) -> tuple[tuple[PlannedRow, ...], Arrays]:
    if stop == first + 1:
        # One trial alone gets more diagnostics than a batch: it is worked with a neighbour, who is then left out.
        both = _run_batch(task, first, stop + 1)
        return both[0], {name: values[:, :1] for name, values in both[1].items()}
    from equipoise.simulation.batches import simulate_batch

    scenario = scenario_of(task.protocol, task.spec)
    batch = simulate_batch(task.protocol, scenario, seed=task.seed, replicates=range(first, stop))
    plan = Plan(task.protocol, batch.lattice)
    shared = task.protocol.model.multiplicity
    tested = () if shared is None else shared.names
    rows: list[PlannedRow] = []
    outcomes: list[Outcome] = []
    for fit in planned(task.protocol, task.with_variations, task.with_imputation, scenario):
        for row, outcome in rows_of(fit, plan.fit(fit)):
            rows.append(row)
            endpoint = task.protocol.model.endpoints[fit.estimand.endpoint]
            outcomes.append(as_two_sided(outcome, fit.analysis, endpoint, is_hypothesis=fit.line in tested))
    arrays: Arrays = {name: np.stack([getattr(outcome, name) for outcome in outcomes]) for name in FLOATS}
    assert arrays["estimate"].shape[1] == stop - first
    # Infinity has no place beside numbers: like NaN it means that there is no finite answer.
    for name in FLOATS:
        arrays[name] = np.where(np.isfinite(arrays[name]), arrays[name], np.nan)
    for name in WHOLE:
        arrays[name] = np.stack([getattr(outcome, name) for outcome in outcomes]).astype(np.int32)
    arrays["codes"] = np.stack([outcome.codes for outcome in outcomes]).astype(np.uint32)
    arrays["structure"] = np.stack([_structure(outcome) for outcome in outcomes])
    arrays["gone"] = batch.gone
    return tuple(rows), arrays


def _structure(outcome: Outcome) -> NDArray[np.int32]:
    """(n_replicates,) number of the covariance that was fitted, in the order in which they are tried; 0 of others."""
    found = outcome.details.get("structure")
    return np.asarray(np.zeros(outcome.codes.shape[0]) if found is None else found, dtype=np.int32)


def rows_of(fit: PlannedFit, outcomes: list[Outcome]) -> list[tuple[PlannedRow, Outcome]]:
    """The rows that a fit has in every replicate, fallbacks folded into one row ``as-planned``."""
    main = [outcome for outcome in outcomes if not _is_fallback(fit, outcome)]
    fallbacks = {outcome.suffix[1:]: outcome for outcome in outcomes if _is_fallback(fit, outcome)}
    out = []
    for outcome in main:
        kind = "main" if outcome.reference is not None else "goal" if "goal" in outcome.details else "arm"
        out.append((_row(fit, outcome, fit.id + outcome.suffix, kind), outcome))
    rule = fit.analysis.if_separated
    if fit.analysis.estimator == "logistic" and fit.analysis.random is None and rule != "report":
        folded = _folded(main[0], fallbacks.get(rule))
        words = {"firth": "Firth", "fisher-exact": "Fisher"}[rule]
        row = _row(fit, folded, f"{fit.id}.as-planned", "as-planned", f"logistic, {words} where separated")
        out.append((row, folded))
    return out


def _is_fallback(fit: PlannedFit, outcome: Outcome) -> bool:
    return fit.analysis.estimator == "logistic" and outcome.suffix in (".firth", ".fisher-exact")


def _folded(main: Outcome, fallback: Outcome | None) -> Outcome:
    from dataclasses import replace

    # Pooled over imputed sets, some of which were separated, there may be an answer all the same.
    separated = ((main.codes & np.uint32(SEPARATED)) != 0) & ~np.isfinite(main.estimate)
    if fallback is None:
        return main
    changed: Mapping[str, Any] = {
        name: np.where(separated, getattr(fallback, name), getattr(main, name)) for name in (*FLOATS, "codes")
    }
    return replace(main, **changed)


def _row(fit: PlannedFit, outcome: Outcome, id: str, kind: str, estimator: str | None = None) -> PlannedRow:
    analysis = fit.analysis
    if outcome.posterior is not None:
        alpha = 2 * (1 - outcome.posterior.threshold)
    elif analysis.alpha_one_sided is not None:
        alpha = 2 * float(analysis.alpha_one_sided)
    else:
        alpha = float(analysis.alpha_two_sided) if analysis.alpha_two_sided is not None else 0.05
    return PlannedRow(
        id=id,
        line=fit.line,
        endpoint=fit.estimand.endpoint,
        estimator=estimator or outcome.estimator,
        scale=outcome.scale,
        arm=outcome.arm,
        reference=outcome.reference,
        event=outcome.event,
        level=analysis.level,
        alpha_two_sided=alpha,
        ci_level=float(analysis.ci_level),
        kind=kind,
        null=outcome.details.get("goal"),
        margin=None if outcome.margin is None else outcome.margin.bounds.as_dict(),
        is_one_sided=outcome.margin is None and is_directed(outcome, analysis),
        probability=None if outcome.posterior is None else outcome.posterior.threshold,
        structures=outcome.details.get("structures", ()),
    )
