"""What keeps a database from answering: called by its name, nothing half recorded, and on again when it has passed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from equipoise.conduct.drill.report import DrillReport
from equipoise.conduct.drill.stage import DrillStage, staged
from equipoise.conduct.integrity.verify import verify
from equipoise.conduct.rows.server import end_connections, make_read_only
from equipoise.conduct.rows.statements import limit_growth, refuse_writing
from equipoise.conduct.rows.tables import LedgerHeadRow
from equipoise.foundation.errors import ConductError, Problem

SIZE = 3  # writes tried under each cause
Heads = list[tuple[Any, ...]]
Cause = Callable[[DrillStage], AbstractContextManager[Heads | None]]


def run(database: str | None, size: int | None = None) -> DrillReport:
    """Run the drill; ``size`` is how many writes are tried under each cause."""
    n = SIZE if size is None else size
    report = DrillReport("causes", "postgresql" if database else "sqlite")
    with staged(database, slots=20) as stage:
        causes = _of_server(database) if database else _OF_FILE
        for number, (words, code, cause) in enumerate(causes, 1):
            _tried(report, stage, 4 * number - 3, words, code, cause, n)
    if database is None:
        report.notes.append("a connection and a stopped server are tried with --database postgresql://...")
    else:
        report.notes.append("the disk of a server is not filled here")
    return report.close()


def _heads(stage: DrillStage) -> Heads:
    return stage.values(LedgerHeadRow, ("number", "hash"), order=("ledger",))


def _tried(report: DrillReport, stage: DrillStage, number: int, words: str, code: str, cause: Cause, n: int) -> None:
    problems: list[Problem] = []
    standing = _heads(stage)
    with cause(stage) as begun:
        before = begun or standing
        for count in range(n):
            try:
                stage.do("screen", participant=f"C{number}-{count}", site="main", result="declined", reason="x" * 9000)
            except ConductError as error:
                problems += error.problems
    stage.trial.close()
    codes = ", ".join(sorted({problem.code for problem in problems}))
    report.require(number, f"{words}: called", codes, code)
    sent = sum("restore" in problem.render().lower() or "backup" in problem.render().lower() for problem in problems)
    report.require(number + 1, f"{words}: people sent to a backup", sent)
    report.require(number + 2, f"{words}: the ledger as before", _heads(stage) == before, True)
    receipt = stage.do("screen", participant=f"D{number}", site="main")
    whole = (receipt.events[0] == before[0][0] + 1, verify(stage.trial).ok)
    report.require(
        number + 3, f"{words}: when it has passed the next event follows, and all is whole", whole, (True, True)
    )


# ---------------------------------------------------------------------- SQLite


@contextmanager
def _full(stage: DrillStage) -> Iterator[Heads | None]:
    """The database may not grow, and the room that is left in it is used up (the drill `disk` fills a file system)."""
    with stage.trial.use():
        limit_growth(stage.trial, spare=0)
    for count in range(2000):
        try:
            stage.do("screen", participant=f"F-{count}", site="main", result="declined", reason="x" * 2000)
        except ConductError:
            break
    try:
        yield _heads(stage)
    finally:
        with stage.trial.use():
            limit_growth(stage.trial)


@contextmanager
def _query_only(stage: DrillStage) -> Iterator[Heads | None]:
    with stage.trial.use():
        refuse_writing(stage.trial, on=True)
    try:
        yield None
    finally:
        with stage.trial.use():
            refuse_writing(stage.trial, on=False)


_OF_FILE: list[tuple[str, str, Cause]] = [
    ("a full disk", "C021", _full),
    ("a database that may not be written", "C025", _query_only),
]


# ---------------------------------------------------------------------- PostgreSQL


def _of_server(database: str) -> list[tuple[str, str, Cause]]:
    import psycopg

    def _name(stage: DrillStage) -> str:
        return str(stage.trial.connection.settings_dict["NAME"])

    def _end_all(stage: DrillStage) -> None:
        with psycopg.connect(database, autocommit=True) as connection:
            end_connections(connection, _name(stage))

    @contextmanager
    def lost(stage: DrillStage) -> Iterator[Heads | None]:
        """Every connection is ended just before it writes."""
        from equipoise.conduct.trial import ledger

        kept = ledger.Writer.append

        def append(self: object, **given: object) -> object:
            _end_all(stage)
            return kept(self, **given)  # type: ignore[arg-type]

        ledger.Writer.append = append  # type: ignore[method-assign,assignment]
        try:
            yield None
        finally:
            ledger.Writer.append = kept  # type: ignore[method-assign]

    @contextmanager
    def read_only(stage: DrillStage) -> Iterator[Heads | None]:
        def say(*, on: bool) -> None:
            with psycopg.connect(database, autocommit=True) as connection:
                make_read_only(connection, _name(stage), on=on)
            _end_all(stage)
            stage.trial.close()

        say(on=True)
        try:
            yield None
        finally:
            say(on=False)

    @contextmanager
    def stopped(stage: DrillStage) -> Iterator[Heads | None]:
        """The address leads to no server any more."""
        settings = stage.trial.connection.settings_dict
        kept = dict(settings)
        settings.update(HOST="127.0.0.1", PORT="9")
        stage.trial.close()
        try:
            yield None
        finally:
            settings.clear()
            settings.update(kept)
            stage.trial.close()

    return [
        ("a connection that is lost", "C024", lost),
        ("a server that may be read only", "C025", read_only),
        ("a server that was stopped", "C024", stopped),
    ]
