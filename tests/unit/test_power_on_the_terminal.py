"""Power's one screen: every line it names stands in every scenario's column, within 80 columns."""

from __future__ import annotations

import re

import pytest
from typer.testing import CliRunner

from equipoise.cli.main import app


def screen(*arguments: str) -> list[str]:
    done = CliRunner().invoke(app, ["power", *arguments, "--replicates", "30", "--seed", "1"], env={"COLUMNS": "80"})
    assert done.exit_code == 0, done.output
    return done.stdout.splitlines()


def test_other_lines_stand_under_the_primary_ones_in_each_scenario() -> None:
    lines = screen("ketamine-mbrp-cocaine", "--scenario", "for-power", "--scenario", "null")
    assert max(map(len, lines)) <= 80
    shares = re.compile(r"\d+\.\d \(\d+\.\d to \d+\.\d\)")
    rows = {line.split("  ")[0]: shares.findall(line) for line in lines if shares.search(line)}
    assert {"First use or dropout", "use-over-time", "craving", "mindfulness", "stress", "six-months"} <= set(rows)
    assert all(len(found) == 2 for found in rows.values()), rows
    assert list(rows).index("First use or dropout") < list(rows).index("craving")
    more = next(line for line in lines if "more analyses: --all." in line)
    assert int(more.split()[0]) > 0


@pytest.mark.parametrize(("line", "words"), [("response-at-end.course", "not a test"), ("change", "not a test")])
def test_a_line_that_tests_nothing_is_called_so(line: str, words: str) -> None:
    rows = [row for row in screen("ketamine-depression-course") if row.startswith(line + " ")]
    assert [row.split("  ")[-1].strip() for row in rows] == [words]
