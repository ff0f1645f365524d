"""Results on the terminal: one aligned table."""

from __future__ import annotations

import math

from equipoise.analysis.estimate import Estimate
from equipoise.cli.console import console, print_notes, simulated_line
from equipoise.cli.tables import add_rows, plain_table
from equipoise.protocol import Protocol
from equipoise.reporting.words import ci_words
from equipoise.workflow.verbs import Run


def interval(estimate: Estimate) -> str:
    """``0.47 (0.24 to 0.92)``; written out where there is no estimate."""
    if estimate.scale == "test":
        return "test only"
    value, *limits = estimate.ends
    absent = "not reached" if estimate.scale == "median_time" else "not found"
    if value is not None:
        text = short(value)
    elif "median-not-reached" in estimate.warnings:
        text = "not reached"
    else:
        return "not estimable"
    if limits == [None, None]:
        return text if estimate.scale in ("median_time", "survival_probability") else f"{text} (error not known)"
    low, high = (absent if limit is None else short(limit).replace("infinite", "infinity") for limit in limits)
    return f"{text} ({low} to {high})"


def short(value: float) -> str:
    """A number to three figures for the screen."""
    if math.isinf(value):
        return "infinite"
    if value == 0.0:
        return "0"  # exactly: what rounds to nothing keeps its decimals
    if value != 0 and (abs(value) >= 1e5 or abs(value) < 1e-4):
        return f"{value:.2g}"
    text = f"{value:.1f}" if abs(value) >= 100 else f"{value:.2f}" if abs(value) >= 1 else f"{value:.3f}"
    return text.removeprefix("-") if float(text) == 0 else text  # nothing is less than nothing by a rounding


def _said(warning: str) -> str:
    """A code in words; the names after it stay as they are."""
    slug, colon, names = warning.partition(": ")
    return slug.replace("-", " ") + colon + names


def p_text(value: float | None) -> str:
    """p to two figures, ``<0.001`` below."""
    if value is None:
        return ""
    return "<0.001" if value < 0.001 else f"{value:.2g}" if value < 0.0995 else f"{value:.2f}"


def published_text(protocol: Protocol, estimate: Estimate) -> str:
    """The published effect of the same analysis, where the protocol has one."""
    for entry in protocol.model.published.values():
        if entry.analysis == estimate.id and entry.effect is not None:
            return str(entry.effect.value)
    return ""


def print_results(run: Run) -> None:
    """The table of results, and where everything is."""
    out = console()
    simulated_line(run.records.is_simulated)
    out.print(f"{run.protocol.model.trial.title}", style="bold")
    shown = [e for e in run.results.estimates if not e.details.get("choices")]
    varied = len(run.results.estimates) - len(shown)
    table = plain_table(
        "analysis",
        "scale",
        "comparison",
        (f"estimate ({ci_words(shown)})", "right"),
        ("p", "right"),
        ("n", "right"),
        "published",
    )
    rows: list[tuple[str, ...]] = []
    for e in shown:
        compared = f"{e.arm} v {e.reference}" if e.reference else str(e.arm)
        rows.append(
            (
                e.id,
                e.scale.replace("_", " "),
                compared,
                interval(e),
                p_text(e.p_value) + (" one-sided" if "margin" in e.details and e.p_value is not None else ""),
                str(e.n_analysed),
                published_text(run.protocol, e),
            )
        )
    if not any(row[-1] for row in rows):  # nothing published: no empty column
        table.columns.pop()
        rows = [row[:-1] for row in rows]
    add_rows(table, rows)
    out.print(table)
    warned = [e for e in shown if e.warnings]
    for e in warned:
        counts = e.details.get("warning_counts", {})
        said = (_said(w) + (f" ({counts[w]} participants)" if w in counts else "") for w in e.warnings)
        out.print(f"{e.id}: {', '.join(said)}")
    if varied:
        noun, are = ("row shows", "it is") if varied == 1 else ("rows show", "they are")
        out.print(f"{varied} more {noun} what varied choices do; {are} in the report and in results.csv.")
    provenance = run.results.provenance
    print_notes(provenance.notes)
    out.print(
        f"protocol {provenance.protocol_hash[:12]}  data {provenance.data_hash[:12]}  version {provenance.version}"
    )
    for path in run.files:
        if path.name in ("report.pdf", "results.json", "results.csv"):
            out.print(str(path))
    report = next((path for path in run.files if path.name == "report.html"), None)
    out.print(f"Report: {report}" if report else f"Results: {run.folder}")
