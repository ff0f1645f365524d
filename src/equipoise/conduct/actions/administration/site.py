"""Sites: added, activated after their approvals, closed."""

from __future__ import annotations

import re
from datetime import date

from equipoise.conduct.actions.context import Act, action
from equipoise.conduct.clock import zone_of
from equipoise.conduct.rows.tables import ParticipantRow, SiteRow
from equipoise.conduct.rules.accounts import check_name
from equipoise.conduct.rules.dates import check_day
from equipoise.foundation.errors import ConductError, listed, nearest, raise_if_any

CODES = {
    "C100": "The site exists already, or is unknown.",
    "C101": "Unknown time zone.",
}


def _require_zone(act: Act, zone: str) -> None:
    try:
        zone_of(zone)
    except ValueError:
        act.refuse("C101", "zone", f"There is no time zone {zone!r}.", "an IANA name such as America/New_York")


def _known(act: Act, site: str) -> SiteRow:
    found = act.trial.first(SiteRow, site=site)
    if found is None:
        known = sorted(act.trial.column(SiteRow, "site"))
        guess = nearest(site, known)
        act.refuse(
            "C100",
            "site",
            f"There is no site {site!r}.",
            listed(known),
            f"Did you mean {guess}?" if guess else "add-site makes one.",
        )
    return found


@action("add-site")
def add_site(act: Act, site: str, zone: str) -> None:
    """Add a site with its time zone; it enrols nobody before it is activated."""
    if act.trial.has(SiteRow, site=site):
        act.refuse("C100", "site", f"There is a site {site!r} already.", "a new name")
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,39}", site):
        expected = "up to 40 letters, digits, dots, dashes and underscores, without blanks"
        act.refuse("C100", "site", f"{site!r} cannot be the name of a site.", expected)
    raise_if_any(ConductError, check_name("site", site, act.trial.column(SiteRow, "site")))
    _require_zone(act, zone)
    randomization = act.protocol.model.randomization
    if randomization is not None and "site" in (randomization.strata.usable or ()):
        act.refuse(
            "C100",
            "site",
            "The trial is randomized within sites, and the protocol does not list this one.",
            "a site of the protocol",
            "Add it under sites by an amendment: amend; then the pharmacy runs add-slots.",
        )
    act.record(subject=f"site {site}", what={"put": {"site": [{"site": site, "zone": zone}]}}, answer={"site": site})


@action("activate-site")
def activate_site(act: Act, site: str, approval: str, zone: str = "", on: date | None = None) -> None:
    """Activate a site: ``approval`` refers to the document of its approvals, without which nobody is enrolled.

    ``on`` is the date of the approval, by default today; nothing at the site can be dated before it. Told anew with a
    reason, it corrects the date or the reference of an active site.
    """
    found = _known(act, site)
    if found.state == "active":
        if on is None:
            act.refuse("C100", "site", f"The site {site!r} is active already.", "a site that is registered or closed")
        act.require_why("The activation of a site was corrected")
    if not approval.strip():
        act.refuse("C100", "approval", "No document is named.", "the reference of the site's approvals")
    if zone:
        _require_zone(act, zone)
    first = act.trial.smallest(ParticipantRow, "consented_on", site=site, consented_on__not="")
    earliest = date.fromisoformat(first) if first else None
    today = act.now.local_date
    # a site that was closed and is opened again was active from its first day on
    day = on or (date.fromisoformat(found.activated_on) if found.activated_on else today)
    known: dict[str, date | None] = {"the first consent": earliest}
    raise_if_any(ConductError, check_day("site activation", day, today, known, reason=act.why))
    row = {
        "site": site,
        "state": "active",
        "approval": approval,
        "activated_on": day.isoformat(),
        **({"zone": zone} if zone else {}),
    }
    act.record(subject=f"site {site}", what={"put": {"site": [row]}}, answer={"site": site, "state": "active"})


@action("close-site", why=True)
def close_site(act: Act, site: str) -> None:
    """Close a site: nobody further is screened or randomized there; visits go on."""
    _known(act, site)
    act.record(
        subject=f"site {site}",
        what={"put": {"site": [{"site": site, "state": "closed"}]}},
        answer={"site": site, "state": "closed"},
    )
