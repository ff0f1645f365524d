"""What a running trial refuses: codes that no other test names, from one trial in which nobody has gone far."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from equipoise.conduct.entropy import SeededEntropy
from equipoise.conduct.keys.vault import LENGTH, Vault
from equipoise.conduct.rules.adverse_events import ReportDeadline, overdue
from equipoise.conduct.rules.dates import check_clock
from equipoise.foundation.errors import EquipoiseError

NOON = datetime(2027, 1, 31, 12, tzinfo=UTC)
# who, action, arguments, code, what it says
REFUSED: list[tuple[str, str, dict[str, Any], str, str]] = [
    ("alice", "add-site", {"site": "north", "zone": "Mars/Phobos"}, "C101", "There is no time zone 'Mars/Phobos'."),
    ("alice", "add-account", {"account": "gus", "person": "Gus", "roles": ["gardener"]}, "C111", "no role gardener"),
    (
        "alice",
        "add-account",
        {"account": "gus", "person": "Gus", "roles": ["monitor"], "sites": ["south"]},
        "C111",
        "There is no site south.",
    ),
    (
        "carol",
        "screen",
        {"participant": "Q-1", "site": "main", "result": "maybe"},
        "C121",
        "'maybe' is not a result of screening.",
    ),
    (
        "carol",
        "screen",
        {"participant": "Q-1", "site": "main", "result": "declined"},
        "C121",
        "No reason is given: declined.",
    ),
    ("carol", "consent", {"participant": "P-1", "version": " "}, "C123", "is not named"),
    ("alice", "acknowledge-clock", {}, "C538", "It is not behind the last event."),
]


def codes_of(call: Any) -> dict[str, str]:
    with pytest.raises(EquipoiseError) as refused:
        call()
    return {problem.code: problem.render() for problem in refused.value.problems}


def test_actions_are_refused_with_their_codes(staged: Any) -> None:
    trial = staged()
    trial.do("carol", "screen", participant="P-1", site="main")
    for who, action, given, code, says in REFUSED:
        found = codes_of(lambda who=who, action=action, given=given: trial.do(who, action, why="asked", **given))
        assert says in found.get(code, ""), (action, found)


def test_a_clock_that_is_five_minutes_behind_may_go_on_and_one_second_more_may_not() -> None:
    at = NOON - timedelta(minutes=5)
    assert check_clock(at, NOON) == []
    assert [problem.code for problem in check_clock(at - timedelta(seconds=1), NOON)] == ["C537"]
    assert check_clock(at, None) == []


def test_a_report_at_its_deadline_is_in_time_and_a_second_later_overdue() -> None:
    import dataclasses

    fields = {field.name: "" for field in dataclasses.fields(ReportDeadline)}
    due = ReportDeadline(**{**fields, "clock": "serious", "to": "the sponsor", "due": NOON})
    assert overdue([due], (), NOON) == []
    late = overdue([due], (), NOON + timedelta(seconds=1))
    assert [(problem.code, problem.expected) for problem in late] == [("C551", "a report to the sponsor")]
    assert overdue([due], ("serious",), NOON + timedelta(days=1)) == []


def test_a_sealed_entry_opens_in_its_own_place_alone_and_holds_so_much() -> None:
    vault = Vault(b"k" * 32, trial="t", mode="training", instance="i")
    entropy = SeededEntropy("1")
    sealed = vault.seal("slot a", {"arm": "x"}, entropy)
    assert vault.open("slot a", sealed) == {"arm": "x"}
    assert "C041" in codes_of(lambda: vault.open("slot b", sealed))
    assert "C041" in codes_of(lambda: vault.open("slot a", "no base64"))
    longest = "x" * (LENGTH - len('{"a":""}'))
    assert vault.open("p", vault.seal("p", {"a": longest}, entropy)) == {"a": longest}
    assert f"at most {LENGTH}" in codes_of(lambda: vault.seal("p", {"a": longest + "x"}, entropy))["C042"]
