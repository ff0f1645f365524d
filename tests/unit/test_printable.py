"""Characters that nobody sees: found in what is typed, written out wherever text is shown."""

from __future__ import annotations

import io
import json

import pytest

from equipoise.foundation.printable import escaped, unseen


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("no time\nP-003  screened", "\\x0a"),
        ("x\x1b[2Jhidden", "\\x1b"),
        ("IRB\x9b31m", "\\x9b"),
        ("abc\u202edef", "\\u202e"),
        ("a\u200bb", "\\u200b"),
        ("a\u2028b", "\\u2028"),
        ("\ufeffa", "\\ufeff"),
        ("\udcff", "\\udcff"),
        ("a\x7f", "\\x7f"),
        ("\U000e0041", "\\U000e0041"),
    ],
)
def test_an_unseen_character_is_found_and_written_out(text: str, first: str) -> None:
    assert unseen(text) == first
    assert first in escaped(text, allowed="")
    assert unseen(escaped(text, allowed="")) == ""


@pytest.mark.parametrize(
    "text", ["", "plain", "Zürich, 37 °C", "中文", "\U0001f600", "می\u200cخواهم", "5\xa0mg", "e\u0301"]
)
def test_what_people_write_stays_as_it_is(text: str) -> None:
    assert unseen(text) == ""
    assert escaped(text) == text


def test_the_lines_of_a_file_are_allowed_where_a_file_is_given() -> None:
    assert unseen("a:\n\tb", allowed="\n\t") == ""
    assert escaped("a\nb") == "a\nb"
    assert escaped("a\nb", allowed="") == "a\\x0ab"


def test_no_command_prints_an_escape_sequence(capsys: pytest.CaptureFixture[str]) -> None:
    from rich.text import Text

    from equipoise.cli.console import console, print_json, print_problems
    from equipoise.cli.tables import add_rows, plain_table
    from equipoise.foundation.errors import Problem

    bad = "x\x1b[2J\x9b\u202ey"
    console().print(bad, markup=False)
    console().print(Text(bad))
    console().print(add_rows(plain_table("a"), [[bad]]))
    print_problems((Problem("C000", bad, bad, bad, bad),), as_json=False)
    print_json({bad: [bad, "line\nfeed"]})
    said = capsys.readouterr()
    for stream in (said.out, said.err):
        assert not {"\x1b", "\x9b", "\u202e"} & set(stream)
    shown = said.out[said.out.index("{") :]
    assert json.load(io.StringIO(shown)) == {bad: [bad, "line\nfeed"]}
