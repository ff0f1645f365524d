"""A running trial in ODM: its forms as they were filled in, with the audit trail, and what the cut makes of arms.

Like a data cut it is made of the ledger up to a moment, in an edition; the same ledger, moment, edition and version of
the program give the same bytes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from equipoise.conduct.cut.cut import CutKeys, OpenedLedger, open_ledger, records_of
from equipoise.conduct.cut.odm_history import NO_SITE, VISIT_FORM, FillingPlace, ItemSeen, LedgerHistory
from equipoise.conduct.rules import forms
from equipoise.exchange.odm.export_file import OdmContent, OdmExport, title_of, words_of, write_odm
from equipoise.exchange.odm.of_records import RecordsStudy
from equipoise.exchange.odm.schedule import OTHER, PLACE, design_of, event_oid, events_of, version_oid
from equipoise.exchange.odm.study import (
    OdmEvent,
    OdmEventData,
    OdmForm,
    OdmFormData,
    OdmGroupData,
    OdmHead,
    OdmItem,
    OdmPeople,
    OdmStudy,
    OdmSubject,
    OdmType,
)
from equipoise.foundation.version import program_version

if TYPE_CHECKING:
    from equipoise.conduct.actions.sign_in import Session
    from equipoise.conduct.clock import Clock
    from equipoise.conduct.cut.editions import Edition
    from equipoise.conduct.entropy import Entropy
    from equipoise.conduct.rules.forms import Form, FormItem
    from equipoise.conduct.trial.trial import Trial
    from equipoise.records import Records

# Tables of the cut that no form of the trial holds: who is in it, arms, and what was given.
OF_THE_CUT = ("participants", "allocations", "exposure")
_LEFT_OUT = "left-out"
_WORDS = {VISIT_FORM: "Visit", "baseline": "Baseline", "adverse-event": "Adverse event"}
_PATTERNS: tuple[tuple[OdmType, str], ...] = (
    ("integer", r"[+-]?\d{1,18}"),
    ("double", r"[+-]?(?:\d+\.?\d*|\.\d+)"),
    ("partialDate", r"\d{4}(?:-(?:0[1-9]|1[0-2])(?:-(?:0[1-9]|[12]\d|3[01]))?)?"),
)
_OF_KIND = {"integer": "integer", "decimal": "double"}


@dataclass
class LedgerStudy:
    """Makes the study and its data of an opened ledger."""

    opened: OpenedLedger
    records: Records

    @cached_property
    def history(self) -> LedgerHistory:
        """Every value and its changes."""
        return LedgerHistory(self.opened).read()

    @cached_property
    def tables(self) -> RecordsStudy:
        """The tables of the cut that no form holds."""
        held = {name: frame for name, frame in self.records.tables.items() if name in OF_THE_CUT and frame.height}
        people = held.get("participants")
        if people is not None:
            own = ("participant_id", "site", "screened_day", "consented", "eligible", "ineligible_reason")
            held["participants"] = people.select([name for name in own if name in people.columns])
        return RecordsStudy(self.opened.protocol, held)

    def study(self) -> OdmStudy:
        """The metadata: every form of the protocol that the edition shows, and those that only the ledger knows."""
        protocol, simulated = self.opened.protocol, self.records.is_simulated
        made = [form for id, form in self.tables.forms.items() if id in OF_THE_CUT]
        made += list(self.forms.values())
        placed: dict[str, dict[str, None]] = {}
        for filling in self.history.fillings:
            placed.setdefault(filling.event, {})[filling.form] = None
        at_visit = {}
        for visit in protocol.planned_visits:
            asked = [id for id in visit.assess if id in self.forms]
            found = placed.get(event_oid(visit.name), {})
            at_visit[visit.name] = tuple(dict.fromkeys([VISIT_FORM, *asked, *found]))
        events = list(events_of(protocol, OF_THE_CUT, at_visit, tuple(placed.get(OTHER, {VISIT_FORM: None}))))
        words = "Forms that belong to no visit; the repeat key names the place."
        places = tuple(placed.get(PLACE, ()))
        events.append(OdmEvent(PLACE, "Forms of no visit", "Common", places, words, repeats=True))
        title = protocol.model.trial.title
        return OdmStudy(
            protocol.id,
            title_of(title, simulated),
            words_of(title, self.records.source.description, simulated),
            version_oid(protocol),
            f"protocol {protocol.hash[:16]}",
            tuple(events),
            tuple(made),
            tuple(self.tables.made.codes.values()),
            tuple(self.tables.made.conditions.values()),
            design_of(protocol),
            simulated,
        )

    # ------------------------------------------------------------------ forms

    @cached_property
    def forms(self) -> dict[str, OdmForm]:
        """Forms by id: of the visit itself, of the protocol, then those that only the ledger has."""
        seen: dict[str, list[tuple[str, str, ItemSeen]]] = {}
        for (form, item, unit), one in self.history.items.items():
            seen.setdefault(form, []).append((item, unit, one))
        known = forms.forms(self.opened.protocol)
        shown = [id for id, form in known.items() if id in self.history.forms_shown]
        out = {}
        for id in dict.fromkeys([VISIT_FORM, *shown, *seen]):
            out[id] = self._form(id, known.get(id), seen.get(id, []))
        return out

    def _form(self, id: str, form: Form | None, seen: list[tuple[str, str, ItemSeen]]) -> OdmForm:
        label = form.label if form is not None else _WORDS.get(id, id.replace("-", " ").capitalize())
        blinding = form.blinding if form is not None else "open"
        items: list[OdmItem] = []
        rest = list(seen)
        columns = [entry for entry in rest if entry[0].startswith("(")]
        items += [self._item(id, None, entry, blinding) for entry in columns]
        for asked in form.items if form is not None else ():
            mine = [entry for entry in rest if entry[0] == asked.id] or [(asked.id, asked.unit, ItemSeen(asked.type))]
            items += [self._item(id, asked, entry, blinding) for entry in mine]
        named = {item.id for item in form.items} if form is not None else set()
        others = [entry for entry in rest if entry[0] not in named and entry not in columns]
        items += [self._item(id, None, entry, blinding) for entry in sorted(others, key=lambda entry: entry[:2])]
        return OdmForm(id, label, tuple(items), "form", blinding)

    def _item(self, form: str, asked: FormItem | None, entry: tuple[str, str, ItemSeen], blinding: str) -> OdmItem:
        item, unit, seen = entry
        made = self.tables.made
        kind = asked.type if asked is not None else seen.type
        label = asked.label if asked is not None else item.strip("()").replace("-", " ").capitalize()
        pairs: list[tuple[str, str]] = []
        if kind in ("choice", "yes-no"):
            levels = ("yes", "no") if kind == "yes-no" else (asked.choices if asked is not None else ())
            pairs = [(level, level.replace("_", " ")) for level in dict.fromkeys([*levels, *seen.values])]
        codes = made.coded(label, pairs) if pairs else ""
        type = _type_of(kind, seen.values) if not pairs else "text"
        length = None
        if pairs:
            length = max(len(code) for code, _ in pairs)
        elif type in ("text", "integer"):
            length = max([200 if type == "text" else 10, *map(len, seen.values)])
        bounds = (None, None)
        usual: tuple[str | None, str | None] = (None, None)
        if asked is not None and type in ("integer", "double"):
            bounds = tuple(None if end is None else f"{end:f}" for end in (asked.lowest, asked.highest))  # type: ignore[assignment]
            usual = tuple(None if end is None else f"{end:f}" for end in asked.usual)  # type: ignore[assignment]
            if asked.levels:
                label += f" (one of {', '.join(f'{level:f}' for level in asked.levels)})"
        when = asked.when if asked is not None else None
        return OdmItem(
            _oid(form, item, unit),
            item.strip("()"),
            label,
            type,
            length,
            unit,
            bounds[0],
            bounds[1],
            usual,
            codes,
            asked.required if asked is not None else False,
            made.not_asked_unless(form, when) if when is not None else "",
            f"{form}.{item}",
            blinding,
        )

    # ------------------------------------------------------------------ people and data

    def people(self) -> OdmPeople:
        """Accounts by code and role, sites with the date from which they took part, meanings of signatures."""
        ledger = self.opened.ledger
        first: dict[str, date] = {}
        for event in ledger.events:
            for row in ledger.content(event).get("put", {}).get("site", ()):
                first.setdefault(row["site"], ledger.local_date(event))
        began = ledger.local_date(ledger.events[0]).isoformat()
        sites = [
            (f"L.{row['site']}", row["site"], row["activated_on"] or first[row["site"]].isoformat())
            for row in ledger.tables["site"]
        ]
        meanings = sorted({row["meaning"] for row in self.history.signatures()})
        users = sorted((oid, account, role) for oid, (account, role) in self.history.users.items())
        return OdmPeople(
            tuple(users),
            ((NO_SITE, "no site", began), *sites),
            tuple((f"SD.{meaning}", meaning) for meaning in meanings),
        )

    def subjects(self) -> Iterator[OdmSubject]:
        """Everybody on the screening log, in the order of their numbers."""
        of_tables = {subject.key: subject for subject in self.tables.subjects()}
        fillings: dict[str, dict[tuple[str, str], list[FillingPlace]]] = {}
        for filling in self.history.fillings:
            fillings.setdefault(filling.participant, {}).setdefault((filling.event, filling.event_repeat), []).append(
                filling
            )
        order = {event_oid(visit.name): k for k, visit in enumerate(self.opened.protocol.planned_visits)}
        sites = {row["participant"]: row["site"] for row in self.opened.ledger.tables["participant"]}
        signed: dict[str, list[OdmSubject]] = {}
        for row in self.history.signatures():
            if not (row["form"] or row["visit"]):
                again = OdmSubject(row["participant"], change="Context", signature=self.history.signed(row))
                signed.setdefault(row["participant"], []).append(again)
        for id in sorted(sites):
            events = list(of_tables[id].events) if id in of_tables else []
            for event in events:
                _insert(event)
            mine = fillings.get(id, {})
            for key in sorted(mine, key=lambda key: (order.get(key[0], len(order)), key)):
                held = sorted(mine[key], key=lambda one: (one.form != VISIT_FORM, one.form, one.repeat))
                parts = [replaced for one in held for replaced in self._parts(one)]
                events.append(OdmEventData(key[0], key[1], parts, "Insert"))
            mine_signed = signed.get(id, [])
            first = mine_signed[0].signature if mine_signed else None
            yield OdmSubject(id, events, f"L.{sites[id]}" if sites[id] else "", "Insert", first)
            yield from mine_signed[1:]

    def _parts(self, filling: FillingPlace) -> Iterator[OdmFormData]:
        """The parts of a filling, its values under the OIDs of their items."""
        for part in self.history.fillings[filling]:
            groups = [
                OdmGroupData(
                    group.repeat,
                    [replace(value, item=_oid(filling.form, *value.item.split("\x00"))) for value in group.values],
                )
                for group in part.groups
            ]
            yield replace(part, groups=groups)


def _insert(event: OdmEventData) -> None:
    """Rows of the cut's tables as entries of a file of changes."""
    event.change = "Insert"
    for form in event.forms:
        form.change = "Insert"
        for group in form.groups:
            for value in group.values:
                value.change = "Insert"


def _oid(form: str, item: str, unit: str) -> str:
    return f"IT.FORM.{form}.{item}" + (f".{unit}" if unit else "")


def _type_of(kind: str, values: list[str]) -> OdmType:
    """The type that the ledger gives an item, where all its values are of it; otherwise text."""
    wanted = _OF_KIND.get(kind)
    if kind == "date":
        whole = all(len(value) == 10 and _is_date(value) for value in values)
        if whole:
            return "date"
        wanted = "partialDate"
    for type, pattern in _PATTERNS:
        if type == wanted and all(re.fullmatch(pattern, value) for value in values):
            return type
    return "text"


def _is_date(text: str) -> bool:
    try:
        return bool(date.fromisoformat(text))
    except ValueError:
        return False


def odm_of_trial(trial: Trial, *, at: datetime, edition: Edition, keys: CutKeys) -> OdmContent:
    """All that goes into the file of a running trial; refusals as of a data cut."""
    opened = open_ledger(trial, at, edition, given=keys)
    records = records_of(trial, opened)
    maker = LedgerStudy(opened, records)
    study = maker.study()
    subjects = list(maker.subjects())
    details = records.source.details
    moment = at.astimezone(UTC).isoformat().replace("+00:00", "Z")
    simulated = "SIMULATED." if records.is_simulated else ""
    quarantined = "with-quarantined" if opened.shows else "open"
    head = OdmHead(
        f"{simulated}{opened.protocol.id}.{edition}.{quarantined}.{details['events']}.{details['head'][:16]}",
        moment,
        moment,
        transactional=True,
        has_data=True,
        program_version=program_version(),
    )
    reasons = {**forms.REASONS, _LEFT_OUT: "left out, nobody said why"}
    found = {value.reason for s in subjects for e in s.events for f in e.forms for g in f.groups for value in g.values}
    reasons |= {reason: reason.replace("-", " ") for reason in sorted(found - {""}) if reason not in reasons}
    return OdmContent(head, study, maker.people(), subjects, reasons)


def take_odm(
    trial: Trial,
    session: Session,
    out: Path,
    *,
    asked: OdmAsked,
    clock: Clock | None = None,
    entropy: Entropy | None = None,
    told: Callable[[str], None] = lambda text: None,
) -> OdmExport:
    """Take the file as an account: rights are asked and the cut is noted in the ledger, then it is made and written."""
    from equipoise.conduct.actions.dispatch import perform

    given = {"at": asked.at, "edition": asked.edition, "without_quarantined": asked.keys.without_quarantined}
    perform(trial, session, "cut", given, clock=clock, entropy=entropy)
    edition: Edition = asked.edition  # type: ignore[assignment]
    content = odm_of_trial(trial, at=datetime.fromisoformat(asked.at), edition=edition, keys=asked.keys)
    return write_odm(
        content, out, version=asked.version, force=asked.force, private=True, told=lambda k: told(f"{k} participants")
    )


@dataclass(frozen=True, slots=True)
class OdmAsked:
    """What is asked for: moment, edition, version of ODM, keys, and whether an earlier folder is replaced."""

    at: str
    edition: str
    version: str
    keys: CutKeys = field(default_factory=CutKeys)
    force: bool = False


__all__ = ["LedgerStudy", "OdmAsked", "odm_of_trial", "take_odm"]
