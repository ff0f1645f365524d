"""Envelopes of a day without the system: no slot is given twice, whoever opens them, in whatever order."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from equipoise.conduct.actions.dispatch import perform
from equipoise.conduct.actions.sign_in import Session
from equipoise.conduct.drill.report import DrillReport
from equipoise.conduct.drill.stage import DrillStage, staged
from equipoise.conduct.integrity.verify import verify
from equipoise.conduct.rows.tables import AllocationRow
from equipoise.foundation.errors import ConductError

SIZE = 4  # envelopes of each kind


def run(database: str | None, size: int | None = None) -> DrillReport:
    """Run the drill; ``size`` is how many envelopes are opened in order, out of order, returned and lost."""
    n = SIZE if size is None else size
    report = DrillReport("envelopes", "postgresql" if database else "sqlite")
    with staged(database, slots=12 * n + 10) as stage:
        pharmacist = Session("drill-pharmacy")
        people = [f"P-{k}" for k in range(6 * n)]
        stage.enter(people)

        def pharmacy(action: str, why: str = "", **given: Any) -> Any:
            return perform(stage.trial, pharmacist, action, given, why=why, pharmacy=str(stage.pharmacy))

        told = pharmacy("envelopes-reserve", "the drill", site="main", n=4 * n).answer["envelopes"]
        codes = [text.split()[1] for text in told]
        for id in people[:n]:
            stage.do("randomize", participant=id)
        online = {handle for (handle,) in stage.values(AllocationRow, ("handle",))}
        report.require(1, "slots in envelopes that the system gave", len(online & set(codes)))
        for id, code in zip(people[n : 2 * n], codes[:n], strict=True):
            _opened(stage, id, code)
        early = sum(_is_refused(stage, id, codes[-1]) for id in people[2 * n : 3 * n])
        report.require(2, "envelopes out of order refused without a reason", early, n)
        for id, code in zip(people[2 * n : 3 * n], reversed(codes[n : 2 * n]), strict=True):
            _opened(stage, id, code, why="taken from the wrong end")
        again = sum(_is_refused(stage, people[3 * n], code, why="once more") for code in codes[: 2 * n])
        report.require(3, "opened envelopes refused when recorded once more", again, 2 * n)
        pharmacy("envelopes-returned", envelopes=codes[2 * n : 3 * n], witness="drill-staff")
        pharmacy("envelopes-returned", "not in the safe", envelopes=codes[3 * n : 4 * n - 1], how="lost")
        for id in people[3 * n : 5 * n]:
            stage.do("randomize", participant=id)
        given = [handle for (handle,) in stage.values(AllocationRow, ("handle",))]
        report.require(4, "slots given twice", len(given) - len(set(given)))
        back = len(set(codes[2 * n : 3 * n]) & set(given))
        report.require(5, "slots of returned envelopes given next", back, n)
        report.require(6, "slots of lost envelopes given", len(set(codes[3 * n :]) & set(given)))
        found = verify(stage.trial)
        report.require(7, "findings of verify", len(found.findings))
        named = sum("was opened before" in note for note in found.notes)
        report.require(8, "envelopes out of order that verify names", named, n - 1)
        out = sum(" is out since " in note for note in found.notes)
        report.require(9, "envelopes still out that verify names", out, 1)
    return report.close()


def _opened(stage: DrillStage, id: str, code: str, why: str = "") -> None:
    stage.do("envelope-opened", participant=id, envelope=code, at=datetime.now(UTC).isoformat(), why=why)


def _is_refused(stage: DrillStage, id: str, code: str, why: str = "") -> bool:
    try:
        _opened(stage, id, code, why)
    except ConductError:
        return True
    return False
