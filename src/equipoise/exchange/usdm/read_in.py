"""A USDM file in: read, checked, and the one design that is taken over."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from equipoise.exchange.json_text import JsonFault, read_json
from equipoise.exchange.usdm.model import check_document, walk
from equipoise.exchange.usdm.nodes import EXTENSION
from equipoise.foundation.errors import Problem, RecordsError, listed

CODES = {
    "R487": "A USDM file has several designs, or none, and one must be named.",
}
Node = Mapping[str, Any]


class _Texts(HTMLParser):
    """The text of a piece of HTML, with a blank where a block ends."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []

    def handle_data(self, data: str) -> None:
        """Keep text."""
        self.parts.append(data)

    def handle_endtag(self, tag: str) -> None:
        """A block ends."""
        self.parts.append(" ")


@dataclass(frozen=True)
class UsdmStudy:
    """One version of a study with one of its designs."""

    document: dict[str, Any]
    version: dict[str, Any]
    design: dict[str, Any]

    @cached_property
    def by_id(self) -> dict[str, dict[str, Any]]:
        """Instances by their identifier; of a doubled one (in two classes) the first."""
        out: dict[str, dict[str, Any]] = {}
        for _, node in walk(self.document):
            if isinstance(node.get("id"), str):
                out.setdefault(node["id"], node)
        return out

    def text(self, text: str | None, dictionary: str | None = None) -> str:
        """A text without markup, its tags filled in from the dictionary where they name an attribute."""
        found = text or ""
        maps = (self.by_id.get(dictionary or "") or {}).get("parameterMaps", ())
        values = {one["tag"]: self._referred(one["reference"]) for one in maps}
        found = re.sub(
            r"""<usdm:tag\s+name=["']([^"']+)["']\s*/?>(\s*</usdm:tag>)?""",
            lambda m: values.get(m[1]) or f"[{m[1]}]",
            found,
        )
        reader = _Texts()
        reader.feed(found)
        reader.close()
        return re.sub(r"\s+", " ", "".join(reader.parts)).strip()

    def _referred(self, reference: str) -> str:
        """What a reference to an attribute comes to, if it is a text, a number or a quantity."""
        found = dict(re.findall(r"""(klass|id|attribute)=["']([^"']+)["']""", reference))
        if not found:
            return reference if "<" not in reference else ""
        value = self.by_id.get(found.get("id", ""), {}).get(found.get("attribute", ""))
        if isinstance(value, dict) and value.get("instanceType") == "Quantity":
            unit = ((value.get("unit") or {}).get("standardCode") or {}).get("decode", "")
            return f"{value['value']:g} {unit}".strip()
        return str(value) if isinstance(value, (str, int, float)) else ""


def extensions(node: Node) -> dict[str, Any]:
    """What a file of this program says beside the model, by its name; of another's file nothing."""
    out = {}
    for one in node.get("extensionAttributes") or ():
        if str(one.get("url", "")).startswith(EXTENSION) and isinstance(one.get("valueString"), str):
            try:
                out[one["url"].removeprefix(EXTENSION)] = json.loads(one["valueString"])
            except ValueError:
                continue
    return out


def read_usdm(path: Path, *, design: str | None = None) -> UsdmStudy:
    """The study in a USDM 4 file; ``design`` names one where there are several.

    Raises :class:`RecordsError` with every problem: R480 to R486 of the file, R487 of the design.
    """
    try:
        document = read_json(path)
    except JsonFault as fault:
        hint = "Export the file again: it may have been cut off."
        problem = Problem("R480", "the file", fault.found, "a USDM 4 file: JSON in UTF-8", hint, str(path), fault.line)
        raise RecordsError(problem) from None
    problems = check_document(document)
    if problems:
        raise RecordsError([Problem(p.code, p.place, p.found, p.expected, file=str(path)) for p in problems])
    version = document["study"]["versions"][0]
    designs = version.get("studyDesigns") or []
    chosen = [one for one in designs if design is None or design in (one["name"], one["id"])]
    if len(chosen) != 1:
        names = listed([one["name"] for one in designs]) if designs else "one design"
        found = f"{len(designs)} designs" + (f", {len(chosen)} of them called {design!r}" if design else "")
        raise RecordsError(
            Problem("R487", "/study/versions/0/studyDesigns", f"Found {found}.", names, "Add --design NAME.")
        )
    return UsdmStudy(document, version, chosen[0])
