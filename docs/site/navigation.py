"""Which pages the site has, in which order. A page of docs/ that no list names is a how-to, one of a folder its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parents[1]
# Heading of the side bar to its pages, below docs/ unless they begin with a slash.
NAVIGATION: dict[str, tuple[str, ...]] = {
    "Start": ("start", "installing", "gallery"),
    "Tutorials by role": (
        "tutorials/investigator",
        "tutorials/statistician",
        "tutorials/coordinator",
        "tutorials/pharmacist",
    ),
    "How to": (
        "writing-a-protocol",
        "import-your-own",
        "redcap",
        "odm",
        "statistics-files",
        "protocol-document",
        "usdm",
        "shapes-of-data",
        "reading-a-report",
        "randomization",
        "running-a-trial",
        "running-in-a-browser",
        "evidence",
        "bundled-trials",
        "distributed",
    ),
    "Methods": ("methods/index",),
    "Reference": (
        "protocol-language",
        "endpoint-library",
        "instruments",
        "records",
        "errors",
        "api",
        "randomization-generator",
        "/GLOSSARY",
    ),
    "Trust": ("trust", "limitations", "status", "methods/performance", "decisions/index"),
    "Project": ("/CHANGELOG", "/CONTRIBUTING", "names"),
}
# A page that lists the rest of its folder.
FOLDERS = ("methods/index", "decisions/index")


def toctree(pages: list[str], caption: str = "") -> str:
    """A hidden table of contents in the words of the generator; ``pages`` from the root of the checkout."""
    options = [":hidden:", ":maxdepth: 1", *([f":caption: {caption}"] if caption else [])]
    return "\n".join(["", "```{toctree}", *options, "", *(f"/{page}" for page in pages), "```", ""])


def place(page: str) -> str:
    """A page's name from the root of the checkout."""
    return page[1:] if page.startswith("/") else f"docs/{page}"


def rest_of(folder: str) -> list[str]:
    """Pages of a folder of docs/ (``methods/``, or nothing for docs/ itself) that no list names, by name."""
    named = {one for pages in NAVIGATION.values() for one in pages} | {"index"}
    found = sorted(f"{folder}{path.stem}" for path in (DOCS / folder).glob("*.md"))
    return [page for page in found if page not in named]


def navigation() -> dict[str, tuple[str, ...]]:
    """The side bar, with every page of docs/ itself."""
    return {**NAVIGATION, "How to": (*NAVIGATION["How to"], *rest_of(""))}


def with_navigation(_app: Any, docname: str, source: list[str]) -> None:
    """Add the tables of contents to the front page and to the pages that list a folder."""
    if docname == "docs/index":
        for caption, pages in navigation().items():
            source[0] += toctree([place(page) for page in pages], caption)
    for page in FOLDERS:
        if docname == place(page):
            source[0] += toctree([place(one) for one in rest_of(page.removesuffix("index"))])
