"""X:BOT's published primary endpoint, worked out from the records in plain Python, one discretion varied at a time.

Nothing of the endpoint engine is used: this is the second route that the engine is held against. Run it as
``python benchmarks/xbot_check.py [--json] [--data DIR] [--write DIR]``; DIR holds the tables of CTN-0094.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import platform
import sys
import time
from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from equipoise.exchange.ctn0094.read import import_ctn0094
from equipoise.records import Records

DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "ctn0094"
PUBLISHED = {"xr-ntx": 0.65, "bup-nx": 0.57}
PUBLISHED_HR = (1.36, 1.10, 1.68)


@dataclass(frozen=True)
class Rule:
    """The published definition, with everything it leaves open as a field."""

    words: str = "as published"
    first_day: int = 21
    last_day: int = 168  # 24 weeks from randomization
    missing_is_use: bool = True
    missing_by_visit: bool = False  # a week without a kept visit is missing, instead of one without a sample
    self_report: bool = True
    seven_days: bool = True
    urine: tuple[str, ...] = ("opioid", "methadone")
    urine_only_in: tuple[tuple[str, str], ...] = (("buprenorphine", "xr-ntx"),)
    reported: tuple[str, ...] = ("heroin", "opioid", "methadone")
    reported_only_in: tuple[tuple[str, str], ...] = (("buprenorphine", "xr-ntx"),)
    off_drug_too: bool = False  # buprenorphine in the buprenorphine arm counts after the last dose
    never_dosed_relapse: bool = False


RULES: dict[str, Rule] = {"base": Rule()}


def _vary(name: str, words: str, **changes: object) -> None:
    RULES[name] = replace(RULES["base"], words=words, **changes)  # type: ignore[arg-type]


_vary("start-20", "weeks tiled from study day 20", first_day=20)
_vary("start-22", "weeks tiled from study day 22 (21 days after randomization)", first_day=22)
_vary("start-28", "weeks tiled from study day 28", first_day=28)
_vary("follow-188", "24 weeks counted from day 21, not from randomization", last_day=188)
_vary("missing-not-use", "a week without a sample is not a week of use", missing_is_use=False)
_vary("missing-by-visit", "a week is missing where no visit was kept, samples or not", missing_by_visit=True)
_vary("urine-only", "self-report is left out of weeks and runs", self_report=False, seven_days=False)
_vary("no-seven-days", "the rule of seven days of self-reported use is left out", seven_days=False)
_vary("no-buprenorphine", "buprenorphine counts in neither arm", urine_only_in=(), reported_only_in=())
_vary("off-drug", "buprenorphine in the buprenorphine arm counts by urine after the last dose", off_drug_too=True)
_vary("no-methadone", "methadone does not count", urine=("opioid",), reported=("heroin", "opioid"))
_vary("never-dosed", "persons never dosed relapse on day 21", never_dosed_relapse=True)


@dataclass(frozen=True)
class Person:
    """One participant's facts by study day (from 1)."""

    arm: str
    dosed: bool
    last_dose: int
    sampled: frozenset[int]
    visited: frozenset[int]
    positive: dict[str, frozenset[int]]
    used: dict[str, frozenset[int]]


def persons(records: Records) -> dict[str, Person]:
    """Everybody randomized, from the tables alone."""

    def by_person(frame: pl.DataFrame, *columns: str) -> dict[str, list[tuple]]:
        out: dict[str, list[tuple]] = defaultdict(list)
        for who, *rest in frame.select("participant_id", *columns).iter_rows():
            out[who].append(tuple(rest))
        return out

    urine = by_person(records["urine"], "day", "substance", "result")
    use = by_person(records["daily_use"].filter(pl.col("used")), "day", "substance")
    kept = by_person(records["visits"].filter(pl.col("state") == "attended"), "day")
    doses = by_person(records["exposure"], "day")
    out = {}
    for who, arm in records["allocations"].select("participant_id", "arm").iter_rows():
        positive: dict[str, set[int]] = defaultdict(set)
        used: dict[str, set[int]] = defaultdict(set)
        for day, substance, result in urine[who]:
            if result == "positive":
                positive[substance].add(day)
        for day, substance in use[who]:
            used[substance].add(day)
        out[who] = Person(
            arm=arm,
            dosed=bool(doses[who]),
            last_dose=max((day for (day,) in doses[who]), default=0),
            sampled=frozenset(day for day, _, _ in urine[who]),
            visited=frozenset(day for (day,) in kept[who]),
            positive={s: frozenset(d) for s, d in positive.items()},
            used={s: frozenset(d) for s, d in used.items()},
        )
    return out


def relapse(person: Person, rule: Rule) -> tuple[int, bool]:
    """Study day of relapse, or of the end of the last whole week, and whether it was a relapse."""
    counts_urine = [*rule.urine, *(s for s, arm in rule.urine_only_in if arm == person.arm)]
    found: set[int] = set().union(*(person.positive.get(s, frozenset()) for s in counts_urine))
    if rule.off_drug_too and person.arm == "bup-nx":
        found |= {day for day in person.positive.get("buprenorphine", frozenset()) if day > person.last_dose}
    counts_report = [*rule.reported, *(s for s, arm in rule.reported_only_in if arm == person.arm)]
    told: set[int] = set().union(*(person.used.get(s, frozenset()) for s in counts_report))
    given = person.visited if rule.missing_by_visit else person.sampled
    n_weeks = (rule.last_day - rule.first_day + 1) // 7
    weeks = []
    for k in range(n_weeks):
        days = range(rule.first_day + 7 * k, rule.first_day + 7 * k + 7)
        use = any(d in found for d in days) or (rule.self_report and any(d in told for d in days))
        weeks.append(use or (rule.missing_is_use and not any(d in given for d in days)))
    events = [rule.first_day + 7 * k for k in range(n_weeks - 3) if all(weeks[k : k + 4])][:1]
    if rule.seven_days:
        runs = range(rule.first_day, rule.last_day - 5)
        events += [d for d in runs if all(d + i in told for i in range(7))][:1]
    if rule.never_dosed_relapse and not person.dosed:
        events.append(rule.first_day)
    if events:
        return min(events), True
    return rule.first_day + 7 * n_weeks - 1, False


def hazard_ratio(times: list[tuple[str, int, bool]]) -> tuple[float, float, float]:
    """Cox, Efron ties, xr-ntx against bup-nx: estimate and 95 % Wald limits; Newton on one coefficient."""
    event_days = sorted({day for _, day, event in times if event})
    beta = 0.0
    for _ in range(50):
        score = info = 0.0
        for day in event_days:
            at_risk = [arm == "xr-ntx" for arm, d, _ in times if d >= day]
            tied = [arm == "xr-ntx" for arm, d, event in times if d == day and event]
            r1, r0 = sum(at_risk) * math.exp(beta), len(at_risk) - sum(at_risk)
            t1, t0 = sum(tied) * math.exp(beta), len(tied) - sum(tied)
            score += sum(tied)
            for j in range(len(tied)):
                share = j / len(tied)
                s1, s0 = r1 - share * t1, r0 - share * t0
                p = s1 / (s1 + s0)
                score -= p
                info += p * (1 - p)
        step = score / info
        beta += step
        if abs(step) < 1e-12:
            break
    half = 1.959963984540054 / math.sqrt(info)
    return math.exp(beta), math.exp(beta - half), math.exp(beta + half)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--write", type=Path, help="write times and events of every rule to this folder")
    options = parser.parse_args()
    if not options.data.is_dir():
        said = {
            "ok": False,
            "machine": platform.machine(),
            "versions": {},
            "rows": [],
            "not_measured": "no data folder",
        }
        print(json.dumps(said) if options.json else f"cannot measure: {options.data} is not there")
        return 1
    started = time.perf_counter()
    records = import_ctn0094(options.data, 51)
    seconds = time.perf_counter() - started
    everybody = persons(records)
    rows: list[dict] = [{"name": "import", "value": seconds, "unit": "s", "target": "< 5", "ok": seconds < 5}]
    for arm, published in (("xr-ntx", 204), ("bup-nx", 270)):
        n = sum(p.dosed for p in everybody.values() if p.arm == arm)
        rows.append(
            {"name": f"induction {arm}", "value": n, "unit": "persons", "target": published, "ok": n == published}
        )
    table = []
    for name, rule in RULES.items():
        times = [(p.arm, *relapse(p, rule)) for p in everybody.values()]
        share = {a: sum(e for arm, _, e in times if arm == a) / sum(arm == a for arm, _, _ in times) for a in PUBLISHED}
        count = {a: sum(e for arm, _, e in times if arm == a) for a in PUBLISHED}
        first = {a: sum(e and d == rule.first_day for arm, d, e in times if arm == a) for a in PUBLISHED}
        ratio = hazard_ratio(times)
        table.append((name, rule.words, count, share, first, ratio))
        near = name != "base" or (
            all(abs(share[a] - PUBLISHED[a]) < 0.03 for a in PUBLISHED) and abs(ratio[0] / PUBLISHED_HR[0] - 1) < 0.05
        )
        rows.append(
            {
                "name": f"relapse {name}",
                "value": ratio[0],
                "unit": "hazard ratio",
                "target": "within 5 % of 1.36, proportions within 3 points" if name == "base" else None,
                "ok": near,
            }
        )
    if options.write:
        write_times(everybody, options.write)
    ok = all(row["ok"] for row in rows)
    if options.json:
        versions = {"python": platform.python_version(), "polars": pl.__version__}
        print(json.dumps({"ok": ok, "machine": platform.machine(), "versions": versions, "rows": rows}, indent=1))
        return 0 if ok else 1
    for row in rows[:3]:
        print(f"{row['name']:<18} {row['value']:>8.4g} {row['unit']}, target {row['target']}")
    print(f"\n{'discretion':<18}{'xr-ntx':>16}{'bup-nx':>16}{'on first day':>14}  hazard ratio (95 % limits)")
    for name, words, count, share, first, ratio in table:
        cells = [f"{count[a]} ({100 * share[a]:.1f} %)" for a in PUBLISHED]
        days = f"{first['xr-ntx']} v {first['bup-nx']}"
        print(
            f"{name:<18}{cells[0]:>16}{cells[1]:>16}{days:>14}  "
            f"{ratio[0]:.3f} ({ratio[1]:.3f} to {ratio[2]:.3f})  {words}"
        )
    print(f"{'published':<18}{'65 %':>16}{'57 %':>16}{'':>14}  1.36 (1.10 to 1.68)")
    return 0 if ok else 1


def write_times(everybody: dict[str, Person], folder: Path) -> None:
    """One row a participant: arm, whether dosed, then day and event under every rule."""
    folder.mkdir(parents=True, exist_ok=True)
    header = ["participant_id", "arm", "dosed", *(f"{name}_{part}" for name in RULES for part in ("day", "event"))]
    with (folder / "relapse_times.csv").open("w", newline="", encoding="utf-8") as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(header)
        for who, person in sorted(everybody.items(), key=lambda item: int(item[0])):
            cells: list[object] = [who, person.arm, int(person.dosed)]
            for rule in RULES.values():
                day, event = relapse(person, rule)
                cells += [day, int(event)]
            writer.writerow(cells)


if __name__ == "__main__":
    sys.exit(main())
