"""Kaplan-Meier curves solved by hand."""

from __future__ import annotations

import numpy as np
import pytest

from equipoise.stats.codes import FitCode
from equipoise.stats.kaplan_meier import fit_kaplan_meier


def one(time, event, **options):
    return fit_kaplan_meier(time, event, np.zeros(len(time)), [0, len(time)], n_groups=1, **options)


def test_a_censoring_leaves_the_curve_and_shrinks_the_risk_set() -> None:
    curve = one([1.0, 2.0, 3.0, 4.0], [1, 0, 1, 1]).curve(0, 0)
    assert curve.survival == pytest.approx([3 / 4, 3 / 4, 3 / 8, 0], abs=1e-15)
    assert curve.n_at_risk.tolist() == [4, 3, 2, 1]
    assert curve.n_censored.tolist() == [0, 1, 0, 0]
    # Greenwood at 3: (3/8)^2 (1/(4 3) + 1/(2 1)) = (9/64)(7/12)
    assert curve.standard_error[2] == pytest.approx(np.sqrt(9 / 64 * 7 / 12), rel=1e-12)
    assert np.isnan(curve.standard_error[3])


def test_log_log_limits_of_one_event_in_four() -> None:
    curve = one([1.0, 2.0, 3.0, 4.0], [1, 0, 0, 0]).curve(0, 0)
    half = 1.959963984540054 * np.sqrt(1 / 12) / -np.log(0.75)
    assert curve.ci_lower[0] == pytest.approx(0.75 ** np.exp(half), rel=1e-12)
    assert curve.ci_upper[0] == pytest.approx(0.75 ** np.exp(-half), rel=1e-12)


def test_the_median_is_the_middle_of_a_stretch_at_one_half() -> None:
    assert one([1.0, 2.0, 3.0, 4.0], [1, 1, 1, 1]).median[0, 0] == 2.5
    assert one([1.0, 2.0, 3.0], [1, 1, 1]).median[0, 0] == 2.0


def test_a_curve_that_stays_above_one_half_has_no_median() -> None:
    fits = one([1.0, 2.0, 3.0, 4.0], [1, 0, 0, 0])
    assert np.isnan(fits.median[0, 0])
    assert FitCode(int(fits.group_codes[0, 0])) == FitCode.MEDIAN_NOT_REACHED


def test_a_tie_of_event_and_censoring_keeps_the_censored_at_risk() -> None:
    curve = one([2.0, 2.0, 2.0, 3.0], [1, 0, 1, 1]).curve(0, 0)
    assert curve.survival.tolist() == [0.5, 0.0]
    assert (curve.n_at_risk[0], curve.n_events[0], curve.n_censored[0]) == (4, 2, 1)
    assert curve.at([0.0, 1.9, 2.0, 2.5, 99.0]).tolist() == [1.0, 1.0, 0.5, 0.5, 0.0]
    assert curve.at_risk([0.0, 2.0, 2.1, 3.0, 3.1]).tolist() == [4, 4, 1, 1, 0]


def test_arms_are_kept_apart_and_an_empty_arm_is_coded() -> None:
    fits = fit_kaplan_meier([1.0, 2.0, 3.0], [1, 1, 1], [0, 1, 0], [0, 3], n_groups=3)
    assert fits.curve(0, 0).time.tolist() == [1.0, 3.0]
    assert fits.curve(0, 1).time.tolist() == [2.0]
    assert FitCode.EMPTY_ARM in FitCode(int(fits.group_codes[0, 2]))
    assert np.isnan(fits.median[0, 2])


def test_negative_and_missing_times_are_coded_and_give_no_curve() -> None:
    fits = fit_kaplan_meier([1.0, -2.0, np.nan, 1.0], [1, 1, 1, 1], [0, 0, 0, 0], [0, 2, 3, 4], n_groups=1)
    assert FitCode.NEGATIVE_TIME in FitCode(int(fits.codes[0]))
    assert FitCode.NON_FINITE_INPUT in FitCode(int(fits.codes[1]))
    assert fits.length[:, 0].tolist() == [0, 0, 1]
