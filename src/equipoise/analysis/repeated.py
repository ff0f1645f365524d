"""Estimators of repeated endpoints: logistic and linear mixed models."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from equipoise.analysis.dataset import Comparison, Floats, LongRows, long_rows, sum_by_trial
from equipoise.analysis.outcome import Outcome, from_coefficient, nothing
from equipoise.endpoints.endpoint_values import Derived
from equipoise.protocol.language.analysis import Analysis
from equipoise.protocol.vocabulary.estimators import ESTIMATORS, measured

if TYPE_CHECKING:
    from equipoise.stats.logistic_mixed import LogisticMixedFits


def _design(rows: LongRows, comparison: Comparison, time: str) -> tuple[Floats, tuple[str, ...]]:
    """(n_rows, p) constant, arm, time, covariates; with an interaction, time is centred: arm stays an average."""
    arm = comparison.experimental[rows.who]
    columns: list[Floats | float] = [1.0, arm]
    names = ["constant", "arm"]
    if time != "none":
        week = rows.week - (rows.last_week / 2.0 if time == "interaction" else 0.0)
        columns.append(week)
        names.append("week")
        if time == "interaction":
            columns.append(arm * week)
            names.append("arm x week")
    columns += [comparison.covariates[:, k][rows.who] for k in range(len(comparison.names))]
    design = np.empty((rows.y.shape[0], len(columns)))
    for position, column in enumerate(columns):
        design[:, position] = column
    return design, (*names, *comparison.names)


def fit_repeated_odds(derived: Derived, comparison: Comparison, analysis: Analysis) -> list[Outcome]:
    """Odds ratio for one and the same participant, by a logistic mixed model with a random intercept."""
    from equipoise.stats.logistic_mixed import fit_logistic_mixed

    rows = long_rows(derived, comparison)
    design, names = _design(rows, comparison, analysis.time)
    single = comparison.n_trials == 1
    fits = fit_logistic_mixed(
        rows.y,
        design,
        rows.participant_offsets,
        rows.trial_offsets,
        nodes=analysis.nodes,
        report_change_on_doubling=single,
    )
    row_offsets = rows.participant_offsets[rows.trial_offsets]
    out = [
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
            method=(
                "logistic mixed model, random intercept, adaptive Gauss-Hermite quadrature with "
                f"{analysis.nodes} nodes; "
                f"columns {', '.join(names)}"
            ),
            details={
                "sd_intercept": fits.sd_intercept,
                "log_likelihood": fits.log_likelihood,
                "gradient_norm": fits.gradient_norm,
                "condition": fits.condition,
                "n_rows": np.diff(row_offsets),
                **({"change_on_doubling_nodes": fits.change_on_doubling} if single else {}),
            },
        )
    ]
    if single and np.isfinite(fits.coefficients[0]).all():
        out.append(_marginal(fits, derived, comparison, analysis, out[0]))
    return out


def _marginal(
    fits: LogisticMixedFits, derived: Derived, comparison: Comparison, analysis: Analysis, conditional: Outcome
) -> Outcome:
    """The odds ratio of the arms' average probabilities, over every participant at every planned visit."""
    from equipoise.stats.marginal import estimate_marginal_effect

    assert derived.visit_weeks is not None
    n, n_visits = comparison.rows.shape[0], derived.visit_weeks.shape[0]
    everywhere = LongRows(
        y=np.zeros(n * n_visits),
        week=np.tile(derived.visit_weeks, n),
        who=np.repeat(np.arange(n), n_visits),
        participant_offsets=np.arange(n + 1, dtype=np.int64) * n_visits,
        trial_offsets=comparison.offsets,
        n_missed=conditional.n_missed,
        n_participants=conditional.n_analysed,
        last_week=float(derived.visit_weeks[-1]),
    )
    designs = []
    for value in (0.0, 1.0):
        as_if = replace(comparison, experimental=np.full(n, value))
        designs.append(_design(everywhere, as_if, analysis.time)[0])
    whole = ~np.isnan(designs[0]).any(axis=1)
    effect = estimate_marginal_effect(fits, designs[0][whole], designs[1][whole], np.array([0, int(whole.sum())]))
    return from_coefficient(
        estimator="logistic-mixed",
        scale="odds_ratio",
        coefficient=effect.log_odds_ratio,
        standard_error=effect.log_odds_ratio_se,
        level=analysis.ci_level,
        codes=fits.codes,
        n_analysed=conditional.n_analysed,
        n_events=conditional.n_events,
        n_missed=conditional.n_missed,
        event=conditional.event,
        arm=comparison.arm,
        reference=comparison.reference,
        suffix=".marginal",
        method="marginal odds ratio of the same model: probabilities averaged over participants and planned visits",
        details={
            "risk": effect.risk_experimental,
            "risk_reference": effect.risk_control,
            "risk_difference": effect.risk_difference,
            "risk_difference_se": effect.risk_difference_se,
        },
    )


def fit_population_odds(derived: Derived, comparison: Comparison, analysis: Analysis) -> list[Outcome]:
    """Odds ratio for the arms, by generalised estimating equations; one trial at a time.

    ``method`` names the working correlation (exchangeable, independence, ar1); the standard error is the sandwich with
    Mancl and DeRouen's correction, its limits use Student's t with participants less columns degrees of freedom.
    """
    from equipoise.stats.codes import FitCode
    from equipoise.stats.gee import fit_gee

    rows = long_rows(derived, comparison)
    design, names = _design(rows, comparison, analysis.time)
    working = analysis.method or "exchangeable"
    n = comparison.n_trials
    coefficient, error = np.full(n, np.nan), np.full(n, np.nan)
    codes, correlation = np.zeros(n, dtype=np.uint32), np.full(n, np.nan)
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
        codes[trial] = fit.codes
        if not FitCode(fit.codes) & FitCode.NOT_ESTIMABLE:
            coefficient[trial] = fit.coefficients[1]
            error[trial] = np.sqrt(fit.covariance_mancl_derouen[1, 1])
            correlation[trial] = fit.correlation
    row_offsets = rows.participant_offsets[rows.trial_offsets]
    return [
        from_coefficient(
            estimator="gee",
            scale="odds_ratio",
            coefficient=coefficient,
            standard_error=error,
            df=np.maximum(rows.n_participants - design.shape[1], 1).astype(np.float64),
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
                f"columns {', '.join(names)}"
            ),
            details={"correlation": correlation, "n_rows": np.diff(row_offsets)},
        )
    ]


def fit_means(derived: Derived, comparison: Comparison, analysis: Analysis) -> list[Outcome]:
    """Difference of means (of logarithms: ratio of geometric means) of one value a participant, by least squares.

    Of a series of scores it is the last one, or that of the visit which the analysis names. With no reference arm the
    estimate is the mean of the one arm.
    """
    from equipoise.stats.linear import fit_linear

    if derived.shape == "repeated-score":
        assert derived.values is not None
        names = derived.visit_names or ()
        values = derived.values[:, names.index(analysis.visit) if analysis.visit in names else -1]
    else:
        assert derived.value is not None
        values = derived.value
    y = values[comparison.rows]
    there = ~np.isnan(y) & ~comparison.incomplete
    rows, offsets = comparison.keep(there)
    alone = not comparison.reference
    design = np.ones((rows.shape[0], 1)) if alone else comparison.design(rows)
    fits = fit_linear(y[rows], design, offsets)
    column = 0 if alone else 1
    scale = measured(ESTIMATORS["linear"], logarithm=derived.logarithm, alone=alone).id
    adjusted = f", adjusted for {', '.join(comparison.names)}" if comparison.names and not alone else ""
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
        details={"sd_residual": fits.sd_residual},
    )
    if alone and derived.logarithm:
        # That a geometric mean is 1 is nobody's hypothesis.
        outcome = replace(outcome, statistic=nothing(comparison.n_trials), p_value=nothing(comparison.n_trials))
    return [outcome]


def fit_repeated_means(derived: Derived, comparison: Comparison, analysis: Analysis) -> list[Outcome]:
    """Difference of means (of logarithms: ratio of geometric means) by a linear mixed model, Satterthwaite's df."""
    from equipoise.stats.linear_mixed import fit_linear_mixed

    rows = long_rows(derived, comparison)
    design, names = _design(rows, comparison, analysis.time)
    fits = fit_linear_mixed(
        rows.y,
        design,
        rows.participant_offsets,
        rows.trial_offsets,
        slope=rows.week if analysis.random_slope else None,
    )
    row_offsets = rows.participant_offsets[rows.trial_offsets]
    random = "random intercept and slope" if analysis.random_slope else "random intercept"
    return [
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
                f"Satterthwaite degrees of freedom; columns {', '.join(names)}"
            ),
            details={
                "sd_intercept": fits.sd_intercept,
                "sd_residual": fits.sd_residual,
                "log_likelihood": fits.log_likelihood,
                "coefficients": fits.coefficients,
                "covariance": fits.covariance,
                "columns": names,
                "n_rows": np.diff(row_offsets),
            },
        )
    ]
