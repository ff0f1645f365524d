"""Files written before a key existed read the same and keep their hash: ledgers, records and results name it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import pytest
from pydantic import Field

from equipoise.protocol import read_protocol
from equipoise.protocol.language.facts import LATER, Frozen
from equipoise.protocol.language.protocol import _without_later_defaults

HERE = Path(__file__).parent / "first_version"
HASHES: dict[str, str] = json.loads((HERE / "hashes.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", HASHES)
def test_a_file_of_the_first_version_keeps_its_hash(name: str) -> None:
    # The hashes were taken by the program of the day on which the files were copied.
    assert read_protocol(HERE / f"{name}.yaml").hash == HASHES[name]


class Inner(Frozen):
    old: int = 1
    new: Annotated[int, LATER] = Field(2)


class Outer(Frozen):
    parts: dict[str, Inner] = Field({})
    rows: tuple[Inner, ...] = ()


def test_a_later_key_enters_the_resolved_model_only_where_it_says_something() -> None:
    model = Outer.model_validate({"parts": {"a": {}, "b": {"new": 3}}, "rows": [{"new": 2}, {"new": 4}]})
    plain = _without_later_defaults(model, model.model_dump(mode="json", by_alias=True))
    assert plain == {
        "parts": {"a": {"old": 1}, "b": {"old": 1, "new": 3}},
        "rows": [{"old": 1}, {"old": 1, "new": 4}],
    }
