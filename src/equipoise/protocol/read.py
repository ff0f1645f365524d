"""Read a protocol file: text to lines and values, values to the typed model, every problem at once."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from equipoise.foundation.errors import Problem, ProtocolError, listed, nearest
from equipoise.protocol.model import Protocol, ProtocolModel
from equipoise.protocol.yaml_nodes import Lines, Path_, place, read_yaml_file, read_yaml_text

CODES = {
    "P010": "A required key is absent.",
    "P011": "A key that the language does not have.",
    "P012": "A value of the wrong type.",
    "P013": "A value that is not among the choices.",
    "P014": "A number or a list outside its bounds.",
    "P015": "A notation that cannot be read, or parts that contradict one another.",
    "P016": "A name that is not in kebab-case.",
}


def read_protocol(path: str | Path) -> Protocol:
    """The protocol in the YAML file at ``path``.

    Raises :class:`~equipoise.foundation.errors.ProtocolError` with every problem of text, shape, reference and
    arithmetic found in the file, each with its line.
    """
    from equipoise.protocol.check import check_model

    where = Path(path)
    values, lines, text = read_yaml_file(where)
    model = _typed(values, lines)
    protocol = Protocol(model, lines=lines, path=where, text=text)
    problems = check_model(protocol)
    if problems:
        raise ProtocolError(sorted(problems, key=_order))
    return protocol


def read_protocol_text(text: str, *, file: str = "<text>") -> Protocol:
    """The protocol in ``text``; see :func:`read_protocol`."""
    from equipoise.protocol.check import check_model

    values, lines = read_yaml_text(text, file)
    protocol = Protocol(_typed(values, lines), lines=lines, text=text)
    problems = check_model(protocol)
    if problems:
        raise ProtocolError(sorted(problems, key=_order))
    return protocol


def _order(problem: Problem) -> tuple[int, str, str]:
    return (problem.line or 0, problem.code, problem.place)


def _typed(values: Any, lines: Lines) -> ProtocolModel:
    if not isinstance(values, dict):
        raise ProtocolError(
            Problem(
                "P007",
                "",
                "The file does not hold a mapping at its top.",
                "keys such as trial, arms and endpoints",
                file=lines.file,
                line=1,
            )
        )
    try:
        return ProtocolModel.model_validate(values)
    except ValidationError as error:
        problems = [_problem(item, values, lines) for item in error.errors(include_url=False)]
        unique = {(p.code, p.place, p.found): p for p in problems}
        raise ProtocolError(sorted(unique.values(), key=_order)) from None
    except RecursionError:
        raise ProtocolError(
            Problem("P005", "", "The file is too deep, or refers to itself.", file=lines.file, line=1)
        ) from None


def _path(location: tuple[Any, ...], values: Any) -> Path_:
    """The part of a pydantic location that stands in the file: labels of unions and generics fall out."""
    out: list[str | int] = []
    here = values
    for position, part in enumerate(location):
        if (isinstance(here, Mapping) and part in here) or (
            isinstance(here, list) and isinstance(part, int) and part < len(here)
        ):
            out.append(part)
            here = here[part]
        elif position == len(location) - 1 and isinstance(here, Mapping) and part not in ("[key]", "value"):
            out.append(part)
        # anything else is a label of pydantic's own: the tag of a union, "value" of a bare fact
    return tuple(out)


_PLAIN_TYPES = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "dict_type": "a mapping of names to values",
    "mapping_type": "a mapping of names to values",
    "tuple_type": "a list",
    "list_type": "a list",
    "model_type": "a mapping with the keys of this part",
    "model_attributes_type": "a mapping with the keys of this part",
    "none_required": "null",
    "finite_number": "a finite number",
}


def _problem(item: Any, values: Any, lines: Lines) -> Problem:
    kind, location, context = item["type"], item["loc"], item.get("ctx", {})
    path = _path(location, values)
    here = place(path) or "the file"
    given = item.get("input")

    def make(code: str, found: str, expected: str = "", step: str = "", at: Path_ = path) -> Problem:
        return Problem(code, here, found, expected, step, lines.file, lines.of(at))

    if kind == "missing":
        return make("P010", f"The key {path[-1] if path else ''!s} is absent.", step="Add it; null where not known.")
    if kind == "extra_forbidden":
        known = _known_keys(location)
        guess = nearest(str(path[-1]), known) if path else None
        step = f"Did you mean {guess}?" if guess else (f"Known keys here: {listed(sorted(known), limit=30)}.")
        if given is None and path and " " in str(path[-1]):
            step, known = "Put text that holds a comma between quotes: inside { } a comma begins the next key.", ["x"]
        return make("P011", f"The language has no key {path[-1]!r} here.", step=step if known else "Remove it.")
    if kind in ("literal_error", "union_tag_invalid"):
        allowed = str(context.get("expected") or context.get("expected_tags") or "")
        names = re.findall(r"'([^']*)'", allowed) or [allowed]
        said = context.get("tag", given)
        guess = nearest(str(said), names)
        return make(
            "P013",
            f"{_shown(said)} is not a choice here.",
            listed(names, limit=30),
            f"Did you mean {guess}?" * bool(guess),
        )
    if kind == "union_tag_not_found":
        key = str(context.get("discriminator", "")).strip("'") or "type"
        return make("P010", f"The key {key} is absent: it says what kind of thing this is.", step="Add it.")
    if (
        kind in ("string_pattern_mismatch", "string_too_long") and "[key]" in location
    ) or kind == "string_pattern_mismatch":
        return make(
            "P016",
            f"{_shown(given)} is not a name.",
            "lower-case letters, figures and hyphens, for example six-month-call",
            "Rename it here and where it is used.",
        )
    if kind in ("value_error", "assertion_error", "event_kind"):
        text = str(context.get("error", item["msg"]))
        return make("P015", text[:1].upper() + text[1:].rstrip(".") + ".")
    if kind in _PLAIN_TYPES:
        return make("P012", f"{_shown(given)} is not {_PLAIN_TYPES[kind]}.", _PLAIN_TYPES[kind])
    if kind.startswith(("greater_than", "less_than", "too_short", "too_long", "string_too", "multiple_of")):
        text = str(item["msg"]).replace("Input should be", "").replace("Tuple should have", "").strip()
        return make("P014", f"{_shown(given)} is out of bounds.", text.rstrip("."))
    return make("P012", f"{_shown(given)} does not fit here: {item['msg']}.")


def _shown(value: Any) -> str:
    if value is None:
        return "Nothing (null)"
    if isinstance(value, dict):
        return "A mapping"
    if isinstance(value, (list, tuple)):
        return "A list"
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _known_keys(location: tuple[Any, ...]) -> list[str]:
    """Keys of the model part that a location points into, followed through the JSON Schema."""
    from equipoise.protocol.schema import json_schema

    schema = json_schema()
    node: Any = schema
    for part in location[:-1]:
        node = _step(_resolve(node, schema), part, schema)
        if node is None:
            return []
    node = _resolve(node, schema)
    return list(node.get("properties", {})) if isinstance(node, dict) else []


def _resolve(node: Any, schema: dict[str, Any]) -> Any:
    while isinstance(node, dict) and "$ref" in node:
        node = schema["$defs"][node["$ref"].rsplit("/", 1)[1]]
    return node


def _step(node: Any, part: Any, schema: dict[str, Any]) -> Any:
    """One step of a location through a schema; a part that is a union's label chooses the branch."""
    if not isinstance(node, dict):
        return None
    if isinstance(part, int):
        return node.get("items", node)
    if part in node.get("properties", {}):
        return node["properties"][part]
    if "discriminator" in node:
        chosen = node["discriminator"].get("mapping", {}).get(part)
        if chosen:
            return {"$ref": chosen}
    for branch in node.get("anyOf", []) + node.get("oneOf", []):
        found = _step(_resolve(branch, schema), part, schema)
        if found is not None:
            return found
    if isinstance(node.get("additionalProperties"), dict):
        return node["additionalProperties"]
    patterns = node.get("patternProperties")
    if patterns:
        return next(iter(patterns.values()))
    return node
