"""Scores of questionnaires straight from the random numbers of their items, for every replicate at once.

The assessments table holds items, and the instruments room adds them up; here the same items are added up without
being written down. An item's answer is ``rint(level + sd z)`` within the bounds of the item; which it is can be told
from the uniform number without inverting it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from equipoise.foundation.calendar import day_index
from equipoise.instruments import Instrument
from equipoise.simulation.design import SimulatedVisit
from equipoise.simulation.many_trials import ManyTrials
from equipoise.simulation.purposes import Purpose
from equipoise.simulation.questionnaires import (
    attended,
    mindfulness_change,
    mindfulness_persons,
    stress_change,
    stress_persons,
)

Floats = NDArray[np.float64]
_MINDFULNESS, _STRESS = ("ffmq-39",), ("pss-10", "pss-14")


@cache
def _quantiles() -> Floats:
    """Standard normal quantiles at the edges of equal shares, minus and plus infinity at the ends."""
    from scipy.special import ndtri

    from equipoise.simulation._totals import BINS

    return np.asarray(ndtri(np.arange(2**BINS + 1) / 2**BINS))


def can_sum(trials: ManyTrials, instrument: Instrument) -> bool:
    """Whether :func:`sum_scale` knows the instrument: items of whole numbers, one pair of bounds, answers that vary."""
    if instrument.id in _MINDFULNESS:
        sd = trials.accompanying.mindfulness_item_sd
    elif instrument.id in _STRESS:
        sd = trials.accompanying.stress_item_sd
    else:
        return False
    bounds = {(item.lowest, item.highest, item.whole_numbers) for item in instrument.items}
    return sd > 0 and len(bounds) == 1 and next(iter(bounds))[2]


def sum_scale(
    trials: ManyTrials, instrument: Instrument, scale: str, visits: Sequence[SimulatedVisit | None]
) -> Floats:
    """(n, n_visits) a scale as its items would be scored; NaN where not attended or too many items were left out.

    A visit that is ``None`` has no score.
    """
    from equipoise.simulation._totals import Contact, Draws, Items, score_answers

    a = trials.accompanying
    whole = scale == "total" and bool(instrument.subscales)
    parts = list(instrument.subscales.values()) if whole else [instrument.scales[scale]]
    is_mindfulness = instrument.id in _MINDFULNESS
    if is_mindfulness:
        facets = list(instrument.subscales.values())
        persons = np.stack([mindfulness_persons(trials, facets.index(members)) for members in parts], axis=1)
    else:
        persons = stress_persons(trials)[:, None]
    change = mindfulness_change if is_mindfulness else stress_change
    sd = a.mindfulness_item_sd if is_mindfulness else a.stress_item_sd
    purpose = Purpose.MINDFULNESS_ITEM if is_mindfulness else Purpose.STRESS_ITEM
    lowest, highest = int(instrument.items[0].lowest), int(instrument.items[0].highest)
    places = [instrument.item_ids.index(item) for members in parts for item in members]
    # Whole vectors of the processor: the last ones are drawn and not read.
    places += [0] * (-len(places) % 8)
    sizes = np.array([len(members) for members in parts])
    needed = np.array([max(1, instrument.missing_rule.items_needed(int(size))) for size in sizes])
    out = np.full((trials.n, len(visits)), np.nan)
    draws = Draws(
        np.uint64(trials.trials.seed),
        trials.trials.replicates.astype(np.uint64),
        int(trials.design.n_participants),
        np.uint64(int(purpose)),
    )
    items = Items(
        places=np.array(places, dtype=np.uint64),
        starts=np.concatenate([[0], np.cumsum(sizes)]),
        needed=needed,
        left_out=float(a.item_left_out),
        lowest=lowest,
        highest=highest,
        sd=float(sd),
        quantiles=_quantiles(),
    )
    for v, visit in enumerate(visits):
        if visit is None:
            continue
        contact = Contact(
            day=np.uint64(max(0, day_index(visit.target_day))),
            persons=np.ascontiguousarray(persons),
            change=np.ascontiguousarray(change(trials, visit)),
            wanted=np.ascontiguousarray(attended(trials, visit)),
        )
        score_answers(draws, items, contact, v, out)
    return out
