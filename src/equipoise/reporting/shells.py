"""Shells: the report before there is any record, with its tables empty and its figures named.

Writing them first settles what will be shown, so that the data cannot. The same sections, rows and columns are filled
by :mod:`.trial_report` once records exist.
"""

from __future__ import annotations

from collections.abc import Sequence

from equipoise.protocol import Protocol
from equipoise.protocol.vocabulary.endpoint_kinds import REPEATED_SCORE, TIME_TO_EVENT
from equipoise.protocol.vocabulary.estimators import estimator_label
from equipoise.protocol.vocabulary.scales import scale_label
from equipoise.reporting import format as fmt
from equipoise.reporting import methods, words
from equipoise.reporting import trial_figures as course
from equipoise.reporting.context import Material, material_without_records
from equipoise.reporting.document import (
    Banner,
    Block,
    Bullets,
    Column,
    Document,
    Heading,
    Paragraph,
    Row,
    Sections,
    Table,
)

NO_DATA = Banner("NO DATA YET", "Shells of the report, made from the protocol before any record was seen.")
EMPTY = "…"


def build_shells(protocol: Protocol, *, version: str = "") -> Document:
    """The report's shells: design, schedule, empty tables, the figures to come, methods, what is not known."""
    material = material_without_records(protocol, version)
    sections = Sections()
    sections.add("Schedule", [course.schedule_figure(material)])
    sections.add("Participants", [_baseline(material)])
    sections.add("Results", [*_effects(material), Heading("Figures to come", 2), Bullets(tuple(_figures(material)))])
    sections.add("Safety", [_adverse_events(material)])
    design: list[Block | None] = [
        *methods.design(material),
        Heading("Interventions", 2),
        *methods.interventions(material),
        *methods.endpoints_and_estimands(material),
    ]
    sections.add("Methods", design)
    sections.add("Unknown facts and assumptions", methods.unknown_and_assumed(material))
    footer = f"{protocol.id} · protocol {protocol.hash[:12]}" + (f" · equipoise {version}" if version else "")
    return Document(
        protocol.model.trial.title,
        tuple(sections.blocks),
        fmt.joined(list(material.arms.values())),
        "Shells of the trial report",
        NO_DATA,
        (("Protocol, SHA-256", protocol.hash),),
        footer,
    )


def _arm_columns(material: Material) -> list[Column]:
    return [Column(label, "decimal", f"n={EMPTY}") for label in material.arms.values()]


def _baseline(material: Material) -> Block:
    rows: list[Row] = []
    blank = [EMPTY] * len(material.arms)
    for id, variable in material.protocol.model.baseline.items():
        label = variable.label or words.capitalized(id.replace("-", " "))
        if variable.type == "yes-no":
            rows.append(Row((label, *blank)))
            continue
        rows.append(Row((f"{label}, {variable.unit}" if variable.unit else label,), "group"))
        inside = [words.capitalized(v.replace("-", " ")) for v in variable.levels] or [
            "Mean (SD)",
            "Median (quartiles)",
        ]
        rows += [Row((text, *blank), indent=1) for text in inside]
    if not rows:
        return Paragraph("The protocol names no baseline variable.")
    return Table("Baseline characteristics", (Column("", wide=True), *_arm_columns(material)), tuple(rows))


def _effects(material: Material) -> list[Block]:
    """The empty tables of results: primary and secondary endpoints, then all other planned analyses."""
    levels = list(words.LEVEL_WORDS)
    leading = _plan_table(material, "Primary and secondary endpoints", levels[:2])
    others = _plan_table(material, "All other analyses", levels[2:])
    return [table for table in (leading, others) if table is not None]


def _plan_table(material: Material, caption: str, levels: Sequence[str]) -> Table | None:
    rows: list[Row] = []
    model = material.protocol.model
    for level in levels:
        lines = [a for a in model.analyses.values() if a.level == level]
        if lines:
            rows.append(Row((words.LEVEL_WORDS[level],), "group"))
        for analysis in lines:
            estimand = model.estimands[analysis.estimand]
            scale = scale_label(estimand.summary.replace("-", "_")).removesuffix(", points")
            method = estimator_label(analysis.estimator)
            label = f"{material.endpoint_label(estimand.endpoint)}: {scale}" + (f" ({method})" if method else "")
            rows.append(Row((label, *[EMPTY] * len(material.arms), EMPTY, EMPTY), indent=1))
    if not rows:
        return None
    arms = (Column(label) for label in material.arms.values())
    columns = (Column("Endpoint", wide=True), *arms, Column("Effect (95% CI)"), Column("p"))
    return Table(caption, columns, tuple(rows))


def _figures(material: Material) -> list[str]:
    out = ["Flow of participants (CONSORT 2025)"]
    for id, endpoint in material.protocol.model.endpoints.items():
        label = material.endpoint_label(id)
        if endpoint.shape == TIME_TO_EVENT:
            out.append(f"Kaplan-Meier curves: {words.lowered(label)}, with numbers at risk")
        elif endpoint.shape == REPEATED_SCORE:
            out.append(f"{label} over time, participants and model mean")
    return [
        *out,
        "Use at the visits, by participant",
        "Every effect with its interval",
        "Missing data by visit and arm",
    ]


def _adverse_events(material: Material) -> Block:
    rows = [
        Row((text, *[EMPTY] * len(material.arms)))
        for text in ("Any adverse event", "Serious", "Related to study treatment")
    ]
    return Table("Adverse events", (Column("", wide=True), *_arm_columns(material)), tuple(rows))
