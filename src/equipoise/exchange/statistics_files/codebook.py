"""The codebook of exported tables: what each variable means, its values, how many are there; as CSV and as one page."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import polars as pl

from equipoise.exchange.csv import inert
from equipoise.exchange.statistics_files.labelled import LabelledTable, Variable

COLUMNS = (
    "table",
    "column",
    "name",
    "label",
    "unit",
    "type",
    "values",
    "n",
    "missing",
    "lowest",
    "highest",
    "different",
)

_TYPES = {"text": "text", "coded": "coded", "yes-no": "yes or no", "whole": "whole number", "number": "number"}


def codebook_rows(table: LabelledTable, names: Mapping[str, str], *, coded: bool) -> list[dict[str, Any]]:
    """One row a variable; ``names`` are those of the file, ``coded`` whether codes or their texts stand in it."""
    return [_row(table, variable, names[variable.name], coded=coded) for variable in table.variables]


def _row(table: LabelledTable, variable: Variable, name: str, *, coded: bool) -> dict[str, Any]:
    series = table.frame[variable.name]
    known = series.drop_nulls()
    lowest = highest = None
    if variable.kind in ("number", "whole") and known.len():
        lowest, highest = _number(known.min()), _number(known.max())
    return {
        "table": table.name,
        "column": variable.name,
        "name": name,
        "label": variable.label,
        "unit": variable.unit,
        "type": _TYPES[variable.kind],
        "values": "; ".join(
            f"{key} = {label}" if str(key) != label else label for key, label in _keys(variable, coded=coded)
        ),
        "n": known.len(),
        "missing": series.null_count(),
        "lowest": lowest,
        "highest": highest,
        "different": known.n_unique() if known.len() else 0,
    }


def _keys(variable: Variable, *, coded: bool) -> list[tuple[int | str, str]]:
    """What stands in the file for each value, with the value's label."""
    as_codes = coded or variable.kind == "yes-no"
    return [(code if as_codes else value, label) for code, value, label in variable.codes]


def _number(value: Any) -> str:
    return f"{float(value):.10g}"


def table_as_csv(columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows as CSV; no cell is one that a spreadsheet works out."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_cell(row[column]) for column in columns])
    return out.getvalue()


def _cell(value: Any) -> str:
    return inert(value) if isinstance(value, str) and not _is_number(value) else "" if value is None else str(value)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def codebook_page(title: str, tables: Sequence[tuple[LabelledTable, str, list[dict[str, Any]]]]) -> str:
    """The codebook as one page; each table comes with the name of its file and its rows."""
    parts = [f"<h1>{escape(title)}</h1>", '<nav aria-label="Tables"><ul>']
    parts += [
        f'<li><a href="#{escape(table.name)}">{escape(table.name.replace("_", " "))}</a>: {table.frame.height:,} rows,'
        f" {len(rows)} variables</li>"
        for table, _, rows in tables
    ]
    parts.append("</ul></nav>")
    for table, file, rows in tables:
        parts += [
            f'<section id="{escape(table.name)}"><h2>{escape(table.label)}</h2>',
            f"<p>File <code>{escape(file)}</code>, {table.frame.height:,} rows.</p>",
            '<div class="wide" tabindex="0" role="region" aria-label="Variables"><table><thead><tr>'
            '<th scope="col">Name</th><th scope="col">Label</th><th scope="col">Type</th><th scope="col">Values</th>'
            '<th scope="col" class="n">Known</th><th scope="col" class="n">Missing</th></tr></thead><tbody>',
        ]
        parts += [_line(row) for row in rows]
        parts.append("</tbody></table></div></section>")
    body = "\n".join(parts)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<style>{_STYLE}</style></head>\n'
        f"<body><main>\n{body}\n</main></body></html>\n"
    )


def _line(row: Mapping[str, Any]) -> str:
    values = row["values"].split("; ") if row["values"] else []
    if row["lowest"] is not None:
        values = [f"{row['lowest']} to {row['highest']}" if row["lowest"] != row["highest"] else row["lowest"]]
    elif not values and row["type"] == "text" and row["n"]:
        values = [f"{row['different']:,} different"]
    unit = f" ({row['unit']})" if row["unit"] and row["unit"] not in row["label"] else ""
    renamed = f'<br><span class="was">{escape(row["column"])}</span>' if row["name"] != row["column"] else ""
    return (
        f"<tr><td><code>{escape(row['name'])}</code>{renamed}</td><td>{escape(row['label'] + unit)}</td>"
        f"<td>{row['type']}</td><td>{'<br>'.join(escape(value) for value in values)}</td>"
        f'<td class="n">{row["n"]:,}</td><td class="n">{row["missing"]:,}</td></tr>'
    )


_STYLE = """
:root{color-scheme:light dark;--ink:#1c1c1e;--faint:#6b6b70;--line:#d9d9de;--ground:#fff}
@media (prefers-color-scheme:dark){:root{--ink:#ececf0;--faint:#a0a0a8;--line:#3a3a40;--ground:#17171a}}
body{margin:0;background:var(--ground);color:var(--ink);font:16px/1.5 system-ui,sans-serif}
main{max-width:62rem;margin:0 auto;padding:2rem 1.25rem 4rem}
h1{font-size:1.6rem;line-height:1.25}h2{font-size:1.2rem;margin:2.5rem 0 .25rem}
p{margin:.25rem 0 .75rem}a{color:inherit}.wide{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:.92rem}
th,td{text-align:left;vertical-align:top;padding:.4rem .75rem .4rem 0;border-bottom:1px solid var(--line)}
th{font-weight:600}.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
.was{color:var(--faint);font-size:.85em}code{font-size:.92em}
@media print{main{max-width:none;padding:0}section{break-inside:auto}tr{break-inside:avoid}}
"""


def names_rows(table: LabelledTable, names: Mapping[str, str], member: str) -> list[dict[str, Any]]:
    """The map of names: every variable that is called otherwise in the file, and the table where it is."""
    rows = [{"table": table.name, "column": "", "name": member}] if member != table.name else []
    rows += [
        {"table": table.name, "column": variable.name, "name": names[variable.name]}
        for variable in table.variables
        if names[variable.name] != variable.name
    ]
    return rows


def is_blank_ended(series: pl.Series) -> bool:
    """Whether some text ends in blanks, which SPSS and SAS do not keep."""
    return bool(series.str.ends_with(" ").any()) if series.dtype == pl.String else False
