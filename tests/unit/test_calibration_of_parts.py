"""Calibration of a set of parts: which numbers may move, where they are written, and that the search finds them."""

from __future__ import annotations

import numpy as np
import pytest

from equipoise.design.free_parameters import free_parameters, movable, read_free, with_values
from equipoise.design.scenarios import resolve_scenario
from equipoise.foundation.errors import DesignError
from equipoise.protocol.read import read_protocol_text
from equipoise.workflow import read_protocol
from equipoise.workflow.calibrate import calibrate_protocol


def test_every_number_that_a_set_of_parts_states_can_be_moved_by_its_path() -> None:
    protocol = read_protocol("kare")
    known = movable(protocol, resolve_scenario(protocol, "as-published")[0])
    assert known["use.alcohol.level"][2:] == ("identity", -2.5)
    assert known["use.alcohol.person-sd"][2:] == ("log", 1.25)
    assert known["use.alcohol.effect.drug"][2:] == ("identity", -0.96)
    assert known["sessions.held"][2:] == ("logit", 0.9)  # written as 90 %
    assert not [id for id in known if "acts-on" in id]


def test_values_go_to_their_place_and_leave_the_rest() -> None:
    protocol = read_protocol("kare")
    spec = resolve_scenario(protocol, "as-published")[0]
    free = free_parameters(protocol, spec, read_free(["use.alcohol.effect.talk=-2..0", "sessions.held"]))
    moved = with_values(spec, free, np.zeros(2))
    assert moved.settings["parts"]["use"]["alcohol"]["effect"] == {"drug": -0.96, "talk": -1.0}
    assert moved.settings["parts"]["sessions"]["held"] == pytest.approx(0.9, abs=0.001)
    assert spec.settings["parts"]["use"]["alcohol"]["effect"]["talk"] == -0.58


def test_a_path_that_is_not_there_is_refused_with_a_guess() -> None:
    protocol = read_protocol("kare")
    spec = resolve_scenario(protocol, "as-published")[0]
    with pytest.raises(DesignError, match=r"Did you mean use\.alcohol\.level"):
        free_parameters(protocol, spec, {"use.alcohol.levle": None})
    with pytest.raises(DesignError, match="D143"):
        free_parameters(protocol, spec, {"use.alcohol.person-sd": (-1.0, 2.0)})


def test_the_search_finds_a_set_that_returns_what_was_published_and_writes_it_into_the_file() -> None:
    run = calibrate_protocol("kare", free=["use.alcohol.effect.drug=-2..0"], replicates=100, starts=1)
    drug = next(row for row in run.targets() if row["target"] == "drug.effect")
    assert drug["published"] == 10.1
    assert drug["met"]
    assert run.text is not None
    again = read_protocol_text(run.text)
    effect = again.model.assumptions["as-published"].parts["use"]["alcohol"]["effect"]
    assert effect["drug"] == run.values["use.alcohol.effect.drug"]
    assert effect["talk"] == -0.58
    assert -2 < effect["drug"] < -0.5


def test_a_set_that_takes_its_parts_from_another_is_refused_before_anything_is_simulated() -> None:
    simulated: list[str] = []
    with pytest.raises(DesignError, match="D145"):
        calibrate_protocol(
            "kare",
            set_name="null",
            free=["use.alcohol.level"],
            progress=lambda what, done, of: simulated.append(what),
        )
    assert simulated == []
