"""An ODM study as a project of fields, forms and events: what the import of REDCap asks about and makes records of.

A form with groups of which some repeat is one form for each group. Names are made of the OIDs; ``names`` says which
field each item is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import polars as pl

from equipoise.exchange.odm.read_study import FormRead, GroupRead, ItemRead, StudyRead
from equipoise.exchange.odm.read_values import NUMBERS, Place, ValuesRead, is_of_type
from equipoise.exchange.redcap.data import EVENT, GROUP, INSTANCE, INSTRUMENT, LINE, RECORD, RedcapData
from equipoise.exchange.redcap.dictionary import joined_choices
from equipoise.exchange.redcap.fields import COLUMNS, FIELD_TYPES, RedcapField
from equipoise.exchange.redcap.findings import ImportFinding
from equipoise.exchange.redcap.project import RedcapEvent, RedcapProject, Repeats

CODES = {
    "R386": "Parts of an ODM file that are not taken over: conditions, methods, workflows, checks.",
    "R387": "Codes of an ODM file that were written otherwise, as a field could not have them.",
}
ID_FIELD = "subject_key"
_CODE = re.compile(r"[A-Za-z0-9_.\-]+")
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)")
_VALIDATIONS = {
    **dict.fromkeys(NUMBERS, "number"),
    "integer": "integer",
    "date": "date_ymd",
    "time": "time_hh_mm_ss",
    "datetime": "datetime_seconds_ymd",
}


@dataclass
class OdmProject:
    """Makes the project of a study, and its data."""

    study: StudyRead
    read: ValuesRead | None
    findings: list[ImportFinding] = field(default_factory=list)
    names: dict[tuple[str, str, str], str] = field(default_factory=dict)  # form, group, item: field
    places: dict[tuple[str, str], str] = field(default_factory=dict)  # form, group: form of the project
    codes: dict[str, dict[str, str]] = field(default_factory=dict)  # item: code there, code here
    _taken: set[str] = field(default_factory=lambda: {ID_FIELD})

    def project(self) -> RedcapProject:
        """The project; what has no place in it is among the findings."""
        fields = [self._field(ID_FIELD, "subject", "Participant", {})]
        several = self._several()
        repeats: list[Repeats] = []
        events = tuple(RedcapEvent(self._event_name(oid), event.name, "1") for oid, event in self.study.events.items())
        mapping: list[tuple[str, str]] = []
        forms: set[str] = {"subject"}
        for form in self._forms():
            groups = [self.study.groups[oid] for oid in form.groups if oid in self.study.groups]
            apart = len(groups) > 1 and any(g.repeats or (form.oid, g.oid) in several for g in groups)
            whole = _unique(_slug(form.name) or _slug(form.oid) or "form", forms) if not apart else ""
            for group in groups:
                name = whole or _unique(_slug(f"{form.name} {group.name}") or "form", forms)
                self.places[(form.oid, group.oid)] = name
                fields += self._fields(name, form, group)
        for event in self.study.events.values():
            unique = self._event_name(event.oid)
            for oid in event.forms:
                form_read = self.study.forms.get(oid)
                for group_oid in form_read.groups if form_read is not None else ():
                    name = self.places.get((oid, group_oid), "")
                    if not name:
                        continue
                    mapping.append((unique, name))
                    group = self.study.groups[group_oid]
                    if event.repeats or form_read.repeats or group.repeats or (oid, group_oid) in several:  # type: ignore[union-attr]
                        repeats.append(Repeats(unique, name))
        if not events:
            repeats += [
                Repeats("", name)
                for (form_oid, group_oid), name in self.places.items()
                if self.study.forms[form_oid].repeats or (form_oid, group_oid) in several
            ]
        self._others()
        return RedcapProject(
            tuple(fields),
            arms=(),
            events=events,
            mapping=tuple(dict.fromkeys([(events[0].unique, "subject"), *mapping])) if events else (),
            repeats=tuple(dict.fromkeys(repeats)),
            title=self.study.title,
            source="odm",
        )

    def _forms(self) -> list[FormRead]:
        """Forms that stand in an event or hold data; others are listed. Without events: all."""
        placed = {oid for event in self.study.events.values() for oid in event.forms}
        held = (
            {place[3] for values in self.read.values.values() for place in values} if self.read is not None else set()
        )
        out = []
        for form in self.study.forms.values():
            if not self.study.events or form.oid in placed | held:
                out.append(form)
            elif form.groups:
                why = "The form stands in no event, and no data are of it."
                self.findings.append(ImportFinding("not translated", "R386", "", "FormDef", form.oid, why))
        return out

    def _several(self) -> frozenset[tuple[str, str]]:
        """Forms and groups of which a participant has several instances in one event, whatever the metadata say."""
        out: set[tuple[str, str]] = set()
        for held in self.read.values.values() if self.read is not None else ():
            keys: dict[tuple[str, str, str], set[tuple[str, str, str]]] = {}
            for _, event, event_repeat, form, form_repeat, group, group_repeat, _ in held:
                keys.setdefault((event, form, group), set()).add((event_repeat, form_repeat, group_repeat))
            out |= {(form, group) for (_, form, group), found in keys.items() if len(found) > 1}
        return frozenset(out)

    def _event_name(self, oid: str) -> str:
        names: dict[str, str] = {}
        taken: set[str] = set()
        for one in self.study.events:
            names[one] = _unique(_slug(one.removeprefix("SE.").removeprefix("Event.")) or "event", taken)
        return names[oid]

    # ------------------------------------------------------------------ fields

    def _field(self, name: str, form: str, label: str, cells: dict[str, str]) -> RedcapField:
        row = dict.fromkeys(COLUMNS, "") | {
            "field_name": name,
            "form_name": form,
            "field_type": "text",
            "field_label": label,
            **cells,
        }
        return RedcapField(tuple(row[column] for column in COLUMNS))

    def _fields(self, name: str, form: FormRead, group: GroupRead) -> list[RedcapField]:
        out = []
        for oid in group.items:
            item = self.study.items.get(oid)
            if item is None:
                continue
            said = (item.node.get("redcap:Variable"), item.oid.removeprefix("IT.").removeprefix("I."), item.name)
            slugs = [slug for slug in map(_slug, said) if slug[:1].isalpha()]
            variable = _unique(slugs[0] if slugs else f"x_{_slug(item.oid)}", self._taken)
            self.names[(form.oid, group.oid, oid)] = variable
            cells = self._cells(item, variable)
            if oid in group.required:
                cells["required_field"] = "y"
            out.append(self._field(variable, name, item.label, cells))
            condition = group.conditions.get(oid)
            if condition is not None:
                text, expression = self.study.conditions.get(condition, ("", ""))
                why = (
                    "The condition under which the item is not asked is kept in odm/items.csv; write it as asked-when."
                )
                self.findings.append(
                    ImportFinding("not translated", "R386", variable, condition, expression or text, why)
                )
        return out

    def _cells(self, item: ItemRead, variable: str) -> dict[str, str]:
        cells: dict[str, str] = {}
        if item.codes:
            pairs = self._pairs(item, variable)
            cells |= {"field_type": "radio", "select_choices_or_calculations": joined_choices(pairs)}
        elif item.type == "boolean":
            cells["field_type"] = "truefalse"
        elif item.type in _VALIDATIONS:
            cells["text_validation_type_or_show_slider_number"] = _VALIDATIONS[item.type]
        elif (item.length or 0) > 500:
            cells["field_type"] = "notes"
        cells |= self._limits(item, variable)
        logic = item.node.get("redcap:BranchingLogic")
        kind = item.node.get("redcap:FieldType")
        if kind in FIELD_TYPES and kind == "calc":
            cells |= {"field_type": "calc", "select_choices_or_calculations": item.node.get("redcap:Calculation")}
            cells.pop("text_validation_type_or_show_slider_number", None)
        cells["branching_logic"] = logic
        cells["identifier"] = "y" if item.node.get("redcap:Identifier").lower() == "y" else ""
        return cells

    def _pairs(self, item: ItemRead, variable: str) -> tuple[tuple[str, str], ...]:
        """Codes and labels as a field can have them; those that it cannot are written otherwise, and listed."""
        out: list[tuple[str, str]] = []
        taken: set[str] = set()
        for code, label in item.codes or ():
            made = code if _CODE.fullmatch(code) else re.sub(r"[^A-Za-z0-9_.\-]+", "_", code).strip("_") or "code"
            if made != code and _NUMBER.fullmatch(made):
                made = f"c_{made}"  # a code of letters does not become a number
            base, n = made, 1
            while made in taken:
                n += 1
                made = f"{base}_{n}"
            taken.add(made)
            out.append((made, " ".join(label.replace("|", "/").split()) or made))
            if made != code:
                self.codes.setdefault(item.oid, {})[code] = made
                why = f"The code {code!r} is written {made}."
                self.findings.append(ImportFinding("caution", "R387", variable, item.oid, code, why))
        return tuple(out)

    def _limits(self, item: ItemRead, variable: str) -> dict[str, str]:
        out: dict[str, str] = {}
        hard = False
        for sign, values, is_hard in item.checks:
            value = values[0] if len(values) == 1 else ""
            end = {"GE": "min", "LE": "max"}.get(sign)
            if sign in ("GT", "LT") and item.type == "integer" and re.fullmatch(r"[+-]?\d{1,15}", value):
                end, value = ("min", str(int(value) + 1)) if sign == "GT" else ("max", str(int(value) - 1))
            if end is not None and _NUMBER.fullmatch(value) and item.type in NUMBERS and not item.codes:
                out[f"text_validation_{end}"] = value
                hard = hard or is_hard
            else:
                why = "The check is kept in the file alone; a range has a lowest and a highest number."
                text = f"{sign} {', '.join(values)}"
                self.findings.append(ImportFinding("not translated", "R386", variable, "RangeCheck", text, why))
        if hard:
            out["field_annotation"] = "@FORCE-MINMAX"
        return out

    def _others(self) -> None:
        for name, n in sorted(self.study.others.items()):
            why = "The protocol to start from has no place for it; write what of it is needed."
            self.findings.append(ImportFinding("not translated", "R386", "", name, f"{n} {name}", why, n))

    # ------------------------------------------------------------------ data

    def data(self, project: RedcapProject) -> RedcapData:
        """Values in force as rows: one a participant and event, and one an instance of what repeats."""
        assert self.read is not None
        rows: dict[tuple[str, str, str, int], dict[str, str]] = {}
        lines: dict[tuple[str, str, str, int], int] = {}
        alone = {(one.event, one.form) for one in project.repeats}
        events = {oid: self._event_name(oid) for oid in self.study.events}
        first = next(iter(events.values()), "")
        for subject, held in self.read.values.items():
            rows.setdefault((subject, first, "", 0), {})
            numbers: dict[tuple[str, str], dict[tuple[str, str, str], int]] = {}
            for place, (value, line, _) in held.items():
                _, event, event_repeat, form, form_repeat, group, group_repeat, item = place
                name = self.places[(form, group)]
                unique = events.get(event, first)
                instance, instrument = 0, ""
                if (unique, name) in alone or ("", name) in alone:
                    seen = numbers.setdefault((unique, name), {})
                    instance = seen.setdefault((event_repeat, form_repeat, group_repeat), len(seen) + 1)
                    instrument = name
                key = (subject, unique, instrument, instance)
                cells = rows.setdefault(key, {})
                lines.setdefault(key, line)
                if value is not None:
                    cells[self.names[(form, group, item)]] = self._cell(place, value)
        filled = {name for cells in rows.values() for name in cells}
        columns = [name for name in dict.fromkeys(self.names.values()) if name in filled]
        keys = list(rows)
        frame = pl.DataFrame(
            {
                RECORD: pl.Series([key[0] for key in keys], dtype=pl.String),
                EVENT: pl.Series([key[1] for key in keys], dtype=pl.String),
                INSTRUMENT: pl.Series([key[2] for key in keys], dtype=pl.String),
                INSTANCE: pl.Series([key[3] for key in keys], dtype=pl.Int64),
                GROUP: pl.Series([self.read.sites.get(key[0], "") for key in keys], dtype=pl.String),
                LINE: pl.Series([lines.get(key, 0) for key in keys], dtype=pl.Int64),
                **{name: pl.Series([rows[key].get(name) for key in keys], dtype=pl.String) for name in columns},
            }
        )
        return RedcapData(project, frame, (ID_FIELD, *columns), self.read.file)

    def _cell(self, place: Place, value: str) -> str:
        item = self.study.items[place[7]]
        if item.codes:
            return self.codes.get(item.oid, {}).get(value, value)
        if not is_of_type(value, item.type):
            return value
        if item.type == "boolean":
            return {"true": "1", "false": "0"}.get(value, value)
        if item.type == "datetime":
            return value[:19].replace("T", " ")
        return value[:8] if item.type == "time" else value


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")[:80].strip("_")


def _unique(base: str, taken: set[str]) -> str:
    name, n = base or "field", 1
    while name in taken or (name.endswith(("_complete", "_timestamp")) and n == 1):
        n += 1
        name = f"{base or 'field'}_{n}"
    taken.add(name)
    return name
