"""`equipoise evidence`: published results checked, combined and reported."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from equipoise.cli.console import AMBER, console, print_json, reported, working
from equipoise.cli.options import ForceOption, JsonOption, OutOption, PdfOption

if TYPE_CHECKING:
    from equipoise.evidence.findings import Finding
    from equipoise.evidence.synthesis import Synthesis

FileArgument = Annotated[
    str,
    typer.Argument(metavar="FILE", help="A table of published results (docs/evidence.md), or all: the packaged ones."),
]
group = typer.Typer(
    help="Check published numbers, combine studies, report what is known.\n\nExample: `equipoise evidence check all`",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(group, name="evidence")


@group.command("check")
def check(
    file: FileArgument,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with code 11 if a number is impossible, contradicted or misworded.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Check whether each published number is possible, and whether each pair of statements can both be true.

    Example: `equipoise evidence check results.csv`
    """
    from equipoise.foundation.errors import EvidenceError
    from equipoise.workflow.evidence import check_published

    with reported(as_json=as_json):
        checked = check_published(file)
    if as_json:
        print_json(checked.as_dict())
    else:
        for finding in checked.findings:
            _print_finding(finding)
        rows = f"{checked.n_results} results" if checked.n_results else f"{checked.n_statements} statements"
        if checked.n_results and checked.n_statements:
            rows += f" and {checked.n_statements} statements"
        n = len(checked.findings)
        console().print(
            f"{rows}: {n} finding{'s' * (n != 1)}, {checked.n_alarms} of them impossible, contradicted or misworded."
        )
    if strict and checked.n_alarms:
        raise typer.Exit(EvidenceError.exit_code)


def _print_finding(finding: Finding) -> None:
    from rich.text import Text

    from equipoise.evidence.findings import SEVERITIES

    out = console()
    place = f"line {finding.line}  " if finding.line else ""
    head = Text(f"{place}{', '.join(finding.results)}  {finding.check}  ", style="bold")
    head.append(finding.severity, style=AMBER if finding.is_alarm else "default")
    out.print(head)
    out.print(Text(f"  {finding.what}"))
    rest = [part for part in (finding.by_how_much, finding.rounding) if part]
    if rest:
        out.print(Text(f"  {SEVERITIES[finding.severity].capitalize()}: {'; '.join(rest)}."))
    if finding.reconciles:
        out.print(Text(f"  Reconciled by: {finding.reconciles.rstrip('.')}."))
    out.print()


@group.command("synthesise")
def synthesise(
    file: FileArgument,
    outcome: Annotated[str | None, typer.Option("--outcome", help="Only rows of this outcome.")] = None,
    row: Annotated[list[str] | None, typer.Option("--row", help="Only the row with this id; may be repeated.")] = None,
    measure: Annotated[
        str | None, typer.Option("--measure", help="Scale: odds_ratio, risk_ratio, risk_difference, hazard_ratio ...")
    ] = None,
    method: Annotated[str, typer.Option("--method", help="Variance between studies: REML, PM or DL.")] = "REML",
    pool: Annotated[
        bool, typer.Option("--pool", help="Also pool studies that differ in condition, comparison, outcome or time.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Folder to create, with synthesis.json, forest.svg and funnel.svg."),
    ] = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Show studies of one outcome side by side, and pool them if they ask the same question.

    Example: `equipoise evidence synthesise results.csv --outcome abstinence --measure odds_ratio`
    """
    from equipoise.workflow.evidence import synthesise_published, write_synthesis

    with reported(as_json=as_json):
        found = synthesise_published(file, measure=measure, outcome=outcome, rows=row or (), method=method, pool=pool)
        files = () if out is None else write_synthesis(found, out, force=force)
    if as_json:
        print_json({**found.as_dict(), "files": [str(path) for path in files]})
        return
    _print_synthesis(found)
    for path in files:
        console().print(str(path))


def _print_synthesis(found: Synthesis) -> None:
    from equipoise.cli.tables import add_rows, plain_table

    def interval(values: tuple[float, float, float]) -> str:
        shown = [found.shown(v) for v in values]
        if math.isnan(shown[0]):
            return "no estimate"
        texts = ["infinite" if not math.isfinite(v) else f"{v:.2f}" for v in shown]
        return f"{texts[0]} ({texts[1]} to {texts[2]})"

    out = console()
    scale = found.measure.replace("_", " ")
    weights = found.random.weights if found.random is not None else None
    title = f"{scale} of {found.event or 'the outcome'}"
    table = plain_table("study", f"{scale} (95% CI)", "weight", "from", title=title)
    rows = []
    for i, study in enumerate(found.studies):
        weight = "" if weights is None else f"{100 * float(weights[i]):.0f}%"
        rows.append([study.result.study, interval(study.limits()), weight, study.origin])
    add_rows(table, rows)
    out.print(table)
    if found.random is not None and found.common is not None and found.spread is not None:
        r, c, s = found.random, found.common, found.spread
        out.print(f"Random effects ({found.method}, Hartung-Knapp): {interval((r.estimate, r.ci_lower, r.ci_upper))}")
        out.print(f"Common effect: {interval((c.estimate, c.ci_lower, c.ci_upper))}")
        out.print(
            f"Heterogeneity: tau2 {s.tau2:.3f} ({s.tau2_lower:.3f} to {s.tau2_upper:.3f}), "
            f"I2 {100 * s.i2:.0f}% ({100 * s.i2_lower:.0f}% to {100 * s.i2_upper:.0f}%), "
            f"Q {r.q:.2f}, {r.q_df} df, p={r.q_p:.2g}"
        )
        if found.prediction is not None:
            low, high = (found.shown(v) for v in found.prediction)
            out.print(f"A further such study: {low:.2f} to {high:.2f}")
        for t in found.tables:
            spread_text = f", tau2 {t.details['tau2']:.3f}" if t.details and "tau2" in t.details else ""
            limits = interval((t.estimate, t.ci_lower, t.ci_upper))
            out.print(f"{t.method[:1].upper()}{t.method[1:]}: {limits}{spread_text}")
        for study, fit in zip(found.studies, found.without):
            out.print(f"Without {study.result.study}: {interval((fit.estimate, fit.ci_lower, fit.ci_upper))}")
    for note in found.notes:
        out.print(note)


@group.command("report")
def report(
    out: OutOption,
    force: ForceOption = False,
    pdf: PdfOption = True,
    as_json: JsonOption = False,
) -> None:
    """Write a report of what is known about ketamine for substance use: report.html and report.pdf, every number with
    its source.

    Example: `equipoise evidence report --out evidence`
    """
    from equipoise.workflow.evidence import report_evidence

    with reported(as_json=as_json), working("reporting", quiet=as_json):
        made = report_evidence(out=out, force=force, pdf=pdf)
    if as_json:
        print_json({"ok": True, "out": str(out), "files": [str(path) for path in made.files]})
        return
    for path in made.files:
        console().print(str(path))
