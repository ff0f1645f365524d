"""Reading a participant's records; what is quarantined is told to the safety role alone until the lock."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from equipoise.conduct.actions.context import Act, action
from equipoise.conduct.actions.infusion.infusion import RUN
from equipoise.conduct.actions.permissions import ALWAYS
from equipoise.conduct.actions.repeat import run_again
from equipoise.conduct.actions.visits.participants import standing
from equipoise.conduct.actions.visits.query import SEALED, queries_shown
from equipoise.conduct.actions.visits.recording import READS_QUARANTINED, due_of, is_seen, roles_of
from equipoise.conduct.actions.visits.visit import NOT_DONE
from equipoise.conduct.keys.quarantine import is_sealed, opened_items
from equipoise.conduct.rows.tables import FormRow, ItemRow, SignatureRow, VisitRow
from equipoise.conduct.rules.dose_places import SHEET, is_dosing

HIDDEN = "quarantined until lock"


@action("read", states=ALWAYS, again=run_again)
def read(act: Act, participant: str, visit: str = "") -> None:
    """Read a participant's records, or those of one visit: that somebody did is recorded, what they say is not."""
    sees_all = act.state.state == "locked" or bool(roles_of(act) & READS_QUARANTINED)
    key = act.quarantine if sees_all else None
    wanted: dict[str, Any] = {"participant": participant, **({"visit": visit} if visit else {})}
    forms: dict[str, dict[str, Any]] = {}
    blinding: dict[str, set[str]] = {}
    # While an infusion runs others than the nurse read that it does: a rate of 0 may come from a stop rule.
    under_way = set() if sees_all or "infusion" in roles_of(act) else _under_way(act, participant)
    rates_only, texts = roles_of(act) <= {"rater"}, act.texts
    for cell in act.trial.find(ItemRow, **wanted):
        row = ItemRow(**opened_items([cell._asdict()], key)[0]) if sees_all else cell
        # How an infusion ran may tell the arm: who rates outcomes sees nothing of it.
        if rates_only and not sees_all and is_dosing(row.visit):
            continue
        if row.form == RUN and row.visit in under_way:
            continue
        name = f"{row.visit} {row.form} {row.repeat}"
        blinding.setdefault(name, set()).add(row.blinding)
        value = row.value if not row.missing else f"({row.missing})"
        value = SEALED if is_sealed(row.value) and row.blinding != "open" else value
        shown = value if row.blinding == "open" or sees_all else HIDDEN
        if row.type == "text" and not act.reads_names:
            shown = texts.shown(shown, participant)
        forms.setdefault(name, {})[row.item] = shown
    hidden_forms = {name for name, kinds in blinding.items() if "quarantined" in kinds and not sees_all}
    states = {
        f"{row.visit} {row.form} {row.repeat}": row.state
        for row in act.trial.find(FormRow, **wanted)
        if f"{row.visit} {row.form} {row.repeat}" in forms.keys() - hidden_forms
    }
    # A count of quarantined readings, or an item left out among them, could tell as well: the form stands as one line.
    for name in hidden_forms:
        forms[name] = {"items": HIDDEN}
    if not (sees_all or "infusion" in roles_of(act)):
        # That an infusion is held before it ends, a stop rule may have brought about.
        states = {name: "running" if state == "held" else state for name, state in states.items()}
    merged: dict[str, dict[str, Any]] = {}
    for name in sorted(forms):
        if name in hidden_forms:
            merged[name.rpartition(" ")[0]] = forms[name]
        else:
            merged[name] = {**({"state": states[name]} if name in states else {}), **dict(sorted(forms[name].items()))}
    visits = {
        row.visit: {"state": row.state, "date": row.date, "study_day": row.study_day, "reason": row.reason}
        for row in act.trial.find(VisitRow, **wanted)
    }
    person = act.participant
    act.record(subject=f"reading {visit or 'all'}", what={"quarantined_shown": key is not None})
    act.tell(
        {
            "participant": participant,
            "status": person.status,
            "treatment": person.treatment,
            "follow_up": person.follow_up,
            "day_1": person.day_1,
            "consent": person.consent_version,
            "standing": standing(act, participant),
            "planned": _planned(act),
            "visits": dict(sorted(visits.items())),
            "forms": merged,
            **_about_forms(act, wanted),
            "queries": queries_shown(act, participant=participant),
            "signatures": _signatures(act, participant),
        }
    )


def _under_way(act: Act, participant: str) -> set[str]:
    """Where the records of infusions stand that have begun and not ended."""
    return set(act.trial.column(FormRow, "visit", participant=participant, form=SHEET, state__in=("running", "held")))


def _about_forms(act: Act, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Of open forms: the dates they stand for, which were not done, and which are calendars of days."""
    open_ = {id for id, entry in act.protocol.model.assessments.items() if entry.blinding == "open"}
    therapies = set(act.protocol.model.interventions)
    rows = [row for row in act.trial.find(FormRow, **wanted) if row.form in open_ | therapies]
    return {
        "daily": sorted(id for id in open_ if act.protocol.model.assessments[id].type == "daily-use"),
        "dates": {f"{row.visit} {row.form} {row.repeat}": row.date for row in rows if row.date},
        "not_done": {f"{row.visit} {row.form}": row.reason for row in rows if row.state == NOT_DONE},
    }


def _planned(act: Act) -> list[dict[str, Any]]:
    """The planned visits in dates, with what each asks; none while study day 1 is not known."""
    if not act.participant.day_1:
        return []
    return [
        {
            "visit": due.name,
            "target_day": due.visit.target_day,
            "first": due.first.isoformat(),
            "target": due.target.isoformat(),
            "last": due.last.isoformat(),
            "assess": [name for name in due.visit.assess if is_seen(act, name)],
        }
        for due in due_of(act).values()
    ]


def _signatures(act: Act, participant: str) -> list[dict[str, Any]]:
    """Signatures over the participant's records as they are shown: who, when, what it means, whether it stands."""
    names = ("signature", "subject", "person", "account", "role", "meaning", "at", "state", "visit")
    rows = act.trial.values(SignatureRow, names, participant=participant)
    found = [dict(zip(names, row, strict=True)) for row in rows]
    if roles_of(act) <= {"rater"}:
        found = [row for row in found if not is_dosing(row["visit"])]
    return sorted(found, key=lambda row: str(row["at"]))
