"""A line of the plan by a mixed model for repeated measures: effects, adjusted means, what stands in, checks."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import polars as pl
import pytest
from ruamel.yaml import YAML

from equipoise.analysis.dataset import Comparison
from equipoise.analysis.fits import FITS
from equipoise.endpoints.endpoint_values import Derived
from equipoise.foundation.errors import EquipoiseError
from equipoise.protocol import Protocol
from equipoise.protocol.checks import repeated_measures
from equipoise.protocol.language.analysis import Analysis, CovarianceStructure
from equipoise.protocol.read import read_protocol_text
from equipoise.records import Records
from equipoise.stats.codes import sentence_of
from equipoise.stats.mmrm import MOST_VISITS, STRUCTURES
from equipoise.workflow import analyse, read_protocol

sys.path.insert(0, str(Path(__file__).parents[1] / "spec"))
import outcome_trial

VISITS = ("week-1", "week-2", "week-4")


def trial(seed=1, n=30, covariates=0, missing=True, logarithm=False):
    """Scores at three visits, and the comparison of two arms, with no records behind them."""
    rng = np.random.default_rng(seed)
    arm = np.arange(n) % 2
    x = rng.normal(3, 1, (n, covariates))
    values = 10 + rng.normal(0, 2, (n, 1)) + rng.normal(0, 1, (n, 3)) + arm[:, None] * np.array([0.5, 1.0, 3.0])
    values += x.sum(axis=1, keepdims=True) * np.array([0.2, 0.5, 1.0])
    if missing:
        values[rng.random((n, 3)) < 0.15] = np.nan
    derived = Derived(
        endpoint="score",
        kind="score",
        shape="repeated-score",
        participants=None,
        event_word="use",
        values=np.log(values) if logarithm else values,
        visit_names=VISITS,
        visit_weeks=np.array([0.0, 1.0, 3.0]),
        first_visit_day=7,
        logarithm=logarithm,
    )
    comparison = Comparison(
        rows=np.arange(n),
        experimental=arm.astype(np.float64),
        covariates=x,
        names=tuple(f"x{k}" for k in range(covariates)),
        offsets=np.array([0, n]),
        n_randomized=np.array([n]),
        arm="b",
        reference="a",
        incomplete=np.zeros(n, dtype=np.bool_),
        levels=(),
        factors=tuple((f"x{k}", ()) for k in range(covariates)),
    )
    return derived, comparison


def line(**more):
    return Analysis.model_validate({"estimand": "e", "estimator": "mmrm", **more})


def fit(data, **more):
    return {outcome.suffix: outcome for outcome in FITS["mmrm"](*data, line(**more))}


def numbers(outcome):
    parts = (outcome.estimate, outcome.standard_error, outcome.df, outcome.p_value)
    return [float(part[0]) for part in parts]


def test_the_language_names_the_structures_that_there_are() -> None:
    assert set(get_args(CovarianceStructure)) == set(STRUCTURES)


def test_check_and_fit_agree_how_many_visits_there_may_be() -> None:
    assert repeated_measures.MOST_VISITS == MOST_VISITS


def test_an_interaction_of_factors_has_no_adjusted_means_of_two_arms() -> None:
    derived, comparison = trial()
    (arm, other) = fit((derived, comparison))[""], fit((derived, replace(comparison, is_interaction=True)))[""]
    assert "adjusted_means" in arm.details
    assert "adjusted_means" not in other.details
    assert numbers(other) == numbers(arm)


def test_a_line_that_says_nothing_of_time_has_a_mean_for_each_arm_and_visit() -> None:
    assert line().time == "category-interaction"
    assert line(time="linear").time == "linear"
    assert Analysis.model_validate({"estimand": "e", "estimator": "linear-mixed"}).time == "linear"


def test_with_nothing_missing_each_visit_is_a_t_test() -> None:
    data = trial(missing=False)
    values, arm = data[0].values, data[1].experimental == 1
    found = fit(data)
    for visit, name in enumerate(VISITS):
        one, other = values[arm, visit], values[~arm, visit]
        pooled = (one.var(ddof=1) * 14 + other.var(ddof=1) * 14) / 28
        expected = [one.mean() - other.mean(), np.sqrt(pooled * 2 / 15), 28.0]
        assert numbers(found[f".at-{name}"])[:3] == pytest.approx(expected, rel=1e-6)
    assert numbers(found[""]) == pytest.approx(numbers(found[".at-week-4"]), rel=1e-9)


@pytest.mark.parametrize("method", ["kenward-roger", "satterthwaite", "sandwich"])
@pytest.mark.parametrize("structure", ["unstructured", "ar1-heterogeneous", "compound-symmetry"])
def test_the_effect_at_a_visit_is_that_of_a_line_that_asks_for_it_there(method: str, structure: str) -> None:
    data = trial()
    more = {"method": method, "covariance": structure}
    found = fit(data, **more)
    for name in VISITS:
        asked = fit(data, **more, **{"effect-at": name})
        assert numbers(asked[""]) == pytest.approx(numbers(found[f".at-{name}"]), rel=1e-6)
        assert asked[".time-interaction"].p_value[0] == pytest.approx(found[".time-interaction"].p_value[0], rel=1e-5)
        # The adjusted means of the arms differ by the effect.
        means = {(m["arm"], m["visit"]): m["mean"] for m in asked[""].details["adjusted_means"]}
        assert means["b", name] - means["a", name] == pytest.approx(asked[""].estimate[0], rel=1e-6)


def test_adjusted_means_are_means_where_nothing_is_missing_and_move_with_no_origin() -> None:
    data = trial(missing=False, covariates=1)
    values, arm = data[0].values, data[1].experimental == 1
    plain = fit((data[0], replace(data[1], covariates=data[1].covariates[:, :0], names=(), factors=())))[""]
    means = {(m["arm"], m["visit"]): m["mean"] for m in plain.details["adjusted_means"]}
    assert means["b", "week-2"] == pytest.approx(values[arm, 1].mean(), rel=1e-9)
    # With a covariate they are least squares at its average; another zero of the covariate changes nothing.
    near = fit(data)[""].details["adjusted_means"]
    far = fit((data[0], replace(data[1], covariates=data[1].covariates + 1000.0)))[""].details["adjusted_means"]
    for a, b in zip(near, far, strict=True):
        assert (a["mean"], a["standard_error"], a["df"]) == pytest.approx((b["mean"], b["standard_error"], b["df"]))


def test_ratios_are_of_geometric_means() -> None:
    found = fit(trial(logarithm=True))
    assert found[""].scale == "ratio_of_means"
    means = {(m["arm"], m["visit"]): m["mean"] for m in found[""].details["adjusted_means"]}
    assert means["b", "week-4"] / means["a", "week-4"] == pytest.approx(found[""].estimate[0], rel=1e-9)


def test_a_slope_by_visit_of_the_baseline_is_a_regression_at_each_visit() -> None:
    data = trial(missing=False, covariates=1)
    found = fit(data, covariates=["x0"], **{"covariates-by-visit": ["x0"]})
    design = np.column_stack([np.ones(30), data[1].experimental, data[1].covariates[:, 0]])
    for visit, name in enumerate(VISITS):
        beta = np.linalg.lstsq(design, data[0].values[:, visit], rcond=None)[0]
        assert found[f".at-{name}"].estimate[0] == pytest.approx(beta[1], rel=1e-7)
        assert found[f".at-{name}"].df[0] == pytest.approx(27.0, rel=1e-6)


def test_a_simpler_covariance_is_said_in_the_row_and_in_words() -> None:
    derived, comparison = trial(n=10, seed=3)
    gone = derived.values.copy()
    gone[2:, 0] = np.nan  # two people at the first visit: an unstructured matrix has no maximum
    main = fit((replace(derived, values=gone), comparison), time="category")[""]
    said = [slug for slug in main.warning_slugs() if slug.startswith("covariance-simplified")]
    assert len(said) == 1
    assert "planned: unstructured covariance" in main.method
    assert str(sentence_of(said[0])).endswith(f"{main.details['covariance_used']}.")


def test_a_batch_gives_each_trial_what_it_has_alone() -> None:
    one, two = trial(1), trial(2)
    derived = replace(one[0], values=np.vstack([one[0].values, two[0].values]))
    comparison = replace(
        one[1],
        rows=np.arange(60),
        experimental=np.tile(one[1].experimental, 2),
        covariates=np.empty((60, 0)),
        offsets=np.array([0, 30, 60]),
        n_randomized=np.array([30, 30]),
        incomplete=np.zeros(60, dtype=np.bool_),
    )
    (both,) = FITS["mmrm"](derived, comparison, line())
    for k, alone in enumerate((one, two)):
        main = fit(alone)[""]
        for name in ("estimate", "standard_error", "df", "ci_lower", "p_value", "codes"):
            assert getattr(both, name)[k] == getattr(main, name)[0]


def test_a_visit_that_one_arm_never_had_costs_its_own_effect_alone_and_is_named() -> None:
    derived, comparison = trial()
    values = derived.values.copy()
    values[comparison.experimental == 1, 1] = np.nan
    found = fit((replace(derived, values=values), comparison))
    assert np.isfinite(found[""].estimate[0])
    assert np.isfinite(found[".at-week-1"].estimate[0])
    assert np.isnan(found[".at-week-2"].estimate[0])
    assert "nuisance-left-out: arm x week-2" in found[""].warning_slugs()
    last = fit(
        (
            replace(derived, values=np.where(comparison.experimental[:, None] == 1, values[:, [0, 2, 1]], values)),
            comparison,
        )
    )
    assert "not-estimable" in last[""].warning_slugs()


# --- what `equipoise check` says


def problems(**more) -> list[tuple[str, str]]:
    body = YAML(typ="safe").load(read_protocol("ketamine-depression-withdrawal").path.read_text("utf-8"))
    body["analyses"]["by-visit"] = {"estimand": "depression", "estimator": "mmrm", "level": "sensitivity", **more}
    return _problems(body)


def _problems(body: dict) -> list[tuple[str, str]]:
    from io import StringIO

    text = StringIO()
    YAML(typ="safe").dump(body, text)
    try:
        read = read_protocol_text(text.getvalue(), file="trial.yaml")
    except EquipoiseError as error:
        return [(problem.code, problem.place) for problem in error.problems]
    assert isinstance(read, Protocol)
    return []


def test_what_goes_together_passes() -> None:
    by_visit = {"covariates": ["mood-at-entry"], "covariates-by-visit": ["mood-at-entry"]}
    assert problems(**by_visit, covariance="toeplitz", method="satterthwaite", **{"covariance-by-arm": True}) == []


@pytest.mark.parametrize(
    ("more", "code", "key"),
    [
        ({"covariance": "spatial"}, "P013", "covariance"),
        ({"method": "between-within"}, "P029", "method"),
        ({"covariates-by-visit": ["mood-at-entry"]}, "P029", "covariates-by-visit"),
        (
            {"covariates": ["mood-at-entry"], "covariates-by-visit": ["mood-at-entry"], "time": "linear"},
            "P029",
            "covariates-by-visit",
        ),
        ({"random-slope": True}, "P029", "random-slope"),
        ({"effect-at": "week-99"}, "P020", "effect-at"),
        ({"estimand": "relapse"}, "P028", "estimator"),
    ],
)
def test_what_does_not_is_refused_at_its_place(more: dict, code: str, key: str) -> None:
    assert (code, f"analyses.by-visit.{key}") in problems(**more)


def test_its_options_belong_to_it_alone() -> None:
    assert ("P029", "analyses.by-visit.covariance") in problems(estimator="linear-mixed", covariance="ar1")


def test_one_visit_is_refused() -> None:
    body = YAML(typ="safe").load(read_protocol("ketamine-depression-withdrawal").path.read_text("utf-8"))
    weekly = body["schedule"][body["endpoints"]["depression"]["at"]]
    body["schedule"]["once"] = {"day": 60, "assess": list(weekly["assess"])}
    body["endpoints"]["depression"]["at"] = "once"
    body["analyses"] = {
        "by-visit": {"estimand": "depression", "estimator": "mmrm", "level": "primary", "alpha-two-sided": 0.05}
    }
    assert ("P028", "analyses.by-visit.estimator") in _problems(body)


FACTORIAL = """
endpoints: {mood: {kind: score, words: w, assessment: mood, at: weekly}}
estimands: {it: {endpoint: mood, factor: drug, treatments: pill v none, interaction: talk, summary: mean-difference}}
analyses: {it: {estimand: it, estimator: ESTIMATOR, level: primary, alpha-two-sided: 0.05}}
"""


@pytest.mark.parametrize("estimator", ["linear-mixed", "mmrm, covariance: ar1"])
def test_an_interaction_of_factors_draws_no_curves_of_mixed_groups(estimator: str) -> None:
    text = outcome_trial.TRIAL[: outcome_trial.TRIAL.index("endpoints:")]
    arms, after = text.index("arms:"), text.index("eligibility:")
    four = {f"{drug}-{talk}": {"drug": drug, "talk": talk} for drug in ("none", "pill") for talk in ("less", "more")}
    lines = [f"  {id}: {{role: experimental, gives: [{f['drug']}], factors: {f}}}" for id, f in four.items()]
    text = f"{text[:arms]}arms:\n{chr(10).join(lines)}\n{text[after:]}"
    text = text.replace("{usual: 1, active: 1}", str(dict.fromkeys(four, 1))).replace(
        "{id: ", "{design: factorial, id: "
    )
    factors = "factors: {drug: {levels: [none, pill]}, talk: {levels: [less, more]}}\n"
    text = text.replace("interventions:\n", f"{factors}interventions:\n").replace("'", "")
    protocol = read_protocol_text(text + FACTORIAL.lstrip().replace("ESTIMATOR", estimator))
    rng = np.random.default_rng(3)
    people = {str(k): {"mood": [30, *rng.integers(8, 25, 3).tolist()]} for k in range(24)}
    made = outcome_trial.records_of(people)
    allocated = made.tables["allocations"].with_columns(pl.Series("arm", [list(four)[k % 4] for k in range(24)]))
    results = analyse(protocol, Records({**made.tables, "allocations": allocated}, made.source))
    assert np.isfinite(results["it"].ci_lower)
    assert results.model_curves == ()
