"""Operating characteristics from the numbers of single replicates: power, bias, coverage, and what could not be fitted.

Definitions stand in ``docs/methods/operating_characteristics.md``. Ratios are summed up on the logarithm and given on
their own scale. Nothing here depends on how replicates were cut into tasks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise.analysis.margins import lines_by_set
from equipoise.analysis.multiplicity import entering
from equipoise.design.batch import PlannedRow
from equipoise.design.decisions import PLANNED, RULES, reject, reject_as_planned
from equipoise.protocol import Protocol
from equipoise.protocol.vocabulary.endpoint_kinds import BINARY, NUMBER, TIME_TO_EVENT
from equipoise.protocol.vocabulary.estimators import ESTIMATORS
from equipoise.protocol.vocabulary.scales import SCALES
from equipoise.stats.codes import FitCode

Floats = NDArray[np.float64]
# A p value under one of these is not to be relied on, whatever it is.
DOUBTFUL = FitCode.NOT_CONVERGED | FitCode.ILL_CONDITIONED | FitCode.QUADRATURE_UNSTABLE
_Z = 1.959963984540054


@dataclass(frozen=True)
class Share:
    """A share of the replicates with its 95% Monte Carlo interval (Wilson)."""

    value: float
    lower: float
    upper: float
    n: int

    @property
    def half_width(self) -> float:
        """Half the width of the interval."""
        return (self.upper - self.lower) / 2


def wilson_share(count: float, n: int) -> Share | None:
    """Wilson's interval; ``None`` where there is nothing to take a share of."""
    if n == 0:
        return None
    p = count / n
    middle = (p + _Z**2 / (2 * n)) / (1 + _Z**2 / n)
    half = _Z / (1 + _Z**2 / n) * np.sqrt(p * (1 - p) / n + _Z**2 / (4 * n * n))
    # The ends at nought and at all are exact, and rounding must not move them.
    lower = 0.0 if count == 0 else float(max(0.0, middle - half))
    upper = 1.0 if count == n else float(min(1.0, middle + half))
    return Share(float(p), lower, upper, n)


@dataclass(frozen=True, kw_only=True)
class RowSummary:
    """One planned row over all replicates. Values that do not exist are ``None``.

    ``significant`` counts a missing p value as not significant; ``power_lower`` and ``power_upper`` are what it would
    be if every missing or doubtful p value were not significant, or were. ``mean`` is given only where every replicate
    has an estimate; ``median`` and ``spread`` (the central 95%) are of those that have one.
    """

    row: PlannedRow
    n_replicates: int
    significant: Share | None
    power_lower: float | None
    power_upper: float | None
    significant_above: float | None  # share significant with an estimate above no effect
    significant_below: float | None
    is_type_i_error: bool
    n_without_estimate: int
    n_without_p: int
    n_doubtful: int
    mean: float | None
    mean_standard_error: float | None  # Monte Carlo, of the mean, on the logarithm for ratios
    median: float | None
    spread: tuple[float, float] | None
    truth: float | None
    bias: float | None  # mean less truth, on the logarithm for ratios
    empirical_standard_error: float | None
    model_standard_error: float | None  # root of the mean square
    coverage: Share | None  # of the truth
    published: float | None
    coverage_published: Share | None
    n_without_interval: int
    n_analysed: float
    n_events: float | None
    n_missed: float
    codes: Mapping[str, float] = field(default_factory=dict)  # share of replicates with each coded warning
    simplified: Mapping[str, int] = field(default_factory=dict)
    """Of a mixed model for repeated measures: replicates by the simpler covariance that was fitted."""

    @property
    def never_fitted(self) -> bool:
        """Whether a comparison has neither an estimate nor a p value in any replicate."""
        return self.row.is_tested and self.significant is None and self.median is None

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        out = asdict(self)
        out["never_fitted"] = self.never_fitted
        out["row"] = self.row.as_dict()
        out["codes"], out["simplified"] = dict(self.codes), dict(self.simplified)
        return out


@dataclass(frozen=True, kw_only=True)
class RuleSummary:
    """A decision rule over several hypotheses: chance that all, and that any, are rejected.

    ``planned`` is the protocol's own procedure, over its hypotheses; the others are over the primary analyses.
    """

    rule: str
    words: str
    alpha_two_sided: float
    primaries: tuple[str, ...]
    all_rejected: Share
    any_rejected: Share
    each_rejected: tuple[Share, ...]
    n_without_p: int  # replicates in which a primary has no p value, counted as not rejected
    all_upper: float  # if every missing p value were below any level
    any_upper: float
    expected_rejections: float = 0.0  # mean number of hypotheses rejected
    true_nulls: tuple[str, ...] = ()  # hypotheses that are true in the scenario: rejecting one is an error
    familywise_error: Share | None = None  # chance that a true one is rejected; none where none is known to be true


_CELLS = {"use-by-day": "days", "use-by-week": "weeks"}


def missed_unit(protocol: Protocol, row: PlannedRow) -> str:
    """What ``n_missed`` of a row counts: participants; or visits, days or weeks where a repeated model is fitted."""
    needs = ESTIMATORS[row.estimator].needs if row.estimator in ESTIMATORS else frozenset({BINARY})
    if needs & {BINARY, NUMBER, TIME_TO_EVENT}:
        return "participants"
    return _CELLS.get(protocol.model.endpoints[row.endpoint].kind, "visits")


def null_value(scale: str) -> float:
    """The value of no effect."""
    return SCALES[scale].no_effect


def summarise_row(
    row: PlannedRow, arrays: Mapping[str, NDArray[Any]], *, is_null: bool, published: float | None = None
) -> RowSummary:
    """One row; ``arrays`` hold one number a replicate."""
    ratio = SCALES[row.scale].is_ratio
    compared = row.kind not in ("arm", "goal")
    estimate, codes = arrays["estimate"], arrays["codes"]
    n = int(estimate.shape[0])
    on = np.log if ratio else np.asarray
    with np.errstate(divide="ignore", invalid="ignore"):
        # A ratio of zero has no logarithm: there is no estimate that a mean could be taken of.
        scaled = on(estimate)
    there = np.isfinite(scaled)
    values = scaled[there]
    truth = null_value(row.scale) if is_null and compared and row.scale != "test" else None
    mean, mc_error, empirical = None, None, None
    if row.scale != "test" and values.size == n and n > 1:
        empirical = float(values.std(ddof=1))
        mc_error = empirical / float(np.sqrt(n))
        mean = float(values.mean())
    elif row.scale != "test" and values.size > 1:
        empirical = float(values.std(ddof=1))
    back = np.exp if ratio else float
    standard_errors = arrays["standard_error"][np.isfinite(arrays["standard_error"])]
    p = arrays["p_value"]
    has_p = np.isfinite(p)
    tested = row.is_tested and bool(has_p.any())
    hits = has_p & (p < row.alpha_two_sided)
    doubtful = has_p & ((codes & np.uint32(int(DOUBTFUL))) != 0)
    # What a single arm is held against is its goal; that it is met is no error, whatever the scenario.
    none = row.null if row.null is not None else null_value(row.scale) if row.scale != "test" else None
    if row.margin is not None:
        none = None  # on which side of no effect an estimate lies says nothing of a margin
    events = arrays["n_events"]
    spread = np.quantile(values, [0.025, 0.975]) if values.size else None
    return RowSummary(
        row=row,
        n_replicates=n,
        significant=wilson_share(int(hits.sum()), n) if tested else None,
        power_lower=float((hits & ~doubtful).sum() / n) if tested else None,
        power_upper=float((hits | ~has_p | doubtful).sum() / n) if tested else None,
        significant_above=float((hits & (estimate > none)).sum() / n) if tested and none is not None else None,
        significant_below=float((hits & (estimate < none)).sum() / n) if tested and none is not None else None,
        # Where arms do not differ, to find them not inferior or equivalent is right.
        is_type_i_error=tested and is_null and compared and row.margin is None,
        n_without_estimate=0 if row.scale == "test" else int(n - values.size),
        n_without_p=int((~has_p).sum()) if tested else 0,
        n_doubtful=int(doubtful.sum()),
        mean=float(back(mean)) if mean is not None else None,
        mean_standard_error=mc_error,
        median=float(back(np.median(values))) if values.size else None,
        spread=(float(back(spread[0])), float(back(spread[1]))) if spread is not None else None,
        truth=truth,
        bias=float(mean - on(truth)) if mean is not None and truth is not None else None,
        empirical_standard_error=empirical,
        model_standard_error=float(np.sqrt(np.mean(standard_errors**2))) if standard_errors.size else None,
        coverage=_coverage(arrays, truth),
        published=published,
        coverage_published=_coverage(arrays, published),
        n_without_interval=int((~(np.isfinite(arrays["ci_lower"]) | np.isfinite(arrays["ci_upper"]))).sum())
        if row.scale != "test"
        else 0,
        n_analysed=float(arrays["n_analysed"].mean()),
        n_events=float(events.mean()) if (events >= 0).all() else None,
        n_missed=float(arrays["n_missed"].mean()),
        codes=_code_shares(codes),
        simplified=_simplified(row, arrays),
    )


def _simplified(row: PlannedRow, arrays: Mapping[str, NDArray[Any]]) -> dict[str, int]:
    """Replicates by the simpler covariance that was fitted, in the order in which they are tried."""
    if not row.structures:
        return {}
    counts = np.bincount(np.maximum(arrays["structure"], 0), minlength=len(row.structures))
    return {name: int(n) for name, n in zip(row.structures[1:], counts[1:], strict=True) if n}


def _coverage(arrays: Mapping[str, NDArray[Any]], value: float | None) -> Share | None:
    """Share of the intervals there are that hold ``value``; an end that is absent is taken to reach to infinity."""
    if value is None:
        return None
    lower, upper = arrays["ci_lower"], arrays["ci_upper"]
    there = np.isfinite(lower) | np.isfinite(upper)
    holds = (np.isnan(lower) | (lower <= value)) & (np.isnan(upper) | (upper >= value))
    return wilson_share(int((holds & there).sum()), int(there.sum()))


def _code_shares(codes: NDArray[np.uint32]) -> dict[str, float]:
    out = {}
    seen = int(np.bitwise_or.reduce(codes)) if codes.size else 0
    for code in FitCode:
        if code and seen & int(code):
            out[code.slug] = float(((codes & np.uint32(int(code))) != 0).mean())
    return out


def primary_rows(rows: tuple[PlannedRow, ...]) -> list[int]:
    """Numbers of the rows on which the decision rests: each primary line once, as planned where it has a fallback."""
    chosen: dict[str, int] = {}
    for number, row in enumerate(rows):
        is_better = row.line not in chosen or row.kind == "as-planned"
        if row.level == "primary" and row.is_tested and is_better:
            chosen[row.line] = number
    return list(chosen.values())


def rows_by_set(protocol: Protocol, rows: tuple[PlannedRow, ...]) -> list[list[int]]:
    """Of each estimand that is held against its margin in several analysis sets: the numbers of its rows."""
    out = []
    for id, estimand in protocol.model.estimands.items():
        lines = set(lines_by_set(protocol, id).values()) if estimand.margin is not None else set()
        chosen: dict[str, int] = {}
        for number, row in enumerate(rows):
            if row.line in lines and row.margin is not None and (row.line not in chosen or row.kind == "as-planned"):
                chosen[row.line] = number
        if len(chosen) > 1:
            out.append(list(chosen.values()))
    return out


def summarise_sets(rows: Sequence[PlannedRow], p_values: Floats) -> RuleSummary:
    """Non-inferiority (or equivalence) in every analysis set of an estimand, each at its own level; (n_sets, n)."""
    levels = np.array([[row.alpha_two_sided] for row in rows])
    found, missing = p_values < levels, np.isnan(p_values)
    words = "only if the interval excludes the margin in each of these analysis sets; no level is shared"
    name = "both-sets" if len(rows) == 2 else "every-set"
    ids = tuple(row.id for row in rows)
    return _rule(name, words, rows[0].alpha_two_sided, ids, (found, found | missing, missing), ())


def hypothesis_rows(protocol: Protocol, rows: tuple[PlannedRow, ...]) -> dict[str, int]:
    """Numbers of the rows that answer the protocol's hypotheses, as planned where they have a fallback."""
    plan = protocol.model.multiplicity
    chosen: dict[str, int] = {}
    for number, row in enumerate(rows):
        is_answer = row.id == row.line or row.kind in ("as-planned", "goal")
        is_hypothesis = plan is not None and row.line in plan.names and row.is_tested and is_answer
        if is_hypothesis and (row.line not in chosen or row.kind == "as-planned"):
            chosen[row.line] = number
    return chosen


def entered_with(protocol: Protocol, row: PlannedRow, arrays: Mapping[str, NDArray[Any]]) -> Floats:
    """(n,) the p values with which a row enters the protocol's procedure."""
    return entering(protocol, row.line, row.scale, arrays, row.null)


def summarise_planned(
    protocol: Protocol, p_values: Mapping[str, Floats], true_nulls: tuple[str, ...]
) -> list[RuleSummary]:
    """The protocol's procedure; none where it has none, or where a hypothesis has no p value in any replicate.

    ``p_values`` are those of its sides, by hypothesis.
    """
    plan = protocol.model.multiplicity
    if plan is None or set(p_values) != set(plan.names):
        return []
    p = np.stack([p_values[name] for name in plan.names])
    if np.isnan(p).all(axis=1).any():
        return []
    sides = "one-sided" if plan.is_one_sided else "two-sided"
    words = f"the protocol's procedure ({plan.method.replace('-', ' ')}), level {plan.alpha:g}, {sides}"
    alpha = plan.alpha * (2.0 if plan.is_one_sided else 1.0)
    found = reject_as_planned(plan, p)
    upper = reject_as_planned(plan, np.where(np.isnan(p), 0.0, p))
    return [_rule(PLANNED, words, alpha, plan.names, (found, upper, np.isnan(p)), true_nulls)]


def summarise_rules(rows: list[PlannedRow], p_values: Floats, true_nulls: tuple[str, ...] = ()) -> list[RuleSummary]:
    """Every decision rule over the primary rows, (n_primaries, n); the familywise level is the first row's.

    None where one of the primaries was not estimable in any replicate: 0 % would be read as power. ``true_nulls`` are
    the ids of the rows whose hypothesis is true in the scenario.
    """
    if not rows or np.isnan(p_values).all(axis=1).any():
        return []  # of a primary without a p value in any replicate no decision can be told
    if any(row.probability is not None for row in rows):
        return []  # nor by rules of p values of one whose success is a probability
    alpha = rows[0].alpha_two_sided
    missing = np.isnan(p_values)
    best = np.where(missing, 0.0, p_values)
    ids = tuple(row.id for row in rows)
    return [
        _rule(rule, words, alpha, ids, (reject(p_values, alpha, rule), reject(best, alpha, rule), missing), true_nulls)
        for rule, words in RULES.items()
    ]


def _rule(
    rule: str,
    words: str,
    alpha: float,
    ids: tuple[str, ...],
    masks: tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]],
    true_nulls: tuple[str, ...],
) -> RuleSummary:
    """A rule from what it rejects, what it would with missing p values at 0, and which are missing; (m, n) each."""
    found, upper, missing = masks
    n = found.shape[1]
    shares = (wilson_share(int(mask.sum()), n) for mask in (found.all(axis=0), found.any(axis=0), *found))
    whole, some, *each = (share for share in shares if share is not None)
    true = np.isin(ids, true_nulls)
    return RuleSummary(
        rule=rule,
        words=words,
        alpha_two_sided=alpha,
        primaries=ids,
        all_rejected=whole,
        any_rejected=some,
        each_rejected=tuple(each),
        n_without_p=int(missing.any(axis=0).sum()),
        all_upper=float(upper.all(axis=0).mean()),
        any_upper=float(upper.any(axis=0).mean()),
        expected_rejections=float(found.sum(axis=0).mean()),
        true_nulls=tuple(name for name, is_true in zip(ids, true, strict=True) if is_true),
        familywise_error=wilson_share(int(found[true].any(axis=0).sum()), n) if true.any() else None,
    )


def deciding(rules: Sequence[RuleSummary]) -> RuleSummary | None:
    """The rule that the trial as a whole is judged by: the protocol's own, else Holm's over several primaries."""
    by_name = {rule.rule: rule for rule in rules}
    return by_name.get(PLANNED, by_name.get("holm"))


def rule_name(rule: RuleSummary | None) -> str:
    """What a head of a column calls the rule that decides."""
    return "by the plan" if rule is not None and rule.rule == PLANNED else "by Holm"
