"""A REDCap project as it comes in and goes out: fields, arms, events, forms by event, what repeats."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from equipoise.exchange.redcap.fields import RedcapField


@dataclass(frozen=True, slots=True)
class RedcapEvent:
    """One event: its unique name, the name people see, its arm, and the cells of its row that are not read."""

    unique: str
    name: str
    arm: str
    offset: int | None = None  # days after the project's day 0, where the file says so
    cells: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Repeats:
    """What repeats: a form (in an event, or in a project without events), or a whole event where ``form`` is empty."""

    event: str
    form: str
    label: str = ""


@dataclass(frozen=True)
class RedcapProject:
    """Everything of a project but its data. ``mapping`` holds pairs of event and form; empty where nobody said."""

    fields: tuple[RedcapField, ...]
    arms: tuple[tuple[str, str], ...] = ()
    events: tuple[RedcapEvent, ...] = ()
    mapping: tuple[tuple[str, str], ...] = ()
    repeats: tuple[Repeats, ...] = ()
    missing_codes: tuple[tuple[str, str], ...] = ()
    title: str = ""
    source: str = "redcap"  # whose project it is, and the name of the folder that keeps its own files
    settings: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def by_name(self) -> dict[str, RedcapField]:
        """Fields by name."""
        return {one.name: one for one in self.fields}

    @cached_property
    def forms(self) -> tuple[str, ...]:
        """Forms in the order of their first field."""
        return tuple(dict.fromkeys(one.form for one in self.fields))

    @property
    def id_field(self) -> RedcapField:
        """The field that names the record: the first."""
        return self.fields[0]

    @property
    def is_longitudinal(self) -> bool:
        """Whether there are events."""
        return bool(self.events)

    @cached_property
    def event_by_name(self) -> dict[str, RedcapEvent]:
        """Events by their unique name."""
        return {event.unique: event for event in self.events}

    @cached_property
    def missing(self) -> frozenset[str]:
        """The codes that stand for a missing value in any field."""
        return frozenset(code for code, _ in self.missing_codes)

    def fields_of(self, form: str) -> tuple[RedcapField, ...]:
        """The fields of a form, in order."""
        return tuple(one for one in self.fields if one.form == form)

    def forms_of(self, event: str) -> tuple[str, ...]:
        """Forms that stand in an event; all of them where nobody said."""
        if not self.mapping:
            return self.forms
        held = {form for name, form in self.mapping if name == event}
        return tuple(form for form in self.forms if form in held)

    def repeats_at(self, event: str, form: str) -> bool:
        """Whether the form has several instances of its own in the event (`""` in a project without events)."""
        return any(one.form == form and one.event in ("", event) for one in self.repeats if one.form)

    def event_repeats(self, event: str) -> bool:
        """Whether the event as a whole has several instances."""
        return any(not one.form and one.event == event for one in self.repeats)

    @cached_property
    def missing_columns(self) -> dict[str, tuple[str, str]]:
        """Columns that a checkbox exports for missing data codes: the field and the code."""
        from equipoise.exchange.redcap.fields import code_column

        return {
            f"{one.name}___{code_column(code)}": (one.name, code)
            for one in self.fields
            if one.type == "checkbox"
            for code, _ in self.missing_codes
            if f"{one.name}___{code_column(code)}" not in one.columns
        }


def unique_event_name(name: str, arm: str) -> str:
    """The unique name that REDCap makes of an event's name: small letters, at most 18 signs, and the arm."""
    short = re.sub(r"[^a-z0-9_]", "", re.sub(r"\s+", "_", name.strip().lower()))[:18].strip("_")
    return f"{short or 'event'}_arm_{arm}"
