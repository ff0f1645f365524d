"""Whether the instruments that a protocol brings itself hang together with the rest of the file."""

from __future__ import annotations

from collections.abc import Mapping

from equipoise.foundation.errors import listed
from equipoise.protocol.checks.collector import Checker
from equipoise.protocol.language.instruments import ScoreLimits
from equipoise.protocol.text.yaml_lines import Path_

CODES = {
    "P056": "Numbers by level of a variable omit a level, or the variable has no levels.",
}


def check_own_instruments(c: Checker) -> None:
    """Thresholds that go by a baseline variable name one of the file, with a number for each of its levels."""
    for id, instrument in c.model.instruments.items():
        for name, threshold in instrument.thresholds.items():
            check_limits(c, ("instruments", id, "thresholds", name), threshold)


def check_limits(c: Checker, path: Path_, limits: ScoreLimits) -> None:
    """Hold limits that go by a baseline variable against the levels of that variable."""
    of = limits.of
    if of is None or not c.ref((*path, "of"), of, c.model.baseline, "baseline"):
        return
    levels = c.model.baseline[of].levels
    if not levels:
        c.add(
            "P056",
            (*path, "of"),
            f"{of} is of type {c.model.baseline[of].type}.",
            "a variable of type category",
            "Name a category, or write one number for everybody.",
        )
        return
    for key, by_level in (("at-least", limits.at_least), ("at-most", limits.at_most)):
        if not isinstance(by_level, Mapping):
            continue
        for level in by_level:
            c.ref((*path, key, level), level, levels, f"baseline.{of}.levels")
        absent = [level for level in levels if level not in by_level]
        if absent:
            c.add(
                "P056",
                (*path, key),
                f"There is no number for {of} {listed(absent)}.",
                f"a number for each of {listed(levels, conjunction='and')}",
                "Add what is absent.",
            )
