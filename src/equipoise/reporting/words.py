"""Words for what results are made of: levels, choices, rules for what is missing, strategies, effects in a sentence."""

from __future__ import annotations

from equipoise.analysis.estimate import Estimate
from equipoise.protocol.vocabulary.scales import is_ratio, scale_label
from equipoise.reporting import format as fmt

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

# A rule for missed visits as a footnote says it.
MISSED_SENTENCES: dict[str, str] = {
    "is-use": "A missed visit counts as use.",
    "is-no-use": "A missed visit counts as no use.",
    "is-missing": "A missed visit is left out.",
    "is-use-after-dropout": "A missed visit counts as use after dropout, as no use before.",
    "last-observation": "A missed visit takes the value of the last one attended.",
    "worst-case": "A missed visit counts as use in the experimental arm, as no use in the other.",
    "best-case": "A missed visit counts as no use in the experimental arm, as use in the other.",
}

# What an endpoint's definition brought with it, said for a reader who does not know the codes.
ENDPOINT_WARNINGS: dict[str, str] = {
    "never-seen-scored-success": "Somebody of whom no result was seen counts as a success, because the rule says so.",
    "never-seen-has-no-value": "Somebody of whom no result was seen would count as a success, and is left out instead.",
}

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


def effect_words(estimate: Estimate, *, of: str = "") -> str:
    """``odds ratio 5.70 (95 % CI 1.30 to 25.0), p = 0.021``; ``of`` follows the name of the scale."""
    scale = scale_label(estimate.scale).removesuffix(", points") + of
    unit = " percentage points" if estimate.scale == "risk_difference" else ""
    if estimate.estimate is None:
        return f"{scale} {fmt.NOT_ESTIMABLE}" + p_words(estimate, ", ")
    text = f"{scale} {fmt.on_scale(estimate.estimate, estimate.scale)}{unit}"
    limits = interval_words(estimate)
    inside = f"{limits}" if limits else ""
    return f"{text}{f' ({inside})' if inside else ''}{p_words(estimate, ', ')}"


def interval_words(estimate: Estimate) -> str:
    """``95 % CI 1.30 to 25.0``; nothing where there is no limit."""
    if estimate.ci_lower is None and estimate.ci_upper is None:
        return ""
    low, high = (
        fmt.NOT_ESTIMABLE if limit is None else fmt.on_scale(limit, estimate.scale)
        for limit in (estimate.ci_lower, estimate.ci_upper)
    )
    return f"{fmt.fixed(100 * (estimate.ci_level or 0.95), 0)}{fmt.NARROW}% CI {low} to {high}"


def p_words(estimate: Estimate, before: str = "") -> str:
    """``p = 0.021`` or ``p < 0.001``; nothing where there is no p value."""
    if estimate.p_value is None:
        return ""
    text = fmt.p_value(estimate.p_value)
    sign, value = (text[0], text[1:]) if text[0] in "<>" else ("=", text)
    return f"{before}p{fmt.NARROW}{sign}{fmt.NARROW}{value}"


def is_difference(scale: str) -> bool:
    """Whether no effect is 0 rather than 1."""
    return not is_ratio(scale)


def excludes_no_effect(estimate: Estimate) -> bool | None:
    """Whether the interval leaves out no effect; None where a limit that would decide is absent."""
    null = 0.0 if is_difference(estimate.scale) else 1.0
    if estimate.ci_lower is not None and estimate.ci_lower > null:
        return True
    if estimate.ci_upper is not None and estimate.ci_upper < null:
        return True
    return None if estimate.ci_lower is None or estimate.ci_upper is None else False
