"""Named changes of assumptions: each does to the simulated trials what its words say."""

from __future__ import annotations

import numpy as np
import pytest

from equipoise.design.scenarios import CHANGES, build_scenario, is_null, resolve_scenario
from equipoise.foundation.errors import DesignError
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


# ---------------------------------------------------------------------------------------------------------------------
# Changes of sets of parts


def _course(protocol, scenario: str):
    from equipoise.simulation.parts.course import run_course

    made = build_scenario(protocol, resolve_scenario(protocol, scenario)[0])
    return run_course(made, seed=1, replicates=range(60))


@pytest.mark.parametrize("name", ["dropout-informative", "dropout-uninformative"])
def test_dropout_of_parts_depends_on_use_or_not_and_as_many_are_lost(name: str) -> None:
    protocol = read_protocol("ketamine-met-alcohol")
    before, after = (_course(protocol, s) for s in ("as-published", f"as-published+{name}"))
    n = before.n
    # Both solved over a pilot to within 0.2 points, then drawn.
    assert after.is_gone.mean() == pytest.approx(before.is_gone.mean(), abs=0.01 + 4 * np.sqrt(2 * 0.1 / n))
    use = after.use["alcohol"].mean(axis=1)
    gone, stayed = use[after.is_gone].mean(), use[~after.is_gone].mean()
    assert gone > 1.7 * stayed if name == "dropout-informative" else gone == pytest.approx(stayed, rel=0.25)


def test_effects_of_parts_fade_after_the_last_dose() -> None:
    protocol = read_protocol("kare")
    lasting, fading = (_course(protocol, s) for s in ("as-published", "as-published+effect-fades"))
    both = lasting.arm == protocol.arm_ids.index("ketamine-therapy")
    early, late = slice(17, 24), slice(120, 180)
    use = [course.use["alcohol"][both] for course in (lasting, fading)]
    assert use[0][:, early].mean() == pytest.approx(use[1][:, early].mean(), abs=0.08)
    assert use[1][:, late].mean() > use[0][:, late].mean() + 0.05


@pytest.mark.parametrize(
    ("trial", "name"),
    [
        ("ketamine-kpt-heroin-repeated", "effect-fades"),
        ("ketamine-kpt-heroin-repeated", "under-reporting"),
        ("ketamine-cocaine-crossover", "dropout-informative"),
        ("kare", "unblinding"),
        ("kare", "covariate-imbalance"),
    ],
)
def test_a_change_that_a_set_of_parts_has_nothing_for_is_refused(trial: str, name: str) -> None:
    with pytest.raises(DesignError, match="D016"):
        resolve_scenario(read_protocol(trial), name)


def test_a_replicate_of_parts_comes_back_as_the_trial_that_was_counted() -> None:
    from equipoise.analysis.analyse import analyse_records
    from equipoise.workflow.power import power, replay

    protocol = read_protocol("ketamine-cocaine-crossover")
    records = replay(protocol, 3, scenarios=["as-published+null"], seed=4)
    assert records.source.protocol_hash == protocol.hash
    found = analyse_records(protocol, records)["choices"]
    made = power(protocol, replicates=5, scenarios=["as-published+null"], seed=4, out=None)
    assert made.cells[0]["choices"].n_replicates == 5
    from equipoise.design.batch import Task, run_task

    task = Task(protocol, resolve_scenario(protocol, "as-published+null")[0], 4, 0, 5)
    result = run_task(task)
    row = next(k for k, row in enumerate(result.rows) if row.id == "choices")
    assert result.arrays["estimate"][row, 3] == pytest.approx(found.estimate, rel=1e-9)
    assert result.arrays["p_value"][row, 3] == pytest.approx(found.p_value, rel=1e-6)


def test_power_and_false_positives_stand_side_by_side_and_a_level_that_is_not_held_is_said() -> None:
    from dataclasses import replace

    from equipoise.design.operating import Cell, run_cells
    from equipoise.design.summary import wilson_share
    from equipoise.reporting.document import Callout, Table
    from equipoise.reporting.power_report import level_table

    protocol = read_protocol("ketamine-cocaine-crossover")
    cells = [Cell(resolve_scenario(protocol, name)[0], {}) for name in ("as-published", "null")]
    world, null = run_cells(protocol, cells, replicates=40, seed=1)
    table, *rest = level_table(protocol, world, null)
    assert isinstance(table, Table)
    first = "Choices of cocaine: difference of means (mixed model)"
    assert table.rows[0].cells[0] == first
    assert len(table.rows) == len([row for row in world.rows if row.significant is not None])
    assert not rest
    loose = tuple(replace(s, significant=wilson_share(12, 100)) if s.row.id == "choices" else s for s in null.rows)
    said = level_table(protocol, world, replace(null, rows=loose))[-1]
    assert isinstance(said, Callout)
    assert first in str(said)
