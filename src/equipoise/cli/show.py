"""`equipoise show`: a protocol on one screen."""

from __future__ import annotations

from typing import Annotated

import typer

from equipoise.cli.console import console, print_json, reported
from equipoise.cli.options import JsonOption, ProtocolArgument


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("show")(show)


def show(
    protocol: ProtocolArgument,
    everything: Annotated[
        bool, typer.Option("--all", help="Schedule of activities, definitions and every analysis.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Show a protocol on one screen: arms, endpoints, visits; with `--all` everything.

    Example: `equipoise show ketamine-mbrp-cocaine`
    """
    from equipoise.workflow.library import read_protocol

    with reported(as_json=as_json):
        chosen = read_protocol(protocol)
        if as_json:
            print_json(
                {"id": chosen.id, "hash": chosen.hash, "file_hash": chosen.file_hash, "protocol": chosen.resolved}
            )
            return
        if everything:
            _print(chosen)
        else:
            from equipoise.cli.protocol_text import print_protocol

            print_protocol(chosen)


def _print(protocol: object) -> None:
    from rich.text import Text

    from equipoise.cli.tables import add_rows, plain_table
    from equipoise.protocol import Protocol

    assert isinstance(protocol, Protocol)
    model, out = protocol.model, console()
    out.print(Text(model.trial.title, style="bold"))
    registration = model.trial.registration.value or "registration not known"
    out.print(f"{protocol.id}  {registration}  {model.trial.design}  hash {protocol.hash[:12]}")
    out.print()
    arms = plain_table("arm", "role", "receives", ("n", "right"), names=False)
    add_rows(
        arms,
        [
            (
                protocol.arm_label(id),
                arm.role.replace("-", " "),
                ", ".join(_given(protocol, name) for name in arm.interventions),
                "" if arm.n.value is None else str(arm.n.value),
            )
            for id, arm in model.arms.items()
        ],
    )
    out.print(arms)
    out.print()
    columns, rows = schedule_grid(protocol)
    grid = plain_table("", *((name, "center") for name in columns), title="Schedule of activities", names=False)
    add_rows(grid, rows)
    out.print(grid)
    out.print()
    endpoints = plain_table("endpoint", "kind", "in words", title="Endpoints")
    add_rows(endpoints, [(id, e.kind.replace("-", " "), e.words) for id, e in model.endpoints.items()])
    out.print(endpoints)
    out.print()
    analyses = plain_table("analysis", "level", "estimator", "comparison", "summary", title="Analyses")
    lines: list[list[str]] = []
    for id, analysis in model.analyses.items():
        estimand = model.estimands[analysis.estimand]
        level = analysis.level + (", pre-specified" if analysis.prespecified else "")
        adjusted = f" | {', '.join(analysis.covariates)}" if analysis.covariates else ""
        adjusted += f" | strata: {', '.join(analysis.strata)}" if analysis.strata else ""
        adjusted += f" | random: {analysis.random}" if analysis.random is not None else ""
        lines.append([id, level, analysis.estimator + adjusted, str(estimand.treatments), estimand.summary])
    add_rows(analyses, lines)
    out.print(analyses)
    unknown = protocol.unknown()
    if unknown:
        out.print()
        out.print(Text(f"Not known ({len(unknown)}): ", style="bold"), end="")
        out.print(Text(", ".join(name for name, _ in unknown)))


def schedule_grid(protocol: object) -> tuple[list[str], list[list[str]]]:
    """SPIRIT's schedule: a column an entry of the schedule, a row an activity, an X where it is done."""
    from equipoise.protocol import Protocol
    from equipoise.protocol.language.interventions import BehaviouralIntervention, DrugIntervention

    assert isinstance(protocol, Protocol)
    model = protocol.model
    entries = sorted(model.schedule.items(), key=lambda item: item[1].target_days[:1])
    columns = [(visit.label or id) for id, visit in entries]
    days = []
    for _, visit in entries:
        targets = visit.target_days
        text = f"{targets[0]}" if len(targets) == 1 else f"{targets[0]} to {targets[-1]}, {len(targets)} visits"
        days.append(text + (f" ({visit.window})" if visit.window else ""))
    rows = [["study day (window)", *days]]
    for id, given in model.interventions.items():
        on: set[int] = set()
        if isinstance(given, BehaviouralIntervention):
            on = {day for day in given.session_days if day is not None}
        elif isinstance(given, DrugIntervention):
            on = {day for block in given.days for day in block.range}
        marks = ["X" if id in visit.gives or on & set(visit.target_days) else "" for _, visit in entries]
        label = given.label or id
        if on and not any(marks):  # given on days without a visit: the days are said in words
            label += (
                f" (day {', '.join(str(block) for block in given.days)})" if isinstance(given, DrugIntervention) else ""
            )
        rows.append([label, *marks])
    for id, assessment in model.assessments.items():
        marks = ["X" if id in visit.assess else "" for _, visit in entries]
        blind = "" if assessment.blinding == "open" else f" ({assessment.blinding})"
        rows.append([(assessment.label or id) + blind, *marks])
    return columns, rows


def _given(protocol: object, name: str) -> str:
    from equipoise.protocol import Protocol
    from equipoise.protocol.language.interventions import BehaviouralIntervention, DrugIntervention

    assert isinstance(protocol, Protocol)
    given = protocol.model.interventions[name]
    label = given.label or name
    if isinstance(given, DrugIntervention) and not given.label and given.dose is not None:
        label = f"{given.drug} {given.dose}"
    if isinstance(given, DrugIntervention) and given.minutes is not None:
        return f"{label}, {given.minutes} min {given.route or ''}".strip()
    if isinstance(given, BehaviouralIntervention) and given.session_days:
        return f"{label}, {len(given.session_days)} sessions"
    return label
