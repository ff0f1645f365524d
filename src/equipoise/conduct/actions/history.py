"""When things happened, as a participant's records and the ledger say: what every typed time is held against."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from equipoise.conduct.actions.turns import contents_of, local_date_of
from equipoise.conduct.rows.joined import filled_items
from equipoise.conduct.rows.tables import IN_ERROR, AllocationRow, EventRow, FormRow, SiteRow, VisitRow
from equipoise.conduct.rules.dates import check_day
from equipoise.conduct.rules.dose_places import DOSE_SHEET, GIVEN, SHEET
from equipoise.conduct.rules.partial_dates import PartialDate
from equipoise.foundation.errors import ConductError, raise_if_any

if TYPE_CHECKING:
    from equipoise.conduct.actions.context import Act

_GIVING = ("randomize", "envelope-opened")


def consents_of(act: Act) -> list[date]:
    """Dates of the consents that stand, in the order recorded; a corrected date in the place of the one it corrects."""
    out: list[date] = []
    for _, _, _, content in contents_of(act.trial, act.participant.participant, "consent", "consent-electronic"):
        for row in content.get("put", {}).get("participant", []):
            if "consented_on" in row:
                if content.get("corrects") and out:
                    out.pop()
                out.append(date.fromisoformat(row["consented_on"]))
    return out


def randomized_on(act: Act) -> date | None:
    """The local date of the first randomization: of one told by a receipt after a restore, the date on the receipt."""
    who = act.participant.participant
    given = act.trial.first(AllocationRow, participant=who, randomization=1, state="given")
    event = act.trial.first(EventRow, number=given.event_number) if given is not None else None
    if event is None:
        return None
    on = event.content.get("on")
    return date.fromisoformat(on) if on is not None else local_date_of(event.at, event.offset_minutes)


def enrolled_on(act: Act) -> date | None:
    """The local date of the enrolment, where nobody is randomized."""
    found = contents_of(act.trial, act.participant.participant, "enrol")
    return date.fromisoformat(found[-1][3]["on"]) if found else None


def profile_of(act: Act) -> dict[str, str]:
    """The levels of the factors that the participant was first randomized by; empty where none is known."""
    found = [
        content.get("profile", {})
        for _, _, _, content in contents_of(act.trial, act.participant.participant, *_GIVING)
        if "profile" in content
    ]
    return {name: str(level) for name, level in found[0].items()} if found else {}


def landmarks(act: Act) -> dict[str, date | None]:
    """What is known of the participant, by the words that a refusal uses."""
    who = act.participant.participant
    site = act.trial.first(SiteRow, site=act.participant.site)
    consents = consents_of(act)
    held = act.trial.values(VisitRow, ("date", "note"), participant=who, state="attended")
    in_person = [on for on, by in held if by != "telephone"]
    forms = act.trial.values(
        FormRow, ("visit", "form", "state", "date"), participant=who, date__not="", state__not=IN_ERROR
    )
    # at an infusion and in a session somebody was there; a weight or a day of the calendar may stand for an earlier day
    there = [on for visit, form, _, on in forms if visit == "session" or form in ("infusion-run", GIVEN)]
    weighed = [on for _, form, _, on in forms if form == "weight"]
    prepared = [on for _, form, state, on in forms if form in (SHEET, DOSE_SHEET) and state != "void"]
    decided = [on for _, form, state, on in forms if form == "eligibility" and state != "void"]
    dates = filled_items(act.trial, who, "adverse-event", items=("onset", "end"))
    events = [one for one in dates if not one.missing and one.state != IN_ERROR]
    onsets = [PartialDate(one.value) for one in events if one.item == "onset"]
    ends = [PartialDate(one.value) for one in events if one.item == "end"]
    deaths = [turn.on for turn in act.turns if turn.follow_up == "dead"] if act.course.follow_up == "dead" else []
    day = act.participant.day_1
    return {
        "the activation of the site": _date(site.activated_on if site is not None else ""),
        "the first consent": consents[0] if consents else _date(act.participant.consented_on),
        "the consent before": consents[-1] if consents else None,
        "the decision on eligibility": _last(decided),
        "study day 1": _date(day),
        "the randomization": randomized_on(act),
        "the enrolment": enrolled_on(act),
        "the last recorded contact": _last([*(on for on, _ in held), *there]),
        "the last recorded visit in person": _last([*in_person, *there]),
        "the first recorded contact": _first([*(on for on, _ in held), *there]),
        "the first weight": _first(weighed),
        "the preparation of a dose": _first(prepared),
        # of a date not known to the day: what cannot come before it is held against its first, what cannot follow
        # against its last
        "the onset of a recorded event": max((told.first for told in onsets if told.first), default=None),
        "the first onset of a recorded event": min((told.last for told in onsets if told.last), default=None),
        "the end of a recorded event": max((told.first for told in ends if told.first), default=None),
        "the death": deaths[-1] if deaths else None,
    }


def _date(text: str) -> date | None:
    return date.fromisoformat(text) if text else None


def _last(days: Iterable[str]) -> date | None:
    return _date(max(days, default=""))


def _first(days: Iterable[str]) -> date | None:
    return _date(min(days, default=""))


def require_day(act: Act, kind: str, on: date | None, place: str = "on", **known: date | PartialDate | None) -> date:
    """The local date meant, today unless said, held against everything known: refused with all that is in the way.

    ``known`` adds or replaces landmarks, by their last word: ``onset=...``.
    """
    day = on or act.now.local_date
    _require(act, kind, day, place, known)
    return day


def require_told(act: Act, kind: str, told: PartialDate, place: str, **known: date | PartialDate | None) -> PartialDate:
    """The same of a date that may not be known to the day: refused where no day that it can be would do."""
    _require(act, kind, told, place, known)
    return told


def _require(
    act: Act, kind: str, day: date | PartialDate, place: str, known: Mapping[str, date | PartialDate | None]
) -> None:
    today = act.now.local_date
    found: dict[str, date | PartialDate | None] = dict(landmarks(act))
    found |= {f"the {name}": value for name, value in known.items()}
    # A day of today needs no bound of the protocol's, and its action may not have loaded the protocol.
    usual = act.protocol.model.conduct.validity.entry_days.usable if day != today else None
    raise_if_any(ConductError, check_day(kind, day, today, found, reason=act.why, place=place, usual_days=usual))


def visit_kind(act: Act, target_day: int | None) -> str:
    """The kind of time of a visit: one that is planned after the randomization cannot precede it."""
    planned = act.protocol.model.calendar.randomization_day or 1
    later = target_day is not None and target_day > planned and act.course.is_in_trial
    return "visit after randomization" if later else "visit"


def day_1_kind(act: Act) -> str:
    """The kind of time of study day 1: where randomization is planned on that day or later, it cannot follow it."""
    # Here, so that an action which asks for no protocol does not load the language.
    from equipoise.conduct.rules.windows import anchor_is_randomization

    if act.protocol.model.randomization is None:
        return "study day 1"
    planned = act.protocol.model.calendar.randomization_day
    after = anchor_is_randomization(act.protocol) or (planned is not None and planned >= 1)
    return "study day 1 before randomization" if after else "study day 1"


def checked_at(act: Act, visit: str) -> datetime | None:
    """When the dose sheet of ``visit`` was last checked; ``None`` where it never was."""
    who = act.participant.participant
    found = act.trial.column(
        EventRow, "at", participant=who, action="dose-check", subject=visit, order=("-number",), limit=1
    )
    return datetime.fromisoformat(found[0].replace("Z", "+00:00")).astimezone(UTC) if found else None
