"""Sample sizes against a margin beside rpact."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from equipoise.stats.design.sample_size import margin_size

SIZES = Path(__file__).resolve().parent / "margins" / "farrington_manning_sizes.csv"


def test_sizes_are_those_of_rpact() -> None:
    with SIZES.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 132
    for row in rows:
        p0, p1, margin, ratio, power = (float(row[key]) for key in ("p0", "p1", "margin", "ratio", "power"))
        how = {"power": power, "alpha_one_sided": 0.025, "allocation_ratio": ratio, "scale": row["scale"]}
        n = margin_size(p0, p1, margin, **how).n_total  # type: ignore[arg-type]
        assert n == pytest.approx(float(row["n_total"]), rel=1e-8)  # its answers are kept to eight decimals
