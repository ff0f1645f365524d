"""The trial of a protocol under a set of parts: what is there to be drawn, checked before anything is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from equipoise.foundation.calendar import day_index
from equipoise.foundation.errors import Problem, listed
from equipoise.instruments import Instrument
from equipoise.protocol import Protocol
from equipoise.protocol.language.interventions import DrugIntervention
from equipoise.protocol.language.protocol import PlannedVisit
from equipoise.records.schema import DEATH, DISPOSITION_EVENTS
from equipoise.records.trial_facts import event_terms
from equipoise.simulation.design import PlannedInfusion, PlannedTherapy
from equipoise.simulation.items import score_range
from equipoise.simulation.parts.parameters import Parts, PartsReader, ScorePart
from equipoise.simulation.planned import instruments_by_assessment, planned_doses_of, planned_therapies
from equipoise.simulation.quantities import AssumptionReader, share

ACCOMPANYING = ("dissociation", "cadss-23", "arm-guess")


@dataclass(frozen=True, kw_only=True)
class PartsScenario:
    """What the simulator of parts runs."""

    name: str
    protocol: Protocol
    arm_sizes: Mapping[str, int]
    parts: Parts
    visits: tuple[PlannedVisit, ...]
    first_index: int  # day index of the first simulated day (day 1)
    n_days: int
    doses: Mapping[str, tuple[PlannedInfusion, ...]]  # by arm
    therapies: tuple[PlannedTherapy, ...]
    instruments: Mapping[str, Instrument]  # by assessment

    @property
    def n_participants(self) -> int:
        """Participants randomized."""
        return sum(self.arm_sizes.values())

    @property
    def is_null(self) -> bool:
        """Whether nothing drawn depends on the arm."""
        shares, effects = self.parts.responders, self.parts.effects
        by_class = any(effect.of_class and (effect.by_arm.any() or effect.by_intervention) for effect in effects)
        return not any(effect.differs for effect in effects) and not (by_class and bool((shares != shares[0]).any()))

    @property
    def assumed(self) -> tuple[str, ...]:
        """Every default taken, in words."""
        return self.parts.assumed

    @property
    def randomization_day(self) -> int:
        """Study day of randomization."""
        return self.protocol.model.calendar.randomization_day or 1


def read_parts(
    protocol: Protocol, name: str, settings: Any, arm_sizes: Mapping[str, int], problems: list[Problem]
) -> PartsScenario | None:
    """A set of parts; everything that is wrong is added to ``problems``, and then there is no scenario."""
    place = f"assumptions.{name}"
    before = len(problems)
    whole = AssumptionReader(dict(settings.parts), f"{place}.parts", problems, "S050")
    whole.known(("attendance", "use", "score", "report", "events", "responders", "doses", "sessions"))
    reader = PartsReader(protocol, settings, place, problems)
    instruments = instruments_by_assessment(protocol)
    _refuse_design(protocol, problems)
    days_in_28: dict[str, float] = {}
    attendance = reader.attendance()
    use = {
        id: reader.use(id, values, days_in_28) for id, values in _group(reader, "use", _substances(protocol)).items()
    }
    scores = _scores(reader, instruments)
    reports = {id: reader.report(id, values) for id, values in _group(reader, "report", tuple(instruments)).items()}
    happens = tuple(dict.fromkeys((*DISPOSITION_EVENTS, *event_terms(protocol))))
    events = {id: reader.event(id, values) for id, values in _group(reader, "events", happens).items()}
    doses = reader.part("doses", settings.parts.get("doses", {}))
    doses.known(("stopped",))
    sessions = reader.part("sessions", settings.parts.get("sessions", {}))
    sessions.known(("held",))
    one: dict[str, Any] = {"read": share, "lowest": 0.0, "highest": 1.0, "expected": "a share"}
    responders = settings.parts.get("responders")
    shares = np.ones(len(protocol.arm_ids))
    if responders is not None:
        p = reader.part("responders", responders)
        p.known(protocol.arm_ids)
        shares = np.array([p.number(arm, **one) for arm in protocol.arm_ids])
    has_doses = any(isinstance(i, DrugIntervention) for i in protocol.model.interventions.values())
    stopped = reader.default(doses, "stopped", 0.005, **one) if has_doses else 0.0
    held = reader.default(sessions, "held", 0.94, **one) if planned_therapies(protocol) else 1.0
    reader.assumed += _not_simulated(protocol)
    parts = Parts(
        attendance=attendance,
        use=use,
        score=scores,
        report=reports,
        events=events,
        responders=shares,
        stopped_per_dose=stopped,
        session_held=held,
        lost=reader.lost,
        days_in_28=days_in_28,
        baseline={str(k): dict(v) for k, v in settings.baseline.items() if isinstance(v, Mapping)},
        assumed=tuple(reader.assumed),
        taken=dict(reader.taken),
    )
    if attendance.current_result and scores and next(iter(scores.values())).binomial:
        found = f"Dropout follows {next(iter(scores))}, which is a count out of so many: it has no standard deviation."
        where = f"{place}.parts.attendance.current-result"
        problems.append(Problem("S050", where, found, "a score by mean and sd first, or after-use"))
    _refuse_baseline(protocol, settings, place, problems)
    _refuse_missing_parts(protocol, parts, settings, place, problems)
    if len(problems) > before:
        return None
    last = max([protocol.model.calendar.last_day, *(v.target_day for v in protocol.planned_visits)])
    return PartsScenario(
        name=name,
        protocol=protocol,
        arm_sizes=dict(arm_sizes),
        parts=parts,
        visits=protocol.planned_visits,
        first_index=0,
        n_days=day_index(last) + 1,
        doses={arm: planned_doses_of(protocol, arm) for arm in protocol.arm_ids},
        therapies=planned_therapies(protocol),
        instruments=instruments,
    )


def _group(reader: PartsReader, name: str, known: tuple[str, ...]) -> dict[str, Any]:
    """Parts of one kind by name; those of what the protocol does not have are refused (S051)."""
    given = reader.settings.parts.get(name) or {}
    if not isinstance(given, Mapping):
        reader.part(name, given)
        return {}
    out = {}
    for id, values in given.items():
        if id in known:
            out[str(id)] = values
        else:
            place = f"{reader.place}.parts.{name}.{id}"
            step = "Remove it, or correct the name."
            reader.problems.append(
                Problem("S051", place, f"The protocol has no {id!r}.", listed(known, limit=20), step)
            )
    return out


def _substances(protocol: Protocol) -> tuple[str, ...]:
    names: dict[str, None] = {}
    for assessment in protocol.model.assessments.values():
        names |= dict.fromkeys(assessment.substances)
    return tuple(names)


def _scores(reader: PartsReader, instruments: Mapping[str, Instrument]) -> dict[str, ScorePart]:
    """A score for every instrument that is asked and has no part of another kind, with or without settings."""
    given = _group(reader, "score", tuple(instruments))
    others = reader.settings.parts.get("report") or {}
    asked = {id for visit in reader.protocol.planned_visits for id in visit.assess}
    out = {}
    for id, instrument in instruments.items():
        if id in others or (id not in given and (instrument.id in ACCOMPANYING or id not in asked)):
            continue
        if instrument.has_total and instrument.items:
            out[id] = reader.score(id, given.get(id, {}), score_range(instrument))
    return out


def _refuse_design(protocol: Protocol, problems: list[Problem]) -> None:
    model = protocol.model

    def refuse(place: str, found: str, expected: str) -> None:
        problems.append(Problem("S053", place, found, expected, "Import records of it, or leave it out of the file."))

    for number, (id, stage) in enumerate(model.stages.items()):
        if stage.day_1 is not None or (stage.randomizes and number > 0):
            found = (
                f"The stage {id} randomizes again, or counts days of its own; parts are drawn for one randomization."
            )
            refuse(f"stages.{id}", found, "stages on the study days of the trial")
    for id, given in model.interventions.items():
        if isinstance(given, DrugIntervention) and given.only_if is not None:
            found = f"{id} is given only if {given.only_if}: a condition in words cannot be simulated."
            refuse(f"interventions.{id}.only-if", found, "planned days")


def _not_simulated(protocol: Protocol) -> list[str]:
    """What the protocol gives and no day is known for, in words."""
    out = []
    for id, given in protocol.model.interventions.items():
        if isinstance(given, DrugIntervention):
            if not any(dose.intervention == id for arm in protocol.arm_ids for dose in planned_doses_of(protocol, arm)):
                out.append(f"no doses of {id}: the protocol states no days")
            if given.titration is not None:
                out.append(f"{id} at its stated dose throughout, not titrated")
        elif given.type == "behavioural" and not [day for day in given.session_days if day is not None]:
            out.append(f"no sessions of {id}: the protocol states no days")
    return out


def _refuse_baseline(protocol: Protocol, settings: Any, place: str, problems: list[Problem]) -> None:
    """Numbers of baseline need a mean and a standard deviation; covariates of the plan must be drawn."""
    model = protocol.model
    for id, values in settings.baseline.items():
        if id not in model.baseline and id != "weight":
            known = listed(model.baseline, limit=30)
            problems.append(Problem("S051", f"{place}.baseline.{id}", f"There is no variable {id!r}.", known))
        elif not isinstance(values, Mapping):
            problems.append(Problem("S050", f"{place}.baseline.{id}", f"Found {values!r}.", "settings of the variable"))
        elif id in model.baseline and model.baseline[id].is_score:
            found = (
                f"{id} is the score of {model.baseline[id].from_} at {model.baseline[id].visit}; that part draws it."
            )
            expected = f"parts: {{score: {{{model.baseline[id].from_}: ...}}}}"
            problems.append(Problem("S051", f"{place}.baseline.{id}", found, expected, "Remove it."))
        elif id in model.baseline and model.baseline[id].type == "number":
            p = AssumptionReader(values, f"{place}.baseline.{id}", problems, "S050")
            p.known(("mean", "sd", "lowest", "highest"))
            p.number("mean")
            p.number("sd", lowest=0)
        elif id in model.baseline:
            variable = model.baseline[id]
            p = AssumptionReader(values, f"{place}.baseline.{id}", problems, "S050")
            p.known(variable.levels or ("no", "yes"))
            for level in values:
                p.number(str(level), read=share, lowest=0, highest=1, expected="a share from 0 to 1")
    for id, line in model.analyses.items():
        for name in line.baseline_read:
            variable = model.baseline.get(name)  # type: ignore[assignment]
            is_drawn = variable is not None and variable.type == "number" and not variable.is_score
            if is_drawn and name not in settings.baseline:
                found = f"{id} reads {name}, and it has no mean and standard deviation."
                expected = f"baseline: {{{name}: {{mean: ..., sd: ...}}}}"
                problems.append(Problem("S052", f"{place}.baseline.{name}", found, expected))


def _refuse_missing_parts(protocol: Protocol, parts: Parts, settings: Any, place: str, problems: list[Problem]) -> None:
    """What an endpoint of the plan reads and no part draws (S052), each once."""
    model = protocol.model
    told: set[str] = set()

    def need(where: str, found: str, expected: str = "settings of the part") -> None:
        if where not in told:
            told.add(where)
            step = "Give it, or leave the endpoint out of the plan."
            problems.append(Problem("S052", f"{place}.parts.{where}", found, expected, step))

    for line in model.analyses.values():
        estimand = model.estimands[line.estimand]
        id, endpoint = estimand.endpoint, model.endpoints[estimand.endpoint]
        for use_id in _uses_of(endpoint):
            used = model.use[use_id]
            for substance in _flat(used.substances) | _flat(used.self_report_substances or ()):
                if substance not in parts.use:
                    need(f"use.{substance}", f"{id} reads use of {substance}, which no part draws.")
                elif used.amount is not None and parts.use[substance].amount is None:
                    expected = f"a mean in {used.amount.unit} on a day of use"
                    need(
                        f"use.{substance}.amount",
                        f"{id} counts {used.amount.unit}, and the part has no amounts.",
                        expected,
                    )
        scored = [model.baseline[name].from_ for name in line.baseline_read if name in model.baseline]
        assessment = getattr(endpoint, "assessment", None)
        by_share = endpoint.kind in ("report", "finding")
        if by_share and assessment not in parts.report:
            need(f"report.{assessment}", f"{id} reads {assessment}, which no part draws.", "a share such as 40 %")
        scored += [getattr(event, "assessment", None) for event in getattr(endpoint, "watched_events", ())]
        for name in (*([] if by_share else [assessment]), *scored):
            given = (settings.parts.get("score") or {}).get(name, {})
            for key in ("mean", "sd") if name is not None else ():
                if not isinstance(given, Mapping) or given.get(key) is None:
                    need(f"score.{name}.{key}", f"{id} reads {name}, which has no {key}.", "a number")
        for term in endpoint.event_terms:
            if term not in parts.events:
                need(f"events.{term}", f"{id} reads {term}, which no part draws.", "a hazard")
            elif endpoint.kind == "event-count" and parts.events[term].rate is None and term != DEATH:
                found = f"{id} counts {term}, and the part has a hazard: it draws the first of each participant alone."
                need(f"events.{term}.rate", found, "a rate such as 2 per 28 days, in place of the hazard")
        for event in getattr(endpoint, "watched_events", ()):
            names = set(getattr(event, "disposition", ())) - {"study_withdrawal", "lost_to_follow_up", "completion"}
            for name in sorted(names - set(parts.events) - {"treatment_discontinuation"}):
                need(f"events.{name}", f"{id} reads {name}, which no part draws.", "a hazard")


def _uses_of(endpoint: Any) -> set[str]:
    found = {endpoint.use} if getattr(endpoint, "use", None) else set()
    found |= {event.use for event in getattr(endpoint, "watched_events", ()) if getattr(event, "use", None)}
    return found | {source.use for source in (getattr(endpoint, "beside", None) or {}).values()}


def _flat(names: Any) -> set[str]:
    if isinstance(names, Mapping):
        return set().union(*(set(group) for group in names.values()))
    return set(names)
