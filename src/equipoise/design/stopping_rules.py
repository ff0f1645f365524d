"""What rules for stopping a small two-arm trial early do to its type I error. Methods: ``docs/methods/looks.md``.

The flagship's registry entry says that it stopped at 55 of 60 planned participants because an analysis showed that the
final ones were unnecessary, and gives no rule. The rules here are hypothetical: they are what such a sentence could
have meant. Participants enter one to the control arm, one to the experimental arm, in turn; outcomes are known before
the next decision; the true risk is the same in both arms.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy import special

from equipoise.foundation.errors import DesignError, Problem
from equipoise.stats.design.exact_power import binomial, exact_looks, fisher_p_values, pooled_z

BoolArray = NDArray[np.bool_]
FloatArray = NDArray[np.float64]

CODES = {
    "D120": "An interim analysis lies outside the trial, or the analyses are out of order.",
    "D121": "Unknown test or rule.",
}
# Test of a table -> what it is in words; both two-sided.
TESTS = {"fisher": "Fisher's exact test, two-sided", "pooled-z": "pooled z test (chi-square), two-sided"}


@dataclass(frozen=True)
class Rule:
    """Looks, and at each which tables end the trial with a claim and which end it without."""

    name: str
    words: str
    looks: tuple[int, ...]  # participants with outcome at each look, rising
    claims: tuple[BoolArray, ...]  # by look: stop and report an effect
    ends: tuple[BoolArray, ...]  # by look: stop without one (the last look ends anyway)


@dataclass(frozen=True)
class RuleOutcome:
    """What a rule does when the risk is the same in both arms."""

    rule: str
    words: str
    test: str
    risk: float
    type_one_error: float  # exact, by adding up every course of the trial
    expected_n: float
    stopped_early: float  # P(ended before the planned size)
    simulated: float | None = None
    simulated_error: float | None = None  # Monte Carlo standard error


def arms_at(n: int) -> tuple[int, int]:
    """Control and experimental participants among the first ``n`` to enter, in turn, control first."""
    return n - n // 2, n // 2


@cache
def p_values(test: str, n: int) -> FloatArray:
    """Two-sided p of every table after ``n`` participants."""
    if test == "fisher":
        return fisher_p_values(*arms_at(n))
    return np.asarray(2.0 * special.ndtr(-np.abs(pooled_z(*arms_at(n)))))


@cache
def chance_of_claim(test: str, n: int, n_planned: int, alpha: float) -> FloatArray:
    """P(p < alpha at ``n_planned`` | table at ``n``) if each arm goes on at its own rate so far (Jeffreys), (LK-3)."""
    (n0, n1), (m0, m1) = arms_at(n), arms_at(n_planned)
    final = (p_values(test, n_planned) < alpha).astype(np.float64)
    out = np.zeros((n0 + 1, n1 + 1))
    later = [
        binomial(now - before, np.asarray((np.arange(before + 1) + 0.5) / (before + 1.0), dtype=np.float64))
        for before, now in ((n0, m0), (n1, m1))
    ]
    for x0 in range(n0 + 1):
        for x1 in range(n1 + 1):
            block = final[x0 : x0 + m0 - n0 + 1, x1 : x1 + m1 - n1 + 1]
            out[x0, x1] = later[0][x0] @ block @ later[1][x1]
    return out


def is_decided(test: str, n: int, n_planned: int, alpha: float) -> tuple[BoolArray, BoolArray]:
    """Tables at ``n`` whose verdict at ``n_planned`` no further outcome can change: claimed, not claimed."""
    (n0, n1), (m0, m1) = arms_at(n), arms_at(n_planned)
    final = p_values(test, n_planned) < alpha
    claimed = np.ones((n0 + 1, n1 + 1), dtype=bool)
    rejected = np.ones_like(claimed)
    for a in range(m0 - n0 + 1):
        for b in range(m1 - n1 + 1):
            verdict = final[a : a + n0 + 1, b : b + n1 + 1]
            claimed &= verdict
            rejected &= ~verdict
    return claimed, rejected


def rules_for(
    n_planned: int = 60, n_stopped: int = 55, *, test: str = "fisher", alpha: float = 0.05
) -> tuple[Rule, ...]:
    """Hypothetical rules under which a trial of ``n_planned`` could have stopped at ``n_stopped``.

    Raises D120 unless 2 <= n_stopped < n_planned with both arms filled, D121 for a test that does not exist.
    """
    if test not in TESTS:
        raise DesignError(Problem("D121", "test", f"There is no test {test!r}.", " or ".join(TESTS)))
    if not 4 <= n_stopped < n_planned:
        raise DesignError(
            Problem("D120", "looks", f"A look at {n_stopped} of {n_planned}.", "a look at 4 or more, before the end")
        )

    def significant(n: int) -> BoolArray:
        return np.asarray(p_values(test, n) < alpha)

    def no(n: int) -> BoolArray:
        return np.zeros(tuple(k + 1 for k in arms_at(n)), dtype=bool)

    def peek(name: str, words: str, looks: Sequence[int]) -> Rule:
        return Rule(name, words, tuple(looks), tuple(map(significant, looks)), tuple(map(no, looks)))

    sure, hopeless = is_decided(test, n_stopped, n_planned, alpha)
    chance = chance_of_claim(test, n_stopped, n_planned, alpha)
    both = (n_stopped, n_planned)
    quarter = [n for n in (n_planned // 4, n_planned // 2, 3 * n_planned // 4) if n < n_stopped]
    every = range(max(4, n_stopped - 5), n_planned + 1)
    half = range(max(4, n_planned // 2), n_planned + 1)
    return (
        peek("as-planned", f"one test, at {n_planned}", [n_planned]),
        peek(
            "unrelated",
            f"one test, at {n_stopped}; stopped for a reason that has nothing to do with results",
            [n_stopped],
        ),
        Rule(
            "decided",
            f"stop at {n_stopped} only if no outcome of the rest could change the verdict at {n_planned}",
            both,
            (sure, significant(n_planned)),
            (hopeless, no(n_planned)),
        ),
        Rule(
            "nearly-decided",
            f"stop at {n_stopped} and claim if significant there and significance at {n_planned} is 90% likely; "
            f"stop without claim if it is less than 10% likely",
            both,
            (significant(n_stopped) & (chance >= 0.9), significant(n_planned)),
            ((chance < 0.1) & ~significant(n_stopped), no(n_planned)),
        ),
        peek("significant-once", f"stop at {n_stopped} if significant there, else test at {n_planned}", both),
        peek(
            "quarters",
            f"the same, with earlier looks at {', '.join(map(str, quarter))}",
            [*quarter, n_stopped, n_planned],
        ),
        peek("last-few", f"look after every participant from {every[0]} on, stop when significant", list(every)),
        peek("second-half", f"look after every participant from {half[0]} on, stop when significant", list(half)),
    )


def measure_rule(rule: Rule, risk: float, *, test: str) -> RuleOutcome:
    """Type I error of ``rule`` at a common ``risk``, exactly, (LK-2)."""
    control, experimental = zip(*(arms_at(n) for n in rule.looks))
    found = exact_looks(control, experimental, rule.claims, risk, risk, rule.ends)
    early = float((found.reject + found.futility)[:-1].sum()) if len(rule.looks) > 1 else 0.0
    return RuleOutcome(rule.name, rule.words, test, risk, found.power, found.expected_n, early)


def worst_risk(rule: Rule, *, test: str, step: float = 0.01) -> RuleOutcome:
    """The outcome at the common risk, on a grid, where the type I error is largest."""
    risks = np.arange(step, 0.5 + 0.5 * step, step)  # the tests are symmetric in risk and 1 - risk
    return max((measure_rule(rule, float(risk), test=test) for risk in risks), key=lambda row: row.type_one_error)


def simulate_rules(
    rules: Sequence[Rule], risk: float, *, seed: int, n_replicates: int = 20_000
) -> dict[str, tuple[float, float]]:
    """Share of trials simulated under the null that claim an effect, and its Monte Carlo error, by rule.

    Outcomes are drawn in the order of enrolment; every rule sees the same trials.
    """
    rng = np.random.default_rng([seed, round(risk * 1e9)])
    n_last = max(rule.looks[-1] for rule in rules)
    outcome = rng.random((n_replicates, n_last)) < risk
    experimental = np.arange(n_last) % 2 == 1
    x0, x1 = np.cumsum(outcome & ~experimental, axis=1), np.cumsum(outcome & experimental, axis=1)
    out = {}
    for rule in rules:
        running, claimed = np.ones(n_replicates, dtype=bool), np.zeros(n_replicates, dtype=bool)
        for n, claims, ends in zip(rule.looks, rule.claims, rule.ends):
            a, b = x0[:, n - 1], x1[:, n - 1]
            claimed |= running & claims[a, b]
            running &= ~(claims[a, b] | ends[a, b])
        share = float(claimed.mean())
        out[rule.name] = (share, float(np.sqrt(share * (1.0 - share) / n_replicates)))
    return out


def stopping_table(
    risks: Sequence[float],
    *,
    n_planned: int = 60,
    n_stopped: int = 55,
    tests: Sequence[str] = tuple(TESTS),
    alpha: float = 0.05,
    seed: int | None = None,
    n_replicates: int = 20_000,
    progress: Callable[[str], None] | None = None,
) -> tuple[RuleOutcome, ...]:
    """Every rule, test and common risk: exact type I error, and simulated beside it where a ``seed`` is given."""
    out: list[RuleOutcome] = []
    for test in tests:
        rules = rules_for(n_planned, n_stopped, test=test, alpha=alpha)
        for risk in risks:
            if progress is not None:
                progress(f"{test}, risk {risk:g}")
            simulated = {} if seed is None else simulate_rules(rules, risk, seed=seed, n_replicates=n_replicates)
            for rule in rules:
                row = measure_rule(rule, risk, test=test)
                share, error = simulated.get(rule.name, (None, None))
                out.append(RuleOutcome(**{**row.__dict__, "simulated": share, "simulated_error": error}))
    return tuple(out)
