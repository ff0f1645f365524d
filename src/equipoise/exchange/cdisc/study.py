"""What every SDTM domain is made from: the trial, its participants under their SDTM names, days and dates."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property

import polars as pl

from equipoise.exchange.cdisc.losses import Account
from equipoise.exchange.cdisc.mapping import SdtmMapping, coded_column
from equipoise.foundation.errors import listed
from equipoise.protocol.language.protocol import PlannedVisit, Protocol
from equipoise.records.records import Records
from equipoise.records.schema import ATTENDED, TABLES

SUFFIX = "-SIMULATED"
# Editions of a data cut in which no arm is shown: dummy arms are no arms.
BLIND = ("blinded", "sham")


@dataclass(frozen=True, slots=True)
class ParticipantDates:
    """Calendar dates of a participant, as far as they are known: of study day 1, and of informed consent."""

    day_1: date | None = None
    consent: date | None = None


@dataclass
class SdtmStudy:
    """One trial on its way to SDTM; ``account`` notes where rows go."""

    protocol: Protocol
    records: Records
    mapping: SdtmMapping
    dates: Mapping[str, ParticipantDates] = field(default_factory=dict)
    account: Account = field(default_factory=Account)

    @cached_property
    def id(self) -> str:
        """STUDYID: the mapping's, or the protocol's name in capitals; simulated data say so."""
        own = self.mapping.said("study-id") or self.protocol.id.upper()
        return f"{own}{SUFFIX}" if self.records.is_simulated else str(own)

    @property
    def edition(self) -> str:
        """Edition of a data cut, empty for other records."""
        return str(self.records.source.details.get("edition", ""))

    @property
    def shows_arms(self) -> bool:
        """Whether arms may be shown."""
        return self.edition not in BLIND

    @property
    def moment(self) -> str | None:
        """The moment of a data cut."""
        at = self.records.source.details.get("at")
        return str(at) if at else None

    @cached_property
    def planned(self) -> dict[str, tuple[int, PlannedVisit]]:
        """Planned visits by name, with their number."""
        return {visit.name: (number, visit) for number, visit in enumerate(self.protocol.planned_visits, start=1)}

    def site_answer(self, site: str | None) -> Mapping[str, str]:
        """What the mapping says of a site, or of participants without one."""
        if site is None:
            return self.mapping.names("site")
        return self.mapping.names("sites", site)

    @cached_property
    def consented(self) -> pl.DataFrame:
        """Participants who gave consent, in the order of their numbers."""
        return self.records["participants"].filter(pl.col("consented")).sort("participant_id")

    @cached_property
    def blockers(self) -> list[str]:
        """Why there can be no DM, and with it no dataset of participants; empty where there can."""
        people = self.consented
        if not people.height:
            return ["who takes part: no participant gave consent"]
        out = []
        for site in sorted(people["site"].unique().to_list(), key=str):
            words = f"site {site!r}" if site is not None else "participants without a site"
            key = f"sites.{site}" if site is not None else "site"
            absent = [name for name in ("id", "country") if not self.site_answer(site).get(name)]
            if absent:
                out.append(f"SITEID and COUNTRY of {words} (key {key}: {listed(absent, conjunction='and')})")
        sex, words_of_sex = coded_column(self.mapping, "sex", people)
        if sex is None and not words_of_sex:
            out.append("SEX (key sex)")
        out += [f"SEX: {words}" for words in words_of_sex]
        return out

    @cached_property
    def people(self) -> pl.DataFrame:
        """Consenting participants: ``participant_id``, ``USUBJID``, ``SITEID``, ``COUNTRY``, ``_day_1`` (a date)."""
        rows = []
        for row in self.consented.select("participant_id", "site").to_dicts():
            answer = self.site_answer(row["site"])
            subject = row["participant_id"]
            known = self.dates.get(subject)
            rows.append(
                {
                    "participant_id": subject,
                    "USUBJID": f"{self.id}-{answer.get('id')}-{subject}",
                    "SITEID": answer.get("id"),
                    "COUNTRY": answer.get("country"),
                    "_day_1": known.day_1 if known else None,
                }
            )
        schema = {**dict.fromkeys(("participant_id", "USUBJID", "SITEID", "COUNTRY"), pl.String), "_day_1": pl.Date}
        return pl.DataFrame(rows, schema=schema)

    def rows(self, table: str) -> pl.DataFrame:
        """The rows of a table of participants in DM, with USUBJID; the others are counted."""
        frame = self.records[table]
        for column in TABLES[table].columns:
            if column.later and column.name not in frame.columns:
                frame = frame.with_columns(pl.lit(None, dtype=column.dtype).alias(column.name))
        kept = frame.join(self.people.select("participant_id", "USUBJID", "_day_1"), on="participant_id", how="inner")
        self.account.stays(table, frame.height - kept.height, "of people without consent, who are not in DM")
        keys = TABLES[table].key
        return kept.sort([*keys, *(c for c in frame.columns if c not in keys)], nulls_last=True)

    @cached_property
    def first_dose(self) -> pl.DataFrame:
        """``participant_id``, ``_first`` and ``_last``: indices of the days of the first and last dose given."""
        given = self.records["exposure"].filter(pl.col("delivered_mg").fill_null(1.0) > 0)
        index = index_of("day")
        return given.group_by("participant_id").agg(index.min().alias("_first"), index.max().alias("_last"))

    @cached_property
    def last_contact(self) -> pl.DataFrame:
        """``participant_id`` and ``_contact``: index of the last day on which a visit was kept or somebody left."""
        parts = [self.records["visits"].filter((pl.col("state") == ATTENDED) & pl.col("day").is_not_null())]
        people = pl.col("event").is_in(["completion", "study_withdrawal", "death", "treatment_discontinuation"])
        parts.append(self.records["disposition"].filter(people & pl.col("day").is_not_null()))
        days = pl.concat([part.select("participant_id", index_of("day").alias("_contact")) for part in parts])
        return days.group_by("participant_id").agg(pl.col("_contact").max())

    @cached_property
    def visit_numbers(self) -> pl.DataFrame:
        """``participant_id``, ``visit``, ``VISITNUM``: planned visits by the schedule, others after the one before."""
        frame = self.records["visits"].select("participant_id", "visit", "day", "target_day").unique()
        unplanned = frame.filter(~pl.col("visit").is_in(list(self.planned))).sort("participant_id", "day", "visit")
        targets = [(visit.target_day, number) for number, visit in self.planned.values()]
        count: dict[tuple[str, int], int] = {}
        rows = []
        for row in unplanned.to_dicts():
            day = row["day"] if row["day"] is not None else row["target_day"]
            before = [number for target, number in targets if day is None or target <= day]
            base = max(before, default=0)
            key = (row["participant_id"], base)
            count[key] = count.get(key, 0) + 1
            rows.append({"participant_id": key[0], "visit": row["visit"], "_base": base, "_n": count[key]})
        step = 0.1 if max(count.values(), default=0) < 10 else 0.01 if max(count.values()) < 100 else 0.001
        digits = {0.1: 1, 0.01: 2, 0.001: 3}[step]
        made = [
            {
                "participant_id": r["participant_id"],
                "visit": r["visit"],
                "VISITNUM": round(r["_base"] + r["_n"] * step, digits),
            }
            for r in rows
        ]
        return pl.DataFrame(made, schema={"participant_id": pl.String, "visit": pl.String, "VISITNUM": pl.Float64})

    def with_visits(self, frame: pl.DataFrame) -> pl.DataFrame:
        """A table with a column ``visit``, with VISITNUM, VISIT and VISITDY beside it."""
        planned = pl.DataFrame(
            [
                {
                    "visit": name,
                    "_number": float(number),
                    "VISITDY": float(visit.target_day) if visit.stage is None else None,
                }
                for name, (number, visit) in self.planned.items()
            ],
            schema={"visit": pl.String, "_number": pl.Float64, "VISITDY": pl.Float64},
        )
        joined = frame.join(planned, on="visit", how="left", maintain_order="left").join(
            self.visit_numbers, on=["participant_id", "visit"], how="left", maintain_order="left"
        )
        return joined.with_columns(
            pl.coalesce("_number", "VISITNUM").alias("VISITNUM"), pl.col("visit").alias("VISIT")
        ).drop("_number")

    @cached_property
    def epochs(self) -> list[tuple[str, str, int, int]]:
        """Epochs of the calendar in order: name, term, first and last day."""
        said = self.mapping.names("epochs")
        rows = [
            (id, said.get(id) or re.sub(r"[-_]+", " ", id).upper(), entry.days.first, entry.days.last)
            for id, entry in self.protocol.model.calendar.epochs.items()
        ]
        return sorted(rows, key=lambda row: (row[2], row[3]))

    def epoch_of(self, column: str) -> pl.Expr:
        """EPOCH of a study day: the first epoch of the calendar that holds it."""
        out = pl.lit(None, dtype=pl.String)
        for _, term, first, last in reversed(self.epochs):
            out = pl.when(pl.col(column).is_between(first, last)).then(pl.lit(term)).otherwise(out)
        return out


def index_of(column: str) -> pl.Expr:
    """Days since day 1 of a study day: there is no day 0."""
    day = pl.col(column)
    return day - (day > 0).cast(pl.Int64)


def study_day_of(index: str) -> pl.Expr:
    """The study day of an index, as a float."""
    day = pl.col(index)
    return (day + (day >= 0).cast(pl.Int64)).cast(pl.Float64)


def date_of(column: str) -> pl.Expr:
    """The calendar date of a study day, as a text; null where the date of day 1 is not known."""
    return date_of_index(index_of(column))


def date_of_index(index: pl.Expr) -> pl.Expr:
    """The calendar date of a count of days since day 1."""
    return (pl.col("_day_1") + pl.duration(days=index)).dt.to_string("%Y-%m-%d")


def as_number(column: str) -> pl.Expr:
    """A column as floats."""
    return pl.col(column).cast(pl.Float64)


def yes_no(column: str) -> pl.Expr:
    """Y, N or nothing."""
    return pl.when(pl.col(column)).then(pl.lit("Y")).when(~pl.col(column)).then(pl.lit("N"))


def text_of_number(column: str) -> pl.Expr:
    """Numbers as data show them: as many digits as they have, no empty decimals."""
    value = pl.col(column)
    whole = (value == value.round(0)) & (value.abs() < 1e15)
    return pl.when(whole).then(value.cast(pl.Int64, strict=False).cast(pl.String)).otherwise(value.cast(pl.String))
