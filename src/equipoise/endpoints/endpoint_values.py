"""What an endpoint comes to, participant by participant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import polars as pl
from numpy.typing import NDArray

from equipoise.endpoints.lattice import Participants
from equipoise.foundation.notebook import shown
from equipoise.protocol.vocabulary.endpoint_kinds import Shape

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Tally:
    """Events and the days over which they would have been known: both (n,), or (n, n_visits) of a repeated endpoint.

    Without a day, or with an event on a day that nobody knows, there is no count (NaN). Unlike ``value``, which may ask
    for a whole window, a tally takes what days there are. Rates are told per ``per_days`` days.
    """

    events: Floats
    days: Floats
    per_days: float
    noun: str  # what is counted: "relapse", "abstinent day"


@dataclass(frozen=True)
class Rung:
    """One level of a hierarchy: a value of which more is better, or a time of which later is (or sooner), both (n,)."""

    endpoint: str
    margin: float
    higher_is_better: bool
    value: Floats | None = None
    time: Floats | None = None
    event: NDArray[np.bool_] | None = None


@dataclass(frozen=True, kw_only=True)
class Derived:
    """An endpoint derived for every randomized participant.

    ``shape`` says which fields are filled: ``value`` (n,), NaN where missing, 0 or 1 for binary endpoints; ``time``
    (n,) in the endpoint's unit and ``event`` (n,) for times; ``values`` (n, n_visits), NaN where missing, with
    ``visit_names`` and ``visit_weeks`` (n_visits,) for repeated ones. ``imputed`` (n,) marks values that rest on the
    missing rule. Ordered endpoints have in ``value`` the number of one of ``categories``, from 0; hierarchies have
    ``rungs``. ``visit_time`` (n,) is a time counted in planned visits. ``logarithm`` says that ``values`` are
    logarithms, of which effects are ratios.
    """

    endpoint: str
    kind: str
    shape: Shape
    participants: Participants
    event_word: str
    value: Floats | None = None
    time: Floats | None = None
    event: NDArray[np.bool_] | None = None
    competing: NDArray[np.bool_] | None = None  # (n,) time ends with a competing event; ``event`` is then false
    cause: NDArray[np.str_] | None = None  # which event ended time, by name
    visit_time: Floats | None = None
    values: Floats | None = None
    visit_names: tuple[str, ...] = ()
    visit_weeks: Floats | None = None
    first_visit_day: int = 0  # day index of the first visit, from which weeks count
    imputed: NDArray[np.bool_] | None = None
    warnings: tuple[str, ...] = ()
    follow_up: float | None = None  # end of follow-up in the unit of time, the same for everybody
    logarithm: bool = False
    simulated: bool = False  # whether the participants are fictional
    is_change: bool = False  # from a baseline: no change is 0
    raw: Floats | None = field(default=None)  # scores before the logarithm
    categories: tuple[str, ...] = ()
    rungs: tuple[Rung, ...] = ()
    exposure: Floats | None = None  # (n,) days known beside a count over them
    tally: Tally | None = None  # of an endpoint that counts, what was counted
    # By code, (n,) whom it is about: "time-carried-forward", "amount-not-recorded". Every estimate says how many.
    marks: Mapping[str, NDArray[np.bool_]] = field(default_factory=dict)

    @property
    def n(self) -> int:
        """Participants (rows)."""
        return self.participants.n

    def _repr_html_(self) -> str:
        return shown(self)

    def table(self) -> pl.DataFrame:
        """The endpoint as an analysis dataset for people: one row a participant, or a participant and visit."""
        keys = self.participants.frame.select(
            [c for c in ("replicate", "participant_id", "arm") if c in self.participants.frame.columns]
        )
        if self.shape == "hierarchical":
            return keys.with_columns(*_columns_of(self.rungs))
        if self.shape == "ordered":
            assert self.value is not None
            number = pl.Series("number", self.value).fill_nan(None).cast(pl.Int64)
            names = pl.Series("category", self.categories, dtype=pl.String)
            return keys.with_columns(names.gather(number).alias("category"), number)
        if self.shape in ("binary", "number"):
            assert self.value is not None
            dtype = pl.Int64 if self.shape == "binary" else pl.Float64
            frame = keys.with_columns(
                pl.Series("value", self.value).fill_nan(None).cast(dtype),
                pl.Series("imputed", self.imputed if self.imputed is not None else np.zeros(self.n, bool)),
            )
            return frame if self.exposure is None else frame.with_columns(pl.Series("days_known", self.exposure))
        if self.shape == "time-to-event":
            assert self.time is not None
            assert self.event is not None
            frame = keys.with_columns(pl.Series("time", self.time), pl.Series("event", self.event))
            if self.competing is not None:
                frame = frame.with_columns(pl.Series("competing_event", self.competing))
            if self.cause is not None:
                frame = frame.with_columns(pl.Series("cause", self.cause))
            return frame
        assert self.values is not None
        n_visits = len(self.visit_names)
        days = [] if self.tally is None else [pl.Series("days_known", self.tally.days.ravel())]
        return keys[np.repeat(np.arange(self.n), n_visits)].with_columns(
            pl.Series("visit", list(self.visit_names) * self.n),
            pl.Series("week", np.tile(np.asarray(self.visit_weeks), self.n)),
            pl.Series("value", self.values.ravel()).fill_nan(None),
            *days,
        )


def _columns_of(rungs: tuple[Rung, ...]) -> list[pl.Series]:
    """What each level of a hierarchy came to; values are turned so that more is better."""
    out: list[pl.Series] = []
    for number, rung in enumerate(rungs, 1):
        name = f"{number}-{rung.endpoint}"
        if rung.value is not None:
            out.append(pl.Series(name, rung.value).fill_nan(None))
        if rung.time is not None and rung.event is not None:
            out += [pl.Series(f"{name}-time", rung.time).fill_nan(None), pl.Series(f"{name}-event", rung.event)]
    return out
