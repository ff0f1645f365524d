"""Strata: limits and tests never disagree, and the order of strata, or of empty ones among them, changes nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from equipoise.stats.strata import (
    StratifiedTables,
    cochran_mantel_haenszel,
    mantel_haenszel_difference,
    stratified_newcombe,
    stratified_newcombe_test,
    stratified_score,
    stratified_score_difference,
    stratified_score_tails,
)

STRATUM = st.tuples(st.integers(1, 12), st.integers(1, 12)).flatmap(
    lambda n: st.tuples(st.integers(0, n[0]), st.just(n[0]), st.integers(0, n[1]), st.just(n[1]))
)


@settings(max_examples=40, deadline=None)
@given(strata=st.lists(STRATUM, min_size=2, max_size=5), value=st.floats(-0.8, 0.8), level=st.sampled_from([0.9, 0.95]))
def test_tests_and_limits_agree_and_order_does_not_matter(strata, value, level) -> None:
    columns = list(zip(*strata))
    tables = StratifiedTables.of(*columns)
    backwards = StratifiedTables.of(*((*column[::-1], 0) for column in columns))
    for function in (mantel_haenszel_difference, stratified_newcombe, stratified_score_difference):
        for end in ("estimate", "ci_lower", "ci_upper"):
            pair = [float(getattr(function(t, level=level), end)[0]) for t in (tables, backwards)]
            assert pair[0] == pytest.approx(pair[1], abs=1e-8, nan_ok=True)
    tail = (1 - level) / 2
    above, below = stratified_score_tails(tables, value)
    implied = stratified_newcombe_test(tables, value)
    for fit, p_above, p_below in (
        (stratified_score_difference(tables, level=level), above, below),
        (stratified_newcombe(tables, level=level), implied, 1 - implied),
    ):
        for limit, p, sign in ((fit.ci_lower[0], p_above[0], 1), (fit.ci_upper[0], p_below[0], -1)):
            if np.isfinite(p) and abs(limit - value) > 1e-8:
                assert (sign * (limit - value) > 0) == (p < tail)
    test = cochran_mantel_haenszel(tables)
    if np.isfinite(test.statistic[0]):
        assert float(stratified_score(tables, 0.0)[0]) ** 2 == pytest.approx(float(test.statistic[0]), abs=1e-9)
