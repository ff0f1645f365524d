"""Power and type I error of every test in the plans of the sister trials, side by side, for docs/bundled-trials.md.

``python benchmarks/sister_levels.py --replicates 2000 --write`` simulates each trial under its own set of assumptions
and with every effect taken out, carries out the whole plan on each replicate, and writes the table between the marks of
the page. A line is said not to hold its level where the Monte Carlo interval of its rejections without effect lies
above it, and to stay below where that lies under it.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from equipoise.workflow.library import read_protocol
from equipoise.workflow.power import power

# Trial, the set with its effect. Programmes of one arm compare nothing and are not here.
TRIALS = (
    ("ketamine-met-alcohol", "as-published"),
    ("kare", "as-published"),
    ("ketamine-mbrp-cocaine-replication", "as-flagship"),
    ("ketamine-cocaine-crossover", "as-published"),
    ("ketamine-cocaine-crossover-2014", "one-world"),
    ("ketamine-kpt-heroin-dose", "one-world"),
    ("ketamine-kpt-heroin-repeated", "as-published"),
    ("ketamine-depression-withdrawal", "one-world"),
)
PAGE = Path(__file__).resolve().parents[1] / "docs" / "bundled-trials.md"
BEGIN, END = "<!-- generated: levels -->", "<!-- end: levels -->"
TESTS = ("primary", "secondary", "exploratory", "supportive", "sensitivity")


def shown(estimate: Any) -> str:
    """A share of trials in per cent with its interval."""
    return f"{100 * estimate.value:.1f} ({100 * estimate.lower:.1f} to {100 * estimate.upper:.1f})"


def rows_of(name: str, scenario: str, replicates: int, seed: int) -> list[str]:
    """Lines of the table for one trial."""
    protocol = read_protocol(name)
    run = power(protocol, scenarios=[scenario, f"{scenario}+null"], replicates=replicates, seed=seed)
    planned, without = run.cells
    assert without.is_null
    null = {summary.row.id: summary for summary in without.rows}
    out = []
    for summary in planned.rows:
        other = null.get(summary.row.id)
        if summary.row.kind != "main" or summary.significant is None or other is None or other.significant is None:
            continue
        level = summary.row.alpha_two_sided
        null_share = other.significant
        holds = "**no**" if null_share.lower > level else "stays below" if null_share.upper < level else "yes"
        line = f"{summary.row.id}{' (primary)' if summary.row.level == 'primary' else ''}"
        cells = [f"`{name}`", line, summary.row.estimator, shown(summary.significant), shown(other.significant), holds]
        out.append("| " + " | ".join(cells) + " |")
    return out


def main() -> None:
    """Print the table, or write it into the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--replicates", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--trial", action="append", help="one trial alone; may be given several times")
    parser.add_argument("--write", action="store_true", help="write the table into the page")
    given = parser.parse_args()
    lines = [
        f"{given.replicates:,} trials each, seed {given.seed}, two-sided 5 % unless the plan says otherwise: "
        f"`python benchmarks/sister_levels.py --replicates {given.replicates} --write`. "
        "In brackets 95 % Monte Carlo intervals.",
        "",
        "| trial | line of the plan | estimator | significant, per cent | without effect, per cent | holds its level |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name, scenario in TRIALS:
        if not given.trial or name in given.trial:
            found = rows_of(name, scenario, given.replicates, given.seed)
            print("\n".join(found), flush=True)
            lines += found
    if given.write:
        text = PAGE.read_text("utf-8")
        before, _, rest = text.partition(BEGIN)
        _, _, after = rest.partition(END)
        PAGE.write_text(f"{before}{BEGIN}\n\n" + "\n".join(lines) + f"\n\n{END}{after}", "utf-8", newline="\n")


if __name__ == "__main__":
    main()
