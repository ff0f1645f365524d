"""The compact notations of a protocol."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from equipoise.protocol.language.margins import MarginValue
from equipoise.protocol.language.notation import (
    CountOfTotal,
    Criterion,
    Days,
    Dose,
    Duration,
    EstimateAndLimits,
    Fault,
    Goal,
    Improvement,
    Notation,
    ScoreRange,
    Versus,
    Window,
)

NUMBERS = st.decimals(min_value=Decimal("0.001"), max_value=Decimal("9999"), places=3)


@pytest.mark.parametrize("kind", [Dose, Duration, Days, Window, CountOfTotal, EstimateAndLimits, Versus, Criterion])
def test_the_example_of_each_notation_is_read_and_written_back(kind: type[Notation]) -> None:
    value = kind.parse(kind.example)
    assert kind.parse(str(value)) == value


def test_a_dose_keeps_the_digits_it_was_written_with() -> None:
    dose = Dose.parse("0.60 mg/kg")
    assert (dose.amount, str(dose), dose.is_per_kg) == (Decimal("0.60"), "0.60 mg/kg", True)
    # 0.60 mg/kg for 70 kg is 42 mg exactly, as it would not be in binary.
    assert dose.amount * 70 == Decimal("42.00")
    assert not Dose.parse("380 mg").is_per_kg
    assert Dose.parse("5mg").unit == "mg"


@given(NUMBERS, st.sampled_from(["mg/kg", "mg", "ug/kg", "ug", "g", "mL", "IU"]))
def test_doses_survive_being_written(amount: Decimal, unit: str) -> None:
    assert str(Dose.parse(f"{amount} {unit}")) == f"{amount} {unit}"


def test_lengths_of_time_are_minutes() -> None:
    assert [Duration.parse(text).minutes for text in ("40 min", "1.5 h", "90 s")] == [40, 90, Decimal("1.5")]


def test_days_are_one_or_a_range() -> None:
    assert [(d.first, d.last) for d in map(Days.parse, ("5", "day 5", "6..33", "-14 .. -1"))] == [
        (5, 5),
        (5, 5),
        (6, 33),
        (-14, -1),
    ]


def test_a_window_is_days_before_and_after() -> None:
    window = Window.parse("-1..+3")
    assert (window.days_before, window.days_after, str(window)) == (1, 3, "-1..3")
    assert Window.parse("0..0").days_before == 0


def test_an_interval_has_both_limits_or_none() -> None:
    assert EstimateAndLimits.parse("5.7 (1.3 to 25.1)").upper == Decimal("25.1")
    assert EstimateAndLimits.parse("-2.72").lower is None
    assert str(EstimateAndLimits.parse("0.47 (0.24 to 0.92)")) == "0.47 (0.24 to 0.92)"


def test_a_comparison_names_the_reference_last_and_may_have_none() -> None:
    assert Versus.parse("ketamine v midazolam").names == ("ketamine", "midazolam")
    assert Versus.parse("programme") == Versus("programme", None)


@pytest.mark.parametrize(
    ("text", "value", "holds"),
    [
        ("age >= 18", 18, True),
        ("age > 18", 18, False),
        ("age in 18..60 years", 60, True),
        ("age in 18..60", 61, False),
        ("bmi <= 30.5", 30.5, True),
        ("diagnosis = Cocaine dependence", "cocaine dependence", True),
        ("diagnosis != cocaine dependence", "alcohol", True),
        ("seeks treatment", True, True),
        ("seeks treatment", 0, False),
        ("seeks treatment in New York", True, True),
        ("age >= 18", None, None),
    ],
)
def test_a_criterion_holds_or_not_or_is_not_known(text: str, value: object, holds: bool | None) -> None:
    assert Criterion.parse(text).holds(value) is holds


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (Dose, "0.5"),
        (Dose, "mg"),
        (Dose, "0 mg"),
        (Dose, "5 mg/kg/h"),
        (Dose, "½ mg"),
        (Duration, "40"),
        (Duration, "0 min"),
        (Days, "0"),
        (Days, "9..3"),
        (Days, "9,10"),
        (Days, "1e3"),
        (Window, "1..2"),
        (Window, "-1..-1"),
        (CountOfTotal, "3 / 28"),
        (CountOfTotal, "5 of 4"),
        (CountOfTotal, "0 of 0"),
        (EstimateAndLimits, "5.7 (9 to 25)"),
        (EstimateAndLimits, "5.7 (1.3, 25.1)"),
        (Versus, "a v a"),
        (Versus, "a vs b"),
        (Versus, "a v b v c"),
        (Criterion, ""),
        (Criterion, "age >= old"),
    ],
)
def test_a_fault_says_found_expected_and_what_to_do(kind: type[Notation], text: str) -> None:
    with pytest.raises(Fault) as caught:
        kind.parse(text)
    assert caught.value.found
    assert caught.value.expected
    assert caught.value.next_step.endswith(".")


@given(st.text(max_size=20))
def test_any_text_is_read_or_refused(text: str) -> None:
    for kind in (Dose, Duration, Days, Window, CountOfTotal, EstimateAndLimits, Versus, Criterion):
        try:
            value = kind.parse(text.strip())
        except Fault:
            continue
        assert kind.parse(str(value)) == value


@given(amount=st.floats(1e-9, 1e12), unit=st.sampled_from(["", " %"]))
def test_numbers_that_are_written_out_are_read_again_as_the_same(amount: float, unit: str) -> None:
    """A protocol is hashed as it is written out: two amounts that differ must not become one."""
    share = amount if not unit else min(amount, 100.0)
    for kind in (Improvement, Goal, MarginValue):
        value = kind(share, bool(unit))
        assert kind.parse(str(value)) == value
    assert ScoreRange.parse(str(ScoreRange(-amount, amount))) == ScoreRange(-amount, amount)
