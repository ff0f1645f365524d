"""Trials for tests of exports to CDISC: simulated ones with a mapping that answers all, and a small one by hand."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl

import equipoise
from equipoise.exchange.cdisc.mapping import SdtmMapping
from equipoise.exchange.cdisc.study import ParticipantDates, SdtmStudy
from equipoise.records import DataSource, Records

SHARED = Path(__file__).resolve().parents[4] / "shared" / "data" / "exchange"
FLAGSHIP = "ketamine-mbrp-cocaine"


@cache
def simulated(name: str, seed: int = 7) -> tuple[Any, Records]:
    protocol = equipoise.read_protocol(name)
    return protocol, equipoise.simulate(protocol, seed=seed)


def answers(records: Records) -> dict[str, Any]:
    """A mapping that answers what records raise."""
    people = records["participants"]
    sex = {"everybody": "U"}
    if "sex" in people.columns:
        sex = {"from": "sex", "values": {"male": "M", "female": "F"}, "missing": "U"}
    sites = people["site"].drop_nulls().unique().to_list()
    return {
        "site": {"id": "001", "country": "USA"},
        "sites": {site: {"id": site.upper()[:20], "country": "USA"} for site in sites},
        "sex": sex,
        "age": {"from": "age" if "age" in people.columns else None},
        "reasons": {reason or "": "WITHDRAWAL BY SUBJECT" for reason in records["disposition"]["reason"].to_list()},
        "administrative-end": "STUDY TERMINATED BY SPONSOR",
    }


def some_dates(records: Records) -> dict[str, ParticipantDates]:
    """Dates of day 1 and of consent, each participant's a day later than the one before."""
    first = date(2026, 2, 27)
    return {
        subject: ParticipantDates(first + timedelta(days=k), first + timedelta(days=k - 3))
        for k, subject in enumerate(records["participants"]["participant_id"].to_list())
    }


def study_of(
    protocol: Any, records: Records, *, dated: bool = False, coded: bool = True, said: Mapping[str, Any] | None = None
) -> SdtmStudy:
    terms = records["adverse_events"]["term"].unique().to_list()
    codes = {term: {"AEDECOD": term.capitalize()} for term in terms} if coded else {}
    mapping = SdtmMapping(None, {**answers(records), **(said or {})}, codes)
    return SdtmStudy(protocol, records, mapping, some_dates(records) if dated else {})


def by_hand(tables: Mapping[str, list[dict[str, Any]]], **details: Any) -> Records:
    """Records of two consenting participants and one without consent, with the tables given beside."""
    people = [
        {"participant_id": "A", "consented": True, "eligible": True, "sex": "male"},
        {
            "participant_id": "B",
            "consented": True,
            "eligible": False,
            "ineligible_reason": "too young",
            "sex": "female",
        },
        {"participant_id": "C", "consented": False, "eligible": None, "sex": "female"},
    ]
    frames = {"participants": pl.DataFrame(people, infer_schema_length=None)}
    for name, rows in tables.items():
        from equipoise.records.schema import TABLES

        schema = {c.name: c.dtype for c in TABLES[name].columns}
        frames[name] = pl.DataFrame([{c: row.get(c) for c in schema} for row in rows], schema=schema)
    protocol = equipoise.read_protocol(FLAGSHIP)
    return Records(frames, DataSource("imported", "by hand", protocol.id, protocol.hash, details))
