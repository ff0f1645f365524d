"""What only people can say of a project: what is the arm, which date is day 1, who may be identified by what.

Nothing of it is guessed. What is asked and not answered is left out and listed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from equipoise.exchange.redcap.fields import RedcapField
from equipoise.exchange.redcap.findings import ImportFinding
from equipoise.exchange.redcap.project import RedcapProject
from equipoise.foundation.errors import Problem, ProtocolError, RecordsError, listed, nearest, raise_if_any
from equipoise.protocol.text.yaml_lines import Lines, place, read_yaml_file

CODES = {
    "R330": "A file of answers that is of another version, or has a key or value that it cannot have.",
    "R331": "A question that is not answered; what depends on it is left out (a finding, not an error).",
    "R334": "A field that identifies a person, or may; left out of what is written.",
    "R335": "A field of free text; left out of what is written.",
}
VERSION = 1
KEYS = (
    *("consented", "arm", "day-1", "days", "visit-dates"),
    *("identifiers", "free-text", "baseline", "trial"),
)
_ARM_WORDS = re.compile(r"\b(arm|group|grp|random\w*|rand|treat\w*|alloc\w*|intervention|drug arm|study drug)\b", re.I)
_CONSENT_WORDS = re.compile(r"\bconsent\w*|\bicf\b", re.I)
_IDENTIFYING = re.compile(
    r"\b(name|names|surname|initials|address|street|phone|telephone|mobile|e-?mail|birth|dob|ssn|mrn|passport|"
    r"insurance|zip|post ?code|postal|fax|licen[cs]e|next of kin)\b",
    re.I,
)
_IDENTIFYING_TYPES = ("email", "phone", "ssn", "mrn", "vmrn", "zipcode", "postalcode")


@dataclass(frozen=True)
class ImportAnswers:
    """Answers as they were given; ``None`` and empty where a question is open."""

    consented: str | tuple[str, tuple[str, ...]] | None = None  # "all", or a field and the codes that mean yes
    arm: str | tuple[str, tuple[tuple[str, str], ...]] | None = None  # "none", "redcap-arms", or a field and its arms
    day_1: str | None = None  # a date field, or "none"
    days: Mapping[str, int] = field(default_factory=dict)  # study day of each event
    visit_dates: Mapping[str, str] = field(default_factory=dict)  # by form, the date field that says when
    identifiers: str | tuple[str, ...] | None = None  # "keep", "leave-out", or the fields to keep
    free_text: str | tuple[str, ...] | None = None
    baseline: tuple[str, ...] = ()
    trial: str = ""

    def keeps(self, field: RedcapField) -> bool:
        """Whether the values of a field may be written."""
        if may_identify(field) and not _among(field.name, self.identifiers):
            return False
        if field.is_free_text and not may_identify(field):
            return _among(field.name, self.free_text) or field.name in self.used_fields
        return True

    @property
    def used_fields(self) -> frozenset[str]:
        """Fields that an answer names for a purpose."""
        named = [one[0] for one in (self.consented, self.arm) if isinstance(one, tuple)]
        named += [*self.visit_dates.values(), *self.baseline, *([self.day_1] if self.day_1 else [])]
        return frozenset(named) - {"none"}


def _among(name: str, said: str | tuple[str, ...] | None) -> bool:
    return said == "keep" or (isinstance(said, tuple) and name in said)


def may_identify(field: RedcapField) -> bool:
    """Whether a field identifies a person: by the project's own mark, its validation type, its name or its label."""
    if field.is_identifier or field.type == "file":
        return True
    if field.validation.startswith(_IDENTIFYING_TYPES):
        return True
    if field.type not in ("text", "notes"):
        return False
    said = f"{field.name.replace('_', ' ')} {field.label}"
    return (field.is_free_text or field.is_date) and _IDENTIFYING.search(said) is not None


def arm_candidates(project: RedcapProject) -> list[RedcapField]:
    """Fields that may hold the arm, by name or label."""
    return [
        one
        for one in project.fields[1:]
        if one.type in ("radio", "dropdown", "yesno", "truefalse", "sql", "text")
        and not one.is_date
        and _ARM_WORDS.search(f"{one.name.replace('_', ' ')} {one.label}")
    ]


def questions(project: RedcapProject, answers: ImportAnswers) -> list[ImportFinding]:
    """What is asked and not answered, a finding each."""
    out: list[ImportFinding] = []

    def ask(key: str, text: str, why: str, fields: list[str] | tuple[str, ...] = ()) -> None:
        among = f" Candidates: {listed(fields, limit=8)}." if fields else ""
        out.append(ImportFinding("question", "R331", "", key, text, why + among))

    consents = [f.name for f in project.fields if _CONSENT_WORDS.search(f"{f.name.replace('_', ' ')} {f.label}")]
    if answers.consented is None:
        why = "Without an answer no records are written: each participant has consented or has not."
        ask("consented", "Who gave informed consent: all, or those for whom a field says so?", why, consents)
    arms = [one.name for one in arm_candidates(project)]
    if answers.arm is None and (arms or len(project.arms) > 1):
        why = "Without an answer the protocol has one arm, and no allocation is written."
        of_events = ", redcap-arms (those of the events)" if project.source == "redcap" else ""
        ask("arm", f"Which field holds the arm: none{of_events}, or a field?", why, arms)
    dates = [one.name for one in project.fields if one.is_date]
    if answers.day_1 is None and dates:
        why = "Without an answer no date becomes a study day."
        ask("day-1", "Which date is study day 1 (or none)?", why, dates)
    open_days = [e.unique for e in project.events if e.offset is None and e.unique not in answers.days]
    if open_days:
        why = "Without an answer their order stands for their days, marked as assumed."
        ask("days", f"On which study day is {listed(open_days, limit=30)} planned?", why)
    undated = [form for form in _dated_forms(project) if form not in answers.visit_dates]
    if undated and answers.day_1 not in (None, "none"):
        why = "Without an answer the day of these forms is not known."
        ask("visit-dates", f"Which date of the form says when it was filled in: {listed(undated, limit=30)}?", why)
    return [*out, *_left_out(project, answers)]


def _dated_forms(project: RedcapProject) -> list[str]:
    return [form for form in project.forms if any(one.is_date for one in project.fields_of(form))]


def _left_out(project: RedcapProject, answers: ImportAnswers) -> list[ImportFinding]:
    out = []
    for one in project.fields[1:]:
        if answers.keeps(one) or one.type == "descriptive":
            continue
        if may_identify(one):
            by = "marked as an identifier" if one.is_identifier else "it may identify a person"
            why = f"Its values are left out: {by}. To keep them name it under identifiers in the answers."
            out.append(ImportFinding("left out", "R334", one.name, "identifier", one.label, why))
        else:
            why = "Free text may hold anything, names too. To keep it name the field under free-text in the answers."
            out.append(ImportFinding("left out", "R335", one.name, "field_type", one.label, why))
    return out


def read_answers_file(path: Path, project: RedcapProject) -> ImportAnswers:
    """The answers in a YAML file, held against the project. Raises :class:`RecordsError` with every problem."""
    try:
        values, lines, _ = read_yaml_file(path)
    except ProtocolError as error:
        raise RecordsError(error.problems) from None
    return _AnswersReader(str(path), lines, project).read(values)


def answers_from(values: Mapping[str, Any], project: RedcapProject) -> ImportAnswers:
    """Answers given by key, as a file of them would; raises :class:`RecordsError` with every problem."""
    return _AnswersReader("answers", None, project).read({head_key(project): VERSION, **values})


def head_key(project: RedcapProject) -> str:
    """The key that a file of answers begins with."""
    return f"equipoise-{project.source}-answers"


class _AnswersReader:
    """Reads plain values, gathering problems."""

    def __init__(self, file: str, lines: Lines | None, project: RedcapProject) -> None:
        self.file, self.lines, self.project = file, lines, project
        self.problems: list[Problem] = []

    def wrong(self, at: tuple[str | int, ...], found: str, expected: str, hint: str = "") -> None:
        line = self.lines.of(at) if self.lines is not None else None
        self.problems.append(Problem("R330", place(at), found, expected, hint, self.file, line))

    def read(self, values: Any) -> ImportAnswers:
        if not isinstance(values, dict) or values.get(head_key(self.project)) != VERSION:
            found = f"The file does not begin with {head_key(self.project)}: {VERSION}."
            raise RecordsError(Problem("R330", "", found, "a file of answers", "Add the line.", self.file, 1))
        for key in values:
            if key not in (*KEYS, head_key(self.project)):
                near = nearest(str(key), KEYS)
                self.wrong((key,), f"There is no key {key!r}.", listed(KEYS), f"Is {near!r} meant?" if near else "")
        out = ImportAnswers(
            consented=self.consented(values.get("consented")),
            arm=self.arm(values.get("arm")),
            day_1=self.one_field(values.get("day-1"), ("day-1",), is_date=True),
            days=self.days(values.get("days") or {}),
            visit_dates=self.visit_dates(values.get("visit-dates") or {}),
            identifiers=self.kept(values.get("identifiers"), "identifiers"),
            free_text=self.kept(values.get("free-text"), "free-text"),
            baseline=self.names(values.get("baseline") or [], "baseline"),
            trial=self.trial(values.get("trial")),
        )
        raise_if_any(RecordsError, self.problems)
        return out

    def field(self, value: Any, at: tuple[str | int, ...], *, is_date: bool = False) -> str | None:
        found = self.project.by_name.get(value) if isinstance(value, str) else None
        if found is None:
            near = nearest(str(value), self.project.by_name)
            hint = f"Is {near!r} meant?" if near else ""
            self.wrong(at, f"There is no field {value!r}.", "a field of the dictionary", hint)
            return None
        if is_date and not found.is_date:
            dates = [one.name for one in self.project.fields if one.is_date]
            self.wrong(at, f"The field {value} holds no date.", listed(dates))
            return None
        return found.name

    def one_field(self, value: Any, at: tuple[str | int, ...], *, is_date: bool) -> str | None:
        return value if value is None or value == "none" else self.field(value, at, is_date=is_date)

    def trial(self, value: Any) -> str:
        if value is None:
            return ""
        if not isinstance(value, str) or not re.fullmatch(r"[a-z][a-z0-9-]{0,79}", value):
            self.wrong(("trial",), f"Found {value!r}.", "a name of small letters, digits and hyphens")
            return ""
        return value

    def consented(self, value: Any) -> str | tuple[str, tuple[str, ...]] | None:
        if value is None or value == "all":
            return None if value is None else "all"
        if isinstance(value, dict) and set(value) == {"field", "yes"} and isinstance(value["yes"], list):
            name = self.field(value["field"], ("consented", "field"))
            return (name, tuple(map(str, value["yes"]))) if name else None
        self.wrong(("consented",), f"Found {value!r}.", "all, or {field: NAME, yes: [CODES]}")
        return None

    def arm(self, value: Any) -> str | tuple[str, tuple[tuple[str, str], ...]] | None:
        if value is None or value in ("none", "redcap-arms"):
            if value == "redcap-arms" and not self.project.arms:
                self.wrong(("arm",), "The project has no arms of its own.", "none, or a field")
            return None if value is None else str(value)
        if isinstance(value, dict) and set(value) == {"field", "arms"} and isinstance(value["arms"], dict):
            name = self.field(value["field"], ("arm", "field"))
            pairs = tuple((str(code), str(arm)) for code, arm in value["arms"].items())
            for code, arm in pairs:
                if not re.fullmatch(r"[a-z][a-z0-9-]{0,79}", arm):
                    self.wrong(("arm", "arms", code), f"Found {arm!r}.", "a name of small letters, digits and hyphens")
            if len({arm for _, arm in pairs}) < 2:
                self.wrong(("arm", "arms"), "Fewer than two arms are named.", "two arms or more; or arm: none")
            return (name, pairs) if name else None
        self.wrong(("arm",), f"Found {value!r}.", "none, redcap-arms, or {field: NAME, arms: {CODE: name}}")
        return None

    def days(self, value: Any) -> dict[str, int]:
        if not isinstance(value, dict):
            self.wrong(("days",), f"Found {value!r}.", "a study day for each event")
            return {}
        known = self.project.event_by_name
        for event, day in value.items():
            if event not in known:
                near = nearest(str(event), known)
                hint = f"Is {near!r} meant?" if near else ""
                self.wrong(("days", event), f"There is no event {event!r}.", listed(known), hint)
            if isinstance(day, bool) or not isinstance(day, int) or day == 0 or abs(day) > 40_000:
                self.wrong(("days", event), f"Found {day!r}.", "a study day: 1 or more, or -1 and before")
        return {event: day for event, day in value.items() if isinstance(day, int)}

    def visit_dates(self, value: Any) -> dict[str, str]:
        if not isinstance(value, dict):
            self.wrong(("visit-dates",), f"Found {value!r}.", "a date field for each form")
            return {}
        out = {}
        for form, name in value.items():
            if form not in self.project.forms:
                self.wrong(("visit-dates", form), f"There is no form {form!r}.", listed(self.project.forms))
                continue
            found = self.field(name, ("visit-dates", form), is_date=True)
            if found is not None and self.project.by_name[found].form != form:
                dates = [one.name for one in self.project.fields_of(form) if one.is_date]
                self.wrong(("visit-dates", form), f"The field {found} stands in another form.", listed(dates))
            elif found is not None:
                out[form] = found
        return out

    def kept(self, value: Any, key: str) -> str | tuple[str, ...] | None:
        return value if value is None or value in ("keep", "leave-out") else self.names(value, key)

    def names(self, value: Any, key: str) -> tuple[str, ...]:
        if not isinstance(value, list):
            self.wrong((key,), f"Found {value!r}.", "a list of fields" + ("" if key == "baseline" else ", or keep"))
            return ()
        return tuple(name for k, one in enumerate(value) if (name := self.field(one, (key, k))) is not None)
