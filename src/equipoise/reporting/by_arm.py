"""Results by arm as a table prints them: events n (%), mean (SD), visits with the event, whatever the endpoint is."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from equipoise.analysis.dataset import compare
from equipoise.analysis.estimate import Estimate
from equipoise.endpoints.endpoint_values import Derived
from equipoise.reporting import format as fmt
from equipoise.reporting.context import Material

Mask = NDArray[np.bool_]
NO_RESULTS = "no results"
_TIMES = {"use-by-day": "days", "use-by-week": "weeks"}  # what a yes or no is told of, where it is no visit


def results_of(material: Material, estimate: Estimate) -> dict[str, fmt.Cell]:
    """Arm -> its result, for the two arms (or levels of a factor) that an estimate compares, in its analysis set."""
    derived = material.results.endpoints.get(estimate.endpoint)
    if derived is None:
        return {}
    if is_interaction(material, estimate):  # it compares effects: the results it rests on are in the table by factors
        return dict.fromkeys((str(estimate.reference), str(estimate.arm)), "by factors")
    within = _within(material, estimate, derived)
    if within is not None:
        return within
    chosen = _compared(material, estimate, derived)
    if chosen is None:
        arm_of = derived.participants.arm
        chosen = {str(arm): arm_of == arm for arm in (estimate.reference, estimate.arm) if arm is not None}
    return {arm: arm_result(derived, mine) for arm, mine in chosen.items()}


def is_interaction(material: Material, estimate: Estimate) -> bool:
    """Whether an estimate compares the effects of one factor at two levels of another."""
    planned = material.protocol.model.analyses.get(material.line(estimate))
    estimand = material.protocol.model.estimands.get(planned.estimand) if planned is not None else None
    return estimand is not None and estimand.interaction is not None


def _within(material: Material, estimate: Estimate, derived: Derived) -> dict[str, fmt.Cell] | None:
    """By treatment, the results of the periods in which it was planned; ``None`` where arms are compared."""
    planned = material.protocol.model.analyses.get(material.line(estimate))
    estimand = material.protocol.model.estimands.get(planned.estimand) if planned is not None else None
    if planned is None or estimand is None or not material.protocol.is_within(estimand) or derived.values is None:
        return None
    comparison = compare(material.protocol, material.lattice, planned, estimand)
    periods = comparison.periods
    assert periods is not None
    table = derived.raw if derived.raw is not None else derived.values
    values = table[comparison.rows][:, periods.visits]
    out: dict[str, fmt.Cell] = {}
    for name, number in ((comparison.reference, 0), (comparison.arm, 1)):
        mine = values[periods.treatment == number]
        if derived.shape == "repeated-score":
            out[name] = _mean(mine, mine.size)
            continue
        seen = int((~np.isnan(mine)).sum())
        out[name] = fmt.Count(int(np.nansum(mine)), seen, show_denominator=seen < mine.size)
    return out


def _compared(material: Material, estimate: Estimate, derived: Derived) -> dict[str, Mask] | None:
    """Rows of both sides where an analysis set or a factor chooses them; ``None`` where whole arms are compared."""
    model = material.protocol.model
    planned = model.analyses.get(material.line(estimate))
    estimand = model.estimands.get(planned.estimand) if planned is not None else None
    lattice = material.results.lattice
    if planned is None or estimand is None or lattice is None or lattice.n != derived.n:
        return None
    if planned.analysis_set is None and estimand.factor is None:
        return None
    comparison = compare(material.protocol, lattice, planned, estimand)
    out = {}
    for arm, side in ((comparison.reference, 0.0), (comparison.arm, 1.0)):
        mine = np.zeros(derived.n, dtype=np.bool_)
        mine[comparison.rows[comparison.experimental == side]] = True
        out[str(arm)] = mine
    return out


def what_is_shown(derived: Derived, *, within: bool = False) -> str:
    """What the cells of an endpoint hold, behind its name in a table; nothing for events n (%).

    ``within`` is of treatments compared within participants, with one result in each period.
    """
    if within:
        return ", mean (SD)" if derived.shape == "repeated-score" else ""
    if _is_observed_in_part(derived):
        return ", events/days observed"
    if derived.shape == "number":
        return ", mean (SD)"
    if derived.shape == "ordered":
        return f": {'/'.join(derived.categories)}"
    if derived.shape == "repeated-binary":
        times = _TIMES.get(derived.kind, "visits")
        return f", {times} with it/{times} with a result"
    if derived.shape == "repeated-score":
        name = derived.visit_names[-1].replace("-", " ") if derived.visit_names else ""
        return f", mean (SD) at {name}" if name else ", mean (SD)"
    return ""


def arm_result(derived: Derived, mine: Mask) -> fmt.Cell:
    """The result of the participants ``mine``; the denominator is shown where somebody has no result."""
    n = int(mine.sum())
    if derived.shape == "time-to-event" and derived.event is not None:
        known = mine if derived.time is None else mine & ~np.isnan(derived.time)
        if not known.any():
            return NO_RESULTS
        return fmt.Count(int(derived.event[known].sum()), int(known.sum()), show_denominator=bool(known.sum() < n))
    if derived.shape == "repeated-binary" and derived.values is not None:
        values = derived.values[mine]
        seen = int((~np.isnan(values)).sum())
        return fmt.Count(int(np.nansum(values)), seen, show_denominator=True) if seen else NO_RESULTS
    if derived.shape == "repeated-score" and derived.values is not None:
        table = derived.raw if derived.raw is not None else derived.values
        return _mean(table[mine][:, -1] if table.shape[1] else table[mine].ravel(), n)
    if derived.shape == "hierarchical":
        return "by pairs"
    if derived.value is None:
        return "not recorded"
    if derived.shape == "ordered":
        known = derived.value[mine & ~np.isnan(derived.value)].astype(np.int64)
        counts = np.bincount(known, minlength=len(derived.categories))
        return "/".join(str(count) for count in counts) if known.size else NO_RESULTS
    if _is_observed_in_part(derived) and derived.tally is not None:
        known = mine & ~np.isnan(derived.tally.events)
        events, days = (int(np.sum(part[known])) for part in (derived.tally.events, derived.tally.days))
        return f"{fmt.thousands(events)}/{fmt.thousands(days)}" if known.any() else NO_RESULTS
    if derived.shape == "number":
        return _mean(derived.value[mine], n)
    values = derived.value[mine]
    seen = int((~np.isnan(values)).sum())
    return fmt.Count(int(np.nansum(values)), seen, show_denominator=seen < n) if seen else NO_RESULTS


def _is_observed_in_part(derived: Derived) -> bool:
    """Whether events are counted that have no number for somebody who was not observed to the end of the window.

    A mean over the others would be of those who stayed; events and days are of everybody.
    """
    if derived.kind != "event-count" or derived.shape != "number" or derived.tally is None or derived.value is None:
        return False
    return bool((np.isnan(derived.value) & ~np.isnan(derived.tally.events)).any())


def _mean(values: NDArray[np.float64], n: int) -> fmt.Cell:
    known = values[~np.isnan(values)]
    if not known.size:
        return "not recorded"
    sd = float(np.std(known, ddof=1)) if known.size > 1 else None
    return fmt.MeanSD(float(known.mean()), sd, n=None if known.size == n else int(known.size))
