"""Assurance solved by hand: closed form, quadrature and a grid must give one number."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import integrate, special

from equipoise.design.assurance import replication_table, split
from equipoise.foundation.errors import DesignError
from equipoise.stats.design.assurance import (
    NormalPrior,
    assure,
    assure_normal,
    assure_on_grid,
    assure_two_proportions,
    beta_binomial,
)
from equipoise.stats.design.exact_power import exact_power, fisher_verdicts, towards
from equipoise.workflow.library import read_protocol

PUBLISHED = NormalPrior.of_interval(math.log(5.7), math.log(1.3), math.log(25.1))


def test_the_published_interval_is_a_prior_on_the_log_scale() -> None:
    # (ln 25.1 - ln 1.3) / 3.919928 = (3.222868 - 0.262364) / 3.919928
    assert PUBLISHED.mean == pytest.approx(1.740466, abs=1e-6)
    assert PUBLISHED.standard_deviation == pytest.approx(0.755244, abs=1e-6)


def test_a_result_just_significant_repeats_in_half_of_trials_of_its_size() -> None:
    prior = NormalPrior(1.959963984540054, 1.0)
    assert assure_normal(prior, 1.0, alpha_one_sided=0.025) == pytest.approx(0.5, abs=1e-12)


def test_same_size_again_by_the_sum_of_two_variances() -> None:
    # (1.740466 / 0.755244 - 1.959964) / sqrt(2) = 0.24365...
    z = PUBLISHED.mean / PUBLISHED.standard_deviation
    by_hand = special.ndtr((z - 1.959963984540054) / math.sqrt(2))
    assert assure_normal(PUBLISHED, PUBLISHED.standard_deviation, alpha_one_sided=0.025) == pytest.approx(
        by_hand, abs=1e-12
    )


def power(effects: np.ndarray, error: float = 0.534) -> np.ndarray:
    return special.ndtr(effects / error - 1.959963984540054)


def test_quadrature_closed_form_and_plain_integration_agree() -> None:
    closed = assure_normal(PUBLISHED, 0.534, alpha_one_sided=0.025)
    m, s = PUBLISHED.mean, PUBLISHED.standard_deviation
    plain = integrate.quad(
        lambda x: power(np.array(x)) * math.exp(-0.5 * ((x - m) / s) ** 2) / (s * math.sqrt(2 * math.pi)),
        -8,
        12,
        epsabs=1e-13,
        limit=200,
    )[0]
    found = assure(power, PUBLISHED)
    assert plain == pytest.approx(closed, abs=1e-11)
    assert found.probability == pytest.approx(closed, abs=1e-8)
    assert found.quadrature_change < 1e-6


def test_a_fine_grid_gives_the_closed_form_and_says_what_lies_beyond_it() -> None:
    effects = np.linspace(-3.0, 6.0, 2001)
    found = assure_on_grid(effects, power(effects), PUBLISHED, n_replicates=10_000)
    closed = assure_normal(PUBLISHED, 0.534, alpha_one_sided=0.025)
    # Straight lines over steps of 0.0045 miss a curvature below 2 by less than 5e-6.
    assert found.probability == pytest.approx(closed, abs=5e-6)
    assert found.lowest - 5e-6 <= closed <= found.highest + 5e-6
    assert found.mass_outside < 1e-8


def test_two_grid_points_by_hand() -> None:
    # Power 0 at 0, 1 at 1, straight between; prior N(0.5, 0.5): E = P(X > 1) + E[X; 0 < X < 1] = 0.5 by symmetry.
    found = assure_on_grid([0.0, 1.0], [0.0, 1.0], NormalPrior(0.5, 0.5))
    assert found.probability == pytest.approx(0.5, abs=1e-12)
    outside = 2 * special.ndtr(-1.0)
    assert found.mass_outside == pytest.approx(outside, abs=1e-12)
    assert found.lowest == pytest.approx(0.5 * (1 - outside), abs=1e-12)
    assert found.highest - found.lowest == pytest.approx(outside, abs=1e-12)


def test_certainty_reads_the_power_curve() -> None:
    found = assure_on_grid([0.0, 1.0, 2.0], [0.1, 0.5, 0.9], NormalPrior(1.5, 0.0), n_replicates=100)
    assert found.probability == pytest.approx(0.7, abs=1e-12)
    assert found.standard_error == pytest.approx(math.sqrt(0.25 * 0.25 / 100 + 0.25 * 0.09 / 100), abs=1e-12)


def test_a_sceptic_is_the_precision_weighted_mean() -> None:
    # Sceptic N(0, d^2) with P(X > m) = 0.05: d = m / 1.644854; posterior precision adds.
    m, s = PUBLISHED.mean, PUBLISHED.standard_deviation
    d = m / 1.6448536269514722
    found = PUBLISHED.sceptical()
    precision = 1 / d**2 + 1 / s**2
    assert found.mean == pytest.approx(m / s**2 / precision, rel=1e-12)
    assert found.standard_deviation == pytest.approx(precision**-0.5, rel=1e-12)


def test_beta_binomial_of_three_by_hand() -> None:
    # Uniform risk: every count equally likely.
    assert beta_binomial(3, 1.0, 1.0) == pytest.approx([0.25] * 4, abs=1e-14)


def test_uncertain_risks_average_the_exact_power() -> None:
    rejects = fisher_verdicts(12, 11, alpha=0.05)
    found = assure_two_proportions(rejects, 1, 8, 5, 9)
    nodes, weights = special.roots_jacobi(40, 7.5 - 1, 1.5 - 1)  # density of a Beta(1.5, 7.5) on (-1, 1)
    p0, w0 = (nodes + 1) / 2, weights / weights.sum()
    nodes, weights = special.roots_jacobi(40, 4.5 - 1, 5.5 - 1)
    p1, w1 = (nodes + 1) / 2, weights / weights.sum()
    grid0, grid1 = np.meshgrid(p0, p1, indexing="ij")
    by_hand = w0 @ exact_power(towards(rejects, 1.0), grid0, grid1) @ w1
    assert found == pytest.approx(by_hand, abs=1e-12)


def test_the_flagships_replications() -> None:
    table = replication_table(read_protocol("ketamine-mbrp-cocaine"))
    by = {(row.published, row.prior, row.n_total): row.probability for row in table.rows}
    same_size = special.ndtr((PUBLISHED.mean / PUBLISHED.standard_deviation - 1.959963984540054) / math.sqrt(2))
    assert by["abstinence", "published-interval", 55] == pytest.approx(same_size, abs=1e-12)
    for (name, prior, n), probability in by.items():
        assert 0.0 <= probability <= 1.0
        if n == 55:
            assert probability < by[name, prior, 110] < by[name, prior, 200] + 1e-9
    # Six months has counts only, 0 of 28 v 12 of 27.
    assert {row.prior for row in table.rows if row.published == "abstinence-six-months"} == {
        "published-counts",
        "published-counts-exactly",
    }


def test_arms_are_split_as_published() -> None:
    assert split(55, 28, 27) == (28, 27)
    assert split(110, 28, 27) == (56, 54)
    assert split(2, 100, 1) == (1, 1)


def test_a_protocol_without_results_and_a_size_below_the_arms_are_coded() -> None:
    with pytest.raises(DesignError, match="D110"):
        replication_table(read_protocol("smoking-cessation"))
    with pytest.raises(DesignError, match="D111"):
        replication_table(read_protocol("ketamine-mbrp-cocaine"), sizes=[1])


@pytest.mark.parametrize(
    "call",
    [
        lambda: NormalPrior(0.0, -1.0),
        lambda: NormalPrior.of_interval(1.0, 2.0, 3.0),
        lambda: NormalPrior(0.0, 1.0).sceptical(),
        lambda: assure(lambda x: x * 0 + 2.0, NormalPrior(0, 1)),
        lambda: assure_on_grid([1.0, 0.0], [0.1, 0.2], NormalPrior(0, 1)),
        lambda: assure_on_grid([0.0, 1.0], [0.1, 1.2], NormalPrior(0, 1)),
        lambda: assure_normal(NormalPrior(0, 1), 0.0, alpha_one_sided=0.025),
        lambda: assure_two_proportions(fisher_verdicts(3, 3, alpha=0.1), 4, 3, 1, 3),
    ],
)
def test_impossible_inputs_are_refused(call) -> None:
    with pytest.raises(ValueError):
        call()
