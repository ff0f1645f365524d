"""Forms that can always be completed, what is due, and one participant to six months with nothing left open."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from equipoise.conduct.integrity.verify import verify
from equipoise.conduct.rules.forms import form_of, forms_at
from equipoise.conduct.rules.windows import calendar_days, date_of, due_visits
from equipoise.foundation.errors import ConductError

from .driven import hire

DAY_1 = date(2027, 3, 8)


def _set(trial: Any, day: date, hour: int = 14, minute: int = 0) -> None:
    trial.clock.at = datetime(day.year, day.month, day.day, hour, minute, tzinfo=UTC)


@pytest.fixture
def trial(staged: Any) -> Any:
    made = staged()
    hire(made)
    _set(made, DAY_1)
    made.do("carol", "screen", participant="P-1", site="main")
    made.do("carol", "consent", participant="P-1", version="1.0")
    made.do("carol", "baseline", participant="P-1", values={"age": 41, "route": "intranasal"})
    made.do("ivan", "eligibility", participant="P-1", attested={"dependent": True, "seeking": True})
    made.do("carol", "day-1", participant="P-1")
    made.do("carol", "visit", participant="P-1", visit="admission")
    return made


def _due(trial: Any, **given: Any) -> list[tuple[str, str]]:
    return [(row["state"], row["what"]) for row in trial.do("carol", "due", **given).told["due"]]


def _code(caught: Any) -> str:
    return str(caught.value.problems[0].code)


def _answers(protocol: Any, form: str) -> dict[str, str]:
    made = form_of(protocol, form)
    out: dict[str, str] = {}
    for number, item in enumerate(made.items):
        if item.when is not None:
            continue
        if item.choices:
            out[item.id] = item.choices[-1] if made.kind != "urine" else "negative"
        elif item.type == "yes-no":
            out[item.id] = "yes"
        else:
            low, high = int(item.lowest or 0), int(item.highest or 5)
            out[item.id] = str(min(low + 1 + number % 3, high))
    if made.kind == "event":
        out["any"] = "no"
    return out


def test_asked_and_none_can_be_said_of_adverse_events(trial: Any) -> None:
    _set(trial, DAY_1 + timedelta(days=1))
    trial.do("carol", "randomize", participant="P-1")
    trial.do("carol", "visit", participant="P-1", visit="infusion")
    given = {"participant": "P-1", "visit": "infusion", "form": "adverse-events"}
    trial.do("carol", "record", **given, answers={"asked": "yes", "any": "no"})
    rows = dict(trial.rows("SELECT item, value FROM item WHERE form = 'adverse-events'"))
    assert rows == {"asked": "yes", "any": "no"}


def test_an_absent_answer_has_its_reason_and_is_asked_for_no_more(trial: Any) -> None:
    given = {"participant": "P-1", "visit": "admission", "form": "stress"}
    items = [item.id for item in form_of(trial.trial.protocol(trial.trial.protocol_hash), "stress").items]
    answers = {item: 2 if number % 2 else 1 for number, item in enumerate(items[:-2])}
    with pytest.raises(ConductError) as caught:
        trial.do("carol", "record", **given, answers=answers)
    assert _code(caught) == "C575"
    for missing, code in (({items[-1]: "tired"}, "C579"), ({items[0]: "refused"}, "C579"), ({"77": "refused"}, "C579")):
        with pytest.raises(ConductError) as caught:
            trial.do("carol", "record", **given, answers=answers, missing=missing)
        assert _code(caught) == code
    trial.do("carol", "record", **given, answers=answers, missing={items[-1]: "refused", "all": "not-asked"})
    rows = dict(trial.rows("SELECT item, missing FROM item WHERE form = 'stress' AND missing <> ''"))
    assert rows == {items[-1]: "refused", items[-2]: "not-asked"}


def test_an_item_that_must_be_answered_may_be_lost_with_its_reason(trial: Any) -> None:
    given = {"participant": "P-1", "visit": "admission", "form": "urine", "answers": {}}
    with pytest.raises(ConductError) as caught:
        trial.do("carol", "record", **given)
    assert _code(caught) == "C573"
    trial.do("carol", "record", **given, missing={"all": "lost"})
    assert trial.rows("SELECT value, missing FROM item WHERE form = 'urine'") == [("", "lost")]


def test_a_form_not_done_is_open_no_more_and_can_still_be_found(trial: Any) -> None:
    assert ("open", "admission: craving") in _due(trial)
    with pytest.raises(ConductError) as caught:
        trial.do("carol", "not-done", participant="P-1", visit="admission", form="craving")
    assert _code(caught) == "C016"
    trial.do("carol", "not-done", participant="P-1", visit="admission", form="craving", why="no time")
    assert ("open", "admission: craving") not in _due(trial)
    given = {"participant": "P-1", "visit": "admission", "form": "craving", "answers": {"score": 40}}
    with pytest.raises(ConductError) as caught:
        trial.do("carol", "record", **given)
    assert _code(caught) == "C016"
    trial.do("carol", "record", **given, why="the sheet was found")
    assert trial.rows("SELECT state FROM form WHERE form = 'craving'") == [("recorded",)]


def test_all_forms_of_a_visit_come_from_one_file_or_none_does(trial: Any) -> None:
    protocol = trial.trial.protocol(trial.trial.protocol_hash)
    whole = {name: _answers(protocol, name) for name in ("urine", "craving", "stress")}
    before = trial.rows("SELECT number, hash FROM ledger_head ORDER BY ledger")
    with pytest.raises(ConductError) as caught:
        trial.do(
            "carol", "visit-forms", participant="P-1", visit="admission", forms={**whole, "craving": {"score": 400}}
        )
    assert _code(caught) == "C572"
    assert trial.rows("SELECT number, hash FROM ledger_head ORDER BY ledger") == before
    told = {**whole, "mindfulness": {"not-done": "too tired"}}
    made = trial.do("carol", "visit-forms", participant="P-1", visit="admission", forms=told, key="V")
    assert made.answer["form"] == sorted(told)
    assert trial.do("carol", "visit-forms", participant="P-1", visit="admission", forms=told, key="V").repeated
    with pytest.raises(ConductError) as caught:
        trial.do("carol", "visit-forms", participant="P-1", visit="admission", forms=whole, key="V")
    assert _code(caught) == "C015"
    states = dict(trial.rows("SELECT form, state FROM form WHERE visit = 'admission'"))
    assert states == {"urine": "recorded", "craving": "recorded", "stress": "recorded", "mindfulness": "not-done"}


def test_clocks_of_serious_events_are_due_and_then_overdue(trial: Any) -> None:
    trial.do(
        "ivan",
        "adverse-event",
        participant="P-1",
        term="chest pain",
        onset=DAY_1,
        severity="severe",
        serious=["life-threatening"],
    )
    rows = [row for row in trial.do("sam", "due").told["due"] if "report" in row["what"]]
    assert [(row["state"], row["what"].split(",")[0]) for row in rows] == [
        ("due", "adverse event 1: report to the sponsor"),
        ("due", "adverse event 1: report to the regulator (regulator-fatal)"),
        ("due", "adverse event 1: report to the regulator"),
    ]
    _set(trial, DAY_1 + timedelta(days=2))
    rows = [row for row in trial.do("sam", "due").told["due"] if "report to the sponsor" in row["what"]]
    assert rows[0]["state"] == "overdue"
    assert re.search(r", 2[34] h late$", rows[0]["what"])
    trial.do("sam", "adverse-event-reported", participant="P-1", event=1, report="sponsor", why="the line was down")
    assert not [row for row in trial.do("sam", "due").told["due"] if "report to the sponsor" in row["what"]]


def test_one_participant_to_six_months_with_every_form_leaves_nothing_open(trial: Any) -> None:
    protocol = trial.trial.protocol(trial.trial.protocol_hash)
    first = DAY_1

    def all_forms(visit: str, who: str, *only: str) -> None:
        asked = only or tuple(
            name for name in forms_at(protocol, visit) if form_of(protocol, name).kind not in ("daily-use", "vitals")
        )
        told = {name: _answers(protocol, name) for name in asked}
        trial.do(who, "visit-forms", participant="P-1", visit=visit, forms=told)

    all_forms("admission", "carol")
    _set(trial, date_of(2, first))
    trial.do("carol", "randomize", participant="P-1")
    for who in ("nina", "noel"):
        trial.do(who, "weight", participant="P-1", kg=70)
    trial.do("phil", "dose-sheet", participant="P-1", sealed=True)
    trial.do("petra", "dose-check", participant="P-1", sealed=True)
    trial.do("nina", "infusion-start", participant="P-1")
    for minute in range(0, 75, 5):
        trial.clock.at = datetime(first.year, first.month, first.day + 1, 14, 0, tzinfo=UTC) + timedelta(
            minutes=minute + 1
        )
        if minute == 40:
            trial.do("nina", "infusion-stop", participant="P-1", why="the bag was empty")
        signs = {"systolic": 120, "diastolic": 80, "pulse": 70, "saturation": 98}
        trial.do("nina", "infusion-vitals", participant="P-1", **signs)
    trial.do("carol", "visit", participant="P-1", visit="infusion")
    all_forms("infusion", "nina", "dissociation")
    all_forms("infusion", "carol", "adverse-events")
    sessions = dict(enumerate((2, 3, 4, 5, 12, 19, 26, 33), 1))
    visits = {due.visit.target_day: due.name for due in due_visits(protocol, first)}
    told_to = 0
    for day in range(2, 190):
        _set(trial, date_of(day, first), 20)
        for number, planned in sessions.items():
            if planned == day:
                given = {"session": number, "delivered": True, "minutes": 60}
                trial.do("carol", "session", participant="P-1", **given)
        name = visits.get(day)
        if name is None or day <= 2:
            continue
        by = {"by": "telephone"} if name == "six-month-call" else {}
        if name == "six-month-call":
            trial.do("carol", "complete", participant="P-1")
        trial.do("carol", "visit", participant="P-1", visit=name, **by)
        all_forms(name, "carol")
        wanted = [d for d in calendar_days(protocol) if told_to < d < day]
        if wanted and "calendar" in forms_at(protocol, name):
            span = {"first": date_of(wanted[0], first), "last": date_of(wanted[-1], first)}
            trial.do("ruth", "calendar", participant="P-1", **span)
            told_to = wanted[-1]
    last = [d for d in calendar_days(protocol) if d > told_to]
    if last:
        trial.do("ruth", "calendar", participant="P-1", first=date_of(last[0], first), last=date_of(last[-1], first))
    for query, state in trial.rows("SELECT query, state FROM query"):
        if state != "closed":
            trial.do("mona", "query-close", query=query, why="settled by telephone")
    assert _due(trial, days=400) == []
    recorded = {form for (form,) in trial.rows("SELECT DISTINCT form FROM form WHERE state <> 'not-done'")}
    assert set(protocol.model.assessments) <= recorded  # every form of the flagship was filled in
    trial.do("ivan", "sign-off", participant="P-1")
    trial.do("alice", "freeze")
    trial.do("alice", "lock")
    report = verify(trial.trial, vault=trial.trial.vault(str(trial.pharmacy)))
    assert report.findings == []


def test_a_pause_halts_who_comes_in_and_nobody_who_is_in(trial: Any) -> None:
    with pytest.raises(ConductError) as caught:
        trial.do("alice", "pause")
    assert _code(caught) == "C016"
    trial.do("sam", "pause", why="two falls")
    for who, action, given in (
        ("carol", "screen", {"participant": "P-2", "site": "main"}),
        ("carol", "randomize", {"participant": "P-1"}),
        ("phil", "dose-sheet", {"participant": "P-1", "sealed": True}),
    ):
        with pytest.raises(ConductError) as caught:
            trial.do(who, action, **given)
        assert _code(caught) == "C017"
    craving = {"participant": "P-1", "visit": "admission", "form": "craving"}
    trial.do("carol", "record", **craving, answers={"score": 40})
    trial.do("carol", "adverse-event", participant="P-1", term="headache", onset=DAY_1, severity="mild")
    trial.do("carol", "correct", **craving, answers={"score": 41}, why="misread")
    trial.do("carol", "consent", participant="P-1", version="2.0")
    trial.do("alice", "resume", why="the board agrees")
    trial.do("carol", "screen", participant="P-2", site="main")


def test_a_lock_is_opened_by_two_people_with_the_reason(trial: Any) -> None:
    trial.do("alice", "freeze")
    trial.do("alice", "lock")
    with pytest.raises(ConductError) as caught:
        trial.do("dana", "unlock", why="a wrong date")
    assert _code(caught) == "C630"
    trial.do("alice", "ask-unlock", why="a date of birth was exchanged")
    with pytest.raises(ConductError) as caught:
        trial.do("alice", "unlock", why="a wrong date")
    assert _code(caught) == "C630"
    made = trial.do("dana", "unlock", why="seen in the file of the site")
    assert made.answer["state"] == "frozen"
    assert trial.rows("SELECT state FROM trial_state") == [("frozen",)]
    trial.do("alice", "lock")
    with pytest.raises(ConductError) as caught:  # what was asked before does not open it twice
        trial.do("dana", "unlock", why="again")
    assert _code(caught) == "C630"


def test_a_participant_goes_on_at_another_site(trial: Any) -> None:
    trial.do("alice", "add-site", site="north", zone="America/New_York")
    with pytest.raises(ConductError) as caught:
        trial.do("ivan", "transfer", participant="P-1", to="north", why="moved house")
    assert _code(caught) == "C615"
    trial.do("alice", "activate-site", site="north", approval="IRB 7")
    trial.do("ivan", "transfer", participant="P-1", to="north", why="moved house")
    assert trial.rows("SELECT site FROM participant WHERE participant = 'P-1'") == [("north",)]
    made = trial.do("alice", "add-account", account="mia", person="Mia", roles=["coordinator"], sites=["main"])
    from equipoise.conduct.actions.sign_in import Session

    trial.sessions["mia"], trial.passphrases["mia"] = Session("mia"), made.told["passphrase"]
    with pytest.raises(ConductError) as caught:
        trial.do("mia", "read", participant="P-1")
    assert _code(caught) == "C014"
    assert verify(trial.trial).ok


def test_who_is_screened_again_is_linked_to_the_code_of_before(trial: Any) -> None:
    trial.do("carol", "screen", participant="Q-1", site="main", result="excluded", reason="a positive test")
    for again, code in (("P-1", "C120"), ("X-1", "C014")):
        with pytest.raises(ConductError) as caught:
            trial.do("carol", "screen", participant="Q-2", site="main", again=again)
        assert _code(caught) == code
    trial.do("carol", "screen", participant="Q-2", site="main", again="Q-1")
    with pytest.raises(ConductError) as caught:
        trial.do("carol", "screen", participant="Q-3", site="main", again="Q-1")
    assert _code(caught) == "C120"
    linked = trial.rows("SELECT participant, value FROM item WHERE form = 'rescreening'")
    assert linked == [("Q-2", "Q-1")]


def test_the_terminal_shows_what_is_due_and_what_a_form_asks(trial: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from typer.testing import CliRunner

    from equipoise.cli.main import app

    from .conftest import PASSPHRASE

    monkeypatch.setenv("EQUIPOISE_PASSPHRASE", PASSPHRASE)
    monkeypatch.setenv("EQUIPOISE_CLOCK", "2027-03-08T15:00Z")
    folder = str(trial.trial.directory)
    said = CliRunner().invoke(app, ["due", folder, "--as", "carol"])
    assert said.exit_code == 0, said.output
    assert "P-1  admission: urine" in said.output
    said = CliRunner().invoke(app, ["form", folder, "urine"])
    assert said.exit_code == 0, said.output
    assert "cocaine: Cocaine; positive, negative or not_evaluable" in said.output
    assert CliRunner().invoke(app, ["form", "smoking-cessation", "nothing"]).exit_code == 2


@pytest.mark.parametrize(
    ("unit", "lowest", "highest", "value", "wanted"),
    [
        ("years", None, None, "410", "a number from 0 to 120"),
        ("years", None, None, "-3", "a number from 0 to 120"),
        ("years", None, None, "120", ""),
        ("days", None, None, "-1", "a number from 0 on"),
        ("days", 0, 30, "31", "a number from 0 to 30"),
        ("days", 0, 30, "30", ""),
        ("days", -40, None, "-39", ""),
        ("units", None, None, "-7", ""),
        ("units", None, 5.5, "5.6", "a number up to 5.5"),
    ],
)
def test_a_baseline_number_lies_in_its_range(
    unit: str, lowest: float | None, highest: float | None, value: str, wanted: str
) -> None:
    from equipoise.conduct.rules.forms import check_range
    from equipoise.protocol.language.design import BaselineVariable

    bounds = {
        "lowest": None if lowest is None else float(lowest),
        "highest": None if highest is None else float(highest),
    }
    assert check_range(BaselineVariable(type="number", unit=unit, **bounds), value) == wanted


def test_a_baseline_value_out_of_its_range_is_refused(trial: Any) -> None:
    with pytest.raises(ConductError) as caught:
        trial.do("carol", "baseline", participant="P-1", values={"age": 410}, why="a slip")
    assert _code(caught) == "C603"
