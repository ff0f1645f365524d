"""What of a set of assumptions is found by calibration, and at what it aims."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field, model_validator

from equipoise.protocol.language.facts import Frozen, Number, Whole
from equipoise.protocol.language.notation import Fault

Range = Annotated[tuple[Number, Number], Field(min_length=2, max_length=2)]


class Calibration(Frozen):
    """How `equipoise calibrate` finds these assumptions: plausible ranges of free parameters, targets, numbers."""

    free: Mapping[str, Range] = Field(
        {},
        description="Parameters found by calibration, each with its plausible range, for example "
        "use-log-odds: [-3, 1]; of one arm as responder-share.ketamine. The others keep their "
        "values.",
    )
    not_aimed_at: tuple[str, ...] = Field(
        (),
        description="Published results that are shown but are not targets: an id of `published`, or a part "
        "of one (relapse.effect, relapse.standard-error, relapse.ketamine).",
    )
    seed: Whole = Field(1, ge=0, le=2**32 - 1, description="Seed of the simulation.")
    replicates: Whole = Field(
        2000, ge=100, le=1_000_000, description="Trials simulated for each set in the final search."
    )
    starts: Whole = Field(32, ge=1, le=4096, description="Quasi-random sets tried before the search begins.")

    @model_validator(mode="after")
    def _in_order(self) -> Calibration:
        for name, (low, high) in self.free.items():
            if not low < high:
                raise Fault(
                    f"The range of {name} runs from {low:g} to {high:g}",
                    "the lower end first, and room between",
                    "Write the lower end first.",
                    f"free.{name}",
                )
        return self
