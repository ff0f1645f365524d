"""What every set of assumptions of the flagship returns, against bands of acceptance.

The sets themselves are found by `equipoise calibrate` (docs/methods/calibration.md); this prints what they return for
the published quantities and for some that no source gives. Run:

    python benchmarks/fit_day_level.py [--json] [--replicates 2000] [--seed 20190624]
"""

from __future__ import annotations

import argparse
import json
import math
import platform
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

from benchmarks.published_flagship import analyse_as_published, summarize

import equipoise.simulation
from equipoise.protocol import read_protocol
from equipoise.simulation.day_level import simulate_day_level
from equipoise.simulation.scenario import Scenario, read_scenario

# Acceptance for means of 2,000 replicates: (lowest, highest).
BANDS: dict[str, dict[str, tuple[float, float]]] = {
    "both": {
        "abstinent_experimental": (0.46, 0.50),
        "abstinent_reference": (0.095, 0.125),
        "relapsed_experimental": (0.555, 0.605),
        "relapsed_reference": (0.915, 0.945),
        "six_months_experimental": (0.42, 0.47),
        "six_months_reference": (0.0, 0.02),
        "nobody_at_six_months": (0.60, 1.0),
        "use_or_median": (6.6, 9.3),
        "craving_ratio": (0.40, 0.44),
        "separated": (0.0, 0.06),
        "recovered_experimental": (0.03, 0.09),
        "recovered_reference": (0.03, 0.09),
        "abstinence_se_median": (0.755 * 0.85, 0.755 * 1.15),
        "use_se_median": (0.837 * 0.85, 0.837 * 1.15),
        "relapse_se_median": (0.343 * 0.85, 0.343 * 1.15),
        "craving_se_median": (0.341 * 0.85, 0.341 * 1.15),
    },
    "as-published": {
        "abstinence_or_median": (5.1, 6.5),
        "relapse_hr": (0.36, 0.43),
        "relapse_hr_visit_breslow": (0.41, 0.50),
    },
    "for-power": {"abstinence_or_median": (6.5, 8.8), "relapse_hr": (0.33, 0.39)},
    "null": {
        "abstinence_or_firth": (0.95, 1.05),
        "use_or_median": (0.95, 1.05),
        "relapse_hr": (0.95, 1.05),
        "craving_ratio": (0.95, 1.05),
    },
}


def bands(scenario: str) -> dict[str, tuple[float, float]]:
    shared = {} if scenario == "null" else BANDS["both"]
    return {**shared, **BANDS.get(scenario, {})}


def obtained(scenario: Scenario, seed: int, replicates: int) -> dict[str, float]:
    trials = simulate_day_level(scenario.design, scenario.parameters, seed=seed, replicates=replicates)
    return summarize(analyse_as_published(trials))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--replicates", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=20190624)
    args = parser.parse_args()
    bundled = Path(equipoise.simulation.__file__).parent.parent / "protocols"
    protocol = read_protocol(bundled / "ketamine-mbrp-cocaine.yaml")
    rows: list[dict[str, Any]] = []
    for name in protocol.model.assumptions:
        scenario = read_scenario(protocol, name)
        limits = bands(name)
        for key, value in obtained(scenario, args.seed, args.replicates).items():
            low, high = limits.get(key, (-math.inf, math.inf))
            target = f"{low:.4g} to {high:.4g}" if key in limits else None
            rows.append(
                {"name": f"{name}: {key}", "value": value, "unit": "", "target": target, "ok": low <= value <= high}
            )
    report = {
        "ok": all(row["ok"] for row in rows),
        "machine": platform.platform(),
        "versions": {"python": platform.python_version(), "equipoise": metadata.version("equipoise")},
        "replicates": args.replicates,
        "seed": args.seed,
        "rows": rows,
    }
    if args.json:
        print(json.dumps(report, indent=1))
    else:
        for row in rows:
            mark = "" if row["target"] is None else ("ok" if row["ok"] else "OUTSIDE")
            print(f"{row['name']:<45} {row['value']:8.4f}  {row['target'] or '':<18} {mark}")
    return 0 if report["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
