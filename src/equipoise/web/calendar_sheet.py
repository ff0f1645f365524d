"""The calendar of use as weeks of days: what is told, what is asked, urine beside, and what was typed into it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from equipoise.conduct.rules import forms, windows
from equipoise.protocol import Protocol
from equipoise.web.visit_sheet import Day, cell_words, day_typed
from equipoise.web.words import day_words, long_day, visit_words

MOST_WEEKS = 5
BACK = 3  # days before a positive urine in which use is looked for: an assumption, said on the page
_SIGNS = {"positive": "+", "negative": "−", "not_evaluable": "not evaluable"}


@dataclass
class Urine:
    """A sample beside its week."""

    on: date
    words: str
    sign: str
    visit: str
    discordant: str = ""  # the days told without use before a positive sample


@dataclass
class Week:
    """Monday to Sunday: a cell for each day (``None`` where the calendar does not ask), and the samples."""

    label: str
    study_days: str
    cells: list[tuple[str, Day | None, bool]]  # day of the month, the cell, whether it is today
    urine: list[Urine] = field(default_factory=list)


@dataclass
class CalendarSheet:
    """The calendar of one participant and substance."""

    form: str
    substance: str
    substances: Sequence[str]
    label: str
    weeks: list[Week] = field(default_factory=list)
    earlier: str = ""
    later: str = ""
    unit: str = "g"
    today: str = ""

    @property
    def days(self) -> list[Day]:
        """Every day on the page that the calendar asks about, or that was told."""
        return [day for week in self.weeks for _, day, _ in week.cells if day is not None]

    @property
    def asked(self) -> list[Day]:
        """Days that can be told here and now."""
        return [day for day in self.days if day.editable]

    @property
    def open(self) -> list[Day]:
        """Days gone by that nobody has told, and of which nothing is typed."""
        return [day for day in self.asked if not day.value and not day.told and day.date < self.today]

    @property
    def discordant(self) -> list[Urine]:
        """Samples that do not go with what was told."""
        return [one for week in self.weeks for one in week.urine if one.discordant]

    @property
    def told_words(self) -> str:
        """How many days of use, without, and not known."""
        kinds = [day.kind for day in self.days]
        used, without, unknown = (kinds.count(kind) for kind in ("used", "nouse", "unk"))
        return f"{used} of use, {without} without, {unknown} not known"


def sheet_of(
    protocol: Protocol, told: Mapping[str, Any], today: date, *, substance: str = "", first: date | None = None
) -> CalendarSheet | None:
    """The weeks to show: by themselves those with days to ask, with the week before; from ``first`` on where it is
    named. ``None`` where the protocol has no open calendar or study day 1 is not known.
    """
    made = next(
        (form for form in forms.forms(protocol).values() if form.kind == "daily-use" and form.blinding == "open"), None
    )
    day_1 = told["day_1"]
    if made is None or not day_1:
        return None
    substances = protocol.model.assessments[made.id].substances
    chosen = substance if substance in substances else substances[0]
    begun = date.fromisoformat(day_1)
    planned = {windows.date_of(day, begun) for day in windows.calendar_days(protocol)}
    values = _told(told, made.id)
    known = planned | set(values)
    if not known:
        return None
    sheet = CalendarSheet(made.id, chosen, substances, made.label, today=today.isoformat())
    asked = sorted(day for day in planned if day <= today and not _words(values.get(day, {}), chosen))
    begin, end = _span(known, asked, today, first)
    sheet.earlier = (begin - timedelta(weeks=MOST_WEEKS)).isoformat() if min(known) < begin else ""
    last = begin + timedelta(weeks=MOST_WEEKS)
    sheet.later = last.isoformat() if max(day for day in known if day <= today or day in values) >= last else ""
    for monday in _mondays(begin, end):
        sheet.weeks.append(_week(monday, begun, today, planned, values, sheet))
    _beside(sheet, protocol, told, values)
    return sheet


def _span(known: set[date], asked: Sequence[date], today: date, first: date | None) -> tuple[date, date]:
    """First and last day shown, at most five weeks."""
    last = min(max(known), today)
    begin = first or (asked[0] - timedelta(days=7) if asked else last - timedelta(days=13))
    begin = max(begin, min(known)) if first is None else begin
    begin -= timedelta(days=begin.weekday())
    latest = max(begin, min(last, begin + timedelta(days=7 * MOST_WEEKS - 1)))
    if first is None and (latest - begin).days < 7:
        begin -= timedelta(days=7)  # a week alone has none before it to compare with
    return begin, latest


def _mondays(begin: date, end: date) -> list[date]:
    return [begin + timedelta(weeks=k) for k in range(((end - begin).days // 7) + 1)]


def _told(told: Mapping[str, Any], form: str) -> dict[date, Mapping[str, str]]:
    """What is told of each day, by item; days that were taken back are left out."""
    out = {}
    for name, values in told["forms"].items():
        visit, which, number = (*name.split(" "), "")[:3]
        if visit == "calendar" and which == form and number and values.get("state") == "recorded":
            out[date.fromordinal(int(number))] = values
    return out


def _words(values: Mapping[str, str], substance: str) -> str:
    """A day in words: none, used, an amount, not known; empty where it was not told."""
    said = values.get(substance, "")
    if not said:
        return ""
    amount = values.get(f"{substance}.amount", "")
    if said == "yes" and amount and not amount.startswith("("):
        return f"{amount} {values.get(f'{substance}.unit', '')}".strip()
    return {"yes": "used", "no": "none"}.get(said, "not known")


def _week(
    monday: date, begun: date, today: date, planned: set[date], values: Mapping[date, Any], sheet: CalendarSheet
) -> Week:
    cells: list[tuple[str, Day | None, bool]] = []
    for on in (monday + timedelta(days=k) for k in range(7)):
        mark = day_words(on, year=False, week=False) if on.day == 1 else str(on.day)
        if on not in values and (on not in planned or on > today):
            cells.append((mark, None, on == today))
            continue
        told = _words(values.get(on, {}), sheet.substance)
        before = on - timedelta(days=7)
        cell = Day(
            on.isoformat(),
            mark,
            f"{long_day(on)}, day {windows.study_day_of(on, begun)}",
            f"{sheet.form}.{on.isoformat()}",
            told=told,
            week_ago=f"{sheet.form}.{before.isoformat()}",
            last_week=cell_words(_words(values.get(before, {}), sheet.substance)),
            editable=on <= today and told in ("", "not known"),
        )
        cell.ordinal = on.toordinal()
        cells.append((mark, cell, on == today))
    first, last = windows.study_day_of(monday, begun), windows.study_day_of(monday + timedelta(days=6), begun)
    return Week(day_words(monday, year=False, week=False), f"day {first} to {last}", cells)


def _beside(sheet: CalendarSheet, protocol: Protocol, told: Mapping[str, Any], values: Mapping[date, Any]) -> None:
    """Samples of the substance beside their weeks, and whether they go with what was told."""
    tests = {id for id, entry in protocol.model.assessments.items() if entry.type == "urine"}
    for name, answers in told["forms"].items():
        visit, form, *_ = name.split(" ")
        result = answers.get(sheet.substance, "")
        on = told["dates"].get(name, "") or told["visits"].get(visit, {}).get("date", "")
        if form not in tests or result not in _SIGNS or not on:
            continue
        day = date.fromisoformat(on)
        one = Urine(day, day_words(day, year=False), _SIGNS[result], visit_words(visit))
        before = [day - timedelta(days=k) for k in range(BACK, 0, -1)]
        said = [_words(values.get(other, {}), sheet.substance) for other in before]
        if result == "positive" and all(word == "none" for word in said):
            first, last = (day_words(other, year=False, week=False) for other in (before[0], before[-1]))
            one.discordant = f"{first} to {last}"
        for week in sheet.weeks:
            days = [date.fromisoformat(cell.date) for _, cell, _ in week.cells if cell is not None]
            if days and days[0] - timedelta(days=days[0].weekday()) <= day <= days[-1] + timedelta(
                days=6 - days[-1].weekday()
            ):
                week.urine.append(one)
    for week in sheet.weeks:
        week.urine.sort(key=lambda one: one.on)


def fill_in(sheet: CalendarSheet, typed: Any) -> None:
    """Put what was typed into the cells that can be told."""

    def one(name: str) -> str:
        values = typed.getlist(name) if hasattr(typed, "getlist") else typed.get(name, [])
        return str(values[-1]).strip() if values else ""

    for day in sheet.asked:
        day.value = one(day.name)
    sheet.unit = one(f"{sheet.form}:unit") or sheet.unit


def given(sheet: CalendarSheet, participant: str) -> dict[str, Any]:
    """What was typed, as the action takes it: the days told, and those in between that were not."""
    told = {day.date: day_typed(day.value.lower()) for day in sheet.asked if day.value}
    first, last = min(told), max(told)
    amounts = {on: amount for on, (_, amount) in told.items() if amount}
    begin, end = date.fromisoformat(first), date.fromisoformat(last)
    span = [(begin + timedelta(days=k)).isoformat() for k in range((end - begin).days + 1)]
    return {
        "participant": participant,
        "form": sheet.form,
        "substance": sheet.substance,
        "first": first,
        "last": last,
        "used": [on for on, (said, _) in told.items() if said == "yes"],
        "unknown": [on for on, (said, _) in told.items() if said == "not-known"],
        "skipped": [day for day in span if day not in told],
        **({"amounts": amounts, "unit": sheet.unit} if amounts else {}),
    }
