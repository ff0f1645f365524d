"""Looks carried out in simulated trials by the plan's own analysis. Methods: ``docs/methods/looks.md``.

Every trial is analysed at every look by the line of the plan (its regression, its test against a margin, what stands in
for it where it has no answer); bounds are those of the information reached. Where the plan may change sizes or drop
arms, stages are combined by their weights.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from equipoise.analysis.interim import LooksOfPlan
from equipoise.analysis.plan import Plan, PlannedFit, planned_fits
from equipoise.design.batch import BATCH_PARTICIPANTS
from equipoise.design.data_at_look import answers_at, comes_in, line_of_batch, refuse_what_is_not_simulated
from equipoise.design.looks import EnrolmentCalendar, Look, LooksOutcome
from equipoise.design.scenarios import ScenarioSpec, build_scenario, scaled_sizes
from equipoise.foundation.errors import DesignError, Problem
from equipoise.protocol import Protocol
from equipoise.stats.design.adjusted import LooksTaken, median_unbiased
from equipoise.stats.design.look_rules import ReachedBoundaries

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.int64]

# Points of Z, over the range that occurs, at which the median unbiased estimate is found; the rest is interpolated.
_N_POINTS = 21


@dataclass(frozen=True)
class ReEstimatedSizes:
    """What re-estimation did in trials that went beyond the look at which it is made."""

    share_changed: float
    mean: float
    quartiles: tuple[float, float, float]
    largest: int
    share_at_largest: float


@dataclass(frozen=True)
class ArmClaims:
    """One arm of several: how often it went on after the look that drops arms, and how often it was claimed."""

    analysis: str
    arm: str
    kept: float
    claimed: float


@dataclass(frozen=True)
class PlanLooksOutcome(LooksOutcome):
    """What the looks of the plan do, with what they do to estimates and sizes.

    Effects are on the scale of analysis (logarithms of ratios), positive in the better direction. ``naive`` is the mean
    of the plain estimates where trials stopped, ``adjusted`` that of the median unbiased ones, ``whole`` that of the
    same trials had all gone to their planned end; trials without a finite estimate are left out.
    """

    harmed: float = 0.0  # P(claim in the other direction), of two-sided looks
    rejected_without_looks: float = math.nan  # one analysis at the planned end
    naive: float = math.nan
    adjusted: float = math.nan
    whole: float = math.nan
    without_answer: float = 0.0  # share of analyses at looks without a p value; they claim nothing
    sizes: ReEstimatedSizes | None = None
    arms: tuple[ArmClaims, ...] = ()


@dataclass
class _Courses:
    """What was found in trials, (n_trials, ...), in order; joined over batches."""

    z: FloatArray  # (n_trials, n_looks, n_lines)
    effect: FloatArray
    error: FloatArray
    number: FloatArray  # (n_trials, n_looks, n_lines) what is counted by then of each line
    day: FloatArray  # (n_trials, n_looks)
    entered: FloatArray  # (n_trials, n_looks)
    known: FloatArray
    pipeline: FloatArray  # (n_trials, n_looks) entered, outcome not in
    ends: FloatArray  # (n_trials, n_looks) day on which all who had entered by the stop are known
    n_by_stop: FloatArray  # (n_trials, n_looks) participants entered if the trial stops at this look
    new_number: FloatArray  # (n_trials,) planned number at the last look after re-estimation


def simulate_plan_looks(
    looks: LooksOfPlan,
    spec: ScenarioSpec,
    calendar: EnrolmentCalendar,
    *,
    replicates: int,
    seed: int,
) -> PlanLooksOutcome:
    """Trials of a scenario taken through the looks of a plan, each analysed by the plan itself.

    Replicates are those of ``seed``, whatever batch they stand in; entry is drawn from it too. D104 where the trial of
    the scenario cannot reach a look, D107 where the looks of the analysis are not simulated.
    """
    protocol = looks.protocol
    fits = [_fit_of(protocol, name) for name in looks.analyses]
    for fit in fits:
        refuse_what_is_not_simulated(protocol, fit)
    if looks.counted == "information":
        step = "State the looks in results or events to simulate them."
        said = "The looks are at fractions of statistical information."
        raise DesignError(Problem("D107", "looks.counted", said, "results or events", step))
    looks = as_large_as(looks, spec)
    n_first = sum(build_scenario(protocol, spec).arm_sizes.values())
    pool = _pool(looks, n_first)
    drawn = spec if pool == n_first else replace(spec, settings=scaled_sizes(protocol, dict(spec.settings), pool))
    if drawn is not spec:
        drawn = replace(drawn, changes=(*drawn.changes, "pool"))
    scenario = build_scenario(protocol, drawn)
    pool = sum(scenario.arm_sizes.values())
    from equipoise.simulation.batches import simulate_batch

    rng = np.random.default_rng([seed, 2])
    entry = calendar.entries(rng, replicates, pool)
    order = np.argsort(np.random.default_rng([seed, 1]).random((replicates, pool)), axis=1)
    size = max(2, BATCH_PARTICIPANTS // pool)
    parts = []
    for first in range(0, replicates, size):
        # A trial alone is worked with a neighbour, as a batch of one gets other diagnostics.
        stop = min(replicates, first + size)
        asked = range(first, max(stop, first + 2))
        batch = simulate_batch(protocol, scenario, seed=seed, replicates=asked)
        rows = np.minimum(np.arange(asked.start, asked.stop), replicates - 1)
        run = _Batch(looks, calendar, Plan(protocol, batch.lattice), fits, n_first)
        course = run.course(entry[rows], order[rows])
        parts.append(course if len(asked) == stop - first else _first(course, stop - first))
    return _summed(looks, _joined(parts), n_first, fits)


def as_large_as(looks: LooksOfPlan, spec: ScenarioSpec) -> LooksOfPlan:
    """Looks at results of a scenario larger than the plan, as fractions of what it enrols; D104 if sizes may change."""
    model = looks.protocol.model
    estimands = [model.estimands[model.analyses[name].estimand] for name in looks.analyses]
    names = {name for estimand in estimands for name in estimand.treatments.names}
    sizes = build_scenario(looks.protocol, spec).arm_sizes
    by_arm = names <= set(sizes)
    total = sum(size for arm, size in sizes.items() if arm in names or not by_arm)
    if looks.counted != "results" or total <= looks.planned:
        return looks
    if looks.stated.re_estimation is not None:
        raise DesignError(
            Problem(
                "D104",
                "looks.planned",
                f"{looks.planned:g} results are planned, and the scenario enrols {total}.",
                f"a scenario of at most {looks.planned:g}, from which the size is re-estimated",
                "Correct planned, or the size of the scenario.",
            )
        )
    return replace(looks, planned=float(total))


def _fit_of(protocol: Protocol, line: str) -> PlannedFit:
    return next(fit for fit in planned_fits(protocol) if fit.id == line)


def _pool(looks: LooksOfPlan, n_first: int) -> int:
    """Participants drawn: those planned, or as many as re-estimation may ask for."""
    stated = looks.stated.re_estimation
    if stated is None or looks.counted != "results":
        return n_first
    return math.ceil(n_first * max(1.0, float(stated.most) / looks.planned) - 1e-9)


@dataclass(frozen=True)
class _Batch:
    """Some trials, taken through their looks."""

    looks: LooksOfPlan
    calendar: EnrolmentCalendar
    plan: Plan
    fits: Sequence[PlannedFit]
    n_first: int  # participants planned

    def course(self, entries: FloatArray, order: IntArray) -> _Courses:
        """Everything that is known of these trials at every look; stopping is decided later, as it changes no data."""
        looks, delay = self.looks, self.calendar.result_delay_days
        n, pool = entries.shape
        position = np.argsort(order, axis=1)  # place in the queue of each row
        entry = np.take_along_axis(entries, position, axis=1)
        lines = [line_of_batch(self.plan, fit) for fit in self.fits]
        self._require_sizes(lines[0].inside)
        n_looks, n_lines = looks.rule.n_looks, len(lines)
        cap = np.full(n, float(self.n_first))
        new_number = np.full(n, looks.numbers[-1])
        out = _empty(n, n_looks, n_lines, new_number)
        kept = np.ones((n, n_lines), dtype=np.bool_)
        for k in range(n_looks):
            mine = np.where(position < cap[:, None], entry, np.inf)
            mine = self._without_dropped(mine, lines, kept, out.day[:, k - 1] if k else None)
            ready, counted = zip(*(comes_in(line, mine, delay, looks.counted) for line in lines), strict=True)
            counts = np.minimum.reduce(counted)
            number = new_number if k == n_looks - 1 else np.full(n, looks.numbers[k])
            last = np.where(np.isfinite(mine), np.maximum.reduce(ready), -np.inf).max(axis=1)
            at = np.sort(counts, axis=1)
            place = np.minimum(number.astype(np.int64) - 1, pool - 1)
            day = np.minimum(at[np.arange(n), place], last)
            if looks.stated.drop_arms is not None and k == n_looks - 1:
                day = last
            out.day[:, k] = day
            for j, line in enumerate(lines):
                answer = answers_at(looks, line, mine, ready[j], day, delay)
                out.z[:, k, j] = np.where(kept[:, j], answer.z, np.nan)
                out.effect[:, k, j], out.error[:, k, j] = answer.effect, answer.standard_error
                out.number[:, k, j] = (counted[j] <= day[:, None] + 1e-9).sum(axis=1)
            self._people(out, k, mine, np.maximum.reduce(ready), day)
            if looks.stated.drop_arms is not None and k == looks.stated.drop_arms.at - 1:
                kept = self._kept(out.z[:, k])
            if looks.stated.re_estimation is not None and k == n_looks - 2:
                self._re_estimate(out, cap, new_number, entry, position)
        return out

    def _require_sizes(self, inside: BoolArray) -> None:
        total = int(inside.sum(axis=1).max())
        first = self.looks.numbers[0]
        if first > total:
            raise DesignError(
                Problem(
                    "D104",
                    "looks.planned",
                    f"The first look is at {first:g} {self.looks.counted}, and {total} participants are compared.",
                    "a scenario as large as the plan",
                    "Correct planned, or the size of the scenario.",
                )
            )

    def _without_dropped(
        self, entry: FloatArray, lines: Sequence[object], kept: BoolArray, day: FloatArray | None
    ) -> FloatArray:
        """Nobody enters a dropped arm after the look that dropped it and the delay of its decision."""
        if day is None or kept.all():
            return entry
        arm = self.plan.lattice.participants.arm.reshape(entry.shape)
        out = entry.copy()
        for j, fit in enumerate(self.fits):
            gone = ~kept[:, j][:, None] & (arm == fit.estimand.treatments.experimental)
            late = entry > (day + self.calendar.decision_delay_days)[:, None]
            out[gone & late] = np.inf
        return out

    def _kept(self, z: FloatArray) -> BoolArray:
        names = self.looks.analyses
        return np.array([[name in self.looks.kept(row.tolist()) for name in names] for row in z], dtype=np.bool_)

    def _people(self, out: _Courses, k: int, entry: FloatArray, ready: FloatArray, day: FloatArray) -> None:
        delay = self.calendar.decision_delay_days if k < self.looks.rule.n_looks - 1 else 0.0
        out.entered[:, k] = (entry <= day[:, None]).sum(axis=1)
        known = ready <= day[:, None] + 1e-9
        out.known[:, k] = out.number[:, k].max(axis=1) if self.looks.counted == "events" else known.sum(axis=1)
        out.pipeline[:, k] = ((entry <= day[:, None]) & ~known).sum(axis=1)
        in_trial = entry <= (day + delay)[:, None]
        out.n_by_stop[:, k] = in_trial.sum(axis=1)
        out.ends[:, k] = np.where(in_trial & np.isfinite(ready), ready, -np.inf).max(axis=1)

    def _re_estimate(
        self, out: _Courses, cap: FloatArray, new_number: FloatArray, entry: FloatArray, position: IntArray
    ) -> None:
        """New sizes from the combined Z at the last interim look; further participants enter after the decision."""
        looks = self.looks
        k = looks.rule.n_looks - 2
        combined = _combined(looks, out, k + 1)[:, k]
        for row, z in enumerate(combined):
            found = looks.new_size(float(z)) if math.isfinite(z) else None
            if found is not None:
                new_number[row] = found.number
        if looks.counted != "results":
            return
        cap[:] = np.ceil(new_number / looks.planned * self.n_first - 1e-9)
        whole = np.where(position == self.n_first - 1, entry, -np.inf).max(axis=1)
        decided = out.day[:, k] + self.calendar.decision_delay_days
        wait = np.maximum(0.0, decided - whole)
        entry[...] = np.where(position >= self.n_first, entry + wait[:, None], entry)


def _empty(n: int, n_looks: int, n_lines: int, new_number: FloatArray) -> _Courses:
    names = [each.name for each in fields(_Courses) if each.name != "new_number"]
    by_line = ("z", "effect", "error", "number")
    shapes = {name: (n, n_looks, n_lines) if name in by_line else (n, n_looks) for name in names}
    return _Courses(new_number=new_number, **{name: np.full(shape, np.nan) for name, shape in shapes.items()})


def _combined(looks: LooksOfPlan, found: _Courses, n_looks: int) -> FloatArray:
    """(n_trials, n_looks) combined Z of the single line; a stage without data of its own counts as a Z of 0."""
    z, number = found.z[:, :n_looks, 0], found.number[:, :n_looks, 0]
    return looks.combined_over(number, z)


def _first(found: _Courses, n: int) -> _Courses:
    return _Courses(**{key: value[:n] for key, value in vars(found).items()})


def _joined(parts: Sequence[_Courses]) -> _Courses:
    return _Courses(**{key: np.concatenate([vars(part)[key] for part in parts]) for key in vars(parts[0])})


@dataclass(frozen=True)
class _Decided:
    """Of each trial: whether each look crossed, on which side, or stopped for futility; arrays (n_trials, n_looks)."""

    crossed: BoolArray
    harm: BoolArray
    futile: BoolArray
    z: FloatArray
    bounds: dict[tuple[float, ...], ReachedBoundaries]
    pattern: IntArray  # (n_trials,) number of the pattern of information
    used: BoolArray  # (n_trials, n_looks) looks that took place


def _decide(looks: LooksOfPlan, found: _Courses) -> _Decided:
    """Bounds at the information reached, pattern by pattern: most trials have that of the plan."""
    n, n_looks = found.day.shape
    z = found.z[:, :, 0]
    combined = looks.stated.is_combined
    if combined:
        z = _combined(looks, found, n_looks)
    fraction = found.number[:, :, 0] / looks.planned
    fraction[:, -1] = np.where(combined, 1.0, fraction[:, -1])
    critical, futility = np.full((n, n_looks), np.inf), np.full((n, n_looks), -np.inf)
    used = np.ones((n, n_looks), dtype=np.bool_)
    keys, pattern = np.unique(np.round(fraction, 9), axis=0, return_inverse=True)
    pattern = np.asarray(pattern).ravel()
    bounds: dict[tuple[float, ...], ReachedBoundaries] = {}
    for number, key in enumerate(keys):
        here = pattern == number
        chosen = list(range(n_looks)) if combined else _looks_taken(key)
        taken = looks.rule.planned if combined else tuple(float(key[k]) for k in chosen)
        bound = bounds.get(taken) or looks.boundaries(taken, is_last=True)
        bounds[taken] = bound
        for place, k in enumerate(chosen):
            critical[here, k], futility[here, k] = bound.critical_z[place], bound.futility_z[place]
        used[np.ix_(here, [k for k in range(n_looks) if k not in chosen])] = False
    answer = np.where(np.isfinite(z), z, -np.inf if looks.rule.sides == 1 else 0.0)
    crossed = used & (answer >= critical)
    harm = used & (answer <= -critical) if looks.rule.sides == 2 else np.zeros_like(crossed)
    futile = used & ~crossed & (answer < futility)
    futile[:, -1] = False
    return _Decided(crossed, harm, futile, z, bounds, pattern, used)


def _looks_taken(fractions: FloatArray) -> list[int]:
    """Looks with information of their own; the last always, and none so near before it that it is the same."""
    last = fractions.shape[0] - 1
    out: list[int] = []
    before = 0.0
    for k in range(last):
        if fractions[k] - before >= 0.005 and fractions[last] - fractions[k] >= 0.005:
            out.append(k)
            before = float(fractions[k])
    return [*out, last]


def _summed(looks: LooksOfPlan, found: _Courses, n_planned: int, fits: Sequence[PlannedFit]) -> PlanLooksOutcome:
    if looks.stated.drop_arms is not None:
        return _summed_arms(looks, found, n_planned, fits)
    decided = _decide(looks, found)
    ended = decided.crossed | decided.harm | decided.futile
    ended[:, -1] = True
    stop = ended.argmax(axis=1)
    rows = np.arange(stop.shape[0])
    claimed, harmed = decided.crossed[rows, stop], decided.harm[rows, stop]
    plain = _plain(looks, found, n_planned, stop, claimed | harmed)
    finite = np.isfinite(found.effect[rows, stop, 0]) & np.isfinite(found.effect[:, -1, 0])
    last_z = found.z[:, -1, 0]
    alone = float(-_quantile(looks))
    without = last_z >= alone if looks.rule.sides == 1 else np.abs(last_z) >= alone
    return replace(
        plain,
        harmed=float(harmed.mean()),
        rejected_without_looks=math.nan if looks.stated.re_estimation is not None else float(without.mean()),
        naive=_mean(found.effect[rows, stop, 0][finite]),
        adjusted=_adjusted(looks, found, decided, stop, finite),
        whole=math.nan if looks.stated.re_estimation is not None else _mean(found.effect[:, -1, 0][finite]),
        without_answer=float(np.isnan(found.z[:, :, 0]).mean()),
        sizes=_sizes(looks, found, stop),
    )


def _quantile(looks: LooksOfPlan) -> float:
    from scipy import special

    return float(special.ndtri(looks.rule.alpha_one_sided))


def _plain(
    looks: LooksOfPlan,
    found: _Courses,
    n_planned: int,
    stop: IntArray,
    claimed: BoolArray,
) -> PlanLooksOutcome:
    """What every kind of looks has: rows by look, and what is expected in all."""
    rows = np.arange(stop.shape[0])
    design = looks.rule.design
    table = []
    for k in range(looks.rule.n_looks):
        here = stop >= k
        futility = float(design.futility_z[k])
        table.append(
            Look(
                number=k + 1,
                information=float(design.information[k]),
                critical_z=float(design.critical_z[k]),
                futility_z=futility if math.isfinite(futility) and k < looks.rule.n_looks - 1 else None,
                day=_mean(found.day[here, k]),
                n_entered=_mean(found.entered[here, k]),
                n_known=_mean(found.known[here, k]),
                n_pipeline=_mean(found.pipeline[here, k]),
                rejected=float((claimed & (stop == k)).mean()),
                futile=float((~claimed & (stop == k)).mean()),
            )
        )
    rejected = float(claimed.mean())
    return PlanLooksOutcome(
        looks=tuple(table),
        n_replicates=stop.shape[0],
        rejected=rejected,
        rejected_error=math.sqrt(rejected * (1.0 - rejected) / stop.shape[0]),
        expected_n=float(found.n_by_stop[rows, stop].mean()),
        expected_days=float(found.ends[rows, stop].mean()),
        n_planned=n_planned,
        planned_days=float(found.ends[:, -1].mean()),
        reversed_share=None,
    )


def _adjusted(looks: LooksOfPlan, found: _Courses, decided: _Decided, stop: IntArray, finite: BoolArray) -> float:
    """Mean of the median unbiased effects.

    As a mean of Z it is found on a grid for each set of looks taken, at the information that most of these trials had;
    the others differ by a few events at the last look, which hardly moves it.
    """
    if looks.stated.is_combined:
        return math.nan
    rows = np.arange(stop.shape[0])
    z, effect, error = (values[rows, stop, 0] for values in (found.z, found.effect, found.error))
    mean_z = np.full(z.shape, np.nan)
    usual = _counts(decided.pattern)
    for taken_looks in np.unique(decided.used, axis=0):
        alike = (decided.used == taken_looks).all(axis=1) & finite & np.isfinite(z)
        chosen = [int(k) for k in np.flatnonzero(taken_looks)]
        for place, k in enumerate(chosen):
            mine = alike & (stop == k)
            if not mine.any():
                continue
            number = max(np.unique(decided.pattern[mine]), key=lambda each: usual[int(each)])
            one = int(np.flatnonzero(decided.pattern == number)[0])
            reached = tuple(float(np.round(found.number[one, j, 0] / looks.planned, 9)) for j in chosen)
            bound = decided.bounds[reached]
            before = slice(0, place + 1)
            taken = LooksTaken(bound.information[before], bound.critical_z[before], bound.level_lower_z[before])
            points = np.linspace(float(z[mine].min()) - 1e-9, float(z[mine].max()) + 1e-9, _N_POINTS)
            medians = [median_unbiased(taken, float(x)) * math.sqrt(reached[place]) for x in points]
            mean_z[mine] = np.interp(z[mine], points, medians)
    with np.errstate(divide="ignore", invalid="ignore"):
        unit = np.where((np.abs(z) > 1e-3) & (effect / z > 0.0), effect / z, error)
    values = mean_z * unit
    return _mean(values[np.isfinite(values)])


def _counts(pattern: IntArray) -> dict[int, int]:
    numbers, counts = np.unique(pattern, return_counts=True)
    return dict(zip(map(int, numbers), map(int, counts), strict=True))


def _sizes(looks: LooksOfPlan, found: _Courses, stop: IntArray) -> ReEstimatedSizes | None:
    if looks.stated.re_estimation is None:
        return None
    went_on = stop == looks.rule.n_looks - 1
    new = found.new_number[went_on]
    if not new.size:
        return None
    most, planned = float(looks.stated.re_estimation.most), looks.numbers[-1]
    quartiles = np.quantile(new, [0.25, 0.5, 0.75])
    return ReEstimatedSizes(
        float((new != planned).mean()),
        float(new.mean()),
        (float(quartiles[0]), float(quartiles[1]), float(quartiles[2])),
        int(new.max()),
        float((new >= most - 1e-9).mean()),
    )


def _summed_arms(looks: LooksOfPlan, found: _Courses, n_planned: int, fits: Sequence[PlannedFit]) -> PlanLooksOutcome:
    """Several arms: claims by the closed test at each look; the trial ends where an arm is claimed or none is left."""
    stated = looks.stated.drop_arms
    assert stated is not None
    number = np.maximum(found.number, 1e-9)
    n, n_looks, n_lines = found.z.shape
    own = np.stack([looks.stages_over(number[:, :, j], found.z[:, :, j]) for j in range(n_lines)], axis=2)
    closed = looks.closed_test(*_allocated(looks))
    claims = np.stack([closed.rejects(own[:, : k + 1]) for k in range(n_looks)], axis=1)
    at = stated.at - 1
    none_left = np.isnan(found.z[:, at + 1]).all(axis=1)
    ended: BoolArray = np.array(claims.any(axis=2), dtype=np.bool_)
    ended[:, at] |= none_left
    ended[:, -1] = True
    stop = ended.argmax(axis=1)
    rows = np.arange(n)
    final = claims[rows, stop]
    kept = ~np.isnan(found.z[:, at + 1])
    arms = tuple(
        ArmClaims(fit.line, fit.estimand.treatments.experimental, float(kept[:, j].mean()), float(final[:, j].mean()))
        for j, fit in enumerate(fits)
    )
    plain = _plain(looks, found, n_planned, stop, final.any(axis=1))
    return replace(plain, arms=arms, without_answer=float(np.isnan(found.z[:, : at + 1]).mean()))


def _allocated(looks: LooksOfPlan) -> tuple[list[float], float]:
    """Sizes of the arms and of the reference, as the allocation ratio of the protocol has them; equal without one."""
    model = looks.protocol.model
    ratio = {} if model.randomization is None else dict(model.randomization.ratio or {})
    estimands = [model.estimands[model.analyses[name].estimand] for name in looks.analyses]
    reference = str(estimands[0].treatments.reference)
    return [float(ratio.get(e.treatments.experimental, 1)) for e in estimands], float(ratio.get(reference, 1))


def _mean(values: FloatArray) -> float:
    return float(values.mean()) if values.size else math.nan
