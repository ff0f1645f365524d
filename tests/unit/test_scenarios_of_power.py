"""Named changes of assumptions: each does to the simulated trials what its words say."""

from __future__ import annotations

import numpy as np
import pytest

from equipoise.design.scenarios import CHANGES, build_scenario, is_null, resolve_scenario
from equipoise.simulation.day_level import simulate_day_level
from equipoise.simulation.outcomes import time_to_relapse
from equipoise.workflow import read_protocol


@pytest.fixture(scope="module")
def protocol():
    return read_protocol("ketamine-mbrp-cocaine")


def scenario(protocol, text):
    return build_scenario(protocol, resolve_scenario(protocol, text)[0])


def trials(protocol, text, n=400):
    built = scenario(protocol, text)
    return simulate_day_level(built.design, built.parameters, seed=3, replicates=n)


def rates(found, first, last):
    """Events a participant at risk over days first to last of follow-up, reference and experimental arm."""
    times = time_to_relapse(found)
    at_risk = times.days >= first
    events = times.is_event & (times.days >= first) & (times.days <= last)
    return [float(events[found.arm == k].sum() / at_risk[found.arm == k].sum()) for k in (0, 1)]


@pytest.mark.parametrize("name", list(CHANGES))
def test_every_change_can_be_simulated_and_says_what_it_is(protocol, name):
    spec = resolve_scenario(protocol, f"for-power+{name}")[0]
    assert CHANGES[name][1] in spec.words
    assert trials(protocol, f"for-power+{name}", 2).arm.shape[1] == (27 if name == "fewer-sites" else 55)
    assert is_null(scenario(protocol, f"for-power+{name}")) == (name == "null")


def test_an_effect_that_fades_brings_the_hazards_together(protocol):
    ratios = {}
    for text in ("for-power", "for-power+effect-fades"):
        found = trials(protocol, text)
        early, late = rates(found, 1, 7), rates(found, 15, 28)
        ratios[text] = (early[1] / early[0], late[1] / late[0])
    # In the first week little has faded; later the ratio nears 1, where it stays away from it when the effect lasts.
    assert ratios["for-power+effect-fades"][0] < 0.75
    assert ratios["for-power+effect-fades"][1] > ratios["for-power"][1] + 0.25


def test_half_of_the_sites_are_half_of_the_participants_with_the_prognosis_kept(protocol):
    whole, half = (scenario(protocol, f"as-published{more}") for more in ("", "+fewer-sites"))
    assert (whole.design.arm_sizes, half.design.arm_sizes) == (
        {"midazolam": 28, "ketamine": 27},
        {"midazolam": 14, "ketamine": 13},
    )
    shares = [
        {arm: count / s.design.arm_sizes[arm] for arm, count in s.parameters.poor_route_counts.items()}
        for s in (whole, half)
    ]
    assert shares[1] == pytest.approx(shares[0], abs=1 / 13)


def test_the_published_change_is_the_set_itself(protocol):
    a, b = trials(protocol, "for-power", 3), trials(protocol, "for-power+published", 3)
    np.testing.assert_array_equal(a.true_use, b.true_use)
