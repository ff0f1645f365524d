"""Data of a project as tables of records: participants, arms, days of visits, and every numeric answer."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property

import polars as pl

from equipoise.exchange.redcap.answers import ImportAnswers
from equipoise.exchange.redcap.data import EVENT, GROUP, INSTANCE, INSTRUMENT, LINE, RECORD, RedcapData
from equipoise.exchange.redcap.evaluate import is_hidden, saved_rows
from equipoise.exchange.redcap.fields import PATTERNS, RedcapField
from equipoise.exchange.redcap.findings import LEFT_OUT, ImportFinding
from equipoise.exchange.redcap.functions import RuleContext
from equipoise.exchange.redcap.rules import FieldRule
from equipoise.exchange.redcap.skeleton import Skeleton, SkeletonItem, level_of
from equipoise.foundation.errors import Problem, RecordsError, listed, raise_if_any
from equipoise.records.check import find_faults
from equipoise.records.schema import ATTENDED, TABLES

CODES = {
    "R332": "A record with rows in two arms.",
    "R333": "A code that the answers give no arm, or no yes or no of consent.",
    "R354": "Values outside the codes, the limits or the validation of their field.",
    "R355": "Records without the date that is study day 1, or dates that are none.",
    "R356": "Missing data codes among the values (counted; they are no values of records).",
    "R357": "Instances of what repeats, without a day on which they were entered.",
}


def typed(one: RedcapField, column: str) -> pl.Expr:
    """The cells of a column as numbers; null where they are none."""
    cells = pl.col(column)
    return (cells.str.replace(",", ".", literal=True) if one.has_decimal_comma else cells).cast(
        pl.Float64, strict=False
    )


def observed_ranges(data: RedcapData) -> dict[str, tuple[float, float]]:
    """Lowest and highest number that the data hold of each numeric field, missing data codes left out."""
    out = {}
    codes = list(data.project.missing)
    for one in data.project.fields:
        if one.is_number and one.name in data.has:
            cells = data.frame.filter(~pl.col(one.name).is_in(codes)).select(typed(one, one.name).alias("n"))["n"]
            cells = cells.drop_nulls().filter(cells.drop_nulls().is_finite())
            if cells.len():
                out[one.name] = (float(cells.min()), float(cells.max()))  # type: ignore[arg-type]
    return out


def unfit_values(data: RedcapData, answers: ImportAnswers) -> list[ImportFinding]:
    """Values outside the codes or the validation of their field, and how often a missing data code stands there.

    Of a field that is left out the values are not shown here either.
    """
    out = []
    for one in data.project.fields[1:]:
        if one.name not in data.has or one.type in ("checkbox", "file", "notes", "sql"):
            continue
        cells = pl.col(one.name)
        said = data.frame.filter(cells.is_not_null() & ~cells.is_in(list(data.project.missing)))
        wrong, expected = _unfit(one)
        rows = said.filter(wrong) if wrong is not None else said.clear()
        if rows.height:
            shown = rows[one.name].head(5).to_list()
            why = f"Expected {expected}. The values are kept as text, and are none of the records."
            lines = tuple(rows[LINE].head(10).to_list())
            text = listed([repr(value) for value in shown], conjunction="and") if answers.keeps(one) else LEFT_OUT
            out.append(ImportFinding("values", "R354", one.name, "", text, why, rows.height, lines))
        missing = data.frame.filter(cells.is_in(list(data.project.missing)))
        if missing.height:
            counts = Counter(missing[one.name].to_list())
            text = ", ".join(f"{code}: {n}" for code, n in sorted(counts.items()))
            why = f"Missing data codes ({text}) are no values of records."
            out.append(ImportFinding("values", "R356", one.name, "", text, why, missing.height))
    return out


def _unfit(one: RedcapField) -> tuple[pl.Expr | None, str]:
    cells = pl.col(one.name)
    if one.choices:
        codes = [code for code, _ in one.choices]
        return ~cells.is_in(codes), f"one of {listed(codes)}"
    if one.type == "slider":
        return ~cells.str.contains(r"^-?\d+$"), "a whole number"
    if one.type == "calc":
        return typed(one, one.name).is_null(), "a number"
    pattern = PATTERNS.get(one.validation)
    if pattern is None:
        return None, ""
    wrong = ~cells.str.contains(f"^(?:{pattern})$")
    if one.is_number and one.has_hard_limits:
        low, high = one.limits
        value = typed(one, one.name)
        if low is not None:
            wrong = wrong | (value < low)
        if high is not None:
            wrong = wrong | (value > high)
        return wrong, f"{one.validation}, within its limits"
    if one.validation.startswith("date_"):
        wrong = wrong | cells.str.to_date("%Y-%m-%d", strict=False).is_null()
    return wrong, one.validation


@dataclass
class RecordsMaker:
    """Makes the tables; ``findings`` gathers what could not become a row, and why."""

    data: RedcapData
    skeleton: Skeleton
    rules: list[FieldRule]
    around: RuleContext
    findings: list[ImportFinding] = field(default_factory=list)

    @property
    def answers(self) -> ImportAnswers:
        """The answers of the import."""
        return self.skeleton.answers

    def tables(self) -> dict[str, pl.DataFrame]:
        """Every table that has rows. Raises :class:`RecordsError` where answers and data contradict one another."""
        made = {
            "participants": self._participants(),
            "allocations": self._allocations(),
            "visits": self._visits(),
            "assessments": self._assessments(),
        }
        out = {name: frame for name, frame in made.items() if frame is not None and frame.height}
        whole = {name: out.get(name, table.empty()) for name, table in TABLES.items()}
        raise_if_any(RecordsError, [fault.problem() for fault in find_faults(whole)])
        return out

    def _of_record(self, name: str) -> pl.DataFrame:
        """The first value of a field in each record (not of what repeats): columns RECORD and value."""
        if name not in self.data.has:
            return pl.DataFrame(schema={RECORD: pl.String, "value": pl.String})
        rows = self.data.frame.filter((pl.col(INSTRUMENT) == "") & pl.col(name).is_not_null())
        codes = list(self.data.project.missing)
        rows = rows.filter(~pl.col(name).is_in(codes)).select(RECORD, pl.col(name).alias("value"))
        return rows.unique(subset=[RECORD], keep="first", maintain_order=True)

    def _people(self) -> pl.DataFrame:
        return pl.DataFrame({RECORD: self.data.records}, schema={RECORD: pl.String})

    def _participants(self) -> pl.DataFrame:
        people = self._people()
        groups = self.data.frame.filter(pl.col(GROUP) != "").group_by(RECORD, maintain_order=True)
        people = people.join(groups.agg(site=pl.col(GROUP).first()), on=RECORD, how="left", maintain_order="left")
        said = self.answers.consented
        if isinstance(said, tuple):
            found = people.join(self._of_record(said[0]), on=RECORD, how="left", maintain_order="left")
            unknown = found.filter(pl.col("value").is_null())
            if unknown.height:
                why = f"{unknown.height} records have no value of {said[0]}: they count as not consented."
                self.findings.append(ImportFinding("values", "R333", said[0], "consented", "", why, unknown.height))
            people = people.with_columns(found["value"].is_in(list(said[1])).fill_null(False).alias("consented"))
        else:
            people = people.with_columns(consented=pl.lit(True))
        for id, one, spec in self.skeleton.baseline:
            cells = people.join(self._of_record(one.name), on=RECORD, how="left", maintain_order="left")
            made = _baseline(one, spec["type"], cells)
            n = made.null_count() - cells["value"].null_count()
            if n:
                why = f"{n} values are no {_NOUNS[spec['type']]}: the baseline variable {id} has none for them."
                self.findings.append(ImportFinding("values", "R354", one.name, "baseline", "", why, n))
            people = people.with_columns(made.alias(id))
        return people.rename({RECORD: "participant_id"})

    def _allocations(self) -> pl.DataFrame | None:
        said = self.answers.arm
        if said in (None, "none"):
            return None
        problems: list[Problem] = []
        if said == "redcap-arms":
            arms = {event.unique: f"arm-{event.arm}" for event in self.data.project.events}
            rows = self.data.frame.select(RECORD, arm=pl.col(EVENT).replace_strict(arms, return_dtype=pl.String))
            rows = rows.unique(maintain_order=True)
            for record in rows.filter(pl.col(RECORD).is_duplicated())[RECORD].unique(maintain_order=True).head(20):
                found = f"The record {record!r} has rows in several arms."
                problems.append(Problem("R332", f"record {record}", found, "rows in one arm", file=self.data.file))
        else:
            assert isinstance(said, tuple)
            arms = dict(said[1])
            rows = self._of_record(said[0])
            unknown = rows.filter(~pl.col("value").is_in(list(arms)))["value"].unique(maintain_order=True)
            for code in unknown.head(20):
                found = f"The field {said[0]} holds {code!r}."
                hint = "Name it under arm.arms in the answers."
                problems.append(Problem("R333", said[0], found, listed(arms), hint, file=self.data.file))
            rows = rows.filter(~pl.col("value").is_in(unknown.to_list()))
            rows = rows.select(RECORD, arm=pl.col("value").replace_strict(arms, return_dtype=pl.String))
        raise_if_any(RecordsError, problems)
        return rows.select(participant_id=RECORD, stage=pl.lit(1, pl.Int64), arm="arm")

    @cached_property
    def days(self) -> pl.DataFrame:
        """The study day of each row's form by its own date: keys, form, day."""
        said = self.answers.day_1
        keys = [RECORD, EVENT, INSTRUMENT, INSTANCE]
        empty = pl.DataFrame(
            schema={RECORD: pl.String, EVENT: pl.String, INSTRUMENT: pl.String, INSTANCE: pl.Int64}
            | {"form": pl.String, "day": pl.Int64}
        )
        if said in (None, "none") or said not in self.data.has:
            return empty
        anchors = self._of_record(said).select(RECORD, _date("value").alias("anchor")).drop_nulls()
        without = self._people().filter(~pl.col(RECORD).is_in(anchors[RECORD].implode()))
        if without.height:
            why = f"{without.height} records have no date in {said}: their days are not known."
            text = listed(without[RECORD].head(8).to_list(), conjunction="and")
            self.findings.append(ImportFinding("values", "R355", said, "day-1", text, why, without.height))
        parts = [empty]
        for form, name in self.answers.visit_dates.items():
            if name not in self.data.has:
                continue
            rows = self.data.frame.filter(self.data.rows_of(form)).select(*keys, _date(name).alias("date"))
            rows = rows.join(anchors, on=RECORD, how="inner").drop_nulls("date")
            index = (pl.col("date") - pl.col("anchor")).dt.total_days()
            day = pl.when(index >= 0).then(index + 1).otherwise(index).cast(pl.Int64)
            parts.append(rows.select(*keys, pl.lit(form).alias("form"), day.alias("day")))
        return pl.concat(parts)

    @cached_property
    def contacts(self) -> pl.DataFrame:
        """The contact of each row: keys, form, the visit's name and its day; what repeats only where it has a day."""
        frame = self.data.frame
        keys = [RECORD, EVENT, INSTRUMENT, INSTANCE]
        visit = pl.col(EVENT).replace_strict(self.skeleton.visit_of, default=None, return_dtype=pl.String)
        # the day of a visit is that of its first dated form
        order = {form: k for k, form in enumerate(self.answers.visit_dates)}
        days = self.days.with_columns(
            pl.col("form").replace_strict(order, default=0, return_dtype=pl.Int64).alias("_k")
        )
        first = days.sort("_k", maintain_order=True).unique(subset=keys, keep="first", maintain_order=True)
        rows = frame.select(*keys).with_columns(visit.alias("visit"))
        rows = rows.join(first.select(*keys, "day"), on=keys, how="left", maintain_order="left")
        of_form = pl.col(INSTRUMENT).str.replace_all("_", "-")
        part = pl.when(pl.col(INSTRUMENT) == "").then(pl.lit("")).otherwise("-" + of_form)
        named = pl.col("visit") + part + "-" + pl.col(INSTANCE).cast(pl.String)
        rows = rows.with_columns(pl.when(pl.col(INSTANCE) > 0).then(named).otherwise(pl.col("visit")).alias("visit"))
        undated = rows.filter((pl.col(INSTANCE) > 0) & pl.col("day").is_null())
        for event, form, n in undated.group_by(EVENT, INSTRUMENT, maintain_order=True).agg(n=pl.len()).iter_rows():
            what = form or event
            why = f"{n} instances of {what} have no study day (see visit-dates): they are in redcap/data.csv alone."
            self.findings.append(ImportFinding("kept", "R357", "", "visit-dates", what, why, n))
        return rows.filter((pl.col(INSTANCE) == 0) | pl.col("day").is_not_null())

    def _visits(self) -> pl.DataFrame | None:
        targets = {visit.name: visit.day for visit in self.skeleton.visits if not visit.is_assumed}
        rows = self.contacts.drop_nulls(["visit", "day"])
        target = pl.col("visit").replace_strict(targets, default=None, return_dtype=pl.Int64)
        rows = rows.select(
            pl.col(RECORD).alias("participant_id"),
            "visit",
            target.alias("target_day"),
            "day",
            pl.lit(ATTENDED).alias("state"),
        )
        return rows.unique(subset=["participant_id", "visit"], keep="first", maintain_order=True)

    def _assessments(self) -> pl.DataFrame | None:
        keys = [RECORD, EVENT, INSTRUMENT, INSTANCE]
        shown = {rule.field.name: rule for rule in self.rules if rule.kind == "shown"}
        parts = []
        for form in self.skeleton.forms_with_items:
            items = [i for i in self.skeleton.items.values() if i.field.form == form and i.name in self.data.has]
            rows = self.data.frame.filter(saved_rows(self.data, form))
            if not items or not rows.height:
                continue
            wide = rows.select(*keys, *(self._values(item, rows, shown) for item in items))
            long = wide.unpivot(index=keys, variable_name="item", value_name="value").drop_nulls("value")
            parts.append(long.with_columns(pl.lit(self.skeleton.assessments[form]).alias("instrument")))
        if not parts:
            return None
        out = pl.concat(parts).join(self.contacts, on=keys, how="inner", maintain_order="left")
        out = out.drop_nulls("visit")
        self._require_one_arm(out)
        return out.select(pl.col(RECORD).alias("participant_id"), "visit", "day", "instrument", "item", "value")

    def _require_one_arm(self, rows: pl.DataFrame) -> None:
        twice = rows.filter(pl.struct(RECORD, "visit", "instrument", "item").is_duplicated())
        if twice.height:
            records = twice[RECORD].unique(maintain_order=True).head(20).to_list()
            found = f"Records have the same visit in two arms: {listed(records, conjunction='and')}."
            raise RecordsError(Problem("R332", "redcap_event_name", found, "rows in one arm", file=self.data.file))

    def _values(self, item: SkeletonItem, rows: pl.DataFrame, shown: dict[str, FieldRule]) -> pl.Expr | pl.Series:
        """The numbers of an item: nothing where a cell is none of its answers, or a box that was not asked about."""
        codes = list(self.data.project.missing)
        one = item.field
        value = pl.when(~pl.col(item.name).is_in(codes)).then(typed(one, item.name))
        fits = value.is_in(list(item.levels)) if item.levels else value.is_between(item.low, item.high)
        if one.validation == "integer" or one.type == "slider":
            fits = fits & (value == value.round())
        kept = pl.when(fits).then(value).alias(item.name)
        rule = shown.get(one.name)
        if one.type != "checkbox" or rule is None:
            return kept
        # an unticked box of a hidden field was not asked about
        hidden = is_hidden(self.data, rule, rows, self.around)
        return rows.select(pl.when(~hidden).then(kept).alias(item.name))[item.name]


def _date(column: str) -> pl.Expr:
    return pl.col(column).str.slice(0, 10).str.to_date("%Y-%m-%d", strict=False)


_NOUNS = {"number": "number", "yes-no": "yes or no", "category": "code of the field"}


def _baseline(one: RedcapField, type: str, cells: pl.DataFrame) -> pl.Series:
    """A baseline variable: numbers, yes or no, or the level of its code."""
    if type == "number":
        return cells.select(typed(one, "value").alias("value"))["value"]
    if type == "yes-no":
        return cells["value"].replace_strict({"1": True, "0": False}, default=None, return_dtype=pl.Boolean)
    levels = {code: level_of(one, code) for code, _ in one.choices}
    return cells["value"].replace_strict(levels, default=None, return_dtype=pl.String)
