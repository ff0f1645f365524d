"""The protocol: one frozen value with everything that was promised."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, model_validator

from equipoise.foundation.hashing import sha256_value
from equipoise.protocol.language.analysis import (
    Analysis,
    AnalysisSet,
    Assumptions,
    AssuranceCase,
    Estimand,
    Published,
    Remark,
)
from equipoise.protocol.language.conduct import Conduct
from equipoise.protocol.language.design import (
    Arm,
    Assessment,
    BaselineVariable,
    Calendar,
    Eligibility,
    Factor,
    Randomization,
    Source,
    Stage,
    Trial,
    Visit,
)
from equipoise.protocol.language.endpoints import Endpoint, Use
from equipoise.protocol.language.facts import LATER, Fact, Frozen, Id, Later, Sourced
from equipoise.protocol.language.instruments import OwnInstrument
from equipoise.protocol.language.interventions import BehaviouralIntervention, DrugIntervention, Intervention
from equipoise.protocol.language.looks import PlannedLooks
from equipoise.protocol.language.multiplicity import Multiplicity

LANGUAGE_VERSION = 2
# Version 2 differs in defaults alone: where nothing is said, the effect of `time: interaction` is that at the last
# planned visit (in version 1 halfway between the first and the last), and `baseline` of a score must be made use of.


class PlannedVisit(Frozen):
    """One visit of the schedule, its series resolved."""

    name: str
    series: str
    target_day: int
    first_day: int
    last_day: int
    assess: tuple[str, ...]
    stage: str | None = None
    without_row: str = "missed"


class ProtocolModel(Frozen):
    """The whole file."""

    equipoise: Literal[1, 2] = Field(description="Version of the language.")
    trial: Trial = Field(description="Identity and registration.")
    sources: Mapping[Id, Source] = Field({}, description="Texts that facts are taken from, cited by id.")
    sites: tuple[Id, ...] = Field((), description="Sites, if there are several.")
    calendar: Calendar = Field(description="Study days and epochs.")
    interventions: Mapping[Id, Intervention] = Field(min_length=1, description="What is given, by name.")
    factors: Mapping[Id, Factor] = Field({}, description="Factors of a factorial trial.")
    arms: Mapping[Id, Arm] = Field(min_length=1, description="Arms, the reference first.")
    stages: Mapping[Id, Stage] = Field({}, description="Stages, if arms change within the trial.")
    eligibility: Eligibility = Field(description="Who may enter.")
    randomization: Randomization | None = Field(description="Null for a programme without randomization.")
    baseline: Mapping[Id, BaselineVariable] = Field({}, description="Variables measured before randomization.")
    assessments: Mapping[Id, Assessment] = Field({}, description="What is measured or asked.")
    instruments: Annotated[Mapping[Id, OwnInstrument], LATER] = Field(
        {}, description="Instruments that the library lacks, by the name that assessments and records use."
    )
    schedule: Mapping[Id, Visit] = Field(min_length=1, description="Visits and what happens at them.")
    conduct: Conduct = Field(Conduct(), description="What the running trial needs beyond the design.")
    use: Mapping[Id, Use] = Field({}, description="What counts as use.")
    endpoints: Mapping[Id, Endpoint] = Field(min_length=1, description="Variables, one value per participant.")
    analysis_sets: Mapping[Id, AnalysisSet] = Field({}, description="Whose data enter an analysis.")
    estimands: Mapping[Id, Estimand] = Field({}, description="The questions.")
    analyses: Mapping[Id, Analysis] = Field({}, description="The statistical analysis plan, one entry per analysis.")
    multiplicity: Annotated[Multiplicity | None, LATER] = Field(
        None, description="How one level is shared by several hypotheses; without it p values are not adjusted."
    )
    looks: Annotated[PlannedLooks | None, LATER] = Field(
        None, description="Looks at the results before the end; without it the plan is carried out once, at the end."
    )
    published: Mapping[Id, Published] = Field(
        {}, description="Published results, to compare with the results obtained."
    )
    assumptions: Mapping[Id, Assumptions] = Field({}, description="Scenarios to simulate, by name.")
    remarks: tuple[Remark, ...] = Field((), description="Points that a reader of the results should know.")
    assurance: tuple[AssuranceCase, ...] = Field((), description="Fictional participants; run by `equipoise check`.")

    @model_validator(mode="before")
    @classmethod
    def _bare_simple(cls, value: Any) -> Any:
        """``assumptions: {simple: {abstinence: ...}}`` is one set, called simple, at that level."""
        sets = value.get("assumptions") if isinstance(value, Mapping) else None
        if not isinstance(sets, Mapping) or not isinstance(sets.get("simple"), Mapping):
            return value
        keys = {(field.alias or name) for name, field in Assumptions.model_fields.items()}
        if keys & set(sets["simple"]):
            return value
        beside = {key: sets[key] for key in ("attrition", "between-endpoints", "n") if key in sets}
        rest = {key: entry for key, entry in sets.items() if key not in beside}
        return {**value, "assumptions": {**rest, "simple": {"simple": sets["simple"], **beside}}}

    @property
    def recorded_baseline(self) -> Mapping[Id, BaselineVariable]:
        """Baseline variables that are recorded by themselves: all but scores of assessments."""
        return {id: variable for id, variable in self.baseline.items() if not variable.is_score}


class Protocol:
    """A protocol as it was read: the typed model, the place of each part in its file, and its hashes.

    ``hash`` is SHA-256 over the canonical resolved model, the order of the arms and the library definitions that the
    file names (``definitions``): comments, layout, the order of keys and explicit defaults do not change it, anything
    else does. The order of arms matters (the reference comes first); that of other mappings does not.
    ``file_hash`` is that of the file's text.

    >>> protocol.id, protocol.arm_label("triple")
    ('smoking-cessation', 'Triple combination')
    >>> [place for place, _ in protocol.unknown()][:2]
    ['trial.masking', 'randomization.scheme']

    >>> protocol.id, protocol.arm_label("triple")
    ('smoking-cessation', 'Triple combination')
    >>> [place for place, _ in protocol.unknown()][:2]
    ['trial.masking', 'randomization.scheme']
    """

    def __init__(
        self,
        model: ProtocolModel,
        *,
        lines: Any = None,
        path: Path | None = None,
        text: str = "",
        definitions: Mapping[str, Any] | None = None,
    ) -> None:
        from equipoise.foundation.hashing import sha256_text

        self.model = model
        self.definitions = dict(definitions or {})
        self.lines = lines
        self.path = path
        self.text = text
        self.file_hash = sha256_text(text)

    def with_definitions(self, definitions: Mapping[str, Any]) -> Protocol:
        """The same protocol with the library definitions that it names; they enter its hash."""
        return Protocol(self.model, lines=self.lines, path=self.path, text=self.text, definitions=definitions)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name == "model":
            raise AttributeError(name)
        return getattr(self.model, name)

    @cached_property
    def hash(self) -> str:
        """SHA-256 of the canonical resolved model, the order of its arms, and the library definitions it names."""
        value = {"protocol": self.resolved, "arms-in-order": list(self.arm_ids)}
        return sha256_value({**value, "definitions": self.definitions} if self.definitions else value)

    @cached_property
    def resolved(self) -> dict[str, Any]:
        """The model as plain values, keys as in the file; what the hash is taken over."""
        return dict(_without_later_defaults(self.model, self.model.model_dump(mode="json", by_alias=True)))

    @property
    def id(self) -> str:
        """Name of the trial."""
        return self.model.trial.id

    @property
    def arm_ids(self) -> tuple[str, ...]:
        """Arms in the order of the file, with the reference first."""
        return tuple(self.model.arms)

    def arm_label(self, arm: str) -> str:
        """Name of an arm for readers."""
        entry: Any = self.model.arms.get(arm)
        if entry is None and self.model.trial.design == "crossover":
            entry = self.model.interventions.get(arm)
        return (entry.label if entry is not None else None) or arm

    def gives_on(self, arm: str, intervention: str, day: int) -> bool:
        """Whether an arm includes an intervention on a study day: always, or in the stages whose list names it."""
        gives = self.model.arms[arm].gives
        if not isinstance(gives, Mapping):
            return intervention in gives
        stages = [self.model.stages[stage] for stage, names in gives.items() if intervention in names]
        return any(stage.day_1 is None and stage.days.first <= day <= stage.days.last for stage in stages)

    def is_within(self, estimand: Any) -> bool:
        """Whether interventions of a crossover are compared within participants; its arms are their sequences."""
        first = estimand.treatments.experimental
        model = self.model
        return (
            model.trial.design == "crossover"
            and estimand.factor is None
            and first in model.interventions
            and first not in model.arms
        )

    def treatments_by_period(self, estimand: Any) -> dict[str, dict[str, str]]:
        """By arm, the treatment in each stage: one of those compared, or the names of what else that stage gives.

        What every stage of every arm gives (a therapy throughout) is no treatment of a period.
        """
        rows: dict[str, dict[str, tuple[str, ...]]] = {
            id: {stage: tuple(names) for stage, names in arm.gives.items()} if isinstance(arm.gives, Mapping) else {}
            for id, arm in self.model.arms.items()
        }
        cells = [set(names) for row in rows.values() for names in row.values()]
        common = set.intersection(*cells) if cells else set()
        compared = set(estimand.treatments.names)
        out: dict[str, dict[str, str]] = {}
        for id, row in rows.items():
            out[id] = {}
            for stage, names in row.items():
                rest = [name for name in names if name not in common]
                mine = [name for name in rest if name in compared]
                out[id][stage] = mine[0] if len(mine) == 1 else "+".join(sorted(rest))
        return out

    def endpoint_label(self, endpoint: str) -> str:
        """Short name of an endpoint for readers."""
        entry = self.model.endpoints.get(endpoint)
        return (entry.label if entry is not None else None) or endpoint.replace("-", " ")

    @cached_property
    def planned_visits(self) -> tuple[PlannedVisit, ...]:
        """Every visit of the schedule in the order of days."""
        out = []
        for series, visit in self.model.schedule.items():
            before = visit.window.days_before if visit.window else 0
            after = visit.window.days_after if visit.window else 0
            for name, day in zip(visit.names(series), visit.target_days, strict=True):
                first, last = _shift(day, -before), _shift(day, after)
                out.append(
                    PlannedVisit.model_construct(
                        name=name,
                        series=series,
                        target_day=day,
                        first_day=first,
                        last_day=last,
                        assess=visit.assess,
                        stage=visit.stage,
                        without_row=visit.without_row,
                    )
                )
        return tuple(sorted(out, key=lambda visit: visit.target_day))

    def result_days(self, endpoint: Any) -> dict[str, int]:
        """For an endpoint with several results: the name of each and its study day; empty if a name is undefined."""
        if endpoint.kind == "use-by-day":
            return {f"day-{day}": day for day in endpoint.days.range}
        if endpoint.kind == "use-by-week":
            n_weeks = len(endpoint.days.range) // 7
            return {f"week-{k + 1}": _shift(endpoint.days.first, 7 * k) for k in range(n_weeks)}
        if endpoint.kind == "event-count" and endpoint.period_days is not None:
            return {
                f"period-{k + 1}": _shift(endpoint.days.first, endpoint.period_days * k)
                for k in range(endpoint.n_periods)
            }
        at = getattr(endpoint, "at", None)
        if at is None or at not in self.model.schedule:
            return {}
        return {visit.name: visit.target_day for visit in self.series(at)}

    def series(self, name: str) -> tuple[PlannedVisit, ...]:
        """The visits of one entry of the schedule, in order."""
        return tuple(visit for visit in self.planned_visits if visit.series == name)

    def assumption_set(self, name: str) -> Assumptions:
        """A set of assumptions, completed from the set that it extends."""
        chosen = self.model.assumptions[name]
        if chosen.extends is None:
            return chosen
        base = self.assumption_set(chosen.extends)
        return chosen.model_copy(
            update={
                "model": chosen.model or base.model,
                "n": {**base.n, **chosen.n},
                "baseline": _merged(base.baseline, chosen.baseline),
                "parameters": _merged(base.parameters, chosen.parameters),
                "simple": _merged(base.simple, chosen.simple),
                "parts": _merged(base.parts, chosen.parts),
                "attrition": base.attrition if chosen.attrition is None else chosen.attrition,
                "between_endpoints": chosen.between_endpoints
                if "between_endpoints" in chosen.model_fields_set
                else base.between_endpoints,
                "basis": chosen.basis or base.basis,
            }
        )

    def facts(self) -> Iterator[tuple[tuple[str | int, ...], Fact[Any]]]:
        """Every fact of the file with its path, in file order."""
        yield from _walk_facts(self.model, ())

    def unknown(self) -> list[tuple[str, Fact[Any]]]:
        """Facts that the file states as null, with their place; the report lists them."""
        from equipoise.protocol.text.yaml_lines import place

        out = []
        for path, fact in self.facts():
            stated = self.lines is None or tuple(path) in self.lines.keys
            if not fact.is_known and stated:
                out.append((place(path), fact))
        eligibility = self.model.eligibility
        nothing: Fact[Any] = Fact(value=None, note=eligibility.note)
        if eligibility.include is None:
            out.append(("eligibility.include", nothing))
        if eligibility.exclude is None:
            out.append(("eligibility.exclude", nothing))
        return out

    def assumed(self) -> list[tuple[str, Sourced]]:
        """Parts of the file that were assumed, with their place; the report lists them."""
        from equipoise.protocol.text.yaml_lines import place

        out: list[tuple[str, Sourced]] = []
        for path, part in _walk_sourced(self.model, ()):
            is_assumed = part.status == "assumed" or (isinstance(part, Fact) and part.assumed is not None)
            if is_assumed:
                out.append((place(path), part))
        return out

    def __repr__(self) -> str:
        return f"<Protocol {self.id}: {self.model.trial.title}>"

    def _repr_html_(self) -> str:
        from html import escape

        arms = ", ".join(escape(self.arm_label(arm)) for arm in self.arm_ids)
        return (
            f"<p><strong>{escape(self.model.trial.title)}</strong><br>protocol <code>{self.id}</code>, "
            f"hash <code>{self.hash[:12]}</code></p><p>Arms: {arms}. "
            f"{len(self.model.endpoints)} endpoints, {len(self.model.analyses)} analyses.</p>"
        )


def baseline_is_used(protocol: Protocol, id: str) -> bool:
    """Whether something is made of the `baseline` of a score: it is what a change counts from, or a covariate.

    A covariate must stand in every analysis of the endpoint: in one that leaves it out the key would promise in vain.
    """
    model = protocol.model
    endpoint: Any = model.endpoints[id]
    if endpoint.value != "score":
        return True
    scores = {
        name
        for name, variable in model.baseline.items()
        if (variable.from_, variable.visit) == (endpoint.assessment, endpoint.baseline)
        and (variable.scale == endpoint.scale or (variable.scale is None and endpoint.scale in ("total", "score")))
    }
    lines = [a for a in model.analyses.values() if a.estimand in model.estimands]
    mine = [a for a in lines if model.estimands[a.estimand].endpoint == id]
    return bool(mine) and all(scores & set(a.covariates) for a in mine)


def _without_later_defaults(part: Any, plain: Any) -> Any:
    """``plain`` (``part`` as plain values) less the keys of later versions of the language that say nothing."""
    if isinstance(part, BaseModel) and isinstance(plain, dict):
        fields = {name: (field.alias or name, field) for name, field in type(part).model_fields.items()}
        unsaid = {
            alias
            for name, (alias, field) in fields.items()
            if any(isinstance(mark, Later) for mark in field.metadata)
            and getattr(part, name) == field.get_default(call_default_factory=True)
        }
        return {
            alias: _without_later_defaults(getattr(part, name), plain[alias])
            for name, (alias, _) in fields.items()
            if alias in plain and alias not in unsaid
        }
    if isinstance(part, Mapping) and isinstance(plain, dict) and len(part) == len(plain):
        return {key: _without_later_defaults(old, plain[key]) for key, old in zip(plain, part.values(), strict=True)}
    if isinstance(part, (list, tuple)) and isinstance(plain, list):
        return [_without_later_defaults(old, new) for old, new in zip(part, plain, strict=True)]
    return plain


def _shift(day: int, by: int) -> int:
    from equipoise.foundation.calendar import day_index, study_day

    return study_day(day_index(day) + by)


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    out = dict(base)
    for key, value in over.items():
        old = out.get(key)
        out[key] = _merged(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return out


def _walk_sourced(part: Any, path: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], Sourced]]:
    if isinstance(part, BaseModel):
        if isinstance(part, Sourced):
            yield path, part
        for name, field in type(part).model_fields.items():
            yield from _walk_sourced(getattr(part, name), (*path, field.alias or name))
    elif isinstance(part, Mapping):
        for key, value in part.items():
            yield from _walk_sourced(value, (*path, key))
    elif isinstance(part, (list, tuple)):
        for position, value in enumerate(part):
            yield from _walk_sourced(value, (*path, position))


def _walk_facts(part: Any, path: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], Fact[Any]]]:
    for where, found in _walk_sourced(part, path):
        if isinstance(found, Fact):
            yield where, found


__all__ = [
    "LANGUAGE_VERSION",
    "BehaviouralIntervention",
    "DrugIntervention",
    "PlannedVisit",
    "Protocol",
    "ProtocolModel",
]
