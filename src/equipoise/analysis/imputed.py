"""Analyses of imputed data sets: impute, fit each set as the plan says, pool by Rubin's rules; tipping points.

An imputed data set is one more trial in the batch: the same estimators serve it.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise.analysis.binary import BinaryData
from equipoise.analysis.dataset import Comparison, _covariates, sum_by_trial
from equipoise.analysis.missing_rules import experimental_rows
from equipoise.analysis.outcome import Floats, Outcome, from_coefficient
from equipoise.analysis.strategies import apply_strategies, cells_after
from equipoise.analysis.time_terms import n_time_columns
from equipoise.endpoints.coverage import days_known
from equipoise.endpoints.derivation import derive_endpoint
from equipoise.endpoints.endpoint_values import Derived
from equipoise.endpoints.lattice import CLEAN, NOT_DUE, STAYED_AWAY, USED, Lattice
from equipoise.endpoints.relapse import derive_time_to_event, weeks_of_use
from equipoise.endpoints.repeated_use import cells_since_last
from equipoise.foundation.calendar import day_index
from equipoise.protocol.language.analysis import AbstinenceEndpoint, Analysis, Estimand, RunOfUse, TimeToEventEndpoint
from equipoise.protocol.language.missing import Imputation
from equipoise.protocol.vocabulary.scales import SCALES
from equipoise.records.schema import REPLICATE
from equipoise.stats.codes import FitCode
from equipoise.stats.missing.multiple_imputation import MISSING, impute_binary_trials
from equipoise.stats.missing.multiple_imputation import NOT_DUE as NEVER_DUE
from equipoise.stats.missing.normal_imputation import impute_normal_trials
from equipoise.stats.missing.rubin import pool_imputations
from equipoise.stats.missing.tipping_point import find_tipping_point
from equipoise.stats.packing import offsets_from_sizes

Fit = Callable[[Derived, Comparison, Analysis], list[Outcome]]
Values = NDArray[Any]


@dataclass(frozen=True)
class Gaps:
    """What of an endpoint is to be imputed, for every row of the lattice, and how completed results make the endpoint.

    ``cells`` (n, V): codes of the imputation for yes-or-no results, or scores with NaN. ``finish`` takes completed
    results of one data set, (n, V), and gives the fields of the endpoint that rest on them.
    """

    binary: bool
    cells: Values
    finish: Callable[[Values], dict[str, Values]]
    base: Derived
    experimental: NDArray[np.bool_] | None = None
    """(n,) whom a reference-based rule makes go on as the others; by default the arm named first."""


def find_gaps(lattice: Lattice, estimand: Estimand, floor: float | None) -> Gaps:
    """The results of an endpoint that can be imputed; the check of a protocol has refused the others."""
    id = estimand.endpoint
    endpoint = lattice.protocol.model.endpoints[id]
    if endpoint.kind == "abstinence":
        return _abstinence_gaps(lattice, id, endpoint)
    if endpoint.kind == "time-to-event":
        return _run_gaps(lattice, id, endpoint, estimand)
    base = derive_endpoint(lattice, id, missed="is-missing" if endpoint.kind != "score" else None, floor=floor)
    if base.value is not None:
        return Gaps(True, _coded(base.value[:, None]), lambda done: {"value": done[:, 0].astype(np.float64)}, base)
    base = apply_strategies(base, lattice, estimand)
    assert base.values is not None
    while_on = cells_after(lattice, endpoint, estimand, base.values.shape[1], "while-on-treatment")
    left_out = np.zeros(base.values.shape, dtype=np.bool_) if while_on is None else while_on
    if base.shape == "repeated-score":
        return Gaps(False, base.values, lambda done: {"values": np.where(left_out, np.nan, done)}, base)
    cells = _coded(base.values)
    if endpoint.kind in ("repeated-use", "finding") and endpoint.at is not None:
        cells[lattice.visits(endpoint.at).state == NOT_DUE] = NEVER_DUE
    cells[left_out] = NEVER_DUE
    return Gaps(True, cells, lambda done: {"values": np.where(done < 0, np.nan, done.astype(np.float64))}, base)


def _coded(values: Floats) -> NDArray[np.int8]:
    return np.where(np.isnan(values), MISSING, np.nan_to_num(values)).astype(np.int8)


def _abstinence_gaps(lattice: Lattice, id: str, endpoint: AbstinenceEndpoint) -> Gaps:
    """Visits of the whole series are imputed; those missed in the window decide, where the calendar does not.

    A missed visit all of whose days (since the visit planned before it) were told afterwards is not missing.
    """
    assert endpoint.at is not None
    visits = lattice.visits(endpoint.at)
    codes = cells_since_last(lattice, endpoint.use, visits)
    cells = np.where(codes == USED, 1, np.where(codes == CLEAN, 0, MISSING)).astype(np.int8)
    cells[visits.state == NOT_DUE] = NEVER_DUE
    known, used = days_known(lattice, endpoint.use), lattice.used(endpoint.use)
    for v, target in enumerate(visits.target):
        begin = max(int(visits.target[v - 1] if v else target - 1) + 1 - lattice.first, 0)
        span = slice(begin, int(target) - lattice.first + 1)
        told = (cells[:, v] == MISSING) & known[:, span].all(axis=1)
        cells[told, v] = used[told, span].any(axis=1)
    first, last = lattice.column(endpoint.days.first), lattice.column(endpoint.days.last)
    seen_used = used[:, first : last + 1].any(axis=1)
    due = (visits.target >= first + lattice.first) & (visits.target <= last + lattice.first)
    open_ = (visits.state == STAYED_AWAY) & due & (cells == MISSING)
    base = derive_endpoint(lattice, id, missed="is-missing")

    def finish(done: Values) -> dict[str, Values]:
        return {"value": np.where(seen_used | ((done == 1) & open_).any(axis=1), 0.0, 1.0)}

    return Gaps(True, cells, finish, base)


def _run_gaps(lattice: Lattice, id: str, endpoint: TimeToEventEndpoint, estimand: Estimand) -> Gaps:
    """Weeks without a sample are imputed; the run of weeks is looked for in the completed weeks."""
    event = next(e for e in endpoint.first_of if isinstance(e, RunOfUse) and e.cells == "weeks")
    start, until = day_index(event.from_), day_index(endpoint.until.last)
    used, open_, _ = weeks_of_use(lattice, event.use, start, until, "is-missing")
    base = derive_endpoint(lattice, id)

    def finish(done: Values) -> dict[str, Values]:
        derived = apply_strategies(
            derive_time_to_event(lattice, id, endpoint, weeks=np.asarray(done == 1)), lattice, estimand
        )
        return {
            name: getattr(derived, name)
            for name in ("time", "event", "visit_time")
            if getattr(derived, name) is not None
        }

    return Gaps(True, np.where(open_, MISSING, used).astype(np.int8), finish, base)


@dataclass(frozen=True)
class Completed:
    """Imputed data sets as a batch of trials: the endpoint and the comparison, set after set within each trial."""

    derived: Derived
    comparison: Comparison
    n_cells: int
    n_imputed: Values  # (n_trials,) cells
    share: dict[str, float]  # by arm, mean of the imputed results
    n_penalised: int
    sweeps: int
    codes: NDArray[np.uint32]  # (n_trials,)


class Completions:
    """Imputed data sets kept for the next estimator of the same data, up to ``most`` bytes, the oldest given up first.

    What is imputed depends on the endpoint and its strategies, on whom is compared and on the covariates; not on the
    estimator. Of many trials at once nothing is kept: their plan imputes each endpoint once or twice.
    """

    def __init__(self, most: int = 64_000_000) -> None:
        self._most = most
        self._kept: dict[Hashable, tuple[Completed, int]] = {}

    def get(self, key: Hashable) -> Completed | None:
        """What was kept under the key, if it still is."""
        if key not in self._kept:
            return None
        self._kept[key] = self._kept.pop(key)
        return self._kept[key][0]

    def keep(self, key: Hashable, completed: Completed) -> None:
        """Keep the data sets of one trial."""
        fields = [*vars(completed.derived).values(), *vars(completed.comparison).values()]
        size = sum(values.nbytes for values in fields if isinstance(values, np.ndarray))
        self._kept[key] = completed, size
        while sum(size for _, size in self._kept.values()) > self._most:
            del self._kept[next(iter(self._kept))]


def _replicates(lattice: Lattice, rows: Values, bounds: Values) -> NDArray[np.int64]:
    """(n_trials,) the replicate that each trial is, so that its draws are the same alone and among others."""
    out = np.arange(bounds.shape[0] - 1, dtype=np.int64)
    filled = np.diff(bounds) > 0
    people = lattice.participants.baseline
    if REPLICATE in people.columns:
        out[filled] = people[REPLICATE].to_numpy()[rows[bounds[:-1][filled]]]
        return out
    alone = lattice.records.source.details.get("replicates")
    if isinstance(alone, list) and len(alone) == 1 and isinstance(alone[0], int):
        out[:] = alone[0]
    return out


def complete(
    lattice: Lattice, gaps: Gaps, comparison: Comparison, imputation: Imputation, delta: dict[str, float]
) -> Completed:
    """Impute ``imputation.sets`` data sets of every trial in the comparison."""
    extra, _ = _covariates(lattice.protocol, lattice.participants.baseline, imputation.covariates, comparison.rows)
    whole = ~comparison.incomplete & ~np.isnan(extra).any(axis=1)
    kept, bounds = comparison.keep(whole)
    rows = comparison.rows[kept]
    design = np.column_stack([comparison.design(kept), extra[kept]])
    experimental = comparison.experimental[kept]
    if gaps.experimental is not None:
        design[:, 1] = gaps.experimental[rows]  # the reference of reference-based rules goes by the arms' roles
    shift = np.where(experimental == 1.0, delta.get(comparison.arm, 0.0), delta.get(comparison.reference, 0.0))
    n_sets, n_trials = imputation.sets, comparison.n_trials
    filled = np.repeat(gaps.cells[None], n_sets, axis=0)
    options: dict[str, Any] = {
        "imputations": n_sets,
        "seed": imputation.seed,
        "delta": shift,
        "replicates": _replicates(lattice, rows, bounds),
    }
    n_penalised = 0
    if gaps.binary:
        made = impute_binary_trials(gaps.cells[rows], design, bounds, pooled=imputation.model == "pooled", **options)
        n_penalised = int((made.n_penalised > 0).sum())
        filled[:, rows], sweeps, set_codes = made.values, made.sweeps, made.codes
    else:
        rule = imputation.after_dropout
        scores = impute_normal_trials(gaps.cells[rows], design, bounds, strategy=rule, arm_column=1, **options)
        filled[:, rows], sweeps, set_codes = scores.values, scores.sweeps, scores.codes
    missing = (gaps.cells == MISSING) if gaps.binary else np.isnan(gaps.cells)
    fields: dict[str, list[Values]] = {}
    for m in range(n_sets):
        for name, values in gaps.finish(filled[m]).items():
            fields.setdefault(name, []).append(values[rows])
    share = {}
    for value, arm in ((1.0, comparison.arm), (0.0, comparison.reference)):
        people = rows[experimental == value]
        cells = filled[:, people][:, missing[people]]
        share[arm] = float(cells.mean()) if cells.size else float("nan")
    n = rows.shape[0]
    # Set after set within each trial, so that the sets of a trial lie side by side.
    order = np.concatenate(
        [m * n + np.arange(bounds[t], bounds[t + 1]) for t in range(n_trials) for m in range(n_sets)]
    ).astype(np.int64)
    tiled: dict[str, Any] = {name: np.concatenate(values)[order] for name, values in fields.items()}
    place = order % n
    sizes = np.repeat(np.diff(bounds), n_sets)
    batch = replace(
        comparison,
        rows=np.arange(order.shape[0]),
        experimental=experimental[place],
        covariates=comparison.covariates[kept][place],
        offsets=offsets_from_sizes(sizes),
        n_randomized=np.repeat(comparison.n_randomized, n_sets),
        incomplete=np.zeros(order.shape[0], dtype=np.bool_),
    )
    return Completed(
        derived=replace(gaps.base, imputed=None, raw=None, cause=None, warnings=(), **tiled),
        comparison=batch,
        n_cells=int((gaps.cells[rows] != NEVER_DUE).sum()) if gaps.binary else gaps.cells[rows].size,
        n_imputed=sum_by_trial(missing[rows].sum(axis=1), bounds),
        share=share,
        n_penalised=n_penalised,
        sweeps=int(sweeps.max(initial=1)),
        codes=np.bitwise_or.reduce(set_codes, axis=1),
    )


def _coefficient(outcome: Outcome, completed: Completed, analysis: Analysis) -> tuple[Floats, Floats]:
    """Estimate and standard error on the scale that is pooled: the logarithm of ratios, proportions' own difference."""
    if outcome.scale in ("risk_difference", "risk_ratio"):
        a, n1, c, n0 = (x.astype(np.float64) for x in BinaryData(completed.derived, completed.comparison).counts())
        with np.errstate(divide="ignore", invalid="ignore"):
            p1, p0 = a / n1, c / n0
            if outcome.scale == "risk_difference":
                return p1 - p0, np.sqrt(p1 * (1 - p1) / n1 + p0 * (1 - p0) / n0)
            return np.log(p1 / p0), np.sqrt((1 - p1) / a + (1 - p0) / c)
    with np.errstate(divide="ignore", invalid="ignore"):
        value = np.log(outcome.estimate) if SCALES[outcome.scale].is_ratio else outcome.estimate
    return np.asarray(value), outcome.standard_error


def _complete_df(outcome: Outcome, completed: Completed, analysis: Analysis, n_trials: int) -> Floats:
    """(n_trials,) degrees of freedom with nothing missing: of the fit where it has any, else rows less columns."""
    if np.isfinite(outcome.df).any() and analysis.estimator in ("linear", "linear-mixed", "gee"):
        return np.asarray(np.nanmean(outcome.df.reshape(n_trials, -1), axis=1))
    columns = 2 + len(completed.comparison.names)
    counted = outcome.n_events if analysis.estimator == "cox" else outcome.n_analysed
    if analysis.estimator == "logistic-mixed":
        columns += n_time_columns(analysis.time, len(completed.derived.visit_names))
    return np.asarray(np.maximum(counted.reshape(n_trials, -1).mean(axis=1) - columns, 1.0))


def pool_outcome(outcome: Outcome, completed: Completed, analysis: Analysis, n_trials: int) -> Outcome:
    """One outcome a trial from outcomes of its data sets, by Rubin's rules."""
    assert analysis.imputation is not None
    sets = analysis.imputation.sets
    value, error = _coefficient(outcome, completed, analysis)
    pooled = pool_imputations(
        value.reshape(n_trials, sets),
        error.reshape(n_trials, sets),
        _complete_df(outcome, completed, analysis, n_trials),
    )
    fit_codes = np.bitwise_or.reduce(outcome.codes.reshape(n_trials, sets), axis=1)
    # Each set's own failure has been counted; what it was is kept, that it failed is for the pooled answer to say.
    fit_codes &= ~np.uint32(int(FitCode.NOT_ESTIMABLE))
    return from_coefficient(
        estimator=outcome.estimator,
        scale=outcome.scale,
        coefficient=pooled.estimate,
        standard_error=pooled.standard_error,
        df=pooled.df,
        level=analysis.ci_level,
        codes=(pooled.codes | fit_codes | completed.codes).astype(np.uint32),
        n_analysed=outcome.n_analysed.reshape(n_trials, sets)[:, 0],
        n_events=np.full(n_trials, -1, dtype=np.int64),
        n_missed=completed.n_imputed,
        event=outcome.event,
        arm=outcome.arm,
        reference=outcome.reference,
        suffix=outcome.suffix,
        method=f"{_words(analysis.imputation, completed)}; in each set {_plain_method(outcome)}",
        details={
            "imputed_sets": sets,
            "imputed_sets_used": int(pooled.n_used[0]),
            "n_imputed": int(completed.n_imputed.sum()),
            "n_cells": completed.n_cells,
            "share_imputed": {arm: (None if np.isnan(share) else share) for arm, share in completed.share.items()},
            "fraction_missing_information": pooled.fraction_missing,
            "relative_increase_of_variance": pooled.relative_increase,
            "sets_with_penalised_models": completed.n_penalised,
            "sweeps": completed.sweeps,
            "imputation_seed": analysis.imputation.seed,
            "delta": dict(analysis.imputation.delta),
        },
    )


def _plain_method(outcome: Outcome) -> str:
    if outcome.scale == "risk_difference":
        return "difference of proportions with Wald's standard error"
    if outcome.scale == "risk_ratio":
        return "ratio of proportions with the standard error of its logarithm"
    return outcome.method


def _words(imputation: Imputation, completed: Completed) -> str:
    kind = "a chain of logistic models, " + ("one over all visits" if imputation.model == "pooled" else "one a visit")
    if completed.derived.shape == "repeated-score":
        kind = "multivariate normal scores"
        if imputation.after_dropout != "at-random":
            kind += f", {imputation.after_dropout.replace('-', ' ')} after dropout"
    shifts = [f"{arm} {value:+g}" for arm, value in imputation.delta.items() if value]
    shift = f", delta {', '.join(shifts)}" if shifts else ""
    return f"{imputation.sets} imputed data sets ({kind}{shift}), pooled by Rubin's rules with Barnard and Rubin's df"


def fit_imputed(
    lattice: Lattice,
    comparison: Comparison,
    analysis: Analysis,
    estimand: Estimand,
    floor: float | None,
    fit: Fit,
    kept: Completions | None = None,
) -> list[Outcome]:
    """The pooled outcomes of an analysis with imputation, and where asked the search for its tipping point.

    ``kept`` are data sets imputed before, for other estimators of the same data.
    """
    assert analysis.imputation is not None
    gaps = None
    key = (
        id(lattice),
        floor,
        analysis.covariates,
        analysis.analysis_set,
        analysis.imputation.model_dump_json(),
        estimand.model_dump_json(exclude={"summary"}),
    )
    completed = kept.get(key) if kept is not None and comparison.n_trials == 1 else None
    if completed is None or analysis.tipping_point is not None:
        gaps = find_gaps(lattice, estimand, floor)
        gaps = replace(gaps, experimental=experimental_rows(lattice.protocol, estimand, lattice.participants.arm))
        if completed is None:
            completed = complete(lattice, gaps, comparison, analysis.imputation, dict(analysis.imputation.delta))
            if kept is not None and comparison.n_trials == 1:
                kept.keep(key, completed)
    main = _pooled(completed, comparison, analysis, fit)
    if (
        gaps is None
        or analysis.tipping_point is None
        or comparison.n_trials != 1
        or not np.isfinite(main[0].estimate[0])
    ):
        return main
    return [
        replace(
            main[0],
            details={**main[0].details, "tipping_point": _tip(lattice, gaps, comparison, analysis, fit, main[0])},
        ),
        *main[1:],
    ]


def _pooled(completed: Completed, comparison: Comparison, analysis: Analysis, fit: Fit) -> list[Outcome]:
    assert analysis.imputation is not None
    # Where sets are separated, the penalised answer of all of them is pooled beside the likelihood's.
    single = analysis.model_copy(update={"if_separated": "report"})
    if analysis.estimator == "firth":
        everywhere = np.ones(comparison.n_trials, dtype=np.bool_)
        return [pool_outcome(_firth(completed, analysis, everywhere), completed, analysis, comparison.n_trials)]
    outcomes = fit(completed.derived, completed.comparison, single)[:1]
    out = [pool_outcome(outcomes[0], completed, analysis, comparison.n_trials)]
    without = ~np.isfinite(out[0].estimate)
    if analysis.estimator == "logistic" and analysis.if_separated == "firth" and without.any():
        pooled = pool_outcome(_firth(completed, analysis, without), completed, analysis, comparison.n_trials)
        out.append(replace(pooled, suffix=".firth"))
    return out


def _firth(completed: Completed, analysis: Analysis, wanted: NDArray[np.bool_]) -> Outcome:
    """Firth's estimates and standard errors in every set of the ``wanted`` trials, absent in the others.

    Rubin's rules ask for no more: profile limits and tests of single sets would be the dearest part, and unused.
    """
    from equipoise.stats.firth import fit_firth

    assert analysis.imputation is not None
    data = BinaryData(completed.derived, completed.comparison)
    chosen = np.flatnonzero(np.repeat(wanted, analysis.imputation.sets))
    counted = data.of(chosen).regressions()
    fits = fit_firth(counted.y, counted.design, counted.offsets, weights=counted.weights)
    n = completed.comparison.n_trials
    coefficient, error, codes = np.full(n, np.nan), np.full(n, np.nan), np.zeros(n, dtype=np.uint32)
    coefficient[chosen] = counted.of_trials(fits.coefficients[:, 1])
    error[chosen] = counted.of_trials(fits.standard_errors[:, 1])
    codes[chosen] = counted.of_trials(fits.codes)
    names = completed.comparison.names
    return from_coefficient(
        estimator="firth",
        scale="odds_ratio",
        coefficient=coefficient,
        standard_error=error,
        level=analysis.ci_level,
        codes=codes,
        method="logistic regression, Firth's penalised likelihood"
        + (f", adjusted for {', '.join(names)}" if names else ""),
        **data.shared(),  # type: ignore[arg-type]
    )


def _tip(
    lattice: Lattice, gaps: Gaps, comparison: Comparison, analysis: Analysis, fit: Fit, main: Outcome
) -> dict[str, Any]:
    """The path of estimates over shifts of one arm's imputed results, and where the conclusion changes."""
    assert analysis.imputation is not None
    assert analysis.tipping_point is not None
    search = analysis.tipping_point
    alpha = analysis.alpha_two_sided or 2.0 * (analysis.alpha_one_sided or round(1.0 - analysis.ci_level, 12) / 2.0)
    path: dict[float, dict[str, Any]] = {}

    def conclusion(outcome: Outcome) -> int:
        p, statistic = float(outcome.p_value[0]), float(outcome.statistic[0])
        return 0 if not p < alpha else (1 if statistic > 0 else -1)

    def note(shift: float, outcome: Outcome) -> None:
        point = {"shift": shift, "share_imputed": outcome.details["share_imputed"].get(search.arm)}
        for name in ("estimate", "ci_lower", "ci_upper", "p_value"):
            value = float(getattr(outcome, name)[0])
            point[name] = value if np.isfinite(value) else None
        path[shift] = point

    at_zero = conclusion(main)
    note(0.0, main)

    def holds(shift: float) -> bool:
        delta = {**analysis.imputation.delta, search.arm: shift}  # type: ignore[union-attr]
        completed = complete(lattice, gaps, comparison, analysis.imputation, delta)  # type: ignore[arg-type]
        outcome = _pooled(completed, comparison, analysis, fit)[0]
        note(shift, outcome)
        # Where no answer is left the conclusion is no longer supported.
        return bool(np.isfinite(outcome.estimate[0])) and conclusion(outcome) == at_zero

    found = find_tipping_point(holds, up_to=search.up_to, steps=search.steps)
    return {
        "arm": search.arm,
        "shift": found.shift,
        "holds_at": found.holds_at,
        "up_to": search.up_to,
        "alpha_two_sided": alpha,
        "conclusion": {0: "no difference shown", 1: "above no effect", -1: "below no effect"}[at_zero],
        "path": [path[shift] for shift in found.tried if shift in path],
    }
