"""Estimators of counts over days observed: Poisson and negative binomial regression, also with random intercepts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from equipoise.analysis.dataset import Comparison, Floats, Ints, Mask, long_rows, sum_by_trial
from equipoise.analysis.left_out import name_left_out
from equipoise.analysis.margins import tails_of_wald
from equipoise.analysis.model_words import adjusted_words, joined, term_words
from equipoise.analysis.outcome import Outcome, from_coefficient, nothing
from equipoise.analysis.time_terms import at_words, design_of, interaction_rows, time_columns, visits_seen
from equipoise.endpoints.endpoint_values import Derived, Tally
from equipoise.protocol.language.analysis import Analysis
from equipoise.stats.codes import FitCode

if TYPE_CHECKING:
    from equipoise.stats.counts import CountFits, CountProfile

_FAMILY = {"poisson": "poisson", "negative-binomial": "negative-binomial"}
_NAMES = {"poisson": "Poisson regression", "negative-binomial": "negative binomial regression"}


@dataclass(frozen=True)
class CountData:
    """Counts of one comparison with the days they are over, rows with a count and whole covariates only."""

    comparison: Comparison
    tally: Tally
    y: Floats
    exposure: Floats  # in units of the days that rates are told for
    design: Floats
    who: Ints  # position of each row among the comparison's rows
    offsets: Ints  # of rows, by trial
    people: Ints | None  # of rows, by participant; None where each has one
    n_analysed: Ints
    n_missed: Ints

    @property
    def is_single(self) -> bool:
        """Whether it is one trial, which gets more than its main number."""
        return self.comparison.n_trials == 1

    def shared(self) -> dict[str, Any]:
        """What every outcome of these data says of its counts."""
        return {
            "n_analysed": self.n_analysed,
            "n_events": sum_by_trial(self.y, self.offsets),
            "n_missed": self.n_missed,
            "event": self.tally.noun,
            "arm": self.comparison.arm,
            "reference": self.comparison.reference,
        }

    def of_arm(self, side: float) -> Mask:
        """(n_rows,) the rows of one arm."""
        return np.asarray(self.comparison.experimental[self.who] == side)


def single_counts(derived: Derived, comparison: Comparison) -> CountData:
    """One count a participant with the days it is over; rows with neither are left out."""
    tally = derived.tally
    assert tally is not None
    events, days = tally.events[comparison.rows], tally.days[comparison.rows]
    there = ~np.isnan(events) & (days > 0) & ~comparison.incomplete
    rows, offsets = comparison.keep(there)
    return CountData(
        comparison=comparison,
        tally=tally,
        y=events[rows],
        exposure=days[rows] / tally.per_days,
        design=comparison.design(rows),
        who=rows,
        offsets=offsets,
        people=None,
        n_analysed=np.diff(offsets),
        n_missed=sum_by_trial(~there, comparison.offsets),
    )


def fit_rate_ratio(derived: Derived, comparison: Comparison, analysis: Analysis) -> list[Outcome]:
    """Rate ratio of one count a participant, exposure as offset, with profile limits and likelihood-ratio test.

    With ``method: robust`` sandwich errors and Wald limits. Of one trial the rates of the arms stand in the details,
    and, of a Poisson fit with an arm without events, the exact answer is a row of its own.
    """
    from equipoise.stats.counts import CountModel, fit_counts, robust_covariance

    data = single_counts(derived, comparison)
    family: Any = _FAMILY[analysis.estimator]
    fits = fit_counts(data.y, data.design, data.offsets, exposure=data.exposure, model=CountModel(family))
    robust = analysis.method == "robust"
    covariance = fits.covariance
    if robust:
        covariance = robust_covariance(fits, data.y, data.design, data.offsets, exposure=data.exposure)
    kept = fits.kept[0, 2:] if data.is_single else None
    words = "sandwich standard errors (HC0), Wald limits" if robust else "profile likelihood limits"
    main = from_coefficient(
        estimator=analysis.estimator,
        scale="rate_ratio",
        coefficient=fits.coefficients[:, 1],
        standard_error=np.sqrt(covariance[:, 1, 1]),
        level=analysis.ci_level,
        codes=fits.codes,
        method=f"{_NAMES[family]}, days observed as offset, {words}{adjusted_words(comparison, kept)}",
        left_out=_left_out(data, fits, first=2),
        details=_details(fits),
        **data.shared(),
    )
    if not robust or (fits.direction != 0).any():
        main = _by_profile(main, data, fits, analysis.ci_level, None if not robust else fits.direction != 0)
    if not data.is_single:
        return [main]
    main = replace(main, remarks=_remarks(fits))
    if not comparison.is_interaction:  # it compares two effects: there are no two arms whose rates these would be
        main = replace(main, details={**main.details, "rates": _rates(data, fits, covariance, analysis.ci_level)})
    if analysis.estimator == "poisson" and fits.direction[0] and not comparison.is_interaction:
        return [main, _exact(main, data, analysis.ci_level)]
    return [main]


def _details(fits: CountFits) -> dict[str, object]:
    """What a count regression says of itself beside its effect."""
    out: dict[str, object] = {
        "log_likelihood": fits.log_likelihood,
        "gradient_norm": fits.gradient_norm,
        "iterations": fits.iterations,
    }
    if fits.model.family == "negative-binomial":
        out["dispersion"] = fits.alpha
    if fits.model.participant_offsets is not None:
        out["sd_intercept"] = fits.sd_intercept
    return out


def _remarks(fits: CountFits) -> tuple[str, ...]:
    """What the one trial's row says beside the codes of its fit."""
    found = fits.model.family == "negative-binomial" and fits.alpha[0] == 0.0
    return ("dispersion-at-zero",) if found else ()


def _left_out(data: CountData, fits: CountFits, *, first: int) -> tuple[str, ...]:
    """Names of what the one trial's model went without; ``first`` is the column of the first covariate."""
    if not data.is_single or not fits.codes[0] & np.uint32(FitCode.NUISANCE_LEFT_OUT):
        return ()
    return name_left_out(
        data.comparison.factors,
        data.design[:, first:],
        kept=fits.kept[0, first:],
        informative=fits.informative,
        silent=np.isnan(fits.coefficients[0, first:]),
    )


def _by_profile(main: Outcome, data: CountData, fits: CountFits, level: float, where: Mask | None = None) -> Outcome:
    """The outcome with profile limits and the likelihood-ratio test, everywhere or ``where`` the estimate runs off."""
    from equipoise.stats.counts import profile_counts

    found: CountProfile = profile_counts(fits, data.y, data.design, data.offsets, exposure=data.exposure, level=level)
    chosen = np.ones(fits.codes.shape[0], dtype=np.bool_) if where is None else where
    with np.errstate(over="ignore"):
        values = {
            "ci_lower": np.exp(found.ci_lower),
            "ci_upper": np.exp(found.ci_upper),
            "statistic": found.statistic,
            "p_value": found.p_value,
            "df": np.where(np.isnan(found.statistic), np.nan, 1.0),
            "codes": found.codes,
        }
    changed: dict[str, Any] = {name: np.where(chosen, new, getattr(main, name)) for name, new in values.items()}
    method = main.method
    if where is not None and data.is_single:
        method = method.replace(
            "sandwich standard errors (HC0), Wald limits", "profile likelihood limit and likelihood-ratio test"
        ).replace("Wald limits", "profile likelihood limit and likelihood-ratio test")

    def against(value: float) -> tuple[Floats, Floats]:
        above, below = _ratio_tails(data, fits, float(np.log(value)), level)
        by_wald = tails_of_wald(np.log(main.estimate), main.standard_error, main.df, float(np.log(value)))
        return np.where(chosen, above, by_wald[0]), np.where(chosen, below, by_wald[1])

    return replace(main, method=method, against=against, **changed)


def _ratio_tails(data: CountData, fits: CountFits, value: float, level: float) -> tuple[Floats, Floats]:
    """One-sided p values of a log rate ratio above ``value``, and below it: the signed root of the likelihood ratio.

    With the days of the experimental arm multiplied by the stated ratio, no effect is what was stated.
    """
    from scipy import special

    from equipoise.stats.counts import fit_counts, profile_counts

    exposure = data.exposure * np.exp(value * data.design[:, 1])
    moved = fit_counts(data.y, data.design, data.offsets, exposure=exposure, model=fits.model)
    found = profile_counts(moved, data.y, data.design, data.offsets, exposure=exposure, level=level)
    sign = np.where(moved.direction != 0, moved.direction, np.sign(moved.coefficients[:, 1]))
    root = sign * np.sqrt(found.statistic)
    return np.asarray(special.ndtr(-root)), np.asarray(special.ndtr(root))


def _rates(data: CountData, fits: CountFits, covariance: Floats, level: float) -> list[dict[str, Any]]:
    """Of one trial, each arm's rate had everybody been in it, with events and days as they were."""
    from scipy import special

    from equipoise.stats.counts import standardised_rates

    z = float(special.ndtri(0.5 + level / 2))
    out = []
    for side, arm in ((0.0, data.comparison.reference), (1.0, data.comparison.arm)):
        mine = data.of_arm(side)
        days = float(data.exposure[mine].sum()) * data.tally.per_days
        row = {
            "arm": arm,
            "events": int(data.y[mine].sum()),
            "days": days,
            "per_days": data.tally.per_days,
            "n": int(np.unique(data.who[mine]).size),
        }
        if fits.direction[0]:
            row |= _rate_at_the_end(data, fits, side, level)
        else:
            design = data.design.copy()
            design[:, 1] = side
            found = standardised_rates(fits, design, data.offsets, covariance)
            rate, error = float(found.log_rate[0]), float(found.standard_error[0])
            row |= _finite(rate, rate - z * error, rate + z * error)
        out.append(row)
    return out


@dataclass(frozen=True)
class ArmRates:
    """One arm's rate in each of many completed data sets of one trial, had everybody been in it."""

    arm: str
    log_rate: Floats  # (sets,)
    standard_error: Floats
    events: float  # means over the sets
    days: float
    n: int
    per_days: float


def rates_of_sets(derived: Derived, comparison: Comparison, analysis: Analysis) -> list[ArmRates]:
    """Both arms' rates, reference first; NaN in a set where an arm has no event."""
    from equipoise.stats.counts import CountModel, fit_counts, robust_covariance, standardised_rates

    data = single_counts(derived, comparison)
    family: Any = _FAMILY[analysis.estimator]
    fits = fit_counts(data.y, data.design, data.offsets, exposure=data.exposure, model=CountModel(family))
    covariance = fits.covariance
    if analysis.method == "robust":
        covariance = robust_covariance(fits, data.y, data.design, data.offsets, exposure=data.exposure)
    out = []
    sets = comparison.n_trials
    for side, arm in ((0.0, comparison.reference), (1.0, comparison.arm)):
        design = data.design.copy()
        design[:, 1] = side
        found = standardised_rates(fits, design, data.offsets, covariance)
        known = np.isfinite(fits.coefficients[:, 1])
        mine = data.of_arm(side)
        out.append(
            ArmRates(
                arm=arm,
                log_rate=np.where(known, found.log_rate, np.nan),
                standard_error=np.where(known, found.standard_error, np.nan),
                events=float(data.y[mine].sum()) / sets,
                days=float(data.exposure[mine].sum()) * data.tally.per_days / sets,
                n=int(mine.sum()) // sets,
                per_days=data.tally.per_days,
            )
        )
    return out


def _finite(*logarithms: float) -> dict[str, float | None]:
    values = [float(np.exp(value)) for value in logarithms]
    return {
        name: value if np.isfinite(value) else None
        for name, value in zip(("rate", "ci_lower", "ci_upper"), values, strict=True)
    }


def _rate_at_the_end(data: CountData, fits: CountFits, side: float, level: float) -> dict[str, float | None]:
    """Where one arm has no event: its rate is exactly 0 with a profile upper limit; the other's is from its own rows.

    The limit is that at the average covariates: of a rate of 0 there is no average of rates to take.
    """
    from scipy import special

    from equipoise.stats.counts import fit_counts, profile_counts, standardised_rates

    mine = data.of_arm(side)
    covariates = data.design[:, 2:]
    if data.y[mine].sum() == 0.0:
        centred = covariates - covariates.mean(axis=0)
        design = np.ascontiguousarray(np.column_stack([mine, ~mine, centred]).astype(np.float64))
        again = fit_counts(data.y, design, data.offsets, exposure=data.exposure, model=fits.model.pooled(), column=0)
        found = profile_counts(again, data.y, design, data.offsets, exposure=data.exposure, column=0, level=level)
        upper = float(np.exp(found.ci_upper[0]))
        return {"rate": 0.0, "ci_lower": 0.0, "ci_upper": upper if np.isfinite(upper) else None}
    design = np.ascontiguousarray(np.column_stack([np.ones(data.y.size), covariates]))
    rows = np.flatnonzero(mine)
    ends = np.array([0, rows.size])
    own = fit_counts(
        data.y[rows], design[rows], ends, exposure=data.exposure[rows], model=fits.model.pooled(), column=0
    )
    rates = standardised_rates(own, design, data.offsets)
    z = float(special.ndtri(0.5 + level / 2))
    rate, error = float(rates.log_rate[0]), float(rates.standard_error[0])
    return _finite(rate, rate - z * error, rate + z * error)


def _exact(main: Outcome, data: CountData, level: float) -> Outcome:
    """The exact conditional answer beside a Poisson fit with an arm without events; covariates do not enter."""
    from equipoise.stats.exact_rates import exact_rate_ratio

    sums = [(data.y[mine].sum(), data.exposure[mine].sum()) for mine in (data.of_arm(1.0), data.of_arm(0.0))]
    found = exact_rate_ratio(*sums[0], *sums[1], level=level)
    return replace(
        main,
        estimate=found.rate_ratio,
        standard_error=nothing(1),
        ci_lower=found.ci_lower,
        ci_upper=found.ci_upper,
        statistic=nothing(1),
        df=nothing(1),
        p_value=found.p_value,
        codes=found.codes,
        suffix=".exact",
        left_out=(),
        remarks=(),
        details={},
        method="exact conditional comparison of two Poisson rates",
    )


def fit_repeated_rate_ratio(derived: Derived, comparison: Comparison, analysis: Analysis) -> list[Outcome]:
    """Rate ratio for one and the same participant, of counts in periods, with a random intercept of the logarithm.

    Wald limits; where an arm has no event the profile limit and the likelihood-ratio test.
    """
    from equipoise.stats.counts import CountModel, fit_counts
    from equipoise.stats.logistic_mixed import MAX_NODES

    tally = derived.tally
    assert tally is not None
    rows = long_rows(replace(derived, values=np.where(tally.days > 0, tally.events, np.nan)), comparison)
    terms = time_columns(derived, analysis, visits_seen(rows, len(derived.visit_names)))
    design, names = design_of(rows, comparison, terms)
    data = CountData(
        comparison=comparison,
        tally=tally,
        y=rows.y,
        exposure=tally.days[comparison.rows][rows.who, rows.visit] / tally.per_days,
        design=design,
        who=rows.who,
        offsets=rows.participant_offsets[rows.trial_offsets],
        people=rows.participant_offsets,
        n_analysed=rows.n_participants,
        n_missed=rows.n_missed,
    )
    family: Any = _FAMILY[analysis.estimator.removesuffix("-mixed")]
    model = CountModel(family, data.people, analysis.nodes)
    fits = fit_counts(data.y, design, data.offsets, exposure=data.exposure, model=model)
    kept = fits.kept[0]
    used = [n for n, there in zip(names, kept, strict=True) if (there or not data.is_single) and n != "constant"]
    named = term_words(used, comparison.labels, derived.visit_names)
    main = from_coefficient(
        estimator=analysis.estimator,
        scale="rate_ratio",
        coefficient=fits.coefficients[:, 1],
        standard_error=fits.standard_errors[:, 1],
        level=analysis.ci_level,
        codes=fits.codes,
        method=(
            f"{_NAMES[family].replace('regression', 'mixed model')}, random intercept, adaptive Gauss-Hermite "
            f"quadrature with {analysis.nodes} nodes, days observed as offset, Wald limits; "
            f"{'term' if len(named) == 1 else 'terms'}: {joined(named)}"
        ),
        left_out=_left_out(data, fits, first=design.shape[1] - len(comparison.names)),
        details={**_details(fits), "n_rows": np.diff(data.offsets)},
        **data.shared(),
    )
    if terms.at is not None:
        words = at_words(terms.at)
        details = {**main.details, "effect_at_day": terms.at.day, "effect_at": words}
        main = replace(main, method=f"{main.method}; effect {words}", details=details)
    at_end = fits.direction != 0
    if at_end.any():
        main = _by_profile(main, data, fits, analysis.ci_level, at_end)
    if not data.is_single:
        return [main]
    main = replace(main, remarks=_remarks(fits))
    if not np.isfinite(main.estimate[0]) or at_end[0]:
        return [main]
    finer = replace(model, nodes=min(2 * analysis.nodes, MAX_NODES))
    doubled = fit_counts(data.y, design, data.offsets, exposure=data.exposure, model=finer)
    change = np.abs(doubled.coefficients[0, 1] - fits.coefficients[0, 1]) / fits.standard_errors[0, 1]
    unstable = np.uint32(FitCode.QUADRATURE_UNSTABLE if change > 0.1 else 0)
    details = {**main.details, "change_on_doubling_nodes": np.array([change])}
    main = replace(main, codes=main.codes | unstable, details=details)

    def contrast(weights: Floats, active: Ints) -> tuple[float, float, float | None]:
        variance = float(weights @ fits.covariance[0][np.ix_(active, active)] @ weights)
        return float(weights @ fits.coefficients[0, active]), float(np.sqrt(variance)), None

    return [main, *interaction_rows(derived, terms, main, contrast, analysis.ci_level)]
