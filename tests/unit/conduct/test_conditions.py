"""Branching and checks from the protocol file: what is asked, refused, asked about, and closed by itself."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from typer.testing import CliRunner

from equipoise.cli.main import app
from equipoise.conduct.cut.cut import cut_records
from equipoise.conduct.integrity.verify import verify
from equipoise.conduct.rules.conditions import check_conditions
from equipoise.foundation.errors import ConductError, ProtocolError
from equipoise.protocol import Protocol, read_protocol_text
from equipoise.protocol.language.conditions import parse_condition
from equipoise.workflow.library import definitions_of, protocol_path

from .driven import hire
from .test_clinical_actions import Refused, consented

FLAGSHIP = protocol_path("ketamine-mbrp-cocaine").read_text("utf-8")
CHECKS = """  checks:
    much-craving: {if: urine.cocaine = negative and craving.score >= 90, ask: Craving is high and the urine is clean}
    calm-and-upset: {if: craving.score = 0 and stress.1 = 4, refuse: No craving and yet upset very often}
    more-than-at-first: {if: craving.score > admission/craving.score, ask: Craving is higher than at admission}
    pregnant-in-trial: {if: pregnancy.finding = yes, ask: "Pregnant: tell the investigator"}
"""
BRANCHES = {
    "stress": 'asked-when: {"2": 1 > 0}',
    "urine": "asked-when: {cocaine: craving.score > 0}",
}


def text_of(checks: str = CHECKS, branches: dict[str, str] | None = None, pregnancy: str = "") -> str:
    """The flagship with a finding for women, conditions and checks."""
    text = FLAGSHIP
    for form, condition in (BRANCHES if branches is None else branches).items():
        assert f"\n  {form}: {{type" in text
        text = text.replace(f"\n  {form}: {{type", f"\n  {form}: {{{condition}, type", 1)
    finding = "type: finding, yes: positive, no: negative"
    when = pregnancy or "asked-when: {all: baseline.sex = female}"
    text = text.replace("\nassessments:\n", f"\nassessments:\n  pregnancy: {{{when}, {finding}}}\n", 1)
    visit = "    assess: [urine, calendar, craving, mindfulness, stress, adverse-events]\n"
    assert visit in text
    text = text.replace(visit, visit.replace("[urine", "[pregnancy, urine"), 1)
    return text.replace("  reporting:\n    sponsor:", f"{checks}  reporting:\n    sponsor:", 1)


def made(**parts: Any) -> Protocol:
    protocol = read_protocol_text(text_of(**parts))
    return protocol.with_definitions(definitions_of(protocol))


@pytest.fixture
def trial(staged: Any) -> Any:
    out = staged(protocol=made(), slots=20)
    hire(out)
    for id, sex in (("P-1", "female"), ("P-2", "male")):
        consented(out, id)
        out.do("carol", "baseline", participant=id, values={"age": 40, "route": "intranasal", "sex": sex})
        out.do("ivan", "eligibility", participant=id, attested={"dependent": True, "seeking": True})
        out.do("carol", "day-1", participant=id)
        out.do("carol", "visit", participant=id, visit="admission")
        record(out, id, "admission", "craving", {"score": 60})
    out.clock.at += timedelta(days=1)
    for id in ("P-1", "P-2"):
        out.do("carol", "randomize", participant=id)
    out.clock.at += timedelta(days=7)
    for id in ("P-1", "P-2"):
        out.do("carol", "visit", participant=id, visit="day-9")
    return out


def record(trial: Any, id: str, visit: str, form: str, answers: dict[str, Any], **given: Any) -> Any:
    return trial.do("ruth", "record", participant=id, visit=visit, form=form, answers=answers, **given)


def queries(trial: Any) -> list[tuple[str, str, str, str]]:
    return trial.rows("SELECT participant, item, rule, state FROM query ORDER BY query")


STRESS = {str(item): 2 for item in range(2, 11)}


def test_a_form_is_due_only_of_those_of_whom_it_is_asked(trial: Any) -> None:
    due = trial.do("carol", "due").told["due"]
    assert [row["participant"] for row in due if "pregnancy" in row["what"]] == ["P-1"]
    record(trial, "P-1", "day-9", "pregnancy", {"finding": "no"})
    with Refused("C577"):
        record(trial, "P-2", "day-9", "pregnancy", {"finding": "no"})
    assert "pregnancy" not in str(trial.do("carol", "due").told["due"])


def test_an_item_that_is_not_asked_takes_no_answer_and_is_not_missed_in_a_cut(trial: Any) -> None:
    record(trial, "P-1", "day-9", "craving", {"score": 0})
    record(trial, "P-2", "day-9", "craving", {"score": 40})
    with Refused("C577"):
        record(trial, "P-1", "day-9", "urine", {"cocaine": "negative"})
    trial.clock.at += timedelta(days=30)
    found = cut_records(trial.trial, at=trial.clock.at - timedelta(days=1), edition="blinded")["urine"]
    at = {row["participant_id"]: row["result"] for row in found.to_dicts() if row["visit"] == "day-9"}
    assert at == {"P-1": "not_expected", "P-2": "missed"}


def test_a_later_item_hangs_on_an_earlier_one_and_a_correction_clears_it(trial: Any) -> None:
    gap = {"confirm": ["2"]}
    done = record(trial, "P-1", "day-9", "stress", {"1": 0, **{k: v for k, v in STRESS.items() if k != "2"}})
    assert done.answer["scores"]["total"]
    items = trial.rows("SELECT item FROM item WHERE participant = 'P-1' AND form = 'stress'")
    assert ("2",) not in items
    record(trial, "P-2", "day-9", "stress", {"1": 1, **STRESS}, **gap)
    changed = trial.do(
        "ruth", "correct", participant="P-2", visit="day-9", form="stress", answers={"1": 0}, why="misread the tick"
    )
    assert changed.answer["cleared"] == ["2"]


def test_a_hard_check_refuses_whichever_of_its_forms_comes_last(trial: Any) -> None:
    record(trial, "P-1", "day-9", "craving", {"score": 0})
    with pytest.raises(ConductError) as error:
        record(trial, "P-1", "day-9", "stress", {"1": 4, **STRESS})
    (problem,) = error.value.problems
    assert (problem.code, problem.place) == ("C581", "stress.1")
    assert problem.found == "No craving and yet upset very often (craving.score 0 and stress.1 4)."
    record(trial, "P-2", "day-9", "stress", {"1": 4, **STRESS})
    with Refused("C581"):
        record(trial, "P-2", "day-9", "craving", {"score": 0})
    both = {"craving": {"score": 0}, "stress": {"1": 4, **STRESS}}
    trial.clock.at += timedelta(days=3)
    trial.do("carol", "visit", participant="P-1", visit="day-12")
    with pytest.raises(ConductError) as error:
        trial.do("carol", "visit-forms", participant="P-1", visit="day-12", forms=both)
    assert [problem.code for problem in error.value.problems] == ["C581"]
    assert trial.rows("SELECT count(*) FROM form WHERE visit = 'day-12'") == [(0,)]  # all of them or none


def test_a_soft_check_asks_opens_a_query_and_closes_it_once_the_cause_is_gone(trial: Any) -> None:
    record(trial, "P-2", "day-9", "craving", {"score": 55})
    with Refused("C582"):
        trial.do("ruth", "correct", participant="P-2", visit="day-9", form="craving", answers={"score": 61}, why="x")
    given = {"participant": "P-2", "visit": "day-9", "form": "craving", "why": "a second reading of the line"}
    trial.do("ruth", "correct", **given, answers={"score": 95}, confirm=["score"])
    assert queries(trial) == [("P-2", "score", "check more-than-at-first", "open")]
    with Refused("C582"):
        record(trial, "P-2", "day-9", "urine", {"cocaine": "negative"})
    record(trial, "P-2", "day-9", "urine", {"cocaine": "negative"}, confirm=["cocaine"])
    assert queries(trial)[1:] == [("P-2", "cocaine", "check much-craving", "open")]
    # the query stands at the urine, and what was wrong was the craving
    trial.do("ruth", "correct", **given, answers={"score": 70}, confirm=["score"])
    assert queries(trial) == [
        ("P-2", "score", "check more-than-at-first", "open"),
        ("P-2", "cocaine", "check much-craving", "closed"),
    ]
    trial.do("ruth", "correct", **given, answers={"score": 20})
    assert {state for *_, state in queries(trial)} == {"closed"}
    assert verify(trial.trial).findings == []


def test_a_query_closed_by_itself_is_no_query_of_a_person(trial: Any) -> None:
    record(trial, "P-2", "day-9", "craving", {"score": 80}, confirm=["score"])
    given = {"participant": "P-2", "visit": "day-9", "form": "craving"}
    trial.do("mona", "query", participant="P-2", visit="day-9", form="craving", item="score", text="Seen the line?")
    trial.do("ruth", "correct", **given, answers={"score": 20}, why="read from the wrong end")
    assert queries(trial) == [
        ("P-2", "score", "check more-than-at-first", "closed"),
        ("P-2", "score", "", "open"),
    ]
    trial.do("ruth", "correct", **given, answers={"score": 90}, confirm=["score"], why="it was the right end")
    trial.do("ruth", "entered-in-error", **given, why="another participant's")
    assert [state for *_, rule, state in queries(trial) if rule] == ["closed", "closed"]


def test_an_answer_that_is_absent_for_a_reason_runs_into_no_check(trial: Any) -> None:
    record(trial, "P-1", "day-9", "craving", {}, missing={"score": "refused"})
    record(trial, "P-1", "day-9", "stress", {"1": 4, **STRESS})
    record(trial, "P-1", "day-9", "pregnancy", {"finding": "yes"}, confirm=["finding"])
    assert queries(trial) == [("P-1", "finding", "check pregnant-in-trial", "open")]


def test_the_form_shows_its_conditions_and_checks(tmp_path: Any) -> None:
    path = tmp_path / "trial.yaml"
    path.write_text(text_of(), "utf-8")
    shown = CliRunner().invoke(app, ["form", str(path), "craving", "--json"])
    (row,) = json.loads(shown.output)["forms"]
    assert [(check["check"], check["does"]) for check in row["checks"]] == [
        ("much-craving", "asked"),
        ("calm-and-upset", "refused"),
        ("more-than-at-first", "asked"),
    ]
    said = CliRunner().invoke(app, ["form", str(path), "stress"])
    assert "asked when 1 > 0" in said.output
    assert "refused if craving.score = 0 and stress.1 = 4: No craving and yet upset very often" in said.output
    assert CliRunner().invoke(app, ["check", str(path)]).exit_code == 0


@pytest.mark.parametrize(
    ("parts", "code", "place"),
    [
        ({"branches": {"stress": 'asked-when: {"2": 3 > 0}'}}, "C584", "assessments.stress.asked-when.2"),
        ({"branches": {"stress": 'asked-when: {"2": 2 > 0}'}}, "C584", "assessments.stress.asked-when.2"),
        ({"branches": {"stress": 'asked-when: {"11": 2 > 0}'}}, "C584", "assessments.stress.asked-when.11"),
        ({"branches": {"stress": "asked-when: {all: 1 > 0}"}}, "C584", "assessments.stress.asked-when.all"),
        ({"branches": {"stress": "asked-when: {all: stress.1 > 0}"}}, "C584", "assessments.stress.asked-when.all"),
        ({"branches": {"stress": "asked-when: {all: mood.score > 0}"}}, "C584", "assessments.stress.asked-when.all"),
        ({"branches": {"stress": "asked-when: {all: urine.heroin = positive}"}}, "C584", "stress.asked-when.all"),
        ({"branches": {"stress": "asked-when: {all: urine.cocaine = postive}"}}, "C584", "stress.asked-when.all"),
        ({"branches": {"stress": "asked-when: {all: urine.cocaine > 1}"}}, "C584", "stress.asked-when.all"),
        ({"branches": {"stress": "asked-when: {all: urine.cocaine}"}}, "C584", "stress.asked-when.all"),
        ({"branches": {"stress": "asked-when: {all: calendar.cocaine}"}}, "C584", "stress.asked-when.all"),
        ({"branches": {"stress": "asked-when: {all: baseline.height > 1}"}}, "C584", "stress.asked-when.all"),
        ({"branches": {"stress": "asked-when: {all: discharge/craving.score > 1}"}}, "C584", "stress.asked-when.all"),
        ({"branches": {"stress": "asked-when: {all: dissociation.total > 1}"}}, "C58", "stress.asked-when.all"),
        ({"branches": {"calendar": "asked-when: {all: craving.score > 1}"}}, "C584", "calendar.asked-when"),
        ({"checks": "  checks: {x: {if: score > 1, ask: x}}\n"}, "C584", "conduct.checks.x.if"),
        ({"checks": "  checks: {x: {if: baseline.age > 1, ask: x}}\n"}, "C584", "conduct.checks.x.if"),
        ({"checks": "  checks: {x: {if: craving.scores > 1, ask: x}}\n"}, "C584", "conduct.checks.x.if"),
    ],
)
def test_what_a_condition_names_is_there_before_it_and_open(parts: dict[str, Any], code: str, place: str) -> None:
    problems = check_conditions(made(**{"checks": "", "branches": {}, **parts}))
    assert [problem.code[: len(code)] for problem in problems] == [code]
    assert place in problems[0].place


def test_conditions_over_what_is_quarantined_are_refused() -> None:
    text = text_of(checks="", branches={"stress": "asked-when: {all: sedation.finding}"})
    sedated = "  sedation: {type: finding, yes: sedated, no: awake, blinding: quarantined}\n"
    visited = text.replace("\nassessments:\n", f"\nassessments:\n{sedated}", 1)
    protocol = read_protocol_text(visited)
    assert [problem.code for problem in check_conditions(protocol.with_definitions(definitions_of(protocol)))] == [
        "C585"
    ]


@pytest.mark.parametrize(
    "check",
    [
        "{if: craving.score >, ask: x}",
        "{if: craving.score > high, ask: x}",
        "{if: craving.score in 5..1, ask: x}",
        "{if: craving.score > 1}",
        "{if: craving.score > 1, ask: x, refuse: y}",
        "{ask: x}",
    ],
)
def test_a_condition_that_is_none_is_refused_when_the_file_is_read(check: str) -> None:
    with pytest.raises(ProtocolError) as error:
        made(checks=f"  checks: {{x: {check}}}\n", branches={})
    assert "conduct.checks.x" in error.value.problems[0].place


def test_a_trial_is_not_made_from_conditions_that_are_wrong(staged: Any) -> None:
    with pytest.raises(ConductError) as error:
        staged(protocol=made(checks="  checks: {x: {if: craving.scores > 1, ask: x}}\n", branches={}))
    assert [problem.code for problem in error.value.problems] == ["C584"]


@pytest.mark.parametrize(
    ("text", "answers", "holds"),
    [
        ("a.on > b.on", {"a.on": "2027-03-02", "b.on": "2027-03-01"}, True),
        ("a.on > b.on", {"a.on": "2027-03-02", "b.on": None}, False),
        ("a.on != b.on", {"a.on": "2027-03-02", "b.on": ""}, False),
        ("a.on >= 2027-03-02", {"a.on": "2027-03-02"}, True),
        ("a.on > 5", {"a.on": "2027-03-02"}, False),
        ("a.x > b.x", {"a.x": "10", "b.x": "9"}, True),  # as numbers, not as text
        ("a.x = b.x", {"a.x": "1.0", "b.x": "1"}, True),
        ("a.x = 1.5", {"a.x": "1.50"}, True),
        ("v/a.x < a.x and c.y", {"v/a.x": "1", "a.x": "2", "c.y": "yes"}, True),
        ("a.x != positive", {"a.x": "negative"}, True),
        ("a.x != positive", {}, False),
    ],
)
def test_conditions_hold_as_written(text: str, answers: dict[str, str | None], holds: bool) -> None:
    condition = parse_condition(text)
    assert condition.holds(answers) is holds
    assert parse_condition(str(condition)) == condition


def test_an_item_may_hang_on_the_same_form_at_an_earlier_visit(staged: Any) -> None:
    """At that visit itself nothing is known of it yet, so the item is not asked there."""
    trial = staged(protocol=made(checks="", branches={"stress": 'asked-when: {"2": admission/stress.1 > 0}'}), slots=9)
    hire(trial)
    consented(trial)
    trial.do("carol", "baseline", participant="P-1", values={"age": 40, "route": "intranasal", "sex": "male"})
    trial.do("ivan", "eligibility", participant="P-1", attested={"dependent": True, "seeking": True})
    trial.do("carol", "day-1", participant="P-1")
    trial.do("carol", "visit", participant="P-1", visit="admission")
    asked = {str(item): 1 + item % 2 for item in range(1, 11)}
    with Refused("C574"):
        record(trial, "P-1", "admission", "stress", asked)
    record(trial, "P-1", "admission", "stress", {k: v for k, v in asked.items() if k != "2"})
    trial.clock.at += timedelta(days=1)
    trial.do("carol", "randomize", participant="P-1")
    trial.clock.at += timedelta(days=7)
    trial.do("carol", "visit", participant="P-1", visit="day-9")
    record(trial, "P-1", "day-9", "stress", asked)
