"""Drives a simulated trial through the actions of the running trial, person by person, day by day."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from equipoise.conduct.rules.windows import date_of
from equipoise.records import Records

ADMISSION = date(2027, 3, 8)  # of the first participant; clocks go forward in New York on 14 March
MORNING = 14  # o'clock UTC: morning in New York
STAFF = {
    "nina": ["infusion"], "ruth": ["rater"], "petra": ["pharmacist"], "stan": ["statistician"],
    "uma": ["unblinded-statistician"],
}  # fmt: skip


def hire(staged: Any) -> None:
    """Add the people that the clinical actions need, and put drug on the shelf."""
    from equipoise.conduct.actions.session import Session

    for name, roles in STAFF.items():
        staged.do("alice", "add-account", account=name, person=name.title(), roles=roles)
        staged.sessions[name] = Session(name)
    for drug, mg in (("ketamine", 9000), ("midazolam", 900)):
        staged.do("phil", "stock", drug=drug, movement="received", mg=mg, sealed=True)


class Driver:
    """One simulated trial and the staged one that it is entered into."""

    def __init__(self, staged: Any, records: Records) -> None:
        self.staged = staged
        self.records = {name: frame.to_dicts() for name, frame in records.tables.items()}
        self.acts = 0
        self.clinic_days: Sequence[int] = (9, 12, 16, 19, 23, 26, 30, 33)

    def at(self, day: date, minutes: float = 0) -> None:
        """Set the clock to a morning of a local date; it never goes backwards on its own account."""
        self.staged.clock.at = datetime(day.year, day.month, day.day, MORNING, tzinfo=UTC) + timedelta(minutes=minutes)

    def do(self, who: str, action: str, **given: Any) -> Any:
        self.acts += 1
        return self.staged.do(who, action, **given)

    def rows(self, table: str, id: str, **wanted: Any) -> list[dict[str, Any]]:
        return [
            row for row in self.records[table]
            if row["participant_id"] == id and all(row[k] == v for k, v in wanted.items())
        ]  # fmt: skip

    def screening_failures(self) -> None:
        for row in self.records["participants"]:
            id, reason = row["participant_id"], row["ineligible_reason"]
            if reason is None:
                continue
            if not row["consented"]:
                self.do("carol", "screen", participant=id, site="main", result="declined", reason=reason)
                continue
            self.do("carol", "screen", participant=id, site="main")
            self.do("carol", "consent", participant=id, version="1.0")
            if row["eligible"] is False:
                self.do("ivan", "eligibility", participant=id, against=reason)
            else:
                self.do("carol", "screening-failure", participant=id, why=reason)

    def enrol(self, id: str, day_1: date) -> None:
        """From screening to randomization."""
        row = self.rows("participants", id)[0]
        self.at(date_of(row["screened_day"], day_1))
        self.do("carol", "screen", participant=id, site="main")
        self.do("carol", "consent", participant=id, version="1.0")
        self.do("carol", "baseline", participant=id, values={
            "age": _plain(row["age"]), "sex": row["sex"], "route": row["route"],
            "use-days-30": _plain(row["use_days_30"]),
        })  # fmt: skip
        self.do("ivan", "eligibility", participant=id, attested={"dependent": True, "seeking": True})
        self.at(day_1)
        self.do("carol", "day-1", participant=id)
        self.hold(id, "admission", day_1)
        self.at(date_of(2, day_1))
        self.do("carol", "randomize", participant=id)

    def hold(self, id: str, visit: str, day_1: date) -> None:
        """A visit that took place, with everything asked at it; a missed one is only waited for."""
        row = self.rows("visits", id, visit=visit)[0]
        if row["state"] != "attended":
            return
        day = date_of(row["day"], day_1)
        self.at(day)
        by = "telephone" if visit == "six-month-call" else "person"
        self.do("carol", "visit", participant=id, visit=visit, by=by)
        for urine in self.rows("urine", id, visit=visit):
            self.do("ruth", "record", participant=id, visit=visit, form="urine", answers={"cocaine": urine["result"]})
        names = {"craving-vas": "craving", "ffmq-39": "mindfulness", "pss-10": "stress", "dissociation": "dissociation",
                 "arm-guess": "arm-guess", "telephone-report": "telephone-report"}  # fmt: skip
        forms: dict[str, dict[str, Any]] = {}
        for item in self.rows("assessments", id, visit=visit):
            value = None if item["value"] is None else _plain(item["value"])
            forms.setdefault(item["instrument"], {})[item["item"]] = value
        for instrument, answers in forms.items():
            who = "nina" if instrument == "dissociation" else "ruth"
            self.do(who, "record", participant=id, visit=visit, form=names[instrument], answers=answers,
                    confirm=list(answers))  # fmt: skip

    def tell_calendar(self, id: str, first: int, last: int, day_1: date) -> None:
        """The days of the calendar from ``first`` to ``last`` that the records say were told."""
        told = [row for row in self.rows("daily_use", id) if first <= row["day"] <= last and row["asked"]]
        if told:
            days = [date_of(row["day"], day_1) for row in told]
            used = [date_of(row["day"], day_1).isoformat() for row in told if row["used"]]
            assert len(days) == (days[-1] - days[0]).days + 1
            self.do("ruth", "calendar", participant=id, first=days[0], last=days[-1], used=used)

    def infuse(self, id: str, day_1: date) -> None:
        """Weight, sheet, check, infusion with its interruption, vital signs."""
        given = self.rows("exposure", id)[0]
        day = date_of(given["day"], day_1)
        self.at(day, 10)
        kg = _plain(self.rows("participants", id)[0]["weight_kg"])
        if self.do("nina", "weight", participant=id, kg=kg).answer["state"] == "held":
            self.do("carol", "weight", participant=id, kg=kg)
        self.do("phil", "dose-sheet", participant=id, sealed=True)
        self.do("petra", "dose-check", participant=id, sealed=True)
        whole = 2400
        planned, delivered = given["planned_mg"], given["delivered_mg"]
        total = round(given["minutes"] * 60)
        # A pause is whole minutes, and the dose says how long the pump ran: the two together give the seconds.
        running = whole if delivered == planned else next(
            total - 60 * pause for pause in range(11)
            if _hundredths(planned, total - 60 * pause, whole) == round(delivered * 100)
            and (pause > 0) == (given["interruptions"] > 0)
        )  # fmt: skip
        pause = total - running
        start = datetime(day.year, day.month, day.day, MORNING + 1, tzinfo=UTC)
        self.staged.clock.at = start + timedelta(seconds=total + 60)

        def at(seconds: int) -> str:
            return (start + timedelta(seconds=seconds)).isoformat()

        self.do("nina", "infusion-start", participant=id, at=at(0))
        if pause:
            self.do("nina", "infusion-rate", participant=id, ml_per_hour=0, at=at(600), why="line was moved")
            self.do("nina", "infusion-rate", participant=id, ml_per_hour=75, at=at(600 + pause))
        why = "asked to stop" if running < whole else ""
        self.do("nina", "infusion-stop", participant=id, at=at(total), why=why)
        for reading in self.rows("vitals", id):
            signs = {k: _plain(reading[k]) for k in ("minute", "systolic", "diastolic", "pulse", "saturation")}
            self.do("nina", "infusion-vitals", participant=id, confirm=list(signs), **signs)

    def sessions(self, id: str, days: Sequence[int], day_1: date) -> None:
        for row in self.rows("sessions", id):
            if row["planned_day"] not in days or not row["delivered"]:
                continue
            self.at(date_of(row["day"], day_1), 180)
            self.do("carol", "session", participant=id, session=row["session"], delivered=True,
                    minutes=_plain(row["minutes"]), practice=_plain(row["home_practice_minutes"]),
                    fidelity=_plain(row["fidelity"]), confirm=["minutes"])  # fmt: skip

    def events(self, id: str, day_1: date) -> None:
        for row in sorted(self.rows("adverse_events", id), key=lambda row: row["event"]):
            given = {"end": date_of(row["end_day"], day_1)} if row["end_day"] is not None else {}
            self.do("carol", "adverse-event", participant=id, term=row["term"], onset=date_of(row["onset_day"], day_1),
                    severity=row["severity"], related=row["related"], outcome=row["outcome"], **given)  # fmt: skip

    def leave(self, id: str, day_1: date) -> None:
        row = self.rows("disposition", id)[0]
        on = date_of(row["day"], day_1)
        match row["event"]:
            case "completion":
                self.do("carol", "complete", participant=id, on=on)
            case "lost_to_follow_up":
                self.do("carol", "lost", participant=id, on=on, why=row["reason"])
            case _:
                self.do("carol", "withdraw", participant=id, on=on, scope="visits", why=row["reason"])

    def follow(self, id: str, day_1: date) -> None:
        """From randomization to the six-month call."""
        self.tell_calendar(id, -30, -1, day_1)
        self.infuse(id, day_1)
        self.hold(id, "infusion", day_1)
        self.sessions(id, [2, 3, 4, 5], day_1)
        self.hold(id, "discharge", day_1)
        first = 6
        for visit in self.clinic_days:
            self.hold(id, f"day-{visit}", day_1)
            if self.rows("visits", id, visit=f"day-{visit}")[0]["state"] == "attended":
                self.tell_calendar(id, first, visit, day_1)
                first = visit + 1
            self.sessions(id, [visit], day_1)
        self.at(date_of(34, day_1))
        self.events(id, day_1)
        self.leave(id, day_1)
        self.hold(id, "six-month-call", day_1)

    def run(self, order: Sequence[str]) -> None:
        """Everybody, one after another, a week apart."""
        self.screening_failures()
        for number, id in enumerate(order):
            day_1 = ADMISSION + timedelta(days=7 * number)
            self.enrol(id, day_1)
            self.follow(id, day_1)
        self.at(ADMISSION + timedelta(days=7 * len(order) + 250))

    def close(self, order: Sequence[str]) -> None:
        """Freeze, signatures, lock."""
        self.do("alice", "freeze")
        for id in order:
            self.do("ivan", "sign-off", participant=id)
        self.do("alice", "lock")


def _plain(value: float) -> str:
    return repr(int(value)) if float(value).is_integer() else repr(value)


def _hundredths(planned: float, seconds: int, whole: int) -> int:
    micro = round(planned * 1_000_000)
    return (2 * micro * seconds + 10_000 * whole) // (20_000 * whole)


def order_by_list(arms: Sequence[str], simulated: dict[str, str]) -> list[str] | None:
    """Participants in an order in which the list gives each the arm of the simulation; none where counts differ."""
    waiting: dict[str, Iterator[str]] = {}
    for arm in set(arms):
        waiting[arm] = iter(sorted(id for id, theirs in simulated.items() if theirs == arm))
    out = []
    for arm in arms[: len(simulated)]:
        id = next(waiting[arm], None)
        if id is None:
            return None
        out.append(id)
    return out
