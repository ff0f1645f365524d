"""Borrowing: earlier studies whose results help to estimate an arm, how far they are trusted, what is success."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from equipoise.protocol.language.facts import Id, Number, Sourced, Whole
from equipoise.protocol.language.margins import MarginValue
from equipoise.protocol.language.notation import CountOfTotal


class EarlierStudy(Sourced):
    """The results of one arm in one earlier study."""

    label: str | None = Field(None, description="The study as readers know it: `Smith 2015`. By default the id.")
    registration: str | None = Field(None, description="Registry number of the study.")
    events: CountOfTotal | None = Field(
        None, description="Of a yes-or-no result: participants with the event, `12 of 50`."
    )
    mean: Number | None = Field(None, description="Of a score: the mean.")
    sd: Number | None = Field(None, gt=0, description="Of a score: the standard deviation of participants.")
    n: Whole | None = Field(None, ge=2, description="Of a score: the number of participants.")
    count: Whole | None = Field(None, ge=0, description="Of events counted over days: the number of events.")
    days: Number | None = Field(None, gt=0, description="Of events counted over days: the days observed, together.")

    @property
    def stated(self) -> frozenset[str]:
        """Which numbers stand here."""
        return frozenset(
            name for name in ("events", "mean", "sd", "n", "count", "days") if getattr(self, name) is not None
        )


class Borrow(Sourced):
    """Earlier results borrowed for one arm, the prior made of them, and the rule of success."""

    studies: Mapping[Id, EarlierStudy] = Field(
        min_length=1, description="Results of the arm in earlier studies, each study once."
    )
    event: str | None = Field(
        None,
        description="Of a yes-or-no result: what the studies counted, in the endpoint's word (its event, label or id).",
    )
    heterogeneity: Number | None = Field(
        None,
        gt=0,
        description="Scale of the half-normal distribution of the standard deviation between studies, on the scale of "
        "analysis. By default 1 for log odds and log rates, and half a participant's standard deviation for means.",
    )
    heterogeneity_df: Number | None = Field(
        None, ge=1, description="A half-t distribution with these degrees of freedom instead; 1 is half-Cauchy."
    )
    robust_weight: Number = Field(
        0.2,
        ge=0,
        le=1,
        description="Weight of a weak prior beside that from the studies: the probability, before the trial, that "
        "they do not speak for its participants. 0 trusts them fully, 1 borrows nothing.",
    )
    more_than: MarginValue | None = Field(
        None,
        description="Success: the effect is better than this, on the estimand's scale; by default no effect. Of one "
        "arm alone, what it is held against (`40 %`).",
    )
    probability: Number = Field(
        0.975, ge=0.5, lt=1, description="Success: the probability of that, given the data, is above this."
    )
    sensitivity: tuple[Number, ...] = Field(
        (0.0, 0.1, 0.2, 0.5, 1.0), description="Robust weights under which the result is shown as well."
    )
