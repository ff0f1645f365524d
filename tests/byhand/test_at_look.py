"""What is known at a look, on two participants of X:BOT's protocol whose relapse is found by hand.

Weeks of the endpoint are tiled from study day 21: 21 to 27, 28 to 34, 35 to 41, 42 to 48. Four weeks of use in a row
are a relapse on the first day of the first; a week without a sample counts as use.
"""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

import equipoise
from equipoise.analysis.at_look import plan_at_look
from equipoise.foundation.errors import AnalysisError, RecordsError
from equipoise.records import DataSource, Records
from equipoise.records.known_on import DatesOfDay1, assume_dates, records_known_on

BEGIN = date(2027, 1, 1)
PROTOCOL = equipoise.read_protocol("xbot")
POSITIVE = (22, 29, 36, 43)  # one positive sample in each of the four weeks


def made() -> Records:
    """A: positive once in each of the four weeks. B: attends nothing and gives no sample. C: a clean sample a week."""
    people = ["A", "B", "C", "D"]
    arms = ["bup-nx", "xr-ntx", "xr-ntx", "bup-nx"]
    clean = [(who, day) for who in ("C", "D") for day in range(1, 169, 7)]
    early = [(who, day) for who in ("A", "B") for day in (1, 8, 15)]
    rows = [(who, day, "negative") for who, day in [*clean, *early]] + [("A", day, "positive") for day in POSITIVE]
    urine = [
        {"participant_id": who, "visit": None, "day": day, "substance": substance, "result": result}
        for who, day, result in rows
        for substance in ("opioid", "methadone", "buprenorphine")
    ]
    allocations = [
        {"participant_id": p, "stage": 1, "day": 1, "stratum": None, "arm": arm, "arm_received": arm}
        for p, arm in zip(people, arms, strict=True)
    ]
    tables = {
        "participants": pl.DataFrame({"participant_id": people, "site": "s", "consented": True, "eligible": True}),
        "allocations": pl.DataFrame(allocations),
        "urine": pl.DataFrame(urine),
    }
    return Records(tables, DataSource("imported", "made by hand", "xbot", PROTOCOL.hash))


def at(study_day: int, entered: dict[str, int] | None = None):
    """Time and event of everybody on a study day of those who entered first."""
    shift = entered or {}
    entry = DatesOfDay1({p: BEGIN + timedelta(days=shift.get(p, 0)) for p in "ABCD"}, "by hand")
    known = records_known_on(PROTOCOL, made(), entry, BEGIN + timedelta(days=study_day - 1))
    look = plan_at_look(PROTOCOL, known.records, "relapse", followed_to=known.followed_to)
    derived = look.plan.derived("relapse")
    ids = derived.participants.frame["participant_id"].to_list()
    return {p: (derived.time[k], bool(derived.event[k])) for k, p in enumerate(ids)}, look


def test_a_run_of_use_is_an_event_once_its_last_week_was_seen():
    before, _ = at(42)
    assert before["A"] == (41.0, False)  # three weeks were seen: censored on study day 42
    after, _ = at(43)
    assert after["A"] == (20.0, True)  # the fourth positive sample: relapse on study day 21


def test_a_week_without_a_sample_counts_as_use_only_once_it_is_over():
    before, _ = at(47)
    assert before["B"] == (46.0, False)
    after, _ = at(48)
    assert after["B"] == (20.0, True)


def test_follow_up_that_goes_on_is_censored_on_the_day_of_the_look_by_each_ones_own_entry():
    found, look = at(60, {"C": 10, "D": 70})
    assert found["C"] == (49.0, False)  # 60 - 10 = study day 50
    assert "D" not in found  # had not entered
    assert look.n_randomized == 3
    assert look.seen.n_in == 3


def test_after_everybodys_follow_up_nothing_is_changed():
    found, look = at(400)
    assert bool(look.seen.is_over.all())
    whole = plan_at_look(PROTOCOL, made(), "relapse", followed_to=None, all_followed=True).plan.derived("relapse")
    assert found == {
        p: (whole.time[k], bool(whole.event[k]))
        for k, p in enumerate(whole.participants.frame["participant_id"].to_list())
    }
    assert found["C"] == (167.0, False)


def test_records_are_cut_row_by_row():
    entry = DatesOfDay1(dict.fromkeys("ABCD", BEGIN), "by hand")
    known = records_known_on(PROTOCOL, made(), entry, BEGIN + timedelta(days=29))  # study day 30
    assert known.records["urine"]["day"].max() == 29
    assert set(known.followed_to.values()) == {29}
    ends = known.records["disposition"].filter(pl.col("event") == "administrative_end")
    assert ends["day"].to_list() == [30] * 4
    late = records_known_on(PROTOCOL, made(), entry, BEGIN + timedelta(days=29), delay_days=10)
    assert late.records["urine"]["day"].max() == 15  # known to study day 20; the sample of day 22 is not


def test_the_row_order_of_a_file_does_not_decide_who_entered_when():
    records = made()
    turned = Records({name: frame.reverse() for name, frame in records.tables.items()}, records.source)
    for seed in (None, 4):
        first = assume_dates(records, BEGIN, BEGIN + timedelta(days=90), seed=seed)
        again = assume_dates(turned, BEGIN, BEGIN + timedelta(days=90), seed=seed)
        assert dict(first.dates) == dict(again.dates)
        assert sorted(first.dates.values()) == [BEGIN + timedelta(days=d) for d in (0, 30, 60, 90)]
        assert first.is_assumed
        assert "assumed" in first.basis


def test_records_that_do_not_say_up_to_when_are_refused():
    with pytest.raises(AnalysisError) as raised:
        plan_at_look(PROTOCOL, made(), "relapse", followed_to=None)
    assert [p.code for p in raised.value.problems] == ["A050"]
    entry = DatesOfDay1(dict.fromkeys("ABC", BEGIN), "by hand")
    with pytest.raises(RecordsError) as missing:
        records_known_on(PROTOCOL, made(), entry, BEGIN)
    assert [p.code for p in missing.value.problems] == ["R140"]
    everybody = DatesOfDay1(dict.fromkeys("ABCD", BEGIN), "by hand")
    with pytest.raises(RecordsError) as early:
        records_known_on(PROTOCOL, made(), everybody, BEGIN - timedelta(days=1))
    assert [p.code for p in early.value.problems] == ["R142"]
    with pytest.raises(RecordsError) as swapped:
        assume_dates(made(), BEGIN, BEGIN - timedelta(days=1))
    assert [p.code for p in swapped.value.problems] == ["R141"]


def test_a_result_that_is_not_due_is_no_failure():
    """The flagship counts missing as use: at a look only those count who were followed to the end of the window."""
    protocol = equipoise.read_protocol("ketamine-mbrp-cocaine")
    records = equipoise.simulate(protocol, seed=7)
    entry = assume_dates(records, date(2027, 1, 1), date(2028, 12, 31))
    known = records_known_on(protocol, records, entry, date(2028, 1, 1))
    look = plan_at_look(protocol, known.records, "abstinence", followed_to=known.followed_to)
    last = max(protocol.model.endpoints["abstinence"].days.last - 1, 0)
    due = {p for p, day in entry.dates.items() if (date(2028, 1, 1) - day).days >= last}
    ids = set(look.plan.lattice.participants.frame["participant_id"].to_list())
    assert ids <= due
    assert 20 < len(ids) < 35
    whole = plan_at_look(protocol, records, "abstinence", followed_to=None, all_followed=True).plan.derived(
        "abstinence"
    )
    final = dict(zip(whole.participants.frame["participant_id"].to_list(), whole.value, strict=True))
    now = look.plan.derived("abstinence")
    mine = dict(zip(now.participants.frame["participant_id"].to_list(), now.value, strict=True))
    np.testing.assert_array_equal([final[p] for p in sorted(mine)], [mine[p] for p in sorted(mine)])
