"""Every definition of the library gives its own example words the values written below them."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from equipoise.endpoints.patterns import library as library_module
from equipoise.endpoints.patterns.evaluate import NEVER_SEEN, NO_CONTACT, evaluate
from equipoise.endpoints.patterns.library import definitions, find_definition, read_entry, require_definition
from equipoise.endpoints.patterns.pattern import Pattern, read_words
from equipoise.foundation.errors import ProtocolError, UsageError
from equipoise.protocol.checks.formulas import formula_problems
from equipoise.protocol.language.formula import Formula

# Values in the library are written with twelve decimals.
TOLERANCE = 1e-9


@pytest.mark.parametrize("name", list(definitions()))
def test_a_definition_gives_its_example_words_their_values(name: str) -> None:
    definition = definitions()[name]
    for example in definition.examples:
        scored = evaluate(definition.formula, example.patterns(definition.on), definition.better)
        got = [scored.value[0], *([] if scored.event is None else [scored.event[0]])]
        expected = list(example.is_) if isinstance(example.is_, tuple) else [example.is_]
        if example.is_ is None:
            assert np.isnan(got).all(), example.word
        else:
            assert got == pytest.approx(expected, abs=TOLERANCE), example.word


def test_examples_show_both_answers_of_every_yes_or_no() -> None:
    for name, definition in definitions().items():
        if definition.type == "binary":
            assert {example.is_ for example in definition.examples} >= {0.0, 1.0}, name


def test_nobody_never_seen_is_a_success_unless_the_definition_says_so_and_then_a_warning_does() -> None:
    for name, definition in definitions().items():
        for width in (1, 3, 8, 24, 180):
            nobody = {on: read_words(["o" * width], days_per_cell=7 if on == "weeks" else 1) for on in definition.on}
            scored = evaluate(definition.formula, nobody, definition.better)
            if definition.type == "binary":
                is_success = scored.value[0] == (1.0 if definition.better == "higher" else 0.0)
            else:
                seen = {on: read_words(["-" * width], days_per_cell=p.days_per_cell) for on, p in nobody.items()}
                using = {on: read_words(["+" * width], days_per_cell=p.days_per_cell) for on, p in nobody.items()}
                best, worst = (evaluate(definition.formula, p, definition.better) for p in (seen, using))
                got, good, bad = ((s.value[0], None if s.event is None else s.event[0]) for s in (scored, best, worst))
                is_success = got == good != bad
            says_so = definition.formula.never_seen == "as-computed"
            assert not is_success or says_so, (name, width)
            assert (NEVER_SEEN in scored.warnings) == bool(is_success), (name, width)


def test_a_success_of_somebody_never_seen_is_withheld_with_a_warning() -> None:
    formula = Formula.model_validate({"steps": [{"missing": "is-no-use"}], "not": {"contains": {"any-of": ["+"]}}})
    scored = evaluate(formula, read_words(["----", "oooo", "oo+o", "o-oo"]))
    assert scored.value[[0, 2, 3]].tolist() == [1.0, 0.0, 1.0]
    assert np.isnan(scored.value[1])
    assert scored.warnings == (NO_CONTACT,)


def test_ten_definitions_and_more_read_daily_calendars() -> None:
    assert sum(definition.on == ("days",) for definition in definitions().values()) >= 10


def test_a_name_nobody_knows_gets_the_nearest_one() -> None:
    with pytest.raises(UsageError) as caught:
        require_definition("Rd_strain_1995")
    (problem,) = caught.value.problems
    assert problem.code == "U605"
    assert "Did you mean" in problem.next_step


def test_a_cell_not_due_is_never_missed() -> None:
    for name, definition in definitions().items():
        if definition.type != "number" or definition.on != ("weeks",) or definition.unit not in ("proportion", "weeks"):
            continue
        formula = definition.formula
        if formula.steps and any(step.verb in ("window", "schedule") for step in formula.steps):
            continue
        if "last-place" in str(definition.source_text):
            continue  # a place, which cells not due still take up
        ours, without = (evaluate(formula, read_words([word])).value[0] for word in ("-_+-_*-_o-", "-+-*-o-"))
        assert ours == without, name


@pytest.mark.parametrize(
    ("formula", "cells", "code", "place"),
    [
        ({"steps": [{"window": {"from": 5, "to": 24}}], "count": {"cells": "-"}}, 12, "P060", "steps.0.window.to"),
        ({"steps": [{"window": {"last": 30}}], "count": {"cells": "-"}}, 12, "P060", "steps.0.window.last"),
        ({"time-to": {"cells": "+", "at-least": 4}}, 3, "P060", "time-to"),
        ({"steps": [{"window": {"last": 3}}], "contains": {"any-of": ["----"]}}, 12, "P060", "contains.any-of.0"),
        ({"steps": [{"missing": "is-use"}, {"missing": "removed"}], "count": {"cells": "-"}}, None, "P061", "steps.1"),
        ({"steps": [{"missing": "is-use"}], "count": {"cells": "o"}}, None, "P061", "count"),
        (
            {"steps": [{"mixed": "is-use"}], "count": {"cells": "-", "mixed-weight": 0.5}},
            None,
            "P061",
            "count.mixed-weight",
        ),
        (
            {"steps": [{"missing": "is-use"}, {"window": {"to": "last-contact"}}], "count": {"cells": "-"}},
            None,
            "P061",
            "steps.1.window.to",
        ),
        ({"time-to": {"cells": "+"}, "at-least": 3}, None, "P062", "at-least"),
        ({"all": [{"count": {"cells": "-"}}]}, None, "P062", "all.0"),
        ({"proportion": {"cells": "-"}, "at-least": 75}, None, "P062", "at-least"),
        ({"not": {"never-seen": "as-computed", "contains": {"any-of": ["+"]}}}, None, "P061", "not.never-seen"),
        ({"on": "days", "count": {"cells": "+"}}, {"weeks": 12}, "P064", "on"),
    ],
)
def test_a_formula_that_can_mean_nothing_is_refused_with_its_place(
    formula: dict[str, object], cells: int | None, code: str, place: str
) -> None:
    problems = formula_problems(Formula.model_validate(formula), cells)
    assert [problem.code for problem in problems] == [code]
    assert ".".join(map(str, problems[0].path)).startswith(place)


@pytest.mark.parametrize(
    ("formula", "said"),
    [
        ({"count": {"cells": "x"}}, "'x' holds 'x'"),
        ({"steps": [{"missing": "is-use", "mixed": "is-use"}], "count": {"cells": "-"}}, "more than once"),
        ({"count": {"cells": "-"}, "longest-run": {"cells": "-"}}, "more than once"),
        ({"steps": []}, "is not said"),
        ({"count": {"cells": "-"}, "at-least": 3, "at-most": 4}, "judged twice"),
        ({"time-to": {"cells": "+", "at-least": 5, "within": 4}}, "5 of 4 cells can never be"),
        ({"steps": [{"window": {"from": 9, "to": 5}}], "count": {"cells": "-"}}, "runs backwards"),
        ({"steps": [{"window": {"first": 9, "last": 5}}], "count": {"cells": "-"}}, "said twice"),
        ({"count": {"cells": "-"}, "at-least": "five"}, "is not a number"),
    ],
)
def test_a_formula_that_is_not_one_is_refused_in_words(formula: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Formula.model_validate(formula)


def test_an_entry_with_contradictory_rules_is_refused_with_its_place() -> None:
    entry = {
        "label": "x",
        "citation": {"source": "x"},
        "words": "x",
        "examples": [{"word": "-", "is": 1}],
        "formula": {"steps": [{"missing": "removed"}], "proportion": {"cells": "o"}},
    }
    with pytest.raises(ProtocolError) as caught:
        read_entry("abstinence", "mine", entry)
    (problem,) = caught.value.problems
    assert (problem.code, problem.place, problem.file) == ("P065", "mine.proportion", "abstinence.yaml")


def test_words_with_stray_letters_name_every_row() -> None:
    with pytest.raises(UsageError) as caught:
        read_words(["+-o", "+x-", "", "-?"], file="words.csv", lines=np.arange(2, 6))
    assert [(p.code, p.line) for p in caught.value.problems] == [("U601", 3), ("U601", 4), ("U601", 5)]


def test_words_of_another_length_are_refused_where_one_length_is_asked_for() -> None:
    assert read_words(["+-o", "-"]).length.tolist() == [3, 1]
    with pytest.raises(UsageError) as caught:
        read_words(["+-o", "-"], length=3, file="words.csv", lines=np.arange(2, 4))
    assert [(p.code, p.line) for p in caught.value.problems] == [("U602", 3)]


def test_patterns_read_back_as_the_words_they_were() -> None:
    words = ["+-o*_", "-", "oo+"]
    assert read_words(words).words == words
    assert Pattern.of(read_words(["+-o"]).cells).words == ["+-o"]


def test_codes_of_the_language_are_explained_once() -> None:
    from equipoise.endpoints.patterns import pattern as pattern_module
    from equipoise.protocol.checks import formulas as formula_check

    explained = {**library_module.CODES, **pattern_module.CODES, **formula_check.CODES}
    used: set[str] = set()
    for module in (library_module, pattern_module, formula_check):
        used |= set(re.findall(r'"([PU]\d{3})"', Path(str(module.__file__)).read_text(encoding="utf-8")))
    assert used == set(explained)
    assert find_definition("Rd_strain_1994--as-ctnote") is find_definition("Rd_strain_1994")
