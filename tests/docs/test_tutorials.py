"""The first page and the tutorials: commands and Python are run in order, and print what the page prints."""

from __future__ import annotations

import contextlib
import io
import shlex
from pathlib import Path

import pytest
from examples_of_pages import ROOT, Example, command_lines, examples
from typer.testing import CliRunner

from equipoise.cli.main import app

runner = CliRunner()
PAGES = ["start", "statistics-files", "tutorials/investigator", "tutorials/statistician", "tutorials/pharmacist"]
# Commands that install, serve until they are stopped, or open a browser; tried by tests of their own.
ELSEWHERE = {("pipx", "install"), ("equipoise", "demo"), ("equipoise", "open")}


def run_commands(example: Example) -> str:
    """Run the commands of a block in the folder at hand; what they print."""
    said = ""
    for words in command_lines(example.text):
        if tuple(words[:2]) in ELSEWHERE:
            continue
        assert words[0] == "equipoise", example.name
        done = runner.invoke(app, words[1:], env={"COLUMNS": "80"})
        assert done.exit_code == 0, f"{example.name}: {shlex.join(words)}\n{done.output}"
        said += done.stdout
    return said


def run_python(example: Example, names: dict[str, object]) -> str:
    """Run a block of Python after those before it; what it prints."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(example.text, example.name, "exec"), names)
    return out.getvalue()


def answer_the_questions(example: Example) -> str:
    """Type the answers of a printed dialogue into `equipoise new`; each question must be the program's own."""
    from equipoise.workflow.new_protocol import questions

    asked, answers = zip(*(line.split("]: ") for line in example.text.splitlines()), strict=True)
    own = [f"{question.words} [{question.default}" for question in questions("implant")]
    assert list(asked) == own, example.name
    done = runner.invoke(app, ["new", "implant"], input="\n".join(answers) + "\n")
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.mark.parametrize("page", PAGES)
def test_a_page_does_what_it_prints(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("EQUIPOISE_PASSPHRASE", "EQUIPOISE_PHARMACY", "EQUIPOISE_CLOCK", "EQUIPOISE_SAFETY"):
        monkeypatch.delenv(name, raising=False)
    names: dict[str, object] = {}
    said = ""
    blocks = examples(ROOT / "docs" / f"{page}.md")
    assert len(blocks) >= 4
    for block in blocks:
        if block.language == "":
            said = run_commands(block)
        elif block.language == "python":
            said = run_python(block, names)
        elif "]: " in block.text:
            said = answer_the_questions(block)
        else:
            assert block.language == "text"
            # Word by word: the width of the terminal is not what the page promises.
            assert " ".join(block.text.split()) in " ".join(said.split()), f"{block.name} is not printed:\n{said}"


def test_pictures_of_pages_are_there_and_small() -> None:
    images = sorted((ROOT / "docs" / "images").glob("*.png"))
    pages = "".join(p.read_text("utf-8") for p in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
    assert images
    for image in images:
        assert f"images/{image.name}" in pages, f"{image.name} is on no page"
        assert image.stat().st_size < 150_000, image.name
