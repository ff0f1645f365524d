"""Estimators of a time to an event with competing events: Fine and Gray, Gray's test, cumulative incidence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from equipoise.analysis.dataset import Comparison, Floats, Ints, sum_by_trial
from equipoise.analysis.left_out import name_left_out
from equipoise.analysis.model_words import adjusted_words
from equipoise.analysis.outcome import Outcome, from_coefficient, from_test, nothing
from equipoise.analysis.results import IncidenceCurve
from equipoise.analysis.survival import UNIT_WORDS, SurvivalData
from equipoise.endpoints.endpoint_values import Derived
from equipoise.protocol.language.analysis import Analysis
from equipoise.stats.codes import FitCode

if TYPE_CHECKING:
    from equipoise.stats.competing_risks import FineGrayFits


class CompetingData(SurvivalData):
    """Times with their causes: 0 censored, 1 the endpoint's event, 2 a competing one; complete rows only."""

    def __init__(self, derived: Derived, comparison: Comparison, unit: str) -> None:
        super().__init__(derived, comparison, unit)
        assert derived.competing is not None
        others = derived.competing[comparison.rows][self.rows]
        self.cause: Ints = np.where(self.event > 0, 1, np.where(others, 2, 0)).astype(np.int64)
        self.groups: Ints = self.experimental.astype(np.int64)

    def swapped(self) -> Ints:
        """(n,) causes with the competing events as those of interest."""
        return np.where(self.cause == 0, 0, 3 - self.cause).astype(np.int64)


def fit_subdistribution(derived: Derived, comparison: Comparison, analysis: Analysis) -> list[Outcome]:
    """Subdistribution hazard ratio by Fine and Gray's regression, robust errors, Wald limits.

    Of one trial the cause-specific hazard ratios of the event and of the competing events stand in the details: the
    ratio of the subdistribution mixes both.
    """
    from equipoise.stats.competing_risks import fit_fine_gray

    data = CompetingData(derived, comparison, analysis.time_unit)
    design = comparison.design(data.rows, intercept=False)
    fits = fit_fine_gray(data.time, data.cause, design, data.offsets)
    single = comparison.n_trials == 1
    kept = fits.kept[0, 1:] if single else None
    main = from_coefficient(
        estimator="fine-gray",
        scale="subdistribution_hazard_ratio",
        coefficient=fits.coefficients[:, 0],
        standard_error=fits.standard_errors[:, 0],
        level=analysis.ci_level,
        codes=fits.codes,
        method=(
            f"Fine and Gray's regression, Breslow's rule for ties, time in {UNIT_WORDS[analysis.time_unit]}, robust "
            f"standard errors that allow for the estimated censoring, Wald limits{adjusted_words(comparison, kept)}"
        ),
        left_out=_left_out(data, design, fits),
        details={"log_likelihood": fits.log_likelihood, "log_likelihood_null": fits.log_likelihood_null},
        **data.shared(),  # type: ignore[arg-type]
    )
    if not single:
        return [main]
    details = {**main.details, "cause_specific": _cause_specific(data, design, analysis)}
    remarks = ("no-robust-error-at-the-end",) if fits.direction[0] else ()
    return [replace(main, details=details, remarks=remarks)]


def _left_out(data: CompetingData, design: Floats, fits: FineGrayFits) -> tuple[str, ...]:
    """Names of what the one trial's model went without."""
    if data.comparison.n_trials != 1 or not fits.codes[0] & np.uint32(FitCode.NUISANCE_LEFT_OUT):
        return ()
    return name_left_out(
        data.comparison.factors,
        design[:, 1:],
        kept=fits.kept[0, 1:],
        informative=np.ones(design.shape[0], dtype=np.bool_),
        silent=np.isnan(fits.coefficients[0, 1:]),
    )


def _cause_specific(data: CompetingData, design: Floats, analysis: Analysis) -> list[dict[str, Any]]:
    """Of one trial, the hazard ratios of the event and of the competing events, each with the other as censoring."""
    from equipoise.stats.cox import fit_cox

    out = []
    for what, cause in (("event", 1), ("competing", 2)):
        fits = fit_cox(data.time, (data.cause == cause).astype(np.float64), design, data.offsets, ties="efron")
        row = from_coefficient(
            estimator="cox",
            scale="hazard_ratio",
            coefficient=fits.coefficients[:, 0],
            standard_error=fits.standard_errors[:, 0],
            level=analysis.ci_level,
            codes=fits.codes,
            **data.shared(),  # type: ignore[arg-type]
        )
        numbers = {name: float(getattr(row, name)[0]) for name in ("estimate", "ci_lower", "ci_upper", "p_value")}
        counts = {
            arm: int(((data.cause == cause) & (data.groups == side)).sum())
            for side, arm in ((0, data.comparison.reference), (1, data.comparison.arm))
        }
        known = {name: value if np.isfinite(value) else None for name, value in numbers.items()}
        out.append({"what": what, "n_events": counts, **known})
    return out


def fit_gray(derived: Derived, comparison: Comparison, analysis: Analysis) -> list[Outcome]:
    """Gray's test that the cumulative incidence of the event is the same in both arms."""
    from equipoise.stats.competing_risks import gray_test

    data = CompetingData(derived, comparison, analysis.time_unit)
    test = gray_test(data.time, data.cause, data.groups, data.offsets)
    return [
        from_test(
            estimator="gray",
            statistic=test.statistic,
            df=test.df,
            p_value=test.p_value,
            codes=test.codes,
            method=f"Gray's test, time in {UNIT_WORDS[analysis.time_unit]}",
            details={"score": test.score},
            **data.shared(),
        )
    ]


def fit_incidences(derived: Derived, comparison: Comparison, analysis: Analysis) -> list[Outcome]:
    """Cumulative incidence in each arm by the plan's horizon (by default the end of follow-up), of both events."""
    from equipoise.stats.competing_risks import estimate_cumulative_incidence

    data = CompetingData(derived, comparison, analysis.time_unit)
    horizon = analysis.horizon
    if horizon is None:
        by_day = derived.follow_up if analysis.time_unit == "day" else None
        horizon = by_day if by_day is not None else float(data.time.max(initial=1.0))
    n, unit = comparison.n_trials, UNIT_WORDS[analysis.time_unit]
    out = []
    for suffix, causes, words in (
        ("incidence", data.cause, "cumulative incidence"),
        ("competing", data.swapped(), "cumulative incidence of the competing events"),
    ):
        curves = estimate_cumulative_incidence(data.time, causes, data.groups, data.offsets, level=analysis.ci_level)
        at = curves.at(horizon)
        for group, arm in ((0, comparison.reference), (1, comparison.arm)):
            if not arm:
                continue  # a programme without a reference
            of_arm = data.groups == group
            beyond = np.where(at.is_beyond[:, group], np.uint32(FitCode.HORIZON_BEYOND_FOLLOW_UP), np.uint32(0))
            out.append(
                Outcome(
                    estimator="cumulative-incidence",
                    scale="cumulative_incidence",
                    estimate=at.incidence[:, group],
                    standard_error=at.standard_error[:, group],
                    ci_lower=at.ci_lower[:, group],
                    ci_upper=at.ci_upper[:, group],
                    statistic=nothing(n),
                    df=nothing(n),
                    p_value=nothing(n),
                    n_analysed=sum_by_trial(of_arm, data.offsets),
                    n_events=sum_by_trial(of_arm & (causes == 1) & (data.time <= horizon), data.offsets),
                    n_missed=np.zeros(n, dtype=np.int64),
                    codes=curves.codes[:, group] | beyond,
                    event=data.event_word if suffix == "incidence" else "competing event",
                    arm=arm,
                    suffix=f".{arm}.{suffix}",
                    method=f"{words} by {horizon:g} {unit} (Aalen-Johansen), Aalen's variance, limits on log(-log)",
                )
            )
    return out


def draw_incidences(derived: Derived, arms: Sequence[str]) -> tuple[IncidenceCurve, ...]:
    """Curves of cumulative incidence of every arm of one trial, for the report."""
    from equipoise.stats.competing_risks import estimate_cumulative_incidence

    assert derived.time is not None
    assert derived.event is not None
    assert derived.competing is not None
    label = derived.participants.arm
    known = np.isin(label, list(arms)) & np.isfinite(derived.time)
    if not known.any():
        return ()
    group = np.array([arms.index(str(name)) for name in label[known]], dtype=np.int64)
    time = derived.time[known]
    cause = np.where(derived.event[known], 1, np.where(derived.competing[known], 2, 0))
    ends = [0, int(known.sum())]
    mine = estimate_cumulative_incidence(time, cause, group, ends, n_groups=len(arms))
    swapped = np.where(cause == 0, 0, 3 - cause)
    others = estimate_cumulative_incidence(time, swapped, group, ends, n_groups=len(arms))
    out = []
    for position, arm in enumerate(arms):
        curve, other = mine.curve(0, position), others.curve(0, position)
        out.append(
            IncidenceCurve(
                endpoint=derived.endpoint,
                arm=arm,
                time=tuple(curve.time.tolist()),
                incidence=tuple(curve.incidence.tolist()),
                ci_lower=tuple(_plain(curve.ci_lower)),
                ci_upper=tuple(_plain(curve.ci_upper)),
                competing=tuple(other.incidence.tolist()),
                followed=tuple(np.sort(time[group == position]).tolist()),
                n_events=int((cause[group == position] == 1).sum()),
                n_competing=int((cause[group == position] == 2).sum()),
            )
        )
    return tuple(out)


def _plain(values: Floats) -> list[float | None]:
    return [float(value) if np.isfinite(value) else None for value in values]
