"""Derive an endpoint of the protocol from records."""

from __future__ import annotations

from equipoise.endpoints.abstinence import derive_abstinence
from equipoise.endpoints.derived import Derived
from equipoise.endpoints.lattice import Lattice
from equipoise.endpoints.relapse import derive_time_to_event
from equipoise.endpoints.repeated_use import derive_repeated_use
from equipoise.endpoints.scales import derive_received, derive_report, derive_score
from equipoise.foundation.errors import AnalysisError, Problem

CODES = {"A050": "A definition that the language holds and the program does not derive yet."}


def derive_endpoint(lattice: Lattice, id: str, *, missed: str | None = None, floor: float | None = None) -> Derived:
    """The endpoint ``id`` for every row of the lattice; ``missed`` and ``floor`` replace the endpoint's own rules."""
    endpoint = lattice.protocol.model.endpoints[id]
    events = endpoint.first_of if endpoint.kind == "time-to-event" else ()
    _require_no_amount(lattice, id, [getattr(part, "use", None) for part in (endpoint, *events)])
    if endpoint.kind == "abstinence":
        return derive_abstinence(lattice, id, endpoint, missed)
    if endpoint.kind == "time-to-event":
        return derive_time_to_event(lattice, id, endpoint, missed)
    if endpoint.kind == "repeated-use":
        return derive_repeated_use(lattice, id, endpoint)
    if endpoint.kind == "score":
        return derive_score(lattice, id, endpoint, floor)
    if endpoint.kind == "report":
        return derive_report(lattice, id, endpoint, missed)
    if endpoint.kind == "received":
        return derive_received(lattice, id, endpoint)
    raise AnalysisError(
        Problem(
            "A050",
            f"endpoints.{id}",
            f"Endpoints of kind {endpoint.kind} are part of the language, but are not derived yet.",
            "abstinence, time-to-event, repeated-use, score, report or received",
            "Leave out the analyses of this endpoint.",
        )
    )


def _require_no_amount(lattice: Lattice, id: str, uses: list[str | None]) -> None:
    for name in uses:
        if name is not None and lattice.protocol.model.use[name].amount is not None:
            raise AnalysisError(
                Problem(
                    "A050",
                    f"use.{name}.amount",
                    f"The endpoint {id} counts use above an amount, which is not derived yet.",
                    "a definition of use without an amount",
                    "Leave out the analyses of this endpoint.",
                )
            )
