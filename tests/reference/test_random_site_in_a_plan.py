"""A random site, from the words of a plan, against R 4.2.2 with lme4 1.1-31 and lmerTest 3.1-3.

Script: tests/reference/random_site/make.R; the rows it drew are beside it. R printed twelve digits. Site s7 has one arm
only and site s9 one participant. Kenward-Roger's answer (pbkrtest) is printed there for comparison.
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

ROWS = pl.read_csv(Path(__file__).parent / "random_site" / "rows.csv")
SCORE = "{kind: score, words: mood, assessment: mood, at: weekly}"
EVENT = "{kind: event, words: relapse by week 12, events: [relapse], days: 1..85}"
SITES = [f"s{n}" for n in range(1, 11)]  # nobody is at s10


def text(options: str = "random: site", *, odds: bool = False, sites: list[str] = SITES) -> str:
    found = text_of(EVENT, "odds-ratio", "logistic") if odds else text_of(SCORE, "mean-difference", "linear")
    levels = (
        f"levels: [female, male]}}\n  site: {{type: category, levels: [{', '.join(sites)}]}}\n  age: {{type: number}}"
    )
    return found.replace("0.05}", f"0.05, {options}}}").replace("levels: [female, male]}", levels)


def records(rows: pl.DataFrame = ROWS, *, column: str = "site") -> Records:
    people = {
        str(n): {
            "sex": "female",
            "mood": [row["age"], row["mood"], row["mood"], row["mood"]],
            "events": [("relapse", 60, True)] if row["yes"] else [],
            "left": [("completion", 85)],
        }
        for n, row in enumerate(rows.iter_rows(named=True))
    }
    made = records_of(people)
    arms = made.tables["allocations"].with_columns(
        pl.Series("arm", ["active" if arm else "usual" for arm in rows["arm"]])
    )
    table = made.tables["participants"].with_columns(
        pl.Series(column, rows["site"].to_list()), pl.Series("age", rows["age"].to_list()).cast(pl.Float64)
    )
    return Records({**made.tables, "participants": table, "allocations": arms}, made.source)


def fit(options: str = "random: site", rows: pl.DataFrame = ROWS, *, odds: bool = False) -> Results:
    return analyse(read_protocol_text(text(options, odds=odds)), records(rows))


@pytest.mark.parametrize(
    ("options", "answer"),
    [
        ("random: site", (-5.51461221753, 1.24541069748, 63.6233504297, 3.81708932423e-05, 6.83472046028)),
        ("random: site, covariates: [age]", (-5.39825615, 1.22562831, 62.719128, 4.21621e-05, 6.57520964)),
    ],
)
def test_a_score_is_that_of_lmer(options: str, answer: tuple[float, ...]) -> None:
    found = fit(options)["it"]
    # R's optimizer stops at about eight digits of the likelihood: half as many of its variances.
    assert (found.estimate, found.standard_error, found.df) == pytest.approx(answer[:3], rel=3e-5)
    assert found.p_value == pytest.approx(answer[3], rel=3e-4)
    assert found.details["sd_random"] == pytest.approx(answer[4], rel=3e-5)
    assert "random intercept of site (9 with participants, standard deviation 6." in found.method
    assert found.n_analysed == 72


@pytest.mark.parametrize(
    ("options", "answer"),
    [
        ("random: site", (1.441823090994, 0.584506293439, 1.016410056514)),
        ("random: site, covariates: [age]", (1.437364901948, 0.589580437801, 1.071831713214)),
    ],
)
def test_yes_or_no_is_that_of_glmer(options: str, answer: tuple[float, ...]) -> None:
    results = fit(options, odds=True)
    found = results["it"]
    assert np.log(found.estimate) == pytest.approx(answer[0], rel=3e-5)
    # R's errors are of a numerical derivative.
    assert found.standard_error == pytest.approx(answer[1], rel=3e-3)
    assert found.details["sd_random"] == pytest.approx(answer[2], rel=3e-4)
    # Averaged over sites the odds ratio is closer to one, and between the crude risks it is nearly the crude one.
    assert 1.0 < results["it.marginal"].estimate < found.estimate


def test_a_variance_of_zero_gives_the_regression_and_says_so() -> None:
    within = ROWS.with_columns(mood=(pl.col("mood") - pl.col("mood").mean().over("site") + 30).round(0))
    found = fit(rows=within)["it"]
    plain = fit("ci-level: 0.95", within)["it"]
    assert "no-variance-between-sites" in found.warnings
    assert found.details["sd_random"] == 0.0
    assert (found.estimate, found.standard_error, found.df) == pytest.approx(
        (plain.estimate, plain.standard_error, plain.df), rel=1e-9
    )
    assert found.df == pytest.approx(70.0)


@pytest.mark.parametrize(("sites", "warning"), [(["s1"] * 72, "one-site"), (None, "one-participant-a-site")])
def test_one_site_and_one_participant_a_site_are_the_regression(sites: list[str] | None, warning: str) -> None:
    names = sites or [f"t{n}" for n in range(72)]
    rows = ROWS.with_columns(pl.Series("site", names))
    made = analyse(read_protocol_text(text(sites=sorted({*names, "s1", "s2"}))), records(rows))["it"]
    plain = fit("ci-level: 0.95")["it"]
    assert made.warnings == (warning,)
    assert (made.estimate, made.standard_error, made.df) == pytest.approx(
        (plain.estimate, plain.standard_error, plain.df), rel=1e-9
    )
    odds = analyse(read_protocol_text(text(odds=True, sites=sorted({*names, "s1", "s2"}))), records(rows))["it"]
    assert warning in odds.warnings
    if sites is None:
        assert odds.estimate is None
        assert "not-estimable" in odds.warnings
    else:
        assert odds.estimate == pytest.approx(fit("ci-level: 0.95", odds=True)["it"].estimate, rel=1e-6)


@pytest.mark.parametrize("odds", [False, True])
def test_an_arm_that_is_a_site_has_no_effect_of_its_own(odds: bool) -> None:
    each = ROWS.with_columns(site=pl.when(pl.col("arm") == 1).then(pl.lit("s1")).otherwise(pl.lit("s2")))
    found = fit(rows=each, odds=odds)["it"]
    assert (found.estimate, found.ci_lower, found.p_value) == (None, None, None)
    assert {"arm-is-the-site", "not-estimable"} <= set(found.warnings)


def test_results_that_differ_by_site_and_arm_alone_have_no_error() -> None:
    exact = ROWS.with_columns(mood=20 + pl.col("site").str.slice(1).cast(pl.Int64) - 3 * pl.col("arm"))
    found = fit(rows=exact)["it"]
    assert found.estimate == pytest.approx(-3.0, rel=1e-9)
    assert (found.ci_lower, found.ci_upper, found.p_value) == (None, None, None)
    assert "error-unknown" in found.warnings


def test_names_and_order_of_sites_do_not_change_the_answer() -> None:
    for odds in (False, True):
        main = fit(odds=odds)["it"]
        turned = ROWS.with_columns(site=pl.col("site").replace(dict(zip(SITES, SITES[::-1], strict=True))))
        for protocol, rows in (
            (text(odds=odds), turned),
            (text(odds=odds, sites=SITES[::-1]), ROWS),
            (text(odds=odds), ROWS[::-1]),
        ):
            found = analyse(read_protocol_text(protocol), records(rows))["it"]
            assert (found.estimate, found.p_value) == pytest.approx((main.estimate, main.p_value), rel=1e-7)


def test_who_has_no_site_is_counted_as_missing_and_without_the_column_nobody_is_analysed() -> None:
    made = records()
    table = made.tables["participants"].with_columns(
        site=pl.when(pl.col("participant_id") == "P01").then(None).otherwise(pl.col("site"))
    )
    found = analyse(read_protocol_text(text()), Records({**made.tables, "participants": table}, made.source))["it"]
    assert (found.n_analysed, found.n_missed) == (71, 1)
    absent = analyse(read_protocol_text(text()), records(column="centre"))["it"]
    assert absent.estimate is None
    assert "covariate-missing" in absent.warnings


def test_replicates_are_fitted_by_their_own_sites() -> None:
    whole = text(sites=SITES[:6]) + (
        "assumptions:\n  it: {words: better mood, n: {usual: 40, active: 40},\n"
        "       simple: {it: {usual: 30, active: 25, sd: 8}}}\n"
    )
    cells = {
        options: power(read_protocol_text(whole.replace("random: site", options)), replicates=60, seed=3).cells[0]
        for options in ("random: site", "ci-level: 0.95")
    }
    rows = {options: next(row for row in cell.rows if row.row.id == "it") for options, cell in cells.items()}
    alike = "site makes no difference to outcomes, though it would allow for it"
    assert alike in cells["random: site"].assumed
    assert alike not in cells["ci-level: 0.95"].assumed
    mixed, plain = rows["random: site"], rows["ci-level: 0.95"]
    assert mixed.median == pytest.approx(plain.median, abs=0.5)
    assert mixed.median != plain.median
    assert mixed.n_without_estimate == 0


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ("random: age", "P037"),
        ("random: site, covariates: [site]", "P029"),
        ("random: site, vary: {covariates: [[site]]}", "P029"),
        ("random: site, imputation: {sets: 5, seed: 1}", "P029"),
        ("random: town", "P0"),
    ],
)
def test_what_cannot_be_at_random_is_refused(tmp_path: Path, options: str, code: str) -> None:
    path = tmp_path / "it.yaml"
    path.write_text(text(options), encoding="utf-8")
    problems = check_protocol(path).problems
    assert any(problem.code.startswith(code) for problem in problems), problems
