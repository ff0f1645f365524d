"""Numbers as reports print them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from equipoise.reporting import format as fmt


def test_an_estimate_and_its_interval_stand_in_one_cell_with_to():
    assert fmt.interval(fmt.Interval(0.4711, 0.2444, 0.9172, "hazard_ratio")) == "0.47 (0.24 to 0.92)"
    assert fmt.interval(fmt.Interval(5.7, 1.3, 25.04, "odds_ratio")) == "5.70 (1.30 to 25.0)"
    assert fmt.interval(fmt.Interval(46.02, 2.55, 830.4, "odds_ratio")) == "46.0 (2.55 to 830)"


def test_differences_of_proportions_are_in_percentage_points_with_a_true_minus():
    assert fmt.interval(fmt.Interval(-0.374, -0.58, 0.0, "risk_difference")) == "−37.4 (−58.0 to 0.0)"


def test_what_is_not_estimable_is_written_out():
    assert fmt.interval(fmt.Interval(None, None, None, "odds_ratio")) == "not estimable"
    assert fmt.interval(fmt.Interval(float("nan"), 1.0, 2.0, "odds_ratio")) == "not estimable"
    assert fmt.interval(fmt.Interval(3.0, None, 9.0, "odds_ratio")) == "3.00 (not found to 9.00)"
    assert fmt.p_value(None) == "not estimable"
    assert fmt.cell(fmt.Number(float("inf"))) == "not estimable"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.00099, "<0.001"),
        (0.0, "<0.001"),
        (0.001, "0.0010"),
        (0.0301, "0.030"),
        (0.0212, "0.021"),
        (0.0996, "0.10"),
        (0.196, "0.20"),
        (0.4949, "0.49"),
        (0.99, "0.99"),
        (0.999, ">0.99"),
        (1.0, ">0.99"),
    ],
)
def test_p_values_have_two_figures(value: float, text: str):
    assert fmt.p_value(value) == text


def test_counts_carry_their_percentage_closed_up():
    assert fmt.count(fmt.Count(13, 27)) == "13 (48%)"
    assert fmt.count(fmt.Count(15, 26, show_denominator=True)) == "15/26 (58%)"
    assert fmt.count(fmt.Count(0, 0)) == "0"
    assert fmt.count(fmt.Count(12_345)) == "12\N{NARROW NO-BREAK SPACE}345"


def test_halves_are_rounded_away_from_zero_and_there_is_no_negative_zero():
    assert fmt.fixed(0.145, 2) == "0.15"
    assert fmt.fixed(2.5, 0) == "3"
    assert fmt.fixed(-0.004, 2) == "0.00"
    assert fmt.percent(0.125) == "13%"


def test_means_and_quartiles():
    assert fmt.cell(fmt.MeanSD(44.25, 9.14)) == "44.3 (9.1)"
    assert fmt.cell(fmt.MeanSD(44.25, None)) == "44.3 (not estimable)"
    assert fmt.cell(fmt.Quartiles(44, 37, 51.25, 0)) == "44 (37 to 51)"


@given(st.floats(min_value=1e-12, max_value=1.0))
def test_a_printed_p_value_is_within_rounding_of_the_p_value(value: float):
    text = fmt.p_value(value)
    if text == "<0.001":
        assert value < 0.001
    elif text == ">0.99":
        assert value > 0.99
    else:
        # two figures: at most half a unit of the second
        assert abs(float(text) - value) <= 0.0501 * value


@given(st.floats(min_value=1e-3, max_value=9e3))
def test_a_printed_ratio_is_within_rounding_of_the_ratio(value: float):
    # two decimals down to 0.01, three below; half a unit of the last, and three figures from 1 up
    unit = 0.001 if value < 0.00995 else 0.01 if value < 9.995 else 0.1 if value < 99.95 else 1
    assert abs(float(fmt.ratio(value)) - value) <= 0.501 * unit


@given(st.one_of(st.none(), st.floats(), st.integers(min_value=0, max_value=10**6), st.text()))
def test_no_cell_ever_prints_nan_or_infinity(value: object):
    text = fmt.cell(value)  # type: ignore[arg-type]
    if not isinstance(value, str):
        assert "nan" not in text.lower()
        assert "inf" not in text.lower()


def test_what_rounds_to_nothing_carries_no_sign_on_the_terminal() -> None:
    from equipoise.cli.results_text import short

    assert short(-0.0002) == "0.000"
    assert short(-0.0007) == "-0.001"
    assert short(-0.25) == "-0.250"


def test_a_limit_next_to_no_difference_is_never_rounded_onto_it():
    assert fmt.interval(fmt.Interval(0.079, -0.0004, 0.157, "risk_difference")) == "7.9 (\N{MINUS SIGN}0.04 to 15.7)"
    assert fmt.interval(fmt.Interval(1.4, 0.998, 1.97, "odds_ratio")) == "1.40 (0.998 to 1.97)"
    assert fmt.interval(fmt.Interval(1.4, 1.0, 1.97, "odds_ratio")) == "1.40 (1.00 to 1.97)"
    assert fmt.interval(fmt.Interval(0.4, 0.1, 0.99997, "odds_ratio")) == "0.40 (0.10 to 1.0000)"


def test_footnotes_beyond_the_alphabet_go_on_with_two_letters():
    assert [fmt.letter(k) for k in (0, 25, 26, 27, 51, 52, 701, 702)] == ["a", "z", "aa", "ab", "az", "ba", "zz", "aaa"]


def test_percent_signs_of_printed_results_are_closed_up_and_figures_kept():
    assert fmt.closed_up("48.2 % v 10.7 %; odds ratio 5.7, 95 % CI 1.3 to 25.1") == (
        "48.2% v 10.7%; odds ratio 5.7, 95% CI 1.3 to 25.1"
    )
    assert fmt.closed_up("44% v none") == "44% v none"


def test_iso_dates_are_words_in_text_and_nothing_else_is():
    assert fmt.dates_in_words("2014-01-30") == "30 January 2014"
    assert fmt.dates_in_words("record of 2013-02-06.") == "record of 6 February 2013."
    for kept in (
        "2014-02-30",
        "2014-13-01",
        "12014-01-30",
        "NCT-2014-01-30-2",
        "x/2014-01-30/y",
        "2014-01-301",
        "2014",
    ):
        assert fmt.dates_in_words(kept) == kept
