"""Rules of the running trial, by hand on the flagship protocol."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from zoneinfo import ZoneInfo

import pytest

from equipoise.conduct.rules import adverse_events, dose, eligibility, forms, infusion, stock, weight, windows, wording
from equipoise.conduct.rules.status import Course, after, follow, refusals
from equipoise.protocol import Protocol, read_protocol_text
from equipoise.protocol.language.conditions import asked, parse_condition
from equipoise.workflow.library import protocol_path

D = Decimal
DRUG = "    over: 40 min\n    route: intravenous\n    days: [2]\n    source: ["
BERLIN = ZoneInfo("Europe/Berlin")


@pytest.fixture(scope="module")
def text() -> str:
    return protocol_path("ketamine-mbrp-cocaine").read_text("utf-8")


@pytest.fixture(scope="module")
def flagship(text: str) -> Protocol:
    return read_protocol_text(text)


def changed(text: str, *pairs: tuple[str, str]) -> Protocol:
    for old, new in pairs:
        assert old in text, old
        text = text.replace(old, new)
    return read_protocol_text(text)


# --- the path of a participant ---


def test_randomization_before_consent_and_a_dose_before_randomization_are_refused() -> None:
    screened = follow([("screen", "")])
    assert refusals(screened, "randomize")[0].code == "C501"
    eligible = follow([("screen", ""), ("consent", "1"), ("find_eligible", "")])
    assert refusals(eligible, "randomize", current_consent="1") == []
    assert refusals(eligible, "start_dose", current_consent="1")[0].code == "C501"


def test_whoever_consented_to_an_older_version_is_neither_randomized_nor_dosed_but_may_be_withdrawn() -> None:
    course = follow([("screen", ""), ("consent", "1"), ("find_eligible", "")])
    assert refusals(course, "randomize", current_consent="2")[0].code == "C502"
    course = after(course, "consent", consent="2")
    assert course.phase == "eligible"
    assert refusals(course, "randomize", current_consent="2") == []
    randomized = after(course, "randomize")
    assert refusals(randomized, "start_dose", current_consent="3")[0].code == "C502"
    assert refusals(randomized, "withdraw", reason="moved away", current_consent="3") == []


def test_discontinuing_treatment_ends_doses_and_no_visit() -> None:
    course = follow([("screen", ""), ("consent", "1"), ("find_eligible", ""), ("randomize", "")])
    course = after(course, "discontinue_treatment")
    assert refusals(course, "start_dose") != []
    assert refusals(course, "hold_visit") == []
    assert refusals(course, "call") == []


def test_withdrawal_from_visits_leaves_the_call_and_full_withdrawal_leaves_only_safety() -> None:
    randomized = follow([("screen", ""), ("consent", "1"), ("find_eligible", ""), ("randomize", "")])
    partly, wholly = after(randomized, "withdraw_from_visits"), after(randomized, "withdraw")
    assert [refusals(partly, step) == [] for step in ("hold_visit", "call", "report_event")] == [False, True, True]
    assert [refusals(wholly, step) == [] for step in ("hold_visit", "call", "report_event")] == [False, False, True]


def test_after_death_nothing_is_held_and_events_are_still_reported() -> None:
    dead = follow([("screen", ""), ("consent", "1"), ("find_eligible", ""), ("randomize", ""), ("die", "")])
    assert refusals(dead, "hold_visit") != []
    assert refusals(dead, "die") != []
    assert refusals(dead, "report_event") == []
    assert refusals(dead, "unblind", reason="autopsy") == []


def test_a_step_that_needs_a_reason_is_refused_with_blanks() -> None:
    assert [p.code for p in refusals(Course("screened"), "fail_screening", reason="  ")] == ["C503"]
    assert refusals(Course("screened"), "fail_screening", reason="declined") == []


# --- eligibility ---


def test_failing_and_undecided_criteria_are_named(flagship: Protocol) -> None:
    decision = eligibility.decide(flagship, {"age": 17}, {"seeking": True})
    assert [ruling.id for ruling in decision.failing] == ["adult"]
    assert [ruling.id for ruling in decision.undecided] == ["dependent"]
    assert decision.eligible is False
    undecided = eligibility.decide(flagship, {"age": 18}, {"dependent": True})
    assert undecided.eligible is None
    assert [p.place for p in undecided.problems()] == ["include.seeking"]
    assert eligibility.decide(flagship, {"age": 18}, {"dependent": True, "seeking": True}).eligible is True


def test_an_exclusion_that_applies_shuts_out_and_a_value_outweighs_a_word(text: str) -> None:
    protocol = changed(
        text,
        ("  exclude: null\n", "  exclude: {pressure: {criterion: systolic > 140}, pregnant: {words: pregnancy}}\n"),
    )
    base = {"age": 30, "diagnosis": "DSM-IV cocaine dependence"}
    no = {"seeking": True, "pregnant": False}
    assert eligibility.decide(protocol, {**base, "systolic": 140}, no).eligible is True
    assert eligibility.decide(protocol, {**base, "systolic": 141}, no).eligible is False
    assert eligibility.decide(protocol, {**base, "systolic": 141}, {**no, "pressure": False}).eligible is False
    assert eligibility.decide(protocol, base, {**no, "pregnant": True, "pressure": False}).eligible is False


def test_words_where_a_number_is_compared_are_refused(flagship: Protocol) -> None:
    assert [p.code for p in eligibility.check_answers(flagship, {"age": "adult"}, {"tall": True})] == ["C513", "C512"]


# --- dose ---


@pytest.mark.parametrize(
    ("kg", "mg"),
    [("50", "25.0"), ("70", "35.0"), ("82.4", "41.2"), ("120", "60.0"), ("82.5", "41.3"), ("82.3", "41.2")],
)
def test_oracle_rows_of_ketamine(flagship: Protocol, kg: str, mg: str) -> None:
    # 0.5 x 82.5 = 41.25, half a step of 0.1 goes up; 0.5 x 82.3 = 41.15 likewise.
    sealed = dose.sealed_sheet(flagship, "ketamine", 2, D(kg))
    assert sealed.prepared_mg == D(mg)
    assert str(sealed.prepared_mg) == mg


def test_seventy_kilograms_run_at_0_875_mg_a_minute_and_both_arms_at_75_ml_an_hour(flagship: Protocol) -> None:
    sheet = dose.open_sheet(flagship, 2)
    assert sheet.steps[0].rate_ml_per_hour == 75  # 50 mL in 40 min
    assert sheet.label == "Study infusion 50 mL, 75 mL/h for 40 min"
    assert dose.sealed_sheet(flagship, "ketamine", 2, D(70)).mg_per_minute(sheet) == Fraction(7, 8)
    midazolam = dose.sealed_sheet(flagship, "midazolam", 2, D(70))
    assert midazolam.prepared_mg == D("1.75")
    assert midazolam.mg_per_minute(sheet) == Fraction(7, 160)


def test_a_cap_holds_and_rounding_never_passes_it(text: str) -> None:
    capped = changed(text, ("    drug: ketamine\n", "    drug: ketamine\n    maximum: 55 mg\n"))
    assert dose.sealed_sheet(capped, "ketamine", 2, D(120)).prepared_mg == 55
    assert dose.sealed_sheet(capped, "ketamine", 2, D(120)).is_capped
    odd = changed(text, ("    drug: ketamine\n", "    drug: ketamine\n    maximum: 55.07 mg\n"))
    assert dose.sealed_sheet(odd, "ketamine", 2, D(120)).prepared_mg == D("55.0")  # 55.07 rounds up to 55.1


def test_bolus_and_drip_share_the_bag_as_they_share_the_dose(text: str) -> None:
    steps = "phases: [{dose: 0.11 mg/kg, over: 2 min}, {dose: 0.60 mg/kg, over: 50 min}]\n"
    other = "phases: [{dose: 0.011 mg/kg, over: 2 min}, {dose: 0.060 mg/kg, over: 50 min}]\n"
    protocol = changed(
        text,
        ("    dose: 0.5 mg/kg\n", ""),
        ("    dose: 0.025 mg/kg\n", ""),
        (f"{DRUG}paper", f"    {steps}    days: [2]\n    source: [paper"),
        (f"{DRUG}summary", f"    {other}    days: [2]\n    source: [summary"),
    )
    assert dose.check_infusions(protocol) == []
    sheet = dose.open_sheet(protocol, 2)
    # 11/71 of 50 mL in 2 min, 60/71 in 50 min; 0.71 mg/kg x 70 kg = 49.7 mg.
    assert [step.volume_ml for step in sheet.steps] == [Fraction(550, 71), Fraction(3000, 71)]
    assert sheet.minutes == 52
    assert dose.sealed_sheet(protocol, "ketamine", 2, D(70)).prepared_mg == D("49.7")


def test_a_bolus_of_saline_keeps_the_arms_alike_and_carries_no_milligrams() -> None:
    from equipoise.workflow.library import read_protocol

    protocol = read_protocol("ketamine-met-alcohol")
    assert dose.check_infusions(protocol) == []
    sheet = dose.open_sheet(protocol, 1)
    # 8 mL in 2 min, 42 mL in 50: 240 and 50.4 mL/h in both arms.
    assert [step.rate_ml_per_hour for step in sheet.steps] == [240, Fraction(252, 5)]
    ketamine = dose.sealed_sheet(protocol, "ketamine", 1, D(70))
    midazolam = dose.sealed_sheet(protocol, "midazolam", 1, D(70))
    assert ketamine.by_step(sheet) == ("7.7 mg in 8 mL", "42 mg in 42 mL")  # 0.11 and 0.60 mg/kg
    assert midazolam.by_step(sheet) == ("0 mg in 8 mL", "1.75 mg in 42 mL")
    assert (ketamine.mg_per_minute(sheet), midazolam.mg_per_minute(sheet)) == (Fraction(77, 20), 0)
    # Stopped halfway through the drip: all of the first step and half of the second.
    run = [infusion.RatePeriod(0, 120, Fraction(240)), infusion.RatePeriod(120, 1620, Fraction(252, 5))]
    given = infusion.delivered(run)
    assert given.volume_ml == 29
    assert infusion.delivered_mg(given, sheet, D("49.7"), ketamine.shares) == D("28.70")  # 7.7 + 21
    assert infusion.delivered_mg(given, sheet, D("1.75"), midazolam.shares) == D("0.88")
    only = infusion.delivered(run[:1])
    assert infusion.delivered_mg(only, sheet, D("1.75"), midazolam.shares) == 0
    # Without stated volumes the dose goes as the volume does, in any number of steps.
    assert infusion.delivered_mg(given, sheet, D(50), (Fraction(8, 50), Fraction(42, 50))) == 29


def test_volumes_of_steps_are_those_of_the_bag_and_differing_ones_tell_the_arms_apart() -> None:
    from equipoise.workflow.library import protocol_path

    text = protocol_path("ketamine-met-alcohol").read_text("utf-8")
    less = changed(
        text,
        (
            "over: 50 min, volume: 42 mL}\n    rounding: {value: null, assumed: 0.1 mg",
            "over: 50 min, volume: 40 mL}\n    rounding: {value: null, assumed: 0.1 mg",
        ),
    )
    assert [(p.code, p.place) for p in dose.check_infusions(less)] == [
        ("C520", "interventions.ketamine-infusion.phases")
    ]
    other = changed(
        text,
        ("{dose: null, over: 2 min, volume: 8 mL}", "{dose: null, over: 2 min, volume: 10 mL}"),
        ("{dose: 0.025 mg/kg, over: 50 min, volume: 42 mL}", "{dose: 0.025 mg/kg, over: 50 min, volume: 40 mL}"),
    )
    assert [p.code for p in dose.check_infusions(other)] == ["C521"]


def test_a_crossover_gives_in_each_period_what_the_sequence_says() -> None:
    from equipoise.workflow.library import read_protocol

    protocol = read_protocol("ketamine-cocaine-crossover")
    assert [dose.is_due(protocol, "ketamine-first", day) for day in (3, 4, 18)] == ["ketamine", None, "midazolam"]
    assert [dose.is_due(protocol, "midazolam-first", day) for day in (3, 18)] == ["midazolam", "ketamine"]
    assert dose.sealed_sheet(protocol, "midazolam-first", 18, D(70)).prepared_mg == D("49.7")


def test_a_rate_or_day_that_tells_the_arms_apart_is_named(text: str, flagship: Protocol) -> None:
    assert dose.check_infusions(flagship) == []
    longer = changed(
        text,
        (
            "    over: 40 min\n    route: intravenous\n    days: [2]\n    source: [paper",
            "    over: 30 min\n    route: intravenous\n    days: [2]\n    source: [paper",
        ),
    )
    assert [p.code for p in dose.check_infusions(longer)] == ["C521"]
    without = changed(text, ("    volume: {value: null, assumed: 50 mL, basis", "    volume: {value: null, basis"))
    assert [p.place for p in dose.check_infusions(without)] == ["conduct.infusing.volume"]


# --- weight ---


def test_154_typed_for_a_man_of_70_kg_is_held_as_pounds(flagship: Protocol) -> None:
    rules = flagship.model.conduct.weighing
    assert set(weight.doubts(D(154), D(70), rules)) == {"above_range", "changed", "pounds"}
    assert set(weight.doubts(D(154), None, rules)) == {"above_range", "pounds"}  # 154 lb are 69.9 kg
    first, second = weight.Weight(D(154), 1, "ann"), weight.Weight(D(154), 1, "bob")
    assert [p.code for p in weight.check_second(first, second, D(70), rules)] == ["C527"]


def test_ten_fold_slips_are_held_with_and_without_a_last_weight(flagship: Protocol) -> None:
    rules = flagship.model.conduct.weighing
    assert "ten_fold" in weight.doubts(D(700), D(70), rules)
    assert "ten_fold" in weight.doubts(D(700), None, rules)
    assert "a_tenth" in weight.doubts(D(7), D(70), rules)
    assert "a_tenth" in weight.doubts(D("7.0"), None, rules)
    assert weight.check_weight(D(700), D(70), rules)[0].code == "C525"


def test_a_change_of_exactly_ten_per_cent_is_taken_and_a_hair_more_is_held(flagship: Protocol) -> None:
    rules = flagship.model.conduct.weighing
    assert weight.doubts(D(77), D(70), rules) == ()
    assert weight.doubts(D("77.1"), D(70), rules) == ("changed",)
    assert weight.doubts(D(63), D(70), rules) == ()
    assert weight.doubts(D("62.9"), D(70), rules) == ("changed",)
    assert weight.doubts(D(40), None, rules) == ()
    assert weight.doubts(D("39.9"), None, rules) == ("below_range",)


def test_a_held_weight_is_released_by_another_person_within_half_a_kilogram(flagship: Protocol) -> None:
    rules = flagship.model.conduct.weighing
    first = weight.Weight(D(80), 1, "ann")
    assert weight.check_second(first, weight.Weight(D("80.5"), 1, "bob"), D(70), rules) == []
    assert weight.check_second(first, weight.Weight(D("80.6"), 1, "bob"), D(70), rules)[0].code == "C527"
    assert weight.check_second(first, weight.Weight(D(80), 1, "ann"), D(70), rules)[0].code == "C527"


# --- infusion ---


def test_an_interrupted_and_slowed_infusion_delivers_the_sum_of_rate_by_time(flagship: Protocol) -> None:
    sheet = dose.open_sheet(flagship, 2)
    run = [
        infusion.RatePeriod(0, 600, Fraction(75)),  # 12.5 mL
        infusion.RatePeriod(900, 1500, Fraction(75, 2)),  # 6.25 mL after a pause of five minutes
    ]
    given = infusion.delivered(run)
    assert infusion.check_intervals(run, sheet) == []
    assert (given.volume_ml, given.minutes, given.interruptions) == (Fraction(75, 4), 25, 1)
    # 18.75 of 50 mL of 35.0 mg: 13.125 mg, written 13.13.
    assert infusion.delivered_mg(given, sheet, D("35.0")) == D("13.13")


def test_the_whole_bag_is_the_whole_dose_and_more_than_the_bag_is_refused(flagship: Protocol) -> None:
    sheet = dose.open_sheet(flagship, 2)
    whole = [infusion.RatePeriod(0, 2400, Fraction(75))]
    assert infusion.check_intervals(whole, sheet) == []
    assert infusion.delivered_mg(infusion.delivered(whole), sheet, D("41.2")) == D("41.2")
    late = [infusion.RatePeriod(0, 2700, Fraction(75))]  # stopped by hand five minutes after the bag ran empty
    assert infusion.check_intervals(late, sheet) == []
    assert infusion.delivered_mg(infusion.delivered(late), sheet, D("41.2")) == D("41.2")
    longer = [infusion.RatePeriod(0, 2701, Fraction(75))]
    assert [p.code for p in infusion.check_intervals(longer, sheet)] == ["C542"]
    assert infusion.delivered_mg(infusion.delivered(longer), sheet, D("41.2")) == D("41.2")
    backwards = [infusion.RatePeriod(0, 600, Fraction(75)), infusion.RatePeriod(500, 700, Fraction(75))]
    assert [p.code for p in infusion.check_intervals(backwards, sheet)] == ["C540"]
    faster = [infusion.RatePeriod(0, 60, Fraction(76))]
    assert [p.code for p in infusion.check_intervals(faster, sheet)] == ["C541"]


def test_vital_signs_are_due_every_five_minutes_and_then_every_ten(flagship: Protocol) -> None:
    due = infusion.readings_due(dose.open_sheet(flagship, 2), flagship.model.conduct.infusing)
    assert [int(minute) for minute in due] == [0, 5, 10, 15, 20, 25, 30, 35, 40, 50, 60, 70]
    missing = infusion.missing_readings(
        dose.open_sheet(flagship, 2), flagship.model.conduct.infusing, [D(0), D(6), D(13)], D(12)
    )
    assert [p.place for p in missing] == ["minute 10"]  # 6 and 13 are more than two minutes away


def test_stop_rules_fire_on_the_boundary(flagship: Protocol) -> None:
    rules = flagship.model.conduct.infusing
    assert infusion.stop_rules_met({"systolic": D(179), "saturation": D(90), "pulse": D(41)}, rules) == []
    met = infusion.stop_rules_met({"systolic": D(180), "pulse": D(40), "saturation": D(89)}, rules)
    assert [p.place.rpartition(".")[2] for p in met] == ["systolic-high", "pulse-low", "saturation-low"]
    assert infusion.stop_rules_met({"systolic": None}, rules) == []


# --- windows ---


def test_windows_are_closed_and_counted_in_dates_over_the_night_the_clocks_change(flagship: Protocol) -> None:
    # Clocks go forward on 29 March 2026 in Berlin: admission on 20 March makes it study day 10.
    due = {entry.name: entry for entry in windows.due_visits(flagship, date(2026, 3, 20))}
    visit = due["day-12"]
    assert (visit.first, visit.target, visit.last) == (date(2026, 3, 30), date(2026, 3, 31), date(2026, 3, 31))
    assert visit.timing(date(2026, 3, 30)) == "in_window"
    assert visit.timing(date(2026, 3, 31)) == "on_target"
    assert (visit.timing(date(2026, 3, 29)), visit.timing(date(2026, 4, 1))) == ("early", "late")
    night = windows.midnight(date(2026, 3, 30), BERLIN) - windows.midnight(date(2026, 3, 29), BERLIN)
    assert night == timedelta(hours=23)
    assert windows.midnight(date(2026, 10, 26), BERLIN) - windows.midnight(date(2026, 10, 25), BERLIN) == timedelta(
        hours=25
    )
    assert windows.study_day_of(date(2026, 3, 19), date(2026, 3, 20)) == -1
    # 23:30 UTC on 29 March is 01:30 of 30 March in Berlin.
    assert windows.local_date(datetime(2026, 3, 29, 23, 30, tzinfo=UTC), BERLIN) == date(2026, 3, 30)
    assert visit.opens(BERLIN) == datetime(2026, 3, 29, 22, tzinfo=UTC)


def test_where_clocks_skip_midnight_the_day_begins_at_one() -> None:
    # Sao Paulo went from 00:00 to 01:00 on 4 November 2018 (UTC-3 to UTC-2): the first instant is 03:00 UTC.
    assert windows.midnight(date(2018, 11, 4), ZoneInfo("America/Sao_Paulo")) == datetime(2018, 11, 4, 3, tzinfo=UTC)


def test_outside_the_window_a_reason_is_asked_and_missed_waits_for_the_window_to_close(flagship: Protocol) -> None:
    due = {entry.name: entry for entry in windows.due_visits(flagship, date(2026, 3, 20))}
    assert [p.code for p in windows.check_timing(due["day-9"], date(2026, 3, 29), "")] == ["C531"]
    assert windows.check_timing(due["day-9"], date(2026, 3, 29), "train did not run") == []
    assert windows.check_missed(due["day-9"], date(2026, 3, 28))[0].code == "C532"
    assert windows.check_missed(due["day-9"], date(2026, 3, 29)) == []
    assert windows.check_visit_name(flagship, "day-10")[0].code == "C530"
    assert windows.check_visit_name(flagship, "unscheduled-1") == []


def test_the_calendar_is_due_on_the_outpatient_days(flagship: Protocol) -> None:
    assert windows.calendar_days(flagship) == tuple(range(6, 34))


# --- forms ---


def test_every_assessment_of_the_flagship_has_a_form(flagship: Protocol) -> None:
    made = forms.forms(flagship)
    assert {id: (form.kind, len(form.items)) for id, form in made.items()} == {
        "urine": ("urine", 1),
        "calendar": ("daily-use", 3),
        "craving": ("instrument", 1),
        "mindfulness": ("instrument", 39),
        "stress": ("instrument", 10),
        "infusion-vitals": ("vitals", 5),
        "dissociation": ("instrument", 1),
        "arm-guess": ("instrument", 2),
        "telephone-report": ("instrument", 1),
        "adverse-events": ("event", 2),
        "mindfulness-based-relapse-prevention": ("session", 4),
    }
    assert {id for id, form in made.items() if form.blinding == "quarantined"} == {"infusion-vitals", "dissociation"}


def test_bounds_are_included_and_every_problem_comes_at_once(flagship: Protocol) -> None:
    form = forms.form_of(flagship, "stress")
    answers = {str(k): "4" for k in range(1, 11)}
    assert forms.fill(form, {**answers, "1": "0"}).hard == ()
    wrong = forms.fill(form, {**answers, "1": "5", "2": "-1", "3": "two", "11": "1"})
    assert sorted(p.code for p in wrong.hard) == ["C570", "C571", "C572", "C572"]


def test_the_stress_score_turns_four_items(flagship: Protocol) -> None:
    # Items 4, 5, 7, 8 turned: four of 4 - 1 = 3, six of 1.
    filled = forms.fill(forms.form_of(flagship, "stress"), {str(k): "1" for k in range(1, 11)}, confirmed=["1"])
    assert filled.scores == {"total": "18.0"}
    assert filled.soft == ()


def test_straight_lines_and_gaps_ask_and_a_missing_mark_refuses(flagship: Protocol) -> None:
    form = forms.form_of(flagship, "stress")
    assert [p.code for p in forms.fill(form, {str(k): "1" for k in range(1, 11)}).soft] == ["C575"]
    gap = forms.fill(form, {str(k): str(k % 3) for k in range(1, 10)})
    assert (gap.hard, [p.place for p in gap.soft]) == ((), ["stress.10"])
    assert gap.answers["10"] is None
    assert [p.code for p in forms.fill(forms.form_of(flagship, "craving"), {}).hard] == ["C573"]


def test_items_put_out_of_question_are_cleared(flagship: Protocol) -> None:
    form = forms.form_of(flagship, "calendar")
    filled = forms.fill(form, {"cocaine": "no", "cocaine.amount": "2", "cocaine.unit": "g"})
    assert (dict(filled.answers), filled.cleared) == ({"cocaine": "no"}, ("cocaine.amount", "cocaine.unit"))
    told = forms.fill(form, {"cocaine": "yes", "cocaine.amount": "2"})
    assert [p.place for p in told.hard] == ["calendar.cocaine.unit"]


def test_diastolic_at_systolic_is_refused_and_high_pressure_asks(flagship: Protocol) -> None:
    form = forms.form_of(flagship, "infusion-vitals")
    assert [p.code for p in forms.fill(form, {"minute": "5", "systolic": "90", "diastolic": "90"}).hard] == ["C574"]
    high = forms.fill(form, {"minute": "5", "systolic": "190", "diastolic": "90"})
    assert [p.place for p in high.soft] == ["infusion-vitals.systolic"]
    assert forms.fill(form, {"minute": "5"}).hard[0].code == "C573"


def test_conditions_and_binds_tighter_and_hidden_parents_hide_their_children() -> None:
    condition = parse_condition("a = 1 or b > 2 and c")
    assert condition.holds({"a": "1"})
    assert condition.holds({"b": "3", "c": "yes"})
    assert not condition.holds({"b": "3"})
    chain = {"a": None, "b": parse_condition("a = yes"), "c": parse_condition("b != 2")}
    assert asked(chain, {"a": "no", "b": "1", "c": "1"}) == ("a",)
    assert asked(chain, {"a": "yes", "b": "1", "c": "1"}) == ("a", "b", "c")
    with pytest.raises(ValueError, match="does not come before"):
        asked({"a": parse_condition("b"), "b": None}, {"b": "no"})


def test_wording_must_cover_every_item_of_an_instrument_of_the_protocol(flagship: Protocol) -> None:
    whole = '{"pss-10": {' + ", ".join(f'"{k}": "words {k}"' for k in range(1, 11)) + "}}"
    assert wording.read_wording(whole, flagship)[1] == []
    assert [p.place for p in wording.read_wording('{"pss-14": {}, "craving-vas": {}}', flagship)[1]] == [
        "pss-14",
        "craving-vas",
    ]
    assert wording.read_wording("[", flagship)[1][0].code == "C580"


# --- adverse events and stock ---


def test_clocks_of_hours_run_from_the_minute_and_clocks_of_days_end_with_a_local_day(flagship: Protocol) -> None:
    event = adverse_events.ReportedEvent(
        "collapse", 2, "life_threatening", ("life-threatening",), related=True, expected=False
    )
    aware = datetime(2026, 3, 27, 22, 30, tzinfo=UTC)  # 23:30 on 27 March in Berlin
    due = adverse_events.deadlines(flagship, event, aware, BERLIN)
    assert [(entry.clock, entry.due) for entry in due] == [
        ("sponsor", datetime(2026, 3, 28, 22, 30, tzinfo=UTC)),
        # Seven days after the 27th end with 3 April, summer time by then: midnight is 22:00 UTC.
        ("regulator-fatal", datetime(2026, 4, 3, 22, tzinfo=UTC)),
        ("regulator", datetime(2026, 4, 11, 22, tzinfo=UTC)),
    ]
    assert adverse_events.overdue(due, {"sponsor"}, datetime(2026, 4, 3, 22, tzinfo=UTC)) == []
    assert len(adverse_events.overdue(due, {"sponsor"}, datetime(2026, 4, 3, 22, 0, 1, tzinfo=UTC))) == 1


def test_what_was_not_judged_counts_as_related_and_unexpected_and_mild_events_have_no_clock(flagship: Protocol) -> None:
    aware = datetime(2026, 3, 27, 12, tzinfo=UTC)
    unjudged = adverse_events.ReportedEvent("fall", 2, "severe", ("hospitalization",))
    assert [d.clock for d in adverse_events.deadlines(flagship, unjudged, aware, BERLIN)] == ["sponsor", "regulator"]
    expected = adverse_events.ReportedEvent("fall", 2, "severe", ("hospitalization",), related=True, expected=True)
    assert [d.clock for d in adverse_events.deadlines(flagship, expected, aware, BERLIN)] == ["sponsor"]
    assert adverse_events.deadlines(flagship, adverse_events.ReportedEvent("nausea", 2, "mild"), aware, BERLIN) == ()


def test_an_event_that_contradicts_itself_is_refused() -> None:
    wrong = adverse_events.ReportedEvent("", 3, "fatal", ("sadness",), end_day=2)
    assert {p.place for p in adverse_events.check_event(wrong)} == {"term", "serious", "end-day", "outcome"}
    assert (
        adverse_events.check_event(adverse_events.ReportedEvent("death", 3, "fatal", ("death",), outcome="fatal")) == []
    )


def test_the_shelf_is_what_came_in_less_what_went_out() -> None:
    register = [
        stock.StockEntry("ketamine", "received", D(500)),
        stock.StockEntry("ketamine", "drawn", D("41.2")),
        stock.StockEntry("ketamine", "wasted", D("8.8")),
        stock.StockEntry("ketamine", "returned", D(100)),
    ]
    assert stock.balance(register) == {"ketamine": D("350.0")}
    assert stock.check_entry(register, stock.StockEntry("ketamine", "drawn", D("350.1")))[0].code == "C560"
    assert stock.check_entry(register, stock.StockEntry("ketamine", "drawn", D(350))) == []
    assert stock.check_entry(register, stock.StockEntry("midazolam", "drawn", D(1)))[0].code == "C560"
    assert stock.check_count(register, "ketamine", D(349))[0].code == "C561"
