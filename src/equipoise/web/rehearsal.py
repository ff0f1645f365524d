"""A training trial filled to mid-course: simulated people entered through the actions, day by day, up to last night.

Whose arm the list gives is not whose arm the simulation drew, so nothing about an effect can be read from it.
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import Any

from equipoise.conduct.clock import SetClock, zone_of
from equipoise.conduct.entropy import Entropy, SystemEntropy, code
from equipoise.conduct.rows.statements import empty_log, wait_for_disk
from equipoise.conduct.rules.dose import OpenSheet, decimal_text, open_sheet
from equipoise.conduct.rules.single_dose import single_days
from equipoise.conduct.trial.trial import Trial
from equipoise.foundation.errors import EquipoiseError
from equipoise.protocol import Protocol
from equipoise.records import Records

PEOPLE = (
    ("admin", "Ada Osei", "administrator"),
    ("carol", "Carol Lindqvist", "coordinator"),
    ("ivan", "Ivan Petrov", "investigator"),
    ("nina", "Nina Abebe", "infusion"),
    ("ruth", "Ruth Meier", "rater"),
    ("phil", "Phil Okafor", "pharmacist"),
    ("petra", "Petra Novak", "pharmacist"),
    ("sam", "Sam Haddad", "safety"),
    ("mona", "Mona Silva", "monitor"),
    ("dana", "Dana Kim", "data-manager"),
    ("stan", "Stan Weber", "statistician"),
    ("uma", "Uma Rao", "unblinded-statistician"),
)
NEAR = 120  # study days up to which visits are thought of as the course itself; calls lie beyond
_SETTLED = 5  # days after which a missed visit has been recorded as missed
_CONSENT = "1.0"
USUAL_KG = 75  # of whom the simulation drew no weight
ZONE = "America/New_York"  # of every site of a rehearsal


@dataclass
class Rehearsal:
    """A training trial made and filled; ``refused`` counts what the actions did not take, by code."""

    trial: Trial
    pharmacy: Path
    safety: Path
    passphrase: str
    entropy: Entropy
    participants: int = 0
    acts: int = 0
    refused: Counter[str] = field(default_factory=Counter)


def rehearse(
    protocol: Protocol,
    directory: Path,
    *,
    n: int = 20,
    seed: int = 20190624,
    now: datetime | None = None,
    entropy: Entropy | None = None,
    database: str = "sqlite",
) -> Rehearsal:
    """Make a training trial in ``directory`` and fill it with ``n`` simulated participants up to the day before."""
    from equipoise.conduct.trial.create import FirstAccount, create_trial
    from equipoise.simulation.simulate import simulate

    now = now or datetime.now(UTC)
    records = simulate(protocol, seed=seed)
    entropy = entropy or SystemEntropy()
    passphrase = code(entropy, 5).lower()
    today = now.astimezone(zone_of(ZONE)).date()
    span = _span(protocol)
    begin = today - timedelta(days=span + 40)
    clock = SetClock(datetime.combine(begin, time(13), tzinfo=UTC), timedelta(0))
    pharmacy, safety = (directory.with_name(f"{directory.name}-{what}") for what in ("pharmacy", "safety"))
    trial = create_trial(
        protocol,
        directory,
        mode="training",
        pharmacy=pharmacy,
        safety=safety,
        accounts=[FirstAccount(account, (role,), passphrase, person) for account, person, role in PEOPLE],
        zone=ZONE,
        clock=clock,
        entropy=entropy,
        database=database,
    )
    made = Rehearsal(trial, pharmacy, safety, passphrase, entropy)
    if trial.is_sqlite:
        # A machine that dies meanwhile leaves nothing that anybody misses; from then on each commit is waited for.
        with trial.use():
            wait_for_disk(trial, on=False)
    Book(made, records, protocol, clock, today).fill(n, span)
    if trial.is_sqlite:
        with trial.use():
            wait_for_disk(trial, on=True)
            empty_log(trial)
    return made


def _span(protocol: Protocol) -> int:
    """Days from the first participant's day 1 to today: the course of one participant, and ten days."""
    return max([visit.last_day for visit in protocol.planned_visits if visit.last_day <= NEAR] or [30]) + 10


class Book:
    """The appointment book: what is done on which day, kept in order while the clock goes on."""

    def __init__(
        self,
        made: Rehearsal,
        records: Records,
        protocol: Protocol,
        clock: SetClock,
        today: date,
    ) -> None:
        self.made = made
        self.protocol = protocol
        self.clock = clock
        self.today = today
        self.zone = zone_of(ZONE)
        self.rows: dict[str, dict[str, list[dict[str, Any]]]] = {}
        for name, frame in records.tables.items():
            of: dict[str, list[dict[str, Any]]] = {}
            for row in frame.to_dicts():
                of.setdefault(row["participant_id"], []).append(row)
            self.rows[name] = of
        self.entries: list[tuple[datetime, int, Callable[[], Any]]] = []
        self.lost: set[str] = set()  # participants whom an action refused something that the rest hangs on

    def fill(self, n: int, span: int) -> None:
        """Everybody entered, and everything done whose day is past."""
        self._open()
        randomized = list(self.rows["allocations"])[:n]
        given_on = self.protocol.model.calendar.randomization_day or 1
        for number, id in enumerate(randomized):
            # the newest one is to be randomized and dosed today
            back = max(round(span * (n - 1 - number) / max(n - 1, 1)), given_on - 1)
            Way(self, id, self.today - timedelta(days=back)).enter()
        others = [id for id in self.rows["participants"] if id not in self.rows["allocations"]][: max(n // 5, 1)]
        for number, id in enumerate(others):
            self.at(self.today - timedelta(days=3 + number * span // len(others)), 9.5, lambda id=id: self._fail(id))  # type: ignore[misc]
        self._aside(randomized)
        for when, _, do in sorted(self.entries, key=lambda entry: entry[:2]):
            if when.astimezone(self.zone).date() < self.today:
                self.clock.at = max(self.clock.at, when)
                do()
        self.made.participants = len(randomized)

    def at(self, day: date, hour: float, do: Callable[[], Any]) -> None:
        """Enter what is done on a local date at an hour of the site."""
        when = datetime.combine(day, time(0), tzinfo=self.zone) + timedelta(hours=hour)
        self.entries.append((when, len(self.entries), do))

    def do(self, who: str, action: str, *, why: str = "", **given: Any) -> Any:
        """An action; ``None`` where it is refused, which is counted."""
        from equipoise.conduct.actions.dispatch import perform
        from equipoise.conduct.actions.sign_in import Session

        self.made.acts += 1
        try:
            return perform(
                self.made.trial,
                Session(who, "rehearsal"),
                action,
                given,
                why=why,
                clock=self.clock,
                entropy=self.made.entropy,
                pharmacy=str(self.made.pharmacy) if who in ("phil", "petra", "carol") else None,
            )
        except EquipoiseError as error:
            self.made.refused[error.problems[0].code] += 1
            return None

    def _open(self) -> None:
        """Sites in use, drug on the shelf, and a document of consent to practise with."""
        text = files("equipoise.web").joinpath("training_consent.md").read_text("utf-8")
        self.do("admin", "consent-document", version=_CONSENT, text=text)
        for site in self.protocol.model.sites or ("main",):
            self.do("admin", "activate-site", site=site, approval="IRB 2027-01")
        drugs = {str(getattr(entry, "drug", None) or "") for entry in self.protocol.model.interventions.values()}
        for drug in sorted(drugs - {""}):
            self.do("phil", "stock", drug=drug, movement="received", mg=9000)

    def _fail(self, id: str) -> None:
        row = self.rows["participants"][id][0]
        site, reason = row["site"] or "main", row["ineligible_reason"] or "did not come back"
        if not row["consented"]:
            self.do("carol", "screen", participant=id, site=site, result="declined", reason=reason)
            return
        self.do("carol", "screen", participant=id, site=site)
        self.do("carol", "consent", participant=id, version=_CONSENT)
        if row["eligible"] is False:
            self.do("ivan", "eligibility", participant=id, against=reason)
        else:
            self.do("carol", "screening-failure", participant=id, why=reason)

    def _aside(self, people: list[str]) -> None:
        """What every running trial has: two more in screening, a monitor's questions, a serious event of yesterday."""
        for number in (1, 2):
            id, ahead = f"S-{number:03d}", self.today - timedelta(days=number)
            self.at(ahead, 10, lambda id=id: self.do("carol", "screen", participant=id, site=self._site()))  # type: ignore[misc]
            if number == 2:
                self.at(ahead, 10.5, lambda id=id: self.do("carol", "consent", participant=id, version=_CONSENT))  # type: ignore[misc]
        for number, id in enumerate(people[3:9:2]):
            text = ("The source says another day. Which is right?", "Is the sheet signed?", "Please look again.")[
                number
            ]
            self.at(
                self.today - timedelta(days=2 + 3 * number),
                16,
                lambda id=id, text=text: self.do("mona", "query", participant=id, text=text),  # type: ignore[misc]
            )
        if len(people) > 5:
            yesterday = self.today - timedelta(days=1)
            given: dict[str, Any] = {
                "participant": people[5],
                "term": "chest pain, kept overnight",
                "onset": yesterday,
                "severity": "severe",
                "serious": ["hospitalization"],
            }
            self.at(yesterday, 18, lambda: self.do("ivan", "adverse-event", **given))

    def _site(self) -> str:
        return (self.protocol.model.sites or ("main",))[0]


class Way:
    """One simulated participant's way through the trial."""

    def __init__(self, book: Book, id: str, day_1: date) -> None:
        self.book = book
        self.id = id
        self.day_1 = day_1
        self.person = book.rows["participants"][id][0]
        self.site = self.person["site"] or book._site()

    def enter(self) -> None:
        """Enter everything into the book."""
        from equipoise.conduct.rules.windows import anchor_is_enrolment, due_visits

        protocol, book = self.book.protocol, self.book
        first = self.day_1 - timedelta(days=4)
        book.at(first, 9, self._screen)
        book.at(first + timedelta(days=1), 11, self._decide)
        given_on = protocol.model.calendar.randomization_day
        book.at(self.on(given_on or 1), 8.5, self._enter)
        follows = protocol.model.randomization is None and not anchor_is_enrolment(protocol)
        if given_on not in (None, 1) or follows:
            book.at(self.day_1, 8.6 if follows else 8, lambda: self.do("carol", "day-1"))
        due = {entry.name: entry for entry in due_visits(protocol, self.day_1)}
        told_to = 0
        for row in self.rows("visits"):
            if row["visit"] not in due:
                continue
            if row["state"] == "attended" and row["day"] is not None:
                self.visit(row, due[row["visit"]], told_to)
                told_to = row["day"]
            else:
                settled = due[row["visit"]].last + timedelta(days=_SETTLED)
                book.at(settled, 16, lambda row=row: self._missed(row["visit"]))  # type: ignore[misc]
        self.infusions()
        self.sessions()
        self.adverse_events()
        self.leaving()

    # ------------------------------------------------------------------ reading the simulation

    def on(self, day: int) -> date:
        """The date of a study day."""
        from equipoise.conduct.rules.windows import date_of

        return date_of(day, self.day_1)

    def rows(self, table: str) -> list[dict[str, Any]]:
        """The simulated rows of a table."""
        return self.book.rows[table].get(self.id, [])

    def do(self, who: str, action: str, **given: Any) -> Any:
        """An action about this participant, while nothing it hangs on was refused."""
        if self.id in self.book.lost:
            return None
        return self.book.do(who, action, participant=self.id, **given)

    def must(self, who: str, action: str, **given: Any) -> None:
        """An action without which nothing further is entered."""
        if self.do(who, action, **given) is None:
            self.book.lost.add(self.id)

    # ------------------------------------------------------------------ the steps

    def _screen(self) -> None:
        self.must("carol", "screen", site=self.site)
        self.must("carol", "consent", version=_CONSENT)
        values = {}
        for name in self.book.protocol.model.recorded_baseline:
            value = self.person.get(name.replace("-", "_"))
            if value is not None:
                values[name] = value if isinstance(value, str | bool) else _plain(value)
        if values:
            self.do("carol", "baseline", values=values)

    def _decide(self) -> None:
        eligibility = self.book.protocol.model.eligibility
        attested = dict.fromkeys(eligibility.include or {}, True) | dict.fromkeys(eligibility.exclude or {}, False)
        self.must("ivan", "eligibility", attested=attested)

    def _enter(self) -> None:
        """Into the trial: randomized, or enrolled where nobody is."""
        if self.book.protocol.model.randomization is None:
            self.must("carol", "enrol")
            return
        if self.do("carol", "randomize") is None and self.id not in self.book.lost:
            self.must("carol", "randomize", why="rehearsal: not all covariates are there")

    def _missed(self, visit: str) -> None:
        self.do("carol", "visit-missed", visit=visit, why="did not come, telephoned twice")

    def visit(self, row: dict[str, Any], due: Any, told_to: int) -> None:
        """A visit with all its forms: one submission of the coordinator, and the sealed ones of the nurse."""
        from equipoise.conduct.rules.forms import forms_at

        visit, day = row["visit"], row["day"]
        protocol = self.book.protocol
        whole: dict[str, Any] = {}
        sealed: dict[str, Any] = {}
        for form in forms_at(protocol, visit):
            entry = protocol.model.assessments[form]
            told = self._form(form, entry, visit, told_to, day)
            if told:
                (whole if entry.blinding == "open" else sealed)[form] = told
        by = "telephone" if "call" in visit or "telephone" in visit else "person"
        on = self.on(day)
        late = not due.first <= on <= due.last
        given_on = protocol.model.calendar.randomization_day
        before, told_later = day < (given_on or 1), day < 1 and given_on in (None, 1)

        def held() -> None:
            why = "the participant asked for another day" if late else ""
            if told_later:  # its study day is known once day 1 is: it is recorded then, with its own date
                why = f"{why}; day 1 was not known then".removeprefix("; ")
                self.do("carol", "visit-forms", visit=visit, forms=whole, by=by, why=why, on=on.isoformat())
            else:
                self.do("carol", "visit-forms", visit=visit, forms=whole, by=by, why=why)
            for form, told in sealed.items():
                self.do("nina", "record", visit=visit, form=form, **told)

        self.book.at(self.day_1 if told_later else on, 8.8 if told_later else 8.2 if before else 13.5, held)

    def _form(self, form: str, entry: Any, visit: str, told_to: int, day: int) -> dict[str, Any]:
        if entry.type == "urine":
            return {row["substance"]: row["result"] for row in self.rows("urine") if row["visit"] == visit}
        if entry.type == "instrument":
            told = {
                row["item"]: _plain(row["value"])
                for row in self.rows("assessments")
                if row["visit"] == visit and row["instrument"] == entry.instrument and row["value"] is not None
            }
            return {"answers": told, "confirm": self._items(form)} if told else {}
        if entry.type == "daily-use":
            days = [row for row in self.rows("daily_use") if told_to < row["day"] <= day and row["asked"]]
            return (
                {"days": {self.on(row["day"]).isoformat(): "yes" if row["used"] else "no" for row in days}}
                if days
                else {}
            )
        return {"asked": "yes", "any": "no"} if entry.type == "event" else {}

    def _items(self, form: str) -> list[str]:
        """The items of a form: whatever is unusual of a simulated answer is confirmed, and a query asks."""
        from equipoise.conduct.rules.forms import form_of

        return [item.id for item in form_of(self.book.protocol, form).items]

    def infusions(self) -> None:
        """Weight, sheet and check, the infusion with its readings."""
        injected = set(single_days(self.book.protocol))
        for given in self.rows("exposure"):
            if given["day"] is None:
                continue
            if given["day"] in injected:
                self._injection(given)
            if given["day"] in injected or not self.rows("vitals"):
                continue
            day = self.on(given["day"])
            start = 10.0
            self.book.at(day, 9, lambda given=given: self._weigh(given))  # type: ignore[misc]
            self.book.at(day, 9.2, lambda: self._prepare())
            self.book.at(day, start, lambda: self.do("nina", "infusion-start"))
            for reading in self.rows("vitals"):
                if reading["day"] == given["day"] and reading["minute"] is not None:
                    at = start + (reading["minute"] + 0.5) / 60
                    self.book.at(day, at, lambda reading=reading: self._reading(reading))  # type: ignore[misc]
            sheet = open_sheet(self.book.protocol, given["day"])
            minutes = float(given["minutes"] or sheet.minutes)
            self._next_steps(sheet, day, start, minutes)
            why = "" if given["delivered_mg"] == given["planned_mg"] else "asked to stop"
            self.book.at(day, start + minutes / 60, lambda why=why: self.do("nina", "infusion-stop", why=why))  # type: ignore[misc]

    def _next_steps(self, sheet: OpenSheet, day: date, start: float, minutes: float) -> None:
        """The pump set to the rate of each further step as the one before it ends, unless it has stopped by then."""
        at = 0.0
        for before, step in pairwise(sheet.steps):
            at += float(before.minutes)
            rate = decimal_text(step.rate_ml_per_hour)
            if at < minutes:
                self.book.at(day, start + at / 60, lambda rate=rate: self.do("nina", "infusion-rate", ml_per_hour=rate))  # type: ignore[misc]

    def _injection(self, given: dict[str, Any]) -> None:
        """Weight, sheet and check, and the dose given at once; none before the entry, and of the arm's own alone."""
        if given["day"] < (self.book.protocol.model.calendar.randomization_day or 1):
            return
        day = self.on(given["day"])

        def give() -> None:
            self._weigh(given)
            listed = self.book.do("phil", "dose-sheets")
            if listed is None or self.id not in {row["participant"] for row in listed.told["sheets"]}:
                return  # the list's arm, which is not the simulation's, gets nothing on this day
            self._prepare()
            self.do("nina", "dose-given", where="left deltoid")

        self.book.at(day, 9, give)

    def _weigh(self, given: dict[str, Any]) -> None:
        told = self.person.get("weight_kg")
        if told is None and given["delivered_mg_per_kg"]:
            told = round(given["delivered_mg"] / given["delivered_mg_per_kg"], 1)
        kg = _plain(told or USUAL_KG)
        made = self.do("nina", "weight", kg=kg)
        if made is not None and made.answer.get("state") == "held":
            self.do("carol", "weight", kg=kg)

    def _prepare(self) -> None:
        self.do("phil", "dose-sheet")
        self.do("petra", "dose-check")

    def _reading(self, reading: dict[str, Any]) -> None:
        names = ("minute", "systolic", "diastolic", "pulse", "saturation")
        signs = {name: _plain(reading[name]) for name in names if reading[name] is not None}
        self.do("nina", "infusion-vitals", confirm=list(signs), **signs)

    def sessions(self) -> None:
        """Sessions of therapy that took place."""
        for row in self.rows("sessions"):
            if not row["delivered"] or row["day"] is None:
                continue
            told = {"minutes": row["minutes"], "practice": row["home_practice_minutes"], "fidelity": row["fidelity"]}
            given = {name: _plain(value) for name, value in told.items() if value is not None}
            day, entry = row["day"], self.book.protocol.model.calendar.randomization_day or 1
            if day < entry:
                continue  # no action records treatment before the entry
            self.book.at(
                self.on(day),
                15,
                lambda row=row, given=given: self.do(  # type: ignore[misc]
                    "carol",
                    "session",
                    session=row["session"],
                    delivered=True,
                    therapy=row["intervention"],
                    confirm=["minutes"],
                    **given,
                ),
            )

    def adverse_events(self) -> None:
        """Adverse events, told on the evening they began."""
        for row in self.rows("adverse_events"):
            onset = self.on(row["onset_day"])
            given = {"term": row["term"], "onset": onset, "severity": row["severity"], "related": row["related"]}
            self.book.at(onset, 18, lambda given=given: self.do("carol", "adverse-event", **given))  # type: ignore[misc]

    def leaving(self) -> None:
        """How the participant left, on the evening of the day."""
        for row in self.rows("disposition"):
            self.book.at(self.on(row["day"]), 19, lambda row=row: self._leave(row))  # type: ignore[misc]

    def _leave(self, row: dict[str, Any]) -> None:
        reason = row["reason"] or "not said"
        if row["event"] == "completion":
            self.do("carol", "complete")
        elif row["event"] == "lost_to_follow_up":
            self.do("carol", "lost", why=reason)
        elif row["event"] == "treatment_discontinuation":
            self.do("ivan", "discontinue", why=reason)
        else:
            self.do("carol", "withdraw", scope="visits", why=reason)


def _plain(value: Any) -> str:
    number = float(value)
    return str(int(number)) if number.is_integer() else repr(number)


def free_folder(root: Path, name: str) -> Path:
    """A folder that is not there yet."""
    return root / f"{name}-{secrets.token_hex(3)}"
