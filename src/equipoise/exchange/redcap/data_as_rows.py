"""Exports with a row for each value (record, event, instance, field_name, value), turned to a row a form."""

from __future__ import annotations

import polars as pl

from equipoise.exchange.redcap.cells import HeadedCells
from equipoise.exchange.redcap.fields import code_column
from equipoise.exchange.redcap.project import RedcapProject
from equipoise.foundation.errors import Problem, RecordsError, listed, nearest, raise_if_any

CODES = {
    "R317": "A row of one value whose field the dictionary does not know, or that stands twice.",
}
_KEYS = ("record", "redcap_event_name", "redcap_repeat_instrument", "redcap_repeat_instance")


def is_long(header: tuple[str, ...], project: RedcapProject) -> bool:
    """Whether each row holds one value."""
    return {"field_name", "value"} <= set(header) and not {"field_name", "value"} & set(project.by_name)


def from_long(cells: HeadedCells, project: RedcapProject) -> tuple[tuple[str, ...], pl.DataFrame]:
    """Header and frame of the same data with a row a record, event and instance, and the first line of each.

    A ticked box is a row; of a field with a ticked box the others are 0. Where none is ticked nothing is known.
    """
    file = cells.table.file
    strange = [name for name in cells.header if name not in (*_KEYS, "field_name", "value")]
    if strange or "record" not in cells.header:
        found = f"The columns are {listed(cells.header, conjunction='and')}."
        raise RecordsError(Problem("R317", "header", found, listed((*_KEYS, "field_name", "value")), "", file, 1))
    frame = cells.named(cells.header).with_columns(pl.Series("_line", cells.table.lines, dtype=pl.Int64))
    keys = [name for name in _KEYS if name in cells.header]
    known = {*project.by_name, *(f"{form}_complete" for form in project.forms)}
    problems = []
    for name, line in frame.filter(~pl.col("field_name").is_in(list(known))).select("field_name", "_line").rows()[:20]:
        near = nearest(name or "", known)
        found = f"The dictionary has no field {name!r}."
        hint = f"Is {near!r} meant?" if near else ""
        problems.append(Problem("R317", "field_name", found, "a field of the dictionary", hint, file, line))
    boxes = {field.name: dict(field.choices) for field in project.fields if field.type == "checkbox"}
    for name, value, line in (
        frame.filter(pl.col("field_name").is_in(list(boxes))).select("field_name", "value", "_line").rows()
    ):
        if value not in boxes[name] and value not in project.missing:
            found = f"The checkbox {name} has no code {value!r}."
            problems.append(Problem("R317", "value", found, listed(boxes[name]), "", file, line))
    raise_if_any(RecordsError, problems[:20])
    columns = {
        (name, code): f"{name}___{code_column(code)}"
        for name, codes in boxes.items()
        for code in (*codes, *project.missing)
    }
    is_box = pl.col("field_name").is_in(list(boxes))
    named = frame.with_columns(
        pl.when(is_box)
        .then(
            pl.struct("field_name", "value").map_elements(
                lambda row: columns.get((row["field_name"], row["value"])), return_dtype=pl.String
            )
        )
        .otherwise(pl.col("field_name"))
        .alias("_column"),
        pl.when(is_box).then(pl.lit("1")).otherwise(pl.col("value")).alias("value"),
    )
    twice = named.filter(pl.struct(*keys, "_column").is_duplicated()).head(20)
    raise_if_any(
        RecordsError,
        [
            Problem("R317", "row", f"The value of {column} stands twice.", "each value once", "", file, line)
            for column, line in twice.select("_column", "_line").rows()
        ],
    )
    wide = named.pivot(on="_column", index=keys, values="value", aggregate_function="first")
    first = named.group_by(keys, maintain_order=True).agg(pl.col("_line").min())
    wide = wide.join(first, on=keys, how="left", nulls_equal=True, maintain_order="left")
    for field in project.fields:
        held = [column for column in field.columns if column in wide.columns] if field.type == "checkbox" else []
        if held:
            any_ticked = pl.any_horizontal(pl.col(held).is_not_null())
            wide = wide.with_columns(
                pl.when(any_ticked)
                .then((pl.col(c) if c in wide.columns else pl.lit(None, pl.String)).fill_null("0"))
                .alias(c)
                for c in field.columns
            )
    own = project.id_field.name
    wide = wide.drop(own) if own in wide.columns and own != "record" else wide
    wide = wide.rename({"record": own})
    return tuple(name for name in wide.columns if name != "_line"), wide
