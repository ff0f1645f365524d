"""Forms made from the protocol: for each assessment its items, their types and ranges, and what is checked.

A hard check refuses an answer that cannot be; a soft check asks, and is passed by confirming. An instrument's items,
ranges and scores are those of the instruments room; the wording of a questionnaire comes from a file of the site's.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal, InvalidOperation
from functools import lru_cache

from equipoise.conduct.rules import windows
from equipoise.conduct.rules.dose import infusion_days, infusions
from equipoise.conduct.rules.form_items import Form as Form  # a form is made here, and known by this module
from equipoise.conduct.rules.form_items import FormItem as FormItem
from equipoise.conduct.rules.form_items import ItemType
from equipoise.conduct.rules.surroundings import Surroundings
from equipoise.foundation.errors import Problem, listed, nearest
from equipoise.instruments import FINDING, Instrument, require_instrument_of, score
from equipoise.protocol import Protocol
from equipoise.protocol.language.conditions import asked, parse_condition
from equipoise.protocol.language.design import Assessment, BaselineVariable
from equipoise.protocol.language.interventions import BehaviouralIntervention
from equipoise.protocol.language.protocol import PlannedVisit
from equipoise.records.schema import CERTAINTIES, NEGATIVE, NOT_EVALUABLE, POSITIVE

CODES = {
    "C570": "The form has no such item.",
    "C571": "An answer has the wrong type.",
    "C572": "An answer is out of range, or not among the choices.",
    "C573": "A required item has no answer.",
    "C574": "Answers contradict one another.",
    "C575": "Answers are unusual: confirm or correct them.",
    "C577": "The visit does not ask for this form.",
    "C578": "This form cannot be quarantined.",
    "C579": "Unknown reason for a missing answer, or a reason for an item that has an answer.",
}


@dataclass(frozen=True, slots=True)
class Filling:
    """Answers held against a form: ``answers`` cleaned, ``cleared`` items that are not asked, problems by weight.

    ``accepted`` are soft problems that were passed because somebody confirmed the answer.
    """

    answers: Mapping[str, str | None]
    cleared: tuple[str, ...] = ()
    hard: tuple[Problem, ...] = ()
    soft: tuple[Problem, ...] = ()
    accepted: tuple[Problem, ...] = ()
    scores: Mapping[str, str | None] = field(default_factory=dict)
    fired: Mapping[str, Problem] = field(default_factory=dict)  # checks of the protocol that the answers run into


_D = Decimal

# Why an answer is absent. `left-out` is what stands where nobody said more.
REASONS = {
    "refused": "asked, and the person did not want to answer",
    "no-answer": "asked, and there was no answer",
    "not-known": "asked, and the person does not know",
    "not-asked": "it was not asked",
    "lost": "the sheet was lost or cannot be read",
}


def reasons_of(
    form: Form, answers: Mapping[str, str | None], told: Mapping[str, str]
) -> tuple[dict[str, str], list[Problem]]:
    """The reason of each item without an answer, from ``told`` (an item, or `all` for those not named), and what is
    wrong with them (C579).
    """
    problems = []
    out: dict[str, str] = {}
    for name, reason in told.items():
        place = f"{form.id}.{name}"
        if reason not in REASONS:
            problems.append(Problem("C579", place, f"Found {reason!r}.", listed(REASONS)))
        elif name != "all" and form.item(name) is None:
            problems.append(Problem("C579", place, "The form has no such item.", "an item of the form, or all"))
        elif name != "all" and answers.get(name) not in (None, ""):
            problems.append(Problem("C579", place, "It has an answer.", "an answer, or a reason why there is none"))
    for item in form.items:
        if answers.get(item.id) in (None, "") and (reason := told.get(item.id, told.get("all", ""))):
            out[item.id] = reason
    return out, problems


def forms(protocol: Protocol) -> dict[str, Form]:
    """Every form of the protocol: one an assessment, one a therapy, and the form of weighing."""
    out = {id: form_of(protocol, id) for id in protocol.model.assessments}
    for id, entry in protocol.model.interventions.items():
        if isinstance(entry, BehaviouralIntervention):
            out[id] = _session_form(id, entry)
    return out


# Of a protocol, which never changes; by the object, so that each of the versions a trial keeps has its own.
@lru_cache(maxsize=512)
def form_of(protocol: Protocol, assessment: str) -> Form:
    """The form of one assessment; ``KeyError`` where the protocol has none of that name."""
    entry = protocol.model.assessments[assessment]
    label = entry.label or assessment
    if entry.type == "instrument":
        instrument = require_instrument_of(protocol, assessment)
        items = _branched(_instrument_items(instrument), entry)
        return Form(assessment, label, entry.blinding, items, instrument, "instrument")
    items = _branched(_MAKERS[entry.type](entry), entry)
    return Form(assessment, label, entry.blinding, items, None, entry.type)


SIGNS = "signs"  # the kind of a form of vital signs at a visit without an infusion


@lru_cache(maxsize=4096)
def form_at(protocol: Protocol, assessment: str, visit: str) -> Form:
    """The form of one assessment as a visit asks it: where no infusion is given, vital signs have no minute of it."""
    form = form_of(protocol, assessment)
    if form.kind != "vitals" or visit.startswith("infusion-day-"):
        return form
    planned = windows.find_visit(protocol, visit)
    if planned is not None and _gives_infusion(protocol, planned):
        return form
    return replace(form, items=tuple(item for item in form.items if item.id != "minute"), kind=SIGNS)


def _gives_infusion(protocol: Protocol, visit: PlannedVisit) -> bool:
    """Whether an infusion is planned, in some arm, for the day of a visit."""
    days = (infusion_days(drug) for arm in protocol.arm_ids for drug in infusions(protocol, arm).values())
    return visit.stage is None and visit.target_day in {day for some in days for day in some}


def infusion_signs(protocol: Protocol) -> Form | None:
    """The form of vital signs of an infusion: the one that its visit asks for, else the first that there is."""
    found = [id for id, entry in protocol.model.assessments.items() if entry.type == "vitals"]
    at = [visit for visit in protocol.planned_visits if _gives_infusion(protocol, visit)]
    asked_there = [id for id in found if any(id in visit.assess for visit in at)]
    chosen = next(iter([*asked_there, *found]), None)
    return form_of(protocol, chosen) if chosen is not None else None


def _branched(items: tuple[FormItem, ...], entry: Assessment) -> tuple[FormItem, ...]:
    """The items with the conditions of the protocol under which they are asked."""
    if not entry.asked_when:
        return items
    everywhere = entry.asked_when.get("all")
    out = []
    for item in items:
        when = item.when
        for condition in (everywhere, entry.asked_when.get(item.id)):
            when = condition.also(when) if condition is not None else when
        out.append(replace(item, when=when))
    return tuple(out)


def baseline_item(id: str, variable: BaselineVariable) -> FormItem:
    """A baseline variable as an item."""
    kind: ItemType = {"number": "decimal", "yes-no": "yes-no"}.get(variable.type, "choice")  # type: ignore[assignment]
    return FormItem(id, variable.label or id, kind, choices=tuple(variable.levels) if kind == "choice" else ())


def asks_something(form: Form, around: Surroundings | None) -> bool:
    """Whether the form asks anything before it is filled in: a form whose every item hangs on what does not hold is
    not due.
    """
    if around is None:
        return True
    return bool(asked({item.id: item.when for item in form.items}, {}, around.elsewhere))


def check_blinding(protocol: Protocol) -> list[Problem]:
    """C578 for adverse events that are quarantined: their deadlines are read by those who treat and report."""
    return [
        Problem(
            "C578",
            f"assessments.{id}.blinding",
            "Adverse events are quarantined.",
            "open",
            "The person who reports an adverse event reads it; keep what reveals the arm out of the term.",
        )
        for id, entry in protocol.model.assessments.items()
        if entry.type == "event" and entry.blinding != "open"
    ]


def forms_at(protocol: Protocol, visit: str) -> tuple[str, ...]:
    """Assessments that the schedule asks for at a visit; all of them at an unscheduled contact."""
    planned = next((entry for entry in protocol.planned_visits if entry.name == visit), None)
    return planned.assess if planned is not None else tuple(protocol.model.assessments)


def _plain_number(value: object) -> Decimal:
    """The number without zeros at its end, and never with an exponent: 100, 0.5."""
    return Decimal(format(Decimal(str(value)).normalize(), "f"))


# Made once: a form is asked for at every recording.
@lru_cache(maxsize=256)
def _instrument_items(instrument: Instrument) -> tuple[FormItem, ...]:
    # A person may leave an item out; the instrument's own rule says what that does to the score.
    return tuple(
        FormItem(
            item.id,
            f"Item {item.id}" if item.id.isdigit() else item.id.capitalize(),
            "integer" if item.whole_numbers else "decimal",
            required=len(instrument.items) == 1,
            lowest=_plain_number(item.lowest),
            highest=_plain_number(item.highest),
            levels=tuple(_plain_number(level) for level in item.levels),
        )
        for item in instrument.items
    )


def _urine(entry: Assessment) -> tuple[FormItem, ...]:
    results = (POSITIVE, NEGATIVE, NOT_EVALUABLE)
    return tuple(
        FormItem(substance, substance.capitalize(), "choice", choices=results) for substance in entry.substances
    )


def _daily_use(entry: Assessment) -> tuple[FormItem, ...]:
    """Items of one day: for each substance whether it was used and, where it was, how much (not required)."""
    out = []
    for substance in entry.substances:
        out.append(FormItem(substance, f"{substance.capitalize()} used", "yes-no"))
        used = parse_condition(f"{substance} = yes")
        amount = f"{substance}.amount"
        out.append(FormItem(amount, "Amount", "decimal", required=False, lowest=_D(0), when=used))
        told = parse_condition(f"{amount} > 0")
        out.append(FormItem(f"{substance}.unit", "Unit of the amount", "text", when=told))
    return tuple(out)


def _vitals(entry: Assessment) -> tuple[FormItem, ...]:
    def sign(id: str, label: str, bounds: tuple[int, int], usual: tuple[int, int], unit: str) -> FormItem:
        low, high = (_D(bound) for bound in bounds)
        return FormItem(id, label, "integer", False, low, high, (_D(usual[0]), _D(usual[1])), unit=unit)

    return (
        FormItem("minute", "Minutes since the start", "decimal", lowest=_D(-60), highest=_D(1440), unit="min"),
        sign("systolic", "Systolic blood pressure", (30, 300), (80, 180), "mmHg"),
        sign("diastolic", "Diastolic blood pressure", (10, 200), (40, 110), "mmHg"),
        sign("pulse", "Pulse", (10, 300), (45, 140), "1/min"),
        sign("saturation", "Oxygen saturation", (30, 100), (90, 100), "%"),
    )


def _event(entry: Assessment) -> tuple[FormItem, ...]:
    """Whether adverse events were asked about at the visit and, where they were, whether there were any."""
    asked = parse_condition("asked = yes")
    return (
        FormItem("asked", "Asked about adverse events", "yes-no"),
        FormItem("any", "Any since the last visit", "yes-no", required=False, when=asked),
    )


def _finding(entry: Assessment) -> tuple[FormItem, ...]:
    return (FormItem(FINDING, f"{entry.yes} (no: {entry.no})", "yes-no"),)


def _events(entry: Assessment) -> tuple[FormItem, ...]:
    """For each event whether it happened since it was last asked about and, if so, when and how sure that is."""
    out = []
    for term in entry.terms:
        happened = parse_condition(f"{term} = yes")
        out += [
            FormItem(term, f"{term.replace('-', ' ').capitalize()} since last asked", "yes-no"),
            FormItem(f"{term}.on", "Date; empty where nobody knows it", "date", required=False, when=happened),
            FormItem(f"{term}.certainty", "How sure it is", "choice", choices=CERTAINTIES, when=happened),
            FormItem(f"{term}.source", "Who or what says so", "text", required=False, when=happened),
        ]
    return tuple(out)


_MAKERS = {
    "urine": _urine,
    "daily-use": _daily_use,
    "vitals": _vitals,
    "event": _event,
    "events": _events,
    "finding": _finding,
}


def _session_form(id: str, entry: BehaviouralIntervention) -> Form:
    held = parse_condition("delivered = yes")
    items = (
        FormItem("delivered", "The session took place", "yes-no"),
        FormItem("minutes", "Length", "decimal", True, _D(1), _D(600), (_D(10), _D(180)), unit="min", when=held),
        FormItem("practice", "Practice since the last", "decimal", False, _D(0), _D(44640), unit="min", when=held),
        FormItem("fidelity", "Rated fidelity", "decimal", False, _D(0), _D(1), unit="share", when=held),
    )
    return Form(id, entry.label or id, "open", items, None, "session")


def fill(
    form: Form,
    answers: Mapping[str, str | None],
    *,
    confirmed: Collection[str] = (),
    excused: Collection[str] = (),
    around: Surroundings | None = None,
) -> Filling:
    """Hold answers (texts; ``None`` or empty: left out) against a form.

    ``excused`` items have no answer for a reason that is told: nobody asks for it any more. ``around`` holds what other
    forms say, and the protocol's checks. Every hard and soft problem comes at once; a soft one whose item is in
    ``confirmed`` is passed. Items that the answers put out of question are listed as cleared when they had an answer.
    """
    hard: list[Problem] = []
    known = {item.id for item in form.items}
    for id in answers:
        if id not in known:
            guess = nearest(id, [item.id for item in form.items])
            hard.append(
                Problem(
                    "C570",
                    f"{form.id}.{id}",
                    "The form has no such item.",
                    listed([item.id for item in form.items], limit=40),
                    f"Did you mean {guess}?" if guess else "",
                )
            )
    given = {item.id: _tidy(answers.get(item.id)) for item in form.items}
    shown = asked({item.id: item.when for item in form.items}, given, around.elsewhere if around is not None else {})
    cleared = tuple(id for id, value in given.items() if value is not None and id not in shown)
    clean = {id: given[id] for id in shown}
    soft: list[Problem] = []
    for item in form.items:
        if item.id in clean and (clean[item.id] is not None or item.id not in excused):
            _check_item(form, item, clean[item.id], hard, soft)
    if not hard:
        told = {id: value for id, value in clean.items() if value is not None or id not in excused}
        _check_together(form, told, hard, soft)
    fired = around.fired(form, clean) if around is not None and not hard else {}
    for problem in fired.values():
        (hard if problem.code == "C581" else soft).append(problem)
    pending = tuple(problem for problem in soft if item_of(form, problem) not in confirmed)
    accepted = tuple(problem for problem in soft if item_of(form, problem) in confirmed)
    scores = _scores(form, clean) if not hard else {}
    return Filling(clean, cleared, tuple(hard), pending, accepted, scores, fired)


def check_dates(form: Form, filling: Filling, on: date) -> list[Problem]:
    """C574 for each date of a filled form that lies after the day ``on`` which it was filled in."""
    typed = {item.id for item in form.items if item.type == "date"}
    return [
        Problem("C574", f"{form.id}.{id}", f"{value} is after the visit.", f"a date up to {on}", "Correct the date.")
        for id, value in filling.answers.items()
        if id in typed and value is not None and not filling.hard and date.fromisoformat(value) > on
    ]


def item_of(form: Form, problem: Problem) -> str:
    """The item that a problem of the form is about."""
    return problem.place.removeprefix(f"{form.id}.")


def _tidy(value: str | None) -> str | None:
    return None if value is None or not value.strip() else value.strip()


def number(text: str) -> Decimal | None:
    """A finite number in plain digits, as people type it; ``None`` for anything else."""
    try:
        value = Decimal(text)
    except InvalidOperation:
        return None
    return value if value.is_finite() and "e" not in text.lower() and "_" not in text else None


# What a number in this unit can be where the protocol states no range of its own. Bounds are included.
_BY_UNIT = {"years": (0, 120), "year": (0, 120), "days": (0, None), "day": (0, None), "%": (0, 100), "kg": (1, 650)}


def check_range(variable: BaselineVariable, text: str) -> str:
    """What a baseline number should be, in words, where it lies out of its range; empty where it does not.

    The range is the protocol's (``lowest``, ``highest``); where it states neither, what a number in that unit can be.
    """
    value = number(text) if variable.type == "number" else None
    if value is None:
        return ""
    stated = (variable.lowest, variable.highest)
    bounds = stated if stated != (None, None) else _BY_UNIT.get((variable.unit or "").lower(), (None, None))
    low, high = (None if bound is None else _plain_number(bound) for bound in bounds)
    if (low is None or value >= low) and (high is None or value <= high):
        return ""
    if low is not None and high is not None:
        return f"a number from {low} to {high}"
    return f"a number from {low} on" if low is not None else f"a number up to {high}"


def _check_item(form: Form, item: FormItem, value: str | None, hard: list[Problem], soft: list[Problem]) -> None:
    place = f"{form.id}.{item.id}"
    if value is None:
        if item.required:
            hard.append(Problem("C573", place, "There is no answer.", item.expected))
        return
    if item.type in ("integer", "decimal"):
        amount = number(value)
        if amount is None or (item.type == "integer" and amount != amount.to_integral_value()):
            hard.append(Problem("C571", place, f"Found {value!r}.", item.expected))
            return
        outside = (item.lowest is not None and amount < item.lowest) or (
            item.highest is not None and amount > item.highest
        )
        if outside or (item.levels and amount not in item.levels):
            hard.append(Problem("C572", place, f"Found {value}.", item.expected, "Correct the value."))
            return
        low, high = item.usual
        if (low is not None and amount < low) or (high is not None and amount > high):
            soft.append(
                Problem("C575", place, f"{value} is unusual.", f"usually {low} to {high}", "Confirm it, or correct it.")
            )
    elif item.type == "date":
        try:
            date.fromisoformat(value)
        except ValueError:
            hard.append(Problem("C571", place, f"Found {value!r}.", item.expected))
    elif item.type == "yes-no" and value not in ("yes", "no"):
        hard.append(Problem("C571", place, f"Found {value!r}.", item.expected))
    elif item.type == "choice" and value not in item.choices:
        hard.append(Problem("C572", place, f"Found {value!r}.", item.expected))


def _check_together(form: Form, answers: Mapping[str, str | None], hard: list[Problem], soft: list[Problem]) -> None:
    if form.kind in ("vitals", SIGNS):
        systolic, diastolic = answers.get("systolic"), answers.get("diastolic")
        if systolic is not None and diastolic is not None and Decimal(diastolic) >= Decimal(systolic):
            found = f"Diastolic {diastolic} is not below systolic {systolic}."
            hard.append(Problem("C574", f"{form.id}.diastolic", found, "diastolic below systolic", "Correct one."))
        if all(answers.get(id) is None for id in ("systolic", "diastolic", "pulse", "saturation")):
            hard.append(Problem("C573", f"{form.id}.systolic", "The reading has no value.", "at least one sign"))
    instrument = form.instrument
    if instrument is None or len(instrument.items) < 5:
        return
    given = {value for id, value in answers.items() if value is not None}
    n_given = sum(value is not None for value in answers.values())
    turned = instrument.reversed_items
    if len(given) == 1 and n_given == len(answers) and turned and len(turned) < len(instrument.items):
        value = next(iter(given))
        found = f"Every item is {value}, reversed ones too."
        soft.append(Problem("C575", f"{form.id}.{answers and next(iter(answers))}", found, "answers item by item"))
    if n_given < len(answers):
        first = next(id for id, value in answers.items() if value is None)
        found = f"{len(answers) - n_given} of {len(answers)} items are left out."
        soft.append(Problem("C575", f"{form.id}.{first}", found, "every item", "Ask once more, or confirm."))


def _scores(form: Form, answers: Mapping[str, str | None]) -> dict[str, str | None]:
    if form.instrument is None:
        return {}
    items = {id: float(value) if value is not None else None for id, value in answers.items()}
    found = score(items, form.instrument)
    return {scale: None if entry.value is None else repr(entry.value) for scale, entry in found.items()}
