"""Choices of an analysis in words, and what the plan chose where a choice was varied."""

from __future__ import annotations

from equipoise.reporting import format as fmt
from equipoise.reporting import words
from equipoise.reporting.context import Material
from equipoise.reporting.missing_rules import MISSING_RULES, rule_name


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
