"""Our fits against other Python programs: firthmodels 0.8.2, statsmodels 0.15.0, lifelines 0.30.3.

Each is an oracle only where it is right (R's glm has no Firth profile; brglm2 gives no penalised p or profile limits).
"""

from __future__ import annotations

import numpy as np
import pytest

from equipoise.stats.cox import fit_cox
from equipoise.stats.firth import fit_firth, penalised_likelihood_ratio, penalised_profile_limits
from equipoise.stats.logistic import fit_logistic
from equipoise.stats.logrank import log_rank


def trial(seed: int):
    rng = np.random.default_rng(seed)
    n = 60
    arm = np.repeat([0.0, 1.0], 30)
    covariate = rng.normal(size=n)
    y = (rng.random(n) < 1 / (1 + np.exp(2 - arm - 0.5 * covariate))).astype(float)
    time = np.ceil(rng.exponential(8 / np.exp(0.5 * arm), n))
    event = (time <= 12).astype(float)
    return y, arm, covariate, np.minimum(time, 12.0), event


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("zero_event_arm", [False, True])
def test_penalised_test_and_profile_limits_agree_with_firthmodels(seed: int, zero_event_arm: bool) -> None:
    firthmodels = pytest.importorskip("firthmodels")
    y, arm, covariate, _, _ = trial(seed)
    if zero_event_arm:
        y = np.where(arm == 0, 0.0, y)
    x = np.column_stack([arm, covariate])
    model = firthmodels.FirthLogisticRegression(backend="numpy", gtol=1e-7, xtol=1e-7, max_iter=200).fit(x, y)
    model.lrt()
    theirs = model.conf_int(method="pl", tol=1e-7, max_iter=200)
    design = np.column_stack([np.ones(60), x])
    fits = fit_firth(y, design, [0, 60])
    assert fits.coefficients[0, 1:] == pytest.approx(model.coef_, abs=1e-6)
    for column in (1, 2):
        test = penalised_likelihood_ratio(fits, y, design, [0, 60], column=column)
        # Its convergence criterion, as set above, in the coefficients; the p value follows.
        assert test.p_value[0] == pytest.approx(model.lrt_pvalues_[column - 1], rel=1e-4)
        limits = penalised_profile_limits(fits, y, design, [0, 60], column=column)
        assert [limits.ci_lower[0], limits.ci_upper[0]] == pytest.approx(theirs[column - 1], abs=1e-5)


@pytest.mark.parametrize("seed", range(3))
def test_logistic_agrees_with_statsmodels(seed: int) -> None:
    api = pytest.importorskip("statsmodels.api")
    y, arm, covariate, _, _ = trial(seed)
    design = np.column_stack([np.ones(60), arm, covariate])
    theirs = api.Logit(y, design).fit(disp=0, method="newton", tol=1e-14)
    fits = fit_logistic(y, design, [0, 60])
    np.testing.assert_allclose(fits.coefficients[0], theirs.params, rtol=1e-9)
    np.testing.assert_allclose(fits.standard_errors[0], theirs.bse, rtol=1e-7)
    assert fits.log_lik[0] == pytest.approx(theirs.llf, abs=1e-11)


@pytest.mark.parametrize("seed", range(3))
def test_cox_log_rank_and_robust_errors_agree_with_lifelines(seed: int) -> None:
    lifelines = pytest.importorskip("lifelines")
    pandas = pytest.importorskip("pandas")
    from lifelines.statistics import logrank_test

    _, arm, covariate, time, event = trial(seed)
    frame = pandas.DataFrame({"time": time, "event": event, "arm": arm, "covariate": covariate})
    theirs = lifelines.CoxPHFitter().fit(frame, "time", "event", fit_options={"precision": 1e-12})
    fits = fit_cox(time, event, np.column_stack([arm, covariate]), [0, 60])
    np.testing.assert_allclose(fits.coefficients[0], theirs.params_, rtol=1e-6)
    np.testing.assert_allclose(fits.standard_errors[0], theirs.standard_errors_, rtol=1e-6)
    assert fits.log_lik[0] == pytest.approx(theirs.log_likelihood_, abs=1e-8)
    chosen = arm == 1
    test = log_rank(time, event, arm, [0, 60])
    assert test.statistic[0] == pytest.approx(
        logrank_test(time[chosen], time[~chosen], event[chosen], event[~chosen]).test_statistic, rel=1e-9
    )
