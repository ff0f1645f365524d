"""The page of published results tells every column, check and severity."""

from __future__ import annotations

from pathlib import Path

from equipoise.evidence.findings import SEVERITIES
from equipoise.evidence.results import COLUMNS
from equipoise.evidence.statements import COLUMNS as STATEMENT_COLUMNS
from equipoise.exchange.evidence_files import read_evidence_table

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "evidence.md").read_text("utf-8")


def test_every_column_is_told_as_the_code_has_it() -> None:
    for columns in (COLUMNS, STATEMENT_COLUMNS):
        for column, content in columns.items():
            assert f"| `{column}` | {content} |" in PAGE
    for severity in SEVERITIES:
        assert f"| {severity} |" in PAGE


def test_the_table_of_the_page_is_read_and_does_what_the_page_says(tmp_path: Path) -> None:
    from equipoise.workflow.evidence import check_published

    start = PAGE.index("id,study,source")
    path = tmp_path / "results.csv"
    path.write_text(PAGE[start : PAGE.index("```", start)], "utf-8")
    assert len(read_evidence_table(path).results) == 1
    told = " ".join(f"{f.what} {f.reconciles}" for f in check_published(path).findings)
    assert "No count of 27 participants gives 48.2%" in told
    assert "13 of 27, 48.148%, rounded twice" in told
    assert "is not that of" in told
