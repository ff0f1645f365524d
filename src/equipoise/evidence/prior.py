"""A prior for one arm from its results in earlier studies. Methods: ``docs/methods/borrowing.md``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from equipoise.evidence.printed import number_text
from equipoise.foundation.errors import AnalysisError, Problem
from equipoise.protocol.language.borrowing import Borrow, EarlierStudy
from equipoise.stats.borrowing.approximate import FAR, approximate
from equipoise.stats.borrowing.effective_size import EffectiveSize, effective_size
from equipoise.stats.borrowing.mixtures import Family, Mixture, weak_of
from equipoise.stats.borrowing.predictive import HalfNormal, HalfT, Predictive, Studies, describe, predict

CODES = {"A020": "Earlier studies and a heterogeneity so wide that together they say nothing of the next study."}

# Family -> the default scale of the standard deviation between studies, in units of one participant's deviation.
_DEFAULT_SCALE: Mapping[Family, float] = {"beta": 1.0, "gamma": 1.0, "normal": 0.5}


# Priors that were made, by what they are made of: a plan asks for the same one in every batch of replicates.
_MADE: dict[tuple[str, Family, float], ArmPrior] = {}
_MOST_KEPT = 64


@dataclass(frozen=True)
class ArmPrior:
    """What is believed of an arm before the trial.

    ``informative`` is the mixture that stands for the meta-analytic-predictive distribution, ``robust`` the same with
    the weak component beside it, ``unit`` the standard deviation of one participant (of means; else 1).
    """

    family: Family
    studies: tuple[tuple[str, str], ...]  # name, and result in words
    informative: Mixture
    weak: Mixture
    robust: Mixture
    robust_weight: float
    unit: float
    spread: HalfNormal | HalfT
    predictive: Predictive
    distance: float  # of the mixture from the density that it stands for

    def with_weight(self, weight: float) -> Mixture:
        """The prior with another weight of the weak component."""
        return self.informative.with_weak(self.weak, weight)

    @property
    def worth(self) -> EffectiveSize:
        """Effective size of the robust prior."""
        return effective_size(self.robust, self.unit)

    @property
    def spread_words(self) -> str:
        """``half-normal(1)``."""
        if isinstance(self.spread, HalfT):
            return f"half-t({number_text(self.spread.scale)}, {self.spread.df:g} df)"
        return f"half-normal({number_text(self.spread.scale)})"

    def as_dict(self) -> dict[str, Any]:
        """Plain values for results."""
        return {
            "studies": [list(study) for study in self.studies],
            "heterogeneity": self.spread_words,
            "predictive": describe(self.predictive),
            "mixture": self.informative.as_dict(),
            "mixture_distance": self.distance,
            "weak": self.weak.as_dict(),
            "robust_weight": self.robust_weight,
            "effective_size": _sizes(effective_size(self.informative, self.unit)),
            "effective_size_robust": _sizes(self.worth),
            "unit": self.unit,
        }


def _sizes(found: EffectiveSize) -> dict[str, float | None]:
    def known(value: float) -> float | None:
        return float(value) if np.isfinite(value) else None

    return {
        "local_information": known(found.local_information),
        "by_variance": known(found.by_variance),
        "at_mode": known(found.at_mode),
    }


def prior_of(borrow: Borrow, family: Family, per_days: float = 1.0) -> ArmPrior:
    """The prior that a line of the plan states; rates are told per ``per_days`` days.

    Raises :class:`~equipoise.foundation.errors.AnalysisError` A020 where the studies say next to nothing.
    """
    key = (borrow.as_json, family, per_days)
    if key not in _MADE:
        if len(_MADE) >= _MOST_KEPT:
            _MADE.clear()
        _MADE[key] = make_prior(borrow, family, per_days)
    return _MADE[key]


def make_prior(borrow: Borrow, family: Family, per_days: float = 1.0) -> ArmPrior:
    """:func:`prior_of`, made anew."""
    entries = list(borrow.studies.values())
    unit = _unit(entries) if family == "normal" else 1.0
    scale = borrow.heterogeneity if borrow.heterogeneity is not None else _DEFAULT_SCALE[family] * unit
    df = borrow.heterogeneity_df
    spread: HalfNormal | HalfT = HalfNormal(scale) if df is None else HalfT(scale, df)
    predictive = predict(_studies(entries, family, per_days), spread)
    found = approximate(predictive)
    if found.distance > FAR:
        raise AnalysisError(
            Problem(
                "A020",
                "borrow.studies",
                "The prior from these studies is too spread out to be borrowed.",
                "more studies, or a smaller heterogeneity",
                "State a smaller heterogeneity, leave out heterogeneity-df, or analyse without borrowing.",
            )
        )
    centre = predictive.quantile(0.5) if family == "gamma" else predictive.mean
    weak = weak_of(family, centre, unit)
    return ArmPrior(
        family=family,
        studies=tuple((study.label or id, study_words(study)) for id, study in borrow.studies.items()),
        informative=found.mixture,
        weak=weak,
        robust=found.mixture.with_weak(weak, borrow.robust_weight),
        robust_weight=borrow.robust_weight,
        unit=unit,
        spread=spread,
        predictive=predictive,
        distance=found.distance,
    )


def _unit(entries: Sequence[EarlierStudy]) -> float:
    """Standard deviation of one participant, pooled over the studies."""
    df = np.array([float(study.n or 2) - 1.0 for study in entries])
    sd = np.array([float(study.sd or 0.0) for study in entries])
    return float(np.sqrt((df * sd**2).sum() / df.sum()))


def _studies(entries: Sequence[EarlierStudy], family: Family, per_days: float) -> Studies:
    if family == "beta":
        counts = [study.events for study in entries]
        return Studies.of_events([count.count for count in counts if count], [count.total for count in counts if count])
    if family == "gamma":
        return Studies.of_counts(
            [float(study.count or 0) for study in entries], [(study.days or 0.0) / per_days for study in entries]
        )
    errors = [float(study.sd or 0.0) / float(study.n or 1) ** 0.5 for study in entries]
    return Studies.of_means([float(study.mean or 0.0) for study in entries], errors)


def study_words(study: EarlierStudy) -> str:
    """``12 of 50``, ``mean 14.2, SD 5.1, n=40``, ``34 events in 4200 days``."""
    if study.events is not None:
        return f"{study.events} ({100 * study.events.count / study.events.total:.0f}%)"
    if study.count is not None:
        return f"{study.count} events in {study.days:g} days"
    return f"mean {study.mean:g}, SD {study.sd:g}, n={study.n}"
