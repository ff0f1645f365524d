"""Reading rows: which of a table are wanted is said by columns and values, never in SQL.

``trial.find(VisitRow, participant="P-1", state__in=("attended", "late"), order=("date",))`` is every such row. A column
alone is asked to be equal; after two underscores stand ``not`` (unequal), ``in``, ``not_in``, ``below``, ``at_most``,
``above``, ``at_least`` and ``like``. What is not a column of the table is refused before anything is asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any, TypeVar

from equipoise.conduct.rows.tables import columns_of, row_of, stored, table_of

Kind = type[tuple[Any, ...]]  # a class of rows
R = TypeVar("R", bound=tuple[Any, ...])

_COMPARED = {
    "": "=",
    "not": "<>",
    "below": "<",
    "at_most": "<=",
    "above": ">",
    "at_least": ">=",
    "like": "LIKE",
    "in": "IN",
    "not_in": "NOT IN",
}


class Rows:
    """Where rows can be read: a trial, or any connection to its tables."""

    def run(self, statement: str, parameters: tuple[Any, ...] = ()) -> Iterable[tuple[Any, ...]]:
        """The rows of a statement, which this folder alone writes."""
        raise NotImplementedError

    def find(self, kind: type[R], *, order: Sequence[str] = (), limit: int = 0, **where: Any) -> list[R]:
        """Every row of a table where the columns are as asked; in no order but the one asked for."""
        make = row_of(kind)
        return [make(values) for values in self.values(kind, columns_of(kind), order=order, limit=limit, **where)]

    def first(self, kind: type[R], *, order: Sequence[str] = (), **where: Any) -> R | None:
        """The first such row; ``None`` where there is none."""
        found = self.find(kind, order=order, limit=1, **where)
        return found[0] if found else None

    def values(
        self,
        kind: Kind,
        columns: Sequence[str],
        *,
        order: Sequence[str] = (),
        limit: int = 0,
        locked: bool = False,
        **where: Any,
    ) -> list[tuple[Any, ...]]:
        """Some columns of such rows, as they are stored; ``locked`` keeps others from them until the transaction ends
        (PostgreSQL: on SQLite the whole database is locked).
        """
        text, given = _condition(kind, where)
        tail = " FOR UPDATE" if locked else ""
        return list(self.run(_select(kind, tuple(columns)) + text + _order(kind, tuple(order), limit) + tail, given))

    def column(self, kind: Kind, column: str, *, order: Sequence[str] = (), limit: int = 0, **where: Any) -> list[Any]:
        """One column of such rows, as it is stored."""
        return [value for (value,) in self.values(kind, (column,), order=order, limit=limit, **where)]

    def has(self, kind: Kind, **where: Any) -> bool:
        """Whether there is such a row."""
        return bool(self.values(kind, columns_of(kind)[:1], limit=1, **where))

    def count(self, kind: Kind, **where: Any) -> int:
        """How many such rows there are."""
        return int(self._single("count(*)", kind, where))

    def largest(self, kind: Kind, column: str, **where: Any) -> Any:
        """The largest value of a column; ``None`` where there is no such row. Text goes by its characters."""
        _require(kind, column)
        return self._single(f"MAX({column})", kind, where)

    def smallest(self, kind: Kind, column: str, **where: Any) -> Any:
        """The smallest value of a column; ``None`` where there is no such row."""
        _require(kind, column)
        return self._single(f"MIN({column})", kind, where)

    def largest_by(self, kind: Kind, column: str, by: str, **where: Any) -> dict[Any, Any]:
        """The largest value of a column for each value of another."""
        _require(kind, column, by)
        text, given = _condition(kind, where)
        rows = self.run(f"SELECT {by}, MAX({column}) FROM {table_of(kind).name}{text} GROUP BY {by}", given)
        return dict(rows)

    def _single(self, what: str, kind: Kind, where: dict[str, Any]) -> Any:
        text, given = _condition(kind, where)
        ((value,),) = self.run(f"SELECT {what} FROM {table_of(kind).name}{text}", given)
        return value


def _require(kind: Kind, *columns: str) -> None:
    for column in columns:
        if column not in columns_of(kind):
            raise ValueError(f"table {table_of(kind).name} has no column {column!r}")


@cache
def _select(kind: Kind, columns: tuple[str, ...]) -> str:
    _require(kind, *columns)
    return f"SELECT {', '.join(columns)} FROM {table_of(kind).name}"


@cache
def _order(kind: Kind, order: tuple[str, ...], limit: int) -> str:
    _require(kind, *(name.removeprefix("-") for name in order))
    text = ", ".join(f"{name[1:]} DESC" if name.startswith("-") else name for name in order)
    return (f" ORDER BY {text}" if order else "") + (f" LIMIT {int(limit)}" if limit else "")


def _condition(kind: Kind, where: dict[str, Any]) -> tuple[str, tuple[Any, ...]]:
    """The condition, and what stands for its marks."""
    if not where:
        return "", ()
    sizes = []
    given: list[Any] = []
    for name, value in where.items():
        if isinstance(value, str | int):
            sizes.append((name, -1))
            given.append(stored(value))
        else:
            several = [stored(one) for one in value]
            sizes.append((name, len(several)))
            given += several
    return _where(kind, tuple(sizes)), tuple(given)


@cache
def _where(kind: Kind, sizes: tuple[tuple[str, int], ...]) -> str:
    """The condition of columns, each with how many values it is held against (-1: one, not a list)."""
    parts = []
    for name, size in sizes:
        column, _, how = name.partition("__")
        _require(kind, column)
        if how not in _COMPARED or (size >= 0) != (how in ("in", "not_in")):
            raise ValueError(f"{name}: a column is held against {'several values' if size >= 0 else 'one value'}")
        if size == 0:
            parts.append("1 = 0" if how == "in" else "1 = 1")
        elif size > 0:
            parts.append(f"{column} {_COMPARED[how]} ({', '.join(['%s'] * size)})")
        else:
            parts.append(f"{column} {_COMPARED[how]} %s")
    return " WHERE " + " AND ".join(parts)
