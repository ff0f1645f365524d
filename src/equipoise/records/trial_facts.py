"""What of a protocol the tables of a trial can be held against."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from equipoise.instruments import Instrument, instruments_of, makes_scores
from equipoise.protocol.language.design import BaselineVariable
from equipoise.protocol.language.protocol import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialFacts:
    """What a protocol says that records can be held against; ``None`` or empty: not said, not checked.

    ``uses`` names for each definition of use the substances that show it: at least one result of one of them must be
    there. ``other_substances`` may occur besides; where it is ``None`` any may. Unscheduled contacts may bear any name,
    a missed visit only one of ``visits``. ``keys`` are the instruments whose items and ranges are known, ``terms`` the
    outcome events that may occur. ``counted`` holds the visits of each series by which an endpoint tells missed from
    kept.
    """

    trial: str = ""
    arms: tuple[str, ...] = ()
    first_day: int | None = None
    last_day: int | None = None
    visits: tuple[str, ...] = ()
    counted: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    uses: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    other_substances: tuple[str, ...] | None = None
    interventions: tuple[str, ...] = ()
    instruments: tuple[str, ...] = ()
    keys: tuple[Instrument, ...] = ()
    terms: tuple[str, ...] | None = None
    baseline: Mapping[str, BaselineVariable] = field(default_factory=dict)
    randomized: bool = True


def facts_of(protocol: Protocol) -> TrialFacts:
    """What of a protocol records are held against.

    Days before study day 1 are bounded only where the calendar has an epoch there (screening and recall often come
    before the first epoch); days after the last epoch may fall into the window of its last visit.
    """
    model = protocol.model
    uses: dict[str, tuple[str, ...]] = {}
    for name, use in model.use.items():
        found = {*_flat(use.substances), *_flat(use.self_report_substances or ())}
        uses[name] = tuple(sorted(found))
    first = model.calendar.first_day
    visits = protocol.planned_visits
    return TrialFacts(
        trial=protocol.id,
        arms=protocol.arm_ids,
        first_day=first if first < 0 else None,
        last_day=max([model.calendar.last_day, *(visit.last_day for visit in visits)]),
        visits=tuple(visit.name for visit in visits),
        counted={name: tuple(v.name for v in protocol.series(name)) for name in _counted_series(protocol)},
        uses=uses,
        interventions=tuple(model.interventions),
        instruments=tuple(sorted({a.instrument or n for n, a in model.assessments.items() if makes_scores(a)})),
        keys=tuple(instruments_of(protocol).values()),
        terms=event_terms(protocol),
        baseline=model.recorded_baseline,
        randomized=model.randomization is not None,
    )


def _counted_series(protocol: Protocol) -> list[str]:
    """Visit series by which an endpoint tells a missed visit from a kept one, or at which it takes its values."""
    out: set[str] = set()
    for endpoint in protocol.model.endpoints.values():
        at = getattr(endpoint, "at", None)
        out |= {*endpoint.counted_series, *(() if at is None else (at,))}
    return sorted(out)


def event_terms(protocol: Protocol) -> tuple[str, ...]:
    """Outcome events that the protocol's assessments ask about, each once."""
    return tuple(dict.fromkeys(term for a in protocol.model.assessments.values() for term in a.terms))


def _flat(names: Any) -> set[str]:
    """Names of a list, or of every list of a mapping by arm."""
    if isinstance(names, str):
        return {names}
    if isinstance(names, Mapping):
        return set().union(*(_flat(entry) for entry in names.values()))
    return set(names)
