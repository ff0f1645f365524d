"""The document model, and its two renderings."""

from __future__ import annotations

import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from html.parser import HTMLParser

import pytest
import typst
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from equipoise.reporting import format as fmt
from equipoise.reporting.document import (
    SIMULATED,
    Bullets,
    Callout,
    Code,
    Column,
    DefinitionList,
    Document,
    Figure,
    Heading,
    KeyFigures,
    Paragraph,
    Row,
    Table,
    strong,
)
from equipoise.reporting.layout import lay_out
from equipoise.reporting.palette import TOKENS, contrast_ratio
from equipoise.reporting.svg import Drawing

NASTY = (
    '<script>alert(1)</script> & "quoted" \'single\' #panic("typst") $x^2$ *bold* _em_ `code` @cite <label> '
    "[content] \\ {{ 7*7 }} {% raw %} ]]> --> &#x3C; \u202eabc\u202c \x00\x08 ſ 漢字"
)


def every_block(text: str) -> tuple[object, ...]:
    drawing = Drawing(alt=text or "nothing", height=40)
    drawing.text(0, 20, text)
    drawing.rect(0, 0, 10, 10, hint=text)
    return (
        Heading(text),
        Heading(text, 2),
        Paragraph((text, strong(text))),
        Paragraph(text, "lead"),
        Paragraph(text, "note"),
        Bullets((text, (text, strong(text)))),
        Bullets((text,), numbered=True),
        Table(
            text,
            (Column(text, wide=True), Column(text, "decimal", text)),
            (Row((text,), "group", marks=text), Row((text, text), marks=text), Row((text, fmt.Count(1, 2)), "total")),
            text,
            (text,),
        ),
        Figure(text, drawing, text, text),
        Callout(text, text),
        Callout(text, text, "warning"),
        KeyFigures(((text, text, text),)),
        DefinitionList(((text, text),)),
        Code(text),
    )


def document(text: str = "A plain text", banner: bool = True) -> Document:
    return Document(
        text,
        every_block(text),  # type: ignore[arg-type]
        text,
        text,
        SIMULATED if banner else None,
        ((text, text),),
        text,
    )


class Tags(HTMLParser):
    """Every tag with its attributes, and the text outside of styles."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.data: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.data.append(data)


def pdf_pages(pdf: bytes) -> list[str]:
    done = subprocess.run(["pdftotext", "-layout", "-", "-"], input=pdf, capture_output=True, check=True)
    return done.stdout.decode().split("\f")[:-1]


def test_text_of_a_protocol_cannot_become_html():
    page = Tags(document(NASTY).to_html())
    plain = Tags(document().to_html())
    # the same tags in the same order as with a harmless text, so no text became a tag or lost one
    assert [tag for tag, _ in page.tags] == [tag for tag, _ in plain.tags]
    assert [sorted(a) for _, a in page.tags] == [sorted(a) for _, a in plain.tags]
    assert "<script>alert(1)</script>" in "".join(page.data)
    assert "49" not in "".join(page.data)


def test_text_of_a_protocol_cannot_become_typst():
    shutil = pytest.importorskip("shutil")
    pdf = document(NASTY).to_pdf()
    if shutil.which("pdftotext") is None:
        pytest.skip("needs pdftotext (poppler) to read the PDF back")
    text = re.sub(r"\s+", "", "".join(pdf_pages(pdf)))
    for piece in ('#panic("typst")', "$x^2$", "*bold*", "_em_", "@cite", "<label>", "[content]"):
        assert piece in text


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.text(max_size=40))
def test_any_text_at_all_can_be_rendered(text: str):
    made = document(f"x{text}")
    html = made.to_html()
    assert [t for t, _ in Tags(html).tags] == [t for t, _ in Tags(document().to_html()).tags]
    for figure in lay_out(made)["blocks"]:
        if figure["block"] == "figure":
            ET.fromstring(figure["svg"])
    assert made.to_pdf().startswith(b"%PDF")


def test_the_page_fetches_nothing():
    html = document().to_html()
    page = Tags(html)
    names = {tag for tag, _ in page.tags}
    assert not names & {"script", "link", "img", "iframe", "object", "embed", "base", "form"}
    for _, attributes in page.tags:
        for name, value in attributes.items():
            assert not name.startswith("on")
            if name in ("href", "src", "xlink:href", "action"):
                assert (value or "").startswith("#")
    assert "@import" not in html
    outside = set(re.findall(r"https?://[^\"' <]+", html))
    assert outside <= {"http://www.w3.org/2000/svg"}, "only the name of the SVG namespace, which nobody fetches"
    assert "url(#" in html or "url(" not in html
    policy = next(a["content"] for t, a in page.tags if t == "meta" and a.get("http-equiv"))
    assert policy is not None
    assert "default-src 'none'" in policy


def test_simulated_stands_on_every_page_and_figure():
    html = document().to_html()
    assert html.count('class="band"') == 1
    assert "display:table-header-group" in html, "the band repeats on every printed page"
    figures = [b for b in lay_out(document())["blocks"] if b["block"] == "figure"]
    assert figures
    assert all(">SIMULATED</text>" in figure["svg"] for figure in figures)
    assert "<title>SIMULATED" in html


def test_simulated_stands_on_every_page_of_the_pdf():
    import shutil

    if shutil.which("pdftotext") is None:
        pytest.skip("needs pdftotext (poppler) to read the PDF back")
    blocks = [Paragraph("A sentence that fills pages. " * 60) for _ in range(12)]
    pages = pdf_pages(Document("Long", tuple(blocks), banner=SIMULATED, footer="hash 0123").to_pdf())
    assert len(pages) > 3
    for number, page in enumerate(pages, 1):
        assert "SIMULATED" in page
        assert "hash 0123" in page
        assert re.search(rf"{number}\s*/\s*{len(pages)}", page)


def test_nothing_says_simulated_when_the_records_are_real():
    made = document(banner=False)
    assert "SIMULATED" not in made.to_html()
    assert all("SIMULATED" not in b.get("svg", "") for b in lay_out(made)["blocks"])


def test_the_same_document_gives_the_same_bytes():
    assert document().to_html() == document().to_html()
    assert document().to_pdf() == document().to_pdf()


def test_a_pdf_holds_no_date():
    pdf = document().to_pdf()
    assert b"CreationDate" not in pdf
    assert b"ModDate" not in pdf


def test_every_figure_has_alternative_text():
    figures = [(t, a) for t, a in Tags(document("Words of the result").to_html()).tags if t == "svg"]
    assert figures
    assert all(a["role"] == "img" and a["aria-label"] == "Words of the result" for _, a in figures)
    with pytest.raises(ValueError, match="no alternative text"):
        Figure("A figure", Drawing(alt=" "))


def test_a_figure_wider_than_seven_inches_is_refused():
    with pytest.raises(ValueError, match="wider than 7 inches"):
        Figure("A figure", Drawing(alt="x", width=700))


def test_a_row_longer_than_its_table_is_refused():
    with pytest.raises(ValueError, match="2 cells, the table 1 columns"):
        Table("T", (Column("a"),), (Row(("x", "y")),))


def test_decimal_points_stand_under_one_another():
    table = Table(
        "T",
        (Column("a"), Column("b", "decimal")),
        (
            Row(("x", fmt.Interval(5.7, 1.3, 25.0, "odds_ratio"))),
            Row(("y", fmt.Number(123.4))),
            Row(("z", "not estimable")),
        ),
    )
    rows = lay_out(Document("D", (table,)))["blocks"][0]["rows"]
    assert [row["cells"][1]["pad"] for row in rows] == ["00", "", ""]


def test_headings_of_the_same_name_have_ids_of_their_own():
    laid_out = lay_out(Document("D", (Heading("Results"), Heading("Results"), Heading("…"))))
    assert [b["id"] for b in laid_out["blocks"]] == ["results", "results-2", "section"]


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize(
    "token", ["ink", "muted", "arm0", "arm1", "arm2-ink", "arm3", "amber", "accent", "published", "positive"]
)
def test_text_has_a_contrast_of_at_least_4_5(token: str, dark: bool):
    # WCAG 2.2, success criterion 1.4.3
    assert contrast_ratio(TOKENS[token][dark], TOKENS["paper"][dark]) >= 4.5


@pytest.mark.parametrize("dark", [False, True])
def test_the_simulated_band_can_be_read(dark: bool):
    assert contrast_ratio(TOKENS["amber"][dark], TOKENS["amber-paper"][dark]) >= 4.5


def test_arms_differ_in_grey_too():
    # two steps of lightness apart would be ideal; the direct labels carry what the grey does not
    assert contrast_ratio(TOKENS["positive"][0], TOKENS["negative"][0]) >= 3


def test_importing_the_document_model_loads_no_renderer():
    code = (
        "import sys, equipoise.reporting.document\n"
        "print(sorted(set(sys.modules) & {'matplotlib', 'typst', 'jinja2', 'django', 'numba'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_fonts_of_the_pdf_come_with_the_package():
    from equipoise.reporting.pdf import packaged_fonts

    assert "Inter" in packaged_fonts().families()
    assert typst.__version__
