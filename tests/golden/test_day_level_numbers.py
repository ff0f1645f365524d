"""Same code, same numbers: the model at a fixed seed against what it gave before."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

import day_level_same_numbers as golden
from benchmarks.published_flagship import analyse_as_published, summarize

NUMBERS = json.loads(golden.FILE.read_text(encoding="utf-8"))
REPLICATES = 400


@pytest.mark.parametrize("scenario", golden.SCENARIOS)
def test_the_same_seed_gives_the_same_trials_to_the_last_cell(scenario):
    found = golden.digest(golden.simulate(scenario, golden.DIGEST_REPLICATES))
    assert found == NUMBERS[scenario]["digests"], (
        "streams or parameters changed: see tests/golden/day_level_same_numbers.py"
    )
    marks = golden.simulate(scenario, 2).craving.sum(axis=(1, 2)).tolist()
    assert marks == NUMBERS[scenario]["craving_marks"]


@pytest.mark.parametrize("scenario", golden.SCENARIOS)
def test_means_stay_within_four_monte_carlo_standard_errors_whatever_the_streams(scenario):
    # Other replicates than those of the file, so this would hold after a change of streams too.
    trials = golden.simulate(scenario, range(10_000, 10_000 + REPLICATES))
    means, before = summarize(analyse_as_published(trials)), NUMBERS[scenario]["means"]
    for name, spread in golden.SPREAD.items():
        if scenario == "null" and name.startswith(("abstinent", "relapsed", "six")):
            spread = 0.1  # shares near one half spread more
        error = spread * math.sqrt(1 / REPLICATES + 1 / golden.MEAN_REPLICATES)
        is_ratio = "_or" in name or "_hr" in name or name.endswith("ratio")
        gap = math.log(means[name] / before[name]) if is_ratio else means[name] - before[name]
        assert abs(gap) <= 4 * error, (name, means[name], before[name])
