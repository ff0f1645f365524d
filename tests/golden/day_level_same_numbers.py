"""Write ``day_level_numbers.json``: what the day-level model gave when its random streams were last changed on purpose.

    python tests/golden/day_level_same_numbers.py

Run it only after a deliberate change of streams or parameters, once the test "within four Monte Carlo standard errors"
has passed against the old file.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
from benchmarks.published_flagship import analyse_as_published, summarize

import equipoise.simulation
from equipoise.protocol import read_protocol
from equipoise.simulation.day_level import SimulatedTrials, simulate_day_level
from equipoise.simulation.scenario import read_scenario

HERE = Path(__file__).resolve().parent
FILE = HERE / "day_level_numbers.json"
SEED, DIGEST_REPLICATES, MEAN_REPLICATES = 20190624, 25, 2000
SCENARIOS = ("as-published", "for-power", "null")
LATTICES = (
    "arm",
    "poor_route",
    "true_use",
    "calendar",
    "urine",
    "attended",
    "gone_from",
    "abstinent",
    "says_abstinent",
)
# Standard deviations between single trials (design notes, section 4, and 2,000 replicates here); logs for ratios.
SPREAD = {
    "abstinent_reference": 0.061,
    "abstinent_experimental": 0.097,
    "relapsed_reference": 0.047,
    "relapsed_experimental": 0.098,
    "six_months_reference": 0.021,
    "six_months_experimental": 0.096,
    "abstinence_or_firth": 0.81,
    "relapse_hr": 0.375,
    "relapse_hr_visit_breslow": 0.32,
    "use_or": 1.03,
    "craving_ratio": 0.355,
}


def simulate(name: str, replicates: int | range) -> SimulatedTrials:
    bundled = Path(equipoise.simulation.__file__).parent.parent / "protocols"
    scenario = read_scenario(read_protocol(bundled / "ketamine-mbrp-cocaine.yaml"), name)
    return simulate_day_level(scenario.design, scenario.parameters, seed=SEED, replicates=replicates)


def digest(trials: SimulatedTrials) -> dict[str, str]:
    """SHA-256 of each lattice of whole numbers; the same on every machine."""
    return {
        name: hashlib.sha256(np.ascontiguousarray(getattr(trials, name)).view(np.uint8).tobytes()).hexdigest()
        for name in LATTICES
    }


def main() -> None:
    out = {}
    for name in SCENARIOS:
        trials = simulate(name, MEAN_REPLICATES)
        out[name] = {
            "digests": digest(simulate(name, DIGEST_REPLICATES)),
            "craving_marks": simulate(name, 2).craving.sum(axis=(1, 2)).tolist(),
            "means": summarize(analyse_as_published(trials)),
        }
    FILE.write_text(json.dumps(out, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
