"""Study days: there is no day 0."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from equipoise.foundation.calendar import DayRange, day_index, day_indices, days_between, study_day

DAYS = st.integers(-10_000, 10_000).filter(lambda day: day != 0)


def test_the_day_before_day_one_is_day_minus_one() -> None:
    assert [day_index(day) for day in (-2, -1, 1, 2)] == [-2, -1, 0, 1]
    assert study_day(day_index(1) - 1) == -1
    assert days_between(-1, 1) == 1
    # Discharge on day 5 and the last visit on day 33 are 28 days apart.
    assert days_between(5, 33) == 28


@given(DAYS)
def test_a_day_and_its_index_turn_into_each_other(day: int) -> None:
    assert study_day(day_index(day)) == day


@given(st.integers(-10_000, 10_000))
def test_no_index_is_day_zero(index: int) -> None:
    assert study_day(index) != 0
    assert day_index(study_day(index)) == index


@given(DAYS, DAYS, DAYS)
def test_days_between_add_up_and_keep_the_order(a: int, b: int, c: int) -> None:
    assert days_between(a, b) + days_between(b, c) == days_between(a, c)
    assert (days_between(a, b) > 0) == (b > a)


@given(st.lists(DAYS, min_size=1, max_size=30))
def test_arrays_of_days_agree_with_single_days(days: list[int]) -> None:
    assert day_indices(np.array(days)).tolist() == [day_index(day) for day in days]


def test_day_zero_is_refused_everywhere() -> None:
    for refused in (
        lambda: day_index(0),
        lambda: day_indices(np.array([1, 0])),
        lambda: DayRange(0, 4),
        lambda: DayRange(-3, 0),
    ):
        with pytest.raises(ValueError, match="no study day 0"):
            refused()


@given(DAYS, st.integers(0, 400))
def test_a_range_holds_its_days_and_skips_zero(first: int, more: int) -> None:
    days = DayRange(first, study_day(day_index(first) + more))
    listed = list(days)
    assert len(listed) == len(days) == more + 1
    assert 0 not in listed
    assert listed == sorted(set(listed))
    assert all(day in days for day in listed)
    assert study_day(day_index(days.last) + 1) not in days
    assert DayRange.parse(str(days)) == days


@pytest.mark.parametrize("text", ["", "6", "6-33", "6..", "..33", "6...33", "a..b", "6.0..33", "6..33 days"])
def test_what_is_not_a_range_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"not a range|runs backwards|no study day 0"):
        DayRange.parse(text)


def test_a_range_does_not_run_backwards() -> None:
    with pytest.raises(ValueError, match="runs backwards"):
        DayRange(5, 4)
