"""Cox regression with strata, from the words of a plan, against R 4.2.2, survival 3.5-3.

Script: tests/reference/cox_strata_plan/make.R; the rows it drew are beside it. R printed twelve digits.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "spec"))
from outcome_trial import records_of, text_of

from equipoise.analysis.results import Results
from equipoise.protocol import read_protocol_text
from equipoise.records import Records
from equipoise.workflow.checks import check_protocol
from equipoise.workflow.power import power
from equipoise.workflow.verbs import analyse

ROWS = pl.read_csv(Path(__file__).parent / "cox_strata_plan" / "rows.csv")
RELAPSE = "{kind: time-to-event, words: days to relapse, time-zero: day 1, until: day 85, first-of: [{event: relapse}]}"


def text(options: str = "strata: [sex]", estimator: str = "cox") -> str:
    found = text_of(RELAPSE, "hazard-ratio", estimator).replace("0.05}", f"0.05, {options}}}")
    found = found.replace("{female: 30, male: 34}", "{female: 30, male: 34, other: 32}")
    return found.replace("levels: [female, male]}", "levels: [female, male, other]}\n  age: {type: number}")


def records(rows: pl.DataFrame = ROWS) -> Records:
    people = {
        str(n): {
            "sex": row["sex"],
            "events": [("relapse", row["time"] + 1, True)] if row["event"] else [],
            "left": [("completion", 85)],
        }
        for n, row in enumerate(rows.iter_rows(named=True))
    }
    made = records_of(people)
    table = made.tables["participants"].with_columns(pl.Series("age", rows["age"].to_list()).cast(pl.Float64))
    return Records({**made.tables, "participants": table}, made.source)


def fit(options: str = "strata: [sex]", rows: pl.DataFrame = ROWS) -> Results:
    return analyse(read_protocol_text(text(options)), records(rows))


@pytest.mark.parametrize(
    ("options", "coefficient", "standard_error"),
    [
        ("strata: [sex]", -0.244523108266, 0.392465798033),
        ("strata: [sex], ties: breslow", -0.267273571699, 0.393583596627),
        ("strata: [sex], covariates: [age]", -0.260477481195, 0.433973001958),
    ],
)
def test_the_ratio_within_strata(options: str, coefficient: float, standard_error: float) -> None:
    found = fit(options)["it"]
    assert np.log(found.estimate) == pytest.approx(coefficient, rel=1e-8)
    assert found.standard_error == pytest.approx(standard_error, rel=1e-8)
    assert found.method.endswith("stratified by sex")
    assert found.n_analysed == 40


def test_proportional_hazards_are_tested_within_strata() -> None:
    details = fit()["it"].details
    assert details["proportional_hazards_statistic"] == pytest.approx(3.6615904657689, rel=1e-8)
    assert details["proportional_hazards_p_value"] == pytest.approx(0.0556804571105, rel=1e-7)


def test_an_arm_without_events_has_the_profile_limit_within_strata() -> None:
    none = ROWS.with_columns(event=pl.when(pl.col("arm") == 1).then(0).otherwise(pl.col("event")))
    found = fit(rows=none)["it"]
    assert found.estimate == 0.0
    assert found.ci_upper == pytest.approx(0.06461486248, rel=1e-6)
    assert found.statistic == pytest.approx(31.3861368932, rel=1e-8)


def test_what_must_not_change_the_answer() -> None:
    """A level that nobody has, the order of levels, another order of people within arms."""
    main = fit()["it"]
    turned = text().replace("[female, male, other]", "[male, other, female]")
    assert analyse(read_protocol_text(turned), records())["it"].estimate == pytest.approx(main.estimate, rel=1e-12)
    order = np.concatenate([np.arange(20)[::-1], 20 + np.arange(20)[::-1]]).tolist()
    assert fit(rows=ROWS[order])["it"].estimate == pytest.approx(main.estimate, rel=1e-12)
    # Everybody in one stratum is no stratum.
    one = ROWS.with_columns(sex=pl.lit("female"))
    alone = fit("ci-level: 0.95", rows=one)["it"].estimate
    assert fit(rows=one)["it"].estimate == pytest.approx(alone, rel=1e-12)
    assert abs(np.log(alone / main.estimate)) > 0.01


def test_who_has_no_stratum_is_counted_as_missing() -> None:
    made = records()
    table = made.tables["participants"].with_columns(
        sex=pl.when(pl.col("participant_id") == "P01").then(None).otherwise(pl.col("sex"))
    )
    found = analyse(read_protocol_text(text()), Records({**made.tables, "participants": table}, made.source))["it"]
    assert (found.n_analysed, found.n_missed) == (39, 1)


def test_replicates_are_fitted_within_their_own_strata() -> None:
    whole = text() + (
        "assumptions:\n  it: {words: fewer relapses, n: {usual: 60, active: 60},\n"
        "       simple: {it: {hazard: 0.012 per day, ratio: {active: 0.4}}}}\n"
    )
    rows = {
        options: next(
            row.median
            for row in power(read_protocol_text(whole.replace("strata: [sex]", options)), replicates=40, seed=3)
            .cells[0]
            .rows
            if row.row.id == "it"
        )
        for options in ("strata: [sex]", "ci-level: 0.95")
    }
    assert rows["strata: [sex]"] == pytest.approx(rows["ci-level: 0.95"], abs=0.04)
    assert rows["strata: [sex]"] != rows["ci-level: 0.95"]


@pytest.mark.parametrize(
    ("options", "estimator", "code"),
    [
        ("strata: [age]", "cox", "P037"),
        ("strata: [sex], covariates: [sex]", "cox", "P029"),
        ("strata: [sex], vary: {covariates: [[sex]]}", "cox", "P029"),
        ("strata: [sex]", "log-rank", "P029"),
        ("strata: [town]", "cox", "P0"),
    ],
)
def test_strata_that_cannot_be_are_refused(tmp_path: Path, options: str, estimator: str, code: str) -> None:
    path = tmp_path / "it.yaml"
    path.write_text(text(options, estimator), encoding="utf-8")
    problems = check_protocol(path).problems
    assert any(problem.code.startswith(code) for problem in problems), problems
