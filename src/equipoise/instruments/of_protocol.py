"""The instruments of a protocol: those of the library that it names, and those it brings itself.

The one place that knows what an assessment is scored by; checks, imports, forms, endpoints and reports ask here.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from functools import lru_cache

from equipoise.instruments.instrument import (
    Direction,
    Instrument,
    Item,
    MissingRule,
    ScoreThreshold,
    SeverityBands,
)
from equipoise.instruments.library import find_instrument, library_names, require_instrument
from equipoise.protocol.language.design import Assessment
from equipoise.protocol.language.instruments import ItemKey, OwnInstrument, Threshold
from equipoise.protocol.language.protocol import Protocol

OWN_VERSION = "protocol"
FINDING = "finding"  # the item under which records keep a finding: 1 is yes, 0 is no
_DIRECTIONS: dict[str, Direction] = {
    "higher": "higher is better",
    "lower": "higher is worse",
    "neither": "none",
}


def find_instrument_of(protocol: Protocol, assessment: str) -> Instrument | None:
    """What the assessment of that name is scored by; ``None`` where it is no instrument, or nobody has it."""
    entry = protocol.model.assessments.get(assessment)
    if entry is not None and entry.type == "finding":
        return _finding(assessment, entry.label or assessment.replace("-", " "), str(entry.yes), str(entry.no))
    if entry is None or entry.instrument is None:
        return None
    own = protocol.model.instruments.get(entry.instrument)
    if own is not None:
        return own_instrument(entry.instrument, own)
    return find_instrument(entry.instrument, entry.version)


def require_instrument_of(protocol: Protocol, assessment: str) -> Instrument:
    """:func:`find_instrument_of`, or :class:`~equipoise.foundation.errors.UsageError` U501 with the nearest name."""
    found = find_instrument_of(protocol, assessment)
    if found is not None:
        return found
    entry = protocol.model.assessments[assessment]
    return require_instrument(entry.instrument or assessment, entry.version, tuple(protocol.model.instruments))


def instruments_of(protocol: Protocol) -> dict[str, Instrument]:
    """Every instrument that the assessments name, by the name that records use."""
    found = (find_instrument_of(protocol, id) for id in protocol.model.assessments)
    return {instrument.id: instrument for instrument in found if instrument is not None}


def known_instruments(protocol: Protocol) -> tuple[str, ...]:
    """Names that an assessment of this protocol may use: its own first, then the library's."""
    return (*protocol.model.instruments, *library_names())


def makes_scores(entry: Assessment) -> bool:
    """Whether the assessment makes rows of the table assessments: items, scores or a finding."""
    return entry.type in ("instrument", "finding")


@lru_cache(maxsize=256)
def _finding(id: str, name: str, yes: str, no: str) -> Instrument:
    return Instrument(
        id=id,
        version=OWN_VERSION,
        name=name,
        kind="score",
        items=(Item(FINDING, 0, 1),),
        missing_rule=MissingRule(Fraction(1), "a single value cannot be filled in"),
        licence="This protocol's own.",
        source=f"1: {yes}; 0: {no}.",
        direction="none",
        unit="yes = 1",
    )


def own_instrument(id: str, entry: OwnInstrument) -> Instrument:
    """An instrument of the protocol in the form in which the library keeps its own; the same key, the same scores."""
    return _own_instrument(id, entry.model_dump_json(by_alias=True))


# An instrument is asked for at every recording and every derivation; its definition never changes once read.
@lru_cache(maxsize=256)
def _own_instrument(id: str, text: str) -> Instrument:
    entry = OwnInstrument.model_validate_json(text)
    return Instrument(
        id=id,
        version=OWN_VERSION,
        name=entry.name or id.replace("-", " "),
        kind="score" if entry.total is not None else "questionnaire",
        items=_items(entry),
        missing_rule=_missing_rule(entry),
        licence="As the protocol's authors have it; no wording is kept.",
        source="This protocol.",
        subscales={scale: tuple(members) for scale, members in entry.subscales.items()},
        has_total=entry.adds_up,
        direction=_DIRECTIONS[entry.better],
        unit=entry.unit,
        bands=_bands(entry),
        thresholds=tuple(_threshold(name, threshold) for name, threshold in entry.thresholds.items()),
    )


def _items(entry: OwnInstrument) -> tuple[Item, ...]:
    keys: Mapping[str, ItemKey] = entry.items if isinstance(entry.items, Mapping) else {}
    out = []
    for id in entry.item_ids:
        key = keys.get(id, ItemKey())
        span = entry.total or key.range or (None if key.levels else entry.range)
        levels = key.levels or (entry.levels if span is None else ())
        lowest, highest = (span.lowest, span.highest) if span is not None else (levels[0], levels[-1])
        is_reversed = key.reverse or id in entry.reverse
        out.append(Item(id, lowest, highest, is_reversed, not entry.decimals, tuple(levels)))
    return tuple(out)


def _missing_rule(entry: OwnInstrument) -> MissingRule:
    if entry.missing is None:
        return MissingRule(Fraction(1), "the protocol states no rule for items left out")
    if entry.missing.at_most is not None:
        return MissingRule(Fraction(1), "the protocol", entry.missing.at_most)
    return MissingRule(Fraction(str(entry.missing.share_given)), "the protocol")


def _bands(entry: OwnInstrument) -> tuple[SeverityBands, ...]:
    if not entry.bands:
        return ()
    bands = tuple((name, span.lowest, span.highest) for name, span in entry.bands.items())
    return (SeverityBands("protocol", "this protocol", bands),)


def _threshold(id: str, entry: Threshold) -> ScoreThreshold:
    def bound(value: float | Mapping[str, float] | None) -> float | tuple[tuple[str, float], ...] | None:
        return tuple(value.items()) if isinstance(value, Mapping) else value

    return ScoreThreshold(
        id,
        entry.words or id.replace("-", " "),
        "this protocol",
        entry.scale,
        bound(entry.at_least),
        bound(entry.at_most),
        entry.of,
    )
