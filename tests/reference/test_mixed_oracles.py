"""Mixed models and GEE against programs whose answers are kept here, or that are run beside ours when installed.

R 4.2.2: lme4 1.1-31, glmmTMB 1.1.5, geepack 1.3.9; scripts and answers in tests/reference/mixed_oracles.
glmm 0.6.2 (LGPL, tests only) is called on data generated here: the toenail trial's shape and its hard variance, whose
own data may not be kept in this project.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy.special import expit

from equipoise.stats.gee import fit_gee
from equipoise.stats.logistic_mixed import fit_logistic_mixed
from equipoise.stats.logistic_mixed_slope import fit_logistic_mixed_slope
from equipoise.stats.packing import offsets_from_sizes

ORACLES = Path(__file__).resolve().parent / "mixed_oracles"
NAMES = ["0", "_arm", "_week", "_bc"]


def answers(name: str) -> pl.DataFrame:
    text = pl.read_csv(ORACLES / f"{name}.csv", infer_schema_length=0)
    return text.select(pl.all().str.strip_chars().cast(pl.Float64))


@pytest.fixture(scope="module")
def urine(shared_data: Path) -> pl.DataFrame:
    sys.path.insert(0, str(ORACLES))
    try:
        from urine_rows import read_urine_rows
    finally:
        sys.path.remove(str(ORACLES))
    return read_urine_rows(shared_data / "r-reference")


def one_trial(urine: pl.DataFrame, trial: float):
    rows = urine.filter(pl.col("trial") == int(trial))
    x = rows.select(pl.lit(1.0), "arm", "week", "bc").to_numpy().astype(float)
    sizes = rows.group_by("id", maintain_order=True).len()["len"].to_list()
    return rows["y"].to_numpy().astype(float), x, offsets_from_sizes(sizes), rows["visit"].to_numpy().astype(float)


@pytest.mark.parametrize("row", answers("glmmtmb_slope").to_dicts(), ids=lambda row: f"trial {row['trial']:.0f}")
def test_random_slopes_by_laplace_agree_with_glmmtmb(urine: pl.DataFrame, row: dict[str, float]) -> None:
    y, x, offsets, _ = one_trial(urine, row["trial"])
    fits = fit_logistic_mixed_slope(y, x, offsets, [0, offsets.size - 1], slope=x[:, 2])
    # The files keep twelve digits. On a boundary glmmTMB approaches from inside and stays below.
    assert fits.log_likelihood[0] > row["log_lik"] - 1e-6
    if row["trial"] == 86:
        # glmmTMB stopped where its slope variance had nearly vanished; the maximum is higher, by 8e-5.
        assert fits.log_likelihood[0] > row["log_lik"] + 1e-5
        return
    assert fits.log_likelihood[0] == pytest.approx(row["log_lik"], abs=2e-6)
    beta, error = ([row[f"{kind}{name}"] for name in NAMES] for kind in ("b", "se"))
    # glmmTMB's optimiser stops within about 1e-4 of a standard error.
    assert (fits.coefficients[0] - beta) / error == pytest.approx(np.zeros(4), abs=1e-3)
    assert fits.standard_errors[0] == pytest.approx(error, rel=1e-3)
    # Variances are the flattest directions.
    assert fits.sd_intercept[0] == pytest.approx(row["sd_intercept"], rel=1e-3)
    assert fits.sd_slope[0] == pytest.approx(row["sd_slope"], rel=1e-3)
    assert fits.corr[0] == pytest.approx(row["corr"], abs=1e-3)


@pytest.mark.parametrize("row", answers("geepack_ar1").to_dicts(), ids=lambda row: f"trial {row['trial']:.0f}")
def test_autoregressive_gee_with_missed_visits_agrees_with_geepack(urine: pl.DataFrame, row: dict[str, float]) -> None:
    y, x, offsets, visit = one_trial(urine, row["trial"])
    assert (np.diff(visit) > 1).any()
    fit = fit_gee(y, x, offsets, working="ar1", time=visit)
    beta, error = ([row[f"{kind}{name}"] for name in NAMES] for kind in ("b", "se"))
    # geepack was run to 1e-10; the files keep twelve digits.
    assert (fit.coefficients - beta) / error == pytest.approx(np.zeros(4), abs=1e-7)
    assert np.sqrt(np.diag(fit.covariance)) == pytest.approx(error, rel=1e-7)
    assert fit.correlation == pytest.approx(row["alpha"], rel=1e-7)


@pytest.fixture(scope="module")
def cbpp(tmp_path_factory: pytest.TempPathFactory) -> pl.DataFrame:
    """lme4's data set (GPL, hence not kept here), one row an animal."""
    path = tmp_path_factory.mktemp("cbpp") / "cbpp.csv"
    if shutil.which("Rscript") is None:
        pytest.skip("the cbpp data come from R's lme4, and there is no Rscript")
    script = "write.csv(lme4::cbpp, commandArgs(TRUE)[1], row.names = FALSE)"
    if subprocess.run(["Rscript", "-e", script, str(path)], capture_output=True, check=False).returncode != 0:
        pytest.skip("the cbpp data come from R's lme4, which is not installed")
    return pl.read_csv(path)


@pytest.mark.parametrize("row", answers("cbpp").to_dicts(), ids=lambda row: f"{row['nodes']:.0f} nodes")
def test_contagious_bovine_pleuropneumonia_agrees_with_lme4(cbpp: pl.DataFrame, row: dict[str, float]) -> None:
    herds, periods, sick, size = (cbpp[name].to_numpy() for name in ("herd", "period", "incidence", "size"))
    herd = np.repeat(herds, size)
    period = np.repeat(periods, size)
    y = np.concatenate([np.r_[np.ones(a), np.zeros(b - a)] for a, b in zip(sick, size, strict=True)])
    order = np.argsort(herd, kind="stable")
    x = np.column_stack([np.ones_like(y), *(period == k for k in (2, 3, 4))]).astype(float)[order]
    sizes = np.bincount(herd)[1:]
    fits = fit_logistic_mixed(y[order], x, offsets_from_sizes(sizes), [0, sizes.size], nodes=int(row["nodes"]))
    beta, error = ([row[f"{kind}{k}"] for k in (0, 2, 3, 4)] for kind in ("b", "se"))
    # With one node lme4's nested iteration stops about 1e-3 of a standard error short even at its tightest setting.
    tolerance = 2e-3 if row["nodes"] == 1 else 1e-4
    assert (fits.coefficients[0] - beta) / error == pytest.approx(np.zeros(4), abs=tolerance)
    assert fits.standard_errors[0] == pytest.approx(error, rel=1e-3)
    assert fits.sd_intercept[0] == pytest.approx(row["sd"], rel=1e-3 if row["nodes"] == 1 else 1e-4)


def hard_trial(seed: int):
    """The shape of the toenail trial: 294 participants, seven visits over 18 months, standard deviation 4."""
    rng = np.random.default_rng(seed)
    n = 294
    sizes = rng.choice([4, 5, 6, 7], n, p=[0.05, 0.05, 0.15, 0.75])
    owner = np.repeat(np.arange(n), sizes)
    month = np.concatenate([np.array([0, 1, 2, 3, 6, 9, 12.0])[:k] for k in sizes])
    arm = (owner % 2).astype(float)
    eta = -1.6 - 0.16 * arm - 0.39 * month - 0.14 * arm * month + 4.0 * rng.normal(size=n)[owner]
    y = (rng.uniform(size=owner.size) < expit(eta)).astype(float)
    return y, np.column_stack([np.ones_like(month), arm, month, arm * month]), owner, offsets_from_sizes(sizes)


@pytest.mark.parametrize("nodes", [9, 25])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_standard_deviation_of_four_agrees_with_the_glmm_package(seed: int, nodes: int) -> None:
    glmm = pytest.importorskip("glmm", reason="the glmm package (LGPL, tests only) is not installed")
    y, x, owner, offsets = hard_trial(seed)
    data = {"y": y, "arm": x[:, 1], "month": x[:, 2], "id": owner}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = glmm.fit(data, "y ~ arm * month + (1 | id)", family="binomial", nagq=nodes)
    ours = fit_logistic_mixed(y, x, offsets, [0, 294], nodes=nodes)
    assert ours.codes[0] == 0
    assert ours.sd_intercept[0] > 3
    assert ours.log_likelihood[0] >= theirs.loglik - 1e-6
    # Its optimiser ends where its likelihood no longer changes by about 1e-7.
    assert ours.log_likelihood[0] == pytest.approx(theirs.loglik, abs=1e-4)
    gap = (ours.coefficients[0] - np.asarray(theirs.beta)) / ours.standard_errors[0]
    assert gap == pytest.approx(np.zeros(4), abs=5e-3)
    assert ours.standard_errors[0] == pytest.approx(np.asarray(theirs.se), rel=1e-2)


def test_doubling_the_nodes_is_reported_where_the_variance_is_hard() -> None:
    y, x, _, offsets = hard_trial(1)
    few = fit_logistic_mixed(y, x, offsets, [0, 294], nodes=5, report_change_on_doubling=True)
    many = fit_logistic_mixed(y, x, offsets, [0, 294], nodes=50, report_change_on_doubling=True)
    assert few.change_on_doubling is not None
    assert many.change_on_doubling is not None
    assert few.change_on_doubling[0] > 20 * many.change_on_doubling[0]
    assert many.change_on_doubling[0] < 0.01
