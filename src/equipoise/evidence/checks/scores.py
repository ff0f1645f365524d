"""Means and standard deviations of whole scores (GRIM, GRIMMER, DEBIT), bounds, and tests against them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product

from scipy import special

from equipoise.evidence.findings import Finding
from equipoise.evidence.printed import Printed, distance, number_text, overlap, range_text
from equipoise.evidence.results import PublishedArm, PublishedResult

# More sums than this that print as the mean leave nothing to be checked.
MANY = 2000


def sums_that_fit(mean: Printed, n: int, step: float) -> range:
    """Whole sums (in steps) of ``n`` scores that print as ``mean``: GRIM. An empty range: no such scores exist.

    Source: Brown and Heathers (2017) Soc Psychol Personal Sci 8:363.
    """
    low, high = mean.range()
    return range(math.ceil(low * n / step - 1e-7), math.floor(high * n / step + 1e-7) + 1)


def squares_that_fit(
    total: int, sd: Printed, n: int, step: float, bounds: tuple[int, int] | None, divisor: int
) -> bool:
    """Whether ``n`` whole scores of sum ``total`` can have a standard deviation that prints as ``sd``: GRIMMER.

    The sum of squares is whole, has the parity of the sum, is no less than that of scores as alike as can be, and
    within ``bounds`` (in steps) no more than that of scores as far apart as can be. Scores of 0 and 1 make it DEBIT.

    Sources: Anaya (2016) PeerJ Preprints 4:e2400; Allard (2018) for the analytic form; Heathers and Brown (2019) DEBIT.
    """
    low, high = (max(v, 0.0) / step for v in sd.range())
    least, most = divisor * low**2 + total**2 / n, divisor * high**2 + total**2 / n
    quotient, rest = divmod(total, n)
    least = max(least, (n - rest) * quotient**2 + rest * (quotient + 1) ** 2)
    if bounds is not None:
        a, b = bounds
        if not n * a <= total <= n * b:
            return False
        if b > a:
            at_top, left = divmod(total - n * a, b - a)
            largest = at_top * b**2 + (n - at_top) * a**2
            if left:
                largest += (a + left) ** 2 - a**2
            most = min(most, largest)
    slack = 1e-9 * max(1.0, most)
    first = math.ceil(least - slack)
    if (first - total) % 2:
        first += 1
    return first <= most + slack


def check_scores(results: Sequence[PublishedResult]) -> list[Finding]:
    """Means and standard deviations that no scores give; differences and tests that do not belong to them."""
    found = []
    for result in results:
        for which in (1, 0):
            found += _check_arm(result, result.arm(which), which)
        found += _check_difference(result)
        found += _check_test(result)
    return found


def _check_arm(result: PublishedResult, arm: PublishedArm, which: int) -> list[Finding]:
    mean, sd, n, step = arm.mean, arm.sd, arm.size, result.value("step")
    who = arm.name or ("the arm" if which else "the reference")
    out: list[Finding] = []

    def finding(check: str, severity: str, what: str, by: str = "", rounding: str = "", reconciles: str = "") -> None:
        out.append(
            Finding(check, severity, result.study, (result.id,), what, by, rounding, reconciles, line=result.line)
        )

    low, high = result.value("minimum"), result.value("maximum")
    if mean is not None and (
        (low is not None and mean.range()[1] < low) or (high is not None and mean.range()[0] > high)
    ):
        finding("score-bounds", "impossible", f"A mean of {mean.text} lies outside {_bounds_text(low, high)} ({who}).")
        return out
    if mean is None or n is None or n < 1 or mean.sign != "=":
        return out
    if sd is not None and low is not None and high is not None and n > 1:
        spread = math.sqrt(max(0.0, (high - mean.range()[0]) * (mean.range()[1] - low)) * n / (n - 1))
        if sd.range()[0] > spread:
            finding(
                "score-bounds",
                "impossible",
                f"A standard deviation of {sd.text} about {mean.text} does not fit {_bounds_text(low, high)} ({who}).",
                f"at most {number_text(spread)}",
            )
            return out
    if not step or step <= 0:
        return out
    sums = sums_that_fit(mean, n, step)
    if not sums:
        near = round(mean.value * n / step)
        around = sorted({near - 1, near, near + 1}, key=lambda s: abs(s * step / n - mean.value))[:2]
        texts = " and ".join(number_text(s * step / n, mean.decimals + 3) for s in sorted(around))
        others = [m for m in range(max(2, n - 5), n + 6) if m != n and sums_that_fit(mean, m, step)]
        gap = distance(mean.range(), (around[0] * step / n,) * 2)
        finding(
            "grim",
            "impossible",
            f"No {n} scores in steps of {number_text(step)} have a mean of {mean.text} ({who}); nearest are {texts}.",
            f"{number_text(gap, 2)} beyond rounding",
            f"rounded to {mean.decimals} decimals",
            f"n={', '.join(str(m) for m in others)}" if others else "",
        )
        return out
    if sd is None or n < 2 or len(sums) > MANY or sd.sign != "=":
        return out
    bounds = None if low is None or high is None else (round(low / step), round(high / step))
    if any(squares_that_fit(total, sd, n, step, bounds, n - 1) for total in sums):
        return out
    population = any(squares_that_fit(total, sd, n, step, bounds, n) for total in sums)
    name = "debit" if bounds == (0, 1) else "grimmer"
    finding(
        name,
        "unexplained" if population else "impossible",
        f"No {n} scores in steps of {number_text(step)} with a mean of {mean.text} have a standard deviation of {sd.text} ({who}).",  # noqa: E501
        "",
        f"rounded to {sd.decimals} decimals",
        f"it is the one with the divisor {n}" if population else "",
    )
    return out


def _bounds_text(low: float | None, high: float | None) -> str:
    if low is None or high is None:
        return f"at least {low:g}" if low is not None else f"at most {high:g}"
    return f"{low:g} to {high:g}"


def _check_difference(result: PublishedResult) -> list[Finding]:
    estimate, first, second = result.number("estimate"), result.arm(1).mean, result.arm(0).mean
    if result.measure != "mean_difference" or estimate is None or first is None or second is None:
        return []
    (l1, h1), (l0, h0) = first.range(), second.range()
    crude = l1 - h0, h1 - l0
    if overlap(crude, estimate.range()):
        return []
    turned = overlap((-crude[1], -crude[0]), estimate.range())
    adjusted = result.text("adjusted")
    severity = "contradiction" if turned or adjusted == "no" else "unexplained"
    hint = "it is the difference of the reversed comparison" if turned else "adjustment for covariates"
    what = f"A difference of {estimate.text} is not that of {first.text} and {second.text}: {range_text(crude)}."
    gap = f"{number_text(distance(crude, estimate.range()))} beyond rounding"
    return [
        Finding(
            "difference-against-means",
            severity,
            result.study,
            (result.id,),
            what,
            gap,
            "rounded to nearest",
            hint,
            line=result.line,
        )
    ]


def _check_test(result: PublishedResult) -> list[Finding]:
    """p of a t test against means and standard deviations: Student's or Welch's, over all they may have been."""
    p = result.number("p")
    if p is None or not 0 < p.value <= 1 or result.text("test") not in ("", "t") or result.numbers.get("statistic"):
        return []
    if result.text("adjusted") == "yes" or result.measure not in ("mean", "mean_difference", ""):
        return []
    arms = [result.arm(which) for which in (1, 0)]
    if any(a.mean is None or a.sd is None or a.size is None or a.size < 2 for a in arms):
        return []
    allowed = t_test_range(arms, as_errors=False)
    if allowed is None or overlap(p.range(), allowed):
        return []
    named = result.text("test") == "t" and result.text("adjusted") == "no"
    if not named and overlap(p.range(), (allowed[0] / 2, min(1.0, allowed[1] * 2))):
        return []
    errors = t_test_range(arms, as_errors=True)
    hint = "the spreads are standard errors" if errors is not None and overlap(p.range(), errors) else ""
    severity = "contradiction" if named else "unexplained"
    what = f"p={p.text.lstrip('=')} is not that of a t test of the printed means and standard deviations."
    how = f"it would be {range_text(allowed, 2)}"
    return [
        Finding(
            "p-against-means",
            severity,
            result.study,
            (result.id,),
            what,
            how,
            "rounded to nearest",
            hint or "another test",
            line=result.line,
        )
    ]


def t_test_range(arms: Sequence[PublishedArm], *, as_errors: bool) -> tuple[float, float] | None:
    """Smallest and largest p of Student's and Welch's tests over all that two arms' numbers may have been."""
    first, second = arms
    assert first.mean is not None
    assert second.mean is not None
    (l1, h1), (l0, h0) = first.mean.range(), second.mean.range()
    low, high = l1 - h0, h1 - l0
    smallest = 0.0 if low <= 0 <= high else min(abs(low), abs(high))
    largest = max(abs(low), abs(high))
    n1, n0 = first.size or 0, second.size or 0
    values = []
    for sds in product(*((max(a.sd.range()[0], 0.0), a.sd.range()[1]) for a in arms if a.sd is not None)):
        s1, s0 = (s * math.sqrt(n) if as_errors else s for s, n in zip(sds, (n1, n0)))
        for difference in (smallest, largest):
            v1, v0 = s1**2 / n1, s0**2 / n0
            pooled = ((n1 - 1) * s1**2 + (n0 - 1) * s0**2) / (n1 + n0 - 2) * (1 / n1 + 1 / n0)
            welch_df = (v1 + v0) ** 2 / (v1**2 / (n1 - 1) + v0**2 / (n0 - 1)) if v1 + v0 > 0 else 1.0
            for variance, df in ((pooled, n1 + n0 - 2), (v1 + v0, welch_df)):
                if variance > 0:
                    values.append(float(2 * special.stdtr(df, -difference / math.sqrt(variance))))
    return (min(values), max(values)) if values else None
