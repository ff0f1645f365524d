"""Word and RTF files: the same text and numbers as the web page, in a form that Word opens."""

from __future__ import annotations

import io
import re
import zipfile

import docx
import pytest
from docx.oxml.ns import qn

import equipoise
from equipoise.reporting.consort import FOR_YOU, ITEMS
from equipoise.reporting.document import Column, Document, Row, Table
from equipoise.reporting.docx_file import TEXT_CM, render_docx, table_widths
from equipoise.reporting.figure_files import png_files
from equipoise.reporting.layout import lay_out
from equipoise.reporting.rtf import escaped, table_files

STATEMENTS = """trial:
  statements:
    objective: To learn whether it helps.
    sample-size: Sixty were planned, for 80% power.
    funding: "A public funder, which had no part in the analysis."
    data-sharing: Data and code are at example.org.
"""


@pytest.fixture(scope="module")
def report() -> Document:
    protocol = equipoise.read_protocol("ketamine-mbrp-cocaine")
    return equipoise.report(protocol, equipoise.simulate(protocol, seed=7))


@pytest.fixture(scope="module")
def word(report):
    return docx.Document(io.BytesIO(render_docx(report)))


def test_word_holds_every_table_of_the_report_cell_by_cell(report, word):
    laid_out = [b for b in lay_out(report)["blocks"] if b["block"] == "table"]
    tables = word.tables[2:]  # before them the answer's two
    assert len(tables) == len(laid_out) > 15
    for made, block in zip(tables, laid_out, strict=True):
        assert len(made.rows) == len(block["rows"]) + 1
        for row, told in zip(made.rows[1:], block["rows"], strict=True):
            texts = [cell.text for cell in row.cells]
            if told["kind"] == "group":
                assert texts[0].startswith(told["cells"][0]["text"])
                continue
            assert texts[0] == told["cells"][0]["text"] + told["marks"]
            assert texts[1:] == [cell["text"] for cell in told["cells"][1:]]


def test_word_has_captions_figures_with_words_and_a_head_on_every_page(report, word):
    titles = [p.text for p in word.paragraphs if p.style.name == "Table title"]
    for number, table in enumerate((b for b in report.blocks if isinstance(b, Table)), 1):
        assert any(title.startswith(f"Table {number}. {table.caption}, simulated") for title in titles)
    pictures = word.element.body.findall(f".//{qn('wp:docPr')}")
    assert [p.get("descr") for p in pictures] == [figure.alt for figure in report.figures]
    assert word.sections[0].header.paragraphs[0].text.startswith("SIMULATED")
    assert word.core_properties.title.startswith("SIMULATED")
    heads = word.element.body.findall(f".//{qn('w:tblHeader')}")
    assert len(heads) == len(word.tables)
    used = {p.get(qn("w:val")) for p in word.element.body.iter(qn("w:pStyle"))}
    assert used <= {style.style_id for style in word.styles}, (
        "a style that is not defined breaks tables in some programs"
    )


def test_what_only_people_can_write_is_highlighted(word):
    runs = [run for p in word.paragraphs for run in p.runs if run.text.startswith("[For you to write")]
    assert runs
    assert all(run.font.highlight_color is not None for run in runs)
    cells = [
        run for table in word.tables for row in table.rows for cell in row.cells for run in cell.paragraphs[0].runs
    ]
    assert any(run.text == FOR_YOU and run.font.highlight_color is not None for run in cells)


def test_the_same_report_gives_the_same_bytes(report):
    pictures = png_files(report)
    first = render_docx(report, pictures)
    assert first == render_docx(report, pictures)
    with zipfile.ZipFile(io.BytesIO(first)) as parts:
        assert parts.testzip() is None


def test_text_of_strangers_is_text(report):
    nasty = Document(
        '</w:t> & <b> "x" \x00\x0b',
        (Table("a & <b> {\\par}", (Column("<i>"),), (Row(("<td>",)),)),),
        banner=report.banner,
    )
    made = docx.Document(io.BytesIO(render_docx(nasty)))
    assert any(p.text == '</w:t> & <b> "x" ' for p in made.paragraphs)
    (text,) = table_files(nasty).values()
    assert "\\{\\\\par\\}" in text


def test_rtf_is_ascii_balanced_and_holds_every_cell(report):
    files = table_files(report)
    laid_out = [b for b in lay_out(report)["blocks"] if b["block"] == "table"]
    assert len(files) == len(laid_out)
    for text, block in zip(files.values(), laid_out, strict=True):
        assert text.isascii()
        assert "SIMULATED" in text
        bare = text.replace("\\{", "").replace("\\}", "").replace("\\\\", "")
        depth = 0
        for sign in bare:
            depth += {"{": 1, "}": -1}.get(sign, 0)
            assert depth >= 0
        assert depth == 0
        assert text.count("\\row\n") == len(block["rows"]) + 1
        cells = [escaped(c["text"]) for row in block["rows"] if row["kind"] != "group" for c in row["cells"]]
        assert all(cell in text for cell in cells)


def test_characters_outside_ascii_are_escaped_by_their_units():
    assert escaped("−1") == "\\u8722?1"
    assert escaped("\N{GRINNING FACE}") == "\\u-10179?\\u-8704?"
    assert escaped("a\nb\t\x07") == "a\\line b"


def test_the_checklist_has_thirty_items_and_points_at_what_is_there(report):
    numbers = {re.match(r"\d+", item.number)[0] for _, items in ITEMS for item in items}
    assert numbers == {str(k) for k in range(1, 31)}
    tables = [b for b in report.blocks if isinstance(b, Table)]
    checklist = tables[-1]
    where = {row.cells[0]: row.cells[2] for row in checklist.rows if row.kind == "body"}
    baseline = next(k for k, t in enumerate(tables, 1) if t.caption == "Baseline characteristics")
    assert where["25"] == f"Table {baseline}"
    flow = next(k for k, f in enumerate(report.figures, 1) if f.caption == "Flow of participants")
    assert where["22"] == f"Figure {flow}"
    assert where["5a"] == FOR_YOU
    assert where["2"].endswith("NCT01535937")


def test_texts_of_the_authors_fill_the_report_and_keep_old_hashes(tmp_path):
    original = equipoise.read_protocol("smoking-cessation")
    text = original.text.replace("trial:\n", STATEMENTS, 1)
    path = tmp_path / "own.yaml"
    path.write_text(text, "utf-8")
    protocol = equipoise.read_protocol(path)
    assert protocol.hash != original.hash
    records = equipoise.run("smoking-cessation", out=tmp_path / "out", pdf=False).records
    told = equipoise.report(protocol, records).to_html()
    assert "To learn whether it helps." in told
    assert "Sixty were planned, for 80% power." in told
    rows = {r.cells[0]: r.cells[2] for r in equipoise.report(protocol, records).blocks[-1].rows if r.kind == "body"}
    assert rows["5a"] == rows["4"] == rows["7"] == rows["16a"] == "Statements of the authors"
    assert rows["5b"] == FOR_YOU


def test_the_columns_of_every_table_fit_a_printed_page_and_leave_words_room(report):
    for block in (b for b in lay_out(report)["blocks"] if b["block"] == "table"):
        columns = block["columns"]
        page = 69.0 if block["small"] else 61.0 if len(columns) > 5 else 57.0
        fixed = sum(c["width"] for c in columns if not c["flexible"])
        left = page - fixed - 1.3 * len(columns)
        loose = sum(c["flexible"] for c in columns)
        assert left >= 5.0 * loose, block["caption"]


def columns_of(*heads: tuple[str, float, bool]) -> dict[str, object]:
    return {
        "columns": [
            {"head": head, "unit": "", "width": width, "flexible": loose, "align": "left"}
            for head, width, loose in heads
        ]
    }


@pytest.mark.parametrize(
    "heads",
    [
        (("Endpoint", 8.0, True), ("Buprenorphine-naloxone", 4.0, False), ("XR-naltrexone", 4.0, False)),
        (
            ("Endpoint", 40.0, False),
            ("Buprenorphine-naloxone", 2.0, False),
            ("Measure", 1.0, False),
            ("p", 30.0, False),
        ),
        (("Endpoint", 20.0, True), *[("Measure", 9.0, False)] * 5, ("Method", 60.0, True)),
        (("A", 1.0, False), ("B", 1.0, False)),
    ],
)
def test_columns_fill_the_text_and_no_word_of_a_head_is_broken(heads: tuple[tuple[str, float, bool], ...]):
    widths = table_widths(columns_of(*heads))
    assert sum(widths) == pytest.approx(TEXT_CM)
    em = 0.3175 if len(heads) <= 5 else 0.2822
    for width, (head, _, _) in zip(widths, heads, strict=True):
        assert width >= 0.55 * em * max(len(word) for word in head.split("-"))


def test_columns_too_many_for_their_words_still_fill_the_text():
    widths = table_widths(columns_of(*[("Incomprehensibilities", 3.0, False)] * 9))
    assert sum(widths) == pytest.approx(TEXT_CM)
    assert min(widths) == pytest.approx(max(widths))
