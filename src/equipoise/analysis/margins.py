"""Effects held against margins: one-sided p values, and the verdict that the interval gives.

Methods: ``docs/methods/margins.md``. What is tested comes from the estimand, how from the estimator: by the test whose
interval is given, so that the interval leaves a margin out exactly where its one-sided p value is below the level.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from equipoise.analysis.outcome import Floats, MarginTest, Outcome, number
from equipoise.protocol import Protocol
from equipoise.protocol.language.analysis import Analysis, Estimand
from equipoise.protocol.language.endpoints import Endpoint
from equipoise.protocol.language.margins import MarginBounds, bounds_of
from equipoise.protocol.vocabulary.estimators import ESTIMATORS
from equipoise.protocol.vocabulary.scales import SCALES, is_better_above, scale_of_summary
from equipoise.stats.missing.monte_carlo import STABLE

# The rows of a line whose effect is the estimand's; others stand beside it (by visit, marginal).
_ROWS_HELD = ("", ".firth", ".fisher-exact")
# How far limits may lie from Wald's by rounding alone, in standard errors.
_ROUNDING = 1e-6


def margins_of(estimand: Estimand, endpoint: Endpoint) -> MarginBounds | None:
    """The margins of an estimand as numbers; ``None`` where the question is whether there is a difference."""
    scale = scale_of_summary(estimand.summary)
    if estimand.margin is None or scale is None:
        return None
    return bounds_of(estimand.margin, scale, larger_is_better=is_better_above(scale.id, endpoint))


def lines_by_set(protocol: Protocol, estimand: str) -> dict[str | None, str]:
    """Analysis set -> the line of the plan that holds the estimand against its margin in it; ``None`` is everybody.

    Of each set the first line that is no sensitivity or exploratory analysis. Non-inferiority is claimed only where all
    of these exclude the margin: what makes arms alike (treatment not taken, protocols not kept to) is in one set alone.
    """
    out: dict[str | None, str] = {}
    for id, line in protocol.model.analyses.items():
        is_held = ESTIMATORS[line.estimator].role == "effect" and line.level not in ("sensitivity", "exploratory")
        if line.estimand == estimand and is_held:
            out.setdefault(line.analysis_set, id)
    return out


def level_one_sided(analysis: Analysis) -> float:
    """The one-sided level of a line of the plan: as stated, else that of either end of its interval."""
    return analysis.level_one_sided


def hold_against(outcomes: list[Outcome], bounds: MarginBounds | None, level: float) -> list[Outcome]:
    """The outcomes of a line with their margins; ``level`` is that of their intervals.

    The p value of a row with a margin becomes the one-sided one against it.
    """
    if bounds is None:
        return outcomes
    return [_held(outcome, bounds, level) for outcome in outcomes]


def _held(outcome: Outcome, bounds: MarginBounds, level: float) -> Outcome:
    # A row on another scale (the exact rule for ties gives odds) is not what the margin is about.
    if outcome.reference is None or outcome.suffix not in _ROWS_HELD or outcome.scale != bounds.scale:
        return outcome
    above = None if bounds.lower is None else _tails(outcome, bounds.lower, level)[0]
    below = None if bounds.upper is None else _tails(outcome, bounds.upper, level)[1]
    test = MarginTest(bounds, above, below, outcome.p_value)
    words = "non-inferiority" if bounds.objective == "non-inferiority" else "equivalence"
    held = replace(
        outcome, margin=test, p_value=test.p_one_sided, method=f"{outcome.method}, one-sided test of {words}"
    )
    return _of_imputed_sets(held, bounds)


def _of_imputed_sets(outcome: Outcome, bounds: MarginBounds) -> Outcome:
    """Of an imputed answer: whether its verdict hangs on the seed, by the error of the limits beside the margins.

    The Monte Carlo error of the p value is that of no difference, and is told of no other.
    """
    errors = outcome.details.get("monte_carlo")
    if errors is None:
        return outcome
    ends = ((bounds.lower, outcome.ci_lower, errors.ci_lower), (bounds.upper, outcome.ci_upper, errors.ci_upper))
    near = any(value is not None and abs(float(limit[0]) - value) <= STABLE * error for value, limit, error in ends)
    remarks = tuple(remark for remark in outcome.remarks if remark != "verdict-not-stable")
    return replace(
        outcome,
        remarks=(*remarks, "verdict-not-stable") if near else remarks,
        details={**outcome.details, "monte_carlo": replace(errors, p_value=float("nan"))},
    )


def _tails(outcome: Outcome, value: float, level: float) -> tuple[Floats, Floats]:
    """One-sided p values of the effect lying above ``value``, and below it; NaN where there is no test."""
    if outcome.against is not None:
        return outcome.against(value)
    on = np.log if SCALES[outcome.scale].is_ratio else np.asarray
    with np.errstate(divide="ignore", invalid="ignore"):
        centre, error, df = on(outcome.estimate), outcome.standard_error, outcome.df
        has_df = np.isfinite(df)
        tail = 0.5 + level / 2
        quantile = np.where(has_df, special.stdtrit(np.where(has_df, df, 1.0), tail), special.ndtri(tail))
        # Limits by another principle (a profile of the likelihood, say) are not to be spoken for by Wald's test.
        ends = [(on(limit) - centre) / error for limit in (outcome.ci_lower, outcome.ci_upper)]
        is_wald = (np.abs(ends[0] + quantile) < _ROUNDING) & (np.abs(ends[1] - quantile) < _ROUNDING)
        above, below = tails_of_wald(centre, error, df, float(on(value)))
    return np.where(is_wald, above, np.nan), np.where(is_wald, below, np.nan)


def tails_of_wald(centre: ArrayLike, error: ArrayLike, df: ArrayLike, value: float) -> tuple[Floats, Floats]:
    """One-sided p values of a coefficient lying above ``value``, and below it, (NI-5): t with ``df``, normal at NaN."""
    statistic = (np.asarray(centre, dtype=np.float64) - value) / np.asarray(error, dtype=np.float64)
    degrees = np.asarray(df, dtype=np.float64)
    has_df = np.isfinite(degrees)
    with np.errstate(invalid="ignore"):
        above, below = (
            np.where(has_df, special.stdtr(np.where(has_df, degrees, 1.0), t), special.ndtr(t))
            for t in (-statistic, statistic)
        )
    return above, below


def verdict_of(bounds: MarginBounds, lower: float | None, upper: float | None) -> str:
    """What an interval says of its margins.

    ``non-inferior`` or ``equivalent`` where it lies within them, ``inferior`` or ``not-equivalent`` where it lies
    altogether beyond one, ``not-shown`` otherwise; ``not-estimable`` where a limit that would decide is absent.
    """
    is_inside, is_known = True, True
    for margin, near, far, sign in ((bounds.lower, lower, upper, 1.0), (bounds.upper, upper, lower, -1.0)):
        if margin is None:
            continue
        if far is not None and sign * (far - margin) < 0:
            return "inferior" if bounds.objective == "non-inferiority" else "not-equivalent"
        if near is None:
            is_known = False
        else:
            is_inside &= sign * (near - margin) > 0
    if not is_inside:
        return "not-shown"
    if not is_known:
        return "not-estimable"
    return "non-inferior" if bounds.objective == "non-inferiority" else "equivalent"


def margin_details(outcome: Outcome, analysis: Analysis) -> dict[str, Any]:
    """How the one trial's effect stands to its margins, in plain values."""
    test = outcome.margin
    assert test is not None
    limits = [_limit(values) for values in (outcome.ci_lower, outcome.ci_upper)]
    out: dict[str, Any] = dict(test.bounds.as_dict())
    out |= {"alpha_one_sided": level_one_sided(analysis), "ci_level": float(analysis.ci_level)}
    out["p_one_sided"] = number(test.p_one_sided, 0)
    if test.bounds.objective == "equivalence":
        out["p_above_lower"] = number(test.p_above, 0) if test.p_above is not None else None
        out["p_below_upper"] = number(test.p_below, 0) if test.p_below is not None else None
    out["p_no_difference"] = number(test.p_no_difference, 0)
    out["verdict"] = verdict_of(test.bounds, *limits)
    return out


def _limit(values: Floats) -> float | None:
    """A limit of the one trial, infinity included."""
    value = float(values[0])
    return None if np.isnan(value) else value
