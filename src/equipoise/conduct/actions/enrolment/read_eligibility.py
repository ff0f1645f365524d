"""Reading what eligibility rests on: baseline, each criterion with what decides it, the decision."""

from __future__ import annotations

from typing import Any

from equipoise.conduct.actions.context import Act, action
from equipoise.conduct.actions.grounds import decide_again, version_in_force
from equipoise.conduct.actions.permissions import ALWAYS
from equipoise.conduct.actions.repeat import run_again
from equipoise.conduct.actions.visits.participants import standing
from equipoise.conduct.actions.visits.recording import form_of, values_of
from equipoise.conduct.rules import eligibility as criteria


@action("read-eligibility", states=ALWAYS, again=run_again)
def read_eligibility(act: Act, participant: str) -> None:
    """Read the criteria of the version in force as they stand: which are met, by what, and which nobody decided."""
    protocol = version_in_force(act)
    recorded = values_of(act, "baseline", "baseline")
    row = form_of(act, "screening", "eligibility")
    was = values_of(act, "screening", "eligibility") if row is not None else {}
    open_now = criteria.decide(protocol, recorded, {})
    now = {f"{ruling.kind}.{ruling.id}": ruling for ruling in (decide_again(act, recorded) or open_now).rulings}
    known = act.protocol.model.recorded_baseline
    act.record(subject="reading eligibility", what={"criteria": len(now)})
    act.tell(
        {
            "standing": standing(act, participant),
            "decided_on": row.date if row is not None and row.state != "void" else "",
            "decision": "" if row is None else "void" if row.state == "void" else was.get("eligible", ""),
            "rulings": [
                {
                    "id": ruling.id,
                    "kind": ruling.kind,
                    "words": ruling.words,
                    "verdict": now[f"{ruling.kind}.{ruling.id}"].verdict,
                    "by": ruling.by,
                    "needs": ruling.needs,
                    "value": recorded.get(ruling.needs, ""),
                }
                for ruling in open_now.rulings
            ],
            "baseline": [_variable(id, variable, recorded) for id, variable in known.items()],
        }
    )


def _variable(id: str, variable: Any, recorded: dict[str, str]) -> dict[str, Any]:
    """A baseline variable as a form asks for it."""
    return {
        "id": id,
        "label": variable.label or id,
        "type": variable.type,
        "unit": variable.unit or "",
        "levels": list(variable.levels),
        "value": recorded.get(id, ""),
    }
