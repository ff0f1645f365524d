"""The three trials of CTN-0094: our fits against statsmodels 0.15.0, lifelines 0.30.3 and glmm 0.6.2, where right.

The endpoint is worked out here from the tables in a few lines: day of the first opioid-positive urine after
randomization, and every sample as positive or not. What the trials published is tested elsewhere.
"""

from __future__ import annotations

import time as clock
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from equipoise.stats.cox import fit_cox
from equipoise.stats.gee import fit_gee
from equipoise.stats.kaplan_meier import fit_kaplan_meier
from equipoise.stats.logistic import fit_logistic
from equipoise.stats.logistic_mixed import fit_logistic_mixed
from equipoise.stats.logrank import log_rank
from equipoise.stats.packing import offsets_from_sizes

PROJECTS = {"X:BOT": 51, "START": 27, "POATS": 30}


@dataclass(frozen=True)
class Trial:
    """Samples (sorted by participant and day) and one row a participant."""

    y: np.ndarray
    x: np.ndarray
    offsets: np.ndarray
    time: np.ndarray
    event: np.ndarray
    arm: np.ndarray


@pytest.fixture(scope="module")
def trials(shared_data: Path) -> dict[str, Trial]:
    def table(name: str) -> pl.DataFrame:
        return pl.read_csv(shared_data / "ctn0094" / f"{name}.csv.gz", infer_schema_length=None)

    everybody, randomization = table("everybody"), table("randomization").filter(pl.col("which") == 1)
    samples = table("uds_temp").select("who", "when").unique()
    positive = table("uds").filter(pl.col("what") == "Opioid").select("who", "when").unique()
    out = {}
    for name, project in PROJECTS.items():
        who = everybody.filter(pl.col("project").cast(pl.String) == str(project)).select("who")
        people = randomization.join(who, on="who", how="semi").select("who", "treatment", day_0="when")
        last = people["treatment"].unique().sort()[-1]
        rows = samples.join(positive.with_columns(y=pl.lit(1.0)), on=["who", "when"], how="left")
        rows = rows.join(people, on="who").with_columns(
            pl.col("y").fill_null(0.0), day=pl.col("when") - pl.col("day_0")
        )
        rows = rows.with_columns(arm=(pl.col("treatment") == last).cast(pl.Float64)).filter(pl.col("day") > 0)
        rows = rows.sort("who", "day")
        each = rows.group_by("who", maintain_order=True).agg(
            pl.len(),
            pl.col("arm").first(),
            first=pl.col("day").filter(pl.col("y") == 1).min(),
            end=pl.col("day").max(),
        )
        month = rows["day"].to_numpy() / 28
        arm = rows["arm"].to_numpy()
        out[name] = Trial(
            rows["y"].to_numpy(),
            np.column_stack([np.ones_like(month), arm, month, arm * month]),
            offsets_from_sizes(each["len"].to_list()),
            each["first"].fill_null(each["end"]).to_numpy().astype(float),
            each["first"].is_not_null().to_numpy().astype(float),
            each["arm"].to_numpy(),
        )
    return out


@pytest.mark.parametrize("name", PROJECTS)
def test_a_whole_plan_fits_each_trial_in_seconds(trials: dict[str, Trial], name: str) -> None:
    trial = trials[name]
    one, people = [0, trial.arm.size], trial.arm.astype(np.int64)

    def plan() -> None:
        fit_cox(trial.time, trial.event, trial.arm[:, None], one)
        fit_kaplan_meier(trial.time, trial.event, people, one)
        log_rank(trial.time, trial.event, people, one)
        fit_logistic_mixed(trial.y, trial.x, trial.offsets, one)

    plan()
    begin = clock.perf_counter()
    plan()
    assert clock.perf_counter() - begin < 5


@pytest.mark.parametrize("name", PROJECTS)
def test_cox_kaplan_meier_and_log_rank_agree_with_lifelines_and_statsmodels(
    trials: dict[str, Trial], name: str
) -> None:
    lifelines = pytest.importorskip("lifelines")
    duration = pytest.importorskip("statsmodels.duration.api")
    trial = trials[name]
    one = [0, trial.arm.size]
    fits = fit_cox(trial.time, trial.event, trial.arm[:, None], one, ties="efron")
    theirs = duration.PHReg(trial.time, trial.arm[:, None], status=trial.event, ties="efron").fit()
    # Newton with a convergence criterion of about 1e-8.
    assert fits.coefficients[0, 0] == pytest.approx(theirs.params[0], rel=1e-6, abs=1e-8)
    assert fits.standard_errors[0, 0] == pytest.approx(theirs.bse[0], rel=1e-6)
    group = trial.arm == 1
    test = lifelines.statistics.logrank_test(
        trial.time[~group], trial.time[group], trial.event[~group], trial.event[group]
    )
    ours = log_rank(trial.time, trial.event, group.astype(np.int64), one)
    assert ours.statistic[0] == pytest.approx(test.test_statistic, rel=1e-9)
    curves = fit_kaplan_meier(trial.time, trial.event, group.astype(np.int64), one)
    for arm in (0, 1):
        chosen = group == bool(arm)
        fitter = lifelines.KaplanMeierFitter().fit(trial.time[chosen], trial.event[chosen])
        curve = curves.curve(0, arm)
        expected = fitter.survival_function_at_times(curve.time).to_numpy()
        assert curve.survival == pytest.approx(expected, rel=1e-9, abs=1e-12)
        # lifelines' default limits are log-log as well; its last row, at survival zero, is its own convention.
        inside = (curve.survival > 0) & (curve.survival < 1)
        limits = fitter.confidence_interval_.loc[curve.time[inside]].to_numpy()
        assert curve.ci_lower[inside] == pytest.approx(limits[:, 0], rel=1e-6)
        assert curve.ci_upper[inside] == pytest.approx(limits[:, 1], rel=1e-6)


def test_hazard_ratio_of_xbot_agrees_with_lifelines(trials: dict[str, Trial]) -> None:
    lifelines = pytest.importorskip("lifelines")
    trial = trials["X:BOT"]
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"time": trial.time, "event": trial.event, "arm": trial.arm})
    theirs = lifelines.CoxPHFitter().fit(frame, "time", "event")
    fits = fit_cox(trial.time, trial.event, trial.arm[:, None], [0, trial.arm.size])
    # Its default step stops in the sixth digit.
    assert fits.coefficients[0, 0] == pytest.approx(theirs.params_["arm"], rel=1e-4, abs=1e-5)
    assert fits.standard_errors[0, 0] == pytest.approx(theirs.standard_errors_["arm"], rel=1e-4)


@pytest.mark.parametrize("name", PROJECTS)
def test_pooled_logistic_agrees_with_statsmodels(trials: dict[str, Trial], name: str) -> None:
    sm = pytest.importorskip("statsmodels.api")
    trial = trials[name]
    theirs = sm.Logit(trial.y, trial.x).fit(disp=0, tol=1e-12)
    fits = fit_logistic(trial.y, trial.x, [0, trial.y.size])
    assert fits.coefficients[0] == pytest.approx(theirs.params, rel=1e-7, abs=1e-9)
    assert fits.standard_errors[0] == pytest.approx(theirs.bse, rel=1e-7)


def test_gee_of_start_agrees_with_statsmodels(trials: dict[str, Trial]) -> None:
    sm = pytest.importorskip("statsmodels.api")
    trial = trials["START"]
    owner = np.repeat(np.arange(trial.arm.size), np.diff(trial.offsets))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = fit_gee(trial.y, trial.x, trial.offsets, working="exchangeable")
        theirs = sm.GEE(
            trial.y, trial.x, groups=owner, family=sm.families.Binomial(), cov_struct=sm.cov_struct.Exchangeable()
        ).fit()
    # The two divide the moment estimate of the correlation by slightly different numbers (see docs/methods/gee.md).
    assert (fit.coefficients - theirs.params) / theirs.bse == pytest.approx(np.zeros(4), abs=1e-3)
    assert np.sqrt(np.diag(fit.covariance)) == pytest.approx(theirs.bse, rel=1e-3)


@pytest.mark.parametrize("name", ["X:BOT", "POATS"])
def test_random_intercepts_agree_with_the_glmm_package(trials: dict[str, Trial], name: str) -> None:
    glmm = pytest.importorskip("glmm", reason="the glmm package (LGPL, tests only) is not installed")
    trial = trials[name]
    owner = np.repeat(np.arange(trial.arm.size), np.diff(trial.offsets))
    data = {"y": trial.y, "arm": trial.x[:, 1], "month": trial.x[:, 2], "id": owner}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = glmm.fit(data, "y ~ arm * month + (1 | id)", family="binomial", nagq=9)
    ours = fit_logistic_mixed(trial.y, trial.x, trial.offsets, [0, trial.arm.size], nodes=9)
    assert ours.log_likelihood[0] == pytest.approx(theirs.loglik, abs=1e-3)
    assert ours.log_likelihood[0] >= theirs.loglik - 1e-6
    gap = (ours.coefficients[0] - np.asarray(theirs.beta)) / ours.standard_errors[0]
    # Its optimiser ends within a few thousandths of a standard error.
    assert gap == pytest.approx(np.zeros(4), abs=1e-2)
