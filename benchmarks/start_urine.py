"""START's repeated urine (CTN-0027): our logistic mixed model against glmer, on tens of thousands of rows.

    python benchmarks/start_urine.py [--json]

Needs ``../shared/data/ctn0094`` beside this project and, for the ratio, ``Rscript`` with lme4. One row a urine sample
after randomization: opioid positive or not, on arm, time and their product, a random intercept per participant.
"""

from __future__ import annotations

import argparse
import itertools
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl
from scipy.optimize import brentq
from scipy.special import expit

sys.path.insert(0, str(Path(__file__).resolve().parent))

from _report import Report, finish
from equipoise.stats.logistic_mixed import fit_logistic_mixed
from equipoise.stats.packing import offsets_from_sizes

DATA = Path(__file__).resolve().parent.parent.parent / "shared" / "data" / "ctn0094"
NODES = 10

R_SCRIPT = """
suppressMessages(library(lme4))
d <- read.csv(commandArgs(trailingOnly = TRUE)[1])
seconds <- system.time(m <- suppressWarnings(glmer(y ~ arm * month + (1 | id), d, family = binomial, nAGQ = 10,
  control = glmerControl(optimizer = "bobyqa"))))[["elapsed"]]
cat(seconds, sprintf("%.12g", c(as.numeric(logLik(m)), fixef(m), getME(m, "theta"))), "\\n")
"""


def read_rows(folder: Path = DATA) -> pl.DataFrame:
    """Samples of START's randomized participants after randomization, sorted by participant and day."""

    def table(name: str) -> pl.DataFrame:
        return pl.read_csv(folder / f"{name}.csv.gz", infer_schema_length=None)

    start = table("everybody").filter(pl.col("project").cast(pl.String) == "27").select("who")
    randomized = table("randomization").filter(pl.col("which") == 1).join(start, on="who", how="semi")
    randomized = randomized.select("who", pl.col("treatment").alias("treatment"), pl.col("when").alias("day_0"))
    samples = table("uds_temp").select("who", "when").unique()
    positive = table("uds").filter(pl.col("what") == "Opioid").select("who", "when").unique()
    rows = samples.join(positive.with_columns(y=pl.lit(1.0)), on=["who", "when"], how="left")
    rows = rows.with_columns(pl.col("y").fill_null(0.0)).join(randomized, on="who", how="inner")
    rows = rows.with_columns(
        month=(pl.col("when") - pl.col("day_0")) / 28, arm=(pl.col("treatment") == "Methadone").cast(pl.Float64)
    )
    return rows.filter(pl.col("month") > 0).sort("who", "month")


def quadrature_value(theta: np.ndarray, y: np.ndarray, x: np.ndarray, offsets: np.ndarray) -> float:
    """The adaptive quadrature's log-likelihood at (beta, sd), written plainly, modes by bisection-safe root finding.

    glmer's own log-likelihood carries what is left of its mode iteration (4e-4 here), so the two maxima are compared
    by one yardstick.
    """
    z, w = np.polynomial.hermite_e.hermegauss(NODES)
    sd, total = theta[-1], 0.0
    for a, b in itertools.pairwise(offsets):
        eta, own = x[a:b] @ theta[:-1], y[a:b]

        def score(u: float, eta: np.ndarray = eta, own: np.ndarray = own) -> float:
            return float(sd * np.sum(own - expit(eta + sd * u)) - u)

        mode = brentq(score, -sd * (b - a) - 1, sd * (b - a) + 1, xtol=1e-13)
        p = expit(eta + sd * mode)
        scale = 1 / np.sqrt(1 + sd * sd * np.sum(p * (1 - p)))
        u = mode + scale * z
        lines = eta[:, None] + sd * u
        g = (own[:, None] * lines - np.logaddexp(0, lines)).sum(axis=0) - u * u / 2
        total += np.log(scale) + np.logaddexp.reduce(np.log(w) + z * z / 2 + g) - np.log(2 * np.pi) / 2
    return float(total)


def main() -> int:
    """Measure and print; exit code 0 only if every target is met."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    report = Report()
    if not DATA.is_dir():
        report.notes.append("not measured: ../shared/data/ctn0094 is not beside this project")
        return finish(report, as_json=arguments.json)
    rows = read_rows()
    y, arm, month = (rows[name].to_numpy().astype(float) for name in ("y", "arm", "month"))
    x = np.column_stack([np.ones_like(y), arm, month, arm * month])
    sizes = rows.group_by("who", maintain_order=True).len()["len"].to_list()
    offsets = offsets_from_sizes(sizes)
    report.add("START: samples", y.size, "rows")
    report.add("START: participants", len(sizes), "participants")
    seconds = []
    for _ in range(6):
        begin = time.perf_counter()
        fits = fit_logistic_mixed(y, x, offsets, [0, len(sizes)], nodes=NODES, threads=1)
        seconds.append(time.perf_counter() - begin)
    ours = float(np.median(seconds[1:]))
    report.add("START: ours, median of 5", ours, "s")
    report.add("START: log-likelihood", float(fits.log_likelihood[0]))
    report.add("START: gradient norm", float(fits.gradient_norm[0]), "SE", at_most=3e-5)
    if shutil.which("Rscript") is None:
        report.notes.append("glmer was not measured: no Rscript")
        return finish(report, as_json=arguments.json)
    with tempfile.TemporaryDirectory() as text:
        path = Path(text) / "start.csv"
        np.savetxt(
            path,
            np.column_stack([y, arm, month, rows["who"].to_numpy()]),
            "%.17g",
            ",",
            header="y,arm,month,id",
            comments="",
        )
        done = subprocess.run(
            ["Rscript", "-e", R_SCRIPT, str(path)],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        )
    numbers = [float(word) for word in done.stdout.split()]
    if len(numbers) < 2:
        report.notes.append(f"glmer was not measured: {done.stderr.strip()[-200:]}")
        return finish(report, as_json=arguments.json)
    report.add("START: glmer, bobyqa", numbers[0], "s")
    report.add("START: times faster than glmer", numbers[0] / ours, "ratio", at_least=20)
    gap = float(fits.log_likelihood[0]) - numbers[1]
    report.add("START: log-likelihood above what glmer prints", gap)
    gap = float(fits.log_likelihood[0]) - quadrature_value(np.array(numbers[2:]), y, x, offsets)
    report.add("START: log-likelihood above that at glmer's estimates", gap, "", at_least=-1e-6)
    return finish(report, as_json=arguments.json, title="START's repeated urine")


if __name__ == "__main__":
    sys.exit(main())
