"""Freeze and lock: what is missing before the lock, by name, and who does what."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.http import HttpResponse

from equipoise.web.page import page
from equipoise.web.policy import may
from equipoise.web.render import render
from equipoise.web.words import counted, time_words

_STATES = {
    "open": "The trial is open: everything is recorded.",
    "paused": "The trial is paused: nobody is screened, randomized or dosed; who is in it is followed on.",
    "frozen": "Frozen: corrections, queries, signatures, and adverse events learned of late. Nothing new is recorded.",
    "locked": "Locked: nobody changes a value. Print, cuts and reading stay.",
}
# What can be done, by state of the trial: page, words, whether it is for good.
_DO = {
    "open": (("freeze", "Freeze the data…", True), ("pause", "Pause the trial…", False)),
    "paused": (("resume", "Take the trial up again…", True),),
    "frozen": (("lock", "Lock for good…", True), ("unfreeze", "Open the data again…", False)),
    "locked": (
        ("open-quarantine", "Open what was quarantined…", True),
        ("ask-unlock", "Ask that the lock be opened…", False),
        ("unlock", "Open the lock…", False),
    ),
}
_ADDRESS = {"lock": "/lock/now/"}


@page("closing", "lock/")
def closing(request: Any) -> HttpResponse:
    """What is missing before the lock, and what can be done now."""
    told = request.served.do(request.who, "read-closing").told
    links = may("participant", request.roles)
    steps = _steps(told, links)
    holds = all(step["chip"][0] == "done" for step in steps)
    state = told["state"]
    acts = [
        (_ADDRESS.get(name, f"/{name}/"), words, final)
        for name, words, final in _DO[state]
        if may(name, request.roles) and _is_next(name, told, holds, request.who.account)
    ]
    return render(
        request,
        "closing.html",
        {
            "title": "Freeze and lock",
            "state": state,
            "words": _STATES[state],
            "steps": steps,
            "holds": holds,
            "missing": sum(step["chip"][0] != "done" for step in steps),
            "acts": acts,
            "locked": _said(told["last"].get("lock")) if state == "locked" else "",
            "asked_by": told["unlock_asked_by"] if state == "locked" else "",
            "cuts": may("cuts", request.roles),
        },
    )


def _is_next(name: str, told: Mapping[str, Any], holds: bool, account: str) -> bool:
    if name == "lock":
        return holds
    if name == "unlock":
        return bool(told["unlock_asked_by"]) and told["unlock_asked_by"] != account
    if name == "ask-unlock":
        return not told["unlock_asked_by"]
    if name == "open-quarantine":
        return "open-quarantine" not in told["last"]
    return True


def _steps(told: Mapping[str, Any], links: bool) -> list[dict[str, Any]]:
    state, unsigned, asked = told["state"], told["unsigned"], told["queries"]
    frozen = state in ("frozen", "locked")
    by = _said(told["last"].get("freeze")) if frozen else "An administrator freezes once data are entered."
    n_unsigned, n_asked = len(unsigned) + told["unsigned_elsewhere"], len(asked) + told["queries_elsewhere"]
    safety = ["Of the safety role there are further ones, or none: it closes them."] if told["others"] else []
    people = told["randomized"]
    so_far = [f"{people - n_unsigned} of {people}. A correction supersedes a signature."] if people else []
    return [
        _step("Nothing under way", "; ".join(told["under_way"]).capitalize(), not told["under_way"], "under way"),
        _step("Frozen", by, frozen, "not yet"),
        _step(
            "Every query closed",
            " ".join([*safety, *_elsewhere(told["queries_elsewhere"])]),
            not n_asked and not told["others"],
            counted(n_asked, "open query", "open queries") if n_asked else "the safety role’s",
            [(f"/queries/?query={query}", f"{query}, {who}") for query, who in asked[:40]],
        ),
        _step(
            "Every participant in the trial signed off, as the records stand",
            " ".join([*so_far, *_elsewhere(told["unsigned_elsewhere"])]),
            not n_unsigned,
            f"{n_unsigned} missing",
            [(f"/p/{who}/" if links else "", who) for who in unsigned[:60]],
        ),
    ]


def _elsewhere(number: int) -> list[str]:
    """How many there are of sites that are not the account's own: they are not named to it."""
    return [f"{number} of other sites, not named here."] if number else []


def _step(name: str, words: str, holds: bool, missing: str, people: Any = ()) -> dict[str, Any]:
    return {
        "name": name,
        "words": words,
        "chip": ("done", "holds") if holds else ("late", missing),
        "links": [] if holds else list(people),
    }


def _said(row: Mapping[str, Any] | None) -> str:
    if not row:
        return ""
    return f"by {row['account']}, {time_words(row['at'], row['offset_minutes'], row['zone'])}"
