"""One way to write a value down: fixed vectors, so that a ledger can be verified by another program in ten years."""

from __future__ import annotations

import hashlib
import json
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from equipoise.conduct.audit_trail.canonical import (
    body_of,
    canonical,
    chained,
    digest_of,
    genesis,
    linked,
    plain,
    prepared,
    written,
)

# Written by hand from the rules in the module's docstring.
VECTORS = [
    ({"b": 1, "a": "x"}, '{"a":"x","b":1}'),
    ({"dose": Decimal("41.20")}, '{"dose":"41.20"}'),
    ({"on": date(2027, 1, 11), "yes": True, "none": None}, '{"none":null,"on":"2027-01-11","yes":true}'),
    (["Zu\u0308rich"], '["Z\u00fcrich"]'),  # a letter and its mark are one letter
    (["\n\u0301"], '["\\n\u0301"]'),  # and a mark after a line break is not the mark of the letter that escapes it
    ({"s": {"b", "a"}}, '{"s":["a","b"]}'),
]


@pytest.mark.parametrize(("value", "text"), VECTORS)
def test_values_have_one_text(value: object, text: str) -> None:
    assert canonical(value) == text


@pytest.mark.parametrize("value", [0.5, {"x": 1.0}, [float("nan")], Decimal("NaN"), object(), b"x"])
def test_floats_and_strangers_are_refused(value: object) -> None:
    with pytest.raises(TypeError):
        canonical(value)


def test_hashes_are_those_of_the_specification() -> None:
    # SHA-256 of the texts written out here, by hashlib alone.
    first = hashlib.sha256(b"equipoise 1\nopen\nt\ntraining\n00").hexdigest()
    assert genesis("open", "t", "training", "00") == first
    body = hashlib.sha256(b'["1","a"]').hexdigest()
    assert body_of((1, "a")) == body
    assert linked(first, body) == hashlib.sha256(f"{first}\n{body}".encode()).hexdigest()
    assert chained(first, (1, "a")) == linked(first, body)
    assert digest_of("s", "why", "{}") == hashlib.sha256(b"1 3 2\nswhy{}").hexdigest()


def test_words_do_not_move_between_fields_unseen() -> None:
    # the text of what happened moved to the end of the reason is another digest
    assert digest_of("s", "late", '{"a":1}') != digest_of("s", 'late\n{"a":1}', "")
    assert body_of(("a", 'b","c')) != body_of(("a", "b", "c"))


@given(st.lists(st.text(alphabet=st.sampled_from('ab"\\,\n\u00e9\u2028\x7f'), max_size=5), min_size=1, max_size=4))
def test_a_body_is_the_hash_of_a_json_list(fields: list[str]) -> None:
    text = json.dumps(fields, separators=(",", ":"), ensure_ascii=False)
    assert body_of(fields) == hashlib.sha256(text.encode()).hexdigest()


_leaves = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 5), st.text(max_size=4), st.sampled_from(["e\u0301", "\n\u0301"])
)
_values = st.recursive(
    _leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(_values)
def test_the_fast_way_and_the_plain_way_write_the_same(value: object) -> None:
    content, text = prepared(value)
    assert (content, text) == (plain(value), written(plain(value)))
    assert json.loads(text) == content
