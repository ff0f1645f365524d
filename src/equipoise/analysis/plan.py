"""Carry out the analysis plan: every line of it, and every choice varied, on one trial or on many replicates."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

from equipoise.analysis.borrowed import decide_by_probability
from equipoise.analysis.completed import Completions
from equipoise.analysis.dataset import Comparison, compare
from equipoise.analysis.fits import FITS
from equipoise.analysis.imputed import fit_imputed
from equipoise.analysis.margins import hold_against, margins_of
from equipoise.analysis.missing_rules import combine_cases, experimental_rows
from equipoise.analysis.outcome import Outcome
from equipoise.analysis.repeated_sampling import fit_repeated_sampling
from equipoise.analysis.strategies import apply_strategies
from equipoise.endpoints.derivation import derive_endpoint
from equipoise.endpoints.endpoint_values import Derived
from equipoise.endpoints.lattice import Lattice, read_lattice
from equipoise.endpoints.stages import stage_of_endpoint
from equipoise.protocol import Protocol
from equipoise.protocol.language.analysis import Analysis, Estimand
from equipoise.protocol.vocabulary.endpoint_kinds import BY_ARM
from equipoise.protocol.vocabulary.estimators import ESTIMATORS


@dataclass(frozen=True)
class PlannedFit:
    """One fit to be made: a line of the plan, or a variation of it."""

    id: str
    line: str  # id of the line of the plan
    analysis: Analysis
    estimand_id: str
    estimand: Estimand
    floor: float | None = None
    choices: tuple[tuple[str, str], ...] = ()  # what was varied, in words
    added: bool = False  # not in the plan: proportions shown beside an effect


def planned_fits(protocol: Protocol) -> Iterator[PlannedFit]:
    """Every fit of the plan in the order of the file; after each line its variations and, once, arm proportions."""
    described: set[str] = set()
    analyses = protocol.model.analyses
    for line in analyses.values():
        if line.estimator == "proportion":
            described.add(protocol.model.estimands[line.estimand].endpoint)
    for id, analysis in analyses.items():
        estimand = protocol.model.estimands[analysis.estimand]
        analysis = with_level(protocol, id, with_effect_at(protocol, analysis))
        yield PlannedFit(id, id, analysis, analysis.estimand, estimand)
        endpoint = protocol.model.endpoints[estimand.endpoint]
        yield from _variations(id, analysis, estimand, endpoint.floor if endpoint.kind == "score" else None)
        has_share = endpoint.shape in ESTIMATORS["proportion"].needs
        if has_share and estimand.endpoint not in described and estimand.interaction is None:
            described.add(estimand.endpoint)
            extra = Analysis.model_validate(
                {
                    "estimand": analysis.estimand,
                    "estimator": "proportion",
                    "level": "supportive",
                    **({"analysis-set": analysis.analysis_set} if analysis.analysis_set else {}),
                    **({"missed": analysis.missed} if analysis.missed else {}),
                }
            )
            yield PlannedFit(f"{id}.proportion", id, extra, analysis.estimand, estimand, added=True)


def with_effect_at(protocol: Protocol, analysis: Analysis) -> Analysis:
    """The line of the plan with the moment of an interaction's effect, by the default of the file's version."""
    if not analysis.has_interaction or analysis.effect_at is not None:
        return analysis
    of_old = protocol.model.equipoise == 1 and analysis.time == "interaction"
    return analysis.model_copy(update={"effect_at": "midpoint" if of_old else "last"})


def with_level(protocol: Protocol, id: str, analysis: Analysis) -> Analysis:
    """The line of the plan with the familywise level, where it is a hypothesis and states none of its own."""
    shared = protocol.model.multiplicity
    own = analysis.alpha_one_sided is not None or analysis.alpha_two_sided is not None
    if shared is None or own or id not in shared.names:
        return analysis
    return analysis.model_copy(
        update={"alpha_one_sided": shared.alpha_one_sided, "alpha_two_sided": shared.alpha_two_sided}
    )


def _variations(id: str, analysis: Analysis, estimand: Estimand, own_floor: float | None) -> Iterator[PlannedFit]:
    vary = analysis.vary
    if vary is None:
        return
    axes: list[list[tuple[str, object]]] = []
    for name in ("ties", "time_unit", "covariates", "missed", "floor", "endpoint"):
        values = getattr(vary, name)
        if values:
            axes.append([(name, value) for value in values])
    for combination in itertools.product(*axes):
        chosen = dict(combination)
        floor = chosen.pop("floor", None)
        endpoint = chosen.pop("endpoint", None)
        same_floor = floor is None or floor == own_floor
        same_endpoint = endpoint is None or endpoint == estimand.endpoint
        if same_floor and same_endpoint and all(getattr(analysis, k) == v for k, v in chosen.items()):
            continue  # the main analysis itself
        changed = analysis.model_copy(update={**chosen, "vary": None, "level": "sensitivity", "prespecified": False})
        words = tuple((name.replace("_", "-"), _choice_words(value)) for name, value in combination)
        yield PlannedFit(
            f"{id}[{','.join(f'{name}={text}' for name, text in words)}]",
            id,
            changed,
            analysis.estimand,
            estimand.model_copy(update={"endpoint": endpoint}) if endpoint else estimand,
            floor=float(floor) if isinstance(floor, (int, float)) else None,
            choices=words,
        )


def _choice_words(value: object) -> str:
    if isinstance(value, tuple):
        return "+".join(map(str, value)) or "none"
    return f"{value:g}" if isinstance(value, float) else str(value)


class Plan:
    """The plan on one lattice: endpoints are derived once for each rule and kept."""

    def __init__(self, protocol: Protocol, lattice: Lattice, *, raise_sets: bool = False) -> None:
        self.protocol = protocol
        self.lattice = lattice
        self._stages: dict[int, Lattice] = {1: lattice}
        self._derived: dict[tuple[str, str | None, float | None, int], Derived] = {}
        self._completions = Completions(raise_sets=raise_sets)
        self._compared: dict[tuple[object, ...], Comparison] = {}

    def lattice_of(self, planned: PlannedFit) -> Lattice:
        """The lattice of the participants randomized in the stage that is compared, by default the first."""
        return self._lattice_of_stage(self._stage(planned))

    def _lattice_of_stage(self, number: int) -> Lattice:
        if number not in self._stages:
            self._stages[number] = read_lattice(self.protocol, self.lattice.records, stage=number)
        return self._stages[number]

    def derived_in_its_stage(self, endpoint: str) -> Derived:
        """The endpoint under its own rules, of the participants of the stage that it is looked at in."""
        number = stage_of_endpoint(self.protocol, endpoint)
        lattice = self._lattice_of_stage(number)
        return self.derived(endpoint, lattice=lattice if lattice.n else self.lattice)

    def _stage(self, planned: PlannedFit) -> int:
        if planned.estimand.stage is not None:
            return list(self.protocol.model.stages).index(planned.estimand.stage) + 1
        group = planned.analysis.analysis_set
        return self.protocol.model.analysis_sets[group].stage if group is not None else 1

    def derived(
        self, endpoint: str, missed: str | None = None, floor: float | None = None, *, lattice: Lattice | None = None
    ) -> Derived:
        """The endpoint under its own rules, or under those that replace them."""
        chosen = self.lattice if lattice is None else lattice
        number = next(number for number, known in self._stages.items() if known is chosen)
        key = (endpoint, missed, floor, number)
        if key not in self._derived:
            self._derived[key] = derive_endpoint(chosen, endpoint, missed=missed, floor=floor)
        return self._derived[key]

    def derived_for(self, planned: PlannedFit) -> Derived:
        """The endpoint of one fit: its stage, the rules that it replaces, the estimand's strategies carried out."""
        lattice = self.lattice_of(planned)
        estimand, missed = planned.estimand, planned.analysis.missed
        if missed in BY_ARM:
            bad, good = (
                self.derived(estimand.endpoint, rule, planned.floor, lattice=lattice)
                for rule in ("is-use", "is-no-use")
            )
            worse = experimental_rows(self.protocol, estimand, lattice.participants.arm)
            derived = combine_cases(bad, good, worse if missed == "worst-case" else ~worse)
        else:
            derived = self.derived(estimand.endpoint, missed, planned.floor, lattice=lattice)
        return apply_strategies(derived, lattice, estimand)

    def compared(self, planned: PlannedFit) -> Comparison:
        """The rows that one fit compares; lines that compare the same rows share them."""
        analysis, estimand = planned.analysis, planned.estimand
        treatments = estimand.treatments
        sides = (treatments.experimental, treatments.reference, estimand.factor, estimand.interaction)
        within = estimand.endpoint if self.protocol.is_within(estimand) else None
        grouping = (analysis.covariates, analysis.strata, analysis.random)
        key = (self._stage(planned), *sides, analysis.analysis_set, *grouping, within)
        if key not in self._compared:
            self._compared[key] = compare(self.protocol, self.lattice_of(planned), analysis, estimand)
        return self._compared[key]

    def fit(self, planned: PlannedFit) -> list[Outcome]:
        """The outcomes of one fit of the plan (several rows where it has one an arm, or a fallback).

        Where the estimand has a margin they are held against it.
        """
        endpoint = self.protocol.model.endpoints[planned.estimand.endpoint]
        bounds = margins_of(planned.estimand, endpoint)
        outcomes = hold_against(self._fit(planned), bounds, float(planned.analysis.ci_level))
        return decide_by_probability(outcomes, planned.analysis, endpoint)

    def _fit(self, planned: PlannedFit) -> list[Outcome]:
        analysis, estimand = planned.analysis, planned.estimand
        lattice = self.lattice_of(planned)
        comparison = self.compared(planned)
        fit = FITS[analysis.estimator]
        if analysis.imputation is not None:
            if analysis.imputation.variance != "rubin":
                return fit_repeated_sampling(lattice, comparison, analysis, estimand, planned.floor, fit)
            return fit_imputed(lattice, comparison, analysis, estimand, planned.floor, fit, self._completions)
        return fit(self.derived_for(planned), comparison, analysis)
