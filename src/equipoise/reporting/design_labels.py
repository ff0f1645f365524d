"""Names of scenarios and of the plan's rows in the reports of a design: words for people, ids nowhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from equipoise.design.batch import PlannedRow
from equipoise.protocol import Protocol
from equipoise.protocol.vocabulary.estimators import estimator_label
from equipoise.protocol.vocabulary.scales import scale_label
from equipoise.reporting import words
from equipoise.reporting.margins import margin_words
from equipoise.reporting.missing_rules import imputation_name, rule_name


def scenario_label(name: str, first: str = "") -> str:
    """A scenario as a table names it: its words with a capital, without the scenario ``first`` that it changes."""
    text = name.removeprefix(f"{first}+") if first else name
    return words.capitalized(text.replace("+", ", ").replace("-", " "))


def row_label(protocol: Protocol, row: PlannedRow) -> str:
    """A row of the plan in words: endpoint, what sets the analysis apart, measure and method, arm."""
    line = protocol.model.analyses.get(row.line)
    parts = [line.label if line is not None and line.label else protocol.endpoint_label(row.endpoint)]
    if line is not None and not line.label:
        about_use = protocol.model.endpoints[row.endpoint].is_about_use
        if line.analysis_set:
            parts.append(line.analysis_set.replace("-", " "))
        if line.missed is not None:
            parts.append(rule_name(line.missed, about_use=about_use))
        if line.imputation is not None:
            parts.append(imputation_name(line.imputation))
    rest = row.id.removeprefix(row.line).strip(".")
    if rest == "as-planned":
        parts.append("with the estimator that stands in")
    elif rest and row.reference is not None:
        parts.append(rest.replace("-", " ").replace(".", ", "))
    scale = scale_label(row.scale).removesuffix(", points")
    method = estimator_label(row.estimator)
    measure = f"{method} test" if row.scale == "test" else f"{scale} ({method})" if method else scale
    arm = f", {protocol.arm_label(row.arm)}" if row.reference is None and row.arm else ""
    held = f", {margin_words(row.margin, row.scale)}" if row.margin is not None else ""
    return f"{', '.join(parts)}: {measure}{arm}{held}"


def row_labels(protocol: Protocol, rows: Sequence[PlannedRow]) -> dict[str, str]:
    """Labels by id, no two alike: where words do not set rows apart, their ids do."""
    found = {row.id: row_label(protocol, row) for row in rows}
    counted = Counter(found.values())
    return {id: text if counted[text] == 1 else f"{text} [{id}]" for id, text in found.items()}
