"""Scoring keys by name and version: item numbers and keys, never the wording of a questionnaire."""

from equipoise.instruments.instrument import Instrument, Item, MissingRule, SeverityBands
from equipoise.instruments.library import INSTRUMENTS, find_instrument, instrument_table, require_instrument
from equipoise.instruments.scoring import (
    Score,
    check_assessments,
    check_items,
    score,
    score_assessments,
    score_calendar,
)

__all__ = [
    "INSTRUMENTS",
    "Instrument",
    "Item",
    "MissingRule",
    "Score",
    "SeverityBands",
    "check_assessments",
    "check_items",
    "find_instrument",
    "instrument_table",
    "require_instrument",
    "score",
    "score_assessments",
    "score_calendar",
]
