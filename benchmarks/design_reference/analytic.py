"""Each kind of design computed by equipoise from its words: quantity and index to value."""

from __future__ import annotations

import re

from design_reference.reading import Design, Unreadable
from equipoise.stats.design.group_sequential import (
    Boundary,
    Characteristics,
    GroupSequentialDesign,
    characterize,
    efficacy_design,
    futility_design,
)
from equipoise.stats.design.sample_size import (
    Accrual,
    hazard_of_risk,
    log_rank_power,
    log_rank_size,
    time_of_events,
    two_means_size,
    two_proportions_power,
    two_proportions_size,
)
from equipoise.stats.design.spending import SpendingFunction

Values = dict[tuple[str, int], float]

# The power rows of survival designs say "as survival_n_K". Where no folder at hand holds survival_n_K, its inputs are
# these: the hazard ratio follows from the power at 50 events; hazard, accrual and dropout are the only combination of
# round numbers (some 100,000 were tried) that returns rpact's analysis time to 1e-7, the next best being off by 1e-5.
RECOVERED = {
    "survival_n_1": "exponential hazard control=0.14/week HR=0.55 one-sided alpha=0.025 power=0.8; uniform accrual "
    "weeks 0-12, follow-up after last entry 12 weeks; dropout probability treatment=0 control=0 by week 12",
    "survival_n_3": "exponential hazard control=0.1/week HR=0.5 one-sided alpha=0.025 power=0.8; uniform accrual "
    "weeks 0-20, follow-up after last entry 12 weeks; dropout probability treatment=0.2 control=0.2 by week 12",
    "survival_n_5": "exponential hazard control=0.2/week HR=0.6 one-sided alpha=0.025 power=0.8; uniform accrual "
    "weeks 0-10, follow-up after last entry 12 weeks; dropout probability treatment=0.05 control=0.15 by week 12",
}


def indexed(quantity: str, values: object) -> Values:
    """Values of a quantity numbered from 1."""
    return {(quantity, k): float(v) for k, v in enumerate(values, start=1)}  # type: ignore[call-overload]


def sequential_design(design: Design) -> GroupSequentialDesign:
    """The looks and boundaries that the words state."""
    if re.search(r"beta spending", design.inputs):
        kinds = {"O'Brien-Fleming": "lan-demets-obrien-fleming", "Pocock": "lan-demets-pocock"}
        alpha = re.search(r"alpha spending (O'Brien-Fleming|Pocock)", design.inputs)
        beta = re.search(r"beta spending (O'Brien-Fleming|Pocock)", design.inputs)
        if not alpha or not beta:
            raise Unreadable(f"no kinds of spending in {design.inputs!r}")
        return futility_design(
            design.information,
            alpha_one_sided=design.alpha_one_sided,
            power=1.0 - design.number(r"beta="),
            boundary=Boundary(kinds[alpha.group(1)]),
            beta_spending=SpendingFunction(kinds[beta.group(1)]),
            is_binding="non-binding" not in design.inputs and "binding" in design.inputs,
        )
    return efficacy_design(
        design.information, alpha_one_sided=design.alpha_one_sided, boundary=design.boundary, sides=design.sides
    )


def boundary_values(design: Design, _: dict[str, Design]) -> Values:
    """Everything that rpact prints of a boundary."""
    looks = sequential_design(design)
    beta = design.find(r"beta=")
    power = 1.0 - beta if beta is not None else design.find(r"power\s*=?\s*") or 0.8
    c = characterize(looks, power)
    return {
        **indexed("critical_z", looks.critical_z),
        **indexed("stage_level", looks.stage_level),
        **indexed("alpha_spent", looks.alpha_spent),
        **indexed("futility_z", looks.futility_z[:-1]),
        ("inflation_factor", 1): c.inflation_factor,
        ("shift", 1): c.shift,
        ("asn_h1", 1): c.asn_h1,
        ("asn_h01", 1): c.asn_h01,
        ("asn_h0", 1): c.asn_h0,
    }


def _risks(design: Design) -> tuple[float, float]:
    return design.number(r"pi_control="), design.number(r"pi_treatment=")


def binary_size_values(design: Design, _: dict[str, Design]) -> Values:
    """Fixed sample sizes of two proportions."""
    n = two_proportions_size(
        *_risks(design),
        power=design.number(r"power="),
        alpha_one_sided=design.alpha_one_sided,
        allocation_ratio=design.allocation_ratio,
    )
    return {("n_total", 1): n.n_total, ("n_treatment", 1): n.n_experimental, ("n_control", 1): n.n_control}


def binary_power_values(design: Design, _: dict[str, Design]) -> Values:
    """Power of two proportions at the N's of the words; two-sided by rpact's convention for the far tail."""
    sizes = design.list_after(r"\bN=")
    if not sizes:
        raise Unreadable(f"no N in {design.inputs!r}")
    return indexed(
        "power",
        [
            two_proportions_power(
                *_risks(design),
                n,
                alpha_one_sided=design.alpha_one_sided,
                sides=design.sides,
                allocation_ratio=design.allocation_ratio,
                drop_far_scale=True,
            )
            for n in sizes
        ],
    )


def _looks(design: Design) -> tuple[GroupSequentialDesign, Characteristics]:
    looks = sequential_design(design)
    return looks, characterize(looks, design.number(r"power="))


def binary_looks_values(design: Design, _: dict[str, Design]) -> Values:
    """Two proportions with looks."""
    looks, c = _looks(design)
    n = two_proportions_size(
        *_risks(design),
        power=c.power,
        alpha_one_sided=design.alpha_one_sided,
        allocation_ratio=design.allocation_ratio,
    ).n_total
    return {
        ("n_max", 1): n * c.inflation_factor,
        **indexed("n_stage", n * c.inflation_factor * looks.information),
        ("en_h1", 1): n * c.asn_h1,
        ("en_h01", 1): n * c.asn_h01,
        ("en_h0", 1): n * c.asn_h0,
        **indexed("reject_stage", c.under_h1.reject),
        **indexed("futility_stage", c.under_h1.futility[:-1]),
    }


def survival_inputs(design: Design) -> tuple[float, float, Accrual]:
    """Control hazard, hazard ratio, accrual with dropout and observation."""
    accrual = re.search(r"accrual (?:weeks )?0-(\d+\.?\d*)", design.inputs)
    if not accrual:
        raise Unreadable(f"no accrual in {design.inputs!r}")
    week = design.find(r"by week ") or 12.0
    treatment = design.find(r"dropout probability treatment=", r"dropout ") or 0.0
    control = design.find(r"dropout probability treatment=[\d.]+ control=", r"dropout ") or 0.0
    end = float(accrual.group(1))
    follow_up = design.find(r"follow-up (?:after last entry )?") or 0.0
    timing = Accrual(end, end + follow_up, hazard_of_risk(control, week), hazard_of_risk(treatment, week))
    return design.number(r"hazard control=", r"lambda[ _]?control="), design.number(r"HR=", r"hazard ratio="), timing


def survival_size_values(design: Design, _: dict[str, Design]) -> Values:
    """Events and participants by Schoenfeld."""
    hazard, ratio, accrual = survival_inputs(design)
    found = log_rank_size(
        hazard,
        ratio,
        accrual,
        power=design.number(r"power="),
        alpha_one_sided=design.alpha_one_sided,
        allocation_ratio=design.allocation_ratio,
    )
    return {
        ("events", 1): found.n_events,
        ("n_total", 1): found.n_total,
        ("n_treatment", 1): found.size.n_experimental,
        ("n_control", 1): found.size.n_control,
        ("study_duration", 1): accrual.study_time,
    }


def survival_power_values(design: Design, designs: dict[str, Design]) -> Values:
    """Power with the events planned, and when they are expected."""
    named = re.search(r"as (survival_n_\d+)", design.inputs)
    if not named:
        raise Unreadable(f"no 'as survival_n_K' in {design.inputs!r}")
    base = designs.get(named.group(1))
    if base is None:
        if named.group(1) not in RECOVERED:
            raise Unreadable(f"{named.group(1)}, to which it refers, is in no folder at hand")
        base = Design(named.group(1), RECOVERED[named.group(1)])
    hazard, ratio, accrual = survival_inputs(base)
    n_total, n_events = design.number(r"\bN="), design.number(r"events planned\s*=\s*")
    power = log_rank_power(
        ratio,
        n_events,
        alpha_one_sided=base.alpha_one_sided,
        sides=base.sides,
        allocation_ratio=base.allocation_ratio,
    )
    time = time_of_events(n_events, n_total, hazard, ratio, accrual, allocation_ratio=base.allocation_ratio)
    return {("power", 1): power, ("analysis_time", 1): time}


def survival_looks_values(design: Design, _: dict[str, Design]) -> Values:
    """Log-rank with looks at shares of the events."""
    looks, c = _looks(design)
    hazard, ratio, accrual = survival_inputs(design)
    found = log_rank_size(
        hazard,
        ratio,
        accrual,
        power=c.power,
        alpha_one_sided=design.alpha_one_sided,
        allocation_ratio=design.allocation_ratio,
        inflation=c.inflation_factor,
    )
    events = found.n_events * looks.information
    times = [
        time_of_events(e, found.n_total, hazard, ratio, accrual, allocation_ratio=design.allocation_ratio)
        for e in events[:-1]
    ]
    return {
        **indexed("events_stage", events),
        ("n_max", 1): found.n_total,
        **indexed("analysis_time", [*times, accrual.study_time]),
        **indexed("reject_stage", c.under_h1.reject),
        ("expected_events_h1", 1): found.n_events * c.under_h1.expected_information,
        ("expected_events_h0", 1): found.n_events * c.under_h0.expected_information,
    }


def mean_size_values(design: Design, _: dict[str, Design]) -> Values:
    """Two means, by t and by normal."""
    difference, deviation = design.number(r"difference="), design.number(r"sd=")
    t, normal = (
        two_means_size(
            difference,
            deviation,
            power=design.number(r"power="),
            alpha_one_sided=design.alpha_one_sided,
            allocation_ratio=design.allocation_ratio,
            is_normal=is_normal,
        ).n_total
        for is_normal in (False, True)
    )
    return {("n_total", 1): t, ("n_total_normal", 1): normal}


KINDS = {
    "bound_": boundary_values,
    "binary_n_": binary_size_values,
    "binary_power_": binary_power_values,
    "binary_gs_": binary_looks_values,
    "survival_n_": survival_size_values,
    "survival_power_": survival_power_values,
    "survival_gs_": survival_looks_values,
    "mean_n_": mean_size_values,
}
