"""The variance in repeated sampling of reference-based imputation, as lines of a plan, and what a report says of it."""

from __future__ import annotations

from importlib import resources

import numpy as np
import pytest

from equipoise.analysis.analyse import estimate_planned
from equipoise.analysis.plan import Plan, planned_fits
from equipoise.analysis.repeated_sampling import _People, resampled
from equipoise.analysis.unfinished import find_gaps
from equipoise.endpoints import read_lattice
from equipoise.endpoints.derivation import derive_endpoint
from equipoise.protocol.read import read_protocol_text
from equipoise.workflow import read_protocol, simulate

FLAGSHIP = "ketamine-mbrp-cocaine"
BASE = "estimand: craving-ratio, estimator: linear, covariates: [route], level: sensitivity"
RULE = "after-dropout: jump-to-reference"
DRAWN = "variance: bootstrap, resamples: 50"
EARLY = "{kind: score, words: craving once, assessment: craving, scale: score, at: admission}"
ESTIMAND = "{endpoint: craving-early, treatments: ketamine v midazolam, summary: mean-difference}"


@pytest.fixture(scope="module")
def fitted():
    text = (resources.files("equipoise") / "protocols" / f"{FLAGSHIP}.yaml").read_text("utf-8")
    lines = (
        f"  by-rubin: {{{BASE}, imputation: {{sets: 60, {RULE}}}}}\n"
        f"  by-bootstrap: {{{BASE}, imputation: {{sets: 60, {RULE}, {DRAWN}}}}}\n"
        f"  by-jackknife: {{{BASE}, imputation: {{{RULE}, variance: jackknife}}}}\n"
        f"  at-first-visit: {{{BASE}, visit: day-9}}\n"
        f"  by-early: {{estimand: early, estimator: linear, imputation: {{{RULE}, {DRAWN}}}}}\n"
        f"  at-last-visit: {{{BASE}}}\n"
    )
    text = text.replace("\npublished:\n", f"\n{lines}\npublished:\n", 1)
    # One visit alone is imputed in no time.
    for section, entry in (("endpoints", f"craving-early: {EARLY}"), ("estimands", f"early: {ESTIMAND}")):
        text = text.replace(f"\n{section}:\n", f"\n{section}:\n  {entry}\n", 1)
    protocol = read_protocol_text(text)
    plan = Plan(protocol, read_lattice(protocol, simulate(read_protocol(FLAGSHIP), seed=7)))
    wanted = {p.id: p for p in planned_fits(protocol) if p.id.startswith(("by-", "at-"))}

    def fit(id):
        return estimate_planned(protocol, plan, wanted[id])[0]

    return protocol, fit, {id: fit(id) for id in wanted}


def test_the_estimate_of_the_bootstrap_line_is_that_of_rubins(fitted):
    _, _, found = fitted
    rubin, bootstrap = found["by-rubin"], found["by-bootstrap"]
    assert bootstrap.estimate == rubin.estimate
    assert bootstrap.details["standard_error_rubin"] == pytest.approx(rubin.standard_error)
    assert bootstrap.standard_error != rubin.standard_error


def test_conditional_means_are_where_many_imputations_end(fitted):
    _, _, found = fitted
    rubin, jackknife = found["by-rubin"], found["by-jackknife"]
    # The mean of 60 draws; with a quarter of the information missing its Monte Carlo error is below 0.07 standard
    # errors, and maximum likelihood lies within 1 / n of the posterior mean.
    apart = abs(np.log(rubin.estimate) - np.log(jackknife.estimate))
    assert apart < 0.2 * rubin.standard_error


def test_bootstrap_and_jackknife_agree(fitted):
    _, _, found = fitted
    # The standard deviation of 50 samples is known to one part in ten: three of these.
    assert found["by-bootstrap"].standard_error == pytest.approx(found["by-jackknife"].standard_error, rel=0.3)


def test_the_same_seed_draws_the_same(fitted):
    _, fit, found = fitted
    again = fit("by-early")
    assert (again.standard_error, again.df) == (found["by-early"].standard_error, found["by-early"].df)


def test_each_line_says_whose_variance_it_shows(fitted):
    _, _, found = fitted
    assert "Rubin's rules" in found["by-rubin"].method
    assert "repeated sampling by 50 bootstrap samples" in found["by-bootstrap"].method
    assert "repeated sampling by the jackknife" in found["by-jackknife"].method
    assert found["by-bootstrap"].details["variance"] == "bootstrap"


def test_a_series_of_scores_is_compared_at_its_last_visit_unless_the_plan_names_another(fitted):
    protocol, _, found = fitted
    lattice = read_lattice(protocol, simulate(read_protocol(FLAGSHIP), seed=7))
    scores = derive_endpoint(lattice, "craving").values
    assert scores is not None
    assert found["at-first-visit"].n_analysed == (~np.isnan(scores[:, 0])).sum()
    assert found["at-last-visit"].n_analysed == (~np.isnan(scores[:, -1])).sum()


def test_a_replicate_is_resampled_under_its_own_number_when_it_comes_alone(fitted):
    protocol, _, _ = fitted
    lattice = read_lattice(protocol, simulate(read_protocol(FLAGSHIP), seed=7, replicate=5))
    planned = next(p for p in planned_fits(protocol) if p.id == "by-early")
    gaps = find_gaps(lattice, planned.estimand, planned.floor)
    comparison = Plan(protocol, lattice).compared(planned)
    assert _People.of(lattice, gaps, comparison, planned.analysis.imputation).replicates == (5,)


def test_participants_are_drawn_again_within_their_arms():
    arm = np.array([0.0, 1, 1, 0, 1, 0, 0])
    place = resampled(arm, 500, seed=3, replicate=0)
    assert place.shape == (500, 7)
    assert (arm[place] == arm).all()
    share = (place[:, arm == 1] == 1).mean()
    assert share == pytest.approx(1 / 3, abs=0.05)  # 1,500 draws: four standard errors
    assert (resampled(arm, 10, seed=3, replicate=0) == place[:10]).all()
