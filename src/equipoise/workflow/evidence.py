"""Published results: checked, combined, reported. ``all`` stands for the evidence that comes with the program."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from equipoise.evidence.findings import Finding
from equipoise.evidence.known import read_known
from equipoise.evidence.results import PublishedResult
from equipoise.evidence.run_checks import check_evidence
from equipoise.evidence.synthesis import Synthesis, synthesise
from equipoise.exchange.evidence_files import read_evidence_table
from equipoise.exchange.output_folder import OutputFolder

KNOWN = "all"


@dataclass(frozen=True)
class CheckedEvidence:
    """Every finding on a table."""

    file: str
    n_results: int
    n_statements: int
    findings: tuple[Finding, ...]

    @property
    def n_alarms(self) -> int:
        """Findings that say something is wrong, whatever method was used."""
        return sum(finding.is_alarm for finding in self.findings)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for ``--json``."""
        return {
            "ok": True,
            "file": self.file,
            "results": self.n_results,
            "statements": self.n_statements,
            "alarms": self.n_alarms,
            "findings": [finding.as_dict() for finding in self.findings],
        }


def check_published(file: str | Path) -> CheckedEvidence:
    """Every check on a table of published results or of statements, or on the packaged evidence (``all``)."""
    if str(file) == KNOWN:
        known = read_known()
        findings = check_evidence(known.results, known.statements, known.source_kinds)
        return CheckedEvidence("the packaged evidence", len(known.results), len(known.statements), tuple(findings))
    table = read_evidence_table(file)
    findings = check_evidence(table.results, table.statements)
    return CheckedEvidence(table.file, len(table.results), len(table.statements), tuple(findings))


def _results(file: str | Path) -> Sequence[PublishedResult]:
    return read_known().results if str(file) == KNOWN else read_evidence_table(file).results


def synthesise_published(
    file: str | Path,
    *,
    measure: str | None = None,
    outcome: str | None = None,
    rows: Sequence[str] = (),
    method: str = "REML",
    pool: bool = False,
) -> Synthesis:
    """A table's results side by side, pooled where they ask one question or ``pool`` tells to."""
    return synthesise(_results(file), measure=measure, outcome=outcome, rows=rows, method=method, pool=pool)


def write_synthesis(found: Synthesis, out: str | Path, *, force: bool = False) -> tuple[Path, ...]:
    """A synthesis as ``synthesis.json``, its forest and, where studies were pooled, its funnel as SVG."""
    from equipoise.reporting.evidence_report import draw_synthesis, draw_synthesis_funnel

    target = OutputFolder(out, kind="synthesis", force=force)
    target.require_free()
    names = ["synthesis.json", "forest.svg"]
    with target as folder:
        text = json.dumps(found.as_dict(), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
        (folder / "synthesis.json").write_text(text, "utf-8", newline="\n")
        (folder / "forest.svg").write_text(draw_synthesis(found).svg(), "utf-8", newline="\n")
        if found.common is not None:
            (folder / "funnel.svg").write_text(draw_synthesis_funnel(found).svg(), "utf-8", newline="\n")
            names.append("funnel.svg")
    return tuple(Path(out) / name for name in names)


@dataclass(frozen=True)
class WrittenEvidence:
    """The report of what is known, and what was written."""

    document: Any
    findings: tuple[Finding, ...]
    files: tuple[Path, ...]


def report_evidence(*, out: str | Path, force: bool = False, pdf: bool = True) -> WrittenEvidence:
    """Write what is known of ketamine for substance use: report, figures, and the findings as a table."""
    from equipoise.foundation.version import program_version
    from equipoise.reporting.evidence_report import build_evidence_report

    target = OutputFolder(out, kind="evidence report", force=force)
    target.require_free()
    known = read_known()
    findings = tuple(check_evidence(known.results, known.statements, known.source_kinds))
    document = build_evidence_report(known, findings, version=program_version())
    names = ["report.html", "findings.csv", "findings.json"]
    with target as folder:
        (folder / "report.html").write_text(document.to_html(), "utf-8", newline="\n")
        (folder / "findings.csv").write_text(findings_csv(findings), "utf-8", newline="\n")
        text = json.dumps([finding.as_dict() for finding in findings], indent=1, ensure_ascii=False) + "\n"
        (folder / "findings.json").write_text(text, "utf-8", newline="\n")
        if pdf:
            (folder / "report.pdf").write_bytes(document.to_pdf())
            names.append("report.pdf")
        (folder / "figures").mkdir()
        for number, figure in enumerate(document.figures, 1):
            names.append(f"figures/figure-{number:02d}.svg")
            (folder / names[-1]).write_text(figure.drawing.svg(), "utf-8", newline="\n")
    return WrittenEvidence(document, findings, tuple(Path(out) / name for name in names))


def findings_csv(findings: Sequence[Finding]) -> str:
    """Findings as a table, a row each; lists parted by spaces."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    rows = [finding.as_dict() for finding in findings]
    if rows:
        writer.writerow(rows[0])
        for row in rows:
            writer.writerow([" ".join(v) if isinstance(v, list) else "" if v is None else v for v in row.values()])
    return file.getvalue()
