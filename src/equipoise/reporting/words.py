"""Words for what results are made of: levels, choices, rules for what is missing, strategies, effects in a sentence."""

from __future__ import annotations

import math
from collections.abc import Iterable

from equipoise.analysis.estimate import Estimate
from equipoise.protocol.vocabulary.scales import is_ratio, is_share, scale_label
from equipoise.reporting import format as fmt

NOT_IN_THE_PLAN = ", not planned"  # behind a result that the first screen adds of itself

LEVEL_WORDS: dict[str, str] = {
    "primary": "Primary",
    "secondary": "Secondary",
    "supportive": "Supportive",
    "sensitivity": "Sensitivity",
    "exploratory": "Exploratory",
}

# What is varied -> the head of its column.
CHOICE_WORDS: dict[str, str] = {
    "ties": "Tied times",
    "time-unit": "Time counted in",
    "covariates": "Adjusted for",
    "missed": "Missed visit",
    "floor": "Lowest value",
    "endpoint": "Definition",
}

CHOICE_VALUES: dict[tuple[str, str], str] = {
    ("ties", "efron"): "Efron",
    ("ties", "breslow"): "Breslow",
    ("ties", "exact"): "exact",
    ("time-unit", "day"): "days",
    ("time-unit", "visit"): "visits",
    ("time-unit", "week"): "weeks",
    ("covariates", "none"): "nothing",
    ("missed", "is-use"): "is use",
    ("missed", "is-no-use"): "is no use",
    ("missed", "is-missing"): "is missing",
    ("missed", "is-use-after-dropout"): "is use after dropout",
}

# What an endpoint's definition brought with it, said for a reader who does not know the codes.
ENDPOINT_WARNINGS: dict[str, str] = {
    "baseline-not-used": "The protocol names a baseline visit for this score, and nothing is made of it: the value is "
    "the score itself, and the analysis does not adjust for it.",
    "baseline-of-zero": "A baseline score of 0 has no change in per cent; that participant's result is missing.",
    "strategy-without-events": "The question asks for results up to an event (of stopping treatment, say), and the "
    "records hold no such event with a day: nothing was left out, and this is the result of everybody.",
    "events-without-day": "Some events up to which the question asks for results have no day in the records; results "
    "after them were not left out.",
    "never-seen-scored-success": "Participants with no observed result are counted as successes under this rule.",
    "never-seen-has-no-value": (
        "Participants with no observed result would count as successes under this rule; they are excluded."
    ),
    "time-carried-forward": "Time after the last day on which the event would have been known counts as event-free.",
    "event-without-day": "Who had an event on a day that nobody knows has no result.",
    "event-on-day-zero": "An event on the day of time zero is not counted, as the endpoint says.",
    "percent-of-nothing": "Of a baseline score of 0 there are no per cent, and no result.",
    "cells-not-known": "Visits, weeks or days of which nothing is known are not counted in this number.",
    "covariate-missing": "Who has no value of a covariate of the model is not in this estimate.",
    "amount-not-recorded": "Days of use without a recorded amount are not known.",
}


def with_count(sentence: str, n: int | None) -> str:
    """The sentence with the number of participants it is about, where it is about some."""
    return sentence if n is None else f"{sentence[:-1]} ({n} {'participant' if n == 1 else 'participants'})."


STRATEGY_WORDS: dict[str, str] = {
    "treatment-policy": "treatment policy (values count whether or not it happened)",
    "hypothetical": "hypothetical (as if it had not happened; values after it are taken as missing at random)",
    "composite": "composite (it is itself an unfavourable outcome)",
    "while-on-treatment": "while on treatment (values up to it count)",
    "principal-stratum": "principal stratum (only those in whom it would not happen)",
}


def capitalized(text: str) -> str:
    """The text with its first letter upper case, the rest untouched."""
    return text[:1].upper() + text[1:]


def lowered(text: str) -> str:
    """The text with its first letter lower case, unless it begins with a name or an abbreviation."""
    return text if len(text) > 1 and (text[1].isupper() or text[1] in "-:") else text[:1].lower() + text[1:]


def when_words(estimate: Estimate) -> str:
    """`` at day 243`` where the effect changes with time and is that of one day, with a blank before; else nothing."""
    return f" {estimate.details['effect_at']}" if "effect_at" in estimate.details else ""


def effect_words(estimate: Estimate, *, of: str = "") -> str:
    """``odds ratio 5.70 (95% CI 1.30 to 25.0), p=0.021``; ``of`` follows the name of the scale."""
    scale = scale_label(estimate.scale).removesuffix(", points") + of + when_words(estimate)
    unit = " percentage points" if estimate.scale == "risk_difference" else ""
    value = estimate.ends[0]
    if value is None:
        return f"{scale} {fmt.NOT_ESTIMABLE}" + p_words(estimate, ", ")
    text = f"{scale} {fmt.on_scale(value, estimate.scale)}{unit}"
    limits = interval_words(estimate)
    inside = f"{limits}" if limits else ""
    return f"{text}{f' ({inside})' if inside else ''}{p_words(estimate, ', ')}"


def ci_words(estimates: Iterable[Estimate]) -> str:
    """What heads a column of intervals: ``95% CI``, or ``CI`` where the rows are not at one level."""
    levels = {e.ci_level for e in estimates if e.ci_level is not None} or {0.95}
    return f"{fmt.level(levels.pop())} CI" if len(levels) == 1 else "CI"


def level_note(estimate: Estimate) -> list[str]:
    """A footnote of a row whose interval is not at 95%."""
    if estimate.ci_level is None or abs(estimate.ci_level - 0.95) < 1e-9:
        return []
    return [f"The interval is at {fmt.level(estimate.ci_level)}."]


def interval_words(estimate: Estimate) -> str:
    """``95% CI 1.30 to 25.0``; nothing where there is no limit."""
    if estimate.ci_lower is None and estimate.ci_upper is None:
        return ""
    low, high = (
        "infinity" if limit == math.inf else fmt.NOT_FOUND if limit is None else fmt.limit(limit, estimate.scale)
        for limit in estimate.ends[1:]
    )
    return f"{fmt.level(estimate.ci_level or 0.95)} CI {low} to {high}"


def p_words(estimate: Estimate, before: str = "") -> str:
    """``p=0.021`` or ``p<0.001``; nothing where there is no p value; against a margin it is said to be one-sided."""
    if estimate.p_value is None:
        return ""
    return before + ("one-sided " if "margin" in estimate.details else "") + p_text(estimate.p_value)


def p_cell(estimate: Estimate) -> fmt.Cell:
    """The p value of a table's cell."""
    if estimate.p_value is None:
        return "none"
    return fmt.PValue(estimate.p_value, "margin" in estimate.details)


def p_text(value: float) -> str:
    """``p=0.021`` or ``p<0.001``."""
    text = fmt.p_value(value)
    return f"p{text}" if text[0] in "<>" else f"p={text}"


def limits_words(
    limits: tuple[float | None, float | None, float | None],
    scale: str,
    level: float | None,
    p_value: float | None,
) -> str:
    """``5.70 (95% CI 1.30 to 25.0), p=0.021`` of an estimate with its limits, its unit where it has one."""
    value, low, high = limits
    p = "" if p_value is None else f", {p_text(p_value)}"
    if value is None and low is None and high is None:
        return fmt.NOT_ESTIMABLE + p
    text = fmt.interval(fmt.Interval(value, low, high, scale))
    head, bracket, rest = text.partition(" (")
    unit = " percentage points" if scale in ("risk_difference",) else "%" if is_share(scale) else ""
    if not bracket:
        return f"{head}{unit}{p}"
    return f"{head}{unit} ({100 * (level or 0.95):g}% CI {rest}{p}"


def single_words(estimate: Estimate) -> str:
    """An estimate of one arm: ``13 of 27 (48%; 95% CI 31 to 66)`` for a proportion, else value and interval."""
    limits = estimate.ends
    goal = estimate.details.get("goal")
    text = limits_words(limits, estimate.scale, estimate.ci_level, None if goal is not None else estimate.p_value)
    if goal is not None:
        text += f"; against the goal of {fmt.on_scale(goal, estimate.scale)}{'%' if is_share(estimate.scale) else ''}"
        text += f", {p_text(estimate.p_value)}" if estimate.p_value is not None else ""
    if estimate.scale == "proportion" and estimate.n_events is not None and estimate.n_analysed:
        return f"{estimate.n_events} of {estimate.n_analysed}, {text}"
    return text


def goal_words(estimate: Estimate, *, higher_is_better: bool) -> str:
    """Whether a performance goal is met: the interval lies beyond it on the better side, on the worse, or holds it."""
    goal = estimate.details.get("goal")
    if goal is None or estimate.ci_lower is None or estimate.ci_upper is None:
        return ""
    text = fmt.on_scale(goal, estimate.scale) + ("%" if is_share(estimate.scale) else "")
    above, below = estimate.ci_lower > goal, estimate.ci_upper < goal
    if above or below:
        met = above == higher_is_better
        side = "above" if above else "below"
        return f"the goal of {text} {'is met' if met else 'is missed'}: the interval lies {side} it"
    return f"the data do not settle whether the goal of {text} is met: the interval holds it"


def time_words(estimate: Estimate) -> str:
    """A median time with its limits: ``83 (69 to 118)``; what lies beyond follow-up is not reached."""
    if estimate.estimate is None and "median-not-reached" not in estimate.warnings:
        return fmt.NOT_ESTIMABLE
    if estimate.estimate is None and estimate.ci_lower is None:
        return "not reached"
    low, high = ("not reached" if limit is None else f"{limit:g}" for limit in (estimate.ci_lower, estimate.ci_upper))
    return f"{'not reached' if estimate.estimate is None else f'{estimate.estimate:g}'} ({low} to {high})"


def is_difference(scale: str) -> bool:
    """Whether no effect is 0 rather than 1."""
    return not is_ratio(scale)
