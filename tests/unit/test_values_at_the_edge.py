"""A small trial through the plan: what is infinite, exactly 0 or 1, not reached, without known error, or left out."""

from __future__ import annotations

from pathlib import Path

import pytest

from equipoise.analysis.estimate import Estimate
from equipoise.analysis.results import Results
from equipoise.cli.results_text import interval
from equipoise.exchange.own_tables.convert import import_table
from equipoise.reporting import format as fmt
from equipoise.reporting import words
from equipoise.stats.codes import REMARKS, sentence_of
from equipoise.workflow.verbs import analyse

PROTOCOL = """
equipoise: 1
trial: {id: small, title: A small trial}
calendar: {day-1: quit day, epochs: {follow-up: {days: 1..100}}}
interventions: {a: {type: other, label: A, words: a}, b: {type: other, label: B, words: b}}
arms:
  ctl: {label: Control, role: active-control, gives: [a]}
  exp: {label: Experimental, role: experimental, gives: [b]}
eligibility: {include: null, exclude: null}
randomization: {ratio: {ctl: 1, exp: 1}}
baseline:
  site: {label: Site, type: category, levels: [north, south, east]}
  year: {label: Year of consent, type: number, unit: year}
assessments: {calendar: {type: daily-use, label: Calendar, substances: [tobacco]}}
schedule: {end: {day: 100, assess: [calendar]}}
use: {smoking: {words: any smoking, substances: [tobacco], by: [self-report]}}
endpoints:
  relapse: {kind: time-to-event, words: days to first smoking, time-zero: day 1, first-of: [{use: smoking}],
    until: day 100, at-day-zero: true}
  abst: {kind: abstinence, words: no smoking, use: smoking, days: 1..100, missed: is-use}
estimands:
  hz: {endpoint: relapse, treatments: exp v ctl, summary: hazard-ratio}
  rm: {endpoint: relapse, treatments: exp v ctl, summary: rmst-difference}
  or: {endpoint: abst, treatments: exp v ctl, summary: odds-ratio}
  rr: {endpoint: abst, treatments: exp v ctl, summary: risk-ratio}
analyses:
"""
MAPPING = """
equipoise-mapping: 1
protocol: small
description: one row a participant
participant-prefix: P
tables:
  participants:
    - file: people.csv
      columns: {participant_id: id, consented: true, eligible: true, site: site, year: year}
      types: {year: number}
  allocations:
    - {file: people.csv, columns: {participant_id: id, stage: 1, arm: arm}}
  daily_use:
    - file: people.csv
      spans: {participant_id: id, substance: {value: tobacco}, from-day: 1, until: {column: days, counted-from: 0},
        event: {column: event, is: 1}}
"""


def results_of(tmp_path: Path, people: list[tuple[str, str, int, int, int]], lines: str) -> Results:
    """Analyse participants given as (arm, site, year, days, event) by these lines of a plan."""
    rows = [f"{k + 1},{','.join(map(str, person))}" for k, person in enumerate(people)]
    (tmp_path / "people.csv").write_text("\n".join(["id,arm,site,year,days,event", *rows]) + "\n", "utf-8")
    (tmp_path / "mapping.yaml").write_text(MAPPING, "utf-8")
    (tmp_path / "protocol.yaml").write_text(PROTOCOL + lines, "utf-8")
    return analyse(tmp_path / "protocol.yaml", import_table(tmp_path / "mapping.yaml"))


def person(arm: str, days: int, event: int, site: str = "north", year: int = 2020) -> tuple[str, str, int, int, int]:
    return arm, site, year, days, event


# Two of five relapse in control, nobody in experimental: the hazard ratio is 0, the odds ratio of abstinence infinite.
NOBODY = [person("ctl", d, e) for d, e in ((20, 1), (30, 1), (99, 0), (99, 0), (99, 0))]
NOBODY += [person("exp", 99, 0) for _ in range(5)]


def test_an_odds_ratio_without_end_is_infinite_with_the_finite_end_of_its_interval(tmp_path: Path) -> None:
    results = results_of(
        tmp_path, NOBODY, "  main: {estimand: or, estimator: logistic, level: primary, alpha-two-sided: 0.05}\n"
    )
    main = results["main"]
    assert main.estimate is None
    assert "estimate-infinite" in main.warnings
    assert "not-estimable" not in main.warnings
    # The profile at the lower limit L: 0 of 5 lost, odds L times those of control, 2 of 5 lost there.
    assert main.ci_lower is not None
    assert 0.3 < main.ci_lower < 1.5
    assert main.ci_upper is None
    assert main.p_value is not None
    assert interval(main).startswith("infinite (")
    assert interval(main).endswith(" to infinity)")
    assert fmt.interval(fmt.Interval(*main.ends, main.scale)).startswith("infinite (")
    assert "odds ratio infinite" in words.effect_words(main)
    assert {"main.firth", "main.fisher-exact"} <= {e.id for e in results.estimates}


def test_the_limit_of_an_infinite_odds_ratio_has_lost_half_the_quantile_of_likelihood(tmp_path: Path) -> None:
    import numpy as np
    from scipy.optimize import minimize_scalar

    results = results_of(
        tmp_path, NOBODY, "  main: {estimand: or, estimator: logistic, level: primary, alpha-two-sided: 0.05}\n"
    )
    beta = np.log(results["main"].ci_lower or np.nan)

    def lost(intercept: float) -> float:
        p, q = 1 / (1 + np.exp(-intercept)), 1 / (1 + np.exp(-intercept - beta))
        return float(-(3 * np.log(p) + 2 * np.log(1 - p) + 5 * np.log(q)))

    top = 3 * np.log(0.6) + 2 * np.log(0.4)
    fallen = 2 * (top + minimize_scalar(lost, bounds=(-9, 9), method="bounded", options={"xatol": 1e-9}).fun)
    assert fallen == pytest.approx(3.841458820694124, rel=1e-6)


def test_a_hazard_ratio_of_zero_has_its_upper_profile_limit_and_firth_where_the_plan_names_it(tmp_path: Path) -> None:
    lines = "  main: {estimand: hz, estimator: cox, level: primary, alpha-two-sided: 0.05}\n"
    main = results_of(tmp_path, NOBODY, lines)["main"]
    assert main.estimate == main.ci_lower == 0.0
    assert "estimate-zero" in main.warnings
    # R 4.2.2, survival 3.5-3: coxph with the coefficient as an offset, its log likelihood 1.92 below the supremum.
    assert main.ci_upper == pytest.approx(UPPER_OF_NOBODY, rel=1e-6)
    assert interval(main).startswith("0 (0 to ")
    assert not any(e.id == "main.firth" for e in results_of(tmp_path, NOBODY, lines).estimates)
    named = results_of(tmp_path, NOBODY, lines.replace("level", "if-separated: firth, level"))
    assert named["main.firth"].estimate is not None
    assert 0.0 < (named["main.firth"].ci_lower or 0.0) < named["main.firth"].estimate
    assert "penalty" in named["main.firth"].method


# log likelihood of the first event: -log(5 + 5 h), of the second: -log(4 + 5 h); supremum at h = 0.
# 2 [log(1 + h) + log(1 + 5 h / 4)] = 3.8414588: a quadratic in h.
UPPER_OF_NOBODY = (-2.25 + (2.25**2 - 5 * (1 - 2.718281828459045 ** (3.841458820694124 / 2))) ** 0.5) / 2.5


def test_survival_before_the_first_time_is_one_and_its_row_says_why_it_has_no_limits(tmp_path: Path) -> None:
    lines = "  km: {estimand: hz, estimator: kaplan-meier, horizon: 10, level: primary, alpha-two-sided: 0.05}\n"
    lines += "  late: {estimand: hz, estimator: kaplan-meier, horizon: 500}\n"
    lines += "  rm: {estimand: rm, estimator: rmst-difference, horizon: 10}\n"
    results = results_of(tmp_path, NOBODY, lines)
    for arm in ("ctl", "exp"):
        at_ten = results[f"km.{arm}.survival"]
        assert (at_ten.estimate, at_ten.ci_lower, at_ten.warnings) == (1.0, None, ("probability-one",))
        assert "horizon-beyond-follow-up" in results[f"late.{arm}.survival"].warnings
    assert interval(results["km.exp.median"]) == "not reached"
    assert "median-not-reached" not in results["km.exp.survival"].warnings
    mean = results["rm"]
    assert mean.estimate == 0.0
    assert mean.standard_error is mean.ci_lower is mean.p_value is None
    assert mean.warnings == ("error-unknown",)
    assert "not known" in interval(mean)


def test_levels_left_out_are_named_and_the_fallback_is_for_the_arm_alone(tmp_path: Path) -> None:
    people = [person("ctl" if k % 2 else "exp", 20 + k, int(k % 3 == 0), year=2018 + k % 4) for k in range(24)]
    people = [p if p[4] else (*p[:3], 99, 0) for p in people]
    without = results_of(tmp_path, people, LINES_OF_SITES.replace("[site, year]", "[year]"))
    # Nobody at the first level, and nobody relapses in the east.
    moved = [(p[0], "south", *p[2:]) for p in people] + [person("ctl", 99, 0, "east"), person("exp", 99, 0, "east")]
    results = results_of(tmp_path, moved, LINES_OF_SITES)
    for id in ("cox", "logit"):
        got, want = results[id], without[id]
        assert got.estimate == pytest.approx(want.estimate, rel=1e-7)
        assert got.standard_error == pytest.approx(want.standard_error, rel=1e-6)
        assert got.warnings == ("nuisance-left-out: site: north (nobody), site: east (no information)",)
        assert "site" not in got.method
        assert "year" in got.method
    assert not any(e.id.startswith("logit.fi") for e in results.estimates)
    assert "site: north (nobody)" in (sentence_of(results["cox"].warnings[0]) or "")


LINES_OF_SITES = (
    "  cox: {estimand: hz, estimator: cox, covariates: [site, year], level: primary, alpha-two-sided: 0.05}\n"
    "  logit: {estimand: or, estimator: logistic, covariates: [site, year]}\n"
)


def test_no_two_values_at_the_edge_are_printed_alike() -> None:
    def row(scale: str, estimate: float | None, low: float | None, high: float | None, *codes: str) -> Estimate:
        return Estimate(
            id="x",
            endpoint="e",
            estimand=None,
            estimator="y",
            arm="a",
            reference="b",
            event=None,
            scale=scale,
            estimate=estimate,
            ci_lower=low,
            ci_upper=high,
            warnings=codes,
        )

    rows = [
        row("odds_ratio", None, 3.1, None, "estimate-infinite"),
        row("odds_ratio", 0.0, 0.0, 0.3, "estimate-zero"),
        row("odds_ratio", 0.0003, 0.0001, 0.3),
        row("odds_ratio", None, None, None, "not-estimable"),
        row("odds_ratio", 2.0, None, None, "error-unknown"),
        row("odds_ratio", 2.0, 1.0, None, "limit-not-found"),
        row("median_time", None, 40.0, None, "median-not-reached"),
        row("median_time", None, None, None, "median-not-reached"),
        row("odds_ratio", 2.0, 1.0, 4.0),
    ]
    assert len({interval(e) for e in rows}) == len(rows)
    ratios = [fmt.interval(fmt.Interval(*e.ends, e.scale)) for e in rows if e.scale == "odds_ratio"]
    assert len(set(ratios)) == len(ratios)
    assert interval(rows[6]) == "not reached (40.00 to not reached)"
    assert words.time_words(rows[6]) == "not reached (40 to not reached)"
    assert all(sentence_of(remark) for remark in REMARKS)


@pytest.mark.parametrize(
    ("horizon", "survival"), [(9, 1.0), (10, 0.75), (19, 0.75), (20, 0.5), (30, 0.5), (39, 0.5), (40, 0.0)]
)
def test_the_events_of_the_horizons_own_day_count(tmp_path: Path, horizon: int, survival: float) -> None:
    people = [(arm, "north", 2020, day, event) for arm in ("ctl", "exp") for day, event in FOUR]
    line = "estimand: hz, estimator: kaplan-meier, level: primary, alpha-two-sided: 0.05"
    lines = f"  km: {{{line}, horizon: {horizon}}}\n"
    results = results_of(tmp_path, people, lines)
    for arm in ("ctl", "exp"):
        assert results[f"km.{arm}.survival"].estimate == pytest.approx(survival, abs=1e-12)


FOUR = [(10, 1), (20, 1), (30, 0), (40, 1)]  # days, event; one of four is censored in between
