"""A trial of depression with weekly visits whose plan holds mixed models for repeated measures, from file to report."""

from __future__ import annotations

import math

import pytest

from equipoise.protocol import Protocol
from equipoise.protocol.read import read_protocol_text
from equipoise.reporting.trial_report import build_report
from equipoise.workflow import analyse, read_protocol, simulate
from equipoise.workflow.power import power

LINES = """
  by-visit: {estimand: depression, estimator: mmrm, covariance: toeplitz-heterogeneous, covariates: [mood-at-entry],
             covariates-by-visit: [mood-at-entry], level: sensitivity}
  robust: {estimand: depression, estimator: mmrm, covariance: ar1, covariance-by-arm: true, method: sandwich,
           time: category, covariates: [mood-at-entry], level: sensitivity}
  imputed: {estimand: depression, estimator: mmrm, covariance: ar1-heterogeneous, covariates: [mood-at-entry],
            imputation: {sets: 3, seed: 5, covariates: [mood-at-entry]}, level: sensitivity}
"""


@pytest.fixture(scope="module")
def protocol() -> Protocol:
    text = read_protocol("ketamine-depression-withdrawal").path.read_text("utf-8")
    return read_protocol_text(text.replace("\n\nremarks:", f"{LINES}\nremarks:"), file="trial.yaml")


@pytest.fixture(scope="module")
def results(protocol):
    return analyse(protocol, simulate(protocol, seed=4))


def test_each_line_has_its_answer_and_they_agree_in_direction(results) -> None:
    for line in ("by-visit", "robust", "imputed"):
        found = results[line]
        assert found.scale == "mean_difference"
        assert found.ci_upper is not None
        assert found.ci_upper < 0
        assert found.df is not None
        assert 10 < found.df < 60


def test_the_effect_at_each_of_sixteen_visits_and_their_means_are_given(results) -> None:
    rows = [e for e in results.estimates if e.id.startswith("by-visit.at-")]
    assert len(rows) == 16
    means = results["by-visit"].details["adjusted_means"]
    assert len(means) == 32
    assert all(math.isfinite(mean["standard_error"]) and mean["n"] > 20 for mean in means)
    assert results["by-visit"].estimate == pytest.approx(means[31]["mean"] - means[15]["mean"], rel=1e-9)


def test_the_report_shows_the_means_and_says_how_they_were_made(protocol, results) -> None:
    records = simulate(protocol, seed=4)
    report = build_report(protocol, records, results)
    text = repr(report)
    assert "Adjusted means over time: depression" in text
    assert "heterogeneous Toeplitz covariance of the visits" in text
    assert "Kenward MG, Roger JH" in text
    assert "Mancl LA, DeRouen TA" in text


def test_power_counts_every_replicate(protocol) -> None:
    (found,) = power(protocol, replicates=12, seed=2).cells
    rows = {summary.row.id: summary for summary in found.rows}
    for line in ("by-visit", "robust"):
        assert (rows[line].n_without_estimate, rows[line].n_without_p) == (0, 0)
        assert rows[line].mean is not None
        assert rows[line].mean < 0
