"""The project's own export in XML (ODM with REDCap's words): events, arms, forms by event, repeats, missing codes."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

from equipoise.exchange.redcap.cells import decoded
from equipoise.exchange.redcap.fields import split_choices
from equipoise.exchange.redcap.project import RedcapEvent, RedcapProject, Repeats
from equipoise.foundation.errors import Problem, RecordsError, listed

CODES = {
    "R322": "A project's XML that is not REDCap's, declares a document type, or has other fields than the dictionary.",
}
_ODM = "{http://www.cdisc.org/ns/odm/v1.3}"
_REDCAP = "{https://projectredcap.org}"
_NO_FIELDS = ("_complete", "_timestamp")


def with_xml(project: RedcapProject, path: Path) -> RedcapProject:
    """The project with what its XML says; what another file says already is kept.

    A document type or an entity is refused unread. Raises :class:`RecordsError` (R322).
    """
    root = _root(path)
    _require_same_fields(project, root, path)
    nodes = list(root.iter(f"{_ODM}StudyEventDef"))
    events = tuple(map(_event, nodes))
    arms: dict[str, str] = {}
    mapping: list[tuple[str, str]] = []
    for event, node in zip(events, nodes, strict=True):
        arms.setdefault(event.arm, node.get(f"{_REDCAP}ArmName", f"Arm {event.arm}"))
        for form in node.iter(f"{_ODM}FormRef"):
            name = form.get(f"{_REDCAP}FormName") or form.get("FormOID", "").removeprefix("Form.")
            mapping.append((event.unique, name))
    codes = _text(root, "MissingDataCodes")
    events = project.events or events
    return replace(
        project,
        title=project.title or (root.findtext(f".//{_ODM}StudyName") or "").strip(),
        arms=project.arms or tuple(arms.items()),
        events=events,
        mapping=project.mapping or tuple(mapping),
        repeats=project.repeats or _repeats(root, bool(events)),
        missing_codes=project.missing_codes or split_choices(re.sub(r"\s*[\r\n]+\s*", " | ", codes.strip())),
    )


def _root(path: Path) -> ElementTree.Element:
    try:
        text, _, problems = decoded(path.read_bytes(), str(path))
    except OSError as error:
        raise RecordsError(Problem("R322", "", f"{error.strerror}.", "the project's XML", file=str(path))) from None
    if problems:
        raise RecordsError(problems)
    if re.search(r"<!(?:DOCTYPE|ENTITY)", text, re.I):
        found = "The file declares a document type or an entity, and was not read."
        raise RecordsError(Problem("R322", "", found, "XML without either", file=str(path)))
    try:
        root = ElementTree.fromstring(re.sub(r"^\s*<\?xml[^>]*\?>", "", text))
    except ElementTree.ParseError as error:
        found = f"The text is not XML: {error}."
        raise RecordsError(Problem("R322", "", found, "the project's XML", "", str(path), error.position[0])) from None
    if root.tag != f"{_ODM}ODM":
        found = f"The root is {root.tag!r}."
        raise RecordsError(Problem("R322", "", found, "REDCap's export in ODM 1.3", file=str(path), line=1))
    return root


def _require_same_fields(project: RedcapProject, root: ElementTree.Element, path: Path) -> None:
    names = {node.get(f"{_REDCAP}Variable", "") for node in root.iter(f"{_ODM}ItemDef")}
    status = {f"{form}{end}" for form in project.forms for end in _NO_FIELDS}
    strange = sorted(names - set(project.by_name) - status - {""})
    if strange:
        found = f"Fields of the XML that the dictionary has not: {listed(strange, conjunction='and')}."
        hint = "Export both from the same project on the same day."
        raise RecordsError(Problem("R322", "", found, "the fields of the dictionary", hint, str(path)))


def _event(node: ElementTree.Element) -> RedcapEvent:
    unique = node.get(f"{_REDCAP}UniqueEventName") or node.get("OID", "").removeprefix("Event.")
    name = node.get(f"{_REDCAP}EventName") or node.get("Name") or unique
    offset = node.get(f"{_REDCAP}DayOffset", "")
    label = node.get(f"{_REDCAP}CustomEventLabel", "")
    found = re.search(r"_arm_(\d+)$", unique)
    arm = node.get(f"{_REDCAP}ArmNum") or (found[1] if found else "1")
    # REDCap numbers events without a schedule 1, 2, ...: an offset is one only where scheduling is on
    return RedcapEvent(unique, name, arm, None, (("custom_event_label", label), ("day_offset", offset)))


def _repeats(root: ElementTree.Element, has_events: bool) -> tuple[Repeats, ...]:
    out = [
        Repeats(
            node.get(f"{_REDCAP}UniqueEventName", "") if has_events else "",
            node.get(f"{_REDCAP}RepeatInstrument", ""),
            node.get(f"{_REDCAP}CustomLabel", ""),
        )
        for node in root.iter(f"{_REDCAP}RepeatingInstrument")
    ]
    out += [Repeats(node.get(f"{_REDCAP}UniqueEventName", ""), "") for node in root.iter(f"{_REDCAP}RepeatingEvent")]
    return tuple(out)


def _text(root: ElementTree.Element, name: str) -> str:
    return root.findtext(f".//{_REDCAP}{name}") or ""
