"""Rates against a margin: the test is the likelihood ratio whose profile interval is given."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from equipoise.analysis.counts import _ratio_tails
from equipoise.stats.counts import CountModel, fit_counts, profile_counts


@pytest.mark.parametrize("family", ["poisson", "negative-binomial"])
@pytest.mark.parametrize("empty", [False, True])
def test_at_its_limits_a_rate_ratio_has_the_tails_of_its_level(family, empty) -> None:
    rng = np.random.default_rng(1)
    arm = np.repeat([0.0, 1.0], 30)
    y = rng.negative_binomial(2, 0.4, 60) * (1.0 - arm if empty else 1.0)
    design, offsets, exposure = np.column_stack([np.ones(60), arm]), np.array([0, 60]), rng.uniform(1, 3, 60)
    fits = fit_counts(y, design, offsets, exposure=exposure, model=CountModel(family))
    limits = profile_counts(fits, y, design, offsets, exposure=exposure, level=0.9)
    data = SimpleNamespace(y=y, design=design, offsets=offsets, exposure=exposure)
    _, below = _ratio_tails(data, fits, float(limits.ci_upper[0]), 0.9)  # type: ignore[arg-type]
    assert float(below[0]) == pytest.approx(0.05, abs=1e-8)
    if not empty:
        above, _ = _ratio_tails(data, fits, float(limits.ci_lower[0]), 0.9)  # type: ignore[arg-type]
        assert float(above[0]) == pytest.approx(0.05, abs=1e-8)
