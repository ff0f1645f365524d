"""The glossary holds the words of the language and of the tables, each once."""

from __future__ import annotations

import re
from pathlib import Path

from equipoise.protocol.language.analysis import Analysis, Estimand
from equipoise.protocol.language.design import Assessment
from equipoise.protocol.language.protocol import ProtocolModel

ROOT = Path(__file__).resolve().parents[2]
ROWS = re.findall(
    r"^\| ([^|]+) \| ([^|]+) \| ([^|]*) \| ([^|]*)\|$", (ROOT / "GLOSSARY.md").read_text("utf-8"), re.MULTILINE
)
TERMS = [term.split(" (")[0].strip() for row in ROWS if row[0] not in ("word", "---") for term in row[0].split(", ")]


def test_every_word_stands_once_and_has_a_meaning() -> None:
    assert len(TERMS) > 70
    assert sorted({term for term in TERMS if TERMS.count(term) > 1}) == []
    assert all(row[1].strip() for row in ROWS)


def _singular(key: str) -> str:
    text = key.replace("-", " ")
    for plural, singular in (("analyses", "analysis"), ("assumptions", "assumptions"), ("series", "series")):
        if text == plural:
            return singular
    return text[:-1] if text.endswith("s") and not text.endswith("ss") else text


def test_every_section_of_a_protocol_is_explained() -> None:
    known = set(TERMS)
    other_word = {
        "equipoise": "protocol",
        "trial": "protocol",
        "calendar": "study day",
        "schedule": "visit",
        "randomization": "allocation",
        "eligibility": "participant",
        "assurance": "assurance case",
        "site": "stratum",
    }
    sections = [_singular(entry.alias or name) for name, entry in ProtocolModel.model_fields.items()]
    absent = [word for word in sections if word not in known and other_word.get(word) not in known]
    assert absent == []


def test_the_attributes_of_an_estimand_and_the_classes_of_blinding_are_explained() -> None:
    text = (ROOT / "GLOSSARY.md").read_text("utf-8")
    for words in (Estimand, Analysis, Assessment):
        assert words.__name__.lower() in TERMS
    for choice in ("treatment policy", "hypothetical", "composite", "while on treatment", "principal stratum"):
        assert choice in text
    for choice in ("open", "quarantined", "sealed"):
        assert choice in text


def test_words_that_the_glossary_rules_out_are_not_columns_of_any_table() -> None:
    from equipoise.records.schema import TABLES

    columns = {column.name for table in TABLES.values() for column in table.columns}
    assert (
        columns & {"subject", "patient", "group", "treatment", "rando", "outcome_measure", "timepoint", "bl", "chg"}
        == set()
    )
    assert "participant_id" in columns
