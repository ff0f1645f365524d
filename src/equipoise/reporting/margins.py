"""Words for effects held against margins: the margin, where the interval lies, and what both analysis sets say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from equipoise.analysis.estimate import Estimate
from equipoise.analysis.margins import lines_by_set
from equipoise.reporting import format as fmt
from equipoise.reporting import words
from equipoise.reporting.context import Material
from equipoise.reporting.direction import as_planned

SHOWN = ("non-inferior", "equivalent")
BEYOND = ("inferior", "not-equivalent")
BOTH = "non-inferior only if both exclude the margin"


def value_words(value: float, scale: str) -> str:
    """A margin with its unit: ``−10.0 percentage points``."""
    return fmt.on_scale(value, scale) + (" percentage points" if scale == "risk_difference" else "")


def margin_words(margin: Mapping[str, Any], scale: str) -> str:
    """``non-inferiority margin −10.0 percentage points``, or ``equivalence margins 0.80 and 1.25``."""
    values = [value_words(margin[key], scale) for key in ("lower", "upper") if margin[key] is not None]
    if margin["objective"] == "equivalence":
        first = fmt.on_scale(margin["lower"], scale)
        return f"equivalence margins {first} and {values[1]}"
    return f"non-inferiority margin {values[0]}"


def test_words(estimate: Estimate) -> str:
    """The margin and the one-sided p value against it: ``margin −10.0 percentage points, one-sided p=0.018``."""
    margin = estimate.details["margin"]
    said = margin_words(margin, estimate.scale)
    p = margin["p_one_sided"]
    return f"{said}, one-sided {words.p_text(p)}" if p is not None else said


def margin_note(estimate: Estimate) -> str:
    """What a footnote says of a row with a margin: hypothesis, level, verdict."""
    margin = estimate.details["margin"]
    level = f"one-sided level {margin['alpha_one_sided']:g}"
    if margin["objective"] == "equivalence":
        level = f"two one-sided tests, each at level {margin['alpha_one_sided']:g}; p is the larger"
    text = words.capitalized(margin_words(margin, estimate.scale))
    return f"{text}; p is against it, one-sided ({level}): {said_of(margin['verdict'], margin['objective'])}."


def said_of(verdict: str, objective: str) -> str:
    """A verdict in words."""
    several = objective == "equivalence"
    return {
        "non-inferior": "the interval excludes the margin, non-inferior",
        "equivalent": "the interval lies between the margins, equivalent",
        "inferior": "the whole interval lies beyond the margin, inferior",
        "not-equivalent": "the whole interval lies beyond a margin, not equivalent",
        "not-shown": f"the interval includes {'a' if several else 'the'} margin, not shown",
        "not-estimable": "not estimable",
    }[verdict]


def set_name(material: Material, analysis_set: str | None) -> str:
    """An analysis set within a sentence."""
    if analysis_set is None:
        return "all randomized participants" if material.protocol.model.randomization else "all participants"
    return words.lowered(material.protocol.model.analysis_sets[analysis_set].words).rstrip(".")


def in_sets(material: Material, estimate: Estimate) -> list[tuple[str | None, Estimate]]:
    """The estimand of an estimate in every analysis set that the plan looks at: set and main row, in its order."""
    lines = lines_by_set(material.protocol, str(estimate.estimand))
    found = [(name, material.main_estimate(line)) for name, line in lines.items()]
    return [(name, e) for name, e in found if e is not None and "margin" in e.details]


def margin_verdict(material: Material, planned: Estimate) -> str:
    """One sentence (without its stop): what the analysis sets say together of an estimand with a margin."""
    told = as_planned(planned)
    margin = told.details["margin"]
    arm, other = (words.lowered(material.arm_label(name)) for name in (told.arm, told.reference))
    name = words.lowered(material.endpoint_label(told.endpoint))
    label = f"\N{LEFT DOUBLE QUOTATION MARK}{name}\N{RIGHT DOUBLE QUOTATION MARK}"
    rows = in_sets(material, planned) or [(None, planned)]
    verdicts = [row.details["margin"]["verdict"] for _, row in rows]
    is_equivalence = margin["objective"] == "equivalence"
    claim = f"{arm} and {other} {{}} equivalent" if is_equivalence else f"{arm} {{}} non-inferior to {other}"
    held = f"for {label} ({margin_words(margin, told.scale)})"
    level = f"{fmt.level(margin['ci_level'])} CI"
    excludes = "lies between the margins" if is_equivalence else "excludes the margin"
    if all(v in SHOWN for v in verdicts):
        where = "" if len(rows) == 1 else " in both analysis sets" if len(rows) == 2 else " in every analysis set"
        text = f"{claim.format('were' if is_equivalence else 'was')} {held}: the {level} {excludes}{where}"
        return text + (_one_set(material, rows[0][0]) if len(rows) == 1 else "")
    if all(v == "not-estimable" for v in verdicts):
        return f"whether {claim.format('are' if is_equivalence else 'is')} {held} is not estimable"
    if all(v in BEYOND for v in verdicts):
        if is_equivalence:
            return f"{arm} and {other} were not equivalent {held}: the whole {level} lies beyond a margin"
        return f"{arm} was inferior to {other} {held}: the whole {level} lies beyond the margin"
    text = f"the trial does not show that {claim.format('are' if is_equivalence else 'is')} {held}"
    if len(rows) == 1:
        return f"{text}: the {level} includes {'a' if is_equivalence else 'the'} margin"
    parts = [f"in {set_name(material, name)} {_where(row, is_equivalence)}" for name, row in rows]
    rule = "equivalent only if both lie between the margins" if is_equivalence else BOTH
    return f"{text}: {fmt.joined(parts)} ({rule if len(rows) == 2 else rule.replace('both', 'all')})"


def _where(row: Estimate, is_equivalence: bool) -> str:
    verdict = row.details["margin"]["verdict"]
    if verdict in SHOWN:
        return "the interval lies between the margins" if is_equivalence else "the interval excludes the margin"
    if verdict == "not-estimable":
        return "the effect is not estimable"
    if verdict in BEYOND:
        return "the whole interval lies beyond it"
    return "it includes a margin" if is_equivalence else "it includes the margin"


def _one_set(material: Material, analysis_set: str | None) -> str:
    """What one analysis set alone leaves open."""
    return f"; only one analysis set is planned ({set_name(material, analysis_set)})"
