"""A document as one HTML file that needs nothing else: styles and figures are inside, nothing is fetched.

All text passes through Jinja2's escaping; the only markup let through is the SVG of figures, whose text was escaped
when it was drawn, and the style sheet. A content security policy in the file forbids requests, and every script but
the one that is named by its hash.
"""

from __future__ import annotations

import base64
import hashlib
import json
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

from equipoise.reporting.document import Document, Table
from equipoise.reporting.layout import lay_out
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


_SCRIPTS = {"change-rule": "change-rule.js", "participant-days": "participant-days.js"}  # by the block that needs it


@cache
def _script(block: str) -> str:
    """The script of a kind of block; each stands in braces of its own, so that their names do not meet."""
    name = f"templates/{_SCRIPTS[block]}"
    text = resources.files("equipoise.reporting").joinpath(name).read_text(encoding="utf-8")
    return f"{{\n{text}}}\n"


def _hash_of(script: str) -> str:
    """The script as a content security policy names it; nothing else may run on the page."""
    digest = hashlib.sha256(script.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'" if script else ""


def render_html(document: Document) -> str:
    """The document as one HTML file, UTF-8; the same document gives the same text."""
    from markupsafe import Markup

    laid_out = lay_out(document)
    kinds = dict.fromkeys(block["block"] for block in laid_out["blocks"])
    script = "".join(_script(kind) for kind in kinds if kind in _SCRIPTS)
    for block in laid_out["blocks"]:
        if block["block"] == "change-rule":
            # inside a script element nothing is escaped but what could end it
            text = json.dumps(block["data"], ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
            block["data"] = Markup(text)
        if block["block"] == "figure":
            block["svg"] = Markup(block["svg"])
        for row in block.get("strip", ()):
            row["svg"] = Markup(row["svg"])
    return _template().render(**laid_out, style=Markup(_style()), script=Markup(script), script_hash=_hash_of(script))


def render_table(table: Table) -> str:
    """One table as a fragment of HTML, by the formatter of the report; for notebooks."""
    from markupsafe import escape

    block = lay_out(Document("", (table,)))["blocks"][0]
    heads = "".join(
        f'<th style="text-align:left">{escape(" ".join(part for part in (c["head"], c["unit"]) if part))}</th>'
        for c in block["columns"]
    )
    rows = []
    for row in block["rows"]:
        first = row["cells"][0]["text"]
        marks = f"<sup>{escape(row['marks'])}</sup>" if row["marks"] else ""
        if row["kind"] == "group":
            rows.append(
                f'<tr><th colspan="{len(block["columns"])}" style="text-align:left">{escape(first)}{marks}</th></tr>'
            )
            continue
        indent = f' style="text-align:left;padding-left:{row["indent"] + 0.5:g}em"'
        rest = "".join(
            f'<td style="text-align:left">{chr(0x2007) * len(c["pad"])}{escape(c["text"])}</td>'
            for c in row["cells"][1:]
        )
        rows.append(f"<tr><td{indent}>{escape(first)}{marks}</td>{rest}</tr>")
    notes = "".join(f"<p><small>{escape(note)}</small></p>" for note in block["footnotes"])
    caption = f"<strong>{escape(block['caption'])}</strong>"
    if block["subtitle"]:
        caption += f"<br>{escape(block['subtitle'])}"
    return (
        f'<table><caption style="text-align:left">{caption}</caption><thead><tr>{heads}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table>{notes}"
    )
