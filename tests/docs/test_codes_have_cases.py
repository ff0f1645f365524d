"""Every code of docs/errors.md is named by a test that brings it about, but for a list that may only shrink."""

from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
LIST = Path(__file__).with_name("codes_without_a_case.txt")
MOST = 50  # codes of the list: lower it when codes are taken off; it is never raised


def _without_a_case() -> list[str]:
    return [line.split()[0] for line in LIST.read_text("utf-8").splitlines() if line and not line.startswith("#")]


def _explained() -> set[str]:
    page = (TESTS.parent / "docs" / "errors.md").read_text("utf-8")
    return set(re.findall(r"^\| `([A-Z]\d{3})` \|", page, re.MULTILINE))


def _named() -> set[str]:
    """Codes in the tests' texts; a comment names nothing."""
    found: set[str] = set()
    for path in TESTS.rglob("*.py"):
        for line in path.read_text("utf-8").splitlines():
            if not line.lstrip().startswith("#"):
                found |= set(re.findall(r"\b[A-Z]\d{3}\b", line))
    return found


def test_every_code_has_a_case_and_the_list_of_those_without_only_shrinks() -> None:
    explained, listed = _explained(), _without_a_case()
    assert len(explained) > 600
    assert sorted(explained - _named()) == sorted(listed), f"write a case, or take its line off {LIST.name}"
    assert len(listed) == MOST, f"lower MOST to {len(listed)}"
