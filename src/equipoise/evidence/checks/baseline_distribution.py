"""How alike the arms are over a whole baseline table: p values that are too near 1, or too near 0, to be chance."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from scipy import special

from equipoise.evidence.checks.effects import Table, tables_of
from equipoise.evidence.checks.scores import t_test_range
from equipoise.evidence.findings import Finding
from equipoise.evidence.printed import Range, number_text
from equipoise.evidence.results import PublishedResult

# Fewer variables than this say nothing of a distribution.
LEAST = 5
# Either tail of the combined p: a true table of independent variables is named twice in ten thousand.
TAIL = 0.0001


def check_baseline_distribution(results: Sequence[PublishedResult]) -> list[Finding]:
    """Baseline variables of a comparison that are together more alike, or more unlike, than randomization makes them.

    Randomization makes the p value of a baseline difference uniform. Each variable's p is taken over everything that
    its printed numbers may have been, and the end that speaks least against the table is used; p values are combined by
    Stouffer's method. What this supposes (independent variables, unrestricted randomization, about normal means) never
    holds altogether: a finding is unexplained, not wrong, and the bound that holds under any dependence stands beside
    it.

    Sources: Carlisle (2017) Anaesthesia 72:944; Vovk and Wang (2020) Biometrika 107:791 for the bound (twice the mean).
    """
    tables: dict[tuple[str, str, str], list[PublishedResult]] = defaultdict(list)
    for result in results:
        if result.kind == "baseline" and result.unit == "participants":
            tables[result.study, result.text("experimental"), result.text("reference")].append(result)
    found = []
    for rows in tables.values():
        values = [(row, p) for row in _one_of_a_partition(rows) if (p := p_range(row)) is not None]
        if len(values) >= LEAST:
            found += _findings(values)
    return found


def _one_of_a_partition(rows: Sequence[PublishedResult]) -> list[PublishedResult]:
    """Categories of one variable are one variable: the one nearest to half stands for it."""
    kept: dict[str, PublishedResult] = {}
    for row in rows:
        name = row.text("partition") or f"row {row.id}"
        if name not in kept or _from_half(row) < _from_half(kept[name]):
            kept[name] = row
    return list(kept.values())


def _from_half(row: PublishedResult) -> float:
    tables = tables_of(row)
    if not tables:
        return math.inf
    a, n1, c, n0 = tables[0]
    return abs((a + c) / (n1 + n0) - 0.5)


def p_range(row: PublishedResult) -> Range | None:
    """Smallest and largest p of a baseline difference over all that the printed numbers may have been."""
    arms = [row.arm(which) for which in (1, 0)]
    if all(a.mean is not None and a.sd is not None and (a.size or 0) >= 2 for a in arms):
        return t_test_range(arms, as_errors=False)
    tables = tables_of(row)
    values = [p for p in map(middle_p, tables) if p is not None]
    return (min(values), max(values)) if values else None


def middle_p(table: Table) -> float | None:
    """Two-sided p of Fisher's test, what is as likely as the table counted half (mean one half); None: no variation."""
    from scipy import stats  # takes a second to load

    a, n1, c, n0 = table
    t = a + c
    if t == 0 or t == n1 + n0:
        return None
    counts = np.arange(max(0, t - n0), min(n1, t) + 1)
    chances = stats.hypergeom.pmf(counts, n1 + n0, n1, t)
    own = chances[a - int(counts[0])]
    less = chances < own * (1 - 1e-7)
    equal = ~less & (chances <= own * (1 + 1e-7))
    return float(chances[less].sum() + 0.5 * chances[equal].sum())


def _findings(values: Sequence[tuple[PublishedResult, Range]]) -> list[Finding]:
    lows = np.clip([p[0] for _, p in values], 1e-12, 1 - 1e-6)
    highs = np.clip([p[1] for _, p in values], 1e-12, 1 - 1e-6)
    k = len(values)
    unlike = float(special.ndtr(special.ndtri(highs).sum() / math.sqrt(k)))
    alike = float(special.ndtr(-special.ndtri(lows).sum() / math.sqrt(k)))
    out = []
    for is_alike, chance, bound in (
        (True, alike, min(1.0, 2 * float(1 - lows.mean()))),
        (False, unlike, min(1.0, 2 * float(highs.mean()))),
    ):
        if chance >= TAIL:
            continue
        rows = [row for row, _ in values]
        names = rows[0].text("experimental"), rows[0].text("reference")
        way = "more alike" if is_alike else "more unlike"
        who = f"{names[0] or 'the first arm'} and {names[1] or 'the second arm'}"
        what = f"The {k} baseline variables of {who} are together {way} than randomization makes them."
        bound_text = number_text(bound, 2) if bound < 1 else "no bound below 1"
        how = (
            f"chance of {_chance(chance)} if the variables are independent, {bound_text} if they depend on one another"
        )
        out.append(
            Finding(
                "baseline-distribution",
                "unexplained",
                rows[0].study,
                tuple(row.id for row in rows),
                what,
                how,
                "each variable at the end of its rounding that speaks least against it",
                _explanations(rows, is_alike),
                line=rows[0].line,
            )
        )
    return out


def _chance(value: float) -> str:
    return "less than 0.000001" if value < 1e-6 else number_text(value, 2)


def _explanations(rows: Sequence[PublishedResult], is_alike: bool) -> str:
    """What else makes such a table, besides an error: the reader's first questions."""
    if is_alike:
        return "minimization or strata over these variables; standard deviations that are ranges or of another group"
    errors = [p for row in rows if (p := _as_errors(row)) is not None]
    if len(errors) >= LEAST:
        z = special.ndtri(np.clip([p[1] for p in errors], 1e-12, 1 - 1e-6)).sum() / math.sqrt(len(errors))
        if special.ndtr(z) >= TAIL:
            return "the standard deviations are standard errors"
    return "variables that go together; arms that were not randomized; groups formed after randomization"


def _as_errors(row: PublishedResult) -> Range | None:
    arms = [row.arm(which) for which in (1, 0)]
    if any(a.mean is None or a.sd is None or (a.size or 0) < 2 for a in arms):
        return None
    return t_test_range(arms, as_errors=True)
