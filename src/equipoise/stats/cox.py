"""Cox regression, many trials at a time: Efron, Breslow and exact ties. Methods: ``docs/methods/cox.md``.

>>> import numpy as np
>>> from equipoise.stats.cox import fit_cox
>>> time = np.array([1.0, 2.0, 3.0, 4.0])
>>> fits = fit_cox(time, np.ones(4), np.array([1.0, 0.0, 1.0, 0.0]), offsets=[0, 4])
>>> bool(fits.coefficients[0, 0] > 0)  # the experimental arm relapses earlier
True
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from equipoise.stats.codes import FitCode, has, mark
from equipoise.stats.kernels import cox as kernels
from equipoise.stats.kernels.cox_exact import maximise_exact_range
from equipoise.stats.kernels.cox_residuals import Residuals, residual_range
from equipoise.stats.kernels.linear_algebra import find_aliased_columns
from equipoise.stats.kernels.separation import find_recession, undetermined_columns
from equipoise.stats.kernels.sorting import arrange_rows
from equipoise.stats.packing import (
    FloatArray,
    IntArray,
    any_by_trial,
    offsets_from_sizes,
    run_over_trials,
    sum_by_trial,
    trial_of_row,
)
from equipoise.stats.wald import (
    BoolArray,
    CodeArray,
    WaldFits,
    as_design,
    as_integers,
    as_offsets,
    as_vector,
    chi_square_p,
)

Ties = Literal["efron", "breslow", "exact"]
METHODS: dict[str, int] = {"breslow": kernels.BRESLOW, "efron": kernels.EFRON, "exact": kernels.EXACT}

# As for logistic regression: a finite, unremarkable maximum needs less than this.
_SUSPECT_ITERATIONS = 9
_SUSPECT_PREDICTOR = 8.0
_ILL_CONDITION = 1e12


@dataclass(frozen=True)
class SurvivalInput:
    """Checked survival rows of a batch, sorted by trial, stratum and time; ``order`` leads back to the caller's."""

    time: FloatArray
    event: FloatArray
    stratum: IntArray
    design: FloatArray
    offsets: IntArray
    order: IntArray  # sorted row i is the caller's row order[i]
    codes: CodeArray

    @classmethod
    def of(
        cls,
        time: ArrayLike,
        event: ArrayLike,
        design: ArrayLike,
        offsets: ArrayLike,
        strata: ArrayLike | None,
        *,
        threads: int | None,
    ) -> SurvivalInput:
        """Check and sort; ValueError when shapes disagree."""
        t = as_vector(time, "time")
        n = t.shape[0]
        d = as_vector(event, "event", n)
        x = as_design(design, n)
        bounds = as_offsets(offsets, n)
        stratum = None if strata is None else as_integers(strata, "strata", n)
        rows = arrange_rows(t, d, stratum, bounds, threads=threads)
        mark(rows.codes, any_by_trial(~np.isfinite(x), bounds), FitCode.NON_FINITE_INPUT | FitCode.NOT_ESTIMABLE)
        return cls(rows.time, rows.event, rows.stratum, np.take(x, rows.order, axis=0), bounds, rows.order, rows.codes)

    @property
    def n_trials(self) -> int:
        """Number of trials in the batch."""
        return int(self.offsets.shape[0]) - 1

    def rows(self, wanted: BoolArray) -> kernels.SurvivalRows:
        """What kernels read, of the ``wanted`` trials."""
        return kernels.SurvivalRows(self.time, self.event, self.stratum, self.design, self.offsets, wanted)


@dataclass(frozen=True)
class CoxFits(WaldFits):
    """Cox fits of ``n_trials`` trials with ``p`` columns; NaN where ``codes`` says not estimable.

    With ``ties="exact"`` coefficients are log odds ratios of the event within one time (conditional logistic), not
    log hazard ratios. Under a monotone likelihood ``log_lik`` is the supremum.
    """

    coefficients: FloatArray  # (n_trials, p), log hazard ratios (log odds ratios if ties is "exact")
    covariance: FloatArray  # (n_trials, p, p), inverse information
    robust_covariance: FloatArray  # (n_trials, p, p), sandwich over clusters; NaN unless asked for
    log_lik: FloatArray
    log_lik_null: FloatArray
    score_test: FloatArray  # chi-square of all columns at zero, df = p
    wald_test: FloatArray  # chi-square of all columns, with the robust covariance where there is one
    n_rows: IntArray
    n_events: FloatArray
    gradient_norm: FloatArray  # sqrt(score' information^-1 score) before the last step, in standard errors
    iterations: IntArray
    condition: FloatArray
    aliased: BoolArray  # (n_trials, p)
    infinite: BoolArray  # (n_trials, p): coefficients without a finite maximiser
    direction: NDArray[np.int8]  # (n_trials, p): the sign in which they run off
    ties: Ties
    codes: CodeArray
    kept: BoolArray  # (n_trials, p): columns of the fit that was made
    strata: IntArray  # (n_rows,): strata of the fit that was made, finer where nuisance columns run off

    @property
    def estimable(self) -> BoolArray:
        """(n_trials,): the coefficients are numbers to report."""
        return ~has(self.codes, FitCode.NOT_ESTIMABLE)

    @property
    def scale(self) -> str:
        """What exp(coefficient) is: ``hazard_ratio``, or ``odds_ratio`` for the exact method."""
        return "odds_ratio" if self.ties == "exact" else "hazard_ratio"

    @property
    def robust_errors(self) -> FloatArray:
        """Sandwich standard errors (n_trials, p)."""
        return np.asarray(np.sqrt(np.diagonal(self.robust_covariance, axis1=1, axis2=2)))

    @property
    def likelihood_ratio_test(self) -> FloatArray:
        """Chi-square of all columns, df = p, eq. (CX-6); valid under a monotone likelihood too."""
        return np.maximum(2.0 * (self.log_lik - self.log_lik_null), 0.0)

    @property
    def likelihood_ratio_p(self) -> FloatArray:
        """Its p value."""
        return chi_square_p(self.likelihood_ratio_test, (~self.aliased).sum(axis=1).astype(np.float64))


def fit_cox(
    time: ArrayLike,
    event: ArrayLike,
    design: ArrayLike,
    offsets: ArrayLike,
    *,
    ties: Ties = "efron",
    strata: ArrayLike | None = None,
    cluster: ArrayLike | None = None,
    robust: bool = False,
    column: int | None = 0,
    threads: int | None = None,
) -> CoxFits:
    """Maximise the partial likelihood of each trial.

    ``time`` (n_rows,) not negative; ``event`` (n_rows,) 1 event, 0 censored at ``time`` (still at risk then);
    ``design`` (n_rows, p) without a constant; ``strata`` and ``cluster`` (n_rows,) whole numbers. ``robust`` asks for
    the sandwich variance, over ``cluster`` if given, else over rows; ``cluster`` implies it. ``column`` is the
    coefficient the fit is for, the arm's: where the data determine it to be finite it is given, whatever other columns
    repeat one another or run off; these are NaN, with NUISANCE_LEFT_OUT, eq. (CX-8). Assumes proportional
    hazards within strata and censoring independent given the design. Times equal to the last bit are ties.
    Raises ValueError only for shapes or an unknown ``ties``.

    Source: Efron (1977) JASA 72:557; Breslow (1974); Gail, Lubin and Rubinstein (1981) for exact;
    Lin and Wei (1989) for the sandwich.
    """
    if ties not in METHODS:
        raise ValueError(f"ties must be one of {sorted(METHODS)}, got {ties!r}")
    data = SurvivalInput.of(time, event, design, offsets, strata, threads=threads)
    n, p = data.n_trials, data.design.shape[1]
    focus = None if column is None else range(p)[column]
    groups = None if cluster is None else as_integers(cluster, "cluster", data.time.shape[0])[data.order]
    codes = data.codes.copy()
    mark(codes, has(codes, FitCode.NO_EVENTS), FitCode.NOT_ESTIMABLE)
    mark(codes, np.diff(data.offsets) < 2, FitCode.TOO_FEW_PARTICIPANTS | FitCode.NOT_ESTIMABLE)
    infinite = np.zeros((n, p), dtype=np.bool_)
    direction = np.zeros((n, p), dtype=np.int8)
    wanted = ~has(codes, FitCode.NOT_ESTIMABLE)

    (beta, covariance, quality), aliased = _maximise(data, wanted, ties, threads)
    short = aliased.any(axis=1)
    wanted &= ~short
    unfinished = wanted & (quality[:, kernels.STATUS] != kernels.CONVERGED)
    strange = quality[:, kernels.ITERATIONS] > _SUSPECT_ITERATIONS
    strange |= quality[:, kernels.PREDICTOR] > _SUSPECT_PREDICTOR
    suspect = unfinished | (wanted & strange)
    flat_rows: dict[int, BoolArray] = {int(trial): np.ones(0, dtype=np.bool_) for trial in np.flatnonzero(short)}
    rising, flat = _rows_that_rise(data, np.flatnonzero(suspect), infinite, direction, ties, threads)
    unfinished[rising] = False
    for where in rising:
        if focus is None or infinite[where, focus]:
            mark(codes, np.array([where]), FitCode.MONOTONE_LIKELIHOOD | FitCode.NOT_ESTIMABLE)
        else:
            flat_rows[where] = flat[where]
    mark(codes, unfinished, FitCode.NOT_CONVERGED | FitCode.NOT_ESTIMABLE)
    gone = has(codes, FitCode.NOT_ESTIMABLE)
    reduced = np.zeros(n, dtype=np.bool_)
    reduced[list(flat_rows)] = True
    mark(codes, ~gone & ~reduced & (quality[:, kernels.CONDITION] > _ILL_CONDITION), FitCode.ILL_CONDITIONED)
    gone |= reduced
    beta[gone] = np.nan
    covariance[gone] = np.nan
    unknown = gone & ~reduced & ~has(codes, FitCode.MONOTONE_LIKELIHOOD)
    for column in (kernels.LOG_LIK, kernels.LOG_LIK_NULL, kernels.SCORE_TEST):
        quality[unknown, column] = np.nan

    sandwich = np.full((n, p, p), np.nan)
    if (robust or cluster is not None) and ties != "exact":
        residuals, _, _ = residuals_of(data, beta, ~gone, ties, np.zeros_like(data.time), threads=threads)
        sandwich = _sandwich(residuals, covariance, groups, data.offsets)
    wald = np.where(gone, np.nan, quality[:, kernels.WALD])
    if robust or cluster is not None:
        _write_robust_wald(wald, beta, np.where(np.isnan(sandwich), covariance, sandwich), gone, codes)
    strata_used = np.empty_like(data.stratum)
    strata_used[data.order] = data.stratum
    fits = CoxFits(
        coefficients=beta,
        covariance=covariance,
        robust_covariance=sandwich,
        log_lik=quality[:, kernels.LOG_LIK],
        log_lik_null=quality[:, kernels.LOG_LIK_NULL],
        score_test=quality[:, kernels.SCORE_TEST],
        wald_test=wald,
        n_rows=np.diff(data.offsets),
        n_events=sum_by_trial(data.event, data.offsets),
        gradient_norm=quality[:, kernels.GRADIENT],
        iterations=np.nan_to_num(quality[:, kernels.ITERATIONS]).astype(np.int64),
        condition=np.where(gone, np.nan, quality[:, kernels.CONDITION]),
        aliased=aliased,
        infinite=infinite,
        direction=direction,
        ties=ties,
        codes=codes,
        kept=np.ones((n, p), dtype=np.bool_),
        strata=strata_used,
    )
    for where, rows_that_stay in flat_rows.items():
        _fit_without_nuisance(data, fits, where, focus, rows_that_stay, robust=robust, groups=groups)
    return fits


def _maximise(
    data: SurvivalInput, wanted: BoolArray, ties: Ties, threads: int | None
) -> tuple[kernels.CoxMaxima, BoolArray]:
    """The maxima of the ``wanted`` trials, and (n_trials, p) the columns that repeat others: such a trial has none."""
    n, p = data.n_trials, data.design.shape[1]
    quality = np.full((n, kernels.N_QUALITY), np.nan)
    found = kernels.CoxMaxima(np.zeros((n, p)), np.full((n, p, p), np.nan), quality)
    aliased, again = np.zeros((n, p), dtype=np.bool_), np.zeros(n, dtype=np.bool_)

    def climb(which: BoolArray) -> None:
        rows = data.rows(which)

        def run(begin: int, end: int) -> None:
            if ties == "exact":
                maximise_exact_range(rows, found, begin, end)
            else:
                kernels.maximise_range(rows, METHODS[ties], found, begin, end)

        run_over_trials(run, n, threads=threads)

    climb(wanted)
    for trial in np.flatnonzero(quality[:, kernels.STATUS] == kernels.DOUBTFUL_RANK):
        rows = risk_differences(data, int(trial), exact=ties == "exact")
        again[trial] = find_aliased_columns(rows, 0, rows.shape[0], p, aliased[trial]) == 0
    if again.any():
        climb(again)
    return found, aliased


def _rows_that_rise(
    data: SurvivalInput,
    suspect: IntArray,
    infinite: BoolArray,
    direction: NDArray[np.int8],
    ties: Ties,
    threads: int | None,
) -> tuple[list[int], dict[int, BoolArray]]:
    """Which suspect trials have a likelihood that rises for ever, and by trial which risk differences stay flat then.

    Coefficients that run off are noted in ``infinite`` and ``direction``.
    """
    if not suspect.size:
        return [], {}
    parts = [risk_differences(data, int(trial), exact=ties == "exact") for trial in suspect]
    packed = offsets_from_sizes([part.shape[0] for part in parts])
    found = find_recession(np.concatenate(parts), packed, threads=threads)
    infinite[suspect], direction[suspect] = found.infinite, found.direction
    places = np.flatnonzero(found.n_rising)
    rising = [int(suspect[place]) for place in places]
    return rising, {
        trial: ~found.rising[packed[place] : packed[place + 1]] for trial, place in zip(rising, places, strict=True)
    }


def _write_robust_wald(
    wald: FloatArray, beta: FloatArray, covariance: FloatArray, gone: BoolArray, codes: CodeArray
) -> None:
    """The joint test with the robust covariance; with no more clusters than columns it has no inverse, and no test."""
    singular = ~gone & _is_singular(covariance)
    mark(codes, singular, FitCode.ILL_CONDITIONED)
    wald[singular] = np.nan
    fine = ~gone & ~singular
    if fine.any():
        right = beta[fine][:, :, None]
        wald[fine] = np.einsum("ti,ti->t", beta[fine], np.linalg.solve(covariance[fine], right)[:, :, 0])


def _fit_without_nuisance(
    data: SurvivalInput,
    fits: CoxFits,
    trial: int,
    focus: int | None,
    flat: BoolArray,
    *,
    robust: bool,
    groups: IntArray | None,
) -> None:
    """Fit one trial on what says something of the arm, eq. (CX-8); write it into ``fits``.

    ``flat`` says which risk differences stay flat where nuisance columns run off; empty, all do. In the limit of a
    runaway combination only those as high along it as the one who fails are left in a risk set: it becomes a stratum.
    """
    p = data.design.shape[1]
    part = slice(int(data.offsets[trial]), int(data.offsets[trial + 1]))
    stratum = data.stratum[part]
    first, second = risk_pairs(data, trial, exact=fits.ties == "exact")
    if flat.size:
        from scipy.sparse import coo_matrix
        from scipy.sparse.csgraph import connected_components

        n = stratum.shape[0]
        edges = coo_matrix((np.ones(int(flat.sum())), (first[flat], second[flat])), shape=(n, n))
        stratum = connected_components(edges, directed=False)[1].astype(np.int64)
        first, second = first[flat], second[flat]
    rows = np.ascontiguousarray(data.design[part][first] - data.design[part][second])
    codes, one = fits.codes[trial : trial + 1], np.array([0])
    free = undetermined_columns(rows)
    if focus is not None and free[focus]:
        mark(codes, one, FitCode.RANK_DEFICIENT | FitCode.NOT_ESTIMABLE)
        fits.log_lik[trial] = fits.log_lik_null[trial] = fits.score_test[trial] = np.nan
        return
    aliased = np.zeros(p, dtype=np.bool_)
    find_aliased_columns(rows, 0, rows.shape[0], p, aliased)
    places = np.flatnonzero(~aliased)
    fits.kept[trial] = ~aliased
    if not places.size:
        mark(codes, one, FitCode.RANK_DEFICIENT | FitCode.NOT_ESTIMABLE)
        return
    found = fit_cox(
        data.time[part],
        data.event[part],
        data.design[part][:, places],
        [0, stratum.shape[0]],
        ties=fits.ties,
        strata=stratum,
        cluster=None if groups is None else groups[part],
        robust=robust,
        column=None if focus is None else int((~aliased)[:focus].sum()),
        threads=1,
    )
    codes |= found.codes
    fits.kept[trial, places] = found.kept[0]
    fits.strata[data.order[part]] = found.strata
    fits.infinite[trial, places] |= found.infinite[0]
    fits.direction[trial, places] = np.where(found.infinite[0], found.direction[0], fits.direction[trial, places])
    for name in ("log_lik", "gradient_norm", "iterations", "condition"):
        getattr(fits, name)[trial] = getattr(found, name)[0]
    if not flat.size:
        fits.log_lik_null[trial], fits.score_test[trial] = found.log_lik_null[0], found.score_test[0]
    if found.estimable[0]:
        mark(codes, one, FitCode.NUISANCE_LEFT_OUT)
        fits.wald_test[trial] = found.wald_test[0]
        told, inside = places[~free[places]], np.flatnonzero(~free[places])
        fits.coefficients[trial, told] = found.coefficients[0, inside]
        for name in ("covariance", "robust_covariance"):
            getattr(fits, name)[trial][np.ix_(told, told)] = getattr(found, name)[0][np.ix_(inside, inside)]


def residuals_of(
    data: SurvivalInput,
    beta: FloatArray,
    wanted: BoolArray,
    ties: Ties,
    transform: FloatArray,
    *,
    threads: int | None,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Score and Schoenfeld residuals (n_rows, p) in sorted order, and the moments (n_trials, 3, p, p) of (PH-3).

    Rows of trials not wanted are NaN, and so are Schoenfeld residuals of censored rows.
    """
    n, p = data.n_trials, data.design.shape[1]
    score_rows = np.zeros((data.time.shape[0], p))
    schoenfeld = np.zeros((data.time.shape[0], p))
    moments = np.zeros((n, 3, p, p))
    rows, out = data.rows(wanted), Residuals(beta, transform, score_rows, schoenfeld, moments)
    run_over_trials(lambda begin, end: residual_range(rows, METHODS[ties], out, begin, end), n, threads=threads)
    missing = ~wanted[trial_of_row(data.offsets)]
    score_rows[missing] = np.nan
    schoenfeld[missing | (data.event == 0.0)] = np.nan
    moments[~wanted] = np.nan
    return score_rows, schoenfeld, moments


def _is_singular(matrices: FloatArray) -> BoolArray:
    """Whether each symmetric matrix, scaled to unit diagonal, has no inverse to speak of; True for NaN."""
    scale = np.sqrt(np.diagonal(matrices, axis1=1, axis2=2))
    with np.errstate(invalid="ignore", divide="ignore"):
        scaled = matrices / (scale[:, :, None] * scale[:, None, :])
    out = ~np.isfinite(scaled).all(axis=(1, 2))
    usable = np.flatnonzero(~out)
    out[usable] = np.linalg.eigvalsh(scaled[usable])[:, 0] < 1e-12
    return np.asarray(out)


def _sandwich(residuals: FloatArray, covariance: FloatArray, groups: IntArray | None, offsets: IntArray) -> FloatArray:
    """Covariance times the sum over clusters of outer products of summed score residuals, times covariance."""
    owner = trial_of_row(offsets)
    if groups is not None:
        keys = np.stack([owner, groups], axis=1)
        unique, where = np.unique(keys, axis=0, return_inverse=True)
        summed = np.zeros((unique.shape[0], residuals.shape[1]))
        np.add.at(summed, where.ravel(), residuals)
        residuals, owner = summed, unique[:, 0]
    middle = np.zeros_like(covariance)
    np.add.at(middle, owner, residuals[:, :, None] * residuals[:, None, :])
    return np.asarray(np.einsum("tij,tjk,tkl->til", covariance, middle, covariance))


def risk_differences(data: SurvivalInput, trial: int, *, exact: bool) -> FloatArray:
    """Rows whose products with a direction must all be >= 0 for the partial likelihood to rise along it, (CX-7)."""
    first, second = risk_pairs(data, trial, exact=exact)
    x = data.design[data.offsets[trial] : data.offsets[trial + 1]]
    return np.ascontiguousarray(x[first] - x[second])


def risk_pairs(data: SurvivalInput, trial: int, *, exact: bool) -> tuple[IntArray, IntArray]:
    """Who must outrank whom for the partial likelihood to rise along a direction; a row of zeros (0, 0) first.

    Each event outranks everybody who leaves before the next event time, and one event of that next time (which
    outranks the rest by the same rule). Events of one time must be equal along the direction, except in the exact
    method, where each must outrank every event of the next time.
    """
    part = slice(data.offsets[trial], data.offsets[trial + 1])
    time, event, stratum = data.time[part], data.event[part], data.stratum[part]
    none = np.zeros(1, dtype=np.int64)
    winners, others = [none], [none]
    for level in np.unique(stratum):
        inside = stratum == level
        times = np.unique(time[inside & (event == 1.0)])
        for index, now in enumerate(times):
            failing = np.flatnonzero(inside & (time == now) & (event == 1.0))
            later = times[index + 1] if index + 1 < times.shape[0] else np.inf
            leaving = np.flatnonzero(inside & (time >= now) & (time < later) & ~((event == 1.0) & (time == now)))
            following = np.flatnonzero(inside & (time == later) & (event == 1.0))
            below = np.concatenate([leaving, following])
            if exact:
                winners.append(np.repeat(failing, below.shape[0]))
                others.append(np.tile(below, failing.shape[0]))
            else:
                winners += [np.repeat(failing[:1], below.shape[0]), failing]
                others += [below, np.roll(failing, 1)]
    return np.concatenate(winners), np.concatenate(others)
