"""What must not change an endpoint: contacts that assess nothing, and rows that only say that a visit was missed.

Every kind of endpoint is derived on generated records of a small trial, before and after.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from equipoise.endpoints import derive_endpoint, read_lattice
from equipoise.endpoints.derivation import DERIVE
from equipoise.protocol.read import read_protocol_text
from equipoise.records import DataSource, Records
from equipoise.workflow.verbs import require_records

TRIAL = """
equipoise: 1
trial: {id: small, title: Small}
calendar: {day-1: randomization, epochs: {before: {days: -7..-1}, after: {days: 1..40}}}
interventions: {a: {type: oral, drug: a}, b: {type: oral, drug: b}}
arms: {a: {role: active-control, gives: [a]}, b: {role: experimental, gives: [b]}}
eligibility: {include: null, exclude: null}
randomization: {ratio: {a: 1, b: 1}}
assessments:
  urine: {type: urine, substances: [cocaine]}
  diary: {type: daily-use, substances: [cocaine]}
  stress: {type: instrument, instrument: pss-10}
  craving: {type: instrument, instrument: craving-vas}
  swab: {type: finding, yes: germs, no: no germs}
  outcomes: {type: events, terms: [admission]}
schedule:
  entry: {day: 1, assess: [urine, diary]}
  weekly: {days: [8, 15, 22, 29], named: "week-{n}", window: -1..2, assess: [urine, diary, craving, swab]}
  therapy: {days: [5, 12, 19, 26], named: "therapy-{n}"}
  end: {day: 33, assess: [craving]}
  promised: {days: [6, 13, 20, 27], named: "promised-{n}", assess: [urine, stress]}
use:
  cocaine: {substances: [cocaine]}
  sampled: {substances: [cocaine], by: [urine]}
  told: {substances: [cocaine], by: [self-report]}
endpoints:
  abstinent: {kind: abstinence, words: w, use: cocaine, days: 9..29, at: weekly, missed: is-use}
  abstinent-carried: {kind: abstinence, words: w, use: cocaine, days: 9..29, at: weekly, missed: last-observation}
  abstinent-days-asked: {kind: abstinence, words: w, use: told, days: 2..29, missed: is-missing}
  days: {kind: abstinent-days, words: w, use: told, days: 1..29, as: count}
  share: {kind: abstinent-days, words: w, use: cocaine, days: 1..29}
  first-use: {kind: time-to-event, words: w, time-zero: day 1, first-of: [{use: cocaine}], until: day 29}
  relapse:
    {kind: time-to-event, words: w, time-zero: day 1, first-of: [{use: told}, {dropout: weekly}], until: day 29}
  run: {kind: time-to-event, words: w, time-zero: day 1, until: day 29,
    first-of: [{use: cocaine, cells: weeks, from: 2, length: 2, missed: is-missing}]}
  use-at-visits: {kind: repeated-use, words: w, use: cocaine, at: weekly}
  sampled-at-visits: {kind: repeated-use, words: w, use: sampled, at: weekly}
  told-at-visits: {kind: repeated-use, words: w, use: told, at: weekly}
  use-since-planned: {kind: repeated-use, words: w, use: cocaine, at: weekly, since: last-planned}
  by-day: {kind: use-by-day, words: w, use: cocaine, days: 1..29}
  by-week: {kind: use-by-week, words: w, use: cocaine, days: 2..29}
  craving: {kind: score, words: w, assessment: craving, scale: score, at: weekly}
  pattern-of-visits:
    {kind: pattern, words: w, use: cocaine, cells: visits, at: weekly, formula: {longest-run: {cells: "-"}}}
  pattern-of-weeks: {kind: pattern, words: w, use: cocaine, cells: weeks, at: weekly, days: 2..29,
    formula: {count: {cells: "-"}}}
  responded: {kind: score-criterion, words: w, assessment: craving, scale: score, at-most: 40, at: weekly}
  germs: {kind: finding, words: w, assessment: swab, at: weekly, better: lower}
  admitted: {kind: event, words: w, events: [admission], days: 1..20, better: lower}
  admissions: {kind: event-count, words: w, events: [admission], days: 1..20, better: lower}
  asked: {kind: report, words: w, assessment: craving, item: score, at: end}
  received: {kind: received, words: w, intervention: {a: a, b: b}}
  classed:
    {kind: ordered, words: w, of: craving, visit: week-4, categories: [low, middle, high], from: [30, 60],
      better: lower}
  wins:
    {kind: hierarchical, words: w, levels: [{endpoint: relapse}, {endpoint: craving, visit: week-4, margin: 5}]}
"""
ENDPOINTS = tuple(read_protocol_text(TRIAL).model.endpoints)


def generated(seed: int) -> Records:
    """Thirty participants who come or not, leave or not, use or not; the calendar is asked at the weekly visits."""
    rng = np.random.default_rng(seed)
    rows: dict[str, list[dict[str, object]]] = {
        name: []
        for name in ("participants", "allocations", "visits", "urine", "daily_use", "assessments", "exposure", "events")
    }
    for number in range(30):
        who = {"participant_id": f"P{number}"}
        arm = "ab"[number % 2]
        rows["participants"].append({**who, "consented": True})
        rows["allocations"].append({**who, "stage": 1, "day": 1, "arm": arm})
        rows["exposure"].append({**who, "intervention": arm, "day": 1})
        event = {"term": "admission", "day": int(rng.integers(2, 30)), "happened": bool(rng.random() < 0.5)}
        rows["events"].append({**who, **event})
        used = {day for day in range(1, 41) if rng.random() < 0.08}
        gone = rng.integers(1, 8)
        asked_to = 0
        for k, (visit, target) in enumerate(
            [("entry", 1), ("week-1", 8), ("week-2", 15), ("week-3", 22), ("week-4", 29), ("end", 33)]
        ):
            came = k == 0 or (k < gone and rng.random() < 0.8)
            day = target + (0 if k == 0 else int(rng.integers(-1, 3)))
            state = "attended" if came else "missed"
            rows["visits"].append(
                {**who, "visit": visit, "target_day": target, "day": day if came else None, "state": state}
            )
            if not came:
                continue
            if rng.random() < 0.9:
                positive = bool(used & {day, day - 1, day - 2}) or (k == 0 and rng.random() < 0.5)
                result = "positive" if positive else "negative"
                rows["urine"].append({**who, "visit": visit, "day": day, "substance": "cocaine", "result": result})
            if rng.random() < 0.8:
                last = day if rng.random() < 0.5 else day - 1  # a calendar may end the day before the visit
                for asked in range(asked_to + 1, last + 1):
                    rows["daily_use"].append(
                        {**who, "day": asked, "substance": "cocaine", "asked": True, "used": asked in used}
                    )
                asked_to = max(asked_to, last)
            if k:
                value = float(rng.integers(0, 100))
                finding = {"instrument": "swab", "item": "finding", "value": float(rng.random() < 0.5)}
                rows["assessments"].append({**who, "visit": visit, "day": day, **finding})
                rows["assessments"].append(
                    {**who, "visit": visit, "day": day, "instrument": "craving-vas", "item": "score", "value": value}
                )
    tables = {name: pl.DataFrame(part, infer_schema_length=None) for name, part in rows.items()}
    return Records(tables, DataSource("imported", "generated", "small", ""))


def with_contacts(records: Records, seed: int) -> Records:
    """Contacts that assess nothing, in arm b alone: of the plan, promised an assessment without one, and beside it."""
    rng = np.random.default_rng(seed)
    rows = []
    for who in records["allocations"].filter(pl.col("arm") == "b")["participant_id"]:
        for k in range(1, 5):
            for visit, target in ((f"therapy-{k}", 7 * k - 2), (f"promised-{k}", 7 * k - 1), (f"beside-{k}", None)):
                day = int(rng.integers(2, 34)) if target is None else target
                rows.append(
                    {"participant_id": who, "visit": visit, "target_day": target, "day": day, "state": "attended"}
                )
    visits = pl.concat([records["visits"], pl.DataFrame(rows, schema=records["visits"].schema)])
    return replace(records, tables={**records.tables, "visits": visits})


def same(one, two) -> None:
    for name in ("value", "time", "event", "visit_time", "values", "imputed", "exposure"):
        a, b = getattr(one, name), getattr(two, name)
        assert (a is None) == (b is None)
        if a is not None:
            np.testing.assert_array_equal(a, b, err_msg=name)
    assert len(one.rungs) == len(two.rungs)
    for mine, other in zip(one.rungs, two.rungs, strict=True):
        for name in ("value", "time", "event"):
            np.testing.assert_array_equal(getattr(mine, name), getattr(other, name), err_msg=name)


@pytest.fixture(scope="module", params=range(3))
def before(request):
    protocol = read_protocol_text(TRIAL)
    records = generated(request.param)
    require_records(protocol, records)
    return protocol, records, read_lattice(protocol, records)


def test_every_kind_of_endpoint_is_tried():
    assert {endpoint.kind for endpoint in read_protocol_text(TRIAL).model.endpoints.values()} == set(DERIVE)


@pytest.mark.parametrize("id", ENDPOINTS)
def test_contacts_that_assess_nothing_change_no_endpoint(before, id):
    protocol, records, lattice = before
    more = read_lattice(protocol, with_contacts(records, seed=5))
    same(derive_endpoint(lattice, id), derive_endpoint(more, id))


@pytest.mark.parametrize("id", ENDPOINTS)
def test_rows_of_missed_visits_change_no_endpoint(before, id):
    protocol, records, lattice = before
    kept = records["visits"].filter(pl.col("state") != "missed")
    assert kept.height < records["visits"].height
    thin = read_lattice(protocol, replace(records, tables={**records.tables, "visits": kept}))
    same(derive_endpoint(lattice, id), derive_endpoint(thin, id))
    n = (
        records["visits"]
        .filter(pl.col("visit").is_in(["week-1", "week-2", "week-3", "week-4", "end"]) & (pl.col("state") == "missed"))
        .height
    )
    assert thin.due is not None
    assert [note.found for note in thin.due.notes] == [f"{n} due visits had no row and count as missed."]


@pytest.mark.parametrize("id", ENDPOINTS)
def test_a_result_of_a_visit_says_as_much_as_its_row(before, id):
    protocol, records, lattice = before
    seen = pl.concat([records[name].select("participant_id", "visit", "day") for name in ("urine", "assessments")])
    silent = records["visits"].join(seen.unique(), on=["participant_id", "visit", "day"], how="anti")
    bare = read_lattice(protocol, replace(records, tables={**records.tables, "visits": silent}))
    same(derive_endpoint(lattice, id), derive_endpoint(bare, id))
