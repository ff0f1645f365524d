"""Oversight, appendices, glossary and references: sections 11 to 14."""

from __future__ import annotations

from collections.abc import Sequence

from equipoise.protocol.vocabulary.estimators import ESTIMATORS
from equipoise.reporting import format as fmt
from equipoise.reporting.document import Block, Bullets, DefinitionList, Paragraph, Table, Text, code, strong
from equipoise.reporting.methods import unknown_and_assumed
from equipoise.reporting.multiplicity import cited_for
from equipoise.reporting.protocol_document.draft import ProtocolDraft, Writer, for_you
from equipoise.reporting.references import GUIDELINES, references_for

_TERMS = {
    "Study day": "a count from the anchor, which is day 1; the day before is day −1, and there is no day 0",
    "Visit window": "days before and after the target day in which the visit counts, both ends included",
    "Estimand": "what is to be estimated: population, treatments, variable, intercurrent events, summary measure",
    "Intercurrent event": "an event after treatment begins that affects what the variable means or whether it exists",
    "Arm": "what a participant is allocated to receive",
    "Endpoint": "a variable with one value per participant, or per visit",
}
_M11 = (
    "International Council for Harmonisation. M11: clinical electronic structured harmonised protocol (CeSHarP), "
    "template. Step 4, 19 November 2025."
)


def _sponsor(draft: ProtocolDraft) -> Sequence[Block | None]:
    told = draft.told(draft.model.trial.sponsor)
    if not told:
        return []
    return [
        DefinitionList((("Sponsor", told),)),
        for_you("what the sponsor answers for, and its part in design, analysis and report"),
    ]


def _dissemination(draft: ProtocolDraft) -> Sequence[Block | None]:
    trial = draft.model.trial
    items: list[tuple[str, Text]] = []
    for label, text in (
        ("Registration", draft.told(trial.registration)),
        ("Protocol and analysis plan", draft.statement("protocol_access")),
        ("Sharing of data", draft.statement("data_sharing")),
        ("Funding", draft.statement("funding")),
        ("Interests of the investigators", draft.statement("conflicts")),
    ):
        items.append((label, text or (strong("[For you to write]"),)))
    return [
        DefinitionList(tuple(items)),
        for_you("how results reach participants, health professionals and the public"),
    ]


def _amendments(draft: ProtocolDraft) -> Sequence[Block | None]:
    return draft.written("changes")


def _unknown(draft: ProtocolDraft) -> Sequence[Block | None]:
    blocks = unknown_and_assumed(draft.material)
    if draft.audience == "committee":
        return blocks
    return [_without_scheme(block) if isinstance(block, Table) else block for block in blocks]


def _without_scheme(table: Table) -> Table | None:
    """The table without what people who enrol participants may not know."""
    from dataclasses import replace

    rows = tuple(row for row in table.rows if not str(row.cells[0]).lower().startswith("randomization: scheme"))
    return replace(table, rows=rows) if rows else None


def _version(draft: ProtocolDraft) -> Sequence[Block | None]:
    protocol = draft.protocol
    items: list[tuple[str, Text]] = [
        ("Protocol", draft.model.trial.id),
        ("Checksum of the content", (code(protocol.hash),)),
        ("Checksum of the file", (code(protocol.file_hash),)),
        ("Version of the language", str(draft.model.equipoise)),
    ]
    if draft.version:
        items.append(("Drawn up by", f"equipoise {draft.version}"))
    note = (
        "The checksum of the content (SHA-256) changes with anything that the protocol promises, and nothing else. "
        "Results and reports carry it."
    )
    return [DefinitionList(tuple(items)), Paragraph(note)]


def _glossary(draft: ProtocolDraft) -> Sequence[Block | None]:
    return [DefinitionList(tuple(_TERMS.items())), for_you("abbreviations of this trial")]


def _references(draft: ProtocolDraft) -> Sequence[Block | None]:
    items: list[Text] = []
    for source in draft.model.sources.values():
        text = source.cite.rstrip(".") + "."
        if source.doi:
            text += f" doi:{source.doi}."
        elif source.address:
            text += f" {source.address}."
        if source.note:
            text += f" {source.note}"
        items.append(fmt.dates_in_words(text))
    keys: set[str] = cited_for(draft.model.multiplicity)
    for line in draft.model.analyses.values():
        row = ESTIMATORS[line.estimator]
        keys |= {*row.cites, *row.cites_choice.get(line.method or "", ())}
    items += [*references_for(keys), _M11, *(one for one in GUIDELINES if "CONSORT" not in one)]
    return [Bullets(tuple(items), numbered=True)]


WRITERS: dict[str, Writer] = {
    "11.2.2": _sponsor,
    "11.12": _dissemination,
    "12.3": _amendments,
    "12.4": _unknown,
    "12.5": _version,
    "13": _glossary,
    "14": _references,
}
