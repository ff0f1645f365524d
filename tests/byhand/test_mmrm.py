"""Mixed model for repeated measures on trials whose answers are sums of squares."""

from __future__ import annotations

import numpy as np
import pytest

from equipoise.stats.codes import FitCode
from equipoise.stats.mmrm import STRUCTURES, Covariance, check_contrasts_at_once, estimate_mmrm_contrast, fit_mmrm

# Six participants, two visits each, three in either arm.
SCORES = np.array([[1.0, 2.0], [2.0, 5.0], [6.0, 5.0], [2.0, 1.0], [5.0, 2.0], [8.0, 9.0]])
ARM = np.repeat([0.0, 1.0], 6)
LATE = np.tile([0.0, 1.0], 6)
# constant, arm, second visit, arm by second visit: the arm's column is its effect at the first visit.
DESIGN = np.column_stack([np.ones(12), ARM, LATE, ARM * LATE])
VISITS = np.tile([0, 1], 6)
PEOPLE = [0, 2, 4, 6, 8, 10, 12]


def fit(y=SCORES, **more):
    return fit_mmrm(np.asarray(y).ravel(), DESIGN, VISITS, PEOPLE, [0, 6], n_visits=2, **more)


def test_complete_data_give_each_visit_s_t_test() -> None:
    # Means 3, 4 | 5, 4. Sums of squares within arms, first visit: 4 + 1 + 9 | 9 + 0 + 9 = 32; second: 4 + 1 + 1 | 9 + 4
    # + 25 = 44; products: (-2)(-2) + (-1)(1) + (3)(1) | (-3)(-3) + (0)(-2) + (3)(5) = 6 + 24 = 30. Over 6 - 2 = 4:
    fits = fit()
    assert fits.visit_covariance[0, 0] == pytest.approx(np.array([[8.0, 7.5], [7.5, 11.0]]), rel=1e-9)
    assert fits.coefficients[0] == pytest.approx([3.0, 2.0, 1.0, -2.0], abs=1e-9)
    # var(difference at the first visit) = 8 (1/3 + 1/3); of the change, 8 + 11 - 15 = 4 in place of 8.
    assert fits.covariance[0, 1, 1] == pytest.approx(16.0 / 3.0, rel=1e-9)
    assert fits.covariance[0, 3, 3] == pytest.approx(8.0 / 3.0, rel=1e-9)
    # A variance of 4 degrees of freedom has itself a variance of 2 s^4 / 4: Satterthwaite gives 4 back each time.
    late = estimate_mmrm_contrast(fits, [0.0, 1.0, 0.0, 1.0])
    assert (late.estimate[0], late.standard_error[0] ** 2) == pytest.approx((0.0, 22.0 / 3.0), abs=1e-9)
    assert [*fits.df[0], late.df[0]] == pytest.approx([4.0] * 5, rel=1e-7)
    # The means take no weights that were estimated, so that Kenward and Roger have nothing to add.
    assert fits.covariance_kenward_roger == pytest.approx(fits.covariance, rel=1e-9)


def test_the_restricted_likelihood_by_its_formula() -> None:
    # -2 l = (12 - 4) log 2 pi + 6 log |S| + log |X'V^-1 X| + tr = 8 (S^-1 times 4 S); |S| = 88 - 56.25 = 31.75.
    # X'V^-1 X of means: 3 S^-1 in each arm, and the change to this design's columns has determinant 1: (9 / |S|)^2.
    by_hand = 8 * np.log(2 * np.pi) + 6 * np.log(31.75) + 2 * np.log(9 / 31.75) + 8.0
    assert fit().log_likelihood[0] == pytest.approx(-by_hand / 2, abs=1e-10)
    # Maximum likelihood divides by 6: |S| (4/6)^2; the trace is 12.
    by_hand = 12 * np.log(2 * np.pi) + 6 * np.log(31.75 * 4 / 9) + 12.0
    assert fit(reml=False).log_likelihood[0] == pytest.approx(-by_hand / 2, abs=1e-10)


def test_compound_symmetry_is_the_analysis_of_variance() -> None:
    # Halves of sums and differences: between, half the variance of sums, (8 + 11 + 15) / 2 = 17; within,
    # (8 + 11 - 15) / 2 = 2. Variance (17 + 2) / 2, covariance (17 - 2) / 2.
    fits = fit(covariance=Covariance("compound-symmetry"))
    assert fits.visit_covariance[0, 0] == pytest.approx(np.array([[9.5, 7.5], [7.5, 9.5]]), rel=1e-7)
    # A difference at one visit mixes both: 2/3 of (17 + 2) / 2, with Satterthwaite's (17 + 2)^2 / (17^2 + 2^2) * 4.
    assert fits.covariance[0, 1, 1] == pytest.approx(19.0 / 3.0, rel=1e-7)
    assert fits.df[0, 1] == pytest.approx(4 * 19.0**2 / (17.0**2 + 2.0**2), rel=1e-6)
    # The change of the difference is of the differences alone.
    assert fits.df[0, 3] == pytest.approx(4.0, rel=1e-6)


def test_both_visits_at_once_is_hotelling_s_test() -> None:
    # T^2 = n1 n2 / (n1 + n2) d'S^-1 d, d = (2, 0): 1.5 * 4 * 11 / 31.75; F = T^2 (4 - 2 + 1) / (4 * 2) on 2 and 3.
    test = check_contrasts_at_once(fit(), [[0.0, 1.0, 0.0, 0.0], [0.0, 1.0, 0.0, 1.0]])
    assert test.denominator_df == pytest.approx(3.0, rel=1e-6)
    assert test.statistic == pytest.approx(1.5 * 44.0 / 31.75 * 3.0 / 8.0, rel=1e-6)


def test_the_plain_sandwich_adds_up_products_of_residuals() -> None:
    # With means of each arm and visit it is the sum of squares over n^2 in each arm, 14 / 9 + 18 / 9 at first.
    # Mancl and DeRouen divide each residual by 1 - 1/3: 9/4 of it.
    fits = fit()
    assert fits.covariance_sandwich[0, 1, 1] == pytest.approx(32.0 / 9.0, rel=1e-9)
    assert fits.covariance_mancl_derouen[0, 1, 1] == pytest.approx(32.0 / 9.0 * 9.0 / 4.0, rel=1e-9)


def test_a_matrix_of_each_arm_is_welch_s_test() -> None:
    # Variances at the first visit 14 / 2 and 18 / 2: SE^2 = 7/3 + 9/3; df (7/3 + 9/3)^2 / ((7/3)^2 / 2 + (9/3)^2 / 2).
    fits = fit(covariance=Covariance("unstructured", by_group=True), group=[0, 0, 0, 1, 1, 1])
    assert fits.covariance[0, 1, 1] == pytest.approx(16.0 / 3.0, rel=1e-9)
    assert fits.df[0, 1] == pytest.approx(16.0**2 / (7.0**2 / 2 + 9.0**2 / 2), rel=1e-6)
    assert fits.visit_covariance[0, 1] == pytest.approx(np.array([[9.0, 12.0], [12.0, 19.0]]), rel=1e-7)


@pytest.mark.parametrize(
    ("y", "code"),
    [
        (np.full((6, 2), 3.0), FitCode.CONSTANT_OUTCOME),
        (np.repeat(SCORES[:, :1], 2, axis=1), FitCode.NOT_CONVERGED),  # nobody changes: no matrix of full rank
        (np.where(SCORES == 9.0, np.nan, SCORES), FitCode.NON_FINITE_INPUT),
    ],
)
def test_what_has_no_answer_says_why(y: np.ndarray, code: FitCode) -> None:
    fits = fit(y)
    assert FitCode(int(fits.codes[0])) & (code | FitCode.NOT_ESTIMABLE) == code | FitCode.NOT_ESTIMABLE
    assert np.isnan(fits.coefficients).all()
    assert fits.structure[0] == -1


def test_one_visit_each_is_said() -> None:
    fits = fit_mmrm(SCORES[:, 0], DESIGN[::2, :2], np.zeros(6, int), np.arange(7), [0, 6], n_visits=2)
    assert FitCode(int(fits.codes[0])) == FitCode.ONE_VISIT_EACH | FitCode.NOT_ESTIMABLE


def test_the_order_of_what_stands_in() -> None:
    names = [one.structure for one in Covariance("unstructured", by_group=True).fallbacks()]
    assert names == [
        "unstructured",
        "toeplitz-heterogeneous",
        "ar1-heterogeneous",
        "compound-symmetry-heterogeneous",
        "toeplitz",
        "ar1",
        "compound-symmetry",
    ]
    assert [one.structure for one in Covariance("ante-dependence").fallbacks()] == ["ar1", "compound-symmetry"]
    assert Covariance("compound-symmetry").fallbacks() == ()
    assert all(one.structure in STRUCTURES for name in STRUCTURES for one in Covariance(name).fallbacks())


def test_three_people_and_three_visits_fall_back_and_say_to_what() -> None:
    # One arm of four and one of two people at four visits leave 6 - 2 = 4 degrees of freedom, and the last visit only
    # three people: the likelihood of an unstructured matrix has no maximum.
    rng = np.random.default_rng(4)
    y = rng.normal(size=(6, 4)) + rng.normal(size=(6, 1))
    seen = np.ones((6, 4), bool)
    seen[:3, 2:] = False
    who, visit = np.nonzero(seen)
    arm = np.isin(who, [1, 4]).astype(float)
    x = np.column_stack([np.ones(who.size), arm, *((visit == v).astype(float) for v in (1, 2, 3))])
    people = np.concatenate([[0], np.cumsum(seen.sum(axis=1))])
    alone = fit_mmrm(y[seen], x, visit, people, [0, 6], n_visits=4, fall_back=False)
    assert FitCode(int(alone.codes[0])) & FitCode.NOT_CONVERGED
    fits = fit_mmrm(y[seen], x, visit, people, [0, 6], n_visits=4)
    assert fits.codes[0] == 0
    chosen = fits.tried[fits.structure[0]]
    assert chosen.structure != "unstructured"
    direct = fit_mmrm(y[seen], x, visit, people, [0, 6], n_visits=4, covariance=chosen, fall_back=False)
    assert fits.log_likelihood[0] == direct.log_likelihood[0]
    assert fits.df[0].tobytes() == direct.df[0].tobytes()
