"""Scores worked out by hand from the published keys."""

from __future__ import annotations

import polars as pl
import pytest

from equipoise.foundation.errors import RecordsError, UsageError
from equipoise.instruments import (
    INSTRUMENTS,
    check_assessments,
    instrument_table,
    require_instrument,
    score,
    score_assessments,
    score_calendar,
)

FFMQ = require_instrument("ffmq-39")
PSS = require_instrument("pss-10")


def test_facets_of_the_mindfulness_questionnaire_have_the_ranges_of_the_public_keys():
    # Eight items of 1 to 5, and seven for nonreact; 39 items in all.
    assert FFMQ.bounds("observe") == (8, 40)
    assert FFMQ.bounds("nonreact") == (7, 35)
    assert FFMQ.bounds() == (39, 195)
    assert len(FFMQ.reversed_items) == 19
    assert sorted(int(item) for facet in FFMQ.subscales.values() for item in facet) == list(range(1, 40))


def test_mindfulness_items_answered_all_alike_score_by_how_many_of_a_facet_are_reversed():
    # All answers 2: a plain item gives 2, a reversed one 6 - 2 = 4.
    got = {scale: s.value for scale, s in score(dict.fromkeys(FFMQ.item_ids, 2), FFMQ).items()}
    assert got == {
        "observe": 8 * 2,
        "describe": 5 * 2 + 3 * 4,  # items 12, 16 and 22 are reversed
        "act-with-awareness": 8 * 4,
        "nonjudge": 8 * 4,
        "nonreact": 7 * 2,
        "total": 16 + 22 + 32 + 32 + 14,
    }


def test_perceived_stress_turns_items_four_five_seven_and_eight_round():
    items = dict(zip(PSS.item_ids, [3, 2, 4, 1, 0, 3, 2, 4, 1, 0], strict=True))
    # Plain 1,2,3,6,9,10: 3+2+4+3+1+0 = 13. Reversed 4,5,7,8: (4-1)+(4-0)+(4-2)+(4-4) = 9.
    assert score(items, PSS)["total"].value == 22


def test_fourteen_item_stress_runs_to_fifty_six():
    pss14 = require_instrument("pss-14")
    assert pss14.bounds() == (0, 56)
    worst = {item: 0 if item in pss14.reversed_items else 4 for item in pss14.item_ids}
    assert score(worst, pss14)["total"].value == 56


def test_two_of_ten_stress_items_left_out_are_filled_with_the_mean_and_three_are_not():
    items: dict[str, float | None] = dict(zip(PSS.item_ids, [3, 2, 4, 1, 0, 3, 2, 4, 1, 0], strict=True))
    # Leaving out 1 and 10 (3 and 0 points) leaves 19 points on 8 items: 19 x 10 / 8 = 23.75.
    items["1"] = items["10"] = None
    got = score(items, PSS)["total"]
    assert (got.value, got.n_items, got.n_missing) == (23.75, 10, 2)
    del items["2"]
    got = score(items, PSS)["total"]
    assert (got.value, got.n_missing) == (None, 3)


def test_a_facet_of_seven_may_lack_one_item_and_its_absence_takes_the_total_with_it():
    items: dict[str, float | None] = dict.fromkeys(FFMQ.item_ids, 3)
    items["4"] = None
    got = score(items, FFMQ)
    assert got["nonreact"].value == 21
    assert got["total"].value == 117
    items["9"] = None
    got = score(items, FFMQ)
    assert got["nonreact"].value is None
    assert got["observe"].value == 24
    assert got["total"].value is None
    assert got["total"].n_missing == 2


def test_impossible_answers_are_all_named_with_what_was_expected():
    with pytest.raises(RecordsError) as caught:
        score({"1": 6, "2": 2.5, "40": 1, "3": float("nan")}, FFMQ)
    text = str(caught.value)
    assert [p.code for p in caught.value.problems] == ["R501", "R502", "R502", "R502"]
    assert "a whole number from 1 to 5" in text
    assert "ffmq-39 has no item '40'" in text


def test_depression_cut_offs_depend_on_the_author():
    five, four = require_instrument("hamd-17").bands
    # 16 points: moderate (14-18) with one author, mild (8-16) with the other.
    assert (five.name(16), four.name(16)) == ("moderate", "mild")
    assert (five.name(23), four.name(23)) == ("very severe", "moderate")
    assert require_instrument("hamd-17").bounds() == (0, 9 * 4 + 8 * 2)


def test_single_scores_have_the_published_ranges():
    ranges = {name: require_instrument(name).bounds() for name in ("cadss-23", "cadss-28", "cssa", "craving-vas")}
    assert ranges == {"cadss-23": (0, 92), "cadss-28": (0, 112), "cssa": (0, 112), "craving-vas": (0, 100)}
    assert require_instrument("craving-vas-200").bounds() == (0, 200)


def test_a_misspelt_instrument_is_answered_with_the_nearest_name():
    with pytest.raises(UsageError, match="Did you mean ffmq-39"):
        require_instrument("ffmq39")
    with pytest.raises(UsageError, match="no version '9'"):
        require_instrument("pss-10", "9")


def test_the_library_lists_itself_and_says_whose_missing_item_rule_it_is():
    rows = instrument_table()
    assert len(rows) == len(INSTRUMENTS)
    whose = [row["missing_basis"] for row in rows if row["missing"]]
    assert all("our assumption" in basis or "recalled" in basis for basis in whose)


def _assessments(rows: list[tuple[str, str, str, float | None]], instrument: str = "pss-10") -> pl.DataFrame:
    return pl.DataFrame(
        [(p, v, 9, instrument, i, x) for p, v, i, x in rows],
        schema={
            "participant_id": pl.String,
            "visit": pl.String,
            "day": pl.Int64,
            "instrument": pl.String,
            "item": pl.String,
            "value": pl.Float64,
        },
        orient="row",
    )


def test_the_table_scores_as_one_participant_does():
    values = [3, 2, 4, 1, 0, 3, 2, 4, 1, 0]
    rows = [("P1", "day-9", str(i + 1), float(x)) for i, x in enumerate(values)]
    rows += [("P2", "day-9", str(i + 1), None if i < 3 else 2.0) for i in range(10)]
    got = score_assessments(_assessments(rows), PSS)
    assert got.rows() == [
        ("P1", "day-9", 9, "total", 22.0, 10, 0),
        ("P2", "day-9", 9, "total", None, 10, 3),
    ]


def test_the_table_names_the_row_of_an_impossible_value_and_of_a_repeated_item():
    table = _assessments([("P1", "day-9", "1", 7.0), ("P1", "day-9", "2", 1.0), ("P1", "day-9", "2", 1.0)])
    problems = check_assessments(table, PSS)
    assert [(p.code, p.place.split(",")[0]) for p in problems] == [
        ("R502", "assessments row 1"),
        ("R503", "assessments row 3"),
    ]
    with pytest.raises(RecordsError):
        score_assessments(table, PSS)


def test_an_instrument_nobody_was_given_scores_to_an_empty_table():
    got = score_assessments(_assessments([]), FFMQ)
    assert got.height == 0
    assert got.columns == ["participant_id", "visit", "day", "scale", "value", "n_items", "n_missing"]


def test_the_calendar_counts_days_and_finds_the_longest_run():
    # - - + - - - o -   (o: not asked): 7 asked, 1 of use, runs of 2, 3 and 1.
    letters = "--+---o-"
    days = [-2, -1, 1, 2, 3, 4, 5, 6]
    table = pl.DataFrame(
        {
            "participant_id": ["P1"] * 8,
            "day": days,
            "substance": ["cocaine"] * 8,
            "asked": [letter != "o" for letter in letters],
            "used": [None if letter == "o" else letter == "+" for letter in letters],
        }
    )
    assert score_calendar(table).rows() == [("P1", "cocaine", 7, 1, 6 / 7, 3)]
    everybody_silent = table.with_columns(pl.lit(False).alias("asked"), pl.lit(None, dtype=pl.Boolean).alias("used"))
    assert score_calendar(everybody_silent).rows() == [("P1", "cocaine", 0, 0, None, 0)]


def test_the_scale_of_a_single_item_bears_the_item_s_name():
    assert score({"score": 37.5}, require_instrument("craving-vas"))["score"].value == 37.5
    assert list(require_instrument("telephone-report").scales) == ["abstinent"]
    assert list(PSS.scales) == ["total"]
