"""A line of the statistical analysis plan in words, before there are data: method, options, missing results."""

from __future__ import annotations

from equipoise.protocol.language.analysis import Analysis
from equipoise.protocol.vocabulary.estimators import ESTIMATORS
from equipoise.reporting import format as fmt
from equipoise.reporting import words
from equipoise.reporting.missing_rules import MISSING_RULES, imputation_name, rule_name, rule_sentence
from equipoise.reporting.protocol_document.draft import ProtocolDraft

_INTERVALS = {
    "miettinen-nurminen": "Miettinen and Nurminen's interval",
    "newcombe": "Newcombe's interval",
    "farrington-manning": "Farrington and Manning's interval",
    "mee": "Mee's interval",
    "wilson": "Wilson's interval",
    "clopper-pearson": "Clopper and Pearson's interval",
}
_TIES = {
    "efron": "Efron's rule for tied times",
    "breslow": "Breslow's rule for tied times",
    "exact": "the exact rule for tied times",
}
_UNITS = {"day": "days", "visit": "visits", "week": "weeks"}
_TIME = {
    "linear": "time linear in weeks",
    "none": "without time",
    "interaction": "time linear in weeks and its interaction with the arm",
    "category": "each visit separately",
    "category-interaction": "each visit separately and its interaction with the arm",
}
_VARIANCES = {
    "rubin": "Rubin's rules",
    "bootstrap": "the bootstrap of imputation and analysis together",
    "jackknife": "the jackknife of conditional-mean imputation",
}
_AFTER = {
    "at-random": "missing at random",
    "jump-to-reference": "jump to reference after dropout",
    "copy-reference": "copy reference after dropout",
    "copy-increments": "copy increments in reference after dropout",
}


def line_label(draft: ProtocolDraft, name: str) -> str:
    """A line of the plan for readers: its label, or its endpoint with the estimator."""
    line: Analysis = draft.model.analyses[name]
    if line.label:
        return line.label
    endpoint = draft.material.endpoint_label(draft.model.estimands[line.estimand].endpoint)
    return f"{endpoint}: {ESTIMATORS[line.estimator].name}"


def short_label(draft: ProtocolDraft, name: str) -> str:
    """What sets a line apart from others of its endpoint: its label, its rule for missing results, its estimator."""
    line: Analysis = draft.model.analyses[name]
    if line.label:
        return words.lowered(line.label)
    about_use = draft.model.endpoints[draft.model.estimands[line.estimand].endpoint].is_about_use
    parts = []
    if line.analysis_set:
        parts.append(line.analysis_set.replace("-", " "))
    if line.missed:
        parts.append(rule_name(line.missed, about_use=about_use))
    if line.imputation is not None:
        parts.append(imputation_name(line.imputation))
    return ", ".join(parts) or ESTIMATORS[line.estimator].name


def method_words(draft: ProtocolDraft, name: str) -> str:
    """The method of a line in one sentence: estimator, options that it takes, covariates, level."""
    line: Analysis = draft.model.analyses[name]
    row = ESTIMATORS[line.estimator]
    parts = [row.name]
    if line.method:
        parts.append(_INTERVALS.get(line.method, line.method.replace("-", " ")))
    if line.covariates:
        how = "strata" if row.stratifies else "adjusted for"
        parts.append(f"{how} {fmt.joined([covariate_label(draft, id) for id in line.covariates])}")
    parts += _options(draft, line)
    if line.goal is not None:
        parts.append(f"against the goal of {fmt.closed_up(str(line.goal))}")
    parts.append(_level(draft, name, line))
    return words.capitalized(", ".join(part for part in parts if part)) + "."


def _options(draft: ProtocolDraft, line: Analysis) -> list[str]:
    """What an estimator takes beside its covariates, for those that take it."""
    options = ESTIMATORS[line.estimator].options
    said = []
    if "ties" in options:
        said.append(_TIES[line.ties])
    if "time-unit" in options:
        said.append(f"time in {_UNITS[line.time_unit]}")
    if "time" in options:
        said.append(_TIME[line.time])
    if "covariance" in options:
        by = " by arm" if line.covariance_by_arm else ""
        said.append(
            f"covariance {line.covariance.replace('-', ' ')}{by}, a simpler one in a stated order if it has no maximum"
        )
    if line.random is not None:
        said.append(f"mixed model with a random intercept of {covariate_label(draft, line.random)}")
    if line.covariates_by_visit:
        said.append(
            f"by visit the slope of {fmt.joined([covariate_label(draft, id) for id in line.covariates_by_visit])}"
        )
    if "random-slope" in options and line.random_slope:
        said.append("random intercept and slope")
    if line.effect_at is not None:
        at = str(line.effect_at)
        said.append(f"effect at {draft.visit_label(at) if at in draft.model.schedule else at.replace('-', ' ')}")
    if line.visit is not None:
        said.append(f"at {words.lowered(draft.visit_label(line.visit))}")
    if line.horizon is not None:
        said.append(f"up to {line.horizon:g} {_UNITS[line.time_unit]}")
    if "if-separated" in options and line.random is None and line.if_separated in ("firth", "fisher-exact"):
        instead = {"firth": "Firth's penalty", "fisher-exact": "Fisher's exact test"}[line.if_separated]
        said.append(f"{instead} if there is no finite estimate")
    return said


def covariate_label(draft: ProtocolDraft, id: str) -> str:
    """A covariate within a sentence."""
    variable = draft.model.baseline.get(id)
    label = (variable.label if variable is not None else None) or id.replace("-", " ")
    return words.lowered(str(label))


def _level(draft: ProtocolDraft, name: str, line: Analysis) -> str:
    shared = draft.model.multiplicity
    if shared is not None and name in shared.names:
        return "a hypothesis under the familywise level (section 10.10)"
    if line.alpha_two_sided is not None:
        return f"two-sided level {line.alpha_two_sided:g}"
    return f"one-sided level {line.alpha_one_sided:g}" if line.alpha_one_sided is not None else ""


def missing_words(draft: ProtocolDraft, name: str) -> str:
    """What becomes of missing results in a line: its own rule, its imputation, or the endpoint's rule."""
    line: Analysis = draft.model.analyses[name]
    endpoint = draft.model.endpoints[draft.model.estimands[line.estimand].endpoint]
    if line.imputation is not None:
        return _imputation(draft, line)
    if line.missed is not None:
        return rule_sentence(line.missed, about_use=endpoint.is_about_use)
    rule = getattr(endpoint, "missed", None)
    if isinstance(rule, str) and rule in MISSING_RULES:
        return rule_sentence(rule, about_use=endpoint.is_about_use)
    return ""


def _imputation(draft: ProtocolDraft, line: Analysis) -> str:
    given = line.imputation
    assert given is not None
    parts = [f"{given.sets} imputed data sets", _AFTER[given.after_dropout]]
    if given.covariates:
        parts.append(f"imputed also from {fmt.joined([covariate_label(draft, id) for id in given.covariates])}")
    shifts = [
        f"{draft.treatment_label(arm)} {value:+g}".replace("-", fmt.MINUS)
        for arm, value in given.delta.items()
        if value
    ]
    if shifts:
        parts.append(f"imputed results shifted: {', '.join(shifts)}")
    parts.append(f"standard error by {_VARIANCES[given.variance]}")
    text = words.capitalized("; ".join(parts)) + "."
    if line.tipping_point is not None:
        shift = f"{line.tipping_point.up_to:g}".replace("-", fmt.MINUS)
        arm = draft.treatment_label(line.tipping_point.arm)
        text += f" A search for the shift of imputed results of {arm}, up to {shift}, that changes the conclusion."
    return text


def varied_words(draft: ProtocolDraft, name: str) -> str:
    """Choices that are varied beside the planned one; empty where there are none."""
    vary = draft.model.analyses[name].vary
    if vary is None:
        return ""
    said = []
    for key, label in words.CHOICE_WORDS.items():
        values = getattr(vary, key.replace("-", "_"))
        if not values:
            continue
        texts = []
        for value in values:
            if key == "covariates":
                texts.append(fmt.joined([covariate_label(draft, id) for id in value]) or "nothing")
            elif key == "endpoint":
                texts.append(words.lowered(draft.material.endpoint_label(value)))
            else:
                said_as = f"{value:g}" if isinstance(value, float) else str(value).replace("-", " ")
                texts.append(words.CHOICE_VALUES.get((key, str(value)), said_as))
        said.append(f"{words.lowered(label)}: {', '.join(texts)}")
    return f"Varied beside it: {'; '.join(said)}." if said else ""
