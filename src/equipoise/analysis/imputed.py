"""Analyses of imputed data sets: fit each set as the plan says, pool by Rubin's rules; tipping points."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from equipoise.analysis.binary import BinaryData
from equipoise.analysis.completed import Completed, Completions, complete
from equipoise.analysis.counts import rates_of_sets
from equipoise.analysis.dataset import Comparison
from equipoise.analysis.margins import hold_against, margins_of, verdict_of
from equipoise.analysis.missing_rules import experimental_rows
from equipoise.analysis.model_words import adjusted_words
from equipoise.analysis.outcome import Floats, Outcome, from_coefficient, number
from equipoise.analysis.time_terms import n_time_columns
from equipoise.analysis.unfinished import AnyGaps, find_gaps
from equipoise.endpoints.endpoint_values import Derived
from equipoise.endpoints.lattice import Lattice
from equipoise.protocol.language.analysis import Analysis, Estimand
from equipoise.protocol.language.margins import MarginBounds
from equipoise.protocol.language.missing import Imputation
from equipoise.protocol.vocabulary.endpoint_kinds import ImputedAs
from equipoise.protocol.vocabulary.scales import SCALES
from equipoise.stats.codes import FitCode
from equipoise.stats.missing.monte_carlo import (
    MonteCarloErrors,
    is_stable,
    monte_carlo_errors,
    sets_wanted,
)
from equipoise.stats.missing.rubin import pool_imputations
from equipoise.stats.missing.tipping_point import TippingShift, find_tipping_point

Fit = Callable[[Derived, Comparison, Analysis], list[Outcome]]


def _coefficient(outcome: Outcome, completed: Completed, analysis: Analysis) -> tuple[Floats, Floats]:
    """Estimate and standard error on the scale that is pooled: the logarithm of ratios, proportions' own difference."""
    if analysis.estimator in ("risk-difference", "risk-ratio", "odds-ratio"):
        a, n1, c, n0 = (x.astype(np.float64) for x in BinaryData(completed.derived, completed.comparison).counts())
        with np.errstate(divide="ignore", invalid="ignore"):
            p1, p0 = a / n1, c / n0
            if outcome.scale == "risk_difference":
                return p1 - p0, np.sqrt(p1 * (1 - p1) / n1 + p0 * (1 - p0) / n0)
            if outcome.scale == "odds_ratio":
                return np.log(p1 / (1 - p1) / (p0 / (1 - p0))), np.sqrt(1 / a + 1 / (n1 - a) + 1 / c + 1 / (n0 - c))
            return np.log(p1 / p0), np.sqrt((1 - p1) / a + (1 - p0) / c)
    with np.errstate(divide="ignore", invalid="ignore"):
        value = np.log(outcome.estimate) if SCALES[outcome.scale].is_ratio else outcome.estimate
    return np.asarray(value), outcome.standard_error


def _complete_df(outcome: Outcome, completed: Completed, analysis: Analysis, n_trials: int) -> Floats:
    """(n_trials,) degrees of freedom with nothing missing: of the fit where it has any, else rows less columns."""
    if np.isfinite(outcome.df).any() and analysis.estimator in ("linear", "linear-mixed", "mmrm", "gee"):
        return np.asarray(np.nanmean(outcome.df.reshape(n_trials, -1), axis=1))
    columns = completed.n_columns
    counted = outcome.n_events if analysis.estimator == "cox" else outcome.n_analysed
    if analysis.estimator == "logistic-mixed":
        columns = columns + n_time_columns(analysis.time, len(completed.derived.visit_names))
    return np.asarray(np.maximum(counted.reshape(n_trials, -1).mean(axis=1) - columns, 1.0))


def pool_outcome(outcome: Outcome, completed: Completed, analysis: Analysis, n_trials: int) -> Outcome:
    """One outcome a trial from outcomes of its data sets, by Rubin's rules."""
    assert analysis.imputation is not None
    sets = analysis.imputation.sets
    value, error = _coefficient(outcome, completed, analysis)
    unknown = (completed.codes & np.uint32(int(FitCode.NOT_ESTIMABLE))) != 0
    value = np.where(np.repeat(unknown, sets), np.nan, value)
    pooled = pool_imputations(
        value.reshape(n_trials, sets),
        error.reshape(n_trials, sets),
        _complete_df(outcome, completed, analysis, n_trials),
    )
    fit_codes = np.bitwise_or.reduce(outcome.codes.reshape(n_trials, sets), axis=1)
    # Each set's own failure has been counted; what it was is kept, that it failed is for the pooled answer to say.
    fit_codes &= ~np.uint32(int(FitCode.NOT_ESTIMABLE))
    errors = None
    if n_trials == 1:
        ratio = SCALES[outcome.scale].is_ratio
        errors = monte_carlo_errors(
            value,
            error,
            df_complete=float(_complete_df(outcome, completed, analysis, 1)[0]),
            level=analysis.ci_level,
            change=np.exp if ratio else np.asarray,
        )
    separated = fit_codes & np.uint32(FitCode.SEPARATION_COMPLETE | FitCode.SEPARATION_QUASI)
    made = from_coefficient(
        estimator=outcome.estimator,
        scale=outcome.scale,
        coefficient=pooled.estimate,
        standard_error=pooled.standard_error,
        df=pooled.df,
        level=analysis.ci_level,
        codes=(pooled.codes | fit_codes | completed.codes).astype(np.uint32),
        n_analysed=outcome.n_analysed.reshape(n_trials, sets)[:, 0],
        n_events=np.full(n_trials, -1, dtype=np.int64),
        n_missed=completed.n_imputed,
        event=outcome.event,
        arm=outcome.arm,
        reference=outcome.reference,
        suffix=outcome.suffix,
        method=f"{_words(analysis.imputation, completed)}; in each set {_plain_method(outcome)}",
        left_out=completed.left_out,
        details={
            "imputed_sets": sets,
            "imputed_sets_used": int(pooled.n_used[0]),
            "n_imputed": int(completed.n_imputed.sum()),
            "n_cells": completed.n_cells,
            "share_imputed": {arm: (None if np.isnan(share) else share) for arm, share in completed.share.items()},
            "fraction_missing_information": pooled.fraction_missing,
            "relative_increase_of_variance": pooled.relative_increase,
            "sets_with_penalised_models": completed.n_penalised,
            "sweeps": completed.sweeps,
            "imputation_seed": analysis.imputation.seed,
            "delta": dict(analysis.imputation.delta),
            "imputed_as": completed.imputed_as,
        },
        remarks=_remarks(completed, separated=n_trials == 1 and bool(separated.any())) if n_trials == 1 else (),
    )
    return _with_monte_carlo(made, errors, analysis)


def _remarks(completed: Completed, *, separated: bool) -> tuple[str, ...]:
    """What the row of one imputed trial says of itself beside codes."""
    out = ["wald-interval-of-separated-sets"] if separated else []
    if completed.n_short is not None and completed.n_short[0]:
        out.append("imputed-time-ends-early")
    return tuple(out)


def _plain_method(outcome: Outcome) -> str:
    if outcome.scale == "rate_ratio":
        return outcome.method.replace("profile likelihood limits", "Wald's standard error")
    if outcome.estimator == "risk-difference":
        return "difference of proportions with Wald's standard error"
    if outcome.estimator == "odds-ratio":
        return "odds ratio of two proportions with Woolf's standard error of its logarithm"
    if outcome.estimator == "stratified-risk-difference":
        return f"Mantel-Haenszel risk difference with Sato's standard error{outcome.method.partition(' limits')[2]}"
    if outcome.estimator == "risk-ratio":
        return "ratio of proportions with the standard error of its logarithm"
    return outcome.method


def _words(imputation: Imputation, completed: Completed) -> str:
    kind = kind_words(imputation, completed.imputed_as)
    shifts = [f"{arm} {value:+g}" for arm, value in imputation.delta.items() if value]
    shift = f", delta {', '.join(shifts)}" if shifts else ""
    return f"{imputation.sets} imputed data sets ({kind}{shift}), pooled by Rubin's rules with Barnard and Rubin's df"


def kind_words(imputation: Imputation, what: ImputedAs) -> str:
    """The imputation model and the rule for what follows dropout, in words."""
    kind = {
        "scores": "multivariate normal scores",
        "counts": "negative binomial counts",
        "times": "hazards of the arms, drawn again by bootstrap",
        "yes-or-no": "a chain of logistic models, "
        + ("one over all visits" if imputation.model == "pooled" else "one a visit"),
    }[what]
    if what == "yes-or-no" and imputation.is_latent:
        kind = "latent multivariate normal variables"
    if imputation.after_dropout != "at-random":
        kind += f", {imputation.after_dropout.replace('-', ' ')} after dropout"
    return kind


def fit_imputed(
    lattice: Lattice,
    comparison: Comparison,
    analysis: Analysis,
    estimand: Estimand,
    floor: float | None,
    fit: Fit,
    kept: Completions | None = None,
) -> list[Outcome]:
    """The pooled outcomes of an analysis with imputation, and where asked the search for its tipping point.

    ``kept`` are data sets imputed before, for other estimators of the same data, and say whether more sets than the
    protocol names may be made, up to :data:`MOST_SETS`.
    """
    assert analysis.imputation is not None
    bounds = margins_of(estimand, lattice.protocol.model.endpoints[estimand.endpoint])
    single = comparison.n_trials == 1
    planned = analysis.imputation.sets
    gaps: AnyGaps | None = None

    def made(line: Analysis) -> Completed:
        nonlocal gaps
        assert line.imputation is not None
        key = (
            id(lattice),
            floor,
            line.covariates,
            line.strata,
            line.analysis_set,
            line.imputation.model_dump_json(),
            estimand.model_dump_json(exclude={"summary"}),
        )
        found = kept.get(key) if kept is not None and single else None
        if gaps is None and (found is None or line.tipping_point is not None):
            gaps = find_gaps(lattice, estimand, floor)
            gaps = replace(gaps, experimental=experimental_rows(lattice.protocol, estimand, lattice.participants.arm))
        if found is None:
            assert gaps is not None
            found = complete(lattice, gaps, comparison, line.imputation, dict(line.imputation.delta))
            if kept is not None and single:
                kept.keep(key, found)
        return found

    completed = made(analysis)
    main = _pooled(completed, comparison, analysis, fit)
    if not single:
        return main
    most = planned
    if kept is not None and kept.raise_sets:
        most = max(planned, min(MOST_SETS, MOST_CELLS // max(completed.n_cells, 1)))
    line = analysis
    # The error shrinks with the root of their number, so one estimate of what is wanted nearly does; two always.
    for _ in range(3):
        sets = _sets(line)
        wanted = sets_wanted_for(main, line)
        if sets >= most or wanted <= sets:
            break
        line = _with_sets(line, min(most, max(wanted, sets + sets // 2)))
        completed = made(line)
        main = _pooled(completed, comparison, line, fit)
    if gaps is not None and line.tipping_point is not None and np.isfinite(main[0].estimate[0]):
        tip = _tip(lattice, gaps, comparison, line, fit, main[0], bounds)
        aim = TIP_ERROR * abs(line.tipping_point.up_to)
        error = tip["monte_carlo_error"]
        if error is not None and error > aim and _sets(line) < most:
            line = _with_sets(line, min(most, int(np.ceil(_sets(line) * (error / aim) ** 2))))
            main = _pooled(made(line), comparison, line, fit)
            tip = _tip(lattice, gaps, comparison, line, fit, main[0], bounds)
        main = [replace(main[0], details={**main[0].details, "tipping_point": tip}), *main[1:]]
    raised = ("imputations-raised",) if _sets(line) > planned else ()
    return [replace(o, remarks=(*o.remarks, *raised), details={**o.details, "planned_sets": planned}) for o in main]


# Sets that an analysis makes at most of its own accord, and results that they may hold together.
MOST_SETS, MOST_CELLS = 1000, 20_000_000
# Of the range that a tipping point is looked for in, the part that its Monte Carlo error may be.
TIP_ERROR = 0.01


def _sets(line: Analysis) -> int:
    assert line.imputation is not None
    return line.imputation.sets


def _with_sets(line: Analysis, sets: int) -> Analysis:
    assert line.imputation is not None
    return line.model_copy(update={"imputation": line.imputation.model_copy(update={"sets": sets})})


def _alpha(analysis: Analysis) -> float:
    """The two-sided level at which an analysis concludes."""
    one = analysis.alpha_one_sided or round(1.0 - analysis.ci_level, 12) / 2.0
    return analysis.alpha_two_sided or 2.0 * one


def sets_wanted_for(outcomes: list[Outcome], analysis: Analysis) -> int:
    """Data sets that would make the Monte Carlo error of an answer small; as many as there are where there is none."""
    wanted = _sets(analysis)
    for outcome in outcomes:
        errors = outcome.details["monte_carlo"]
        p, estimate = float(outcome.p_value[0]), float(outcome.estimate[0])
        if errors is None or not (np.isfinite(p) and np.isfinite(estimate)):
            continue
        # On the scale of the estimate: that of a ratio by the delta method.
        own = float(outcome.standard_error[0]) * (abs(estimate) if SCALES[outcome.scale].is_ratio else 1.0)
        wanted = max(wanted, sets_wanted(errors, error_of_estimate=own, p_value=p, alpha=_alpha(analysis)))
        break
    return wanted


def _with_monte_carlo(outcome: Outcome, errors: MonteCarloErrors | None, analysis: Analysis) -> Outcome:
    """The outcome of one trial with the error of its imputing, and whether its verdict hangs on the seed."""
    p = float(outcome.p_value[0])
    unstable = errors is not None and np.isfinite(p) and not is_stable(errors, p_value=p, alpha=_alpha(analysis))
    remarks = (*outcome.remarks, *(("verdict-not-stable",) if unstable else ()))
    return replace(outcome, remarks=remarks, details={**outcome.details, "monte_carlo": errors})


def analysis_of_sets(analysis: Analysis) -> Analysis:
    """The analysis of a single data set: where sets are separated, the penalised answer of all of them is pooled."""
    return analysis.model_copy(update={"if_separated": "report"})


def _pooled(completed: Completed, comparison: Comparison, analysis: Analysis, fit: Fit) -> list[Outcome]:
    assert analysis.imputation is not None
    single = analysis_of_sets(analysis)
    if analysis.estimator == "firth":
        everywhere = np.ones(comparison.n_trials, dtype=np.bool_)
        return [_pooled_firth(completed, analysis, everywhere)]
    outcomes = fit(completed.derived, completed.comparison, single)[:1]
    out = [pool_outcome(outcomes[0], completed, analysis, comparison.n_trials)]
    if comparison.n_trials == 1:
        names = (*completed.left_out, *_left_out_of_sets(completed, outcomes[0], fit, single))
        out = [replace(out[0], left_out=tuple(dict.fromkeys(names)))]
        if outcomes[0].scale == "rate_ratio" and not comparison.is_interaction:
            out = [replace(out[0], details={**out[0].details, "rates": _pooled_rates(completed, analysis)})]
    without = ~np.isfinite(out[0].estimate)
    if analysis.estimator == "logistic" and analysis.if_separated == "firth" and without.any():
        out.append(replace(_pooled_firth(completed, analysis, without), suffix=".firth"))
    return out


def _pooled_rates(completed: Completed, analysis: Analysis) -> list[dict[str, Any]]:
    """Each arm's rate of one trial by Rubin's rules, its logarithm being pooled; events and days are means."""
    out = []
    for of_arm in rates_of_sets(completed.derived, completed.comparison, analysis):
        complete = np.array([max(float(of_arm.n - 1), 1.0)])
        pooled = pool_imputations(of_arm.log_rate[None], of_arm.standard_error[None], complete)
        half = stdtrit(pooled.df, 0.5 + float(analysis.ci_level) / 2) * pooled.standard_error
        row: dict[str, Any] = {"arm": of_arm.arm, "events": of_arm.events, "days": of_arm.days, "n": of_arm.n}
        row |= {"per_days": of_arm.per_days, "imputed": True}
        ends = (pooled.estimate, pooled.estimate - half, pooled.estimate + half)
        row |= {name: number(np.exp(x), 0) for name, x in zip(("rate", "ci_lower", "ci_upper"), ends, strict=True)}
        out.append(row)
    return out


def _left_out_of_sets(completed: Completed, outcome: Outcome, fit: Fit, analysis: Analysis) -> tuple[str, ...]:
    """What the analysis of any of one trial's data sets went without: each that says so is fitted once more, alone."""
    names: dict[str, None] = {}
    batch = completed.comparison
    for place in np.flatnonzero(outcome.codes & np.uint32(FitCode.NUISANCE_LEFT_OUT)):
        mine = slice(int(batch.offsets[place]), int(batch.offsets[place + 1]))
        alone = replace(
            batch,
            rows=batch.rows[mine],
            experimental=batch.experimental[mine],
            covariates=batch.covariates[mine],
            offsets=np.array([0, mine.stop - mine.start]),
            n_randomized=batch.n_randomized[[place]],
            incomplete=batch.incomplete[mine],
        )
        names |= dict.fromkeys(fit(completed.derived, alone, analysis)[0].left_out)
    return tuple(names)


def _pooled_firth(completed: Completed, analysis: Analysis, wanted: NDArray[np.bool_]) -> Outcome:
    """Firth's answers in every set of the ``wanted`` trials, absent in the others, pooled.

    The estimate is Rubin's. Limits and p value of one trial come from the sets' likelihoods, (RU-10); of many trials
    at once they are Wald's, since profiles would be the dearest part.
    """
    from equipoise.stats.firth import fit_firth
    from equipoise.stats.logistic import BinomialInput
    from equipoise.stats.missing.likelihoods import combine_likelihoods

    assert analysis.imputation is not None
    data = BinaryData(completed.derived, completed.comparison)
    n_trials = wanted.shape[0]
    chosen = np.flatnonzero(np.repeat(wanted, analysis.imputation.sets))
    counted = data.of(chosen).regressions()
    fits = fit_firth(counted.y, counted.design, counted.offsets, weights=counted.weights)
    n = completed.comparison.n_trials
    coefficient, error, codes = np.full(n, np.nan), np.full(n, np.nan), np.zeros(n, dtype=np.uint32)
    coefficient[chosen] = counted.of_trials(fits.coefficients[:, 1])
    error[chosen] = counted.of_trials(fits.standard_errors[:, 1])
    codes[chosen] = counted.of_trials(fits.codes)
    each = from_coefficient(
        estimator="firth",
        scale="odds_ratio",
        coefficient=coefficient,
        standard_error=error,
        level=analysis.ci_level,
        codes=codes,
        method="logistic regression, Firth's penalised likelihood" + adjusted_words(completed.comparison),
        **data.shared(),  # type: ignore[arg-type]
    )
    out = pool_outcome(each, completed, analysis, n_trials)
    if n_trials != 1:
        return out
    combined = None
    if np.isfinite(out.estimate[0]):
        sets = np.arange(chosen.size) if counted.where is None else counted.where
        # Every set has the same people: a column that repeats another does so in each; profiles go without it.
        alike = bool((fits.kept == fits.kept[:1]).all())
        design = np.ascontiguousarray(counted.design[:, fits.kept[0]]) if alike else counted.design
        if design.shape[1] < counted.design.shape[1]:
            fits = fit_firth(counted.y, design, counted.offsets, weights=counted.weights)
        inputs = BinomialInput.of(counted.y, design, counted.offsets, counted.weights)
        combined = combine_likelihoods(fits, inputs, sets, level=analysis.ci_level)
    if combined is None or np.isnan([combined.ci_lower, combined.ci_upper, combined.p_value]).any():
        return replace(out, remarks=("wald-interval-of-separated-sets",), method=f"{out.method}, Wald limits")
    errors = out.details["monte_carlo"]
    limits = np.exp([combined.ci_lower]), np.exp([combined.ci_upper])
    out = replace(
        out,
        ci_lower=limits[0],
        ci_upper=limits[1],
        p_value=np.array([combined.p_value]),
        remarks=(),
        method=out.method.replace(
            "pooled by Rubin's rules with Barnard and Rubin's df",
            "estimates pooled by Rubin's rules, limits and p value from the sets' likelihoods together",
        ),
    )
    errors = replace(
        errors,
        ci_lower=float(limits[0][0]) * combined.error_lower,
        ci_upper=float(limits[1][0]) * combined.error_upper,
        p_value=combined.error_p,
    )
    return _with_monte_carlo(out, errors, analysis)


def _tip(
    lattice: Lattice,
    gaps: AnyGaps,
    comparison: Comparison,
    analysis: Analysis,
    fit: Fit,
    main: Outcome,
    bounds: MarginBounds | None,
) -> dict[str, Any]:
    """The path of estimates over shifts of one arm's imputed results, and where the conclusion changes.

    With margins (``bounds``) what is concluded is whether the interval lies within them.
    """
    assert analysis.imputation is not None
    assert analysis.tipping_point is not None
    search = analysis.tipping_point
    alpha = _alpha(analysis)
    path: dict[float, dict[str, Any]] = {}

    def conclusion(outcome: Outcome) -> int:
        if bounds is not None:
            limits = (number(outcome.ci_lower, 0), number(outcome.ci_upper, 0))
            return int(verdict_of(bounds, *limits) in ("non-inferior", "equivalent"))
        p, statistic = float(outcome.p_value[0]), float(outcome.statistic[0])
        return 0 if not p < alpha else (1 if statistic > 0 else -1)

    def note(shift: float, outcome: Outcome) -> None:
        [outcome] = hold_against([outcome], bounds, float(analysis.ci_level))
        point = {"shift": shift, "share_imputed": outcome.details["share_imputed"].get(search.arm)}
        for name in ("estimate", "ci_lower", "ci_upper", "p_value"):
            value = float(getattr(outcome, name)[0])
            point[name] = value if np.isfinite(value) else None
        errors = outcome.details["monte_carlo"]
        known = errors is not None and np.isfinite(errors.p_value)
        point["monte_carlo_error_p_value"] = errors.p_value if known else None
        path[shift] = point

    at_zero = conclusion(main)
    note(0.0, main)

    def holds(shift: float) -> bool:
        delta = {**analysis.imputation.delta, search.arm: shift}  # type: ignore[union-attr]
        completed = complete(lattice, gaps, comparison, analysis.imputation, delta)  # type: ignore[arg-type]
        outcome = _pooled(completed, comparison, analysis, fit)[0]
        note(shift, outcome)
        # Where no answer is left the conclusion is no longer supported.
        return bool(np.isfinite(outcome.estimate[0])) and conclusion(outcome) == at_zero

    found = find_tipping_point(holds, up_to=search.up_to, steps=search.steps)
    return {
        "arm": search.arm,
        "shift": found.shift,
        "monte_carlo_error": _error_of_tip(path, found, search.up_to / search.steps),
        "holds_at": found.holds_at,
        "up_to": search.up_to,
        "alpha_two_sided": alpha,
        "conclusion": _CONCLUSIONS[bounds is not None, at_zero],
        "path": [path[shift] for shift in found.tried if shift in path],
    }


_CONCLUSIONS = {
    (False, 0): "no difference shown",
    (False, 1): "above no effect",
    (False, -1): "below no effect",
    (True, 0): "not shown to lie within the margin",
    (True, 1): "within the margin",
}


def _error_of_tip(path: dict[float, dict[str, Any]], found: TippingShift, step: float) -> float | None:
    """Monte Carlo error of a tipping point: that of p there, over the slope of p along the path; (TP-3)."""
    if found.shift is None or found.shift not in path:
        return None
    here = found.shift
    # Half a step away at least, or the slope would be that of the noise.
    far = [s for s in path if abs(s - here) >= 0.5 * abs(step) and path[s]["p_value"] is not None]
    before = max((s for s in far if (here - s) * step > 0), key=lambda s: s * step, default=here)
    after = min((s for s in far if (s - here) * step > 0), key=lambda s: s * step, default=here)
    error = path[here]["monte_carlo_error_p_value"]
    if error is None or path[here]["p_value"] is None or before == after:
        return None
    rise = path[after]["p_value"] - path[before]["p_value"]
    return float(error * abs((after - before) / rise)) if rise else None
