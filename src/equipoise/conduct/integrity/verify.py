"""Is it whole? The ledger walked from its first event, the tables rebuilt from it, anchors, slots and guards compared.

What cannot be detected from inside: a ledger made anew, hash by hash, from a point after the last anchor that lies
where its forger could not reach. The report says up to which event anchors vouch.
"""

from __future__ import annotations

import gc
import hashlib
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from equipoise.conduct.audit_trail.anchors import FILE as ANCHORS
from equipoise.conduct.audit_trail.anchors import Anchor, read_anchors
from equipoise.conduct.audit_trail.canonical import chained, digest_of_slots
from equipoise.conduct.audit_trail.projection import State, fold
from equipoise.conduct.integrity.absences import absences
from equipoise.conduct.integrity.copies import compare
from equipoise.conduct.integrity.losses import losses_of, read_receipt
from equipoise.conduct.integrity.replay import (
    LONG,
    Second,
    differences,
    loaded,
    second,
    share_out,
    walk_halves,
)
from equipoise.conduct.keys.credentials import credential_digest
from equipoise.conduct.keys.quarantine import misplaced, unopened
from equipoise.conduct.rows import guards
from equipoise.conduct.rows.joined import last_sealed_after
from equipoise.conduct.rows.statements import RowsOfTable, damages, heads, moment
from equipoise.conduct.rows.tables import (
    OF_PARTICIPANTS,
    TABLES,
    AccountRow,
    AllocationRow,
    CredentialRow,
    EventRow,
    LedgerHeadRow,
    ProtocolVersionRow,
    SealedEventRow,
    SignatureRow,
    SlotRow,
)
from equipoise.conduct.rules.accounts import joined_roles
from equipoise.conduct.trial.causes import problem_of
from equipoise.conduct.trial.envelopes import kept_by_redactions, out_of_order, read_envelopes
from equipoise.conduct.trial.protocol_versions import read_version
from equipoise.conduct.trial.signatures import SUPERSEDED, no_longer_as_signed
from equipoise.conduct.trial.trial import Trial, absent_database, read_config
from equipoise.foundation.errors import ConductError, EquipoiseError, Problem, UsageError

if TYPE_CHECKING:
    from equipoise.conduct.keys.quarantine import Quarantine
    from equipoise.conduct.keys.vault import Vault

CODES = {
    "C060": "An event is missing, appears twice or is out of order.",
    "C061": "An event differs from what was recorded.",
    "C062": "An event is not chained to the one before it.",
    "C063": "The head of a ledger is not its last entry.",
    "C064": "A table differs from the ledger.",
    "C065": "The ledger disagrees with an anchor or a receipt kept outside.",
    "C066": "The sealed ledger is incomplete.",
    "C067": "A slot differs from what was sealed, or was assigned out of order.",
    "C068": "A passphrase was put into the database by hand.",
    "C069": "The database is damaged.",
    "U037": "The anchor cannot be read.",
}
_MOST = 40  # findings of one kind that are listed one by one


@dataclass
class Verification:
    """What was found. ``anchored_to`` is the last event that an anchor outside vouches for."""

    trial: str
    mode: str
    findings: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    n_events: int = 0
    n_sealed: int = 0
    head: str = ""
    anchored_to: int = 0
    seconds: float = 0.0
    _counts: dict[str, int] = field(default_factory=dict, repr=False)

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings

    def add(self, code: str, place: str, found: str, expected: str = "") -> None:
        """Note something wrong; after forty of a kind they are only counted."""
        self._counts[code] = self._counts.get(code, 0) + 1
        if self._counts[code] <= _MOST:
            self.findings.append(Problem(code, place, found, expected))

    def add_all(self, problems: Iterable[Problem]) -> None:
        """Note problems as they are, what to do included; after forty of a kind they are only counted."""
        for problem in problems:
            self._counts[problem.code] = self._counts.get(problem.code, 0) + 1
            if self._counts[problem.code] <= _MOST:
                self.findings.append(problem)

    def close(self) -> None:
        """Say how many findings were counted only."""
        for code, count in self._counts.items():
            if count > _MOST:
                self.findings.append(Problem(code, "and more", f"{count - _MOST} further findings of this kind."))

    def as_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        return {
            "ok": self.ok,
            "trial": self.trial,
            "mode": self.mode,
            "events": self.n_events,
            "sealed_events": self.n_sealed,
            "head": self.head,
            "anchored_to": self.anchored_to,
            "seconds": round(self.seconds, 3),
            "findings": [finding.as_dict() for finding in self.findings],
            "notes": self.notes,
        }


def verify_directory(
    directory: Path,
    *,
    pharmacy: Path | None = None,
    safety: Path | None = None,
    against: Sequence[Path] = (),
    anchors: Sequence[str] = (),
) -> Verification:
    """What is wrong with the trial in ``directory``; with the pharmacy's folder every sealed entry is opened, with the
    safety role's every quarantined value. ``against`` are copies of the ledger that it must still hold, ``anchors``
    such as they are printed on receipts (``57-0123456789abcdef``).

    Unlike :meth:`Trial.open` it refuses nothing: what is wrong is what it is there to say.
    """
    trial = Trial(directory, read_config(directory))
    if trial.is_sqlite and not trial.sqlite_file.is_file():
        report = Verification(trial.config.trial, trial.mode)
        report.findings.append(replace(absent_database(trial), code="C069"))
        return report
    try:
        absent: list[Problem] = []
        vault = _opened_folder(lambda: trial.vault(pharmacy), absent) if pharmacy else None
        key = _opened_folder(lambda: trial.quarantine(safety), absent) if safety else None
        report = verify(trial, vault=vault, key=key, against=against, anchors=anchors)
        report.findings += absent
        if pharmacy:
            _guarded(lambda: _pharmacy(trial, report, pharmacy), report, trial)
        return report
    finally:
        trial.close()


def _opened_folder(read: Callable[[], Any], absent: list[Problem]) -> Any:
    """A key that its folder gives; that it does not is one finding among others (C040, C043)."""
    try:
        return read()
    except ConductError as error:
        absent += error.problems
        return None


def verify(
    trial: Trial,
    *,
    vault: Vault | None = None,
    key: Quarantine | None = None,
    against: Sequence[Path] = (),
    anchors: Sequence[str] = (),
    outside: bool = True,
) -> Verification:
    """Everything that is wrong with an open trial, as its connection sees it now; ``against`` are copies of its ledger,
    ``anchors`` printed ones. Without ``outside`` receipts are not looked for (of a backup there are none).

    Raises what is wrong with a copy itself (C074, C076): it then says nothing of the trial.
    """
    printed = [read_printed(text) for text in anchors]
    begin = time.perf_counter()
    # A million small objects that all live to the end: looking for rubbish among them would take most of the time.
    collects = gc.isenabled()
    gc.disable()
    try:
        return _verify(trial, vault, key, _Outside(against, printed, outside), begin)
    finally:
        if collects:
            gc.enable()


@dataclass(frozen=True, slots=True)
class _Outside:
    """What a ledger is held against: copies, printed anchors, and whether its receipts must be there."""

    copies: Sequence[Path]
    printed: Sequence[tuple[int, str]]
    receipts: bool


def _verify(trial: Trial, vault: Vault | None, key: Quarantine | None, outside: _Outside, begin: float) -> Verification:
    report = Verification(trial.config.trial, trial.mode)
    hashes = [trial.genesis("open")]
    quarantined: list[tuple[int, str]] = []
    with ExitStack() as stack:
        stack.enter_context(trial.use())
        # damage that a drill does in a transaction of its own is seen by its own connection alone
        other: Second | None = None
        if not trial.connection.in_atomic_block:
            _guarded(lambda: stack.enter_context(moment(source_of(trial))), report, trial)
            if not report.ok:
                return report
            other = _other(trial)
            if other is not None:
                stack.callback(other.end)
                _guarded(partial(share_out, source_of(trial), other), report, trial)
        for check in (
            lambda: _database(trial, report),
            lambda: _protocols(trial, report),
            lambda: _ledger_and_tables(trial, report, hashes, other, quarantined),
            lambda: _quarantined(trial, report, quarantined, key),
            lambda: _signatures(trial, report),
            lambda: _anchors(trial, report, hashes),
            lambda: _printed(report, hashes, outside.printed),
            lambda: report.add_all(absences(trial)) if outside.receipts else None,
            lambda: _copies(trial, report, hashes, outside.copies),
            lambda: _sealed(trial, report, vault),
            lambda: _allocations(trial, report),
            lambda: _credentials(trial, report),
        ):
            _guarded(check, report, trial)
    report.close()
    report.seconds = time.perf_counter() - begin
    return report


def source_of(trial: Trial) -> RowsOfTable:
    """A trial's rows by its own connection."""
    return RowsOfTable(trial.connection.cursor, is_postgres=not trial.is_sqlite)


def _other(trial: Trial) -> Second | None:
    """A second process where the ledger is long."""
    try:
        n = trial.column(LedgerHeadRow, "number", ledger="open")
    except Exception:  # whatever is wrong is found, and said, by the checks
        return None
    return second(trial) if n and n[0] >= LONG else None


def _guarded(check: Callable[[], object], report: Verification, trial: Trial) -> None:
    """Run one check; a database too damaged to answer is a finding, not an end.

    One that cannot be asked now (a full disk, a server that was stopped) says nothing of the trial: that is raised.
    """
    from django.db import DatabaseError, InterfaceError

    try:
        check()
    except (DatabaseError, InterfaceError, UnicodeDecodeError, OSError) as error:
        problem = problem_of(error, trial)
        if problem is not None:
            raise ConductError(problem) from error
        report.add("C069", "the database", f"It cannot be read: {str(error).strip()}.", "a database that is whole")
    except (ValueError, TypeError, KeyError) as error:
        report.add("C069", "the database", f"It holds what this program never writes: {error!r}.")


def _database(trial: Trial, report: Verification) -> None:
    if trial.is_sqlite:
        for line in damages(trial):
            report.add("C069", "the database", f"Damaged: {line}.")
    for name in guards.missing(trial.connection):
        report.add("C004", f"guard {name}", "It is missing, switched off or changed.", "as the program made it")


def _quarantined(trial: Trial, report: Verification, events: list[tuple[int, str]], key: Quarantine | None) -> None:
    """Quarantined values in the place they were sealed for; with the key each is opened, superseded ones too."""
    try:
        sealer = trial.sealer if events else None
    except ConductError as error:
        report.findings += error.problems
        return
    for number, what in events:
        content = loaded(what)
        for place, found in misplaced(content, number, sealer) if sealer is not None else ():
            report.add("C044", f"event {number}, {place}", found)
        for place, found in unopened(content, number, key) if key is not None else ():
            report.add("C044", f"event {number}, {place}", found)


def _signatures(trial: Trial, report: Verification) -> None:
    """Each valid signature's digest is that of what it signs; the others are shown as superseded."""
    for id, participant, subject in no_longer_as_signed(trial):
        report.add("C072", f"signature {id}", f"{participant or 'The trial'}: {subject}, not what was signed.")
    superseded = trial.count(SignatureRow, state=SUPERSEDED)
    if superseded:
        report.notes.append(f"{superseded} signatures are superseded: what they cover was changed after signing")


def _ledger_and_tables(
    trial: Trial, report: Verification, hashes: list[str], other: Second | None, quarantined: list[tuple[int, str]]
) -> None:
    source = source_of(trial)
    parts = walk_halves(source, other)
    _links(report, sorted(link for part in parts for link in part.links), hashes)
    quarantined += sorted(entry for part in parts for entry in part.quarantined)
    for _, finding in sorted((entry for part in parts for entry in part.findings), key=itemgetter(0)):
        report.add(finding.code, finding.place, finding.found)
    stood = {ledger: (number, hash) for ledger, number, hash in heads(source)}
    if stood.get("open") != (report.n_events, report.head):
        report.add(
            "C063",
            "the open ledger",
            f"Its head says event {stood.get('open', ('?',))[0]}.",
            f"event {report.n_events}, the last there is",
        )
    state: State = {}
    for number, put in sorted((entry for part in parts for entry in part.shared), key=itemgetter(0)):
        try:
            fold(state, put, number)
        except (KeyError, TypeError, AttributeError) as error:
            report.add("C061", f"event {number}", f"What it writes does not fit the tables: {error}.")
    differing = [finding for part in parts for finding in part.differing]
    for name, table in TABLES.items():
        if name not in OF_PARTICIPANTS:
            differing += differences(source, table, state.get(name, {}))
    for finding in differing:
        report.add(finding.code, finding.place, finding.found)


def _protocols(trial: Trial, report: Verification) -> None:
    for hash, text, file_hash in source_of(trial).values(ProtocolVersionRow, ("hash", "text", "file_hash")):
        if hashlib.sha256(text.encode()).hexdigest() != file_hash:
            report.add("C064", f"protocol_version {hash[:12]}", "Its text is not the one adopted.")
            continue
        try:
            read_version(text, hash)
        except ConductError as error:
            report.findings += error.problems


def _links(report: Verification, links: list[tuple[int, str, str, str, str]], hashes: list[str]) -> None:
    """Numbers without a gap, each event chained to the one before it, steps of the clock flagged."""
    previous, last_at, expected = hashes[0], "", 1
    for number, before, hash, at, flag in links:
        if number != expected:
            report.add("C060", f"event {number}", f"Event {expected} is missing.", "numbers without a gap")
            hashes += [""] * max(number - expected, 0)
        if before != previous:
            report.add("C062", f"event {number}", "It is chained to another event than the one before it.")
        if flag:
            report.notes.append(f"event {number}: the clock went back to {at}, {flag}")
        if (at < last_at) != bool(flag):
            report.add("C061", f"event {number}", "A step of the clock is not flagged as it should be.")
        expected, last_at, previous = number + 1, at, hash
        hashes.append(hash)
    report.n_events, report.head = expected - 1, previous
    if not report.n_events:
        report.add("C060", "event 1", "The ledger is empty.", "the event that made the trial")


def _anchors(trial: Trial, report: Verification, hashes: list[str]) -> None:
    source = source_of(trial)
    outside = [(anchor, "") for anchor in read_anchors(trial.receipts)]
    for path in sorted(trial.receipts.glob("receipt-*.json")):
        try:
            outside.append(read_receipt(path))
        except ValueError:
            report.add("C065", path.name, "The receipt cannot be read.")
    acknowledged = losses_of(source)
    given_up: dict[int, list[Anchor]] = {}
    for anchor, _ in outside:
        place = f"anchor {anchor.text} ({anchor.occasion})"
        if anchor.number < len(hashes) and hashes[anchor.number] == anchor.hash:
            report.anchored_to = max(report.anchored_to, anchor.number)
            continue
        loss = next((loss for loss in acknowledged if loss.covers(anchor)), None)
        if loss is not None:
            given_up.setdefault(loss.event, []).append(anchor)
        elif anchor.number >= len(hashes):
            report.add(
                "C065", place, f"The ledger ends at event {len(hashes) - 1}.", f"at least {anchor.number} events"
            )
        else:
            report.add("C065", place, f"Event {anchor.number} is another one.", "the event that the anchor vouches for")
    for loss in acknowledged:
        numbers = [anchor.number for anchor in given_up.get(loss.event, ())]
        if numbers:
            report.notes.append(
                f"lost with a restore: events {loss.backup + 1} to {max(numbers)} or later, as {len(numbers)} anchors "
                f"outside tell; {loss.account} acknowledged it in event {loss.event}, {loss.at[:16]}Z: {loss.why}"
            )
    given = {
        f"{receipt} {participant} {handle}"
        for receipt, participant, handle in source.values(AllocationRow, ("receipt", "participant", "handle"))
    }
    for anchor, line in outside:
        if line and " ".join(line.split()[:3]) not in given:
            place = anchor.occasion
            report.add("C065", place, f"The allocation {line!r} is not in the trial.", "every receipt's allocation")
    if not outside:
        report.notes.append("no anchor is kept in the receipts folder: a shortened or rewritten ledger cannot be told")


def _copies(trial: Trial, report: Verification, hashes: list[str], against: Sequence[Path]) -> None:
    acknowledged = losses_of(source_of(trial))
    for folder in against:
        problem, note, upto = compare(folder, trial.config, hashes, acknowledged)
        report.anchored_to = max(report.anchored_to, upto)
        if problem is not None:
            report.findings.append(problem)
        else:
            report.notes.append(note)


def _sealed(trial: Trial, report: Verification, vault: Vault | None) -> None:
    source = source_of(trial)
    slots: dict[int, list[SlotRow]] = {}
    for slot in source.find(SlotRow):
        slots.setdefault(slot.sealed_number, []).append(slot)
    previous, expected = trial.genesis("sealed"), 1
    stood = {ledger: (number, hash) for ledger, number, hash in heads(source)}
    for number, event, content, digest, before, hash in source.find(SealedEventRow, order=("number",)):
        place = f"sealed event {number}"
        if number != expected:
            report.add("C066", place, f"Sealed event {expected} is missing.")
        expected = number + 1
        if before != previous:
            report.add("C066", place, "It is chained to another entry than the one before it.")
        if chained(before, (number, event, content, digest)) != hash:
            report.add("C066", place, "Its hash is not that of its content: it was changed.")
        mine = slots.pop(number, [])
        if (digest_of_slots(mine) if mine else "") != digest:
            report.add("C067", place, "The slots sealed with it are not those of today.", "every slot as it was sealed")
        if vault is not None:
            _opened(report, vault, f"event {number} of {event}", content)
            for slot in mine:
                opened = _opened(report, vault, f"slot {slot.handle}", slot.content)
                if opened is not None and (opened["stream"], opened["position"]) != (slot.stream, slot.position):
                    report.add("C067", f"slot {slot.handle}", "It was moved to another place of the list.")
        previous = hash
    report.n_sealed = expected - 1
    if stood.get("sealed") != (report.n_sealed, previous):
        report.add("C063", "the sealed ledger", "Its head is not its last entry.", f"entry {report.n_sealed}")
    for number, mine in slots.items():
        report.add("C067", f"sealed event {number}", f"{len(mine)} slots belong to no entry of the sealed ledger.")


def read_printed(text: str) -> tuple[int, str]:
    """A printed anchor: number of the event and the first digits of its hash (eight or more); U037 where it is none."""
    number, dash, digits = text.strip().lower().partition("-")
    if not dash or not number.isdecimal() or len(digits) < 8 or set(digits) - set("0123456789abcdef"):
        found = f"{text!r} is not an anchor."
        raise UsageError(Problem("U037", "--anchor", found, "as it is printed on a receipt: 57-0123456789abcdef"))
    return int(number), digits


def _printed(report: Verification, hashes: list[str], printed: Sequence[tuple[int, str]]) -> None:
    """The ledger held against anchors that somebody typed in from paper."""
    for number, digits in printed:
        place = f"anchor {number}-{digits[:16]}"
        if number >= len(hashes):
            report.add("C065", place, f"The ledger ends at event {len(hashes) - 1}.", f"at least {number} events")
        elif number < 1 or not hashes[number].startswith(digits):
            report.add("C065", place, f"Event {number} is another one.", "the event that the anchor vouches for")
        else:
            report.anchored_to = max(report.anchored_to, number)
            report.notes.append(f"{place} stands in the ledger: everything up to event {number} is as it was then")


def _pharmacy(trial: Trial, report: Verification, pharmacy: Path) -> None:
    """The pharmacy's folder: its sealed lists and commitment, and the anchors of the sealed ledger."""
    protocol = trial.protocol(trial.protocol_hash)
    if protocol.model.randomization is not None:
        for name in ("companion.yaml", "commitment.txt"):
            if not (pharmacy / name).is_file():
                expected = "every file that init wrote there"
                report.add("C077", str(pharmacy / name), "The file is not there.", expected)
    with trial.use():
        noted = last_sealed_after(trial, trial.largest(EventRow, "number", action="restored") or 0)
    if noted and max((anchor.number for anchor in read_anchors(pharmacy)), default=0) < noted:
        found = f"The anchor of sealed entry {noted} is not there."
        report.add("C077", str(pharmacy / ANCHORS), found, "an anchor after every sealed entry")
    _sealed_anchors(trial, report, pharmacy)


def _sealed_anchors(trial: Trial, report: Verification, pharmacy: Path) -> None:
    with trial.use():
        hashes = dict(source_of(trial).values(SealedEventRow, ("number", "hash")))
    for anchor in read_anchors(pharmacy):
        if hashes.get(anchor.number) != anchor.hash:
            report.add("C065", f"sealed anchor {anchor.number}", "The sealed ledger does not hold this entry.")


def _opened(report: Verification, vault: Vault, place: str, content: str) -> dict[str, Any] | None:
    try:
        return vault.open(place, content)
    except EquipoiseError as error:
        report.add("C067", place, error.problems[0].found)
        return None


def _allocations(trial: Trial, report: Verification) -> None:
    source = source_of(trial)
    slots = {slot.handle: (slot.stream, slot.position) for slot in source.find(SlotRow)}
    places: dict[str, list[int]] = {}
    aside = _envelopes(trial, report, slots)
    for given in source.find(AllocationRow, order=("receipt",)):
        if slots.get(given.handle) != (given.stream, given.position):
            report.add("C067", f"allocation {given.participant}", f"There is no slot {given.handle} at that place.")
        places.setdefault(given.stream, []).append(given.position)
    for stream, positions in places.items():
        paper = aside.get(stream, set())
        usual = [position for position in positions if position not in paper]
        expected = [position for position in range(1, max([*positions, *paper]) + 1) if position not in paper]
        if usual != expected[: len(usual)]:
            report.add(
                "C067", f"stream {stream}", "Its slots were not given one after the other.", f"1 to {len(positions)}"
            )


def _envelopes(trial: Trial, report: Verification, slots: dict[str, tuple[Any, ...]]) -> dict[str, set[int]]:
    """Envelopes that are still out, were lost, or were opened out of order, each named; the slots of all of them."""
    with trial.use():
        found = read_envelopes(trial, kept_by_redactions(trial))
    aside: dict[str, set[int]] = {}
    for one in found:
        aside.setdefault(one.stream, set()).add(one.position)
        if slots.get(one.code) != (one.stream, one.position):
            report.add("C067", f"envelope {one.text}", "There is no such slot at that place.")
        if one.state == "out":
            report.notes.append(f"envelope {one.text} is out since {one.reserved_at[:10]}: neither opened nor returned")
        if one.state == "spoilt":
            report.notes.append(f"envelope {one.text} came back broken or was lost: its slot is given to nobody")
    for before, one in out_of_order(found):
        report.notes.append(f"envelope {one.text} was opened before envelope {before.text}")
    return aside


def _credentials(trial: Trial, report: Verification) -> None:
    source = source_of(trial)
    for account, roles in sorted(source.values(AccountRow, ("account", "roles"), state="active")):
        for one, other, why in joined_roles(roles.split(",")):
            report.notes.append(f"account {account} holds {one} and {other}: one {why}; give one of them to another")
    said = dict(source.values(AccountRow, ("account", "credential")))
    for account, encoded in source.values(CredentialRow, ("account", "encoded")):
        if said.pop(account, None) != credential_digest(encoded):
            report.add("C068", f"account {account}", "Its passphrase is not the one that an event set.")
    for account in said:
        report.add("C068", f"account {account}", "Its passphrase is gone.")
