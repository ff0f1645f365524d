"""Tables as RTF, one file each, as many sponsors ask for them.

The writer is ours: the libraries for writing RTF have had no release for years, and a table needs few of its words.
Every character outside ASCII is an escape, so a file is plain ASCII and means the same everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from equipoise.reporting.document import Document
from equipoise.reporting.docx_file import table_widths
from equipoise.reporting.layout import lay_out, slug

TWIPS = 566.93  # to the centimetre
_HEAD = (
    "{\\rtf1\\ansi\\ansicpg1252\\deff0\\uc1{\\fonttbl{\\f0\\fswiss Calibri;}}"
    "\\paperw11906\\paperh16838\\margl1417\\margr1417\\margt1417\\margb1417\\fs18\n"
)


def escaped(text: str) -> str:
    """Text as RTF writes it: control signs escaped, everything outside ASCII by its UTF-16 units."""
    out = []
    for character in text:
        if character in "\\{}":
            out.append("\\" + character)
        elif character == "\n":
            out.append("\\line ")
        elif " " <= character <= "~":
            out.append(character)
        elif character > "~":
            units = character.encode("utf-16-le")
            for low, high in zip(units[::2], units[1::2]):
                unit = low + 256 * high
                out.append(f"\\u{unit - 65536 if unit >= 32768 else unit}?")
    return "".join(out)


def table_files(document: Document) -> dict[str, str]:
    """File name -> RTF of each table: title, rows with three rules, notes; SIMULATED in the head where it applies."""
    laid_out = lay_out(document)
    banner = laid_out["banner"]
    out: dict[str, str] = {}
    taken: set[str] = set()
    for block in laid_out["blocks"]:
        if block["block"] != "table":
            continue
        name = f"table-{block['number']:02d}-{slug(block['caption'], taken)}"[:80].rstrip("-")
        head = (
            f"{{\\header \\pard\\f0\\b {escaped(banner['word'] + '. ' + banner['sentence'])}\\par}}\n" if banner else ""
        )
        foot = f"{{\\footer \\pard\\f0\\fs16 {escaped(laid_out['footer'])}\\par}}\n"
        title = f"Table {block['number']}. {block['caption']}"
        caption = f"\\pard\\keepn\\sa40{{\\b {escaped(title)}}}\\par\n"
        if block["subtitle"]:
            caption += f"\\pard\\keepn\\sa80 {escaped(block['subtitle'])}\\par\n"
        notes = "".join(f"\\pard\\sb40\\fs16 {escaped(note)}\\par\n" for note in block["footnotes"])
        out[f"{name}.rtf"] = f"{_HEAD}{head}{foot}{caption}{_rows(block)}{notes}}}"
    return out


def write_tables(document: Document, folder: Path) -> list[Path]:
    """Write ``tables/`` below a folder; the paths written."""
    files = table_files(document)
    if not files:
        return []
    target = folder / "tables"
    target.mkdir()
    for name, text in files.items():
        (target / name).write_text(text, "ascii", newline="\n")
    return [target / name for name in files]


def _rows(block: dict[str, Any]) -> str:
    widths = table_widths(block)
    edges = [round(TWIPS * sum(widths[: k + 1])) for k in range(len(widths))]
    heads = [" ".join(part for part in (c["head"], c["unit"]) if part) for c in block["columns"]]
    rows = [_row([f"\\b {escaped(head)}" for head in heads], edges, top=15, bottom=8, is_head=True)]
    last = len(block["rows"]) - 1
    for i, row in enumerate(block["rows"]):
        below = 15 if i == last else 0
        texts = [escaped(cell["text"]) for cell in row["cells"]]
        marks = f"{{\\super {escaped(row['marks'])}}}" if row["marks"] else ""
        if row["kind"] == "group":
            rows.append(_row([f"\\b {texts[0]}{marks}"], edges[-1:], bottom=below))
            continue
        bold = "\\b " if row["kind"] == "total" else ""
        indent = f"\\li{round(200 * row['indent'])} " if row["indent"] else ""
        first = f"{indent}{bold}{texts[0]}{marks}"
        rows.append(_row([first, *(f"{bold}{text}" for text in texts[1:])], edges, bottom=below))
    return "".join(rows)


def _row(cells: Sequence[str], edges: Sequence[int], *, top: int = 0, bottom: int = 0, is_head: bool = False) -> str:
    rules = "".join(f"\\clbrdr{side}\\brdrs\\brdrw{width}" for side, width in (("t", top), ("b", bottom)) if width)
    places = "".join(f"{rules}\\cellx{edge}" for edge in edges)
    texts = "".join(f"\\pard\\intbl {{{cell}}}\\cell" for cell in cells)
    repeat = "\\trhdr" if is_head else ""
    return f"\\trowd\\trgaph60\\trkeep{repeat}{places}\n{texts}\\row\n"
