"""Many people at once: pages in time, no write lost or doubled, also while the server and its database are killed.

The server is a process of its own, as `equipoise serve` starts it; people are threads that read pages, think, and write
queries, each under a key of its own. A write without an answer is sent again with the same key, as a browser does. The
long run has twenty sites, kills the server and its database in turn, and restores a backup made in the middle.
"""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from equipoise.conduct.actions.dispatch import perform
from equipoise.conduct.actions.sign_in import Session
from equipoise.conduct.drill.report import DrillReport
from equipoise.conduct.drill.stage import PROTOCOL, one_database
from equipoise.conduct.integrity.backup import back_up, restore
from equipoise.conduct.integrity.verify import verify
from equipoise.conduct.rows.server import end_connections, others_connected, processes_of
from equipoise.conduct.rows.tables import EventRow, ParticipantRow
from equipoise.foundation.errors import ConductError
from equipoise.web.drill.people import Load, Person, ServerProcess, Team, Workload, fault_lines, free_port

if TYPE_CHECKING:
    from equipoise.web.rehearsal import Rehearsal

SIZE = 50  # people
THINKING = 10.0  # seconds between two pages, on average
ROUNDS = 8  # pages a person
MEDIAN, LAST_HUNDREDTH = 0.080, 0.400  # seconds that a page may take
LONG = 200  # people from which on the run is a long one
PAGES, KILLS, SITES = 20_000, 20, 20  # of a long run
_ZONE = "America/New_York"
_RESTORED = ("not restored", "fence")  # what is told of a backup that was restored


def run(database: str | None, size: int | None = None) -> DrillReport:
    """Run the drill; ``size`` is how many people work at once."""
    n = SIZE if size is None else size
    report = DrillReport("web", "postgresql" if database else "sqlite")
    long = n >= LONG
    rounds, kills, sites = (max(ROUNDS, PAGES // n), KILLS, SITES) if long else (ROUNDS, 0, 0)
    load, found = put_under_load(database, people=n, rounds=rounds, kills=kills, sites=sites)
    spent = sorted(load.spent)
    middle, last = median(spent), spent[int(len(spent) * 0.99)]
    report.require(1, "writes that were acknowledged and are not in the ledger", found["lost"])
    report.require(2, "writes that are in the ledger twice", found["doubled"])
    report.require(3, "answers that are a fault of the program", load.n_faults)
    report.require(4, "findings of verify", found["findings"])
    if long:
        report.require(7, "writes acknowledged before the backup and not in what was restored", found["not restored"])
        report.require(8, "what randomizing behind the fence of the restored trial says", found["fence"], "C018")
        report.require(9, "writes that a person gave up", load.given_up)
    else:
        report.require(5, f"the median page takes less than {MEDIAN * 1000:.0f} ms", middle < MEDIAN, True)
        report.require(6, f"99 of 100 pages take less than {LAST_HUNDREDTH * 1000:.0f} ms", last < LAST_HUNDREDTH, True)
    _note(report, load, n)
    report.note_value("median page", round(middle * 1000, 1), "ms")
    report.note_value("99th of 100 pages", round(last * 1000, 1), "ms")
    return report.close()


def _note(report: DrillReport, load: Load, people: int) -> None:
    """What was measured, and nothing is asked of."""
    report.note_value("people", people)
    report.note_value("pages", len(load.spent))
    report.note_value("writes acknowledged", len(load.acknowledged))
    report.note_value("writes sent again", load.again)
    report.note_value("times the server was killed", load.kills)
    if load.outages:
        report.note_value("times the database was killed", load.outages)
        report.note_value("answers that said so", load.answers[503])
    for fault in sorted(set(load.faults)):
        report.note_value("fault", fault)
    report.note_value("median of signing in", round(median(load.signing_in) * 1000, 1), "ms")
    if load.processor is not None:  # what a page costs, whatever else the machine does
        answered = sum(load.answers.values()) + 2 * len(load.signing_in)
        report.note_value("processor time of the server by answer", round(load.processor / answered * 1000, 1), "ms")
    report.notes += load.notes


def put_under_load(
    database: str | None,
    *,
    people: int,
    rounds: int,
    kills: int = 0,
    thinking: float = THINKING,
    participants: int = 8,
    sites: int = 0,
) -> tuple[Load, dict[str, Any]]:
    """Make a rehearsal, serve it, and let people work in it; what was measured, and what the ledger holds of it.

    ``sites`` beyond that of the rehearsal have accounts and participants of their own; with ``kills`` a backup is made
    in the middle, and restored at the end.
    """
    from equipoise.web.rehearsal import rehearse
    from equipoise.workflow.library import read_protocol

    folder = Path(tempfile.mkdtemp(prefix="equipoise-drill-"))
    load = Load()
    try:
        with one_database(database) as address:
            made = rehearse(read_protocol(PROTOCOL), folder / "trial", n=participants, database=address)
            plan = Workload(_teams(made, sites), people, rounds, thinking)
            made.trial.close()
            backup = _Backup(made, folder / "backup")
            server = ServerProcess(folder / "trial", free_port(), folder / "server.log")
            try:
                before = server.processor_seconds()
                _work(load, server, plan, _killers(load, server, database, address, kills), backup.make)
                after = server.processor_seconds()
                load.processor = after - before if before is not None and after is not None and not kills else None
            finally:
                server.stop()
            load.faults = fault_lines(server.log)
            found = _found(made, load)
            if kills:
                found |= backup.restored(database) if backup.made else dict.fromkeys(_RESTORED, "no backup was made")
            made.trial.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return load, found


def _found(made: Rehearsal, load: Load) -> dict[str, Any]:
    """What the ledger holds of the writes."""
    kept = _kept(made.trial)
    return {
        "lost": sum(key not in kept for key in load.acknowledged),
        "doubled": sum(count > 1 for key, count in kept.items() if key),
        "findings": len(verify(made.trial).findings),
    }


def _kept(trial: Any) -> Counter[str]:
    """The keys of the queries that a ledger holds, each with how often."""
    with trial.use():
        requests = trial.column(EventRow, "request", action="query", step=0)
    return Counter(request.partition(":")[2] for request in requests)


def _teams(made: Rehearsal, sites: int) -> tuple[Team, ...]:
    """Who works where: the rehearsal's own people, or at each of so many sites its own coordinator and monitor."""
    with made.trial.use():
        codes = made.trial.column(ParticipantRow, "participant", order=("participant",))
    if not sites:
        readers = tuple((account, made.passphrase) for account in ("carol", "ivan", "dana"))
        return (Team(readers, ("mona", made.passphrase), tuple(codes)),)

    def do(who: str, action: str, **given: Any) -> Any:
        return perform(made.trial, Session(who, "drill"), action, given)

    out = []
    for number in range(1, sites + 1):
        site, people = f"site-{number:02d}", tuple(f"{number:02d}-{one}" for one in range(1, 4))
        do("admin", "add-site", site=site, zone=_ZONE)
        do("admin", "activate-site", site=site, approval="drill")
        for participant in people:
            do("carol", "screen", participant=participant, site=site)
        accounts = []
        for role in ("coordinator", "monitor"):
            name = f"{role}-{number:02d}"
            told = do("admin", "add-account", account=name, person=name, roles=[role], sites=[site]).told
            accounts.append((name, str(told["passphrase"])))
        out.append(Team((accounts[0],), accounts[1], people))
    return tuple(out)


def _work(
    load: Load,
    server: ServerProcess,
    plan: Workload,
    killers: list[Callable[[], None]],
    halfway: Callable[[Load], None],
) -> None:
    """Let people work, and meanwhile kill as often as asked, spread over the pages there will be."""
    threads = [
        threading.Thread(target=Person(number, load, server.port, plan).work, daemon=True)
        for number in range(plan.people)
    ]
    for one in threads:
        one.start()
    for number, kill in enumerate(killers, 1):
        while len(load.spent) < plan.people * plan.rounds * number / (len(killers) + 1):
            if not any(one.is_alive() for one in threads):
                break
            time.sleep(0.05)
        kill()
        if number == (len(killers) + 1) // 2:
            halfway(load)
    for one in threads:
        one.join()


def _killers(
    load: Load, server: ServerProcess, database: str | None, address: str, kills: int
) -> list[Callable[[], None]]:
    """What is killed, in turn: the server, and where there is one of its own the database."""

    def server_killed() -> None:
        server.kill()
        load.kills += 1

    def database_killed() -> None:
        said = kill_database(str(database), address)
        load.outages += 1
        if said not in load.notes:
            load.notes.append(said)

    return [database_killed if database and number % 2 else server_killed for number in range(kills)]


def kill_database(database: str, address: str) -> str:
    """Kill PostgreSQL in the middle of its work, and wait until it takes connections again; what was done, in words.

    A process of it that is killed makes the whole server drop everything and recover from its log, as after a power
    cut. Where others work on the server, or it runs elsewhere, the drill's own connections are ended and no more.
    """
    import psycopg

    name = address.partition("?")[0].rpartition("/")[2]
    said, found = "the connections of the database were ended", []
    with suppress(psycopg.OperationalError), psycopg.connect(database, autocommit=True) as connection:
        found = processes_of(connection, name)
        if found and not others_connected(connection, name):
            with suppress(ProcessLookupError, PermissionError):
                os.kill(found[0], getattr(signal, "SIGKILL", signal.SIGTERM))
                said = "a process of the database server was killed: all of it recovered from its log"
        if said.startswith("the connections"):
            end_connections(connection, name)
    for _ in range(1200):
        time.sleep(0.1)  # before the first look: until the server has noticed, it still takes connections
        with suppress(psycopg.OperationalError), psycopg.connect(database, autocommit=True) as connection:
            if not set(found[:1]) & set(processes_of(connection, name)):
                return said
    raise RuntimeError("the database does not come back")


class _Backup:
    """A backup made while people work, and what becomes of it."""

    def __init__(self, made: Rehearsal, file: Path) -> None:
        self.trial, self.file = made.trial, file
        self.made = False
        self.before: list[str] = []

    def make(self, load: Load) -> None:
        """Make it; the database was just killed, so more than once."""
        self.before = list(load.acknowledged)
        for _ in range(10):
            try:
                back_up(self.trial, self.file, check=False)
                self.made = True
                break
            except ConductError:
                self.file.unlink(missing_ok=True)
                time.sleep(1)
            finally:
                self.trial.close()

    def restored(self, database: str | None) -> dict[str, Any]:
        """Restore it: what it lacks of what was acknowledged before, and what its fence says to a randomization."""
        with one_database(database) as address:
            again = restore(self.file, self.file.with_name("restored"), database=address)
            try:
                kept = _kept(again)
                with again.use():
                    waiting = again.column(ParticipantRow, "participant", status="eligible")
                said = "done"
                try:
                    perform(again, Session("carol", "drill"), "randomize", {"participant": waiting[0]}, why="drill")
                except ConductError as error:
                    said = error.problems[0].code
                return dict(zip(_RESTORED, (sum(key not in kept for key in self.before), said), strict=True))
            finally:
                again.close()


__all__ = ["Load", "kill_database", "put_under_load", "run"]
