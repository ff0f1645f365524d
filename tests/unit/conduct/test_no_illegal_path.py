"""A hypothesis state machine over the actions: what is done is what a tiny model of its own says may be done."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from equipoise.conduct.integrity.verify import verify
from equipoise.foundation.errors import ConductError

from .driven import hire

AFTER_FREEZE = (
    "sign-off",
    "sign",
    "query",
    "query-answer",
    "query-close",
    "query-reopen",
    "correct",
    "entered-in-error",
    "adverse-event",
)
CHANGE_NOTHING = ("sign-off", "sign", "query", "query-answer", "query-close", "query-reopen")
SYSTOLIC = st.sampled_from([185, 120])  # the first meets a stop rule
WHO = st.sampled_from(["P-1", "P-2"])
FOLLOWED = {"in", "done", "lost"}


class Person:
    """All that the model keeps of one participant."""

    def __init__(self) -> None:
        self.phase = "new"
        self.follow = "in"
        self.day_1 = self.weighed = self.stopped = self.infusing = self.signed = False
        self.sheet = ""
        self.age: int | None = None
        self.done: set[str] = set()
        self.queries: dict[str, str] = {}  # where each stands: open, answered or closed
        self.session_signed = self.held = self.underage = False
        self.readings = 0


class Machine(RuleBasedStateMachine):
    """Two participants on study day 2, and whoever does whatever to them in any order."""

    make: Any = None
    count = 0
    asked = 0

    @initialize(
        steps=st.sampled_from([12, 11, 13, 0, 3, 5, 7, 8]),
        systolic=SYSTOLIC,
        on_paper=st.booleans(),
        remade=st.booleans(),
    )
    def begin(self, steps: int, systolic: int, on_paper: bool, remade: bool) -> None:
        """Walks begin somewhere along the usual path, or few would ever see an infusion."""
        Machine.count += 1
        self.trial = Machine.make(name=f"walk-{Machine.count}")
        hire(self.trial)
        self.trial.clock.at += timedelta(
            days=1
        )  # the site was activated yesterday, and what happened then can be entered
        self.people = {"P-1": Person(), "P-2": Person()}
        self.state = "open"
        self.today = self.trial.clock.at.date()
        usual = (
            self.screen,
            self.consent,
            self.set_day_1,
            lambda id: self.decide(id=id, fit=True),
            self.open_envelope if on_paper else self.randomize,
            self.weigh,
            self.prepare,
            lambda id: self.cancel(id=id, bag="destroyed") if remade else None,
            lambda id: self.prepare(id=id) if remade else None,
            lambda id: self.check(id=id, by="petra"),
            self.start,
            lambda id: self.read_signs(id=id, systolic=systolic),
            self.stop,
        )
        for step in usual[:steps]:
            step(id="P-1")

    def attempt(self, expected: bool, who: str, action: str, id: str | None = None, **given: Any) -> bool:
        """Do it, and hold what came of it against what the model expects."""
        if id is not None:
            given["participant"] = id
            if self.people[id].phase == "new" and action != "screen":
                expected = False
        if action in AFTER_FREEZE:
            expected = expected and self.state in ("open", "frozen")
        elif action not in ("lock", "unfreeze"):
            expected = expected and self.state == "open"
        self.trial.session(who)
        before = self.trial.rows("SELECT count(*) FROM event WHERE action <> 'refused'")
        sealed = action in ("dose-sheet", "dose-check", "dose-sheet-cancel")
        self.asked += 1
        request = {"why": "because", "sealed": sealed, "key": f"request {self.asked}", **given}
        try:
            first = self.trial.do(who, action, **request)
            done = True
        except ConductError as error:
            done = False
            said = error.problems[0]
            assert self.trial.rows("SELECT count(*) FROM event WHERE action <> 'refused'") == before, action
        assert done == expected, f"{action} {id}: {'done' if done else said}"
        if done:
            self.reply_is_lost(first, who, action, request)
        if done and id is not None and action not in CHANGE_NOTHING:
            self.people[id].signed = False
        return done

    def reply_is_lost(self, first: Any, who: str, action: str, request: dict[str, Any]) -> None:
        """Send the same request again: it is answered whole, and nothing happens twice."""
        heads = self.trial.rows("SELECT number, hash FROM ledger_head ORDER BY ledger")
        again = self.trial.do(who, action, **request)
        assert again.repeated
        assert (again.events, again.anchor.text) == (first.events, first.anchor.text)
        assert (again.answer, again.told) == (first.answer, first.told), action
        assert self.trial.rows("SELECT number, hash FROM ledger_head ORDER BY ledger") == heads

    @rule(id=WHO)
    def screen(self, id: str) -> None:
        person = self.people[id]
        if self.attempt(person.phase == "new", "carol", "screen", id, site="main"):
            person.phase = "screened"

    @rule(id=WHO)
    def consent(self, id: str) -> None:
        person = self.people[id]
        alive = person.follow not in ("dead", "all")
        if self.attempt(
            person.phase == "screened" and alive, "carol", "consent", id, version="1", on=self.today - timedelta(days=1)
        ):
            person.phase = "consented"

    @rule(id=WHO, fit=st.sampled_from([True, True, True, False]))
    def decide(self, id: str, fit: bool) -> None:
        person = self.people[id]
        told = {"values": {} if person.age else {"age": 30}, "attested": {"dependent": True, "seeking": fit}}
        possible = person.phase in {"consented", "eligible"} and person.follow == "in"
        if self.attempt(possible, "ivan", "eligibility", id, **told):
            grown = (person.age or 30) >= 18
            person.phase = "eligible" if fit and grown else "out"
            person.underage = not grown and fit

    @rule(id=WHO, age=st.sampled_from([16, 30, 31]))
    def correct_age(self, id: str, age: int) -> None:
        """A value corrected after what rested on it: a decision that does not hold with it is void."""
        person = self.people[id]
        known = person.phase in ("consented", "eligible", "randomized", "out")
        if self.attempt(known and age != person.age, "carol", "baseline", id, values={"age": age}):
            person.age = age
            if person.phase == "eligible" and age < 18:
                person.phase = "consented"
            elif person.phase == "out" and person.underage and age >= 18:
                person.phase, person.underage = "consented", False

    @rule(id=WHO)
    def enter_late(self, id: str) -> None:
        """What was done yesterday can be entered today, whatever became of the person since."""
        person = self.people[id]
        possible = person.phase in ("consented", "eligible", "randomized") and person.day_1
        yesterday = self.today - timedelta(days=1)
        given = {"visit": "admission", "on": yesterday}
        if self.attempt(possible and "admission" not in person.done, "carol", "visit", id, **given):
            person.done.add("admission")

    @rule(id=WHO, what=st.sampled_from(["randomize", "weight", "dose-sheet", "infusion-start", "visit", "complete"]))
    def clock_back(self, id: str, what: str) -> None:
        """With a clock an hour behind the ledger nothing is recorded."""
        now = self.trial.clock.at
        self.trial.clock.at = now - timedelta(hours=1)
        who = {"dose-sheet": "phil", "weight": "nina", "infusion-start": "nina"}.get(what, "carol")
        given: dict[str, Any] = {"weight": {"kg": 70}, "visit": {"visit": "unscheduled-1"}}.get(what, {})
        self.attempt(False, who, what, id, **given)
        self.trial.clock.at = now + timedelta(seconds=1)

    @rule(id=WHO)
    def set_day_1(self, id: str) -> None:
        person = self.people[id]
        possible = person.phase in ("consented", "eligible", "randomized") and not person.day_1
        if self.attempt(possible, "carol", "day-1", id, on=self.today - timedelta(days=1)):
            person.day_1 = True

    @rule(id=WHO)
    def randomize(self, id: str) -> None:
        person = self.people[id]
        if self.attempt(person.phase == "eligible" and person.follow == "in", "carol", "randomize", id):
            person.phase = "randomized"

    @precondition(lambda self: self.state == "open")
    @rule(id=WHO)
    def open_envelope(self, id: str) -> None:
        """Somebody is randomized on paper: what happened is recorded, whoever it was, once they had consented."""
        person = self.people[id]
        reserved = self.trial.do("phil", "envelopes-reserve", site="main", n=1, sealed=True, why="a power cut")
        code = reserved.answer["envelopes"][0].split()[1]
        given = {"envelope": code, "at": self.trial.clock.now().isoformat()}
        # whatever ended the follow-up did so today, and the envelope was opened before it
        if self.attempt(person.phase in ("consented", "eligible"), "carol", "envelope-opened", id, **given):
            person.phase = "randomized"
        else:
            back = {"envelopes": [code], "witness": "petra", "sealed": True}
            self.trial.do("phil", "envelopes-returned", **back)

    @rule(id=WHO)
    def weigh(self, id: str) -> None:
        person = self.people[id]
        possible = person.phase in ("consented", "eligible", "randomized") and person.follow != "dead"
        if self.attempt(possible, "nina", "weight", id, kg=70):
            person.weighed = True

    def treatable(self, person: Person) -> bool:
        return person.phase == "randomized" and person.follow == "in" and not person.stopped

    @rule(id=WHO, witness=st.sampled_from(["", "petra", "phil"]))
    def prepare(self, id: str, witness: str = "") -> None:
        person = self.people[id]
        # made anew, the first bag was destroyed before somebody else
        ready = person.sheet == "" or (person.sheet in ("prepared", "checked") and witness == "petra")
        ready = ready and person.day_1 and person.weighed
        if self.attempt(self.treatable(person) and ready, "phil", "dose-sheet", id, witness=witness):
            person.sheet = "prepared"

    @rule(id=WHO, by=st.sampled_from(["phil", "petra"]))
    def check(self, id: str, by: str) -> None:
        person = self.people[id]
        possible = self.treatable(person) and person.sheet == "prepared" and by == "petra"
        if self.attempt(possible, by, "dose-check", id):
            person.sheet = "checked"

    @rule(id=WHO, bag=st.sampled_from(["never-made", "destroyed"]))
    def cancel(self, id: str, bag: str) -> None:
        """A sheet is taken back before its infusion, and can be made anew."""
        person = self.people[id]
        possible = person.sheet in ("prepared", "checked")
        if self.attempt(possible and bool(person.day_1), "phil", "dose-sheet-cancel", id, bag=bag, witness="petra"):
            person.sheet = ""

    @rule(id=WHO)
    def start(self, id: str) -> None:
        person = self.people[id]
        possible = self.treatable(person) and not person.infusing and person.sheet == "checked"
        if self.attempt(possible, "nina", "infusion-start", id):
            person.sheet, person.infusing = "running", True

    @rule(id=WHO)
    def stop(self, id: str) -> None:
        person = self.people[id]
        if self.attempt(person.infusing, "nina", "infusion-stop", id):
            person.sheet, person.infusing = "ended", False

    @rule(id=WHO, systolic=SYSTOLIC)
    def read_signs(self, id: str, systolic: int) -> None:
        person = self.people[id]
        self.trial.clock.at += timedelta(minutes=1)
        given = {"minute": str(person.readings), "systolic": systolic, "diastolic": 80}
        if self.attempt(person.sheet in ("running", "ended"), "nina", "infusion-vitals", id, **given):
            person.readings += 1
            person.held = person.held or (person.infusing and systolic == 185)

    @rule(id=WHO)
    def resume(self, id: str) -> None:
        person = self.people[id]
        self.attempt(person.infusing and not person.held, "nina", "infusion-rate", id, ml_per_hour=75)

    @rule(id=WHO)
    def hold_session(self, id: str) -> None:
        person = self.people[id]
        possible = person.phase == "randomized" and person.follow == "in" and "session" not in person.done
        if self.attempt(possible, "carol", "session", id, session=1, delivered=True, minutes="60"):
            person.done.add("session")

    @rule(id=WHO)
    def visit(self, id: str) -> None:
        person = self.people[id]
        # Before randomization only what is planned up to its day; the infusion is planned on that very day.
        possible = person.phase in ("consented", "eligible", "randomized") and person.follow in FOLLOWED
        if self.attempt(
            possible and person.day_1 and "visit" not in person.done, "carol", "visit", id, visit="infusion"
        ):
            person.done.add("visit")

    @rule(id=WHO)
    def urine(self, id: str) -> None:
        person = self.people[id]
        self.attempt(False, "ruth", "record", id, visit="infusion", form="urine", answers={"cocaine": "negative"})
        assert "urine" not in person.done  # the schedule asks for none at the infusion

    @rule(id=WHO, known=st.sampled_from(["day", "month", "year", "nothing"]), ahead=st.sampled_from([0, 0, 1]))
    def report_event(self, id: str, known: str, ahead: int) -> None:
        """An event is told by as much of its date as is known; none of its days may be one to come."""
        person = self.people[id]
        month = f"{self.today.year + ahead}-{self.today.month:02d}"
        onset = {
            "day": (self.today + timedelta(days=ahead)).isoformat(),
            "month": month,
            "year": month[:4],
            "nothing": "unknown",
        }[known]
        possible = person.phase in ("consented", "eligible", "randomized", "out") and not (ahead and known != "nothing")
        self.attempt(possible, "carol", "adverse-event", id, term="nausea", onset=onset, severity="mild")

    @rule(id=WHO)
    def discontinue(self, id: str) -> None:
        person = self.people[id]
        possible = person.phase == "randomized" and not person.stopped and person.follow != "dead"
        if self.attempt(possible, "ivan", "discontinue", id):
            person.stopped = True

    @rule(id=WHO, how=st.sampled_from(["complete", "lost", "found-again", "visits", "everything", "death"]))
    def leave(self, id: str, how: str) -> None:
        person = self.people[id]
        randomized, follow = person.phase == "randomized", person.follow
        match how:
            case "complete":
                made = self.attempt(randomized and follow == "in", "carol", how, id)
                then = "done"
            case "lost":
                made = self.attempt(randomized and follow == "in", "carol", how, id)
                then = "lost"
            case "found-again":
                made = self.attempt(randomized and follow == "lost", "carol", how, id)
                then = "in"
            case "visits":
                made = self.attempt(randomized and follow in FOLLOWED, "carol", "withdraw", id, scope="visits")
                then = "visits"
            case "everything":
                possible = person.phase in ("consented", "eligible", "randomized") and follow in {*FOLLOWED, "visits"}
                made = self.attempt(possible, "carol", "withdraw", id)
                then = "all"
            case _:
                made = self.attempt(follow != "dead", "ivan", "death", id, on=self.today)
                then = "dead"
        if made:
            person.follow = then

    @rule(id=WHO)
    def sign(self, id: str) -> None:
        person = self.people[id]
        possible = self.state in ("open", "frozen") and not person.infusing and not person.signed
        if self.attempt(possible, "ivan", "sign-off", id):
            person.signed = True

    @rule(id=WHO)
    def sign_session(self, id: str) -> None:
        person = self.people[id]
        possible = "session" in person.done and not person.session_signed
        place = {"visit": "session", "form": "mindfulness-based-relapse-prevention"}
        if self.attempt(possible, "carol", "sign", id, meaning="authored", **place):
            person.session_signed = True

    @rule(id=WHO)
    def correct_session(self, id: str) -> None:
        person = self.people[id]
        place = {"visit": "session", "form": "mindfulness-based-relapse-prevention"}
        wanted = "SELECT value FROM item WHERE participant = %s AND item = 'minutes' AND visit = 'session'"
        minutes = self.trial.rows(wanted, id)
        other = {"minutes": "50" if minutes == [("60",)] else "60"}
        if self.attempt("session" in person.done, "carol", "correct", id, answers=other, **place):
            person.session_signed = False

    @rule(id=WHO)
    def take_session_back(self, id: str) -> None:
        """What was entered in error can be entered anew."""
        person = self.people[id]
        place = {"visit": "session", "form": "mindfulness-based-relapse-prevention"}
        if self.attempt("session" in person.done, "carol", "entered-in-error", id, **place):
            person.done.discard("session")
            person.session_signed = False

    # One rule, for few walks would meet both a question and its answer.
    @rule(id=WHO, what=st.sampled_from(["query-answer", "query-close", "query-reopen"]))
    def settle(self, id: str, what: str) -> None:
        queries = self.people[id].queries
        if not queries or set(queries.values()) == {"closed"}:
            if self.attempt(self.people[id].phase != "new", "mona", "query", id, text="Is it so?"):
                made = self.trial.rows("SELECT count(*) FROM query")[0][0]
                queries[f"Q-{made:04d}"] = "open"
            return
        query = sorted(queries)[-1]
        given = {"text": "It is."} if what == "query-answer" else {}
        possible = (
            queries[query]
            in {
                "query-answer": ("open", "answered"),
                "query-close": ("open", "answered"),
                "query-reopen": ("answered", "closed"),
            }[what]
        )
        if self.attempt(possible, "carol" if what == "query-answer" else "dana", what, query=query, **given):
            queries[query] = {"query-answer": "answered", "query-close": "closed", "query-reopen": "open"}[what]

    # Few walks should end here, so these wait until somebody was dosed.
    @precondition(lambda self: any(person.sheet == "ended" for person in self.people.values()))
    @rule(what=st.sampled_from(["freeze", "unfreeze", "lock"]))
    def close(self, what: str) -> None:
        running = any(person.infusing for person in self.people.values())
        signed = all(p.signed for p in self.people.values() if p.phase == "randomized")
        settled = all(where == "closed" for person in self.people.values() for where in person.queries.values())
        possible = {
            "freeze": self.state == "open" and not running,
            "unfreeze": self.state == "frozen",
            "lock": self.state == "frozen" and signed and settled,
        }[what]
        if self.attempt(possible, "alice", what):
            self.state = {"freeze": "frozen", "unfreeze": "open", "lock": "locked"}[what]

    def teardown(self) -> None:
        """The tables are what the ledger makes, and nobody was randomized or dosed out of order."""
        from equipoise.conduct.cut.history import read_ledger
        from equipoise.conduct.keys.quarantine import is_sealed
        from equipoise.conduct.rows.tables import TABLES

        if not hasattr(self, "trial"):
            return
        ledger = read_ledger(self.trial.trial, self.trial.clock.now() + timedelta(days=1))
        for name, table in TABLES.items():
            columns = ", ".join(table.all)
            kept = sorted(self.trial.rows(f"SELECT {columns} FROM {name}"))
            assert kept == sorted(tuple(row[column] for column in table.all) for row in ledger.tables[name]), name
        sealed = self.trial.rows("SELECT value FROM item WHERE blinding <> 'open'")
        assert len(sealed) == 7 * sum(person.readings for person in self.people.values())
        assert all(is_sealed(value) for (value,) in sealed)
        for id, person in self.people.items():
            valid = self.trial.rows(
                "SELECT form FROM signature WHERE participant = %s AND state = 'valid' AND meaning <> 'approved'", id
            )
            assert sorted(form != "" for (form,) in valid) == [False] * person.signed + [True] * person.session_signed
        order: dict[str, list[str]] = {}
        for event in ledger.events:
            order.setdefault(event.participant, []).append(event.action)
        given = self.trial.rows("SELECT stream, position FROM allocation ORDER BY position")
        assert len(set(given)) == len(given)
        assert verify(self.trial.trial).findings == []
        for id, steps in order.items():
            if id and "randomize" in steps:
                assert {"consent", "eligibility"} <= set(steps[: steps.index("randomize")])
            if "infusion-start" in steps:
                before = set(steps[: steps.index("infusion-start")])
                assert {"dose-sheet", "dose-check"} <= before
                assert before & {"randomize", "envelope-opened"}


def test_no_walk_through_the_actions_finds_an_illegal_path(staged: Any) -> None:
    Machine.make, Machine.count = staged, 0
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=14,
            stateful_step_count=30,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.generate],  # a failing walk is short enough to read; making it shorter takes minutes
            suppress_health_check=list(HealthCheck),
        ),
    )
