"""Interim looks at a trial of the protocol, and rules for stopping it that nobody wrote down."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from equipoise.analysis.interim import LooksOfPlan, looks_of
from equipoise.design.looks import (
    ActualSize,
    EnrolmentCalendar,
    LooksOutcome,
    actual_size,
    outcomes_of_protocol,
    planned_counts,
    sequential_design,
    simulate_looks,
)
from equipoise.design.operating import check_request
from equipoise.design.plan_looks import as_large_as, simulate_plan_looks
from equipoise.design.scenarios import ScenarioSpec, build_scenario, resolve_scenario
from equipoise.design.stopping_rules import TESTS, RuleOutcome, rules_for, stopping_table, worst_risk
from equipoise.foundation.errors import DesignError, Problem, raise_if_any
from equipoise.foundation.version import program_version
from equipoise.protocol import Protocol
from equipoise.protocol.checks.looks import SIGNED_TESTS
from equipoise.protocol.language.looks import PlannedLooks
from equipoise.protocol.vocabulary.estimators import ESTIMATORS
from equipoise.protocol.vocabulary.scales import larger_is_better
from equipoise.stats.design.group_sequential import Boundary, GroupSequentialDesign, characterize
from equipoise.stats.design.look_rules import FutilityRule, LookRule
from equipoise.stats.design.spending import SpendingFunction
from equipoise.workflow.library import read_protocol
from equipoise.workflow.verbs import DEFAULT_SEED

# Exact size is worked out by carrying every table from look to look: beyond this it takes minutes, and is the nominal.
_LARGEST_EXACT = 200
# Trials by which the events of a scenario are counted where nobody says how many are planned.
_FOR_EVENTS = 200


@dataclass(frozen=True)
class LooksRun:
    """Looks at one endpoint: boundaries, what they do under a scenario and without any effect, and the real level."""

    protocol: Protocol
    endpoint: str
    shape: str
    scenario: str
    boundary: str
    design: GroupSequentialDesign
    counts: tuple[int, ...]  # outcomes, or events, at each look
    calendar: EnrolmentCalendar
    seed: int
    effect: LooksOutcome
    null: LooksOutcome
    size: ActualSize | None  # exact, for a small binary trial
    inflation: float  # of the size, by normal theory at the power stated
    expected_share: float  # expected information under the effect over the maximum, by normal theory
    analysis: str | None = None  # line of the plan carried out at each look; None: pooled z or log-rank, unadjusted
    is_stated: bool = False  # the looks are those that the protocol states

    def as_dict(self) -> dict[str, Any]:
        """Plain values for ``--json``."""
        design = self.design
        return {
            "ok": True,
            "simulated": True,
            "protocol": self.protocol.id,
            "protocol_hash": self.protocol.hash,
            "version": program_version(),
            "endpoint": self.endpoint,
            "shape": self.shape,
            "analysis": self.analysis,
            "looks_of_protocol": self.is_stated,
            "scenario": self.scenario,
            "seed": self.seed,
            "boundary": self.boundary,
            "sides": design.sides,
            "alpha": design.alpha,
            "is_binding": design.is_binding,
            "information": [float(t) for t in design.information],
            "outcomes_at_looks": list(self.counts),
            "critical_z": [float(z) if math.isfinite(z) else None for z in design.critical_z],
            "futility_z": [float(z) if math.isfinite(z) else None for z in design.futility_z],
            "alpha_spent": [float(a) for a in design.alpha_spent],
            "calendar": asdict(self.calendar),
            "under_the_scenario": plain_outcome(self.effect),
            "without_effect": plain_outcome(self.null),
            "exact_size": None
            if self.size is None
            else {"nominal": self.size.nominal, "largest": self.size.largest, "at_risk": self.size.risk},
            "inflation": self.inflation,
            "expected_share": self.expected_share,
        }


def plain_outcome(outcome: LooksOutcome) -> dict[str, Any]:
    """An outcome as plain values; what is not a finite number is None."""

    def finite(value: Any) -> Any:
        return None if isinstance(value, float) and not math.isfinite(value) else value

    out = asdict(outcome)
    out["looks"] = [{key: finite(value) for key, value in look.items()} for look in out["looks"]]
    return {key: finite(value) for key, value in out.items()}


@dataclass(frozen=True)
class _Simulated:
    """How trials are drawn: who enters when, how many trials, from which seed."""

    calendar: EnrolmentCalendar
    replicates: int
    seed: int


@dataclass(frozen=True)
class LooksAsked:
    """Looks as somebody asks for them, where the protocol states none or others are to be tried.

    The defaults: one look half way, O'Brien-Fleming type, two-sided 5%. Futility makes the design one-sided at half of
    ``alpha_two_sided``.
    """

    information: Sequence[float] = (0.5, 1.0)
    boundary: str = "lan-demets-obrien-fleming"
    boundary_parameter: float | None = None
    alpha_spent: Sequence[float] | None = None
    alpha_two_sided: float = 0.05
    sides: int = 2
    futility: str | None = None
    futility_parameter: float | None = None
    is_binding: bool = False
    power: float = 0.8

    def design(self) -> GroupSequentialDesign:
        """Boundaries, every problem coded: D101 looks, D102 alpha, D103 kind, or a power that they cannot have."""
        level = (1 if self.futility is not None else self.sides) * 0.5 * self.alpha_two_sided
        if 0.0 < self.alpha_two_sided < 1.0 and not level < self.power < 1.0:
            found = f"Found a power of {self.power:g}."
            raise DesignError(
                Problem("D103", "--power", found, f"a probability above the level, {level:g}, and below 1")
            )
        return sequential_design(
            self.information,
            alpha_one_sided=0.5 * self.alpha_two_sided,
            kind=self.boundary,
            parameter=self.boundary_parameter,
            sides=1 if self.futility is not None else self.sides,
            alpha_spent=self.alpha_spent,
            futility=self.futility,
            futility_parameter=self.futility_parameter,
            is_binding=self.is_binding,
            power=self.power,
        )

    def of_plan(self, protocol: Protocol, line: str, counted: str, planned: float) -> LooksOfPlan:
        """The same looks at an analysis of the plan."""
        self.design()  # raises what is wrong
        futility = None
        if self.futility is not None:
            spending = SpendingFunction(self.futility, self.futility_parameter)
            futility = FutilityRule("beta-spending", spending=spending, is_binding=self.is_binding)
        rule = LookRule(
            tuple(map(float, self.information)),
            0.5 * self.alpha_two_sided,
            1 if futility is not None else self.sides,
            Boundary(self.boundary, self.boundary_parameter) if self.alpha_spent is None else None,
            None if self.alpha_spent is None else tuple(map(float, self.alpha_spent)),
            futility,
            self.power,
        )
        stated = PlannedLooks.model_validate({"analyses": [line], "at": [float(t) for t in self.information]})
        return LooksOfPlan(protocol, stated, rule, counted, planned)


def looks(
    protocol: Protocol | str | Path,
    *,
    endpoint: str | None = None,
    scenario: str | None = None,
    unadjusted: bool = False,
    n_events: int | None = None,
    per_week: float = 1.0,
    is_even: bool = False,
    result_delay_days: float = 0.0,
    decision_delay_days: float = 0.0,
    replicates: int = 2000,
    seed: int = DEFAULT_SEED,
    **asked: Any,
) -> LooksRun:
    """Simulated trials of a scenario taken through looks at calendar time, with and without an effect.

    The looks are those that the protocol states, or, where it states none or ``asked`` holds any field of
    :class:`LooksAsked`, those asked for. Each look is the plan's own analysis: the one that the protocol's looks name,
    or the first of ``endpoint`` (by default of the first primary analysis). ``unadjusted``: the pooled z of a yes-or-no
    endpoint or the log-rank test in its place. What is wrong with the request is raised before anything is simulated.
    """
    chosen = protocol if isinstance(protocol, Protocol) else read_protocol(protocol)
    raise_if_any(DesignError, check_request(replicates, seed, None))
    calendar = EnrolmentCalendar(per_week, is_even, result_delay_days, decision_delay_days)
    drawn = _Simulated(calendar, replicates, seed)
    is_stated = chosen.model.looks is not None and not asked and endpoint is None and not unadjusted
    if is_stated:
        return _at_plan(looks_of(chosen), drawn, scenario, is_stated=True)
    wanted = LooksAsked(**asked)
    wanted.design()
    name = endpoint if endpoint is not None else _first_primary(chosen)
    line = None if unadjusted else _line_of(chosen, name)
    if line is None:
        return _unadjusted(chosen, wanted, name, scenario, n_events, drawn)
    spec = resolve_scenario(chosen, scenario)[0]
    planned = _planned_number(chosen, line, spec, n_events, seed)
    counted = "events" if chosen.model.endpoints[name].shape == "time-to-event" else "results"
    planned_counts(wanted.design(), int(planned))  # D104 before anything is simulated
    found = wanted.of_plan(chosen, line, counted, planned)
    return _at_plan(found, drawn, scenario, is_stated=False)


def _line_of(protocol: Protocol, endpoint: str) -> str | None:
    """The first analysis of the plan that compares two treatments by an endpoint, the primary ones before others."""
    lines = sorted(protocol.model.analyses.items(), key=lambda pair: pair[1].level != "primary")
    for id, line in lines:
        estimand = protocol.model.estimands[line.estimand]
        row = ESTIMATORS[line.estimator]
        has_sign = row.role == "effect" or row.id in SIGNED_TESTS
        if estimand.endpoint != endpoint or estimand.treatments.reference is None or not has_sign:
            continue
        if line.imputation is None and not protocol.is_within(estimand) and estimand.stage is None:
            return id
    return None


def _planned_number(protocol: Protocol, line: str, spec: ScenarioSpec, n_events: int | None, seed: int) -> float:
    """Results at the last look: everybody compared; events as asked, or as the scenario gives them on average."""
    estimand = protocol.model.estimands[protocol.model.analyses[line].estimand]
    sizes = build_scenario(protocol, spec).arm_sizes
    compared = [size for arm, size in sizes.items() if arm in estimand.treatments.names]
    total = float(sum(compared if compared and estimand.factor is None else sizes.values()))
    if protocol.model.endpoints[estimand.endpoint].shape != "time-to-event":
        return total
    if n_events is not None:
        if not 2 <= n_events <= total:
            found = f"{n_events} events of {total:g} participants."
            raise DesignError(Problem("D104", "n_events", found, "at least 2, at most one each"))
        return float(n_events)
    from equipoise.endpoints.derivation import derive_endpoint
    from equipoise.simulation.batches import simulate_batch

    batch = simulate_batch(protocol, build_scenario(protocol, spec), seed=seed, replicates=range(_FOR_EVENTS))
    derived = derive_endpoint(batch.lattice, estimand.endpoint)
    assert derived.event is not None
    share = (
        float(derived.event.mean()) * sum(sizes.values())
        if not compared
        else float(derived.event[np.isin(derived.participants.arm, estimand.treatments.names)].mean() * total)
    )
    return float(max(2, int(share)))


def _at_plan(found: LooksOfPlan, drawn: _Simulated, scenario: str | None, *, is_stated: bool) -> LooksRun:
    """Looks by the plan's own analysis, under the scenario and with no effect in it."""
    protocol, line = found.protocol, found.analyses[0]
    calendar, replicates, seed = drawn.calendar, drawn.replicates, drawn.seed
    spec = resolve_scenario(protocol, scenario)[0]
    endpoint = protocol.model.estimands[protocol.model.analyses[line].estimand].endpoint
    found = as_large_as(found, spec)
    effect = simulate_plan_looks(found, spec, calendar, replicates=replicates, seed=seed)
    null = simulate_plan_looks(found, _without_effect(protocol, spec), calendar, replicates=replicates, seed=seed + 1)
    shape = protocol.model.endpoints[endpoint].shape
    design = found.rule.design
    size = None
    people = build_scenario(protocol, spec).arm_sizes
    if (
        shape == "binary"
        and not found.stated.is_combined
        and len(people) == 2
        and sum(people.values()) <= _LARGEST_EXACT
    ):
        total = sum(people.values())
        counts = [min(int(n), total) for n in found.numbers]
        n1 = [round(n * list(people.values())[1] / total) for n in counts]
        size = actual_size(design, [n - b for n, b in zip(counts, n1, strict=True)], n1)
    theory = characterize(design, float(found.rule.power))
    boundary = "as spent" if found.rule.boundary is None else found.rule.boundary.kind
    return LooksRun(
        protocol,
        endpoint,
        shape,
        spec.name,
        boundary,
        design,
        tuple(int(n) for n in found.numbers),
        calendar,
        seed,
        effect,
        null,
        size,
        theory.inflation_factor,
        theory.under_h1.expected_information,
        line if len(found.analyses) == 1 else ", ".join(found.analyses),
        is_stated,
    )


def _without_effect(protocol: Protocol, spec: ScenarioSpec) -> ScenarioSpec:
    """The scenario with no effect in it; the world without effect where its assumptions do not know that change."""
    try:
        return resolve_scenario(protocol, f"{spec.name}+null")[0]
    except DesignError:
        return resolve_scenario(protocol, "null")[0]


def _unadjusted(
    chosen: Protocol, asked: LooksAsked, name: str, scenario: str | None, n_events: int | None, drawn: _Simulated
) -> LooksRun:
    """Looks by the pooled z or the log-rank test of two arms."""
    plan = asked.design()
    calendar, replicates, seed = drawn.calendar, drawn.replicates, drawn.seed
    spec = resolve_scenario(chosen, scenario)[0]
    if n_events is None:
        planned_counts(plan, sum(spec.settings["n"].values()))  # D104 before anything is simulated
    found = outcomes_of_protocol(chosen, name, scenario=spec.name, seed=seed, n_replicates=replicates)
    # Not the scenario's own null: a baseline fixed unequally would be an effect to an unadjusted look.
    nothing = outcomes_of_protocol(chosen, name, scenario="null", seed=seed + 1, n_replicates=replicates)
    better = getattr(chosen.model.endpoints[name], "better", "higher")
    # Looks compare shares, or hazards: of a later event that is better fewer count for the arm.
    higher = larger_is_better("risk_difference", better, is_time_to_event=found.shape == "time-to-event")
    if found.shape == "time-to-event":
        assert found.event is not None
        if n_events is None:
            n_events = max(int(found.event.sum(axis=1).mean()), 2)
    target = found.n if found.shape == "binary" else n_events
    assert target is not None
    runs = [
        simulate_looks(each, plan, calendar, n_events=n_events, higher_is_better=higher, seed=seed + 2)
        for each in (found, nothing)
    ]
    counts = planned_counts(plan, target)
    size = None
    if found.shape == "binary" and found.n <= _LARGEST_EXACT:
        experimental = int(found.is_experimental[0].sum())
        n1 = [round(int(k) * experimental / found.n) for k in counts]
        size = actual_size(plan, [int(k) - b for k, b in zip(counts, n1, strict=True)], n1)
    theory = characterize(plan, asked.power)
    return LooksRun(
        chosen,
        name,
        found.shape,
        spec.name,
        asked.boundary if asked.alpha_spent is None else "as spent",
        plan,
        tuple(int(k) for k in counts),
        calendar,
        seed,
        runs[0],
        runs[1],
        size,
        theory.inflation_factor,
        theory.under_h1.expected_information,
    )


def _first_primary(protocol: Protocol) -> str:
    for line in protocol.model.analyses.values():
        if line.level == "primary":
            return protocol.model.estimands[line.estimand].endpoint
    raise DesignError(
        Problem("D105", "--endpoint", "The plan has no primary analysis.", "an endpoint", "Name one: --endpoint ID.")
    )


@dataclass(frozen=True)
class StoppingRun:
    """What hypothetical rules for stopping early do to the type I error."""

    protocol: Protocol
    n_planned: int
    n_stopped: int
    alpha: float
    risks: tuple[tuple[str, float], ...]
    rows: tuple[RuleOutcome, ...]
    worst: tuple[RuleOutcome, ...]
    said: str | None  # what the protocol says of the stop

    def as_dict(self) -> dict[str, Any]:
        """Plain values for ``--json``."""
        return {
            "ok": True,
            "protocol": self.protocol.id,
            "protocol_hash": self.protocol.hash,
            "version": program_version(),
            "n_planned": self.n_planned,
            "n_stopped": self.n_stopped,
            "alpha_two_sided": self.alpha,
            "said": self.said,
            "risks": dict(self.risks),
            "rows": [asdict(row) for row in self.rows],
            "worst": [asdict(row) for row in self.worst],
        }


def stopping(
    protocol: Protocol | str | Path,
    *,
    n_planned: int | None = None,
    n_stopped: int | None = None,
    risks: Sequence[float] = (),
    alpha_two_sided: float = 0.05,
    replicates: int = 0,
    seed: int = DEFAULT_SEED,
) -> StoppingRun:
    """Hypothetical rules under which a trial of ``n_planned`` could have ended at ``n_stopped``.

    By default what the protocol planned and what its arms hold, and the risks that its published counts of a yes-or-no
    endpoint give: that of the first arm, and that of both together. Exact; with ``replicates`` also simulated.
    """
    chosen = protocol if isinstance(protocol, Protocol) else read_protocol(protocol)
    if not 0.0 < alpha_two_sided < 1.0:
        raise DesignError(Problem("D102", "--alpha", f"Found {alpha_two_sided!r}.", "a level above 0 and below 1"))
    planned = n_planned if n_planned is not None else chosen.model.trial.planned_n.usable
    randomized = [arm.n.usable for arm in chosen.model.arms.values()]
    stopped = n_stopped if n_stopped is not None else sum(n for n in randomized if n is not None)
    if planned is None:
        raise DesignError(
            Problem("D120", "--planned", "The protocol does not say how many were planned.", "--planned N")
        )
    wrong = [p for p in risks if not 0.0 < p < 1.0]
    if wrong:
        raise DesignError(Problem("D005", "--risk", f"Found {wrong[0]:g}.", "a risk above 0 and below 1"))
    named = [(f"{p:g}", float(p)) for p in risks] or _published_risks(chosen)
    rows = stopping_table(
        [p for _, p in named],
        n_planned=int(planned),
        n_stopped=int(stopped),
        alpha=alpha_two_sided,
        seed=seed if replicates else None,
        n_replicates=max(replicates, 1),
    )
    worst = tuple(
        worst_risk(rule, test=test)
        for test in TESTS
        for rule in rules_for(int(planned), int(stopped), test=test, alpha=alpha_two_sided)
    )
    said = chosen.model.trial.stopping.usable
    return StoppingRun(
        chosen,
        int(planned),
        int(stopped),
        alpha_two_sided,
        tuple(named),
        rows,
        worst,
        None if said is None else str(said),
    )


def _published_risks(protocol: Protocol) -> list[tuple[str, float]]:
    for result in protocol.model.published.values():
        counts = [result.arms[arm].usable for arm in protocol.arm_ids if arm in result.arms]
        known = [count for count in counts if count is not None]
        if len(known) == 2 and protocol.model.endpoints[result.endpoint].kind != "time-to-event":
            x, n = sum(c.count for c in known), sum(c.total for c in known)
            pairs = [(known[0].count, known[0].total), (x, n)]
            found = [(f"{a}/{b}", a / b) for a, b in pairs if 0 < a < b]
            if found:
                return found
    return [("1/2", 0.5)]
