"""Strata, clusters and the proportional-hazards test together, against R 4.2.2, survival 3.5-3.

Script: tests/reference/cox_strata/make.R; the rows it drew are beside it. R printed twelve digits.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from equipoise.stats.cox import fit_cox
from equipoise.stats.zph import proportional_hazards_test

ROWS = pl.read_csv(Path(__file__).parent / "cox_strata" / "rows.csv")
DESIGN = ROWS.select("x", "z").to_numpy().astype(float)
TIME, EVENT, STRATA, CLUSTER = (ROWS[name].to_numpy() for name in ("t", "e", "s", "id"))


def test_stratified_coefficients_with_naive_and_clustered_errors() -> None:
    fits = fit_cox(TIME, EVENT, DESIGN, [0, 60], strata=STRATA, cluster=CLUSTER)
    assert fits.coefficients[0] == pytest.approx([-0.1414855430600, 0.4245844945017], rel=1e-8)
    assert fits.standard_errors[0] == pytest.approx([0.3057742718515, 0.1685813767146], rel=1e-8)
    assert fits.robust_errors[0] == pytest.approx([0.2435641732118, 0.0976198125472], rel=1e-8)


def test_the_stratified_proportional_hazards_test_and_its_residuals() -> None:
    test = proportional_hazards_test(TIME, EVENT, DESIGN, [0, 60], strata=STRATA)
    assert test.statistic[0] == pytest.approx([0.624830631633, 2.030847804738], rel=1e-8)
    assert test.statistic_global[0] == pytest.approx(2.424164059329, rel=1e-8)
    assert test.scaled_residuals[0] == pytest.approx([-2.016034054726, -0.242214815033], rel=1e-8)
    assert np.sum(test.scaled_residuals**2, axis=0) == pytest.approx([189.3701923615, 53.5676292489], rel=1e-8)
