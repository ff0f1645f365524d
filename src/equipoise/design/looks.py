"""Interim looks inside a simulated trial, at calendar time, with the data then in. Methods: ``docs/methods/looks.md``.

Participants enter over calendar time; an outcome is in when its last day has passed and results have come back. A look
takes place when so many outcomes (or events) are in, and sees those alone; whoever has entered and has no outcome yet
is in the pipeline, is counted in the trial's size, and is followed to the end even if the trial stops.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from equipoise.foundation.calendar import day_index
from equipoise.foundation.errors import DesignError, Problem, listed, raise_if_any
from equipoise.protocol import Protocol
from equipoise.stats.design.exact_power import exact_looks, pooled_z
from equipoise.stats.design.group_sequential import Boundary, GroupSequentialDesign, efficacy_design
from equipoise.stats.design.group_sequential import design_with_spent as _design_with_spent
from equipoise.stats.design.group_sequential import futility_design as _futility_design
from equipoise.stats.design.spending import SpendingFunction
from equipoise.stats.logrank import log_rank

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

CODES = {
    "D101": "Interim analyses are out of order.",
    "D102": "The alpha spent exceeds its total, or the spending decreases.",
    "D103": "The boundary or spending function does not exist, or cannot be used in this way.",
    "D104": "The trial cannot reach this interim analysis.",
    "D105": "Interim analyses of this endpoint are not possible.",
    "D106": "Invalid accrual or delay.",
}
SHAPES = ("binary", "time-to-event")


@dataclass(frozen=True)
class EnrolmentCalendar:
    """How participants enter and how late data are.

    ``per_week``: participants entered a week. ``is_even``: one after another at equal distances; otherwise at random
    (a Poisson process). ``result_delay_days``: from an outcome's last day until it is in the database.
    ``decision_delay_days``: from a look to the stop of entry; participants go on entering meanwhile.
    """

    per_week: float
    is_even: bool = False
    result_delay_days: float = 0.0
    decision_delay_days: float = 0.0

    def __post_init__(self) -> None:
        problems = []
        if not 0.0 < self.per_week < math.inf:
            problems.append(Problem("D106", "per_week", f"Found {self.per_week!r}.", "participants per week, above 0"))
        for name in ("result_delay_days", "decision_delay_days"):
            if not 0.0 <= getattr(self, name) < math.inf:
                problems.append(Problem("D106", name, f"Found {getattr(self, name)!r}.", "days, 0 or more"))
        raise_if_any(DesignError, problems)

    def entries(self, rng: np.random.Generator, n_replicates: int, n: int) -> FloatArray:
        """(n_replicates, n) calendar days of entry, rising; the first participant enters on day 0."""
        days = 7.0 / self.per_week
        if self.is_even:
            return np.tile(np.arange(n) * days, (n_replicates, 1))
        gaps = rng.exponential(days, size=(n_replicates, n))
        gaps[:, 0] = 0.0
        return np.asarray(np.cumsum(gaps, axis=1))


@dataclass(frozen=True)
class TrialOutcomes:
    """Simulated trials in the order of enrolment; all arrays (n_replicates, n).

    Binary: ``value`` 0 or 1, known ``ready_after`` days after entry. Time to event: ``time`` (days) and ``event`` as in
    the final analysis, counted from ``starts_after`` days after entry.
    """

    shape: str
    is_experimental: BoolArray
    value: FloatArray | None = None
    ready_after: float = 0.0
    time: FloatArray | None = None
    event: BoolArray | None = None
    starts_after: float = 0.0

    @property
    def n(self) -> int:
        """Participants a trial."""
        return int(self.is_experimental.shape[1])


@dataclass(frozen=True)
class Look:
    """One look, averaged over the trials that reach it; shares are of all trials."""

    number: int
    information: float
    critical_z: float
    futility_z: float | None
    day: float  # mean calendar day
    n_entered: float
    n_known: float  # participants with an outcome (binary), or events (time to event)
    n_pipeline: float  # entered, outcome not in
    rejected: float
    futile: float  # stopped for futility; at the last look, not rejected


@dataclass(frozen=True)
class LooksOutcome:
    """What looks do to a trial."""

    looks: tuple[Look, ...]
    n_replicates: int
    rejected: float  # P(reject at some look)
    rejected_error: float  # Monte Carlo standard error
    expected_n: float  # participants entered by the stop, the pipeline included
    expected_days: float  # from the first entry until the last participant entered has an outcome
    n_planned: int
    planned_days: float  # the same without looks
    reversed_share: float | None  # of early claims, those no longer beyond the last critical value with the pipeline in


def sequential_design(
    information: Sequence[float],
    *,
    alpha_one_sided: float = 0.025,
    kind: str = "lan-demets-obrien-fleming",
    parameter: float | None = None,
    sides: int = 1,
    alpha_spent: Sequence[float] | None = None,
    futility: str | None = None,
    futility_parameter: float | None = None,
    is_binding: bool = False,
    power: float = 0.8,
) -> GroupSequentialDesign:
    """Boundaries as a plan states them, every problem coded: D101 looks, D102 alpha, D103 kind.

    ``alpha_spent`` (cumulative, all sides) takes the place of ``kind``. ``futility``: a spending family for beta.
    """
    looks = [float(t) for t in information]
    problems = []
    steps = np.diff([0.0, *looks])
    if not looks or (steps <= 0.0).any() or not math.isclose(looks[-1], 1.0, abs_tol=1e-9):
        found = listed((f"{t:g}" for t in looks), conjunction="and")
        problems.append(
            Problem(
                "D101",
                "looks",
                f"Looks at {found} of the information.",
                "rising fractions, the last 1",
                "Write them in order, for example 0.5, 1.",
            )
        )
    total = sides * alpha_one_sided
    if not 0.0 < alpha_one_sided < 0.5:
        problems.append(Problem("D102", "alpha", f"Found {alpha_one_sided!r} a side.", "a level between 0 and 0.5"))
    elif alpha_spent is not None:
        spent = [float(a) for a in alpha_spent]
        if len(spent) != len(looks) or min(spent) < 0.0 or (np.diff(spent) < 0.0).any():
            problems.append(
                Problem(
                    "D102",
                    "alpha_spent",
                    f"Found {listed(spent, conjunction='and')} for {len(looks)} looks.",
                    "one cumulative number per look, never falling",
                )
            )
        elif spent[-1] > total * (1.0 + 1e-9):
            problems.append(
                Problem(
                    "D102",
                    "alpha_spent",
                    f"The last look has spent {spent[-1]:g}.",
                    f"at most the level, {total:g}",
                    "Lower the steps, or raise the level.",
                )
            )
    raise_if_any(DesignError, problems)
    try:
        if alpha_spent is not None:
            return _design_with_spent(looks, list(alpha_spent), sides=sides)
        boundary = Boundary(kind, parameter)
        if futility is None:
            return efficacy_design(looks, alpha_one_sided=alpha_one_sided, boundary=boundary, sides=sides)
        if sides != 1:
            raise ValueError("futility is for one-sided designs")
        return _futility_design(
            looks,
            alpha_one_sided=alpha_one_sided,
            power=power,
            boundary=boundary,
            beta_spending=SpendingFunction(futility, futility_parameter),
            is_binding=is_binding,
        )
    except ValueError as error:
        raise DesignError(Problem("D103", "boundary", f"{error}.")) from None


def planned_counts(design: GroupSequentialDesign, n_information: int) -> IntArray:
    """Outcomes (or events) at each look: fractions of ``n_information``, rounded up; D104 where two meet."""
    counts = np.ceil(design.information * n_information - 1e-9).astype(np.int64)
    if counts[0] < 2 or (np.diff(counts) < 1).any():
        raise DesignError(
            Problem(
                "D104",
                "looks",
                f"{n_information} outcomes give looks at {listed(counts, conjunction='and')}.",
                "each look later than the one before, the first at 2 or more",
                "Take fewer looks, or more participants.",
            )
        )
    return counts


def simulate_looks(
    outcomes: TrialOutcomes,
    design: GroupSequentialDesign,
    calendar: EnrolmentCalendar,
    *,
    n_events: int | None = None,
    higher_is_better: bool = True,
    seed: int,
) -> LooksOutcome:
    """Run every simulated trial through its looks.

    Binary outcomes: pooled z of those known. Time to event: log-rank of what is known on the day, looks at fractions of
    ``n_events``. ``higher_is_better``: whether more events in the experimental arm count for it. At the last look a
    trial that never has the events planned is analysed when everybody has been followed.
    """
    n_replicates = outcomes.is_experimental.shape[0]
    entry = calendar.entries(np.random.default_rng(seed), n_replicates, outcomes.n)
    if outcomes.shape == "binary":
        ready = entry + outcomes.ready_after + calendar.result_delay_days
        counts = planned_counts(design, outcomes.n)
        when = np.sort(ready, axis=1)[:, counts - 1]
        known_at = ready
    elif outcomes.shape == "time-to-event":
        assert outcomes.time is not None
        assert outcomes.event is not None
        ready = entry + outcomes.starts_after + outcomes.time + calendar.result_delay_days
        counts = planned_counts(design, outcomes.n if n_events is None else n_events)
        if counts[-1] > outcomes.n:
            raise DesignError(
                Problem("D104", "n_events", f"{counts[-1]} events of {outcomes.n} participants.", "at most one each")
            )
        happened = np.sort(np.where(outcomes.event, ready, np.inf), axis=1)
        all_followed = ready.max(axis=1, keepdims=True)
        when = np.minimum(happened[:, counts - 1], all_followed)
        known_at = ready
    else:
        raise DesignError(
            Problem("D105", "endpoint", f"A {outcomes.shape} endpoint has no looks here.", listed(SHAPES))
        )
    sign = 1.0 if higher_is_better else -1.0
    z = np.stack([sign * _statistic(outcomes, entry, calendar, when[:, k]) for k in range(design.n_looks)], axis=1)
    crossed = z >= design.critical_z
    if design.sides == 2:
        crossed |= z <= -design.critical_z
    futile = np.zeros_like(crossed)
    futile[:, :-1] = (z < design.futility_z)[:, :-1] & ~crossed[:, :-1]
    ended = crossed | futile
    ended[:, -1] = True
    stop = ended.argmax(axis=1)
    rows = np.arange(n_replicates)
    claimed = crossed[rows, stop]
    stop_day = when[rows, stop] + np.where(stop < design.n_looks - 1, calendar.decision_delay_days, 0.0)
    entered = entry <= stop_day[:, None]
    # Whoever entered is followed until the outcome is in, as in the final analysis.
    finish = np.where(entered, known_at, -np.inf).max(axis=1)
    looks = []
    for k in range(design.n_looks):
        here = stop >= k
        day = when[here, k]
        at_look = entry[here] <= day[:, None]
        known = at_look & (known_at[here] <= day[:, None])
        counted = known if outcomes.event is None else known & outcomes.event[here]
        futility = float(design.futility_z[k])
        looks.append(
            Look(
                number=k + 1,
                information=float(design.information[k]),
                critical_z=float(design.critical_z[k]),
                futility_z=futility if math.isfinite(futility) and k < design.n_looks - 1 else None,
                day=_mean(day),
                n_entered=_mean(at_look.sum(axis=1)),
                n_known=_mean(counted.sum(axis=1)),
                n_pipeline=_mean((at_look & ~known).sum(axis=1)),
                rejected=float((claimed & (stop == k)).mean()),
                futile=float((~claimed & (stop == k)).mean()),
            )
        )
    rejected = float(claimed.mean())
    late = np.where(entered, entry, np.inf)
    return LooksOutcome(
        looks=tuple(looks),
        n_replicates=n_replicates,
        rejected=rejected,
        rejected_error=math.sqrt(rejected * (1.0 - rejected) / n_replicates),
        expected_n=float(entered.sum(axis=1).mean()),
        expected_days=float(finish.mean()),
        n_planned=outcomes.n,
        planned_days=float(known_at.max(axis=1).mean()),
        reversed_share=_reversed(outcomes, calendar, design, claimed & (stop < design.n_looks - 1), late, finish, sign),
    )


def _mean(values: NDArray[np.generic]) -> float:
    return float(values.mean()) if values.size else math.nan


def _statistic(outcomes: TrialOutcomes, entry: FloatArray, calendar: EnrolmentCalendar, day: FloatArray) -> FloatArray:
    """(n_replicates,) Z of the experimental arm against control on what is in on each trial's ``day``; 0 if none."""
    seen = day[:, None] - entry - calendar.result_delay_days
    if outcomes.value is not None:
        return _pooled(outcomes.value, outcomes.is_experimental, seen >= outcomes.ready_after - 1e-9)
    assert outcomes.time is not None
    assert outcomes.event is not None
    followed = seen - outcomes.starts_after
    # Times are censored at what has been seen so far; those not yet under observation are left out.
    inside = followed > 0.0
    time = np.minimum(outcomes.time, np.maximum(followed, 0.0))
    event = outcomes.event & (outcomes.time <= followed + 1e-9) & inside
    n_replicates = entry.shape[0]
    offsets = np.concatenate([[0], np.cumsum(inside.sum(axis=1))])
    test = log_rank(time[inside], event[inside].astype(float), outcomes.is_experimental[inside].astype(int), offsets)
    assert test.z.shape == (n_replicates,)
    return np.nan_to_num(test.z)


def _pooled(value: FloatArray, is_experimental: BoolArray, known: BoolArray) -> FloatArray:
    n1, n0 = (known & is_experimental).sum(axis=1), (known & ~is_experimental).sum(axis=1)
    x1, x0 = (value * (known & is_experimental)).sum(axis=1), (value * (known & ~is_experimental)).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        pooled = (x0 + x1) / (n0 + n1)
        z = (x1 / n1 - x0 / n0) / np.sqrt(pooled * (1.0 - pooled) * (1.0 / n0 + 1.0 / n1))
    return np.where(np.isfinite(z), z, 0.0)


def _reversed(
    outcomes: TrialOutcomes,
    calendar: EnrolmentCalendar,
    design: GroupSequentialDesign,
    early: BoolArray,
    entry: FloatArray,
    finish: FloatArray,
    sign: float,
) -> float | None:
    """Share of ``early`` claims that fall short of the last critical value once the pipeline's outcomes are in.

    ``entry`` is infinite where the trial had ended before.
    """
    if not early.any():
        return None
    if outcomes.value is not None:
        z = sign * _pooled(outcomes.value[early], outcomes.is_experimental[early], np.isfinite(entry)[early])
    else:
        z = sign * _statistic(outcomes, entry, calendar, finish)[early]
    short = np.abs(z) < design.critical_z[-1] if design.sides == 2 else z < design.critical_z[-1]
    return float(short.mean())


def outcomes_of_protocol(
    protocol: Protocol, endpoint: str, *, scenario: str | None = None, seed: int, n_replicates: int
) -> TrialOutcomes:
    """Trials of the protocol's simulator, in a random order of enrolment, ready for :func:`simulate_looks`.

    Two arms, a binary endpoint with fixed days or a time to event; otherwise D105. A binary outcome is in after the
    last day of the endpoint; a time to event is seen day by day.
    """
    from equipoise.design.scenarios import build_scenario, resolve_scenario
    from equipoise.endpoints.derivation import derive_endpoint
    from equipoise.simulation.batches import simulate_batch

    model = protocol.model
    if endpoint not in model.endpoints:
        raise DesignError(Problem("D105", "endpoint", f"There is no endpoint {endpoint!r}.", listed(model.endpoints)))
    if len(model.arms) != 2:
        raise DesignError(Problem("D105", "arms", f"The protocol has {len(model.arms)} arms.", "two arms"))
    spec = resolve_scenario(protocol, scenario)[0]
    built = build_scenario(protocol, spec)
    derived = derive_endpoint(
        simulate_batch(protocol, built, seed=seed, replicates=range(n_replicates)).lattice, endpoint
    )
    if derived.shape not in SHAPES:
        raise DesignError(Problem("D105", "endpoint", f"The endpoint {endpoint} is {derived.shape}.", listed(SHAPES)))
    n = derived.n // n_replicates
    experimental = (derived.participants.arm != protocol.arm_ids[0]).reshape(n_replicates, n)
    order = np.argsort(np.random.default_rng([seed, 1]).random((n_replicates, n)), axis=1)

    def ordered(values: NDArray[np.generic]) -> NDArray[np.generic]:
        return np.take_along_axis(np.asarray(values).reshape(n_replicates, n), order, axis=1)

    stated = model.endpoints[endpoint]
    randomized = day_index(model.calendar.randomization_day or 1)
    arm = np.asarray(ordered(experimental), dtype=bool)
    if derived.shape == "binary":
        assert derived.value is not None
        days = getattr(stated, "days", None)
        if days is None:
            raise DesignError(Problem("D105", "endpoint", f"{endpoint} states no days.", "an endpoint with days"))
        # Missing stays out of both numerator and denominator of a proportion; here it counts as no event.
        value = np.nan_to_num(np.asarray(ordered(derived.value), dtype=np.float64))
        return TrialOutcomes("binary", arm, value, float(day_index(days.last) - randomized))
    assert derived.time is not None
    assert derived.event is not None
    zero = day_index(stated.time_zero.first)  # type: ignore[union-attr]
    return TrialOutcomes(
        "time-to-event",
        arm,
        time=np.asarray(ordered(derived.time), dtype=np.float64),
        event=np.asarray(ordered(derived.event), dtype=bool),
        starts_after=float(zero - randomized),
    )


@dataclass(frozen=True)
class ActualSize:
    """Type I error of normal boundaries on a small binary trial, exactly."""

    nominal: float
    largest: float
    risk: float  # the common risk at which it is largest
    by_risk: tuple[tuple[float, float], ...]


def actual_size(
    design: GroupSequentialDesign, n_control: Sequence[int], n_experimental: Sequence[int], *, step: float = 0.01
) -> ActualSize:
    """Exact type I error of the pooled z test at the design's looks, over common risks, (LK-1).

    ``n_control``, ``n_experimental``: cumulative sizes at the looks. Futility stops are obeyed only if binding.
    """
    tables = [pooled_z(a, b) for a, b in zip(n_control, n_experimental)]
    rejects = [(np.abs(z) if design.sides == 2 else z) >= c for z, c in zip(tables, design.critical_z)]
    futile = [z < f for z, f in zip(tables, design.futility_z)] if design.is_binding else None
    risks = np.arange(step, 1.0 - 0.5 * step, step)
    sizes = [exact_looks(n_control, n_experimental, rejects, p, p, futile).power for p in map(float, risks)]
    worst = int(np.argmax(sizes))
    by_risk = tuple((float(p), float(s)) for p, s in zip(risks, sizes))
    return ActualSize(design.alpha, float(sizes[worst]), float(risks[worst]), by_risk)
