"""Does the answer hold? Each sensitivity analysis of a planned analysis, and whether it agrees with it.

An analysis agrees when its interval excludes no difference in the direction in which the planned one does; where the
planned interval includes no difference, an analysis agrees when its own does. Counted are the sensitivity analyses of
the plan on the same endpoint and in the same participants, and each varied choice taken singly; combinations of
choices are in the tables of choices, and other populations answer another question.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from equipoise.analysis.estimate import Estimate
from equipoise.protocol.vocabulary.estimators import estimator_label
from equipoise.reporting import words
from equipoise.reporting.borrowing import is_borrowed, probability_sentence
from equipoise.reporting.choices import choice_name, is_about_use, planned_choice
from equipoise.reporting.context import Material
from equipoise.reporting.margins import SHOWN, margin_verdict
from equipoise.reporting.missing_rules import imputation_name, rule_name

Limits = tuple[float | None, float | None, float | None]

_MISSING = "how missing results are counted"
_CHANGED = {
    "ties": "the rule for tied times",
    "time-unit": "the unit in which time is counted",
    "covariates": "the covariates",
    "missed": _MISSING,
    "floor": "the lowest value before the logarithm",
    "endpoint": "the definition of the endpoint",
}


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """One analysis beside the planned one: its name, what it changes, estimate and limits in the planned direction."""

    name: str
    changed: str
    scale: str
    limits: Limits
    agrees: bool

    @property
    def direction(self) -> int:
        """As of :func:`direction`."""
        return direction(self.limits, self.scale)


def null_of(scale: str) -> float:
    """The value that means no difference: 1 of a ratio, 0 of a difference."""
    return 0.0 if words.is_difference(scale) else 1.0


def direction(limits: Limits, scale: str) -> int:
    """1 where the interval lies above no difference, -1 where below, 0 where it includes it or is not known."""
    _, low, high = limits
    null = null_of(scale)
    if low is not None and low > null:
        return 1
    return -1 if high is not None and high < null else 0


def oriented(estimate: Estimate, arm: str | None) -> Limits:
    """Estimate and limits as an effect of ``arm``: turned where the estimate has that arm as its reference."""
    value, low, high = estimate.ends
    if estimate.reference != arm:
        return value, low, high
    if words.is_difference(estimate.scale):
        return tuple(None if x is None else -x for x in (value, high, low))  # type: ignore[return-value]
    return tuple(None if x is None else 1 / x if x else math.inf for x in (value, high, low))  # type: ignore[return-value]


def experimental(material: Material, estimate: Estimate) -> tuple[str | None, str | None]:
    """The arm that a comparison is told of, and the other: the one that stands later in the protocol comes first."""
    order = material.protocol.arm_ids
    arm, reference = estimate.arm, estimate.reference
    if arm in order and reference in order and order.index(str(arm)) < order.index(str(reference)):
        return reference, arm
    return arm, reference


def sensitivity_analyses(material: Material, planned: Estimate) -> tuple[Sensitivity, ...]:
    """Those of ``planned``: the plan's own first, in its order, then each varied choice taken singly."""
    model = material.protocol.model
    arm, _ = experimental(material, planned)
    compared = {planned.arm, planned.reference}
    wanted = direction(oriented(planned, arm), planned.scale)
    out: list[Sensitivity] = []

    is_shown = _is_shown(planned)

    def add(name: str, changed: str, estimate: Estimate) -> None:
        limits = oriented(estimate, arm)
        if is_shown is not None:
            if estimate.estimand == planned.estimand:  # another margin is another question
                agrees = _is_shown(estimate) == is_shown and estimate.details["margin"]["verdict"] != "not-estimable"
                out.append(Sensitivity(words.capitalized(name), changed, estimate.scale, limits, agrees))
            return
        agrees = estimate.ends[0] is not None or any(limit is not None for limit in limits)
        agrees = agrees and direction(limits, estimate.scale) == wanted
        out.append(Sensitivity(words.capitalized(name), changed, estimate.scale, limits, agrees))

    for line, analysis in model.analyses.items():
        estimand = model.estimands.get(analysis.estimand)
        if analysis.level != "sensitivity" or estimand is None or estimand.endpoint != planned.endpoint:
            continue
        estimate = material.main_estimate(line)
        if estimate is None or {estimate.arm, estimate.reference} != compared or estimate.scale == "test":
            continue
        if estimate.details.get("analysis_set") != planned.details.get("analysis_set"):
            continue
        add(_name_of(material, line), _changed_by(material, line), estimate)
    line = material.line(planned)
    own = {name: planned_choice(material, line, name) for name in _CHANGED}
    for estimate in material.results.estimates:
        choices = material.choices(estimate)
        if material.line(estimate) != line or not choices or {estimate.arm, estimate.reference} != compared:
            continue
        differing = [name for name, value in choices.items() if value != own.get(name)]
        if len(differing) == 1:
            [name] = differing
            label = choice_name(material, line, name, choices[name])
            add(label, _CHANGED.get(name, "the choices of the analysis"), estimate)
    return tuple(out)


def _is_shown(estimate: Estimate) -> bool | None:
    """Whether an effect is shown to lie within its margins; ``None`` where it has none."""
    margin = estimate.details.get("margin")
    return None if margin is None else margin["verdict"] in SHOWN


def _name_of(material: Material, line: str) -> str:
    analysis = material.protocol.model.analyses[line]
    if analysis.label:
        return analysis.label
    if analysis.imputation is not None:
        return imputation_name(analysis.imputation)
    if analysis.missed is not None:
        return rule_name(analysis.missed, about_use=is_about_use(material, line))
    return estimator_label(analysis.estimator) or line.replace("-", " ")


def _changed_by(material: Material, line: str) -> str:
    analysis = material.protocol.model.analyses[line]
    if analysis.imputation is not None or analysis.missed is not None:
        return _MISSING
    return "the method of analysis"


# ---------------------------------------------------------------------------------------------------------------------
# The verdict: one sentence


def verdict(material: Material, planned: Estimate, checks: tuple[Sensitivity, ...]) -> str:
    """What the planned analysis says, and whether its sensitivity analyses agree."""
    if "margin" in planned.details:
        opening = "In this simulated trial " if material.records.is_simulated else ""
        text = margin_verdict(material, planned)
        if opening and text.startswith("the trial "):
            opening, text = "", text.replace("the trial", "this simulated trial", 1)
        if planned.rejected is False and _is_shown(planned):
            text += f"; by itself only: under the familywise level this is not shown ({_adjusted(material, planned)})"
        return _sentence(opening, text + _margin_tail(planned, checks))
    if is_borrowed(planned):
        opening = "In this simulated trial: " if material.records.is_simulated else ""
        return _sentence(opening, probability_sentence(material, planned))
    arm, other = experimental(material, planned)
    label = material.endpoint_label(planned.endpoint)
    noun = material.protocol.model.endpoints[planned.endpoint].event_noun
    if noun is not None and "sooner" in _comparatives(planned.scale):
        label = noun  # it is death that comes sooner, not survival
    limits = oriented(planned, arm)
    by_interval = direction(limits, planned.scale)
    way = by_interval if planned.rejected is None else decided_direction(planned, limits)
    opening = "In this simulated trial " if material.records.is_simulated else ""
    if all(value is None for value in limits):
        return _sentence(opening, f"the effect on {_quoted(label)} is not estimable")
    more, less = _comparatives(planned.scale)
    with_arm = words.lowered(material.arm_label(arm))
    if planned.scale in _OF_PAIRS:
        text = _pairs_text(way, with_arm, words.lowered(material.arm_label(other)), label)
        opening = "" if not way else opening
    elif way:
        word = more if way > 0 else less
        text = f"{words.lowered(label)} {_verb(planned.scale, label)} {_frequent(word)} with {with_arm}"
        if _counts_participants(label, planned.scale):
            text = f"{more if way > 0 else 'fewer'} participants were {words.lowered(label)} with {with_arm}"
    else:
        trial = "the simulated trial" if opening else "the trial"
        text = f"{trial} does not settle whether {_open_question(label, planned.scale, with_arm, material, other)}"
        opening = ""
    adjusted = "" if planned.rejected is None else f" ({_adjusted(material, planned)})"
    # Agreement is told by intervals: beside a decision of another kind it would seem to speak of that.
    tail = _tail(checks, way) if way == by_interval else ""
    return _sentence(opening, text + words.when_words(planned) + adjusted + tail)


def _adjusted(material: Material, planned: Estimate) -> str:
    """``adjusted one-sided p=0.03`` of a hypothesis under the familywise level."""
    plan = material.protocol.model.multiplicity
    sided = "one-sided " if plan is not None and plan.is_one_sided else ""
    return f"adjusted {sided}{'p not known' if planned.p_adjusted is None else words.p_text(planned.p_adjusted)}"


def decided_direction(planned: Estimate, limits: Limits) -> int:
    """The direction of an effect whose hypothesis is rejected under the familywise level, 0 where it is not.

    The estimate tells it: the interval of one analysis by itself has another level.
    """
    value, null = limits[0], null_of(planned.scale)
    if not planned.rejected or value is None:
        return 0
    return int(value > null) - int(value < null)


# Scales of pairs of participants, one of each arm.
_OF_PAIRS = ("win_ratio", "win_odds", "net_benefit")


def _pairs_text(way: int, with_arm: str, with_other: str, label: str) -> str:
    """Which arm does better pair by pair; the hierarchy by its name."""
    by = f"by {_quoted(label)}"
    if not way:
        return f"it is not settled whether participants do better with {with_arm} or with {with_other}, {by}"
    return f"compared in pairs, participants with {with_arm} did {'better' if way > 0 else 'worse'} more often, {by}"


def _sentence(opening: str, text: str) -> str:
    return words.capitalized(f"{opening}{text}.")


def _quoted(label: str) -> str:
    return f"\N{LEFT DOUBLE QUOTATION MARK}{words.lowered(label)}\N{RIGHT DOUBLE QUOTATION MARK}"


def _counts_participants(label: str, scale: str) -> bool:
    """Whether participants are counted, and the label continues the sentence "participants were ..."."""
    begins = ("abstinent", "free of", "retained", "in remission", "alive")
    is_of_people = _comparatives(scale)[0] == "more" and scale != "rate_ratio"
    return is_of_people and label.lower().startswith(begins)


def _comparatives(scale: str) -> tuple[str, str]:
    """What a value above no difference means of the arm, and one below."""
    if scale == "hazard_ratio":
        return "sooner", "later"
    if scale in ("rmst_difference", "median_time"):
        return "later", "sooner"
    if scale in ("common_odds_ratio", "mean_difference", "ratio_of_means", "mean"):
        return "higher", "lower"
    return "more", "less"


def _frequent(word: str) -> str:
    return f"{word} frequent" if word in ("more", "less") else word


def _verb(scale: str, label: str) -> str:
    more, _ = _comparatives(scale)
    return {"sooner": "came", "later": "came"}.get(more, "were" if _is_plural(label) else "was")


def _is_plural(label: str) -> bool:
    """Whether a label is of several things: its noun ends in s (``abstinent days``, ``days of use``)."""
    head = re.split(r" of | at | in |,| \(", label)[0]
    return head.endswith("s") and not head.endswith(("ss", "us", "is"))


def _open_question(label: str, scale: str, with_arm: str, material: Material, other: str | None) -> str:
    more, _ = _comparatives(scale)
    second = words.lowered(material.arm_label(other))
    if _counts_participants(label, scale):
        return f"more participants are {words.lowered(label)} with {with_arm} or with {second}"
    verb = {"sooner": "comes", "later": "comes"}.get(more, "are" if _is_plural(label) else "is")
    return f"{words.lowered(label)} {verb} {_frequent(more)} with {with_arm} or with {second}"


def _margin_tail(planned: Estimate, checks: tuple[Sensitivity, ...]) -> str:
    """Whether sensitivity analyses agree about the margin."""
    bad = [check for check in checks if not check.agrees]
    if not bad or len(bad) > 1:
        return _tail(checks, 0) if len({check.changed for check in bad}) != 1 else f"; that depends on {bad[0].changed}"
    what = "a margin" if planned.details["margin"]["objective"] == "equivalence" else "the margin"
    verb = "include" if _is_shown(planned) else "exclude"
    return f"; only in the analysis {_quoted(bad[0].name)} does the interval {verb} {what}"


def _tail(checks: tuple[Sensitivity, ...], way: int) -> str:
    bad = [check for check in checks if not check.agrees]
    m = len(checks)
    if not checks:
        return ""
    if not bad:
        every = "both" if m == 2 else f"all {m}"
        return "; the one sensitivity analysis agrees" if m == 1 else f"; {every} sensitivity analyses agree"
    changed = {check.changed for check in bad}
    if len(bad) == 1:
        [only] = bad
        where = f"only in the analysis {_quoted(only.name)}"
        if only.limits[0] is None and only.direction == 0:
            return f"; {where} is the effect not estimable"
        if way and only.direction == -way:
            return f"; {where} is the difference in the other direction"
        return f"; {where} does the interval {'include' if way else 'exclude'} no difference"
    if len(changed) == 1:
        what = changed.pop()
        return f"; the difference depends on {what}" if way else f"; whether there is a difference depends on {what}"
    return f"; {len(bad)} of {m} sensitivity analyses do not agree"
