"""Logistic and linear mixed models and GEE: ours against lme4's, lmerTest's, glmmTMB's and geepack's.

A separated or singular fit is classified first. Where R's log-likelihood is lower than ours by more than a rounding,
R has stopped short and its coefficients are not the maximum's: that is the class "R stopped short".
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial

import numpy as np
import polars as pl
from numpy.typing import NDArray

from agreement_models.base import BOUNDARY, R_STOPPED_SHORT, SEPARATION, Agreement, Folder
from equipoise.stats.codes import FitCode, has
from equipoise.stats.gee import Working, fit_gee
from equipoise.stats.linear_mixed import fit_linear_mixed
from equipoise.stats.logistic_mixed import fit_logistic_mixed
from equipoise.stats.logistic_mixed_slope import fit_logistic_mixed_slope
from equipoise.stats.packing import offsets_from_sizes

Vector = NDArray[np.float64]
Offsets = NDArray[np.int64]

URINE_TERMS = ["(Intercept)", "arm", "week", "bc"]
CRAVING_TERMS = ["(Intercept)", "arm", "week", "bc", "arm:week"]
# In standard errors: a thousandth of the uncertainty cannot change a conclusion.
OF_A_STANDARD_ERROR = 1e-3
# lme4's standard errors come from a finite-difference Hessian; 1e-3 relative is what such differences carry.
STANDARD_ERROR = 1e-3
LOG_LIKELIHOOD = 1e-4
# Where R is lower by more than this, its optimiser has not arrived.
SHORT = 1e-6
# Degrees of freedom depend on second differences in lmerTest.
DF = 1e-2
# geepack divides the moment estimate of the correlation by other numbers than statsmodels.
GEE_STANDARD_ERROR = 1e-4


def _long(folder: Folder, outcome: str) -> tuple[pl.DataFrame, Offsets, Offsets]:
    """Visits with the outcome, sorted by trial, participant and visit; offsets of participants and of trials."""
    people = folder.participants.select("trial", "id", "arm", "baseline_craving")
    rows = people.join(folder.visits.filter(pl.col(outcome).is_not_null()), on=["trial", "id"], how="inner")
    rows = rows.sort("trial", "id", "visit").with_columns(bc=(pl.col("baseline_craving") - 50) / 10)
    counts = rows.group_by("trial", "id", maintain_order=True).len()
    each = counts.group_by("trial", maintain_order=True).len()
    return rows, offsets_from_sizes(counts["len"].to_list()), offsets_from_sizes(each["len"].to_list())


def _urine(folder: Folder) -> tuple[Vector, Vector, Offsets, Offsets, Vector]:
    rows, participants, trials = _long(folder, "urine_positive")
    design = rows.select(pl.lit(1.0).alias("one"), "arm", "week", "bc").to_numpy().astype(float)
    return rows["urine_positive"].to_numpy().astype(float), design, participants, trials, rows["visit"].to_numpy()


def _compare_mixed(
    agreement: Agreement,
    folder: Folder,
    model: str,
    terms: list[str],
    coefficients: Vector,
    standard_errors: Vector,
    log_likelihood: Vector,
    skip: NDArray[np.bool_],
) -> Callable[[int], str | None]:
    theirs = folder.terms(model, terms, "estimate")
    error = folder.terms(model, terms, "se")
    level = folder.fit_column(model, "log_lik")
    lower = np.maximum(level - log_likelihood, 0.0)
    agreement.compare(
        folder, "log likelihood below R's", lower, np.zeros_like(lower), LOG_LIKELIHOOD, relative=False, skip=skip
    )

    def short(index: int) -> str | None:
        return R_STOPPED_SHORT if log_likelihood[index] - level[index] > SHORT else None

    agreement.compare(
        folder,
        "estimate (in standard errors)",
        coefficients / standard_errors,
        theirs / standard_errors,
        OF_A_STANDARD_ERROR,
        relative=False,
        skip=skip,
        explain=short,
    )
    agreement.compare(folder, "standard error", standard_errors, error, STANDARD_ERROR, skip=skip, explain=short)
    return short


def compare_logistic_mixed(folder: Folder, *, model: str, nodes: int) -> Agreement:
    y, design, participants, trials, _ = _urine(folder)
    fits = fit_logistic_mixed(y, design, participants, trials, nodes=nodes)
    agreement = Agreement(model, len(folder.trials))
    separated = has(fits.codes, FitCode.SEPARATION_COMPLETE | FitCode.SEPARATION_QUASI)
    slugs = [", ".join(FitCode(int(code)).slugs()) for code in fits.codes]
    agreement.classify(folder, separated, SEPARATION, slugs)
    boundary = has(fits.codes, FitCode.BOUNDARY_VARIANCE)
    agreement.classify(folder, boundary, BOUNDARY, slugs)
    short = _compare_mixed(
        agreement, folder, model, URINE_TERMS, fits.coefficients, fits.standard_errors, fits.log_likelihood, separated
    )
    sd = folder.fit_column(model, "sd_intercept")
    agreement.compare(
        folder,
        "sd of intercepts",
        fits.sd_intercept,
        sd,
        STANDARD_ERROR,
        relative=False,
        skip=separated | boundary,
        explain=short,
    )
    return agreement


def compare_logistic_mixed_slope(folder: Folder, *, model: str) -> Agreement:
    """Random slope by Laplace; on its boundary the maximum is as unique as elsewhere, so those trials are compared too.

    lme4's nested iteration stops short in nearly all of them, and four in five of its fits carry a warning.
    """
    y, design, participants, trials, _ = _urine(folder)
    fits = fit_logistic_mixed_slope(y, design, participants, trials, slope=design[:, 2].copy())
    agreement = Agreement(model, len(folder.trials))
    separated = has(fits.codes, FitCode.SEPARATION_COMPLETE | FitCode.SEPARATION_QUASI)
    slugs = [", ".join(FitCode(int(code)).slugs()) for code in fits.codes]
    agreement.classify(folder, separated, SEPARATION, slugs)
    boundary = has(fits.codes, FitCode.BOUNDARY_VARIANCE)
    agreement.classify(folder, boundary, BOUNDARY, slugs)
    short = _compare_mixed(
        agreement, folder, model, URINE_TERMS, fits.coefficients, fits.standard_errors, fits.log_likelihood, separated
    )
    for quantity, ours, column in (
        ("sd of intercepts", fits.sd_intercept, "sd_intercept"),
        ("sd of slopes", fits.sd_slope, "sd_slope"),
    ):
        theirs = folder.fit_column(model, column)
        agreement.compare(folder, quantity, ours, theirs, STANDARD_ERROR, relative=False, skip=separated, explain=short)
    return agreement


def compare_linear_mixed(folder: Folder, *, model: str, has_slope: bool, reml: bool) -> Agreement:
    rows, participants, trials = _long(folder, "craving")
    week, arm = rows["week"].to_numpy().astype(float), rows["arm"].to_numpy().astype(float)
    design = np.column_stack([np.ones_like(week), arm, week, rows["bc"].to_numpy(), arm * week])
    y = np.log(rows["craving"].to_numpy().astype(float) + 1.0)
    fits = fit_linear_mixed(y, design, participants, trials, slope=week if has_slope else None, reml=reml)
    agreement = Agreement(model, len(folder.trials))
    boundary = has(fits.codes, FitCode.BOUNDARY_VARIANCE)
    agreement.classify(folder, boundary, BOUNDARY, ["boundary-variance"] * len(folder.trials))
    none = np.zeros(len(folder.trials), dtype=bool)
    short = _compare_mixed(
        agreement, folder, model, CRAVING_TERMS, fits.coefficients, fits.standard_errors, fits.log_likelihood, none
    )
    df = folder.terms(f"{model}_satterthwaite_df", CRAVING_TERMS, "estimate")
    agreement.compare(folder, "degrees of freedom", fits.df, df, DF, skip=boundary, explain=short)
    for quantity, ours, column in (
        ("sd of intercepts", fits.sd_intercept, "sd_intercept"),
        ("sd of slopes", fits.sd_slope, "sd_slope"),
        ("sd of residuals", fits.sd_residual, "sd_residual"),
    ):
        if column != "sd_slope" or has_slope:
            theirs = folder.fit_column(model, column)
            agreement.compare(folder, quantity, ours, theirs, STANDARD_ERROR, skip=boundary, explain=short)
    return agreement


def compare_gee(folder: Folder, *, model: str, working: Working) -> Agreement:
    y, design, participants, trials, visit = _urine(folder)
    n, p = len(folder.trials), design.shape[1]
    coefficients, errors = np.full((n, p), np.nan), np.full((n, p), np.nan)
    codes = np.zeros(n, dtype=np.uint32)
    for k in range(n):
        own = participants[trials[k] : trials[k + 1] + 1]
        part = slice(own[0], own[-1])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fit = fit_gee(y[part], design[part], own - own[0], working=working, time=visit[part])
        coefficients[k], errors[k] = fit.coefficients, np.sqrt(np.diag(fit.covariance))
        codes[k] = fit.codes
    agreement = Agreement(model, n)
    separated = has(codes, FitCode.SEPARATION_COMPLETE | FitCode.SEPARATION_QUASI)
    agreement.classify(folder, separated, SEPARATION, [", ".join(FitCode(int(code)).slugs()) for code in codes])
    theirs, error = folder.terms(model, URINE_TERMS, "estimate"), folder.terms(model, URINE_TERMS, "se")
    agreement.compare(
        folder,
        "estimate (in standard errors)",
        coefficients / errors,
        theirs / errors,
        OF_A_STANDARD_ERROR,
        relative=False,
        skip=separated,
    )
    agreement.compare(folder, "robust standard error", errors, error, GEE_STANDARD_ERROR, skip=separated)
    return agreement


COMPARERS: dict[str, Callable[[Folder], Agreement]] = {
    "urine_glmer_agq10": partial(compare_logistic_mixed, model="urine_glmer_agq10", nodes=10),
    "urine_glmer_agq25": partial(compare_logistic_mixed, model="urine_glmer_agq25", nodes=25),
    # lme4's own Laplace iteration stops short; glmmTMB's does not.
    "urine_glmer_agq1": partial(compare_logistic_mixed, model="urine_glmer_agq1", nodes=1),
    "urine_glmmTMB_laplace": partial(compare_logistic_mixed, model="urine_glmmTMB_laplace", nodes=1),
    "urine_glmer_slope_agq1": partial(compare_logistic_mixed_slope, model="urine_glmer_slope_agq1"),
    "craving_lmer_int_reml": partial(compare_linear_mixed, model="craving_lmer_int_reml", has_slope=False, reml=True),
    "craving_lmer_int_ml": partial(compare_linear_mixed, model="craving_lmer_int_ml", has_slope=False, reml=False),
    "craving_lmer_slope_reml": partial(
        compare_linear_mixed, model="craving_lmer_slope_reml", has_slope=True, reml=True
    ),
    "craving_lmer_slope_ml": partial(compare_linear_mixed, model="craving_lmer_slope_ml", has_slope=True, reml=False),
    "urine_gee_independence": partial(compare_gee, model="urine_gee_independence", working="independence"),
    "urine_gee_exchangeable": partial(compare_gee, model="urine_gee_exchangeable", working="exchangeable"),
}
