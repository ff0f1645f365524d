"""How often randomization alone makes a baseline table look arranged, and how often an arranged one is found.

True tables: the participants of real trials (the smoking trial that comes with the program; those of CTN-0094 in
../shared/data) dealt into two arms by lot, every baseline variable printed as an article would. Arranged tables: the
second arm's numbers written down near the first's, or standard errors printed as standard deviations.

    python benchmarks/baseline_tables.py [number of tables] [seed]
"""

from __future__ import annotations

import csv
import gzip
import sys
from collections import Counter
from pathlib import Path

import numpy as np

from equipoise.evidence.results import read_results
from equipoise.evidence.run_checks import check_results

ROOT = Path(__file__).resolve().parent.parent
SMOKING = ROOT / "src/equipoise/examples/smoking-cessation/pharmaco_smoking.csv"
CTN = ROOT.parent / "shared" / "data" / "ctn0094"
NUMBERS = {"age", "yearsSmoking", "ageSmoking", "ageOfInitiation", "priorAttempts", "longestNoSmoke"}
LEFT_OUT = {"id", "who", "ttr", "relapse", "grp", "project"}

Variables = dict[str, np.ndarray]


def variables(rows: list[dict[str, str]]) -> Variables:
    """Columns of a table of people: numbers, and every category neither rare nor nearly all."""
    out: Variables = {}
    for name in rows[0]:
        if name in LEFT_OUT:
            continue
        cells = [row[name] for row in rows]
        if name in NUMBERS:
            out[name] = np.array([float(c) if c not in ("", "NA") else np.nan for c in cells])
            continue
        level, count = Counter(cells).most_common(1)[0]
        if 0.1 < count / len(cells) < 0.95:
            out[name] = np.array([c == level for c in cells])
    return out


def read(path: Path) -> list[dict[str, str]]:
    """Rows of a compressed table."""
    return list(csv.DictReader(gzip.decompress(path.read_bytes()).decode("utf-8").splitlines()))


def trials() -> list[Variables]:
    """Baseline variables of every real trial at hand."""
    with SMOKING.open(encoding="utf-8") as file:
        found = [variables(list(csv.DictReader(file)))]
    if not CTN.is_dir():
        print("../shared/data/ctn0094 is not there: the smoking trial alone")
        return found
    people, everybody = (read(CTN / f"{name}.csv.gz") for name in ("demographics", "everybody"))
    trial = {row["who"]: row["project"] for row in everybody}
    for project in sorted(set(trial.values())):
        found.append(variables([row for row in people if trial.get(row["who"]) == project]))
    return found


def printed(data: Variables, arm: np.ndarray, kind: str, rng: np.random.Generator) -> list[dict[str, str]]:
    """The rows of a baseline table of two arms."""
    rows = []
    for name, values in data.items():
        row = {"outcome": name}
        if values.dtype == bool:
            counts = [int(values[arm].sum()), int(values[~arm].sum())]
            sizes = [int(arm.sum()), int((~arm).sum())]
            if kind == "copied":
                counts[1] = round(counts[0] * sizes[1] / sizes[0])
            for which, k, n in zip("10", counts, sizes):
                row |= {f"events_{which}": str(k), f"n_{which}": str(n), f"percent_{which}": f"{100 * k / n:.0f}"}
            row["measure"] = "proportion"
        else:
            known = ~np.isnan(values)
            groups = [values[arm & known], values[~arm & known]]
            means, sds = [g.mean() for g in groups], [g.std(ddof=1) for g in groups]
            if kind == "copied":
                means[1] = means[0] + rng.normal(0, 0.2 * sds[0] / np.sqrt(len(groups[0])))
            for which, mean, sd, group in zip("10", means, sds, groups):
                spread = sd / np.sqrt(len(group)) if kind == "errors" else sd
                row |= {f"mean_{which}": f"{mean:.1f}", f"sd_{which}": f"{spread:.1f}", f"n_{which}": str(len(group))}
            row["measure"] = "mean"
        rows.append(row)
    return rows


def is_found(rows: list[dict[str, str]]) -> tuple[bool, bool]:
    """Whether the table's distribution was named, and whether anything was an alarm."""
    cells = [
        {"id": f"b{i}", "kind": "baseline", "study": "S", "source": "X", "experimental": "A", "reference": "B", **row}
        for i, row in enumerate(rows)
    ]
    results, problems = read_results(list(enumerate(cells, 2)), "t.csv")
    if problems:
        raise ValueError(str(problems))
    found = check_results(results)
    return any(f.check == "baseline-distribution" for f in found), any(f.is_alarm for f in found)


def main() -> None:
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    rng = np.random.default_rng(int(sys.argv[2]) if len(sys.argv) > 2 else 1)
    data = [d for d in trials() if len(d) >= 5]
    print(f"{len(data)} trials with {', '.join(str(len(d)) for d in data)} baseline variables")
    for kind in ("true", "copied", "errors"):
        named = alarms = 0
        for _ in range(n):
            chosen = data[rng.integers(len(data))]
            people = len(next(iter(chosen.values())))
            size = min(people, int(rng.integers(40, 400)))
            who = rng.choice(people, size, replace=False)
            arm = rng.permutation(size) < size // 2
            found, alarm = is_found(printed({k: v[who] for k, v in chosen.items()}, arm, kind, rng))
            named, alarms = named + found, alarms + alarm
        print(f"{kind}: distribution named in {named} of {n} ({100 * named / n:.2f}%), alarms in {alarms}")


if __name__ == "__main__":
    main()
