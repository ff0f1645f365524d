"""Rules carried out over all rows of the data: which fields are hidden, what calculations come to.

A rule is local to the event and instance of its field. Values of other events and instances are looked up; a rule is
worked out once for each combination of values that occurs, so that a million rows take seconds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import polars as pl

from equipoise.exchange.redcap.data import EVENT, GROUP, INSTANCE, INSTRUMENT, KEYS, LINE, RECORD, RedcapData
from equipoise.exchange.redcap.fields import code_column
from equipoise.exchange.redcap.findings import ImportFinding
from equipoise.exchange.redcap.functions import BLANK, RuleContext, Value, moved_date, text, truth
from equipoise.exchange.redcap.logic import compile_logic, stored_number
from equipoise.exchange.redcap.logic_text import Call, LogicNode, Reference
from equipoise.exchange.redcap.project import RedcapProject
from equipoise.exchange.redcap.rules import FieldRule

CODES = {
    "R352": "Values of a field that its branching logic hides.",
    "R353": "Stored results of a calculation that are not what it comes to.",
}
_TOLERANCE = 1e-9  # stored results are written with up to 15 digits


def differences(data: RedcapData, rule: FieldRule, around: RuleContext) -> pl.DataFrame:
    """Rows whose stored result is not the one computed: the keys, the line, ``stored`` and ``computed`` as texts."""
    name = rule.field.name
    rows = data.frame.filter(saved_rows(data, rule.field.form)) if name in data.has else data.frame.clear()
    stored = rows[name].fill_null("") if name in data.has else pl.Series(name, [], dtype=pl.String)
    computed = _results(data, rule, rows, around)
    out = rows.select(*KEYS, LINE).with_columns(stored.alias("stored"), computed.alias("computed"))
    out = out.filter(pl.col("stored") != pl.col("computed"))
    return out.filter(~_alike()) if rule.kind == "number" else out


def saved_rows(data: RedcapData, form: str) -> pl.Expr:
    """Rows in which the form was saved: it holds a value, or its status is more than 0. Nothing is computed before."""
    held: list[pl.Expr] = [pl.col(f"{form}_complete").is_in(["1", "2"])] if f"{form}_complete" in data.has else []
    for field in data.project.fields_of(form):
        blank = pl.lit("0" if field.type == "checkbox" else "")
        held += [pl.col(c).fill_null(blank) != blank for c in field.columns if c in data.has]
    return data.rows_of(form) & pl.any_horizontal(held or [pl.lit(False)])


def _alike() -> pl.Expr:
    """Two texts that are the same number, as far as stored results go."""
    one, two = (pl.col(c).str.replace(",", ".").cast(pl.Float64, strict=False) for c in ("stored", "computed"))
    return ((one - two).abs() <= _TOLERANCE * pl.max_horizontal(one.abs(), two.abs(), pl.lit(1.0))).fill_null(False)


def hidden_rows(data: RedcapData, rule: FieldRule, around: RuleContext) -> pl.DataFrame:
    """Rows that hold a value of a field that its rule hides: the keys and the line. A missing data code may stay."""
    field = rule.field
    columns = [column for column in field.columns if column in data.has]
    rows = data.frame.filter(data.rows_of(field.form))
    blank = ["0"] if field.type == "checkbox" else []
    held = [pl.col(c).is_not_null() & ~pl.col(c).is_in([*blank, *data.project.missing]) for c in columns]
    if not held:
        return rows.select(*KEYS, LINE).clear()
    rows = rows.filter(pl.any_horizontal(held))
    return rows.filter(is_hidden(data, rule, rows, around)).select(*KEYS, LINE)


def is_hidden(data: RedcapData, rule: FieldRule, rows: pl.DataFrame, around: RuleContext) -> pl.Series:
    """Of each of ``rows``, whether a branching rule hides its field there."""
    return ~column_of(data, rule.tree, rows, around, truth, pl.Boolean)


def _results(data: RedcapData, rule: FieldRule, rows: pl.DataFrame, around: RuleContext) -> pl.Series:
    if rule.kind == "number":

        def as_stored(value: Value) -> str:
            result = stored_number(value)
            return BLANK if result is None else text(result)

        return column_of(data, rule.tree, rows, around, as_stored, pl.String)
    if rule.kind == "date":
        return _dates(data, rule.tree, rows, around)
    return column_of(data, rule.tree, rows, around, text, pl.String)


def _dates(data: RedcapData, tree: LogicNode, rows: pl.DataFrame, around: RuleContext) -> pl.Series:
    assert isinstance(tree, Call)
    start, steps, unit = tree.arguments
    parts = (column_of(data, one, rows, around, text, pl.String) for one in (start, steps))
    values = pl.DataFrame([part.alias(name) for part, name in zip(parts, ("date", "by"), strict=True)])
    name = getattr(unit, "value", "d")
    cases = values.unique(maintain_order=True)
    moved = [moved_date(one, by, name, around) for one, by in cases.iter_rows()]
    cases = cases.with_columns(pl.Series("result", moved, dtype=pl.String))
    return values.join(cases, on=["date", "by"], how="left", maintain_order="left", nulls_equal=True)["result"]


def column_of(
    data: RedcapData,
    tree: LogicNode,
    rows: pl.DataFrame,
    around: RuleContext,
    finish: Callable[[Value], Any],
    dtype: type[pl.DataType],
) -> pl.Series:
    """The value of a rule in each of ``rows``, turned by ``finish``: worked out once for each combination of values."""
    order, act = compile_logic(tree, around)
    if not order:
        return pl.repeat(finish(act([])), rows.height, dtype=dtype, eager=True)
    values = pl.DataFrame([value_of(data, one, rows).alias(f"v{k}") for k, one in enumerate(order)])
    cases = values.unique(maintain_order=True)
    results = [finish(act(row)) for row in cases.iter_rows()]
    cases = cases.with_columns(pl.Series("result", results, dtype=dtype))
    return values.join(cases, on=values.columns, how="left", maintain_order="left", nulls_equal=True)["result"]


def value_of(data: RedcapData, reference: Reference, rows: pl.DataFrame) -> pl.Series:
    """The value a reference has in each of ``rows``, as text; blank where there is none."""
    if reference.smart:
        return _smart(data.project, reference.smart, rows)
    project = data.project
    field = project.by_name.get(reference.field)
    form = field.form if field is not None else reference.field.removesuffix("_complete")
    column, nothing = reference.field, BLANK
    if reference.code:
        column, nothing = f"{reference.field}___{code_column(reference.code)}", "0"
    if reference.field == project.id_field.name:
        return rows[RECORD]
    if column not in data.has:
        return pl.repeat(nothing, rows.height, dtype=pl.String, eager=True)
    if _is_here(data, reference, form, rows):
        found = rows[column]
    else:
        wanted = _places(data, reference, form, rows)
        source = data.frame.select(*KEYS, pl.col(column).alias("_value"))
        found = wanted.join(source, on=list(KEYS), how="left", maintain_order="left")["_value"]
    found = found.fill_null(nothing)
    return found.str.replace(",", ".", literal=True) if field is not None and field.has_decimal_comma else found


def _is_here(data: RedcapData, reference: Reference, form: str, rows: pl.DataFrame) -> bool:
    """Whether the value stands in the rows themselves."""
    if reference.event or reference.instance:
        return False
    return bool(rows.select(data.rows_of(form).all()).item()) if rows.height else True


def _places(data: RedcapData, reference: Reference, form: str, rows: pl.DataFrame) -> pl.DataFrame:
    """The keys of the row that holds the value, for each of ``rows``."""
    project = data.project
    events = _events(project, reference.event)
    event = (
        pl.col(EVENT).replace_strict(events, default="\x00none", return_dtype=pl.String) if events else pl.col(EVENT)
    )
    names = [one.unique for one in project.events] or [""]
    alone = [name for name in names if project.repeats_at(name, form)]
    whole = [name for name in names if project.event_repeats(name)]
    out = rows.select(*KEYS).with_columns(event.alias("_there"))
    is_alone, is_whole = pl.col("_there").is_in(alone), pl.col("_there").is_in(whole)
    own = pl.col("_there") == pl.col(EVENT)
    has_place = own & ((is_alone & (pl.col(INSTRUMENT) == form)) | (is_whole & (pl.col(INSTRUMENT) == "")))
    out = out.with_columns(pl.when(has_place).then(pl.col(INSTANCE)).alias("_here"))
    ends = data.frame.filter((pl.col(INSTRUMENT) == form) | ((pl.col(INSTRUMENT) == "") & (pl.col(INSTANCE) > 0)))
    ends = ends.group_by(RECORD, EVENT).agg(
        pl.col(INSTANCE).min().alias("_first"), pl.col(INSTANCE).max().alias("_last")
    )
    out = out.join(ends, left_on=[RECORD, "_there"], right_on=[RECORD, EVENT], how="left", maintain_order="left")
    asked = {
        "": pl.col("_here"),
        "current-instance": pl.col("_here"),
        "previous-instance": pl.col("_here") - 1,
        "next-instance": pl.col("_here") + 1,
        "first-instance": pl.col("_first"),
        "last-instance": pl.col("_last"),
    }
    instance = asked.get(
        reference.instance, pl.lit(int(reference.instance or 0) if reference.instance.isdigit() else 0)
    )
    return out.select(
        RECORD,
        pl.col("_there").alias(EVENT),
        pl.when(is_alone).then(pl.lit(form)).otherwise(pl.lit("")).alias(INSTRUMENT),
        # without a place among instances there is no value: no row has the instance -1
        pl.when(is_alone | is_whole).then(instance.fill_null(-1)).otherwise(0).cast(pl.Int64).alias(INSTANCE),
    )


def _events(project: RedcapProject, said: str) -> dict[str, str]:
    """For each event the event that a reference from there means; nothing where it is the same one."""
    if said in ("", "event-name"):
        return {}
    out: dict[str, str] = {}
    for arm in dict.fromkeys(event.arm for event in project.events):
        names = [event.unique for event in project.events if event.arm == arm]
        for k, name in enumerate(names):
            at = {"previous-event-name": k - 1, "next-event-name": k + 1, "first-event-name": 0}.get(
                said, len(names) - 1
            )
            if said in project.event_by_name:
                out[name] = said
            elif 0 <= at < len(names):
                out[name] = names[at]
    return out or {"": "\x00none"}


def _smart(project: RedcapProject, name: str, rows: pl.DataFrame) -> pl.Series:
    if name == "record-name":
        return rows[RECORD]
    if name == "record-dag-name":
        return rows[GROUP]
    if name == "current-instance":
        return rows.select(pl.when(pl.col(INSTANCE) > 0).then(pl.col(INSTANCE).cast(pl.String)).otherwise(pl.lit("")))[
            INSTANCE
        ]
    if name == "event-name":
        return rows[EVENT]
    arms = dict(project.arms)
    of_event = {
        "event-label": {event.unique: event.name for event in project.events},
        "arm-number": {event.unique: event.arm for event in project.events},
        "arm-name": {event.unique: arms.get(event.arm, "") for event in project.events},
    }[name]
    return rows[EVENT].replace_strict(of_event, default=BLANK, return_dtype=pl.String)


def of_values(
    data: RedcapData, rules: list[FieldRule], around: RuleContext
) -> tuple[list[ImportFinding], pl.DataFrame]:
    """What the rules say of the data: values of hidden fields, and results that differ; and a table of the latter."""
    findings: list[ImportFinding] = []
    tables: list[pl.DataFrame] = []
    for rule in rules:
        name = rule.field.name
        if rule.kind == "shown":
            rows = hidden_rows(data, rule, around)
            if rows.height:
                why = "Values stand where the branching logic hides the field; they are kept."
                findings.append(_counted("R352", rule, why, rows))
            continue
        if rule.is_of_today:
            continue  # the stored result is as old as the last saving: there is nothing to hold it against
        rows = differences(data, rule, around)
        if rows.height:
            why = "The stored result is not what the calculation comes to; the stored one is kept."
            findings.append(_counted("R353", rule, why, rows))
            tables.append(rows.with_columns(pl.lit(name).alias("field")))
    names = {RECORD: "record", EVENT: "event", INSTRUMENT: "form", INSTANCE: "instance", LINE: "line"}
    columns = ["record", "event", "form", "instance", "line", "field", "stored", "computed"]
    if not tables:
        return findings, pl.DataFrame(schema=dict.fromkeys(columns, pl.String))
    return findings, pl.concat(tables).rename(names).select(columns)


def _counted(code: str, rule: FieldRule, why: str, rows: pl.DataFrame) -> ImportFinding:
    lines = tuple(rows[LINE].head(10).to_list())
    return ImportFinding("values", code, rule.field.name, rule.column, rule.text, why, rows.height, lines)
