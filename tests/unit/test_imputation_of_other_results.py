"""Imputation by reference of yes-or-no results, counts and times, from the protocol's words to results and report."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "spec"))
from outcome_trial import records_of, text_of

from equipoise.analysis.unfinished import find_gaps
from equipoise.endpoints.lattice import read_lattice
from equipoise.foundation.errors import ProtocolError
from equipoise.protocol import read_protocol_text
from equipoise.reporting.html import render_html
from equipoise.workflow.verbs import analyse, report

COUNT = "{kind: event-count, words: admissions, events: [hospitalization], days: 1..85}"
RATE = "{kind: event-count, words: admissions, as: rate, events: [hospitalization], days: 1..85}"
PERIODS = "{kind: event-count, words: admissions, events: [hospitalization], days: 1..84, period-days: 28}"
TIME = "{kind: time-to-event, words: relapse, time-zero: 1, first-of: [{event: relapse}], until: 85MORE}"
SWABS = "{kind: finding, words: germs, assessment: swab, at: weekly, better: lower}"
SWAB = "{kind: finding, words: germs at the end, assessment: swab, visit: day-85, better: lower}"
N = 24


def people() -> dict:
    """Twenty-four participants of each arm, some of whom leave, with fewer events in the active arm."""
    rng = np.random.default_rng(5)
    out = {}
    for number in range(2 * N):
        active = number >= N
        left = int(rng.integers(20, 80)) if rng.random() < 0.4 else 85
        days = np.flatnonzero(rng.random(left) < (0.012 if active else 0.03)) + 1
        relapse = rng.exponential(300.0 if active else 60.0)
        events = [("hospitalization", int(day), True) for day in days]
        if relapse < left:
            events.append(("relapse", int(relapse) + 1, True))
        swab = [int(rng.random() < 0.5)]
        for day in (29, 57, 85):
            swab.append(None if day > left else int(rng.random() < (0.25 if active else 0.6)))
        end = ("completion", 85) if left == 85 else ("lost_to_follow_up", left)
        out[f"p{number}"] = {"events": events, "left": [end], "swab": swab}
    return out


@pytest.fixture(scope="module")
def records():
    return records_of(people())


def protocol_with(endpoint: str, line: str, summary: str = "odds-ratio", estimator: str = "logistic"):
    text = text_of(endpoint.replace("MORE", ""), summary, estimator)
    more = line if line.startswith(", ") or not line else f", {line}"
    return read_protocol_text(text.replace("alpha-two-sided: 0.05}", f"alpha-two-sided: 0.05{more}}}"))


def answer(records, endpoint: str, line: str, summary: str, estimator: str):
    return analyse(protocol_with(endpoint, line, summary, estimator), records)["it"]


def refused(endpoint: str, line: str, summary: str = "odds-ratio", estimator: str = "logistic") -> list[str]:
    with pytest.raises(ProtocolError) as caught:
        protocol_with(endpoint, line, summary, estimator)
    return [f"{problem.code} {problem.place}" for problem in caught.value.problems]


KINDS = {
    "count": (COUNT, "rate-ratio", "negative-binomial"),
    "time": (TIME, "hazard-ratio", "cox"),
    "swabs": (SWABS, "odds-ratio", "gee"),
    "swab": (SWAB, "risk-difference", "risk-difference"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_jump_to_reference_moves_the_effect_towards_none(records, kind):
    endpoint, summary, estimator = KINDS[kind]
    found = {
        rule: answer(records, endpoint, f"imputation: {{sets: 60, after-dropout: {rule}}}", summary, estimator)
        for rule in ("at-random", "jump-to-reference")
    }
    distance = {
        rule: abs(it.estimate if summary == "risk-difference" else np.log(it.estimate)) for rule, it in found.items()
    }
    assert distance["jump-to-reference"] < distance["at-random"]
    jumped = found["jump-to-reference"]
    assert jumped.n_missed > 5
    assert "jump to reference after dropout" in jumped.method
    assert 0 < jumped.p_value < 1
    assert jumped.ci_lower < jumped.estimate < jumped.ci_upper


@pytest.mark.parametrize("kind", KINDS)
def test_a_shift_in_one_arm_moves_that_arm(records, kind):
    endpoint, summary, estimator = KINDS[kind]
    at = {
        delta: answer(records, endpoint, f"imputation: {{sets: 60, delta: {{active: {delta}}}}}", summary, estimator)
        for delta in (0, 2)
    }
    assert at[2].estimate > at[0].estimate
    share = {delta: it.details["share_imputed"] for delta, it in at.items()}
    assert share[2]["active"] > share[0]["active"]
    assert share[2]["usual"] == pytest.approx(share[0]["usual"], abs=0.15)


def test_a_shift_goes_with_a_reference_based_rule_and_tips_it(records):
    endpoint, summary, estimator = KINDS["count"]
    line = "imputation: {sets: 50, after-dropout: jump-to-reference}, tipping-point: {arm: active, up-to: 4, steps: 4}"
    protocol = protocol_with(endpoint, line, summary, estimator)
    results = analyse(protocol, records)
    tip = results["it"].details["tipping_point"]
    assert next(point["shift"] for point in tip["path"]) == 0.0
    shares = [point["share_imputed"] for point in tip["path"]]
    assert shares == sorted(shares)
    page = render_html(report(protocol, records, results))
    assert "logarithm of the rate" in page
    assert "Events, seen and imputed" in page


def test_rates_of_a_completed_count_are_told_by_arm(records):
    it = answer(records, COUNT, "imputation: {sets: 40, after-dropout: copy-reference}", "rate-ratio", "poisson")
    usual, active = it.details["rates"]
    assert usual["days"] == pytest.approx(85.0 * N)
    assert active["rate"] / usual["rate"] == pytest.approx(it.estimate, rel=0.05)
    assert usual["ci_lower"] < usual["rate"] < usual["ci_upper"]


def test_a_rate_is_completed_as_a_number_too(records):
    it = answer(records, RATE, "imputation: {sets: 30}", "mean-difference", "linear")
    assert it.n_analysed == 2 * N
    assert it.estimate < 0


def test_death_ends_what_there_is_to_impute():
    told = people()
    told["p0"] = {**told["p0"], "events": [("hospitalization", 3, True)], "left": [("death", 30)], "swab": [0] * 4}
    records = records_of(told)
    for endpoint, summary, estimator in (KINDS["count"], KINDS["time"]):
        protocol = protocol_with(endpoint, "imputation: {sets: 5}", summary, estimator)
        lattice = read_lattice(protocol, records)
        gaps = find_gaps(lattice, protocol.model.estimands["it"], None)
        rest = gaps.remaining if estimator != "cox" else gaps.until - gaps.base.time
        assert rest[0] == 0.0
        assert (rest > 0).any()
    text = text_of(TIME.replace("MORE", ""), "hazard-ratio", "cox").replace(
        "summary: hazard-ratio", "summary: hazard-ratio, intercurrent: {death: hypothetical}"
    )
    protocol = read_protocol_text(text)
    gaps = find_gaps(read_lattice(protocol, records), protocol.model.estimands["it"], None)
    assert gaps.until[0] == 84.0


@pytest.mark.parametrize("kind", KINDS)
def test_the_variance_in_repeated_sampling_stands_beside_rubins(records, kind):
    endpoint, summary, estimator = KINDS[kind]
    line = "imputation: {sets: 30, after-dropout: jump-to-reference, variance: bootstrap, resamples: 60}"
    it = answer(records, endpoint, line, summary, estimator)
    assert it.details["variance"] == "bootstrap"
    assert "60 bootstrap samples" in it.method
    assert 0.3 < it.standard_error / it.details["standard_error_rubin"] < 1.3


def test_what_cannot_be_carried_out_is_refused_with_its_place():
    at = "P035 analyses.it.imputation"
    nb, cox = ("rate-ratio", "negative-binomial"), ("hazard-ratio", "cox")
    assert refused(COUNT, "imputation: {after-dropout: copy-increments}", *nb) == [f"{at}.after-dropout"]
    assert refused(TIME, "imputation: {after-dropout: copy-reference}", *cox) == [f"{at}.after-dropout"]
    assert refused(PERIODS, "imputation: {sets: 5}", "rate-ratio", "negative-binomial-mixed") == [at, at]
    competing = TIME.replace("MORE", ", competing: [{event: death}]")
    assert refused(competing, "imputation: {sets: 5}", *cox) == [at]
    carried = TIME.replace("MORE", ", unobserved: is-event-free")
    assert refused(carried, "imputation: {sets: 5}", *cox) == [at]
    assert refused(SWABS, "imputation: {after-dropout: copy-reference, model: pooled}", "odds-ratio", "gee") == [
        f"{at}.model"
    ]
    assert refused(COUNT, "imputation: {model: latent-normal}", *nb) == [f"{at}.model"]
    assert refused(SWAB, "imputation: {variance: bootstrap}", "odds-ratio", "firth") == [f"{at}.variance"]
    assert refused(SWAB, "imputation: {variance: jackknife}") == [f"{at}.variance"]


@pytest.mark.parametrize("rule", ["at-random", "copy-increments"])
def test_where_nobody_has_a_result_nothing_is_answered(rule):
    nothing = {who: {**told, "swab": [0, None, None, None]} for who, told in people().items()}
    it = answer(records_of(nothing), SWAB, f"imputation: {{sets: 5, after-dropout: {rule}}}", "odds-ratio", "logistic")
    assert it.estimate is None
    assert "not-estimable" in it.warnings


def test_shifts_beyond_all_numbers_give_certain_events_or_no_answer(records):
    count, time = KINDS["count"], KINDS["time"]
    assert answer(records, count[0], "imputation: {sets: 5, delta: {active: 50}}", *count[1:]).estimate is None
    it = answer(records, time[0], "imputation: {sets: 5, delta: {active: 900}}", *time[1:])
    assert 0 < it.p_value <= 1
