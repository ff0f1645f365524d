"""How time enters a model of repeated results: its columns, the day of the arm's effect, contrasts by visit.

Without an interaction the arm has one effect on all days. With one the effect changes from visit to visit, and the
column of the arm is the effect on the day from which time is counted: the columns are built so that this is the day
that ``effect-at`` names.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from equipoise.analysis.dataset import Comparison, Floats, Ints, LongRows
from equipoise.analysis.outcome import Outcome, from_coefficient, from_test
from equipoise.endpoints.endpoint_values import Derived
from equipoise.foundation.calendar import day_index, study_day
from equipoise.protocol.language.analysis import Analysis
from equipoise.protocol.language.notation import Days
from equipoise.protocol.vocabulary.scales import SCALES
from equipoise.stats.codes import FitCode

# Weights (k,) on chosen columns of a fit -> its value, standard error and degrees of freedom (None: normal).
Contrast = Callable[[Floats, Ints], tuple[float, float, float | None]]
_AS_CATEGORY = ("category", "category-interaction")
_INTERACTIONS = ("interaction", "category-interaction")


@dataclass(frozen=True)
class EffectAt:
    """The moment at which the arm's effect holds: weeks since the first visit, the visit it is, the study day."""

    week: float
    visit: int | None
    day: float
    label: str


def effect_at(derived: Derived, analysis: Analysis) -> EffectAt | None:
    """Where the effect of an interaction holds; ``None`` without an interaction, where it holds on every day."""
    if analysis.time not in _INTERACTIONS:
        return None
    assert derived.visit_weeks is not None
    weeks, names = derived.visit_weeks, derived.visit_names
    where = analysis.effect_at
    if isinstance(where, Days):
        week = (day_index(where.first) - derived.first_visit_day) / 7.0
        same = np.flatnonzero(weeks == week)
        return EffectAt(week, int(same[0]) if same.size else None, float(where.first), f"day {where.first}")
    if where == "midpoint":
        week = float(weeks[-1]) / 2.0
        return EffectAt(week, None, _study_day(derived.first_visit_day + 7.0 * week), "halfway between the visits")
    visit = names.index(where) if where in names else len(names) - 1
    week = float(weeks[visit])
    return EffectAt(week, visit, _study_day(derived.first_visit_day + 7.0 * week), names[visit])


def _study_day(index: float) -> float:
    """The study day of a day index; halfway between two days it is a half."""
    whole = math.floor(index + 1e-9)
    return study_day(whole) + (0.5 if index - whole > 0.25 else 0.0)


def at_words(at: EffectAt) -> str:
    """``at day 243``, with the visit where it has a name of its own."""
    day = f"day {at.day:g}"
    return f"at {day}" if at.label.replace("-", " ") == day else f"at {day}, {at.label}"


@dataclass(frozen=True)
class TimeColumns:
    """Columns of time beside the arm's: ``time`` the same in both arms, ``with_arm`` those of the interaction.

    ``effects`` are the planned visits, and the weights of (arm, interaction columns) that give the effect at each.
    """

    names: tuple[str, ...]
    interaction_names: tuple[str, ...]
    at: EffectAt | None
    kind: str
    visits: tuple[int, ...]  # of a category, the visits that have a column
    centre: float
    reference: int | None = None  # of a category, the visit without a column

    def columns(self, week: Floats, visit: Ints) -> list[Floats]:
        """(n_rows,) each: the columns of time."""
        if self.kind == "none":
            return []
        if self.kind in _AS_CATEGORY:
            return [np.asarray(visit == v, dtype=np.float64) for v in self.visits]
        return [week - self.centre if self.kind == "interaction" else week]


def time_columns(derived: Derived, analysis: Analysis, seen: NDArray[np.bool_]) -> TimeColumns:
    """The columns of time of an endpoint; ``seen`` (n_visits,) which visits have any result: others have no column."""
    at = effect_at(derived, analysis)
    kind = analysis.time
    if kind == "none":
        return TimeColumns((), (), None, kind, (), 0.0)
    if kind in _AS_CATEGORY:
        reference = at.visit if at is not None and at.visit is not None else int(seen.argmax())
        visits = tuple(v for v in range(len(derived.visit_names)) if v != reference and seen[v])
        names = tuple(derived.visit_names[v] for v in visits)
        crossed = tuple(f"arm x {name}" for name in names) if kind == "category-interaction" else ()
        return TimeColumns(names, crossed, at, kind, visits, 0.0, reference)
    if kind == "interaction":
        assert at is not None
        return TimeColumns(("week",), ("arm x week",), at, kind, (), at.week)
    return TimeColumns(("week",), (), None, kind, (), 0.0)


def design_of(
    rows: LongRows, comparison: Comparison, terms: TimeColumns, experimental: Floats | None = None
) -> tuple[Floats, tuple[str, ...]]:
    """(n_rows, p) constant, arm, time, arm by time, covariates; and their names."""
    arm = (comparison.experimental if experimental is None else experimental)[rows.who]
    time = terms.columns(rows.week, rows.visit)
    columns: list[Floats | float] = [1.0, arm, *time]
    if terms.interaction_names:
        columns += [arm * column for column in time]
    columns += [comparison.covariates[:, k][rows.who] for k in range(len(comparison.names))]
    design = np.empty((rows.y.shape[0], len(columns)))
    for position, column in enumerate(columns):
        design[:, position] = column
    return design, ("constant", "arm", *terms.names, *terms.interaction_names, *comparison.names)


def n_time_columns(time: str, n_visits: int) -> int:
    """Columns that time takes beside the arm's, each planned visit having been seen."""
    return {"none": 0, "linear": 1, "interaction": 2, "category": n_visits - 1}.get(time, 2 * (n_visits - 1))


def visits_seen(rows: LongRows, n_visits: int) -> NDArray[np.bool_]:
    """(n_visits,) whether any row is of the visit."""
    return np.asarray(np.bincount(rows.visit, minlength=n_visits) > 0)


def interaction_rows(
    derived: Derived, terms: TimeColumns, main: Outcome, contrast: Contrast, level: float
) -> list[Outcome]:
    """Of one trial with an interaction: the test that the effect does not change, and the effect at each visit."""
    if not terms.interaction_names or main.estimate.shape[0] != 1:
        return []
    assert derived.visit_weeks is not None
    k = len(terms.interaction_names)
    active = np.concatenate([[1], 2 + len(terms.names) + np.arange(k)]).astype(np.int64)
    out = [_test(main, active, contrast, k)]
    for visit, name in enumerate(derived.visit_names):
        weights = np.zeros(k + 1)
        weights[0] = 1.0
        if terms.kind == "interaction":
            weights[1] = float(derived.visit_weeks[visit]) - terms.centre
        elif visit in terms.visits:
            weights[1 + terms.visits.index(visit)] = 1.0
        elif terms.at is None or visit != terms.at.visit:
            continue  # nobody was seen at it
        value, error, df = contrast(weights, active)
        at = EffectAt(
            float(derived.visit_weeks[visit]),
            visit,
            _study_day(derived.first_visit_day + 7.0 * float(derived.visit_weeks[visit])),
            name,
        )
        out.append(
            from_coefficient(
                estimator=main.estimator,
                scale=main.scale,
                coefficient=np.array([value]),
                standard_error=np.array([error]),
                df=None if df is None else np.array([df]),
                level=level,
                codes=main.codes,
                n_analysed=main.n_analysed,
                n_events=main.n_events,
                n_missed=main.n_missed,
                event=main.event,
                arm=main.arm,
                reference=main.reference,
                suffix=f".at-{name}",
                method=f"{main.method.split('; ')[0]}; effect {at_words(at)}",
                details={"effect_at_day": at.day, "effect_at": at_words(at)},
            )
        )
    return out


def _test(main: Outcome, active: Ints, contrast: Contrast, k: int) -> Outcome:
    """The test that the arm's effect is the same at every visit: all columns of the interaction at once."""
    statistic, df, p, details = _joint(active, contrast, k)
    is_ratio = SCALES[main.scale].is_ratio
    if k == 1:
        value, error, _ = contrast(np.array([0.0, 1.0]), active)
        details["change_per_week"] = np.array([value])
        details["change_per_week_se"] = np.array([error])
        details["change_per_week_of_logarithm"] = is_ratio
    return from_test(
        estimator=main.estimator,
        statistic=np.array([statistic]),
        df=np.array([df]),
        p_value=np.array([p]),
        n_analysed=main.n_analysed,
        n_events=main.n_events,
        n_missed=main.n_missed,
        # Where nothing varies within participants a change with time is known without error: nothing to test against.
        codes=main.codes if np.isfinite(p) else main.codes | np.uint32(FitCode.ERROR_UNKNOWN),
        event=main.event,
        arm=main.arm,
        reference=main.reference,
        suffix=".time-interaction",
        method=f"{main.method.split('; ')[0]}; test that the effect does not change with time",
        details=details,
    )


def _joint(active: Ints, contrast: Contrast, k: int) -> tuple[float, float, float, dict[str, object]]:
    """Wald's test of k columns at once: t, F (denominator by Fai and Cornelius) or chi-squared, with df and p."""
    covariance = np.empty((k, k))
    values = np.empty(k)
    unit = np.eye(k + 1)[1:]
    for i in range(k):
        value, error, df = contrast(unit[i], active)
        values[i], covariance[i, i] = value, error**2
    if not (np.isfinite(values).all() and np.isfinite(np.diagonal(covariance)).all() and covariance[0, 0] > 0.0):
        return math.nan, math.nan, math.nan, {}
    if k == 1:
        t = values[0] / math.sqrt(covariance[0, 0])
        if df is None:
            return t, math.nan, float(2 * special.ndtr(-abs(t))), {}
        return t, df, float(2 * special.stdtr(df, -abs(t))), {}
    for i in range(k):
        for j in range(i):
            # The covariance of two contrasts from the variance of their sum.
            whole = contrast(unit[i] + unit[j], active)[1] ** 2
            covariance[i, j] = covariance[j, i] = (whole - covariance[i, i] - covariance[j, j]) / 2.0
    if not (np.isfinite(values).all() and np.isfinite(covariance).all()):
        return math.nan, math.nan, math.nan, {}
    spread, axes = np.linalg.eigh(covariance)
    if spread[0] <= spread[-1] * 1e-12:
        return math.nan, math.nan, math.nan, {}
    t = (axes.T @ values) / np.sqrt(spread)
    if df is None:
        return float(t @ t), float(k), float(special.chdtrc(k, t @ t)), {"test": "chi-squared"}
    each = np.array([contrast(np.concatenate([[0.0], axis]), active)[2] for axis in axes.T], dtype=np.float64)
    expected = float((each[each > 2] / (each[each > 2] - 2)).sum())
    denominator = 2 * expected / (expected - k) if expected > k else math.nan
    f = float(t @ t) / k
    p = float(special.fdtrc(k, denominator, f)) if math.isfinite(denominator) else math.nan
    return f, denominator, p, {"test": "F", "numerator_df": k}
