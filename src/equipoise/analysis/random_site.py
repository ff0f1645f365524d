"""One result a participant, with a random intercept of the site (or of another category): scores, and yes or no."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from equipoise.analysis.binary import BinaryData
from equipoise.analysis.dataset import Comparison, Floats, Ints, Mask, sum_by_trial
from equipoise.analysis.left_out import name_left_out
from equipoise.analysis.model_words import adjusted_words
from equipoise.analysis.outcome import Outcome, averaged_over, from_coefficient
from equipoise.analysis.repeated import values_compared
from equipoise.endpoints.endpoint_values import Derived
from equipoise.protocol.language.analysis import Analysis
from equipoise.protocol.vocabulary.estimators import ESTIMATORS, measured
from equipoise.stats.codes import FitCode
from equipoise.stats.packing import rows_of_trials
from equipoise.stats.wald import CodeArray as Codes

if TYPE_CHECKING:
    from equipoise.stats.logistic_mixed import LogisticMixedFits

# These codes speak of participants and their visits; of sites the remarks say it.
_OF_VISITS = ~np.uint32(FitCode.BOUNDARY_VARIANCE | FitCode.ONE_VISIT_EACH | FitCode.VARIANCE_UNBOUNDED)


@dataclass(frozen=True)
class SiteRows:
    """Rows of complete participants in the order of their sites, trial by trial; ``group`` is one site of one trial."""

    comparison: Comparison  # without the columns of the site
    rows: Ints  # positions among the comparison's rows
    offsets: Ints  # (n_trials + 1,) of rows
    group_offsets: Ints  # (n_groups + 1,) of rows
    trial_offsets: Ints  # (n_trials + 1,) of groups

    @property
    def n_groups(self) -> Ints:
        """(n_trials,) sites with anybody."""
        return np.diff(self.trial_offsets)

    @property
    def one_each(self) -> Mask:
        """(n_trials,) no site has two participants."""
        return np.asarray((self.n_groups == np.diff(self.offsets)) & (self.n_groups > 1))

    @property
    def is_confounded(self) -> Mask:
        """(n_trials,) two sites with one arm each: a difference of arms is one of sites."""
        arm = self.comparison.experimental[self.rows]
        if not arm.size:
            return np.zeros(self.n_groups.shape[0], dtype=np.bool_)
        first = self.group_offsets[:-1]
        mixed = np.maximum.reduceat(arm, first) != np.minimum.reduceat(arm, first)
        return np.asarray((self.n_groups == 2) & (sum_by_trial(mixed, self.trial_offsets) == 0))


def site_rows(comparison: Comparison, rows: Ints, offsets: Ints) -> SiteRows:
    """Sort complete rows by site within each trial; the order of the sites' names does not matter."""
    found = comparison.strata(rows)
    site = np.zeros(rows.shape[0], dtype=np.int64) if found is None else found
    trial = np.repeat(np.arange(offsets.shape[0] - 1), np.diff(offsets))
    order = np.lexsort((site, trial))
    site = site[order]
    begins = np.ones(rows.shape[0], dtype=np.bool_)
    begins[1:] = (np.diff(site) != 0) | (np.diff(trial) != 0)
    starts = np.flatnonzero(begins)
    return SiteRows(
        comparison=comparison.within_strata(),
        rows=rows[order],
        offsets=offsets,
        group_offsets=np.append(starts, rows.shape[0]).astype(np.int64),
        trial_offsets=np.searchsorted(starts, offsets).astype(np.int64),
    )


def _remarks(sites: SiteRows, codes: Codes, sd: Floats) -> tuple[str, ...]:
    """What the one trial says of its sites."""
    if sites.comparison.n_trials != 1:
        return ()
    if sites.n_groups[0] == 1:
        return ("one-site",)
    if sites.is_confounded[0]:
        return ("arm-is-the-site",)
    if sites.one_each[0]:
        return ("one-participant-a-site",)
    if codes[0] & np.uint32(FitCode.VARIANCE_UNBOUNDED):
        return ("no-variance-within-sites",)
    return ("no-variance-between-sites",) if sd[0] == 0.0 else ()


def _random_words(sites: SiteRows, analysis: Analysis, sd: Floats) -> str:
    """The random intercept in words: of one trial with the number of sites and how far they differ."""
    name = str(analysis.random).replace("-", " ")
    if sites.comparison.n_trials != 1:
        return f"random intercept of {name}"
    spread = f", standard deviation {sd[0]:.3g}" if np.isfinite(sd[0]) else ""
    n = int(sites.n_groups[0])
    return f"random intercept of {name} ({n} with participants{spread})"


def _left_out(
    sites: SiteRows, design: Floats, codes: Codes, kept: Mask, coefficients: Floats, y: Floats | None = None
) -> tuple[tuple[str, ...], Mask]:
    """Names of covariates that the one trial's model went without, and its informative rows."""
    from equipoise.stats.nuisance import runaway_rows

    everything = np.ones(design.shape[0], dtype=np.bool_)
    if sites.comparison.n_trials != 1 or not codes[0] & np.uint32(FitCode.NUISANCE_LEFT_OUT):
        return (), everything
    first = design.shape[1] - len(sites.comparison.names)
    informative = everything if y is None else ~runaway_rows(y, design)[0]
    names = name_left_out(
        sites.comparison.factors,
        design[:, first:],
        kept=kept[first:],
        informative=informative,
        silent=np.isnan(coefficients[first:]),
    )
    return names, informative


def fit_site_means(derived: Derived, comparison: Comparison, analysis: Analysis) -> list[Outcome]:
    """Difference of means (of logarithms: ratio of geometric means) with a random intercept of the site, by REML.

    Satterthwaite's degrees of freedom. With one site, or one participant a site, the model is the linear regression,
    which is then fitted; eq. (RS-3).
    """
    from equipoise.stats.linear import fit_linear
    from equipoise.stats.linear_mixed import fit_linear_mixed

    values = values_compared(derived, analysis)[comparison.rows]
    there = ~np.isnan(values) & ~comparison.incomplete
    sites = site_rows(comparison, *comparison.keep(there))
    y, design = values[sites.rows], sites.comparison.design(sites.rows)
    fits = fit_linear_mixed(y, design, sites.group_offsets, sites.trial_offsets)
    coefficient, error, df = fits.coefficients[:, 1].copy(), fits.standard_errors[:, 1], fits.df[:, 1].copy()
    codes, kept, sd = fits.codes.copy(), fits.kept[0], fits.sd_intercept.copy()
    coefficients, residual = fits.coefficients[0], fits.sd_residual.copy()
    plain = np.flatnonzero((sites.n_groups == 1) | sites.one_each)
    if plain.size:
        chosen, ends = rows_of_trials(plain, sites.offsets)
        simple = fit_linear(y[chosen], design[chosen], ends, column=1)
        coefficient[plain], error[plain], df[plain] = (
            simple.coefficients[:, 1],
            simple.standard_errors[:, 1],
            simple.df,
        )
        codes[plain], sd[plain], residual[plain] = simple.codes, np.nan, simple.sd_residual
        if plain[0] == 0:
            kept, coefficients = simple.kept[0], simple.coefficients[0]
    lost = sites.is_confounded
    coefficient[lost], codes[lost] = np.nan, codes[lost] | np.uint32(FitCode.NOT_ESTIMABLE)
    # Nothing is left to vary: an error of 0 is none.
    exact = error <= 1e-9 * np.abs(coefficient)
    error = np.where(lost | exact, np.nan, error)
    codes[exact] |= np.uint32(FitCode.ERROR_UNKNOWN)
    single = comparison.n_trials == 1
    return [
        from_coefficient(
            estimator="linear",
            scale=measured(ESTIMATORS["linear"], logarithm=derived.logarithm).id,
            coefficient=coefficient,
            standard_error=error,
            df=df,
            level=analysis.ci_level,
            codes=codes & _OF_VISITS,
            n_analysed=np.diff(sites.offsets),
            n_events=np.full(comparison.n_trials, -1, dtype=np.int64),
            n_missed=sum_by_trial(~there, comparison.offsets),
            arm=comparison.arm,
            reference=comparison.reference,
            method=f"linear mixed model{' of the logarithm' if derived.logarithm else ''}, "
            f"{_random_words(sites, analysis, sd)}, REML, Satterthwaite degrees of freedom"
            + adjusted_words(sites.comparison, kept[2:] if single else None),
            left_out=_left_out(sites, design, codes, kept, coefficients)[0],
            remarks=_remarks(sites, fits.codes, sd),
            details={"sd_random": sd, "sd_residual": residual, "n_random_levels": sites.n_groups},
        )
    ]


def fit_site_odds(data: BinaryData, analysis: Analysis) -> list[Outcome]:
    """Odds ratio within a site, by logistic regression with a random intercept of the site, by quadrature.

    In one trial the odds ratio of the arms' average probabilities over sites and participants follows. With one
    participant a site the variance between sites cannot be told, and there is no number.
    """
    from equipoise.stats.logistic import fit_logistic
    from equipoise.stats.logistic_mixed import fit_logistic_mixed

    comparison = data.comparison
    sites = site_rows(comparison, data.rows, data.offsets)
    # In the order of the sites: places among the complete rows.
    places = np.searchsorted(data.rows, sites.rows)
    y, design = np.asarray(data.y[places] > 0, dtype=np.float64), sites.comparison.design(sites.rows)
    fits = fit_logistic_mixed(y, design, sites.group_offsets, sites.trial_offsets, nodes=analysis.nodes)
    sd = np.where(sites.n_groups == 1, np.nan, fits.sd_intercept)
    coefficient, error, codes = fits.coefficients[:, 1].copy(), fits.standard_errors[:, 1], fits.codes.copy()
    kept, coefficients = fits.kept[0], fits.coefficients[0]
    plain = np.flatnonzero(sites.n_groups == 1)
    if plain.size:
        chosen, ends = rows_of_trials(plain, sites.offsets)
        simple = fit_logistic(y[chosen], design[chosen], ends)
        coefficient[plain], error[plain], codes[plain] = (
            simple.coefficients[:, 1],
            simple.standard_errors[:, 1],
            simple.codes,
        )
        if plain[0] == 0:
            kept, coefficients = simple.kept[0], simple.coefficients[0]
    lost = sites.is_confounded
    coefficient[lost], codes[lost] = np.nan, codes[lost] | np.uint32(FitCode.NOT_ESTIMABLE)
    error = np.where(lost, np.nan, error)
    single = comparison.n_trials == 1
    left_out, informative = _left_out(sites, design, codes, kept, coefficients, y)
    main = from_coefficient(
        estimator="logistic",
        scale="odds_ratio",
        coefficient=coefficient,
        standard_error=error,
        level=analysis.ci_level,
        codes=codes & _OF_VISITS,
        method=f"logistic mixed model, {_random_words(sites, analysis, sd)}, adaptive Gauss-Hermite quadrature with "
        f"{analysis.nodes} nodes, Wald limits" + adjusted_words(sites.comparison, kept[2:] if single else None),
        left_out=left_out,
        remarks=_remarks(sites, fits.codes, sd),
        details={
            "sd_random": sd,
            "n_random_levels": sites.n_groups,
            "log_likelihood": fits.log_likelihood,
            "gradient_norm": fits.gradient_norm,
        },
        **data.shared(),  # type: ignore[arg-type]
    )
    if (
        not single
        or plain.size
        or comparison.is_interaction
        or not np.isfinite(main.estimate[0])
        or not informative.all()
    ):
        return [main]
    if not kept.all():
        design = np.ascontiguousarray(design[:, kept])
        fits = fit_logistic_mixed(y, design, sites.group_offsets, sites.trial_offsets, nodes=analysis.nodes)
    return [main, _averaged(fits, design, main, analysis)]


def _averaged(fits: LogisticMixedFits, design: Floats, main: Outcome, analysis: Analysis) -> Outcome:
    """The odds ratio of the arms' probabilities, averaged over sites and over everybody analysed."""
    from equipoise.stats.marginal import estimate_marginal_effect

    reference, experimental = design.copy(), design.copy()
    reference[:, 1], experimental[:, 1] = 0.0, 1.0
    effect = estimate_marginal_effect(fits, reference, experimental, np.array([0, design.shape[0]]))
    over = f"{analysis.random} and participants"
    averaged = averaged_over(main, effect, level=analysis.ci_level, over=over, codes=fits.codes & _OF_VISITS)
    return replace(averaged, remarks=main.remarks)
