"""Crossover trials small enough to be worked out by hand."""

from __future__ import annotations

from math import comb, log, sqrt

import numpy as np
import pytest

from equipoise.stats.codes import FitCode
from equipoise.stats.crossover import fit_crossover, koch, mainland_gart, paired_logistic, prescott

# Two sequences of two; treatment is the second column, period the third, sequence the fourth.
DESIGN = np.array(
    [
        [1, 0, 0, 0],
        [1, 1, 1, 0],
        [1, 0, 0, 0],
        [1, 1, 1, 0],
        [1, 1, 0, 1],
        [1, 0, 1, 1],
        [1, 1, 0, 1],
        [1, 0, 1, 1],
    ],
    dtype=float,
)
PAIRS = np.array([0, 2, 4, 6, 8])


def test_four_people_by_period_differences() -> None:
    # Second less first: 3 and 5 where the treatment comes second, -1 and -3 where it comes first.
    # Treatment: half the difference of the means, (4 - -2) / 2 = 3; period: half the sum, 1.
    # Pooled variance of the differences (2 + 2) / 2 = 2; SE = sqrt(2 (1/2 + 1/2)) / 2 on 2 df.
    y = np.array([10, 13, 20, 25, 14, 13, 9, 6], dtype=float)
    fits = fit_crossover(y, DESIGN, PAIRS, np.array([0, 4]))
    assert fits.coefficients[0, 1:3] == pytest.approx([3.0, 1.0], abs=1e-9)
    assert fits.standard_errors[0, 1] == pytest.approx(sqrt(2) / 2, rel=1e-7)
    assert fits.df[0] == pytest.approx(2.0, rel=1e-6)
    assert fits.variance_within[0] == pytest.approx(1.0, rel=1e-7)  # half of that of a difference


def test_a_person_seen_once_does_not_move_the_pairs_where_people_differ_without_end() -> None:
    y = np.array([10, 13, 20, 25, 14, 13, 9, 6], dtype=float) + np.repeat([0.0, 1e4, 3e4, -2e4], 2)
    alone = fit_crossover(y, DESIGN, PAIRS, np.array([0, 4]))
    more = fit_crossover(np.append(y, 17.0), np.vstack([DESIGN, [1, 0, 0, 0]]), np.append(PAIRS, 9), np.array([0, 5]))
    assert more.coefficients[0, 1] == pytest.approx(alone.coefficients[0, 1], abs=1e-3)


def test_what_gives_no_answer_says_why() -> None:
    once = fit_crossover(np.array([1.0, 2.0]), DESIGN[[0, 4]], np.array([0, 1, 2]), np.array([0, 2]))
    assert once.codes[0] & FitCode.ONE_VISIT_EACH
    few = fit_crossover(np.array([1.0, 2.0, 4.0, 3.0]), DESIGN[[0, 1, 4, 5]], np.array([0, 2, 4]), np.array([0, 2]))
    assert few.codes[0] & FitCode.TOO_FEW_PARTICIPANTS  # two differences, two means
    one = fit_crossover(np.array([1.0, 2.0, 4.0, 3.0]), DESIGN[:4], np.array([0, 2, 4]), np.array([0, 2]))
    assert one.codes[0] & FitCode.RANK_DEFICIENT  # one sequence: treatment is period
    same = fit_crossover(np.full(8, 3.0), DESIGN, PAIRS, np.array([0, 4]))
    assert same.codes[0] & FitCode.CONSTANT_OUTCOME
    nobody = fit_crossover(np.empty(0), np.empty((0, 4)), np.array([0]), np.array([0, 0]))
    assert nobody.codes[0] & FitCode.NOT_ESTIMABLE
    for fits in (once, few, one, same, nobody):
        assert np.isnan(fits.coefficients).all()


def test_everybody_changing_alike_has_an_estimate_and_no_error() -> None:
    y = np.array([10, 13, 20, 23, 14, 13, 9, 8], dtype=float)  # by 3, 3, -1, -1: treatment 2, period 1
    fits = fit_crossover(y, DESIGN, PAIRS, np.array([0, 4]))
    assert fits.codes[0] == FitCode.ERROR_UNKNOWN
    assert fits.coefficients[0, 1] == pytest.approx(2.0, abs=1e-6)
    assert np.isnan(fits.standard_errors[0, 1])


def test_discordant_pairs_by_sequence() -> None:
    # Treatment first: 3 with the event then alone, 0 in the second alone; treatment second: 0 and 3.
    # Fisher: 2 / C(6, 3). The conditional odds ratio is infinite; lower limit: x^2 with x^6 / sum = 0.025.
    fit = mainland_gart((3, 0), (0, 3))
    assert fit.p_value[0] == pytest.approx(2 / comb(6, 3))
    assert np.isinf(fit.odds_ratio[0])
    lower = float(fit.ci_lower[0]) ** 2
    weights = [comb(3, k) * comb(3, 3 - k) * lower**k for k in range(4)]
    assert weights[3] / sum(weights) == pytest.approx(0.025, rel=1e-6)


def test_conditional_logistic_regression_is_half_the_log_odds_of_the_table() -> None:
    fit = paired_logistic((6, 2), (3, 4))
    assert fit.odds_ratio[0] == pytest.approx(sqrt(6 * 4 / (2 * 3)))
    error = sqrt(1 / 6 + 1 / 2 + 1 / 3 + 1 / 4) / 2
    assert fit.standard_error[0] == pytest.approx(error)
    assert log(fit.ci_lower[0]) == pytest.approx(0.5 * log(4) - 1.959963984540054 * error)


def test_an_empty_cell_ends_the_scale_on_its_side() -> None:
    up, down = paired_logistic((5, 0), (2, 3)), paired_logistic((0, 5), (3, 2))
    assert (up.odds_ratio[0], down.odds_ratio[0]) == (np.inf, 0.0)
    assert down.ci_upper[0] == pytest.approx(1 / up.ci_lower[0], rel=1e-9)
    assert down.p_value[0] == pytest.approx(up.p_value[0], rel=1e-9)
    # Likelihood ratio: free, 5 certain and 2 of 5; held, 7 of 10.
    free = 2 * log(2 / 5) + 3 * log(3 / 5)
    held = 7 * log(0.7) + 3 * log(0.3)
    assert up.statistic[0] == pytest.approx(2 * (free - held), rel=1e-9)


def test_pairs_that_say_nothing_of_the_treatment_give_no_answer() -> None:
    nobody = paired_logistic((0, 0), (3, 2))
    assert nobody.codes[0] & FitCode.EMPTY_ARM
    period_alone = paired_logistic((4, 0), (3, 0))
    assert period_alone.codes[0] & FitCode.ALL_EVENTS
    for fit in (nobody, period_alone):
        assert np.isnan([fit.odds_ratio[0], fit.p_value[0], fit.ci_lower[0]]).all()
    with pytest.raises(ValueError, match="whole numbers"):
        paired_logistic((0.5, 1), (1, 1))


def test_prescott_with_three_a_sequence() -> None:
    # Treatment first: 1, 1, 0; second: -1, 0, -1. Sum 2, expectation 0; variance 9 / 30 (4 - 0) = 1.2.
    test = prescott((0, 1, 2), (2, 1, 0))
    assert test.statistic[0] == pytest.approx(4 / 1.2)
    # Of C(6, 3) = 20 allocations, 2 are as far: both ones with one of the two zeros (2 ways), and the mirror image.
    assert test.p_exact[0] == pytest.approx(4 / 20)
    assert prescott((0, 3, 0), (0, 3, 0)).codes[0] & FitCode.CONSTANT_OUTCOME
    assert prescott((0, 0, 0), (1, 1, 1)).codes[0] & FitCode.EMPTY_ARM


def test_koch_with_three_a_sequence_and_a_tie() -> None:
    # Differences 3, 1, 1 of those first and 1, -2, 0 of those second: ranks 6, 4, 4 and 4, 1, 2. W = 14 - 6 = 8 of 9.
    # Variance 9/12 (7 - (27 - 3)/30) = 4.65; z = (8 - 4.5)/sqrt(4.65).
    test = koch([3, 1, 1, 1, -2, 0], [True] * 3 + [False] * 3, [0, 6])
    assert test.statistic[0] == 8
    assert test.z[0] == pytest.approx(3.5 / np.sqrt(4.65))
    assert koch([1, 1, 1, 1], [True, True, False, False], [0, 4]).codes[0] & FitCode.CONSTANT_OUTCOME
    assert koch([1, 2], [True, True], [0, 2]).codes[0] & FitCode.EMPTY_ARM
    both = koch([3, 1, 1, 1, -2, 0, 1, 2], [True] * 3 + [False] * 3 + [True] * 2, [0, 6, 8])
    assert both.statistic[0] == 8
    assert np.isnan(both.p_value[1])
