"""Clocks that go wrong: order never depends on them, a small step backwards is flagged and a large one refused."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from equipoise.conduct.actions.dispatch import perform
from equipoise.conduct.clock import Moment, SetClock
from equipoise.conduct.drill.report import DrillReport
from equipoise.conduct.drill.stage import DrillStage, staged
from equipoise.conduct.integrity.verify import verify
from equipoise.conduct.rows.tables import EventRow
from equipoise.foundation.errors import ConductError

SIZE = 5  # events at each setting of the clock


def run(database: str | None, size: int | None = None) -> DrillReport:
    """Run the drill; ``size`` is how many events are recorded at each setting of the clock."""
    n = SIZE if size is None else size
    report = DrillReport("clock", "postgresql" if database else "sqlite")
    # the night in which New York goes back from 02:00 to 01:00: 05:30 and 06:30 UTC are both 01:30 on the wall
    night = datetime(2027, 11, 7, 5, 30, tzinfo=UTC)
    settings = [
        ("on time", night - timedelta(days=300), ""),
        ("back by three minutes", night - timedelta(days=300, minutes=3), ""),
        ("a year ahead", night + timedelta(days=365), ""),
        ("before the change of the hour", night, ""),
        ("after the change of the hour", night + timedelta(hours=1), ""),
        ("the server moved to Tokyo", night + timedelta(hours=2), "Asia/Tokyo"),
        ("the server moved to Honolulu", night + timedelta(hours=3), "Pacific/Honolulu"),
    ]
    with staged(database, slots=20) as stage:
        order = []
        warned = []
        refused = 0
        for place, (name, at, zone) in enumerate(settings):
            clock = SetClock(at)
            if name == "before the change of the hour":
                # the clock was a year ahead: nothing is recorded now, until an administrator says that it is right
                refused = sum(_is_refused(stage, f"R-{count}", SetClock(at)) for count in range(n))
                said = {"why": "the clock was a year ahead", "clock": clock}
                perform(stage.trial, stage.administrator, "acknowledge-clock", {}, **said)  # type: ignore[arg-type]
            with _server_in(zone):
                for count in range(n):
                    receipt = stage.do("screen", participant=f"P{place}-{count}", site="main", clock=clock)
                    order.append((receipt.events[0], f"P{place}-{count}"))
                    if receipt.warnings:
                        warned.append(name)
        found = stage.values(
            EventRow, ("number", "participant", "at", "zone", "offset_minutes", "clock"), action="screen"
        )
        by_number = [(row[0], row[1]) for row in sorted(found)]
        report.require(
            1, "events out of the order in which they were answered", sum(a != b for a, b in zip(by_number, order))
        )
        flagged = [row for row in found if row[5]]
        # the drill's own events before the first setting were made by the true clock: one step more or less is theirs
        back = [row for row in flagged if row[1].endswith("-0")]
        report.require(
            2, "steps backwards flagged at the event that shows them", "P1-0" in {row[1] for row in back}, True
        )
        report.require(3, "events flagged that show no step backwards", len(flagged) - len(back))
        report.require(4, "told at once to the person who acts", "back by three minutes" in warned, True)
        report.require(11, "recorded by a clock a year behind the ledger", n - refused)
        local = {row[1]: Moment(_utc(row[2]), row[3], row[4]).local for row in found}
        report.require(5, "wall time before the change of the hour", local["P3-0"].strftime("%H:%M"), "01:30")
        report.require(6, "wall time an hour later", local["P4-0"].strftime("%H:%M"), "01:30")
        offsets = {row[1]: row[4] for row in found}
        report.require(7, "told apart by their offset from UTC", (offsets["P3-0"], offsets["P4-0"]), (-240, -300))
        moved = {row[3] for row in found} | {row[4] for row in found if row[1][:2] in ("P5", "P6")}
        report.require(
            8,
            "zone and offset of the site, wherever the server is",
            sorted(map(str, moved)),
            ["-300", "America/New_York"],
        )
        result = verify(stage.trial)
        report.require(9, "findings of verify", len(result.findings))
        report.require(
            10, "steps backwards in the notes of verify", any("went back" in note for note in result.notes), True
        )
    return report.close()


def _is_refused(stage: DrillStage, participant: str, clock: SetClock) -> bool:
    try:
        stage.do("screen", participant=participant, site="main", clock=clock)
    except ConductError as error:
        return error.problems[0].code == "C537"
    return False


def _utc(text: str) -> datetime:
    return datetime.fromisoformat(text)


@contextmanager
def _server_in(zone: str) -> Iterator[None]:
    """The machine's own time zone set to another one, where the system allows it."""
    if not zone or not hasattr(time, "tzset"):
        yield
        return
    before = os.environ.get("TZ")
    os.environ["TZ"] = zone
    time.tzset()
    try:
        yield
    finally:
        if before is None:
            del os.environ["TZ"]
        else:
            os.environ["TZ"] = before
        time.tzset()
