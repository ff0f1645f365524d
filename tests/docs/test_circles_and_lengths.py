"""What makes code hard to read and is easily let in again: circles of imports, long functions, many parameters.

What is over a bound today stands in a list beside this file, and the lists may only shrink.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1] / "src" / "equipoise"
MOST_LINES = 100
MOST_PARAMETERS = 7
# The document is rendered by what it is rendered with: Report.html() and Report.pdf() are methods of it.
CIRCLE = {f"equipoise.reporting.{name}" for name in ("document", "html", "layout", "pdf")}


@cache
def trees() -> dict[str, ast.Module]:
    """Every module by its name, read."""
    found = {}
    for path in sorted(ROOT.rglob("*.py")):
        if "migrations" not in path.parts:
            name = ".".join(("equipoise", *path.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__")
            found[name] = ast.parse(path.read_text("utf-8"))
    return found


def imports(modules: dict[str, ast.Module]) -> dict[str, set[str]]:
    """What each module imports of the others, inside functions and for types too."""
    out = {}
    for name, tree in modules.items():
        wanted: set[str] = set()
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                wanted |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                for alias in node.names:
                    one = f"{node.module}.{alias.name}"
                    wanted.add(one if one in modules else node.module)
        out[name] = (wanted & modules.keys()) - {name}
    return out


def circles(graph: dict[str, set[str]]) -> list[set[str]]:
    """Groups of modules that reach one another."""
    reached: dict[str, set[str]] = {}
    for start in graph:
        seen: set[str] = set()
        todo = list(graph[start])
        while todo:
            one = todo.pop()
            if one not in seen:
                seen.add(one)
                todo += graph[one]
        reached[start] = seen
    out: list[set[str]] = []
    for name, seen in reached.items():
        if name in seen and not any(name in circle for circle in out):
            out.append({other for other in seen if name in reached[other]})
    return out


def functions() -> Iterator[tuple[str, int, int]]:
    """Every function: its name with its module, its lines, its parameters (the object or class itself apart)."""

    def walk(node: ast.AST, place: str) -> Iterator[tuple[str, int, int]]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
                given = [one.arg for one in (*child.args.posonlyargs, *child.args.args, *child.args.kwonlyargs)]
                n = len(given) - (given[:1] in (["self"], ["cls"]))
                name = f"{place}.{child.name}"
                yield name, (child.end_lineno or child.lineno) - child.lineno + 1, n
                yield from walk(child, name)
            elif isinstance(child, ast.ClassDef):
                yield from walk(child, f"{place}.{child.name}")
            else:
                yield from walk(child, place)

    for module, tree in trees().items():
        yield from walk(tree, module.removeprefix("equipoise."))


def listed(file: str) -> set[str]:
    """The names of a list; what stands after # is why."""
    lines = (line.partition("#")[0].strip() for line in (HERE / file).read_text("utf-8").splitlines())
    return {line for line in lines if line}


def held(found: set[str], file: str, bound: str) -> None:
    """What is over a bound is on the list, and the list holds nothing else."""
    new, gone = sorted(found - listed(file)), sorted(listed(file) - found)
    assert not new, f"{bound}: look for the noun that is missing in {', '.join(new)}"
    assert not gone, f"no longer over the bound: take off {file} what it need not name: {', '.join(gone)}"


def test_the_document_with_its_renderers_is_the_one_circle_of_imports() -> None:
    assert circles(imports(trees())) == [CIRCLE]


def test_a_circle_is_found_where_there_is_one() -> None:
    modules = {
        "a": ast.parse("from b import x"),
        "b": ast.parse("def f():\n    import c"),
        "c": ast.parse("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from a import y"),
        "d": ast.parse("import a"),
    }
    assert circles(imports(modules)) == [{"a", "b", "c"}]


def test_functions_over_a_hundred_lines_are_those_listed() -> None:
    held({name for name, lines, _ in functions() if lines > MOST_LINES}, "long_functions.txt", "over 100 lines")


def test_functions_of_more_than_seven_parameters_are_those_listed() -> None:
    held({name for name, _, n in functions() if n > MOST_PARAMETERS}, "many_parameters.txt", "over 7 parameters")
