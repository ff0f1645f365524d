"""Layouts for other trials than of two arms, and results over time: a column for each arm, a grid of factors."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from equipoise.endpoints.endpoint_values import Derived
from equipoise.reporting import format as fmt
from equipoise.reporting.by_arm import Mask, arm_result, what_is_shown
from equipoise.reporting.context import LEADING, Material
from equipoise.reporting.document import Block, Column, Row, Table


def by_arm_table(material: Material) -> Table | None:
    """Leading endpoints with a column for each of three and more arms; comparisons stand in a table of their own."""
    if len(material.arms) < 3 or material.is_crossover:
        return None
    rows: list[Row] = []
    for endpoint in dict.fromkeys(e.endpoint for e in material.answers(*LEADING)):
        derived = material.results.endpoints.get(endpoint)
        if derived is not None:
            arm_of = derived.participants.arm
            cells = (arm_result(derived, arm_of == arm) for arm in material.arms)
            rows.append(Row((material.endpoint_label(endpoint) + what_is_shown(derived), *cells)))
    if not rows:
        return None
    columns = (
        Column("Endpoint", wide=True),
        *(Column(label, "decimal", f"n={len(material.members[arm])}") for arm, label in material.arms.items()),
    )
    subtitle = f"{material.everybody}, n={fmt.thousands(material.n_randomized)}; results as observed"
    return Table("Results by arm", columns, tuple(rows), subtitle)


def factorial_tables(material: Material) -> list[Block]:
    """For each leading endpoint of a trial of two factors: cells, and the margins that effects of a factor rest on."""
    arms = material.protocol.model.arms
    names = list(dict.fromkeys(name for arm in material.arms for name in arms[arm].factors))
    if len(names) != 2 or any(set(arms[arm].factors) != set(names) for arm in material.arms):
        return []
    first, second = names
    levels = {name: list(dict.fromkeys(arms[arm].factors[name] for arm in material.arms)) for name in names}
    tables: list[Block] = []
    for endpoint in dict.fromkeys(e.endpoint for e in material.answers(*LEADING)):
        derived = material.results.endpoints.get(endpoint)
        if derived is not None:
            tables.append(_grid(material, derived, (first, second), levels))
    return tables


def _grid(material: Material, derived: Derived, names: tuple[str, str], levels: Mapping[str, list[str]]) -> Table:
    first, second = names
    arms = material.protocol.model.arms
    arm_of = derived.participants.arm

    def among(row: str | None, column: str | None) -> Mask:
        chosen = [
            arm
            for arm in material.arms
            if (row is None or arms[arm].factors[first] == row)
            and (column is None or arms[arm].factors[second] == column)
        ]
        return np.isin(arm_of, chosen)

    rows = []
    for row in levels[first]:
        cells = [arm_result(derived, among(row, column)) for column in (*levels[second], None)]
        rows.append(Row((material.arm_label(row), *cells)))
    both = f"Either {second.replace('-', ' ')}"
    last = [arm_result(derived, among(None, column)) for column in (*levels[second], None)]
    rows.append(Row((f"Either {first.replace('-', ' ')}", *last), "total"))
    columns = (
        Column(first.replace("-", " ").capitalize()),
        *(Column(material.arm_label(level), "decimal") for level in levels[second]),
        Column(both, "decimal"),
    )
    label = material.endpoint_label(derived.endpoint)
    return Table(
        f"By factors: {label[:1].lower() + label[1:]}{what_is_shown(derived)}",
        columns,
        tuple(rows),
        "Cells are arms; the last column and row are what the effect of one factor compares",
    )


def over_time_tables(material: Material) -> list[Block]:
    """Results visit by visit and arm, of every endpoint with several visits that the plan asks about."""
    model = material.protocol.model
    asked = {estimand.endpoint for estimand in model.estimands.values()}
    tables: list[Block] = []
    for id, derived in material.results.endpoints.items():
        is_yes = derived.shape == "repeated-binary"
        table = derived.values if is_yes or derived.raw is None else derived.raw
        if id not in asked or table is None or derived.shape not in ("repeated-binary", "repeated-score"):
            continue
        if len(derived.visit_names) < 2 or not np.isfinite(table).any():
            continue
        rows = [
            Row((_visit(material, name), *_cells(material, derived, table[:, k])))
            for k, name in enumerate(derived.visit_names)
        ]
        columns = (
            Column("Visit"),
            *(Column(label, "decimal", f"n={len(material.members[arm])}") for arm, label in material.arms.items()),
        )
        label = material.endpoint_label(id)
        what = "participants with it/with a result" if is_yes else "mean (SD); n"
        tables.append(Table(f"Over time: {label[:1].lower() + label[1:]}", columns, tuple(rows), f"By visit, {what}"))
    return tables


def _cells(material: Material, derived: Derived, values: np.ndarray) -> list[fmt.Cell]:
    cells: list[fmt.Cell] = []
    for arm in material.arms:
        mine = values[derived.participants.arm == arm]
        known = mine[np.isfinite(mine)]
        if not known.size:
            cells.append("no values")
        elif derived.shape == "repeated-binary":
            cells.append(fmt.Count(int(known.sum()), int(known.size), show_denominator=True))
        else:
            sd = float(np.std(known, ddof=1)) if known.size > 1 else None
            cells.append(fmt.MeanSD(float(known.mean()), sd, n=int(known.size)))
    return cells


def _visit(material: Material, name: str) -> str:
    """A visit by its name and study day."""
    planned = next((v for v in material.protocol.planned_visits if v.name == name), None)
    text = name.replace("-", " ").capitalize()
    day = f"day {planned.target_day}" if planned is not None else ""
    return text if not day or day in text.lower() else f"{text} ({day.replace('-', fmt.MINUS)})"
