"""What an import makes of a project: nothing guessed, identifiers left out, every value a record or a finding."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.unit.redcap.small_project import dictionary, field, imported, write
from typer.testing import CliRunner

from equipoise.cli.main import app
from equipoise.exchange.redcap.import_project import write_import
from equipoise.foundation.errors import RecordsError

ALL = {"consented": "all"}


def values(found: object, kind: str) -> list[tuple[str, str]]:
    return [(one.code, one.field) for one in found.findings if one.kind == kind]  # type: ignore[attr-defined]


def test_what_may_identify_and_free_text_stay_out_of_every_file(tmp_path: Path) -> None:
    fields = (
        field("first", label="First name"),
        field("mail", validation="email"),
        field("born", validation="date_ymd", label="Date of birth"),
        field("ssn2", validation="integer", identifier="y"),
        field("remark", "notes"),
        field("shout", "calc", choices="[ssn2]+1"),
        field("told", tags="@CALCTEXT(concat([first], '!'))"),
    )
    data = "id,first,mail,born,ssn2,remark,shout,told\n1,Anna,not a mail,1980-01-01,77,Bert said,78,Carl?\n"
    got = imported(tmp_path, *fields, data=data, answers=ALL)
    write_import(got, tmp_path / "out")
    written = "".join(path.read_text("utf-8") for path in (tmp_path / "out").rglob("*") if path.is_file())
    for said in ("Anna", "not a mail", "1980-01-01", "Bert", "Carl"):
        assert said not in written
    assert {name for _, name in values(got, "left out")} == {"first", "mail", "born", "ssn2", "remark", "told"}
    assert ("R353", "told") in values(got, "values")  # told, without the values
    kept = imported(tmp_path, *fields, data=data, answers={**ALL, "identifiers": "keep", "free-text": "keep"})
    write_import(kept, tmp_path / "kept")
    assert "Anna" in (tmp_path / "kept" / "redcap" / "data.csv").read_text("utf-8")
    assert (tmp_path / "kept").stat().st_mode & 0o077 == 0


def test_without_answers_nothing_is_guessed(tmp_path: Path) -> None:
    grp = field("grp", "radio", choices="1, A | 2, B", label="Treatment arm")
    got = imported(tmp_path, grp, field("when", validation="date_ymd"), data="id,grp,when\n1,1,2026-01-01\n")
    assert got.records is None
    asked = [one.column for one in got.findings if one.kind == "question"]
    assert asked == ["consented", "arm", "day-1"]


def test_arms_and_consent_by_their_codes_and_codes_that_nobody_named(tmp_path: Path) -> None:
    fields = (field("grp", "radio", choices="1, A | 2, B | 3, C"), field("ok", "yesno"))
    data = "id,grp,ok\n1,1,1\n2,2,1\n3,,\n"
    answers = {"consented": {"field": "ok", "yes": ["1"]}, "arm": {"field": "grp", "arms": {"2": "b", "1": "a"}}}
    records = imported(tmp_path, *fields, data=data, answers=answers).records
    assert records is not None
    assert records["participants"]["consented"].to_list() == [True, True, False]
    assert records["allocations"].select("participant_id", "arm").rows() == [("1", "a"), ("2", "b")]
    with pytest.raises(RecordsError) as caught:
        imported(tmp_path, *fields, data=data + "4,3,1\n", answers=answers)
    assert [problem.code for problem in caught.value.problems] == ["R333"]


def test_boxes_limits_commas_and_missing_codes(tmp_path: Path) -> None:
    fields = (
        field("any", "yesno"),
        field("box", "checkbox", choices="1, x | 2, y", branching="[any] = 1"),
        field("n", validation="number_comma_decimal", low="0", high="5"),
        field("hard", validation="integer", low="0", high="5", tags="@FORCE-MINMAX"),
        field("pick", "radio", choices="0, no | 1, yes"),
    )
    data = (
        "id,any,box___1,box___2,n,hard,pick,f_complete\n"
        '1,1,1,0,"2,5",9,1,2\n'  # hard: beyond a hard limit
        '2,0,0,0,"7,5",3,4,2\n'  # boxes hidden; n beyond advice; pick no code
        "3,-9,0,0,-9,,0,2\n"
        "4,,0,0,,,,0\n"  # never opened
    )
    got = imported(tmp_path, *fields, data=data, answers=ALL, missing_codes="-9, gone")
    assert got.records is not None
    rows = got.records["assessments"].select("participant_id", "item", "value").rows()
    assert sorted(rows) == [
        ("1", "any", 1.0),
        ("1", "box___1", 1.0),
        ("1", "box___2", 0.0),
        ("1", "n", 2.5),
        ("1", "pick", 1.0),
        ("2", "any", 0.0),
        ("2", "hard", 3.0),
        ("2", "n", 7.5),
        ("3", "pick", 0.0),
    ]
    assert "0..7.5" in got.protocol_text
    assert ("R354", "pick") in values(got, "values")
    assert ("R356", "n") in values(got, "values")
    assert ("R354", "hard") in values(got, "values")
    assert ("R339", "n") in values(got, "caution")


def test_baseline_values_that_are_none_are_told(tmp_path: Path) -> None:
    fields = (field("kg", label="Weight"), field("sex", "radio", choices="1, Same | 2, Same | 3, Other"))
    data = "id,kg,sex\n1,70.5,3\n2,heavy,2\n3,,9\n"
    got = imported(tmp_path, *fields, data=data, answers={**ALL, "baseline": ["kg", "sex"]})
    assert got.records is not None
    people = got.records["participants"]
    assert people.select("kg", "sex").rows() == [(70.5, "Other"), (None, "2"), (None, None)]
    told = [(one.field, one.n) for one in got.findings if one.code == "R354" and one.column == "baseline"]
    assert told == [("kg", 1), ("sex", 1)]


def test_the_date_of_a_form_is_one_of_its_own(tmp_path: Path) -> None:
    fields = (field("came", validation="date_ymd"), field("seen", form="g", validation="date_ymd"))
    with pytest.raises(RecordsError) as caught:
        imported(tmp_path, *fields, answers={**ALL, "visit-dates": {"g": "came"}})
    assert [(problem.code, problem.expected) for problem in caught.value.problems] == [("R330", "seen")]


def test_repeats_become_contacts_where_they_have_a_day(tmp_path: Path) -> None:
    fields = (
        field("came", validation="date_ymd"),
        field("term", "radio", form="ae", choices="1, x | 2, y"),
        field("at", form="ae", validation="date_ymd"),
    )
    data = (
        "id,redcap_repeat_instrument,redcap_repeat_instance,came,term,at\n"
        "1,,,2026-01-01,,\n1,ae,1,,1,2026-01-05\n1,ae,3,,2,\n"
    )
    answers = {**ALL, "day-1": "came", "visit-dates": {"ae": "at"}}
    got = imported(tmp_path, *fields, data=data, answers=answers)
    assert got.records is not None
    assert got.records["assessments"].select("visit", "day", "value").rows() == [("entry-ae-1", 5, 1.0)]
    assert got.records["visits"].select("visit", "day", "state").rows() == [("entry-ae-1", 5, "attended")]
    assert [one.n for one in got.findings if one.code == "R357"] == [1]


def test_a_circle_of_calculations_and_fields_it_does_not_touch(tmp_path: Path) -> None:
    fields = (
        field("a", "calc", choices="[b]+1"),
        field("b", "calc", choices="[a]*2"),
        field("c", "calc", choices="[b]+1"),
        field("d", "calc", choices="1+1"),
    )
    got = imported(tmp_path, *fields)
    assert {one.field for one in got.findings if one.code == "R348"} == {"a", "b"}
    assert {rule.field.name for rule in got.rules} == {"c", "d"}


def test_answers_that_are_wrong_are_all_told(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "a.yaml",
        "equipoise-redcap-answers: 1\nconsented: perhaps\nday-1: a\nday: 3\ndays: {one: 0}\nbaseline: [nosuch]\n",
    )
    result = CliRunner().invoke(
        app,
        [
            "import",
            "redcap",
            str(dictionary(tmp_path, field("a"))),
            "--answers",
            str(path),
            "--out",
            str(tmp_path / "o"),
            "--json",
        ],
    )
    assert result.exit_code == 4
    problems = json.loads(result.stdout)["problems"]
    assert {problem["code"] for problem in problems} == {"R330"}
    assert sorted(problem["line"] for problem in problems) == [2, 3, 4, 5, 5, 6]
    assert not (tmp_path / "o").exists()
