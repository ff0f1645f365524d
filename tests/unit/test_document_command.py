"""`equipoise document`: one file, whole or not at all, of any protocol."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from equipoise.cli.main import app
from equipoise.protocol.read import read_protocol_text
from equipoise.workflow.document import protocol_document
from equipoise.workflow.new_protocol import protocol_text, read_answers

ODD = """
equipoise: 2
trial:
  id: odd
  title: "A <b>trial</b> #let x = 1 $ of \\u202e nothing & everything {x} *bold* [1]"
  design: parallel
  masking: []
  statements: {rationale: "Because #emph[it] is <script>alert(1)</script>."}
calendar: {day-1: randomization, epochs: {all: {days: 1..400}}}
interventions:
  a: {type: other, words: "nothing"}
  b: {type: oral, drug: something, dose: 5 mg, frequency: twice a day, days: [1..90]}
arms:
  one: {role: no-treatment, gives: [a]}
  two: {role: experimental, gives: [b]}
  three: {role: experimental, gives: [a, b]}
  four:
    label: "An arm whose label goes on for so long that no table and no drawing has room for it"
    role: experimental
    gives: [b]
eligibility: {include: {}, exclude: {x: {words: "cannot = read"}}}
randomization: {ratio: {one: 1, two: 2, three: 1, four: 1}, strata: []}
assessments: {visit: {type: finding, yes: came, no: did not}}
schedule: {weekly: {every: 1, first: 1, last: 390, assess: [visit]}}
endpoints:
  came: {kind: finding, words: came on the last day, assessment: visit, visit: last-day, better: higher}
estimands: {}
analyses: {}
""".replace("schedule: {weekly", "schedule: {last-day: {day: 391, assess: [visit]}, weekly")


def run(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["document", *words])
    return done.exit_code, done.output


def test_one_file_is_written_in_each_format(tmp_path: Path) -> None:
    for to, begins in (("html", b"<!doctype html>"), ("pdf", b"%PDF"), ("docx", b"PK")):
        file = tmp_path / "in" / f"p.{to}"
        code, output = run("kare", "--to", to, "--out", str(file), "--json")
        assert code == 0, output
        assert json.loads(output) == {"ok": True, "file": str(file), "edition": "investigators"}
        assert file.read_bytes().startswith(begins)
        assert [one.name for one in file.parent.iterdir() if one.name.startswith(".")] == []


def test_mistakes_have_their_codes_and_leave_nothing_behind(tmp_path: Path) -> None:
    file = tmp_path / "p.html"
    for words, expected in (
        (("kare", "--to", "rtf", "--out", str(file)), "U080"),
        (("kare", "--to", "html", "--for", "everybody", "--out", str(file)), "U080"),
        (("kare", "--to", "html", "--compare", "xbot", "--out", str(file)), "U081"),
        (("kare", "--to", "html", "--compare", "kare", "--out", str(file)), "U081"),
        (("kare", "--to", "html", "--out", str(tmp_path)), "O080"),
        (("smoking-cessation", "--to", "html", "--power", "--out", str(file)), "D0"),
        (("smoking-cessation", "--to", "html", "--out", str(file)), ""),
    ):
        code, output = run(*words)
        assert (code != 0) == bool(expected), output
        assert expected in output
        assert "Traceback" not in output
        if expected:
            assert not file.exists()
    before = file.read_bytes()
    code, output = run("kare", "--to", "html", "--out", str(file))
    assert code != 0
    assert "O080" in output
    assert file.read_bytes() == before
    assert run("kare", "--to", "html", "--out", str(file), "--force")[0] == 0
    assert file.read_bytes() != before


def test_power_is_stated_only_if_asked_for() -> None:
    new = protocol_text("my-trial", read_answers("my-trial", ["", "", "", "", ""]))
    document = protocol_document(read_protocol_text(new), power=True)
    captions = [getattr(block, "caption", "") for block in document.blocks]
    assert "Power of the primary analyses" in captions
    other = protocol_document(read_protocol_text(new))
    assert "Power of the primary analyses" not in [getattr(block, "caption", "") for block in other.blocks]


@pytest.mark.parametrize("audience", ["investigators", "committee"])
def test_a_strangers_protocol_is_told_and_its_markup_is_text(audience: str) -> None:
    protocol = read_protocol_text(ODD)
    document = protocol_document(protocol, audience=audience, paged=True)  # type: ignore[arg-type]
    html = document.to_html()
    assert "<script>alert" not in html
    assert "A &lt;b&gt;trial&lt;/b&gt;" in html
    assert "The protocol states no inclusion criterion." in html
    assert "Open label" in html or "open label" in html
    assert "every 1 days" not in html
    assert document.to_pdf().startswith(b"%PDF")
