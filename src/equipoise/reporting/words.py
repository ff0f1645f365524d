"""Words for what results are made of: scales, estimators, levels, and the references of methods."""

from __future__ import annotations

from equipoise.analysis.estimate import Estimate
from equipoise.reporting import format as fmt

SCALE_WORDS: dict[str, str] = {
    "proportion": "proportion",
    "risk_difference": "risk difference, points",
    "risk_ratio": "risk ratio",
    "odds_ratio": "odds ratio",
    "hazard_ratio": "hazard ratio",
    "ratio_of_means": "ratio of means",
    "mean_difference": "difference of means",
    "mean": "mean",
    "survival_probability": "share without event",
    "median_time": "median time",
    "rmst_difference": "difference of mean time without event",
    "test": "test",
}

ESTIMATOR_WORDS: dict[str, str] = {
    "logistic": "logistic",
    "firth": "Firth logistic",
    "fisher-exact": "Fisher exact",
    "risk-difference": "",
    "risk-ratio": "",
    "cox": "Cox",
    "log-rank": "log-rank",
    "kaplan-meier": "Kaplan-Meier",
    "rmst-difference": "",
    "logistic-mixed": "mixed logistic",
    "linear-mixed": "mixed model",
    "proportion": "",
}

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

# Words found in an estimate's estimator or method -> what to cite.
_REFERENCES: tuple[tuple[str, str], ...] = (
    (
        "Kaplan-Meier",
        ("Kaplan EL, Meier P. Nonparametric estimation from incomplete observations. J Am Stat Assoc 1958;53:457-481."),
    ),
    ("Cox regression", "Cox DR. Regression models and life-tables. J R Stat Soc B 1972;34:187-220."),
    (
        "Efron",
        ("Efron B. The efficiency of Cox's likelihood function for censored data. J Am Stat Assoc 1977;72:557-565."),
    ),
    ("Breslow", "Breslow N. Covariance analysis of censored survival data. Biometrics 1974;30:89-99."),
    (
        "proportional hazards",
        (
            "Grambsch PM, Therneau TM. Proportional hazards tests and diagnostics based on "
            "weighted residuals. Biometrika 1994;81:515-526."
        ),
    ),
    (
        "log-rank",
        (
            "Mantel N. Evaluation of survival data and two new rank order statistics arising in "
            "its consideration. Cancer Chemother Rep 1966;50:163-170."
        ),
    ),
    (
        "Peto",
        ("Peto R, Peto J. Asymptotically efficient rank invariant test procedures. J R Stat Soc A 1972;135:185-207."),
    ),
    ("Firth", "Firth D. Bias reduction of maximum likelihood estimates. Biometrika 1993;80:27-38."),
    (
        "Firth",
        (
            "Heinze G, Schemper M. A solution to the problem of separation in logistic "
            "regression. Stat Med 2002;21:2409-2419."
        ),
    ),
    ("Miettinen", "Miettinen O, Nurminen M. Comparative analysis of two rates. Stat Med 1985;4:213-226."),
    (
        "Newcombe",
        (
            "Newcombe RG. Interval estimation for the difference between independent proportions. "
            "Stat Med 1998;17:873-890."
        ),
    ),
    (
        "Wilson",
        (
            "Wilson EB. Probable inference, the law of succession, and statistical inference. J "
            "Am Stat Assoc 1927;22:209-212."
        ),
    ),
    ("Fisher", "Fisher RA. The logic of inductive inference. J R Stat Soc 1935;98:39-82."),
    (
        "Gauss-Hermite",
        (
            "Pinheiro JC, Bates DM. Approximations to the log-likelihood function in the "
            "nonlinear mixed-effects model. J Comput Graph Stat 1995;4:12-35."
        ),
    ),
    (
        "linear mixed model",
        ("Laird NM, Ware JH. Random-effects models for longitudinal data. Biometrics 1982;38:963-974."),
    ),
    (
        "Satterthwaite",
        (
            "Fai AH-T, Cornelius PL. Approximate F-tests of multiple degree of freedom hypotheses "
            "in generalized least squares analyses of unbalanced split-plot experiments. J Stat "
            "Comput Simul 1996;54:363-378."
        ),
    ),
    (
        "mean time without event",
        (
            "Royston P, Parmar MKB. Restricted mean survival time: an alternative to the hazard "
            "ratio. BMC Med Res Methodol 2013;13:152."
        ),
    ),
)

GUIDELINES: tuple[str, ...] = (
    (
        "Hopewell S, and others. CONSORT 2025 statement: updated guideline for reporting "
        "randomised trials. BMJ 2025;389:e081123."
    ),
    (
        "Chan A-W, and others. SPIRIT 2025 statement: updated guideline for protocols of "
        "randomised trials. BMJ 2025;389:e081477."
    ),
    (
        "International Council for Harmonisation. E9(R1): addendum on estimands and "
        "sensitivity analysis in clinical trials. 2019."
    ),
)


def references_for(methods: list[str]) -> list[str]:
    """What to cite for methods described in these words, each once, in a fixed order."""
    text = "\n".join(methods)
    return [reference for word, reference in _REFERENCES if word.lower() in text.lower()]


def capitalized(text: str) -> str:
    """The text with its first letter upper case, the rest untouched."""
    return text[:1].upper() + text[1:]


def lowered(text: str) -> str:
    """The text with its first letter lower case, unless it begins with a name or an abbreviation."""
    return text if len(text) > 1 and (text[1].isupper() or text[1] in "-:") else text[:1].lower() + text[1:]


def effect_words(estimate: Estimate, *, of: str = "") -> str:
    """``odds ratio 5.70 (95 % CI 1.30 to 25.0), p = 0.021``; ``of`` follows the name of the scale."""
    scale = SCALE_WORDS.get(estimate.scale, estimate.scale).removesuffix(", points") + of
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
    return scale not in fmt.RATIO_SCALES


def excludes_no_effect(estimate: Estimate) -> bool | None:
    """Whether the interval leaves out no effect; None where a limit that would decide is absent."""
    null = 0.0 if is_difference(estimate.scale) else 1.0
    if estimate.ci_lower is not None and estimate.ci_lower > null:
        return True
    if estimate.ci_upper is not None and estimate.ci_upper < null:
        return True
    return None if estimate.ci_lower is None or estimate.ci_upper is None else False
