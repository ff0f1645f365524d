"""Estimators of ordered categories and of hierarchies of outcomes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from scipy import special

from equipoise.analysis.dataset import Comparison, Floats, Ints, Mask, numbered, sum_by_trial
from equipoise.analysis.model_words import adjusted_words
from equipoise.analysis.outcome import Outcome, from_coefficient, nothing
from equipoise.endpoints.endpoint_values import Derived
from equipoise.protocol.language.analysis import Analysis


def fit_common_odds(derived: Derived, comparison: Comparison, analysis: Analysis) -> list[Outcome]:
    """Common odds ratio of higher categories, profile limits and likelihood-ratio test.

    Of one trial the details hold the counts by arm and category, the score test that the odds ratio is the same at
    every limit between categories, and the rank sum test, which is that of the model without covariates.
    """
    from equipoise.stats.ordinal import fit_proportional_odds, signed_root_at

    assert derived.value is not None
    category = derived.value[comparison.rows]
    there = ~np.isnan(category) & ~comparison.incomplete
    rows, offsets = comparison.keep(there)
    y, design = category[rows], comparison.design(rows, intercept=False)
    fits = fit_proportional_odds(y, design, offsets, level=analysis.ci_level)
    codes = fits.codes
    main = from_coefficient(
        estimator=analysis.estimator,
        scale="common_odds_ratio",
        coefficient=np.where(np.isfinite(fits.coefficient), fits.coefficient, np.nan),
        standard_error=fits.standard_error,
        level=analysis.ci_level,
        codes=codes,
        n_analysed=np.diff(offsets),
        n_events=np.full(comparison.n_trials, -1, dtype=np.int64),
        n_missed=sum_by_trial(~there, comparison.offsets),
        method="proportional odds regression, profile likelihood limits and likelihood-ratio test"
        + adjusted_words(comparison),
        arm=comparison.arm,
        reference=comparison.reference,
    )
    infinite = np.isinf(fits.coefficient)
    changed: dict[str, Any] = {
        "ci_lower": np.exp(fits.ci_lower),
        "ci_upper": np.exp(fits.ci_upper),
        "estimate": np.exp(fits.coefficient),
        "statistic": np.where(infinite, fits.chi_square, np.sign(main.statistic) * np.sqrt(fits.chi_square)),
        "p_value": fits.p_value,
        "df": np.where(infinite, 1.0, nothing(comparison.n_trials)),
    }
    details: dict[str, Any] = {
        "log_likelihood": fits.log_likelihood,
        "proportionality_chi_square": fits.proportionality,
        "proportionality_df": fits.proportionality_df,
    }
    if comparison.n_trials == 1:
        details |= _of_one_trial(derived, comparison, rows, y.astype(np.int64))
        df = fits.proportionality_df.astype(np.float64)
        details["proportionality_p_value"] = special.chdtrc(df, fits.proportionality)

    def against(value: float) -> tuple[Floats, Floats]:
        """By the likelihood ratio, as the limits are."""
        root = signed_root_at(y, design, offsets, float(np.log(value)))
        return special.ndtr(-root), special.ndtr(root)

    return [replace(main, details=details, against=against, **changed)]


def _of_one_trial(derived: Derived, comparison: Comparison, rows: Ints, y: Ints) -> dict[str, Any]:
    from equipoise.stats.ordinal import rank_sum_test

    arm = comparison.experimental[rows]
    ranks = rank_sum_test(y, arm, [0, y.shape[0]])
    counts = {}
    if not comparison.is_interaction:
        for name, side in ((comparison.reference, 0.0), (comparison.arm, 1.0)):
            counts[name] = np.bincount(y[arm == side], minlength=len(derived.categories)).tolist()
    return {
        "categories": list(derived.categories),
        "counts": counts,
        "probability_higher": float(ranks.probability[0]),
        "rank_sum_p_value": float(ranks.p_value[0]) if np.isfinite(ranks.p_value[0]) else None,
    }


def fit_wins(derived: Derived, comparison: Comparison, analysis: Analysis) -> list[Outcome]:
    """Win ratio, win odds or net benefit over all pairs, within strata of the covariates where there are some.

    Of one trial the details hold the pairs won, lost and tied at each level.
    """
    from equipoise.stats import win_ratio as wins

    rows, offsets = comparison.keep(~comparison.incomplete)
    chosen = comparison.rows[rows]
    levels = [
        wins.PairLevel(
            value=(rung.value if rung.value is not None else rung.time)[chosen],  # type: ignore[index]
            event=None if rung.event is None else rung.event[chosen],
            margin=rung.margin,
            sooner_is_better=not rung.higher_is_better,
        )
        for rung in derived.rungs
    ]
    stratum = _strata(comparison, rows)
    pairs = wins.compare_pairs(levels, comparison.experimental[rows] == 1.0, offsets, stratum=stratum)
    statistic = {"win-ratio": wins.win_ratio, "win-odds": wins.win_odds, "net-benefit": wins.net_benefit}
    found = statistic[analysis.estimator](pairs, level=analysis.ci_level)
    seen = np.any([_seen(rung, chosen) for rung in derived.rungs], axis=0)
    details: dict[str, Any] = {}
    if comparison.n_trials == 1:
        tied = pairs.n_pairs[0] - np.cumsum(pairs.won[0] + pairs.lost[0])
        details["pairs"] = [
            {"endpoint": rung.endpoint, "won": int(w), "lost": int(x), "tied": int(t)}
            for rung, w, x, t in zip(derived.rungs, pairs.won[0], pairs.lost[0], tied, strict=True)
        ]
        details["n_pairs"] = int(pairs.n_pairs[0])
    by = "" if not comparison.names else " within strata"

    def against(value: float) -> tuple[Floats, Floats]:
        """On the logarithm, where the limits are; of the net benefit on that of the win odds."""
        of_odds = analysis.estimator == "net-benefit"
        on_log = wins.win_odds(pairs) if of_odds else found
        held = (1.0 + value) / (1.0 - value) if of_odds else value
        with np.errstate(divide="ignore", invalid="ignore"):
            z = (np.log(on_log.estimate) - np.log(held)) / on_log.standard_error
        return special.ndtr(-z), special.ndtr(z)

    return [
        Outcome(
            against=against,
            estimator=analysis.estimator,
            scale=analysis.estimator.replace("-", "_"),
            estimate=found.estimate,
            standard_error=found.standard_error,
            ci_lower=found.ci_lower,
            ci_upper=found.ci_upper,
            statistic=found.z,
            df=nothing(comparison.n_trials),
            p_value=found.p_value,
            n_analysed=np.diff(offsets),
            n_events=np.full(comparison.n_trials, -1, dtype=np.int64),
            n_missed=sum_by_trial(~seen, offsets) + sum_by_trial(comparison.incomplete, comparison.offsets),
            codes=found.codes,
            method=f"pairs of participants{by}, decided by the first level in which they differ; U-statistic variance",
            arm=comparison.arm,
            reference=comparison.reference,
            details=details,
        )
    ]


def _seen(rung: Any, rows: Ints) -> Mask:
    return np.asarray(~np.isnan((rung.value if rung.value is not None else rung.time)[rows]))


def _strata(comparison: Comparison, rows: Ints) -> Ints | None:
    """A number for each combination of the covariates' levels; None without covariates."""
    if not comparison.names:
        return None
    return numbered(comparison.covariates[rows])
