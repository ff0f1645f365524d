"""The design of the trial: TA, TE, TV, TI and TS, from the protocol alone."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

from equipoise.exchange.cdisc.datasets import pieces_of, unique_names
from equipoise.exchange.cdisc.domain import DomainRows
from equipoise.exchange.cdisc.vocabulary import SDTM_GUIDE, SDTM_MODEL, names_of_codes, term_lists, terminology_version
from equipoise.foundation.calendar import days_between
from equipoise.protocol.language.interventions import DrugIntervention

if TYPE_CHECKING:
    from equipoise.exchange.cdisc.study import SdtmStudy


@dataclass(frozen=True, slots=True)
class ArmElement:
    """An element of an arm: an epoch with what the arm gives in it."""

    code: str
    name: str
    epoch: str
    order: int
    first: int
    last: int


def arm_codes(study: SdtmStudy) -> dict[str, str]:
    """ARMCD of each arm: the mapping's, or its name in at most 20 capitals."""
    said = study.mapping.names("arms")
    made: dict[str, str] = {}
    for arm in study.protocol.arm_ids:
        base = said.get(arm) or re.sub(r"[^A-Z0-9]+", "_", arm.upper())[:20]
        code, number = base, 1
        while code in made.values():
            number += 1
            code = base[: 20 - len(str(number))] + str(number)
        made[arm] = code
    return made


def elements_of_arms(study: SdtmStudy) -> dict[str, list[ArmElement]]:
    """The elements of each arm in order: one for each epoch, the same for arms that are given the same in it."""
    model = study.protocol.model
    named: dict[tuple[str, tuple[str, ...]], str] = {}
    plan: dict[str, list[tuple[str, str, int, int, tuple[str, ...]]]] = {}
    for arm in study.protocol.arm_ids:
        plan[arm] = []
        for epoch, term, first, last in study.epochs:
            given = tuple(i for i in model.arms[arm].interventions if _falls_within(study, arm, i, first, last))
            named.setdefault((epoch, given), "")
            plan[arm].append((epoch, term, first, last, given))
    codes = unique_names([f"{epoch}|{'+'.join(given)}" for epoch, given in named])
    out: dict[str, list[ArmElement]] = {}
    for arm, rows in plan.items():
        out[arm] = []
        for order, (epoch, term, first, last, given) in enumerate(rows, start=1):
            words = epoch.replace("-", " ").capitalize()
            what = ", ".join(_label(study, i) for i in given)
            name = f"{words}: {what}" if what else words
            out[arm].append(ArmElement(codes[f"{epoch}|{'+'.join(given)}"], name, term, order, first, last))
    return out


def _label(study: SdtmStudy, intervention: str) -> str:
    entry = study.protocol.model.interventions[intervention]
    return entry.label or getattr(entry, "drug", None) or intervention.replace("-", " ")


def _falls_within(study: SdtmStudy, arm: str, intervention: str, first: int, last: int) -> bool:
    """Whether an arm is given something within some study days: by its days, its sessions, or its stage."""
    entry: Any = study.protocol.model.interventions[intervention]
    spans = [(d.first, d.last) for d in getattr(entry, "days", ())]
    spans += [(day, day) for day in getattr(entry, "session_days", ()) if day is not None]
    gives = study.protocol.model.arms[arm].gives
    if not spans and not isinstance(gives, tuple):
        stages = [study.protocol.model.stages[stage] for stage, names in gives.items() if intervention in names]
        spans = [(stage.days.first, stage.days.last) for stage in stages if stage.day_1 is None]
    return any(start <= last and first <= end for start, end in spans)


def trial_arms(study: SdtmStudy) -> DomainRows:
    """TA: the planned elements of each arm."""
    codes = arm_codes(study)
    model = study.protocol.model
    randomized = (model.calendar.randomization_day or 1) if model.randomization is not None else None
    rows = []
    for arm, elements in elements_of_arms(study).items():
        label = study.protocol.arm_label(arm)
        before = [e.order for e in elements if randomized is not None and e.last < randomized]
        for element in elements:
            rows.append(
                {
                    "ARMCD": codes[arm],
                    "ARM": label,
                    "TAETORD": float(element.order),
                    "ETCD": element.code,
                    "ELEMENT": element.name,
                    "EPOCH": element.epoch,
                    "TABRANCH": f"Randomized to {label}" if before and element.order == max(before) else None,
                }
            )
    return DomainRows("TA", pl.DataFrame(rows, schema_overrides={"TABRANCH": pl.String}), ("ARMCD", "TAETORD"))


def trial_elements(study: SdtmStudy) -> DomainRows:
    """TE: each element once, with the study days on which it begins and ends."""
    seen: dict[str, dict[str, Any]] = {}
    for elements in elements_of_arms(study).values():
        for e in elements:
            seen[e.code] = {
                "ETCD": e.code,
                "ELEMENT": e.name,
                "TESTRL": f"Study day {e.first}; day 1: {study.protocol.model.calendar.day_1}",
                "TEDUR": f"P{days_between(e.first, e.last) + 1}D",
            }
    return DomainRows("TE", pl.DataFrame(list(seen.values())), ("ETCD",))


def trial_visits(study: SdtmStudy) -> DomainRows:
    """TV: the planned visits with their windows."""
    rows = []
    for number, visit in study.planned.values():
        days = f"day {visit.first_day} to {visit.last_day}" if visit.first_day != visit.last_day else "no window"
        own = f" of stage {visit.stage}" if visit.stage is not None else ""
        rows.append(
            {
                "VISITNUM": float(number),
                "VISIT": visit.name,
                "VISITDY": float(visit.target_day) if visit.stage is None else None,
                "TVSTRL": f"Study day {visit.target_day}{own}; {days}",
            }
        )
    frame = pl.DataFrame(rows, schema_overrides={"VISITDY": pl.Float64})
    return DomainRows("TV", frame, ("VISITNUM",), comments={"ARMCD": "Null: every arm has the same visits."})


def criteria(study: SdtmStudy) -> dict[str, tuple[str, str, str]]:
    """By name of a criterion: its code, its words and its category."""
    eligibility = study.protocol.model.eligibility
    parts = (("INCLUSION", eligibility.include or {}), ("EXCLUSION", eligibility.exclude or {}))
    names = [(category, id, entry) for category, entries in parts for id, entry in entries.items()]
    codes = unique_names([f"{category[:2]}{id}" for category, id, _ in names])
    return {
        id: (
            codes[f"{category[:2]}{id}"],
            entry.words or (str(entry.criterion) if entry.criterion else id.replace("-", " ")),
            category,
        )
        for category, id, entry in names
    }


def trial_criteria(study: SdtmStudy) -> DomainRows | None:
    """TI: the criteria of eligibility."""
    rows = [
        {"IETESTCD": code, "IETEST": words, "IECAT": category} for code, words, category in criteria(study).values()
    ]
    if not rows:
        study.account.withdraw("TI", "the protocol states no criteria of eligibility")
        return None
    return DomainRows("TI", pl.DataFrame(rows), ("IETESTCD",))


NO_INFORMATION = "NI"
_ROLES = {"placebo-control": "PLACEBO", "active-control": "ACTIVE", "no-treatment": "NONE"}
_MODELS = {"parallel": "PARALLEL", "factorial": "FACTORIAL", "crossover": "CROSS-OVER", "single-arm": "SINGLE GROUP"}
_PARAMETERS = {"SDTIGVER": "SDTM IG Version", "SDTMVER": "SDTM Version"}
_LISTS = {
    "TPHASE": "C66737",
    "TBLIND": "C66735",
    "TCNTRL": "C66785",
    "TTYPE": "C66739",
    "STYPE": "C99077",
    "INTMODEL": "C99076",
}


def trial_summary(study: SdtmStudy) -> DomainRows:
    """TS: a row for each parameter and value; what nobody stated has no value, with the reason NI."""
    names = {**names_of_codes("TSPARMCD", "TSPARM"), **_PARAMETERS}
    values = {**_of_protocol(study), **{k: [v] for k, v in study.mapping.names("trial-summary").items()}}
    unknown = sorted(set(values) - set(names))
    for code in unknown:
        study.account.note("TS", f"{code} is no parameter of the terminology shipped, and is left out")
        values.pop(code)
    rows = []
    for code in sorted(values):
        for number, value in enumerate(values[code] or [None], start=1):
            parts = pieces_of(value) if value else []
            terms = term_lists()[_LISTS[code]].terms if code in _LISTS else {}
            term = terms.get(value, ("", ""))[0] if value else ""
            row: dict[str, Any] = {
                "TSSEQ": float(number),
                "TSPARMCD": code,
                "TSPARM": names[code],
                "TSVAL": parts[0] if parts else None,
                "TSVALNF": None if parts else NO_INFORMATION,
                "TSVALCD": term or None,
                "TSVCDREF": "CDISC CT" if term else None,
                "TSVCDVER": terminology_version() if term else None,
            }
            if len(parts) > 1:
                study.account.note("TS", f"{code} is longer than 200 bytes, and cut there", 1, "TSVAL")
            rows.append(row)
    schema = dict.fromkeys(("TSVAL", "TSVALNF", "TSVALCD", "TSVCDREF", "TSVCDVER"), pl.String)
    return DomainRows("TS", pl.DataFrame(rows, schema_overrides=schema), ("TSPARMCD", "TSSEQ"))


def _of_protocol(study: SdtmStudy) -> dict[str, list[str]]:
    """Parameters that the protocol states, by code; an empty list where it does not know one."""
    model = study.protocol.model
    trial = model.trial
    statements = trial.statements
    roles = [_ROLES[arm.role] for arm in model.arms.values() if arm.role in _ROLES]
    drugs = [entry for entry in model.interventions.values() if isinstance(entry, DrugIntervention)]
    primary = [model.estimands[a.estimand].endpoint for a in model.analyses.values() if a.level == "primary"]
    fact: dict[str, Any] = {"REGID": trial.registration, "SPONSOR": trial.sponsor, "PLANSUB": trial.planned_n}
    allocated = study.records["allocations"]["participant_id"].n_unique()
    length = days_between(model.calendar.first_day, model.calendar.last_day) + 1
    out: dict[str, list[str]] = {
        "TITLE": [trial.title],
        "INDIC": [trial.condition] if trial.condition else [],
        "TPHASE": [],
        "TBLIND": [],
        "TTYPE": [],
        "TCNTRL": list(dict.fromkeys(roles)) or ["NONE"],
        "RANDOM": ["Y" if model.randomization is not None else "N"],
        "STYPE": ["INTERVENTIONAL"],
        "INTMODEL": [_MODELS[trial.design]] if trial.design in _MODELS else [],
        "ACTSUB": [str(allocated)],
        "NARMS": [str(len(model.arms))],
        "LENGTH": [f"P{length}D"],
        "OBJPRIM": [statements.objective] if statements is not None and statements.objective else [],
        "OUTMSPRI": list(dict.fromkeys(study.protocol.endpoint_label(id) for id in primary)),
        "TRT": list(dict.fromkeys(entry.drug.upper() for entry in drugs)),
        "ROUTE": list(dict.fromkeys(route_term(entry.route) or "" for entry in drugs if route_term(entry.route))),
        "AGEMIN": [],
        "AGEMAX": [],
        "SEXPOP": [],
        "SSTDTC": [],
        "SENDTC": [],
        "SDTIGVER": [SDTM_GUIDE],
        "SDTMVER": [SDTM_MODEL],
        **{code: [str(one.value)] if one.value is not None else [] for code, one in fact.items()},
    }
    strata = model.randomization.strata.value if model.randomization is not None else None
    if strata:
        out["STRATFCT"] = [name.replace("-", " ") for name in strata]
    if study.moment:
        out["DCUTDTC"] = [study.moment]
        out["DCUTDESC"] = [study.records.source.description]
    return out


_ROUTES = {
    "intravenous": "INTRAVENOUS",
    "intranasal": "NASAL",
    "nasal": "NASAL",
    "sublingual": "SUBLINGUAL",
    "buccal": "BUCCAL",
    "oral": "ORAL",
    "by mouth": "ORAL",
    "subcutaneous": "SUBCUTANEOUS",
    "intramuscular": "INTRAMUSCULAR",
    "transdermal": "TRANSDERMAL",
}


def route_term(route: str | None) -> str | None:
    """The term of a route in words; ``None`` where it is not one of those known."""
    return _ROUTES.get((route or "").lower())
