"""The CONSORT 2025 checklist: each of its 30 items with where the report answers it, or "for you to write".

The wording of the items is ours, shortened; the statement's own is in Hopewell and others (2025) BMJ 389:e081123.
Where an item stands is decided by what the protocol and the records hold, never by a list: an item without content is
left to the authors.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from equipoise.protocol.language.design import Statements
from equipoise.reporting.context import Material
from equipoise.reporting.document import (
    Block,
    Bullets,
    Column,
    Document,
    Figure,
    Heading,
    Paragraph,
    Row,
    Table,
    strong,
)

FOR_YOU = "[For you to write]"


@dataclass(frozen=True, slots=True)
class ChecklistItem:
    """One item: its number, its topic in our words, and what answers it."""

    number: str
    topic: str
    where: Callable[[Checked], str]


@dataclass(frozen=True)
class Checked:
    """What the answers are looked for in."""

    material: Material
    headings: frozenset[str]
    captions: tuple[tuple[str, str], ...]  # number and caption of every table and figure

    def said(self, name: str) -> str:
        """``Statements of the authors`` where the protocol file has that text; else nothing."""
        return "Statements of the authors" if statement(self.material, name) else ""

    def section(self, *names: str) -> str:
        """The first of some sections that the report has."""
        there = [name for name in names if name in self.headings]
        return f"Section \N{LEFT DOUBLE QUOTATION MARK}{there[0]}\N{RIGHT DOUBLE QUOTATION MARK}" if there else ""

    def block(self, *openings: str) -> str:
        """Numbers of the tables and figures whose captions open so."""
        found = [number for number, caption in self.captions if caption.startswith(openings)]
        return ", ".join(found)


def statement(material: Material, name: str) -> str:
    """A text of the protocol that only people can write; empty where it has none."""
    found = material.protocol.model.trial.statements or Statements()
    return (getattr(found, name) or "").strip()


def _known(check: Checked, name: str, where: str = "Methods, design") -> str:
    return where if getattr(check.material.protocol.model.trial, name).is_known else ""


def _randomized(check: Checked, name: str) -> str:
    plan = check.material.protocol.model.randomization
    if plan is None:
        return "Not applicable: not randomized"
    fact = getattr(plan, name)
    return "Methods, design" if fact.is_known or fact.assumed is not None else ""


def _blinding(check: Checked) -> str:
    masking = check.material.protocol.model.trial.masking
    if masking.value == ():
        return "Methods, design: open label"
    return "Methods, design" if masking.is_known else ""


def _missing(check: Checked) -> str:
    return check.block("Sensitivity to missing data") or check.section("Missing data")


def _harms(check: Checked) -> str:
    """The table of adverse events. Records without one say nothing of harms: the item is not answered."""
    return check.block("Adverse events")


def _eligibility(check: Checked) -> str:
    found = check.material.protocol.model.eligibility
    return "Methods, design" if found.include or found.exclude else ""


def _registered(check: Checked) -> str:
    number = check.material.protocol.model.trial.registration.value
    return f"Head of the report: {number}" if number else ""


def _subset(check: Checked) -> str:
    return check.block("All other analyses", "What the choices do")


ITEMS: tuple[tuple[str, tuple[ChecklistItem, ...]], ...] = (
    (
        "Title and abstract",
        (
            ChecklistItem("1a", "Title says that the trial was randomized", lambda c: _title(c)),
            ChecklistItem("1b", "Structured summary", lambda c: ""),
        ),
    ),
    (
        "Open science",
        (
            ChecklistItem("2", "Registry, number, date", _registered),
            ChecklistItem("3", "Where protocol and analysis plan can be read", lambda c: c.said("protocol_access")),
            ChecklistItem("4", "Sharing of data, code and materials", lambda c: c.said("data_sharing")),
            ChecklistItem("5a", "Funding, and the funder's part", lambda c: c.said("funding")),
            ChecklistItem("5b", "Interests of the authors", lambda c: c.said("conflicts")),
        ),
    ),
    (
        "Introduction",
        (
            ChecklistItem("6", "Background and reason for the trial", lambda c: c.said("rationale")),
            ChecklistItem("7", "Objectives, for benefits and harms", lambda c: c.said("objective")),
        ),
    ),
    (
        "Methods",
        (
            ChecklistItem("8", "Involvement of patients and the public", lambda c: c.said("involvement")),
            ChecklistItem("9", "Design and allocation ratio", lambda c: "Methods, design"),
            ChecklistItem("10", "Changes after the start, with reasons", lambda c: c.said("changes")),
            ChecklistItem("11", "Setting and places", lambda c: _known(c, "setting")),
            ChecklistItem("12", "Who could take part; who treated", _eligibility),
            ChecklistItem("13", "Treatments, in enough detail to repeat them", lambda c: "Methods, interventions"),
            ChecklistItem("14", "Outcomes: what, how and when", lambda c: "Methods, endpoints and estimands"),
            ChecklistItem("15", "How harms were defined and assessed", lambda c: ""),
            ChecklistItem("16a", "How the number of participants was determined", lambda c: c.said("sample_size")),
            ChecklistItem("16b", "Interim analyses and stopping", lambda c: c.said("interim")),
            ChecklistItem("17a", "Who made the sequence, and how", lambda c: _randomized(c, "scheme")),
            ChecklistItem("17b", "Type of randomization, blocks, strata", lambda c: _randomized(c, "strata")),
            ChecklistItem("18", "How the sequence was concealed", lambda c: _randomized(c, "concealment")),
            ChecklistItem("19", "Who enrolled and who allocated", lambda c: ""),
            ChecklistItem("20", "Who was blinded, and how", _blinding),
            ChecklistItem("21a", "Statistical methods for each outcome", lambda c: c.block("Analyses")),
            ChecklistItem("21b", "Who was in each analysis", lambda c: c.block("Estimands", "Analyses")),
            ChecklistItem("21c", "How missing data were handled", _missing),
            ChecklistItem("21d", "Additional analyses, planned or not", _subset),
        ),
    ),
    (
        "Results",
        (
            ChecklistItem("22", "Flow of participants, losses and reasons", lambda c: c.block("Flow of participants")),
            ChecklistItem(
                "23a",
                "Dates of recruitment and follow-up",
                lambda c: "Methods, design" if c.material.protocol.model.trial.dates else "",
            ),
            ChecklistItem("23b", "Why the trial ended or was stopped", lambda c: _known(c, "stopping")),
            ChecklistItem(
                "24a", "Treatments as delivered, adherence", lambda c: c.block("Study drug given", "Sessions delivered")
            ),
            ChecklistItem("24b", "Other care during the trial", lambda c: c.said("concomitant_care")),
            ChecklistItem("25", "Baseline data by arm", lambda c: c.block("Baseline characteristics")),
            ChecklistItem(
                "26",
                "Numbers analysed, results by arm, effects",
                lambda c: c.block("Primary and secondary endpoints", "Results"),
            ),
            ChecklistItem("27", "Harms by arm", _harms),
            ChecklistItem("28", "Other analyses, and whether planned", _subset),
        ),
    ),
    (
        "Discussion",
        (
            ChecklistItem("29", "Interpretation", lambda c: c.said("interpretation")),
            ChecklistItem("30", "Limitations", lambda c: c.said("limitations")),
        ),
    ),
)


def _title(check: Checked) -> str:
    title = check.material.protocol.model.trial.title.lower()
    return "Title of the report" if "random" in title else ""


def checklist(material: Material, blocks: Sequence[Block]) -> Table:
    """The checklist of a report made of ``blocks``."""
    document = Document("", tuple(blocks))
    captions: list[tuple[str, str]] = []
    tables = 0
    figures = {id(figure): k for k, figure in enumerate(document.figures, 1)}
    for block in blocks:
        if isinstance(block, Table):
            tables += 1
            captions.append((f"Table {tables}", block.caption))
        elif isinstance(block, Figure):
            captions.append((f"Figure {figures[id(block)]}", block.caption))
    headings = frozenset(b.text for b in blocks if isinstance(b, Heading))
    check = Checked(material, headings, tuple(captions))
    rows: list[Row] = []
    for section, items in ITEMS:
        rows.append(Row((section,), "group"))
        rows += [Row((i.number, i.topic, i.where(check) or FOR_YOU)) for i in items]
    columns = (Column("Item"), Column("Topic", wide=True), Column("Where", wide=True))
    written = sum(row.kind == "body" and row.cells[2] != FOR_YOU for row in rows)
    total = sum(row.kind == "body" for row in rows)
    return Table(
        "CONSORT 2025 checklist",
        columns,
        tuple(rows),
        subtitle=f"{written} of {total} items and parts are answered by the protocol and the records",
        footnotes=(
            "Topics are summaries; the wording of each item is in the CONSORT 2025 statement. "
            "Texts of the authors are read from trial.statements of the protocol file.",
        ),
    )


# Heading of a statement -> its name in the protocol.
_HEADS = {
    "Objective": "objective",
    "Background": "rationale",
    "Involvement of patients and the public": "involvement",
    "Sample size": "sample_size",
    "Interim analyses": "interim",
    "Changes to the protocol": "changes",
    "Protocol and analysis plan": "protocol_access",
    "Data sharing": "data_sharing",
    "Funding": "funding",
    "Conflicts of interest": "conflicts",
    "Other care": "concomitant_care",
    "Interpretation": "interpretation",
    "Limitations": "limitations",
}


def statements(material: Material) -> list[Block | None]:
    """What the authors wrote in the protocol file, and what is left for them to write."""
    written = [(head, text) for head, name in _HEADS.items() if (text := statement(material, name))]
    left = [head.lower() for head, name in _HEADS.items() if not statement(material, name)]
    blocks: list[Block | None] = [
        Bullets(tuple((strong(f"{head}. "), text) for head, text in written)) if written else None
    ]
    if left:
        blocks.append(
            Paragraph(f"[For you to write, under trial.statements of the protocol file: {'; '.join(left)}.]", "note")
        )
    return blocks
