"""Scoring keys by name and version: item numbers and keys, never the wording of a questionnaire."""

from equipoise.instruments.instrument import Instrument, Item, MissingRule, ScoreThreshold, SeverityBands
from equipoise.instruments.library import INSTRUMENTS, find_instrument, instrument_table, require_instrument
from equipoise.instruments.of_protocol import (
    FINDING,
    find_instrument_of,
    instruments_of,
    known_instruments,
    makes_scores,
    own_instrument,
    require_instrument_of,
)
from equipoise.instruments.scoring import (
    Score,
    check_assessments,
    check_items,
    score,
    score_assessments,
    score_calendar,
)

__all__ = [
    "FINDING",
    "INSTRUMENTS",
    "Instrument",
    "Item",
    "MissingRule",
    "Score",
    "ScoreThreshold",
    "SeverityBands",
    "check_assessments",
    "check_items",
    "find_instrument",
    "find_instrument_of",
    "instrument_table",
    "instruments_of",
    "known_instruments",
    "makes_scores",
    "own_instrument",
    "require_instrument",
    "require_instrument_of",
    "score",
    "score_assessments",
    "score_calendar",
]
