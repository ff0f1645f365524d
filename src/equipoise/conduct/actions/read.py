"""Reading a participant's records; what is quarantined is told to the safety role alone until the lock."""

from __future__ import annotations

from typing import Any

from equipoise.conduct.actions.door import Act, action
from equipoise.conduct.actions.recording import READS_QUARANTINED, roles_of

_ALWAYS = ("open", "paused", "frozen", "locked")
HIDDEN = "quarantined until lock"


@action("read", states=_ALWAYS)
def read(act: Act, participant: str, visit: str = "") -> None:
    """Read a participant's records, or those of one visit: that somebody did is recorded, what they say is not."""
    from equipoise.conduct.store.models import Form, ItemValue, Visit

    sees_all = act.state.state == "locked" or bool(roles_of(act) & READS_QUARANTINED)
    wanted = {"participant": participant, **({"visit": visit} if visit else {})}
    forms: dict[str, dict[str, Any]] = {}
    blinding: dict[str, set[str]] = {}
    rates_only = roles_of(act) <= {"rater"}
    for row in ItemValue.objects.filter(**wanted):
        # How an infusion ran may tell the arm: who rates outcomes sees nothing of it.
        if rates_only and not sees_all and row.visit.startswith("infusion-day-"):
            continue
        name = f"{row.visit} {row.form} {row.repeat}"
        blinding.setdefault(name, set()).add(row.blinding)
        value = row.value if not row.missing else f"({row.missing})"
        shown = value if row.blinding == "open" or sees_all else HIDDEN
        forms.setdefault(name, {})[row.item] = shown
    hidden_forms = {name for name, kinds in blinding.items() if "quarantined" in kinds and not sees_all}
    states = {
        f"{row.visit} {row.form} {row.repeat}": row.state
        for row in Form.objects.filter(**wanted)
        if f"{row.visit} {row.form} {row.repeat}" in forms.keys() - hidden_forms
    }
    # A count of quarantined readings, or an item left out among them, could tell as well: the form stands as one line.
    for name in hidden_forms:
        forms[name] = {"items": HIDDEN}
    merged: dict[str, dict[str, Any]] = {}
    for name in sorted(forms):
        if name in hidden_forms:
            merged[name.rpartition(" ")[0]] = forms[name]
        else:
            merged[name] = {**({"state": states[name]} if name in states else {}), **dict(sorted(forms[name].items()))}
    visits = {
        row.visit: {"state": row.state, "date": row.date, "study_day": row.study_day, "reason": row.reason}
        for row in Visit.objects.filter(**wanted)
    }
    person = act.participant
    act.record(subject=f"reading {visit or 'all'}", what={"quarantined_shown": sees_all})
    act.tell(
        {
            "participant": participant, "status": person.status, "treatment": person.treatment,
            "follow_up": person.follow_up, "day_1": person.day_1, "consent": person.consent_version,
            "visits": dict(sorted(visits.items())), "forms": merged,
        }
    )  # fmt: skip
