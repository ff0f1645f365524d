"""Proportions against their counts, and categories against their whole."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence

from equipoise.evidence.findings import Finding
from equipoise.evidence.printed import OTHER_ROUNDINGS, Printed, distance, number_text
from equipoise.evidence.results import PublishedArm, PublishedResult


def fitting_counts(percent: Printed, n: int, rounding: str = "nearest") -> list[int]:
    """The whole numbers of ``n`` that print as ``percent``."""
    low, high = percent.range(rounding)  # type: ignore[arg-type]
    first = max(0, math.ceil(low * n / 100 - 1e-9))
    last = min(n, math.floor(high * n / 100 + 1e-9))
    return list(range(first, last + 1))


def fractions_up_to(percent: Printed, largest: int) -> list[tuple[int, int]]:
    """Every count and denominator up to ``largest`` that print as ``percent``."""
    return [(k, n) for n in range(1, largest + 1) for k in fitting_counts(percent, n)]


def check_proportions(results: Sequence[PublishedResult]) -> list[Finding]:
    """Percentages that no count of their denominator gives, or that their own count does not."""
    found = []
    for result in results:
        for which in (1, 0):
            found += _check_arm(result, result.arm(which), which)
    return found


def _check_arm(result: PublishedResult, arm: PublishedArm, which: int) -> list[Finding]:
    who = arm.name or ("the arm" if result.arm(1 - which).n is None else ("the first arm", "the second arm")[1 - which])
    percent = result.printed_only(f"percent_{which}")
    events = result.printed_only(f"events_{which}")
    n = arm.size
    out: list[Finding] = []

    def finding(severity: str, what: str, by: str = "") -> None:
        out.append(
            Finding("proportion-against-counts", severity, result.study, (result.id,), what, by, line=result.line)
        )

    if percent is not None and percent.sign == "=" and not -1e-9 <= percent.value <= 100 + 1e-9:
        finding("impossible", f"{percent.text}% of {who} lies outside 0 to 100.")
        return out
    if events is not None and n is not None and events.value > n:
        finding(
            "impossible",
            f"{events.text} of {n} in {who}: more events than {result.unit}.",
            by=f"{number_text(events.value - n)} too many",
        )
        return out
    if percent is None or percent.sign != "=" or n is None or n < 1:
        return out
    if events is not None:
        share = 100 * events.value / n
        if not percent.holds(share):
            out.append(_against_count(result, who, percent, round(events.value), n))
        return out
    if not fitting_counts(percent, n):
        out.append(_no_count(result, who, percent, n, which))
    return out


def _against_count(result: PublishedResult, who: str, percent: Printed, k: int, n: int) -> Finding:
    share = 100 * k / n
    ways = [words for way, words in OTHER_ROUNDINGS.items() if percent.holds(share, way)]
    fits = fitting_counts(percent, n)
    reconciles = []
    if ways:
        reconciles.append(f"{number_text(share, 5)}% {ways[0]}")
    if fits:
        reconciles.append(f"{_counts_text(fits, n)} {result.unit}")
    if percent.holds(k / n):
        reconciles.append(f"the proportion told as a percentage: {number_text(share, 4)}%")
    others = [m for m in range(max(k, 1), 2 * n) if percent.holds(100 * k / m) and m != n]
    if others:
        reconciles.append(f"{k} of {others[0]}" + (f" to {others[-1]}" if len(others) > 1 else ""))
    unit = "" if result.unit == "participants" else f" {result.unit}"
    return Finding(
        "proportion-against-counts",
        "impossible",
        result.study,
        (result.id,),
        f"{k} of {n}{unit} is {number_text(share, 4)}%, not {percent.text.strip('%')}% ({who}).",
        f"{number_text(distance(percent.range(), (share, share)), 2)} points beyond rounding",
        f"rounded to {_decimals(percent)}",
        "; or ".join(reconciles),
        line=result.line,
    )


def _no_count(result: PublishedResult, who: str, percent: Printed, n: int, which: int) -> Finding:
    below = math.floor(percent.value * n / 100)
    near = [k for k in (below, below + 1) if 0 <= k <= n]
    gap = min(distance(percent.range(), (100 * k / n, 100 * k / n)) for k in near)
    reconciles = []
    for way, words in OTHER_ROUNDINGS.items():
        for k in fitting_counts(percent, n, way):
            exact = 100 * k / n
            shown = f"{exact:.{percent.decimals + 2}f}%"
            steps = f", first to {exact:.{percent.decimals + 1}f}" if way == "twice" else ""
            reconciles.append(f"{k} of {n}, {shown}, {words}{steps}")
    other = result.arm(1 - which).size or 0
    largest = max(n, other, round(result.value("n_total") or 0) if not other else 0)
    fractions = fractions_up_to(percent, min(largest, 400))
    if fractions:
        only = " alone" if len(fractions) == 1 else ""
        shown = ", ".join(f"{k} of {m}" for k, m in fractions[-4:])
        reconciles.append(f"{shown}{only}, of all denominators up to {largest}")
    else:
        reconciles.append(f"no count of any denominator up to {largest} gives it")
    neighbours = " and ".join(f"{k} is {100 * k / n:.{percent.decimals + 1}f}%" for k in near)
    return Finding(
        "proportion-against-counts",
        "impossible",
        result.study,
        (result.id,),
        f"No count of {n} {result.unit} gives {percent.text.strip('%')}% ({who}): {neighbours}.",
        f"{number_text(gap, 2)} points beyond rounding",
        f"rounded to {_decimals(percent)}",
        "; or ".join(reconciles),
        line=result.line,
    )


def _decimals(percent: Printed) -> str:
    return "whole percent" if percent.decimals == 0 else f"{percent.decimals} decimal{'s' * (percent.decimals > 1)}"


def _counts_text(counts: Sequence[int], n: int) -> str:
    ends = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    return f"{ends} of {n}"


def check_partitions(results: Sequence[PublishedResult]) -> list[Finding]:
    """Categories of one variable whose counts or percentages do not add up to the whole."""
    groups: dict[tuple[str, str], list[PublishedResult]] = defaultdict(list)
    for result in results:
        if result.text("partition"):
            groups[result.study, result.text("partition")].append(result)
    found = []
    for (study, name), rows in groups.items():
        ids = tuple(row.id for row in rows)
        for which in (1, 0):
            arms = [row.arm(which) for row in rows]
            sizes = {arm.size for arm in arms}
            size = next(iter(sizes)) if len(sizes) == 1 else None
            if size and all(arm.events is not None for arm in arms):
                total = sum(arm.count or 0 for arm in arms)
                if total != size:
                    what = f"The categories of {name} hold {total} of {size} participants ({arms[0].name or 'all'})."
                    gap = f"{abs(total - size)} {'too many' if total > size else 'missing'}"
                    # Fewer than all are participants without a value; more cannot be.
                    severity = "impossible" if total > size else "unexplained"
                    hint = "a category or participants without a value that are not told" if total < size else ""
                    found.append(Finding("partition", severity, study, ids, what, gap, "counts are exact", hint))
            elif len(rows) > 1 and all(arm.percent is not None and arm.percent.sign == "=" for arm in arms):
                percents = [arm.percent for arm in arms if arm.percent is not None]
                low, high = (sum(p.range()[end] for p in percents) for end in (0, 1))
                if not low <= 100 <= high:
                    total_percent = sum(p.value for p in percents)
                    what = f"The categories of {name} add up to {number_text(total_percent, 4)}%."
                    gap = f"{number_text(distance((low, high), (100, 100)), 2)} points beyond rounding"
                    severity = "impossible" if low > 100 else "unexplained"
                    hint = "categories that overlap" if low > 100 else "a category that is not told"
                    found.append(Finding("partition", severity, study, ids, what, gap, "each rounded to nearest", hint))
    return found


def check_sizes(results: Sequence[PublishedResult]) -> list[Finding]:
    """Arms that hold more participants than the study, or fewer without a word; other rows may tell further arms."""
    found = []
    arms: dict[str, dict[str, int]] = defaultdict(dict)
    for result in results:
        for which in (1, 0):
            arm = result.arm(which)
            if arm.name and arm.size is not None and result.unit == "participants":
                arms[result.study][arm.name.casefold()] = arm.size
    for result in results:
        total, n1, n0 = result.value("n_total"), result.arm(1).size, result.arm(0).size
        if total is None or n1 is None or n0 is None or result.unit != "participants":
            continue
        gap = round(total) - n1 - n0
        if gap == 0 or (gap > 0 and sum(arms[result.study].values()) == round(total)):
            continue
        severity = "impossible" if gap < 0 else "unexplained"
        what = f"The arms hold {n1} and {n0}, {n1 + n0} together; the study {round(total)}."
        how = f"{abs(gap)} {'too many' if gap < 0 else 'not accounted for'}"
        hint = (
            "participants left out of this outcome, or further arms" if gap > 0 else "participants counted in both arms"
        )
        found.append(
            Finding(
                "arms-against-study",
                severity,
                result.study,
                (result.id,),
                what,
                how,
                "counts are exact",
                hint,
                line=result.line,
            )
        )
    return found
