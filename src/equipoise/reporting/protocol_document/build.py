"""The whole document: sections in their order, what is absent marked, the checklist with its pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from equipoise.protocol import Protocol
from equipoise.reporting.context import material_without_records
from equipoise.reporting.document import Block, Document, Heading, Table
from equipoise.reporting.layout import lay_out
from equipoise.reporting.pdf import pages_of_headings
from equipoise.reporting.protocol_document import assessments, design, front, interventions, oversight, statistics
from equipoise.reporting.protocol_document.draft import AUDIENCES, Audience, ProtocolDraft, Writer, for_you
from equipoise.reporting.protocol_document.front import title_page
from equipoise.reporting.protocol_document.outline import OUTLINE, OutlineSection
from equipoise.reporting.protocol_document.spirit import TITLE_PAGE, checklist

_CHECKLIST = "12.6"

_WRITERS: Mapping[str, Writer] = {
    **front.WRITERS,
    **design.WRITERS,
    **interventions.WRITERS,
    **assessments.WRITERS,
    **statistics.WRITERS,
    **oversight.WRITERS,
}


def build_protocol_document(
    protocol: Protocol,
    *,
    audience: Audience = "investigators",
    version: str = "",
    power: Sequence[Block] = (),
    changes: Table | None = None,
    paged: bool = False,
) -> Document:
    """The protocol as a document in the order of ICH M11, with the SPIRIT 2025 checklist.

    ``power`` are blocks for the section on sample size, ``changes`` the table of what differs from another version.
    With ``paged`` the checklist names the pages of the PDF; the same protocol and choices give the same document.
    """
    material = material_without_records(protocol, version)
    draft = ProtocolDraft(material, audience, version, tuple(power), changes)
    document = _document(draft)
    # The checklist is the one place that names pages. Its own length may move what follows it, and nothing before.
    for _ in range(3 if paged else 0):
        pages = pages_of_headings(document)
        if pages == draft.pages:
            break
        draft = replace(draft, pages=pages)
        document = _document(draft)
    return document


def _document(draft: ProtocolDraft) -> Document:
    blocks = title_page(draft)
    body = _body(draft)
    present = _ids([*blocks, *body])
    for at, block in enumerate(body):
        if isinstance(block, Heading) and block.text.startswith(f"{_CHECKLIST} "):
            body.insert(at + 1, checklist(draft, present))
            break
    trial = draft.model.trial
    footer = f"{trial.id} · protocol {draft.protocol.hash[:12]}" + (
        f" · equipoise {draft.version}" if draft.version else ""
    )
    return Document(
        trial.title,
        (*blocks, *body),
        AUDIENCES[draft.audience],
        "Clinical trial protocol",
        None,
        (),
        footer,
        paged_contents=2,
    )


def _body(draft: ProtocolDraft) -> list[Block]:
    """Every section with what the file has for it, or with the mark; optional ones only with content."""
    out: list[Block] = []
    for section in OUTLINE:
        writer = _WRITERS.get(section.number)
        content = [block for block in (writer(draft) if writer is not None else ()) if block is not None]
        if section.optional and not content:
            continue
        out.append(Heading(section.title, section.level))  # type: ignore[arg-type]
        out += content
        if not content and section.belongs and not _is_parent(section):
            out.append(for_you(section.belongs))
    return out


def _is_parent(section: OutlineSection) -> bool:
    """Whether sections below it stand in every document."""
    return any(one.number.startswith(f"{section.number}.") and not one.optional for one in OUTLINE)


def _ids(blocks: Sequence[Block]) -> dict[str, str]:
    """The id that the layout gives to the heading of each section, by its number."""
    laid_out = lay_out(Document("", tuple(blocks)))["blocks"]
    found = {
        b["text"].split(" ", 1)[0]: b["id"] for b in laid_out if b["block"] == "heading" and b["text"][0].isdigit()
    }
    return {TITLE_PAGE: "", **found}
