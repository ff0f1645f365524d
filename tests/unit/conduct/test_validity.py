"""How long decisions, dose sheets and typed dates hold is the protocol's to say."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from equipoise.foundation.errors import ProtocolError
from equipoise.protocol import Protocol, read_protocol_text
from equipoise.workflow.library import read_protocol

from .driven import hire
from .test_clinical_actions import Refused, eligible, randomized

FLAGSHIP = read_protocol("ketamine-mbrp-cocaine")


def stating(validity: str) -> Protocol:
    text = FLAGSHIP.text.replace("  reporting:\n    sponsor:", f"  validity: {validity}\n  reporting:\n    sponsor:", 1)
    assert text != FLAGSHIP.text
    return read_protocol_text(text)


@pytest.fixture
def made(staged: Any) -> Any:
    def make(validity: str) -> Any:
        trial = staged(protocol=stating(validity), slots=20)
        hire(trial)
        return trial

    return make


def test_a_file_that_says_nothing_keeps_its_hash_and_its_bounds(staged: Any) -> None:
    assert stating("{}").resolved == FLAGSHIP.resolved
    trial = staged()
    hire(trial)
    eligible(trial)
    trial.clock.at += timedelta(days=29)
    trial.do("carol", "day-1", participant="P-1")
    with Refused("C515"):
        trial.do("carol", "randomize", participant="P-1")


def test_days_below_nought_are_refused() -> None:
    with pytest.raises(ProtocolError) as error:
        stating("{decision-days: -1}")
    assert "validity.decision-days" in str(error.value)


@pytest.mark.parametrize(("stated", "after", "stands"), [(7, 7, True), (7, 8, False), (60, 60, True), (0, 1, False)])
def test_a_decision_holds_as_long_as_the_protocol_says(made: Any, stated: int, after: int, stands: bool) -> None:
    trial = made(f"{{decision-days: {{value: null, assumed: {stated}, basis: ours}}}}")
    eligible(trial)
    trial.clock.at += timedelta(days=after)
    trial.do("carol", "day-1", participant="P-1")
    if stands:
        trial.do("carol", "randomize", participant="P-1")
        return
    with Refused("C515"):
        trial.do("carol", "randomize", participant="P-1")
    trial.do("carol", "randomize", participant="P-1", why="asked again by telephone this morning")


def test_a_bag_prepared_the_evening_before_is_given_where_the_protocol_says_so(made: Any) -> None:
    trial = made("{sheet-days: 1}")
    randomized(trial)
    trial.do("phil", "dose-sheet", participant="P-1", sealed=True)
    trial.clock.at += timedelta(days=1)
    trial.do("petra", "dose-check", participant="P-1", day=2, sealed=True)
    trial.clock.at += timedelta(days=1)
    with Refused("C523"):
        trial.do("nina", "infusion-start", participant="P-1")


def test_how_late_a_day_is_typed_without_a_reason_is_the_protocols(made: Any) -> None:
    trial = made("{entry-days: 3}")
    randomized(trial)
    first = trial.clock.at.date()
    trial.clock.at += timedelta(days=7)
    with Refused("C536"):
        trial.do("ivan", "visit", participant="P-1", visit="unscheduled-1", on=str(first + timedelta(days=3)))
    trial.do("ivan", "visit", participant="P-1", visit="unscheduled-1", on=str(first + timedelta(days=4)))
    # an adverse event is often heard of late: that bound is of another kind
    event = {"term": "headache", "severity": "mild", "onset": str(first)}
    trial.do("ivan", "adverse-event", participant="P-1", **event)
