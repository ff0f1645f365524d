"""Interim looks, stopping rules and assurance from the command line: numbers are those of the library, errors coded."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from equipoise.cli.main import app
from equipoise.design.stopping_rules import measure_rule, rules_for
from equipoise.foundation.errors import DesignError
from equipoise.workflow.looks import looks, stopping

FLAGSHIP = "ketamine-mbrp-cocaine"


def answer(*command):
    made = CliRunner().invoke(app, [*command, "--json"])
    assert made.exit_code == 0, made.output
    return json.loads(made.stdout)


def test_looks_at_a_yes_or_no_endpoint_count_the_pipeline_and_give_the_exact_level():
    said = answer("looks", FLAGSHIP, "-r", "300", "--per-week", "7", "--even", "--result-delay", "4")
    assert said["outcomes_at_looks"] == [28, 55]
    # One enters a day; an outcome is in 31 days after entry (randomized on day 2, judged to day 33) and 4 days more.
    first = said["under_the_scenario"]["looks"][0]
    assert first["day"] == pytest.approx(27 + 31 + 4)
    assert first["n_known"] == 28
    assert first["n_entered"] == 55
    assert first["n_pipeline"] == 27
    assert said["exact_size"]["largest"] == pytest.approx(0.0593, abs=5e-4)  # docs/methods/looks.md, (LK-1)
    assert said["critical_z"] == pytest.approx([2.963, 1.969], abs=1e-3)  # rpact 4.0, design with looks at 0.5 and 1
    assert said["analysis"] == "abstinence"
    assert said["under_the_scenario"]["rejected"] > 0.5
    assert said["without_effect"]["rejected"] < 0.1
    assert said["under_the_scenario"]["expected_n"] <= 55


@pytest.mark.parametrize(
    ("boundary", "parameter", "last"),
    [
        ("obrien-fleming", None, 2.004),
        ("pocock", None, 2.289),
        ("haybittle-peto", 3.0, 1.9752),
        ("kim-demets", 2.0, None),
        ("hwang-shih-decani", -4.0, None),
        ("wang-tsiatis", 0.25, None),
        ("lan-demets-pocock", None, None),
    ],
)
def test_every_boundary_named_can_be_asked_for_and_spends_the_level(boundary, parameter, last):
    run = looks(
        FLAGSHIP,
        endpoint="relapse",
        information=(1 / 3, 2 / 3, 1.0),
        boundary=boundary,
        boundary_parameter=parameter,
        replicates=20,
    )
    assert float(run.design.alpha_spent[-1]) == pytest.approx(0.05, abs=1e-6)
    if last is not None:  # classical two-sided 5 % constants at three looks
        assert float(run.design.critical_z[-1]) == pytest.approx(last, abs=1e-3)


@pytest.mark.parametrize("is_binding", [False, True])
def test_futility_is_one_sided_and_ends_trials_without_an_effect_early(is_binding):
    run = looks(
        FLAGSHIP, futility="lan-demets-obrien-fleming", information=(0.5, 1.0), is_binding=is_binding, replicates=200
    )
    assert run.design.sides == 1
    assert run.null.looks[0].futile > 0.1
    assert run.null.expected_n < run.null.n_planned
    assert run.design.is_binding == is_binding


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"information": (0.7, 0.5, 1.0)}, "D101"),
        ({"alpha_spent": (0.03, 0.06)}, "D102"),
        ({"boundary": "obrien"}, "D103"),
        ({"power": 1.5}, "D103"),
        ({"power": 0.01}, "D103"),
        ({"information": (0.01, 0.02, 1.0)}, "D104"),
        ({"endpoint": "craving", "unadjusted": True}, "D105"),
        ({"per_week": 0.0}, "D106"),
        ({"scenario": "nul"}, "D001"),
        ({"replicates": 0}, "D010"),
    ],
)
def test_looks_that_cannot_be_are_refused(asked, code):
    with pytest.raises(DesignError) as caught:
        looks(FLAGSHIP, **{"replicates": 5, **asked})
    assert [problem.code for problem in caught.value.problems] == [code]


def test_the_flagship_s_stop_at_55_of_60_is_shown_with_what_its_registry_says():
    run = stopping(FLAGSHIP)
    assert (run.n_planned, run.n_stopped) == (60, 55)
    assert run.said is not None
    assert "unnecessary" in run.said
    assert [name for name, _ in run.risks] == ["3/28", "16/55"]
    by_rule = {rule.name: rule for rule in rules_for(60, 55, test="fisher")}
    shown = {row.rule: row for row in run.rows if row.test == "fisher" and row.risk == 3 / 28}
    assert set(shown) == set(by_rule)
    assert (
        shown["significant-once"].type_one_error
        == measure_rule(by_rule["significant-once"], 3 / 28, test="fisher").type_one_error
    )
    # A stop that the rest could not have undone is the planned test; one more look is not.
    assert shown["decided"].type_one_error == pytest.approx(shown["as-planned"].type_one_error, abs=1e-12)
    assert shown["significant-once"].type_one_error > 1.3 * shown["as-planned"].type_one_error


def test_stopping_without_a_planned_number_is_refused_and_a_given_one_is_taken():
    with pytest.raises(DesignError, match="D120"):
        stopping("smoking-cessation")
    said = answer("stopping", FLAGSHIP, "--planned", "40", "--stopped", "30", "--risk", "0.3")
    assert (said["n_planned"], said["n_stopped"]) == (40, 30)
    assert all(0 < row["type_one_error"] < 0.3 for row in said["rows"])
    shown = CliRunner().invoke(app, ["stopping", FLAGSHIP, "--planned", "20", "--stopped", "16", "--risk", "0.3"])
    assert shown.exit_code == 0, shown.output
    assert "hypothetical" in shown.output


def test_assurance_answers_for_the_sizes_asked():
    said = answer("assurance", FLAGSHIP, "--sizes", "55,110")
    rows = {(row["published"], row["prior"], row["n_total"]): row["probability"] for row in said["rows"]}
    # 5.7 (1.3 to 25.1): z = log 5.7 / 0.755 = 2.30, so P(Z > 1.96 - 2.30) = 0.635 were it the truth.
    assert rows["abstinence", "published-exactly", 55] == pytest.approx(0.635, abs=0.002)
    assert rows["abstinence", "published-interval", 110] > rows["abstinence", "published-interval", 55]
    shown = CliRunner().invoke(app, ["assurance", FLAGSHIP])
    assert shown.exit_code == 0
    assert "published-interval" in shown.output
    wrong = CliRunner().invoke(app, ["assurance", FLAGSHIP, "--sizes", "1", "--json"])
    assert [problem["code"] for problem in json.loads(wrong.stdout)["problems"]] == ["D111"]
