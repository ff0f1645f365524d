"""Laplace with a random intercept and slope: cases small enough to write out, and a slow, obvious version."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.optimize import approx_fprime, minimize
from scipy.special import expit

from equipoise.stats.codes import FitCode
from equipoise.stats.logistic_mixed import fit_logistic_mixed
from equipoise.stats.logistic_mixed_slope import fit_logistic_mixed_slope
from equipoise.stats.packing import offsets_from_sizes

# Visits at -3, -1, 1, 3 with outcomes 1, 0, 0, 1: the residuals from one half sum to zero, and so do their products
# with time (-3 + 1 - 1 + 3 = 0). At beta = 0 the mode is therefore b = 0 whatever the variances.
TIMES = np.array([-3.0, -1.0, 1.0, 3.0])
BALANCED = np.array([1.0, 0.0, 0.0, 1.0])


def kernel_value(psi, x, z, y, offsets):
    """Value and gradient of the kernel at ``psi`` = (beta, l11, l21, l22)."""
    from equipoise.stats.kernels.laplace_slope import ScaledTrial, Scores, evaluate

    n = len(psi)
    value, gradient = np.empty(1), np.empty(n)
    status = evaluate(
        np.asarray(psi, float),
        ScaledTrial(x, z, y, offsets, np.empty((4, y.size))),
        np.zeros((offsets.size - 1, 2)),
        Scores(gradient, np.empty((n, n)), value, np.empty(n)),
    )
    assert status == 0
    return value[0], gradient


def generated(seed: int, n: int = 60, sd: tuple[float, float, float] = (1.2, 0.25, 0.3)):
    """One trial with a true random slope: y, design, offsets; ``sd`` is (intercept, slope, correlation)."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(5, 14, n)
    week = np.concatenate([np.arange(k) for k in sizes]).astype(float)
    owner = np.repeat(np.arange(n), sizes)
    arm = (owner % 2).astype(float)
    u = rng.normal(size=(2, n))
    level, change = sd[0] * u[0], sd[1] * (sd[2] * u[0] + np.sqrt(1 - sd[2] ** 2) * u[1])
    eta = 0.3 - 0.5 * arm - 0.05 * week + level[owner] + change[owner] * week
    y = (rng.uniform(size=week.size) < expit(eta)).astype(float)
    return y, np.column_stack([np.ones_like(week), arm, week]), offsets_from_sizes(sizes)


def slow_log_likelihood(beta, covariance, y, x, week, offsets) -> float:
    """Laplace's approximation in b itself, participant by participant; each mode by plain Newton steps."""
    inverse = np.linalg.inv(covariance)
    total = 0.0
    for a, b in itertools.pairwise(offsets):
        z = np.column_stack([np.ones(b - a), week[a:b]])
        fixed, own = x[a:b] @ beta, y[a:b]

        def minus(u, z=z, fixed=fixed, own=own):
            eta = fixed + z @ u
            return np.sum(np.logaddexp(0, eta) - own * eta) + 0.5 * u @ inverse @ u

        def slope(u, z=z, fixed=fixed, own=own):
            return z.T @ (expit(fixed + z @ u) - own) + inverse @ u

        def curvature(u, z=z, fixed=fixed):
            p = expit(fixed + z @ u)
            return z.T @ (z * (p * (1 - p))[:, None]) + inverse

        mode = np.zeros(2)
        for _ in range(100):
            step = np.linalg.solve(curvature(mode), slope(mode))
            while minus(mode - step) > minus(mode) + 1e-12:
                step = step / 2
            mode = mode - step
            if np.abs(step).max() < 1e-12:
                break
        _, log_det = np.linalg.slogdet(covariance @ curvature(mode))
        total += -minus(mode) - 0.5 * log_det
    return float(total)


def test_at_a_mode_of_zero_the_likelihood_is_the_determinant_written_out() -> None:
    # 4 outcomes at one half: 4 log(1/2). The information at the mode is I + L' [[4, 0], [0, 20]] L / 4, the weights
    # p (1 - p) being 1/4, the sum of squared times 20. With L = [[2, 0], [1, 3]], L' diag(1, 5) L is
    # [[9, 15], [15, 45]], so the determinant is 10 * 46 - 15^2 = 235.
    value, gradient = kernel_value([0.0, 2.0, 1.0, 3.0], np.ones((4, 1)), TIMES, BALANCED, np.array([0, 4]))
    assert value == pytest.approx(4 * np.log(0.5) - 0.5 * np.log(235), abs=1e-13)
    # With weights symmetric about zero p' vanishes and the modes stay: d/dl of -log(235)/2, where
    # det = (1 + l11^2 + 5 l21^2)(1 + 5 l22^2) - 25 l21^2 l22^2, is -(184, 10, 60) / 235 for (l11, l21, l22):
    # l11: 2 * 2 * 46 = 184; l21: 10 * 46 - 50 * 9 = 10; l22: 10 * 30 - 50 * 3 = 150, each over 2 * 235.
    assert gradient[1:] == pytest.approx([-92 / 235, -5 / 235, -75 / 235], abs=1e-13)


def test_participants_who_look_alike_have_no_variance_and_the_fit_is_the_pooled_one_exactly() -> None:
    # Six participants with the same four outcomes: pooled, 12 of 24 are positive, the odds are 1 and the intercept 0.
    y = np.tile(BALANCED, 6)
    x = np.ones((24, 1))
    fits = fit_logistic_mixed_slope(y, x, offsets_from_sizes([4] * 6), [0, 6], slope=np.tile(TIMES, 6))
    assert FitCode(int(fits.codes[0])) == FitCode.BOUNDARY_VARIANCE
    assert fits.coefficients[0, 0] == pytest.approx(0.0, abs=1e-12)
    assert (fits.sd_intercept[0], fits.sd_slope[0]) == (0.0, 0.0)
    assert np.isnan(fits.corr[0])
    assert fits.log_likelihood[0] == pytest.approx(24 * np.log(0.5), abs=1e-12)
    # Pooled information is 24 / 4.
    assert fits.standard_errors[0, 0] == pytest.approx(1 / np.sqrt(6), abs=1e-12)


@pytest.mark.parametrize("psi", [[0.2, -0.4, 0.5, 1.1, 0.4, 0.8], [0.2, -0.4, 0.5, 3.0, -0.9, 2.5]])
def test_the_gradient_is_that_of_the_value(psi) -> None:
    y, x, offsets = generated(3, n=12)
    z = x[:, 2] / 5
    x = np.ascontiguousarray(x / [1, 1, 5])
    _, gradient = kernel_value(psi, x, z, y, offsets)
    slow = approx_fprime(np.array(psi), lambda at: kernel_value(at, x, z, y, offsets)[0], 1e-6)
    # One-sided differences of step 1e-6 carry about 1e-6 of the second derivative (of order 10).
    assert gradient == pytest.approx(slow, abs=1e-4)


def test_a_slow_obvious_version_agrees() -> None:
    y, x, offsets = generated(11, n=40)
    week = x[:, 2].copy()
    fits = fit_logistic_mixed_slope(y, x, offsets, [0, 40], slope=week)
    assert fits.codes[0] == 0
    sd, change, corr = fits.sd_intercept[0], fits.sd_slope[0], fits.corr[0]

    def at(parameters) -> float:
        beta, (a, b, r) = parameters[:3], parameters[3:]
        level, tilt, share = np.exp(a), np.exp(b), np.tanh(r)
        joint = share * level * tilt
        return -slow_log_likelihood(beta, np.array([[level**2, joint], [joint, tilt**2]]), y, x, week, offsets)

    here = np.array([*fits.coefficients[0], np.log(sd), np.log(change), np.arctanh(corr)])
    # Some 350 rows and well-conditioned matrices: both sums are good to some 1e-11.
    assert -at(here) == pytest.approx(fits.log_likelihood[0], abs=1e-9)
    found = minimize(at, here + 0.03, method="BFGS", options={"gtol": 1e-4})
    # The two stop at gradients that leave about 1e-3 of a standard error.
    assert np.abs(found.x[:3] - here[:3]) / fits.standard_errors[0] == pytest.approx(0, abs=1e-3)
    assert -found.fun <= fits.log_likelihood[0] + 1e-8


def test_standard_errors_are_those_of_the_curvature_in_all_parameters_together() -> None:
    y, x, offsets = generated(13, n=50)
    fits = fit_logistic_mixed_slope(y, x, offsets, [0, 50], slope=x[:, 2])
    sd, change, corr = fits.sd_intercept[0], fits.sd_slope[0], fits.corr[0]
    here = np.array([*fits.coefficients[0], sd, corr * change, change * np.sqrt(1 - corr**2)])
    z = x[:, 2].copy()
    step = 1e-5
    hessian = np.array(
        [
            (kernel_value(here + step * e, x, z, y, offsets)[1] - kernel_value(here - step * e, x, z, y, offsets)[1])
            / (2 * step)
            for e in np.eye(6)
        ]
    )
    slow = np.sqrt(np.diag(np.linalg.inv(-0.5 * (hessian + hessian.T))))[:3]
    # Unscaled columns and another step: differences agree to about 1e-6.
    assert fits.standard_errors[0] == pytest.approx(slow, rel=1e-5)


def test_the_likelihood_is_never_below_that_of_the_random_intercept_alone() -> None:
    for seed in range(4):
        y, x, offsets = generated(20 + seed, n=40, sd=(1.0, 0.0, 0.0))
        larger = fit_logistic_mixed_slope(y, x, offsets, [0, 40], slope=x[:, 2])
        smaller = fit_logistic_mixed(y, x, offsets, [0, 40], nodes=1)
        assert larger.log_likelihood[0] >= smaller.log_likelihood[0] - 1e-7


def test_what_the_data_cannot_tell_is_coded_and_never_a_number() -> None:
    y, x, offsets = generated(5, n=20)
    week = x[:, 2].copy()
    ends = [0, 20]

    def codes(*arguments, slope) -> tuple[str, ...]:
        fits = fit_logistic_mixed_slope(*arguments, slope=slope)
        assert np.isnan(fits.coefficients).all()
        assert np.isnan(fits.log_likelihood).all()
        assert np.isnan(fits.standard_errors).all()
        return FitCode(int(fits.codes[0])).slugs()

    broken = week.copy()
    broken[3] = np.inf
    assert codes(y, x, offsets, ends, slope=broken) == ("not-estimable", "non-finite-input")
    assert codes(y, x, offsets, ends, slope=np.ones_like(week)) == ("not-estimable", "too-few-visits")
    assert codes(y, x, offsets, ends, slope=np.zeros_like(week)) == ("not-estimable", "too-few-visits")
    two = offsets_from_sizes([2] * 20)
    assert "too-few-visits" in codes(y[:40], x[:40, :1].copy(), two, ends, slope=np.tile([0.0, 1.0], 20))
    assert "constant-outcome" in codes(np.ones_like(y), x, offsets, ends, slope=week)
    assert "rank-deficient" in codes(y, np.column_stack([x, x[:, 1]]), offsets, ends, slope=week)
    missing = y.copy()
    missing[0] = np.nan
    assert "non-finite-input" in codes(missing, x, offsets, ends, slope=week)
    one_sided = np.where(x[:, 1] == 1, 1.0, y)
    assert "separation-quasi" in codes(one_sided, x, offsets, ends, slope=week)
    with pytest.raises(ValueError, match="one value per row"):
        fit_logistic_mixed_slope(y, x, offsets, ends, slope=week[:-1])
    empty = fit_logistic_mixed_slope(np.empty(0), np.empty((0, 2)), [0], [0], slope=np.empty(0))
    assert empty.coefficients.shape == (0, 2)


def test_threads_change_nothing_and_a_batch_is_the_loop_bit_for_bit() -> None:
    parts = [generated(seed, n=20 + seed) for seed in range(6)]
    y, x = np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])
    sizes = np.concatenate([np.diff(part[2]) for part in parts])
    people = offsets_from_sizes([part[2].size - 1 for part in parts])
    one, three = (
        fit_logistic_mixed_slope(y, x, offsets_from_sizes(sizes), people, slope=x[:, 2], threads=n) for n in (1, 3)
    )
    for name in ("coefficients", "covariance", "sd_slope", "corr", "log_likelihood", "codes", "iterations"):
        assert getattr(one, name).tobytes() == getattr(three, name).tobytes()
    for k, (own, matrix, offsets) in enumerate(parts):
        alone = fit_logistic_mixed_slope(own, matrix, offsets, [0, offsets.size - 1], slope=matrix[:, 2])
        assert alone.coefficients.tobytes() == one.coefficients[k : k + 1].tobytes()
        assert alone.covariance.tobytes() == one.covariance[k : k + 1].tobytes()


def test_another_unit_of_time_and_another_arm_label_change_only_what_they_name() -> None:
    y, x, offsets = generated(31)
    ends = [0, offsets.size - 1]
    weeks = fit_logistic_mixed_slope(y, x, offsets, ends, slope=x[:, 2])
    days = fit_logistic_mixed_slope(y, x * [1, 1, 7], offsets, ends, slope=7 * x[:, 2])
    assert weeks.codes[0] == 0
    # Iterations end within 3e-5 of a standard error of the maximum, from either side.
    assert days.coefficients[0] * [1, 1, 7] == pytest.approx(weeks.coefficients[0], abs=1e-5)
    assert 7 * days.sd_slope[0] == pytest.approx(weeks.sd_slope[0], rel=1e-4)
    swapped = x.copy()
    swapped[:, 1] = 1 - x[:, 1]
    other = fit_logistic_mixed_slope(y, swapped, offsets, ends, slope=x[:, 2])
    assert other.coefficients[0, 1] == pytest.approx(-weeks.coefficients[0, 1], abs=1e-5)
    assert other.log_likelihood[0] == pytest.approx(weeks.log_likelihood[0], abs=1e-7)


def test_shifting_the_slope_variable_leaves_the_likelihood_where_it_was() -> None:
    # The factor L is free, so level at another time is another factor of the same family.
    y, x, offsets = generated(32)
    ends = [0, offsets.size - 1]
    early, late = (fit_logistic_mixed_slope(y, x, offsets, ends, slope=x[:, 2] - shift) for shift in (0.0, 6.0))
    assert early.log_likelihood[0] == pytest.approx(late.log_likelihood[0], abs=1e-7)
    assert early.sd_slope[0] == pytest.approx(late.sd_slope[0], rel=1e-4)
