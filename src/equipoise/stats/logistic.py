"""Logistic regression by maximum likelihood, many trials at a time. Methods: ``docs/methods/logistic.md``.

>>> import numpy as np
>>> from equipoise.stats.logistic import fit_logistic
>>> y = np.array([1, 1, 0, 0, 1, 0, 0, 0], dtype=float)
>>> arm = np.array([1, 1, 1, 1, 0, 0, 0, 0], dtype=float)
>>> fits = fit_logistic(y, np.column_stack([np.ones(8), arm]), offsets=[0, 8])
>>> round(float(np.exp(fits.coefficients[0, 1])), 6)  # odds ratio (2/2) / (1/3)
3.0
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from equipoise.stats.codes import FitCode, has, mark
from equipoise.stats.kernels import logistic as kernels
from equipoise.stats.kernels.linear_algebra import find_aliased_columns
from equipoise.stats.kernels.separation import find_recession, undetermined_columns
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


@dataclass(frozen=True)
class LogisticFits(WaldFits):
    """Logistic fits of ``n_trials`` trials with ``p`` columns; NaN where ``codes`` says not estimable.

    ``log_lik`` of a separated trial is the supremum of the log likelihood, so likelihood-ratio tests stay valid.
    """

    coefficients: FloatArray  # (n_trials, p), log odds
    covariance: FloatArray  # (n_trials, p, p), inverse information
    log_lik: FloatArray  # (n_trials,)
    n_rows: IntArray
    n_events: FloatArray
    gradient_norm: FloatArray  # sqrt(score' information^-1 score) before the last step, in standard errors
    iterations: IntArray
    condition: FloatArray  # of the information scaled to unit diagonal, 1-norm
    aliased: BoolArray  # (n_trials, p): columns that earlier columns determine
    infinite: BoolArray  # (n_trials, p): under separation, coefficients without a finite maximiser
    direction: NDArray[np.int8]  # (n_trials, p): the sign in which an infinite coefficient runs off; 0 undetermined
    codes: CodeArray
    kept: BoolArray  # (n_trials, p): columns of the fit that was made
    informative: BoolArray  # (n_rows,): rows of the fit that was made; of the others nuisance columns foretell all

    @property
    def estimable(self) -> BoolArray:
        """(n_trials,): the coefficients are numbers to report."""
        return ~has(self.codes, FitCode.NOT_ESTIMABLE)


@dataclass(frozen=True)
class LikelihoodRatios:
    """Likelihood-ratio tests, one a trial; NaN where a fit failed."""

    statistic: FloatArray
    df: FloatArray
    p_value: FloatArray
    codes: CodeArray


@dataclass(frozen=True)
class ProfileLimits:
    """Profile likelihood limits of one coefficient; NaN with LIMIT_NOT_FOUND where a side is infinite or not found."""

    ci_lower: FloatArray
    ci_upper: FloatArray
    level: float
    codes: CodeArray


def fit_logistic(
    y: ArrayLike,
    design: ArrayLike,
    offsets: ArrayLike,
    *,
    weights: ArrayLike | None = None,
    column: int | None = 1,
    threads: int | None = None,
) -> LogisticFits:
    """Fit log odds(y = 1) = design @ beta by maximum likelihood in each trial.

    ``y`` (n_rows,) 0 or 1 (fractions are allowed, as quasi-likelihood); ``design`` (n_rows, p) with its column of
    ones; ``offsets`` (n_trials + 1,); ``weights`` (n_rows,) frequencies, not negative. Assumes independent rows and a
    logit-linear mean. ``column`` is the coefficient the fit is for, the arm's: where the data determine it to be
    finite it is given, whatever other columns repeat one another or run off; these are NaN, with NUISANCE_LEFT_OUT.
    Where it runs off itself the separation (complete or quasi-complete, proved by linear programming) is coded and
    all is NaN; with ``None`` so it is where any does. Newton's method, eq. (LR-3). Raises ValueError only when shapes
    disagree.

    Source: McCullagh and Nelder (1989), section 4.4; Albert and Anderson (1984) for separation.
    """
    return fit_binomial(BinomialInput.of(y, design, offsets, weights), penalised=False, threads=threads, column=column)


# Newton needs fewer steps and smaller linear predictors than these whenever the maximum is finite and unremarkable;
# beyond either, a linear programme decides whether there is separation.
_SUSPECT_ITERATIONS = 9
_SUSPECT_PREDICTOR = 8.0
_ILL_CONDITION = 1e12


@dataclass(frozen=True)
class BinomialInput:
    """Checked, contiguous arrays of a batch of binomial regressions, far columns standardised."""

    y: FloatArray
    standardised: Standardised
    weights: FloatArray  # length 0: all ones
    offsets: IntArray

    @classmethod
    def of(cls, y: ArrayLike, design: ArrayLike, offsets: ArrayLike, weights: ArrayLike | None) -> BinomialInput:
        """Check shapes; ValueError when they disagree."""
        outcome = as_vector(y, "y")
        n = outcome.shape[0]
        c = np.empty(0) if weights is None else as_vector(weights, "weights", n)
        bounds = as_offsets(offsets, n)
        return cls(outcome, standardise(as_design(design, n), bounds), c, bounds)

    @property
    def design(self) -> FloatArray:
        """(n_rows, p) as fitted."""
        return self.standardised.design

    @property
    def n_trials(self) -> int:
        """Number of trials in the batch."""
        return int(self.offsets.shape[0]) - 1

    def part(self, rows: IntArray, offsets: IntArray, columns: BoolArray) -> BinomialInput:
        """Some rows of some trials with some columns; coefficients are those of the columns as fitted here."""
        design = np.ascontiguousarray(self.design[rows][:, columns])
        weights = self.weights[rows] if self.weights.shape[0] else self.weights
        return BinomialInput(self.y[rows], as_it_is(design), weights, offsets)

    def check(self) -> CodeArray:
        """Codes of what forbids a fit, or is worth knowing, before any fit."""
        codes = np.zeros(self.n_trials, dtype=np.uint32)
        n_rows = np.diff(self.offsets)
        bad = any_by_trial(~((self.y >= 0.0) & (self.y <= 1.0)), self.offsets)
        bad |= any_by_trial(~np.isfinite(self.design), self.offsets)
        weighted = self.weights.shape[0] > 0
        if weighted:
            bad |= any_by_trial(~np.isfinite(self.weights), self.offsets)
            below = any_by_trial(self.weights < 0.0, self.offsets)
            mark(codes, below, FitCode.NEGATIVE_WEIGHT | FitCode.NOT_ESTIMABLE)
        mark(codes, bad, FitCode.NON_FINITE_INPUT | FitCode.NOT_ESTIMABLE)
        mark(codes, n_rows < 2, FitCode.TOO_FEW_PARTICIPANTS | FitCode.NOT_ESTIMABLE)
        events = sum_by_trial(self.y * self.weights if weighted else self.y, self.offsets)
        total = sum_by_trial(self.weights, self.offsets) if weighted else n_rows
        usable = ~bad & (total > 0)
        mark(codes, usable & (events == 0), FitCode.CONSTANT_OUTCOME | FitCode.NO_EVENTS)
        mark(codes, usable & (events == total), FitCode.CONSTANT_OUTCOME | FitCode.ALL_EVENTS)
        return codes

    def maximise(
        self,
        wanted: BoolArray,
        beta: FloatArray,
        *,
        fixed: int,
        penalised: bool,
        quality: FloatArray,
        covariance: FloatArray | None = None,
        threads: int | None,
    ) -> FloatArray:
        """Run the kernel over the wanted trials from ``beta`` (changed in place); returns log likelihoods."""
        log_lik = np.full(self.n_trials, np.nan)
        target = np.empty((0, 0, 0)) if covariance is None else covariance
        rows = kernels.BinomialRows(self.y, self.design, self.weights, self.offsets, wanted)
        found = kernels.BinomialMaxima(beta, target, log_lik, quality)

        def run(begin: int, end: int) -> None:
            kernels.maximise_range(rows, fixed, penalised, found, begin, end)

        run_over_trials(run, self.n_trials, threads=threads)
        return log_lik


def fit_binomial(
    data: BinomialInput, *, penalised: bool, threads: int | None, column: int | None = 1, outwards: bool = True
) -> LogisticFits:
    """Fit every trial, settle doubtful ranks and suspected separations, and code what cannot be estimated.

    ``outwards``: coefficients in the caller's units, else of the columns as fitted.
    """
    n, p = data.n_trials, data.design.shape[1]
    focus = None if column is None else range(p)[column if p > 1 else 0]
    codes = data.check()
    fits = LogisticFits(
        coefficients=np.zeros((n, p)),
        covariance=np.full((n, p, p), np.nan),
        log_lik=np.full(n, np.nan),
        n_rows=np.diff(data.offsets),
        n_events=sum_by_trial(data.y * data.weights if data.weights.shape[0] else data.y, data.offsets),
        gradient_norm=np.full(n, np.nan),
        iterations=np.zeros(n, dtype=np.int64),
        condition=np.full(n, np.nan),
        aliased=np.zeros((n, p), dtype=np.bool_),
        infinite=np.zeros((n, p), dtype=np.bool_),
        direction=np.zeros((n, p), dtype=np.int8),
        codes=codes,
        kept=np.ones((n, p), dtype=np.bool_),
        informative=np.ones(data.y.shape[0], dtype=np.bool_),
    )
    beta, covariance, log_lik = fits.coefficients, fits.covariance, fits.log_lik
    quality = np.full((n, kernels.N_QUALITY), np.nan)
    wanted = ~has(codes, FitCode.NOT_ESTIMABLE)
    log_lik[:] = data.maximise(
        wanted, beta, fixed=-1, penalised=penalised, quality=quality, covariance=covariance, threads=threads
    )
    status = quality[:, kernels.STATUS]
    doubtful = np.flatnonzero(status == kernels.DOUBTFUL_RANK)
    again = np.zeros(n, dtype=np.bool_)
    for trial in doubtful:
        x = _rows_with_weight(data, int(trial))
        again[trial] = find_aliased_columns(x, 0, x.shape[0], p, fits.aliased[trial]) == 0
    if again.any():
        second = data.maximise(
            again, beta, fixed=-1, penalised=penalised, quality=quality, covariance=covariance, threads=threads
        )
        log_lik[again] = second[again]
    short = fits.aliased.any(axis=1)
    wanted &= ~short

    unfinished = wanted & (status != kernels.CONVERGED)
    runaway = np.zeros(n, dtype=np.bool_)
    if not penalised:
        suspect = unfinished | (
            wanted
            & (
                (quality[:, kernels.ITERATIONS] > _SUSPECT_ITERATIONS)
                | (quality[:, kernels.PREDICTOR] > _SUSPECT_PREDICTOR)
            )
        )
        chosen = np.flatnonzero(suspect)
        if chosen.size:
            found = detect_separation(data, chosen, threads=threads)
            fits.infinite[chosen], fits.direction[chosen] = found.infinite, found.direction
            unfinished[chosen[found.codes > 0]] = False
            if focus is None:
                codes[chosen] |= found.codes
            else:
                # Where the arm itself runs off there is no finite answer; where only others do, there is.
                own = fits.infinite[chosen, focus]
                codes[chosen[own]] |= found.codes[own]
                runaway[chosen[(found.codes > 0) & ~own]] = True
                fits.informative[found.rows] = ~(found.rising & runaway[found.owner])
    mark(codes, unfinished, FitCode.NOT_CONVERGED | FitCode.NOT_ESTIMABLE)
    log_lik[unfinished] = np.nan
    gone = has(codes, FitCode.NOT_ESTIMABLE)
    mark(codes, ~gone & ~short & ~runaway & (quality[:, kernels.CONDITION] > _ILL_CONDITION), FitCode.ILL_CONDITIONED)
    fits.gradient_norm[:] = quality[:, kernels.GRADIENT]
    fits.iterations[:] = np.nan_to_num(quality[:, kernels.ITERATIONS])
    fits.condition[:] = np.where(gone, np.nan, quality[:, kernels.CONDITION])
    beta[gone] = np.nan
    covariance[gone] = np.nan
    for trial in np.flatnonzero(short | runaway):
        _fit_without_nuisance(data, fits, int(trial), focus, penalised=penalised)
    if outwards:
        data.standardised.outwards(beta, covariance)
    return fits


def _rows_with_weight(data: BinomialInput, trial: int) -> FloatArray:
    part = slice(int(data.offsets[trial]), int(data.offsets[trial + 1]))
    x = data.design[part]
    return np.ascontiguousarray(x[data.weights[part] > 0.0] if data.weights.shape[0] else x)


def _fit_without_nuisance(
    data: BinomialInput, fits: LogisticFits, trial: int, focus: int | None, *, penalised: bool
) -> None:
    """Fit one trial on the rows and columns that say something of the arm; write it into ``fits``, eq. (LR-8).

    Rows whose outcome a runaway combination of nuisance columns foretells add nothing to the likelihood in its limit.
    Of columns that determine one another the later ones go; a coefficient is reported where what is left gives it a
    value, whichever of them went.
    """
    p = data.design.shape[1]
    own = np.arange(data.offsets[trial], data.offsets[trial + 1], dtype=np.int64)
    rows = own[fits.informative[own]]
    x = data.design[rows]
    if data.weights.shape[0]:
        x = x[data.weights[rows] > 0.0]
    free = undetermined_columns(x)
    codes = fits.codes[trial : trial + 1]
    fits.coefficients[trial], fits.covariance[trial] = np.nan, np.nan
    if focus is not None and free[focus]:
        mark(codes, np.array([0]), FitCode.RANK_DEFICIENT | FitCode.NOT_ESTIMABLE)
        if own.shape[0] < p:
            mark(codes, np.array([0]), FitCode.TOO_FEW_PARTICIPANTS)
        fits.log_lik[trial] = np.nan
        return
    aliased = np.zeros(p, dtype=np.bool_)
    find_aliased_columns(np.ascontiguousarray(x), 0, x.shape[0], p, aliased)
    kept = ~aliased
    part = data.part(rows, np.array([0, rows.shape[0]], dtype=np.int64), kept)
    inner = None if focus is None else int(kept[:focus].sum())
    found = fit_binomial(part, penalised=penalised, threads=1, column=inner, outwards=False)
    codes[0] |= found.codes[0]
    fits.log_lik[trial] = found.log_lik[0]
    fits.gradient_norm[trial], fits.iterations[trial] = found.gradient_norm[0], found.iterations[0]
    fits.condition[trial] = found.condition[0]
    places = np.flatnonzero(kept)
    fits.infinite[trial, places] |= found.infinite[0]
    fits.direction[trial, places] = np.where(found.infinite[0], found.direction[0], fits.direction[trial, places])
    fits.informative[rows] = found.informative
    fits.kept[trial] = False
    fits.kept[trial, places] = found.kept[0]
    if found.estimable[0]:
        mark(codes, np.array([0]), FitCode.NUISANCE_LEFT_OUT)
        told = places[~free[places]]
        inside = np.flatnonzero(~free[places])
        fits.coefficients[trial, told] = found.coefficients[0, inside]
        fits.covariance[trial][np.ix_(told, told)] = found.covariance[0][np.ix_(inside, inside)]


@dataclass(frozen=True)
class Separations:
    """What a linear programme found of some trials."""

    codes: CodeArray  # (n_chosen,) 0, or complete or quasi-complete separation with NOT_ESTIMABLE
    infinite: BoolArray  # (n_chosen, p): coefficients sent to infinity
    direction: NDArray[np.int8]  # (n_chosen, p): their signs
    rows: IntArray  # (n,) rows of the chosen trials in the batch
    owner: IntArray  # (n,) the trial of each in the batch
    rising: BoolArray  # (n,) whether its probability tends to the outcome seen


def detect_separation(data: BinomialInput, chosen: IntArray, *, threads: int | None = None) -> Separations:
    """Decide separation of the ``chosen`` trials by linear programming, eq. (LR-6)."""
    rows, packed = rows_of_trials(chosen, data.offsets)
    y, x = data.y[rows], data.design[rows]
    used = np.ones(rows.shape[0], dtype=np.bool_) if data.weights.shape[0] == 0 else data.weights[rows] > 0.0
    # A fractional outcome is both an event and a non-event and so forbids any rise along its row.
    up, down = np.flatnonzero(used & (y > 0.0)), np.flatnonzero(used & (y < 1.0))
    index = np.concatenate([up, down])
    sign = np.concatenate([np.ones(up.size), -np.ones(down.size)])
    owner = trial_of_row(packed)[index]
    order = np.argsort(owner, kind="stable")
    offsets = offsets_from_sizes(np.bincount(owner, minlength=chosen.size))
    found = find_recession((x[index] * sign[:, None])[order], offsets, threads=threads)
    complete = found.n_rising == np.diff(offsets)
    code = np.where(complete, int(FitCode.SEPARATION_COMPLETE), int(FitCode.SEPARATION_QUASI))
    code |= int(FitCode.NOT_ESTIMABLE)
    rising = np.zeros(rows.shape[0], dtype=np.bool_)
    rising[index[order]] = found.rising
    return Separations(
        codes=np.where(found.n_rising > 0, code, 0).astype(np.uint32),
        infinite=found.infinite,
        direction=found.direction,
        rows=rows,
        owner=chosen[trial_of_row(packed)],
        rising=rising,
    )


def likelihood_ratio(
    fits: LogisticFits,
    y: ArrayLike,
    design: ArrayLike,
    offsets: ArrayLike,
    *,
    column: int,
    weights: ArrayLike | None = None,
    threads: int | None = None,
) -> LikelihoodRatios:
    """Test ``column`` by refitting without it: twice the difference in log likelihood, chi-square on 1 df, (LR-4).

    Valid under separation too, because ``log_lik`` is then the supremum.
    """
    x = np.asarray(design, dtype=np.float64)
    smaller = fit_logistic(y, np.delete(x, column, axis=1), offsets, weights=weights, column=None, threads=threads)
    statistic = np.maximum(2.0 * (fits.log_lik - smaller.log_lik), 0.0)
    codes = fits.codes | smaller.codes
    return LikelihoodRatios(statistic, np.ones_like(statistic), chi_square_p(statistic, 1.0), codes)


def profile_limits(
    fits: LogisticFits,
    y: ArrayLike,
    design: ArrayLike,
    offsets: ArrayLike,
    *,
    column: int,
    level: float = 0.95,
    weights: ArrayLike | None = None,
    threads: int | None = None,
) -> ProfileLimits:
    """Limits of coefficient ``column`` where the profile deviance reaches the chi-square quantile, eq. (LR-5).

    When the trial is separated and the coefficient infinite, the side away from infinity is still found.
    """
    data = BinomialInput.of(y, design, offsets, weights)
    return profile_binomial(fits, data, column, level, penalised=False, threads=threads)


def profile_binomial(
    fits: LogisticFits,
    data: BinomialInput,
    column: int,
    level: float,
    *,
    penalised: bool,
    threads: int | None,
) -> ProfileLimits:
    """Both profile limits of ``column`` in every trial, by Newton on the signed root of the deviance, (LR-5)."""
    column = range(data.design.shape[1])[column]
    normal_quantile(level)
    codes = fits.codes.copy()
    limits = np.full((data.n_trials, 2), np.nan)
    reduced = (~fits.kept).any(axis=1) | any_by_trial(~fits.informative, data.offsets)
    whole = ~reduced
    if whole.any():
        limits[whole] = _profile_whole(fits, data, column, level, whole, penalised=penalised, threads=threads)[whole]
    for trial in np.flatnonzero(reduced & ~np.isnan(fits.log_lik)):
        part, place = reduced_input(fits, data, int(trial), column)
        if place is not None:
            again = fit_binomial(part, penalised=penalised, threads=1, column=place)
            one = np.ones(1, dtype=np.bool_)
            found = _profile_whole(again, part, place, level, one, penalised=penalised, threads=1)[0]
            limits[trial] = found * data.standardised.unit_of(column, data.n_trials)[trial]
    mark(codes, np.isnan(limits).any(axis=1), FitCode.LIMIT_NOT_FOUND)
    return ProfileLimits(limits[:, 0], limits[:, 1], level, codes)


def reduced_input(fits: LogisticFits, data: BinomialInput, trial: int, column: int) -> tuple[BinomialInput, int | None]:
    """The rows and columns of one trial that its fit was made on, and where ``column`` is among these."""
    own = np.arange(data.offsets[trial], data.offsets[trial + 1], dtype=np.int64)
    rows = own[fits.informative[own]]
    kept = fits.kept[trial]
    place = int(kept[:column].sum()) if kept[column] else None
    return data.part(rows, np.array([0, rows.shape[0]], dtype=np.int64), kept), place


def _profile_whole(
    fits: LogisticFits,
    data: BinomialInput,
    column: int,
    level: float,
    which: BoolArray,
    *,
    penalised: bool,
    threads: int | None,
) -> FloatArray:
    """(n_trials, 2) limits of the trials ``which``, all of whose rows and columns are in their fit."""
    z = normal_quantile(level)
    limits = np.full((data.n_trials, 2), np.nan)
    coefficients, covariance = fits.coefficients.copy(), fits.covariance.copy()
    data.standardised.inwards(coefficients, covariance)
    finite = np.isfinite(coefficients[:, column]) & which
    # Under separation the likelihood has a supremum, and the side away from infinity has a limit.
    separated = has(fits.codes, FitCode.SEPARATION_QUASI | FitCode.SEPARATION_COMPLETE)
    one_sided = which & separated & fits.infinite[:, column] & (fits.direction[:, column] != 0)
    centre, spread = np.where(finite, coefficients[:, column], 0.0), np.zeros(data.n_trials)
    spread[finite] = z * np.sqrt(covariance[finite, column, column])
    start = np.zeros_like(coefficients)
    if one_sided.any():
        data.maximise(
            one_sided,
            start,
            fixed=-1,
            penalised=penalised,
            threads=threads,
            quality=np.full((data.n_trials, kernels.N_QUALITY), np.nan),
            covariance=np.empty((data.n_trials, *data.design.shape[1:] * 2)),
        )
        one_sided &= start[:, column] * fits.direction[:, column] > 0.0
        centre = np.where(one_sided, start[:, column], centre)
        spread = np.where(one_sided, 0.25 * np.abs(start[:, column]), spread)
    for side, sign in ((0, -1.0), (1, 1.0)):
        wanted = finite | (one_sided & (fits.direction[:, column] != sign))
        # On a quadratic surface the other coefficients move with this one along the covariance.
        with np.errstate(invalid="ignore"):
            slope = covariance[:, :, column] / np.sqrt(covariance[:, column, column])[:, None]
        beta = np.where(finite[:, None], coefficients + sign * z * slope, start)
        origin = np.where(finite[:, None], coefficients, start)
        profile = _Profile(fits.log_lik, z, centre, origin, penalised)
        limits[:, side] = _profile_side(data, column, profile, sign * spread, beta, wanted, threads=threads)
    return limits * data.standardised.unit_of(column, data.n_trials)[:, None]


@dataclass(frozen=True)
class _Profile:
    """The profile of one coefficient, by trial: where it is highest, and how far below the limits lie."""

    top: FloatArray  # (n_trials,) the log likelihood there
    z: float  # root of the deviance at the limits
    centre: FloatArray  # (n_trials,) the coefficient there
    origin: FloatArray  # (n_trials, p) all coefficients there
    penalised: bool


def _profile_side(
    data: BinomialInput,
    column: int,
    profile: _Profile,
    spread: FloatArray,
    beta: FloatArray,
    wanted: BoolArray,
    *,
    threads: int | None,
) -> FloatArray:
    """Limits (n_trials,) on the side ``spread`` points to; NaN where not wanted, flat, or not found."""
    top, z, centre = profile.top, profile.z, profile.centre
    inside, outside = centre.copy(), np.full_like(centre, np.nan)
    b = centre + spread
    limit = np.full_like(centre, np.nan)
    active = wanted.copy()
    toward = np.sign(spread)
    before, beta_before = centre.copy(), profile.origin.copy()
    for _ in range(80):
        if not active.any():
            break
        beta[:, column] = np.where(active, b, beta[:, column])
        quality = np.full((data.n_trials, kernels.N_QUALITY), np.nan)
        log_lik = data.maximise(
            active, beta, fixed=column, penalised=profile.penalised, quality=quality, threads=threads
        )
        failed = active & ((quality[:, kernels.STATUS] == kernels.STOPPED) | ~np.isfinite(log_lik))
        active &= ~failed
        with np.errstate(invalid="ignore", divide="ignore"):
            root = np.sqrt(np.maximum(2.0 * (top - log_lik), 0.0))
            found = active & (np.abs(root - z) < 1e-10 * (1.0 + z))
            limit[found] = b[found]
            active &= ~found
            inside = np.where(active & (root < z), b, inside)
            outside = np.where(active & (root >= z), b, outside)
            # The derivative of the root of the deviance is minus the score over the root.
            proposal = b - (z - root) * root / quality[:, kernels.SCORE_FIXED]
            # No bracket yet: follow the proposal up to a quadrupled distance; give up where the profile is flat.
            furthest = centre + 4.0 * (b - centre)
            sensible = ((proposal - b) * toward > 0.0) & ((furthest - proposal) * toward > 0.0)
            outward = np.where(sensible, proposal, furthest)
            bracketed = ~np.isnan(outside)
            within = ((proposal - inside) * toward > 0.0) & ((outside - proposal) * toward > 0.0)
            inward = np.where(within, proposal, 0.5 * (inside + outside))
            following = np.where(bracketed, inward, outward)
        # A proposal that no longer moves is the limit to the last digit.
        still = active & (following == b)
        limit[still] = b[still]
        active &= ~still & ~(~bracketed & (np.abs(following - centre) > 1e4 * np.abs(spread)))
        # The other coefficients start where the line through their last two maxima leads: an iteration or two fewer.
        with np.errstate(invalid="ignore", divide="ignore"):
            stretch = (following - b) / (b - before)
            ahead = beta + (beta - beta_before) * np.where(np.abs(stretch) <= 2.0, stretch, 0.0)[:, None]
        before, beta_before = b.copy(), beta.copy()
        beta[active] = ahead[active]
        b = np.where(active, following, b)
    return limit
