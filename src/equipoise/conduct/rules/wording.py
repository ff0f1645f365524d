"""Wording of questionnaires, from a file of the site's: most of it is copyrighted and none of it is ours to ship.

The file is JSON: ``{"ffmq-39": {"1": "text of item 1", ...}, ...}``. Its SHA-256 is logged when it is taken into use,
so that a record can be traced to the words that were shown.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from equipoise.foundation.errors import Problem, listed
from equipoise.foundation.hashing import sha256_text
from equipoise.protocol import Protocol

CODES = {"C580": "A file of wording does not match the protocol's instruments."}

Wording = Mapping[str, Mapping[str, str]]


def wording_hash(text: str) -> str:
    """SHA-256 of the file's text, as it is logged."""
    return sha256_text(text)


def read_wording(text: str, protocol: Protocol) -> tuple[Wording, list[Problem]]:
    """The wording by instrument and item, and every problem of the file; wording with problems is not to be used."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}, [Problem("C580", "wording", "The text is not JSON.", '{"pss-10": {"1": "wording", ...}}')]
    if not isinstance(value, dict) or not all(isinstance(entry, dict) for entry in value.values()):
        return {}, [Problem("C580", "wording", "This is not a mapping of instruments.", '{"pss-10": {"1": "wording"}}')]
    from equipoise.instruments import instruments_of

    known = instruments_of(protocol)
    problems: list[Problem] = []
    for id, items in value.items():
        instrument = known.get(id)
        if instrument is None:
            problems.append(Problem("C580", id, "The protocol has no such instrument.", listed(sorted(known))))
            continue
        unknown = [item for item in items if instrument.item(item) is None]
        absent = [item for item in instrument.item_ids if not str(items.get(item) or "").strip()]
        if unknown:
            problems.append(Problem("C580", id, f"It has no item {listed(unknown)}.", listed(instrument.item_ids)))
        if absent:
            problems.append(Problem("C580", id, f"Item {listed(absent)} has no wording.", "text for every item"))
        if any(not isinstance(words, str) for words in items.values()):
            problems.append(Problem("C580", id, "Wording that is not text.", "text for every item"))
    return value, problems
