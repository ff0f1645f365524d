"""A document as a Word file: the same text, numbers and figures as the web page, in styles that a journal can restyle.

Tables are real tables with three rules and a head that repeats on every page; numbers are plain text on decimal tabs.
What only a person can write stands in brackets, highlighted. The same document gives the same bytes.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from equipoise.reporting import format as fmt
from equipoise.reporting.document import Document
from equipoise.reporting.figure_files import png_files
from equipoise.reporting.layout import lay_out

if TYPE_CHECKING:
    from docx.document import Document as WordDocument
    from docx.text.paragraph import Paragraph as WordParagraph

TEXT_CM = 16.0  # A4 less two margins of 2.5 cm
EM_CM, DENSE_EM_CM = 0.3175, 0.2822  # 9 and 8 pt
_FOR_YOU = re.compile(r"(\[For you to write[^\]]*\])")
# Ids of the styles "Table text" and "Table text dense": by name a style is looked up anew in every cell.
_TABLE_TEXT, _DENSE_TEXT = "Tabletext", "Tabletextdense"
_MADE = datetime(2000, 1, 1)  # a date of its own would make every file another one


def render_docx(document: Document, pictures: Sequence[bytes] | None = None) -> bytes:
    """The document as .docx; ``pictures`` are its figures as PNG, made here where they are not given."""
    import docx
    from docx.shared import Cm

    drawn = list(png_files(document) if pictures is None else pictures)
    laid_out = lay_out(document)
    word = docx.Document()
    _set_up(word, laid_out)
    if laid_out["kicker"]:
        word.add_paragraph(laid_out["kicker"], style="Subtitle")
    word.add_paragraph(laid_out["title"], style="Title")
    if laid_out["subtitle"]:
        word.add_paragraph(laid_out["subtitle"], style="Subtitle")
    if laid_out["banner"]:
        banner = laid_out["banner"]
        word.add_paragraph(f"{banner['word']}. {banner['sentence']}", style="Warning")
    for block in laid_out["blocks"]:
        if block["block"] == "figure":
            _caption(word, f"Figure {block['number']}. {block['caption']}", block["subtitle"])
            picture = word.add_paragraph()
            picture.paragraph_format.keep_together = True
            shape = picture.add_run().add_picture(
                io.BytesIO(drawn[block["number"] - 1]), width=Cm(TEXT_CM * min(1.0, block["share"]))
            )
            shape._inline.docPr.set("descr", block["alt"])
            if block["note"]:
                word.add_paragraph(block["note"], style="Table note")
        else:
            _add(word, block)
    for entry in laid_out["provenance"]:
        line = word.add_paragraph(style="Table note")
        line.add_run(f"{entry['term']}: ").bold = True
        _runs(line, entry["text"])
    return _same_bytes(word)


def _same_bytes(word: WordDocument) -> bytes:
    """The file with one date on every part."""
    raw = io.BytesIO()
    word.save(raw)
    out = io.BytesIO()
    with zipfile.ZipFile(raw) as made, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as fixed:
        for entry in made.infolist():
            part = zipfile.ZipInfo(entry.filename, (2000, 1, 1, 0, 0, 0))
            part.compress_type = zipfile.ZIP_DEFLATED
            part.external_attr = 0o644 << 16
            fixed.writestr(part, made.read(entry.filename))
    return out.getvalue()


def _set_up(word: WordDocument, laid_out: dict[str, Any]) -> None:
    """Page, styles, properties, head and foot."""
    from docx.enum.style import WD_STYLE_TYPE
    from docx.shared import Cm, Pt, RGBColor

    properties = word.core_properties
    stamp = laid_out["banner"]["word"] if laid_out["banner"] else ""
    properties.title = f"{stamp}: {laid_out['title']}" if stamp else laid_out["title"]
    properties.author = properties.last_modified_by = "equipoise"
    properties.comments = ""
    properties.language = laid_out["language"]
    properties.created = properties.modified = _MADE
    section = word.sections[0]
    section.page_width, section.page_height = Cm(21), Cm(29.7)
    section.left_margin = section.right_margin = section.top_margin = section.bottom_margin = Cm(2.5)
    styles = word.styles
    for name, size in (("Normal", 11), ("Heading 1", 15), ("Heading 2", 12.5), ("Heading 3", 11), ("Title", 20)):
        styles[name].font.name = "Calibri"
        styles[name].font.size = Pt(size)
        styles[name].font.color.rgb = RGBColor(0x1A, 0x22, 0x2B)
    styles["Subtitle"].font.size = Pt(11)
    styles["Subtitle"].font.italic = False
    for name, size, bold in (
        ("Table title", 10, True),
        ("Table note", 8.5, False),
        ("Table text", 9, False),
        ("Table text dense", 8, False),
    ):
        style = styles.add_style(name, WD_STYLE_TYPE.PARAGRAPH)
        style.base_style = styles["Normal"]
        style.font.size, style.font.bold = Pt(size), bold
        style.paragraph_format.space_after = Pt(2 if name != "Table note" else 6)
        style.paragraph_format.space_before = Pt({"Table title": 10, "Table note": 3}.get(name, 0))
        style.paragraph_format.keep_with_next = name == "Table title"
    warning = styles.add_style("Warning", WD_STYLE_TYPE.PARAGRAPH)
    warning.base_style = styles["Normal"]
    warning.font.bold = True
    warning.font.color.rgb = RGBColor(0xB4, 0x53, 0x09)
    if stamp:
        section.header.paragraphs[0].text = f"{stamp}. {laid_out['banner']['sentence']}"
        section.header.paragraphs[0].style = warning
    section.footer.paragraphs[0].text = laid_out["footer"]
    section.footer.paragraphs[0].style = styles["Table note"]


def _paragraph(word: WordDocument, text: str = "", *, style: str = "Normal") -> WordParagraph:
    """A paragraph at the end; its style is set by id, because by name all styles are gone through each time."""
    made = word.add_paragraph(text)
    if style != "Normal":
        made._p.style = style.replace(" ", "")
    return made


def _add(word: WordDocument, block: dict[str, Any]) -> None:
    match block["block"]:
        case "answer":
            _answer(word, block)
        case "heading":
            _paragraph(word, block["text"], style=f"Heading {block['level']}")
        case "paragraph":
            style = "Table note" if block["kind"] == "note" else "Normal"
            _runs(_paragraph(word, style=style), block["spans"])
        case "bullets":
            for item in block["items"]:
                _runs(_paragraph(word, style="List Number" if block["numbered"] else "List Bullet"), item)
        case "table":
            _caption(word, f"Table {block['number']}. {block['caption']}", block["subtitle"])
            _table(word, block)
            for note in block["footnotes"]:
                _paragraph(word, note, style="Table note")
        case "callout":
            paragraph = _paragraph(word, style="Normal")
            if block["title"]:
                paragraph.add_run(f"{block['title'].rstrip('.')}. ").bold = True
            _runs(paragraph, block["spans"])
        case "key-figures":
            for item in block["items"]:
                paragraph = _paragraph(word, style="List Bullet")
                paragraph.add_run(f"{item['label']}: {item['value']}").bold = True
                paragraph.add_run(f" {item['detail']}" if item["detail"] else "")
        case "definitions":
            for item in block["items"]:
                paragraph = _paragraph(word, style="Normal")
                paragraph.add_run(f"{item['term']}. ").bold = True
                _runs(paragraph, item["spans"])
        case "code":
            _paragraph(word, block["text"], style="Table text")


def _caption(word: WordDocument, title: str, subtitle: str) -> None:
    paragraph = _paragraph(word, title, style="Table title")
    if subtitle:
        paragraph.add_run(f"\n{subtitle}").bold = False


def _runs(paragraph: WordParagraph, spans: Sequence[dict[str, str]]) -> None:
    from docx.enum.text import WD_COLOR_INDEX

    for span in spans:
        for text in _FOR_YOU.split(span["text"]):
            if not text:
                continue
            run = paragraph.add_run(text)
            run.bold = span["style"] == "strong" or None
            run.italic = span["style"] == "emphasis" or None
            if span["style"] == "code":
                run.font.name = "Consolas"
            if _FOR_YOU.match(text):
                run.font.highlight_color = WD_COLOR_INDEX.YELLOW


def _answer(word: WordDocument, block: dict[str, Any]) -> None:
    """Question, endpoint, verdict, results by arm, whether they hold."""
    for title, text in (("Question", block["question"]), (block["endpoint_title"], block["endpoint"])):
        paragraph = _paragraph(word, style="Normal")
        paragraph.add_run(f"{title}. ").bold = True
        paragraph.add_run(text)
    _paragraph(word, style="Normal").add_run(block["verdict"]).bold = True
    _caption(word, block["caption"], block["subtitle"])
    heads = ["", *(f"{arm['label']}, {arm['n']}" for arm in block["arms"])]
    rows = [([row["label"], *row["cells"]], row["strong"]) for row in block["rows"]]
    _grid(word, heads, [cells for cells, _ in rows], [6.0, *[10.0 / max(len(block["arms"]), 1)] * len(block["arms"])])
    drawn = [(row["name"], row["text"]) for row in block["strip"] if row["kind"] != "axis"]
    if drawn:
        _caption(word, "Does it hold?", block["strip_subtitle"])
        _grid(word, ["Analysis", "Effect (95% CI)"], [list(pair) for pair in drawn], [9.0, 7.0])
        _paragraph(word, block["strip_note"], style="Table note")
    if block["caution"]:
        paragraph = _paragraph(word, style="Normal")
        paragraph.add_run(f"{block['caution']['title']} ").bold = True
        _runs(paragraph, block["caution"]["spans"])


def _grid(word: WordDocument, heads: Sequence[str], rows: Sequence[Sequence[str]], widths: Sequence[float]) -> None:
    """A small table of texts; a row shorter than the head has its last cell across the rest."""
    table = _new_table(word, len(heads), widths)
    _fill(table.rows[0].cells, heads, bold=True)
    for row in rows:
        cells = table.add_row().cells
        if len(row) < len(heads):
            cells[len(row) - 1].merge(cells[-1])
        _fill(cells, row)
    _rules(table)


def _fill(cells: Any, texts: Sequence[str], *, bold: bool = False, style: str = _TABLE_TEXT) -> None:
    for cell, text in zip(cells, texts):
        cell.paragraphs[0]._p.style = style
        cell.paragraphs[0].add_run(text).bold = bold or None


def _table(word: WordDocument, block: dict[str, Any]) -> None:
    from docx.shared import Cm, Pt

    widths = table_widths(block)
    table = _new_table(word, len(block["columns"]), widths)
    heads = [" ".join(part for part in (c["head"], c["unit"]) if part) for c in block["columns"]]
    style = _DENSE_TEXT if is_dense(block) else _TABLE_TEXT
    _fill(table.rows[0].cells, heads, bold=True, style=style)
    tabs = [_decimal_tab(block, j) for j in range(len(block["columns"]))]
    for row in block["rows"]:
        cells = table.add_row().cells
        if row["kind"] == "group":
            cells[0].merge(cells[-1])
        for j, (cell, content) in enumerate(zip(cells, row["cells"])):
            paragraph = cell.paragraphs[0]
            paragraph._p.style = style
            text = content["text"]
            if j == 0:
                paragraph.paragraph_format.left_indent = Cm(0.35 * row["indent"])
            if row["kind"] == "group":
                paragraph.paragraph_format.space_before = Pt(4)
                paragraph.paragraph_format.keep_with_next = True
            elif tabs[j] is not None and fmt.integer_part(text):
                _set_decimal_tab(paragraph, min(float(tabs[j] or 0), widths[j]))
            _runs(paragraph, [{"text": text, "style": "strong" if row["kind"] != "body" else "plain"}])
            if j == 0 and row["marks"]:
                paragraph.add_run(row["marks"]).font.superscript = True
    _rules(table)


def _decimal_tab(block: dict[str, Any], j: int) -> float | None:
    """Where the points of a column stand, in cm from its left; ``None`` where it holds no numbers to align."""
    if block["columns"][j]["align"] not in ("decimal", "right"):
        return None
    texts = [row["cells"][j]["text"] for row in block["rows"] if row["kind"] != "group"]
    return 0.15 + 0.175 * max((fmt.integer_part(text) for text in texts), default=0)


def _set_decimal_tab(paragraph: WordParagraph, position: float) -> None:
    """A decimal tab: Word aligns what stands in a cell on it without a tab character."""
    from docx.enum.text import WD_TAB_ALIGNMENT
    from docx.shared import Cm

    paragraph.paragraph_format.tab_stops.add_tab_stop(Cm(position), WD_TAB_ALIGNMENT.DECIMAL)


def is_dense(block: dict[str, Any]) -> bool:
    """Whether a table has so many columns that its text is set smaller."""
    return len(block["columns"]) > 5


def table_widths(block: dict[str, Any]) -> list[float]:
    """Widths of columns in cm that fill the text: what holds words gives way first, the longest word of a head never.

    Where even those words do not fit, all columns shrink alike.
    """
    em = DENSE_EM_CM if is_dense(block) else EM_CM
    flexible = [c["flexible"] for c in block["columns"]]
    least = [max(_longest_word(c, em), 2.6 if f else 1.3) for c, f in zip(block["columns"], flexible)]
    natural = [max(low, min(c["width"] * em + 0.3, 9.0)) for c, low in zip(block["columns"], least)]
    # numbers with their intervals keep to one line where the words beside them can give way
    numbers = [n if c["align"] in ("decimal", "right") else low for c, n, low in zip(block["columns"], natural, least)]
    least = numbers if sum(numbers) <= TEXT_CM else least
    fixed = sum(w for w, f in zip(natural, flexible) if not f)
    if any(flexible) and fixed + sum(low for low, f in zip(least, flexible) if f) <= TEXT_CM:
        return _between(least, natural, flexible)
    return _between(least, natural, [True] * len(natural))


def _longest_word(column: dict[str, Any], em: float) -> float:
    """The width in cm of the longest word of a column's head, in bold; a hyphen ends a word."""
    words = re.split(r"[\s-]", f"{column['head']} {column['unit']}")
    return 0.66 * em * (1 + max(len(word) for word in words)) + 0.25


def _between(least: Sequence[float], natural: Sequence[float], may_change: Sequence[bool]) -> list[float]:
    """Widths that fill the text: those that may change grow in proportion, or give up what is above the least."""
    spare = TEXT_CM - sum(natural)
    weights = [w if c else 0.0 for w, c in zip(natural, may_change)]
    if spare < 0:
        weights = [w - low if c else 0.0 for w, low, c in zip(natural, least, may_change)]
    if sum(weights) < -spare or not sum(weights):
        return [w * TEXT_CM / sum(least) for w in least]
    return [w + spare * weight / sum(weights) for w, weight in zip(natural, weights)]


def _new_table(word: WordDocument, n: int, widths: Sequence[float]) -> Any:
    from docx.oxml.ns import qn
    from docx.shared import Cm

    table = word.add_table(rows=1, cols=n)
    table.autofit = False
    total = sum(widths)
    for column, cell, width in zip(table.columns, table.rows[0].cells, widths):
        column.width = cell.width = Cm(width * min(1.0, TEXT_CM / total))
    margins = table._tbl.tblPr.makeelement(qn("w:tblCellMar"), {})
    for side, size in (("top", "30"), ("left", "70"), ("right", "70")):  # in twentieths of a point, in this order
        margins.append(margins.makeelement(qn(f"w:{side}"), {qn("w:w"): size, qn("w:type"): "dxa"}))
    table._tbl.tblPr.insert(list(table._tbl.tblPr).index(table._tbl.tblPr.find(qn("w:tblLayout"))) + 1, margins)
    head = table.rows[0]._tr.get_or_add_trPr()
    repeat = head.makeelement(qn("w:tblHeader"), {qn("w:val"): "true"})
    head.append(repeat)
    return table


def _rules(table: Any) -> None:
    """Three rules: above, under the head, below; rows do not break across pages."""
    from docx.oxml.ns import qn

    for i, row in enumerate(table.rows):
        properties = row._tr.get_or_add_trPr()
        properties.insert(0, properties.makeelement(qn("w:cantSplit"), {qn("w:val"): "true"}))
        edges = [("top", "8")] if i == 0 else []
        edges += [("bottom", "4")] if i == 0 else []
        edges += [("bottom", "8")] if i == len(table.rows) - 1 else []
        for cell in row.cells if edges else ():
            about = cell._tc.get_or_add_tcPr()
            for old in about.findall(qn("w:tcBorders")):
                about.remove(old)
            borders = about.makeelement(qn("w:tcBorders"), {})
            for side, size in edges:
                attributes = {qn("w:val"): "single", qn("w:sz"): size, qn("w:space"): "0", qn("w:color"): "1A222B"}
                borders.append(about.makeelement(qn(f"w:{side}"), attributes))
            about.append(borders)
