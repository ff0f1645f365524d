"""The published JSON Schema and the hash of a protocol."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from broken_edits import SHAPE, Edit
from hypothesis import given, settings
from hypothesis import strategies as st

from equipoise.protocol import read_protocol, read_protocol_text
from equipoise.protocol.pages.json_schema import json_schema
from equipoise.protocol.text.yaml_lines import read_yaml_text

HERE = Path(__file__).parent
BUNDLED = HERE.parents[1] / "src" / "equipoise" / "protocols"
GOOD_FILES = sorted([*(HERE / "protocols").glob("*.yaml"), *BUNDLED.glob("*.yaml")])
GOOD = (HERE / "protocols" / "fictional.yaml").read_text(encoding="utf-8")
VALIDATOR = jsonschema.Draft202012Validator(json_schema())


def test_the_schema_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(json_schema())
    json.dumps(json_schema(), allow_nan=False)


@pytest.mark.parametrize("path", GOOD_FILES, ids=lambda path: path.stem)
def test_the_schema_accepts_every_good_file(path: Path) -> None:
    values, _ = read_yaml_text(path.read_text(encoding="utf-8"))
    assert [f"{e.json_path}: {e.message[:200]}" for e in VALIDATOR.iter_errors(values)] == []


# What parts of a mapping contradict one another (P015 without a pattern of its own) is beyond a schema.
SEEN_BY_SCHEMA = [edit for edit in SHAPE if edit.code in ("P010", "P011", "P012", "P013", "P016")]


@pytest.mark.parametrize("edit", SEEN_BY_SCHEMA, ids=lambda edit: f"{edit.code}-{edit.new.strip()[:20]}")
def test_the_schema_rejects_a_file_of_the_wrong_shape(edit: Edit) -> None:
    values, _ = read_yaml_text(GOOD.replace(edit.old, edit.new, 1))
    assert not VALIDATOR.is_valid(values)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("    dose: 0.5 mg/kg", "    dose: 0.5 mg per kg"),
        ("    over: 40 min", "    over: 40 minutes"),
        ("    treatment: {days: 1..35}", "    treatment: {days: 1-35}"),
        ("    window: -2..2", "    window: 2"),
        ("control: 3 of 28", "control: 3/28"),
        ("    alpha-two-sided: 0.05", "    alpha-two-sided: 5"),
    ],
)
def test_the_schema_rejects_notations_that_cannot_be_read(old: str, new: str) -> None:
    values, _ = read_yaml_text(GOOD.replace(old, new, 1))
    assert not VALIDATOR.is_valid(values)


def test_nearly_every_key_is_described_for_the_editor() -> None:
    parts = [part for part in json_schema()["$defs"].values() if "properties" in part]
    keys = [entry for part in parts for entry in part["properties"].values()]
    assert sum("description" in entry for entry in keys) / len(keys) > 0.97


# --- The hash.


def shuffled(value: Any, rng: random.Random, path: tuple[str, ...] = ()) -> Any:
    """Keys of every mapping in another order, except that of the arms."""
    if isinstance(value, dict):
        keys = list(value)
        if path != ("arms",):
            rng.shuffle(keys)
        return {key: shuffled(value[key], rng, (*path, key)) for key in keys}
    return [shuffled(entry, rng, (*path, "-")) for entry in value] if isinstance(value, list) else value


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32))
def test_the_order_of_keys_is_not_part_of_the_hash(seed: int) -> None:
    values, _ = read_yaml_text(GOOD)
    text = json.dumps(shuffled(values, random.Random(seed)), ensure_ascii=False)
    assert read_protocol_text(text).hash == read_protocol_text(GOOD).hash


def test_the_order_of_arms_is_part_of_the_hash_because_the_reference_comes_first() -> None:
    values, _ = read_yaml_text(GOOD)
    values["arms"] = dict(reversed(values["arms"].items()))
    assert read_protocol_text(json.dumps(values)).hash != read_protocol_text(GOOD).hash


def test_a_default_written_out_is_not_part_of_the_hash() -> None:
    text = GOOD.replace(
        "    kind: repeated-use\n", "    kind: repeated-use\n    since: last-attended\n    better: lower\n"
    )
    assert text != GOOD
    assert read_protocol_text(text).hash == read_protocol_text(GOOD).hash


def test_one_source_may_be_written_bare_or_as_a_list() -> None:
    text = GOOD.replace("source: paper", "source: [paper]")
    assert read_protocol_text(text).hash == read_protocol_text(GOOD).hash


def leaves(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if isinstance(value, dict):
        return [leaf for key, entry in value.items() for leaf in leaves(entry, (*path, key))]
    if isinstance(value, list):
        return [leaf for n, entry in enumerate(value) for leaf in leaves(entry, (*path, n))]
    return [path]


VALUES, _LINES = read_yaml_text(GOOD)
# Text that means something to a reader and nothing to the program, and numbers that stay in their bounds when changed.
FREE = [
    path
    for path in leaves(VALUES)
    if path[-1]
    in ("words", "label", "title", "cite", "drug", "route", "unit", "where", "basis", "item", "name", "day-1")
    or (
        path[-1] in ("n", "planned-n", "floor") or path[-2:] in (("n", "control"), ("n", "active"), ("ratio", "active"))
    )
]


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(FREE), st.integers(1, 9))
def test_every_change_of_meaning_changes_the_hash(path: tuple[Any, ...], by: int) -> None:
    changed = json.loads(json.dumps(VALUES))
    part = changed
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = part[path[-1]] + by if isinstance(part[path[-1]], int) else f"{part[path[-1]]} {by}"
    assert read_protocol_text(json.dumps(changed)).hash != read_protocol_text(GOOD).hash


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("0.5 mg/kg", "0.6 mg/kg"),
        lambda text: text.replace("window: -2..2", "window: -2..1"),
        lambda text: text.replace("missed: is-use\n", "missed: is-use-after-dropout\n", 1),
        lambda text: text.replace("ties: efron", "ties: breslow"),
        lambda text: text.replace("alpha-two-sided: 0.05", "alpha-two-sided: 0.01"),
        lambda text: text.replace("alpha-two-sided: 0.05", "alpha-one-sided: 0.05"),
        lambda text: text.replace("days: [9, 16, 23, 30]", "days: [9, 16, 24, 30]"),
        lambda text: text.replace("levels: [moderate, severe]", "levels: [severe, moderate]"),
        lambda text: text.replace("blinding: quarantined", "blinding: sealed"),
        lambda text: text.replace("value: 5.7 (1.3 to 25.1)", "value: 5.7 (1.3 to 25.2)"),
        lambda text: text.replace("status: published}", "status: secondary}"),
        lambda text: text.replace("    gives: [infusion, stepped, ", "    gives: [stepped, "),
    ],
)
def test_every_choice_is_part_of_the_hash(change: Callable[[str], str]) -> None:
    assert change(GOOD) != GOOD
    assert read_protocol_text(change(GOOD)).hash != read_protocol_text(GOOD).hash


def test_a_protocol_cannot_be_changed_once_it_is_read() -> None:
    protocol = read_protocol(HERE / "protocols" / "fictional.yaml")
    with pytest.raises(Exception, match="frozen"):
        protocol.model.trial.title = "another"  # type: ignore[misc]
    with pytest.raises(TypeError, match="frozen"):
        protocol.model.arms["third"] = protocol.model.arms["active"]  # type: ignore[index]
    with pytest.raises(TypeError, match="frozen"):
        protocol.model.assumptions["base"].n.update({"active": 3})  # type: ignore[attr-defined]


def test_a_protocol_survives_pickling_whole() -> None:
    import pickle

    protocol = read_protocol(HERE / "protocols" / "fictional.yaml")
    again = pickle.loads(pickle.dumps(protocol))
    assert (again.hash, again.file_hash, again.path) == (protocol.hash, protocol.file_hash, protocol.path)
