"""The closed report by arm, for one role after the passphrase; pooled figures, of no part below ten people."""

from __future__ import annotations

import re
from typing import Any

from equipoise.records import DataSource, Records
from equipoise.reporting import group_tables as figures

from .conftest import Desk, words_of
from .test_unblinding import arms_in

WHY = "meeting of the committee, 1 June"


def opened(desk: Desk, who: str = "uma") -> Any:
    return desk.client(who).post("/closed/", {"passphrase": desk.staged.passphrases[who]})


def staged_events(desk: Desk) -> None:
    desk.enrolled("P-1", "P-2", "P-3")
    given = {"participant": "P-2", "term": "chest pain", "onset": "2027-03-09", "severity": "severe"}
    desk.do("ivan", "adverse-event", **given, serious=["hospitalization"])
    desk.at(5)
    desk.do("ivan", "death", participant="P-3", on="2027-03-11", why="road accident")
    desk.at(12)


def test_the_closed_report_opens_for_its_role_after_an_unblinding_for_analysis_and_the_pass_phrase(desk: Desk) -> None:
    staged_events(desk)
    uma = desk.client("uma")
    assert arms_in(uma.get("/closed/")) == []
    before = opened(desk)
    assert before.status_code == 422
    assert arms_in(before) == []
    sam = desk.client("sam")
    assert sam.post("/open-arms/", {"key": "a", "why": ""}).status_code == 422
    assert sam.post("/open-arms/", {"key": "b", "why": WHY}).status_code == 303
    desk.at(13)
    assert uma.post("/closed/", {"passphrase": "no"}).status_code == 422
    page = opened(desk)
    assert page.status_code == 200, words_of(page)
    text = words_of(page)
    row = re.search(r"Randomized (\d) (\d) ", text)
    assert row is not None, text
    assert int(row[1]) + int(row[2]) == 3
    for label in ("Died", "Serious, people"):
        found = re.search(rf"{label} (\d) of \d \(\d+%\) (\d) of \d", text)
        assert found is not None, text
        assert int(found[1]) + int(found[2]) == 1, label
    for words in ("chest pain", "P-2", "Confidential", "not locked", "UNBLINDED"):
        assert words in page.content.decode(), words
    assert desk.staged.rows("SELECT count(*) FROM event WHERE action = 'cut' AND subject = 'cut unblinded'") == [(1,)]
    for who in ("stan", "sam", "phil", "carol", "alice", "mona"):
        assert desk.client(who).get("/closed/").status_code == 403


def test_pooled_figures_hold_no_arm_and_little_while_few_are_in(desk: Desk) -> None:
    staged_events(desk)
    page = desk.client("stan").get("/pooled/")
    assert page.status_code == 200
    assert arms_in(page) == []
    text = words_of(page)
    assert "Randomized 3" in text
    assert "Too few people yet" in text
    assert "chest pain" not in text
    assert "Died" not in text


def records_of(sites: list[str], arms: list[str]) -> Records:
    import polars as pl

    from equipoise.records.schema import TABLES

    def frame(table: str, rows: list[dict[str, Any]]) -> Any:
        schema = dict(TABLES[table].polars_schema)
        return pl.DataFrame([{name: row.get(name) for name in schema} for row in rows], schema=schema, orient="row")

    ids = [f"P-{k}" for k in range(len(sites))]
    people = [{"participant_id": id, "site": site, "consented": True} for id, site in zip(ids, sites, strict=True)]
    given = [{"participant_id": id, "stage": 1, "day": 2, "arm": arm} for id, arm in zip(ids, arms, strict=True)]
    events = [
        {"participant_id": "P-0", "event": k, "term": "nausea", "onset_day": 3, "severity": "mild", "serious": False}
        for k in (1, 2)
    ]
    visits = [
        {"participant_id": id, "visit": "day-9", "target_day": 9, "state": "attended" if k else "missed"}
        for k, id in enumerate(ids)
    ]
    tables = {"participants": frame("participants", people), "allocations": frame("allocations", given)}
    tables |= {"adverse_events": frame("adverse_events", events), "visits": frame("visits", visits)}
    return Records(tables, DataSource("captured", "made by hand", "by-hand", "0" * 12))


def cells(made: list[figures.FigureTable], label: str) -> tuple[str, ...]:
    return next(cell for table in made for name, cell in table.rows if name.startswith(label))


def test_figures_by_arm_count_people_and_not_events() -> None:
    records = records_of(["a"] * 25, ["x"] * 10 + ["y"] * 15)
    groups = {"X": [f"P-{k}" for k in range(10)], "Y": [f"P-{k}" for k in range(10, 25)]}
    made = figures.tables(records, groups, doses=True)
    assert cells(made, "Randomized") == ("10", "15")
    assert cells(made, "Any adverse event") == ("1 of 10 (10%)", "0 of 15 (0%)")
    assert cells(made, "Events") == ("2", "0")
    assert cells(made, "Visits held") == ("9 of 10 (90%)", "15 of 15 (100%)")
    assert cells(made, "Nothing was given") == ("–", "–")


def test_no_part_of_fewer_than_ten_people_is_told() -> None:
    everybody = {"All randomized": [f"P-{k}" for k in range(25)]}
    large = records_of(["a"] * 10 + ["b"] * 15, ["x"] * 25)
    small = records_of(["a"] * 9 + ["b"] * 16, ["x"] * 25)
    told = figures.by_site(large, everybody, fewest=figures.FEWEST)
    assert told is not None
    assert told.rows == (("a", ("10",)), ("b", ("15",)))
    assert figures.by_site(small, everybody, fewest=figures.FEWEST) is None
    assert figures.by_site(small, everybody) is not None
