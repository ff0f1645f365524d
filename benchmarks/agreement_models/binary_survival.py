"""Logistic, Firth, Fisher, Cox, proportional hazards, Kaplan-Meier, log-rank, restricted mean: ours against R's."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl
from numpy.typing import NDArray

from agreement_models.base import OTHER, R_STOPPED_SHORT, SEPARATION, Agreement, Folder
from equipoise.stats.codes import FitCode, has
from equipoise.stats.cox import CoxFits, Ties, fit_cox
from equipoise.stats.exact import fisher_exact
from equipoise.stats.firth import fit_firth
from equipoise.stats.kaplan_meier import fit_kaplan_meier
from equipoise.stats.logistic import LogisticFits, fit_logistic, likelihood_ratio, profile_limits
from equipoise.stats.logrank import log_rank
from equipoise.stats.packing import offsets_from_sizes, trial_of_row
from equipoise.stats.rmst import estimate_rmst
from equipoise.stats.zph import proportional_hazards_test

# Relative; the reference files keep twelve digits and R's own convergence criterion is about 1e-8.
TIGHT = 1e-6
# R's fisher.test finds its odds ratio and limits by uniroot with tolerance 1.22e-4 on the ratio, or on its inverse.
FISHER_ROOT = 1.3e-4
# R interpolates profile limits with a spline through a dozen points of the profile.
PROFILE_SPLINE = 2e-2
# summary.coxph prints its Wald test rounded to two decimals.
ROUNDED = 0.00501

LOGISTIC_TERMS = ["(Intercept)", "arm", "bc"]
COX_TERMS = ["arm", "bc"]
Vector = NDArray[np.float64]


def _binary(folder: Folder) -> tuple[Vector, Vector, NDArray[np.int64]]:
    rows = folder.participants.filter(pl.col("abstinent_end").is_not_null())
    sizes = [int((rows["trial"] == trial).sum()) for trial in folder.trials]
    y = rows["abstinent_end"].to_numpy().astype(float)
    bc = (rows["baseline_craving"].to_numpy() - 50) / 10
    return y, np.column_stack([np.ones(len(y)), rows["arm"].to_numpy(), bc]), offsets_from_sizes(sizes)


def _survival(folder: Folder) -> tuple[Vector, Vector, Vector, NDArray[np.int64], NDArray[np.int64]]:
    rows = folder.participants
    sizes = [int((rows["trial"] == trial).sum()) for trial in folder.trials]
    bc = (rows["baseline_craving"].to_numpy() - 50) / 10
    design = np.column_stack([rows["arm"].to_numpy(), bc]).astype(float)
    time = rows["relapse_week"].to_numpy().astype(float)
    return time, rows["relapse"].to_numpy().astype(float), design, rows["site"].to_numpy(), offsets_from_sizes(sizes)


def _information_errors(beta: Vector, y: Vector, design: Vector) -> Vector:
    """Logistic standard errors from the information at ``beta``, plainly."""
    p = 1.0 / (1.0 + np.exp(-design @ beta))
    return np.sqrt(np.diag(np.linalg.inv(design.T @ (design * (p * (1 - p))[:, None]))))


def _separated(fits: LogisticFits | CoxFits, agreement: Agreement, folder: Folder) -> NDArray[np.bool_]:
    infinite = has(fits.codes, FitCode.SEPARATION_COMPLETE | FitCode.SEPARATION_QUASI | FitCode.MONOTONE_LIKELIHOOD)
    agreement.classify(folder, infinite, SEPARATION, [",".join(FitCode(int(c)).slugs()) for c in fits.codes])
    failed = ~fits.estimable & ~infinite
    agreement.classify(folder, failed, OTHER, [",".join(FitCode(int(c)).slugs()) for c in fits.codes])
    return ~fits.estimable


def compare_logistic(folder: Folder) -> Agreement:
    y, design, offsets = _binary(folder)
    fits = fit_logistic(y, design, offsets)
    agreement = Agreement("logistic", len(folder.trials))
    skip = _separated(fits, agreement, folder)
    estimate = folder.terms("logistic", LOGISTIC_TERMS, "estimate")
    error = folder.terms("logistic", LOGISTIC_TERMS, "se")

    def short(index: int) -> str | None:
        # glm's covariance belongs to the weights one step before its estimate. If the information at R's own
        # estimate gives our standard errors and not R's, R has stopped short.
        part = slice(offsets[index], offsets[index + 1])
        exact = _information_errors(estimate[index], y[part], design[part])
        ours = fits.standard_errors[index]
        return R_STOPPED_SHORT if np.allclose(exact, ours, rtol=TIGHT, atol=0.0) else None

    agreement.compare(folder, "estimate", fits.coefficients, estimate, TIGHT, skip=skip)
    agreement.compare(folder, "standard error", fits.standard_errors, error, TIGHT, skip=skip, explain=short)
    limits = np.concatenate([folder.terms("logistic", LOGISTIC_TERMS, c) for c in ("ci_lo", "ci_hi")], axis=1)
    ours = fits.wald_limits()
    agreement.compare(
        folder,
        "limits",
        np.concatenate([ours[:, :, 0], ours[:, :, 1]], axis=1),
        limits,
        TIGHT,
        skip=skip,
        explain=short,
    )
    # Both hold for separated fits too: the supremum of the log likelihood is what R approaches.
    agreement.compare(
        folder, "log likelihood", fits.log_lik, folder.fit_column("logistic", "log_lik"), TIGHT, relative=False
    )
    test = likelihood_ratio(fits, y, design, offsets, column=1)
    agreement.compare(folder, "likelihood ratio", test.statistic, folder.fit_column("logistic", "statistic"), TIGHT)
    return agreement


def compare_profile(folder: Folder) -> Agreement:
    y, design, offsets = _binary(folder)
    fits = fit_logistic(y, design, offsets)
    agreement = Agreement("logistic_profile_ci", len(folder.trials))
    skip = _separated(fits, agreement, folder)
    for column, term in enumerate(LOGISTIC_TERMS):
        ours = profile_limits(fits, y, design, offsets, column=column)
        theirs = [folder.terms("logistic_profile_ci", [term], c)[:, 0] for c in ("ci_lo", "ci_hi")]
        spread = fits.standard_errors[:, column]
        agreement.compare(
            folder,
            f"limits of {term} (in standard errors)",
            np.stack([ours.ci_lower, ours.ci_upper], axis=1) / spread[:, None],
            np.stack(theirs, axis=1) / spread[:, None],
            PROFILE_SPLINE,
            relative=False,
            skip=skip,
        )
    return agreement


def compare_firth(folder: Folder) -> Agreement:
    y, design, offsets = _binary(folder)
    fits = fit_firth(y, design, offsets)
    agreement = Agreement("logistic_firth", len(folder.trials))
    skip = _separated(fits, agreement, folder)
    for quantity, ours, column in (
        ("estimate", fits.coefficients, "estimate"),
        ("standard error", fits.standard_errors, "se"),
    ):
        theirs = folder.terms("logistic_firth", LOGISTIC_TERMS, column)
        agreement.compare(folder, quantity, ours, theirs, TIGHT, skip=skip)
    theirs = folder.fit_column("logistic_firth", "extra1")
    agreement.compare(folder, "penalised log likelihood", fits.log_lik, theirs, TIGHT, skip=skip, relative=False)
    return agreement


def _inverse_above_one(ratio: Vector) -> Vector:
    """The scale on which R's root-finder works, unfolded so that it still rises with the ratio."""
    with np.errstate(divide="ignore"):
        return np.where(ratio > 1.0, 2.0 - 1.0 / ratio, ratio)


def compare_fisher(folder: Folder) -> Agreement:
    y, design, offsets = _binary(folder)
    owner, arm = trial_of_row(offsets), design[:, 1]
    n = len(folder.trials)
    counts = [
        np.bincount(owner, weights=weights, minlength=n)
        for weights in (y * (arm == 0), arm == 0, y * (arm == 1), arm == 1)
    ]
    test = fisher_exact(*counts)
    agreement = Agreement("fisher_exact", n)
    agreement.compare(folder, "p value", test.p_value, folder.fit_column("fisher_exact", "p"), TIGHT)
    for quantity, ours, column in (
        ("odds ratio", test.odds_ratio, "statistic"),
        ("lower limit", test.ci_lower, "extra1"),
        ("upper limit", test.ci_upper, "extra2"),
    ):
        theirs = folder.fit_column("fisher_exact", column)
        agreement.compare(
            folder,
            f"{quantity} (or its inverse above 1)",
            _inverse_above_one(ours),
            _inverse_above_one(theirs),
            FISHER_ROOT,
            relative=False,
        )
    return agreement


def compare_cox(ties: Ties) -> Callable[[Folder], Agreement]:
    def compare(folder: Folder) -> Agreement:
        time, event, design, _, offsets = _survival(folder)
        fits = fit_cox(time, event, design, offsets, ties=ties)
        model = f"cox_{ties}"
        agreement = Agreement(model, len(folder.trials))
        skip = _separated(fits, agreement, folder)
        agreement.compare(
            folder, "estimate", fits.coefficients, folder.terms(model, COX_TERMS, "estimate"), TIGHT, skip=skip
        )
        agreement.compare(
            folder, "standard error", fits.standard_errors, folder.terms(model, COX_TERMS, "se"), TIGHT, skip=skip
        )
        limits = np.concatenate([folder.terms(model, COX_TERMS, c) for c in ("ci_lo", "ci_hi")], axis=1)
        ours = fits.wald_limits()
        ours = np.concatenate([ours[:, :, 0], ours[:, :, 1]], axis=1)
        agreement.compare(folder, "limits", ours, limits, TIGHT, skip=skip)
        for quantity, value, column in (
            ("log likelihood", fits.log_lik, "log_lik"),
            ("null log likelihood", fits.log_lik_null, "extra1"),
            ("score test", fits.score_test, "extra2"),
            ("likelihood-ratio test", fits.likelihood_ratio_test, "statistic"),
        ):
            agreement.compare(folder, quantity, value, folder.fit_column(model, column), TIGHT, relative=False)
        theirs = folder.fit_column(model, "extra3")
        agreement.compare(folder, "Wald test", fits.wald_test, theirs, ROUNDED, relative=False, skip=skip)
        return agreement

    return compare


def compare_zph(folder: Folder) -> Agreement:
    time, event, design, _, offsets = _survival(folder)
    model = "cox_zph_km_global"
    fits = fit_cox(time, event, design, offsets)
    test = proportional_hazards_test(time, event, design, offsets, fits=fits)
    agreement = Agreement(model, len(folder.trials))
    skip = _separated(fits, agreement, folder)
    for quantity, ours, column in (
        ("chi-square", test.statistic_global, "statistic"),
        ("p value", test.p_value_global, "p"),
        ("chi-square of arm", test.statistic[:, 0], "extra1"),
        ("p value of arm", test.p_value[:, 0], "extra2"),
    ):
        agreement.compare(folder, quantity, ours, folder.fit_column(model, column), TIGHT, skip=skip)
    return agreement


def compare_logrank(model: str, rho: float) -> Callable[[Folder], Agreement]:
    def compare(folder: Folder) -> Agreement:
        time, event, design, site, offsets = _survival(folder)
        arm = design[:, 0].astype(int)
        test = log_rank(time, event, arm, offsets, rho=rho)
        stratified = log_rank(time, event, arm, offsets, rho=rho, strata=site)
        agreement = Agreement(model, len(folder.trials))
        for quantity, ours, column in (
            ("chi-square", test.statistic, "statistic"),
            ("p value", test.p_value, "p"),
            ("stratified chi-square", stratified.statistic, "extra1"),
            ("expected events", test.expected[:, 0], "extra2"),
            ("variance", test.variance[:, 0, 0], "extra3"),
        ):
            agreement.compare(folder, quantity, ours, folder.fit_column(model, column), TIGHT)
        return agreement

    return compare


def compare_kaplan_meier(arm: int) -> Callable[[Folder], Agreement]:
    def compare(folder: Folder) -> Agreement:
        time, event, design, _, offsets = _survival(folder)
        fits = fit_kaplan_meier(time, event, design[:, 0].astype(int), offsets)
        model = f"km_arm{arm}"
        agreement = Agreement(model, len(folder.trials))
        gaps: dict[str, list[tuple[Vector, Vector]]] = {}
        for index, trial in enumerate(folder.trials):
            rows = folder.curves.filter((pl.col("trial") == trial) & (pl.col("arm") == arm)).sort("week")
            curve = fits.curve(index, arm)
            for quantity, ours, column in (
                ("time", curve.time, "week"),
                ("at risk", curve.n_at_risk, "at_risk"),
                ("events", curve.n_events, "events"),
                ("survival", curve.survival, "survival"),
                ("standard error", curve.standard_error, "se_greenwood"),
                ("lower limit", curve.ci_lower, "lower"),
                ("upper limit", curve.ci_upper, "upper"),
            ):
                theirs = rows[column].cast(pl.Float64, strict=False).fill_null(np.nan).to_numpy()
                gaps.setdefault(quantity, []).append((ours, theirs))
        for quantity, pairs in gaps.items():
            longest = max(max(len(a), len(b)) for a, b in pairs)
            ours, theirs = (np.full((len(pairs), longest), np.nan) for _ in range(2))
            for index, (a, b) in enumerate(pairs):
                ours[index, : len(a)], theirs[index, : len(b)] = a, b
            agreement.compare(folder, quantity, ours, theirs, TIGHT)
        for quantity, ours, column in (
            ("median", fits.median[:, arm], "statistic"),
            ("median lower", fits.median_lower[:, arm], "extra1"),
            ("median upper", fits.median_upper[:, arm], "extra2"),
        ):
            agreement.compare(folder, quantity, ours, folder.fit_column(model, column), TIGHT)
        return agreement

    return compare


def compare_rmst(arm: int) -> Callable[[Folder], Agreement]:
    def compare(folder: Folder) -> Agreement:
        time, event, design, _, offsets = _survival(folder)
        means = estimate_rmst(fit_kaplan_meier(time, event, design[:, 0].astype(int), offsets), 8.0)
        model = f"rmst8_arm{arm}"
        agreement = Agreement(model, len(folder.trials))
        agreement.compare(folder, "mean", means.mean[:, arm], folder.fit_column(model, "statistic"), TIGHT)
        theirs = folder.fit_column(model, "extra1")
        # An error of zero in R (nobody has the event by then) is one that is not known here.
        known = np.where(theirs == 0.0, np.nan, theirs)
        agreement.compare(folder, "standard error", means.standard_error[:, arm], known, TIGHT)
        return agreement

    return compare


COMPARERS: dict[str, Callable[[Folder], Agreement]] = {
    "logistic": compare_logistic,
    "logistic_profile_ci": compare_profile,
    "logistic_firth": compare_firth,
    "fisher_exact": compare_fisher,
    "cox_efron": compare_cox("efron"),
    "cox_breslow": compare_cox("breslow"),
    "cox_exact": compare_cox("exact"),
    "cox_zph_km_global": compare_zph,
    "logrank": compare_logrank("logrank", 0.0),
    "peto_peto": compare_logrank("peto_peto", 1.0),
    "km_arm0": compare_kaplan_meier(0),
    "km_arm1": compare_kaplan_meier(1),
    "rmst8_arm0": compare_rmst(0),
    "rmst8_arm1": compare_rmst(1),
}
