"""What a text says of a number: odds told as likelihood, 1 - HR told as risk, a difference that is none."""

from __future__ import annotations

import math
from collections.abc import Sequence

from equipoise.evidence.checks.effects import crude_range, p_values_of_table, tables_of
from equipoise.evidence.findings import Finding
from equipoise.evidence.printed import Printed, Range, number_text, overlap, range_text
from equipoise.evidence.results import PublishedResult

# A claim's number that a printed one comes to, and what that is called.
_NAMES = {
    "odds_ratio": "an odds ratio",
    "hazard_ratio": "a hazard ratio",
    "risk_ratio": "a risk ratio",
    "ratio_of_means": "a ratio of means",
}


def check_claims(results: Sequence[PublishedResult]) -> list[Finding]:
    """Each claim against the result it is about, or against what can be at all."""
    by_id = {result.id: result for result in results}
    found = []
    for claim in results:
        if claim.kind != "claim":
            continue
        found += _check_claim(claim, by_id.get(claim.text("about")))
    return found


def _finding(
    severity: str,
    claim: PublishedResult,
    about: PublishedResult | None,
    what: str,
    by_how_much: str = "",
    rounding: str = "",
    reconciles: str = "",
) -> Finding:
    ids = (claim.id, about.id) if about is not None else (claim.id,)
    return Finding("claim", severity, claim.study, ids, what, by_how_much, rounding, reconciles, line=claim.line)


def _check_claim(claim: PublishedResult, about: PublishedResult | None) -> list[Finding]:
    said, value = claim.text("claimed_as"), claim.number("claimed_value")
    if said in ("percent-less-likely", "percentage") and value is not None and value.range()[0] > 100:
        what = f"“{claim.text('quote')}”: {value.text.strip('%')}% less cannot be."
        return [
            _finding(
                "impossible",
                claim,
                about,
                what,
                f"{number_text(value.value - 100)} points beyond 100",
                "",
                "a ratio told as a percentage",
            )
        ]
    if said in ("difference", "no-clear-difference"):
        return _check_difference(claim, about)
    if said == "percentage" and value is not None:
        return _check_percentage(claim, about, value)
    if value is None or said not in ("times-as-likely", "percent-less-likely", "percent-more-likely"):
        missing = [*claim.missing()]
        if claim.kind == "claim" and not said and missing:
            what = f"“{claim.text('quote')}” cannot be checked: {'; '.join(missing)} not stated."
            return [_finding("incomplete", claim, about, what)]
        return []
    if about is None:
        wanting = [w for w in ("event", "reference") if not claim.text(w)]
        what = f"“{claim.text('quote')}” cannot be checked: no proportions, denominators or scale are told"
        what += f", nor the {' and '.join(wanting)}." if wanting else "."
        return [_finding("incomplete", claim, about, what)]
    return _check_likelihood(claim, about, said, value)


def _as_ratio(said: str, ends: Range) -> Range:
    """The ratio of probabilities that the words mean."""
    if said == "percent-less-likely":
        return 1 - ends[1] / 100, 1 - ends[0] / 100
    if said == "percent-more-likely":
        return 1 + ends[0] / 100, 1 + ends[1] / 100
    return ends


def _in_words(said: str, ratio: Range) -> str:
    """A ratio of probabilities in the claim's own form."""
    if said == "percent-less-likely":
        return f"{range_text((100 * (1 - ratio[1]), 100 * (1 - ratio[0])), 2)}% less likely"
    if said == "percent-more-likely":
        return f"{range_text((100 * (ratio[0] - 1), 100 * (ratio[1] - 1)), 2)}% more likely"
    return f"{range_text(ratio)} times as likely"


def _check_likelihood(claim: PublishedResult, about: PublishedResult, said: str, value: Printed) -> list[Finding]:
    claimed = _as_ratio(said, value.range())
    truth = _risk_ratio(about)
    if truth is not None and overlap(claimed, truth):
        return []
    estimate = about.number("estimate")
    is_the_ratio = (
        estimate is not None
        and about.measure in _NAMES
        and about.measure != "risk_ratio"
        and (
            overlap(claimed, estimate.range()) or (estimate.value > 0 and overlap(claimed, _inverse(estimate.range())))
        )
    )
    quoted = f"“{claim.text('quote')}”" if claim.text("quote") else f"{value.text} {said}"
    odds = {
        "odds_ratio": "an odds ratio told as a likelihood",
        "hazard_ratio": "1 − hazard ratio told as a risk"
        if said == "percent-less-likely"
        else "a hazard ratio told as a risk",
    }.get(about.measure, "another measure told as a likelihood")
    if is_the_ratio and estimate is not None:
        text = f"{quoted}: {estimate.text} is {_NAMES[about.measure]}, not a ratio of probabilities ({odds})."
        if truth is None:
            return [
                _finding(
                    "misworded",
                    claim,
                    about,
                    text,
                    "no proportions are told",
                    "",
                    "“times the odds”" if about.measure == "odds_ratio" else "a statement of rates",
                )
            ]
        return [
            _finding(
                "misworded",
                claim,
                about,
                text,
                f"the proportions are {_proportions(about)}: {_in_words(said, truth)}",
                "rounded to nearest",
                _in_words(said, truth),
            )
        ]
    if truth is not None:
        text = f"{quoted} does not agree with {_proportions(about)}."
        return [
            _finding("contradiction", claim, about, text, f"they are {_in_words(said, truth)}", "rounded to nearest")
        ]
    return []


def _inverse(ends: Range) -> Range:
    return (1 / ends[1], 1 / ends[0]) if ends[0] > 0 else (0.0, math.inf)


def _risk_ratio(result: PublishedResult) -> Range | None:
    """The ratio of the probabilities of a result's event, from counts or printed percentages."""
    tables = tables_of(result)
    crude = crude_range(tables, "risk_ratio") if tables else None
    if crude is not None:
        return crude
    first, second = result.arm(1).percent, result.arm(0).percent
    if first is None or second is None or second.range()[0] <= 0:
        return None
    (l1, h1), (l0, h0) = first.range(), second.range()
    return l1 / h0, h1 / l0


def _proportions(result: PublishedResult) -> str:
    texts = []
    for which in (1, 0):
        arm = result.arm(which)
        if arm.percent is not None:
            texts.append(f"{arm.percent.text.strip('%')}%")
        elif arm.count is not None:
            texts.append(f"{arm.count} of {arm.size}")
    return " v ".join(texts)


def _check_percentage(claim: PublishedResult, about: PublishedResult | None, value: Printed) -> list[Finding]:
    """A percentage of an arm as a claim tells it, against the result: which arm by the claim's `experimental`."""
    if about is None:
        what = f"“{claim.text('quote')}” cannot be checked: {value.text.strip('%')}% of whom is not stated."
        return [_finding("incomplete", claim, about, what)]
    which = 0 if claim.text("experimental") and claim.text("experimental") == about.text("reference") else 1
    percent = about.arm(which).percent
    if percent is None or overlap(percent.range(), value.range()):
        return []
    name = about.arm(which).name or "the arm"
    what = f"“{claim.text('quote')}” is told of {name}, where {about.source} has {percent.text.strip('%')}%."
    gap = f"{number_text(abs(value.value - percent.value))} points"
    return [_finding("contradiction", claim, about, what, gap, "rounded to nearest")]


def _check_difference(claim: PublishedResult, about: PublishedResult | None) -> list[Finding]:
    said = claim.text("claimed_as")
    if about is None:
        what = f"“{claim.text('quote')}” cannot be checked: no result is named."
        return [_finding("incomplete", claim, about, what)]
    verdict, why = _excludes_no_difference(about)
    if verdict is None or verdict == (said == "difference"):
        return []
    if said == "difference":
        text = f"“{claim.text('quote')}”: {why}, which does not exclude no difference."
        return [_finding("unexplained", claim, about, text, "", "", "another analysis of the same outcome")]
    text = f"“{claim.text('quote')}” says less than the result: {why}, which excludes no difference."
    return [_finding("misworded", claim, about, text)]


def _excludes_no_difference(result: PublishedResult) -> tuple[bool | None, str]:
    lower, upper = result.number("lower"), result.number("upper")
    if lower is not None and upper is not None and result.measure not in ("proportion", "mean", "", "other"):
        null = 0.0 if result.measure.endswith("difference") or result.measure == "percent_reduction" else 1.0
        return lower.value > null or upper.value < null, result.text_of_estimate()
    p = result.number("p")
    if p is not None:
        return p.range()[1] <= 0.05, f"p{p.text if p.text[:1] in '<>=~' else '=' + p.text}"
    tables = tables_of(result)
    if tables:
        values = [value for table in tables for value in p_values_of_table(table, "fisher")]
        return (True if max(values) < 0.05 else False if min(values) >= 0.05 else None), (
            f"{_proportions(result)}, Fisher p={range_text((min(values), max(values)), 2)}"
        )
    return None, ""
