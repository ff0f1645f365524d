"""A whole trial under a scheme: its streams' courses put together over strata of random size.

Participants fall into the strata independently and equally likely, so a stratum's size is binomial. Streams are
independent given their sizes.

Source for the variance of the overall difference, against which tests hold this: Hallstrom, Davis 1988, "Imbalance in
treatment assignments in stratified blocked randomization", Controlled Clinical Trials 9:375-382.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from equipoise.randomization.exact import StreamChances, work_through
from equipoise.randomization.minimization import Minimization
from equipoise.randomization.scheme import Scheme
from equipoise.randomization.vectorised import minimize_many


@dataclass(frozen=True, slots=True)
class Expectation:
    """What a scheme does to ``n`` participants in ``n_strata`` strata.

    Shares are of all ``n`` slots: ``guess_rate`` of right guesses by the best guesser of each stream, ``lagging_rate``
    by the guesser of the lagging arm, ``chance_rate`` by one who sees nothing, ``certain_share`` of slots that the best
    guesser is sure of. ``excess_guesses`` counts right guesses beyond chance. ``mean_difference`` and
    ``sd_difference`` are of the overall difference in numbers (two arms; with an unequal ratio, of the first arm's
    number less its share), ``mean_stratum_difference`` the mean absolute one within a stratum. ``unfinished_blocks`` is
    how many blocks are open when the trial ends. What does not apply is absent. Where ``is_simulated``, from
    ``n_replicates`` trials, ``guess_error`` is the standard error of the guess rate; otherwise the bound of what
    rounding may cost.
    """

    n: int
    n_strata: int
    guess_rate: float
    lagging_rate: float
    chance_rate: float
    certain_share: float
    excess_guesses: float
    mean_difference: float | None
    sd_difference: float | None
    mean_stratum_difference: float | None
    unfinished_blocks: float | None
    guess_error: float
    is_simulated: bool = False
    n_replicates: int = 0


def expect(scheme: Scheme, n: int, n_strata: int) -> Expectation:
    """What is to be expected of a scheme without minimization, exactly.

    A scheme with a fixed total has one stream a stratum like any other; past its end nothing is counted. Raises
    :class:`~equipoise.randomization.exact.TooManyStates`.
    """
    sizes = stratum_sizes(n, n_strata)
    # A stratum holds the largest sizes with no chance worth counting: they need not be worked through.
    most = int(np.flatnonzero(sizes > 1e-13).max())
    course = work_through(scheme, most)
    chance = max(scheme.ratio) / sum(scheme.ratio)
    upto = course.n
    # Chance that a stratum has at least k participants, k = 1 ... : slot k is then filled.
    filled = sizes[::-1].cumsum()[::-1][1 : upto + 1]

    def whole(per_slot: list[float]) -> float:
        return float(n_strata * (filled * np.asarray(per_slot[: len(filled)], dtype=float)).sum())

    slots = whole([1.0] * upto)
    best, lagging = whole(course.best), whole(course.lagging)
    mean, sd, within = _differences(scheme, course, sizes, n, n_strata) if scheme.n_arms == 2 else (None, None, None)
    unfinished = None
    if scheme.name == "permuted-blocks":
        unfinished = float(n_strata * (sizes[: upto + 1] * np.asarray(course.unfinished, dtype=float)).sum())
    return Expectation(
        n=n,
        n_strata=n_strata,
        guess_rate=best / slots,
        lagging_rate=lagging / slots,
        chance_rate=chance,
        certain_share=whole(course.certain) / slots,
        excess_guesses=best - chance * slots,
        mean_difference=mean,
        sd_difference=sd,
        mean_stratum_difference=within,
        unfinished_blocks=unfinished,
        guess_error=n_strata * course.bound / slots,
    )


def stratum_sizes(n: int, n_strata: int) -> NDArray[np.float64]:
    """Chance of each size 0 ... n of one stratum."""
    # Logarithms of factorials from scipy.special: scipy.stats takes a second to load.
    from scipy.special import gammaln

    if n_strata == 1:
        return np.asarray(np.eye(1, n + 1, n)[0], dtype=np.float64)
    k, p = np.arange(n + 1), 1 / n_strata
    ways = gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)
    return np.asarray(np.exp(ways + k * np.log(p) + (n - k) * np.log1p(-p)))


def _differences(
    scheme: Scheme, course: StreamChances, sizes: NDArray[np.float64], n: int, n_strata: int
) -> tuple[float, float, float]:
    """Mean absolute and standard deviation of the overall difference, and the mean absolute one within a stratum."""
    unit = _unit(scheme)
    upto = course.n
    at = [course.difference[min(k, upto)] for k in range(len(sizes))]
    within = sum(p * sum(abs(d) * c for d, c in at[k].items()) for k, p in enumerate(sizes) if p > 1e-13)
    if n_strata == 1:
        return float(within) * unit, sqrt(sum(d * d * c for d, c in at[n].items())) * unit, float(within) * unit
    overall = overall_difference(at, n, n_strata, step=max(scheme.ratio))
    values = np.arange(len(overall)) - len(overall) // 2
    mean_square = float((values**2 * overall).sum())
    return float((np.abs(values) * overall).sum()) * unit, sqrt(mean_square) * unit, float(within) * unit


def _unit(scheme: Scheme) -> float:
    """What one step of D is in participants: 1:1 counts the difference in numbers, others the first arm's surplus."""
    first, last = scheme.ratio[0], scheme.ratio[-1]
    return 1.0 if first == last else 1.0 / (first + last)


def overall_difference(at: list[dict[int, float]], n: int, n_strata: int, step: int = 1) -> NDArray[np.float64]:
    """Chances of the overall difference -m ... m, ``at[k]`` being those within a stratum of ``k`` participants.

    ``step`` is the most that one participant can change it.

    The sizes of the strata are multinomial: with Poisson sizes conditioned on their sum, the characteristic function of
    the sum is the coefficient of x^n in the power of one power series.
    """
    from scipy.special import gammaln

    def poisson(k: NDArray[np.int64], mean: float) -> NDArray[np.float64]:
        return np.asarray(np.exp(k * np.log(mean) - mean - gammaln(k + 1)))

    reach = max((abs(d) for table in at for d in table), default=0)
    m = min(reach * n_strata, n * step)
    n_points = 2 * m + 1
    mean = n / n_strata
    inside = np.zeros((n + 1, n_points))
    weights = poisson(np.arange(n + 1), mean)
    for k, table in enumerate(at):
        for d, chance in table.items():
            inside[k, d % n_points] += weights[k] * chance
    series = np.fft.fft(inside, axis=1)
    total = _power(series, n_strata, n)[n] / poisson(np.array([n]), n)
    chances = np.fft.ifft(total).real
    return np.asarray(np.clip(np.roll(chances, m), 0.0, None))


def _power(series: NDArray[np.complex128], exponent: int, n: int) -> NDArray[np.complex128]:
    """Power of a truncated series in x, column by column."""
    size = 1 << (2 * n + 1).bit_length()

    def product(a: NDArray[np.complex128], b: NDArray[np.complex128]) -> NDArray[np.complex128]:
        return np.asarray(np.fft.ifft(np.fft.fft(a, size, axis=0) * np.fft.fft(b, size, axis=0), axis=0)[: n + 1])

    out: NDArray[np.complex128] | None = None
    while exponent:
        if exponent & 1:
            out = series if out is None else product(out, series)
        exponent >>= 1
        if exponent:
            series = product(series, series)
    assert out is not None
    return out


def simulate_minimization(
    scheme: Minimization, n: int, n_levels: list[int], *, seed: int = 1, n_replicates: int = 4000
) -> Expectation:
    """What is to be expected of minimization, from simulated trials: its chain has too many states.

    Levels of each factor are equally likely and independent. The guesser knows factors, weights and all past
    allocations, and names the arm with the least imbalance (one of them at random, where several tie).
    """
    from equipoise.foundation.seeds import uniforms

    people = np.arange(n)[None, :]
    replicates = np.arange(n_replicates)[:, None]
    levels = np.stack(
        [np.floor(uniforms(seed, replicates, people, 0, 1, f) * m).astype(np.int64) for f, m in enumerate(n_levels)]
        or [np.zeros((n_replicates, n), dtype=np.int64)],
        axis=2,
    )
    arms, ties = minimize_many(scheme, uniforms(seed, replicates, people, 0, 2), levels)
    right = _guesses(scheme, ties)
    rate = right.mean(axis=1)
    mean = sd = None
    if scheme.n_arms == 2:
        difference = (arms == 0).sum(axis=1) - (arms == 1).sum(axis=1)
        mean, sd = float(np.abs(difference).mean()), float(np.sqrt((difference.astype(float) ** 2).mean()))
    guess = float(rate.mean())
    return Expectation(
        n=n,
        n_strata=1,
        guess_rate=guess,
        lagging_rate=guess,
        chance_rate=1 / scheme.n_arms,
        certain_share=float((right == 1.0).mean()),
        excess_guesses=(guess - 1 / scheme.n_arms) * n,
        mean_difference=mean,
        sd_difference=sd,
        mean_stratum_difference=None,
        unfinished_blocks=None,
        guess_error=float(rate.std(ddof=1) / sqrt(n_replicates)),
        is_simulated=True,
        n_replicates=n_replicates,
    )


def _guesses(scheme: Minimization, ties: NDArray[np.int8]) -> NDArray[np.float64]:
    """Chance of a right guess at each slot given its past: the weight of one of the arms that tie among all weights."""
    table = [scheme.tied_weights(tied) for tied in range(1, scheme.n_arms + 1)]
    given_tie = np.array(
        [best / (best * tied + other * (scheme.n_arms - tied)) for tied, (best, other) in enumerate(table, 1)]
    )
    return np.asarray(given_tie[ties - 1])
