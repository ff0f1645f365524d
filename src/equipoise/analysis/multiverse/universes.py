"""The multiverse: every definition by every missing rule by every estimator that suits, the planned one marked.

What is varied is the discretion of an analyst, not the data. The rows are not independent tests, and their number
against a threshold proves nothing; they show how far the answer rests on choices.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from equipoise.analysis.estimate import Estimate
from equipoise.analysis.multiverse.definitions import LIBRARY, definitions_of, is_about_use, main_line
from equipoise.analysis.plan import PlannedFit
from equipoise.endpoints.patterns.library import require_definition
from equipoise.protocol import Protocol
from equipoise.protocol.language.analysis import Analysis, Estimand
from equipoise.protocol.language.endpoints import Endpoint
from equipoise.protocol.vocabulary.endpoint_kinds import SHAPES
from equipoise.protocol.vocabulary.estimators import ESTIMATORS, Estimator, estimators_for, measured
from equipoise.protocol.vocabulary.scales import SCALES, is_better_above

OWN_RULE, IMPUTED = "own rule", "multiple imputation"
CAUTION = (
    "These rows are one data set looked at in many ways. They are not independent tests, most were not planned, and "
    "counting those below a threshold is no evidence. They show how far the answer rests on choices."
)


@dataclass(frozen=True)
class Universe:
    """One way of analysing: its choices, and what it gave."""

    id: str
    definition: str
    label: str
    kind: str
    library: bool
    rule: str
    estimator: str
    covariates: str
    scale: str | None
    estimate: float | None
    ci_lower: float | None
    ci_upper: float | None
    p_value: float | None
    arm: str
    reference: str
    favours: str | None
    n_analysed: int | None
    planned: str | None  # the line of the plan that it is, if it is one
    prespecified: bool
    published: bool
    warnings: tuple[str, ...]
    analysis_set: str | None = None  # everybody randomized where there is none
    unit: str = ""  # of a difference of means; a ratio or a share has none

    def as_row(self) -> dict[str, Any]:
        """Plain values, warnings as a list."""
        return {**asdict(self), "warnings": list(self.warnings)}


@dataclass(frozen=True)
class Multiverse:
    """Every universe of a trial, in the order of choices."""

    protocol: str
    title: str
    arm: str
    reference: str
    origin: str
    provenance: dict[str, Any]
    universes: tuple[Universe, ...]
    left_out: tuple[tuple[str, str], ...]  # id and why there is no row
    not_applicable: tuple[tuple[str, str], ...] = ()  # definitions of the library and why they are not the trial's
    is_private: bool = False  # made from a data cut of a running trial

    def count(self) -> dict[str, int]:
        """How many rows with an estimate favour each arm, and how many have limits on one side of no effect."""
        rows = [u for u in self.universes if u.estimate is not None]
        counted = Counter(u.favours for u in rows if u.favours)
        clear = Counter(u.favours for u in rows if u.favours and u.p_value is not None and u.p_value < 0.05)
        return {
            "rows": len(self.universes),
            "with_an_estimate": len(rows),
            "planned": sum(u.planned is not None for u in self.universes),
            "prespecified": sum(u.prespecified for u in self.universes),
            **{f"favours {name}": counted[name] for name in (self.arm, self.reference)},
            **{f"favours {name}, p < 0.05": clear[name] for name in (self.arm, self.reference)},
        }

    def count_definitions(self) -> dict[str, dict[str, int]]:
        """By kind of value: definitions, whom each favours under its own missing rule, and how many change sides.

        A definition is counted once, however many estimators it was tried with: for an arm where every one of them
        favours it. ``changes_side`` counts definitions for which another rule or estimator favours the other arm.
        """
        out: dict[str, dict[str, int]] = {}
        for kind in SHAPES.values():
            mine = [u for u in self.universes if u.kind == kind]
            own: dict[str, set[str]] = {u.definition: set() for u in mine}
            every: dict[str, set[str]] = {u.definition: set() for u in mine}
            for u in mine:
                if u.favours is not None:
                    every[u.definition].add(u.favours)
                    if u.rule == OWN_RULE:
                        own[u.definition].add(u.favours)
            if mine:
                found = Counter(next(iter(side)) for side in own.values() if len(side) == 1)
                out[kind] = {
                    "definitions": len(own),
                    **{f"favours {name}": found[name] for name in (self.arm, self.reference)},
                    "changes_side": sum(len(side) == 2 for side in every.values()),
                }
        return out


def _group(protocol: Protocol, endpoint: str, main: Analysis) -> str | None:
    """The analysis set of an endpoint: the main analysis's, or that of the stage in which the plan analyses it."""
    for analysis in protocol.model.analyses.values():
        group = analysis.analysis_set
        if protocol.model.estimands[analysis.estimand].endpoint == endpoint:
            return group if group and protocol.model.analysis_sets[group].stage > 1 else main.analysis_set
    return main.analysis_set


def _suited(endpoint: Endpoint, *, from_library: bool) -> list[Estimator]:
    """Estimators of an effect that an endpoint is tried with; definitions of the library get one a measure."""
    if from_library:
        return [row for row in ESTIMATORS.values() if endpoint.shape in row.library]
    # What is borrowed belongs to one endpoint of the plan: earlier studies did not measure its other definitions.
    return [row for row in estimators_for(endpoint.shape, endpoint.traits) if row.role == "effect" and not row.borrows]


def _groups(protocol: Protocol, endpoint: str, main: Analysis) -> list[str | None]:
    """The analysis sets that an endpoint is tried in.

    Of use it is one, since definitions and rules are many; of another outcome every set of the plan, and everybody.
    """
    own = _group(protocol, endpoint, main)
    if is_about_use(protocol, main):
        return [own]
    sets = protocol.model.analysis_sets
    stage = sets[own].stage if own else 1
    others = [name for name, entry in sets.items() if entry.stage == stage]
    return list(dict.fromkeys([own, *([None] if stage == 1 else []), *others]))


# What a line says of its model that a universe of another estimator, with the same option, keeps.
_OF_THE_MODEL = (
    "time",
    "effect-at",
    "visit",
    "random-slope",
    "nodes",
    "time-unit",
    "covariance",
    "covariance-by-arm",
    "strata",
    "random",
)
# Of lines on use what does not hang on visits or units of time, which each definition has of its own.
_OF_USE = ("time", "random-slope", "nodes", "strata", "random")


def _model_options(
    main: Analysis, estimator: Estimator, covariates: tuple[str, ...], *, of_use: bool
) -> dict[str, Any]:
    """Options of the main line that suit the estimator; a method and a rule for ties belong to its own alone."""
    names = [*_OF_THE_MODEL, *(("method", "ties") if estimator.id == main.estimator else ())]
    stated = main.model_dump(by_alias=True, exclude_unset=True)
    kept = _OF_USE if of_use else names
    out = {name: stated[name] for name in kept if name in stated and name in estimator.options}
    by_visit = tuple(name for name in main.covariates_by_visit if name in covariates)
    if by_visit and "covariates-by-visit" in estimator.options:
        out["covariates-by-visit"] = by_visit
    return out


def planned_universes(
    protocol: Protocol, *, sets: int = 20, line: str | None = None
) -> Iterator[tuple[PlannedFit, str]]:
    """Every fit of the multiverse with its missing rule in words; ``protocol`` holds the library's endpoints too."""
    _, main = main_line(protocol, line)
    asked = protocol.model.estimands[main.estimand]
    of_use = is_about_use(protocol, main)
    horizons = [a.horizon for a in protocol.model.analyses.values() if a.horizon is not None]
    for id in definitions_of(protocol, main):
        endpoint = protocol.model.endpoints[id]
        rules = [OWN_RULE, *sorted(rule for rule in endpoint.missing_rules if endpoint.takes_rule(rule))]
        # An endpoint that states no rule leaves what is missing as it is; a run of weeks has its own.
        own = getattr(endpoint, "missed", None) or (None if of_use else "is-missing")
        rules = [rule for rule in rules if rule != own]
        if endpoint.kind == "pattern" and endpoint.definition and require_definition(endpoint.definition).contact:
            rules = [OWN_RULE]  # who stayed in contact is not for a rule about use to say
        if endpoint.why_not_imputed() is None:
            rules.append(IMPUTED)
        # While-on-treatment and the like belong to the estimand of the plan, where this endpoint has one.
        mine = next((e for e in protocol.model.estimands.values() if e.endpoint == id), None)
        intercurrent = mine.intercurrent if mine is not None else {}
        groups = _groups(protocol, id, main)
        for estimator in sorted(row.id for row in _suited(endpoint, from_library=id.startswith(LIBRARY))):
            row = ESTIMATORS[estimator]
            sets_of_covariates: list[tuple[str, ...]] = [()]
            if main.covariates and "covariates" in row.options:
                sets_of_covariates.append(main.covariates)
            for rule, covariates, group in itertools.product(rules, sets_of_covariates, groups):
                if rule == IMPUTED and not row.imputable:
                    continue
                values: dict[str, Any] = {"estimand": main.estimand, "estimator": estimator, "covariates": covariates}
                values |= _model_options(main, row, covariates, of_use=of_use)
                if rule == IMPUTED and "random" in values:
                    continue  # imputed sets are not analysed with a random site
                if "horizon" in row.options:
                    if not horizons:
                        continue
                    values["horizon"] = min(horizons)
                if rule == IMPUTED:
                    values["imputation"] = {"sets": sets, "seed": 1, "model": "pooled"}
                elif rule != OWN_RULE:
                    values["missed"] = rule
                if group is not None:
                    values["analysis-set"] = group
                estimand = asked.model_copy(
                    update={
                        "endpoint": id,
                        "summary": measured(row, logarithm=endpoint.analyses_logarithm).summary,
                        "intercurrent": intercurrent,
                        "stage": mine.stage if mine is not None else asked.stage,
                    }
                )
                words = ["+".join(covariates) or "none", *([group or "everybody"] if len(groups) > 1 else [])]
                yield (
                    PlannedFit(
                        " | ".join([id, rule, estimator, *words]),
                        id,
                        Analysis.model_validate(values),
                        main.estimand,
                        estimand,
                    ),
                    rule,
                )


# Visits whose covariance can be fitted again and again, for every rule and imputed data set: above it takes minutes.
_MOST_VISITS = 20


def why_not_tried(protocol: Protocol, planned: PlannedFit, main: Analysis) -> str | None:
    """Why a universe is not worth a fit; the main line's own endpoint has every estimator that its plan asks for."""
    estimand = protocol.model.estimands[main.estimand]
    is_asked = planned.analysis.estimator == main.estimator and planned.estimand.endpoint == estimand.endpoint
    if planned.analysis.estimator != "mmrm" or is_asked:
        return None
    n = len(protocol.result_days(protocol.model.endpoints[planned.estimand.endpoint]))
    if n <= _MOST_VISITS:
        return None
    return (
        f"{n} visits: a mixed model for repeated measures is tried at up to {_MOST_VISITS}, or where the line is one."
    )


def line_of(protocol: Protocol, planned: PlannedFit) -> str | None:
    """The line of the plan that a universe is, if it is one."""
    for id, analysis in protocol.model.analyses.items():
        estimand = protocol.model.estimands[analysis.estimand]
        same = (
            estimand.endpoint == planned.estimand.endpoint
            and set(estimand.treatments.names) == set(planned.estimand.treatments.names)
            and analysis.estimator == planned.analysis.estimator
            and set(analysis.covariates) == set(planned.analysis.covariates)
            and analysis.missed == planned.analysis.missed
            and (analysis.imputation is None) == (planned.analysis.imputation is None)
            and not (analysis.imputation and any(analysis.imputation.delta.values()))
            and analysis.analysis_set == planned.analysis.analysis_set
            and _same_model(protocol, analysis, planned.analysis)
        )
        if same:
            return id
    return None


def _same_model(protocol: Protocol, analysis: Analysis, other: Analysis) -> bool:
    """Whether time, visit and random effects are taken alike; methods of lines on use are the universes' own."""
    names: tuple[str, ...] = (*_OF_USE, "effect-at")
    if not is_about_use(protocol, analysis):
        names = (*_OF_THE_MODEL, "covariates-by-visit", "method", "ties")
    return all(getattr(analysis, name) == getattr(other, name) for name in (n.replace("-", "_") for n in names))


def favoured(protocol: Protocol, estimand: Estimand, estimate: Estimate) -> str | None:
    """The arm that an estimate favours; ``None`` at no effect or without an estimate."""
    if estimate.estimate is None or estimate.reference is None:
        return None
    is_better = is_better_above(estimate.scale, protocol.model.endpoints[estimand.endpoint])
    none = SCALES[estimate.scale].no_effect
    if estimate.estimate == none:
        return None
    return estimate.arm if (estimate.estimate > none) == is_better else estimate.reference
