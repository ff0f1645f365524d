"""The forms of a visit as fields of one page, and what was typed into them as one submission to the actions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from equipoise.conduct.rules import forms
from equipoise.foundation.errors import Problem
from equipoise.protocol import Protocol
from equipoise.protocol.language import conditions
from equipoise.protocol.language.conditions import Condition
from equipoise.web.fields import Field, Summary, is_soft
from equipoise.web.words import REASON_WORDS, day_words, long_day

_ASKED = (("none", "None, asked"), ("yes", "Yes, report after this"), ("did-not-ask", "Did not ask"))
LEFT_OUT = "left-out"  # what the sixth choice of a grid says
_GRID = 5  # items from which on a questionnaire is a grid
_MOST_BOXES = 8  # numbers drawn as boxes; more are typed
_BOX_WORDS = {
    "yes": "Yes",
    "no": "No",
    "positive": "Positive",
    "negative": "Negative",
    "not_evaluable": "Not evaluable",
}


@dataclass
class Day:
    """One cell of the calendar: `value` is what was typed, `told` what is in the record."""

    date: str
    label: str
    long: str
    name: str
    told: str = ""
    value: str = ""
    week_ago: str = ""
    last_week: str = ""
    editable: bool = True
    level: str = ""
    say: str = ""
    ordinal: int = 0  # the number under which the ledger keeps the day

    @property
    def id(self) -> str:
        """Its mark on the page."""
        return f"f-{self.name.replace('.', '-')}"

    @property
    def kind(self) -> str:
        """How it is drawn: used, without, not known, or blank."""
        said = day_typed(self.value or self.told)[0]
        return {"": "", "no": "nouse", "not-known": "unk"}.get(said, "used")


def day_typed(text: str) -> tuple[str, str]:
    """What is typed into a day of the calendar, as a form keeps it (yes, no, not-known; empty of a blank), and the
    amount as typed where one was.
    """
    said = text.strip()
    short = said.lower()
    if short in ("", "none", "n", "no", "0"):
        return ("no" if short else ""), ""
    if short in ("?", "x", "not known"):
        return "not-known", ""
    return "yes", "" if short in ("used", "u", "yes", "y") else said


@dataclass
class Section:
    """One form on the page: what it asks, or what is recorded of it."""

    form: str
    label: str
    kind: str
    state: str
    may: bool
    blinding: str
    grid: bool = False
    top: int = 0  # the highest choice of a grid, for the hint
    low: int = 0
    fields: list[Field] = field(default_factory=list)
    days: list[Day] = field(default_factory=list)
    substance: str = ""
    recorded: list[tuple[str, str]] = field(default_factory=list)
    by: Mapping[str, Any] = field(default_factory=dict)
    reason: str = ""
    queries: list[dict[str, Any]] = field(default_factory=list)
    why: str = ""
    rest: bool = False
    not_done: bool = False
    not_done_why: str = ""
    leave: bool = False
    asks: bool = True  # whether anything of it is asked of this participant, by the protocol's conditions
    blank: bool = False  # nothing was typed, and the page asks whether it is left open
    says: list[tuple[str, str, str]] = field(default_factory=list)  # level, words, item to confirm
    confirmed: set[str] = field(default_factory=set)
    unit: str = ""
    may_correct: bool = False
    names_arms: bool = False  # what is recorded is a guess of the arm
    when: Mapping[str, Condition | None] = field(default_factory=dict)  # of each item, under which answers it is asked
    elsewhere: Mapping[str, str | None] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """Its mark on the page."""
        return f"s-{self.form}"

    @property
    def hides(self) -> bool:
        """Whether something of it is not asked as the answers stand."""
        return any(one.hidden for one in self.fields)

    @property
    def editable(self) -> bool:
        """Whether it can be filled in here and now."""
        if self.kind == "daily-use":
            return self.may and any(day.editable for day in self.days)
        return self.may and self.asks and not self.state

    @property
    def answered(self) -> int:
        """How many items have an answer."""
        return sum(bool(one.value) for one in self.fields) + sum(bool(day.value) for day in self.days)

    @property
    def columns(self) -> str:
        """How many columns a row of the calendar has."""
        return f"n{max(3, min(len(self.days), 8))}"

    @property
    def chip(self) -> tuple[str, str]:
        """Its state beside its name in the rail."""
        if any(level == "bad" for level, *_ in self.says):
            return ("late", "look")
        if self.blinding != "open" and self.state:
            return ("sealed", "sealed")
        if self.queries:
            return ("query", "query")
        if self.state == "not-done":
            return ("missed", "not done")
        if self.state or (self.kind == "daily-use" and self.days and not self.editable):
            return ("done", "recorded")
        if not self.may or not self.asks:
            return ("none", "by others" if self.asks else "not asked")
        total = len(self.days) if self.kind == "daily-use" else len(self.fields)
        return ("draft", f"{self.answered} of {total}") if self.answered else ("due", "to ask")


def sections_of(protocol: Protocol, told: Mapping[str, Any]) -> list[Section]:
    """The forms that a visit asks for, as the action tells them; what an action of its own records is left out."""
    out = []
    for one in told["forms"]:
        made = forms.form_of(protocol, one["form"])
        section = Section(one["form"], one["label"], one["kind"], one["state"], one["may"], one["blinding"])
        section.asks, section.may_correct = one.get("asks", True), one.get("may_correct", False)
        section.elsewhere = one.get("elsewhere", {})
        section.queries = [row for row in told["queries"] if row["form"] == one["form"] and row["state"] != "closed"]
        if made.kind == "vitals":
            continue
        if made.kind == "daily-use":
            section.substance = protocol.model.assessments[made.id].substances[0]
            section.days = _days(made.id, one["days"])
        elif section.state:
            section.by, section.reason = one, one.get("reason", "")
            section.recorded = _recorded(made, one, answer_words(protocol, made))
            section.names_arms = made.instrument is not None and made.instrument.id == _GUESS
        else:
            _ask(section, made, answer_words(protocol, made))
        out.append(section)
    return out


def _ask(section: Section, made: forms.Form, words: Mapping[str, str]) -> None:
    items = list(made.items)
    if made.kind == "event":
        hint = "“None” is recorded as asked, none. What there was is reported on a page of its own."
        section.fields = [Field(f"{made.id}.told", "Anything since the last visit?", "pick", hint=hint, choices=_ASKED)]
        return
    whole = not words and all(item.type == "integer" and not item.levels and _boxes(item) for item in items)
    section.grid = len(items) >= _GRID and whole and len({(item.lowest, item.highest) for item in items}) == 1
    if section.grid:
        section.low, section.top = int(items[0].lowest or 0), int(items[0].highest or 0)
    section.fields = [field_of(made, item, words) for item in items]
    section.when = {item.id: item.when for item in items}
    for one, item in zip(section.fields, items, strict=True):
        one.is_branch = item.when is not None


def _boxes(item: forms.FormItem) -> bool:
    return item.lowest is not None and item.highest is not None and item.highest - item.lowest < _MOST_BOXES


_GUESS = "arm-guess"
_YES_IS_1 = "yes = 1"


def answer_words(protocol: Protocol, made: forms.Form) -> dict[str, str]:
    """Numbers of a form's answers that stand for words: arms, yes and no; empty where numbers are numbers.

    Arms are listed by their names, not in the order in which the protocol has them.
    """
    if made.instrument is None:
        return {}
    if made.instrument.id == _GUESS:
        arms = sorted((protocol.arm_label(arm), str(number)) for number, arm in enumerate(protocol.arm_ids, 1))
        return {"0": "Does not know", **{number: label for label, number in arms}}
    return {"1": "Yes", "0": "No"} if made.instrument.unit == _YES_IS_1 else {}


def field_of(made: forms.Form, item: forms.FormItem, words: Mapping[str, str] | None = None) -> Field:
    """The field that asks for one item of a form; ``words`` are those of :func:`answer_words`."""
    name, label = f"{made.id}.{item.id}", item.label
    if words:
        is_guess = made.instrument is not None and made.instrument.id == _GUESS
        hint = (
            "Which treatment the person believes it was; the person who answers is not told"
            if is_guess
            else _when(item)
        )
        return Field(name, label, "pick", choices=list(words.items()), hint=hint, names_arms=is_guess)
    if item.type == "yes-no":
        return Field(name, label, "pick", choices=[("yes", "Yes"), ("no", "No")], hint=_when(item))
    if item.choices:
        choices = [
            (value, _BOX_WORDS.get(value, value.replace("-", " ").replace("_", " ").capitalize()))
            for value in item.choices
        ]
        return Field(name, label, "pick", choices=choices, hint=_when(item))
    if item.levels and len(item.levels) <= _MOST_BOXES:
        return Field(name, label, "pick", choices=[(str(level), str(level)) for level in item.levels])
    if item.type == "integer" and _boxes(item):
        numbers = range(int(item.lowest or 0), int(item.highest or 0) + 1)
        return Field(name, label, "pick", choices=[(str(number), str(number)) for number in numbers])
    if item.type == "date":
        return Field(name, label, "date", hint="6 Apr 2027, or today")
    if item.type in ("integer", "decimal"):
        line = made.kind == "instrument" and item.lowest == 0 and item.highest == 100
        return Field(name, label, "line" if line else "number", hint=item.expected, unit=item.unit)
    return Field(name, label, "text", hint=_when(item))


def _when(item: forms.FormItem) -> str:
    if item.when is None:
        return "" if item.required else "May be left out"
    asked = " or ".join(
        " and ".join(f"{term.item.replace('-', ' ')} is {term.bound or 'yes'}" for term in terms)
        for terms in item.when.alternatives
    )
    return f"Only where {asked}"


def _days(form: str, told: Iterable[Mapping[str, Any]]) -> list[Day]:
    out = []
    values: dict[str, str] = {}
    for row in told:
        on = date.fromisoformat(row["date"])
        said = day_told(row)
        values[row["date"]] = said
        before = (on - timedelta(days=7)).isoformat()
        out.append(
            Day(
                row["date"],
                day_words(on, year=False),
                f"{long_day(on)}, day {row['study_day']}",
                f"{form}.{row['date']}",
                told=said,
                week_ago=f"{form}.{before}",
                last_week=cell_words(values.get(before, "")),
                editable=not row["told"] or said == "not known",
            )
        )
    return out


def day_told(row: Mapping[str, Any]) -> str:
    """What is told of a day, in words: none, used, an amount, not known; empty where nothing is."""
    if not row["told"]:
        return ""
    if row["amount"]:
        return f"{row['amount']} {row['unit']}".strip()
    return {"yes": "used", "no": "none"}.get(row["used"], "not known")


def is_same_day(typed: str, told: str) -> bool:
    """Whether what is typed into a day says what is told of it; an amount in the unit that is told."""
    said, amount = day_typed(typed.lower())
    return (amount or {"yes": "used", "no": "none"}.get(said, "not known")) in (told, told.partition(" ")[0])


def cell_words(told: str) -> str:
    """What is told of a day as it would be typed into a cell."""
    return "?" if told == "not known" else told.partition(" ")[0]


def _recorded(made: forms.Form, told: Mapping[str, Any], words: Mapping[str, str]) -> list[tuple[str, str]]:
    if "values" not in told:
        return []
    values, missing = told["values"], told["missing"]
    if len(made.items) >= _GRID:
        counts = [(f"{len(values)} answers", "")]
        return [*counts, (f"{len(missing)} left out", "")] if missing else counts
    out = []
    for item in made.items:
        if item.id in values:
            said = words.get(values[item.id]) or _BOX_WORDS.get(values[item.id], values[item.id])
            out.append((item.label, f"{said} {item.unit}".strip()))
        elif item.id in missing:
            out.append((item.label, REASON_WORDS.get(missing[item.id], missing[item.id]).lower()))
    return out


# ------------------------------------------------------------------ what was typed


def fill_in(sections: Iterable[Section], typed: Any) -> None:
    """Put what was typed (a post, or a draft) into the fields."""

    def one(name: str) -> str:
        values = typed.getlist(name) if hasattr(typed, "getlist") else typed.get(name, [])
        return str(values[-1]).strip() if values else ""

    def many(name: str) -> list[str]:
        return list(typed.getlist(name) if hasattr(typed, "getlist") else typed.get(name, []))

    for section in sections:
        if not section.editable:
            continue
        for asked in section.fields:
            asked.value = one(asked.name)
        for day in section.days:
            if day.editable:
                day.value = one(day.name)
        section.why, section.unit = one(f"{section.form}:why"), one(f"{section.form}:unit")
        section.rest = bool(one(f"{section.form}:rest"))
        section.not_done = bool(one(f"{section.form}:not-done"))
        section.not_done_why = one(f"{section.form}:not-done-why")
        section.leave = bool(one(f"{section.form}:leave"))
        section.confirmed = set(many(f"{section.form}:confirm"))


def branch(sections: Iterable[Section]) -> None:
    """Hide what is not asked as the answers of the page stand; what was filled in all the same stays to be seen."""
    sections = list(sections)
    typed = {one.name: one.value or None for section in sections for one in section.fields}
    for section in sections:
        if not any(section.when.values()) or section.state:
            continue
        own = {item: typed.get(f"{section.form}.{item}") for item in section.when}
        others = {name: value for name, value in typed.items() if value and not name.startswith(f"{section.form}.")}
        shown = conditions.asked(section.when, own, {**section.elsewhere, **others})
        section.asks = bool(shown) or section.answered > 0
        for one in section.fields:
            one.hidden = not one.value and one.name.removeprefix(f"{section.form}.") not in shown


def submission(sections: Iterable[Section], to_iso: Any) -> dict[str, Any]:
    """What was typed, as the action for a whole visit takes it; forms of which nothing was typed are left out."""
    out: dict[str, Any] = {}
    for section in sections:
        if not section.editable:
            continue
        if section.not_done:
            out[section.form] = {"not-done": section.not_done_why}
        elif section.kind == "daily-use":
            days = {day.date: day.value for day in section.days if day.editable and day.value}
            if days:
                out[section.form] = _told_days(days, section)
        elif section.answered or section.why:
            out[section.form] = _told_form(section, to_iso)
    return out


def _told_form(section: Section, to_iso: Any) -> dict[str, Any]:
    if section.kind == "event":
        said = section.fields[0].value
        events = {"none": {"asked": "yes", "any": "no"}, "yes": {"asked": "yes", "any": "yes"}, "": {}}
        told: dict[str, Any] = {"answers": events.get(said, {"asked": "no"})}
        return told | {"missing": {"all": section.why}} if section.why and not said else told
    answers = {}
    left: list[str] = []
    for asked in section.fields:
        item = asked.name.removeprefix(f"{section.form}.")
        if asked.value == LEFT_OUT:
            left.append(item)
        elif asked.value:
            answers[item] = to_iso(asked.value) if asked.kind == "date" else asked.value
        elif section.rest:
            left.append(item)
    missing = dict.fromkeys(left, section.why) if section.why else {}
    if section.why and not answers:
        missing = {"all": section.why}
    out: dict[str, Any] = {"answers": answers}
    if missing:
        out["missing"] = missing
    if section.confirmed:
        out["confirm"] = sorted(section.confirmed)
    return out


def _told_days(days: Mapping[str, str], section: Section) -> dict[str, Any]:
    """Cells of the calendar: none or 0, used, ? for not known, or an amount."""
    typed = {day: day_typed(text) for day, text in days.items()}
    told = {day: said for day, (said, _) in typed.items()}
    amounts = {day: amount for day, (_, amount) in typed.items() if amount}
    out: dict[str, Any] = {"days": told, "substance": section.substance}
    return out | {"amounts": amounts, "unit": section.unit or "g"} if amounts else out


def show_problems(sections: Iterable[Section], problems: Iterable[Problem], summary: Summary) -> None:
    """Each problem at its field or its form, and on top."""
    known = {section.form: section for section in sections}
    for problem in problems:
        form, _, item = problem.place.partition(".")
        section = known.get(form) or known.get(problem.place.rpartition(" ")[2])
        if section is None:
            summary.add(problem, None)
            continue
        asked = next((one for one in section.fields if one.name == problem.place), None)
        day = next((one for one in section.days if item and one.date == item[:10]), None)
        soft = is_soft(problem)
        if soft and section.grid:
            asked = None  # it is about the whole questionnaire
        if asked is not None:
            asked.confirm = item if soft else ""
            summary.add(problem, asked, f"{section.label}, {asked.label}" if len(section.fields) > 1 else section.label)
            if soft:
                section.says.append(("ask", "", ""))
            continue
        section.blank = section.blank or (problem.place == section.form and problem.code == "C573")
        before = len(summary.lines)
        summary.add(problem, None, section.label)
        words = summary.lines[-1][0].removeprefix(f"{section.label}: ")
        target = day.id if day is not None else section.id
        if len(summary.lines) > before:
            summary.lines[-1] = (summary.lines[-1][0], target, soft)
        if day is not None:
            day.level, day.say = "bad", words
        section.says.append(("ask" if soft else "bad", words, item if soft else ""))
