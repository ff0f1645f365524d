"""Estimates of a plan that borrows: posterior distributions of two arms, and whether the rule of success is met.

Methods: ``docs/methods/borrowing.md``. Each line has a second row, ``.without-borrowing``: the same with the weak prior
alone, so that what was borrowed can be seen.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from equipoise.analysis.counts import CountData, single_counts
from equipoise.analysis.dataset import Comparison, Floats, Ints, sum_by_trial
from equipoise.analysis.outcome import Outcome, Posterior, nothing
from equipoise.analysis.repeated import values_compared
from equipoise.endpoints.endpoint_values import Derived
from equipoise.evidence.prior import ArmPrior, prior_of
from equipoise.protocol.language.analysis import Analysis
from equipoise.protocol.language.endpoints import Endpoint
from equipoise.protocol.vocabulary.estimators import ESTIMATORS, measured
from equipoise.protocol.vocabulary.scales import SCALES, is_better_above
from equipoise.stats.borrowing.contrast import contrast_mean, contrast_quantile, contrast_sd, probability_above
from equipoise.stats.borrowing.mixtures import Family, Mixture
from equipoise.stats.codes import FitCode, mark

WITHOUT = ".without-borrowing"
_FAMILY: dict[str, Family] = {
    "borrowed-risk-difference": "beta",
    "borrowed-mean-difference": "normal",
    "borrowed-rate-ratio": "gamma",
}
# Counts that vary more than this many times as Poisson counts do are said to.
_OVERDISPERSED = 1.5
# A result of less chance than this, even by the weak prior, is on another scale than the earlier studies.
_BEYOND = 1e-6


@dataclass(frozen=True)
class ArmsSeen:
    """What the trials saw of their arms, experimental and reference; of one arm alone the first is empty.

    ``result`` and ``size`` are (2, n_trials): events and participants, events and time, or means and standard errors.
    """

    family: Family
    result: Floats
    size: Floats
    n: Ints  # (2, n_trials) participants
    codes: Any

    def posterior(self, prior: Mixture, side: int, kept: Ints) -> Mixture:
        """The posteriors of one arm in some trials."""
        result, size = self.result[side, kept], self.size[side, kept]
        if self.family == "beta":
            return prior.after_events(result, size)
        return prior.after_counts(result, size) if self.family == "gamma" else prior.after_mean(result, size)


def fit_borrowed(derived: Derived, comparison: Comparison, analysis: Analysis) -> list[Outcome]:
    """The effect with a prior for the reference from earlier studies, and without; of one arm its own value."""
    assert analysis.borrow is not None
    family = _FAMILY[analysis.estimator]
    seen, shared, remarks = _READ[family](derived, comparison, analysis)
    per_days = derived.tally.per_days if family == "gamma" and derived.tally is not None else 1.0
    prior = prior_of(analysis.borrow, family, per_days)
    alone = not comparison.reference
    far = np.flatnonzero(is_beyond(prior.weak, seen.result[1], seen.size[1]) & (seen.n[1] > 0))
    mark(seen.codes, far, FitCode.NOT_ESTIMABLE)
    if comparison.n_trials == 1 and far.size:
        remarks = (*remarks, "earlier-studies-on-another-scale")
    scale = measured(ESTIMATORS[analysis.estimator], logarithm=derived.logarithm, alone=alone).id
    out = []
    for suffix, chosen in (("", prior.robust), (WITHOUT, prior.weak)):
        words = (
            _method(prior, alone, analysis.ci_level)
            if not suffix
            else "the same without borrowing: the weak prior alone"
        )
        outcome = _summed_up(seen, (prior.weak, chosen), scale, analysis.ci_level)
        details: dict[str, Any] = {}
        if comparison.n_trials == 1 and not suffix:
            details["borrowing"] = _details(prior, seen, scale, analysis, alone)
        out.append(
            replace(
                outcome, estimator=analysis.estimator, method=words, suffix=suffix, details=details, remarks=remarks
            )
        )
    return [replace(outcome, **shared) for outcome in out]


def decide_by_probability(outcomes: list[Outcome], analysis: Analysis, endpoint: Endpoint) -> list[Outcome]:
    """The outcomes with the probability that the rule of success is about, and whether it is met."""
    borrow = analysis.borrow
    if borrow is None:
        return outcomes
    out = []
    for outcome in outcomes:
        limit = SCALES[outcome.scale].no_effect if borrow.more_than is None else borrow.more_than.value
        above = is_better_above(outcome.scale, endpoint)
        assert outcome.against is not None
        is_above, is_below = outcome.against(limit)
        probability = is_above if above else is_below
        held = Posterior(probability, limit, float(borrow.probability), above)
        has_limit = borrow.more_than is not None or outcome.reference is not None
        details = dict(outcome.details)
        if outcome.reference is None and has_limit:
            details["goal"] = limit
        if "borrowing" in details:
            details["borrowing"] = {**details["borrowing"], "by_weight": _by_weight(details["borrowing"], held)}
        out.append(replace(outcome, posterior=held if has_limit else None, details=details, against=None))
    return out


def _by_weight(kept: dict[str, Any], rule: Posterior) -> list[dict[str, Any]]:
    """The sensitivity analysis in plain values, the probability by the rule's own limit and direction."""
    rows = []
    for row in kept["by_weight"]:
        above = row["above"](rule.more_than)
        said = above if rule.is_above else 1.0 - above
        rows.append(
            {key: value for key, value in row.items() if key != "above"}
            | {"probability": float(said), "success": bool(said > rule.threshold)}
        )
    return rows


def _method(prior: ArmPrior, alone: bool, level: float) -> str:
    whose = "the arm" if alone else "the reference arm"
    n = len(prior.studies)
    studies = f"{n} earlier {'study' if n == 1 else 'studies'}"
    return (
        f"Bayesian analysis, prior of {whose} from {studies} (robust meta-analytic-predictive, weight "
        f"{prior.robust_weight:g} of the weak component, {prior.spread_words} between studies), "
        f"{100 * level:g}% credible interval"
    )


def _summed_up(seen: ArmsSeen, priors: tuple[Mixture, Mixture], scale: str, level: float) -> Outcome:
    """Posterior mean, interval and the means to hold the effect against a value, trial by trial.

    ``priors`` are the experimental arm's and the reference's; equal tables are worked out once.
    """
    n_trials = seen.n.shape[1]
    fine = np.flatnonzero((seen.codes & np.uint32(int(FitCode.NOT_ESTIMABLE))) == 0)
    keys = np.stack([seen.result[0, fine], seen.size[0, fine], seen.result[1, fine], seen.size[1, fine]])
    _, first, back = np.unique(keys, axis=1, return_index=True, return_inverse=True)
    kept, back = fine[first], np.reshape(back, -1)
    alone = bool((seen.n[0] < 0).all())

    def spread(values: Floats) -> Floats:
        out = nothing(n_trials)
        out[fine] = np.asarray(values, dtype=np.float64)[back]
        return out

    tail = 0.5 - level / 2.0
    reference = seen.posterior(priors[1], 1, kept)
    if alone:
        numbers = [
            reference.mean,
            np.sqrt(reference.variance),
            reference.quantile(tail),
            reference.quantile(1.0 - tail),
        ]

        def above(value: float) -> Floats:
            return reference.above(np.full(kept.shape[0], value))
    else:
        arm = seen.posterior(priors[0], 0, kept)
        ends = [contrast_quantile(arm, reference, q) for q in (tail, 1.0 - tail)] if kept.size else [np.empty(0)] * 2
        numbers = [contrast_mean(arm, reference), contrast_sd(arm, reference), *ends]

        def above(value: float) -> Floats:
            return probability_above(arm, reference, np.full(kept.shape[0], value))

    def against(value: float) -> tuple[Floats, Floats]:
        share = spread(above(value)) if kept.size else nothing(n_trials)
        return share, 1.0 - share

    estimate, error, lower, upper = (spread(values) for values in numbers)
    return Outcome(
        estimator="",
        scale=scale,
        estimate=estimate,
        standard_error=error,
        ci_lower=lower,
        ci_upper=upper,
        statistic=nothing(n_trials),
        df=nothing(n_trials),
        p_value=nothing(n_trials),
        n_analysed=seen.n.sum(axis=0),
        n_events=np.full(n_trials, -1, dtype=np.int64),
        n_missed=np.zeros(n_trials, dtype=np.int64),
        codes=seen.codes,
        against=against,
    )


def _details(prior: ArmPrior, seen: ArmsSeen, scale: str, analysis: Analysis, alone: bool) -> dict[str, Any]:
    """Of one trial: the prior, whether the data agree with it, and the answer under other weights."""
    assert analysis.borrow is not None
    out = prior.as_dict() | {"by_weight": []}
    if seen.codes[0] & np.uint32(int(FitCode.NOT_ESTIMABLE)):
        return out
    result, size = float(seen.result[1, 0]), float(seen.size[1, 0])
    after = seen.posterior(prior.robust, 1, np.array([0]))
    n_weak = 1 if prior.robust_weight > 0.0 else 0
    out["observed"] = {"result": result, "size": size, "n": int(seen.n[1, 0])}
    out["posterior_weight_of_weak"] = float(after.weights[0, -1]) if n_weak else 0.0
    out["predictive_p"] = predictive_p(prior.informative, result, size)
    weights = sorted({float(w) for w in (*analysis.borrow.sensitivity, prior.robust_weight)})
    for weight in weights:
        one = _summed_up(seen, (prior.weak, prior.with_weight(weight)), scale, analysis.ci_level)
        assert one.against is not None
        against = one.against
        out["by_weight"].append(
            {
                "weight": weight,
                "estimate": float(one.estimate[0]),
                "ci_lower": float(one.ci_lower[0]),
                "ci_upper": float(one.ci_upper[0]),
                "above": lambda value, against=against: float(against(value)[0][0]),
            }
        )
    return out


def is_beyond(weak: Mixture, result: Floats, size: Floats) -> NDArray[np.bool_]:
    """(n_trials,) whether even the weak prior, which is about the studies, gives such a result next to no chance.

    The studies are then of another unit or scale, and the weak prior would pull both arms to where nobody is.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        if weak.family == "normal":
            z = (result - weak.first[0]) / np.hypot(weak.second[0], size)
            return np.asarray(2.0 * special.ndtr(-np.abs(z)) < _BEYOND)
        if weak.family == "gamma":
            return np.asarray((size / (size + weak.second[0])) ** result < _BEYOND)
    return np.zeros(result.shape, dtype=np.bool_)  # of a proportion it is uniform


def predictive_p(prior: Mixture, result: float, size: float) -> float:
    """How far the arm's result lies from what the earlier studies predict: twice the smaller tail, (BO-10)."""
    if prior.family == "normal":
        seen = Mixture("normal", prior.weights, prior.first, np.hypot(prior.second, size))
        return min(1.0, 2.0 * min(float(seen.below(result)), float(seen.above(result))))
    if prior.family == "beta":
        mass = prior.predicted_events(int(size))
    else:
        most = int(result)
        mass = prior.predicted_counts(size, most)
    y = int(result)
    below = float(mass[: y + 1].sum())
    above = 1.0 - float(mass[:y].sum())
    return float(min(1.0, 2.0 * min(below, above)))


# ---------------------------------------------------------------------------------------------------------------------
# What the trials saw

Read = tuple[ArmsSeen, dict[str, Any], tuple[str, ...]]


def _codes_of(n: Ints, alone: bool) -> Any:
    codes = np.zeros(n.shape[1], dtype=np.uint32)
    empty = (n[1] <= 0) | ((n[0] <= 0) & (not alone))
    mark(codes, empty, FitCode.EMPTY_ARM | FitCode.NOT_ESTIMABLE)
    return codes


def _sides(experimental: Floats, values: Floats, offsets: Ints, alone: bool) -> Floats:
    """(2, n_trials) sums of an experimental and a reference arm; one arm alone stands in the second place."""
    is_arm = experimental == 1.0
    one, other = (_sum(np.where(side, values, 0.0), offsets) for side in (is_arm, ~is_arm))
    return np.stack([np.full_like(one, -1.0), one]) if alone else np.stack([one, other])


def _sum(values: Floats, offsets: Ints) -> Floats:
    before = np.concatenate([[0.0], np.cumsum(values)])
    return np.asarray(np.diff(before[offsets]))


def _read_events(derived: Derived, comparison: Comparison, analysis: Analysis) -> Read:
    from equipoise.analysis.binary import BinaryData

    data = BinaryData(derived, comparison)
    alone = not comparison.reference
    events = np.rint(_sides(data.experimental, (data.y > 0).astype(float), data.offsets, alone))
    n = np.rint(_sides(data.experimental, np.ones_like(data.y), data.offsets, alone))
    whole = n.astype(np.int64)
    seen = ArmsSeen("beta", events, n, whole, _codes_of(whole, alone))
    return seen, _shared(comparison, data.n_analysed, data.n_events, data.n_missed, data.event_word), ()


def _read_means(derived: Derived, comparison: Comparison, analysis: Analysis) -> Read:
    values = values_compared(derived, analysis)[comparison.rows]
    there = ~np.isnan(values) & ~comparison.incomplete
    rows, offsets = comparison.keep(there)
    y, arm = values[rows], comparison.experimental[rows]
    alone = not comparison.reference
    n = _sides(arm, np.ones_like(y), offsets, alone)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = _sides(arm, y, offsets, alone) / n
        own = np.repeat(np.arange(comparison.n_trials), np.diff(offsets))
        about = y - np.where(arm == 1.0, mean[1 if alone else 0, own], mean[1, own])
        df = n[1] - 1.0 if alone else n.sum(axis=0) - 2.0
        sd = np.sqrt(_sum(about**2, offsets) / df)
        error = sd / np.sqrt(n)
    whole = np.rint(n).astype(np.int64)
    codes = _codes_of(whole, alone)
    few = ~(df >= 1.0)
    mark(codes, few, FitCode.TOO_FEW_PARTICIPANTS | FitCode.NOT_ESTIMABLE)
    # Rounding leaves a trace of spread where there is none.
    scale = np.maximum(np.abs(np.where(np.isfinite(mean), mean, 0.0)).max(axis=0), 1e-300)
    mark(codes, ~few & ~(sd > 1e-9 * scale), FitCode.CONSTANT_OUTCOME | FitCode.NOT_ESTIMABLE)
    none = np.full(comparison.n_trials, -1, dtype=np.int64)
    missed = sum_by_trial(~there, comparison.offsets)
    seen = ArmsSeen("normal", np.nan_to_num(mean), np.nan_to_num(error, posinf=0.0), whole, codes)
    return seen, _shared(comparison, np.diff(offsets), none, missed, None), ()


def _read_counts(derived: Derived, comparison: Comparison, analysis: Analysis) -> Read:
    data = single_counts(derived, comparison)
    arm = comparison.experimental[data.who]
    events = np.rint(_sides(arm, data.y, data.offsets, False))
    time = _sides(arm, data.exposure, data.offsets, False)
    whole = np.rint(_sides(arm, np.ones_like(data.y), data.offsets, False)).astype(np.int64)
    seen = ArmsSeen("gamma", events, time, whole, _codes_of(whole, False))
    shared = {"n_analysed": data.n_analysed, "n_events": data.shared()["n_events"], "n_missed": data.n_missed}
    remarks = ("counts-vary-more-than-poisson",) if data.is_single and _dispersion(data) > _OVERDISPERSED else ()
    return seen, shared | _names(comparison, data.tally.noun), remarks


def _dispersion(data: CountData) -> float:
    """Pearson's statistic over its degrees of freedom, each arm by its own rate; about 1 of Poisson counts."""
    statistic, df = 0.0, -2
    for side in (0.0, 1.0):
        own = data.of_arm(side)
        if not own.any() or not data.y[own].sum() > 0:
            continue
        expected = data.exposure[own] * data.y[own].sum() / data.exposure[own].sum()
        statistic += float(((data.y[own] - expected) ** 2 / expected).sum())
        df += int(own.sum())
    return statistic / df if df > 0 else 0.0


def _shared(
    comparison: Comparison, n_analysed: Ints, n_events: Ints, n_missed: Ints, event: str | None
) -> dict[str, Any]:
    counts = {"n_analysed": n_analysed, "n_events": n_events, "n_missed": n_missed}
    return counts | _names(comparison, event)


def _names(comparison: Comparison, event: str | None) -> dict[str, Any]:
    return {"event": event, "arm": comparison.arm, "reference": comparison.reference or None}


_READ = {"beta": _read_events, "normal": _read_means, "gamma": _read_counts}
