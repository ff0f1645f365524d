"""The kept wrong lines (tests/mutants) still know the lines that they would replace."""

from __future__ import annotations

import tomllib
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
LINES = tomllib.loads((TESTS / "mutants" / "wrong_lines.toml").read_text("utf-8"))["line"]


def test_every_right_line_stands_once_and_its_tests_are_there() -> None:
    source = TESTS.parent / "src" / "equipoise"
    times = {line["what"]: (source / line["file"]).read_text("utf-8").count(line["right"]) for line in LINES}
    assert {what: n for what, n in times.items() if n != 1} == {}
    assert [line["tests"] for line in LINES if not (TESTS / line["tests"]).exists()] == []
