"""A study in the words of ODM, for either version: events, forms, items, code lists, people, and what was recorded."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

NAMESPACES = {"1.3.2": "http://www.cdisc.org/ns/odm/v1.3", "2.0": "http://www.cdisc.org/ns/odm/v2.0"}
VERSIONS = tuple(NAMESPACES)
OdmType = Literal["text", "integer", "double", "date", "datetime", "boolean", "partialDate", "time"]
EventKind = Literal["Scheduled", "Unscheduled", "Common"]
OWN = "equipoise"  # the context of aliases and formal expressions that are ours
BLINDING = "equipoise-blinding"
UNIT = "unit"


@dataclass(frozen=True, slots=True)
class OdmCodes:
    """A code list: pairs of code and label."""

    oid: str
    name: str
    type: Literal["text", "integer"]
    pairs: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class OdmCondition:
    """When an item is not asked: in words, and as an expression (``not (used = yes)``)."""

    oid: str
    words: str
    expression: str


@dataclass(frozen=True, slots=True)
class OdmItem:
    """One item of one form. Bounds are included; ``usual`` bounds only warn. ``cell`` says what it is to equipoise."""

    oid: str
    name: str
    label: str
    type: OdmType
    length: int | None = None
    unit: str = ""
    lowest: str | None = None
    highest: str | None = None
    usual: tuple[str | None, str | None] = (None, None)
    codes: str = ""  # OID of the code list
    required: bool = False
    condition: str = ""  # OID of the condition under which it is not asked
    cell: str = ""
    blinding: str = "open"


@dataclass(frozen=True, slots=True)
class OdmForm:
    """One form with its one group of items: ``repeats`` says what has several instances, the form or its group."""

    id: str
    name: str
    items: tuple[OdmItem, ...]
    repeats: Literal["", "form", "group"] = ""
    blinding: str = "open"

    @property
    def oid(self) -> str:
        """OID of the form."""
        return f"F.{self.id}"

    @property
    def group_oid(self) -> str:
        """OID of the group of items."""
        return f"IG.{self.id}"


@dataclass(frozen=True, slots=True)
class OdmEvent:
    """One event of the schedule, and the forms that stand in it."""

    oid: str
    name: str
    kind: EventKind
    forms: tuple[str, ...]  # ids
    words: str = ""
    repeats: bool = False


@dataclass(frozen=True, slots=True)
class OdmDesign:
    """What version 2.0 holds of the design besides: pairs of OID and label, and criteria with their words."""

    arms: tuple[tuple[str, str], ...] = ()
    epochs: tuple[tuple[str, str, str], ...] = ()  # OID, name, days in words
    inclusion: tuple[tuple[str, str, str], ...] = ()  # OID, name, words
    exclusion: tuple[tuple[str, str, str], ...] = ()


@dataclass(frozen=True)
class OdmStudy:
    """The metadata of a study."""

    id: str
    title: str
    words: str
    version: str  # OID of the metadata version
    version_name: str
    events: tuple[OdmEvent, ...]
    forms: tuple[OdmForm, ...]
    codes: tuple[OdmCodes, ...] = ()
    conditions: tuple[OdmCondition, ...] = ()
    design: OdmDesign = OdmDesign()
    simulated: bool = False

    @property
    def oid(self) -> str:
        """OID of the study."""
        return f"ST.{self.id}"

    @property
    def units(self) -> tuple[str, ...]:
        """Every unit of an item, each once."""
        return tuple(dict.fromkeys(item.unit for form in self.forms for item in form.items if item.unit))


# ---------------------------------------------------------------------- what was recorded


@dataclass(frozen=True, slots=True)
class OdmAudit:
    """Who recorded or changed something, where, when, why, and the number of the event in the ledger."""

    user: str
    location: str
    at: str
    why: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True)
class OdmSignature:
    """One signature: its id, who, where, its meaning (OID), when."""

    id: str
    user: str
    location: str
    meaning: str
    at: str


@dataclass(slots=True)
class OdmValue:
    """One value of an item; ``None`` is no value, for the reason given where one is known."""

    item: str
    value: str | None
    reason: str = ""
    change: str = ""  # Insert, Update; empty in a snapshot
    audit: OdmAudit | None = None


@dataclass(slots=True)
class OdmGroupData:
    """Values of one instance of a group."""

    repeat: str
    values: list[OdmValue] = field(default_factory=list)


@dataclass(slots=True)
class OdmFormData:
    """One filling of a form; ``change`` is Remove where it was entered in error, Context where it only signs."""

    form: str  # id
    repeat: str = ""
    groups: list[OdmGroupData] = field(default_factory=list)
    change: str = ""
    audit: OdmAudit | None = None
    signature: OdmSignature | None = None


@dataclass(slots=True)
class OdmEventData:
    """What was recorded at one event."""

    event: str  # OID
    repeat: str = ""
    forms: list[OdmFormData] = field(default_factory=list)
    change: str = ""
    audit: OdmAudit | None = None


@dataclass(slots=True)
class OdmSubject:
    """Everything recorded of one participant."""

    key: str
    events: list[OdmEventData] = field(default_factory=list)
    location: str = ""
    change: str = ""
    signature: OdmSignature | None = None


@dataclass(frozen=True, slots=True)
class OdmPeople:
    """Who and where, for the audit trail: accounts with their role, sites with a date, meanings of signatures."""

    users: tuple[tuple[str, str, str], ...] = ()  # OID, account, role
    locations: tuple[tuple[str, str, str], ...] = ()  # OID, name, date from which it took part
    meanings: tuple[tuple[str, str], ...] = ()  # OID, meaning


@dataclass(frozen=True, slots=True)
class OdmHead:
    """The head of a file: its OID, the moment it states, whether it tells of changes."""

    oid: str
    created: str
    as_of: str = ""
    transactional: bool = False
    has_data: bool = False
    program_version: str = ""
