"""The tables of Records: one schema for captured, imported and simulated trials.

A table is a Polars frame with the columns named here, in this order; ``participants`` may carry the protocol's
baseline variables after them. Every table may carry a leading ``replicate`` key. Days are study days (day 1 is the
protocol's anchor, the day before is -1, there is no day 0); minutes count from the start of an infusion.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

ATTENDED, MISSED, NOT_EXPECTED = "attended", "missed", "not_expected"
POSITIVE, NEGATIVE, NOT_EVALUABLE = "positive", "negative", "not_evaluable"
VISIT_STATES = (ATTENDED, MISSED, NOT_EXPECTED)
URINE_RESULTS = (POSITIVE, NEGATIVE, NOT_EVALUABLE, MISSED, NOT_EXPECTED)
DEATH = "death"
SEVERITIES = ("mild", "moderate", "severe", "life_threatening", "fatal")
DISPOSITION_EVENTS = (
    "completion",
    "treatment_discontinuation",
    "study_withdrawal",
    "lost_to_follow_up",
    DEATH,
    "unblinding",
    "randomized_in_error",
    "administrative_end",
)
CERTAINTIES = ("certain", "probable", "possible")
REPLICATE = "replicate"
# In daily_use: the day was asked about, whatever the substance; one without a row of its own was not used.
ANY_SUBSTANCE = "any"


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its type, what it means, and the values it may take."""

    name: str
    dtype: type[pl.DataType]
    meaning: str
    required: bool = False  # may not be empty
    choices: tuple[str, ...] = ()
    lowest: float | None = None
    highest: float | None = None
    unit: str = ""
    later: bool = False  # came to the format after its first files: absent where nobody has a value


@dataclass(frozen=True, slots=True)
class Table:
    """One table: what a row is, its key, its columns, and the SDTM domain it is exported to."""

    name: str
    row: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    sdtm: str
    extra_columns: bool = False

    def column(self, name: str) -> Column | None:
        """The column of that name, if the table has one."""
        return next((column for column in self.columns if column.name == name), None)

    @property
    def polars_schema(self) -> dict[str, type[pl.DataType]]:
        """Column names and types, in order."""
        return {column.name: column.dtype for column in self.columns}

    def empty(self) -> pl.DataFrame:
        """The table with no rows."""
        return pl.DataFrame(schema={column.name: column.dtype for column in self.columns if not column.later})


def _id(meaning: str = "participant") -> Column:
    return Column("participant_id", pl.String, meaning, required=True)


def _day(name: str = "day", meaning: str = "study day", required: bool = True, later: bool = False) -> Column:
    return Column(name, pl.Int64, meaning, required=required, unit="study day", later=later)


def _bounds(what: str) -> tuple[Column, Column]:
    """Between which days something lies that is not known to the day."""
    return (
        _day(
            f"{what}_earliest_day", f"earliest possible study day of the {what}, if the day is not known", False, True
        ),
        _day(f"{what}_latest_day", f"latest possible study day of the {what}, if the day is not known", False, True),
    )


TABLES: dict[str, Table] = {
    table.name: table
    for table in (
        Table(
            "participants",
            "participant who was screened",
            ("participant_id",),
            (
                _id(),
                Column("site", pl.String, "site that enrolled the participant"),
                _day("screened_day", "study day of screening", required=False),
                Column("consented", pl.Boolean, "gave informed consent", required=True),
                Column("eligible", pl.Boolean, "met every criterion; empty if not assessed"),
                Column("ineligible_reason", pl.String, "criterion not met, or other reason not to continue"),
            ),
            "DM",
            extra_columns=True,
        ),
        Table(
            "allocations",
            "participant x stage",
            ("participant_id", "stage"),
            (
                _id(),
                Column("stage", pl.Int64, "number of the randomization, from 1", required=True, lowest=1),
                _day(meaning="study day of randomization", required=False),
                Column("stratum", pl.String, "stratum as randomized"),
                Column("arm", pl.String, "arm allocated; empty while blinded"),
                Column("arm_received", pl.String, "arm whose treatment was given; empty if none was"),
            ),
            "DM, SE",
        ),
        Table(
            "visits",
            "participant x planned or unscheduled contact",
            ("participant_id", "visit"),
            (
                _id(),
                Column("visit", pl.String, "visit, as the schedule names it", required=True),
                _day("target_day", "planned study day", required=False),
                _day(meaning="study day it took place; empty if missed", required=False),
                Column("state", pl.String, "whether it took place", required=True, choices=VISIT_STATES),
            ),
            "SV",
        ),
        Table(
            "urine",
            "participant x sample x substance",
            ("participant_id", "day", "substance"),
            (
                _id(),
                Column("visit", pl.String, "visit it belongs to"),
                _day(meaning="study day of the sample, or the target day of a missed one"),
                Column("substance", pl.String, "substance assayed", required=True),
                Column("result", pl.String, "result", required=True, choices=URINE_RESULTS),
            ),
            "LB",
        ),
        Table(
            "daily_use",
            "participant x day x substance",
            ("participant_id", "day", "substance"),
            (
                _id(),
                _day(),
                Column("substance", pl.String, "substance asked about", required=True),
                Column("asked", pl.Boolean, "the day was asked about", required=True),
                Column("used", pl.Boolean, "use was reported; empty if not asked"),
                Column("amount", pl.Float64, "amount reported", lowest=0),
                Column("unit", pl.String, "unit of the amount"),
            ),
            "SU",
        ),
        Table(
            "assessments",
            "participant x visit x instrument x item or score",
            ("participant_id", "visit", "instrument", "item"),
            (
                _id(),
                Column("visit", pl.String, "visit, as the schedule names it", required=True),
                _day(required=False),
                Column("instrument", pl.String, "instrument, as the library names it", required=True),
                Column("item", pl.String, "item number, or name of a score", required=True),
                Column("value", pl.Float64, "value; empty if the item was left out"),
            ),
            "QS",
        ),
        Table(
            "vitals",
            "participant x minute of an infusion",
            ("participant_id", "intervention", "day", "minute"),
            (
                _id(),
                Column("intervention", pl.String, "infusion it belongs to", required=True),
                _day(),
                Column("minute", pl.Float64, "minutes since the start of the infusion", required=True, unit="min"),
                Column("systolic", pl.Float64, "systolic blood pressure", lowest=30, highest=300, unit="mmHg"),
                Column("diastolic", pl.Float64, "diastolic blood pressure", lowest=10, highest=200, unit="mmHg"),
                Column("pulse", pl.Float64, "pulse", lowest=10, highest=300, unit="1/min"),
                Column("saturation", pl.Float64, "oxygen saturation", lowest=30, highest=100, unit="%"),
            ),
            "VS",
        ),
        Table(
            "exposure",
            "infusion or dose",
            ("participant_id", "intervention", "day"),
            (
                _id(),
                Column("intervention", pl.String, "intervention, as the protocol names it", required=True),
                _day(),
                Column("planned_mg", pl.Float64, "planned dose", lowest=0, unit="mg"),
                Column("delivered_mg", pl.Float64, "delivered dose", lowest=0, unit="mg"),
                Column("delivered_mg_per_kg", pl.Float64, "delivered dose by body weight", lowest=0, unit="mg/kg"),
                Column("route", pl.String, "route of administration"),
                Column("minutes", pl.Float64, "time from start to stop", lowest=0, unit="min"),
                Column("interruptions", pl.Int64, "number of interruptions", lowest=0),
            ),
            "EX",
        ),
        Table(
            "sessions",
            "therapy session",
            ("participant_id", "intervention", "session"),
            (
                _id(),
                Column("intervention", pl.String, "therapy, as the protocol names it", required=True),
                Column("session", pl.Int64, "number of the session, from 1", required=True, lowest=1),
                _day("planned_day", "planned study day", required=False),
                _day(meaning="study day it took place; empty if not delivered", required=False),
                Column("delivered", pl.Boolean, "the session took place", required=True),
                Column("minutes", pl.Float64, "length", lowest=0, unit="min"),
                Column(
                    "home_practice_minutes",
                    pl.Float64,
                    "practice at home since the last",
                    lowest=0,
                    unit="min",
                ),
                Column("fidelity", pl.Float64, "rated fidelity", lowest=0, highest=1, unit="share"),
            ),
            "PR",
        ),
        Table(
            "adverse_events",
            "event",
            ("participant_id", "event"),
            (
                _id(),
                Column("event", pl.Int64, "number of the event within the participant", required=True, lowest=1),
                Column("term", pl.String, "event term", required=True),
                _day("onset_day", "study day of onset, if it is known to the day", required=False),
                _day("end_day", "study day of resolution, if it is known to the day", required=False),
                *_bounds("onset"),
                *_bounds("end"),
                Column("severity", pl.String, "severity", choices=SEVERITIES),
                Column("serious", pl.Boolean, "met a criterion of seriousness", required=True),
                Column("related", pl.Boolean, "judged related to the study treatment"),
                Column("outcome", pl.String, "outcome"),
            ),
            "AE",
        ),
        Table(
            "events",
            "participant x outcome event, or the last day without it",
            ("participant_id", "term", "day"),
            (
                _id(),
                Column("term", pl.String, "what happened, as the protocol names it", required=True),
                _day(meaning="study day it happened; if it did not, the last day known without it", required=False),
                Column(
                    "happened",
                    pl.Boolean,
                    "it happened; false: known not to have happened up to that day",
                    required=True,
                ),
                Column("certainty", pl.String, "how certain it is", choices=CERTAINTIES),
                Column("source", pl.String, "the person or document that reports it"),
            ),
            "CE",
        ),
        Table(
            "disposition",
            "completion, discontinuation, withdrawal, death, unblinding",
            ("participant_id", "event", "day"),
            (
                _id(),
                Column("event", pl.String, "what happened", required=True, choices=DISPOSITION_EVENTS),
                _day(required=False),
                Column("reason", pl.String, "reason"),
            ),
            "DS",
        ),
    )
}
