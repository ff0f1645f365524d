"""X:BOT as its committee would have seen it by information time, under assumed orders of entry.

    python benchmarks/xbot_looks.py [--orders 20] [--json]

The public tables hold no calendar dates. Entry is assumed at equal distances from the first to the last randomization,
in the order of the ids and in random orders. Looks at 25, 50 and 75% of 358 relapses, alpha spent as O'Brien and
Fleming, two-sided 5%. Needs the tables of CTN-0094 beside the checkout.
"""

from __future__ import annotations

import argparse
import sys
from datetime import date
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import equipoise
from _report import Report, finish
from equipoise.analysis.interim import looks_of
from equipoise.analysis.look_taken import LookTaken
from equipoise.analysis.take_look import answers_at, take_look
from equipoise.protocol.read import read_protocol_text
from equipoise.records.known_on import assume_dates, records_known_on
from equipoise.workflow.interim import day_reached

DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "ctn0094"
SPAN = (date(2014, 1, 30), date(2016, 5, 25))
PLAN = "looks: {analyses: [relapse], at: [0.25, 0.5, 0.75, 1], planned: 358}"


def main() -> int:
    """Print Z, bounds and decisions by order of entry."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--orders", type=int, default=20)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    report = Report()
    if not arguments.data.is_dir():
        report.notes.append(f"not run: {arguments.data.name} is not there")
        return finish(report, as_json=arguments.json, title="X:BOT by information time")
    protocol = read_protocol_text(f"{equipoise.read_protocol('xbot').text.rstrip()}\n\n{PLAN}\n")
    records = equipoise.import_records("ctn0094", arguments.data, project=51)
    looks = looks_of(protocol)
    ended: dict[str, int] = {}
    for seed in (None, *range(1, arguments.orders + 1)):
        entry = assume_dates(records, *SPAN, seed=seed)
        taken: list[LookTaken] = []
        order = "order of the ids" if seed is None else f"random order {seed}"
        for wanted in looks.numbers[:-1]:
            day, _ = day_reached(protocol, looks, records, entry, wanted)
            assert day is not None
            known = records_known_on(protocol, records, entry, day)
            answers = answers_at(protocol, looks, known.records, followed_to=known.followed_to)
            look = take_look(protocol, looks, taken, answers)
            taken.append(look)
            assert look.decision is not None
            report.add(f"{order}, look {look.number} on {day}, {look.reached:.0f} events: Z", look.decision.z)
            report.add(f"{order}, look {look.number}: critical value", look.decision.critical_z)
        first = next((f"look {look.number}" for look in taken if look.ends), "no look")
        if seed is not None:
            ended[first] = ended.get(first, 0) + 1
    for name, count in sorted(ended.items()):
        report.add(f"random orders in which a bound is crossed at {name}", count, f"of {arguments.orders}")
    report.notes.append("entry is assumed: the tables hold no calendar dates")
    return finish(report, as_json=arguments.json, title="X:BOT by information time")


if __name__ == "__main__":
    sys.exit(main())
