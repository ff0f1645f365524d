"""What the ledger tells of each value, in the order of its events: who recorded or changed it, when, where and why.

What an edition may not show is left out here, row by row: values that are sealed, and the filling they belong to;
events that the audit trail masks for blinded people (the pharmacy's work, the course of an infusion). Texts that may
name a treatment are replaced by the words that stand for them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from equipoise.conduct.audit_trail.masking import SAFETY, SEALED, Viewer, line_of
from equipoise.conduct.audit_trail.projection import joined_rows
from equipoise.conduct.keys.quarantine import is_sealed, opened_items
from equipoise.conduct.rows.tables import IN_ERROR
from equipoise.exchange.odm.schedule import OTHER, PLACE, event_oid
from equipoise.exchange.odm.study import OdmAudit, OdmFormData, OdmGroupData, OdmSignature, OdmValue
from equipoise.protocol.language.interventions import BehaviouralIntervention

if TYPE_CHECKING:
    from equipoise.conduct.cut.cut import OpenedLedger
    from equipoise.conduct.rows.tables import EventRow

Row = dict[str, Any]
VISIT_FORM = "visit"
# Forms, besides those of assessments and therapies, whose entries every role may read.
_OFFICE = ("baseline", "eligibility", "weight", "adverse-event", "disposition", "rescreening", "stage-day-1")
_OF_VISIT = ("state", "date", "reason", "note")
_OF_FORM = ("date", "reason")
_TYPED = ("reason", "note")
PROGRAM, NO_SITE = "U.PROGRAM", "L.TRIAL"
BLINDED = "statistician"  # a role that sees nothing sealed


@dataclass(frozen=True, slots=True)
class FillingPlace:
    """Where a filling stands: participant, event and its repeat, form, and the number of the filling."""

    participant: str
    event: str
    event_repeat: str
    form: str
    repeat: int


@dataclass(slots=True)
class ItemSeen:
    """What the ledger holds of an item: its type, units, and every value."""

    type: str
    values: list[str] = field(default_factory=list)


@dataclass
class LedgerHistory:
    """Every value of a ledger with its changes, as one edition may read them."""

    opened: OpenedLedger
    fillings: dict[FillingPlace, list[OdmFormData]] = field(default_factory=dict)
    items: dict[tuple[str, str, str], ItemSeen] = field(default_factory=dict)  # form, item, unit
    users: dict[str, tuple[str, str]] = field(default_factory=dict)  # OID: account, role
    _last: dict[tuple[FillingPlace, str], tuple[str | None, str]] = field(
        default_factory=dict
    )  # value and reason in force

    def read(self) -> LedgerHistory:
        """Go through the events."""
        for event in self.opened.ledger.events:
            if event.participant:
                self._read(event)
        self._sign()
        return self

    # ------------------------------------------------------------------ what may be shown

    @cached_property
    def viewer(self) -> Viewer:
        """Who looks: the safety role where what is quarantined is shown, else a blinded person."""
        people = self.opened.ledger.tables["participant"]
        infusing = {row["participant"] for row in people if row["infusing"]}
        return Viewer(frozenset({SAFETY if self.opened.shows else BLINDED}), infusing)

    @cached_property
    def forms_shown(self) -> frozenset[str]:
        """Forms whose entries may be shown."""
        model = self.opened.protocol.model
        out = {*_OFFICE, *(id for id, one in model.interventions.items() if isinstance(one, BehaviouralIntervention))}
        for id, entry in model.assessments.items():
            shown = entry.blinding == "open" or (
                self.opened.shows and (entry.blinding == "quarantined" or self.opened.edition == "unblinded")
            )
            if shown:
                out.add(id)
        return frozenset(out)

    @cached_property
    def _withheld(self) -> frozenset[tuple[str, str, str, int]]:
        """Fillings with values that are not open, where those are not shown."""
        if self.opened.shows:
            return frozenset()
        return frozenset(
            (row["participant"], row["visit"], row["form"], row["repeat"])
            for row in self.opened.ledger.tables["item"]
            if row["blinding"] != "open" or is_sealed(row["value"])
        )

    def _is_shown(self, row: Row) -> bool:
        place = (row["participant"], row["visit"], row["form"], row["repeat"])
        return row["form"] in self.forms_shown and place not in self._withheld

    def shown(self, text: str, participant: str) -> str:
        """A text as the edition reads it."""
        held = self.opened.held
        return text if held is None else held.shown(text, participant)

    # ------------------------------------------------------------------ events

    def _read(self, event: EventRow) -> None:
        content = self.opened.ledger.content(event)
        put: dict[str, list[Row]] = {
            table: joined_rows(table, [dict(row) for row in rows])
            for table, rows in content.get("put", {}).items()
            if table in ("visit", "form", "item")
        }
        for table in ("form", "item"):
            put[table] = [row for row in put.get(table, ()) if self._is_shown(row)]
        if not any(put.values()):
            return
        rest = {**content, "put": {**{k: v for k, v in content["put"].items() if k not in put}, **put}}
        line = line_of({**event._asdict(), "content": rest}, self.viewer)
        if line is None or (line.masked and not (self.opened.shows and line.masked == SEALED)):
            return
        audit = self._audit(event, self.shown(line.why, event.participant))
        for row in put.get("visit", ()):
            self._columns(self._of_visit(row), row, _OF_VISIT, audit)
        for row in put["form"]:
            self._columns(self._of_form(row), row, _OF_FORM, audit)
        rows = [{**row, "event_number": event.number} for row in put["item"]]
        for row in opened_items(rows, self.opened.ledger.key):
            if not is_sealed(row.get("value", "")) and not row["item"].startswith("("):
                self._item(row, audit)
        for row in (*put.get("visit", ()), *put["form"]):
            if row.get("state") == IN_ERROR:
                self._remove(self._of_form(row) if "form" in row else self._of_visit(row), audit)

    def _audit(self, event: EventRow, why: str) -> OdmAudit:
        user = PROGRAM
        if event.account:
            user = f"U.{event.account}" + (f".{event.role}" if event.role else "")
            self.users.setdefault(user, (event.account, event.role))
        else:
            self.users.setdefault(PROGRAM, ("equipoise", "the program"))
        site = event.site or self._site.get(event.participant, "")
        return OdmAudit(user, f"L.{site}" if site else NO_SITE, event.at, why, str(event.number))

    @cached_property
    def _site(self) -> Mapping[str, str]:
        return {row["participant"]: row["site"] for row in self.opened.ledger.tables["participant"]}

    # ------------------------------------------------------------------ places

    @cached_property
    def _planned(self) -> frozenset[str]:
        return frozenset(visit.name for visit in self.opened.protocol.planned_visits)

    @cached_property
    def _contacts(self) -> frozenset[tuple[str, str]]:
        return frozenset((row["participant"], row["visit"]) for row in self.opened.ledger.tables["visit"])

    def event_of(self, participant: str, visit: str) -> tuple[str, str]:
        """The event and its repeat key of a visit, a contact besides the schedule, or a place that is no visit."""
        if visit in self._planned:
            return event_oid(visit), ""
        return (OTHER, visit) if (participant, visit) in self._contacts else (PLACE, visit or "trial")

    def _of_visit(self, row: Row) -> FillingPlace:
        return FillingPlace(
            row["participant"], *self.event_of(row["participant"], row["visit"]), VISIT_FORM, row["repeat"]
        )

    def _of_form(self, row: Row) -> FillingPlace:
        return FillingPlace(
            row["participant"], *self.event_of(row["participant"], row["visit"]), row["form"], row["repeat"]
        )

    def _open(self, filling: FillingPlace) -> OdmFormData:
        """The part of a filling that entries go to: a new one after what was entered in error."""
        parts = self.fillings.setdefault(filling, [])
        if not parts or parts[-1].change == "Remove":
            repeat = str(filling.repeat)
            parts.append(OdmFormData(filling.form, repeat, [OdmGroupData("")], "Insert"))
        return parts[-1]

    # ------------------------------------------------------------------ values

    def _columns(self, filling: FillingPlace, row: Row, columns: tuple[str, ...], audit: OdmAudit) -> None:
        """Columns of a visit or a form as items: those that the event writes, and that have a text or had one."""
        for column in columns:
            if column not in row:
                continue
            text = str(row[column])
            if not text and (filling, f"({column})\x00") not in self._last:
                continue
            text = self.shown(text, filling.participant) if column in _TYPED else text
            kind = "date" if column == "date" else "text"
            self._put(filling, (f"({column})", kind, ""), text or None, "", audit)

    def _item(self, row: Row, audit: OdmAudit) -> None:
        kind = row.get("type", "text")
        text = row.get("value", "")
        if kind == "text" and text:
            text = self.shown(text, row["participant"])
        named = (row["item"], kind, row.get("unit", ""))
        self._put(self._of_form(row), named, text or None, row.get("missing", ""), audit)

    def _put(
        self, filling: FillingPlace, named: tuple[str, str, str], value: str | None, reason: str, audit: OdmAudit
    ) -> None:
        item, kind, unit = named
        if value is None:  # nothing has no unit: it takes the place of the value that had one
            had = [u for form, name, u in self.items if (form, name) == (filling.form, item)]
            unit = next((u for u in had if (filling, f"{item}\x00{u}") in self._last), unit)
        seen = self.items.setdefault((filling.form, item, unit), ItemSeen(kind))
        if value is not None:
            seen.values.append(value)
        key = f"{item}\x00{unit}"
        before, now = self._last.get((filling, key)), (value, reason if value is None else "")
        if before == now:  # an action writes all items of a form again: what stays as it was is no change
            return
        self._last[(filling, key)] = now
        change = "Insert" if before is None else "Update"
        self._open(filling).groups[0].values.append(OdmValue(key, *now, change, audit))

    def _remove(self, filling: FillingPlace, audit: OdmAudit) -> None:
        parts = self.fillings.get(filling)
        if not parts:
            return
        parts.append(OdmFormData(filling.form, str(filling.repeat), [], "Remove", audit))
        self._last = {place: now for place, now in self._last.items() if place[0] != filling}

    # ------------------------------------------------------------------ signatures

    def _sign(self) -> None:
        """Valid signatures of fillings: each in a part of its own that changes nothing."""
        for row in self.signatures():
            if not (row["form"] or row["visit"]):
                continue
            place = self.event_of(row["participant"], row["visit"])
            filling = FillingPlace(row["participant"], *place, row["form"] or VISIT_FORM, row["repeat"])
            if filling in self.fillings:
                form = OdmFormData(filling.form, str(filling.repeat), [], "Context", signature=self.signed(row))
                self.fillings[filling].append(form)

    def signatures(self) -> Iterator[Row]:
        """Signatures of participants' records that are valid at the moment."""
        for row in self.opened.ledger.tables["signature"]:
            if row["state"] == "valid" and row["participant"]:
                yield row

    def signed(self, row: Row) -> OdmSignature:
        """A signature."""
        user = f"U.{row['account']}" + (f".{row['role']}" if row["role"] else "")
        self.users.setdefault(user, (row["account"], row["role"]))
        site = self._site.get(row["participant"], "")
        id = "S." + "".join(c if c.isalnum() or c in "._-" else "_" for c in row["signature"])
        return OdmSignature(id, user, f"L.{site}" if site else NO_SITE, f"SD.{row['meaning']}", row["at"])


__all__ = ["NO_SITE", "VISIT_FORM", "FillingPlace", "ItemSeen", "LedgerHistory"]
