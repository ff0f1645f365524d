"""Pages of the documentation and their fenced examples."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "GLOSSARY.md", "CHANGELOG.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
_FENCE = re.compile(r"^([ ]*)```(\w*)\n(.*?)^\1```$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Example:
    """One fenced block: the page, the line it begins on, its language, its text without indentation."""

    page: Path
    line: int
    language: str
    text: str

    @property
    def name(self) -> str:
        """Where it stands, for a test's name."""
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def examples(page: Path) -> list[Example]:
    """Every fenced block of a page."""
    text = page.read_text("utf-8")
    return [
        Example(page, text.count("\n", 0, f.start()) + 1, f[2], re.sub(rf"(?m)^{f[1]}", "", f[3]))
        for f in _FENCE.finditer(text)
    ]


def command_lines(text: str) -> list[list[str]]:
    """The commands of a block as a shell would split them; a line ended by a backslash goes on in the next."""
    lines = text.replace("\\\n", " ").splitlines()
    return [words for line in lines if (words := shlex.split(line, comments=True))]
