"""The sister trials: each file runs from protocol to report, and its simulated world lies where the sources say."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from equipoise.design.operating import Cell, run_cells
from equipoise.design.scenarios import resolve_scenario
from equipoise.protocol import Protocol
from equipoise.simulation.batches import simulate_batch
from equipoise.simulation.scenario import read_scenario
from equipoise.simulation.simulate import simulate
from equipoise.workflow.checks import check_protocol
from equipoise.workflow.library import read_protocol
from equipoise.workflow.verbs import run

SISTERS = (
    "ketamine-met-alcohol",
    "kare",
    "ketamine-mbrp-cocaine-replication",
    "biopsychosocial-programme",
    "ketamine-depression-course",
    "ketamine-depression-withdrawal",
    "ketamine-cocaine-crossover",
    "ketamine-kpt-heroin-dose",
    "ketamine-kpt-heroin-repeated",
)


@pytest.fixture(scope="module", params=SISTERS)
def sister(request: pytest.FixtureRequest) -> Protocol:
    return read_protocol(str(request.param))


def test_a_sister_is_right_and_every_set_of_assumptions_can_be_read(sister: Protocol) -> None:
    assert check_protocol(sister.id).problems == ()
    for name in sister.model.assumptions:
        assert read_scenario(sister, name).arm_sizes


def test_a_sister_runs_from_protocol_to_report(sister: Protocol, tmp_path: Path) -> None:
    made = run(sister, out=tmp_path / "out", seed=7, pdf=False)
    html = (tmp_path / "out" / "report.html").read_text("utf-8")
    assert "SIMULATED" in html or "fictional" in html
    lines = {estimate.id.split(".")[0].split("[")[0] for estimate in made.results.estimates}
    assert lines >= set(sister.model.analyses)
    if "cocaine" not in sister.text.lower():
        assert "cocaine" not in html.lower()


def test_doses_and_sessions_are_those_of_the_arm_that_gives_them(sister: Protocol) -> None:
    records = simulate(sister, seed=3)
    for table in ("exposure", "sessions"):
        rows = records[table]
        if not rows.height:
            continue
        given = rows.join(records["allocations"].select("participant_id", "arm"), on="participant_id")
        for arm, intervention in given.select("arm", "intervention").unique().iter_rows():
            assert intervention in sister.model.arms[arm].interventions


def _shares(protocol: Protocol, endpoint: str, replicates: int) -> dict[str, float]:
    from equipoise.endpoints.derivation import derive_endpoint

    lattice = simulate_batch(protocol, read_scenario(protocol), seed=1, replicates=range(replicates)).lattice
    value = pl.Series(derive_endpoint(lattice, endpoint).value)
    frame = pl.DataFrame({"arm": lattice.participants.arm.tolist(), "value": value}).with_columns(
        pl.col("value").fill_nan(None)
    )
    return dict(frame.group_by("arm").agg(pl.col("value").mean()).iter_rows())


def test_alcohol_the_shares_abstinent_in_the_last_week_are_those_of_the_press_text() -> None:
    shares = _shares(read_protocol("ketamine-met-alcohol"), "last-week", 300)
    # The bands of the design, 78 to 86 and 60 to 70 %, each wider by 4 Monte Carlo SE of 300 trials.
    assert 0.78 - 4 * math.sqrt(0.15 / 5100) < shares["ketamine"] < 0.86 + 4 * math.sqrt(0.15 / 5100)
    assert 0.60 - 4 * math.sqrt(0.23 / 6900) < shares["midazolam"] < 0.70 + 4 * math.sqrt(0.23 / 6900)


def test_kare_the_differences_in_days_abstinent_are_those_published() -> None:
    means = _shares(read_protocol("kare"), "abstinent-days", 60)
    with_drug = (means["ketamine-education"] + means["ketamine-therapy"]) / 2
    without = (means["saline-education"] + means["saline-therapy"]) / 2
    # Published 10.1 and 15.9 points; bands of the design with 4 Monte Carlo SE of 60 trials (SE 4.4 and 6.3 a trial).
    assert 7.9 - 4 * 4.4 / math.sqrt(60) < with_drug - without < 11.3 + 4 * 4.4 / math.sqrt(60)
    both = means["ketamine-therapy"] - means["saline-education"]
    assert 12.8 - 4 * 6.3 / math.sqrt(60) < both < 17.6 + 4 * 6.3 / math.sqrt(60)
    assert 84 - 2 < with_drug < 89 + 2


def test_kare_in_a_factorial_two_numbers_a_factor_are_enough_for_power() -> None:
    protocol = read_protocol("kare")
    made = run_cells(protocol, [Cell(resolve_scenario(protocol, "planning")[0], {})], replicates=300, seed=1)[0]
    drug = next(s for s in made.rows if s.row.id == "drug")
    assert drug.significant is not None
    # SE of the difference 2 * 22 / sqrt(96) = 4.49: normal power of 10.1 at two-sided 0.05 is 0.61.
    assert drug.significant.value == pytest.approx(0.61, abs=4 * math.sqrt(0.61 * 0.39 / 300))
    assert set(made.not_drawn) == {"relapse"}


def test_a_programme_compares_nothing() -> None:
    protocol = read_protocol("biopsychosocial-programme")
    records = simulate(protocol, seed=7)
    sessions = records["sessions"].filter(pl.col("delivered"))
    assert set(sessions["intervention"]) == {"integration"}
    assert records["exposure"]["day"].is_in([7, 14, 21, 28, 35, 42]).all()


def test_a_course_for_depression_some_are_better_after_one_infusion_and_many_need_several() -> None:
    protocol = read_protocol("ketamine-depression-course")
    names = ("response-after-one", "response", "remission", "response-at-end")
    one, six, remission, end = (_shares(protocol, name, 100)["course"] for name in names)
    error = math.sqrt(0.25 / 6000)
    # The design: some 23, 54, 39 and 18 %; first at least 15 points below sixth; the benefit goes again.
    for found, wanted in ((one, 0.235), (six, 0.54), (remission, 0.39), (end, 0.182)):
        assert found == pytest.approx(wanted, abs=0.03 + 4 * error)
    assert one < six - 0.15
    assert end < six


def test_a_course_for_depression_its_exact_interval_covers_what_the_world_holds() -> None:
    from equipoise.endpoints.derivation import derive_endpoint
    from equipoise.stats.risk import clopper_pearson

    protocol = read_protocol("ketamine-depression-course")
    lattice = simulate_batch(protocol, read_scenario(protocol, "one-world"), seed=2, replicates=range(600)).lattice
    value = derive_endpoint(lattice, "response").value
    assert value is not None
    events = value.reshape(600, 60).sum(axis=1)
    fit = clopper_pearson(events, 60)
    truth = value.mean()
    covered = ((fit.ci_lower <= truth) & (fit.ci_upper >= truth)).mean()
    assert covered > 0.95 - 4 * math.sqrt(0.05 * 0.95 / 600)


def test_a_goal_has_power_and_a_description_has_none() -> None:
    protocol = read_protocol("ketamine-depression-course")
    made = run_cells(protocol, [Cell(resolve_scenario(protocol, "planning")[0], {})], replicates=500, seed=1)[0]
    assert not made.is_null
    found = {s.row.id: s for s in made.rows}
    response = found["response.course"]
    assert response.row.kind == "goal"
    assert response.significant is not None
    # By hand: 33 or more of 60 have p below 0.05 in the exact test against 40 %; P(X >= 33) at 55 % is 0.553.
    assert response.significant.value == pytest.approx(0.553, abs=4 * math.sqrt(0.25 / 500))
    assert found["response-by-wilson.course"].significant is None
    programme = read_protocol("biopsychosocial-programme")
    made = run_cells(programme, [Cell(resolve_scenario(programme, None)[0], {})], replicates=4, seed=1)[0]
    assert all(s.significant is None for s in made.rows)
    assert not made.rules


def test_withdrawal_keeps_from_relapse_as_its_world_says() -> None:
    from equipoise.endpoints.derivation import derive_endpoint

    protocol = read_protocol("ketamine-depression-withdrawal")
    lattice = simulate_batch(protocol, read_scenario(protocol), seed=1, replicates=range(100)).lattice
    event = derive_endpoint(lattice, "relapse").event
    assert event is not None
    for arm, wanted in (("saline", 0.82), ("ketamine", 0.52)):
        assert event[lattice.participants.arm == arm].mean() == pytest.approx(wanted, abs=4 * 0.5 / math.sqrt(3000))


def _choices(scenario: str, replicates: int, seed: int = 1) -> dict[str, float]:
    """Mean choices by treatment, and the mean of the estimates of the difference."""
    from equipoise.analysis.plan import Plan, planned_fits
    from equipoise.endpoints.derivation import derive_endpoint

    protocol = read_protocol("ketamine-cocaine-crossover")
    world = read_scenario(protocol, scenario)
    lattice = simulate_batch(protocol, world, seed=seed, replicates=range(replicates)).lattice
    values = derive_endpoint(lattice, "choices").values
    assert values is not None
    first = lattice.participants.arm == "ketamine-first"
    swapped = np.where(first[:, None], values[:, ::-1], values)  # midazolam, then ketamine
    plan = Plan(protocol, lattice)
    fit = next(fit for fit in planned_fits(protocol) if fit.id == "choices")
    midazolam, ketamine = np.nanmean(swapped, axis=0)
    return {"midazolam": midazolam, "ketamine": ketamine, "estimate": plan.fit(fit)[0].estimate.mean()}


def test_a_crossover_meets_the_two_means_published() -> None:
    found = _choices("as-published", 300)
    # Bands of the design, each wider by 4 Monte Carlo SE of 300 trials (SD between trials 0.32 and 0.21).
    assert 1.5 - 4 * 0.32 / math.sqrt(300) < found["ketamine"] < 1.7 + 4 * 0.32 / math.sqrt(300)
    assert 4.25 - 4 * 0.21 / math.sqrt(300) < found["midazolam"] < 4.42 + 4 * 0.21 / math.sqrt(300)
    assert found["estimate"] == pytest.approx(-2.73, abs=0.05 + 4 * 0.32 / math.sqrt(300))


def test_carry_over_hides_a_part_of_the_effect() -> None:
    # A third of -3.1 log-odds left: 4.00 of five after midazolam and an estimate near -2.36, by the design.
    found = _choices("carry-over", 300)
    assert found["midazolam"] == pytest.approx(3.98, abs=0.06 + 4 * 0.25 / math.sqrt(300))
    assert found["estimate"] == pytest.approx(-2.37, abs=0.06 + 4 * 0.33 / math.sqrt(300))


def test_a_crossover_keeps_its_level_and_its_report_stands_by_treatment(tmp_path: Path) -> None:
    protocol = read_protocol("ketamine-cocaine-crossover")
    made = run_cells(protocol, [Cell(resolve_scenario(protocol, "null")[0], {})], replicates=1000, seed=5)[0]
    choices = next(s for s in made.rows if s.row.id == "choices")
    assert made.is_null
    assert choices.significant is not None
    assert choices.significant.value == pytest.approx(0.05, abs=4 * math.sqrt(0.0475 / 1000))
    run(protocol, out=tmp_path / "out", seed=7, pdf=False)
    html = (tmp_path / "out" / "report.html").read_text("utf-8")
    assert "Ketamine and midazolam in each of 20 participants" in html
    assert ">not planned<" not in html


def test_heroin_repeated_sessions_the_shares_at_twelve_months_are_those_published() -> None:
    shares = _shares(read_protocol("ketamine-kpt-heroin-repeated"), "relapsed", 300)
    # Published 50 and 22.2 % without relapse; bands 46 to 54 and 18 to 26 with 4 Monte Carlo SE of 300 trials.
    assert 0.46 - 4 * 0.5 / math.sqrt(7800) < 1 - shares["three-sessions"] < 0.54 + 4 * 0.5 / math.sqrt(7800)
    assert 0.18 - 4 * 0.42 / math.sqrt(8100) < 1 - shares["one-session"] < 0.26 + 4 * 0.42 / math.sqrt(8100)


def test_heroin_dose_the_high_dose_is_better_in_nearly_every_trial() -> None:
    from equipoise.analysis.plan import Plan, planned_fits

    protocol = read_protocol("ketamine-kpt-heroin-dose")
    lattice = simulate_batch(protocol, read_scenario(protocol), seed=1, replicates=range(300)).lattice
    plan = Plan(protocol, lattice)
    ratios = {fit.id: plan.fit(fit)[0].estimate for fit in planned_fits(protocol) if fit.line == "relapse"}
    assert (ratios["relapse"] < 1).mean() >= 0.95
    assert np.median(ratios["relapse"]) == pytest.approx(0.56, abs=0.05)
    # Six visits: Breslow's rule draws the ratio towards 1, Efron's does not.
    breslow = np.median(ratios["relapse[ties=breslow,time-unit=visit]"])
    assert np.median(ratios["relapse[ties=efron,time-unit=visit]"]) + 0.03 < breslow < 0.68
