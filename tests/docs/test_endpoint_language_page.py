"""The page on the endpoint language speaks of every verb and rule there is, and its own formulas are formulas."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest
from ruamel.yaml import YAML

from equipoise.protocol.language.formula import (
    JUDGEMENTS,
    MEASURES,
    STEPS,
    FillRule,
    Formula,
    PatternWindow,
    ProportionOf,
    TimeTo,
)

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "methods" / "endpoint_language.md").read_text(encoding="utf-8")


def _keys(names: tuple[str, ...]) -> list[str]:
    return [name.rstrip("_").replace("_", "-") for name in names]


@pytest.mark.parametrize(
    "key",
    [
        *_keys(STEPS),
        *_keys(MEASURES),
        *_keys(JUDGEMENTS),
        *get_args(FillRule),
        *_keys(tuple(PatternWindow.model_fields)),
        *_keys(tuple(ProportionOf.model_fields)),
        *_keys(tuple(TimeTo.model_fields)),
    ],
)
def test_the_page_speaks_of_every_key(key: str) -> None:
    assert re.search(rf"`{key}[`:]", PAGE), key


def test_the_formulas_of_the_page_are_formulas() -> None:
    blocks = re.findall(r"```yaml\n(formula:.*?)```", PAGE, re.DOTALL)
    assert blocks
    for block in blocks:
        Formula.model_validate(YAML(typ="safe", pure=True).load(block)["formula"])


def test_the_numbers_of_the_page_are_those_of_the_tests() -> None:
    assert "1,390 words, all 62 columns" in PAGE
    assert "516 calls" in PAGE
