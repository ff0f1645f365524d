"""Small wrong changes to a module, each one made at one place of its syntax tree.

A change is known by what it does and not by its line: the file, the function, the kind of change, the text before and
after, and a number where the same function holds the same text more than once. So it keeps its name while other code
of the file is edited.
"""

from __future__ import annotations

import ast
import copy
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

Change: TypeAlias = tuple[
    ast.AST, str
]  # the node that stands in for the right one; what is shown where the text says too little
Path: TypeAlias = tuple[tuple[str, int | None], ...]  # from the module to a node: field, and place in the field's list

# Words that turn what a sentence says; each stands for the other.
OPPOSITES = """
higher: lower, more: fewer, above: below, before: after, first: last, greater: smaller, larger: smaller, with: without,
upper: lower, start: end, longer: shorter, better: worse, earlier: later, least: most, minimum: maximum,
positive: negative, one-sided: two-sided, all: none, both: neither, always: never, missing: observed,
increase: decrease, gained: lost, favours: does not favour, include: exclude, includes: excludes, included: excluded,
blinded: unblinded, can: cannot, is: is not, are: are not, was: was not, were: were not, not: , no: a,
between: within, per: times, only: also, and: or, simulated: real
"""
_PAIRS = [tuple(part.strip() for part in pair.split(":")) for pair in OPPOSITES.split(",")]
_WORDS = {word: other for pair in _PAIRS for word, other in (pair, pair[::-1]) if word}
_WORD = re.compile(
    r"(?<![\w<{/.-])(" + "|".join(sorted(map(re.escape, _WORDS), key=len, reverse=True)) + r")(?![\w>}/-])"
)
_PROSE = re.compile(r"[a-z]+[,.:;]? [a-z]+", re.IGNORECASE)

_COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
}
_ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}
# Calls whose first two arguments may change places without a consequence, or cannot without a crash.
_SYMMETRIC = {
    "max",
    "min",
    "isinstance",
    "getattr",
    "hasattr",
    "setattr",
    "zip",
    "issubclass",
    "cast",
    "replace",
    "sub",
}


@dataclass(frozen=True)
class Mutant:
    """One wrong change: where it stands, what it does, and the lines of the place."""

    file: str  # below src/equipoise
    function: str  # its name with that of its class; empty at the level of the module
    kind: str
    what: str  # "n < 2 -> n <= 2"
    number: int  # among the same changes of the same function
    lines: tuple[int, int]
    path: Path
    nth: int  # among the changes of this kind to the same node

    @property
    def key(self) -> str:
        """The name under which the change is kept; without a line number."""
        return " | ".join((self.file, self.function or "(module)", self.kind, self.what, str(self.number)))


def _comparison(node: ast.AST) -> Iterator[Change]:
    if isinstance(node, ast.Compare):
        for i, operator in enumerate(node.ops):
            for other in _COMPARISONS[type(operator)]:
                changed = copy.deepcopy(node)
                changed.ops[i] = other()
                yield changed, ""


def _arithmetic(node: ast.AST) -> Iterator[Change]:
    if isinstance(node, ast.BinOp | ast.AugAssign) and type(node.op) in _ARITHMETIC:
        sides = (node.left, node.right) if isinstance(node, ast.BinOp) else (node.value,)
        text = any(
            isinstance(part, ast.JoinedStr | ast.List | ast.Tuple | ast.ListComp)
            or (isinstance(part, ast.Constant) and isinstance(part.value, str | bytes | type(None)))
            for side in sides
            for part in ast.walk(side)
        )
        if not text:  # texts, lists and types joined by a sign would only crash
            changed = copy.deepcopy(node)
            changed.op = _ARITHMETIC[type(node.op)]()
            yield changed, ""


def _condition(node: ast.AST) -> Iterator[Change]:
    if isinstance(node, ast.BoolOp):
        changed = copy.deepcopy(node)
        changed.op = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        yield changed, ""
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield copy.deepcopy(node.operand), ""
    elif isinstance(node, ast.IfExp):
        yield ast.IfExp(copy.deepcopy(node.test), copy.deepcopy(node.orelse), copy.deepcopy(node.body)), ""
    elif isinstance(node, ast.If) and isinstance(node.test, ast.Name | ast.Attribute | ast.Call):
        changed_if = copy.deepcopy(node)
        changed_if.test = ast.UnaryOp(ast.Not(), changed_if.test)
        test = ast.unparse(node.test)
        yield changed_if, f"if {test} -> if not {test}"


def _number(node: ast.AST) -> Iterator[Change]:
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        for step in (1, -1) if isinstance(node.value, int) else (1.0,):
            if isinstance(node.value, int) or node.value == 0:
                yield ast.Constant(node.value + step), ""
            else:
                yield ast.Constant(node.value * 1.5), ""


def _word(node: ast.AST) -> Iterator[Change]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and _PROSE.search(node.value):
        for found in _WORD.finditer(node.value):
            wrong = node.value[: found.start()] + _WORDS[found[1]] + node.value[found.end() :]
            around = node.value[max(0, found.start() - 15) : found.end() + 25]
            yield ast.Constant(wrong), f"'{found[1]}' -> '{_WORDS[found[1]]}' in '{around}'"


def _sentence(node: ast.AST) -> Iterator[Change]:
    if isinstance(node, ast.JoinedStr):
        values = [part for part in node.values if isinstance(part, ast.FormattedValue)]
        for one, other in pairwise(values):
            if ast.dump(one.value) != ast.dump(other.value):
                changed = copy.deepcopy(node)
                i, j = node.values.index(one), node.values.index(other)
                first, second = changed.values[i], changed.values[j]
                assert isinstance(first, ast.FormattedValue)
                assert isinstance(second, ast.FormattedValue)
                first.value, second.value = second.value, first.value
                yield changed, f"{{{ast.unparse(one.value)}}} and {{{ast.unparse(other.value)}}} change places"
    elif isinstance(node, ast.Constant) and isinstance(node.value, str) and len(_PROSE.findall(node.value)) > 1:
        yield ast.Constant(""), f"no sentence '{node.value[:60]}'"


def _statement(node: ast.AST) -> Iterator[Change]:
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        yield ast.Pass(), f"without {ast.unparse(node.value)}"
    elif isinstance(node, ast.AugAssign):
        yield ast.Pass(), f"without {ast.unparse(node)}"
    elif isinstance(node, ast.Return) and node.value and not _is_none(node.value):
        yield ast.Return(ast.Constant(None)), f"{ast.unparse(node)} -> return None"


def _is_none(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _arguments(node: ast.AST) -> Iterator[Change]:
    if isinstance(node, ast.Call) and len(node.args) > 1:
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        first, second = node.args[:2]
        plain = not any(isinstance(one, ast.Starred) for one in (first, second))
        if plain and name not in _SYMMETRIC and ast.dump(first) != ast.dump(second):
            changed = copy.deepcopy(node)
            changed.args[:2] = [changed.args[1], changed.args[0]]
            yield changed, ""


KINDS: dict[str, Callable[[ast.AST], Iterator[Change]]] = {
    "comparison": _comparison,
    "arithmetic": _arithmetic,
    "condition": _condition,
    "number": _number,
    "word": _word,
    "sentence": _sentence,
    "statement": _statement,
    "arguments": _arguments,
}


def _walk(node: ast.AST, path: Path, function: str) -> Iterator[tuple[ast.AST, Path, str]]:
    """Every node that may be changed, with its way from the module and its function; no types and decorators."""
    yield node, path, function
    for field, value in ast.iter_fields(node):
        if field in ("annotation", "returns", "decorator_list", "bases", "slice") and not isinstance(
            node, ast.Subscript
        ):
            continue
        children = list(enumerate(value)) if isinstance(value, list) else [(None, value)]
        for i, child in children:
            if not isinstance(child, ast.AST) or _says_nothing(child):
                continue
            inside = function
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                inside = f"{function}.{child.name}".removeprefix(".")
            yield from _walk(child, (*path, (field, i)), inside)


def _says_nothing(child: ast.AST) -> bool:
    docstring = isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant)
    types_only = isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING"
    alias = isinstance(child, ast.AnnAssign) and ast.unparse(child.annotation).endswith("TypeAlias")
    return docstring or types_only or alias or isinstance(child, ast.Import | ast.ImportFrom | ast.Assert)


def read_mutants(file: str, source: str, kinds: frozenset[str] = frozenset(KINDS)) -> list[Mutant]:
    """All changes to a module of these kinds, in the order of the text."""
    tree = ast.parse(source)
    seen: Counter[tuple[str, str, str]] = Counter()
    out = []
    for node, path, function in _walk(tree, (), ""):
        for kind in sorted(kinds):
            for nth, (changed, shown) in enumerate(KINDS[kind](node)):
                what = shown or f"{_text(node)} -> {_text(changed)}"
                what = " ".join(what.split()).replace("|", "/")
                what = what if len(what) <= 150 else what[:100] + " ... " + what[-45:]
                seen[function, kind, what] += 1
                lines = (getattr(node, "lineno", 1), getattr(node, "end_lineno", None) or getattr(node, "lineno", 1))
                if isinstance(node, ast.If):
                    lines = (node.lineno, node.test.end_lineno or node.lineno)
                out.append(Mutant(file, function, kind, what, seen[function, kind, what], lines, path, nth))
    return out


def _text(node: ast.AST) -> str:
    return ast.unparse(ast.fix_missing_locations(copy.deepcopy(node)))


def apply(source: str, mutant: Mutant) -> str:
    """The module's text with the change made."""
    tree = ast.parse(source)
    parent: ast.AST = tree
    for field, i in mutant.path[:-1]:
        parent = getattr(parent, field) if i is None else getattr(parent, field)[i]
    field, i = mutant.path[-1]
    node = getattr(parent, field) if i is None else getattr(parent, field)[i]
    changed = list(KINDS[mutant.kind](node))[mutant.nth][0]
    if i is None:
        setattr(parent, field, changed)
    else:
        getattr(parent, field)[i] = changed
    return ast.unparse(ast.fix_missing_locations(tree))
