"""The document model: what a report says, before anybody decides how it looks.

A document is a title block and a row of frozen blocks. Values in tables stay unrounded here; :mod:`.format` rounds
them when a renderer asks. Both renderers (:mod:`.html`, :mod:`.pdf`) work from :func:`lay_out`, so a sentence or a
number can never differ between the web page and the PDF.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from equipoise.reporting import format as fmt
from equipoise.reporting.svg import STAMP_HEIGHT, WIDTH, Drawing, clean, text_width

Align = Literal["left", "right", "center", "decimal"]
Style = Literal["plain", "strong", "emphasis", "code", "muted"]


@dataclass(frozen=True, slots=True)
class Span:
    """A run of text in one style."""

    text: str
    style: Style = "plain"


Text = str | Span | tuple["str | Span", ...]


def strong(text: str) -> Span:
    """Text that matters more."""
    return Span(text, "strong")


def emphasis(text: str) -> Span:
    """Text in italics."""
    return Span(text, "emphasis")


def code(text: str) -> Span:
    """Text as the machine reads it."""
    return Span(text, "code")


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading; level 1 opens a section and stands in the contents, level 2 divides it."""

    text: str
    level: Literal[1, 2] = 1
    id: str = ""


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A paragraph; ``lead`` sets it larger, ``note`` smaller."""

    text: Text
    kind: Literal["body", "lead", "note"] = "body"


@dataclass(frozen=True, slots=True)
class Bullets:
    """A list of sentences; numbered where their order or number is cited."""

    items: tuple[Text, ...]
    numbered: bool = False


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: its head, how its cells stand, and their unit (printed in the head)."""

    head: str
    align: Align = "left"
    unit: str = ""
    wide: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """A row of cells. A ``group`` row heads the rows under it; ``indent`` sets the first cell in; ``marks`` are the
    letters of footnotes, behind the first cell.
    """

    cells: tuple[fmt.Cell, ...]
    kind: Literal["body", "group", "total"] = "body"
    indent: int = 0
    marks: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """A table: caption (what), subtitle (who and how many), columns, rows, footnotes (how)."""

    caption: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    subtitle: str = ""
    footnotes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse rows that are longer than the table is wide."""
        for row in self.rows:
            if row.kind != "group" and len(row.cells) != len(self.columns):
                raise ValueError(
                    f"a row of {self.caption!r} has {len(row.cells)} cells, the table {len(self.columns)} columns"
                )

    def _repr_html_(self) -> str:
        from equipoise.reporting.html import render_table

        return render_table(self)


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure: title (content), subtitle (population and n), drawing, and a note of source or method."""

    caption: str
    drawing: Drawing
    subtitle: str = ""
    note: str = ""

    @property
    def alt(self) -> str:
        """What the figure says to somebody who cannot see it."""
        return self.drawing.alt

    def __post_init__(self) -> None:
        """Refuse a figure without alternative text, or wider than seven inches."""
        if not self.drawing.alt.strip():
            raise ValueError(f"the figure {self.caption!r} has no alternative text")
        if self.drawing.width > 672:
            raise ValueError(f"the figure {self.caption!r} is wider than 7 inches (672 px)")


@dataclass(frozen=True, slots=True)
class Picture:
    """A figure as a notebook shows it: its title, and the drawing with its stamp."""

    title: str
    svg: str

    def _repr_svg_(self) -> str:
        return self.svg


@dataclass(frozen=True, slots=True)
class Callout:
    """A note that stands apart, or an amber warning."""

    text: Text
    title: str = ""
    kind: Literal["note", "warning"] = "note"


@dataclass(frozen=True, slots=True)
class KeyFigures:
    """A few results in large type, each with what it is: value, label, detail."""

    items: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True, slots=True)
class DefinitionList:
    """Terms and what is said of each."""

    items: tuple[tuple[str, Text], ...]


@dataclass(frozen=True, slots=True)
class Code:
    """Lines for the machine."""

    text: str


@dataclass(frozen=True, slots=True)
class AnswerRow:
    """A row of the answer's table: a cell per arm, or one that spans them all."""

    label: str
    cells: tuple[str, ...]
    strong: bool = False
    indent: bool = False


@dataclass(frozen=True, slots=True)
class StripRow:
    """A row of "Does it hold?": name, drawing, number. ``kind``: planned, agrees, differs, published, axis."""

    name: str
    drawing: Drawing | None
    text: str
    kind: str


@dataclass(frozen=True, slots=True)
class Answer:
    """The first screen: question and endpoint, the verdict, results by arm, whether they hold, one caution at most.

    ``arms`` are the heads of the table: label, n, token of the arm's colour.
    """

    question: str
    endpoint_title: str
    endpoint: str
    verdict: str
    caption: str
    subtitle: str
    arms: tuple[tuple[str, str, str], ...]
    rows: tuple[AnswerRow, ...]
    strip_subtitle: str
    strip: tuple[StripRow, ...]
    strip_note: str
    caution: Callout | None = None

    def __post_init__(self) -> None:
        """Refuse a row that fits neither all arms nor one cell across them."""
        for row in self.rows:
            if len(row.cells) not in (1, len(self.arms)):
                raise ValueError(f"the row {row.label!r} has {len(row.cells)} cells for {len(self.arms)} arms")


@dataclass(frozen=True, slots=True)
class RuleAxis:
    """One thing to choose: its title, and the names of its values, the planned one first."""

    title: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RuleResult:
    """What some choices give: the measure, estimate with interval and p as text, results by arm, the curves' key."""

    measure: str
    effect: str
    by_arm: tuple[str, ...]
    curve: str = ""


@dataclass(frozen=True, slots=True)
class RuleCurve:
    """A curve of one arm: steps with limits."""

    time: tuple[float, ...]
    survival: tuple[float, ...]
    lower: tuple[float | None, ...]
    upper: tuple[float | None, ...]


@dataclass(frozen=True)
class ChangeRule:
    """Choices that a reader of the web page may change; results by the places of the choices, ``0.0.1``.

    It is on the web page alone: what it offers stands in the tables of choices too.
    """

    title: str
    lead: str
    axes: tuple[RuleAxis, ...]
    results: Mapping[str, RuleResult]
    curves: Mapping[str, tuple[RuleCurve, ...]]
    arms: tuple[tuple[str, str], ...]
    end: float


Block = (
    Answer | ChangeRule | Heading | Paragraph | Bullets | Table | Figure | Callout | KeyFigures | DefinitionList | Code
)


@dataclass(frozen=True, slots=True)
class Banner:
    """A band on every page and a word in the corner of every figure."""

    word: str
    sentence: str


SIMULATED = Banner("SIMULATED", "Fictional participants: no person took part, and no result here is evidence.")


@dataclass(frozen=True, slots=True)
class Document:
    """A report. ``provenance`` (label, value) stands in the title block, ``footer`` at the foot of every page."""

    title: str
    blocks: tuple[Block, ...]
    subtitle: str = ""
    kicker: str = ""
    banner: Banner | None = None
    provenance: tuple[tuple[str, Text], ...] = ()
    footer: str = ""
    language: str = "en-GB"

    @property
    def figures(self) -> tuple[Figure, ...]:
        """The figures, in order."""
        return tuple(block for block in self.blocks if isinstance(block, Figure))

    @property
    def tables(self) -> tuple[Table, ...]:
        """The tables, in order, each title saying what the data are: a notebook shows them as the report does."""
        found = (block for block in self.blocks if isinstance(block, Table))
        return tuple(replace(table, caption=self.titled(table.caption)) for table in found)

    @property
    def pictures(self) -> tuple[Picture, ...]:
        """The figures as a notebook shows them, stamped where the data are not of people."""
        return tuple(Picture(self.titled(f.caption), f.drawing.svg(self.stamp)) for f in self.figures)

    @property
    def answer(self) -> Answer | None:
        """The first screen, where the report has one."""
        return next((block for block in self.blocks if isinstance(block, Answer)), None)

    @property
    def stamp(self) -> str | None:
        """The word that every figure, table and file carries, where the data are not of people."""
        return self.banner.word if self.banner else None

    def titled(self, caption: str) -> str:
        """A caption that says what the data are, since tables and figures travel alone."""
        return _titled(caption, self.stamp)

    def to_html(self) -> str:
        """One self-contained HTML file."""
        from equipoise.reporting.html import render_html

        return render_html(self)

    def to_pdf(self) -> bytes:
        """The PDF."""
        from equipoise.reporting.pdf import render_pdf

        return render_pdf(self)

    def _repr_html_(self) -> str:
        from html import escape

        # an iframe keeps the report's styles out of the notebook's
        return (
            f'<iframe srcdoc="{escape(self.to_html())}" style="width:100%;height:80vh;border:1px solid #ccc"></iframe>'
        )


# ---------------------------------------------------------------------------------------------------------------------
# Laying out: plain values that a template prints as they are


def spans(text: Text) -> list[dict[str, str]]:
    """A text as styled runs, cleaned of characters that no document can hold."""
    parts: Iterable[str | Span] = text if isinstance(text, tuple) else (text,)
    out = []
    for part in parts:
        run = Span(part) if isinstance(part, str) else part
        if run.text:
            out.append({"text": clean(run.text), "style": run.style})
    return out


def plain(text: Text) -> str:
    """A text without its styles."""
    return "".join(run["text"] for run in spans(text))


def slug(text: str, taken: set[str]) -> str:
    """An id for a heading, unlike any in ``taken``; adds itself there."""
    base = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "section"
    name, k = base, 2
    while name in taken:
        name, k = f"{base}-{k}", k + 1
    taken.add(name)
    return name


def lay_out(document: Document) -> dict[str, Any]:
    """The document as plain values (dictionaries, lists, text): numbered, formatted, aligned, stamped, escaped nowhere.

    Renderers escape or pass text as data; nothing here is markup except the SVG of figures, which is escaped as drawn.
    """
    taken: set[str] = set()
    numbers = {"table": 0, "figure": 0}
    stamp = document.stamp
    blocks = [_lay_out_block(block, taken, numbers, stamp) for block in document.blocks]
    return {
        "title": clean(document.title),
        "subtitle": clean(document.subtitle),
        "kicker": clean(document.kicker),
        "language": document.language,
        "footer": clean(document.footer),
        "banner": None
        if document.banner is None
        else {"word": clean(document.banner.word), "sentence": clean(document.banner.sentence)},
        "provenance": [{"term": clean(term), "text": spans(text)} for term, text in document.provenance],
        "contents": [{"text": b["text"], "id": b["id"]} for b in blocks if b["block"] == "heading" and b["level"] == 1],
        "blocks": blocks,
    }


def _lay_out_block(block: Block, taken: set[str], numbers: dict[str, int], stamp: str | None) -> dict[str, Any]:
    match block:
        case Answer():
            return _lay_out_answer(block)
        case ChangeRule():
            return _lay_out_change_rule(block, stamp)
        case Heading():
            return {
                "block": "heading",
                "level": block.level,
                "text": clean(block.text),
                "id": slug(block.id or block.text, taken),
            }
        case Paragraph():
            return {"block": "paragraph", "kind": block.kind, "spans": spans(block.text)}
        case Bullets():
            return {"block": "bullets", "numbered": block.numbered, "items": [spans(item) for item in block.items]}
        case Table():
            numbers["table"] += 1
            return _lay_out_table(block, numbers["table"], stamp)
        case Figure():
            numbers["figure"] += 1
            return {
                "block": "figure",
                "number": numbers["figure"],
                "caption": _titled(block.caption, stamp),
                "subtitle": clean(block.subtitle),
                "note": clean(block.note),
                "alt": clean(block.alt),
                "svg": block.drawing.svg(stamp),
                "share": _page_share(block.drawing, stamp is not None),
            }
        case Callout():
            return {"block": "callout", "kind": block.kind, "title": clean(block.title), "spans": spans(block.text)}
        case KeyFigures():
            items = [{"value": clean(v), "label": clean(label), "detail": clean(d)} for v, label, d in block.items]
            return {"block": "key-figures", "items": items}
        case DefinitionList():
            return {
                "block": "definitions",
                "items": [{"term": clean(term), "spans": spans(text)} for term, text in block.items],
            }
        case Code():
            return {"block": "code", "text": clean(block.text)}


def _lay_out_answer(answer: Answer) -> dict[str, Any]:
    caution = answer.caution
    return {
        "block": "answer",
        "question": clean(answer.question),
        "endpoint_title": clean(answer.endpoint_title),
        "endpoint": clean(answer.endpoint),
        "verdict": clean(answer.verdict),
        "caption": clean(answer.caption),
        "subtitle": clean(answer.subtitle),
        "arms": [{"label": clean(label), "n": clean(n), "token": token} for label, n, token in answer.arms],
        "rows": [
            {
                "label": clean(row.label),
                "cells": [clean(cell) for cell in row.cells],
                "strong": row.strong,
                "indent": row.indent,
            }
            for row in answer.rows
        ],
        "strip_subtitle": clean(answer.strip_subtitle),
        "strip": [
            {
                "name": clean(row.name),
                "svg": "" if row.drawing is None else row.drawing.svg(),
                "text": clean(row.text),
                "kind": row.kind,
            }
            for row in answer.strip
        ],
        "strip_note": clean(answer.strip_note),
        "caution": None
        if caution is None
        else {"title": clean(caution.title), "spans": spans(caution.text), "kind": caution.kind},
    }


def _lay_out_change_rule(block: ChangeRule, stamp: str | None) -> dict[str, Any]:
    """Choices as the page shows them, and the data of its script: curves in thousandths, limits as estimates."""

    def whole(values: Sequence[float | None]) -> list[int | None]:
        return [None if v is None else round(1000 * v) for v in values]

    data = {
        "results": {
            key: [clean(r.measure), clean(r.effect), [clean(text) for text in r.by_arm], r.curve]
            for key, r in block.results.items()
        },
        "curves": {
            key: [[list(c.time), whole(c.survival), whole(c.lower), whole(c.upper)] for c in pair]
            for key, pair in block.curves.items()
        },
        "arms": [[clean(label), token] for label, token in block.arms],
        "end": block.end,
        "stamp": stamp or "",
    }
    start = ".".join("0" for _ in block.axes)
    planned = block.results[start]
    return {
        "block": "change-rule",
        "title": _titled(block.title, stamp),
        "lead": clean(block.lead),
        "axes": [{"title": clean(a.title), "values": [clean(v) for v in a.values]} for a in block.axes],
        "arms": [{"label": clean(label), "token": token} for label, token in block.arms],
        "measure": clean(planned.measure),
        "effect": clean(planned.effect),
        "by_arm": [clean(text) for text in planned.by_arm],
        "has_curves": bool(block.curves),
        "data": data,
    }


def _titled(caption: str, stamp: str | None) -> str:
    """A caption that says what the data are, since tables and figures travel alone."""
    return clean(f"{caption}, {stamp.lower()}" if stamp else caption)


def _lay_out_table(table: Table, number: int, stamp: str | None) -> dict[str, Any]:
    texts = [[clean(fmt.cell(value)) for value in row.cells] for row in table.rows]
    pads = [_decimal_pads(table, texts, j) if c.align == "decimal" else {} for j, c in enumerate(table.columns)]
    rows = []
    for i, (row, cells) in enumerate(zip(table.rows, texts)):
        rows.append(
            {
                "kind": row.kind,
                "indent": row.indent,
                "marks": clean(row.marks),
                "cells": [
                    {"text": text, "pad": pads[j].get(i, "") if j < len(pads) else ""} for j, text in enumerate(cells)
                ],
            }
        )
    body_of_first = [row[0] for row, kind in zip(texts, table.rows) if kind.kind != "group"]
    cells_of = [[row[j] for row in texts if j < len(row)] if j else body_of_first for j in range(len(table.columns))]
    widths, is_small = _fitted_widths(table, cells_of)
    return {
        "block": "table",
        "small": is_small,
        "number": number,
        "caption": _titled(table.caption, stamp),
        "subtitle": clean(table.subtitle),
        "footnotes": [clean(note) for note in table.footnotes],
        "columns": [
            {
                "head": clean(c.head),
                "unit": clean(c.unit),
                "align": c.align,
                "wide": c.wide,
                "width": widths[j],
                "flexible": _is_flexible(table, j),
            }
            for j, c in enumerate(table.columns)
        ],
        "rows": rows,
    }


def _is_flexible(table: Table, j: int) -> bool:
    """Whether a column takes what the others leave of a page."""
    return table.columns[j].wide or (j == 0 and not any(column.wide for column in table.columns))


# What a printed page holds in em of a table's type: of up to five columns, of more, and of the smallest type.
_PAGE_EM, _DENSE_PAGE_EM, _SMALL_PAGE_EM = 57.0, 61.0, 69.0
_LEAST_EM = 9.0  # of a column that holds words


def _fitted_widths(table: Table, cells: Sequence[Sequence[str]]) -> tuple[list[float], bool]:
    """Natural widths, and whether the table needs the smallest type on paper.

    Where they leave a flexible column no room, columns of words give way to their longest word; then the type is
    smaller, and columns of numbers, whose widths are guessed on the wide side, give way by a tenth.
    """
    widths = [_natural_width(column, cells[j]) for j, column in enumerate(table.columns)]
    n = len(widths)
    loose = [_is_flexible(table, j) for j in range(n)]

    def excess(page: float) -> float:
        return sum(w for w, f in zip(widths, loose) if not f) + 1.3 * n + _LEAST_EM * sum(loose) - page

    page = _DENSE_PAGE_EM if n > 5 else _PAGE_EM
    for j, column in enumerate(table.columns):
        if excess(page) > 0 and column.align == "left" and not loose[j]:
            pieces = [piece for text in (column.head, *cells[j]) for piece in text.split(" ")]
            longest = max((text_width(piece, 1.0) for piece in pieces), default=1.0)
            widths[j] = round(max(longest, widths[j] - excess(page)), 2)
    if excess(page) <= 0:
        return widths, False
    over = excess(_SMALL_PAGE_EM)
    fixed = sum(w for w, f in zip(widths, loose) if not f)
    share = max(0.9, 1 - over / fixed) if over > 0 and fixed else 1.0
    return [w if f else round(share * w, 2) for w, f in zip(widths, loose)], True


def _natural_width(column: Column, cells: Sequence[str]) -> float:
    """Width of a column in em for a renderer that cannot measure: numbers unbroken, words broken at a dozen letters."""
    pieces = column.head.replace("-", "- ").split(" ")
    head = max((text_width(piece, 1.0, bold=True) for piece in pieces), default=1.0)
    head = max(head, 0.55 * text_width(column.head, 1.0, bold=True))  # two lines at most
    widest = max((text_width(text, 1.0) for text in cells), default=0.0)
    if column.align == "decimal":
        # figures of one width are wider than the average, and the longest whole part shifts the others
        points = [fmt.integer_part(text) for text in cells]
        widest = 1.06 * widest + 0.62 * (max(points, default=0) - min(points, default=0))
    else:
        longest_word = max((text_width(word, 1.0) for text in cells for word in text.split(" ")), default=0.0)
        widest = min(widest, max(longest_word, 11.0))
    return round(max(head, widest, text_width(column.unit, 1.0)), 2)


def _page_share(drawing: Drawing, is_stamped: bool) -> float:
    """The share of the text's width that a figure takes on a printed page, so that it is no taller than the page."""
    width_mm, height_mm = 166.0, 205.0
    height = drawing.height + (STAMP_HEIGHT if is_stamped else 0.0)
    return round(min(drawing.width / WIDTH, height_mm / width_mm * drawing.width / height), 4)


def _decimal_pads(table: Table, texts: Sequence[Sequence[str]], j: int) -> dict[int, str]:
    """Digits to be set invisibly before each cell so that decimal points stand under one another."""
    lengths = {
        i: fmt.integer_part(texts[i][j])
        for i, row in enumerate(table.rows)
        if row.kind != "group" and texts[i][j] and fmt.integer_part(texts[i][j]) > 0
    }
    longest = max(lengths.values(), default=0)
    return {i: "0" * (longest - n) for i, n in lengths.items() if n < longest}


@dataclass(frozen=True, slots=True)
class Sections:
    """Blocks gathered section by section; a section without content is left out with its heading."""

    blocks: list[Block] = field(default_factory=list)

    def add(self, heading: str, content: Iterable[Block | None]) -> None:
        """A section; ``None`` among its content is skipped."""
        present = [block for block in content if block is not None]
        if present:
            self.blocks.extend([Heading(heading), *present])
