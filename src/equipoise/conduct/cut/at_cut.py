"""The ledger at the cut, from which every table of Records is made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import TYPE_CHECKING, Any

import polars as pl

from equipoise.conduct.clock import zone_of
from equipoise.conduct.rows.tables import IN_ERROR
from equipoise.conduct.rules import forms, windows
from equipoise.conduct.rules.dose_places import DOSE_SHEET, SHEET
from equipoise.conduct.rules.status import IN_TRIAL
from equipoise.conduct.rules.surroundings import surroundings
from equipoise.foundation.calendar import day_index
from equipoise.protocol.language.conditions import asked

if TYPE_CHECKING:
    from equipoise.conduct.cut.editions import Edition, Opened
    from equipoise.conduct.cut.history import Ledger, Row
    from equipoise.protocol import Protocol


@dataclass(frozen=True)
class LedgerAtCut:
    """What the ledger holds at the cut, as one edition sees it, asked for by participant, visit and form."""

    ledger: Ledger
    protocol: Protocol
    edition: Edition
    opened: Opened
    version: Callable[[str], Protocol]
    shows_quarantined: bool

    @cached_property
    def people(self) -> dict[str, Row]:
        """Everybody on the screening log, by their number."""
        return {row["participant"]: row for row in self.ledger.tables["participant"]}

    @cached_property
    def entered(self) -> dict[str, Row]:
        """Who was randomized, or enrolled where nobody is."""
        return {id: row for id, row in self.people.items() if row["status"] in IN_TRIAL}

    @cached_property
    def zones(self) -> dict[str, str]:
        """Time zones of the sites."""
        return {row["site"]: row["zone"] for row in self.ledger.tables["site"]}

    @cached_property
    def visit_rows(self) -> dict[tuple[str, str], Row]:
        """Rows of visits by participant and visit; not those that were entered in error."""
        rows = self.ledger.tables["visit"]
        return {(row["participant"], row["visit"]): row for row in rows if row["state"] != IN_ERROR}

    @cached_property
    def forms(self) -> dict[tuple[str, str], list[Row]]:
        """Rows of forms by participant and form; not those that were entered in error."""
        out: dict[tuple[str, str], list[Row]] = {}
        for row in self.ledger.tables["form"]:
            if row["state"] == IN_ERROR:
                continue
            out.setdefault((row["participant"], row["form"]), []).append(row)
        return out

    @cached_property
    def baseline_schema(self) -> dict[str, Any]:
        """Columns of the baseline variables that somebody has."""
        known = {row["item"] for row in self.ledger.tables["item"] if row["form"] == "baseline" and not row["missing"]}
        types = {"number": pl.Float64, "category": pl.String, "yes-no": pl.Boolean}
        out: dict[str, Any] = {
            id.replace("-", "_"): types[v.type] for id, v in self.protocol.model.baseline.items() if id in known
        }
        if any(row["form"] == "weight" and row["state"] == "accepted" for row in self.ledger.tables["form"]):
            out["weight_kg"] = pl.Float64
        return out

    def today(self, id: str) -> date:
        """The date on the wall of the participant's site at the cut."""
        return windows.local_date(self.ledger.at, zone_of(self.zones.get(self.people[id]["site"], "UTC")))

    def day_1(self, id: str) -> date | None:
        """Date of study day 1; None where it is not known yet."""
        text = self.people[id]["day_1"]
        return date.fromisoformat(text) if text else None

    def day(self, id: str, on: date | str | None) -> int | None:
        """Study day of a date of a participant."""
        first = self.day_1(id)
        if first is None or not on:
            return None
        return windows.study_day_of(date.fromisoformat(on) if isinstance(on, str) else on, first)

    def stage_days(self, id: str) -> dict[str, date]:
        """Dates from which stages with a day 1 of their own count, for this participant."""
        rows = self.forms.get((id, "stage-day-1"), [])
        return {row["visit"].removeprefix("stage-"): date.fromisoformat(row["date"]) for row in rows}

    def own(self, id: str) -> Protocol:
        """The version of the protocol that the participant is under."""
        return self.version(self.people[id]["protocol_hash"] or self.protocol.hash)

    def planned_in_force(self, id: str, first: date) -> tuple[windows.DueVisit, ...]:
        """Visits that the version in force plans for this participant's days; none where it is their own."""
        if self.own(id).hash == self.protocol.hash:
            return ()
        return windows.due_visits(self.protocol, first, self.stage_days(id))

    def last_day(self, id: str) -> int:
        """Study day of the cut, or of the participant's death."""
        today = self.day(id, self.today(id)) or -(10**6)
        died = self.died(id)
        return min(today, died, key=day_index) if died is not None else today

    def died(self, id: str) -> int | None:
        """Study day of a participant's death; None where nothing is known of one."""
        for row in self.forms.get((id, "disposition"), []):
            if self.values(id, row).get("event") == "death":
                return self.day(id, row["date"])
        return None

    def sheets(self, id: str) -> list[Row]:
        """Dose sheets of a participant: of infusions, and of injections and sprays."""
        return [*self.forms.get((id, SHEET), []), *self.forms.get((id, DOSE_SHEET), [])]

    def values(self, id: str, form: Row) -> dict[str, str]:
        """Values of a filling; what is missing is left out."""
        found = self.ledger.items.get((id, form["visit"], form["form"], form["repeat"]), {})
        return {item: row["value"] for item, row in found.items() if not row["missing"]}

    def asked(self, id: str, visit: str, form: str) -> tuple[str, ...]:
        """Items that a form asks of a participant at a visit, by what was answered there and elsewhere."""
        made = forms.form_of(self.protocol, form)
        items = tuple(item.id for item in made.items)
        if all(item.when is None for item in made.items):
            return items

        def read(at: str, name: str) -> dict[str, str]:
            rows = [row for row in self.forms.get((id, name), []) if row["visit"] == at]
            return self.values(id, rows[-1]) if rows else {}

        around = surroundings(self.protocol, made, visit, read)
        own = read(visit, form)
        if around is None:
            return asked({item.id: item.when for item in made.items}, own)
        return asked({item.id: item.when for item in made.items}, own, around.elsewhere)

    def is_shown(self, blinding: str) -> bool:
        """Whether what has this blinding class belongs to the edition."""
        return blinding == "open" or (
            self.shows_quarantined and (blinding == "quarantined" or self.edition == "unblinded")
        )

    def is_withheld(self, id: str, visit: str, form: str, repeat: int = 1) -> bool:
        """Whether a filling was sealed when it was recorded and is not opened here, whatever the protocol says now."""
        return (id, visit, form, repeat) in self.ledger.withheld
