"""Estimators of a time to an event: Cox regression, log-rank, Kaplan-Meier, restricted mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from equipoise.analysis.dataset import Comparison, Floats, Ints, Mask, numbered, sum_by_trial
from equipoise.analysis.left_out import name_left_out
from equipoise.analysis.model_words import adjusted_words, stratified_words
from equipoise.analysis.outcome import Outcome, end_of_scale, from_coefficient, from_test, nothing
from equipoise.analysis.results import ArmCurve
from equipoise.endpoints.endpoint_values import Derived
from equipoise.protocol.language.analysis import Analysis
from equipoise.stats.codes import FitCode

if TYPE_CHECKING:
    from equipoise.stats.cox import CoxFits
    from equipoise.stats.cox_profile import CoxProfile

UNIT_WORDS = {"day": "days", "visit": "visits", "week": "weeks"}


class SurvivalData:
    """Times and events of one comparison in the unit that the plan names, complete rows only."""

    def __init__(self, derived: Derived, comparison: Comparison, unit: str) -> None:
        assert derived.event is not None
        time = times_in(derived, unit)[comparison.rows]
        there = ~np.isnan(time) & ~comparison.incomplete
        self.comparison = comparison
        self.rows, self.offsets = comparison.keep(there)
        self.time: Floats = time[self.rows]
        self.event: Floats = derived.event[comparison.rows][self.rows].astype(np.float64)
        self.experimental: Floats = comparison.experimental[self.rows]
        self.n_analysed: Ints = np.diff(self.offsets)
        self.n_events = sum_by_trial(self.event > 0, self.offsets)
        self.n_missed = sum_by_trial(~there, comparison.offsets)
        self.event_word = derived.event_word
        self.is_cause_specific = derived.competing is not None

    def shared(self) -> dict[str, object]:
        """What every outcome of these data says of its counts."""
        return {
            "n_analysed": self.n_analysed,
            "n_events": self.n_events,
            "n_missed": self.n_missed,
            "event": self.event_word,
            "arm": self.comparison.arm,
            "reference": self.comparison.reference,
        }


def _cause(data: SurvivalData) -> str:
    """What a hazard is of, where other events compete."""
    return " of the cause-specific hazard (competing events end follow-up)" if data.is_cause_specific else ""


def times_in(derived: Derived, unit: str) -> Floats:
    """Times in days, in planned visits, or in whole weeks begun (an event in the first seven days is week 1)."""
    assert derived.time is not None
    if unit == "week":
        return np.asarray(np.ceil(derived.time / 7.0))
    if unit == "visit":
        if derived.visit_time is None:
            return np.full_like(derived.time, np.nan)
        return derived.visit_time
    return derived.time


def fit_cox_hazards(derived: Derived, comparison: Comparison, analysis: Analysis) -> list[Outcome]:
    """Hazard ratio by Cox regression with the plan's rule for tied times (the exact method gives an odds ratio)."""
    from equipoise.stats.cox import fit_cox
    from equipoise.stats.zph import proportional_hazards_test

    data = SurvivalData(derived, comparison, analysis.time_unit)
    terms = comparison.within_strata()
    design, strata = terms.design(data.rows, intercept=False), comparison.strata(data.rows)
    fits = fit_cox(data.time, data.event, design, data.offsets, ties=analysis.ties, strata=strata)
    details: dict[str, object] = {"log_likelihood": fits.log_lik, "log_likelihood_null": fits.log_lik_null}
    kept: Mask | None = None
    left_out: tuple[str, ...] = ()
    single = comparison.n_trials == 1
    whole, finer, is_whole = design, strata, True
    if single and fits.codes[0] & np.uint32(FitCode.NUISANCE_LEFT_OUT):
        left_out = _left_out(data, terms, design, fits)
        kept = fits.kept[0, 1:]
        whole, finer, is_whole = design[:, fits.kept[0]], fits.strata, False
    if single and analysis.ties != "exact":
        test = proportional_hazards_test(
            data.time,
            data.event,
            whole,
            data.offsets,
            ties=analysis.ties,
            strata=finer,
            fits=fits if is_whole else None,
        )
        details["proportional_hazards_p_value"] = test.p_value[:, 0]
        details["proportional_hazards_statistic"] = test.statistic[:, 0]
    rule = {"efron": "Efron's", "breslow": "Breslow's", "exact": "the exact conditional"}[analysis.ties]
    main = from_coefficient(
        estimator="cox",
        scale=fits.scale,
        coefficient=fits.coefficients[:, 0],
        standard_error=fits.standard_errors[:, 0],
        level=analysis.ci_level,
        codes=fits.codes,
        method=(
            f"Cox regression{_cause(data)}, {rule} rule for ties, time in {UNIT_WORDS[analysis.time_unit]}, Wald limits"
            f"{adjusted_words(terms, kept)}{stratified_words(comparison)}"
        ),
        left_out=left_out,
        details=details,
        **data.shared(),  # type: ignore[arg-type]
    )
    if not single or not fits.infinite[0, 0] or not fits.direction[0, 0]:
        return [main]
    return _at_the_end(main, data, design, strata, analysis, int(fits.direction[0, 0]))


def _left_out(data: SurvivalData, terms: Comparison, design: Floats, fits: CoxFits) -> tuple[str, ...]:
    """Names of what the one trial's model went without: levels without events are strata without any."""
    events = np.bincount(fits.strata, weights=data.event)
    people = np.bincount(fits.strata)
    return name_left_out(
        [factor for factor in terms.factors if any(name.split(": ")[0] == factor[0] for name in terms.names)],
        design[:, 1:],
        kept=fits.kept[0, 1:],
        informative=((events > 0) & (people > 1))[fits.strata],
        silent=np.isnan(fits.coefficients[0, 1:]),
    )


def _at_the_end(
    main: Outcome, data: SurvivalData, design: Floats, strata: Ints | None, analysis: Analysis, direction: int
) -> list[Outcome]:
    """The one trial's hazard ratio of zero or infinity with its profile limit; where asked for, Firth's beside it."""
    from equipoise.stats.cox_profile import profile_cox

    def profile(*, penalised: bool) -> CoxProfile:
        return profile_cox(
            data.time,
            data.event,
            design,
            ties=analysis.ties,
            strata=strata,
            level=analysis.ci_level,
            penalised=penalised,
        )

    found = profile(penalised=False)
    limit = np.array([found.ci_lower if direction > 0 else found.ci_upper])
    out = [end_of_scale(main, direction, limit, np.array([found.statistic]), np.array([found.p_value]))]
    if "if_separated" in analysis.model_fields_set and analysis.if_separated == "firth":
        bent = profile(penalised=True)
        missing = np.isnan(bent.estimate)
        out.append(
            replace(
                main,
                estimate=np.exp([bent.estimate]),
                standard_error=np.array([bent.standard_error]),
                ci_lower=np.exp([bent.ci_lower]),
                ci_upper=np.exp([bent.ci_upper]),
                statistic=np.array([bent.statistic]),
                df=np.ones(1),
                p_value=np.array([bent.p_value]),
                codes=np.array([FitCode.NOT_CONVERGED | FitCode.NOT_ESTIMABLE if missing else 0], dtype=np.uint32),
                suffix=".firth",
                left_out=(),
                method=main.method.replace("Wald limits", "Firth's penalty, profile limits"),
            )
        )
    return out


def fit_log_rank(derived: Derived, comparison: Comparison, analysis: Analysis) -> list[Outcome]:
    """Log-rank test (method peto-peto: weighted by the pooled survival), stratified by the plan's covariates."""
    from equipoise.stats.logrank import log_rank

    data = SurvivalData(derived, comparison, analysis.time_unit)
    strata = None
    words = ""
    if comparison.names:
        strata = numbered(comparison.covariates[data.rows])
        words = adjusted_words(comparison, how="stratified by")
    peto = analysis.method == "peto-peto"
    test = log_rank(
        data.time, data.event, data.experimental.astype(np.int64), data.offsets, strata=strata, rho=1.0 if peto else 0.0
    )
    return [
        from_test(
            estimator="log-rank",
            statistic=test.statistic,
            df=test.df,
            p_value=test.p_value,
            codes=test.codes,
            method=(
                f"{'Peto and Peto' if peto else 'log-rank'} test{_cause(data)}, time in "
                f"{UNIT_WORDS[analysis.time_unit]}{words}"
            ),
            details={"observed": test.observed, "expected": test.expected},
            **data.shared(),
        )
    ]


def fit_curves(derived: Derived, comparison: Comparison, analysis: Analysis) -> list[Outcome]:
    """Kaplan-Meier: median time in each arm and, where the plan names a horizon, the probability of no event by it."""
    from equipoise.stats.kaplan_meier import fit_kaplan_meier

    data = SurvivalData(derived, comparison, analysis.time_unit)
    groups = data.experimental.astype(np.int64)
    curves = fit_kaplan_meier(data.time, data.event, groups, data.offsets, level=analysis.ci_level)
    n = comparison.n_trials
    unit = UNIT_WORDS[analysis.time_unit]
    out = []
    for group, arm in ((0, comparison.reference), (1, comparison.arm)):
        if not arm:
            continue  # a programme without a reference
        of_arm = data.experimental == group
        total = sum_by_trial(of_arm, data.offsets)
        events = sum_by_trial(of_arm & (data.event > 0), data.offsets)
        common = {
            "estimator": "kaplan-meier",
            "statistic": nothing(n),
            "df": nothing(n),
            "p_value": nothing(n),
            "standard_error": nothing(n),
            "n_analysed": total,
            "n_events": events,
            "n_missed": np.zeros(n, dtype=np.int64),
            "codes": curves.group_codes[:, group],
            "event": data.event_word,
            "arm": arm,
        }
        out.append(
            Outcome(
                scale="median_time",
                estimate=curves.median[:, group],
                ci_lower=curves.median_lower[:, group],
                ci_upper=curves.median_upper[:, group],
                method="Kaplan-Meier median, log-log limits",
                suffix=f".{arm}.median",
                **common,  # type: ignore[arg-type]
            )
        )
        horizon = analysis.horizon
        if horizon is not None:
            at = np.full((n, 3), np.nan)
            codes = curves.group_codes[:, group] & ~np.uint32(FitCode.MEDIAN_NOT_REACHED)
            for trial in range(n):
                curve = curves.curve(trial, group)
                if not curve.time.size:
                    continue
                before = int(np.searchsorted(curve.time, horizon, side="right")) - 1
                at[trial, 0] = 1.0  # before the first time
                if before >= 0:
                    at[trial] = curve.survival[before], curve.ci_lower[before], curve.ci_upper[before]
                    if horizon > curve.time[-1] and curve.survival[-1] > 0.0:
                        codes[trial] |= np.uint32(FitCode.HORIZON_BEYOND_FOLLOW_UP)
            out.append(
                Outcome(
                    scale="survival_probability",
                    estimate=at[:, 0],
                    ci_lower=at[:, 1],
                    ci_upper=at[:, 2],
                    method=f"Kaplan-Meier probability of no event by {horizon:g} {unit}, log-log limits",
                    suffix=f".{arm}.survival",
                    **{**common, "codes": codes},  # type: ignore[arg-type]
                )
            )
    return out


def fit_restricted_means(derived: Derived, comparison: Comparison, analysis: Analysis) -> list[Outcome]:
    """Difference of restricted mean times to the plan's horizon, by default the end of follow-up."""
    from equipoise.stats.kaplan_meier import fit_kaplan_meier
    from equipoise.stats.rmst import estimate_rmst_difference

    data = SurvivalData(derived, comparison, analysis.time_unit)
    groups = data.experimental.astype(np.int64)
    horizon = analysis.horizon
    if horizon is None:
        # The protocol's end of follow-up, not the longest time seen, which would differ from trial to trial of a batch.
        by_day = derived.follow_up if analysis.time_unit == "day" else None
        horizon = by_day if by_day is not None else float(data.time.max(initial=1.0))
    curves = fit_kaplan_meier(data.time, data.event, groups, data.offsets, level=analysis.ci_level)
    fits = estimate_rmst_difference(curves, horizon, level=analysis.ci_level)
    n = comparison.n_trials
    unit = UNIT_WORDS[analysis.time_unit]
    return [
        Outcome(
            estimator="rmst-difference",
            scale="rmst_difference",
            estimate=fits.estimate,
            standard_error=fits.standard_error,
            ci_lower=fits.ci_lower,
            ci_upper=fits.ci_upper,
            statistic=fits.estimate / fits.standard_error,
            df=nothing(n),
            p_value=fits.p_value,
            codes=fits.codes,
            method=f"difference of mean time without event up to {horizon:g} {unit}, normal limits",
            **data.shared(),  # type: ignore[arg-type]
        )
    ]


def draw_curves(derived: Derived, arms: Sequence[str], among: Mask | None = None) -> tuple[ArmCurve, ...]:
    """Kaplan-Meier curves of every arm of one trial, for the report; ``among`` chooses participants."""
    from equipoise.stats.kaplan_meier import fit_kaplan_meier

    assert derived.time is not None
    assert derived.event is not None
    label = derived.participants.arm
    known = np.isin(label, list(arms)) & np.isfinite(derived.time)
    if among is not None:
        known &= among
    if not known.any():
        return ()
    group = np.array([arms.index(str(name)) for name in label[known]], dtype=np.int64)
    time, event = derived.time[known], derived.event[known].astype(np.float64)
    fits = fit_kaplan_meier(time, event, group, [0, int(known.sum())], n_groups=len(arms))
    out = []
    for position, arm in enumerate(arms):
        curve = fits.curve(0, position)
        out.append(
            ArmCurve(
                endpoint=derived.endpoint,
                arm=arm,
                time=tuple(curve.time.tolist()),
                at_risk=tuple(curve.n_at_risk.tolist()),
                events=tuple(curve.n_events.tolist()),
                survival=tuple(curve.survival.tolist()),
                ci_lower=tuple(_plain(curve.ci_lower)),
                ci_upper=tuple(_plain(curve.ci_upper)),
                censored=tuple(np.sort(time[(group == position) & (event == 0)]).tolist()),
                n=int((group == position).sum()),
            )
        )
    return tuple(out)


def _plain(values: Floats) -> list[float | None]:
    return [float(value) if np.isfinite(value) else None for value in values]
