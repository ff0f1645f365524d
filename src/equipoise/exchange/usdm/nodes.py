"""Instances of USDM classes while a file is written: identifiers in their order, codes, extensions."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from equipoise.exchange.usdm.codes import CDISC, CDISC_VERSION, SPONSOR, SPONSOR_VERSION, Known

EXTENSION = "urn:equipoise:usdm:"  # what the protocol language says and USDM has no attribute for

Node = dict[str, Any]


@dataclass
class UsdmNodes:
    """Makes instances; the same calls give the same identifiers. ``notes`` gathers what could not be carried."""

    counts: Counter[str] = field(default_factory=Counter)
    notes: list[tuple[str, str]] = field(default_factory=list)

    def make(self, kind: str, **attributes: Any) -> Node:
        """An instance of a class; what is ``None`` is left out."""
        self.counts[kind] += 1
        given = {key: value for key, value in attributes.items() if value is not None}
        return {"id": f"{kind}_{self.counts[kind]}", **given, "instanceType": kind}

    def code(self, known: Known) -> Node:
        """A code of the CDISC terminology."""
        code, name = known
        return self.make("Code", code=code, codeSystem=CDISC, codeSystemVersion=CDISC_VERSION, decode=name)

    def own(self, code: str, name: str) -> Node:
        """A code of the protocol language, where the terminology has none that is known for certain."""
        return self.make("Code", code=code, codeSystem=SPONSOR, codeSystemVersion=SPONSOR_VERSION, decode=name)

    def coded(self, known: Known | None, code: str, name: str) -> Node:
        """CDISC's code where there is one, else our own."""
        return self.code(known) if known is not None else self.own(code, name)

    def alias(self, code: Node) -> Node:
        """A code as an alias, as some attributes want it."""
        return self.make("AliasCode", standardCode=code)

    def quantity(self, value: float, unit: Node | None = None) -> Node:
        """A number with its unit."""
        return self.make("Quantity", value=value, unit=self.alias(unit) if unit is not None else None)

    def extension(self, **said: Any) -> list[Node]:
        """What the language says and USDM has no attribute for, a JSON text each; empty where nothing is said."""
        found = {key: value for key, value in said.items() if value not in (None, "", [], {}, ())}
        return [
            self.make(
                "ExtensionAttribute",
                url=EXTENSION + key.replace("_", "-"),
                valueString=json.dumps(value, ensure_ascii=False),
            )
            for key, value in found.items()
        ]

    def note(self, place: str, why: str) -> None:
        """Something that the file does not carry, or carries by a code of our own."""
        if (place, why) not in self.notes:
            self.notes.append((place, why))


def link(nodes: list[Node]) -> list[Node]:
    """The same instances, each naming the one before and after it."""
    for one, after in pairwise(nodes):
        one["nextId"] = after["id"]
        after["previousId"] = one["id"]
    return nodes
