"""Every code that reading and writing files can give is explained once, and belongs to the family of its error."""

from __future__ import annotations

import importlib
import pkgutil
import re
from pathlib import Path

import equipoise.exchange
import equipoise.records
from equipoise.instruments import scoring

MODULES = [
    importlib.import_module(f"{package.__name__}.{found.name}")
    for package in (equipoise.exchange, equipoise.records)
    for found in pkgutil.iter_modules(package.__path__)
]


def test_every_code_in_use_is_explained_and_none_twice() -> None:
    explained: dict[str, str] = {}
    for module in MODULES:
        for code, words in getattr(module, "CODES", {}).items():
            assert re.fullmatch(r"[A-Z]\d{3}", code)
            assert words.endswith(".")
            assert code not in explained
            explained[code] = words
    used: set[str] = set()
    for module in MODULES:
        used |= set(re.findall(r'"([RUO]\d{3})"', Path(str(module.__file__)).read_text(encoding="utf-8")))
    # What an instrument finds wrong is explained where instruments are scored.
    elsewhere = set(scoring.CODES)
    families = {code for code in explained if code[0] in "RUO"}
    assert used - elsewhere == families - elsewhere
