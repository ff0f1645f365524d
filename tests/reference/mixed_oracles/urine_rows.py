"""Write urine_rows.csv for the R scripts: trial, id, arm, week, bc, visit, y of the reference trials.

python tests/reference/mixed_oracles/urine_rows.py ../shared/data/r-reference
"""

from __future__ import annotations

import sys
from pathlib import Path

import polars as pl


def read_urine_rows(folder: Path) -> pl.DataFrame:
    """Visits with a urine result, sorted by trial, participant and visit."""
    people = pl.read_csv(folder / "participants.csv", infer_schema_length=None)
    visits = pl.read_csv(folder / "visits.csv", infer_schema_length=None).drop_nulls("urine_positive")
    rows = people.select("trial", "id", "arm", "baseline_craving").join(visits, on=["trial", "id"])
    rows = rows.with_columns(bc=(pl.col("baseline_craving") - 50) / 10, y=pl.col("urine_positive"))
    return rows.select("trial", "id", "arm", "week", "bc", "visit", "y").sort("trial", "id", "visit")


if __name__ == "__main__":
    read_urine_rows(Path(sys.argv[1])).write_csv("urine_rows.csv")
