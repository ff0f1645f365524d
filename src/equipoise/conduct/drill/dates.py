"""Times out of order: each kind of typed time is tried before what it must follow and after now, and none is taken."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from equipoise.conduct.clock import SetClock
from equipoise.conduct.drill.report import DrillReport
from equipoise.conduct.drill.stage import DrillStage, staged
from equipoise.conduct.integrity.verify import verify
from equipoise.foundation.errors import ConductError

SIZE = 1  # participants


def run(database: str | None, size: int | None = None) -> DrillReport:
    """Run the drill; ``size`` is how many participants are tried."""
    n = SIZE if size is None else size
    report = DrillReport("dates", "postgresql" if database else "sqlite")
    begin = datetime.now(UTC) + timedelta(days=2)
    clock = SetClock(begin)
    taken: list[str] = []
    tried = 0
    with staged(database, slots=n + 4) as stage:
        for k in range(n):
            id = f"D-{k}"
            clock.at = max(clock.at, begin)
            stage.do("screen", participant=id, site="main", clock=clock)
            for on in (-60, 1):
                tried += 1
                taken += _taken(stage, clock, "consent", on, participant=id, version="1")
            stage.do("consent", participant=id, version="1", clock=clock)
            stage.do("baseline", participant=id, values={"age": 41, "route": "intranasal"}, clock=clock)
            stage.do("eligibility", participant=id, attested={"dependent": True, "seeking": True}, clock=clock)
            stage.do("day-1", participant=id, clock=clock)
            clock.at += timedelta(days=1)
            tried += 1
            taken += _attempt(stage, SetClock(clock.at - timedelta(days=40)), "randomize", participant=id)
            stage.do("randomize", participant=id, clock=clock)
            clock.at += timedelta(days=8)
            stage.do("visit", participant=id, visit="day-9", why="a drill", clock=clock)
            later: list[tuple[str, dict[str, Any]]] = [
                ("visit", {"visit": "unscheduled-1"}),
                ("weight", {"kg": "70"}),
                ("session", {"session": 1, "delivered": True, "minutes": "60"}),
                ("complete", {}),
                ("discontinue", {}),
                ("lost", {}),
                ("withdraw", {}),
                ("death", {}),
                ("day-1", {}),
            ]
            for action, given in later:
                for on in (-30, 1):
                    tried += 1
                    taken += _taken(stage, clock, action, on, participant=id, **given)
            today = clock.at.date()
            for onset, aware in ((-30, 0), (1, 0), (0, -1)):
                tried += 1
                told = {"onset": (today + timedelta(days=onset)).isoformat(), "term": "nausea", "severity": "mild"}
                if aware:
                    told["aware"] = f"{(today + timedelta(days=aware)).isoformat()}T10:00"
                taken += _attempt(stage, clock, "adverse-event", participant=id, **told)
            late = [
                ("visit", {"visit": "discharge", "on": (today - timedelta(days=5)).isoformat()}),
                ("weight", {"kg": "70", "on": (today - timedelta(days=1)).isoformat()}),
            ]
            stage.do("withdraw", participant=id, why="moved", clock=clock)
            clock.at += timedelta(days=3)
            entered = [got for action, given in late for got in _attempt(stage, clock, action, participant=id, **given)]
            report.require(3 + 2 * k, "entered late of before a withdrawal", len(entered), len(late))
            after = _attempt(stage, clock, "visit", participant=id, visit="day-12")
            report.require(4 + 2 * k, "visits taken after a withdrawal", len(after))
        report.require(1, f"times out of order taken, of {tried} tried", ", ".join(taken), "")
        report.require(2, "findings of verify", len(verify(stage.trial).findings))
    return report.close()


def _taken(stage: DrillStage, clock: SetClock, action: str, days: int, **given: Any) -> list[str]:
    """The action tried on a day so many days from today; its name where it was taken."""
    on = (clock.at.date() + timedelta(days=days)).isoformat()
    return _attempt(stage, clock, action, **given, on=on)


def _attempt(stage: DrillStage, clock: SetClock, action: str, **given: Any) -> list[str]:
    try:
        stage.do(action, why="a drill", clock=clock, **given)
    except ConductError:
        return []
    return [f"{action} {given.get('on', '')}".strip()]
