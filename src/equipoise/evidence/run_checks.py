"""All checks on a table of published results and statements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from equipoise.evidence.checks.agreement import check_agreement
from equipoise.evidence.checks.baseline_distribution import check_baseline_distribution
from equipoise.evidence.checks.claims import check_claims
from equipoise.evidence.checks.effects import check_directions, check_effects
from equipoise.evidence.checks.intervals import check_intervals, check_tests
from equipoise.evidence.checks.proportions import check_partitions, check_proportions, check_sizes
from equipoise.evidence.checks.scores import check_scores
from equipoise.evidence.findings import SEVERITIES, Finding
from equipoise.evidence.results import PublishedResult
from equipoise.evidence.statements import Statement, check_statements

CHECKS = (
    check_proportions,
    check_partitions,
    check_sizes,
    check_intervals,
    check_tests,
    check_effects,
    check_directions,
    check_scores,
    check_baseline_distribution,
    check_claims,
    check_agreement,
)


def check_results(results: Sequence[PublishedResult]) -> list[Finding]:
    """Every finding of every check on results, the gravest first, each with its topics and sources."""
    by_id = {result.id: result for result in results}
    found = []
    for check in CHECKS:
        for finding in check(results):
            rows = [by_id[id] for id in finding.results if id in by_id]
            topics = tuple(rows[0].text("topic").split()) if rows else ()
            sources = tuple(dict.fromkeys(row.source for row in rows))
            found.append(replace(finding, topics=finding.topics or topics, sources=finding.sources or sources))
    return sorted(found, key=_order)


def check_evidence(
    results: Sequence[PublishedResult], statements: Sequence[Statement], source_kinds: Mapping[str, str] | None = None
) -> list[Finding]:
    """Findings on results and on statements together, the gravest first."""
    found = [*check_results(results), *check_statements(statements, source_kinds or {})]
    return sorted(found, key=_order)


def _order(finding: Finding) -> tuple[int, str, int]:
    return list(SEVERITIES).index(finding.severity), finding.study, finding.line or 0
