"""One participant's days: the rows of the heat map with what was found day by day, and what each definition says.

It is on the web page alone, and there only of fictional participants or of files that were imported; records of a
running trial are nobody's but the trial's, and a report travels.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from equipoise.endpoints.endpoint_values import Derived
from equipoise.endpoints.lattice import CLEAN, UNKNOWN, USED
from equipoise.endpoints.repeated_use import visit_words
from equipoise.foundation.calendar import study_day
from equipoise.protocol.language.protocol import PlannedVisit
from equipoise.reporting import format as fmt
from equipoise.reporting import words
from equipoise.reporting.context import Material
from equipoise.reporting.document import ArmOfDays, ParticipantDays, PersonDays
from equipoise.reporting.figures.use_pattern import sorted_rows
from equipoise.reporting.palette import arm_token

MOST_PARTICIPANTS = 1500
_MOST_DEFINITIONS = 8
_LETTERS = {CLEAN: "-", USED: "+", UNKNOWN: "o"}


def participant_days(material: Material, visits: Sequence[PlannedVisit]) -> ParticipantDays | None:
    """The days of every participant under the first definition of use, in the order of the heat map of ``visits``."""
    model, lattice = material.protocol.model, material.lattice
    if len(visits) < 2 or not model.use or material.records.source.is_private or lattice.n > MOST_PARTICIPANTS:
        return None
    use = next(iter(model.use))
    begin = max(int(np.clip(lattice.start_of(None), 0, lattice.n_days - 1).min()), 0)
    end = min(lattice.column(visits[-1].target_day) + 1, lattice.n_days)
    sources = [
        (name, cells[:, begin:end])
        for name, cells in zip(("Urine", "Self-report"), lattice.use_by_source(use), strict=True)
        if cells[:, begin:end].any()
    ]
    if not sources or end <= begin:
        return None
    patterns = visit_words(lattice, visits[0].series, use)
    said = _definitions(material)
    arms = []
    for position, (arm, label) in enumerate(material.arms.items()):
        rows = np.flatnonzero(lattice.participants.arm == arm)
        order = [int(rows[k]) for k in sorted_rows([patterns[i] for i in rows])]
        people = tuple(_person(material, i, patterns[i], [cells[i] for _, cells in sources], said) for i in order)
        arms.append(ArmOfDays(label, arm_token(position), people))
    return ParticipantDays(
        title="One participant's days",
        lead="Point at a row of the map, or choose an arm and a row of it.",
        use=words.capitalized(model.use[use].words or use.replace("-", " ")),
        first_day=study_day(begin + lattice.first),
        sources=tuple(name for name, _ in sources),
        definitions=tuple(material.endpoint_label(id) for id in said),
        arms=tuple(arms),
    )


def _definitions(material: Material) -> Mapping[str, Derived]:
    """Endpoints about use that were derived of the same participants, in the plan's order."""
    model = material.protocol.model
    mine = material.lattice.participants.frame["participant_id"]
    out: dict[str, Derived] = {}
    for id, derived in material.results.endpoints.items():
        same = derived.n == material.lattice.n and derived.participants.frame["participant_id"].equals(mine)
        if model.endpoints[id].is_about_use and same and len(out) < _MOST_DEFINITIONS:
            out[id] = derived
    return out


def _person(
    material: Material, i: int, pattern: str, cells: Sequence[NDArray[np.uint8]], said: Mapping[str, Derived]
) -> PersonDays:
    name = str(material.lattice.participants.frame["participant_id"][i]) if material.records.is_simulated else ""
    return PersonDays(name, pattern, tuple(run_lengths(row) for row in cells), tuple(told(d, i) for d in said.values()))


def run_lengths(cells: NDArray[np.uint8]) -> str:
    """Days as letters, each with how many alike: ``_6 - +2``; ``+`` use, ``-`` none, ``o`` unclear, ``_`` not seen."""
    runs = [(letter, len(list(same))) for letter, same in groupby(_LETTERS.get(int(code), "_") for code in cells)]
    return " ".join(letter if n == 1 else f"{letter}{n}" for letter, n in runs)


def told(derived: Derived, i: int) -> str:
    """What a definition says of one participant, and whether that rests on the rule for missing results."""
    by_rule = ", by the rule for missing results" if derived.imputed is not None and derived.imputed[i] else ""
    if derived.shape == "time-to-event" and derived.time is not None and derived.event is not None:
        time = float(derived.time[i])
        if math.isnan(time):
            return "no result"
        days = f"{time:g} {'day' if time == 1 else 'days'}"
        return f"yes, after {days}{by_rule}" if derived.event[i] else f"no, followed for {days}{by_rule}"
    if derived.shape == "repeated-binary" and derived.values is not None:
        row = derived.values[i]
        seen = int((~np.isnan(row)).sum())
        return f"{int(np.nansum(row))} of {fmt.plural(seen, 'visit')}" if seen else "no result"
    if derived.shape == "hierarchical":
        return "compared pair by pair"
    if derived.value is None or math.isnan(float(derived.value[i])):
        return "no result"
    value = float(derived.value[i])
    if derived.shape == "ordered":
        return derived.categories[int(value)] + by_rule
    return (("yes" if value else "no") if derived.shape == "binary" else f"{value:.3g}") + by_rule
