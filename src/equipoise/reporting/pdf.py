"""A document as PDF, typeset by typst: the same text, numbers and figures as the web page.

The document reaches the template as one JSON value and is shown as data, so no text of a protocol or record can be
read as markup. Fonts come with the package and system fonts are shut out: the same document gives the same bytes on
every machine.
"""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from equipoise.reporting.document import Document
from equipoise.reporting.layout import lay_out
from equipoise.reporting.palette import TOKENS

if TYPE_CHECKING:
    from typst import Compiler, Fonts


@cache
def packaged_fonts() -> Fonts:
    """The fonts that come with the package, and none of the system's."""
    import typst

    folder = Path(str(resources.files("equipoise.reporting").joinpath("fonts")))
    return typst.Fonts(include_system_fonts=False, include_embedded_fonts=True, font_paths=[folder])


@cache
def _template() -> bytes:
    return resources.files("equipoise.reporting").joinpath("templates/report.typ").read_bytes()


def render_pdf(document: Document) -> bytes:
    """The document as PDF 1.7, tagged, with alternative text and no date; the same document gives the same bytes."""
    output = _compiler(document).compile(format="pdf", timestamp=0)
    assert isinstance(output, bytes)
    return output


def pages_of_headings(document: Document) -> dict[str, int]:
    """The page on which each heading stands in the PDF, counted from 1, by the id that its layout gives it."""
    found = json.loads(_compiler(document).query("<place>", field="value"))
    return {str(entry["id"]): int(entry["page"]) for entry in found}


def _compiler(document: Document) -> Compiler:
    import typst

    data = lay_out(document)
    data["colours"] = {token: pair[0] for token, pair in TOKENS.items()}
    return typst.Compiler(
        input=_template(),
        font_paths=packaged_fonts(),
        ignore_system_fonts=True,
        sys_inputs={"document": json.dumps(data, ensure_ascii=False, allow_nan=False)},
    )
