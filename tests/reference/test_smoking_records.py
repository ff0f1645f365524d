"""The shipped smoking-cessation records hold the times that R sees in the data set.

R 4.2.2, survival 3.5-3; script tests/reference/smoking/fit.R. Published (abstract of Steinberg 2009): median time to
relapse 65 days with the combination and 23 with the patch, p = 0.005.
"""

from __future__ import annotations

import csv
from pathlib import Path

import polars as pl
import pytest

from equipoise.exchange.bundled import bundled_records
from equipoise.exchange.own_tables.convert import import_table

FITS = {
    (row["what"], row["term"]): row
    for row in csv.DictReader((Path(__file__).parent / "smoking" / "fits.csv").read_text("utf-8").splitlines())
}


def times() -> pl.DataFrame:
    """Arm, days from the quit day to relapse or the end of follow-up, and whether it was a relapse."""
    path = bundled_records("smoking-cessation")
    assert path is not None
    records = import_table(path)
    per = records["daily_use"].group_by("participant_id").agg(time=pl.col("day").max() - 1, event=pl.col("used").any())
    return per.join(records["allocations"].select("participant_id", "arm"), on="participant_id")


def kaplan_meier(rows: list[tuple[int, bool]], at: int) -> float:
    survival = 1.0
    for day in sorted({t for t, e in rows if e and t <= at}):
        survival *= 1 - sum(t == day and e for t, e in rows) / sum(t >= day for t, _ in rows)
    return survival


@pytest.mark.parametrize(("arm", "group"), [("triple", "combination"), ("patch", "patchOnly")])
def test_survival_by_hand_is_rs(arm: str, group: str) -> None:
    """Tolerance 1e-12: products of the same few fractions."""
    rows = [(t, e) for t, e in times().filter(pl.col("arm") == arm).select("time", "event").iter_rows()]
    for at in (0, 7, 30, 90, 181):
        expected = float(FITS["km", f"survival_{at}_{group}"]["estimate"])
        assert kaplan_meier(rows, at) == pytest.approx(expected, abs=1e-12)
    # where the curve lies at exactly one half from one event to the next, R takes the middle: (21 + 25) / 2 = 23
    first = next(t for t in range(183) if kaplan_meier(rows, t) <= 0.5 + 1e-12)
    below = next(t for t in range(183) if kaplan_meier(rows, t) < 0.5 - 1e-12)
    assert (first, below) == {"triple": (65, 65), "patch": (21, 25)}[arm]
    assert (first + below) / 2 == float(FITS["km", f"median_{group}"]["estimate"]) == {"triple": 65, "patch": 23}[arm]
    assert sum(not e for _, e in rows) == float(FITS["abstinent", f"n_{group}"]["estimate"])
