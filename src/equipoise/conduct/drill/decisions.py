"""Decisions whose grounds have changed: none is acted on, and whatever was wrong can be put right."""

from __future__ import annotations

from equipoise.conduct.clock import SystemClock
from equipoise.conduct.drill.report import DrillReport
from equipoise.conduct.drill.stage import DrillStage, staged
from equipoise.conduct.integrity.verify import verify
from equipoise.conduct.rows.tables import AllocationRow, FormRow, ParticipantRow, QueryRow
from equipoise.foundation.errors import ConductError

SIZE = 5  # participants of each kind


def run(database: str | None, size: int | None = None) -> DrillReport:
    """Run the drill; ``size`` is how many participants of each kind are tried."""
    n = SIZE if size is None else size
    report = DrillReport("decisions", "postgresql" if database else "sqlite")
    with staged(database, slots=4 * n + 4) as stage:
        children = [f"C-{k}" for k in range(n)]
        for id in children:
            _found_eligible(stage, id, age=41)
            stage.do("baseline", participant=id, values={"age": 16}, why="birth date misread")
        report.require(1, "randomized after the age was corrected to 16", _randomized(stage, children))
        void = sum(row[0] == "void" for row in stage.values(FormRow, ("state",), form="eligibility"))
        report.require(2, "decisions made void by the corrected value", void, n)
        for id in children:
            stage.do("baseline", participant=id, values={"age": 42}, why="it was the other birth date")
            stage.do("eligibility", participant=id, attested={"dependent": True, "seeking": True})
        report.require(3, "randomized once value and decision were right", _randomized(stage, children), n)
        unasked = [f"U-{k}" for k in range(n)]
        for id in unasked:
            _found_eligible(stage, id, age=41, route=False)
        report.require(4, "randomized without a covariate and without a reason", _randomized(stage, unasked))
        for id in children:
            stage.do("baseline", participant=id, values={"age": 17}, why="the identity card says so")
        asked = stage.count(QueryRow, rule="C514")
        report.require(5, "queries after a correction that came after randomization", asked, n)
        left = stage.count(AllocationRow, state="given")
        report.require(6, "allocations that stand", left, n)
        for id in children:
            stage.do("withdraw", participant=id, why="another participant's")
            stage.do("entered-in-error", participant=id, visit="disposition", form="disposition", why="wrong person")
        back = stage.count(ParticipantRow, follow_up="in", status="randomized")
        report.require(7, "participants followed again once a withdrawal was taken back", back, n)
        report.require(8, "findings of verify", len(verify(stage.trial).findings))
    return report.close()


def _found_eligible(stage: DrillStage, id: str, *, age: int, route: bool = True) -> None:
    """Screened, consented and found eligible by the actions themselves."""
    values = {"age": age, **({"route": "intranasal"} if route else {})}
    clock = SystemClock()
    stage.do("screen", participant=id, site="main", clock=clock)
    stage.do("consent", participant=id, version="1", clock=clock)
    stage.do("baseline", participant=id, values=values, clock=clock)
    stage.do("eligibility", participant=id, attested={"dependent": True, "seeking": True}, clock=clock)


def _randomized(stage: DrillStage, ids: list[str]) -> int:
    done = 0
    for id in ids:
        try:
            stage.do("randomize", participant=id)
            done += 1
        except ConductError:
            continue
    return done
