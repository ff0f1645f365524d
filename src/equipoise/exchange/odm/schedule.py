"""What the metadata of records and of a running trial have alike: events of the schedule, design, code lists, names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from equipoise.exchange.odm.study import OdmCodes, OdmCondition, OdmDesign, OdmEvent
from equipoise.protocol.language.conditions import Condition
from equipoise.protocol.language.design import CriterionEntry
from equipoise.protocol.language.protocol import PlannedVisit, Protocol

# what belongs to no visit; contacts that the schedule does not plan; places of a running trial that are no visit
TRIAL, OTHER, PLACE = "SE.TRIAL", "SE.OTHER", "SE.PLACE"
TO_WRITE = "not stated in the protocol"


def event_oid(visit: str) -> str:
    """OID of the event of a planned visit."""
    return f"SE.VISIT.{visit}"


def events_of(
    protocol: Protocol, of_trial: tuple[str, ...], at_visit: Mapping[str, tuple[str, ...]], other: tuple[str, ...]
) -> tuple[OdmEvent, ...]:
    """The events: the trial as a whole, each planned visit with its forms (by id), and contacts besides."""
    out = [OdmEvent(TRIAL, "The trial as a whole", "Common", of_trial)]
    for visit in protocol.planned_visits:
        forms = at_visit.get(visit.name, ())
        out.append(OdmEvent(event_oid(visit.name), visit.name, "Scheduled", forms, day_words(visit)))
    words = "Contacts that the schedule does not plan; the repeat key names each."
    out.append(OdmEvent(OTHER, "Contacts besides the schedule", "Unscheduled", other, words, repeats=True))
    return tuple(out)


def day_words(visit: PlannedVisit) -> str:
    """When a visit is planned: study day 8, between days 6 and 10."""
    of_stage = f" of the stage {visit.stage}" if visit.stage else ""
    window = f", between days {visit.first_day} and {visit.last_day}" if visit.first_day != visit.last_day else ""
    return f"Study day {visit.target_day}{window}{of_stage}."


def design_of(protocol: Protocol) -> OdmDesign:
    """Arms, epochs and criteria."""
    model = protocol.model
    epochs = tuple(
        (f"EP.{id}", id.replace("-", " "), f"Study days {epoch.days.first} to {epoch.days.last}.")
        for id, epoch in model.calendar.epochs.items()
    )
    return OdmDesign(
        tuple((f"ARM.{id}", protocol.arm_label(id)) for id in model.arms),
        epochs,
        _criteria("INC", model.eligibility.include),
        _criteria("EXC", model.eligibility.exclude),
    )


def _criteria(kind: str, entries: Mapping[str, CriterionEntry] | None) -> tuple[tuple[str, str, str], ...]:
    out = []
    for id, entry in (entries or {}).items():
        said = [entry.words or "", f"({entry.criterion})" if entry.criterion is not None else ""]
        out.append((f"{kind}.{id}", id.replace("-", " "), " ".join(filter(None, said)) or TO_WRITE))
    return tuple(out)


def version_oid(protocol: Protocol) -> str:
    """OID of the metadata version: the hash of the protocol's meaning."""
    return f"MDV.{protocol.hash[:16]}"


@dataclass
class Definitions:
    """Code lists and conditions while items are made: those alike are one."""

    codes: dict[tuple[tuple[str, str], ...], OdmCodes] = field(default_factory=dict)
    conditions: dict[tuple[str, str], OdmCondition] = field(default_factory=dict)

    def coded(self, name: str, pairs: Iterable[tuple[str, str]], *, numbers: bool = False) -> str:
        """OID of the code list with these codes and labels."""
        key = tuple(pairs)
        found = self.codes.get(key)
        if found is None:
            found = OdmCodes(f"CL.{len(self.codes) + 1}", name, "integer" if numbers else "text", key)
            self.codes[key] = found
        return found.oid

    def not_asked_unless(self, form: str, condition: Condition) -> str:
        """OID of the condition under which an item of a form is not asked: where ``condition`` does not hold."""
        text = str(condition)
        found = self.conditions.get((form, text))
        if found is None:
            oid = f"COND.{len(self.conditions) + 1}"
            words = f"Asked only where {text} (of the form {form}). Where that does not hold it is not asked."
            found = OdmCondition(oid, words, f"not ({text})")
            self.conditions[(form, text)] = found
        return found.oid


__all__ = ["OTHER", "PLACE", "TRIAL", "Definitions", "design_of", "event_oid", "events_of", "version_oid"]
