"""Whom an effect favours, which way round a published one stands, and what a footnote says of a missing result."""

from __future__ import annotations

import math
from copy import copy
from dataclasses import dataclass, replace
from decimal import Decimal
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest

from equipoise.analysis.multiverse.universes import favoured
from equipoise.design.operating import published_values
from equipoise.endpoints.missing import settle
from equipoise.protocol.language.analysis import PublishedEffect
from equipoise.protocol.language.notation import EstimateAndLimits, Versus
from equipoise.protocol.vocabulary.scales import larger_is_better
from equipoise.reporting import beside_known, findings
from equipoise.reporting.context import Material
from equipoise.reporting.figures.forest import ForestPanel
from equipoise.reporting.figures.specification_curve import _upwards, axes_of, draw_specification_curve
from equipoise.reporting.missing_rules import rule_name, rule_sentence
from equipoise.reporting.palette import colour


@pytest.mark.parametrize(
    ("scale", "better", "is_time", "larger"),
    [
        ("odds_ratio", "higher", False, True),  # more who are abstinent
        ("odds_ratio", "lower", False, False),  # more who use
        ("mean_difference", "lower", False, False),  # more craving
        ("mean_difference", "higher", False, True),  # more mindfulness
        ("hazard_ratio", "higher", True, False),  # the longer without relapse the better: a higher hazard is worse
        ("hazard_ratio", "lower", True, True),  # the sooner recovered the better
        ("risk_difference", "higher", True, False),
        ("rmst_difference", "higher", True, True),
        ("median_time", "higher", True, True),
        ("survival_probability", "higher", True, True),
        ("rmst_difference", "lower", True, False),
        ("survival_probability", "lower", True, False),
    ],
)
def test_whether_more_is_better_goes_by_the_endpoint_and_the_scale(scale, better, is_time, larger):
    assert larger_is_better(scale, better, is_time_to_event=is_time) is larger


# What the flagship's lines compare, ketamine with midazolam, and whom a larger value favours.
FAVOURS = {
    "abstinence": "ketamine",
    "relapse": "midazolam",
    "craving": "midazolam",
    "mindfulness": "ketamine",
    "perceived-stress": "midazolam",
}


def test_the_ends_of_a_forest_plot_name_the_arm_that_its_estimates_favour(
    material: Material, monkeypatch: pytest.MonkeyPatch
):
    drawn: list[ForestPanel] = []
    draw = findings.draw_forest
    monkeypatch.setattr(findings, "draw_forest", lambda panels, **rest: (drawn.extend(panels), draw(panels, **rest))[1])
    findings.forest_figures(material)
    label = {arm: material.arm_label(arm) for arm in material.arms}
    seen = set()
    for panel in drawn:
        for row in panel.rows:
            lines = [e for e in material.results.estimates if e.ends == row.obtained and e.id in FAVOURS]
            for estimate in lines:
                seen.add(estimate.id)
                other = next(arm for arm in material.arms if arm != FAVOURS[estimate.id])
                assert panel.favours_right == f"favours {label[FAVOURS[estimate.id]]}", estimate.id
                assert panel.favours_left == f"favours {label[other]}", estimate.id
        trial = label["ketamine"]  # the title speaks of the arm under trial
        side = "above" if panel.favours_right == f"favours {trial}" else "below"
        assert panel.title.endswith((f"{side} 1 favour {trial}", f"{side} 0 favours {trial}")), panel.title
    assert seen == set(FAVOURS) & {e.id for e in material.results.estimates}
    assert len(seen) >= 4


def test_beside_what_is_known_the_right_end_favours_whom_a_larger_estimate_favours(material: Material):
    for line, arm in FAVOURS.items():
        estimate = next((e for e in material.results.estimates if e.id == line), None)
        if estimate is None:
            continue
        panel = beside_known._panel(material, estimate, [])
        assert panel.right == f"favours {material.arm_label(arm)}", line
        assert panel.left != panel.right


def test_the_multiverse_gives_an_effect_to_the_arm_that_it_favours(material: Material):
    protocol = material.protocol
    for line, arm in FAVOURS.items():
        estimate = next((e for e in material.results.estimates if e.id == line), None)
        if estimate is None:
            continue
        estimand = protocol.model.estimands[protocol.model.analyses[line].estimand]
        none = 1.0 if "ratio" in estimate.scale else 0.0
        other = next(each for each in material.arms if each != arm)
        assert favoured(protocol, estimand, replace(estimate, estimate=none + 0.5)) == arm, line
        assert favoured(protocol, estimand, replace(estimate, estimate=none - 0.5)) == other, line
        assert favoured(protocol, estimand, replace(estimate, estimate=none)) is None


@dataclass(frozen=True)
class Choice:
    """One way to analyse, as the figure asks it."""

    favours: str | None
    estimate: float
    definition: str = "a"
    rule: str = "is-use"
    estimator: str = "logistic"
    covariates: str = ""
    scale: str = "odds_ratio"
    ci_lower: float | None = None
    ci_upper: float | None = None
    prespecified: bool = False
    published: bool = False
    label: str = "a"
    unit: str = ""


def test_a_dot_of_the_specification_curve_has_the_colour_of_the_arm_it_favours():
    drawing = draw_specification_curve(
        [Choice("new", 2.0), Choice("new", 3.0), Choice("old", 0.5)], "odds_ratio", arm="new", reference="old"
    )
    circles = [e for e in drawing.elements if e.startswith("<circle")]
    legend, dots = circles[:2], circles[3:]
    assert "favours new" in "".join(drawing.elements)
    of = {"new": colour("arm1"), "old": colour("arm0")}
    assert of["new"] in legend[0]
    assert of["old"] in legend[1]
    assert [next(arm for arm, token in of.items() if token in dot) for dot in dots[:3]] == ["old", "new", "new"]


def test_up_favours_the_arm_whatever_a_definition_counts():
    """Abstinence 4 times as likely, and use a quarter as likely, are the same height; limits turn with them."""
    of_abstinence = Choice("new", 4.0, ci_lower=2.0, ci_upper=8.0)
    of_use = Choice("new", 0.25, ci_lower=0.125, ci_upper=0.5)
    assert _upwards(of_use, "new", True) == _upwards(of_abstinence, "new", True) == (4.0, 2.0, 8.0)
    fewer_days = Choice("new", -3.0, scale="mean_difference", ci_lower=-5.0, ci_upper=-1.0)
    assert _upwards(fewer_days, "new", False) == (3.0, 1.0, 5.0)
    assert _upwards(Choice("old", 0.25), "new", True)[0] == 0.25
    assert _upwards(Choice(None, 1.0), "new", True)[0] == 1.0


def test_days_and_weeks_have_no_axis_in_common():
    rows = [Choice("new", 1.0, scale="mean_difference", unit=unit) for unit in ("days", "days", "weeks", "weeks")]
    assert axes_of([*rows, Choice("new", 2.0), Choice("new", 2.0), Choice("new", 2.0)]) == [
        ("odds_ratio", ""),
        ("mean_difference", "days"),
        ("mean_difference", "weeks"),
    ]


# ---------------------------------------------------------------------------------------------------------------------
# Published the other way round


def turned_round(effect: PublishedEffect, planned: Versus) -> PublishedEffect:
    """The same result as a source would print it that names the arms in the other order."""
    stated = effect.treatments or planned
    ends = [effect.value.lower, effect.value.value, effect.value.upper]
    if effect.summary.endswith("ratio") or effect.summary == "ratio-of-means":
        upper, value, lower = (None if v is None else Decimal(1) / v for v in ends)
    else:
        upper, value, lower = (None if v is None else -v for v in ends)
    assert value is not None
    return effect.model_copy(
        update={
            "value": EstimateAndLimits(value, lower, upper),
            "treatments": Versus(str(stated.reference), stated.experimental),
        }
    )


def reversed_protocol(protocol: Any) -> Any:
    """The protocol with every published effect the other way round."""
    model = protocol.model
    turned = {}
    for id, entry in model.published.items():
        if entry.effect is not None and entry.analysis is not None:
            planned = model.estimands[model.analyses[entry.analysis].estimand].treatments
            entry = entry.model_copy(update={"effect": turned_round(entry.effect, planned)})
        turned[id] = entry
    out = copy(protocol)
    out.model = model.model_copy(update={"published": turned})
    return out


def test_a_source_that_reports_the_reversed_comparison_changes_nothing_in_report_and_power(material: Material):
    other = replace(material, protocol=reversed_protocol(material.protocol))
    shown = 0
    for estimate in material.results.estimates:
        straight, back = material.published_effect(estimate), other.published_effect(estimate)
        assert (straight is None) == (back is None)
        if straight is not None and back is not None:
            shown += 1
            assert back == pytest.approx(straight, rel=1e-12), estimate.id
    assert shown >= 4
    assert published_values(other.protocol) == pytest.approx(published_values(material.protocol), rel=1e-12)
    assert published_values(material.protocol)["abstinence"] == pytest.approx(5.7)


def test_a_published_effect_of_other_arms_stands_beside_nothing():
    effect = PublishedEffect(summary="odds-ratio", value="2 (1 to 4)")
    planned = Versus("new", "old")
    assert effect.as_effect_of("new", "old", planned) == (2.0, 1.0, 4.0)
    assert effect.as_effect_of("old", "new", planned) == (0.5, 0.25, 1.0)
    assert effect.as_effect_of("newest", "old", planned) is None
    assert effect.as_effect_of("new", "newest", planned) is None
    difference = PublishedEffect(summary="mean-difference", value="-3 (-5 to -1)", treatments="old v new")
    assert difference.as_effect_of("new", "old", planned) == (3.0, 1.0, 5.0)
    nothing = PublishedEffect(summary="risk-ratio", value="0 (0 to 0.5)", treatments="old v new")
    assert nothing.as_effect_of("new", "old", planned) is None
    assert nothing.as_effect_of("old", "new", planned) == (0.0, 0.0, 0.5)


# ---------------------------------------------------------------------------------------------------------------------
# Sentences about what was not seen


@pytest.mark.parametrize("rule", ["is-use", "is-no-use", "is-missing", "is-use-after-dropout"])
def test_the_footnote_on_missed_visits_says_what_the_rule_does(rule: str):
    def becomes(gone: bool) -> str:
        used, open_ = settle(np.array([[False]]), np.array([[True]]), np.array([[gone]]), rule)
        return "left out" if open_[0, 0] else "use" if used[0, 0] else "no use"

    later, before = becomes(True), becomes(False)
    if later == before == "left out":
        wanted = "A missed visit is left out."
    elif later == before:
        wanted = f"A missed visit counts as {later}."
    else:
        wanted = f"A missed visit counts as {later} after dropout, as {before} before."
    assert rule_sentence(rule, about_use=True) == wanted


@pytest.mark.parametrize(("rule", "better"), [("is-use", "worse"), ("is-no-use", "better")])
def test_of_a_result_that_is_not_use_the_rules_say_the_worse_and_the_better_one(rule: str, better: str):
    assert rule_sentence(rule, about_use=False) == f"A missing result counts as the {better} one."
    assert rule_name(rule, about_use=False) == f"missing results count as {better}"
    assert "use" in rule_name(rule, about_use=True)


def test_the_worst_case_is_worst_for_the_experimental_arm():
    assert rule_sentence("worst-case", about_use=True) == (
        "A missed visit counts as use in the experimental arm, as no use in the other."
    )
    assert rule_sentence("best-case", about_use=True) == (
        "A missed visit counts as no use in the experimental arm, as use in the other."
    )


# ---------------------------------------------------------------------------------------------------------------------
# Limits against fit and standard error


def test_the_limits_of_a_fitted_curve_lie_at_the_quantile_of_its_own_level(material: Material):
    z = NormalDist().inv_cdf(0.975)
    estimate = material.results["craving"]
    b = np.asarray(estimate.details["coefficients"])
    covariance = np.asarray(estimate.details["covariance"])
    assert [name.split(":")[0] for name in estimate.details["columns"]] == ["constant", "arm", "week", "route"]
    for curve in (c for c in material.results.model_curves if c.endpoint == "craving"):
        of_arm = float(curve.arm == estimate.arm)
        for week, mean, lower, upper in zip(curve.week, curve.mean, curve.ci_lower, curve.ci_upper, strict=True):
            route = (math.log(mean) - b[0] - b[1] * of_arm - b[2] * week) / b[3]
            assert 0 < route < 1  # the share of participants, at which the curve stands
            x = np.array([1.0, of_arm, week, route])
            error = math.sqrt(x @ covariance @ x)
            assert math.log(upper / mean) == pytest.approx(z * error, rel=1e-6)
            assert math.log(mean / lower) == pytest.approx(z * error, rel=1e-6)
