"""Derive an endpoint of the protocol from records."""

from __future__ import annotations

from equipoise.endpoints.abstinence import derive_abstinence
from equipoise.endpoints.endpoint_values import Derived
from equipoise.endpoints.lattice import Lattice
from equipoise.endpoints.reduction import derive_abstinent_days, derive_use_by_day, derive_use_by_week
from equipoise.endpoints.relapse import derive_time_to_event
from equipoise.endpoints.repeated_use import derive_repeated_use
from equipoise.endpoints.scales import derive_received, derive_report, derive_score


def derive_endpoint(lattice: Lattice, id: str, *, missed: str | None = None, floor: float | None = None) -> Derived:
    """The endpoint ``id`` for every row of the lattice; ``missed`` and ``floor`` replace the endpoint's own rules."""
    endpoint = lattice.protocol.model.endpoints[id]
    if endpoint.kind == "abstinence":
        return derive_abstinence(lattice, id, endpoint, missed)
    if endpoint.kind == "abstinent-days":
        return derive_abstinent_days(lattice, id, endpoint, missed)
    if endpoint.kind == "use-by-day":
        return derive_use_by_day(lattice, id, endpoint, missed)
    if endpoint.kind == "use-by-week":
        return derive_use_by_week(lattice, id, endpoint, missed)
    if endpoint.kind == "time-to-event":
        return derive_time_to_event(lattice, id, endpoint, missed)
    if endpoint.kind == "repeated-use":
        return derive_repeated_use(lattice, id, endpoint, missed)
    if endpoint.kind == "score":
        return derive_score(lattice, id, endpoint, floor, missed)
    if endpoint.kind == "pattern":
        # Imported here: patterns bring compiled code, which trials without them need not load.
        from equipoise.endpoints.patterns.from_records import derive_pattern

        return derive_pattern(lattice, id, endpoint, missed)
    if endpoint.kind == "report":
        return derive_report(lattice, id, endpoint, missed)
    return derive_received(lattice, id, endpoint)
