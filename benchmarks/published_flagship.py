"""The published analyses of the flagship over all simulated replicates: does the model return what the paper printed?

Two arms; the first is the reference. Estimates are arrays with one entry a replicate, NaN where there is no finite
answer. The same batched estimators serve the analysis of one trial.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise.simulation.day_level import SimulatedTrials
from equipoise.simulation.outcomes import (
    EventTimes,
    is_gone,
    lapsed_and_recovered,
    log_craving,
    relapse_by_visit,
    time_to_relapse,
    use_at_visits,
)
from equipoise.stats.packing import offsets_from_sizes

Floats = NDArray[np.float64]
DEFAULT_NODES = 12


@dataclass(frozen=True, slots=True)
class LogEffect:
    """A log ratio, experimental arm against reference, with its standard error; both (n_replicates,)."""

    estimate: Floats
    standard_error: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedQuantities:
    """What the paper reports, by replicate. Proportions are (n_replicates, 2): reference arm, experimental arm."""

    abstinent: Floats
    relapsed: Floats
    six_months: Floats
    gone: Floats
    recovered: Floats
    abstinence: LogEffect  # adjusted, maximum likelihood
    abstinence_firth: LogEffect  # adjusted, penalised
    abstinence_crude: Floats  # log odds ratio with half added to every cell
    use: LogEffect | None  # odds of use, reference against experimental, for one participant
    use_sd: Floats | None  # standard deviation between participants
    relapse: LogEffect  # by day, Efron
    relapse_crude: LogEffect
    relapse_by_visit: LogEffect  # Breslow
    craving: LogEffect | None  # ratio of geometric means

    @property
    def separated(self) -> NDArray[np.bool_]:
        """Trials in which the adjusted odds ratio of abstinence has no finite maximum likelihood estimate."""
        return np.isnan(self.abstinence.estimate)


def _effect(fits: Any, column: int, sign: float = 1.0) -> LogEffect:
    return LogEffect(sign * fits.coefficients[:, column], fits.standard_errors[:, column])


def _share(values: NDArray[Any], is_experimental: NDArray[np.bool_]) -> Floats:
    shares = [(values & arm).sum(axis=1) / arm.sum(axis=1) for arm in (~is_experimental, is_experimental)]
    return np.stack(shares, axis=1)


def analyse_as_published(
    trials: SimulatedTrials,
    *,
    floor: float = 1.0,
    nodes: int = DEFAULT_NODES,
    mixed: bool = True,
    threads: int | None = None,
) -> PublishedQuantities:
    """Analyse every replicate as the paper did; ``mixed=False`` leaves the two mixed models out."""
    from equipoise.stats.firth import fit_firth
    from equipoise.stats.logistic import fit_logistic

    experimental = trials.arm == 1
    n_trials, n = experimental.shape
    offsets = offsets_from_sizes([n] * n_trials)
    treated = experimental.ravel().astype(np.float64)
    route = trials.poor_route.ravel().astype(np.float64)
    design = np.column_stack([np.ones_like(treated), treated, route])
    y = trials.abstinent.ravel().astype(np.float64)
    relapse, by_visit = time_to_relapse(trials), relapse_by_visit(trials)
    abstinent = _share(trials.abstinent, experimental)
    use, use_sd, craving = _mixed_models(trials, floor, nodes, threads) if mixed else (None, None, None)
    sizes = np.stack([(~experimental).sum(axis=1), experimental.sum(axis=1)], axis=1)
    odds = (abstinent * sizes + 0.5) / ((1 - abstinent) * sizes + 0.5)
    return PublishedQuantities(
        abstinent=abstinent,
        relapsed=_share(relapse.is_event, experimental),
        six_months=_share(trials.says_abstinent, experimental),
        gone=_share(is_gone(trials), experimental),
        recovered=_share(lapsed_and_recovered(trials), experimental),
        abstinence=_effect(fit_logistic(y, design, offsets, threads=threads), 1),
        abstinence_firth=_effect(fit_firth(y, design, offsets, threads=threads), 1),
        abstinence_crude=np.log(odds[:, 1] / odds[:, 0]),
        use=use,
        use_sd=use_sd,
        relapse=_hazard(relapse, design[:, 1:], offsets, "efron", threads),
        relapse_crude=_hazard(relapse, design[:, 1:2], offsets, "efron", threads),
        relapse_by_visit=_hazard(by_visit, design[:, 1:], offsets, "breslow", threads),
        craving=craving,
    )


def _hazard(times: EventTimes, design: Floats, offsets: Any, ties: Any, threads: int | None) -> LogEffect:
    from equipoise.stats.cox import fit_cox

    days, events = times.days.ravel().astype(np.float64), times.is_event.ravel().astype(np.float64)
    return _effect(fit_cox(days, events, np.ascontiguousarray(design), offsets, ties=ties, threads=threads), 0)


def _mixed_models(
    trials: SimulatedTrials, floor: float, nodes: int, threads: int | None
) -> tuple[LogEffect, Floats, LogEffect]:
    """Use and craving at attended visits: constant, arm, route, weeks since the first outpatient day; own intercept."""
    from equipoise.stats.linear_mixed import fit_linear_mixed
    from equipoise.stats.logistic_mixed import fit_logistic_mixed

    n_trials, n = trials.arm.shape
    here = trials.attended.ravel()
    spread = [np.broadcast_to(a[:, :, None], trials.attended.shape) for a in (trials.arm == 1, trials.poor_route)]
    weeks = np.broadcast_to((trials.visit_at + 1) / 7.0, trials.attended.shape)
    columns = [np.ones(trials.attended.shape), *spread, weeks]
    design = np.column_stack([column.astype(np.float64).ravel()[here] for column in columns])
    rows = offsets_from_sizes(trials.attended.sum(axis=2).ravel())
    people = offsets_from_sizes([n] * n_trials)
    used = use_at_visits(trials).ravel()[here].astype(np.float64)
    mixed = fit_logistic_mixed(used, design, rows, people, nodes=nodes, threads=threads)
    linear = fit_linear_mixed(log_craving(trials, floor).ravel()[here], design, rows, people, threads=threads)
    return _effect(mixed, 1, -1.0), mixed.sd_intercept, _effect(linear, 1)


def summarize(q: PublishedQuantities) -> dict[str, float]:
    """Means, medians and shares over replicates, as the methods page tabulates them (ratios, not logarithms)."""
    out: dict[str, float] = {}
    for name, values in (
        ("abstinent", q.abstinent),
        ("relapsed", q.relapsed),
        ("six_months", q.six_months),
        ("gone", q.gone),
        ("recovered", q.recovered),
    ):
        out[f"{name}_reference"], out[f"{name}_experimental"] = (float(v) for v in values.mean(axis=0))
    finite = ~q.separated
    out["abstinence_or_median"] = float(np.exp(np.median(q.abstinence.estimate[finite])))
    out["abstinence_se_median"] = float(np.median(q.abstinence.standard_error[finite]))
    out["abstinence_or_firth"] = float(np.exp(q.abstinence_firth.estimate.mean()))
    out["abstinence_or_crude"] = float(np.exp(q.abstinence_crude.mean()))
    out["separated"] = float(q.separated.mean())
    out["relapse_hr"] = _exp_mean(q.relapse.estimate)
    out["relapse_se_median"] = float(np.nanmedian(q.relapse.standard_error))
    out["relapse_hr_crude"] = _exp_mean(q.relapse_crude.estimate)
    out["relapse_hr_visit_breslow"] = _exp_mean(q.relapse_by_visit.estimate)
    out["nobody_at_six_months"] = float((q.six_months[:, 0] == 0).mean())
    out["nobody_abstinent"] = float((q.abstinent[:, 0] == 0).mean())
    out["all_relapsed"] = float((q.relapsed[:, 0] == 1).mean())
    if q.use is not None and q.use_sd is not None and q.craving is not None:
        out["use_or_median"] = float(np.exp(np.nanmedian(q.use.estimate)))
        out["use_or"] = _exp_mean(q.use.estimate)
        out["use_se_median"] = float(np.nanmedian(q.use.standard_error))
        out["use_sd_median"] = float(np.nanmedian(q.use_sd))
        out["use_not_estimable"] = float(np.isnan(q.use.estimate).mean())
        out["craving_ratio"] = _exp_mean(q.craving.estimate)
        out["craving_se_median"] = float(np.nanmedian(q.craving.standard_error))
    return out


def _exp_mean(logs: Floats) -> float:
    return float(np.exp(np.nanmean(logs)))
