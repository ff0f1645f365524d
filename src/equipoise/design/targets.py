"""Published results as targets of calibration, and what simulated trials return for each.

Methods: ``docs/methods/calibration.md``. Counts by arm are aimed at as shares, effects and the widths of their
intervals on the scale of analysis; each is read off the very line of the plan that answers the published question.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from equipoise.analysis.plan import Plan, PlannedFit, planned_fits
from equipoise.foundation.errors import DesignError, Problem, listed, nearest, raise_if_any
from equipoise.protocol import Protocol
from equipoise.protocol.language.analysis import Published
from equipoise.protocol.vocabulary.scales import SCALES
from equipoise.simulation.scenario import AnyScenario

Floats = NDArray[np.float64]

CODES = {
    "D140": "There is no published result with which simulated trials could be compared.",
    "D141": "Unknown target.",
}
KINDS = {"share": "share of an arm", "effect": "effect", "standard-error": "standard error of the effect"}
# A standard error counts as one unit off when it is wrong by so much (its logarithm).
STANDARD_ERROR_UNIT = 0.15
_BATCH = 500  # replicates analysed at once


@dataclass(frozen=True)
class Target:
    """One published number; ``value`` and ``error`` on the scale of analysis (logarithm for ratios)."""

    id: str  # relapse.ketamine, relapse.effect, relapse.standard-error
    published: str
    kind: str  # a key of KINDS
    endpoint: str
    line: str | None
    arm: str | None
    scale: str
    value: float
    error: float  # published standard error: the unit in which a miss is counted
    sign: float = 1.0  # -1 where the source compares the other way round than the plan
    printed: str = ""

    @property
    def is_ratio(self) -> bool:
        """Whether ``value`` is the logarithm of what is printed."""
        return self.kind == "standard-error" or (self.kind == "effect" and SCALES[self.scale].is_ratio)

    def natural(self, value: float) -> float:
        """A value as a source prints it."""
        return math.exp(value) if self.is_ratio else value


@dataclass(frozen=True)
class Moments:
    """What simulated trials return: by target the centre, its Monte Carlo error, and the share without an answer."""

    values: Floats
    errors: Floats
    without: Floats
    n_replicates: int


def targets_of(protocol: Protocol, not_aimed_at: Sequence[str] = ()) -> tuple[tuple[Target, ...], tuple[str, ...]]:
    """Every target that the published results of a protocol give; and the ids of those that are not aimed at.

    Raises D140 where there is none, or none is left, D141 where ``not_aimed_at`` names what is not there.
    """
    targets: list[Target] = []
    for id, result in protocol.model.published.items():
        targets += [*_shares(protocol, id, result), *_effect(protocol, id, result)]
    if not targets:
        raise DesignError(
            Problem(
                "D140",
                "published",
                "The protocol states no published result that can be simulated.",
                "counts by arm, or an effect with limits and the analysis that answers the same question",
                "Add one under published.",
            )
        )
    known = [*protocol.model.published, *(target.id for target in targets)]
    problems = []
    aside: set[str] = set()
    for name in not_aimed_at:
        matched = {target.id for target in targets if name in (target.id, target.published)}
        if not matched:
            guess = nearest(name, known)
            hint = f"Did you mean {guess}?" if guess else ""
            problems.append(
                Problem("D141", "not-aimed-at", f"There is no target {name!r}.", listed(known, limit=40), hint)
            )
        aside |= matched
    raise_if_any(DesignError, problems)
    if len(aside) == len(targets):
        raise DesignError(Problem("D140", "not-aimed-at", "Nothing is left to aim at.", "at least one target"))
    return tuple(targets), tuple(target.id for target in targets if target.id in aside)


def _shares(protocol: Protocol, id: str, result: Published) -> list[Target]:
    """Shares by arm. A count at an end stands for the share of which it is the median count, (CA-2)."""
    out = []
    for arm, fact in result.arms.items():
        count = fact.usable
        if count is None or arm not in protocol.arm_ids:
            continue
        x, n = count.count, count.total
        share = x / n if 0 < x < n else (x + 1 / 3) / (n + 2 / 3)
        smoothed = (x + 0.5) / (n + 1.0)
        error = math.sqrt(smoothed * (1.0 - smoothed) / n)
        out.append(
            Target(
                f"{id}.{arm}",
                id,
                "share",
                result.endpoint,
                result.analysis,
                arm,
                "proportion",
                share,
                error,
                printed=f"{x} of {n}",
            )
        )
    return out


def _effect(protocol: Protocol, id: str, result: Published) -> list[Target]:
    if result.effect is None or result.analysis is None or result.analysis not in protocol.model.analyses:
        return []
    stated, scale = result.effect.value, result.effect.summary.replace("-", "_")
    if scale not in SCALES or not SCALES[scale].is_estimated or stated.lower is None or stated.upper is None:
        return []
    values = [float(stated.value), float(stated.lower), float(stated.upper)]
    if SCALES[scale].is_ratio:
        if min(values) <= 0.0:
            return []
        values = [math.log(v) for v in values]
    quantile = float(special.ndtri(0.5 + float(result.effect.level) / 2.0))
    error = (values[2] - values[1]) / (2.0 * quantile)
    line = protocol.model.analyses[result.analysis]
    planned = protocol.model.estimands[line.estimand].treatments
    compared = result.effect.treatments or planned
    same = (compared.experimental, compared.reference) == (planned.experimental, planned.reference)
    if not same and (compared.experimental, compared.reference) != (planned.reference, planned.experimental):
        return []  # another comparison than the plan makes
    printed = f"{stated.value} ({stated.lower} to {stated.upper})"
    common = (result.endpoint, result.analysis, None, scale)
    return [
        Target(f"{id}.effect", id, "effect", *common, values[0], error, 1.0 if same else -1.0, printed),
        Target(
            f"{id}.standard-error",
            id,
            "standard-error",
            *common,
            math.log(error),
            STANDARD_ERROR_UNIT,
            printed=f"{error:.3f}, from the limits",
        ),
    ]


class TargetMeter:
    """Simulates trials under a scenario and says what they return for each target."""

    def __init__(self, protocol: Protocol, targets: Sequence[Target]) -> None:
        self.protocol = _only_lines(protocol, {t.line for t in targets if t.kind != "share" and t.line is not None})
        self.targets = tuple(targets)
        self.fits: tuple[PlannedFit, ...] = tuple(f for f in planned_fits(self.protocol) if not f.added)

    def measure(self, scenario: AnyScenario, *, seed: int, replicates: int) -> Moments:
        """Centres over replicates 0 to ``replicates - 1`` of ``seed``: means of shares, medians of effects, (CA-1)."""
        parts = [
            self._batch(scenario, seed, range(first, min(first + _BATCH, replicates)))
            for first in range(0, replicates, _BATCH)
        ]
        numbers = np.concatenate(parts, axis=1)
        values, errors, without = (np.full(len(self.targets), np.nan) for _ in range(3))
        for k, target in enumerate(self.targets):
            there = numbers[k][np.isfinite(numbers[k])]
            without[k] = 1.0 - there.size / replicates
            if there.size < 2:
                continue
            spread = float(there.std(ddof=1)) / math.sqrt(there.size)
            if target.kind == "share":
                values[k], errors[k] = there.mean(), spread
            else:
                # Of a normal sample the median varies as much as a mean of pi / 2 times fewer.
                values[k], errors[k] = np.median(there), math.sqrt(math.pi / 2.0) * spread
        return Moments(values, errors, without, replicates)

    def _batch(self, scenario: AnyScenario, seed: int, replicates: range) -> Floats:
        """(n_targets, n) each target's number in every replicate, NaN where it has none."""
        from equipoise.simulation.batches import simulate_batch

        # One trial alone is given more diagnostics than a batch, and takes another way: never hand over just one.
        wanted = len(replicates)
        numbers = list(replicates) if wanted > 1 else [replicates[0], replicates[0] + 1]
        plan = Plan(self.protocol, simulate_batch(self.protocol, scenario, seed=seed, replicates=numbers).lattice)
        effects = {fit.line: plan.fit(fit)[0] for fit in self.fits}
        out = np.full((len(self.targets), len(numbers)), np.nan)
        for k, target in enumerate(self.targets):
            if target.kind == "share":
                out[k] = _share(plan, target, len(numbers))
                continue
            assert target.line is not None
            found = effects[target.line]
            if target.kind == "standard-error":
                with np.errstate(divide="ignore", invalid="ignore"):
                    out[k] = np.log(found.standard_error)
            else:
                with np.errstate(divide="ignore", invalid="ignore"):
                    scaled = np.log(found.estimate) if SCALES[target.scale].is_ratio else found.estimate
                out[k] = target.sign * scaled
        # A separated fit has a very large number beside its warning: it is no answer.
        out[~np.isfinite(out)] = np.nan
        return out[:, :wanted]


def _share(plan: Plan, target: Target, n_trials: int) -> Floats:
    derived = plan.derived(target.endpoint)
    if derived.shape == "time-to-event":
        assert derived.event is not None
        assert derived.time is not None
        values = np.where(np.isnan(derived.time), np.nan, derived.event.astype(np.float64))
    elif derived.shape == "binary":
        assert derived.value is not None
        values = derived.value
    else:
        raise DesignError(
            Problem("D140", f"published.{target.published}", f"Counts of {target.endpoint}, which is {derived.shape}.")
        )
    mine = (derived.participants.arm == target.arm).reshape(n_trials, -1) & ~np.isnan(values).reshape(n_trials, -1)
    total = mine.sum(axis=1)
    events = (np.nan_to_num(values).reshape(n_trials, -1) * mine).sum(axis=1)
    return np.where(total > 0, events / np.maximum(total, 1), np.nan)


def _only_lines(protocol: Protocol, lines: set[str]) -> Protocol:
    """The protocol with these lines of its plan alone, without variations and fallbacks."""
    kept = {
        id: line.model_copy(update={"vary": None, "if_separated": "report", "tipping_point": None})
        for id, line in protocol.model.analyses.items()
        if id in lines
    }
    model = protocol.model.model_copy(update={"analyses": kept})
    return Protocol(model, lines=protocol.lines, definitions=protocol.definitions)
