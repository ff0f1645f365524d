"""The prior from earlier studies against a plain grid in R, and everything after it against numbers that RBesT prints.

The grid's script and answers lie in ``borrowing/``. RBesT's are those of its two introductions (version 1.9): mixtures
as printed there go in, so that nothing of its random numbers is left in what is compared.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from scipy.optimize import brentq

from equipoise.stats.borrowing.approximate import approximate
from equipoise.stats.borrowing.characteristics import ArmsWithPriors, SuccessRule, of_proportions
from equipoise.stats.borrowing.contrast import probability_above
from equipoise.stats.borrowing.effective_size import effective_size
from equipoise.stats.borrowing.mixtures import Mixture, one_component, weak_of
from equipoise.stats.borrowing.predictive import Centre, HalfNormal, Studies, predict

GRID = json.loads((Path(__file__).parent / "borrowing" / "grid.json").read_text())
OF = {"rates": Studies.of_counts, "crohn": Studies.of_means}

EVENTS = Mixture.of(
    "beta",
    [0.4612914, 0.1917812, 0.1893896, 0.1575378],
    [33.9513487, 19.4400089, 12.2692310, 2.2521243],
    [103.0146367, 41.5205219, 55.9202833, 5.4812202],
)
MEANS = Mixture.of(
    "normal",
    [0.50104846, 0.41871594, 0.08023561],
    [-51.42408665, -47.25917128, -55.07086416],
    [19.04525409, 7.85193726, 44.57325],
)
ROBUST_EVENTS = EVENTS.with_weak(weak_of("beta", 0.5), 0.2)
ROBUST_MEANS = MEANS.with_weak(one_component("normal", -50.0, 88.0), 0.2)


@pytest.mark.parametrize("name", [name for name in GRID if name != "program"])
def test_the_prior_of_the_next_study_is_that_of_a_plain_grid(name) -> None:
    case = GRID[name]
    studies = OF.get(name, Studies.of_events)(case["result"], case["size"])
    prior = predict(studies, HalfNormal(case["scale"]), Centre(0.0, 88.0) if name == "crohn" else None)
    # The grid's own steps: 0.01 of a log odds, 0.25 of a score; of rates its end cuts a part of the far tail off.
    unit = {"crohn": 0.5, "rates": 0.005}.get(name, 0.0005)
    assert [prior.quantile(q) for q in (0.025, 0.25, 0.5, 0.75, 0.975)] == pytest.approx(case["quantiles"], abs=unit)
    assert prior.tau_mean == pytest.approx(case["tau_mean"], rel=2e-4)
    if name != "rates":
        assert prior.mean == pytest.approx(case["mean"], abs=unit / 20)
        assert prior.sd == pytest.approx(case["sd"], rel=5e-4)


@pytest.mark.parametrize("name", ["spondylitis", "crohn", "rates"])
def test_the_mixture_stands_for_its_density(name) -> None:
    case = GRID[name]
    studies = OF.get(name, Studies.of_events)(case["result"], case["size"])
    found = approximate(predict(studies, HalfNormal(case["scale"]), Centre(0.0, 88.0) if name == "crohn" else None))
    assert found.distance < 0.001
    for q, value in zip((0.025, 0.25, 0.5, 0.75, 0.975), case["quantiles"], strict=True):
        assert float(found.mixture.below(value)) == pytest.approx(q, abs=0.01)


def test_effective_sizes_as_rbest_prints_them() -> None:
    found = effective_size(EVENTS)
    assert [round(v) for v in (found.local_information, found.by_variance, found.at_mode)] == [38, 24, 95]
    assert round(effective_size(ROBUST_EVENTS).local_information) == 27
    found = effective_size(MEANS, 88.0)
    assert [round(v) for v in (found.local_information, found.by_variance, found.at_mode)] == [39, 21, 89]
    assert round(effective_size(ROBUST_MEANS, 88.0).local_information) == 28


def test_posterior_probabilities_as_rbest_prints_them() -> None:
    treated = one_component("beta", 0.5, 1.0).after_events(14, 24)
    assert float(probability_above(treated, ROBUST_EVENTS.after_events(1, 6), 0.0)) == pytest.approx(
        0.9917197, abs=5e-8
    )
    active = one_component("normal", -50.0, 88.0).after_mean(-29.2, 14.0)
    placebo = ROBUST_MEANS.after_mean(-63.1, 13.9)
    assert 1 - float(probability_above(active, placebo, 0.0)) == pytest.approx(0.06270104, abs=5e-9)
    assert 1 - float(probability_above(active, placebo, -50.0)) == pytest.approx(3.827361e-06, rel=1e-6)


def test_differences_found_with_a_power_of_eighty_per_cent_as_rbest_prints_them() -> None:
    control, uniform, treated = float(EVENTS.mean), weak_of("beta", 0.5), one_component("beta", 0.5, 1.0)
    designs = {
        0.302: ArmsWithPriors(treated, EVENTS, 24, 6),
        0.341: ArmsWithPriors(uniform, uniform, 24, 24),
        0.368: ArmsWithPriors(treated, ROBUST_EVENTS, 24, 6),
        0.529: ArmsWithPriors(uniform, uniform, 24, 6),
    }
    for printed, design in designs.items():

        def missed(d: float, design: ArmsWithPriors = design) -> float:
            return float(of_proportions(design, SuccessRule(0.0, 0.95), [control + d], [control]).success[0]) - 0.8

        assert brentq(missed, 0.01, 0.7) == pytest.approx(printed, abs=0.0005)
