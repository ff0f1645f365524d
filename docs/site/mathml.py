"""Mathematics as MathML, made when the site is built: a page needs neither a network nor a script to show it."""

from __future__ import annotations

from typing import Any

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.writers.html5 import HTML5Translator

# The sign of a transpose, in the plain letter: without a mathematical font browsers draw the other one too high.
TRANSPOSE = ("<mo>&#x022A4;</mo>", '<mi mathvariant="normal">T</mi>')


def as_mathml(formula: str, display: str) -> str:
    """A formula in LaTeX as MathML."""
    made: str = convert(formula, display=display)
    return made.replace(*TRANSPOSE)


def visit_math(self: HTML5Translator, node: nodes.math) -> None:
    """A formula within a line."""
    self.body.append(as_mathml(node.astext(), "inline"))
    raise nodes.SkipNode


def visit_math_block(self: HTML5Translator, node: nodes.math_block) -> None:
    """A formula on a line of its own; a wide one scrolls by itself."""
    self.body.append(f'<div class="formula">{as_mathml(node.astext(), "block")}</div>\n')
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the renderer."""
    app.add_html_math_renderer("mathml", (visit_math, None), (visit_math_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
