"""A protocol and its records as a study in ODM: a form for each table, and one for each instrument.

A row of a table is one instance of its group. What belongs to a visit stands in the event of that visit, what belongs
to none in the event of the trial as a whole; a contact that the schedule does not plan stands in an event of its own,
whose repeat key is its name. A cell that is empty is not there, but for the answer to an item,
which says that it is empty.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from typing import Any

import polars as pl

from equipoise.exchange.odm.schedule import OTHER, TRIAL, Definitions, design_of, event_oid, events_of, version_oid
from equipoise.exchange.odm.study import (
    OdmEventData,
    OdmForm,
    OdmFormData,
    OdmGroupData,
    OdmItem,
    OdmStudy,
    OdmSubject,
    OdmType,
    OdmValue,
)
from equipoise.instruments.instrument import Instrument, Item
from equipoise.instruments.of_protocol import find_instrument_of, instruments_of
from equipoise.protocol.language.conditions import Condition
from equipoise.protocol.language.protocol import Protocol
from equipoise.records.schema import TABLES, Column

ID, VISIT, PEOPLE, ANSWERS = "participant_id", "visit", "participants", "assessments"
OF_VISITS = ("visits", "urine")  # tables, besides the answers, whose rows belong to a visit
_TYPES: dict[Any, OdmType] = {pl.Boolean: "boolean", pl.Int64: "integer", pl.Float64: "double", pl.String: "text"}
_TEXT = 200  # letters that a text may have, where no recorded one is longer
_DIGITS = 10
_YES_NO = ("false", "true")


def number_text(value: float) -> str:
    """A number in plain digits, all of those it has; a whole one without a point."""
    if float(value).is_integer():
        return str(int(value))
    text = repr(float(value))
    return format(Decimal(text), "f") if "e" in text else text


@dataclass
class RecordsStudy:
    """Makes the study of a protocol, and its data from ``tables`` (none: the metadata alone)."""

    protocol: Protocol
    tables: Mapping[str, pl.DataFrame] = field(default_factory=dict)
    made: Definitions = field(default_factory=Definitions)

    def study(self, title: str, words: str, *, simulated: bool) -> OdmStudy:
        """The metadata."""
        forms = self.forms
        of_trial = tuple(name for name in TABLES if name not in ("visits", ANSWERS))
        other = ("visits", "urine", *(form for form in forms if form.startswith(f"{ANSWERS}.")))
        return OdmStudy(
            self.protocol.id,
            title,
            words,
            version_oid(self.protocol),
            f"protocol {self.protocol.hash[:16]}",
            events_of(self.protocol, of_trial, self._placed(), other),
            tuple(forms.values()),
            tuple(self.made.codes.values()),
            tuple(self.made.conditions.values()),
            design_of(self.protocol),
            simulated,
        )

    def _placed(self) -> dict[str, tuple[str, ...]]:
        """Forms (by id) of each planned visit: those that the schedule asks for, then those that the records have."""
        out = {visit.name: ["visits"] for visit in self.protocol.planned_visits}
        for visit in self.protocol.planned_visits:
            entries = [self.protocol.model.assessments.get(id) for id in visit.assess]
            if any(entry is not None and entry.type == "urine" for entry in entries):
                out[visit.name].append("urine")
            made = (find_instrument_of(self.protocol, id) for id in visit.assess)
            out[visit.name] += [f"{ANSWERS}.{one.id}" for one in made if one is not None]
        answers, urine = self.tables.get(ANSWERS), self.tables.get("urine")
        held = [] if answers is None else answers.select(VISIT, "instrument").unique().sort(VISIT, "instrument").rows()
        pairs = [(visit, f"{ANSWERS}.{instrument}") for visit, instrument in held]
        pairs += [] if urine is None else [(visit, "urine") for visit in urine[VISIT].drop_nulls().unique().to_list()]
        for visit_name, form in pairs:
            if visit_name in out:
                out[visit_name].append(form)
        return {name: tuple(dict.fromkeys(forms)) for name, forms in out.items()}

    @cached_property
    def forms(self) -> dict[str, OdmForm]:
        """Forms by id."""
        out: dict[str, OdmForm] = {}
        for name, table in TABLES.items():
            if name == ANSWERS:
                continue
            columns = [column for column in table.columns if column.name != ID]
            if name in OF_VISITS:
                columns = [column for column in columns if column.name != VISIT]
            items = [self._item(name, column) for column in columns]
            if name == PEOPLE:
                items += self._baseline()
            repeats: Any = "" if name in (PEOPLE, "visits") else "group"
            blinding = self._strictest("urine" if name == "urine" else name)
            out[name] = OdmForm(name, name.replace("_", " ").capitalize(), tuple(items), repeats, blinding)
        for id, instrument in self._instruments.items():
            out[f"{ANSWERS}.{id}"] = self._instrument_form(id, instrument)
        return out

    def _strictest(self, kind: str) -> str:
        """The strictest blinding class among the assessments that fill a table, or that ask an instrument."""
        types = {"urine": "urine", "daily_use": "daily-use", "vitals": "vitals", "events": "events"}
        found = ["open"]
        for id, entry in self.protocol.model.assessments.items():
            instrument = find_instrument_of(self.protocol, id)
            if types.get(kind) == entry.type or (instrument is not None and f"{ANSWERS}.{instrument.id}" == kind):
                found.append(entry.blinding)
        return max(found, key=("open", "quarantined", "sealed").index)

    def _longest(self, table: str, column: str, least: int) -> int:
        frame = self.tables.get(table)
        if frame is None or column not in frame.columns or not frame.height:
            return least
        longest = [int(n) for n in frame[column].cast(pl.String).str.len_chars().drop_nulls().unique()]
        return max([least, *longest])

    def _item(self, table: str, column: Column) -> OdmItem:
        type = _TYPES[column.dtype]
        pairs = [(choice, choice.replace("_", " ")) for choice in column.choices]
        if column.name in ("arm", "arm_received") and len(self.protocol.arm_ids) > 1:
            named = dict.fromkeys([*self.protocol.arm_ids, *self._levels(table, column.name)])
            pairs = [(arm, self.protocol.arm_label(arm)) for arm in named]
        codes = self.made.coded(column.meaning.split(";")[0], pairs) if pairs else ""
        length = max(len(code) for code, _ in pairs) if pairs else None
        if length is None and type in ("text", "integer"):
            length = self._longest(table, column.name, _TEXT if type == "text" else _DIGITS)
        days = column.unit == "study day"
        return OdmItem(
            f"IT.{table}.{column.name}",
            column.name,
            column.meaning.capitalize() if column.meaning else column.name,
            type,
            length,
            "" if days else column.unit,
            None if pairs or column.lowest is None else number_text(column.lowest),
            None if pairs or column.highest is None else number_text(column.highest),
            codes=codes,
            required=column.required,
            cell=f"{table}.{column.name}",
        )

    def _levels(self, table: str, column: str) -> list[str]:
        frame = self.tables.get(table)
        if frame is None or column not in frame.columns:
            return []
        return [str(level) for level in frame[column].drop_nulls().unique().sort().to_list()]

    def _baseline(self) -> list[OdmItem]:
        """Baseline variables of the protocol, and columns of the participants that only the records have."""
        table, frame = TABLES[PEOPLE], self.tables.get(PEOPLE)
        variables = {id.replace("-", "_"): v for id, v in self.protocol.model.recorded_baseline.items()}
        held = [name for name in (frame.columns if frame is not None else ()) if table.column(name) is None]
        by_id = {id: v for id, v in self.protocol.model.recorded_baseline.items() if id in held}
        out = []
        absent = [name for name, v in variables.items() if name not in held and v not in by_id.values()]
        for name in [*held, *absent]:
            variable = by_id.get(name) or variables.get(name)
            dtype = frame.schema[name] if frame is not None and name in frame.columns else None
            kinds: dict[str, OdmType] = {"number": "double", "yes-no": "boolean", "category": "text"}
            type = (
                _TYPES.get(dtype.base_type(), "text")
                if dtype is not None
                else kinds[variable.type if variable else "number"]
            )
            levels = list(variable.levels) if variable is not None and type == "text" else []
            if levels:
                levels = list(dict.fromkeys([*levels, *self._levels(PEOPLE, name)]))
            label = (variable.label if variable is not None else None) or name
            codes = self.made.coded(label, [(level, level) for level in levels]) if levels else ""
            length = max(map(len, levels)) if levels else None
            if length is None and type in ("text", "integer"):
                length = self._longest(PEOPLE, name, _TEXT if type == "text" else _DIGITS)
            ends = (
                [None, None]
                if variable is None or type not in ("double", "integer")
                else [variable.lowest, variable.highest]
            )
            low, high = (None if end is None else number_text(float(end)) for end in ends)
            unit = (variable.unit or "") if variable is not None else ""
            cell = f"{PEOPLE}.{name}"
            out.append(
                OdmItem(f"IT.{PEOPLE}.{name}", name, label, type, length, unit, low, high, codes=codes, cell=cell)
            )
        return out

    @cached_property
    def _instruments(self) -> dict[str, Instrument | None]:
        """Instruments of the protocol, then those that only the records have."""
        out: dict[str, Instrument | None] = dict(instruments_of(self.protocol))
        for id in self._levels(ANSWERS, "instrument"):
            out.setdefault(id, None)
        return out

    @cached_property
    def _answers(self) -> dict[str, dict[str, pl.Series]]:
        """Values by instrument and item."""
        frame = self.tables.get(ANSWERS)
        out: dict[str, dict[str, pl.Series]] = {}
        if frame is None or not frame.height:
            return out
        parts = frame.select("instrument", "item", "value").partition_by("instrument", "item", as_dict=True)
        for (instrument, item), part in sorted(parts.items(), key=lambda pair: tuple(map(str, pair[0]))):
            out.setdefault(str(instrument), {})[str(item)] = part["value"].drop_nulls()
        return out

    def _instrument_form(self, id: str, instrument: Instrument | None) -> OdmForm:
        known = {item.id: item for item in instrument.items} if instrument is not None else {}
        held = self._answers.get(id, {})
        conditions = self._asked_when(id)
        form = f"{ANSWERS}.{id}"
        day = OdmItem(f"IT.{form}.day", "day", "Study day", "integer", _DIGITS, cell=f"{ANSWERS}.day")
        items = [day]
        for name in dict.fromkeys([*known, *held]):
            when = conditions.get(name)
            items.append(self._answer_item(form, (name, known.get(name)), held.get(name), when))
        several = False
        frame = self.tables.get(ANSWERS)
        if frame is not None and frame.height:
            mine = frame.filter(pl.col("instrument") == id).group_by(ID, VISIT).agg(n=pl.col("day").n_unique())
            several = bool((mine["n"] > 1).any())
        label = instrument.name if instrument is not None else id
        return OdmForm(form, label, tuple(items), "group" if several else "", self._strictest(form))

    def _asked_when(self, id: str) -> dict[str, Condition]:
        """Conditions of items, where all assessments that ask the instrument agree on them."""
        found = []
        for name, entry in self.protocol.model.assessments.items():
            one = find_instrument_of(self.protocol, name)
            if one is not None and one.id == id:
                everywhere = entry.asked_when.get("all")
                own = {item.id: entry.asked_when.get(item.id) for item in one.items}
                found.append(
                    {
                        item: everywhere.also(when) if everywhere is not None else when
                        for item, when in own.items()
                        if everywhere is not None or when is not None
                    }
                )
        same = found and all(one == found[0] for one in found)
        return {item: when for item, when in found[0].items() if when is not None} if same else {}

    def _answer_item(
        self, form: str, named: tuple[str, Item | None], values: pl.Series | None, when: Condition | None
    ) -> OdmItem:
        name, item = named
        whole = values is None or not values.len() or bool((values == values.round()).all())
        type: OdmType = "integer" if whole and item is not None and item.whole_numbers else "double"
        low = high = None
        codes = ""
        if item is not None:
            low, high = number_text(item.lowest), number_text(item.highest)
            if item.levels and type == "integer":
                levels = [number_text(level) for level in item.levels]
                codes = self.made.coded(f"{form} {name}", [(level, level) for level in levels], numbers=True)
        return OdmItem(
            f"IT.{form}.item.{name}",
            name,
            f"Item {name}" if name.isdigit() else name.replace("-", " ").capitalize(),
            type,
            _DIGITS if type == "integer" else None,
            "",
            None if codes else low,
            None if codes else high,
            codes=codes,
            condition=self.made.not_asked_unless(form, when) if when is not None else "",
            cell=f"{ANSWERS}.value",
        )

    # ------------------------------------------------------------------ the data

    def subjects(self) -> Iterator[OdmSubject]:
        """Everybody, in the order of their names."""
        planned = [visit.name for visit in self.protocol.planned_visits]
        order = {name: k for k, name in enumerate(planned)}
        by_table = {name: _by_person(TABLES[name].key, frame) for name, frame in self.tables.items() if frame.height}
        everybody = sorted({str(id) for held in by_table.values() for id in held})
        empty: list[dict[str, Any]] = []
        for id in everybody:
            at: dict[str | None, list[OdmFormData]] = {None: []}
            for name in TABLES:
                rows = by_table.get(name, {}).get(id, empty)
                if not rows:
                    continue
                if name == ANSWERS:
                    self._add_answers(rows, at)
                elif name in OF_VISITS:
                    visits = dict.fromkeys(row[VISIT] for row in rows)
                    for visit in visits:
                        mine = [row for row in rows if row[VISIT] == visit]
                        at.setdefault(visit, []).append(self._rows(name, mine))
                else:
                    at[None].append(self._rows(name, rows))
            events = []
            known = sorted((visit for visit in at if visit in order), key=lambda v: order[str(v)])
            others = sorted(str(visit) for visit in at if visit is not None and visit not in order)
            if at[None]:
                events.append(OdmEventData(TRIAL, forms=at[None]))
            events += [OdmEventData(event_oid(str(visit)), forms=at[visit]) for visit in known]
            events += [OdmEventData(OTHER, visit, at[visit]) for visit in others]
            yield OdmSubject(id, events)

    def _rows(self, name: str, rows: list[dict[str, Any]]) -> OdmFormData:
        """Rows of a table as instances of its group."""
        form = self.forms[name]
        columns = [(item.oid, item.name, item.type) for item in form.items]
        groups = []
        for number, row in enumerate(rows, 1):
            values = [
                OdmValue(oid, _text(row[column], type)) for oid, column, type in columns if row.get(column) is not None
            ]
            groups.append(OdmGroupData(str(number) if form.repeats == "group" else "", values))
        return OdmFormData(name, groups=groups)

    def _add_answers(self, rows: list[dict[str, Any]], at: dict[str | None, list[OdmFormData]]) -> None:
        """Answers by visit, instrument and day; an item without an answer is there and says so."""
        held: dict[tuple[str, str], dict[Any, dict[str, float | None]]] = {}
        for row in rows:
            days = held.setdefault((row[VISIT], row["instrument"]), {})
            days.setdefault(row["day"], {})[row["item"]] = row["value"]
        for (visit, instrument), days in held.items():
            form = self.forms[f"{ANSWERS}.{instrument}"]
            groups = []
            for number, (day, answers) in enumerate(
                sorted(days.items(), key=lambda pair: (pair[0] is None, pair[0] or 0)), 1
            ):
                values = [] if day is None else [OdmValue(form.items[0].oid, str(day))]
                for item in form.items[1:]:
                    if item.name in answers:
                        value = answers[item.name]
                        values.append(OdmValue(item.oid, None if value is None else number_text(value)))
                groups.append(OdmGroupData(str(number) if form.repeats else "", values))
            at.setdefault(visit, []).append(OdmFormData(form.id, groups=groups))


def _by_person(key: tuple[str, ...], frame: pl.DataFrame) -> dict[str, list[dict[str, Any]]]:
    """Rows by participant, in the order of the table's key."""
    columns = [name for name in key if name in frame.columns]
    parts = frame.sort(columns, maintain_order=True, nulls_last=False).partition_by(
        ID, as_dict=True, maintain_order=True
    )
    return {str(id[0]): part.to_dicts() for id, part in parts.items()}


def _text(value: Any, type: OdmType) -> str:
    if type == "boolean":
        return _YES_NO[bool(value)]
    return number_text(value) if type == "double" else str(value)


__all__ = ["RecordsStudy", "number_text"]
