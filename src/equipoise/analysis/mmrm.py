"""The mixed model for repeated measures as a line of the plan: effect, adjusted means by visit, what stood in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import special

from equipoise.analysis.dataset import Comparison, Floats, Ints, LongRows, long_rows
from equipoise.analysis.estimate import Estimate
from equipoise.analysis.left_out import name_left_out
from equipoise.analysis.model_words import joined, term_words
from equipoise.analysis.outcome import Outcome, from_coefficient
from equipoise.analysis.results import ModelCurve
from equipoise.analysis.time_terms import (
    TimeColumns,
    at_words,
    design_of,
    interaction_rows,
    time_columns,
    visits_seen,
)
from equipoise.endpoints.endpoint_values import Derived
from equipoise.foundation.calendar import study_day
from equipoise.protocol.language.analysis import Analysis
from equipoise.protocol.vocabulary.estimators import ESTIMATORS, measured
from equipoise.stats.codes import FitCode, has
from equipoise.stats.mmrm import (
    Covariance,
    Errors,
    MmrmFits,
    check_contrasts_at_once,
    estimate_mmrm_contrast,
    fit_mmrm,
)

ERRORS_WORDS: dict[str, str] = {
    "kenward-roger": "Kenward-Roger standard errors and degrees of freedom (linear form)",
    "satterthwaite": "Satterthwaite degrees of freedom",
    "sandwich": "sandwich standard errors with Mancl and DeRouen's correction",
}


def covariance_words(one: Covariance) -> str:
    """A covariance structure in words: ``heterogeneous Toeplitz covariance in each arm``."""
    name = one.structure.removesuffix("-heterogeneous")
    wide = "heterogeneous " if name != one.structure else ""
    proper = {"toeplitz": "Toeplitz", "ar1": "first-order autoregressive"}.get(name, name.replace("-", " "))
    return f"{wide}{proper} covariance of the visits{', one in each arm' if one.by_group else ''}"


def design_by_visit(
    rows: LongRows, comparison: Comparison, terms: TimeColumns, by_visit: Sequence[str]
) -> tuple[Floats, tuple[str, ...]]:
    """The design of a repeated model with, before the covariates, those of ``by_visit`` times each visit's column."""
    design, names = design_of(rows, comparison, terms)
    added, labels = [], []
    for k, name in enumerate(comparison.names):
        if name.split(": ")[0] not in by_visit:
            continue
        for column, visit in zip(terms.columns(rows.week, rows.visit), terms.names, strict=True):
            added.append(comparison.covariates[:, k][rows.who] * column)
            labels.append(f"{name} x {visit}")
    if not added:
        return design, names
    first = design.shape[1] - len(comparison.names)
    whole = np.column_stack([design[:, :first], *added, design[:, first:]])
    return np.ascontiguousarray(whole), (*names[:first], *labels, *names[first:])


@dataclass(frozen=True)
class _Line:
    """A line of the plan on its rows, fitted."""

    derived: Derived
    comparison: Comparison
    analysis: Analysis
    rows: LongRows
    terms: TimeColumns
    design: Floats
    names: tuple[str, ...]
    fits: MmrmFits

    @property
    def errors(self) -> Errors:
        return self.analysis.method or "kenward-roger"  # type: ignore[return-value]

    @property
    def is_single(self) -> bool:
        return self.comparison.n_trials == 1


def fit_mmrm_means(derived: Derived, comparison: Comparison, analysis: Analysis) -> list[Outcome]:
    """Difference of means (of logarithms: ratio of geometric means) at a visit, by a mixed model for repeated measures.

    Of one trial also the effect at every visit, the test that it is the same at all of them, and adjusted means.
    """
    rows = long_rows(derived, comparison)
    terms = time_columns(derived, analysis, visits_seen(rows, len(derived.visit_names)))
    design, names = design_by_visit(rows, comparison, terms, analysis.covariates_by_visit)
    fits = fit_mmrm(
        rows.y,
        design,
        rows.visit,
        rows.participant_offsets,
        rows.trial_offsets,
        n_visits=len(derived.visit_names),
        covariance=Covariance(analysis.covariance, analysis.covariance_by_arm),
        group=comparison.experimental[_people(rows)].astype(np.int64),
        jacobian=comparison.n_trials == 1,
    )
    line = _Line(derived, comparison, analysis, rows, terms, design, names, fits)
    main = _main(line)
    if not line.is_single or not np.isfinite(main.estimate[0]):
        return [main]

    def contrast(weights: Floats, active: Ints) -> tuple[float, float, float | None]:
        w = np.zeros(len(names))
        w[active] = weights
        found = estimate_mmrm_contrast(fits, w, line.errors)
        return float(found.estimate[0]), float(found.standard_error[0]), float(found.df[0])

    if not comparison.is_interaction:  # it compares two effects: there are no two arms whose means these would be
        main = replace(main, details={**main.details, "adjusted_means": adjusted_means(line)})
    beside = [_without_error(row) for row in interaction_rows(derived, terms, main, contrast, analysis.ci_level)]
    if beside and len(terms.interaction_names) > 1:
        beside[0] = _at_once(beside[0], line)
    return [main, *beside]


def _people(rows: LongRows) -> Ints:
    """(participants,) positions among the comparison's rows of those who have results."""
    return rows.who[rows.participant_offsets[:-1]]


def _main(line: _Line) -> Outcome:
    """The row of the line: the arm's effect, at the visit that it is asked at."""
    fits, rows, terms, comparison = line.fits, line.rows, line.terms, line.comparison
    logarithm, errors, names, single = line.derived.logarithm, line.errors, line.names, line.is_single
    used = fits.tried[int(fits.structure[0])] if single and fits.structure[0] > 0 else fits.tried[0]
    at = f"; effect {at_words(terms.at)}" if terms.at is not None else ""
    fell = single and fits.structure[0] > 0
    found = from_coefficient(
        estimator="mmrm",
        scale=measured(ESTIMATORS["mmrm"], logarithm=logarithm).id,
        coefficient=fits.coefficients[:, 1],
        standard_error=fits.standard_errors(errors)[:, 1],
        df=fits.df_sandwich if errors == "sandwich" else fits.df[:, 1],
        level=line.analysis.ci_level,
        codes=fits.codes,
        n_analysed=rows.n_participants,
        n_events=np.full(comparison.n_trials, -1, dtype=np.int64),
        n_missed=rows.n_missed,
        arm=comparison.arm,
        reference=comparison.reference,
        method=(
            f"mixed model for repeated measures{' of the logarithm' if logarithm else ''}, "
            f"{covariance_words(used)}"
            f"{f' (planned: {covariance_words(fits.tried[0])})' if fell else ''}, REML, {ERRORS_WORDS[errors]}; "
            f"{_columns_words(line)}{at}"
        ),
        left_out=_left_out(line),
        remarks=(f"covariance-simplified: {covariance_words(used)}",) if fell else (),
        details={
            "log_likelihood": fits.log_likelihood,
            "covariance_planned": covariance_words(fits.tried[0]),
            "covariance_used": covariance_words(used),
            "covariance_parameters": fits.n_parameters,
            **({} if single else {"structures": tuple(map(covariance_words, fits.tried)), "structure": fits.structure}),
            "visit_covariance": fits.visit_covariance,
            "coefficients": fits.coefficients,
            "columns": names,
            "gradient_norm": fits.gradient_norm,
            "condition": fits.condition,
            "n_rows": np.diff(rows.participant_offsets[rows.trial_offsets]),
            **({"effect_at_day": terms.at.day, "effect_at": at_words(terms.at)} if terms.at is not None else {}),
        },
    )

    return _without_error(found)


def _without_error(outcome: Outcome) -> Outcome:
    """An estimate whose error cannot be told, or is without bounds, stands alone and says so."""
    unknown = np.isfinite(outcome.estimate) & ~(np.isfinite(outcome.ci_lower) & np.isfinite(outcome.ci_upper))
    if not unknown.any():
        return outcome
    names = ("standard_error", "ci_lower", "ci_upper", "statistic", "df", "p_value")
    codes = np.where(unknown, outcome.codes | np.uint32(FitCode.ERROR_UNKNOWN), outcome.codes).astype(np.uint32)
    gone: dict[str, Any] = {name: np.where(unknown, np.nan, getattr(outcome, name)) for name in names}
    return replace(outcome, codes=codes, **gone)


def _columns_words(line: _Line) -> str:
    """What is in the model, in words: visits, how the effect changes, covariates; of one trial those fitted."""
    time = {
        "category": "a mean for each visit, one effect of the arm",
        "category-interaction": "a mean for each arm and visit",
        "none": "one mean for all visits, one effect of the arm",
        "linear": "a line over weeks, one effect of the arm",
    }.get(line.analysis.time, "a line over weeks for each arm")
    first = len(line.names) - len(line.comparison.names)
    there = line.fits.kept[0] if line.is_single else np.ones(len(line.names), dtype=np.bool_)
    adjusted: dict[str, None] = {}
    for name, kept in zip(line.comparison.names, there[first:], strict=True):
        if kept:
            by_visit = name.split(": ")[0] in line.analysis.covariates_by_visit
            adjusted[term_words((name,), line.comparison.labels)[0] + (" by visit" if by_visit else "")] = None
    return f"{time}; adjusted for {joined(list(adjusted))}" if adjusted else time


def _left_out(line: _Line) -> tuple[str, ...]:
    """Names of what the one trial's model went without: covariates and levels, and effects at a visit."""
    fits, comparison, design = line.fits, line.comparison, line.design
    if not line.is_single or not has(fits.codes, FitCode.NUISANCE_LEFT_OUT)[0]:
        return ()
    first = design.shape[1] - len(comparison.names)
    silent = np.isnan(fits.coefficients[0])
    covariates = name_left_out(
        comparison.factors,
        design[:, first:],
        kept=fits.kept[0, first:],
        informative=np.ones(design.shape[0], dtype=np.bool_),
        silent=silent[first:],
    )
    return (*covariates, *(line.names[k] for k in range(2, first) if not fits.kept[0, k]))


def _at_once(test: Outcome, line: _Line) -> Outcome:
    """The test that the effect does not change with time, by the F that belongs to the errors."""
    terms = line.terms
    unit = np.eye(len(line.names))[2 + len(terms.names) :]
    effects = {visit: unit[place] for place, visit in enumerate(terms.visits)}
    assert terms.reference is not None
    effects[terms.reference] = np.zeros(len(line.names))
    # Each against the last, whichever visit the line asks at: Fai and Cornelius's df depend on how it is written.
    last = max(effects)
    weights = np.array([effects[visit] - effects[last] for visit in sorted(effects) if visit != last])
    found = check_contrasts_at_once(line.fits, weights, line.errors)
    missing = not np.isfinite(found.p_value)
    return replace(
        test,
        statistic=np.array([found.statistic]),
        df=np.array([found.denominator_df]),
        p_value=np.array([found.p_value]),
        codes=test.codes | np.uint32(FitCode.ERROR_UNKNOWN) if missing else line.fits.codes,
        details={"test": "F", "numerator_df": found.numerator_df},
    )


def adjusted_means(line: _Line) -> list[dict[str, object]]:
    """Of one trial, each arm's mean at each visit with covariates at their average over the participants in the model.

    A visit at which nobody of the arm was seen, or whose mean the data do not determine, is left out. Limits at the
    line's confidence level.
    """
    derived, comparison, rows = line.derived, line.comparison, line.rows
    assert derived.visit_weeks is not None
    change = np.exp if derived.logarithm else float
    out: list[dict[str, object]] = []
    for value, arm in ((0.0, comparison.reference), (1.0, comparison.arm)):
        for visit, name in enumerate(derived.visit_names):
            n = int(((rows.visit == visit) & (comparison.experimental[rows.who] == value)).sum())
            if not n:
                continue
            weights = np.where(line.fits.kept[0], _at_visit(line, value, visit), 0.0)
            found = estimate_mmrm_contrast(line.fits, weights, line.errors)
            mean, error, df = (float(x[0]) for x in (found.estimate, found.standard_error, found.df))
            if not (np.isfinite(mean) and np.isfinite(error)):
                continue
            half = float(special.stdtrit(df, 0.5 + line.analysis.ci_level / 2)) * error
            week = float(derived.visit_weeks[visit])
            out.append(
                {
                    "arm": arm,
                    "visit": name,
                    "day": study_day(derived.first_visit_day + round(7.0 * week)),
                    "week": week,
                    "mean": float(change(mean)),
                    "standard_error": error,
                    "df": df,
                    "ci_lower": float(change(mean - half)),
                    "ci_upper": float(change(mean + half)),
                    "n": n,
                }
            )
    return out


def _at_visit(line: _Line, arm: float, visit: int) -> Floats:
    """(p,) the row of the design of one arm's average participant at a visit."""
    assert line.derived.visit_weeks is not None
    nobody, first = np.zeros(1), np.array([0, 1])
    rows = LongRows(
        y=nobody,
        week=line.derived.visit_weeks[[visit]],
        visit=np.array([visit]),
        who=np.zeros(1, dtype=np.int64),
        participant_offsets=first,
        trial_offsets=first,
        n_missed=np.zeros(1, dtype=np.int64),
        n_participants=np.ones(1, dtype=np.int64),
        last_week=line.rows.last_week,
    )
    average = replace(
        line.comparison,
        experimental=np.array([arm]),
        covariates=line.comparison.covariates[_people(line.rows)].mean(axis=0)[None, :],
    )
    design, _ = design_by_visit(rows, average, line.terms, line.analysis.covariates_by_visit)
    return np.asarray(design[0])


def curves_of_adjusted_means(estimate: Estimate) -> list[ModelCurve]:
    """The adjusted means of a line as a curve for each arm."""
    out = []
    for arm in (estimate.reference, estimate.arm):
        mine = [mean for mean in estimate.details["adjusted_means"] if mean["arm"] == arm]
        if mine:
            parts = {key: tuple(float(mean[key]) for mean in mine) for key in ("week", "mean", "ci_lower", "ci_upper")}
            out.append(ModelCurve(endpoint=estimate.endpoint, arm=str(arm), **parts))
    return out
