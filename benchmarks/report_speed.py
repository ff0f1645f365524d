"""How long a report takes: document, HTML and PDF, on the flagship and on the shipped trial.

The first time in a process (templates are compiled, fonts are read) and the best of three after it. Peer: matplotlib,
which the figures do without; its import and one plain figure are timed in the same run, in a process of their own.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import equipoise
from _report import Report, finish

PEER = """
import io, time
start = time.perf_counter()
from matplotlib.figure import Figure
from matplotlib.backends.backend_svg import FigureCanvasSVG
imported = time.perf_counter()
figure = Figure(figsize=(7, 4.5))
FigureCanvasSVG(figure)
figure.add_axes([0.1, 0.3, 0.8, 0.6]).step(range(30), range(30))
figure.savefig(io.BytesIO(), format="svg")
print(imported - start, time.perf_counter() - imported)
"""


def seconds(do: Callable[[], Any]) -> float:
    """Seconds of one call."""
    start = time.perf_counter()
    do()
    return time.perf_counter() - start


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    as_json = parser.parse_args().json
    report = Report()
    for name, seed in (("ketamine-mbrp-cocaine", 1), ("smoking-cessation", None)):
        protocol = equipoise.read_protocol(name)
        if seed is None:
            from equipoise.workflow.verbs import get_records

            records = get_records(protocol, records=None, seed=None, scenario=None)
        else:
            records = equipoise.simulate(protocol, seed=seed)
        results = equipoise.analyse(protocol, records)

        def whole() -> None:
            document = equipoise.report(protocol, records, results)  # noqa: B023
            document.to_html()
            document.to_pdf()

        report.add(f"{name}: report, first in the process", seconds(whole), "s")
        report.add(f"{name}: report, best of three after", min(seconds(whole) for _ in range(3)), "s", at_most=2.0)
        document = equipoise.report(protocol, records, results)
        report.add(f"{name}: HTML", len(document.to_html()) / 1000, "kB")
        report.add(f"{name}: PDF", len(document.to_pdf()) / 1000, "kB")
    done = subprocess.run([sys.executable, "-c", PEER], capture_output=True, text=True, check=False)
    if done.returncode == 0:
        imported, drawn = (float(part) for part in done.stdout.split())
        report.add("peer: import of matplotlib's SVG backend", imported, "s")
        report.add("peer: one plain figure by matplotlib", drawn, "s")
    else:
        report.notes.append("matplotlib is not installed: the peer was not timed")
    return finish(report, as_json=as_json, title="Reports")


if __name__ == "__main__":
    raise SystemExit(main())
