"""Looks at the results before the end, as part of the plan: when, by which bounds, and what may be changed.

The arithmetic is ``stats.design.look_rules`` (and ``combination``, ``dropped_arms``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, model_validator

from equipoise.protocol.language.facts import Frozen, Id, Number, Sourced, Truth, Whole
from equipoise.protocol.language.notation import Fault

if TYPE_CHECKING:
    from equipoise.stats.design.look_rules import LookRule

BoundaryKind = Literal[
    "lan-demets-obrien-fleming",
    "lan-demets-pocock",
    "kim-demets",
    "hwang-shih-decani",
    "obrien-fleming",
    "pocock",
    "wang-tsiatis",
    "haybittle-peto",
]
SpendingKind = Literal["lan-demets-obrien-fleming", "lan-demets-pocock", "kim-demets", "hwang-shih-decani"]
Counted = Literal["results", "events", "information"]
AssumedEffect = Literal["planned", "trend"]


class FutilityStop(Frozen):
    """When a look ends the trial because an effect has become unlikely."""

    rule: Literal["beta-spending", "z", "conditional-power", "predictive-power"] = Field(
        description="`beta-spending`: bounds that give up 1 - power over the looks. `z`: a Z below `below`. "
        "`conditional-power` and `predictive-power`: a probability of a later claim below `below`."
    )
    below: Number | tuple[Number, ...] | None = Field(
        None, description="One number for every interim look, or one each; not with `beta-spending`."
    )
    spending: SpendingKind = Field("lan-demets-obrien-fleming", description="With `beta-spending`: its function.")
    spending_parameter: Number | None = Field(None, description="Its parameter, if it has one.")
    effect: AssumedEffect = Field(
        "trend",
        description="With `conditional-power`: the effect from here on, as `planned` or as the results so far suggest.",
    )
    binding: Truth = Field(
        False,
        description="The stop is always obeyed, and critical values rely on it. Otherwise the level holds even where "
        "the trial goes on.",
    )

    @property
    def values(self) -> tuple[float, ...]:
        """What stands under ``below``, as numbers."""
        if self.below is None:
            return ()
        return tuple(map(float, self.below)) if isinstance(self.below, tuple) else (float(self.below),)


class SizeReEstimation(Frozen):
    """How the last look's size may be changed at the look before it; the stages keep the weights of the plan."""

    target_power: Number = Field(gt=0, lt=1, description="Conditional power that the new size is to give.")
    most: Number = Field(gt=0, description="Largest number (of what is `counted`) at the last look.")
    least: Number | None = Field(None, gt=0, description="Smallest number; by default as planned.")
    effect: AssumedEffect = Field(
        "trend", description="The effect for which power is reckoned: as `planned`, or as the results so far suggest."
    )
    promising: tuple[Number, Number] | None = Field(
        None,
        description="Only where conditional power at the planned size lies in this range is the size changed.",
    )


class ArmsDropped(Frozen):
    """Which arms a look drops; the arms that are left are tested by the closed test."""

    at: Whole = Field(1, ge=1, description="Number of the look.")
    keep: Whole | None = Field(None, ge=1, description="How many arms go on: those with the largest Z.")
    below: Number | None = Field(None, description="Arms with a Z below this are dropped.")

    @model_validator(mode="after")
    def _some_rule(self) -> ArmsDropped:
        if self.keep is None and self.below is None:
            raise Fault("There is no rule by which arms are dropped", "keep, below or both", "Add keep: 1.")
        return self


class PlannedLooks(Sourced):
    """The looks of the plan at one analysis; with `drop-arms` at several, one for each arm against the reference."""

    analyses: tuple[Id, ...] = Field(
        min_length=1, description="The analysis that is looked at; with `drop-arms` one for each arm."
    )
    at: tuple[Number, ...] = Field(
        min_length=1, description="Fractions of what is counted at each look, the last (the final analysis) 1."
    )
    counted: Counted | None = Field(
        None,
        description="What the fractions are of: `results` of participants, `events`, or statistical `information` "
        "(one over the squared standard error). By default events of a time, otherwise results.",
    )
    planned: Number | None = Field(
        None,
        gt=0,
        description="The number at the last look: results, events or information. Results are by default all of the "
        "participants planned in the arms compared.",
    )
    sides: Literal[1, 2] | None = Field(
        None,
        description="1: claims in the better direction only, at half of a two-sided level. By default 1 where the "
        "level is one-sided, there is a margin, futility, re-estimation or a rule to drop arms; otherwise 2.",
    )
    boundary: BoundaryKind | None = Field(
        None, description="How critical values are found; by default `lan-demets-obrien-fleming`."
    )
    boundary_parameter: Number | None = Field(
        None,
        description="rho of `kim-demets`, gamma of `hwang-shih-decani`, Delta of `wang-tsiatis`, or the interim "
        "critical value of `haybittle-peto`.",
    )
    alpha_spent: tuple[Number, ...] | None = Field(
        None, description="In place of a boundary: cumulative alpha, all sides, by look."
    )
    power: Number = Field(
        0.8,
        gt=0,
        lt=1,
        description="Power for which the trial was planned; it says how large the planned effect is beside its error.",
    )
    futility: FutilityStop | None = Field(None, description="When a look ends the trial without a claim.")
    re_estimation: SizeReEstimation | None = Field(
        None, description="How the size may change at the last interim look."
    )
    drop_arms: ArmsDropped | None = Field(None, description="Which arms are dropped.")

    @property
    def is_combined(self) -> bool:
        """Whether stages are combined by weights fixed in advance: sizes or arms may change at a look."""
        return self.re_estimation is not None or self.drop_arms is not None

    def stated_sides(self, model: Any) -> int:
        """1 or 2: as stated, or what the level, the margin and the rules of the looks come to."""
        if self.sides is not None:
            return int(self.sides)
        lines = [model.analyses[name] for name in self.analyses if name in model.analyses]
        one_sided = self.futility is not None or self.is_combined
        for line in lines:
            estimand = model.estimands.get(line.estimand)
            has_margin = estimand is not None and estimand.margin is not None
            one_sided |= line.alpha_one_sided is not None or has_margin
        return 1 if one_sided else 2

    def rule(self, model: Any) -> LookRule:
        """Looks, level, boundary and futility as numbers; ``ValueError`` where they contradict one another."""
        from equipoise.stats.design.group_sequential import Boundary
        from equipoise.stats.design.look_rules import FutilityRule, LookRule
        from equipoise.stats.design.spending import SpendingFunction

        futility = None
        if self.futility is not None:
            stated = self.futility
            by_beta = stated.rule == "beta-spending"
            function = SpendingFunction(stated.spending, stated.spending_parameter) if by_beta else None
            futility = FutilityRule(stated.rule, stated.values, function, stated.effect, stated.binding)
        boundary = None
        if self.alpha_spent is None:
            boundary = Boundary(self.boundary or "lan-demets-obrien-fleming", self.boundary_parameter)
        return LookRule(
            tuple(map(float, self.at)),
            model.analyses[self.analyses[0]].level_one_sided,
            self.stated_sides(model),
            boundary,
            self.alpha_spent,
            futility,
            float(self.power),
        )

    def counts(self, model: Any) -> str:
        """``results``, ``events`` or ``information``: as stated, or by the endpoint."""
        if self.counted is not None:
            return self.counted
        estimand = model.estimands[model.analyses[self.analyses[0]].estimand]
        return "events" if model.endpoints[estimand.endpoint].shape == "time-to-event" else "results"

    def planned_number(self, model: Any) -> float | None:
        """What is counted at the last look as planned; ``None`` where neither the looks nor the arms say."""
        if self.planned is not None:
            return float(self.planned)
        return self.planned_participants(model) if self.counts(model) == "results" else None

    def planned_participants(self, model: Any) -> float | None:
        """Participants planned in what is compared: of the whole trial, or of its arms; ``None`` where nothing says."""
        estimands = [model.estimands[model.analyses[name].estimand] for name in self.analyses]
        names = {name for estimand in estimands for name in estimand.treatments.names}
        if any(estimand.factor is not None for estimand in estimands) or names >= set(model.arms):
            planned = model.trial.planned_n.usable
            if planned is not None:
                return float(planned)
            names = set(model.arms)
        sizes = [model.arms[name].n.usable if name in model.arms else None for name in names]
        known = [float(n) for n in sizes if n is not None]
        return sum(known) if known and len(known) == len(sizes) else None
