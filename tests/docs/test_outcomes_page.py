"""The YAML of docs/methods/outcomes.md is what the program reads."""

from __future__ import annotations

import re
from pathlib import Path

import yaml_of_pages as pages

from equipoise.exchange.own_tables.convert import import_table
from equipoise.protocol.language.design import Assessment
from equipoise.records.schema import TABLES

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "methods" / "outcomes.md").read_text(encoding="utf-8")


def test_the_assessment_and_the_mapping_are_read_as_printed(tmp_path: Path) -> None:
    assessment, mapping = re.findall(r"```yaml\n(.*?)```", PAGE, re.S)
    entry = pages.values(assessment)["assessments"]["outcomes"]
    assert Assessment.model_validate(entry).terms == ("death", "relapse", "hospitalization")
    (tmp_path / "survival.csv").write_text("id,time,status\nA,0,0\nB,30,1\n", encoding="utf-8")
    people = "  participants: [{file: survival.csv, columns: {participant_id: id, consented: true}}]\n"
    text = f"equipoise-mapping: 1\nprotocol: x\ntables:\n{people}{mapping}"
    (tmp_path / "mapping.yaml").write_text(text, encoding="utf-8")
    rows = import_table(tmp_path / "mapping.yaml")["events"].select("participant_id", "day", "happened").rows()
    assert rows == [("A", 1, False), ("B", 31, True)]


def test_the_table_of_columns_is_that_of_the_schema() -> None:
    named = re.findall(r"^\| `(\w+)` \|", PAGE[: PAGE.index("A survival data set")], re.M)
    assert named == [column.name for column in TABLES["events"].columns if column.name != "participant_id"]
