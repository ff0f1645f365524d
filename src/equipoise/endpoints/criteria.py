"""Yes or no from scores and findings: whether a score meets a criterion, and what was found at a visit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from equipoise.endpoints.endpoint_values import Derived
from equipoise.endpoints.lattice import CAME, NEVER, Index, Lattice
from equipoise.endpoints.missing import carry_forward
from equipoise.instruments import FINDING, Instrument, require_instrument_of
from equipoise.protocol.language.outcomes import CriterionEndpoint, FindingEndpoint, ScoreCriterion, ScoreEvent
from equipoise.records.baseline_values import as_levels, name_of_column

Floats = NDArray[np.float64]
# Level of a baseline variable to the number that holds for it, or one number for everybody.
Bound = float | Mapping[str, float] | None


@dataclass(frozen=True)
class Judged:
    """Scores held against a criterion: 1 met, 0 not met, NaN not known, (n, n_visits).

    ``without_percent`` (n,) marks whose baseline score is 0: of it there are no per cent.
    """

    met: Floats
    without_percent: NDArray[np.bool_]


def judge(lattice: Lattice, criterion: ScoreCriterion, scores: Floats) -> Judged:
    """Hold ``scores`` (n, n_visits) against a criterion; what any part of it cannot decide is not known.

    Numbers may go by a baseline variable; whoever's level is not known has no result. An improvement counts in the
    direction that is better by the instrument: by points, or by per cent of the baseline score.
    """
    instrument = require_instrument_of(lattice.protocol, criterion.assessment)
    lower, upper, of = _bounds(criterion, instrument)
    met = np.ones(scores.shape)
    for bound, compare in ((lower, np.greater_equal), (upper, np.less_equal)):
        if bound is not None:
            limit = _limit(lattice, bound, of)[:, None]
            met *= np.where(np.isnan(limit), np.nan, compare(scores, limit))
    without = np.zeros(lattice.n, dtype=np.bool_)
    if criterion.improved_by is not None:
        before = lattice.scale_values(instrument, criterion.scale, (str(criterion.baseline),))
        gain = (before - scores) if instrument.better == "lower" else (scores - before)
        if criterion.improved_by.is_percent:
            without = np.asarray(before[:, 0] == 0)
            gain = np.divide(100.0 * gain, before, out=np.full(gain.shape, np.nan), where=before > 0)
        # A gain of exactly the amount counts, also where the division leaves its last digit off.
        met *= np.where(np.isnan(gain), np.nan, gain >= criterion.improved_by.amount - 1e-9)
    return Judged(np.where(np.isnan(scores), np.nan, met), without)


def _bounds(criterion: ScoreCriterion, instrument: Instrument) -> tuple[Bound, Bound, str | None]:
    """Lower and upper bound and the variable they go by: the criterion's own, or those of the named threshold."""
    if criterion.threshold is None:
        return criterion.at_least, criterion.at_most, criterion.of
    named = instrument.threshold(criterion.threshold)
    assert named is not None  # the check of the protocol has held the name against the instrument

    def plain(bound: float | tuple[tuple[str, float], ...] | None) -> Bound:
        return dict(bound) if isinstance(bound, tuple) else bound

    return plain(named.at_least), plain(named.at_most), named.of


def _limit(lattice: Lattice, bound: float | Mapping[str, float], of: str | None) -> Floats:
    """(n,) the number that holds for each participant; NaN where the level that decides it is not known."""
    if not isinstance(bound, Mapping):
        return np.full(lattice.n, float(bound))
    baseline = lattice.participants.baseline
    column = name_of_column(baseline.columns, str(of))
    levels = as_levels(baseline[column]).to_list() if column is not None else [None] * lattice.n
    return np.array([float(bound.get(str(level), np.nan)) for level in levels])


def derive_criterion(lattice: Lattice, id: str, endpoint: CriterionEndpoint, missed: str | None = None) -> Derived:
    """1 where the score meets the criterion, 0 where it does not; a missing score by the endpoint's rule.

    An analysis may say ``is-use`` for the worse answer and ``is-no-use`` for the better one.
    """
    instrument = require_instrument_of(lattice.protocol, endpoint.assessment)
    names = _visits(lattice, endpoint.at, endpoint.visit)
    scores = lattice.scale_values(instrument, endpoint.scale, names)
    rule = missed or endpoint.missed
    judged = judge(lattice, endpoint, carry_forward(scores) if rule == "last-observation" else scores)
    values = judged.met
    missing = np.isnan(values)
    values = np.where(missing, _stands_for(rule, endpoint.better), values)
    # Only those whose result rests on a percentage that does not exist, and not on a score left out.
    marked = judged.without_percent & ~np.isnan(scores).all(axis=1) & missing.any(axis=1)
    marks = {"percent-of-nothing": marked} if marked.any() else {}
    return _yes_or_no(lattice, id, endpoint, values, missing, endpoint.label or id.replace("-", " "), marks)


def derive_finding(lattice: Lattice, id: str, endpoint: FindingEndpoint, missed: str | None = None) -> Derived:
    """1 where the finding is yes, 0 where it is no, at each visit or one; a missing result by the endpoint's rule."""
    entry = lattice.protocol.model.assessments[endpoint.assessment]
    names = _visits(lattice, endpoint.at, endpoint.visit)
    values = lattice.item_values(endpoint.assessment, FINDING, names)
    rule = missed or endpoint.missed
    if rule == "last-observation":
        values = carry_forward(values)
    missing = np.isnan(values)
    values = np.where(missing, _stands_for(rule, endpoint.better), values)
    return _yes_or_no(lattice, id, endpoint, values, missing, str(entry.yes), {})


def _visits(lattice: Lattice, at: str | None, visit: str | None) -> tuple[str, ...]:
    return (visit,) if visit is not None else lattice.visits(str(at)).names


def _stands_for(rule: str, better: str) -> float:
    good, bad = (1.0, 0.0) if better == "higher" else (0.0, 1.0)
    return {"is-yes": 1.0, "is-no": 0.0, "is-use": bad, "is-no-use": good}.get(rule, np.nan)


def _yes_or_no(
    lattice: Lattice,
    id: str,
    endpoint: CriterionEndpoint | FindingEndpoint,
    values: Floats,
    missing: NDArray[np.bool_],
    word: str,
    marks: Mapping[str, NDArray[np.bool_]],
) -> Derived:
    shape = endpoint.shape
    if shape == "binary":
        return Derived(
            endpoint=id,
            kind=endpoint.kind,
            shape=shape,
            participants=lattice.participants,
            event_word=word,
            value=values[:, 0],
            imputed=missing[:, 0] & ~np.isnan(values[:, 0]),
            marks=marks,
        )
    target = lattice.visits(str(endpoint.at)).target
    return Derived(
        endpoint=id,
        kind=endpoint.kind,
        shape=shape,
        participants=lattice.participants,
        event_word=word,
        values=values,
        visit_names=_visits(lattice, endpoint.at, endpoint.visit),
        visit_weeks=(target - target[0]) / 7.0,
        first_visit_day=int(target[0]),
        marks=marks,
    )


def first_met(lattice: Lattice, event: ScoreEvent, earliest: int) -> Index:
    """(n,) day index of the first visit from ``earliest`` on at which the score meets the criterion; NEVER without."""
    days, met = _by_day(lattice, event)
    first = np.where((met == 1.0) & (days >= earliest), days, NEVER).min(axis=1, initial=NEVER)
    return np.asarray(first, dtype=np.int64)


def scores_known_to(lattice: Lattice, event: ScoreEvent, until: int) -> Index:
    """(n,) day index of the last visit with a result; ``until`` where that of the last visit planned is there."""
    days, met = _by_day(lattice, event)
    known = ~np.isnan(met) & (days <= until)
    last = np.where(known, days, -NEVER).max(axis=1, initial=-NEVER)
    finished = known[:, -1] if known.shape[1] else np.zeros(lattice.n, dtype=np.bool_)
    return np.where(finished, until, last).astype(np.int64)


def _by_day(lattice: Lattice, event: ScoreEvent) -> tuple[Index, Floats]:
    """(n, n_visits) day index of each visit (its target where it did not take place), and what came of its score."""
    visits = lattice.visits(event.at)
    instrument = require_instrument_of(lattice.protocol, event.assessment)
    met = judge(lattice, event, lattice.scale_values(instrument, event.scale, visits.names)).met
    days = np.where(visits.state == CAME, visits.day, visits.target[None, :])
    return days.astype(np.int64), met
