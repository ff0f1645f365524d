"""Estimators of a yes-or-no endpoint: odds ratio, risk difference and ratio, proportions."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import special

from equipoise.analysis.dataset import Comparison, Floats, Ints, sum_by_trial
from equipoise.analysis.left_out import name_left_out
from equipoise.analysis.model_words import adjusted_words
from equipoise.analysis.outcome import Outcome, end_of_scale, from_coefficient, nothing
from equipoise.analysis.tabulated import Regressions, tabulate
from equipoise.endpoints.endpoint_values import Derived
from equipoise.protocol.language.analysis import Analysis
from equipoise.stats.codes import FitCode
from equipoise.stats.packing import rows_of_trials

if TYPE_CHECKING:
    from equipoise.stats.logistic import LogisticFits

_NUMBERS = ("estimate", "standard_error", "ci_lower", "ci_upper", "statistic", "df", "p_value")


class BinaryData:
    """Values of a binary endpoint in one comparison, complete rows only."""

    def __init__(self, derived: Derived, comparison: Comparison) -> None:
        if derived.shape == "time-to-event":
            assert derived.event is not None
            assert derived.time is not None
            # The event by the end of follow-up; without a time there is no value.
            values = np.where(np.isnan(derived.time), np.nan, derived.event.astype(np.float64))
        else:
            assert derived.value is not None
            values = derived.value
        y = values[comparison.rows]
        there = ~np.isnan(y) & ~comparison.incomplete
        self.comparison = comparison
        self.rows, self.offsets = comparison.keep(there)
        self.y: Floats = y[self.rows]
        self.experimental: Floats = comparison.experimental[self.rows]
        self.n_analysed: Ints = np.diff(self.offsets)
        self.n_events = sum_by_trial(self.y > 0, self.offsets)
        self.n_missed = sum_by_trial(~there, comparison.offsets)
        self.event_word = derived.event_word

    def of(self, chosen: Ints) -> BinaryData:
        """The data of some trials of the batch."""
        out = copy.copy(self)
        rows, out.offsets = rows_of_trials(chosen, self.offsets)
        out.rows, out.y, out.experimental = self.rows[rows], self.y[rows], self.experimental[rows]
        out.n_analysed, out.n_events, out.n_missed = (
            counts[chosen] for counts in (self.n_analysed, self.n_events, self.n_missed)
        )
        return out

    def regressions(self) -> Regressions:
        """The trials as regressions on arm and covariates."""
        return tabulate(self.comparison, self.rows, self.y, self.offsets)

    def counts(self) -> tuple[Ints, Ints, Ints, Ints]:
        """Events and totals: experimental, then reference, by trial."""
        experimental, positive = self.experimental == 1.0, self.y > 0
        return (
            sum_by_trial(positive & experimental, self.offsets),
            sum_by_trial(experimental, self.offsets),
            sum_by_trial(positive & ~experimental, self.offsets),
            sum_by_trial(~experimental, self.offsets),
        )

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


def _left_out(data: BinaryData, counted: Regressions, fits: LogisticFits) -> tuple[str, ...]:
    """Names of what the one trial's model went without; of many trials at once nothing is named."""
    if data.comparison.n_trials != 1 or not fits.codes[0] & np.uint32(FitCode.NUISANCE_LEFT_OUT):
        return ()
    return name_left_out(
        data.comparison.factors,
        counted.design[:, 2:],
        kept=fits.kept[0, 2:],
        informative=fits.informative,
        silent=np.isnan(fits.coefficients[0, 2:]),
    )


def fit_logistic_odds(data: BinaryData, analysis: Analysis) -> list[Outcome]:
    """Odds ratio by maximum likelihood; where separated, Firth's and the exact answer follow as rows of their own."""
    from equipoise.stats.logistic import fit_logistic

    counted = data.regressions()
    fits = fit_logistic(counted.y, counted.design, counted.offsets, weights=counted.weights)
    codes = counted.of_trials(fits.codes)
    single = data.comparison.n_trials == 1
    main = from_coefficient(
        estimator="logistic",
        scale="odds_ratio",
        coefficient=counted.of_trials(fits.coefficients[:, 1]),
        standard_error=counted.of_trials(fits.standard_errors[:, 1]),
        level=analysis.ci_level,
        codes=codes,
        method="logistic regression, maximum likelihood, Wald limits"
        + adjusted_words(data.comparison, fits.kept[0, 2:] if single else None),
        left_out=_left_out(data, counted, fits),
        details={
            "log_likelihood": counted.of_trials(fits.log_lik),
            "iterations": counted.of_trials(fits.iterations),
            "gradient_norm": counted.of_trials(fits.gradient_norm),
        },
        **data.shared(),  # type: ignore[arg-type]
    )
    if single and bool(fits.infinite[0, 1]):
        main = _at_the_end(main, fits, counted, analysis)
    out = [main]
    separated = np.flatnonzero(codes & np.uint32(FitCode.SEPARATION_COMPLETE | FitCode.SEPARATION_QUASI))
    if separated.size and analysis.if_separated == "firth":
        out += [_fallback(item, "firth", data, separated) for item in fit_firth_odds(data.of(separated), analysis)]
    # A table of two rows has no interaction: of that there is Firth's answer alone.
    has_table = not data.comparison.is_interaction
    if separated.size and has_table and analysis.if_separated in ("firth", "fisher-exact"):
        exact = fit_exact_odds(data.of(separated), analysis)
        out += [_fallback(item, "fisher-exact", data, separated) for item in exact]
    return out


def _at_the_end(main: Outcome, fits: LogisticFits, counted: Regressions, analysis: Analysis) -> Outcome:
    """The one trial's odds ratio of zero or infinity with the finite end of its profile interval."""
    from equipoise.stats.logistic import likelihood_ratio, profile_limits

    direction = int(fits.direction[0, 1])
    if direction == 0:
        return main
    parts, weights = (counted.y, counted.design, counted.offsets), counted.weights
    limits = profile_limits(fits, *parts, column=1, level=analysis.ci_level, weights=weights)
    test = likelihood_ratio(fits, *parts, column=1, weights=weights)
    return end_of_scale(
        main, direction, limits.ci_lower if direction > 0 else limits.ci_upper, test.statistic, test.p_value
    )


def _fallback(outcome: Outcome, suffix: str, data: BinaryData, chosen: Ints) -> Outcome:
    """The outcome of some trials among all of a batch, absent in the others, which did not need it."""
    n = data.n_analysed.shape[0]

    def spread(values: Floats) -> Floats:
        out = nothing(n)
        out[chosen] = values
        return out

    def against(value: float) -> tuple[Floats, Floats]:
        assert outcome.against is not None
        above, below = outcome.against(value)
        return spread(above), spread(below)

    codes = np.zeros(n, dtype=np.uint32)
    codes[chosen] = outcome.codes
    numbers: dict[str, Any] = {name: spread(getattr(outcome, name)) for name in _NUMBERS}
    return replace(
        outcome,
        suffix=f".{suffix}",
        codes=codes,
        n_analysed=data.n_analysed,
        n_events=data.n_events,
        n_missed=data.n_missed,
        against=None if outcome.against is None else against,
        details={key: spread(values) if np.ndim(values) else values for key, values in outcome.details.items()},
        **numbers,
    )


def fit_firth_odds(data: BinaryData, analysis: Analysis) -> list[Outcome]:
    """Odds ratio by Firth's penalised likelihood, with profile limits and the penalised likelihood-ratio p value."""
    from equipoise.stats.firth import (
        fit_firth,
        penalised_likelihood_ratio,
        penalised_profile_limits,
        penalised_ratio_at,
    )
    from equipoise.stats.logistic import BinomialInput

    counted = data.regressions()
    parts, weights = (counted.y, counted.design, counted.offsets), counted.weights
    fits = fit_firth(*parts, weights=weights)
    kept = fits.kept[0, 2:] if data.comparison.n_trials == 1 else None
    test = penalised_likelihood_ratio(fits, *parts, weights=weights, column=1)
    limits = penalised_profile_limits(fits, *parts, weights=weights, column=1, level=analysis.ci_level)
    of = counted.of_trials

    def against(value: float) -> tuple[Floats, Floats]:
        found = penalised_ratio_at(fits, BinomialInput.of(*parts, weights), 1, float(np.log(value)))
        root = np.sign(fits.coefficients[:, 1] - np.log(value)) * np.sqrt(found.statistic)
        return of(special.ndtr(-root)), of(special.ndtr(root))

    return [
        Outcome(
            estimator="firth",
            scale="odds_ratio",
            estimate=np.exp(of(fits.coefficients[:, 1])),
            standard_error=of(fits.standard_errors[:, 1]),
            ci_lower=np.exp(of(limits.ci_lower)),
            ci_upper=np.exp(of(limits.ci_upper)),
            statistic=of(test.statistic),
            df=of(test.df),
            p_value=of(test.p_value),
            codes=of(fits.codes | test.codes | limits.codes),
            method="logistic regression, Firth's penalised likelihood, profile limits"
            + adjusted_words(data.comparison, kept),
            left_out=_left_out(data, counted, fits),
            details={"penalised_log_likelihood": of(fits.log_lik)},
            against=against,
            **data.shared(),  # type: ignore[arg-type]
        )
    ]


def fit_exact_odds(data: BinaryData, analysis: Analysis) -> list[Outcome]:
    """Fisher's exact test with the conditional odds ratio and its exact limits; covariates do not enter."""
    from equipoise.stats.exact import TwoByTwo, exact_tails, fisher_exact

    a, n1, c, n0 = data.counts()
    fits = fisher_exact(c, n0, a, n1, level=analysis.ci_level)
    n = a.shape[0]

    def against(value: float) -> tuple[Floats, Floats]:
        return exact_tails(TwoByTwo.of(c, n0, a, n1), value)

    return [
        Outcome(
            estimator="fisher-exact",
            scale="odds_ratio",
            estimate=fits.odds_ratio,
            standard_error=nothing(n),
            ci_lower=fits.ci_lower,
            ci_upper=fits.ci_upper,
            statistic=nothing(n),
            df=nothing(n),
            p_value=fits.p_value,
            codes=fits.codes,
            method="Fisher's exact test, conditional maximum likelihood odds ratio, exact limits",
            against=against,
            **data.shared(),  # type: ignore[arg-type]
        )
    ]


_SCALES = {"risk-difference": "risk_difference", "risk-ratio": "risk_ratio", "odds-ratio": "odds_ratio"}
_LIMITS = {
    "miettinen-nurminen": "Miettinen and Nurminen",
    "newcombe": "Newcombe",
    "farrington-manning": "Farrington and Manning",
    "mee": "Mee",
}
_COMPARED = {
    "risk_difference": "difference of proportions",
    "risk_ratio": "ratio of proportions",
    "odds_ratio": "odds ratio of two proportions",
}


def fit_risk(data: BinaryData, analysis: Analysis) -> list[Outcome]:
    """Difference, ratio or odds ratio of two proportions, by the interval that the plan names."""
    from equipoise.stats.exact import TwoByTwo
    from equipoise.stats.risk import newcombe_difference, newcombe_ratio, newcombe_test, score_comparison, score_test

    a, n1, c, n0 = data.counts()
    method = analysis.method or "miettinen-nurminen"
    scale = _SCALES[analysis.estimator]
    table = TwoByTwo.of(c, n0, a, n1)
    if method == "newcombe":
        newcombe = newcombe_difference if scale == "risk_difference" else newcombe_ratio
        fits = newcombe(c, n0, a, n1, level=analysis.ci_level)

        def against(value: float) -> tuple[Floats, Floats]:
            above = newcombe_test(table, scale, value)
            return above, 1.0 - above
    else:
        corrected = method == "miettinen-nurminen"
        fits = score_comparison(table, scale, corrected=corrected, level=analysis.ci_level)

        def against(value: float) -> tuple[Floats, Floats]:
            test = score_test(table, scale, value, corrected=corrected)
            return test.p_greater, test.p_less

    n = a.shape[0]
    return [
        Outcome(
            estimator=analysis.estimator,
            scale=scale,
            estimate=fits.estimate,
            standard_error=nothing(n),
            ci_lower=fits.ci_lower,
            ci_upper=fits.ci_upper,
            statistic=nothing(n),
            df=nothing(n),
            p_value=fits.p_value,
            codes=fits.codes,
            method=f"{_COMPARED[scale]}, {_LIMITS[method]} limits",
            against=against,
            **data.shared(),  # type: ignore[arg-type]
        )
    ]


def fit_proportions(data: BinaryData, analysis: Analysis) -> list[Outcome]:
    """The proportion in each arm, reference first, with Wilson limits (or those the plan names).

    With a performance goal the p value is that of the test whose interval is given: exact, or the score test.
    """
    from equipoise.stats.goal import exact_goal_test
    from equipoise.stats.risk import clopper_pearson, wilson

    limits, words = (
        (clopper_pearson, "Clopper and Pearson") if analysis.method == "clopper-pearson" else (wilson, "Wilson")
    )

    a, n1, c, n0 = data.counts()
    out = []
    comparison = data.comparison
    missed = comparison.keep(np.ones(comparison.rows.shape[0], dtype=np.bool_))[1]
    for arm, events, total, is_arm in (
        (comparison.reference, c, n0, comparison.experimental == 0.0),
        (comparison.arm, a, n1, comparison.experimental == 1.0),
    ):
        if not arm:
            continue  # a programme without a reference
        fits = limits(events, total, level=analysis.ci_level)
        n = events.shape[0]
        codes = np.where(total > 0, 0, int(FitCode.EMPTY_ARM | FitCode.NOT_ESTIMABLE)).astype(np.uint32)
        statistic, p_value, tested, details = nothing(n), nothing(n), "", {}
        if analysis.goal is not None:
            goal = analysis.goal.amount / 100.0
            test = exact_goal_test(events, total, goal)
            by_score = limits is wilson
            statistic = test.statistic if by_score else statistic
            p_value = test.p_score if by_score else test.p_value
            tested = f", {'score' if by_score else 'exact binomial'} test against the goal of {analysis.goal}"
            details = {"goal": goal}
        out.append(
            Outcome(
                estimator="proportion",
                scale="proportion",
                estimate=fits.estimate,
                standard_error=nothing(n),
                ci_lower=fits.ci_lower,
                ci_upper=fits.ci_upper,
                statistic=statistic,
                df=nothing(n),
                p_value=p_value,
                n_analysed=total,
                n_events=events,
                n_missed=sum_by_trial(is_arm, missed) - total,
                codes=codes,
                method=f"proportion, {words} limits{tested}",
                event=data.event_word,
                arm=arm,
                suffix=f".{arm}",
                details=details,
            )
        )
    return out
