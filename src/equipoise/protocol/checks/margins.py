"""Whether a margin makes sense: on the worse side, on the scale of what is asked, held against by a test that can."""

from __future__ import annotations

import re

from equipoise.protocol.checks.collector import Checker
from equipoise.protocol.language.analysis import Analysis, Estimand
from equipoise.protocol.language.endpoints import Endpoint
from equipoise.protocol.language.margins import Margin, MarginValue
from equipoise.protocol.text.yaml_lines import Path_
from equipoise.protocol.vocabulary.estimators import ESTIMATORS
from equipoise.protocol.vocabulary.scales import Scale, is_better_above, scale_of_summary

CODES = {
    "P070": "A margin where no two treatments are compared, or on another scale than the estimand's.",
    "P071": "A margin of nothing, on the wrong side of no effect, or no value of its scale.",
    "P072": "Non-inferiority with two margins, or equivalence with one.",
    "P073": "A question of superiority beside a margin.",
    "P074": "A line of the plan that cannot hold its effect against the margin.",
    "P075": "A test against a margin whose level is two-sided, or is not that of its interval.",
}

_SUPERIOR = re.compile(r"\bsuperior", re.IGNORECASE)


def check_margin(c: Checker, path: Path_, estimand: Estimand, endpoint: Endpoint) -> None:
    """Every problem of the margin of one estimand."""
    margin = estimand.margin
    if margin is None:
        return
    where: Path_ = (*path, "margin")
    scale = scale_of_summary(estimand.summary)
    if estimand.treatments.reference is None or scale is None or not scale.is_contrast:
        c.add(
            "P070",
            where,
            f"A margin is for the effect of one treatment against another, and asked is {estimand.summary}"
            f"{' of one arm alone' if estimand.treatments.reference is None else ''}.",
            "treatments: experimental v reference, and a summary that compares them",
            "Compare two treatments; what one arm is held against is a goal of its analysis.",
        )
        return
    if estimand.interaction is not None:
        c.add(
            "P070",
            where,
            "The question is of an interaction of factors: there is no treatment that could be worse.",
            "a margin for the effect of one factor or arm",
            "Remove the margin, or the interaction.",
        )
    if margin.scale is not None and margin.scale != estimand.summary:
        c.add(
            "P070",
            (*where, "scale"),
            f"The margin is a {margin.scale}, and the estimand asks for {estimand.summary}.",
            f"scale: {estimand.summary}, which its estimators give",
            "Translate the margin (a difference of 10 points is another ratio at every risk), or ask for its scale.",
        )
        return
    for key in ("words", "note"):
        text = getattr(estimand, key)
        if text and _SUPERIOR.search(text) and margin.objective == "non-inferiority":
            c.add(
                "P073",
                (*path, key),
                "The question is whether one treatment is superior, and the estimand has a margin of non-inferiority.",
                "words about not being worse by more than the margin",
                "Reword it; for superiority write an estimand without a margin.",
            )
    if margin.objective == "equivalence":
        _equivalence(c, where, margin, scale)
    else:
        _non_inferiority(c, where, margin, scale, above=is_better_above(scale.id, endpoint))


def _non_inferiority(c: Checker, path: Path_, margin: Margin, scale: Scale, *, above: bool) -> None:
    """One margin, on the side on which the experimental treatment would be worse."""
    sided = [key for key in ("lower", "upper") if getattr(margin, key) is not None]
    if sided:
        c.add(
            "P072",
            (*path, sided[0]),
            f"Non-inferiority has one margin, and {' and '.join(sided)} stands here.",
            "margin: how much worse is accepted",
            f"Write margin and remove {' and '.join(sided)}, or write objective: equivalence.",
        )
        return
    if margin.margin is None:
        c.add("P072", path, "No margin is stated.", "margin: how much worse is accepted", "Add margin.")
        return
    where: Path_ = (*path, "margin")
    if not _is_value(c, where, margin.margin, scale):
        return
    value = margin.margin.value
    worse = "below" if above else "above"
    if scale.is_ratio:
        if (value < 1.0) != above:
            c.add(
                "P071",
                where,
                f"A {scale.label} {worse} 1 is worse here, and the margin {margin.margin} lies on the other side.",
                f"a ratio {'between 0 and 1' if above else 'above 1'}, for example {1 / value:.4g}",
                "Correct the margin, the order of the treatments, or better of the endpoint.",
            )
    elif value < 0 and not above:
        c.add(
            "P071",
            where,
            f"Above 0 is worse on this {scale.label.removesuffix(', points')}, and {margin.margin} lies below.",
            f"{_without_sign(margin.margin)}, without a sign: what is worse follows from the endpoint",
            "Remove the sign, or correct the order of the treatments, or better of the endpoint.",
        )


def _equivalence(c: Checker, path: Path_, margin: Margin, scale: Scale) -> None:
    """Two margins, one on either side of no effect."""
    if margin.margin is not None or margin.lower is None or margin.upper is None:
        example = "lower: 0.8, upper: 1.25" if scale.is_ratio else "lower: -10 %, upper: 10 %"
        c.add(
            "P072",
            path,
            "Equivalence has two margins, one on either side.",
            f"lower and upper, for example {example}",
            "Write both; for one side write objective: non-inferiority.",
        )
        return
    fine = [_is_value(c, (*path, key), getattr(margin, key), scale) for key in ("lower", "upper")]
    if all(fine) and not margin.lower.value < scale.no_effect < margin.upper.value:
        c.add(
            "P071",
            path,
            f"{margin.lower} and {margin.upper} do not lie on either side of no effect ({scale.no_effect:g}).",
            f"lower below {scale.no_effect:g} and upper above it",
            "Correct the margins.",
        )


def _is_value(c: Checker, path: Path_, given: MarginValue, scale: Scale) -> bool:
    """Whether the margin is a value that the scale can have, and some distance from no effect."""
    value, share = given.value, scale.is_share
    if given.is_percent and not share:
        found, expected = f"{given} on a {scale.label}", "a number on the scale itself"
    elif scale.is_ratio and value <= 0:
        found, expected = f"{given}, and a ratio is above 0", "a ratio above 0, for example 1.25 or 0.8"
    elif value == scale.no_effect:
        found, expected = f"{given}, which is no margin at all", f"a value other than {scale.no_effect:g}"
    elif share and not -1.0 < value < 1.0:
        found, expected = f"{given}, and shares differ by less than 1", "per cent, or a part of 1: 10 %, or 0.10"
    else:
        return True
    c.add("P071", path, f"The margin is {found}.", expected, "Correct the margin.")
    return False


def _without_sign(given: MarginValue) -> str:
    return str(given).removeprefix("-")


def check_line_with_margin(c: Checker, path: Path_, analysis: Analysis, estimand: Estimand) -> None:
    """Whether a line of the plan can say what its estimand's margin asks: a test, and an interval of the same level."""
    if estimand.margin is None:
        return
    row = ESTIMATORS[analysis.estimator]
    if row.role == "arms" or row.borrows:
        return  # what is borrowed has its own rule, and is refused beside a margin where that is checked
    if row.role == "test" or not row.takes_margin:
        c.add(
            "P074",
            (*path, "estimator"),
            f"{row.id} {'tests whether there is any effect' if row.role == 'test' else 'has no test of a margin'}.",
            "an estimator whose interval is held against the margin",
            "Choose an estimator of the effect, or write an estimand without a margin for this line.",
        )
        return
    label = analysis.label or ""
    if _SUPERIOR.search(label) and estimand.margin.objective == "non-inferiority":
        c.add(
            "P073",
            (*path, "label"),
            "The label speaks of superiority, and the estimand has a margin of non-inferiority.",
            "a label about not being inferior",
            "Reword it.",
        )
    sides = "each of the two tests is one-sided" if estimand.margin.objective == "equivalence" else "it is one-sided"
    if analysis.alpha_two_sided is not None:
        c.add(
            "P075",
            (*path, "alpha-two-sided"),
            f"A test against a margin has a one-sided level: {sides}.",
            f"alpha-one-sided: {analysis.alpha_two_sided / 2:g}",
            "Write alpha-one-sided.",
        )
    elif analysis.alpha_one_sided is not None:
        wanted = round(1.0 - 2.0 * analysis.alpha_one_sided, 12)
        if abs(analysis.ci_level - wanted) > 1e-9:
            c.add(
                "P075",
                path,
                f"The test is at {analysis.alpha_one_sided:g} one-sided, the interval at {analysis.ci_level:g}.",
                f"ci-level: {wanted:g}",
                "Make them fit: the interval leaves out a margin exactly where the test rejects.",
            )
