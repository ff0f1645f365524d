"""Imputation of times that were censored early, at random or by reference. Methods: ``docs/methods/imputed_times.md``.

Whoever left before the end of follow-up goes on at risk: by the hazard of the own arm, by that of the reference arm, or
by either multiplied. The hazards are those of Kaplan and Meier, so that events stay on days on which there were any.

>>> import numpy as np
>>> from equipoise.stats.missing.plans import SetsToMake
>>> from equipoise.stats.missing.time_imputation import impute_times
>>> design = np.column_stack([np.ones(8), [0, 0, 0, 0, 1, 1, 1, 1]])
>>> time, event = [3, 9, 4, 9, 2, 5, 9, 9], [1, 0, 0, 0, 1, 0, 0, 0]
>>> made = impute_times(time, event, np.full(8, 9.0), design, sets=SetsToMake(4, seed=1))
>>> made.time.shape, bool((made.time[:, [0, 1, 3]] == [3, 9, 9]).all()), made.drawn.tolist()
((4, 8), True, [False, False, True, False, False, True, False, False])
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from equipoise.foundation.seeds import normals, uniforms
from equipoise.stats.codes import FitCode
from equipoise.stats.missing.designs import prepare_design
from equipoise.stats.missing.plans import LeaversRule, SetsToMake
from equipoise.stats.packing import FloatArray, IntArray, single_trial
from equipoise.stats.wald import BoolArray, CodeArray, as_complete_design, as_offsets, as_vector

AT_RANDOM = LeaversRule()
_FAR = 700.0  # of a logarithm, beyond which its exponential is no number
PURPOSE_SAMPLE, PURPOSE_COEFFICIENT, PURPOSE_TIME = 1051, 1052, 1053


@dataclass(frozen=True, slots=True)
class TimeImputations:
    """M completed data sets of N participants of T trials packed end to end."""

    time: FloatArray
    """(M, N)"""
    event: BoolArray
    """(M, N)"""
    drawn: BoolArray
    """(N,) whose time was completed."""
    short: IntArray
    """(T,) most participants of a data set whose completed time ends before their follow-up does, since nobody of the
    arm that they go on as was followed further."""
    codes: CodeArray
    """(T,)"""


def impute_times(
    time: ArrayLike,
    event: ArrayLike,
    until: ArrayLike,
    design: ArrayLike,
    offsets: ArrayLike | None = None,
    *,
    sets: SetsToMake,
    rule: LeaversRule = AT_RANDOM,
) -> TimeImputations:
    """Complete censored times, eq. (TI-1) to (TI-5).

    Parameters
    ----------
    time, event : (N,) time from 0, and whether it ended with the event; else it was censored, still at risk then.
    until : (N,) the end of the participant's follow-up as planned. Who is censored before it is imputed up to it; a
        time of its own or less leaves the participant as seen.
    design : (N, q) ones, arm, baseline variables; the variables are terms of a Cox regression with each arm its own
        baseline hazard.
    offsets : (T + 1,) trial ``t`` owns rows ``offsets[t]:offsets[t + 1]``; one trial where not given.
    sets : the data sets to make; each number is a function of (seed, replicate; imputation, participant).
    rule : whose hazard it is after censoring: that of the own arm (``at-random``), or of the reference arm
        (``jump-to-reference``; since the event-free time seen says nothing of a participant's own level, copy reference
        is the same). Its delta is added to the logarithm of that hazard.

    Every data set has baseline hazards of its own from a bootstrap sample within arms, and coefficients from their
    normal approximation. Assumes censoring at random given arm and variables (delta 0). Raises ValueError when shapes
    disagree, the design is incomplete or times are none.

    Source: Taylor, Murray, Hsu (2002), Stat Probab Lett 58:221; Jackson and others (2014), Stat Med 33:4681;
    Atkinson and others (2019), Pharm Stat 18:645.
    """
    times = as_vector(time, "time")
    n = times.shape[0]
    seen = as_vector(event, "event", n) > 0
    end = as_vector(until, "until", n)
    if not ((times >= 0) & np.isfinite(times)).all():
        raise ValueError("times must be numbers from 0")
    if rule.strategy not in ("at-random", "jump-to-reference"):
        raise ValueError(f"unknown strategy {rule.strategy!r}")
    bounds = single_trial(n) if offsets is None else as_offsets(offsets, n)
    z = as_complete_design(design, n)
    n_trials = bounds.shape[0] - 1
    keys, shift, imputations = sets.keys(n_trials), rule.shift(n), sets.imputations
    experimental = np.asarray(z[:, rule.arm_column] != 0.0)
    out = TimeImputations(
        time=np.repeat(times[None], imputations, axis=0),
        event=np.repeat(seen[None], imputations, axis=0),
        drawn=~seen & (times < end),
        short=np.zeros(n_trials, dtype=np.int64),
        codes=np.zeros(n_trials, dtype=np.uint32),
    )
    others = np.delete(np.arange(z.shape[1]), [0, rule.arm_column])
    for t in range(n_trials):
        rows = np.arange(bounds[t], bounds[t + 1])
        hit = np.flatnonzero(out.drawn[rows])
        if not hit.size:
            continue
        key = (sets.seed, int(keys[t]))
        side = experimental[rows]
        predictor = np.zeros((imputations, rows.size))
        if others.size:
            x = prepare_design(z[rows], single_trial(rows.size), always=rule.arm_column)
            usable = (x.z * x.kept[0])[:, others]
            predictor, code = _draw_predictors(times[rows], seen[rows], usable, side, key, sets.numbers)
            out.codes[t] |= np.uint32(code)
        weights = _resampled(side, key, sets.numbers)
        noise = -np.log(uniforms(*key, hit[None, :], sets.numbers[:, None], PURPOSE_TIME))
        as_arm = side[hit] & (rule.strategy == "at-random")
        short = np.zeros(imputations, dtype=np.int64)
        for arm in (False, True):
            chosen = np.flatnonzero(as_arm == arm)
            if not chosen.size:
                continue
            who = hit[chosen]
            mine = np.flatnonzero(side == arm)
            steps = _hazard_steps(
                times[rows[mine]], seen[rows[mine]], weights[:, mine], predictor[:, mine], whole=not others.size
            )
            ratio = np.exp(np.clip(predictor[:, who] + shift[rows[who]], -_FAR, _FAR))
            needed = noise[:, chosen] / ratio
            new, happened = _next_event(steps, times[rows[who]], end[rows[who]], needed)
            out.time[:, rows[who]], out.event[:, rows[who]] = new, happened
            short += (~happened & (new < end[rows[who]])).sum(axis=1)
        out.short[t] = short.max(initial=0)
    return out


@dataclass(frozen=True, slots=True)
class _Steps:
    """A baseline hazard in M data sets: its points, the cumulative hazard at each, and until when anybody was seen."""

    at: FloatArray  # (k,)
    total: FloatArray  # (M, k) cumulative hazard
    last: FloatArray  # (M,)


def _resampled(side: BoolArray, key: tuple[int, int], sets: IntArray) -> FloatArray:
    """(M, n) how often each participant is in each bootstrap sample, as many of each arm as there were."""
    out = np.zeros((sets.size, side.size))
    for arm in (False, True):
        mine = np.flatnonzero(side == arm)
        if not mine.size:
            continue
        drawn = (uniforms(*key, mine[None, :], sets[:, None], PURPOSE_SAMPLE) * mine.size).astype(np.int64)
        np.add.at(out, (np.arange(sets.size)[:, None], mine[drawn]), 1.0)
    return out


def _draw_predictors(
    time: FloatArray, event: BoolArray, x: FloatArray, side: BoolArray, key: tuple[int, int], sets: IntArray
) -> tuple[FloatArray, int]:
    """(M, n) drawn linear predictors of the variables, from a Cox regression stratified by arm; eq. (TI-2)."""
    from equipoise.stats.cox import fit_cox

    fits = fit_cox(
        time, event.astype(np.float64), x, single_trial(time.size), strata=side.astype(np.int64), column=None
    )
    beta, covariance = fits.coefficients[0], fits.covariance[0]
    good = np.isfinite(beta) & np.isfinite(np.diagonal(covariance)) & (np.diagonal(covariance) > 0.0)
    code = 0 if (good | (x == 0.0).all(axis=0)).all() else int(FitCode.NUISANCE_LEFT_OUT)
    if not good.any():
        return np.zeros((sets.size, time.size)), code
    root = np.linalg.cholesky(covariance[np.ix_(good, good)])
    noise = normals(*key, np.arange(int(good.sum()))[None, :], sets[:, None], PURPOSE_COEFFICIENT)
    return (beta[good] + noise @ root.T) @ x[:, good].T, code


def _hazard_steps(
    time: FloatArray, event: BoolArray, weights: FloatArray, predictor: FloatArray, *, whole: bool
) -> _Steps:
    """The baseline hazard of one arm in each bootstrap sample, eq. (TI-1) or, beside variables, (TI-3).

    ``whole``: without variables, when the steps are those of Kaplan and Meier and a step at which all of those at risk
    have the event is a certain event.
    """
    at = np.unique(time[event])
    order = np.argsort(time, kind="stable")
    risk = (weights * np.exp(predictor))[:, order]
    later = np.concatenate([np.cumsum(risk[:, ::-1], axis=1)[:, ::-1], np.zeros((risk.shape[0], 1))], axis=1)
    at_risk = later[:, np.searchsorted(time[order], at, side="left")]
    events = weights[:, event] @ (time[event][:, None] == at[None, :])
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(events > 0.0, events / at_risk, 0.0)
        steps = -np.log1p(-np.minimum(share, 1.0)) if whole else share
    last = np.where(weights > 0.0, time[None, :], -np.inf).max(axis=1)
    return _Steps(at, np.cumsum(steps, axis=1), last)


def _next_event(
    steps: _Steps, since: FloatArray, until: FloatArray, needed: FloatArray
) -> tuple[FloatArray, BoolArray]:
    """(M, k) when the hazard from ``since`` on has come to what is ``needed``, and whether it does by ``until``.

    Without an event a time ends where follow-up does, or where nobody of the sample was seen any longer.
    """
    n_sets = needed.shape[0]
    padded = np.concatenate([np.zeros((n_sets, 1)), steps.total], axis=1)
    begin = np.searchsorted(steps.at, since, side="right")  # steps up to then are over
    stop = np.searchsorted(steps.at, until, side="right")
    time = np.minimum(until, np.maximum(since, steps.last[:, None]))
    event = np.zeros(needed.shape, dtype=np.bool_)
    for m in range(n_sets):
        # However small what is needed, the event comes after what is over.
        goal = np.maximum(padded[m, begin] + needed[m], np.nextafter(padded[m, begin], np.inf))
        # An infinite step that is over must not make what follows certain: nobody was left to say.
        lost = ~np.isfinite(padded[m, begin])
        place = np.searchsorted(padded[m], goal, side="left")
        hit = (place <= stop) & ~lost & (place > 0)
        event[m] = hit
        time[m, hit] = steps.at[place[hit] - 1]
    return time, event
