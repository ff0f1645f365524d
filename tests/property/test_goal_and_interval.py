"""A test against a goal and the interval beside it, on drawn counts."""

from __future__ import annotations

from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st

from equipoise.stats.goal import exact_goal_test
from equipoise.stats.risk import clopper_pearson, wilson


@given(n=st.integers(1, 80), share=st.floats(0, 1), goal=st.floats(0.02, 0.98), level=st.sampled_from([0.9, 0.95]))
def test_p_values_and_their_intervals_never_disagree(n: int, share: float, goal: float, level: float) -> None:
    x = round(share * n)
    test = exact_goal_test(x, n, goal)
    for limits, p in ((clopper_pearson(x, n, level=level), test.p_value), (wilson(x, n, level=level), test.p_score)):
        outside = (goal < limits.ci_lower) | (goal > limits.ci_upper)
        if abs(float(p[0]) - (1 - level)) > 1e-9:
            assert bool(outside) == bool(p[0] < 1 - level)
    tail = sum(comb(n, k) * goal**k * (1 - goal) ** (n - k) for k in range(x, n + 1))
    assert test.p_greater[0] == pytest.approx(tail, rel=1e-9, abs=1e-300)
