"""Figures as files: SVG, and PNG at 300 dots to the inch; SIMULATED in each where the data are not of people."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from equipoise.reporting.document import Document
from equipoise.reporting.layout import slug
from equipoise.reporting.pdf import packaged_fonts
from equipoise.reporting.svg import escape

WIDTH_MM = 170  # two columns of a journal
DOTS = 300  # to the inch

_PAGE = """
#let data = json(bytes(sys.inputs.document))
#set page(width: WIDTHmm, height: auto, margin: 2mm, fill: white)
#set text(font: "Inter", size: 9pt)
#for (k, figure) in data.enumerate() {
  if k > 0 { pagebreak() }
  align(center, image(bytes(figure.svg), format: "svg", alt: figure.alt, width: figure.share * 100%))
}
"""


def figure_names(document: Document) -> list[str]:
    """``figure-01-flow-of-participants`` for each figure, in order."""
    taken: set[str] = set()
    return [f"figure-{k:02d}-{slug(f.caption, taken)}"[:80].rstrip("-") for k, f in enumerate(document.figures, 1)]


def svg_files(document: Document) -> list[str]:
    """Each figure as SVG that stands alone: its title inside, stamped where the data are simulated."""
    out = []
    for number, figure in enumerate(document.figures, 1):
        text = figure.drawing.svg(document.stamp)
        head, _, rest = text.partition(">")
        title = escape(f"Figure {number}. {document.titled(figure.caption)}")
        out.append(f"{head}><title>{title}</title>{rest}")
    return out


def png_files(document: Document) -> list[bytes]:
    """Each figure as PNG, 170 mm wide at 300 dots to the inch, on white; the same document gives the same bytes."""
    if not document.figures:
        return []
    import typst

    widest = max(figure.drawing.width for figure in document.figures)
    data = [
        {"svg": figure.drawing.svg(document.stamp), "alt": figure.alt, "share": figure.drawing.width / widest}
        for figure in document.figures
    ]
    compiler = typst.Compiler(
        input=_PAGE.replace("WIDTH", str(WIDTH_MM)).encode(),
        font_paths=packaged_fonts(),
        ignore_system_fonts=True,
        sys_inputs={"document": json.dumps(data, ensure_ascii=False)},
    )
    made = compiler.compile(format="png", ppi=float(DOTS))
    assert made is not None
    return [made] if isinstance(made, bytes) else [bytes(page) for page in made]


def write_figures(document: Document, folder: Path, pictures: Sequence[bytes]) -> list[Path]:
    """Write ``figures/`` below a folder; the paths written."""
    if not document.figures:
        return []
    target = folder / "figures"
    target.mkdir()
    written = []
    for name, drawn, picture in zip(figure_names(document), svg_files(document), pictures, strict=True):
        (target / f"{name}.svg").write_text(drawn, "utf-8", newline="\n")
        (target / f"{name}.png").write_bytes(picture)
        written += [target / f"{name}.svg", target / f"{name}.png"]
    return written
