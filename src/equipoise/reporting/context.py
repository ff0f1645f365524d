"""What a report is made from, and the look-ups that several of its sections share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import polars as pl

from equipoise.analysis.estimate import Estimate
from equipoise.analysis.multiplicity import FALLBACKS
from equipoise.analysis.results import Provenance, Results
from equipoise.endpoints.lattice import Lattice, read_lattice
from equipoise.protocol import Protocol
from equipoise.protocol.language.analysis import Published
from equipoise.protocol.vocabulary.estimators import ESTIMATORS
from equipoise.protocol.vocabulary.scales import is_better_above
from equipoise.records import Records
from equipoise.records.records import DataSource
from equipoise.reporting.missing_rules import imputation_name, rule_name

# Levels of the plan whose results lead.
LEADING = ("primary", "secondary")


def _as_name(label: str, id: str) -> str:
    """A label; where the protocol has none and an id stands for it, the id's words with a capital."""
    words = id.replace("-", " ")
    return words[:1].upper() + words[1:] if label in (id, words) else label


@dataclass(frozen=True)
class Material:
    """Protocol, records and results of one trial."""

    protocol: Protocol
    records: Records
    results: Results
    stage: int | None = None
    """The stage that is looked at, where the trial randomized again; its records hold that stage's allocations."""
    endings: frozenset[str] | None = None
    """Ways of leaving that the whole trial's records hold, where these are of one stage."""

    @property
    def stage_id(self) -> str | None:
        """The stage in the protocol."""
        stages = list(self.protocol.model.stages)
        return stages[self.stage - 1] if self.stage is not None and self.stage <= len(stages) else None

    def is_of_stage(self, stage: str | None) -> bool:
        """Whether a visit or an estimand of a stage (by default the first) belongs to the stage looked at."""
        if self.stage_id is None:
            return True
        return (stage or next(iter(self.protocol.model.stages))) == self.stage_id

    def later_stage(self, estimate: Estimate) -> str | None:
        """The stage that an estimate is about, where it is not the first."""
        estimand = self.protocol.model.estimands.get(estimate.estimand or "")
        stage = estimand.stage if estimand is not None else None
        return stage if stage is not None and stage != next(iter(self.protocol.model.stages), None) else None

    @cached_property
    def arms(self) -> Mapping[str, str]:
        """Arms that were randomized to, in the protocol's order (the reference first), with their names."""
        present = set(self.records.arms) or set(self.protocol.arm_ids)
        return {arm: self.arm_label(arm) for arm in self.protocol.arm_ids if arm in present}

    @cached_property
    def sides(self) -> Mapping[str, str]:
        """What results stand by, the reference first: arms; in a crossover the treatments that the plan compares."""
        model = self.protocol.model
        for line in model.analyses.values():
            estimand = model.estimands[line.estimand]
            if self.protocol.is_within(estimand) and estimand.treatments.reference is not None:
                names = (estimand.treatments.reference, estimand.treatments.experimental)
                return {name: self.arm_label(name) for name in names}
        return self.arms

    @property
    def is_crossover(self) -> bool:
        """Whether results stand by treatment within participants, and not by arm."""
        return self.sides is not self.arms

    @cached_property
    def n_by_side(self) -> Mapping[str, int]:
        """Participants of each side; of a crossover everybody who is to have it."""
        if not self.is_crossover:
            return {arm: len(self.members[arm]) for arm in self.arms}
        given = {arm: self.protocol.model.arms[arm].interventions for arm in self.arms}
        return {
            name: sum(len(self.members[arm]) for arm, names in given.items() if name in names) for name in self.sides
        }

    @cached_property
    def n_randomized(self) -> int:
        """Participants randomized."""
        return self.records["allocations"]["participant_id"].n_unique()

    @property
    def everybody(self) -> str:
        """Whom counts are of, at the start of a sentence."""
        if self.protocol.model.randomization is None:
            return "Everybody enrolled"
        return "Everybody randomized" if self.stage in (None, 1) else "Everybody randomized again"

    @cached_property
    def lattice(self) -> Lattice:
        """The lattice that the analysis used."""
        if self.stage is not None and self.stage > 1:
            return read_lattice(self.protocol, self.records, stage=self.stage)
        return self.results.lattice or read_lattice(self.protocol, self.records)

    @cached_property
    def members(self) -> Mapping[str, list[str]]:
        """Participants of each arm (first allocation)."""
        allocations = self.records["allocations"]
        first = allocations.filter(pl.col("stage") == allocations["stage"].min())
        return {arm: first.filter(pl.col("arm") == arm)["participant_id"].to_list() for arm in self.arms}

    def arm_label(self, arm: str | None) -> str:
        """Name of an arm, or of the level of a factor."""
        return _as_name(self.protocol.arm_label(arm), arm) if arm else ""

    def endpoint_label(self, endpoint: str) -> str:
        """Short name of an endpoint."""
        return _as_name(self.protocol.endpoint_label(endpoint), endpoint)

    def line(self, estimate: Estimate) -> str:
        """The line of the plan that an estimate belongs to."""
        return str(estimate.details.get("line", estimate.id))

    def is_main(self, estimate: Estimate) -> bool:
        """Whether an estimate answers its line of the plan as planned: no choice varied, no fallback."""
        return bool(estimate.details.get("main", True))

    def choices(self, estimate: Estimate) -> Mapping[str, str]:
        """Choices that were varied for an estimate."""
        return estimate.details.get("choices", {}) or {}

    @cached_property
    def comparisons(self) -> tuple[Estimate, ...]:
        """Estimates that compare two arms as planned, or stand in where the planned one has no finite answer."""
        out = []
        for estimate in self.results.estimates:
            if estimate.reference is None or self.choices(estimate):
                continue
            if ESTIMATORS[estimate.estimator].role == "arms":
                continue
            out.append(estimate)
        return tuple(out)

    def main_estimate(self, line: str) -> Estimate | None:
        """The estimate of a line of the plan: the planned one, or the first fallback that has an answer."""
        found = [e for e in self.comparisons if self.line(e) == line and self.suffix(e) in ("", *FALLBACKS)]
        return next((e for e in found if e.estimate is not None), found[0] if found else None)

    def answers(self, *levels: str, tests: bool = False) -> list[Estimate]:
        """The estimate of each line of the plan at these levels that compares, level by level in the plan's order.

        With ``tests`` also the lines that test and estimate nothing (log-rank, Prescott).
        """
        out = []
        for level in levels:
            for line, analysis in self.protocol.model.analyses.items():
                estimate = self.main_estimate(line) if analysis.level == level else None
                if estimate is not None and (tests or estimate.scale != "test"):
                    out.append(estimate)
        return out

    def suffix(self, estimate: Estimate) -> str:
        """What follows the line of the plan in an estimate's id: a fallback, or another reading of the same fit."""
        return estimate.id.removeprefix(self.line(estimate)).lstrip(".")

    def proportions(self, endpoint: str) -> dict[str, Estimate]:
        """Arm -> its proportion of an endpoint, in everybody randomized."""
        out: dict[str, Estimate] = {}
        for estimate in self.results.of_endpoint(endpoint):
            if estimate.estimator == "proportion" and estimate.arm and not estimate.details.get("analysis_set"):
                out.setdefault(estimate.arm, estimate)
        return out

    def proportions_of_line(self, estimate: Estimate) -> dict[str, Estimate]:
        """Arm -> the proportion that belongs beside an estimate; nothing where its analysis set is another."""
        found = self.proportions(estimate.endpoint)
        wanted = estimate.details.get("analysis_set")
        planned = self.protocol.model.analyses.get(self.line(estimate))
        if wanted or (planned is not None and (planned.missed or planned.imputation)):
            return {}
        return found

    def higher_favours_arm(self, estimate: Estimate) -> bool:
        """Whether a larger value of this estimate is better for its arm than for the reference."""
        return is_better_above(estimate.scale, self.protocol.model.endpoints[estimate.endpoint])

    def qualifier(self, estimate: Estimate) -> str:
        """What sets an analysis apart from others of its endpoint: its analysis set, its rule for missed visits."""
        parts = []
        planned = self.protocol.model.analyses.get(self.line(estimate))
        group = estimate.details.get("analysis_set")
        if group:
            parts.append(str(group).replace("-", " "))
        if planned is not None and planned.missed:
            about_use = self.protocol.model.endpoints[estimate.endpoint].is_about_use
            parts.append(rule_name(planned.missed, about_use=about_use))
        if planned is not None and planned.imputation is not None:
            parts.append(imputation_name(planned.imputation))
        if "effect_at" in estimate.details:
            parts.append(str(estimate.details["effect_at"]))
        elif self.suffix(estimate) == "time-interaction":
            parts.append("whether the effect changes with time")
        elif self.suffix(estimate) not in ("", *FALLBACKS):
            parts.append(self.suffix(estimate).replace("-", " "))
        return ", ".join(parts)

    def published_for(self, estimate: Estimate) -> Published | None:
        """The published result that answers the same question as an estimate."""
        line = self.line(estimate)
        return next((p for p in self.protocol.model.published.values() if p.analysis == line), None)

    def published_effect(self, estimate: Estimate) -> tuple[float, float | None, float | None] | None:
        """The published effect on the estimate's scale and in its direction; None where there is none."""
        published = self.published_for(estimate)
        if published is None or published.effect is None or self.main_estimate(self.line(estimate)) is not estimate:
            return None
        effect = published.effect
        if effect.summary.replace("-", "_") != estimate.scale:
            return None
        planned = self.protocol.model.estimands[self.protocol.model.analyses[self.line(estimate)].estimand].treatments
        return effect.as_effect_of(estimate.arm, estimate.reference, planned)

    def cite(self, source: str) -> str:
        """A source's citation."""
        found = self.protocol.model.sources.get(source)
        return found.cite if found is not None else source


def material_without_records(protocol: Protocol, version: str) -> Material:
    """The material of a trial before its first record."""
    source = DataSource("captured", "No record yet.", protocol.id, protocol.hash)
    records = Records({}, source)
    provenance = Provenance(
        protocol=protocol.id,
        protocol_hash=protocol.hash,
        protocol_file_hash=protocol.file_hash,
        data_hash=records.data_hash,
        origin="captured",
        seed=None,
        scenario=None,
        version=version,
    )
    return Material(protocol, records, Results(estimates=(), provenance=provenance, endpoints={}))
