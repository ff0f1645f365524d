"""Two looks solved by a second route: the bivariate normal distribution of (Z1, Z2), correlation sqrt(t1)."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import integrate, special, stats

from equipoise.stats.design.group_sequential import (
    Boundary,
    characterize,
    design_with_spent,
    efficacy_design,
    futility_design,
)
from equipoise.stats.design.spending import SpendingFunction

# Adaptive quadrature of a smooth integrand in one variable; asked for 1e-12, so 1e-10 is safe.
CLOSE = 1e-10


def two_look_error(t1: float, c1: float, c2: float, drift: float, sides: int) -> float:
    """P(cross at either look): P(cross at 1) + integral over the continuation region of P(cross at 2 | Z1)."""
    root, rest = np.sqrt(t1), np.sqrt(1.0 - t1)
    mean = drift * root

    def second(z: float) -> float:
        ahead = special.ndtr(-(c2 - root * z - drift * (1 - t1)) / rest)
        if sides == 2:
            ahead += special.ndtr((-c2 - root * z - drift * (1 - t1)) / rest)
        return float(np.exp(-0.5 * (z - mean) ** 2) / np.sqrt(2 * np.pi) * ahead)

    low = -c1 if sides == 2 else mean - 12.0
    first = special.ndtr(mean - c1) + (special.ndtr(-c1 - mean) if sides == 2 else 0.0)
    return float(first + integrate.quad(second, low, c1, epsabs=1e-13, epsrel=1e-12, limit=400)[0])


@pytest.mark.parametrize("sides", [1, 2])
@pytest.mark.parametrize(
    "boundary",
    [
        Boundary("pocock"),
        Boundary("obrien-fleming"),
        Boundary("wang-tsiatis", 0.25),
        Boundary("haybittle-peto"),
        Boundary("lan-demets-obrien-fleming"),
        Boundary("lan-demets-pocock"),
        Boundary("kim-demets", 3.0),
        Boundary("hwang-shih-decani", -4.0),
    ],
)
def test_two_looks_keep_the_level_by_one_dimensional_quadrature(boundary: Boundary, sides: int) -> None:
    design = efficacy_design([0.4, 1.0], alpha_one_sided=0.025, boundary=boundary, sides=sides)
    error = two_look_error(0.4, design.critical_z[0], design.critical_z[1], 0.0, sides)
    assert error == pytest.approx(sides * 0.025, abs=CLOSE)


def test_power_under_a_drift_is_that_of_the_quadrature() -> None:
    design = efficacy_design([0.4, 1.0], alpha_one_sided=0.025, boundary=Boundary("pocock"))
    assert design.power(2.9) == pytest.approx(
        two_look_error(0.4, design.critical_z[0], design.critical_z[1], 2.9, 1), abs=CLOSE
    )


def test_pococks_constant_for_two_looks_solves_the_bivariate_normal() -> None:
    # P(|Z1| < c, |Z2| < c) = 0.95 with correlation sqrt(1/2): scipy's Genz integration, good to about 1e-8.
    design = efficacy_design([0.5, 1.0], alpha_one_sided=0.025, boundary=Boundary("pocock"), sides=2)
    c, rho = design.critical_z[0], np.sqrt(0.5)
    normal = stats.multivariate_normal([0, 0], [[1, rho], [rho, 1]], abseps=1e-10, releps=1e-10)
    inside = normal.cdf([c, c]) - 2 * normal.cdf([c, -c]) + normal.cdf([-c, -c])
    assert inside == pytest.approx(0.95, abs=1e-7)


def test_one_look_is_the_fixed_test() -> None:
    design = efficacy_design([1.0], alpha_one_sided=0.025, boundary=Boundary("lan-demets-pocock"))
    assert design.critical_z[0] == pytest.approx(1.959963984540054, abs=1e-12)
    found = characterize(design, 0.8)
    assert found.inflation_factor == pytest.approx(1.0, abs=1e-12)
    # (1.95996 + 0.84162)^2
    assert found.shift == pytest.approx(7.848879734, abs=1e-8)


def test_the_first_critical_value_is_the_quantile_of_what_is_spent() -> None:
    design = efficacy_design([0.5, 1.0], alpha_one_sided=0.025, boundary=Boundary("kim-demets", 2.0))
    assert design.critical_z[0] == pytest.approx(-special.ndtri(0.025 / 4), abs=1e-12)


def test_stated_spending_gives_the_same_values_as_the_family_that_states_it() -> None:
    family = efficacy_design([0.3, 0.7, 1.0], alpha_one_sided=0.025, boundary=Boundary("lan-demets-pocock"))
    stated = design_with_spent([0.3, 0.7, 1.0], SpendingFunction("lan-demets-pocock").spent([0.3, 0.7, 1.0], 0.025))
    assert stated.critical_z == pytest.approx(family.critical_z, abs=1e-12)


def futility_quadrature(t1: float, c1: float, f1: float, c2: float, drift: float) -> tuple[float, float]:
    """P(reject) and P(not reject) for two looks with a futility stop below f1, by quadrature."""
    root, rest, mean = np.sqrt(t1), np.sqrt(1.0 - t1), drift * np.sqrt(t1)

    def second(z: float) -> float:
        tail = special.ndtr(-(c2 - root * z - drift * (1 - t1)) / rest)
        return float(np.exp(-0.5 * (z - mean) ** 2) / np.sqrt(2 * np.pi) * tail)

    reject = special.ndtr(mean - c1) + integrate.quad(second, f1, c1, epsabs=1e-13, limit=400)[0]
    return float(reject), float(1.0 - reject)


@pytest.mark.parametrize("is_binding", [False, True])
def test_futility_spends_beta_and_the_level_holds(is_binding: bool) -> None:
    beta = SpendingFunction("hwang-shih-decani", -2.0)
    design = futility_design(
        [0.5, 1.0],
        alpha_one_sided=0.025,
        power=0.9,
        boundary=Boundary("lan-demets-obrien-fleming"),
        beta_spending=beta,
        is_binding=is_binding,
    )
    (c1, c2), f1 = design.critical_z, design.futility_z[0]
    drift = design.planned_drift
    assert drift is not None
    # At the first look the futility bound is the quantile of beta's first step about the drift's mean.
    assert f1 == pytest.approx(drift * np.sqrt(0.5) + special.ndtri(float(beta.spent(0.5, 0.1))), abs=1e-10)
    assert futility_quadrature(0.5, c1, f1, c2, drift)[1] == pytest.approx(0.1, abs=CLOSE)
    obeyed = futility_quadrature(0.5, c1, f1, c2, 0.0)[0]
    if is_binding:
        assert obeyed == pytest.approx(0.025, abs=CLOSE)
    else:
        assert two_look_error(0.5, c1, c2, 0.0, 1) == pytest.approx(0.025, abs=CLOSE)
        assert obeyed < 0.025


def test_the_average_size_adds_up_the_stops() -> None:
    design = efficacy_design([0.5, 1.0], alpha_one_sided=0.025, boundary=Boundary("obrien-fleming"))
    found = characterize(design, 0.8)
    early = special.ndtr(np.sqrt(found.shift * 0.5) - design.critical_z[0])
    assert found.under_h1.reject[0] == pytest.approx(early, abs=1e-12)
    assert found.asn_h1 == pytest.approx(found.inflation_factor * (1 - 0.5 * early), abs=1e-12)


@pytest.mark.parametrize(
    ("looks", "words"),
    [
        ([0.5, 0.4, 1.0], "look 2 at 0.4 follows 0.5"),
        ([0.5, 0.5, 1.0], "look 2 at 0.5 follows 0.5"),
        ([0.0, 1.0], "look 1 at 0"),
        ([0.5, 0.9], "last look must be at information 1"),
        ([], "list of numbers|last look"),
    ],
)
def test_looks_out_of_order_are_refused(looks: list[float], words: str) -> None:
    with pytest.raises((ValueError, IndexError), match=words):
        efficacy_design(looks, alpha_one_sided=0.025, boundary=Boundary("pocock"))


def test_interim_values_that_spend_more_than_the_level_are_refused() -> None:
    with pytest.raises(ValueError, match="of a level of"):
        efficacy_design([0.5, 1.0], alpha_one_sided=0.001, boundary=Boundary("haybittle-peto"))


def test_spending_that_falls_is_refused() -> None:
    with pytest.raises(ValueError, match="never fall"):
        design_with_spent([0.5, 1.0], [0.02, 0.01])
