"""Branching logic and calculations as text: read into a tree, or refused by name, never half.

The grammar is REDCap's: ``and`` binds tighter than ``or``, there is no ``not``; a reference is ``[field]``,
``[field(code)]`` of a checkbox, with an event before it and an instance behind it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from equipoise.exchange.redcap.functions import ARGUMENTS
from equipoise.foundation.errors import listed, nearest

CODES = {
    "R340": "Logic or a calculation that is not of REDCap's grammar.",
    "R341": "A function that is not known, or with too few or too many arguments.",
    "R342": "A smart variable that depends on who looks, on the server or on other records.",
    "R343": "A reference to a field, an event or a code that the project does not have, or to a checkbox as a whole.",
}

EVENTS = ("event-name", "previous-event-name", "next-event-name", "first-event-name", "last-event-name")
INSTANCES = ("current-instance", "previous-instance", "next-instance", "first-instance", "last-instance")
# Smart variables that have a value of their own, known from the data and the project.
ALONE = ("event-name", "event-label", "arm-number", "arm-name", "record-name", "current-instance", "record-dag-name")
_DEEPEST = 100
_MOST_SIGNS = 400  # a chain of operators is a tree as deep as it is long
_TOKEN = re.compile(
    r"""\s*(?:
      (?P<text>'[^']*'|"[^"]*")
    | (?P<number>\d+(?:\.\d*)?|\.\d+)
    | (?P<reference>\[[^\[\]]*\])
    | (?P<word>[A-Za-z_][A-Za-z0-9_]*)
    | (?P<sign><>|!=|<=|>=|[=<>+\-*/^(),])
    )""",
    re.X,
)
_FIELD = re.compile(r"([A-Za-z][A-Za-z0-9_]*)(?:\(([A-Za-z0-9_.\-]+)\))?")


class LogicFault(ValueError):
    """Why a rule cannot be taken over: a code, and a sentence."""

    def __init__(self, code: str, found: str) -> None:
        super().__init__(found)
        self.code = code
        self.found = found


@dataclass(frozen=True, slots=True)
class Reference:
    """A value looked up: of a field (with the code of a checkbox), or of a smart variable where ``smart`` is given.

    ``event`` and ``instance`` are empty where it is the present one.
    """

    field: str = ""
    code: str = ""
    event: str = ""
    instance: str = ""
    smart: str = ""

    def __str__(self) -> str:
        if self.smart:
            return f"[{self.smart}]"
        code = f"({self.code})" if self.code else ""
        around = [f"[{part}]" if part else "" for part in (self.event, self.instance)]
        return f"{around[0]}[{self.field}{code}]{around[1]}"


@dataclass(frozen=True, slots=True)
class Constant:
    """A number or a text as it stands."""

    value: str


@dataclass(frozen=True, slots=True)
class Operation:
    """Two parts joined: and, or, a comparison, or arithmetic."""

    sign: str
    left: LogicNode
    right: LogicNode


@dataclass(frozen=True, slots=True)
class Negative:
    """A part with a minus before it."""

    part: LogicNode


@dataclass(frozen=True, slots=True)
class Call:
    """A function and its arguments."""

    name: str
    arguments: tuple[LogicNode, ...]


LogicNode = Reference | Constant | Operation | Negative | Call


def parse_logic(text: str) -> LogicNode:
    """The tree of a rule; raises :class:`LogicFault`."""
    bare = "\n".join(line for line in text.splitlines() if not re.match(r"\s*(?:#|//)", line))
    tokens = list(_tokens(bare))
    if sum(value.lower() in ("and", "or", "+", "-", "*", "/") for _, value in tokens) > _MOST_SIGNS:
        raise LogicFault("R340", f"The rule has more than {_MOST_SIGNS} operators.")
    parser = _Parser(tokens)
    tree = parser.either()
    if parser.kind:
        raise LogicFault("R340", f"{parser.value!r} stands where the rule should end.")
    return tree


def references(tree: LogicNode) -> tuple[Reference, ...]:
    """Every reference of a rule, each once, in order."""
    return tuple(dict.fromkeys(_walk(tree)))


def _walk(tree: LogicNode) -> Iterator[Reference]:
    for part in parts(tree):
        if isinstance(part, Reference):
            yield part


def parts(tree: LogicNode) -> Iterator[LogicNode]:
    """The tree and everything in it."""
    yield tree
    inner: tuple[LogicNode, ...] = ()
    if isinstance(tree, Operation):
        inner = (tree.left, tree.right)
    elif isinstance(tree, Negative):
        inner = (tree.part,)
    elif isinstance(tree, Call):
        inner = tree.arguments
    for one in inner:
        yield from parts(one)


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    position = 0
    while position < len(text):
        if not text[position:].strip():
            return
        match = _TOKEN.match(text, position)
        if match is None:
            rest = text[position:].strip()
            what = "a quote that is not closed" if rest[0] in "'\"" else f"{rest[0]!r}"
            raise LogicFault("R340", f"The rule cannot be read from {what} on: {rest[:30]!r}.")
        yield str(match.lastgroup), match.group(match.lastgroup or 0)
        position = match.end()


class _Parser:
    """Recursive descent, a method a level of the grammar."""

    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self.tokens = tokens
        self.at = 0
        self.depth = 0

    @property
    def kind(self) -> str:
        return self.tokens[self.at][0] if self.at < len(self.tokens) else ""

    @property
    def value(self) -> str:
        return self.tokens[self.at][1] if self.at < len(self.tokens) else ""

    def take(self) -> str:
        value = self.value
        self.at += 1
        return value

    def word(self, name: str) -> bool:
        return self.kind == "word" and self.value.lower() == name

    def sign(self, signs: tuple[str, ...]) -> bool:
        return self.kind == "sign" and self.value in signs

    def either(self) -> LogicNode:
        self.depth += 1
        if self.depth > _DEEPEST:
            raise LogicFault("R340", f"The rule is nested more than {_DEEPEST} deep.")
        tree = self.both()
        while self.word("or"):
            self.take()
            tree = Operation("or", tree, self.both())
        self.depth -= 1
        return tree

    def both(self) -> LogicNode:
        tree = self.comparison()
        while self.word("and"):
            self.take()
            tree = Operation("and", tree, self.comparison())
        return tree

    def comparison(self) -> LogicNode:
        tree = self.sum()
        if self.sign(("=", "<>", "!=", "<", ">", "<=", ">=")):
            sign = self.take().replace("!=", "<>")
            tree = Operation(sign, tree, self.sum())
        return tree

    def sum(self) -> LogicNode:
        tree = self.product()
        while self.sign(("+", "-")):
            tree = Operation(self.take(), tree, self.product())
        return tree

    def product(self) -> LogicNode:
        tree = self.factor()
        while self.sign(("*", "/")):
            tree = Operation(self.take(), tree, self.factor())
        return tree

    def factor(self) -> LogicNode:
        minus = self.sign(("-",))
        if minus:
            self.take()
        tree = self.atom()
        if self.sign(("^",)):
            self.take()
            exponent_minus = self.sign(("-",))
            if exponent_minus:
                self.take()
            exponent = self.atom()
            tree = Operation("^", tree, Negative(exponent) if exponent_minus else exponent)
        return Negative(tree) if minus else tree

    def atom(self) -> LogicNode:
        kind, value = self.kind, self.take()
        if kind == "number":
            return Constant(value)
        if kind == "text":
            return Constant(value[1:-1])
        if kind == "reference":
            brackets = [value]
            while self.kind == "reference" and len(brackets) < 3:
                brackets.append(self.take())
            return read_reference([part[1:-1].strip() for part in brackets])
        if kind == "sign" and value == "(":
            tree = self.either()
            self.close()
            return tree
        if kind == "word":
            return self.named(value)
        raise LogicFault("R340", f"{value!r} stands where a value should." if kind else "The rule ends too early.")

    def named(self, word: str) -> LogicNode:
        name = word.lower()
        if name in ("today", "now", "true", "false") and not self.sign(("(",)):
            return Constant(name)
        if name == "not":
            raise LogicFault("R340", "REDCap's logic has no word not.")
        if not self.sign(("(",)):
            raise LogicFault("R340", f"{word!r} is no value: texts stand between quotes, fields between brackets.")
        self.take()
        arguments: list[LogicNode] = []
        if not self.sign((")",)):
            arguments.append(self.either())
            while self.sign((",",)):
                self.take()
                arguments.append(self.either())
        self.close()
        if name not in ARGUMENTS:
            near = nearest(name, ARGUMENTS)
            raise LogicFault("R341", f"There is no function {word}()." + (f" Is {near}() meant?" if near else ""))
        fewest, most = ARGUMENTS[name]
        if not fewest <= len(arguments) <= most:
            want = f"{fewest}" if fewest == most else f"{fewest} to {most}" if most < 1000 else f"{fewest} or more"
            raise LogicFault("R341", f"{word}() has {len(arguments)} arguments; it takes {want}.")
        return Call(name, tuple(arguments))

    def close(self) -> None:
        if not self.sign((")",)):
            found = f"{self.value!r} stands there" if self.kind else "the rule ends"
            raise LogicFault("R340", f"A parenthesis is left open: {found}.")
        self.take()


def read_reference(brackets: list[str]) -> Reference:
    """What one to three brackets in a row refer to."""
    event = instance = ""
    rest = list(brackets)
    if len(rest) > 1 and (rest[-1] in INSTANCES or re.fullmatch(r"[0-9]+", rest[-1])):
        instance = rest.pop()
    if len(rest) > 1:
        event = rest.pop(0)
    if len(rest) > 1:
        raise LogicFault("R340", f"{''.join(f'[{part}]' for part in brackets)} is no reference.")
    name = rest[0]
    if event and "-" in event and event not in EVENTS:
        raise LogicFault("R342", f"The smart variable [{event}] names no event.")
    if name in ALONE and not event and not instance:
        return Reference(smart=name)
    match = _FIELD.fullmatch(name)
    if match is None:
        if ":" in name:
            raise LogicFault("R342", f"[{name}] asks for a form of the value that is made on the server.")
        if "-" in name:
            near = nearest(name, ALONE)
            what = f"The smart variable [{name}] depends on the login, the server or other records"
            raise LogicFault("R342", what + (f". Is [{near}] meant?" if near else "."))
        raise LogicFault("R340", f"[{name}] is no reference: expected a field, or {listed(ALONE)}.")
    return Reference(field=match[1].lower(), code=match[2] or "", event=event.lower(), instance=instance)
