"""An instrument in words: what it is scored by, as lines for the terminal and as the page of the library."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from equipoise.instruments.instrument import Instrument, Item
from equipoise.instruments.library import INSTRUMENTS

_KINDS = {
    "questionnaire": "items that are added up",
    "score": "a score recorded on its own",
    "calendar": "a calendar of days",
}


def describe_instrument(entry: Instrument) -> list[tuple[str, str]]:
    """Label and text of everything that scoring depends on, then what is known of source and licence."""
    lines = [("Kind", _KINDS[entry.kind])]
    if entry.items:
        lines.append(("Answers", "; ".join(_answers(entry.items))))
    if entry.reversed_items:
        lines.append(("Turned round", ", ".join(entry.reversed_items)))
    for scale, members in entry.scales.items():
        lowest, highest = entry.bounds(scale)
        of = f", of {', '.join(members)}" if scale in entry.subscales and scale not in members else ""
        lines.append((f"Scale {scale}", f"{lowest:g} to {highest:g}{of}"))
    if entry.items:
        lines.append(("Better", {"higher": "higher", "lower": "lower", None: "neither direction"}[entry.better]))
    if entry.kind == "questionnaire":
        lines.append(("Left out", f"{entry.missing_rule.words} Whose rule: {entry.missing_rule.basis}."))
    for bands in entry.bands:
        text = ", ".join(f"{name} {low:g} to {high:g}" for name, low, high in bands.bands)
        lines.append((f"Bands {bands.id}", f"{text} ({bands.source})"))
    for threshold in entry.thresholds:
        by = f", by {threshold.of}" if threshold.of else ""
        on = "" if threshold.scale == "total" else f" of {threshold.scale}"
        lines.append((f"Threshold {threshold.id}", f"{threshold.words}: {threshold.rule}{on}{by} ({threshold.source})"))
    lines += [("Source", entry.source), ("Licence", entry.licence)]
    return [*lines, ("Note", entry.note)] if entry.note else lines


def instrument_as_dict(entry: Instrument) -> dict[str, Any]:
    """Plain values for ``--json``: the key, and the words about it."""
    return {
        **entry.key_as_dict(),
        "name": entry.name,
        "kind": entry.kind,
        "better": entry.better,
        "unit": entry.unit,
        "ranges": {scale: list(entry.bounds(scale)) for scale in entry.scales},
        "bands": {b.id: {"source": b.source, "bands": [list(band) for band in b.bands]} for b in entry.bands},
        "thresholds": {t.id: {"words": t.words, "rule": t.rule, "source": t.source} for t in entry.thresholds},
        "left_out": entry.missing_rule.words,
        "left_out_basis": entry.missing_rule.basis,
        "source": entry.source,
        "licence": entry.licence,
        "note": entry.note,
    }


def _answers(items: Iterable[Item]) -> list[str]:
    """Answers with the items that have them, items of alike answers together."""
    by_answer: dict[str, list[str]] = {}
    for item in items:
        by_answer.setdefault(item.expected, []).append(item.id)
    if len(by_answer) == 1:
        answer, names = next(iter(by_answer.items()))
        return [f"{answer} ({names[0]})" if len(names) == 1 else f"{answer}, {len(names)} items ({_run(names)})"]
    return [f"{answer} ({_run(names)})" for answer, names in by_answer.items()]


def _run(names: list[str]) -> str:
    """``1 to 10`` for numbers without a gap, otherwise the names."""
    numbers = [int(name) for name in names if name.isdigit()]
    if len(numbers) == len(names) > 2 and numbers == list(range(numbers[0], numbers[0] + len(numbers))):
        return f"{names[0]} to {names[-1]}"
    return ", ".join(names)


def render_instruments() -> str:
    """The page as Markdown: a table of every instrument, then each with its key, source and licence."""
    every = list(INSTRUMENTS.values())
    lines = [
        "# The library of instruments",
        "",
        "This page is generated from the library by `python docs/generate.py`.",
        "",
        "A protocol names an instrument by its id: `assessments: {stress: {type: instrument, instrument: "
        "pss-10}}`. Records keep the answers in the table `assessments`, one row per participant, visit "
        "and item, *before* any item is reversed; a score recorded on its own is the item `score` or "
        "`total`. Answers that an item cannot have are refused with their line (`R502`).",
        "",
        "The library holds only numbers of items, ranges and scoring keys: the wording of most "
        "questionnaires is under copyright, and none of it is kept. The status is given with each source; "
        "*recalled* means that the source was not at hand when the key was written, so compare it with "
        "your copy before you rely on it.",
        "",
        "An instrument that is not in the library can be defined in the protocol:",
        "",
        "```yaml",
        "instruments:",
        "  bdi: {total: 0..63, better: lower}                       # only the score is recorded",
        "  strain:                                                  # items that are added up",
        "    items: 6                                               # numbered 1 to 6; or a list of names",
        "    range: 0..4",
        "    reverse: [2, 5]",
        "    missing: {share-given: 0.75}                           # or {at-most: 1}; without it all are needed",
        "    bands: {low: 0..8, high: 9..24}",
        "    thresholds: {case: {at-least: {female: 9, male: 11}, of: sex}}",
        "    better: lower",
        "```",
        "",
        "Items may have answers of their own (`items: {q1: 0..3, q2: {levels: [0, 2, 4]}}`), and "
        "`subscales` name their items. An instrument of the protocol is scored by the same code as one in "
        "the library; the same key gives the same numbers. `equipoise instruments explain NAME --protocol "
        "P` shows how it was read.",
        "",
        "| id | name | range | better | reversed items |",
        "| --- | --- | --- | --- | --- |",
    ]
    for entry in every:
        span = "" if not entry.has_total or not entry.items else "{:g} to {:g}".format(*entry.bounds())
        better = entry.better or ""
        turned = ", ".join(entry.reversed_items)
        lines.append(f"| [`{entry.id}`](#{entry.id}) | {entry.name} | {span} | {better} | {turned} |")
    for entry in every:
        lines += ["", f"## {entry.id}", "", f"**{entry.name}**, key version {entry.version}.", ""]
        lines += [f"- {label}: {text}" for label, text in describe_instrument(entry)]
    return "\n".join(lines) + "\n"
