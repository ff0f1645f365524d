"""A document laid out: plain values that a template prints as they are, one reading for every renderer."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from equipoise.reporting import format as fmt
from equipoise.reporting.document import (
    Answer,
    Block,
    Bullets,
    Callout,
    ChangeRule,
    Code,
    Column,
    DefinitionList,
    Document,
    Figure,
    Heading,
    KeyFigures,
    Paragraph,
    ParticipantDays,
    Table,
    spans,
    titled,
)
from equipoise.reporting.svg import STAMP_HEIGHT, WIDTH, Drawing, clean, text_width


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
        "paged_contents": document.paged_contents,
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
        case ParticipantDays():
            return _lay_out_days(block, numbers["figure"], stamp)
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
                "caption": titled(block.caption, stamp),
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
        "axes": [[a.planned, [clean(v) for v in a.values] if a.slider else []] for a in block.axes],
        "stamp": stamp or "",
    }
    planned = block.results[".".join(str(axis.planned) for axis in block.axes)]
    return {
        "block": "change-rule",
        "title": titled(block.title, stamp),
        "lead": clean(block.lead),
        "axes": [
            {
                "title": clean(a.title),
                "values": [clean(v) for v in a.values],
                "planned": a.planned,
                "slider": a.slider,
            }
            for a in block.axes
        ],
        "arms": [{"label": clean(label), "token": token} for label, token in block.arms],
        "measure": clean(planned.measure),
        "effect": clean(planned.effect),
        "by_arm": [clean(text) for text in planned.by_arm],
        "has_curves": bool(block.curves),
        "data": data,
    }


def _lay_out_days(block: ParticipantDays, figure: int, stamp: str | None) -> dict[str, Any]:
    """Participants as rows of texts, which the page's script reads off the table itself."""
    arms = [
        {
            "label": clean(arm.label),
            "token": arm.token,
            "people": [[clean(text) for text in (one.name, one.pattern, *one.days, *one.told)] for one in arm.people],
        }
        for arm in block.arms
    ]
    return {
        "block": "participant-days",
        "title": titled(block.title, stamp),
        "lead": clean(block.lead),
        "use": clean(block.use),
        "figure": figure,
        "first_day": block.first_day,
        "sources": [clean(name) for name in block.sources],
        "definitions": [clean(name) for name in block.definitions],
        "is_named": any(one.name for arm in block.arms for one in arm.people),
        "n": sum(len(arm.people) for arm in block.arms),
        "arms": arms,
        "stamp": stamp or "",
    }


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
        "caption": titled(table.caption, None if table.is_real else stamp),
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
