"""Questions that more than one table answers together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from equipoise.conduct.rows.find import Rows


def _here(device: str | None) -> tuple[str, tuple[Any, ...]]:
    """Events recorded on one machine, or by no machine in particular; all of them where none is named."""
    return ("", ()) if device is None else (" AND e.device IN ('', %s)", (device,))


class FilledItem(NamedTuple):
    """A value beside the filling that it stands in."""

    visit: str
    repeat: int
    state: str
    date: str
    item: str
    value: str
    missing: str
    blinding: str


def filled_items(
    rows: Rows, participant: str, form: str, *, items: Sequence[str] = (), states: Sequence[str] = ()
) -> list[FilledItem]:
    """Values of a participant's form, of every visit: all items or some, of fillings in all states or some."""
    statement = (
        "SELECT f.visit, f.repeat, f.state, f.date, i.item, i.value, i.missing, i.blinding FROM form f JOIN item i"
        " ON i.participant = f.participant AND i.visit = f.visit AND i.form = f.form AND i.repeat = f.repeat"
        " WHERE f.participant = %s AND f.form = %s"
    )
    for column, among in (("i.item", items), ("f.state", states)):
        if among:
            statement += f" AND {column} IN ({', '.join(['%s'] * len(among))})"
    return [FilledItem(*row) for row in rows.run(statement, (participant, form, *items, *states))]


class GivenEvent(NamedTuple):
    """An event that gave a slot, with the last event of its request, after which its anchor stands."""

    number: int
    participant: str
    what: str
    at: str
    last: int
    hash: str


def events_that_gave(rows: Rows, actions: Sequence[str], *, device: str | None) -> list[GivenEvent]:
    """Events of these actions about a participant, in the order of numbers; of one machine, or (``None``) of all."""
    here, parameters = _here(device)
    statement = (
        "SELECT e.number, e.participant, e.what, e.at, l.number, l.hash FROM event e JOIN event l ON l.number ="
        " (SELECT MAX(number) FROM event r WHERE r.request = e.request)"
        f" WHERE e.action IN ({', '.join(['%s'] * len(actions))}) AND e.participant <> ''{here} ORDER BY e.number"
    )
    return [GivenEvent(*row) for row in rows.run(statement, (*actions, *parameters))]


def receipts_of(rows: Rows, *, device: str | None) -> list[int]:
    """Numbers of the receipts given, by one machine or (``None``) by all, in order."""
    here, parameters = _here(device)
    statement = f"SELECT a.receipt FROM allocation a JOIN event e ON e.number = a.event_number WHERE 1 = 1{here}"
    return sorted(number for (number,) in rows.run(statement, parameters))


class LastOfRequest(NamedTuple):
    """The last event of a request."""

    number: int
    hash: str
    at: str
    action: str


def last_of_requests(rows: Rows, actions: Sequence[str], *, device: str | None) -> list[LastOfRequest]:
    """The last event of every request that did one of these actions, on one machine or (``None``) on all."""
    here, parameters = _here(device)
    statement = (
        "SELECT l.number, l.hash, l.at, l.action FROM event l JOIN"
        " (SELECT e.request, MAX(e.number) AS last FROM event e"
        f" WHERE e.action IN ({', '.join(['%s'] * len(actions))}){here} GROUP BY e.request) g ON l.number = g.last"
    )
    return [LastOfRequest(*row) for row in rows.run(statement, (*actions, *parameters))]


def last_sealed_after(rows: Rows, number: int) -> int:
    """The last sealed entry of an event after ``number``, the sealing of the lists apart; 0 where there is none."""
    statement = (
        "SELECT MAX(s.number) FROM sealed_event s JOIN event e ON e.number = s.event_number"
        " WHERE e.action <> 'lists-sealed' AND e.number > %s"
    )
    ((found,),) = rows.run(statement, (number,))
    return int(found or 0)
