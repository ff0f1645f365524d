"""Endpoints made of other endpoints: ordered categories, and the levels of a hierarchy."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from equipoise.endpoints.endpoint_values import Derived, Floats, Rung
from equipoise.endpoints.lattice import Lattice
from equipoise.protocol.language.composed import HierarchicalEndpoint, HierarchyLevel, OrderedEndpoint

Bases = Mapping[str, Derived]
"""The endpoints that one is made of, derived."""


def derive_ordered(lattice: Lattice, id: str, endpoint: OrderedEndpoint, bases: Bases) -> Derived:
    """The number of the category, from 0 for the lowest; NaN where what is sorted is missing."""
    base = bases[endpoint.of]
    values = _values(base, endpoint.visit)
    category = np.searchsorted(np.asarray(endpoint.from_), values, side="right").astype(np.float64)
    return Derived(
        endpoint=id,
        kind=endpoint.kind,
        shape="ordered",
        participants=lattice.participants,
        event_word=id,
        value=np.where(np.isnan(values), np.nan, category),
        categories=endpoint.categories,
        imputed=base.imputed,
        warnings=base.warnings,
        marks=base.marks,
    )


def derive_hierarchical(lattice: Lattice, id: str, endpoint: HierarchicalEndpoint, bases: Bases) -> Derived:
    """What each level comes to, oriented so that larger values, or later times, are better."""
    rungs = tuple(_rung(lattice, level, bases[level.endpoint]) for level in endpoint.levels)
    return Derived(
        endpoint=id,
        kind=endpoint.kind,
        shape="hierarchical",
        participants=lattice.participants,
        event_word=id,
        rungs=rungs,
    )


def _rung(lattice: Lattice, level: HierarchyLevel, base: Derived) -> Rung:
    higher = lattice.protocol.model.endpoints[level.endpoint].better == "higher"
    if base.shape == "time-to-event":
        assert base.time is not None
        assert base.event is not None
        return Rung(level.endpoint, level.margin, higher, time=base.time, event=base.event)
    values = _values(base, level.visit)
    return Rung(level.endpoint, level.margin, True, value=values if higher else -values)


def _values(base: Derived, visit: str | None) -> Floats:
    """(n,) one number per participant: the value, or the score at a visit, on its own scale."""
    if base.values is None:
        assert base.value is not None
        return base.value
    table = base.raw if base.raw is not None else base.values
    return np.asarray(table[:, base.visit_names.index(visit) if visit is not None else -1])
