"""Who works in the drill of the load: a server that can be killed, and people who sign in, read and write."""

from __future__ import annotations

import http.client
import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode

_FAULT = re.compile(r"fault \w+ (on page .*)")
TRIES = 100  # times that a write is sent again, a third of a second apart


@dataclass
class Load:
    """What is measured, by every thread."""

    spent: list[float] = field(default_factory=list)
    answers: Counter[int] = field(default_factory=Counter)
    acknowledged: list[str] = field(default_factory=list)
    again: int = 0
    kills: int = 0
    outages: int = 0  # times the database was taken away
    faults: list[str] = field(default_factory=list)  # what the server's log says of each: kind and places, no words
    signing_in: list[float] = field(default_factory=list)
    processor: float | None = None  # seconds of it that the server took while people worked
    given_up: int = 0  # writes that got no answer however often they were sent
    notes: list[str] = field(default_factory=list)

    @property
    def n_faults(self) -> int:
        """Answers that say the program has a fault; that the database is away is none where it was taken away."""
        return sum(n for status, n in self.answers.items() if status >= 500 and not (status == 503 and self.outages))


@dataclass(frozen=True)
class Team:
    """Who works at one site: accounts with their passphrases, and the participants they work with."""

    readers: tuple[tuple[str, str], ...]
    writer: tuple[str, str]
    codes: tuple[str, ...]


@dataclass(frozen=True)
class Workload:
    """What people do: in which teams, how many at once, how often, how long they think between two pages."""

    teams: tuple[Team, ...]
    people: int
    rounds: int
    thinking: float


class ServerProcess:
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


def fault_lines(log: Path) -> list[str]:
    """What a server's log says of each fault: its kind and places in the program, no words."""
    return _FAULT.findall(log.read_text("utf-8", "replace"))


def free_port() -> int:
    """A port of this machine that nobody listens at."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


class Person:
    """One person at a browser: signs in, reads and writes, and sends again what got no answer."""

    def __init__(self, number: int, load: Load, port: int, plan: Workload) -> None:
        self.number, self.load, self.port, self.plan = number, load, port, plan
        self.chance = random.Random(number)
        self.writes = number % 5 == 0  # a monitor asks queries; the others read
        self.team = plan.teams[number % len(plan.teams)]
        readers = self.team.readers
        self.account, self.passphrase = self.team.writer if self.writes else readers[number % len(readers)]
        self.cookies: dict[str, str] = {}

    def work(self) -> None:
        """Everything that this person does."""
        time.sleep(self.chance.random() * self.plan.thinking)
        for turn in range(self.plan.rounds):
            code = self.chance.choice(self.team.codes)
            if self.writes and turn % 2:
                self._write(code, f"load-{self.number}-{turn}")
            else:
                self._ask("GET", self.chance.choice(("/today/", "/p/", f"/p/{code}/")))
            time.sleep(self.plan.thinking * (0.5 + self.chance.random()))

    def _write(self, code: str, key: str) -> None:
        at = f"/p/{code}/query/"
        for turn in range(TRIES):
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
        self.load.given_up += 1

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
        page = self._send("GET", "/sign-in/")[1]
        found = re.search(r'csrfmiddlewaretoken" value="([^"]+)"', page)
        token = found[1] if found else ""
        given = {"csrfmiddlewaretoken": token, "account": self.account, "passphrase": self.passphrase}
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


__all__ = ["Load", "Person", "ServerProcess", "Team", "Workload", "fault_lines", "free_port"]
