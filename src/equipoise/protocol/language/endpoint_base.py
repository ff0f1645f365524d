"""What every endpoint says of itself, whatever its kind."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from equipoise.protocol.language.facts import Sourced
from equipoise.protocol.vocabulary.endpoint_kinds import REPEATED_SCORE, ImputedAs, Shape, Trait


class EndpointBase(Sourced):
    """What every endpoint says of itself."""

    # What a kind of endpoint says of itself, in the words of ``protocol.vocabulary.endpoint_kinds``.
    shapes: ClassVar[tuple[Shape, ...]]  # what it can come to
    looks_at_use: ClassVar[bool] = False  # its result is about use: the multiverse varies how use is defined
    missing_rules: ClassVar[frozenset[str]] = frozenset()  # what an analysis may say a missing result stands for
    ends_at_events: ClassVar[bool] = False  # its results after an intercurrent event can be left out

    words: str = Field(min_length=1, description="The endpoint in words.")
    label: str | None = Field(None, description="Short name for tables and figures.")
    better: Literal["higher", "lower"] = Field("higher", description="Which direction is better for the participant.")

    @property
    def is_about_use(self) -> bool:
        """Whether the result rests on a definition of use."""
        return self.looks_at_use

    @property
    def event_terms(self) -> tuple[str, ...]:
        """Outcome events that the endpoint reads."""
        return ()

    @property
    def event_noun(self) -> str | None:
        """What happens, where the endpoint is about recorded events alone: ``death``, ``death or relapse``."""
        return None

    @property
    def made_of(self) -> tuple[str, ...]:
        """Other endpoints of the file that it is made of."""
        return ()

    @property
    def shape(self) -> Shape:
        """What the endpoint comes to."""
        return self.shapes[0]

    @property
    def traits(self) -> frozenset[Trait]:
        """What the endpoint has beside its shape, which some estimators ask for."""
        return frozenset()

    @property
    def window(self) -> tuple[int, int] | None:
        """First and last study day that the endpoint names; ``None`` where its visits say which days it looks at."""
        days = getattr(self, "days", None)
        return None if days is None else (days.first, days.last)

    @property
    def counted_series(self) -> tuple[str, ...]:
        """Visit series by which the endpoint tells a missed visit from a kept one."""
        return ()

    @property
    def analyses_logarithm(self) -> bool:
        """Whether the logarithm of the value is analysed; effects are then ratios."""
        return False

    def takes_rule(self, rule: str) -> bool:
        """Whether a missing rule changes, or can change, what the endpoint comes to."""
        return rule in self.missing_rules

    @property
    def imputed_as(self) -> ImputedAs:
        """What of the endpoint is imputed, where it can be."""
        return "scores" if self.shape == REPEATED_SCORE else "yes-or-no"

    def why_not_imputed(self) -> str | None:
        """Why missing results of the endpoint cannot be imputed; ``None`` where they can."""
        return f"an endpoint of kind {getattr(self, 'kind', '')} has no results by visit"

    def counts_event(self, event: str) -> bool | None:
        """Whether an intercurrent event makes the outcome unfavourable; ``None`` where that cannot be known."""
        return None
