"""Canonical hashing, and problems as people and machines read them."""

from __future__ import annotations

import hashlib
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from equipoise.foundation.errors import (
    EquipoiseError,
    Problem,
    ProtocolError,
    UsageError,
    listed,
    nearest,
    raise_if_any,
)
from equipoise.foundation.hashing import canonical_json, sha256_text, sha256_value

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda v: st.lists(v, max_size=3) | st.dictionaries(st.text(max_size=4), v, max_size=3),
    max_leaves=8,
)


def test_the_canonical_form_is_sorted_tight_and_keeps_unicode() -> None:
    assert canonical_json({"b": [1, 2.5, None], "a": "µ"}) == '{"a":"µ","b":[1,2.5,null]}'
    assert canonical_json(Decimal("0.50")) == '"0.50"'
    assert canonical_json({"c", "a"}) == '["a","c"]'


def test_the_hash_is_that_of_the_standard_library() -> None:
    assert sha256_text("abc") == hashlib.sha256(b"abc").hexdigest()
    # FIPS 180-4, example of one block.
    assert sha256_text("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


@given(st.dictionaries(st.text(max_size=4), JSON, max_size=5))
def test_the_order_of_keys_does_not_matter_and_the_values_do(value: dict[str, Any]) -> None:
    assert sha256_value(dict(reversed(value.items()))) == sha256_value(value)
    assert sha256_value({**value, "another key": 1}) != sha256_value(value)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {"a": -float("inf")}])
def test_what_is_no_number_has_no_canonical_form(value: Any) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical_json(value)


def test_an_object_without_a_canonical_form_is_refused() -> None:
    with pytest.raises(TypeError, match="object has no canonical form"):
        canonical_json(object())


def test_a_problem_reads_as_place_found_expected_next() -> None:
    problem = Problem(
        "P014", 'schedule["week 12"]', "The window ends on day 90.", "day 84", "Narrow it.", "trial.yaml", 41
    )
    assert problem.render() == (
        'trial.yaml:41  P014  schedule["week 12"]\n  The window ends on day 90.\n  Expected day 84.\n  Narrow it.'
    )
    assert problem.as_dict()["line"] == 41
    assert Problem("U001", "--seed", "No seed.").render() == "U001  --seed\n  No seed."
    assert Problem("R001", "urine", "x").at("a.csv", None).render().startswith("a.csv  R001  urine")


def test_all_problems_are_raised_at_once_in_the_order_of_the_file() -> None:
    problems = [Problem("P002", "b", "second", file="f", line=9), Problem("P001", "a", "first", file="f", line=2)]
    with pytest.raises(ProtocolError) as caught:
        raise_if_any(ProtocolError, problems)
    assert [problem.line for problem in caught.value.problems] == [2, 9]
    assert str(caught.value).index("first") < str(caught.value).index("second")
    raise_if_any(ProtocolError, [])


def test_every_family_leaves_with_an_exit_code_of_its_own() -> None:
    codes = [kind.exit_code for kind in EquipoiseError.__subclasses__()]
    assert len(set(codes)) == len(codes)
    assert UsageError(Problem("U001", "x", "y")).exit_code == 2


def test_names_are_listed_as_people_list_them() -> None:
    assert [listed([]), listed("a"), listed("ab"), listed("abc", conjunction="and")] == [
        "nothing",
        "a",
        "a or b",
        "a, b and c",
    ]
    assert listed(range(20), limit=3) == "0, 1, 2 and 17 more"


def test_the_nearest_name_is_close_or_absent() -> None:
    assert nearest("ketamin", ["midazolam", "ketamine"]) == "ketamine"
    assert nearest("placebo", ["midazolam", "ketamine"]) is None


def test_the_first_words_of_one_name_only_are_that_name() -> None:
    assert nearest("rmst", ["logistic", "rmst-difference", "cox"]) == "rmst-difference"
    assert nearest("risk", ["risk-difference", "risk-ratio"]) is None
    assert nearest("rm", ["rmst-difference"]) is None
    assert nearest("", ["rmst-difference"]) is None
