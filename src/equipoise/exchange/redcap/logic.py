"""Branching logic and calculations carried out, by REDCap's rules for blanks, numbers and missing data codes.

All values are texts and blank is ``''``. Two values that read as numbers compare as numbers; ``=`` and ``<>`` of
others compare the texts. Blank is not 0: ``<>`` holds for it, an order comparison does not, and arithmetic with it is
blank. Missing data codes are values like others; only the functions for them know better.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping, Sequence

from equipoise.exchange.redcap.functions import (
    BLANK,
    FUNCTIONS,
    RuleContext,
    Value,
    number,
    text,
    truth,
)
from equipoise.exchange.redcap.logic_text import (
    Call,
    Constant,
    LogicNode,
    Negative,
    Operation,
    Reference,
    references,
)

Compiled = Callable[[Sequence[str]], Value]
_ORDER = {"<": operator.lt, ">": operator.gt, "<=": operator.le, ">=": operator.ge}
_ARITHMETIC: dict[str, Callable[[float, float], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "^": operator.pow,
}
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}(?: \d{2}:\d{2}(?::\d{2})?)?")


def compile_logic(tree: LogicNode, around: RuleContext) -> tuple[tuple[Reference, ...], Compiled]:
    """The references of a rule, and a function of their values (texts, in that order) that gives its value."""
    order = references(tree)
    return order, _compiled(tree, {one: k for k, one in enumerate(order)}, around)


def shown(tree: LogicNode, values: Mapping[Reference, str], around: RuleContext) -> bool:
    """Whether a branching rule holds for values by their reference; what is not there is blank."""
    order, act = compile_logic(tree, around)
    return truth(act([values.get(one, BLANK) for one in order]))


def calculated(tree: LogicNode, values: Mapping[Reference, str], around: RuleContext) -> float | None:
    """What a calculated field stores: a number, or nothing for blank, a text or a truth."""
    order, act = compile_logic(tree, around)
    return stored_number(act([values.get(one, BLANK) for one in order]))


def stored_number(value: Value) -> float | None:
    """A result as a calculated field stores it."""
    return None if isinstance(value, bool) else number(value)


def compared(sign: str, left: Value, right: Value) -> bool:
    """A comparison by REDCap's rules."""
    one, two = number(left), number(right)
    if sign in ("=", "<>"):
        same = one == two if one is not None and two is not None else text(left) == text(right)
        return same == (sign == "=")
    if one is not None and two is not None:
        return bool(_ORDER[sign](one, two))
    first, second = text(left), text(right)
    if _DATE.fullmatch(first) and _DATE.fullmatch(second):
        return bool(_ORDER[sign](first, second))
    return False


def _compiled(tree: LogicNode, at: Mapping[Reference, int], around: RuleContext) -> Compiled:
    if isinstance(tree, Constant):
        value = tree.value
        return lambda row: value
    if isinstance(tree, Reference):
        place = at[tree]
        return lambda row: row[place]
    if isinstance(tree, Negative):
        part = _compiled(tree.part, at, around)
        return lambda row: BLANK if (n := number(part(row))) is None else -n
    if isinstance(tree, Call):
        return _call(tree, at, around)
    return _operation(tree, at, around)


def _call(tree: Call, at: Mapping[Reference, int], around: RuleContext) -> Compiled:
    arguments = [_compiled(one, at, around) for one in tree.arguments]
    if tree.name == "if":
        condition, yes, no = arguments
        return lambda row: yes(row) if truth(condition(row)) else no(row)
    act = FUNCTIONS[tree.name]
    return lambda row: act([one(row) for one in arguments], around)


def _operation(tree: Operation, at: Mapping[Reference, int], around: RuleContext) -> Compiled:
    left, right, sign = _compiled(tree.left, at, around), _compiled(tree.right, at, around), tree.sign
    if sign == "and":
        return lambda row: truth(left(row)) and truth(right(row))
    if sign == "or":
        return lambda row: truth(left(row)) or truth(right(row))
    if sign in _ARITHMETIC:
        act = _ARITHMETIC[sign]
        return lambda row: _arithmetic(act, number(left(row)), number(right(row)))
    if sign in _ORDER:
        left, right = (_dated(part, made, around) for part, made in ((tree.left, left), (tree.right, right)))
    return lambda row: compared(sign, left(row), right(row))


def _dated(part: LogicNode, made: Compiled, around: RuleContext) -> Compiled:
    """``today`` and ``now`` in an order comparison as the date or moment they are; elsewhere they may be codes."""
    said = part.value.lower() if isinstance(part, Constant) else ""
    if said not in ("today", "now") or around.now is None:
        return made
    value = around.now.strftime("%Y-%m-%d" if said == "today" else "%Y-%m-%d %H:%M")
    return lambda row: value


def _arithmetic(act: Callable[[float, float], float], one: float | None, two: float | None) -> Value:
    if one is None or two is None:
        return BLANK
    try:
        out = act(one, two)
    except (ZeroDivisionError, OverflowError, ValueError):
        return BLANK
    # an odd root of a negative number is complex, and a result beyond all numbers is none
    return BLANK if isinstance(out, complex) or number(out) is None else out
