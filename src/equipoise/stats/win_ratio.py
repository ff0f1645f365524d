"""Pairs decided by a hierarchy of outcomes: win ratio, win odds, net benefit. Methods: ``docs/methods/win_ratio.md``.

>>> import numpy as np
>>> from equipoise.stats.win_ratio import PairLevel, compare_pairs
>>> score = PairLevel(np.array([1.0, 2.0, 3.0, 2.0]))
>>> found = compare_pairs([score], [False, False, True, True], [0, 4])
>>> found.won.tolist(), found.lost.tolist()  # 3 beats 1 and 2; 2 beats 1 and ties with 2
([[3]], [[0]])
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from equipoise.stats.codes import FitCode, mark
from equipoise.stats.packing import FloatArray, IntArray, run_over_trials, sum_by_trial, trial_of_row
from equipoise.stats.wald import BoolArray, CodeArray


@dataclass(frozen=True)
class PairLevel:
    """One level: numbers of which more is better (n,), NaN where missing; with ``event`` times.

    ``margin`` is by how much two must differ to decide. Of times later is better, unless ``sooner_is_better``; two are
    held against each other over the follow-up that both have.
    """

    value: FloatArray
    event: BoolArray | None = None
    margin: float = 0.0
    sooner_is_better: bool = False


@dataclass(frozen=True)
class PairComparison:
    """Shares of pairs won and lost by the experimental arm, strata combined, with what their errors rest on."""

    won: IntArray  # (n_trials, n_levels) pairs that each level decided for the experimental arm
    lost: IntArray
    n_pairs: IntArray  # (n_trials,) within strata
    share_won: FloatArray  # (n_trials,) weighted over strata, eq. (WR-3)
    share_lost: FloatArray
    variance_won: FloatArray
    variance_lost: FloatArray
    covariance: FloatArray
    codes: CodeArray


@dataclass(frozen=True)
class WinStatistic:
    """One statistic of the pairs on its own scale; NaN where not estimable."""

    estimate: FloatArray
    standard_error: FloatArray  # of the logarithm of a ratio; of the difference itself
    ci_lower: FloatArray
    ci_upper: FloatArray
    z: FloatArray
    p_value: FloatArray
    codes: CodeArray


def compare_pairs(
    levels: Sequence[PairLevel],
    experimental: ArrayLike,
    trial_offsets: ArrayLike,
    *,
    stratum: ArrayLike | None = None,
    threads: int | None = None,
) -> PairComparison:
    """Every pair of an experimental and a reference participant of a trial and stratum, decided by the first level in
    which they differ, eqs. (WR-1) to (WR-4).

    ``experimental`` (n,) truths; ``trial_offsets`` (n_trials + 1,); ``stratum`` (n,) whole numbers from 0. A stratum
    with one arm alone has no pairs.
    """
    from equipoise.stats.kernels import pairs

    offsets = np.asarray(trial_offsets, dtype=np.int64)
    arm = np.asarray(experimental, dtype=np.bool_)
    n, n_trials = arm.shape[0], offsets.shape[0] - 1
    rows = trial_of_row(offsets)
    layer = np.zeros(n, dtype=np.int64) if stratum is None else np.asarray(stratum, dtype=np.int64)
    n_strata = int(layer.max(initial=0)) + 1
    group = rows * n_strata + layer
    order = np.argsort(group, kind="stable")
    bounds = np.searchsorted(group[order], np.arange(n_trials * n_strata + 1)).astype(np.int64)
    values = np.ascontiguousarray(np.column_stack([level.value for level in levels])[order], dtype=np.float64)
    events = np.ascontiguousarray(
        np.column_stack([np.zeros(n, np.bool_) if v.event is None else v.event for v in levels])[order]
    )
    kinds = np.array(
        [pairs.NUMBER if v.event is None else pairs.SOONER if v.sooner_is_better else pairs.LATER for v in levels]
    )
    margins = np.array([float(level.margin) for level in levels])
    sorted_arm = np.ascontiguousarray(arm[order])
    won, lost = (np.zeros((n_trials * n_strata, len(levels)), dtype=np.int64) for _ in range(2))
    wins, losses = np.zeros(n), np.zeros(n)

    def part(first: int, stop: int) -> None:
        data = (values, events, kinds, margins, sorted_arm, bounds)
        pairs.compare_pairs_range(data, first, stop, (won, lost, wins, losses))

    run_over_trials(part, n_trials * n_strata, threads=threads)
    n1 = sum_by_trial(sorted_arm.astype(np.float64), bounds)
    n0 = np.diff(bounds) - n1
    by_trial = (n_trials, n_strata)
    # eq. (WR-3): strata weigh by the pairs over the participants, as Mantel and Haenszel's do.
    with np.errstate(divide="ignore", invalid="ignore"):
        weight = np.where((n1 > 0) & (n0 > 0), n1 * n0 / (n1 + n0), 0.0).reshape(by_trial)
        weight = (weight / weight.sum(axis=1, keepdims=True)).ravel()
        share = [np.where(n1 * n0 > 0, found.sum(axis=1) / (n1 * n0), 0.0) for found in (won, lost)]
    # eq. (WR-4): what each participant adds, as the projection of a U statistic.
    mine = group[order]
    size, others = np.where(sorted_arm, n1[mine], n0[mine]), np.where(sorted_arm, n0[mine], n1[mine])
    for_me = [np.where(sorted_arm, wins, losses), np.where(sorted_arm, losses, wins)]
    with np.errstate(divide="ignore", invalid="ignore"):
        moves = [
            np.where(others > 0, weight[mine] * (count / others - whole[mine]) / size, 0.0)
            for count, whole in zip(for_me, share, strict=True)
        ]
    by_row = np.concatenate([[0], np.cumsum(np.diff(offsets))]).astype(np.int64)
    total = [np.where(weight > 0, weight * whole, 0.0).reshape(by_trial).sum(axis=1) for whole in share]
    codes = np.zeros(n_trials, dtype=np.uint32)
    n_pairs = (n1 * n0).reshape(by_trial).sum(axis=1).astype(np.int64)
    none = n_pairs == 0
    mark(codes, none, FitCode.ONE_ARM_ONLY | FitCode.NOT_ESTIMABLE)
    products = (moves[0] * moves[0], moves[1] * moves[1], moves[0] * moves[1])
    variances = [np.where(none, np.nan, sum_by_trial(product, by_row)) for product in products]
    return PairComparison(
        won=won.reshape(*by_trial, -1).sum(axis=1),
        lost=lost.reshape(*by_trial, -1).sum(axis=1),
        n_pairs=n_pairs,
        share_won=np.where(none, np.nan, total[0]),
        share_lost=np.where(none, np.nan, total[1]),
        variance_won=variances[0],
        variance_lost=variances[1],
        covariance=variances[2],
        codes=codes,
    )


def win_ratio(pairs: PairComparison, *, level: float = 0.95) -> WinStatistic:
    """Pairs won over pairs lost, limits on the logarithm, eq. (WR-5); infinite or 0, without limits, where one is 0."""
    w, loss = pairs.share_won, pairs.share_lost
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = pairs.variance_won / w**2 + pairs.variance_lost / loss**2 - 2 * pairs.covariance / (w * loss)
        estimate = np.where((w == 0) & (loss == 0), np.nan, w / loss)
        return _on_logarithm(estimate, np.log(estimate), np.sqrt(np.maximum(variance, 0.0)), level, pairs.codes)


def win_odds(pairs: PairComparison, *, level: float = 0.95) -> WinStatistic:
    """Pairs won and half of the ties over the rest, limits on the logarithm, eq. (WR-6)."""
    net, error = _net(pairs)
    with np.errstate(divide="ignore", invalid="ignore"):
        estimate = (1.0 + net) / (1.0 - net)
        return _on_logarithm(estimate, np.log(estimate), 2.0 * error / (1.0 - net**2), level, pairs.codes)


def net_benefit(pairs: PairComparison, *, level: float = 0.95) -> WinStatistic:
    """Share of pairs won less share lost, limits by Fisher's z (atanh), eq. (WR-7): those of the win odds."""
    net, error = _net(pairs)
    odds = win_odds(pairs, level=level)
    with np.errstate(invalid="ignore"):
        low, high = ((limit - 1.0) / (limit + 1.0) for limit in (odds.ci_lower, odds.ci_upper))
    error = np.where(np.isnan(odds.p_value), np.nan, error)
    return WinStatistic(net, error, low, high, odds.z, odds.p_value, odds.codes)


def _net(pairs: PairComparison) -> tuple[FloatArray, FloatArray]:
    variance = pairs.variance_won + pairs.variance_lost - 2.0 * pairs.covariance
    return pairs.share_won - pairs.share_lost, np.sqrt(np.maximum(variance, 0.0))


def _on_logarithm(
    estimate: FloatArray, log: FloatArray, error: FloatArray, level: float, before: CodeArray
) -> WinStatistic:
    """Limits and test on the logarithm; what is infinite, 0 or does not vary has neither, and a code."""
    codes = before.copy()
    known = np.isfinite(log) & np.isfinite(error) & (error > 0)
    mark(codes, np.isnan(estimate), FitCode.NOT_ESTIMABLE)
    mark(codes, ~np.isnan(estimate) & ~known, FitCode.ERROR_UNKNOWN)
    z: NDArray[np.float64] = np.where(known, log / np.where(known, error, 1.0), np.nan)
    half = special.ndtri(0.5 + level / 2) * error

    def there(values: FloatArray) -> FloatArray:
        return np.where(known, values, np.nan)

    return WinStatistic(
        estimate=estimate,
        standard_error=there(error),
        ci_lower=there(np.exp(log - half)),
        ci_upper=there(np.exp(log + half)),
        z=z,
        p_value=2.0 * special.ndtr(-np.abs(z)),
        codes=codes,
    )
