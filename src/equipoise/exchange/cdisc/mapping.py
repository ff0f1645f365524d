"""The mapping file of an export to SDTM: what only a person can say, and no program may guess.

It is YAML, read with line numbers by the reader that protocols use. ``docs/cdisc.md`` describes its keys. A key without
a value says nothing, so that a template can be filled in step by step.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from equipoise.exchange.cdisc.vocabulary import term_lists, variables_of
from equipoise.exchange.csv import read_csv_text
from equipoise.foundation.errors import Problem, ProtocolError, RecordsError, listed, nearest, raise_if_any
from equipoise.protocol.text.yaml_lines import Lines, place, read_yaml_file
from equipoise.records.baseline_values import as_levels, name_of_column

CODES = {
    "R600": "A mapping file for SDTM has no such key.",
    "R601": "A value of a mapping file for SDTM is not of the kind that its key takes.",
    "R602": "A value of a mapping file for SDTM is not a term of the list that its variable takes.",
    "R603": "A file of coded adverse events cannot be used.",
}

# Kinds of values: text, yes-no, names (a mapping from any name), or a mapping of the keys given.
_CODED = {"from": "text", "values": {"*": "text"}, "missing": "text", "everybody": "text"}
_SITE = {"id": "text", "country": "text"}
SHAPE: dict[str, Any] = {
    "study-id": "text",
    "site": _SITE,
    "sites": {"*": _SITE},
    "sex": _CODED,
    "age": {"from": "text"},
    "race": _CODED,
    "ethnicity": _CODED,
    "arms": {"*": "text"},
    "epochs": {"*": "text"},
    "substances": {"*": "text"},
    "units": {"*": "text"},
    "urine-method": "text",
    "daily-use-category": "text",
    "treatments": {"*": {"name": "text", "form": "text", "route": "text", "placebo": "yes-no"}},
    "instruments": {"*": {"domain": "text", "category": "text", "items": {"*": {"code": "text", "name": "text"}}}},
    "adverse-events": "text",
    "outcomes": {"*": "text"},
    "reasons": {"*": "text"},
    "administrative-end": "text",
    "criteria": {"*": "text"},
    "trial-summary": {"*": "text"},
}
# Lists that no term may be added to, by the place of their values; ``*`` stands for any name.
CLOSED = {
    ("sex", "values", "*"): "C66731",
    ("sex", "missing"): "C66731",
    ("sex", "everybody"): "C66731",
    ("race", "values", "*"): "C74457",
    ("race", "missing"): "C74457",
    ("ethnicity", "values", "*"): "C66790",
    ("ethnicity", "missing"): "C66790",
    ("outcomes", "*"): "C66768",
}
FORMS = {
    ("study-id",): (r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}", "letters, digits, points, dashes, at most 40"),
    ("site", "id"): (r"[A-Za-z0-9][A-Za-z0-9._-]{0,19}", "letters, digits, points, dashes, at most 20"),
    ("sites", "*", "id"): (r"[A-Za-z0-9][A-Za-z0-9._-]{0,19}", "letters, digits, points, dashes, at most 20"),
    ("site", "country"): (r"[A-Z]{3}", "three capitals of ISO 3166, for example DEU"),
    ("sites", "*", "country"): (r"[A-Z]{3}", "three capitals of ISO 3166, for example DEU"),
    ("arms", "*"): (r"[A-Z0-9][A-Z0-9_-]{0,19}", "a code of capitals and digits, at most 20"),
    ("substances", "*"): (r"[A-Z][A-Z0-9_]{0,7}", "a test code of at most 8 capitals and digits"),
    ("instruments", "*", "domain"): (r"QS|FT|RS", "QS, FT or RS"),
    ("instruments", "*", "items", "*", "code"): (r"[A-Z][A-Z0-9]{0,7}", "a test code of at most 8 capitals and digits"),
    ("instruments", "*", "items", "*", "name"): (r".{1,40}", "at most 40 characters"),
    ("criteria", "*"): (r"[A-Za-z0-9-]+", "the name of a criterion under eligibility"),
    ("trial-summary", "*"): (r".{1,1000}", "at most 1,000 characters"),
}


@dataclass(frozen=True)
class SdtmMapping:
    """A mapping file's answers; ``codes`` are the coded adverse events by term."""

    path: Path | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    codes: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def said(self, *at: str) -> Any:
        """The answer at a place; ``None`` where there is none."""
        value: Any = self.values
        for part in at:
            value = value.get(part) if isinstance(value, Mapping) else None
        return value

    def names(self, *at: str) -> dict[str, str]:
        """The answers of a mapping from names, those without one left out."""
        value = self.said(*at)
        return {k: v for k, v in value.items() if v is not None} if isinstance(value, Mapping) else {}


def read_sdtm_mapping(path: Path) -> SdtmMapping:
    """Read a mapping file; raises :class:`RecordsError` with every problem, each with file and line."""
    try:
        values, lines, _ = read_yaml_file(path)
    except ProtocolError as error:
        raise RecordsError(error.problems) from None
    problems: list[Problem] = []
    checker = _Checker(path, lines, problems)
    known = checker.mapping(values, SHAPE, ())
    codes: dict[str, dict[str, str]] = {}
    named = known.get("adverse-events")
    if isinstance(named, str):
        codes = _coded_events(path.parent / named, problems)
    raise_if_any(RecordsError, problems)
    return SdtmMapping(path, known, codes)


class _Checker:
    def __init__(self, path: Path, lines: Lines, problems: list[Problem]) -> None:
        self.path = path
        self.lines = lines
        self.problems = problems

    def say(self, code: str, at: tuple[str, ...], found: str, expected: str, step: str = "") -> None:
        line = self.lines.of(at)
        self.problems.append(Problem(code, place(at), found, expected, step, file=str(self.path), line=line))

    def mapping(self, value: Any, shape: Mapping[str, Any], at: tuple[str, ...]) -> dict[str, Any]:
        if value is None:
            return {}
        if not isinstance(value, Mapping):
            self.say("R601", at, f"There is {value!r}.", "keys with values, each on a line of its own")
            return {}
        out = {}
        for key, inner in value.items():
            wanted = shape.get(key, shape.get("*"))
            if wanted is None:
                near = nearest(key, shape)
                hint = f"Is {near!r} meant?" if near else ""
                self.say("R600", (*at, key), f"There is no key {key!r}.", listed(shape), hint)
            else:
                out[key] = self.value(inner, wanted, (*at, key))
        return out

    def value(self, value: Any, wanted: Any, at: tuple[str, ...]) -> Any:
        if isinstance(wanted, Mapping):
            return self.mapping(value, wanted, at)
        if value is None:
            return None
        if wanted == "yes-no":
            if not isinstance(value, bool):
                self.say("R601", at, f"There is {value!r}.", "true or false")
            return value
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            self.say("R601", at, f"There is {value!r}.", "a text")
            return None
        return self.text(str(value), at)

    def text(self, text: str, at: tuple[str, ...]) -> str:
        for general in _general(at):
            if general in CLOSED:
                terms = term_lists()[CLOSED[general]].terms
                if text not in terms:
                    self.say("R602", at, f"{text!r} is not a term.", listed(terms))
            if general in FORMS:
                form, words = FORMS[general]
                if not re.fullmatch(form, text):
                    self.say("R601", at, f"There is {text!r}.", words)
        return text


def _general(at: tuple[str, ...]) -> list[tuple[str, ...]]:
    """A place with its names as such, and with the name that anybody may choose replaced by a star."""
    stars = [at]
    for k in range(1, len(at)):
        stars += [(*one[:k], "*", *one[k + 1 :]) for one in list(stars)]
    return stars


def _coded_events(path: Path, problems: list[Problem]) -> dict[str, dict[str, str]]:
    """The coding of adverse events: a CSV file with a column ``term`` and columns named as variables of AE."""
    text, found = read_csv_text(path)
    problems += found
    if text is None:
        return {}
    own = [v.name for v in variables_of("AE")]
    file = str(path)
    for need in ("term", "AEDECOD"):
        if need not in text.columns:
            problems.append(
                Problem("R603", "header", f"There is no column {need}.", "term and AEDECOD", file=file, line=1)
            )
    for column in text.columns:
        if column not in ("term", *own):
            expected = listed([n for n in own if n.startswith("AE")], limit=20)
            problems.append(Problem("R603", "header", f"AE has no variable {column!r}.", expected, file=file, line=1))
    if problems:
        return {}
    numbers = [v.name for v in variables_of("AE") if v.type == "Num" and v.name in text.columns]
    out: dict[str, dict[str, str]] = {}
    for row, line in zip(text.frame.to_dicts(), text.lines.tolist(), strict=True):
        term = row.pop("term")
        if term is None or term in out:
            said = "There is no term." if term is None else f"The term {term!r} stands twice."
            problems.append(Problem("R603", "term", said, "each term once", file=file, line=line))
            continue
        for name in numbers:
            if row[name] is not None and not re.fullmatch(r"\d{1,10}", row[name]):
                problems.append(Problem("R603", name, f"There is {row[name]!r}.", "a number", file=file, line=line))
        out[term] = {name: value for name, value in row.items() if value is not None}
    return out


def coded_column(mapping: SdtmMapping, key: str, people: pl.DataFrame) -> tuple[pl.Series | None, list[str]]:
    """A column of participants as terms, by a key of the mapping; with what prevents it, in words.

    ``None`` without words: the mapping says nothing of it.
    """
    said = mapping.said(key) or {}
    if said.get("everybody"):
        return pl.Series([said["everybody"]] * people.height, dtype=pl.String), []
    column = said.get("from")
    if not column:
        return None, []
    name = name_of_column(people.columns, column)
    if name is None:
        return None, [f"the records have no column {column!r} of participants"]
    values = mapping.names(key, "values")
    cells = as_levels(people[name]).to_list()
    strange = sorted({value for value in cells if value is not None and value not in values})
    n_empty = sum(value is None for value in cells)
    words = []
    if strange:
        words.append(f"values that the mapping does not name: {listed(strange, conjunction='and', limit=5)}")
    if n_empty and not said.get("missing"):
        words.append(f"{n_empty} participants without a value, and no term under `missing`")
    filled = [said.get("missing") if value is None else values.get(value) for value in cells]
    return pl.Series(filled, dtype=pl.String), words
