"""The calendar of use: days told by themselves, what is blank is not asked; nothing is told twice."""

from __future__ import annotations

from typing import Any

import pytest

from equipoise.web.visit_sheet import Day, day_typed, is_same_day

from .conftest import Desk, key_of

AT = "/p/P-1/calendar/"


@pytest.fixture
def at_day_16(desk: Desk) -> Desk:
    desk.enrolled()
    desk.at(9)
    desk.do("ruth", "record", participant="P-1", visit="admission", form="urine", answers={"cocaine": "positive"})
    desk.at(16)
    return desk


def cells(**days: str) -> dict[str, str]:
    return {f"calendar.2027-03-{day.removeprefix('d')}": value for day, value in days.items()}


def told(desk: Desk) -> dict[str, str]:
    rows = desk.staged.rows(
        "SELECT f.date, i.item, i.value, i.missing FROM form f JOIN item i USING (participant, visit, form, repeat)"
        " WHERE f.form = 'calendar' AND f.state = 'recorded' AND i.item IN ('cocaine', 'cocaine.amount')"
    )
    out: dict[str, str] = {}
    for on, item, value, missing in sorted(rows, key=lambda row: (row[0], row[1])):
        if item == "cocaine" or value:
            out[on[-2:]] = value or missing
    return out


def submit(client: Any, **given: str) -> Any:
    return client.post(AT, {"key": key_of(client.get(AT)), "act": "submit", "calendar:unit": "g", **given})


def test_days_are_told_with_gaps_and_what_is_blank_is_not_asked(at_day_16: Desk) -> None:
    client = at_day_16.client("carol")
    answered = submit(client, **cells(d13="none", d14="1.5", d16="u", d17="?", d20="0"))
    assert answered.status_code == 303, answered.content.decode()
    assert told(at_day_16) == {"13": "no", "14": "1.5", "16": "yes", "17": "not-known", "20": "no"}
    assert at_day_16.staged.rows("SELECT count(*) FROM event WHERE action = 'calendar'") == [(1,)]
    page = client.get(AT).content.decode()
    for words in ("1.5 g", "2 of use", "1 not known"):
        assert words in page, words
    # not known can be told later, and the rest goes on
    assert submit(client, **cells(d15="none", d17="2")).status_code == 303
    assert told(at_day_16)["17"] == "2"
    assert told(at_day_16)["15"] == "no"


def test_everything_wrong_is_told_at_its_day_and_nothing_is_recorded(at_day_16: Desk) -> None:
    client = at_day_16.client("carol")
    answered = submit(client, **cells(d13="none", d14="two"))
    assert answered.status_code == 422
    page = answered.content.decode()
    assert 'value="two"' in page
    assert "#f-calendar-2027-03-14" in page
    assert told(at_day_16) == {}
    assert submit(client).status_code == 422


def test_the_same_page_again_and_somebody_faster(at_day_16: Desk) -> None:
    carol, ruth = at_day_16.client("carol"), at_day_16.client("ruth")
    keys = key_of(carol.get(AT)), key_of(ruth.get(AT))
    sent = {"act": "submit", "calendar:unit": "g"}
    first = carol.post(AT, {"key": keys[0], **sent, **cells(d13="none", d14="none")})
    again = carol.post(AT, {"key": keys[0], **sent, **cells(d13="none", d14="none")})
    assert (first.status_code, again["Location"]) == (303, first["Location"])
    late = ruth.post(AT, {"key": keys[1], **sent, **cells(d13="3", d15="none")})
    assert late.status_code == 422
    assert "none is in the record, reported meanwhile; you typed 3" in late.content.decode()
    assert told(at_day_16) == {"13": "no", "14": "no"}


def test_what_is_typed_is_a_draft_and_the_rest_is_filled_in_by_a_button(at_day_16: Desk) -> None:
    client = at_day_16.client("carol")
    client.post(AT, {"act": "store", **cells(d13="2")})
    page = at_day_16.client("carol").get(AT).content.decode()
    assert 'value="2"' in page
    assert "1 day stored" in page
    assert "/p/P-1/calendar/" in client.get("/today/").content.decode()
    filled = client.post(AT, {"act": "rest", **cells(d13="2")}).content.decode()
    assert filled.count('value="none"') == 9  # 14 to 22 March; the 23rd is today
    assert told(at_day_16) == {}


def test_a_positive_sample_after_days_told_without_use_is_pointed_at(at_day_16: Desk) -> None:
    client = at_day_16.client("carol")
    assert submit(client, **cells(d13="none", d14="none", d15="none")).status_code == 303
    at_day_16.do("carol", "visit", participant="P-1", visit="day-9", on="2027-03-16", why="entered late")
    at_day_16.do("ruth", "record", participant="P-1", visit="day-9", form="urine", answers={"cocaine": "positive"})
    page = client.get(AT).content.decode()
    assert "Urine of Tue 16 Mar was positive" in page
    assert "no use reported 13 Mar to 15 Mar" in page


def test_who_only_reads_sees_days_and_no_field(at_day_16: Desk) -> None:
    assert submit(at_day_16.client("carol"), **cells(d13="2")).status_code == 303
    page = at_day_16.client("mona").get(AT).content.decode()
    assert "2 g" in page
    assert 'name="calendar.' not in page
    assert at_day_16.client("mona").post(AT, {"act": "submit", "key": "k", **cells(d14="none")}).status_code == 403
    assert told(at_day_16) == {"13": "2"}


def test_a_day_is_recorded_drawn_and_held_against_the_record_alike_however_it_is_typed() -> None:
    for typed, said, amount, drawn in (
        *((typed, "no", "", "nouse") for typed in ("none", "N", "no", "0")),
        *((typed, "not-known", "", "unk") for typed in ("?", "x", "not known")),
        *((typed, "yes", "", "used") for typed in ("used", "u", "YES", "y")),
        ("1.5", "yes", "1.5", "used"),
        (" ", "", "", ""),
    ):
        assert day_typed(typed) == (said, amount), typed
        assert Day("2027-03-13", "13", "Saturday 13 March", "calendar.2027-03-13", value=typed).kind == drawn, typed
    for typed, told, is_same in (
        *((typed, "none", True) for typed in ("n", "0", "None")),
        *((typed, "used", True) for typed in ("u", "y", "used")),
        *((typed, "1.5 g", True) for typed in ("1.5", "1.5 g")),
        *((typed, "1.5 g", False) for typed in ("u", "n", "2")),
        ("none", "used", False),
    ):
        assert is_same_day(typed, told) is is_same, (typed, told)
