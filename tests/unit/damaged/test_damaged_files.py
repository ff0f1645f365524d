"""Damaged files at every door: a coded problem, no traceback, nothing written; every eleventh of all cases."""

from __future__ import annotations

from pathlib import Path

import pytest

from .doors import Door, write_files
from .trying import CASES, outcome


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    write_files(folder)
    return folder


@pytest.mark.parametrize(("door", "spoil"), CASES[::11], ids=lambda one: getattr(one, "name", one))
def test_a_damaged_file_is_refused_in_words(door: Door, spoil: str, files: Path, tmp_path: Path) -> None:
    assert outcome(door, spoil, files, tmp_path) == "refused"
