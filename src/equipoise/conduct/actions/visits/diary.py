"""The participant's own diary: a personal link, a PIN, days told by the participant, and who reads them.

A link is an account of its own, of the role participant, that reaches one participant and does nothing else. What is
told in it stands in the same places as what staff record (the daily-use calendar, the line for craving), by an event of
the participant; it is never written over, and corrected by staff with a reason.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from equipoise.conduct.actions.context import Act, action
from equipoise.conduct.actions.permissions import ALWAYS, PARTICIPANT
from equipoise.conduct.actions.repeat import run_again
from equipoise.conduct.actions.turns import local_date_of
from equipoise.conduct.actions.visits.due import today_at
from equipoise.conduct.actions.visits.recording import (
    day_1_of,
    due_of,
    filled_rows,
    form_of,
    joined,
    raise_problems,
    repeats_of,
    values_of,
)
from equipoise.conduct.actions.visits.visit import day_rows
from equipoise.conduct.entropy import code
from equipoise.conduct.keys.credentials import credential_digest, hashed
from equipoise.conduct.rows.tables import IN_ERROR, AccountRow, CredentialRow, EventRow, FormRow, VisitRow
from equipoise.conduct.rules import diary as rules
from equipoise.conduct.rules import forms, windows
from equipoise.conduct.rules.status import IN_TRIAL
from equipoise.foundation.errors import ConductError, Problem, listed, raise_if_any

_ENDED = ("withdrawn", "dead")
_SHOWN = 60  # days of the diary that are shown back


def link_of(trial: Any, link: str) -> tuple[str, str]:
    """The account and the participant of a link in use; ("", "") where there is none, whichever part is wrong."""
    number, secret = rules.link_parts(link)
    found = trial.values(EventRow, ("what", "participant"), number=number, action="diary-link")
    if not found or not found[0][0]:
        return "", ""
    said = json.loads(found[0][0])
    if not rules.is_link(secret, said.get("link", "")):
        return "", ""
    name = said["answer"]["account"]
    account = trial.first(AccountRow, account=name)
    if account is None or account.state != "active" or account.roles != PARTICIPANT:
        return "", ""
    return name, found[0][1]


def has_pin(trial: Any, account: str) -> bool:
    """Whether the account of a link has its PIN."""
    return bool(trial.has(CredentialRow, account=account))


def passphrase_of(link: str, pin: str) -> str:
    """What signs a participant in: the secret of the link and the PIN together."""
    return f"{rules.link_parts(link)[1]} {pin}"


def _accounts(act: Act) -> list[tuple[str, str]]:
    """Accounts of the participant's links, with their state."""
    return act.trial.values(
        AccountRow, ("account", "state"), person=act.participant.participant, roles=PARTICIPANT, order=("event_number",)
    )


def _told_once(act: Act, numbers: Sequence[int]) -> str:
    """The link is kept nowhere, and a new one would not be what the request asked for."""
    return "the link was told once and is kept nowhere: diary-link gives another"


@action("diary-link", again=_told_once)
def diary_link(act: Act, participant: str) -> None:
    """Give the participant a personal link, to the consent and the diary, told once; an earlier one ends with it.

    The PIN is chosen by the participant when the link is first opened.
    """
    if act.course.phase not in ("screened", "consented", "eligible", *IN_TRIAL) or act.course.follow_up in _ENDED:
        act.refuse("C501", participant, f"The participant {act.course.words}.", "a screened participant in follow-up")
    secret = code(act.entropy, 6)
    known = set(act.trial.column(AccountRow, "account"))
    number = next(n for n in range(1, len(known) + 2) if f"{participant}.diary-{n}" not in known)
    name = f"{participant}.diary-{number}"
    ended = [{"account": account, "state": "disabled"} for account, state in _accounts(act) if state == "active"]
    made = {"account": name, "person": participant, "roles": PARTICIPANT}
    entry = act.record(
        subject=f"account {name}",
        what={"link": rules.link_digest(secret), "put": {"account": [*ended, made]}},
        answer={"participant": participant, "account": name, "ended": len(ended)},
    )
    act.tell({"link": f"{entry.number}-{secret}"})


@action("diary-link-end", states=ALWAYS, why=True)
def diary_link_end(act: Act, participant: str) -> None:
    """End the participant's link to the diary at once: a phone was lost, or seen by others. Nothing told is lost."""
    ended = [{"account": account, "state": "disabled"} for account, state in _accounts(act) if state == "active"]
    if not ended:
        act.refuse("C650", participant, "There is no link to the diary in use.", "a link that was given: diary-link")
    act.record(
        subject="diary link ended",
        what={"put": {"account": ended}},
        answer={"participant": participant, "ended": len(ended)},
    )


@action("diary-pin", states=ALWAYS, private=("link", "pin"), protocol=False)
def diary_pin(act: Act, participant: str, link: str, pin: str) -> None:
    """Choose the PIN, once, when the link is first opened; a forgotten one needs a new link."""
    account, person = link_of(act.trial, link)
    if account != act.session.account or person != participant:
        act.refuse("C650", "link", "The link is not right.", "the whole link, as it was given")
    if has_pin(act.trial, account):
        act.refuse(
            "C651", "pin", "The PIN is chosen already.", "the PIN as it was chosen", "Forgotten: ask at the clinic."
        )
    raise_if_any(ConductError, rules.check_pin(pin))
    encoded = hashed(passphrase_of(link, pin), act.entropy)
    row = {"account": account, "credential": credential_digest(encoded), "refusals": 0}
    entry = act.record(
        subject=f"account {account}", what={"put": {"account": [row]}}, answer={"participant": participant}
    )
    act.writer.set_credential(account, encoded, entry.number)


@action("diary")
def diary(
    act: Act,
    participant: str,
    on: date,
    used: dict[str, Any],
    amounts: dict[str, Any] | None = None,
    units: dict[str, Any] | None = None,
    craving: dict[str, Any] | None = None,
    made: str = "",
) -> None:
    """Tell a day of one's own: of each substance yes, no or not-known; amounts and craving may be left out.

    ``made`` is when it was entered on a phone without a connection, by the phone's clock; when it arrived is the
    event's own time, and both stand in the ledger.
    """
    asked = _asked(act)
    today = today_at(act, act.participant.site)
    _require_day(act, on, today)
    made_form = forms.form_of(act.protocol, asked.calendar)
    told = _told_use(act, asked, used, amounts or {}, units or {})
    ordinal = on.toordinal()
    before = {row.repeat: row.state for row in repeats_of(act, "calendar", asked.calendar)}
    if before.get(ordinal, IN_ERROR) != IN_ERROR:
        act.refuse(
            "C601", "on", f"{on} was reported before.", "a day not reported yet", "To change it, tell the clinic."
        )
    parts = [day_rows(act, made_form, on, said, is_new=ordinal not in before) for said in told.values()]
    parts += _craving_rows(act, asked, on, craving or {})
    at, can_be = rules.made_at(made, on, act.now.utc)
    late = rules.late_days(on, today)
    act.record(
        subject=f"diary {on}",
        what={"source": PARTICIPANT, "made": at, "made_can_be": can_be, "late_days": late, "put": joined(*parts)},
        answer={"participant": participant, "day": on.isoformat(), **({"late_days": late} if late else {})},
    )


def _asked(act: Act) -> rules.DiaryForms:
    asked = rules.diary_forms(act.protocol)
    if asked is None:
        act.refuse("C653", "diary", "The protocol asks nothing day by day.", "an open daily-use calendar")
    if act.course.phase not in ("consented", "eligible", *IN_TRIAL) or act.course.follow_up in _ENDED:
        act.refuse("C501", "diary", "Nothing more is asked.", "a participant in follow-up", "Ask at the clinic.")
    return asked


def _require_day(act: Act, on: date, today: date) -> None:
    """Refuse a day that is to come, outside the plan, or after the participant left (C652)."""
    if not act.participant.day_1:
        act.refuse("C653", "diary", "The diary has not begun: study day 1 is not known yet.", "a study day 1")
    planned = rules.days_asked(act.protocol, day_1_of(act), today)
    if on not in planned:
        words = f"{planned[0]} to {planned[-1]}" if planned else "no day yet"
        act.refuse("C652", "on", f"{on} is not asked about.", words)
    if act.standing_on(on).follow_up in _ENDED:
        act.refuse("C652", "on", f"On {on} nothing more was asked.", "days on which the participant was followed")


def _told_use(
    act: Act, asked: rules.DiaryForms, used: Mapping[str, Any], amounts: Mapping[str, Any], units: Mapping[str, Any]
) -> dict[str, dict[str, str | None]]:
    """What was told of each substance, as items; every substance of the calendar must be told."""
    problems = [
        Problem("C652", f"used.{name}", f"The calendar has no {name!r}.", listed(asked.substances))
        for name in {**used, **amounts}
        if name not in asked.substances
    ]
    out: dict[str, dict[str, str | None]] = {}
    for name in asked.substances:
        said = str(used.get(name, "")).strip()
        if said not in ("yes", "no", "not-known"):
            problems.append(
                Problem("C573", f"used.{name}", f"{name.capitalize()}: nothing is answered.", "yes, no or not known")
            )
            continue
        amount = str(amounts.get(name) or "").strip()
        if amount and said != "yes":
            problems.append(
                Problem("C574", f"amounts.{name}", "An amount without use.", "an amount of a day of use alone")
            )
        out[name] = {name: None if said == "not-known" else said}
        if amount:
            out[name] |= {f"{name}.amount": amount, f"{name}.unit": str(units.get(name) or "g").strip()}
    raise_problems(problems)
    return out


def _craving_rows(act: Act, asked: rules.DiaryForms, on: date, told: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Rows of craving on a day: one filling a day, under the diary and not under a visit; what stands is kept."""
    parts: list[dict[str, Any]] = []
    unknown = [name for name in told if name not in {made.id for made, _ in asked.cravings}]
    if unknown:
        act.refuse(
            "C652", f"craving.{unknown[0]}", "The diary does not ask it.", listed([m.id for m, _ in asked.cravings])
        )
    for made, item in asked.cravings:
        answer = str(told.get(made.id) or "").strip()
        if not answer:
            continue
        if form_of(act, rules.DIARY, made.id, on.toordinal()) is not None:
            found = f"How strong craving was on {on} was reported before."
            act.refuse("C601", f"craving.{made.id}", found, "craving left out", "To change it, tell the clinic.")
        filling = forms.fill(made, {item.id: answer})
        raise_problems([*filling.hard, *filling.soft])
        parts.append(filled_rows(act, rules.DIARY, made, filling, repeat=on.toordinal(), on=on))
    return parts


# ------------------------------------------------------------------ reading


@action("read-own-diary", states=ALWAYS, again=run_again)
def read_own_diary(act: Act, participant: str) -> None:
    """Read one's own diary: what it asks, the days not reported yet, what was reported, the next visit; no more."""
    act.record(subject="own diary", what={"read": "own diary"})
    act.tell(_diary(act))


@action("read-diary", states=ALWAYS, again=run_again)
def read_diary(act: Act, participant: str) -> None:
    """Read a participant's diary: each day with who told it and when, and whether there is a link to it."""
    act.record(subject="diary", what={"read": "diary"})
    accounts = _accounts(act)
    name = next((account for account, state in accounts if state == "active"), "")
    given = act.trial.values(
        EventRow,
        ("at", "offset_minutes", "account"),
        participant=participant,
        action="diary-link",
        order=("-number",),
        limit=1,
    )
    opened = act.trial.largest(EventRow, "at", account=name, action="sign-in") if name else None
    link = {
        "account": name,
        "given": len(accounts),
        "has_pin": bool(name) and has_pin(act.trial, name),
        "given_on": local_date_of(given[0][0], given[0][1]).isoformat() if given else "",
        "given_by": given[0][2] if given else "",
        "opened": opened or "",
    }
    act.tell({**_diary(act), "link": link})


def _diary(act: Act) -> dict[str, Any]:
    person = act.participant
    asked = rules.diary_forms(act.protocol)
    today = today_at(act, person.site)
    out: dict[str, Any] = {
        "participant": person.participant,
        "site": person.site,
        "today": today.isoformat(),
        "substances": list(asked.substances) if asked else [],
        "cravings": [
            {"form": made.id, "label": made.label, "low": str(item.lowest), "high": str(item.highest)}
            for made, item in (asked.cravings if asked else ())
        ],
        "asks": [],
        "until": "",
        "told": [],
        "next": None,
    }
    followed = act.course.phase in ("consented", "eligible", *IN_TRIAL) and act.course.follow_up not in _ENDED
    out |= {"followed": followed, "has_begun": act.course.phase != "screened"}
    if asked is None or not person.day_1:
        return out
    first = day_1_of(act)
    told = _days_told(act, asked)
    planned = rules.days_asked(act.protocol, first, today)
    last = rules.last_day_asked(act.protocol, first)
    open_days = rules.untold(planned, [date.fromisoformat(row.date) for row in told]) if followed else []
    return out | {
        "asks": [day.isoformat() for day in open_days],
        "until": last.isoformat() if last else "",
        "told": _told_rows(act, asked, first, told[:_SHOWN]),
        "next": _next_visit(act, today) if followed else None,
    }


def _days_told(act: Act, asked: rules.DiaryForms) -> list[FormRow]:
    """Days of which something was told, the newest first."""
    days = repeats_of(act, "calendar", asked.calendar)
    return [row for row in reversed(days) if row.state != IN_ERROR]


def _told_rows(act: Act, asked: rules.DiaryForms, first: date, days: Sequence[FormRow]) -> list[dict[str, Any]]:
    """What was told of each of these days: use, amount and craving, by whom, when it arrived and was made."""
    numbers = [row.first_event for row in days]
    events = {event.number: event for event in act.trial.find(EventRow, number__in=numbers)}
    out = []
    for row in days:
        event = events[row.first_event]
        said = event.content
        values = values_of(act, "calendar", asked.calendar, row.repeat)
        craving = {
            made.id: values_of(act, rules.DIARY, made.id, row.repeat).get(item.id, "") for made, item in asked.cravings
        }
        out.append(
            {
                "day": row.date,
                "study_day": windows.study_day_of(date.fromisoformat(row.date), first),
                "use": {name: values.get(name, "") for name in asked.substances},
                "amounts": {
                    name: f"{values[f'{name}.amount']} {values.get(f'{name}.unit', '')}".strip()
                    for name in asked.substances
                    if values.get(f"{name}.amount")
                },
                "craving": craving,
                "by": event.account,
                "own": event.role == PARTICIPANT,
                "at": event.at,
                "offset_minutes": event.offset_minutes,
                "made": said.get("made", ""),
                "made_can_be": said.get("made_can_be", True),
                "late_days": said.get("late_days", 0),
                "corrected": row.event_number != row.first_event,
            }
        )
    return out


def _next_visit(act: Act, today: date) -> dict[str, str] | None:
    """The next visit of the plan that has not passed: its name and window."""
    done = {
        visit
        for visit, state in act.trial.values(VisitRow, ("visit", "state"), participant=act.participant.participant)
        if state != IN_ERROR
    }
    ahead = sorted(
        (due for due in due_of(act).values() if due.last >= today and due.name not in done), key=lambda due: due.target
    )
    if not ahead:
        return None
    due = ahead[0]
    return {
        "visit": due.name,
        "first": due.first.isoformat(),
        "target": due.target.isoformat(),
        "last": due.last.isoformat(),
    }
