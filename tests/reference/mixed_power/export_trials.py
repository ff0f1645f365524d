"""Two hundred simulated trials of the flagship as words, for refits by R; run once, with refit.R after it.

    python tests/reference/mixed_power/export_trials.py

A row is a participant: trial, arm (1 ketamine), route (1 the poorer outlook), a letter a visit: ``+`` use, ``-`` none,
``o`` not seen. ``weeks.csv`` holds the week of each visit, the time of the model.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from equipoise.design.scenarios import build_scenario, resolve_scenario
from equipoise.endpoints.derivation import derive_endpoint
from equipoise.simulation.day_level import simulate_day_level
from equipoise.simulation.lattice import SimulatedLattice
from equipoise.workflow import read_protocol

HERE = Path(__file__).resolve().parent
TRIALS, SEED = 200, 5


def main() -> None:
    """Write trials.csv and weeks.csv."""
    protocol = read_protocol("ketamine-mbrp-cocaine")
    scenario = build_scenario(protocol, resolve_scenario(protocol, "for-power")[0])
    trials = simulate_day_level(scenario.design, scenario.parameters, seed=SEED, replicates=TRIALS)
    derived = derive_endpoint(SimulatedLattice(protocol, scenario, trials), "use-over-time")
    assert derived.values is not None
    assert derived.visit_weeks is not None
    letters = np.where(np.isnan(derived.values), "o", np.where(derived.values > 0, "+", "-"))
    words = ["".join(row) for row in letters]
    n = trials.arm.shape[1]
    lines = ["trial,arm,route,word"]
    for i, word in enumerate(words):
        lines.append(f"{i // n},{int(trials.arm.ravel()[i])},{int(trials.poor_route.ravel()[i])},{word}")
    (HERE / "trials.csv").write_text("\n".join(lines) + "\n", "utf-8", newline="\n")
    weeks = ["visit,week", *(f"{v + 1},{week:.17g}" for v, week in enumerate(derived.visit_weeks))]
    (HERE / "weeks.csv").write_text("\n".join(weeks) + "\n", "utf-8", newline="\n")


if __name__ == "__main__":
    main()
