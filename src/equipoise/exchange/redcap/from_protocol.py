"""A protocol as a REDCap project: a form for each table of records and each instrument, an event for each visit.

Each field carries a note (``equipoise urine.result substance=cocaine``) that says which cell of the records it is, so
that the project comes in again as it went out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from equipoise.exchange.redcap.conditions import logic_of
from equipoise.exchange.redcap.dictionary import joined_choices
from equipoise.exchange.redcap.fields import COLUMNS, RedcapField
from equipoise.exchange.redcap.project import RedcapEvent, RedcapProject, Repeats, unique_event_name
from equipoise.instruments.instrument import Instrument
from equipoise.instruments.of_protocol import instruments_of
from equipoise.protocol.language.conditions import Condition
from equipoise.protocol.language.protocol import Protocol
from equipoise.records.schema import TABLES, URINE_RESULTS

NOTE = "equipoise "
ID = "participant_id"
WHOLE = "Trial"  # the event of what belongs to no visit
PEOPLE = "participants"
SIMULATED = "simulated"
VISIT = "visit"
_CODE = re.compile(r"[A-Za-z0-9_.\-]+")


@dataclass(frozen=True)
class CellNote:
    """Which cell of the records a field is: its table, its column, and what else is fixed (a substance, an item)."""

    table: str
    column: str
    fixed: tuple[tuple[str, str], ...] = ()

    @property
    def text(self) -> str:
        """The note as it stands in the field's annotation."""
        fixed = "".join(f" {key}={value}" for key, value in self.fixed)
        return f"{NOTE}{self.table}.{self.column}{fixed}"

    @classmethod
    def read(cls, annotation: str) -> CellNote | None:
        """The note of an annotation; ``None`` where it has none."""
        match = re.fullmatch(rf"{NOTE}(\w+)\.(\S+)((?: \w+=\S+)*)", annotation.strip())
        if match is None or (match[1] not in TABLES and match[1] != SIMULATED):
            return None
        fixed = tuple((part.split("=", 1)[0], part.split("=", 1)[1]) for part in match[3].split())
        return cls(match[1], match[2], fixed)


@dataclass
class ProjectPlan:
    """Fields by form while they are gathered; names are made unique."""

    fields: dict[str, list[RedcapField]] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)

    def name(self, *parts: str) -> str:
        """A variable name of these parts that no field has yet."""
        base = re.sub(r"[^a-z0-9]+", "_", "_".join(parts).lower()).strip("_")[:90] or "field"
        base = base if base[0].isalpha() else f"x_{base}"
        name, n = base, 1
        while name in self.names or name.endswith(("_complete", "_timestamp")):
            n += 1
            name = f"{base}_{n}"
        self.names.add(name)
        return name

    def add(self, form: str, name: str, label: str, note: CellNote | None, **cells: str) -> None:
        """One field more."""
        row = dict.fromkeys(COLUMNS, "") | {
            "field_name": name,
            "form_name": form,
            "field_type": "text",
            "field_label": label,
            "field_annotation": note.text if note is not None else "",
            **cells,
        }
        self.fields.setdefault(form, []).append(RedcapField(tuple(row[column] for column in COLUMNS)))


def project_of_protocol(
    protocol: Protocol, tables: Mapping[str, pl.DataFrame], settings: dict[str, Any]
) -> RedcapProject:
    """The project; ``tables`` are those of the records (none without records), for columns and items of their own."""
    plan = ProjectPlan()
    simulated = settings.get("equipoise", {}).get("origin") == "simulated"
    _people(plan, protocol, tables.get(PEOPLE))
    for name, table in TABLES.items():
        if name != PEOPLE:
            _rows(plan, protocol, name, table.columns)
    _visit_forms(plan, protocol)
    forms_of_assessment = _assessment_forms(plan, protocol, tables.get("assessments"))
    events = [RedcapEvent(unique_event_name(WHOLE, "1"), WHOLE, "1", None, (("custom_event_label", ""),))]
    taken = {events[0].unique}
    mapping = [(events[0].unique, form) for form in (PEOPLE, *(name for name in TABLES if name != PEOPLE))]
    for visit in protocol.planned_visits:
        unique = _event_name(visit.name, taken)
        events.append(RedcapEvent(unique, visit.name, "1", None, (("custom_event_label", ""),)))
        assessed = [form for id in visit.assess for form in forms_of_assessment.get(id, ())]
        mapping += [(unique, form) for form in dict.fromkeys([VISIT, *assessed])]
    fields = [one for form in plan.fields.values() for one in form]
    title = protocol.model.trial.title
    return RedcapProject(
        tuple(fields),
        arms=(("1", "All participants"),),
        events=tuple(events),
        mapping=tuple(mapping),
        repeats=tuple(Repeats(events[0].unique, name) for name in TABLES if name != PEOPLE),
        title=f"SIMULATED: {title}" if simulated else title,
        settings=settings,
    )


def _event_name(name: str, taken: set[str]) -> str:
    unique = unique_event_name(name, "1")
    n = 1
    while unique in taken:
        n += 1
        unique = unique_event_name(f"{re.sub(r'[^a-zA-Z0-9]', '_', name)[: 16 - len(str(n))]}_{n}", "1")
    taken.add(unique)
    return unique


def _people(plan: ProjectPlan, protocol: Protocol, people: pl.DataFrame | None) -> None:
    plan.names.add(ID)
    plan.add(PEOPLE, ID, "Participant", CellNote(PEOPLE, ID))
    fictional = CellNote(SIMULATED, SIMULATED)
    plan.add(PEOPLE, plan.name(SIMULATED), "The participant is fictional", fictional, field_type="yesno")
    table = TABLES[PEOPLE]
    for column in table.columns[1:]:
        name = plan.name(column.name)
        plan.add(PEOPLE, name, column.meaning, CellNote(PEOPLE, column.name), **_kind(column.dtype, column.choices))
    variables = protocol.model.recorded_baseline
    own = [name for name in (people.columns if people is not None else ()) if table.column(name) is None]
    for id in dict.fromkeys([*variables, *own]):
        variable = variables.get(id)
        dtype = people.schema[id] if people is not None and id in people.columns else None
        cells = _baseline(variable, dtype)
        levels = variable.levels if variable is not None else ()
        numbered = cells.get("field_type") == "radio" and any(code != label for code, label in coded(levels))
        note = CellNote(PEOPLE, id, (("by", "label"),) if numbered else ())
        plan.add(PEOPLE, plan.name(id), (variable and variable.label) or id, note, **cells)


def _baseline(variable: Any, dtype: Any) -> dict[str, str]:
    if variable is not None and variable.type == "category" and dtype in (None, pl.String):
        if any("|" in level or level != level.strip() for level in variable.levels):
            return {}  # such a level is no choice: free text holds it as it stands
        return {"field_type": "radio", "select_choices_or_calculations": joined_choices(coded(variable.levels))}
    if dtype is None:
        return {
            "number": {"text_validation_type_or_show_slider_number": "number"},
            "yes-no": {"field_type": "yesno"},
        }.get(variable.type if variable is not None else "", {})
    return _kind(type(dtype) if not isinstance(dtype, type) else dtype, ())


def coded(levels: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """Levels as choices: each its own code where it may be one, else numbered."""
    held = tuple(levels)
    if all(_CODE.fullmatch(level) for level in held):
        return tuple((level, level) for level in held)
    return tuple((str(k), level) for k, level in enumerate(held, 1))


def _kind(dtype: Any, choices: tuple[str, ...]) -> dict[str, str]:
    if choices:
        return {"field_type": "radio", "select_choices_or_calculations": joined_choices(coded(choices))}
    if dtype == pl.Boolean:
        return {"field_type": "yesno"}
    validation = "integer" if dtype == pl.Int64 else "number" if dtype == pl.Float64 else ""
    return {"text_validation_type_or_show_slider_number": validation}


def _rows(plan: ProjectPlan, protocol: Protocol, name: str, columns: Iterable[Any]) -> None:
    """A table as a repeating form: one instance a row."""
    for column in columns:
        if column.name == ID:
            continue
        cells = _kind(column.dtype, column.choices)
        if column.name in ("arm", "arm_received") and len(protocol.arm_ids) > 1:
            choices = tuple((arm, protocol.arm_label(arm).replace("|", "/")) for arm in protocol.arm_ids)
            cells = {"field_type": "radio", "select_choices_or_calculations": joined_choices(choices)}
        limits = {
            f"text_validation_{end}": f"{value:g}"
            for end, value in (("min", column.lowest), ("max", column.highest))
            if value is not None and not column.choices
        }
        plan.add(name, plan.name(name, column.name), column.meaning, CellNote(name, column.name), **cells, **limits)


def _visit_forms(plan: ProjectPlan, protocol: Protocol) -> None:
    table = TABLES["visits"]
    for column in table.columns[2:]:
        name = plan.name(VISIT, column.name)
        note = CellNote("visits", column.name, (("at", VISIT),))
        plan.add(VISIT, name, column.meaning, note, **_kind(column.dtype, column.choices))


def _assessment_forms(plan: ProjectPlan, protocol: Protocol, answers: pl.DataFrame | None) -> dict[str, list[str]]:
    """Forms of urine samples and instruments, and which assessment they belong to."""
    out: dict[str, list[str]] = {}
    instruments = instruments_of(protocol)
    held: dict[str, list[str]] = {}
    if answers is not None and answers.height:
        for instrument, item in (
            answers.select("instrument", "item").unique(maintain_order=True).sort("instrument", "item").rows()
        ):
            held.setdefault(instrument, []).append(item)
    forms: dict[str, str] = {}
    for id, entry in protocol.model.assessments.items():
        if entry.type == "urine":
            form = _form(id, plan)
            out[id] = [form]
            for substance in entry.substances:
                fixed = (("substance", substance),)
                day, result = plan.name(id, substance, "day"), plan.name(id, substance, "result")
                plan.add(form, day, f"{substance}: study day", CellNote("urine", "day", fixed), **_kind(pl.Int64, ()))
                cells = _kind(pl.String, URINE_RESULTS)
                plan.add(form, result, f"{substance}: result", CellNote("urine", "result", fixed), **cells)
        elif entry.type == "instrument" and entry.instrument:
            instrument = instruments.get(entry.instrument)
            name = instrument.id if instrument is not None else entry.instrument
            if name not in forms:
                forms[name] = _form(name, plan)
                _instrument(plan, forms[name], (name, instrument), held.get(name, []), entry.asked_when)
            out[id] = [forms[name]]
    return out


def _form(name: str, plan: ProjectPlan) -> str:
    form = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
    while form in plan.fields or form in TABLES or form == VISIT:
        form += "_form"
    return form


def _instrument(
    plan: ProjectPlan,
    form: str,
    named: tuple[str, Instrument | None],
    held: list[str],
    asked_when: Mapping[str, Condition],
) -> None:
    """A form of the items: each with its limits, and shown where the protocol says that it is asked."""
    name, instrument = named
    note = CellNote("assessments", "day", (("instrument", name),))
    plan.add(form, plan.name(form, "day"), "Study day", note, **_kind(pl.Int64, ()))
    items = {item.id: item for item in instrument.items} if instrument is not None else {}
    fields: dict[str, str] = {}
    everywhere = asked_when.get("all")
    for id in dict.fromkeys([*items, *held]):
        if not _CODE.fullmatch(id):
            continue  # such an item goes into the form of all assessments
        fields[id] = plan.name(form, id)
        note = CellNote("assessments", "value", (("instrument", name), ("item", id)))
        cells = {"text_validation_type_or_show_slider_number": "number"}
        if id in items:
            ends = {"min": items[id].lowest, "max": items[id].highest}
            cells |= {f"text_validation_{end}": f"{value:.15g}" for end, value in ends.items()}
        condition = asked_when.get(id) if everywhere is None else everywhere.also(asked_when.get(id))
        if condition is not None:
            cells["branching_logic"] = logic_of(condition, fields.get) or ""
        plan.add(form, fields[id], f"{name}, {id}", note, **cells)
