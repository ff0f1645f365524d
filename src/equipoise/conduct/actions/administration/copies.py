"""Copies of the open ledger for a site or the sponsor; taking one is an event, and the copy holds that event too."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from equipoise.conduct.actions.context import Act, Receipt, action, anchor_of
from equipoise.conduct.actions.dispatch import perform
from equipoise.conduct.actions.permissions import ALWAYS
from equipoise.conduct.actions.sign_in import Session
from equipoise.conduct.actions.visits.recording import roles_of
from equipoise.conduct.clock import Clock
from equipoise.conduct.entropy import Entropy
from equipoise.conduct.integrity.copies import ALL, write_increment
from equipoise.conduct.rows.statements import RowsOfTable
from equipoise.conduct.rows.tables import AccountRow, ParticipantRow, SiteRow
from equipoise.conduct.trial.held_texts import held_texts
from equipoise.conduct.trial.trial import Trial

CODES = {"C626": "This account may not have a copy of every site's events."}
# Who reads across sites, blinded; a site's own people take the copy of their site.
_ACROSS_SITES = frozenset({"monitor", "data-manager"})


@action("copy", states=ALWAYS, protocol=False)
def copy(act: Act, site: str | None = None) -> None:
    """Note that a copy of the ledger is taken: of one site, or without ``site`` of all. `equipoise copy` writes it."""
    if site is not None:
        found = act.trial.first(SiteRow, site=site)
        if found is None:
            act.refuse("C014", site, "There is no such site here.", "a site of the trial")
    else:
        account = act.trial.first(AccountRow, account=act.session.account)
        if account is None or account.sites or not roles_of(act) & _ACROSS_SITES:
            act.refuse(
                "C626",
                "site",
                "This account may not read the events of every site.",
                "the copy of a site",
                "Name the site: site=...",
            )
    words = f"copy {site}" if site else "copy of all sites"
    act.record(subject=words, what={"site": site or ALL}, answer={"copy": site or "all sites"})
    act.later.append(lambda receipt: anchor_of(receipt, act.trial))


@dataclass(frozen=True, slots=True)
class Taken:
    """A copy that was taken: the file added, its first and last event, how many stand in it in full."""

    receipt: Receipt
    file: Path
    first: int
    last: int
    n_full: int


def take_copy(
    trial: Trial,
    session: Session,
    folder: Path,
    *,
    site: str | None,
    clock: Clock | None = None,
    entropy: Entropy | None = None,
) -> Taken:
    """Add every event since the last time to the copy in ``folder``, or begin one there.

    Refused by the door for accounts that may not (C013, C014, C626), and where the ledger does not hold what the copy
    does (C075), the copy is another site's (C076) or not whole (C074).
    """
    given = {} if site is None else {"site": site}
    # one after another: two at once would both go on from the same event, and the copy would be whole no more
    with trial.alone(".copying"), trial.use():
        receipt = perform(trial, session, "copy", given, clock=clock, entropy=entropy)
        found = trial.values(ParticipantRow, ("participant",), site=site or ALL)
        source = RowsOfTable(trial.connection.cursor, is_postgres=not trial.is_sqlite)
        file, first, n_full = write_increment(
            source,
            trial.config,
            folder,
            site=site or ALL,
            last=receipt.anchor,
            participants=frozenset(row[0] for row in found),
            held=held_texts(trial),
        )
    return Taken(receipt, file, first, receipt.anchor.number, n_full)
