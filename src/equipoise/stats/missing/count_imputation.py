"""Imputation of the rest of a count, at random or by reference. Methods: ``docs/methods/imputed_counts.md``.

Counts are negative binomial: each participant has a rate of their own around that of the arm. Whoever was observed in
part tells something of that rate, and the rest of the count is drawn given it.

>>> import numpy as np
>>> from equipoise.stats.missing.count_imputation import impute_counts
>>> from equipoise.stats.missing.plans import SetsToMake
>>> design = np.column_stack([np.ones(6), [0, 0, 0, 1, 1, 1]])
>>> events, seen, rest = [4, 2, 1, 0, 2, 1], [1, 1, 0.5, 1, 1, 0.4], [0, 0, 0.5, 0, 0, 0.6]
>>> made = impute_counts(events, seen, rest, design, sets=SetsToMake(3, seed=1))
>>> made.values.shape, made.values[:, [0, 1, 3, 4]].tolist()[0]
((3, 6), [4.0, 2.0, 0.0, 2.0])
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from equipoise.foundation.seeds import normals, uniforms
from equipoise.stats.codes import FitCode
from equipoise.stats.counts import MOST_EVENTS
from equipoise.stats.missing.designs import prepare_design
from equipoise.stats.missing.plans import LeaversRule, SetsToMake
from equipoise.stats.packing import FloatArray, IntArray, single_trial
from equipoise.stats.wald import BoolArray, CodeArray, as_complete_design, as_offsets, as_vector

AT_RANDOM = LeaversRule()
PURPOSE_DISPERSION, PURPOSE_COEFFICIENT, PURPOSE_COUNT = 1041, 1042, 1043
# Points of alpha / (1 + alpha) at which the posterior is worked out: first over all of it, then where it is.
_POINTS = 40
_NEGLIGIBLE = 1e-6
_STEPS = 50
_CLOSE = 1e-10
# The prior that holds coefficients where the counts do not: Gelman and others' scales, on the logarithm of a rate.
_PRIOR_SCALE, _PRIOR_SCALE_CONSTANT = 2.5, 10.0
_FAR = 15.0
_NOTHING = 1e-10
_MOST = 300.0  # of the logarithm of a rate


@dataclass(frozen=True, slots=True)
class CountImputations:
    """M completed data sets of N participants of T trials packed end to end."""

    values: FloatArray
    """(M, N) the whole count: what was seen and what was drawn."""
    drawn: BoolArray
    """(N,) whose count was completed."""
    coefficients: FloatArray
    """(M, T, q) drawn logarithms of rates and rate ratios, on the design as made ready."""
    alpha: FloatArray
    """(M, T) drawn dispersions: the variance is mu + alpha mu^2."""
    codes: CodeArray
    """(T,)"""


@dataclass(frozen=True, slots=True)
class _Posterior:
    """Of one trial: points of alpha, their cumulative probability, and mode and Cholesky factor of the rest at each."""

    alpha: FloatArray  # (G,)
    share: FloatArray  # (G,) cumulative
    mode: FloatArray  # (G, q)
    factor: FloatArray  # (G, q, q) of the information


def impute_counts(
    y: ArrayLike,
    observed: ArrayLike,
    remaining: ArrayLike,
    design: ArrayLike,
    offsets: ArrayLike | None = None,
    *,
    sets: SetsToMake,
    rule: LeaversRule = AT_RANDOM,
) -> CountImputations:
    """Complete counts, eq. (CI-1) to (CI-6).

    Parameters
    ----------
    y : (N,) events seen, whole numbers from 0.
    observed, remaining : (N,) time over which they were seen, and over which events are to be drawn; both from 0.
    design : (N, q) ones, arm, baseline variables.
    offsets : (T + 1,) trial ``t`` owns rows ``offsets[t]:offsets[t + 1]``; one trial where not given.
    sets : the data sets to make; each number is a function of (seed, replicate; imputation, participant).
    rule : what is assumed of the remaining time: the rate of the own arm (``at-random``); that of the reference arm,
        the participant's own level kept as seen in the own arm (``jump-to-reference``); or the reference arm's all
        along (``copy-reference``). With one rate an arm, copy increments is at random. Its delta is added to the
        logarithm of the rate over the remaining time.

    Assumes one rate an arm over the whole time, rates that multiply, and gamma distributed levels of participants.
    Raises ValueError when shapes disagree, the design is incomplete or counts are none.

    Source: Keene, Roger, Hartley, Kenward (2014), Pharm Stat 13:258.
    """
    counts = as_vector(y, "y")
    n = counts.shape[0]
    seen, rest = as_vector(observed, "observed", n), as_vector(remaining, "remaining", n)
    if not ((counts >= 0) & (counts == np.floor(counts)) & (seen >= 0) & (rest >= 0)).all():
        raise ValueError("counts must be whole numbers from 0, and times from 0")
    if rule.strategy not in ("at-random", "jump-to-reference", "copy-reference"):
        raise ValueError(f"unknown strategy {rule.strategy!r}")
    bounds = single_trial(n) if offsets is None else as_offsets(offsets, n)
    ready = prepare_design(as_complete_design(design, n), bounds, always=rule.arm_column)
    n_trials, q = ready.kept.shape
    keys, shift, imputations = sets.keys(n_trials), rule.shift(n), sets.imputations
    out = CountImputations(
        values=np.repeat(counts[None], imputations, axis=0),
        drawn=np.asarray(rest > 0),
        coefficients=np.full((imputations, n_trials, q), np.nan),
        alpha=np.full((imputations, n_trials), np.nan),
        codes=np.zeros(n_trials, dtype=np.uint32),
    )
    for t in range(n_trials):
        rows = np.arange(bounds[t], bounds[t + 1])
        if not out.drawn[rows].any():
            continue
        z = ready.z[rows] * ready.kept[t]
        fitted = rows[seen[rows] > 0]
        if not fitted.size:
            out.values[:, rows[out.drawn[rows]]] = np.nan
            out.codes[t] |= np.uint32(FitCode.TOO_FEW_PARTICIPANTS | FitCode.IMPUTATION_PENALISED)
            continue
        key = (sets.seed, int(keys[t]))
        found, held = _posterior(counts[fitted], seen[fitted], z[seen[rows] > 0])
        if held:
            out.codes[t] |= np.uint32(FitCode.IMPUTATION_PENALISED)
        alpha, beta = _draw_parameters(found, key, sets.numbers)
        out.alpha[:, t], out.coefficients[:, t] = alpha, beta
        hit = np.flatnonzero(out.drawn[rows])
        who = rows[hit]
        own = np.exp(np.minimum(beta @ z[hit].T, _MOST))
        as_reference = z[hit].copy()
        as_reference[:, rule.arm_column] = 0.0
        reference = own if rule.strategy == "at-random" else np.exp(np.minimum(beta @ as_reference.T, _MOST))
        before = reference if rule.strategy == "copy-reference" else own
        after = reference * np.exp(np.minimum(shift[who], _MOST))
        drawn = uniforms(key[0], key[1], hit[None, :], sets.numbers[:, None], PURPOSE_COUNT)
        out.values[:, who] += draw_rest(counts[who], before * seen[who], after * rest[who], alpha[:, None], drawn)
    return out


def draw_rest(
    y: FloatArray, expected_before: FloatArray, expected_after: FloatArray, alpha: FloatArray, uniform: FloatArray
) -> FloatArray:
    """The count of the remaining time given ``y`` seen, eq. (CI-5), (CI-6): a quantile of its negative binomial.

    ``expected_before`` and ``expected_after`` are what the rates give for the time seen and the time remaining.
    """
    size = 1.0 / alpha + y
    scale = 1.0 / alpha + expected_before
    with np.errstate(invalid="ignore", over="ignore"):
        p = scale / (scale + expected_after)
        drawn = np.asarray(stats.nbinom.ppf(uniform, size, p), dtype=np.float64)
    # More than a regression of counts takes is no answer, and is told as none there.
    return np.minimum(np.nan_to_num(drawn, nan=np.inf, posinf=np.inf), MOST_EVENTS + 1.0)


def _draw_parameters(found: _Posterior, key: tuple[int, int], sets: IntArray) -> tuple[FloatArray, FloatArray]:
    """(M,) dispersions and (M, q) coefficients from the posterior, eq. (CI-3), (CI-4)."""
    chance = uniforms(*key, 0, sets, PURPOSE_DISPERSION)
    place = np.minimum(np.searchsorted(found.share, chance), found.alpha.size - 1)
    q = found.mode.shape[1]
    noise = normals(*key, np.arange(q)[None, :], sets[:, None], PURPOSE_COEFFICIENT)
    turned = np.linalg.solve(found.factor[place].transpose(0, 2, 1), noise[:, :, None])[:, :, 0]
    return found.alpha[place], found.mode[place] + turned


def _posterior(y: FloatArray, exposure: FloatArray, z: FloatArray) -> tuple[_Posterior, bool]:
    """The posterior of dispersion and coefficients, and whether a prior had to hold the coefficients."""
    spread = z.std(axis=0)
    dead = (spread == 0.0) & (np.arange(z.shape[1]) > 0)
    penalty = np.where(dead, 1.0, _NOTHING)
    held = False
    edges = np.linspace(0.0, 1.0, _POINTS + 1)
    while True:
        u = 0.5 * (edges[1:] + edges[:-1])
        mode, factor, log_density, good = _conditional_modes(y, exposure, z, u / (1.0 - u), penalty)
        if not good and not held:
            held = True
            prior = np.full(z.shape[1], _PRIOR_SCALE_CONSTANT**-2)
            prior[1:] = _PRIOR_SCALE**-2 * np.maximum(4.0 * spread[1:] ** 2, 1e-2)
            penalty = np.where(dead, 1.0, prior)
            continue
        chance = np.exp(log_density - log_density.max())
        chance /= chance.sum()
        if edges[0] > 0.0 or edges[-1] < 1.0 or edges.size != _POINTS + 1:
            break
        there = np.flatnonzero(chance > _NEGLIGIBLE)
        low, high = edges[there[0]], edges[there[-1] + 1]
        # Once more where it is, on points so close that it does not matter that they are points.
        edges = np.linspace(low, high, 4 * _POINTS + 1)
    return _Posterior(u / (1.0 - u), np.cumsum(chance), mode, factor), held


def _conditional_modes(
    y: FloatArray, exposure: FloatArray, z: FloatArray, alpha: FloatArray, penalty: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray, bool]:
    """At each alpha: modes (G, q), Cholesky factors (G, q, q), log marginal densities (G,), and whether all settled."""
    from scipy.special import gammaln

    n_points, q = alpha.size, z.shape[1]
    beta = np.zeros((n_points, q))
    beta[:, 0] = np.log((y.sum() + 0.5) / exposure.sum())
    a = alpha[:, None]
    log_exposure = np.log(exposure)

    def value(at: FloatArray) -> FloatArray:
        eta = np.clip(at @ z.T + log_exposure, -700.0, 700.0)
        likelihood = y * eta - (y + 1.0 / a) * np.log1p(a * np.exp(eta))
        return np.asarray(likelihood.sum(axis=1) - 0.5 * (penalty * at**2).sum(axis=1))

    before = value(beta)
    settled = False
    for _ in range(_STEPS):
        mu = np.exp(np.clip(beta @ z.T + log_exposure, -700.0, 700.0))
        score = ((y - mu) / (1.0 + a * mu)) @ z - penalty * beta
        weight = mu * (1.0 + a * y) / (1.0 + a * mu) ** 2
        information = np.einsum("gn,np,nq->gpq", weight, z, z) + np.diag(penalty)
        step = np.linalg.solve(information, score[:, :, None])[:, :, 0]
        if (score * step).sum(axis=1).max() < _CLOSE:
            settled = True
            break
        scale = np.ones((n_points, 1))
        for _ in range(20):
            after = value(beta + scale * step)
            worse = ~(after >= before - 1e-9)
            if not worse.any():
                break
            scale[worse] *= 0.5
        beta, before = beta + scale * step, after
        if np.abs(beta[:, 1:]).max(initial=0.0) > _FAR:
            break
    factor = np.linalg.cholesky(information)
    constants = (gammaln(y + 1.0 / a) - gammaln(1.0 / a) + y * np.log(a)).sum(axis=1)
    log_density = before + constants - np.log(np.diagonal(factor, axis1=1, axis2=2)).sum(axis=1)
    good = settled and bool(np.isfinite(log_density).all()) and np.abs(beta[:, 1:]).max(initial=0.0) <= _FAR
    return beta, factor, log_density, good
