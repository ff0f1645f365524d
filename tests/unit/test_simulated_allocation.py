"""Simulated trials are allocated by the schemes of the running trial; where none is named nothing has changed."""

from __future__ import annotations

from collections import Counter
from functools import cache

import numpy as np
import pytest

from equipoise.analysis.analyse import analyse_records
from equipoise.foundation.errors import SimulationError
from equipoise.foundation.seeds import uniforms
from equipoise.protocol import Protocol
from equipoise.protocol.language.facts import Fact
from equipoise.randomization.generator import Draw
from equipoise.randomization.minimization import Minimization
from equipoise.simulation.allocate import allocate, site_numbers
from equipoise.simulation.day_level import SimulatedTrials, simulate_day_level
from equipoise.simulation.purposes import Purpose
from equipoise.simulation.scenario import Scenario, read_scenario
from equipoise.simulation.simulate import simulate
from equipoise.workflow import read_protocol

SEED, REPLICATES = 11, 40
SITES = ("north", "south", "west")
SCHEMES = (
    "permuted-blocks",
    "big-stick",
    "complete",
    "efron",
    "chen",
    "wei-urn",
    "minimization",
    "random-allocation-rule",
    "truncated-binomial",
)


@cache
def flagship() -> Protocol:
    return read_protocol("ketamine-mbrp-cocaine")


def by(scheme: str, strata: tuple[str, ...] = (), ratio: int = 1) -> Protocol:
    model = flagship().model
    changes = {"scheme": Fact(value=scheme), "strata": Fact(value=strata or None)}
    randomization = model.randomization.model_copy(update={**changes, "ratio": {"midazolam": 1, "ketamine": ratio}})
    model = model.model_copy(update={"randomization": randomization, "sites": SITES})
    return Protocol(model, lines=flagship().lines, text=flagship().text, definitions=flagship().definitions)


def drawing(u: np.ndarray) -> Draw:
    return lambda slot, purpose, bound: int(u[slot - 1] * bound)


def trials(scenario: Scenario, replicates: int = REPLICATES) -> SimulatedTrials:
    return simulate_day_level(scenario.design, scenario.parameters, seed=SEED, replicates=replicates)


def test_blocks_without_strata_and_no_scheme_at_all_are_what_they_were():
    assumed = read_scenario(flagship(), "as-published")
    assert assumed.design.allocation is None
    stated = read_scenario(by("permuted-blocks"), "as-published")
    assert stated.design.allocation is None
    sizes = [arm.n for arm in assumed.design.arms]
    expected = allocate(SEED, np.arange(REPLICATES), sizes, [1, 1])
    assert (trials(assumed).arm == expected).all()
    assert ((expected == 0).sum(axis=1) == sizes[0]).all()


# Blocks without strata keep to the planned numbers of the arms; minimization is tried over factors.
CASES = [
    (scheme, strata)
    for scheme in SCHEMES
    for strata in ((), ("route",), ("site", "route"))
    if strata or scheme not in ("permuted-blocks", "minimization")
]


@pytest.mark.parametrize(("scheme", "strata"), CASES)
def test_each_replicate_has_the_list_that_the_scheme_itself_makes_from_the_same_numbers(scheme, strata):
    scenario = read_scenario(by(scheme, strata), "for-power")
    plan, n = scenario.design.allocation, scenario.design.n_participants
    assert plan is not None
    assert plan.factors == strata
    made = trials(scenario)
    people = np.arange(n)
    for r in range(0, REPLICATES, 5):
        u = uniforms(SEED, r, people, 0, Purpose.ALLOCATION)
        levels = {
            "route": made.poor_route[r].astype(int),
            "site": site_numbers(uniforms(SEED, r, people, 0, Purpose.SITE), len(SITES)),
        }
        if isinstance(plan.scheme, Minimization):
            history: list[tuple[dict[str, str], int]] = []
            for i in range(n):
                person = {name: str(levels[name][i]) for name in strata}
                history.append((person, plan.scheme.next_arm(drawing(u), history, person)))
            assert made.arm[r].tolist() == [arm for _, arm in history]
            continue
        for stratum in set(zip(*(levels[name] for name in strata), strict=True)) if strata else {()}:
            mine = np.array([i for i in range(n) if tuple(levels[name][i] for name in strata) == stratum])
            arms = plan.scheme.arms(drawing(u[mine]), len(mine))
            assert made.arm[r, mine].tolist() == arms


def test_strata_are_balanced_and_stand_in_the_records():
    records = simulate(by("permuted-blocks", ("site", "route")), seed=3, scenario="for-power")
    allocations = records["allocations"]
    people = {row["participant_id"]: row for row in records["participants"].to_dicts()}
    per_stratum: dict[str, Counter[str]] = {}
    for row in allocations.to_dicts():
        person = people[row["participant_id"]]
        assert row["stratum"] == f"route {person['route']}, site {person['site']}"
        per_stratum.setdefault(row["stratum"], Counter())[row["arm"]] += 1
    assert len(per_stratum) >= 4
    assert all(abs(count["ketamine"] - count["midazolam"]) <= 2 for count in per_stratum.values())
    assert {person["site"] for person in people.values()} - {None} == set(SITES)
    details = records.source.details["allocation"]
    assert details == {
        "scheme": "permuted-blocks",
        "parameters": {"block-sizes": [4]},
        "factors": ["site", "route"],
        "factors_not_simulated": [],
    }


def test_such_a_trial_is_analysed_like_any_other():
    protocol = by("big-stick", ("route",))
    results = analyse_records(protocol, simulate(protocol, seed=5, scenario="for-power"))
    primary = next(id for id, line in protocol.model.analyses.items() if line.level == "primary")
    assert results[primary].estimate is not None


def test_a_factor_that_is_not_simulated_is_named():
    scenario = read_scenario(by("big-stick", ("sex", "route")), "for-power")
    assert scenario.design.allocation.factors == ("route",)
    assert scenario.design.allocation.left_out == ("sex",)


@pytest.mark.parametrize(("scheme", "ratio"), [("efron", 2), ("minimization", 2), ("complete", 2)])
def test_a_scheme_that_does_not_go_with_the_ratio_or_the_numbers_is_refused(scheme, ratio):
    # Complete randomization may be 1:2; then the arms cannot be simulated with 27 and 28.
    with pytest.raises(SimulationError) as error:
        read_scenario(by(scheme, (), ratio), "as-published")
    assert {problem.code for problem in error.value.problems} == {"S030"}
