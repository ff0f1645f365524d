"""Paragraphs for a manuscript, made of the plan by rule: sample size, statistical methods."""

from __future__ import annotations

from equipoise.analysis.estimate import Estimate
from equipoise.protocol.vocabulary.estimators import estimator_label
from equipoise.protocol.vocabulary.scales import scale_label
from equipoise.reporting import format as fmt
from equipoise.reporting import words
from equipoise.reporting.consort import statement
from equipoise.reporting.context import LEADING, Material
from equipoise.reporting.document import Block, Paragraph, strong
from equipoise.reporting.missing_rules import rule_sentence
from equipoise.reporting.multiplicity import adjustment_words

_BESIDE = ("supportive", "sensitivity", "exploratory")


def for_a_manuscript(material: Material) -> list[Block]:
    """Two paragraphs; what only a person can write is in brackets."""
    return [
        Paragraph((strong("Sample size. "), _sample_size(material))),
        Paragraph((strong("Statistical analysis. "), _statistics(material))),
    ]


def _sample_size(material: Material) -> str:
    said = statement(material, "sample_size")
    if said:
        return said
    planned = material.protocol.model.trial.planned_n
    opening = f"The trial planned {planned.value} participants. " if planned.is_known else ""
    return f"{opening}[For you to write: how the number of participants was determined]"


def _statistics(material: Material) -> str:
    """How the leading endpoints were analysed, what missing results became, what was analysed beside; no judgement."""
    model = material.protocol.model
    parts = []
    for level in LEADING:
        answers = material.answers(level)
        told = [_told(material, estimate) for estimate in answers]
        if told:
            head = f"{words.LEVEL_WORDS[level]} endpoint{'s' * (len(told) > 1)}"
            parts.append(f"{head}: {'; '.join(told)}.")
    rules = set()
    for analysis in model.analyses.values():
        endpoint = model.endpoints[model.estimands[analysis.estimand].endpoint]
        rule = analysis.missed or getattr(endpoint, "missed", None)
        if analysis.level in LEADING and isinstance(rule, str):
            rules.add((rule, endpoint.is_about_use))
    parts += [rule_sentence(rule, about_use=about_use) for rule, about_use in sorted(rules)] if len(rules) == 1 else []
    counts = {level: sum(a.level == level for a in model.analyses.values()) for level in _BESIDE}
    said = [f"{n} {level}" for level, n in counts.items() if n]
    if said:
        one = sum(counts.values()) == 1
        parts.append(
            f"The plan has {fmt.joined(said)} {'analysis' if one else 'analyses'} beside {'it' if one else 'them'}."
        )
    after = sum(not a.prespecified for a in model.analyses.values())
    if after:
        number = words.capitalized(fmt.count_in_words(after))
        parts.append(f"{number} of all {len(model.analyses)} {'was' if after == 1 else 'were'} not planned beforehand.")
    levels = words.ci_words(material.comparisons).removesuffix("CI").strip()
    where = f"at {levels}" if levels else "at the level stated with each"
    parts.append(f"Intervals are two-sided {where}. {words.capitalized(adjustment_words(material))}")
    version = material.results.provenance.version
    parts.append(f"Analyses were run by equipoise{f' {version}' if version else ''}.")
    return " ".join(parts)


def _told(material: Material, estimate: Estimate) -> str:
    method = (estimate.method or estimator_label(estimate.estimator)).rstrip(".")
    label = words.lowered(material.endpoint_label(estimate.endpoint))
    return f"{label}, {scale_label(estimate.scale).removesuffix(', points')} ({method})"
