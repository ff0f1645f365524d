"""How long a mixed model for repeated measures takes, beside R's mmrm in the same run where R has it.

    python benchmarks/mmrm.py [--json]

Two fits, unstructured, restricted maximum likelihood with Kenward-Roger errors, on one core and in processor time: the
FEV data of R's mmrm (200 people, 4 visits; ``../shared/data/methods``), and a trial of the size of its BCVA data (1,000
people, 10 visits, some 8,500 rows), generated here.
"""

from __future__ import annotations

import argparse
import csv
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from _report import Report, finish
from equipoise.stats.mmrm import MmrmFits, fit_mmrm
from equipoise.stats.packing import offsets_from_sizes

FEV = Path(__file__).resolve().parent.parent.parent / "shared" / "data" / "methods" / "data" / "mmrm_fev.csv"
TIMES = 7
R_SCRIPT = """
suppressMessages(library(mmrm))
d <- read.csv(commandArgs(TRUE)[1])
for (v in c("id", "visit", "arm", "group")) d[[v]] <- factor(d[[v]])
f <- y ~ x + group + arm * visit + us(visit | id)
one <- function() mmrm(f, data = d, control = mmrm_control(method = "Kenward-Roger", vcov = "Kenward-Roger-Linear"))
one()
cat(median(replicate(5, system.time(one())["user.self"])), as.character(packageVersion("mmrm")))
"""


class Rows:
    """One trial: outcome, visit, participant, arm, a category and a number at baseline."""

    def __init__(self, y: NDArray, visit: NDArray, who: NDArray, arm: NDArray, group: NDArray, x: NDArray) -> None:
        """Rows sorted by participant and visit; ``arm``, ``group`` and ``x`` by row."""
        self.y, self.visit, self.who, self.arm, self.group, self.x = y, visit, who, arm, group, x
        self.n_visits = int(visit.max()) + 1

    def fit(self, copies: int) -> MmrmFits:
        """``copies`` of the trial as a batch, on one thread."""
        late = [(self.visit == v).astype(float) for v in range(1, self.n_visits)]
        groups = [(self.group == g).astype(float) for g in range(1, int(self.group.max()) + 1)]
        design = np.column_stack(
            [np.ones(self.y.size), self.arm, *late, *(self.arm * v for v in late), *groups, self.x]
        )
        sizes = np.bincount(self.who)
        sizes = sizes[sizes > 0]
        return fit_mmrm(
            np.tile(self.y, copies),
            np.tile(design, (copies, 1)),
            np.tile(self.visit, copies),
            offsets_from_sizes(np.tile(sizes, copies)),
            np.arange(copies + 1) * sizes.size,
            n_visits=self.n_visits,
            fall_back=False,
            jacobian=False,
            threads=1,
        )

    def seconds(self, copies: int) -> float:
        """Processor seconds a fit, the least of several rounds."""
        self.fit(1)
        best = np.inf
        for _ in range(TIMES):
            begin = time.process_time()
            self.fit(copies)
            best = min(best, (time.process_time() - begin) / copies)
        return float(best)

    def seconds_in_r(self) -> tuple[float, str] | None:
        """The median of R's mmrm on the same rows, and its version; ``None`` where R has no mmrm."""
        if shutil.which("Rscript") is None:
            return None
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "rows.csv"
            with path.open("w", newline="", encoding="utf-8") as file:
                out = csv.writer(file)
                out.writerow(["y", "visit", "id", "arm", "group", "x"])
                out.writerows(zip(self.y, self.visit, self.who, self.arm, self.group, self.x))
            done = subprocess.run(
                ["Rscript", "-e", R_SCRIPT, str(path)], capture_output=True, text=True, check=False, timeout=600
            )
        if done.returncode:
            return None
        seconds, version = done.stdout.split()
        return float(seconds), version


def fev_rows() -> Rows:
    """The FEV data: RACE is the category, sex the number."""
    with FEV.open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["FEV1"]]
    rows.sort(key=lambda row: (row["USUBJID"], row["AVISIT"]))
    races = sorted({row["RACE"] for row in rows})
    people = list(dict.fromkeys(row["USUBJID"] for row in rows))
    return Rows(
        np.array([float(row["FEV1"]) for row in rows]),
        np.array([int(row["AVISIT"][3:]) - 1 for row in rows]),
        np.array([people.index(row["USUBJID"]) for row in rows]),
        np.array([float(row["ARMCD"] == "TRT") for row in rows]),
        np.array([races.index(row["RACE"]) for row in rows]),
        np.array([float(row["SEX"] == "Female") for row in rows]),
    )


def large_rows() -> Rows:
    """1,000 people at ten visits, 6 % of results missing here and there and some 15 % of people lost by the end."""
    rng, n, t = np.random.default_rng(1), 1000, 10
    arm, group, base = np.arange(n) % 2, rng.integers(0, 3, n), rng.normal(75, 9, n)
    covariance = 64.0 * np.exp(-np.abs(np.subtract.outer(np.arange(t), np.arange(t))) / 6)
    y = 0.9 * base[:, None] + 0.3 * arm[:, None] * np.arange(t)
    y += rng.multivariate_normal(np.zeros(t), covariance, size=n)
    stays = np.cumprod(rng.random((n, t)) > 0.018, axis=1).astype(bool)
    seen = stays & (rng.random((n, t)) > 0.06)
    seen[~seen.any(axis=1), 0] = True
    who, visit = np.nonzero(seen)
    return Rows(y[seen], visit, who, arm[who].astype(float), group[who], base[who])


def main() -> int:
    """Measure and print; exit code 0 only if the targets are met."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    report = Report()
    sizes = [("BCVA's size", large_rows, 1, 0.15)]
    if FEV.exists():
        sizes.insert(0, ("FEV", fev_rows, 50, 0.001))
    else:
        report.notes.append("FEV was not measured: no ../shared/data/methods beside the project")
    for name, make, copies, target in sizes:
        rows = make()
        mine = rows.seconds(copies)
        report.add(f"{name}: {rows.y.size} rows, a fit", 1000.0 * mine, "ms", at_most=1000.0 * target)
        theirs = rows.seconds_in_r()
        if theirs is None:
            report.notes.append(f"{name}: R was not measured, for there is no Rscript with mmrm")
            continue
        report.add(f"{name}: R's mmrm {theirs[1]}", 1000.0 * theirs[0], "ms")
        report.add(f"{name}: times R", theirs[0] / mine, "times")
    return finish(
        report, as_json=arguments.json, title="mixed model for repeated measures, unstructured, Kenward-Roger"
    )


if __name__ == "__main__":
    sys.exit(main())
