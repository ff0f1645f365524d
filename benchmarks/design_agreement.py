"""Compare every number of a folder of rpact reference values with ours.

    python benchmarks/design_agreement.py [FOLDER] [--json]

Without FOLDER: ``../shared/data/rpact-reference`` beside this project. Tolerances are those of that folder's README:
boundaries 1e-6, analytic sizes and power 1e-5 relative, simulated values within Monte Carlo error (3.3 standard errors
of the difference between rpact's simulation and ours: one in a thousand by chance). ``ok`` only if all are met.
"""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from _report import Report, finish
from design_reference.analytic import KINDS, RECOVERED, boundary_values
from design_reference.reading import Design, Unreadable, read_designs
from design_reference.simulated import replicates_of, simulate
from equipoise.stats.design.group_sequential import Boundary, efficacy_design

DEFAULT = Path(__file__).resolve().parent.parent.parent / "shared" / "data" / "rpact-reference"
BOUNDARY_TOLERANCE = 1e-6
RELATIVE_TOLERANCE = 1e-5
STANDARD_ERRORS = 3.3
# Two-sided 5 %, two to five looks, as the textbooks print them (Jennison and Turnbull 2000, tables 2.1 and 2.3).
CONSTANTS = {"pocock": (2.178, 2.289, 2.361, 2.413), "obrien-fleming": (1.977, 2.004, 2.024, 2.040)}


def compare_analytic(design: Design, known: dict[str, Design], report: Report) -> None:
    """One row of the report for each number of an analytic design."""
    kind = next((function for prefix, function in KINDS.items() if design.name.startswith(prefix)), None)
    if kind is None:
        raise Unreadable("no method for designs of this name")
    ours = kind(design, known)
    for (quantity, index), theirs in design.values.items():
        name = f"{design.name} {quantity}[{index}]"
        value = ours.get((quantity, index))
        if value is None:
            report.notes.append(f"{name}: rpact has {theirs!r}, nothing of ours to compare it with")
            report.add(name, None, at_most=0.0)
        elif kind is boundary_values:
            _judge(report, name, abs(value - theirs), "difference", BOUNDARY_TOLERANCE, value, theirs)
        else:
            _judge(report, name, abs(value - theirs) / abs(theirs), "relative", RELATIVE_TOLERANCE, value, theirs)


def compare_simulated(design: Design, report: Report) -> None:
    """One row for each simulated number, in standard errors of the difference."""
    n_theirs = replicates_of(design)
    ours = simulate(design)
    for (quantity, index), theirs in design.values.items():
        name = f"{design.name} {quantity}[{index}]"
        value = ours.get((quantity, index))
        if value is None:
            report.notes.append(f"{name}: rpact has {theirs!r}, nothing of ours to compare it with")
            report.add(name, None, at_most=0.0)
            continue
        error = value.deviation * math.sqrt(1.0 / n_theirs + 1.0 / value.n_replicates)
        _judge(report, name, abs(value.mean - theirs) / error, "SE", STANDARD_ERRORS, value.mean, theirs)


def _judge(
    report: Report, name: str, deviation: float, unit: str, tolerance: float, ours: float, theirs: float
) -> None:
    row = report.add(name, float(deviation), unit, at_most=tolerance)
    if not row.ok:
        report.notes.append(f"{name} disagrees: ours {ours:.12g}, rpact {theirs:.12g}")


def compare_constants(report: Report) -> None:
    """Classical two-sided 5 % constants, to the three decimals printed."""
    for kind, printed in CONSTANTS.items():
        for n_looks, constant in enumerate(printed, start=2):
            rates = [(k + 1) / n_looks for k in range(n_looks)]
            design = efficacy_design(rates, alpha_one_sided=0.025, boundary=Boundary(kind), sides=2)
            name = f"classical {kind}, {n_looks} looks, last critical value"
            _judge(
                report, name, abs(design.critical_z[-1] - constant), "difference", 5e-4, design.critical_z[-1], constant
            )


def main() -> int:
    """Compare and print; exit code 0 only if every number agrees."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=DEFAULT)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    if not (arguments.folder / "rpact.csv").is_file():
        print(f"{arguments.folder} has no rpact.csv: give a folder laid out like rpact-reference", file=sys.stderr)
        return 2
    designs = read_designs(arguments.folder)
    # A design may refer to one that only the default folder holds.
    known = {**(read_designs(DEFAULT) if (DEFAULT / "rpact.csv").is_file() else {}), **designs}
    report = Report()
    for design in designs.values():
        try:
            if design.name.startswith("sim_"):
                compare_simulated(design, report)
            else:
                compare_analytic(design, known, report)
        except (Unreadable, ValueError) as problem:
            report.notes.append(f"{design.name}: {problem}")
            report.add(f"{design.name}: all its numbers", None, at_most=0.0)
    compare_constants(report)
    referred = sorted(name for name in RECOVERED if name not in known and name.replace("_n_", "_power_") in designs)
    if referred:
        report.notes.append(
            f"inputs of {', '.join(referred)} are in no folder at hand; they were recovered from rpact's own results "
            "(design_reference/analytic.py), so their power rows check the formula only for a round hazard ratio"
        )
    if any(design.name.startswith("sim_") for design in designs.values()):
        report.notes.append(
            "simulated designs call their boundary OF; it is read as the spending type: classical constants put early "
            "stops at 0.122, twenty standard errors from rpact's 0.084 in sim_rates_gs_OF2"
        )
    missed = [row.name for row in report.rows if not row.ok]
    report.add("numbers compared", len(report.rows), "numbers")
    report.add("disagreements", len(missed), "numbers", equals=0)
    return finish(report, as_json=arguments.json, title=f"agreement with rpact on {arguments.folder}")


if __name__ == "__main__":
    sys.exit(main())
