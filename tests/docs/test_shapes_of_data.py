"""The six shapes of docs/shapes-of-data.md are imported, checked, derived and analysed as they are printed."""

from __future__ import annotations

import re
from pathlib import Path

import polars as pl
import pytest

import equipoise
from equipoise.workflow.endpoints import derive_all
from equipoise.workflow.verbs import import_records

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "shapes-of-data.md").read_text(encoding="utf-8")
HEAD, *SECTIONS = re.split(r"^## ", PAGE, flags=re.M)
SHAPES = {section.split(":")[0]: section for section in SECTIONS}


def block(text: str, kind: str, number: int = 0) -> str:
    return [body for found, body in re.findall(r"^```(\w*)\n(.*?)^```", text, re.S | re.M) if found == kind][number]


def test_there_are_six_shapes() -> None:
    assert list(SHAPES) == ["Wide", "Long", "Spans", "Events", "Daily calendar", "Scores"]


@pytest.mark.parametrize("shape", SHAPES)
def test_a_shape_comes_out_as_printed(tmp_path: Path, shape: str) -> None:
    section = SHAPES[shape]
    (tmp_path / "data.csv").write_text(block(section, "csv"), encoding="utf-8")
    (tmp_path / "mapping.yaml").write_text(block(section, "yaml"), encoding="utf-8")
    (tmp_path / "protocol.yaml").write_text(block(HEAD, "yaml") + block(section, "yaml", 1), encoding="utf-8")
    protocol = equipoise.read_protocol(tmp_path / "protocol.yaml")
    records = import_records("table", tmp_path / "mapping.yaml", protocol=protocol)
    values, _ = derive_all(protocol, records)
    printed = [line.split() for line in block(section, "text").splitlines()]
    for participant, *cells in printed[1:]:
        for name, cell in zip(printed[0][1:], cells, strict=True):
            rows = values.filter(pl.col("participant_id") == participant)
            if name in protocol.model.endpoints:
                found = rows.filter(pl.col("endpoint") == name)["value"].item()
            elif name in ("time", "event"):
                found = rows[name].item()
            else:
                found = rows.filter(pl.col("visit") == name)["value"].item()
            shown = "." if found is None else f"{found:.1f}".removesuffix(".0")
            assert shown == cell, (shape, participant, name)
    results = equipoise.analyse(protocol, records)
    assert results.estimates[0].n_randomized == len(printed) - 1
