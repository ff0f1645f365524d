"""Estimators of repeated endpoints: logistic and linear mixed models."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import special

from equipoise.analysis.crossover import fit_within_means
from equipoise.analysis.dataset import Comparison, Floats, Ints, LongRows, Mask, long_rows, sum_by_trial
from equipoise.analysis.left_out import name_left_out
from equipoise.analysis.model_words import adjusted_words, joined, term_words
from equipoise.analysis.outcome import Outcome, averaged_over, from_coefficient, nothing
from equipoise.analysis.time_terms import (
    Contrast,
    TimeColumns,
    at_words,
    design_of,
    interaction_rows,
    time_columns,
    visits_seen,
)
from equipoise.endpoints.endpoint_values import Derived
from equipoise.protocol.language.analysis import Analysis
from equipoise.protocol.vocabulary.estimators import ESTIMATORS, measured
from equipoise.stats.codes import FitCode
from equipoise.stats.wald import CodeArray as Codes

if TYPE_CHECKING:
    from equipoise.stats.logistic_mixed import LogisticMixedFits
    from equipoise.stats.logistic_mixed_slope import LogisticMixedSlopeFits


def _terms(derived: Derived, analysis: Analysis, rows: LongRows) -> TimeColumns:
    return time_columns(derived, analysis, visits_seen(rows, len(derived.visit_names)))


def _with_effect_at(outcome: Outcome, terms: TimeColumns) -> Outcome:
    """The outcome of an interaction says at which day its effect holds."""
    if terms.at is None:
        return outcome
    words = at_words(terms.at)
    return replace(
        outcome,
        method=f"{outcome.method}; effect {words}",
        details={**outcome.details, "effect_at_day": terms.at.day, "effect_at": words},
    )


def _curve_details(terms: TimeColumns) -> dict[str, object]:
    """What, beside the names of the columns, a curve of the fitted means needs to know of time."""
    if terms.kind in ("linear", "none"):
        return {}
    return {
        "time": terms.kind,
        "time_from_week": terms.centre,
        "time_visits": terms.visits,
        "time_reference": terms.reference,
    }


def _contrast_of(coefficients: Floats, covariance: Floats, df: float | None = None) -> Contrast:
    """Contrasts of one fit by its coefficients (p,) and their covariance (p, p)."""

    def contrast(weights: Floats, active: Ints) -> tuple[float, float, float | None]:
        variance = float(weights @ covariance[np.ix_(active, active)] @ weights)
        return float(weights @ coefficients[active]), float(np.sqrt(variance)), df

    return contrast


def _left_out(
    comparison: Comparison, design: Floats, codes: Codes, kept: Mask, coefficients: Floats, y: Floats | None = None
) -> tuple[tuple[str, ...], Mask]:
    """Names of what the one trial's model went without, and its rows; ``y`` where nuisance columns can run off."""
    from equipoise.stats.nuisance import runaway_rows

    everything = np.ones(design.shape[0], dtype=np.bool_)
    if comparison.n_trials != 1 or not codes[0] & np.uint32(FitCode.NUISANCE_LEFT_OUT):
        return (), everything
    first = design.shape[1] - len(comparison.names)
    informative = everything if y is None else ~runaway_rows(y, design)[0]
    names = name_left_out(
        comparison.factors,
        design[:, first:],
        kept=kept[first:],
        informative=informative,
        silent=np.isnan(coefficients[first:]),
    )
    return names, informative


def _named(names: tuple[str, ...], kept: Mask, comparison: Comparison, derived: Derived) -> str:
    """Terms of the model beside the constant, in words; of one trial those of the fit that was made."""
    single = comparison.n_trials == 1
    used = [name for name, there in zip(names, kept, strict=True) if (there or not single) and name != "constant"]
    words = term_words(used, comparison.labels, derived.visit_names)
    return f"{'term' if len(words) == 1 else 'terms'}: {joined(words)}"


def fit_repeated_odds(derived: Derived, comparison: Comparison, analysis: Analysis) -> list[Outcome]:
    """Odds ratio for one and the same participant, by a logistic mixed model.

    With a random intercept the marginal odds ratio of the same model is added; with a random slope there is none.
    """
    from equipoise.stats.logistic_mixed import LogisticMixedFits, fit_logistic_mixed

    rows = long_rows(derived, comparison)
    terms = _terms(derived, analysis, rows)
    design, names = design_of(rows, comparison, terms)
    single = comparison.n_trials == 1
    fits, model, variances = _fit_odds(rows, design, analysis, single=single)
    row_offsets = rows.participant_offsets[rows.trial_offsets]
    left_out, informative = _left_out(comparison, design, fits.codes, fits.kept[0], fits.coefficients[0], rows.y)
    main = _with_effect_at(
        from_coefficient(
            estimator="logistic-mixed",
            scale="odds_ratio",
            coefficient=fits.coefficients[:, 1],
            standard_error=fits.standard_errors[:, 1],
            level=analysis.ci_level,
            codes=fits.codes,
            n_analysed=rows.n_participants,
            n_events=sum_by_trial(rows.y > 0, row_offsets),
            n_missed=rows.n_missed,
            event=derived.event_word,
            arm=comparison.arm,
            reference=comparison.reference,
            method=f"logistic mixed model, {model}; {_named(names, fits.kept[0], comparison, derived)}",
            left_out=left_out,
            details={
                "sd_intercept": fits.sd_intercept,
                "log_likelihood": fits.log_likelihood,
                "gradient_norm": fits.gradient_norm,
                "condition": fits.condition,
                "n_rows": np.diff(row_offsets),
                **variances,
            },
        ),
        terms,
    )
    out = [main]
    if not single:
        return out
    if isinstance(fits, LogisticMixedFits) and not comparison.is_interaction and np.isfinite(fits.coefficients[0, 1]):
        kept, whole = fits.kept[0], fits
        if not kept.all() and informative.all():
            whole = fit_logistic_mixed(
                rows.y, design[:, kept], rows.participant_offsets, rows.trial_offsets, nodes=analysis.nodes
            )
        out.append(
            _marginal(whole, derived, comparison, terms, main, analysis.ci_level, kept)
            if informative.all()
            else _no_marginal(main)
        )
    contrast = _contrast_of(fits.coefficients[0], fits.covariance[0])
    return [*out, *interaction_rows(derived, terms, main, contrast, analysis.ci_level)]


def _fit_odds(
    rows: LongRows, design: Floats, analysis: Analysis, *, single: bool
) -> tuple[LogisticMixedFits | LogisticMixedSlopeFits, str, dict[str, object]]:
    """The fits, their model in words, and details that belong to this model alone."""
    if analysis.random_slope:
        from equipoise.stats.logistic_mixed_slope import fit_logistic_mixed_slope

        slopes = fit_logistic_mixed_slope(rows.y, design, rows.participant_offsets, rows.trial_offsets, slope=rows.week)
        words = "random intercept and slope of time in weeks, Laplace's approximation"
        return slopes, words, {"sd_slope": slopes.sd_slope, "corr": slopes.corr}
    from equipoise.stats.logistic_mixed import fit_logistic_mixed

    fits = fit_logistic_mixed(
        rows.y,
        design,
        rows.participant_offsets,
        rows.trial_offsets,
        nodes=analysis.nodes,
        report_change_on_doubling=single,
    )
    words = f"random intercept, adaptive Gauss-Hermite quadrature with {analysis.nodes} nodes"
    return fits, words, {"change_on_doubling_nodes": fits.change_on_doubling} if single else {}


def _no_marginal(main: Outcome) -> Outcome:
    """The row of a marginal odds ratio that has no error: an average over people whose level runs off."""
    unknown: dict[str, Any] = dict.fromkeys(
        ("estimate", "standard_error", "ci_lower", "ci_upper", "statistic", "p_value"), nothing(main.codes.shape[0])
    )
    return replace(
        main,
        codes=main.codes | np.uint32(FitCode.NOT_ESTIMABLE),
        suffix=".marginal",
        method="marginal odds ratio of the same model",
        **unknown,
    )


def _marginal(
    fits: LogisticMixedFits,
    derived: Derived,
    comparison: Comparison,
    terms: TimeColumns,
    conditional: Outcome,
    level: float,
    kept: Mask,
) -> Outcome:
    """The odds ratio of the arms' average probabilities, over every participant at every planned visit."""
    from equipoise.stats.marginal import estimate_marginal_effect

    assert derived.visit_weeks is not None
    n, n_visits = comparison.rows.shape[0], derived.visit_weeks.shape[0]
    everywhere = LongRows(
        y=np.zeros(n * n_visits),
        week=np.tile(derived.visit_weeks, n),
        visit=np.tile(np.arange(n_visits, dtype=np.int64), n),
        who=np.repeat(np.arange(n), n_visits),
        participant_offsets=np.arange(n + 1, dtype=np.int64) * n_visits,
        trial_offsets=comparison.offsets,
        n_missed=conditional.n_missed,
        n_participants=conditional.n_analysed,
        last_week=float(derived.visit_weeks[-1]),
    )
    designs = []
    for value in (0.0, 1.0):
        designs.append(design_of(everywhere, comparison, terms, np.full(n, value))[0][:, kept])
    whole = ~np.isnan(designs[0]).any(axis=1)
    effect = estimate_marginal_effect(fits, designs[0][whole], designs[1][whole], np.array([0, int(whole.sum())]))
    return averaged_over(conditional, effect, level=level, over="participants and planned visits", codes=fits.codes)


def fit_population_odds(derived: Derived, comparison: Comparison, analysis: Analysis) -> list[Outcome]:
    """Odds ratio for the arms, by generalised estimating equations; one trial at a time.

    ``method`` names the working correlation (exchangeable, independence, ar1); the standard error is the sandwich with
    Mancl and DeRouen's correction, its limits use Student's t with participants less columns degrees of freedom.
    """
    from equipoise.stats.gee import fit_gee

    rows = long_rows(derived, comparison)
    terms = _terms(derived, analysis, rows)
    design, names = design_of(rows, comparison, terms)
    working = analysis.method or "exchangeable"
    n = comparison.n_trials
    coefficient, error = np.full(n, np.nan), np.full(n, np.nan)
    codes, correlation = np.zeros(n, dtype=np.uint32), np.full(n, np.nan)
    last = None
    kept, told, n_columns = np.ones(design.shape[1], dtype=np.bool_), np.zeros(design.shape[1]), np.zeros(n)
    for trial in range(n):
        people = slice(int(rows.trial_offsets[trial]), int(rows.trial_offsets[trial + 1]) + 1)
        bounds = rows.participant_offsets[people]
        part = slice(int(bounds[0]), int(bounds[-1]))
        fit = fit_gee(
            rows.y[part],
            design[part],
            bounds - bounds[0],
            working=working,  # type: ignore[arg-type]
            time=rows.week[part] if working == "ar1" else None,
        )
        codes[trial], last = fit.codes, fit
        kept, told, n_columns[trial] = fit.kept, fit.coefficients, fit.kept.sum()
        if not FitCode(fit.codes) & FitCode.NOT_ESTIMABLE:
            coefficient[trial] = fit.coefficients[1]
            error[trial] = np.sqrt(fit.covariance_mancl_derouen[1, 1])
            correlation[trial] = fit.correlation
    row_offsets = rows.participant_offsets[rows.trial_offsets]
    df = np.maximum(rows.n_participants - n_columns, 1).astype(np.float64)
    if n == 1 and codes[0] & np.uint32(FitCode.INDEPENDENCE_TAKEN):
        working = "independence"
    main = _with_effect_at(
        from_coefficient(
            estimator="gee",
            scale="odds_ratio",
            coefficient=coefficient,
            standard_error=error,
            df=df,
            level=analysis.ci_level,
            codes=codes,
            n_analysed=rows.n_participants,
            n_events=sum_by_trial(rows.y > 0, row_offsets),
            n_missed=rows.n_missed,
            event=derived.event_word,
            arm=comparison.arm,
            reference=comparison.reference,
            method=(
                f"generalised estimating equations, {working} working correlation, sandwich of Mancl and DeRouen; "
                f"{_named(names, kept, comparison, derived)}"
            ),
            left_out=_left_out(comparison, design, codes, kept, told, rows.y)[0],
            details={"correlation": correlation, "n_rows": np.diff(row_offsets)},
        ),
        terms,
    )
    if n != 1 or last is None or not np.isfinite(main.estimate[0]):
        return [main]
    contrast = _contrast_of(last.coefficients, last.covariance_mancl_derouen, float(df[0]))
    return [main, *interaction_rows(derived, terms, main, contrast, analysis.ci_level)]


def values_compared(derived: Derived, analysis: Analysis) -> Floats:
    """(n,) one value a participant: of a series of scores the last, or that of the visit which the analysis names."""
    if derived.shape == "repeated-score":
        assert derived.values is not None
        names = derived.visit_names or ()
        return derived.values[:, names.index(analysis.visit) if analysis.visit in names else -1]
    assert derived.value is not None
    return derived.value


def fit_means(derived: Derived, comparison: Comparison, analysis: Analysis) -> list[Outcome]:
    """Difference of means (of logarithms: ratio of geometric means) of one value a participant, by least squares.

    Of a series of scores it is the last one, or that of the visit which the analysis names. With no reference arm the
    estimate is the mean of the one arm.
    """
    from equipoise.stats.linear import fit_linear

    y = values_compared(derived, analysis)[comparison.rows]
    there = ~np.isnan(y) & ~comparison.incomplete
    rows, offsets = comparison.keep(there)
    alone = not comparison.reference
    design = np.ones((rows.shape[0], 1)) if alone else comparison.design(rows)
    column = 0 if alone else 1
    fits = fit_linear(y[rows], design, offsets, column=column)
    kept = fits.kept[0]
    scale = measured(ESTIMATORS["linear"], logarithm=derived.logarithm, alone=alone).id
    single = comparison.n_trials == 1
    adjusted = "" if alone else adjusted_words(comparison, kept[2:] if single else None)
    outcome = from_coefficient(
        estimator="linear",
        scale=scale,
        coefficient=fits.coefficients[:, column],
        standard_error=fits.standard_errors[:, column],
        df=fits.df,
        level=analysis.ci_level,
        codes=fits.codes,
        n_analysed=np.diff(offsets),
        n_events=np.full(comparison.n_trials, -1, dtype=np.int64),
        n_missed=sum_by_trial(~there, comparison.offsets),
        arm=comparison.arm,
        reference=comparison.reference or None,
        method=f"linear regression{' of the logarithm' if derived.logarithm else ''}, Student's t limits{adjusted}",
        left_out=() if alone else _left_out(comparison, design, fits.codes, kept, fits.coefficients[0])[0],
        details={"sd_residual": fits.sd_residual},
    )
    return [_against_goal(outcome, derived, analysis) if alone else outcome]


def _against_goal(outcome: Outcome, derived: Derived, analysis: Analysis) -> Outcome:
    """The mean of one arm tested against its performance goal; a change without a goal, against none.

    That a mean is 0, or a geometric mean 1, is nobody's hypothesis.
    """
    n = outcome.estimate.shape[0]
    if analysis.goal is None:
        if derived.is_change:
            return outcome
        return replace(outcome, statistic=nothing(n), p_value=nothing(n))
    goal = analysis.goal.amount
    centre = np.log(outcome.estimate / goal) if derived.logarithm else outcome.estimate - goal
    statistic = centre / outcome.standard_error
    return replace(
        outcome,
        statistic=statistic,
        p_value=2.0 * special.stdtr(outcome.df, -np.abs(statistic)),
        method=f"{outcome.method}, test against the goal of {analysis.goal}",
        details={**outcome.details, "goal": goal},
    )


def fit_repeated_means(derived: Derived, comparison: Comparison, analysis: Analysis) -> list[Outcome]:
    """Difference of means (of logarithms: ratio of geometric means) by a linear mixed model, Satterthwaite's df.

    Treatments of a crossover are compared within participants.
    """
    if comparison.periods is not None:
        return fit_within_means(derived, comparison, analysis)
    from equipoise.stats.linear_mixed import estimate_contrast, fit_linear_mixed

    rows = long_rows(derived, comparison)
    terms = _terms(derived, analysis, rows)
    design, names = design_of(rows, comparison, terms)
    fits = fit_linear_mixed(
        rows.y,
        design,
        rows.participant_offsets,
        rows.trial_offsets,
        slope=rows.week if analysis.random_slope else None,
    )
    row_offsets = rows.participant_offsets[rows.trial_offsets]
    random = "random intercept and slope" if analysis.random_slope else "random intercept"
    main = _with_effect_at(
        from_coefficient(
            estimator="linear-mixed",
            scale=measured(ESTIMATORS["linear-mixed"], logarithm=derived.logarithm).id,
            coefficient=fits.coefficients[:, 1],
            standard_error=fits.standard_errors[:, 1],
            df=fits.df[:, 1],
            level=analysis.ci_level,
            codes=fits.codes,
            n_analysed=rows.n_participants,
            n_events=np.full(comparison.n_trials, -1, dtype=np.int64),
            n_missed=rows.n_missed,
            arm=comparison.arm,
            reference=comparison.reference,
            method=(
                f"linear mixed model{' of the logarithm' if derived.logarithm else ''}, {random}, REML, "
                f"Satterthwaite degrees of freedom; {_named(names, fits.kept[0], comparison, derived)}"
            ),
            left_out=_left_out(comparison, design, fits.codes, fits.kept[0], fits.coefficients[0])[0],
            details={
                "sd_intercept": fits.sd_intercept,
                "sd_residual": fits.sd_residual,
                "log_likelihood": fits.log_likelihood,
                "coefficients": fits.coefficients,
                "covariance": fits.covariance,
                "columns": names,
                **_curve_details(terms),
                "n_rows": np.diff(row_offsets),
            },
        ),
        terms,
    )
    if comparison.n_trials != 1 or not np.isfinite(main.estimate[0]):
        return [main]

    def contrast(weights: Floats, active: Ints) -> tuple[float, float, float | None]:
        # Of these columns alone: a covariate that was left out has no coefficient.
        chosen = replace(
            fits,
            coefficients=fits.coefficients[:, active],
            covariance=fits.covariance[:, active][:, :, active],
            covariance_jacobian=fits.covariance_jacobian[:, :, active][:, :, :, active],
        )
        found = estimate_contrast(chosen, weights)
        return float(found.estimate[0]), float(found.standard_error[0]), float(found.df[0])

    return [main, *interaction_rows(derived, terms, main, contrast, analysis.ci_level)]
