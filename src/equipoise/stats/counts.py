"""Regression of counts: Poisson and negative binomial, many trials at a time. Methods: ``docs/methods/counts.md``.

One count a row, or several rows of each participant with a random intercept (``docs/methods/counts_mixed.md``).

>>> import numpy as np
>>> from equipoise.stats.counts import fit_counts
>>> fits = fit_counts([4, 2, 1, 0, 2, 0], np.column_stack([np.ones(6), [0, 0, 0, 1, 1, 1]]), [0, 6], exposure=[1] * 6)
>>> round(float(np.exp(fits.coefficients[0, 1])), 6)  # (2 / 3) / (7 / 3)
0.285714
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from equipoise.stats.codes import FitCode, has, mark
from equipoise.stats.logistic_mixed import gauss_hermite
from equipoise.stats.nuisance import tell_apart
from equipoise.stats.packing import (
    FloatArray,
    IntArray,
    any_by_trial,
    offsets_from_sizes,
    rows_of_trials,
    run_over_trials,
    sum_by_trial,
    trial_of_row,
)
from equipoise.stats.profile_search import SearchStart, search_limit
from equipoise.stats.standardise import Standardised, as_it_is, standardise
from equipoise.stats.wald import (
    BoolArray,
    CodeArray,
    WaldFits,
    as_design,
    as_offsets,
    as_vector,
    chi_square_p,
    normal_quantile,
)

Family = Literal["poisson", "negative-binomial"]
MOST_EVENTS = 1_000_000
_ILL_CONDITION = 1e12


@dataclass(frozen=True)
class CountFits(WaldFits):
    """Count regressions of ``n_trials`` trials with ``p`` columns; NaN where ``codes`` says not estimable.

    Where the coefficient asked for runs off (an arm without events) it is minus or plus infinity, as ``direction``
    says, the others are NaN and the log-likelihood is its supremum; the test and the finite limit are those of
    :func:`profile_counts`.
    """

    coefficients: FloatArray  # (n_trials, p), logarithms of rates and rate ratios
    covariance: FloatArray  # (n_trials, p, p), from the whole observed information, alpha included
    alpha: FloatArray  # (n_trials,): the variance is mu + alpha mu^2; exactly 0 for Poisson and on the boundary
    log_alpha_error: FloatArray  # (n_trials,) standard error of log alpha; NaN where alpha is 0
    sd_intercept: FloatArray  # (n_trials,) between participants, of log rates; 0 on the boundary, NaN without intercept
    log_likelihood: FloatArray  # (n_trials,), with all constants
    gradient_norm: FloatArray
    iterations: IntArray
    condition: FloatArray
    direction: NDArray[np.int8]  # (n_trials,): -1 or 1 where the coefficient asked for runs off that way, else 0
    kept: BoolArray  # (n_trials, p): columns of the fit that was made
    informative: BoolArray  # (n_rows,): rows of the fit that was made; others are foretold to have no event
    codes: CodeArray
    model: CountModel

    @property
    def theta(self) -> FloatArray:
        """(n_trials,): 1 / alpha, as R's MASS has it; infinite where the variance is that of the Poisson."""
        with np.errstate(divide="ignore"):
            return np.asarray(1.0 / self.alpha)


@dataclass(frozen=True)
class CountProfile:
    """Likelihood-ratio test and profile limits of one coefficient, alpha at its maximum at every point."""

    statistic: FloatArray  # (n_trials,) chi-square on 1 degree of freedom
    p_value: FloatArray
    ci_lower: FloatArray  # (n_trials,) of the coefficient; infinite on the side where the estimate is
    ci_upper: FloatArray
    codes: CodeArray


@dataclass(frozen=True)
class CountModel:
    """Which distribution counts have, and whether participants with several rows have a level of their own."""

    family: Family = "poisson"
    participant_offsets: IntArray | None = None
    """(participants + 1,) rows of each participant, for a random intercept."""
    nodes: int = 15
    """Of the quadrature for it, 1 to 100."""

    def within(self, chosen: IntArray) -> CountModel:
        """The model on some of the rows, which keep their order."""
        if self.participant_offsets is None:
            return self
        sizes = np.bincount(trial_of_row(self.participant_offsets)[chosen], minlength=self.participant_offsets.size - 1)
        return replace(self, participant_offsets=offsets_from_sizes(sizes))

    def pooled(self) -> CountModel:
        """The model without a random intercept."""
        return replace(self, participant_offsets=None)


@dataclass(frozen=True)
class _Input:
    """Checked arrays of a batch, far columns standardised."""

    y: FloatArray
    standardised: Standardised
    log_exposure: FloatArray
    offsets: IntArray
    model: CountModel

    @classmethod
    def of(
        cls, y: ArrayLike, design: ArrayLike, offsets: ArrayLike, exposure: ArrayLike | None, model: CountModel
    ) -> _Input:
        counts = as_vector(y, "y")
        n = counts.shape[0]
        bounds = as_offsets(offsets, n)
        observed = np.ones(n) if exposure is None else as_vector(exposure, "exposure", n)
        with np.errstate(divide="ignore", invalid="ignore"):
            log_exposure = np.log(observed)
        if model.participant_offsets is not None:
            people = as_offsets(model.participant_offsets, n)
            if not np.isin(bounds, people).all():
                raise ValueError("offsets of trials must be among those of participants")
            model = replace(model, participant_offsets=people)
        return cls(counts, standardise(as_design(design, n), bounds), log_exposure, bounds, model)

    @property
    def design(self) -> FloatArray:
        return self.standardised.design

    @property
    def n_trials(self) -> int:
        return int(self.offsets.shape[0]) - 1

    def part(self, rows: IntArray, columns: BoolArray) -> _Input:
        """One trial on some of its rows and columns, as fitted here."""
        design = np.ascontiguousarray(self.design[rows][:, columns])
        bounds = np.array([0, rows.size], dtype=np.int64)
        return _Input(self.y[rows], as_it_is(design), self.log_exposure[rows], bounds, self.model.within(rows))

    def of_trials(self, chosen: IntArray) -> _Input:
        """The chosen trials without the random intercept."""
        rows, bounds = rows_of_trials(chosen, self.offsets)
        design = as_it_is(np.ascontiguousarray(self.design[rows]))
        return _Input(self.y[rows], design, self.log_exposure[rows], bounds, self.model.pooled())

    def check(self) -> CodeArray:
        """Codes of what forbids a fit."""
        codes = np.zeros(self.n_trials, dtype=np.uint32)
        bad = ~((self.y >= 0.0) & (self.y <= MOST_EVENTS) & (self.y == np.floor(self.y)))
        bad |= ~np.isfinite(self.design).all(axis=1) | ~np.isfinite(self.log_exposure)
        wrong = any_by_trial(bad, self.offsets)
        mark(codes, wrong, FitCode.NON_FINITE_INPUT | FitCode.NOT_ESTIMABLE)
        few = np.diff(self.offsets) < 1
        mark(codes, few, FitCode.TOO_FEW_PARTICIPANTS | FitCode.NOT_ESTIMABLE)
        none = ~wrong & ~few & (sum_by_trial(self.y, self.offsets) == 0.0)
        mark(codes, none, FitCode.NO_EVENTS | FitCode.NOT_ESTIMABLE)
        return codes


@dataclass
class _Points:
    """Where the maximisations of a batch stand."""

    place: FloatArray  # (n, q) coefficients, standard deviation of the random intercept if there is one, alpha
    covariance: FloatArray  # (n, q, q) of the coefficients and the logarithms of the others
    log_likelihood: FloatArray
    quality: FloatArray

    @classmethod
    def of(cls, data: _Input) -> _Points:
        from equipoise.stats.kernels.counts import N_QUALITY

        n, q = data.n_trials, data.design.shape[1] + (1 if data.model.participant_offsets is None else 2)
        nothing = np.full((n, q, q), np.nan)
        return cls(np.zeros((n, q)), nothing, np.full(n, np.nan), np.full((n, N_QUALITY), np.nan))

    def maximise(
        self, data: _Input, wanted: BoolArray, *, fixed: int = -1, started: bool = False, threads: int | None
    ) -> None:
        """Fit the wanted trials, column ``fixed`` staying where it is."""
        from equipoise.stats.kernels.counts import CountsFound

        found = CountsFound(self.place, self.covariance, self.log_likelihood, self.quality)
        is_negative_binomial = data.model.family == "negative-binomial"
        people = data.model.participant_offsets
        if people is None:
            from equipoise.stats.kernels.counts import CountTrials, fit_range

            each = CountTrials(data.y, data.design, data.log_exposure, data.offsets, wanted)

            def run(first: int, stop: int) -> None:
                fit_range(first, stop, each, is_negative_binomial, fixed, started, found)

        else:
            from equipoise.stats.kernels.counts_mixed import RepeatedCounts
            from equipoise.stats.kernels.counts_mixed import fit_range as fit_mixed_range

            trials = np.searchsorted(people, data.offsets).astype(np.int64)
            trials[-1] = people.size - 1  # the last of several participants without rows
            whole = RepeatedCounts(data.y, data.design, data.log_exposure, people, trials, wanted)
            quadrature, model = gauss_hermite(data.model.nodes), (int(is_negative_binomial), fixed)

            def run(first: int, stop: int) -> None:
                fit_mixed_range(first, stop, whole, quadrature, model, found)

        run_over_trials(run, data.n_trials, threads=threads)


POISSON = CountModel()


def fit_counts(
    y: ArrayLike,
    design: ArrayLike,
    offsets: ArrayLike,
    *,
    exposure: ArrayLike | None = None,
    model: CountModel = POISSON,
    column: int | None = 1,
    threads: int | None = None,
) -> CountFits:
    """Fit log E(y) = log exposure + design @ beta by maximum likelihood in each trial.

    Parameters
    ----------
    y : (n_rows,) counts, whole numbers from 0 to a million.
    design : (n_rows, p) with its column of ones.
    offsets : (n_trials + 1,) trial ``k`` owns rows ``offsets[k]`` up to ``offsets[k + 1]``.
    exposure : (n_rows,) how long each was observed, above 0; 1 where not given. Rates are per unit of it.
    model : its family is Poisson, the variance being the mean mu; or negative binomial, mu + alpha mu^2 with alpha >= 0
        estimated (1 / alpha is theta, or the size). With ``participant_offsets`` the logarithm of the rate has a normal
        random intercept for each participant, integrated by adaptive Gauss-Hermite quadrature. Where alpha comes to
        its boundary it is exactly 0 and the fit is Poisson's; where that variance does the fit is the one without, with
        ``BOUNDARY_VARIANCE``.
    column : the coefficient the fit is for, the arm's. Other columns that repeat one another or run off cost only
        their own coefficients, with NUISANCE_LEFT_OUT. Where its own runs off see :class:`CountFits`.

    Assumes independent rows (participants), rates that multiply, counts of that distribution given the covariates, and
    that somebody who is observed for less does not differ in rate by it. Standard errors are from the whole observed
    information, eq. (CT-3); R's glm.nb holds theta at its estimate instead. Never raises for what the data hold: NaN
    and a code.

    Source: McCullagh and Nelder (1989), chapter 6; Lawless (1987), Can J Stat 15:209-225.
    """
    return _fit(_Input.of(y, design, offsets, exposure, model), column, threads=threads, outwards=True)


def _fit(data: _Input, column: int | None, *, threads: int | None, outwards: bool) -> CountFits:
    from equipoise.stats.kernels import counts as kernels

    n, p = data.n_trials, data.design.shape[1]
    codes = data.check()
    points = _Points.of(data)
    wanted = ~has(codes, FitCode.NOT_ESTIMABLE)
    points.maximise(data, wanted, threads=threads)
    quality = points.quality
    done = wanted & (quality[:, kernels.STATUS] == kernels.CONVERGED)
    has_intercept = data.model.participant_offsets is not None
    constants = sum_by_trial(special.gammaln(data.y + 1.0), data.offsets)
    fits = CountFits(
        coefficients=points.place[:, :p].copy(),
        covariance=np.ascontiguousarray(points.covariance[:, :p, :p]),
        alpha=points.place[:, -1].copy(),
        log_alpha_error=np.sqrt(points.covariance[:, -1, -1]),
        sd_intercept=points.place[:, p].copy() if has_intercept else np.full(n, np.nan),
        log_likelihood=points.log_likelihood - constants,
        gradient_norm=quality[:, kernels.GRADIENT].copy(),
        iterations=np.nan_to_num(quality[:, kernels.ITERATIONS]).astype(np.int64),
        condition=quality[:, kernels.CONDITION].copy(),
        direction=np.zeros(n, dtype=np.int8),
        kept=np.ones((n, p), dtype=np.bool_),
        informative=np.ones(data.y.shape[0], dtype=np.bool_),
        codes=codes,
        model=data.model,
    )
    _take_pooled(data, fits, np.flatnonzero(done & (fits.sd_intercept == 0.0)))
    suspect = wanted & (~done | (quality[:, kernels.SMALLEST] < 1e-3) | (quality[:, kernels.ITERATIONS] > 25))
    _erase(fits, ~done)
    for trial in np.flatnonzero(suspect):
        _settle(data, fits, int(trial), column)
    mark(codes, wanted & (fits.condition > _ILL_CONDITION), FitCode.ILL_CONDITIONED)
    mark(codes, ~has(codes, FitCode.NOT_ESTIMABLE) & (fits.sd_intercept == 0.0), FitCode.BOUNDARY_VARIANCE)
    if outwards:
        data.standardised.outwards(fits.coefficients, fits.covariance)
        if column is not None:
            gone = fits.direction != 0
            fits.coefficients[gone, column] = fits.direction[gone] * np.inf
    return fits


def _take_pooled(data: _Input, fits: CountFits, chosen: IntArray) -> None:
    """Errors of the trials without variance between participants: their fit is the pooled one."""
    if chosen.size:
        pooled = _fit(data.of_trials(chosen), None, threads=1, outwards=False)
        fits.covariance[chosen] = pooled.covariance
        fits.log_alpha_error[chosen], fits.condition[chosen] = pooled.log_alpha_error, pooled.condition


def _erase(fits: CountFits, where: BoolArray) -> None:
    for values in (fits.coefficients, fits.covariance, fits.alpha, fits.log_likelihood, fits.condition):
        values[where] = np.nan


def _recession(y: FloatArray, x: FloatArray) -> tuple[BoolArray, BoolArray, NDArray[np.int8]]:
    """Rows whose expected count can fall to 0 while those with events keep theirs; columns that run off; their signs.

    A row without events may fall and none may rise; one with events may do neither, eq. (CT-5).
    """
    from equipoise.stats.kernels.separation import find_recession

    events = y > 0.0
    matrix = np.concatenate([x[events], -x[events], -x[~events]])
    found = find_recession(matrix, np.array([0, matrix.shape[0]], dtype=np.int64), threads=1)
    rising = np.zeros(y.shape[0], dtype=np.bool_)
    rising[np.flatnonzero(~events)] = found.rising[2 * int(events.sum()) :]
    return rising, found.infinite[0], found.direction[0]


def _settle(data: _Input, fits: CountFits, trial: int, column: int | None) -> None:
    """Fit one trial whose columns repeat one another or run off, without the rows and columns that say nothing.

    First what runs off without the coefficient asked for is left out; then, where that one runs off itself, the
    supremum is the maximum over the rows it leaves.
    """
    own = np.arange(data.offsets[trial], data.offsets[trial + 1], dtype=np.int64)
    x, y = data.design[own], data.y[own]
    p = x.shape[1]
    others = np.ones(p, dtype=np.bool_)
    if column is not None:
        others[column] = False
    rising = np.zeros(own.size, dtype=np.bool_)
    if others.any():
        rising = _recession(y, np.ascontiguousarray(x[:, others]))[0]
    rows = own[~rising]
    columns = tell_apart(data.design[rows])
    told = columns.told.copy()
    code = fits.codes[trial : trial + 1]
    if column is not None and not told[column]:
        _erase(fits, np.arange(data.n_trials) == trial)
        mark(code, np.array([0]), FitCode.RANK_DEFICIENT | FitCode.NOT_ESTIMABLE)
        return
    whole = not rising.any() and bool(columns.kept.all())
    if column is not None:
        gone, infinite, direction = _recession(data.y[rows], np.ascontiguousarray(data.design[rows]))
        if infinite[column]:
            fits.direction[trial] = direction[column]
            _supremum(data, fits, trial, rows[~gone], column)
            fits.kept[trial] = columns.kept
            fits.informative[own] = ~rising
            if not whole:
                mark(code, np.array([0]), FitCode.NUISANCE_LEFT_OUT)
            return
    if whole:
        if np.isnan(fits.coefficients[trial]).any():
            mark(code, np.array([0]), FitCode.NOT_CONVERGED | FitCode.NOT_ESTIMABLE)
        return
    _erase(fits, np.arange(data.n_trials) == trial)
    found = _fit(data.part(rows, columns.kept), None, threads=1, outwards=False)
    _take(fits, found, trial)
    code[0] |= found.codes[0]
    fits.kept[trial] = columns.kept
    fits.informative[own] = ~rising
    if not has(found.codes, FitCode.NOT_ESTIMABLE)[0]:
        mark(code, np.array([0]), FitCode.NUISANCE_LEFT_OUT)
        places = np.flatnonzero(columns.kept & told)
        inside = np.flatnonzero(told[columns.kept])
        fits.coefficients[trial, places] = found.coefficients[0, inside]
        fits.covariance[trial][np.ix_(places, places)] = found.covariance[0][np.ix_(inside, inside)]


def _take(fits: CountFits, found: CountFits, trial: int) -> None:
    for name in (
        "alpha",
        "log_alpha_error",
        "sd_intercept",
        "log_likelihood",
        "gradient_norm",
        "iterations",
        "condition",
    ):
        getattr(fits, name)[trial] = getattr(found, name)[0]


def _supremum(data: _Input, fits: CountFits, trial: int, rows: IntArray, column: int) -> None:
    """What the likelihood tends to where the coefficient asked for runs off: the maximum over the rows it leaves."""
    kept = np.ones(data.design.shape[1], dtype=np.bool_)
    kept[column] = False
    kept[kept] = tell_apart(data.design[rows][:, kept]).kept
    _erase(fits, np.arange(data.n_trials) == trial)
    if kept.any():
        found = _fit(data.part(rows, kept), None, threads=1, outwards=False)
        _take(fits, found, trial)
        fits.codes[trial] |= found.codes[0]


def profile_counts(
    fits: CountFits,
    y: ArrayLike,
    design: ArrayLike,
    offsets: ArrayLike,
    *,
    exposure: ArrayLike | None = None,
    column: int = 1,
    level: float = 0.95,
) -> CountProfile:
    """Likelihood-ratio test that ``column`` is 0, and its profile limits, eq. (CT-6).

    The arguments are those of the fits. Where the coefficient runs off, the test and the finite limit are given, the
    other limit is infinite.
    """
    data = _Input.of(y, design, offsets, exposure, fits.model)
    column = range(data.design.shape[1])[column]
    unit = data.standardised.unit_of(column, data.n_trials)
    statistic = np.full(data.n_trials, np.nan)
    limits = np.full((data.n_trials, 2), np.nan)
    reduced = ~fits.kept.all(axis=1) | any_by_trial(~fits.informative, data.offsets)
    known = np.isfinite(fits.log_likelihood) & fits.kept[:, column]
    whole = known & ~reduced
    if whole.any():
        statistic[whole], limits[whole] = (values[whole] for values in _profile(data, fits, column, level, whole))
    for trial in np.flatnonzero(known & reduced):
        own = np.arange(data.offsets[trial], data.offsets[trial + 1], dtype=np.int64)
        part = data.part(own[fits.informative[own]], fits.kept[trial])
        place = int(fits.kept[trial, :column].sum())
        again = _fit(part, place, threads=1, outwards=True)
        found = _profile(part, again, place, level, np.ones(1, dtype=np.bool_))
        statistic[trial], limits[trial] = found[0][0], found[1][0]
    limits *= unit[:, None]
    codes = fits.codes.copy()
    mark(codes, known & np.isnan(limits).any(axis=1), FitCode.LIMIT_NOT_FOUND)
    return CountProfile(statistic, chi_square_p(statistic, 1.0), limits[:, 0], limits[:, 1], codes)


def _profile(
    data: _Input, fits: CountFits, column: int, level: float, which: BoolArray
) -> tuple[FloatArray, FloatArray]:
    """Statistics (n,) and limits (n, 2), in units of the column as fitted, of the trials ``which``."""
    z = normal_quantile(level)
    constants = sum_by_trial(special.gammaln(data.y + 1.0), data.offsets)
    points = _Points.of(data)

    def at(values: FloatArray, active: BoolArray, *, started: bool = True) -> tuple[FloatArray, FloatArray]:
        from equipoise.stats.kernels.counts import CONVERGED, SCORE_FIXED, STATUS

        points.place[:, column] = np.where(active, values, points.place[:, column])
        points.maximise(data, active, fixed=column, started=started, threads=None)
        ended = points.quality[:, STATUS] == CONVERGED
        return np.where(ended, points.log_likelihood - constants, np.nan), points.quality[:, SCORE_FIXED]

    top = fits.log_likelihood
    null, _ = at(np.zeros(data.n_trials), which, started=False)
    statistic = np.maximum(2.0 * (top - null), 0.0)
    # A fit at the null that did not converge leaves no statistic, and nowhere to begin from.
    which = which & np.isfinite(statistic)
    finite = which & (fits.direction == 0)
    coefficients, covariance = fits.coefficients.copy(), fits.covariance.copy()
    data.standardised.inwards(coefficients, covariance)
    limits = np.full((data.n_trials, 2), np.nan)
    begin = points.place.copy()
    begin[finite, : coefficients.shape[1]] = coefficients[finite]
    half = np.where(finite, z * np.sqrt(np.where(finite, covariance[:, column, column], 1.0)), 1.0)
    for side, sign in ((0, -1.0), (1, 1.0)):
        points.place[:] = begin
        wanted = which & (fits.direction != sign)
        step = np.where(wanted, sign * half, 0.0)
        value = np.where(finite, coefficients[:, column], 0.0)
        limits[:, side] = search_limit(at, top, z, SearchStart(value, finite, step))
        gone = which & (fits.direction == sign)
        limits[gone, side] = sign * np.inf
    return statistic, limits


Sandwich = Literal["hc0", "hc1", "hc3"]


def robust_covariance(
    fits: CountFits,
    y: ArrayLike,
    design: ArrayLike,
    offsets: ArrayLike,
    *,
    exposure: ArrayLike | None = None,
    kind: Sandwich = "hc0",
    cluster: ArrayLike | None = None,
) -> FloatArray:
    """(n_trials, p, p) sandwich covariance of the coefficients, alpha held at its estimate, eq. (CT-7).

    It holds whatever the variance is, as long as the rates are right. ``cluster`` (n_rows,) numbers whose rows go
    together (one participant's periods).
    """
    counts, x = as_vector(y, "y"), as_design(design, len(fits.informative))
    bounds = as_offsets(offsets, counts.shape[0])
    observed = np.ones(counts.shape[0]) if exposure is None else as_vector(exposure, "exposure", counts.shape[0])
    out = np.full_like(fits.covariance, np.nan)
    for trial in np.flatnonzero(np.isfinite(fits.log_likelihood) & (fits.direction == 0)):
        own = np.arange(bounds[trial], bounds[trial + 1])[fits.informative[bounds[trial] : bounds[trial + 1]]]
        told = fits.kept[trial] & np.isfinite(fits.coefficients[trial])
        z = x[own][:, told]
        mu = observed[own] * np.exp(z @ fits.coefficients[trial, told])
        thin = 1.0 / (1.0 + fits.alpha[trial] * mu)
        inverse = np.linalg.inv((z * (mu * thin)[:, None]).T @ z)
        residual = (counts[own] - mu) * thin
        if kind == "hc3":
            residual = residual / (1.0 - np.einsum("ij,jk,ik->i", z, inverse, z) * mu * thin)
        scores = z * residual[:, None]
        if cluster is not None:
            _, group = np.unique(np.asarray(cluster)[own], return_inverse=True)
            scores = np.stack([np.bincount(group, weights=column) for column in scores.T], axis=1)
        found = inverse @ (scores.T @ scores) @ inverse
        if kind == "hc1":
            found *= own.size / (own.size - z.shape[1])
        out[trial][np.ix_(told, told)] = found
    return out


@dataclass(frozen=True)
class StandardisedRates:
    """The rate of one arm, had everybody been in it: each array is (n_trials,)."""

    log_rate: FloatArray
    standard_error: FloatArray  # of the logarithm, by the delta method


def standardised_rates(
    fits: CountFits, design: ArrayLike, offsets: ArrayLike, covariance: FloatArray | None = None
) -> StandardisedRates:
    """Rates per unit of exposure averaged over the rows of ``design``, everybody counting alike, eq. (CT-8).

    The covariates are taken as they are. The ratio of two such rates is the rate ratio itself: with a logarithm as link
    it does not depend on what is averaged over.
    """
    x = np.asarray(design, dtype=np.float64)
    bounds = as_offsets(offsets, x.shape[0])
    n = bounds.shape[0] - 1
    rate, error = np.full(n, np.nan), np.full(n, np.nan)
    spread = fits.covariance if covariance is None else covariance
    for trial in range(n):
        told = fits.kept[trial] & np.isfinite(fits.coefficients[trial])
        z = x[bounds[trial] : bounds[trial + 1]][:, told]
        if not told.any() or not z.shape[0]:
            continue
        each = np.exp(z @ fits.coefficients[trial, told])
        rate[trial] = np.log(each.mean())
        slope = (each[:, None] * z).sum(axis=0) / each.sum()
        error[trial] = np.sqrt(slope @ spread[trial][np.ix_(told, told)] @ slope)
    return StandardisedRates(rate, error)
