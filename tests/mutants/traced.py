"""Which test reaches which line: a plugin of pytest that measures coverage test by test, and reads what it measured.

What a fixture runs that several tests share (a simulated trial, a session) counts for each of these tests, also for
those that find it made.
"""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import coverage
import pytest

HERE = Path(__file__).resolve().parent
SOURCE = HERE.parents[1] / "src" / "equipoise"


class Tracer:
    """The plugin: one context a test, and one for each fixture that tests share."""

    def __init__(self, rooms: list[str], out: Path) -> None:
        self.out = out
        self.data = out.with_suffix(".coverage")
        folders = [str(SOURCE / room / "*") for room in rooms]
        self.coverage = coverage.Coverage(data_file=str(self.data), include=folders, branch=False)
        self.seconds: dict[str, float] = defaultdict(float)
        self.fixtures: dict[str, list[str]] = {}
        self.stack = ["(import)"]

    def pytest_sessionstart(self) -> None:
        """Begin before any module of the package is imported."""
        self.coverage.erase()
        self.coverage.start()
        self.coverage.switch_context(self.stack[0])

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        """What runs now is this test's."""
        self.fixtures[item.nodeid] = list(getattr(item, "fixturenames", ()))
        yield from self._within(item.nodeid)

    @pytest.hookimpl(hookwrapper=True)
    def pytest_fixture_setup(self, fixturedef: Any) -> Iterator[None]:
        """What a shared fixture runs is of all tests that use it."""
        if fixturedef.scope == "function":
            yield
        else:
            yield from self._within(f"fixture {fixturedef.argname}")

    def _within(self, context: str) -> Iterator[None]:
        self.stack.append(context)
        self.coverage.switch_context(context)
        begun = time.process_time()  # of the processor: a busy machine makes no test slower
        yield
        spent = time.process_time() - begun
        self.seconds[context] += spent
        self.stack.pop()
        self.seconds[self.stack[-1]] -= spent  # what waited for it did not take this time
        self.coverage.switch_context(self.stack[-1])

    def pytest_sessionfinish(self) -> None:
        """Write what was seen, as one file that needs no database to read."""
        self.coverage.stop()
        self.coverage.save()
        data = self.coverage.get_data()
        contexts = sorted(data.measured_contexts())
        place = {name: i for i, name in enumerate(contexts)}
        lines = {
            str(Path(file).relative_to(SOURCE)): {
                str(line): [place[one] for one in names] for line, names in data.contexts_by_lineno(file).items()
            }
            for file in sorted(data.measured_files())
        }
        made = {"contexts": contexts, "seconds": self.seconds, "fixtures": self.fixtures, "lines": lines}
        self.out.write_text(json.dumps(made), "utf-8")
        self.data.unlink(missing_ok=True)


@dataclass(frozen=True)
class Reached:
    """Which tests reach a line, and what each costs."""

    lines: dict[str, dict[int, frozenset[str]]]  # file -> line -> contexts
    users: dict[str, frozenset[str]]  # a context -> the tests that need it
    seconds: dict[str, float]  # of each test and of each shared fixture, by itself
    fixtures: dict[str, tuple[str, ...]]  # a test -> the contexts of the shared fixtures it needs

    @classmethod
    def read(cls, path: Path) -> Reached:
        """From the file that the plugin wrote."""
        made = json.loads(path.read_text("utf-8"))
        names = made["contexts"]
        lines = {
            file: {int(line): frozenset(names[i] for i in found) for line, found in of.items()}
            for file, of in made["lines"].items()
        }
        users: dict[str, set[str]] = defaultdict(set)
        fixtures = {}
        for test, given in made["fixtures"].items():
            shared = (f"fixture {name}" for name in given)
            fixtures[test] = tuple(name for name in shared if name in made["seconds"])
            for context in (test, *fixtures[test]):
                users[context].add(test)
        seconds = {name: max(spent, 0.0) for name, spent in made["seconds"].items()}
        return cls(lines, {name: frozenset(tests) for name, tests in users.items()}, seconds, fixtures)

    def tests(self, file: str, lines: range | None = None) -> set[str]:
        """The tests that reach one of these lines of a file; without lines, that reach any function of it."""
        of = self.lines.get(file, {})
        contexts = frozenset[str]().union(*(of.get(line, ()) for line in (of if lines is None else lines)))
        return {test for name in contexts for test in self.users.get(name, ())}

    def in_time(self, tests: set[str], budget: float) -> tuple[list[str], float]:
        """The quickest tests first, as many as the budget allows (one at least), and the seconds they should take."""

        def alone(test: str) -> float:
            return self.seconds[test] + sum(self.seconds[name] for name in self.fixtures[test])

        chosen: list[str] = []
        made: set[str] = set()
        total = 0.0
        for test in sorted(tests, key=lambda test: (alone(test), test)):
            new = set(self.fixtures[test]) - made
            cost = self.seconds[test] + sum(self.seconds[name] for name in new)
            if not chosen or total + cost <= budget:
                chosen.append(test)
                made |= new
                total += cost
        return chosen, total


def main(rooms: list[str], tests: list[str], out: Path) -> int:
    """Run tests and note what they reach."""
    arguments = ["-q", "-p", "no:cacheprovider", "--hypothesis-seed=0", "-m", "not characteristics", *tests]
    return int(pytest.main(arguments, plugins=[Tracer(rooms, out)]))


if __name__ == "__main__":
    import sys

    sys.path[0] = str(HERE.parents[1])  # as `python -m pytest` has it
    given = json.loads(sys.argv[1])
    sys.exit(main(given["rooms"], given["tests"], Path(given["out"])))
