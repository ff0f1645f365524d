"""The tables of Records from the tables of the ledger: one function a table, the same for every edition."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

import polars as pl

from equipoise.conduct.clock import zone_of
from equipoise.conduct.cut.at_cut import LedgerAtCut
from equipoise.conduct.cut.doses import exposure_of, given_of, sheets_of
from equipoise.conduct.rules import dose, windows
from equipoise.conduct.rules.diary import DIARY
from equipoise.conduct.rules.dose_places import GIVEN
from equipoise.conduct.rules.partial_dates import PartialDate, within
from equipoise.foundation.calendar import day_index
from equipoise.instruments import find_instrument_of
from equipoise.protocol.language.interventions import BehaviouralIntervention
from equipoise.records.schema import TABLES

if TYPE_CHECKING:
    from equipoise.conduct.cut.editions import Edition, Opened
    from equipoise.conduct.cut.history import Ledger, Row
    from equipoise.protocol import Protocol

REDACTED = "(redacted)"  # where a redaction took a text out that no row can do without


def tables_of(
    ledger: Ledger,
    protocol: Protocol,
    edition: Edition,
    opened: Opened,
    version: Callable[[str], Protocol],
    *,
    shows_quarantined: bool = False,
) -> dict[str, pl.DataFrame]:
    """Every table of Records. ``version`` gives the protocol of a hash: an infusion is read by the one it was under."""
    cut = LedgerAtCut(ledger, protocol, edition, opened, version, shows_quarantined)
    makers: dict[str, Callable[[LedgerAtCut], list[Row]]] = {
        "participants": _participants,
        "allocations": _allocations,
        "visits": _visits,
        "urine": _urine,
        "daily_use": _daily_use,
        "assessments": _assessments,
        "vitals": _vitals,
        "exposure": exposure_of,
        "sessions": _sessions,
        "adverse_events": _adverse_events,
        "events": _events,
        "disposition": _disposition,
    }
    out = {}
    for name, make in makers.items():
        rows = make(cut)
        schema: dict[str, Any] = dict(TABLES[name].polars_schema)
        if name == "participants":
            schema |= cut.baseline_schema
        out[name] = pl.DataFrame(rows, schema=schema, orient="row") if rows else pl.DataFrame(schema=schema)
    return out


def _float(text: str | None) -> float | None:
    return float(text) if text else None


def _answer(text: str | None) -> float | None:
    """The number that records keep of an answer: 1 is yes, 0 is no."""
    return {"yes": 1.0, "no": 0.0}[text] if text in ("yes", "no") else _float(text)


def _participants(cut: LedgerAtCut) -> list[Row]:
    screened: dict[str, date] = {}
    for event in cut.ledger.events:
        if event.action == "screen":
            screened.setdefault(event.participant, cut.ledger.local_date(event))
    several = len(cut.protocol.model.sites) > 1
    out = []
    for id, row in cut.people.items():
        decided = cut.forms.get((id, "eligibility"), [])
        stands = decided and decided[-1]["state"] != "void"
        eligible = cut.values(id, decided[-1]).get("eligible") if stands else None
        entry = {
            "participant_id": id,
            "site": row["site"] if several else None,
            "screened_day": cut.day(id, screened.get(id)),
            "consented": bool(row["consent_version"]),
            "eligible": None if eligible is None else eligible == "yes",
            "ineligible_reason": (row["reason"] or None) if row["status"] == "not_enrolled" else None,
            **_baseline(cut, id),
        }
        out.append(entry)
    return out


def _baseline(cut: LedgerAtCut, id: str) -> Row:
    found = cut.forms.get((id, "baseline"), [])
    values = cut.values(id, found[-1]) if found else {}
    out: Row = {}
    for name, variable in cut.protocol.model.baseline.items():
        column, text = name.replace("-", "_"), values.get(name)
        if column in cut.baseline_schema:
            number = variable.type == "number"
            out[column] = _float(text) if number else (text == "yes" if text and variable.type == "yes-no" else text)
    if "weight_kg" in cut.baseline_schema:
        made = [row for row in cut.sheets(id) if row["state"] not in ("void", "cancelled")]
        sheets = sorted(made, key=lambda row: (row["date"], row["visit"]))
        taken = [row for row in cut.forms.get((id, "weight"), []) if row["state"] == "accepted"]
        dosed = cut.values(id, sheets[0]).get("weight") if sheets else None
        out["weight_kg"] = _float(dosed) if dosed else _float(cut.values(id, taken[0])["kg"]) if taken else None
    return out


def _allocations(cut: LedgerAtCut) -> list[Row]:
    given = cut.ledger.given
    out = []
    for row in cut.ledger.tables["allocation"]:
        key = (row["participant"], row["randomization"])
        if row["state"] == "burnt":  # told by a receipt after a restore; of the person nothing more is known
            continue
        on, profile = given[key]
        arm = cut.opened.arms.get(key)
        stratum = ", ".join(f"{name} {profile[name]}" for name in sorted(profile)) or None
        out.append(
            {
                "participant_id": key[0],
                "stage": key[1],
                "day": cut.day(key[0], on),
                "stratum": stratum,
                "arm": arm,
                "arm_received": arm if arm is not None and _received(cut, key[0], arm) else None,
            }
        )
    for id, on in cut.ledger.enrolled.items():
        # One arm: there is nothing to be blind to.
        arm = cut.own(id).arm_ids[0]
        received = arm if _received(cut, id, arm) else None
        out.append({"participant_id": id, "stage": 1, "day": cut.day(id, on), "arm": arm, "arm_received": received})
    return out


def _received(cut: LedgerAtCut, id: str, arm: str) -> bool:
    """Whether something of the arm was given: its first dose; without doses to prepare, a session was held."""
    if dose.prepared(cut.protocol, arm):
        return bool(cut.forms.get((id, "infusion-run")) or cut.forms.get((id, GIVEN)))
    therapies = cut.protocol.model.arms[arm].interventions
    return any(
        cut.values(id, row).get("delivered") == "yes" for name in therapies for row in cut.forms.get((id, name), [])
    )


def _visits(cut: LedgerAtCut) -> list[Row]:
    out = []
    for id in cut.entered:
        first = cut.day_1(id)
        if first is None:
            continue
        due = {entry.name: entry for entry in windows.due_visits(cut.own(id), first, cut.stage_days(id))}
        # A visit that only another version of the protocol plans was never asked of this participant.
        others = {v.name: v for v in cut.planned_in_force(id, first) if v.name not in due}
        for entry in [*due.values(), *others.values()]:
            row = cut.visit_rows.get((id, entry.name))
            state = row["state"] if row is not None else _unrecorded(cut, id, entry)
            if row is None and entry.name in others:
                state = "not_expected"
            if state:
                day = cut.day(id, row["date"]) if row is not None and state == "attended" else None
                out.append(_visit(id, entry.name, windows.study_day_of(entry.target, first), day, state))
        planned = due.keys() | others.keys()
        for (who, name), row in cut.visit_rows.items():
            if who == id and name not in planned:
                out.append(_visit(id, name, None, cut.day(id, row["date"]), row["state"]))
    return out


def _visit(id: str, name: str, target: int | None, day: int | None, state: str) -> Row:
    return {"participant_id": id, "visit": name, "target_day": target, "day": day, "state": state}


def _unrecorded(cut: LedgerAtCut, id: str, due: windows.DueVisit) -> str:
    """What a visit is of which nothing is recorded: missed once its window has closed; nothing yet while it is open."""
    died = cut.died(id)
    opens = cut.day(id, due.first)
    if died is not None and opens is not None and day_index(opens) > day_index(died):
        return "not_expected"
    return "missed" if cut.today(id) > due.last else ""


def _urine(cut: LedgerAtCut) -> list[Row]:
    out = []
    asked = {id: entry for id, entry in cut.protocol.model.assessments.items() if entry.type == "urine"}
    visits = _visits(cut)
    for name, entry in asked.items():
        if not cut.is_shown(entry.blinding):
            continue
        at = {v.name for v in cut.protocol.planned_visits if name in v.assess}
        done = {(id, row["visit"]) for (id, form), rows in cut.forms.items() if form == name for row in rows}
        for visit in visits:
            id = visit["participant_id"]
            if visit["visit"] not in at and (id, visit["visit"]) not in done:
                continue
            if cut.is_withheld(id, visit["visit"], name):
                continue
            found = cut.ledger.items.get((id, visit["visit"], name, 1), {})
            day = visit["day"] if visit["day"] is not None else visit["target_day"]
            for substance in entry.substances:
                item = found.get(substance)
                if item is None and visit["visit"] not in at:
                    continue
                result = item["value"] if item is not None and not item["missing"] else None
                if result is None:
                    due = visit["state"] != "not_expected" and substance in cut.asked(id, visit["visit"], name)
                    result = "missed" if due else "not_expected"
                out.append(
                    {
                        "participant_id": id,
                        "visit": visit["visit"],
                        "day": day,
                        "substance": substance,
                        "result": result,
                    }
                )
    return out


def _daily_use(cut: LedgerAtCut) -> list[Row]:
    due = windows.calendar_days(cut.protocol)
    out = []
    for name, entry in cut.protocol.model.assessments.items():
        if entry.type != "daily-use" or not cut.is_shown(entry.blinding):
            continue
        for id in cut.entered:
            told: dict[tuple[int, str], Row] = {}
            hidden: set[int | None] = set()
            for row in cut.forms.get((id, name), []):
                if cut.is_withheld(id, row["visit"], name, row["repeat"]):
                    hidden.add(cut.day(id, row["date"]))
                day, values = cut.day(id, row["date"]), cut.values(id, row)
                for substance in entry.substances:
                    if substance in values and day is not None:
                        told[(day, substance)] = {
                            "asked": True,
                            "used": values[substance] == "yes",
                            "amount": _float(values.get(f"{substance}.amount")),
                            "unit": values.get(f"{substance}.unit"),
                        }
            last = cut.last_day(id)
            for day in due:
                if day_index(day) < day_index(last) and day not in hidden:
                    for substance in entry.substances:
                        empty = {"asked": False, "used": None, "amount": None, "unit": None}
                        told.setdefault((day, substance), empty)
            out += [{"participant_id": id, "day": day, "substance": s, **row} for (day, s), row in told.items()]
    return out


def _assessments(cut: LedgerAtCut) -> list[Row]:
    out = []
    for name, entry in cut.protocol.model.assessments.items():
        instrument = find_instrument_of(cut.protocol, name)
        if instrument is None or not cut.is_shown(entry.blinding):
            continue
        for id in cut.entered:
            for row in cut.forms.get((id, name), []):
                found = cut.ledger.items.get((id, row["visit"], name, row["repeat"]), {})
                day = cut.day(id, row["date"])
                out += [
                    {
                        "participant_id": id,
                        # what was told in the diary belongs to a day, and to no visit of the schedule
                        "visit": f"{DIARY}-{day}" if row["visit"] == DIARY else row["visit"],
                        "day": day,
                        "instrument": instrument.id,
                        "item": item,
                        "value": _answer(cell["value"]),
                    }
                    for item, cell in found.items()
                ]
    return out


def _vitals(cut: LedgerAtCut) -> list[Row]:
    kinds = {id: entry for id, entry in cut.protocol.model.assessments.items() if entry.type == "vitals"}
    out = []
    for id, day, sheet in sheets_of(cut):
        for name, entry in kinds.items():
            if not cut.is_shown(entry.blinding):
                continue
            for row in cut.forms.get((id, name), []):
                if row["visit"] != sheet["visit"] or cut.is_withheld(id, row["visit"], name, row["repeat"]):
                    continue
                values = cut.values(id, row)
                out.append(
                    {
                        "participant_id": id,
                        "intervention": given_of(cut, id, day, sheet)[0],
                        "day": cut.day(id, sheet["date"]),
                        **{
                            sign: _float(values.get(sign))
                            for sign in ("minute", "systolic", "diastolic", "pulse", "saturation")
                        },
                    }
                )
    return out


def _sessions(cut: LedgerAtCut) -> list[Row]:
    out = []
    for name, entry in cut.protocol.model.interventions.items():
        if not isinstance(entry, BehaviouralIntervention):
            continue
        in_all = all(name in arm.interventions for arm in cut.protocol.model.arms.values())
        for id in cut.entered:
            arm = cut.opened.arms.get((id, 1))
            # Where not every arm has the therapy, sessions nobody recorded would tell the arm.
            due = in_all or (arm is not None and name in cut.protocol.model.arms[arm].interventions)
            held = {row["repeat"]: row for row in cut.forms.get((id, name), [])}
            for number, planned in enumerate(entry.session_days, 1):
                row = held.get(number)
                if row is None:
                    past = planned is not None and day_index(planned) < day_index(cut.last_day(id))
                    if not (due and past and cut.day_1(id)):
                        continue
                values = cut.values(id, row) if row is not None else {}
                delivered = values.get("delivered") == "yes"
                out.append(
                    {
                        "participant_id": id,
                        "intervention": name,
                        "session": number,
                        "planned_day": planned,
                        "day": cut.day(id, row["date"]) if row is not None and delivered else None,
                        "delivered": delivered,
                        "minutes": _float(values.get("minutes")),
                        "home_practice_minutes": _float(values.get("practice")),
                        "fidelity": _float(values.get("fidelity")),
                    }
                )
    return out


def _adverse_events(cut: LedgerAtCut) -> list[Row]:
    out = []
    for id in cut.entered:
        for row in cut.forms.get((id, "adverse-event"), []):
            values = cut.values(id, row)
            out.append(
                {
                    "participant_id": id,
                    "event": row["repeat"],
                    "term": values.get("term", REDACTED),
                    **_told_days(cut, id, values),
                    "severity": values.get("severity"),
                    "serious": bool(values.get("serious")),
                    "related": {"yes": True, "no": False}.get(values.get("related", "")),
                    "outcome": values.get("outcome"),
                }
            )
    return out


_PARTIAL = tuple(f"{what}_{bound}_day" for what in ("onset", "end") for bound in ("earliest", "latest"))


def _told_days(cut: LedgerAtCut, id: str, values: dict[str, str]) -> Row:
    """Onset and end of an adverse event: the day, or the days between which it lies where the day is not known.

    Neither can be later than the site knew of the event, or, of an end, than the cut.
    """
    out: Row = dict.fromkeys(("onset_day", "end_day", *_PARTIAL))
    zone = zone_of(cut.zones.get(cut.people[id]["site"], "UTC"))
    aware = windows.local_date(datetime.fromisoformat(values["aware"]), zone) if "aware" in values else None
    onset = PartialDate(values["onset"]) if "onset" in values else None
    if onset is not None and onset.day is not None:
        out["onset_day"] = cut.day(id, onset.day)
    else:
        days = within(onset or PartialDate("unknown"), None, aware)
        out["onset_earliest_day"], out["onset_latest_day"] = (cut.day(id, day) for day in days)
    if "end" in values:
        end = PartialDate(values["end"])
        if end.day is not None:
            out["end_day"] = cut.day(id, end.day)
        else:
            days = within(end, onset.first if onset is not None else None, cut.today(id))
            out["end_earliest_day"], out["end_latest_day"] = (cut.day(id, day) for day in days)
    return out


def _events(cut: LedgerAtCut) -> list[Row]:
    """Outcome events: each that happened on its day; each that had not when it was last asked about, on that day."""
    out: dict[tuple[str, str, int | None], Row] = {}
    for name, entry in cut.protocol.model.assessments.items():
        if entry.type != "events" or not cut.is_shown(entry.blinding):
            continue
        for id in cut.entered:
            for row in cut.forms.get((id, name), []):
                if cut.is_withheld(id, row["visit"], name, row["repeat"]):
                    continue
                values, asked_on = cut.values(id, row), cut.day(id, row["date"])
                for term in (term for term in entry.terms if term in values):
                    happened = values[term] == "yes"
                    day = cut.day(id, values.get(f"{term}.on")) if happened else asked_on
                    found = {
                        "participant_id": id,
                        "term": term,
                        "day": day,
                        "happened": happened,
                        "certainty": values.get(f"{term}.certainty"),
                        "source": values.get(f"{term}.source"),
                    }
                    known = out.get((id, term, day))
                    # Told again at a later visit, or asked twice on a day: one row, and what happened stands.
                    if known is None or (happened and not known["happened"]):
                        out[(id, term, day)] = found
    return list(out.values())


def _disposition(cut: LedgerAtCut) -> list[Row]:
    out = []
    for id in cut.people:
        for row in cut.forms.get((id, "disposition"), []):
            values = cut.values(id, row)
            out.append(_left(cut, id, values["event"], row["date"], values.get("reason")))
    for row in cut.ledger.tables["unblinding"]:
        if row["participant"] and row["at"]:
            at = datetime.fromisoformat(row["at"].replace("Z", "+00:00"))
            zone = zone_of(cut.zones.get(cut.people[row["participant"]]["site"], "UTC"))
            on = windows.local_date(at, zone)
            out.append(_left(cut, row["participant"], "unblinding", on, row["reason"] or None))
    for event in cut.ledger.events:
        if event.action == "randomized-in-error":
            on = cut.ledger.local_date(event)
            out.append(_left(cut, event.participant, "randomized_in_error", on, event.why or None))
    return out


def _left(cut: LedgerAtCut, id: str, event: str, on: date | str, reason: str | None) -> Row:
    return {"participant_id": id, "event": event, "day": cut.day(id, on), "reason": reason}
