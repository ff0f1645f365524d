"""Ratios and differences against the counts or means of the arms, hazard ratios against proportions, direction."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Sequence

import numpy as np
from scipy import special

from equipoise.evidence.checks.intervals import on_analysis_scale
from equipoise.evidence.checks.proportions import fitting_counts
from equipoise.evidence.findings import Finding
from equipoise.evidence.printed import Range, distance, number_text, overlap, range_text
from equipoise.evidence.results import PublishedResult

Table = tuple[int, int, int, int]  # events and size, experimental; events and size, reference
# How far, in standard errors of the printed interval, the hazard ratio that end-point proportions imply may lie off.
HAZARD_ERRORS = 1.0
# Without an interval: on the logarithm.
HAZARD_LOG = 0.3
# Standard error of the printed interval over that of the counts beyond which they are said to disagree.
ERROR_RATIO = (0.7, 1.6)
_TURNABLE = ("odds_ratio", "risk_ratio", "hazard_ratio")


def tables_of(result: PublishedResult) -> list[Table]:
    """Every pair of counts that the row allows: those printed or derived, or all that print as its percentages."""
    choices: list[list[int]] = []
    sizes = []
    for which in (1, 0):
        arm = result.arm(which)
        if arm.size is None or arm.size < 1:
            return []
        if arm.count is not None:
            counts = [arm.count] if arm.count <= arm.size else []
        elif arm.percent is not None and arm.percent.sign == "=":
            counts = fitting_counts(arm.percent, arm.size) or fitting_counts(arm.percent, arm.size, "twice")
        else:
            counts = []
        if not counts:
            return []
        choices.append(counts)
        sizes.append(arm.size)
    if len(choices[0]) * len(choices[1]) > 400:
        choices = [[c[0], c[-1]] for c in choices]
    return [(a, sizes[0], c, sizes[1]) for a in choices[0] for c in choices[1]]


def _ratio(top: float, bottom: float) -> float:
    return math.nan if top == bottom == 0 else math.inf if bottom == 0 else top / bottom


CRUDE: dict[str, Callable[[Table], float]] = {
    "odds_ratio": lambda t: _ratio(t[0] * (t[3] - t[2]), (t[1] - t[0]) * t[2]),
    "risk_ratio": lambda t: _ratio(t[0] / t[1], t[2] / t[3]),
    "risk_difference": lambda t: 100 * (t[0] / t[1] - t[2] / t[3]),
    "percent_reduction": lambda t: 100 * (1 - _ratio(t[0] / t[1], t[2] / t[3])),
}


def crude_range(tables: Sequence[Table], measure: str) -> Range | None:
    """The crude effect on a measure over all tables; ``None`` where there is none."""
    if measure not in CRUDE or not tables:
        return None
    values = [CRUDE[measure](table) for table in tables]
    if any(math.isnan(v) for v in values):
        return None
    return min(values), max(values)


def check_effects(results: Sequence[PublishedResult]) -> list[Finding]:
    """An effect that is not the one of its own counts or means; its direction; its interval's width; its p."""
    found = []
    for result in results:
        if result.kind == "claim":
            continue
        found += _check_hazard_ratio(result)
        tables = tables_of(result)
        if not tables:
            continue
        found += _check_against_counts(result, tables)
        found += _check_width(result, tables)
        found += _check_p(result, tables)
    return found


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


def _check_against_counts(result: PublishedResult, tables: Sequence[Table]) -> list[Finding]:
    estimate, measure = result.number("estimate"), result.measure
    crude = crude_range(tables, measure)
    if estimate is None or crude is None or not (math.isfinite(crude[0]) and math.isfinite(crude[1])):
        return []
    printed = estimate.range()
    if overlap(printed, crude):
        return []
    counts = _table_text(tables)
    what = f"{result.text_of_estimate()} is not that of {counts}: {range_text(crude)}"
    on_scale, own = on_analysis_scale(measure, printed), on_analysis_scale(measure, crude)
    gap = ""
    if on_scale is not None and own is not None and measure in ("odds_ratio", "risk_ratio"):
        gap = f"a factor of {number_text(math.exp(distance(on_scale, own)))} beyond rounding"
    else:
        gap = f"{number_text(distance(printed, crude))} beyond rounding"
    mistaken = _mistaken(measure, printed, tables)
    if mistaken:
        return [
            _finding("effect-against-counts", "contradiction", result, what + ".", gap, "rounded to nearest", mistaken)
        ]
    sides = [(-1 if v < 0 else 1) for r in (on_scale, own) if r is not None for v in r if abs(v) > 1e-12]
    if sides and min(sides) != max(sides):
        return [
            _finding(
                "direction",
                "contradiction",
                result,
                what + ", in the other direction.",
                gap,
                "rounded to nearest",
                "reference and event as the counts have them",
            )
        ]
    adjusted = result.text("adjusted")
    limits = [result.number(c) for c in ("lower", "upper")]
    inside = ""
    if limits[0] is not None and limits[1] is not None and limits[0].value <= crude[0] and crude[1] <= limits[1].value:
        inside = "; the crude value lies inside the printed interval"
    if adjusted == "no":
        return [
            _finding(
                "effect-against-counts",
                "contradiction",
                result,
                what + ".",
                gap,
                "rounded to nearest",
                "other counts, or an adjustment that is not told",
            )
        ]
    reason = "the adjustment, which must then have moved it" if adjusted == "yes" else "an adjustment that is not told"
    return [
        _finding("effect-against-counts", "unexplained", result, f"{what}{inside}.", gap, "rounded to nearest", reason)
    ]


def _mistaken(measure: str, printed: Range, tables: Sequence[Table]) -> str:
    """The other measure, or the reversed one, that the printed number would be."""
    for other, name in (("odds_ratio", "an odds ratio"), ("risk_ratio", "a risk ratio")):
        crude = crude_range(tables, other)
        if measure not in ("odds_ratio", "risk_ratio") or crude is None or crude[0] <= 0 or not math.isfinite(crude[1]):
            continue
        if other != measure and overlap(printed, crude):
            return f"it is {name}, {range_text(crude)}"
        reversed_ = 1 / crude[1], 1 / crude[0]
        if overlap(printed, reversed_):
            return f"it is {name} of the reversed comparison or of the opposite event, 1/{range_text(crude)}"
    if measure == "risk_difference":
        crude = crude_range(tables, measure)
        if crude is not None and overlap(printed, (-crude[1], -crude[0])):
            return "it is the difference of the reversed comparison"
    return ""


def _table_text(tables: Sequence[Table]) -> str:
    a, n1, c, n0 = tables[0]
    if len(tables) == 1:
        return f"{a} of {n1} and {c} of {n0}"
    return f"the printed percentages of {n1} and {n0}"


def _check_width(result: PublishedResult, tables: Sequence[Table]) -> list[Finding]:
    """An interval much narrower or wider than the counts allow: another denominator, or another unit of analysis."""
    lower, upper = result.number("lower"), result.number("upper")
    if lower is None or upper is None or result.measure not in ("odds_ratio", "risk_ratio") or lower.value <= 0:
        return []
    errors = []
    for a, n1, c, n0 in tables:
        if min(a, c, n1 - a, n0 - c) == 0:
            return []
        odds = 1 / a + 1 / (n1 - a) + 1 / c + 1 / (n0 - c)
        errors.append(math.sqrt(odds if result.measure == "odds_ratio" else 1 / a - 1 / n1 + 1 / c - 1 / n0))
    quantile = 2 * float(-special.ndtri(0.5 * (1 - result.level)))
    low, high = lower.range(), upper.range()
    if low[0] <= 0:
        return []
    printed = math.log(high[0] / low[1]) / quantile, math.log(high[1] / low[0]) / quantile
    ratio = printed[0] / max(errors), printed[1] / min(errors)
    if overlap(ratio, ERROR_RATIO):
        return []
    wide = ratio[0] > 1
    hint = "clusters, or fewer participants than told" if wide else "more observations than participants"
    width = "wider" if wide else "narrower"
    what = f"The interval {result.texts_of_interval()} is {width} than {_table_text(tables)} allow."
    how = f"its standard error is {range_text(ratio)} times theirs"
    return [_finding("interval-against-counts", "unexplained", result, what, how, "rounded to nearest", hint)]


def _check_p(result: PublishedResult, tables: Sequence[Table]) -> list[Finding]:
    p, test = result.number("p"), result.text("test")
    if p is None or not 0 < p.value <= 1 or result.measure == "hazard_ratio" or result.numbers.get("statistic"):
        return []
    if test not in ("", "fisher", "chi-square", "z") or len(tables) > 60:
        return []
    values = [value for table in tables for value in p_values_of_table(table, test)]
    if not values or overlap(p.range(), (min(values), max(values))):
        return []
    adjusted = result.text("adjusted")
    crude = min(values), max(values)
    if not test and adjusted != "no" and overlap(p.range(), (crude[0] / 2, crude[1] * 2)):
        return []
    named = test and adjusted == "no"
    severity = "contradiction" if named else "unexplained"
    hint = {"yes": "the adjustment", "no": "another test"}.get(
        adjusted, "another test, or an adjustment that is not told"
    )
    what = f"p{p.text if p.text[:1] in '<>=~' else '=' + p.text} is not that of {_table_text(tables)}."
    how = f"their tests give {range_text(crude, 2)}"
    return [_finding("p-against-counts", severity, result, what, how, "rounded to nearest", hint)]


def p_values_of_table(table: Table, test: str = "") -> list[float]:
    """Two-sided p of one table by Fisher, Pearson, Yates and Wald; only by ``test`` where it is named."""
    from scipy import stats  # takes a second to load

    a, n1, c, n0 = table
    cells = np.array([[a, n1 - a], [c, n0 - c]])
    if (cells.sum(axis=0) == 0).any():
        return [1.0]
    out = []
    if test in ("", "fisher"):
        out.append(float(stats.fisher_exact(cells)[1]))
    if test in ("", "chi-square", "z"):
        out.append(float(stats.chi2_contingency(cells, correction=False)[1]))
    if test in ("", "chi-square"):
        out.append(float(stats.chi2_contingency(cells, correction=True)[1]))
    if test in ("", "z") and (cells > 0).all():
        z = math.log(cells[0, 0] * cells[1, 1] / (cells[0, 1] * cells[1, 0])) / math.sqrt(float((1 / cells).sum()))
        out.append(float(2 * special.ndtr(-abs(z))))
    return out


# ---------------------------------------------------------------------------------------------------------------------
# Hazard ratio against the proportions with the event


def _check_hazard_ratio(result: PublishedResult) -> list[Finding]:
    estimate = result.number("estimate")
    if result.measure != "hazard_ratio" or estimate is None or estimate.value <= 0:
        return []
    shares = []
    for which in (1, 0):
        arm = result.arm(which)
        if arm.count is not None and arm.size:
            share = (arm.count / arm.size,) * 2
        elif arm.percent is not None and arm.percent.sign == "=":
            low, high = arm.percent.range()
            share = max(low, 0) / 100, min(high, 100) / 100
        else:
            return []
        shares.append(share)
    (l1, h1), (l0, h0) = shares
    if not 0 < l1 <= h1 < 1 or not 0 < l0 <= h0 < 1:
        return []
    implied = math.log1p(-l1) / math.log1p(-h0), math.log1p(-h1) / math.log1p(-l0)
    printed = estimate.range()
    log_gap = distance(
        (math.log(implied[0]), math.log(implied[1])), (math.log(max(printed[0], 1e-9)), math.log(printed[1]))
    )
    lower, upper = result.number("lower"), result.number("upper")
    allowed = HAZARD_LOG
    outside = False
    if lower is not None and upper is not None and lower.value > 0:
        quantile = 2 * float(-special.ndtri(0.5 * (1 - result.level)))
        allowed = HAZARD_ERRORS * math.log(upper.value / lower.value) / quantile
        outside = implied[1] < lower.range()[0] or implied[0] > upper.range()[1]
    if log_gap <= allowed:
        return []
    backwards = 100 * (1 - (1 - 0.5 * (l0 + h0)) ** estimate.value)
    p1, p0 = (number_text(50 * (low + high)) for low, high in shares)
    inside = "" if lower is None else f", {'outside' if outside else 'inside'} its interval"
    return [
        _finding(
            "hazard-ratio-against-proportions",
            "unexplained",  # hazards need not be proportional, whatever the interval says
            result,
            f"With proportional hazards {p1}% and {p0}% mean a hazard ratio of {range_text(implied)}{inside}, not {estimate.text}.",  # noqa: E501
            f"{estimate.text} and {p0}% would mean {number_text(backwards)}% in the other arm",
            "percentages rounded to nearest",
            "adjustment, hazards that are not proportional, or censoring before the end",
        )
    ]


# ---------------------------------------------------------------------------------------------------------------------
# Direction between results of one study


def check_directions(results: Sequence[PublishedResult]) -> list[Finding]:
    """Ratios of one study told in the direction opposite to most (to the first, where there are as many of each)."""
    studies: dict[str, list[PublishedResult]] = defaultdict(list)
    for result in results:
        named = result.text("experimental") and result.text("reference")
        if result.measure in _TURNABLE and result.kind == "result" and named and result.number("estimate") is not None:
            studies[result.study].append(result)
    found = []
    for study, ratios in studies.items():
        arms = [(r.text("experimental"), r.text("reference")) for r in ratios]
        for result, (experimental, reference) in zip(ratios, arms):
            others = [r for r, pair in zip(ratios, arms) if pair == (reference, experimental)]
            alike = [r for r, pair in zip(ratios, arms) if pair == (experimental, reference)]
            if not others or len(others) < len(alike):
                continue
            if len(others) == len(alike) and ratios.index(alike[0]) < ratios.index(others[0]):
                continue
            found.append(_turned(study, result, others))
    return found


def _turned(study: str, result: PublishedResult, others: Sequence[PublishedResult]) -> Finding:
    inverse = number_text(1 / result.numbers["estimate"].value)
    limits = [result.number(c) for c in ("upper", "lower")]
    interval = ""
    if limits[0] is not None and limits[1] is not None and min(limits[0].value, limits[1].value) > 0:
        interval = f" ({number_text(1 / limits[0].value)} to {number_text(1 / limits[1].value)})"
    rest = "; ".join(f"{other.text_of_estimate()} for {other.text('event')}" for other in others)
    what = (
        f"{result.text_of_estimate()} is {result.text('experimental')} versus {result.text('reference')} for "
        f"{result.text('event')}; the other way round: {rest}."
    )
    hint = f"in one direction: {inverse}{interval} for {result.text('event')}"
    ids = (result.id, *(other.id for other in others))
    return Finding("direction", "misworded", study, ids, what, "", "", hint, line=result.line)
