"""Time of multiple imputation: 1,000 data sets of the flagship, yes-or-no results and scores.

Run: ``python benchmarks/imputation.py [--json]``. Compiling the kernel is not counted; imputing and pooling are.
"""

from __future__ import annotations

import argparse
import sys
import time

import numpy as np

from _report import Report, finish
from equipoise.analysis.dataset import compare
from equipoise.analysis.unfinished import find_gaps
from equipoise.endpoints import read_lattice
from equipoise.stats.logistic import fit_logistic
from equipoise.stats.missing.multiple_imputation import impute_binary
from equipoise.stats.missing.normal_imputation import impute_normal
from equipoise.stats.missing.rubin import pool_imputations
from equipoise.workflow import read_protocol, simulate

SETS = 1000


def main() -> int:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--json", action="store_true")
    arguments = options.parse_args()
    report = Report()
    protocol = read_protocol("ketamine-mbrp-cocaine")
    lattice = read_lattice(protocol, simulate(protocol, seed=2))
    for line, name in (("use-over-time", "repeated use"), ("abstinence", "abstinence"), ("craving", "craving")):
        analysis = protocol.model.analyses[line]
        estimand = protocol.model.estimands[analysis.estimand]
        comparison = compare(protocol, lattice, analysis, estimand)
        gaps = find_gaps(lattice, estimand, None)
        rows = np.arange(comparison.rows.shape[0])
        design = comparison.design(rows)
        cells = gaps.cells[comparison.rows]
        if not gaps.binary:
            impute_normal(cells, design, imputations=2, seed=1)
            start = time.perf_counter()
            impute_normal(cells, design, imputations=SETS, seed=1)
            report.add(f"{name}: 1,000 data sets", time.perf_counter() - start, "s", at_most=10.0)
            continue
        for pooled, how in ((False, "a model a visit"), (True, "one model")):
            impute_binary(cells, design, imputations=2, seed=1, pooled=pooled)
            start = time.perf_counter()
            made = impute_binary(cells, design, imputations=SETS, seed=1, pooled=pooled)
            if line == "abstinence":
                values = np.stack([_finish(gaps, comparison.rows, part) for part in made.values])
                fits = fit_logistic(values.ravel(), np.tile(design, (SETS, 1)), np.arange(SETS + 1) * rows.shape[0])
                pool_imputations(fits.coefficients[:, 1][None], fits.standard_errors[:, 1][None], [50.0])
            spent = time.perf_counter() - start
            what = "imputed, analysed, pooled" if line == "abstinence" else "imputed"
            report.add(f"{name}: 1,000 data sets {what}, {how}", spent, "s", at_most=10.0)
    return finish(
        report, as_json=arguments.json, title="Multiple imputation of the flagship (55 participants, 8 visits)"
    )


def _finish(gaps, rows, part):  # type: ignore[no-untyped-def]
    return gaps.finish(part, rows)["value"]


if __name__ == "__main__":
    sys.exit(main())
