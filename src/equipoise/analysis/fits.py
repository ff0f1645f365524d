"""Every estimator by its id, under one signature: an endpoint, a comparison and a line of the plan give outcomes.

What an estimator is for, what may be asked of it and what it gives stand in ``protocol.vocabulary.estimators``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from equipoise.analysis.binary import (
    BinaryData,
    fit_exact_odds,
    fit_firth_odds,
    fit_logistic_odds,
    fit_proportions,
    fit_risk,
)
from equipoise.analysis.borrowed import fit_borrowed
from equipoise.analysis.competing_risks import fit_gray, fit_incidences, fit_subdistribution
from equipoise.analysis.composed import fit_common_odds, fit_wins
from equipoise.analysis.counts import fit_rate_ratio, fit_repeated_rate_ratio
from equipoise.analysis.crossover import fit_conditional_odds, fit_discordant_pairs, fit_koch, fit_prescott
from equipoise.analysis.dataset import Comparison
from equipoise.analysis.mmrm import fit_mmrm_means
from equipoise.analysis.outcome import Outcome
from equipoise.analysis.random_site import fit_site_means, fit_site_odds
from equipoise.analysis.repeated import fit_means, fit_population_odds, fit_repeated_means, fit_repeated_odds
from equipoise.analysis.standardised import fit_standardised_risks
from equipoise.analysis.strata import fit_stratified_effect, fit_stratified_test
from equipoise.analysis.survival import fit_cox_hazards, fit_curves, fit_log_rank, fit_restricted_means
from equipoise.endpoints.endpoint_values import Derived
from equipoise.protocol.language.analysis import Analysis

Fit = Callable[[Derived, Comparison, Analysis], list[Outcome]]


def _of_yes_or_no(fit: Callable[[BinaryData, Analysis], list[Outcome]]) -> Fit:
    """A fit of complete yes-or-no results, given the endpoint (of a time to event: the event by its end)."""

    def fit_endpoint(derived: Derived, comparison: Comparison, analysis: Analysis) -> list[Outcome]:
        return fit(BinaryData(derived, comparison), analysis)

    return fit_endpoint


def _at_random(fit: Fit, within_sites: Fit) -> Fit:
    """Of a line with ``random`` the mixed model, of another the regression."""

    def fit_either(derived: Derived, comparison: Comparison, analysis: Analysis) -> list[Outcome]:
        return (fit if analysis.random is None else within_sites)(derived, comparison, analysis)

    return fit_either


FITS: Mapping[str, Fit] = {
    "logistic": _at_random(_of_yes_or_no(fit_logistic_odds), _of_yes_or_no(fit_site_odds)),
    "firth": _of_yes_or_no(fit_firth_odds),
    "fisher-exact": _of_yes_or_no(fit_exact_odds),
    "risk-difference": _of_yes_or_no(fit_risk),
    "risk-ratio": _of_yes_or_no(fit_risk),
    "odds-ratio": _of_yes_or_no(fit_risk),
    "cochran-mantel-haenszel": _of_yes_or_no(fit_stratified_test),
    "stratified-risk-difference": _of_yes_or_no(fit_stratified_effect),
    "stratified-risk-ratio": _of_yes_or_no(fit_stratified_effect),
    "stratified-odds-ratio": _of_yes_or_no(fit_stratified_effect),
    "standardised-risk-difference": _of_yes_or_no(fit_standardised_risks),
    "standardised-risk-ratio": _of_yes_or_no(fit_standardised_risks),
    "cox": fit_cox_hazards,
    "log-rank": fit_log_rank,
    "kaplan-meier": fit_curves,
    "rmst-difference": fit_restricted_means,
    "fine-gray": fit_subdistribution,
    "gray": fit_gray,
    "cumulative-incidence": fit_incidences,
    "logistic-mixed": fit_repeated_odds,
    "gee": fit_population_odds,
    "linear-mixed": fit_repeated_means,
    "mmrm": fit_mmrm_means,
    "conditional-logistic": fit_conditional_odds,
    "mainland-gart": fit_discordant_pairs,
    "prescott": fit_prescott,
    "koch": fit_koch,
    "linear": _at_random(fit_means, fit_site_means),
    "poisson": fit_rate_ratio,
    "negative-binomial": fit_rate_ratio,
    "poisson-mixed": fit_repeated_rate_ratio,
    "negative-binomial-mixed": fit_repeated_rate_ratio,
    "proportion": _of_yes_or_no(fit_proportions),
    "borrowed-risk-difference": fit_borrowed,
    "borrowed-mean-difference": fit_borrowed,
    "borrowed-rate-ratio": fit_borrowed,
    "ordinal-logistic": fit_common_odds,
    "win-ratio": fit_wins,
    "win-odds": fit_wins,
    "net-benefit": fit_wins,
}
