"""The documentation site, built from the Markdown under docs/ by Sphinx: ``python docs/site/build.py``.

Pages stay plain Markdown, readable where they lie: what only a site needs (navigation, mathematics as MathML) is
added here. Nothing of a built page is fetched from elsewhere.
"""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(HERE))

from navigation import with_navigation  # noqa: E402

project = "equipoise"
author = "the equipoise authors"
copyright = "2026 the equipoise authors, Apache License 2.0"
release = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
html_title = f"equipoise {release}"

extensions = ["myst_parser", "mathml"]
root_doc = "docs/index"
include_patterns = ["docs/**.md", "GLOSSARY.md", "CHANGELOG.md", "CONTRIBUTING.md"]
exclude_patterns = [".venv", "build", "dist", "out", "src", "tests", "benchmarks", "release", ".git", "**/__pycache__"]
source_suffix = {".md": "markdown"}

myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 4
suppress_warnings = ["misc.highlighting_failure"]
highlight_language = "none"

html_theme = "furo"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_extra_path = ["../llms.txt"]
html_copy_source = False
html_show_sourcelink = False
html_math_renderer = "mathml"
pygments_style = "a11y-high-contrast-light"
pygments_dark_style = "a11y-high-contrast-dark"
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#00767A", "color-brand-content": "#00767A"},
    "dark_css_variables": {"color-brand-primary": "#5FC3C6", "color-brand-content": "#5FC3C6"},
}


def setup(app):
    """Add the navigation to pages as they are read."""
    app.connect("source-read", with_navigation)
