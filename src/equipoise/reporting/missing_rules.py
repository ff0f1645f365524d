"""Rules for missing results in words: the name of an analysis by a rule, what a missing result becomes, imputation."""

from __future__ import annotations

from dataclasses import dataclass

from equipoise.protocol.language.missing import Imputation


@dataclass(frozen=True, slots=True)
class RuleInForce:
    """A rule for missing results: the name of an analysis by it, and what a missing visit (another result) becomes."""

    name: str
    becomes: str
    otherwise: str = ""
    other_name: str = ""

    def becomes_of(self, *, about_use: bool) -> str:
        """What a missing result becomes, of use or of something else."""
        return self.becomes if about_use or not self.otherwise else self.otherwise


MISSING_RULES: dict[str, RuleInForce] = {
    "is-use": RuleInForce(
        "missing results count as use", "counts as use", "counts as the worse one", "missing results count as worse"
    ),
    "is-no-use": RuleInForce(
        "missing results count as no use",
        "counts as no use",
        "counts as the better one",
        "missing results count as better",
    ),
    "is-missing": RuleInForce("missing results excluded", "is left out"),
    "is-no": RuleInForce("missing results count as no", "counts as no"),
    "is-yes": RuleInForce("missing results count as yes", "counts as yes"),
    "is-use-after-dropout": RuleInForce(
        "missing results count as use after dropout", "counts as use after dropout, as no use before"
    ),
    "last-observation": RuleInForce(
        "last observation carried forward",
        "takes the value of the last one attended",
        "takes the value of the last one seen",
    ),
    "worst-case": RuleInForce(
        "worst case for missing results",
        "counts as use in the experimental arm, as no use in the other",
        "counts as the worse one in the experimental arm, as the better one in the other",
    ),
    "best-case": RuleInForce(
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


def imputation_name(imputation: Imputation) -> str:
    """Multiple imputation as the name of the analysis by it."""
    after = imputation.after_dropout
    name = "missing results imputed" if after == "at-random" else f"missing results imputed, {after.replace('-', ' ')}"
    return f"{name}, delta-adjusted" if any(imputation.delta.values()) else name
