"""A running trial speaks SQL in one folder, `conduct/rows`, and nowhere else."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2] / "src" / "equipoise"
SPEAKS = ROOT / "conduct" / "rows"
# What stands apart, and why.
APART = {
    "conduct/drill/damage.py": "damages a trial behind the program's back, as somebody with the database at hand would",
    "conduct/trial/migrations": "as Django writes them",
    "web/drafts.py": "a database of its own, with unfinished pages; no row of the trial",
}
_SQL = re.compile(
    r"\bSELECT\b.+\bFROM\b|\bINSERT (OR \w+ )?INTO\b|\bUPDATE \S+ SET\b|\bDELETE FROM\b|\bORDER BY\b|\bGRANT \w+"
    r"|^\s*PRAGMA \w|^\s*(BEGIN|COMMIT|ROLLBACK)\b(?!:)"
    r"|\b(CREATE|DROP|ALTER) (TABLE|TRIGGER|ROLE|DATABASE|INDEX|VIEW)\b"
    r"|\bWHERE \w+ (=|<|>|IN|LIKE)",
    re.DOTALL,
)


def statements(source: str) -> list[tuple[int, str]]:
    """Texts of a file in which SQL stands, docstrings apart: line and text."""
    tree = ast.parse(source)
    told = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            text = "".join(part.value if isinstance(part, ast.Constant) else "x" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in told:
            text = node.value
        else:
            continue
        if _SQL.search(text):
            found.append((node.lineno, text))
    return found


def files() -> list[Path]:
    """Every file that could ask a running trial something."""
    rooms = ("conduct", "web", "cli", "workflow")
    return [
        path
        for room in rooms
        for path in sorted((ROOT / room).rglob("*.py"))
        if SPEAKS not in path.parents
        and not any(path.relative_to(ROOT).as_posix().startswith(apart) for apart in APART)
    ]


def listed() -> set[str]:
    """Files that still ask by SQL, or by the name of a table."""
    return set((Path(__file__).resolve().parent / "sql_elsewhere.txt").read_text("utf-8").split())


def test_no_sql_stands_outside_the_folder_of_rows_but_in_the_files_listed() -> None:
    found = {
        path.relative_to(ROOT).as_posix(): [f"{line}: {text[:60]}" for line, text in wrong]
        for path in files()
        if (wrong := [*statements(path.read_text("utf-8")), *older_ways(path.read_text("utf-8"))])
    }
    new = {name: wrong for name, wrong in found.items() if name not in listed()}
    assert not new, f"ask by rows, trial.find(SiteRow, ...), or add the question to conduct/rows: {new}"
    assert not listed() - found.keys(), f"no longer so: take off sql_elsewhere.txt {listed() - found.keys()}"


def older_ways(source: str) -> list[tuple[int, str]]:
    """Calls of `trial.row("site", ...)` and `trial.rows(...)`, which are `first(SiteRow, ...)` and `find(...)` now."""
    return [
        (node.lineno, f"trial.{node.attr}")
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Attribute)
        and node.attr in ("row", "rows")
        and isinstance(node.value, ast.Name | ast.Attribute)
        and (node.value.id if isinstance(node.value, ast.Name) else node.value.attr) == "trial"
    ]


def test_the_search_finds_sql_where_it_stands() -> None:
    assert len(files()) > 150
    assert len(statements((SPEAKS / "statements.py").read_text("utf-8"))) > 15
    for apart in APART:
        assert (ROOT / apart).exists(), f"{apart} is gone: take it off the list"
    assert statements('trial.run(f"SELECT {name} FROM event")')
    assert statements("rows = trial.run('UPDATE event SET what = 1')")
    assert not statements('"""Rows of SELECT a FROM b."""\nwords = "Select a site from the list, where it is open"')
