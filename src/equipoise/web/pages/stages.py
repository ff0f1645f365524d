"""Later stages of a participant: who was found to enter which, the day it counts from, and its randomization."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.http import HttpResponse

from equipoise.conduct.rows.tables import AllocationRow
from equipoise.web.page import page
from equipoise.web.pages.participants import bar
from equipoise.web.policy import may
from equipoise.web.render import render
from equipoise.web.words import day_words


@page("stages", "p/<participant>/stages/")
def stages(request: Any, participant: str) -> HttpResponse:
    """Every later stage, and what comes next of it."""
    from equipoise.randomization import planned_randomizations

    told = request.served.do(request.who, "read", {"participant": participant}).told
    protocol = request.served.protocol_of(participant)
    numbers = {plan.stage: plan.number for plan in planned_randomizations(protocol)}
    given = set(request.served.trial.column(AllocationRow, "randomization", participant=participant))
    rows = []
    for id, stage in list(protocol.model.stages.items())[1:]:
        entered = _item(told["forms"], f"stage-{id} stage-entry 1", "enters")
        randomized = stage.randomizes and numbers.get(id) in given
        waits = stage.randomizes and entered == "yes" and not randomized
        rows.append(
            {
                "name": id.replace("-", " ").capitalize(),
                "words": stage.entry or "",
                "entered": {"yes": "enters", "no": "does not enter"}.get(entered, "not decided"),
                "day_1": day_words(_item(told["forms"], f"stage-{id} stage-day-1 1", "day-1"), week=False),
                "randomized": ("yes" if randomized else "not yet") if stage.randomizes else "not in this stage",
                "decide": f"/p/{participant}/enter-stage/?stage={id}" if may("enter-stage", request.roles) else "",
                "randomize": f"/p/{participant}/randomize/?stage={id}"
                if waits and may("randomize", request.roles)
                else "",
            }
        )
    context = {"title": f"Later stages, {participant}", "participant": participant, "bar": bar(told["standing"])}
    return render(request, "stages.html", {**context, "rows": rows})


def _item(forms: Mapping[str, Mapping[str, str]], place: str, item: str) -> str:
    value = forms.get(place, {}).get(item, "")
    return "" if value.startswith("(") else value
