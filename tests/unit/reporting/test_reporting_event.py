"""`ars.json` is valid by CDISC's schema, every link in it finds its end, and it holds every number of the results."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import equipoise
from equipoise.reporting.context import Material
from equipoise.reporting.reporting_event import ars_json, reporting_event

SCHEMA = Path(__file__).parents[4] / "shared" / "data" / "exchange" / "ars" / "ars_ldm.json"
POOLS = {
    "methodId": "methods",
    "analysisSetId": "analysisSets",
    "groupingId": "analysisGroupings",
    "analysisId": "analyses",
}


def material_of(name: str) -> Material:
    protocol = equipoise.read_protocol(name)
    records = equipoise.simulate(protocol, seed=5)
    return Material(protocol, records, equipoise.analyse(protocol, records))


def links(node: Any) -> list[tuple[str, str]]:
    if isinstance(node, dict):
        own = [(key, value) for key, value in node.items() if key.endswith("Id") and isinstance(value, str)]
        return own + [link for value in node.values() for link in links(value)]
    return [link for value in node for link in links(value)] if isinstance(node, list) else []


def check(material: Material) -> dict[str, Any]:
    event = json.loads(ars_json(material))
    pools = {key: [row["id"] for row in event[name]] for key, name in POOLS.items()}
    pools["operationId"] = [row["id"] for method in event["methods"] for row in method["operations"]]
    pools["groupId"] = [row["id"] for grouping in event["analysisGroupings"] for row in grouping["groups"]]
    for ids in pools.values():
        assert len(set(ids)) == len(ids)
    for key, value in links(event):
        assert value in pools[key], (key, value)
    for analysis, estimate in zip(event["analyses"], material.results.estimates, strict=True):
        found = {r["operationId"].split("_", 2)[2].lower(): float(r["rawValue"]) for r in analysis["results"]}
        for field in ("estimate", "ci_lower", "ci_upper", "p_value", "n_analysed"):
            value = getattr(estimate, field)
            assert found.get(field) == value
            assert value is None or math.isfinite(value)
    return event


def test_the_flagship_is_told_whole(material: Material) -> None:
    event = check(material)
    assert event["name"].startswith("SIMULATED")
    first = event["analyses"][0]
    assert first["reason"] == {"controlledTerm": "SPECIFIED IN PROTOCOL"}
    assert first["purpose"] == {"controlledTerm": "PRIMARY OUTCOME MEASURE"}
    assert event["mainListOfContents"]["contentsList"]["listItems"][0]["analysisId"] == first["id"]


@pytest.mark.parametrize("name", ["ketamine-cocaine-crossover", "ketamine-depression-course", "kare"])
def test_crossovers_single_arms_and_factors_are_told_too(name: str) -> None:
    check(material_of(name))


@pytest.mark.skipif(not SCHEMA.exists(), reason="CDISC's schema is not beside the project")
def test_the_schema_takes_it(material: Material) -> None:
    schema = json.loads(SCHEMA.read_text("utf-8"))
    jsonschema.Draft7Validator(schema).validate(reporting_event(material))
