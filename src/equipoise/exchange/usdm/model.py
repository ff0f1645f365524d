"""The classes of USDM 4: which attributes each has, of which type, and what is wrong with a file's content.

``classes.json`` beside this module holds the names and types of the published interface description: ``string!`` must
be there, ``string?`` may be null, ``[Code]`` is a list.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources
from typing import Any

from equipoise.foundation.errors import Problem

CODES = {
    "R480": "A USDM file that is no JSON, or has no study in it.",
    "R481": "A USDM file of another version than 4.",
    "R482": "A class of USDM lacks an attribute, or has one of the wrong type.",
    "R483": "Two instances of a class have one identifier.",
    "R484": "An identifier that names nothing in the file, or something of the wrong class.",
    "R485": "A chain of next and previous that runs in a circle, or whose two directions differ.",
    "R486": "A timeline that cannot be followed from its entry to an exit.",
}
_PLAIN: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "boolean": (bool,),
    "number": (int, float),
    "integer": (int,),
}
_FILE = "the file"


@cache
def classes() -> dict[str, dict[str, str]]:
    """Class -> attribute -> type."""
    text = resources.files("equipoise.exchange.usdm").joinpath("classes.json").read_text("utf-8")
    return json.loads(text)  # type: ignore[no-any-return]


def walk(value: Any, place: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every instance in a document with its place, depth first."""
    if isinstance(value, dict):
        yield place or "/", value
        for key, entry in value.items():
            yield from walk(entry, f"{place}/{key}")
    elif isinstance(value, list):
        for number, entry in enumerate(value):
            yield from walk(entry, f"{place}/{number}")


def check_document(document: Any) -> list[Problem]:
    """Everything that is wrong with a document: version and classes first, then identifiers, chains and timelines."""
    if not isinstance(document, dict) or not isinstance(document.get("study"), dict):
        return [Problem("R480", _FILE, "There is no study in it.", "an object with study and usdmVersion")]
    version = document.get("usdmVersion")
    if not isinstance(version, str) or version.split(".")[0] != "4":
        return [Problem("R481", "usdmVersion", f"Found {version!r}.", "4.0.0, or another version 4")]
    problems = list(_of_class(document["study"], "Study", "/study"))
    if not document["study"].get("versions"):
        problems.append(Problem("R480", "/study/versions", "The study has no version.", "one version at least"))
    return problems or [*_identifiers(document), *_chains(document), *_timelines(document)]


def _of_class(value: Any, name: str, place: str) -> Iterator[Problem]:
    """Attributes of one instance, and what it holds."""
    if not isinstance(value, dict):
        yield Problem("R482", place, f"Found {_shown(value)}.", f"an object of the class {name}")
        return
    if value.get("instanceType", name) != name:
        yield Problem("R482", f"{place}/instanceType", f"Found {value['instanceType']!r}.", name)
        return
    if "instanceType" not in value:
        yield Problem("R482", f"{place}/instanceType", "It is absent.", name)
    for attribute, kind in classes()[name].items():
        must, entry = kind.endswith("!"), value.get(attribute)
        if attribute not in value:
            if must:
                yield Problem("R482", f"{place}/{attribute}", "It is absent.", f"{name} needs it")
            continue
        yield from _of_type(entry, kind.rstrip("!"), f"{place}/{attribute}")


def _of_type(value: Any, kind: str, place: str) -> Iterator[Problem]:
    may_be_null = kind.endswith("?")
    kind = kind.rstrip("?")
    if value is None and may_be_null:
        return
    if kind.startswith("["):
        if not isinstance(value, list):
            yield Problem("R482", place, f"Found {_shown(value)}.", "a list")
            return
        for number, entry in enumerate(value):
            yield from _of_type(entry, kind[1:-1], f"{place}/{number}")
        return
    names = kind.split("|")
    if names[0] in _PLAIN:
        is_right = isinstance(value, _PLAIN[names[0]]) and (names[0] == "boolean" or not isinstance(value, bool))
        if not is_right:
            yield Problem("R482", place, f"Found {_shown(value)}.", f"a {names[0]}")
        return
    chosen = value.get("instanceType") if isinstance(value, dict) else None
    if len(names) > 1 and chosen not in names:
        yield Problem("R482", place, f"Found {_shown(chosen or value)}.", " or ".join(names))
        return
    yield from _of_class(value, str(chosen) if len(names) > 1 else names[0], place)


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else f"{text[:59]}…"


def _identifiers(document: dict[str, Any]) -> Iterator[Problem]:
    """Each identifier once within its class, and each reference to something that there is."""
    first: dict[tuple[str, str], str] = {}
    for place, node in walk(document):
        key = (str(node.get("instanceType", "")), str(node.get("id") or ""))
        if not key[1]:
            continue
        if key in first:
            found = f"The id {key[1]!r} of {key[0]} stands at {first[key]} already."
            yield Problem("R483", f"{place}/id", found, "one instance for each identifier")
        first.setdefault(key, place)
    known = {id for _, id in first}
    for place, node in walk(document):
        for attribute, value in node.items():
            targets: list[Any] = []
            if attribute.endswith("Id") and isinstance(value, str):
                targets = [value]
            elif attribute.endswith("Ids") and isinstance(value, list):
                targets = value
            for target in targets:
                if target and target not in known:
                    yield Problem(
                        "R484",
                        f"{place}/{attribute}",
                        f"{target!r} is the id of nothing in the file.",
                        "an id in the file",
                    )


def _chains(document: dict[str, Any]) -> Iterator[Problem]:
    """Next and previous: no instance is passed twice, and the two directions agree."""
    by_class: dict[str, dict[str, tuple[str, dict[str, Any]]]] = {}
    for place, node in walk(document):
        if "nextId" in node or "previousId" in node:
            by_class.setdefault(str(node.get("instanceType")), {})[str(node.get("id"))] = (place, node)
    for nodes in by_class.values():
        for id, (place, node) in nodes.items():
            after = node.get("nextId")
            if after and after not in nodes:
                yield Problem("R484", f"{place}/nextId", f"{after!r} is of another class.", "one of the same class")
                continue
            back = nodes[after][1].get("previousId") if after else id
            if back not in (None, "", id):
                yield Problem("R485", f"{place}/nextId", f"{after!r} names {back!r} as the one before it.", f"{id!r}")
            seen, at = {id}, after
            while at and at in nodes:
                if at in seen:
                    yield Problem("R485", f"{place}/nextId", f"The chain from {id!r} comes back to {at!r}.", "an end")
                    break
                seen.add(at)
                at = nodes[at][1].get("nextId")


def _timelines(document: dict[str, Any]) -> Iterator[Problem]:
    """From the entry along the default conditions: an exit is reached, and no instance is passed twice."""
    for place, node in walk(document):
        if node.get("instanceType") != "ScheduleTimeline":
            continue
        instances = {one["id"]: one for one in node.get("instances", ())}
        at: str | None = node.get("entryId")
        if at not in instances:
            yield Problem(
                "R486", f"{place}/entryId", f"{at!r} is no instance of this timeline.", "one of its instances"
            )
            continue
        seen: set[str] = set()
        while at:
            if at in seen:
                yield Problem("R486", place, f"The timeline comes back to {at!r}.", "an end")
                break
            seen.add(at)
            at = instances[at].get("defaultConditionId") if at in instances else None
        for timing in node.get("timings", ()):
            for attribute in ("relativeFromScheduledInstanceId", "relativeToScheduledInstanceId"):
                target = timing.get(attribute)
                if target and target not in instances:
                    yield Problem(
                        "R484",
                        f"{place}/timings/{timing['id']}/{attribute}",
                        f"{target!r} is of another timeline.",
                        "an instance",
                    )
