"""Blinding: who guessed which arm, at the times the protocol asks, and the indices of James and of Bang."""

from __future__ import annotations

import polars as pl

from equipoise.reporting import format as fmt
from equipoise.reporting.context import Material
from equipoise.reporting.document import Column, Row, Table
from equipoise.stats.blinding import bang_index, james_index

INSTRUMENT = "arm-guess"
WORDS = {"participant": "Participants", "clinician": "Clinicians"}


def build_guesses_table(material: Material) -> Table | None:
    """Guesses of the arm by those randomized to each; None where nobody was asked, or no arm is told."""
    asked = material.records["assessments"].filter(pl.col("instrument") == INSTRUMENT)
    if asked.height == 0:
        return None
    arms = list(material.protocol.arm_ids)  # a guess is the number of the arm in this order, from 1
    first = material.records["allocations"]
    first = first.filter(pl.col("stage") == first["stage"].min())
    told = asked.join(first.select("participant_id", "arm"), on="participant_id").drop_nulls(["value", "arm"])
    rows, notes = [], []
    # Participants before clinicians, visits in the order of days.
    days = {visit.name: visit.target_day for visit in material.protocol.planned_visits}
    roles = list(WORDS)
    in_order = sorted(
        set(told.select("item", "visit").iter_rows()),
        key=lambda at: (roles.index(at[0]) if at[0] in roles else len(roles), at[0], days.get(at[1], 0), at[1]),
    )
    for item, visit in in_order:
        mine = told.filter((pl.col("visit") == visit) & (pl.col("item") == item))
        counts = [
            [
                mine.filter((pl.col("arm") == arm) & (pl.col("value") == number)).height
                for number in range(len(arms) + 1)
            ]
            for arm in arms
        ]
        name = f"{WORDS.get(item, item.capitalize())}, {visit}"
        right = [row[number] for number, row in enumerate(counts, 1)]
        unsure, totals = [row[0] for row in counts], [sum(row) for row in counts]
        wrong = [total - r - u for total, r, u in zip(totals, right, unsure, strict=True)]
        rows += [
            Row((name,), "group"),
            Row(("Asked", *totals), indent=1),
            Row(("Guessed right", *map(fmt.Count, right, totals)), indent=1),
            Row(("Guessed wrong", *map(fmt.Count, wrong, totals)), indent=1),
            Row(("Did not know", *map(fmt.Count, unsure, totals)), indent=1),
            Row(("Bang index (95% CI)", *map(_bang, right, wrong, unsure)), indent=1),
        ]
        if all(totals):
            index = james_index([[*row[1:], row[0]] for row in counts])
            notes.append(f"{name}: James index {fmt.fixed(index, 2)}.")
    if not rows:  # arms are not told in these records
        return None
    notes.append(
        "Bang index: share right less share wrong among those asked; 1 all right, 0 as by chance, "
        f"{fmt.MINUS}1 all wrong. James index of all arms together: 1 nobody knows, 0.5 as by chance, 0 all right."
    )
    columns = (Column("", wide=True), *(Column(material.protocol.arm_label(arm), "decimal") for arm in arms))
    return Table("Guesses of the arm", columns, tuple(rows), footnotes=tuple(notes))


def _bang(right: int, wrong: int, unsure: int) -> fmt.Cell:
    if right + wrong + unsure == 0:
        return None
    index, error = bang_index(right, wrong, unsure)
    return fmt.Interval(index, max(-1.0, index - 1.96 * error), min(1.0, index + 1.96 * error))
