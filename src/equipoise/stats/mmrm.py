"""Mixed model for repeated measures: every visit a mean of its own, the visits of a participant correlated as they are.

For a score at planned visits. No random effects: the covariance matrix of a participant's visits is estimated itself,
unstructured or with a structure, one for all or one for each group. Equations, assumptions: ``docs/methods/mmrm.md``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from equipoise.stats.codes import FitCode
from equipoise.stats.linear_mixed import Contrasts
from equipoise.stats.logistic_mixed import require_packed
from equipoise.stats.nuisance import refit_without_nuisance
from equipoise.stats.packing import FloatArray, IntArray, rows_of_trials, run_over_trials
from equipoise.stats.standardise import Standardised, standardise

Errors = Literal["kenward-roger", "satterthwaite", "sandwich"]

# The parameters of a matrix of T visits, and how the kernels know it: (family, a standard deviation for each visit).
STRUCTURES: dict[str, tuple[int, bool]] = {
    "unstructured": (0, True),
    "toeplitz-heterogeneous": (1, True),
    "toeplitz": (1, False),
    "ar1-heterogeneous": (2, True),
    "ar1": (2, False),
    "ante-dependence-heterogeneous": (3, True),
    "ante-dependence": (3, False),
    "compound-symmetry-heterogeneous": (4, True),
    "compound-symmetry": (4, False),
}
# What stands in, in this order, where a structure has no maximum; ante-dependence enters at first-order autoregression.
_DOWN = (
    "unstructured",
    "toeplitz-heterogeneous",
    "ar1-heterogeneous",
    "compound-symmetry-heterogeneous",
    "toeplitz",
    "ar1",
    "compound-symmetry",
)
MOST_VISITS = 100


@dataclass(frozen=True, slots=True)
class Covariance:
    """A structure of the covariance of the visits, and whether each group has a matrix of its own."""

    structure: str
    by_group: bool = False

    def fallbacks(self) -> tuple[Covariance, ...]:
        """What stands in where this one has no maximum: first one matrix for all, then simpler structures."""
        pooled = (Covariance(self.structure),) if self.by_group else ()
        at = {"ante-dependence-heterogeneous": 2, "ante-dependence": 5}.get(self.structure)
        if at is None:
            at = _DOWN.index(self.structure) + 1
        return (*pooled, *(Covariance(name) for name in _DOWN[at:]))


@dataclass(frozen=True, slots=True)
class MmrmFits:
    """One fit for each trial; NaN, with a code saying why, where there is no finite answer.

    ``p`` is the number of columns of the design, ``n`` of trials, ``T`` of planned visits, ``G`` of groups.
    """

    coefficients: FloatArray
    """(n, p): in the unit of the outcome."""
    covariance: FloatArray
    """(n, p, p): of the coefficients, with the visits' covariance taken as known."""
    covariance_kenward_roger: FloatArray
    """(n, p, p): Kenward and Roger's linear one, for estimates of that covariance; NaN by maximum likelihood."""
    covariance_sandwich: FloatArray
    """(n, p, p): empirical, as it is (too small in small trials)."""
    covariance_mancl_derouen: FloatArray
    """(n, p, p): empirical, each residual in the measure of what the fit took from it."""
    df: FloatArray
    """(n, p): Satterthwaite degrees of freedom of each coefficient; of a single contrast Kenward and Roger's too."""
    df_sandwich: FloatArray
    """(n,): participants less columns, at least 1."""
    visit_covariance: FloatArray
    """(n, G, T, T): of the outcomes; NaN at visits that nobody was seen at. G is 1 where one is for all."""
    log_likelihood: FloatArray
    """(n,): restricted where ``reml``, with (rows - p) log 2 pi and without a term in log det X'X."""
    gradient_norm: FloatArray
    """(n,): length of the last gradient in the metric of the inverse information."""
    iterations: IntArray
    """(n,): evaluations of the derivatives."""
    condition: FloatArray
    """(n,): the larger of the condition numbers of the information on the covariance and on the coefficients."""
    structure: IntArray
    """(n,): which of ``tried`` the answer is from; -1 where there is none."""
    n_parameters: IntArray
    """(n,): of the covariance."""
    codes: NDArray[np.uint32]
    """(n,): bit mask of :class:`equipoise.stats.codes.FitCode`."""
    aliased: NDArray[np.bool_]
    """(n, p): the columns that repeat others."""
    kept: NDArray[np.bool_]
    """(n, p): columns of the fit that was made."""
    covariance_jacobian: FloatArray
    """(n, k, p, p): derivatives of ``covariance`` in directions of the parameters whose own covariance is the identity;
    k is 0 where they were not asked for."""
    tried: tuple[Covariance, ...]
    """The planned covariance, then what stands in, in order."""
    reml: bool

    def standard_errors(self, which: Errors) -> FloatArray:
        """(n, p): of the coefficients; NaN where no error can be told."""
        by_model = np.diagonal(self.covariance, axis1=1, axis2=2)
        return _root(np.diagonal(self.errors(which), axis1=1, axis2=2), by_model)

    def errors(self, which: Errors) -> FloatArray:
        """(n, p, p): the covariance of the coefficients that a choice of errors stands for."""
        if which == "kenward-roger":
            return self.covariance_kenward_roger
        return self.covariance_mancl_derouen if which == "sandwich" else self.covariance


def fit_mmrm(
    y: ArrayLike,
    design: ArrayLike,
    visit: ArrayLike,
    participant_offsets: ArrayLike,
    trial_offsets: ArrayLike,
    *,
    n_visits: int,
    covariance: Covariance = Covariance("unstructured"),
    group: ArrayLike | None = None,
    reml: bool = True,
    fall_back: bool = True,
    column: int | None = 1,
    jacobian: bool = True,
    threads: int | None = None,
) -> MmrmFits:
    """Fit y_i = X_i beta + e_i, e_i normal with the covariance of the visits at which participant i was seen.

    Parameters
    ----------
    y : (rows,) the outcome; rows without one are left out by the caller (valid when missing at random).
    design : (rows, p), with its column of ones if an intercept is wanted.
    visit : (rows,) number of the planned visit, from 0, rising within each participant.
    participant_offsets : (participants + 1,) rows of each participant.
    trial_offsets : (trials + 1,) *participants* of each trial.
    n_visits : planned visits. A visit that nobody of a trial was seen at has no parameters there; distances of visits
        (Toeplitz, first-order autoregression) are counted over planned ones.
    covariance : the planned structure, one matrix for all or one for each group.
    group : (participants,) number of each one's group, from 0; needed where the covariance is by group.
    reml : restricted maximum likelihood, or maximum likelihood when False, which has no Kenward-Roger errors.
    fall_back : where a structure has no maximum take the next of ``covariance.fallbacks()``.
    column : the coefficient the fit is for, the arm's: columns that repeat others cost only their own coefficients,
        with NUISANCE_LEFT_OUT, unless its own is among them.
    jacobian : keep what contrasts need for their degrees of freedom; those of single coefficients do not need it.
    threads : how many; one for each core when None. The answer does not depend on it, bit for bit.

    Never raises for what the data hold: NaN and a code instead. Raises ValueError where arrays do not fit together.

    Degrees of freedom and Kenward-Roger errors rest on the observed information of the covariance parameters, as SAS's.
    Kenward-Roger is the linear form, without second derivatives: it does not depend on how a structure is written down,
    and for an unstructured matrix it is SAS's.

    Source: Jennrich and Schluchter (1986), Biometrics 42:805-820; Kenward and Roger (1997), Biometrics 53:983-997, and
    (2009), Comput Stat Data Anal 53:2583-2595; Mancl and DeRouen (2001), Biometrics 57:126-134.
    """
    outcome, given, rows, trials = require_packed(y, design, participant_offsets, trial_offsets)
    visits = np.require(visit, np.int64, ["C", "W"])
    groups = np.zeros(rows.shape[0] - 1, np.int64) if group is None else np.require(group, np.int64, ["C", "W"])
    _require_visits(visits, outcome, groups, rows, n_visits)
    if covariance.by_group and group is None:
        raise ValueError("a covariance by group needs `group`, one number per participant")
    standardised = standardise(given, rows[trials], threads=threads)
    tried = (covariance, *(covariance.fallbacks() if fall_back else ()))
    fits = _empty(trials.shape[0] - 1, given.shape[1], n_visits, groups, tried, jacobian, reml)
    packed = _Packed(outcome, standardised.design, visits, groups, rows, trials)
    waiting = np.arange(trials.shape[0] - 1)
    for place in range(len(tried)):
        _fit_structure(fits, place, waiting, packed, threads)
        waiting = waiting[(fits.codes[waiting] & np.uint32(FitCode.NOT_CONVERGED)) != 0]
        if not waiting.size:
            break
    _outwards(fits, standardised)
    participants = np.diff(_cumulative(np.diff(rows) > 0)[trials])
    fits.df_sandwich[:] = np.maximum(participants - given.shape[1], 1)
    fits.structure[(fits.codes & np.uint32(FitCode.NOT_ESTIMABLE)) != 0] = -1
    refit_without_nuisance(
        fits,
        outcome,
        given,
        rows,
        trials,
        column,
        lambda y, x, bounds, where: fit_mmrm(
            y,
            x,
            visits[where],
            bounds,
            [0, bounds.size - 1],
            n_visits=n_visits,
            covariance=covariance,
            group=_groups_of(where, groups, rows, trials),
            reml=reml,
            fall_back=fall_back,
            jacobian=jacobian,
            threads=1,
        ),
    )
    return fits


def _cumulative(flags: NDArray[np.bool_]) -> IntArray:
    return np.concatenate([[0], np.cumsum(flags)]).astype(np.int64)


def _groups_of(where: IntArray, groups: IntArray, rows: IntArray, trials: IntArray) -> IntArray:
    """Groups of all participants of the trial that row ``where[0]`` belongs to."""
    participant = int(np.searchsorted(rows, where[0], side="right")) - 1
    trial = int(np.searchsorted(trials, participant, side="right")) - 1
    return groups[int(trials[trial]) : int(trials[trial + 1])]


def _require_visits(visits: IntArray, y: FloatArray, groups: IntArray, rows: IntArray, n_visits: int) -> None:
    """A ValueError that says which array does not fit."""
    if visits.shape != y.shape:
        raise ValueError(f"visit {visits.shape} must have one number per row, like y {y.shape}")
    if groups.shape != (rows.shape[0] - 1,):
        raise ValueError(f"group {groups.shape} must have one number per participant, {rows.shape[0] - 1}")
    if not 1 <= n_visits <= MOST_VISITS:
        raise ValueError(f"n_visits {n_visits} must be 1 to {MOST_VISITS}")
    if visits.size and not (visits.min() >= 0 and visits.max() < n_visits):
        raise ValueError(f"visit must be 0 to {n_visits - 1}")
    if groups.size and groups.min() < 0:
        raise ValueError("group must not be negative")
    inside = np.ones(max(visits.size - 1, 0), dtype=np.bool_)
    ends = rows[1:-1]
    inside[ends[(ends > 0) & (ends < visits.size)] - 1] = False
    if (np.diff(visits)[inside] <= 0).any():
        raise ValueError("visit must rise within each participant, each at most once")


def _n_parameters(one: Covariance, n_visits: int, n_groups: int) -> int:
    """The most that a structure has, every visit having been seen."""
    family, heterogeneous = STRUCTURES[one.structure]
    if family == 0:
        of_one = n_visits * (n_visits + 1) // 2
    else:
        of_one = (n_visits if heterogeneous else 1) + (n_visits - 1 if family in (1, 3) else 1)
    return of_one * (n_groups if one.by_group else 1)


def _empty(
    n: int, p: int, n_visits: int, groups: IntArray, tried: tuple[Covariance, ...], jacobian: bool, reml: bool
) -> MmrmFits:
    """Arrays of no answer."""
    n_groups = int(groups.max(initial=0)) + 1 if tried[0].by_group else 1
    k = max(_n_parameters(one, n_visits, n_groups) for one in tried) if jacobian else 0

    def nothing(*shape: int) -> FloatArray:
        return np.full((n, *shape), np.nan)

    return MmrmFits(
        coefficients=nothing(p),
        covariance=nothing(p, p),
        covariance_kenward_roger=nothing(p, p),
        covariance_sandwich=nothing(p, p),
        covariance_mancl_derouen=nothing(p, p),
        df=nothing(p),
        df_sandwich=np.ones(n),
        visit_covariance=nothing(n_groups, n_visits, n_visits),
        log_likelihood=nothing(),
        gradient_norm=nothing(),
        iterations=np.zeros(n, dtype=np.int64),
        condition=nothing(),
        structure=np.full(n, -1, dtype=np.int64),
        n_parameters=np.zeros(n, dtype=np.int64),
        codes=np.zeros(n, dtype=np.uint32),
        aliased=np.zeros((n, p), dtype=np.bool_),
        kept=np.ones((n, p), dtype=np.bool_),
        covariance_jacobian=np.zeros((n, k, p, p)),
        tried=tried,
        reml=reml,
    )


@dataclass(frozen=True, slots=True)
class _Packed:
    """A batch of trials end to end: what the kernel takes, in its order."""

    y: FloatArray
    design: FloatArray
    visits: IntArray
    groups: IntArray
    rows: IntArray
    trials: IntArray

    def of(self, chosen: IntArray) -> _Packed:
        """The chosen trials alone."""
        if chosen.size == self.trials.shape[0] - 1:
            return self
        people, trials = rows_of_trials(chosen, self.trials)
        lines, rows = rows_of_trials(people, self.rows)
        design = np.ascontiguousarray(self.design[lines])
        return _Packed(self.y[lines], design, self.visits[lines], self.groups[people], rows, trials)


def _fit_structure(fits: MmrmFits, place: int, chosen: IntArray, packed: _Packed, threads: int | None) -> None:
    """Fit the ``chosen`` trials with the structure number ``place`` of those tried, and write what came of it."""
    from equipoise.stats.kernels.mmrm import fit_range

    one, mine = fits.tried[place], packed.of(chosen)
    n_groups, n_visits = fits.visit_covariance.shape[1:3]
    groups = mine.groups
    if not one.by_group:
        groups, n_groups = np.zeros_like(groups), 1
    family, heterogeneous = STRUCTURES[one.structure]
    out = _empty(chosen.size, mine.design.shape[1], n_visits, groups, (one,), False, fits.reml)
    sigma = np.full((chosen.size, n_groups, n_visits, n_visits), np.nan)
    slopes = np.zeros((chosen.size, *fits.covariance_jacobian.shape[1:]))
    data = (mine.y, mine.design, mine.visits, groups, mine.rows, mine.trials)
    model = (n_visits, n_groups, family, heterogeneous, fits.reml)
    arrays = (
        out.coefficients,
        out.covariance,
        out.covariance_kenward_roger,
        out.covariance_sandwich,
        out.covariance_mancl_derouen,
        out.df,
        slopes,
        sigma,
    )
    numbers = (
        out.n_parameters,
        out.log_likelihood,
        out.gradient_norm,
        out.iterations,
        out.condition,
        out.codes,
        out.aliased,
    )

    def kernel(first: int, stop: int) -> None:
        fit_range(first, stop, data, model, arrays, numbers)

    run_over_trials(kernel, chosen.size, threads=threads)
    for name in (
        "coefficients",
        "covariance",
        "covariance_sandwich",
        "covariance_mancl_derouen",
        "df",
        "log_likelihood",
        "gradient_norm",
        "condition",
        "n_parameters",
        "codes",
        "aliased",
    ):
        getattr(fits, name)[chosen] = getattr(out, name)
    if fits.reml:
        fits.covariance_kenward_roger[chosen] = out.covariance_kenward_roger
    fits.covariance_jacobian[chosen] = slopes
    fits.visit_covariance[chosen] = sigma  # one for all serves every group
    fits.iterations[chosen] += out.iterations
    fits.structure[chosen] = place


def _outwards(fits: MmrmFits, standardised: Standardised) -> None:
    """From standardised columns to the caller's."""
    moved = standardised.trials
    if not moved.size:
        return
    n, p = fits.coefficients.shape
    standardised.outwards(fits.coefficients, fits.covariance)
    for matrix in (fits.covariance_kenward_roger, fits.covariance_sandwich, fits.covariance_mancl_derouen):
        standardised.outwards(np.zeros((n, p)), matrix)
    for change in range(fits.covariance_jacobian.shape[1]):
        standardised.outwards(np.zeros((n, p)), fits.covariance_jacobian[:, change])
    if fits.reml:
        fits.log_likelihood[moved] -= np.log(standardised.scale).sum(axis=1)
    # The constant takes up what the means were worth; without derivatives its degrees of freedom are not known.
    for place, trial in enumerate(moved):
        constant = int(standardised.constant[place])
        slopes = fits.covariance_jacobian[trial, :, constant, constant]
        with np.errstate(divide="ignore", invalid="ignore"):
            df = 2.0 * fits.covariance[trial, constant, constant] ** 2 / (slopes @ slopes)
        fits.df[trial, constant] = df if slopes.size else np.nan


def estimate_mmrm_contrast(fits: MmrmFits, weights: ArrayLike, errors: Errors = "kenward-roger") -> Contrasts:
    """``weights`` @ beta with its standard error and degrees of freedom, for each trial.

    ``weights`` is (p,), or (n, p) with a row for each trial. Columns that were left out take no part where their weight
    is 0. Needs fits with ``jacobian``. Equations (MMRM-6) to (MMRM-8).
    """
    w = np.broadcast_to(np.asarray(weights, dtype=np.float64), fits.coefficients.shape)
    active = w != 0.0
    value = np.where(active, fits.coefficients * w, 0.0).sum(axis=1)
    by_model = _quadratic(fits.covariance, w)
    error = _root(_quadratic(fits.errors(errors), w), by_model)
    if errors == "sandwich":
        return Contrasts(value, error, fits.df_sandwich.copy())
    if not fits.covariance_jacobian.shape[1]:
        raise ValueError("contrasts need fits made with jacobian=True")
    slopes = np.stack([_quadratic(fits.covariance_jacobian[:, k], w) for k in range(fits.covariance_jacobian.shape[1])])
    with np.errstate(divide="ignore", invalid="ignore"):
        df = 2.0 * by_model**2 / (slopes**2).sum(axis=0)
    return Contrasts(value, error, df)


def _root(variance: FloatArray, by_model: FloatArray) -> FloatArray:
    """Standard errors; NaN for a variance that is zero but for rounding beside the model's: no error is told by it."""
    with np.errstate(invalid="ignore"):
        return np.sqrt(np.where(variance > 1e-10 * by_model, variance, np.nan))


def _quadratic(matrices: FloatArray, w: FloatArray) -> FloatArray:
    """(n,) of w'Mw, over the entries of w that are not 0."""
    pairs = (w[:, :, None] != 0.0) & (w[:, None, :] != 0.0)
    return np.asarray(np.where(pairs, matrices * w[:, :, None] * w[:, None, :], 0.0).sum(axis=(1, 2)))


@dataclass(frozen=True, slots=True)
class JointTest:
    """A test of several contrasts at once in one trial."""

    statistic: float
    """F."""
    numerator_df: int
    denominator_df: float
    p_value: float


def check_contrasts_at_once(fits: MmrmFits, weights: ArrayLike, errors: Errors = "kenward-roger") -> JointTest:
    """Test that all of ``weights`` (q, p) @ beta are 0, in the one trial of ``fits``.

    Kenward and Roger's scaled F (1997, their section 3); Satterthwaite's by Fai and Cornelius (1996), J Stat Comput
    Simul 54:363-378; of the sandwich F with participants less columns. NaN where the contrasts are not independent.
    """
    rows = np.atleast_2d(np.asarray(weights, dtype=np.float64))
    active = (rows != 0.0).any(axis=0)
    rows = rows[:, active]
    q = rows.shape[0]
    value = rows @ fits.coefficients[0, active]
    variance = rows @ fits.errors(errors)[0][np.ix_(active, active)] @ rows.T
    plain = rows @ fits.covariance[0][np.ix_(active, active)] @ rows.T
    slopes = np.array([rows @ one[np.ix_(active, active)] @ rows.T for one in fits.covariance_jacobian[0]])
    if not (np.isfinite(value).all() and np.isfinite(variance).all()) or np.linalg.matrix_rank(variance) < q:
        return JointTest(np.nan, q, np.nan, np.nan)
    f = float(value @ np.linalg.solve(variance, value)) / q
    if errors == "sandwich":
        df = float(fits.df_sandwich[0])
    elif errors == "satterthwaite":
        df = _fai_cornelius(plain, slopes)
    else:
        f, df = _kenward_roger_f(f, plain, slopes)
    p = float(special.fdtrc(q, df, f)) if np.isfinite(df) and np.isfinite(f) else float("nan")
    return JointTest(f, q, df, p)


def _fai_cornelius(plain: FloatArray, slopes: FloatArray) -> float:
    """Denominator degrees of freedom from those of the independent directions."""
    spread, axes = np.linalg.eigh(plain)
    each = 2.0 * spread**2 / np.square(np.einsum("ab,kac,cb->kb", axes, slopes, axes)).sum(axis=0)
    if each.size == 1 or np.ptp(each) < 1e-8 * each.max():
        return float(each.mean())
    if (each <= 2.0).any():
        return 2.0
    expected = float((each / (each - 2.0)).sum())
    return float(2.0 * expected / (expected - each.size))


def _kenward_roger_f(f: float, plain: FloatArray, slopes: FloatArray) -> tuple[float, float]:
    """Scaled F and its denominator degrees of freedom, (MMRM-9)."""
    q = plain.shape[0]
    theta = np.linalg.inv(plain)
    moved = np.array([theta @ one for one in slopes])
    a1 = float((np.trace(moved, axis1=1, axis2=2) ** 2).sum())
    a2 = float(np.einsum("kab,kba->", moved, moved))
    b = (a1 + 6.0 * a2) / (2.0 * q)
    g = ((q + 1) * a1 - (q + 4) * a2) / ((q + 2) * a2)
    below = 3.0 * q + 2.0 * (1.0 - g)
    c1, c2, c3 = g / below, (q - g) / below, (q + 2 - g) / below
    expected = 1.0 / (1.0 - a2 / q)
    variance = 2.0 / q * (1.0 + c1 * b) / ((1.0 - c2 * b) ** 2 * (1.0 - c3 * b))
    rho = variance / (2.0 * expected**2)
    df = 4.0 + (q + 2.0) / (q * rho - 1.0)
    return df / (expected * (df - 2.0)) * f, df
