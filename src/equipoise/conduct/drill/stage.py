"""A trial to practise on: made in a folder or database of its own, and gone afterwards."""

from __future__ import annotations

import multiprocessing
import os
import secrets
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from equipoise.conduct.actions.context import Receipt
from equipoise.conduct.actions.dispatch import perform
from equipoise.conduct.actions.sign_in import Session, sign_in
from equipoise.conduct.clock import Clock, Moment, SystemClock
from equipoise.conduct.entropy import SystemEntropy, code
from equipoise.conduct.rows.find import Rows
from equipoise.conduct.rows.server import create_database, drop_database, drop_owned
from equipoise.conduct.trial.create import FirstAccount, create_trial
from equipoise.conduct.trial.ledger import writing
from equipoise.conduct.trial.trial import Trial
from equipoise.protocol import Protocol
from equipoise.workflow.library import read_protocol

PROTOCOL = "ketamine-mbrp-cocaine"

ZONE = "America/New_York"  # of the stage's one site


@dataclass
class DrillStage(Rows):
    """A practice trial with its site active, an administrator and an investigator who coordinates."""

    folder: Path
    trial: Trial
    pharmacy: Path
    administrator: Session
    investigator: Session
    database: str
    passphrase: str

    def do(
        self, action: str, *, key: str | None = None, why: str = "", clock: Clock | None = None, **given: Any
    ) -> Receipt:
        """An action of the investigator."""
        return perform(self.trial, self.investigator, action, given, key=key, why=why, clock=clock)

    def enter(self, participants: list[str], status: str = "eligible") -> None:
        """Enter participants as screened, consented and found eligible, an event each."""
        entropy, clock = SystemEntropy(), SystemClock()
        with writing(self.trial) as writer:
            for participant in participants:
                moment = Moment.of(clock, ZONE)  # a day of the site, as the actions reckon it
                put = eligible_rows(self.trial.protocol(self.trial.protocol_hash), participant, moment.local_date)
                put["participant"][0] |= {"site": "main", "status": status}
                writer.append(
                    action="drill-entered",
                    now=moment,
                    request=code(entropy, 6),
                    step=0,
                    account="",
                    role="",
                    site="main",
                    device="",
                    participant=participant,
                    subject="",
                    why="",
                    what={"put": put},
                    protocol_hash="",
                    program_version="",
                    entropy=entropy,
                )

    def run(self, statement: str, parameters: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        """The rows of a statement."""
        with self.trial.use():
            return self.trial.run(statement, parameters)


def eligible_rows(protocol: Protocol, participant: str, on: date) -> dict[str, list[dict[str, Any]]]:
    """Rows of a participant who consented and was found eligible on ``on``: criteria judged, covariates recorded.

    Covariates that the randomization is stratified by are left out: these are the caller's to choose.
    """
    from equipoise.conduct.actions.grounds import covariates
    from equipoise.conduct.rules.eligibility import criteria
    from equipoise.randomization import planned_randomizations

    plans = planned_randomizations(protocol) if protocol.model.randomization is not None else ()
    factors = {name for plan in plans for name in plan.factors}
    who = {"participant": participant, "repeat": 1}
    form = {**who, "state": "recorded", "date": on.isoformat(), "protocol_hash": protocol.hash}
    place = {"visit": "screening", "form": "eligibility"}
    items = [
        {**who, **place, "item": f"{kind}.{id}", "type": "choice", "value": "met"} for kind, id, _ in criteria(protocol)
    ]
    items.append({**who, **place, "item": "eligible", "type": "yes-no", "value": "yes"})
    forms = [{**form, **place}]
    for name in sorted(covariates(protocol) - factors):
        variable = protocol.model.baseline[name]
        value = {"number": "41", "yes-no": "yes"}.get(variable.type) or variable.levels[0]
        kind = {"number": "decimal", "yes-no": "yes-no"}.get(variable.type, "choice")
        items.append({**who, "visit": "baseline", "form": "baseline", "item": name, "type": kind, "value": value})
        forms.append({**form, "visit": "baseline", "form": "baseline"})
    row = {"participant": participant, "consent_version": "1", "consented_on": on.isoformat(), "status": "eligible"}
    return {"participant": [row], "form": forms, "item": items}


@contextmanager
def staged(database: str | None, *, slots: int = 100) -> Iterator[DrillStage]:
    """A practice trial in a temporary folder, or in a new database of the PostgreSQL server that ``database`` names."""
    folder = Path(tempfile.mkdtemp(prefix="equipoise-drill-"))
    passphrase = secrets.token_hex(12)
    accounts = [
        FirstAccount("drill-admin", ("administrator",), passphrase),
        FirstAccount("drill-staff", ("investigator", "coordinator", "monitor"), passphrase),
        FirstAccount("drill-pharmacy", ("pharmacist",), passphrase),
    ]
    try:
        with one_database(database) as address:
            trial = create_trial(
                read_protocol(PROTOCOL),
                folder / "trial",
                mode="training",
                pharmacy=folder / "pharmacy",
                accounts=accounts,
                database=address,
                slots=slots,
                zone=ZONE,
            )
            administrator = sign_in(trial, "drill-admin", passphrase)
            investigator = Session("drill-staff")
            perform(trial, administrator, "activate-site", {"site": "main", "approval": "drill"})
            try:
                yield DrillStage(folder, trial, folder / "pharmacy", administrator, investigator, address, passphrase)
            finally:
                trial.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def one_database(database: str | None) -> Iterator[str]:
    """`sqlite`, or the address of a new PostgreSQL database, dropped afterwards with the role made for it."""
    if database is None:
        yield "sqlite"
        return
    import psycopg

    name = f"equipoise_drill_{secrets.token_hex(4)}"
    head, _, query = database.partition("?")
    address = f"{head.rsplit('/', 1)[0]}/{name}" + (f"?{query}" if query else "")
    with psycopg.connect(database, autocommit=True) as connection:
        create_database(connection, name)
    try:
        yield address
    finally:
        with psycopg.connect(address, autocommit=True) as connection:
            roles = drop_owned(connection)
        with psycopg.connect(database, autocommit=True) as connection:
            drop_database(connection, name, roles)


def start(stage: DrillStage, work: Callable[..., None], *arguments: Any) -> Any:
    """A process that does ``work`` with a connection of its own."""
    from django.db import connections

    connections.close_all()  # a connection is never shared over a fork
    context: Any = multiprocessing.get_context("fork" if hasattr(os, "fork") else "spawn")
    process = context.Process(target=work, args=arguments, daemon=True)
    process.start()
    return process


def kill(process: Any) -> None:
    """End a process at once, wherever it is: no handler runs, nothing is flushed."""
    if process.is_alive():
        os.kill(process.pid, getattr(signal, "SIGKILL", signal.SIGTERM))
    process.join()


def acknowledged(path: Path) -> list[list[str]]:
    """Lines that workers wrote after an action was answered, as words; a line cut short by a kill is left out."""
    if not path.exists():
        return []
    return [line.split("\t") for line in path.read_text("utf-8").split("\n")[:-1]]


def acknowledge(path: Path, *words: Any) -> None:
    """Note that an action was answered."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.write(handle, ("\t".join(map(str, words)) + "\n").encode())
    finally:
        os.close(handle)
