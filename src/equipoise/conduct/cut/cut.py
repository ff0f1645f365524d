"""A data cut: the ledger up to a moment, made into Records.

The cut is the ledger up to the last event that was recorded at or before the moment asked for: a stretch from its
beginning without gaps, whatever the clock did in between. The same ledger, moment, edition and version of the program
give the same bytes.

Editions: ``blinded`` holds neither arms nor milligrams; ``sham`` holds a dummy allocation drawn by the trial's own
schemes, independent of the true one, with the doses that would have belonged to it; ``unblinded`` holds what was given.
What the protocol calls quarantined, and what was recorded as such, is left out of blinded and sham cuts made before the
lock; the others need the safety role's key.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from equipoise.conduct.audit_trail.events import COLUMNS, Entry
from equipoise.conduct.audit_trail.projection import apply
from equipoise.conduct.audit_trail.tables import TABLES
from equipoise.conduct.cut.tables import tables_of
from equipoise.conduct.keys.quarantine import is_sealed, opened_items
from equipoise.foundation.errors import ConductError, Problem
from equipoise.records import DataSource, Records

if TYPE_CHECKING:
    from equipoise.conduct.actions.sign_in import Session
    from equipoise.conduct.clock import Clock
    from equipoise.conduct.entropy import Entropy
    from equipoise.conduct.keys.quarantine import Quarantine
    from equipoise.conduct.keys.vault import Vault
    from equipoise.conduct.trial.trial import Trial
    from equipoise.protocol import Protocol

CODES = {
    "C622": "A cut of a moment that has not passed, or before which nothing was recorded.",
    "C623": "An unblinded cut before the lock, and no unblinding for analysis is recorded.",
}

Edition = Literal["blinded", "sham", "unblinded"]
Row = dict[str, Any]


@dataclass(frozen=True)
class Ledger:
    """The ledger up to a moment: its events, and the tables they make, row by row."""

    events: tuple[Entry, ...]
    at: datetime
    kept: Mapping[int, str]  # what redactions, later ones too, left of events they touched
    key: Quarantine | None = None  # opens what is quarantined; without it that is withheld

    @cached_property
    def tables(self) -> Mapping[str, list[Row]]:
        """Rows of every table, as mappings, in the order of their keys."""
        state: dict[str, dict[tuple[Any, ...], Row]] = {name: {} for name in TABLES}
        for event in self.events:
            for put in apply(event, kept=self.kept):
                table, rows, key = put.table, state[put.table.name], put.key
                if key not in rows:
                    rows[key] = {**dict(zip(table.key, key, strict=True)), **table.columns}
                rows[key] |= {**put.values, "event_number": event.number}
        return {name: [rows[key] for key in sorted(rows)] for name, rows in state.items()}

    def content(self, event: Entry) -> Mapping[str, Any]:
        """What an event says; of one that was redacted, what the redaction left."""
        text = event.what or self.kept.get(event.number, "")
        return dict(json.loads(text)) if text else {}

    def rows(self, table: str, **wanted: Any) -> Iterator[Row]:
        """Rows of a table with these values."""
        for row in self.tables[table]:
            if all(row[name] == value for name, value in wanted.items()):
                yield row

    @cached_property
    def items(self) -> Mapping[tuple[str, str, str, int], Mapping[str, Row]]:
        """Items by participant, visit, form and repeat, each by its id; sealed ones opened, or left out without key.

        What the program notes beside the items of a form (in brackets) is left out.
        """
        out: dict[tuple[str, str, str, int], dict[str, Row]] = {}
        for row in opened_items(self.tables["item"], self.key):
            if not is_sealed(row["value"]) and not row["item"].startswith("("):
                key = (row["participant"], row["visit"], row["form"], row["repeat"])
                out.setdefault(key, {})[row["item"]] = row
        return out

    @cached_property
    def withheld(self) -> frozenset[tuple[str, str, str, int]]:
        """Fillings with sealed values that no key opens here: participant, visit, form, repeat."""
        return frozenset(
            (row["participant"], row["visit"], row["form"], row["repeat"])
            for row in self.tables["item"]
            if self.key is None and is_sealed(row["value"])
        )

    @property
    def state(self) -> Row:
        """The trial's state."""
        return next(self.rows("trial_state", name="trial"))

    @property
    def is_locked(self) -> bool:
        """Whether the database was locked by then."""
        return bool(self.state["state"] == "locked")

    @property
    def was_unblinded_for_analysis(self) -> bool:
        """Whether somebody opened the allocation for an analysis, with a reason, by then."""
        return any(row["mode"] == "analysis" for row in self.tables["unblinding"])

    @cached_property
    def given(self) -> Mapping[tuple[str, int], tuple[date, Mapping[str, str]]]:
        """When each slot was given, and the levels that chose it: by participant and number of the randomization.

        After a restore a slot may be known by its receipt alone: its date is then the one on the receipt.
        """
        out: dict[tuple[str, int], tuple[date, Mapping[str, str]]] = {}
        for event in self.events:
            if event.action in ("randomize", "lift-fence"):
                content = self.content(event)
                for row in content.get("put", {}).get("allocation", []):
                    on = date.fromisoformat(content["on"]) if "on" in content else self.local_date(event)
                    out[(event.participant, row["randomization"])] = (on, content.get("profile", {}))
        return out

    def local_date(self, event: Entry) -> date:
        """The date on the wall where an event was recorded."""
        utc = datetime.fromisoformat(event.at.replace("Z", "+00:00"))
        return (utc + timedelta(minutes=event.offset_minutes)).date()


def read_ledger(trial: Trial, at: datetime, *, now: datetime | None = None) -> Ledger:
    """The ledger up to ``at`` (aware); C622 for a moment to come (seen from ``now``), or before the first event."""
    if at.tzinfo is None:
        raise ValueError("the moment of a cut needs a time zone")
    text = at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    if now is not None and at >= now:
        raise ConductError(
            Problem("C622", "--at", f"{text} has not passed: later events would belong to it.", "a moment gone by")
        )
    with trial.use():
        found = trial.rows(f"SELECT {', '.join(COLUMNS)} FROM event ORDER BY number")
    entries = [Entry(*row) for row in found]
    last = max((entry.number for entry in entries if entry.at <= text), default=0)
    if last == 0:
        raise ConductError(
            Problem("C622", "--at", f"Nothing was recorded by {text}.", "a moment after the trial began")
        )
    kept: dict[int, str] = {}
    for entry in entries:
        if entry.action == "redact":
            kept.update({int(number): text for number, text in entry.content.get("kept", {}).items()})
    return Ledger(tuple(entries[:last]), at, kept)


@dataclass(frozen=True)
class Opened:
    """What a cut knows of arms and doses: the true ones, dummies, or nothing."""

    arms: Mapping[tuple[str, int], str]  # participant, number of the randomization
    doses: Mapping[tuple[str, int], tuple[str, Any]] | None  # participant, day: intervention, mg; None: work out


def open_true(trial: Trial, ledger: Ledger, vault: Vault) -> Opened:
    """Arms of the slots given by then, and the doses of the sealed sheets."""
    from decimal import Decimal

    from equipoise.conduct.trial.models import SealedEvent, Slot
    from equipoise.conduct.trial.slots import open_slot

    last = ledger.events[-1].number
    with trial.use():
        slots = {slot.handle: slot for slot in Slot.objects.all()}
        sealed = SealedEvent.objects.filter(event_number__lte=last).order_by("number")
        lines = list(sealed.values_list("number", "event_number", "content"))
    arms = {}
    for row in ledger.tables["allocation"]:
        slot = slots[row["handle"]]
        arms[(row["participant"], row["randomization"])] = str(
            open_slot(vault, slot.handle, slot.stream, slot.position, slot.content)["arm"]
        )
    doses: dict[tuple[str, int], tuple[str, Any]] = {}
    for number, event, content in lines:
        entry = vault.open(f"event {number} of {event}", content)
        if "dose" in entry:
            dose = entry["dose"]
            doses[(dose["participant"], dose["day"])] = (dose["intervention"], Decimal(dose["prepared_mg"]))
    return Opened(arms, doses)


def open_sham(trial: Trial, ledger: Ledger, pharmacy: Path, protocol: Protocol) -> Opened:
    """A dummy allocation: the same streams and places, arms from lists of a key of their own."""
    from equipoise.conduct.trial.slots import read_trial_companion

    lists = read_trial_companion(pharmacy, protocol, trial.mode).sham()
    profiles = {key: profile for key, (_, profile) in ledger.given.items()}
    arms: dict[tuple[str, int], str] = {}
    history: dict[str, list[tuple[Mapping[str, str], str]]] = {}
    for row in sorted(ledger.tables["allocation"], key=lambda row: (row["stream"], row["position"])):
        key = (row["participant"], row["randomization"])
        before = history.setdefault(row["stream"], [])
        arm = lists.next_arm(row["stream"], before, profiles.get(key, {}))
        before.append((profiles.get(key, {}), arm))
        arms[key] = arm
    return Opened(arms, None)


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
    from equipoise.foundation.version import program_version

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
        trial.vault(pharmacy)
        opened = open_sham(trial, ledger, Path(pharmacy or ""), protocol)
    shows = (edition == "unblinded" or ledger.is_locked) and not without_quarantined
    if shows:
        ledger = replace(ledger, key=_key(trial, ledger, safety))
    tables = tables_of(ledger, protocol, edition, opened, trial.protocol, shows_quarantined=shows)
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


__all__ = ["Edition", "Ledger", "Opened", "cut_records", "open_sham", "open_true", "read_ledger", "take_cut"]
