"""An effect that changes with time says at which day it holds, is tested, and is given at every visit."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from equipoise.analysis.dataset import Comparison
from equipoise.analysis.fits import FITS
from equipoise.analysis.plan import planned_fits
from equipoise.endpoints.endpoint_values import Derived
from equipoise.exchange.own_tables.convert import import_table
from equipoise.foundation.errors import EquipoiseError
from equipoise.protocol.language.analysis import Analysis
from equipoise.workflow import analyse, read_protocol

VISITS = ("week-1", "week-2", "week-4")
WEEKS = np.array([0.0, 1.0, 3.0])


def trial(values, experimental, *, shape="repeated-score"):
    """An endpoint with these results, (n, 3), and the comparison of its two arms, with no records behind it."""
    n = len(experimental)
    derived = Derived(
        endpoint="score",
        kind="score",
        shape=shape,
        participants=None,
        event_word="use",
        values=np.asarray(values, dtype=np.float64),
        visit_names=VISITS,
        visit_weeks=WEEKS,
        first_visit_day=7,
    )
    comparison = Comparison(
        rows=np.arange(n),
        experimental=np.asarray(experimental, dtype=np.float64),
        covariates=np.empty((n, 0)),
        names=(),
        offsets=np.array([0, n]),
        n_randomized=np.array([n]),
        arm="b",
        reference="a",
        incomplete=np.zeros(n, dtype=np.bool_),
        levels=(),
    )
    return derived, comparison


def scores(seed=1, n=12, missing=False):
    rng = np.random.default_rng(seed)
    arm = np.arange(n) % 2
    values = 10 + rng.normal(0, 2, (n, 1)) + rng.normal(0, 1, (n, 3)) + arm[:, None] * np.array([0.5, 1.0, 3.0])
    if missing:
        values[rng.random((n, 3)) < 0.2] = np.nan
    return trial(values, arm)


def uses(seed=2, n=80):
    rng = np.random.default_rng(seed)
    arm = np.arange(n) % 2
    logit = rng.normal(0, 1, (n, 1)) + 0.3 - arm[:, None] * np.array([0.2, 0.6, 1.5])
    return trial((rng.random((n, 3)) < 1 / (1 + np.exp(-logit))).astype(float), arm, shape="repeated-binary")


def line(estimator, time, **more):
    return Analysis.model_validate({"estimand": "e", "estimator": estimator, "time": time, **more})


def fit(data, estimator, time, **more):
    return {outcome.suffix: outcome for outcome in FITS[estimator](*data, line(estimator, time, **more))}


def numbers(outcome):
    found = [outcome.estimate[0], outcome.standard_error[0], outcome.p_value[0]]
    return [*found, outcome.df[0]] if np.isfinite(outcome.df[0]) else found


def test_with_visits_as_categories_and_nothing_missing_effects_are_differences_of_means():
    data = scores()
    values, arm = data[0].values, data[1].experimental == 1
    found = fit(data, "linear-mixed", "category-interaction")
    for v, name in enumerate(VISITS):
        difference = values[arm, v].mean() - values[~arm, v].mean()
        assert found[f".at-{name}"].estimate[0] == pytest.approx(difference, rel=1e-9)
    assert numbers(found[""]) == pytest.approx(numbers(found[".at-week-4"]), rel=1e-9)


def test_the_test_of_arm_by_visit_is_that_of_the_split_plot_table():
    data = scores(n=20)
    y, arm = data[0].values, data[1].experimental == 1
    n, k = y.shape
    person = y.mean(axis=1, keepdims=True)
    cells = np.stack([y[arm].mean(axis=0), y[~arm].mean(axis=0)])
    margin = cells - cells.mean(axis=1, keepdims=True) - cells.mean(axis=0, keepdims=True) + cells.mean()
    between = (n / 2) * (margin**2).sum() / (k - 1)
    left = y - person - np.where(arm[:, None], cells[0] - cells[0].mean(), cells[1] - cells[1].mean())
    within = (left**2).sum() / ((n - 2) * (k - 1))
    found = fit(data, "linear-mixed", "category-interaction")[".time-interaction"]
    assert found.statistic[0] == pytest.approx(between / within, rel=1e-6)
    assert found.df[0] == pytest.approx((n - 2) * (k - 1), rel=1e-6)
    assert found.p_value[0] == pytest.approx(stats.f.sf(between / within, k - 1, (n - 2) * (k - 1)), rel=1e-6)


@pytest.mark.parametrize("time", ["interaction", "category-interaction"])
@pytest.mark.parametrize(("estimator", "tolerance"), [("linear-mixed", 1e-6), ("gee", 1e-6), ("logistic-mixed", 1e-4)])
def test_the_effect_at_a_visit_is_that_of_a_line_that_asks_for_it_there(estimator, tolerance, time):
    data = scores(missing=True) if estimator == "linear-mixed" else uses()
    found = fit(data, estimator, time)
    for name in VISITS:
        asked = fit(data, estimator, time, **{"effect-at": name})
        assert numbers(asked[""]) == pytest.approx(numbers(found[f".at-{name}"]), rel=tolerance)
        assert numbers(asked[".at-week-1"]) == pytest.approx(numbers(found[".at-week-1"]), rel=tolerance)
        assert asked[".time-interaction"].p_value[0] == pytest.approx(found[".time-interaction"].p_value[0], rel=1e-3)
    assert found[""].details["effect_at_day"] == 29


def test_a_day_between_two_visits_and_the_midpoint_lie_on_the_line():
    data = scores(missing=True)
    at = {where: fit(data, "linear-mixed", "interaction", **{"effect-at": where})[""] for where in (*VISITS, 15, 19)}
    middle = fit(data, "linear-mixed", "interaction", **{"effect-at": "midpoint"})[""]
    assert numbers(at[15]) == pytest.approx(numbers(at["week-2"]), rel=1e-6)
    slope = (at["week-4"].estimate[0] - at["week-1"].estimate[0]) / 3
    assert at[19].estimate[0] == pytest.approx(at["week-1"].estimate[0] + slope * 11 / 7, rel=1e-6)
    assert middle.estimate[0] == pytest.approx(at["week-1"].estimate[0] + slope * 1.5, rel=1e-6)
    assert middle.details["effect_at"] == "at day 18.5, halfway between the visits"
    assert "effect at day 19" in at[19].method


def test_the_slope_of_the_effect_is_given_beside_its_test():
    found = fit(scores(missing=True), "linear-mixed", "interaction")
    test = found[".time-interaction"]
    slope = test.details["change_per_week"][0]
    assert slope == pytest.approx((found[".at-week-4"].estimate[0] - found[".at-week-1"].estimate[0]) / 3, rel=1e-6)
    assert test.statistic[0] == pytest.approx(slope / test.details["change_per_week_se"][0])
    assert test.scale == "test"
    assert np.isnan(test.estimate[0])


def test_visits_as_categories_without_interaction_have_one_effect():
    found = fit(scores(), "linear-mixed", "category")
    assert list(found) == [""]
    assert "effect_at" not in found[""].details
    data = scores()
    arm = data[1].experimental == 1
    means = data[0].values.mean(axis=1)
    assert found[""].estimate[0] == pytest.approx(means[arm].mean() - means[~arm].mean(), rel=1e-9)


def test_a_visit_that_nobody_came_to_costs_no_effect_elsewhere():
    data = scores()
    data[0].values[:, 1] = np.nan
    found = fit(data, "linear-mixed", "category-interaction")
    arm = data[1].experimental == 1
    last = data[0].values[:, 2]
    assert found[""].estimate[0] == pytest.approx(last[arm].mean() - last[~arm].mean(), rel=1e-9)
    assert ".at-week-2" not in found


def test_beat_the_blues_agrees_with_lmertest(shared_data):
    # lmerTest 3.1-3: lmer(bdi ~ trt*wk + bdi.pre + drug + length + (1|id)), weeks centred at day 243 and at day 152.
    folder = shared_data.parent / "cases" / "time-interaction"
    records = import_table(folder / "mapping.yaml")
    results = {e.id: e for e in analyse(folder / "protocol.yaml", records).estimates}
    last, middle = results["interaction.at-day-243"], results["interaction"]
    assert (last.estimate, last.standard_error) == pytest.approx((-0.1382908, 2.147374), rel=2e-4)
    assert (middle.estimate, middle.standard_error) == pytest.approx((-1.62453, 1.77457), rel=2e-4)
    assert middle.details["effect_at"] == "at day 152, halfway between the visits"
    test = results["interaction.time-interaction"]
    assert test.p_value == pytest.approx(0.0904854, rel=1e-3)
    assert test.df == pytest.approx(195.80, rel=1e-3)
    assert test.details["change_per_week"] == pytest.approx(0.1143258, rel=1e-4)


FILE = """
equipoise: {version}
trial: {{id: small, title: Small}}
calendar: {{day-1: randomization, epochs: {{after: {{days: 1..30}}}}}}
interventions: {{a: {{type: other, words: a}}, b: {{type: other, words: b}}}}
arms: {{a: {{role: active-control, gives: [a]}}, b: {{role: experimental, gives: [b]}}}}
eligibility: {{include: null, exclude: null}}
randomization: {{ratio: {{a: 1, b: 1}}}}
assessments: {{craving: {{type: instrument, instrument: craving-vas}}}}
schedule:
  weekly: {{days: [8, 15, 29], named: "week-{{week}}", assess: [craving]}}
endpoints:
  score: {{kind: score, words: craving, assessment: craving, scale: score, at: weekly}}
estimands: {{asked: {{endpoint: score, treatments: b v a, summary: mean-difference}}}}
analyses: {{line: {{estimand: asked, estimator: linear-mixed, level: primary, alpha-two-sided: 0.05, {line}}}}}
"""


def read(tmp_path, line, version=2):
    path = tmp_path / "small.yaml"
    path.write_text(FILE.format(line=line, version=version))
    return read_protocol(path)


@pytest.mark.parametrize(
    ("line", "version", "holds_at"),
    [
        ("time: interaction", 2, "last"),
        ("time: interaction", 1, "midpoint"),
        ("time: category-interaction", 1, "last"),
        ("time: interaction, effect-at: last", 1, "last"),
        ("time: interaction, effect-at: week-2", 2, "week-2"),
        ("time: linear", 2, None),
    ],
)
def test_without_a_word_new_files_ask_for_the_last_visit_and_old_ones_for_the_middle(tmp_path, line, version, holds_at):
    [planned] = planned_fits(read(tmp_path, line, version))
    assert planned.analysis.effect_at == holds_at


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("effect-at: week-2", "P029"),
        ("time: category, effect-at: week-2", "P029"),
        ("time: interaction, effect-at: week-3", "P020"),
        ("time: interaction, effect-at: day 30", "P022"),
        ("time: category-interaction, effect-at: day 10", "P022"),
        ("time: category-interaction, effect-at: midpoint", "P015"),
        ("time: interaction, effect-at: 8..15", "P015"),
    ],
)
def test_a_day_that_the_effect_cannot_hold_at_is_refused(tmp_path, line, code):
    with pytest.raises(EquipoiseError) as caught:
        read(tmp_path, line)
    assert [problem.place for problem in caught.value.problems] == ["analyses.line.effect-at"]
    assert caught.value.problems[0].code == code


def test_the_key_left_out_leaves_the_hash_of_a_file_alone(tmp_path):
    old = read(tmp_path, "time: interaction", 1)
    assert "effect-at" not in old.resolved["analyses"]["line"]
    assert "effect-at" in read(tmp_path, "time: interaction, effect-at: last", 1).resolved["analyses"]["line"]
