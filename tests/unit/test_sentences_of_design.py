"""What designs and endpoints say, word for word: tables of a call and its sentence."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import equipoise
from equipoise.design.assurance import split
from equipoise.design.operating import check_request
from equipoise.design.size_search import chosen_line
from equipoise.design.stopping_rules import rules_for
from equipoise.endpoints.patterns.explain import Drawn, spell_value
from equipoise.endpoints.patterns.library import read_entry, require_definition
from equipoise.foundation.errors import EquipoiseError
from equipoise.foundation.seeds import MAX_SEED


def test_every_rule_says_what_it_does() -> None:
    assert {rule.name: rule.words for rule in rules_for(40, 36)} == {
        "as-planned": "one test, at 40",
        "unrelated": "one test, at 36; stopped for a reason that has nothing to do with results",
        "decided": "stop at 36 only if no outcome of the rest could change the verdict at 40",
        "nearly-decided": "stop at 36 and claim if significant there and significance at 40 is 90% likely; "
        "stop without claim if it is less than 10% likely",
        "significant-once": "stop at 36 if significant there, else test at 40",
        "quarters": "the same, with earlier looks at 10, 20, 30",
        "last-few": "look after every participant from 31 on, stop when significant",
        "second-half": "look after every participant from 20 on, stop when significant",
    }


def test_looks_of_each_rule_and_earlier_looks_that_come_too_late_are_left_out() -> None:
    looks = {rule.name: rule.looks for rule in rules_for(40, 36)}
    assert looks["quarters"] == (10, 20, 30, 36, 40)
    assert looks["last-few"] == tuple(range(31, 41))
    assert looks["second-half"] == tuple(range(20, 41))
    assert {rule.name: rule.looks for rule in rules_for(40, 20)}["quarters"] == (10, 20, 40)


@pytest.mark.parametrize(
    ("replicates", "seed", "precision", "expected"),
    [
        (1, 0, None, []),
        (MAX_SEED, MAX_SEED, 0.49, []),
        (0, 1, None, ["a whole number of 1 or more"]),
        (True, 1, None, ["a whole number of 1 or more"]),
        (MAX_SEED + 1, 1, None, ["a whole number of 1 or more"]),
        (1, -1, None, [f"a whole number from 0 to {MAX_SEED}"]),
        (1, MAX_SEED + 1, None, [f"a whole number from 0 to {MAX_SEED}"]),
        (1, 1, 0, ["half the width of a 95% interval for power, above 0 and below 0.5"]),
        (1, 1, 0.5, ["half the width of a 95% interval for power, above 0 and below 0.5"]),
    ],
)
def test_numbers_of_a_run_at_their_ends(
    replicates: Any, seed: int, precision: float | None, expected: list[str]
) -> None:
    assert [problem.expected for problem in check_request(replicates, seed, precision)] == expected


@pytest.mark.parametrize(
    ("total", "published", "expected"),
    [
        (40, (20, 20), (20, 20)),
        (30, (10, 20), (10, 20)),
        (2, (1, 99), (1, 1)),
        (2, (99, 1), (1, 1)),
        (5, (1, 99), (1, 4)),
    ],
)
def test_a_replication_is_split_as_published_with_one_an_arm(
    total: int, published: tuple[int, int], expected: tuple[int, int]
) -> None:
    assert split(total, *published) == expected


SAID: list[tuple[Callable[[], Any], str, str]] = [
    (lambda: require_definition("no-such"), "U605", "The library has no definition 'no-such'."),
    (lambda: read_entry("relapse", "mine", {"formula": 3}), "P065", "mine"),
    (
        lambda: chosen_line(equipoise.read_protocol("kare"), "abstinnce"),
        "D132",
        "The plan has no analysis 'abstinnce'.",
    ),
]


@pytest.mark.parametrize(("call", "code", "says"), SAID, ids=[code for _, code, _ in SAID])
def test_a_refusal_says_what_was_found(call: Callable[[], Any], code: str, says: str) -> None:
    with pytest.raises(EquipoiseError) as refused:
        call()
    assert {problem.code for problem in refused.value.problems} == {code}
    assert any(says in problem.render() for problem in refused.value.problems)


def test_values_of_a_definition_as_people_read_them() -> None:
    class Of:
        def __init__(self, type: str, unit: str | None) -> None:
            self.type, self.unit = type, unit

    def spelled(type: str, unit: str | None, value: Any, event: Any = None) -> str:
        return spell_value(Of(type, unit), Drawn({}, value, event, {}))  # type: ignore[arg-type]

    assert spelled("binary", None, 1.0) == "yes"
    assert spelled("binary", None, 0.0) == "no"
    assert spelled("binary", None, None) == "no value"
    assert spelled("time-to-event", "weeks", 4.0, True) == "week 4, event"
    assert spelled("time-to-event", "weeks", 4.0, False) == "week 4, no event (censored)"
    assert spelled("count", "weeks", 0.0) == "0 weeks"
    assert spelled("count", "proportion", 0.25) == "0.25"
