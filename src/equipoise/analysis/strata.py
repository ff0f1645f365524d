"""Estimators of a yes-or-no endpoint combined over strata: test, difference, ratio and odds ratio."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from equipoise.analysis.binary import BinaryData
from equipoise.analysis.dataset import Floats
from equipoise.analysis.model_words import adjusted_words
from equipoise.analysis.outcome import Outcome, from_test, nothing
from equipoise.protocol.language.analysis import Analysis
from equipoise.stats.codes import FitCode
from equipoise.stats.strata import StratifiedTables, count_strata

_LIMITS = {
    "sato": "Sato's variance, Wald limits",
    "miettinen-nurminen": "stratified Miettinen and Nurminen limits",
    "newcombe": "stratified Newcombe limits by Yan and Su",
}


def _tables(data: BinaryData) -> tuple[StratifiedTables, tuple[str, ...]]:
    """The trials' tables by stratum, and in one trial the strata with one arm only, which have no weight."""
    levels = data.comparison.covariates[data.rows]
    shown, stratum = np.unique(levels, axis=0, return_inverse=True)
    tables = count_strata(data.y, data.experimental, stratum.ravel().astype(np.int64), data.offsets)
    if data.comparison.n_trials != 1 or not tables.codes[0] & np.uint32(FitCode.NUISANCE_LEFT_OUT):
        return tables, ()
    without = np.flatnonzero(tables.weights[0] == 0)
    return tables, tuple(_stratum_name(data, shown[k]) for k in without)


def _stratum_name(data: BinaryData, row: Floats) -> str:
    """A stratum by the levels that make it."""
    parts, column = [], 0
    for name, levels in data.comparison.factors:
        n = max(len(levels) - 1, 1)
        own = row[column : column + n]
        column += n
        if levels:
            parts.append(f"{name} {levels[1 + int(own.argmax())] if own.any() else levels[0]}")
        else:
            parts.append(f"{name} {'yes' if own[0] else 'no'}")
    return "stratum " + ", ".join(parts)


def fit_stratified_test(data: BinaryData, analysis: Analysis) -> list[Outcome]:
    """Cochran, Mantel and Haenszel's test over the strata of the plan's covariates."""
    from equipoise.stats.strata import cochran_mantel_haenszel

    tables, left_out = _tables(data)
    corrected = analysis.method == "continuity-corrected"
    test = cochran_mantel_haenszel(tables, corrected=corrected)
    words = "with" if corrected else "without"
    return [
        from_test(
            estimator="cochran-mantel-haenszel",
            statistic=test.statistic,
            df=test.df,
            p_value=test.p_value,
            codes=test.codes,
            method=f"Cochran-Mantel-Haenszel test {words} continuity correction"
            + adjusted_words(data.comparison, how="stratified by"),
            left_out=left_out,
            **data.shared(),
        )
    ]


def fit_stratified_effect(data: BinaryData, analysis: Analysis) -> list[Outcome]:
    """Risk difference, risk ratio or odds ratio of Mantel and Haenszel over the strata of the plan's covariates."""
    from equipoise.stats import strata

    tables, left_out = _tables(data)
    method = analysis.method or "sato"
    level = analysis.ci_level
    name = analysis.estimator.removeprefix("stratified-")
    against = None
    if name == "risk-ratio":
        fits, words = strata.mantel_haenszel_ratio(tables, level=level), "risk ratio, Greenland and Robins limits"
    elif name == "odds-ratio":
        fits = strata.mantel_haenszel_odds_ratio(tables, level=level)
        words = "odds ratio, Robins, Breslow and Greenland limits"
    else:
        words = f"risk difference, {_LIMITS[method]}"
        fits = {
            "sato": strata.mantel_haenszel_difference,
            "miettinen-nurminen": strata.stratified_score_difference,
            "newcombe": strata.stratified_newcombe,
        }[method](tables, level=level)
        if method == "miettinen-nurminen":

            def against(value: float) -> tuple[Floats, Floats]:
                return strata.stratified_score_tails(tables, value)

        elif method == "newcombe":

            def against(value: float) -> tuple[Floats, Floats]:
                above = strata.stratified_newcombe_test(tables, value)
                return above, 1.0 - above

    n = fits.estimate.shape[0]
    outcome = Outcome(
        estimator=analysis.estimator,
        scale=fits.scale,
        estimate=fits.estimate,
        standard_error=fits.standard_error,
        ci_lower=fits.ci_lower,
        ci_upper=fits.ci_upper,
        statistic=nothing(n),
        df=nothing(n),
        p_value=fits.p_value,
        codes=fits.codes,
        method=f"Mantel-Haenszel {words}" + adjusted_words(data.comparison, how="stratified by"),
        left_out=left_out,
        **data.shared(),  # type: ignore[arg-type]
    )
    return [replace(outcome, against=against)]
