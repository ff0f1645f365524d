"""The protocol as a document: order, marks, editions, pages, and no number that the protocol does not state."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

import equipoise
from equipoise.instruments import find_instrument_of
from equipoise.protocol import Protocol
from equipoise.protocol.read import read_protocol_text
from equipoise.reporting import format as fmt
from equipoise.reporting.document import (
    Block,
    Bullets,
    Callout,
    DefinitionList,
    Document,
    Figure,
    Heading,
    Paragraph,
    Table,
    plain,
    spans,
)
from equipoise.reporting.docx_file import render_docx
from equipoise.reporting.protocol_document.build import build_protocol_document
from equipoise.reporting.protocol_document.compare import changes_table
from equipoise.reporting.protocol_document.outline import OUTLINE, section
from equipoise.reporting.protocol_document.spirit import ITEMS
from equipoise.workflow.document import protocol_document, write_protocol_document

SIMPLE = Path(__file__).resolve().parents[2] / "docs" / "simple_trial.yaml"
BUNDLED = equipoise.bundled_protocols()


def texts(blocks: Sequence[Block]) -> Iterator[str]:
    """Every text of some blocks, those for the machine (checksums) left out."""
    for block in blocks:
        match block:
            case Heading():
                yield block.text
            case Paragraph() | Callout():
                yield "".join(run["text"] for run in spans(block.text) if run["style"] != "code")
            case Bullets():
                yield from (plain(item) for item in block.items)
            case DefinitionList():
                for term, text in block.items:
                    yield term
                    yield "".join(run["text"] for run in spans(text) if run["style"] != "code")
            case Table():
                yield from (block.caption, block.subtitle, *block.footnotes)
                for row in block.rows:
                    yield from (fmt.cell(cell) for cell in row.cells)
            case Figure():
                yield from (block.caption, block.subtitle, block.note)


def numbered(document: Document) -> list[str]:
    """Numbers of the headings, in order."""
    return [block.text.split(" ")[0] for block in document.blocks if isinstance(block, Heading)]


def part(document: Document, first: str, last: str) -> list[Block]:
    """The blocks from one section up to, and without, another."""
    heads = {b.text.split(" ")[0]: k for k, b in enumerate(document.blocks) if isinstance(b, Heading)}
    return list(document.blocks[heads[first] : heads[last]])


@pytest.mark.parametrize("name", BUNDLED)
def test_every_bundled_protocol_is_a_whole_document(name: str) -> None:
    document = build_protocol_document(equipoise.read_protocol(name), audience="committee")
    blocks = document.blocks
    for k, block in enumerate(blocks):
        if isinstance(block, Heading):
            after = blocks[k + 1]
            assert not isinstance(after, Heading) or after.level > block.level, f"nothing stands under {block.text}"
    order = [one.number for one in OUTLINE]
    found = [number for number in numbered(document) if number in order]
    assert found == [number for number in order if number in set(found)], "the sections stand in another order"
    assert {one.number for one in OUTLINE if not one.optional} <= set(found), "a section of the template is absent"
    said = "\n".join(texts(blocks))
    assert not re.search(r"\bNone\b|\bnan\b|\bTrue\b|\bFalse\b|[{}]|Fact\(", said)
    assert "  " not in said
    assert document.to_html().startswith("<!doctype html>")
    assert render_docx(document).startswith(b"PK")
    assert document.to_pdf().startswith(b"%PDF")


def numbers_of(text: str) -> set[str]:
    """Numbers of a text as they are written, signs and thousands left aside."""
    return set(re.findall(r"\d+(?:\.\d+)?", text.replace("\N{NARROW NO-BREAK SPACE}", "")))


@pytest.mark.parametrize("name", BUNDLED)
def test_every_number_is_the_protocols_own(name: str) -> None:
    """Numbers of facts: in the file, or counted from its schedule, or the range of an instrument that it names."""
    protocol = equipoise.read_protocol(name)
    known = numbers_of(protocol.text)
    for date in re.findall(r"\d{4}-\d{2}-\d{2}", protocol.text):
        known |= {part.lstrip("0") for part in date.split("-")}
    for visit in protocol.planned_visits:
        known |= {str(abs(day)) for day in (visit.target_day,)}
    for entry in protocol.model.schedule.values():
        if entry.window is not None:
            known |= {str(entry.window.days_before), str(entry.window.days_after)}
    for id, assessment in protocol.model.assessments.items():
        instrument = find_instrument_of(protocol, id) if assessment.type == "instrument" else None
        if instrument is not None:
            known |= numbers_of(instrument.name) | {str(len(instrument.items))}
            if instrument.main_scale is not None:
                known |= {f"{abs(bound):g}" for bound in instrument.bounds(instrument.main_scale)}
    for intervention in protocol.model.interventions.values():
        known.add(str(len(getattr(intervention, "session_days", ()))))
    known |= {
        str(len(protocol.model.sites)),
        "95",
        "0",
        "1",
    }  # the level of intervals; day -1 and that there is no day 0
    document = build_protocol_document(protocol, audience="committee")
    blocks = [*document.blocks[:2], *part(document, "1", "12.5")]
    said = "\n".join(text for block in blocks if not isinstance(block, Heading) for text in texts([block]))
    said = re.sub(r"\[\d+(, \d+)*\]", "", said)  # references
    said = re.sub(r"\b[Ss]ections? \d+(\.\d+)*( and( of section)? \d+(\.\d+)*)?", "", said)
    said = re.sub(r"The \d+ identical visits", "", said)  # what the drawn schedule leaves out
    said = said.replace("SPIRIT 2025", "").replace("SHA-256", "").replace("E9(R1)", "")
    primaries = sum(line.level == "primary" for line in protocol.model.analyses.values())
    said = said.replace(f"has {primaries} primary analyses", "")
    assert numbers_of(said) <= known, sorted(numbers_of(said) - known)


def test_the_same_protocol_gives_the_same_bytes() -> None:
    protocol = equipoise.read_protocol("ketamine-met-alcohol")
    one, other = (build_protocol_document(protocol, audience="committee", paged=True) for _ in range(2))
    assert one.to_html() == other.to_html()
    assert one.to_pdf() == other.to_pdf()
    assert render_docx(one) == render_docx(other)


def test_sites_do_not_read_the_method_of_randomization() -> None:
    """Whatever the method is, the edition for investigators has the same text, checksums aside."""
    text = equipoise.read_protocol("smoking-cessation").text
    flagship = equipoise.read_protocol("ketamine-mbrp-cocaine").text
    assert "assumed: permuted-blocks" in flagship
    for source in (flagship, text):
        said = set()
        for scheme in ("permuted-blocks", "big-stick", "minimization"):
            changed = re.sub(r"scheme: .*", f"scheme: {{value: null, assumed: {scheme}, basis: {scheme}}}", source)
            protocol = read_protocol_text(changed)
            html = build_protocol_document(protocol).to_html()
            said.add(re.sub(r"[0-9a-f]{12,64}", "", html))
            committee = build_protocol_document(protocol, audience="committee").to_html()
            assert scheme.replace("-", " ")[:5] in committee.lower()
        assert len(said) == 1
        assert not re.search("permuted|big stick|minimi[sz]ation", said.pop(), re.IGNORECASE)


def test_a_change_of_the_method_is_not_shown_to_sites() -> None:
    old = equipoise.read_protocol("ketamine-mbrp-cocaine")
    new = read_protocol_text(old.text.replace("assumed: permuted-blocks", "assumed: big-stick"))
    for audience, is_shown in (("investigators", False), ("committee", True)):
        table = changes_table(old, new, audience)
        assert table is not None
        assert ("big stick" in str(table)) is is_shown
        assert [row.cells[0] for row in table.rows] == ["6.7"]


def test_changes_stand_under_their_sections() -> None:
    old = equipoise.read_protocol("ketamine-mbrp-cocaine")
    text = old.text.replace("criterion: age >= 18", "criterion: age >= 21").replace("window: -1..0", "window: -1..1")
    text = text.replace("    seeking: {criterion: seeks treatment, source: registry}\n", "")
    document = protocol_document(read_protocol_text(text), compare=old)
    table = next(block for block in document.blocks if isinstance(block, Table))
    assert table.caption == "Changes since the earlier version"
    assert [row.cells[0] for row in table.rows] == ["1.3", "5.2", "5.2"]
    assert table.rows[0].cells[2:] == ("-1..0", "-1..1")
    assert table.rows[2].cells[3] == "absent"
    assert changes_table(old, old, "committee") is None
    for one in OUTLINE:
        assert one == section(one.number)


def test_the_checklist_has_every_item_and_names_pages_where_the_sections_stand(tmp_path: Path) -> None:
    assert {re.sub("[a-d]", "", item.number) for _, items in ITEMS for item in items} == {str(k) for k in range(1, 35)}
    known = {one.number for one in OUTLINE} | {"Title page"}
    assert all(number in known for _, items in ITEMS for item in items for number in item.sections)
    if shutil.which("pdftotext") is None:
        pytest.skip("needs pdftotext (poppler) to read the pages")
    file = write_protocol_document("ketamine-mbrp-cocaine", tmp_path / "p.pdf", to="pdf", audience="committee")
    document = protocol_document("ketamine-mbrp-cocaine", audience="committee", paged=True)
    table = next(b for b in document.blocks if isinstance(b, Table) and b.caption == "SPIRIT 2025 checklist")
    read = subprocess.run(["pdftotext", "-layout", file, "-"], check=True, capture_output=True, timeout=60).stdout
    pages = read.decode().split("\f")
    places = re.findall(r"(\d+(?:\.\d+)*), p\. (\d+)", " ".join(str(row.cells[-1]) for row in table.rows))
    assert len(places) > 50
    for number, page in places:
        start = section(number).title[:24]
        assert re.search(rf"^\s*{re.escape(start)}", pages[int(page) - 1], re.MULTILINE), (number, page)


def test_what_is_known_is_answered_and_what_is_not_is_marked() -> None:
    known = {
        row.cells[0]: str(row.cells[2])
        for row in _checklist(equipoise.read_protocol("ketamine-mbrp-cocaine"))
        if row.kind == "body"
    }
    assert known["4"] == "11.12, Title page"
    assert known["24a"] == "6.7.3"
    assert known["22"].startswith("[For you to write]")
    assert known["30"].startswith("[For you to write]")
    text = equipoise.read_protocol("ketamine-mbrp-cocaine").text
    more = text.replace("  setting:", "  statements: {funding: A foundation., rationale: Because.}\n  setting:", 1)
    after = {row.cells[0]: str(row.cells[2]) for row in _checklist(read_protocol_text(more)) if row.kind == "body"}
    assert after["7a"] == "11.12"
    assert after["9a"] == "2.1"
    single = {
        row.cells[0]: str(row.cells[2])
        for row in _checklist(equipoise.read_protocol("ketamine-depression-course"))
        if row.kind == "body"
    }
    assert single["22"] == "Not applicable: not randomized"


def _checklist(protocol: Protocol) -> list:
    document = build_protocol_document(protocol, audience="committee")
    return list(next(b for b in document.blocks if isinstance(b, Table) and "SPIRIT" in b.caption).rows)


def test_the_graph_of_hypotheses_stands_before_there_are_results() -> None:
    text = SIMPLE.read_text("utf-8")
    names = list(read_protocol_text(text).model.analyses)[:2]
    assert len(names) == 2
    text += f"\nmultiplicity: {{method: holm, alpha-two-sided: 0.05, hypotheses: [{', '.join(names)}]}}\n"
    document = build_protocol_document(read_protocol_text(text))
    figure = next(b for b in part(document, "10.10", "10.11") if isinstance(b, Figure))
    assert figure.caption == "Multiple testing: weights and transitions"
    assert "rejected" not in figure.drawing.svg()
    assert "Holm's procedure" in "\n".join(texts(part(document, "10.10", "10.11")))


def test_planned_looks_are_told() -> None:
    text = equipoise.read_protocol("ketamine-mbrp-cocaine").text
    looks = "looks: {analyses: [abstinence], at: [0.5, 1], boundary: lan-demets-pocock}"
    document = build_protocol_document(read_protocol_text(f"{text}\n{looks}\n"))
    said = "\n".join(texts(part(document, "10.9", "10.10")))
    assert "0.5, 1" in said
    assert "Lan-DeMets Pocock" in said
