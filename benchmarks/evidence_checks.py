"""How often the checks of published numbers cry wolf on true tables, and how many planted faults they find.

True tables are computed from real trials (the three of CTN-0094 in ../shared/data, and the smoking trial that comes
with the program): random groups of participants, outcomes, decimals and methods, each rounded as an article would.
Faults are then planted one by one: a digit, a denominator, a p value, arms reversed, a risk ratio called an odds ratio.

    python benchmarks/evidence_checks.py [number of tables] [seed]
"""

from __future__ import annotations

import csv
import gzip
import math
import sys
from collections import Counter
from pathlib import Path

import numpy as np
from scipy import stats

from equipoise.evidence.results import read_results
from equipoise.evidence.run_checks import check_results
from equipoise.stats.cox import fit_cox
from equipoise.stats.exact import fisher_exact
from equipoise.stats.logrank import log_rank

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared" / "data" / "ctn0094"
Z = 1.959963984540054


def read(path: Path) -> list[dict[str, str]]:
    raw = path.read_bytes()
    text_ = (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode("utf-8")
    return list(csv.DictReader(text_.splitlines()))


def smoking() -> dict[str, np.ndarray]:
    """Arm, yes/no outcomes, whole scores and time to relapse of the smoking trial."""
    rows = read(ROOT / "src/equipoise/examples/smoking-cessation/pharmaco_smoking.csv")
    arm = np.array([row["grp"] == "combination" for row in rows])
    time = np.array([float(row["ttr"]) for row in rows])
    return {
        "arm": arm,
        "time": time,
        "event": np.array([int(row["relapse"]) for row in rows]),
        "yes": np.array([[row["gender"] == "Female", row["race"] == "white", row["relapse"] == "1"] for row in rows]),
        "scores": np.array(
            [[float(row["age"]), float(row["yearsSmoking"]), float(row["longestNoSmoke"])] for row in rows]
        ),
    }


def opioids() -> list[dict[str, np.ndarray]]:
    """The same of each trial of CTN-0094: positive urines by person as yes/no at week 4, counts as scores."""
    if not SHARED.is_dir():
        print("../shared/data/ctn0094 is not there: the smoking trial alone")
        return []
    project = {row["who"]: row["project"] for row in read(SHARED / "everybody.csv.gz")}
    treatment: dict[str, str] = {}
    for row in read(SHARED / "randomization.csv.gz"):
        if row["which"] == "1":
            treatment.setdefault(row["who"], row["treatment"])
    days: dict[str, list[int]] = {}
    for row in read(SHARED / "uds.csv.gz"):
        day = int(float(row["when"]))
        if 0 < day <= 84:
            days.setdefault(row["who"], []).append(day)
    ages = {row["who"]: row["age"] for row in read(SHARED / "demographics.csv.gz")}
    out = []
    for trial in sorted(set(project.values())):
        people = [w for w in project if project[w] == trial and w in treatment and ages.get(w, "") not in ("", "NA")]
        names = [name for name, _ in Counter(treatment[w] for w in people).most_common(2)]
        people = [w for w in people if treatment[w] in names]
        if len(people) < 60:
            continue
        first = np.array([min(days.get(w, [84])) for w in people], dtype=float)
        count = np.array([len(set(days.get(w, []))) for w in people], dtype=float)
        age = np.array([round(float(ages[w])) for w in people], dtype=float)
        out.append(
            {
                "arm": np.array([treatment[w] == names[1] for w in people]),
                "time": first,
                "event": np.array([w in days for w in people], dtype=int),
                "yes": np.stack([first > 28, count > 5, age > 35], axis=1),
                "scores": np.stack([age, count, np.minimum(count, 10)], axis=1),
            }
        )
    return out


def text(value: float, decimals: int) -> str:
    return f"{value:.{decimals}f}"


def p_text(p: float, rng: np.random.Generator) -> str:
    if p < 0.001:
        return "<0.001"
    return text(p, 3) if p < 0.01 or rng.random() < 0.5 else text(p, 2)


def yes_no(data: dict[str, np.ndarray], chosen: np.ndarray, rng: np.random.Generator) -> dict[str, str] | None:
    """A 2x2 table as articles print it: percentages, a ratio or difference, its interval, p by one of the tests."""
    arm, outcome = data["arm"][chosen], data["yes"][chosen, rng.integers(3)]
    a, n1, c, n0 = int(outcome[arm].sum()), int(arm.sum()), int(outcome[~arm].sum()), int((~arm).sum())
    if min(n1, n0) < 5:
        return None
    d = int(rng.integers(0, 2))
    row = {"percent_1": text(100 * a / n1, d), "percent_0": text(100 * c / n0, d), "n_1": str(n1), "n_0": str(n0)}
    if rng.random() < 0.5:
        row |= {"events_1": str(a), "events_0": str(c)}
    if min(a, c, n1 - a, n0 - c) == 0:
        return row | {"measure": "proportion"}
    measure = str(rng.choice(["odds_ratio", "risk_ratio", "risk_difference"]))
    p1, p0 = a / n1, c / n0
    row |= {"measure": measure, "adjusted": str(rng.choice(["no", ""]))}
    two = 2 if rng.random() < 0.7 else 1
    if measure == "risk_difference":
        error = math.sqrt(p1 * (1 - p1) / n1 + p0 * (1 - p0) / n0)
        low, mid, high = (100 * (p1 - p0 + k * Z * error) for k in (-1, 0, 1))
        row |= {"estimate": text(mid, 1), "lower": text(low, 1), "upper": text(high, 1)}
        if row["estimate"] in ("-0.0", "0.0"):
            return None
    else:
        odds = measure == "odds_ratio"
        log = math.log(a * (n0 - c) / ((n1 - a) * c)) if odds else math.log(p1 / p0)
        error = (
            math.sqrt(1 / a + 1 / (n1 - a) + 1 / c + 1 / (n0 - c))
            if odds
            else math.sqrt(1 / a - 1 / n1 + 1 / c - 1 / n0)
        )
        low, mid, high = (math.exp(log + k * Z * error) for k in (-1, 0, 1))
        if odds and rng.random() < 0.25:  # exact limits about the crude ratio
            exact = fisher_exact(c, n0, a, n1)
            low, high = float(exact.ci_lower[0]), float(exact.ci_upper[0])
            if not math.isfinite(high):
                return None
        row |= {"estimate": text(mid, two), "lower": text(low, two), "upper": text(high, two)}
    cells = np.array([[a, n1 - a], [c, n0 - c]])
    test = str(rng.choice(["fisher", "chi-square", "", "none"]))
    if test != "none":
        p = (
            stats.fisher_exact(cells)[1]
            if test == "fisher"
            else stats.chi2_contingency(cells, correction=rng.random() < 0.5)[1]
        )
        row |= {"p": p_text(float(p), rng), "test": test}
    return row


def scores(data: dict[str, np.ndarray], chosen: np.ndarray, rng: np.random.Generator) -> dict[str, str] | None:
    """Means and standard deviations of whole scores, and a t test."""
    arm, score = data["arm"][chosen], data["scores"][chosen, rng.integers(3)]
    one, two = score[arm], score[~arm]
    if min(len(one), len(two)) < 5 or one.std() == 0 or two.std() == 0:
        return None
    d = int(rng.integers(1, 3))
    row = {"measure": "mean", "step": "1", "n_1": str(len(one)), "n_0": str(len(two))}
    for name, values in (("1", one), ("0", two)):
        row |= {f"mean_{name}": text(values.mean(), d), f"sd_{name}": text(values.std(ddof=1), d)}
    p = float(stats.ttest_ind(one, two, equal_var=rng.random() < 0.5).pvalue)
    row |= {"p": p_text(p, rng), "test": "t", "adjusted": "no"}
    if rng.random() < 0.5:
        row |= {"measure": "mean_difference", "estimate": text(one.mean() - two.mean(), d)}
    return row


def hazards(data: dict[str, np.ndarray], chosen: np.ndarray, rng: np.random.Generator) -> dict[str, str] | None:
    """A hazard ratio with its Wald interval, proportions with the event, and p of the log-rank or Wald test."""
    arm, time, event = data["arm"][chosen], np.maximum(data["time"][chosen], 0.5), data["event"][chosen]
    n1, n0 = int(arm.sum()), int((~arm).sum())
    a, c = int(event[arm].sum()), int(event[~arm].sum())
    if min(a, c, n1 - a, n0 - c) < 1:
        return None
    fit = fit_cox(time, event, arm.astype(float), [0, len(time)])
    log, error = float(fit.coefficients[0, 0]), float(fit.standard_errors[0, 0])
    if not math.isfinite(error):
        return None
    low, mid, high = (math.exp(log + k * Z * error) for k in (-1, 0, 1))
    wald = rng.random() < 0.5
    other = log_rank(time, event, arm.astype(int), [0, len(time)])
    p = float(2 * stats.norm.sf(abs(log / error))) if wald else float(other.p_value[0])
    return {
        "measure": "hazard_ratio",
        "estimate": text(mid, 2),
        "lower": text(low, 2),
        "upper": text(high, 2),
        "p": p_text(p, rng),
        "test": "wald" if wald else "log-rank",
        "percent_1": text(100 * a / n1, 1),
        "percent_0": text(100 * c / n0, 1),
        "n_1": str(n1),
        "n_0": str(n0),
    }


def plant(row: dict[str, str], rng: np.random.Generator) -> tuple[str, dict[str, str]] | None:
    """One fault in a true row, or ``None`` where the fault that was drawn has no place in it."""
    kind = str(rng.choice(["digit", "denominator", "p", "reversed", "measure", "mean", "interval"]))
    row = dict(row)
    if kind == "digit" and "percent_1" in row:
        value = float(row["percent_1"]) + float(rng.choice([-1, 1])) * float(rng.integers(2, 12))
        if not 0 <= value <= 100:
            return None
        row["percent_1"] = text(value, len(row["percent_1"].partition(".")[2]))
        return "percentage off by 2 to 11 points", row
    if kind == "denominator" and "percent_1" in row:
        row["n_1"] = str(int(row["n_1"]) + int(rng.integers(1, 4)))
        row.pop("events_1", None)
        return "denominator 1 to 3 too large", row
    if kind == "p" and "p" in row and not row["p"].startswith("<"):
        p = float(row["p"])
        row["p"] = text(p * 4, 2) if p < 0.2 else text(p / 10, 3)
        return "p off by fourfold or more", row
    if kind == "reversed" and row.get("measure") in ("odds_ratio", "risk_ratio"):
        value = float(row["estimate"])
        if 0.8 < value < 1.25 or value == 0:
            return None
        low, high = float(row["lower"]), float(row["upper"])
        if low <= 0:
            return None
        row |= {"estimate": text(1 / value, 2), "lower": text(1 / high, 2), "upper": text(1 / low, 2)}
        return "comparison reversed", row
    if kind == "measure" and row.get("measure") == "risk_ratio":
        row["measure"] = "odds_ratio"
        return "risk ratio called odds ratio", row
    if kind == "mean" and "mean_1" in row:
        row["mean_1"] = text(float(row["mean_1"]) + 0.01 * float(rng.integers(1, 50)), 2)
        return "mean with other decimals", row
    if kind == "interval" and row.get("measure") in ("odds_ratio", "hazard_ratio"):
        row["upper"] = text(float(row["upper"]) * 2, 2)
        return "upper limit doubled", row
    return None


def findings(row: dict[str, str]) -> list:
    full = {"id": "r", "study": "S", "source": "X", "experimental": "A", "reference": "B", "event": "use", **row}
    results, problems = read_results([(2, full)], "t.csv")
    if problems:
        raise ValueError(str(problems))
    return check_results(results)


def main() -> None:
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 3000
    rng = np.random.default_rng(int(sys.argv[2]) if len(sys.argv) > 2 else 1)
    trials = [smoking(), *opioids()]
    made, alarms, doubts, by_check = Counter(), Counter(), Counter(), Counter()
    planted, caught, noticed = Counter(), Counter(), Counter()
    while sum(made.values()) < n:
        data = trials[rng.integers(len(trials))]
        size = int(min(len(data["arm"]), rng.integers(15, 300)))
        chosen = rng.choice(len(data["arm"]), size, replace=False)
        maker = (yes_no, scores, hazards)[rng.integers(3)]
        row = maker(data, chosen, rng)
        if row is None:
            continue
        found = findings(row)
        made[maker.__name__] += 1
        alarms[maker.__name__] += any(f.is_alarm for f in found)
        doubts[maker.__name__] += any(not f.is_alarm for f in found)
        by_check.update((f.check, f.severity) for f in found)
        fault = plant(row, rng)
        if fault is not None:
            kind, wrong = fault
            if wrong == row:
                continue
            found = findings(wrong)
            planted[kind] += 1
            caught[kind] += any(f.is_alarm for f in found)
            noticed[kind] += bool(found)
    print(f"{len(trials)} trials, {sum(made.values())} true tables")
    for name, count in made.items():
        print(f"  {name}: {count} tables, {alarms[name]} with a false alarm, {doubts[name]} with something unexplained")
    total = sum(made.values())
    wrong = sum(alarms.values())
    doubtful = sum(doubts.values())
    print(f"False alarms: {wrong} of {total} ({100 * wrong / total:.2f}%)")
    print(f"Something unexplained: {doubtful} of {total} ({100 * doubtful / total:.1f}%)")
    for (check, severity), count in by_check.most_common():
        print(f"    {check}, {severity}: {count}")
    print("Planted faults: found as an alarm, or noticed at all")
    for kind, count in sorted(planted.items()):
        print(f"  {kind}: {caught[kind]} and {noticed[kind]} of {count}")


if __name__ == "__main__":
    main()
