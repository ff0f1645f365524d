"""Fisher's exact test with the conditional odds ratio and its exact interval. Methods: ``docs/methods/exact.md``.

>>> from equipoise.stats.exact import fisher_exact
>>> test = fisher_exact(events_control=1, n_control=4, events_experimental=3, n_experimental=4)
>>> round(float(test.p_value[0]), 6)  # (16 + 1 + 16 + 1) / 70
0.485714
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from equipoise.stats.codes import FitCode, has, mark
from equipoise.stats.packing import FloatArray, IntArray
from equipoise.stats.roots import find_zeros
from equipoise.stats.wald import CodeArray

# Tables as likely as the observed one up to rounding count as equally extreme (the margin of R's fisher.test).
_EQUAL_PROBABILITY = 1e-7
# Answers of some 20 MB are kept; what goes beyond is forgotten and worked out again.
_MOST_KNOWN = 100_000
# Replicates of a trial share a few hundred tables: (answers, level) to table to answer.
_known: dict[tuple[str, float], dict[tuple[int, int, int, int], FloatArray]] = {}
# Log odds ratios beyond this have tail probabilities far below any level for tables of up to a million.
_FURTHEST = 80.0


@dataclass(frozen=True)
class FisherTests:
    """Exact inference for 2x2 tables; NaN where ``codes`` says not estimable.

    On the boundary of the support the conditional maximum is 0 (returned as 0.0, lower limit 0.0) or infinite
    (and its upper limit with it); ZERO_CELL says so and the p value and the other limit stand.
    """

    p_value: FloatArray  # (n_trials,) two-sided, by probability
    odds_ratio: FloatArray  # (n_trials,) conditional maximum likelihood, experimental over control
    ci_lower: FloatArray
    ci_upper: FloatArray
    level: float
    codes: CodeArray


@dataclass(frozen=True)
class TwoByTwo:
    """Counts of events in two arms, checked: whole, not negative, not above the arm's size."""

    events_control: IntArray
    n_control: IntArray
    events_experimental: IntArray
    n_experimental: IntArray
    codes: CodeArray

    @classmethod
    def of(
        cls, events_control: ArrayLike, n_control: ArrayLike, events_experimental: ArrayLike, n_experimental: ArrayLike
    ) -> TwoByTwo:
        """Broadcast and check; invalid counts are coded NON_FINITE_INPUT and replaced by empty arms."""
        raw = np.broadcast_arrays(
            *(
                np.atleast_1d(np.asarray(v, dtype=np.float64))
                for v in (events_control, n_control, events_experimental, n_experimental)
            )
        )
        x0, n0, x1, n1 = raw
        if x0.ndim != 1:
            raise ValueError(f"counts must be numbers or one-dimensional, got shape {x0.shape}")
        with np.errstate(invalid="ignore"):
            fine = (x0 >= 0) & (x1 >= 0) & (x0 <= n0) & (x1 <= n1) & np.isfinite(n0) & np.isfinite(n1)
            for values in raw:
                fine &= values == np.floor(values)
        codes = np.zeros(x0.shape[0], dtype=np.uint32)
        mark(codes, ~fine, FitCode.NON_FINITE_INPUT | FitCode.NOT_ESTIMABLE)
        whole = [np.where(fine, values, 0.0).astype(np.int64) for values in raw]
        mark(codes, fine & ((whole[1] == 0) | (whole[3] == 0)), FitCode.EMPTY_ARM | FitCode.NOT_ESTIMABLE)
        cells = np.stack([whole[0], whole[1] - whole[0], whole[2], whole[3] - whole[2]])
        mark(codes, fine & (cells == 0).any(axis=0), FitCode.ZERO_CELL)
        total = whole[0] + whole[2]
        some = fine & ~has(codes, FitCode.EMPTY_ARM)
        mark(codes, some & (total == 0), FitCode.NO_EVENTS | FitCode.CONSTANT_OUTCOME)
        mark(codes, some & (total == whole[1] + whole[3]), FitCode.ALL_EVENTS | FitCode.CONSTANT_OUTCOME)
        return cls(whole[0], whole[1], whole[2], whole[3], codes)

    def unique(self) -> tuple[TwoByTwo, IntArray]:
        """The distinct tables and where each trial's is: ten thousand replicates share a few hundred."""
        keys = np.stack([self.events_control, self.n_control, self.events_experimental, self.n_experimental], axis=1)
        _, first, where = np.unique(keys, axis=0, return_index=True, return_inverse=True)
        kept = keys[first]
        picked = TwoByTwo(kept[:, 0], kept[:, 1], kept[:, 2], kept[:, 3], self.codes[first])
        return picked, where.ravel()

    def take(self, chosen: IntArray) -> TwoByTwo:
        """Some of the tables."""
        return TwoByTwo(
            self.events_control[chosen],
            self.n_control[chosen],
            self.events_experimental[chosen],
            self.n_experimental[chosen],
            self.codes[chosen],
        )


def solve_tables(name: str, level: float, tables: TwoByTwo, solver: Callable[[TwoByTwo], FloatArray]) -> FloatArray:
    """``solver(tables)``, an array (n_answers, n_tables), asked only for tables not met before in this process.

    ``name`` and ``level`` say which answers these are. A solver's answer for a table must not depend on the tables
    beside it, to the last bit: what a run gives would otherwise depend on what ran before it.
    """
    known = _known.setdefault((name, level), {})
    if len(known) > _MOST_KNOWN:
        known = _known[(name, level)] = {}
    columns = (tables.events_control, tables.n_control, tables.events_experimental, tables.n_experimental)
    places = list(zip(*(column.tolist() for column in columns), strict=True))
    new: IntArray = np.array([i for i, place in enumerate(places) if place not in known], dtype=np.int64)
    if new.size:
        answers = solver(tables.take(new))
        for i, answer in zip(new.tolist(), answers.T, strict=True):
            known[places[i]] = answer.copy()
    return np.stack([known[place] for place in places], axis=1)


def fisher_exact(
    events_control: ArrayLike,
    n_control: ArrayLike,
    events_experimental: ArrayLike,
    n_experimental: ArrayLike,
    *,
    level: float = 0.95,
) -> FisherTests:
    """Exact conditional inference on the odds ratio, experimental over control, given both margins.

    Counts: numbers or (n_trials,). Two-sided p: total probability of tables no likelier than the observed, (EX-2);
    limits: tail probabilities of (1 - level) / 2, (EX-4). Assumes independent participants; nothing about size.

    Source: Fisher (1935); Cornfield (1956) for the limits; as R's fisher.test, whose root-finding is coarser (1e-4).
    """
    if not 0.0 < level < 1.0:
        raise ValueError(f"level must lie between 0 and 1, got {level}")
    given = TwoByTwo.of(events_control, n_control, events_experimental, n_experimental)
    tables, where = given.unique()
    out = solve_tables("fisher", level, tables, lambda new: _solve_in_chunks(new, level))
    codes = given.codes.copy()
    out = out[:, where]
    out[:, has(codes, FitCode.NOT_ESTIMABLE)] = np.nan
    constant = has(codes, FitCode.CONSTANT_OUTCOME)
    out[1:, constant] = np.nan
    mark(codes, constant, FitCode.NOT_ESTIMABLE)
    return FisherTests(out[0], out[1], out[2], out[3], level, codes)


def _solve_in_chunks(tables: TwoByTwo, level: float) -> FloatArray:
    """p value, conditional estimate and limits (4, n_tables)."""
    n = tables.codes.shape[0]
    out = np.full((4, n), np.nan)
    widths = np.minimum(tables.n_experimental, tables.events_control + tables.events_experimental) + 1
    # Wide supports are few; chunks keep the padded array small.
    by_width = np.argsort(widths, kind="stable")
    begin = 0
    while begin < n:
        end = begin + 1
        while end < n and (end + 1 - begin) * int(widths[by_width[end]]) <= 200_000:
            end += 1
        chosen = by_width[begin:end]
        out[:, chosen] = _solve_tables(tables, chosen, level)
        begin = end
    return out


def _solve_tables(tables: TwoByTwo, chosen: IntArray, level: float) -> FloatArray:
    """p value, conditional estimate and limits (4, n_chosen) of the chosen tables."""
    x = tables.events_experimental[chosen][:, None]
    n1, n0 = tables.n_experimental[chosen][:, None], tables.n_control[chosen][:, None]
    m = x + tables.events_control[chosen][:, None]
    low, high = np.maximum(0, m - n0), np.minimum(n1, m)
    # A width at which sums round alike whatever other tables are in the batch.
    k = low + np.arange(_padded(int((high - low).max()) + 1))
    inside = k <= high
    # eq. (EX-1): log of C(n1, k) C(n0, m - k), minus infinity outside the support.
    with np.errstate(invalid="ignore"):
        weight = np.where(inside, _log_choose(n1, k) + _log_choose(n0, m - k), -np.inf)
    weight = weight - weight.max(axis=1, keepdims=True)
    probability = np.exp(weight)
    probability /= probability.sum(axis=1, keepdims=True)
    observed = np.take_along_axis(probability, x - low, axis=1)
    p_value = np.minimum(
        np.where(probability <= observed * (1.0 + _EQUAL_PROBABILITY), probability, 0.0).sum(axis=1), 1.0
    )
    below, above, at_low, at_high = k <= x, k >= x, (x == low)[:, 0], (x == high)[:, 0]
    support = k.astype(np.float64)

    def tilted(theta: FloatArray) -> FloatArray:
        tilt = weight + support * theta[:, None]
        p = np.exp(tilt - tilt.max(axis=1, keepdims=True))
        return np.asarray(p / p.sum(axis=1, keepdims=True))

    def mean_excess(theta: FloatArray) -> FloatArray:
        return np.asarray((tilted(theta) * (support - x)).sum(axis=1))

    tail = np.log(0.5 * (1.0 - level))

    def lower_tail(theta: FloatArray) -> FloatArray:
        with np.errstate(divide="ignore"):
            return np.asarray(tail - np.log(np.where(below, tilted(theta), 0.0).sum(axis=1)))

    def upper_tail(theta: FloatArray) -> FloatArray:
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(np.where(above, tilted(theta), 0.0).sum(axis=1)) - tail)

    return np.stack(
        [
            p_value,
            _ratio(mean_excess, at_low, at_high),
            _ratio(upper_tail, at_low, np.zeros_like(at_low)),
            _ratio(lower_tail, np.zeros_like(at_low), at_high),
        ]
    )


def exact_tails(given: TwoByTwo, odds_ratio: float) -> tuple[FloatArray, FloatArray]:
    """(n_trials,) exact one-sided p values of an odds ratio above ``odds_ratio`` (so many experimental events or more),
    and below it, eq. (EX-5).

    Each is below (1 - level) / 2 exactly where that limit of :func:`fisher_exact` leaves the stated ratio out. NaN
    where nobody, or everybody, has the event.
    """
    if not 0.0 < odds_ratio < np.inf:
        raise ValueError(f"an odds ratio lies above 0, got {odds_ratio}")
    tables, where = given.unique()
    out = np.full((2, tables.codes.shape[0]), np.nan)
    for i in np.flatnonzero(~has(tables.codes, FitCode.NOT_ESTIMABLE | FitCode.CONSTANT_OUTCOME)):
        x, n1, n0 = int(tables.events_experimental[i]), int(tables.n_experimental[i]), int(tables.n_control[i])
        m = x + int(tables.events_control[i])
        k = np.arange(max(0, m - n0), min(n1, m) + 1)
        weight = _log_choose(np.array([n1]), k) + _log_choose(np.array([n0]), m - k) + k * np.log(odds_ratio)
        share = np.exp(weight - weight.max())
        share /= share.sum()
        out[:, i] = min(share[k >= x].sum(), 1.0), min(share[k <= x].sum(), 1.0)
    return out[0, where], out[1, where]


def _padded(width: int) -> int:
    """A width that numpy sums in the same tree whatever zeros follow: multiples of 8 to 128, then powers of two."""
    return -(-width // 8) * 8 if width <= 128 else 1 << (width - 1).bit_length()


def _ratio(equation: Callable[[FloatArray], FloatArray], is_zero: FloatArray, is_infinite: FloatArray) -> FloatArray:
    """exp of the root of a rising equation in the log odds ratio; 0 or infinite where it is known to have none."""
    n = is_zero.shape[0]
    root = find_zeros(
        lambda theta: np.clip(equation(theta), -1e300, 1e300), np.full(n, -_FURTHEST), np.full(n, _FURTHEST)
    )
    return np.where(is_zero, 0.0, np.where(is_infinite, np.inf, np.exp(root)))


def _log_choose(n: IntArray, k: IntArray) -> FloatArray:
    """Logarithm of the binomial coefficient; NaN or infinity outside 0 <= k <= n."""
    return np.asarray(special.gammaln(n + 1.0) - special.gammaln(k + 1.0) - special.gammaln(n - k + 1.0))
