"""What an ODM file says was recorded: changes applied in their order, each value held against its item."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date

from equipoise.exchange.odm.parse import OdmNode
from equipoise.exchange.odm.read_study import ItemRead, StudyRead, in_order
from equipoise.exchange.redcap.findings import ImportFinding
from equipoise.foundation.errors import Problem

CODES = {
    "R380": "Values of an ODM file that are not of the type of their item.",
    "R381": "Values of an ODM file that are longer than their item.",
    "R382": "Values of an ODM file that are not in the code list of their item.",
    "R383": "Values of an ODM file outside the limits of their item.",
    "R384": "Two values in one place of an ODM file, or a change of what is not there.",
    "R385": "A place in the data of an ODM file that its metadata do not have.",
}
Place = tuple[str, str, str, str, str, str, str, str]
PLACE = ("subject", "event", "event_repeat", "form", "form_repeat", "group", "group_repeat", "item")
_MOST = 20  # problems of one kind shown one by one
_TIME = r"(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)?"
_DECIMAL = r"[+-]?(?:\d+\.?\d*|\.\d+)"
_PATTERNS = {
    "integer": r"[+-]?\d+",
    "float": _DECIMAL,
    "decimal": _DECIMAL,
    "double": rf"{_DECIMAL}(?:[eE][+-]?\d+)?",
    "date": r"\d{4}-\d\d-\d\d",
    "time": _TIME,
    "datetime": rf"\d{{4}}-\d\d-\d\dT{_TIME}",
    "boolean": r"true|false|0|1",
    "partialDate": r"\d{4}(?:-\d\d(?:-\d\d)?)?",
}
_COMPILED = {type: re.compile(pattern) for type, pattern in _PATTERNS.items()}
NUMBERS = ("integer", "float", "decimal", "double")
_SIGNS: dict[str, Callable[[float, float], bool]] = {
    "LT": lambda a, b: a < b,
    "LE": lambda a, b: a <= b,
    "GT": lambda a, b: a > b,
    "GE": lambda a, b: a >= b,
    "EQ": lambda a, b: a == b,
    "NE": lambda a, b: a != b,
}


def is_of_type(value: str, type: str) -> bool:
    """Whether a value is of an ODM type; types that are seldom used hold any text."""
    pattern = _COMPILED.get(type)
    if pattern is None:
        return True
    if not pattern.fullmatch(value):
        return False
    if type in ("date", "datetime"):
        try:
            date.fromisoformat(value[:10])
        except ValueError:
            return False
    return True


@dataclass(slots=True)
class _Seen:
    values: list[str] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    n: int = 0


@dataclass
class ValuesRead:
    """Values in force by place: the text (``None``: no value), the line, and how often it was recorded."""

    study: StudyRead
    file: str
    values: dict[str, dict[Place, tuple[str | None, int, int]]] = field(default_factory=dict)  # by participant
    sites: dict[str, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    n_values: int = 0
    n_audits: int = 0
    out_of_order: int = 0
    n_signatures: int = 0
    strangers: dict[str, int] = field(default_factory=dict)  # people and places named and not defined: the first line
    _faults: dict[tuple[str, str, str], _Seen] = field(default_factory=dict)
    _n_unknown: int = 0

    def subject(self, node: OdmNode) -> None:
        """Take in one participant."""
        key = node.get("SubjectKey")
        if not key:
            self._unknown(node, "SubjectData", "SubjectData has no SubjectKey.")
            return
        if node.get("TransactionType") == "Remove":
            self._remove((key,))
            return
        self.values.setdefault(key, {})
        site = node.first("SiteRef")
        if site is not None:
            oid = site.get("LocationOID")
            self.sites[key] = self.study.locations.get(oid, oid)
        self._look(node)
        events = list(node.all("StudyEventData"))
        for event in events:
            self._event(key, event)
        for form in node.all("FormData", "ItemGroupData"):  # a project without events (REDCap)
            self._form((key, "", ""), form)

    def _look(self, node: OdmNode) -> None:
        if not in_order(node, self.study.version):
            self.out_of_order += 1
        self.n_signatures += sum(1 for _ in node.all("Signature"))
        self._stamped(node)

    def _stamped(self, node: OdmNode) -> None:
        """Hold those who recorded and signed, and the places, against the people of the file."""
        for stamp in (node, *node.all("AuditRecord", "Signature")):
            for reference in stamp.all("UserRef", "LocationRef", "SignatureRef", "SiteRef", "InvestigatorRef"):
                oid = reference.get("UserOID") or reference.get("LocationOID") or reference.get("SignatureOID")
                if oid not in self.study.people:
                    self.strangers.setdefault(oid, reference.line)

    def _event(self, subject: str, node: OdmNode) -> None:
        oid, repeat = node.get("StudyEventOID"), node.get("StudyEventRepeatKey")
        if oid not in self.study.events:
            self._unknown(node, "StudyEventData StudyEventOID", f"{oid!r} finds no StudyEventDef.")
            return
        if node.get("TransactionType") == "Remove":
            self._remove((subject, oid, repeat))
            return
        self._look(node)
        for form in node.all("FormData", "ItemGroupData"):
            self._form((subject, oid, repeat), form)

    def _form(self, above: tuple[str, str, str], node: OdmNode) -> None:
        oid = node.get("FormOID") or node.get("ItemGroupOID")
        repeat = node.get("FormRepeatKey") or (node.get("ItemGroupRepeatKey") if node.name == "ItemGroupData" else "")
        if oid not in self.study.forms:
            kind = "FormDef" if node.name == "FormData" else "ItemGroupDef"
            self._unknown(node, node.name, f"{oid!r} finds no {kind}.")
            return
        if node.get("TransactionType") == "Remove":
            self._remove((*above, oid, repeat))
            return
        self._look(node)
        if node.name == "ItemGroupData":
            self._group((*above, oid, repeat), node, "")
        else:
            for group in node.all("ItemGroupData"):
                self._group((*above, oid, repeat), group, group.get("ItemGroupRepeatKey"))

    def _group(self, above: tuple[str, str, str, str, str], node: OdmNode, repeat: str) -> None:
        oid = node.get("ItemGroupOID")
        if oid not in self.study.groups:
            self._unknown(node, "ItemGroupData ItemGroupOID", f"{oid!r} finds no ItemGroupDef.")
            return
        if node.get("TransactionType") == "Remove":
            self._remove((*above, oid, repeat))
            return
        here: dict[str, int] = {}
        for child in node.children:
            if child.name.startswith("ItemData"):
                self._item((*above, oid, repeat), child, here)
            elif child.name == "ItemGroupData":
                self._group(above, child, child.get("ItemGroupRepeatKey"))

    def _item(self, above: tuple[str, str, str, str, str, str, str], node: OdmNode, here: dict[str, int]) -> None:
        oid = node.get("ItemOID")
        item, group = self.study.items.get(oid), self.study.groups[above[5]]
        if item is not None and oid in group.fixed:
            return
        if item is None or oid not in group.items:
            found = (
                f"{oid!r} finds no ItemDef." if item is None else f"The item {oid!r} is not in the group {group.oid!r}."
            )
            self._unknown(node, "ItemData ItemOID", found)
            return
        self.n_values += 1
        self.n_audits += node.first("AuditRecord") is not None
        self._stamped(node)
        place: Place = (*above, oid)
        held = self.values.setdefault(above[0], {})
        change = node.get("TransactionType")
        if change in ("Remove", "Context"):
            if change == "Remove":
                held.pop(place, None)
            return
        value: str | None = node.attributes.get("Value")
        if value is None:
            inner = node.first("Value")
            value = inner.text if inner is not None else (node.text if node.name != "ItemData" and node.text else None)
        if node.get("IsNull") == "Yes":
            value = None
        before = held.get(place)
        twice = before is not None and (change == "Insert" or (not change and oid in here))
        if twice or (change == "Update" and before is None):
            self._fault("R384", item, value or "", node.line)
        here[oid] = node.line
        if value is not None and value != "":
            self._check(item, value, node.line)
        held[place] = (value if value != "" else None, node.line, 1 + (before[2] if before else 0))

    def _check(self, item: ItemRead, value: str, line: int) -> None:
        if not is_of_type(value, item.type):
            self._fault("R380", item, value, line)
            return
        if item.codes and all(value != code for code, _ in item.codes):
            self._fault("R382", item, value, line)
            return
        if item.length is not None and item.type in ("text", "string") and len(value) > item.length:
            self._fault("R381", item, value, line)
        if item.type in NUMBERS and any(not _holds(value, *check[:2]) for check in item.checks if check[2]):
            self._fault("R383", item, value, line)

    def _fault(self, code: str, item: ItemRead, value: str, line: int) -> None:
        seen = self._faults.setdefault((code, item.oid, ""), _Seen())
        seen.n += 1
        if len(seen.lines) < 10:
            seen.lines.append(line)
            if value not in seen.values and len(seen.values) < 5:
                seen.values.append(value)

    def _unknown(self, node: OdmNode, place: str, found: str) -> None:
        self._n_unknown += 1
        if self._n_unknown <= _MOST:
            expected = "a place of the metadata"
            self.problems.append(Problem("R385", place, found, expected, "", self.file, node.line))
        elif self._n_unknown == _MOST + 1:
            self.problems.append(Problem("R385", "", "More places are not known.", "", "", self.file))

    def _remove(self, above: tuple[str, ...]) -> None:
        n, held = len(above), self.values.get(above[0], {})
        for place in [place for place in held if place[:n] == above]:
            del held[place]
        if n == 1:
            self.values.pop(above[0], None)

    def faults(self) -> Iterator[tuple[str, str, _Seen]]:
        """What does not fit: code, item, values and lines."""
        for (code, oid, _), seen in self._faults.items():
            yield code, oid, seen


def _holds(value: str, sign: str, bounds: tuple[str, ...]) -> bool:
    numbers = [float(bound) for bound in bounds if re.fullmatch(_PATTERNS["double"], bound)]
    if len(numbers) < len(bounds) or not numbers:
        return True
    if sign in ("IN", "NOTIN"):
        return (float(value) in numbers) == (sign == "IN")
    return sign not in _SIGNS or _SIGNS[sign](float(value), numbers[0])


def findings_of(read: ValuesRead, field_of: Callable[[str], str], keeps: Callable[[str], bool]) -> list[ImportFinding]:
    """What does not fit, a finding for each item; of an item that is left out the values are not shown."""
    out = []
    for code, oid, seen in read.faults():
        item = read.study.items[oid]
        text = ", ".join(repr(value) for value in seen.values) if keeps(oid) else "(left out)"
        out.append(
            ImportFinding(
                "values", code, field_of(oid), item.oid, text, _expected(code, item), seen.n, tuple(seen.lines)
            )
        )
    return out


def _expected(code: str, item: ItemRead) -> str:
    if code == "R380":
        return f"Expected {item.type}. The values are none of the records."
    if code == "R381":
        return f"Expected at most {item.length} letters."
    if code == "R382":
        among = ", ".join(known for known, _ in (item.codes or ())[:12])
        return f"Expected one of {among}. The values are none of the records."
    if code == "R383":
        return "They are outside the limits of the item."
    return "The place has a value already, or none to change; the later one stands."
