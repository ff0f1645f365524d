"""Derive an endpoint of the protocol from records."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from equipoise.endpoints.abstinence import derive_abstinence
from equipoise.endpoints.composed import Bases, derive_hierarchical, derive_ordered
from equipoise.endpoints.coverage import mark_days_without_amount
from equipoise.endpoints.criteria import derive_criterion, derive_finding
from equipoise.endpoints.endpoint_values import Derived
from equipoise.endpoints.lattice import Lattice
from equipoise.endpoints.outcome_events import derive_event, derive_event_count
from equipoise.endpoints.reduction import derive_abstinent_days, derive_use_by_day, derive_use_by_week
from equipoise.endpoints.relapse import derive_time_to_event
from equipoise.endpoints.repeated_use import derive_repeated_use
from equipoise.endpoints.scales import derive_received, derive_report, derive_score

# Lattice, id and model of the endpoint, and the missing rule that replaces its own (``None``: its own).
Derive = Callable[[Lattice, str, Any, str | None], Derived]


def _derive_pattern(lattice: Lattice, id: str, endpoint: Any, missed: str | None) -> Derived:
    # Imported here: patterns bring compiled code, which trials without them need not load.
    from equipoise.endpoints.patterns.from_records import derive_pattern

    return derive_pattern(lattice, id, endpoint, missed)


def _of_others(derive: Callable[[Lattice, str, Any, Bases], Derived]) -> Derive:
    """An endpoint made of others, given these; what is missing there is missing here."""

    def derive_composed(lattice: Lattice, id: str, endpoint: Any, missed: str | None) -> Derived:
        return derive(lattice, id, endpoint, {name: derive_endpoint(lattice, name) for name in endpoint.made_of})

    return derive_composed


# By kind of endpoint (``protocol.language.endpoints.ENDPOINT_KINDS``), how it is derived.
DERIVE: Mapping[str, Derive] = {
    "abstinence": derive_abstinence,
    "abstinent-days": derive_abstinent_days,
    "time-to-event": derive_time_to_event,
    "repeated-use": derive_repeated_use,
    "use-by-day": derive_use_by_day,
    "use-by-week": derive_use_by_week,
    "score": derive_score,
    "pattern": _derive_pattern,
    "report": derive_report,
    "received": derive_received,
    "score-criterion": derive_criterion,
    "finding": derive_finding,
    "event": derive_event,
    "event-count": derive_event_count,
    "ordered": _of_others(derive_ordered),
    "hierarchical": _of_others(derive_hierarchical),
}


def derive_endpoint(lattice: Lattice, id: str, *, missed: str | None = None, floor: float | None = None) -> Derived:
    """The endpoint ``id`` for every row of the lattice; ``missed`` and ``floor`` replace the endpoint's own rules."""
    drawn: Derived | None = lattice.derived_directly(id, missed, floor)
    if drawn is not None:
        return drawn
    endpoint = lattice.protocol.model.endpoints[id]
    if floor is not None:
        endpoint = endpoint.model_copy(update={"floor": floor})
    return mark_days_without_amount(DERIVE[endpoint.kind](lattice, id, endpoint, missed), lattice)
