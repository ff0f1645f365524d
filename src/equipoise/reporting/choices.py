"""Choices of an analysis in words: the rules for what is missing, and what the plan chose where a choice was varied."""

from __future__ import annotations

from dataclasses import dataclass

from equipoise.reporting import format as fmt
from equipoise.reporting import words
from equipoise.reporting.context import Material


@dataclass(frozen=True, slots=True)
class MissingRule:
    """A rule for missing results: the name of an analysis by it, and what a missing visit (another result) becomes."""

    name: str
    becomes: str
    otherwise: str = ""
    other_name: str = ""

    def becomes_of(self, *, about_use: bool) -> str:
        """What a missing result becomes, of use or of something else."""
        return self.becomes if about_use or not self.otherwise else self.otherwise


MISSING_RULES: dict[str, MissingRule] = {
    "is-use": MissingRule(
        "missing results count as use", "counts as use", "counts as the worse one", "missing results count as worse"
    ),
    "is-no-use": MissingRule(
        "missing results count as no use",
        "counts as no use",
        "counts as the better one",
        "missing results count as better",
    ),
    "is-missing": MissingRule("missing results excluded", "is left out"),
    "is-no": MissingRule("missing results count as no", "counts as no"),
    "is-yes": MissingRule("missing results count as yes", "counts as yes"),
    "is-use-after-dropout": MissingRule(
        "missing results count as use after dropout", "counts as use after dropout, as no use before"
    ),
    "last-observation": MissingRule(
        "last observation carried forward",
        "takes the value of the last one attended",
        "takes the value of the last one seen",
    ),
    "worst-case": MissingRule(
        "worst case for missing results",
        "counts as use in the experimental arm, as no use in the other",
        "counts as the worse one in the experimental arm, as the better one in the other",
    ),
    "best-case": MissingRule(
        "best case for missing results",
        "counts as no use in the experimental arm, as use in the other",
        "counts as the better one in the experimental arm, as the worse one in the other",
    ),
}


def rule_name(rule: str, *, about_use: bool) -> str:
    """A rule for missing results as the name of the analysis that follows it, of use or of something else."""
    if rule not in MISSING_RULES:
        return rule.replace("-", " ")
    known = MISSING_RULES[rule]
    return known.name if about_use else known.other_name or known.name


def rule_sentence(rule: str, *, about_use: bool) -> str:
    """A rule for missing results as a footnote says it, of use or of something else."""
    subject = "A missed visit" if about_use else "A missing result"
    known = MISSING_RULES.get(rule)
    return f"A missed visit: {rule}." if known is None else f"{subject} {known.becomes_of(about_use=about_use)}."


def planned_choice(material: Material, line: str, name: str) -> str:
    """The value of a choice in the plan, written as the choices of an estimate are."""
    analysis = material.protocol.model.analyses[line]
    endpoint_id = material.protocol.model.estimands[analysis.estimand].endpoint
    endpoint = material.protocol.model.endpoints[endpoint_id]
    if name == "endpoint":
        return endpoint_id
    if name == "covariates":
        return "+".join(analysis.covariates) or "none"
    if name == "missed":
        return str(analysis.missed or getattr(endpoint, "missed", None))
    if name == "floor":
        floor = getattr(endpoint, "floor", None)
        return "" if floor is None else f"{float(floor):g}"
    return str(getattr(analysis, name.replace("-", "_"), ""))


def is_about_use(material: Material, line: str) -> bool:
    """Whether the endpoint of a line of the plan is about use."""
    model = material.protocol.model
    return model.endpoints[model.estimands[model.analyses[line].estimand].endpoint].is_about_use


def choice_text(material: Material, line: str, name: str, value: str) -> str:
    """The value of a choice of a line in a cell under the choice's name."""
    if name == "endpoint":
        return material.endpoint_label(value)
    if name == "missed" and value in MISSING_RULES and not is_about_use(material, line):
        return MISSING_RULES[value].becomes_of(about_use=False)
    if name == "covariates" and value != "none":
        return fmt.joined(_variables(material, value))
    return words.CHOICE_VALUES.get((name, value), value)


def choice_name(material: Material, line: str, name: str, value: str) -> str:
    """An analysis of a line named by the one choice that sets it apart."""
    if name == "endpoint":
        return material.endpoint_label(value)
    if name == "missed":
        return rule_name(value, about_use=is_about_use(material, line))
    if name == "covariates":
        return "not adjusted" if value == "none" else f"adjusted for {fmt.joined(_variables(material, value))}"
    text = words.CHOICE_VALUES.get((name, value), value)
    return {"ties": f"ties: {text}", "time-unit": f"time in {text}", "floor": f"lowest value {text}"}.get(name, text)


def _variables(material: Material, value: str) -> list[str]:
    variables = material.protocol.model.baseline
    return [words.lowered(variables[v].label or v) if v in variables else v for v in value.split("+")]
