"""What changes no imputed estimate: unit and origin of a covariate, the order of rows, levels that say nothing."""

from __future__ import annotations

from functools import cache

import numpy as np
import polars as pl
import pytest

from equipoise.analysis.estimate import Estimate
from equipoise.protocol.read import read_protocol_text
from equipoise.records import DataSource, Records
from equipoise.workflow.verbs import analyse

TRIAL = """
equipoise: 2
trial: {id: small, title: Small}
calendar: {day-1: randomization, epochs: {before: {days: -7..-1}, after: {days: 1..30}}}
interventions: {a: {type: other, words: a}, b: {type: other, words: b}}
arms: {a: {role: active-control, gives: [a]}, b: {role: experimental, gives: [b]}}
eligibility: {include: null, exclude: null}
randomization: {ratio: {a: 1, b: 1}}
baseline:
  year: {type: number}
  site: {type: category, levels: [%s]}
  copy: {type: number}
instruments: {mood: {total: -100..100, better: lower}}
assessments: {mood: {type: instrument, instrument: mood}, urine: {type: urine, substances: [cocaine]}}
schedule: {weekly: {days: [8, 15, 22], named: "week-{n}", assess: [mood, urine]}}
use: {cocaine: {substances: [cocaine], by: [urine]}}
endpoints:
  mood: {kind: score, words: w, assessment: mood, at: weekly}
  use: {kind: repeated-use, words: w, use: cocaine, at: weekly}
  clean: {kind: abstinence, words: w, use: cocaine, days: 9..22, at: weekly}
estimands:
  mood: {endpoint: mood, treatments: b v a, summary: mean-difference}
  use: {endpoint: use, treatments: b v a, summary: odds-ratio}
  clean: {endpoint: clean, treatments: b v a, summary: odds-ratio}
analyses:
"""
LINES = {
    "mood": "estimator: linear-mixed",
    "use": "estimator: gee",
    "clean": "estimator: logistic, if-separated: firth",
}
VARIANCES = (
    ", after-dropout: jump-to-reference, variance: jackknife",
    ", after-dropout: copy-reference, variance: bootstrap, resamples: 100",
)


def plan(levels: str, covariates: str) -> str:
    lines = [(id, how, "") for id, how in LINES.items()]
    lines.append(("clean", "estimator: firth", ""))
    lines += [("mood", "estimator: linear", extra) for extra in VARIANCES]
    return (TRIAL % levels) + "".join(
        f"  line-{k}: {{estimand: {id}, {how}, covariates: [{covariates}], level: primary, alpha-two-sided: 0.05, "
        f"imputation: {{sets: 10, seed: 3{extra}}}}}\n"
        for k, (id, how, extra) in enumerate(lines)
    )


@cache
def generated() -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Forty-eight people at two places, some of whom leave; those of the place north never use."""
    rng = np.random.default_rng(5)
    n = 48
    ids = [f"P{k:02}" for k in range(n)]
    x = np.round(rng.normal(size=n), 2)
    arm = np.arange(n) % 2
    site = np.where(np.arange(n) < 6, "north", np.where(rng.random(n) < 0.5, "east", "west"))
    people = pl.DataFrame({"participant_id": ids, "consented": True, "year": x, "site": site, "copy": arm * 0.0 + x})
    allocations = pl.DataFrame({"participant_id": ids, "stage": 1, "day": 1, "arm": np.array(["a", "b"])[arm]})
    scores, samples = [], []
    for k in range(n):
        gone = rng.integers(1, 6)
        for v in range(3):
            if v >= gone:
                continue
            value = 10 + 2 * x[k] - 1.5 * arm[k] + rng.normal()
            used = site[k] != "north" and rng.random() < 1 / (1 + np.exp(-0.8 * x[k] + 0.5 * arm[k]))
            place = {"participant_id": ids[k], "visit": f"week-{v + 1}", "day": 8 + 7 * v}
            scores.append({**place, "instrument": "mood", "item": "total", "value": float(np.round(value))})
            samples.append({**place, "substance": "cocaine", "result": "positive" if used else "negative"})
    return people, allocations, pl.DataFrame(scores), pl.DataFrame(samples)


def estimates(levels: str, covariates: str, people: pl.DataFrame, *, turned: bool = False) -> list[Estimate]:
    _, allocations, scores, samples = generated()
    mine = people["participant_id"].implode()
    others = {"allocations": allocations, "assessments": scores, "urine": samples}
    tables = {name: frame.filter(pl.col("participant_id").is_in(mine)) for name, frame in others.items()}
    tables["participants"] = people
    if turned:
        tables = {name: frame.reverse() for name, frame in tables.items()}
    records = Records(tables, DataSource("imported", "drawn", "small", ""))
    results = analyse(read_protocol_text(plan(levels, covariates)), records)
    return [estimate for estimate in results.estimates if "." not in estimate.id]


def numbers(found: list[Estimate]) -> np.ndarray:
    out = [[e.estimate, e.ci_lower, e.ci_upper, e.p_value] for e in found]
    assert len(out) == 6
    return np.array(out, dtype=float)


SITES = "east, west, north"


@pytest.fixture(scope="module")
def as_it_is() -> np.ndarray:
    found = numbers(estimates(SITES, "year, site", generated()[0]))
    assert np.isfinite(found).all()
    return found


@pytest.mark.parametrize(("shift", "scale"), [(1e6, 1.0), (2001.0, 1.0), (0.0, 1e6), (3.0, 1e-6)])
def test_where_a_covariate_has_its_zero_and_its_unit_changes_nothing(as_it_is, shift, scale) -> None:
    people = generated()[0].with_columns(year=shift + scale * pl.col("year"))
    # A number of a million and hundredths keeps eight digits of what varies.
    np.testing.assert_allclose(numbers(estimates(SITES, "year, site", people)), as_it_is, rtol=1e-6)


def test_the_order_of_rows_changes_nothing(as_it_is) -> None:
    np.testing.assert_allclose(
        numbers(estimates(SITES, "year, site", generated()[0], turned=True)), as_it_is, rtol=1e-9
    )


def test_a_level_that_nobody_has_and_a_covariate_that_repeats_another_are_named_and_change_nothing(as_it_is) -> None:
    found = estimates(f"{SITES}, south", "year, site, copy", generated()[0])
    np.testing.assert_allclose(numbers(found), as_it_is, rtol=1e-9)
    for estimate in found:
        words = [code for code in estimate.warnings if code.startswith("nuisance-left-out")]
        assert len(words) == 1, estimate.id
        assert "site: south (nobody)" in words[0]
        assert "copy" in words[0]


def test_a_place_without_events_leaves_the_effect_near_that_of_the_others(as_it_is) -> None:
    # The model of imputation holds such a level by a weak prior and says so; the others are imputed nearly as before.
    found = estimates(SITES, "year, site", generated()[0])[2]
    without = estimates("east, west", "year, site", generated()[0].filter(pl.col("site") != "north"))[2]
    assert any(code.startswith("imputation-penalised") for code in found.warnings)
    assert np.log(found.estimate / without.estimate) == pytest.approx(
        0, abs=0.5 * np.log(without.ci_upper / without.estimate) / 1.96
    )


def test_people_without_a_covariate_are_counted_in_each_estimate_that_goes_without_them() -> None:
    people = generated()[0].with_columns(site=pl.when(pl.int_range(pl.len()) < 2).then(None).otherwise(pl.col("site")))
    for estimate in estimates(SITES, "year, site", people):
        assert "covariate-missing" in estimate.warnings
        assert estimate.details["warning_counts"]["covariate-missing"] == 2
    for estimate in estimates(SITES, "year", people):
        assert "covariate-missing" not in estimate.warnings
