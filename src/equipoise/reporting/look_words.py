"""Looks in words: what was known, what the plan says, what is ahead, and what the final analysis allows for."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from equipoise.analysis.interim import LooksOfPlan, NewSize
from equipoise.analysis.look_taken import AfterLooks, LookTaken
from equipoise.reporting import format as fmt
from equipoise.reporting import words

COUNTED = {"results": "results", "events": "events", "information": "information"}
OUTCOME = {
    "continue": "go on",
    "efficacy": "stop: efficacy",
    "harm": "stop: the other arm is better",
    "futility": "stop: futility",
    "not-shown": "not shown",
}
_BOUNDARIES = {
    "lan-demets-obrien-fleming": "alpha spent as O'Brien and Fleming (Lan and DeMets)",
    "lan-demets-pocock": "alpha spent as Pocock (Lan and DeMets)",
    "kim-demets": "alpha spent by a power of the information (Kim and DeMets)",
    "hwang-shih-decani": "alpha spent as Hwang, Shih and DeCani",
    "obrien-fleming": "bounds of O'Brien and Fleming",
    "pocock": "bounds of Pocock",
    "wang-tsiatis": "bounds of Wang and Tsiatis",
    "haybittle-peto": "bounds of Haybittle and Peto",
}


def share(value: float) -> str:
    """A fraction as a percentage with one decimal where it is no whole one: ``50%``, ``25.4%``."""
    text = fmt.percent(value, 1)
    return text.replace(".0%", "%")


def chance(value: float) -> str:
    """A probability as a percentage; one that would print as 0 or 100 is said to be below or above."""
    if value < 0.001:
        return "<0.1%"
    return ">99.9%" if value > 0.999 else share(value)


def number(value: float, counted: str) -> str:
    """What a look counts: a whole number, or information to three figures."""
    return f"{value:.3g}" if counted == "information" else fmt.thousands(round(value))


def bound(critical: float) -> str:
    """A critical value; a look at which nothing can be claimed has none."""
    return "none" if math.isinf(critical) else fmt.fixed(critical, 2)


def of_plan(looks: LooksOfPlan) -> str:
    """The plan of looks in one line, without a full stop."""
    rule = looks.rule
    at = fmt.joined([share(t) for t in rule.planned[:-1]])
    total = f"{number(looks.planned, looks.counted)} {COUNTED[looks.counted]}"
    kind = "stated look by look" if rule.boundary is None else _BOUNDARIES[rule.boundary.kind]
    sided = "two-sided" if rule.sides == 2 else "one-sided"
    when = (
        f"{fmt.plural(rule.n_looks - 1, 'interim analysis', 'interim analyses')} at {at}"
        if at
        else "No interim analysis"
    )
    return f"{when} of {total}; {kind}, {sided} {rule.alpha:g}"


def reached(look: LookTaken, looks: LooksOfPlan) -> str:
    """How much was known, beside what was planned for this look."""
    word = COUNTED[look.counted]
    text = f"At look {look.number} of {looks.rule.n_looks}, {number(look.reached, look.counted)} of "
    text += f"{number(look.planned, look.counted)} planned {word} were known ({share(look.fraction)})."
    if look.counted != "information" and abs(look.reached - look.planned_now) >= 1 and look.number < looks.rule.n_looks:
        text += f" The plan has this look at {number(look.planned_now, look.counted)}."
    return text


def said(look: LookTaken, looks: LooksOfPlan, name: Callable[[str | None], str]) -> str:
    """What the plan says at a look."""
    model = looks.protocol.model
    treatments = model.estimands[model.analyses[looks.analyses[0]].estimand].treatments
    if look.decision is None:
        if not look.claimed:
            return (
                "No arm is claimed at this look. The plan goes on." if look.kept else "No arm goes on. The plan stops."
            )
        arms = [name(model.estimands[model.analyses[line].estimand].treatments.experimental) for line in look.claimed]
        return f"By the closed test the plan claims {fmt.joined(arms)} v {name(treatments.reference)}."
    held = look.decision
    z, critical = fmt.fixed(held.z, 2), bound(held.critical_z)
    if held.decision == "efficacy":
        better = name(treatments.experimental)
        return f"Z was {z} and reached the critical value of {critical}. The plan stops, in favour of {better}."
    if held.decision == "harm":
        better, lower = name(treatments.reference), fmt.fixed(-held.critical_z, 2)
        return f"Z was {z} and reached the critical value of {lower}. The plan stops, in favour of {better}."
    if held.decision == "futility":
        binding = (
            "The stop is binding: the level relies on it."
            if held.is_binding
            else "The stop is not binding: the level holds if the trial goes on."
        )
        below = fmt.fixed(held.futility_z or 0.0, 2)
        return f"Z was {z}, below the futility bound of {below}. The plan stops. {binding}"
    if math.isinf(held.critical_z):
        return f"Z was {z}. At this information nothing could be claimed. The plan goes on."
    between = f"between the critical values of {fmt.fixed(-held.critical_z, 2)} and {critical}"
    if looks.rule.sides == 1:
        between = f"below the critical value of {critical}"
        if held.futility_z is not None:
            between += f" and above the futility bound of {fmt.fixed(held.futility_z, 2)}"
    return f"Z was {z}, {between}. The plan goes on."


def ahead(arm: str, planned: float, trend: float) -> str:
    """Conditional power of a claim for an arm, in a sentence."""
    return (
        f"A later claim that {words.lowered(arm)} is better has a probability of {chance(planned)} if its effect is as "
        f"planned, and of {chance(trend)} if the results so far are the truth."
    )


def new_size(size: NewSize, counted: str) -> str:
    """What re-estimation says."""
    word = COUNTED[counted]
    now = chance(size.conditional_power_planned_size)
    if not size.is_changed:
        return f"The rule leaves the size as planned: {number(size.planned, counted)} {word}, conditional power {now}."
    return (
        f"The rule changes the size from {number(size.planned, counted)} to {number(size.number, counted)} {word}: "
        f"conditional power is {now} at the planned size and {chance(size.conditional_power_new_size)} at the new "
        "one. The final analysis combines the stages by the weights of the plan."
    )


def arms(look: LookTaken, looks: LooksOfPlan, of: Mapping[str, str]) -> str:
    """Which arms go on."""
    kept = [of[line] for line in look.kept]
    dropped = [of[line] for line in looks.analyses if line not in look.kept]
    if not dropped:
        return f"No arm is dropped: {fmt.joined(kept)} go on."
    if not kept:
        return f"Every arm is dropped: {fmt.joined(dropped)}."
    go, are = ("go" if len(kept) > 1 else "goes"), ("are" if len(dropped) > 1 else "is")
    return f"{fmt.joined(kept)} {go} on; {fmt.joined(dropped)} {are} dropped."


def taken(after: AfterLooks) -> str:
    """How many looks were taken, and at how much information."""
    if not after.taken:
        return "No look was taken before the final analysis."
    at = [share(look.fraction) for look in after.taken]
    looks = "1 look was" if len(at) == 1 else f"{len(at)} looks were"
    return f"{looks} taken, at {fmt.joined(at)}."


def at_the_end(after: AfterLooks, looks: LooksOfPlan, arm_of: Mapping[str, str], sides: tuple[str, str]) -> str:
    """What the plan says at the end, and what else a reader of the results must know."""
    parts = []
    if after.final is not None:
        parts.append(_final(after, looks, sides))
    else:
        claimed = [arm_of[line] for line in after.claimed]
        parts.append(
            f"By the closed test over the stages the plan claims {fmt.joined(claimed)} v {sides[1]}."
            if claimed
            else "By the closed test over the stages the plan claims no arm."
        )
        parts.append("Estimates, intervals and p values of the arms do not allow for the looks or for arms dropped.")
    if after.left_out:
        which = fmt.joined([str(number) for number in after.left_out])
        looks_left = f"look {which}, which is" if len(after.left_out) == 1 else f"looks {which}, which are"
        parts.append(f"All data stand in the place of {looks_left} left out of the adjustment (the deletion method).")
    if after.dropped:
        parts.append(f"Dropped at a look: {fmt.joined([arm_of[line] for line in after.dropped])}.")
    parts.append("Sensitivity analyses and other endpoints do not allow for the looks.")
    return " ".join(parts)


def _final(after: AfterLooks, looks: LooksOfPlan, sides: tuple[str, str]) -> str:
    final = after.final
    assert final is not None
    early = next((look for look in after.taken if look.outcome in ("efficacy", "harm")), None)
    if early is not None:
        better = sides[0] if early.outcome == "efficacy" else sides[1]
        return f"The bound was crossed at look {early.number}, in favour of {better}."
    at = f"At the end, with {share(final.information)} of the planned information, Z was {fmt.fixed(final.z, 2)}"
    if final.decision in ("efficacy", "harm"):
        better, sign = (sides[0], 1.0) if final.decision == "efficacy" else (sides[1], -1.0)
        critical = fmt.fixed(sign * final.critical_z, 2)
        return f"{at} and reached the critical value of {critical}: the plan claims a difference in favour of {better}."
    missed = f"{at} and did not reach the critical value of {bound(final.critical_z)}"
    return f"{missed}: the trial does not settle whether {sides[0]} or {sides[1]} is better."
