"""What the clinical actions share: rows for forms and items, dates, rights to what is quarantined."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from typing import TYPE_CHECKING, Any

from equipoise.conduct.keys.quarantine import is_sealed, opened_items, place_of_item
from equipoise.conduct.rows.tables import IN_ERROR, FormRow, ItemRow
from equipoise.conduct.rules import windows
from equipoise.conduct.rules.form_items import Form
from equipoise.conduct.rules.forms import Filling, item_of
from equipoise.conduct.rules.surroundings import Surroundings, surroundings
from equipoise.foundation.errors import ConductError, Problem

if TYPE_CHECKING:
    from equipoise.conduct.actions.context import Act

CODES = {
    "C600": "Only other roles may see or record this item before the lock.",
    "C601": "This is recorded already: correct it, with a reason.",
    "C602": "There is nothing to correct or continue.",
}
# Roles that record and read what is quarantined; everybody else waits for the lock.
RECORDS_QUARANTINED = frozenset({"infusion", "safety"})
READS_QUARANTINED = frozenset({"safety"})

CONFIRMED = "(confirmed)"  # the sealed item of a quarantined form that names answers confirmed though unusual
Item = tuple[str, str | None, str]  # type, value, unit


def raise_problems(problems: Iterable[Problem]) -> None:
    """Refuse with all of ``problems``, when there is one."""
    found = list(problems)
    if found:
        raise ConductError(found)


def roles_of(act: Act) -> frozenset[str]:
    """Every role of the account."""
    return act.roles


def require_may_record(act: Act, form: Form) -> None:
    """Refuse a quarantined form to all but infusion and safety, and any other form to the safety role (C600)."""
    if form.blinding != "open" and not roles_of(act) & RECORDS_QUARANTINED:
        act.refuse(
            "C600",
            form.id,
            "It may reveal the arm.",
            "an account of the role infusion or safety",
            "Leave it to the people at the infusion.",
        )
    if form.blinding == "open" and roles_of(act) <= READS_QUARANTINED:
        act.refuse(
            "C600",
            form.id,
            "The safety role records what is quarantined, and nothing else.",
            "an account of another role",
        )


def is_seen(act: Act, form: str) -> bool:
    """Whether a form is named to the account: who rates outcomes sees nothing of an infusion, not what it asks."""
    return not (act.roles <= {"rater"} and act.protocol.model.assessments[form].blinding != "open")


def day_of(act: Act, on: date | None) -> date:
    """The local date meant: today at the site unless said; never in the future (C534)."""
    today = act.now.local_date
    if on is not None and on > today:
        act.refuse("C534", "on", f"{on} has not come yet at the site.", f"{today} or before")
    return on or today


def day_1_of(act: Act) -> date:
    """The local date of the participant's study day 1 (C533 where it is not known)."""
    if not act.participant.day_1:
        act.refuse(
            "C533",
            act.participant.participant,
            "Study day 1 is not known.",
            f"the date of: {act.protocol.model.calendar.day_1}",
            "Record it: day-1.",
        )
    return date.fromisoformat(act.participant.day_1)


def due_of(act: Act) -> dict[str, windows.DueVisit]:
    """The participant's planned visits in dates, those of a later stage once it has begun."""
    own = [id for id, stage in act.protocol.model.stages.items() if stage.day_1 is not None]
    began = {id: values_of(act, f"stage-{id}", "stage-day-1").get("day-1", "") for id in own}
    stages = {id: date.fromisoformat(day) for id, day in began.items() if day}
    return {due.name: due for due in windows.due_visits(act.protocol, day_1_of(act), stages)}


def form_rows(
    act: Act,
    visit: str,
    form: str,
    items: Mapping[str, Item],
    *,
    repeat: int = 1,
    state: str = "recorded",
    on: date | None = None,
    blinding: str = "open",
    missing: str = "left-out",
    is_new: bool = True,
    reasons: Mapping[str, str] | None = None,
) -> dict[str, list[dict[str, Any]]]:
    """Rows of one filling of a form and of its items; an item without a value is missing, for ``missing``.

    What is not open is sealed to the safety role's key, the missing ones like the others.
    """
    who = {"participant": act.participant.participant, "visit": visit, "form": form, "repeat": repeat}
    row: dict[str, Any] = {**who, "state": state}
    if on is not None:
        row["date"] = on.isoformat()
    if is_new:
        row |= {"first_event": act.writer.number + 1, "protocol_hash": act.protocol_hash}
    cells = [
        {
            **who,
            "item": id,
            "type": kind,
            "value": value or "",
            "unit": unit,
            "missing": "" if value else (reasons or {}).get(id, missing),
            "blinding": blinding,
        }
        for id, (kind, value, unit) in items.items()
    ]
    return {"form": [row], "item": [sealed_cell(act, cell) for cell in cells]}


def sealed_cell(act: Act, cell: dict[str, Any]) -> dict[str, Any]:
    """A row of items as the open ledger holds it: what is quarantined as ciphertext, of one length whatever it says."""
    if cell["blinding"] == "open":
        return cell
    place = place_of_item(cell, act.writer.number + 1)
    said = {"value": cell["value"], "missing": cell["missing"]}
    return {**cell, "value": act.sealer.seal(place, said, act.entropy), "missing": ""}


def filled_rows(
    act: Act,
    visit: str,
    form: Form,
    filling: Filling,
    *,
    repeat: int = 1,
    on: date | None = None,
    is_new: bool = True,
    reasons: Mapping[str, str] | None = None,
) -> dict[str, list[dict[str, Any]]]:
    """Rows of a form whose answers were held against it; items that are not asked are cleared, and say so.

    A quarantined form is written whole, each item of it, so that nothing can be told from which rows there are; with
    it, sealed, the items whose unusual answer somebody confirmed. ``reasons`` say of items why there is no answer.
    """
    items: dict[str, Item] = {}
    if form.blinding != "open":
        told = {item.id: (item.type, filling.answers.get(item.id), item.unit) for item in form.items}
        told[CONFIRMED] = ("text", ", ".join(sorted({item_of(form, p) for p in filling.accepted})) or "none", "")
        return form_rows(
            act, visit, form.id, told, repeat=repeat, on=on, blinding=form.blinding, is_new=is_new, reasons=reasons
        )
    for item in form.items:
        if item.id in filling.answers:
            items[item.id] = (item.type, filling.answers[item.id], item.unit)
    rows = form_rows(
        act, visit, form.id, items, repeat=repeat, on=on, blinding=form.blinding, is_new=is_new, reasons=reasons
    )
    cleared: dict[str, Item] = {
        item.id: (item.type, None, item.unit) for item in form.items if item.id in filling.cleared
    }
    more = form_rows(act, visit, form.id, cleared, repeat=repeat, blinding=form.blinding, missing="not-asked")
    rows["item"] += more["item"]
    return rows


def joined(*parts: Mapping[str, list[dict[str, Any]]]) -> dict[str, list[dict[str, Any]]]:
    """Rows of several tables, put together."""
    out: dict[str, list[dict[str, Any]]] = {}
    for part in parts:
        for table, rows in part.items():
            out.setdefault(table, []).extend(rows)
    return out


def form_of(act: Act, visit: str, form: str, repeat: int = 1) -> FormRow | None:
    """The row of one filling, if it was recorded and not taken back as entered in error."""
    who = act.participant.participant
    row = act.trial.first(FormRow, participant=who, visit=visit, form=form, repeat=repeat)
    return None if row is None or row.state == IN_ERROR else row


def fillings_of(act: Act) -> dict[tuple[str, str, int], FormRow]:
    """Every filling of the participant's forms that was recorded and not taken back, by visit, form and repeat: one
    question to the database where a page asks about many.
    """
    rows = act.trial.find(FormRow, participant=act.participant.participant, order=("visit", "form", "repeat"))
    return {(row.visit, row.form, row.repeat): row for row in rows if row.state != IN_ERROR}


def repeats_of(act: Act, visit: str, form: str) -> list[FormRow]:
    """Every filling of a form at a visit, in order."""
    who = act.participant.participant
    return act.trial.find(FormRow, participant=who, visit=visit, form=form, order=("repeat",))


def values_of(act: Act, visit: str, form: str, repeat: int = 1) -> dict[str, str]:
    """The current values of one filling, by item; what is missing is left out.

    What is quarantined is told where the safety role's key is at hand, and is ciphertext otherwise.
    """
    who = act.participant.participant
    rows = act.trial.values(
        ItemRow, ("item", "value", "event_number"), participant=who, visit=visit, form=form, repeat=repeat, missing=""
    )
    sealed = any(is_sealed(value) for _, value, _ in rows)
    key = act.quarantine if sealed else None
    if key is None:
        return {item: value for item, value, _ in rows}
    cells = [
        {
            "participant": who,
            "visit": visit,
            "form": form,
            "repeat": repeat,
            "item": item,
            "value": value,
            "missing": "",
            "event_number": number,
        }
        for item, value, number in rows
    ]
    return {cell["item"]: cell["value"] for cell in opened_items(cells, key) if not cell["missing"]}


def surroundings_of(act: Act, visit: str, form: Form) -> Surroundings | None:
    """What a form at a visit is looked at together with; answers of open forms alone."""

    def read(at: str, name: str) -> dict[str, str]:
        if form_of(act, at, name) is None:
            return {}
        rows = act.trial.values(
            ItemRow,
            ("item", "value"),
            participant=act.participant.participant,
            visit=at,
            form=name,
            repeat=1,
            missing="",
            blinding="open",
        )
        return dict(rows)

    return surroundings(act.protocol, form, visit, read)


def all_values_of(act: Act, visit: str, form: str) -> dict[int, dict[str, str]]:
    """The current values of every filling of a form at a visit: by repeat, in order, then by item."""
    out: dict[int, dict[str, str]] = {}
    rows = act.trial.values(
        ItemRow,
        ("repeat", "item", "value"),
        participant=act.participant.participant,
        visit=visit,
        form=form,
        missing="",
        order=("repeat",),
    )
    for repeat, item, value in rows:
        out.setdefault(repeat, {})[item] = value
    return out
