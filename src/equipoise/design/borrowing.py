"""What a plan that borrows would do, worked out from every possible result: type I error, power, bias, coverage.

Methods: ``docs/methods/borrowing.md``, eq. (BO-11). The arms' true values run from far below to far above what the
earlier studies say.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from equipoise.evidence.prior import ArmPrior, prior_of
from equipoise.foundation.errors import DesignError, Problem, listed
from equipoise.protocol import Protocol
from equipoise.protocol.language.analysis import Analysis
from equipoise.protocol.vocabulary.estimators import ESTIMATORS
from equipoise.protocol.vocabulary.scales import SCALES, is_better_above, scale_of_summary
from equipoise.stats.borrowing.characteristics import (
    ArmsWithPriors,
    BorrowingCharacteristics,
    SuccessRule,
    of_means,
    of_one_proportion,
    of_proportions,
)
from equipoise.stats.borrowing.mixtures import Mixture

CODES = {
    "D160": "No line of the plan that borrows, or not the one that was named.",
    "D161": "The number of participants of an arm is not known.",
    "D162": "A line whose possible results cannot be listed: counts over days, a mean of one arm.",
    "D163": "An effect that is none of the line's scale.",
}
# Chances, by the earlier studies, of a control arm below these values.
QUANTILES = (0.005, 0.025, 0.1, 0.25, 0.5, 0.75, 0.9, 0.975, 0.995)
_MOST = 4000  # participants an arm whose every table is worked out


@dataclass(frozen=True)
class BorrowingRow:
    """One true value of the borrowed arm: what happens without an effect and with one, borrowing or not."""

    control: float
    quantile: float  # where it lies among what the earlier studies predict
    error: float
    error_without: float
    power: float | None
    power_without: float | None
    bias: float
    coverage: float


@dataclass(frozen=True)
class BorrowingTable:
    """The characteristics of one line of the plan; ``effect`` is that under which power is told."""

    line: str
    scale: str
    sizes: dict[str, int]
    rule: SuccessRule
    effect: float | None
    prior: ArmPrior
    rows: tuple[BorrowingRow, ...]


def borrowing_lines(protocol: Protocol) -> list[str]:
    """Lines of the plan that borrow."""
    return [id for id, line in protocol.model.analyses.items() if ESTIMATORS[line.estimator].borrows]


def borrowing_table(protocol: Protocol, line: str | None = None, effect: float | None = None) -> BorrowingTable:
    """The characteristics of a line that borrows, the first unless one is named.

    ``effect`` is a difference on the line's scale; of one arm alone its true proportion. Raises
    :class:`~equipoise.foundation.errors.DesignError` D160 to D163.
    """
    lines = borrowing_lines(protocol)
    if not lines or (line is not None and line not in lines):
        found = f"{line} does not borrow." if line is not None and lines else "No line of the plan borrows."
        expected = listed(lines) if lines else "a line with a borrowing estimator"
        raise DesignError(Problem("D160", "analyses", found, expected, "Name one of these, or add borrow to a line."))
    id = line or lines[0]
    analysis = protocol.model.analyses[id]
    estimand = protocol.model.estimands[analysis.estimand]
    scale = scale_of_summary(estimand.summary)
    assert scale is not None
    assert analysis.borrow is not None
    if scale.id not in ("risk_difference", "mean_difference", "proportion"):
        raise DesignError(
            Problem(
                "D162", f"analyses.{id}", f"The possible results of {estimand.summary} cannot be listed.", "", _STEP
            )
        )
    sizes = {name: _size(protocol, name) for name in estimand.treatments.names}
    prior = prior_of(analysis.borrow, "normal" if scale.id == "mean_difference" else "beta")
    limit = SCALES[scale.id].no_effect if analysis.borrow.more_than is None else analysis.borrow.more_than.value
    above = is_better_above(scale.id, protocol.model.endpoints[estimand.endpoint])
    rule = SuccessRule(limit, float(analysis.borrow.probability), below=not above)
    _require_effect(id, scale.id, effect)
    made = (
        _One(prior, tuple(sizes.values()), rule, float(analysis.ci_level))
        if len(sizes) == 1
        else _of_two(analysis, prior, tuple(sizes.values()), rule)
    )
    return BorrowingTable(id, scale.id, sizes, rule, effect, prior, tuple(made.rows(effect)))


_STEP = "Use power, which simulates and analyses the whole plan."


def _size(protocol: Protocol, arm: str) -> int:
    n = protocol.model.arms[arm].n.usable
    if n is None or not 1 <= n <= _MOST:
        found = f"arms.{arm}.n is {'not stated' if n is None else n}."
        raise DesignError(Problem("D161", f"arms.{arm}.n", found, f"1 to {_MOST} participants", "State n of the arm."))
    return int(n)


def _require_effect(line: str, scale: str, effect: float | None) -> None:
    if effect is None:
        return
    fine = np.isfinite(effect) and (scale == "mean_difference" or -1.0 < effect < 1.0)
    if not fine or (scale == "proportion" and effect <= 0.0):
        expected = "a share between 0 and 1" if scale == "proportion" else "a difference between -1 and 1"
        raise DesignError(Problem("D163", f"analyses.{line}", f"An effect of {effect:g} on {scale}.", expected, ""))


def _of_two(analysis: Analysis, prior: ArmPrior, sizes: tuple[int, ...], rule: SuccessRule) -> _Two:
    if prior.family == "normal" and min(sizes) < 2:
        raise DesignError(Problem("D161", "arms", "An arm has one participant.", "two or more for a mean", ""))
    return _Two(prior, sizes, rule, float(analysis.ci_level))


@dataclass(frozen=True)
class _Two:
    """Two arms: experimental first."""

    prior: ArmPrior
    sizes: tuple[int, ...]
    rule: SuccessRule
    level: float

    def _run(self, reference: Mixture, arm: Any, control: Any) -> BorrowingCharacteristics:
        trial = ArmsWithPriors(self.prior.weak, reference, *self.sizes)
        if self.prior.family == "normal":
            return of_means(trial, self.prior.unit, self.rule, arm, control, self.level)
        return of_proportions(trial, self.rule, arm, control, self.level)

    def rows(self, effect: float | None) -> list[BorrowingRow]:
        """One a quantile of what the earlier studies predict, as far as both arms have a value there."""
        values = np.array([float(self.prior.informative.quantile(q)) for q in QUANTILES])
        places = np.array(QUANTILES)

        def inside(shift: float) -> Any:
            if self.prior.family == "normal":
                return np.ones(values.shape, dtype=np.bool_)
            return (values + shift > 0.0) & (values + shift < 1.0)

        kept = inside(self.rule.more_than)
        values, places = values[kept], places[kept]
        robust, weak = self.prior.robust, self.prior.weak
        null = self._run(robust, values + self.rule.more_than, values)
        without = self._run(weak, values + self.rule.more_than, values)
        powers = np.full((2, values.shape[0]), np.nan)
        if effect is not None:
            some = inside(effect)
            for k, reference in enumerate((robust, weak)):
                if some.any():
                    powers[k, some] = self._run(reference, values[some] + effect, values[some]).success
        return _rows(values, places, null, without, powers)


@dataclass(frozen=True)
class _One(_Two):
    """One arm held against a goal: its true value is the goal itself, whatever the earlier studies say."""

    def rows(self, effect: float | None) -> list[BorrowingRow]:
        n, goal = self.sizes[0], self.rule.more_than
        truth = np.array([goal])
        null, without = (
            of_one_proportion(prior, n, self.rule, truth, self.level) for prior in (self.prior.robust, self.prior.weak)
        )
        powers = np.full((2, 1), np.nan)
        if effect is not None:
            for k, prior in enumerate((self.prior.robust, self.prior.weak)):
                powers[k] = of_one_proportion(prior, n, self.rule, [effect], self.level).success
        return _rows(truth, self.prior.informative.below(truth), null, without, powers)


def _rows(
    values: Any, places: Any, null: BorrowingCharacteristics, without: BorrowingCharacteristics, powers: Any
) -> list[BorrowingRow]:
    def known(value: float) -> float | None:
        return float(value) if np.isfinite(value) else None

    return [
        BorrowingRow(
            float(value),
            float(place),
            float(null.success[k]),
            float(without.success[k]),
            known(powers[0, k]),
            known(powers[1, k]),
            float(null.bias[k]),
            float(null.coverage[k]),
        )
        for k, (value, place) in enumerate(zip(values, places, strict=True))
    ]
