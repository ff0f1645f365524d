"""Branching and calculations worked out by hand, and rules that must be refused by name."""

from __future__ import annotations

from datetime import datetime

import pytest

from equipoise.exchange.redcap.conditions import condition_of, logic_of, place_names
from equipoise.exchange.redcap.functions import RuleContext, moved_date
from equipoise.exchange.redcap.logic import calculated, compile_logic, shown
from equipoise.exchange.redcap.logic_text import LogicFault, Reference, parse_logic, references
from equipoise.protocol.language.conditions import parse_condition

NOW = RuleContext(frozenset({"-99"}), datetime(2026, 11, 29, 12))


def value(text: str, **values: str) -> object:
    order, act = compile_logic(parse_logic(text), NOW)
    return act([values.get(one.field, "") for one in order])


def number(text: str, **values: str) -> float | None:
    tree = parse_logic(text)
    return calculated(tree, {one: values.get(one.field, "") for one in references(tree)}, NOW)


@pytest.mark.parametrize(
    ("text", "values", "expected"),
    [
        ("-2^2", {}, -4.0),  # the minus is before the power
        ("2-3-4", {}, -5.0),
        ("8/4/2", {}, 1.0),
        ("1+2*3", {}, 7.0),
        ("round(2.675, 2)", {}, 2.68),  # as it is written, not as its binary form
        ("round(-0.5)", {}, -1.0),
        ("roundup(1.21, 1)", {}, 1.3),
        ("rounddown(-1.29, 1)", {}, -1.2),
        ("sqrt(-1)", {}, None),
        ("1/0", {}, None),
        ("(-8)^(0.5)", {}, None),
        ("mod(7, 3)", {}, 1.0),
        ("log(8, 2)", {}, 3.0),
        ("stdev(1, 2, 3)", {}, 1.0),
        ("sum([a], [b])", {}, None),
        ("sum([a], [b])", {"a": "-99", "b": "2"}, 2.0),  # a missing data code is no number to add
        ("[a] + 1", {"a": "-99"}, -98.0),  # by plain arithmetic it is a value
        ("datediff([a], [b], 'M')", {"a": "2026-01-01", "b": "2026-02-01"}, 31 / 30.44),
        ("datediff([a], [b], 'h')", {"a": "2026-01-01", "b": "2026-01-02 06:00"}, 30.0),
        ("datediff([a], [b], 'm', true)", {"a": "10:30", "b": "09:00"}, -90.0),
        ("datediff([a], 'today', 'd', 'mdy', true)", {"a": "2026-12-02"}, -3.0),
        ("age_at_date([a], [b])", {"a": "2000-02-29", "b": "2001-02-28"}, 0.0),
        ("age_at_date([a], [b])", {"a": "2000-02-29", "b": "2001-03-01"}, 1.0),
        ("age_at_date([a], [b], 1)", {"a": "2000-01-01", "b": "2001-07-03"}, 1.5),
        ("dayoftheweek('2026-11-30')", {}, 1.0),  # a Monday
        ("if([a] = '', 1, if([a] > 2, 2, 3))", {"a": "10"}, 2.0),
        ("if([a] > 2, 'many', 'few')", {"a": "10"}, None),  # no text is stored
        ("[a] > 2", {"a": "10"}, None),  # nor a truth
        ("# a remark\n[a]\n// another\n* 2", {"a": "1.5"}, 3.0),
    ],
)
def test_calculations(text: str, values: dict[str, str], expected: float | None) -> None:
    found = number(text, **values)
    assert found == (None if expected is None else pytest.approx(expected, rel=1e-12))


@pytest.mark.parametrize(
    ("text", "values", "expected"),
    [
        ("mid('abcdef', 2, 3)", {}, "bcd"),
        ("right('abc', 2)", {}, "bc"),
        ("concat_ws('-', [a], [b], 'z')", {"b": "y"}, "y-z"),
        ("find('B', 'abc')", {}, 2.0),
        ("replace_text('a-b', '-', '+')", {}, "a+b"),
        ("hasmissingcode([a], '-98, -99')", {"a": "-99"}, True),
        ("isblanknotmissingcode([a])", {"a": "-99"}, False),
        ("[a] = '01'", {"a": "1"}, True),  # both read as numbers
        ("[a] = 'A'", {"a": "a"}, False),  # texts compare exactly
        ("[a] < [b]", {"a": "2026-02-01", "b": "2026-10-01"}, True),
        ("[a] < 'today'", {"a": "2026-11-28"}, True),
        ("[a] = 'now'", {"a": "now"}, True),  # a code, not the moment
        ("[a] < 5", {}, False),
        ("[a] >= 'abc'", {"a": "abd"}, False),
    ],
)
def test_texts_and_truths(text: str, values: dict[str, str], expected: object) -> None:
    assert value(text, **values) == expected


def test_dates_are_moved_by_days_and_over_the_end_of_a_month() -> None:
    assert moved_date("2026-02-27", "7", "d", NOW) == "2026-03-06"
    assert moved_date("2026-01-31", "1", "M", NOW) == "2026-03-03"
    assert moved_date("2026-01-31 10:00", "36", "h", NOW) == "2026-02-01 22:00"
    assert moved_date("", "7", "d", NOW) == ""


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("not [a] = 1", "R340"),
        ("[a] = ", "R340"),
        ("[a] = 'x", "R340"),
        ("[a] = “1”", "R340"),
        ("[a] = 1 = 2", "R340"),
        ("a = 1", "R340"),
        ("(" * 300 + "1" + ")" * 300, "R340"),
        (" or ".join(["[a] = 1"] * 5000), "R340"),
        ("median()", "R341"),
        ("rnd([a])", "R341"),
        ("if([a] = 1, 2)", "R341"),
        ("[user-name] = 'x'", "R342"),
        ("[a:label] = 'x'", "R342"),
        ("[survey-date-completed:baseline][a] = 1", "R342"),
        ("[x][y][z] = 1", "R340"),
        ("", "R340"),
    ],
)
def test_rules_that_are_refused_by_name(text: str, code: str) -> None:
    with pytest.raises(LogicFault) as caught:
        parse_logic(text)
    assert caught.value.code == code


def test_a_reference_says_event_field_code_and_instance() -> None:
    (one,) = references(parse_logic("[week_1_arm_1][drug(-1)][last-instance] = 1"))
    assert one == Reference("drug", "-1", "week_1_arm_1", "last-instance")
    assert str(one) == "[week_1_arm_1][drug(-1)][last-instance]"
    assert references(parse_logic("[event-name] = 'x'")) == (Reference(smart="event-name"),)


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        ("[a] = '1'", "a = 1"),
        ("1 <= [a] and ([b] = 2 or [c] > 3)", "a >= 1 and b = 2 or a >= 1 and f.c > 3"),
        ("[box(1)] = '0'", "box___1 = 0"),
        ("[box(1)] <> '1'", "box___1 = 0"),
        ("[a] <> 2 and [a] <> ''", "a != 2"),
        ("[a] <> 2", None),  # holds for blank, and the language's != does not
        ("[a] <> ''", None),
        ("[a] = ''", None),
        ("[a] = 'x'", None),
        ("[a] + 1 = 2", None),
        ("[other][a] = 1", None),
        ("[later] = 1", None),
        ("contains([a], 'x')", None),
    ],
)
def test_conditions_are_written_where_they_say_the_same(text: str, condition: str | None) -> None:
    items = {"a": "here", "b": "here", "c": "f", "box___1": "here", "later": "here"}
    named = place_names(items, "here", frozenset({"a", "b", "box___1"}))
    assert condition_of(parse_logic(text), named) == condition


@pytest.mark.parametrize("text", ["[a] = 1", "[a] <> 1 and [a] <> ''", "[a] < 3 or [b] >= 2 and [a] = 0", "2 > [b]"])
def test_a_condition_holds_exactly_where_its_rule_does(text: str) -> None:
    tree = parse_logic(text)
    said = condition_of(tree, place_names({"a": "f", "b": "f"}, "f", frozenset({"a", "b"})))
    assert said is not None
    condition = parse_condition(said)
    for a in ("", "0", "1", "2", "3"):
        for b in ("", "1", "2"):
            held = shown(tree, {Reference("a"): a, Reference("b"): b}, NOW)
            assert condition.holds({"a": a, "b": b}) == held, (text, a, b)


@pytest.mark.parametrize("said", ["a = 1", "a != 1", "a < 2 or b in 1..2", "a >= 1 and b != 2"])
def test_branching_that_goes_out_holds_exactly_where_the_condition_does(said: str) -> None:
    condition = parse_condition(said)
    logic = logic_of(condition, {"a": "a", "b": "b"}.get)
    assert logic is not None
    for a in ("", "0", "1", "2", "3"):
        for b in ("", "1", "2"):
            held = shown(parse_logic(logic), {Reference("a"): a, Reference("b"): b}, NOW)
            assert condition.holds({"a": a, "b": b}) == held, (said, a, b)


def test_conditions_that_have_no_branching_logic() -> None:
    for said in ("a", "f.a = 1", "a > f.b"):
        assert logic_of(parse_condition(said), {"a": "a"}.get) is None
