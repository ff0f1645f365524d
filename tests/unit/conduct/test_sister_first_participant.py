"""A first participant of every bundled trial through the actions: in by the door, dosed where doses are given, seen."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from equipoise.conduct.rules import dose
from equipoise.conduct.rules.windows import anchor_is_enrolment
from equipoise.foundation.errors import ConductError
from equipoise.protocol import Protocol
from equipoise.protocol.read import read_protocol_text
from equipoise.workflow.library import read_protocol

INFUSED = (
    "ketamine-mbrp-cocaine",
    "ketamine-met-alcohol",
    "kare",
    "ketamine-mbrp-cocaine-replication",
    "ketamine-cocaine-crossover",
    "ketamine-depression-withdrawal",
    "ketamine-depression-course",
    "biopsychosocial-programme",
)


def people(trial: Any, protocol: Protocol) -> None:
    """Those whom the usual trial does not have, and drug on the shelf."""
    from equipoise.conduct.actions.sign_in import Session

    for name, roles in {"petra": ["pharmacist"], "nina": ["infusion"], "ruth": ["rater"]}.items():
        made = trial.do("alice", "add-account", account=name, person=name.title(), roles=roles)
        trial.sessions[name], trial.passphrases[name] = Session(name), made.told["passphrase"]
    drugs = {drug.drug for arm in protocol.arm_ids for drug in dose.prepared(protocol, arm).values()}
    for drug in sorted(drugs):
        trial.do("phil", "stock", drug=drug, movement="received", mg=9000, sealed=True)


def enter(trial: Any, protocol: Protocol, participant: str) -> None:
    """From screening into the trial: randomized, or enrolled where nobody is."""
    calendar = protocol.model.calendar
    trial.enrol(participant)
    if calendar.randomization_day is not None:
        trial.do("carol", "day-1", participant=participant)
        trial.clock.at += timedelta(days=calendar.randomization_day - 1)
    if protocol.model.randomization is not None:
        trial.do("carol", "randomize", participant=participant)
        return
    trial.do("carol", "enrol", participant=participant)
    if not anchor_is_enrolment(protocol):
        trial.clock.at += timedelta(days=2)
        trial.do("carol", "day-1", participant=participant)


def cut_of(trial: Any, edition: str = "unblinded") -> Any:
    from equipoise.conduct.cut.cut import cut_records

    if edition == "unblinded":
        trial.do("sam", "open-arms", why="the test looks")
    return cut_records(trial.trial, at=trial.clock.now(), edition=edition, pharmacy=trial.pharmacy)


@pytest.mark.parametrize("name", INFUSED)
def test_the_first_participant_of_a_bundled_trial_goes_through_the_actions(name: str, staged: Any) -> None:
    protocol = read_protocol(name)
    trial = staged(protocol=protocol)
    people(trial, protocol)
    enter(trial, protocol, "P-1")
    today = protocol.model.calendar.randomization_day or 1
    infused = min(
        day for drug in dose.infusions(protocol, protocol.arm_ids[0]).values() for day in dose.infusion_days(drug)
    )
    trial.clock.at += timedelta(days=infused - today)
    trial.do("nina", "weight", participant="P-1", kg="70")
    told = trial.do("phil", "dose-sheet", participant="P-1", sealed=True).told
    trial.do("petra", "dose-check", participant="P-1", sealed=True)
    trial.do("nina", "infusion-start", participant="P-1")
    sheet = dose.open_sheet(protocol, infused)
    for before, step in zip(sheet.steps, sheet.steps[1:], strict=False):
        trial.clock.at += timedelta(minutes=float(before.minutes))
        rate = dose.decimal_text(step.rate_ml_per_hour)
        trial.do("nina", "infusion-rate", participant="P-1", ml_per_hour=rate)
    trial.clock.at += timedelta(minutes=float(sheet.steps[-1].minutes))
    trial.do("nina", "infusion-stop", participant="P-1")
    visit = next(v for v in protocol.planned_visits if v.target_day > infused)
    trial.clock.at += timedelta(days=visit.target_day - infused)
    trial.do("carol", "visit", participant="P-1", visit=visit.name)
    cut = cut_of(trial)
    row = cut["exposure"].row(0, named=True)
    assert row["intervention"] in protocol.model.interventions
    assert row["delivered_mg"] == pytest.approx(row["planned_mg"], abs=0.011)
    assert f"{row['planned_mg']:g}" == f"{float(told['prepared_mg']):g}"
    assert cut["visits"].filter(pl.col("visit") == visit.name)["state"].to_list() == ["attended"]
    arm = cut["allocations"]["arm"].item()
    assert cut["allocations"]["arm_received"].item() == arm
    assert protocol.gives_on(arm, row["intervention"], infused)


def test_everybody_of_a_trial_without_randomization_is_in_the_cut_without_a_key(staged: Any) -> None:
    protocol = read_protocol("biopsychosocial-programme")
    trial = staged(protocol=protocol)
    people(trial, protocol)
    enter(trial, protocol, "P-1")
    trial.clock.at += timedelta(days=7)
    trial.do("carol", "session", participant="P-1", therapy="integration", session=1, delivered=True, minutes=50)
    trial.clock.at += timedelta(days=1)
    blinded = cut_of(trial, "blinded")
    assert blinded["allocations"].select("participant_id", "stage", "day", "arm").row(0) == ("P-1", 1, 1, "programme")
    assert blinded["sessions"]["day"].to_list() == [8]
    assert {"week-1"} == set(blinded["visits"].filter(pl.col("target_day") == 7)["visit"])
    with pytest.raises(ConductError, match="C648"):
        cut_of(trial, "sham")


def test_nobody_is_enrolled_before_what_a_randomization_would_ask_for_nor_randomized_where_nobody_is(
    staged: Any,
) -> None:
    protocol = read_protocol("biopsychosocial-programme")
    trial = staged(protocol=protocol)
    trial.do("carol", "screen", participant="P-1", site="main")
    with pytest.raises(ConductError, match="C501"):
        trial.do("carol", "enrol", participant="P-1")
    trial.do("carol", "consent", participant="P-1", version="1.0")
    with pytest.raises(ConductError, match="C501"):
        trial.do("carol", "enrol", participant="P-1")
    trial.make_eligible("P-1")
    with pytest.raises(ConductError, match=r"C119.*\n.*\n.*\n.*enrol"):
        trial.do("carol", "randomize", participant="P-1")
    with pytest.raises(ConductError, match="C604"):
        trial.do("carol", "day-1", participant="P-1")
    trial.do("carol", "enrol", participant="P-1")
    with pytest.raises(ConductError, match="C501"):
        trial.do("carol", "enrol", participant="P-1")
    with pytest.raises(ConductError, match="C501"):
        trial.do("ivan", "randomized-in-error", participant="P-1", why="try")
    month = trial.clock.at.strftime("%Y-%m")
    assert trial.do("mona", "progress").told["months"] == [(month, 1)]
    trial.do("carol", "complete", participant="P-1", why="left well")
    trial.do("alice", "freeze", why="the end")


def test_a_trial_that_randomizes_enrols_nobody(staged: Any) -> None:
    trial = staged()
    trial.enrol("P-1")
    with pytest.raises(ConductError, match="C119"):
        trial.do("carol", "enrol", participant="P-1")


@pytest.mark.parametrize("kg", ["70", "58.4"])
def test_an_injection_has_the_same_volume_in_both_arms_and_ten_times_the_dose(kg: str, staged: Any) -> None:
    protocol = read_protocol("ketamine-kpt-heroin-dose")
    trial = staged(protocol=protocol)
    people(trial, protocol)
    told = {}
    for number in range(1, 9):
        id = f"P-{number}"
        enter(trial, protocol, id)
        trial.do("nina", "weight", participant=id, kg=kg)
        made = trial.do("phil", "dose-sheet", participant=id, sealed=True)
        with pytest.raises(ConductError, match="C606"):
            trial.do("phil", "dose-check", participant=id, sealed=True)
        with pytest.raises(ConductError, match="C616"):
            trial.do("nina", "dose-given", participant=id)
        trial.do("petra", "dose-check", participant=id, sealed=True)
        given = trial.do("nina", "dose-given", participant=id, where="left deltoid")
        told[id] = made.told
        assert made.answer["label"] == f"Study injection {made.told['volume_ml']} mL, intramuscular"
        assert given.answer["ml"] == made.told["volume_ml"]
        with pytest.raises(ConductError, match="C616"):
            trial.do("nina", "dose-given", participant=id)
    assert len({entry["volume_ml"] for entry in told.values()}) == 1
    assert {entry["prepared_mg"] for entry in told.values()} == (
        {"140", "14.0"} if kg == "70" else {"117", "11.7"}  # 116.8 mg to the nearest 1 mg; 11.68 to the nearest 0.1
    )
    trial.clock.at += timedelta(days=1)
    cut = cut_of(trial)
    arms = dict(cut["allocations"].select("participant_id", "arm").iter_rows())
    for row in cut["exposure"].iter_rows(named=True):
        arm = arms[row["participant_id"]]
        assert row["intervention"] == f"{arm}-dose"
        assert row["route"] == "intramuscular"
        assert row["delivered_mg"] == row["planned_mg"] == float(told[row["participant_id"]]["prepared_mg"])
    assert cut["allocations"]["arm_received"].to_list() == cut["allocations"]["arm"].to_list()
    blinded = cut_of(trial, "blinded")["exposure"]
    assert set(blinded["intervention"]) == {"study-dose"}
    assert blinded["planned_mg"].null_count() == 8


def test_part_of_an_injection_needs_a_reason_and_counts_for_its_share(staged: Any) -> None:
    protocol = read_protocol("ketamine-kpt-heroin-dose")
    trial = staged(protocol=protocol)
    people(trial, protocol)
    enter(trial, protocol, "P-1")
    trial.do("nina", "weight", participant="P-1", kg="70")
    trial.do("phil", "dose-sheet", participant="P-1", sealed=True)
    trial.do("petra", "dose-check", participant="P-1", sealed=True)
    with pytest.raises(ConductError, match="C016"):
        trial.do("nina", "dose-given", participant="P-1", ml="1.4")
    with pytest.raises(ConductError, match="C616"):
        trial.do("nina", "dose-given", participant="P-1", ml="2.81")
    trial.do("nina", "dose-given", participant="P-1", ml="1.4", why="the needle bent")
    trial.clock.at += timedelta(days=1)
    row = cut_of(trial)["exposure"].row(0, named=True)
    assert row["delivered_mg"] == pytest.approx(row["planned_mg"] / 2)


def test_an_injection_taken_back_counts_in_no_cut_and_is_recorded_anew(staged: Any) -> None:
    protocol = read_protocol("ketamine-kpt-heroin-dose")
    trial = staged(protocol=protocol)
    people(trial, protocol)
    enter(trial, protocol, "P-1")
    trial.do("nina", "weight", participant="P-1", kg="70")
    trial.do("phil", "dose-sheet", participant="P-1", sealed=True)
    trial.do("petra", "dose-check", participant="P-1", sealed=True)
    trial.clock.at += timedelta(minutes=20)
    trial.do("nina", "dose-given", participant="P-1", where="left deltoid")
    trial.clock.at += timedelta(minutes=20)
    place = {"participant": "P-1", "visit": "dose-day-1", "form": "dose-given"}
    with pytest.raises(ConductError, match=r"C631.*\n.*\n.*\n.*entered-in-error"):
        trial.do("ivan", "correct", **place, answers={"ml": "1.4"}, why="half of it")
    back = trial.do("ivan", "entered-in-error", **place, why="half of it")
    assert back.answer["sheet"] == "checked"
    assert trial.do("nina", "read-dose", participant="P-1").told["given"] == []
    empty = cut_of(trial, "blinded")
    assert empty["exposure"].height == 0
    assert empty["allocations"]["arm_received"].to_list() == [None]
    told_at = (trial.clock.at - timedelta(minutes=30)).isoformat()  # after the check, before what was taken back
    trial.do("nina", "dose-given", participant="P-1", at=told_at, ml="1.4", why="the needle bent")
    trial.clock.at += timedelta(days=1)
    row = cut_of(trial)["exposure"].row(0, named=True)
    assert row["delivered_mg"] == pytest.approx(row["planned_mg"] / 2)


def test_a_new_weight_makes_the_sheet_of_an_injection_void(staged: Any) -> None:
    protocol = read_protocol("ketamine-kpt-heroin-dose")
    trial = staged(protocol=protocol)
    people(trial, protocol)
    enter(trial, protocol, "P-1")
    trial.do("nina", "weight", participant="P-1", kg="70")
    trial.do("phil", "dose-sheet", participant="P-1", sealed=True)
    trial.do("petra", "dose-check", participant="P-1", sealed=True)
    trial.do("nina", "weight", participant="P-1", kg="72")
    with pytest.raises(ConductError, match="C616"):
        trial.do("nina", "dose-given", participant="P-1")
    with pytest.raises(ConductError, match="C607"):
        trial.do("phil", "dose-sheet", participant="P-1", sealed=True, why="another weight")
    again = trial.do("phil", "dose-sheet", participant="P-1", sealed=True, why="another weight", witness="petra")
    assert Decimal(again.told["volume_ml"]) == Decimal("2.88")
    shelf = trial.do("phil", "stock-register", sealed=True).told["shelf_mg"]
    assert Decimal(shelf["ketamine"]) in {Decimal(9000 - 140 - 144), Decimal("9000") - Decimal("28.4")}


def test_further_sessions_are_prepared_for_the_arm_that_has_them_alone(staged: Any) -> None:
    protocol = read_protocol("ketamine-kpt-heroin-repeated")
    trial = staged(protocol=protocol)
    people(trial, protocol)
    ids = [f"P-{number}" for number in range(1, 7)]
    for id in ids:
        enter(trial, protocol, id)
    trial.clock.at += timedelta(days=30)
    dosed, refused = [], []
    for id in ids:
        trial.do("nina", "weight", participant=id, kg="70")
        try:
            trial.do("phil", "dose-sheet", participant=id, sealed=True)
        except ConductError as error:
            refused.append((id, [problem.code for problem in error.problems]))
            continue
        trial.do("petra", "dose-check", participant=id, sealed=True)
        trial.do("nina", "dose-given", participant=id)
        dosed.append(id)
    assert dosed
    assert refused
    trial.clock.at += timedelta(days=1)
    cut = cut_of(trial)
    arms = dict(cut["allocations"].select("participant_id", "arm").iter_rows())
    assert {arms[id] for id in dosed} == {"three-sessions"}
    assert {arms[id] for id, _ in refused} == {"one-session"}
    assert all(codes == ["C522"] for _, codes in refused)
    assert set(cut["exposure"]["intervention"]) == {"further-sessions"}
    assert set(cut["exposure"]["planned_mg"]) == {140.0}


SPRAY = """
equipoise: 2
trial: {id: spray, title: Spray, masking: [participant, care-provider]}
calendar: {day-1: randomization, epochs: {all: {days: 1..30}}}
interventions:
  a: {type: spray, drug: a, dose: 28 mg, rounding: 1 mg, concentration: A mg/mL, route: nasal, days: [1]}
  b: {type: spray, drug: b, dose: 14 mg, rounding: 0.5 mg, concentration: 70 mg/mL, route: nasal, days: [DAY]}
arms: {a: {role: active-control, gives: [a]}, b: {role: experimental, gives: [b]}}
eligibility: {include: null, exclude: null}
randomization: {ratio: {a: 1, b: 1}, scheme: permuted-blocks}
schedule: {visit: {day: 30}}
endpoints:
  left: {kind: time-to-event, words: leaving, time-zero: day 1, first-of: [{dropout: visit}], until: day 30}
conduct: {weighing: {lowest: 40 kg, highest: 150 kg, change: 10 %, valid-days: 7}}
"""


@pytest.mark.parametrize(
    ("strength", "day", "told"),
    [("140", "1", ""), ("100", "1", "C521"), ("140", "2", "C521")],
)
def test_arms_that_could_be_told_by_volume_or_day_of_a_spray_are_refused(strength: str, day: str, told: str) -> None:
    from equipoise.conduct.rules.single_dose import check_doses

    protocol = read_protocol_text(SPRAY.replace("A mg/mL", f"{strength} mg/mL").replace("DAY", day), file="spray.yaml")
    assert [problem.code for problem in check_doses(protocol)] == ([told] if told else [])
    open_label = protocol.text.replace("masking: [participant, care-provider]", "masking: [outcome-assessor]")
    assert check_doses(read_protocol_text(open_label, file="spray.yaml")) == []


def test_an_injection_without_a_stated_strength_has_no_sheet_and_says_what_is_absent(staged: Any) -> None:
    text = read_protocol("ketamine-kpt-heroin-dose").text
    lines = [line for line in text.splitlines() if "concentration:" not in line]
    protocol = read_protocol_text("\n".join(lines) + "\n", file="trial.yaml")
    trial = staged(protocol=protocol)
    people(trial, protocol)
    enter(trial, protocol, "P-1")
    trial.do("nina", "weight", participant="P-1", kg="70")
    with pytest.raises(ConductError, match=r"interventions\.(high|low)-dose\.concentration"):
        trial.do("phil", "dose-sheet", participant="P-1", sealed=True)
