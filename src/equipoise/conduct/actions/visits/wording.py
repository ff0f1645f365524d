"""Wording of questionnaires, taken into use from a file of the site's: its hash is logged, its words are not kept."""

from __future__ import annotations

from equipoise.conduct.actions.context import Act, action
from equipoise.conduct.actions.visits.recording import raise_problems
from equipoise.conduct.rules.wording import read_wording, wording_hash


@action("wording", private=("text",))
def wording(act: Act, site: str, text: str) -> None:
    """Take a file of wording into use at a site (``text=@FILE``): every item of its questionnaires must have words."""
    act.require_active_site()
    found, problems = read_wording(text, act.protocol)
    raise_problems(problems)
    act.record(
        subject=f"wording {site}",
        what={"sha256": wording_hash(text), "instruments": sorted(found)},
        answer={"site": site, "sha256": wording_hash(text), "instruments": sorted(found)},
    )
