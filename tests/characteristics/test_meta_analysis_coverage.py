"""How often intervals of pooled effects hold the truth: the table of docs/methods/meta_analysis.md."""

from __future__ import annotations

import numpy as np
import pytest

from equipoise.stats.meta.inverse_variance import fit_random, prediction_interval

pytestmark = pytest.mark.characteristics
TRIALS = 2000  # a Monte Carlo error of 0.5 points at 95%


def coverage(k: int, tau2: float, seed: int) -> dict[str, float]:
    rng = np.random.default_rng(seed)
    held = dict.fromkeys(("z", "hartung-knapp", "hartung-knapp-guarded", "prediction"), 0)
    for _ in range(TRIALS):
        v = rng.uniform(0.05, 0.8, k)
        y = rng.normal(0.3, np.sqrt(tau2 + v))
        for test in ("z", "hartung-knapp", "hartung-knapp-guarded"):
            fit = fit_random(y, v, test=test)
            held[test] += fit.ci_lower <= 0.3 <= fit.ci_upper
        low, high = prediction_interval(fit_random(y, v))
        held["prediction"] += low <= rng.normal(0.3, np.sqrt(tau2)) <= high
    return {name: count / TRIALS for name, count in held.items()}


@pytest.mark.parametrize("k", [4, 10])
@pytest.mark.parametrize("tau2", [0.0, 0.3])
def test_hartung_knapp_holds_its_level_and_the_guard_never_loses_it(k, tau2, record_property):
    found = coverage(k, tau2, seed=1000 * k + round(10 * tau2))
    for name, value in found.items():
        record_property(name, value)
    print(k, tau2, found)
    assert abs(found["hartung-knapp"] - 0.95) < 0.02  # four Monte Carlo errors
    assert found["hartung-knapp-guarded"] >= found["hartung-knapp"]
    assert found["hartung-knapp-guarded"] > 0.94
    if tau2 > 0:
        assert found["z"] < found["hartung-knapp"]  # normal limits are too short with few unlike studies
