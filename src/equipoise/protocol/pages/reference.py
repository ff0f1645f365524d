"""The reference page of the protocol language, made from the models, so that it cannot say what they do not hold."""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping
from inspect import getdoc
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from equipoise.protocol.language import notation
from equipoise.protocol.language.facts import Fact
from equipoise.protocol.language.notation import Notation
from equipoise.protocol.language.protocol import LANGUAGE_VERSION, ProtocolModel

_WORDS = {str: "text", int: "whole number", float: "number", bool: "true or false", Any: "any value"}
_ID = r"^[a-z0-9][a-z0-9-]*$"
_SOURCED = ("source", "status", "basis", "note", "differs")


def render_reference() -> str:
    """The page as Markdown: one section for the file and for each part, then the notations."""
    parts = _parts()
    lines = [
        "# The protocol language",
        "",
        f"Version {LANGUAGE_VERSION}. This page is generated from the code by `python docs/generate.py`; "
        "[Writing a protocol](writing-a-protocol.md) is a tour, and [Errors](errors.md) lists the problems that "
        "`equipoise check` reports. `equipoise schema` prints the JSON Schema for editors.",
        "",
        "Keys and names are in kebab-case. A name that is used must be defined in the same file. Numbers, "
        "`true` and `false` are written without quotes; text that contains a colon followed by a space, or "
        "a comma inside `{ }`, is put between quotes.",
        "Anchors, aliases, merge keys and tags of YAML are refused, so that every value is visible where it applies.",
        "",
        "**Facts.** If a type is *fact*, the value may be written on its own (`phase: Phase 2`), or with "
        "its source (`phase: {value: Phase 2, source: registry}`), or as not known: `null`, or `{value: "
        "null, assumed: 60, basis: sister trial}` with the value that the program uses instead.",
        "",
        "**Sources.** Parts marked *sourced* also take "
        + ", ".join(f"`{key}`" for key in _SOURCED)
        + " (see [Sourced](#sourced)). `source` and `differs` take one entry or a list.",
        "",
        "**Hash.** The hash of a protocol is taken over the resolved model: comments, layout, the order of "
        "keys and explicit defaults do not change it; any other change does. Among mappings only the order "
        "of `arms` matters (the reference first); the order of every list matters.",
        "",
    ]
    for part in parts:
        lines += _section(part)
    lines += ["## Notations", "", "| notation | example | meaning |", "| --- | --- | --- |"]
    for kind in sorted(_notations(), key=lambda kind: kind.__name__):
        lines.append(f"| {_lower(kind.__name__)} | `{kind.example}` | {_first(kind)} |")
    return "\n".join(lines) + "\n"


def _parts() -> list[type[BaseModel]]:
    """Every part of the language in the order in which the file meets them; facts and what all share at the end."""
    from equipoise.protocol.language.facts import Differing, Sourced

    found: dict[type[BaseModel], None] = {}

    def visit(part: type[BaseModel]) -> None:
        if part in found or issubclass(part, Fact):
            return
        found[part] = None
        for entry in part.model_fields.values():
            for below in _models(entry.annotation):
                if below is not Differing:
                    visit(below)

    visit(ProtocolModel)
    return [*found, Sourced, Differing]


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models(part)]


def _section(part: type[BaseModel]) -> list[str]:
    title = "The file" if part is ProtocolModel else _title(part)
    fields = [(entry.alias or name, entry) for name, entry in part.model_fields.items()]
    sourced = part.__name__ != "Sourced" and all(any(key == shared for key, _ in fields) for shared in _SOURCED)
    if sourced:
        fields = [(key, entry) for key, entry in fields if key not in _SOURCED]
    lines = [f"## {title}", "", _first(part) + (" *Sourced.*" if sourced else ""), ""]
    lines += ["| key | type | required | meaning |", "| --- | --- | --- | --- |"]
    for key, entry in fields:
        lines.append(f"| `{key}` | {_type(entry)} | {_required(entry)} | {_meaning(entry)} |")
    return [*lines, ""]


def _required(entry: FieldInfo) -> str:
    if entry.is_required():
        return "yes; may be `null`" if type(None) in get_args(entry.annotation) else "yes"
    default = entry.default
    if default is PydanticUndefined or default is None or isinstance(default, (BaseModel, Mapping)) or default == ():
        return "no"
    shown = str(default).lower() if isinstance(default, bool) else default
    return f"no; by default `{', '.join(map(str, default)) if isinstance(default, tuple) else shown}`"


def _type(entry: FieldInfo) -> str:
    if entry.annotation is str and any(getattr(extra, "pattern", None) == _ID for extra in entry.metadata):
        return "name"  # pydantic takes the annotation of a bare id apart
    return _said([branch for branch in _branches(entry.annotation) if branch is not type(None)])


def _said(branches: list[Any]) -> str:
    said = list(dict.fromkeys(_one(branch) for branch in branches))
    return " or ".join(said)


def _one(annotation: Any) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is typing.Literal:
        return ", ".join(f"`{str(choice).replace('|', chr(92) + '|')}`" for choice in arguments)
    if origin is tuple:
        return f"list of {_said(_branches(arguments[0]))}"
    if origin is not None and issubclass(origin, Mapping):
        return f"mapping of {_said(_branches(arguments[0]))} to {_said(_branches(arguments[1]))}"
    if isinstance(annotation, type) and issubclass(annotation, Fact):
        value = [b for b in _branches(annotation.model_fields["value"].annotation) if b is not type(None)]
        return f"fact: {_said(value)}"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return f"[{_title(annotation)}](#{_title(annotation).lower().replace(' ', '-')})"
    if isinstance(annotation, type) and issubclass(annotation, Notation):
        return f"{_lower(annotation.__name__)} (`{annotation.example}`)"
    return _WORDS.get(annotation, str(annotation))


def _branches(annotation: Any) -> list[Any]:
    origin = get_origin(annotation)
    if origin is Annotated:
        inner = get_args(annotation)
        if inner[0] is str and any(
            getattr(extra, "description", None) == "A name in kebab-case." for extra in inner[1:]
        ):
            return [_Name]
        return _branches(inner[0])
    if origin in (typing.Union, types.UnionType):
        return [branch for part in get_args(annotation) for branch in _branches(part)]
    return [annotation]


class _Name:
    """Stands for an id in kebab-case."""


_WORDS[_Name] = "name"


def _meaning(entry: FieldInfo) -> str:
    text = (entry.description or "").replace("|", "\\|")
    bounds = []
    for bound in entry.metadata:
        for name, words in (("gt", "above"), ("ge", "at least"), ("lt", "below"), ("le", "at most")):
            if getattr(bound, name, None) is not None:
                bounds.append(f"{words} {getattr(bound, name):g}")
        if getattr(bound, "min_length", None):
            bounds.append(f"{bound.min_length} or more")
    return text + (f" ({', '.join(bounds)})" if bounds else "")


def _notations() -> list[type[Notation]]:
    return [
        kind
        for kind in vars(notation).values()
        if isinstance(kind, type) and issubclass(kind, Notation) and kind is not Notation
    ]


def _title(part: type[BaseModel]) -> str:
    words = "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in part.__name__).strip()
    return words[:1].upper() + words[1:]


def _first(part: type[Any]) -> str:
    """The first paragraph of a docstring on one line."""
    return " ".join((getdoc(part) or "").split("\n\n")[0].split()).replace("``", "`").replace("|", "\\|")


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]
