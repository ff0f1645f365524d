"""An amendment before it is adopted: what differs, what it touches in the running trial, who comes under it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from equipoise.conduct.rows.tables import ParticipantRow
from equipoise.conduct.rules.status import IN_TRIAL
from equipoise.web.words import counted

# What a change to a part of the protocol does to a trial that runs.
_ANALYSIS = "The analysis alone: no page and no form changes."
_VISITS = "Visits to come of those who consent anew. Past visits are not judged by it."
_TOUCHES = {
    "schedule": f"{_VISITS} What they did not ask is not missing.",
    "calendar": _VISITS,
    "assessments": "Forms at visits to come of those who consent anew. What is recorded keeps its meaning.",
    "instruments": "Forms at visits to come of those who consent anew. What is recorded keeps its meaning.",
    "conduct": "From the next infusion, weight or report after adoption. Nothing past is judged by it.",
    "interventions": "Doses and sessions to come of those who consent anew.",
    "eligibility": "Decisions to come. Decisions made stand under the version they were made under.",
    "baseline": "What is asked of those who consent anew. Recorded values keep their meaning.",
    "sites": "A site that is new can be activated after its approvals.",
    "stages": "Later stages of those who consent anew.",
    **dict.fromkeys(("use", "endpoints", "estimands", "analyses", "analysis_sets", "analysis-sets"), _ANALYSIS),
    "assumptions": "Simulation alone: nothing of the running trial changes.",
    **dict.fromkeys(
        ("sources", "published", "remarks", "assurance"), "References and remarks: nothing that runs changes."
    ),
    "trial": "Facts about the trial, as reports print them.",
}
_OTHER = "Read it in the protocol: this page has no words for what it does."
_LINE = re.compile(r"^(?P<place>[^:]+): (?P<rest>.*)$", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Difference:
    """One place that differs: before, after, and what that does."""

    place: str
    before: str
    after: str
    touches: str


def differences_of(lines: Sequence[str]) -> list[Difference]:
    """The lines of an amendment as places with before and after."""
    out = []
    for line in lines:
        found = _LINE.match(line)
        place, rest = (found["place"], found["rest"]) if found else (line, "")
        head = re.split(r"[.\[]", place)[0]
        before, after = "", rest
        if rest.startswith("added "):
            after = rest.removeprefix("added ")
        elif rest == "removed":
            before, after = "as it was", ""
        elif " -> " in rest:
            before, _, after = rest.partition(" -> ")
        out.append(Difference(place, before, after, _TOUCHES.get(head, _OTHER)))
    return out


def who_comes_under(trial: Any) -> list[tuple[str, int, str]]:
    """Participants by when the new version is theirs."""
    rows = trial.values(ParticipantRow, ("status", "follow_up"))
    followed = sum(status in IN_TRIAL and follow_up in ("in", "withdrawn_from_visits") for status, follow_up in rows)
    screening = sum(status in ("screened", "consented", "eligible") for status, _ in rows)
    ended = len(rows) - followed - screening
    return [
        ("Randomized and followed", followed, "the day of their new consent; until then the version they agreed to"),
        ("In screening", screening, "consent to the version in force before they are randomized"),
        ("Ended, lost or not enrolled", ended, "stay under the version they had"),
    ]


def unmoved(lines: Sequence[str]) -> list[str]:
    """What an amendment leaves as it is, in sentences."""
    heads = {re.split(r"[.\[]", line.partition(":")[0])[0] for line in lines}
    out = [
        "Randomization: unchanged. The sealed lists were drawn for it, and an amendment that differs there is refused."
    ]
    if not heads & {"endpoints", "estimands", "analyses"}:
        out.append("Endpoints, estimands and analyses: unchanged.")
    out.append("Data entered: no value is changed, none is made invalid.")
    return out


def counted_places(lines: Sequence[str]) -> str:
    """How many places differ."""
    return counted(len(lines), "place")
