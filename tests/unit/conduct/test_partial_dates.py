"""Dates of adverse events that are not known to the day: kept as told, held against others by what they can be."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from equipoise.conduct.cut.cut import cut_records
from equipoise.conduct.rules.partial_dates import PartialDate, usual, within
from equipoise.foundation.errors import ConductError, UsageError

from .driven import hire
from .test_clinical_actions import Refused, randomized


@pytest.mark.parametrize(
    ("told", "first", "last"),
    [
        ("2028-02", date(2028, 2, 1), date(2028, 2, 29)),
        ("2027-02", date(2027, 2, 1), date(2027, 2, 28)),
        ("2027", date(2027, 1, 1), date(2027, 12, 31)),
        ("2027-03-14", date(2027, 3, 14), date(2027, 3, 14)),
        (" Unknown ", None, None),
        (date(2027, 3, 14), date(2027, 3, 14), date(2027, 3, 14)),
    ],
)
def test_a_date_has_the_bounds_of_what_it_can_be(told: Any, first: date | None, last: date | None) -> None:
    found = PartialDate(told)
    assert (found.first, found.last) == (first, last)
    assert found == str(told).strip().lower()
    assert found.day == (first if first == last else None)


@pytest.mark.parametrize("told", ["2027-13", "2027-00", "03/2027", "27", "2027-2", "2027-02-30", "", "March", "0000"])
def test_what_is_no_date_is_refused(told: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        PartialDate(told)


def test_what_is_known_besides_narrows_a_date() -> None:
    assert within(PartialDate("2027-03"), date(2027, 3, 10), None) == (date(2027, 3, 10), date(2027, 3, 31))
    assert within(PartialDate("unknown"), None, date(2027, 3, 10)) == (None, date(2027, 3, 10))
    assert usual(PartialDate("2027"), date(2027, 12, 31), 0)
    assert not usual(PartialDate("2026"), date(2027, 3, 1), 30)


@pytest.fixture
def trial(staged: Any) -> Any:
    out = staged()
    hire(out)
    randomized(out)  # consented on 2027-01-11, randomized on the 12th, which is today
    return out


EVENT = {"participant": "P-1", "term": "headache", "severity": "mild"}


def test_a_month_a_year_and_an_unknown_date_are_kept_as_told(trial: Any) -> None:
    for told in ("2027-01", "2027", "unknown"):
        trial.do("ivan", "adverse-event", **EVENT, onset=told)
    rows = trial.rows("SELECT type, value FROM item WHERE form = 'adverse-event' AND item = 'onset' ORDER BY repeat")
    assert rows == [("partial-date", "2027-01"), ("partial-date", "2027"), ("partial-date", "unknown")]
    trial.do("ivan", "adverse-event-update", participant="P-1", event=1, onset="2027-01-12", why="found in the notes")
    rows = trial.rows("SELECT type, value FROM item WHERE form = 'adverse-event' AND item = 'onset' AND repeat = 1")
    assert rows == [("date", "2027-01-12")]


def test_a_date_is_refused_where_no_day_that_it_can_be_would_do(trial: Any) -> None:
    with Refused("C534"):
        trial.do("ivan", "adverse-event", **EVENT, onset="2027-02")
    with Refused("C535"):  # before the consent, whatever the day was
        trial.do("ivan", "adverse-event", **EVENT, onset="2026-12")
    with Refused("C535"):
        trial.do("ivan", "adverse-event", **EVENT, onset="2026")
    with pytest.raises(UsageError) as error:
        trial.do("ivan", "adverse-event", **EVENT, onset="January")
    assert error.value.problems[0].code == "U030"
    trial.clock.at += timedelta(days=40)  # 2027-02-21
    with Refused("C535"):  # ended before it began
        trial.do("ivan", "adverse-event", **EVENT, onset="2027-02", end="2027-01")
    trial.do("ivan", "adverse-event", **EVENT, onset="2027-01", end="2027-02")
    with Refused("C535"):  # the site knew before it can have begun
        trial.do("ivan", "adverse-event", **EVENT, onset="2027-02", aware="2027-01-20T10:00")


def test_a_death_cannot_come_before_an_event_whatever_its_day(trial: Any) -> None:
    trial.clock.at += timedelta(days=40)
    trial.do("ivan", "adverse-event", **EVENT, onset="2027-02")
    with Refused("C535"):
        trial.do("carol", "death", participant="P-1", on="2027-01-20", why="told by the family")
    trial.do("carol", "death", participant="P-1", on="2027-02-10", why="told by the family")


def test_a_consent_is_not_corrected_to_a_day_after_an_event_began(trial: Any) -> None:
    """Two events: it is the first of them that a consent must come before, not the last."""
    trial.do("ivan", "adverse-event", **EVENT, onset="2027-01-11")
    trial.do("ivan", "adverse-event", **EVENT, onset="2027-01-12")
    with pytest.raises(ConductError) as error:
        trial.do("carol", "consent", participant="P-1", version="1.0", on="2027-01-12", why="the form says the 12th")
    assert any("the first onset of a recorded event (2027-01-11)" in problem.found for problem in error.value.problems)


def test_the_cut_says_between_which_days_an_event_began(trial: Any) -> None:
    trial.do("ivan", "adverse-event", **EVENT, onset="2027-01-12")
    trial.clock.at += timedelta(days=40)
    known = cut_records(trial.trial, at=trial.clock.at, edition="blinded")["adverse_events"]
    assert "onset_earliest_day" not in known.columns  # where every day is known, a cut is as it always was
    trial.do("ivan", "adverse-event", **EVENT, onset="2027-02", end="unknown", aware="2027-02-15T10:00")
    trial.clock.at += timedelta(days=1)
    found = cut_records(trial.trial, at=trial.clock.at, edition="blinded")["adverse_events"].to_dicts()
    days = ("onset_day", "onset_earliest_day", "onset_latest_day", "end_day", "end_earliest_day", "end_latest_day")
    day_1 = date(2027, 1, 11)
    assert [found[1][name] for name in days] == [
        None,
        (date(2027, 2, 1) - day_1).days + 1,
        (date(2027, 2, 15) - day_1).days + 1,
        None,
        (date(2027, 2, 1) - day_1).days + 1,
        (date(2027, 2, 22) - day_1).days + 1,
    ]
    assert found[0]["onset_day"] == 2
