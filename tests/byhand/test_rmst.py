"""Restricted mean survival time solved by hand."""

from __future__ import annotations

import numpy as np
import pytest

from equipoise.stats.codes import FitCode
from equipoise.stats.kaplan_meier import fit_kaplan_meier
from equipoise.stats.rmst import estimate_rmst, estimate_rmst_difference

CURVES = fit_kaplan_meier(
    [1.0, 2.0, 3.0, 4.0, 2.0, 4.0], [1, 0, 1, 1, 1, 0], [0, 0, 0, 0, 1, 1], [0, 6]
)  # control 1, 2+, 3, 4; experimental 2, 4+


def test_the_area_under_a_step_curve_and_its_variance() -> None:
    means = estimate_rmst(CURVES, 3.5)
    # 1 for one unit, 3/4 for two, 3/8 for half a unit; to the right of 1: 27/16, of 3: 3/16.
    assert means.mean[0, 0] == pytest.approx(1 + 1.5 + 3 / 16, rel=1e-14)
    assert means.standard_error[0, 0] == pytest.approx(np.sqrt((27 / 16) ** 2 / 12 + (3 / 16) ** 2 / 2), rel=1e-12)


def test_the_difference_adds_variances() -> None:
    difference = estimate_rmst_difference(CURVES, 3.0)
    # Experimental: 2 + 1/2; variance (1/2)^2 / 2. Control: 2.5; variance (3/2)^2 / 12.
    assert difference.estimate[0] == pytest.approx(0.0, abs=1e-14)
    assert difference.standard_error[0] == pytest.approx(np.sqrt(1 / 8 + 9 / 48), rel=1e-12)


def test_beyond_follow_up_the_curve_is_continued_and_said() -> None:
    means = estimate_rmst(CURVES, 5.0)
    assert means.mean[0, 1] == pytest.approx(2 + 3 * 0.5, rel=1e-14)
    assert FitCode.HORIZON_BEYOND_FOLLOW_UP in FitCode(int(means.group_codes[0, 1]))
    # Control has reached zero: nothing is assumed.
    assert FitCode.HORIZON_BEYOND_FOLLOW_UP not in FitCode(int(means.group_codes[0, 0]))


def test_no_event_before_the_horizon_is_a_difference_of_nothing_without_a_known_error() -> None:
    difference = estimate_rmst_difference(CURVES, 0.5)
    assert difference.estimate[0] == 0.0
    assert FitCode.NOT_ESTIMABLE not in FitCode(int(difference.codes[0]))
    assert FitCode.ERROR_UNKNOWN in FitCode(int(difference.codes[0]))
    assert np.isnan([difference.standard_error[0], difference.ci_lower[0], difference.p_value[0]]).all()


@pytest.mark.parametrize("event", [0, 1])
def test_one_participant_alone_in_an_arm_knows_no_mean_without_error(event) -> None:
    # Times 1 and 2 with events against one person, censored or failing at 3: the formula would give an error of 0.
    curves = fit_kaplan_meier([1.0, 2.0, 3.0], [1, 1, event], [0, 0, 1], offsets=[0, 3])
    means = estimate_rmst(curves, 3.0)
    assert means.mean[0, 1] == 3.0
    assert np.isnan(means.standard_error[0, 1])
    assert np.isfinite(means.standard_error[0, 0])
    difference = estimate_rmst_difference(curves, 3.0)
    assert difference.estimate[0] == pytest.approx(1.5)
    assert np.isnan([difference.ci_lower[0], difference.ci_upper[0], difference.p_value[0]]).all()


@pytest.mark.parametrize("horizon", [0.0, -1.0, np.nan, np.inf])
def test_an_impossible_horizon_is_refused(horizon) -> None:
    with pytest.raises(ValueError, match="horizon"):
        estimate_rmst(CURVES, horizon)
