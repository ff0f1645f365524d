"""The language for machines and editors: JSON Schema, and the reference page made from it."""

from __future__ import annotations

from functools import lru_cache
from typing import Any


@lru_cache(maxsize=1)
def json_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of a protocol file, generated from the models."""
    from equipoise.protocol.model import LANGUAGE_VERSION, ProtocolModel

    schema = ProtocolModel.model_json_schema(by_alias=True)
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = f"equipoise protocol, language version {LANGUAGE_VERSION}"
    for name, part in schema.get("$defs", {}).items():
        # A fact may be written bare: the schema must let an editor accept `phase: 2` beside `phase: {value: 2}`.
        if name.startswith("Fact_"):
            value = part["properties"]["value"]
            bare = {key: entry for key, entry in value.items() if key not in ("description", "default", "title")}
            full = {key: entry for key, entry in part.items() if key not in ("title", "description")}
            part.clear()
            part.update({"description": "A fact: its value bare, or with source and status.", "anyOf": [bare, full]})
        if "properties" in part and "source" in part["properties"]:
            _one_or_many(part["properties"], "source")
        for branch in part.get("anyOf", []):
            if isinstance(branch, dict) and "source" in branch.get("properties", {}):
                _one_or_many(branch["properties"], "source")
        if name == "CriterionEntry":
            full = dict(part)
            part.clear()
            part.update({"anyOf": [{"type": "string"}, full]})
    return schema


def _one_or_many(properties: dict[str, Any], key: str) -> None:
    items = properties[key].get("items", {})
    properties[key] = {"anyOf": [items, properties[key]]}
    if "differs" in properties:
        single = properties["differs"].get("items", {})
        properties["differs"] = {"anyOf": [single, properties["differs"]]}
