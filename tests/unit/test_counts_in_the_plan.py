"""Counts over days observed from the protocol's words to results and report."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "spec"))
from outcome_trial import derive, plain, protocol_of, records_of, text_of

from equipoise.protocol import read_protocol_text
from equipoise.reporting.by_arm import arm_result, what_is_shown
from equipoise.reporting.html import render_html
from equipoise.workflow.checks import check_protocol
from equipoise.workflow.power import power
from equipoise.workflow.verbs import analyse, report

ADMISSIONS = "{kind: event-count, words: admissions, events: [hospitalization], days: 1..85}"
IN_PERIODS = "{kind: event-count, words: admissions, events: [hospitalization], days: 1..84, period-days: 28}"


def person(*days: int, left: int = 85) -> dict:
    end = ("completion", 85) if left == 85 else ("lost_to_follow_up", left)
    return {"events": [("hospitalization", day, True) for day in days], "left": [end]}


# usual: 6 in 85 + 85 + 40 days; active: 2 in 85 + 85 + 85.
PEOPLE = {
    "a": person(3, 50),
    "b": person(9, 30, 70),
    "c": person(20, left=40),
    "d": person(80),
    "e": person(33),
    "f": person(),
}


def test_who_left_early_counts_for_the_days_observed() -> None:
    protocol = protocol_of(ADMISSIONS, "rate-ratio", "poisson")
    it = analyse(protocol, records_of(PEOPLE))["it"]
    assert it.estimate == pytest.approx((2 / 255) / (6 / 210), rel=1e-9)
    assert (it.n_analysed, it.n_events, it.n_missed) == (6, 8, 0)
    rates = it.details["rates"]
    assert [(rate["events"], round(rate["days"])) for rate in rates] == [(6, 210), (2, 255)]
    assert rates[0]["rate"] == pytest.approx(30 * 6 / 210, rel=1e-9)
    page = render_html(report(protocol, records_of(PEOPLE), analyse(protocol, records_of(PEOPLE))))
    assert "Rates by arm" in page
    assert "0.86 (" in page
    # Events by arm are of everybody's days: a mean would be of those alone who were observed to the end.
    results = analyse(protocol, records_of(PEOPLE))["it"]
    derived = derive(ADMISSIONS, PEOPLE, summary="rate-ratio", estimator="poisson")
    assert what_is_shown(derived) == ", events/days observed"
    by_arm = [arm_result(derived, derived.participants.arm == arm) for arm in (results.reference, results.arm)]
    assert by_arm == ["6/210", "2/255"]
    assert "6/210" in page
    whole = derive(ADMISSIONS, {**PEOPLE, "c": person(20)}, summary="rate-ratio", estimator="poisson")
    assert what_is_shown(whole) == ", mean (SD)"


def test_an_arm_without_events_is_told_with_its_limit_and_the_exact_answer() -> None:
    people = {**PEOPLE, "d": person(), "e": person()}
    results = analyse(protocol_of(ADMISSIONS, "rate-ratio", "poisson"), records_of(people))
    it, exact = results["it"], results["it.exact"]
    assert it.estimate == 0.0
    assert "estimate-zero" in it.warnings
    assert 0 < it.ci_upper < 1
    assert it.p_value is not None
    assert (exact.estimate, exact.p_value) == (0.0, pytest.approx(2 * (210 / 465) ** 6, rel=1e-9))
    rate = it.details["rates"][1]
    assert rate["rate"] == 0.0
    assert rate["ci_upper"] > 0


def test_nobody_observed_is_left_out_and_said() -> None:
    people = {**PEOPLE, "f": {}}
    it = analyse(protocol_of(ADMISSIONS, "rate-ratio", "negative-binomial"), records_of(people))["it"]
    assert (it.n_analysed, it.n_missed) == (5, 1)
    assert it.estimate == pytest.approx((2 / 170) / (6 / 210), rel=0.2)


def test_somebody_of_whom_nothing_is_known_has_no_rate() -> None:
    # From a later day on too: the last day known lies before all days.
    late = "{kind: event-count, words: admissions, as: rate, events: [hospitalization], days: 20..85}"
    derived = derive(late, {"a": person(30), "b": {}}, summary="mean-difference", estimator="linear")
    assert plain(derived.value) == [pytest.approx(30 / 66), None]
    assert plain(derived.exposure) == [66, 0]


def test_counts_in_periods_have_days_of_their_own() -> None:
    derived = derive(
        IN_PERIODS, {"a": person(3, 50), "c": person(20, left=40)}, summary="mean-difference", estimator="linear"
    )
    assert derived.visit_names == ("period-1", "period-2", "period-3")
    assert plain(derived.tally.events) == [[1, 1, 0], [1, 0, None]]
    assert plain(derived.tally.days) == [[28, 28, 28], [28, 12, 0]]
    # A plain count needs its whole period.
    assert plain(derived.values) == [[1, 1, 0], [1, None, None]]


@pytest.mark.parametrize("estimator", ["poisson-mixed", "negative-binomial-mixed"])
def test_counts_in_periods_by_a_mixed_model(estimator) -> None:
    text = text_of(IN_PERIODS, "rate-ratio", estimator).replace(
        "alpha-two-sided: 0.05}", "alpha-two-sided: 0.05, time: category-interaction, effect-at: period-3}"
    )
    results = analyse(read_protocol_text(text), records_of({k: person(10, 40, 70) for k in "abcdefgh"}))
    it = results["it"]
    assert it.estimate == pytest.approx(1.0, abs=1e-9)
    assert "boundary-variance" in it.warnings
    assert results["it.at-period-1"].estimate == pytest.approx(1.0, abs=1e-9)
    assert results["it.time-interaction"].p_value == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize(
    ("endpoint", "estimator", "more", "code"),
    [
        ("{kind: event, words: relapse, events: [relapse], days: 1..85}", "poisson", "", "P028"),
        ("{kind: score, words: mood, assessment: mood, at: weekly}", "poisson-mixed", "", "P028"),
        (ADMISSIONS, "poisson-mixed", "", "P028"),
        (IN_PERIODS, "poisson", "", "P028"),
        (IN_PERIODS, "poisson-mixed", ", imputation: {sets: 5, seed: 1}", "P035"),
        (ADMISSIONS, "poisson", ", nodes: 9", "P029"),
        (ADMISSIONS, "poisson", ", method: wilson", "P029"),
    ],
)
def test_what_does_not_count_over_days_is_refused(tmp_path, endpoint, estimator, more, code) -> None:
    path = tmp_path / "it.yaml"
    text = text_of(endpoint, "rate-ratio", estimator)
    path.write_text(text.replace("alpha-two-sided: 0.05}", f"alpha-two-sided: 0.05{more}}}"))
    assert code in [problem.code for problem in check_protocol(path).problems]


@pytest.mark.parametrize(
    ("endpoint", "estimator"),
    [
        (ADMISSIONS, "poisson"),
        (ADMISSIONS, "negative-binomial"),
        (IN_PERIODS, "negative-binomial-mixed"),
    ],
)
def test_power_of_a_rate_ratio(endpoint, estimator) -> None:
    text = text_of(endpoint, "rate-ratio", estimator) + (
        "assumptions:\n"
        "  it: {words: half as many admissions, n: {usual: 60, active: 60}, attrition: 10 %,\n"
        "       simple: {it: {rate: 1 per 28 days, ratio: {active: 0.5}, dispersion: 0.5}}}\n"
    )
    protocol = read_protocol_text(text)
    cells = power(protocol, replicates=40, seed=3).cells
    row = next(row for row in cells[0].rows if row.row.id == "it")
    assert row.median == pytest.approx(0.5, rel=0.25)
    assert row.significant.value > 0.6
