"""Exact comparison of two Poisson rates, given all events. Methods: ``docs/methods/counts.md``, (CT-9)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from equipoise.stats.codes import FitCode, mark
from equipoise.stats.packing import FloatArray
from equipoise.stats.risk import clopper_pearson
from equipoise.stats.wald import CodeArray


@dataclass(frozen=True)
class ExactRates:
    """Rate ratio, experimental over reference, with exact limits; each array is (n,)."""

    rate_ratio: FloatArray
    ci_lower: FloatArray
    ci_upper: FloatArray
    p_value: FloatArray  # twice the smaller tail, as the limits go; at most 1
    p_lower: FloatArray  # one-sided, the experimental rate lower
    codes: CodeArray


def exact_rate_ratio(
    events: ArrayLike, exposure: ArrayLike, events_reference: ArrayLike, exposure_reference: ArrayLike, *, level: float
) -> ExactRates:
    """Of all events the share in the experimental arm is binomial; its limits are turned into those of the rate ratio.

    It supposes Poisson counts: where counts vary more it is too narrow. No events, or no exposure: NaN and a code.

    Source: Przyborowski and Wilenski (1940), Biometrika 31:313-323; Clopper and Pearson (1934) for the limits.
    """
    a, b = np.atleast_1d(np.asarray(events, np.float64)), np.atleast_1d(np.asarray(events_reference, np.float64))
    s, t = np.atleast_1d(np.asarray(exposure, np.float64)), np.atleast_1d(np.asarray(exposure_reference, np.float64))
    codes = np.zeros(a.shape[0], dtype=np.uint32)
    bad = ~((a >= 0) & (b >= 0) & (s > 0) & (t > 0) & np.isfinite(s + t))
    mark(codes, bad, FitCode.NON_FINITE_INPUT | FitCode.NOT_ESTIMABLE)
    mark(codes, ~bad & (a + b == 0), FitCode.NO_EVENTS | FitCode.NOT_ESTIMABLE)
    usable = codes == 0
    n = np.where(usable, a + b, 1.0)
    share = clopper_pearson(np.where(usable, a, 0.0), n, level=level)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio, lower, upper = (
            np.where(usable, odds * t / s, np.nan)
            for odds in (a / b, share.ci_lower / (1.0 - share.ci_lower), share.ci_upper / (1.0 - share.ci_upper))
        )
        chance = s / (s + t)
    below = np.where(usable, special.bdtr(a, np.where(usable, n, 1).astype(np.int64), chance), np.nan)
    above = np.where(usable & (a > 0), 1.0 - special.bdtr(np.maximum(a - 1, 0), n.astype(np.int64), chance), 1.0)
    p = np.where(usable, np.minimum(1.0, 2.0 * np.minimum(below, above)), np.nan)
    return ExactRates(ratio, lower, upper, p, below, codes)
