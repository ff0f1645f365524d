"""Analyse one trial: records in, results out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from equipoise.analysis.competing_risks import draw_incidences
from equipoise.analysis.estimate import Estimate
from equipoise.analysis.margins import margin_details
from equipoise.analysis.mmrm import curves_of_adjusted_means
from equipoise.analysis.multiplicity import Limits, answer_of, decide
from equipoise.analysis.outcome import Outcome, Posterior, number
from equipoise.analysis.plan import Plan, PlannedFit, planned_fits
from equipoise.analysis.results import ArmCurve, IncidenceCurve, ModelCurve, Provenance, Results
from equipoise.analysis.survival import draw_curves
from equipoise.endpoints.endpoint_values import Derived
from equipoise.endpoints.lattice import read_lattice
from equipoise.foundation.errors import AnalysisError, Problem
from equipoise.protocol import Protocol
from equipoise.records import Records

NOBODY = Problem(
    "A001", "allocations", "No participant was randomized.", "at least one participant in each compared arm"
)


def analyse_records(
    protocol: Protocol,
    records: Records,
    *,
    version: str = "",
    versions: dict[str, str] | None = None,
    progress: Callable[[str], None] | None = None,
) -> Results:
    """Every line of the protocol's analysis plan on one trial's records.

    Raises :class:`~equipoise.foundation.errors.AnalysisError` when the plan cannot be carried out on these records (a
    covariate is not there, a compared arm has nobody); an estimate that does not exist is a row with a coded warning.
    """
    lattice = read_lattice(protocol, records)
    if lattice.n == 0:
        raise AnalysisError(NOBODY)
    plan = Plan(protocol, lattice, raise_sets=True)
    estimates: list[Estimate] = []
    problems: list[Problem] = []
    fits = tuple(planned_fits(protocol))
    for place, planned in enumerate(fits, 1):
        if progress is not None:
            progress(f"{planned.id}, {place} of {len(fits)}")
        try:
            outcomes = plan.fit(planned)
        except AnalysisError as error:
            problems.extend(problem for problem in error.problems if problem not in problems)
            continue
        n_randomized = _n_randomized(plan, planned)
        estimates.extend(_estimate(protocol, planned, outcome, n_randomized, plan) for outcome in outcomes)
    if problems:
        raise AnalysisError(problems)
    decided, multiplicity = decide(protocol, estimates, _limits_at(protocol, plan, fits))
    source = records.source
    provenance = Provenance(
        protocol=protocol.id,
        protocol_hash=protocol.hash,
        protocol_file_hash=protocol.file_hash,
        data_hash=records.data_hash,
        origin=source.origin,
        seed=source.details.get("seed"),
        scenario=source.details.get("scenario"),
        version=version,
        versions=versions or {},
        notes=(*source.notes, *(lattice.due.notes if lattice.due is not None else ())),
    )
    derived = {id: plan.derived_in_its_stage(id) for id in protocol.model.endpoints}
    curves: list[ArmCurve] = []
    incidences: list[IncidenceCurve] = []
    models: list[ModelCurve] = []
    arms = [arm for arm in protocol.arm_ids if (lattice.participants.arm == arm).any()]
    for data in derived.values():
        if data.shape == "time-to-event" and data.competing is None:
            curves.extend(draw_curves(data, arms))
        elif data.shape == "time-to-event":  # with competing events one minus Kaplan-Meier is no probability
            incidences.extend(draw_incidences(data, arms))
    for estimate in estimates:
        has_curve = estimate.estimator == "linear-mixed" and "columns" in estimate.details
        if "adjusted_means" in estimate.details and not estimate.details["choices"]:
            models.extend(curves_of_adjusted_means(estimate))
        if has_curve and "periods" not in estimate.details and not estimate.details["choices"]:
            models.extend(_model_curves(plan, estimate))
    if records.is_simulated:
        derived = {id: replace(data, simulated=True) for id, data in derived.items()}
    return Results(
        estimates=decided,
        multiplicity=multiplicity,
        provenance=provenance,
        endpoints=derived,
        survival_curves=tuple(curves),
        incidence_curves=tuple(incidences),
        model_curves=tuple(models),
        lattice=lattice,
    )


def check_plan(protocol: Protocol, records: Records) -> list[Problem]:
    """Why the plan cannot be carried out on records: a covariate that is not there, a compared arm with nobody.

    Endpoints are derived and rows compared, nothing is fitted.
    """
    lattice = read_lattice(protocol, records)
    if lattice.n == 0:
        return [NOBODY]
    plan = Plan(protocol, lattice)
    problems: list[Problem] = []
    for planned in planned_fits(protocol):
        try:
            plan.compared(planned)
            plan.derived_for(planned)
        except AnalysisError as error:
            problems.extend(problem for problem in error.problems if problem not in problems)
    return problems


def estimate_planned(protocol: Protocol, plan: Plan, planned: PlannedFit) -> list[Estimate]:
    """The estimates of one fit on its own, whether or not it stands in the plan."""
    n_randomized = _n_randomized(plan, planned)
    return [_estimate(protocol, planned, outcome, n_randomized, plan) for outcome in plan.fit(planned)]


def _limits_at(protocol: Protocol, plan: Plan, fits: Sequence[PlannedFit]) -> Limits:
    """How a line of the plan is fitted again for limits at another level."""

    def limits(line: str, level: float) -> tuple[float | None, float | None]:
        planned = next(fit for fit in fits if fit.id == line)
        again = replace(planned, analysis=planned.analysis.model_copy(update={"ci_level": level}))
        answer = answer_of(estimate_planned(protocol, plan, again), line)
        return (None, None) if answer is None else answer.ends[1:]

    return limits


def _n_randomized(plan: Plan, planned: PlannedFit) -> dict[str | None, int]:
    """Participants randomized to each arm compared (or to a level of the factor), and to both."""
    treatments = planned.estimand.treatments
    label = plan.lattice_of(planned).participants.arm
    arms = plan.protocol.model.arms
    factor = planned.estimand.factor
    if plan.protocol.is_within(planned.estimand):
        everybody = int(plan.compared(planned).n_randomized[0])
        return {**dict.fromkeys(treatments.names, everybody), None: everybody}
    counts: dict[str | None, int] = {}
    for name in treatments.names:
        members = [arm for arm, entry in arms.items() if (entry.factors.get(factor) if factor else arm) == name]
        counts[name] = int(np.isin(label, members).sum())
    counts[None] = sum(counts.values())
    return counts


def _estimate(
    protocol: Protocol, planned: PlannedFit, outcome: Outcome, n_randomized: dict[str | None, int], plan: Plan
) -> Estimate:
    derived = plan.derived_for(planned)
    warnings = [*outcome.warning_slugs(), *derived.warnings]
    comparison = plan.compared(planned)
    counts = {code: n for code, who in derived.marks.items() if (n := int(who[comparison.rows].sum()))}
    compared = outcome.reference is not None
    if compared and (n := int(comparison.incomplete.sum())):
        counts["covariate-missing"] = n
    warnings += counts
    n_events = int(outcome.n_events[0])
    main = planned.choices == () and outcome.suffix == "" and not planned.added
    details: dict[str, Any] = {
        "line": planned.line,
        "choices": dict(planned.choices),
        "analysis_set": planned.analysis.analysis_set,
        "main": main,
        "warning_counts": counts,
    }
    for key, value in outcome.details.items():
        details[key] = _plain(value)
    if outcome.margin is not None:
        details["margin"] = margin_details(outcome, planned.analysis)
    if outcome.posterior is not None:
        details["posterior"] = _posterior_details(outcome.posterior)
    errors = details.pop("monte_carlo", None)
    moved: dict[str, Any] = {
        f"monte_carlo_error{suffix}": number(np.array([getattr(errors, name)]), 0)
        for suffix, name in (
            ("", "estimate"),
            ("_ci_lower", "ci_lower"),
            ("_ci_upper", "ci_upper"),
            ("_p_value", "p_value"),
        )
        if errors is not None
    }
    return Estimate(
        id=planned.id + outcome.suffix,
        endpoint=planned.estimand.endpoint,
        estimand=planned.estimand_id,
        estimator=outcome.estimator,
        arm=outcome.arm,
        reference=outcome.reference,
        event=outcome.event,
        scale=outcome.scale,
        estimate=number(outcome.estimate, 0),
        standard_error=number(outcome.standard_error, 0),
        ci_lower=number(outcome.ci_lower, 0),
        ci_upper=number(outcome.ci_upper, 0),
        ci_level=planned.analysis.ci_level if outcome.scale != "test" else None,
        statistic=number(outcome.statistic, 0),
        df=number(outcome.df, 0),
        p_value=number(outcome.p_value, 0),
        n_randomized=n_randomized[None if compared else outcome.arm],
        n_analysed=int(outcome.n_analysed[0]),
        n_events=n_events if n_events >= 0 else None,
        n_missed=int(outcome.n_missed[0]) + _n_by_rule(planned, plan, outcome, derived),
        level=planned.analysis.level,
        prespecified=planned.analysis.prespecified,
        warnings=tuple(dict.fromkeys(warnings)),
        imputed_sets=details.get("imputed_sets"),
        **moved,
        simulated=plan.lattice.records.is_simulated,
        method=outcome.method,
        details=details,
    )


def _posterior_details(held: Posterior) -> dict[str, Any]:
    """The rule of success of a line that borrows, in plain values; no probability where there is no estimate."""
    probability = number(held.probability, 0)
    return {
        "probability": probability,
        "more_than": held.more_than,
        "is_above": held.is_above,
        "threshold": held.threshold,
        "success": None if probability is None else bool(held.is_success[0]),
    }


def _n_by_rule(planned: PlannedFit, plan: Plan, outcome: Outcome, derived: Derived) -> int:
    """Participants whose yes or no rests on the rule for what is missing: they are missed, though they have a value."""
    ruled = derived.imputed is not None and derived.kind != "pattern" and planned.analysis.imputation is None
    if derived.shape != "binary" or not ruled:
        return 0
    assert derived.value is not None
    assert derived.imputed is not None
    comparison = plan.compared(planned)
    rows = comparison.rows[~comparison.incomplete]
    if outcome.reference is None:
        rows = rows[derived.participants.arm[rows] == outcome.arm]
    return int((derived.imputed & np.isfinite(derived.value))[rows].sum())


def _plain(value: Any) -> Any:
    """The first trial's entry of a batch array as plain values."""
    if isinstance(value, np.ndarray) and value.ndim and value.shape[0] >= 1:
        first = value[0]
        if np.ndim(first) == 0:
            return float(first) if np.isfinite(first) else None
        return np.asarray(first).tolist()
    return value


def _is_in_model(details: Mapping[str, Any], visit: int) -> bool:
    """Whether a model with visits as categories has seen the visit; with a line of weeks every visit lies on it."""
    if details.get("time") not in ("category", "category-interaction"):
        return True
    return visit in details["time_visits"] or visit == details["time_reference"]


def _time_values(details: Mapping[str, Any], names: list[str], week: float, visit: int) -> list[float]:
    """The columns of time of a linear mixed model at one visit."""
    if details.get("time") in ("category", "category-interaction"):
        return [float(visit == other) for other in details["time_visits"]]
    return [week - float(details.get("time_from_week", 0.0))] if "week" in names else []


def _model_curves(plan: Plan, estimate: Estimate) -> list[ModelCurve]:
    """Fitted means by arm over weeks, the covariates at their mean; limits at 95 % by the normal quantile."""
    derived = plan.derived(estimate.endpoint)
    names = list(estimate.details["columns"])
    beta = np.asarray(estimate.details["coefficients"])
    covariance = np.asarray(estimate.details["covariance"])
    # Where nothing is left to vary the means stand without errors: a band of no width would claim them known.
    if not (np.isfinite(beta).all() and np.isfinite(covariance).all()) or derived.visit_weeks is None:
        return []
    analysis = plan.protocol.model.analyses[estimate.details["line"]]
    from equipoise.analysis.dataset import compare

    comparison = compare(plan.protocol, plan.lattice, analysis, plan.protocol.model.estimands[analysis.estimand])
    if comparison.is_interaction:  # it compares two effects: there are no two arms whose means these would be
        return []
    means = np.nanmean(comparison.covariates, axis=0) if comparison.names else np.empty(0)
    out = []
    weeks = [(v, w) for v, w in enumerate(derived.visit_weeks.tolist()) if _is_in_model(estimate.details, v)]
    for value, arm in ((0.0, estimate.reference), (1.0, estimate.arm)):
        rows = []
        for visit, week in weeks:
            time = _time_values(estimate.details, names, week, visit)
            crossed = [value * part for part in time] if any(name.startswith("arm x ") for name in names) else []
            rows.append([1.0, value, *time, *crossed, *means])
        x = np.asarray(rows)
        fitted = x @ beta
        half = 1.959963984540054 * np.sqrt(np.maximum(np.einsum("ij,jk,ik->i", x, covariance, x), 0.0))
        change = np.exp if derived.logarithm else np.asarray
        out.append(
            ModelCurve(
                endpoint=estimate.endpoint,
                arm=str(arm),
                week=tuple(week for _, week in weeks),
                mean=tuple(change(fitted).tolist()),
                ci_lower=tuple(change(fitted - half).tolist()),
                ci_upper=tuple(change(fitted + half).tolist()),
            )
        )
    return out
