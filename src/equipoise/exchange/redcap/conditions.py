"""Branching logic in the protocol's own language of conditions, where that says exactly the same.

The language has alternatives of comparisons with a constant, and an unanswered item satisfies none. So ``=`` and order
comparisons with a number are the same there; ``<>`` is only beside a test that the value is not blank, and
functions, arithmetic and tests for blank have no words.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import product

from equipoise.exchange.redcap.fields import code_column
from equipoise.exchange.redcap.functions import number
from equipoise.exchange.redcap.logic_text import Constant, LogicNode, Operation, Reference
from equipoise.protocol.language.conditions import Condition

_CONSTANT_SIGNS = ("=", "!=", "<", ">", "<=", ">=", "in")
_MIRRORED = {"=": "=", "<>": "<>", "<": ">", ">": "<", "<=": ">=", ">=": "<="}
_MOST_ALTERNATIVES = 24
Term = tuple[str, str, str]  # place, sign, number; the sign "<>" with the number "" is the test for not blank
Named = Callable[[Reference], str | None]


def condition_of(tree: LogicNode, named: Named) -> str | None:
    """The rule as a condition; ``None`` where the language cannot say it. ``named`` gives the place of a reference."""
    alternatives = _alternatives(tree, named)
    if alternatives is None or len(alternatives) > _MOST_ALTERNATIVES:
        return None
    said = [_joined(terms) for terms in alternatives]
    if any(one is None for one in said):
        return None
    return " or ".join(dict.fromkeys(one for one in said if one is not None))


def _alternatives(tree: LogicNode, named: Named) -> list[tuple[Term, ...]] | None:
    if not isinstance(tree, Operation):
        return None
    if tree.sign in ("and", "or"):
        left, right = _alternatives(tree.left, named), _alternatives(tree.right, named)
        if left is None or right is None:
            return None
        if tree.sign == "or":
            return [*left, *right]
        return [(*one, *two) for one, two in product(left, right)] if len(left) * len(right) <= 100 else None
    term = _term(tree, named)
    return None if term is None else [(term,)]


def _term(tree: Operation, named: Named) -> Term | None:
    left, right, sign = tree.left, tree.right, tree.sign
    if isinstance(left, Constant) and isinstance(right, Reference):
        left, right, sign = right, left, _MIRRORED.get(sign, "")
    if not isinstance(left, Reference) or not isinstance(right, Constant) or sign not in _MIRRORED:
        return None
    place = named(left)
    if place is None or (right.value and number(right.value) is None) or (not right.value and sign != "<>"):
        return None
    if left.code and right.value in ("0", "1") and sign in ("=", "<>"):
        # a box is 0 or 1 and never blank
        ticked = (right.value == "1") == (sign == "=")
        return (place, "=", "1" if ticked else "0")
    return (place, sign, right.value)


def _joined(terms: tuple[Term, ...]) -> str | None:
    """Terms that must all hold; a ``<>`` needs another term about the same place that blank does not satisfy."""
    firm = {place for place, sign, value in terms if sign != "<>" or value == ""}
    tested = {place for place, sign, value in terms if value == ""}
    out = []
    for place, sign, value in terms:
        if value == "":
            # the test for not blank is part of every other comparison of the place; alone it has no words
            if not any(one == place and other != "" for one, _, other in terms):
                return None
            continue
        if sign == "<>" and place not in (firm | tested):
            return None
        out.append(f"{place} {'!=' if sign == '<>' else sign} {value}")
    return " and ".join(dict.fromkeys(out)) if out else None


def logic_of(condition: Condition, field_of: Callable[[str], str | None]) -> str | None:
    """A condition as branching logic that says exactly the same; ``None`` where REDCap's cannot.

    ``field_of`` gives the field of an item, or nothing where it is not in the form. An unanswered item satisfies no
    comparison of the language, so a test that the value is not blank stands beside those that it would satisfy there.
    """
    said = []
    for terms in condition.alternatives:
        parts = []
        for term in terms:
            name = field_of(term.item)
            if name is None or term.operator not in _CONSTANT_SIGNS or term.other or "'" in term.bound:
                return None
            if term.operator == "in":
                parts.append(f"[{name}] >= {term.bound} and [{name}] <= {term.upper}")
            elif term.operator == "!=":
                parts.append(f"[{name}] <> '{term.bound}' and [{name}] <> ''")
            elif term.operator in ("<", "<="):
                parts.append(f"[{name}] {term.operator} '{term.bound}' and [{name}] <> ''")
            else:
                parts.append(f"[{name}] {term.operator} '{term.bound}'")
        said.append(" and ".join(parts))
    return " or ".join(said)


def place_names(items: Mapping[str, str], form: str, before: frozenset[str]) -> Named:
    """Places by reference for a rule of ``form``: its own earlier items by name, others by their form.

    ``items`` gives the assessment of each item (a column of an export); ``before`` are the items that stand earlier.
    """

    def named(reference: Reference) -> str | None:
        if reference.smart or reference.event or reference.instance:
            return None
        item = reference.field + (f"___{code_column(reference.code)}" if reference.code else "")
        if item not in items:
            return None
        if items[item] != form:
            return f"{items[item]}.{item}"
        return item if item in before else None

    return named
