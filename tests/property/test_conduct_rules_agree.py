"""Rules of the running trial against a second, tiny, differently written implementation, on generated inputs.

The second one here shares no line with the program: floats are avoided by whole numbers, dates by counting, sets by
tables written out.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from fractions import Fraction
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from equipoise.conduct.rules import dose, eligibility, forms, infusion, stock, weight, windows
from equipoise.conduct.rules.status import NEEDS_REASON, STEPS, Course, after, refusals
from equipoise.protocol import Protocol
from equipoise.protocol.language.conditions import asked, parse_condition
from equipoise.workflow.library import read_protocol

QUICK = settings(max_examples=80, deadline=None)
tenths = st.integers(400, 1500)


@pytest.fixture(scope="module")
def flagship() -> Protocol:
    return read_protocol("ketamine-mbrp-cocaine")


# --- doses: everything in whole micrograms ---


def second_dose(weight_tenths: int, microgram_per_kg: int, step_microgram: int) -> int:
    """Micrograms, half a step up, by counting steps."""
    tenths_of_microgram = weight_tenths * microgram_per_kg
    whole, rest = divmod(tenths_of_microgram, 10 * step_microgram)
    return (whole + (rest * 2 >= 10 * step_microgram)) * step_microgram


@QUICK
@given(tenths)
def test_doses_agree(flagship: Protocol, kg: int) -> None:
    at = Decimal(kg) / 10
    assert dose.sealed_sheet(flagship, "ketamine", 2, at).prepared_mg * 1000 == second_dose(kg, 500, 100)
    assert dose.sealed_sheet(flagship, "midazolam", 2, at).prepared_mg * 1000 == second_dose(kg, 25, 10)


@QUICK
@given(st.lists(st.tuples(st.integers(0, 300), st.integers(0, 400), st.integers(0, 75)), max_size=6), tenths)
def test_delivered_doses_agree_and_never_pass_the_prepared(
    flagship: Protocol, run: list[tuple[int, int, int]], kg: int
) -> None:
    sheet = dose.open_sheet(flagship, 2)
    prepared = dose.sealed_sheet(flagship, "ketamine", 2, Decimal(kg) / 10).prepared_mg
    entries, clock, ticks = [], 0, 0
    for gap, length, rate in run:
        entries.append(infusion.RatePeriod(clock + gap, clock + gap + length, Fraction(rate)))
        clock += gap + length
        ticks += rate * length  # millilitre-seconds an hour
    given_mg = infusion.delivered_mg(infusion.delivered(entries), sheet, prepared)
    # One second at a time: micrograms = prepared * ticks / (3600 * 50), to tens, half up.
    micro = int(prepared * 1000)
    tens = (2 * micro * ticks + 10 * 180_000) // (2 * 10 * 180_000)
    assert given_mg * 100 == min(tens, int(prepared * 100))
    assert given_mg <= prepared
    refused = infusion.check_intervals(entries, sheet)
    assert bool(refused) == (ticks > 180_000 + 75 * 300)


@QUICK
@given(st.integers(20, 3000), st.none() | tenths)
def test_held_weights_agree(flagship: Protocol, kg: int, last: int | None) -> None:
    found = weight.doubts(
        Decimal(kg) / 10, None if last is None else Decimal(last) / 10, flagship.model.conduct.weighing
    )
    # a first weight is held where the same number of pounds is a weight of at least 40 kg as well
    second = kg < 400 or kg > 1500 or (last is None and kg * 45_359_237 >= 400 * 100_000_000)
    if last is not None:
        second = second or abs(kg - last) * 10 > last
    assert bool(found) == second


# --- the path: what may be done, written out as a table ---

_ANY = {"screened", "not_enrolled", "consented", "eligible", "randomized"}
_IN = {"consented", "eligible", "randomized"}
SECOND_PHASES = {
    "screen": {"new"},
    "fail_screening": {"screened", "consented", "eligible"},
    "consent": _ANY - {"not_enrolled"},
    "record_baseline": _IN,
    "find_eligible": {"consented", "eligible"},
    "find_ineligible": {"consented", "eligible"},
    "void_eligibility": {"eligible"},
    "reopen_screening": {"not_enrolled"},
    "randomize": {"eligible"},
    "hold_visit": _IN,
    "miss_visit": _IN,
    "withdraw": _IN,
    "report_event": _IN | {"not_enrolled"},
    "correct": _ANY,
    "die": _ANY,
}


@QUICK
@given(st.lists(st.sampled_from(STEPS), max_size=40))
def test_no_walk_reaches_a_randomization_before_consent_or_a_dose_before_randomization(steps: list[str]) -> None:
    course = Course()
    history: list[str] = []
    for step in steps:
        if refusals(course, step, reason="because", current_consent=course.consent or "none"):
            continue
        assert course.phase in SECOND_PHASES.get(step, {"randomized"})
        assert (step in NEEDS_REASON) == any(p.code == "C503" for p in refusals(course, step, reason=""))
        course = after(course, step, consent="1" if step == "consent" else "")
        history.append(step)
    for before, then in (
        ("consent", "randomize"),
        ("find_eligible", "randomize"),
        ("randomize", "start_dose"),
        ("randomize", "prepare_dose"),
        ("randomize", "hold_session"),
        ("randomize", "unblind"),
    ):
        if then in history:
            assert before in history[: history.index(then)]
    assert history.count("randomize") <= 1
    assert history.count("die") <= 1
    if "die" in history:
        still = {"correct", "report_event", "miss_visit", "unblind", "randomized_in_error", "record_dose"}
        still |= {"record_baseline", "void_eligibility"}
        assert set(history[history.index("die") + 1 :]) <= still
    if "discontinue_treatment" in history:
        assert "start_dose" not in history[history.index("discontinue_treatment") :]


# --- windows ---

ZONES = ("America/New_York", "Europe/Berlin", "America/Sao_Paulo", "Australia/Lord_Howe", "Africa/Cairo")


@QUICK
@given(st.dates(dt.date(2015, 1, 1), dt.date(2035, 1, 1)), st.sampled_from(ZONES), st.integers(-30, 300))
def test_timing_agrees_with_counting_days_one_by_one(
    flagship: Protocol, day_1: dt.date, zone: str, offset: int
) -> None:
    on = day_1 + dt.timedelta(days=offset)
    # Walk from day 1, there being no day 0.
    counted = 1
    for _ in range(abs(offset)):
        counted += 1 if offset > 0 else -1
        counted = counted or -1
    assert windows.study_day_of(on, day_1) == counted
    where = ZoneInfo(zone)
    for due in windows.due_visits(flagship, day_1):
        low, high = {"six-month-call": (169, 197)}.get(due.name, (due.visit.target_day, due.visit.target_day))
        low -= 1 if due.name.startswith("day-") else 0
        said = due.timing(on)
        assert (said == "early") == (counted < low)
        assert (said == "late") == (counted > high)
        # At any minute of a date in the window the instant lies between opening and closing.
        noon = dt.datetime.combine(on, dt.time(12), tzinfo=where)
        assert (due.opens(where) <= noon < due.closes(where)) == (low <= counted <= high)
        assert windows.local_date(due.opens(where), where) == due.first


@QUICK
@given(st.dates(dt.date(2015, 1, 1), dt.date(2035, 1, 1)), st.sampled_from(ZONES))
def test_midnight_is_the_first_minute_of_its_date(day: dt.date, zone: str) -> None:
    where = ZoneInfo(zone)
    first = windows.midnight(day, where)
    assert windows.local_date(first, where) == day
    assert windows.local_date(first - dt.timedelta(minutes=1), where) == day - dt.timedelta(days=1)


# --- eligibility ---


@QUICK
@given(st.none() | st.integers(0, 99), st.none() | st.booleans(), st.none() | st.booleans())
def test_eligibility_is_a_conjunction_with_unknowns(
    flagship: Protocol, age: int | None, dependent: bool | None, seeking: bool | None
) -> None:
    values = {} if age is None else {"age": age}
    told = {k: v for k, v in (("dependent", dependent), ("seeking", seeking)) if v is not None}
    parts = [None if age is None else age >= 18, dependent, seeking]
    second = False if False in parts else None if None in parts else True
    assert eligibility.decide(flagship, values, told).eligible is second


# --- branching and scores ---


@QUICK
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(-1, 5)), min_size=2, max_size=7))
def test_branching_agrees_with_a_walk_over_plain_numbers(rows: list[tuple[int, int]]) -> None:
    # Item k is asked when the item before it is asked and answered at least ``bound``; -1 asks always.
    conditions = {"i0": None}
    answers: dict[str, str | None] = {"i0": str(rows[0][0])}
    expected = ["i0"]
    shown = True
    for k, (answer, bound) in enumerate(rows[1:], 1):
        conditions[f"i{k}"] = None if bound < 0 else parse_condition(f"i{k - 1} >= {bound}")  # type: ignore[assignment]
        shown = bound < 0 or (shown and rows[k - 1][0] >= bound)
        answers[f"i{k}"] = str(answer)
        if shown:
            expected.append(f"i{k}")
    assert list(asked(conditions, answers)) == expected


@QUICK
@given(st.lists(st.none() | st.integers(0, 4), min_size=10, max_size=10))
def test_the_stress_score_agrees_with_adding_up_by_hand(flagship: Protocol, ticks: list[int | None]) -> None:
    form = forms.form_of(flagship, "stress")
    answers = {str(k): None if tick is None else str(tick) for k, tick in enumerate(ticks, 1)}
    filled = forms.fill(form, answers, confirmed=list(answers))
    known = [(4 - tick if k in (4, 5, 7, 8) else tick) for k, tick in enumerate(ticks, 1) if tick is not None]
    if len(known) < 8:  # three quarters of ten
        assert filled.scores["total"] is None
    else:
        assert Fraction(float(filled.scores["total"] or "nan")).limit_denominator(1000) == Fraction(
            sum(known) * 10, len(known)
        )


# --- the drug register ---


@QUICK
@given(st.lists(st.tuples(st.sampled_from(stock.MOVEMENTS), st.integers(0, 2000)), max_size=25))
def test_the_shelf_never_falls_below_nothing_and_adds_up(moves: list[tuple[str, int]]) -> None:
    lines: list[stock.StockEntry] = []
    shelf = 0
    for movement, tenth in moves:
        entry = stock.StockEntry("ketamine", movement, Decimal(tenth) / 10)  # type: ignore[arg-type]
        possible = tenth > 0 and (movement == "received" or tenth <= shelf)
        assert (stock.check_entry(lines, entry) == []) == possible
        if possible:
            lines.append(entry)
            shelf += tenth if movement == "received" else -tenth
        assert stock.balance(lines).get("ketamine", Decimal(0)) * 10 == shelf
        assert shelf >= 0
