"""Fit every trial of a folder of reference answers and print how far ours are from R's.

    python benchmarks/agreement.py [FOLDER] [--json]

Without FOLDER: ``../shared/data/r-reference`` and ``../shared/data/methods`` beside this project. Of a folder with
``fits.csv``, for each model: number of trials, largest and median deviation of each quantity, and each disagreement
with its class; ``ok`` only when the class "other" is empty. Of a folder laid out like ``methods``, for each file of
answers: rows compared, rows outside their tolerance, and why the others are not compared.
"""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))

import agreement_models
from _report import Report, finish
from agreement_models.base import Agreement, Folder
from method_families.base import families, report_families

DATA = Path(__file__).resolve().parent.parent.parent / "shared" / "data"
DEFAULT = (DATA / "r-reference", DATA / "methods")


def comparers() -> dict[str, Callable[[Folder], Agreement]]:
    """Every comparer of every module in ``agreement_models``."""
    found: dict[str, Callable[[Folder], Agreement]] = {}
    for module in pkgutil.iter_modules(agreement_models.__path__):
        found.update(getattr(importlib.import_module(f"agreement_models.{module.name}"), "COMPARERS", {}))
    return found


def summarise(agreement: Agreement, report: Report) -> None:
    """Rows of one model: each quantity's largest and median deviation, then the disagreements by class."""
    report.add(f"{agreement.model}: trials", agreement.n_trials, "trials")
    for quantity, values in agreement.deviations.items():
        finite = values[~np.isnan(values)]
        if not finite.size:
            report.notes.append(f"{agreement.model}: {quantity} could not be compared in any trial")
            continue
        unit = f"(bound {agreement.tolerances[quantity]:g})"
        largest = float(finite.max())
        report.add(f"{agreement.model}: {quantity}, largest", largest if np.isfinite(largest) else "absent", unit)
        report.add(f"{agreement.model}: {quantity}, median", float(np.median(finite)), unit)
    for cause in sorted({cause for _, cause, _ in agreement.disagreements} | {"other"}):
        trials = sorted({trial for trial, c, _ in agreement.disagreements if c == cause})
        name = f"{agreement.model}: disagreements, {cause}"
        if cause == "other":
            report.add(name, len(trials), "trials", equals=0)
        else:
            report.add(name, len(trials), "trials")
    for trial, cause, what in agreement.disagreements:
        report.notes.append(f"{agreement.model} trial {trial}: {cause} ({what})")


def main() -> int:
    """Compare and print; exit code 0 only if no disagreement is unexplained."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="*", type=Path, default=DEFAULT)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    report = Report()
    for folder in arguments.folder:
        has_methods = any((folder / name).is_file() for name in families())
        if not (folder / "fits.csv").is_file() and not has_methods:
            print(f"{folder} is laid out neither like r-reference (fits.csv) nor like methods", file=sys.stderr)
            return 2
        if (folder / "fits.csv").is_file():
            _report_fits(Folder(folder), report)
        report_families(folder, report)
    return finish(report, as_json=arguments.json, title=f"agreement on {', '.join(map(str, arguments.folder))}")


def _report_fits(folder: Folder, report: Report) -> None:
    known = comparers()
    for model, compare in known.items():
        if folder.has_model(model) or (folder.results["model"] == model).any():
            summarise(compare(folder), report)
        else:
            report.notes.append(f"{model}: not in this folder")
    for model in sorted(set(folder.fits["model"].to_list()) - set(known)):
        report.notes.append(f"{model}: in this folder, no comparer for it")


if __name__ == "__main__":
    sys.exit(main())
