"""Calendar dates of participants at a cut: records have study days, and an export to SDTM needs to know when day 1 was.

The file is apart from the records, because a date says more of a person than a day does.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from equipoise.conduct.audit_trail.projection import apply
from equipoise.conduct.cut.history import read_ledger
from equipoise.workflow.endpoints import write_table

if TYPE_CHECKING:
    from equipoise.conduct.trial.trial import Trial


def dates_at_cut(trial: Trial, *, at: datetime, now: datetime | None = None) -> pl.DataFrame:
    """A row for each participant on the screening log: date of study day 1, and of the first informed consent.

    A date that is not known by then is empty. Neither depends on an arm, so the table is the same for every edition.
    """
    ledger = read_ledger(trial, at, now=now)
    consented: dict[str, str] = {}
    for event in ledger.events:
        for put in apply(event, kept=ledger.kept):
            if put.table.name == "participant" and put.values.get("consented_on"):
                consented.setdefault(str(put.key[0]), str(put.values["consented_on"]))
    rows = [
        {
            "participant_id": row["participant"],
            "day_1": row["day_1"] or None,
            "informed_consent": consented.get(row["participant"]),
        }
        for row in ledger.tables["participant"]
    ]
    return pl.DataFrame(rows, schema=dict.fromkeys(("participant_id", "day_1", "informed_consent"), pl.String))


def write_dates(trial: Trial, path: Path, *, at: datetime, force: bool = False) -> None:
    """Write the dates as a CSV file that only the account which writes it may read."""
    write_table(dates_at_cut(trial, at=at), path, force=force, private=True)


__all__ = ["dates_at_cut", "write_dates"]
