"""Queries: questions about what was recorded; asked, answered, closed, asked again. None changes a datum.

A query that an edit check asks is opened with the datum it is about, where somebody confirmed an unusual answer. A
query on what is quarantined is the safety role's alone: its text and its answers are sealed like the values.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from equipoise.conduct.actions.context import Act, action
from equipoise.conduct.actions.permissions import ALWAYS
from equipoise.conduct.actions.repeat import run_again
from equipoise.conduct.actions.visits.recording import READS_QUARANTINED
from equipoise.conduct.keys.quarantine import TEXT_LENGTH, is_sealed, place_of_query
from equipoise.conduct.rows.tables import ItemRow, ParticipantRow, QueryRow, VisitRow
from equipoise.conduct.rules.dose_places import is_dosing
from equipoise.conduct.rules.form_items import Form
from equipoise.conduct.rules.forms import Filling, item_of
from equipoise.foundation.errors import listed

CODES = {
    "C628": "A query is about something that is not recorded, or has no text.",
    "C629": "The state of the query does not allow this.",
}
_RUNNING = ("open", "frozen")
STATES = ("unclosed", "open", "answered", "closed", "all")
SEALED = "sealed: add --safety FOLDER"


def new_query(act: Act, number: int, **columns: Any) -> dict[str, Any]:
    """The row of a query, the ``number``-th of this action."""
    count = act.trial.count(QueryRow)
    return {
        "query": f"Q-{count + number:04d}",
        "participant": act.participant.participant,
        "asked_at": act.now.text,
        "first_event": act.writer.number + 1,
        **columns,
    }


def asked_by_checks(
    act: Act, visit: str, form: Form, filling: Filling, repeat: int = 1, items: Collection[str] | None = None
) -> dict[str, list[dict[str, Any]]]:
    """Rows of queries on answers that a check found unusual and somebody confirmed; of ``items`` alone, if given.

    None for a quarantined form: that there is a question would tell that the answer is unusual. What was confirmed
    stands there among the sealed items.
    """
    if form.blinding != "open":
        return {}
    rows: list[dict[str, Any]] = []
    for problem in filling.accepted:
        item = item_of(form, problem)
        if items is not None and item not in items:
            continue
        text = f"{problem.found} Expected: {problem.expected}. It was confirmed when it was entered."
        rule = next((_rule(id) for id, found in filling.fired.items() if found is problem), problem.code)
        if rule.startswith(_CHECK) and _is_asked(act, visit, item, rule):
            continue
        rows.append(
            new_query(act, len(rows) + 1, visit=visit, form=form.id, repeat=repeat, item=item, rule=rule, text=text)
        )
    return {"query": rows} if rows else {}


def _is_asked(act: Act, visit: str, item: str, rule: str) -> bool:
    """Whether the check has asked about the item already, and is not answered for good."""
    return act.trial.has(
        QueryRow, participant=act.participant.participant, visit=visit, item=item, rule=rule, state__not="closed"
    )


UNUSUAL = "C575"
_CHECK = "check "


def _rule(id: str) -> str:
    """The rule of a query that a check of the protocol asked."""
    return f"{_CHECK}{id}"


def settled_by(
    act: Act, visit: str, form: Form, filling: Filling | None, repeat: int = 1, checks: Collection[str] = ()
) -> dict[str, list[dict[str, Any]]]:
    """Rows that close queries which a check asked and whose cause is gone: the answers are no longer unusual.

    ``checks`` are those of the protocol that were looked at again. Without ``filling`` the form was taken back, and
    what was asked about it is closed.
    """
    rows = act.trial.values(
        QueryRow,
        ("query", "form", "repeat", "item", "rule", "first_event"),
        participant=act.participant.participant,
        visit=visit,
        state__not="closed",
        blinding="open",
        asked_by="",
    )
    unusual = {item_of(form, p) for p in filling.accepted if p.code == UNUSUAL} if filling is not None else set()
    out = []
    for query, of, number, item, rule, first_event in rows:
        mine = of == form.id and number == repeat
        if filling is None:
            gone = mine and (rule == UNUSUAL or rule.startswith(_CHECK))
        elif rule.startswith(_CHECK):
            id = rule.removeprefix(_CHECK)
            gone = id in checks and id not in filling.fired
        else:
            gone = mine and rule == UNUSUAL and item not in unusual
        if gone:
            who = {"query": query, "participant": act.participant.participant, "first_event": first_event}
            out.append({**who, "state": "closed", "closed_by": "", "closed_at": act.now.text})
    return {"query": out} if out else {}


@action("query", states=_RUNNING)
def query(
    act: Act, participant: str, text: str, visit: str = "", form: str = "", item: str = "", repeat: int = 1
) -> None:
    """Ask about what was recorded of a participant: at a visit, of a form, of an item, or in general."""
    if not text.strip():
        act.refuse("C628", "text", "Nothing is asked.", "a question in words")
    blinding = _blinding(act, visit, form, item, repeat)
    row = new_query(
        act,
        1,
        visit=visit,
        form=form,
        repeat=repeat,
        item=item,
        blinding=blinding,
        text=text.strip(),
        asked_by=act.session.account,
    )
    if blinding != "open":
        if not act.roles & READS_QUARANTINED:
            act.refuse("C600", form, "It may reveal the arm.", "an account of the role safety")
        act.hide("text", "item")
        said = {"text": row["text"], "item": item}
        row |= {"item": "", "text": act.sealer.seal(place_of_query(row, "text"), said, act.entropy, length=TEXT_LENGTH)}
    act.record(
        subject=f"query {row['query']}",
        what={"put": {"query": [row]}},
        answer={"query": row["query"], "participant": participant, "state": "open"},
    )


def _blinding(act: Act, visit: str, form: str, item: str, repeat: int) -> str:
    """The class of what is asked about; C628 where it is not recorded."""
    person = act.participant.participant
    if (item and not form) or (form and not visit):
        act.refuse("C628", item or form, "Neither visit nor form is named.", "visit=... form=... item=...")
    if visit and not form and act.trial.first(VisitRow, participant=person, visit=visit, repeat=repeat) is None:
        act.refuse("C628", visit, "No such visit is recorded.", "a visit that was recorded")
    if not form:
        return "open"
    rows = dict(
        act.trial.values(ItemRow, ("item", "blinding"), participant=person, visit=visit, form=form, repeat=repeat)
    )
    if not rows or (item and item not in rows):
        act.refuse(
            "C628",
            f"{visit} {form} {item}".strip(),
            "Nothing is recorded there.",
            listed(sorted(rows)) if rows else "a form that was recorded",
        )
    return next((blinding for blinding in rows.values() if blinding != "open"), "open")


def _found(act: Act, query: str, *states: str) -> Any:
    """The row of a query that this account may see, in one of ``states``."""
    row = act.trial.first(QueryRow, query=query)
    if row is None or not _sees(act, row):
        act.refuse("C014", query, "There is no such query here.", "a query of the account's sites")
    if row.state not in states:
        act.refuse("C629", query, f"It is {row.state}.", listed(states))
    return row


def _sees(act: Act, row: Any) -> bool:
    if row.blinding != "open" and not act.roles & READS_QUARANTINED:
        return False
    # How an infusion ran may tell the arm: who rates outcomes sees nothing of it.
    return not (act.roles <= {"rater"} and is_dosing(row.visit))


def _changed(act: Act, row: Any, **columns: Any) -> None:
    put = {
        "query": row.query,
        "participant": row.participant,
        "blinding": row.blinding,
        "first_event": row.first_event,
        **columns,
    }
    act.record(
        subject=f"query {row.query}",
        what={"put": {"query": [put]}},
        answer={"query": row.query, "participant": row.participant, "state": columns["state"]},
    )


@action("query-answer", states=_RUNNING)
def query_answer(act: Act, query: str, text: str) -> None:
    """Answer a query. The answer changes nothing: a datum is corrected by the action correct, with its reason."""
    row = _found(act, query, "open", "answered")
    if not text.strip():
        act.refuse("C628", "text", "Nothing is answered.", "an answer in words")
    answer = text.strip()
    if row.blinding != "open":
        act.hide("text")
        place = place_of_query(row._asdict(), "answer")
        answer = act.sealer.seal(place, {"text": answer}, act.entropy, length=TEXT_LENGTH)
    _changed(act, row, state="answered", answer=answer, answered_by=act.session.account, answered_at=act.now.text)


@action("query-close", states=_RUNNING)
def query_close(act: Act, query: str) -> None:
    """Close a query; one that nobody answered with the reason."""
    row = _found(act, query, "open", "answered")
    if row.state == "open":
        act.require_why("A query was closed unanswered")
    _changed(act, row, state="closed", closed_by=act.session.account, closed_at=act.now.text)


@action("query-reopen", states=_RUNNING, why=True)
def query_reopen(act: Act, query: str) -> None:
    """Ask a query again, with the reason: the answer does not settle it."""
    row = _found(act, query, "answered", "closed")
    _changed(act, row, state="open", closed_by="", closed_at="")


def queries_shown(act: Act, **where: Any) -> list[dict[str, Any]]:
    """Queries that this account may see, oldest first, each with its age in days; sealed ones opened if they can be."""
    out = []
    one = {"participant": where["participant"]} if "participant" in where else {}
    site_of = dict(act.trial.values(ParticipantRow, ("participant", "site"), **one))
    for row in act.trial.find(QueryRow, **where):
        until = row.closed_at or act.now.text
        if not _sees(act, row):
            continue
        opened = {name: _opened(act, row, name) for name in ("text", "answer")}
        out.append(
            {
                "query": row.query,
                "site": site_of.get(row.participant, ""),
                "participant": row.participant,
                "visit": row.visit,
                "form": row.form,
                "repeat": row.repeat,
                "item": opened["text"].get("item", row.item),
                "state": row.state,
                "days": (_moment(until) - _moment(row.asked_at)).days,
                "asked_by": row.asked_by or row.rule,
                "asked_at": row.asked_at,
                "text": opened["text"]["text"],
                "answered_by": row.answered_by,
                "answer": opened["answer"]["text"],
            }
        )
    return sorted(out, key=lambda row: (row["site"], row["asked_at"], row["query"]))


def _opened(act: Act, row: QueryRow, column: str) -> dict[str, Any]:
    text = getattr(row, column)
    if row.blinding == "open" or not is_sealed(text):
        return {"text": text}
    key = act.quarantine
    return key.open(place_of_query(row._asdict(), column), text) if key is not None else {"text": SEALED}


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


@action("queries", states=ALWAYS, again=run_again)
def queries(act: Act, site: str = "", state: str = "unclosed") -> None:
    """List queries by site and age: those not closed, or of one state (open, answered, closed, all)."""
    if state not in STATES:
        act.refuse("C629", "state", f"Found {state!r}.", listed(STATES))
    where = {"all": {}, "unclosed": {"state__not": "closed"}}.get(state, {"state": state})
    sites = [site] if site else act.sites
    found = [row for row in queries_shown(act, **where) if not sites or row["site"] in sites]
    act.record(subject=f"queries {state}", what={"listed": len(found)})
    act.tell({"queries": found})
