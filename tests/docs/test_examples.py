"""Every fenced example of every page: commands parse as printed, YAML and Python are what they say they are."""

from __future__ import annotations

from typing import Any

import pytest
from examples_of_pages import PAGES, Example, command_lines, examples
from typer.main import get_command

from equipoise.cli.main import app
from equipoise.protocol.text.yaml_lines import read_yaml_text

EVERY = [example for page in PAGES for example in examples(page)]
# Programs of others that pages name beside ours.
OF_OTHERS = {"export", "make", "pip", "pipx", "podman", "python", "python3", "dask", "gpg", "sha256sum", "openssl"}
KNOWN = {"", "yaml", "python", "pycon", "text", "csv", "r", "sql", "json"}


def parsed(words: list[str]) -> None:
    """Parse a command with the real parser; raises where a command, an option or an argument is not ours."""
    command: Any = get_command(app)
    context = command.make_context("equipoise", [], resilient_parsing=True)
    while hasattr(command, "commands"):
        # a group may have a command that stands where none is said
        name, *words = command.filled_in(words) if hasattr(command, "filled_in") else words
        assert name in command.commands, f"there is no command {name}"
        command = command.commands[name]
        is_group = hasattr(command, "commands")
        context = command.make_context(name, list(words), parent=context, resilient_parsing=is_group)


def test_pages_have_examples_of_known_languages() -> None:
    assert len(EVERY) > 250
    assert {example.language for example in EVERY} <= KNOWN


@pytest.mark.parametrize("example", [e for e in EVERY if not e.language], ids=lambda e: e.name)
def test_commands_are_commands_as_they_are_printed(example: Example) -> None:
    lines = command_lines(example.text)
    for words in lines:
        program = words[0].rpartition("/")[2]
        if program == "equipoise":
            parsed(words[1:])
        else:
            assert program in OF_OTHERS, f"{words[0]} is neither ours nor named as another's"


@pytest.mark.parametrize("example", [e for e in EVERY if e.language == "yaml"], ids=lambda e: e.name)
def test_yaml_is_what_the_program_reads(example: Example) -> None:
    assert read_yaml_text(example.text)[0]


@pytest.mark.parametrize("example", [e for e in EVERY if e.language == "python"], ids=lambda e: e.name)
def test_python_compiles(example: Example) -> None:
    if example.page.name != "api.md":  # signatures, made from the code
        compile(example.text, example.name, "exec")


@pytest.mark.parametrize("example", [e for e in EVERY if e.language == "csv"], ids=lambda e: e.name)
def test_tables_have_as_many_cells_in_every_row(example: Example) -> None:
    import csv

    assert len({len(row) for row in csv.reader(example.text.splitlines()) if row}) == 1
