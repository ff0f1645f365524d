"""Scales: what an estimate is a number of. One row each; results, reports and the estimands of a protocol go by them.

A scale's id is what results name it by (``odds_ratio``); an estimand names it as its summary measure, with hyphens
(``odds-ratio``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal


@dataclass(frozen=True, slots=True)
class Scale:
    """One scale.

    On a ratio no effect is 1, limits are symmetric on the logarithm, and the standard error is that of the logarithm;
    so they are on a geometric mean, which compares nothing. A share lies between 0 and 1 (its difference between -1
    and 1) and is printed in per cent.
    """

    id: str
    meaning: str
    label: str
    is_ratio: bool = False
    is_share: bool = False
    is_time: bool = False
    is_event_free: bool = False  # of a time to an event: larger when events come later, or fewer come
    is_contrast: bool = True  # compares two treatments; else it is of one arm
    is_summary: bool = True  # an estimand may name it
    is_estimated: bool = True  # an estimator here gives it; else published results alone do

    @property
    def summary(self) -> str:
        """Its name as the summary measure of an estimand."""
        return self.id.replace("_", "-")

    @property
    def no_effect(self) -> float:
        """The value that says that two treatments do not differ."""
        return 1.0 if self.is_ratio else 0.0


_ROWS = (
    Scale("proportion", "proportion, 0 to 1", "proportion", is_share=True, is_contrast=False),
    Scale("risk_difference", "difference of proportions, -1 to 1", "risk difference, points", is_share=True),
    Scale("risk_ratio", "ratio of proportions", "risk ratio", is_ratio=True),
    Scale("odds_ratio", "ratio of odds", "odds ratio", is_ratio=True),
    Scale("common_odds_ratio", "ratio of the odds of higher categories", "common odds ratio", is_ratio=True),
    Scale("win_ratio", "pairs won over pairs lost", "win ratio", is_ratio=True),
    Scale("win_odds", "pairs won and half of the ties, over the rest", "win odds", is_ratio=True),
    Scale("net_benefit", "share of pairs won less share lost, -1 to 1", "net benefit, points", is_share=True),
    Scale("hazard_ratio", "ratio of hazards", "hazard ratio", is_ratio=True),
    Scale(
        "subdistribution_hazard_ratio",
        "ratio of the hazards of the subdistribution, competing events taken into account",
        "subdistribution hazard ratio",
        is_ratio=True,
    ),
    Scale("ratio_of_means", "ratio of geometric means", "ratio of means", is_ratio=True),
    Scale("mean_difference", "difference of means, in the unit of the score", "difference of means"),
    Scale("mean", "mean, in the unit of the score", "mean", is_contrast=False),
    Scale(
        "geometric_mean",
        "geometric mean, in the unit of the score",
        "geometric mean",
        is_ratio=True,
        is_contrast=False,
    ),
    Scale(
        "survival_probability",
        "probability of no event by a time, 0 to 1",
        "share without event",
        is_share=True,
        is_event_free=True,
        is_contrast=False,
        is_summary=False,
    ),
    Scale(
        "cumulative_incidence",
        "probability of the event by a time, competing events taken into account, 0 to 1",
        "cumulative incidence",
        is_share=True,
        is_contrast=False,
        is_summary=False,
    ),
    Scale(
        "median_time",
        "median time to the event, in the endpoint's unit",
        "median time",
        is_time=True,
        is_event_free=True,
        is_contrast=False,
        is_summary=False,
    ),
    Scale(
        "rmst_difference",
        "difference of restricted mean times, in the endpoint's unit",
        "difference of mean time without event",
        is_time=True,
        is_event_free=True,
    ),
    Scale("test", "a test only: no effect is estimated", "test", is_summary=False),
    Scale("rate_ratio", "ratio of rates", "rate ratio", is_ratio=True),
)

SCALES: Mapping[str, Scale] = {row.id: row for row in _ROWS}

# The summary measures that an estimand may name: a choice of the language, read from the table.
if TYPE_CHECKING:
    Summary = str
else:
    Summary = Literal[tuple(row.summary for row in _ROWS if row.is_summary)]


def scale_of_summary(summary: str) -> Scale | None:
    """The scale that a summary measure names; ``None`` for a name that no scale has."""
    return SCALES.get(summary.replace("-", "_"))


def is_ratio(scale: str) -> bool:
    """Whether no effect is 1 on the scale; false for a scale without a name."""
    row = SCALES.get(scale)
    return row is not None and row.is_ratio


def is_share(scale: str) -> bool:
    """Whether values of the scale are printed in per cent; false for a scale without a name."""
    row = SCALES.get(scale)
    return row is not None and row.is_share


def larger_is_better(scale: str, better: str, *, is_time_to_event: bool) -> bool:
    """Whether a larger value on the scale is to the advantage of its arm.

    ``better`` is the endpoint's own word, ``higher`` or ``lower``. Of a time to an event it speaks of the time, so what
    counts events (a hazard, a risk) is turned, and what measures time without them is not.
    """
    row = SCALES.get(scale)
    is_turned = is_time_to_event and not (row is not None and row.is_event_free)
    return (better == "higher") != is_turned


def is_better_above(scale: str, endpoint: Any) -> bool:
    """Whether a larger value on the scale is to the advantage of its arm, by an endpoint's own ``better``."""
    return larger_is_better(scale, endpoint.better, is_time_to_event=endpoint.shape == "time-to-event")


def scale_label(scale: str) -> str:
    """What a table calls the scale."""
    row = SCALES.get(scale)
    return scale.replace("_", " ") if row is None else row.label
