"""The account of an export: for every table of records where its rows went, and why the others went nowhere."""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape
from typing import Any

COLUMNS = ("table", "column", "rows", "dataset", "reason")


@dataclass
class Account:
    """Rows of records by where they went. Lines with a column are about that column, and count rows once more."""

    lines: list[dict[str, Any]] = field(default_factory=list)

    def goes(self, table: str, rows: int, dataset: str) -> None:
        """So many rows of a table went into a dataset."""
        if rows:
            self.lines.append({"table": table, "column": "", "rows": rows, "dataset": dataset, "reason": ""})

    def stays(self, table: str, rows: int, reason: str, column: str = "") -> None:
        """So many rows of a table, or values of a column of it, went nowhere."""
        if rows:
            self.lines.append({"table": table, "column": column, "rows": rows, "dataset": "", "reason": reason})

    def note(self, dataset: str, reason: str, rows: int = 0, column: str = "") -> None:
        """Something that readers of a dataset should know."""
        self.lines.append({"table": "", "column": column, "rows": rows or None, "dataset": dataset, "reason": reason})

    def withdraw(self, dataset: str, reason: str) -> None:
        """A dataset is left out after all: what went into it went nowhere."""
        for line in self.lines:
            if line["dataset"] == dataset and line["table"]:
                line["dataset"], line["reason"] = "", f"{dataset} is left out: {reason}"
        self.lines = [line for line in self.lines if line["dataset"] != dataset]
        self.lines.append(
            {"table": "", "column": "", "rows": None, "dataset": dataset, "reason": f"left out: {reason}"}
        )

    def rows_of(self, table: str) -> int:
        """How many rows of a table the lines account for."""
        return sum(line["rows"] for line in self.lines if line["table"] == table and not line["column"])

    @property
    def n_not_exported(self) -> int:
        """Rows of records that went nowhere."""
        return sum(x["rows"] for x in self.lines if x["table"] and not x["column"] and not x["dataset"])

    def left_out(self) -> list[tuple[str, str]]:
        """Datasets that are left out, with the reason."""
        return [
            (x["dataset"], x["reason"].removeprefix("left out: "))
            for x in self.lines
            if not x["table"] and x["reason"].startswith("left out: ")
        ]


def account_page(title: str, account: Account) -> str:
    """The account as one page."""
    rows = "\n".join(
        "<tr>"
        + "".join(
            f'<td class="n">{line[c]:,}</td>'
            if c == "rows" and line[c] is not None
            else f"<td>{escape(str(line[c] if line[c] is not None else ''))}</td>"
            for c in COLUMNS
        )
        + "</tr>"
        for line in account.lines
    )
    heads = "".join(f'<th scope="col">{word}</th>' for word in ("Table", "Column", "Rows", "Dataset", "Reason or note"))
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<style>{STYLE}</style></head>\n'
        f"<body><main><h1>{escape(title)}</h1>\n<p>Rows of every table of records: those with a dataset went "
        "there, the others went nowhere, for the reason given. Lines with a column are about values of that column; "
        "lines without a table are notes.</p>\n"
        '<div class="wide" tabindex="0" role="region" aria-label="Account"><table><thead><tr>'
        f"{heads}</tr></thead><tbody>\n{rows}\n</tbody></table></div></main></body></html>\n"
    )


STYLE = """
:root{color-scheme:light dark;--ink:#1c1c1e;--faint:#6b6b70;--line:#d9d9de;--ground:#fff}
@media (prefers-color-scheme:dark){:root{--ink:#ececf0;--faint:#a0a0a8;--line:#3a3a40;--ground:#17171a}}
body{margin:0;background:var(--ground);color:var(--ink);font:16px/1.5 system-ui,sans-serif}
main{max-width:66rem;margin:0 auto;padding:2rem 1.25rem 4rem}
h1{font-size:1.6rem;line-height:1.25}h2{font-size:1.2rem;margin:2.5rem 0 .25rem}
p{margin:.25rem 0 .75rem}a{color:inherit}.wide{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:.92rem}
th,td{text-align:left;vertical-align:top;padding:.4rem .75rem .4rem 0;border-bottom:1px solid var(--line)}
th{font-weight:600}.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
"""
