"""Two routes argue: the composed definitions against the 62 columns written out letter by letter."""

from __future__ import annotations

from itertools import groupby
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from slow_endpoints import due, seen, slow_columns

from equipoise.endpoints.patterns.evaluate import apply_steps, evaluate, evaluate_all
from equipoise.endpoints.patterns.library import definitions, reference_definitions
from equipoise.endpoints.patterns.pattern import Pattern, read_words
from equipoise.endpoints.patterns.tables import published_columns
from equipoise.protocol.language.formula import Formula, Step

WORDS = st.lists(st.text("+-o*_", min_size=1, max_size=32), min_size=1, max_size=12)
LONG = st.lists(st.text("+-o", min_size=57, max_size=90), min_size=1, max_size=6)
# Both routes divide the same whole and half numbers once; only the order of a few sums differs.
TOLERANCE = 1e-9


@settings(max_examples=150, deadline=None)
@given(WORDS)
def test_all_62_columns_equal_the_slow_and_obvious_version(words: list[str]) -> None:
    table, _ = published_columns(read_words(words))
    for row, word in enumerate(words):
        for name, expected in slow_columns(word).items():
            value = table[name][row]
            assert (value is None) == (expected is None), (name, word)
            assert expected is None or abs(value - expected) <= TOLERANCE, (name, word)


def _runs(word: str, letter: str) -> int:
    return max((len(list(run)) for key, run in groupby(word) if key == letter), default=0)


def _first(word: str, wanted: str) -> int | None:
    return word.find(wanted) + 1 or None


def _last_known(word: str) -> int:
    return len(word.rstrip("o"))


def _dropout(word: str) -> str:
    kept = _last_known(word)
    return word[:kept].replace("o", "-") + "+" * (len(word) - kept)


def _level(days: int) -> int:
    return 0 if days == 0 else 1 if days < 5 else 2


def _daily(word: str) -> dict[str, Any]:
    """The daily definitions of one calendar, written out."""
    use = word.replace("o", "+")
    known = len(seen(word))
    ten = None
    for end in range(28, len(word) + 1):
        if use[end - 28 : end].count("+") >= 10:
            # The tenth day of use in the first 28 days that hold ten.
            ten = [place for place in range(end - 27, end + 1) if use[place - 1] == "+"][9]
            break
    seven = _first("_" * 20 + word[20:], "+" * 7)
    clean = _first(word, "-" * 21)
    lapse, gone = _first(word, "+"), _first(_dropout(word), "+")
    first, last = use[:28].count("+"), use[-28:].count("+")
    return {
        "no-heavy-drinking-days": "+" not in use[56:],
        "proportion-of-days-abstinent": word.count("-") / known if known else None,
        "proportion-of-heavy-drinking-days": word.count("+") / known if known else None,
        "longest-abstinence-in-days": _runs(word, "-"),
        "abstinent-last-21-days": "+" not in use[-21:],
        "abstinent-last-28-days": "+" not in _dropout(word)[-28:],
        "use-days-in-last-28": last,
        "days-to-first-use": (lapse, 1) if lapse else (_last_known(word), 0),
        "days-to-first-use-or-dropout": (gone, 1) if gone else (len(word), 0),
        "days-to-seven-consecutive-days-of-use": (seven, 1) if seven else (_last_in(word, 21), 0),
        "days-to-ten-use-days-in-28": (ten, 1) if ten else (len(word), 0),
        "frequency-level-responder": _level(first) - _level(last) >= 1,
        "use-days-halved": last / first <= 0.5 if first else None,
        "days-to-three-weeks-abstinent": (clean + 20, 1) if clean else (_last_known(word), 0),
        "days-retained": _last_known(word),
    }


def _last_in(word: str, start: int) -> int:
    kept = _last_known(word)
    return kept if kept >= start else 0


@settings(max_examples=60, deadline=None)
@given(LONG)
def test_daily_definitions_equal_calendars_read_day_by_day(words: list[str]) -> None:
    pattern = read_words(words, days_per_cell=1)
    daily = [definition for definition in definitions().values() if definition.on == ("days",)]
    scored = evaluate_all([(d.formula, d.better) for d in daily], pattern)
    for row, word in enumerate(words):
        expected = _daily(word)
        assert set(expected) == {definition.name for definition in daily}
        for definition, got in zip(daily, scored, strict=True):
            value = expected[definition.name]
            wanted = list(value) if isinstance(value, tuple) else [value]
            ours = [got.value[row], *([] if got.event is None else [got.event[row]])]
            for one, two in zip(ours, wanted, strict=True):
                assert np.isnan(one) if two is None else abs(one - float(two)) <= TOLERANCE, (definition.name, word)


@settings(max_examples=40, deadline=None)
@given(WORDS)
def test_a_word_alone_scores_as_among_others(words: list[str]) -> None:
    chosen = [(definition.formula, definition.better) for definition in reference_definitions()]
    together = evaluate_all(chosen, read_words(words))
    alone = evaluate_all(chosen, read_words(words[-1:]))
    for one, many in zip(alone, together, strict=True):
        np.testing.assert_array_equal(one.value[0], many.value[-1])


def test_replicates_are_more_rows_and_neither_blocks_nor_threads_change_a_value() -> None:
    rng = np.random.default_rng(4)
    cells = rng.integers(0, 5, (2_000, 24)).astype(np.uint8)
    chosen = [(definition.formula, definition.better) for definition in reference_definitions()]
    once = evaluate_all(chosen, Pattern.of(cells), threads=1)
    many = evaluate_all(chosen, Pattern.of(np.tile(cells, (35, 1))), threads=2)
    for one, repeated in zip(once, many, strict=True):
        np.testing.assert_array_equal(np.tile(one.value, 35), repeated.value)


@settings(max_examples=100, deadline=None)
@given(WORDS)
def test_missing_rules_do_to_a_word_what_their_names_say(words: list[str]) -> None:
    pattern = read_words(words)

    def after(rule: str) -> list[str]:
        return apply_steps([Step.model_validate({"missing": rule})], pattern).words

    for row, word in enumerate(words):
        assert after("is-use")[row] == word.replace("o", "+")
        assert after("is-no-use")[row] == word.replace("o", "-")
        assert after("removed")[row] == word.replace("o", "")
        assert after("is-missing")[row] == word
        kept = len(word.rstrip("o_"))
        dropout = word[:kept].replace("o", "-") + word[kept:].replace("o", "+")
        assert after("is-use-after-dropout")[row] == dropout
        carried, last = "", "o"
        for letter in word:
            carried += last if letter == "o" else letter
            last = last if letter in "o_" else letter
        assert after("locf")[row] == carried
        assert after("locf-to-last-seen")[row] == carried[:kept] + word[kept:]


@settings(max_examples=100, deadline=None)
@given(WORDS, st.integers(1, 5), st.integers(0, 4))
def test_first_k_of_w_is_found_where_a_reader_finds_it(words: list[str], k: int, more: int) -> None:
    w = k + more
    formula = Formula.model_validate(
        {"never-seen": "as-computed", "time-to": {"cells": "+", "at-least": k, "within": w}}
    )
    scored = evaluate(formula, read_words(words), "lower")
    assert scored.event is not None
    for row, word in enumerate(words):
        places = [place for place, letter in enumerate(word, start=1) if letter != "_"]
        found = None
        for start in range(len(places) - w + 1):
            used = [place for place in places[start : start + w] if word[place - 1] == "+"]
            if len(used) >= k:
                found = used[0]
                break
        if not due(word):
            assert np.isnan(scored.value[row])
        elif found is not None:
            assert (scored.value[row], scored.event[row]) == (found, 1)
        else:
            assert (scored.value[row], scored.event[row]) == (places[-1], 0)
