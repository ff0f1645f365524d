"""Doses, and results in per cent, as a report shows them: who counts as given, what is multiplied by a hundred."""

from __future__ import annotations

from dataclasses import replace

import polars as pl
import pytest

from equipoise.records import Records
from equipoise.reporting import beside_known
from equipoise.reporting import format as fmt
from equipoise.reporting.context import Material
from equipoise.reporting.trial_figures import exposure_table


def with_exposure(material: Material, exposure: pl.DataFrame) -> Material:
    """The same trial with other rows of doses."""
    tables = {**material.records.tables, "exposure": exposure}
    return Material(material.protocol, Records(tables, material.records.source), material.results)


def rows_of(material: Material) -> dict[str, tuple[fmt.Cell, ...]]:
    table = exposure_table(material)
    assert table is not None
    return {str(row.cells[0]): row.cells[1:] for row in table.rows}


def test_a_dose_of_nothing_is_none_and_one_of_unknown_size_is_one(material: Material) -> None:
    exposure = material.records["exposure"]
    arm = next(iter(material.arms))
    drug = next(
        id
        for id in exposure["intervention"].unique(maintain_order=True)
        if id in material.protocol.model.arms[arm].interventions
    )
    people = sorted(material.members[arm])[:3]
    mine = exposure.filter(pl.col("participant_id").is_in(people) & (pl.col("intervention") == drug)).sort(
        "participant_id"
    )
    assert mine.height == 3
    mine = mine.with_columns(
        delivered_mg=pl.Series([0.0, None, 5.0]), interruptions=pl.Series([0, None, 2], dtype=pl.Int64)
    )
    rows = rows_of(with_exposure(material, mine))
    given = next(cells for label, cells in rows.items() if any(isinstance(cell, fmt.Count) for cell in cells))
    n = len(material.members[arm])
    assert given[0] == fmt.Count(2, n)
    interrupted = rows["Any interruption"]
    assert [cell.n for cell in interrupted if isinstance(cell, fmt.Count)] == [1, 0]


def test_doses_and_lengths_are_told_by_median_and_quartiles(material: Material) -> None:
    exposure = material.records["exposure"]
    arm = next(iter(material.arms))
    mine = exposure.filter(pl.col("participant_id").is_in(sorted(material.members[arm])))[:5]
    assert mine.height == 5
    mine = mine.with_columns(
        delivered_mg_per_kg=pl.Series([0.1, 0.2, 0.4, 0.7, 1.1]), minutes=pl.Series([10.0, 20.0, 40.0, 70.0, 110.0])
    )
    rows = rows_of(with_exposure(material, mine))
    dose, length = (
        rows["Dose delivered, mg/kg, median (quartiles)"][0],
        rows["Duration, minutes, median (quartiles)"][0],
    )
    assert isinstance(dose, fmt.Quartiles)
    assert isinstance(length, fmt.Quartiles)
    assert (dose.median, dose.lower, dose.upper) == pytest.approx((0.4, 0.2, 0.7))
    assert (length.median, length.lower, length.upper) == pytest.approx((40, 20, 70))


@pytest.mark.parametrize(("scale", "factor"), [("risk_difference", 100.0), ("odds_ratio", 1.0)])
def test_beside_what_is_known_shares_are_drawn_in_per_cent_and_ratios_as_they_are(
    material: Material, scale: str, factor: float
) -> None:
    estimate = next(e for e in material.results.estimates if e.id == "abstinence")
    changed = replace(estimate, scale=scale, estimate=0.25, ci_lower=0.05, ci_upper=0.45)
    [own] = beside_known._panel(material, changed, []).rows
    assert (own.estimate, own.lower, own.upper) == pytest.approx((factor * 0.25, factor * 0.05, factor * 0.45))
    assert own.label == "This trial (simulated)"
    assert own.kind == "obtained"
