"""Compile the loops of the endpoint language once; they are kept on disk."""

from __future__ import annotations


def compile_patterns() -> None:
    """Carry out every missing rule and every definition of the library on a word or two."""
    from typing import get_args

    from equipoise.endpoints.patterns.evaluate import apply_steps, evaluate
    from equipoise.endpoints.patterns.library import DAYS_PER_CELL, definitions
    from equipoise.endpoints.patterns.pattern import read_words
    from equipoise.protocol.language.formula import FillRule, Step

    words = ["+-o*_" * 12, "o" * 60]
    for rule in get_args(FillRule):
        apply_steps([Step.model_validate({"missing": rule})], read_words(words))
    for definition in definitions().values():
        patterns = {name: read_words(words, days_per_cell=DAYS_PER_CELL.get(name, 1)) for name in definition.on}
        evaluate(definition.formula, patterns, definition.better)
