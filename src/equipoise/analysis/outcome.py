"""The answer of one estimator for a batch of trials, before it is told which trial is whose."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from equipoise.protocol.vocabulary.scales import SCALES
from equipoise.stats.codes import FitCode

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """Arrays with one entry a trial; NaN where not estimable, with a code in ``codes`` saying why.

    ``estimate`` and limits are on the named scale (ratios are exponentiated); ``standard_error`` is on the log of it
    for ratios.
    """

    estimator: str
    scale: str
    estimate: Floats
    standard_error: Floats
    ci_lower: Floats
    ci_upper: Floats
    statistic: Floats
    df: Floats
    p_value: Floats
    n_analysed: Ints
    n_events: Ints
    n_missed: Ints
    codes: NDArray[np.uint32]
    method: str = ""
    event: str | None = None
    arm: str | None = None
    reference: str | None = None
    suffix: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)

    def warning_slugs(self, trial: int = 0) -> tuple[str, ...]:
        """Published names of the codes of one trial."""
        return FitCode(int(self.codes[trial])).slugs()


def number(values: Floats, trial: int) -> float | None:
    """One entry as a plain number; ``None`` for NaN and infinity, which never leave the room."""
    value = float(values[trial])
    return value if np.isfinite(value) else None


def nothing(n: int) -> Floats:
    """An array of NaN."""
    return np.full(n, np.nan)


def from_coefficient(
    *,
    estimator: str,
    scale: str,
    coefficient: Floats,
    standard_error: Floats,
    level: float,
    codes: NDArray[np.uint32],
    n_analysed: Ints,
    n_events: Ints,
    n_missed: Ints,
    df: Floats | None = None,
    **more: Any,
) -> Outcome:
    """Wald statistic, limits and p value of a coefficient; t with ``df`` where given, otherwise normal.

    On a ratio scale the coefficient is its logarithm.
    """
    n = coefficient.shape[0]
    ratio = SCALES[scale].is_ratio
    if df is None:
        quantile: Any = special.ndtri(0.5 + level / 2)
        statistic = coefficient / standard_error
        p = 2.0 * special.ndtr(-np.abs(statistic))
        degrees = nothing(n)
    else:
        degrees = df
        quantile = special.stdtrit(df, 0.5 + level / 2)
        statistic = coefficient / standard_error
        p = 2.0 * special.stdtr(df, -np.abs(statistic))
    lower, upper = coefficient - quantile * standard_error, coefficient + quantile * standard_error
    change = np.exp if ratio else np.asarray
    return Outcome(
        estimator=estimator,
        scale=scale,
        estimate=change(coefficient),
        standard_error=standard_error,
        ci_lower=change(lower),
        ci_upper=change(upper),
        statistic=statistic,
        df=degrees,
        p_value=p,
        n_analysed=n_analysed,
        n_events=n_events,
        n_missed=n_missed,
        codes=codes,
        **more,
    )
