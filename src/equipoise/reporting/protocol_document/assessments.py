"""Assessments and safety: sections 8 and 9."""

from __future__ import annotations

from collections.abc import Sequence

from equipoise.instruments import find_instrument_of
from equipoise.reporting import format as fmt
from equipoise.reporting import words
from equipoise.reporting.document import Block, Bullets, Column, DefinitionList, Paragraph, Row, Table, Text, strong
from equipoise.reporting.protocol_document.draft import ProtocolDraft, Writer, for_you, plain_value, sentence

_TYPES = {
    "urine": "urine samples",
    "daily-use": "daily-use calendar",
    "instrument": "instrument",
    "finding": "yes or no",
    "vitals": "vital signs",
    "event": "adverse events",
    "events": "outcome events",
}
_SAFETY = ("vitals", "event")


def _considerations(draft: ProtocolDraft) -> Sequence[Block | None]:
    blocks: list[Block] = [
        Paragraph(
            "Section 1.3 lists every visit with its target day and window, and what is given and assessed there. "
            "A record counts for a visit if its day lies in the window."
        )
    ]
    rules = {visit.without_row for visit in draft.model.schedule.values()}
    if "not-expected" in rules:
        labels = [
            words.lowered(draft.visit_label(id))
            for id, v in draft.model.schedule.items()
            if v.without_row == "not-expected"
        ]
        blocks.append(Paragraph(f"Not planned for every participant: {fmt.joined(labels)}."))
    use = [(words.capitalized(id.replace("-", " ")), _use(draft, id)) for id in draft.model.use]
    if use:
        blocks.append(Paragraph("What counts as use:"))
        blocks.append(DefinitionList(tuple(use)))
    return blocks


def _use(draft: ProtocolDraft, id: str) -> Text:
    entry = draft.model.use[id]
    sources = fmt.joined([{"urine": "urine samples", "self-report": "self-report"}[one] for one in entry.by])
    together = ""
    if len(entry.by) > 1:
        together = "one source that shows use is enough" if entry.counts_if == "any" else "all sources must show use"
    return sentence(entry.words or "", f"by {sources}", together) + draft.cited(entry)


def _baseline(draft: ProtocolDraft) -> Sequence[Block | None]:
    rows = []
    for id, variable in draft.model.baseline.items():
        kind = {"number": "number", "category": "category", "yes-no": "yes or no"}[variable.type]
        what = kind
        if variable.levels:
            what = ", ".join(level.replace("-", " ") for level in variable.levels)
        elif variable.unit:
            what = f"{kind}, {variable.unit}"
        if variable.is_score:
            score, visit = draft.assessment_label(variable.from_), draft.visit_label(variable.visit)
            what = f"score of {words.lowered(score)} at {words.lowered(visit)}"
        rows.append(
            Row(
                (
                    variable.label or words.capitalized(id.replace("-", " ")),
                    words.capitalized(what) + draft.cited(variable),
                )
            )
        )
    if not rows:
        return []
    return [
        Table(
            "Variables recorded before randomization"
            if draft.model.randomization
            else "Variables recorded at baseline",
            (Column("Variable"), Column("Values", wide=True)),
            tuple(rows),
        )
    ]


def _when(draft: ProtocolDraft, id: str) -> str:
    found = [words.lowered(draft.visit_label(v)) for v, entry in draft.model.schedule.items() if id in entry.assess]
    return fmt.joined(found) or "at no planned visit"


def _efficacy(draft: ProtocolDraft) -> Sequence[Block | None]:
    rows, keys = [], []
    for id, entry in draft.model.assessments.items():
        if entry.type in _SAFETY:
            continue
        what = _TYPES[entry.type]
        if entry.substances:
            what += f": {fmt.joined([s.replace('-', ' ') for s in entry.substances])}"
        if entry.terms:
            what += f": {fmt.joined([t.replace('-', ' ') for t in entry.terms])}"
        instrument = find_instrument_of(draft.protocol, id) if entry.type == "instrument" else None
        if instrument is not None:
            what = instrument.name
            main = instrument.main_scale
            if main is not None and instrument.items:
                low, high = instrument.bounds(main)
                keys.append(_key(draft, id, f"{low:g}", f"{high:g}", len(instrument.items)))
        if entry.yes:
            what += f": {entry.yes}; otherwise {entry.no}"
        rows.append(
            Row(
                (
                    draft.assessment_label(id) + draft.cited(entry),
                    words.capitalized(what),
                    words.capitalized(_when(draft, id)),
                )
            )
        )
    blocks: list[Block | None] = []
    if rows:
        columns = (Column("Assessment", wide=True), Column("What is recorded", wide=True), Column("When", wide=True))
        blocks.append(Table("Assessments", columns, tuple(rows)))
    if keys:
        blocks += [
            Paragraph("Ranges of the instruments, by the scoring keys that the program uses:"),
            Bullets(tuple(keys)),
        ]
    blocks += [Paragraph("Endpoints derived from them:"), DefinitionList(tuple(_endpoints(draft)))]
    return blocks


def _key(draft: ProtocolDraft, id: str, low: str, high: str, n: int) -> Text:
    label = draft.assessment_label(id)
    low, high = (text.replace("-", fmt.MINUS) for text in (low, high))
    return (strong(f"{label}. "), f"{low} to {high}, from {fmt.plural(n, 'item')}.")


def _endpoints(draft: ProtocolDraft) -> list[tuple[str, Text]]:
    items: list[tuple[str, Text]] = []
    for id, endpoint in draft.model.endpoints.items():
        note = f" {words.capitalized(endpoint.note.rstrip('.'))}." if endpoint.note else ""
        items.append((draft.material.endpoint_label(id), sentence(endpoint.words) + note + draft.cited(endpoint)))
    return items


def _safety(draft: ProtocolDraft) -> Sequence[Block | None]:
    rows = []
    for id, entry in draft.model.assessments.items():
        if entry.type in _SAFETY:
            rows.append(
                Row(
                    (
                        draft.assessment_label(id) + draft.cited(entry),
                        words.capitalized(_TYPES[entry.type]),
                        words.capitalized(_when(draft, id)),
                    )
                )
            )
    if not rows:
        return []
    columns = (Column("Assessment", wide=True), Column("What is recorded"), Column("When", wide=True))
    return [Table("Safety assessments", columns, tuple(rows))]


def _vitals(draft: ProtocolDraft) -> Sequence[Block | None]:
    found = [id for id, entry in draft.model.assessments.items() if entry.type == "vitals"]
    if not found:
        return []
    text = f"Systolic and diastolic blood pressure, pulse and oxygen saturation: {_when(draft, found[0])}."
    return [
        Paragraph(text),
        Paragraph("Intervals between readings stand in section 6.3, readings that stop an infusion in section 7.1.")
        if draft.model.conduct.infusing.stop
        else None,
    ]


def _laboratory(draft: ProtocolDraft) -> Sequence[Block | None]:
    rows = []
    for id, entry in draft.model.assessments.items():
        if entry.type == "urine":
            rows.append(
                (
                    draft.assessment_label(id),
                    fmt.joined([s.replace("-", " ") for s in entry.substances]) + draft.cited(entry),
                )
            )
    if not rows:
        return []
    return [DefinitionList(tuple(rows)), for_you("cut-off concentrations, assays and laboratory")]


def _ae_timing(draft: ProtocolDraft) -> Sequence[Block | None]:
    found = [id for id, entry in draft.model.assessments.items() if entry.type == "event"]
    if not found:
        return []
    return [
        Paragraph(f"Adverse events are asked about at these visits: {_when(draft, found[0])}."),
        for_you("from which moment to which moment events are collected"),
    ]


def _reporting(draft: ProtocolDraft) -> Sequence[Block | None]:
    rows = []
    for id, clock in draft.model.conduct.reporting.items():
        events = fmt.joined([plain_value(condition) for condition in clock.applies])
        rows.append(
            Row(
                (
                    words.capitalized(id.replace("-", " ")),
                    words.capitalized(events),
                    str(clock.within),
                    words.capitalized(clock.to) + draft.cited(clock),
                )
            )
        )
    if not rows:
        return []
    columns = (Column("Report"), Column("Events that are", wide=True), Column("Within"), Column("To", wide=True))
    note = "Counted from the minute at which the site knows of the event if in hours, in calendar days otherwise."
    return [Table("Time limits for reports of adverse events", columns, tuple(rows), footnotes=(note,))]


def _outcomes(draft: ProtocolDraft) -> Sequence[Block | None]:
    terms = [
        t.replace("-", " ") for entry in draft.model.assessments.values() if entry.type == "events" for t in entry.terms
    ]
    if not terms:
        return []
    return [
        Paragraph(f"Recorded as outcomes of the trial: {fmt.joined(list(dict.fromkeys(terms)))}."),
        for_you("which of these are also reported as adverse events"),
    ]


WRITERS: dict[str, Writer] = {
    "8.1": _considerations,
    "8.2": _baseline,
    "8.3": _efficacy,
    "8.4": _safety,
    "8.4.2": _vitals,
    "9.2.1": _ae_timing,
    "9.2.3": _reporting,
    "9.2.5": _outcomes,
    "12.1": _laboratory,
}
