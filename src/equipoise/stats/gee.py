"""Generalized estimating equations for one trial, with sandwich variances made for few participants.

Coefficients and working correlation come from statsmodels (an optional part, imported only here, when called); the
plain and both bias-reduced sandwiches are computed from them. Equations: ``docs/methods/gee.md``.
"""

from __future__ import annotations

import itertools
import warnings
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from equipoise.stats.codes import FitCode
from equipoise.stats.packing import FloatArray, IntArray

Family = Literal["binomial", "gaussian"]
Working = Literal["independence", "exchangeable", "ar1"]


@dataclass(frozen=True, slots=True)
class GeeFit:
    """One GEE fit; NaN, with a code saying why, where there is no finite answer. ``p`` columns."""

    coefficients: FloatArray
    """(p,): on the logit scale for ``binomial``, on the outcome's for ``gaussian``."""
    covariance: FloatArray
    """(p, p): plain sandwich (Liang and Zeger). Too small with fewer than about 40 participants."""
    covariance_kauermann_carroll: FloatArray
    """(p, p): residuals inflated by (I - H)^(-1/2)."""
    covariance_mancl_derouen: FloatArray
    """(p, p): residuals inflated by (I - H)^(-1); the larger, conservative one."""
    correlation: float
    """Working correlation: of two visits (exchangeable), of visits one unit of time apart (AR(1)), 0 (independence)."""
    n_participants: int
    codes: int
    """Bit mask of :class:`equipoise.stats.codes.FitCode`."""


def fit_gee(
    y: ArrayLike,
    design: ArrayLike,
    participant_offsets: ArrayLike,
    *,
    family: Family = "binomial",
    working: Working = "exchangeable",
    time: ArrayLike | None = None,
) -> GeeFit:
    """Fit the population-averaged model g(E y) = design beta, visits of one participant correlated.

    Parameters
    ----------
    y : (rows,) 0 or 1 for ``binomial``, any finite number for ``gaussian``.
    design : (rows, p).
    participant_offsets : (participants + 1,) rows of each participant.
    working : assumed correlation; the sandwich is right whichever is assumed, with many participants.
    time : (rows,) when each visit was, needed by ``ar1``: the correlation of two visits is rho to the power of their
        distance.

    Valid when outcomes are missing completely at random given the design. Raises ImportError with what to install
    where statsmodels is absent, ValueError where the arrays do not fit together.

    Source: Liang and Zeger (1986), Biometrika 73:13; Mancl and DeRouen (2001), Biometrics 57:126, eq. (4); Kauermann
    and Carroll (2001), JASA 96:1387.
    """
    outcome = np.asarray(y, dtype=np.float64)
    matrix = np.asarray(design, dtype=np.float64)
    offsets = np.asarray(participant_offsets, dtype=np.int64)
    if outcome.ndim != 1 or matrix.ndim != 2 or matrix.shape[0] != outcome.shape[0]:
        raise ValueError(f"y {outcome.shape} and design {matrix.shape} must be (rows,) and (rows, columns)")
    if offsets[0] != 0 or offsets[-1] != outcome.shape[0] or np.any(np.diff(offsets) < 0):
        raise ValueError(f"participant_offsets must rise from 0 to {outcome.shape[0]}")
    if working == "ar1" and time is None:
        raise ValueError("the AR(1) working correlation needs time")
    when = np.asarray(np.zeros_like(outcome) if time is None else time, dtype=np.float64)
    n_participants = int(np.count_nonzero(np.diff(offsets)))
    code = _check(outcome, matrix, when, n_participants, family)
    if code:
        return _not_estimable(matrix.shape[1], n_participants, code)
    beta, rho, code = _solve(outcome, matrix, offsets, family, working, when)
    if code & FitCode.NOT_ESTIMABLE:
        return _not_estimable(matrix.shape[1], n_participants, code)
    plain, kauermann_carroll, mancl_derouen = _sandwiches(outcome, matrix, offsets, beta, rho, family, working, when)
    return GeeFit(beta, plain, kauermann_carroll, mancl_derouen, rho, n_participants, int(code))


def _check(y: FloatArray, x: FloatArray, time: FloatArray, n_participants: int, family: Family) -> FitCode:
    """Why no answer can exist, before anything is fitted."""
    if not (np.all(np.isfinite(y)) and np.all(np.isfinite(x)) and np.all(np.isfinite(time))):
        return FitCode.NON_FINITE_INPUT | FitCode.NOT_ESTIMABLE
    if family == "binomial" and not np.all((y == 0.0) | (y == 1.0)):
        return FitCode.NON_FINITE_INPUT | FitCode.NOT_ESTIMABLE
    if n_participants <= x.shape[1] or y.size == 0:
        return FitCode.TOO_FEW_PARTICIPANTS | FitCode.NOT_ESTIMABLE
    if np.all(y == y[0]):
        extra = FitCode.NONE
        if family == "binomial":
            extra = FitCode.ALL_EVENTS if y[0] == 1.0 else FitCode.NO_EVENTS
        return FitCode.CONSTANT_OUTCOME | FitCode.NOT_ESTIMABLE | extra
    if np.linalg.matrix_rank(x / np.maximum(np.linalg.norm(x, axis=0), 1e-300)) < x.shape[1]:
        return FitCode.RANK_DEFICIENT | FitCode.NOT_ESTIMABLE
    if family == "binomial":
        from equipoise.stats.logistic import fit_logistic

        separation = FitCode.SEPARATION_COMPLETE | FitCode.SEPARATION_QUASI
        found = FitCode(int(fit_logistic(y, x, offsets=np.array([0, y.size])).codes[0])) & separation
        if found:
            return found | FitCode.NOT_ESTIMABLE
    return FitCode.NONE


def _not_estimable(p: int, n_participants: int, code: FitCode) -> GeeFit:
    empty = np.full((p, p), np.nan)
    return GeeFit(np.full(p, np.nan), empty, empty.copy(), empty.copy(), float("nan"), n_participants, int(code))


def _solve(
    y: FloatArray, x: FloatArray, offsets: IntArray, family: Family, working: Working, time: FloatArray
) -> tuple[FloatArray, float, FitCode]:
    try:
        import statsmodels.api as sm
    except ImportError as error:
        raise ImportError("GEE needs statsmodels: pip install 'equipoise[gee]'") from error

    class PlainExchangeable(sm.cov_struct.Exchangeable):  # type: ignore[misc,unused-ignore]
        """Moment estimate without a correction for the number of coefficients, as geepack; (GEE-1).

        The correction of statsmodels takes p from the number of pairs, which small trials feel.
        """

        def update(self, params: FloatArray) -> None:
            """Mean product of standardised residuals over pairs of visits, over their mean square."""
            products = squares = 0.0
            n_pairs = n_rows = 0
            for outcome, (mean, _) in zip(self.model.endog_li, self.model.cached_means, strict=True):
                residual = (outcome - mean) / np.sqrt(self.model.family.variance(mean))
                own = float(residual @ residual)
                squares += own
                products += 0.5 * (float(residual.sum()) ** 2 - own)
                n_rows += residual.size
                n_pairs += residual.size * (residual.size - 1) // 2
            self.dep_params = products / n_pairs / (squares / n_rows) if n_pairs else 0.0

    class DecayingWithTime(sm.cov_struct.CovStruct):  # type: ignore[misc,unused-ignore]
        """Correlation rho to the power of the distance in time, rho by least squares over pairs, as geepack; (GEE-1).

        The structure of statsmodels estimates rho from distances but weighs by the order of visits, as if none had
        been missed, and where rho flattens out it ends without an answer.
        """

        def __init__(self) -> None:
            super().__init__()
            self.dep_params = 0.0

        def update(self, params: FloatArray) -> None:
            """Least-squares rho for the products of standardised residuals."""
            squares, products, gaps = 0.0, [], []
            for outcome, when, (mean, _) in zip(
                self.model.endog_li, self.model.time_li, self.model.cached_means, strict=True
            ):
                residual = (outcome - mean) / np.sqrt(self.model.family.variance(mean))
                squares += float(residual @ residual)
                later, earlier = np.tril_indices(residual.size, -1)
                products.append(residual[later] * residual[earlier])
                gaps.append(np.abs(when[later, 0] - when[earlier, 0]))
            self.dep_params = _decay(np.concatenate(products) * y.size / squares, np.concatenate(gaps))

        def covariance_matrix(self, expval: FloatArray, index: int) -> tuple[FloatArray, bool]:
            """Working correlation of one participant's visits."""
            when = self.model.time_li[index][:, 0]
            return self.dep_params ** np.abs(when[:, None] - when[None, :]), True

    structures = {
        "independence": sm.cov_struct.Independence,
        "exchangeable": PlainExchangeable,
        "ar1": DecayingWithTime,
    }
    structure = structures[working]()
    groups = np.repeat(np.arange(offsets.size - 1), np.diff(offsets))
    families = {"binomial": sm.families.Binomial, "gaussian": sm.families.Gaussian}
    code = FitCode.NONE
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = sm.GEE(y, x, groups=groups, time=time, family=families[family](), cov_struct=structure)
        try:
            result = model.fit(maxiter=200, ctol=1e-8)
        except (np.linalg.LinAlgError, ValueError, FloatingPointError):
            return np.full(x.shape[1], np.nan), float("nan"), FitCode.NOT_CONVERGED | FitCode.NOT_ESTIMABLE
    beta = np.asarray(result.params, dtype=np.float64)
    rho = 0.0 if working == "independence" else float(structure.dep_params)
    if not (bool(result.converged) and np.all(np.isfinite(beta)) and np.isfinite(rho)):
        code = FitCode.NOT_CONVERGED | FitCode.NOT_ESTIMABLE
    return beta, rho, code


def _decay(products: FloatArray, gaps: FloatArray) -> float:
    """The rho in 0 to 1 that minimises the sum of (product - rho ** gap) squared; 0 where there is no pair."""
    from scipy.optimize import brentq

    distance, which = np.unique(gaps, return_inverse=True)
    count, total = np.bincount(which), np.bincount(which, weights=products)
    # Two visits at one time say nothing of rho.
    count, total, distance = count[distance > 0], total[distance > 0], distance[distance > 0]
    if not distance.size:
        return 0.0

    def loss(rho: FloatArray) -> FloatArray:
        power = rho[:, None] ** distance
        return np.asarray((power * (power * count - 2.0 * total)).sum(axis=1))

    def half_slope(rho: float) -> float:
        power = rho**distance
        return float(np.sum(distance * power * (power * count - total)) / rho)

    # The loss may have more than one valley: the deepest cell of a grid, then its floor.
    grid = np.linspace(0.0, 0.9999, 401)
    lowest = int(np.argmin(loss(grid)))
    left, right = max(grid[max(lowest - 1, 0)], 1e-9), grid[min(lowest + 1, grid.size - 1)]
    if half_slope(left) >= 0.0:
        return 0.0
    return float(right) if half_slope(right) <= 0.0 else float(brentq(half_slope, left, right, xtol=1e-14, rtol=1e-14))


def _sandwiches(
    y: FloatArray,
    x: FloatArray,
    offsets: IntArray,
    beta: FloatArray,
    rho: float,
    family: Family,
    working: Working,
    time: FloatArray,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Plain, Kauermann-Carroll and Mancl-DeRouen sandwiches; (GEE-2) to (GEE-4)."""
    eta = x @ beta
    mean = eta if family == "gaussian" else 1.0 / (1.0 + np.exp(-eta))
    variance = np.ones_like(mean) if family == "gaussian" else mean * (1.0 - mean)
    # With the canonical link the derivative of the mean is the variance; in both families D = diag(variance) X.
    whitened, residuals, bread = [], [], np.zeros((x.shape[1], x.shape[1]))
    for first, stop in itertools.pairwise(offsets):
        if first == stop:
            continue
        n = int(stop - first)
        if working == "independence":
            correlation = np.eye(n)
        elif working == "exchangeable":
            correlation = np.full((n, n), rho) + (1.0 - rho) * np.eye(n)
        else:
            gap = np.abs(time[first:stop, None] - time[None, first:stop])
            correlation = rho**gap
        root = np.sqrt(variance[first:stop])
        factor = np.linalg.cholesky(correlation * np.outer(root, root))
        d = np.linalg.solve(factor, variance[first:stop, None] * x[first:stop])
        whitened.append(d)
        residuals.append(np.linalg.solve(factor, (y - mean)[first:stop]))
        bread += d.T @ d
    inverse = np.linalg.inv(bread)
    out = []
    # (I - H) to the power 0, -1/2, -1; H is similar to the symmetric S = d B^-1 d'.
    for power in (0.0, -0.5, -1.0):
        meat = np.zeros_like(bread)
        for d, e in zip(whitened, residuals, strict=True):
            adjusted = e
            if power != 0.0:
                values, vectors = np.linalg.eigh(d @ inverse @ d.T)
                adjusted = vectors @ (np.maximum(1.0 - values, 1e-12) ** power * (vectors.T @ e))
            score = d.T @ adjusted
            meat += np.outer(score, score)
        out.append(inverse @ meat @ inverse)
    return out[0], out[1], out[2]
