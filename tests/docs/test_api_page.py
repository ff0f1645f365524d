"""The page of the Python library: every name has an example, and the examples print what the page says."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import pytest

import equipoise

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "api.md").read_text("utf-8")
SECTIONS = dict(re.findall(r"^### (\w+)\n(.*?)(?=^##|\Z)", PAGE, re.DOTALL | re.MULTILINE))


def test_every_public_name_is_on_the_page_with_an_example() -> None:
    assert SECTIONS.keys() == set(equipoise.__all__)
    assert [name for name, text in SECTIONS.items() if "```pycon" not in text] == []


def test_examples_run_in_the_order_of_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```pycon\n(.*?)```", PAGE, re.DOTALL)
    case = doctest.DocTestParser().get_doctest("\n".join(blocks), {}, "api.md", "docs/api.md", 0)
    said: list[str] = []
    outcome = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(case, out=said.append)
    assert outcome.attempted > 30
    assert outcome.failed == 0, "".join(said)
