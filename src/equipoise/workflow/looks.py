"""Interim looks at a trial of the protocol, and rules for stopping it that nobody wrote down."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

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
from equipoise.design.scenarios import resolve_scenario
from equipoise.design.stopping_rules import TESTS, RuleOutcome, rules_for, stopping_table, worst_risk
from equipoise.foundation.errors import DesignError, Problem, raise_if_any
from equipoise.foundation.version import program_version
from equipoise.protocol import Protocol
from equipoise.protocol.vocabulary.scales import larger_is_better
from equipoise.stats.design.group_sequential import GroupSequentialDesign, characterize
from equipoise.workflow.library import read_protocol
from equipoise.workflow.verbs import DEFAULT_SEED

# Exact size is worked out by carrying every table from look to look: beyond this it takes minutes, and is the nominal.
_LARGEST_EXACT = 200


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
            "scenario": self.scenario,
            "seed": self.seed,
            "boundary": self.boundary,
            "sides": design.sides,
            "alpha": design.alpha,
            "is_binding": design.is_binding,
            "information": [float(t) for t in design.information],
            "outcomes_at_looks": list(self.counts),
            "critical_z": [float(z) for z in design.critical_z],
            "futility_z": [float(z) if math.isfinite(z) else None for z in design.futility_z],
            "alpha_spent": [float(a) for a in design.alpha_spent],
            "calendar": asdict(self.calendar),
            "under_the_scenario": _plain(self.effect),
            "without_effect": _plain(self.null),
            "exact_size": None
            if self.size is None
            else {"nominal": self.size.nominal, "largest": self.size.largest, "at_risk": self.size.risk},
            "inflation": self.inflation,
            "expected_share": self.expected_share,
        }


def _plain(outcome: LooksOutcome) -> dict[str, Any]:
    def finite(value: Any) -> Any:
        return None if isinstance(value, float) and not math.isfinite(value) else value

    out = asdict(outcome)
    out["looks"] = [{key: finite(value) for key, value in look.items()} for look in out["looks"]]
    return {key: finite(value) for key, value in out.items()}


def looks(
    protocol: Protocol | str | Path,
    *,
    endpoint: str | None = None,
    scenario: str | None = None,
    information: Sequence[float] = (0.5, 1.0),
    boundary: str = "lan-demets-obrien-fleming",
    boundary_parameter: float | None = None,
    alpha_spent: Sequence[float] | None = None,
    alpha_two_sided: float = 0.05,
    sides: int = 2,
    futility: str | None = None,
    futility_parameter: float | None = None,
    is_binding: bool = False,
    power: float = 0.8,
    n_events: int | None = None,
    per_week: float = 1.0,
    is_even: bool = False,
    result_delay_days: float = 0.0,
    decision_delay_days: float = 0.0,
    replicates: int = 4000,
    seed: int = DEFAULT_SEED,
) -> LooksRun:
    """Simulated trials of a scenario taken through interim looks at calendar time, with and without an effect.

    By default the first primary analysis' endpoint (yes or no, or a time to event) and the protocol's first set of
    assumptions. Futility makes the design one-sided at half of ``alpha_two_sided``. All that is wrong with the request
    is raised before anything is simulated.
    """
    chosen = protocol if isinstance(protocol, Protocol) else read_protocol(protocol)
    raise_if_any(DesignError, check_request(replicates, seed, None))
    one_sided = 0.5 * alpha_two_sided
    plan = sequential_design(
        information,
        alpha_one_sided=one_sided,
        kind=boundary,
        parameter=boundary_parameter,
        sides=1 if futility is not None else sides,
        alpha_spent=alpha_spent,
        futility=futility,
        futility_parameter=futility_parameter,
        is_binding=is_binding,
        power=power,
    )
    calendar = EnrolmentCalendar(per_week, is_even, result_delay_days, decision_delay_days)
    name = endpoint if endpoint is not None else _first_primary(chosen)
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
    theory = characterize(plan, power)
    return LooksRun(
        chosen,
        name,
        found.shape,
        spec.name,
        boundary if alpha_spent is None else "as spent",
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
