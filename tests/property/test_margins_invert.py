"""A margin lies outside an interval exactly where the one-sided test against it rejects: every method, drawn tables."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, special

from equipoise.stats.exact import TwoByTwo, exact_tails, fisher_exact
from equipoise.stats.risk import newcombe_difference, newcombe_ratio, newcombe_test, score_comparison, score_test
from equipoise.stats.score import restricted_difference, restricted_odds, restricted_ratio

TABLES = st.tuples(st.integers(1, 60), st.integers(1, 60)).flatmap(
    lambda n: st.tuples(st.integers(0, n[0]), st.just(n[0]), st.integers(0, n[1]), st.just(n[1]))
)


def agree(fits, above, below, value: float, level: float) -> None:
    tail = (1.0 - level) / 2.0
    lower, upper = float(fits.ci_lower[0]), float(fits.ci_upper[0])
    for limit, p, sign in ((lower, float(above[0]), 1.0), (upper, float(below[0]), -1.0)):
        # Where the margin is the limit to the last digits either may be.
        if np.isfinite(p) and np.isfinite(limit) and abs(limit - value) > 1e-9 * max(1.0, abs(limit)):
            assert (sign * (limit - value) > 0) == (p < tail), (limit, p)


@settings(max_examples=40, deadline=None)
@given(table=TABLES, value=st.floats(-0.95, 0.95), level=st.sampled_from([0.9, 0.95]), corrected=st.booleans())
def test_differences(table, value, level, corrected) -> None:
    given_ = TwoByTwo.of(*table)
    test = score_test(given_, "risk_difference", value, corrected=corrected)
    if sum(table[1::2]) > 2:  # of two people there is no variance with the factor N / (N - 1) to speak of
        fits = score_comparison(given_, "risk_difference", corrected=corrected, level=level)
        agree(fits, test.p_greater, test.p_less, value, level)
    above = newcombe_test(given_, "risk_difference", value)
    agree(newcombe_difference(*table, level=level), above, 1.0 - above, value, level)


@settings(max_examples=40, deadline=None)
@given(table=TABLES, value=st.floats(0.05, 20.0), level=st.sampled_from([0.9, 0.95]), corrected=st.booleans())
def test_ratios(table, value, level, corrected) -> None:
    given_ = TwoByTwo.of(*table)
    for scale in ("risk_ratio", "odds_ratio"):
        test = score_test(given_, scale, value, corrected=corrected)
        fits = score_comparison(given_, scale, corrected=corrected, level=level)
        agree(fits, test.p_greater, test.p_less, value, level)
    agree(fisher_exact(*table, level=level), *exact_tails(given_, value), value, level)
    if table[0] > 0:
        above = newcombe_test(given_, "risk_ratio", value)
        agree(newcombe_ratio(*table, level=level), above, 1.0 - above, value, level)


@settings(max_examples=40, deadline=None)
@given(table=TABLES, value=st.floats(-0.9, 0.9), ratio=st.floats(0.1, 10.0))
def test_restricted_risks_are_likeliest(table, value, ratio) -> None:
    """Closed forms against a search over the control risk."""
    cells = tuple(np.array([float(count)]) for count in table)
    x0, n0, x1, n1 = (float(cell[0]) for cell in cells)

    def log_likelihood(p0: float, p1: float) -> float:
        p0, p1 = min(max(p0, 0.0), 1.0), min(max(p1, 0.0), 1.0)
        control = special.xlogy(x0, p0) + special.xlog1py(n0 - x0, -p0)
        return float(control + special.xlogy(x1, p1) + special.xlog1py(n1 - x1, -p1))

    def check(restricted, at: float, other, low: float, high: float) -> None:
        r0, r1 = (float(risk[0]) for risk in restricted(*cells, np.array([at])))
        assert r1 == pytest.approx(other(r0), abs=1e-9)
        found = optimize.minimize_scalar(
            lambda p: -log_likelihood(p, other(p)), bounds=(low, high), method="bounded", options={"xatol": 1e-12}
        )
        best = max(-found.fun, log_likelihood(low, other(low)), log_likelihood(high, other(high)))
        # The search stops a little before an end at which the likelihood is greatest.
        assert log_likelihood(r0, r1) >= best - 1e-6 * (1.0 + abs(best))

    check(restricted_difference, value, lambda p: p + value, max(0.0, -value), min(1.0, 1.0 - value))
    check(restricted_odds, ratio, lambda p: p * ratio / (1.0 + p * (ratio - 1.0)), 0.0, 1.0)
    if x0 + x1 > 0:
        check(restricted_ratio, ratio, lambda p: p * ratio, 0.0, min(1.0, 1.0 / ratio))
