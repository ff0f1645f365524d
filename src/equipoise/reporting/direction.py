"""One direction for every comparison that people read: the arm that stands later in the protocol against the earlier.

A plan may ask the other way round (how much higher are the odds of use on placebo); ``results.json`` and
``results.csv`` keep that. Where rows stand under one head, an odds ratio of 9 beside one of 0.1 for the same finding
is read as its opposite.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from equipoise.analysis.estimate import Estimate
from equipoise.analysis.results import Results
from equipoise.protocol import Protocol
from equipoise.protocol.vocabulary.scales import is_ratio

TURNED = "turned"  # among the details of an estimate that was turned round here


def in_one_direction(protocol: Protocol, results: Results) -> Results:
    """The results with every comparison of two arms told of the arm that stands later in the protocol."""
    order = protocol.arm_ids
    told = tuple(turned_round(e) if _is_backwards(e, order) else e for e in results.estimates)
    return replace(results, estimates=told)


def _is_backwards(estimate: Estimate, order: Sequence[str]) -> bool:
    arm, reference = estimate.arm, estimate.reference
    return arm in order and reference in order and order.index(str(arm)) < order.index(str(reference))


def turned_round(estimate: Estimate) -> Estimate:
    """The same comparison told of its reference: a ratio inverted, a difference with the other sign; p as it is."""
    ratio = is_ratio(estimate.scale)

    def turn(value: float | None) -> float | None:
        if value is None:
            return None
        if not ratio:
            return -value
        return math.inf if value == 0 else 1 / value  # one over infinity is 0

    def turn_error(error: float | None, of: float | None) -> float | None:
        """A Monte Carlo error, on the scale of the number that it is of (delta method)."""
        if error is None or not ratio or not of:
            return error
        return error / of / of  # not by the square, which may be beyond any number

    margin = estimate.details.get("margin")
    turned = {}
    if margin is not None:
        turned = {"margin": {**margin, "lower": turn(margin["upper"]), "upper": turn(margin["lower"])}}
        if "p_above_lower" in margin:
            turned["margin"] |= {"p_above_lower": margin["p_below_upper"], "p_below_upper": margin["p_above_lower"]}
    ends = estimate.ends
    value, low, high = turn(ends[0]), turn(ends[2]), turn(ends[1])
    is_infinite = value is not None and math.isinf(value)
    others = tuple(w for w in estimate.warnings if w not in ("estimate-infinite", "estimate-zero"))
    at_end = ("estimate-infinite",) if is_infinite else ("estimate-zero",) if ratio and value == 0 else ()
    return replace(
        estimate,
        arm=estimate.reference,
        reference=estimate.arm,
        estimate=None if is_infinite else value,
        ci_lower=low,
        ci_upper=None if is_infinite else high,
        statistic=None,  # of some tests it has a sign, of others none; no table shows it
        warnings=(*others, *at_end),
        monte_carlo_error=turn_error(estimate.monte_carlo_error, ends[0]),
        monte_carlo_error_ci_lower=turn_error(estimate.monte_carlo_error_ci_upper, ends[2]),
        monte_carlo_error_ci_upper=turn_error(estimate.monte_carlo_error_ci_lower, ends[1]),
        details={**estimate.details, **turned, TURNED: not estimate.details.get(TURNED, False)},
    )


def as_planned(estimate: Estimate) -> Estimate:
    """The estimate as the plan asks for it."""
    return turned_round(estimate) if estimate.details.get(TURNED) else estimate
