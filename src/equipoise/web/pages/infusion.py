"""The infusion at the bedside: two clocks, readings, rate, stop; read from two metres, and whole without scripts.

While it runs, and half an hour beyond the last reading due, this page stays open to the session that watches it.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from django.http import HttpResponse

from equipoise.conduct.clock import zone_of
from equipoise.conduct.rows.tables import AccountRow
from equipoise.foundation.errors import ConductError, Problem, UsageError
from equipoise.web import bedside_trend as trend
from equipoise.web.fields import Field, Summary, place_problems
from equipoise.web.held import held_for
from equipoise.web.page import page, pass_on, request_key
from equipoise.web.pages.participants import bar
from equipoise.web.passphrase_again import second_person
from equipoise.web.receipts import receipt_of
from equipoise.web.render import render
from equipoise.web.words import day_words, typed_time, zone_words

ASIDE = ("C013", "C014", "C030")
NEAR = 2.0  # minutes from a reading that is due within which one counts as it
BEYOND = timedelta(minutes=30)  # after the last reading due for which the page stays open
# What the open ledger says of an infusion that ended early: nothing that tells which rule it was, or whether one was.
EARLY = (
    ("for the participant's safety", "For the participant's safety"),
    ("at the participant's wish", "At the participant's wish"),
    ("line or pump", "Line or pump"),
)
_SIGNS = (
    ("systolic", "Systolic", "mmHg"),
    ("diastolic", "Diastolic", "mmHg"),
    ("pulse", "Pulse", "per min"),
    ("saturation", "Saturation", "%"),
)
_SAID = {">=": "{} or above", "<=": "{} or below", ">": "above {}", "<": "below {}", "=": "exactly {}"}


@page("infusion", "p/<participant>/infusion/")
def infusion(request: Any, participant: str) -> HttpResponse:
    """The infusion of a participant, from the checked sheet to the last reading after it."""
    return Bedside(request, participant).answer()


class Bedside:
    """The page of one infusion, under way."""

    def __init__(self, request: Any, participant: str) -> None:
        self.request = request
        self.participant = participant
        self.told: dict[str, Any] = {}
        self.summary = Summary()
        self.fields = _fields()
        self.met: list[str] = []
        self.done = ""
        self.act = ""
        self._read()
        self.place = f"{participant} {self.told['visit']}"
        brought = request.POST.get("seen", "") if request.method == "POST" else ""
        self.seen = trend.opened(request.who.key, self.place, brought) if brought else []

    def answer(self) -> HttpResponse:
        """Do what was posted, and show how the infusion then stands."""
        acts: dict[str, Callable[[], None]] = {
            "start": self._start,
            "reading": self._reading,
            "rate": self._rate,
            "stands": self._stands,
            "stop": self._stop,
            "correct": self._correct,
        }
        self.act = self.request.POST.get("act", "") if self.request.method == "POST" else ""
        if self.act in acts:
            for name, field in self.fields.items():
                if field.kind != "secret":
                    field.value = self.request.POST.get(name, "").strip()[:200]
            try:
                acts[self.act]()
            except (ConductError, UsageError) as error:
                pass_on(error, *ASIDE)
                self.summary = place_problems(error.problems, self.fields)
            self._read()
        self._stay()
        return self._page()

    def _read(self) -> None:
        self.told = dict(
            self.request.served.do(self.request.who, "read-infusion", {"participant": self.participant}).told
        )

    # ------------------------------------------------------------------ acts

    def _do(self, action: str, given: dict[str, Any], why: str = "") -> Any:
        key = request_key(self.request)
        given = {"participant": self.participant, **{name: value for name, value in given.items() if value}}
        receipt = self.request.served.do(self.request.who, action, given, why=why, key=key)
        made = receipt_of(self.request.served.trial, self.request.who.account, key, held_for(self.request))
        self.done = f"{made['events']}, {made['at']}" if made else ""
        return receipt

    def _start(self) -> None:
        self._do("infusion-start", {"at": self._at()})

    def _reading(self) -> None:
        signs = {name: self.fields[name].value for name in trend.SIGNS}
        given: dict[str, Any] = {**signs, "minute": self.fields["minute"].value}
        given["confirm"] = self.request.POST.getlist("confirm")
        if not any(signs.values()):
            raise ConductError(Problem("C573", "systolic", "Nothing was typed.", "the four readings"))
        receipt = self._do("infusion-vitals", given)
        minute = receipt.answer["minute"]
        self.seen = [row for row in self.seen if row["minute"] != minute] + [{"minute": minute, **signs}]
        self.met = _words_of_rules(receipt.told["stop_rules"], signs, self.told["stop"])
        for name in (*trend.SIGNS, "minute"):
            self.fields[name].value = ""

    def _rate(self) -> None:
        self._do("infusion-rate", {"ml_per_hour": self.fields["ml_per_hour"].value, "at": self._at()}, self._why())

    def _stands(self) -> None:
        self._do("infusion-rate", {"ml_per_hour": "0"}, EARLY[0][0])

    def _stop(self) -> None:
        self._do("infusion-stop", {"at": self._at()}, self._why())

    def _correct(self) -> None:
        """The last reading told anew as a whole, with a second person who saw it."""
        if not self.told["readings"]:
            raise ConductError(Problem("C602", "systolic", "There is no reading to correct.", "a reading"))
        number, minute = self.told["readings"][-1]
        signs = {name: self.fields[name].value or None for name in trend.SIGNS}
        if not all(signs.values()):
            raise ConductError(
                Problem("C573", "systolic", "The reading is entered again as a whole.", "the four readings")
            )
        second = second_person(self.request, self.fields["second"].value, self.request.POST.get("passphrase", ""))
        given = {
            "visit": self.told["visit"],
            "form": self.told["form"],
            "answers": {"minute": minute, **signs},
            "repeat": number,
            "confirm": self.request.POST.getlist("confirm"),
        }
        receipt = self._do("correct", given, f"slip of the hand, seen by {second.account}")
        kept = [row for row in self.seen if row["minute"] != minute]
        self.seen = [*kept, {"minute": minute, **{name: value or "" for name, value in signs.items()}}]
        self.met = _words_of_rules(receipt.told["stop_rules"], self.seen[-1], self.told["stop"])
        for name in trend.SIGNS:
            self.fields[name].value = ""

    def _why(self) -> str:
        return self.fields["why"].value or self.fields["why_other"].value

    def _at(self) -> str:
        """A time as people type it, 10:40, on today's date of the site."""
        return typed_time(self.fields["at"].value, self._now().date())

    # ------------------------------------------------------------------ how it stands

    def _zone(self) -> str:
        return str(self.request.served.zone_of(self.told["standing"]["site"]))

    def _now(self) -> datetime:
        local: datetime = self.request.served.now(self._zone()).local
        return local

    def _utc(self) -> datetime:
        utc: datetime = self.request.served.now(self._zone()).utc
        return utc

    def _start_of(self) -> datetime | None:
        return datetime.fromisoformat(self.told["run"][0][0]) if self.told.get("run") else None

    def _stay(self) -> None:
        """The page stays open to this session while the infusion runs, and until the readings after it are over."""
        began, who = self._start_of(), self.request.who
        place, sessions = f"infusion {self.participant}", self.request.served.sessions
        if began is None:
            return
        last = max((float(minute) for minute in self.told["due"]), default=0.0)
        left = began + timedelta(minutes=last) + BEYOND - self._utc()
        if self.told["state"] in ("running", "held"):
            left = max(left, BEYOND)
        sessions.stay(who, place, left.total_seconds())

    def _page(self) -> HttpResponse:
        told = self.told
        began = self._start_of()
        stopped = told["state"] == "held"
        refused = bool(self.summary.lines)
        title = f"{self.participant}, infusion"
        if refused:
            title = f"Not recorded: {title}"
        if stopped:
            title = f"STOP: {title}"
        context: dict[str, Any] = {
            "title": title,
            "participant": self.participant,
            "bar": None if began else bar(told["standing"]),
            "told": told,
            "on": day_words(self._now().date(), year=False),
            "day": told["standing"]["study_day"],
            "running": told["state"] in ("running", "held"),
            "held": stopped,
            "met": self.met,
            "fields": self.fields,
            "summary": self.summary,
            "act": self.act if refused else "",
            "done": self.done,
            "early": EARLY,
            "key": secrets.token_urlsafe(12),
            "rules": [
                (name.capitalize(), _SAID.get(op, op + " {}").format(bound)) for name, op, bound in told.get("stop", ())
            ],
            "investigators": self._investigators(),
            "ended_session": self.request.who.ended,
        }
        if began is not None:
            context |= self._course(began)
        return render(self.request, "infusion.html", context, status=422 if refused else 200)

    def _course(self, began: datetime) -> dict[str, Any]:
        """Clocks, readings taken and due, the drawing."""
        told, now = self.told, self._utc()
        passed = (now - began).total_seconds() / 60
        taken = [float(minute) for _, minute in told["readings"]]
        open_ = [due for due in map(float, told["due"]) if not any(abs(due - one) <= NEAR for one in taken)]
        ahead = next((due for due in open_ if due >= passed - NEAR), None)
        missed = [due for due in open_ if due < passed - NEAR]
        next_at = began + timedelta(minutes=ahead) if ahead is not None else None
        zone = zone_of(self._zone())
        known = {row["minute"] for row in self.seen}
        rate = float(told["run"][-1][1])
        systolic = [(op, bound) for name, op, bound in told["stop"] if name == "systolic"]
        last = max([float(minute) for minute in told["due"]] or [60.0])
        over = datetime.fromisoformat(told["ended"]) if told["ended"] else None
        return {
            "now_ms": int(now.timestamp() * 1000),
            "began_ms": int(began.timestamp() * 1000),
            "began": _clock(began, zone),
            "passed": _minutes_words(passed),
            "passed_said": f"{int(passed)} minutes {int(passed * 60) % 60} seconds",
            "rate": f"{rate:g}",
            "stands": rate == 0,
            "next": f"{ahead:g}" if ahead is not None else "",
            "next_at": _clock(next_at, zone) if next_at else "",
            "next_ms": int(next_at.timestamp() * 1000) if next_at else "",
            "left": _minutes_words(max(ahead - passed, 0.0)) if ahead is not None else "",
            "due_now": ahead is not None and abs(ahead - passed) <= NEAR / 2,
            "missed": [f"{due:g}" for due in missed],
            "taken": [f"{minute:g}" for minute in sorted(taken)],
            "unseen": [minute for _, minute in told["readings"] if minute not in known],
            "seen": trend.sealed(self.request.who.key, self.place, self.seen),
            "readings": trend.newest_first(self.seen),
            "drawing": trend.trend("systolic", self.seen, systolic, last) if self.seen else "",
            "steps": told["steps"],
            "ended_at": _clock(over, zone) if over else "",
            "ran": _minutes_words((over - began).total_seconds() / 60) if over else "",
            "zone": zone_words(0, self._zone(), self._now().replace(tzinfo=None)),
        }

    def _investigators(self) -> str:
        trial, site = self.request.served.trial, self.told["standing"]["site"]
        rows = trial.values(AccountRow, ("person", "account", "roles", "sites"), state="active", order=("account",))
        found = [
            person or account
            for person, account, roles, sites in rows
            if "investigator" in roles.split(",") and (not sites or site in sites.split(","))
        ]
        return " or ".join(found[:3]) or "an investigator"


def _fields() -> dict[str, Field]:
    fields = [Field(name, label, "number", unit=unit) for name, label, unit in _SIGNS]
    fields += [
        Field("minute", "Minute of the reading", "number", hint="Left blank: now", unit="min"),
        Field("ml_per_hour", "Rate from now on", "number", hint="0 interrupts", unit="mL/h"),
        Field("at", "At", hint="10:40; left blank: now"),
        Field("why", "Reason", "pick", choices=EARLY),
        Field("why_other", "Reason in other words"),
        Field("second", "Second person"),
        Field("passphrase", "Passphrase", "secret"),
    ]
    return {field.name: field for field in fields}


def _words_of_rules(said: list[str], signs: Any, rules: list[Any]) -> list[str]:
    """Which rules a reading met, in words: Systolic 182 mmHg. The protocol stops at 180 or above."""
    units = {name: unit for name, _, unit in _SIGNS}
    out = []
    for words in said:
        name = words.partition(" is ")[0]
        bound = words.rpartition(" ")[2].rstrip(".")
        op = next((op for one, op, limit in rules if one == name and limit == bound), None)
        if op is None:
            out.append(words)
            continue
        limit = _SAID.get(op, op + " {}").format(bound)
        out.append(f"{name.capitalize()} {signs.get(name, '')} {units.get(name, '')}. The protocol stops at {limit}.")
    return out


def _minutes_words(minutes: float) -> str:
    seconds = int(minutes * 60)
    hours, rest = divmod(seconds, 3600)
    return f"{hours}:{rest // 60:02d}:{rest % 60:02d}" if hours else f"{rest // 60:02d}:{rest % 60:02d}"


def _clock(at: datetime, zone: Any) -> str:
    local = at.astimezone(zone) if at.tzinfo else at.replace(tzinfo=UTC).astimezone(zone)
    return f"{local:%H:%M:%S}" if local.second else f"{local:%H:%M}"
