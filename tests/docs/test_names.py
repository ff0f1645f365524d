"""Every public class says what it is, and no new name means two things."""

from __future__ import annotations

import importlib.util
from collections import defaultdict
from pathlib import Path

HERE = Path(__file__).resolve().parent


def _classes() -> dict[str, list[tuple[str, str, str]]]:
    spec = importlib.util.spec_from_file_location("generate", HERE.parents[1] / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: dict[str, list[tuple[str, str, str]]] = module.classes_by_room()
    return found


def test_every_public_class_says_what_it_is() -> None:
    silent = [
        f"{room}.{where}.{name}" for room, rows in _classes().items() for name, where, meaning in rows if not meaning
    ]
    assert silent == []


def test_no_name_stands_for_two_things_beyond_those_known() -> None:
    places: dict[str, list[str]] = defaultdict(list)
    for room, rows in _classes().items():
        for name, where, _ in rows:
            places[name].append(f"{room}.{where}")
    twice = {name for name, found in places.items() if len(found) > 1}
    known = set((HERE / "names_twice.txt").read_text("utf-8").split())
    assert sorted(twice - known) == [], "a second class of this name: give it a name of its own"
    assert sorted(known - twice) == [], "no longer twice: take it off tests/docs/names_twice.txt"
