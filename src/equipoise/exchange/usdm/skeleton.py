"""A protocol to start from: design, schedule, eligibility and estimands of a USDM file, and what was not taken over."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, get_args

from equipoise.exchange.redcap.findings import ImportFinding, Kind
from equipoise.exchange.usdm import codes
from equipoise.exchange.usdm.in_schedule import UsdmVisits, read_schedule
from equipoise.exchange.usdm.names import UniqueNames
from equipoise.exchange.usdm.read_in import Node, UsdmStudy, extensions
from equipoise.protocol.language.analysis import Strategy
from equipoise.protocol.text.rewrite import block

CODES = {
    "R488": "A part of a USDM design that the protocol language has no word for, or that only people can say.",
    "R489": "A timing of a USDM schedule that is no number of days.",
    "R490": "A visit of a USDM schedule whose day is not said.",
    "R491": "An endpoint or an estimand of a USDM file that is words, which a definition cannot be made of.",
}
_HEAD = """\
# Made from a USDM 4 file by `equipoise import usdm`. A protocol to start from: not-translated.csv lists what is absent.
# Correct it, and run `equipoise check` after each change.
"""
_CARE = "to-be-written"


@dataclass
class UsdmSkeleton:
    """The parts of the protocol that come from a study; ``findings`` is the list of what was not taken over."""

    study: UsdmStudy
    findings: list[ImportFinding] = field(default_factory=list)

    def say(self, kind: Kind, code: str, place: str, text: str, why: str) -> None:
        """A line of the list."""
        self.findings.append(ImportFinding(kind, code, place, "", text, why))

    @cached_property
    def own(self) -> dict[str, Any]:
        """What a file of this program says of the design beside the model."""
        return extensions(self.study.design)

    @cached_property
    def version(self) -> dict[str, Any]:
        """The same of the version."""
        return extensions(self.study.version)

    @cached_property
    def arms(self) -> dict[str, Node]:
        """Arms by their name; control arms first in a file of another program."""
        names = UniqueNames()
        found = list(self.study.design["arms"])
        if not self.own:
            found.sort(
                key=lambda arm: codes.key_of(codes.ARM_TYPES, arm["type"]) not in ("active-control", "placebo-control")
            )
        return {names.of(arm["name"], arm.get("label")): arm for arm in found}

    @cached_property
    def interventions(self) -> dict[str, Node]:
        """Interventions of the design by their name."""
        names = UniqueNames()
        wanted = set(self.study.design.get("studyInterventionIds") or ())
        found = self.study.version.get("studyInterventions") or []
        chosen = [one for one in found if one["id"] in wanted] if wanted else found
        return {names.of(one["name"], one.get("label")): one for one in chosen}

    @cached_property
    def schedule(self) -> UsdmVisits:
        """Visits, assessments and epochs."""
        found = read_schedule(self.study, set(self.own.get("stages", {})), self.interventions)
        self.findings += found.findings
        return found

    def text(self) -> str:
        """The protocol as YAML."""
        return _HEAD + block(self.values(), 0)

    def values(self) -> dict[str, Any]:
        """The protocol as plain values, in the order of a file."""
        version = self.version
        out: dict[str, Any] = {"equipoise": version.get("language", 2), "trial": self._trial()}
        for key in ("sources", "sites"):
            if version.get(key):
                out[key] = version[key]
        calendar: dict[str, Any] = {"day-1": self.own.get("day-1") or self.schedule.day_1}
        if self.own.get("randomization-day") is not None:
            calendar["randomization-day"] = self.own["randomization-day"]
        out["calendar"] = {**calendar, "epochs": self.schedule.epochs}
        given = {id: self._intervention(id, one) for id, one in self.interventions.items()}
        out["interventions"] = given or {_CARE: {"type": "other", "words": "To be written: the file names none"}}
        for key in ("factors", "stages"):
            if self.own.get(key):
                out[key] = self.own[key]
        out["arms"] = {id: self._arm(id, arm) for id, arm in self.arms.items()}
        out["eligibility"] = self._eligibility()
        out["randomization"] = self._randomization()
        if version.get("baseline"):
            out["baseline"] = version["baseline"]
        if self.schedule.assessments:
            out["assessments"] = self.schedule.assessments
        if version.get("instruments"):
            out["instruments"] = version["instruments"]
        out["schedule"] = self.schedule.visits
        if version.get("use"):
            out["use"] = version["use"]
        out["endpoints"] = self._endpoints()
        if estimands := self._estimands():
            out["estimands"] = estimands
        self._left_out()
        return out

    def _trial(self) -> dict[str, Any]:
        study, version, own = self.study, self.study.version, dict(self.version.get("trial", {}))
        titles = version["titles"]
        official = next((t for t in titles if t["type"]["code"] == codes.OFFICIAL_TITLE[0]), None)
        official = official or next(
            (t for t in titles if "official" in t["type"]["decode"].lower()), titles[0] if titles else None
        )
        acronym = next((t["text"] for t in titles if t["type"]["code"] == codes.ACRONYM[0]), None)
        name = study.document["study"]["name"]
        out: dict[str, Any] = {
            "id": UniqueNames().of(name),
            "title": study.text(official["text"]) if official else name,
            "acronym": study.text(acronym) if acronym else None,
            "registration": self._kept(own, "registration", self._registered()),
            "phase": self._kept(own, "phase", self._phase()),
            "design": self._model(),
            "condition": "; ".join(
                dict.fromkeys(i.get("label") or i["name"] for i in study.design.get("indications") or ())
            )
            or None,
            "masking": self._kept(own, "masking", self._masking()),
            "sponsor": self._kept(own, "sponsor", self._sponsor()),
            "planned-n": self._kept(own, "planned-n", self._planned()),
        }
        rest = {key: value for key, value in own.items() if key not in out}
        return {key: value for key, value in {**out, **rest}.items() if value is not None}

    def _kept(self, own: dict[str, Any], key: str, value: Any) -> Any:
        """A fact with its sources where the file of this program has them and the model says the same value."""
        fact = own.get(key)
        if isinstance(fact, dict) and fact.get("value") == value:
            return fact
        return {"value": value} if isinstance(value, list) and value else value

    def _registered(self) -> str | None:
        organizations = {one["id"]: one for one in self.study.version.get("organizations") or ()}
        for one in self.study.version["studyIdentifiers"]:
            kind = organizations.get(one["scopeId"], {}).get("type", {})
            if kind.get("code") == codes.REGISTRY[0] or re.fullmatch(r"NCT\d{8}", one["text"]):
                return str(one["text"])
        return None

    def _phase(self) -> str | None:
        found = (self.study.design.get("studyPhase") or {}).get("standardCode")
        key = codes.key_of(codes.PHASES, found)
        return key.capitalize() if key else (found["decode"] if found else None)

    def _sponsor(self) -> str | None:
        version = self.study.version
        for role in version.get("roles") or ():
            if role["code"]["code"] == codes.SPONSOR_ROLE[0] and role.get("organizationIds"):
                found = self.study.by_id[role["organizationIds"][0]]
                label = str(found.get("label") or found["name"])
                return None if label == "Not stated in the protocol" else label
        for one in version.get("organizations") or ():
            if one["type"]["code"] == codes.SPONSOR_ROLE[0]:
                return str(one.get("label") or one["name"])
        return None

    def _planned(self) -> int | None:
        found = self.study.design["population"].get("plannedEnrollmentNumber")
        if found is None:
            return None
        if found.get("instanceType") == "Quantity" and float(found["value"]).is_integer():
            return int(found["value"])
        self.say(
            "not translated", "R488", "population", str(found)[:120], "A range of participants is no single number."
        )
        return None

    def _model(self) -> str:
        if self.own.get("design"):
            return str(self.own["design"])
        if self.study.design["instanceType"] == "ObservationalStudyDesign":
            self.say(
                "not translated",
                "R488",
                "studyType",
                "observational",
                "The language is for trials: treat arms as groups.",
            )
        key = codes.key_of(codes.MODELS, self.study.design.get("model"))
        if len(self.arms) == 1:
            return "single-arm"
        if key != "parallel":
            said = str((self.study.design.get("model") or {}).get("decode"))
            why = (
                "Stages or factors are not in the file as the language has them: written as parallel, to be corrected."
            )
            self.say("not translated", "R488", "model", said, why)
        return "parallel"

    def _masking(self) -> list[str] | None:
        schema = (self.study.design.get("blindingSchema") or {}).get("standardCode")
        if codes.key_of(codes.BLINDING, schema) == "open":
            return []
        found = []
        for role in self.study.version.get("roles") or ():
            if (role.get("masking") or {}).get("isMasked"):
                who = codes.key_of(codes.MASKED_ROLES, role["code"]) or (
                    role["code"]["code"] if role["code"]["codeSystem"] == codes.SPONSOR else None
                )
                if who is None:
                    self.say(
                        "caution",
                        "R488",
                        "masking",
                        role["code"]["decode"],
                        "A masked role the language has no word for.",
                    )
                else:
                    found.append(str(who))
        if not found and schema:
            self.say(
                "question", "R488", "masking", str(schema["decode"]), "Who does not know the arm? Write trial.masking."
            )
        return found or None

    def _intervention(self, id: str, one: Node) -> dict[str, Any]:
        label = one.get("label") or one["name"]
        shown = {} if label == id.replace("-", " ") else {"label": label}
        if definition := extensions(one).get("definition"):
            return {**shown, **definition}
        steps = []
        for step in one.get("administrations") or ():
            dose = step.get("dose")
            unit = (((dose or {}).get("unit") or {}).get("standardCode") or {}).get("decode", "")
            route = ((step.get("route") or {}).get("standardCode") or {}).get("decode", "")
            often = ((step.get("frequency") or {}).get("standardCode") or {}).get("decode", "")
            amount = f"{dose['value']:g} {unit}".strip() if dose else ""
            steps.append(", ".join(part for part in (amount, route, often) if part))
        said = [self.study.text(one.get("description")) or label, *filter(None, steps)]
        if any(steps):
            why = "Dose, route and frequency stand in its words: give it a type, a dose and days."
            self.say("not translated", "R488", f"interventions.{id}", "; ".join(filter(None, steps)), why)
        return {"type": "other", "label": label, "words": "; ".join(dict.fromkeys(said))}

    def _arm(self, id: str, arm: Node) -> dict[str, Any]:
        label = self.study.text(arm.get("label") or arm["name"])
        definition = extensions(arm).get("definition")
        if definition:
            return {**({} if label == id.replace("-", " ") else {"label": label}), **definition}
        role = "single" if len(self.arms) == 1 else codes.key_of(codes.ARM_TYPES, arm["type"])
        extra = {}
        if role is None:
            extra = {"status": "assumed", "basis": f"the file says {arm['type']['decode']}"}
            self.say(
                "question",
                "R488",
                f"arms.{id}",
                arm["type"]["decode"],
                "What is this arm for? Written as experimental.",
            )
        return {"label": label, "role": role or "experimental", "gives": self._gives(id, arm), **extra}

    def _gives(self, id: str, arm: Node) -> list[str]:
        """Interventions of the elements of an arm's cells, in the order of the epochs."""
        names = {one["id"]: name for name, one in self.interventions.items()}
        found: list[str] = []
        for cell in self.study.design["studyCells"]:
            if cell["armId"] != arm["id"]:
                continue
            for element in cell["elementIds"]:
                ids = (self.study.by_id.get(element) or {}).get("studyInterventionIds") or ()
                found += [names[one] for one in ids if one in names]
        if not found:
            self.say(
                "question",
                "R488",
                f"arms.{id}",
                "",
                "No element of this arm names an intervention: what does it receive?",
            )
        return list(dict.fromkeys(found))

    def _eligibility(self) -> dict[str, Any]:
        out: dict[str, Any] = {"include": {}, "exclude": {}}
        names = {"include": UniqueNames(), "exclude": UniqueNames()}
        for one in self.study.design["eligibilityCriteria"]:
            which = codes.key_of(codes.CRITERIA, one["category"])
            item = self.study.by_id.get(one["criterionItemId"]) or {}
            text = self.study.text(item.get("text"), item.get("dictionaryId"))
            if which is None:
                self.say(
                    "not translated", "R488", one["name"], text, "A criterion neither of inclusion nor of exclusion."
                )
                continue
            own = extensions(one)
            entry: dict[str, Any] = dict(own.get("definition", {}))
            criterion, words = own.get("criterion"), own.get("words")
            if criterion and text == (words or criterion):
                entry |= {"criterion": criterion, **({"words": words} if words else {})}
            else:
                entry["words"] = text or one["name"]
            out[which][names[which].of(one["name"], one.get("label"))] = entry
        for which in self.own.get("eligibility", {}):
            out[which] = out[which] or None
        if not self.own:
            out = {which: entries or None for which, entries in out.items()}
        if self.own.get("eligibility-note"):
            out["note"] = self.own["eligibility-note"]
        return out

    def _randomization(self) -> dict[str, Any] | None:
        if self.own:
            found: dict[str, Any] | None = self.own.get("randomization")
            return found
        if len(self.arms) == 1:
            return None
        self.say(
            "question",
            "R488",
            "randomization",
            "",
            "USDM has no ratio, scheme or strata: how were arms allocated? Written 1 to 1.",
        )
        basis = "USDM states no ratio"
        return {"ratio": dict.fromkeys(self.arms, 1), "status": "assumed", "basis": basis}

    def _endpoints(self) -> dict[str, Any]:
        names, out = UniqueNames(), {}
        for objective in self.study.design.get("objectives") or ():
            for one in objective.get("endpoints") or ():
                id = names.of(one["name"], one.get("label"))
                text = self.study.text(one["text"], one.get("dictionaryId"))
                label = one.get("label") or (one.get("description") or None)
                if definition := extensions(one).get("definition"):
                    shown = {} if label in (None, id.replace("-", " ")) else {"label": label}
                    out[id] = {"kind": definition["kind"], **shown, "words": text, **definition}
                    continue
                why = "Words only: it stands as whether treatment was received, to be replaced by a definition."
                self.say("not translated", "R491", f"endpoints.{id}", f"{one['level']['decode']}: {text}", why)
                out[id] = self._to_be_written(text or one["name"])
        return out or {_CARE: self._to_be_written("To be written: the file names no endpoint")}

    def _to_be_written(self, words: str) -> dict[str, Any]:
        first = next(iter(self.interventions), _CARE)
        given = {id: (self._gives_quietly(arm) or [first])[0] for id, arm in self.arms.items()}
        return {
            "kind": "received",
            "words": words,
            "intervention": given,
            "note": "The kind of endpoint is to be written.",
        }

    def _gives_quietly(self, arm: Node) -> list[str]:
        said = len(self.findings)
        found = self._gives("", arm)
        del self.findings[said:]
        return found

    def _estimands(self) -> dict[str, Any]:
        known, out = get_args(Strategy), {}
        names = UniqueNames()
        for one in self.study.design.get("estimands") or ():
            id = names.of(one["name"], one.get("label"))
            population = self.study.text((self.study.by_id.get(one["analysisPopulationId"]) or {}).get("text"))
            events = {e["name"]: e["strategy"] for e in one["intercurrentEvents"]}
            variable = self.study.by_id.get(one["variableOfInterestId"]) or {}
            definition = extensions(one).get("definition")
            strategies = {name: text.replace(" ", "-") for name, text in events.items()}
            if definition is None or not set(strategies.values()) <= set(known):
                said = (
                    f"variable: {variable.get('name')}; population: {population}; summary: {one['populationSummary']}"
                )
                said += "".join(f"; {name}: {text}" for name, text in events.items())
                why = "The summary measure, the treatments compared or a strategy are free words: write the estimand."
                self.say("not translated", "R491", f"estimands.{id}", said, why)
                continue
            entry = {"endpoint": variable["name"], **definition}
            entry |= {"population": population} if population != "everybody randomized" else {}
            entry |= {"words": one["description"]} if one.get("description") else {}
            out[id] = {**entry, **({"intercurrent": strategies} if strategies else {})}
        return out

    def _left_out(self) -> None:
        """Parts of the file that have no place in a protocol of the language."""
        study = self.study
        counted = {
            "biomedicalConcepts": study.version.get("biomedicalConcepts"),
            "amendments": study.version.get("amendments"),
            "narrativeContentItems": study.version.get("narrativeContentItems"),
            "administrableProducts": study.version.get("administrableProducts"),
            "medicalDevices": study.version.get("medicalDevices"),
            "conditions": study.version.get("conditions"),
            "cohorts": study.design["population"].get("cohorts"),
            "biospecimenRetentions": study.design.get("biospecimenRetentions"),
        }
        for name, found in counted.items():
            if found:
                self.say(
                    "not translated", "R488", name, f"{len(found)} in the file", "The language has no word for it."
                )
        if len(study.document["study"]["versions"]) > 1:
            n = len(study.document["study"]["versions"])
            self.say("caution", "R488", "versions", f"{n} versions", "The first one was read.")
