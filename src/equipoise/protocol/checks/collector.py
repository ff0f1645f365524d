"""What every check of a protocol uses: problems with their place, names looked up, days held against the calendar."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from equipoise.foundation.errors import Problem, listed, nearest
from equipoise.protocol.language.protocol import Protocol
from equipoise.protocol.text.yaml_lines import Path_, place

# Sections that a code's finding rests on: where one of them could not be read in full, the finding may be false.
RESTS_ON: dict[str, set[str]] = {
    "P021": {"schedule"},
    "P022": {"calendar", "stages"},
    "P023": {"arms", "randomization", "factors", "stages", "trial"},
    "P026": {"assessments"},
    "P027": {"schedule", "assessments"},
    "P028": {"trial", "arms"},
    "P032": {"schedule"},
    "P033": {"multiplicity"},
    "P034": {"interventions", "arms"},
}


@dataclass(frozen=True)
class Unread:
    """What of a file could not be read, so that nothing false is said of the rest.

    ``values`` are the values as they stand in the file; ``removed`` the paths that were left out of the model;
    ``positions`` tells, for a list some of whose entries were left out, where the others stand in the file.
    """

    values: Mapping[str, Any]
    removed: frozenset[Path_]
    positions: Mapping[Path_, tuple[int, ...]] = field(default_factory=dict)

    @property
    def sections(self) -> set[str]:
        """Sections of the file that hold something that could not be read."""
        return {str(path[0]) for path in self.removed if path}

    def path(self, path: Path_) -> Path_:
        """The path in the file of a path in the model."""
        out: Path_ = ()
        for part in path:
            kept = self.positions.get(out)
            out = (*out, kept[part] if kept is not None and isinstance(part, int) and part < len(kept) else part)
        return out

    def touches(self, path: Path_) -> bool:
        """Whether something at, in or around ``path`` was left out."""
        return any(gone[: len(path)] == path or path[: len(gone)] == gone for gone in self.removed)

    def names(self, kind: str, name: str) -> bool:
        """Whether ``name`` may be defined in a part that could not be read."""
        section = kind.split(".")[0]
        if section not in self.sections:
            return False
        given = self.values.get(section)
        return name in given if kind == section and isinstance(given, Mapping) else True


class Checker:
    """Collects the problems of one protocol."""

    def __init__(self, protocol: Protocol, unread: Unread | None = None) -> None:
        self.protocol = protocol
        self.model = protocol.model
        self.unread = unread
        self.problems: list[Problem] = []

    def add(self, code: str, path: Path_, found: str, expected: str, step: str) -> None:
        """Note a problem, unless it could come from what was not read."""
        if self.unread is not None:
            path = self.unread.path(path)
            if self.unread.touches(path) or RESTS_ON.get(code, set()) & self.unread.sections:
                return
        lines = self.protocol.lines
        file, line = (lines.file, lines.of(path)) if lines is not None else (None, None)
        self.problems.append(Problem(code, place(path), found, expected, step, file, line))

    def ref(self, path: Path_, name: str, known: Collection[str], kind: str) -> bool:
        """Whether ``name`` is among ``known``; a problem where it is not."""
        if name in known:
            return True
        if self.unread is not None and self.unread.names(kind, name):
            return False
        known = sorted(known) if isinstance(known, (set, frozenset)) else known
        guess = nearest(name, known)
        self.add(
            "P020",
            path,
            f"{name!r} is not defined under {kind}.",
            f"{'one of ' if len(known) > 1 else ''}{listed(known, limit=20)}"
            if known
            else f"a name defined under {kind}; there is none",
            f"Did you mean {guess}?" if guess else f"Define {name} under {kind}, or use a name that stands there.",
        )
        return False

    def refs(self, path: Path_, names: Iterable[str], known: Collection[str], kind: str) -> None:
        """Hold each of ``names`` against ``known``."""
        for position, name in enumerate(names):
            self.ref((*path, position), name, known, kind)

    def day(self, path: Path_, day: int, what: str = "The day", stage: str | None = None) -> None:
        """Hold a study day against the calendar, or against the days of a stage that counts its own."""
        calendar = self.model.calendar
        first, last, whose = calendar.first_day, calendar.last_day, "the calendar"
        if stage is not None and stage in self.model.stages:
            days = self.model.stages[stage].days
            first, last, whose = days.first, days.last, f"the stage {stage}"
        if day == 0:
            self.add(
                "P022",
                path,
                "There is no study day 0.",
                "a day from 1 on, or -1 and before",
                "Write 1 for the day of the anchor, -1 for the day before.",
            )
        elif not first <= day <= last:
            self.add(
                "P022",
                path,
                f"{what} is study day {day}, outside {whose}.",
                f"a day from {first} to {last}",
                "Move it, or widen the stage." if stage is not None else "Move it, or widen an epoch of the calendar.",
            )
