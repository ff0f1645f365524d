"""The document model: what a report says, before anybody decides how it looks.

A document is a title block and a row of frozen blocks. Values in tables stay unrounded here; :mod:`.format` rounds
them when a renderer asks. All renderers work from :func:`.layout.lay_out`, so a sentence or a number can never differ
between the web page, the PDF and the Word file.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from equipoise.reporting import format as fmt
from equipoise.reporting.svg import Drawing, clean

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
    """A heading; level 1 opens a section and stands in the contents, levels 2 and 3 divide it."""

    text: str
    level: Literal[1, 2, 3] = 1
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
    is_real: bool = False  # of earlier studies with real people: not stamped in a report on simulated data

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
    """One thing to choose: its title, the names of its values, and which of them is planned.

    A ``slider`` has its values in order, from low to high; else they stand beside one another, the planned one first.
    """

    title: str
    values: tuple[str, ...]
    planned: int = 0
    slider: bool = False


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


@dataclass(frozen=True, slots=True)
class PersonDays:
    """A row of the heat map: name (empty where nobody is named), letters of the visits, days by source, and what each
    definition says.
    """

    name: str
    pattern: str
    days: tuple[str, ...]
    told: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ArmOfDays:
    """An arm's participants in the order of the heat map."""

    label: str
    token: str
    people: tuple[PersonDays, ...]


@dataclass(frozen=True, slots=True)
class ParticipantDays:
    """Days of the participants of the figure before it, one at a time; without a script a table of them all.

    It is on the web page alone. ``first_day`` is the study day of the first letter.
    """

    title: str
    lead: str
    use: str
    first_day: int
    sources: tuple[str, ...]
    definitions: tuple[str, ...]
    arms: tuple[ArmOfDays, ...]


Block = (
    Answer
    | Bullets
    | Callout
    | ChangeRule
    | Code
    | DefinitionList
    | Figure
    | Heading
    | KeyFigures
    | Paragraph
    | ParticipantDays
    | Table
)


@dataclass(frozen=True, slots=True)
class Banner:
    """A band on every page and a word in the corner of every figure."""

    word: str
    sentence: str


SIMULATED = Banner("SIMULATED", "Fictional participants: no person took part, and no result here is evidence.")


@dataclass(frozen=True, slots=True)
class Document:
    """A report. ``provenance`` (label, value) stands in the title block, ``footer`` at the foot of every page.

    ``paged_contents`` is how many levels of headings the PDF lists with their pages before the first section;
    0 is none.
    """

    title: str
    blocks: tuple[Block, ...]
    subtitle: str = ""
    kicker: str = ""
    banner: Banner | None = None
    provenance: tuple[tuple[str, Text], ...] = ()
    footer: str = ""
    language: str = "en-GB"
    paged_contents: int = 0

    @property
    def figures(self) -> tuple[Figure, ...]:
        """The figures, in order."""
        return tuple(block for block in self.blocks if isinstance(block, Figure))

    @property
    def tables(self) -> tuple[Table, ...]:
        """The tables, in order, each title saying what the data are: a notebook shows them as the report does."""
        found = (block for block in self.blocks if isinstance(block, Table))
        return tuple(
            replace(table, caption=table.caption if table.is_real else self.titled(table.caption)) for table in found
        )

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
        return titled(caption, self.stamp)

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


def titled(caption: str, stamp: str | None) -> str:
    """A caption that says what the data are, since tables and figures travel alone."""
    return clean(f"{caption}, {stamp.lower()}" if stamp else caption)


@dataclass(frozen=True, slots=True)
class Sections:
    """Blocks gathered section by section; a section without content is left out with its heading."""

    blocks: list[Block] = field(default_factory=list)

    def add(self, heading: str, content: Iterable[Block | None]) -> None:
        """A section; ``None`` among its content is skipped."""
        present = [block for block in content if block is not None]
        if present:
            self.blocks.extend([Heading(heading), *present])
