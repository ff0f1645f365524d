"""Assumptions under which simulated results equal the published ones: the simulated method of moments.

Methods: ``docs/methods/calibration.md``. All sets tried share their random numbers, so that the distance to the
published results is the same function of the assumptions at every call and can be followed downhill. What was found is
judged on other random numbers than it was found with.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import lsq_linear

from equipoise.design.free_parameters import EDGE, FreeParameter, with_values
from equipoise.design.scenarios import ScenarioSpec, build_scenario
from equipoise.design.targets import Moments, Target, TargetMeter
from equipoise.foundation.errors import DesignError, Problem
from equipoise.protocol import Protocol

Floats = NDArray[np.float64]
Progress = Callable[[str, int, int], None]  # stage, done, expected

CODES = {"D144": "Calibration found no set of assumptions that can be simulated and analysed."}
# Moving a parameter by half of half its range costs as much as missing one target by a tenth of its error.
PULL = 0.1
# A target that is missed by so many of its published standard errors, and by more than chance, is not met.
MISSED = 0.25
_STEP = 0.25  # of a difference quotient
_NOTHING = 10.0  # the miss of a target for which no trial has an answer
_SEARCHES = 4  # of the quasi-random sets, how many are followed downhill


@dataclass(frozen=True)
class Point:
    """A set of assumptions tried: where, what it returned, and how far that is from the published results."""

    position: Floats  # (n_free,) between -2 and 2
    moments: Moments
    misses: Floats  # (n_targets,) obtained less published, in published standard errors
    distance: float  # sum of squares over the targets aimed at


@dataclass(frozen=True)
class Search:
    """What a calibration looks for and with what."""

    protocol: Protocol
    spec: ScenarioSpec
    targets: tuple[Target, ...]
    not_aimed_at: tuple[str, ...]
    free: tuple[FreeParameter, ...]
    seed: int = 1
    replicates: int = 2000
    starts: int = 32
    meter: TargetMeter = field(init=False, compare=False)
    weights: Floats = field(init=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "meter", TargetMeter(self.protocol, self.targets))
        aimed = np.array([float(target.id not in self.not_aimed_at) for target in self.targets])
        object.__setattr__(self, "weights", aimed)

    @property
    def rough_replicates(self) -> int:
        """Replicates of the first steps, which only need to know the way."""
        return min(self.replicates, max(200, self.replicates // 8))

    def at(self, position: Floats, replicates: int, seed: int | None = None) -> Point:
        """Simulate and analyse the set at ``position``."""
        scenario = build_scenario(self.protocol, with_values(self.spec, self.free, position))
        moments = self.meter.measure(scenario, seed=self.seed if seed is None else seed, replicates=replicates)
        published = np.array([target.value for target in self.targets])
        error = np.array([target.error for target in self.targets])
        misses = (moments.values - published) / error
        misses = np.where(np.isfinite(misses), misses, _NOTHING)
        return Point(np.array(position), moments, misses, float(self.weights @ misses**2))


@dataclass(frozen=True)
class Width:
    """How far a parameter may be moved, the others following.

    ``as_well``: as far as the distance rises by no more than Monte Carlo error, verified by simulation.
    ``compatible``: 95% limits if the range is what was known before and the published errors are those of the
    published numbers (normal, linear). ``learned``: the share of the width of the range that the targets take away.
    """

    as_well: tuple[float, float]
    compatible: tuple[float, float]
    learned: float
    at_edge: bool


@dataclass(frozen=True)
class Conflict:
    """A target that is not met; what would move if it had to be: (target, miss now, miss then)."""

    target: str
    miss: float
    forced: float
    moved: tuple[tuple[str, float, float], ...]


@dataclass(frozen=True)
class Calibrated:
    """What was found. ``best`` is on the random numbers it was found with, ``judged`` on others."""

    search: Search
    best: Point
    judged: Point
    start: Point | None  # the set as it stood, on the numbers of ``judged``; None where it lies outside the ranges
    widths: tuple[Width, ...]
    conflicts: tuple[Conflict, ...]
    weakest: tuple[tuple[str, float], ...]  # the direction the targets say least of: parameters and their parts
    weakest_width: float  # how far one can go along it, 95%, before the published errors object
    ends: tuple[tuple[float, Floats], ...]  # of every search: distance and position, rough replicates
    n_evaluations: int

    @property
    def limit(self) -> float:
        """The rise of the distance that Monte Carlo error alone explains, (CA-5)."""
        return rise_by_chance(self.search, self.search.replicates)

    def is_met(self, k: int) -> bool:
        """Whether target ``k`` is met: within a quarter of its error, or within Monte Carlo error."""
        target = self.search.targets[k]
        chance = 3.0 * float(self.judged.moments.errors[k]) / target.error
        return abs(float(self.judged.misses[k])) <= max(MISSED, chance)


def rise_by_chance(search: Search, replicates: int) -> float:
    """(CA-5): the 95% point of the distance between two runs of one set that differ by chance alone."""
    from scipy import stats  # takes a second to load

    aimed = int(search.weights.sum())
    return float(stats.chi2.ppf(0.95, aimed)) / replicates


def calibrate(search: Search, progress: Progress | None = None) -> Calibrated:
    """Find the set nearest to the targets, judge it, and say how wide the set of its equals is."""
    run = _Run(search, progress or (lambda stage, done, total: None))
    return run.whole()


class _Run:
    """One calibration; counts what it simulates."""

    def __init__(self, search: Search, progress: Progress) -> None:
        self.search, self.progress = search, progress
        self.n_evaluations = 0
        self._stage, self._done, self._expected = "", 0, 0

    def stage(self, name: str, expected: int) -> None:
        self._stage, self._done, self._expected = name, 0, expected
        self.progress(name, 0, expected)

    def at(self, position: Floats, replicates: int, seed: int | None = None) -> Point:
        point = self.search.at(position, replicates, seed)
        self.n_evaluations += 1
        self._done += 1
        self.progress(self._stage, self._done, max(self._expected, self._done))
        return point

    def whole(self) -> Calibrated:
        search = self.search
        p, rough = len(search.free), search.rough_replicates
        self.stage("looking around", search.starts + 1)
        looked = [self.at(position, rough) for position in self._starts()]
        looked.sort(key=self._cost)
        followed = looked[: min(_SEARCHES, len(looked))]
        self.stage("searching", len(followed) * (2 * p + 8))
        ends = [self.descend(point, rough)[0] for point in followed]
        ends.sort(key=self._cost)
        self.stage("closing in", 2 * p + 10)
        best, jacobian = self.descend(self.at(ends[0].position, search.replicates), search.replicates)
        if not np.isfinite(best.moments.values[search.weights > 0]).all():
            raise DesignError(
                Problem(
                    "D144",
                    "targets",
                    "No set of assumptions within the ranges gives every target an answer.",
                    next_step="Widen the ranges, or leave targets out with --not-aimed-at.",
                )
            )
        self.stage("judging on other random numbers", 2)
        judged = self.at(best.position, search.replicates, search.seed + 1)
        start = self._as_it_stood()
        self.stage("measuring the width", 6 * p)
        widths = tuple(self._width(best, jacobian, j) for j in range(p))
        conflicts = self._conflicts(best, jacobian)
        weakest, reach = self._weakest(jacobian)
        return Calibrated(
            search,
            best,
            judged,
            start,
            widths,
            conflicts,
            weakest,
            reach,
            tuple((end.distance, end.position) for end in ends),
            self.n_evaluations,
        )

    def _starts(self) -> list[Floats]:
        """The middle of all ranges and quasi-random sets around it (Sobol points, scrambled by the seed)."""
        from scipy import stats  # takes a second to load

        p = len(self.search.free)
        n = self.search.starts
        draws = stats.qmc.Sobol(p, scramble=True, rng=np.random.default_rng([self.search.seed, 7]))
        points = draws.random_base2(max(0, math.ceil(math.log2(max(n, 1)))))[:n]
        return [np.zeros(p), *(EDGE * (2.0 * points - 1.0) * 0.9)]

    def _as_it_stood(self) -> Point | None:
        from equipoise.design.free_parameters import movable

        known = movable(self.search.protocol, self.search.spec)
        position = np.array([item.position(known[item.id][3]) for item in self.search.free])
        if (np.abs(position) > EDGE + 1e-9).any():
            return None
        return self.at(position, self.search.replicates, self.search.seed + 1)

    def _cost(self, point: Point) -> float:
        return point.distance + PULL**2 * float(point.position @ point.position)

    def descend(self, start: Point, replicates: int, weights: Floats | None = None) -> tuple[Point, Floats]:
        """Levenberg-Marquardt within the ranges, (CA-4); the best point and the misses' derivatives there."""
        root = np.sqrt(self.search.weights if weights is None else weights)

        def cost(point: Point) -> float:
            return float((root * point.misses) @ (root * point.misses)) + PULL**2 * float(
                point.position @ point.position
            )

        best, damping = start, 0.05
        jacobian, is_fresh = self._derivatives(best, replicates), True
        enough = 0.25 * rise_by_chance(self.search, replicates)
        for _ in range(14):
            step = self._step(best, jacobian, root, damping)
            moved = float(np.abs(step).max(initial=0.0))
            tried = self.at(best.position + step, replicates) if moved > 1e-3 else best
            gain = cost(best) - cost(tried)
            if gain > 0.0:
                # Broyden's update: the derivatives that the step itself has shown.
                change = tried.misses - best.misses - jacobian @ step
                jacobian = jacobian + np.outer(change, step) / float(step @ step)
                best, damping, is_fresh = tried, damping / 4.0, False
                if gain > enough:
                    continue
            if is_fresh and (damping > 20.0 or moved <= 1e-3 or 0.0 < gain <= enough):
                break
            if is_fresh:
                damping *= 6.0
            else:
                jacobian, is_fresh = self._derivatives(best, replicates), True
        if not is_fresh:
            jacobian = self._derivatives(best, replicates)
        return best, jacobian

    def _derivatives(self, point: Point, replicates: int) -> Floats:
        """(n_targets, n_free) difference quotients, taken inwards at the edge of a range."""
        columns = []
        for j in range(point.position.size):
            step = -_STEP if point.position[j] + _STEP > EDGE else _STEP
            moved = point.position.copy()
            moved[j] += step
            columns.append((self.at(moved, replicates).misses - point.misses) / step)
        return np.column_stack(columns)

    def _step(self, point: Point, jacobian: Floats, root: Floats, damping: float) -> Floats:
        rows = root[:, None] * jacobian
        p = point.position.size
        matrix = np.vstack([rows, PULL * np.eye(p), math.sqrt(damping) * np.eye(p)])
        right = -np.concatenate([root * point.misses, PULL * point.position, np.zeros(p)])
        lower, upper = -EDGE - point.position, EDGE - point.position
        found = lsq_linear(matrix, right, bounds=(np.minimum(lower, -1e-9), np.maximum(upper, 1e-9)))
        step: Floats = np.clip(found.x, lower, upper)
        return step

    def _width(self, best: Point, jacobian: Floats, j: int) -> Width:
        search, item = self.search, self.search.free[j]
        rows = np.sqrt(search.weights)[:, None] * jacobian
        p = best.position.size
        follow = np.linalg.inv(rows.T @ rows + PULL**2 * np.eye(p))
        along = follow[:, j] / follow[j, j]  # the others move so as to keep the targets, (CA-6)
        bend = float(np.sum((rows @ along) ** 2))
        slope = 2.0 * float((np.sqrt(search.weights) * best.misses) @ (rows @ along))
        limit = rise_by_chance(search, search.replicates)
        ends = []
        for sign in (-1.0, 1.0):
            reach = (-sign * slope + math.sqrt(slope**2 + 4.0 * bend * limit)) / (2.0 * bend) if bend > 1e-12 else EDGE
            ends.append(self._reach(best, along * sign, max(reach, 0.02), limit))
        at = float(best.position[j])
        spread = math.sqrt(float(np.linalg.inv(rows.T @ rows + np.eye(p))[j, j]))
        low, high = max(at - 1.96 * spread, -EDGE), min(at + 1.96 * spread, EDGE)
        as_well = (item.natural(at - ends[0]), item.natural(at + ends[1]))
        return Width(as_well, (item.natural(low), item.natural(high)), max(0.0, 1.0 - spread), abs(at) > EDGE - 0.02)

    def _reach(self, best: Point, along: Floats, reach: float, limit: float) -> float:
        """The furthest step tried along a direction at which the distance has risen by no more than ``limit``."""
        with np.errstate(divide="ignore"):
            room = np.where(along > 0.0, EDGE - best.position, EDGE + best.position) / np.abs(along)
        longest = max(float(np.min(room)), 0.0)
        verified = 0.0
        for _ in range(5):
            reach = min(reach, longest)
            if reach <= 1.05 * verified or reach < 1e-3:
                break
            risen = self.at(best.position + reach * along, self.search.replicates).distance - best.distance
            factor = math.sqrt(limit / risen) if risen > 0.0 else 2.0
            if risen <= limit:
                verified = reach
                reach *= min(0.95 * factor, 2.0)
            else:
                reach *= min(0.9 * factor, 0.75)
        return verified

    def _conflicts(self, best: Point, jacobian: Floats) -> tuple[Conflict, ...]:
        """Every target that is not met, made to weigh a hundredfold: which others give way?"""
        search = self.search
        missed = [
            k
            for k, target in enumerate(search.targets)
            if abs(best.misses[k]) > max(MISSED, 3.0 * float(best.moments.errors[k]) / target.error)
        ]
        self.stage("forcing what is not met", len(missed) * 4)
        out = []
        for k in missed:
            weights = search.weights.copy()
            weights[k] = 100.0
            root, point = np.sqrt(weights), best
            for damping in (0.02, 0.2, 1.0):
                step = self._step(point, jacobian, root, damping)
                tried = self.at(point.position + step, search.replicates)
                if abs(tried.misses[k]) < abs(point.misses[k]):
                    point = tried
            moved = [
                (target.id, float(best.misses[i]), float(point.misses[i]))
                for i, target in enumerate(search.targets)
                if i != k and abs(point.misses[i]) > max(abs(best.misses[i]) + 0.1, MISSED)
            ]
            moved.sort(key=lambda row: -abs(row[2]))
            found = Conflict(search.targets[k].id, float(best.misses[k]), float(point.misses[k]), tuple(moved))
            out.append(found)
        return tuple(out)

    def _weakest(self, jacobian: Floats) -> tuple[tuple[tuple[str, float], ...], float]:
        rows = np.sqrt(self.search.weights)[:, None] * jacobian
        _, singular, right = np.linalg.svd(rows, full_matrices=True)
        smallest = float(singular[-1]) if singular.size == right.shape[0] else 0.0
        direction = right[-1]
        order = np.argsort(-np.abs(direction))
        parts = tuple((self.search.free[j].id, float(direction[j])) for j in order if abs(direction[j]) > 0.2)
        return parts, 1.96 / smallest if smallest > 1e-9 else math.inf
