"""The pharmacy's dose sheet of an infusion, injection or spray, checked by a second account; milligrams are sealed."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from equipoise.conduct.actions.context import Act, action
from equipoise.conduct.actions.grounds import grounds_of
from equipoise.conduct.actions.infusion.told_again import check_again_told, sheet_again, shelf_again
from equipoise.conduct.actions.permissions import ALWAYS
from equipoise.conduct.actions.repeat import run_again
from equipoise.conduct.actions.visits.recording import day_1_of, form_of, form_rows, raise_problems, values_of
from equipoise.conduct.rows.tables import AccountRow, EventRow, SealedEventRow
from equipoise.conduct.rules import dose as rules
from equipoise.conduct.rules import stock
from equipoise.conduct.rules.dose_places import DOSE_DAY, INFUSION_DAY, planned_day_of, sheet_form
from equipoise.conduct.rules.preconditions import BEGUN, check_sheet, check_sheet_holds
from equipoise.conduct.rules.single_dose import check_doses, sheet_of_dose, single_days
from equipoise.conduct.rules.windows import study_day_of
from equipoise.conduct.trial.slots import open_event
from equipoise.foundation.errors import Problem, listed
from equipoise.protocol import Protocol
from equipoise.protocol.language.interventions import DrugIntervention

CODES = {
    "C605": "A dose sheet cannot be made, or was made already.",
    "C606": "The second check is by the account that prepared, or gives another dose.",
    "C607": "The trial does not give this drug.",
}


def infusion_visit(day: int) -> str:
    """Where the records of the infusion of a study day stand."""
    return f"{INFUSION_DAY}{day}"


def planned_days(protocol: Protocol) -> tuple[int, ...]:
    """Study days on which some arm gets an infusion."""
    found = {
        day
        for arm in protocol.arm_ids
        for drug in rules.infusions(protocol, arm).values()
        for day in rules.infusion_days(drug)
    }
    return tuple(sorted(found))


def prepared_days(protocol: Protocol) -> tuple[int, ...]:
    """Study days on which some arm gets something that a dose sheet is made for."""
    return tuple(sorted({*planned_days(protocol), *single_days(protocol)}))


def dose_visit(protocol: Protocol, day: int) -> str:
    """Where the records of the dose of a study day stand."""
    return f"{DOSE_DAY}{day}" if day in single_days(protocol) else infusion_visit(day)


def noun_of(visit: str) -> str:
    """What the dose there is called where no arm is told."""
    return "dose" if visit.startswith(DOSE_DAY) else "infusion"


def sealed_entries(act: Act, kind: str) -> list[dict[str, Any]]:
    """What the sealed ledger holds of one kind, in order, each with the ``event`` it belongs to; needs the pharmacy's
    folder.
    """
    opened = (
        {"event": one.event_number, **open_event(act.vault, one)}
        for one in act.trial.find(SealedEventRow, order=("number",))
    )
    return [entry for entry in opened if entry.get("kind") == kind]


def register(act: Act) -> list[stock.StockEntry]:
    """The drug register, in order."""
    return _lines(sealed_entries(act, "stock"))


def _lines(entries: list[dict[str, Any]]) -> list[stock.StockEntry]:
    """The lines of what stands sealed of the register."""
    return [
        stock.StockEntry(
            line["drug"],
            line["movement"],
            Decimal(line["mg"]),
            line.get("reverses"),
            bool({"dose", "cancelled"} & set(entry)),
        )
        for entry in entries
        for line in entry["lines"]
    ]


def require_witness(act: Act, witness: str) -> None:
    """Refuse where nobody else, an account in use, saw that a drug was destroyed (C607)."""
    row = act.trial.first(AccountRow, account=witness.strip()) if witness.strip() else None
    if row is None or row.state != "active" or row.account == act.session.account:
        found = (
            f"{witness.strip()!r} is no account in use." if witness.strip() and row is None else "Nobody else saw it."
        )
        act.refuse("C607", "witness", found, "another account as witness", "Add witness=ACCOUNT.")


def _planned(act: Act, day: int | None) -> int:
    return day if day is not None else study_day_of(act.now.local_date, day_1_of(act))


def _replaced(act: Act, visit: str, witness: str) -> dict[str, Any] | None:
    """The bag that a new sheet replaces: destroyed before a witness. ``None`` where there is no bag."""
    form = sheet_form(visit)
    before = form_of(act, visit, form)
    if before is None or values_of(act, visit, form).get("bag") == "none":
        return None
    act.require_why("A dose sheet was made anew")
    if not witness.strip():
        act.refuse(
            "C607",
            "witness",
            f"This {noun_of(visit)} was prepared; its sheet is {before.state}.",
            "what was prepared destroyed before another account, or the sheet read again",
            "Read it again: dose-sheet-read. Or destroy what was prepared and add witness=ACCOUNT.",
        )
    require_witness(act, witness)
    dose = last_dose(act, act.participant.participant, planned_day_of(visit))
    return {"drug": dose["drug"], "mg": dose["prepared_mg"], "witness": witness.strip()}


@action("dose-sheet", private=("drawn",), again=sheet_again, of_pharmacy=True)
def dose_sheet(
    act: Act, participant: str, drawn: Decimal | None = None, day: int | None = None, witness: str = ""
) -> None:
    """Prepare an infusion, injection or spray: milligrams to the pharmacist alone, the volume (and rate) to everybody.

    ``drawn`` is what was taken from the shelf, by default the dose itself; the rest of it is wasted. ``day`` is the
    planned study day, by default today's. Made anew, the sheet is for another bag or syringe: the first was destroyed
    before ``witness``, another account, and the drug is drawn again. To see a sheet again: dose-sheet-read.
    """
    changed = act.take("prepare_dose")
    protocol = act.protocol
    raise_problems(check_doses(protocol))
    today = study_day_of(act.now.local_date, day_1_of(act))
    planned = _planned(act, day)
    require_planned(act, planned)
    if planned < (protocol.model.calendar.randomization_day or 1):
        found = f"The dose of study day {planned} comes before the entry into the trial."
        act.refuse("C522", "day", found, "a dose after it", "What was given before stands in the source documents.")
    if planned != today:
        act.require_why(f"A dose planned for study day {planned} was prepared on day {today}")
    visit = dose_visit(protocol, planned)
    form = sheet_form(visit)
    before = form_of(act, visit, form)
    if before is not None and before.state in BEGUN:
        act.refuse("C605", visit, f"This {noun_of(visit)} is {before.state}.", "one that has not begun")
    grounds = grounds_of(act, visit)
    raise_problems(check_sheet(grounds))
    assert grounds.weight is not None
    kg = grounds.weight[0]
    arm = act.arm_of(participant)
    if rules.is_due(protocol, arm, planned) is None:
        act.refuse("C522", visit, "There is nothing to prepare.", "an arm with a dose on that day")
    replaced = _replaced(act, visit, witness)
    sealed = rules.sealed_sheet(protocol, arm, planned, kg)
    sheet = sheet_of_dose(protocol, sealed.intervention, planned, sealed.prepared_mg)
    shelf = drawn if drawn is not None else sealed.prepared_mg
    if shelf < sealed.prepared_mg:
        act.refuse("C605", "drawn", "Less was drawn than the dose.", "at least the dose", "See the sheet again.")
    out = stock.StockEntry(sealed.drug, "drawn", shelf)
    raise_problems(_hidden(stock.check_entry(register(act), out)))
    items = _items(act, sheet, kg)
    rows = form_rows(act, visit, form, items, state="prepared", on=act.now.local_date, is_new=before is None)
    rows["form"][0]["protocol_hash"] = act.protocol_hash
    if changed:
        rows["participant"] = [{"participant": participant, **changed}]
    act.record(
        subject=visit,
        what={"label": sheet.label, **({"witness": witness.strip()} if replaced else {}), "put": rows},
        answer={"participant": participant, "label": sheet.label, "state": "prepared"},
    )
    wasted = shelf - sealed.prepared_mg
    made = {
        "participant": participant,
        "day": planned,
        "intervention": sealed.intervention,
        "drug": sealed.drug,
        "weight_kg": sealed.weight_kg,
        "prepared_mg": sealed.prepared_mg,
        "capped": sealed.is_capped,
        "drawn_mg": shelf,
        "wasted_mg": wasted,
    }
    drug = protocol.model.interventions[sealed.intervention]
    if any(phase.volume is not None for phase in getattr(drug, "phases", ())):
        made["steps"] = list(sealed.by_step(sheet))
    act.seal(
        {
            "kind": "stock",
            "dose": made,
            **({"destroyed": replaced} if replaced else {}),
            "lines": [{"drug": sealed.drug, "movement": "drawn", "mg": shelf}],
        }
    )
    act.tell(_told(made, sheet))


def require_planned(act: Act, day: int) -> None:
    """Refuse a study day on which no arm gets something that is prepared, with what keeps it from being prepared."""
    days = prepared_days(act.protocol)
    if day in days:
        return
    for id, drug in act.protocol.model.interventions.items():
        if isinstance(drug, DrugIntervention) and drug.type in rules.SINGLE and day in rules.infusion_days(drug):
            place = f"interventions.{id}.concentration"
            act.refuse(
                "C520", place, "The protocol does not say.", "a strength such as 50 mg/mL", "Amend the protocol."
            )
    found = f"No infusion, injection or spray is planned on study day {day}."
    act.refuse("C605", "day", found, listed(days), "Name the planned day: day=N.")


def _items(act: Act, sheet: rules.OpenSheet, kg: Decimal) -> dict[str, tuple[str, str | None, str]]:
    """What everybody may see of a dose sheet."""
    rates = ", ".join(rules.decimal_text(step.rate_ml_per_hour) for step in sheet.steps)
    running: dict[str, tuple[str, str | None, str]] = {
        "minutes": ("decimal", rules.decimal_text(sheet.minutes), "min"),
        "rate": ("text", rates, "mL/h"),
    }
    return {
        "volume": ("decimal", rules.decimal_text(sheet.volume_ml), "mL"),
        **(running if sheet.steps else {}),
        "weight": ("decimal", format(kg, "f"), "kg"),
        "prepared-by": ("text", act.session.account, ""),
        "bag": ("text", "made", ""),
    }


def _told(dose: dict[str, Any], sheet: rules.OpenSheet) -> dict[str, Any]:
    """What the pharmacist is told of a sheet; ``dose`` is what stands sealed of it."""
    prepared, drawn = Decimal(dose["prepared_mg"]), Decimal(dose["drawn_mg"])
    return {
        "drug": dose["drug"],
        "prepared_mg": format(prepared, "f"),
        "drawn_mg": format(drawn, "f"),
        "to_waste_mg": format(drawn - prepared, "f"),
        "capped": dose["capped"],
        "weight_kg": format(Decimal(dose["weight_kg"]), "f"),
        ("fill_to_ml" if sheet.steps else "volume_ml"): rules.decimal_text(sheet.volume_ml),
        **({"steps": ", then ".join(dose["steps"])} if "steps" in dose else {}),
    }


@action("dose-sheet-read", states=ALWAYS, again=run_again)
def dose_sheet_read(act: Act, participant: str, day: int | None = None) -> None:
    """Read a dose sheet again, as it was made: nothing is drawn, nothing changes. That it was read is recorded."""
    planned = _planned(act, day)
    visit = dose_visit(act.protocol, planned)
    row = form_of(act, visit, sheet_form(visit))
    if row is None:
        act.refuse("C605", visit, "There is no sheet.", "a dose sheet", "Make it: dose-sheet.")
    dose = last_dose(act, participant, planned)
    under = act.trial.protocol(row.protocol_hash or act.protocol_hash)
    sheet = sheet_of_dose(under, dose["intervention"], planned, Decimal(dose["prepared_mg"]))
    act.record(subject=visit, what={"read": "dose sheet"}, answer={"participant": participant, "state": row.state})
    act.tell({"state": row.state, "label": sheet.label, **_told(dose, sheet)})


@action("dose-sheet-cancel", why=True)
def dose_sheet_cancel(act: Act, participant: str, bag: str, day: int | None = None, witness: str = "") -> None:
    """Take a dose sheet back before the dose: its ``bag`` was destroyed, before ``witness``, or never-made.

    So is a syringe. What was drawn for a bag or syringe that was never made stands on the shelf again.
    """
    planned = _planned(act, day)
    visit = dose_visit(act.protocol, planned)
    form = sheet_form(visit)
    row = form_of(act, visit, form)
    if (
        row is None
        or row.state not in ("prepared", "checked", "void")
        or values_of(act, visit, form).get("bag") == "none"
    ):
        state = row.state if row is not None else "not there"
        act.refuse("C605", visit, f"The sheet is {state}.", f"a sheet whose {noun_of(visit)} has not begun")
    if bag not in ("destroyed", "never-made"):
        act.refuse("C605", "bag", f"Found {bag!r}.", "destroyed or never-made")
    if bag == "destroyed":
        require_witness(act, witness)
    dose = last_dose(act, participant, planned)
    items: dict[str, tuple[str, str | None, str]] = {"bag": ("text", "none", "")}
    act.record(
        subject=visit,
        what={
            "bag": bag,
            "witness": witness.strip(),
            "put": form_rows(act, visit, form, items, state="cancelled", is_new=False),
        },
        answer={"participant": participant, "state": "cancelled"},
    )
    back = [{"drug": dose["drug"], "movement": "drawn", "mg": -Decimal(dose["drawn_mg"])}]
    lines = back if bag == "never-made" else []
    cancelled = {"participant": participant, "day": planned, "bag": bag, "witness": witness.strip()}
    act.seal({"kind": "stock", "cancelled": cancelled, "lines": lines})


def _hidden(problems: list[Problem]) -> list[Problem]:
    """The problems without amounts: the words of a refusal are shown and may be logged."""
    return [
        Problem(p.code, "the shelf", "There is not enough of the drug.", "stock received first", "Record what came in.")
        for p in problems
    ]


def last_dose(act: Act, participant: str, day: int) -> dict[str, Any]:
    """The sealed dose of a sheet, the last one made."""
    doses = [entry["dose"] for entry in sealed_entries(act, "stock") if "dose" in entry]
    found = [dose for dose in doses if (dose["participant"], dose["day"]) == (participant, day)]
    if not found:
        act.refuse("C605", dose_visit(act.protocol, day), "There is no sheet.", "a dose sheet", "Make it: dose-sheet.")
    return found[-1]


@action("dose-check", private=("kg", "mg"), again=check_again_told, of_pharmacy=True)
def dose_check(
    act: Act, participant: str, day: int | None = None, kg: Decimal | None = None, mg: Decimal | None = None
) -> None:
    """Check a dose sheet, by another account than the one that prepared it: the dose is worked out again.

    ``kg`` and ``mg`` are what the second person read and worked out by hand; where they are given they must agree with
    the sheet.
    """
    protocol = act.protocol
    act.take("prepare_dose")
    planned = _planned(act, day)
    visit = dose_visit(protocol, planned)
    form = sheet_form(visit)
    before = form_of(act, visit, form)
    if before is None or before.state != "prepared":
        state = before.state if before is not None else "not there"
        act.refuse("C605", visit, f"The sheet is {state}.", "a sheet that was prepared and not checked")
    values = values_of(act, visit, form)
    if values["prepared-by"] == act.session.account:
        act.refuse("C606", visit, "The same account prepared it.", "two different accounts", "Another person checks.")
    grounds = grounds_of(act, visit)
    raise_problems(check_sheet_holds(grounds))
    assert grounds.weight is not None
    dose = last_dose(act, participant, planned)
    again = rules.sealed_sheet(protocol, act.arm_of(participant), planned, grounds.weight[0])
    if again.prepared_mg != Decimal(dose["prepared_mg"]) or again.drug != dose["drug"]:
        act.refuse(
            "C606",
            visit,
            "Calculated again, the dose differs (a new weight, an amendment).",
            "the same dose twice",
            "Make a new sheet.",
        )
    differs = [
        name
        for name, found, held in (("kg", kg, dose["weight_kg"]), ("mg", mg, dose["prepared_mg"]))
        if found is not None and found != Decimal(held)
    ]
    raise_problems(
        Problem("C606", name, "It differs from the sheet.", "the same twice", "Read the sheet and calculate again.")
        for name in differs
    )
    items: dict[str, tuple[str, str | None, str]] = {"checked-by": ("text", act.session.account, "")}
    act.record(
        subject=visit,
        what={"put": form_rows(act, visit, form, items, state="checked", is_new=False)},
        answer={"participant": participant, "state": "checked"},
    )
    act.tell({"drug": dose["drug"], "prepared_mg": dose["prepared_mg"]})


@action("stock", private=("drug", "movement", "mg"), again=shelf_again, of_pharmacy=True)
def move_stock(act: Act, drug: str, movement: str, mg: Decimal, witness: str = "") -> None:
    """Enter a movement into the drug register: received, returned to the supplier, or wasted before a witness."""
    drugs = sorted({drug.drug for arm in act.protocol.arm_ids for drug in rules.prepared(act.protocol, arm).values()})
    if drug not in drugs:
        act.refuse("C607", "drug", "The trial does not give this drug.", listed(drugs))
    if movement not in ("received", "returned", "wasted"):
        act.refuse("C607", "movement", f"Found {movement!r}.", "received, returned or wasted")
    if movement == "wasted":
        require_witness(act, witness)
    lines = register(act)
    entry = stock.StockEntry(drug, movement, mg)  # type: ignore[arg-type]
    raise_problems(stock.check_entry(lines, entry))
    act.record(subject="drug register", what={"witness": witness}, answer={"entered": True})
    act.seal({"kind": "stock", "lines": [{"drug": drug, "movement": movement, "mg": mg}]})
    act.tell({"shelf_mg": _shelf([*lines, entry])})


@action("stock-register", states=ALWAYS, again=run_again)
def stock_register(act: Act) -> None:
    """Read the drug register: its lines by number, and what the shelf should hold. That it was read is recorded."""
    entries = sealed_entries(act, "stock")
    lines, entered = _lines(entries), _entered(act, entries)
    act.record(subject="drug register", what={"read": "drug register"}, answer={"lines": len(lines)})
    shown = [
        {
            "line": number,
            **entered[number - 1],
            "drug": line.drug,
            "movement": line.movement,
            "mg": format(line.mg, "f"),
            **({"reverses": line.reverses} if line.reverses is not None else {}),
            **({"dose": True} if line.is_dose else {}),
        }
        for number, line in enumerate(lines, 1)
    ]
    act.tell({"lines": shown, "shelf_mg": _shelf(lines)})


@action("stock-reverse", states=("open", "frozen"), why=True, private=("line",), again=shelf_again, of_pharmacy=True)
def stock_reverse(act: Act, line: int) -> None:
    """Reverse a line of the drug register that was entered in error, with the reason: both lines stand.

    The line of a dose is taken back with its sheet: dose-sheet-cancel.
    """
    lines = register(act)
    raise_problems(stock.check_reversal(lines, line))
    back = stock.reversal(lines, line)
    act.record(subject="drug register", what={"reversal": True}, answer={"entered": True})
    said = {"drug": back.drug, "movement": back.movement, "mg": back.mg, "reverses": line}
    act.seal({"kind": "stock", "lines": [said]})
    act.tell({"shelf_mg": _shelf([*lines, back])})


def _entered(act: Act, entries: list[dict[str, Any]]) -> list[dict[str, str]]:
    """Of each line of the register: when it was entered, by whom, and for whose dose."""
    numbers = [entry["event"] for entry in entries]
    events = {event.number: event for event in act.trial.find(EventRow, number__in=numbers)}
    out: list[dict[str, str]] = []
    for entry in entries:
        event = events[entry["event"]]
        of_dose = entry.get("dose") or entry.get("cancelled") or {}
        said = {"at": event.at, "account": event.account, "participant": of_dose.get("participant", "")}
        out += [said] * len(entry["lines"])
    return out


def _shelf(lines: list[stock.StockEntry]) -> dict[str, str]:
    return {name: format(left, "f") for name, left in stock.balance(lines).items()}


@action("stock-count", private=("drug", "mg"), again=shelf_again, of_pharmacy=True)
def stock_count(act: Act, drug: str, mg: Decimal) -> None:
    """Count the shelf: refused, with both numbers to the pharmacist, where it differs from the register."""
    lines = register(act)
    raise_problems(stock.check_count(lines, drug, mg))
    act.record(subject="drug register", what={"counted": True}, answer={"agrees": True})
    act.seal({"kind": "count", "drug": drug, "mg": mg})
    act.tell({"shelf_mg": _shelf(lines)})
