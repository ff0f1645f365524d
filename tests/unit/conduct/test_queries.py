"""Queries: asked, answered, closed, asked again; by whom, seen by whom; they change no datum."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from .conftest import PASSPHRASE
from .driven import hire
from .test_clinical_actions import FORM, Refused, randomized, visited


@pytest.fixture
def trial(staged: Any, database: str) -> Any:
    return visited(staged(database=database))


@pytest.fixture
def on_sqlite(staged: Any) -> Any:
    return visited(staged())


def state(trial: Any, query: str = "Q-0001") -> str:
    return str(trial.rows("SELECT state FROM query WHERE query = %s", query)[0][0])


def test_a_query_is_asked_answered_closed_and_asked_again_and_changes_no_datum(trial: Any) -> None:
    from equipoise.conduct.integrity.verify import verify

    trial.do("ivan", "sign-off", participant="P-1")
    before = trial.rows("SELECT * FROM item ORDER BY participant, visit, form, repeat, item")
    asked = trial.do("mona", "query", **FORM, item="cocaine", text="The strip shows a line. Negative?")
    assert asked.answer == {"query": "Q-0001", "participant": "P-1", "state": "open"}
    with Refused("C629"):
        trial.do("mona", "query-reopen", query="Q-0001", why="again")
    trial.do("ruth", "query-answer", query="Q-0001", text="Yes, two lines mean negative.")
    trial.do("dana", "query-reopen", query="Q-0001", why="one line is on the picture")
    assert state(trial) == "open"
    trial.do("ruth", "query-answer", query="Q-0001", text="A new picture is in the file.")
    trial.do("mona", "query-close", query="Q-0001")
    with Refused("C629"):
        trial.do("ruth", "query-answer", query="Q-0001", text="once more")
    with Refused("C016"):
        trial.do("mona", "query-reopen", query="Q-0001")
    assert trial.rows("SELECT * FROM item ORDER BY participant, visit, form, repeat, item") == before
    assert trial.rows("SELECT state FROM signature") == [("valid",)]
    acts = [row[0] for row in trial.rows("SELECT action FROM event WHERE subject = 'query Q-0001' ORDER BY number")]
    assert acts == ["query", "query-answer", "query-reopen", "query-answer", "query-close"]
    assert verify(trial.trial).findings == []


def test_a_query_closed_unanswered_says_why_and_one_about_nothing_is_refused(on_sqlite: Any) -> None:
    trial = on_sqlite
    trial.do("mona", "query", participant="P-1", text="Where is the consent form kept?")
    with Refused("C016"):
        trial.do("mona", "query-close", query="Q-0001")
    trial.do("mona", "query-close", query="Q-0001", why="seen on site")
    for about in (
        {"visit": "day-12"},
        {"visit": "day-9", "form": "craving"},
        {**FORM, "item": "heroin"},
        {"form": "urine"},
        {"item": "cocaine"},
    ):
        with Refused("C628"):
            trial.do("mona", "query", **{"participant": "P-1", "text": "?", **about})
    with Refused("C628"):
        trial.do("mona", "query", participant="P-1", text="  ")
    for who in ("carol", "ivan", "nina", "ruth", "stan", "alice"):
        with Refused("C013"):
            trial.do(who, "query", participant="P-1", text="Why?")
    with Refused("C013"):
        trial.do("mona", "query-answer", query="Q-0001", text="me")


def test_a_query_of_another_site_is_not_there(staged: Any) -> None:
    from equipoise.conduct.actions.sign_in import Session

    trial = visited(staged())
    trial.do("alice", "add-site", site="north", zone="America/Chicago")
    trial.do("alice", "add-account", account="nils", person="Nils", roles=["coordinator"], sites=["north"])
    trial.sessions["nils"] = Session("nils")
    trial.do("mona", "query", participant="P-1", text="Which strip?")
    for query in ("Q-0001", "Q-0009"):
        with Refused("C014"):
            trial.do("nils", "query-answer", query=query, text="I would know")
    assert trial.do("nils", "queries").told["queries"] == []


def test_an_answer_confirmed_though_unusual_opens_a_query_by_itself(trial: Any) -> None:
    given = {"participant": "P-1", "session": 1, "delivered": True, "minutes": 5}
    with Refused("C575"):
        trial.do("carol", "session", **given)
    trial.do("carol", "session", **given, confirm=["minutes"])
    asked = trial.do("mona", "queries").told["queries"]
    assert [(row["asked_by"], row["item"], row["form"], row["state"]) for row in asked] == [
        ("C575", "minutes", "mindfulness-based-relapse-prevention", "open")
    ]
    assert asked[0]["text"].startswith("5 is unusual.")
    event, opened = trial.rows("SELECT event_number, first_event FROM query")[0]
    assert event == opened  # opened with the datum, by the same event
    place = {"participant": "P-1", "visit": "session", "form": "mindfulness-based-relapse-prevention"}
    trial.do("carol", "correct", **place, answers={"practice": 10}, why="was left out")
    assert len(trial.rows("SELECT * FROM query")) == 1  # what was confirmed before is not asked again
    trial.do("carol", "correct", **place, answers={"minutes": 6}, confirm=["minutes"], why="misread")
    assert len(trial.rows("SELECT * FROM query")) == 2


def test_a_query_on_what_is_quarantined_is_the_safety_roles_alone_and_its_words_are_sealed(
    staged: Any, database: str
) -> None:
    from equipoise.conduct.integrity.verify import verify

    trial = staged(database=database)
    hire(trial)
    randomized(trial)
    trial.do("carol", "visit", participant="P-1", visit="infusion")
    place = {"participant": "P-1", "visit": "infusion", "form": "dissociation"}
    trial.do("nina", "record", **place, answers={"score": 31})
    for who in ("mona", "dana"):
        with Refused("C600"):
            trial.do(who, "query", **place, text="Is it so?")
    words = "Floating for an hour, and only 31?"
    trial.do("sam", "query", **place, item="score", text=words)
    trial.do("sam", "query-answer", query="Q-0001", text="The rater said Zebra.")
    for who in ("mona", "dana", "carol", "ivan", "nina", "ruth", "alice"):
        assert trial.do(who, "queries", state="all").told["queries"] == []
    with Refused("C014"):
        trial.do("nina", "query-answer", query="Q-0001", text="I know")
    shown = trial.do("sam", "queries").told["queries"]
    assert [row["text"] for row in shown] == ["sealed: add --safety FOLDER"]
    shown = trial.do("sam", "queries", opened=True).told["queries"]
    assert [(row["item"], row["text"], row["answer"]) for row in shown] == [("score", words, "The rater said Zebra.")]
    kept = " ".join(
        str(cell) for table in ("event", "query") for row in trial.rows(f"SELECT * FROM {table}") for cell in row
    )
    assert "Floating" not in kept
    assert "Zebra" not in kept
    assert verify(trial.trial, key=trial.trial.quarantine(trial.safety)).findings == []


def test_a_name_in_a_query_is_redacted_and_the_query_stays(trial: Any) -> None:
    from equipoise.conduct.integrity.verify import verify

    trial.do("mona", "query", **FORM, item="cocaine", text="Did Jane Roe give this sample?")
    trial.do("ruth", "query-answer", query="Q-0001", text="Jane Roe did.")
    trial.do("alice", "redact", participant="P-1", text="Jane Roe", why="a name was typed")
    shown = trial.do("mona", "queries").told["queries"]
    assert [(row["text"], row["answer"]) for row in shown] == [("Did [redacted] give this sample?", "[redacted] did.")]
    assert "Jane" not in " ".join(str(cell) for row in trial.rows("SELECT * FROM event") for cell in row)
    assert verify(trial.trial).findings == []


def test_a_cut_is_the_same_with_queries_and_signatures_as_without(on_sqlite: Any, tmp_path: Path) -> None:
    from equipoise.conduct.cut.cut import cut_records

    trial = on_sqlite
    before = cut_records(trial.trial, at=trial.clock.now(), edition="blinded")
    trial.do("mona", "query", **FORM, item="cocaine", text="Is it so?")
    trial.do("ruth", "sign", **FORM, meaning="authored")
    after = cut_records(trial.trial, at=trial.clock.now(), edition="blinded")
    assert before.data_hash == after.data_hash


def test_the_list_at_the_terminal_is_by_site_and_age(on_sqlite: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from equipoise.cli.main import app

    trial = on_sqlite
    trial.do("mona", "query", **FORM, item="cocaine", text="The first?")
    trial.clock.at += timedelta(days=20)
    trial.do("mona", "query", participant="P-1", text="The second?")
    trial.do("ruth", "query-answer", query="Q-0001", text="So it was.")
    monkeypatch.setenv("EQUIPOISE_PASSPHRASE", PASSPHRASE)
    monkeypatch.setenv("EQUIPOISE_CLOCK", trial.clock.at.isoformat())
    folder = str(trial.trial.directory)

    def listed(*more: str) -> Any:
        found = CliRunner().invoke(app, ["queries", folder, "--as", "mona", *more])
        assert found.exit_code == 0, found.output
        return found.stdout

    shown = listed()
    assert shown.index("main: 2, the oldest 20 days") < shown.index("Q-0001") < shown.index("Q-0002")
    assert "So it was." in shown
    rows = json.loads(listed("--json", "--older", "10"))["queries"]
    assert [(row["query"], row["days"], row["site"]) for row in rows] == [("Q-0001", 20, "main")]
    assert json.loads(listed("--json", "--state", "open"))["queries"][0]["query"] == "Q-0002"
    assert "no queries" in listed("--state", "closed")
