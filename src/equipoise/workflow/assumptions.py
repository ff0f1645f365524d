"""Assumptions written out: a set with every default, as text that can be pasted into the protocol file."""

from __future__ import annotations

import re

from equipoise.design.scenarios import build_scenario, resolve_scenario
from equipoise.foundation.errors import DesignError, Problem
from equipoise.protocol import Protocol
from equipoise.protocol.text.rewrite import block
from equipoise.simulation.expand import expanded
from equipoise.simulation.reading import plain
from equipoise.workflow.library import read_protocol


def expand_assumptions(protocol: str | Protocol, scenario: str | None = None) -> tuple[str, str]:
    """Name and text of a set of assumptions with every default written out; by default of the protocol's first set.

    ``scenario`` is a set, or one with changes (``as-published+null``). Pasted into the file, beside the set that it is
    of and under a name of its own, it gives the same records, number for number. Raises what
    :func:`~equipoise.design.scenarios.resolve_scenario` and :func:`~equipoise.simulation.expand.expanded` raise; D003
    where a file holds several scenarios.
    """
    chosen = protocol if isinstance(protocol, Protocol) else read_protocol(protocol)
    specs = resolve_scenario(chosen, scenario)
    if len(specs) != 1:
        raise DesignError(Problem("D003", "--scenario", f"The file holds {len(specs)} scenarios.", "one to write out"))
    spec = specs[0]
    values = expanded(chosen, build_scenario(chosen, spec), plain(dict(spec.settings)))
    name = re.sub(r"[^a-z0-9]+", "-", spec.name.lower()).strip("-") + "-written-out"
    said = f"{spec.name} of {chosen.id} with every default written out"
    entry = (
        {"words": spec.words, "status": "assumed", "basis": said}
        if spec.words
        else {"status": "assumed", "basis": said}
    )
    return name, block({"assumptions": {name: {**entry, **values}}}, 0)
