"""A document as one HTML file that needs nothing else: styles and figures are inside, nothing is fetched.

All text passes through Jinja2's escaping; the only markup let through is the SVG of figures, whose text was escaped
when it was drawn, and the style sheet. A content security policy in the file forbids scripts and requests besides.
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

from equipoise.reporting.document import Document, lay_out
from equipoise.reporting.palette import css_figure_classes, css_variables

if TYPE_CHECKING:
    from jinja2 import Template


@cache
def _template() -> Template:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("equipoise.reporting", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html.j2")


@cache
def _style() -> str:
    sheet = resources.files("equipoise.reporting").joinpath("templates/report.css").read_text(encoding="utf-8")
    return (
        f":root{{{css_variables(dark=False)}}}\n"
        f"@media screen and (prefers-color-scheme:dark){{:root{{{css_variables(dark=True)}}}}}\n"
        f"{css_figure_classes()}\n{sheet}"
    )


def render_html(document: Document) -> str:
    """The document as one HTML file, UTF-8; the same document gives the same text."""
    from markupsafe import Markup

    laid_out = lay_out(document)
    for block in laid_out["blocks"]:
        if block["block"] == "figure":
            block["svg"] = Markup(block["svg"])
        for row in block.get("strip", ()):
            row["svg"] = Markup(row["svg"])
    return _template().render(**laid_out, style=Markup(_style()))
