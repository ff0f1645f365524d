"""Scales of drinking, mood, anxiety and health: totals, bands and thresholds added up by hand."""

from __future__ import annotations

import pytest

from equipoise.foundation.errors import RecordsError
from equipoise.instruments import find_instrument, require_instrument, score
from equipoise.instruments.describe import describe_instrument


def total(instrument: str, answers: list[float | None], scale: str = "total") -> float | None:
    key = require_instrument(instrument)
    return score(dict(zip(key.item_ids, answers, strict=True)), key)[scale].value


def test_the_ranges_are_what_the_items_reach() -> None:
    reached = {
        "audit": (0, 8 * 4 + 2 * 4),
        "audit-c": (0, 3 * 4),
        "phq-9": (0, 9 * 3),
        "gad-7": (0, 7 * 3),
        "madrs": (0, 10 * 6),
        "bdi-ii": (0, 21 * 3),
        "ocds": (0, 14 * 4),
        "ocds-40": (0, 10 * 4),
        "hamd-21": (0, 52 + 2 + 4 + 3 + 2),  # items 18 to 21 beside the 52 of the first 17
        "hamd-24": (0, 63 + 3 * 4),
        "cgi-s": (1, 7),
        "cgi-i": (1, 7),
        "eq-5d-index": (-1, 1),
    }
    assert {name: require_instrument(name).bounds() for name in reached} == reached


def test_audit_adds_ten_answers_of_which_the_last_two_are_0_2_or_4() -> None:
    # 4+3+2+1+0+1+2+3 = 16 and 2+4 = 6: 22, the highest zone.
    answers: list[float | None] = [4, 3, 2, 1, 0, 1, 2, 3, 2, 4]
    assert total("audit", answers) == 22
    (zones,) = require_instrument("audit").bands
    assert [zones.name(value) for value in (7, 8, 15, 16, 19, 20)] == [
        "zone I",
        "zone II",
        "zone II",
        "zone III",
        "zone III",
        "zone IV",
    ]
    with pytest.raises(RecordsError, match="0, 2 or 4"):
        total("audit", [*answers[:8], 3, 4])


def test_the_first_three_answers_of_audit_are_audit_c_with_a_threshold_for_each_sex() -> None:
    assert total("audit-c", [4, 3, 2]) == 9
    positive = require_instrument("audit-c").threshold("positive")
    assert positive is not None
    assert (positive.of, dict(positive.at_least)) == ("sex", {"female": 3, "male": 4})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("instrument", "band", "edges"),
    [
        ("phq-9", 0, {4: "minimal", 5: "mild", 9: "mild", 10: "moderate", 15: "moderately severe", 20: "severe"}),
        ("gad-7", 0, {4: "minimal", 5: "mild", 10: "moderate", 14: "moderate", 15: "severe", 21: "severe"}),
        ("madrs", 0, {6: "none", 7: "mild", 19: "mild", 20: "moderate", 34: "moderate", 35: "severe"}),
        ("bdi-ii", 0, {13: "minimal", 14: "mild", 19: "mild", 20: "moderate", 28: "moderate", 29: "severe"}),
    ],
)
def test_the_bands_begin_and_end_where_their_authors_say(instrument: str, band: int, edges: dict[int, str]) -> None:
    bands = require_instrument(instrument).bands[band]
    assert {value: bands.name(value) for value in edges} == edges


@pytest.mark.parametrize("instrument", ["phq-9", "gad-7"])
def test_two_answers_left_out_are_filled_with_the_mean_and_three_are_not(instrument: str) -> None:
    n = len(require_instrument(instrument).items)
    # Two answers of 3 and the others of 1, two left out: (6 + n - 4) x n / (n - 2).
    answers: list[float | None] = [3, 3, *[1.0] * (n - 4), None, None]
    assert total(instrument, answers) == (6 + n - 4) * n / (n - 2)
    assert total(instrument, [3, None, *answers[2:]]) is None


def test_a_hamilton_version_begins_with_the_seventeen_items_and_counts_the_rest() -> None:
    seventeen: list[float | None] = [1, 2, 0, 1, 2, 0, 3, 1, 0, 2, 1, 2, 1, 0, 2, 1, 0]  # 19
    assert total("hamd-17", seventeen) == 19
    assert total("hamd-21", [*seventeen, 2, 1, 3, 0]) == 25
    assert total("hamd-24", [*seventeen, 2, 1, 3, 0, 4, 1, 0]) == 30
    with pytest.raises(RecordsError, match="from 0 to 3"):
        total("hamd-21", [*seventeen, 2, 1, 4, 0])


def test_drinking_thoughts_are_items_one_to_six() -> None:
    answers: list[float | None] = [1, 2, 3, 4, 0, 1, 4, 4, 3, 3, 2, 2, 1, 0]
    assert total("ocds", answers, "obsessive") == 11
    assert total("ocds", answers, "compulsive") == 19
    assert total("ocds", answers) == 30


def test_flags_of_suicidality_are_counted_apart() -> None:
    #               ideation 1 to 5, preparatory, aborted, interrupted, attempt, self-injury
    flags: list[float | None] = [1, 1, 0, 0, 0, 0, 1, 0, 0, 1]
    assert [total("c-ssrs", flags, scale) for scale in ("ideation", "behaviour", "self-injury")] == [2, 1, 1]
    with pytest.raises(RecordsError, match="from 0 to 1"):
        total("c-ssrs", [2, *flags[1:]])


def test_dimensions_of_health_are_kept_and_not_added() -> None:
    five = require_instrument("eq-5d-5l")
    assert list(five.scales) == ["mobility", "self-care", "usual-activities", "pain", "anxiety", "vas"]
    assert total("eq-5d-5l", [1, 2, 3, 4, 5, 62], "pain") == 4
    assert require_instrument("eq-5d-3l").bounds("anxiety") == (1, 3)


def test_an_older_key_is_what_it_was() -> None:
    # Its scoring stands in the hash of protocols that name it: a threshold added to it would change them.
    key = require_instrument("hamd-17").key_as_dict()
    assert sorted(key) == ["id", "items", "scales", "share-needed", "version"]
    assert sorted(key["items"][0]) == ["highest", "id", "is_reversed", "lowest", "whole_numbers"]


def test_every_scale_says_where_its_key_comes_from() -> None:
    for name in ("audit", "ocds", "phq-9", "madrs", "c-ssrs", "eq-5d-5l"):
        entry = find_instrument(name)
        assert entry is not None
        words = dict(describe_instrument(entry))
        assert words["Source"]
        assert words["Licence"]
