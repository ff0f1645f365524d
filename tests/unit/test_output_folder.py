"""Output folders are there whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from equipoise.exchange.output_folder import MARKER, OutputFolder
from equipoise.foundation.errors import OutputError


def write(path: Path, text: str = "x", **how: bool) -> None:
    with OutputFolder(path, kind="test", **how) as folder:
        (folder / "deep").mkdir()
        (folder / "a.txt").write_text(text)
        (folder / "deep" / "b.txt").write_text(text)


def fail(path: Path, error: BaseException, **how: bool) -> None:
    """Begin to write, and stop half way."""
    with OutputFolder(path, kind="test", **how) as folder:
        (folder / "half.txt").write_text("half")
        raise error


def codes(error: pytest.ExceptionInfo[OutputError]) -> list[str]:
    return [problem.code for problem in error.value.problems]


def test_a_folder_appears_with_all_its_files_and_nothing_beside_it(tmp_path: Path) -> None:
    write(tmp_path / "out")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out"]
    assert (tmp_path / "out" / "deep" / "b.txt").read_text() == "x"


def test_missing_parents_are_made_and_vanish_again_when_the_work_fails(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError):
        fail(tmp_path / "new" / "deeper" / "out", RuntimeError("interrupted"))
    assert list(tmp_path.iterdir()) == []
    write(tmp_path / "new" / "deeper" / "out")
    assert (tmp_path / "new" / "deeper" / "out" / "a.txt").exists()


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit, ValueError])
def test_an_interruption_leaves_no_half_written_folder(tmp_path: Path, stop: type[BaseException]) -> None:
    with pytest.raises(stop):
        fail(tmp_path / "out", stop())
    assert list(tmp_path.iterdir()) == []


def test_an_interruption_keeps_what_was_there_before_even_with_force(tmp_path: Path) -> None:
    write(tmp_path / "out", "old")
    with pytest.raises(ValueError):
        fail(tmp_path / "out", ValueError(), force=True)
    assert (tmp_path / "out" / "a.txt").read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_earlier_output_is_kept_unless_force_is_said(tmp_path: Path) -> None:
    write(tmp_path / "out", "old")
    with pytest.raises(OutputError) as error:
        write(tmp_path / "out", "new")
    assert codes(error) == ["O001"]
    assert (tmp_path / "out" / "a.txt").read_text() == "old"
    write(tmp_path / "out", "new", force=True)
    assert (tmp_path / "out" / "a.txt").read_text() == "new"


@pytest.mark.parametrize("force", [False, True])
def test_a_folder_of_somebody_else_is_never_replaced(tmp_path: Path, force: bool) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("years of work")
    with pytest.raises(OutputError) as error:
        write(tmp_path / "out", force=force)
    assert codes(error) == ["O002"]
    assert (tmp_path / "out" / "thesis.txt").read_text() == "years of work"


def test_force_refuses_a_folder_of_ours_in_which_somebody_left_a_note(tmp_path: Path) -> None:
    write(tmp_path / "out")
    (tmp_path / "out" / "my notes.txt").write_text("do not lose")
    with pytest.raises(OutputError) as error:
        write(tmp_path / "out", force=True)
    assert codes(error) == ["O002"]
    assert "my notes.txt" in str(error.value)


def test_a_damaged_list_of_files_counts_as_no_list(tmp_path: Path) -> None:
    write(tmp_path / "out")
    (tmp_path / "out" / MARKER).write_text("{broken")
    with pytest.raises(OutputError) as error:
        write(tmp_path / "out", force=True)
    assert codes(error) == ["O002"]


def test_an_empty_folder_may_be_filled(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    write(tmp_path / "out")
    assert (tmp_path / "out" / "a.txt").exists()


def test_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    for path in (tmp_path / "out", tmp_path / "out" / "below"):
        with pytest.raises(OutputError) as error:
            write(path)
        assert codes(error) == ["O003"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_rights_is_named(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0o500)
    with pytest.raises(OutputError) as error:
        write(tmp_path / "closed" / "out")
    assert codes(error) == ["O004"]


def test_a_full_disk_is_told_as_such_and_leaves_nothing(tmp_path: Path) -> None:
    import errno

    with pytest.raises(OutputError) as error:
        fail(tmp_path / "out", OSError(errno.ENOSPC, "No space left on device"))
    assert codes(error) == ["O004"]
    assert "disk is full" in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_somebody_writing_there_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    def write_slowly() -> None:
        with OutputFolder(tmp_path / "out", kind="test") as folder:
            (folder / "a.txt").write_text("ours")
            (tmp_path / "out").mkdir()
            (tmp_path / "out" / "theirs.txt").write_text("theirs")

    with pytest.raises(OutputError) as error:
        write_slowly()
    assert codes(error) == ["O002"]
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["theirs.txt"]
    assert [p.name for p in tmp_path.iterdir()] == ["out"]
