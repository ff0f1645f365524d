"""What must hold of any spending function and any boundary."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import equipoise.stats.design.stagewise as stagewise
from equipoise.stats.design.group_sequential import Boundary, characterize, efficacy_design, futility_design
from equipoise.stats.design.spending import SpendingFunction

SPENDING = st.one_of(
    st.just(SpendingFunction("lan-demets-obrien-fleming")),
    st.just(SpendingFunction("lan-demets-pocock")),
    st.floats(0.2, 8.0).map(lambda rho: SpendingFunction("kim-demets", rho)),
    st.floats(-12.0, 12.0).map(lambda gamma: SpendingFunction("hwang-shih-decani", gamma)),
)
LOOKS = st.lists(st.integers(2, 99), min_size=1, max_size=4, unique=True).map(
    lambda whole: [*sorted(w / 100 for w in whole), 1.0]
)


@given(SPENDING, st.floats(0.001, 0.2))
def test_spending_never_falls_and_the_last_look_spends_all(spending: SpendingFunction, total: float) -> None:
    spent = spending.spent(np.linspace(0.0, 1.0, 201), total)
    assert spent[0] == 0.0
    assert (np.diff(spent) >= 0.0).all()
    assert spent[-1] == pytest.approx(total, rel=1e-12)
    assert spending.spent(1.3, total) == pytest.approx(total, rel=1e-12)


@settings(max_examples=40, deadline=None)
@given(LOOKS, SPENDING, st.sampled_from([1, 2]))
def test_boundaries_spend_what_the_function_says(looks: list[float], spending: SpendingFunction, sides: int) -> None:
    boundary = Boundary(spending.family, spending.parameter)
    design = efficacy_design(looks, alpha_one_sided=0.025, boundary=boundary, sides=sides)
    wanted = sides * spending.spent(looks, 0.025)
    # Root-finding to 1e-13 in z, so rounding of sums of a few hundred terms is all that is left.
    assert design.alpha_spent == pytest.approx(wanted, abs=1e-11)


@settings(max_examples=15, deadline=None)
@given(LOOKS, SPENDING, st.booleans(), st.sampled_from([0.8, 0.9]))
def test_futility_designs_have_their_power_and_keep_their_level(
    looks: list[float], spending: SpendingFunction, is_binding: bool, power: float
) -> None:
    design = futility_design(
        looks,
        alpha_one_sided=0.025,
        power=power,
        boundary=Boundary("lan-demets-obrien-fleming"),
        beta_spending=spending,
        is_binding=is_binding,
    )
    assert design.planned_drift is not None
    at_plan = design.operate(design.planned_drift)
    assert at_plan.reject.sum() == pytest.approx(power, abs=1e-10)
    assert np.cumsum(at_plan.futility)[:-1] == pytest.approx(spending.spent(looks, 1 - power)[:-1], abs=1e-10)
    assert (design.futility_z[:-1] <= design.critical_z[:-1]).all()
    assert design.alpha_spent[-1] == pytest.approx(0.025, abs=1e-10)
    # Obeying futility can only lower the probability of rejecting under the null.
    assert design.power(0.0) <= 0.025 + 1e-10


def test_panels_half_as_wide_give_the_same_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = [0.1, 0.13, 0.5, 0.52, 0.9, 1.0]

    def compute() -> np.ndarray:
        design = efficacy_design(looks, alpha_one_sided=0.025, boundary=Boundary("pocock"), sides=2)
        found = characterize(design, 0.9)
        return np.concatenate([design.critical_z, [found.shift, found.asn_h1], found.under_h1.reject])

    coarse = compute()
    monkeypatch.setattr(stagewise, "_PANEL", 0.7)
    assert coarse == pytest.approx(compute(), abs=1e-11)


@pytest.mark.parametrize(
    ("boundary", "sides"),
    [
        (Boundary("lan-demets-obrien-fleming"), 1),
        (Boundary("lan-demets-pocock"), 2),
        (Boundary("kim-demets", 2.0), 1),
        (Boundary("hwang-shih-decani", -4.0), 2),
    ],
)
def test_the_simulated_error_of_a_normal_endpoint_is_the_spending_at_each_look(boundary: Boundary, sides: int) -> None:
    # 80 participants, 1:1, unit variance known; looks at 24, 52 and 80. Data are drawn one participant at a time.
    n_looks, n_replicates = np.array([24, 52, 80]), 100_000
    design = efficacy_design(n_looks / 80, alpha_one_sided=0.025, boundary=boundary, sides=sides)
    rng = np.random.default_rng(20_190_624)
    outcome = rng.standard_normal((n_replicates, 80))
    signed = np.cumsum(outcome * np.where(np.arange(80) % 2 == 1, 1.0, -1.0), axis=1)
    z = signed[:, n_looks - 1] / np.sqrt(n_looks)
    crossed = (z >= design.critical_z) | ((z <= -design.critical_z) if sides == 2 else False)
    by_look = np.maximum.accumulate(crossed, axis=1).mean(axis=0)
    wanted = sides * SpendingFunction(boundary.kind, boundary.parameter).spent(n_looks / 80, 0.025)
    # 4 standard errors: 12 comparisons, fixed seed.
    assert (np.abs(by_look - wanted) <= 4 * np.sqrt(wanted * (1 - wanted) / n_replicates)).all()


def test_the_simulated_power_of_a_normal_endpoint_is_the_integrals() -> None:
    looks = np.array([0.3, 0.65, 1.0])
    design = efficacy_design(looks, alpha_one_sided=0.025, boundary=Boundary("lan-demets-pocock"))
    drift, n_replicates = design.drift_for(0.8), 100_000
    rng = np.random.default_rng(7)
    steps = np.diff(looks, prepend=0.0)
    walk = np.cumsum(drift * steps + np.sqrt(steps) * rng.standard_normal((n_replicates, 3)), axis=1)
    crossed = walk / np.sqrt(looks) >= design.critical_z
    first = np.array([(crossed[:, k] & ~crossed[:, :k].any(axis=1)).mean() for k in range(3)])
    wanted = design.operate(drift).reject
    assert (np.abs(first - wanted) <= 4 * np.sqrt(wanted * (1 - wanted) / n_replicates)).all()
