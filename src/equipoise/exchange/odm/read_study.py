"""The metadata of an ODM file: what is asked where, of which type; every fault of it at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from equipoise.exchange.csv import doubled
from equipoise.exchange.odm.parse import OdmNode, ParsedOdm
from equipoise.foundation.errors import Problem, listed, nearest

CODES = {
    "R374": "A reference in an ODM file that finds no definition.",
    "R375": "Two definitions of one OID in an ODM file.",
    "R376": "A data type that ODM does not have.",
    "R377": "An attribute that is absent from an ODM file (of the head: a note, not an error).",
    "R378": "Elements of an ODM file in an order that its schema does not have (a note, not an error).",
    "R379": "An ODM file without metadata.",
}
DATA_TYPES = frozenset(
    (
        *("integer", "decimal", "float", "double", "date", "datetime", "time", "text", "string", "URI", "boolean"),
        *("hexBinary", "base64Binary", "hexFloat", "base64Float", "partialDate", "partialTime", "partialDatetime"),
        *("durationDatetime", "intervalDatetime", "incompleteDatetime", "incompleteDate", "incompleteTime"),
    )
)
DEFINITIONS = ("StudyEventDef", "FormDef", "ItemGroupDef", "ItemDef", "CodeList", "ConditionDef", "MethodDef")
_REFERENCES = {
    "StudyEventRef": ("StudyEventOID", "StudyEventDef"),
    "FormRef": ("FormOID", "FormDef"),
    "ItemGroupRef": ("ItemGroupOID", "ItemGroupDef"),
    "ItemRef": ("ItemOID", "ItemDef"),
    "CodeListRef": ("CodeListOID", "CodeList"),
    "MeasurementUnitRef": ("MeasurementUnitOID", "MeasurementUnit"),
}
_HEAD = ("FileOID", "FileType", "CreationDateTime")
# The order of children, by version, of the elements that programs put in another order.
_ORDER = {
    (
        "1.3.2",
        "MetaDataVersion",
    ): "Include Protocol StudyEventDef FormDef ItemGroupDef ItemDef CodeList ImputationMethod "
    "Presentation ConditionDef MethodDef",
    ("1.3.2", "ODM"): "Description Study AdminData ReferenceData ClinicalData Association",
    ("1.3.2", "Study"): "GlobalVariables BasicDefinitions MetaDataVersion",
    ("1.3.2", "ItemDef"): "Description Question ExternalQuestion MeasurementUnitRef RangeCheck CodeListRef Role Alias",
    ("1.3.2", "SubjectData"): "AuditRecord Signature InvestigatorRef SiteRef Annotation StudyEventData",
    ("1.3.2", "StudyEventData"): "AuditRecord Signature Annotation FormData",
    ("1.3.2", "FormData"): "AuditRecord Signature ArchiveLayoutRef Annotation ItemGroupData",
    ("1.3.2", "ItemGroupData"): "AuditRecord Signature Annotation ItemData",
    (
        "2.0",
        "MetaDataVersion",
    ): "Description Include Standards AnnotatedCRF SupplementalDoc ValueListDef WhereClauseDef "
    "Protocol WorkflowDef StudyEventGroupDef StudyEventDef ItemGroupDef ItemDef CodeList ConditionDef MethodDef "
    "CommentDef Leaf",
    ("2.0", "ODM"): "Description Study AdminData ReferenceData ClinicalData Association",
}


@dataclass(frozen=True, slots=True)
class ItemRead:
    """An item: its type, length, question, unit, limits, code list."""

    oid: str
    name: str
    label: str
    type: str
    length: int | None
    unit: str
    codes: tuple[tuple[str, str], ...] | None
    checks: tuple[tuple[str, tuple[str, ...], bool], ...]  # comparator, values, whether it is hard
    node: OdmNode


@dataclass(frozen=True, slots=True)
class GroupRead:
    """A group of items: which are in it, which of them must be answered, when they are not asked."""

    oid: str
    name: str
    repeats: bool
    items: tuple[str, ...]
    required: frozenset[str]
    conditions: dict[str, str]  # by item
    fixed: frozenset[str] = frozenset()  # items whose value is given beforehand: units


@dataclass(frozen=True, slots=True)
class FormRead:
    """A form (in 2.0 the outermost group of an event) and the groups in it."""

    oid: str
    name: str
    repeats: bool
    groups: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EventRead:
    """An event and its forms."""

    oid: str
    name: str
    repeats: bool
    forms: tuple[str, ...]
    node: OdmNode


@dataclass
class StudyRead:
    """The metadata of a file, with what is wrong and what deserves a note."""

    title: str
    version: str
    items: dict[str, ItemRead] = field(default_factory=dict)
    groups: dict[str, GroupRead] = field(default_factory=dict)
    forms: dict[str, FormRead] = field(default_factory=dict)
    events: dict[str, EventRead] = field(default_factory=dict)
    conditions: dict[str, tuple[str, str]] = field(default_factory=dict)  # words and expression by OID
    locations: dict[str, str] = field(default_factory=dict)
    people: set[str] = field(default_factory=set)  # OIDs of users, locations and meanings of signatures
    others: dict[str, int] = field(default_factory=dict)  # parts that are not taken over, with their number


def read_study(parsed: ParsedOdm, file: str) -> tuple[StudyRead, list[Problem], list[Problem]]:
    """The metadata of a file, its faults, and notes on how it was read."""
    root = parsed.root
    reader = _StudyReader(file, parsed.version)
    reader.head(root)
    study = next(root.all("Study"), None)
    version = root if root.name == "MetaDataVersion" else None
    if study is not None:
        version = next(study.all("MetaDataVersion"), None)
        several = sum(1 for _ in study.all("MetaDataVersion"))
        if several > 1:
            found = f"The study has {several} versions of its metadata; the last is read."
            version = list(study.all("MetaDataVersion"))[-1]
            reader.notes.append(Problem("R378", "MetaDataVersion", found, file=file, line=version.line))
    if version is None:
        found = "The file has no metadata: no Study with a MetaDataVersion."
        hint = "Name the file with the metadata first, then the one with the data."
        problem = Problem("R379", "Study", found, "the forms and items that the data refer to", hint, file, root.line)
        return StudyRead("", parsed.version), [problem], reader.notes
    out = reader.read(root, study, version)
    return out, reader.problems, reader.notes


def in_order(node: OdmNode, version: str) -> bool:
    """Whether the children stand in the order of the schema, as far as it is known here."""
    order = _ORDER.get((version, node.name))
    if order is None:
        return True
    names = order.split()
    places = [names.index(child.name) for child in node.children if child.name in names]
    return places == sorted(places)


class _StudyReader:
    def __init__(self, file: str, version: str) -> None:
        self.file, self.version = file, version
        self.problems: list[Problem] = []
        self.notes: list[Problem] = []

    def head(self, root: OdmNode) -> None:
        """What the head lacks: the file is read all the same."""
        absent = [name for name in _HEAD if not root.get(name)] if root.name == "ODM" else []
        if absent:
            found = f"The head has no {listed(absent, conjunction='and')}."
            self.notes.append(Problem("R377", "ODM", found, "the attributes of the standard", "", self.file, root.line))

    def wrong(self, code: str, node: OdmNode, place: str, found: str, expected: str = "", hint: str = "") -> None:
        self.problems.append(Problem(code, place, found, expected, hint, self.file, node.line))

    def read(self, root: OdmNode, study: OdmNode | None, version: OdmNode) -> StudyRead:
        units = {
            unit.get("OID"): unit.said("Symbol", "TranslatedText") or unit.get("Name")
            for basic in (study.all("BasicDefinitions") if study is not None else ())
            for unit in basic.all("MeasurementUnit")
        }
        found: dict[str, dict[str, OdmNode]] = {kind: {} for kind in DEFINITIONS}
        owners: dict[str, str] = {}
        for node in version.all(*DEFINITIONS):
            oid = node.get("OID")
            if not oid:
                self.wrong("R377", node, node.name, f"{node.name} has no OID.", "an OID")
            elif oid in owners:
                self.wrong("R375", node, oid, f"The OID {oid!r} stands twice ({owners[oid]}, {node.name}).", "it once")
            else:
                owners[oid] = node.name
                found[node.name][oid] = node
        self._check_references(version, found, units)
        self._check_order(root, study, version)
        for oid, node in found["CodeList"].items():
            coded = [entry.get("CodedValue") for entry in node.all("CodeListItem", "EnumeratedItem")]
            for code in sorted(doubled(coded)):
                self.wrong("R375", node, oid, f"The code {code!r} stands twice in the list.", "each code once")
        title = (study.said("GlobalVariables", "StudyName") or study.get("StudyName")) if study is not None else ""
        out = StudyRead(title or version.get("Name"), self.version)
        codes = {oid: _codes(node) for oid, node in found["CodeList"].items()}
        for oid, node in found["ItemDef"].items():
            out.items[oid] = self._item(oid, node, codes, units)
        for oid, node in found["ItemGroupDef"].items():
            out.groups[oid] = _group(oid, node)
        self._forms(out, found)
        for oid, node in found["ConditionDef"].items():
            expression = node.first("FormalExpression")
            text = "" if expression is None else expression.said("Code") or " ".join(expression.text.split())
            out.conditions[oid] = (node.said("Description", "TranslatedText"), text)
        for admin in root.all("AdminData"):
            out.locations |= {place.get("OID"): place.get("Name") for place in admin.all("Location")}
            out.people |= {node.get("OID") for node in admin.all("User", "Location", "SignatureDef")}
        names = ("MethodDef", "ImputationMethod", "Presentation", "Include", "StudyEventGroupDef", "WorkflowDef")
        for node in version.all(*names, "ValueListDef", "WhereClauseDef"):
            out.others[node.name] = out.others.get(node.name, 0) + 1
        for protocol in version.all("Protocol"):
            for node in protocol.children:
                if node.name not in ("StudyEventRef", "Description", "StudyEventGroupRef", "Alias"):
                    out.others[node.name] = out.others.get(node.name, 0) + 1
        return out

    def _check_references(self, version: OdmNode, found: dict[str, dict[str, OdmNode]], units: dict[str, str]) -> None:
        known = {**{kind: set(nodes) for kind, nodes in found.items()}, "MeasurementUnit": set(units)}
        for node in _below(version):
            pairs = []
            if node.name in _REFERENCES:
                attribute, kind = _REFERENCES[node.name]
                pairs.append((attribute, kind, node.get(attribute)))
                if not node.get(attribute):
                    self.wrong("R377", node, node.name, f"{node.name} has no {attribute}.", "an OID")
                    continue
            for attribute, kind in (("CollectionExceptionConditionOID", "ConditionDef"), ("MethodOID", "MethodDef")):
                if node.name == "ItemRef" and node.get(attribute):
                    pairs.append((attribute, kind, node.get(attribute)))
            for attribute, kind, oid in pairs:
                if oid not in known[kind]:
                    near = nearest(oid, known[kind])
                    hint = f"Is {near!r} meant?" if near else "Export the file again, with all its definitions."
                    self.wrong("R374", node, f"{node.name} {attribute}", f"{oid!r} finds no {kind}.", f"a {kind}", hint)

    def _check_order(self, root: OdmNode, study: OdmNode | None, version: OdmNode) -> None:
        for node in (root, *([study] if study is not None else []), version, *version.all("ItemDef")):
            if not in_order(node, self.version):
                found = f"The elements of {node.name} {node.get('OID')} stand in another order than in the schema."
                self.notes.append(Problem("R378", node.name, found, file=self.file, line=node.line))

    def _item(
        self, oid: str, node: OdmNode, codes: dict[str, tuple[tuple[str, str], ...] | None], units: dict[str, str]
    ) -> ItemRead:
        type = node.get("DataType")
        if type not in DATA_TYPES:
            near = nearest(type, DATA_TYPES)
            hint = f"Is {near!r} meant?" if near else ""
            self.wrong("R376", node, oid, f"The data type is {type!r}.", listed(sorted(DATA_TYPES), limit=24), hint)
        length = node.get("Length")
        reference = node.first("CodeListRef")
        unit = node.first("MeasurementUnitRef")
        label = node.said("Question", "TranslatedText") or node.said("Description", "TranslatedText")
        alias = {one.get("Context"): one.get("Name") for one in node.all("Alias")}
        return ItemRead(
            oid,
            node.get("Name") or oid,
            label or node.get("Name") or oid,
            type,
            int(length) if length.isascii() and length.isdigit() and len(length) < 10 else None,
            units.get(unit.get("MeasurementUnitOID"), "") if unit is not None else alias.get("unit", ""),
            codes.get(reference.get("CodeListOID")) if reference is not None else None,
            tuple(
                (
                    check.get("Comparator"),
                    tuple(v.text.strip() for v in check.all("CheckValue")),
                    check.get("SoftHard") != "Soft",
                )
                for check in node.all("RangeCheck")
            ),
            node,
        )

    def _forms(self, out: StudyRead, found: dict[str, dict[str, OdmNode]]) -> None:
        """Events, and forms: those of 1.3, or the groups of 2.0 that an event names."""
        nodes = found["ItemGroupDef"]
        for oid, node in found["StudyEventDef"].items():
            names = [r.get("FormOID") or r.get("ItemGroupOID") for r in node.all("FormRef", "ItemGroupRef")]
            out.events[oid] = EventRead(
                oid, node.get("Name") or oid, node.get("Repeating") == "Yes", tuple(names), node
            )
        for oid, node in found["FormDef"].items():
            groups = tuple(r.get("ItemGroupOID") for r in node.all("ItemGroupRef"))
            out.forms[oid] = FormRead(oid, node.get("Name") or oid, node.get("Repeating") == "Yes", groups)
        if self.version == "2.0":
            inner = {r.get("ItemGroupOID") for node in nodes.values() for r in node.all("ItemGroupRef")}
            outer = [oid for event in out.events.values() for oid in event.forms]
            outer += [oid for oid in nodes if oid not in inner]
            for oid in dict.fromkeys(outer):
                if oid in nodes:
                    held = tuple(dict.fromkeys(_with_items(oid, nodes, frozenset())))
                    out.forms[oid] = FormRead(oid, nodes[oid].get("Name") or oid, _repeats(nodes[oid]), held)


def _with_items(oid: str, nodes: dict[str, OdmNode], above: frozenset[str]) -> Iterator[str]:
    """Groups with items of their own: the group itself, and those in it; a group in itself is there once."""
    node = nodes.get(oid)
    if node is None or oid in above:
        return
    if node.first("ItemRef") is not None:
        yield oid
    for reference in node.all("ItemGroupRef"):
        yield from _with_items(reference.get("ItemGroupOID"), nodes, above | {oid})


def _below(node: OdmNode) -> Iterator[OdmNode]:
    for child in node.children:
        yield child
        yield from _below(child)


def _repeats(node: OdmNode) -> bool:
    return node.get("Repeating") not in ("", "No")


def _group(oid: str, node: OdmNode) -> GroupRead:
    references = [r for r in node.all("ItemRef") if not r.get("PreSpecifiedValue")]  # a fixed unit is no question
    return GroupRead(
        oid,
        node.get("Name") or oid,
        _repeats(node),
        tuple(dict.fromkeys(r.get("ItemOID") for r in references)),
        frozenset(r.get("ItemOID") for r in references if r.get("Mandatory") == "Yes"),
        {r.get("ItemOID"): c for r in references if (c := r.get("CollectionExceptionConditionOID"))},
        frozenset(r.get("ItemOID") for r in node.all("ItemRef") if r.get("PreSpecifiedValue")),
    )


def _codes(node: OdmNode) -> tuple[tuple[str, str], ...] | None:
    """Codes and labels; ``None`` for a list that is kept elsewhere."""
    if node.first("ExternalCodeList") is not None:
        return None
    entries = list(node.all("CodeListItem", "EnumeratedItem"))
    return tuple((e.get("CodedValue"), e.said("Decode", "TranslatedText") or e.get("CodedValue")) for e in entries)
