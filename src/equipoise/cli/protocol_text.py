"""A protocol on one screen of 80 columns: arms, endpoints with their analyses, visits, what is not known."""

from __future__ import annotations

import textwrap
from collections import Counter

from rich.text import Text

from equipoise.cli.console import console
from equipoise.protocol import Protocol
from equipoise.protocol.vocabulary.estimators import estimator_label
from equipoise.protocol.vocabulary.scales import scale_label
from equipoise.reporting import format as fmt

_WIDTH = 80
_HEAD = 13
_MOST = 7  # rows of one kind
_BESIDE = ("supportive", "sensitivity", "exploratory")


def print_protocol(protocol: Protocol) -> None:
    """Print the screen; ``--all`` prints the rest."""
    model, out = protocol.model, console()
    for line in textwrap.wrap(model.trial.title, _WIDTH):
        out.print(Text(line, style="bold"))
    registration = str(model.trial.registration.value or "registration not known")
    shape = "parallel arms" if model.trial.design == "parallel" else model.trial.design.replace("-", " ")
    told = f"{protocol.id}, {registration}, {shape}, protocol {protocol.hash[:12]}"
    for line in textwrap.wrap(told, _WIDTH, break_on_hyphens=False):
        out.print(line)
    out.print()
    labels = [protocol.arm_label(id) for id in model.arms]
    width = min(max(map(len, labels)), 26)
    rows = []
    for label, arm in zip(labels, model.arms.values()):
        n = "" if arm.n.value is None else f"n={arm.n.value}"
        rows.append(f"{fmt.shortened(label, width).ljust(width)}  {n:<6}  {arm.role.replace('-', ' ')}")
    _field("Arms", rows)
    for level in ("primary", "secondary"):
        _field(level.capitalize(), _analyses(protocol, level))
    counts: Counter[str] = Counter(analysis.level for analysis in model.analyses.values())
    beside = [f"{counts[level]} {level}" for level in _BESIDE if counts[level]]
    if beside:
        _field("Beside them", textwrap.wrap(f"{fmt.joined(beside)} analyses", _WIDTH - _HEAD))
    visits = textwrap.wrap("; ".join(_visits(protocol)), _WIDTH - _HEAD - 2)
    _field("Visits", [*visits[:3], f"{visits[3]} …"] if len(visits) > 4 else visits)
    unknown = Counter(place.split(".")[0].replace("-", " ") for place, _ in protocol.unknown())
    if unknown:
        parts = ", ".join(f"{name} {n}" for name, n in unknown.most_common())
        text = f"{fmt.plural(sum(unknown.values()), 'fact')}: {parts}"
        _field("Not known", textwrap.wrap(text, _WIDTH - _HEAD)[:3])
    out.print()
    out.print("Everything: --all. Schedule and definitions are in the report of equipoise run.")


def _field(name: str, lines: list[str]) -> None:
    for at, line in enumerate(lines):
        console().print(Text(f"{(name if at == 0 else ''):<{_HEAD}}{line}"[:_WIDTH].rstrip()))


def _analyses(protocol: Protocol, level: str) -> list[str]:
    """A line for each analysis of a level: endpoint, method and measure."""
    model = protocol.model
    found = [analysis for analysis in model.analyses.values() if analysis.level == level]
    rows = []
    for analysis in found[:_MOST]:
        estimand = model.estimands[analysis.estimand]
        label = analysis.label or protocol.endpoint_label(estimand.endpoint)
        label += f", {analysis.analysis_set.replace('-', ' ')}" if analysis.analysis_set and not analysis.label else ""
        scale = scale_label(estimand.summary.replace("-", "_")).removesuffix(", points")
        method = estimator_label(analysis.estimator)
        rows.append(f"{fmt.shortened(label, 33):<34}{fmt.shortened(f'{scale}, {method}' if method else scale, 33)}")
    if len(found) > _MOST:
        rows.append(f"and {len(found) - _MOST} more")
    return rows


def _visits(protocol: Protocol) -> list[str]:
    out = []
    for id, entry in sorted(protocol.model.schedule.items(), key=lambda item: item[1].target_days[:1]):
        days = entry.target_days
        label = entry.label or id.replace("-", " ")
        label = label[:1].lower() + label[1:]
        if not days:
            out.append(label)
        elif len(days) == 1:
            out.append(f"{label} day {days[0]}")
        else:
            out.append(f"{label} days {days[0]} to {days[-1]} ({len(days)} visits)")
    return out
