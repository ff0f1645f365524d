"""What is published of the same condition, comparison and outcome as a trial's own estimate."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass

from equipoise.evidence.known import Evidence, Study
from equipoise.evidence.results import RATIOS, PublishedResult
from equipoise.evidence.synthesis import study_effect
from equipoise.stats.design.assurance import NormalPrior, assure_normal

_NUMBERS = {"one": "1", "two": "2", "three": "3", "six": "6", "nine": "9", "twelve": "12"}
_SAME = {"opioids": "opioid", "heroin": "opioid", "ethanol": "alcohol", "nicotine": "tobacco"}


@dataclass(frozen=True, slots=True)
class QuestionAsked:
    """What an estimate is about: substances, drugs of its two arms, outcome in words, scale of the estimate."""

    substances: frozenset[str]
    arm: frozenset[str]
    reference: frozenset[str]
    outcome: str  # abstinence, relapse, use over time, craving ...; empty where it has no common name
    words: str  # label and definition, for the time
    scale: str


@dataclass(frozen=True, slots=True)
class Beside:
    """A published result in the direction and on the scale of an estimate."""

    result: PublishedResult
    study: Study
    estimate: float
    lower: float
    upper: float
    is_turned: bool
    origin: str  # printed, or counts


def substance_names(names: Iterable[str]) -> frozenset[str]:
    """Substances by one name each."""
    return frozenset(_SAME.get(name.casefold(), name.casefold()) for name in names)


def published_beside(evidence: Evidence, asked: QuestionAsked) -> list[Beside]:
    """Results of the same condition, comparison and outcome, turned into the estimate's direction."""
    found = []
    for result in evidence.results:
        study = evidence.studies.get(result.study)
        if result.kind != "result" or study is None or study.randomized != "yes":
            continue
        if not substance_names([study.condition]) & asked.substances:
            continue
        is_same = study.drug in asked.arm - asked.reference and study.comparator in asked.reference
        is_turned = study.drug in asked.reference - asked.arm and study.comparator in asked.arm
        if not (is_same or is_turned) or not asked.outcome or result.text("outcome") != asked.outcome:
            continue
        if _months(result.text("time")) != _months(asked.words):
            continue
        # The result's own direction: which of its arms holds the study's drug.
        own_turned = study.drug not in result.text("experimental") and study.drug in result.text("reference")
        beside = _on_scale(result, study, asked.scale, own_turned != is_turned)
        if beside is not None:
            found.append(beside)
    return found


def _months(text: str) -> frozenset[str]:
    """Numbers of months that a text tells."""
    plain = re.sub(r"\b(" + "|".join(_NUMBERS) + r")\b", lambda m: _NUMBERS[m[1]], text.casefold())
    return frozenset(re.findall(r"\b(\d+) months?\b", plain))


def _on_scale(result: PublishedResult, study: Study, scale: str, turn: bool) -> Beside | None:
    """The result on a scale as printed, or from its counts; ``None`` where it is on another."""
    is_ratio = scale in RATIOS
    own = "ratio_of_means" if result.measure == "percent_reduction" else result.measure
    values = [result.value(c) for c in ("estimate", "lower", "upper")]
    triple: tuple[float, float, float] | None = None
    origin = "printed"
    if own == scale and None not in values:
        estimate, lower, upper = (float(v) for v in values if v is not None)
        if result.measure == "percent_reduction":
            estimate, lower, upper = 1 - estimate / 100, 1 - upper / 100, 1 - lower / 100
        elif scale == "risk_difference":
            estimate, lower, upper = estimate / 100, lower / 100, upper / 100
        triple = estimate, lower, upper
    else:
        effect, _ = study_effect(result, scale)
        if effect is None:
            return None
        shown = [math.exp(v) if is_ratio else v for v in effect.limits()]
        triple, origin = (shown[0], shown[1], shown[2]), "counts"
    estimate, lower, upper = triple
    if turn:
        if is_ratio:
            if min(triple) <= 0:
                return None
            estimate, lower, upper = 1 / estimate, 1 / upper, 1 / lower
        else:
            estimate, lower, upper = -estimate, -upper, -lower
    return Beside(result, study, estimate, lower, upper, turn, origin)


def chance_of_exclusion(effect: float, standard_error: float, *, level: float = 0.95) -> tuple[float, float]:
    """P(the interval of another trial of the same size excludes no difference), and that in this direction.

    On the scale of analysis. The true effect is normal about the estimate with its error, nothing else being known (a
    flat prior); the other trial's estimate is normal about the true effect with the same error. An estimate that was
    singled out because it excluded no difference makes this chance too high.
    """
    if not standard_error > 0 or not math.isfinite(effect):
        raise ValueError("an estimate needs an error above 0")
    tail = 0.5 * (1 - level)
    z = effect / standard_error
    towards = assure_normal(NormalPrior(abs(z), 1.0), 1.0, alpha_one_sided=tail)
    away = assure_normal(NormalPrior(-abs(z), 1.0), 1.0, alpha_one_sided=tail)
    return towards + away, towards
