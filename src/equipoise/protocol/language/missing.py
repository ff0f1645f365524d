"""What is missing and what it stands for: rules in a word, multiple imputation, tipping points."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from equipoise.protocol.language.facts import Frozen, Id, Number, Whole

AfterDropout = Literal["at-random", "jump-to-reference", "copy-reference", "copy-increments"]

# Events of disposition that an intercurrent event may be, by its name in a protocol.
DISPOSITION_OF = {
    "treatment-discontinuation": "treatment_discontinuation",
    "death": "death",
    "unblinding": "unblinding",
}

# Bootstrap samples where the plan names no number.
RESAMPLES = 200


class Imputation(Frozen):
    """Multiple imputation of missing results, pooled by Rubin's rules."""

    sets: Whole = Field(
        50,
        ge=2,
        le=10000,
        description="Imputed data sets; an analysis makes more if their own error would matter, `power` does not.",
    )
    seed: Whole = Field(1, ge=0, le=2**32 - 1, description="Seed of the imputation.")
    model: Literal["by-visit", "pooled", "latent-normal"] = Field(
        "by-visit",
        description="Yes-or-no results: one logistic model per visit, one over all visits (more stable "
        "in a small trial), or a normal variable behind each result (always with a reference-based rule). "
        "Other results have one model each.",
    )
    covariates: tuple[Id, ...] = Field(
        (), description="Baseline variables of the imputation model in addition to those of the analysis."
    )
    delta: Mapping[Id, Number] = Field(
        {},
        description="By arm, what is added to imputed results: to the log odds of use (of yes), to the score, or to "
        "the logarithm of a rate or hazard.",
    )
    after_dropout: AfterDropout = Field(
        "at-random",
        description="What is assumed after the last observed result, or the end of observation, in the experimental "
        "arm. Counts take no copy-increments, times jump-to-reference only.",
    )
    variance: Literal["rubin", "bootstrap", "jackknife"] = Field(
        "rubin",
        description="The standard error shown: Rubin's rules (about information-anchored), or "
        "the variance in repeated sampling by the bootstrap of imputation and analysis "
        "together, or by the jackknife of conditional-mean imputation (scores by `linear` only; nothing "
        "is drawn).",
    )
    resamples: Whole | None = Field(
        None, ge=50, le=10000, description="With the bootstrap: samples drawn, by default 200."
    )

    @property
    def is_latent(self) -> bool:
        """Whether yes-or-no results are imputed through latent normal variables."""
        return self.model == "latent-normal" or self.after_dropout != "at-random"


class TippingPoint(Frozen):
    """How much worse imputed results of an arm must be before the conclusion changes."""

    arm: Id = Field(description="The arm whose imputed results are shifted.")
    up_to: Number = Field(description="The largest shift tried, in the unit of delta; negative to shift downwards.")
    steps: Whole = Field(
        10, ge=2, le=100, description="Equal steps of the path before the change is located more closely."
    )
