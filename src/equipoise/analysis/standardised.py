"""Risks standardised over the covariates: what they would be had everybody been in one arm, then in the other."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from equipoise.analysis.binary import BinaryData
from equipoise.analysis.left_out import name_left_out
from equipoise.analysis.model_words import adjusted_words
from equipoise.analysis.outcome import Outcome, nothing
from equipoise.protocol.language.analysis import Analysis
from equipoise.stats.codes import FitCode

if TYPE_CHECKING:
    from equipoise.stats.logistic import LogisticFits

_ARM = 1  # the arm's column of a design


def fit_standardised_risks(data: BinaryData, analysis: Analysis) -> list[Outcome]:
    """Difference or ratio of standardised risks, with the standard error of the population or of these participants.

    Not estimable where the logistic model is not, where an arm has no event or only events, and where a covariate
    foretells the result of somebody: their risk in the other arm is then not a number that the data give.
    """
    from equipoise.stats.logistic import fit_logistic
    from equipoise.stats.standardised_risk import standardise_risks, with_column

    design = data.comparison.design(data.rows)
    fits = fit_logistic(data.y, design, data.offsets)
    variance = "conditional" if analysis.method == "conditional" else "population"
    risks = standardise_risks(
        _without_aliased(fits),
        data.y,
        data.experimental,
        with_column(design, _ARM, 0.0),
        with_column(design, _ARM, 1.0),
        data.offsets,
        variance=variance,  # type: ignore[arg-type]
        level=analysis.ci_level,
    )
    is_difference = analysis.estimator == "standardised-risk-difference"
    contrast = risks.difference if is_difference else risks.ratio
    value = contrast.estimate if is_difference else np.log(contrast.estimate)
    single = data.comparison.n_trials == 1
    over = adjusted_words(data.comparison, fits.kept[0, 2:] if single else None, how="over").removeprefix(",")
    whose = "the population's" if variance == "population" else "with these covariates"
    return [
        Outcome(
            estimator=analysis.estimator,
            scale=contrast.scale,
            estimate=contrast.estimate,
            standard_error=contrast.standard_error,
            ci_lower=contrast.ci_lower,
            ci_upper=contrast.ci_upper,
            statistic=value / contrast.standard_error,
            df=nothing(value.shape[0]),
            p_value=contrast.p_value,
            codes=risks.codes,
            method=f"{'difference' if is_difference else 'ratio'} of risks by logistic regression, standardised"
            + over
            + f", Wald limits ({whose} variance)",
            left_out=_left_out(data, fits, design) if single else (),
            details={"risk_experimental": risks.risk_experimental, "risk_reference": risks.risk_control},
            **data.shared(),  # type: ignore[arg-type]
        )
    ]


def _without_aliased(fits: LogisticFits) -> LogisticFits:
    """Fits whose columns that earlier ones determine count as zero, which changes no prediction; without a finite
    coefficient of some other column there is no answer.
    """
    runs_off = fits.infinite.any(axis=1)
    codes = fits.codes | np.where(runs_off, np.uint32(FitCode.NOT_ESTIMABLE), np.uint32(0))
    both = fits.aliased[:, :, None] | fits.aliased[:, None, :]
    return replace(
        fits,
        coefficients=np.where(fits.aliased, 0.0, fits.coefficients),
        covariance=np.where(both, 0.0, fits.covariance),
        codes=codes.astype(np.uint32),
    )


def _left_out(data: BinaryData, fits: LogisticFits, design: np.ndarray) -> tuple[str, ...]:
    """Names of what the one trial's model went without."""
    if not fits.codes[0] & np.uint32(FitCode.NUISANCE_LEFT_OUT):
        return ()
    return name_left_out(
        data.comparison.factors,
        design[:, 2:],
        kept=fits.kept[0, 2:],
        informative=fits.informative,
        silent=np.isnan(fits.coefficients[0, 2:]),
    )
