"""Drives a simulated trial through the actions of the running trial in the order of the calendar.

Everybody who is in the trial at one time is in it together: screenings, infusions, visits, sessions, adverse events and
telephone calls of all participants follow one another as they fall on the wall calendar, entered by several accounts,
and the clock goes on and never back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from equipoise.conduct.rules.windows import date_of, due_visits
from equipoise.records import Records

ADMISSION = date(2027, 3, 8)  # of the first participant; clocks go forward in New York on 14 March
MORNING = 14  # o'clock UTC: morning in New York
EVENING = 8 * 60  # minutes later
GAPS = (2, 1, 3, 1)  # days from one admission to the next: at any time some dozen are under way
STAFF = {
    "nina": ["infusion"],
    "noel": ["infusion"],
    "ruth": ["rater"],
    "rita": ["rater"],
    "petra": ["pharmacist"],
    "cody": ["coordinator"],
    "iris": ["investigator"],
    "stan": ["statistician"],
    "uma": ["unblinded-statistician"],
}
SHIFTS = {
    "coordinator": ("carol", "cody"),
    "investigator": ("ivan", "iris"),
    "rater": ("ruth", "rita"),
    "infusion": ("nina", "noel"),
    "pharmacist": ("phil", "petra"),
}


def hire(staged: Any) -> None:
    """Add the people that the clinical actions need, and put drug on the shelf."""
    from equipoise.conduct.actions.sign_in import Session

    for name, roles in STAFF.items():
        made = staged.do("alice", "add-account", account=name, person=name.title(), roles=roles)
        staged.sessions[name], staged.passphrases[name] = Session(name), made.told["passphrase"]
    for drug, mg in (("ketamine", 9000), ("midazolam", 900)):
        staged.do("phil", "stock", drug=drug, movement="received", mg=mg, sealed=True)


class Driver:
    """One simulated trial and the staged one that it is entered into."""

    def __init__(self, staged: Any, records: Records) -> None:
        self.staged = staged
        self.records = {name: frame.to_dicts() for name, frame in records.tables.items()}
        self.acts = 0
        self.clinic_days: Sequence[int] = (9, 12, 16, 19, 23, 26, 30, 33)
        self.protocol = staged.trial.protocol(staged.trial.protocol_hash)
        self.book: list[tuple[datetime, int, Callable[[], Any]]] = []

    # ------------------------------------------------------------------ the appointment book

    def at(self, day: date, do: Callable[[], Any], minutes: float = 0) -> None:
        """Enter into the book what is done on a local date, so many minutes after the morning begins."""
        when = datetime(day.year, day.month, day.day, MORNING, tzinfo=UTC) + timedelta(minutes=minutes)
        self.book.append((when, len(self.book), do))

    def keep_appointments(self) -> None:
        """Do everything in the book by the calendar; the clock is never set back."""
        for when, _, do in sorted(self.book, key=lambda entry: entry[:2]):
            self.staged.clock.at = max(self.staged.clock.at, when)
            do()
        self.book = []

    def on_duty(self, role: str, id: str) -> str:
        """Who of a role sees a participant."""
        crew = SHIFTS[role]
        return crew[int("".join(letter for letter in id if letter.isdigit()) or 0) % len(crew)]

    def do(self, who: str, action: str, **given: Any) -> Any:
        """An action of an account, or of whoever of a role is on duty for the participant."""
        self.acts += 1
        return self.staged.do(self.on_duty(who, given["participant"]) if who in SHIFTS else who, action, **given)

    def rows(self, table: str, id: str, **wanted: Any) -> list[dict[str, Any]]:
        return [
            row
            for row in self.records[table]
            if row["participant_id"] == id and all(row[k] == v for k, v in wanted.items())
        ]

    # ------------------------------------------------------------------ a participant's way

    def screening_failures(self, span: int) -> None:
        """Those who never got in, spread over the days of the trial."""
        failed = [row for row in self.records["participants"] if row["ineligible_reason"] is not None]
        for number, row in enumerate(failed):
            day = ADMISSION + timedelta(days=number * span // max(len(failed), 1))
            self.at(day, lambda row=row: self._fail(row), 90)  # type: ignore[misc]

    def _fail(self, row: dict[str, Any]) -> None:
        id, reason = row["participant_id"], row["ineligible_reason"]
        if not row["consented"]:
            self.do("coordinator", "screen", participant=id, site="main", result="declined", reason=reason)
            return
        self.do("coordinator", "screen", participant=id, site="main")
        self.do("coordinator", "consent", participant=id, version="1.0")
        if row["eligible"] is False:
            self.do("investigator", "eligibility", participant=id, against=reason)
        else:
            self.do("coordinator", "screening-failure", participant=id, why=reason)

    def enrol(self, id: str, day_1: date) -> None:
        """From screening to randomization."""
        row = self.rows("participants", id)[0]

        def screened() -> None:
            self.do("coordinator", "screen", participant=id, site="main")
            self.do("coordinator", "consent", participant=id, version="1.0")
            self.do(
                "coordinator",
                "baseline",
                participant=id,
                values={
                    "age": _plain(row["age"]),
                    "sex": row["sex"],
                    "route": row["route"],
                    "use-days-30": _plain(row["use_days_30"]),
                },
            )
            self.do("investigator", "eligibility", participant=id, attested={"dependent": True, "seeking": True})

        self.at(date_of(row["screened_day"], day_1), screened)
        self.at(day_1, lambda: self.do("coordinator", "day-1", participant=id))
        self.hold(id, "admission", day_1, 5)
        self.tell_calendar(id, -30, -1, day_1, day_1)
        self.at(
            date_of(2, day_1),
            lambda: self.do("coordinator", "randomize", why="detoxification took its time", participant=id),
        )

    def hold(self, id: str, visit: str, day_1: date, minutes: float = 0) -> None:
        """A visit that took place, with everything asked at it.

        Of those that did not, every other is said to be missed once its window has closed; of the rest nothing is said.
        """
        row = self.rows("visits", id, visit=visit)[0]
        if row["state"] != "attended":
            due = next(due for due in due_visits(self.protocol, day_1) if due.name == visit)
            if row["target_day"] % 2:
                self.at(
                    due.last + timedelta(days=1),
                    lambda: self.do("coordinator", "visit-missed", participant=id, visit=visit, why="did not come"),
                )
            return
        by = "telephone" if visit == "six-month-call" else "person"
        forms: list[tuple[str, str, dict[str, Any]]] = [
            ("rater", "urine", {"cocaine": urine["result"]}) for urine in self.rows("urine", id, visit=visit)
        ]
        names = {
            "craving-vas": "craving",
            "ffmq-39": "mindfulness",
            "pss-10": "stress",
            "dissociation": "dissociation",
            "arm-guess": "arm-guess",
            "telephone-report": "telephone-report",
        }
        asked: dict[str, dict[str, Any]] = {}
        for item in self.rows("assessments", id, visit=visit):
            value = None if item["value"] is None else _plain(item["value"])
            asked.setdefault(item["instrument"], {})[item["item"]] = value
        for instrument, answers in asked.items():
            forms.append(("infusion" if instrument == "dissociation" else "rater", names[instrument], answers))

        def held() -> None:
            self.do("coordinator", "visit", participant=id, visit=visit, by=by)
            for who, form, answers in forms:
                confirm = list(answers) if form != "urine" else []
                self.do(who, "record", participant=id, visit=visit, form=form, answers=answers, confirm=confirm)

        self.at(date_of(row["day"], day_1), held, minutes)

    def tell_calendar(self, id: str, first: int, last: int, day_1: date, on: date) -> None:
        """The days of the calendar from ``first`` to ``last`` that the records say were told."""
        told = [row for row in self.rows("daily_use", id) if first <= row["day"] <= last and row["asked"]]
        if told:
            days = [date_of(row["day"], day_1) for row in told]
            used = [date_of(row["day"], day_1).isoformat() for row in told if row["used"]]
            assert len(days) == (days[-1] - days[0]).days + 1
            self.at(
                on, lambda: self.do("rater", "calendar", participant=id, first=days[0], last=days[-1], used=used), 20
            )

    def infuse(self, id: str, day_1: date) -> None:
        """Weight, sheet, check, infusion with its interruption, vital signs at their minutes."""
        given = self.rows("exposure", id)[0]
        day = date_of(given["day"], day_1)
        kg = _plain(self.rows("participants", id)[0]["weight_kg"])

        def prepare() -> None:
            if self.do("infusion", "weight", participant=id, kg=kg).answer["state"] == "held":
                self.do("coordinator", "weight", participant=id, kg=kg)
            maker = self.on_duty("pharmacist", id)
            self.do(maker, "dose-sheet", participant=id, sealed=True)
            checker = next(name for name in SHIFTS["pharmacist"] if name != maker)
            self.do(checker, "dose-check", participant=id, sealed=True)

        self.at(day, prepare, 10)
        whole = 2400
        planned, delivered = given["planned_mg"], given["delivered_mg"]
        total = round(given["minutes"] * 60)
        # A pause is whole minutes, and the dose says how long the pump ran: the two together give the seconds.
        running = (
            whole
            if delivered == planned
            else next(
                total - 60 * pause
                for pause in range(11)
                if _hundredths(planned, total - 60 * pause, whole) == round(delivered * 100)
                and (pause > 0) == (given["interruptions"] > 0)
            )
        )
        pause = total - running
        start = datetime(day.year, day.month, day.day, MORNING + 1, tzinfo=UTC)

        def entered(action: str, seconds: float, **told: Any) -> None:
            """Typed in a few seconds after it was done, with the time on the wall."""
            at = (start + timedelta(seconds=seconds)).isoformat()
            self.at(day, lambda: self.do("infusion", action, participant=id, at=at, **told), 60 + (seconds + 10) / 60)

        entered("infusion-start", 0)
        if pause:
            entered("infusion-rate", 600, ml_per_hour=0, why="line was moved")
            entered("infusion-rate", 600 + pause, ml_per_hour=75)
        entered("infusion-stop", total, why="asked to stop" if running < whole else "")
        for reading in self.rows("vitals", id):
            signs = {k: _plain(reading[k]) for k in ("minute", "systolic", "diastolic", "pulse", "saturation")}
            self.at(
                day,
                lambda signs=signs: self.do(  # type: ignore[misc]
                    "infusion", "infusion-vitals", participant=id, confirm=list(signs), **signs
                ),
                61 + reading["minute"],
            )

    def sessions(self, id: str, day_1: date) -> None:
        """Sessions held on their days; of those that were not, every other is said not to have been delivered."""
        for row in self.rows("sessions", id):
            told: dict[str, Any] = {"delivered": row["delivered"]}
            if row["delivered"]:
                told |= {
                    "minutes": _plain(row["minutes"]),
                    "practice": _plain(row["home_practice_minutes"]),
                    "fidelity": _plain(row["fidelity"]),
                    "confirm": ["minutes"],
                }
            elif row["session"] % 2 or not row["planned_day"]:
                continue
            day = date_of(row["day"] if row["delivered"] else row["planned_day"], day_1)
            self.at(
                day,
                lambda row=row, told=told: self.do(  # type: ignore[misc]
                    "coordinator", "session", participant=id, session=row["session"], **told
                ),
                180,
            )

    def events(self, id: str, day_1: date) -> None:
        """Adverse events told on the evening they began, and brought up to date when they ended."""
        latest = day_1
        for row in sorted(self.rows("adverse_events", id), key=lambda row: row["event"]):
            onset = date_of(row["onset_day"], day_1)
            told = latest = max(latest, onset)
            end = date_of(row["end_day"], day_1) if row["end_day"] is not None else None
            given = {"end": end, "outcome": row["outcome"]} if end is not None and end <= told else {}
            later = {} if given else {"outcome": row["outcome"], **({"end": end} if end is not None else {})}
            self.at(
                told,
                lambda row=row, onset=onset, given=given: self.do(  # type: ignore[misc]
                    "coordinator",
                    "adverse-event",
                    participant=id,
                    term=row["term"],
                    onset=onset,
                    severity=row["severity"],
                    related=row["related"],
                    **given,
                ),
                EVENING,
            )
            if later and later != {"outcome": "not known"}:
                self.at(
                    max(end or told, told),
                    lambda row=row, later=later: self.do(  # type: ignore[misc]
                        "investigator",
                        "adverse-event-update",
                        participant=id,
                        event=row["event"],
                        why="it ended",
                        **later,
                    ),
                    EVENING + 30,
                )

    def leave(self, id: str, day_1: date) -> None:
        """How the participant left, on the evening of the day."""
        row = self.rows("disposition", id)[0]
        action, given = {
            "completion": ("complete", {}),
            "lost_to_follow_up": ("lost", {"why": row["reason"]}),
        }.get(row["event"], ("withdraw", {"scope": "visits", "why": row["reason"]}))
        on = date_of(row["day"], day_1)
        self.at(on, lambda: self.do("coordinator", action, participant=id, on=on, **given), EVENING + 60)

    def follow(self, id: str, day_1: date) -> None:
        """From randomization to the six-month call."""
        self.infuse(id, day_1)
        self.hold(id, "infusion", day_1, 130)
        self.sessions(id, day_1)
        self.hold(id, "discharge", day_1)
        first = 6
        for visit in self.clinic_days:
            self.hold(id, f"day-{visit}", day_1)
            row = self.rows("visits", id, visit=f"day-{visit}")[0]
            if row["state"] == "attended":
                self.tell_calendar(id, first, visit, day_1, max(date_of(row["day"], day_1), date_of(visit, day_1)))
                first = visit + 1
        self.events(id, day_1)
        self.leave(id, day_1)
        self.hold(id, "six-month-call", day_1)

    def run(self, order: Sequence[str]) -> None:
        """Everybody, in the order in which they are randomized, each a day or a few after the one before."""
        day_1 = ADMISSION
        for number, id in enumerate(order):
            self.enrol(id, day_1)
            self.follow(id, day_1)
            day_1 += timedelta(days=GAPS[number % len(GAPS)])
        self.screening_failures((day_1 - ADMISSION).days)
        self.keep_appointments()
        self.staged.clock.at = max(
            self.staged.clock.at, datetime(day_1.year, day_1.month, day_1.day, tzinfo=UTC) + timedelta(days=250)
        )

    def close(self, order: Sequence[str]) -> None:
        """Freeze, signatures, lock."""
        self.do("alice", "freeze")
        for row in self.do("dana", "queries").told["queries"]:
            self.do("dana", "query-close", query=row["query"], why="it is so in the source")
        for id in order:
            self.do("investigator", "sign-off", participant=id)
        self.do("alice", "lock")
        self.do("sam", "open-quarantine", opened=True)


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
