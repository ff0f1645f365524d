"""The language for machines and editors: JSON Schema, generated from the models."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

# Parts that may be written as one value alone, and the type of that value.
_BARE: dict[str, Any] = {"CriterionEntry": "string", "ItemKey": ["string", "number"]}


@lru_cache(maxsize=1)
def json_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of a protocol file, generated from the models.

    It knows the shape of a file; whether names are defined and days lie in the calendar only `equipoise check` knows.
    """
    from equipoise.protocol.language.protocol import LANGUAGE_VERSION, ProtocolModel

    schema = ProtocolModel.model_json_schema(by_alias=True)
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = f"equipoise protocol, language version {LANGUAGE_VERSION}"
    parts: dict[str, Any] = schema["$defs"]
    for name, part in parts.items():
        if "properties" not in part:
            continue
        _one_or_many(part["properties"])
        full = {key: entry for key, entry in part.items() if key != "title"}
        if re.match(r"Fact_", name):
            # A fact may be written bare: `phase: 2` beside `phase: {value: 2}`.
            value = part["properties"]["value"]
            bare = {key: entry for key, entry in value.items() if key not in ("description", "default", "title")}
            full["anyOf"] = [{"required": ["value"]}, {"required": ["assumed"]}]
            part.clear()
            part.update({"description": "A fact: its value bare, or with source and status.", "anyOf": [bare, full]})
        elif name in _BARE:
            part.clear()
            part.update({"anyOf": [{"type": _BARE[name]}, full]})
    _close(schema)
    renamed: dict[str, Any] = _renamed(schema, {name: _plain_name(name) for name in parts if name.startswith("Fact_")})
    return renamed


def _one_or_many(properties: dict[str, Any]) -> None:
    """``source`` and ``differs`` take one entry or a list."""
    for key in ("source", "differs"):
        if key in properties and properties[key].get("type") == "array":
            many = properties[key]
            properties[key] = {
                "description": many.get("description", ""),
                "anyOf": [many["items"], {k: v for k, v in many.items() if k != "description"}, {"type": "null"}],
            }


def _close(value: Any) -> None:
    """Where the names of a mapping must have a form, refuse the others (the schema made by pydantic lets them pass)."""
    if isinstance(value, dict):
        if "patternProperties" in value:
            value.setdefault("additionalProperties", False)
            value.setdefault("propertyNames", {"maxLength": 80})
        for entry in value.values():
            _close(entry)
    elif isinstance(value, list):
        for entry in value:
            _close(entry)


def _plain_name(name: str) -> str:
    """``Fact_Annotated_int__Strict...`` is a fact that is a whole number."""
    if "Literal" in name:
        return "Fact_scheme"
    kinds = (
        ("tuple_str", "texts"),
        ("tuple", "names"),
        ("int", "whole"),
        ("float", "number"),
        ("CountOfTotal", "count"),
    )
    return "Fact_" + next((plain for word, plain in kinds if word in name), "text")


def _renamed(value: Any, names: dict[str, str]) -> Any:
    """``value`` with definitions renamed, where they stand and where they are referred to."""
    if len(set(names.values())) != len(names):
        return value  # two facts would share a name: keep the long ones
    if isinstance(value, dict):
        return {
            names.get(key, key): f"#/$defs/{names.get(entry[8:], entry[8:])}"
            if key == "$ref" and isinstance(entry, str)
            else _renamed(entry, names)
            for key, entry in value.items()
        }
    return [_renamed(entry, names) for entry in value] if isinstance(value, list) else value
