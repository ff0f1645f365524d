"""A dose taken back: the treatment has begun only while one stands; who may; a list that never hides a wrong key."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from equipoise.foundation.errors import ConductError
from equipoise.workflow.library import read_protocol

from .test_sister_first_participant import enter, people

PLACE = {"participant": "P-1", "visit": "dose-day-1", "form": "dose-given"}


@pytest.fixture
def given(staged: Any) -> Any:
    """A trial of injections, the first of which is recorded as given."""
    protocol = read_protocol("ketamine-kpt-heroin-dose")
    trial = staged(protocol=protocol)
    people(trial, protocol)
    enter(trial, protocol, "P-1")
    trial.do("nina", "weight", participant="P-1", kg="70")
    trial.do("phil", "dose-sheet", participant="P-1", sealed=True)
    trial.do("petra", "dose-check", participant="P-1", sealed=True)
    trial.clock.at += timedelta(minutes=20)
    trial.do("nina", "dose-given", participant="P-1")
    trial.clock.at += timedelta(minutes=20)
    return trial


def treatment(trial: Any) -> str:
    return str(trial.rows("SELECT treatment FROM participant")[0][0])


def test_the_treatment_has_begun_while_a_dose_stands(given: Any) -> None:
    assert treatment(given) == "begun"
    given.do("nina", "entered-in-error", **PLACE, why="another participant's")
    assert treatment(given) == "not_begun"
    given.do("nina", "dose-given", participant="P-1")
    assert treatment(given) == "begun"
    given.clock.at += timedelta(minutes=20)
    given.do("ivan", "entered-in-error", **PLACE, why="again another's")
    assert treatment(given) == "not_begun"
    # a discontinuation is not undone by it
    given.do("nina", "dose-given", participant="P-1")
    given.do("ivan", "discontinue", participant="P-1", why="wishes to stop")
    given.clock.at += timedelta(minutes=20)
    given.do("nina", "entered-in-error", **PLACE, why="a third time")
    assert treatment(given) == "discontinued"


def test_who_gave_a_dose_or_answers_for_it_takes_its_record_back(given: Any) -> None:
    for who in ("carol", "ruth"):
        with pytest.raises(ConductError, match="C600"):
            given.do(who, "entered-in-error", **PLACE, why="not given")
    assert treatment(given) == "begun"


def test_the_list_of_sheets_never_hides_that_the_key_is_wrong(given: Any, tmp_path: Path) -> None:
    from equipoise.conduct.actions.dispatch import perform

    def listed(pharmacy: str | None) -> Any:
        more = {"clock": given.clock, "entropy": given.entropy, "pharmacy": pharmacy}
        return perform(given.trial, given.session("phil"), "dose-sheets", {"days": 400}, **more)

    assert listed(None).told["sheets"] != []
    assert listed(str(given.pharmacy)).told["sheets"] != []
    wrong = tmp_path / "other"
    wrong.mkdir()
    (wrong / "key.json").write_text("{}")
    enter(given, read_protocol("ketamine-kpt-heroin-dose"), "P-2")
    with pytest.raises(ConductError, match="C040"):
        listed(str(wrong))
