"""Type I error of looks by the plan's own analysis, in trials without an effect (table of docs/methods/looks.md)."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "unit"))
from test_plan_looks import THIRD_ARM, THREE, run

pytestmark = pytest.mark.characteristics

N = 4000
CASES = {
    "logistic, pocock": ("analyses: [abstinence], at: [0.5, 1], boundary: pocock", 0.05, {}),
    "mixed model, pocock": ("analyses: [mood], at: [0.5, 1], boundary: pocock", 0.05, {}),
    "cox, pocock": ("analyses: [relapse], at: [0.5, 1], planned: 50, boundary: pocock", 0.05, {}),
    "logistic, binding futility": (
        "analyses: [abstinence], at: [0.5, 1], futility: {rule: beta-spending, binding: true}",
        0.025,
        {},
    ),
    "logistic, size re-estimated": (
        "analyses: [abstinence], at: [0.5, 1], re-estimation: {target-power: 0.9, most: 200}",
        0.025,
        {},
    ),
    "logistic, worse arm dropped": (
        "analyses: [abstinence, abstinence-more], at: [0.5, 1], drop-arms: {keep: 1}",
        0.025,
        {"assumed": THREE, "changes": THIRD_ARM},
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_the_level_holds(name):
    plan, level, more = CASES[name]
    found = run(plan, scenario="planned+null", replicates=N, **more)
    print(f"{name}: {100 * found.rejected:.2f} ({100 * found.rejected_error:.2f}) of {100 * level:g}")
    assert found.rejected < level + 3 * math.sqrt(level * (1 - level) / N)
