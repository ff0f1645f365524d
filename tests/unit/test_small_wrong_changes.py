"""The tool that makes small wrong changes (tests/mutants) makes those that it names, and its list is true."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

MUTANTS = Path(__file__).resolve().parents[1] / "mutants"
sys.path.insert(0, str(MUTANTS))

from changes import KINDS, apply, read_mutants  # noqa: E402
from kept import gone, mutants_of, read_kept, write_kept  # noqa: E402
from sample import rooms, sample  # noqa: E402

MOST = 53  # entries of survivors.txt: lower it when lines are taken off; it is never raised


def changed(source: str, kind: str) -> set[str]:
    """The module's text after each change of a kind."""
    return {apply(source, one) for one in read_mutants("m.py", source, frozenset({kind}))}


@pytest.mark.parametrize(
    ("kind", "right", "wrong"),
    [
        ("comparison", "x = a < b", {"x = a <= b", "x = a >= b"}),
        ("comparison", "x = a is None", {"x = a is not None"}),
        ("arithmetic", "x = a + b * c", {"x = a - b * c", "x = a + b / c"}),
        ("arithmetic", "x = a + 'text'", set()),
        ("condition", "x = a and (not b)", {"x = a or not b", "x = a and b"}),
        ("condition", "x = a if c else b", {"x = b if c else a"}),
        ("condition", "if f(a):\n    b = 1", {"if not f(a):\n    b = 1"}),
        ("number", "x = a[1]", {"x = a[2]", "x = a[0]"}),
        ("number", "x = 0.2", {"x = 0.30000000000000004"}),
        ("word", "x = 'the risk is higher'", {"x = 'the risk is not higher'", "x = 'the risk is lower'"}),
        ("word", "x = 'left: higher'", {"x = 'left: lower'"}),
        ("word", "x = 'is-use'", set()),
        (
            "sentence",
            "x = f'{arm} with {n} of {arm}'",
            {"x = f'{n} with {arm} of {arm}'", "x = f'{arm} with {arm} of {n}'"},
        ),
        ("sentence", "x = 'Nobody was lost to us.'", {"x = ''"}),
        (
            "statement",
            "def f():\n    out.add(1)\n    return out",
            {"def f():\n    pass\n    return out", "def f():\n    out.add(1)\n    return None"},
        ),
        ("arguments", "x = f(a, b, c)", {"x = f(b, a, c)"}),
        ("arguments", "x = max(a, b)", set()),
    ],
)
def test_each_kind_of_change_is_made_as_it_is_named(kind: str, right: str, wrong: set[str]) -> None:
    assert changed(right, kind) == wrong


def test_docstrings_types_imports_and_assertions_are_left_alone() -> None:
    source = (
        '"""Text that is higher."""\nfrom a import b\nx: Literal["is higher now"]\n'
        'def f(a: "is it so") -> "is it so":\n    assert a < 1'
    )
    assert read_mutants("m.py", source) == []


def test_a_change_keeps_its_name_when_lines_are_added_above_it() -> None:
    source = "def f(a):\n    return a < 2"
    later = "import os\n\nLIMIT = 3\n\n\n" + source
    names = {one.key for one in read_mutants("m.py", source)}
    assert names < {one.key for one in read_mutants("m.py", later)}


def test_of_the_same_text_twice_in_a_function_each_change_has_a_number() -> None:
    found = read_mutants("m.py", "def f(a, b):\n    return (a < 2, a < 2)", frozenset({"comparison"}))
    assert [one.number for one in found] == [1, 1, 2, 2]
    assert len({apply("def f(a, b):\n    return (a < 2, a < 2)", one) for one in found}) == 4


def test_every_change_of_a_room_alters_its_file_and_can_still_be_read() -> None:
    file = "reporting/words.py"
    source = (MUTANTS.parents[1] / "src" / "equipoise" / file).read_text("utf-8")
    before = ast.unparse(ast.parse(source))
    drawn = sample(mutants_of(file).values(), 60, seed=3)
    assert {one.kind for one in drawn} == set(KINDS) - {"arithmetic"} | {one.kind for one in drawn}
    for one in drawn:
        assert apply(source, one) != before
        ast.parse(apply(source, one))


def test_a_sample_is_the_same_for_the_same_seed_and_changes_little_when_code_is_added() -> None:
    every = list(mutants_of("reporting/words.py").values())
    drawn = sample(every, 40, seed=1)
    assert drawn == sample(list(reversed(every)), 40, seed=1)
    assert drawn != sample(every, 40, seed=2)
    more = read_mutants("m.py", "def f(a):\n    return a < 2")
    assert len(set(drawn) - set(sample([*every, *more], 40, seed=1))) <= len(more)


def test_every_room_and_its_tests_are_there() -> None:
    for room in rooms():
        assert next(room.mutants())
        assert [one for one in room.tests if not (MUTANTS.parent / one).exists()] == []


def test_the_list_of_survivors_names_code_that_stands_and_only_shrinks() -> None:
    entries = read_kept()
    assert gone(entries) == [], "run: python tests/mutants/sample.py --tidy, and lower MOST"
    assert len(entries) == len({entry.key for entry in entries})
    assert len(entries) <= MOST, "write a test that fails with the change, instead of a line in survivors.txt"
    assert len(entries) == MOST, f"lower MOST to {len(entries)}"


def test_the_list_is_written_as_it_is_read(tmp_path: Path) -> None:
    write_kept(read_kept(), tmp_path / "again.txt")
    assert read_kept(tmp_path / "again.txt") == read_kept()
