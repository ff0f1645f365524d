"""Read `rpact.csv`: designs, and the numbers that their `inputs` state in words."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass, field
from pathlib import Path

from equipoise.stats.design.group_sequential import Boundary

NUMBER = r"(-?\d*\.?\d+(?:e-?\d+)?)"
BOUNDARIES = {
    "asOF": "lan-demets-obrien-fleming",
    "asP": "lan-demets-pocock",
    "asKD": "kim-demets",
    "asHSD": "hwang-shih-decani",
    "OF": "obrien-fleming",
    "P": "pocock",
    "HP": "haybittle-peto",
}


class Unreadable(ValueError):
    """The words of a design do not say what is needed."""


@dataclass
class Design:
    """One design: its words, and quantity and index (from 1) with rpact's value."""

    name: str
    inputs: str
    values: dict[tuple[str, int], float] = field(default_factory=dict)

    def find(self, *patterns: str) -> float | None:
        """The number after the first pattern that occurs; patterns end where the number begins."""
        for pattern in patterns:
            found = re.search(pattern + NUMBER, self.inputs)
            if found:
                return float(found.group(1))
        return None

    def number(self, *patterns: str) -> float:
        """As :meth:`find`, but it must be there."""
        value = self.find(*patterns)
        if value is None:
            raise Unreadable(f"no number after any of {patterns} in {self.inputs!r}")
        return value

    def list_after(self, pattern: str) -> list[float] | None:
        """Numbers separated by comma, slash or semicolon after ``pattern``."""
        found = re.search(pattern + rf"({NUMBER}(?:[,;/]\s*{NUMBER})*)", self.inputs)
        return [float(text) for text in re.split(r"[,;/]\s*", found.group(1))] if found else None

    @property
    def sides(self) -> int:
        """1 or 2."""
        return 2 if re.search(r"sides=2|two-sided", self.inputs) else 1

    @property
    def alpha_one_sided(self) -> float:
        """The level of one side."""
        return self.number(r"alpha=") / self.sides

    @property
    def allocation_ratio(self) -> float:
        """Treatment over control; 1 unless stated."""
        found = re.search(rf"allocation={NUMBER}:{NUMBER}", self.inputs)
        return float(found.group(1)) / float(found.group(2)) if found else 1.0

    @property
    def boundary(self) -> Boundary:
        """Kind of boundary; in simulated designs OF stands for the spending type (see the note it leaves)."""
        found = re.search(r"\b(asOF|asP|asKD|asHSD|OF|HP|P)\b", self.inputs)
        if not found:
            raise Unreadable(f"no kind of boundary in {self.inputs!r}")
        kind = "asOF" if self.name.startswith("sim") and found.group(1) == "OF" else found.group(1)
        parameter = None
        if kind == "asKD":
            parameter = self.find(r"exponent\s*=?\s*", r"gammaA=")
            parameter = 2.0 if parameter is None else parameter
        if kind == "asHSD":
            parameter = self.number(r"gammaA?\s*=\s*")
        return Boundary(BOUNDARIES[kind], parameter)

    @property
    def information(self) -> list[float]:
        """Information fractions of the looks."""
        listed = self.list_after(r"information rates?=")
        if listed:
            return listed
        shares = re.search(r"looks at ([\d.%, and]+) information", self.inputs)
        if shares:
            return [float(text) / 100.0 for text in re.findall(r"([\d.]+)%", shares.group(1))]
        n_looks = int(self.number_before(r"(?:equal )?looks"))
        return [(k + 1) / n_looks for k in range(n_looks)]

    def number_before(self, pattern: str) -> float:
        """The number that stands before ``pattern``."""
        found = re.search(NUMBER + r"\s*" + pattern, self.inputs)
        if not found:
            raise Unreadable(f"no number before {pattern!r} in {self.inputs!r}")
        return float(found.group(1))


def read_designs(folder: Path) -> dict[str, Design]:
    """Designs of ``folder`` by name, in the order of the file."""
    designs: dict[str, Design] = {}
    with (folder / "rpact.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            design = designs.setdefault(row["design"], Design(row["design"], row["inputs"]))
            design.values[row["quantity"], int(row["index"])] = float(row["value"])
    return designs
