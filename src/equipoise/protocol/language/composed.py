"""Endpoints made of other endpoints: ordered categories, and a hierarchy of outcomes compared pair by pair."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from equipoise.protocol.language.endpoint_base import EndpointBase
from equipoise.protocol.language.facts import Frozen, Id, Number
from equipoise.protocol.language.notation import Fault
from equipoise.protocol.vocabulary.endpoint_kinds import HIERARCHICAL, ORDERED, Shape


class OrderedEndpoint(EndpointBase):
    """One of several ordered categories: another endpoint's number, or its score at a visit, sorted by limits."""

    shapes: ClassVar[tuple[Shape, ...]] = (ORDERED,)

    kind: Literal["ordered"] = Field(description="One of several ordered categories.")
    of: Id = Field(
        description="The endpoint whose number or score is sorted; what it takes as missing has no category."
    )
    visit: Id | None = Field(None, description="With a score of a series: the visit, by default the last.")
    categories: tuple[str, ...] = Field(
        min_length=2, description="Names of the categories, from that of the lowest numbers to that of the highest."
    )
    from_: tuple[Number, ...] = Field(
        min_length=1, description="Lowest number of each category but the first, in their order."
    )

    @model_validator(mode="after")
    def _limits(self) -> OrderedEndpoint:
        if len(self.from_) != len(self.categories) - 1:
            raise Fault(
                f"{len(self.categories)} categories have {len(self.from_)} lowest numbers",
                "a lowest number for each category but the first",
                "Correct from, or categories.",
                "from",
            )
        if any(high <= low for low, high in zip(self.from_, self.from_[1:], strict=False)):
            raise Fault("The lowest numbers do not rise", "each above the one before", "Correct the order.", "from")
        if len(set(self.categories)) < len(self.categories):
            raise Fault("A category stands here twice", "names that differ", "Rename one.", "categories")
        return self

    @property
    def made_of(self) -> tuple[str, ...]:
        """The endpoint that is sorted."""
        return (self.of,)

    def why_not_imputed(self) -> str | None:
        """Its categories come from another endpoint."""
        return "it is made of another endpoint, whose missing results are not imputed here"


class HierarchyLevel(Frozen):
    """One level of a hierarchy: an endpoint, and by how much two results must differ to decide."""

    endpoint: Id = Field(description="The endpoint; its own `better` says which of two results is.")
    visit: Id | None = Field(None, description="With a score of a series: the visit, by default the last.")
    margin: Number = Field(
        0.0, ge=0, description="Two numbers, scores or times decide only where they differ by more than this."
    )


class HierarchicalEndpoint(EndpointBase):
    """Outcomes in order of importance: a pair of participants is decided by the first in which they differ."""

    shapes: ClassVar[tuple[Shape, ...]] = (HIERARCHICAL,)

    kind: Literal["hierarchical"] = Field(description="Outcomes in order of importance, compared pair by pair.")
    levels: tuple[HierarchyLevel, ...] = Field(min_length=1, description="The outcomes, the most important first.")

    @property
    def made_of(self) -> tuple[str, ...]:
        """The endpoints of its levels."""
        return tuple(level.endpoint for level in self.levels)

    def why_not_imputed(self) -> str | None:
        """Its results come from other endpoints."""
        return "it is made of other endpoints, whose missing results are not imputed here"
