"""Whether rules for missing data and strategies for intercurrent events can be carried out, and do not contradict."""

from __future__ import annotations

from equipoise.foundation.errors import listed
from equipoise.protocol.checks.collector import Checker
from equipoise.protocol.language.analysis import Analysis, Estimand
from equipoise.protocol.language.endpoints import Endpoint
from equipoise.protocol.language.missing import DISPOSITION_OF
from equipoise.protocol.text.yaml_lines import Path_
from equipoise.protocol.vocabulary.endpoint_kinds import BY_ARM, REFERENCE_RULES, REPEATED_SCORE, TIME_TO_EVENT
from equipoise.protocol.vocabulary.estimators import ESTIMATORS

CODES = {
    "P035": "Rules for missing data contradict one another, or do not suit the endpoint or estimator.",
    "P036": "The endpoint does not carry out the strategy for an intercurrent event.",
}


def check_missing(c: Checker) -> None:
    """Every problem of missing rules, imputation, tipping points and intercurrent events."""
    for id, analysis in c.model.analyses.items():
        estimand = c.model.estimands.get(analysis.estimand)
        endpoint = c.model.endpoints.get(estimand.endpoint) if estimand is not None else None
        if estimand is not None and endpoint is not None:
            _rules(c, ("analyses", id), analysis, estimand, endpoint)
    for id, estimand in c.model.estimands.items():
        endpoint = c.model.endpoints.get(estimand.endpoint)
        if endpoint is not None:
            _strategies(c, ("estimands", id, "intercurrent"), estimand, endpoint)


def _rules(c: Checker, path: Path_, analysis: Analysis, estimand: Estimand, endpoint: Endpoint) -> None:
    given: list[tuple[Path_, str]] = [((*path, "missed"), analysis.missed)] if analysis.missed else []
    if analysis.vary is not None:
        given += [((*path, "vary", "missed", i), rule) for i, rule in enumerate(analysis.vary.missed)]
    suits = sorted(rule for rule in endpoint.missing_rules if endpoint.takes_rule(rule))
    for where, rule in given:
        if not endpoint.takes_rule(rule):
            c.add(
                "P035",
                where,
                f"{rule} says nothing of {estimand.endpoint}, an endpoint of kind {endpoint.kind}.",
                listed(suits) if suits else "no missing rule: this endpoint has none to replace",
                "Choose one of these." if suits else "Remove it.",
            )
        elif rule in BY_ARM and estimand.treatments.reference is None:
            c.add("P035", where, f"{rule} needs two arms; one is looked at.", "a rule in one word", "Choose another.")
    imputation, tipping = analysis.imputation, analysis.tipping_point
    if imputation is None:
        if tipping is not None:
            c.add(
                "P035",
                (*path, "tipping-point"),
                "A tipping point shifts imputed results, and nothing is imputed.",
                "imputation beside it",
                "Add imputation: {sets: 50}, or remove tipping-point.",
            )
        return
    where = (*path, "imputation")
    if given:
        c.add(
            "P035",
            given[0][0],
            "A missing rule stands beside imputation: each says what a missing result is.",
            "one of the two",
            "Remove missed, or imputation.",
        )
    reason = endpoint.why_not_imputed()
    if reason is not None:
        c.add(
            "P035",
            where,
            f"{estimand.endpoint} cannot be imputed: {reason}.",
            "results by visit, week or call, events in one window, or a time that censoring cuts short",
            "Impute another endpoint, or use a missing rule (missed).",
        )
    if not ESTIMATORS[analysis.estimator].imputable or estimand.treatments.reference is None:
        c.add(
            "P035",
            where,
            f"The answers of {analysis.estimator} in single data sets cannot be pooled by Rubin's rules here.",
            listed(sorted(row.id for row in ESTIMATORS.values() if row.imputable)) + ", of two arms",
            "Choose one of these estimators.",
        )
    c.refs((*where, "covariates"), imputation.covariates, c.model.baseline, "baseline")
    names = estimand.treatments.names
    for arm in imputation.delta:
        if arm not in names:
            c.add(
                "P035",
                (*where, "delta", arm),
                f"{arm} is not compared in this analysis.",
                listed(names),
                "Name an arm of the comparison.",
            )
    if reason is None:
        _after_dropout(c, where, analysis, estimand, endpoint)
    _variance(c, path, analysis, endpoint)
    if tipping is not None:
        if tipping.arm not in names:
            c.add(
                "P035",
                (*path, "tipping-point", "arm"),
                f"{tipping.arm} is not compared in this analysis.",
                listed(names),
                "Name an arm of the comparison.",
            )
        if tipping.up_to == 0 or tipping.arm in imputation.delta:
            c.add(
                "P035",
                (*path, "tipping-point"),
                "The shift that is searched for is already given, or its range is nothing.",
                "up-to above or below 0, and no delta of the same arm",
                "Correct up-to, or remove the delta.",
            )


_SAME_RULE = {
    ("counts", "copy-increments"): "with one rate an arm, the change in the reference arm is none: it is at-random",
    ("times", "copy-reference"): "time without an event says nothing of a participant's own level: it is "
    "jump-to-reference",
    ("times", "copy-increments"): "with hazards in proportion, the change in the reference arm is that in the own: it "
    "is at-random",
}


def _after_dropout(c: Checker, where: Path_, analysis: Analysis, estimand: Estimand, endpoint: Endpoint) -> None:
    """Whether the model and the rule for what follows dropout suit what is imputed."""
    imputation = analysis.imputation
    assert imputation is not None
    what, rule = endpoint.imputed_as, imputation.after_dropout
    if rule != "at-random" and rule not in REFERENCE_RULES[what]:
        c.add(
            "P035",
            (*where, "after-dropout"),
            f"{rule} is no rule of its own for {estimand.endpoint}: {_SAME_RULE[what, rule]}.",
            listed(("at-random", *REFERENCE_RULES[what]), conjunction="or"),
            "Write the rule that it is.",
        )
    if rule != "at-random" and estimand.interaction is not None:
        c.add(
            "P035",
            (*where, "after-dropout"),
            f"{rule} needs a reference arm, and an interaction compares two effects.",
            "an estimand of two arms",
            "Use delta, or another estimand.",
        )
    if imputation.model == "latent-normal" and what != "yes-or-no":
        c.add(
            "P035",
            (*where, "model"),
            f"latent-normal is a model of yes-or-no results; of {estimand.endpoint} {what} are imputed.",
            "no model beside it",
            "Remove model.",
        )
    if imputation.model == "pooled" and what == "yes-or-no" and rule != "at-random":
        c.add(
            "P035",
            (*where, "model"),
            f"{rule} of yes-or-no results goes by latent normal variables, and the model is pooled.",
            "model: latent-normal, or none",
            "Remove model.",
        )


def _variance(c: Checker, path: Path_, analysis: Analysis, endpoint: Endpoint) -> None:
    """Whether the variance of an imputed analysis can be had."""
    imputation = analysis.imputation
    assert imputation is not None
    where = (*path, "imputation")
    if imputation.resamples is not None and imputation.variance != "bootstrap":
        c.add(
            "P035",
            (*where, "resamples"),
            f"Nothing is drawn again: the variance is {imputation.variance}.",
            "variance: bootstrap beside it",
            "Add variance: bootstrap, or remove resamples.",
        )
    if imputation.variance == "rubin":
        return
    reason = _why_no_variance(analysis.estimator, imputation.variance, endpoint)
    if reason is not None:
        c.add(
            "P035",
            (*where, "variance"),
            f"The {imputation.variance} {reason}; this is {analysis.estimator} of an endpoint of kind {endpoint.kind}.",
            "rubin, or an analysis that it suits",
            "Remove variance, or choose another estimator.",
        )
    if analysis.tipping_point is not None:
        c.add(
            "P035",
            (*where, "variance"),
            f"A tipping point goes by Rubin's rules at every shift, and the variance is {imputation.variance}.",
            "one of the two",
            "Remove variance, or the tipping point.",
        )


def _why_no_variance(estimator: str, variance: str, endpoint: Endpoint) -> str | None:
    """Why the variance in repeated sampling cannot be had in this way; ``None`` where it can."""
    if variance == "jackknife":
        suits = endpoint.shape == REPEATED_SCORE and estimator == "linear"
        return None if suits else "is for scores by linear"
    if endpoint.imputed_as == "scores":
        suited = ("linear", "linear-mixed", "mmrm")
        return None if estimator in suited else f"of scores is for {listed(suited)}"
    if endpoint.shape == TIME_TO_EVENT and endpoint.imputed_as == "yes-or-no":
        return "does not draw the weeks of a run of weeks again"
    return "does not go with a penalised fit" if estimator == "firth" else None


def _strategies(c: Checker, path: Path_, estimand: Estimand, endpoint: Endpoint) -> None:
    for event, strategy in estimand.intercurrent.items():
        if strategy == "composite" and endpoint.counts_event(event) is False:
            c.add(
                "P036",
                (*path, event),
                f"{event} is composite, but {estimand.endpoint} does not count it as an outcome.",
                "an endpoint that contains it (an event of a time to event, a missing rule that counts it as use), "
                "or another strategy",
                "Add it to the endpoint, or choose treatment-policy or hypothetical.",
            )
        if strategy in ("hypothetical", "while-on-treatment") and event not in (*DISPOSITION_OF, "dropout"):
            c.add(
                "P036",
                (*path, event),
                f"{strategy} needs to know when {event} happened, and no record holds it.",
                listed((*DISPOSITION_OF, "dropout"), conjunction="or"),
                "Name one of these events, or choose treatment-policy.",
            )
            continue
        leaves_out = strategy in ("hypothetical", "while-on-treatment") and event in DISPOSITION_OF
        if leaves_out and not endpoint.ends_at_events:
            c.add(
                "P036",
                (*path, event),
                f"{strategy} would leave out results after {event}; {estimand.endpoint} is one result, of kind "
                f"{endpoint.kind}.",
                "an endpoint of results by visit or a time to event",
                "Choose treatment-policy or composite, or another endpoint.",
            )
