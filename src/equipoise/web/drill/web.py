"""Many people at once: pages in time, no write lost or doubled, also while the server is killed and started again.

The server is a process of its own, as `equipoise serve` starts it; people are threads that read pages, think, and write
queries, each under a key of its own. A write without an answer is sent again with the same key, as a browser does.
"""

from __future__ import annotations

import http.client
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import urlencode

from equipoise.conduct.drill.report import DrillReport
from equipoise.conduct.drill.stage import PROTOCOL, one_database
from equipoise.conduct.integrity.verify import verify
from equipoise.conduct.rows.tables import EventRow, ParticipantRow

SIZE = 50  # people
THINKING = 10.0  # seconds between two pages, on average
ROUNDS = 8  # pages a person
MEDIAN, LAST_HUNDREDTH = 0.080, 0.400  # seconds that a page may take
LONG = 200  # people from which on the run is a long one: more pages, and the server is killed
_READERS = ("carol", "ivan", "dana")
_FAULT = re.compile(r"fault \w+ (on page .*)")


@dataclass
class Load:
    """What is measured, by every thread."""

    spent: list[float] = field(default_factory=list)
    answers: Counter[int] = field(default_factory=Counter)
    acknowledged: list[str] = field(default_factory=list)
    again: int = 0
    kills: int = 0
    faults: list[str] = field(default_factory=list)  # what the server's log says of each: kind and places, no words
    signing_in: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)  # seconds of it that the server took while people worked


def run(database: str | None, size: int | None = None) -> DrillReport:
    """Run the drill; ``size`` is how many people work at once."""
    n = SIZE if size is None else size
    report = DrillReport("web", "postgresql" if database else "sqlite")
    long = n >= LONG
    rounds, kills = (max(ROUNDS, 20_000 // n), 20) if long else (ROUNDS, 0)
    load, found = put_under_load(database, people=n, rounds=rounds, kills=kills)
    spent = sorted(load.spent)
    middle, last = median(spent), spent[int(len(spent) * 0.99)]
    report.require(1, "writes that were acknowledged and are not in the ledger", found["lost"])
    report.require(2, "writes that are in the ledger twice", found["doubled"])
    report.require(3, "answers that are a fault of the program", sum(v for k, v in load.answers.items() if k >= 500))
    report.require(4, "findings of verify", found["findings"])
    if not long:
        report.require(5, f"the median page takes less than {MEDIAN * 1000:.0f} ms", middle < MEDIAN, True)
        report.require(6, f"99 of 100 pages take less than {LAST_HUNDREDTH * 1000:.0f} ms", last < LAST_HUNDREDTH, True)
    report.note_value("people", n)
    report.note_value("pages", len(spent))
    report.note_value("writes acknowledged", len(load.acknowledged))
    report.note_value("writes sent again", load.again)
    report.note_value("times the server was killed", load.kills)
    for fault in sorted(set(load.faults)):
        report.note_value("fault", fault)
    report.note_value("median page", round(middle * 1000, 1), "ms")
    report.note_value("99th of 100 pages", round(last * 1000, 1), "ms")
    report.note_value("median of signing in", round(median(load.signing_in) * 1000, 1), "ms")
    if load.processor:  # what a page costs, whatever else the machine does
        answered = sum(load.answers.values()) + 2 * len(load.signing_in)
        report.note_value(
            "processor time of the server by answer", round(sum(load.processor) / answered * 1000, 1), "ms"
        )
    return report.close()


def put_under_load(
    database: str | None, *, people: int, rounds: int, kills: int = 0, thinking: float = THINKING, participants: int = 8
) -> tuple[Load, dict[str, int]]:
    """Make a rehearsal, serve it, and let people work in it; what was measured, and what the ledger holds of it."""
    from equipoise.web.rehearsal import rehearse
    from equipoise.workflow.library import read_protocol

    folder = Path(tempfile.mkdtemp(prefix="equipoise-drill-"))
    load = Load()
    try:
        with one_database(database) as address:
            made = rehearse(read_protocol(PROTOCOL), folder / "trial", n=participants, database=address)
            with made.trial.use():
                codes = made.trial.column(ParticipantRow, "participant", order=("participant",))
            made.trial.close()
            server = _Server(folder / "trial", _free_port(), folder / "server.log")
            try:
                before = server.processor_seconds()
                _work(load, server, _Plan(made.passphrase, codes, people, rounds, kills, thinking))
                after = server.processor_seconds()
                load.processor = [after - before] if before is not None and after is not None and not kills else []
            finally:
                server.stop()
            with made.trial.use():
                requests = made.trial.column(EventRow, "request", action="query", step=0)
            kept = Counter(request.partition(":")[2] for request in requests)
            found = {
                "lost": sum(key not in kept for key in load.acknowledged),
                "doubled": sum(count > 1 for key, count in kept.items() if key),
                "findings": len(verify(made.trial).findings),
            }
            made.trial.close()
            load.faults = _FAULT.findall(server.log.read_text("utf-8", "replace"))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return load, found


class _Server:
    """The server as a process; it can be killed, and started again on the same port. Its log is kept in a file."""

    def __init__(self, directory: Path, port: int, log: Path) -> None:
        self.directory, self.port, self.log = directory, port, log
        self.process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "equipoise.cli.main", "serve", str(self.directory), "--port", str(self.port)]
        with self.log.open("ab") as log:
            process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        for _ in range(600):
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return process
            except OSError:
                time.sleep(0.1)
        process.kill()
        raise RuntimeError("the server does not listen")

    def processor_seconds(self) -> float | None:
        """Processor time it has taken since it was started; ``None`` where the system does not say so."""
        try:
            said = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
            return (int(said[11]) + int(said[12])) / os.sysconf("SC_CLK_TCK")
        except (OSError, ValueError, IndexError):
            return None

    def kill(self) -> None:
        """Kill it wherever it is, and start it again."""
        self.process.kill()
        self.process.wait()
        self.process = self._start()

    def stop(self) -> None:
        """End it."""
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@dataclass(frozen=True)
class _Plan:
    """What people do: with which pass-phrase, about whom, how many at once, how often, with how many kills."""

    passphrase: str
    codes: list[str]
    people: int
    rounds: int
    kills: int
    thinking: float


def _work(load: Load, server: _Server, plan: _Plan) -> None:
    people = [_Person(number, load, server.port, plan) for number in range(plan.people)]
    threads = [threading.Thread(target=one.work, daemon=True) for one in people]
    for one in threads:
        one.start()
    for _ in range(plan.kills):
        time.sleep(max(plan.thinking * plan.rounds / (plan.kills + 1), 0.5))
        server.kill()
        load.kills += 1
    for one in threads:
        one.join()


class _Person:
    """One person at a browser: signs in, reads and writes, and sends again what got no answer."""

    def __init__(self, number: int, load: Load, port: int, plan: _Plan) -> None:
        self.number, self.load, self.port, self.plan = number, load, port, plan
        self.chance = random.Random(number)
        self.writes = number % 5 == 0  # a monitor asks queries; the others read
        self.account = "mona" if self.writes else _READERS[number % len(_READERS)]
        self.cookies: dict[str, str] = {}

    def work(self) -> None:
        """Everything that this person does."""
        time.sleep(self.chance.random() * self.plan.thinking)
        for turn in range(self.plan.rounds):
            code = self.chance.choice(self.plan.codes)
            if self.writes and turn % 2:
                self._write(code, f"load-{self.number}-{turn}")
            else:
                self._ask("GET", self.chance.choice(("/today/", "/p/", f"/p/{code}/")))
            time.sleep(self.plan.thinking * (0.5 + self.chance.random()))

    def _write(self, code: str, key: str) -> None:
        at = f"/p/{code}/query/"
        for turn in range(20):
            self.load.again += turn > 0
            page = self._ask("GET", at)
            found = re.search(r'csrfmiddlewaretoken" value="([^"]+)"', page[1])
            if page[0] != 200 or found is None:
                time.sleep(0.3)
                continue
            given = {"csrfmiddlewaretoken": found[1], "key": key, "text": f"A question, number {key}"}
            if self._ask("POST", at, given, again=False)[0] in (200, 303):
                self.load.acknowledged.append(key)
                return
            time.sleep(0.3)

    def _ask(self, method: str, at: str, given: dict[str, str] | None = None, again: bool = True) -> tuple[int, str]:
        """One request; signs in first where there is no session. (0, "") where no answer came."""
        begin = time.perf_counter()
        status, text, to = self._send(method, at, given)
        if status:
            self.load.answers[status] += 1
        if status == 302 and to.startswith("/sign-in/"):
            self._sign_in()
            return self._ask(method, at, given, again=False) if again else (status, text)
        if status in (200, 303):
            self.load.spent.append(time.perf_counter() - begin)
        return status, text

    def _sign_in(self) -> None:
        begin = time.perf_counter()
        _, page, _ = self._send("GET", "/sign-in/")
        found = re.search(r'csrfmiddlewaretoken" value="([^"]+)"', page)
        token = found[1] if found else ""
        given = {"csrfmiddlewaretoken": token, "account": self.account, "passphrase": self.plan.passphrase}
        self._send("POST", "/sign-in/", given)
        self.load.signing_in.append(time.perf_counter() - begin)

    def _send(self, method: str, at: str, given: dict[str, str] | None = None) -> tuple[int, str, str]:
        heads = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
        if given is not None:
            heads["Content-Type"] = "application/x-www-form-urlencoded"
        try:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
            connection.request(method, at, urlencode(given) if given is not None else None, heads)
            answered = connection.getresponse()
            text = answered.read().decode("utf-8", "replace")
            for head in answered.msg.get_all("Set-Cookie") or []:
                name, _, value = head.partition(";")[0].partition("=")
                self.cookies[name.strip()] = value
            connection.close()
        except (OSError, http.client.HTTPException):
            return 0, "", ""
        return answered.status, text, answered.getheader("Location") or ""


__all__: list[Any] = ["Load", "put_under_load", "run"]
