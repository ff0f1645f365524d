"""A random site in a balanced trial, where the mixed model is the analysis of variance by hand.

Three sites, two participants of each arm at each:

====  ===========  ============  =========
site  reference    experimental  site mean
====  ===========  ============  =========
a      10, 12       13, 17       13
b      20, 24       26, 30       25
c      14, 16       21, 21       18
====  ===========  ============  =========

Arms: 96/6 = 16 and 128/6 = 64/3; the difference is 16/3. Sum of squares about the mean 56/3: total 4588 - 12 (56/3)^2 =
406.667; between sites 4 (32.111 + 40.111 + 0.444) = 290.667; of the arm 3 (16/3)^2 = 85.333; within 30.667 = 92/3 on
12 - 3 - 1 = 8 degrees of freedom, so that the mean square is 3.83333. The variance of the difference is 2 x 3.83333 / 6
and its degrees of freedom are 8. Between sites the mean square is 290.667 / 2 = 145.333, so the variance of sites is
(145.333 - 3.83333) / 4 = 35.375.
"""

from __future__ import annotations

import numpy as np
import pytest

from equipoise.stats.linear_mixed import fit_linear_mixed

Y = [10, 12, 13, 17, 20, 24, 26, 30, 14, 16, 21, 21]
ARM = [0, 0, 1, 1] * 3


def test_the_mixed_model_is_the_analysis_of_variance() -> None:
    design = np.column_stack([np.ones(12), ARM]).astype(float)
    fits = fit_linear_mixed(np.array(Y, dtype=float), design, [0, 4, 8, 12], [0, 3])
    assert fits.coefficients[0, 1] == pytest.approx(16 / 3, rel=1e-9)
    assert fits.sd_residual[0] ** 2 == pytest.approx(92 / 3 / 8, rel=1e-9)
    assert fits.sd_intercept[0] ** 2 == pytest.approx(35.375, rel=1e-9)
    assert fits.standard_errors[0, 1] == pytest.approx(np.sqrt(2 * 92 / 3 / 8 / 6), rel=1e-9)
    assert fits.df[0, 1] == pytest.approx(8.0, rel=1e-6)
