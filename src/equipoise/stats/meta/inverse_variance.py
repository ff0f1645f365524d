"""Common-effect and random-effects meta-analysis by inverse variances. Methods: ``docs/methods/meta_analysis.md``.

>>> from equipoise.stats.meta.inverse_variance import fit_common, fit_random
>>> fit_common([0.0, 1.0], [1.0, 1.0]).estimate
0.5
>>> round(fit_random([0.0, 3.0], [1.0, 1.0], method="DL").tau2, 6)  # Q = 4.5; (4.5 - 1) / (2 - 1)
3.5
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from equipoise.stats.packing import FloatArray
from equipoise.stats.wald import chi_square_p

Tau2Method = Literal["REML", "PM", "DL", "ML", "SJ", "HE", "EB"]
TAU2_METHODS: dict[str, str] = {
    "REML": "restricted maximum likelihood",
    "PM": "Paule-Mandel",
    "DL": "DerSimonian-Laird",
    "ML": "maximum likelihood",
    "SJ": "Sidik-Jonkman",
    "HE": "Hedges",
    "EB": "empirical Bayes (equal to Paule-Mandel)",
}
Test = Literal["z", "hartung-knapp", "hartung-knapp-guarded"]


@dataclass(frozen=True)
class Pooled:
    """A pooled effect on the scale of its inputs. ``df`` is absent for normal limits."""

    estimate: float
    standard_error: float
    ci_lower: float
    ci_upper: float
    p_value: float
    level: float
    df: float | None
    tau2: float  # 0 for the common effect
    i2: float  # 0 to 1
    h2: float
    q: float
    q_df: int
    q_p: float
    weights: FloatArray  # (k,) sum to 1
    k: int
    method: str
    test: Test
    log_likelihood: float | None = None


@dataclass(frozen=True)
class MetaRegression:
    """Coefficients of a random-effects meta-regression, first the intercept where the design has one."""

    coefficients: FloatArray  # (p,)
    covariance: FloatArray  # (p, p)
    standard_errors: FloatArray
    p_values: FloatArray
    tau2: float  # what the covariates leave
    q_model: float  # of all columns but the first: chi-square, or F times its degrees of freedom under Hartung-Knapp
    q_residual: float
    r2: float  # share of tau2 that the covariates take away, 0 to 1


def _checked(effect: ArrayLike, variance: ArrayLike) -> tuple[FloatArray, FloatArray]:
    y, v = np.asarray(effect, dtype=np.float64), np.asarray(variance, dtype=np.float64)
    if y.ndim != 1 or y.shape != v.shape or y.shape[0] < 1:
        raise ValueError("effects and variances must be two vectors of one length")
    if not np.isfinite(y).all() or not np.isfinite(v).all() or (v <= 0).any():
        raise ValueError("effects must be finite and variances above 0")
    return y, v


def fit_common(effect: ArrayLike, variance: ArrayLike, *, level: float = 0.95) -> Pooled:
    """The effect that all studies share, (MA-7), with Cochran's Q and I2 from it.

    Assumes one true effect; the interval is too narrow where studies differ by more than chance.
    """
    y, v = _checked(effect, variance)
    k = y.shape[0]
    w = 1 / v
    estimate = float(w @ y / w.sum())
    q = float(w @ (y - estimate) ** 2)
    df = k - 1
    i2 = max(0.0, 1 - df / q) if q > 0 and df > 0 else 0.0
    h2 = q / df if df > 0 else math.nan
    error, lower, upper, p = _limits(estimate, 1 / float(w.sum()), level, None)
    return Pooled(
        estimate=estimate,
        standard_error=error,
        ci_lower=lower,
        ci_upper=upper,
        p_value=p,
        level=level,
        df=None,
        tau2=0.0,
        i2=i2,
        h2=h2,
        q=q,
        q_df=df,
        q_p=_q_p(q, df),
        weights=w / w.sum(),
        k=k,
        method="common effect",
        test="z",
    )


def fit_random(
    effect: ArrayLike,
    variance: ArrayLike,
    *,
    method: Tau2Method = "REML",
    test: Test = "z",
    level: float = 0.95,
) -> Pooled:
    """The mean of a normal distribution of true effects, (MA-8), between-study variance by ``method``.

    ``test`` ``hartung-knapp`` takes the spread of the studies about the mean for the error of the mean and Student's t
    with k - 1 degrees of freedom, (MA-15); ``hartung-knapp-guarded`` never lets that spread make the interval narrower
    than the normal one's error would (factor at least 1). I2 and H2 follow tau2, not Q. Needs two studies.

    Sources: DerSimonian and Laird (1986) Control Clin Trials 7:177; Paule and Mandel (1982) J Res NBS 87:377;
    Viechtbauer (2005) J Educ Behav Stat 30:261; Hartung and Knapp (2001) Stat Med 20:3875; Röver, Knapp and Friede
    (2015) BMC Med Res Methodol 15:99 for the guard.
    """
    y, v = _checked(effect, variance)
    if y.shape[0] < 2:
        raise ValueError("a random-effects analysis needs two studies")
    x = np.ones((y.shape[0], 1))
    tau2, log_likelihood = _estimate_tau2(y, v, x, method)
    w = 1 / (v + tau2)
    estimate = float(w @ y / w.sum())
    df = y.shape[0] - 1
    variance_of_mean = 1 / float(w.sum())
    if test != "z":
        spread = float(w @ (y - estimate) ** 2) / df
        variance_of_mean *= max(spread, 1.0) if test == "hartung-knapp-guarded" else spread
    typical = typical_variance(v)
    t_df = None if test == "z" else float(df)
    error, lower, upper, p = _limits(estimate, variance_of_mean, level, t_df)
    q = fit_common(y, v).q
    return Pooled(
        estimate=estimate,
        standard_error=error,
        ci_lower=lower,
        ci_upper=upper,
        p_value=p,
        level=level,
        df=t_df,
        tau2=tau2,
        i2=tau2 / (typical + tau2),
        h2=tau2 / typical + 1,
        q=q,
        q_df=df,
        q_p=_q_p(q, df),
        weights=w / w.sum(),
        k=y.shape[0],
        method=method,
        test=test,
        log_likelihood=log_likelihood,
    )


def typical_variance(variance: ArrayLike) -> float:
    """The typical sampling variance within studies that I2 compares tau2 with, (MA-13).

    Source: Higgins and Thompson (2002) Stat Med 21:1539.
    """
    w = 1 / np.asarray(variance, dtype=np.float64)
    return float((w.shape[0] - 1) * w.sum() / (w.sum() ** 2 - (w**2).sum()))


def _limits(estimate: float, variance: float, level: float, df: float | None) -> tuple[float, float, float, float]:
    """Standard error, limits and two-sided p by the normal distribution, or by t where ``df`` is given."""
    if not 0.0 < level < 1.0:
        raise ValueError(f"level must lie between 0 and 1, got {level}")
    error = math.sqrt(variance)
    tail = 0.5 * (1 - level)
    half = error * float(-special.ndtri(tail) if df is None else -special.stdtrit(df, tail))
    p = math.nan
    if error > 0:
        z = -abs(estimate / error)
        p = float(2 * (special.ndtr(z) if df is None else special.stdtr(df, z)))
    return error, estimate - half, estimate + half, p


def _q_p(q: float, df: int) -> float:
    return float(chi_square_p(np.asarray(q), df)) if df > 0 else math.nan


# ---------------------------------------------------------------------------------------------------------------------
# Variance between studies


def _fit_at(y: FloatArray, v: FloatArray, x: FloatArray, tau2: float) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Weights, inverse of X'WX, and residuals at a given tau2."""
    w = 1 / (v + tau2)
    inverse = np.asarray(np.linalg.inv((x.T * w) @ x), dtype=np.float64)
    return w, inverse, y - x @ (inverse @ (x.T @ (w * y)))


def generalised_q(y: FloatArray, v: FloatArray, x: FloatArray, tau2: float) -> float:
    """Sum of squared residuals with the weights of a given tau2, (MA-10); it falls as tau2 rises."""
    w, _, r = _fit_at(y, v, x, tau2)
    return float(w @ r**2)


def _log_likelihood(y: FloatArray, v: FloatArray, x: FloatArray, tau2: ArrayLike, *, restricted: bool) -> FloatArray:
    """Profile (restricted) log likelihood at one tau2 or at many."""
    k, p = x.shape
    w = 1 / (v + np.asarray(tau2, dtype=np.float64)[..., None])
    information = np.einsum("...k,ki,kj->...ij", w, x, x)
    beta = np.linalg.solve(information, np.einsum("...k,ki,k->...i", w, x, y)[..., None])[..., 0]
    value = 0.5 * np.log(w).sum(axis=-1) - 0.5 * (w * (y - beta @ x.T) ** 2).sum(axis=-1)
    if not restricted:
        return np.asarray(value - 0.5 * k * math.log(2 * math.pi))
    constant = 0.5 * float(np.linalg.slogdet(x.T @ x)[1]) - 0.5 * (k - p) * math.log(2 * math.pi)
    return np.asarray(value + constant - 0.5 * np.linalg.slogdet(information)[1])


def _score(y: FloatArray, v: FloatArray, x: FloatArray, tau2: float, *, restricted: bool) -> float:
    """Twice the derivative of the (restricted) log likelihood in tau2."""
    w, inverse, r = _fit_at(y, v, x, tau2)
    trace = float(w.sum())
    if restricted:
        trace -= float(np.trace(inverse @ ((x.T * w**2) @ x)))
    return float((w**2) @ r**2) - trace


def _estimate_tau2(y: FloatArray, v: FloatArray, x: FloatArray, method: str) -> tuple[float, float | None]:
    """The variance between studies, never below 0, and the maximised log likelihood where there is one."""
    k, p = x.shape
    if method in ("REML", "ML"):
        tau2 = _maximise(y, v, x, restricted=method == "REML")
        return tau2, float(_log_likelihood(y, v, x, tau2, restricted=method == "REML"))
    if method in ("PM", "EB"):
        return _solve_q(y, v, x, float(k - p)), None
    if method == "DL":
        w, inverse, r = _fit_at(y, v, x, 0.0)
        trace = float(w.sum() - np.trace(inverse @ ((x.T * w**2) @ x)))
        return max(0.0, (float(w @ r**2) - (k - p)) / trace), None
    hat = x @ np.linalg.inv(x.T @ x) @ x.T
    r = y - hat @ y
    if method == "HE":
        return max(0.0, float(r @ r - v.sum() + np.trace(hat @ np.diag(v))) / (k - p)), None
    if method == "SJ":
        start = float(((y - y.mean()) ** 2).sum()) / k
        return (start * generalised_q(y, v, x, start) / (k - p) if start > 0 else 0.0), None
    raise ValueError(f"method must be one of {tuple(TAU2_METHODS)}, got {method!r}")


def _upper_bound(y: FloatArray, v: FloatArray) -> float:
    """More than any estimate of tau2 can be: the squared range of effects, and the largest variance, tenfold."""
    return 10.0 * float(np.ptp(y) ** 2 + v.max())


def _maximise(y: FloatArray, v: FloatArray, x: FloatArray, *, restricted: bool) -> float:
    """The highest maximum at tau2 >= 0: a grid finds its neighbourhood (there can be several), the score its place."""
    from scipy import optimize  # takes long to load

    grid = np.concatenate([[0.0], np.geomspace(1e-6 * float(v.min()), _upper_bound(y, v), 200)])
    best = int(_log_likelihood(y, v, x, grid, restricted=restricted).argmax())
    low, high = float(grid[max(best - 1, 0)]), float(grid[min(best + 1, len(grid) - 1)])

    def score(tau2: float) -> float:
        return _score(y, v, x, tau2, restricted=restricted)

    slope_low, slope_high = score(low), score(high)
    if best == 0 and slope_low <= 0:
        return 0.0
    if slope_low <= 0 or slope_high >= 0:
        return float(grid[best])
    return float(optimize.brentq(score, low, high, xtol=1e-15, rtol=8.9e-16, maxiter=500))


def _solve_q(y: FloatArray, v: FloatArray, x: FloatArray, target: float) -> float:
    """The tau2 at which the generalised Q is ``target``; 0 where it is below that from the start."""
    from scipy import optimize  # takes long to load

    if generalised_q(y, v, x, 0.0) <= target:
        return 0.0
    high = _upper_bound(y, v)
    while generalised_q(y, v, x, high) > target:
        high *= 10
    return float(
        optimize.brentq(lambda t: generalised_q(y, v, x, t) - target, 0.0, high, xtol=1e-15, rtol=8.9e-16, maxiter=1000)
    )


# ---------------------------------------------------------------------------------------------------------------------
# What the studies' differences mean


@dataclass(frozen=True)
class Heterogeneity:
    """tau2, I2 and H2 with the limits that follow from one interval of tau2; ``i2`` from 0 to 1."""

    tau2: float
    tau2_lower: float
    tau2_upper: float
    i2: float
    i2_lower: float
    i2_upper: float
    h2: float
    h2_lower: float
    h2_upper: float
    level: float


def heterogeneity(
    effect: ArrayLike, variance: ArrayLike, *, method: Tau2Method = "REML", level: float = 0.95
) -> Heterogeneity:
    """How much true effects differ, with limits by the Q profile, (MA-12); needs two studies.

    Where even tau2 = 0 makes the studies look more alike than chance would, both limits are 0.

    Source: Viechtbauer (2007) Stat Med 26:37.
    """
    y, v = _checked(effect, variance)
    if y.shape[0] < 2:
        raise ValueError("heterogeneity needs two studies")
    x = np.ones((y.shape[0], 1))
    df = y.shape[0] - 1
    tau2 = _estimate_tau2(y, v, x, method)[0]
    tail = 0.5 * (1 - level)
    lower = _solve_q(y, v, x, float(special.chdtri(df, tail)))
    upper = _solve_q(y, v, x, float(special.chdtri(df, 1 - tail)))
    typical = typical_variance(v)
    shares = [t / (typical + t) for t in (tau2, lower, upper)]
    ratios = [t / typical + 1 for t in (tau2, lower, upper)]
    return Heterogeneity(tau2, lower, upper, shares[0], shares[1], shares[2], ratios[0], ratios[1], ratios[2], level)


def prediction_interval(
    pooled: Pooled, *, level: float = 0.95, own_quantile: bool = False
) -> tuple[float, float] | None:
    """Where the true effect of a further such study lies, (MA-14): t with k - 2 df; ``None`` below 3 studies.

    ``own_quantile`` takes the quantile of the pooled effect's own interval instead (normal, or t with k - 1 df under
    Hartung-Knapp), which is too short with few studies; other programs do so by default.

    Source: Higgins, Thompson and Spiegelhalter (2009) JRSS A 172:137.
    """
    tail = 0.5 * (1 - level)
    df = pooled.df if own_quantile else float(pooled.k - 2)
    if not own_quantile and pooled.k < 3:
        return None
    quantile = float(-special.ndtri(tail) if df is None else -special.stdtrit(df, tail))
    half = quantile * math.sqrt(pooled.tau2 + pooled.standard_error**2)
    return pooled.estimate - half, pooled.estimate + half


def leave_one_out(
    fit: Callable[[FloatArray, FloatArray], Pooled], effect: ArrayLike, variance: ArrayLike
) -> list[Pooled]:
    """The same fit without each study in turn, in the order of the studies."""
    y, v = _checked(effect, variance)
    return [fit(np.delete(y, i), np.delete(v, i)) for i in range(y.shape[0])]


def fit_meta_regression(
    effect: ArrayLike,
    variance: ArrayLike,
    design: ArrayLike,
    *,
    method: Tau2Method = "REML",
    hartung_knapp: bool = False,
) -> MetaRegression:
    """Effects explained by covariates of the studies; ``design`` is (k, p) with its column of ones first, (MA-16).

    Source: Knapp and Hartung (2003) Stat Med 22:2693.
    """
    y, v = _checked(effect, variance)
    x = np.asarray(design, dtype=np.float64)
    k, p = x.shape
    if x.shape[0] != y.shape[0] or k <= p:
        raise ValueError("the design needs a row per study and fewer columns than studies")
    tau2 = _estimate_tau2(y, v, x, method)[0]
    w, inverse, r = _fit_at(y, v, x, tau2)
    coefficients = inverse @ (x.T @ (w * y))
    covariance = inverse * (float(w @ r**2) / (k - p) if hartung_knapp else 1.0)
    errors = np.sqrt(np.diagonal(covariance))
    z = -np.abs(coefficients / errors)
    p_values = 2 * (special.stdtr(k - p, z) if hartung_knapp else special.ndtr(z))
    rest = coefficients[1:]
    q_model = float(rest @ np.linalg.solve(covariance[1:, 1:], rest)) / (max(p - 1, 1) if hartung_knapp else 1)
    without = _estimate_tau2(y, v, np.ones((k, 1)), method)[0]
    r2 = max(0.0, 1 - tau2 / without) if without > 0 else 0.0
    return MetaRegression(coefficients, covariance, errors, p_values, tau2, q_model, generalised_q(y, v, x, 0.0), r2)


# ---------------------------------------------------------------------------------------------------------------------
# Small studies


@dataclass(frozen=True)
class SmallStudyTest:
    """A test of whether small studies differ from large ones."""

    statistic: float
    df: float | None
    p_value: float
    limit: float | None = None  # the effect that a study without error would have


def egger(effect: ArrayLike, variance: ArrayLike) -> SmallStudyTest:
    """Weighted regression of effects on their standard errors, (MA-17); t of the slope, k - 2 df; needs 3 studies.

    Source: Egger, Davey Smith, Schneider and Minder (1997) BMJ 315:629; Sterne and Egger (2005) for this form.
    """
    y, v = _checked(effect, variance)
    k = y.shape[0]
    if k < 3:
        raise ValueError("Egger's regression needs three studies")
    x = np.column_stack([np.ones(k), np.sqrt(v)])
    w, inverse, r = _fit_at(y, v, x, 0.0)
    coefficients = inverse @ (x.T @ (w * y))
    error = math.sqrt(float(inverse[1, 1]) * float(w @ r**2) / (k - 2))
    t = float(coefficients[1]) / error if error > 0 else math.nan
    return SmallStudyTest(t, float(k - 2), float(2 * special.stdtr(k - 2, -abs(t))), float(coefficients[0]))


def begg(effect: ArrayLike, variance: ArrayLike) -> SmallStudyTest:
    """Kendall's rank correlation of standardised effects with variances, (MA-18); exact p without ties.

    Source: Begg and Mazumdar (1994) Biometrics 50:1088.
    """
    from scipy import stats  # takes a second to load

    y, v = _checked(effect, variance)
    if y.shape[0] < 3:
        raise ValueError("Begg's rank correlation needs three studies")
    common = fit_common(y, v)
    standardised = (y - common.estimate) / np.sqrt(v - 1 / (1 / v).sum())
    found = stats.kendalltau(standardised, v)
    return SmallStudyTest(float(found.statistic), None, float(found.pvalue))
