"""A small trial with events, a finding and scores, and records of it written as short lines."""

from __future__ import annotations

from typing import Any

import polars as pl

from equipoise.endpoints.derivation import derive_endpoint
from equipoise.endpoints.endpoint_values import Derived
from equipoise.endpoints.lattice import read_lattice
from equipoise.protocol import Protocol, read_protocol_text
from equipoise.records import DataSource, Records

TRIAL = """\
equipoise: 1
trial: {id: outcomes, title: A trial of outcomes that are not use}
calendar: {day-1: randomization, epochs: {screening: {days: -7..-1}, treatment: {days: 1..85}}}
interventions:
  pill: {type: other, words: a pill}
  none: {type: other, words: nothing}
arms:
  usual: {role: active-control, gives: [none]}
  active: {role: experimental, gives: [pill]}
eligibility: {include: null, exclude: null}
randomization: {ratio: {usual: 1, active: 1}}
baseline:
  sex: {type: category, levels: [female, male]}
instruments:
  mood: {total: 0..60, better: lower, thresholds: {remission: {at-most: 9}}}
  strain:
    total: 10..50
    better: lower
    thresholds: {case: {at-least: {female: 30, male: 34}, of: sex}}
assessments:
  mood: {type: instrument, instrument: mood}
  strain: {type: instrument, instrument: strain}
  swab: {type: finding, yes: germs present, no: germs absent}
  outcomes: {type: events, terms: [death, relapse, hospitalization]}
schedule:
  entry: {day: -1, assess: [mood, strain, swab]}
  weekly: {days: [29, 57, 85], assess: [mood, strain, swab, outcomes]}
endpoints:
  ENDPOINT
estimands:
  it: {endpoint: it, treatments: active v usual, summary: SUMMARY}
analyses:
  it: {estimand: it, estimator: ESTIMATOR, level: primary, alpha-two-sided: 0.05}
"""
VISITS = {"entry": -1, "day-29": 29, "day-57": 57, "day-85": 85}


def text_of(endpoint: str, summary: str = "odds-ratio", estimator: str = "logistic") -> str:
    """The protocol's text with ``endpoint`` (a mapping in braces) as the endpoint `it`."""
    text = TRIAL.replace("ENDPOINT", f"it: {endpoint}").replace("SUMMARY", summary)
    return text.replace("ESTIMATOR", estimator)


def protocol_of(endpoint: str, summary: str = "odds-ratio", estimator: str = "logistic") -> Protocol:
    """The protocol with that endpoint."""
    return read_protocol_text(text_of(endpoint, summary, estimator))


def records_of(people: dict[str, dict[str, Any]]) -> Records:
    """Records of participants, the first half in the arm usual.

    Of each: ``sex``; ``mood``, ``strain`` and ``swab`` as lists over the visits entry, day-29, day-57 and day-85 (None:
    nothing; a visit with nothing at all was missed); ``events`` as (term, day, happened[, certainty]); ``left`` as
    (event of disposition, day).
    """
    arms = ["usual"] * (len(people) // 2) + ["active"] * (len(people) - len(people) // 2)
    rows: dict[str, list[dict[str, Any]]] = {n: [] for n in ("visits", "assessments", "events", "disposition")}
    # Results come in the order of participants' names.
    ids = [f"P{n:02}" for n in range(1, len(people) + 1)]
    for who, told in zip(ids, people.values(), strict=True):
        for n, (visit, day) in enumerate(VISITS.items()):
            values = {k: told[k][n] for k in ("mood", "strain", "swab") if k in told}
            came = not values or any(value is not None for value in values.values())
            state = {"day": day if came else None, "state": "attended" if came else "missed"}
            rows["visits"].append({"participant_id": who, "visit": visit, "target_day": day, **state})
            for name, value in values.items():
                item = "finding" if name == "swab" else "total"
                key = {"participant_id": who, "visit": visit, "day": day, "instrument": name, "item": item}
                rows["assessments"] += [] if value is None else [{**key, "value": float(value)}]
        for term, day, happened, *sure in told.get("events", []):
            event = {"participant_id": who, "term": term, "day": day, "happened": happened}
            rows["events"].append({**event, "certainty": sure[0] if sure else None})
        for event, day in told.get("left", []):
            rows["disposition"].append({"participant_id": who, "event": event, "day": day})
    tables = {
        "participants": pl.DataFrame(
            {"participant_id": ids, "consented": True, "sex": [told.get("sex", "female") for told in people.values()]}
        ),
        "allocations": pl.DataFrame({"participant_id": ids, "stage": 1, "day": 1, "arm": arms}),
        **{name: pl.DataFrame(found, infer_schema_length=None) for name, found in rows.items() if found},
    }
    return Records(tables, DataSource("imported", "made up", "outcomes", ""))


def derive(endpoint: str, people: dict[str, dict[str, Any]], missed: str | None = None, **asked: str) -> Derived:
    """The endpoint of these participants, in their order."""
    protocol = protocol_of(endpoint, **asked)
    return derive_endpoint(read_lattice(protocol, records_of(people)), "it", missed=missed)


def plain(values: Any) -> list[Any]:
    """Numbers of an endpoint, absent ones as None."""
    if values is None:
        return []
    return [plain(row) if getattr(row, "ndim", 0) else (None if row != row else float(row)) for row in values]
