"""Scores of questionnaires straight from the random numbers of their items, for every replicate at once.

The assessments table holds items, and the instruments room adds them up; here the same items are added up without
being written down. An item's answer is ``rint(level + sd z)`` within the bounds of the item, so an answer of at most
``c`` is a uniform number of at most ``Phi((c + 1/2 - level) / sd)``: four comparisons in place of an inversion.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from equipoise.foundation.calendar import day_index
from equipoise.instruments import Instrument
from equipoise.simulation.design import PlannedVisit
from equipoise.simulation.many_trials import ManyTrials
from equipoise.simulation.purposes import Purpose
from equipoise.simulation.questionnaires import attended, mindfulness_levels, stress_levels

Floats = NDArray[np.float64]


def can_sum(trials: ManyTrials, instrument: Instrument) -> bool:
    """Whether :func:`sum_scale` knows the instrument: items of whole numbers, all with one pair of bounds, and noise."""
    if instrument.id == "ffmq-39":
        sd = trials.accompanying.mindfulness_item_sd
    elif instrument.id in ("pss-10", "pss-14"):
        sd = trials.accompanying.stress_item_sd
    else:
        return False
    bounds = {(item.lowest, item.highest, item.whole_numbers) for item in instrument.items}
    return sd > 0 and len(bounds) == 1 and next(iter(bounds))[2]


def sum_scale(trials: ManyTrials, instrument: Instrument, scale: str, visit: PlannedVisit) -> Floats:
    """(n,) the scale at one visit as the items would be scored; NaN where not attended, or too many were left out."""
    came = attended(trials, visit)
    parts = instrument.subscales.values() if scale == "total" and instrument.subscales else [instrument.scales[scale]]
    return np.asarray(sum(_one_scale(trials, instrument, members, visit, came) for members in parts))


def _one_scale(
    trials: ManyTrials, instrument: Instrument, members: tuple[str, ...], visit: PlannedVisit, came: NDArray[np.bool_]
) -> Floats:
    from scipy.special import ndtr

    from equipoise.simulation._totals import sum_answers

    a = trials.accompanying
    is_mindfulness = instrument.id == "ffmq-39"
    sd = a.mindfulness_item_sd if is_mindfulness else a.stress_item_sd
    if is_mindfulness:
        facet = next(f for f, names in enumerate(instrument.subscales.values()) if names == members)
        level = mindfulness_levels(trials, visit, facet)
    else:
        level = stress_levels(trials, visit)
    lowest, highest = int(instrument.items[0].lowest), int(instrument.items[0].highest)
    cuts = ndtr((np.arange(lowest, highest) + 0.5 - level[:, None]) / sd)
    total = np.empty(trials.n, dtype=np.int64)
    given = np.empty(trials.n, dtype=np.int64)
    sum_answers(
        np.uint64(trials.trials.seed),
        trials.trials.replicates.astype(np.uint64),
        trials.design.n_participants,
        np.uint64(max(0, day_index(visit.target_day))),
        np.uint64(int(Purpose.MINDFULNESS_ITEM if is_mindfulness else Purpose.STRESS_ITEM)),
        np.array([instrument.item_ids.index(member) for member in members], dtype=np.uint64),
        float(a.item_left_out),
        lowest,
        np.ascontiguousarray(cuts),
        np.ascontiguousarray(came),
        total,
        given,
    )
    needed = max(1, instrument.missing_rule.items_needed(len(members)))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(came & (given >= needed), total * len(members) / given, np.nan)
