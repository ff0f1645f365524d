"""A protocol to start from: instruments, visits and arms of a REDCap project, in a file that `equipoise check` reads.

An item is a number: answers with numeric codes, numbers, boxes, sliders, calculations. What is not known is
said to be assumed or is for people to write; texts, dates and codes of letters have no place in an instrument.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from equipoise.exchange.redcap.answers import ImportAnswers
from equipoise.exchange.redcap.conditions import condition_of, place_names
from equipoise.exchange.redcap.fields import RedcapField
from equipoise.exchange.redcap.findings import ImportFinding
from equipoise.exchange.redcap.functions import number
from equipoise.exchange.redcap.project import RedcapProject
from equipoise.exchange.redcap.rules import FieldRule
from equipoise.foundation.calendar import study_day
from equipoise.protocol.text.rewrite import block

CODES = {
    "R336": "A field that is no item of an instrument: no number, or codes that are none.",
    "R337": "A number without limits; the widest range stands for them.",
    "R338": "Branching logic that the protocol's language of conditions cannot say.",
    "R339": "A limit that is only advised, and that data lie outside of: the range was widened.",
}
WIDEST = 1_000_000_000
LONGEST = 80  # signs of an item's name
ONE_ARM = "all"


@dataclass(frozen=True)
class SkeletonItem:
    """One item of an instrument: its name (a column of an export), the field, and the answers it takes."""

    name: str
    field: RedcapField
    levels: tuple[float, ...] = ()
    low: float = -WIDEST
    high: float = WIDEST


@dataclass(frozen=True)
class VisitPlan:
    """One visit of the schedule: its name, the events it stands for, its day, and whether the day was assumed."""

    name: str
    events: tuple[str, ...]
    day: int
    is_assumed: bool


@dataclass
class Skeleton:
    """The parts of the protocol that come from a project and its answers; ``observed`` widens advised limits."""

    project: RedcapProject
    answers: ImportAnswers
    rules: list[FieldRule]
    observed: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    observed_days: tuple[int, ...] = ()
    findings: list[ImportFinding] = field(default_factory=list)

    @property
    def care(self) -> str:
        """The intervention that stands for what everybody has, where no arm is known."""
        return f"as-in-{self.project.source}"

    @cached_property
    def assessments(self) -> dict[str, str]:
        """The name of each form as an assessment."""
        out: dict[str, str] = {}
        for form in self.project.forms:
            name = re.sub(r"-+", "-", form.replace("_", "-")).strip("-")[:LONGEST] or "form"
            while name in out.values():
                name += "-2"
            out[form] = name
        return out

    @cached_property
    def items(self) -> dict[str, SkeletonItem]:
        """Items by name, in the order of the dictionary."""
        out: dict[str, SkeletonItem] = {}
        purposes = {one[0] for one in (self.answers.arm, self.answers.consented) if isinstance(one, tuple)}
        for one in self.project.fields[1:]:
            if one.name in purposes or not self.answers.keeps(one) or one.type == "descriptive":
                continue
            made, why = self._items_of(one)
            for item in made:
                out[item.name] = item
            if why:
                self.findings.append(
                    ImportFinding("kept", "R336", one.name, "field_type", one.validation or one.type, why)
                )
        return out

    def _items_of(self, one: RedcapField) -> tuple[list[SkeletonItem], str]:
        if one.type == "sql" or one.type == "file":
            return [], ""  # told already
        if one.type == "checkbox":
            return [SkeletonItem(column, one, (0.0, 1.0)) for column in one.columns if len(column) <= LONGEST], ""
        if len(one.name) > LONGEST:
            return [], f"Its name has more than {LONGEST} signs."
        if one.choices:
            codes = [number(code) for code, _ in one.choices if code not in self.project.missing]
            if None in codes:
                return [], "Its codes are no numbers."
            levels = tuple(sorted({float(code) for code in codes if code is not None}))
            if not levels:
                return [], "All its codes are missing data codes."
            return [SkeletonItem(one.name, one, levels)], ""
        if not one.is_number:
            return [], "It holds no number: dates, times and texts are no items of an instrument."
        return [self._with_limits(one)], ""

    def _with_limits(self, one: RedcapField) -> SkeletonItem:
        low, high = one.limits
        seen = self.observed.get(one.name)
        if low is None and high is None and one.type != "calc":
            why = f"The dictionary gives no limits: the range is written {-WIDEST} to {WIDEST}."
            self.findings.append(ImportFinding("kept", "R337", one.name, "text_validation_min", "", why))
        if seen is not None and not one.has_hard_limits:
            wider = [low is not None and seen[0] < low, high is not None and seen[1] > high]
            if any(wider):
                why = (
                    f"The limits {_said(low)} to {_said(high)} are advice; the data go from {seen[0]:g} to {seen[1]:g}."
                )
                self.findings.append(ImportFinding("caution", "R339", one.name, "text_validation_min", "", why))
            low = min(low, seen[0]) if low is not None else None
            high = max(high, seen[1]) if high is not None else None
        low, high = (-WIDEST if low is None else low), (WIDEST if high is None else high)
        return SkeletonItem(one.name, one, (), min(low, high), max(low, high))

    @cached_property
    def forms_with_items(self) -> tuple[str, ...]:
        """Forms that have an item at least."""
        return tuple(dict.fromkeys(item.field.form for item in self.items.values()))

    @cached_property
    def visits(self) -> tuple[VisitPlan, ...]:
        """The visits in the order of the events; one where the project has no events."""
        if not self.project.events:
            return (VisitPlan("entry", ("",), 1, True),)
        merges = len(self.project.arms) < 2 or self.answers.arm == "redcap-arms"
        groups: dict[str, list[str]] = {}
        for event in self.project.events:
            short = re.sub(r"_arm_\d+$", "", event.unique) if merges else event.unique
            name = re.sub(r"[^a-z0-9]+", "-", short.lower()).strip("-") or "visit"
            groups.setdefault(name[:LONGEST], []).append(event.unique)
        plans = []
        for order, (name, events) in enumerate(groups.items(), 1):
            said = [self.answers.days[e] for e in events if e in self.answers.days]
            offsets = [o for e in events if (o := self.project.event_by_name[e].offset) is not None]
            day = said[0] if said else study_day(offsets[0]) if offsets else order
            plans.append(VisitPlan(name, tuple(events), day, not said))
        return tuple(plans)

    @cached_property
    def visit_of(self) -> dict[str, str]:
        """The visit that each event is."""
        return {event: visit.name for visit in self.visits for event in visit.events}

    def assessed_at(self, visit: VisitPlan) -> list[str]:
        """Assessments of a visit: forms with items that stand in its events once; what repeats is not planned."""
        held = {
            form
            for event in visit.events
            for form in self.project.forms_of(event)
            if not self.project.repeats_at(event, form)
        }
        return [self.assessments[form] for form in self.forms_with_items if form in held]

    @property
    def arms(self) -> tuple[tuple[str, str], ...]:
        """Arms by name with their labels; one that stands for all where nobody said."""
        said = self.answers.arm
        if said == "redcap-arms":
            return tuple((f"arm-{number}", label) for number, label in self.project.arms)
        if isinstance(said, tuple):
            labels = dict(self.project.by_name[said[0]].choices)
            return tuple({arm: labels.get(code, arm) for code, arm in reversed(said[1])}.items())[::-1]
        return ((ONE_ARM, "All participants"),)

    def text(self, trial: str, title: str) -> str:
        """The protocol as YAML."""
        return f"{_HEADS[self.project.source]}{block(self.values(trial, title), 0)}"

    def values(self, trial: str, title: str) -> dict[str, Any]:
        """The protocol as plain values."""
        arms = self.arms
        is_single = len(arms) == 1
        days = [visit.day for visit in self.visits] + [1, *self.observed_days]
        first, last = min(days), max(days)
        roles = ["single"] if is_single else ["active-control", *["experimental"] * (len(arms) - 1)]
        roles_are = (
            {"status": "assumed", "basis": "the arm named first is taken for the control"} if len(arms) > 1 else {}
        )
        out: dict[str, Any] = {
            "equipoise": 2,
            "trial": {"id": trial, "title": title, "design": "single-arm" if is_single else "parallel"},
            "calendar": {
                "day-1": self._day_1(),
                "epochs": {"trial": {"days": f"{first}..{last}"}},
            },
            "interventions": {
                self.care if is_single else arm: {"type": "other", "words": f"To be written: what is done for {label}"}
                for arm, label in arms
            },
            "arms": {
                arm: {"label": label or arm, "role": role, "gives": [self.care if is_single else arm], **roles_are}
                for (arm, label), role in zip(arms, roles, strict=True)
            },
            "eligibility": {"include": None, "exclude": None},
            "randomization": None
            if is_single
            else {
                "ratio": {arm: 1 for arm, _ in arms},
                "status": "assumed",
                "basis": "the project does not say how arms were allocated",
            },
        }
        if self.baseline:
            out["baseline"] = {name: spec for name, _, spec in self.baseline}
        if self.items:
            out["assessments"] = {self.assessments[form]: self._assessment(form) for form in self.forms_with_items}
            out["instruments"] = {self.assessments[form]: self._instrument(form) for form in self.forms_with_items}
        out["schedule"] = {visit.name: self._visit(visit) for visit in self.visits}
        out["endpoints"] = self._endpoint()
        return out

    @cached_property
    def baseline(self) -> tuple[tuple[str, RedcapField, dict[str, Any]], ...]:
        """Baseline variables that the answers name: the id, the field, and the entry of the protocol."""
        out = []
        for name in self.answers.baseline:
            one = self.project.by_name[name]
            id = re.sub(r"_+", "-", name).strip("-")
            spec: dict[str, Any] = {"label": one.label or name, "type": "number"}
            if one.type in ("yesno", "truefalse"):
                spec["type"] = "yes-no"
            elif one.choices:
                levels = [level_of(one, code) for code, _ in one.choices if code not in self.project.missing]
                spec |= {"type": "category", "levels": levels}
            out.append((id, one, spec))
        return tuple(out)

    def _day_1(self) -> str:
        said = self.answers.day_1
        if said in (None, "none"):
            return "to be written"
        return self.project.by_name[said].label or said

    def _assessment(self, form: str) -> dict[str, Any]:
        out: dict[str, Any] = {
            "type": "instrument",
            "label": form.replace("_", " ").capitalize(),
            "instrument": self.assessments[form],
        }
        asked = self._asked_when(form)
        if asked:
            out["asked-when"] = asked
        return out

    def _asked_when(self, form: str) -> dict[str, str]:
        """Conditions of the form's items that the language can say; the others are listed."""
        of_item = {name: self.assessments[item.field.form] for name, item in self.items.items()}
        rules = {rule.field.name: rule for rule in self.rules if rule.kind == "shown"}
        out: dict[str, str] = {}
        before: list[str] = []
        told: set[str] = set()
        for name, item in self.items.items():
            if item.field.form != form:
                continue
            rule = rules.get(item.field.name)
            if rule is not None:
                ahead = frozenset(before)
                said = condition_of(rule.tree, place_names(of_item, self.assessments[form], ahead))
                if said is not None:
                    out[name] = said
                elif item.field.name not in told:
                    told.add(item.field.name)
                    why = "The rule is evaluated on import; the protocol's language of conditions has no words for it."
                    self.findings.append(ImportFinding("kept", "R338", item.field.name, rule.column, rule.text, why))
            before.append(name)
        return out

    def _instrument(self, form: str) -> dict[str, Any]:
        items = [item for item in self.items.values() if item.field.form == form]
        keys: dict[str, Any] = {}
        for item in items:
            if len(item.levels) > 1:
                keys[item.name] = {"levels": [_whole(level) for level in item.levels]}
            elif item.levels:
                keys[item.name] = {"range": f"{item.levels[0]:.10g}"}
            else:
                keys[item.name] = {"range": f"{_plain(item.low)}..{_plain(item.high)}"}
        out: dict[str, Any] = {"name": form.replace("_", " ").capitalize(), "items": keys}
        if any(_has_decimals(item) for item in items):
            out["decimals"] = True
        return {**out, "subscales": self.scales(form), "adds-up": False, "better": "neither"}

    def scales(self, form: str) -> dict[str, list[str]]:
        """Each item as a scale by itself: REDCap does not say what adds up."""
        out: dict[str, list[str]] = {}
        for name, item in self.items.items():
            if item.field.form == form:
                scale = re.sub(r"_+", "-", name).strip("-")
                while scale in out or scale == "total":
                    scale += "-2"
                out[scale] = [name]
        return out

    def _visit(self, visit: VisitPlan) -> dict[str, Any]:
        names = [self.project.event_by_name[e].name for e in visit.events if e]
        out: dict[str, Any] = {"day": visit.day, "assess": self.assessed_at(visit)}
        if names:
            out["label"] = names[0]
        if visit.is_assumed:
            out |= {"status": "assumed", "basis": "order or offset of the events; write the planned study day"}
        return out

    def _endpoint(self) -> dict[str, Any]:
        """One endpoint, for a protocol has at least one: the first item at the last visit that has any."""
        held = [(visit, names) for visit in self.visits if (names := self.assessed_at(visit))]
        if not held:
            first = self.arms[0][0]
            gives = self.care if len(self.arms) == 1 else first
            received = {arm: self.care if gives == self.care else arm for arm, _ in self.arms}
            return {"to-be-written": {"kind": "received", "words": "To be written", "intervention": received}}
        visit, names = held[-1]
        form = next(form for form, name in self.assessments.items() if name == names[-1])
        scale = next(iter(self.scales(form)))
        words = f"To be written; {scale} stands here because a protocol has one endpoint at least"
        return {
            "to-be-written": {
                "kind": "score",
                "words": words,
                "assessment": names[-1],
                "scale": scale,
                "at": visit.name,
                "better": "higher",
            }
        }


_HEADS = {
    source: f"""\
# A protocol to start from, made of {what} by `equipoise import {source}`.
# It holds what the project says. What is marked as assumed or to be written is for you to write;
# not-translated.csv lists what has no place here. Run `equipoise check` after each change.
"""
    for source, what in (("redcap", "a REDCap project"), ("odm", "an ODM file"))
}


def level_of(one: RedcapField, code: str) -> str:
    """A choice as the level of a category: its label where no other code has it, else its code."""
    labels = [label for _, label in one.choices]
    label = dict(one.choices).get(code, code)
    return label if label and labels.count(label) == 1 else code


def _has_decimals(item: SkeletonItem) -> bool:
    if item.levels:
        return any(not level.is_integer() for level in item.levels)
    return not (item.field.type == "slider" or item.field.validation == "integer")


def _whole(value: float) -> int | float:
    return int(value) if value.is_integer() else value


def _plain(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else f"{value:f}".rstrip("0")


def _said(value: float | None) -> str:
    return "none" if value is None else f"{value:g}"
