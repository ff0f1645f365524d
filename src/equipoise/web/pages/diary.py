"""A participant's diary as staff see it: each day with who told it and when; the personal link, given on a card."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.http import HttpResponse
from django.utils.safestring import mark_safe

from equipoise.foundation.errors import ConductError
from equipoise.web.own import OWN_PATH
from equipoise.web.page import page, pass_on, request_key
from equipoise.web.pages.acts import OneAct, act_page, standing_bar
from equipoise.web.pages.my import craving_words, use_words
from equipoise.web.policy import may
from equipoise.web.render import render
from equipoise.web.words import counted, day_words, problem_words, time_words, zone_words

_ASIDE = ("C014", "C013")
_AT_ONCE = timedelta(minutes=10)  # between made and received: it did not wait on the phone
_END = OneAct(
    "diary-link-end",
    "End the link to the diary",
    "End the link",
    "The link opens nothing any more, at once. What the participant reported stays; a new link can be given.",
    why="needed",
    final=True,
)


@page("diary", "p/<participant>/diary/")
def diary(request: Any, participant: str) -> HttpResponse:
    """The days of the diary, and the state of the participant's link."""
    told = request.served.do(request.who, "read-diary", {"participant": participant}).told
    zone = request.served.zone_of(told["site"])
    return render(
        request,
        "diary.html",
        {
            "title": f"Diary, {participant}",
            "bar": standing_bar(request, participant),
            "participant": participant,
            "rows": [_row(row, zone) for row in told["told"]],
            "open": counted(len(told["asks"]), "day"),
            "asks": [day_words(day, year=False) for day in sorted(told["asks"])[:14]],
            "more": max(len(told["asks"]) - 14, 0),
            "link": _link(told["link"]),
            "may_give": may("diary-link", request.roles) and (told["followed"] or not told["has_begun"]),
            "may_end": may("diary-link-end", request.roles) and bool(told["link"]["account"]),
            "is_asked": bool(told["substances"]),
        },
    )


def _link(link: Mapping[str, Any]) -> list[tuple[str, str]]:
    if not link["account"]:
        return [("Link", "none in use" if link["given"] else "none given yet")]
    opened = day_words(link["opened"][:10]) if link["opened"] else "never"
    return [
        ("Account of the link", link["account"]),
        ("Given", f"{day_words(link['given_on'])}, by {link['given_by']}"),
        ("PIN", "chosen by the participant" if link["has_pin"] else "not chosen yet"),
        ("Last opened", opened),
    ]


def _row(row: Mapping[str, Any], zone: str) -> dict[str, Any]:
    return {
        "day": day_words(row["day"], year=False),
        "study_day": row["study_day"],
        "use": use_words(row),
        "craving": craving_words(row),
        "own": row["own"],
        "by": "the participant" if row["own"] else row["by"],
        "at": time_words(row["at"], row["offset_minutes"], zone),
        "made": _made(row, zone),
        "late": f"{counted(row['late_days'], 'day')} late" if row["own"] and row["late_days"] else "",
        "corrected": row["corrected"],
    }


def _made(row: Mapping[str, Any], zone: str) -> str:
    """When the phone says that the entry was made, where it was kept there before it was sent."""
    if not row["made"]:
        return ""
    if not row["made_can_be"]:
        return f"made at {row['made']} by the phone's clock, which cannot be"
    made = datetime.fromisoformat(row["made"].replace("Z", "+00:00"))
    if abs(datetime.fromisoformat(row["at"].replace("Z", "+00:00")) - made) < _AT_ONCE:
        return ""
    local = made + timedelta(minutes=row["offset_minutes"])
    words = f"{day_words(local.date(), year=False)}, {local:%H:%M} {zone_words(row['offset_minutes'], zone, local)}"
    return f"made {words} by the phone's clock"


@page("diary-link", "p/<participant>/diary-link/")
def diary_link(request: Any, participant: str) -> HttpResponse:
    """Give a personal link: asked first, then shown once, on a card to print."""
    key = request_key(request)
    said: dict[str, Any] = {"participant": participant, "key": key, "wrong": [], "link": ""}
    status = 200
    if request.method == "POST":
        try:
            made = request.served.do(request.who, "diary-link", {"participant": participant}, key=key)
        except ConductError as error:
            pass_on(error, *_ASIDE)
            said["wrong"], status = [problem_words(problem) for problem in error.problems], 422
        else:
            if made.told.get("link"):
                said |= _card(request, made.told["link"])
            else:  # sent again: a link is shown once
                said["wrong"], status = list(made.warnings), 422
    title = f"Card for {participant}" if said["link"] else f"Link to the diary, {participant}"
    said |= {"title": title, "bar": standing_bar(request, participant)}
    return render(request, "diary_card.html", said, status=status)


def _card(request: Any, link: str) -> dict[str, Any]:
    """The address, and the same as a code for a phone's camera."""
    import segno

    address = request.build_absolute_uri(f"{OWN_PATH}{link}/")
    drawn = segno.make(address, error="m", micro=False).svg_inline(scale=5, border=4, title="Address of the diary")
    return {"link": address, "code": mark_safe(drawn), "on": day_words(request.served.now("").local_date)}


@page("diary-link-end", "p/<participant>/diary-link-end/")
def diary_link_end(request: Any, participant: str) -> HttpResponse:
    """End the link, with the reason."""
    return act_page(request, _END, participant)
