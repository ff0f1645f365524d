"""The simulator of parts: arrays equal records, only what is planned is drawn, and the numbers stay their own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from equipoise.endpoints.derivation import derive_endpoint
from equipoise.endpoints.lattice import read_lattice
from equipoise.foundation.errors import SimulationError
from equipoise.foundation.seeds import instance_of, uniforms
from equipoise.protocol import Protocol
from equipoise.protocol.read import read_protocol_text
from equipoise.simulation.batches import simulate_batch
from equipoise.simulation.parts.course import NEVER, run_course
from equipoise.simulation.parts.people import parent_of
from equipoise.simulation.parts.scenario import PartsScenario
from equipoise.simulation.scenario import read_scenario
from equipoise.simulation.simulate import records_of_parts, simulate
from equipoise.simulation.streams import uniform_grid
from equipoise.workflow.verbs import analyse

SHAPES = Path(__file__).parents[1] / "spec" / "protocols"
ALCOHOL = (SHAPES / "alcohol-met.yaml").read_text("utf-8").split("\nassumptions:")[0]
PARTS = """
assumptions:
  by-parts:
    status: assumed
    basis: ours
    baseline: {age: {mean: 53, sd: 9.8, lowest: 21, highest: 69}, sex: {female: 0.4}}
    parts:
      attendance: {level: -4, after-use: 1.0}
      use:
        alcohol: {level: -3.0, person-sd: 1.4, memory: 2.2, before: 81 %, effect: {ketamine: -1.35}, amount: {mean: 6}}
"""


def alcohol(parts: str = PARTS) -> Protocol:
    return read_protocol_text(ALCOHOL + parts, file="alcohol.yaml")


def depression(parts: str) -> Protocol:
    text = (SHAPES / "depression-infusion-course.yaml").read_text("utf-8")
    text = text.replace('ham-d-17, version: "17"', "hamd-17")
    return read_protocol_text(text + parts, file="depression.yaml")


MOOD = """
assumptions:
  by-parts:
    n: {infusions-alone: 30, infusions-therapy: 60}
    parts:
      attendance: {lost: 20 %}
      score: {depression: {mean: 24, sd: 5, effect: {infusions-therapy: -4}, builds: 7, fades: 30 days, per-dose: 0.5}}
"""


def test_the_fourth_word_of_an_address_is_which_of_several() -> None:
    assert instance_of("score", "craving") == 0xCAF8EAE8
    known = 0.05193444865089181  # by an independent program
    assert float(uniforms(1, 0, 0, 0, 201, 0, 0xCAF8EAE8)) == pytest.approx(known, abs=1e-15)
    grid = uniform_grid(1, np.array([0]), 7, np.array([0, 27]), 201, 0, 0xCAF8EAE8)
    assert grid[0, 0, 0] == pytest.approx(known, abs=1e-15)
    assert grid[0, 6, 1] == pytest.approx(0.9166093399834924, abs=1e-15)
    assert uniform_grid(1, np.array([0]), 1, np.array([0]), 201)[0, 0, 0] == pytest.approx(
        0.5318842222313177, abs=1e-15
    )


@pytest.mark.parametrize("protocol", [alcohol(), depression(MOOD)], ids=["use and amounts", "scores and doses"])
def test_arrays_and_records_say_the_same_of_every_participant(protocol: Protocol) -> None:
    scenario = read_scenario(protocol)
    replicates = [0, 1, 5]
    arrays = simulate_batch(protocol, scenario, seed=3, replicates=replicates).lattice
    assert isinstance(scenario, PartsScenario)
    tables = read_lattice(protocol, records_of_parts(run_course(scenario, seed=3, replicates=replicates), replicates))
    for id in protocol.model.endpoints:
        one, other = derive_endpoint(arrays, id), derive_endpoint(tables, id)
        for name in ("value", "time", "event", "values"):
            a, b = getattr(one, name), getattr(other, name)
            if a is not None:
                assert np.array_equal(np.asarray(a, dtype=float), np.asarray(b, dtype=float), equal_nan=True), (
                    id,
                    name,
                )


def test_records_pass_the_checks_and_are_analysed() -> None:
    protocol = alcohol()
    records = simulate(protocol, seed=7)
    results = analyse(protocol, records)
    assert {e.id for e in results.estimates} >= {"daily-drinking", "abstinence", "relapse"}
    drunk = records["daily_use"].filter(pl.col("used"))
    assert drunk["amount"].min() >= 1  # type: ignore[operator]
    assert set(drunk["unit"]) == {"drinks"}
    assert records["sessions"].height == 0  # the protocol states no days


def test_every_planned_dose_is_in_the_arm_that_gives_it_and_to_who_came() -> None:
    protocol = depression(MOOD)
    records = simulate(protocol, seed=1)
    assert sorted(records["exposure"]["day"].unique()) == [1, 4, 8, 11, 15, 18]
    arms = records["sessions"].join(records["allocations"], on="participant_id")["arm"]
    assert arms.unique().to_list() == ["infusions-therapy"]
    came = records["visits"].filter(pl.col("state") == "attended").select("participant_id", "day")
    assert records["exposure"].join(came, on=["participant_id", "day"], how="anti").height == 0


def test_the_share_lost_is_that_which_was_stated() -> None:
    scenario = read_scenario(depression(MOOD))
    assert isinstance(scenario, PartsScenario)
    gone = run_course(scenario, seed=9, replicates=range(60)).is_gone
    # 4 SE of 5,400 participants and of the pilot's 2,000.
    assert gone.mean() == pytest.approx(0.20, abs=4 * np.sqrt(0.16 * (1 / gone.size + 1 / 2000)))


def test_a_score_has_the_mean_and_spread_stated_before_any_effect() -> None:
    scenario = read_scenario(depression(MOOD))
    assert isinstance(scenario, PartsScenario)
    course = run_course(scenario, seed=2, replicates=range(60))
    first = next(v for v, visit in enumerate(scenario.visits) if visit.name == "baseline")
    scores = course.scores["depression"][:, first]
    n = scores.size
    assert scores.mean() == pytest.approx(24, abs=4 * 5 / np.sqrt(n))
    assert scores.std() == pytest.approx(np.sqrt(25 + 1 / 12), abs=4 * 5 / np.sqrt(2 * n))


def test_another_part_moves_no_other_part_s_numbers() -> None:
    fewer = read_scenario(alcohol())
    text = PARTS.replace(
        "      use:\n", "      events: {treatment_discontinuation: {hazard: 0.001 per day}}\n      use:\n"
    )
    more = read_scenario(alcohol(text))
    assert isinstance(fewer, PartsScenario)
    assert isinstance(more, PartsScenario)
    one, other = (run_course(s, seed=4, replicates=[2]) for s in (fewer, more))
    assert (one.use["alcohol"] == other.use["alcohol"]).all()
    assert (one.attended == other.attended).all()
    assert (other.events["treatment_discontinuation"] < NEVER).any() or other.n < 100


def test_a_replicate_is_the_same_in_whatever_batch_it_stands() -> None:
    scenario = read_scenario(alcohol())
    assert isinstance(scenario, PartsScenario)
    many, alone = run_course(scenario, seed=4, replicates=[7, 8]), run_course(scenario, seed=4, replicates=[8])
    assert (many.use["alcohol"][40:] == alone.use["alcohol"]).all()
    assert (many.amounts["alcohol"][40:] == alone.amounts["alcohol"]).all()


def test_without_effects_the_arms_are_alike_and_the_scenario_says_so() -> None:
    text = PARTS.replace("    parts:\n", "    parameters: {effect-factor: 0}\n    parts:\n")
    assert read_scenario(alcohol(text)).is_null  # type: ignore[union-attr]
    assert not read_scenario(alcohol()).is_null  # type: ignore[union-attr]


@pytest.mark.parametrize(("mean", "sd", "low", "high"), [(44.07, 10.59, 18, 60), (53, 9.8, 21, 69)])
def test_a_cut_normal_has_the_mean_and_spread_of_its_result(mean: float, sd: float, low: float, high: float) -> None:
    from scipy import stats

    centre, spread = parent_of(mean, sd, low, high)
    cut = stats.truncnorm((low - centre) / spread, (high - centre) / spread, centre, spread)
    assert (cut.mean(), cut.std()) == pytest.approx((mean, sd), rel=1e-6)


REFUSED = [
    ("      use: {alcohol: {level: -3, amount: {mean: 6}}, cocaine: {level: -2}}", "S051", "cocaine"),
    ("      attendance: {lost: 15 %}", "S052", "use.alcohol"),
    ("      use: {alcohol: {level: -3, persn-sd: 1}}", "S050", "person-sd"),
    ("      use: {alcohol: {level: -3, effect: {placebo: -1}}}", "S050", "placebo"),
    ("      use: {alcohol: {days-in-28: 40}}", "S050", "28"),
    ("      attendance: {lost: 115 %}\n      use: {alcohol: {level: -3}}", "S050", "15 %"),
]


@pytest.mark.parametrize(("parts", "code", "words"), REFUSED)
def test_what_cannot_be_is_refused_by_name(parts: str, code: str, words: str) -> None:
    text = f"\nassumptions:\n  by-parts:\n    parts:\n{parts}\n"
    with pytest.raises(SimulationError) as error:
        read_scenario(alcohol(text))
    assert code in {problem.code for problem in error.value.problems}
    assert words in str(error.value)


def test_an_amount_rule_without_amounts_is_refused() -> None:
    heavy = "{endpoint: heavy-days, treatments: ketamine v midazolam, summary: mean-difference}"
    text = ALCOHOL.replace("\nestimands:\n", f"\nestimands:\n  heavy: {heavy}\n")
    text = text.replace("\nanalyses:\n", "\nanalyses:\n  heavy: {estimand: heavy, estimator: linear}\n")
    text += "\nassumptions: {by-parts: {parts: {use: {alcohol: {level: -3}}}}}\n"
    with pytest.raises(SimulationError, match="no amounts"):
        read_scenario(read_protocol_text(text, file="heavy.yaml"))


EVENTS = """
equipoise: 2
trial: {id: events, title: Events}
calendar: {day-1: admission, randomization-day: 5, epochs: {all: {days: -10..125}}}
interventions:
  a: {type: injection, drug: a, dose: 1 mg, days: [-3, 5]}
  b: {type: injection, drug: b, dose: 1 mg, days: [5]}
arms: {a: {role: active-control, gives: [a]}, b: {role: experimental, gives: [b]}}
eligibility: {include: null, exclude: null}
randomization: {ratio: {a: 1, b: 1}}
assessments: {outcomes: {type: events, terms: [relapse]}}
schedule: {visit: {every: 30, first: 5, last: 125, assess: [outcomes], named: "visit-{n}"}}
endpoints:
  relapse: {kind: time-to-event, words: relapse, time-zero: day 5, first-of: [{event: relapse}], until: day 125}
estimands: {relapse: {endpoint: relapse, treatments: b v a, summary: hazard-ratio}}
analyses: {relapse: {estimand: relapse, estimator: cox, level: primary, alpha-two-sided: 0.05}}
assumptions:
  one:
    n: {a: 40, b: 40}
    parts: {attendance: {level: -20, missed: 0, severity: 0}, events: {relapse: {PART}}}
"""


@pytest.mark.parametrize("shape", ["1", "0.7", "2"])
def test_a_share_without_event_by_a_day_comes_out_and_no_event_falls_before_it_can(shape: str) -> None:
    part = f"event-free: 40 % at day 95, shape: {shape}, effect: {{b: -0.7}}"
    protocol = read_protocol_text(EVENTS.replace("PART", part), file="trial.yaml")
    batch = simulate_batch(protocol, read_scenario(protocol), seed=1, replicates=range(150))
    made = derive_endpoint(batch.lattice, "relapse")
    assert made.time is not None
    assert made.event is not None
    assert made.time.min() >= 1  # from the day after randomization on
    for arm, wanted in (("a", 0.4), ("b", 0.4 ** np.exp(-0.7))):
        mine = batch.lattice.participants.arm == arm
        free = ~((made.time <= 90) & made.event)[mine]
        assert free.mean() == pytest.approx(wanted, abs=4 * 0.5 / np.sqrt(mine.sum()))


def test_an_event_learnt_of_at_visits_has_the_day_of_the_first_that_took_place() -> None:
    text = EVENTS.replace("missed: 0", "missed: 30 %")
    at_once, at_visit = (
        read_protocol_text(text.replace("PART", f"hazard: 0.01 per day{seen}"), file="trial.yaml")
        for seen in ("", ", seen: at-visit")
    )
    one, two = (run_course(_parts_scenario(protocol), seed=3, replicates=[0, 1]) for protocol in (at_once, at_visit))
    days = np.array([4, 34, 64, 94, 124])
    for k in range(one.n):
        known = [day for v, day in enumerate(days) if two.attended[k, v] and day >= one.events["relapse"][k]]
        assert two.events["relapse"][k] == (known[0] if known else NEVER)


def _parts_scenario(protocol: Protocol) -> PartsScenario:
    scenario = read_scenario(protocol)
    assert isinstance(scenario, PartsScenario)
    return scenario


def test_a_dose_before_randomization_is_given_to_everybody_of_the_arm() -> None:
    protocol = read_protocol_text(EVENTS.replace("PART", "hazard: 0.01 per day"), file="trial.yaml")
    given = simulate(protocol, seed=1)["exposure"].filter(pl.col("day") == -3)
    assert given.height == 40
    assert set(given["intervention"]) == {"a"}


@pytest.mark.parametrize(
    ("part", "words"),
    [
        ("event-free: 40 %", "70 % at day 84"),
        ("event-free: 40 % at day 5", "70 % at day 84"),
        ("event-free: 100 % at day 50", "70 % at day 84"),
        ("event-free: 40 % at day 50, hazard: 0.1", "one of the two"),
        ("hazard: 0.01, seen: sometimes", "at-visit"),
        ("hazard: 0.01, effect: {b: -1}, fades: 30 days", "without it"),
    ],
)
def test_what_an_event_cannot_be_is_refused(part: str, words: str) -> None:
    with pytest.raises(SimulationError, match="S050") as error:
        read_scenario(read_protocol_text(EVENTS.replace("PART", part), file="trial.yaml"))
    assert words in str(error.value)


COUNTS = (
    EVENTS.split("endpoints:", maxsplit=1)[0]
    + """endpoints:
  relapses: {kind: event-count, words: relapses, events: [relapse], days: 5..124, as: rate, per-days: 30}
  first: {kind: time-to-event, words: relapse, time-zero: day 5, first-of: [{event: relapse}], until: day 125}
estimands: {relapses: {endpoint: relapses, treatments: b v a, summary: mean-difference}}
analyses: {relapses: {estimand: relapses, estimator: linear, level: primary, alpha-two-sided: 0.05}}
assumptions:
  one:
    n: {a: 40, b: 40}
    parts: {attendance: {LEAVING}, events: {relapse: {PART}}}
"""
)


def counts(part: str, leaving: str = "level: -20, missed: 0, severity: 0") -> Protocol:
    return read_protocol_text(COUNTS.replace("PART", part).replace("LEAVING", leaving), file="trial.yaml")


@pytest.mark.parametrize("dispersion", [0.0, 0.5, 2.0])
def test_events_that_come_again_have_the_rate_and_spread_stated(dispersion: float) -> None:
    protocol = counts(f"rate: 2 per 30 days, dispersion: {dispersion}, effect: {{b: -0.7}}")
    made = derive_endpoint(
        simulate_batch(protocol, read_scenario(protocol), seed=1, replicates=range(100)).lattice, "relapses"
    )
    assert made.value is not None
    assert made.exposure is not None
    assert (made.exposure == 120).all()
    for arm, rate in (("a", 2 / 30), ("b", 2 / 30 * np.exp(-0.7))):
        count = made.value[made.participants.arm == arm] * 120 / 30
        mu, k = 120 * rate, dispersion
        # By gamma mixing of days that count once each: m days, variance mu + k mu^2 less E of the squared chance.
        wanted = mu + k * mu**2 - 120 * rate**2 * (1 + k)
        assert count.mean() == pytest.approx(mu, abs=4 * np.sqrt(wanted / count.size))
        assert count.var() == pytest.approx(wanted, rel=0.15)
        assert (count == np.rint(count)).all()


def test_who_is_seen_for_less_has_fewer_events_and_the_same_rate() -> None:
    protocol = counts("rate: 3 per 30 days, dispersion: 0", "lost: 40 %, severity: 0, missed: 0")
    batch = simulate_batch(protocol, read_scenario(protocol), seed=2, replicates=range(100))
    made = derive_endpoint(batch.lattice, "relapses")
    assert made.value is not None
    assert made.exposure is not None
    partly = (made.exposure > 0) & (made.exposure < 120)
    assert 0.1 < partly.mean() < 0.5
    days = made.exposure[partly]
    n_events = (made.value[partly] * days / 30).sum()
    assert n_events / days.sum() == pytest.approx(0.1, abs=4 * np.sqrt(0.1 / days.sum()))


def test_events_that_come_again_are_the_same_in_records_and_whatever_the_batch() -> None:
    protocol = counts("rate: 2 per 30 days", "lost: 20 %")
    scenario = read_scenario(protocol)
    many = derive_endpoint(simulate_batch(protocol, scenario, seed=5, replicates=[3, 4, 9]).lattice, "relapses")
    assert isinstance(scenario, PartsScenario)
    records = records_of_parts(run_course(scenario, seed=5, replicates=[4]), [4])
    one = derive_endpoint(read_lattice(protocol, records), "relapses")
    assert many.value is not None
    assert one.value is not None
    assert (many.value[80:160] == one.value).all()
    events = records["events"]
    assert events.group_by("participant_id").len()["len"].max() > 1
    assert not events.select("participant_id", "term", "day").is_duplicated().any()


@pytest.mark.parametrize(
    ("part", "code", "words"),
    [
        ("hazard: 0.07 per day", "S052", "the first of each participant alone"),
        ("rate: 2 per 30 days, hazard: 0.1", "S050", "many times"),
        ("rate: often", "S050", "2 per 28 days"),
        ("rate: 1 per day", "S050", "counted by the day"),
        ("rate: 0.3 per day, dispersion: 1", "S050", "of the events be lost"),
        ("rate: 0.07 per day, effect: {b: 2.5}", "S050", "a day in b"),
        ("rate: 2 per 30 days, seen: at-visit", "S050", "a hazard (once)"),
        ("hazard: 0.1, dispersion: 1", "S050", "goes with a rate"),
        ("rate: 2 per 30 days, dispersion: -1", "S050", "Poisson"),
    ],
)
def test_what_a_count_cannot_be_is_refused(part: str, code: str, words: str) -> None:
    with pytest.raises(SimulationError, match=code) as error:
        read_scenario(counts(part))
    assert words in str(error.value)


def test_death_comes_once() -> None:
    text = COUNTS.replace("PART", "rate: 2 per 30 days}, death: {rate: 0.001 per day").replace("LEAVING", "lost: 10 %")
    with pytest.raises(SimulationError, match="happens once"):
        read_scenario(read_protocol_text(text, file="trial.yaml"))
