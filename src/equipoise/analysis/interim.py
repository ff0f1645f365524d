"""The looks of a plan on a real or simulated trial: Z, bounds at the information reached, decision, what is ahead.

Methods: ``docs/methods/interim.md``. A caller analyses the records so far by the plan itself, takes the Z of the answer
(:meth:`LooksOfPlan.z_of`), and gives the looks so far to :meth:`LooksOfPlan.decide`; after the end,
:meth:`LooksOfPlan.adjust` gives what allows for the looks.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from equipoise.analysis.estimate import Estimate
from equipoise.analysis.multiplicity import one_sided
from equipoise.analysis.outcome import Floats, Outcome
from equipoise.foundation.errors import AnalysisError, Problem
from equipoise.protocol import Protocol
from equipoise.protocol.language.looks import PlannedLooks
from equipoise.protocol.vocabulary.scales import SCALES, is_better_above
from equipoise.stats.design.adjusted import LooksTaken, adjust_for_looks, z_of_p
from equipoise.stats.design.combination import ReEstimation, SecondStage, combine_stages, stage_weights, stage_z
from equipoise.stats.design.dropped_arms import ClosedTest
from equipoise.stats.design.look_rules import LookRule, ReachedBoundaries

CODES = {
    "A047": "The protocol states no looks.",
    "A048": "Information that does not grow from look to look, or looks that the plan does not have.",
    "A049": "An analysis has no Z at a look: no p value, or no direction.",
}
# Below this Z the ratio of estimate and Z is rounding: the standard error itself is taken.
_NEAR_ZERO = 1e-3


@dataclass(frozen=True, kw_only=True)
class LookDecision:
    """What one look comes to. Z is positive where the experimental arm is better.

    ``decision``: ``continue``; ``efficacy`` (a claim); ``harm`` (a two-sided design, on the other side); ``futility``;
    ``not-shown`` (the last look, no claim). Powers are of a claim at a later look, absent at the last.
    """

    number: int
    information: float  # fraction of the planned
    z: float
    critical_z: float
    futility_z: float | None
    alpha_spent: float  # cumulative, all sides
    decision: str
    is_binding: bool
    conditional_power_planned: float | None = None  # under the effect for which the trial was planned
    conditional_power_trend: float | None = None  # under what the results so far suggest
    conditional_power_none: float | None = None  # without any effect
    predictive_power: float | None = None  # averaged over what the results so far leave open

    @property
    def ends(self) -> bool:
        """Whether the trial ends here, by the plan."""
        return self.decision != "continue"

    def as_dict(self) -> dict[str, Any]:
        """Plain values; what is not a finite number is None."""
        return {
            key: None if isinstance(value, float) and not math.isfinite(value) else value
            for key, value in asdict(self).items()
        }


@dataclass(frozen=True, kw_only=True)
class AdjustedEstimate:
    """The answer of a trial with looks, by stage-wise ordering; on the scale of the analysis (ratios as ratios).

    ``p_one_sided`` is in the direction that is better; ``p_value`` has the sides of the plan. Estimate and limits are
    absent where the analysis has no effect (a test), or none that is finite.
    """

    p_one_sided: float
    p_value: float
    estimate: float | None
    ci_lower: float | None
    ci_upper: float | None
    ci_level: float
    drift: float  # median unbiased, as a mean of Z at the planned information

    def as_dict(self) -> dict[str, Any]:
        """Plain values; what is not a finite number is None."""
        return {
            key: None if isinstance(value, float) and not math.isfinite(value) else value
            for key, value in asdict(self).items()
        }


@dataclass(frozen=True)
class NewSize:
    """What re-estimation says: the number at the last look, of what the plan counts."""

    number: int
    planned: int
    conditional_power_planned_size: float
    conditional_power_new_size: float
    wanted: float  # before limits; infinite where the effect has the other direction

    @property
    def is_changed(self) -> bool:
        """Whether the size differs from the plan's."""
        return self.number != self.planned


@dataclass(frozen=True)
class LooksOfPlan:
    """The looks of a protocol, ready to be carried out."""

    protocol: Protocol
    stated: PlannedLooks
    rule: LookRule
    counted: str  # results, events or information
    planned: float  # what is counted at the last look

    @property
    def analyses(self) -> tuple[str, ...]:
        """The lines of the plan that are looked at."""
        return self.stated.analyses

    @property
    def numbers(self) -> tuple[float, ...]:
        """What is counted at each planned look: whole numbers of results or events, rounded up."""
        if self.counted == "information":
            return tuple(t * self.planned for t in self.rule.planned)
        return tuple(float(math.ceil(t * self.planned - 1e-9)) for t in self.rule.planned)

    def fractions(self, numbers: Sequence[float]) -> tuple[float, ...]:
        """Information fractions of what was really counted at the looks so far."""
        return tuple(float(n) / self.planned for n in numbers)

    def information_of(self, estimate: Estimate) -> float | None:
        """What an analysis so far counts: results, events, or one over its squared standard error; None if unknown."""
        if self.counted == "results":
            return None if estimate.n_analysed is None else float(estimate.n_analysed)
        if self.counted == "events":
            return None if estimate.n_events is None else float(estimate.n_events)
        error = estimate.standard_error
        return None if error is None or not error > 0 else 1.0 / error**2

    def z_of(self, estimate: Estimate) -> float:
        """Z of an analysis, positive where the experimental arm is better, from its one-sided p value.

        It is the normal quantile of that, so that a t test, an exact test or a likelihood ratio enters by its own p
        value; against a margin it is the Z of that test. A049
        where there is no p value or no direction.
        """
        line = str(estimate.details.get("line", estimate.id))
        values = {
            key: np.array([np.nan if (value := getattr(estimate, key)) is None else value])
            for key in ("p_value", "estimate", "ci_lower", "ci_upper")
        }
        if "estimate-infinite" in estimate.warnings and estimate.estimate is None:
            values["estimate"] = np.array([np.inf])
        margin = "margin" in estimate.details
        sign = None
        if estimate.scale == "test" and "observed" in estimate.details:
            observed, expected = (
                np.asarray(estimate.details[key], dtype=np.float64) for key in ("observed", "expected")
            )
            sign = (observed - expected).reshape(-1)[1:2]
        found = float(_signed_z(self, line, estimate.scale, values, margin, sign)[0])
        if not math.isfinite(found):
            shown = "has no p value" if estimate.p_value is None else "does not say which arm is better"
            raise AnalysisError(
                Problem("A049", f"analyses.{line}", f"{line} {shown} at this look.", "an analysis that can be made")
            )
        return found

    def z_of_outcome(self, line: str, outcome: Outcome) -> Floats:
        """(n_trials,) the same of many trials; NaN where there is none."""
        values = {key: getattr(outcome, key) for key in ("p_value", "estimate", "ci_lower", "ci_upper")}
        excess = None
        if outcome.scale == "test" and "observed" in outcome.details:
            excess = (outcome.details["observed"] - outcome.details["expected"])[:, 1]
        return _signed_z(self, line, outcome.scale, values, outcome.margin is not None, excess)

    def larger_is_better(self, line: str, scale: str) -> bool:
        """Whether a larger value on the scale is to the experimental arm's advantage; a test counts events."""
        estimand = self.protocol.model.estimands[self.protocol.model.analyses[line].estimand]
        return is_better_above(
            "hazard_ratio" if scale == "test" else scale, self.protocol.model.endpoints[estimand.endpoint]
        )

    def boundaries(self, information: Sequence[float], *, is_last: bool = False) -> ReachedBoundaries:
        """Bounds at the fractions reached (A048); where sizes or arms may change, those of the plan, as its weights."""
        try:
            if self.stated.is_combined:
                number = len(information)
                if number > self.rule.n_looks or is_last != (number == self.rule.n_looks):
                    raise ValueError("stages are combined by the weights of the plan, which needs exactly its looks")
                return self.rule.boundaries(self.rule.planned[:number], is_last=is_last)
            return self.rule.boundaries(information, is_last=is_last)
        except ValueError as error:
            found = f"{str(error)[:1].upper()}{str(error)[1:]}."
            asked = "looks of the plan, each with more information than the one before"
            raise AnalysisError(Problem("A048", "looks.at", found, asked)) from None

    def decide(
        self, information: Sequence[float], z: Sequence[float], *, is_last: bool = False
    ) -> tuple[LookDecision, ...]:
        """The decision at each look so far, from fractions reached and Z; ``is_last``: the last one ends the trial.

        Where the plan may change the size or the arms, ``z`` are the combined Z (:meth:`combined`).
        """
        if len(information) != len(z) or not z or not np.isfinite(np.asarray(z, dtype=float)).all():
            found = f"{len(information)} fractions of information and Z of {list(z)}."
            raise AnalysisError(Problem("A048", "looks", found, "a finite Z for each look"))
        out = []
        for k in range(1, len(z) + 1):
            ends = is_last and k == len(z)
            bounds = self.boundaries(information[:k], is_last=ends)
            out.append(self._decision(bounds, [float(t) for t in information[:k]], float(z[k - 1]), ends))
        return tuple(out)

    def _decision(self, bounds: ReachedBoundaries, information: list[float], z: float, ends: bool) -> LookDecision:
        critical, futility = float(bounds.critical_z[-1]), float(bounds.futility_z[-1])
        decision = "not-shown" if ends else "continue"
        if z >= critical:
            decision = "efficacy"
        elif bounds.sides == 2 and z <= -critical:
            decision = "harm"
        elif not ends and z < futility:
            decision = "futility"
        powers: dict[str, float] = {}
        ahead = None if ends else self.rule.ahead(bounds.information, z)
        if ahead is not None:
            powers = {
                "conditional_power_planned": ahead.conditional_power(self.rule.planned_drift),
                "conditional_power_trend": ahead.conditional_power_of_trend(),
                "conditional_power_none": ahead.conditional_power(0.0),
                "predictive_power": ahead.predictive_power(),
            }
        return LookDecision(
            number=len(information),
            information=information[-1],
            z=z,
            critical_z=critical,
            futility_z=futility if math.isfinite(futility) and not ends else None,
            alpha_spent=float(bounds.alpha_spent[-1]),
            decision=decision,
            is_binding=bounds.is_binding,
            **powers,
        )

    def combined(self, information: ArrayLike, z: ArrayLike) -> Floats:
        """(..., n_looks) combined Z from the cumulative Z of the analyses so far and the numbers they rest on.

        Each stage's own Z is the increment of the score; stages have the weights of the plan, whatever they became.
        """
        own = stage_z(z, information)
        return combine_stages(own, stage_weights(self.rule.planned)[: own.shape[-1]])

    def stages_over(self, information: Floats, z: Floats) -> Floats:
        """(n_trials, n_looks) Z of each stage's own data, of many trials.

        A stage without data of its own (a trial that ran out of events) says nothing: its Z is 0. NaN stays NaN.
        """
        grown = np.diff(information, prepend=0.0, axis=-1) > 0.0
        score = z * np.sqrt(information)
        steps = np.where(grown, np.diff(information, prepend=0.0, axis=-1), 1.0)
        return np.where(
            grown, np.diff(score, prepend=0.0, axis=-1) / np.sqrt(steps), np.where(np.isnan(z), np.nan, 0.0)
        )

    def combined_over(self, information: Floats, z: Floats) -> Floats:
        """(n_trials, n_looks) combined Z of many trials; see :meth:`stages_over`."""
        own = self.stages_over(information, z)
        return combine_stages(own, stage_weights(self.rule.planned)[: own.shape[-1]])

    def new_size(self, z: float) -> NewSize | None:
        """The size that re-estimation gives at the last interim look, from its combined Z; None without such a rule."""
        stated = self.stated.re_estimation
        if stated is None:
            return None
        design = self.rule.design
        stage = SecondStage(float(self.rule.planned[-2]), z, float(design.critical_z[-1]))
        reached = self.numbers[-2]
        limits = [(float(n) - reached) / self.planned for n in (stated.least or self.planned, stated.most)]
        promising = None if stated.promising is None else (float(stated.promising[0]), float(stated.promising[1]))
        rule = ReEstimation(float(stated.target_power), limits[0], limits[1], promising)
        drift = self.rule.planned_drift if stated.effect == "planned" else stage.trend
        step = rule.second_stage(stage, drift)
        number = math.ceil(reached + step * self.planned - 1e-9)
        planned = math.ceil(self.planned - 1e-9)
        wanted = reached + rule.unlimited(stage, drift) * self.planned
        return NewSize(
            number,
            planned,
            stage.conditional_power(drift),
            stage.conditional_power(drift, (number - reached) / self.planned),
            wanted,
        )

    def kept(self, z: Sequence[float]) -> tuple[str, ...]:
        """The analyses whose arms go on after the look that drops arms; ``z`` of each, in the order of the plan.

        An arm without a Z (NaN) is dropped. Of equal Z the first in the plan stays.
        """
        stated = self.stated.drop_arms
        if stated is None:
            return self.analyses
        order = sorted(range(len(z)), key=lambda k: -z[k] if math.isfinite(z[k]) else math.inf)
        chosen = [k for k in order if math.isfinite(z[k]) and (stated.below is None or z[k] >= stated.below)]
        chosen = chosen if stated.keep is None else chosen[: stated.keep]
        return tuple(name for k, name in enumerate(self.analyses) if k in chosen)

    def closed_test(self, sizes: Sequence[float], reference: float) -> ClosedTest:
        """The closed test of the arms, from sizes as allocated (or their ratio)."""
        shares = np.array([n / (n + reference) for n in sizes])
        design = self.rule.design
        return ClosedTest(shares, np.asarray(self.rule.planned), design.critical_z)

    def adjust(
        self,
        information: Sequence[float],
        z: Sequence[float],
        *,
        estimate: Estimate | None = None,
        is_last: bool = True,
        level: float = 0.95,
        standard_errors: Sequence[float] | None = None,
    ) -> AdjustedEstimate:
        """p value, median unbiased estimate and limits at the end of a trial with looks.

        ``information`` and ``z`` of the looks taken, the ending one included. Of over-running (results that came after
        the look that stopped) that look is left out and all data stand as the last: the deletion method of Whitehead
        (1992). ``estimate`` is the analysis at the end. ``standard_errors`` are those of the stages' own effects where
        stages are combined (on the log of ratios); ``z`` is then the combined Z.
        """
        bounds = self.boundaries(information, is_last=is_last)
        means = None
        if standard_errors is not None:
            weights = stage_weights(self.rule.planned)[: len(z)]
            means = combine_stages(1.0 / np.asarray(standard_errors, dtype=np.float64), weights)
        taken = LooksTaken(bounds.information, bounds.critical_z, bounds.level_lower_z, means)
        found = adjust_for_looks(taken, float(z[-1]), level=level)
        p = found.p_two_sided if self.rule.sides == 2 else found.p_one_sided
        values: list[float | None] = [None, None, None]
        if estimate is not None:
            unit = 1.0
            if standard_errors is None:
                unit = self._effect_per_z(estimate, float(z[-1])) * math.sqrt(float(bounds.information[-1]))
            drifts = (found.median_unbiased, found.lower, found.upper)
            values = [self._on_scale(estimate, drift * unit) for drift in drifts]
            if values[1] is not None and values[2] is not None and values[1] > values[2]:
                values[1], values[2] = values[2], values[1]
        return AdjustedEstimate(
            p_one_sided=found.p_one_sided,
            p_value=p,
            estimate=values[0],
            ci_lower=values[1],
            ci_upper=values[2],
            ci_level=level,
            drift=found.median_unbiased,
        )

    def _null(self, estimate: Estimate) -> float:
        """What the effect is held against, on the scale of analysis."""
        margin = estimate.details.get("margin")
        if margin is not None:
            value = margin["lower"] if margin["lower"] is not None else margin["upper"]
            return math.log(value) if SCALES[estimate.scale].is_ratio else float(value)
        return 0.0

    def _effect_per_z(self, estimate: Estimate, z: float) -> float:
        """The effect, in the better direction, that a Z of 1 stands for; NaN where there is no effect.

        It is the standard error that belongs to the p value: with one look the adjusted estimate is then the plain one.
        """
        if estimate.scale == "test" or estimate.estimate is None:
            return math.nan
        is_ratio = SCALES[estimate.scale].is_ratio
        if is_ratio and not estimate.estimate > 0.0:
            return math.nan
        centre = math.log(estimate.estimate) if is_ratio else estimate.estimate
        line = str(estimate.details.get("line", estimate.id))
        effect = (centre - self._null(estimate)) * (1.0 if self.larger_is_better(line, estimate.scale) else -1.0)
        if abs(z) > _NEAR_ZERO and effect / z > 0.0:
            return effect / z
        return math.nan if estimate.standard_error is None else float(estimate.standard_error)

    def _on_scale(self, estimate: Estimate, effect: float) -> float | None:
        """A signed effect in the better direction, as a value of the scale."""
        if not math.isfinite(effect):
            return None
        line = str(estimate.details.get("line", estimate.id))
        value = self._null(estimate) + effect * (1.0 if self.larger_is_better(line, estimate.scale) else -1.0)
        if not SCALES[estimate.scale].is_ratio:
            return value
        return math.exp(value) if value < 700.0 else None


def _signed_z(
    looks: LooksOfPlan, line: str, scale: str, values: dict[str, Floats], is_margin: bool, excess: Floats | None
) -> Floats:
    """(n_trials,) Z from p values and the side of no effect; ``excess`` is a test's observed minus expected events."""
    if is_margin:
        p = values["p_value"]
    else:
        larger = looks.larger_is_better(line, scale)
        if scale == "test":
            if excess is None:
                return np.full_like(values["p_value"], np.nan)
            good = (excess > 0.0) == larger
            p = np.where(excess == 0.0, 0.5, np.where(good, 0.5 * values["p_value"], 1.0 - 0.5 * values["p_value"]))
        else:
            null = SCALES[scale].no_effect
            p = one_sided(values["p_value"], values["estimate"], values["ci_lower"], values["ci_upper"], null, larger)
    known = np.isfinite(p)
    return np.where(known, z_of_p(np.where(known, p, 0.5)), np.nan)


def looks_of(protocol: Protocol) -> LooksOfPlan:
    """The looks of a protocol; A047 where it states none."""
    stated = protocol.model.looks
    if stated is None:
        raise AnalysisError(
            Problem("A047", "looks", "The protocol states no looks.", "looks: at, boundary, ...", "Add looks.")
        )
    model = protocol.model
    planned = stated.planned_number(model)
    assert planned is not None  # the check of a protocol has refused looks without a number
    return LooksOfPlan(protocol, stated, stated.rule(model), stated.counts(model), planned)
