"""The answer of one estimator for a batch of trials, before it is told which trial is whose."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from equipoise.protocol.language.margins import MarginBounds
from equipoise.protocol.vocabulary.scales import SCALES
from equipoise.stats.codes import FitCode
from equipoise.stats.wald import CodeArray as Codes

if TYPE_CHECKING:
    from equipoise.stats.marginal import MarginalEffects

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
# A stated effect -> one-sided p values of the true one lying above it, and below it.
Against = Callable[[float], tuple[Floats, Floats]]


@dataclass(frozen=True)
class MarginTest:
    """Of each trial: how an effect stands to its margins."""

    bounds: MarginBounds
    p_above: Floats | None  # one-sided, of the effect lying above the lower margin
    p_below: Floats | None  # one-sided, of the effect lying below the upper one
    p_no_difference: Floats  # two-sided, of no effect at all

    @property
    def p_one_sided(self) -> Floats:
        """The p value of what is to be shown; of equivalence the larger of the two."""
        there = [p for p in (self.p_above, self.p_below) if p is not None]
        return there[0] if len(there) == 1 else np.maximum(*there)


@dataclass(frozen=True)
class Posterior:
    """Of each trial: the probability, given its data, that the effect is better than ``more_than``.

    Success where it exceeds ``threshold``; ``is_above`` says that better is above.
    """

    probability: Floats
    more_than: float
    threshold: float
    is_above: bool

    @property
    def is_success(self) -> NDArray[np.bool_]:
        """(n_trials,); no probability is no success."""
        with np.errstate(invalid="ignore"):
            return np.asarray(self.probability > self.threshold)


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
    left_out: tuple[str, ...] = ()
    """Levels and covariates that the model of the one trial went without, in words."""
    remarks: tuple[str, ...] = ()
    """What else the row of the one trial says of itself: keys of ``stats.codes.REMARKS``."""
    details: Mapping[str, Any] = field(default_factory=dict)
    against: Against | None = None
    """The test of a stated effect where it is not Wald's, by the principle of the limits."""
    margin: MarginTest | None = None
    posterior: Posterior | None = None
    """Of a line that borrows: what its rule of success is about."""

    def warning_slugs(self, trial: int = 0) -> tuple[str, ...]:
        """Published names of the codes of one trial, and of values at the end of their scale."""
        code = FitCode(int(self.codes[trial]))
        out = []
        for slug in code.slugs():
            named = slug == FitCode.NUISANCE_LEFT_OUT.slug and self.left_out
            out.append(f"{slug}: {', '.join(self.left_out)}" if named else slug)
        value = float(self.estimate[trial])
        if self.scale in SCALES and SCALES[self.scale].is_ratio and (value == 0.0 or value == np.inf):
            out.append("estimate-infinite" if value else "estimate-zero")
        if self.scale == "survival_probability" and value in (0.0, 1.0):
            out.append("probability-one" if value else "probability-zero")
        if self.scale == "cumulative_incidence" and value in (0.0, 1.0):
            out.append("incidence-one" if value else "incidence-zero")
        return (*out, *self.remarks)


def number(values: Floats, trial: int) -> float | None:
    """One entry as a plain number; ``None`` for NaN and infinity, which never leave the room."""
    value = float(values[trial])
    return value if np.isfinite(value) else None


def end_of_scale(
    outcome: Outcome, direction: int, limit: Floats, statistic: Floats, p_value: Floats, words: str = ""
) -> Outcome:
    """A ratio at the end of its scale: infinite (``direction`` 1) or zero (-1), with the limit that is finite.

    ``limit`` is on the logarithm; ``statistic`` and ``p_value`` are of the likelihood-ratio test, on 1 df.
    """
    end = np.full_like(outcome.estimate, np.inf if direction > 0 else 0.0)
    known = np.exp(limit)
    codes = outcome.codes & ~np.uint32(FitCode.NOT_ESTIMABLE)
    method = outcome.method.replace("Wald limits", "profile likelihood limit and likelihood-ratio test")
    return replace(
        outcome,
        estimate=end,
        standard_error=nothing(end.shape[0]),
        ci_lower=known if direction > 0 else end,
        ci_upper=end if direction > 0 else known,
        statistic=statistic,
        df=np.ones_like(end),
        p_value=p_value,
        against=None,
        codes=np.where(np.isnan(known), codes | np.uint32(FitCode.LIMIT_NOT_FOUND), codes).astype(np.uint32),
        method=method + words,
    )


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
    df: Floats | None = None,
    **more: Any,
) -> Outcome:
    """Wald statistic, limits and p value of a coefficient; t with ``df`` where given, otherwise normal.

    On a ratio scale the coefficient is its logarithm. ``more`` are the fields of an outcome that do not hang on it.
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
        **more,
    )


def averaged_over(main: Outcome, effect: MarginalEffects, *, level: float, over: str, codes: Codes) -> Outcome:
    """The row of the marginal odds ratio below that of a model with random effects, its risks among the details."""
    return from_coefficient(
        estimator=main.estimator,
        scale="odds_ratio",
        coefficient=effect.log_odds_ratio,
        standard_error=effect.log_odds_ratio_se,
        level=level,
        codes=codes,
        n_analysed=main.n_analysed,
        n_events=main.n_events,
        n_missed=main.n_missed,
        event=main.event,
        arm=main.arm,
        reference=main.reference,
        suffix=".marginal",
        method=f"marginal odds ratio of the same model: probabilities averaged over {over}",
        details={
            "risk": effect.risk_experimental,
            "risk_reference": effect.risk_control,
            "risk_difference": effect.risk_difference,
            "risk_difference_se": effect.risk_difference_se,
        },
    )


def from_test(*, estimator: str, statistic: Floats, p_value: Floats, df: Floats | None = None, **more: Any) -> Outcome:
    """A test that estimates no effect: a statistic with its p value, and degrees of freedom where it has some.

    ``more`` are the fields of an outcome that do not hang on it.
    """
    unknown = nothing(statistic.shape[0])
    return Outcome(
        estimator=estimator,
        scale="test",
        estimate=unknown,
        standard_error=unknown,
        ci_lower=unknown,
        ci_upper=unknown,
        statistic=statistic,
        df=unknown if df is None else df,
        p_value=p_value,
        **more,
    )
