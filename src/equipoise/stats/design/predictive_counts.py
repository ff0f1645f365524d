"""Predictive power of yes-or-no outcomes, exactly: every way in which the outcomes to come may fall.

Methods: ``docs/methods/interim.md``, equation (IM-14).

>>> from equipoise.stats.design.predictive_counts import OneArm
>>> half_way = OneArm(events=9, n=18, n_final=40, goal=0.3, alpha_one_sided=0.05)
>>> half_way.events_needed, round(half_way.predictive_power(), 3)
(18, 0.767)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from equipoise.stats.design.assurance import beta_binomial
from equipoise.stats.design.exact_power import binomial, fisher_p_values, pooled_z

FloatArray = NDArray[np.float64]
TESTS = ("fisher", "pooled-z")


@dataclass(frozen=True)
class OneArm:
    """One arm part of the way: ``events`` of ``n``, to be held against ``goal`` at ``n_final`` by the exact test."""

    events: int
    n: int
    n_final: int
    goal: float
    alpha_one_sided: float

    def __post_init__(self) -> None:
        _check_counts(self.events, self.n, self.n_final)
        if not 0.0 < self.goal < 1.0 or not 0.0 < self.alpha_one_sided < 1.0:
            raise ValueError(f"goal and level lie between 0 and 1, got {self.goal} and {self.alpha_one_sided}")

    @property
    def events_needed(self) -> int:
        """Fewest events in all with which the exact test rejects; n_final + 1 if none do."""
        counts = np.arange(self.n_final + 1)
        # P(X >= x) = P(not fewer than x) by the incomplete beta function; at x = 0 it is 1.
        tail = np.where(counts > 0, special.betainc(np.maximum(counts, 1), self.n_final - counts + 1.0, self.goal), 1.0)
        below = np.flatnonzero(tail <= self.alpha_one_sided)
        return int(below[0]) if below.size else self.n_final + 1

    def _claims(self) -> NDArray[np.bool_]:
        return self.events + np.arange(self.n_final - self.n + 1) >= self.events_needed

    def conditional_power(self, risk: float) -> float:
        """P(the exact test rejects in the end) if each further outcome is an event with probability ``risk``."""
        return float(binomial(self.n_final - self.n, np.array([risk]))[0] @ self._claims())

    def predictive_power(self, a: float = 1.0, b: float = 1.0) -> float:
        """The same averaged over a beta distribution: beta(a, b) before the trial, updated by the results so far.

        Source: Herson (1979) Biometrics 35:775; Lee and Liu (2008) Clin Trials 5:93.
        """
        to_come = beta_binomial(self.n_final - self.n, a + self.events, b + self.n - self.events)
        return float(to_come @ self._claims())


@dataclass(frozen=True)
class TwoArms:
    """Two arms part of the way; pairs are (control, experimental)."""

    events: tuple[int, int]
    n: tuple[int, int]
    n_final: tuple[int, int]

    def __post_init__(self) -> None:
        for events, n, final in zip(self.events, self.n, self.n_final, strict=True):
            _check_counts(events, n, final)

    def predictive_power(
        self, *, alpha_one_sided: float, test: str = "fisher", a: float = 1.0, b: float = 1.0, more: bool = True
    ) -> float:
        """P(the one-sided test claims more events in the experimental arm in the end), each risk beta(a, b) beforehand.

        ``more`` False: fewer events. ``test``: ``fisher`` or ``pooled-z``.
        """
        if test not in TESTS:
            raise ValueError(f"no test {test!r}; known: {', '.join(TESTS)}")
        if not 0.0 < alpha_one_sided < 0.5:
            raise ValueError(f"alpha_one_sided must lie between 0 and 0.5, got {alpha_one_sided}")
        n0, n1 = self.n_final
        if test == "fisher":
            p = fisher_p_values(n0, n1, sides=1) if more else fisher_p_values(n1, n0, sides=1).T
            claims = p <= alpha_one_sided * (1.0 + 1e-10)
        else:
            z = pooled_z(n0, n1)
            claims = (z if more else -z) >= -special.ndtri(alpha_one_sided)
        (x0, x1), (m0, m1) = self.events, self.n
        block = claims[x0 : x0 + n0 - m0 + 1, x1 : x1 + n1 - m1 + 1].astype(np.float64)
        control = beta_binomial(n0 - m0, a + x0, b + m0 - x0)
        experimental = beta_binomial(n1 - m1, a + x1, b + m1 - x1)
        return float(control @ block @ experimental)


def _check_counts(events: int, n: int, n_final: int) -> None:
    if not 0 <= events <= n <= n_final or n_final < 1:
        raise ValueError(f"{events} events of {n}, {n_final} in the end: each must not exceed the next")
