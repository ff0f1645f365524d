"""Level and coverage of proportional odds and of pairs in small trials without effect, and coverage with one."""

from __future__ import annotations

import numpy as np
import pytest

from equipoise.stats.ordinal import fit_proportional_odds
from equipoise.stats.win_ratio import PairLevel, compare_pairs, net_benefit, win_ratio

pytestmark = pytest.mark.characteristics

N = 4000
ERROR = np.sqrt(0.05 * 0.95 / N)


def made(size, effect, seed):
    rng = np.random.default_rng(seed)
    arm = np.tile(np.repeat([0.0, 1.0], size), N)
    latent = rng.logistic(size=arm.size) + effect * arm
    return rng, arm, latent, np.arange(N + 1) * 2 * size


@pytest.mark.parametrize(("size", "effect"), [(12, 0.0), (40, 0.0), (40, 1.0)])
def test_proportional_odds_holds_its_level_and_covers(size, effect) -> None:
    _, arm, latent, offsets = made(size, effect, 1)
    y = np.searchsorted([-1.0, 0.5, 1.5], latent)
    found = fit_proportional_odds(y, arm[:, None], offsets)
    covered = (found.ci_lower <= effect) & (effect <= found.ci_upper)
    # Likelihood-ratio limits of 12 a side miss a little more often than they say.
    room = 0.015 if size == 12 else 0.004
    assert 0.95 - room - 3 * ERROR <= covered.mean() <= 0.975
    if effect == 0.0:
        assert (found.p_value < 0.05).mean() == pytest.approx(1 - covered.mean(), abs=0.002)
    else:
        assert found.standard_error.mean() == pytest.approx(
            found.coefficient[np.isfinite(found.coefficient)].std(), rel=0.05
        )


@pytest.mark.parametrize("size", [12, 40])
def test_pairs_hold_their_level(size) -> None:
    rng, arm, latent, offsets = made(size, 0.0, 2)
    time, event = rng.exponential(10, arm.size), rng.random(arm.size) < 0.5
    pairs = compare_pairs([PairLevel(time, event=event), PairLevel(np.floor(latent))], arm == 1, offsets)
    room = 0.025 if size == 12 else 0.01
    for found in (net_benefit(pairs), win_ratio(pairs)):
        rejected = (found.p_value < 0.05).mean()
        assert 0.02 <= rejected <= 0.05 + room + 3 * ERROR
