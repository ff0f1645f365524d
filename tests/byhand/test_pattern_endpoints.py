"""Endpoints of kind pattern, solved by hand: the letters a trial's records make, and what definitions make of them.

Flagship: clinic visits on study days 9, 12, 16, 19, 23, 26, 30, 33. Weeks from day 6: days 6 to 12 (visits 9 and 12),
13 to 19 (16, 19), 20 to 26 (23, 26), 27 to 33 (30, 33).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import equipoise
from equipoise.endpoints import derive_endpoint, read_lattice
from equipoise.endpoints.patterns.from_records import pattern_of, with_missing_rule
from equipoise.foundation.errors import ProtocolError
from equipoise.protocol import Protocol, read_protocol_text
from equipoise.protocol.language.analysis import AssuranceCase
from equipoise.protocol.language.formula import Formula
from equipoise.workflow.cases import obtained, records_of_case
from equipoise.workflow.checks import check_protocol

FLAGSHIP = Path(equipoise.__file__).parent / "protocols" / "ketamine-mbrp-cocaine.yaml"
ADDED = """endpoints:
  weeks-negative:
    kind: pattern
    words: share of weeks negative by urine, a missing week in the denominator
    use: urine-alone
    cells: weeks
    days: 6..33
    definition: Rd_fiellin_2006
    gives: number
  run-of-weeks:
    kind: pattern
    words: three consecutive negative weeks
    use: urine-alone
    cells: weeks
    days: 6..33
    definition: Ab_kosten_1993
    gives: binary
  first-positive-visit:
    kind: pattern
    words: time to the first visit with use
    use: cocaine
    cells: visits
    at: clinic-visit
    formula:
      steps: [{missing: is-use-after-dropout}]
      time-to: {cells: "+"}
  two-weeks-of-use:
    kind: pattern
    words: time to two consecutive weeks of use
    use: urine-alone
    cells: weeks
    days: 6..33
    formula:
      steps: [{missing: is-use}]
      time-to: {cells: "+", at-least: 2}
  longest:
    kind: pattern
    words: longest run of days without use
    use: cocaine
    cells: days
    days: 6..33
    definition: longest-abstinence-in-days
    gives: number
  by-urine-or-days:
    kind: pattern
    words: two consecutive weeks of use, or seven days told in a row
    use: urine-alone
    cells: weeks
    days: 6..33
    beside:
      told: {use: told-alone, cells: days, days: 6..33}
    formula:
      first-of:
        - steps: [{missing: is-use}]
          time-to: {cells: "+", at-least: 2}
        - on: told
          time-to: {cells: "+", at-least: 7}
"""
FIELLIN = """use: urine-alone
    cells: weeks
    days: 6..33
    definition: Rd_fiellin_2006
    gives: number"""
USES = """use:
  urine-alone: {words: by urine, substances: [cocaine], by: [urine], status: assumed, basis: a test}
  told-alone: {words: as told, substances: [cocaine], by: [self-report], status: assumed, basis: a test}
"""


def text_with(endpoints: str) -> str:
    text = FLAGSHIP.read_text(encoding="utf-8")
    return text.replace("\nuse:\n", f"\n{USES}", 1).replace("\nendpoints:\n", f"\n{endpoints}", 1)


@pytest.fixture(scope="module")
def protocol() -> Protocol:
    return read_protocol_text(text_with(ADDED))


def lattice_of(protocol: Protocol, word: str, use_days: tuple[str, ...] = (), **more: Any) -> Any:
    case = AssuranceCase.model_validate(
        {
            "name": "drawn",
            "visits": {"clinic-visit": word},
            "use-days": list(use_days),
            "expect": {"longest": 0},
            **more,
        }
    )
    return read_lattice(protocol, records_of_case(protocol, case))


def value(protocol: Protocol, endpoint: str, word: str, use_days: tuple[str, ...] = (), **more: Any) -> Any:
    missed = more.pop("missed", None)
    return obtained(derive_endpoint(lattice_of(protocol, word, use_days, **more), endpoint, missed=missed))


@pytest.mark.parametrize(
    ("visits", "weeks"),
    [
        # 9 12 | 16 19 | 23 26 | 30 33
        ("--------", "----"),
        ("-+------", "*---"),  # both in one week, by urine alone
        ("++--oo-o", "+-o-"),
        ("++--____", "+-__"),  # no visit was due: not missing
        ("oooooooo", "oooo"),
    ],
)
def test_weeks_are_read_from_urine(protocol: Protocol, visits: str, weeks: str) -> None:
    endpoint = protocol.model.endpoints["weeks-negative"]
    assert endpoint.kind == "pattern"
    source = endpoint.model_copy(update={"at": "clinic-visit"})
    assert pattern_of(lattice_of(protocol, visits), source).words == [weeks]


def test_a_day_of_use_told_makes_the_week_positive(protocol: Protocol) -> None:
    endpoint = protocol.model.endpoints["weeks-negative"]
    assert endpoint.kind == "pattern"
    source = endpoint.model_copy(update={"use": "cocaine"})
    assert pattern_of(lattice_of(protocol, "--------", ("14",)), source).words == ["-+--"]


def test_shares_and_runs_of_weeks(protocol: Protocol) -> None:
    # Weeks + - o -: two of four weeks are negative, and no three in a row.
    assert value(protocol, "weeks-negative", "++--oo--") == 0.5
    assert value(protocol, "run-of-weeks", "++--oo--") is False
    assert value(protocol, "run-of-weeks", "++------") is True
    # Week 1 is mixed and counts half: 3.5 of 4.
    assert value(protocol, "weeks-negative", "-+------") == 0.875


def test_times_are_days_from_the_beginning_of_the_pattern(protocol: Protocol) -> None:
    # The third visit is on day 16, 8 days after the day (8) before the first visit (9).
    assert value(protocol, "first-positive-visit", "--+-----") == {"event": True, "time": 8}
    # Gone from the fifth visit (day 23): use there, 15 days on. A gap before the last visit is none.
    assert value(protocol, "first-positive-visit", "----oooo") == {"event": True, "time": 15}
    assert value(protocol, "first-positive-visit", "--o-----") == {"event": False, "time": 25}
    # Weeks 2 and 3 hold use: the first of them begins on the eighth day. Without, four weeks are 28 days.
    assert value(protocol, "two-weeks-of-use", "--++++--") == {"event": True, "time": 8}
    # Week 3 holds both and is mixed, which is not two weeks of use.
    assert value(protocol, "two-weeks-of-use", "--+++---") == {"event": False, "time": 28}
    assert value(protocol, "two-weeks-of-use", "--++----") == {"event": False, "time": 28}


def test_days_use_every_source(protocol: Protocol) -> None:
    # Asked about every day to day 33; use on day 10: days 6 to 9 are four days, 11 to 33 are 23.
    assert value(protocol, "longest", "--------", ("10",)) == 23


def test_the_earliest_of_weeks_and_days_counts_in_days(protocol: Protocol) -> None:
    # Seven days told, 11 to 17: the sixth day of the pattern. Weeks 3 and 4 of use begin on its day 15.
    assert value(protocol, "by-urine-or-days", "----++++", ("11..17",)) == {"event": True, "time": 6}
    assert value(protocol, "by-urine-or-days", "----++++") == {"event": True, "time": 15}
    assert value(protocol, "by-urine-or-days", "--------") == {"event": False, "time": 28}


def test_another_rule_for_missed_cells_replaces_the_definitions_own(protocol: Protocol) -> None:
    # Weeks - o o -: by its own rule two weeks of use from week 2; left open, none.
    assert value(protocol, "two-weeks-of-use", "--oooo--") == {"event": True, "time": 8}
    assert value(protocol, "two-weeks-of-use", "--oooo--", missed="is-no-use") == {"event": False, "time": 28}
    assert value(protocol, "weeks-negative", "--oooo--", missed="is-no-use") == 1.0
    nested = Formula.model_validate(
        {
            "all": [
                {"steps": [{"missing": "is-use"}], "contains": {"any-of": ["-"]}},
                {"longest-run": {"cells": "-"}, "at-least": 2},
            ]
        }
    )
    changed = with_missing_rule(nested, "is-no-use")
    assert changed.all_ is not None
    assert [step.missing for step in changed.all_[0].steps] == ["is-no-use"]
    assert changed.all_[1] == nested.all_[1]


def test_nobody_never_seen_succeeds(protocol: Protocol) -> None:
    derived = derive_endpoint(
        lattice_of(protocol, "oooooooo", **{"asked-days": "1..1"}), "weeks-negative", missed="is-no-use"
    )
    assert derived.value is not None
    assert np.isnan(derived.value[0])
    assert derived.warnings == ("never-seen-has-no-value",)


@pytest.mark.parametrize(
    ("old", "new", "code", "said"),
    [
        (FIELLIN, FIELLIN.replace("fiellin", "felin"), "P063", "Did you mean"),
        (FIELLIN, FIELLIN.replace("Rd_fiellin_2006", "Ab_kosten_1993"), "P062", "binary"),
        (FIELLIN, FIELLIN.replace("Rd_fiellin_2006", "Rd_haight_2019"), "P060", "4 cells"),
        (FIELLIN, FIELLIN.replace("Rd_fiellin_2006", "proportion-of-days-abstinent"), "P064", "over days"),
        (FIELLIN, FIELLIN.replace("6..33", "6..30"), "P060", "weeks are tiled whole"),
        (FIELLIN, FIELLIN.replace("6..33", "6..2500"), "P022", "outside"),
        (FIELLIN, FIELLIN.replace("urine-alone", "urin"), "P020", "urin"),
        ("substances: [cocaine], by: [urine]", "substances: [heroin], by: [urine]", "P026", "heroin"),
        ("[{missing: is-use-after-dropout}]", "[{missing: is-use}, {missing: locf}]", "P061", "settled"),
        ("at-least: 2}\n  longest", "at-least: 9}\n  longest", "P060", "9 cells"),
        ("- on: told", "- on: diary", "P064", "diary"),
        ('time-to: {cells: "+"}', 'time-to: {cells: "p"}', "P015", "'p' holds 'p'"),
        ("    cells: visits\n    at: clinic-visit\n", "    cells: visits\n", "P015", "series"),
        ("    gives: binary\n", "", "P015", "gives"),
    ],
)
def test_an_endpoint_that_cannot_be_derived_is_refused_with_its_line(
    tmp_path: Path, old: str, new: str, code: str, said: str
) -> None:
    text = text_with(ADDED)
    broken = text.replace(old, new, 1)
    assert broken != text
    file = tmp_path / "broken.yaml"
    file.write_text(broken, encoding="utf-8")
    found = [problem for problem in check_protocol(file).problems if problem.code == code]
    assert found, [problem.render() for problem in check_protocol(file).problems]
    assert any(said in problem.render() for problem in found), [problem.render() for problem in found]
    assert all(problem.line for problem in found)


def test_the_protocol_with_definitions_over_patterns_has_no_problem(tmp_path: Path) -> None:
    file = tmp_path / "right.yaml"
    file.write_text(text_with(ADDED), encoding="utf-8")
    assert [problem.render() for problem in check_protocol(file).problems] == []


def test_estimators_go_by_what_the_formula_comes_to() -> None:
    text = text_with(ADDED)
    estimand = "\nestimands:\n  longest: {endpoint: longest, treatments: ketamine v midazolam, summary: hazard-ratio}\n"
    with pytest.raises(ProtocolError) as caught:
        read_protocol_text(text.replace("\nestimands:\n", estimand, 1))
    assert [problem.code for problem in caught.value.problems] == ["P028"]
