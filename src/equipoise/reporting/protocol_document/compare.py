"""What differs between two versions of a protocol, part by part, under the sections where it stands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from equipoise.protocol import Protocol
from equipoise.protocol.text.yaml_lines import place
from equipoise.reporting.document import Column, Row, Table
from equipoise.reporting.protocol_document.draft import Audience, name_words, plain_value

ABSENT = "absent"
_HIDDEN = "changed; not shown in this edition"
_LONGEST = 240  # signs of a value in a cell

# By the longest beginning of a place in the file: the section where its content stands.
_SECTIONS: tuple[tuple[tuple[str, ...], str], ...] = (
    (("trial", "statements", "rationale"), "2.1"),
    (("trial", "statements", "objective"), "3.1"),
    (("trial", "statements", "involvement"), "4.1.1"),
    (("trial", "statements", "sample-size"), "10.11"),
    (("trial", "statements", "interim"), "10.9"),
    (("trial", "statements", "changes"), "12.3"),
    (("trial", "statements", "concomitant-care"), "6.10"),
    (("trial", "statements"), "11.12"),
    (("trial", "planned-n"), "10.11"),
    (("trial", "masking"), "6.7.3"),
    (("trial", "stopping"), "4.3"),
    (("trial", "dates"), "4.4"),
    (("trial", "condition"), "5.1"),
    (("trial", "setting"), "4.1"),
    (("trial", "design"), "4.1"),
    (("trial",), "Title page"),
    (("sources",), "14"),
    (("sites",), "4.1"),
    (("calendar",), "4.1"),
    (("factors",), "4.1"),
    (("stages",), "4.1"),
    (("interventions",), "6"),
    (("arms",), "6"),
    (("eligibility", "include"), "5.2"),
    (("eligibility",), "5.3"),
    (("randomization",), "6.7"),
    (("baseline",), "8.2"),
    (("assessments",), "8.3"),
    (("instruments",), "8.3"),
    (("schedule",), "1.3"),
    (("conduct", "reporting"), "9.2.3"),
    (("conduct", "infusing", "stop"), "7.1"),
    (("conduct", "infusing"), "6.3"),
    (("conduct", "weighing"), "6.6.1"),
    (("use",), "8.1"),
    (("endpoints",), "3"),
    (("estimands",), "3"),
    (("analysis-sets",), "10.2"),
    (("analyses",), "10"),
    (("multiplicity",), "10.10"),
    (("looks",), "10.9"),
    (("assumptions",), "10.11"),
)
_ELSEWHERE = "in the file only"


def changes_table(old: Protocol, new: Protocol, audience: Audience) -> Table | None:
    """Every part that differs, with its section, before and after; ``None`` where the content is the same."""
    rows = []
    for path, before, after in _differences(old.resolved, new.resolved, ()):
        cells = (stated_text(before), stated_text(after))
        if audience == "investigators" and path[:2] == ("randomization", "scheme"):
            cells = (_HIDDEN, _HIDDEN)
        rows.append((_section(path), Row((_section(path), place(path).replace(".", ", "), *cells))))
    if old.arm_ids != new.arm_ids and set(old.arm_ids) == set(new.arm_ids):
        order = [", ".join(one.arm_label(arm) for arm in one.arm_ids) for one in (old, new)]
        rows.append(("6", Row(("6", "order of the arms, the reference first", *order))))
    if not rows:
        return None
    columns = (Column("Section"), Column("Part", wide=True), Column("Before", wide=True), Column("Now", wide=True))
    return Table(
        "Changes since the earlier version",
        columns,
        tuple(row for _, row in sorted(rows, key=lambda entry: _order(entry[0]))),
        f"Protocol {old.hash[:12]} before, {new.hash[:12]} now",
        ("Reasons for the changes are for people to write, in section 12.3.",),
    )


def _differences(old: Any, new: Any, path: tuple[str | int, ...]) -> list[tuple[tuple[str | int, ...], Any, Any]]:
    """Smallest parts that differ; a part that one version lacks is one difference."""
    if old == new:
        return []
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        out = []
        for key in dict.fromkeys((*old, *new)):
            out += _differences(old.get(key), new.get(key), (*path, key))
        return out
    return [(path, old, new)]


def _section(path: tuple[str | int, ...]) -> str:
    for beginning, section in _SECTIONS:
        if path[: len(beginning)] == beginning:
            return section
    return _ELSEWHERE


def _order(section: str) -> tuple[int, ...]:
    if section == "Title page":
        return (0,)
    return tuple(int(part) for part in section.split(".")) if section[0].isdigit() else (99,)


def stated_text(value: Any) -> str:
    """A value, or a part of several, within a cell."""
    if value in (None, [], {}, ""):
        return ABSENT
    if isinstance(value, Mapping):
        said = [
            f"{name_words(str(key)).lower()}: {stated_text(entry)}"
            for key, entry in value.items()
            if stated_text(entry) != ABSENT
        ]
        text = "; ".join(said) or ABSENT
    elif isinstance(value, list):
        text = ", ".join(stated_text(entry) for entry in value)
    else:
        text = plain_value(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1].rstrip()}…"
