"""An interval against its estimate, p and the test statistic against the interval, and against one another."""

from __future__ import annotations

import math
from collections.abc import Sequence

from scipy import special

from equipoise.evidence.findings import Finding
from equipoise.evidence.printed import Printed, Range, number_text, overlap, range_text
from equipoise.evidence.results import DIFFERENCES, RATIOS, PublishedResult

# Distances of the limits from the estimate, upper over lower, that a method other than Wald's may have.
ASYMMETRY = 1.35
# And one of Wald's own, whose three numbers may each have been rounded on the way.
WALD_ASYMMETRY = 1.05
# A test that is not the interval's own (score, likelihood ratio, exact) may give a statistic larger or smaller by this;
# the first where no test is named, the second where another one is.
OTHER_TEST, NAMED_TEST = 0.2, 0.35


def on_analysis_scale(measure: str, ends: Range) -> Range | None:
    """A range of printed values on the scale of analysis: the logarithm of ratios; ``None`` where there is none."""
    low, high = ends
    if measure == "percent_reduction":
        low, high = 1 - high / 100, 1 - low / 100
    if measure in RATIOS:
        if high <= 0:
            return None
        return (math.log(low) if low > 0 else -math.inf), math.log(high)
    return low, high


def _limits(result: PublishedResult) -> tuple[Range, Range] | None:
    """Ranges of lower and upper limit on the scale of analysis, smaller first."""
    lower, upper = result.number("lower"), result.number("upper")
    if lower is None or upper is None:
        return None
    ranges = [on_analysis_scale(result.measure, limit.range()) for limit in (lower, upper)]
    if ranges[0] is None or ranges[1] is None:
        return None
    first, second = ranges
    assert first is not None
    assert second is not None
    return (second, first) if result.measure == "percent_reduction" else (first, second)


def _finding(
    check: str,
    severity: str,
    result: PublishedResult,
    what: str,
    by_how_much: str = "",
    rounding: str = "",
    reconciles: str = "",
) -> Finding:
    return Finding(
        check, severity, result.study, (result.id,), what, by_how_much, rounding, reconciles, line=result.line
    )


def check_intervals(results: Sequence[PublishedResult]) -> list[Finding]:
    """Limits in the wrong order, an estimate outside them, an estimate off their middle on its scale."""
    found = []
    for result in results:
        found += _check_values(result)
        estimate, limits = result.number("estimate"), _limits(result)
        if limits is None or result.measure in ("proportion", "mean", "test", "other", ""):
            continue
        lower, upper = limits
        if lower[0] > upper[1]:
            found.append(_finding("interval", "impossible", result, "The lower limit lies above the upper one."))
            continue
        if estimate is None:
            continue
        middle = on_analysis_scale(result.measure, estimate.range())
        if middle is None:
            continue
        if middle[1] < lower[0] or middle[0] > upper[1]:
            inverse = ""
            if (
                result.measure in RATIOS
                and result.measure != "percent_reduction"
                and overlap((-middle[1], -middle[0]), (lower[0], upper[1]))
            ):
                inverse = f"the estimate of the reversed comparison, {number_text(1 / estimate.value)}, lies inside"
            printed = f"{estimate.text} lies outside its interval, {result.texts_of_interval()}."
            found.append(_finding("interval", "impossible", result, printed, "", "rounded to nearest", inverse))
            continue
        found += _check_middle(result, middle, lower, upper)
    return found


def _check_values(result: PublishedResult) -> list[Finding]:
    """Numbers that can be nothing: a p value outside 0 to 1, a ratio of 0 or less, a negative spread."""
    out = []
    p = result.number("p")
    if p is not None and (p.value > 1 or p.value < 0 or (p.value == 0 and p.sign in ("=", "<"))):
        nearest = f"p<{number_text(p.unit)}, where it was rounded to nothing" if p.value == 0 and p.sign == "=" else ""
        # A zero is the program's rounding; it is said so rather than held impossible.
        severity = "misworded" if p.value == 0 and p.sign == "=" else "impossible"
        out.append(_finding("value", severity, result, f"p={p.text} is no p value.", "", "", nearest))
    if result.measure in RATIOS and result.measure != "percent_reduction":
        for column in ("estimate", "lower", "upper"):
            number = result.number(column)
            if number is not None and number.range()[1] <= 0:
                out.append(_finding("value", "impossible", result, f"A ratio of {number.text} cannot be ({column})."))
    for column in ("error", "sd_1", "sd_0"):
        number = result.number(column)
        if number is not None and number.value < 0:
            out.append(_finding("value", "impossible", result, f"A spread of {number.text} cannot be ({column})."))
    return out


def _check_middle(result: PublishedResult, middle: Range, lower: Range, upper: Range) -> list[Finding]:
    if not all(math.isfinite(v) for v in (*middle, *lower, *upper)):
        return []
    up = (upper[0] - middle[1], upper[1] - middle[0])
    down = (middle[0] - lower[1], middle[1] - lower[0])
    if up[1] <= 0 or down[1] <= 0 or up[0] <= 0 or down[0] <= 0:
        return []
    ratio = up[0] / down[1], up[1] / down[0]
    wald = result.text("test") in ("wald", "z", "t")
    most = WALD_ASYMMETRY if wald else ASYMMETRY
    allowed = 1 / most, most
    if overlap(ratio, allowed):
        return []
    scale = "logarithmic" if result.measure in RATIOS else "plain"
    plain = _is_symmetric_as_printed(result)
    hint = "a profile, exact or bootstrap interval, or a slip in one of the three numbers"
    if result.measure in RATIOS and plain:
        hint = "an interval made on the plain scale: it is symmetric there"
    expected = 0.5 * (lower[0] + upper[0]), 0.5 * (lower[1] + upper[1])
    if result.measure in RATIOS:
        expected = math.exp(expected[0]), math.exp(expected[1])
        if result.measure == "percent_reduction":
            expected = 100 * (1 - expected[1]), 100 * (1 - expected[0])
    return [
        _finding(
            "interval-on-its-scale",
            "contradiction" if wald else "unexplained",
            result,
            f"{result.text_of_estimate()} is off the middle of its interval on the {scale} scale, where it would be "
            f"{range_text(expected)}.",
            f"the upper limit lies {range_text(ratio, 2)} times as far off as the lower",
            "rounded to nearest",
            hint,
        )
    ]


def _is_symmetric_as_printed(result: PublishedResult) -> bool:
    estimate, lower, upper = (result.number(c) for c in ("estimate", "lower", "upper"))
    if estimate is None or lower is None or upper is None:
        return False
    middle = 0.5 * (lower.range()[0] + upper.range()[0]), 0.5 * (lower.range()[1] + upper.range()[1])
    return overlap(middle, estimate.range())


# ---------------------------------------------------------------------------------------------------------------------
# p, statistic, interval


def p_range(statistic: Range, kind: str, df: float | None, df2: float | None = None) -> Range | None:
    """Two-sided p values that a range of statistics allows; ``None`` where degrees of freedom are wanting."""
    low, high = statistic
    size = (0.0 if low <= 0 <= high else min(abs(low), abs(high))), max(abs(low), abs(high))

    def p(value: float) -> float | None:
        if kind in ("z", "wald"):
            return float(2 * special.ndtr(-value))
        if kind == "t":
            return None if df is None else float(2 * special.stdtr(df, -value))
        if kind == "chi-square":
            return float(special.chdtrc(1 if df is None else df, value))
        if kind == "f":
            return None if df is None or df2 is None else float(special.fdtrc(df, df2, value))
        if kind == "r" and df is not None and value < 1:
            return float(2 * special.stdtr(df, -value * math.sqrt(df / (1 - value**2))))
        return None

    ends = p(size[1]), p(size[0])
    return None if ends[0] is None or ends[1] is None else (ends[0], ends[1])


def _p_of_statistic(result: PublishedResult) -> Range | None:
    statistic, kind = result.number("statistic"), result.text("test") or "z"
    if statistic is None or statistic.sign != "=":
        return None
    df = result.value("df")
    if kind == "t" and df is None:
        # Degrees of freedom are not told: anything from the participants less two to infinity.
        total = result.value("n_total") or (result.arm(1).size or 0) + (result.arm(0).size or 0)
        few = p_range(statistic.range(), "t", max(total - 10, 1.0) if total else 1.0)
        many = p_range(statistic.range(), "z", None)
        return None if few is None or many is None else (min(few[0], many[0]), max(few[1], many[1]))
    return p_range(statistic.range(), kind, df, result.value("df2"))


def z_of_interval(result: PublishedResult) -> Range | None:
    """Wald statistics that estimate and interval allow, on the scale of analysis; ``None`` where they give none."""
    estimate, limits = result.number("estimate"), _limits(result)
    if estimate is None or limits is None or result.measure not in (*RATIOS, *DIFFERENCES):
        return None
    middle = on_analysis_scale(result.measure, estimate.range())
    (low_0, low_1), (high_0, high_1) = limits
    if middle is None or not all(math.isfinite(v) for v in (*middle, low_0, low_1, high_0, high_1)):
        return None
    quantile = float(-special.ndtri(0.5 * (1 - result.level)))
    errors = (max(high_0 - low_1, 1e-12) / (2 * quantile), (high_1 - low_0) / (2 * quantile))
    values = [m / e for m in middle for e in errors]
    return min(values), max(values)


def check_tests(results: Sequence[PublishedResult]) -> list[Finding]:
    """p against the statistic, and both against the interval."""
    found = []
    for result in results:
        p = result.number("p")
        from_statistic = _p_of_statistic(result)
        if p is not None and from_statistic is not None and not overlap(p.range(), from_statistic):
            what = f"p{_signed(p)} does not belong to {result.text('test') or 'z'}={result.numbers['statistic'].text}."
            severity = (
                "contradiction" if result.text("test") in ("z", "t", "chi-square", "f", "r", "wald") else "unexplained"
            )
            found.append(
                _finding(
                    "p-against-statistic",
                    severity,
                    result,
                    what,
                    f"it would be {range_text(from_statistic, 2)}",
                    "rounded to nearest",
                    _one_sided(p, from_statistic),
                )
            )
        z = z_of_interval(result)
        if z is None:
            continue
        found += _check_p_of_interval(result, z)
        statistic = result.number("statistic")
        if statistic is not None and result.text("test") in ("z", "t", "wald", ""):
            low, high = statistic.range()
            size = (min(abs(low), abs(high)), max(abs(low), abs(high)))
            z_size = _sizes(z)
            room = (z_size[0] * (1 - OTHER_TEST), z_size[1] * (1 + OTHER_TEST))
            if not overlap(size, room):
                found.append(
                    _finding(
                        "statistic-against-interval",
                        "contradiction",
                        result,
                        f"A statistic of {statistic.text} does not belong to {result.text_of_estimate()}.",
                        f"estimate over error is {range_text(z_size)}",
                        "rounded to nearest",
                        "another model's statistic, or a slip in one of the numbers",
                    )
                )
    return found


def _sizes(z: Range) -> Range:
    return (0.0 if z[0] <= 0 <= z[1] else min(abs(z[0]), abs(z[1]))), max(abs(z[0]), abs(z[1]))


def _check_p_of_interval(result: PublishedResult, z: Range) -> list[Finding]:
    p = result.number("p")
    if p is None or p.value <= 0 or p.value > 1:
        return []
    size = _sizes(z)
    df = result.value("df") if result.text("test") in ("t", "") else None
    own = result.text("test") in ("wald", "z", "t")
    slack = 0.0 if own else NAMED_TEST if result.text("test") else OTHER_TEST
    implied = float(2 * special.ndtr(-size[1] * (1 + slack))), float(2 * special.ndtr(-size[0] * (1 - slack)))
    if df is not None:
        # The limits may have used the t quantile too: both readings are allowed.
        implied = implied[0], max(implied[1], float(2 * special.stdtr(df, -size[0] * (1 - slack))))
    if overlap(p.range(), implied):
        return []
    exact = float(2 * special.ndtr(-size[1])), float(2 * special.ndtr(-size[0]))
    alpha = 1 - result.level
    excludes = exact[1] < alpha
    flips = (excludes and p.range()[0] > alpha) or (exact[0] > alpha and p.range()[1] < alpha)
    what = f"p{_signed(p)} does not belong to {result.text_of_estimate()}"
    if flips:
        what += f": the interval {'excludes' if excludes else 'includes'} no difference"
    severity = "contradiction" if own or flips else "unexplained"
    hint = _one_sided(p, exact) or ("" if own else "a test other than the interval's own")
    return [
        _finding(
            "p-against-interval",
            severity,
            result,
            what + ".",
            f"the interval implies p={range_text(exact, 2)}",
            "rounded to nearest",
            hint,
        )
    ]


def _one_sided(p: Printed, implied: Range) -> str:
    return "a one-sided p" if overlap(p.range(), (implied[0] / 2, implied[1] / 2)) else ""


def _signed(p: Printed) -> str:
    return p.text if p.text[:1] in "<>=~" else f"={p.text}"
