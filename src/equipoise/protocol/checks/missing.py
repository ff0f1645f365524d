"""Whether rules for missing data and strategies for intercurrent events can be carried out, and do not contradict."""

from __future__ import annotations

from typing import Any

from equipoise.foundation.errors import listed
from equipoise.protocol.checks.collector import Checker
from equipoise.protocol.language.analysis import Analysis, Estimand, RunOfUse, TimeToEventEndpoint
from equipoise.protocol.language.missing import BY_ARM
from equipoise.protocol.text.yaml_lines import Path_

CODES = {
    "P035": "Rules for missing data that contradict one another, or that the endpoint or estimator cannot take.",
    "P036": "A strategy for an intercurrent event that the endpoint does not carry out.",
}

_WORDS = {"is-use", "is-use-after-dropout", "is-no-use", "is-missing", "last-observation", *BY_ARM}
# What an analysis may say a missing result stands for, by kind of endpoint.
RULES: dict[str, set[str]] = {
    "abstinence": _WORDS,
    "abstinent-days": _WORDS,
    "time-to-event": _WORDS,
    "repeated-use": _WORDS,
    "use-by-day": _WORDS,
    "use-by-week": _WORDS,
    "report": {"is-missing", *BY_ARM},
    "score": {"is-missing", "last-observation"},
    # What leaving a missed cell out means is for the formula to say: breaking a run, or taken out (missing: removed).
    "pattern": _WORDS - {"is-missing"},
}
IMPUTED_ESTIMATORS = {
    "logistic",
    "firth",
    "risk-difference",
    "risk-ratio",
    "cox",
    "rmst-difference",
    "logistic-mixed",
    "gee",
    "linear-mixed",
    "linear",
}
# Events of disposition that an intercurrent event may be, by its name in a protocol.
DISPOSITION_OF = {
    "treatment-discontinuation": "treatment_discontinuation",
    "death": "death",
    "unblinding": "unblinding",
}
# Kinds whose results after an event can be left out.
_CUT = {"repeated-use", "use-by-day", "use-by-week", "score", "time-to-event"}


def takes_rule(endpoint: Any, rule: str) -> bool:
    """Whether a missing rule changes, or can change, what an endpoint comes to."""
    if rule not in RULES.get(endpoint.kind, set()):
        return False
    if endpoint.kind == "time-to-event":
        return any(isinstance(event, RunOfUse) and event.cells == "weeks" for event in endpoint.first_of)
    return True


def why_not_imputed(endpoint: Any) -> str | None:
    """Why the missing results of an endpoint cannot be imputed; ``None`` where they can."""
    if endpoint.kind in ("repeated-use", "use-by-week", "score", "report"):
        return None
    if endpoint.kind == "abstinence":
        return None if endpoint.at is not None else "its window is of days, with no visits (at) to impute"
    if endpoint.kind == "time-to-event":
        runs = [event for event in endpoint.first_of if isinstance(event, RunOfUse) and event.cells == "weeks"]
        if len(runs) == 1:
            return None
        return "none of its events is a run of weeks, whose missing weeks could be imputed"
    return f"an endpoint of kind {endpoint.kind} has no results by visit"


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


def _rules(c: Checker, path: Path_, analysis: Analysis, estimand: Estimand, endpoint: Any) -> None:
    given: list[tuple[Path_, str]] = [((*path, "missed"), analysis.missed)] if analysis.missed else []
    if analysis.vary is not None:
        given += [((*path, "vary", "missed", i), rule) for i, rule in enumerate(analysis.vary.missed)]
    suits = sorted(rule for rule in RULES.get(endpoint.kind, set()) if takes_rule(endpoint, rule))
    for where, rule in given:
        if not takes_rule(endpoint, rule):
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
    reason = why_not_imputed(endpoint)
    if reason is not None:
        c.add(
            "P035",
            where,
            f"{estimand.endpoint} cannot be imputed: {reason}.",
            "an endpoint with results by visit, week or call",
            "Impute another endpoint, or use a missing rule (missed).",
        )
    if analysis.estimator not in IMPUTED_ESTIMATORS or estimand.treatments.reference is None:
        c.add(
            "P035",
            where,
            f"The answers of {analysis.estimator} in single data sets cannot be pooled by Rubin's rules here.",
            listed(sorted(IMPUTED_ESTIMATORS)) + ", of two arms",
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
    if imputation.after_dropout != "at-random":
        if endpoint.kind != "score":
            c.add(
                "P035",
                (*where, "after-dropout"),
                f"{imputation.after_dropout} is for scores; {estimand.endpoint} is of kind {endpoint.kind}.",
                "an endpoint of kind score",
                "Use delta instead.",
            )
        if any(imputation.delta.values()) or tipping is not None:
            c.add(
                "P035",
                (*where, "after-dropout"),
                f"{imputation.after_dropout} and a shift (delta, tipping-point) both say how results go on.",
                "one of the two",
                "Remove one.",
            )
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


def _variance(c: Checker, path: Path_, analysis: Analysis, endpoint: Any) -> None:
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
    suited = {"linear"} if imputation.variance == "jackknife" else {"linear", "linear-mixed"}
    if endpoint.kind != "score" or analysis.estimator not in suited:
        c.add(
            "P035",
            (*where, "variance"),
            f"The {imputation.variance} is for scores by {listed(sorted(suited))}; this is {analysis.estimator} of an "
            f"endpoint of kind {endpoint.kind}.",
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


def _contains(endpoint: Any, event: str) -> bool | None:
    """Whether an endpoint counts an event as an unfavourable outcome; ``None`` where that cannot be known."""
    if isinstance(endpoint, TimeToEventEndpoint):
        if event == "dropout":
            # A missed week that counts as use makes whoever stays away relapse.
            return any(
                hasattr(e, "dropout") or (isinstance(e, RunOfUse) and e.missed in ("is-use", "is-use-after-dropout"))
                for e in endpoint.first_of
            )
        wanted = DISPOSITION_OF.get(event, event.replace("-", "_"))
        return any(wanted in getattr(e, "disposition", ()) for e in endpoint.first_of)
    if event == "dropout":
        if endpoint.kind in ("abstinence", "abstinent-days", "use-by-week"):
            return endpoint.missed in ("is-use", "is-use-after-dropout")
        if endpoint.kind == "report":
            return bool(endpoint.missed == "is-no" and endpoint.better == "higher")
        if endpoint.kind in ("repeated-use", "use-by-day", "score"):
            return False
    return None


def _strategies(c: Checker, path: Path_, estimand: Estimand, endpoint: Any) -> None:
    for event, strategy in estimand.intercurrent.items():
        if strategy == "composite" and _contains(endpoint, event) is False:
            c.add(
                "P036",
                (*path, event),
                f"{event} is composite, but {estimand.endpoint} does not count it as an outcome.",
                "an endpoint that contains it (an event of a time to event, a missing rule that counts it as use), "
                "or another strategy",
                "Add it to the endpoint, or choose treatment-policy or hypothetical.",
            )
        if strategy in ("hypothetical", "while-on-treatment") and event in DISPOSITION_OF and endpoint.kind not in _CUT:
            c.add(
                "P036",
                (*path, event),
                f"{strategy} would leave out results after {event}; {estimand.endpoint} is one result, of kind "
                f"{endpoint.kind}.",
                "an endpoint of results by visit or a time to event",
                "Choose treatment-policy or composite, or another endpoint.",
            )
