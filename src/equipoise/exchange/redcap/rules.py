"""The rules of a project: when a field is shown, what it computes; each held against fields and events."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from equipoise.exchange.redcap.action_tags import action_tags
from equipoise.exchange.redcap.fields import RedcapField
from equipoise.exchange.redcap.logic_text import (
    EVENTS,
    Call,
    Constant,
    LogicFault,
    LogicNode,
    Reference,
    parse_logic,
    parts,
    references,
)
from equipoise.exchange.redcap.project import RedcapProject
from equipoise.foundation.errors import nearest

RuleKind = Literal["shown", "number", "text", "date"]


@dataclass(frozen=True)
class FieldRule:
    """A rule that was read: of which field, from which column, what it gives, its text and its tree."""

    field: RedcapField
    column: str
    kind: RuleKind
    text: str
    tree: LogicNode

    @property
    def is_of_today(self) -> bool:
        """Whether its result depends on the day it was computed."""
        return any(isinstance(p, Constant) and p.value.lower() in ("today", "now") for p in parts(self.tree))


@dataclass(frozen=True, slots=True)
class RefusedRule:
    """A rule that cannot be taken over, and why."""

    field: RedcapField
    column: str
    text: str
    code: str
    why: str


def read_rules(project: RedcapProject) -> tuple[list[FieldRule], list[RefusedRule]]:
    """Every rule of the dictionary that can be carried out, and those that cannot, with their reasons."""
    rules: list[FieldRule] = []
    refused: list[RefusedRule] = []
    for field, column, kind, text in _texts(project):
        try:
            tree = bound(parse_logic(f"concat({text})" if kind == "date" else text), project)
            if kind == "date":
                _require_date(tree)
        except LogicFault as fault:
            refused.append(RefusedRule(field, column, text, fault.code, fault.found))
        else:
            rules.append(FieldRule(field, column, kind, text, tree))
    circles = _in_circles(rules)
    for rule in [rule for rule in rules if rule.kind != "shown" and rule.field.name in circles]:
        rules.remove(rule)
        why = "It depends on itself, by way of " + ", ".join(sorted(circles)) + "."
        refused.append(RefusedRule(rule.field, rule.column, rule.text, "R348", why))
    return rules, refused


def _texts(project: RedcapProject) -> Iterator[tuple[RedcapField, str, RuleKind, str]]:
    for field in project.fields:
        if field.cell("branching_logic").strip():
            yield field, "branching_logic", "shown", field.cell("branching_logic")
        if field.type == "calc":
            yield field, "select_choices_or_calculations", "number", field.cell("select_choices_or_calculations")
        for tag in action_tags(field.cell("field_annotation")):
            if tag.name in ("CALCTEXT", "CALCDATE"):
                yield field, "field_annotation", "text" if tag.name == "CALCTEXT" else "date", tag.argument


def _require_date(tree: LogicNode) -> None:
    if not isinstance(tree, Call) or len(tree.arguments) != 3 or not isinstance(tree.arguments[2], Constant):
        raise LogicFault("R341", "@CALCDATE takes a date, a number and a unit.")
    if tree.arguments[2].value not in ("y", "M", "d", "h", "m", "s"):
        raise LogicFault("R341", f"@CALCDATE has the unit {tree.arguments[2].value!r}.")


def bound(tree: LogicNode, project: RedcapProject) -> LogicNode:
    """The tree, once every reference is known to the project; raises :class:`LogicFault` otherwise."""
    faults = [fault for reference in references(tree) if (fault := _unknown(reference, project))]
    if faults:
        raise LogicFault("R343", " ".join(dict.fromkeys(faults)))
    return tree


def _unknown(reference: Reference, project: RedcapProject) -> str:
    if reference.smart:
        needs_events = reference.smart in ("event-name", "event-label", "arm-number", "arm-name")
        return f"{reference} has no value in a project without events." if needs_events and not project.events else ""
    if reference.event and not project.events:
        return f"{reference} names an event, and no events were given."
    if reference.event and reference.event not in EVENTS and reference.event not in project.event_by_name:
        return f"There is no event {reference.event!r}."
    if reference.field.removesuffix("_complete") in project.forms and not reference.code:
        return ""
    field = project.by_name.get(reference.field)
    if field is None:
        near = nearest(reference.field, project.by_name)
        return f"There is no field {reference.field!r} in the dictionary." + (f" Is {near!r} meant?" if near else "")
    if field.type == "descriptive":
        return f"{reference.field} is text on the page and has no value."
    if field.type == "checkbox" and not reference.code:
        return f"{reference.field} is a checkbox: as a whole it has no value; [{reference.field}(code)] has."
    if reference.code and field.type != "checkbox":
        return f"{reference.field} is no checkbox and has no code {reference.code!r}."
    if reference.code and reference.code not in {code for code, _ in field.choices} | project.missing:
        return f"The checkbox {reference.field} has no code {reference.code!r}."
    return ""


def _in_circles(rules: list[FieldRule]) -> set[str]:
    """Computed fields that depend on themselves, within one event and instance."""
    needs = {
        rule.field.name: {one.field for one in references(rule.tree) if not (one.event or one.instance or one.smart)}
        for rule in rules
        if rule.kind != "shown"
    }
    while True:
        # who depends on nothing that is computed, or only on what falls away, is in no circle
        free = {name for name, on in needs.items() if not on & needs.keys()}
        if not free:
            break
        needs = {name: on for name, on in needs.items() if name not in free}
    reach = {name: set(on & needs.keys()) for name, on in needs.items()}
    for middle in reach:
        for name, on in reach.items():
            if middle in on:
                reach[name] = on | reach[middle]
    return {name for name, on in reach.items() if name in on}
