"""Every number of a report as data: each table with its unrounded values, and one row per statistic.

The columns of ``ard.csv`` follow the analysis results data of CDISC (and R's ``cards``): what was computed
(``context``, ``variable``, ``variable_level``), in whom (``group1``, ``group1_level``), which statistic, its value, and
its text as the report prints it.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from equipoise.reporting import format as fmt
from equipoise.reporting.answer import missing_visits
from equipoise.reporting.context import Material
from equipoise.reporting.document import Document, Table, plain
from equipoise.reporting.layout import slug
from equipoise.reporting.stages import stages_of
from equipoise.reporting.trial_figures import flow_counts

ARD_KEYS = (
    "context",
    "analysis",
    "variable",
    "variable_level",
    "group1",
    "group1_level",
    "stat_name",
    "stat_label",
    "stat",
    "stat_fmt",
    "simulated",
)
LABELS: dict[str, str] = {
    "n": "number",
    "N": "denominator",
    "p": "proportion",
    "estimate": "estimate",
    "std.error": "standard error",
    "conf.low": "lower confidence limit",
    "conf.high": "upper confidence limit",
    "conf.level": "confidence level",
    "statistic": "test statistic",
    "parameter": "degrees of freedom",
    "p.value": "p value",
    "mean": "mean",
    "sd": "standard deviation",
    "median": "median",
    "p25": "lower quartile",
    "p75": "upper quartile",
    "value": "value",
}
# Field of an estimate -> name of the statistic, as R's broom and cards name them.
_OF_ESTIMATE = {
    "estimate": "estimate",
    "standard_error": "std.error",
    "ci_lower": "conf.low",
    "ci_upper": "conf.high",
    "ci_level": "conf.level",
    "statistic": "statistic",
    "df": "parameter",
    "p_value": "p.value",
    "n_analysed": "N",
    "n_events": "n",
}


@dataclass(frozen=True, slots=True)
class Statistic:
    """One number: what it is of, in whom, its name, its unrounded value and its text."""

    context: str
    analysis: str
    variable: str
    variable_level: str
    group1: str
    group1_level: str
    stat_name: str
    stat: float | None
    stat_fmt: str = ""


def values_of(cell: fmt.Cell) -> dict[str, float | None]:
    """The unrounded numbers of a cell by name; nothing of a text."""
    match cell:
        case fmt.Count():
            found: dict[str, float | None] = {"n": cell.n}
            if cell.of is not None:
                found |= {"N": cell.of, "p": cell.n / cell.of if cell.of else None}
        case fmt.Interval():
            found = {"estimate": cell.estimate, "conf.low": cell.lower, "conf.high": cell.upper}
        case fmt.PValue():
            found = {"p.value": cell.value}
        case fmt.MeanSD():
            found = {"mean": cell.mean, "sd": cell.sd, **({} if cell.n is None else {"N": cell.n})}
        case fmt.Quartiles():
            found = {"median": cell.median, "p25": cell.lower, "p75": cell.upper}
        case fmt.Number():
            found = {"value": cell.value}
        case bool() | str() | None:
            return {}
        case _:
            found = {"value": cell}
    return {name: _finite(value) for name, value in found.items()}


def _finite(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else value


def tables_value(document: Document) -> list[dict[str, Any]]:
    """Every table of a report: caption, heads, and rows whose cells have their text and their unrounded numbers."""
    out = []
    for number, table in enumerate((b for b in document.blocks if isinstance(b, Table)), 1):
        rows = []
        for row in table.rows:
            cells = [
                {"text": fmt.cell(cell), **({"values": found} if (found := values_of(cell)) else {})}
                for cell in row.cells
            ]
            rows.append({"kind": row.kind, "indent": row.indent, "footnotes": row.marks, "cells": cells})
        out.append(
            {
                "number": number,
                "caption": table.caption if table.is_real else document.titled(table.caption),
                "subtitle": table.subtitle,
                "columns": [" ".join(part for part in (c.head, c.unit) if part) for c in table.columns],
                "rows": rows,
                "footnotes": list(table.footnotes),
            }
        )
    return out


def report_value(material: Material, document: Document) -> dict[str, Any]:
    """What ``results.json`` holds beside the estimates: flow by stage, missed visits, tables, figures."""
    missed = {arm: {"missed": m, "due": due} for arm, (m, due) in missing_visits(material).items()}
    tested, after = material.results.multiplicity, material.results.after_looks
    return {
        "flow": [_plain(asdict(flow_counts(mine))) for mine in stages_of(material)],
        "missed_visits": missed,
        "tables": tables_value(document),
        "figures": [
            {"number": k, "caption": document.titled(f.caption), "subtitle": f.subtitle, "says": f.alt, "note": f.note}
            for k, f in enumerate(document.figures, 1)
        ],
        "answer": _answer(document),
        **({} if tested is None else {"multiplicity": tested.as_dict()}),
        **({} if after is None else {"interim": after.as_dict()}),
    }


def _answer(document: Document) -> dict[str, Any] | None:
    answer = document.answer
    if answer is None:
        return None
    caution = answer.caution
    return {
        "question": answer.question,
        "endpoint": answer.endpoint,
        "verdict": answer.verdict,
        "does_it_hold": [
            {"analysis": r.name, "text": r.text, "kind": r.kind} for r in answer.strip if r.kind != "axis"
        ],
        "caution": None if caution is None else f"{caution.title} {plain(caution.text)}".strip(),
    }


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(v) for key, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    return sorted(value) if isinstance(value, frozenset) else value


def statistics(material: Material, document: Document) -> Iterator[Statistic]:
    """One row per statistic: every estimate, the flow of participants, and every number of every table."""
    for estimate in material.results.estimates:
        pair = [material.arm_label(estimate.arm), material.arm_label(estimate.reference)]
        choices = "; ".join(f"{k}={v}" for k, v in material.choices(estimate).items())
        for field, name in _OF_ESTIMATE.items():
            value = getattr(estimate, field)
            if value is not None:
                yield Statistic(
                    f"estimate: {estimate.scale}",
                    estimate.id,
                    estimate.endpoint,
                    choices,
                    "arm",
                    " versus ".join(part for part in pair if part),
                    name,
                    float(value),
                )
    for mine in stages_of(material):
        yield from _flow(mine)
    taken: set[str] = set()
    for table in (b for b in document.blocks if isinstance(b, Table)):
        yield from _of_table(table, slug(table.caption, taken))


def _flow(material: Material) -> Iterator[Statistic]:
    flow = flow_counts(material)
    stage = material.stage_id or ""
    whole = {"screened": flow.n_screened, "excluded": flow.n_excluded, "randomized": flow.n_randomized}
    for name, n in whole.items():
        if n is not None:
            yield Statistic("flow", stage, name, "", "", "", "n", n)
    for text, n in flow.excluded:
        yield Statistic("flow", stage, "excluded", text, "", "", "n", n)
    for arm in flow.arms:
        counts = {"allocated": arm.n_allocated, "received": arm.n_received, "analysed": arm.n_analysed}
        for name, n in counts.items():
            if n is not None:
                yield Statistic("flow", stage, name, "", "arm", arm.label, "n", n)
        for name in ("not_received", "lost", "withdrew", "died", "discontinued", "not_analysed"):
            for text, n in getattr(arm, name):
                yield Statistic("flow", stage, name.replace("_", " "), text, "arm", arm.label, "n", n)


def _of_table(table: Table, context: str) -> Iterator[Statistic]:
    group = ""
    for row in table.rows:
        label = fmt.cell(row.cells[0])
        if row.kind == "group":
            group = label
            continue
        group = group if row.indent else ""
        for column, cell in zip(table.columns[1:], row.cells[1:]):
            for name, value in values_of(cell).items():
                if value is not None:
                    yield Statistic(
                        context,
                        table.caption,
                        group or label,
                        label if group else "",
                        "column",
                        column.head,
                        name,
                        value,
                        fmt.cell(cell),
                    )


def ard_csv(material: Material, document: Document) -> str:
    """The text of ``ard.csv``: one row per statistic, unrounded, and its text where a table prints it."""
    simulated = "true" if material.records.is_simulated else "false"
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(ARD_KEYS)
    for s in statistics(material, document):
        label = LABELS[s.stat_name]
        value = "" if s.stat is None else repr(s.stat)
        place = (s.context, s.analysis, s.variable, s.variable_level, s.group1, s.group1_level)
        writer.writerow((*place, s.stat_name, label, value, s.stat_fmt, simulated))
    return out.getvalue()
