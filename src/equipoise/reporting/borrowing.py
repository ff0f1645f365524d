"""What an analysis borrowed from earlier studies: from whom, how much, whether the trial agrees, and without it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from equipoise.analysis.estimate import Estimate
from equipoise.protocol.vocabulary.scales import SCALES
from equipoise.reporting import format as fmt
from equipoise.reporting import words
from equipoise.reporting.context import Material
from equipoise.reporting.direction import as_planned
from equipoise.reporting.document import Block, Column, Heading, Paragraph, Row, Table

# Below this the arm's result is said to lie far from what the earlier studies predict.
_FAR = 0.05


def is_borrowed(estimate: Estimate) -> bool:
    """Whether an estimate rests on earlier studies."""
    return "posterior" in estimate.details


def borrowing_blocks(material: Material) -> list[Block]:
    """A heading, a paragraph and two tables for each line of the plan that borrows."""
    out: list[Block] = []
    for told in material.results.estimates:
        if "borrowing" in told.details and not material.choices(told):
            estimate = as_planned(told)
            label = words.lowered(material.endpoint_label(estimate.endpoint))
            out += [Heading(f"Borrowed from earlier studies: {label}", 2), Paragraph(_account(material, estimate))]
            out += [_studies(material, estimate), *_by_weight(material, estimate)]
    return out


def probability_text(value: float | None) -> str:
    """A probability in per cent; never rounded to nothing or to certainty."""
    if value is None:
        return fmt.NOT_ESTIMABLE
    if value > 0.999:
        return "over 99.9%"
    return "under 0.1%" if value < 0.001 else f"{100 * value:.1f}%"


def claim(material: Material, estimate: Estimate) -> str:
    """What the rule of success says of an effect: ``the risk difference is above 0``; of an arm, its own value."""
    rule = estimate.details["posterior"]
    value = fmt.on_scale(rule["more_than"], estimate.scale)
    unit = {"risk_difference": " percentage points", "proportion": "%"}.get(estimate.scale, "")
    if estimate.reference is not None and rule["more_than"] == SCALES[estimate.scale].no_effect:
        value, unit = f"{rule['more_than']:g}", ""
    side = "above" if rule["is_above"] else "below"
    name = words.lowered(measure(estimate))
    if estimate.reference is None:
        return f"the {name} with {words.lowered(material.arm_label(estimate.arm))} is {side} {value}{unit}"
    arm, other = (words.lowered(material.arm_label(name)) for name in (estimate.arm, estimate.reference))
    return f"the {name} ({arm} against {other}) is {side} {value}{unit}"


def measure(estimate: Estimate) -> str:
    """The scale as people call it."""
    return {
        "risk_difference": "risk difference",
        "mean_difference": "difference of means",
        "rate_ratio": "rate ratio",
    }.get(estimate.scale, estimate.scale.replace("_", " "))


def probability_sentence(material: Material, told: Estimate) -> str:
    """The verdict of a line that borrows, without its stop."""
    estimate = as_planned(told)
    rule = estimate.details["posterior"]
    said = claim(material, estimate)
    if rule["probability"] is None:
        return f"whether {said} is not estimable"
    asked = f"{100 * rule['threshold']:g}%"
    verb = "met" if rule["success"] else "not met"
    return (
        f"given its data and the earlier studies, the probability that {said} is "
        f"{probability_text(rule['probability'])}; the plan asks for more than {asked}, which is {verb}"
    )


def effect_words(told: Estimate) -> str:
    """Estimate, credible interval and the probability of success, beside one another."""
    estimate = as_planned(told)
    rule = estimate.details["posterior"]
    text = words.limits_words(estimate.ends, estimate.scale, estimate.ci_level, None).replace("CI", "CrI")
    return f"{text}; probability {probability_text(rule['probability'])} (needed: over {100 * rule['threshold']:g}%)"


def _account(material: Material, estimate: Estimate) -> str:
    found: Mapping[str, Any] = estimate.details["borrowing"]
    whose = words.lowered(material.arm_label(estimate.reference or estimate.arm))
    studies = found["studies"]
    named = fmt.joined([name for name, _ in studies])
    text = (
        f"Results of {whose} were borrowed from {_earlier(len(studies))} ({named}). "
        f"The prior is robust: with probability {100 * found['robust_weight']:g}% it says next to nothing, in case the "
        f"earlier studies do not speak for these participants. {_worth(estimate, found)}"
    )
    if "observed" not in found:
        return text
    p = found["predictive_p"]
    agrees = (
        f"Results as far as this from what the earlier studies predict, or further, have probability "
        f"{fmt.p_value(p)}{': the trial and the earlier studies disagree' if p < _FAR else ''}."
    )
    after = 100 * found["posterior_weight_of_weak"]
    return (
        f"{text} In this trial {_observed(estimate, found)}. {agrees} After the trial the weak part of the prior has "
        f"weight {after:.0f}%: the more it has, the less was borrowed."
    )


def _earlier(n: int) -> str:
    return fmt.plural(n, "earlier study", "earlier studies")


def _observed(estimate: Estimate, found: Mapping[str, Any]) -> str:
    seen = found["observed"]
    if estimate.scale in ("risk_difference", "proportion"):
        return f"{seen['result']:.0f} of {seen['n']} had the event"
    if estimate.scale == "rate_ratio":
        return f"{seen['n']} participants had {seen['result']:.0f} events"
    return f"the mean of {seen['n']} participants was {seen['result']:.3g}"


def _worth(estimate: Estimate, found: Mapping[str, Any]) -> str:
    size = found["effective_size_robust"]["local_information"]
    unit = "unit of time" if estimate.scale == "rate_ratio" else "participant"
    if size is None:
        return "How many participants it is worth is not defined: its density is highest at an end of its range."
    n = fmt.plural(round(size), unit)
    if estimate.scale == "rate_ratio":
        return f"It is worth about {n} of the size for which rates are given (expected local information ratio)."
    return f"It is worth about {n} (expected local information ratio)."


def _studies(material: Material, estimate: Estimate) -> Table:
    found = estimate.details["borrowing"]
    rows = [Row((name, text)) for name, text in found["studies"]]
    predicted = found["predictive"]["quantiles"]
    scale = "proportion" if estimate.scale in ("risk_difference", "proportion") else "mean"
    limits = [fmt.on_scale(value, scale) for value in predicted]
    unit = "%" if scale == "proportion" else ""
    rows.append(
        Row(("Predicted for the next study: median (95% interval)", f"{limits[1]}{unit} ({limits[0]} to {limits[2]})"))
    )
    between = found["predictive"]["between_studies"]["quantiles"]
    where = {"risk_difference": "log odds", "proportion": "log odds", "rate_ratio": "log rate"}.get(
        estimate.scale, "mean"
    )
    notes = (
        f"Standard deviation between studies ({where}): median {between[1]:.2g} (95% interval {between[0]:.2g} to "
        f"{between[2]:.2g}); before the studies {found['heterogeneity']}.",
    )
    whose = words.lowered(material.arm_label(estimate.reference or estimate.arm))
    columns = (Column("Study", wide=True), Column("Result"))
    return Table(f"Earlier results of {whose}", columns, tuple(rows), "", notes, is_real=True)


def _by_weight(material: Material, estimate: Estimate) -> list[Block]:
    found = estimate.details["borrowing"]
    if not found["by_weight"]:
        return []
    level = f"{100 * (estimate.ci_level or 0.95):g}% credible interval"
    rows = []
    for row in found["by_weight"]:
        weight = row["weight"]
        name = f"{100 * weight:g}%"
        name += ", nothing borrowed" if weight == 1.0 else ", earlier studies trusted fully" if weight == 0.0 else ""
        name += " (as planned)" if weight == found["robust_weight"] else ""
        limits = fmt.interval(fmt.Interval(row["estimate"], row["ci_lower"], row["ci_upper"], estimate.scale))
        rows.append(Row((name, limits, probability_text(row["probability"]), "met" if row["success"] else "not met")))
    rule = estimate.details["posterior"]
    columns = (
        Column("Weight of the weak part", wide=True),
        Column(f"{words.capitalized(measure(estimate))} ({level})", "decimal"),
        Column("Probability", "decimal"),
        Column(f"Over {100 * rule['threshold']:g}%"),
    )
    notes = (f"Probability that {claim(material, estimate)}.",)
    return [Table("The result with more and with less borrowed", columns, tuple(rows), "", notes)]
