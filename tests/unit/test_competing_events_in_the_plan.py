"""Competing events from the protocol's words to results, report and power."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "spec"))
from outcome_trial import derive, plain, protocol_of, records_of, text_of

from equipoise.protocol import read_protocol_text
from equipoise.reporting.html import render_html
from equipoise.workflow.checks import check_protocol
from equipoise.workflow.power import power
from equipoise.workflow.verbs import analyse, report

RELAPSE = (
    "{kind: time-to-event, words: days to relapse, time-zero: day 1, until: day 85, "
    "first-of: [{event: relapse}], competing: [{event: death}, {disposition: [study_withdrawal]}]}"
)
ASKED = {"summary": "subdistribution-hazard-ratio", "estimator": "fine-gray"}


def person(relapse: int | None = None, left: tuple[str, int] = ("completion", 85)) -> dict:
    events = [("relapse", relapse, True)] if relapse is not None else []
    return {"events": events, "left": [left]}


PEOPLE = {
    "a": person(20),
    "b": person(40),
    "c": person(left=("death", 30)),
    "d": person(),
    "e": person(60, ("death", 70)),
    "f": person(left=("study_withdrawal", 50)),
    "g": person(30, ("study_withdrawal", 30)),
    "h": person(left=("lost_to_follow_up", 44)),
}


def test_the_first_event_of_all_decides_and_its_own_comes_first_on_one_day() -> None:
    derived = derive(RELAPSE, PEOPLE, **ASKED)
    assert plain(derived.time) == [19, 39, 29, 84, 59, 49, 29, 43]
    assert derived.event.tolist() == [True, True, False, False, True, False, True, False]
    assert derived.competing.tolist() == [False, False, True, False, False, True, False, False]
    assert derived.cause.tolist() == ["relapse", "relapse", "death", "", "relapse", "disposition", "relapse", ""]
    table = derived.table()
    assert table["competing_event"].to_list() == derived.competing.tolist()


def test_time_before_a_competing_event_that_nobody_observed_is_told() -> None:
    # The mood was last seen on day 29; the death of day 60 ends time there.
    endpoint = (
        "{kind: time-to-event, words: days to remission, time-zero: day 1, until: day 85, "
        "first-of: [{assessment: mood, at: weekly, at-most: 9}], competing: [{event: death}]}"
    )
    people = {"a": {"mood": [30, 20, None, None], "left": [("death", 60)]}, "b": {"mood": [30, 20, 20, 20]}}
    derived = derive(endpoint, people, **ASKED)
    assert plain(derived.time) == [59, 84]
    assert derived.competing.tolist() == [True, False]
    assert derived.marks["time-carried-forward"].tolist() == [True, False]


def test_the_plan_gives_both_ratios_both_curves_and_no_kaplan_meier() -> None:
    protocol = protocol_of(RELAPSE, **ASKED)
    results = analyse(protocol, records_of(PEOPLE))
    it = results["it"]
    assert it.scale == "subdistribution_hazard_ratio"
    assert (it.n_analysed, it.n_events) == (8, 4)
    specific = {row["what"]: row["n_events"] for row in it.details["cause_specific"]}
    assert specific == {"event": {"usual": 2, "active": 2}, "competing": {"usual": 1, "active": 1}}
    assert not results.survival_curves
    assert len(results.incidence_curves) == 2
    page = render_html(report(protocol, records_of(PEOPLE), results))
    assert "Cumulative incidence of relapse" in page
    assert "Hazards side by side" in page
    assert "Share without" not in page


def test_cumulative_incidences_by_arm_are_those_by_hand() -> None:
    text = text_of(RELAPSE, "subdistribution-hazard-ratio", "cumulative-incidence")
    text = text.replace("alpha-two-sided: 0.05}", "alpha-two-sided: 0.05, horizon: 45}")
    results = analyse(read_protocol_text(text), records_of(PEOPLE))
    assert results["it.usual.incidence"].estimate == pytest.approx(2 / 4)
    assert results["it.usual.competing"].estimate == pytest.approx(1 / 4)
    # Active: one relapse of four by day 30, one censored at 44.
    assert results["it.active.incidence"].estimate == pytest.approx(1 / 4)
    assert (results["it.active.competing"].estimate, results["it.active.competing"].n_events) == (0.0, 0)
    assert "incidence-zero" in results["it.active.competing"].warnings


def test_cox_and_log_rank_say_that_their_hazard_is_cause_specific() -> None:
    for estimator in ("cox", "log-rank"):
        it = analyse(protocol_of(RELAPSE, "hazard-ratio", estimator), records_of(PEOPLE))["it"]
        assert "cause-specific" in it.method


@pytest.mark.parametrize(
    ("endpoint", "summary", "estimator", "code"),
    [
        (RELAPSE, "hazard-ratio", "kaplan-meier", "P028"),
        (RELAPSE, "rmst-difference", "rmst-difference", "P028"),
        (
            RELAPSE.replace("competing: [{event: death}, {disposition: [study_withdrawal]}]", "unit: day"),
            *ASKED.values(),
            "P028",
        ),
        (RELAPSE.replace("{event: death}", "{event: relapse}"), *ASKED.values(), "P0"),
        (RELAPSE.replace("{event: death}", "{event: flood}"), *ASKED.values(), "P0"),
    ],
)
def test_what_would_be_wrong_is_refused(tmp_path, endpoint, summary, estimator, code) -> None:
    path = tmp_path / "it.yaml"
    path.write_text(text_of(endpoint, summary, estimator))
    assert any(problem.code.startswith(code) for problem in check_protocol(path).problems)


def with_assumptions(more: str) -> str:
    return text_of(RELAPSE, *ASKED.values()).replace(
        "{disposition: [study_withdrawal]}", "{event: hospitalization}"
    ) + (
        "assumptions:\n  it: {words: fewer relapses, n: {usual: 80, active: 80},\n"
        f"       simple: {{it: {{hazard: 0.012 per day, ratio: {{active: 0.4}}{more}}}}}}}\n"
    )


def test_power_draws_competing_events_and_refuses_to_leave_them_out() -> None:
    protocol = read_protocol_text(with_assumptions(", competing: 0.004 per day"))
    row = next(row for row in power(protocol, replicates=60, seed=2).cells[0].rows if row.row.id == "it")
    assert row.median == pytest.approx(0.42, abs=0.08)
    assert row.significant.value > 0.8
    with pytest.raises(Exception, match="competing"):
        power(read_protocol_text(with_assumptions("")), replicates=2)
