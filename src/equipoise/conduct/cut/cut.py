"""A data cut: the ledger up to a moment, made into Records.

The cut is the ledger up to the last event that was recorded at or before the moment asked for: a stretch from its
beginning without gaps, whatever the clock did in between. The same ledger, moment, edition and version of the program
give the same bytes.

Editions: ``blinded`` holds neither arms nor milligrams; ``sham`` holds a dummy allocation drawn by the trial's own
schemes, independent of the true one, with the doses that would have belonged to it; ``unblinded`` holds what was given.
What the protocol calls quarantined, and what was recorded as such, is left out of blinded and sham cuts made before the
lock; the others need the safety role's key. A text that may name a treatment is held back there too.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from equipoise.conduct.cut.editions import Edition, Opened, open_sham, open_true
from equipoise.conduct.cut.held import held_at_cut, without_held_texts
from equipoise.conduct.cut.history import read_ledger
from equipoise.conduct.cut.tables import tables_of
from equipoise.conduct.keys.quarantine import is_sealed
from equipoise.foundation.errors import ConductError, Problem
from equipoise.records import DataSource, Records

if TYPE_CHECKING:
    from equipoise.conduct.actions.sign_in import Session
    from equipoise.conduct.clock import Clock
    from equipoise.conduct.cut.history import Ledger
    from equipoise.conduct.entropy import Entropy
    from equipoise.conduct.keys.quarantine import Quarantine
    from equipoise.conduct.trial.held_texts import HeldTexts
    from equipoise.conduct.trial.trial import Trial
    from equipoise.protocol import Protocol

CODES = {
    "C623": "An unblinded cut before the lock needs a recorded unblinding for analysis.",
    "C648": "A sham cut of a trial that does not randomize.",
}


def cut_records(
    trial: Trial,
    *,
    at: datetime,
    edition: Edition,
    pharmacy: Path | None = None,
    safety: Path | None = None,
    without_quarantined: bool = False,
    now: datetime | None = None,
) -> Records:
    """Records of a trial as they stood at a moment, in an edition.

    Sham and unblinded cuts need the pharmacy's folder. What is quarantined belongs to unblinded cuts and to those made
    of a moment after the lock: they need the safety role's folder, unless its key was published, or
    ``without_quarantined`` leaves it out (C043 otherwise). C623 for an unblinded cut of a moment before the lock, save
    where an unblinding for analysis was recorded by then.
    """
    return records_of(
        trial, open_ledger(trial, at, edition, given=CutKeys(pharmacy, safety, without_quarantined), now=now)
    )


@dataclass(frozen=True, slots=True)
class CutKeys:
    """Folders with keys, and whether what is quarantined is left out where it would be shown."""

    pharmacy: Path | None = None
    safety: Path | None = None
    without_quarantined: bool = False


@dataclass(frozen=True)
class OpenedLedger:
    """The ledger up to a moment with all that an edition may open of it."""

    ledger: Ledger
    protocol: Protocol
    edition: Edition
    opened: Opened
    shows: bool  # what is quarantined
    held: HeldTexts | None  # texts that are held back; None where none is


def open_ledger(
    trial: Trial, at: datetime, edition: Edition, *, given: CutKeys, now: datetime | None = None
) -> OpenedLedger:
    """Read the ledger up to ``at`` and open what the edition may; refusals as :func:`cut_records` says."""
    pharmacy, safety, without_quarantined = given.pharmacy, given.safety, given.without_quarantined
    ledger = read_ledger(trial, at, now=now)
    protocol = trial.protocol(ledger.state["protocol_hash"])
    opened = Opened({}, None)
    if edition == "unblinded":
        if not ledger.is_locked and not ledger.was_unblinded_for_analysis:
            raise ConductError(
                Problem(
                    "C623",
                    "--edition",
                    "The database was not locked at that moment.",
                    "an edition without arms",
                    "Lock first; before it, an unblinding for analysis is recorded with its reason: open-arms.",
                )
            )
        opened = open_true(trial, ledger, trial.vault(pharmacy))
    elif edition == "sham":
        if protocol.model.randomization is None:
            found = "Nobody is randomized: there are no arms to put dummies in the place of."
            raise ConductError(Problem("C648", "--edition", found, "blinded, or after the lock unblinded"))
        trial.vault(pharmacy)
        opened = open_sham(trial, ledger, Path(pharmacy or ""), protocol)
    shows = (edition == "unblinded" or ledger.is_locked) and not without_quarantined
    if shows:
        ledger = replace(ledger, key=_key(trial, ledger, safety))
    held = held_at_cut(ledger, trial.protocol) if edition != "unblinded" else None
    return OpenedLedger(ledger, protocol, edition, opened, shows, held)


def records_of(trial: Trial, opened: OpenedLedger) -> Records:
    """The records of an opened ledger."""
    from equipoise.foundation.version import program_version

    ledger, protocol, edition, at, shows = (
        opened.ledger,
        opened.protocol,
        opened.edition,
        opened.ledger.at,
        opened.shows,
    )
    tables = tables_of(ledger, protocol, edition, opened.opened, trial.protocol, shows_quarantined=shows)
    if opened.held is not None:
        tables = without_held_texts(tables, opened.held)
    head = ledger.events[-1]
    training = trial.mode == "training"
    words = {
        "blinded": "without arms and doses",
        "sham": "with SHAM ARMS, an independent dummy allocation: no difference between these arms means anything",
        "unblinded": "with the true arms",
    }[edition]
    source = DataSource(
        # Whatever is entered in training is fiction, and is shown as such.
        origin="simulated" if training else "captured",
        description=f"{'TRAINING trial, nobody in it is real: ' if training else ''}data cut at "
        f"{at.astimezone(UTC).isoformat()}, {words}; {head.number} events of the ledger, head {head.hash[:16]}.",
        protocol=protocol.id,
        protocol_hash=protocol.hash,
        details={
            "edition": edition,
            "at": at.astimezone(UTC).isoformat(),
            "mode": trial.mode,
            "instance": trial.config.instance,
            "events": head.number,
            "head": head.hash,
            "locked": ledger.is_locked,
            "quarantined": "included" if shows else "left out",
            "program_version": program_version(),
        },
    )
    return Records({name: frame for name, frame in tables.items() if frame.height}, source)


def _key(trial: Trial, ledger: Ledger, safety: Path | None) -> Quarantine | None:
    """The safety role's key; ``None`` where nothing quarantined was recorded, C043 where it is needed and not there."""
    if not any(is_sealed(row["value"]) for row in ledger.tables["item"]):
        return None
    key = trial.quarantine(safety)
    if key is None:
        raise ConductError(
            Problem(
                "C043",
                "--safety",
                "The cut holds quarantined values, and nothing opens them.",
                "the safety role's folder, or its key published after the lock (open-quarantine)",
                "Name the folder with --safety, or cut --without-quarantined.",
            )
        )
    return key


def take_cut(
    trial: Trial,
    session: Session,
    *,
    at: str,
    edition: str,
    out: Path,
    pharmacy: Path | None = None,
    safety: Path | None = None,
    without_quarantined: bool = False,
    force: bool = False,
    clock: Clock | None = None,
    entropy: Entropy | None = None,
) -> Records:
    """Take a cut as an account: rights are asked and the cut is noted in the ledger, then it is made and written.

    Raises what :func:`cut_records` and the door raise, and :class:`~equipoise.foundation.errors.OutputError` where the
    folder cannot be made.
    """
    from equipoise.conduct.actions.dispatch import perform
    from equipoise.exchange.records_files import write_records

    given = {"at": at, "edition": edition, "without_quarantined": without_quarantined}
    perform(trial, session, "cut", given, clock=clock, entropy=entropy)
    moment = datetime.fromisoformat(at)
    chosen: Edition = edition  # type: ignore[assignment]
    records = cut_records(
        trial, at=moment, edition=chosen, pharmacy=pharmacy, safety=safety, without_quarantined=without_quarantined
    )
    write_records(records, out, force=force)
    return records


__all__ = ["cut_records", "take_cut"]
