"""Change the rooms that speak to people in small wrong ways, and see whether a test turns red.

``make mutants`` tries the same sample each time; a survivor that is not in ``survivors.txt`` is a fault. Other samples:

    python tests/mutants/sample.py --per-room 100 --seed 2     # new ground; --whole for all of it (a night or two)
    python tests/mutants/sample.py --only reporting/words.py   # whatever has this in its key
    python tests/mutants/sample.py --kept                      # those of survivors.txt again; --tidy drops what is gone

It begins again where it was stopped: what was tried stands in ``.mutants`` until source or tests change. Why a tool of
our own: docs/decisions/0014-wrong-lines.md.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
import time
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from changes import KINDS, Mutant, apply, read_mutants
from fork_server import Server, copy_source, load_libraries
from kept import SOURCE, gone, read_kept, write_kept
from traced import Reached

HERE = Path(__file__).resolve().parent
TESTS = HERE.parent
ROOT = TESTS.parent
STATE = ROOT / ".mutants"


@dataclass(frozen=True)
class Room:
    """A folder of the source, its tests, and what is left alone."""

    name: str
    folder: str
    tests: tuple[str, ...]
    leave: tuple[str, ...] = ()  # files that are not changed at all
    drawn: tuple[str, ...] = ()  # files whose numbers are places on paper: an offset misleads nobody

    def mutants(self) -> Iterator[Mutant]:
        """All of the room."""
        for path in sorted((SOURCE / self.folder).rglob("*.py")):
            inside = path.relative_to(SOURCE / self.folder).as_posix()
            if not any(inside.startswith(one) for one in self.leave):
                drawn = any(inside.startswith(one) for one in self.drawn)
                kinds = frozenset(KINDS) - ({"number", "arithmetic"} if drawn else set())
                yield from read_mutants(path.relative_to(SOURCE).as_posix(), path.read_text("utf-8"), kinds)


def rooms() -> list[Room]:
    """The table of rooms."""
    table = tomllib.loads((HERE / "rooms.toml").read_text("utf-8"))
    return [
        Room(name, **{k: tuple(v) if isinstance(v, list) else v for k, v in row.items()}) for name, row in table.items()
    ]


def sample(mutants: Iterable[Mutant], n: int, seed: int) -> list[Mutant]:
    """``n`` mutants, each kind in turn; the same for the same seed, whatever is edited elsewhere."""
    queues: dict[str, list[tuple[str, Mutant]]] = {}
    for one in mutants:
        drawn = hashlib.sha256(f"{seed} {one.key}".encode()).hexdigest()
        queues.setdefault(one.kind, []).append((drawn, one))
    waiting = [sorted(queue, key=lambda pair: pair[0], reverse=True) for _, queue in sorted(queues.items())]
    out: list[Mutant] = []
    while len(out) < n and any(waiting):
        out += [queue.pop()[1] for queue in waiting if queue]
    return out[:n]


def _digest(paths: Iterable[Path]) -> str:
    made = hashlib.sha256()
    for path in sorted(paths):
        made.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes())
    return made.hexdigest()[:16]


def reached(room: Room, files: str) -> Reached:
    """Which of the room's tests reach which lines: measured, unless it was for just these files."""
    out = STATE / f"reached-{room.name}-{files}.json"
    if not out.exists():
        print(f"{room.name}: measuring which tests reach which lines", flush=True)
        begun = time.monotonic()
        given = {"rooms": [room.folder], "tests": [str(TESTS / one) for one in room.tests], "out": str(out)}
        command = [sys.executable, str(HERE / "traced.py"), json.dumps(given)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        if done.returncode:
            out.unlink(missing_ok=True)
            sys.exit(f"red before anything was changed:\n{done.stdout[-4000:]}{done.stderr[-2000:]}")
        print(f"{room.name}: {done.stdout.strip().splitlines()[-1]}; {time.monotonic() - begun:.0f} s", flush=True)
    return Reached.read(out)


def tests_of(mutant: Mutant, seen: Reached) -> set[str]:
    """The tests that reach the changed lines; of a table of a module, those that reach its functions or its users."""
    if mutant.function and (found := seen.tests(mutant.file, range(mutant.lines[0], mutant.lines[1] + 1))):
        return found
    found = seen.tests(mutant.file) if not mutant.function else set()
    if not mutant.function:
        module = "equipoise." + mutant.file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        package, _, name = module.rpartition(".")
        for file in seen.lines:
            text = (SOURCE / file).read_text("utf-8")
            if f"from {module} import" in text or (f"from {package} import" in text and name in text):
                found |= seen.tests(file)
    return found


class Trials:
    """What was tried, kept on the disk line by line."""

    def __init__(self, files: str) -> None:
        self.path = STATE / f"tried-{files}.jsonl"
        lines = self.path.read_text("utf-8").splitlines() if self.path.exists() else []
        self.verdicts: dict[str, str] = {row["key"]: row["verdict"] for row in map(json.loads, lines)}

    def note(self, mutant: Mutant, verdict: str, log: str = "") -> None:
        """Keep a verdict."""
        self.verdicts[mutant.key] = verdict
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"key": mutant.key, "verdict": verdict, "log": log}) + "\n")


@dataclass(frozen=True)
class Asked:
    """What one mutant is asked."""

    mutant: Mutant
    tests: list[str]
    seconds: float  # that they should take


def asked(mutant: Mutant, seen: Reached, budget: float, also: list[str]) -> Asked:
    """The quickest of the tests that reach a mutant, after those that are asked about every one."""
    tests, seconds = seen.in_time(tests_of(mutant, seen), budget)
    return Asked(mutant, [*also, *tests], seconds)


def require_green(server: Server, questions: list[Asked]) -> None:
    """Ask the first question of each file's folder with nothing changed: red there would mean nothing later."""
    first = {one.mutant.file.partition("/")[0]: one for one in reversed(questions) if one.tests}
    for one in first.values():
        server.start(0, one.mutant.file, (SOURCE / one.mutant.file).read_text("utf-8"), one.tests, one.seconds)
        while server.running:
            for _, code, log in server.finished():
                if code:
                    sys.exit(f"red before anything was changed, at {one.mutant.file}:\n{log}")
            time.sleep(0.05)


def try_all(questions: list[Asked], trials: Trials, workers: int) -> None:
    """Put every mutant to its tests, ``workers`` at a time."""
    load_libraries()
    with tempfile.TemporaryDirectory() as folder:
        server = Server(copy_source(Path(folder), workers))
        waiting = list(reversed(list(enumerate(questions))))
        try:
            require_green(server, questions)
            while waiting or server.running:
                while waiting and server.free:
                    index, one = waiting.pop()
                    if one.tests:
                        text = apply((SOURCE / one.mutant.file).read_text("utf-8"), one.mutant)
                        server.start(index, one.mutant.file, text, one.tests, one.seconds)
                    else:
                        trials.note(one.mutant, "untouched")
                for index, code, log in server.finished():
                    verdict = "survived" if code == 0 else "endless" if code < 0 else "caught"
                    trials.note(questions[index].mutant, verdict, log if code not in (0, 1) else "")
                    if verdict == "survived":
                        print(f"survived  {questions[index].mutant.key}", flush=True)
                time.sleep(0.05)
        finally:
            server.stop()


def tell(wanted: list[tuple[Room, Mutant]], trials: Trials) -> list[str]:
    """Print the figures of each room; the keys of what no test caught."""
    missed = []
    for room in dict.fromkeys(room for room, _ in wanted):
        verdicts = Counter(trials.verdicts.get(one.key, "not tried") for of, one in wanted if of == room)
        print(f"{room.name:12}" + ", ".join(f"{n} {verdict}" for verdict, n in sorted(verdicts.items())))
        bad = ("survived", "untouched")
        missed += [one.key for of, one in wanted if of == room and trials.verdicts.get(one.key) in bad]
    return missed


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--per-room", type=int, default=24, metavar="N", help="how many mutants of each room")
    parser.add_argument("--seed", type=int, default=1, help="another sample")
    parser.add_argument("--whole", action="store_true", help="every mutant of every room")
    parser.add_argument("--room", action="append", help="this room only")
    parser.add_argument("--only", default="", help="mutants with this text in their key, instead of a sample")
    parser.add_argument("--kept", action="store_true", help="those of survivors.txt, instead of a sample")
    parser.add_argument("--also", action="append", default=[], metavar="TESTS", help="asked about every mutant, first")
    parser.add_argument("--workers", type=int, default=2, help="how many at a time")
    parser.add_argument("--seconds", type=float, default=25.0, help="of tests for one mutant")
    parser.add_argument("--tidy", action="store_true", help="drop from survivors.txt what the source no longer holds")
    return parser.parse_args()


def main() -> int:
    """Try, tell, and compare with what is known to survive."""
    given = _arguments()
    kept = read_kept()
    if given.tidy:
        lost = set(gone(kept))
        write_kept([entry for entry in kept if entry.key not in lost])
        print(f"{len(lost)} lines taken off survivors.txt")
        return 0
    STATE.mkdir(exist_ok=True)
    files = _digest([*SOURCE.rglob("*.py"), *TESTS.rglob("*.py"), HERE / "rooms.toml"])
    trials = Trials(files)
    wanted: list[tuple[Room, Mutant]] = []
    known = {entry.key for entry in kept}
    for room in rooms():
        if given.room and room.name not in given.room:
            continue
        every = list(room.mutants())
        if given.only or given.kept:
            wanted += [(room, one) for one in every if (one.key in known if given.kept else given.only in one.key)]
        else:
            wanted += [(room, one) for one in sample(every, len(every) if given.whole else given.per_room, given.seed)]
    new = [(room, one) for room, one in wanted if one.key not in trials.verdicts]
    maps = {room: reached(room, files) for room in dict.fromkeys(room for room, _ in new)}
    print(f"{len(wanted)} mutants, {len(wanted) - len(new)} of them tried before", flush=True)
    try_all([asked(one, maps[room], given.seconds, given.also) for room, one in new], trials, given.workers)
    missed = tell(wanted, trials)
    unknown = [key for key in missed if key not in known]
    for key in unknown:
        print(f"no test catches: {key}")
    for key in (key for key in known if trials.verdicts.get(key) in ("caught", "endless")):
        print(f"now caught, take it off survivors.txt: {key}")
    print(f"{len(missed)} not caught, {len(unknown)} of them not in survivors.txt")
    return 1 if unknown else 0


if __name__ == "__main__":
    sys.exit(main())
