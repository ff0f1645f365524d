"""Estimators of treatments compared within the participants of a crossover."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from equipoise.analysis.dataset import Comparison, Floats, Ints, Periods, offsets_of, sum_by_trial
from equipoise.analysis.outcome import Outcome, from_coefficient, from_test, nothing
from equipoise.endpoints.endpoint_values import Derived
from equipoise.protocol.language.analysis import Analysis
from equipoise.protocol.vocabulary.estimators import ESTIMATORS, measured
from equipoise.stats.packing import offsets_from_sizes


def fit_within_means(derived: Derived, comparison: Comparison, analysis: Analysis) -> list[Outcome]:
    """Difference of means (of logarithms: ratio of geometric means) of two treatments of one participant.

    Periods and sequences are terms of the model; there is no test of carry-over before it. Every period with a result
    enters, of participants with one as well.
    """
    from equipoise.stats.crossover import fit_crossover

    periods = _periods(comparison)
    values = _results(derived, comparison, periods)
    there = ~np.isnan(values) & (periods.treatment >= 0)
    who, period = np.nonzero(there)
    treatment = periods.treatment[who, period]
    names = ["constant", comparison.arm]
    columns = [np.ones(who.shape[0]), (treatment == 1).astype(np.float64)]
    for number, other in enumerate(periods.others, 2):
        names.append(other)
        columns.append((treatment == number).astype(np.float64))
    for number, name in enumerate(periods.names[1:], 1):
        names.append(name)
        columns.append((period == number).astype(np.float64))
    for number, name in enumerate(periods.sequences[1:], 1):
        names.append(name)
        columns.append((periods.sequence[who] == number).astype(np.float64))
    counts = there.sum(axis=1)
    seen = counts > 0
    trials = offsets_of(seen, comparison.offsets)
    fits = fit_crossover(values[there], np.column_stack(columns), offsets_from_sizes(counts[seen]), trials, column=1)
    due = sum_by_trial((periods.treatment >= 0).sum(axis=1), comparison.offsets)
    left_out = tuple(name for name, kept in zip(names, fits.kept[0], strict=True) if not kept)
    return [
        from_coefficient(
            estimator="linear-mixed",
            scale=measured(ESTIMATORS["linear-mixed"], logarithm=derived.logarithm).id,
            coefficient=fits.coefficients[:, 1],
            standard_error=fits.standard_errors[:, 1],
            df=fits.df,
            level=analysis.ci_level,
            codes=fits.codes,
            n_analysed=np.diff(trials),
            n_events=np.full(comparison.n_trials, -1, dtype=np.int64),
            n_missed=due - sum_by_trial(counts, comparison.offsets),
            arm=comparison.arm,
            reference=comparison.reference,
            method=(
                f"linear mixed model{' of the logarithm' if derived.logarithm else ''} within participants, with "
                "period and sequence; the periods of a participant equally correlated, REML, Satterthwaite degrees of "
                "freedom; no test of carry-over before it"
            ),
            left_out=left_out if comparison.n_trials == 1 else (),
            details={
                "variance_within": fits.variance_within,
                "variance_between": fits.variance_between,
                "log_likelihood": fits.log_likelihood,
                "coefficients": fits.coefficients,
                "columns": names,
                "periods": list(periods.names),
            },
        )
    ]


def fit_conditional_odds(derived: Derived, comparison: Comparison, analysis: Analysis) -> list[Outcome]:
    """Odds ratio within a participant by conditional logistic regression on treatment and period."""
    from equipoise.stats.crossover import paired_logistic

    pairs = _Pairs(derived, comparison)
    fits = paired_logistic(*pairs.discordant, level=analysis.ci_level)
    return [
        pairs.outcome(
            "conditional-logistic",
            fits,
            "conditional logistic regression on treatment and period, Wald limits (profile likelihood at the end of "
            "the scale)",
        )
    ]


def fit_discordant_pairs(derived: Derived, comparison: Comparison, analysis: Analysis) -> list[Outcome]:
    """Odds ratio within a participant by the exact test of the discordant pairs."""
    from equipoise.stats.crossover import mainland_gart

    pairs = _Pairs(derived, comparison)
    fits = mainland_gart(*pairs.discordant, level=analysis.ci_level)
    words = "Mainland and Gart's exact test of the discordant pairs by sequence, exact limits"
    return [pairs.outcome("mainland-gart", fits, words)]


def fit_prescott(derived: Derived, comparison: Comparison, analysis: Analysis) -> list[Outcome]:
    """Prescott's test, which uses every pair."""
    from equipoise.stats.crossover import prescott

    pairs = _Pairs(derived, comparison)
    by_formula = analysis.method == "chi-square"
    test = prescott(*pairs.trend, exact=not by_formula)
    return [
        from_test(
            estimator="prescott",
            statistic=test.statistic,
            df=np.where(np.isnan(test.statistic), np.nan, 1.0),
            p_value=test.p_value if by_formula else test.p_exact,
            codes=test.codes,
            method=f"Prescott's test of all pairs by sequence, {'chi-square' if by_formula else 'exact'}",
            **pairs.shared(),
        )
    ]


def fit_koch(derived: Derived, comparison: Comparison, analysis: Analysis) -> list[Outcome]:
    """Wilcoxon's rank sum test of period differences by sequence: the treatments by ranks, nothing estimated."""
    from equipoise.stats.crossover import koch

    pairs = _Pairs(derived, comparison)
    offsets = offsets_of(pairs.there, comparison.offsets)
    test = koch(pairs.difference[pairs.there], pairs.treatment_first[pairs.there], offsets)
    n = comparison.n_trials
    shared = {**pairs.shared(), "n_events": np.full(n, -1, dtype=np.int64), "event": None}
    return [
        from_test(
            estimator="koch",
            statistic=test.z,
            p_value=test.p_value,
            codes=test.codes,
            method=(
                "Koch's test: Wilcoxon rank sum of the period differences by sequence, normal approximation with ties, "
                "of who has both results"
            ),
            details={"rank_sum": test.statistic} if n == 1 else {},
            **shared,  # type: ignore[arg-type]
        )
    ]


def _periods(comparison: Comparison) -> Periods:
    assert comparison.periods is not None
    return comparison.periods


def _results(derived: Derived, comparison: Comparison, periods: Periods) -> Floats:
    """(n, n_periods) the result of each period."""
    assert derived.values is not None
    return np.asarray(derived.values[comparison.rows][:, periods.visits])


class _Pairs:
    """Pairs of results of two periods, of participants who had both treatments and both results."""

    def __init__(self, derived: Derived, comparison: Comparison) -> None:
        periods = _periods(comparison)
        values = _results(derived, comparison, periods)
        both = (np.sort(periods.treatment, axis=1) == np.array([0, 1])).all(axis=1)
        self.comparison, self.event_word = comparison, derived.event_word
        self.there: NDArray[np.bool_] = both & ~np.isnan(values).any(axis=1)
        self.difference = np.where(self.there, values[:, 0] - values[:, 1], 0.0)
        self.treatment_first = comparison.experimental == 1.0
        self.n_yes = np.where(self.there, np.nan_to_num(values).sum(axis=1), 0.0)

    def count(self, difference: float, *, treatment_first: bool) -> Ints:
        """(n_trials,) pairs with this difference (first less second) in one order of the treatments."""
        of_order = self.treatment_first if treatment_first else ~self.treatment_first
        return sum_by_trial(self.there & of_order & (self.difference == difference), self.comparison.offsets)

    @property
    def discordant(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Treatment in the first period, then in the second: events in the first period alone, in the second alone."""
        first, second = (
            np.stack([self.count(k, treatment_first=order) for k in (1.0, -1.0)]) for order in (True, False)
        )
        return first, second

    @property
    def trend(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The same with the pairs that agree: differences of -1, 0 and 1."""
        first, second = (
            np.stack([self.count(k, treatment_first=order) for k in (-1.0, 0.0, 1.0)]) for order in (True, False)
        )
        return first, second

    def shared(self) -> dict[str, object]:
        """What every outcome says of its counts: participants, events over both periods, pairs that are not there."""
        offsets = self.comparison.offsets
        return {
            "n_analysed": sum_by_trial(self.there, offsets),
            "n_events": sum_by_trial(self.n_yes, offsets),
            "n_missed": sum_by_trial(~self.there, offsets),
            "event": self.event_word,
            "arm": self.comparison.arm,
            "reference": self.comparison.reference,
        }

    def outcome(self, estimator: str, fits: object, method: str) -> Outcome:
        """The odds ratio as an outcome."""
        from equipoise.stats.crossover import PairedOdds

        assert isinstance(fits, PairedOdds)
        return Outcome(
            estimator=estimator,
            scale="odds_ratio",
            estimate=fits.odds_ratio,
            standard_error=fits.standard_error,
            ci_lower=fits.ci_lower,
            ci_upper=fits.ci_upper,
            statistic=fits.statistic,
            df=nothing(self.comparison.n_trials),
            p_value=fits.p_value,
            codes=fits.codes,
            method=method,
            details={
                key: values
                for key, values in zip(
                    ("first_alone", "second_alone"), (self.discordant[0], self.discordant[1]), strict=True
                )
                if self.comparison.n_trials == 1
            },
            **self.shared(),  # type: ignore[arg-type]
        )
